#include "passes/shape.h"

bool shape_attention(struct graph *g, struct cx *cx, const struct node *n)
{
    struct attention_params a;
    if (!shape_same_type(g, cx, n, 0, 1) || !shape_same_type(g, cx, n, 0, 2) ||
        !attention_params(g, cx, n, &a)) {
        return false;
    }
    for (uint32_t i = 4; i < n->n_in; i++) {
        if (node_in(g, n, i)) {
            return node_error(cx, n, E_UNSUPPORTED,
                              "past keys and values are not supported");
        }
    }
    for (uint32_t i = 1; i < n->n_out; i++) {
        if (node_out(g, n, i)) {
            return node_error(cx, n, E_UNSUPPORTED,
                              "only its first output is supported");
        }
    }
    if (node_float(n, "softcap", 0.0F) != 0.0F) {
        return node_error(cx, n, E_UNSUPPORTED, "softcap is not supported");
    }
    const struct shape scores = {4, {a.batch, a.q_heads, a.queries, a.keys}};
    const struct value *const mask = node_in(g, n, 3);
    struct shape s;
    if (mask && (!shape_broadcast_two(&mask->shape, &scores, &s) ||
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
    return shape_set(g, cx, n, 0, t, a.has_heads ? &out4 : &out3);
}
