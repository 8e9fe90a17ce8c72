#include "passes/shape.h"

#include <inttypes.h>
#include <math.h>

#include "passes/elem.h"
#include "passes/unique.h"

bool shape_constant(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct attr *const a = n->n_attr == 1 ? &n->attr[0] : NULL;
    const struct shape scalar = {0};
    if (a && a->kind == ATTR_TENSOR) {
        const struct value *const v = &g->value[a->value];
        return shape_set(g, cx, n, 0, v->dtype, &v->shape);
    }
    if (a && a->kind == ATTR_INT) {
        return shape_set(g, cx, n, 0, DTYPE_I64, &scalar);
    }
    if (a && a->kind == ATTR_FLOAT) {
        return shape_set(g, cx, n, 0, DTYPE_F32, &scalar);
    }
    if (a && (a->kind == ATTR_INTS || a->kind == ATTR_FLOATS)) {
        const struct shape s = {1, {a->n}};
        return shape_set(g, cx, n, 0,
                         a->kind == ATTR_INTS ? DTYPE_I64 : DTYPE_F32, &s);
    }
    return node_error(cx, n, E_UNSUPPORTED,
                      "it has no value, or one of strings or of a sparse "
                      "tensor; only numbers are supported");
}

bool shape_constant_of_shape(struct graph *g, struct cx *cx,
                             const struct node *n)
{
    struct shape s = {0};
    if (!node_in_i64s(g, cx, n, 0, s.dim, TENSOR_MAX_RANK, &s.rank)) {
        return false;
    }
    for (uint32_t i = 0; i < s.rank; i++) {
        if (s.dim[i] < 0) {
            return node_error(cx, n, E_SHAPE, "dimension %u is %" PRId64, i,
                              s.dim[i]);
        }
    }
    const struct attr *const a = node_attr(n, "value");
    const struct value *const fill = a ? &g->value[a->value] : NULL;
    uint64_t count = 1;
    if (fill && (!shape_count(&fill->shape, &count) || count != 1)) {
        return node_error(cx, n, E_OP_ATTR,
                          "attribute 'value' has %" PRIu64
                          " elements; it must have one",
                          count);
    }
    return shape_set(g, cx, n, 0, fill ? fill->dtype : DTYPE_F32, &s);
}

bool shape_range(struct graph *g, struct cx *cx, const struct node *n)
{
    double at[3];
    for (uint32_t i = 0; i < 3; i++) {
        if (!shape_same_type(g, cx, n, 0, i) ||
            !node_in_f64(g, cx, n, i, 0, &at[i])) {
            return false;
        }
    }
    const double count = ceil((at[1] - at[0]) / at[2]);
    if (at[2] == 0 || !(count < 0x1p40)) {
        return node_error(cx, n, E_TOO_BIG, "it runs from %g to %g by %g",
                          at[0], at[1], at[2]);
    }
    const struct shape s = {1, {count > 0 ? (int64_t)count : 0}};
    return shape_set(g, cx, n, 0, node_in(g, n, 0)->dtype, &s);
}

bool shape_eye_like(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    const int64_t to = node_int(n, "dtype", (int64_t)in->dtype);
    if (in->shape.rank != 2) {
        return node_error(cx, n, E_SHAPE,
                          "its input is %s; it must be a matrix",
                          shape_text(&in->shape).text);
    }
    if (to < 0 || to > DTYPE_BF16 || dtype_bytes((enum dtype)to) == 0) {
        return node_error(cx, n, E_TYPE,
                          "elements of type %" PRId64 " are not supported", to);
    }
    return shape_set(g, cx, n, 0, (enum dtype)to, &in->shape);
}

/* An end of Shape's part: negative counts from the end, then clamped. */
static int64_t clamp_dim(int64_t i, int64_t rank)
{
    i = i < 0 ? i + rank : i;
    return i < 0 ? 0 : i > rank ? rank : i;
}

bool shape_shape(struct graph *g, struct cx *cx, const struct node *n)
{
    const int64_t rank = node_in(g, n, 0)->shape.rank;
    const int64_t start = clamp_dim(node_int(n, "start", 0), rank);
    const int64_t end = clamp_dim(node_int(n, "end", rank), rank);
    const struct shape s = {1, {end > start ? end - start : 0}};
    return shape_set(g, cx, n, 0, DTYPE_I64, &s);
}

bool shape_size(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct shape scalar = {0};
    return shape_set(g, cx, n, 0, DTYPE_I64, &scalar);
}

/* Input i, which decides how large the result is. */
static const struct value *known(const struct graph *g, struct cx *cx,
                                 const struct node *n, uint32_t i)
{
    const struct value *const v = node_in(g, n, i);
    if (v->is_const) {
        return v;
    }
    (void)node_error(cx, n, E_NEEDS_CONST,
                     "how many elements it gives depends on the values of "
                     "input %u ('%s'), which must be constant; if it is an "
                     "input of the model, pin it with --const",
                     i, v->name);
    return NULL;
}

bool shape_compress(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    const struct value *const pick = known(g, cx, n, 1);
    struct shape s = in->shape;
    uint32_t axis = 0;
    uint64_t count;
    uint64_t len;
    if (!pick || !shape_count(&in->shape, &len)) {
        return false;
    }
    if (!node_attr(n, "axis")) {
        s = (struct shape){1, {(int64_t)len}};
    } else if (!axis_resolve(cx, n, node_int(n, "axis", 0), s.rank, &axis)) {
        return false;
    }
    if (pick->dtype != DTYPE_BOOL || !shape_count(&pick->shape, &count) ||
        pick->shape.rank != 1 || count > (uint64_t)s.dim[axis]) {
        return node_error(cx, n, E_SHAPE,
                          "its condition, %s of %s, does not "
                          "fit %s",
                          shape_text(&pick->shape).text,
                          dtype_name(pick->dtype), shape_text(&s).text);
    }
    s.dim[axis] = 0;
    for (uint64_t i = 0; i < count; i++) {
        s.dim[axis] += pick->data.data[i] != 0;
    }
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_unique(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = known(g, cx, n, 0);
    struct unique u;
    if (!in || !unique_find(g, cx, n, &u)) {
        return false;
    }
    const struct shape list = {1, {(int64_t)u.n}};
    const struct shape all = {1, {(int64_t)u.n_slice}};
    struct shape s = list;
    if (node_attr(n, "axis")) {
        s = in->shape;
        s.dim[u.axis] = (int64_t)u.n;
    }
    return shape_set(g, cx, n, 0, in->dtype, &s) &&
           shape_set(g, cx, n, 1, DTYPE_I64, &list) &&
           shape_set(g, cx, n, 2, DTYPE_I64, &all) &&
           shape_set(g, cx, n, 3, DTYPE_I64, &list);
}
