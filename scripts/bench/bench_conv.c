/* bench_conv.c - times the convolution kernels on shapes of the six networks,
 * one thread, and compares them with a reference in double precision.
 *
 *   bench_conv [RUNS] [NAME...]
 *
 * Per shape and kernel: the best and median time of RUNS alternating runs,
 * GFLOP/s as if direct, share of the peak of multiply-adds that a loop in
 * registers reaches just before, and the largest error over the largest value
 * at sampled pixels. Built once per compiler and target by bench.sh. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench_peak.h"
#include "k_conv.h"
#include "k_depthwise.h"
#include "k_gemv.h"
#include "k_winograd.h"

/* name, input channels, output channels, out size, kernel, stride, groups */
#define SHAPES(X)                                                              \
    X(vgg_1_1, 3, 64, 224, 3, 1, 1)                                            \
    X(vgg_1_2, 64, 64, 224, 3, 1, 1)                                           \
    X(vgg_2_1, 64, 128, 112, 3, 1, 1)                                          \
    X(vgg_2_2, 128, 128, 112, 3, 1, 1)                                         \
    X(vgg_3_1, 128, 256, 56, 3, 1, 1)                                          \
    X(vgg_3_2, 256, 256, 56, 3, 1, 1)                                          \
    X(vgg_4_1, 256, 512, 28, 3, 1, 1)                                          \
    X(vgg_4_2, 512, 512, 28, 3, 1, 1)                                          \
    X(vgg_5_1, 512, 512, 14, 3, 1, 1)                                          \
    X(res_1, 3, 64, 112, 7, 2, 1)                                              \
    X(res_2_3x3, 64, 64, 56, 3, 1, 1)                                          \
    X(res_3_3x3, 128, 128, 28, 3, 1, 1)                                        \
    X(res_4_3x3, 256, 256, 14, 3, 1, 1)                                        \
    X(res_5_3x3, 512, 512, 7, 3, 1, 1)                                         \
    X(res_4_1x1a, 1024, 256, 14, 1, 1, 1)                                      \
    X(res_4_1x1b, 256, 1024, 14, 1, 1, 1)                                      \
    X(res_3_1x1b, 128, 512, 28, 1, 1, 1)                                       \
    X(res_2_1x1b, 64, 256, 56, 1, 1, 1)                                        \
    X(sq_first, 3, 64, 111, 3, 2, 1)                                           \
    X(sq_2_3x3, 16, 64, 55, 3, 1, 1)                                           \
    X(sq_4_3x3, 32, 128, 27, 3, 1, 1)                                          \
    X(sq_6_3x3, 48, 192, 13, 3, 1, 1)                                          \
    X(sq_8_3x3, 64, 256, 13, 3, 1, 1)                                          \
    X(sq_last, 512, 1000, 13, 1, 1, 1)                                         \
    X(mob_1, 3, 32, 112, 3, 2, 1)                                              \
    X(mob_exp1, 16, 96, 112, 1, 1, 1)                                          \
    X(mob_prj1, 96, 24, 56, 1, 1, 1)                                           \
    X(mob_exp2, 64, 384, 14, 1, 1, 1)                                          \
    X(mob_prj2, 384, 64, 14, 1, 1, 1)                                          \
    X(mob_last, 320, 1280, 7, 1, 1, 1)                                         \
    X(mob_dw1, 32, 32, 112, 3, 1, 32)                                          \
    X(mob_dw2, 96, 96, 56, 3, 2, 96)                                           \
    X(mob_dw3, 384, 384, 14, 3, 1, 384)                                        \
    X(vgg_fc1, 25088, 4096, 1, 1, 1, 1)                                        \
    X(fc_1000, 2048, 1000, 1, 1, 1, 1)

struct shape {
    const char *name;
    uint32_t ic;
    uint32_t oc;
    uint32_t size;
    uint32_t in;
    uint32_t k;
    uint32_t stride;
    uint32_t group;
};

#define IN_SIZE(SIZE, K, S) ((K) == 1 ? ((SIZE)-1) * (S) + 1 : (SIZE) * (S))
#define ARG(IC, OC, SIZE, K, S, G)                                             \
    {                                                                          \
        .out_rows = SIZE, .out_w = SIZE, .out_c = OC, .out_by_row = 1,         \
        .out_row_bytes = (SIZE) * (OC)*4, .out_pix = OC,                       \
        .in_rows = IN_SIZE(SIZE, K, S), .in_w = IN_SIZE(SIZE, K, S),           \
        .in_c = IC, .in_by_row = 1,                                            \
        .in_row_bytes = IN_SIZE(SIZE, K, S) * (IC)*4, .in_pix = IC,            \
        .group = G, .kernel_h = K, .kernel_w = K, .stride_h = S,               \
        .stride_w = S, .dilation_h = 1, .dilation_w = 1, .pad_top = (K) / 2,   \
        .pad_left = (K) / 2, .k = (K) * (K) * (IC) / (G),                      \
        .k_block = (K) * (K) * (IC) / (G), .act = FLX_ACT_RELU                 \
    }

typedef void (*run_fn)(const struct flx_call *call);

/* Instances as generated code has them. */
#define INSTANCE(NAME, IC, OC, SIZE, K, S, G)                                  \
    static void run_direct_##NAME(const struct flx_call *call)                 \
    {                                                                          \
        static const struct flx_conv_arg a = ARG(IC, OC, SIZE, K, S, G);       \
        if ((G) > 1) {                                                         \
            k_conv_f32_depthwise(call, &a, 0, 1);                              \
        } else if ((SIZE) == 1) {                                              \
            k_conv_f32_gemv(call, &a, 0, 1);                                   \
        } else {                                                               \
            k_conv_f32_direct(call, &a, 0, 1);                                 \
        }                                                                      \
    }                                                                          \
    static void run_wino4_##NAME(const struct flx_call *call)                  \
    {                                                                          \
        static const struct flx_conv_arg a = ARG(IC, OC, SIZE, K, S, G);       \
        k_conv_f32_winograd4(call, &a, 0, 1);                                  \
    }                                                                          \
    static void run_wino6_##NAME(const struct flx_call *call)                  \
    {                                                                          \
        static const struct flx_conv_arg a = ARG(IC, OC, SIZE, K, S, G);       \
        k_conv_f32_winograd6(call, &a, 0, 1);                                  \
    }
SHAPES(INSTANCE)

struct entry {
    struct shape s;
    run_fn fn[3];
};
#define ENTRY(NAME, IC, OC, SIZE, K, S, G)                                     \
    {{#NAME, IC, OC, SIZE, IN_SIZE(SIZE, K, S), K, S, G},                      \
     {run_direct_##NAME, run_wino4_##NAME, run_wino6_##NAME}},
static const struct entry entries[] = {SHAPES(ENTRY)};
enum { N_ENTRY = sizeof entries / sizeof entries[0], MAX_RUNS = 64 };

static uint32_t seed = 1;

static float uniform(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) * 0x1p-23f - 1.0f;
}

static void *get(size_t bytes)
{
    void *p = aligned_alloc(4096, (bytes + 8191) / 4096 * 4096);
    if (!p) {
        fputs("no memory\n", stderr);
        exit(4);
    }
    memset(p, 0, bytes);
    return p;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Weight of tap, channel of the group, output channel. */
static const float *weight(const struct shape *s, const float *w, uint32_t tap,
                           uint32_t c, uint32_t o)
{
    const size_t rows = (size_t)s->k * s->k * (s->group > 1 ? 1 : s->ic);
    const size_t panel = FLX_PANEL + rows * FLX_PANEL;
    const size_t row = s->group > 1 ? tap : (size_t)tap * s->ic + c;
    return w + o / FLX_PANEL * panel + FLX_PANEL + row * FLX_PANEL +
           o % FLX_PANEL;
}

/* Largest error over largest value, at every n-th pixel. */
static double error_of(const struct shape *s, const float *in, const float *w,
                       const float *out)
{
    double worst = 0;
    double most = 0;
    const uint32_t n_pixel = s->size * s->size;
    const uint32_t step = n_pixel / 23 + 1;
    for (uint32_t q = 0; q < n_pixel; q += step) {
        const uint32_t y = q / s->size;
        const uint32_t x = q % s->size;
        for (uint32_t o = 0; o<s->oc; o += s->oc> 512 ? 37 : 1) {
            double sum =
                w[o / FLX_PANEL *
                      (FLX_PANEL + (size_t)s->k * s->k *
                                       (s->group > 1 ? 1 : s->ic) * FLX_PANEL) +
                  o % FLX_PANEL];
            for (uint32_t t = 0; t < s->k * s->k; t++) {
                const uint32_t iy = y * s->stride + t / s->k - s->k / 2;
                const uint32_t ix = x * s->stride + t % s->k - s->k / 2;
                if (iy >= s->in || ix >= s->in) {
                    continue;
                }
                const float *p = in + ((size_t)iy * s->in + ix) * s->ic;
                if (s->group > 1) {
                    sum += (double)p[o] * (double)*weight(s, w, t, 0, o);
                    continue;
                }
                for (uint32_t c = 0; c < s->ic; c++) {
                    sum += (double)p[c] * (double)*weight(s, w, t, c, o);
                }
            }
            sum = sum < 0 ? 0 : sum;
            const double e = fabs(sum - (double)out[(size_t)q * s->oc + o]);
            worst = e > worst || e != e ? e : worst;
            most = sum > most ? sum : most;
        }
    }
    return worst / most;
}

static void bench(const struct entry *e, int runs, double peak)
{
    static const char *const name[3] = {"direct", "winograd4", "winograd6"};
    const struct shape *s = &e->s;
    const size_t rows = (size_t)s->k * s->k * (s->group > 1 ? 1 : s->ic);
    const uint32_t n_panel = (s->oc + FLX_PANEL - 1) / FLX_PANEL;
    const size_t n_w = n_panel * (FLX_PANEL + rows * FLX_PANEL);
    const size_t n_in = (size_t)s->in * s->in * s->ic;
    const size_t n_out = (size_t)s->size * s->size * s->oc;
    float *in = get(n_in * 4);
    float *w = get(n_w * 4);
    float *out = get(n_out * 4);
    for (size_t i = 0; i < n_in; i++) {
        in[i] = uniform();
        in[i] = in[i] < 0 ? 0 : in[i]; /* as after a ReLU */
    }
    for (size_t i = 0; i < n_w; i++) {
        w[i] = uniform() / sqrtf((float)rows);
    }
    const int is_3x3 =
        s->k == 3 && s->stride == 1 && s->group == 1 && s->ic % 16 == 0;
    const int n_fn = is_3x3 ? 3 : 1;
    const uint32_t t4 = (s->size + 3) / 4;
    const uint32_t t6 = (s->size + 5) / 6;
    const uint32_t bytes4 = FLX_WINO_MOST_BYTES(4u, s->ic, t4 * t4);
    const uint32_t bytes6 = FLX_WINO_MOST_BYTES(6u, s->ic, t6 * t6);
    uint8_t *scratch = get(is_3x3 ? (bytes4 > bytes6 ? bytes4 : bytes6) : 64);
    struct flx_call call = {.w = (const uint8_t *)w,
                            .scratch = scratch,
                            .scratch_bytes = UINT32_MAX,
                            .r1 = s->size,
                            .p1 = n_panel};
    call.arg[0] = (struct flx_ref){(uint8_t *)out, s->size};
    call.arg[1] = (struct flx_ref){(uint8_t *)in, s->in};
    double ms[3][MAX_RUNS];
    double error[3] = {0};
    for (int f = 0; f < n_fn; f++) {
        memset(out, 0, n_out * 4);
        e->fn[f](&call);
        error[f] = error_of(s, in, w, out);
    }
    for (int r = 0; r < runs; r++) {
        for (int f = 0; f < n_fn; f++) {
            const double t = bench_now();
            e->fn[f](&call);
            ms[f][r] = (bench_now() - t) * 1e3;
        }
    }
    const double flop = 2.0 * (double)n_out * (double)rows;
    for (int f = 0; f < n_fn; f++) {
        qsort(ms[f], (size_t)runs, sizeof ms[f][0], by_value);
        const double best = ms[f][0];
        printf("%-11s %-9s best %8.3f ms  median %8.3f  %7.1f GFLOP/s %4.0f%%"
               "  error %.1e  %6.1f GB/s\n",
               s->name,
               s->group > 1   ? "depthwise"
               : s->size == 1 ? "gemv"
                              : name[f],
               best, ms[f][runs / 2], flop / best * 1e-6,
               flop / best * 1e-6 / peak * 100, error[f],
               (double)(n_in + n_w + n_out) * 4 / best * 1e-6);
    }
    fflush(stdout);
    free(in);
    free(w);
    free(out);
    free(scratch);
}

int main(int argc, char **argv)
{
    int runs = argc > 1 ? atoi(argv[1]) : 9;
    runs = runs < 1 ? 1 : runs > MAX_RUNS ? MAX_RUNS : runs;
    const double peak = bench_peak();
    printf("%d lanes, peak %.1f GFLOP/s\n", FLX_LANES, peak);
    for (int i = 0; i < N_ENTRY; i++) {
        int is_wanted = argc <= 2;
        for (int k = 2; k < argc; k++) {
            is_wanted |=
                strncmp(argv[k], entries[i].s.name, strlen(argv[k])) == 0;
        }
        if (is_wanted) {
            bench(&entries[i], runs, peak);
        }
    }
    return 0;
}
