/* k_pool_q8.h - largest or mean element of windows of 8-bit numbers, [y][x][c].
 *
 *   max  the largest of the taps inside the image; the least number without any
 *   avg  round(sum of (tap - in_zero) / count * scale) + out_zero, halves to
 *        even: count is that of the taps inside, or of those inside image and
 *        pads (count_pad), whose value is in_zero
 *
 * Both are cut to [low, high]. Sums are less than 2^31. */
#ifndef K_POOL_Q8_H
#define K_POOL_Q8_H

#include "flx_quant.h"
#include "k_pool.h"

/* One vector of channels from c, of which n are there. */
FLX_INLINE flx_vi flx_pool_q8_vector(const struct flx_qpool_arg *a,
                                     const struct flx_window *win,
                                     uint32_t flip, int32_t zero, uint32_t c,
                                     uint32_t n)
{
    flx_vi s = flx_splat_i(0);
    for (uint32_t ky = win->ky0; ky < win->ky1; ky++) {
        const uint8_t *row =
            flx_image_bytes(win->in, win->n, win->y0 + ky * a->dilation_h, 1);
        for (uint32_t kx = win->kx0; kx < win->kx1; kx++) {
            const uint32_t x = win->x0 + kx * a->dilation_w;
            const uint8_t *p = row + (size_t)x * a->in_pix + c;
            uint8_t tmp[FLX_LANES] = {0};
            if (n < FLX_LANES) {
                for (uint32_t i = 0; i < n; i++) {
                    tmp[i] = p[i];
                }
                p = tmp;
            }
            const flx_vi v = flx_load_bytes(p) ^ flx_splat_i((int32_t)flip);
            if (a->is_max) {
                s = flx_max_i(v, s);
            } else {
                s = flx_add_i(s, flx_sub_i(v, flx_splat_i(zero)));
            }
        }
    }
    if (a->is_max) {
        return flx_requantise(
            flx_float_of(flx_sub_i(s, flx_splat_i((int32_t)flip))), 0, a->low,
            a->high);
    }
    return flx_requantise(flx_float_of(s) / flx_splat(win->divisor) *
                              flx_splat(a->scale),
                          a->out_zero, a->low, a->high);
}

/* No weights, no scratch. Parts share rows x pixels. */
FLX_INLINE void k_pool_q8(const struct flx_call *call,
                          const struct flx_qpool_arg *a, uint32_t part,
                          uint32_t n_parts)
{
    const struct flx_image in = FLX_IMAGE(a, in, &call->arg[1], a->in_rows);
    const struct flx_image out = FLX_IMAGE(a, out, &call->arg[0], a->out_rows);
    const uint32_t flip = a->in_type == FLX_I8 ? 0x80u : 0u;
    const int32_t zero = a->in_zero + (int32_t)flip;
    uint32_t u0;
    uint32_t u1;
    flx_share((call->r1 - call->r0) * a->out_w, part, n_parts, &u0, &u1);
    for (uint32_t u = u0; u < u1; u++) {
        const uint32_t ox = u % a->out_w;
        const uint32_t r = call->r0 + u / a->out_w;
        const uint32_t oy = r % a->out_rows;
        const struct flx_window win =
            FLX_POOL_WINDOW(a, &in, r / a->out_rows, oy, ox);
        uint8_t *o =
            flx_image_bytes(&out, win.n, oy, 1) + (size_t)ox * a->out_pix;
        for (uint32_t j = 0; j < a->c; j += FLX_LANES) {
            const uint32_t n = flx_min_u(FLX_LANES, a->c - j);
            int32_t buf[FLX_LANES];
            flx_store_i(
                buf, n == FLX_LANES
                         ? flx_pool_q8_vector(a, &win, flip, zero, j, FLX_LANES)
                         : flx_pool_q8_vector(a, &win, flip, zero, j, n));
            for (uint32_t i = 0; i < n; i++) {
                o[j + i] = (uint8_t)buf[i];
            }
        }
    }
}

#endif
