/* flx_pair.h - the inner loop of products on 16 lanes: FLX_PAIR_M rows (pixels)
 * by one or two panels, a vector each. Two share the splats of their pixels,
 * without which loads, not multiply-adds, set the speed (flx_tile.h: one).
 *
 *   c[i][j] = fma(w[k][j], p[i][k], c[i][j])   for k = 0, 1, ... in order
 */
#ifndef FLX_PAIR_H
#define FLX_PAIR_H

#include "flx_box.h"
#include "flx_simd.h"

#if FLX_LANES == 16

enum { FLX_PAIR_M = 8 };
#define FLX_PAIR_ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7)

/* Vector a of a row is of the first panel, b of the second. */
struct flx_pair {
#define FLX_P(I)                                                               \
    flx_v a##I;                                                                \
    flx_v b##I;
    FLX_PAIR_ROWS(FLX_P)
#undef FLX_P
};

/* Every row starts as a[16], b[16]. */
FLX_INLINE void flx_pair_set(struct flx_pair *t, const float *a, const float *b)
{
#define FLX_P(I)                                                               \
    t->a##I = flx_load(a);                                                     \
    t->b##I = flx_load(b);
    FLX_PAIR_ROWS(FLX_P)
#undef FLX_P
}

/* a[FLX_PAIR_M][16], b the same; two: b counts. */
FLX_INLINE void flx_pair_get(struct flx_pair *t, const float *a, const float *b)
{
#define FLX_P(I)                                                               \
    t->a##I = flx_load(a + (I)*FLX_PANEL);                                     \
    t->b##I = flx_load(b + (I)*FLX_PANEL);
    FLX_PAIR_ROWS(FLX_P)
#undef FLX_P
}

FLX_INLINE void flx_pair_put(const struct flx_pair *t, uint32_t two, float *a,
                             float *b)
{
#define FLX_P(I)                                                               \
    flx_store(a + (I)*FLX_PANEL, t->a##I);                                     \
    if (two) {                                                                 \
        flx_store(b + (I)*FLX_PANEL, t->b##I);                                 \
    }
    FLX_PAIR_ROWS(FLX_P)
#undef FLX_P
}

/* n steps over k. wa, wb: k-major, FLX_PANEL apart; p[i]: row i's n floats. */
FLX_INLINE void flx_pair_mac(struct flx_pair *t, uint32_t two, const float *wa,
                             const float *wb, const float *const *p, uint32_t n)
{
#define FLX_P(I)                                                               \
    flx_v a##I = t->a##I;                                                      \
    flx_v b##I = t->b##I;                                                      \
    const float *const p##I = p[I];
    FLX_PAIR_ROWS(FLX_P)
#undef FLX_P
#define FLX_P(I)                                                               \
    {                                                                          \
        const flx_v x = flx_splat(p##I[k]);                                    \
        a##I = flx_vfma(u, x, a##I);                                           \
        if (two) {                                                             \
            b##I = flx_vfma(v, x, b##I);                                       \
        }                                                                      \
    }
#define FLX_PAIR_STEP(K)                                                       \
    {                                                                          \
        const flx_v u = flx_load(wa + (K)*FLX_PANEL);                          \
        const flx_v v = two ? flx_load(wb + (K)*FLX_PANEL) : u;                \
        FLX_PAIR_ROWS(FLX_P)                                                   \
        k++;                                                                   \
    }
    size_t k = 0;
    for (; k + 4 <= n; wa += 4 * FLX_PANEL, wb += 4 * FLX_PANEL) {
        FLX_PAIR_STEP(0)
        FLX_PAIR_STEP(1)
        FLX_PAIR_STEP(2)
        FLX_PAIR_STEP(3)
    }
    for (; k < n; wa += FLX_PANEL, wb += FLX_PANEL) {
        FLX_PAIR_STEP(0)
    }
#undef FLX_PAIR_STEP
#undef FLX_P
#define FLX_P(I)                                                               \
    t->a##I = a##I;                                                            \
    t->b##I = b##I;
    FLX_PAIR_ROWS(FLX_P)
#undef FLX_P
}

#endif

#endif
