/* Softmax and products of computed matrices. */
#include "passes/lower_draft.h"

bool lower_softmax(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const struct value *const v = &lw->g->value[n->out[0]];
    uint32_t axis;
    uint32_t end;
    struct view in;
    if (!softmax_params(lw->g, lw->cx, n, &axis, &end) ||
        !lower_get(lw, node_ix, n->in[0], &in) ||
        !lower_need_f32(lw, node_ix, in.dtype)) {
        return false;
    }
    /* [axis, end) as one dimension, and that one last. */
    uint64_t dim[TENSOR_MAX_RANK];
    uint32_t rank = 0;
    for (uint32_t k = 0; k < in.rank; k++) {
        if (k > axis && k < end) {
            dim[rank - 1] *= in.dim[k];
        } else {
            dim[rank++] = in.dim[k];
        }
    }
    struct view flat;
    if (!view_reshape(&in, rank, dim, &flat)) {
        if (!lower_plain_copy(lw, node_ix, v->name, &in) ||
            !view_reshape(&in, rank, dim, &flat)) {
            return false;
        }
    }
    uint32_t perm[TENSOR_MAX_RANK];
    uint32_t back[TENSOR_MAX_RANK];
    for (uint32_t k = 0; k < rank; k++) {
        perm[k] = k < axis ? k : k + 1 < rank ? k + 1 : axis;
    }
    for (uint32_t k = 0; k < rank; k++) {
        back[perm[k]] = k;
    }
    flat = view_permute(&flat, perm);
    struct view out;
    if (!lower_fresh(lw, v->name, v->dtype, rank, flat.dim, &flat, &out)) {
        return false;
    }
    struct draft *const d = lower_new_draft(lw, node_ix, LAYER_SOFTMAX);
    if (!d) {
        return false;
    }
    d->y.n_in = 1;
    d->y.p.softmax.log = n->op == OP_LOG_SOFTMAX;
    d->in[0] = flat;
    d->out = out;
    out = view_permute(&out, back);
    lower_set(lw, n->out[0], &out);
    return true;
}

/* A constant operand is copied into a buffer first. */
static bool to_buffer(struct lower *lw, uint32_t node_ix, struct view *v)
{
    return v->buf != BUF_WEIGHTS ||
           lower_plain_copy(lw, node_ix, lw->g->node[node_ix].name, v);
}

/* [.., rows, cols] with the batch dimensions of `batch`, of rank - 2. */
static struct view as_matrices(const struct view *v, uint32_t rank,
                               const uint64_t *batch, bool is_left)
{
    struct view m = *v;
    if (m.rank == 1) { /* a row on the left, a column on the right */
        m.rank = 2;
        m.dim[is_left ? 1 : 0] = v->dim[0];
        m.stride[is_left ? 1 : 0] = v->stride[0];
        m.dim[is_left ? 0 : 1] = 1;
        m.stride[is_left ? 0 : 1] = 0;
    }
    uint64_t dim[TENSOR_MAX_RANK];
    for (uint32_t k = 0; k + 2 < rank; k++) {
        dim[k] = batch[k];
    }
    dim[rank - 2] = m.dim[m.rank - 2];
    dim[rank - 1] = m.dim[m.rank - 1];
    return view_expand(&m, rank, dim);
}

bool lower_product(struct lower *lw, uint32_t node_ix, struct view *a,
                   struct view *b, struct view *out)
{
    const struct node *const n = &lw->g->node[node_ix];
    const bool is_f32 = a->dtype == DTYPE_F32 && b->dtype == DTYPE_F32;
    if (!to_buffer(lw, node_ix, a) || !to_buffer(lw, node_ix, b)) {
        return false;
    }
    /* The batch dimensions of both, broadcast. */
    uint64_t dim[TENSOR_MAX_RANK] = {0};
    const uint32_t rank_a = a->rank < 2 ? 2 : a->rank;
    const uint32_t rank_b = b->rank < 2 ? 2 : b->rank;
    const uint32_t rank = rank_a > rank_b ? rank_a : rank_b;
    for (uint32_t k = 0; k + 2 < rank; k++) {
        const uint64_t from_a =
            k + rank_a < rank ? 1 : a->dim[k + rank_a - rank];
        const uint64_t from_b =
            k + rank_b < rank ? 1 : b->dim[k + rank_b - rank];
        dim[k] = from_a > from_b ? from_a : from_b;
    }
    const struct view left = as_matrices(a, rank, dim, true);
    const struct view right = as_matrices(b, rank, dim, false);
    dim[rank - 2] = left.dim[rank - 2];
    dim[rank - 1] = right.dim[rank - 1];
    uint64_t count = 1;
    for (uint32_t k = 0; k < rank; k++) {
        count *= dim[k];
    }
    const uint32_t buf = lower_new_buf(lw, lw->g->value[n->out[0]].name,
                                       a->dtype, count, dim[rank - 1]);
    struct draft *const d =
        lower_new_draft(lw, node_ix, is_f32 ? LAYER_MATMUL : LAYER_TENSOR);
    if (buf == UINT32_MAX || !d) {
        return false;
    }
    view_plain(&d->out, buf, a->dtype, rank, dim);
    d->y.n_in = 2;
    d->in[0] = left;
    d->in[1] = right;
    if (is_f32) {
        d->y.p.matmul = (struct matmul_param){dim[rank - 2], dim[rank - 1],
                                              left.dim[rank - 1]};
    } else {
        d->y.p.tensor.op = TENSOR_MATMUL;
    }
    d->y.macs = count * left.dim[rank - 1];
    *out = d->out;
    return true;
}
