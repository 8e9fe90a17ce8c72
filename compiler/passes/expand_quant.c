/* Quantisation by its definition, for what has no integer layer: numbers in
 * f32, products in i32. */
#include <string.h>

#include "passes/expand.h"

/* ---- parameters -----------------------------------------------------------
 */

static bool is_known(const struct expand *e, uint32_t v)
{
    return v == VALUE_NONE || e->g->value[v].is_const;
}

/* One number, as a scalar. */
static uint32_t as_scalar(struct expand *e, uint32_t v)
{
    return ex_shape(e, v).rank == 0 ? v : ex_reshape(e, v, NULL, 0);
}

/* A number stays one; a vector goes along dimension `axis` of `rank`. */
static uint32_t along(struct expand *e, uint32_t v, uint32_t axis,
                      uint32_t rank)
{
    const struct shape s = ex_shape(e, v);
    uint64_t n = 0;
    if (!shape_count(&s, &n) || n == 1) {
        return as_scalar(e, v);
    }
    int64_t dim[TENSOR_MAX_RANK] = {(int64_t)n};
    for (uint32_t k = axis + 1; k < rank; k++) {
        dim[k - axis] = 1;
    }
    return ex_reshape(e, v, dim, rank - axis);
}

/* Each element `block` times along the axis, as far as dimension `n` goes. */
static uint32_t repeated(struct expand *e, uint32_t v, uint32_t axis,
                         int64_t block, int64_t n)
{
    struct shape s = ex_shape(e, v);
    if (s.rank == TENSOR_MAX_RANK) {
        e->is_ok = node_error(e->cx, ex_self(e), E_UNSUPPORTED,
                              "blocks of %u dimensions", s.rank);
        return VALUE_NONE;
    }
    struct shape cut = {.rank = s.rank + 1};
    for (uint32_t k = 0; k < s.rank; k++) {
        cut.dim[k <= axis ? k : k + 1] = s.dim[k];
    }
    cut.dim[axis + 1] = 1;
    v = ex_reshape(e, v, cut.dim, cut.rank);
    cut.dim[axis + 1] = block;
    v = ex_expand(e, v, &cut);
    s.dim[axis] *= block;
    v = ex_reshape(e, v, s.dim, s.rank);
    return s.dim[axis] == n ? v : ex_slice(e, v, axis, 0, n);
}

/* Input i, a scale or zero point of QuantizeLinear or DequantizeLinear, in f32
 * and so that it broadcasts. */
static uint32_t parameter(struct expand *e, const struct quant_params *q,
                          uint32_t i)
{
    uint32_t v = ex_in(e, i);
    if (v == VALUE_NONE) {
        return v;
    }
    const struct shape x = ex_shape(e, ex_in(e, 0));
    v = ex_cast(e, v, DTYPE_F32);
    if (q->form == QUANT_BLOCKED) {
        return repeated(e, v, q->axis, q->block, x.dim[q->axis]);
    }
    return q->form == QUANT_AXIS ? along(e, v, q->axis, x.rank)
                                 : as_scalar(e, v);
}

/* f32 values, already in units of the scale, as numbers of the type. zero, in
 * f32, may be VALUE_NONE. */
static uint32_t rounded(struct expand *e, uint32_t v, uint32_t zero,
                        enum dtype t)
{
    double low;
    double high;
    if (quant_range(t, &low, &high)) {
        v = ex_op1(e, OP_ROUND, v);
        v = zero == VALUE_NONE ? v : ex_op2(e, OP_ADD, v, zero);
        v = ex_op3(e, OP_CLIP, v, ex_number(e, DTYPE_F32, low),
                   ex_number(e, DTYPE_F32, high));
        return ex_cast(e, v, t);
    }
    const struct attr attr[2] = {
        {.name = "to", .kind = ATTR_INT, .i = (int64_t)t},
        {.name = "saturate",
         .kind = ATTR_INT,
         .i = node_int(ex_self(e), "saturate", 1)}};
    return ex_node(e, VALUE_NONE, OP_CAST, &v, 1, attr, 2);
}

/* ---- QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear --------------
 */

/* Whether it is elementwise with constant parameters, of types that the layer
 * has. */
static bool is_plain(const struct expand *e, const struct quant_params *q)
{
    const enum dtype x = e->g->value[ex_in(e, 0)].dtype;
    const enum dtype t = ex_self(e)->op == OP_QUANTIZE ? q->type : x;
    const bool is_number =
        t == DTYPE_U8 || t == DTYPE_I8 || t == DTYPE_U16 || t == DTYPE_I16;
    return q->form != QUANT_BLOCKED && is_number && is_known(e, ex_in(e, 1)) &&
           is_known(e, ex_in(e, 2)) && x != DTYPE_I32;
}

bool expand_quantize(struct expand *e)
{
    struct quant_params q;
    if (!quant_params(e->g, e->cx, ex_self(e), &q)) {
        return false;
    }
    if (is_plain(e, &q)) {
        return true;
    }
    const uint32_t x = ex_cast(e, ex_in(e, 0), DTYPE_F32);
    const uint32_t v = ex_op2(e, OP_DIV, x, parameter(e, &q, 1));
    ex_give(e, 0, rounded(e, v, parameter(e, &q, 2), q.type));
    return ex_done(e);
}

bool expand_dequantize(struct expand *e)
{
    struct quant_params q;
    if (!quant_params(e->g, e->cx, ex_self(e), &q)) {
        return false;
    }
    if (is_plain(e, &q)) {
        return true;
    }
    const uint32_t zero = parameter(e, &q, 2);
    uint32_t v = ex_cast(e, ex_in(e, 0), DTYPE_F32);
    v = zero == VALUE_NONE ? v : ex_op2(e, OP_SUB, v, zero);
    ex_give(e, 0, ex_op2(e, OP_MUL, v, parameter(e, &q, 1)));
    return ex_done(e);
}

bool expand_dynamic_quantize(struct expand *e)
{
    const uint32_t x = ex_in(e, 0);
    const uint32_t zero = ex_number(e, DTYPE_F32, 0);
    const uint32_t most = ex_number(e, DTYPE_F32, 255);
    const uint32_t max =
        ex_op2(e, OP_MAX, as_scalar(e, ex_op1(e, OP_REDUCE_MAX, x)), zero);
    const uint32_t min =
        ex_op2(e, OP_MIN, as_scalar(e, ex_op1(e, OP_REDUCE_MIN, x)), zero);
    const uint32_t range = ex_op2(e, OP_SUB, max, min);
    /* Of nothing but zeros the scale does not matter, but for not being 0. */
    const uint32_t scale =
        ex_op3(e, OP_WHERE, ex_op2(e, OP_EQUAL, range, zero),
               ex_number(e, DTYPE_F32, 1), ex_op2(e, OP_DIV, range, most));
    const uint32_t at = ex_op2(e, OP_SUB, zero, ex_op2(e, OP_DIV, min, scale));
    const uint32_t point =
        ex_op1(e, OP_ROUND, ex_op3(e, OP_CLIP, at, zero, most));
    ex_give(e, 1, scale);
    ex_give(e, 2, ex_cast(e, point, DTYPE_U8));
    ex_give(e, 0, rounded(e, ex_op2(e, OP_DIV, x, scale), point, DTYPE_U8));
    return ex_done(e);
}

/* ---- products in i32 ------------------------------------------------------
 */

/* Numbers in i32 less their zero point, which goes along the axis. */
static uint32_t centred(struct expand *e, uint32_t v, uint32_t zero,
                        uint32_t axis)
{
    const uint32_t rank = ex_shape(e, v).rank;
    v = ex_cast(e, v, DTYPE_I32);
    return zero == VALUE_NONE
               ? v
               : ex_op2(e, OP_SUB, v,
                        along(e, ex_cast(e, zero, DTYPE_I32), axis, rank));
}

/* Convolution of x with w, both in i32; with the node's attributes. */
static uint32_t conv32(struct expand *e, uint32_t x, uint32_t w)
{
    const uint32_t in[2] = {x, w};
    return ex_node(e, VALUE_NONE, OP_CONV_INTEGER, in, 2, ex_self(e)->attr,
                   ex_self(e)->n_attr);
}

bool expand_conv_integer(struct expand *e)
{
    if (ex_type(e, ex_in(e, 0)) == DTYPE_I32 ||
        quant_is_fast(e->g, ex_self(e))) {
        return true;
    }
    const uint32_t x = centred(e, ex_in(e, 0), ex_in(e, 2), 0);
    const uint32_t w = centred(e, ex_in(e, 1), ex_in(e, 3), 0);
    ex_give(e, 0, conv32(e, x, w));
    return ex_done(e);
}

/* A parameter of a product's side: one a row on the left, one a column on the
 * right, or as it is. */
static uint32_t beside(struct expand *e, uint32_t v, uint32_t side,
                       bool is_left)
{
    if (v == VALUE_NONE || ex_shape(e, v).rank > 1) {
        return v;
    }
    const uint32_t rank = ex_shape(e, side).rank;
    return along(e, v, rank < 2 ? 0 : is_left ? rank - 2 : rank - 1, rank);
}

static uint32_t side32(struct expand *e, uint32_t v, uint32_t zero,
                       bool is_left)
{
    const uint32_t wide = ex_cast(e, v, DTYPE_I32);
    const uint32_t point = beside(e, zero, v, is_left);
    return point == VALUE_NONE
               ? wide
               : ex_op2(e, OP_SUB, wide, ex_cast(e, point, DTYPE_I32));
}

bool expand_matmul_integer(struct expand *e)
{
    if (quant_is_fast(e->g, ex_self(e))) {
        return true;
    }
    const uint32_t a = side32(e, ex_in(e, 0), ex_in(e, 2), true);
    const uint32_t b = side32(e, ex_in(e, 1), ex_in(e, 3), false);
    ex_give(e, 0, ex_op2(e, OP_MATMUL, a, b));
    return ex_done(e);
}

/* Sums in i32 as the node's result: scale_a * scale_b / scale_y of them, with
 * zero point zero_y. */
static bool give_scaled(struct expand *e, uint32_t sums, uint32_t scale_a,
                        uint32_t scale_b, uint32_t scale_y, uint32_t zero_y)
{
    uint32_t scale = ex_op2(e, OP_MUL, ex_cast(e, scale_a, DTYPE_F32),
                            ex_cast(e, scale_b, DTYPE_F32));
    const bool is_float = scale_y == VALUE_NONE;
    if (!is_float) {
        scale = ex_op2(e, OP_DIV, scale,
                       as_scalar(e, ex_cast(e, scale_y, DTYPE_F32)));
    }
    uint32_t v = ex_op2(e, OP_MUL, ex_cast(e, sums, DTYPE_F32), scale);
    if (!is_float) {
        const uint32_t zero = zero_y == VALUE_NONE
                                  ? zero_y
                                  : as_scalar(e, ex_cast(e, zero_y, DTYPE_F32));
        v = rounded(e, v, zero, ex_type(e, ex_out(e, 0)));
    }
    ex_give(e, 0, v);
    return ex_done(e);
}

bool expand_qlinear_conv(struct expand *e)
{
    if (quant_is_fast(e->g, ex_self(e))) {
        return true;
    }
    const uint32_t bias = ex_in(e, 8);
    const uint32_t rank = ex_shape(e, ex_in(e, 0)).rank;
    const uint32_t x = centred(e, ex_in(e, 0), ex_in(e, 2), 0);
    const uint32_t w = centred(e, ex_in(e, 3), ex_in(e, 5), 0);
    uint32_t sums = conv32(e, x, w);
    if (bias != VALUE_NONE) {
        sums = ex_op2(e, OP_ADD, sums, along(e, bias, 1, rank));
    }
    return give_scaled(e, sums, as_scalar(e, ex_in(e, 1)),
                       along(e, ex_in(e, 4), 1, rank), ex_in(e, 6),
                       ex_in(e, 7));
}

bool expand_qlinear_matmul(struct expand *e)
{
    if (quant_is_fast(e->g, ex_self(e))) {
        return true;
    }
    const uint32_t in_a = ex_in(e, 0);
    const uint32_t in_b = ex_in(e, 3);
    const uint32_t a = side32(e, in_a, ex_in(e, 2), true);
    const uint32_t b = side32(e, in_b, ex_in(e, 5), false);
    uint32_t sums = ex_op2(e, OP_MATMUL, a, b);
    sums =
        ex_in(e, 8) == VALUE_NONE ? sums : ex_op2(e, OP_ADD, sums, ex_in(e, 8));
    return give_scaled(e, sums, beside(e, ex_in(e, 1), in_a, true),
                       beside(e, ex_in(e, 4), in_b, false), ex_in(e, 6),
                       ex_in(e, 7));
}

bool expand_qgemm(struct expand *e)
{
    if (quant_is_fast(e->g, ex_self(e))) {
        return true;
    }
    static const uint32_t swap[2] = {1, 0};
    const bool trans_a = node_int(ex_self(e), "transA", 0) != 0;
    const bool trans_b = node_int(ex_self(e), "transB", 0) != 0;
    const double alpha = (double)node_float(ex_self(e), "alpha", 1.0F);
    uint32_t a = ex_in(e, 0);
    uint32_t b = ex_in(e, 3);
    a = trans_a ? ex_permute(e, a, swap, 2) : a;
    b = trans_b ? ex_permute(e, b, swap, 2) : b;
    a = side32(e, a, ex_in(e, 2), true);
    b = side32(e, b, ex_in(e, 5), false);
    uint32_t sums = ex_op2(e, OP_MATMUL, a, b);
    sums =
        ex_in(e, 6) == VALUE_NONE ? sums : ex_op2(e, OP_ADD, sums, ex_in(e, 6));
    uint32_t scale_a = as_scalar(e, ex_cast(e, ex_in(e, 1), DTYPE_F32));
    if (alpha != 1.0) {
        scale_a = ex_op2(e, OP_MUL, scale_a, ex_number(e, DTYPE_F32, alpha));
    }
    return give_scaled(e, sums, scale_a, along(e, ex_in(e, 4), 1, 2),
                       ex_in(e, 7), ex_in(e, 8));
}

/* ---- ONNX Runtime's -------------------------------------------------------
 */

/* Input i with its scale and zero point, i + 1 and i + 2, as floats. */
static uint32_t as_float(struct expand *e, uint32_t i)
{
    const uint32_t in[3] = {ex_in(e, i), ex_in(e, i + 1), ex_in(e, i + 2)};
    return ex_node(e, VALUE_NONE, OP_DEQUANTIZE, in, 3, NULL, 0);
}

/* Floats with the scale and zero point of inputs i and i + 1, as numbers of the
 * result's type. */
static uint32_t as_bytes(struct expand *e, uint32_t v, uint32_t i)
{
    const enum dtype t = ex_type(e, ex_out(e, 0));
    const uint32_t zero = ex_in(e, i + 1);
    const uint32_t in[3] = {v, ex_in(e, i),
                            zero == VALUE_NONE ? ex_number(e, t, 0) : zero};
    return ex_node(e, VALUE_NONE, OP_QUANTIZE, in, 3, NULL, 0);
}

static bool expand_concat(struct expand *e)
{
    const uint32_t n = (ex_self(e)->n_in - 2) / 3;
    struct attr axis = {.name = "axis", .kind = ATTR_INT};
    axis.i = node_int(ex_self(e), "axis", 1);
    uint32_t in[UINT8_MAX];
    for (uint32_t k = 0; k < n; k++) {
        in[k] = as_bytes(e, as_float(e, 2 + 3 * k), 0);
    }
    ex_give(e, 0, ex_node(e, VALUE_NONE, OP_CONCAT, in, n, &axis, 1));
    return ex_done(e);
}

/* Where Softmax of opset 12, over all dimensions from its axis on, is not that
 * of the model's opset. */
static bool check_softmax(struct expand *e)
{
    const struct node *const n = ex_self(e);
    const uint32_t rank = e->g->value[n->in[0]].shape.rank;
    const int64_t axis = node_int(n, "axis", -1);
    const bool is_old = node_int(n, "opset", 13) < 13;
    return is_old == (e->g->opset < 13) || axis == -1 ||
           axis + 1 == (int64_t)rank ||
           node_error(e->cx, n, E_UNSUPPORTED,
                      "Softmax of opset %lld in a model of opset %lld",
                      (long long)node_int(n, "opset", 13),
                      (long long)e->g->opset);
}

bool expand_qlinear_float(struct expand *e)
{
    static const struct {
        enum op_id op;
        uint32_t n_in;
    } as[OP_COUNT] = {
        [OP_QLINEAR_ADD] = {OP_ADD, 2},
        [OP_QLINEAR_AVERAGE_POOL] = {OP_AVERAGE_POOL, 1},
        [OP_QLINEAR_GLOBAL_AVERAGE_POOL] = {OP_GLOBAL_AVERAGE_POOL, 1},
        [OP_QLINEAR_LEAKY_RELU] = {OP_LEAKY_RELU, 1},
        [OP_QLINEAR_MUL] = {OP_MUL, 2},
        [OP_QLINEAR_SIGMOID] = {OP_SIGMOID, 1},
        [OP_QLINEAR_SOFTMAX] = {OP_SOFTMAX, 1},
    };
    const enum op_id op = ex_self(e)->op;
    if (op == OP_QLINEAR_CONCAT) {
        return expand_concat(e);
    }
    if (op == OP_QLINEAR_SOFTMAX && !check_softmax(e)) {
        return false;
    }
    const uint32_t n_in = as[op].n_in;
    const uint32_t in[2] = {as_float(e, 0),
                            n_in > 1 ? as_float(e, 3) : VALUE_NONE};
    /* Attributes that the operator of floats does not know mean nothing. */
    const uint32_t v = ex_node(e, VALUE_NONE, as[op].op, in, n_in,
                               ex_self(e)->attr, ex_self(e)->n_attr);
    ex_give(e, 0, as_bytes(e, v, 3 * n_in));
    return ex_done(e);
}
