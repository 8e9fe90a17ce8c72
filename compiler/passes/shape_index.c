/* Operators that pick, replace or order elements by index. */
#include <inttypes.h>
#include <string.h>

#include "passes/elem.h"
#include "passes/shape.h"

static bool is_index(const struct graph *g, struct cx *cx, const struct node *n,
                     uint32_t i)
{
    const struct value *const v = node_in(g, n, i);
    return v->dtype == DTYPE_I64 || v->dtype == DTYPE_I32 ||
           node_error(cx, n, E_TYPE,
                      "its indices are of type %s; they must be i32 or i64",
                      dtype_name(v->dtype));
}

/* Reports inputs 0 and 1, which do not go together. */
static bool misfit(const struct graph *g, struct cx *cx, const struct node *n)
{
    return node_error(cx, n, E_SHAPE, "indices of %s do not fit data of %s",
                      shape_text(&node_in(g, n, 1)->shape).text,
                      shape_text(&node_in(g, n, 0)->shape).text);
}

/* Indices have the data's rank and are no larger beyond the axis; of scatter,
 * along it too. */
static bool fits_along(const struct graph *g, struct cx *cx,
                       const struct node *n)
{
    const struct shape *const data = &node_in(g, n, 0)->shape;
    const struct shape *const ix = &node_in(g, n, 1)->shape;
    uint32_t axis = 0;
    if (!is_index(g, cx, n, 1) ||
        !axis_resolve(cx, n, node_int(n, "axis", 0), data->rank, &axis)) {
        return false;
    }
    bool is_ok = ix->rank == data->rank;
    for (uint32_t k = 0; is_ok && k < data->rank; k++) {
        is_ok = k == axis || ix->dim[k] <= data->dim[k];
    }
    return is_ok || misfit(g, cx, n);
}

bool shape_gather_elements(struct graph *g, struct cx *cx, const struct node *n)
{
    return fits_along(g, cx, n) &&
           shape_set(g, cx, n, 0, node_in(g, n, 0)->dtype,
                     &node_in(g, n, 1)->shape);
}

bool shape_gather_nd(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const data = node_in(g, n, 0);
    const struct shape *const ix = &node_in(g, n, 1)->shape;
    const int64_t batch = node_int(n, "batch_dims", 0);
    if (!is_index(g, cx, n, 1)) {
        return false;
    }
    const int64_t rank = data->shape.rank;
    const int64_t m = ix->rank > 0 ? ix->dim[ix->rank - 1] : 0;
    bool is_ok = m > 0 && batch >= 0 && batch < ix->rank && batch + m <= rank &&
                 ix->rank - 1 + rank - batch - m <= TENSOR_MAX_RANK;
    struct shape s = {0};
    for (uint32_t k = 0; is_ok && k + 1 < ix->rank; k++) {
        is_ok = k >= batch || ix->dim[k] == data->shape.dim[k];
        s.dim[s.rank++] = ix->dim[k];
    }
    for (int64_t k = batch + m; is_ok && k < rank; k++) {
        s.dim[s.rank++] = data->shape.dim[k];
    }
    return is_ok ? shape_set(g, cx, n, 0, data->dtype, &s) : misfit(g, cx, n);
}

static bool is_reduction(struct cx *cx, const struct node *n)
{
    enum scatter_kind kind;
    return scatter_params(cx, n, &kind);
}

bool shape_scatter_elements(struct graph *g, struct cx *cx,
                            const struct node *n)
{
    const struct value *const update = node_in(g, n, 2);
    if (!shape_same_type(g, cx, n, 0, 2) || !fits_along(g, cx, n) ||
        !is_reduction(cx, n)) {
        return false;
    }
    if (!shape_equal(&update->shape, &node_in(g, n, 1)->shape)) {
        return node_error(cx, n, E_SHAPE, "updates of %s for indices of %s",
                          shape_text(&update->shape).text,
                          shape_text(&node_in(g, n, 1)->shape).text);
    }
    return shape_same(g, cx, n);
}

bool shape_scatter_nd(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct shape *const data = &node_in(g, n, 0)->shape;
    const struct shape *const ix = &node_in(g, n, 1)->shape;
    const struct shape *const update = &node_in(g, n, 2)->shape;
    if (!shape_same_type(g, cx, n, 0, 2) || !is_index(g, cx, n, 1) ||
        !is_reduction(cx, n)) {
        return false;
    }
    const int64_t m = ix->rank > 0 ? ix->dim[ix->rank - 1] : 0;
    bool is_ok = m > 0 && m <= data->rank &&
                 update->rank == ix->rank - 1 + data->rank - (uint32_t)m;
    for (uint32_t k = 0; is_ok && k < update->rank; k++) {
        is_ok = update->dim[k] ==
                (k + 1 < ix->rank ? ix->dim[k]
                                  : data->dim[k + 1 - ix->rank + (uint32_t)m]);
    }
    if (!is_ok) {
        return node_error(cx, n, E_SHAPE,
                          "indices of %s and updates of %s do not fit data of "
                          "%s",
                          shape_text(ix).text, shape_text(update).text,
                          shape_text(data).text);
    }
    return shape_same(g, cx, n);
}

bool shape_tensor_scatter(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct shape *const data = &node_in(g, n, 0)->shape;
    const struct shape *const update = &node_in(g, n, 1)->shape;
    const struct value *const at = node_in(g, n, 2);
    const char *const mode = node_string(n, "mode", "linear");
    uint32_t axis = 0;
    if (!shape_same_type(g, cx, n, 0, 1) || (at && !is_index(g, cx, n, 2)) ||
        !axis_resolve(cx, n, node_int(n, "axis", -2), data->rank, &axis)) {
        return false;
    }
    if (strcmp(mode, "linear") != 0 && strcmp(mode, "circular") != 0) {
        return node_error(cx, n, E_OP_ATTR, "mode '%s' is not known", mode);
    }
    bool is_ok =
        axis > 0 && update->rank == data->rank &&
        (!at || (at->shape.rank == 1 && at->shape.dim[0] == data->dim[0]));
    for (uint32_t k = 0; is_ok && k < data->rank; k++) {
        is_ok = k == axis ? update->dim[k] <= data->dim[k]
                          : update->dim[k] == data->dim[k];
    }
    if (!is_ok) {
        return node_error(cx, n, E_SHAPE,
                          "an update of %s does not fit a cache of %s",
                          shape_text(update).text, shape_text(data).text);
    }
    return shape_same(g, cx, n);
}

bool shape_scan(struct graph *g, struct cx *cx, const struct node *n)
{
    uint32_t axis;
    return scan_axis(g, cx, n, &axis) && shape_same(g, cx, n);
}

bool shape_top_k(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    struct shape s = in->shape;
    uint32_t axis = 0;
    double k = (double)node_int(n, "k", -1);
    if (!axis_resolve(cx, n, node_int(n, "axis", -1), s.rank, &axis) ||
        !node_in_f64(g, cx, n, 1, k, &k)) {
        return false;
    }
    if (!(k >= 0 && k <= (double)s.dim[axis])) {
        return node_error(cx, n, E_SHAPE,
                          "the first %.0f of %" PRId64 " elements are asked "
                          "for",
                          k, s.dim[axis]);
    }
    s.dim[axis] = (int64_t)k;
    return shape_set(g, cx, n, 0, in->dtype, &s) &&
           shape_set(g, cx, n, 1, DTYPE_I64, &s);
}

bool shape_one_hot(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct shape *const in = &node_in(g, n, 0)->shape;
    const struct value *const values = node_in(g, n, 2);
    uint32_t axis = 0;
    double depth;
    if (!axis_resolve(cx, n, node_int(n, "axis", -1), in->rank + 1, &axis) ||
        !node_in_f64(g, cx, n, 1, 0, &depth)) {
        return false;
    }
    if (in->rank + 1 > TENSOR_MAX_RANK || !(depth >= 1 && depth < 0x1p31) ||
        values->shape.rank != 1 || values->shape.dim[0] != 2) {
        return node_error(cx, n, E_SHAPE,
                          "depth %g and values of %s do not fit; at most %d "
                          "dimensions are supported",
                          depth, shape_text(&values->shape).text,
                          TENSOR_MAX_RANK);
    }
    struct shape s = {.rank = in->rank + 1};
    for (uint32_t k = 0; k < s.rank; k++) {
        s.dim[k] = k < axis    ? in->dim[k]
                   : k == axis ? (int64_t)depth
                               : in->dim[k - 1];
    }
    return shape_set(g, cx, n, 0, values->dtype, &s);
}

bool shape_reverse_sequence(struct graph *g, struct cx *cx,
                            const struct node *n)
{
    const struct shape *const in = &node_in(g, n, 0)->shape;
    const struct shape *const len = &node_in(g, n, 1)->shape;
    const int64_t batch = node_int(n, "batch_axis", 1);
    const int64_t time = node_int(n, "time_axis", 0);
    if (!is_index(g, cx, n, 1)) {
        return false;
    }
    if (in->rank < 2 || batch < 0 || time < 0 || batch > 1 || time > 1 ||
        batch == time || len->rank != 1 || len->dim[0] != in->dim[batch]) {
        return node_error(cx, n, E_SHAPE,
                          "lengths of %s do not fit %s, whose time is axis "
                          "%" PRId64,
                          shape_text(len).text, shape_text(in).text, time);
    }
    return shape_same(g, cx, n);
}

/* Output 0 has at most so many along dimension `dim`; output 1 counts them. */
static bool set_found(struct graph *g, struct cx *cx, const struct node *n,
                      const struct shape *s, uint32_t dim)
{
    const struct shape scalar = {0};
    struct value *const v = node_out(g, n, 0);
    if (v) {
        v->extent = dim + 1;
        v->extent_of = n->out[0];
    }
    return shape_set(g, cx, n, 0, DTYPE_I64, s) &&
           shape_set(g, cx, n, 1, DTYPE_I64, &scalar);
}

bool shape_nms(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const boxes = node_in(g, n, 0);
    const struct value *const scores = node_in(g, n, 1);
    const struct shape *const b = &boxes->shape;
    const struct shape *const c = &scores->shape;
    int64_t most;
    if (boxes->dtype != DTYPE_F32 || scores->dtype != DTYPE_F32 ||
        b->rank != 3 || c->rank != 3 || b->dim[0] != c->dim[0] ||
        b->dim[1] != c->dim[2] || b->dim[2] != 4) {
        return node_error(cx, n, E_SHAPE,
                          "boxes of %s and scores of %s do not fit",
                          shape_text(b).text, shape_text(c).text);
    }
    for (uint32_t i = 3; i < n->n_in; i++) {
        const struct value *const v = node_in(g, n, i);
        uint64_t count;
        if (v && (v->dtype != DTYPE_F32 || !shape_count(&v->shape, &count) ||
                  count != 1)) {
            return node_error(cx, n, E_SHAPE, "'%s' is %s; it must be a number",
                              v->name, shape_text(&v->shape).text);
        }
    }
    if (!nms_most(g, cx, n, &most)) {
        return false;
    }
    struct shape s = {3, {c->dim[0], c->dim[1], most}};
    uint64_t rows;
    if (!shape_count(&s, &rows) || rows > INT32_MAX) {
        return node_error(cx, n, E_TOO_BIG, "it may find %s boxes",
                          shape_text(&s).text);
    }
    s = (struct shape){2, {(int64_t)rows, 3}};
    return set_found(g, cx, n, &s, 0);
}

bool shape_nonzero(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    uint64_t count = 0;
    uint64_t found = 0;
    if (!shape_count(&in->shape, &count)) {
        return false;
    }
    for (uint64_t i = 0; in->is_const && i < count; i++) {
        found += elem_is_set(in->dtype, in->data.data, i);
    }
    const struct shape s = {
        2, {in->shape.rank, (int64_t)(in->is_const ? found : count)}};
    return in->is_const ? shape_set(g, cx, n, 0, DTYPE_I64, &s)
                        : set_found(g, cx, n, &s, 1);
}

bool shape_tfidf(struct graph *g, struct cx *cx, const struct node *n)
{
    struct tfidf_params p;
    if (!tfidf_params(g, cx, n, &p)) {
        return false;
    }
    struct shape s = node_in(g, n, 0)->shape;
    s.dim[s.rank - 1] = p.n_out;
    return shape_set(g, cx, n, 0, DTYPE_F32, &s);
}
