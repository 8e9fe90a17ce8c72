/* Results whose number depends on values: class tensor; the count, then room
 * for the most there can be. */
#include "passes/lower_draft.h"

/* Drafts `op`; output 0 is what follows the count, output 1 the count. */
static struct draft *draft_found(struct lower *lw, uint32_t node_ix,
                                 enum tensor_op op)
{
    const struct node *const n = &lw->g->node[node_ix];
    uint64_t dim[TENSOR_MAX_RANK];
    struct view v;
    dims_of(&lw->g->value[n->out[0]].shape, dim);
    const uint64_t total = 1 + dim[0] * dim[1];
    struct draft *const d =
        lower_tensor_draft_of(lw, node_ix, n->name, DTYPE_I64, 1, &total, op);
    if (!d) {
        return NULL;
    }
    view_plain(&v, d->out.buf, DTYPE_I64, 2, dim);
    v.off = 1;
    lower_set(lw, n->out[0], &v);
    if (n->n_out > 1 && n->out[1] != VALUE_NONE) {
        view_plain(&v, d->out.buf, DTYPE_I64, 0, dim);
        lower_set(lw, n->out[1], &v);
    }
    return d;
}

bool lower_nms(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    struct view in[4];
    int32_t place[5] = {0};
    uint32_t n_in = 0;
    int64_t most;
    if (!nms_most(lw->g, lw->cx, n, &most)) {
        return false;
    }
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (i == 2 || n->in[i] == VALUE_NONE) {
            continue;
        }
        if (!lower_get(lw, node_ix, n->in[i], &in[n_in])) {
            return false;
        }
        place[i] = (int32_t)++n_in;
    }
    struct draft *const d = draft_found(lw, node_ix, TENSOR_NMS);
    if (!d) {
        return false;
    }
    d->y.n_in = n_in;
    for (uint32_t i = 0; i < n_in; i++) {
        d->in[i] = in[i];
    }
    int32_t *const p = d->y.p.tensor.i;
    p[0] = node_int(n, "center_point_box", 0) != 0;
    p[1] = (int32_t)most;
    p[2] = place[3];
    p[3] = place[4];
    /* Sorting, and some boxes compared with each. */
    d->y.macs = view_count(&in[1]) * 64;
    return true;
}

bool lower_nonzero(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    struct view in;
    if (!lower_get(lw, node_ix, n->in[0], &in)) {
        return false;
    }
    struct draft *const d = draft_found(lw, node_ix, TENSOR_NONZERO);
    if (!d) {
        return false;
    }
    d->y.n_in = 1;
    d->in[0] = in;
    d->y.macs = view_count(&in);
    return true;
}
