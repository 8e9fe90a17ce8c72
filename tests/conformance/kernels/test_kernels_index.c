/* Class tensor: elements by index, running sums, the k largest; against the
 * formulas, over whole operands of odd strides and types. */
#include <math.h>
#include <string.h>

#include "kt.h"

static uint64_t count(uint32_t rank, const uint64_t *dim)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < rank; i++) {
        n *= dim[i];
    }
    return n;
}

static void unravel(uint32_t rank, const uint64_t *dim, uint64_t i,
                    uint64_t *at)
{
    for (uint32_t d = rank; d-- > 0;) {
        at[d] = i % dim[d];
        i /= dim[d];
    }
}

static uint64_t ravel(uint32_t rank, const uint64_t *dim, const uint64_t *at)
{
    uint64_t i = 0;
    for (uint32_t d = 0; d < rank; d++) {
        i = i * dim[d] + at[d];
    }
    return i;
}

/* An operand whose dimensions lie in memory in reverse, and its numbers. */
static struct operand turned(struct kt *k, enum dtype t, uint32_t rank,
                             const uint64_t *dim, const double *x)
{
    uint64_t back[TENSOR_MAX_RANK];
    for (uint32_t d = 0; d < rank; d++) {
        back[d] = dim[rank - 1 - d];
    }
    struct operand o = kt_dense(k, t, rank, back, 0, false);
    int64_t step = 1;
    for (uint32_t d = 0; d < rank; d++) {
        o.dim[d] = dim[d];
        o.stride[d] = step;
        step *= (int64_t)dim[d];
    }
    for (uint64_t i = 0; x && i < count(rank, dim); i++) {
        kt_put(k, &o, i, x[i]);
    }
    return o;
}

static void start(struct kt *k, void **state, enum tensor_op op)
{
    kt_start(k, *state, LAYER_TENSOR);
    k->l->rank = 1;
    k->l->row_dims = 1;
    k->l->dim[0] = 1;
    k->l->rows = 1;
    k->l->p.tensor.op = op;
}

/* Small integers, exact in every type, with ties. */
static void draw(struct kt *k, double *x, uint64_t n, uint32_t below)
{
    for (uint64_t i = 0; i < n; i++) {
        x[i] = (double)kt_below(k, below);
    }
}

enum { MOST = 256 };

/* ONNX's index: from the end below 0. */
static int64_t from_end(int64_t i, int64_t n)
{
    return i < 0 ? i + n : i;
}

static const enum dtype types[] = {DTYPE_F32, DTYPE_I64, DTYPE_U8, DTYPE_F64};

static void gather__picks_along_an_axis_and_clamps(void **state)
{
    const uint64_t data_dim[3] = {4, 3, 5};
    for (uint32_t axis = 0; axis < 3; axis++) {
        struct kt k;
        uint64_t dim[3] = {2, 3, 4};
        double x[MOST];
        double ix[MOST];
        double want[MOST];
        start(&k, state, TENSOR_GATHER);
        dim[axis] = 7; /* longer than the data */
        const uint64_t n = count(3, dim);
        const int64_t len = (int64_t)data_dim[axis];
        draw(&k, x, 60, 200);
        for (uint64_t i = 0; i < n; i++) {
            uint64_t at[3];
            ix[i] = (double)kt_below(&k, 4 * (uint32_t)len) - 2.0 * (double)len;
            int64_t j = from_end((int64_t)ix[i], len);
            j = j < 0 ? 0 : j >= len ? len - 1 : j;
            unravel(3, dim, i, at);
            at[axis] = (uint64_t)j;
            want[i] = x[ravel(3, data_dim, at)];
        }
        const enum dtype t = types[axis];
        k.l->out = turned(&k, t, 3, dim, NULL);
        k.l->in[0] = turned(&k, t, 3, data_dim, x);
        k.l->in[1] = turned(&k, axis ? DTYPE_I64 : DTYPE_I32, 3, dim, ix);
        k.l->n_in = 2;
        k.l->p.tensor.i[1] = (int32_t)axis;
        kt_finish(&k, 0);
        kt_check(&k, want, 0);
    }
}

static void gather__picks_slices_by_tuples(void **state)
{
    for (uint32_t batch = 0; batch < 2; batch++) {
        struct kt k;
        const uint64_t data_dim[4] = {2, 3, 4, 5};
        const uint64_t ix_dim[3] = {2, 6, 2}; /* [b or q, q, m] */
        const uint64_t tail = batch ? 1 : 2;
        const uint64_t dim[4] = {2, 6, batch ? 5 : 4, 5};
        double x[MOST];
        double ix[MOST];
        double want[MOST];
        start(&k, state, TENSOR_GATHER);
        draw(&k, x, 120, 250);
        for (uint64_t i = 0; i < 12; i++) {
            for (uint32_t m = 0; m < 2; m++) {
                const int64_t len = (int64_t)data_dim[batch + m];
                ix[i * 2 + m] =
                    (double)((int64_t)kt_below(&k, 2 * (uint32_t)len) - len);
            }
        }
        const uint64_t n = count(2 + (uint32_t)tail, dim);
        for (uint64_t i = 0; i < n; i++) {
            uint64_t at[4];
            uint64_t from[4];
            unravel(2 + (uint32_t)tail, dim, i, at);
            from[0] = at[0];
            for (uint32_t m = 0; m < 2; m++) {
                from[batch + m] =
                    (uint64_t)from_end((int64_t)ix[(at[0] * 6 + at[1]) * 2 + m],
                                       (int64_t)data_dim[batch + m]);
            }
            for (uint64_t d = 0; d < tail; d++) {
                from[batch + 2 + d] = at[2 + d];
            }
            want[i] = x[ravel(4, data_dim, from)];
        }
        k.l->out = turned(&k, DTYPE_F32, 2 + (uint32_t)tail, dim, NULL);
        k.l->in[0] = turned(&k, DTYPE_F32, 4, data_dim, x);
        k.l->in[1] = turned(&k, DTYPE_I64, 3, ix_dim, ix);
        k.l->n_in = 2;
        k.l->p.tensor.i[0] = 1;
        k.l->p.tensor.i[1] = (int32_t)batch;
        kt_finish(&k, 0);
        kt_check(&k, want, 0);
    }
}

static double combine(uint32_t kind, double a, double b)
{
    return kind == 0   ? b
           : kind == 1 ? a + b
           : kind == 2 ? a * b
           : kind == 3 ? fmax(a, b)
                       : fmin(a, b);
}

/* Duplicates are made in order; what is outside is dropped. */
static void scatter__updates_along_an_axis(void **state)
{
    const uint64_t dim[2] = {4, 5};
    for (uint32_t i = 0; i < 10; i++) {
        struct kt k;
        const uint32_t kind = i % 5;
        const uint32_t axis = i / 5;
        const uint64_t ix_dim[2] = {axis ? 3 : 9, axis ? 9 : 4};
        const uint64_t n = count(2, ix_dim);
        double x[MOST];
        double ix[MOST];
        double u[MOST];
        double want[MOST];
        start(&k, state, TENSOR_SCATTER);
        draw(&k, x, 20, 3);
        draw(&k, u, n, 3);
        memcpy(want, x, sizeof want);
        for (uint64_t j = 0; j < n; j++) {
            uint64_t at[2];
            const int64_t len = (int64_t)dim[axis];
            ix[j] = (double)((int64_t)kt_below(&k, 3 * (uint32_t)len) - len);
            const int64_t to = from_end((int64_t)ix[j], len);
            unravel(2, ix_dim, j, at);
            at[axis] = (uint64_t)to;
            if (to >= 0 && to < len) {
                double *const w = &want[ravel(2, dim, at)];
                *w = combine(kind, *w, u[j]);
            }
        }
        const enum dtype t = i % 2 ? DTYPE_I64 : DTYPE_F32;
        k.l->out = turned(&k, t, 2, dim, NULL);
        k.l->in[0] = turned(&k, t, 2, dim, x);
        k.l->in[1] = turned(&k, DTYPE_I64, 2, ix_dim, ix);
        k.l->in[2] = turned(&k, t, 2, ix_dim, u);
        k.l->n_in = 3;
        k.l->p.tensor.i[1] = (int32_t)axis;
        k.l->p.tensor.i[2] = (int32_t)kind;
        kt_finish(&k, 0);
        kt_check(&k, want, 0);
    }
}

static void scatter__updates_slices_by_tuples(void **state)
{
    struct kt k;
    const uint64_t dim[3] = {3, 4, 2};
    const uint64_t ix_dim[2] = {5, 2};
    const uint64_t u_dim[2] = {5, 2};
    const double ix[10] = {0, 1, 2, -1, 0, 1, -3, 3, 7, 0};
    double x[24];
    double u[10];
    double want[24];
    start(&k, state, TENSOR_SCATTER);
    draw(&k, x, 24, 100);
    draw(&k, u, 10, 100);
    memcpy(want, x, sizeof want);
    /* Rows (0,1), (2,3), (0,1) again, (0,3); (7,0) is outside. */
    const uint32_t row[4] = {1, 11, 1, 3};
    for (uint32_t i = 0; i < 4; i++) {
        want[row[i] * 2] = u[i * 2];
        want[row[i] * 2 + 1] = u[i * 2 + 1];
    }
    k.l->out = turned(&k, DTYPE_F32, 3, dim, NULL);
    k.l->in[0] = turned(&k, DTYPE_F32, 3, dim, x);
    k.l->in[1] = turned(&k, DTYPE_I32, 2, ix_dim, ix);
    k.l->in[2] = turned(&k, DTYPE_F32, 2, u_dim, u);
    k.l->n_in = 3;
    k.l->p.tensor.i[0] = 1;
    kt_finish(&k, 0);
    kt_check(&k, want, 0);
}

static void scan__runs_both_ways(void **state)
{
    const uint64_t dim[3] = {2, 5, 3};
    for (uint32_t i = 0; i < 24; i++) {
        struct kt k;
        const uint32_t axis = i % 3;
        const bool leaves_out = i / 3 % 2;
        const bool is_reverse = i / 6 % 2;
        const bool is_product = i / 12;
        double x[30];
        double want[30];
        start(&k, state, TENSOR_SCAN);
        draw(&k, x, 30, 3);
        for (uint64_t j = 0; j < 30; j++) {
            uint64_t at[3];
            unravel(3, dim, j, at);
            const int64_t here = (int64_t)at[axis];
            want[j] = is_product;
            for (int64_t m = 0; m < (int64_t)dim[axis]; m++) {
                const int64_t ahead = is_reverse ? m - here : here - m;
                at[axis] = (uint64_t)m;
                const double y = x[ravel(3, dim, at)];
                if (ahead > 0 || (ahead == 0 && !leaves_out)) {
                    want[j] = is_product ? want[j] * y : want[j] + y;
                }
            }
        }
        const enum dtype t = i % 2 ? DTYPE_I32 : DTYPE_F32;
        k.l->out = turned(&k, t, 3, dim, NULL);
        k.l->in[0] = turned(&k, t, 3, dim, x);
        k.l->n_in = 1;
        k.l->p.tensor.i[0] = (int32_t)axis;
        k.l->p.tensor.i[1] = leaves_out;
        k.l->p.tensor.i[2] = is_reverse;
        k.l->p.tensor.i[3] = is_product;
        kt_finish(&k, 0);
        kt_check(&k, want, 0);
    }
}

/* By repeated search; of equal ones the first. NaN is the largest. */
static void order__finds_the_first_k(void **state)
{
    for (uint32_t i = 0; i < 12; i++) {
        struct kt k;
        const uint32_t axis = i % 2;
        const bool is_largest = i / 2 % 2;
        const uint64_t len = 11;
        const uint64_t n_first = i / 4 == 0 ? 1 : i / 4 == 1 ? 4 : len;
        const uint64_t in_dim[2] = {axis ? 3 : len, axis ? len : 3};
        const uint64_t dim[2] = {axis ? 3 : n_first, axis ? n_first : 3};
        const enum dtype t = types[i % 4];
        double x[33];
        double want[33];
        start(&k, state, TENSOR_ORDER);
        draw(&k, x, 33, 6);
        if (t == DTYPE_F32) {
            x[7] = NAN;
        }
        for (uint64_t line = 0; line < 3; line++) {
            bool taken[11] = {false};
            for (uint64_t j = 0; j < n_first; j++) {
                uint64_t best = len;
                double top = 0;
                for (uint64_t m = 0; m < len; m++) {
                    const uint64_t at[2] = {axis ? line : m, axis ? m : line};
                    double y = x[ravel(2, in_dim, at)];
                    y = isnan(y) ? 1e9 : y;
                    y = is_largest ? -y : y;
                    if (!taken[m] && (best == len || y < top)) {
                        best = m;
                        top = y;
                    }
                }
                taken[best] = true;
                const uint64_t at[2] = {axis ? line : j, axis ? j : line};
                want[ravel(2, dim, at)] = (double)best;
            }
        }
        k.l->out = turned(&k, DTYPE_I64, 2, dim, NULL);
        k.l->in[0] = turned(&k, t, 2, in_dim, x);
        k.l->n_in = 1;
        k.l->p.tensor.i[0] = (int32_t)axis;
        k.l->p.tensor.i[1] = is_largest;
        kt_finish(&k, 0);
        kt_check(&k, want, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(gather__picks_along_an_axis_and_clamps),
        FIXTURE_TEST(gather__picks_slices_by_tuples),
        FIXTURE_TEST(scatter__updates_along_an_axis),
        FIXTURE_TEST(scatter__updates_slices_by_tuples),
        FIXTURE_TEST(scan__runs_both_ways),
        FIXTURE_TEST(order__finds_the_first_k),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
