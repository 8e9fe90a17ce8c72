/* Normalizations whose scale is computed, or without a layer of their own. */
#include <inttypes.h>

#include "passes/expand.h"

/* x * scale + bias; either may be absent. */
static uint32_t emit_affine(struct expand *e, uint32_t x, uint32_t scale,
                            uint32_t bias)
{
    x = scale == VALUE_NONE ? x : ex_op2(e, OP_MUL, x, ex_widened(e, scale));
    return bias == VALUE_NONE ? x : ex_op2(e, OP_ADD, x, ex_widened(e, bias));
}

/* (x - mean) / sqrt(variance + epsilon) over the axes; x itself without the
 * mean. *mean and *inverse: what was taken off, and one over the root. */
static uint32_t emit_normal(struct expand *e, uint32_t x, const int64_t *axes,
                            uint32_t n, bool has_mean, double epsilon,
                            uint32_t *mean, uint32_t *inverse)
{
    *mean = VALUE_NONE;
    if (has_mean) {
        *mean = ex_over(e, OP_REDUCE_MEAN, x, axes, n);
        x = ex_op2(e, OP_SUB, x, *mean);
    }
    const uint32_t square = ex_op2(e, OP_MUL, x, x);
    const uint32_t var = ex_over(e, OP_REDUCE_MEAN, square, axes, n);
    const uint32_t more = ex_number(e, ex_type(e, x), epsilon);
    const uint32_t sum = ex_op2(e, OP_ADD, var, more);
    *inverse = ex_op1(e, OP_RECIPROCAL, ex_op1(e, OP_SQRT, sum));
    return ex_op2(e, OP_MUL, x, *inverse);
}

/* Whether the node, over dimensions from `axis` on, is a layer as it is. */
static bool is_plain_norm(const struct graph *g, const struct node *n,
                          uint32_t axis)
{
    const struct value *const x = node_in(g, n, 0);
    uint64_t size = 1;
    if (x->dtype != DTYPE_F32 && x->dtype != DTYPE_F16 &&
        x->dtype != DTYPE_BF16) {
        return false;
    }
    for (uint32_t k = axis; k < x->shape.rank; k++) {
        size *= (uint64_t)x->shape.dim[k];
    }
    for (uint32_t i = 1; i < n->n_in; i++) {
        const struct value *const v = node_in(g, n, i);
        uint64_t own;
        if (v && (!v->is_const || !shape_count(&v->shape, &own) ||
                  (own != size && own != 1))) {
            return false;
        }
    }
    for (uint32_t i = 1; i < n->n_out; i++) {
        if (n->out[i] != VALUE_NONE) {
            return false;
        }
    }
    return true;
}

bool expand_layer_norm(struct expand *e)
{
    const struct node *const n = ex_self(e);
    const bool has_mean = n->op == OP_LAYER_NORM;
    const uint32_t rank = e->g->value[n->in[0]].shape.rank;
    const double epsilon = (double)node_float(n, "epsilon", 1e-5F);
    int64_t axes[TENSOR_MAX_RANK];
    uint32_t axis = 0;
    uint32_t mean;
    uint32_t inverse;
    if (!axis_resolve(e->cx, n, node_int(n, "axis", -1), rank, &axis)) {
        return false;
    }
    if (is_plain_norm(e->g, n, axis)) {
        return true;
    }
    const uint32_t n_axes = ex_axes_from(axis, rank, axes);
    const uint32_t x = ex_widened(e, ex_in(e, 0));
    uint32_t y =
        emit_normal(e, x, axes, n_axes, has_mean, epsilon, &mean, &inverse);
    y = emit_affine(e, y, ex_in(e, 1), ex_in(e, 2));
    ex_give(e, 0, y);
    ex_give(e, 1, mean);
    ex_give(e, 2, inverse);
    return ex_done(e);
}

/* A vector along dimension 1 of `rank`, as one that broadcasts. */
static uint32_t along_channels(struct expand *e, uint32_t v, uint32_t rank)
{
    int64_t axes[TENSOR_MAX_RANK];
    const uint32_t n = ex_axes_from(1, rank - 1, axes);
    return ex_over(e, OP_UNSQUEEZE, v, axes, n);
}

/* InstanceNormalization, and GroupNormalization: over each group of channels
 * with all their pixels. */
bool expand_instance_norm(struct expand *e)
{
    const struct node *const n = ex_self(e);
    const struct shape s = e->g->value[n->in[0]].shape;
    const bool is_group = n->op == OP_GROUP_NORM;
    const bool per_group = is_group && e->g->opset < 21;
    const int64_t groups = node_int(n, "num_groups", 0);
    const double epsilon = (double)node_float(n, "epsilon", 1e-5F);
    uint32_t mean;
    uint32_t inverse;
    if (s.rank < 3 || (is_group && (groups < 1 || s.dim[1] % groups != 0))) {
        return node_error(e->cx, n, E_SHAPE,
                          "an input of %s cannot be normalised by channels",
                          shape_text(&s).text);
    }
    uint32_t x = ex_widened(e, ex_in(e, 0));
    uint32_t scale = ex_in(e, 1);
    uint32_t bias = ex_in(e, 2);
    if (!is_group) {
        int64_t axes[TENSOR_MAX_RANK];
        x = emit_normal(e, x, axes, ex_axes_from(2, s.rank, axes), true,
                        epsilon, &mean, &inverse);
    } else {
        const int64_t to[3] = {s.dim[0], groups, -1};
        const int64_t axes[1] = {2};
        x = ex_reshape(e, x, to, 3);
        x = emit_normal(e, x, axes, 1, true, epsilon, &mean, &inverse);
        if (per_group) {
            x = emit_affine(e, x, along_channels(e, scale, 3),
                            along_channels(e, bias, 3));
            scale = VALUE_NONE;
            bias = VALUE_NONE;
        }
        x = ex_reshape(e, x, s.dim, s.rank);
    }
    if (!per_group) {
        x = emit_affine(e, x, along_channels(e, scale, s.rank),
                        along_channels(e, bias, s.rank));
    }
    ex_give(e, 0, x);
    return ex_done(e);
}

/* (x - mean) / (deviation + 1e-9) over the axes. */
bool expand_mean_variance_norm(struct expand *e)
{
    static const int64_t usual[] = {0, 2, 3};
    uint32_t n = 0;
    const int64_t *axes = node_ints(ex_self(e), "axes", &n);
    if (!node_attr(ex_self(e), "axes")) {
        axes = usual;
        n = 3;
    }
    uint32_t x = ex_widened(e, ex_in(e, 0));
    x = ex_op2(e, OP_SUB, x, ex_over(e, OP_REDUCE_MEAN, x, axes, n));
    const uint32_t square = ex_op2(e, OP_MUL, x, x);
    const uint32_t variance = ex_over(e, OP_REDUCE_MEAN, square, axes, n);
    const uint32_t deviation = ex_op1(e, OP_SQRT, variance);
    const uint32_t more = ex_number(e, ex_type(e, x), 1e-9);
    ex_give(e, 0, ex_op2(e, OP_DIV, x, ex_op2(e, OP_ADD, deviation, more)));
    return ex_done(e);
}

/* x / its norm along an axis; 0 stays 0. */
bool expand_lp_norm(struct expand *e)
{
    const struct node *const n = ex_self(e);
    const int64_t axis = node_int(n, "axis", -1);
    const int64_t p = node_int(n, "p", 2);
    if (p != 1 && p != 2) {
        return node_error(e->cx, n, E_OP_ATTR,
                          "p is %" PRId64 "; it must be 1 or 2", p);
    }
    const uint32_t x = ex_widened(e, ex_in(e, 0));
    const uint32_t norm =
        ex_over(e, p == 1 ? OP_REDUCE_L1 : OP_REDUCE_L2, x, &axis, 1);
    const uint32_t zero = ex_number(e, ex_type(e, x), 0);
    const uint32_t one =
        ex_cast(e, ex_op2(e, OP_EQUAL, norm, zero), ex_type(e, x));
    ex_give(e, 0, ex_op2(e, OP_DIV, x, ex_op2(e, OP_ADD, norm, one)));
    return ex_done(e);
}
