/* k_gemv.h - convolution (k_conv.h) of a layer with one output pixel, such as
 * a fully connected layer: several panels at once, since it is the weights
 * that have to be streamed. The same bits as k_conv_f32_direct. */
#ifndef K_GEMV_H
#define K_GEMV_H

#include "k_conv.h"

/* Panels side by side and vectors of each, all in registers. */
#if FLX_LANES == 16
#define FLX_GEMV_PANELS 4
#define FLX_GEMV_VECS(X, P) X(P, 0)
#elif FLX_LANES == 8
#define FLX_GEMV_PANELS 4
#define FLX_GEMV_VECS(X, P) X(P, 0) X(P, 1)
#elif FLX_LANES == 4
#define FLX_GEMV_PANELS 2
#define FLX_GEMV_VECS(X, P) X(P, 0) X(P, 1) X(P, 2) X(P, 3)
#else
#define FLX_GEMV_PANELS 1
/* clang-format off */
#define FLX_GEMV_VECS(X, P)                                                    \
    X(P, 0) X(P, 1) X(P, 2) X(P, 3) X(P, 4) X(P, 5) X(P, 6) X(P, 7)            \
    X(P, 8) X(P, 9) X(P, 10) X(P, 11) X(P, 12) X(P, 13) X(P, 14) X(P, 15)
/* clang-format on */
#endif
#if FLX_GEMV_PANELS == 4
#define FLX_GEMV_ALL(X) X(0) X(1) X(2) X(3)
#elif FLX_GEMV_PANELS == 2
#define FLX_GEMV_ALL(X) X(0) X(1)
#else
#define FLX_GEMV_ALL(X) X(0)
#endif

/* buf[panel][16] += over n steps; panel P's weights at w + P * stride. */
FLX_INLINE void flx_gemv_mac(float *buf, const float *w, size_t stride,
                             const float *x, uint32_t n)
{
#define FLX_G(P, J)                                                            \
    flx_v c##P##_##J = flx_load(buf + (P)*FLX_PANEL + (J)*FLX_LANES);
#define FLX_G_ROW(P)                                                           \
    FLX_GEMV_VECS(FLX_G, P)                                                    \
    const float *w##P = w + (P)*stride;
    FLX_GEMV_ALL(FLX_G_ROW)
#undef FLX_G_ROW
#undef FLX_G
#if FLX_LANES == 16
    /* Two kilobytes ahead; it helps most with large pages. */
#define FLX_G_ASK(P) flx_prefetch_far(w##P + 32 * FLX_PANEL);
#else
#define FLX_G_ASK(P)
#endif
#define FLX_G(P, J)                                                            \
    c##P##_##J = flx_vfma(flx_load(w##P + (J)*FLX_LANES), xk, c##P##_##J);
#define FLX_G_ROW(P)                                                           \
    FLX_G_ASK(P)                                                               \
    FLX_GEMV_VECS(FLX_G, P)                                                    \
    w##P += FLX_PANEL;
    uint32_t k = 0;
    for (; k + 2 <= n; k += 2) {
        {
            const flx_v xk = flx_splat(x[k]);
            FLX_GEMV_ALL(FLX_G_ROW)
        }
        {
            const flx_v xk = flx_splat(x[k + 1]);
            FLX_GEMV_ALL(FLX_G_ROW)
        }
    }
    for (; k < n; k++) {
        const flx_v xk = flx_splat(x[k]);
        FLX_GEMV_ALL(FLX_G_ROW)
    }
#undef FLX_G_ROW
#undef FLX_G
#undef FLX_G_ASK
#define FLX_G(P, J) flx_store(buf + (P)*FLX_PANEL + (J)*FLX_LANES, c##P##_##J);
#define FLX_G_ROW(P) FLX_GEMV_VECS(FLX_G, P)
    FLX_GEMV_ALL(FLX_G_ROW)
#undef FLX_G_ROW
#undef FLX_G
}

/* n <= FLX_GEMV_PANELS panels of one group from `panel`, whose weights are at
 * w; spare accumulators repeat the first panel and are not stored. */
FLX_INLINE void flx_gemv_panels(const struct flx_conv_arg *a,
                                const struct flx_conv *v, uint32_t panel,
                                uint32_t n, const float *w)
{
    const uint32_t g = panel / v->oc_panels;
    const uint32_t o = (panel - g * v->oc_panels) * FLX_PANEL;
    const struct flx_pixel pixel = {0, 0, 0};
    const size_t stride = n == FLX_GEMV_PANELS ? v->panel : 0;
    const uint32_t step = n == FLX_GEMV_PANELS ? n : 1;
    for (uint32_t i = 0; i < n; i += step) {
        const float *wi = w + (size_t)i * v->panel;
        float buf[FLX_GEMV_PANELS * FLX_PANEL];
        for (uint32_t j = 0; j < FLX_GEMV_PANELS; j++) {
            const uint32_t oj = o + flx_min_u(i + j, n - 1) * FLX_PANEL;
            const float *out = flx_image_row(&v->out, 0, 0) + g * v->oc + oj;
            const uint32_t lanes = flx_min_u(FLX_PANEL, v->oc - oj);
            for (uint32_t l = 0; l < FLX_PANEL; l++) {
                buf[j * FLX_PANEL + l] = v->k0 == 0  ? wi[j * stride + l]
                                         : l < lanes ? out[l]
                                                     : 0.0f;
            }
        }
        const float *wk = wi + v->params;
        for (uint32_t k = v->k0; k < v->k1;) {
            const uint32_t row = a->kernel_w * v->c;
            const uint32_t kh = k / row;
            const uint32_t kw = (k - kh * row) / v->c;
            const uint32_t c = k - kh * row - kw * v->c;
            const uint32_t y = kh * a->dilation_h - (uint32_t)a->pad_top;
            const uint32_t x = kw * a->dilation_w - (uint32_t)a->pad_left;
            uint32_t len = flx_min_u(v->c - c, v->k1 - k);
            const float *in = flx_zero;
            if (y < a->in_rows && x < a->in_w) {
                in = flx_image_row(&v->in, 0, y) + (size_t)x * a->in_pix +
                     g * v->c + c;
            } else {
                len = flx_min_u(len, FLX_ZERO_FLOATS);
            }
            flx_gemv_mac(buf, wk, stride, in, len);
            wk += (size_t)len * FLX_PANEL;
            k += len;
        }
        for (uint32_t j = 0; j < step; j++) {
            const uint32_t oj = o + (i + j) * FLX_PANEL;
            flx_conv_store(a, v, buf + j * FLX_PANEL,
                           wi + j * stride + v->slope, pixel, 1, g * v->oc + oj,
                           flx_min_u(FLX_PANEL, v->oc - oj));
        }
    }
}

/* As k_conv_f32_direct, any kernel_h; out_rows and out_w are 1, one image. */
FLX_INLINE void flx_conv_gemv(const struct flx_call *call,
                              const struct flx_conv_arg *a, uint32_t part,
                              uint32_t n_parts)
{
    const struct flx_conv v = flx_conv_of(call, a);
    uint32_t p0;
    uint32_t p1;
    flx_share(call->p1 - call->p0, part, n_parts, &p0, &p1);
    p0 += call->p0;
    p1 += call->p0;
    for (uint32_t p = p0; call->r0 < call->r1 && p < p1;) {
        const uint32_t left = v.oc_panels - p % v.oc_panels;
        const uint32_t n = flx_min_u(FLX_GEMV_PANELS, flx_min_u(left, p1 - p));
        const float *w = (const float *)(const void *)call->w +
                         (size_t)(p - call->p0) * v.panel;
        flx_gemv_panels(a, &v, p, n, w);
        p += n;
    }
}

FLX_INLINE void k_conv_f32_gemv(const struct flx_call *call,
                                const struct flx_conv_arg *a, uint32_t part,
                                uint32_t n_parts)
{
    struct flx_boxes b;
    const struct flx_call *c = flx_boxes_first(&b, call, a, part, n_parts);
    while (c) {
        flx_conv_gemv(c, a, b.part, b.n_parts);
        c = flx_boxes_next(&b, a);
    }
}

#endif
