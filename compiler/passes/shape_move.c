#include "passes/shape.h"

#include <inttypes.h>

#include "base/size.h"

/* *dim *= times, both >= 0; false when it does not fit. */
static bool dim_mul(int64_t *dim, int64_t times)
{
    uint64_t product;
    if (!size_mul(&product, (uint64_t)*dim, (uint64_t)times) ||
        product > INT64_MAX) {
        return false;
    }
    *dim = (int64_t)product;
    return true;
}

/* *dim += more, likewise. */
static bool dim_add(int64_t *dim, int64_t more)
{
    if (more > INT64_MAX - *dim) {
        return false;
    }
    *dim += more;
    return true;
}

bool shape_reshape(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    struct shape s = {0};
    if (!node_in_i64s(g, cx, n, 1, s.dim, TENSOR_MAX_RANK, &s.rank)) {
        return false;
    }
    const struct shape asked = s;
    const bool zero_is_zero = node_int(n, "allowzero", 0) != 0;
    uint64_t n_in = 0;
    uint64_t n_out = 1;
    uint32_t open = UINT32_MAX;
    bool is_ok = shape_count(&in->shape, &n_in);
    for (uint32_t i = 0; is_ok && i < s.rank; i++) {
        if (s.dim[i] == -1) {
            is_ok = open == UINT32_MAX;
            open = i;
            s.dim[i] = 1;
        } else if (s.dim[i] == 0 && !zero_is_zero) {
            is_ok = i < in->shape.rank;
            s.dim[i] = is_ok ? in->shape.dim[i] : 0;
        }
    }
    is_ok = is_ok && shape_count(&s, &n_out);
    if (is_ok && open != UINT32_MAX) {
        is_ok = n_out != 0 && n_in % n_out == 0;
        s.dim[open] = is_ok ? (int64_t)(n_in / n_out) : 0;
        n_out = n_in;
    }
    if (!is_ok || n_in != n_out) {
        return node_error(cx, n, E_SHAPE, "%s cannot be reshaped to %s",
                          shape_text(&in->shape).text, shape_text(&asked).text);
    }
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_flatten(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    const int64_t rank = in->shape.rank;
    int64_t axis = node_int(n, "axis", 1);
    if (axis < -rank || axis > rank) {
        return node_error(cx, n, E_OP_ATTR,
                          "axis %" PRId64 " is outside a tensor of %" PRId64
                          " dimensions",
                          axis, rank);
    }
    axis = axis < 0 ? axis + rank : axis;
    struct shape s = {2, {1, 1}};
    for (int64_t i = 0; i < rank; i++) {
        /* Without overflow but next to a zero dimension. */
        if (!dim_mul(&s.dim[i >= axis], in->shape.dim[i])) {
            return node_error(cx, n, E_TOO_BIG, "%s has too many elements",
                              shape_text(&in->shape).text);
        }
    }
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_squeeze(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    bool is_axis[TENSOR_MAX_RANK];
    if (!axes_params(g, cx, n, is_axis)) {
        return false;
    }
    struct shape s = {0};
    for (uint32_t i = 0; i < in->shape.rank; i++) {
        if (!is_axis[i]) {
            s.dim[s.rank++] = in->shape.dim[i];
        } else if (in->shape.dim[i] != 1) {
            return node_error(cx, n, E_SHAPE, "dimension %u of %s is not 1", i,
                              shape_text(&in->shape).text);
        }
    }
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_unsqueeze(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    bool is_axis[TENSOR_MAX_RANK];
    if (!axes_params(g, cx, n, is_axis)) {
        return false;
    }
    struct shape s = {0};
    uint32_t from = 0;
    while (from < in->shape.rank ||
           (s.rank < TENSOR_MAX_RANK && is_axis[s.rank])) {
        s.dim[s.rank] = is_axis[s.rank] ? 1 : in->shape.dim[from++];
        s.rank++;
    }
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_transpose(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    uint32_t perm[TENSOR_MAX_RANK];
    if (!perm_params(g, cx, n, perm)) {
        return false;
    }
    struct shape s = {.rank = in->shape.rank};
    for (uint32_t i = 0; i < s.rank; i++) {
        s.dim[i] = in->shape.dim[perm[i]];
    }
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_concat(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const first = node_in(g, n, 0);
    struct shape s = first->shape;
    uint32_t axis = 0;
    if (!node_attr(n, "axis")) {
        return node_error(cx, n, E_OP_ATTR, "attribute 'axis' is missing");
    }
    if (!axis_resolve(cx, n, node_int(n, "axis", 0), s.rank, &axis)) {
        return false;
    }
    for (uint32_t i = 1; i < n->n_in; i++) {
        const struct value *const v = node_in(g, n, i);
        if (!v) {
            return node_error(cx, n, E_OP_INPUTS, "input %u is omitted", i);
        }
        if (!shape_same_type(g, cx, n, 0, i)) {
            return false;
        }
        bool is_ok = v->shape.rank == s.rank;
        for (uint32_t k = 0; is_ok && k < s.rank; k++) {
            is_ok = k == axis ? dim_add(&s.dim[k], v->shape.dim[k])
                              : v->shape.dim[k] == s.dim[k];
        }
        if (!is_ok) {
            return node_error(cx, n, E_SHAPE,
                              "input '%s' of %s does not fit the first, %s, "
                              "beyond axis %u",
                              v->name, shape_text(&v->shape).text,
                              shape_text(&first->shape).text, axis);
        }
    }
    return shape_set(g, cx, n, 0, first->dtype, &s);
}

bool shape_split(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    struct split_params p;
    if (!split_params(g, cx, n, &p)) {
        return false;
    }
    struct shape s = in->shape;
    for (uint32_t i = 0; i < n->n_out; i++) {
        s.dim[p.axis] = p.size[i];
        if (!shape_set(g, cx, n, i, in->dtype, &s)) {
            return false;
        }
    }
    return true;
}

bool shape_slice(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    struct slice_params p;
    if (!slice_params(g, cx, n, &p)) {
        return false;
    }
    struct shape s = {.rank = in->shape.rank};
    for (uint32_t i = 0; i < s.rank; i++) {
        s.dim[i] = p.len[i];
    }
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_gather(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    const struct value *const index = node_in(g, n, 1);
    uint32_t axis = 0;
    if (!axis_resolve(cx, n, node_int(n, "axis", 0), in->shape.rank, &axis)) {
        return false;
    }
    if (index->dtype != DTYPE_I64 && index->dtype != DTYPE_I32) {
        return node_error(cx, n, E_TYPE,
                          "its indices are of type %s; they must be i32 or i64",
                          dtype_name(index->dtype));
    }
    const uint32_t rank = in->shape.rank - 1 + index->shape.rank;
    if (rank > TENSOR_MAX_RANK) {
        return node_error(cx, n, E_SHAPE,
                          "its result has %u dimensions; the most is %d", rank,
                          TENSOR_MAX_RANK);
    }
    struct shape s = {0};
    for (uint32_t i = 0; i < axis; i++) {
        s.dim[s.rank++] = in->shape.dim[i];
    }
    for (uint32_t i = 0; i < index->shape.rank; i++) {
        s.dim[s.rank++] = index->shape.dim[i];
    }
    for (uint32_t i = axis + 1; i < in->shape.rank; i++) {
        s.dim[s.rank++] = in->shape.dim[i];
    }
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_pad(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    struct pad_params p;
    if (!pad_params(g, cx, n, &p)) {
        return false;
    }
    struct shape s = in->shape;
    for (uint32_t i = 0; i < s.rank; i++) {
        const int64_t dim = s.dim[i];
        const int64_t most =
            p.before[i] > p.after[i] ? p.before[i] : p.after[i];
        const int64_t cut = (p.before[i] < 0 ? p.before[i] : 0) +
                            (p.after[i] < 0 ? p.after[i] : 0);
        s.dim[i] = dim + p.before[i] + p.after[i];
        /* Mirrored elements must exist. */
        const bool is_ok =
            dim + cut >= 0 && (p.mode == PAD_CONSTANT || most <= 0 ||
                               (p.mode == PAD_REFLECT ? most < dim
                                : p.mode == PAD_WRAP  ? most <= dim
                                                      : dim > 0));
        if (!is_ok) {
            return node_error(cx, n, E_SHAPE,
                              "pads of %" PRId64 " and %" PRId64
                              " do not fit dimension %u, which is %" PRId64,
                              p.before[i], p.after[i], i, dim);
        }
    }
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_expand(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    struct shape s = {0};
    if (!node_in_i64s(g, cx, n, 1, s.dim, TENSOR_MAX_RANK, &s.rank)) {
        return false;
    }
    bool is_ok = true;
    for (uint32_t i = 0; i < s.rank; i++) {
        is_ok = is_ok && s.dim[i] >= 0;
    }
    if (!is_ok || !shape_broadcast_two(&in->shape, &s, &s)) {
        return node_error(cx, n, E_SHAPE, "%s cannot be expanded to %s",
                          shape_text(&in->shape).text, shape_text(&s).text);
    }
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_tile(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    int64_t times[TENSOR_MAX_RANK];
    uint32_t cnt = 0;
    if (!node_in_i64s(g, cx, n, 1, times, TENSOR_MAX_RANK, &cnt)) {
        return false;
    }
    struct shape s = in->shape;
    bool is_ok = cnt == s.rank;
    for (uint32_t i = 0; is_ok && i < s.rank; i++) {
        is_ok = times[i] >= 0 && dim_mul(&s.dim[i], times[i]);
    }
    if (!is_ok) {
        return node_error(cx, n, E_SHAPE, "%u repeats do not fit its input, %s",
                          cnt, shape_text(&in->shape).text);
    }
    return shape_set(g, cx, n, 0, in->dtype, &s);
}
