/* Class tensor: recurrent layers and linear attention, against the formulas of
 * ONNX in double, one step after the other. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "k_tensor_rnn.h"
#include "kt.h"

enum { TIMES = 4, BATCH = 3, MOST_HIDDEN = 37 };

static void start(struct kt *k, void **state, enum tensor_op op)
{
    kt_start(k, *state, LAYER_TENSOR);
    k->l->rank = 1;
    k->l->row_dims = 1;
    k->l->dim[0] = 1;
    k->l->rows = 1;
    k->l->p.tensor.op = op;
}

/* Adds an operand of drawn numbers, which it gives. */
static double *add(struct kt *k, uint32_t rank, const uint64_t *dim)
{
    struct operand *const o = &k->l->in[k->l->n_in++];
    uint64_t n = 1;
    *o = kt_dense(k, DTYPE_F32, rank, dim, 0, false);
    for (uint32_t d = 0; d < rank; d++) {
        n *= dim[d];
    }
    double *const x = arena_new(&k->f->keep, double, n);
    assert_non_null(x);
    for (uint64_t i = 0; i < n; i++) {
        x[i] = (double)kt_float(k);
        kt_put(k, o, i, x[i]);
    }
    return x;
}

struct rnn_case {
    uint32_t kind;
    uint64_t hidden;
    uint64_t n_dir;
    bool is_reverse;
    bool resets_after;
    bool couples;
    bool has_all; /* states, peepholes, lengths, clip */
    uint32_t act;
};

struct rnn_data {
    const double *x;
    const double *r;
    const double *after;
    const double *h0;
    const double *c0;
    const double *p;
    int64_t len[BATCH];
    double clip;
    double alpha;
    double beta;
};

static double limit(const struct rnn_data *d, double x)
{
    return fmax(-d->clip, fmin(d->clip, x));
}

static double function(const struct rnn_case *c, const struct rnn_data *d,
                       uint32_t k, double x)
{
    x = limit(d, x);
    if (c->act == 0) {
        return k == 0 ? 1 / (1 + exp(-x)) : tanh(x);
    }
    switch (c->act - 1) {
    case FLX_RNN_RELU:
        return fmax(x, 0);
    case FLX_RNN_TANH:
        return tanh(x);
    case FLX_RNN_SIGMOID:
        return 1 / (1 + exp(-x));
    case FLX_RNN_AFFINE:
        return d->alpha * x + d->beta;
    case FLX_RNN_LEAKY:
        return x < 0 ? d->alpha * x : x;
    case FLX_RNN_THRESHOLDED:
        return x > d->alpha ? x : 0;
    case FLX_RNN_SCALED_TANH:
        return d->alpha * tanh(d->beta * x);
    case FLX_RNN_HARD_SIGMOID:
        return fmin(1, fmax(0, d->alpha * x + d->beta));
    case FLX_RNN_ELU:
        return x < 0 ? d->alpha * (exp(x) - 1) : x;
    case FLX_RNN_SOFTSIGN:
        return x / (1 + fabs(x));
    default:
        return log1p(exp(x));
    }
}

/* h R + x for gate g, unit i; from: what stands for h. */
static double sum(const struct rnn_case *c, const struct rnn_data *d,
                  uint64_t dir, uint64_t gates, uint64_t column,
                  const double *from)
{
    double s = 0;
    for (uint64_t k = 0; k < c->hidden; k++) {
        s += from[k] * d->r[(dir * c->hidden + k) * gates + column];
    }
    return s;
}

static void step(const struct rnn_case *c, const struct rnn_data *d,
                 uint64_t dir, const double *x, double *h, double *cell)
{
    const uint64_t n = c->hidden;
    const uint64_t n_gate = c->kind == 2 ? 4 : c->kind == 1 ? 3 : 1;
    const uint64_t gates = n_gate * n;
    const double *const p = d->p ? d->p + dir * 3 * n : NULL;
    double before[MOST_HIDDEN];
    double reset[MOST_HIDDEN];
    memcpy(before, h, n * sizeof *h);
    for (uint64_t i = 0; c->kind == 1 && i < n; i++) {
        const double r =
            function(c, d, 0, x[n + i] + sum(c, d, dir, gates, n + i, before));
        reset[i] = r * before[i];
    }
    for (uint64_t i = 0; i < n; i++) {
        if (c->kind == 0) {
            const uint32_t f = c->act ? 0 : 1; /* Tanh alone */
            h[i] = function(c, d, f, x[i] + sum(c, d, dir, gates, i, before));
        } else if (c->kind == 1) {
            const double z =
                function(c, d, 0, x[i] + sum(c, d, dir, gates, i, before));
            const double r = function(
                c, d, 0, x[n + i] + sum(c, d, dir, gates, n + i, before));
            const uint64_t col = 2 * n + i;
            const double more =
                c->resets_after ? r * (sum(c, d, dir, gates, col, before) +
                                       (d->after ? d->after[dir * n + i] : 0))
                                : sum(c, d, dir, gates, col, reset);
            h[i] = (1 - z) * function(c, d, 1, x[col] + more) + z * before[i];
        } else {
            double s[4];
            for (uint64_t g = 0; g < 4; g++) {
                s[g] = x[g * n + i] + sum(c, d, dir, gates, g * n + i, before);
            }
            const double in =
                function(c, d, 0, s[0] + (p ? p[i] * cell[i] : 0));
            const double keep =
                c->couples ? 1 - in
                           : function(c, d, 0,
                                      s[2] + (p ? p[2 * n + i] * cell[i] : 0));
            cell[i] = keep * cell[i] + in * function(c, d, 1, s[3]);
            const double out =
                function(c, d, 0, s[1] + (p ? p[n + i] * cell[i] : 0));
            h[i] = out * function(c, d, 1, cell[i]);
        }
    }
}

static void check_rnn(void **state, const struct rnn_case *c)
{
    struct kt k;
    struct rnn_data d = {.clip = INFINITY, .alpha = 0.3, .beta = 0.7};
    const uint64_t n = c->hidden;
    const uint64_t gates = n * (c->kind == 2 ? 4 : c->kind == 1 ? 3 : 1);
    const uint64_t x_dim[4] = {TIMES, BATCH, c->n_dir, gates};
    const uint64_t r_dim[3] = {c->n_dir, n, gates};
    const uint64_t s_dim[3] = {c->n_dir, BATCH, n};
    const uint64_t a_dim[2] = {c->n_dir, n};
    const uint64_t p_dim[2] = {c->n_dir, 3 * n};
    start(&k, state, TENSOR_RNN);
    int32_t *const p = k.l->p.tensor.i;
    float *const f = k.l->p.tensor.f;
    d.x = add(&k, 4, x_dim);
    d.r = add(&k, 3, r_dim);
    if (c->kind == 1 && c->resets_after) {
        d.after = add(&k, 2, a_dim);
        p[FLX_RNN_B] = (int32_t)k.l->n_in;
    }
    for (uint32_t b = 0; b < BATCH; b++) {
        d.len[b] = TIMES;
    }
    if (c->has_all) {
        const uint64_t len_dim[1] = {BATCH};
        const int64_t len[BATCH] = {2, TIMES, 0};
        struct operand *const o = &k.l->in[k.l->n_in++];
        *o = kt_dense(&k, DTYPE_I32, 1, len_dim, 0, false);
        for (uint32_t b = 0; b < BATCH; b++) {
            d.len[b] = len[b];
            kt_put(&k, o, b, (double)len[b]);
        }
        p[FLX_RNN_LENS] = (int32_t)k.l->n_in;
        d.h0 = add(&k, 3, s_dim);
        p[FLX_RNN_H] = (int32_t)k.l->n_in;
        if (c->kind == 2) {
            d.c0 = add(&k, 3, s_dim);
            p[FLX_RNN_C] = (int32_t)k.l->n_in;
            d.p = add(&k, 2, p_dim);
            p[FLX_RNN_P] = (int32_t)k.l->n_in;
        }
        d.clip = 0.75;
        p[FLX_RNN_HAS_CLIP] = 1;
        f[12] = 0.75F;
    }
    p[FLX_RNN_KIND] = (int32_t)c->kind;
    p[FLX_RNN_HAS_Y] = 1;
    p[FLX_RNN_IS_REVERSE] = c->is_reverse;
    p[FLX_RNN_RESETS_AFTER] = c->resets_after;
    p[FLX_RNN_COUPLES] = c->couples;
    for (uint32_t i = 0; i < 6; i++) {
        const uint32_t usual =
            c->kind == 0 || i % 3 > 0 ? FLX_RNN_TANH : FLX_RNN_SIGMOID;
        p[FLX_RNN_ACT + i] = (int32_t)(c->act ? c->act - 1 : usual);
        f[2 * i] = (float)d.alpha;
        f[2 * i + 1] = (float)d.beta;
    }
    d.alpha = (double)f[0];
    d.beta = (double)f[1];
    const uint64_t each = c->n_dir * BATCH * n;
    const uint64_t total =
        (uint64_t)(c->kind == 2 ? TIMES + 2 : TIMES + 1) * each;
    k.l->out = kt_dense(&k, DTYPE_F32, 1, &total, 0, false);
    double *const want = calloc(total, sizeof *want);
    assert_non_null(want);
    for (uint64_t u = 0; u < c->n_dir * BATCH; u++) {
        const uint64_t dir = u / BATCH;
        const uint64_t b = u % BATCH;
        double h[MOST_HIDDEN] = {0};
        double cell[MOST_HIDDEN] = {0};
        for (uint64_t i = 0; d.h0 && i < n; i++) {
            h[i] = d.h0[u * n + i];
            cell[i] = d.c0 ? d.c0[u * n + i] : 0;
        }
        for (int64_t i = 0; i < d.len[b]; i++) {
            const bool is_back = dir == 1 || c->is_reverse;
            const uint64_t t = (uint64_t)(is_back ? d.len[b] - 1 - i : i);
            step(c, &d, dir, d.x + ((t * BATCH + b) * c->n_dir + dir) * gates,
                 h, cell);
            memcpy(want + t * each + u * n, h, n * sizeof *h);
        }
        memcpy(want + TIMES * each + u * n, h, n * sizeof *h);
        if (c->kind == 2) {
            memcpy(want + (TIMES + 1) * each + u * n, cell, n * sizeof *h);
        }
    }
    kt_finish(&k, 0);
    kt_check(&k, want, 2e-5);
    free(want);
}

static void rnn__follows_the_formulas(void **state)
{
    static const struct rnn_case cases[] = {
        {.kind = 0, .hidden = 5, .n_dir = 1},
        {.kind = 0, .hidden = 33, .n_dir = 2, .has_all = true},
        {.kind = 1, .hidden = 1, .n_dir = 1, .has_all = true},
        {.kind = 1, .hidden = 18, .n_dir = 2},
        {.kind = 1, .hidden = 37, .n_dir = 1, .resets_after = true},
        {.kind = 1,
         .hidden = 6,
         .n_dir = 2,
         .resets_after = true,
         .has_all = true},
        {.kind = 2, .hidden = 16, .n_dir = 1, .is_reverse = true},
        {.kind = 2, .hidden = 7, .n_dir = 2, .has_all = true},
        {.kind = 2, .hidden = 36, .n_dir = 1, .couples = true, .has_all = true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check_rnn(state, &cases[i]);
    }
}

static void rnn__knows_the_activations(void **state)
{
    for (uint32_t act = 1; act <= FLX_RNN_SOFTPLUS + 1; act++) {
        check_rnn(state, &(struct rnn_case){
                             .kind = 0, .hidden = 19, .n_dir = 1, .act = act});
    }
}

enum { HEADS = 4, KV = 2, KEY = 3, VALUE = 5 };

static void state__follows_the_recurrence(void **state)
{
    for (uint32_t rule = 0; rule < 8; rule++) {
        struct kt k;
        const bool gates = rule & 1U;
        const bool corrects = rule & 2U;
        const bool is_small = rule & 4U; /* one decay and beta a head; none */
        const uint64_t q_dim[4] = {BATCH, TIMES, HEADS, KEY};
        const uint64_t k_dim[4] = {BATCH, TIMES, KV, KEY};
        const uint64_t v_dim[4] = {BATCH, TIMES, KV, VALUE};
        const uint64_t s_dim[4] = {BATCH, KV, KEY, VALUE};
        const uint64_t g_dim[4] = {BATCH, TIMES, KV, is_small ? 1 : KEY};
        const uint64_t b_dim[4] = {BATCH, TIMES, is_small ? 1 : KV, 1};
        start(&k, state, TENSOR_STATE);
        int32_t *const p = k.l->p.tensor.i;
        const double *const q = add(&k, 4, q_dim);
        const double *const key = add(&k, 4, k_dim);
        const double *const v = add(&k, 4, v_dim);
        const double *past = NULL;
        const double *g = NULL;
        const double *beta = NULL;
        if (!is_small) {
            past = add(&k, 4, s_dim);
            p[0] = (int32_t)k.l->n_in;
        }
        if (gates) {
            g = add(&k, 4, g_dim);
            p[1] = (int32_t)k.l->n_in;
        }
        if (corrects) {
            beta = add(&k, 4, b_dim);
            p[2] = (int32_t)k.l->n_in;
        }
        k.l->p.tensor.f[0] = 0.5F;
        const uint64_t n_out = BATCH * TIMES * HEADS * VALUE;
        const uint64_t total = n_out + BATCH * KV * KEY * VALUE;
        double want[BATCH * (TIMES * HEADS * VALUE + KV * KEY * VALUE)];
        k.l->out = kt_dense(&k, DTYPE_F32, 1, &total, 0, false);
        for (uint64_t u = 0; u < BATCH * KV; u++) {
            const uint64_t b = u / KV;
            const uint64_t h = u % KV;
            double *const s = want + n_out + u * KEY * VALUE;
            for (uint64_t i = 0; i < KEY * VALUE; i++) {
                s[i] = past ? past[u * KEY * VALUE + i] : 0;
            }
            for (uint64_t t = 0; t < TIMES; t++) {
                const uint64_t at = (b * TIMES + t) * KV + h;
                double row[VALUE];
                for (uint64_t i = 0; g && i < KEY * VALUE; i++) {
                    s[i] *= exp(is_small ? g[at] : g[at * KEY + i / VALUE]);
                }
                for (uint64_t m = 0; m < VALUE; m++) {
                    double seen = 0;
                    for (uint64_t d = 0; d < KEY; d++) {
                        seen += key[at * KEY + d] * s[d * VALUE + m];
                    }
                    row[m] = v[at * VALUE + m];
                    if (beta) {
                        row[m] = beta[is_small ? b * TIMES + t : at] *
                                 (row[m] - seen);
                    }
                }
                for (uint64_t i = 0; i < KEY * VALUE; i++) {
                    s[i] += key[at * KEY + i / VALUE] * row[i % VALUE];
                }
                for (uint64_t i = 0; i < HEADS / KV; i++) {
                    const uint64_t head =
                        (b * TIMES + t) * HEADS + h * (HEADS / KV) + i;
                    for (uint64_t m = 0; m < VALUE; m++) {
                        double y = 0;
                        for (uint64_t d = 0; d < KEY; d++) {
                            y += q[head * KEY + d] * s[d * VALUE + m];
                        }
                        want[head * VALUE + m] = 0.5 * y;
                    }
                }
            }
        }
        kt_finish(&k, 0);
        kt_check(&k, want, 1e-5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(rnn__follows_the_formulas),
        FIXTURE_TEST(rnn__knows_the_activations),
        FIXTURE_TEST(state__follows_the_recurrence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
