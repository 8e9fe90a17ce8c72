/* flx_quant.h - what the kernels on 8-bit numbers share: panels, and sums to
 * results.
 *
 * A panel is 16 output channels: [16] bias, i32; [16] scale, f32; with has_zero
 * [16] zero points of the weights, i32; then weights, i8. Sums of
 * (x - in_zero) * (w - zero), less than 2^31, become
 *
 *   8 bits  cut(round(sum * scale) + out_zero), halves to even
 *   f32     sum * scale
 *   i32     sum
 */
#ifndef FLX_QUANT_H
#define FLX_QUANT_H

#include "flx_half.h"
#include "k_conv.h"

/* What a call is about, from its arguments. */
struct flx_qconv {
    struct flx_image in;
    struct flx_image out;
    uint32_t c;         /* channels of a group */
    uint32_t oc;        /* output channels of a group */
    uint32_t out_bytes; /* of an element */
    uint32_t params;    /* bytes before the weights in a panel */
    uint32_t flip;      /* x ^ flip is in [0, 256) */
    int32_t zero;       /* in_zero of that */
};

FLX_INLINE struct flx_qconv flx_qconv_of(const struct flx_call *call,
                                         const struct flx_qconv_arg *a)
{
    struct flx_qconv v = {
        .in = FLX_IMAGE(a, in, &call->arg[1], a->in_rows),
        .out = FLX_IMAGE(a, out, &call->arg[0], a->out_rows),
    };
    v.c = a->in_c / a->group;
    v.oc = a->out_c / a->group;
    v.out_bytes = flx_type_bytes(a->out_type);
    v.params = (a->has_zero ? 3u : 2u) * FLX_PANEL * 4u;
    v.flip = a->in_type == FLX_I8 ? 0x80u : 0u;
    v.zero = a->in_zero + (a->in_type == FLX_I8 ? 128 : 0);
    return v;
}

FLX_INLINE const int32_t *flx_qconv_bias(const uint8_t *panel)
{
    return (const int32_t *)(const void *)panel;
}

FLX_INLINE const float *flx_qconv_scale(const uint8_t *panel)
{
    return (const float *)(const void *)(panel + FLX_PANEL * 4u);
}

FLX_INLINE const int32_t *flx_qconv_zero(const uint8_t *panel)
{
    return (const int32_t *)(const void *)(panel + FLX_PANEL * 8u);
}

/* round(x) + zero, cut to [low, high]; NaN gives low. */
FLX_INLINE flx_vi flx_requantise(flx_v x, int32_t zero, int32_t low,
                                 int32_t high)
{
    const flx_v least = flx_splat((float)(low - zero));
    const flx_v most = flx_splat((float)(high - zero));
    const flx_v cut = flx_vmin(flx_vmax(x, least), most);
    return flx_add_i(flx_round_i(cut), flx_splat_i(zero));
}

/* The sums of n lanes of a panel at one pixel to its place in the output. */
FLX_INLINE void flx_qconv_store(const struct flx_qconv_arg *a, int32_t *sum,
                                const uint8_t *panel, uint32_t n, uint8_t *out)
{
    const float *scale = flx_qconv_scale(panel);
    const uint32_t is_byte = a->out_type == FLX_I8 || a->out_type == FLX_U8;
    for (uint32_t j = 0; j < n; j += FLX_LANES) {
        if (a->out_type != FLX_I32) {
            const flx_v x =
                flx_float_of(flx_load_i(sum + j)) * flx_load(scale + j);
            flx_store_i(sum + j, is_byte ? flx_requantise(x, a->out_zero,
                                                          a->low, a->high)
                                         : (flx_vi)flx_bits(x));
        }
    }
    if (!is_byte) {
        __builtin_memcpy(out, sum, n * sizeof *sum);
    } else if (n == FLX_PANEL) {
        for (uint32_t j = 0; j < FLX_PANEL; j++) {
            out[j] = (uint8_t)sum[j];
        }
    } else {
        for (uint32_t j = 0; j < n; j++) {
            out[j] = (uint8_t)sum[j];
        }
    }
}

#endif
