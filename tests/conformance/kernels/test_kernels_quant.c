/* Convolutions and pools of 8-bit numbers against the definition, computed in
 * 64-bit integers and double. Integer results are equal, not close. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kt.h"

struct quant_case {
    uint32_t n, h, w, c, oc, group;
    uint32_t kh, kw, sh, sw, dh, dw;
    int32_t pt, pl, pb, pr;
    uint32_t slack;
    enum dtype in;
    enum dtype out;
    bool has_bias;
    bool has_zero; /* of weights */
    int32_t in_zero;
    int32_t out_zero;
    int32_t low; /* cut; 0 and 0: that of the type */
    int32_t high;
    uint32_t kernel; /* that the catalogue should choose */
};

static int32_t below(struct kt *k, int32_t low, int32_t high)
{
    return low + (int32_t)kt_below(k, (uint32_t)(high - low + 1));
}

/* All bytes at random, the extremes often. */
static void fill_bytes(struct kt *k, uint8_t *dst, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        const uint32_t pick = kt_below(k, 8);
        dst[i] = pick == 0   ? 0x80
                 : pick == 1 ? 0x7f
                             : (uint8_t)kt_below(k, 256);
    }
}

static int64_t byte_at(const struct quant_case *t, uint8_t x)
{
    return t->in == DTYPE_I8 && x > 127 ? x - 256 : x;
}

static int32_t int_at(const struct weight *w, uint64_t i)
{
    int32_t v = 0;
    if (w->data.len > 0) {
        memcpy(&v, w->data.data + 4 * i, sizeof v);
    }
    return v;
}

static void make_weights(struct kt *k, const struct quant_case *t)
{
    struct layer *l = k->l;
    const uint64_t dim[4] = {t->oc, t->kh, t->kw, t->c / t->group};
    const uint64_t oc[1] = {t->oc};
    uint8_t *w = kt_weight_of(k, 0, DTYPE_I8, 4, dim);
    fill_bytes(k, w, l->weight[0].data.len);
    for (uint32_t i = 1; i < 4; i++) {
        l->weight[i] = (struct weight){.dtype = i == 2 ? DTYPE_F32 : DTYPE_I32};
    }
    l->n_weight = 4;
    if (t->has_bias) {
        uint8_t *b = kt_weight_of(k, 1, DTYPE_I32, 1, oc);
        for (uint32_t i = 0; i < t->oc; i++) {
            const int32_t v = below(k, -20000, 20000);
            memcpy(b + 4 * (size_t)i, &v, sizeof v);
        }
    }
    if (t->has_zero) {
        uint8_t *z = kt_weight_of(k, 3, DTYPE_I32, 1, oc);
        for (uint32_t i = 0; i < t->oc; i++) {
            const int32_t v = below(k, -128, 127);
            memcpy(z + 4 * (size_t)i, &v, sizeof v);
        }
    }
    if (t->out != DTYPE_I32) {
        /* Results that use all of the type, and powers of two, which tie. */
        const double reach = sqrt((double)(dim[1] * dim[2] * dim[3])) * 5000;
        float *s = kt_weight(k, 2, 1, oc);
        for (uint32_t i = 0; i < t->oc; i++) {
            const float near = (float)(100 / reach);
            s[i] = i % 2 ? near : ldexpf(1.0F, ilogbf(near));
        }
    }
}

static uint32_t extent(uint32_t in, int32_t pads, uint32_t kernel,
                       uint32_t dilation, uint32_t stride)
{
    return (in + (uint32_t)pads - (kernel - 1) * dilation - 1) / stride + 1;
}

static void make_layer(struct kt *k, const struct quant_case *t)
{
    struct layer *l = k->l;
    const uint32_t oh = extent(t->h, t->pt + t->pb, t->kh, t->dh, t->sh);
    const uint32_t ow = extent(t->w, t->pl + t->pr, t->kw, t->dw, t->sw);
    const uint64_t dim[4] = {t->n, oh, ow, t->oc};
    l->rank = 4;
    l->row_dims = 2;
    memcpy(l->dim, dim, sizeof dim);
    l->out = kt_image_of(k, t->out, t->n, oh, ow, t->oc, t->slack, true);
    l->in[0] = kt_image_of(k, t->in, t->n, t->h, t->w, t->c, t->slack, true);
    l->in[0].map = kt_map(t->h, oh, t->sh, t->pt, (t->kh - 1) * t->dh + 1);
    l->n_in = 1;
    const struct buffer *b = &k->buf[l->in[0].buf];
    fill_bytes(k, k->mem[l->in[0].buf], b->rows * b->row_bytes);
    l->quant = (struct quant){.in_zero = t->in_zero,
                              .out_zero = t->out_zero,
                              .low = t->out == DTYPE_I8 ? -128 : 0,
                              .high = t->out == DTYPE_I8 ? 127 : 255};
    if (t->low != t->high) {
        l->quant.low = t->low;
        l->quant.high = t->high;
    }
}

/* Result of a sum, as ONNX has it, scaled in f32. */
static double result(const struct layer *l, enum dtype t, int64_t sum,
                     float scale)
{
    if (t == DTYPE_I32) {
        return (double)sum;
    }
    const float x = (float)sum * scale;
    if (t == DTYPE_F32) {
        return (double)x;
    }
    const double v = rint((double)x) + l->quant.out_zero;
    return fmin(fmax(v, l->quant.low), l->quant.high);
}

static int64_t tap(struct kt *k, const struct quant_case *t, int64_t n,
                   int64_t y, int64_t x, uint64_t c, bool *is_inside)
{
    *is_inside = y >= 0 && y < (int64_t)t->h && x >= 0 && x < (int64_t)t->w;
    if (!*is_inside) {
        return 0;
    }
    const uint64_t at[4] = {(uint64_t)n, (uint64_t)y, (uint64_t)x, c};
    return byte_at(t, *(const uint8_t *)kt_element(k, &k->l->in[0], 2, at));
}

static double *conv_reference(struct kt *k, const struct quant_case *t)
{
    const struct layer *l = k->l;
    const uint64_t own = t->c / t->group;
    double *out = calloc(t->n * l->dim[1] * l->dim[2] * t->oc, sizeof *out);
    assert_non_null(out);
    uint64_t i = 0;
    for (uint64_t p = 0; p < t->n * l->dim[1] * l->dim[2]; p++) {
        const int64_t n = (int64_t)(p / (l->dim[1] * l->dim[2]));
        const int64_t y = (int64_t)(p / l->dim[2] % l->dim[1]);
        const int64_t x = (int64_t)(p % l->dim[2]);
        for (uint64_t o = 0; o < t->oc; o++) {
            int64_t sum = int_at(&l->weight[1], o);
            const uint64_t c0 = o / (t->oc / t->group) * own;
            for (uint64_t j = 0; j < t->kh * t->kw * own; j++) {
                const int64_t kh = (int64_t)(j / own / t->kw);
                const int64_t kw = (int64_t)(j / own % t->kw);
                bool is_inside;
                const int64_t v = tap(k, t, n, y * t->sh - t->pt + kh * t->dh,
                                      x * t->sw - t->pl + kw * t->dw,
                                      c0 + j % own, &is_inside);
                const int8_t w =
                    (int8_t)l->weight[0].data.data[o * t->kh * t->kw * own + j];
                sum += is_inside
                           ? (v - t->in_zero) * (w - int_at(&l->weight[3], o))
                           : 0;
            }
            float scale = 0;
            if (t->out != DTYPE_I32) {
                memcpy(&scale, l->weight[2].data.data + 4 * o, sizeof scale);
            }
            out[i++] = result(l, t->out, sum, scale);
        }
    }
    return out;
}

static void try_conv(struct fixture *f, const struct quant_case *t)
{
    struct kt k;
    kt_start(&k, f, LAYER_CONV);
    make_layer(&k, t);
    make_weights(&k, t);
    k.l->p.conv = (struct conv_param){.group = t->group,
                                      .kernel = {t->kh, t->kw},
                                      .stride = {t->sh, t->sw},
                                      .dilation = {t->dh, t->dw},
                                      .pad_begin = {t->pt, t->pl}};
    k.l->macs = 1;
    kt_finish(&k, 0);
    assert_int_equal(k.cand.kernel, t->kernel);
    double *want = conv_reference(&k, t);
    kt_check(&k, want, 0);
    free(want);
}

#define UNIT .n = 1, .group = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1
#define PAD(P) .pt = (P), .pl = (P), .pb = (P), .pr = (P)
#define I8 .in = DTYPE_I8, .out = DTYPE_I8
#define U8 .in = DTYPE_U8, .out = DTYPE_U8

static void direct__is_the_definition(void **state)
{
    const struct quant_case cases[] = {
        /* clang-format off */
        {UNIT, I8, .h = 5, .w = 7, .c = 16, .oc = 16, .kh = 3, .kw = 3, PAD(1)},
        {UNIT, U8, .h = 6, .w = 6, .c = 33, .oc = 49, .kh = 1, .kw = 1, .has_bias = true, .in_zero = 128, .out_zero = 100},
        {UNIT, U8, .h = 9, .w = 13, .c = 3, .oc = 20, .kh = 3, .kw = 3, PAD(1), .slack = 5, .in_zero = 255, .out_zero = 255, .has_bias = true},
        {UNIT, I8, .h = 6, .w = 5, .c = 8, .oc = 17, .kh = 1, .kw = 1, .slack = 3, .in_zero = -128, .has_zero = true},
        {.n = 1, .group = 1, I8, .h = 15, .w = 17, .c = 3, .oc = 32, .kh = 7, .kw = 7, .sh = 2, .sw = 2, .dh = 1, .dw = 1, PAD(3), .has_bias = true, .low = -3, .high = 40},
        {.n = 1, .group = 1, .in = DTYPE_U8, .out = DTYPE_I8, .h = 11, .w = 10, .c = 5, .oc = 16, .kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 2, .dw = 3, PAD(2), .in_zero = 7, .out_zero = -100},
        {.n = 3, .group = 1, U8, .h = 4, .w = 5, .c = 6, .oc = 33, .kh = 2, .kw = 3, .sh = 2, .sw = 1, .dh = 1, .dw = 1, .pt = 0, .pl = 2, .pb = 1, .pr = 0, .has_zero = true, .in_zero = 9},
        {.n = 2, .group = 3, I8, .h = 5, .w = 6, .c = 12, .oc = 60, .kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1, PAD(1), .has_bias = true, .in_zero = 4, .has_zero = true},
        {UNIT, .in = DTYPE_I8, .out = DTYPE_I32, .h = 3, .w = 4, .c = 1100, .oc = 16, .kh = 1, .kw = 2, .pl = 1, .in_zero = 3},
        {UNIT, .in = DTYPE_U8, .out = DTYPE_F32, .h = 17, .w = 1, .c = 19, .oc = 35, .kh = 1, .kw = 1, .has_bias = true},
        {UNIT, U8, .h = 1, .w = 1, .c = 2600, .oc = 40, .kh = 1, .kw = 1, .has_bias = true, .in_zero = 3, .has_zero = true},
        {UNIT, I8, .h = 1, .w = 2, .c = 130, .oc = 16, .kh = 1, .kw = 1},
        {UNIT, I8, .h = 2, .w = 3, .c = 4, .oc = 16, .kh = 5, .kw = 9, PAD(4), .in_zero = -7},
        {UNIT, I8, .h = 40, .w = 1, .c = 1, .oc = 1, .kh = 33, .kw = 1, .in_zero = 1},
        /* clang-format on */
    };
    for (uint32_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct quant_case t = cases[i];
        t.kernel = FLX_K_CONV_Q8_DIRECT;
        try_conv(*state, &t);
    }
}

static void depthwise__is_the_definition(void **state)
{
    const struct quant_case cases[] = {
        /* clang-format off */
        {.n = 1, I8, .h = 9, .w = 11, .c = 32, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .kh = 3, .kw = 3, PAD(1), .has_bias = true, .in_zero = -12, .out_zero = 3},
        {.n = 2, U8, .h = 7, .w = 9, .c = 21, .sh = 2, .sw = 2, .dh = 1, .dw = 1, .kh = 3, .kw = 3, .pt = 1, .pl = 0, .pb = 1, .pr = 1, .slack = 3, .in_zero = 250},
        {.n = 1, U8, .h = 6, .w = 23, .c = 16, .sh = 1, .sw = 1, .dh = 2, .dw = 2, .kh = 5, .kw = 3, PAD(4), .has_zero = true, .in_zero = 77, .out_zero = 9},
        {.n = 1, .in = DTYPE_I8, .out = DTYPE_F32, .h = 28, .w = 1, .c = 40, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .kh = 3, .kw = 1},
        {.n = 1, .in = DTYPE_U8, .out = DTYPE_I32, .h = 5, .w = 5, .c = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .kh = 2, .kw = 2, .has_bias = true, .has_zero = true},
        /* clang-format on */
    };
    for (uint32_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct quant_case t = cases[i];
        t.group = t.c;
        t.oc = t.c;
        t.kernel = FLX_K_CONV_Q8_DEPTHWISE;
        try_conv(*state, &t);
    }
}

static void lanes__is_the_definition(void **state)
{
    const struct quant_case cases[] = {
        /* clang-format off */
        {.n = 2, .group = 4, I8, .h = 5, .w = 6, .c = 12, .oc = 20, .kh = 3, .kw = 3, .sh = 1, .sw = 2, .dh = 1, .dw = 1, PAD(1), .has_bias = true, .in_zero = 5, .out_zero = -9},
        {.n = 1, .group = 5, U8, .h = 4, .w = 4, .c = 5, .oc = 10, .kh = 2, .kw = 2, .sh = 1, .sw = 1, .dh = 2, .dw = 1, .pl = 1, .slack = 2, .in_zero = 200, .has_zero = true},
        /* clang-format on */
    };
    for (uint32_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct quant_case t = cases[i];
        t.kernel = FLX_K_CONV_Q8_LANES;
        try_conv(*state, &t);
    }
}

static void pool__is_the_definition(void **state)
{
    const struct quant_case cases[] = {
        /* clang-format off */
        {UNIT, I8, .h = 9, .w = 8, .c = 35, .kh = 3, .kw = 2, PAD(1), .in_zero = 3, .out_zero = -7},
        {.n = 2, U8, .h = 7, .w = 7, .c = 16, .sh = 2, .sw = 3, .dh = 1, .dw = 2, .kh = 2, .kw = 3, .slack = 3, .in_zero = 255, .out_zero = 255},
        {UNIT, I8, .h = 6, .w = 5, .c = 7, .kh = 6, .kw = 5, .in_zero = -128, .out_zero = 127, .low = -20, .high = 90},
        /* clang-format on */
    };
    for (uint32_t i = 0; i < 3 * ARRAY_LEN(cases); i++) {
        struct quant_case t = cases[i / 3];
        const bool is_max = i % 3 == 0;
        const bool counts = i % 3 == 1;
        t.oc = t.c;
        struct kt k;
        kt_start(&k, *state, LAYER_POOL);
        make_layer(&k, &t);
        struct layer *l = k.l;
        /* a half of it ties */
        l->quant.scale = 0.5F;
        l->p.pool = (struct pool_param){.kind = is_max ? POOL_MAX : POOL_AVG,
                                        .count_include_pad = counts,
                                        .kernel = {t.kh, t.kw},
                                        .stride = {t.sh, t.sw},
                                        .dilation = {t.dh, t.dw},
                                        .pad_begin = {t.pt, t.pl},
                                        .pad_end = {t.pb, t.pr}};
        kt_finish(&k, 0);
        assert_int_equal(k.cand.kernel, FLX_K_POOL_Q8);
        const uint64_t n_pixel = t.n * l->dim[1] * l->dim[2];
        double *want = calloc(n_pixel * t.c, sizeof *want);
        assert_non_null(want);
        for (uint64_t p = 0; p < n_pixel * t.c; p++) {
            const uint64_t at = p / t.c;
            const int64_t y = (int64_t)(at / l->dim[2] % l->dim[1]) * t.sh;
            const int64_t x = (int64_t)(at % l->dim[2]) * t.sw;
            double most = t.in == DTYPE_I8 ? -128 : 0;
            int64_t sum = 0;
            uint32_t count = 0;
            for (uint32_t j = 0; j < t.kh * t.kw; j++) {
                bool is_inside;
                const int64_t v = tap(
                    &k, &t, (int64_t)(at / (l->dim[1] * l->dim[2])),
                    y - t.pt + (int64_t)(j / t.kw * t.dh),
                    x - t.pl + (int64_t)(j % t.kw * t.dw), p % t.c, &is_inside);
                most = is_inside ? fmax(most, (double)v) : most;
                sum += is_inside ? v - t.in_zero : 0;
                count += is_inside || counts;
            }
            const float mean = (float)sum / (float)count * l->quant.scale;
            want[p] = fmin(fmax(is_max ? most : rint((double)mean) + t.out_zero,
                                l->quant.low),
                           l->quant.high);
        }
        kt_check(&k, want, 0);
        free(want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(direct__is_the_definition),
        FIXTURE_TEST(depthwise__is_the_definition),
        FIXTURE_TEST(lanes__is_the_definition),
        FIXTURE_TEST(pool__is_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
