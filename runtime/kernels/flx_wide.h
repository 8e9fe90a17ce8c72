/* flx_wide.h - the inner loop of products on 16 lanes: rows (pixels) by panels,
 * a vector each. Panels share the splats of a row, and rows the weights, since
 * loads cost: the more of both the fewer (flx_tile.h: one panel). Three or four
 * panels have six rows, one or two have twelve: at most 24 accumulators.
 *
 *   c[i][j] = fma(w[k][j], p[i][k], c[i][j])   for k = 0, 1, ... in order
 */
#ifndef FLX_WIDE_H
#define FLX_WIDE_H

#include "flx_box.h"
#include "flx_simd.h"

#if FLX_LANES == 16

enum { FLX_WIDE_M = 12, FLX_WIDE_PANELS = 4 };

#define FLX_WIDE_ROWS6(X) X(0) X(1) X(2) X(3) X(4) X(5)
#define FLX_WIDE_ROWS(X) FLX_WIDE_ROWS6(X) X(6) X(7) X(8) X(9) X(10) X(11)

/* Vector a of a row is of the first panel, and so on. Those that a call's rows
 * and panels leave out are not touched. */
struct flx_wide {
#define FLX_W(I) flx_v a##I, b##I, c##I, d##I;
    FLX_WIDE_ROWS(FLX_W)
#undef FLX_W
};

FLX_INLINE uint32_t flx_wide_rows(uint32_t panels)
{
    return panels > 2 ? 6 : 12;
}

/* Every row starts as w[16]; panels are w_step floats apart. */
FLX_UNROLLED void flx_wide_set(struct flx_wide *t, uint32_t panels,
                               const float *w, size_t w_step)
{
    const flx_v a = flx_load(w);
    const flx_v b = panels > 1 ? flx_load(w + w_step) : a;
    const flx_v c = panels > 2 ? flx_load(w + 2 * w_step) : a;
    const flx_v d = panels > 3 ? flx_load(w + 3 * w_step) : a;
#define FLX_W(I)                                                               \
    t->a##I = a;                                                               \
    t->b##I = b;                                                               \
    t->c##I = c;                                                               \
    t->d##I = d;
    FLX_WIDE_ROWS(FLX_W)
#undef FLX_W
}

/* buf[row][16], panels step floats apart. */
FLX_UNROLLED void flx_wide_get(struct flx_wide *t, uint32_t panels,
                               const float *buf, size_t step)
{
    const uint32_t rows = flx_wide_rows(panels);
#define FLX_W(I)                                                               \
    {                                                                          \
        const float *s = buf + (size_t)((I) < rows ? (I) : 0) * FLX_PANEL;     \
        t->a##I = flx_load(s);                                                 \
        t->b##I = panels > 1 ? flx_load(s + step) : t->a##I;                   \
        t->c##I = panels > 2 ? flx_load(s + 2 * step) : t->a##I;               \
        t->d##I = panels > 3 ? flx_load(s + 3 * step) : t->a##I;               \
    }
    FLX_WIDE_ROWS(FLX_W)
#undef FLX_W
}

FLX_UNROLLED void flx_wide_put(const struct flx_wide *t, uint32_t panels,
                               float *buf, size_t step)
{
    const uint32_t rows = flx_wide_rows(panels);
#define FLX_W(I)                                                               \
    if ((I) < rows) {                                                          \
        float *s = buf + (size_t)(I)*FLX_PANEL;                                \
        flx_store(s, t->a##I);                                                 \
        if (panels > 1) {                                                      \
            flx_store(s + step, t->b##I);                                      \
        }                                                                      \
        if (panels > 2) {                                                      \
            flx_store(s + 2 * step, t->c##I);                                  \
        }                                                                      \
        if (panels > 3) {                                                      \
            flx_store(s + 3 * step, t->d##I);                                  \
        }                                                                      \
    }
    FLX_WIDE_ROWS(FLX_W)
#undef FLX_W
}

/* n steps over k. w: k-major, FLX_PANEL apart, panels w_step apart; p[i]: row
 * i's n floats. Asks the second cache for 8 n floats from `ask` on. */
FLX_UNROLLED void flx_wide_mac(struct flx_wide *t, uint32_t panels,
                               const float *w, size_t w_step,
                               const float *const *p, uint32_t n,
                               const float *ask)
{
    const uint32_t rows = flx_wide_rows(panels);
#define FLX_W(I)                                                               \
    flx_v a##I = t->a##I;                                                      \
    flx_v b##I = t->b##I;                                                      \
    flx_v c##I = t->c##I;                                                      \
    flx_v d##I = t->d##I;                                                      \
    const float *const p##I = p[(I) < rows ? (I) : 0];
    FLX_WIDE_ROWS(FLX_W)
#undef FLX_W
#define FLX_W(I)                                                               \
    if ((I) < rows) {                                                          \
        const flx_v x = flx_splat(p##I[k]);                                    \
        a##I = flx_vfma(wa, x, a##I);                                          \
        if (panels > 1) {                                                      \
            b##I = flx_vfma(wb, x, b##I);                                      \
        }                                                                      \
        if (panels > 2) {                                                      \
            c##I = flx_vfma(wc, x, c##I);                                      \
        }                                                                      \
        if (panels > 3) {                                                      \
            d##I = flx_vfma(wd, x, d##I);                                      \
        }                                                                      \
    }
#define FLX_WIDE_STEP(K)                                                       \
    {                                                                          \
        const float *const wk = w + (K)*FLX_PANEL;                             \
        const flx_v wa = flx_load(wk);                                         \
        const flx_v wb = panels > 1 ? flx_load(wk + w_step) : wa;              \
        const flx_v wc = panels > 2 ? flx_load(wk + 2 * w_step) : wa;          \
        const flx_v wd = panels > 3 ? flx_load(wk + 3 * w_step) : wa;          \
        FLX_WIDE_ROWS(FLX_W)                                                   \
        k++;                                                                   \
    }
    /* With 18 accumulators gcc moves loads between steps until they spill. */
    const uint32_t is_full = rows * panels >= 18;
    size_t k = 0;
    for (; !is_full && k + 4 <= n; w += 4 * FLX_PANEL) {
        FLX_WIDE_STEP(0)
        FLX_WIDE_STEP(1)
        flx_prefetch_far(ask);
        FLX_WIDE_STEP(2)
        FLX_WIDE_STEP(3)
        flx_prefetch_far(ask + 16);
        ask += 32;
    }
    for (; k < n; w += FLX_PANEL) {
        FLX_WIDE_STEP(0)
        if (is_full) {
            flx_prefetch_far(ask);
            ask += 8;
        }
    }
#undef FLX_WIDE_STEP
#undef FLX_W
#define FLX_W(I)                                                               \
    t->a##I = a##I;                                                            \
    t->b##I = b##I;                                                            \
    t->c##I = c##I;                                                            \
    t->d##I = d##I;
    FLX_WIDE_ROWS(FLX_W)
#undef FLX_W
}

#endif

#endif
