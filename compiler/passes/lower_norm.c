/* LayerNormalization and RMSNormalization. */
#include "base/arena.h"
#include "passes/elem.h"
#include "passes/lower_draft.h"

/* A constant of n elements, or of one that counts for all. */
static bool set_weight(struct lower *lw, uint32_t value, uint64_t n,
                       struct weight *w)
{
    const struct value *const v = &lw->g->value[value];
    *w = (struct weight){
        .dtype = DTYPE_F32, .rank = 1, .dim = {n}, .stride = {1}};
    if (v->data.len == n * sizeof(float)) {
        w->data = v->data;
        return true;
    }
    uint8_t *const data = arena_alloc_array(lw->cx->keep, n, sizeof(float), 4);
    for (uint64_t i = 0; data && i < n; i++) {
        elem_put_f64(DTYPE_F32, data, i, elem_f64(DTYPE_F32, v->data.data, 0));
    }
    w->data = (struct span){data, n * sizeof(float)};
    return data != NULL;
}

/* Constant f32 of n elements, or of one. */
static bool is_plain(const struct value *v, uint64_t n)
{
    uint64_t own;
    return v->is_const && v->dtype == DTYPE_F32 &&
           shape_count(&v->shape, &own) && (own == n || own == 1);
}

bool lower_norm(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const struct value *const v = &lw->g->value[n->out[0]];
    const uint32_t bias =
        n->n_in > 2 && n->in[2] != VALUE_NONE ? n->in[2] : VALUE_NONE;
    uint32_t axis;
    struct view in;
    if (!axis_resolve(lw->cx, n, node_int(n, "axis", -1), v->shape.rank,
                      &axis) ||
        !lower_get(lw, node_ix, n->in[0], &in) ||
        !lower_need_f32(lw, node_ix, in.dtype)) {
        return false;
    }
    for (uint32_t i = 1; i < n->n_out; i++) {
        if (n->out[i] != VALUE_NONE) {
            return node_error(lw->cx, n, E_UNSUPPORTED,
                              "only its first output is supported");
        }
    }
    /* [axis, rank) as one dimension. */
    uint64_t dim[TENSOR_MAX_RANK];
    uint64_t size = 1;
    for (uint32_t k = 0; k < in.rank; k++) {
        dim[k] = in.dim[k];
        size *= k < axis ? 1 : in.dim[k];
    }
    dim[axis] = size;
    struct view flat;
    if (!view_reshape(&in, axis + 1, dim, &flat) &&
        (!lower_plain_copy(lw, node_ix, v->name, &in) ||
         !view_reshape(&in, axis + 1, dim, &flat))) {
        return false;
    }
    if (!is_plain(&lw->g->value[n->in[1]], size) ||
        (bias != VALUE_NONE && !is_plain(&lw->g->value[bias], size))) {
        return node_error(lw->cx, n, E_UNSUPPORTED,
                          "scale and bias must be constants");
    }
    struct view out;
    if (!lower_fresh(lw, v->name, v->dtype, flat.rank, flat.dim, &flat, &out)) {
        return false;
    }
    struct draft *const d = lower_new_draft(lw, node_ix, LAYER_NORM);
    if (!d) {
        return false;
    }
    d->y.n_in = 1;
    d->y.n_weight = 2;
    d->y.p.norm.epsilon = node_float(n, "epsilon", 1e-5F);
    d->y.p.norm.is_rms = n->op == OP_RMS_NORM;
    d->in[0] = flat;
    d->out = out;
    d->y.weight[1] = (struct weight){.dtype = DTYPE_F32};
    if (!set_weight(lw, n->in[1], size, &d->y.weight[0]) ||
        (bias != VALUE_NONE && !set_weight(lw, bias, size, &d->y.weight[1]))) {
        return false;
    }
    lower_set(lw, n->out[0], &out);
    return true;
}
