/* Layer normalisation, attention and rows of tables against the naive ones. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "flx_find.h"
#include "kernels/catalogue.h"
#include "kt.h"
#include "support/reference.h"

static void set_space(struct layer *l, uint32_t rank, uint32_t row_dims,
                      const uint64_t *dim)
{
    l->rank = rank;
    l->row_dims = row_dims;
    memcpy(l->dim, dim, rank * sizeof *dim);
}

static bool next(uint32_t rank, const uint64_t *dim, uint64_t *at)
{
    for (uint32_t i = rank; i-- > 0;) {
        if (++at[i] < dim[i]) {
            return true;
        }
        at[i] = 0;
    }
    return false;
}

/* ---- layer normalisation ---- */

static void norm__matches_the_naive_one(void **state)
{
    const uint64_t sizes[] = {1, 2, 15, 16, 17, 31, 48, 100, 768};
    for (uint32_t i = 0; i < 54; i++) {
        struct kt k;
        kt_start(&k, *state, LAYER_NORM);
        struct layer *l = k.l;
        const uint64_t dim[3] = {3, 2, sizes[i / 3 % 9]};
        const int64_t rows = 6;
        const int64_t n = (int64_t)dim[2];
        set_space(l, 3, 1 + i % 2, dim);
        l->out = kt_dense(&k, DTYPE_F32, 3, dim, l->row_dims, i % 4 != 0);
        l->in[0] = kt_dense(&k, DTYPE_F32, 3, dim, l->row_dims, i % 3 != 2);
        if (i % 3 == 2) { /* elements apart */
            l->in[0].stride[2] = 6;
            l->in[0].stride[1] = 3;
            l->in[0].stride[0] = 1;
        }
        kt_fill(&k, &l->in[0], l->row_dims);
        l->n_in = 1;
        l->n_weight = 2;
        l->p.norm.epsilon = 1e-3F;
        l->p.norm.is_rms = i >= 27;
        float *scale = kt_weight(&k, 0, 1, &dim[2]);
        float *bias = i % 2 ? kt_weight(&k, 1, 1, &dim[2]) : NULL;
        kt_finish(&k, 0);
        double *x = ref_alloc(rows * n);
        double *want = ref_alloc(rows * n);
        uint64_t at[3] = {0};
        int64_t j = 0;
        do {
            x[j++] = (double)*kt_element(&k, &l->in[0], l->row_dims, at);
        } while (next(3, dim, at));
        double *params = ref_alloc(2 * n);
        for (j = 0; j < n; j++) {
            params[j] = (double)scale[j];
            params[n + j] = bias ? (double)bias[j] : 0;
        }
        const struct ref_layernorm s = {.is_rms = i >= 27,
                                        .scale = params,
                                        .bias = bias ? params + n : NULL,
                                        .epsilon = (double)1e-3F};
        ref_layernorm(rows, n, &s, x, want);
        kt_check(&k, want, 3e-6);
        free(params);
        free(x);
        free(want);
    }
}

/* ---- attention ---- */

struct attn_case {
    uint64_t batch;
    uint64_t queries;
    uint64_t keys;
    uint64_t heads;
    uint64_t kv_heads;
    uint64_t size;
    uint64_t v_size;
    enum attn_mask mask;
    bool is_causal;
    bool is_joint;    /* q, k and v are parts of the rows of one buffer */
    bool is_turned;   /* channels of k and v are apart, tokens together */
    bool is_constant; /* the mask is a weight, of heads and queries alike */
    float spread;     /* of the scores */
};

/* [batch, tokens, heads, size] in a buffer of its own. */
static struct operand tokens(struct kt *k, const struct attn_case *t,
                             uint64_t n, uint64_t heads, uint64_t size,
                             bool by_row)
{
    const uint64_t dim[4] = {t->batch, n, heads, size};
    struct operand o = kt_dense(k, DTYPE_F32, 4, dim, 2, by_row);
    if (!by_row) {
        o.map = (struct row_map){.all = true, .in_rows = k->buf[o.buf].rows};
        if (t->is_turned) {
            o.stride[3] = (int64_t)n;
            o.stride[2] = (int64_t)(n * size);
            o.stride[1] = 1;
        }
    }
    kt_fill(k, &o, 2);
    return o;
}

/* Part `part` of rows of q, k and v: q by rows, the others not. */
static struct operand part_of(struct kt *k, const struct attn_case *t,
                              uint32_t buf, uint64_t part)
{
    const uint64_t row = t->heads * t->size;
    const uint64_t dim[4] = {t->batch, t->queries, t->heads, t->size};
    struct operand o = {.buf = buf,
                        .dtype = DTYPE_F32,
                        .by_row = part == 0,
                        .rank = 4,
                        .col0 = part * row};
    memcpy(o.dim, dim, sizeof dim);
    o.stride[0] = (int64_t)(3 * row * t->queries);
    o.stride[1] = (int64_t)(3 * row);
    o.stride[2] = (int64_t)t->size;
    o.stride[3] = 1;
    const uint64_t rows = t->batch * t->queries;
    o.map = (struct row_map){
        .all = part > 0, .num = 1, .den = 1, .out_rows = rows, .in_rows = rows};
    kt_fill(k, &o, 2);
    return o;
}

static double element(struct kt *k, const struct operand *o, uint64_t a,
                      uint64_t b, uint64_t c, uint64_t d)
{
    const uint64_t at[4] = {a, b, c, d};
    return (double)*kt_element(k, o, 2, at);
}

/* A mask [batch, queries, heads, keys], of which no query sees nothing. */
static void add_mask(struct kt *k, const struct attn_case *t)
{
    struct layer *l = k->l;
    const bool adds = t->mask == ATTN_MASK_ADD;
    const enum dtype type = adds ? DTYPE_F32 : DTYPE_BOOL;
    const uint64_t dim[4] = {t->batch, t->queries, t->heads, t->keys};
    uint64_t n = t->queries * t->keys;
    struct operand o = {.dtype = type, .rank = 4};
    if (t->is_constant) {
        uint8_t *data = arena_alloc(&k->f->keep, n * dtype_bytes(type), 64);
        assert_non_null(data);
        l->n_weight = 1;
        l->weight[0] = (struct weight){.data = {data, n * dtype_bytes(type)},
                                       .dtype = type,
                                       .rank = 1,
                                       .dim = {n},
                                       .stride = {1}};
        o.buf = BUF_WEIGHTS;
        o.map = (struct row_map){.all = true, .in_rows = 1};
        o.stride[1] = (int64_t)t->keys;
        o.stride[3] = 1;
        for (uint64_t i = 0; i < n; i++) {
            const float x = kt_float(k);
            if (adds) {
                memcpy(data + 4 * i, &x, 4);
            } else {
                data[i] = i % t->keys == 0 || kt_below(k, 3) != 0;
            }
        }
    } else {
        o = kt_dense(k, type, 4, dim, 2, false);
        o.map = (struct row_map){.all = true, .in_rows = k->buf[o.buf].rows};
        n *= t->batch * t->heads;
        uint8_t *data = kt_at(k, &o);
        for (uint64_t i = 0; i < n; i++) {
            const float x = kt_float(k) * 2;
            if (adds) {
                memcpy(data + 4 * i, &x, 4);
            } else {
                data[i] = i % t->keys == 0 || kt_below(k, 2) != 0;
            }
        }
    }
    memcpy(o.dim, dim, sizeof dim);
    l->in[3] = o;
    l->n_in = 4;
}

static double mask_at(struct kt *k, const uint64_t *at, uint64_t key)
{
    const struct operand *o = &k->l->in[3];
    const uint8_t *data =
        o->buf == BUF_WEIGHTS ? k->l->weight[0].data.data : kt_at(k, o);
    const int64_t i =
        (int64_t)at[0] * o->stride[0] + (int64_t)at[1] * o->stride[1] +
        (int64_t)at[2] * o->stride[2] + (int64_t)key * o->stride[3];
    float x;
    if (o->dtype == DTYPE_BOOL) {
        return data[i] ? 0 : -INFINITY;
    }
    memcpy(&x, data + 4 * i, 4);
    return (double)x;
}

static double *attn_want(struct kt *k, const struct attn_case *t)
{
    const struct layer *l = k->l;
    const uint64_t group = t->heads / t->kv_heads;
    double *want =
        ref_alloc((int64_t)(t->batch * t->queries * t->heads * t->v_size));
    double *score = ref_alloc((int64_t)t->keys);
    uint64_t at[4] = {0};
    uint64_t i = 0;
    do {
        double top = -INFINITY;
        double sum = 0;
        double acc = 0;
        for (uint64_t s = 0; s < t->keys; s++) {
            double x = 0;
            for (uint64_t c = 0; c < t->size; c++) {
                x += element(k, &l->in[0], at[0], at[1], at[2], c) *
                     element(k, &l->in[1], at[0], s, at[2] / group, c);
            }
            x *= (double)l->p.attention.scale;
            x += t->mask == ATTN_MASK_NONE ? 0 : mask_at(k, at, s);
            score[s] = t->is_causal && s > at[1] ? -INFINITY : x;
            top = fmax(top, score[s]);
        }
        for (uint64_t s = 0; s < t->keys; s++) {
            score[s] = exp(score[s] - top);
            sum += score[s];
        }
        for (uint64_t s = 0; s < t->keys; s++) {
            acc += score[s] / sum *
                   element(k, &l->in[2], at[0], s, at[2] / group, at[3]);
        }
        want[i++] = acc;
    } while (next(4, l->dim, at));
    free(score);
    return want;
}

static void try_attention(struct fixture *f, const struct attn_case *t)
{
    struct kt k;
    kt_start(&k, f, LAYER_ATTENTION);
    struct layer *l = k.l;
    const uint64_t dim[4] = {t->batch, t->queries, t->heads, t->v_size};
    set_space(l, 4, 2, dim);
    l->out = kt_dense(&k, DTYPE_F32, 4, dim, 2, true);
    if (t->is_joint) {
        const uint32_t buf =
            kt_buffer(&k, t->batch * t->queries, 12 * t->heads * t->size);
        for (uint32_t i = 0; i < 3; i++) {
            l->in[i] = part_of(&k, t, buf, i);
        }
    } else {
        l->in[0] = tokens(&k, t, t->queries, t->heads, t->size, true);
        l->in[1] = tokens(&k, t, t->keys, t->kv_heads, t->size, false);
        l->in[2] = tokens(&k, t, t->keys, t->kv_heads, t->v_size, false);
    }
    l->n_in = 3;
    l->p.attention = (struct attention_param){
        .mask = t->mask, .is_causal = t->is_causal, .scale = t->spread};
    if (t->mask != ATTN_MASK_NONE) {
        add_mask(&k, t);
    }
    kt_finish(&k, 0);
    double *want = attn_want(&k, t);
    /* The error of a score is one of the exponent. */
    kt_check(&k, want, 4e-6 + 4e-7 * (double)t->spread);
    free(want);
}

/* Tails around the tile, the panel, the group of queries and the step of keys.
 */
static void attention__matches_the_naive_one(void **state)
{
    const uint64_t n[] = {1, 2, 5, 6, 7, 12, 13, 16, 17, 33, 47, 48, 49, 97};
    for (size_t i = 0; i < ARRAY_LEN(n); i++) {
        const struct attn_case square = {.batch = 1 + i % 2,
                                         .queries = n[i],
                                         .keys = n[i],
                                         .heads = 1 + i % 3,
                                         .kv_heads = 1 + i % 3,
                                         .size = n[(i * 5 + 2) % 9],
                                         .v_size = n[(i * 5 + 2) % 9],
                                         .is_joint = true,
                                         .is_causal = i % 2 == 0,
                                         .spread = 1.5F};
        struct attn_case oblong = square;
        oblong.keys = n[ARRAY_LEN(n) - 1 - i];
        oblong.v_size = n[(i * 3 + 1) % 10];
        oblong.heads = oblong.kv_heads * (1 + i % 4 / 2);
        oblong.is_joint = false;
        oblong.is_turned = i % 3 == 1;
        try_attention(*state, &square);
        try_attention(*state, &oblong);
    }
}

static void attention__masks(void **state)
{
    for (uint32_t i = 0; i < 16; i++) {
        const struct attn_case t = {
            .batch = 1 + i / 4 % 2,
            .queries = i % 3 == 0 ? 50 : 11,
            .keys = i % 5 == 0 ? 61 : 100,
            .heads = 2,
            .kv_heads = 1 + i % 2,
            .size = 8,
            .v_size = 24,
            .mask = i % 2 ? ATTN_MASK_SELECT : ATTN_MASK_ADD,
            .is_causal = i / 2 % 2 != 0,
            .is_constant = i / 8 != 0,
            .spread = 2.0F,
        };
        try_attention(*state, &t);
    }
}

/* Scores far apart, growing from step to step: the running maximum changes
 * often, and what came before fades to nothing. */
static void attention__follows_the_largest_score(void **state)
{
    const struct attn_case t = {.batch = 1,
                                .queries = 20,
                                .keys = 200,
                                .heads = 1,
                                .kv_heads = 1,
                                .size = 4,
                                .v_size = 5,
                                .spread = 300.0F};
    try_attention(*state, &t);
}

/* ---- rows of a table ---- */

/* Table of n entries of `size` floats: the rows of indices from both ends and
 * beyond. With a tied convolution the panels are its own. Entries may be stored
 * as f16, or as i8 with a scale each. */
static void try_embed(struct fixture *f, uint64_t n, uint64_t size,
                      bool is_tied, enum dtype stored)
{
    enum { ROWS = 9 };
    struct kt k;
    kt_start(&k, f, LAYER_EMBED);
    struct layer *l = k.l;
    const uint64_t dim[2] = {ROWS, size};
    const uint64_t rows[1] = {ROWS};
    const uint64_t table[2] = {n, size};
    set_space(l, 2, 1, dim);
    l->out = kt_dense(&k, DTYPE_F32, 2, dim, 1, true);
    l->in[0] = kt_dense(&k, DTYPE_I64, 1, rows, 0, false);
    l->in[0].map = (struct row_map){.all = true, .in_rows = 1};
    l->n_in = 1;
    const float *data = kt_weight(&k, 0, 2, table);
    l->p.embed.n_entry = n;
    l->stored = stored;
    struct layer conv = {
        .kind = LAYER_CONV,
        .name = "tied",
        .op = "MatMul",
        .rank = 4,
        .row_dims = 2,
        .rows = ROWS,
        .dim = {1, ROWS, 1, n},
        .n_in = 1,
        .n_weight = 2,
        .stored = stored,
        .p.conv = {.group = 1,
                   .kernel = {1, 1},
                   .stride = {1, 1},
                   .dilation = {1, 1}},
    };
    conv.in[0] = kt_image(&k, 1, ROWS, 1, size, 0, true);
    conv.out = kt_image(&k, 1, ROWS, 1, n, 0, true);
    conv.weight[0] = (struct weight){.data = l->weight[0].data,
                                     .dtype = DTYPE_F32,
                                     .rank = 4,
                                     .dim = {n, 1, 1, size},
                                     .stride = {(int64_t)size, 0, 0, 1}};
    conv.weight[1] = (struct weight){.dtype = DTYPE_F32};
    l->p.embed.tied = is_tied ? &conv : NULL;
    kt_finish(&k, 0);
    assert_int_equal(k.lattice.borrows, is_tied);
    if (is_tied) { /* what the convolution packs */
        struct lattice t;
        assert_true(kern_lattice(&conv, &k.opt, &f->cx, &t));
        assert_int_equal(t.n_panel, k.lattice.n_panel);
        assert_int_equal(t.panel_bytes[0], k.lattice.panel_bytes[0]);
        assert_true(kern_pack(&conv, &k.opt, &t, 0, 0, t.n_panel, k.weights[0],
                              &f->cx));
    }
    const int64_t index[ROWS] = {
        0,         (int64_t)n - 1, -1, -(int64_t)n, (int64_t)n / 2,
        INT64_MAX, INT64_MIN,      0,  -2};
    memcpy(kt_at(&k, &l->in[0]), index, sizeof index);
    float *want = arena_alloc(&f->keep, ROWS * size * 4, 64);
    assert_non_null(want);
    for (uint32_t r = 0; r < ROWS; r++) {
        int64_t i = index[r] < -(int64_t)n ? 0 : index[r];
        i = i < 0 ? i + (int64_t)n : i < (int64_t)n ? i : (int64_t)n - 1;
        const float *from = data + (uint64_t)i * size;
        float most = 0;
        for (uint64_t c = 0; c < size; c++) {
            most = fmaxf(most, fabsf(from[c]));
        }
        for (uint64_t c = 0; c < size; c++) {
            want[r * size + c] = stored == DTYPE_NONE
                                     ? from[c]
                                     : kt_stored_value(stored, from[c], most);
        }
    }
    for (uint32_t s = 0; kt_isa(s); s++) {
        const flx_kernel_fn fn = flx_kernel_find(kt_isa(s), k.cand.kernel);
        float *got = arena_alloc(&f->keep, ROWS * size * 4, 64);
        assert_non_null(got);
        /* All panels; then row by row, the one panel that has the entry. */
        struct flx_call call = {
            .w = k.weights[0], .r1 = ROWS, .p1 = k.lattice.n_panel};
        call.arg[0] = (struct flx_ref){(uint8_t *)got, ROWS};
        call.arg[1] = (struct flx_ref){kt_at(&k, &l->in[0]), 1};
        for (uint32_t part = 0; part < 3; part++) {
            fn(&call, k.cand.word, part, 3);
        }
        assert_memory_equal(got, want, ROWS * size * 4);
        memset(got, 0xff, ROWS * size * 4);
        for (uint32_t r = 0; r < ROWS && k.lattice.panel_entries > 0; r++) {
            int64_t i = index[r] < -(int64_t)n ? 0 : index[r];
            i = i < 0 ? i + (int64_t)n : i < (int64_t)n ? i : (int64_t)n - 1;
            call.w = k.weights[0] + (uint64_t)i / k.lattice.panel_entries *
                                        k.lattice.panel_bytes[0];
            call.r0 = r;
            call.r1 = r + 1;
            call.p1 = 1;
            fn(&call, k.cand.word, 0, 1);
        }
        if (k.lattice.panel_entries > 0) {
            assert_memory_equal(got, want, ROWS * size * 4);
        }
    }
}

static void embed__copies_the_rows_that_indices_pick(void **state)
{
    const uint64_t n[] = {1, 2, 15, 16, 17, 300};
    const uint64_t size[] = {1, 7, 48, 1000};
    for (size_t i = 0; i < ARRAY_LEN(n) * ARRAY_LEN(size) * 2; i++) {
        try_embed(*state, n[i / 2 % ARRAY_LEN(n)], size[i / 2 / ARRAY_LEN(n)],
                  i % 2 != 0, DTYPE_NONE);
        try_embed(*state, n[i / 2 % ARRAY_LEN(n)], size[i / 2 / ARRAY_LEN(n)],
                  i % 2 != 0, DTYPE_F16);
        try_embed(*state, n[i / 2 % ARRAY_LEN(n)], size[i / 2 / ARRAY_LEN(n)],
                  i % 2 != 0, DTYPE_I8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(norm__matches_the_naive_one),
        FIXTURE_TEST(attention__matches_the_naive_one),
        FIXTURE_TEST(attention__masks),
        FIXTURE_TEST(attention__follows_the_largest_score),
        FIXTURE_TEST(embed__copies_the_rows_that_indices_pick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
