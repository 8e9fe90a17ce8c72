/* RNN, GRU, LSTM: one box that writes all results into one buffer, y, then the
 * last h, then the last c; the results are views of it. */
#include "passes/lower_draft.h"

/* Of k_tensor_rnn.h. */
enum rnn_p {
    P_KIND,
    P_HAS_Y,
    P_IS_REVERSE,
    P_RESETS_AFTER,
    P_COUPLES,
    P_B,
    P_LENS,
    P_H,
    P_C,
    P_P,
    P_HAS_CLIP,
    P_ACT
};

/* Adds input i of the node as an operand, *number is its place; 0: omitted.
 * The last dimension becomes dense; states have the direction first. */
static bool add_operand(struct lower *lw, uint32_t node_ix, enum rnn_in i,
                        bool is_turned, struct view *in, uint32_t *n_in,
                        int32_t *number)
{
    static const uint32_t turn[3] = {1, 0, 2};
    const struct node *const n = &lw->g->node[node_ix];
    *number = 0;
    if ((uint32_t)i >= n->n_in || n->in[i] == VALUE_NONE) {
        return true;
    }
    struct view v;
    if (!lower_get(lw, node_ix, n->in[i], &v) ||
        (i != RNN_IN_LENS && !lower_need_f32(lw, node_ix, v.dtype))) {
        return false;
    }
    const uint32_t last = v.rank - 1;
    if (i != RNN_IN_LENS && v.dim[last] > 1 && v.stride[last] != 1 &&
        !lower_plain_copy(lw, node_ix, n->name, &v)) {
        return false;
    }
    in[*n_in] = is_turned ? view_permute(&v, turn) : v;
    *number = (int32_t)++ * n_in;
    return true;
}

/* A part of the one result, in ONNX order; *off is moved behind it. */
static void set_part(struct lower *lw, const struct view *all, uint32_t value,
                     const struct view *shape, const uint32_t *perm,
                     int64_t *off)
{
    struct view v = *shape;
    v.off = *off;
    v.buf = all->buf;
    *off += (int64_t)view_count(&v);
    if (value != VALUE_NONE) {
        v = perm ? view_permute(&v, perm) : v;
        lower_set(lw, value, &v);
    }
}

bool lower_rnn(struct lower *lw, uint32_t node_ix)
{
    static const uint32_t turn_y[4] = {2, 0, 1, 3};
    static const uint32_t turn_h[3] = {1, 0, 2};
    const struct node *const n = &lw->g->node[node_ix];
    const uint32_t out[3] = {n->out[0], n->n_out > 1 ? n->out[1] : VALUE_NONE,
                             n->n_out > 2 ? n->out[2] : VALUE_NONE};
    struct rnn_params r;
    struct view in[LAYER_MAX_IN];
    uint32_t n_in = 0;
    int32_t p[P_ACT] = {0};
    int32_t skip;
    if (!rnn_params(lw->g, lw->cx, n, &r)) {
        return false;
    }
    const bool is_turned = r.is_batch_first;
    if (!add_operand(lw, node_ix, RNN_IN_X, false, in, &n_in, &skip) ||
        !add_operand(lw, node_ix, RNN_IN_R, false, in, &n_in, &skip) ||
        !add_operand(lw, node_ix, RNN_IN_AFTER, false, in, &n_in, &p[P_B]) ||
        !add_operand(lw, node_ix, RNN_IN_LENS, false, in, &n_in, &p[P_LENS]) ||
        !add_operand(lw, node_ix, RNN_IN_H, is_turned, in, &n_in, &p[P_H]) ||
        !add_operand(lw, node_ix, RNN_IN_C, is_turned, in, &n_in, &p[P_C]) ||
        !add_operand(lw, node_ix, RNN_IN_P, false, in, &n_in, &p[P_P])) {
        return false;
    }
    const bool has_y = out[0] != VALUE_NONE &&
                       (lw->uses.is_output[out[0]] ||
                        lw->uses.first[out[0]] < lw->uses.first[out[0] + 1]);
    const uint64_t y[4] = {(uint64_t)r.times, (uint64_t)r.n_dir,
                           (uint64_t)r.batch, (uint64_t)r.hidden};
    const uint64_t state = y[1] * y[2] * y[3];
    const uint64_t n_all =
        (has_y ? y[0] : 0) * state + (r.kind == RNN_LSTM ? 2 : 1) * state;
    struct draft *const d = lower_tensor_draft_of(
        lw, node_ix, n->name, DTYPE_F32, 1, &n_all, TENSOR_RNN);
    if (!d) {
        return false;
    }
    d->y.n_in = n_in;
    for (uint32_t i = 0; i < n_in; i++) {
        d->in[i] = in[i];
    }
    p[P_KIND] = (int32_t)r.kind;
    p[P_HAS_Y] = has_y;
    p[P_IS_REVERSE] = r.is_reverse;
    p[P_RESETS_AFTER] = r.resets_after;
    p[P_COUPLES] = r.couples;
    p[P_HAS_CLIP] = r.has_clip;
    struct tensor_param *const t = &d->y.p.tensor;
    for (uint32_t i = 0; i < P_ACT; i++) {
        t->i[i] = p[i];
    }
    for (uint32_t i = 0; i < RNN_MAX_DIR * RNN_MAX_ACT; i++) {
        t->i[P_ACT + i] = r.act[i / RNN_MAX_ACT][i % RNN_MAX_ACT];
        t->f[2 * i] = r.alpha[i / RNN_MAX_ACT][i % RNN_MAX_ACT];
        t->f[2 * i + 1] = r.beta[i / RNN_MAX_ACT][i % RNN_MAX_ACT];
    }
    t->f[2 * RNN_MAX_DIR * RNN_MAX_ACT] = r.clip;
    d->y.macs = y[0] * state * (uint64_t)(r.n_gate * r.hidden);
    const struct view all = d->out;
    struct view shape;
    int64_t off = 0;
    view_plain(&shape, all.buf, DTYPE_F32, 4, y);
    if (has_y) {
        set_part(lw, &all, out[0], &shape, is_turned ? turn_y : NULL, &off);
    }
    view_plain(&shape, all.buf, DTYPE_F32, 3, y + 1);
    set_part(lw, &all, out[1], &shape, is_turned ? turn_h : NULL, &off);
    if (r.kind == RNN_LSTM) {
        set_part(lw, &all, out[2], &shape, is_turned ? turn_h : NULL, &off);
    }
    return true;
}
