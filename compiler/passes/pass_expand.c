/* Operators that ONNX defines by others become those: a function each. */
#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "passes/elem.h"
#include "passes/fuse.h"
#include "passes/params.h"
#include "passes/passes.h"
#include "passes/shape.h"

/* The expansion of one node. After a failure, which is reported, values are
 * VALUE_NONE and nothing more is made. */
struct expand {
    struct graph *g;
    struct cx *cx;
    uint32_t node; /* being expanded */
    bool is_ok;
};

static const struct node *expanded(const struct expand *e)
{
    return &e->g->node[e->node];
}

/* An attribute of the new node. */
static void put_attr(struct expand *e, uint32_t node_ix, const char *name,
                     struct attr a)
{
    const char *const kept = strtab_intern_str(&e->g->names, name);
    e->is_ok = e->is_ok && kept &&
               fuse_set_attr(e->cx, &e->g->node[node_ix], kept, &a);
}

/* A new node of one or two inputs (the second may be VALUE_NONE) that writes
 * the value `to`, or a new one; `ints`, where given, is its attribute. */
static uint32_t emit_to(struct expand *e, uint32_t to, enum op_id op,
                        uint32_t a, uint32_t b, const char *attr,
                        const int64_t *ints, uint32_t n)
{
    if (!e->is_ok) {
        return VALUE_NONE;
    }
    const uint32_t n_in = b == VALUE_NONE ? 1 : 2;
    const uint32_t ix =
        graph_add_node(e->g, e->cx, op, expanded(e)->name, n_in, 1);
    const uint32_t out =
        to != VALUE_NONE ? to : graph_add_value(e->g, e->cx, expanded(e)->name);
    e->is_ok = ix != UINT32_MAX && out != UINT32_MAX;
    if (!e->is_ok) {
        return VALUE_NONE;
    }
    struct node *const made = &e->g->node[ix];
    made->in[0] = a;
    if (n_in > 1) {
        made->in[1] = b;
    }
    made->out[0] = out;
    if (ints) {
        int64_t *const kept = arena_new(e->cx->keep, int64_t, n ? n : 1);
        e->is_ok = kept != NULL;
        if (kept) {
            memcpy(kept, ints, n * sizeof ints[0]);
            put_attr(e, ix, attr,
                     (struct attr){.kind = ATTR_INTS, .ints = kept, .n = n});
        }
    } else if (attr) {
        put_attr(e, ix, attr, (struct attr){.kind = ATTR_INT, .i = (int64_t)n});
    }
    e->is_ok = e->is_ok && shape_infer(e->g, e->cx, &e->g->node[ix]);
    return e->is_ok ? out : VALUE_NONE;
}

static uint32_t emit(struct expand *e, enum op_id op, uint32_t a, uint32_t b)
{
    return emit_to(e, VALUE_NONE, op, a, b, NULL, NULL, 0);
}

static uint32_t emit_over(struct expand *e, enum op_id op, uint32_t a,
                          const int64_t *axes, uint32_t n)
{
    return emit_to(e, VALUE_NONE, op, a, VALUE_NONE, "axes", axes, n);
}

/* A constant scalar of the type. */
static uint32_t emit_number(struct expand *e, enum dtype t, double x)
{
    uint8_t *const data = arena_alloc(e->cx->keep, 8, 8);
    const struct shape scalar = {0};
    if (!e->is_ok || !data) {
        e->is_ok = false;
        return VALUE_NONE;
    }
    elem_put_f64(t, data, 0, x);
    const uint32_t v =
        graph_add_const(e->g, e->cx, expanded(e)->name, t, &scalar,
                        (struct span){data, dtype_bytes(t)});
    e->is_ok = v != UINT32_MAX;
    return v;
}

static bool is_half(enum dtype t)
{
    return t == DTYPE_F16 || t == DTYPE_BF16;
}

static enum dtype type_of(const struct expand *e, uint32_t v)
{
    return e->g->value[v].dtype;
}

/* v in f32, if it is a 16-bit float. */
static uint32_t widened(struct expand *e, uint32_t v)
{
    return e->is_ok && v != VALUE_NONE && is_half(type_of(e, v))
               ? emit_to(e, VALUE_NONE, OP_CAST, v, VALUE_NONE, "to", NULL,
                         DTYPE_F32)
               : v;
}

/* The node's own result, of its input's type and shape, is `from`. */
static bool finish(struct expand *e, uint32_t from)
{
    const uint32_t to = expanded(e)->out[0];
    const struct value *const x = &e->g->value[expanded(e)->in[0]];
    if (!e->is_ok) {
        return false;
    }
    if (!shape_equal(&e->g->value[from].shape, &x->shape)) {
        return node_error(e->cx, expanded(e), E_SHAPE,
                          "its scale or bias does not fit its input, %s",
                          shape_text(&x->shape).text);
    }
    const enum dtype t = x->dtype;
    (void)emit_to(e, to, t == type_of(e, from) ? OP_IDENTITY : OP_CAST, from,
                  VALUE_NONE, t == type_of(e, from) ? NULL : "to", NULL,
                  (uint32_t)t);
    e->g->node[e->node].is_dead = e->is_ok;
    return e->is_ok;
}

/* x * scale + bias; either may be absent. */
static uint32_t emit_affine(struct expand *e, uint32_t x, uint32_t scale,
                            uint32_t bias)
{
    x = scale == VALUE_NONE ? x : emit(e, OP_MUL, x, widened(e, scale));
    return bias == VALUE_NONE ? x : emit(e, OP_ADD, x, widened(e, bias));
}

/* (x - mean) / sqrt(variance + epsilon) over the axes; x itself without the
 * mean. *mean and *inverse: what was taken off, and one over the root. */
static uint32_t emit_normal(struct expand *e, uint32_t x, const int64_t *axes,
                            uint32_t n, bool has_mean, double epsilon,
                            uint32_t *mean, uint32_t *inverse)
{
    *mean = VALUE_NONE;
    if (has_mean) {
        *mean = emit_over(e, OP_REDUCE_MEAN, x, axes, n);
        x = emit(e, OP_SUB, x, *mean);
    }
    const uint32_t square = emit(e, OP_MUL, x, x);
    const uint32_t var = emit_over(e, OP_REDUCE_MEAN, square, axes, n);
    const uint32_t more =
        e->is_ok ? emit_number(e, type_of(e, x), epsilon) : VALUE_NONE;
    const uint32_t sum = emit(e, OP_ADD, var, more);
    *inverse =
        emit(e, OP_RECIPROCAL, emit(e, OP_SQRT, sum, VALUE_NONE), VALUE_NONE);
    return emit(e, OP_MUL, x, *inverse);
}

static uint32_t input(const struct expand *e, uint32_t i)
{
    return i < expanded(e)->n_in ? expanded(e)->in[i] : VALUE_NONE;
}

/* [from, rank) as a list. */
static uint32_t axes_from(uint32_t from, uint32_t rank,
                          int64_t axes[TENSOR_MAX_RANK])
{
    for (uint32_t k = from; k < rank; k++) {
        axes[k - from] = (int64_t)k;
    }
    return rank - from;
}

/* LayerNormalization and RMSNormalization. */
static bool expand_layer_norm(struct expand *e)
{
    const struct node *const n = expanded(e);
    const bool has_mean = n->op == OP_LAYER_NORM;
    const uint32_t rank = e->g->value[n->in[0]].shape.rank;
    const double epsilon = (double)node_float(n, "epsilon", 1e-5F);
    const uint32_t outs[3] = {n->out[0], n->n_out > 1 ? n->out[1] : VALUE_NONE,
                              n->n_out > 2 ? n->out[2] : VALUE_NONE};
    int64_t axes[TENSOR_MAX_RANK];
    uint32_t axis = 0;
    uint32_t mean;
    uint32_t inverse;
    if (!axis_resolve(e->cx, n, node_int(n, "axis", -1), rank, &axis)) {
        return false;
    }
    const uint32_t n_axes = axes_from(axis, rank, axes);
    const uint32_t x = widened(e, input(e, 0));
    uint32_t y =
        emit_normal(e, x, axes, n_axes, has_mean, epsilon, &mean, &inverse);
    y = emit_affine(e, y, input(e, 1), input(e, 2));
    for (uint32_t i = 1; i < 3 && e->is_ok; i++) {
        if (outs[i] != VALUE_NONE) {
            (void)emit_to(e, outs[i], OP_CAST, i == 1 ? mean : inverse,
                          VALUE_NONE, "to", NULL, DTYPE_F32);
        }
    }
    return finish(e, y);
}

/* A vector along dimension 1 of `rank`, as one that broadcasts. */
static uint32_t along_channels(struct expand *e, uint32_t v, uint32_t rank)
{
    int64_t axes[TENSOR_MAX_RANK];
    const uint32_t n = axes_from(1, rank - 1, axes);
    return n == 0 ? v
                  : emit_to(e, VALUE_NONE, OP_UNSQUEEZE, v, VALUE_NONE, "axes",
                            axes, n);
}

/* InstanceNormalization, and GroupNormalization: over each group of channels
 * with all their pixels. */
static bool expand_instance_norm(struct expand *e)
{
    const struct node *const n = expanded(e);
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
    uint32_t x = widened(e, input(e, 0));
    uint32_t scale = input(e, 1);
    uint32_t bias = input(e, 2);
    if (!is_group) {
        int64_t axes[TENSOR_MAX_RANK];
        x = emit_normal(e, x, axes, axes_from(2, s.rank, axes), true, epsilon,
                        &mean, &inverse);
    } else {
        const int64_t to[3] = {s.dim[0], groups, -1};
        const int64_t axes[1] = {2};
        x = emit(e, OP_RESHAPE, x,
                 graph_add_i64s(e->g, e->cx, "shape", to, 1, 3));
        x = emit_normal(e, x, axes, 1, true, epsilon, &mean, &inverse);
        if (per_group) {
            x = emit_affine(e, x, along_channels(e, scale, 3),
                            along_channels(e, bias, 3));
            scale = VALUE_NONE;
            bias = VALUE_NONE;
        }
        x = emit(e, OP_RESHAPE, x,
                 graph_add_i64s(e->g, e->cx, "shape", s.dim, 1, s.rank));
    }
    if (!per_group) {
        x = emit_affine(e, x, along_channels(e, scale, s.rank),
                        along_channels(e, bias, s.rank));
    }
    return finish(e, x);
}

/* x / its norm along an axis; 0 stays 0. */
static bool expand_lp_norm(struct expand *e)
{
    const struct node *const n = expanded(e);
    const int64_t axis = node_int(n, "axis", -1);
    const int64_t p = node_int(n, "p", 2);
    if (p != 1 && p != 2) {
        return node_error(e->cx, n, E_OP_ATTR,
                          "p is %" PRId64 "; it must be 1 or 2", p);
    }
    const uint32_t x = widened(e, input(e, 0));
    const uint32_t norm =
        emit_over(e, p == 1 ? OP_REDUCE_L1 : OP_REDUCE_L2, x, &axis, 1);
    const uint32_t zero =
        e->is_ok ? emit_number(e, type_of(e, x), 0) : VALUE_NONE;
    const uint32_t is_zero = emit(e, OP_EQUAL, norm, zero);
    const uint32_t one =
        e->is_ok ? emit_to(e, VALUE_NONE, OP_CAST, is_zero, VALUE_NONE, "to",
                           NULL, (uint32_t)type_of(e, x))
                 : VALUE_NONE;
    return finish(e, emit(e, OP_DIV, x, emit(e, OP_ADD, norm, one)));
}

/* Whether LayerNormalization is a layer as it is. */
static bool is_plain_norm(const struct graph *g, const struct node *n)
{
    const enum dtype t = node_in(g, n, 0)->dtype;
    if (t != DTYPE_F32 && !is_half(t)) {
        return false;
    }
    for (uint32_t i = 1; i < n->n_in; i++) {
        const struct value *const v = node_in(g, n, i);
        if (v && !v->is_const) {
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

bool pass_expand(struct graph *g, struct cx *cx)
{
    const uint32_t n_node = g->n_node;
    for (uint32_t i = 0; i < n_node; i++) {
        struct expand e = {.g = g, .cx = cx, .node = i, .is_ok = true};
        bool is_ok = true;
        if (g->node[i].is_dead) {
            continue;
        }
        switch ((int)g->node[i].op) {
        case OP_LAYER_NORM:
            is_ok = is_plain_norm(g, &g->node[i]) || expand_layer_norm(&e);
            break;
        case OP_RMS_NORM:
            is_ok = expand_layer_norm(&e);
            break;
        case OP_INSTANCE_NORM:
        case OP_GROUP_NORM:
            is_ok = expand_instance_norm(&e);
            break;
        case OP_LP_NORM:
            is_ok = expand_lp_norm(&e);
            break;
        default:
            break;
        }
        if (!is_ok) {
            return false;
        }
    }
    g->is_ordered = false;
    return true;
}
