/* Convolutions of every kind against the naive ones. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kt.h"
#include "support/reference.h"

struct conv_case {
    uint32_t n, h, w, c, oc, group;
    uint32_t kh, kw, sh, sw, dh, dw;
    int32_t pt, pl, pb, pr;
    uint32_t slack; /* around and inside operands */
    bool whole_in;  /* input addressed without rows */
    enum act act;
    enum residual residual;
    uint32_t chunk_limit; /* cuts K; 0: not */
    uint32_t kernel;      /* that the catalogue should choose */
    bool is_transposed;
};

static double act_of(const struct conv_case *t, double x, double slope)
{
    switch (t->act) {
    case ACT_RELU:
        return ref_unary(REF_RELU, 0, 0, x);
    case ACT_CLIP:
        return ref_unary(REF_CLIP, -0.5, 1.5, x);
    case ACT_LEAKY:
        return ref_unary(REF_LEAKY_RELU, (double)0.1f, 0, x);
    case ACT_PRELU:
        return ref_binary_one(REF_PRELU, x, slope);
    case ACT_SIGMOID:
        return ref_unary(REF_SIGMOID, 0, 0, x);
    case ACT_TANH:
        return ref_unary(REF_TANH, 0, 0, x);
    case ACT_HARDSIGMOID:
        return ref_unary(REF_HARD_SIGMOID, (double)0.2f, 0.5, x);
    case ACT_HARDSWISH:
        return ref_unary(REF_HARD_SWISH, 0, 0, x);
    case ACT_SILU:
        return x * ref_unary(REF_SIGMOID, 0, 0, x);
    case ACT_GELU:
        return ref_unary(REF_GELU, 0, 0, x);
    case ACT_GELU_TANH:
        return ref_unary(REF_GELU_TANH, 0, 0, x);
    case ACT_NONE:
    case ACT_COUNT:
        break;
    }
    return x;
}

static void act_params(enum act act, float *a, float *b)
{
    *a = act == ACT_CLIP          ? -0.5f
         : act == ACT_LEAKY       ? 0.1f
         : act == ACT_HARDSIGMOID ? 0.2f
                                  : 0.0f;
    *b = act == ACT_CLIP ? 1.5f : act == ACT_HARDSIGMOID ? 0.5f : 0.0f;
}

/* [n][h][w][c] of an operand as dense [n][c][h][w]. */
static double *planar(struct kt *k, const struct operand *o)
{
    const int64_t n = (int64_t)(o->dim[0] * o->dim[1] * o->dim[2] * o->dim[3]);
    double *v = ref_alloc(n);
    uint64_t i = 0;
    uint64_t at[4];
    for (at[0] = 0; at[0] < o->dim[0]; at[0]++) {
        for (at[3] = 0; at[3] < o->dim[3]; at[3]++) {
            for (at[1] = 0; at[1] < o->dim[1]; at[1]++) {
                for (at[2] = 0; at[2] < o->dim[2]; at[2]++) {
                    v[i++] = (double)*kt_element(k, o, 2, at);
                }
            }
        }
    }
    return v;
}

static int64_t out_extent(int64_t in, int64_t pads, int64_t kernel,
                          int64_t dilation, int64_t stride, bool transposed)
{
    const int64_t reach = (kernel - 1) * dilation + 1;
    return transposed ? (in - 1) * stride + reach - pads
                      : (in + pads - reach) / stride + 1;
}

static struct row_map map_of(const struct conv_case *t, uint64_t in_rows,
                             uint64_t out_rows)
{
    const int32_t reach = (int32_t)((t->kh - 1) * t->dh + 1);
    if (!t->is_transposed) {
        return kt_map(in_rows, out_rows, t->sh, t->pt, (uint32_t)reach);
    }
    /* y + pt - (reach - 1) <= i * sh <= y + pt */
    const int32_t s = (int32_t)t->sh;
    return (struct row_map){.num = 1,
                            .den = t->sh,
                            .lo = (reach - 1 - t->pt + s - 1) / s,
                            .hi = (t->pt + s - 1) / s,
                            .out_rows = out_rows,
                            .in_rows = in_rows};
}

static void make_layer(struct kt *k, const struct conv_case *t)
{
    struct layer *l = k->l;
    const uint64_t oh = (uint64_t)out_extent(t->h, t->pt + t->pb, t->kh, t->dh,
                                             t->sh, t->is_transposed);
    const uint64_t ow = (uint64_t)out_extent(t->w, t->pl + t->pr, t->kw, t->dw,
                                             t->sw, t->is_transposed);
    l->rank = 4;
    l->row_dims = 2;
    l->dim[0] = t->n;
    l->dim[1] = oh;
    l->dim[2] = ow;
    l->dim[3] = t->oc;
    l->out = kt_image(k, t->n, oh, ow, t->oc, t->slack, true);
    l->in[0] = kt_image(k, t->n, t->h, t->w, t->c, t->slack, !t->whole_in);
    if (!t->whole_in) {
        l->in[0].map = map_of(t, t->h, oh);
    }
    l->n_in = 1;
    kt_fill(k, &l->in[0], 2);
    if (t->residual != RES_NONE) {
        l->in[l->n_in] = kt_image(k, t->n, oh, ow, t->oc, t->slack, true);
        kt_fill(k, &l->in[l->n_in++], 2);
    }
    const uint64_t w_dim[4] = {t->oc, t->kh, t->kw, t->c / t->group};
    const uint64_t oc_dim[1] = {t->oc};
    kt_weight(k, 0, 4, w_dim);
    kt_weight(k, 1, 1, oc_dim);
    if (t->act == ACT_PRELU) {
        kt_weight(k, 2, 1, oc_dim);
    }
    l->p.conv = (struct conv_param){.group = t->group,
                                    .kernel = {t->kh, t->kw},
                                    .stride = {t->sh, t->sw},
                                    .dilation = {t->dh, t->dw},
                                    .pad_begin = {t->pt, t->pl}};
    l->epi.act = t->act;
    l->epi.residual = t->residual;
    act_params(t->act, &l->epi.a, &l->epi.b);
    l->macs = t->n * oh * ow * t->oc * t->kh * t->kw * (t->c / t->group);
}

/* Output of the naive operator, [n][h][w][oc]. */
static double *reference(struct kt *k, const struct conv_case *t)
{
    const struct layer *l = k->l;
    const int64_t icg = t->c / t->group;
    const int64_t ocg = t->oc / t->group;
    const int64_t taps = (int64_t)t->kh * t->kw;
    const float *w = (const float *)(const void *)l->weight[0].data.data;
    const float *b = (const float *)(const void *)l->weight[1].data.data;
    const float *slope = (const float *)(const void *)l->weight[2].data.data;
    double *wd = ref_alloc(t->oc * icg * taps);
    double *bd = ref_alloc(t->oc);
    for (int64_t o = 0; o < (int64_t)t->oc; o++) {
        bd[o] = (double)b[o];
        for (int64_t x = 0; x < taps; x++) {
            for (int64_t c = 0; c < icg; c++) {
                const double v = (double)w[(o * taps + x) * icg + c];
                /* ConvTranspose: [in][out of a group][taps] */
                const int64_t at =
                    t->is_transposed
                        ? ((o / ocg * icg + c) * ocg + o % ocg) * taps + x
                        : (o * icg + c) * taps + x;
                wd[at] = v;
            }
        }
    }
    struct ref_conv s = {.n = t->n,
                         .in_channels = t->c,
                         .in = {t->h, t->w},
                         .out_channels = t->oc,
                         .groups = t->group,
                         .window = {.kernel = {t->kh, t->kw},
                                    .stride = {t->sh, t->sw},
                                    .dilation = {t->dh, t->dw},
                                    .pad = {t->pt, t->pl, t->pb, t->pr}}};
    const int64_t oh = (int64_t)l->dim[1];
    const int64_t ow = (int64_t)l->dim[2];
    double *x = planar(k, &l->in[0]);
    double *y = ref_alloc((int64_t)t->n * t->oc * oh * ow);
    if (t->is_transposed) {
        ref_conv_transpose(&s, x, wd, bd, y);
    } else {
        ref_conv(&s, x, wd, bd, y);
    }
    double *out = ref_alloc((int64_t)t->n * t->oc * oh * ow);
    int64_t i = 0;
    for (int64_t n = 0; n < (int64_t)t->n; n++) {
        for (int64_t p = 0; p < oh * ow; p++) {
            for (int64_t o = 0; o < (int64_t)t->oc; o++) {
                double v = y[(n * t->oc + o) * oh * ow + p];
                const uint64_t at[4] = {(uint64_t)n, (uint64_t)(p / ow),
                                        (uint64_t)(p % ow), (uint64_t)o};
                const double r = t->residual == RES_NONE
                                     ? 0
                                     : (double)*kt_element(k, &l->in[1], 2, at);
                v += t->residual == RES_BEFORE_ACT ? r : 0;
                v = act_of(t, v, t->act == ACT_PRELU ? (double)slope[o] : 0);
                out[i++] = v + (t->residual == RES_AFTER_ACT ? r : 0);
            }
        }
    }
    free(wd);
    free(bd);
    free(x);
    free(y);
    return out;
}

static bool is_fast(const struct conv_case *t)
{
    return t->kernel == FLX_K_CONV_F32_WINOGRAD4 ||
           t->kernel == FLX_K_CONV_F32_WINOGRAD6;
}

static void start_case(struct kt *k, struct fixture *f,
                       const struct conv_case *t)
{
    kt_start(k, f, t->is_transposed ? LAYER_DECONV : LAYER_CONV);
    make_layer(k, t);
    k->opt.numerics = is_fast(t) ? NUMERICS_FAST : NUMERICS_DIRECT;
}

static void check_case(struct kt *k, const struct conv_case *t)
{
    double *want = reference(k, t);
    /* Winograd's transforms enlarge what they round; some activations here
     * show only a part of the sums' range. */
    kt_check(k, want, is_fast(t) ? 1e-4 : 3e-6);
    free(want);
}

/* Makes some weights so small that f16 has them as subnormals, or not. */
static void shrink_some(struct kt *k)
{
    float *w = (float *)(uintptr_t)k->l->weight[0].data.data;
    for (uint64_t i = 0; i < k->l->weight[0].data.len / 4; i += 7) {
        w[i] = ldexpf(w[i], -(int)(i % 16) - 10);
    }
}

static void round_weights(struct kt *k, const struct conv_case *t,
                          enum dtype stored)
{
    float *w = (float *)(uintptr_t)k->l->weight[0].data.data;
    const uint64_t n = (uint64_t)t->kh * t->kw * t->c / t->group;
    for (uint64_t o = 0; o < t->oc; o++, w += n) {
        float most = 0;
        for (uint64_t i = 0; i < n; i++) {
            most = fmaxf(most, fabsf(w[i]));
        }
        for (uint64_t i = 0; i < n; i++) {
            w[i] = kt_stored_value(stored, w[i], most);
        }
    }
}

/* Output of each instruction set, in malloc'ed copies. */
enum { MAX_ISA = 8 };
struct outputs {
    uint8_t *copy[MAX_ISA];
    uint64_t bytes;
};

static struct outputs run_all(struct kt *k)
{
    const struct buffer *const b = &k->buf[k->l->out.buf];
    struct outputs o = {.bytes = b->rows * b->row_bytes};
    for (uint32_t i = 0; kt_isa(i); i++) {
        assert_true(i < MAX_ISA);
        o.copy[i] = malloc(o.bytes);
        assert_non_null(o.copy[i]);
        const struct kt_cut cut = {.isa = kt_isa(i)};
        memcpy(o.copy[i], kt_run(k, &cut), o.bytes);
    }
    return o;
}

/* The layer with weights stored as f16 or i8, under every cut: the very bits of
 * the f32 kernel with rounded weights. */
static void try_stored(struct fixture *f, const struct conv_case *t,
                       enum dtype stored)
{
    struct kt k;
    start_case(&k, f, t);
    shrink_some(&k);
    round_weights(&k, t, stored);
    kt_finish(&k, t->chunk_limit);
    assert_int_equal(k.cand.kernel, t->kernel);
    const struct outputs want = run_all(&k);

    start_case(&k, f, t);
    shrink_some(&k);
    k.l->stored = stored;
    k.target.widen_rows = 12; /* so that these small layers have several */
    k.target.widen_panels = 2;
    kt_finish(&k, t->chunk_limit);
    assert_int_equal(k.cand.kernel, t->kernel);
    kt_check(&k, kt_values(&k, want.copy[0]), is_fast(t) ? 1e-4 : 3e-6);
    const struct outputs got = run_all(&k);
    for (uint32_t i = 0; kt_isa(i); i++) {
        assert_memory_equal(got.copy[i], want.copy[i], want.bytes);
        free(got.copy[i]);
        free(want.copy[i]);
    }
}

static void try_case(struct fixture *f, const struct conv_case *t)
{
    struct kt k;
    start_case(&k, f, t);
    kt_finish(&k, t->chunk_limit);
    assert_int_equal(k.cand.kernel, t->kernel);
    if (t->chunk_limit) {
        assert_true(k.lattice.n_kblock > 1);
    }
    check_case(&k, t);
    try_stored(f, t, DTYPE_F16);
    try_stored(f, t, DTYPE_I8);
}

#define UNIT .n = 1, .group = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1
#define PAD(P) .pt = (P), .pl = (P), .pb = (P), .pr = (P)

static void direct__matches_the_naive_one(void **state)
{
    const struct conv_case cases[] = {
        /* clang-format off */
        {UNIT, .h = 5, .w = 7, .c = 16, .oc = 16, .kh = 3, .kw = 3, PAD(1)},
        {UNIT, .h = 9, .w = 13, .c = 3, .oc = 20, .kh = 3, .kw = 3, PAD(1), .slack = 5, .act = ACT_RELU},
        {UNIT, .h = 6, .w = 6, .c = 33, .oc = 49, .kh = 1, .kw = 1, .residual = RES_BEFORE_ACT, .act = ACT_RELU},
        {UNIT, .h = 6, .w = 5, .c = 8, .oc = 17, .kh = 1, .kw = 1, .slack = 3, .residual = RES_AFTER_ACT, .act = ACT_CLIP},
        {.n = 1, .group = 1, .h = 15, .w = 17, .c = 3, .oc = 32, .kh = 7, .kw = 7, .sh = 2, .sw = 2, .dh = 1, .dw = 1, PAD(3), .act = ACT_LEAKY},
        {.n = 1, .group = 1, .h = 11, .w = 10, .c = 5, .oc = 16, .kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 2, .dw = 3, PAD(2), .act = ACT_TANH},
        {.n = 3, .group = 1, .h = 4, .w = 5, .c = 6, .oc = 33, .kh = 2, .kw = 3, .sh = 2, .sw = 1, .dh = 1, .dw = 1, .pt = 0, .pl = 2, .pb = 1, .pr = 0, .act = ACT_SIGMOID},
        {.n = 2, .group = 3, .h = 5, .w = 6, .c = 12, .oc = 60, .kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1, PAD(1), .act = ACT_PRELU},
        {.n = 2, .group = 1, .h = 5, .w = 6, .c = 12, .oc = 30, .kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1, PAD(1), .act = ACT_PRELU, .chunk_limit = 4096, .residual = RES_BEFORE_ACT},
        {UNIT, .h = 7, .w = 7, .c = 70, .oc = 18, .kh = 3, .kw = 3, PAD(1), .act = ACT_HARDSWISH, .chunk_limit = 16384, .slack = 2},
        {UNIT, .h = 3, .w = 4, .c = 1100, .oc = 16, .kh = 1, .kw = 2, .pl = 1, .act = ACT_HARDSIGMOID},
        {UNIT, .h = 6, .w = 9, .c = 4, .oc = 16, .kh = 3, .kw = 3, PAD(1), .whole_in = true, .slack = 4, .act = ACT_SILU},
        {UNIT, .h = 2, .w = 3, .c = 4, .oc = 16, .kh = 5, .kw = 9, PAD(4)},
        {UNIT, .h = 16, .w = 1, .c = 9, .oc = 40, .kh = 1, .kw = 1},
        {UNIT, .h = 1, .w = 60, .c = 2, .oc = 16, .kh = 1, .kw = 20, .pl = 10, .pr = 9},
        {UNIT, .h = 20, .w = 2, .c = 2, .oc = 16, .kh = 16, .kw = 1, .pt = 8},
        {UNIT, .h = 17, .w = 1, .c = 19, .oc = 35, .kh = 1, .kw = 1, .act = ACT_GELU},
        {UNIT, .h = 13, .w = 1, .c = 21, .oc = 33, .kh = 1, .kw = 1, .act = ACT_GELU_TANH, .slack = 3},
        /* clang-format on */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct conv_case t = cases[i];
        t.kernel = FLX_K_CONV_F32_DIRECT;
        try_case(*state, &t);
    }
}

/* Output pixels around each tile's size, and channels around the panel's. */
static void direct__covers_every_tail(void **state)
{
    for (uint32_t w = 1; w <= 14; w++) {
        const uint32_t oc = w < 3 ? w : w < 8 ? 14 + w : 30 + w - 8;
        const struct conv_case t = {
            UNIT,    .h = 2,         .w = w,
            .c = w,  .oc = oc,       .kh = 1,
            .kw = 1, .slack = w % 2, .kernel = FLX_K_CONV_F32_DIRECT};
        try_case(*state, &t);
    }
}

/* Strips, tiles, blocks of channels and pairs of panels with and without a
 * rest; images that tiles do not divide; every epilogue. */
static void winograd4__matches_the_naive_one(void **state)
{
    const struct conv_case cases[] = {
        /* clang-format off */
        {UNIT, .h = 12, .w = 14, .c = 64, .oc = 64, .kh = 3, .kw = 3, PAD(1), .act = ACT_RELU},
        {UNIT, .h = 13, .w = 15, .c = 80, .oc = 48, .kh = 3, .kw = 3, PAD(1), .slack = 5, .act = ACT_CLIP},
        {UNIT, .h = 27, .w = 28, .c = 16, .oc = 40, .kh = 3, .kw = 3, PAD(1), .residual = RES_BEFORE_ACT, .act = ACT_RELU},
        {UNIT, .h = 9, .w = 11, .c = 48, .oc = 32, .kh = 3, .kw = 3, .slack = 3, .residual = RES_AFTER_ACT, .act = ACT_PRELU},
        {UNIT, .h = 10, .w = 9, .c = 32, .oc = 33, .kh = 3, .kw = 3, .pt = 2, .pl = 0, .pb = 0, .pr = 2, .act = ACT_SIGMOID, .residual = RES_BEFORE_ACT},
        {.n = 3, .group = 1, .h = 8, .w = 10, .c = 32, .oc = 96, .kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1, PAD(1), .act = ACT_LEAKY},
        {UNIT, .h = 12, .w = 12, .c = 48, .oc = 64, .kh = 3, .kw = 3, PAD(1), .whole_in = true, .slack = 4, .act = ACT_GELU},
        {UNIT, .h = 16, .w = 32, .c = 144, .oc = 32, .kh = 3, .kw = 3, PAD(1)},
        /* clang-format on */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct conv_case t = cases[i];
        t.kernel = FLX_K_CONV_F32_WINOGRAD4;
        try_case(*state, &t);
    }
}

static void winograd6__matches_the_naive_one(void **state)
{
    const struct conv_case cases[] = {
        /* clang-format off */
        {UNIT, .h = 48, .w = 36, .c = 64, .oc = 64, .kh = 3, .kw = 3, PAD(1), .act = ACT_RELU},
        {UNIT, .h = 41, .w = 35, .c = 112, .oc = 80, .kh = 3, .kw = 3, PAD(1), .slack = 3, .residual = RES_BEFORE_ACT, .act = ACT_PRELU},
        {UNIT, .h = 48, .w = 48, .c = 32, .oc = 38, .kh = 3, .kw = 3, .act = ACT_HARDSWISH},
        /* clang-format on */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct conv_case t = cases[i];
        t.kernel = FLX_K_CONV_F32_WINOGRAD6;
        try_case(*state, &t);
    }
}

static void gemv__matches_the_naive_one(void **state)
{
    const struct conv_case cases[] = {
        /* clang-format off */
        {UNIT, .h = 1, .w = 1, .c = 1, .oc = 1, .kh = 1, .kw = 1},
        {UNIT, .h = 1, .w = 1, .c = 250, .oc = 145, .kh = 1, .kw = 1, .act = ACT_RELU},
        {UNIT, .h = 1, .w = 1, .c = 250, .oc = 64, .kh = 1, .kw = 1, .slack = 3, .chunk_limit = 4096, .act = ACT_PRELU},
        {UNIT, .h = 3, .w = 4, .c = 7, .oc = 33, .kh = 3, .kw = 4, .residual = RES_BEFORE_ACT},
        {UNIT, .h = 2, .w = 2, .c = 5, .oc = 70, .kh = 4, .kw = 4, PAD(1), .chunk_limit = 2048},
        {.n = 1, .group = 2, .h = 1, .w = 1, .c = 30, .oc = 100, .kh = 1, .kw = 1, .sh = 1, .sw = 1, .dh = 1, .dw = 1},
        /* clang-format on */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct conv_case t = cases[i];
        t.kernel = FLX_K_CONV_F32_GEMV;
        try_case(*state, &t);
    }
}

static void depthwise__matches_the_naive_one(void **state)
{
    for (uint32_t c = 2; c <= 40; c += c < 14 ? 3 : c < 19 ? 1 : 7) {
        const struct conv_case cases[] = {
            /* clang-format off */
            {.n = 1, .h = 5, .w = 13, .kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1, PAD(1), .act = ACT_CLIP},
            {.n = 2, .h = 6, .w = 9, .kh = 3, .kw = 3, .sh = 2, .sw = 2, .dh = 1, .dw = 1, .pb = 1, .pr = 1, .slack = 3, .residual = RES_BEFORE_ACT},
            {.n = 1, .h = 6, .w = 11, .kh = 5, .kw = 5, .sh = 1, .sw = 1, .dh = 1, .dw = 2, PAD(4), .act = ACT_PRELU},
            /* clang-format on */
        };
        struct conv_case t = cases[c % ARRAY_LEN(cases)];
        t.c = t.oc = t.group = c;
        t.kernel = FLX_K_CONV_F32_DEPTHWISE;
        try_case(*state, &t);
    }
}

static void lanes__takes_what_others_leave(void **state)
{
    const struct conv_case cases[] = {
        /* clang-format off */
        {.n = 1, .group = 4, .h = 4, .w = 5, .c = 12, .oc = 20, .kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1, PAD(1), .act = ACT_RELU},
        {.n = 2, .group = 6, .h = 4, .w = 5, .c = 6, .oc = 18, .kh = 3, .kw = 2, .sh = 2, .sw = 1, .dh = 1, .dw = 2, PAD(1), .slack = 1, .chunk_limit = 512},
        {UNIT, .h = 19, .w = 3, .c = 2, .oc = 5, .kh = 17, .kw = 1, .residual = RES_AFTER_ACT},
        /* clang-format on */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct conv_case t = cases[i];
        t.kernel = FLX_K_CONV_F32_LANES;
        try_case(*state, &t);
    }
}

static void transposed__matches_the_naive_one(void **state)
{
    const struct conv_case cases[] = {
        /* clang-format off */
        {UNIT, .h = 4, .w = 5, .c = 6, .oc = 20, .kh = 3, .kw = 3},
        {.n = 2, .group = 1, .h = 4, .w = 5, .c = 9, .oc = 16, .kh = 4, .kw = 4, .sh = 2, .sw = 2, .dh = 1, .dw = 1, PAD(1), .act = ACT_RELU},
        {.n = 1, .group = 1, .h = 3, .w = 15, .c = 5, .oc = 33, .kh = 2, .kw = 2, .sh = 2, .sw = 2, .dh = 1, .dw = 1, .slack = 3},
        {.n = 1, .group = 1, .h = 3, .w = 4, .c = 40, .oc = 3, .kh = 3, .kw = 5, .sh = 2, .sw = 3, .dh = 2, .dw = 1, .pt = 1, .pl = 2, .chunk_limit = 4096, .act = ACT_SIGMOID},
        {.n = 1, .group = 2, .h = 3, .w = 4, .c = 6, .oc = 36, .kh = 3, .kw = 3, .sh = 3, .sw = 1, .dh = 1, .dw = 1},
        /* clang-format on */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct conv_case t = cases[i];
        t.is_transposed = true;
        t.kernel = FLX_K_DECONV_F32_GATHER;
        try_case(*state, &t);
    }
    const struct conv_case lanes = {.n = 2,
                                    .group = 3,
                                    .h = 3,
                                    .w = 4,
                                    .c = 6,
                                    .oc = 9,
                                    .kh = 3,
                                    .kw = 2,
                                    .sh = 2,
                                    .sw = 2,
                                    .dh = 1,
                                    .dw = 1,
                                    .pt = 1,
                                    .kernel = FLX_K_DECONV_F32_LANES,
                                    .is_transposed = true};
    try_case(*state, &lanes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(direct__matches_the_naive_one),
        FIXTURE_TEST(direct__covers_every_tail),
        FIXTURE_TEST(winograd4__matches_the_naive_one),
        FIXTURE_TEST(winograd6__matches_the_naive_one),
        FIXTURE_TEST(gemv__matches_the_naive_one),
        FIXTURE_TEST(depthwise__matches_the_naive_one),
        FIXTURE_TEST(lanes__takes_what_others_leave),
        FIXTURE_TEST(transposed__matches_the_naive_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
