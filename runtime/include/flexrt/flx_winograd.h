/* flx_winograd.h - the sizes of k_conv_f32_winograd4 and winograd6 (M = 4, 6):
 * the one formula for the compiler, which plans scratch, and the kernels, which
 * divide it. C: input channels; N: tiles of a box.
 *
 * A box is computed in strips of at most T tiles, by blocks of K channels. With
 * less scratch strips are shorter: weights are transformed more often, and not
 * while others are multiplied. Bits are the same. */
#ifndef FLEXRT_FLX_WINOGRAD_H
#define FLEXRT_FLX_WINOGRAD_H

#include <stdint.h>

/* Places of a tile. */
#define FLX_WINO_PLACES(M) (((M) + 2u) * ((M) + 2u))
/* Input channels and panels of output channels multiplied at a time; channels
 * with little scratch. */
#define FLX_WINO_C(M, C) ((M) == 4u && (C) > 32u ? 64u : 32u)
#define FLX_WINO_LEAST_C 32u
#define FLX_WINO_PAIR 2u
/* Floats that keep planes off multiples of 4096 bytes. */
#define FLX_WINO_SKEW 16u

/* Most tiles of a strip: enough to pay for transforming the weights, so few
 * that the strip's transformed input takes at most about 2 MiB. Multiples of
 * 4. */
#define FLX_WINO_MIN(A, B) ((A) < (B) ? (A) : (B))
#define FLX_WINO_FIT(M, C)                                                     \
    ((C) <= 32u   ? 24u                                                        \
     : (C) <= 64u ? ((M) == 4u ? 48u : 32u)                                    \
                  : FLX_WINO_MIN((M) == 4u ? 28u : 20u,                        \
                                 (491520u / (FLX_WINO_PLACES(M) * (C)) + 4u) / \
                                     4u * 4u))
#define FLX_WINO_TILES(M, C, N)                                                \
    FLX_WINO_MIN(FLX_WINO_FIT(M, C), ((N) + 3u) / 4u * 4u)

/* Floats of one place: transformed input of T tiles and K channels, transformed
 * weights of a pair of panels, sums of T tiles. */
#define FLX_WINO_V_PLANE(K, T) ((T) * (K) + FLX_WINO_SKEW)
#define FLX_WINO_U_PLANE(K) (FLX_WINO_PAIR * (K)*16u + FLX_WINO_SKEW)
#define FLX_WINO_S_PLANE(T) (FLX_WINO_PAIR * (T)*16u + FLX_WINO_SKEW)

/* Bytes of scratch of one part, a multiple of 64: the input of all channels,
 * the sums, the weights once or, where the next are transformed while these are
 * multiplied, twice. They grow with T by FLX_WINO_TILE_BYTES a tile. */
#define FLX_WINO_BLOCKS(C, K) (((C) + (K)-1u) / (K))
#define FLX_WINO_BYTES(M, C, K, T, N_U)                                        \
    (4u * FLX_WINO_PLACES(M) *                                                 \
     (FLX_WINO_BLOCKS(C, K) * FLX_WINO_V_PLANE(K, T) +                         \
      (N_U)*FLX_WINO_U_PLANE(K) + FLX_WINO_S_PLANE(T)))
#define FLX_WINO_TILE_BYTES(M, C, K)                                           \
    (4u * FLX_WINO_PLACES(M) *                                                 \
     (FLX_WINO_BLOCKS(C, K) * (K) + FLX_WINO_PAIR * 16u))
/* The most that a box of N tiles can use, and the least. */
#define FLX_WINO_MOST_BYTES(M, C, N)                                           \
    FLX_WINO_BYTES(M, C, FLX_WINO_C(M, C), FLX_WINO_TILES(M, C, N), 2u)
#define FLX_WINO_LEAST_BYTES(M, C)                                             \
    FLX_WINO_BYTES(M, C, FLX_WINO_LEAST_C, 4u, 1u)

/* How a box of n tiles uses `bytes` of scratch, not less than the least. */
struct flx_wino_shape {
    uint32_t tiles; /* of a strip */
    uint32_t block; /* channels at a time */
    uint32_t n_u;   /* rooms for transformed weights */
};
static inline struct flx_wino_shape flx_wino_shape(uint32_t m, uint32_t c,
                                                   uint32_t n, uint32_t bytes)
{
    struct flx_wino_shape x = {FLX_WINO_TILES(m, c, n), FLX_WINO_C(m, c), 2};
    if (FLX_WINO_MOST_BYTES(m, c, n) > bytes) {
        const uint32_t more = bytes - FLX_WINO_LEAST_BYTES(m, c);
        const uint32_t step = FLX_WINO_TILE_BYTES(m, c, FLX_WINO_LEAST_C);
        const uint32_t tiles = 4 + more / step / 4 * 4;
        x.tiles = FLX_WINO_MIN(x.tiles, tiles);
        x.block = FLX_WINO_LEAST_C;
        x.n_u = 1;
    }
    return x;
}

#endif
