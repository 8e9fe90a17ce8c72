#include "passes/extent.h"

#include <inttypes.h>

/* Element by element. */
static const bool by_element[OP_COUNT] = {
    [OP_ABS] = true,        [OP_ADD] = true,     [OP_AND] = true,
    [OP_CAST] = true,       [OP_CEIL] = true,    [OP_CLIP] = true,
    [OP_DIV] = true,        [OP_EQUAL] = true,   [OP_EXP] = true,
    [OP_FLOOR] = true,      [OP_GREATER] = true, [OP_GREATER_OR_EQUAL] = true,
    [OP_IDENTITY] = true,   [OP_LESS] = true,    [OP_LESS_OR_EQUAL] = true,
    [OP_LOG] = true,        [OP_MAX] = true,     [OP_MIN] = true,
    [OP_MOD] = true,        [OP_MUL] = true,     [OP_NEG] = true,
    [OP_NOT] = true,        [OP_OR] = true,      [OP_POW] = true,
    [OP_RECIPROCAL] = true, [OP_RELU] = true,    [OP_ROUND] = true,
    [OP_SIGMOID] = true,    [OP_SQRT] = true,    [OP_SUB] = true,
    [OP_SUM] = true,        [OP_TANH] = true,    [OP_WHERE] = true,
    [OP_XOR] = true,
};

/* Where dimension `dim` of input i is in the result; UINT32_MAX: the node works
 * across it. */
static uint32_t element_dim(const struct graph *g, const struct node *n,
                            uint32_t i, uint32_t dim)
{
    const struct shape *const in = &node_in(g, n, i)->shape;
    const struct shape *const out = &node_out(g, n, 0)->shape;
    const uint32_t at = dim + out->rank - in->rank;
    return out->dim[at] == in->dim[dim] ? at : UINT32_MAX;
}

static uint32_t gather_dim(const struct graph *g, struct cx *cx,
                           const struct node *n, uint32_t i, uint32_t dim)
{
    uint32_t axis = 0;
    if (!axis_resolve(cx, n, node_int(n, "axis", 0),
                      node_in(g, n, 0)->shape.rank, &axis)) {
        return UINT32_MAX;
    }
    if (i == 1) {
        return axis + dim;
    }
    return dim < axis   ? dim
           : dim > axis ? dim - 1 + node_in(g, n, 1)->shape.rank
                        : UINT32_MAX;
}

/* Reshapes that leave the dimension and what is before it whole. */
static uint32_t reshape_dim(const struct graph *g, const struct node *n,
                            uint32_t dim)
{
    const struct shape *const in = &node_in(g, n, 0)->shape;
    const struct shape *const out = &node_out(g, n, 0)->shape;
    int64_t before = 1;
    int64_t so_far = 1;
    for (uint32_t k = 0; k < dim; k++) {
        before *= in->dim[k];
    }
    for (uint32_t k = 0; k < out->rank && so_far <= before; k++) {
        if (so_far == before && out->dim[k] == in->dim[dim]) {
            return k;
        }
        so_far *= out->dim[k];
    }
    return UINT32_MAX;
}

static uint32_t slice_dim(const struct graph *g, struct cx *cx,
                          const struct node *n, uint32_t dim)
{
    struct slice_params s;
    return slice_params(g, cx, n, &s) && s.start[dim] == 0 &&
                   s.step[dim] == 1 &&
                   s.len[dim] == node_in(g, n, 0)->shape.dim[dim]
               ? dim
               : UINT32_MAX;
}

static uint32_t transpose_dim(const struct graph *g, struct cx *cx,
                              const struct node *n, uint32_t dim)
{
    uint32_t perm[TENSOR_MAX_RANK];
    if (!perm_params(g, cx, n, perm)) {
        return UINT32_MAX;
    }
    uint32_t k = 0;
    while (perm[k] != dim) {
        k++;
    }
    return k;
}

static uint32_t concat_dim(const struct graph *g, struct cx *cx,
                           const struct node *n, uint32_t dim)
{
    uint32_t axis = 0;
    return axis_resolve(cx, n, node_int(n, "axis", 0),
                        node_in(g, n, 0)->shape.rank, &axis) &&
                   axis != dim
               ? dim
               : UINT32_MAX;
}

static uint32_t result_dim(const struct graph *g, struct cx *cx,
                           const struct node *n, uint32_t i, uint32_t dim)
{
    if (by_element[n->op]) {
        return element_dim(g, n, i, dim);
    }
    switch ((int)n->op) {
    case OP_GATHER:
        return gather_dim(g, cx, n, i, dim);
    case OP_GATHER_ND: /* of batch_dims 0, whose first dimensions are the
                          indices' */
        return i == 1 && node_int(n, "batch_dims", 0) == 0 &&
                       dim + 1 < node_in(g, n, 1)->shape.rank
                   ? dim
                   : UINT32_MAX;
    case OP_RESHAPE:
    case OP_FLATTEN:
    case OP_SQUEEZE:
    case OP_UNSQUEEZE:
        return reshape_dim(g, n, dim);
    case OP_SLICE:
        return slice_dim(g, cx, n, dim);
    case OP_SPLIT:
    case OP_CONCAT:
        return concat_dim(g, cx, n, dim);
    case OP_TRANSPOSE:
        return transpose_dim(g, cx, n, dim);
    default:
        return UINT32_MAX;
    }
}

bool extent_spread(struct graph *g, struct cx *cx, const struct node *n)
{
    uint32_t extent = 0;
    uint32_t source = VALUE_NONE;
    for (uint32_t i = 0; i < n->n_in; i++) {
        const struct value *const v = node_in(g, n, i);
        if (!v || v->extent == 0) {
            continue;
        }
        const uint32_t at = result_dim(g, cx, n, i, v->extent - 1);
        if (at == UINT32_MAX ||
            (extent != 0 && (at + 1 != extent || v->extent_of != source))) {
            return node_error(
                cx, n, E_UNSUPPORTED,
                "how many elements '%s' has along dimension %u is known at run "
                "time only (at most %" PRId64 "); %s, which would need to know "
                "it, is not supported on such a tensor",
                v->name, v->extent - 1, v->shape.dim[v->extent - 1],
                op_name(n->op));
        }
        extent = at + 1;
        source = v->extent_of;
    }
    for (uint32_t i = 0; extent != 0 && i < n->n_out; i++) {
        struct value *const v = node_out(g, n, i);
        if (v) {
            v->extent = extent;
            v->extent_of = source;
        }
    }
    return true;
}
