/* k_depthwise_q8.h - convolution of 8-bit numbers with one input channel per
 * group and as many groups as output channels (flx_quant.h has panels and
 * results; weights are [KH * KW][16], padded to a multiple of 4 taps). */
#ifndef K_DEPTHWISE_Q8_H
#define K_DEPTHWISE_Q8_H

#include "flx_quant.h"

/* Pixels of a row side by side, which share the loads of the weights, and
 * channels at a time. */
#if FLX_LANES > 1
enum { FLX_DWQ_PIXELS = 4, FLX_DWQ_LANES = FLX_LANES };
#else
enum { FLX_DWQ_PIXELS = 1, FLX_DWQ_LANES = 4 };
#endif

#if FLX_LANES > 1

/* Less the zero point; of n lanes. Others may be anything. */
FLX_INLINE flx_vi flx_dwq_load(const struct flx_qconv *v, const uint8_t *in,
                               uint32_t n)
{
    uint8_t tmp[FLX_LANES] = {0};
    if (n < FLX_LANES) {
        for (uint32_t i = 0; i < n; i++) {
            tmp[i] = in[i];
        }
        in = tmp;
    }
    return flx_sub_i(flx_load_bytes(in) ^ flx_splat_i((int32_t)v->flip),
                     flx_splat_i(v->zero));
}

/* m pixels of one row from p, n lanes from channel c of the image, whose
 * weights, zero points and sums are at w, zero and sum. m > 1: no tap leaves
 * the image sideways. */
FLX_INLINE void flx_dwq_vector(const struct flx_qconv_arg *a,
                               const struct flx_qconv *v, struct flx_pixel p,
                               uint32_t m, uint32_t c, uint32_t n,
                               const uint8_t *w, const int32_t *zero,
                               int32_t *sum)
{
    const int32_t x0 = (int32_t)(p.x * a->stride_w) - a->pad_left;
    const int32_t y0 = (int32_t)(p.y * a->stride_h) - a->pad_top;
    const size_t step = (size_t)a->stride_w * a->in_pix;
    const flx_vi point = a->has_zero ? flx_load_i(zero) : flx_splat_i(0);
    flx_vi s0 = flx_load_i(sum);
    flx_vi s1 = s0;
    flx_vi s2 = s0;
    flx_vi s3 = s0;
    for (uint32_t kh = 0; kh < a->kernel_h; kh++) {
        const uint32_t y = (uint32_t)(y0 + (int32_t)(kh * a->dilation_h));
        if (y >= a->in_rows) {
            continue;
        }
        const uint8_t *row = flx_image_bytes(&v->in, p.n, y, 1) + c;
        for (uint32_t kw = 0; kw < a->kernel_w; kw++) {
            const uint32_t x = (uint32_t)(x0 + (int32_t)(kw * a->dilation_w));
            if (m == 1 && x >= a->in_w) {
                continue;
            }
            const uint8_t *in = row + (size_t)x * a->in_pix;
            const flx_vi byte =
                flx_load_bytes(w + (kh * a->kernel_w + kw) * FLX_PANEL);
            const flx_vi wv = flx_sub_i(
                flx_sub_i(byte ^ flx_splat_i(0x80), flx_splat_i(128)), point);
            s0 = flx_add_i(s0, flx_mul_short(flx_dwq_load(v, in, n), wv));
            if (m > 1) {
                s1 = flx_add_i(
                    s1, flx_mul_short(flx_dwq_load(v, in + step, n), wv));
                s2 = flx_add_i(
                    s2, flx_mul_short(flx_dwq_load(v, in + 2 * step, n), wv));
                s3 = flx_add_i(
                    s3, flx_mul_short(flx_dwq_load(v, in + 3 * step, n), wv));
            }
        }
    }
    flx_store_i(sum, s0);
    if (m > 1) {
        flx_store_i(sum + FLX_PANEL, s1);
        flx_store_i(sum + 2 * FLX_PANEL, s2);
        flx_store_i(sum + 3 * FLX_PANEL, s3);
    }
}

#else

/* Products of four channels with one tap. */
struct flx_dwq_four {
    int32_t s[4];
#if defined FLX_DSP
    uint32_t zero; /* pairs */
    uint32_t even;
    uint32_t odd;
#else
    int32_t zero;
    int32_t point[4];
#endif
};

FLX_INLINE void flx_dwq_mac(struct flx_dwq_four *f, const struct flx_qconv *v,
                            const uint8_t *in, uint32_t n, const uint8_t *w,
                            uint32_t has_zero)
{
#if defined FLX_DSP
    uint32_t x = 0;
    if (n == 4) {
        x = flx_load_word(in);
    } else {
        for (uint32_t i = 0; i < n; i++) {
            x |= (uint32_t)in[i] << 8 * i;
        }
    }
    x ^= v->flip * 0x01010101u;
    const uint32_t word = flx_load_word(w);
    const uint32_t x0 = flx_pair_sub(flx_bytes_even_u(x), f->zero);
    const uint32_t x1 = flx_pair_sub(flx_bytes_odd_u(x), f->zero);
    uint32_t w0 = flx_bytes_even(word);
    uint32_t w1 = flx_bytes_odd(word);
    if (has_zero) {
        w0 = flx_pair_sub(w0, f->even);
        w1 = flx_pair_sub(w1, f->odd);
    }
    f->s[0] = flx_pair_low(x0, w0, f->s[0]);
    f->s[1] = flx_pair_low(x1, w1, f->s[1]);
    f->s[2] = flx_pair_high(x0, w0, f->s[2]);
    f->s[3] = flx_pair_high(x1, w1, f->s[3]);
#else
    (void)has_zero;
    for (uint32_t i = 0; i < n; i++) {
        f->s[i] += ((int32_t)(in[i] ^ v->flip) - f->zero) *
                   ((int32_t)(int8_t)w[i] - f->point[i]);
    }
#endif
}

FLX_INLINE void flx_dwq_start(struct flx_dwq_four *f, const struct flx_qconv *v,
                              const int32_t *zero, uint32_t has_zero,
                              const int32_t *sum)
{
    for (uint32_t i = 0; i < 4; i++) {
        f->s[i] = sum[i];
    }
#if defined FLX_DSP
    f->zero = (uint32_t)v->zero * 0x10001u;
    if (has_zero) {
        f->even = ((uint32_t)zero[0] & 0xffffu) | (uint32_t)zero[2] << 16;
        f->odd = ((uint32_t)zero[1] & 0xffffu) | (uint32_t)zero[3] << 16;
    }
#else
    f->zero = v->zero;
    for (uint32_t i = 0; i < 4; i++) {
        f->point[i] = has_zero ? zero[i] : 0;
    }
#endif
}

/* The same of four lanes and one pixel. */
FLX_INLINE void flx_dwq_vector(const struct flx_qconv_arg *a,
                               const struct flx_qconv *v, struct flx_pixel p,
                               uint32_t m, uint32_t c, uint32_t n,
                               const uint8_t *w, const int32_t *zero,
                               int32_t *sum)
{
    (void)m;
    const int32_t x0 = (int32_t)(p.x * a->stride_w) - a->pad_left;
    const int32_t y0 = (int32_t)(p.y * a->stride_h) - a->pad_top;
    struct flx_dwq_four f;
    flx_dwq_start(&f, v, zero, a->has_zero, sum);
    for (uint32_t kh = 0; kh < a->kernel_h; kh++) {
        const uint32_t y = (uint32_t)(y0 + (int32_t)(kh * a->dilation_h));
        if (y >= a->in_rows) {
            continue;
        }
        const uint8_t *row = flx_image_bytes(&v->in, p.n, y, 1) + c;
        const uint8_t *wt = w + (size_t)kh * a->kernel_w * FLX_PANEL;
        for (uint32_t kw = 0; kw < a->kernel_w; kw++, wt += FLX_PANEL) {
            const uint32_t x = (uint32_t)(x0 + (int32_t)(kw * a->dilation_w));
            if (x < a->in_w) {
                flx_dwq_mac(&f, v, row + (size_t)x * a->in_pix, n, wt,
                            a->has_zero);
            }
        }
    }
    for (uint32_t i = 0; i < 4; i++) {
        sum[i] = f.s[i];
    }
}

#endif

/* m pixels of one row from p against the panel at w: n channels from c. */
FLX_INLINE void flx_dwq_pixels(const struct flx_qconv_arg *a,
                               const struct flx_qconv *v, struct flx_pixel p,
                               uint32_t m, uint32_t c, uint32_t n,
                               const uint8_t *w)
{
    int32_t sum[FLX_DWQ_PIXELS * FLX_PANEL];
    const uint8_t *weights = w + v->params;
    for (uint32_t j = 0; j < n; j += FLX_DWQ_LANES) {
        const uint32_t lanes = flx_min_u(FLX_DWQ_LANES, n - j);
        __builtin_memcpy(sum + j, flx_qconv_bias(w) + j,
                         FLX_DWQ_LANES * sizeof *sum);
        if (m == 1 && lanes == FLX_DWQ_LANES) {
            flx_dwq_vector(a, v, p, 1, c + j, FLX_DWQ_LANES, weights + j,
                           flx_qconv_zero(w) + j, sum + j);
        } else if (m == 1) {
            flx_dwq_vector(a, v, p, 1, c + j, lanes, weights + j,
                           flx_qconv_zero(w) + j, sum + j);
        } else {
            flx_dwq_vector(a, v, p, FLX_DWQ_PIXELS, c + j, FLX_DWQ_LANES,
                           weights + j, flx_qconv_zero(w) + j, sum + j);
        }
    }
    uint8_t *out = flx_image_bytes(&v->out, p.n, p.y, v->out_bytes);
    for (uint32_t i = 0; i < m; i++) {
        flx_qconv_store(a, sum + i * FLX_PANEL, w, n,
                        out + ((size_t)(p.x + i) * a->out_pix + c) *
                                  v->out_bytes);
    }
}

/* in_c == out_c == group. No scratch. Parts share rows x panels. */
FLX_INLINE void k_conv_q8_depthwise(const struct flx_call *call,
                                    const struct flx_qconv_arg *a,
                                    uint32_t part, uint32_t n_parts)
{
    const struct flx_qconv v = flx_qconv_of(call, a);
    const size_t panel_bytes = v.params + (size_t)a->k * FLX_PANEL;
    const uint32_t n_panel = call->p1 - call->p0;
    /* Columns of first taps whose last ones are inside the image. */
    const int32_t reach =
        (int32_t)a->in_w - (int32_t)((a->kernel_w - 1) * a->dilation_w) - 1;
    uint32_t u0;
    uint32_t u1;
    flx_share((call->r1 - call->r0) * n_panel, part, n_parts, &u0, &u1);
    for (uint32_t u = u0; u < u1; u++) {
        const uint32_t r = call->r0 + u / n_panel;
        const uint32_t panel = u % n_panel;
        const uint32_t c = (call->p0 + panel) * FLX_PANEL;
        const uint32_t n = flx_min_u(FLX_PANEL, a->out_c - c);
        const uint8_t *w = call->w + panel * panel_bytes;
        struct flx_pixel p = {r / a->out_rows, r % a->out_rows, 0};
        while (p.x < a->out_w) {
            const int32_t first = (int32_t)(p.x * a->stride_w) - a->pad_left;
            const int32_t last =
                first + (int32_t)((FLX_DWQ_PIXELS - 1) * a->stride_w);
            const uint32_t is_inside =
                FLX_DWQ_PIXELS > 1 && first >= 0 && last <= reach &&
                p.x + FLX_DWQ_PIXELS <= a->out_w && n % FLX_DWQ_LANES == 0;
            if (is_inside) {
                flx_dwq_pixels(a, &v, p, FLX_DWQ_PIXELS, c, n, w);
                p.x += FLX_DWQ_PIXELS;
            } else {
                flx_dwq_pixels(a, &v, p, 1, c, n, w);
                p.x++;
            }
        }
    }
}

#endif
