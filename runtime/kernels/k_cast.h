/* k_cast.h - element type conversion: f4 to f64, bool, integers of 2 to 64
 * bits. Floats are rounded to nearest even, and cut toward zero where the
 * result is an integer; integers wrap; NaN and what does not fit 64 bits become
 * the least i64, cut to the type. To bool: 1 where not 0. */
#ifndef K_CAST_H
#define K_CAST_H

#include "flx_box.h"
#include "flx_half.h"

/* The space has rank >= row_dims + 2. No scratch. Parts share lines. out must
 * not overlap in. */
FLX_INLINE void k_cast(const struct flx_call *call,
                       const struct flx_cast_arg *a, uint32_t part,
                       uint32_t n_parts)
{
    const struct flx_view out = FLX_VIEW(a, out, call);
    const struct flx_view in = FLX_VIEW(a, in, call);
    const uint32_t last = a->rank - 1;
    const ptrdiff_t bo = (ptrdiff_t)flx_type_bytes(a->out_type);
    const ptrdiff_t bi = (ptrdiff_t)flx_type_bytes(a->in_type);
    uint32_t u;
    uint32_t u1;
    flx_share((call->r1 - call->r0) * flx_lines(a->rank, a->row_dims, a->dim),
              part, n_parts, &u, &u1);
    while (u < u1) {
        struct flx_plane p;
        u += flx_plane_at(a->rank, a->row_dims, a->dim, call->r0, u, u1, &p);
        for (; p.a0 < p.a1; p.a0++) {
            p.at[last - 1] = p.a0;
            uint8_t *dst = flx_view_at(&out, (uint32_t)bo, a->row_dims, a->rank,
                                       p.at, p.r);
            const uint8_t *src =
                flx_view_at(&in, (uint32_t)bi, a->row_dims, a->rank, p.at, p.r);
            for (uint32_t i = 0; i < a->dim[last]; i++) {
                struct flx_number x = flx_convert(a->out_type, a->in_type,
                                                  flx_get(a->in_type, src));
                if (flx_type_is_small(a->out_type)) {
                    dst[0] =
                        flx_small_bits(a->out_type, x.f, a->saturate, a->round);
                } else {
                    x.i = flx_narrow(a->out_type, x.i);
                    flx_put(a->out_type, x, dst);
                }
                dst += a->out_stride[last] * bo;
                src += a->in_stride[last] * bi;
            }
        }
    }
}

#endif
