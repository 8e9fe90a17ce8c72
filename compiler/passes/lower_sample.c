/* Images read at computed places, and determinants: class tensor. */
#include "passes/lower_draft.h"

/* All inputs; *place[i] is that of input i among the operands, 0: omitted. */
static bool get_all(struct lower *lw, uint32_t node_ix, struct view *in,
                    uint32_t *n_in, int32_t *place)
{
    const struct node *const n = &lw->g->node[node_ix];
    *n_in = 0;
    for (uint32_t k = 0; k < n->n_in; k++) {
        place[k] = 0;
        if (n->in[k] == VALUE_NONE) {
            continue;
        }
        if (!lower_get(lw, node_ix, n->in[k], &in[*n_in])) {
            return false;
        }
        place[k] = (int32_t)++ * n_in;
    }
    return true;
}

bool lower_grid_sample(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    struct view in[2];
    int32_t place[2];
    uint32_t n_in;
    struct grid_params p;
    if (!grid_params(lw->cx, n, &p) ||
        !get_all(lw, node_ix, in, &n_in, place)) {
        return false;
    }
    struct draft *const d =
        lower_tensor_draft(lw, node_ix, n->out[0], TENSOR_GRID, in, 2);
    if (!d) {
        return false;
    }
    d->y.p.tensor.i[0] = p.mode;
    d->y.p.tensor.i[1] = p.pad;
    d->y.p.tensor.i[2] = p.aligns_corners;
    d->y.macs = view_count(&d->out);
    for (uint32_t k = 2; k < in[0].rank; k++) {
        d->y.macs *= p.mode == 0 ? 2 : p.mode == 1 ? 1 : 4;
    }
    return true;
}

bool lower_roi_align(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    struct view in[3];
    int32_t place[3];
    uint32_t n_in;
    struct roi_params p;
    if (!roi_params(lw->g, lw->cx, n, &p) ||
        !get_all(lw, node_ix, in, &n_in, place)) {
        return false;
    }
    struct draft *const d =
        lower_tensor_draft(lw, node_ix, n->out[0], TENSOR_ROI, in, 3);
    if (!d) {
        return false;
    }
    d->y.p.tensor.i[0] = p.is_max;
    d->y.p.tensor.i[1] = p.samples;
    d->y.p.tensor.i[2] = p.is_half;
    d->y.p.tensor.f[0] = p.scale;
    const uint64_t along = p.samples > 0 ? (uint64_t)p.samples : 2;
    d->y.macs = view_count(&d->out) * along * along * 4;
    return true;
}

bool lower_deform_conv(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    struct view in[5];
    int32_t place[5] = {0};
    uint32_t n_in;
    struct deform_params p;
    if (!deform_params(lw->g, lw->cx, n, &p) ||
        !get_all(lw, node_ix, in, &n_in, place)) {
        return false;
    }
    struct draft *const d =
        lower_tensor_draft(lw, node_ix, n->out[0], TENSOR_DEFORM, in, n_in);
    if (!d) {
        return false;
    }
    int32_t *const i = d->y.p.tensor.i;
    i[0] = place[3];
    i[1] = place[4];
    i[2] = (int32_t)p.group;
    i[3] = (int32_t)p.offset_group;
    for (uint32_t k = 0; k < 2; k++) {
        i[4 + k] = (int32_t)p.stride[k];
        i[6 + k] = (int32_t)p.dilation[k];
        i[8 + k] = (int32_t)p.pad[k];
    }
    d->y.macs = view_count(&d->out) * view_count(&in[1]) / in[1].dim[0] * 4;
    return true;
}

bool lower_det(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    struct view in;
    if (!lower_get(lw, node_ix, n->in[0], &in)) {
        return false;
    }
    struct draft *const d =
        lower_tensor_draft(lw, node_ix, n->out[0], TENSOR_DET, &in, 1);
    if (!d) {
        return false;
    }
    d->y.macs = view_count(&in) * in.dim[in.rank - 1];
    return true;
}
