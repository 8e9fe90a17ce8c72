/* Elements by index, and what runs along an axis: class tensor. */
#include "passes/elem.h"
#include "passes/lower_draft.h"

/* Of k_tensor_index.h. */
enum index_kind { INDEX_ALONG, INDEX_TUPLES };

static bool get_all(struct lower *lw, uint32_t node_ix, struct view *in)
{
    const struct node *const n = &lw->g->node[node_ix];
    for (uint32_t k = 0; k < n->n_in; k++) {
        if (!lower_get(lw, node_ix, n->in[k], &in[k])) {
            return false;
        }
    }
    return true;
}

bool lower_gather_index(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const bool is_along = n->op == OP_GATHER_ELEMENTS;
    struct view in[2];
    uint32_t axis = 0;
    if (!get_all(lw, node_ix, in) ||
        (is_along &&
         !axis_resolve(lw->cx, n, node_int(n, "axis", 0), in[0].rank, &axis))) {
        return false;
    }
    struct draft *const d =
        lower_tensor_draft(lw, node_ix, n->out[0], TENSOR_GATHER, in, 2);
    if (!d) {
        return false;
    }
    int32_t *const p = d->y.p.tensor.i;
    p[0] = is_along ? INDEX_ALONG : INDEX_TUPLES;
    p[1] = is_along ? (int32_t)axis : (int32_t)node_int(n, "batch_dims", 0);
    d->y.macs = view_count(&d->out);
    return true;
}

bool lower_scatter(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const bool is_along = n->op != OP_SCATTER_ND;
    struct view in[3];
    uint32_t axis = 0;
    enum scatter_kind kind;
    if (!get_all(lw, node_ix, in) || !scatter_params(lw->cx, n, &kind) ||
        (is_along &&
         !axis_resolve(lw->cx, n, node_int(n, "axis", 0), in[0].rank, &axis))) {
        return false;
    }
    if (view_count(&in[2]) == 0) {
        lower_set(lw, n->out[0], &in[0]);
        return true;
    }
    struct draft *const d =
        lower_tensor_draft(lw, node_ix, n->out[0], TENSOR_SCATTER, in, 3);
    if (!d) {
        return false;
    }
    if (in[0].buf == lower_state_of(lw, node_ix, n->out[0])) {
        d->out = in[0]; /* only what it replaces is written */
        lower_set(lw, n->out[0], &in[0]);
    }
    int32_t *const p = d->y.p.tensor.i;
    p[0] = is_along ? INDEX_ALONG : INDEX_TUPLES;
    p[1] = (int32_t)axis;
    p[2] = (int32_t)kind;
    d->y.macs = view_count(&in[2]);
    return true;
}

/* CumSum, CumProd. */
bool lower_scan(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    struct view in;
    uint32_t axis;
    if (!scan_axis(lw->g, lw->cx, n, &axis) ||
        !lower_get(lw, node_ix, n->in[0], &in)) {
        return false;
    }
    struct draft *const d =
        lower_tensor_draft(lw, node_ix, n->out[0], TENSOR_SCAN, &in, 1);
    if (!d) {
        return false;
    }
    int32_t *const p = d->y.p.tensor.i;
    p[0] = (int32_t)axis;
    p[1] = node_int(n, "exclusive", 0) != 0;
    p[2] = node_int(n, "reverse", 0) != 0;
    p[3] = n->op == OP_CUM_PROD;
    return true;
}

/* Where they are, then what they are. */
bool lower_top_k(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const struct value *const v = &lw->g->value[n->out[0]];
    const bool has_places = n->n_out > 1 && n->out[1] != VALUE_NONE;
    struct view in[2];
    uint32_t axis;
    if (!lower_get(lw, node_ix, n->in[0], &in[0]) ||
        !axis_resolve(lw->cx, n, node_int(n, "axis", -1), in[0].rank, &axis)) {
        return false;
    }
    uint64_t dim[TENSOR_MAX_RANK];
    dims_of(&v->shape, dim);
    struct draft *d = lower_tensor_draft_of(lw, node_ix, v->name, DTYPE_I64,
                                            v->shape.rank, dim, TENSOR_ORDER);
    if (!d) {
        return false;
    }
    d->y.n_in = 1;
    d->in[0] = in[0];
    d->y.p.tensor.i[0] = (int32_t)axis;
    d->y.p.tensor.i[1] = node_int(n, "largest", 1) != 0;
    /* A heap of k elements: some comparisons for each of the input. */
    d->y.macs = view_count(&in[0]) * 4;
    in[1] = d->out;
    if (has_places) {
        lower_set(lw, n->out[1], &in[1]);
    }
    d = lower_tensor_draft(lw, node_ix, n->out[0], TENSOR_GATHER, in, 2);
    if (!d) {
        return false;
    }
    d->y.p.tensor.i[0] = INDEX_ALONG;
    d->y.p.tensor.i[1] = (int32_t)axis;
    return true;
}

/* The same bytes, of another type. */
bool lower_bit_cast(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    struct view in;
    if (!lower_get(lw, node_ix, n->in[0], &in)) {
        return false;
    }
    in.dtype = lw->g->value[n->out[0]].dtype;
    lower_set(lw, n->out[0], &in);
    return true;
}
