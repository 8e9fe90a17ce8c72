/* flx_winograd.h - the sizes of k_conv_f32_winograd4 and winograd6 (M = 4, 6):
 * the one formula for the compiler, which plans scratch, and the kernels, which
 * divide it. C: input channels; N: tiles of an image. No functions. */
#ifndef FLEXRT_FLX_WINOGRAD_H
#define FLEXRT_FLX_WINOGRAD_H

/* Places of a tile. */
#define FLX_WINO_PLACES(M) (((M) + 2u) * ((M) + 2u))
/* Input channels and panels of output channels multiplied at a time. */
#define FLX_WINO_C(M, C) ((M) == 4u && (C) > 32u ? 64u : 32u)
#define FLX_WINO_PAIR 2u
/* Floats that keep planes off multiples of 4096 bytes. */
#define FLX_WINO_SKEW 16u

/* Most tiles of a strip: enough to pay for transforming the weights, so few
 * that the strip's transformed input takes at most about 2 MiB. Multiples of
 * 4. */
#define FLX_WINO_MIN(A, B) ((A) < (B) ? (A) : (B))
#define FLX_WINO_FIT(M, C)                                                     \
    ((C) <= 32u ? 24u                                                          \
     : (C) <= 64u                                                              \
         ? ((M) == 4u ? 48u : 32u)                                             \
         : FLX_WINO_MIN((M) == 4u ? 28u : 16u,                                 \
                        524288u / (FLX_WINO_PLACES(M) * (C)) / 4u * 4u + 4u))
#define FLX_WINO_TILES(M, C, N)                                                \
    FLX_WINO_MIN(FLX_WINO_FIT(M, C), ((N) + 3u) / 4u * 4u)

/* Floats of one place: transformed input of T tiles and K = FLX_WINO_C
 * channels, transformed weights of a pair of panels, sums of T tiles. */
#define FLX_WINO_V_PLANE(K, T) ((T) * (K) + FLX_WINO_SKEW)
#define FLX_WINO_U_PLANE(K) (FLX_WINO_PAIR * (K)*16u + FLX_WINO_SKEW)
#define FLX_WINO_S_PLANE(T) (FLX_WINO_PAIR * (T)*16u + FLX_WINO_SKEW)

/* Bytes of scratch of one part, a multiple of 64: the weights twice, as the
 * next are transformed while these are multiplied. */
#define FLX_WINO_SCRATCH_BYTES(M, C, N)                                        \
    (4u * FLX_WINO_PLACES(M) *                                                 \
     (((C) + FLX_WINO_C(M, C) - 1u) / FLX_WINO_C(M, C) *                       \
          FLX_WINO_V_PLANE(FLX_WINO_C(M, C), FLX_WINO_TILES(M, C, N)) +        \
      2u * FLX_WINO_U_PLANE(FLX_WINO_C(M, C)) +                                \
      FLX_WINO_S_PLANE(FLX_WINO_TILES(M, C, N))))

#endif
