/* k_reduce.h - mean, sum, largest, smallest element or Euclidean norm over the
 * dimensions that the output does not have.
 *
 * Sums use 16 virtual lanes: the element of flattened reduced index i goes to
 * lane i % 16; lanes are added by one fixed tree. A NaN wins max and min. */
#ifndef K_REDUCE_H
#define K_REDUCE_H

#include "flx_act.h"
#include "k_softmax.h"

FLX_INLINE float flx_reduce_one(uint32_t op, float s, float x)
{
    switch (op) {
    case FLX_REDUCE_MAX:
        return x > s || x != x ? x : s;
    case FLX_REDUCE_MIN:
        return x < s || x != x ? x : s;
    case FLX_REDUCE_L2:
        return flx_fma(x, x, s);
    default:
        return s + x;
    }
}

FLX_INLINE float flx_reduce_all(const struct flx_reduce_arg *a, const float *in)
{
    const uint32_t last = a->n_red - 1;
    const uint32_t outer = flx_span(a->red_dim, 0, last);
    const float inf = __builtin_inff();
    const float start = a->op == FLX_REDUCE_MAX   ? -inf
                        : a->op == FLX_REDUCE_MIN ? inf
                                                  : 0.0f;
    float lane[FLX_PANEL];
    for (uint32_t i = 0; i < FLX_PANEL; i++) {
        lane[i] = start;
    }
    uint32_t l = 0;
    for (uint32_t o = 0; o < outer; o++) {
        uint32_t at[FLX_MAX_RANK] = {0};
        ptrdiff_t off = 0;
        flx_unravel(last, a->red_dim, o, at);
        for (uint32_t k = 0; k < last; k++) {
            off += (ptrdiff_t)at[k] * a->red_stride[k];
        }
        for (uint32_t i = 0; i < a->red_dim[last]; i++) {
            lane[l] = flx_reduce_one(
                a->op, lane[l], in[off + (ptrdiff_t)i * a->red_stride[last]]);
            l = (l + 1) % FLX_PANEL;
        }
    }
    if (a->op == FLX_REDUCE_MAX || a->op == FLX_REDUCE_MIN) {
        for (uint32_t i = 1; i < FLX_PANEL; i++) {
            lane[0] = flx_reduce_one(a->op, lane[0], lane[i]);
        }
        return lane[0];
    }
    float s[FLX_LANES];
    flx_store(s, flx_splat(flx_lane_sum(lane)));
    if (a->op == FLX_REDUCE_L2) {
        flx_store(s, flx_vsqrt(flx_load(s)));
    }
    return a->op == FLX_REDUCE_MEAN ? s[0] / (float)(outer * a->red_dim[last])
                                    : s[0];
}

/* The space has rank >= row_dims + 2; n_red >= 1. No scratch. Parts share
 * lines. out must not overlap in. */
FLX_INLINE void k_reduce_f32(const struct flx_call *call,
                             const struct flx_reduce_arg *a, uint32_t part,
                             uint32_t n_parts)
{
    const struct flx_view out = FLX_VIEW(a, out, call);
    const struct flx_view in = FLX_VIEW(a, in, call);
    const uint32_t last = a->rank - 1;
    uint32_t u;
    uint32_t u1;
    flx_share((call->r1 - call->r0) * flx_lines(a->rank, a->row_dims, a->dim),
              part, n_parts, &u, &u1);
    while (u < u1) {
        struct flx_plane p;
        u += flx_plane_at(a->rank, a->row_dims, a->dim, call->r0, u, u1, &p);
        for (; p.a0 < p.a1; p.a0++) {
            p.at[last - 1] = p.a0;
            float *dst = (float *)(void *)flx_view_at(&out, 4, a->row_dims,
                                                      a->rank, p.at, p.r);
            const float *src = (const float *)(const void *)flx_view_at(
                &in, 4, a->row_dims, a->rank, p.at, p.r);
            for (uint32_t i = 0; i < a->dim[last]; i++) {
                dst[(ptrdiff_t)i * a->out_stride[last]] =
                    flx_reduce_all(a, src + (ptrdiff_t)i * a->in_stride[last]);
            }
        }
    }
}

#endif
