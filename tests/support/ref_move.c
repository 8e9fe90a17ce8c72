/* ref_move.c - operators that only move elements; each has 8 bytes. */
#include "reference.h"

#include <string.h>

enum { ELEMENT = 8 };

static const char *at(const void *base, int64_t ix)
{
    return (const char *)base + ix * ELEMENT;
}

static void copy(void *dst, int64_t dst_ix, const void *src, int64_t src_ix,
                 int64_t n)
{
    memcpy((char *)dst + dst_ix * ELEMENT, at(src, src_ix),
           (size_t)(n * ELEMENT));
}

static void row_strides(const struct ref_shape *s, int64_t *stride)
{
    for (int i = 0; i < s->rank; i++) {
        stride[i] = ref_span(s, i + 1, s->rank);
    }
}

/* Next position in row-major order over the first `rank` dimensions. */
static void step(const struct ref_shape *s, int rank, int64_t *pos)
{
    for (int i = rank - 1; i >= 0; i--) {
        if (++pos[i] < s->dim[i]) {
            return;
        }
        pos[i] = 0;
    }
}

void ref_strided(const struct ref_shape *out, const int64_t *stride,
                 int64_t offset, const void *src, void *dst)
{
    const int rank = out->rank > 0 ? out->rank - 1 : 0;
    const int64_t len = out->rank > 0 ? out->dim[rank] : 1;
    const int64_t n = ref_count(out);
    int64_t pos[REF_MAX_RANK] = {0};
    for (int64_t done = 0; done < n; done += len) {
        int64_t from = offset;
        for (int i = 0; i < rank; i++) {
            from += pos[i] * stride[i];
        }
        if (len == 1 || stride[rank] == 1) {
            copy(dst, done, src, from, len);
        } else {
            for (int64_t i = 0; i < len; i++) {
                copy(dst, done + i, src, from + i * stride[rank], 1);
            }
        }
        step(out, rank, pos);
    }
}

void ref_transpose(const struct ref_shape *in, const int64_t *perm,
                   const void *src, void *dst)
{
    struct ref_shape out = {in->rank, {0}};
    int64_t from[REF_MAX_RANK];
    int64_t stride[REF_MAX_RANK];
    row_strides(in, from);
    for (int i = 0; i < in->rank; i++) {
        out.dim[i] = in->dim[perm[i]];
        stride[i] = from[perm[i]];
    }
    ref_strided(&out, stride, 0, src, dst);
}

void ref_expand(const struct ref_shape *in, const struct ref_shape *out,
                const void *src, void *dst)
{
    int64_t from[REF_MAX_RANK];
    int64_t stride[REF_MAX_RANK] = {0};
    row_strides(in, from);
    for (int i = 1; i <= in->rank; i++) {
        stride[out->rank - i] =
            in->dim[in->rank - i] == 1 ? 0 : from[in->rank - i];
    }
    ref_strided(out, stride, 0, src, dst);
}

void ref_where(const struct ref_shape *cond_shape, const int64_t *cond,
               const struct ref_shape *a_shape, const void *a,
               const struct ref_shape *b_shape, const void *b,
               const struct ref_shape *out, void *dst)
{
    const struct ref_shape *shape[3] = {cond_shape, a_shape, b_shape};
    int64_t from[REF_MAX_RANK];
    int64_t stride[3][REF_MAX_RANK] = {{0}};
    int64_t pos[REF_MAX_RANK] = {0};
    for (int k = 0; k < 3; k++) {
        row_strides(shape[k], from);
        for (int i = 1; i <= shape[k]->rank; i++) {
            const int axis = shape[k]->rank - i;
            stride[k][out->rank - i] =
                shape[k]->dim[axis] == 1 ? 0 : from[axis];
        }
    }
    for (int64_t i = 0; i < ref_count(out); i++) {
        int64_t ix[3] = {0};
        for (int k = 0; k < 3; k++) {
            for (int axis = 0; axis < out->rank; axis++) {
                ix[k] += pos[axis] * stride[k][axis];
            }
        }
        if (cond[ix[0]]) {
            copy(dst, i, a, ix[1], 1);
        } else {
            copy(dst, i, b, ix[2], 1);
        }
        step(out, out->rank, pos);
    }
}

static int64_t sum(int64_t n, const int64_t *v)
{
    int64_t total = 0;
    for (int64_t i = 0; i < n; i++) {
        total += v[i];
    }
    return total;
}

void ref_concat(int64_t outer, int64_t n, const int64_t *inner,
                const void *const *src, void *dst)
{
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < n; i++) {
            copy(dst, o * sum(n, inner) + sum(i, inner), src[i], o * inner[i],
                 inner[i]);
        }
    }
}

void ref_split(int64_t outer, int64_t n, const int64_t *inner, const void *src,
               void *const *dst)
{
    for (int64_t o = 0; o < outer; o++) {
        for (int64_t i = 0; i < n; i++) {
            copy(dst[i], o * inner[i], src, o * sum(n, inner) + sum(i, inner),
                 inner[i]);
        }
    }
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

int64_t ref_slice_axis(int64_t dim, int64_t *start, int64_t end, int64_t by)
{
    const int64_t lo = by > 0 ? 0 : -1;
    const int64_t hi = by > 0 ? dim : dim - 1;
    const int64_t first =
        clamp(*start < 0 ? *start + dim : *start, 0, hi > 0 ? hi : 0);
    const int64_t last = clamp(end < 0 ? end + dim : end, lo, hi);
    *start = first;
    const int64_t room = by > 0 ? last - first : first - last;
    if (room <= 0 || dim == 0) {
        return 0;
    }
    /* by may be INT64_MIN: compare before negating */
    const int64_t stride = by > 0 ? by : by < -room ? room : -by;
    return (room - 1) / stride + 1;
}

void ref_slice(const struct ref_shape *in, const int64_t *start,
               const int64_t *by, const struct ref_shape *out, const void *src,
               void *dst)
{
    int64_t stride[REF_MAX_RANK];
    int64_t offset = 0;
    row_strides(in, stride);
    for (int i = 0; i < in->rank; i++) {
        offset += start[i] * stride[i];
        stride[i] *= out->dim[i] > 1 ? by[i] : 1;
    }
    ref_strided(out, stride, offset, src, dst);
}

bool ref_gather(int64_t outer, int64_t dim, int64_t inner,
                const int64_t *indices, int64_t n, const void *src, void *dst)
{
    for (int64_t i = 0; i < n; i++) {
        if (indices[i] < -dim || indices[i] >= dim) {
            return false;
        }
        const int64_t from = indices[i] < 0 ? indices[i] + dim : indices[i];
        for (int64_t o = 0; o < outer; o++) {
            copy(dst, (o * n + i) * inner, src, (o * dim + from) * inner,
                 inner);
        }
    }
    return true;
}

/* The source position of a padded one, or -1 for the constant. */
static int64_t pad_source(int64_t ix, int64_t dim, enum ref_pad_mode mode)
{
    if (ix >= 0 && ix < dim) {
        return ix;
    }
    const int64_t period = mode == REF_PAD_WRAP ? dim : 2 * (dim - 1);
    const int64_t phase = period > 0 ? (ix % period + period) % period : 0;
    switch (mode) {
    case REF_PAD_EDGE:
        return clamp(ix, 0, dim - 1);
    case REF_PAD_REFLECT:
        return phase < dim ? phase : period - phase;
    case REF_PAD_WRAP:
        return phase;
    case REF_PAD_CONSTANT:
    case REF_N_PAD_MODES:
        break;
    }
    return -1;
}

void ref_pad(const struct ref_shape *in, const int64_t *begin,
             const struct ref_shape *out, enum ref_pad_mode mode,
             const void *value, const void *src, void *dst)
{
    int64_t stride[REF_MAX_RANK];
    int64_t pos[REF_MAX_RANK] = {0};
    row_strides(in, stride);
    for (int64_t i = 0; i < ref_count(out); i++) {
        int64_t from = 0;
        for (int axis = 0; axis < in->rank && from >= 0; axis++) {
            const int64_t ix =
                pad_source(pos[axis] - begin[axis], in->dim[axis], mode);
            from = ix < 0 ? -1 : from + ix * stride[axis];
        }
        if (from < 0) {
            copy(dst, i, value, 0, 1);
        } else {
            copy(dst, i, src, from, 1);
        }
        step(out, out->rank, pos);
    }
}
