#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "passes/elem.h"
#include "passes/lower_draft.h"

enum { NO_AXIS = TENSOR_MAX_RANK };

/* An expression being built for the layer of node `root`. */
struct expr {
    struct lower *lw;
    uint32_t root;
    uint32_t n_node; /* beyond EXPR_MAX_STEP: it does not fit */
    uint32_t n_step; /* likewise */
    struct expr_step step[EXPR_MAX_STEP];
    uint32_t n_leaf; /* beyond LAYER_MAX_IN: likewise */
    uint32_t leaf[LAYER_MAX_IN];
    uint32_t axis[LAYER_MAX_IN]; /* of a vector: the dimension it goes
                                    along; else NO_AXIS */
    enum dtype type;             /* that the node being put computes in */
};

static void put(struct expr *e, struct expr_step s)
{
    if (e->n_step < EXPR_MAX_STEP) {
        e->step[e->n_step] = s;
    }
    e->n_step++;
}

static void put_op(struct expr *e, enum expr_op op)
{
    put(e, (struct expr_step){.op = op, .type = e->type});
}

static void put_imm(struct expr *e, double x)
{
    put(e,
        (struct expr_step){.op = EXPR_IMM, .imm = (float)x, .type = e->type});
}

/* x op imm, x being on the stack. */
static void put_with(struct expr *e, enum expr_op op, double imm)
{
    put_imm(e, imm);
    put_op(e, op);
}

static void put_leaf_as(struct expr *e, uint32_t value, uint32_t axis)
{
    uint32_t ix = 0;
    while (ix < e->n_leaf && ix < LAYER_MAX_IN &&
           (e->leaf[ix] != value || e->axis[ix] != axis)) {
        ix++;
    }
    if (ix == e->n_leaf) {
        if (ix < LAYER_MAX_IN) {
            e->leaf[ix] = value;
            e->axis[ix] = axis;
        }
        e->n_leaf++;
    }
    put(e, (struct expr_step){
               .op = EXPR_IN, .ix = ix, .type = e->lw->g->value[value].dtype});
}

static void put_leaf(struct expr *e, uint32_t value)
{
    put_leaf_as(e, value, NO_AXIS);
}

/* One number that a step can hold as it is. */
static bool is_immediate(const struct value *v, double *x)
{
    uint64_t n;
    if (!v->is_const || !shape_count(&v->shape, &n) || n != 1) {
        return false;
    }
    *x = elem_f64(v->dtype, v->data.data, 0);
    return isfinite(*x) && (double)(float)*x == *x &&
           (dtype_is_float(v->dtype) || fabs(*x) <= 0x1p24);
}

static bool put_node(struct expr *e, uint32_t node_ix);

/* Goes as deep as n_node allows. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static bool put_value(struct expr *e, uint32_t value)
{
    const struct value *const v = &e->lw->g->value[value];
    const uint32_t from = e->lw->uses.producer[value];
    double x;
    if (is_immediate(v, &x)) {
        put(e, (struct expr_step){
                   .op = EXPR_IMM, .imm = (float)x, .type = v->dtype});
        return true;
    }
    if (from != NODE_NONE && e->lw->inlined[from]) {
        return put_node(e, from);
    }
    put_leaf(e, value);
    return true;
}

/* ---- one function per form ------------------------------------------------
 */

static bool put_unary(struct expr *e, const struct node *n, enum expr_op op)
{
    if (!put_value(e, n->in[0])) {
        return false;
    }
    put_op(e, op);
    return true;
}

static bool put_binary(struct expr *e, const struct node *n, enum expr_op op)
{
    for (uint32_t k = 0; k < n->n_in; k++) {
        if (!put_value(e, n->in[k])) {
            return false;
        }
        if (k > 0) {
            put_op(e, op);
        }
    }
    return true;
}

static bool put_mean(struct expr *e, const struct node *n, enum expr_op op)
{
    if (!put_binary(e, n, op)) {
        return false;
    }
    put_with(e, EXPR_MUL, 1.0 / n->n_in);
    return true;
}

/* A bound of Clip: input k, which may be computed, or the attribute of old. */
static bool put_bound(struct expr *e, const struct node *n, uint32_t k,
                      const char *name, enum expr_op op)
{
    const struct value *const v = node_in(e->lw->g, n, k);
    const struct attr *const a = node_attr(n, name);
    if (v) {
        const bool is_open =
            v->is_const && isinf(elem_f64(v->dtype, v->data.data, 0));
        if (is_open) {
            return true;
        }
        if (!put_value(e, n->in[k])) {
            return false;
        }
        put_op(e, op);
    } else if (a && isfinite(a->f)) {
        put_with(e, op, (double)a->f);
    }
    return true;
}

static bool put_clip(struct expr *e, const struct node *n, enum expr_op op)
{
    return put_value(e, n->in[0]) && put_bound(e, n, 1, "min", op) &&
           put_bound(e, n, 2, "max", EXPR_MIN);
}

static bool put_leaky(struct expr *e, const struct node *n, enum expr_op op)
{
    if (!put_value(e, n->in[0])) {
        return false;
    }
    put_with(e, op, (double)node_float(n, "alpha", 0.01F));
    return true;
}

/* clip(a * x + b, 0, 1), x being on the stack. */
static void put_hard(struct expr *e, double a, double b)
{
    put_with(e, EXPR_MUL, a);
    put_with(e, EXPR_ADD, b);
    put_with(e, EXPR_MAX, 0.0);
    put_with(e, EXPR_MIN, 1.0);
}

static bool put_hard_sigmoid(struct expr *e, const struct node *n,
                             enum expr_op op)
{
    (void)op;
    if (!put_value(e, n->in[0])) {
        return false;
    }
    put_hard(e, (double)node_float(n, "alpha", 0.2F),
             (double)node_float(n, "beta", 0.5F));
    return true;
}

static bool put_hard_swish(struct expr *e, const struct node *n,
                           enum expr_op op)
{
    put_leaf(e, n->in[0]);
    put_leaf(e, n->in[0]);
    put_hard(e, 1.0 / 6, 0.5);
    put_op(e, op);
    return true;
}

/* x > 0 ? x : alpha * (exp(x) - 1) */
static bool put_elu(struct expr *e, const struct node *n, enum expr_op op)
{
    put_leaf(e, n->in[0]);
    put_with(e, EXPR_MAX, 0.0);
    put_leaf(e, n->in[0]);
    put_with(e, EXPR_MIN, 0.0);
    put_op(e, EXPR_EXP);
    put_with(e, EXPR_SUB, 1.0);
    put_with(e, EXPR_MUL, (double)node_float(n, "alpha", 1.0F));
    put_op(e, op);
    return true;
}

/* max(x, 0) + log(1 + exp(-|x|)) */
static bool put_softplus(struct expr *e, const struct node *n, enum expr_op op)
{
    put_leaf(e, n->in[0]);
    put_with(e, EXPR_MAX, 0.0);
    put_leaf(e, n->in[0]);
    put_op(e, EXPR_ABS);
    put_op(e, EXPR_NEG);
    put_op(e, EXPR_EXP);
    put_with(e, EXPR_ADD, 1.0);
    put_op(e, EXPR_LOG);
    put_op(e, op);
    return true;
}

/* x / 2 * (1 + erf(x / sqrt 2)), or with approximate = "tanh"
 * x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) */
static bool put_gelu(struct expr *e, const struct node *n, enum expr_op op)
{
    const uint32_t x = n->in[0];
    put_leaf(e, x);
    put_with(e, EXPR_MUL, 0.5);
    if (strcmp(node_string(n, "approximate", "none"), "tanh") == 0) {
        put_leaf(e, x);
        put_leaf(e, x);
        put_op(e, EXPR_MUL);
        put_with(e, EXPR_MUL, 0.044715);
        put_with(e, EXPR_ADD, 1.0);
        put_leaf(e, x);
        put_op(e, EXPR_MUL);
        put_with(e, EXPR_MUL, 0.79788456080286535588);
        put_op(e, EXPR_TANH);
    } else {
        put_leaf(e, x);
        put_with(e, EXPR_MUL, 0.70710678118654752440);
        put_op(e, EXPR_ERF);
    }
    put_with(e, EXPR_ADD, 1.0);
    put_op(e, op);
    return true;
}

/* As a * x + b where lower() has made the two constants, else
 * (x - mean) / sqrt(variance + epsilon) * scale + bias. */
static bool put_norm(struct expr *e, const struct node *n, enum expr_op op)
{
    const uint32_t node_ix = e->lw->uses.producer[n->out[0]];
    if (!put_value(e, n->in[0])) {
        return false;
    }
    if (e->lw->scale[node_ix] == VALUE_NONE) {
        put_leaf_as(e, n->in[3], 1);
        put_op(e, EXPR_SUB);
        put_leaf_as(e, n->in[4], 1);
        put_with(e, EXPR_ADD, (double)node_float(n, "epsilon", 1e-5F));
        put_op(e, EXPR_SQRT);
        put_op(e, EXPR_DIV);
        put_leaf_as(e, n->in[1], 1);
        put_op(e, EXPR_MUL);
        put_leaf_as(e, n->in[2], 1);
        put_op(e, op);
        return true;
    }
    put_leaf(e, e->lw->scale[node_ix]);
    put_op(e, EXPR_MUL);
    put_leaf(e, e->lw->shift[node_ix]);
    put_op(e, op);
    return true;
}

static void put_cast(struct expr *e, enum dtype from, enum dtype to)
{
    if (from != to) {
        put(e, (struct expr_step){
                   .op = EXPR_CAST, .ix = (uint32_t)from, .type = to});
    }
}

/* Whether input 2 is absent or all zeros. */
static bool has_no_zero(const struct expr *e, const struct node *n)
{
    const struct value *const v = node_in(e->lw->g, n, 2);
    uint64_t count = 0;
    bool is_zero = !v || shape_count(&v->shape, &count);
    for (uint64_t i = 0; i < count && is_zero; i++) {
        is_zero = elem_i64(v->dtype, v->data.data, i) == 0;
    }
    return is_zero;
}

/* A scale or zero point, input k: a number or a vector along the axis. */
static void put_quant(struct expr *e, const struct node *n, uint32_t k,
                      const struct quant_params *q)
{
    double x;
    if (q->form == QUANT_TENSOR &&
        is_immediate(&e->lw->g->value[n->in[k]], &x)) {
        put_imm(e, x);
        return;
    }
    const enum dtype t = e->lw->g->value[n->in[k]].dtype;
    put_leaf_as(e, n->in[k], q->form == QUANT_AXIS ? q->axis : NO_AXIS);
    put_cast(e, t, DTYPE_F32);
}

/* (x - zero) * scale */
static bool put_dequantize(struct expr *e, const struct node *n,
                           enum expr_op op)
{
    const enum dtype from = e->type;
    struct quant_params q;
    if (!quant_params(e->lw->g, e->lw->cx, n, &q) || !put_value(e, n->in[0])) {
        return false;
    }
    e->type = DTYPE_F32;
    put_cast(e, from, DTYPE_F32);
    if (!has_no_zero(e, n)) {
        put_quant(e, n, 2, &q);
        put_op(e, EXPR_SUB);
    }
    put_quant(e, n, 1, &q);
    put_op(e, op);
    return true;
}

/* saturate(round(x / scale) + zero) */
static bool put_quantize(struct expr *e, const struct node *n, enum expr_op op)
{
    struct quant_params q;
    if (!quant_params(e->lw->g, e->lw->cx, n, &q) || !put_value(e, n->in[0])) {
        return false;
    }
    put_quant(e, n, 1, &q);
    put_op(e, EXPR_DIV);
    put_op(e, EXPR_ROUND);
    if (!has_no_zero(e, n)) {
        put_quant(e, n, 2, &q);
        put_op(e, EXPR_ADD);
    }
    put(e, (struct expr_step){.op = op, .ix = DTYPE_F32, .type = q.type});
    return true;
}

/* In the type of the base; in f64 when that is an integer and the exponent is
 * not. */
static bool put_pow(struct expr *e, const struct node *n, enum expr_op op)
{
    const enum dtype base = e->type;
    const enum dtype power = e->lw->g->value[n->in[1]].dtype;
    const bool is_mixed = !dtype_is_float(base) && dtype_is_float(power);
    e->type = is_mixed ? DTYPE_F64 : base;
    if (!put_value(e, n->in[0])) {
        return false;
    }
    put_cast(e, base, e->type);
    if (!put_value(e, n->in[1])) {
        return false;
    }
    put_cast(e, power, e->type);
    put_op(e, op);
    put_cast(e, e->type, base);
    return true;
}

static bool put_mod(struct expr *e, const struct node *n, enum expr_op op)
{
    const bool is_fmod = node_int(n, "fmod", 0) != 0;
    if (dtype_is_float(e->type) && !is_fmod) {
        return node_error(e->lw->cx, n, E_OP_ATTR,
                          "of floats only fmod = 1 is defined");
    }
    return put_binary(e, n, is_fmod ? EXPR_FMOD : op);
}

static bool put_shift(struct expr *e, const struct node *n, enum expr_op op)
{
    const char *const way = node_string(n, "direction", "");
    const bool is_left = strcmp(way, "LEFT") == 0;
    if (!is_left && strcmp(way, "RIGHT") != 0) {
        return node_error(e->lw->cx, n, E_OP_ATTR,
                          "attribute 'direction' is '%s'; it must be LEFT or "
                          "RIGHT",
                          way);
    }
    return put_binary(e, n, is_left ? EXPR_SHL : op);
}

static bool put_isinf(struct expr *e, const struct node *n, enum expr_op op)
{
    if (!put_value(e, n->in[0])) {
        return false;
    }
    const bool positive = node_int(n, "detect_positive", 1) != 0;
    const bool negative = node_int(n, "detect_negative", 1) != 0;
    put(e, (struct expr_step){.op = op,
                              .ix = (positive ? 1U : 0U) | (negative ? 2U : 0U),
                              .type = e->type});
    return true;
}

/* lower() has made a condition that is known a float. */
static bool put_where(struct expr *e, const struct node *n, enum expr_op op)
{
    const uint32_t known = e->lw->scale[e->lw->uses.producer[n->out[0]]];
    if (known != VALUE_NONE) {
        put_leaf(e, known);
    } else if (!put_value(e, n->in[0])) {
        return false;
    }
    if (!put_value(e, n->in[1]) || !put_value(e, n->in[2])) {
        return false;
    }
    put_op(e, op);
    return true;
}

/* A mask that lower() has made chooses between x and 0. */
static bool put_trilu(struct expr *e, const struct node *n, enum expr_op op)
{
    put_leaf(e, e->lw->scale[e->lw->uses.producer[n->out[0]]]);
    put_leaf(e, n->in[0]);
    put_imm(e, 0.0);
    put_op(e, op);
    return true;
}

/* gamma * (max(x, 0) + alpha * (exp(min(x, 0)) - 1)) */
static bool put_selu(struct expr *e, const struct node *n, enum expr_op op)
{
    const uint32_t x = n->in[0];
    put_leaf(e, x);
    put_with(e, EXPR_MAX, 0.0);
    put_leaf(e, x);
    put_with(e, EXPR_MIN, 0.0);
    put_op(e, EXPR_EXP);
    put_with(e, EXPR_SUB, 1.0);
    put_with(e, EXPR_MUL,
             (double)node_float(n, "alpha", 1.67326319217681884765625F));
    put_op(e, op);
    put_with(e, EXPR_MUL,
             (double)node_float(n, "gamma", 1.05070102214813232421875F));
    return true;
}

/* max(x, 0) + alpha * (exp(min(x, 0) / alpha) - 1) */
static bool put_celu(struct expr *e, const struct node *n, enum expr_op op)
{
    const double alpha = (double)node_float(n, "alpha", 1.0F);
    put_leaf(e, n->in[0]);
    put_with(e, EXPR_MAX, 0.0);
    put_leaf(e, n->in[0]);
    put_with(e, EXPR_MIN, 0.0);
    put_with(e, EXPR_DIV, alpha);
    put_op(e, EXPR_EXP);
    put_with(e, EXPR_SUB, 1.0);
    put_with(e, EXPR_MUL, alpha);
    put_op(e, op);
    return true;
}

/* x * tanh(softplus(x)) */
static bool put_mish(struct expr *e, const struct node *n, enum expr_op op)
{
    if (!put_softplus(e, n, EXPR_ADD)) {
        return false;
    }
    put_op(e, EXPR_TANH);
    put_leaf(e, n->in[0]);
    put_op(e, op);
    return true;
}

/* x / (1 + |x|) */
static bool put_softsign(struct expr *e, const struct node *n, enum expr_op op)
{
    put_leaf(e, n->in[0]);
    put_leaf(e, n->in[0]);
    put_op(e, EXPR_ABS);
    put_with(e, EXPR_ADD, 1.0);
    put_op(e, op);
    return true;
}

/* x * sigmoid(alpha * x) */
static bool put_swish(struct expr *e, const struct node *n, enum expr_op op)
{
    put_leaf(e, n->in[0]);
    put_leaf(e, n->in[0]);
    put_with(e, EXPR_MUL, (double)node_float(n, "alpha", 1.0F));
    put_op(e, EXPR_SIGMOID);
    put_op(e, op);
    return true;
}

/* x > alpha ? x : 0 */
static bool put_thresholded(struct expr *e, const struct node *n,
                            enum expr_op op)
{
    put_leaf(e, n->in[0]);
    put_with(e, EXPR_GT, (double)node_float(n, "alpha", 1.0F));
    put_leaf(e, n->in[0]);
    put_imm(e, 0.0);
    put_op(e, op);
    return true;
}

/* x < -lambd ? x + bias : x > lambd ? x - bias : 0 */
static bool put_shrink(struct expr *e, const struct node *n, enum expr_op op)
{
    const double bias = (double)node_float(n, "bias", 0.0F);
    const double lambd = (double)node_float(n, "lambd", 0.5F);
    put_leaf(e, n->in[0]);
    put_with(e, EXPR_LT, -lambd);
    put_leaf(e, n->in[0]);
    put_with(e, EXPR_ADD, bias);
    put_leaf(e, n->in[0]);
    put_with(e, EXPR_GT, lambd);
    put_leaf(e, n->in[0]);
    put_with(e, EXPR_SUB, bias);
    put_imm(e, 0.0);
    put_op(e, op);
    put_op(e, op);
    return true;
}

static const struct ewise_op {
    bool (*put)(struct expr *e, const struct node *n, enum expr_op op);
    enum expr_op op;
    bool reads_twice;
} ewise_ops[OP_COUNT] = {
    [OP_ABS] = {put_unary, EXPR_ABS, false},
    [OP_ACOSH] = {put_unary, EXPR_ACOSH, false},
    [OP_ACOS] = {put_unary, EXPR_ACOS, false},
    [OP_ADD] = {put_binary, EXPR_ADD, false},
    [OP_AND] = {put_binary, EXPR_BITAND, false},
    [OP_ASINH] = {put_unary, EXPR_ASINH, false},
    [OP_ASIN] = {put_unary, EXPR_ASIN, false},
    [OP_ATANH] = {put_unary, EXPR_ATANH, false},
    [OP_ATAN] = {put_unary, EXPR_ATAN, false},
    [OP_BATCH_NORM] = {put_norm, EXPR_ADD, false},
    [OP_BITWISE_AND] = {put_binary, EXPR_BITAND, false},
    [OP_BITWISE_NOT] = {put_unary, EXPR_BITNOT, false},
    [OP_BITWISE_OR] = {put_binary, EXPR_BITOR, false},
    [OP_BITWISE_XOR] = {put_binary, EXPR_BITXOR, false},
    [OP_BIT_SHIFT] = {put_shift, EXPR_SHR, false},
    [OP_CEIL] = {put_unary, EXPR_CEIL, false},
    [OP_CELU] = {put_celu, EXPR_ADD, true},
    [OP_CLIP] = {put_clip, EXPR_MAX, false},
    [OP_COSH] = {put_unary, EXPR_COSH, false},
    [OP_COS] = {put_unary, EXPR_COS, false},
    [OP_DEQUANTIZE] = {put_dequantize, EXPR_MUL, false},
    [OP_DIV] = {put_binary, EXPR_DIV, false},
    [OP_ELU] = {put_elu, EXPR_ADD, true},
    [OP_EQUAL] = {put_binary, EXPR_EQ, false},
    [OP_ERF] = {put_unary, EXPR_ERF, false},
    [OP_EXP] = {put_unary, EXPR_EXP, false},
    [OP_FLOOR] = {put_unary, EXPR_FLOOR, false},
    [OP_GELU] = {put_gelu, EXPR_MUL, true},
    [OP_GREATER] = {put_binary, EXPR_GT, false},
    [OP_GREATER_OR_EQUAL] = {put_binary, EXPR_GE, false},
    [OP_HARD_SIGMOID] = {put_hard_sigmoid, EXPR_MAX, false},
    [OP_HARD_SWISH] = {put_hard_swish, EXPR_MUL, true},
    [OP_IS_INF] = {put_isinf, EXPR_ISINF, false},
    [OP_IS_NAN] = {put_unary, EXPR_ISNAN, false},
    [OP_LEAKY_RELU] = {put_leaky, EXPR_PRELU, false},
    [OP_LESS] = {put_binary, EXPR_LT, false},
    [OP_LESS_OR_EQUAL] = {put_binary, EXPR_LE, false},
    [OP_LOG] = {put_unary, EXPR_LOG, false},
    [OP_MAX] = {put_binary, EXPR_MAX, false},
    [OP_MEAN] = {put_mean, EXPR_ADD, false},
    [OP_MIN] = {put_binary, EXPR_MIN, false},
    [OP_MISH] = {put_mish, EXPR_MUL, true},
    [OP_MOD] = {put_mod, EXPR_MOD, false},
    [OP_MUL] = {put_binary, EXPR_MUL, false},
    [OP_NEG] = {put_unary, EXPR_NEG, false},
    [OP_NOT] = {put_unary, EXPR_NOT, false},
    [OP_OR] = {put_binary, EXPR_BITOR, false},
    [OP_POW] = {put_pow, EXPR_POW, false},
    [OP_PRELU] = {put_binary, EXPR_PRELU, false},
    [OP_QUANTIZE] = {put_quantize, EXPR_SATURATE, false},
    [OP_RECIPROCAL] = {put_unary, EXPR_RECIP, false},
    [OP_RELU] = {put_unary, EXPR_RELU, false},
    [OP_ROUND] = {put_unary, EXPR_ROUND, false},
    [OP_SELU] = {put_selu, EXPR_ADD, true},
    [OP_SHRINK] = {put_shrink, EXPR_SELECT, true},
    [OP_SIGMOID] = {put_unary, EXPR_SIGMOID, false},
    [OP_SIGN] = {put_unary, EXPR_SIGN, false},
    [OP_SINH] = {put_unary, EXPR_SINH, false},
    [OP_SIN] = {put_unary, EXPR_SIN, false},
    [OP_SOFTPLUS] = {put_softplus, EXPR_ADD, true},
    [OP_SOFTSIGN] = {put_softsign, EXPR_DIV, true},
    [OP_SQRT] = {put_unary, EXPR_SQRT, false},
    [OP_SUB] = {put_binary, EXPR_SUB, false},
    [OP_SUM] = {put_binary, EXPR_ADD, false},
    [OP_SWISH] = {put_swish, EXPR_MUL, true},
    [OP_TANH] = {put_unary, EXPR_TANH, false},
    [OP_TAN] = {put_unary, EXPR_TAN, false},
    [OP_THRESHOLDED_RELU] = {put_thresholded, EXPR_SELECT, true},
    [OP_TRILU] = {put_trilu, EXPR_SELECT, true},
    [OP_WHERE] = {put_where, EXPR_SELECT, false},
    [OP_XOR] = {put_binary, EXPR_BITXOR, false},
};

bool ewise_is_op(enum op_id op)
{
    return ewise_ops[op].put != NULL;
}

static bool is_byte(enum dtype t)
{
    return t == DTYPE_I8 || t == DTYPE_U8;
}

bool ewise_is_fast(const struct lower *lw, const struct node *n)
{
    const struct value *const x = node_in(lw->g, n, 0);
    if (n->op == OP_DEQUANTIZE) {
        return is_byte(x->dtype);
    }
    if (n->op == OP_QUANTIZE) {
        return x->dtype == DTYPE_F32 && is_byte(lw->g->value[n->out[0]].dtype);
    }
    const bool is_where = n->op == OP_WHERE;
    if (is_where && lw->scale[lw->uses.producer[n->out[0]]] == VALUE_NONE) {
        return false;
    }
    for (uint32_t k = is_where; k < n->n_in; k++) {
        const struct value *const v = node_in(lw->g, n, k);
        if (v && v->dtype != DTYPE_F32) {
            return false;
        }
    }
    return ewise_ops[n->op].put &&
           (is_where || ewise_ops[n->op].op <= EXPR_PRELU);
}

bool ewise_reads_twice(enum op_id op)
{
    return ewise_ops[op].reads_twice;
}

/* NOLINTNEXTLINE(misc-no-recursion): likewise */
static bool put_node(struct expr *e, uint32_t node_ix)
{
    const struct node *const n = &e->lw->g->node[node_ix];
    if (e->n_node++ >= EXPR_MAX_STEP) {
        return true; /* it does not fit anyway */
    }
    /* The layer's own activation reads its result twice for free. */
    const enum dtype before = e->type;
    e->type = e->lw->g->value[n->in[n->op == OP_WHERE ? 1 : 0]].dtype;
    bool is_ok;
    if (node_ix == e->root && n->op == OP_HARD_SWISH && e->type == DTYPE_F32) {
        is_ok = put_value(e, n->in[0]);
    } else {
        const struct ewise_op *const o = &ewise_ops[n->op];
        is_ok = o->put(e, n, o->op);
    }
    e->type = before;
    return is_ok;
}

static bool expr_is_held(const struct expr *e)
{
    return e->n_node <= EXPR_MAX_STEP && e->n_step <= EXPR_MAX_STEP &&
           e->n_leaf <= LAYER_MAX_IN;
}

bool lower_ewise_fits(struct lower *lw, uint32_t node_ix)
{
    struct expr e = {.lw = lw, .root = node_ix};
    return put_node(&e, node_ix) && expr_is_held(&e);
}

/* The operand whose layout the result takes: of those with all its elements
 * the first that lives by rows, else the first, else the largest. */
static uint32_t main_operand(const struct lower *lw, const struct view *in,
                             uint32_t n_in, uint64_t count)
{
    uint32_t best = 0;
    uint64_t best_rank = 0;
    for (uint32_t i = 0; i < n_in; i++) {
        const uint64_t own = view_count(&in[i]);
        const bool is_const = in[i].buf == BUF_WEIGHTS;
        uint64_t rank = is_const ? 1 : 2;
        if (own == count && !is_const) {
            rank = lw->buf[in[i].buf].row != 0 ? 4 : 3;
        }
        if (rank > best_rank ||
            (rank == best_rank && rank < 3 && own > view_count(&in[best]))) {
            best = i;
            best_rank = rank;
        }
    }
    return best;
}

/* Drafts an elementwise layer over n_in views, each of which broadcasts to the
 * value `out`, whose view it sets. */
static bool draft_ewise(struct lower *lw, uint32_t node_ix, uint32_t value,
                        struct view *in, uint32_t n_in,
                        const struct ewise_param *p, enum act act)
{
    const struct value *const v = &lw->g->value[value];
    const uint32_t rank = v->shape.rank;
    uint64_t dim[TENSOR_MAX_RANK];
    uint64_t count = 1;
    dims_of(&v->shape, dim);
    for (uint32_t k = 0; k < rank; k++) {
        count *= dim[k];
    }
    const uint32_t like = main_operand(lw, in, n_in, count);
    /* Of a broadcast operand only the order counts: expanded, its dimensions
     * of stride 0 would come last. */
    struct view model = view_expand(&in[like], rank, dim);
    if (view_count(&in[like]) != count || in[like].buf == BUF_WEIGHTS) {
        view_plain(&model, BUF_WEIGHTS, v->dtype, rank, dim);
    }
    struct view out;
    if (!lower_fresh(lw, v->name, v->dtype, rank, dim, &model, &out)) {
        return false;
    }
    struct draft *const d = lower_new_draft(lw, node_ix, LAYER_EWISE);
    if (!d) {
        return false;
    }
    d->y.n_in = n_in;
    d->y.p.ewise = *p;
    d->y.epi.act = act;
    d->out = out;
    for (uint32_t i = 0; i < n_in; i++) {
        d->in[i] = view_expand(&in[i], rank, dim);
    }
    lower_set(lw, value, &out);
    return true;
}

bool lower_ewise(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const bool is_swish =
        n->op == OP_HARD_SWISH && lw->g->value[n->out[0]].dtype == DTYPE_F32;
    struct expr e = {.lw = lw, .root = node_ix};
    struct view in[LAYER_MAX_IN];
    if (!put_node(&e, node_ix)) {
        return false;
    }
    if (!expr_is_held(&e)) {
        return node_error(lw->cx, n, E_UNSUPPORTED,
                          "at most %u different inputs are supported, not %u",
                          (unsigned)LAYER_MAX_IN, e.n_leaf);
    }
    for (uint32_t i = 0; i < e.n_leaf; i++) {
        if (!lower_get(lw, node_ix, e.leaf[i], &in[i])) {
            return false;
        }
        const uint32_t rank = lw->g->value[n->out[0]].shape.rank;
        if (e.axis[i] != NO_AXIS && rank > e.axis[i] + 1) {
            /* [C] as [C, 1, ...] */
            in[i].rank = rank - e.axis[i];
            for (uint32_t k = 1; k < in[i].rank; k++) {
                in[i].dim[k] = 1;
                in[i].stride[k] = 0;
            }
        }
    }
    struct ewise_param p = {.n_step = e.n_step};
    memcpy(p.step, e.step, e.n_step * sizeof e.step[0]);
    return draft_ewise(lw, node_ix, n->out[0], in, e.n_leaf, &p,
                       is_swish ? ACT_HARDSWISH : ACT_NONE);
}

bool lower_scaled_sum(struct lower *lw, uint32_t node_ix, struct view *a,
                      float alpha, struct view *b, float beta)
{
    struct view in[2] = {*a};
    const enum dtype t = a->dtype;
    struct ewise_param p = {
        .n_step = 3,
        .step = {{.op = EXPR_IN, .type = t},
                 {.op = EXPR_IMM, .imm = alpha, .type = t},
                 {.op = EXPR_MUL, .type = t}},
    };
    if (b) {
        static const enum expr_op tail[] = {EXPR_IN, EXPR_IMM, EXPR_MUL,
                                            EXPR_ADD};
        in[1] = *b;
        for (uint32_t i = 0; i < ARRAY_LEN(tail); i++) {
            p.step[p.n_step++] = (struct expr_step){
                .op = tail[i], .ix = 1, .imm = beta, .type = t};
        }
    }
    return draft_ewise(lw, node_ix, lw->g->node[node_ix].out[0], in, b ? 2 : 1,
                       &p, ACT_NONE);
}

bool lower_cast(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const struct value *const v = &lw->g->value[n->out[0]];
    struct view in;
    struct view out;
    if (!lower_get(lw, node_ix, n->in[0], &in)) {
        return false;
    }
    if (in.dtype == v->dtype) {
        lower_set(lw, n->out[0], &in);
        return true;
    }
    if (!lower_fresh(lw, v->name, v->dtype, in.rank, in.dim, &in, &out)) {
        return false;
    }
    struct draft *const d = lower_new_draft(lw, node_ix, LAYER_CAST);
    if (!d) {
        return false;
    }
    const char *const round = node_string(n, "round_mode", "up");
    d->y.n_in = 1;
    d->y.p.cast.saturate = node_int(n, "saturate", 1) != 0;
    d->y.p.cast.round = strcmp(round, "up") == 0     ? CAST_UP
                        : strcmp(round, "down") == 0 ? CAST_DOWN
                                                     : CAST_NEAREST;
    d->in[0] = in;
    d->out = out;
    lower_set(lw, n->out[0], &out);
    return true;
}
