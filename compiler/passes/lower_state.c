/* LinearAttention: one box, whose output has the result and the last state. */
#include "passes/lower_draft.h"

bool lower_linear_attention(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    struct linear_params p;
    struct view in[6];
    uint32_t n_in = 0;
    int32_t place[6] = {0};
    if (!linear_params(lw->g, lw->cx, n, &p)) {
        return false;
    }
    const uint64_t bt[2] = {(uint64_t)p.batch, (uint64_t)p.times};
    const uint64_t kv = (uint64_t)p.kv_heads;
    const uint64_t size[6][4] = {
        {bt[0], bt[1], (uint64_t)p.q_heads, (uint64_t)p.key_size},
        {bt[0], bt[1], kv, (uint64_t)p.key_size},
        {bt[0], bt[1], kv, (uint64_t)p.v_size},
        {bt[0], kv, (uint64_t)p.key_size, (uint64_t)p.v_size},
        {bt[0], bt[1], kv, (uint64_t)p.decay_size},
        {bt[0], bt[1], (uint64_t)p.beta_heads, 1},
    };
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (n->in[i] == VALUE_NONE) {
            continue;
        }
        struct view v;
        if (!lower_get(lw, node_ix, n->in[i], &v) ||
            !lower_need_f32(lw, node_ix, v.dtype)) {
            return false;
        }
        /* Dimensions that are only split always make a view. */
        if (!view_reshape(&v, 4, size[i], &in[n_in])) {
            return false;
        }
        place[i] = (int32_t)++n_in;
    }
    const uint64_t out[3] = {bt[0], bt[1], (uint64_t)(p.q_heads * p.v_size)};
    const uint64_t n_out = out[0] * out[1] * out[2];
    const uint64_t n_all =
        n_out + size[3][0] * size[3][1] * size[3][2] * size[3][3];
    struct draft *const d = lower_tensor_draft_of(
        lw, node_ix, n->name, DTYPE_F32, 1, &n_all, TENSOR_STATE);
    if (!d) {
        return false;
    }
    d->y.n_in = n_in;
    for (uint32_t i = 0; i < n_in; i++) {
        d->in[i] = in[i];
    }
    d->y.p.tensor.i[0] = place[3];
    d->y.p.tensor.i[1] = place[4];
    d->y.p.tensor.i[2] = place[5];
    d->y.p.tensor.f[0] = (float)p.scale;
    d->y.macs = out[0] * out[1] * (uint64_t)p.q_heads *
                (uint64_t)(p.key_size * p.v_size) * 3;
    struct view v;
    view_plain(&v, d->out.buf, DTYPE_F32, 3, out);
    lower_set(lw, n->out[0], &v);
    if (n->n_out > 1 && n->out[1] != VALUE_NONE) {
        view_plain(&v, d->out.buf, DTYPE_F32, 4, size[3]);
        v.off = (int64_t)n_out;
        lower_set(lw, n->out[1], &v);
    }
    return true;
}
