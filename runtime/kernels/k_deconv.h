/* k_deconv.h - transposed convolution, gathered: each output pixel sums the
 * taps that reach it, so that boxes are independent of each other.
 *
 *   out[y][x][o] = act(bias[o] + sum of w[kh][kw][c][o] * in[i][j][c] over
 *                  y + pt = i * sh + kh * dh, x + pl = j * sw + kw * dw)
 *
 * Pixels of one row that are sw apart use the same taps and make a tile. Taps
 * that no pixel of the row's phase has are skipped; inputs outside the image
 * read a row of zeros. */
#ifndef K_DECONV_H
#define K_DECONV_H

#include "k_conv.h"
#include "k_lanes.h"

/* One sub-tile from pixel p, m pixels stride_w apart, into buf. */
FLX_INLINE void flx_deconv_sub(const struct flx_conv_arg *a,
                               const struct flx_conv *v, struct flx_pixel p,
                               uint32_t m, uint32_t c0, const float *w,
                               struct flx_tile *t)
{
    for (uint32_t k = v->k0; k < v->k1;) {
        const uint32_t tap = k / v->c;
        const uint32_t c = k - tap * v->c;
        const uint32_t kh = tap / a->kernel_w;
        const uint32_t kw = tap - kh * a->kernel_w;
        uint32_t n = flx_min_u(v->c - c, v->k1 - k);
        const uint32_t y = flx_lanes_at(1, p.y, kh, a->stride_h, a->dilation_h,
                                        a->pad_top, a->in_rows);
        const int32_t x =
            (int32_t)p.x + a->pad_left - (int32_t)(kw * a->dilation_w);
        if (y != UINT32_MAX && x % (int32_t)a->stride_w == 0) {
            const float *q[FLX_TILE_M];
            const float *row = flx_image_row(&v->in, p.n, y) + c0 + c;
            const int32_t x0 = x / (int32_t)a->stride_w;
            n = flx_min_u(n, FLX_ZERO_FLOATS);
            for (uint32_t i = 0; i < FLX_TILE_M; i++) {
                const uint32_t xi = (uint32_t)x0 + flx_min_u(i, m - 1);
                q[i] = xi < a->in_w ? row + (size_t)xi * a->in_pix : flx_zero;
            }
            flx_tile_mac(t, w, q, n);
        }
        w += (size_t)n * FLX_PANEL;
        k += n;
    }
}

/* m pixels stride_w apart from p, panel `panel` whose weights are at w. */
FLX_INLINE void flx_deconv_tile(const struct flx_conv_arg *a,
                                const struct flx_conv *v, struct flx_pixel p,
                                uint32_t m, uint32_t panel, const float *w)
{
    const uint32_t g = panel / v->oc_panels;
    const uint32_t o = (panel - g * v->oc_panels) * FLX_PANEL;
    const uint32_t n = flx_min_u(FLX_PANEL, v->oc - o);
    float buf[FLX_TILE_M * FLX_PANEL];
    struct flx_pixel q = p;
    for (uint32_t i = 0; v->k0 > 0 && i < FLX_TILE_M; i++) {
        const float *out =
            flx_image_row(&v->out, p.n, p.y) + q.x * a->out_pix + g * v->oc + o;
        for (uint32_t l = 0; l < FLX_PANEL; l++) {
            buf[i * FLX_PANEL + l] = l < n ? out[l] : 0.0f;
        }
        q.x += i + 1 < m ? a->stride_w : 0;
    }
    for (uint32_t s = 0; s < FLX_TILE_SUBS; s++) {
        const uint32_t lane = s * FLX_TILE_LANES;
        struct flx_tile t;
        if (v->k0 > 0) {
            flx_tile_get(&t, buf + lane);
        } else {
            flx_tile_set(&t, w + lane);
        }
        flx_deconv_sub(a, v, p, m, g * v->c, w + v->params + lane, &t);
        flx_tile_put(&t, buf + lane);
    }
    for (uint32_t i = 0; i < m; i++) {
        flx_conv_store(a, v, buf + i * FLX_PANEL, w + v->slope, p, 1,
                       g * v->oc + o, n);
        p.x += a->stride_w;
    }
}

/* Groups of at least 16 output channels, or one. No scratch but for widening.
 * Parts share rows x panels. */
FLX_INLINE void flx_deconv_box(const struct flx_call *call,
                               const struct flx_conv_arg *a, uint32_t part,
                               uint32_t n_parts)
{
    const struct flx_conv v = flx_conv_of(call, a);
    const uint32_t n_panel = call->p1 - call->p0;
    uint32_t u0;
    uint32_t u1;
    flx_share((call->r1 - call->r0) * n_panel, part, n_parts, &u0, &u1);
    for (uint32_t u = u0; u < u1; u++) {
        const uint32_t r = call->r0 + u / n_panel;
        const uint32_t panel = u % n_panel;
        const float *w =
            (const float *)(const void *)call->w + (size_t)panel * v.panel;
        for (uint32_t phase = 0; phase < a->stride_w; phase++) {
            struct flx_pixel p = {r / a->out_rows, r % a->out_rows, phase};
            while (p.x < a->out_w) {
                const uint32_t left = (a->out_w - 1 - p.x) / a->stride_w + 1;
                const uint32_t m = flx_min_u(left, FLX_TILE_M);
                flx_deconv_tile(a, &v, p, m, call->p0 + panel, w);
                p.x += m * a->stride_w;
            }
        }
    }
}

FLX_INLINE void k_deconv_f32_gather(const struct flx_call *call,
                                    const struct flx_conv_arg *a, uint32_t part,
                                    uint32_t n_parts)
{
    struct flx_boxes b;
    const struct flx_call *c = flx_boxes_first(&b, call, a, part, n_parts);
    while (c) {
        flx_deconv_box(c, a, b.part, b.n_parts);
        c = flx_boxes_next(&b, a);
    }
}

#endif
