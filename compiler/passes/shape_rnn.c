/* Recurrent operators: RNN, GRU, LSTM. */
#include "passes/shape.h"

/* Input i, where it is given, has this shape. */
static bool has_shape(const struct graph *g, struct cx *cx,
                      const struct node *n, uint32_t i, const struct shape *s)
{
    const struct value *const v = node_in(g, n, i);
    return !v || shape_equal(&v->shape, s) ||
           node_error(cx, n, E_SHAPE, "'%s' is %s; it must be %s", v->name,
                      shape_text(&v->shape).text, shape_text(s).text);
}

bool shape_rnn(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const x = node_in(g, n, 0);
    const struct value *const lens = node_in(g, n, 4);
    struct rnn_params r;
    if (!rnn_params(g, cx, n, &r)) {
        return false;
    }
    for (uint32_t i = 1; i < n->n_in; i++) {
        if (i != 4 && !shape_same_type(g, cx, n, 0, i)) {
            return false;
        }
    }
    if (!dtype_is_float(x->dtype) || (lens && lens->dtype != DTYPE_I32)) {
        return node_error(cx, n, E_TYPE,
                          "its input must be a float, and lengths i32");
    }
    if (r.hidden < 1 || r.hidden * r.n_gate > INT32_MAX ||
        node_int(n, "hidden_size", r.hidden) != r.hidden) {
        return node_error(cx, n, E_SHAPE,
                          "its weights, %s, do not fit attribute 'hidden_size'",
                          shape_text(&node_in(g, n, 1)->shape).text);
    }
    const int64_t gates = r.n_gate * r.hidden;
    const int64_t d = r.n_dir;
    const struct shape in = {3,
                             {r.is_batch_first ? r.batch : r.times,
                              r.is_batch_first ? r.times : r.batch,
                              node_in(g, n, 1)->shape.dim[2]}};
    const struct shape w = {3, {d, gates, in.dim[2]}};
    const struct shape rec = {3, {d, gates, r.hidden}};
    const struct shape bias = {2, {d, 2 * gates}};
    const struct shape batch = {1, {r.batch}};
    const struct shape state = {3,
                                {r.is_batch_first ? r.batch : d,
                                 r.is_batch_first ? d : r.batch, r.hidden}};
    const struct shape peep = {2, {d, 3 * r.hidden}};
    if (!has_shape(g, cx, n, 0, &in) || !has_shape(g, cx, n, 1, &w) ||
        !has_shape(g, cx, n, 2, &rec) || !has_shape(g, cx, n, 3, &bias) ||
        !has_shape(g, cx, n, 4, &batch) || !has_shape(g, cx, n, 5, &state) ||
        !has_shape(g, cx, n, 6, &state) || !has_shape(g, cx, n, 7, &peep)) {
        return false;
    }
    const struct shape y = {4, {r.times, d, r.batch, r.hidden}};
    const struct shape y1 = {4, {r.batch, r.times, d, r.hidden}};
    return shape_set(g, cx, n, 0, x->dtype, r.is_batch_first ? &y1 : &y) &&
           shape_set(g, cx, n, 1, x->dtype, &state) &&
           shape_set(g, cx, n, 2, x->dtype, &state);
}
