/* k_lanes.h - convolutions of any grouping, lane by lane: those that the other
 * kernels leave. A panel is 16 consecutive output channels, each with its own
 * place in the input (k_conv.h has the formula and the operands).
 *
 * Each output is one chain over its taps inside the image, (kh, kw, c); taps
 * outside are skipped, which depends on the pixel alone. */
#ifndef K_LANES_H
#define K_LANES_H

#include "k_conv.h"

/* Input index of tap k of output index o along one axis; UINT32_MAX when the
 * tap reads nothing. Transposed: the input that o = i * stride + k reaches. */
FLX_INLINE uint32_t flx_lanes_at(uint32_t is_transposed, uint32_t o, uint32_t k,
                                 uint32_t stride, uint32_t dilation,
                                 int32_t pad, uint32_t len)
{
    if (!is_transposed) {
        const uint32_t i = o * stride + k * dilation - (uint32_t)pad;
        return i < len ? i : UINT32_MAX;
    }
    const uint32_t i = o + (uint32_t)pad - k * dilation;
    return i < len * stride && i % stride == 0 ? i / stride : UINT32_MAX;
}

/* Sum of lane `lane` at pixel p, over the K block; s: where it starts. */
FLX_INLINE float flx_lanes_sum(const struct flx_conv_arg *a,
                               const struct flx_conv *v, uint32_t is_transposed,
                               struct flx_pixel p, uint32_t c0, const float *w,
                               float s)
{
    for (uint32_t k = v->k0; k < v->k1;) {
        const uint32_t tap = k / v->c;
        const uint32_t c = k - tap * v->c;
        const uint32_t n = flx_min_u(v->c - c, v->k1 - k);
        const uint32_t kh = tap / a->kernel_w;
        const uint32_t kw = tap - kh * a->kernel_w;
        const uint32_t y = flx_lanes_at(is_transposed, p.y, kh, a->stride_h,
                                        a->dilation_h, a->pad_top, a->in_rows);
        const uint32_t x = flx_lanes_at(is_transposed, p.x, kw, a->stride_w,
                                        a->dilation_w, a->pad_left, a->in_w);
        if (y != UINT32_MAX && x != UINT32_MAX) {
            const float *in =
                flx_image_row(&v->in, p.n, y) + (size_t)x * a->in_pix + c0 + c;
            for (uint32_t i = 0; i < n; i++) {
                s = flx_fma(w[(size_t)i * FLX_PANEL], in[i], s);
            }
        }
        w += (size_t)n * FLX_PANEL;
        k += n;
    }
    return s;
}

FLX_INLINE void flx_lanes_part(const struct flx_call *call,
                               const struct flx_conv_arg *a,
                               uint32_t is_transposed, uint32_t part,
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
        const uint32_t o = (call->p0 + panel) * FLX_PANEL;
        const uint32_t n = flx_min_u(FLX_PANEL, a->out_c - o);
        const float *w =
            (const float *)(const void *)call->w + (size_t)panel * v.panel;
        struct flx_pixel p = {r / a->out_rows, r % a->out_rows, 0};
        for (; p.x < a->out_w; p.x++) {
            const float *out =
                flx_image_row(&v.out, p.n, p.y) + p.x * a->out_pix + o;
            float buf[FLX_PANEL] = {0};
            for (uint32_t l = 0; l < n; l++) {
                buf[l] =
                    flx_lanes_sum(a, &v, is_transposed, p, (o + l) / v.oc * v.c,
                                  w + v.params + l, v.k0 == 0 ? w[l] : out[l]);
            }
            flx_conv_store(a, &v, buf, w + v.slope, p, 1, o, n);
        }
    }
}

FLX_INLINE void flx_lanes_box(const struct flx_call *call,
                              const struct flx_conv_arg *a,
                              uint32_t is_transposed, uint32_t part,
                              uint32_t n_parts)
{
    struct flx_boxes b;
    const struct flx_call *c = flx_boxes_first(&b, call, a, part, n_parts);
    while (c) {
        flx_lanes_part(c, a, is_transposed, b.part, b.n_parts);
        c = flx_boxes_next(&b, a);
    }
}

/* Any grouping, any kernel. No scratch but for widening. Parts share rows x
 * panels. */
FLX_INLINE void k_conv_f32_lanes(const struct flx_call *call,
                                 const struct flx_conv_arg *a, uint32_t part,
                                 uint32_t n_parts)
{
    flx_lanes_box(call, a, 0, part, n_parts);
}

/* The same for a transposed convolution: out[y][x][o] sums w[kh][kw][c][o] *
 * in[i][j][c] over y + pt = i * sh + kh * dh, x + pl = j * sw + kw * dw. */
FLX_INLINE void k_deconv_f32_lanes(const struct flx_call *call,
                                   const struct flx_conv_arg *a, uint32_t part,
                                   uint32_t n_parts)
{
    flx_lanes_box(call, a, 1, part, n_parts);
}

#endif
