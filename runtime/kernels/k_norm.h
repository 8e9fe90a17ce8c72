/* k_norm.h - layer normalisation over the last dimension of the space.
 *
 *   out[i] = (in[i] - m) * (1 / sqrt(v + epsilon)) * scale[i] + bias[i]
 *   m: the mean of in, or 0 where is_rms; v: the mean of (in[i] - m)^2
 *
 * Sums use 16 virtual lanes, element i in lane i % 16, added by one fixed tree.
 * out may be in if it has the same strides. */
#ifndef K_NORM_H
#define K_NORM_H

#include "flx_act.h"
#include "k_softmax.h"

/* Elements [i, i + 16) of a row of n; what lies beyond its end is `pad`. */
FLX_INLINE const float *flx_norm_get(const float *in, int32_t step, uint32_t i,
                                     uint32_t n, float pad, float *tmp)
{
    if (step == 1 && i + FLX_PANEL <= n) {
        return in + i;
    }
    for (uint32_t j = 0; j < FLX_PANEL; j++) {
        tmp[j] = i + j < n ? in[(ptrdiff_t)(i + j) * step] : pad;
    }
    return tmp;
}

FLX_INLINE float flx_norm_mean(const float *in, int32_t step, uint32_t n)
{
    float lane[FLX_PANEL] = {0};
    float tmp[FLX_PANEL];
    for (uint32_t i = 0; i < n; i += FLX_PANEL) {
        const float *x = flx_norm_get(in, step, i, n, 0.0f, tmp);
        for (uint32_t j = 0; j < FLX_PANEL; j += FLX_LANES) {
            flx_store(lane + j, flx_load(lane + j) + flx_load(x + j));
        }
    }
    return flx_lane_sum(lane) / (float)n;
}

FLX_INLINE float flx_norm_variance(const float *in, int32_t step, uint32_t n,
                                   float mean)
{
    float lane[FLX_PANEL] = {0};
    float tmp[FLX_PANEL];
    const flx_v m = flx_splat(mean);
    for (uint32_t i = 0; i < n; i += FLX_PANEL) {
        const float *x = flx_norm_get(in, step, i, n, mean, tmp);
        for (uint32_t j = 0; j < FLX_PANEL; j += FLX_LANES) {
            const flx_v d = flx_load(x + j) - m;
            flx_store(lane + j, flx_vfma(d, d, flx_load(lane + j)));
        }
    }
    return flx_lane_sum(lane) / (float)n;
}

FLX_INLINE void flx_norm_row(const struct flx_norm_arg *a, const float *w,
                             const float *in, float *out)
{
    const uint32_t n = a->dim[a->rank - 1];
    const int32_t si = a->in_stride[a->rank - 1];
    const int32_t so = a->out_stride[a->rank - 1];
    const float mean = a->is_rms ? 0.0f : flx_norm_mean(in, si, n);
    const float variance = flx_norm_variance(in, si, n, mean);
    const flx_v m = flx_splat(mean);
    const flx_v r =
        flx_splat(1.0f) / flx_vsqrt(flx_splat(variance + a->epsilon));
    const float *bias = w + a->bias_at;
    for (uint32_t i = 0; i < n; i += FLX_PANEL) {
        const uint32_t m_lanes = flx_min_u(FLX_PANEL, n - i);
        const uint32_t is_whole = so == 1 && m_lanes == FLX_PANEL;
        float from[FLX_PANEL];
        float to[FLX_PANEL];
        float sw[FLX_PANEL];
        float sb[FLX_PANEL];
        const float *x = flx_norm_get(in, si, i, n, mean, from);
        const float *s = flx_norm_get(w, 1, i, n, 0.0f, sw);
        const float *b =
            a->has_bias ? flx_norm_get(bias, 1, i, n, 0.0f, sb) : flx_zero;
        float *y = is_whole ? out + i : to;
        for (uint32_t j = 0; j < FLX_PANEL; j += FLX_LANES) {
            const flx_v d = (flx_load(x + j) - m) * r;
            flx_store(y + j, flx_vfma(d, flx_load(s + j), flx_load(b + j)));
        }
        for (uint32_t j = 0; !is_whole && j < m_lanes; j++) {
            out[(ptrdiff_t)(i + j) * so] = to[j];
        }
    }
}

/* Scale and bias lie in the one panel. No scratch. Parts share rows x the
 * dimensions between them and the last. */
FLX_INLINE void k_norm_f32(const struct flx_call *call,
                           const struct flx_norm_arg *a, uint32_t part,
                           uint32_t n_parts)
{
    const struct flx_view out = FLX_VIEW(a, out, call);
    const struct flx_view in = FLX_VIEW(a, in, call);
    const uint32_t last = a->rank - 1;
    const uint32_t n_mid = flx_span(a->dim, a->row_dims, last);
    const float *w = (const float *)(const void *)call->w;
    uint32_t u0;
    uint32_t u1;
    flx_share((call->r1 - call->r0) * n_mid, part, n_parts, &u0, &u1);
    for (uint32_t u = u0; u < u1; u++) {
        const uint32_t r = call->r0 + u / n_mid;
        uint32_t at[FLX_MAX_RANK] = {0};
        flx_unravel(a->row_dims, a->dim, r, at);
        flx_unravel(last - a->row_dims, a->dim + a->row_dims, u % n_mid,
                    at + a->row_dims);
        const uint8_t *src =
            flx_view_at(&in, sizeof(float), a->row_dims, last, at, r);
        uint8_t *dst =
            flx_view_at(&out, sizeof(float), a->row_dims, last, at, r);
        flx_norm_row(a, w, (const float *)(const void *)src,
                     (float *)(void *)dst);
    }
}

#endif
