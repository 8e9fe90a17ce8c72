#include "passes/lower_draft.h"

#include <string.h>

#include "base/arena.h"
#include "base/size.h"

/* A view that was copied to be an image, so that the copy is made once. */
struct image_copy {
    struct view from;
    struct view to;
};

void dims_of(const struct shape *s, uint64_t dim[TENSOR_MAX_RANK])
{
    for (uint32_t k = 0; k < s->rank; k++) {
        dim[k] = (uint64_t)s->dim[k];
    }
}

bool lower_need_f32(struct lower *lw, uint32_t node_ix, enum dtype t)
{
    return t == DTYPE_F32 ||
           node_error(lw->cx, &lw->g->node[node_ix], E_UNSUPPORTED,
                      "arithmetic on %s is not supported, only on f32",
                      dtype_name(t));
}

uint32_t lower_new_buf(struct lower *lw, const char *name, enum dtype t,
                       uint64_t n, uint64_t row)
{
    struct draft_buf *const b =
        arena_push(lw->cx->scratch, lw->buf, &lw->n_buf, &lw->cap_buf);
    if (!b) {
        return UINT32_MAX;
    }
    *b = (struct draft_buf){.name = name, .dtype = t, .n = n, .row = row};
    return lw->n_buf - 1;
}

struct draft *lower_new_draft(struct lower *lw, uint32_t node_ix,
                              enum layer_kind kind)
{
    struct draft *const d =
        arena_push(lw->cx->scratch, lw->draft, &lw->n_draft, &lw->cap_draft);
    if (!d) {
        return NULL;
    }
    d->y.kind = kind;
    d->y.name = "output";
    d->y.op = op_name(OP_IDENTITY);
    if (node_ix != NODE_NONE) {
        d->y.name = lw->g->node[node_ix].name;
        d->y.op = op_name(lw->g->node[node_ix].op);
    }
    return d;
}

void lower_set(struct lower *lw, uint32_t value, const struct view *v)
{
    const struct shape *const s = &lw->g->value[value].shape;
    struct slot *const slot = &lw->slot[value];
    uint64_t dim[TENSOR_MAX_RANK];
    dims_of(s, dim);
    slot->state = SLOT_VIEW;
    if (view_count(v) == 0) { /* only Concat reads it, and skips it */
        view_plain(&slot->view, v->buf, v->dtype, s->rank, dim);
        return;
    }
    if (!view_reshape(v, s->rank, dim, &slot->view)) {
        slot->state = SLOT_PENDING;
        slot->view = *v;
    }
}

/* Two dimensions or more: the last is the row. */
static uint64_t default_row(uint32_t rank, const uint64_t *dim,
                            const uint32_t *order)
{
    uint64_t n = 1;
    uint64_t last = 1;
    uint32_t n_wide = 0;
    for (uint32_t k = 0; k < rank; k++) {
        const uint64_t size = dim[order ? order[k] : k];
        n *= size;
        n_wide += size > 1;
        last = size > 1 ? size : last;
    }
    return n_wide > 1 ? last : n;
}

uint32_t lower_state_of(const struct lower *lw, uint32_t node_ix,
                        uint32_t value)
{
    const struct graph *const g = lw->g;
    for (uint32_t i = 0; i < g->n_state; i++) {
        const uint32_t in = g->input[g->state[i].input];
        const uint32_t first = lw->uses.first[in];
        if (g->output[g->state[i].output] == value &&
            lw->uses.first[in + 1] - first == 1 &&
            lw->uses.user[first] == node_ix && !lw->uses.is_output[in]) {
            return g->state[i].input;
        }
    }
    return BUF_NONE;
}

bool lower_copy(struct lower *lw, uint32_t node_ix, const struct view *in,
                const struct view *out)
{
    struct draft *const d = lower_new_draft(lw, node_ix, LAYER_COPY);
    if (!d) {
        return false;
    }
    d->y.n_in = 1;
    d->in[0] = *in;
    d->out = *out;
    return true;
}

bool lower_plain_copy(struct lower *lw, uint32_t node_ix, const char *name,
                      struct view *v)
{
    const uint32_t buf = lower_new_buf(lw, name, v->dtype, view_count(v),
                                       default_row(v->rank, v->dim, NULL));
    if (buf == UINT32_MAX) {
        return false;
    }
    struct view out;
    view_plain(&out, buf, v->dtype, v->rank, v->dim);
    if (!lower_copy(lw, node_ix, v, &out)) {
        return false;
    }
    *v = out;
    return true;
}

/* The elements of a row of a fresh buffer: those dimensions, from the last in
 * memory order, that lie inside one row of `like`. */
static uint64_t row_like(const struct lower *lw, uint32_t rank,
                         const uint64_t *dim, const uint32_t *order,
                         const struct view *like)
{
    const uint64_t row = like->buf == BUF_WEIGHTS ? 0 : lw->buf[like->buf].row;
    uint64_t inside = 1;
    for (uint32_t i = rank; row != 0 && i-- > 0;) {
        const uint32_t k = order[i];
        const int64_t step = like->stride[k];
        if (dim[k] == 1) {
            continue;
        }
        if (step < 0) {
            return default_row(rank, dim, order);
        }
        if (like->dim[k] == 1 || (uint64_t)step * like->dim[k] <= row) {
            inside *= dim[k];
            continue;
        }
        if ((uint64_t)step >= row) {
            return inside;
        }
        /* This one spans rows: it splits if rows are whole numbers of it. */
        if (row % (uint64_t)step != 0 ||
            (uint64_t)step * like->dim[k] % row != 0 ||
            like->dim[k] != dim[k]) {
            break;
        }
        return inside * (row / (uint64_t)step);
    }
    return row == 0 ? default_row(rank, dim, order) : inside;
}

bool lower_fresh(struct lower *lw, const char *name, enum dtype t,
                 uint32_t rank, const uint64_t *dim, const struct view *like,
                 struct view *out)
{
    uint32_t order[TENSOR_MAX_RANK];
    view_order(like, order);
    uint64_t n = 1;
    struct view made = {.dtype = t, .rank = rank};
    for (uint32_t i = rank; i-- > 0;) {
        const uint32_t k = order[i];
        made.dim[k] = dim[k];
        made.stride[k] = dim[k] == 1 ? 0 : (int64_t)n;
        n *= dim[k];
    }
    uint64_t row = row_like(lw, rank, dim, order, like);
    row = n % row == 0 ? row : default_row(rank, dim, order);
    made.buf = lower_new_buf(lw, name, t, n, row);
    *out = made;
    return made.buf != UINT32_MAX;
}

/* Dimensions `dim` as runs of those of v: each with the least stride of its
 * run, so that a copy can keep v's order in memory. False when they are not
 * runs. */
static bool regroup(const struct view *v, uint32_t rank, const uint64_t *dim,
                    struct view *out)
{
    uint32_t from = 0;
    *out = *v;
    out->rank = rank;
    for (uint32_t k = 0; k < rank; k++) {
        uint64_t count = 1;
        int64_t least = 0;
        while (count < dim[k] && from < v->rank) {
            const int64_t step = v->stride[from];
            least = step != 0 && (least == 0 || step < least) ? step : least;
            count *= v->dim[from++];
        }
        if (count != dim[k]) {
            return false;
        }
        out->dim[k] = dim[k];
        out->stride[k] = least;
    }
    return true;
}

/* A copy of the pending value: in the source's order of memory if the value's
 * dimensions are runs of its own, as in a channel shuffle, else row-major. */
static bool settle(struct lower *lw, uint32_t node_ix, uint32_t value)
{
    const struct value *const v = &lw->g->value[value];
    struct view src = lw->slot[value].view;
    uint64_t dim[TENSOR_MAX_RANK];
    struct view like;
    struct view out;
    dims_of(&v->shape, dim);
    if (!regroup(&src, v->shape.rank, dim, &like)) {
        view_plain(&like, BUF_WEIGHTS, v->dtype, v->shape.rank, dim);
    }
    if (!lower_fresh(lw, v->name, v->dtype, v->shape.rank, dim, &like, &out)) {
        return false;
    }
    struct view part;
    if (!view_reshape(&out, src.rank, src.dim, &part) ||
        !lower_copy(lw, node_ix, &src, &part)) {
        return false;
    }
    lw->slot[value].state = SLOT_VIEW;
    lw->slot[value].view = out;
    return true;
}

bool lower_get(struct lower *lw, uint32_t node_ix, uint32_t value,
               struct view *out)
{
    const struct value *const v = &lw->g->value[value];
    struct slot *const slot = &lw->slot[value];
    uint64_t dim[TENSOR_MAX_RANK];
    dims_of(&v->shape, dim);
    if (v->is_const) {
        view_plain(out, BUF_WEIGHTS, v->dtype, v->shape.rank, dim);
        out->data = v->data;
        return true;
    }
    if (slot->state == SLOT_PENDING && !settle(lw, node_ix, value)) {
        return false;
    }
    *out = slot->view;
    return true;
}

bool lower_fresh_image(struct lower *lw, const char *name, enum dtype t,
                       const uint64_t dim[4], struct view *out)
{
    const uint64_t row = dim[2] * dim[3];
    const uint32_t buf = lower_new_buf(lw, name, t, dim[0] * dim[1] * row, row);
    view_plain(out, buf, t, 4, dim);
    return buf != UINT32_MAX;
}

bool lower_is_image(struct lower *lw, const struct view *v)
{
    if (v->buf == BUF_WEIGHTS || v->off < 0) {
        return false;
    }
    const uint64_t *const dim = v->dim;
    const int64_t *const step = v->stride;
    struct draft_buf *const b = &lw->buf[v->buf];
    uint64_t row = b->row;
    if (row == 0) {
        const uint32_t k = dim[1] > 1 ? 1 : 0;
        row = dim[k] > 1 && step[k] > 0 ? (uint64_t)step[k] : b->n;
    }
    const bool has_pixels = (dim[3] == 1 || step[3] == 1) &&
                            (dim[2] == 1 || step[2] >= (int64_t)dim[3]) &&
                            b->n % row == 0;
    const bool has_rows = (dim[1] == 1 || step[1] == (int64_t)row) &&
                          (dim[0] == 1 || step[0] == (int64_t)(dim[1] * row));
    if (!has_pixels || !has_rows ||
        (uint64_t)v->off % row + (dim[2] - 1) * (uint64_t)step[2] + dim[3] >
            row) {
        return false;
    }
    b->row = row;
    return true;
}

static bool same_image(const struct view *a, const struct view *b)
{
    return a->buf == b->buf && a->buf != BUF_WEIGHTS && a->off == b->off &&
           view_same_dims(a, b) &&
           memcmp(a->stride, b->stride, 4 * sizeof a->stride[0]) == 0;
}

bool lower_to_image(struct lower *lw, uint32_t node_ix, struct view *v)
{
    if (lower_is_image(lw, v)) {
        return true;
    }
    for (uint32_t i = 0; i < lw->n_image_copy; i++) {
        const struct image_copy *const c = &lw->image_copy[i];
        if (same_image(&c->from, v)) {
            *v = c->to;
            return true;
        }
    }
    struct image_copy *const c =
        arena_push(lw->cx->scratch, lw->image_copy, &lw->n_image_copy,
                   &lw->cap_image_copy);
    const char *const name = v->buf == BUF_WEIGHTS ? lw->g->node[node_ix].name
                                                   : lw->buf[v->buf].name;
    if (!c) {
        return false;
    }
    c->from = *v;
    if (!lower_fresh_image(lw, name, v->dtype, v->dim, &c->to) ||
        !lower_copy(lw, node_ix, v, &c->to)) {
        return false;
    }
    *v = c->to;
    return true;
}

struct row_map identity_map(uint64_t rows)
{
    return (struct row_map){
        .num = 1, .den = 1, .out_rows = rows, .in_rows = rows};
}

struct row_map window_map(uint64_t images, uint64_t out_rows, uint64_t in_rows,
                          const uint32_t kernel[2], const uint32_t stride[2],
                          const uint32_t dilation[2], const int32_t pad[2])
{
    const int64_t span = (int64_t)(kernel[0] - 1) * dilation[0] + 1;
    if (images == 1 && out_rows == 1 && pad[0] >= 0 &&
        span - pad[0] >= (int64_t)in_rows) {
        return (struct row_map){.all = true, .in_rows = in_rows};
    }
    return (struct row_map){
        .num = stride[0],
        .den = 1,
        .lo = pad[0],
        .hi = (int32_t)(span - (int64_t)stride[0] - pad[0]),
        .out_rows = out_rows,
        .in_rows = in_rows,
    };
}
