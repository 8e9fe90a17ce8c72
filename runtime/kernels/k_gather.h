/* k_gather.h - elements picked along one axis by an index tensor.
 *
 *   out[i.., j.., k..] = in[i.., ix[j..], k..]
 *
 * An index below 0 counts from the end; one outside [-axis_len, axis_len) is
 * taken as the nearest inside, so that no byte outside `in` is read. */
#ifndef K_GATHER_H
#define K_GATHER_H

#include "k_copy.h"

FLX_INLINE ptrdiff_t flx_gather_index(const struct flx_gather_arg *a,
                                      const uint8_t *p)
{
    int64_t i;
    if (a->ix_bytes == 8) {
        __builtin_memcpy(&i, p, 8);
    } else {
        int32_t i32;
        __builtin_memcpy(&i32, p, 4);
        i = i32;
    }
    const int64_t n = (int64_t)a->axis_len;
    i = i < 0 ? i + n : i;
    i = i < 0 ? 0 : i >= n ? n - 1 : i;
    return (ptrdiff_t)i * a->axis_stride;
}

/* The space has rank >= row_dims + 2. A constant operand lies in the one
 * panel. No scratch. Parts share lines. out must not overlap an operand. */
FLX_INLINE void k_gather(const struct flx_call *call,
                         const struct flx_gather_arg *a, uint32_t part,
                         uint32_t n_parts)
{
    const struct flx_view out = FLX_VIEW(a, out, call);
    const struct flx_view in = FLX_VIEW(a, in, call);
    const struct flx_view ix = FLX_VIEW(a, ix, call);
    const uint32_t last = a->rank - 1;
    const ptrdiff_t bytes = (ptrdiff_t)a->elem_bytes;
    const ptrdiff_t ix_step =
        (ptrdiff_t)a->ix_stride[last] * (ptrdiff_t)a->ix_bytes;
    uint32_t u;
    uint32_t u1;
    flx_share((call->r1 - call->r0) * flx_lines(a->rank, a->row_dims, a->dim),
              part, n_parts, &u, &u1);
    while (u < u1) {
        struct flx_plane p;
        u += flx_plane_at(a->rank, a->row_dims, a->dim, call->r0, u, u1, &p);
        for (; p.a0 < p.a1; p.a0++) {
            p.at[last - 1] = p.a0;
            uint8_t *dst = flx_view_at(&out, a->elem_bytes, a->row_dims,
                                       a->rank, p.at, p.r);
            const uint8_t *src = flx_view_at(&in, a->elem_bytes, a->row_dims,
                                             a->rank, p.at, p.r);
            const uint8_t *at =
                flx_view_at(&ix, a->ix_bytes, a->row_dims, a->rank, p.at, p.r);
            if (ix_step == 0) { /* one index for the whole line */
                flx_copy_run(dst, a->out_stride[last],
                             src + flx_gather_index(a, at) * bytes,
                             a->in_stride[last], a->elem_bytes, a->dim[last]);
                continue;
            }
            for (uint32_t i = 0; i < a->dim[last]; i++) {
                flx_copy_one(dst, src + flx_gather_index(a, at) * bytes,
                             a->elem_bytes);
                dst += a->out_stride[last] * bytes;
                src += a->in_stride[last] * bytes;
                at += ix_step;
            }
        }
    }
}

#endif
