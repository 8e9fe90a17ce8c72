/* k_softmax.h - softmax or log-softmax over the last dimension of the space.
 *
 *   out[i] = e^(in[i] - m) / s, or (in[i] - m) - log s;
 *   m: the largest element; s: sum of e^(in[i] - m)
 *
 * Sums use 16 virtual lanes, element i in lane i % 16, added by one fixed tree.
 * out may be in if it has the same strides. */
#ifndef K_SOFTMAX_H
#define K_SOFTMAX_H

#include "flx_act.h"

/* Sum of the 16 virtual lanes: halves onto halves. */
FLX_INLINE float flx_lane_sum(float *lane)
{
    for (uint32_t n = FLX_PANEL / 2; n > 0; n /= 2) {
        for (uint32_t i = 0; i < n; i++) {
            lane[i] += lane[i + n];
        }
    }
    return lane[0];
}

FLX_INLINE void flx_softmax_row(uint32_t is_log, const float *in, int32_t si,
                                float *out, int32_t so, uint32_t n)
{
    float top = -__builtin_inff();
    for (uint32_t i = 0; i < n; i++) {
        const float x = in[(ptrdiff_t)i * si];
        top = x > top || x != x ? x : top;
    }
    float lane[FLX_PANEL] = {0};
    for (uint32_t i = 0; i < n; i += FLX_PANEL) {
        const uint32_t m = flx_min_u(FLX_PANEL, n - i);
        float e[FLX_PANEL];
        for (uint32_t j = 0; j < FLX_PANEL; j++) {
            e[j] = j < m ? in[(ptrdiff_t)(i + j) * si] - top : 0.0f;
            if (is_log && j < m) {
                out[(ptrdiff_t)(i + j) * so] = e[j];
            }
        }
        for (uint32_t j = 0; j < FLX_PANEL; j += FLX_LANES) {
            flx_store(e + j, flx_vexp(flx_load(e + j)));
        }
        for (uint32_t j = 0; j < m; j++) {
            lane[j] += e[j];
            if (!is_log) {
                out[(ptrdiff_t)(i + j) * so] = e[j];
            }
        }
    }
    float s[FLX_LANES];
    flx_store(s, flx_splat(flx_lane_sum(lane)));
    if (is_log) {
        flx_store(s, flx_vlog(flx_load(s)));
    }
    for (uint32_t i = 0; i < n; i++) {
        float *o = out + (ptrdiff_t)i * so;
        *o = is_log ? *o - s[0] : *o / s[0];
    }
}

/* No weights, no scratch. Parts share rows x the dimensions between them and
 * the last. */
FLX_INLINE void k_softmax_f32(const struct flx_call *call,
                              const struct flx_softmax_arg *a, uint32_t part,
                              uint32_t n_parts)
{
    const struct flx_view out = FLX_VIEW(a, out, call);
    const struct flx_view in = FLX_VIEW(a, in, call);
    const uint32_t last = a->rank - 1;
    const uint32_t n_mid = flx_span(a->dim, a->row_dims, last);
    uint32_t u0;
    uint32_t u1;
    flx_share((call->r1 - call->r0) * n_mid, part, n_parts, &u0, &u1);
    for (uint32_t u = u0; u < u1; u++) {
        const uint32_t r = call->r0 + u / n_mid;
        uint32_t at[FLX_MAX_RANK] = {0};
        flx_unravel(a->row_dims, a->dim, r, at);
        flx_unravel(last - a->row_dims, a->dim + a->row_dims, u % n_mid,
                    at + a->row_dims);
        const float *src = (const float *)(const void *)flx_view_row(
            &in, sizeof(float), a->row_dims, at, r);
        const float *dst = (const float *)(const void *)flx_view_row(
            &out, sizeof(float), a->row_dims, at, r);
        src += flx_view_off(&in, a->row_dims, last, at);
        dst += flx_view_off(&out, a->row_dims, last, at);
        flx_softmax_row(a->is_log, src, a->in_stride[last],
                        (float *)(uintptr_t)dst, a->out_stride[last],
                        a->dim[last]);
    }
}

#endif
