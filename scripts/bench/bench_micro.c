/* bench_micro.c - the micro-kernel of matrix products alone: a tile of rows by
 * panels, K steps, operands in the caches as the kernels have them.
 *
 * Prints the peak that multiply-adds reach in registers, and for each shape of
 * the tile and each K the best and the median share of it of RUNS runs, the
 * peak measured again before each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench_peak.h"
#include "flx_tile.h"
#include "flx_wide.h"

enum { RUNS = 15, STEPS = 4000000, MAX_K = 4608, MAX_PANELS = 4, MAX_M = 12 };

static float weights[MAX_PANELS * MAX_K * FLX_PANEL + 4096];
static float rows[MAX_M * (MAX_K + FLX_PANEL)];
static float sums[MAX_PANELS * MAX_M * FLX_PANEL];

#if FLX_LANES == 16
#define MICRO(PANELS)                                                          \
    __attribute__((noinline)) static void micro##PANELS(                       \
        uint32_t k, const float *const *p, uint32_t n)                         \
    {                                                                          \
        for (uint32_t i = 0; i < n; i++) {                                     \
            struct flx_wide t;                                                 \
            flx_wide_get(&t, PANELS, sums, MAX_M *FLX_PANEL);                  \
            flx_wide_mac(&t, PANELS, weights, (size_t)k *FLX_PANEL, p, k,      \
                         weights);                                             \
            flx_wide_put(&t, PANELS, sums, MAX_M *FLX_PANEL);                  \
        }                                                                      \
    }
MICRO(1)
MICRO(2)
MICRO(3)
MICRO(4)
static const struct {
    uint32_t rows;
    uint32_t panels;
    void (*run)(uint32_t k, const float *const *p, uint32_t n);
} shapes[] = {{12, 1, micro1}, {12, 2, micro2}, {6, 3, micro3}, {6, 4, micro4}};
#else
__attribute__((noinline)) static void micro(uint32_t k, const float *const *p,
                                            uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t s = 0; s < FLX_TILE_SUBS; s++) {
            struct flx_tile t;
            flx_tile_get(&t, sums + s * FLX_TILE_LANES);
            flx_tile_mac(&t, weights + s * FLX_TILE_LANES, p, k);
            flx_tile_put(&t, sums + s * FLX_TILE_LANES);
        }
    }
}
static const struct {
    uint32_t rows;
    uint32_t panels;
    void (*run)(uint32_t k, const float *const *p, uint32_t n);
} shapes[] = {{FLX_TILE_M, 1, micro}};
#endif

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    static const uint32_t ks[] = {64, 128, 256, 512, 1152, 2304, 4608};
    printf("%d lanes, peak %.1f GFLOP/s\n", FLX_LANES, bench_peak());
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        for (size_t i = 0; i < sizeof ks / sizeof ks[0]; i++) {
            const uint32_t k = ks[i];
            const float *p[MAX_M];
            for (uint32_t r = 0; r < MAX_M; r++) {
                p[r] = rows + (size_t)r * (k + FLX_PANEL);
            }
            const uint32_t n = STEPS / k / shapes[s].panels;
            double share[RUNS];
            for (int r = 0; r < RUNS; r++) {
                const double peak = bench_peak();
                const double t = bench_now();
                shapes[s].run(k, p, n);
                const double flop =
                    2.0 * FLX_PANEL * shapes[s].rows * shapes[s].panels * k * n;
                share[r] = flop / (bench_now() - t) * 1e-9 / peak;
            }
            qsort(share, RUNS, sizeof share[0], by_value);
            printf("%2ux%-2u K %4u: %5.1f %% of peak, median %5.1f %%\n",
                   shapes[s].rows, shapes[s].panels * FLX_PANEL, k,
                   share[RUNS - 1] * 100, share[RUNS / 2] * 100);
        }
    }
    return 0;
}
