/* Attention: queries, keys and values are read where they are, through strides;
 * rows are those of the queries. */
#include "passes/fuse.h"
#include "passes/lower_draft.h"

/* Input i as [batch, rows, heads, size]. */
static bool get_heads(struct lower *lw, uint32_t node_ix, uint32_t i,
                      int64_t heads, struct view *out)
{
    static const uint32_t perm[4] = {0, 2, 1, 3};
    const struct node *const n = &lw->g->node[node_ix];
    struct view v;
    if (!lower_get(lw, node_ix, n->in[i], &v) ||
        !lower_need_f32(lw, node_ix, v.dtype)) {
        return false;
    }
    if (v.buf == BUF_WEIGHTS && !lower_plain_copy(lw, node_ix, n->name, &v)) {
        return false;
    }
    if (v.rank == 4) {
        *out = view_permute(&v, perm);
        return true;
    }
    const uint64_t dim[4] = {v.dim[0], v.dim[1], (uint64_t)heads,
                             v.dim[2] / (uint64_t)heads};
    return view_reshape(&v, 4, dim, out) ||
           (lower_plain_copy(lw, node_ix, n->name, &v) &&
            view_reshape(&v, 4, dim, out));
}

/* The mask as [batch, queries, heads, keys]. */
static bool get_mask(struct lower *lw, uint32_t node_ix, const uint64_t dim[4],
                     struct view *out)
{
    static const uint32_t perm[4] = {0, 2, 1, 3};
    const struct node *const n = &lw->g->node[node_ix];
    struct view v;
    if (!lower_get(lw, node_ix, n->in[3], &v)) {
        return false;
    }
    if (v.dtype != DTYPE_BOOL && !lower_need_f32(lw, node_ix, v.dtype)) {
        return false;
    }
    v = view_expand(&v, 4, dim);
    *out = view_permute(&v, perm);
    return true;
}

bool lower_attention(struct lower *lw, uint32_t node_ix)
{
    static const uint32_t perm[4] = {0, 2, 1, 3};
    const struct node *const n = &lw->g->node[node_ix];
    const struct value *const v = &lw->g->value[n->out[0]];
    const bool has_mask = n->n_in > 3 && n->in[3] != VALUE_NONE;
    struct attention_params a;
    struct view in[4];
    if (!attention_params(lw->g, lw->cx, n, &a) ||
        !get_heads(lw, node_ix, 0, a.q_heads, &in[0]) ||
        !get_heads(lw, node_ix, 1, a.kv_heads, &in[1]) ||
        !get_heads(lw, node_ix, 2, a.kv_heads, &in[2])) {
        return false;
    }
    const uint64_t scores[4] = {(uint64_t)a.batch, (uint64_t)a.q_heads,
                                (uint64_t)a.queries, (uint64_t)a.keys};
    if (has_mask && !get_mask(lw, node_ix, scores, &in[3])) {
        return false;
    }
    const uint64_t dim[4] = {(uint64_t)a.batch, (uint64_t)a.queries,
                             (uint64_t)a.q_heads, (uint64_t)a.v_size};
    const uint64_t row = dim[2] * dim[3];
    const uint32_t buf =
        lower_new_buf(lw, v->name, DTYPE_F32, dim[0] * dim[1] * row, row);
    struct draft *const d = lower_new_draft(lw, node_ix, LAYER_ATTENTION);
    if (buf == UINT32_MAX || !d) {
        return false;
    }
    view_plain(&d->out, buf, DTYPE_F32, 4, dim);
    d->y.n_in = has_mask ? 4 : 3;
    for (uint32_t i = 0; i < d->y.n_in; i++) {
        d->in[i] = in[i];
    }
    d->y.p.attention = (struct attention_param){
        .mask = !has_mask                   ? ATTN_MASK_NONE
                : in[3].dtype == DTYPE_BOOL ? ATTN_MASK_SELECT
                                            : ATTN_MASK_ADD,
        /* [onnx] a query that sees no key gets 0; patterns say otherwise. */
        .blind = (enum attn_blind)node_int(n, FUSE_ATTN_BLIND, ATTN_BLIND_ZERO),
        .is_causal = a.is_causal,
        .scale = (float)a.scale,
    };
    d->y.macs = dim[0] * dim[1] * dim[2] * scores[3] *
                (uint64_t)(a.head_size + a.v_size);
    const struct view out = d->out;
    const struct view as_onnx = a.has_heads ? view_permute(&out, perm) : out;
    lower_set(lw, n->out[0], &as_onnx);
    return true;
}
