/* k_tensor_conv.h - convolution and transposed convolution over any number of
 * spatial dimensions, with weights and bias that are computed or constant.
 *
 *   in[n][c][y..], w[o][c / group][k..], bias[o], out[n][o][y..]
 *   transposed: w[c][o / group][k..]
 *
 * p: spatial dimensions, group, then stride, dilation and pad_begin of each.
 * Each output is one sum in double, over channels, then taps. */
#ifndef K_TENSOR_CONV_H
#define K_TENSOR_CONV_H

#include "flx_tensor.h"

struct flx_taps {
    uint32_t n_dim;
    uint32_t group;
    const int32_t *stride;
    const int32_t *dilation;
    const int32_t *pad;
};

FLX_INLINE struct flx_taps flx_taps_of(const struct flx_tensor_arg *a)
{
    return (struct flx_taps){(uint32_t)a->p[0], (uint32_t)a->p[1], a->p + 2,
                             a->p + 2 + FLX_TENSOR_SPATIAL,
                             a->p + 2 + 2 * FLX_TENSOR_SPATIAL};
}

/* Element offset in the input of spatial output index y under tap k; false
 * where there is none. */
FLX_INLINE int flx_taps_at(const struct flx_taps *t,
                           const struct flx_tensor *in, const uint32_t *y,
                           const uint32_t *k, uint32_t is_back, ptrdiff_t *off)
{
    *off = 0;
    for (uint32_t d = 0; d < t->n_dim; d++) {
        int64_t x;
        if (is_back) {
            x = (int64_t)y[d] + t->pad[d] - (int64_t)k[d] * t->dilation[d];
            if (x % t->stride[d] != 0) {
                return 0;
            }
            x /= t->stride[d];
        } else {
            x = (int64_t)y[d] * t->stride[d] - t->pad[d] +
                (int64_t)k[d] * t->dilation[d];
        }
        if (x < 0 || x >= (int64_t)in->dim[2 + d]) {
            return 0;
        }
        *off += (ptrdiff_t)x * in->stride[2 + d];
    }
    return 1;
}

FLX_INLINE struct flx_number
flx_tensor_conv_one(const struct flx_taps *t, const struct flx_tensor *in,
                    const struct flx_tensor *w, const uint32_t *at,
                    uint32_t is_back, uint32_t out_c, struct flx_number s)
{
    const uint32_t per_in = in->dim[1] / t->group;
    const uint32_t per_out = out_c / t->group;
    const uint32_t g = at[1] / per_out;
    const uint32_t taps = flx_span(w->dim, 2, w->rank);
    for (uint32_t j = 0; j < taps; j++) {
        uint32_t k[FLX_MAX_RANK] = {0};
        ptrdiff_t in_off;
        ptrdiff_t w_off = 0;
        flx_unravel(t->n_dim, w->dim + 2, j, k);
        if (!flx_taps_at(t, in, at + 2, k, is_back, &in_off)) {
            continue;
        }
        for (uint32_t d = 0; d < t->n_dim; d++) {
            w_off += (ptrdiff_t)k[d] * w->stride[2 + d];
        }
        in_off += (ptrdiff_t)at[0] * in->stride[0] +
                  (ptrdiff_t)(g * per_in) * in->stride[1];
        w_off += is_back ? (ptrdiff_t)(g * per_in) * w->stride[0] +
                               (ptrdiff_t)(at[1] - g * per_out) * w->stride[1]
                         : (ptrdiff_t)at[1] * w->stride[0];
        const ptrdiff_t w_step = w->stride[is_back ? 0 : 1];
        for (uint32_t c = 0; c < per_in; c++) {
            s = flx_number_fma(in->type,
                               flx_get(in->type, flx_tensor_off(in, in_off)),
                               flx_get(w->type, flx_tensor_off(w, w_off)), s);
            in_off += in->stride[1];
            w_off += w_step;
        }
    }
    return s;
}

FLX_INLINE void flx_tensor_conv(const struct flx_call *call,
                                const struct flx_tensor_arg *a,
                                uint32_t is_back, uint32_t part,
                                uint32_t n_parts)
{
    const struct flx_taps t = flx_taps_of(a);
    const struct flx_tensor out = flx_tensor_of(a, call, 0);
    const struct flx_tensor in = flx_tensor_of(a, call, 1);
    const struct flx_tensor w = flx_tensor_of(a, call, 2);
    const struct flx_tensor bias = flx_tensor_of(a, call, a->n_op > 3 ? 3 : 2);
    uint32_t i;
    uint32_t end;
    uint32_t at[FLX_MAX_RANK] = {0};
    for (flx_tensor_share(&out, part, n_parts, &i, &end, at); i < end; i++) {
        struct flx_number s = {0.0, 0};
        if (a->n_op > 3) {
            s = flx_get(bias.type, flx_tensor_off(&bias, (ptrdiff_t)at[1] *
                                                             bias.stride[0]));
        }
        flx_put(out.type,
                flx_tensor_conv_one(&t, &in, &w, at, is_back, out.dim[1], s),
                flx_tensor_at(&out, at));
        flx_tensor_next(&out, at);
    }
}

/* Parts share elements of the output, which overlaps no operand. */
FLX_INLINE void k_tensor_conv(const struct flx_call *call,
                              const struct flx_tensor_arg *a, uint32_t part,
                              uint32_t n_parts)
{
    flx_tensor_conv(call, a, 0, part, n_parts);
}

FLX_INLINE void k_tensor_deconv(const struct flx_call *call,
                                const struct flx_tensor_arg *a, uint32_t part,
                                uint32_t n_parts)
{
    flx_tensor_conv(call, a, 1, part, n_parts);
}

#endif
