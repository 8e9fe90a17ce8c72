/* flx_tile.h - the inner loop of all products: FLX_TILE_M rows (pixels) by
 * FLX_TILE_LANES output channels of a panel, in registers.
 *
 *   c[i][j] = fma(w[k][j], p[i][k], c[i][j])   for k = 0, 1, ... in order
 *
 * Tiles are what fits the registers: 12x16 (AVX-512), 6x16 (AVX2), 4x16
 * (aarch64), 4x8 (16 short vectors), 4x4 (scalar). Accumulators are named and
 * the loops over them written out by macros: compilers keep arrays of vectors
 * in memory unless everything is unrolled early enough. */
#ifndef FLX_TILE_H
#define FLX_TILE_H

#include "flx_box.h"
#include "flx_simd.h"

#if FLX_LANES == 16
#define FLX_TILE_V 1
#define FLX_TILE_M 12
#elif FLX_LANES == 8
#define FLX_TILE_V 2
#define FLX_TILE_M 6
#elif FLX_LANES == 4 && defined __aarch64__
#define FLX_TILE_V 4
#define FLX_TILE_M 4
#elif FLX_LANES == 4
#define FLX_TILE_V 2
#define FLX_TILE_M 4
#else
#define FLX_TILE_V 4
#define FLX_TILE_M 4
#endif
enum {
    FLX_TILE_LANES = FLX_LANES * FLX_TILE_V,
    FLX_TILE_SUBS = FLX_PANEL / FLX_TILE_LANES /* tiles side by side */
};

/* X(i) for each row, X(i, j) for each vector of row i. */
#if FLX_TILE_M == 12
#define FLX_ROWS(X)                                                            \
    X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#elif FLX_TILE_M == 6
#define FLX_ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5)
#else
#define FLX_ROWS(X) X(0) X(1) X(2) X(3)
#endif
#if FLX_TILE_V == 1
#define FLX_VECS(X, I) X(I, 0)
#elif FLX_TILE_V == 2
#define FLX_VECS(X, I) X(I, 0) X(I, 1)
#else
#define FLX_VECS(X, I) X(I, 0) X(I, 1) X(I, 2) X(I, 3)
#endif

struct flx_tile {
#define FLX_C(I, J) flx_v c##I##_##J;
#define FLX_C_ROW(I) FLX_VECS(FLX_C, I)
    FLX_ROWS(FLX_C_ROW)
#undef FLX_C_ROW
#undef FLX_C
};

/* Every row starts as b[FLX_TILE_LANES]. */
FLX_INLINE void flx_tile_set(struct flx_tile *t, const float *b)
{
#define FLX_SET(I, J) t->c##I##_##J = flx_load(b + (J)*FLX_LANES);
#define FLX_SET_ROW(I) FLX_VECS(FLX_SET, I)
    FLX_ROWS(FLX_SET_ROW)
#undef FLX_SET_ROW
#undef FLX_SET
}

/* buf[FLX_TILE_M][FLX_PANEL], of which each row's first FLX_TILE_LANES. */
FLX_INLINE void flx_tile_get(struct flx_tile *t, const float *buf)
{
#define FLX_GET(I, J)                                                          \
    t->c##I##_##J = flx_load(buf + (I)*FLX_PANEL + (J)*FLX_LANES);
#define FLX_GET_ROW(I) FLX_VECS(FLX_GET, I)
    FLX_ROWS(FLX_GET_ROW)
#undef FLX_GET_ROW
#undef FLX_GET
}

FLX_INLINE void flx_tile_put(const struct flx_tile *t, float *buf)
{
#define FLX_PUT(I, J)                                                          \
    flx_store(buf + (I)*FLX_PANEL + (J)*FLX_LANES, t->c##I##_##J);
#define FLX_PUT_ROW(I) FLX_VECS(FLX_PUT, I)
    FLX_ROWS(FLX_PUT_ROW)
#undef FLX_PUT_ROW
#undef FLX_PUT
}

/* n steps over k. w: k-major, FLX_PANEL apart; p[i]: row i's n floats, p_step
 * apart. */
FLX_INLINE void flx_tile_mac_by(struct flx_tile *t, const float *w,
                                const float *const *p, ptrdiff_t p_step,
                                uint32_t n)
{
#define FLX_LOCAL(I, J) flx_v c##I##_##J = t->c##I##_##J;
#define FLX_LOCAL_ROW(I)                                                       \
    FLX_VECS(FLX_LOCAL, I)                                                     \
    const float *const p##I = p[I];
    FLX_ROWS(FLX_LOCAL_ROW)
#undef FLX_LOCAL_ROW
#undef FLX_LOCAL
#define FLX_W(K, J)                                                            \
    const flx_v w##J = flx_load(w + (K)*FLX_PANEL + (J)*FLX_LANES);
#define FLX_MAC(I, J) c##I##_##J = flx_vfma(w##J, x##I, c##I##_##J);
#define FLX_MAC_ROW(I)                                                         \
    const flx_v x##I = flx_splat(p##I[(ptrdiff_t)k * p_step]);                 \
    FLX_VECS(FLX_MAC, I)
    size_t k = 0;
    for (; k + 4 <= n; w += 4 * FLX_PANEL) {
        {
            FLX_VECS(FLX_W, 0)
            FLX_ROWS(FLX_MAC_ROW)
            k++;
        }
        {
            FLX_VECS(FLX_W, 1)
            FLX_ROWS(FLX_MAC_ROW)
            k++;
        }
        {
            FLX_VECS(FLX_W, 2)
            FLX_ROWS(FLX_MAC_ROW)
            k++;
        }
        {
            FLX_VECS(FLX_W, 3)
            FLX_ROWS(FLX_MAC_ROW)
            k++;
        }
    }
    for (; k < n; k++, w += FLX_PANEL) {
        FLX_VECS(FLX_W, 0)
        FLX_ROWS(FLX_MAC_ROW)
    }
#undef FLX_MAC_ROW
#undef FLX_MAC
#undef FLX_W
#define FLX_BACK(I, J) t->c##I##_##J = c##I##_##J;
#define FLX_BACK_ROW(I) FLX_VECS(FLX_BACK, I)
    FLX_ROWS(FLX_BACK_ROW)
#undef FLX_BACK_ROW
#undef FLX_BACK
}

FLX_INLINE void flx_tile_mac(struct flx_tile *t, const float *w,
                             const float *const *p, uint32_t n)
{
    flx_tile_mac_by(t, w, p, 1, n);
}

#endif
