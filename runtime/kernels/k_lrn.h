/* k_lrn.h - local response normalisation across channels.
 *
 *   out[c] = in[c] / (bias + alpha / size * sum of in[j]^2)^beta,
 *   j from c - floor((size - 1) / 2) to c + ceil((size - 1) / 2), inside
 *
 * Squares are summed from the lowest channel up. out must not be in. */
#ifndef K_LRN_H
#define K_LRN_H

#include "flx_act.h"

/* x^y of one vector; 3/4 and 1/2 by square roots. */
FLX_INLINE flx_v flx_lrn_pow(flx_v x, float y)
{
    if (y == 1.0f) {
        return x;
    }
    if (y == 0.5f || y == 0.75f) {
        const flx_v r = flx_vsqrt(x);
        return y == 0.5f ? r : r * flx_vsqrt(r);
    }
    float v[FLX_LANES];
    flx_store(v, x);
    for (uint32_t i = 0; i < FLX_LANES; i++) {
        v[i] = flx_pow(v[i], y);
    }
    return flx_load(v);
}

FLX_INLINE void flx_lrn_pixel(const struct flx_lrn_arg *a, const float *in,
                              float *out)
{
    const uint32_t below = (a->size - 1) / 2;
    const uint32_t above = a->size - 1 - below;
    const float scale = a->alpha / (float)a->size;
    for (uint32_t c = 0; c < a->c; c += FLX_LANES) {
        const uint32_t n = flx_min_u(FLX_LANES, a->c - c);
        float sum[FLX_LANES] = {0};
        for (uint32_t i = 0; i < n; i++) {
            const uint32_t at = c + i;
            const uint32_t lo = at < below ? 0 : at - below;
            const uint32_t hi = flx_min_u(a->c - 1, at + above);
            for (uint32_t j = lo; j <= hi; j++) {
                sum[i] = flx_fma(in[j], in[j], sum[i]);
            }
        }
        const flx_v s =
            flx_vfma(flx_splat(scale), flx_load(sum), flx_splat(a->bias));
        const flx_v x =
            n == FLX_LANES ? flx_load(in + c) : flx_load_n(in + c, n, 0.0f);
        const flx_v y = x / flx_lrn_pow(s, a->beta);
        if (n == FLX_LANES) {
            flx_store(out + c, y);
        } else {
            flx_store_n(out + c, y, n);
        }
    }
}

/* No scratch. Parts share rows x pixels. */
FLX_INLINE void k_lrn_f32(const struct flx_call *call,
                          const struct flx_lrn_arg *a, uint32_t part,
                          uint32_t n_parts)
{
    const struct flx_image in = FLX_IMAGE(a, in, &call->arg[1], a->rows);
    const struct flx_image out = FLX_IMAGE(a, out, &call->arg[0], a->rows);
    uint32_t u0;
    uint32_t u1;
    flx_share((call->r1 - call->r0) * a->w, part, n_parts, &u0, &u1);
    for (uint32_t u = u0; u < u1; u++) {
        const uint32_t r = call->r0 + u / a->w;
        const uint32_t x = u % a->w;
        flx_lrn_pixel(
            a, flx_image_row(&in, r / a->rows, r % a->rows) + x * a->in_pix,
            flx_image_row(&out, r / a->rows, r % a->rows) + x * a->out_pix);
    }
}

#endif
