#include "passes/shape.h"

#include <inttypes.h>

bool shape_gemm(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const a = node_in(g, n, 0);
    const struct value *const b = node_in(g, n, 1);
    const struct value *const c = node_in(g, n, 2);
    if (!shape_same_type(g, cx, n, 0, 1) || !shape_same_type(g, cx, n, 0, 2)) {
        return false;
    }
    if (a->shape.rank != 2 || b->shape.rank != 2) {
        return node_error(cx, n, E_SHAPE,
                          "its factors are %s and %s; both must have 2 "
                          "dimensions",
                          shape_text(&a->shape).text,
                          shape_text(&b->shape).text);
    }
    const uint32_t trans_a = node_int(n, "transA", 0) != 0;
    const uint32_t trans_b = node_int(n, "transB", 0) != 0;
    const int64_t k = a->shape.dim[1 - trans_a];
    const int64_t k_b = b->shape.dim[trans_b];
    if (k != k_b) {
        return node_error(cx, n, E_SHAPE,
                          "its factors, %s and %s, sum over %" PRId64
                          " and %" PRId64 " elements",
                          shape_text(&a->shape).text,
                          shape_text(&b->shape).text, k, k_b);
    }
    const struct shape s = {2,
                            {a->shape.dim[trans_a], b->shape.dim[1 - trans_b]}};
    struct shape with_c;
    if (c && (!shape_broadcast_two(&s, &c->shape, &with_c) ||
              !shape_equal(&s, &with_c))) {
        return node_error(
            cx, n, E_SHAPE, "'%s' of %s does not broadcast to the product, %s",
            c->name, shape_text(&c->shape).text, shape_text(&s).text);
    }
    return shape_set(g, cx, n, 0, a->dtype, &s);
}

bool matmul_shape(const struct shape *a, const struct shape *b,
                  struct shape *out)
{
    const int64_t k_a = a->rank > 0 ? a->dim[a->rank - 1] : -1;
    const int64_t k_b = b->rank > 1   ? b->dim[b->rank - 2]
                        : b->rank > 0 ? b->dim[0]
                                      : -1;
    struct shape batch_a = *a;
    struct shape batch_b = *b;
    batch_a.rank = a->rank > 2 ? a->rank - 2 : 0;
    batch_b.rank = b->rank > 2 ? b->rank - 2 : 0;
    if (k_a < 0 || k_a != k_b ||
        !shape_broadcast_two(&batch_a, &batch_b, out)) {
        return false;
    }
    if (a->rank > 1) {
        out->dim[out->rank++] = a->dim[a->rank - 2];
    }
    if (b->rank > 1) {
        out->dim[out->rank++] = b->dim[b->rank - 1];
    }
    return true;
}

bool shape_matmul(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const a = node_in(g, n, 0);
    const struct value *const b = node_in(g, n, 1);
    struct shape s;
    if (!shape_same_type(g, cx, n, 0, 1)) {
        return false;
    }
    return (matmul_shape(&a->shape, &b->shape, &s) ||
            node_error(cx, n, E_SHAPE, "%s and %s cannot be multiplied",
                       shape_text(&a->shape).text,
                       shape_text(&b->shape).text)) &&
           shape_set(g, cx, n, 0, a->dtype, &s);
}

static bool is_float(const struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    return dtype_is_float(in->dtype) ||
           node_error(cx, n, E_TYPE,
                      "its input is of type %s; it must be a float",
                      dtype_name(in->dtype));
}

bool shape_softmax(struct graph *g, struct cx *cx, const struct node *n)
{
    uint32_t axis;
    uint32_t end;
    return is_float(g, cx, n) && softmax_params(g, cx, n, &axis, &end) &&
           shape_same(g, cx, n);
}

bool shape_layer_norm(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    uint32_t axis = 0;
    if (!is_float(g, cx, n) ||
        !axis_resolve(cx, n, node_int(n, "axis", -1), in->shape.rank, &axis)) {
        return false;
    }
    struct shape tail = {.rank = in->shape.rank - axis};
    struct shape stats = in->shape;
    for (uint32_t i = axis; i < in->shape.rank; i++) {
        tail.dim[i - axis] = in->shape.dim[i];
        stats.dim[i] = 1;
    }
    for (uint32_t i = 1; i < n->n_in; i++) {
        const struct value *const v = node_in(g, n, i);
        struct shape s;
        if (v && (!shape_broadcast_two(&tail, &v->shape, &s) ||
                  !shape_equal(&s, &tail))) {
            return node_error(
                cx, n, E_SHAPE, "'%s' of %s does not broadcast to %s", v->name,
                shape_text(&v->shape).text, shape_text(&tail).text);
        }
    }
    return shape_set(g, cx, n, 1, DTYPE_F32, &stats) &&
           shape_set(g, cx, n, 2, DTYPE_F32, &stats) && shape_same(g, cx, n);
}

bool shape_reduce(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    bool is_axis[TENSOR_MAX_RANK];
    if (!axes_params(g, cx, n, is_axis)) {
        return false;
    }
    const bool keep = node_int(n, "keepdims", 1) != 0;
    struct shape s = {0};
    for (uint32_t i = 0; i < in->shape.rank; i++) {
        if (!is_axis[i] || keep) {
            s.dim[s.rank++] = is_axis[i] ? 1 : in->shape.dim[i];
        }
    }
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_arg(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    uint32_t axis = 0;
    if (!axis_resolve(cx, n, node_int(n, "axis", 0), in->shape.rank, &axis)) {
        return false;
    }
    if (in->shape.dim[axis] == 0) {
        return node_error(cx, n, E_SHAPE, "axis %u of %s is empty", axis,
                          shape_text(&in->shape).text);
    }
    const bool keep = node_int(n, "keepdims", 1) != 0;
    struct shape s = {0};
    for (uint32_t i = 0; i < in->shape.rank; i++) {
        if (i != axis || keep) {
            s.dim[s.rank++] = i == axis ? 1 : in->shape.dim[i];
        }
    }
    return shape_set(g, cx, n, 0, DTYPE_I64, &s);
}

bool shape_einsum(struct graph *g, struct cx *cx, const struct node *n)
{
    struct einsum_params p;
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (!node_in(g, n, i)) {
            return node_error(cx, n, E_OP_INPUTS, "input %u is omitted", i);
        }
        if (!shape_same_type(g, cx, n, 0, i)) {
            return false;
        }
    }
    if (!einsum_params(g, cx, n, &p)) {
        return false;
    }
    struct shape s = {.rank = p.out_rank};
    for (uint32_t k = 0; k < s.rank; k++) {
        s.dim[k] = p.dim[p.out[k]];
    }
    return shape_set(g, cx, n, 0, node_in(g, n, 0)->dtype, &s);
}
