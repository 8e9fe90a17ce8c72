/* The functions of vectors against libm in double, by units in the last place;
 * special values; every instruction set. They are reached as the only step of
 * an elementwise layer. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kt.h"

static float ulp_of(double x)
{
    int e = 0;
    frexp(x, &e);
    return (float)ldexp(1.0, e - 24 < -149 ? -149 : e - 24);
}

/* A layer of one row of n numbers: one step on one or two operands. */
static void make_step(struct kt *k, struct fixture *f, enum expr_op op,
                      uint32_t n, bool binary)
{
    const uint64_t dim[2] = {1, n};
    kt_start(k, f, LAYER_EWISE);
    k->l->rank = 2;
    k->l->row_dims = 1;
    k->l->dim[0] = 1;
    k->l->dim[1] = n;
    k->l->out = kt_dense(k, DTYPE_F32, 2, dim, 1, true);
    k->l->in[0] = kt_dense(k, DTYPE_F32, 2, dim, 1, true);
    k->l->in[1] = kt_dense(k, DTYPE_F32, 2, dim, 1, true);
    k->l->n_in = binary ? 2 : 1;
    k->l->p.ewise = (struct ewise_param){.n_step = binary ? 3 : 2,
                                         .step = {{.op = EXPR_IN}, {.op = op}}};
    if (binary) {
        k->l->p.ewise.step[1] = (struct expr_step){EXPR_IN, 1, 0, DTYPE_F32};
        k->l->p.ewise.step[2] = (struct expr_step){.op = op};
    }
    kt_finish(k, 0);
}

struct function {
    enum expr_op op;
    double (*want)(double);
    double lo;
    double hi;
    double ulps;      /* with fused multiply-add */
    double ulps_base; /* without */
};

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double recip(double x)
{
    return 1 / x;
}

static void functions__are_within_their_error(void **state)
{
    static const struct function functions[] = {
        {EXPR_EXP, exp, -104, 88.7, 1.0, 1.5},
        {EXPR_EXP, exp, -0.5, 0.5, 1.0, 1.5},
        {EXPR_LOG, log, 1e-40, 3e38, 1.0, 1.5},
        {EXPR_LOG, log, 0.5, 2, 1.0, 2.5},
        {EXPR_TANH, tanh, -12, 12, 2.0, 2.5},
        {EXPR_TANH, tanh, -0.7, 0.7, 2.0, 2.5},
        {EXPR_SIGMOID, sigmoid, -80, 30, 3.0, 3.0},
        {EXPR_ERF, erf, -4.5, 4.5, 2.0, 2.5},
        {EXPR_ERF, erf, -1e-3, 1e-3, 2.0, 2.5},
        {EXPR_SQRT, sqrt, 0, 100, 0.5, 0.5},
        {EXPR_SQRT, sqrt, 0, 1e-39, 0.5, 0.5},
        {EXPR_RECIP, recip, 0.1, 10, 0.5, 0.5},
        {EXPR_FLOOR, floor, -20, 20, 0, 0},
        {EXPR_CEIL, ceil, -20, 20, 0, 0},
        {EXPR_FLOOR, floor, -2e7, 2e7, 0, 0},
    };
    enum { N = 20011 };
    for (size_t i = 0; i < ARRAY_LEN(functions); i++) {
        const struct function *t = &functions[i];
        struct kt k;
        make_step(&k, *state, t->op, N, false);
        float *x = (float *)(void *)kt_at(&k, &k.l->in[0]);
        for (uint32_t j = 0; j < N; j++) {
            x[j] = (float)(t->lo + (t->hi - t->lo) * j / (N - 1.0));
        }
        for (uint32_t s = 0; kt_isa(s); s++) {
            const struct kt_cut cut = {.isa = kt_isa(s)};
            const double *got = kt_values(&k, kt_run(&k, &cut));
            const double limit = s == 0 ? t->ulps_base : t->ulps;
            for (uint32_t j = 0; j < N; j++) {
                const double want = t->want((double)x[j]);
                const double ulps = fabs(got[j] - want) / (double)ulp_of(want);
                if (!(ulps <= limit + 0.01) && got[j] != (double)(float)want) {
                    fail_msg("%s: step %d of %a is %a, should be %a: %.2f ulp",
                             kt_isa(s), (int)t->op, (double)x[j], got[j], want,
                             ulps);
                }
            }
        }
    }
}

static bool same(double a, double b)
{
    return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

static void functions__keep_special_values(void **state)
{
    static const struct {
        enum expr_op op;
        float x;
        float want;
    } cases[] = {
        {EXPR_EXP, INFINITY, INFINITY},
        {EXPR_EXP, -INFINITY, 0},
        {EXPR_EXP, NAN, NAN},
        {EXPR_EXP, 1000, INFINITY},
        {EXPR_EXP, -1000, 0},
        {EXPR_EXP, 0, 1},
        {EXPR_LOG, 0, -INFINITY},
        {EXPR_LOG, -1, NAN},
        {EXPR_LOG, INFINITY, INFINITY},
        {EXPR_LOG, NAN, NAN},
        {EXPR_LOG, 1, 0},
        {EXPR_TANH, INFINITY, 1},
        {EXPR_TANH, -INFINITY, -1},
        {EXPR_TANH, NAN, NAN},
        {EXPR_TANH, -0.0f, -0.0f},
        {EXPR_SIGMOID, INFINITY, 1},
        {EXPR_SIGMOID, -INFINITY, 0},
        {EXPR_SIGMOID, NAN, NAN},
        {EXPR_ERF, INFINITY, 1},
        {EXPR_ERF, -INFINITY, -1},
        {EXPR_ERF, NAN, NAN},
        {EXPR_SQRT, -1, NAN},
        {EXPR_SQRT, INFINITY, INFINITY},
        {EXPR_SQRT, NAN, NAN},
        {EXPR_FLOOR, -0.5f, -1},
        {EXPR_FLOOR, -0.0f, -0.0f},
        {EXPR_FLOOR, INFINITY, INFINITY},
        {EXPR_FLOOR, NAN, NAN},
        {EXPR_CEIL, 0.5f, 1},
        {EXPR_CEIL, -0.5f, -0.0f},
        {EXPR_RELU, NAN, NAN},
        {EXPR_RELU, -3, 0},
        {EXPR_NEG, 0, -0.0f},
        {EXPR_ABS, -2, 2},
        {EXPR_ABS, NAN, NAN},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct kt k;
        make_step(&k, *state, cases[i].op, 1, false);
        *(float *)(void *)kt_at(&k, &k.l->in[0]) = cases[i].x;
        for (uint32_t s = 0; kt_isa(s); s++) {
            const struct kt_cut cut = {.isa = kt_isa(s)};
            const double got = kt_values(&k, kt_run(&k, &cut))[0];
            if (!same(got, (double)cases[i].want)) {
                fail_msg("%s: step %d of %g is %g, should be %g", kt_isa(s),
                         (int)cases[i].op, (double)cases[i].x, got,
                         (double)cases[i].want);
            }
        }
    }
}

static void pow__is_within_an_ulp_and_keeps_special_values(void **state)
{
    static const float special[] = {0,         -0.0f, 1,        -1,    2,
                                    -2,        0.5f,  -0.5f,    3,     -3,
                                    INFINITY,  NAN,   1e-40f,   1e38f, 1e10f,
                                    -INFINITY, 2.5f,  16777215, 0.1f,  -7.5f};
    enum { S = ARRAY_LEN(special), RANDOM = 5000, N = S * S + RANDOM };
    struct kt k;
    make_step(&k, *state, EXPR_POW, N, true);
    float *x = (float *)(void *)kt_at(&k, &k.l->in[0]);
    float *y = (float *)(void *)kt_at(&k, &k.l->in[1]);
    for (uint32_t i = 0; i < N; i++) {
        const uint32_t r = i - S * S;
        x[i] = i < S * S ? special[i / S] : 0.001f * (float)(r + 1);
        y[i] = i < S * S ? special[i % S] : 12 * kt_float(&k);
    }
    for (uint32_t s = 0; kt_isa(s); s++) {
        const struct kt_cut cut = {.isa = kt_isa(s)};
        const double *got = kt_values(&k, kt_run(&k, &cut));
        for (uint32_t i = 0; i < N; i++) {
            const double want = pow((double)x[i], (double)y[i]);
            const bool close =
                fabs(got[i] - want) <= 1.001 * (double)ulp_of(want);
            if (!close && !same(got[i], (double)(float)want)) {
                fail_msg("%s: pow(%a, %a) is %a, should be %a", kt_isa(s),
                         (double)x[i], (double)y[i], got[i], want);
            }
        }
    }
}

static void min_and_max__let_nan_win(void **state)
{
    static const float x[] = {1, 2, NAN, 3, NAN, -INFINITY, INFINITY};
    static const float y[] = {2, 1, 3, NAN, NAN, INFINITY, INFINITY};
    const enum expr_op ops[] = {EXPR_MIN, EXPR_MAX};
    for (uint32_t o = 0; o < 2; o++) {
        struct kt k;
        make_step(&k, *state, ops[o], ARRAY_LEN(x), true);
        memcpy(kt_at(&k, &k.l->in[0]), x, sizeof x);
        memcpy(kt_at(&k, &k.l->in[1]), y, sizeof y);
        for (uint32_t s = 0; kt_isa(s); s++) {
            const struct kt_cut cut = {.isa = kt_isa(s)};
            const double *got = kt_values(&k, kt_run(&k, &cut));
            for (uint32_t i = 0; i < ARRAY_LEN(x); i++) {
                const double want = isnan(x[i]) || isnan(y[i])  ? (double)NAN
                                    : (x[i] < y[i]) == (o == 0) ? (double)x[i]
                                                                : (double)y[i];
                assert_true(same(got[i], want));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(functions__are_within_their_error),
        FIXTURE_TEST(functions__keep_special_values),
        FIXTURE_TEST(pow__is_within_an_ulp_and_keeps_special_values),
        FIXTURE_TEST(min_and_max__let_nan_win),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
