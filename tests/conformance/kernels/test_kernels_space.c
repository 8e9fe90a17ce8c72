/* Elementwise layers, softmax, copies, casts, gathers, products and reductions
 * against the naive ones. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kt.h"
#include "support/reference.h"

static void set_space(struct layer *l, uint32_t rank, uint32_t row_dims,
                      const uint64_t *dim)
{
    l->rank = rank;
    l->row_dims = row_dims;
    memcpy(l->dim, dim, rank * sizeof *dim);
}

static uint64_t count(uint32_t rank, const uint64_t *dim)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < rank; i++) {
        n *= dim[i];
    }
    return n;
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

/* An operand seen with other strides: dimension i of the view is dimension
 * perm[i] of a dense tensor, or broadcast (-1). The dense tensor's extent
 * there is the space's, plus `slack`. */
static struct operand view(struct kt *k, const struct layer *l, const int *perm,
                           uint32_t slack)
{
    uint64_t dim[TENSOR_MAX_RANK];
    for (uint32_t i = 0; i < l->rank; i++) {
        dim[i] = 1;
    }
    for (uint32_t i = 0; i < l->rank; i++) {
        if (perm[i] >= 0) {
            dim[perm[i]] = l->dim[i] + slack;
        }
    }
    struct operand dense = kt_dense(k, DTYPE_F32, l->rank, dim, 0, false);
    struct operand o = dense;
    for (uint32_t i = 0; i < l->rank; i++) {
        o.dim[i] = l->dim[i];
        o.stride[i] = perm[i] < 0 ? 0 : dense.stride[perm[i]];
        o.col0 += perm[i] < 0 ? 0 : slack / 2 * (uint64_t)o.stride[i];
    }
    kt_fill(k, &o, l->row_dims);
    return o;
}

static double value(struct kt *k, const struct operand *o, const uint64_t *at)
{
    return (double)*kt_element(k, o, k->l->row_dims, at);
}

/* ---- elementwise ---- */

/* The steps of k_ewise_f32. */
static double step_of(enum expr_op op, double a, double b)
{
    switch ((int)op) {
    case EXPR_ADD:
        return a + b;
    case EXPR_SUB:
        return a - b;
    case EXPR_MUL:
        return a * b;
    case EXPR_DIV:
        return a / b;
    case EXPR_POW:
        return ref_binary_one(REF_POW, a, b);
    case EXPR_MIN:
        return ref_binary_one(REF_MIN, a, b);
    case EXPR_MAX:
        return ref_binary_one(REF_MAX, a, b);
    case EXPR_NEG:
        return -a;
    case EXPR_ABS:
        return fabs(a);
    case EXPR_EXP:
        return exp(a);
    case EXPR_LOG:
        return log(a);
    case EXPR_SQRT:
        return sqrt(a);
    case EXPR_RECIP:
        return 1 / a;
    case EXPR_FLOOR:
        return floor(a);
    case EXPR_CEIL:
        return ceil(a);
    case EXPR_ERF:
        return erf(a);
    case EXPR_RELU:
        return ref_unary(REF_RELU, 0, 0, a);
    case EXPR_SIGMOID:
        return ref_unary(REF_SIGMOID, 0, 0, a);
    case EXPR_TANH:
        return tanh(a);
    case EXPR_PRELU:
        return ref_binary_one(REF_PRELU, a, b);
    default:
        return a;
    }
}

static bool is_binary(enum expr_op op)
{
    return (op >= EXPR_ADD && op <= EXPR_MAX) || op == EXPR_PRELU;
}

static double *ewise_want(struct kt *k)
{
    const struct layer *l = k->l;
    double *want = ref_alloc((int64_t)count(l->rank, l->dim));
    uint64_t at[TENSOR_MAX_RANK] = {0};
    uint64_t i = 0;
    do {
        double stack[EXPR_MAX_STEP];
        uint32_t n = 0;
        for (uint32_t s = 0; s < l->p.ewise.n_step; s++) {
            const struct expr_step *e = &l->p.ewise.step[s];
            if (e->op == EXPR_IN && l->in[e->ix].buf == BUF_WEIGHTS) {
                const struct operand *o = &l->in[e->ix];
                const float *w =
                    (const float *)(const void *)l->weight[o->weight_ix]
                        .data.data;
                int64_t off = (int64_t)o->col0;
                for (uint32_t d = 0; d < l->rank; d++) {
                    off += (int64_t)at[d] * o->stride[d];
                }
                stack[n++] = (double)w[off];
            } else if (e->op == EXPR_IN) {
                stack[n++] = value(k, &l->in[e->ix], at);
            } else if (e->op == EXPR_IMM) {
                stack[n++] = (double)e->imm;
            } else {
                n -= is_binary(e->op);
                stack[n - 1] = step_of(e->op, stack[n - 1], stack[n]);
            }
        }
        want[i++] = l->epi.act == ACT_RELU ? fmax(stack[0], 0) : stack[0];
    } while (next(l->rank, l->dim, at));
    return want;
}

static void add_steps(struct layer *l, const struct expr_step *s, uint32_t n)
{
    l->p.ewise.n_step = n;
    memcpy(l->p.ewise.step, s, n * sizeof *s);
}

/* (a + b) * c, operands in several orders of memory and broadcast; as rows
 * where they can be; with and without activation. */
static void ewise__walks_any_strides(void **state)
{
    const struct expr_step steps[] = {{EXPR_IN, 0, 0, DTYPE_F32},
                                      {EXPR_IN, 1, 0, DTYPE_F32},
                                      {EXPR_ADD, 0, 0, DTYPE_F32},
                                      {EXPR_IN, 2, 0, DTYPE_F32},
                                      {EXPR_MUL, 0, 0, DTYPE_F32}};
    const uint64_t dims[][4] = {{2, 3, 4, 5},
                                {1, 5, 1, 130},
                                {3, 1, 7, 1},
                                {1, 1, 1, 1},
                                {2, 2, 9, 16}};
    const int perms[][4] = {{0, 1, 2, 3},    {0, 3, 1, 2},   {3, 2, 1, 0},
                            {-1, -1, -1, 3}, {0, -1, 2, -1}, {-1, -1, -1, -1}};
    for (uint32_t i = 0; i < 60; i++) {
        struct kt k;
        kt_start(&k, *state, LAYER_EWISE);
        struct layer *l = k.l;
        set_space(l, 4, i % 3, dims[i % 5]);
        const bool by_row = i % 2 == 0;
        l->out = kt_dense(&k, DTYPE_F32, 4, l->dim, l->row_dims, by_row);
        l->in[0] = kt_dense(&k, DTYPE_F32, 4, l->dim, l->row_dims, by_row);
        kt_fill(&k, &l->in[0], l->row_dims);
        l->in[1] = view(&k, l, perms[i % 6], i % 2);
        if (i % 4 == 3) { /* a constant along the last dimension */
            const uint64_t w[1] = {l->dim[3]};
            const uint64_t other[1] = {7};
            kt_weight(&k, 0, 1, other);
            kt_weight(&k, 1, 1, w);
            l->in[2] = (struct operand){.buf = BUF_WEIGHTS,
                                        .weight_ix = 1,
                                        .dtype = DTYPE_F32,
                                        .rank = 4,
                                        .stride = {0, 0, 0, 1}};
        } else {
            l->in[2] = view(&k, l, perms[(i + 2) % 6], 0);
        }
        l->n_in = 3;
        add_steps(l, steps, ARRAY_LEN(steps));
        l->epi.act = i % 3 ? ACT_NONE : ACT_RELU;
        kt_finish(&k, 0);
        double *want = ewise_want(&k);
        kt_check(&k, want, 1e-6);
        free(want);
    }
}

/* Every step once, in programs of depth up to FLX_EXPR_DEPTH. */
static void ewise__knows_every_step(void **state)
{
    const uint64_t dim[2] = {3, 141};
    for (uint32_t op = EXPR_ADD; op < EXPR_SELECT; op++) {
        struct kt k;
        kt_start(&k, *state, LAYER_EWISE);
        struct layer *l = k.l;
        set_space(l, 2, 1, dim);
        l->out = kt_dense(&k, DTYPE_F32, 2, dim, 1, true);
        l->in[0] = kt_dense(&k, DTYPE_F32, 2, dim, 1, true);
        l->in[1] = kt_dense(&k, DTYPE_F32, 2, dim, 1, true);
        kt_fill(&k, &l->in[0], 1);
        kt_fill(&k, &l->in[1], 1);
        l->n_in = 2;
        /* 0.25 + x^2, a positive number; op it with 1.5 + y. */
        const struct expr_step steps[] = {
            {EXPR_IN, 0, 0, DTYPE_F32},
            {EXPR_IN, 0, 0, DTYPE_F32},
            {EXPR_MUL, 0, 0, DTYPE_F32},
            {EXPR_IMM, 0, 0.25f, DTYPE_F32},
            {EXPR_ADD, 0, 0, DTYPE_F32},
            {EXPR_IN, 1, 0, DTYPE_F32},
            {EXPR_IMM, 0, 1.5f, DTYPE_F32},
            {EXPR_ADD, 0, 0, DTYPE_F32},
            {is_binary(op) ? (enum expr_op)op : EXPR_SUB, 0, 0, DTYPE_F32},
            {is_binary(op) ? EXPR_ABS : (enum expr_op)op, 0, 0, DTYPE_F32}};
        add_steps(l, steps, ARRAY_LEN(steps));
        if (op == EXPR_LOG || op == EXPR_SQRT || op == EXPR_RECIP) {
            l->p.ewise.step[8].op = EXPR_ADD;
            l->p.ewise.step[7].op = EXPR_MAX;
        }
        kt_finish(&k, 0);
        double *want = ewise_want(&k);
        kt_check(&k, want, 3e-6);
        free(want);
    }
}

/* c != 0 ? a : b, with a mask of zeros, ones and others. */
static void ewise__selects(void **state)
{
    const uint64_t dim[2] = {5, 150};
    const struct expr_step steps[] = {
        {EXPR_IN, 0, 0, DTYPE_F32},   {EXPR_IN, 1, 0, DTYPE_F32},
        {EXPR_IMM, 0, 3, DTYPE_F32},  {EXPR_ADD, 0, 0, DTYPE_F32},
        {EXPR_IMM, 0, -7, DTYPE_F32}, {EXPR_SELECT, 0, 0, DTYPE_F32},
        {EXPR_IN, 1, 0, DTYPE_F32},   {EXPR_ADD, 0, 0, DTYPE_F32}};
    struct kt k;
    kt_start(&k, *state, LAYER_EWISE);
    struct layer *l = k.l;
    set_space(l, 2, 1, dim);
    l->out = kt_dense(&k, DTYPE_F32, 2, dim, 1, true);
    l->in[0] = kt_dense(&k, DTYPE_F32, 2, dim, 1, true);
    l->in[1] = kt_dense(&k, DTYPE_F32, 2, dim, 1, true);
    kt_fill(&k, &l->in[1], 1);
    uint64_t at[2] = {0};
    do {
        *kt_element(&k, &l->in[0], 1, at) = (float)kt_below(&k, 3) - 1;
    } while (next(2, dim, at));
    l->n_in = 2;
    add_steps(l, steps, ARRAY_LEN(steps));
    kt_finish(&k, 0);
    double *want = ref_alloc((int64_t)count(2, dim));
    uint64_t i = 0;
    do {
        const double x = value(&k, &l->in[1], at);
        want[i++] = x + (value(&k, &l->in[0], at) != 0 ? x + 3 : -7);
    } while (next(2, dim, at));
    kt_check(&k, want, 1e-6);
    free(want);
}

/* ---- softmax ---- */

static void softmax__matches_the_naive_one(void **state)
{
    const uint64_t dims[][3] = {{2, 3, 1},  {4, 1, 5},  {1, 2, 16},
                                {3, 1, 17}, {1, 1, 33}, {2, 2, 1000}};
    for (uint32_t i = 0; i < 24; i++) {
        struct kt k;
        kt_start(&k, *state, LAYER_SOFTMAX);
        struct layer *l = k.l;
        set_space(l, 3, 1 + i % 2, dims[i / 4]);
        l->out = kt_dense(&k, DTYPE_F32, 3, l->dim, l->row_dims, i % 3 != 0);
        const int perm[3] = {2, 1, 0};
        if (i % 4 == 3) {
            l->in[0] = view(&k, l, perm, 1);
        } else {
            l->in[0] = kt_dense(&k, DTYPE_F32, 3, l->dim, l->row_dims, true);
            kt_fill(&k, &l->in[0], l->row_dims);
        }
        l->n_in = 1;
        l->p.softmax.log = i % 2 == 1;
        kt_finish(&k, 0);
        const int64_t n = (int64_t)count(3, l->dim);
        double *x = ref_alloc(n);
        uint64_t at[3] = {0};
        int64_t j = 0;
        do {
            x[j++] = value(&k, &l->in[0], at);
        } while (next(3, l->dim, at));
        double *want = ref_alloc(n);
        ref_softmax(n / (int64_t)l->dim[2], (int64_t)l->dim[2], 1,
                    l->p.softmax.log, x, want);
        kt_check(&k, want, 2e-6);
        free(x);
        free(want);
    }
}

/* ---- copies ---- */

/* Transposes and pads: element sizes by way of pairs of floats. */
static void copy__moves_and_pads(void **state)
{
    const int64_t before[][4] = {{0, 0, 0, 0},
                                 {0, 1, 2, 0},
                                 {1, 0, 0, 3},
                                 {0, -1, -2, 0},
                                 {0, 2, -1, 1}};
    const int perms[][4] = {{0, 1, 2, 3}, {0, 3, 1, 2}, {0, 2, 3, 1}};
    for (uint32_t i = 0; i < 30; i++) {
        struct kt k;
        kt_start(&k, *state, LAYER_COPY);
        struct layer *l = k.l;
        const uint64_t dim[4] = {2, 5, 6, 1 + i % 20};
        const int64_t *b = before[i % 5];
        set_space(l, 4, 2, dim);
        l->out = kt_image(&k, 2, 5, 6, dim[3], i % 4, true);
        l->p.copy.pads = i % 5 != 0;
        /* The input is what is left between the pads, or more. */
        struct layer inner = *l;
        for (uint32_t d = 0; d < 4; d++) {
            l->p.copy.before[d] = b[d];
            const int64_t n = (int64_t)dim[d] - (b[d] > 0 ? 2 * b[d] : b[d]);
            inner.dim[d] = n < 1 ? 1 : (uint64_t)n;
        }
        if (i % 3 == 0) {
            l->in[0] = kt_image(&k, inner.dim[0], inner.dim[1], inner.dim[2],
                                inner.dim[3], i % 2, true);
            l->in[0].map = (struct row_map){
                .all = true, .in_rows = inner.dim[0] * inner.dim[1]};
            kt_fill(&k, &l->in[0], 2);
        } else {
            l->in[0] = view(&k, &inner, perms[i % 3], 0);
        }
        l->n_in = 1;
        const float fill = -3;
        uint32_t bits;
        memcpy(&bits, &fill, 4);
        l->p.copy.fill = bits;
        kt_finish(&k, 0);
        double *want = ref_alloc((int64_t)count(4, dim));
        uint64_t at[4] = {0};
        uint64_t j = 0;
        do {
            uint64_t from[4];
            bool inside = true;
            for (uint32_t d = 0; d < 4; d++) {
                from[d] = at[d] - (uint64_t)b[d];
                inside = inside && from[d] < inner.dim[d];
            }
            want[j++] = inside ? value(&k, &l->in[0], from) : -3;
        } while (next(4, dim, at));
        kt_check(&k, want, 0);
        free(want);
    }
}

/* Bytes of an operand's element as an integer. */
static uint64_t raw(struct kt *k, const struct operand *o, const uint8_t *base,
                    int64_t element)
{
    const uint32_t size = dtype_bytes(o->dtype);
    uint64_t v = 0;
    (void)k;
    memcpy(&v, base + element * size, size);
    return v;
}

static void copy__moves_every_size(void **state)
{
    const enum dtype types[] = {DTYPE_U8, DTYPE_I16, DTYPE_F32, DTYPE_I64};
    const uint64_t dim[2] = {5, 7};
    for (uint32_t t = 0; t < 4; t++) {
        struct kt k;
        kt_start(&k, *state, LAYER_COPY);
        struct layer *l = k.l;
        set_space(l, 2, 1, dim);
        l->out = kt_dense(&k, types[t], 2, dim, 1, true);
        const uint64_t turned[2] = {7, 5};
        l->in[0] = kt_dense(&k, types[t], 2, turned, 0, false);
        l->in[0].stride[0] = 1;
        l->in[0].stride[1] = 5;
        l->n_in = 1;
        uint8_t *in = kt_at(&k, &l->in[0]);
        for (uint32_t i = 0; i < 35 * dtype_bytes(types[t]); i++) {
            in[i] = (uint8_t)kt_below(&k, 255);
        }
        kt_finish(&k, 0);
        const struct kt_cut cut = {.rows = 2, .parts = 3};
        const uint8_t *out = kt_run(&k, &cut);
        for (int64_t i = 0; i < 35; i++) {
            assert_int_equal(raw(&k, &l->out, out, i),
                             raw(&k, &l->in[0], in, i % 7 * 5 + i / 7));
        }
    }
}

/* Without an input it is a fill; nothing but the view's elements changes. */
static void copy__fills_without_an_input(void **state)
{
    struct kt k;
    kt_start(&k, *state, LAYER_COPY);
    const uint64_t dim[4] = {1, 4, 3, 5};
    set_space(k.l, 4, 2, dim);
    k.l->out = kt_image(&k, 1, 4, 3, 5, 3, true);
    const float fill = 2.5f;
    uint32_t bits;
    memcpy(&bits, &fill, 4);
    k.l->p.copy.fill = bits;
    kt_finish(&k, 0);
    double want[60];
    for (uint32_t i = 0; i < ARRAY_LEN(want); i++) {
        want[i] = 2.5;
    }
    kt_check(&k, want, 0);
}

/* ---- casts ---- */

static void cast__converts_every_pair(void **state)
{
    const enum dtype types[] = {DTYPE_F32, DTYPE_U8,  DTYPE_I8,  DTYPE_U16,
                                DTYPE_I16, DTYPE_I32, DTYPE_I64, DTYPE_BOOL,
                                DTYPE_F64, DTYPE_U32};
    const double values[] = {0, 1, 2.75, 100, 0.5, 77};
    enum { N = ARRAY_LEN(values) };
    const uint64_t dim[2] = {1, N};
    for (uint32_t i = 0; i < ARRAY_LEN(types) * ARRAY_LEN(types); i++) {
        const enum dtype from = types[i / ARRAY_LEN(types)];
        const enum dtype to = types[i % ARRAY_LEN(types)];
        struct kt k;
        kt_start(&k, *state, LAYER_CAST);
        struct layer *l = k.l;
        set_space(l, 2, 1, dim);
        l->out = kt_dense(&k, to, 2, dim, 1, true);
        l->in[0] = kt_dense(&k, from, 2, dim, 1, true);
        l->n_in = 1;
        uint8_t *in = kt_at(&k, &l->in[0]);
        for (uint32_t j = 0; j < N; j++) {
            const float f = (float)values[j];
            const int64_t whole =
                from == DTYPE_BOOL ? values[j] != 0 : (int64_t)values[j];
            if (from == DTYPE_F32) {
                memcpy(in + 4 * j, &f, 4);
            } else if (from == DTYPE_F64) {
                memcpy(in + 8 * j, &values[j], 8);
            } else {
                memcpy(in + j * dtype_bytes(from), &whole, dtype_bytes(from));
            }
        }
        kt_finish(&k, 0);
        const uint8_t *out = kt_run(&k, &(struct kt_cut){.parts = 2});
        for (uint32_t j = 0; j < N; j++) {
            const bool is_float = from == DTYPE_F32 || from == DTYPE_F64;
            const double x = is_float             ? values[j]
                             : from == DTYPE_BOOL ? values[j] != 0
                                                  : trunc(values[j]);
            double got;
            float f;
            if (to == DTYPE_F32) {
                memcpy(&f, out + 4 * j, 4);
                got = (double)f;
            } else if (to == DTYPE_F64) {
                memcpy(&got, out + 8 * j, 8);
            } else {
                got = (double)raw(&k, &l->out, out, j);
            }
            const double want = to == DTYPE_F32 || to == DTYPE_F64 ? x
                                : to == DTYPE_BOOL                 ? x != 0
                                                                   : trunc(x);
            assert_true(got == want);
        }
    }
}

static void cast__wraps_and_cuts_negatives(void **state)
{
    const uint64_t dim[2] = {1, 4};
    struct kt k;
    kt_start(&k, *state, LAYER_CAST);
    struct layer *l = k.l;
    set_space(l, 2, 1, dim);
    l->out = kt_dense(&k, DTYPE_I32, 2, dim, 1, true);
    l->in[0] = kt_dense(&k, DTYPE_F32, 2, dim, 1, true);
    l->n_in = 1;
    const float in[4] = {-1.75f, -100, -0.5f, 3.99f};
    const int32_t want[4] = {-1, -100, 0, 3};
    memcpy(kt_at(&k, &l->in[0]), in, sizeof in);
    kt_finish(&k, 0);
    assert_memory_equal(kt_run(&k, &(struct kt_cut){0}), want, sizeof want);
}

/* ---- gathers ---- */

static void gather__picks_along_any_axis(void **state)
{
    for (uint32_t i = 0; i < 18; i++) {
        struct kt k;
        kt_start(&k, *state, LAYER_GATHER);
        struct layer *l = k.l;
        const uint32_t axis = i % 3;
        const uint64_t data[3] = {4, 5, 6};
        uint64_t dim[4] = {4, 5, 6, 0};
        memmove(dim + axis + 2, dim + axis + 1, (2 - axis) * sizeof *dim);
        dim[axis] = 2;
        dim[axis + 1] = 3;
        set_space(l, 4, 1, dim);
        l->out = kt_dense(&k, DTYPE_F32, 4, dim, 1, true);
        const uint64_t ix_dim[2] = {2, 3};
        const enum dtype ix_type = i % 2 ? DTYPE_I64 : DTYPE_I32;
        if (i < 9) {
            l->in[0] = kt_dense(&k, DTYPE_F32, 3, data, 0, false);
            kt_fill(&k, &l->in[0], 0);
        } else { /* a constant table */
            kt_weight(&k, 0, 3, data);
            l->in[0] = (struct operand){.buf = BUF_WEIGHTS,
                                        .dtype = DTYPE_F32,
                                        .rank = 3,
                                        .dim = {4, 5, 6},
                                        .stride = {30, 6, 1}};
        }
        l->in[1] = kt_dense(&k, ix_type, 2, ix_dim, 0, false);
        l->n_in = 2;
        const int64_t n = (int64_t)data[axis];
        /* The last two are outside: taken as the nearest inside. */
        const int64_t ix[6] = {0, -1, n - 1, -n, n + 5, -n - 9};
        const int64_t taken[6] = {0, n - 1, n - 1, 0, n - 1, 0};
        for (uint32_t j = 0; j < 6; j++) {
            memcpy(kt_at(&k, &l->in[1]) + j * dtype_bytes(ix_type), &ix[j],
                   dtype_bytes(ix_type));
        }
        l->p.gather = (struct gather_param){
            .axis = axis, .index_rank = 2, .axis_len = data[axis]};
        kt_finish(&k, 0);
        const float *table =
            i < 9 ? (const float *)(const void *)kt_at(&k, &l->in[0])
                  : (const float *)(const void *)l->weight[0].data.data;
        double *want = ref_alloc((int64_t)count(4, dim));
        uint64_t at[4] = {0};
        uint64_t j = 0;
        do {
            uint64_t from[3];
            for (uint32_t d = 0; d < 3; d++) {
                from[d] = d < axis ? at[d]
                          : d > axis
                              ? at[d + 1]
                              : (uint64_t)taken[at[axis] * 3 + at[axis + 1]];
            }
            want[j++] = (double)table[(from[0] * 5 + from[1]) * 6 + from[2]];
        } while (next(4, dim, at));
        kt_check(&k, want, 0);
        free(want);
    }
}

/* ---- products ---- */

struct matmul_case {
    uint64_t batch, m, n, k;
    bool a_turned; /* a's columns lie apart */
    bool b_turned;
    bool b_shared; /* one b for all batches */
    uint32_t row_dims;
};

static void try_matmul(struct fixture *f, const struct matmul_case *t)
{
    struct kt k;
    kt_start(&k, f, LAYER_MATMUL);
    struct layer *l = k.l;
    const uint64_t dim[3] = {t->batch, t->m, t->n};
    const uint64_t a_dim[3] = {t->batch, t->m, t->k};
    const uint64_t b_dim[3] = {t->b_shared ? 1 : t->batch, t->k, t->n};
    set_space(l, 3, t->row_dims, dim);
    l->out = kt_dense(&k, DTYPE_F32, 3, dim, t->row_dims, true);
    l->in[0] = kt_dense(&k, DTYPE_F32, 3, a_dim, t->row_dims, !t->a_turned);
    l->in[1] = kt_dense(&k, DTYPE_F32, 3, b_dim, 0, false);
    if (t->a_turned) {
        l->in[0].stride[1] = 1;
        l->in[0].stride[2] = (int64_t)t->m;
    }
    if (t->b_turned) {
        l->in[1].stride[1] = 1;
        l->in[1].stride[2] = (int64_t)t->k;
    }
    kt_fill(&k, &l->in[0], t->row_dims);
    kt_fill(&k, &l->in[1], 0);
    l->n_in = 2;
    l->p.matmul = (struct matmul_param){.m = t->m, .n = t->n, .k = t->k};
    l->macs = t->batch * t->m * t->n * t->k;
    kt_finish(&k, 0);
    double *want = ref_alloc((int64_t)count(3, dim));
    uint64_t at[3] = {0};
    uint64_t i = 0;
    do {
        double s = 0;
        for (uint64_t x = 0; x < t->k; x++) {
            const uint64_t ia[3] = {at[0], at[1], x};
            const uint64_t ib[3] = {t->b_shared ? 0 : at[0], x, at[2]};
            s += (double)*kt_element(&k, &l->in[0], t->row_dims, ia) *
                 (double)*kt_element(&k, &l->in[1], 0, ib);
        }
        want[i++] = s;
    } while (next(3, dim, at));
    kt_check(&k, want, 2e-6);
    free(want);
}

static void matmul__matches_the_naive_one(void **state)
{
    const struct matmul_case cases[] = {
        {1, 1, 1, 1, false, false, false, 2},
        {2, 7, 17, 5, false, false, false, 2},
        {3, 5, 16, 300, false, true, false, 2},
        {2, 13, 33, 9, true, false, false, 2},
        {2, 4, 8, 600, true, true, false, 1},
        {4, 3, 20, 6, false, false, true, 2},
        {2, 14, 15, 4, false, false, false, 1},
        {2, 6, 5, 4, false, true, false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        try_matmul(*state, &cases[i]);
    }
}

/* ---- reductions ---- */

static void reduce__matches_the_naive_one(void **state)
{
    static const enum ref_reduce_op ops[] = {[REDUCE_MEAN] = REF_REDUCE_MEAN,
                                             [REDUCE_SUM] = REF_REDUCE_SUM,
                                             [REDUCE_MAX] = REF_REDUCE_MAX,
                                             [REDUCE_MIN] = REF_REDUCE_MIN,
                                             [REDUCE_L2] = REF_REDUCE_L2};
    for (uint32_t i = 0; i < 40; i++) {
        struct kt k;
        kt_start(&k, *state, LAYER_REDUCE);
        struct layer *l = k.l;
        const uint64_t dim[4] = {3, 4, 1 + i % 7, 1 + i * 3 % 40};
        set_space(l, 2, 1, dim);
        l->out = kt_dense(&k, DTYPE_F32, 2, dim, 1, true);
        l->in[0] = kt_dense(&k, DTYPE_F32, 4, dim, 1, i % 2 == 0);
        if (i % 3 == 1) { /* reduced dimensions the other way round */
            l->in[0].stride[2] = 1;
            l->in[0].stride[3] = (int64_t)dim[2];
        }
        l->n_in = 1;
        kt_fill(&k, &l->in[0], 1);
        l->p.reduce = (struct reduce_param){.op = (enum reduce_op)(i % 5),
                                            .n_reduced = 2};
        kt_finish(&k, 0);
        double *x = ref_alloc((int64_t)count(4, dim));
        uint64_t at[4] = {0};
        uint64_t j = 0;
        do {
            x[j++] = (double)*kt_element(&k, &l->in[0], 1, at);
        } while (next(4, dim, at));
        const struct ref_shape in = {4,
                                     {3, 4, (int64_t)dim[2], (int64_t)dim[3]}};
        double *want = ref_alloc(12);
        ref_reduce(ops[l->p.reduce.op], &in, 12, x, want);
        kt_check(&k, want, 1e-6);
        free(x);
        free(want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(ewise__walks_any_strides),
        FIXTURE_TEST(ewise__knows_every_step),
        FIXTURE_TEST(ewise__selects),
        FIXTURE_TEST(softmax__matches_the_naive_one),
        FIXTURE_TEST(copy__moves_and_pads),
        FIXTURE_TEST(copy__moves_every_size),
        FIXTURE_TEST(copy__fills_without_an_input),
        FIXTURE_TEST(cast__converts_every_pair),
        FIXTURE_TEST(cast__wraps_and_cuts_negatives),
        FIXTURE_TEST(gather__picks_along_any_axis),
        FIXTURE_TEST(matmul__matches_the_naive_one),
        FIXTURE_TEST(reduce__matches_the_naive_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
