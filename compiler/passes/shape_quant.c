#include "passes/shape.h"

#include <inttypes.h>

/* ---- QuantizeLinear, DequantizeLinear -------------------------------------
 */

static bool type_error(struct cx *cx, const struct node *n,
                       const struct value *v)
{
    return node_error(cx, n, E_TYPE, "'%s' is of type %s", v->name,
                      dtype_name(v->dtype));
}

static bool is_small_float(enum dtype t)
{
    return t >= DTYPE_F8E4M3FN && t <= DTYPE_F8E5M2FNUZ;
}

static bool is_quantised(enum dtype t)
{
    double low;
    double high;
    return quant_range(t, &low, &high) || is_small_float(t) ||
           t == DTYPE_F4E2M1;
}

static bool is_wide_float(enum dtype t)
{
    return t == DTYPE_F32 || t == DTYPE_F16 || t == DTYPE_BF16;
}

bool shape_quantize(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const x = node_in(g, n, 0);
    struct quant_params q;
    if (!is_wide_float(x->dtype) && x->dtype != DTYPE_I32) {
        return type_error(cx, n, x);
    }
    if (!is_wide_float(node_in(g, n, 1)->dtype) &&
        node_in(g, n, 1)->dtype != DTYPE_I32) {
        return type_error(cx, n, node_in(g, n, 1));
    }
    if (!quant_params(g, cx, n, &q)) {
        return false;
    }
    if (!is_quantised(q.type)) {
        return node_error(cx, n, E_TYPE, "it cannot quantise to type %s",
                          dtype_name(q.type));
    }
    return shape_set(g, cx, n, 0, q.type, &x->shape);
}

bool shape_dequantize(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const x = node_in(g, n, 0);
    struct quant_params q;
    if ((!is_quantised(x->dtype) && x->dtype != DTYPE_I32)) {
        return type_error(cx, n, x);
    }
    if (!quant_params(g, cx, n, &q) || !shape_same_type(g, cx, n, 0, 2)) {
        return false;
    }
    if (!is_wide_float(q.type) || !is_wide_float(node_in(g, n, 1)->dtype)) {
        return type_error(cx, n, node_in(g, n, 1));
    }
    return shape_set(g, cx, n, 0, q.type, &x->shape);
}

bool shape_dynamic_quantize(struct graph *g, struct cx *cx,
                            const struct node *n)
{
    const struct value *const x = node_in(g, n, 0);
    const struct shape scalar = {0};
    return (x->dtype == DTYPE_F32 || type_error(cx, n, x)) &&
           shape_set(g, cx, n, 0, DTYPE_U8, &x->shape) &&
           shape_set(g, cx, n, 1, DTYPE_F32, &scalar) &&
           shape_set(g, cx, n, 2, DTYPE_U8, &scalar);
}

/* ---- products -------------------------------------------------------------
 */

static bool is_byte(const struct graph *g, struct cx *cx, const struct node *n,
                    uint32_t i)
{
    const struct value *const v = node_in(g, n, i);
    return v->dtype == DTYPE_U8 || v->dtype == DTYPE_I8 || type_error(cx, n, v);
}

/* Input i, where given, is one number or a vector of `len`. */
static bool is_vector(const struct graph *g, struct cx *cx,
                      const struct node *n, uint32_t i, int64_t len)
{
    const struct value *const v = node_in(g, n, i);
    uint64_t count = 0;
    return !v || (shape_count(&v->shape, &count) && count == 1) ||
           (v->shape.rank == 1 && v->shape.dim[0] == len) ||
           node_error(cx, n, E_SHAPE,
                      "'%s' is %s; it must be a scalar or have %" PRId64
                      " elements",
                      v->name, shape_text(&v->shape).text, len);
}

/* Scale input i is one f32, f16 or bf16, or a vector of `len`. */
static bool is_scale(const struct graph *g, struct cx *cx, const struct node *n,
                     uint32_t i, int64_t len)
{
    const struct value *const v = node_in(g, n, i);
    return (is_wide_float(v->dtype) || type_error(cx, n, v)) &&
           is_vector(g, cx, n, i, len);
}

/* x in input 0, w in input w_ix. */
static bool set_conv(struct graph *g, struct cx *cx, const struct node *n,
                     uint32_t w_ix, enum dtype type)
{
    const struct shape *const x = &node_in(g, n, 0)->shape;
    const struct shape *const w = &node_in(g, n, w_ix)->shape;
    struct window win;
    if (!window_params(g, cx, n, &win)) {
        return false;
    }
    if (win.group < 1 || w->dim[1] < 1 || w->dim[0] < 1 ||
        x->dim[1] % win.group != 0 || w->dim[0] % win.group != 0 ||
        x->dim[1] / win.group != w->dim[1]) {
        return node_error(cx, n, E_SHAPE,
                          "weights of %s in %" PRId64
                          " groups do not fit its input, %s",
                          shape_text(w).text, win.group, shape_text(x).text);
    }
    struct shape s = *x;
    s.dim[1] = w->dim[0];
    for (uint32_t i = 0; i < win.n_dim; i++) {
        s.dim[i + 2] = win.out[i];
    }
    return shape_set(g, cx, n, 0, type, &s);
}

bool shape_conv_integer(struct graph *g, struct cx *cx, const struct node *n)
{
    /* Expansions leave i32 without zero points. */
    const bool is_plain = node_in(g, n, 0)->dtype == DTYPE_I32 &&
                          node_in(g, n, 1)->dtype == DTYPE_I32 && n->n_in == 2;
    return (is_plain || (is_byte(g, cx, n, 0) && is_byte(g, cx, n, 1))) &&
           shape_same_type(g, cx, n, 0, 2) && shape_same_type(g, cx, n, 1, 3) &&
           set_conv(g, cx, n, 1, DTYPE_I32) && is_vector(g, cx, n, 2, 1) &&
           is_vector(g, cx, n, 3, node_in(g, n, 1)->shape.dim[0]);
}

static bool has_channels_first(struct cx *cx, const struct node *n)
{
    return node_int(n, "channels_last", 0) == 0 ||
           node_error(cx, n, E_UNSUPPORTED,
                      "channels_last is not supported; export the model "
                      "without layout optimisation");
}

bool shape_qlinear_conv(struct graph *g, struct cx *cx, const struct node *n)
{
    if (!has_channels_first(cx, n) || !is_byte(g, cx, n, 0) ||
        !is_byte(g, cx, n, 3) || !is_byte(g, cx, n, 7) ||
        !shape_same_type(g, cx, n, 0, 2) || !shape_same_type(g, cx, n, 3, 5) ||
        !set_conv(g, cx, n, 3, node_in(g, n, 7)->dtype)) {
        return false;
    }
    const int64_t out = node_in(g, n, 3)->shape.dim[0];
    const struct value *const bias = node_in(g, n, 8);
    if (bias && bias->dtype != DTYPE_I32) {
        return type_error(cx, n, bias);
    }
    return is_scale(g, cx, n, 1, 1) && is_vector(g, cx, n, 2, 1) &&
           is_scale(g, cx, n, 4, out) && is_vector(g, cx, n, 5, out) &&
           is_scale(g, cx, n, 6, 1) && is_vector(g, cx, n, 7, 1) &&
           is_vector(g, cx, n, 8, out);
}

/* The shape of the product of inputs a and b as MatMul has it. */
static bool product_shape(const struct graph *g, struct cx *cx,
                          const struct node *n, uint32_t a, uint32_t b,
                          struct shape *out)
{
    return matmul_shape(&node_in(g, n, a)->shape, &node_in(g, n, b)->shape,
                        out) ||
           node_error(cx, n, E_SHAPE, "%s and %s cannot be multiplied",
                      shape_text(&node_in(g, n, a)->shape).text,
                      shape_text(&node_in(g, n, b)->shape).text);
}

/* Parameters of a product's side: one, one a row (left) or column (right), or
 * of the shape of the side with 1 where it is summed. */
static bool is_side(const struct graph *g, struct cx *cx, const struct node *n,
                    uint32_t i, uint32_t side, bool is_left)
{
    const struct value *const v = node_in(g, n, i);
    const struct shape *const s = &node_in(g, n, side)->shape;
    if (!v) {
        return true;
    }
    struct shape one = *s;
    const uint32_t summed = s->rank == 1 ? 0
                            : is_left    ? s->rank - 1
                                         : s->rank - 2;
    const uint32_t kept = s->rank == 1 ? 0
                          : is_left    ? s->rank - 2
                                       : s->rank - 1;
    one.dim[summed] = 1;
    return shape_equal(&v->shape, &one) ||
           is_vector(g, cx, n, i, s->rank == 1 ? 1 : s->dim[kept]);
}

bool shape_matmul_integer(struct graph *g, struct cx *cx, const struct node *n)
{
    struct shape s;
    return is_byte(g, cx, n, 0) && is_byte(g, cx, n, 1) &&
           shape_same_type(g, cx, n, 0, 2) && shape_same_type(g, cx, n, 1, 3) &&
           product_shape(g, cx, n, 0, 1, &s) && is_side(g, cx, n, 2, 0, true) &&
           is_side(g, cx, n, 3, 1, false) &&
           shape_set(g, cx, n, 0, DTYPE_I32, &s);
}

bool shape_qlinear_matmul(struct graph *g, struct cx *cx, const struct node *n)
{
    struct shape s;
    if (!is_byte(g, cx, n, 0) || !is_byte(g, cx, n, 3) ||
        !is_byte(g, cx, n, 7) || !shape_same_type(g, cx, n, 0, 2) ||
        !shape_same_type(g, cx, n, 3, 5) ||
        !product_shape(g, cx, n, 0, 3, &s)) {
        return false;
    }
    for (uint32_t i = 1; i < 7; i += i == 1 ? 3 : 2) { /* 1, 4, 6 */
        if (!is_wide_float(node_in(g, n, i)->dtype)) {
            return type_error(cx, n, node_in(g, n, i));
        }
    }
    return is_side(g, cx, n, 1, 0, true) && is_side(g, cx, n, 2, 0, true) &&
           is_side(g, cx, n, 4, 3, false) && is_side(g, cx, n, 5, 3, false) &&
           is_vector(g, cx, n, 6, 1) && is_vector(g, cx, n, 7, 1) &&
           shape_set(g, cx, n, 0, node_in(g, n, 7)->dtype, &s);
}

/* ---- ONNX Runtime's own ---------------------------------------------------
 */

/* Inputs that are given with their parameters: x, scale, maybe zero point. */
static bool is_given(const struct graph *g, struct cx *cx, const struct node *n,
                     uint32_t first, uint32_t cnt)
{
    for (uint32_t i = first; i < first + cnt; i++) {
        if (!node_in(g, n, i)) {
            return node_error(cx, n, E_OP_INPUTS, "input %u is omitted", i);
        }
    }
    return true;
}

bool shape_qlinear_binary(struct graph *g, struct cx *cx, const struct node *n)
{
    struct shape s;
    if (!is_given(g, cx, n, 0, 2) || !is_given(g, cx, n, 3, 2) ||
        !is_given(g, cx, n, 6, 1) || !is_byte(g, cx, n, 0) ||
        !shape_same_type(g, cx, n, 0, 3)) {
        return false;
    }
    const struct value *const a = node_in(g, n, 0);
    const struct value *const b = node_in(g, n, 3);
    if (!shape_broadcast_two(&a->shape, &b->shape, &s)) {
        return node_error(cx, n, E_SHAPE, "%s does not broadcast with %s",
                          shape_text(&a->shape).text,
                          shape_text(&b->shape).text);
    }
    return shape_set(g, cx, n, 0, a->dtype, &s);
}

bool shape_qlinear_pool(struct graph *g, struct cx *cx, const struct node *n)
{
    struct window w;
    if (!is_given(g, cx, n, 0, 2) || !is_given(g, cx, n, 3, 1) ||
        !has_channels_first(cx, n) || !is_byte(g, cx, n, 0) ||
        !window_params(g, cx, n, &w)) {
        return false;
    }
    struct shape s = node_in(g, n, 0)->shape;
    for (uint32_t i = 0; i < w.n_dim; i++) {
        s.dim[i + 2] = w.out[i];
    }
    return shape_set(g, cx, n, 0, node_in(g, n, 0)->dtype, &s);
}

bool shape_qlinear_global_pool(struct graph *g, struct cx *cx,
                               const struct node *n)
{
    if (!is_given(g, cx, n, 0, 2) || !is_given(g, cx, n, 3, 1) ||
        !has_channels_first(cx, n) || !is_byte(g, cx, n, 0)) {
        return false;
    }
    struct shape s = node_in(g, n, 0)->shape;
    for (uint32_t i = 2; i < s.rank; i++) {
        s.dim[i] = 1;
    }
    return (s.rank >= 3 || node_error(cx, n, E_SHAPE, "its input is %s",
                                      shape_text(&s).text)) &&
           shape_set(g, cx, n, 0, node_in(g, n, 0)->dtype, &s);
}

bool shape_qlinear_concat(struct graph *g, struct cx *cx, const struct node *n)
{
    if (n->n_in < 5 || (n->n_in - 2) % 3 != 0) {
        return node_error(cx, n, E_OP_INPUTS,
                          "it has %u inputs; it takes a scale and a zero "
                          "point, then three for each tensor",
                          n->n_in);
    }
    struct shape s = {0};
    uint32_t axis = 0;
    for (uint32_t i = 2; i < n->n_in; i += 3) {
        if (!is_given(g, cx, n, i, 2) || !is_byte(g, cx, n, i)) {
            return false;
        }
        const struct shape *const in = &node_in(g, n, i)->shape;
        if (i == 2) {
            s = *in;
            if (!axis_resolve(cx, n, node_int(n, "axis", 1), s.rank, &axis)) {
                return false;
            }
            continue;
        }
        struct shape same = *in;
        same.dim[axis] = s.dim[axis];
        uint64_t count;
        s.dim[axis] += in->dim[axis];
        if (!shape_count(&s, &count)) {
            return node_error(cx, n, E_TOO_BIG, "its result would be %s",
                              shape_text(&s).text);
        }
        s.dim[axis] -= in->dim[axis];
        if (!shape_equal(&same, &s)) {
            return node_error(cx, n, E_SHAPE, "%s cannot be joined with %s",
                              shape_text(in).text, shape_text(&s).text);
        }
        s.dim[axis] += in->dim[axis];
    }
    return shape_set(g, cx, n, 0, node_in(g, n, 2)->dtype, &s);
}

bool shape_qgemm(struct graph *g, struct cx *cx, const struct node *n)
{
    if (!is_given(g, cx, n, 0, 6) || !is_byte(g, cx, n, 0) ||
        !is_byte(g, cx, n, 3)) {
        return false;
    }
    const struct shape *const a = &node_in(g, n, 0)->shape;
    const struct shape *const b = &node_in(g, n, 3)->shape;
    const struct value *const zero = node_in(g, n, 8);
    const bool trans_a = node_int(n, "transA", 0) != 0;
    const bool trans_b = node_int(n, "transB", 0) != 0;
    if (a->rank != 2 || b->rank != 2 ||
        a->dim[trans_a ? 0 : 1] != b->dim[trans_b ? 1 : 0]) {
        return node_error(cx, n, E_SHAPE, "%s and %s cannot be multiplied",
                          shape_text(a).text, shape_text(b).text);
    }
    const struct shape s = {2,
                            {a->dim[trans_a ? 1 : 0], b->dim[trans_b ? 0 : 1]}};
    struct shape with_c = s;
    const struct value *const c = node_in(g, n, 6);
    if (c && (!shape_broadcast_two(&s, &c->shape, &with_c) ||
              !shape_equal(&s, &with_c))) {
        return node_error(
            cx, n, E_SHAPE, "'%s' of %s does not broadcast to the product, %s",
            c->name, shape_text(&c->shape).text, shape_text(&s).text);
    }
    const bool has_scale = node_in(g, n, 7) != NULL;
    return is_scale(g, cx, n, 1, 1) && is_vector(g, cx, n, 2, 1) &&
           is_scale(g, cx, n, 4, s.dim[1]) &&
           is_vector(g, cx, n, 5, s.dim[1]) &&
           (!has_scale || is_scale(g, cx, n, 7, 1)) &&
           shape_set(g, cx, n, 0,
                     !has_scale ? DTYPE_F32
                     : zero     ? zero->dtype
                                : DTYPE_U8,
                     &s);
}
