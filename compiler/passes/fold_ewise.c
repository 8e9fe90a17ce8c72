#include "passes/fold.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "passes/elem.h"

static uint64_t count_of(const struct value *v)
{
    uint64_t count = 0;
    const bool is_ok = shape_count(&v->shape, &count);
    return is_ok ? count : 0;
}

/* ---- one operand ----------------------------------------------------------
 */

static double f_neg(double x)
{
    return -x;
}

static double f_recip(double x)
{
    return 1 / x;
}

static double f_relu(double x)
{
    return x < 0 ? 0 : x; /* NaN stays */
}

static double f_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double f_sign(double x)
{
    return x > 0 ? 1 : x < 0 ? -1 : x;
}

static int64_t i_neg(int64_t x)
{
    return (int64_t)(0 - (uint64_t)x);
}

static int64_t i_abs(int64_t x)
{
    return x < 0 ? i_neg(x) : x;
}

static int64_t i_relu(int64_t x)
{
    return x < 0 ? 0 : x;
}

static int64_t i_sign(int64_t x)
{
    return (x > 0) - (x < 0);
}

static int64_t i_not(int64_t x)
{
    return x == 0;
}

static double (*const unary_f64[OP_COUNT])(double) = {
    [OP_ABS] = fabs,    [OP_CEIL] = ceil,  [OP_COS] = cos,
    [OP_ERF] = erf,     [OP_EXP] = exp,    [OP_FLOOR] = floor,
    [OP_LOG] = log,     [OP_NEG] = f_neg,  [OP_RECIPROCAL] = f_recip,
    [OP_RELU] = f_relu, [OP_ROUND] = rint, [OP_SIGMOID] = f_sigmoid,
    [OP_SIGN] = f_sign, [OP_SIN] = sin,    [OP_SQRT] = sqrt,
    [OP_TANH] = tanh,
};

static int64_t (*const unary_i64[OP_COUNT])(int64_t) = {
    [OP_ABS] = i_abs,   [OP_NEG] = i_neg,   [OP_NOT] = i_not,
    [OP_RELU] = i_relu, [OP_SIGN] = i_sign,
};

enum fold_end fold_unary(struct fold *f, const struct node *n)
{
    const enum dtype t = node_in(f->g, n, 0)->dtype;
    const bool is_float = dtype_is_float(t);
    if (t == DTYPE_U64 || (is_float ? !unary_f64[n->op] : !unary_i64[n->op])) {
        return FOLD_NOT;
    }
    uint8_t *const dst = fold_alloc(f, n, 0);
    if (!dst) {
        return FOLD_FAILED;
    }
    const uint8_t *const src = node_in(f->g, n, 0)->data.data;
    const uint64_t count = count_of(node_out(f->g, n, 0));
    for (uint64_t i = 0; i < count; i++) {
        if (is_float) {
            elem_put_f64(t, dst, i, unary_f64[n->op](elem_f64(t, src, i)));
        } else {
            elem_put_i64(t, dst, i, unary_i64[n->op](elem_i64(t, src, i)));
        }
    }
    return FOLD_DONE;
}

/* ---- two operands ---------------------------------------------------------
 */

static double f_add(double a, double b)
{
    return a + b;
}

static double f_sub(double a, double b)
{
    return a - b;
}

static double f_mul(double a, double b)
{
    return a * b;
}

static double f_div(double a, double b)
{
    return a / b;
}

/* NaN wins, as in numpy. */
static double f_max(double a, double b)
{
    return isnan(a) || a > b ? a : b;
}

static double f_min(double a, double b)
{
    return isnan(a) || a < b ? a : b;
}

static double f_equal(double a, double b)
{
    return a == b;
}

static double f_greater(double a, double b)
{
    return a > b;
}

static double f_greater_equal(double a, double b)
{
    return a >= b;
}

static double f_less(double a, double b)
{
    return a < b;
}

static double f_less_equal(double a, double b)
{
    return a <= b;
}

static double (*const binary_f64[OP_COUNT])(double, double) = {
    [OP_ADD] = f_add,
    [OP_DIV] = f_div,
    [OP_EQUAL] = f_equal,
    [OP_GREATER] = f_greater,
    [OP_GREATER_OR_EQUAL] = f_greater_equal,
    [OP_LESS] = f_less,
    [OP_LESS_OR_EQUAL] = f_less_equal,
    [OP_MAX] = f_max,
    [OP_MEAN] = f_add,
    [OP_MIN] = f_min,
    [OP_MOD] = fmod,
    [OP_MUL] = f_mul,
    [OP_POW] = pow,
    [OP_SUB] = f_sub,
    [OP_SUM] = f_add,
};

/* Sums and products wrap: done without sign, where that is defined. */
static int64_t i_add(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

static int64_t i_sub(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a - (uint64_t)b);
}

static int64_t i_mul(int64_t a, int64_t b)
{
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

/* b is not 0. */
static int64_t i_div(int64_t a, int64_t b)
{
    return b == -1 ? i_neg(a) : a / b;
}

/* The sign is the divisor's, as in Python; b is not 0. */
static int64_t i_mod(int64_t a, int64_t b)
{
    const int64_t rest = b == -1 ? 0 : a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

static int64_t i_pow(int64_t a, int64_t b)
{
    if (b < 0) {
        return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
    }
    int64_t power = 1;
    for (; b > 0; b >>= 1) {
        power = b & 1 ? i_mul(power, a) : power;
        a = i_mul(a, a);
    }
    return power;
}

static int64_t i_max(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t i_min(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t i_equal(int64_t a, int64_t b)
{
    return a == b;
}

static int64_t i_greater(int64_t a, int64_t b)
{
    return a > b;
}

static int64_t i_greater_equal(int64_t a, int64_t b)
{
    return a >= b;
}

static int64_t i_less(int64_t a, int64_t b)
{
    return a < b;
}

static int64_t i_less_equal(int64_t a, int64_t b)
{
    return a <= b;
}

static int64_t i_and(int64_t a, int64_t b)
{
    return a && b;
}

static int64_t i_or(int64_t a, int64_t b)
{
    return a || b;
}

static int64_t i_xor(int64_t a, int64_t b)
{
    return !a != !b;
}

static int64_t (*const binary_i64[OP_COUNT])(int64_t, int64_t) = {
    [OP_ADD] = i_add,         [OP_AND] = i_and,
    [OP_DIV] = i_div,         [OP_EQUAL] = i_equal,
    [OP_GREATER] = i_greater, [OP_GREATER_OR_EQUAL] = i_greater_equal,
    [OP_LESS] = i_less,       [OP_LESS_OR_EQUAL] = i_less_equal,
    [OP_MAX] = i_max,         [OP_MIN] = i_min,
    [OP_MOD] = i_mod,         [OP_MUL] = i_mul,
    [OP_OR] = i_or,           [OP_POW] = i_pow,
    [OP_SUB] = i_sub,         [OP_SUM] = i_add,
    [OP_XOR] = i_xor,
};

/* Whether some element of a constant of integers is 0. */
static bool has_zero(const struct value *v)
{
    const uint64_t count = count_of(v);
    for (uint64_t i = 0; i < count; i++) {
        if (elem_i64(v->dtype, v->data.data, i) == 0) {
            return true;
        }
    }
    return false;
}

enum fold_end fold_binary(struct fold *f, const struct node *n)
{
    const struct value *const a = node_in(f->g, n, 0);
    const struct value *const b = node_in(f->g, n, 1);
    const bool is_float = dtype_is_float(a->dtype) || dtype_is_float(b->dtype);
    /* fmod of integers has C's sign; nobody needs it in constants. */
    if (a->dtype == DTYPE_U64 || b->dtype == DTYPE_U64 ||
        (n->op == OP_MOD && is_float != (node_int(n, "fmod", 0) != 0)) ||
        (is_float ? !binary_f64[n->op] : !binary_i64[n->op])) {
        return FOLD_NOT;
    }
    if (!is_float && (n->op == OP_DIV || n->op == OP_MOD) && has_zero(b)) {
        (void)node_error(f->cx, n, E_CONST, "it divides integers by 0");
        return FOLD_FAILED;
    }
    uint8_t *const dst = fold_alloc(f, n, 0);
    if (!dst) {
        return FOLD_FAILED;
    }
    const struct value *const out = node_out(f->g, n, 0);
    const uint64_t count = count_of(out);
    struct walk w;
    walk_begin(&w, &out->shape);
    walk_operand(&w, &a->shape);
    walk_operand(&w, &b->shape);
    for (uint64_t i = 0; i < count; i++) {
        if (is_float) {
            const double x = elem_f64(a->dtype, a->data.data, w.at[0]);
            const double y = elem_f64(b->dtype, b->data.data, w.at[1]);
            elem_put_f64(out->dtype, dst, i, binary_f64[n->op](x, y));
        } else {
            const int64_t x = elem_i64(a->dtype, a->data.data, w.at[0]);
            const int64_t y = elem_i64(b->dtype, b->data.data, w.at[1]);
            elem_put_i64(out->dtype, dst, i, binary_i64[n->op](x, y));
        }
        walk_next(&w);
    }
    return FOLD_DONE;
}

/* ---- any number of operands -----------------------------------------------
 */

/* Sum, Max, Min, Mean: input by input over the output, in its own type. */
enum fold_end fold_variadic(struct fold *f, const struct node *n)
{
    const struct value *const out = node_out(f->g, n, 0);
    const enum dtype t = out->dtype;
    const bool is_float = dtype_is_float(t);
    if (t == DTYPE_U64 ||
        (is_float ? !binary_f64[n->op] : !binary_i64[n->op])) {
        return FOLD_NOT;
    }
    uint8_t *const dst = fold_alloc(f, n, 0);
    if (!dst) {
        return FOLD_FAILED;
    }
    const uint64_t count = count_of(out);
    for (uint32_t k = 0; k < n->n_in; k++) {
        const struct value *const in = node_in(f->g, n, k);
        const uint8_t *const src = in->data.data;
        struct walk w;
        walk_begin(&w, &out->shape);
        walk_operand(&w, &in->shape);
        for (uint64_t i = 0; i < count; i++) {
            if (is_float) {
                const double x = elem_f64(t, src, w.at[0]);
                elem_put_f64(t, dst, i,
                             k ? binary_f64[n->op](elem_f64(t, dst, i), x) : x);
            } else {
                const int64_t x = elem_i64(t, src, w.at[0]);
                elem_put_i64(t, dst, i,
                             k ? binary_i64[n->op](elem_i64(t, dst, i), x) : x);
            }
            walk_next(&w);
        }
    }
    for (uint64_t i = 0; n->op == OP_MEAN && i < count; i++) {
        elem_put_f64(t, dst, i, elem_f64(t, dst, i) / n->n_in);
    }
    return FOLD_DONE;
}

enum fold_end fold_where(struct fold *f, const struct node *n)
{
    uint8_t *const dst = fold_alloc(f, n, 0);
    if (!dst) {
        return FOLD_FAILED;
    }
    const struct value *const out = node_out(f->g, n, 0);
    const struct value *const cond = node_in(f->g, n, 0);
    struct walk w;
    walk_begin(&w, &out->shape);
    for (uint32_t k = 0; k < 3; k++) {
        walk_operand(&w, &node_in(f->g, n, k)->shape);
    }
    const uint32_t size = dtype_bytes(out->dtype);
    const uint64_t count = count_of(out);
    for (uint64_t i = 0; i < count; i++) {
        const uint32_t k = cond->data.data[w.at[0]] ? 1 : 2;
        memcpy(dst + i * size, node_in(f->g, n, k)->data.data + w.at[k] * size,
               size);
        walk_next(&w);
    }
    return FOLD_DONE;
}

enum fold_end fold_cast(struct fold *f, const struct node *n)
{
    if (node_in(f->g, n, 0)->dtype > DTYPE_BF16 ||
        node_out(f->g, n, 0)->dtype > DTYPE_BF16) {
        return FOLD_NOT;
    }
    uint8_t *const dst = fold_alloc(f, n, 0);
    if (!dst) {
        return FOLD_FAILED;
    }
    const struct value *const in = node_in(f->g, n, 0);
    const enum dtype to = node_out(f->g, n, 0)->dtype;
    const uint64_t count = count_of(in);
    const bool is_float = dtype_is_float(in->dtype) ||
                          (in->dtype == DTYPE_U64 && dtype_is_float(to));
    for (uint64_t i = 0; i < count; i++) {
        if (is_float) {
            elem_put_f64(to, dst, i, elem_f64(in->dtype, in->data.data, i));
        } else {
            elem_put_i64(to, dst, i, elem_i64(in->dtype, in->data.data, i));
        }
    }
    return FOLD_DONE;
}

enum fold_end fold_clip(struct fold *f, const struct node *n)
{
    const struct value *const in = node_in(f->g, n, 0);
    struct clip_params c;
    if (!clip_params(f->g, f->cx, n, &c)) {
        return FOLD_FAILED;
    }
    /* Bounds of 64-bit integers may not fit a double. */
    if (in->dtype == DTYPE_I64 || in->dtype == DTYPE_U64) {
        return FOLD_NOT;
    }
    uint8_t *const dst = fold_alloc(f, n, 0);
    if (!dst) {
        return FOLD_FAILED;
    }
    const uint64_t count = count_of(in);
    for (uint64_t i = 0; i < count; i++) {
        const double x = elem_f64(in->dtype, in->data.data, i);
        const double low = x < c.min ? c.min : x;
        elem_put_f64(in->dtype, dst, i, low > c.max ? c.max : low);
    }
    return FOLD_DONE;
}

/* ---- reductions -----------------------------------------------------------
 */

static double reduce_step(enum op_id op, double acc, double x)
{
    return op == OP_REDUCE_MAX    ? f_max(acc, x)
           : op == OP_REDUCE_MIN  ? f_min(acc, x)
           : op == OP_REDUCE_PROD ? acc * x
           : op == OP_REDUCE_L2   ? acc + x * x
                                  : acc + x;
}

static double reduce_first(enum op_id op)
{
    return op == OP_REDUCE_MAX    ? -INFINITY
           : op == OP_REDUCE_MIN  ? INFINITY
           : op == OP_REDUCE_PROD ? 1
                                  : 0;
}

/* In double: exact for the sizes that shape arithmetic deals with. */
enum fold_end fold_reduce(struct fold *f, const struct node *n)
{
    const struct value *const in = node_in(f->g, n, 0);
    bool is_axis[TENSOR_MAX_RANK];
    if (!axes_params(f->g, f->cx, n, is_axis)) {
        return FOLD_FAILED;
    }
    const uint64_t n_in = count_of(in);
    const uint64_t n_out = count_of(node_out(f->g, n, 0));
    if (n_in == 0 || (in->dtype == DTYPE_I64 && n->op == OP_REDUCE_PROD)) {
        return FOLD_NOT;
    }
    double *const acc = arena_new(f->cx->scratch, double, n_out);
    uint8_t *const dst = fold_alloc(f, n, 0);
    if (!acc || !dst) {
        return FOLD_FAILED;
    }
    for (uint64_t i = 0; i < n_out; i++) {
        acc[i] = reduce_first(n->op);
    }
    /* The accumulators seen under the input's shape: reduced dimensions are 1.
     */
    struct shape kept = in->shape;
    for (uint32_t i = 0; i < kept.rank; i++) {
        kept.dim[i] = is_axis[i] ? 1 : kept.dim[i];
    }
    struct walk w;
    walk_begin(&w, &in->shape);
    walk_operand(&w, &kept);
    for (uint64_t i = 0; i < n_in; i++) {
        acc[w.at[0]] = reduce_step(n->op, acc[w.at[0]],
                                   elem_f64(in->dtype, in->data.data, i));
        walk_next(&w);
    }
    const uint64_t n_each = n_out > 0 ? n_in / n_out : 1;
    for (uint64_t i = 0; i < n_out; i++) {
        const double x = n->op == OP_REDUCE_MEAN ? acc[i] / (double)n_each
                         : n->op == OP_REDUCE_L2 ? sqrt(acc[i])
                                                 : acc[i];
        elem_put_f64(in->dtype, dst, i, x);
    }
    return FOLD_DONE;
}
