/* k_tensor_index.h - elements picked, or replaced, where an index tensor says.
 *
 * p[0] says how an index tensor is read (enum flx_index_kind):
 *   ALONG   it has the rank of the data, p[1] is an axis:
 *     gather   out[.., i, ..] = data[.., ix[.., i, ..], ..]
 *     scatter  out[.., ix[.., i, ..], ..] = update[.., i, ..]
 *   TUPLES  its last dimension, of m, holds the first m coordinates:
 *     gather   out[b.., q.., s..] = data[b.., ix[b.., q..][0 .. m), s..]
 *              p[1] is the number of dimensions b
 *     scatter  out[ix[q..][0 .. m), s..] = update[q.., s..]
 * What scatter does not replace is `data`. p[2] of scatter is enum
 * flx_scatter_kind: an update replaces the element or is combined with it, in
 * the order of the updates.
 *
 * An index below 0 counts from the end. Outside its dimension gather takes the
 * nearest inside, and scatter drops the update: no byte outside is touched. */
#ifndef K_TENSOR_INDEX_H
#define K_TENSOR_INDEX_H

#include "flx_tensor.h"
#include "k_copy.h"
#include "k_typed.h"

enum flx_index_kind { FLX_INDEX_ALONG, FLX_INDEX_TUPLES };
enum flx_scatter_kind {
    FLX_SCATTER_SET,
    FLX_SCATTER_ADD,
    FLX_SCATTER_MUL,
    FLX_SCATTER_MAX,
    FLX_SCATTER_MIN
};

/* The index at `off` elements of ix, into a dimension of n; may lie outside. */
FLX_INLINE int64_t flx_index_get(const struct flx_tensor *ix, ptrdiff_t off,
                                 uint32_t n)
{
    const int64_t i = flx_get_int(ix->type, flx_tensor_off(ix, off));
    return i < 0 ? i + (int64_t)n : i;
}

FLX_INLINE int64_t flx_index_clamp(int64_t i, uint32_t n)
{
    return i < 0 ? 0 : i >= (int64_t)n ? (int64_t)n - 1 : i;
}

/* Elements to at[0 .. n) of t's first dimensions. */
FLX_INLINE ptrdiff_t flx_index_off(const struct flx_tensor *t, uint32_t n,
                                   const uint32_t *at)
{
    ptrdiff_t off = 0;
    for (uint32_t k = 0; k < n; k++) {
        off += (ptrdiff_t)at[k] * t->stride[k];
    }
    return off;
}

/* Parts share elements of the output, which overlaps no operand. */
FLX_INLINE void k_tensor_gather(const struct flx_call *call,
                                const struct flx_tensor_arg *a, uint32_t part,
                                uint32_t n_parts)
{
    const struct flx_tensor out = flx_tensor_of(a, call, 0);
    const struct flx_tensor in = flx_tensor_of(a, call, 1);
    const struct flx_tensor ix = flx_tensor_of(a, call, 2);
    const uint32_t is_along = a->p[0] == FLX_INDEX_ALONG;
    const uint32_t fixed = (uint32_t)a->p[1];
    const uint32_t outer = is_along ? ix.rank : ix.rank - 1;
    const uint32_t m = is_along ? 1 : ix.dim[outer];
    const uint32_t bytes = flx_type_bytes(out.type);
    uint32_t i;
    uint32_t end;
    uint32_t at[FLX_MAX_RANK] = {0};
    for (flx_tensor_share(&out, part, n_parts, &i, &end, at); i < end; i++) {
        const ptrdiff_t from = flx_index_off(&ix, outer, at);
        ptrdiff_t off = 0;
        for (uint32_t d = 0; d < in.rank; d++) {
            const uint32_t is_picked = d >= fixed && d < fixed + m;
            if (is_picked) {
                const ptrdiff_t step =
                    is_along ? 0 : (ptrdiff_t)(d - fixed) * ix.stride[outer];
                const int64_t k = flx_index_clamp(
                    flx_index_get(&ix, from + step, in.dim[d]), in.dim[d]);
                off += (ptrdiff_t)k * in.stride[d];
            } else {
                const uint32_t k =
                    is_along || d < fixed ? d : outer + d - fixed - m;
                off += (ptrdiff_t)at[k] * in.stride[d];
            }
        }
        flx_copy_one(flx_tensor_at(&out, at), flx_tensor_off(&in, off), bytes);
        flx_tensor_next(&out, at);
    }
}

/* The element that update at[] goes to, as an offset; its number in row-major
 * order in *n. 0 if there is none. */
FLX_INLINE uint32_t flx_scatter_place(const struct flx_tensor_arg *a,
                                      const struct flx_tensor *out,
                                      const struct flx_tensor *ix,
                                      const uint32_t *at, uint32_t *n,
                                      ptrdiff_t *off)
{
    const uint32_t is_along = a->p[0] == FLX_INDEX_ALONG;
    const uint32_t axis = (uint32_t)a->p[1];
    const uint32_t outer = is_along ? ix->rank : ix->rank - 1;
    const uint32_t m = is_along ? 1 : ix->dim[outer];
    const ptrdiff_t from = flx_index_off(ix, outer, at);
    *n = 0;
    *off = 0;
    for (uint32_t d = 0; d < out->rank; d++) {
        int64_t k;
        if (is_along) {
            k = d == axis ? flx_index_get(ix, from, out->dim[d])
                          : (int64_t)at[d];
        } else if (d < m) {
            k = flx_index_get(ix, from + (ptrdiff_t)d * ix->stride[outer],
                              out->dim[d]);
        } else {
            k = (int64_t)at[outer + d - m];
        }
        if (k < 0 || k >= (int64_t)out->dim[d]) {
            return 0;
        }
        *n = *n * out->dim[d] + (uint32_t)k;
        *off += (ptrdiff_t)k * out->stride[d];
    }
    return 1;
}

/* dst becomes what it and src are combined to. */
FLX_INLINE void flx_scatter_put(uint32_t kind, uint32_t type, uint8_t *dst,
                                const uint8_t *src)
{
    if (kind == FLX_SCATTER_SET) {
        flx_copy_one(dst, src, flx_type_bytes(type));
        return;
    }
    struct flx_number x = flx_get(type, dst);
    const struct flx_number y = flx_get(type, src);
    if (kind == FLX_SCATTER_ADD) {
        x.f += y.f;
        x.i = (int64_t)((uint64_t)x.i + (uint64_t)y.i);
    } else if (kind == FLX_SCATTER_MUL) {
        x.f *= y.f;
        x.i = (int64_t)((uint64_t)x.i * (uint64_t)y.i);
    } else {
        const uint32_t is_max = kind == FLX_SCATTER_MAX;
        const uint32_t is_float = flx_type_is_float(type);
        const uint32_t is_less =
            is_float ? x.f < y.f : flx_int_less(type, x.i, y.i);
        const uint32_t is_more =
            is_float ? x.f > y.f : flx_int_less(type, y.i, x.i);
        if ((is_max ? is_less : is_more) || (is_float && y.f != y.f)) {
            x = y;
        }
    }
    flx_put(type, x, dst);
}

/* Each part copies its share of the output's elements and makes all updates of
 * those, so that their order is that of the updates. out overlaps no operand,
 * or is the data itself, which then is there already. */
FLX_INLINE void k_tensor_scatter(const struct flx_call *call,
                                 const struct flx_tensor_arg *a, uint32_t part,
                                 uint32_t n_parts)
{
    const struct flx_tensor out = flx_tensor_of(a, call, 0);
    const struct flx_tensor in = flx_tensor_of(a, call, 1);
    const struct flx_tensor ix = flx_tensor_of(a, call, 2);
    const struct flx_tensor update = flx_tensor_of(a, call, 3);
    const uint32_t bytes = flx_type_bytes(out.type);
    const uint32_t n = flx_tensor_count(&update);
    uint32_t from;
    uint32_t end;
    uint32_t at[FLX_MAX_RANK] = {0};
    flx_tensor_share(&out, part, n_parts, &from, &end, at);
    for (uint32_t i = from; i < end && out.base != in.base; i++) {
        flx_copy_one(flx_tensor_at(&out, at), flx_tensor_at(&in, at), bytes);
        flx_tensor_next(&out, at);
    }
    for (uint32_t k = 0; k < FLX_MAX_RANK; k++) {
        at[k] = 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t place;
        ptrdiff_t off;
        if (flx_scatter_place(a, &out, &ix, at, &place, &off) &&
            place >= from && place < end) {
            flx_scatter_put((uint32_t)a->p[2], out.type,
                            flx_tensor_off(&out, off),
                            flx_tensor_at(&update, at));
        }
        flx_tensor_next(&update, at);
    }
}

#endif
