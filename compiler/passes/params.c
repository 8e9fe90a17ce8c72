#include "passes/params.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "passes/elem.h"

bool node_error(struct cx *cx, const struct node *n, enum diag_id id,
                const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)diag_verror(cx->diag, id, at_node(n->name, op_name(n->op)), fmt,
                      args);
    va_end(args);
    return false;
}

const struct value *node_in(const struct graph *g, const struct node *n,
                            uint32_t i)
{
    return i < n->n_in && n->in[i] != VALUE_NONE ? &g->value[n->in[i]] : NULL;
}

struct value *node_out(const struct graph *g, const struct node *n, uint32_t i)
{
    return i < n->n_out && n->out[i] != VALUE_NONE ? &g->value[n->out[i]]
                                                   : NULL;
}

struct shape_text shape_text(const struct shape *s)
{
    struct shape_text t = {"scalar"};
    size_t len = 0;
    for (uint32_t i = 0; i < s->rank; i++) {
        len += (size_t)snprintf(t.text + len, sizeof t.text - len, "%s%" PRId64,
                                i ? "x" : "", s->dim[i]);
    }
    return t;
}

/* A constant of few integers or reals that decides what a node does. */
static bool is_ready(struct cx *cx, const struct node *n, uint32_t i,
                     const struct value *v)
{
    if (!v) {
        return node_error(cx, n, E_OP_INPUTS, "input %u is omitted", i);
    }
    if (!v->is_const) {
        return node_error(
            cx, n, E_NEEDS_CONST,
            "input %u ('%s') must be a constant, since it decides "
            "what is computed; if it is an input of the model, "
            "pin it with --const",
            i, v->name);
    }
    return true;
}

bool node_in_i64s(const struct graph *g, struct cx *cx, const struct node *n,
                  uint32_t i, int64_t *dst, uint32_t cap, uint32_t *cnt)
{
    const struct value *const v = node_in(g, n, i);
    if (!is_ready(cx, n, i, v)) {
        return false;
    }
    if (v->dtype != DTYPE_I64 && v->dtype != DTYPE_I32) {
        return node_error(cx, n, E_TYPE,
                          "input %u ('%s') is of type %s; it must be i64", i,
                          v->name, dtype_name(v->dtype));
    }
    uint64_t count;
    if (v->shape.rank > 1 || !shape_count(&v->shape, &count) || count > cap) {
        return node_error(cx, n, E_SHAPE,
                          "input %u ('%s') has the shape %s; it must be a list "
                          "of at most %u",
                          i, v->name, shape_text(&v->shape).text, cap);
    }
    for (uint32_t k = 0; k < count; k++) {
        dst[k] = elem_i64(v->dtype, v->data.data, k);
    }
    *cnt = (uint32_t)count;
    return true;
}

bool node_in_f64(const struct graph *g, struct cx *cx, const struct node *n,
                 uint32_t i, double def, double *out)
{
    const struct value *const v = node_in(g, n, i);
    if (!v) {
        *out = def;
        return true;
    }
    if (!is_ready(cx, n, i, v)) {
        return false;
    }
    uint64_t count;
    if (!shape_count(&v->shape, &count) || count != 1) {
        return node_error(cx, n, E_SHAPE,
                          "input %u ('%s') has the shape %s; it must be one "
                          "number",
                          i, v->name, shape_text(&v->shape).text);
    }
    *out = elem_f64(v->dtype, v->data.data, 0);
    return true;
}

bool axis_resolve(struct cx *cx, const struct node *n, int64_t axis,
                  uint32_t rank, uint32_t *out)
{
    if (axis < -(int64_t)rank || axis >= (int64_t)rank) {
        return node_error(cx, n, E_OP_ATTR,
                          "axis %" PRId64 " is outside a tensor of %u "
                          "dimensions",
                          axis, rank);
    }
    *out = (uint32_t)(axis < 0 ? axis + rank : axis);
    return true;
}

bool shape_broadcast_two(const struct shape *a, const struct shape *b,
                         struct shape *out)
{
    struct shape s = {.rank = a->rank > b->rank ? a->rank : b->rank};
    for (uint32_t i = 0; i < s.rank; i++) {
        const uint32_t from_end = s.rank - i;
        const int64_t x = from_end <= a->rank ? a->dim[a->rank - from_end] : 1;
        const int64_t y = from_end <= b->rank ? b->dim[b->rank - from_end] : 1;
        if (x != y && x != 1 && y != 1) {
            return false;
        }
        s.dim[i] = x == 1 ? y : x;
    }
    *out = s;
    return true;
}

/* A list of integers that is an attribute in old opsets and input in_ix in new
 * ones. *is_given is false when there is neither. */
static bool list_params(const struct graph *g, struct cx *cx,
                        const struct node *n, const char *name, uint32_t in_ix,
                        int64_t *dst, uint32_t cap, uint32_t *cnt,
                        bool *is_given)
{
    *cnt = 0;
    *is_given = true;
    if (node_in(g, n, in_ix)) {
        return node_in_i64s(g, cx, n, in_ix, dst, cap, cnt);
    }
    uint32_t len;
    const int64_t *const list = node_ints(n, name, &len);
    if (!node_attr(n, name)) {
        *is_given = false;
        return true;
    }
    if (len > cap) {
        return node_error(cx, n, E_OP_ATTR,
                          "attribute '%s' has %u numbers; the most is %u", name,
                          len, cap);
    }
    if (len > 0) {
        memcpy(dst, list, len * sizeof dst[0]);
    }
    *cnt = len;
    return true;
}

bool axes_params(const struct graph *g, struct cx *cx, const struct node *n,
                 bool is_axis[TENSOR_MAX_RANK])
{
    memset(is_axis, 0, TENSOR_MAX_RANK * sizeof is_axis[0]);
    const struct value *const data = node_in(g, n, 0);
    assert(data); /* the least number of inputs is 1 */
    const struct shape *const in = &data->shape;
    int64_t axes[TENSOR_MAX_RANK];
    uint32_t n_axes;
    bool is_given;
    if (!list_params(g, cx, n, "axes", 1, axes, TENSOR_MAX_RANK, &n_axes,
                     &is_given)) {
        return false;
    }
    if (n->op == OP_SQUEEZE && !is_given) {
        for (uint32_t i = 0; i < in->rank; i++) {
            is_axis[i] = in->dim[i] == 1;
        }
        return true;
    }
    if (n->op == OP_UNSQUEEZE && !is_given) {
        return node_error(cx, n, E_OP_INPUTS, "it has no axes");
    }
    if (n->op != OP_SQUEEZE && n->op != OP_UNSQUEEZE && n_axes == 0) {
        const bool all = node_int(n, "noop_with_empty_axes", 0) == 0;
        for (uint32_t i = 0; i < in->rank; i++) {
            is_axis[i] = all;
        }
        return true;
    }
    const uint32_t rank = n->op == OP_UNSQUEEZE ? in->rank + n_axes : in->rank;
    if (rank > TENSOR_MAX_RANK) {
        return node_error(cx, n, E_SHAPE,
                          "its result has %u dimensions; the most is %d", rank,
                          TENSOR_MAX_RANK);
    }
    for (uint32_t i = 0; i < n_axes; i++) {
        uint32_t axis = 0;
        if (!axis_resolve(cx, n, axes[i], rank, &axis)) {
            return false;
        }
        if (is_axis[axis]) {
            return node_error(cx, n, E_OP_ATTR, "axis %u is given twice", axis);
        }
        is_axis[axis] = true;
    }
    return true;
}

bool softmax_params(const struct graph *g, struct cx *cx, const struct node *n,
                    uint32_t *axis, uint32_t *end)
{
    const uint32_t rank = node_in(g, n, 0)->shape.rank;
    const int64_t given = node_int(n, "axis", g->opset >= 13 ? -1 : 1);
    /* Before opset 13 axis == rank is legal: one element a row. */
    if (g->opset < 13 && given == (int64_t)rank) {
        *axis = rank;
    } else if (!axis_resolve(cx, n, given, rank, axis)) {
        return false;
    }
    *end = g->opset >= 13 ? *axis + 1 : rank;
    return true;
}

bool perm_params(const struct graph *g, struct cx *cx, const struct node *n,
                 uint32_t perm[TENSOR_MAX_RANK])
{
    const uint32_t rank = node_in(g, n, 0)->shape.rank;
    uint32_t len;
    const int64_t *const list = node_ints(n, "perm", &len);
    if (!node_attr(n, "perm")) {
        for (uint32_t i = 0; i < rank; i++) {
            perm[i] = rank - 1 - i;
        }
        return true;
    }
    bool is_used[TENSOR_MAX_RANK] = {false};
    bool is_ok = len == rank;
    for (uint32_t i = 0; is_ok && i < rank; i++) {
        is_ok = list[i] >= 0 && list[i] < (int64_t)rank && !is_used[list[i]];
        if (is_ok) {
            is_used[list[i]] = true;
            perm[i] = (uint32_t)list[i];
        }
    }
    return is_ok || node_error(cx, n, E_OP_ATTR,
                               "attribute 'perm' is no permutation of %u "
                               "dimensions",
                               rank);
}

bool clip_is_const(const struct graph *g, const struct node *n)
{
    const struct value *const min = node_in(g, n, 1);
    const struct value *const max = node_in(g, n, 2);
    return (!min || min->is_const) && (!max || max->is_const);
}

bool clip_params(const struct graph *g, struct cx *cx, const struct node *n,
                 struct clip_params *c)
{
    /* The defaults of opset 6 are the ends of f32, which clip only infinities;
     * ONNX Runtime leaves those alone too. */
    const struct attr *const min = node_attr(n, "min");
    const struct attr *const max = node_attr(n, "max");
    return node_in_f64(g, cx, n, 1, min ? (double)min->f : -INFINITY,
                       &c->min) &&
           node_in_f64(g, cx, n, 2, max ? (double)max->f : INFINITY, &c->max);
}

static int64_t clamp(int64_t x, int64_t lo, int64_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/* One dimension of Slice, as ONNX clamps it. */
static void slice_dim(int64_t dim, int64_t start, int64_t end, int64_t step,
                      int64_t *first, int64_t *len)
{
    start = start < 0 ? start + dim : start;
    end = end < 0 ? end + dim : end;
    if (step > 0) {
        start = clamp(start, 0, dim);
        end = clamp(end, 0, dim);
        *len = end > start ? (end - start + step - 1) / step : 0;
    } else {
        start = clamp(start, 0, dim - 1);
        end = clamp(end, -1, dim - 1);
        *len = start > end ? (start - end - step - 1) / -step : 0;
    }
    *first = *len > 0 ? start : 0;
}

bool slice_params(const struct graph *g, struct cx *cx, const struct node *n,
                  struct slice_params *s)
{
    enum { CAP = TENSOR_MAX_RANK };
    const struct shape *const in = &node_in(g, n, 0)->shape;
    int64_t start[CAP];
    int64_t end[CAP];
    int64_t axes[CAP];
    int64_t step[CAP];
    uint32_t n_start;
    uint32_t n_end;
    uint32_t n_axes;
    uint32_t n_step;
    bool has_start;
    bool has_end;
    bool has_axes;
    bool has_step;
    if (!list_params(g, cx, n, "starts", 1, start, CAP, &n_start, &has_start) ||
        !list_params(g, cx, n, "ends", 2, end, CAP, &n_end, &has_end) ||
        !list_params(g, cx, n, "axes", 3, axes, CAP, &n_axes, &has_axes) ||
        !list_params(g, cx, n, "steps", 4, step, CAP, &n_step, &has_step)) {
        return false;
    }
    if (!has_start || !has_end || n_end != n_start ||
        (has_axes && n_axes != n_start) || (has_step && n_step != n_start) ||
        n_start > in->rank) {
        return node_error(cx, n, E_OP_INPUTS,
                          "starts, ends, axes and steps have %u, %u, %u and %u "
                          "numbers for a tensor of %u dimensions",
                          n_start, n_end, n_axes, n_step, in->rank);
    }
    for (uint32_t i = 0; i < in->rank; i++) {
        s->start[i] = 0;
        s->step[i] = 1;
        s->len[i] = in->dim[i];
    }
    bool is_used[CAP] = {false};
    for (uint32_t i = 0; i < n_start; i++) {
        uint32_t axis = i;
        if (has_axes && !axis_resolve(cx, n, axes[i], in->rank, &axis)) {
            return false;
        }
        if (is_used[axis] || (has_step && step[i] == 0)) {
            return node_error(cx, n, E_OP_ATTR,
                              "axis %u is sliced twice or with step 0", axis);
        }
        is_used[axis] = true;
        const int64_t dim = in->dim[axis];
        /* A longer step gives the same one element. */
        s->step[axis] = has_step ? clamp(step[i], -dim - 1, dim + 1) : 1;
        slice_dim(dim, start[i], end[i], s->step[axis], &s->start[axis],
                  &s->len[axis]);
    }
    return true;
}

/* Larger pads would overflow sums of sizes. */
#define PAD_LIMIT (INT64_C(1) << 40)

static bool pad_mode(struct cx *cx, const struct node *n, enum pad_mode *out)
{
    static const char *const names[] = {
        [PAD_CONSTANT] = "constant",
        [PAD_REFLECT] = "reflect",
        [PAD_EDGE] = "edge",
        [PAD_WRAP] = "wrap",
    };
    const char *const name = node_string(n, "mode", "constant");
    for (uint32_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (enum pad_mode)i;
            return true;
        }
    }
    return node_error(cx, n, E_OP_ATTR,
                      "attribute 'mode' is '%s'; it must be constant, reflect, "
                      "edge or wrap",
                      name);
}

bool pad_params(const struct graph *g, struct cx *cx, const struct node *n,
                struct pad_params *p)
{
    const uint32_t rank = node_in(g, n, 0)->shape.rank;
    *p = (struct pad_params){0};
    int64_t pads[2 * TENSOR_MAX_RANK] = {0};
    int64_t axes[TENSOR_MAX_RANK];
    uint32_t n_pads;
    uint32_t n_axes = 0;
    bool has_pads;
    if (!pad_mode(cx, n, &p->mode) ||
        !list_params(g, cx, n, "pads", 1, pads, 2 * TENSOR_MAX_RANK, &n_pads,
                     &has_pads) ||
        !node_in_f64(g, cx, n, 2, (double)node_float(n, "value", 0),
                     &p->value)) {
        return false;
    }
    const bool has_axes = node_in(g, n, 3) != NULL;
    if (has_axes &&
        !node_in_i64s(g, cx, n, 3, axes, TENSOR_MAX_RANK, &n_axes)) {
        return false;
    }
    const uint32_t n_dim = has_axes ? n_axes : rank;
    if (!has_pads || n_pads != 2 * n_dim) {
        return node_error(cx, n, E_OP_INPUTS,
                          "it has %u pads; %u dimensions need %u", n_pads,
                          n_dim, 2 * n_dim);
    }
    for (uint32_t i = 0; i < n_dim; i++) {
        uint32_t axis = i;
        if (has_axes && !axis_resolve(cx, n, axes[i], rank, &axis)) {
            return false;
        }
        const int64_t before = pads[i];
        const int64_t after = pads[i + n_dim];
        if (before > PAD_LIMIT || before < -PAD_LIMIT || after > PAD_LIMIT ||
            after < -PAD_LIMIT) {
            return node_error(cx, n, E_TOO_BIG,
                              "pads of %" PRId64 " and %" PRId64, before,
                              after);
        }
        p->before[axis] = before;
        p->after[axis] = after;
    }
    return true;
}

bool split_params(const struct graph *g, struct cx *cx, const struct node *n,
                  struct split_params *s)
{
    const struct shape *const in = &node_in(g, n, 0)->shape;
    int64_t *const size = arena_new(cx->scratch, int64_t, n->n_out);
    if (!size ||
        !axis_resolve(cx, n, node_int(n, "axis", 0), in->rank, &s->axis)) {
        return false;
    }
    const int64_t dim = in->dim[s->axis];
    uint32_t cnt;
    bool is_given;
    if (!list_params(g, cx, n, "split", 1, size, n->n_out, &cnt, &is_given)) {
        return false;
    }
    s->size = size;
    if (!is_given) {
        /* Only num_outputs allows a shorter last part. */
        const int64_t n_part = node_int(n, "num_outputs", n->n_out);
        if (n_part != n->n_out ||
            (!node_attr(n, "num_outputs") && dim % n_part != 0)) {
            return node_error(cx, n, E_SHAPE,
                              "%u outputs do not divide dimension %u, which is "
                              "%" PRId64,
                              n->n_out, s->axis, dim);
        }
        const int64_t part = dim / n_part + (dim % n_part != 0);
        for (uint32_t i = 0; i < n->n_out; i++) {
            const int64_t begin = clamp(part * i, 0, dim);
            size[i] = clamp(dim - begin, 0, part);
        }
        return true;
    }
    int64_t left = dim;
    bool is_ok = cnt == n->n_out;
    for (uint32_t i = 0; is_ok && i < cnt; i++) {
        is_ok = size[i] >= 0 && size[i] <= left;
        left -= is_ok ? size[i] : 0;
    }
    return (is_ok && left == 0) ||
           node_error(cx, n, E_SHAPE,
                      "the %u given sizes of its %u outputs do not add up to "
                      "dimension %u, which is %" PRId64,
                      cnt, n->n_out, s->axis, dim);
}
