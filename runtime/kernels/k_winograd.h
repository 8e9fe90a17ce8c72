/* k_winograd.h - 3x3 convolutions of stride 1 by Winograd's minimal filtering,
 * F(4x4,3x3) and F(6x6,3x3) [lavin16]: m x m outputs of a tile cost
 * (m + 2)^2 products a channel instead of 9 m^2.
 *
 *   out tile = A' [ sum over c of (G w[c] G') . (B' in[c] B) ] A
 *
 * The box's tiles are taken in strips. Per strip the input tiles are
 * transformed once, for all channels; in a box of a single strip that comes
 * just after one of the same rows, not at all; per pair of panels and block of
 * 64 or 32 input channels the weights are transformed from their panels and
 * multiplied, one product matrix per place of the tile. The order of arithmetic
 * of an output is that of its tile alone: channels in order in one chain,
 * whatever the strip, box or part. Weights are in the panels of
 * k_conv_f32_direct: [3][3][C][16].
 *
 * Operands: stride and dilation 1, one group, C a multiple of 16, one K block.
 * Tiles lie on the grid of m rows of each image: r0 is a multiple of m, r1 too
 * or the end; with several images out_rows is a multiple of m. Rows and
 * columns outside the image read as zero. out must not overlap in; it may be
 * the residual. Scratch of a part: FLX_WINO_LEAST_BYTES at least, of use up to
 * FLX_WINO_MOST_BYTES. */
#ifndef K_WINOGRAD_H
#define K_WINOGRAD_H

#include "flexrt/flx_winograd.h"
#include "flx_act.h"
#include "flx_tile.h"
#include "k_conv.h"

enum {
    FLX_WINO_MAX_N = 8,
    FLX_WINO_MAX_IN = 64 * FLX_WINO_PLACES(4) /* floats of a tile's block */
};

/* ---- one-dimensional transforms, in registers --------------------------- */

/* B' d: points 0, 1, -1, 2, -2 and infinity. */
FLX_INLINE void flx_wino4_b(flx_v *d)
{
    const flx_v k2 = flx_splat(2.0f);
    const flx_v k4 = flx_splat(4.0f);
    const flx_v n4 = flx_splat(-4.0f);
    const flx_v n5 = flx_splat(-5.0f);
    const flx_v even4 = flx_vfma(n4, d[2], d[4]);
    const flx_v odd4 = flx_vfma(n4, d[1], d[3]);
    const flx_v even1 = d[4] - d[2];
    const flx_v odd1 = d[3] - d[1];
    const flx_v t0 = flx_vfma(k4, d[0], flx_vfma(n5, d[2], d[4]));
    const flx_v t5 = flx_vfma(k4, d[1], flx_vfma(n5, d[3], d[5]));
    d[0] = t0;
    d[1] = even4 + odd4;
    d[2] = even4 - odd4;
    d[3] = flx_vfma(k2, odd1, even1);
    d[4] = flx_vfma(flx_splat(-2.0f), odd1, even1);
    d[5] = t5;
}

/* G g, g[3] to g[6], without the factors 1/4, -1/6, -1/6, 1/24, 1/24, 1. */
FLX_INLINE void flx_wino4_g(flx_v *g)
{
    const flx_v g1 = g[1];
    const flx_v g2 = g[2];
    const flx_v a = g[0] + g2;
    const flx_v b = flx_vfma(flx_splat(4.0f), g2, g[0]);
    g[1] = a + g1;
    g[2] = a - g1;
    g[3] = flx_vfma(flx_splat(2.0f), g1, b);
    g[4] = flx_vfma(flx_splat(-2.0f), g1, b);
    g[5] = g2;
}

/* A' m, m[6] to m[4], with those factors. */
FLX_INLINE void flx_wino4_a(flx_v *m)
{
    const flx_v k1 = flx_splat(-0x1.555556p-3f); /* -1/6 */
    const flx_v a = k1 * (m[1] + m[2]);
    const flx_v b = k1 * (m[1] - m[2]);
    const flx_v c = m[3] + m[4];
    const flx_v d = m[3] - m[4];
    m[0] = flx_vfma(flx_splat(0x1.555556p-5f), c, /* 1/24 */
                    flx_vfma(flx_splat(0.25f), m[0], a));
    m[1] = flx_vfma(flx_splat(0x1.555556p-4f), d, b);
    m[2] = flx_vfma(flx_splat(0x1.555556p-3f), c, a);
    m[3] = flx_vfma(flx_splat(0x1.555556p-2f), d, b) + m[5];
}

/* B' d: points 0, 1, -1, 2, -2, 1/2, -1/2 and infinity. */
FLX_INLINE void flx_wino6_b(flx_v *d)
{
    const flx_v k525 = flx_splat(5.25f);
    const flx_v n425 = flx_splat(-4.25f);
    const flx_v n25 = flx_splat(-2.5f);
    const flx_v half = flx_splat(0.5f);
    const flx_v two = flx_splat(2.0f);
    const flx_v t0 = flx_vfma(k525, d[4] - d[2], d[0] - d[6]);
    const flx_v t7 = flx_vfma(k525, d[3] - d[5], d[7] - d[1]);
    const flx_v e1 = flx_vfma(n425, d[4], d[2] + d[6]);
    const flx_v o1 = flx_vfma(n425, d[3], d[1] + d[5]);
    const flx_v e2 = flx_vfma(flx_splat(0.25f), d[2],
                              flx_vfma(flx_splat(-1.25f), d[4], d[6]));
    const flx_v o2 = flx_vfma(half, d[1], flx_vfma(n25, d[3], two * d[5]));
    const flx_v e3 =
        flx_vfma(flx_splat(4.0f), d[2], flx_vfma(flx_splat(-5.0f), d[4], d[6]));
    const flx_v o3 = flx_vfma(two, d[1], flx_vfma(n25, d[3], half * d[5]));
    d[0] = t0;
    d[1] = e1 + o1;
    d[2] = e1 - o1;
    d[3] = e2 + o2;
    d[4] = e2 - o2;
    d[5] = e3 + o3;
    d[6] = e3 - o3;
    d[7] = t7;
}

/* G g, g[3] to g[8], without the factors 1, -2/9, -2/9, 1/90, 1/90, 8/45, 8/45,
 * 1. */
FLX_INLINE void flx_wino6_g(flx_v *g)
{
    const flx_v two = flx_splat(2.0f);
    const flx_v four = flx_splat(4.0f);
    const flx_v g0 = g[0];
    const flx_v g1 = g[1];
    const flx_v g2 = g[2];
    const flx_v a = g0 + g2;
    const flx_v b = flx_vfma(four, g2, g0);
    const flx_v c = flx_vfma(four, g0, g2);
    g[1] = a + g1;
    g[2] = a - g1;
    g[3] = flx_vfma(two, g1, b);
    g[4] = flx_vfma(flx_splat(-2.0f), g1, b);
    g[5] = flx_vfma(two, g1, c);
    g[6] = flx_vfma(flx_splat(-2.0f), g1, c);
    g[7] = g2;
}

/* A' m, m[8] to m[6], with those factors. */
FLX_INLINE void flx_wino6_a(flx_v *m)
{
    const flx_v k1 = flx_splat(-0x1.c71c72p-3f); /* -2/9 */
    const flx_v k2 = flx_splat(0x1.6c16c2p-7f);  /* 1/90 */
    const flx_v k3 = flx_splat(0x1.6c16c2p-3f);  /* 8/45 */
    const flx_v s1 = k1 * (m[1] + m[2]);
    const flx_v d1 = k1 * (m[1] - m[2]);
    const flx_v s2 = k2 * (m[3] + m[4]);
    const flx_v d2 = k2 * (m[3] - m[4]);
    const flx_v s3 = k3 * (m[5] + m[6]);
    const flx_v d3 = k3 * (m[5] - m[6]);
    m[0] = (m[0] + s1) + (s2 + s3);
    m[1] = flx_vfma(flx_splat(0.5f), d3, flx_vfma(flx_splat(2.0f), d2, d1));
    m[2] = flx_vfma(flx_splat(0.25f), s3, flx_vfma(flx_splat(4.0f), s2, s1));
    m[3] = flx_vfma(flx_splat(0.125f), d3, flx_vfma(flx_splat(8.0f), d2, d1));
    m[4] = flx_vfma(flx_splat(0.0625f), s3, flx_vfma(flx_splat(16.0f), s2, s1));
    m[5] =
        flx_vfma(flx_splat(0.03125f), d3, flx_vfma(flx_splat(32.0f), d2, d1)) +
        m[7];
}

FLX_INLINE void flx_wino_b(uint32_t m, flx_v *d)
{
    if (m == 4) {
        flx_wino4_b(d);
    } else {
        flx_wino6_b(d);
    }
}

FLX_INLINE void flx_wino_g(uint32_t m, flx_v *g)
{
    if (m == 4) {
        flx_wino4_g(g);
    } else {
        flx_wino6_g(g);
    }
}

FLX_INLINE void flx_wino_a(uint32_t m, flx_v *x)
{
    if (m == 4) {
        flx_wino4_a(x);
    } else {
        flx_wino6_a(x);
    }
}

/* d[j] = src[j * step] for j < n, and back; written out so that d stays in
 * registers. */
FLX_INLINE void flx_wino_get(uint32_t n, flx_v *d, const float *src,
                             size_t step)
{
    d[0] = flx_load(src);
    d[1] = flx_load(src + step);
    d[2] = flx_load(src + 2 * step);
    if (n > 3) {
        d[3] = flx_load(src + 3 * step);
    }
    if (n > 4) {
        d[4] = flx_load(src + 4 * step);
        d[5] = flx_load(src + 5 * step);
    }
    if (n > 6) {
        d[6] = flx_load(src + 6 * step);
        d[7] = flx_load(src + 7 * step);
    }
}

FLX_INLINE void flx_wino_put(uint32_t n, const flx_v *d, float *dst,
                             size_t step)
{
    flx_store(dst, d[0]);
    flx_store(dst + step, d[1]);
    flx_store(dst + 2 * step, d[2]);
    if (n > 3) {
        flx_store(dst + 3 * step, d[3]);
    }
    if (n > 4) {
        flx_store(dst + 4 * step, d[4]);
        flx_store(dst + 5 * step, d[5]);
    }
    if (n > 6) {
        flx_store(dst + 6 * step, d[6]);
        flx_store(dst + 7 * step, d[7]);
    }
}

/* ---- two-dimensional transforms ------------------------------------------ */

/* One input tile, c channels from row[y][x * pix] on -> v[place * plane]. Asks
 * for the last m columns of what lies `ask` floats further, and for the places
 * of the next 16 channels: pixels and planes are too far apart for the
 * processor to see which comes next. */
FLX_INLINE void flx_wino_in(uint32_t m, const float *const *row, size_t pix,
                            size_t ask, uint32_t c, float *v, size_t plane)
{
    const uint32_t n = m + 2;
    float tmp[FLX_WINO_MAX_N * FLX_WINO_MAX_N * FLX_LANES];
    flx_v d[FLX_WINO_MAX_N];
    for (uint32_t k = 0; k < c; k += FLX_LANES) {
        for (uint32_t y = 0; y < n; y++) {
            const float *const p = row[y] + k;
            for (uint32_t x = 2; k % 16 == 0 && x < n; x++) {
                flx_prefetch(p + x * pix + ask);
            }
            flx_wino_get(n, d, p, pix);
            flx_wino_b(m, d);
            flx_wino_put(n, d, tmp + (size_t)y * n * FLX_LANES, FLX_LANES);
        }
        for (uint32_t x = 0; x < n; x++) {
            flx_wino_get(n, d, tmp + (size_t)x * FLX_LANES, n * FLX_LANES);
            flx_wino_b(m, d);
            flx_wino_put(n, d, v + k + x * plane, n * plane);
            for (uint32_t y = 0; k % 16 == 0 && y < n; y++) {
                flx_prefetch(v + k + 16 + (y * n + x) * plane);
            }
        }
    }
}

/* Weights of one channel of one panel: w[tap * step] -> u[place * plane], 16
 * floats each. */
FLX_INLINE void flx_wino_weights(uint32_t m, const float *w, size_t step,
                                 float *u, size_t plane)
{
    const uint32_t n = m + 2;
    flx_v x0[FLX_WINO_MAX_N];
    flx_v x1[FLX_WINO_MAX_N];
    flx_v x2[FLX_WINO_MAX_N];
    for (uint32_t k = 0; k < FLX_PANEL; k += FLX_LANES) {
        flx_wino_get(3, x0, w + k, 3 * step);
        flx_wino_g(m, x0);
        flx_wino_get(3, x1, w + k + step, 3 * step);
        flx_wino_g(m, x1);
        flx_wino_get(3, x2, w + k + 2 * step, 3 * step);
        flx_wino_g(m, x2);
#define FLX_WINO_ROW(Y)                                                        \
    {                                                                          \
        flx_v d[FLX_WINO_MAX_N] = {x0[Y], x1[Y], x2[Y]};                       \
        flx_wino_g(m, d);                                                      \
        flx_wino_put(n, d, u + k + (Y)*n * plane, plane);                      \
    }
        FLX_WINO_ROW(0)
        FLX_WINO_ROW(1)
        FLX_WINO_ROW(2)
        FLX_WINO_ROW(3)
        FLX_WINO_ROW(4)
        FLX_WINO_ROW(5)
        if (n > 6) {
            FLX_WINO_ROW(6)
            FLX_WINO_ROW(7)
        }
#undef FLX_WINO_ROW
    }
}

/* Out of line: the layers of a model share them. */
FLX_SHARED void flx_wino4_in(const float *const *row, size_t pix, size_t ask,
                             uint32_t c, float *v, size_t plane)
{
    flx_wino_in(4, row, pix, ask, c, v, plane);
}

FLX_SHARED void flx_wino6_in(const float *const *row, size_t pix, size_t ask,
                             uint32_t c, float *v, size_t plane)
{
    flx_wino_in(6, row, pix, ask, c, v, plane);
}

/* ---- the product ---------------------------------------------------------- *
 * s[i][lane] (+)= sum over k of u[k][lane] * v[i][k], k in order, for as many
 * tiles i and lanes as registers hold: 32 lanes of two panels (AVX-512), else
 * a panel or a part of it. Accumulators are named, see flx_tile.h. */

/* Prefetch 1, 2, 4 cache lines. */
FLX_INLINE void flx_wino_ask1(const float **p)
{
    flx_prefetch(*p);
    *p += 16;
}

FLX_INLINE void flx_wino_ask2(const float **p)
{
    flx_wino_ask1(p);
    flx_wino_ask1(p);
}

FLX_INLINE void flx_wino_ask4(const float **p)
{
    flx_wino_ask2(p);
    flx_wino_ask2(p);
}

#define FLX_WINO_ROWS4(X) X(0) X(1) X(2) X(3)
#define FLX_WINO_ROWS6(X) FLX_WINO_ROWS4(X) X(4) X(5)
#define FLX_WINO_ROWS8(X) FLX_WINO_ROWS6(X) X(6) X(7)
#define FLX_WINO_ROWS12(X) FLX_WINO_ROWS8(X) X(8) X(9) X(10) X(11)
#define FLX_WINO_VECS1(X, I) X(I, 0)
#define FLX_WINO_VECS2(X, I) X(I, 0) X(I, 1)

/* STEPS: a loop of single steps or of four; 24 accumulators are not unrolled,
 * as gcc moves loads between steps until they spill. Each turn asks for NV and
 * NU cache lines of what the next place needs of v and u, from v_next and
 * u_next: the products read faster than the second cache answers. */
#define FLX_WINO_STEPS1(ROWS) FLX_WINO_STEP(ROWS, 0)
#define FLX_WINO_STEPS4(ROWS)                                                  \
    FLX_WINO_STEP(ROWS, 0)                                                     \
    FLX_WINO_STEP(ROWS, 1)                                                     \
    FLX_WINO_STEP(ROWS, 2)                                                     \
    FLX_WINO_STEP(ROWS, 3)
#define FLX_WINO_TILE(NAME, ROWS, N, NV, NU)                                   \
    FLX_INLINE void NAME(uint32_t c, const float *v, const float *v_next,      \
                         const float *u, const float *u_next, float *s,        \
                         size_t s_step, uint32_t k, uint32_t is_first)         \
    {                                                                          \
        (void)s_step;                                                          \
        ROWS(FLX_WINO_ROW_NEW)                                                 \
        if (!is_first) {                                                       \
            ROWS(FLX_WINO_ROW_GET)                                             \
        }                                                                      \
        const float *const end = v + k;                                        \
        do {                                                                   \
            FLX_WINO_STEPS##N(ROWS);                                           \
            flx_wino_ask##NV(&v_next);                                         \
            flx_wino_ask##NU(&u_next);                                         \
            v += N;                                                            \
            u += (size_t)N * FLX_PANEL;                                        \
        } while (v < end);                                                     \
        ROWS(FLX_WINO_ROW_PUT)                                                 \
    }
#define FLX_WINO_NEW(I, J) flx_v c##I##_##J = flx_splat(0.0f);
#define FLX_WINO_GET(I, J)                                                     \
    c##I##_##J = flx_load(s + (I)*FLX_PANEL + FLX_WINO_S_LANE(J));
#define FLX_WINO_PUT(I, J)                                                     \
    flx_store(s + (I)*FLX_PANEL + FLX_WINO_S_LANE(J), c##I##_##J);
#define FLX_WINO_U(K, J)                                                       \
    const flx_v w##J = flx_load(u + (K)*FLX_PANEL + FLX_WINO_U_LANE(J));
#define FLX_WINO_MAC(I, J) c##I##_##J = flx_vfma(w##J, x, c##I##_##J);
#define FLX_WINO_STEP(ROWS, K)                                                 \
    {                                                                          \
        enum { at = K };                                                       \
        FLX_WINO_VECS(FLX_WINO_U, K)                                           \
        ROWS(FLX_WINO_ROW_MAC)                                                 \
    }
#define FLX_WINO_ROW_NEW(I) FLX_WINO_VECS(FLX_WINO_NEW, I)
#define FLX_WINO_ROW_GET(I) FLX_WINO_VECS(FLX_WINO_GET, I)
#define FLX_WINO_ROW_PUT(I) FLX_WINO_VECS(FLX_WINO_PUT, I)
#define FLX_WINO_ROW_MAC(I)                                                    \
    {                                                                          \
        const flx_v x = flx_splat(v[(size_t)(I)*c + at]);                      \
        FLX_WINO_VECS(FLX_WINO_MAC, I)                                         \
    }

#if FLX_LANES == 16
#define FLX_WINO_VECS FLX_WINO_VECS2
#define FLX_WINO_U_LANE(J) ((size_t)(J)*c * FLX_PANEL)
#define FLX_WINO_S_LANE(J) ((J)*s_step)
FLX_WINO_TILE(flx_wino_pair12, FLX_WINO_ROWS12, 1, 1, 1)
FLX_WINO_TILE(flx_wino_pair8, FLX_WINO_ROWS8, 4, 2, 4)
FLX_WINO_TILE(flx_wino_pair4, FLX_WINO_ROWS4, 4, 1, 4)
#undef FLX_WINO_VECS
#undef FLX_WINO_U_LANE
#undef FLX_WINO_S_LANE
#define FLX_WINO_VECS FLX_WINO_VECS1
#define FLX_WINO_U_LANE(J) 0
#define FLX_WINO_S_LANE(J) 0
FLX_WINO_TILE(flx_wino_tile12, FLX_WINO_ROWS12, 4, 2, 2)
FLX_WINO_TILE(flx_wino_tile8, FLX_WINO_ROWS8, 4, 2, 2)
FLX_WINO_TILE(flx_wino_tile4, FLX_WINO_ROWS4, 4, 1, 2)
#else
#define FLX_WINO_VECS FLX_VECS
#define FLX_WINO_U_LANE(J) ((J)*FLX_LANES)
#define FLX_WINO_S_LANE(J) ((J)*FLX_LANES)
#if FLX_LANES == 8
FLX_WINO_TILE(flx_wino_tile6, FLX_WINO_ROWS6, 4, 2, 1)
#endif
FLX_WINO_TILE(flx_wino_tile4, FLX_WINO_ROWS4, 4, 1, 2)
#endif

/* Weights to be transformed while products are computed: the stores of a
 * transform miss the first cache, and would be waited for on their own. Unit i
 * is one input channel of one panel. */
struct flx_wino_ahead {
    const uint8_t *w;     /* first panel */
    struct flx_stored at; /* in a panel */
    uint32_t w_type;
    uint32_t w_row; /* bytes of a row, of one channel and tap */
    size_t w_tap;   /* bytes to the next tap */
    uint32_t c0;    /* first channel */
    float *u;
    uint32_t block;  /* channels that u has room for */
    uint32_t c;      /* channels */
    uint32_t n_unit; /* c * panels, 0: nothing */
    uint32_t done;
};

FLX_INLINE void flx_wino_ahead_to(uint32_t m, struct flx_wino_ahead *job,
                                  uint32_t to)
{
    for (; job->done < to; job->done++) {
        const uint32_t q = job->done >= job->c;
        const uint32_t c = job->done - (q ? job->c : 0);
        float *const u =
            job->u + (size_t)q * job->block * FLX_PANEL + (size_t)c * FLX_PANEL;
        const uint8_t *const panel = job->w + q * job->at.bytes;
        const uint8_t *const w =
            panel + job->at.rows + (job->c0 + c) * job->w_row;
        const float *f = (const float *)(const void *)w;
        size_t tap = job->w_tap / 4;
        float wide[9 * FLX_PANEL];
        if (job->w_type != FLX_WEIGHT_F32) {
            flx_widen_rows(
                job->w_type, w, job->w_tap,
                (const float *)(const void *)(panel + job->at.scales), 9, wide);
            f = wide;
            tap = FLX_PANEL;
        }
        flx_wino_weights(m, f, tap, u, FLX_WINO_U_PLANE(job->block));
    }
}

/* All places of a strip: v[place][tile][c], u[place][panel][c][16],
 * s[place][panel][tile][16], planes as in flx_winograd.h. n_tile is a multiple
 * of 4, k of 4. Does `job` on the way. */
struct flx_wino_product {
    const float *v;
    const float *u;
    float *s;
    uint32_t v_plane;
    uint32_t s_plane;
    uint32_t s_step;
    uint32_t n_panel;
    uint32_t n_tile;
    uint32_t k;
    uint32_t is_first;
};

FLX_INLINE void flx_wino_mul(uint32_t m, uint32_t c,
                             const struct flx_wino_product *a,
                             struct flx_wino_ahead *job)
{
    const uint32_t n_place = FLX_WINO_PLACES(m);
    const uint32_t u_step = c * FLX_PANEL;
    const float *v = a->v;
    const float *u = a->u;
    float *s = a->s;
    const uint32_t n_tile = a->n_tile;
    for (uint32_t p = 0; p < n_place; p++) {
        const uint32_t from = job->n_unit * p / n_place;
        const uint32_t more = job->n_unit * (p + 1) / n_place - from;
        const float *const v_next = v + a->v_plane;
        const float *const u_next = u + FLX_WINO_U_PLANE(c);
#if FLX_LANES == 16
        /* Tiles by 12, the rest by 8 and 4. */
        const uint32_t rest = n_tile % 12;
        const uint32_t by12 = n_tile - (rest == 4 && n_tile > 12 ? 16 : rest);
        for (uint32_t i = 0; i < n_tile;) {
            const size_t at = (size_t)i * c;
            float *si = s + i * FLX_PANEL;
            const float *un = i == 0    ? u_next
                              : i <= 12 ? u_next + u_step
                                        : s + a->s_plane;
#define FLX_WINO_CALL(NAME)                                                    \
    NAME(c, v + at, v_next + at, u, un, si, a->s_step, a->k, a->is_first)
            if (i < by12) {
                if (a->n_panel == 2) {
                    FLX_WINO_CALL(flx_wino_pair12);
                } else {
                    FLX_WINO_CALL(flx_wino_tile12);
                }
                i += 12;
            } else if (i + 8 <= n_tile) {
                if (a->n_panel == 2) {
                    FLX_WINO_CALL(flx_wino_pair8);
                } else {
                    FLX_WINO_CALL(flx_wino_tile8);
                }
                i += 8;
            } else {
                if (a->n_panel == 2) {
                    FLX_WINO_CALL(flx_wino_pair4);
                } else {
                    FLX_WINO_CALL(flx_wino_tile4);
                }
                i += 4;
            }
#undef FLX_WINO_CALL
            flx_wino_ahead_to(m, job, from + more * i / n_tile);
        }
#else
        for (uint32_t q = 0; q < a->n_panel; q++) {
            for (uint32_t l = 0; l < FLX_PANEL; l += FLX_TILE_LANES) {
                const float *uq = u + q * u_step + l;
                const float *un = u_next + q * u_step;
                float *sq = s + q * a->s_step + l;
                uint32_t i = 0;
#define FLX_WINO_CALL(NAME)                                                    \
    NAME(c, v + (size_t)i * c, v_next + (size_t)i * c, uq, un,                 \
         sq + i * FLX_PANEL, 0, a->k, a->is_first);                            \
    un += 16 * FLX_PANEL
#if FLX_LANES == 8
                /* Tiles by 6, the rest by 4. */
                const uint32_t rest = n_tile % 6;
                const uint32_t by6 = n_tile - (rest == 2 ? 8 : rest);
                for (; i < by6; i += 6) {
                    FLX_WINO_CALL(flx_wino_tile6);
                }
#endif
                for (; i < n_tile; i += 4) {
                    FLX_WINO_CALL(flx_wino_tile4);
                }
#undef FLX_WINO_CALL
            }
            flx_wino_ahead_to(m, job, from + more * (q + 1) / a->n_panel);
        }
#endif
        v += a->v_plane;
        u += FLX_WINO_U_PLANE(c);
        s += a->s_plane;
    }
}

FLX_SHARED void flx_wino4_mul(const struct flx_wino_product *a,
                              struct flx_wino_ahead *job)
{
    flx_wino_mul(4, 64, a, job);
}

FLX_SHARED void flx_wino4_mul32(const struct flx_wino_product *a,
                                struct flx_wino_ahead *job)
{
    flx_wino_mul(4, 32, a, job);
}

FLX_SHARED void flx_wino6_mul(const struct flx_wino_product *a,
                              struct flx_wino_ahead *job)
{
    flx_wino_mul(6, 32, a, job);
}

/* ---- the box ---------------------------------------------------------------
 */

/* A tile: its first output row (of the layer) and column. */
struct flx_wino_at {
    uint32_t r;
    uint32_t x;
};

FLX_INLINE struct flx_wino_at flx_wino_tile_at(uint32_t m, uint32_t r0,
                                               uint32_t n_x, uint32_t tile)
{
    return (struct flx_wino_at){r0 + tile / n_x * m, tile % n_x * m};
}

/* Where a tile's input lies: n rows from column x on, of which rows [y0, y1)
 * and columns [x0, x1) are inside the image. */
struct flx_wino_tile {
    const float *row[FLX_WINO_MAX_N]; /* at column x0; of rows inside */
    uint32_t y0;
    uint32_t y1;
    uint32_t x0;
    uint32_t x1;
};

/* Of n from `from` on, those in [0, size). */
FLX_INLINE void flx_wino_inside(int32_t from, uint32_t n, uint32_t size,
                                uint32_t *i0, uint32_t *i1)
{
    *i0 = flx_min_u(n, (uint32_t)(from < 0 ? -from : 0));
    const int32_t left = (int32_t)size - from;
    *i1 = left < (int32_t)*i0 ? *i0 : flx_min_u(n, (uint32_t)left);
}

FLX_INLINE void flx_wino_find(uint32_t m, const struct flx_conv_arg *a,
                              const struct flx_conv *v, struct flx_wino_at at,
                              struct flx_wino_tile *t)
{
    const uint32_t image = at.r / a->out_rows;
    const int32_t y = (int32_t)(at.r - image * a->out_rows) - a->pad_top;
    const int32_t x = (int32_t)at.x - a->pad_left;
    /* Rows that no output of the image needs may not be in memory. */
    const uint32_t rows =
        flx_min_u(a->in_rows, a->out_rows + 2 - (uint32_t)a->pad_top);
    flx_wino_inside(y, m + 2, rows, &t->y0, &t->y1);
    flx_wino_inside(x, m + 2, a->in_w, &t->x0, &t->x1);
    for (uint32_t i = t->y0; i < t->y1; i++) {
        t->row[i] = flx_image_row(&v->in, image, (uint32_t)(y + (int32_t)i)) +
                    (size_t)(x + (int32_t)t->x0) * a->in_pix;
    }
}

/* c channels from c0 of an input tile -> v, as flx_wino_in; zeros are put
 * around what is inside the image. */
FLX_INLINE void flx_wino_in_tile(uint32_t m, const struct flx_conv_arg *a,
                                 const struct flx_wino_tile *t, size_t ask,
                                 uint32_t c0, uint32_t c, float *v,
                                 size_t plane)
{
    const uint32_t n = m + 2;
    float edge[FLX_WINO_MAX_IN];
    const float *row[FLX_WINO_MAX_N];
    size_t pix = a->in_pix;
    if (t->y1 - t->y0 == n && t->x1 - t->x0 == n) {
        for (uint32_t y = 0; y < n; y++) {
            row[y] = t->row[y] + c0;
        }
    } else {
        pix = c;
        for (uint32_t i = 0; i < n * n * c; i += FLX_LANES) {
            flx_store(edge + i, flx_splat(0.0f));
        }
        for (uint32_t y = 0; y < n; y++) {
            row[y] = edge + (size_t)y * n * c;
            for (uint32_t x = t->x0; y >= t->y0 && y < t->y1 && x < t->x1;
                 x++) {
                const float *from =
                    t->row[y] + (size_t)(x - t->x0) * a->in_pix + c0;
                for (uint32_t k = 0; k < c; k += FLX_LANES) {
                    flx_store(edge + (size_t)(y * n + x) * c + k,
                              flx_load(from + k));
                }
            }
        }
    }
    if (m == 4) {
        flx_wino4_in(row, pix, ask, c, v, plane);
    } else {
        flx_wino6_in(row, pix, ask, c, v, plane);
    }
}

/* One tile of one panel: A' s A, s[place * plane], then bias, residual and
 * activation, and the one store of what lies in the image. w: the panel. */
FLX_INLINE void flx_wino_out(uint32_t m, const struct flx_conv_arg *a,
                             const struct flx_conv *cv, const float *s,
                             size_t plane, const float *w,
                             struct flx_wino_at at, uint32_t c0)
{
    const uint32_t n = m + 2;
    const uint32_t image = at.r / a->out_rows;
    const uint32_t y = at.r - image * a->out_rows;
    const uint32_t rows = flx_min_u(m, a->out_rows - y);
    const uint32_t cols = flx_min_u(m, a->out_w - at.x);
    const uint32_t is_direct =
        a->out_c % FLX_PANEL == 0 && flx_conv_act_is_short(a->act);
    float tmp[FLX_WINO_MAX_N * (FLX_WINO_MAX_N - 2) * FLX_PANEL];
    float buf[(FLX_WINO_MAX_N - 2) * FLX_PANEL];
    flx_v d[FLX_WINO_MAX_N];
    /* tmp[row][column of the tile][16] */
    for (uint32_t x = 0; x < n; x++) {
        for (uint32_t k = 0; k < FLX_PANEL; k += FLX_LANES) {
            flx_wino_get(n, d, s + k + x * plane, n * plane);
            flx_wino_a(m, d);
            flx_wino_put(m, d, tmp + k + (size_t)x * FLX_PANEL, n * FLX_PANEL);
        }
    }
    for (uint32_t r = 0; r < rows; r++) {
        float *out = flx_image_row(&cv->out, image, y + r) +
                     (size_t)at.x * a->out_pix + c0;
        const float *res = a->residual == FLX_RES_NONE
                               ? out
                               : flx_image_row(&cv->res, image, y + r) +
                                     (size_t)at.x * a->res_pix + c0;
        for (uint32_t k = 0; k < FLX_PANEL; k += FLX_LANES) {
            flx_wino_get(n, d, tmp + k + (size_t)r * n * FLX_PANEL, FLX_PANEL);
            flx_wino_a(m, d);
            const flx_v b = flx_load(w + k);
#define FLX_WINO_PIXEL(X)                                                      \
    if ((X) < m && !is_direct) {                                               \
        flx_store(buf + (X)*FLX_PANEL + k, d[X] + b);                          \
    } else if ((X) < m && (X) < cols) {                                        \
        flx_conv_store_v(a, w + FLX_PANEL, out + (size_t)(X)*a->out_pix,       \
                         res + (size_t)(X)*a->res_pix, k, d[X] + b);           \
    }
            FLX_WINO_PIXEL(0)
            FLX_WINO_PIXEL(1)
            FLX_WINO_PIXEL(2)
            FLX_WINO_PIXEL(3)
            FLX_WINO_PIXEL(4)
            FLX_WINO_PIXEL(5)
#undef FLX_WINO_PIXEL
        }
        if (!is_direct) {
            const struct flx_pixel first = {image, y + r, at.x};
            flx_conv_store(a, cv, buf, w + FLX_PANEL, first, cols, c0,
                           flx_min_u(FLX_PANEL, a->out_c - c0));
        }
    }
}

/* Asks for the cache lines of the output that a tile of n panels writes. */
FLX_INLINE void flx_wino_ask_out(uint32_t m, const struct flx_conv_arg *a,
                                 const struct flx_conv *cv,
                                 struct flx_wino_at at, uint32_t c0, uint32_t n)
{
    const uint32_t image = at.r / a->out_rows;
    const uint32_t y = at.r - image * a->out_rows;
    const uint32_t rows = flx_min_u(m, a->out_rows - y);
    for (uint32_t r = 0; r < rows; r++) {
        const float *out = flx_image_row(&cv->out, image, y + r) +
                           (size_t)at.x * a->out_pix + c0;
        for (uint32_t x = 0; x < m; x++) {
            for (uint32_t q = 0; q < n; q++) {
                flx_prefetch(out + (size_t)x * a->out_pix + q * FLX_PANEL);
            }
        }
    }
}

/* What a part works on, step by step: a block of input channels of a pair of
 * panels of a strip; units are pairs of panels within strips. */
struct flx_wino_step {
    uint32_t unit;
    uint32_t block;
};

/* The weights of a step; those of none if it is past the end. */
FLX_INLINE struct flx_wino_ahead
flx_wino_job(const struct flx_call *call, const struct flx_conv_arg *a,
             const struct flx_conv *cv, uint32_t block, struct flx_wino_step at,
             uint32_t end, float *u)
{
    struct flx_wino_ahead job = {0};
    if (at.unit < end) {
        const uint32_t n_panel = call->p1 - call->p0;
        const uint32_t n_pair = (n_panel + FLX_WINO_PAIR - 1) / FLX_WINO_PAIR;
        const uint32_t p = at.unit % n_pair * FLX_WINO_PAIR;
        const uint32_t c0 = at.block * block;
        job.at = flx_stored_of(a, cv->k0, cv->k1);
        job.w = call->w + p * (size_t)job.at.bytes;
        job.w_type = a->w_type;
        job.w_row = flx_widen_row(a->w_type);
        job.w_tap = (size_t)a->in_c * job.w_row;
        job.c0 = c0;
        job.u = u;
        job.block = block;
        job.c = flx_min_u(block, a->in_c - c0);
        job.n_unit = job.c * flx_min_u(FLX_WINO_PAIR, n_panel - p);
    }
    return job;
}

FLX_INLINE void flx_conv_winograd(uint32_t m, const struct flx_call *call,
                                  const struct flx_conv_arg *a, uint32_t part,
                                  uint32_t n_parts)
{
    const uint32_t n_place = FLX_WINO_PLACES(m);
    const struct flx_conv cv = flx_conv_of(call, a);
    const uint32_t n_x = (a->out_w + m - 1) / m;
    const uint32_t n_tile = (call->r1 - call->r0 + m - 1) / m * n_x;
    const struct flx_wino_shape shape =
        flx_wino_shape(m, a->in_c, n_tile, call->scratch_bytes);
    const uint32_t most = shape.tiles;
    const uint32_t n_quad = (n_tile + 3) / 4;
    const uint32_t n_strip = (n_quad * 4 + most - 1) / most;
    const uint32_t n_pair =
        (call->p1 - call->p0 + FLX_WINO_PAIR - 1) / FLX_WINO_PAIR;
    const uint32_t block = shape.block;
    const uint32_t n_block = FLX_WINO_BLOCKS(a->in_c, block);

    float *const v =
        (float *)(void *)(call->scratch + (size_t)part * call->scratch_bytes);
    const uint32_t v_plane = FLX_WINO_V_PLANE(block, most);
    float *const s = v + n_block * n_place * v_plane;
    float *u[2] = {s + n_place * FLX_WINO_S_PLANE(most), NULL};
    u[1] = u[0] + (shape.n_u - 1) * n_place * FLX_WINO_U_PLANE(block);

    uint32_t u0;
    uint32_t u1;
    flx_share(n_strip * n_pair, part, n_parts, &u0, &u1);
    uint32_t filled = n_strip;
    uint32_t t0 = 0;
    uint32_t t1 = 0;
    /* Every part transforms what it needs; which parts had a pair to work on
     * before is known only where all had. */
    if (n_strip == 1 &&
        (call->kept + FLX_WINO_PAIR - 1) / FLX_WINO_PAIR >= n_parts) {
        filled = 0;
        t1 = n_quad * 4;
    }
    struct flx_wino_step next = {u0, 0};
    struct flx_wino_ahead job =
        flx_wino_job(call, a, &cv, block, next, u1, u[0]);
    for (uint32_t unit = u0; unit < u1; unit++) {
        const uint32_t strip = unit / n_pair;
        const uint32_t p0 = call->p0 + (unit - strip * n_pair) * FLX_WINO_PAIR;
        const uint32_t n_panel = flx_min_u(FLX_WINO_PAIR, call->p1 - p0);
        struct flx_wino_tile in;
        if (filled != strip) {
            flx_share(n_quad, strip, n_strip, &t0, &t1);
            t0 *= 4;
            t1 *= 4;
            for (uint32_t t = t0; t < t1; t++) {
                /* Spare tiles of the last strip repeat its last. */
                const struct flx_wino_at at = flx_wino_tile_at(
                    m, call->r0, n_x, flx_min_u(t, n_tile - 1));
                flx_wino_find(m, a, &cv, at, &in);
                for (uint32_t b = 0; b < n_block; b++) {
                    const uint32_t c0 = b * block;
                    const uint32_t c = flx_min_u(block, a->in_c - c0);
                    float *to = v + b * n_place * v_plane + (t - t0) * block;
                    /* The next block, else the next tile. */
                    const size_t ask =
                        b + 1 < n_block ? block : (size_t)m * a->in_pix - c0;
                    flx_wino_in_tile(m, a, &in, ask, c0, c, to, v_plane);
                }
            }
            filled = strip;
        }
        for (uint32_t b = 0; b < n_block; b++) {
            flx_wino_ahead_to(m, &job, job.n_unit); /* what is not done yet */
            const struct flx_wino_product product = {
                .v = v + b * n_place * v_plane,
                .u = u[0],
                .s = s,
                .v_plane = v_plane,
                .s_plane = FLX_WINO_S_PLANE(most),
                .s_step = most * FLX_PANEL,
                .n_panel = n_panel,
                .n_tile = t1 - t0,
                .k = flx_min_u(block, a->in_c - b * block),
                .is_first = b == 0,
            };
            next.block++;
            if (next.block == n_block) {
                next.block = 0;
                next.unit++;
            }
            job = flx_wino_job(call, a, &cv, block, next, u1, u[1]);
            struct flx_wino_ahead none = {0};
            struct flx_wino_ahead *const ahead = shape.n_u > 1 ? &job : &none;
            if (m == 4 && block == 64) {
                flx_wino4_mul(&product, ahead);
            } else if (m == 4) {
                flx_wino4_mul32(&product, ahead);
            } else {
                flx_wino6_mul(&product, ahead);
            }
            float *const swap = u[0];
            u[0] = u[1];
            u[1] = swap;
        }
        const size_t w_panel = flx_stored_of(a, cv.k0, cv.k1).bytes / 4;
        const float *w =
            (const float *)(const void *)call->w + (p0 - call->p0) * w_panel;
        for (uint32_t t = t0; t < t1 && t < n_tile; t++) {
            const struct flx_wino_at at = flx_wino_tile_at(m, call->r0, n_x, t);
            if (t + 1 < n_tile) {
                flx_wino_ask_out(m, a, &cv,
                                 flx_wino_tile_at(m, call->r0, n_x, t + 1),
                                 p0 * FLX_PANEL, n_panel);
            }
            for (uint32_t q = 0; q < n_panel; q++) {
                const float *from = s + (q * (size_t)most + t - t0) * FLX_PANEL;
                flx_wino_out(m, a, &cv, from, FLX_WINO_S_PLANE(most),
                             w + q * w_panel, at, (p0 + q) * FLX_PANEL);
            }
        }
    }
}

FLX_INLINE void k_conv_f32_winograd4(const struct flx_call *call,
                                     const struct flx_conv_arg *a,
                                     uint32_t part, uint32_t n_parts)
{
    flx_conv_winograd(4, call, a, part, n_parts);
}

FLX_INLINE void k_conv_f32_winograd6(const struct flx_call *call,
                                     const struct flx_conv_arg *a,
                                     uint32_t part, uint32_t n_parts)
{
    flx_conv_winograd(6, call, a, part, n_parts);
}

#endif
