/* k_lanes_q8.h - convolutions of 8-bit numbers of any grouping, lane by lane. A
 * panel is 16 consecutive output channels of all groups, its weights
 * [KH * KW * C / group][16], padded to a multiple of 4 rows (flx_quant.h has
 * the rest of it). Taps outside the image are skipped. */
#ifndef K_LANES_Q8_H
#define K_LANES_Q8_H

#include "flx_quant.h"

/* Sum of one lane at pixel p; channels from c0, weights 16 apart. */
FLX_INLINE int32_t flx_lanes_q8_sum(const struct flx_qconv_arg *a,
                                    const struct flx_qconv *v,
                                    struct flx_pixel p, uint32_t c0,
                                    const int8_t *w, int32_t zero, int32_t s)
{
    for (uint32_t tap = 0; tap < a->kernel_h * a->kernel_w; tap++) {
        const uint32_t kh = tap / a->kernel_w;
        const uint32_t kw = tap - kh * a->kernel_w;
        const uint32_t y =
            p.y * a->stride_h + kh * a->dilation_h - (uint32_t)a->pad_top;
        const uint32_t x =
            p.x * a->stride_w + kw * a->dilation_w - (uint32_t)a->pad_left;
        if (y >= a->in_rows || x >= a->in_w) {
            continue;
        }
        const uint8_t *in =
            flx_image_bytes(&v->in, p.n, y, 1) + (size_t)x * a->in_pix + c0;
        const int8_t *wt = w + (size_t)tap * v->c * FLX_PANEL;
        for (uint32_t i = 0; i < v->c; i++) {
            s += ((int32_t)(in[i] ^ v->flip) - v->zero) *
                 (wt[(size_t)i * FLX_PANEL] - zero);
        }
    }
    return s;
}

/* No scratch. Parts share rows x panels. */
FLX_INLINE void k_conv_q8_lanes(const struct flx_call *call,
                                const struct flx_qconv_arg *a, uint32_t part,
                                uint32_t n_parts)
{
    const struct flx_qconv v = flx_qconv_of(call, a);
    const size_t panel_bytes = v.params + (size_t)a->k * FLX_PANEL;
    const uint32_t n_panel = call->p1 - call->p0;
    uint32_t u0;
    uint32_t u1;
    flx_share((call->r1 - call->r0) * n_panel, part, n_parts, &u0, &u1);
    for (uint32_t u = u0; u < u1; u++) {
        const uint32_t r = call->r0 + u / n_panel;
        const uint32_t panel = u % n_panel;
        const uint32_t o = (call->p0 + panel) * FLX_PANEL;
        const uint32_t n = flx_min_u(FLX_PANEL, a->out_c - o);
        const uint8_t *w = call->w + panel * panel_bytes;
        struct flx_pixel p = {r / a->out_rows, r % a->out_rows, 0};
        for (; p.x < a->out_w; p.x++) {
            int32_t sum[FLX_PANEL] = {0};
            for (uint32_t l = 0; l < n; l++) {
                sum[l] =
                    flx_lanes_q8_sum(a, &v, p, (o + l) / v.oc * v.c,
                                     (const int8_t *)(w + v.params) + l,
                                     a->has_zero ? flx_qconv_zero(w)[l] : 0,
                                     flx_qconv_bias(w)[l]);
            }
            flx_qconv_store(a, sum, w, n,
                            flx_image_bytes(&v.out, p.n, p.y, v.out_bytes) +
                                ((size_t)p.x * a->out_pix + o) * v.out_bytes);
        }
    }
}

#endif
