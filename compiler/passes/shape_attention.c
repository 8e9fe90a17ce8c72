#include "passes/shape.h"

#include <string.h>

bool shape_attention(struct graph *g, struct cx *cx, const struct node *n)
{
    struct attention_params a;
    if (!shape_same_type(g, cx, n, 0, 1) || !shape_same_type(g, cx, n, 0, 2) ||
        !attention_params(g, cx, n, &a)) {
        return false;
    }
    const struct shape scores = {4, {a.batch, a.q_heads, a.queries, a.keys}};
    const struct value *const mask = node_in(g, n, 3);
    const struct value *const lens = node_in(g, n, 6);
    const struct shape batch = {1, {a.batch}};
    struct shape s = scores;
    struct shape full = mask ? mask->shape : scores;
    if (lens &&
        (lens->dtype != DTYPE_I64 || !shape_equal(&lens->shape, &batch))) {
        return node_error(cx, n, E_SHAPE, "its lengths are %s of %s",
                          shape_text(&lens->shape).text,
                          dtype_name(lens->dtype));
    }
    /* A mask may end before the keys do: those are masked. */
    if (full.rank > 0 && full.dim[full.rank - 1] < a.keys) {
        full.dim[full.rank - 1] = a.keys;
    }
    if (mask && (!shape_broadcast_two(&full, &scores, &s) ||
                 !shape_equal(&s, &scores))) {
        return node_error(
            cx, n, E_SHAPE, "its mask %s does not broadcast to %s",
            shape_text(&mask->shape).text, shape_text(&scores).text);
    }
    const enum dtype t = node_in(g, n, 0)->dtype;
    if (mask && mask->dtype != t && mask->dtype != DTYPE_BOOL) {
        return node_error(cx, n, E_TYPE, "its mask is of type %s",
                          dtype_name(mask->dtype));
    }
    const struct shape out4 = {4, {a.batch, a.q_heads, a.queries, a.v_size}};
    const struct shape out3 = {3, {a.batch, a.queries, a.q_heads * a.v_size}};
    const struct shape key = {4, {a.batch, a.kv_heads, a.keys, a.head_size}};
    const struct shape value = {4, {a.batch, a.kv_heads, a.keys, a.v_size}};
    return shape_set(g, cx, n, 0, t, a.has_heads ? &out4 : &out3) &&
           shape_set(g, cx, n, 1, t, &key) &&
           shape_set(g, cx, n, 2, t, &value) &&
           shape_set(g, cx, n, 3, t, &scores);
}

bool shape_linear_attention(struct graph *g, struct cx *cx,
                            const struct node *n)
{
    const struct value *const past = node_in(g, n, 3);
    const enum dtype t = node_in(g, n, 0)->dtype;
    struct linear_params p;
    for (uint32_t i = 1; i < n->n_in; i++) {
        if (i != 3 && !shape_same_type(g, cx, n, 0, i)) {
            return false;
        }
    }
    if (!linear_params(g, cx, n, &p)) {
        return false;
    }
    const struct shape out = {3, {p.batch, p.times, p.q_heads * p.v_size}};
    const struct shape state = {4, {p.batch, p.kv_heads, p.key_size, p.v_size}};
    if (past && !shape_equal(&past->shape, &state)) {
        return node_error(cx, n, E_SHAPE, "its state is %s; it must be %s",
                          shape_text(&past->shape).text,
                          shape_text(&state).text);
    }
    return shape_set(g, cx, n, 0, t, &out) &&
           shape_set(g, cx, n, 1, past ? past->dtype : t, &state);
}

bool shape_rotary(struct graph *g, struct cx *cx, const struct node *n)
{
    struct rotary_params p;
    return shape_same_type(g, cx, n, 0, 1) && shape_same_type(g, cx, n, 0, 2) &&
           rotary_params(g, cx, n, &p) && shape_same(g, cx, n);
}

bool shape_causal_conv(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const x = node_in(g, n, 0);
    const struct shape *const w = &node_in(g, n, 1)->shape;
    const struct value *const bias = node_in(g, n, 2);
    const struct value *const past = node_in(g, n, 3);
    const char *const act = node_string(n, "activation", "none");
    for (uint32_t i = 1; i < n->n_in; i++) {
        if (!shape_same_type(g, cx, n, 0, i)) {
            return false;
        }
    }
    if (strcmp(act, "none") != 0 && strcmp(act, "silu") != 0 &&
        strcmp(act, "swish") != 0) {
        return node_error(cx, n, E_OP_ATTR, "activation '%s' is not known",
                          act);
    }
    const bool is_ok = x->shape.rank == 3 && w->rank == 3 &&
                       w->dim[0] == x->shape.dim[1] && w->dim[1] == 1 &&
                       w->dim[2] > 0;
    const struct shape channels = {1, {is_ok ? x->shape.dim[1] : 0}};
    const struct shape state = {
        3, {x->shape.dim[0], channels.dim[0], is_ok ? w->dim[2] - 1 : 0}};
    if (!is_ok || (bias && !shape_equal(&bias->shape, &channels)) ||
        (past && !shape_equal(&past->shape, &state))) {
        return node_error(cx, n, E_SHAPE,
                          "weights of %s, or the state or bias, do not fit %s",
                          shape_text(w).text, shape_text(&x->shape).text);
    }
    return shape_set(g, cx, n, 0, x->dtype, &x->shape) &&
           shape_set(g, cx, n, 1, x->dtype, &state);
}
