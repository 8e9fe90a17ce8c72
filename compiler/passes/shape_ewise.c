#include "passes/shape.h"

bool shape_same(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    return shape_set(g, cx, n, 0, in->dtype, &in->shape);
}

/* The shape of all inputs from first on, broadcast. */
static bool broadcast_from(const struct graph *g, struct cx *cx,
                           const struct node *n, uint32_t first,
                           struct shape *out)
{
    *out = node_in(g, n, first)->shape;
    for (uint32_t i = first + 1; i < n->n_in; i++) {
        const struct value *const v = node_in(g, n, i);
        if (v && !shape_broadcast_two(out, &v->shape, out)) {
            return node_error(
                cx, n, E_SHAPE, "input '%s' of %s does not broadcast with %s",
                v->name, shape_text(&v->shape).text, shape_text(out).text);
        }
    }
    return true;
}

bool shape_broadcast(struct graph *g, struct cx *cx, const struct node *n)
{
    struct shape s;
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (!node_in(g, n, i)) {
            return node_error(cx, n, E_OP_INPUTS, "input %u is omitted", i);
        }
        if (!shape_same_type(g, cx, n, 0, i)) {
            return false;
        }
    }
    return broadcast_from(g, cx, n, 0, &s) &&
           shape_set(g, cx, n, 0, node_in(g, n, 0)->dtype, &s);
}

bool shape_compare(struct graph *g, struct cx *cx, const struct node *n)
{
    struct shape s;
    return shape_same_type(g, cx, n, 0, 1) && broadcast_from(g, cx, n, 0, &s) &&
           shape_set(g, cx, n, 0, DTYPE_BOOL, &s);
}

static bool is_bool(const struct graph *g, struct cx *cx, const struct node *n,
                    uint32_t i)
{
    const struct value *const v = node_in(g, n, i);
    return v->dtype == DTYPE_BOOL ||
           node_error(cx, n, E_TYPE,
                      "input '%s' is of type %s; it must be bool", v->name,
                      dtype_name(v->dtype));
}

bool shape_logic(struct graph *g, struct cx *cx, const struct node *n)
{
    return is_bool(g, cx, n, 0) && is_bool(g, cx, n, 1) &&
           shape_compare(g, cx, n);
}

bool shape_not(struct graph *g, struct cx *cx, const struct node *n)
{
    return is_bool(g, cx, n, 0) && shape_same(g, cx, n);
}

bool shape_pow(struct graph *g, struct cx *cx, const struct node *n)
{
    struct shape s;
    return broadcast_from(g, cx, n, 0, &s) &&
           shape_set(g, cx, n, 0, node_in(g, n, 0)->dtype, &s);
}

bool shape_prelu(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const x = node_in(g, n, 0);
    const struct value *const slope = node_in(g, n, 1);
    struct shape s;
    if (!shape_same_type(g, cx, n, 0, 1)) {
        return false;
    }
    if (!shape_broadcast_two(&x->shape, &slope->shape, &s) ||
        !shape_equal(&s, &x->shape)) {
        return node_error(cx, n, E_SHAPE,
                          "slope '%s' of %s does not broadcast to its input, "
                          "%s",
                          slope->name, shape_text(&slope->shape).text,
                          shape_text(&x->shape).text);
    }
    return shape_same(g, cx, n);
}

bool shape_where(struct graph *g, struct cx *cx, const struct node *n)
{
    struct shape s;
    return is_bool(g, cx, n, 0) && shape_same_type(g, cx, n, 1, 2) &&
           broadcast_from(g, cx, n, 0, &s) &&
           shape_set(g, cx, n, 0, node_in(g, n, 1)->dtype, &s);
}

bool shape_cast(struct graph *g, struct cx *cx, const struct node *n)
{
    const enum dtype to = (enum dtype)node_int(n, "to", DTYPE_NONE);
    if (node_int(n, "to", 0) > DTYPE_I2 || dtype_bytes(to) == 0) {
        return node_error(cx, n, E_TYPE,
                          "attribute 'to' is %lld (%s), a type that is not "
                          "supported",
                          (long long)node_int(n, "to", 0), dtype_name(to));
    }
    return shape_set(g, cx, n, 0, to, &node_in(g, n, 0)->shape);
}

bool shape_bit_cast(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    const int64_t to = node_int(n, "to", 0);
    const enum dtype t = (enum dtype)to;
    if (to < 0 || to > DTYPE_I2 || dtype_bytes(t) == 0 ||
        dtype_bytes(t) != dtype_bytes(in->dtype) ||
        dtype_packed_bits(t) != dtype_packed_bits(in->dtype)) {
        return node_error(cx, n, E_TYPE,
                          "attribute 'to' is %lld (%s), a type that is not as "
                          "wide as %s",
                          (long long)to, dtype_name(t), dtype_name(in->dtype));
    }
    return shape_set(g, cx, n, 0, t, &in->shape);
}

bool shape_clip(struct graph *g, struct cx *cx, const struct node *n)
{
    for (uint32_t i = 1; i < n->n_in; i++) {
        const struct value *const v = node_in(g, n, i);
        uint64_t count;
        if (!shape_same_type(g, cx, n, 0, i)) {
            return false;
        }
        if (v && (!shape_count(&v->shape, &count) || count != 1)) {
            return node_error(cx, n, E_SHAPE,
                              "bound '%s' is %s; it must be a scalar", v->name,
                              shape_text(&v->shape).text);
        }
    }
    return shape_same(g, cx, n);
}

bool shape_cast_like(struct graph *g, struct cx *cx, const struct node *n)
{
    return shape_set(g, cx, n, 0, node_in(g, n, 1)->dtype,
                     &node_in(g, n, 0)->shape);
}

bool shape_is(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    if (!dtype_is_float(in->dtype)) {
        return node_error(cx, n, E_TYPE,
                          "its input is of type %s; it must be a float",
                          dtype_name(in->dtype));
    }
    return shape_set(g, cx, n, 0, DTYPE_BOOL, &in->shape);
}

bool shape_trilu(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    double k;
    if (in->shape.rank < 2) {
        return node_error(cx, n, E_SHAPE, "its input is %s; it needs rows",
                          shape_text(&in->shape).text);
    }
    return node_in_f64(g, cx, n, 1, 0, &k) && shape_same(g, cx, n);
}

/* In inference Dropout passes its input on; its mask is all true. */
bool shape_dropout(struct graph *g, struct cx *cx, const struct node *n)
{
    double training;
    if (!node_in_f64(g, cx, n, 2, 0, &training)) {
        return false;
    }
    if (training != 0) {
        return node_error(cx, n, E_UNSUPPORTED,
                          "Dropout in training is not supported; export the "
                          "model for inference");
    }
    return shape_set(g, cx, n, 1, DTYPE_BOOL, &node_in(g, n, 0)->shape) &&
           shape_same(g, cx, n);
}
