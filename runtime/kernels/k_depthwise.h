/* k_depthwise.h - convolution with one input channel per group and as many
 * groups as output channels (k_conv.h has the formula and the operands).
 *
 * Vectors run along channels; a panel is 16 of them, [KH * KW][16] weights.
 * Each pixel is one chain over its taps inside the image, kernel rows first;
 * taps outside are skipped, which depends on the pixel alone. */
#ifndef K_DEPTHWISE_H
#define K_DEPTHWISE_H

#include "k_conv.h"

/* Pixels of a row side by side: they share the loads of the weights. */
enum { FLX_DW_PIXELS = 4 };

/* Sums of FLX_DW_PIXELS pixels, or of one. */
struct flx_dw_sums {
    flx_v s0;
    flx_v s1;
    flx_v s2;
    flx_v s3;
};

/* The m pixels from p; one vector of channels from c0, whose bias and weights
 * are at b and w. m == FLX_DW_PIXELS: no tap leaves the image sideways. */
FLX_INLINE struct flx_dw_sums flx_dw_vector(const struct flx_conv_arg *a,
                                            const struct flx_conv *v,
                                            struct flx_pixel p, uint32_t m,
                                            uint32_t c0, uint32_t lanes,
                                            const float *b, const float *w)
{
    const int32_t x0 = (int32_t)(p.x * a->stride_w) - a->pad_left;
    const int32_t y0 = (int32_t)(p.y * a->stride_h) - a->pad_top;
    const size_t step = (size_t)a->stride_w * a->in_pix;
    flx_v s0 = flx_load(b);
    flx_v s1 = s0;
    flx_v s2 = s0;
    flx_v s3 = s0;
    for (uint32_t kh = 0; kh < a->kernel_h; kh++) {
        const uint32_t y = (uint32_t)(y0 + (int32_t)(kh * a->dilation_h));
        if (y >= a->in_rows) {
            continue;
        }
        const float *row = flx_image_row(&v->in, p.n, y) + c0;
        for (uint32_t kw = 0; kw < a->kernel_w; kw++) {
            const uint32_t x = (uint32_t)(x0 + (int32_t)(kw * a->dilation_w));
            if (m == 1 && x >= a->in_w) {
                continue;
            }
            const float *in = row + (size_t)x * a->in_pix;
            const flx_v wv = flx_load(w + (kh * a->kernel_w + kw) * FLX_PANEL);
            if (m == 1) {
                const flx_v xv = lanes == FLX_LANES
                                     ? flx_load(in)
                                     : flx_load_n(in, lanes, 0.0f);
                s0 = flx_vfma(wv, xv, s0);
            } else {
                s0 = flx_vfma(wv, flx_load(in), s0);
                s1 = flx_vfma(wv, flx_load(in + step), s1);
                s2 = flx_vfma(wv, flx_load(in + 2 * step), s2);
                s3 = flx_vfma(wv, flx_load(in + 3 * step), s3);
            }
        }
    }
    return (struct flx_dw_sums){s0, s1, s2, s3};
}

/* The m pixels of one row from p, panel w of n channels from c0, straight to
 * the output. */
FLX_INLINE void flx_dw_short(const struct flx_conv_arg *a,
                             const struct flx_conv *v, struct flx_pixel p,
                             uint32_t m, uint32_t c0, const float *w)
{
    float *out = flx_image_row(&v->out, p.n, p.y) + p.x * a->out_pix + c0;
    const float *res = out;
    size_t step = 0;
    if (a->residual != FLX_RES_NONE) {
        res = flx_image_row(&v->res, p.n, p.y) + p.x * a->res_pix + c0;
        step = a->res_pix;
    }
    const float *slope = w + v->slope;
    for (uint32_t j = 0; j < FLX_PANEL; j += FLX_LANES) {
        const struct flx_dw_sums s = flx_dw_vector(
            a, v, p, m, c0 + j, FLX_LANES, w + j, w + v->params + j);
        flx_conv_store_v(a, slope, out, res, j, s.s0);
        if (m > 1) {
            flx_conv_store_v(a, slope, out + a->out_pix, res + step, j, s.s1);
            flx_conv_store_v(a, slope, out + 2 * (size_t)a->out_pix,
                             res + 2 * step, j, s.s2);
            flx_conv_store_v(a, slope, out + 3 * (size_t)a->out_pix,
                             res + 3 * step, j, s.s3);
        }
    }
}

/* The same for any activation and n channels. */
FLX_INLINE void flx_dw_long(const struct flx_conv_arg *a,
                            const struct flx_conv *v, struct flx_pixel p,
                            uint32_t m, uint32_t c0, uint32_t n, const float *w)
{
    float buf[FLX_DW_PIXELS * FLX_PANEL];
    for (uint32_t j = 0; j < n; j += FLX_LANES) {
        const uint32_t lanes = flx_min_u(FLX_LANES, n - j);
        if (m == FLX_DW_PIXELS && lanes == FLX_LANES) {
            const struct flx_dw_sums s =
                flx_dw_vector(a, v, p, FLX_DW_PIXELS, c0 + j, FLX_LANES, w + j,
                              w + v->params + j);
            flx_store(buf + j, s.s0);
            flx_store(buf + FLX_PANEL + j, s.s1);
            flx_store(buf + 2 * FLX_PANEL + j, s.s2);
            flx_store(buf + 3 * FLX_PANEL + j, s.s3);
            continue;
        }
        for (uint32_t i = 0; i < m; i++) {
            const struct flx_pixel q = {p.n, p.y, p.x + i};
            const struct flx_dw_sums s = flx_dw_vector(
                a, v, q, 1, c0 + j, lanes, w + j, w + v->params + j);
            flx_store(buf + i * FLX_PANEL + j, s.s0);
        }
    }
    flx_conv_store(a, v, buf, w + v->slope, p, m, c0, n);
}

/* The m pixels from p, panels [p0, p1) of the layer, whose weights are at w. */
FLX_INLINE void flx_dw_panels(const struct flx_conv_arg *a,
                              const struct flx_conv *v, struct flx_pixel p,
                              uint32_t m, uint32_t p0, uint32_t p1,
                              const float *w)
{
    for (uint32_t panel = p0; panel < p1; panel++, w += v->panel) {
        const uint32_t c0 = panel * FLX_PANEL;
        const uint32_t n = flx_min_u(FLX_PANEL, a->out_c - c0);
        if (n == FLX_PANEL && flx_conv_act_is_short(a->act)) {
            flx_dw_short(a, v, p, m, c0, w);
        } else {
            flx_dw_long(a, v, p, m, c0, n, w);
        }
    }
}

/* in_c == out_c == group, one K block. No scratch but for widening. Parts share
 * rows x panels. */
FLX_INLINE void flx_conv_depthwise(const struct flx_call *call,
                                   const struct flx_conv_arg *a, uint32_t part,
                                   uint32_t n_parts)
{
    const struct flx_conv v = flx_conv_of(call, a);
    const uint32_t n_panel = call->p1 - call->p0;
    /* Columns [x_lo, x_hi) have all their taps inside the image. */
    const int32_t reach =
        (int32_t)a->in_w - (int32_t)((a->kernel_w - 1) * a->dilation_w) - 1;
    uint32_t u0;
    uint32_t u1;
    flx_share((call->r1 - call->r0) * n_panel, part, n_parts, &u0, &u1);
    /* Channels lie together: all panels of a few pixels before the next. */
    for (uint32_t u = u0; u < u1;) {
        const uint32_t r = call->r0 + u / n_panel;
        const uint32_t from = u % n_panel;
        const uint32_t to = flx_min_u(n_panel, from + (u1 - u));
        const float *w =
            (const float *)(const void *)call->w + (size_t)from * v.panel;
        struct flx_pixel p = {r / a->out_rows, r % a->out_rows, 0};
        while (p.x < a->out_w) {
            const int32_t first = (int32_t)(p.x * a->stride_w) - a->pad_left;
            const int32_t last =
                first + (int32_t)((FLX_DW_PIXELS - 1) * a->stride_w);
            if (first >= 0 && last <= reach &&
                p.x + FLX_DW_PIXELS <= a->out_w) {
                flx_dw_panels(a, &v, p, FLX_DW_PIXELS, call->p0 + from,
                              call->p0 + to, w);
                p.x += FLX_DW_PIXELS;
            } else {
                flx_dw_panels(a, &v, p, 1, call->p0 + from, call->p0 + to, w);
                p.x++;
            }
        }
        u += to - from;
    }
}

FLX_INLINE void k_conv_f32_depthwise(const struct flx_call *call,
                                     const struct flx_conv_arg *a,
                                     uint32_t part, uint32_t n_parts)
{
    struct flx_boxes b;
    const struct flx_call *c = flx_boxes_first(&b, call, a, part, n_parts);
    while (c) {
        flx_conv_depthwise(c, a, b.part, b.n_parts);
        c = flx_boxes_next(&b, a);
    }
}

#endif
