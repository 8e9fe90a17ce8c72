/* bench_peak.h - processor time, and the peak of multiply-adds that a loop in
 * registers reaches. */
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

#include <time.h>

#include "flx_simd.h"

/* Seconds of this thread. */
static double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Multiply-adds in registers only, GFLOP/s: twelve chains. */
static double bench_peak(void)
{
    float zero[12 * FLX_LANES] = {0};
    double best = 0;
    for (int r = 0; r < 5; r++) {
        flx_v c[12];
        for (int i = 0; i < 12; i++) {
            c[i] = flx_load(zero + i * FLX_LANES);
        }
        flx_v a = flx_splat(1.0f + (float)(r & 1));
        flx_v b = flx_splat(0.5f);
        flx_v c0 = c[0], c1 = c[1], c2 = c[2], c3 = c[3], c4 = c[4], c5 = c[5];
        flx_v c6 = c[6], c7 = c[7], c8 = c[8], c9 = c[9], c10 = c[10];
        flx_v c11 = c[11];
        const int n = 1000000;
        const double t = bench_now();
        for (int i = 0; i < n; i++) {
#define CHAIN(C)                                                               \
    C = flx_vfma(a, b, C);                                                     \
    __asm__ volatile("" : "+x"(C));
            CHAIN(c0)
            CHAIN(c1)
            CHAIN(c2)
            CHAIN(c3)
            CHAIN(c4) CHAIN(c5) CHAIN(c6) CHAIN(c7) CHAIN(c8) CHAIN(c9)
                CHAIN(c10) CHAIN(c11)
        }
        const double g = 24.0 * FLX_LANES * n / (bench_now() - t) * 1e-9;
        best = g > best ? g : best;
        c0 = c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7 + c8 + c9 + c10 + c11;
        float out[FLX_LANES];
        flx_store(out, c0);
        volatile float sink = out[0];
        (void)sink;
    }
    return best;
}

#endif
