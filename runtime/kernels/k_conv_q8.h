/* k_conv_q8.h - convolution and products of 8-bit numbers; flx_quant.h says
 * what sums become, k_conv.h has the formula. Integers: any order of summation
 * gives the same bits.
 *
 * K is (kh, kw, c), each kernel row padded with zeros to a multiple of 4;
 * weights are [K / 4][16][4]. A tile's pixels are copied out of the image as
 * i16, zero point taken off, so that what lies outside the image is 0: as many
 * K at a time as the table below holds, for each panel anew only where K is
 * longer. out must not overlap in. */
#ifndef K_CONV_Q8_H
#define K_CONV_Q8_H

#include "flx_quant.h"

/* Pixels of a tile, and the K that are copied at a time. */
#if FLX_LANES > 1
enum { FLX_Q_M = FLX_TILE_M, FLX_Q_K = 1024 };
#else
enum { FLX_Q_M = 2, FLX_Q_K = 256 };
#endif

FLX_SHARED void flx_q_widen(int16_t *dst, const uint8_t *src, uint32_t n,
                            uint32_t flip, int32_t zero)
{
    for (uint32_t i = 0; i < n; i++) {
        dst[i] = (int16_t)((int32_t)(src[i] ^ flip) - zero);
    }
}

FLX_SHARED void flx_q_clear(int16_t *dst, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        dst[i] = 0;
    }
}

/* K [k0, k1), multiples of 4, of pixel p; channels from c0. */
FLX_INLINE void flx_q_pixel(const struct flx_qconv_arg *a,
                            const struct flx_qconv *v, struct flx_pixel p,
                            uint32_t c0, uint32_t k0, uint32_t k1, int16_t *dst)
{
    const uint32_t row = a->kernel_w * v->c;
    const uint32_t padded = (row + 3u) & ~3u;
    const int32_t x0 = (int32_t)(p.x * a->stride_w) - a->pad_left;
    const int32_t y0 = (int32_t)(p.y * a->stride_h) - a->pad_top;
    const uint32_t is_dense =
        a->kernel_w == 1 ||
        (a->dilation_w == 1 && a->group == 1 && a->in_pix == a->in_c);
    const uint32_t is_inside =
        x0 >= 0 && (uint32_t)x0 + (a->kernel_w - 1) * a->dilation_w < a->in_w;
    for (uint32_t k = k0; k < k1;) {
        const uint32_t kh = k / padded;
        const uint32_t at = k - kh * padded; /* in the kernel row */
        const uint32_t y = (uint32_t)(y0 + (int32_t)(kh * a->dilation_h));
        if (at >= row || y >= a->in_rows) { /* padding, to the row's end */
            const uint32_t n = flx_min_u(padded - at, k1 - k);
            flx_q_clear(dst, n);
            dst += n;
            k += n;
            continue;
        }
        const uint8_t *in = flx_image_bytes(&v->in, p.n, y, 1) + c0;
        const uint32_t kw = at / v->c;
        const uint32_t c = at - kw * v->c;
        const uint32_t x = (uint32_t)(x0 + (int32_t)(kw * a->dilation_w));
        const uint32_t whole = is_dense && is_inside;
        const uint32_t n = flx_min_u(whole ? row - at : v->c - c, k1 - k);
        if (x < a->in_w) {
            flx_q_widen(dst, in + (size_t)x * a->in_pix + c, n, v->flip,
                        v->zero);
        } else {
            flx_q_clear(dst, n);
        }
        dst += n;
        k += n;
    }
}

#if FLX_LANES > 1

/* sum[FLX_Q_M][16] += K [0, n) of x[FLX_Q_M][step] with w[n / 4][16][4]. */
FLX_INLINE void flx_q_mac(int32_t *sum, const int16_t *x, size_t step,
                          const int8_t *w, uint32_t n)
{
    /* Vectors hold two partial sums of each of their lanes. */
    enum { LANES = FLX_TILE_LANES / 2, SUBS = FLX_PANEL / LANES };
    for (uint32_t s = 0; s < SUBS; s++) {
        const int8_t *ws = w + s * LANES * 4;
#define FLX_C(I, J) flx_vi c##I##_##J = flx_splat_i(0);
#define FLX_C_ROW(I)                                                           \
    FLX_VECS(FLX_C, I)                                                         \
    const int16_t *x##I = x + (I)*step;
        FLX_ROWS(FLX_C_ROW)
#undef FLX_C_ROW
#undef FLX_C
#define FLX_W(K, J) const flx_vh w##J = flx_load_shorts(ws + (J)*2 * FLX_LANES);
#define FLX_MAC(I, J)                                                          \
    c##I##_##J = flx_add_i(c##I##_##J, flx_dot_pairs(v##I, w##J));
#define FLX_MAC_ROW(I)                                                         \
    const flx_vh v##I = flx_splat_four(x##I + k);                              \
    FLX_VECS(FLX_MAC, I)
        for (size_t k = 0; k < n; k += 4, ws += FLX_PANEL * 4) {
            FLX_VECS(FLX_W, 0)
            FLX_ROWS(FLX_MAC_ROW)
        }
#undef FLX_MAC_ROW
#undef FLX_MAC
#undef FLX_W
        int32_t part[FLX_TILE_LANES];
#define FLX_OUT(I, J) flx_store_i(part + (J)*FLX_LANES, c##I##_##J);
#define FLX_OUT_ROW(I)                                                         \
    FLX_VECS(FLX_OUT, I)                                                       \
    for (uint32_t j = 0; j < LANES; j++) {                                     \
        sum[(I)*FLX_PANEL + s * LANES + j] += part[2 * j] + part[2 * j + 1];   \
    }
        FLX_ROWS(FLX_OUT_ROW)
#undef FLX_OUT_ROW
#undef FLX_OUT
    }
}

/* The same of one row. */
FLX_INLINE void flx_q_mac_one(int32_t *sum, const int16_t *x, const int8_t *w,
                              uint32_t n)
{
    enum { VECS = 2 * FLX_PANEL / FLX_LANES };
    flx_vi c[VECS];
    int32_t part[2 * FLX_PANEL];
#pragma GCC unroll 8
    for (uint32_t j = 0; j < VECS; j++) {
        c[j] = flx_splat_i(0);
    }
    for (size_t k = 0; k < n; k += 4, w += FLX_PANEL * 4) {
        const flx_vh v = flx_splat_four(x + k);
#pragma GCC unroll 8
        for (uint32_t j = 0; j < VECS; j++) {
            c[j] = flx_add_i(
                c[j], flx_dot_pairs(v, flx_load_shorts(w + j * 2 * FLX_LANES)));
        }
    }
#pragma GCC unroll 8
    for (uint32_t j = 0; j < VECS; j++) {
        flx_store_i(part + j * FLX_LANES, c[j]);
    }
    for (uint32_t j = 0; j < FLX_PANEL; j++) {
        sum[j] += part[2 * j] + part[2 * j + 1];
    }
}

#elif defined FLX_DSP

/* The same of one row, and of two, a pair of lanes at a time. Each four of x
 * are in the order 0, 2, 1, 3, as bytes of weights become pairs. */
FLX_INLINE void flx_q_mac_one(int32_t *sum, const int16_t *x, const int8_t *w,
                              uint32_t n)
{
    for (uint32_t j = 0; j < FLX_PANEL; j += 2, w += 8) {
        const int8_t *ws = w;
        const int16_t *end = x + n;
        int32_t s0 = sum[j];
        int32_t s1 = sum[j + 1];
        for (const int16_t *k = x; k < end; k += 4, ws += FLX_PANEL * 4) {
            const uint32_t w0 = flx_load_word(ws);
            const uint32_t w1 = flx_load_word(ws + 4);
            const uint32_t even = flx_load_word(k);
            const uint32_t odd = flx_load_word(k + 2);
            s0 = flx_pair_dot(even, flx_bytes_even(w0), s0);
            s0 = flx_pair_dot(odd, flx_bytes_odd(w0), s0);
            s1 = flx_pair_dot(even, flx_bytes_even(w1), s1);
            s1 = flx_pair_dot(odd, flx_bytes_odd(w1), s1);
        }
        sum[j] = s0;
        sum[j + 1] = s1;
    }
}

FLX_INLINE void flx_q_mac(int32_t *sum, const int16_t *x, size_t step,
                          const int8_t *w, uint32_t n)
{
    int32_t *more = sum + FLX_PANEL;
    for (uint32_t j = 0; j < FLX_PANEL; j += 2, w += 8) {
        const int8_t *ws = w;
        const int16_t *end = x + n;
        int32_t s0 = sum[j];
        int32_t s1 = sum[j + 1];
        int32_t t0 = more[j];
        int32_t t1 = more[j + 1];
        for (const int16_t *k = x; k < end; k += 4, ws += FLX_PANEL * 4) {
            const uint32_t x0 = flx_load_word(k);
            const uint32_t x1 = flx_load_word(k + 2);
            const uint32_t y0 = flx_load_word(k + step);
            const uint32_t y1 = flx_load_word(k + step + 2);
            uint32_t word = flx_load_word(ws);
            uint32_t even = flx_bytes_even(word);
            uint32_t odd = flx_bytes_odd(word);
            s0 = flx_pair_dot(x1, odd, flx_pair_dot(x0, even, s0));
            t0 = flx_pair_dot(y1, odd, flx_pair_dot(y0, even, t0));
            word = flx_load_word(ws + 4);
            even = flx_bytes_even(word);
            odd = flx_bytes_odd(word);
            s1 = flx_pair_dot(x1, odd, flx_pair_dot(x0, even, s1));
            t1 = flx_pair_dot(y1, odd, flx_pair_dot(y0, even, t1));
        }
        sum[j] = s0;
        sum[j + 1] = s1;
        more[j] = t0;
        more[j + 1] = t1;
    }
}

#else

/* The same of one row, and of two, a lane at a time. */
FLX_INLINE void flx_q_mac_one(int32_t *sum, const int16_t *x, const int8_t *w,
                              uint32_t n)
{
    for (uint32_t j = 0; j < FLX_PANEL; j++, w += 4) {
        const int8_t *ws = w;
        int32_t s = sum[j];
        for (uint32_t k = 0; k < n; k += 4, ws += FLX_PANEL * 4) {
            s += x[k] * ws[0] + x[k + 1] * ws[1] + x[k + 2] * ws[2] +
                 x[k + 3] * ws[3];
        }
        sum[j] = s;
    }
}

FLX_INLINE void flx_q_mac(int32_t *sum, const int16_t *x, size_t step,
                          const int8_t *w, uint32_t n)
{
    for (uint32_t j = 0; j < FLX_PANEL; j++) {
        const int8_t *ws = w + j * 4;
        const int16_t *y = x + step;
        int32_t s0 = sum[j];
        int32_t s1 = sum[FLX_PANEL + j];
        for (uint32_t k = 0; k < n; k += 4, ws += FLX_PANEL * 4) {
            s0 += x[k] * ws[0] + x[k + 1] * ws[1] + x[k + 2] * ws[2] +
                  x[k + 3] * ws[3];
            s1 += y[k] * ws[0] + y[k + 1] * ws[1] + y[k + 2] * ws[2] +
                  y[k + 3] * ws[3];
        }
        sum[j] = s0;
        sum[FLX_PANEL + j] = s1;
    }
}

#endif

/* Puts n, a multiple of 4, into the order that products need. */
FLX_SHARED void flx_q_order(int16_t *x, uint32_t n)
{
#if defined FLX_DSP
    for (uint32_t k = 0; k < n; k += 4) {
        const int16_t second = x[k + 1];
        x[k + 1] = x[k + 2];
        x[k + 2] = second;
    }
#else
    (void)x;
    (void)n;
#endif
}

/* A tile: m pixels of the box from its pixel q. */
struct flx_q_tile {
    struct flx_pixel first;
    uint32_t m;
    uint32_t k0; /* what x holds */
    uint32_t k1;
    uint32_t c0;
    int16_t x[FLX_Q_M * FLX_Q_K];
};

FLX_INLINE void flx_q_fill(const struct flx_qconv_arg *a,
                           const struct flx_qconv *v, struct flx_q_tile *t,
                           uint32_t c0, uint32_t k0)
{
    const uint32_t k1 = flx_min_u(a->k, k0 + FLX_Q_K);
    if (t->c0 == c0 && t->k0 == k0 && t->k1 == k1) {
        return;
    }
    struct flx_pixel p = t->first;
    for (uint32_t i = 0; i < FLX_Q_M; i++) {
        /* Spare pixels are computed on, not stored. */
        if (i < t->m) {
            flx_q_pixel(a, v, p, c0, k0, k1, t->x + i * FLX_Q_K);
            flx_q_order(t->x + i * FLX_Q_K, k1 - k0);
            flx_pixel_next(&p, a->out_rows, a->out_w);
        } else {
            flx_q_clear(t->x + i * FLX_Q_K, k1 - k0);
        }
    }
    t->c0 = c0;
    t->k0 = k0;
    t->k1 = k1;
}

/* The tile against one panel, at w. */
FLX_INLINE void flx_q_panel(const struct flx_qconv_arg *a,
                            const struct flx_qconv *v, struct flx_q_tile *t,
                            uint32_t panel, const uint8_t *w)
{
    const uint32_t panels = (v->oc + FLX_PANEL - 1) / FLX_PANEL;
    const uint32_t g = panel / panels;
    const uint32_t o = (panel - g * panels) * FLX_PANEL;
    const uint32_t lanes = flx_min_u(FLX_PANEL, v->oc - o);
    int32_t sum[FLX_Q_M * FLX_PANEL];
    int32_t total[FLX_Q_M] = {0};
    for (uint32_t i = 0; i < FLX_Q_M; i++) {
        for (uint32_t j = 0; j < FLX_PANEL; j++) {
            sum[i * FLX_PANEL + j] = flx_qconv_bias(w)[j];
        }
    }
    for (uint32_t k = 0; k < a->k; k += FLX_Q_K) {
        flx_q_fill(a, v, t, g * v->c, k);
        const int8_t *ws =
            (const int8_t *)(w + v->params) + (size_t)k * FLX_PANEL;
        if (t->m * 3u > FLX_Q_M && t->m > 1) {
            flx_q_mac(sum, t->x, FLX_Q_K, ws, t->k1 - t->k0);
        } else {
            for (uint32_t i = 0; i < t->m; i++) {
                flx_q_mac_one(sum + i * FLX_PANEL, t->x + i * FLX_Q_K, ws,
                              t->k1 - t->k0);
            }
        }
        for (uint32_t i = 0; a->has_zero && i < t->m; i++) {
            for (uint32_t j = 0; j < t->k1 - t->k0; j++) {
                total[i] += t->x[i * FLX_Q_K + j];
            }
        }
    }
    struct flx_pixel p = t->first;
    for (uint32_t i = 0; i < t->m; i++) {
        int32_t *s = sum + i * FLX_PANEL;
        for (uint32_t j = 0; a->has_zero && j < FLX_PANEL; j++) {
            s[j] -= flx_qconv_zero(w)[j] * total[i];
        }
        uint8_t *out =
            flx_image_bytes(&v->out, p.n, p.y, v->out_bytes) +
            ((size_t)p.x * a->out_pix + g * v->oc + o) * v->out_bytes;
        flx_qconv_store(a, s, w, lanes, out);
        flx_pixel_next(&p, a->out_rows, a->out_w);
    }
}

/* Groups of at least 16 output channels, or one. No scratch. Parts share tiles
 * x panels. */
FLX_INLINE void k_conv_q8_direct(const struct flx_call *call,
                                 const struct flx_qconv_arg *a, uint32_t part,
                                 uint32_t n_parts)
{
    const struct flx_qconv v = flx_qconv_of(call, a);
    const size_t panel_bytes = v.params + (size_t)a->k * FLX_PANEL;
    const uint32_t n_pixel = (call->r1 - call->r0) * a->out_w;
    const uint32_t n_tile = (n_pixel + FLX_Q_M - 1) / FLX_Q_M;
    const uint32_t n_panel = call->p1 - call->p0;
    struct flx_q_tile t = {.m = 0};
    uint32_t filled = n_tile;
    uint32_t u0;
    uint32_t u1;
    flx_share(n_tile * n_panel, part, n_parts, &u0, &u1);
    for (uint32_t u = u0; u < u1; u++) {
        const uint32_t tile = u / n_panel;
        const uint32_t panel = u - tile * n_panel;
        if (filled != tile) {
            const uint32_t q = tile * FLX_Q_M;
            t.first = flx_pixel_of(a->out_rows, a->out_w, call->r0, q);
            t.m = flx_min_u(FLX_Q_M, n_pixel - q);
            t.k1 = 0;
            filled = tile;
        }
        flx_q_panel(a, &v, &t, call->p0 + panel, call->w + panel * panel_bytes);
    }
}

#endif
