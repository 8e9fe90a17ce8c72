/* ref_node.c - evaluates one node: its arguments, elementwise operators and the
 * table of all operators. */
#include "ref_node.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- arguments ---- */

static bool located(const struct ref_call *c, bool is_unsupported,
                    const char *what)
{
    const char *name = c->node->name ? c->node->name : "";
    if (name[0] == '\0' && c->node->n_output > 0) {
        name = c->node->output[0];
    }
    return ref_fail(c->err, is_unsupported, "node '%s' (%s): %s", name,
                    c->node->op_type, what);
}

bool ref_bad(const struct ref_call *c, const char *what)
{
    return located(c, false, what);
}

bool ref_unsupported(const struct ref_call *c, const char *what)
{
    return located(c, true, what);
}

const Onnx__AttributeProto *ref_attr(const struct ref_call *c, const char *name)
{
    for (size_t i = 0; i < c->node->n_attribute; i++) {
        if (strcmp(c->node->attribute[i]->name, name) == 0) {
            return c->node->attribute[i];
        }
    }
    return NULL;
}

int64_t ref_attr_int(const struct ref_call *c, const char *name,
                     int64_t otherwise)
{
    const Onnx__AttributeProto *a = ref_attr(c, name);
    return a ? a->i : otherwise;
}

double ref_attr_float(const struct ref_call *c, const char *name,
                      double otherwise)
{
    const Onnx__AttributeProto *a = ref_attr(c, name);
    return a ? (double)a->f : otherwise;
}

bool ref_attr_choice(const struct ref_call *c, const char *name,
                     const char *const *names, int n, int *index)
{
    const Onnx__AttributeProto *a = ref_attr(c, name);
    *index = 0;
    if (!a) {
        return true;
    }
    for (int i = 0; i < n; i++) {
        if (names[i] && strlen(names[i]) == a->s.len &&
            memcmp(names[i], a->s.data, a->s.len) == 0) {
            *index = i;
            return true;
        }
    }
    return ref_unsupported(c, name);
}

bool ref_arg_list(const struct ref_call *c, const char *name, int input_ix,
                  struct ref_list *list, bool *is_there)
{
    const Onnx__AttributeProto *a = ref_attr(c, name);
    const struct ref_tensor *t = ref_in(c, input_ix);
    const int64_t *v = a ? a->ints : ref_in_ints(c, input_ix);
    const int64_t n = a ? (int64_t)a->n_ints : t ? ref_count(&t->shape) : 0;
    list->n = 0;
    *is_there = a || t;
    if (n > REF_MAX_LIST || (n > 0 && !v)) {
        return ref_unsupported(c, "a list is too long or not of integers");
    }
    for (int64_t i = 0; i < n; i++) {
        list->v[list->n++] = v[i];
    }
    return true;
}

double ref_arg_number(struct ref_call *c, const char *name, int input_ix,
                      double otherwise)
{
    const struct ref_tensor *t = ref_in(c, input_ix);
    return t && ref_count(&t->shape) > 0 ? *ref_in_floats(c, input_ix)
                                         : ref_attr_float(c, name, otherwise);
}

bool ref_axis(const struct ref_call *c, int64_t axis, int n, int *ix)
{
    *ix = 0;
    if (axis < -n || axis >= n) {
        return ref_bad(c, "an axis is out of range");
    }
    *ix = (int)(axis < 0 ? axis + n : axis);
    return true;
}

const struct ref_tensor *ref_in(const struct ref_call *c, int ix)
{
    return ix >= 0 && ix < c->n_in ? c->in[ix] : NULL;
}

const double *ref_in_floats(struct ref_call *c, int ix)
{
    const struct ref_tensor *t = ref_in(c, ix);
    if (!t || ref_is_float(t->type)) {
        return t ? t->data : NULL;
    }
    if (!c->temp[ix]) {
        const int64_t *v = t->data;
        double *wide = ref_alloc(ref_count(&t->shape));
        for (int64_t i = 0; i < ref_count(&t->shape); i++) {
            wide[i] = (double)v[i];
        }
        c->temp[ix] = wide;
    }
    return c->temp[ix];
}

const int64_t *ref_in_ints(const struct ref_call *c, int ix)
{
    const struct ref_tensor *t = ref_in(c, ix);
    return t && !ref_is_float(t->type) ? t->data : NULL;
}

bool ref_wants(const struct ref_call *c, int ix)
{
    return ix < c->n_out && c->node->output[ix][0] != '\0';
}

void *ref_out(struct ref_call *c, int ix, enum ref_type type,
              const struct ref_shape *shape)
{
    c->out[ix] = ref_tensor_new(type, shape);
    return c->out[ix]->data;
}

double *ref_out_floats(struct ref_call *c, int ix, enum ref_type type,
                       const struct ref_shape *shape)
{
    c->rounded |= ref_is_float(type) ? 0U : 1U << ix;
    return ref_out(c, ix, type, shape);
}

/* Doubles to integers in place. */
static void round_output(struct ref_tensor *t)
{
    char *data = t->data;
    for (int64_t i = 0; i < ref_count(&t->shape); i++) {
        double v;
        memcpy(&v, data + i * 8, 8);
        int64_t n = 0;
        if (t->type == REF_BOOL) {
            n = v != 0.0;
        } else if (v >= 9223372036854775808.0) {
            n = INT64_MAX;
        } else if (v >= -9223372036854775808.0) {
            n = ref_wrap(t->type, (int64_t)v);
        } else if (v < 0.0) {
            n = INT64_MIN;
        }
        memcpy(data + i * 8, &n, 8);
    }
}

/* ---- elementwise ---- */

static bool run_unary(struct ref_call *c, int kind)
{
    static const char *const gelu[] = {"none", "tanh"};
    const struct ref_tensor *x = c->in[0];
    double p = 0.0;
    double q = 0.0;
    int form = 0;
    switch (kind) {
    case REF_LEAKY_RELU:
        p = ref_attr_float(c, "alpha", (double)0.01F);
        break;
    case REF_HARD_SIGMOID:
        p = ref_attr_float(c, "alpha", (double)0.2F);
        q = ref_attr_float(c, "beta", 0.5);
        break;
    case REF_ELU:
    case REF_CELU:
    case REF_THRESHOLDED_RELU:
        p = ref_attr_float(c, "alpha", 1.0);
        break;
    case REF_SELU:
        p = ref_attr_float(c, "alpha", 1.67326319217681884765625);
        q = ref_attr_float(c, "gamma", 1.05070102214813232421875);
        break;
    case REF_CLIP:
        p = ref_arg_number(c, "min", 1, -INFINITY);
        q = ref_arg_number(c, "max", 2, INFINITY);
        break;
    case REF_GELU:
        if (!ref_attr_choice(c, "approximate", gelu, 2, &form)) {
            return false;
        }
        kind = form == 0 ? REF_GELU : REF_GELU_TANH;
        break;
    default:
        break;
    }
    const double *src = ref_in_floats(c, 0);
    ref_unary_all((enum ref_unary_op)kind, p, q, ref_count(&x->shape), src,
                  ref_out_floats(c, 0, x->type, &x->shape));
    return true;
}

static bool run_not(struct ref_call *c, int kind)
{
    (void)kind;
    const int64_t *x = ref_in_ints(c, 0);
    if (!x) {
        return ref_bad(c, "the input is not bool");
    }
    int64_t *y = ref_out(c, 0, REF_BOOL, &c->in[0]->shape);
    for (int64_t i = 0; i < ref_count(&c->in[0]->shape); i++) {
        y[i] = !x[i];
    }
    return true;
}

static bool run_is_nan(struct ref_call *c, int kind)
{
    (void)kind;
    const double *x = ref_in_floats(c, 0);
    if (!x) {
        return ref_bad(c, "the input is not a float");
    }
    int64_t *y = ref_out(c, 0, REF_BOOL, &c->in[0]->shape);
    for (int64_t i = 0; i < ref_count(&c->in[0]->shape); i++) {
        y[i] = isnan(x[i]);
    }
    return true;
}

/* *acc (owned) becomes op(*acc, b). */
static bool fold(struct ref_call *c, enum ref_binary_op op,
                 struct ref_tensor **acc, const struct ref_tensor *b)
{
    struct ref_tensor *a = *acc;
    struct ref_shape s;
    if (!ref_broadcast(&a->shape, &b->shape, &s)) {
        return ref_bad(c, "shapes do not broadcast");
    }
    const int64_t n = ref_count(&s);
    const enum ref_type type = op >= REF_EQUAL ? REF_BOOL : a->type;
    struct ref_tensor *y = ref_tensor_new(type, &s);
    struct ref_tensor *wide = ref_tensor_new(b->type, &s);
    ref_expand(&a->shape, &s, a->data, y->data);
    ref_expand(&b->shape, &s, b->data, wide->data);
    const bool a_is_float = ref_is_float(a->type);
    const bool b_is_float = ref_is_float(b->type);
    for (int64_t i = 0; i < n; i++) {
        /* 8-byte slots whose type changes: through memcpy */
        char *slot = (char *)y->data + i * 8;
        double af;
        int64_t ai;
        memcpy(&af, slot, 8);
        memcpy(&ai, slot, 8);
        const double bf = b_is_float ? ((double *)wide->data)[i]
                                     : (double)((int64_t *)wide->data)[i];
        if (a_is_float || b_is_float) {
            const double v =
                ref_binary_one(op, a_is_float ? af : (double)ai, bf);
            if (ref_is_float(type)) {
                memcpy(slot, &v, 8);
            } else {
                ai = ref_wrap(type, (int64_t)v);
                memcpy(slot, &ai, 8);
            }
        } else {
            ai = ref_wrap(type,
                          ref_binary_int(op, ai, ((int64_t *)wide->data)[i]));
            memcpy(slot, &ai, 8);
        }
    }
    ref_tensor_free(wide);
    ref_tensor_free(a);
    *acc = y;
    return true;
}

static bool run_binary(struct ref_call *c, int kind)
{
    if (kind == REF_MOD && ref_attr_int(c, "fmod", 0) != 0) {
        kind = REF_FMOD;
    }
    if (kind != REF_POW && c->in[0]->type != c->in[1]->type) {
        return ref_bad(c, "inputs differ in type");
    }
    c->out[0] = ref_tensor_copy(c->in[0]);
    return fold(c, (enum ref_binary_op)kind, &c->out[0], c->in[1]);
}

/* Sum, Max, Min; Mean is a Sum with kind REF_DIV. */
static bool run_variadic(struct ref_call *c, int kind)
{
    const bool is_mean = kind == REF_DIV;
    c->out[0] = ref_tensor_copy(c->in[0]);
    for (int i = 1; i < c->n_in; i++) {
        if (!c->in[i] || c->in[i]->type != c->in[0]->type) {
            return ref_bad(c, "inputs differ in type");
        }
        if (!fold(c, is_mean ? REF_ADD : (enum ref_binary_op)kind, &c->out[0],
                  c->in[i])) {
            return false;
        }
    }
    if (!is_mean) {
        return true;
    }
    const struct ref_shape none = {0, {0}};
    struct ref_tensor *n = ref_tensor_new(REF_F32, &none);
    *(double *)n->data = (double)c->n_in;
    const bool is_ok = fold(c, REF_DIV, &c->out[0], n);
    ref_tensor_free(n);
    return is_ok;
}

/* The nearest value with `digits` bits of significand, ties to even; least is
 * the exponent of the smallest subnormal. */
static double round_bits(double v, int digits, int least, double top)
{
    int exponent;
    if (v == 0.0 || !isfinite(v)) {
        return v;
    }
    frexp(v, &exponent);
    const int unit = exponent - digits > least ? exponent - digits : least;
    const double r = ldexp(nearbyint(ldexp(v, -unit)), unit);
    return fabs(r) > top ? copysign(INFINITY, v) : r;
}

static bool run_cast(struct ref_call *c, int kind)
{
    (void)kind;
    const struct ref_tensor *x = c->in[0];
    const enum ref_type to = (enum ref_type)ref_attr_int(c, "to", 0);
    const int64_t n = ref_count(&x->shape);
    if (to < REF_F32 || to > REF_BF16 || to == 8 || to == 14 || to == 15) {
        return ref_unsupported(c, "the target type");
    }
    if (!ref_is_float(to) && !ref_is_float(x->type)) {
        const int64_t *src = x->data;
        int64_t *y = ref_out(c, 0, to, &x->shape);
        for (int64_t i = 0; i < n; i++) {
            y[i] = ref_wrap(to, src[i]);
        }
        return true;
    }
    const double *src = ref_in_floats(c, 0);
    double *y = ref_out_floats(c, 0, to, &x->shape);
    for (int64_t i = 0; i < n; i++) {
        y[i] = to == REF_F16    ? round_bits(src[i], 11, -24, 65504.0)
               : to == REF_BF16 ? round_bits(src[i], 8, -133, 0x1.fep127)
                                : src[i];
    }
    return true;
}

/* ---- the table ---- */

struct operator
{
    const char *name;
    ref_node_fn *run;
    int kind;
    int n_required; /* inputs */
};

/* clang-format off */
static const struct operator operators[] = {
    {"Relu", run_unary, REF_RELU, 1},
    {"LeakyRelu", run_unary, REF_LEAKY_RELU, 1},
    {"Clip", run_unary, REF_CLIP, 1},
    {"Sigmoid", run_unary, REF_SIGMOID, 1},
    {"HardSigmoid", run_unary, REF_HARD_SIGMOID, 1},
    {"HardSwish", run_unary, REF_HARD_SWISH, 1},
    {"Tanh", run_unary, REF_TANH, 1},
    {"Exp", run_unary, REF_EXP, 1},
    {"Sqrt", run_unary, REF_SQRT, 1},
    {"Erf", run_unary, REF_ERF, 1},
    {"Elu", run_unary, REF_ELU, 1},
    {"Celu", run_unary, REF_CELU, 1},
    {"Selu", run_unary, REF_SELU, 1},
    {"Gelu", run_unary, REF_GELU, 1},
    {"Mish", run_unary, REF_MISH, 1},
    {"Softplus", run_unary, REF_SOFTPLUS, 1},
    {"Softsign", run_unary, REF_SOFTSIGN, 1},
    {"ThresholdedRelu", run_unary, REF_THRESHOLDED_RELU, 1},
    {"Neg", run_unary, REF_NEG, 1},
    {"Abs", run_unary, REF_ABS, 1},
    {"Sign", run_unary, REF_SIGN, 1},
    {"Log", run_unary, REF_LOG, 1},
    {"Reciprocal", run_unary, REF_RECIPROCAL, 1},
    {"Floor", run_unary, REF_FLOOR, 1},
    {"Ceil", run_unary, REF_CEIL, 1},
    {"Round", run_unary, REF_ROUND, 1},
    {"Sin", run_unary, REF_SIN, 1},
    {"Cos", run_unary, REF_COS, 1},
    {"Not", run_not, 0, 1},
    {"IsNaN", run_is_nan, 0, 1},
    {"Cast", run_cast, 0, 1},
    {"Add", run_binary, REF_ADD, 2},
    {"Sub", run_binary, REF_SUB, 2},
    {"Mul", run_binary, REF_MUL, 2},
    {"Div", run_binary, REF_DIV, 2},
    {"Pow", run_binary, REF_POW, 2},
    {"PRelu", run_binary, REF_PRELU, 2},
    {"Mod", run_binary, REF_MOD, 2},
    {"Equal", run_binary, REF_EQUAL, 2},
    {"Less", run_binary, REF_LESS, 2},
    {"LessOrEqual", run_binary, REF_LESS_EQUAL, 2},
    {"Greater", run_binary, REF_GREATER, 2},
    {"GreaterOrEqual", run_binary, REF_GREATER_EQUAL, 2},
    {"And", run_binary, REF_AND, 2},
    {"Or", run_binary, REF_OR, 2},
    {"Xor", run_binary, REF_XOR, 2},
    {"Sum", run_variadic, REF_ADD, 1},
    {"Mean", run_variadic, REF_DIV, 1},
    {"Max", run_variadic, REF_MAX, 1},
    {"Min", run_variadic, REF_MIN, 1},
    {"Conv", ref_run_conv, 0, 2},
    {"ConvTranspose", ref_run_conv, 1, 2},
    {"MaxPool", ref_run_pool, 0, 1},
    {"AveragePool", ref_run_pool, 1, 1},
    {"GlobalMaxPool", ref_run_global_pool, 0, 1},
    {"GlobalAveragePool", ref_run_global_pool, 1, 1},
    {"Gemm", ref_run_gemm, 0, 2},
    {"MatMul", ref_run_matmul, 0, 2},
    {"Softmax", ref_run_softmax, 0, 1},
    {"LogSoftmax", ref_run_softmax, 1, 1},
    {"BatchNormalization", ref_run_batchnorm, 0, 5},
    {"InstanceNormalization", ref_run_batchnorm, 1, 3},
    {"LayerNormalization", ref_run_layernorm, 0, 2},
    {"RMSNormalization", ref_run_layernorm, 1, 2},
    {"LRN", ref_run_lrn, 0, 1},
    {"ReduceSum", ref_run_reduce, REF_REDUCE_SUM, 1},
    {"ReduceMean", ref_run_reduce, REF_REDUCE_MEAN, 1},
    {"ReduceMax", ref_run_reduce, REF_REDUCE_MAX, 1},
    {"ReduceMin", ref_run_reduce, REF_REDUCE_MIN, 1},
    {"ReduceProd", ref_run_reduce, REF_REDUCE_PROD, 1},
    {"ReduceL1", ref_run_reduce, REF_REDUCE_L1, 1},
    {"ReduceL2", ref_run_reduce, REF_REDUCE_L2, 1},
    {"ReduceSumSquare", ref_run_reduce, REF_REDUCE_SUM_SQUARE, 1},
    {"ReduceLogSum", ref_run_reduce, REF_REDUCE_LOG_SUM, 1},
    {"ReduceLogSumExp", ref_run_reduce, REF_REDUCE_LOG_SUM_EXP, 1},
    {"ArgMax", ref_run_argmax, 0, 1},
    {"ArgMin", ref_run_argmax, 1, 1},
    {"CumSum", ref_run_cumsum, 0, 2},
    {"QuantizeLinear", ref_run_quantize, 0, 2},
    {"DequantizeLinear", ref_run_dequantize, 0, 2},
    {"Resize", ref_run_resize, 0, 1},
    {"Upsample", ref_run_resize, 1, 1},
    {"Transpose", ref_run_transpose, 0, 1},
    {"Concat", ref_run_concat, 0, 1},
    {"Split", ref_run_split, 0, 1},
    {"Slice", ref_run_slice, 0, 1},
    {"Gather", ref_run_gather, 0, 2},
    {"Reshape", ref_run_reshape, 0, 1},
    {"Flatten", ref_run_view, REF_MOVE_FLATTEN, 1},
    {"Squeeze", ref_run_view, REF_MOVE_SQUEEZE, 1},
    {"Unsqueeze", ref_run_view, REF_MOVE_UNSQUEEZE, 1},
    {"Identity", ref_run_view, REF_MOVE_IDENTITY, 1},
    {"Dropout", ref_run_view, REF_MOVE_IDENTITY, 1},
    {"Shape", ref_run_shape, 0, 1},
    {"Size", ref_run_size, 0, 1},
    {"Constant", ref_run_constant, 0, 0},
    {"ConstantOfShape", ref_run_fill, 0, 1},
    {"Expand", ref_run_expand, 0, 2},
    {"Tile", ref_run_tile, 0, 2},
    {"Where", ref_run_where, 0, 3},
    {"Pad", ref_run_pad, 0, 1},
    {"Range", ref_run_range, 0, 3},
    {"DepthToSpace", ref_run_blocks, REF_DEPTH_TO_SPACE, 1},
    {"SpaceToDepth", ref_run_blocks, REF_SPACE_TO_DEPTH, 1},
    {"Trilu", ref_run_trilu, 0, 1},
};
/* clang-format on */

bool ref_node_run(struct ref_call *c)
{
    const struct operator* op = NULL;
    const char *domain = c->node->domain ? c->node->domain : "";
    const size_t n = sizeof(operators) / sizeof(operators[0]);
    const bool is_ours = !domain[0] || strcmp(domain, "ai.onnx") == 0;
    for (size_t i = 0; i < n && is_ours; i++) {
        if (strcmp(operators[i].name, c->node->op_type) == 0) {
            op = &operators[i];
        }
    }
    if (!op) {
        return ref_unsupported(c, "the operator is not covered");
    }
    for (int i = 0; i < op->n_required; i++) {
        if (!ref_in(c, i)) {
            return ref_bad(c, "a required input is absent");
        }
    }
    if (c->n_out < 1 || c->n_out > 32) {
        return ref_unsupported(c, "the number of outputs");
    }
    c->temp = ref_alloc(c->n_in);
    const bool is_ok = op->run(c, op->kind);
    for (int i = 0; i < c->n_in; i++) {
        free(c->temp[i]);
    }
    free(c->temp);
    for (int i = 0; i < c->n_out && is_ok; i++) {
        if (c->out[i] && c->rounded >> i & 1U) {
            round_output(c->out[i]);
        }
    }
    return is_ok;
}
