/* ref_element.c - elementwise operators and broadcasting. */
#include "reference.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void *ref_alloc(int64_t n)
{
    void *p = calloc(n > 0 ? (size_t)n : 1, 8);
    if (!p) {
        fprintf(stderr, "reference: no memory for %lld elements\n",
                (long long)n);
        exit(4);
    }
    return p;
}

int64_t ref_span(const struct ref_shape *s, int from, int to)
{
    int64_t n = 1;
    for (int i = from; i < to; i++) {
        n *= s->dim[i];
    }
    return n;
}

int64_t ref_count(const struct ref_shape *s)
{
    return ref_span(s, 0, s->rank);
}

bool ref_same_shape(const struct ref_shape *a, const struct ref_shape *b)
{
    if (a->rank != b->rank) {
        return false;
    }
    for (int i = 0; i < a->rank; i++) {
        if (a->dim[i] != b->dim[i]) {
            return false;
        }
    }
    return true;
}

static double softplus(double x)
{
    return x > 0.0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

/* min and max that let a NaN through, unlike fmin and fmax. */
static double low(double a, double b)
{
    return isnan(a) || a < b ? a : b;
}

static double high(double a, double b)
{
    return isnan(a) || a > b ? a : b;
}

double ref_unary(enum ref_unary_op op, double p, double q, double x)
{
    switch (op) {
    case REF_RELU:
        return high(x, 0.0);
    case REF_LEAKY_RELU:
        return x < 0.0 ? p * x : x;
    case REF_CLIP:
        return low(high(x, p), q);
    case REF_SIGMOID:
        return 1.0 / (1.0 + exp(-x));
    case REF_HARD_SIGMOID:
        return low(high(p * x + q, 0.0), 1.0);
    case REF_HARD_SWISH:
        return x * low(high(x / 6.0 + 0.5, 0.0), 1.0);
    case REF_TANH:
        return tanh(x);
    case REF_EXP:
        return exp(x);
    case REF_SQRT:
        return sqrt(x);
    case REF_ERF:
        return erf(x);
    case REF_ELU:
        return x < 0.0 ? p * expm1(x) : x;
    case REF_CELU:
        return high(x, 0.0) + low(0.0, p * expm1(x / p));
    case REF_SELU:
        return q * (x > 0.0 ? x : p * expm1(x));
    case REF_GELU:
        return 0.5 * x * (1.0 + erf(x / sqrt(2.0)));
    case REF_GELU_TANH:
        return 0.5 * x *
               (1.0 +
                tanh(sqrt(2.0 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
    case REF_MISH:
        return x * tanh(softplus(x));
    case REF_SOFTPLUS:
        return softplus(x);
    case REF_SOFTSIGN:
        return x / (1.0 + fabs(x));
    case REF_THRESHOLDED_RELU:
        return x > p ? x : 0.0;
    case REF_NEG:
        return -x;
    case REF_ABS:
        return fabs(x);
    case REF_SIGN:
        return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x;
    case REF_LOG:
        return log(x);
    case REF_RECIPROCAL:
        return 1.0 / x;
    case REF_FLOOR:
        return floor(x);
    case REF_CEIL:
        return ceil(x);
    case REF_ROUND:
        return nearbyint(x);
    case REF_SIN:
        return sin(x);
    case REF_COS:
        return cos(x);
    case REF_IDENTITY:
        break;
    }
    return x;
}

void ref_unary_all(enum ref_unary_op op, double p, double q, int64_t n,
                   const double *x, double *y)
{
    for (int64_t i = 0; i < n; i++) {
        y[i] = ref_unary(op, p, q, x[i]);
    }
}

double ref_binary_one(enum ref_binary_op op, double a, double b)
{
    switch (op) {
    case REF_ADD:
        return a + b;
    case REF_SUB:
        return a - b;
    case REF_MUL:
        return a * b;
    case REF_DIV:
        return a / b;
    case REF_POW:
        return pow(a, b);
    case REF_MIN:
        return low(a, b);
    case REF_MAX:
        return high(a, b);
    case REF_PRELU:
        return a < 0.0 ? a * b : a;
    case REF_MOD:
        return a - b * floor(a / b);
    case REF_FMOD:
        return fmod(a, b);
    case REF_EQUAL:
        return a == b;
    case REF_LESS:
        return a < b;
    case REF_LESS_EQUAL:
        return a <= b;
    case REF_GREATER:
        return a > b;
    case REF_GREATER_EQUAL:
        return a >= b;
    case REF_AND:
        return a != 0.0 && b != 0.0;
    case REF_OR:
        return a != 0.0 || b != 0.0;
    case REF_XOR:
        return (a != 0.0) != (b != 0.0);
    }
    return 0.0;
}

int64_t ref_binary_int(enum ref_binary_op op, int64_t a, int64_t b)
{
    const uint64_t ua = (uint64_t)a; /* wraps without undefined behaviour */
    const uint64_t ub = (uint64_t)b;
    switch (op) {
    case REF_ADD:
        return (int64_t)(ua + ub);
    case REF_SUB:
        return (int64_t)(ua - ub);
    case REF_MUL:
    case REF_PRELU:
        return op == REF_MUL || a < 0 ? (int64_t)(ua * ub) : a;
    case REF_DIV:
        return b == 0 ? 0 : b == -1 ? (int64_t)(0 - ua) : a / b;
    case REF_MOD:
    case REF_FMOD: {
        const int64_t r = b == 0 || b == -1 ? 0 : a % b;
        return op == REF_MOD && r != 0 && (r < 0) != (b < 0) ? r + b : r;
    }
    case REF_POW: {
        uint64_t y = 1;
        for (int64_t i = 0; i < b; i++) {
            y *= ua;
        }
        return (int64_t)y;
    }
    case REF_MIN:
        return a < b ? a : b;
    case REF_MAX:
        return a > b ? a : b;
    case REF_EQUAL:
        return a == b;
    case REF_LESS:
        return a < b;
    case REF_LESS_EQUAL:
        return a <= b;
    case REF_GREATER:
        return a > b;
    case REF_GREATER_EQUAL:
        return a >= b;
    case REF_AND:
        return a && b;
    case REF_OR:
        return a || b;
    case REF_XOR:
        return !a != !b;
    }
    return 0;
}

bool ref_broadcast(const struct ref_shape *a, const struct ref_shape *b,
                   struct ref_shape *y)
{
    struct ref_shape s = {a->rank > b->rank ? a->rank : b->rank, {0}};
    for (int i = 1; i <= s.rank; i++) {
        const int64_t da = i <= a->rank ? a->dim[a->rank - i] : 1;
        const int64_t db = i <= b->rank ? b->dim[b->rank - i] : 1;
        if (da != db && da != 1 && db != 1) {
            return false;
        }
        s.dim[s.rank - i] = da == 1 ? db : da;
    }
    *y = s;
    return true;
}

void ref_binary(enum ref_binary_op op, const struct ref_shape *a_shape,
                const double *a, const struct ref_shape *b_shape,
                const double *b, double *y)
{
    struct ref_shape s;
    if (!ref_broadcast(a_shape, b_shape, &s)) {
        return;
    }
    double *wide = ref_alloc(ref_count(&s));
    ref_expand(a_shape, &s, a, y);
    ref_expand(b_shape, &s, b, wide);
    for (int64_t i = 0; i < ref_count(&s); i++) {
        y[i] = ref_binary_one(op, y[i], wide[i]);
    }
    free(wide);
}
