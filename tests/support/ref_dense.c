/* ref_dense.c - products, normalisations and reductions. */
#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double dot(int64_t n, const double *a, int64_t a_step, const double *b)
{
    double part[4] = {0};
    int64_t i = 0;
    for (; i + 4 <= n; i += 4) {
        for (int64_t j = 0; j < 4; j++) {
            part[j] += a[(i + j) * a_step] * b[i + j];
        }
    }
    for (; i < n; i++) {
        part[0] += a[i * a_step] * b[i];
    }
    return part[0] + part[1] + (part[2] + part[3]);
}

void ref_gemm(const struct ref_gemm *s, const double *a, const double *b,
              const double *c, double *y)
{
    const int64_t row_step = s->trans_a ? 1 : s->k;
    const int64_t k_step = s->trans_a ? s->m : 1;
    memset(y, 0, (size_t)(s->m * s->n) * sizeof(*y));
    for (int64_t i = 0; i < s->m; i++) {
        const double *a_row = a + i * row_step;
        double *y_row = y + i * s->n;
        for (int64_t j = 0; s->trans_b && j < s->n; j++) {
            y_row[j] = dot(s->k, a_row, k_step, b + j * s->k);
        }
        for (int64_t k = 0; !s->trans_b && k < s->k; k++) {
            const double v = a_row[k * k_step];
            for (int64_t j = 0; j < s->n; j++) {
                y_row[j] += v * b[k * s->n + j];
            }
        }
        for (int64_t j = 0; j < s->n; j++) {
            y_row[j] *= s->alpha;
        }
    }
    if (c) {
        const struct ref_shape full = {2, {s->m, s->n}};
        double *wide = ref_alloc(s->m * s->n);
        ref_expand(&s->c_shape, &full, c, wide);
        for (int64_t i = 0; i < s->m * s->n; i++) {
            y[i] += s->beta * wide[i];
        }
        free(wide);
    }
}

/* 1-D operands as matrices, and the batch dimensions of each side. */
static void matmul_split(const struct ref_shape *s, bool is_left,
                         struct ref_shape *batch, int64_t *rows, int64_t *cols)
{
    *batch = *s;
    batch->rank = s->rank > 2 ? s->rank - 2 : 0;
    if (s->rank == 1) {
        *rows = is_left ? 1 : s->dim[0];
        *cols = is_left ? s->dim[0] : 1;
        return;
    }
    *rows = s->dim[s->rank - 2];
    *cols = s->dim[s->rank - 1];
}

bool ref_matmul_shape(const struct ref_shape *a, const struct ref_shape *b,
                      struct ref_shape *y)
{
    struct ref_shape a_batch;
    struct ref_shape b_batch;
    int64_t m;
    int64_t k;
    int64_t k_too;
    int64_t n;
    if (a->rank < 1 || b->rank < 1) {
        return false;
    }
    matmul_split(a, true, &a_batch, &m, &k);
    matmul_split(b, false, &b_batch, &k_too, &n);
    if (k != k_too || !ref_broadcast(&a_batch, &b_batch, y)) {
        return false;
    }
    if (a->rank > 1) {
        y->dim[y->rank++] = m;
    }
    if (b->rank > 1) {
        y->dim[y->rank++] = n;
    }
    return true;
}

/* For each batch of `y`, which batch of an operand of shape `s` it reads. */
static double *batch_numbers(const struct ref_shape *s,
                             const struct ref_shape *y)
{
    double *number = ref_alloc(ref_count(s));
    double *wide = ref_alloc(ref_count(y));
    for (int64_t i = 0; i < ref_count(s); i++) {
        number[i] = (double)i;
    }
    ref_expand(s, y, number, wide);
    free(number);
    return wide;
}

void ref_matmul(const struct ref_shape *a_shape, const double *a,
                const struct ref_shape *b_shape, const double *b, double *y)
{
    struct ref_shape a_batch;
    struct ref_shape b_batch;
    struct ref_shape batch;
    struct ref_gemm s = {.alpha = 1.0};
    matmul_split(a_shape, true, &a_batch, &s.m, &s.k);
    matmul_split(b_shape, false, &b_batch, &s.k, &s.n);
    if (!ref_broadcast(&a_batch, &b_batch, &batch)) {
        return;
    }
    double *a_ix = batch_numbers(&a_batch, &batch);
    double *b_ix = batch_numbers(&b_batch, &batch);
    for (int64_t i = 0; i < ref_count(&batch); i++) {
        ref_gemm(&s, a + (int64_t)a_ix[i] * s.m * s.k,
                 b + (int64_t)b_ix[i] * s.k * s.n, NULL, y + i * s.m * s.n);
    }
    free(a_ix);
    free(b_ix);
}

void ref_softmax(int64_t outer, int64_t len, int64_t inner, bool is_log,
                 const double *x, double *y)
{
    for (int64_t ix = 0; ix < outer * inner; ix++) {
        const int64_t at = ix / inner * len * inner + ix % inner;
        double top = -INFINITY;
        double sum = 0.0;
        for (int64_t i = 0; i < len; i++) {
            top = fmax(top, x[at + i * inner]);
        }
        for (int64_t i = 0; i < len; i++) {
            sum += exp(x[at + i * inner] - top);
        }
        for (int64_t i = 0; i < len; i++) {
            const double v = x[at + i * inner] - top;
            y[at + i * inner] = is_log ? v - log(sum) : exp(v) / sum;
        }
    }
}

void ref_batchnorm(int64_t n, int64_t c, int64_t size,
                   const struct ref_batchnorm *s, const double *x, double *y)
{
    for (int64_t i = 0; i < n * c * size; i++) {
        const int64_t ch = i / size % c;
        y[i] = s->scale[ch] * (x[i] - s->mean[ch]) /
                   sqrt(s->var[ch] + s->epsilon) +
               s->bias[ch];
    }
}

static void mean_and_inv(int64_t n, double epsilon, const double *x,
                         double *mean, double *inv)
{
    double sum = 0.0;
    double square = 0.0;
    for (int64_t i = 0; i < n; i++) {
        sum += x[i];
    }
    *mean = sum / (double)n;
    for (int64_t i = 0; i < n; i++) {
        square += (x[i] - *mean) * (x[i] - *mean);
    }
    *inv = 1.0 / sqrt(square / (double)n + epsilon);
}

void ref_instancenorm(int64_t n, int64_t c, int64_t size, const double *scale,
                      const double *bias, double epsilon, const double *x,
                      double *y)
{
    for (int64_t p = 0; p < n * c; p++) {
        double mean;
        double inv;
        mean_and_inv(size, epsilon, x + p * size, &mean, &inv);
        for (int64_t i = p * size; i < (p + 1) * size; i++) {
            y[i] = scale[p % c] * (x[i] - mean) * inv + bias[p % c];
        }
    }
}

void ref_layernorm(int64_t outer, int64_t inner, const struct ref_layernorm *s,
                   const double *x, double *y)
{
    for (int64_t p = 0; p < outer; p++) {
        double mean;
        double inv;
        mean_and_inv(inner, s->epsilon, x + p * inner, &mean, &inv);
        if (s->is_rms) {
            double square = 0.0;
            for (int64_t i = 0; i < inner; i++) {
                square += x[p * inner + i] * x[p * inner + i];
            }
            mean = 0.0;
            inv = 1.0 / sqrt(square / (double)inner + s->epsilon);
        }
        for (int64_t i = 0; i < inner; i++) {
            y[p * inner + i] = (x[p * inner + i] - mean) * inv * s->scale[i] +
                               (s->bias ? s->bias[i] : 0.0);
        }
        if (s->mean) {
            s->mean[p] = mean;
        }
        if (s->inv_std_dev) {
            s->inv_std_dev[p] = inv;
        }
    }
}

void ref_lrn(int64_t n, int64_t c, int64_t size, const struct ref_lrn *s,
             const double *x, double *y)
{
    /* channels [ch - floor((size-1)/2), ch + ceil((size-1)/2)] */
    const int64_t before = (s->size - 1) / 2;
    const int64_t after = s->size - 1 - before;
    for (int64_t i = 0; i < n * c * size; i++) {
        const int64_t ch = i / size % c;
        double sum = 0.0;
        for (int64_t j = ch - before; j <= ch + after; j++) {
            if (j >= 0 && j < c) {
                const double v = x[i + (j - ch) * size];
                sum += v * v;
            }
        }
        y[i] = x[i] / pow(s->bias + s->alpha / (double)s->size * sum, s->beta);
    }
}

/* The value that leaves a reduction unchanged. */
static double reduce_start(enum ref_reduce_op op)
{
    switch (op) {
    case REF_REDUCE_MAX:
        return -INFINITY;
    case REF_REDUCE_MIN:
        return INFINITY;
    case REF_REDUCE_PROD:
        return 1.0;
    case REF_REDUCE_SUM:
    case REF_REDUCE_MEAN:
    case REF_REDUCE_L1:
    case REF_REDUCE_L2:
    case REF_REDUCE_SUM_SQUARE:
    case REF_REDUCE_LOG_SUM:
    case REF_REDUCE_LOG_SUM_EXP:
        break;
    }
    return 0.0;
}

static double reduce_step(enum ref_reduce_op op, double acc, double v,
                          double top)
{
    switch (op) {
    case REF_REDUCE_MAX:
        return ref_binary_one(REF_MAX, acc, v);
    case REF_REDUCE_MIN:
        return ref_binary_one(REF_MIN, acc, v);
    case REF_REDUCE_PROD:
        return acc * v;
    case REF_REDUCE_L1:
        return acc + fabs(v);
    case REF_REDUCE_L2:
    case REF_REDUCE_SUM_SQUARE:
        return acc + v * v;
    case REF_REDUCE_LOG_SUM_EXP:
        return acc + exp(v - top);
    case REF_REDUCE_SUM:
    case REF_REDUCE_MEAN:
    case REF_REDUCE_LOG_SUM:
        break;
    }
    return acc + v;
}

static double reduce_end(enum ref_reduce_op op, double acc, double n,
                         double top)
{
    switch (op) {
    case REF_REDUCE_MEAN:
        return acc / n;
    case REF_REDUCE_L2:
        return sqrt(acc);
    case REF_REDUCE_LOG_SUM:
        return log(acc);
    case REF_REDUCE_LOG_SUM_EXP:
        return log(acc) + top;
    case REF_REDUCE_MAX:
    case REF_REDUCE_MIN:
    case REF_REDUCE_PROD:
    case REF_REDUCE_L1:
    case REF_REDUCE_SUM_SQUARE:
    case REF_REDUCE_SUM:
        break;
    }
    return acc;
}

void ref_reduce(enum ref_reduce_op op, const struct ref_shape *in,
                unsigned axes, const double *x, double *y)
{
    /* Transposes the reduced axes to the end, then sums runs. */
    int64_t perm[REF_MAX_RANK];
    int n = 0;
    int64_t runs = 1;
    int64_t len = 1;
    for (unsigned pass = 0; pass < 2; pass++) {
        for (int i = 0; i < in->rank; i++) {
            if ((axes >> i & 1U) == pass) {
                perm[n++] = i;
                *(pass == 0 ? &runs : &len) *= in->dim[i];
            }
        }
    }
    double *t = ref_alloc(ref_count(in));
    ref_transpose(in, perm, x, t);
    for (int64_t r = 0; r < runs; r++) {
        double top = -INFINITY;
        for (int64_t i = 0; i < len && op == REF_REDUCE_LOG_SUM_EXP; i++) {
            top = fmax(top, t[r * len + i]);
        }
        top = isinf(top) ? 0.0 : top;
        double acc = reduce_start(op);
        for (int64_t i = 0; i < len; i++) {
            acc = reduce_step(op, acc, t[r * len + i], top);
        }
        y[r] = reduce_end(op, acc, (double)len, top);
    }
    free(t);
}

void ref_argmax(int64_t outer, int64_t len, int64_t inner, bool is_min,
                bool select_last, const double *x, int64_t *y)
{
    for (int64_t ix = 0; ix < outer * inner; ix++) {
        const double *src = x + ix / inner * len * inner + ix % inner;
        int64_t best = 0;
        for (int64_t i = 1; i < len; i++) {
            const double v = is_min ? -src[i * inner] : src[i * inner];
            const double top = is_min ? -src[best * inner] : src[best * inner];
            if (v > top || (select_last && v >= top)) {
                best = i;
            }
        }
        y[ix] = best;
    }
}
