#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "passes/lower_draft.h"

void view_plain(struct view *v, uint32_t buf, enum dtype t, uint32_t rank,
                const uint64_t *dim)
{
    *v = (struct view){.buf = buf, .dtype = t, .rank = rank};
    int64_t step = 1;
    for (uint32_t k = rank; k-- > 0;) {
        v->dim[k] = dim[k];
        v->stride[k] = dim[k] == 1 ? 0 : step;
        step *= (int64_t)dim[k];
    }
}

uint64_t view_count(const struct view *v)
{
    uint64_t n = 1;
    for (uint32_t k = 0; k < v->rank; k++) {
        n *= v->dim[k];
    }
    return n;
}

bool view_same_dims(const struct view *a, const struct view *b)
{
    return a->rank == b->rank &&
           memcmp(a->dim, b->dim, a->rank * sizeof a->dim[0]) == 0;
}

struct view view_permute(const struct view *v, const uint32_t *perm)
{
    struct view out = *v;
    for (uint32_t k = 0; k < v->rank; k++) {
        out.dim[k] = v->dim[perm[k]];
        out.stride[k] = v->stride[perm[k]];
    }
    return out;
}

void view_slice(struct view *v, uint32_t k, int64_t start, int64_t step,
                uint64_t len)
{
    v->off += start * v->stride[k];
    v->stride[k] = len == 1 ? 0 : v->stride[k] * step;
    v->dim[k] = len;
}

/* Dimensions joined where strides allow; returns how many. */
static uint32_t join(const struct view *v, uint64_t *dim, int64_t *stride)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < v->rank; k++) {
        if (v->dim[k] == 1) {
            continue;
        }
        if (n > 0 && stride[n - 1] == v->stride[k] * (int64_t)v->dim[k]) {
            dim[n - 1] *= v->dim[k];
            stride[n - 1] = v->stride[k];
            continue;
        }
        dim[n] = v->dim[k];
        stride[n] = v->stride[k];
        n++;
    }
    return n;
}

bool view_reshape(const struct view *v, uint32_t rank, const uint64_t *dim,
                  struct view *out)
{
    uint64_t run[TENSOR_MAX_RANK];
    int64_t step[TENSOR_MAX_RANK];
    uint32_t n = join(v, run, step);
    struct view made = *v;
    made.rank = rank;
    for (uint32_t k = rank; k-- > 0;) {
        made.dim[k] = dim[k];
        made.stride[k] = 0;
        if (dim[k] == 1) {
            continue;
        }
        if (n > 0 && run[n - 1] == 1) {
            n--;
        }
        if (n == 0 || run[n - 1] % dim[k] != 0) {
            return false;
        }
        made.stride[k] = step[n - 1];
        step[n - 1] *= (int64_t)dim[k];
        run[n - 1] /= dim[k];
    }
    *out = made;
    return true;
}

struct view view_expand(const struct view *v, uint32_t rank,
                        const uint64_t *dim)
{
    struct view out = *v;
    out.rank = rank;
    for (uint32_t k = 0; k < rank; k++) {
        const uint32_t skip = rank - v->rank;
        const bool is_own = k >= skip && v->dim[k - skip] == dim[k];
        out.dim[k] = dim[k];
        out.stride[k] = is_own ? v->stride[k - skip] : 0;
    }
    return out;
}

struct view view_to_image(const struct view *v)
{
    assert(v->rank == 3 || v->rank == 4);
    static const uint32_t perm[4] = {0, 2, 3, 1};
    struct view four = *v;
    if (v->rank == 3) {
        four.rank = 4;
        four.dim[3] = 1;
        four.stride[3] = 0;
    }
    return view_permute(&four, perm);
}

struct view view_from_image(const struct view *v, uint32_t rank)
{
    static const uint32_t perm[4] = {0, 3, 1, 2};
    assert(v->rank == 4 && (rank == 4 || v->dim[2] == 1));
    struct view out = view_permute(v, perm);
    out.rank = rank;
    return out;
}

bool view_is_all_plain(const struct view *v, uint64_t n)
{
    struct view plain;
    view_plain(&plain, v->buf, v->dtype, v->rank, v->dim);
    return v->off == 0 && view_count(v) == n &&
           memcmp(plain.stride, v->stride, v->rank * sizeof v->stride[0]) == 0;
}

void view_order(const struct view *v, uint32_t order[TENSOR_MAX_RANK])
{
    int64_t key[TENSOR_MAX_RANK];
    int64_t next = 0;
    for (uint32_t k = v->rank; k-- > 0;) {
        if (v->dim[k] != 1) {
            next = llabs(v->stride[k]);
        }
        key[k] = next;
    }
    if (v->rank == 4 && v->dim[1] == 1) {
        key[1] = 0;
    }
    for (uint32_t k = 0; k < v->rank; k++) {
        uint32_t at = k;
        for (; at > 0 && key[order[at - 1]] < key[k]; at--) {
            order[at] = order[at - 1];
        }
        order[at] = k;
    }
}
