/* Drafts to layers.
 * 1. Drafts whose result nobody needs go.
 * 2. Kinds without an order of their own (elementwise, copies, ...) get one:
 *    that of the output in memory, or of an input where the output is a graph
 *    output, so that boxes are rows of a buffer. Dimensions of size 1 go, one
 *    that spans rows is split, neighbours that are one in memory are joined.
 * 3. Each view becomes an operand: by rows where the layer's rows are its
 *    buffer's. */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/le.h"
#include "ir/options.h"
#include "passes/lower_draft.h"

enum { N_OPERAND = LAYER_MAX_IN + 1 }; /* the output is the last, [n_in] */

static struct view *operand_at(struct draft *d, uint32_t i)
{
    return i == d->y.n_in ? &d->out : &d->in[i];
}

/* ---- 1 --------------------------------------------------------------------
 */

static bool mark_needed(struct lower *lw)
{
    bool *const is_read = arena_new(lw->cx->scratch, bool, lw->n_buf);
    if (!is_read) {
        return false;
    }
    for (uint32_t i = lw->n_draft; i-- > 0;) {
        struct draft *const d = &lw->draft[i];
        d->is_dead = d->is_dead ||
                     (!is_read[d->out.buf] && !lw->buf[d->out.buf].is_output);
        for (uint32_t k = 0; !d->is_dead && k < d->y.n_in; k++) {
            if (d->in[k].buf != BUF_WEIGHTS) {
                is_read[d->in[k].buf] = true;
            }
        }
    }
    return true;
}

/* Inputs that nobody reads by rows: the last dimension of more than one. */
static void close_rows(struct lower *lw)
{
    for (uint32_t i = 0; i < lw->g->n_input; i++) {
        const struct shape *const s = &lw->g->value[lw->g->input[i]].shape;
        struct draft_buf *const b = &lw->buf[i];
        for (uint32_t k = s->rank; b->row == 0 && k-- > 0;) {
            const uint64_t dim = (uint64_t)s->dim[k];
            b->row = dim > 1 ? dim : 0;
        }
        b->row = b->row == 0 ? b->n : b->row;
    }
}

/* ---- 2 --------------------------------------------------------------------
 */

/* A dimension of a layer being ordered. */
struct axis {
    uint64_t dim;
    uint64_t in_dim; /* of in[0]; other than dim, or shifted, only for Pad */
    int64_t before;
    int64_t step[N_OPERAND];
};

struct nest {
    uint32_t n; /* free dimensions */
    struct axis axis[TENSOR_MAX_RANK];
    uint32_t n_op;   /* operands, the output the last */
    uint32_t n_tail; /* fixed dimensions after them, of each operand */
    const struct draft *d;
};

static bool is_padded(const struct axis *a)
{
    return a->in_dim != a->dim || a->before != 0;
}

static void nest_make(struct nest *t, struct draft *d, uint32_t n_free)
{
    *t = (struct nest){.n_op = d->y.n_in + 1, .d = d};
    const bool is_pad = d->y.kind == LAYER_COPY && d->y.p.copy.pads;
    for (uint32_t k = 0; k < n_free; k++) {
        struct axis *const a = &t->axis[t->n];
        *a = (struct axis){.dim = d->out.dim[k], .in_dim = d->out.dim[k]};
        if (is_pad && d->y.n_in > 0) {
            a->in_dim = d->in[0].dim[k];
            a->before = d->y.p.copy.before[k];
        }
        for (uint32_t i = 0; i < t->n_op; i++) {
            a->step[i] = operand_at(d, i)->stride[k];
        }
        t->n += a->dim != 1 || is_padded(a);
    }
}

static void sort_by(struct nest *t, uint32_t op)
{
    for (uint32_t k = 1; k < t->n; k++) {
        const struct axis moved = t->axis[k];
        uint32_t at = k;
        for (;
             at > 0 && llabs(t->axis[at - 1].step[op]) < llabs(moved.step[op]);
             at--) {
            t->axis[at] = t->axis[at - 1];
        }
        t->axis[at] = moved;
    }
}

/* Splits the dimension that spans rows of the operand's buffer into one of rows
 * and one inside them. */
static void split_rows(struct nest *t, uint32_t op, uint64_t row)
{
    for (uint32_t k = 0; k < t->n && t->n < TENSOR_MAX_RANK; k++) {
        struct axis *const a = &t->axis[k];
        const uint64_t step = (uint64_t)llabs(a->step[op]);
        if (step == 0 || step >= row || step * a->dim <= row ||
            row % step != 0 || step * a->dim % row != 0 || is_padded(a)) {
            continue;
        }
        const uint64_t inner = row / step;
        memmove(a + 1, a, (t->n - k) * sizeof *a);
        t->n++;
        a[0].dim /= inner;
        a[0].in_dim = a[0].dim;
        a[1].dim = inner;
        a[1].in_dim = inner;
        for (uint32_t i = 0; i < t->n_op; i++) {
            a[0].step[i] *= (int64_t)inner;
        }
        return;
    }
}

/* The operand's own size along a dimension. */
static uint64_t own_dim(const struct nest *t, uint32_t op, uint32_t k)
{
    return op + 1 == t->n_op ? t->axis[k].dim : t->axis[k].in_dim;
}

/* Lowest and highest element over fixed dimensions. */
static void tail_reach(const struct view *v, uint32_t from, int64_t *low,
                       int64_t *high)
{
    for (uint32_t k = from; k < v->rank; k++) {
        const int64_t end = (int64_t)(v->dim[k] - 1) * v->stride[k];
        *low += end < 0 ? end : 0;
        *high += end > 0 ? end : 0;
    }
}

/* True when the first n_row dimensions are rows of the operand's buffer and
 * the others stay inside one. */
static bool goes_by_row(const struct lower *lw, const struct nest *t,
                        uint32_t op, uint32_t n_row, uint32_t n_free)
{
    const struct view *const v = operand_at((struct draft *)t->d, op);
    if (v->buf == BUF_WEIGHTS || v->off < 0) {
        return false;
    }
    const uint64_t row = lw->buf[v->buf].row;
    int64_t step = (int64_t)row;
    for (uint32_t k = n_row; k-- > 0;) {
        const uint64_t dim = own_dim(t, op, k);
        if (dim != 1 && t->axis[k].step[op] != step) {
            return false;
        }
        step *= (int64_t)dim;
    }
    int64_t low = (int64_t)((uint64_t)v->off % row);
    int64_t high = low;
    for (uint32_t k = n_row; k < t->n; k++) {
        const int64_t end =
            (int64_t)(own_dim(t, op, k) - 1) * t->axis[k].step[op];
        low += end < 0 ? end : 0;
        high += end > 0 ? end : 0;
    }
    tail_reach(v, n_free, &low, &high);
    return low >= 0 && high < (int64_t)row;
}

/* Orders the dimensions for operand op; the number of row dimensions, or
 * UINT32_MAX when its rows cannot be the layer's. */
static uint32_t order_for(const struct lower *lw, struct nest *t, uint32_t op,
                          uint32_t n_free)
{
    const struct view *const v = operand_at((struct draft *)t->d, op);
    if (v->buf == BUF_WEIGHTS) {
        return UINT32_MAX;
    }
    for (uint32_t k = 0; k < t->n; k++) {
        if (t->axis[k].step[op] == 0 && own_dim(t, op, k) != 1) {
            return UINT32_MAX; /* broadcast */
        }
    }
    const uint64_t row = lw->buf[v->buf].row;
    sort_by(t, op);
    split_rows(t, op, row);
    uint32_t n_row = 0;
    while (n_row < t->n && (uint64_t)llabs(t->axis[n_row].step[op]) >= row) {
        n_row++;
    }
    return goes_by_row(lw, t, op, n_row, n_free) ? n_row : UINT32_MAX;
}

/* Joins neighbours in [from, to) that are one dimension to every operand;
 * returns the new end. */
static uint32_t join_axes(struct nest *t, uint32_t from, uint32_t to)
{
    uint32_t k = from;
    while (k + 1 < to) {
        struct axis *const a = &t->axis[k];
        bool joins = !is_padded(&a[0]) && !is_padded(&a[1]);
        for (uint32_t i = 0; i < t->n_op; i++) {
            joins = joins && a[0].step[i] == a[1].step[i] * (int64_t)a[1].dim;
        }
        if (!joins) {
            k++;
            continue;
        }
        a[1].dim *= a[0].dim;
        a[1].in_dim = a[1].dim;
        memmove(a, a + 1, (t->n - k - 1) * sizeof *a);
        t->n--;
        to--;
    }
    return to;
}

static void insert_unit(struct nest *t, uint32_t at)
{
    memmove(&t->axis[at + 1], &t->axis[at], (t->n - at) * sizeof t->axis[0]);
    t->axis[at] = (struct axis){.dim = 1, .in_dim = 1};
    t->n++;
}

/* The order of the free dimensions; *n_row of them are rows. */
static bool choose_order(const struct lower *lw, struct draft *d,
                         uint32_t n_free, struct nest *t, uint32_t *n_row)
{
    const uint32_t out = d->y.n_in;
    const bool is_output = lw->buf[d->out.buf].is_output;
    const uint32_t n_fixed = d->out.rank - n_free;
    struct nest plain;
    nest_make(&plain, d, n_free);
    *n_row = UINT32_MAX;
    for (uint32_t i = 0; *n_row == UINT32_MAX && i < d->y.n_in + 2; i++) {
        /* The output, but after the computed inputs if it never rolls. */
        const uint32_t op = i == 0 || i > d->y.n_in ? out : i - 1;
        const bool is_late = op != out && d->in[op].buf != BUF_WEIGHTS &&
                             lw->buf[d->in[op].buf].is_input;
        if ((i == 0 && is_output) || is_late) {
            continue;
        }
        *t = plain;
        *n_row = order_for(lw, t, op, n_free);
    }
    if (*n_row == UINT32_MAX) {
        *t = plain;
        sort_by(t, out);
        *n_row = t->n > 0 && n_fixed == 0 ? t->n - 1 : t->n;
    }
    *n_row = join_axes(t, 0, *n_row);
    (void)join_axes(t, *n_row, t->n);
    if (t->n + (*n_row == 0) + n_fixed > TENSOR_MAX_RANK) {
        return diag_error(lw->cx->diag, E_UNSUPPORTED,
                          at_node(d->y.name, d->y.op),
                          "too many dimensions that cannot be joined");
    }
    if (*n_row == 0) {
        insert_unit(t, 0);
        *n_row = 1;
    }
    if (*n_row == t->n && n_fixed == 0 && t->n < TENSOR_MAX_RANK) {
        insert_unit(t, t->n);
    }
    return true;
}

/* ---- 3 --------------------------------------------------------------------
 */

static void set_place(const struct lower *lw, const struct view *v, bool by_row,
                      struct operand *o)
{
    o->buf = v->buf;
    o->dtype = v->dtype;
    o->by_row = by_row;
    o->col0 = (uint64_t)v->off;
    if (v->buf == BUF_WEIGHTS) {
        o->map = (struct row_map){.all = true, .in_rows = 1};
        return;
    }
    const struct draft_buf *const b = &lw->buf[v->buf];
    if (by_row) {
        o->row0 = (uint64_t)v->off / b->row;
        o->col0 = (uint64_t)v->off % b->row;
    } else {
        o->map = (struct row_map){.all = true, .in_rows = b->n / b->row};
    }
}

/* A constant operand: all of the constant, as it is. */
static void add_weight(struct layer *y, struct operand *o, const struct view *v)
{
    const uint64_t n = v->data.len / dtype_bytes(v->dtype);
    o->weight_ix = y->n_weight;
    y->weight[y->n_weight++] = (struct weight){
        .data = v->data,
        .dtype = v->dtype,
        .rank = 1,
        .dim = {n},
        .stride = {1},
    };
}

/* The map of an operand by rows of an ordered layer: the identity, but for Pad
 * in the last of the row dimensions. */
static struct row_map nest_map(const struct nest *t, uint32_t n_row,
                               uint64_t rows)
{
    const struct axis *const a = &t->axis[n_row - 1];
    if (!is_padded(a)) {
        return identity_map(rows);
    }
    return (struct row_map){
        .num = 1,
        .den = 1,
        .lo = (int32_t)a->before,
        .hi = (int32_t)-a->before,
        .out_rows = a->dim,
        .in_rows = a->in_dim,
    };
}

static bool finish_nest(struct lower *lw, struct draft *d, uint32_t n_free)
{
    struct layer *const y = &d->y;
    const uint32_t n_fixed = d->out.rank - n_free;
    struct nest t;
    if (!choose_order(lw, d, n_free, &t, &y->row_dims)) {
        return false;
    }
    y->rank = t.n + n_fixed;
    y->rows = 1;
    for (uint32_t k = 0; k < t.n; k++) {
        y->dim[k] = t.axis[k].dim;
        y->rows *= k < y->row_dims ? t.axis[k].dim : 1;
    }
    memcpy(y->dim + t.n, d->out.dim + n_free, n_fixed * sizeof y->dim[0]);
    bool outer_pads = false;
    for (uint32_t k = 0; k + 1 < y->row_dims; k++) {
        outer_pads = outer_pads || is_padded(&t.axis[k]);
    }
    for (uint32_t i = 0; i < t.n_op; i++) {
        const bool is_out = i == y->n_in;
        const struct view *const v = operand_at(d, i);
        struct operand *const o = is_out ? &y->out : &y->in[i];
        const bool by_row = goes_by_row(lw, &t, i, y->row_dims, n_free) &&
                            (is_out || !outer_pads);
        *o = (struct operand){.rank = t.n + v->rank - n_free};
        for (uint32_t k = 0; k < t.n; k++) {
            o->dim[k] = own_dim(&t, i, k);
            o->stride[k] = t.axis[k].step[i];
        }
        for (uint32_t k = n_free; k < v->rank; k++) {
            o->dim[t.n + k - n_free] = v->dim[k];
            o->stride[t.n + k - n_free] = v->stride[k];
        }
        set_place(lw, v, by_row, o);
        if (by_row) {
            o->map = is_out ? identity_map(y->rows)
                            : nest_map(&t, y->row_dims, y->rows);
        } else if (v->buf == BUF_WEIGHTS) {
            add_weight(y, o, v);
        }
    }
    if (y->kind == LAYER_COPY) {
        for (uint32_t k = 0; k < TENSOR_MAX_RANK; k++) {
            y->p.copy.before[k] = k < t.n ? t.axis[k].before : 0;
        }
    }
    return true;
}

/* Kinds that keep their dimensions: MATMUL, GATHER, ATTENTION, EMBED. */
static bool finish_fixed(struct lower *lw, struct draft *d)
{
    struct layer *const y = &d->y;
    y->rank = d->out.rank;
    y->row_dims = y->kind == LAYER_ATTENTION ? 2
                  : y->rank > 1              ? y->rank - 1
                                             : 1;
    y->rows = 1;
    for (uint32_t k = 0; k < y->rank; k++) {
        y->dim[k] = d->out.dim[k];
        y->rows *= k < y->row_dims ? y->dim[k] : 1;
    }
    for (uint32_t i = 0; i <= y->n_in; i++) {
        const bool is_out = i == y->n_in;
        const struct view *const v = operand_at(d, i);
        struct operand *const o = is_out ? &y->out : &y->in[i];
        /* Rows: the output's, and those of left matrices and queries. */
        bool by_row =
            is_out ||
            (i == 0 && (y->kind == LAYER_MATMUL || y->kind == LAYER_ATTENTION));
        if (by_row) {
            struct nest t = {.n_op = 1, .d = d, .n = y->row_dims};
            for (uint32_t k = 0; k < y->row_dims; k++) {
                t.axis[k] =
                    (struct axis){.dim = y->dim[k], .in_dim = y->dim[k]};
                t.axis[k].step[i] = v->stride[k];
            }
            t.n_op = y->n_in + 1;
            by_row = goes_by_row(lw, &t, i, y->row_dims, y->row_dims);
        }
        *o = (struct operand){.rank = v->rank};
        memcpy(o->dim, v->dim, sizeof o->dim);
        memcpy(o->stride, v->stride, sizeof o->stride);
        set_place(lw, v, by_row, o);
        if (by_row) {
            o->map = identity_map(y->rows);
        } else if (v->buf == BUF_WEIGHTS) {
            add_weight(y, o, v);
        }
    }
    return true;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* Output row r takes input rows i with r + pad = i * stride + k * dilation. */
static struct row_map deconv_map(const struct draft *d)
{
    const struct conv_param *const p = &d->y.p.conv;
    const int64_t step = p->stride[0];
    const int64_t pad = p->pad_begin[0];
    const int64_t low = pad - (int64_t)(p->kernel[0] - 1) * p->dilation[0];
    return (struct row_map){
        .num = 1,
        .den = p->stride[0],
        .lo = (int32_t)floor_div(-low, step), /* -ceil(low / step) */
        .hi = (int32_t)floor_div(pad + step - 1, step),
        .out_rows = d->out.dim[1],
        .in_rows = d->in[0].dim[1],
    };
}

/* Where output row r lies in the input; ONNX's formulas. */
static double source_row(const struct resize_param *p, uint64_t r,
                         uint64_t out_rows, uint64_t in_rows)
{
    const double x = (double)r;
    const double scale = (double)p->scale[0];
    switch (p->coord) {
    case COORD_HALF_PIXEL:
        return (x + 0.5) / scale - 0.5;
    case COORD_PYTORCH_HALF_PIXEL:
        return out_rows > 1 ? (x + 0.5) / scale - 0.5 : 0.0;
    case COORD_ALIGN_CORNERS:
        return out_rows > 1 ? x * (double)(in_rows - 1) / (double)(out_rows - 1)
                            : 0.0;
    case COORD_ASYMMETRIC:
        return x / scale;
    }
    return 0.0;
}

/* The tightest map of slope in_rows / out_rows that gives each output row the
 * rows on both sides of its source, with room for a kernel's rounding. */
static struct row_map resize_map(const struct draft *d)
{
    const uint64_t out_rows = d->out.dim[1];
    const uint64_t in_rows = d->in[0].dim[1];
    int64_t lo = INT32_MIN;
    int64_t hi = INT32_MIN;
    for (uint64_t r = 0; r < out_rows; r++) {
        const double at = source_row(&d->y.p.resize, r, out_rows, in_rows);
        const double last = (double)(in_rows - 1);
        const int64_t from = (int64_t)floor(fmin(fmax(at - 1e-3, 0.0), last));
        const int64_t to = (int64_t)ceil(fmin(fmax(at + 1e-3, 0.0), last)) + 1;
        const int64_t base = (int64_t)(r * in_rows / out_rows);
        const int64_t top =
            (int64_t)(((r + 1) * in_rows + out_rows - 1) / out_rows);
        lo = base - from > lo ? base - from : lo;
        hi = to - top > hi ? to - top : hi;
    }
    return (struct row_map){
        .num = (uint32_t)in_rows,
        .den = (uint32_t)out_rows,
        .lo = (int32_t)lo,
        .hi = (int32_t)hi,
        .out_rows = out_rows,
        .in_rows = in_rows,
    };
}

static struct row_map image_map(const struct draft *d, uint32_t op)
{
    const struct layer *const y = &d->y;
    const uint64_t n = d->out.dim[0];
    const uint64_t out_rows = d->out.dim[1];
    const uint64_t in_rows = d->in[0].dim[1];
    if (op != 0 || y->kind == LAYER_LRN) {
        return identity_map(n * out_rows);
    }
    if (y->kind == LAYER_DECONV) {
        return deconv_map(d);
    }
    if (y->kind == LAYER_RESIZE) {
        return resize_map(d);
    }
    if (y->kind == LAYER_POOL) {
        const struct pool_param *const p = &y->p.pool;
        return window_map(n, out_rows, in_rows, p->kernel, p->stride,
                          p->dilation, p->pad_begin);
    }
    const struct conv_param *const p = &y->p.conv;
    return window_map(n, out_rows, in_rows, p->kernel, p->stride, p->dilation,
                      p->pad_begin);
}

static bool finish_image(struct lower *lw, struct draft *d)
{
    struct layer *const y = &d->y;
    y->rank = 4;
    y->row_dims = 2;
    memcpy(y->dim, d->out.dim, 4 * sizeof y->dim[0]);
    y->rows = y->dim[0] * y->dim[1];
    for (uint32_t i = 0; i <= y->n_in; i++) {
        const bool is_out = i == y->n_in;
        const struct view *const v = operand_at(d, i);
        struct operand *const o = is_out ? &y->out : &y->in[i];
        const uint64_t row = lw->buf[v->buf].row;
        *o = (struct operand){.rank = 4};
        memcpy(o->dim, v->dim, 4 * sizeof o->dim[0]);
        o->stride[0] = (int64_t)(v->dim[1] * row);
        o->stride[1] = (int64_t)row;
        o->stride[2] = v->dim[2] == 1 ? (int64_t)v->dim[3] : v->stride[2];
        o->stride[3] = 1;
        set_place(lw, v, true, o);
        o->map = is_out ? identity_map(y->rows) : image_map(d, i);
    }
    return true;
}

/* One box over whole operands. */
static bool finish_tensor(struct lower *lw, struct draft *d)
{
    struct layer *const y = &d->y;
    y->rank = 1;
    y->row_dims = 1;
    y->dim[0] = 1;
    y->rows = 1;
    for (uint32_t i = 0; i <= y->n_in; i++) {
        const struct view *const v = operand_at(d, i);
        struct operand *const o = i == y->n_in ? &y->out : &y->in[i];
        *o = (struct operand){.rank = v->rank};
        memcpy(o->dim, v->dim, sizeof o->dim);
        memcpy(o->stride, v->stride, sizeof o->stride);
        set_place(lw, v, false, o);
        if (v->buf == BUF_WEIGHTS) {
            add_weight(y, o, v);
        }
    }
    return true;
}

static bool finish_draft(struct lower *lw, struct draft *d)
{
    switch (d->y.kind) {
    case LAYER_CONV:
    case LAYER_DECONV:
    case LAYER_POOL:
    case LAYER_LRN:
    case LAYER_RESIZE:
        return finish_image(lw, d);
    case LAYER_EWISE:
    case LAYER_COPY:
    case LAYER_CAST:
    case LAYER_REDUCE:
        return finish_nest(lw, d, d->out.rank);
    case LAYER_SOFTMAX:
    case LAYER_NORM:
        return finish_nest(lw, d, d->out.rank - 1);
    case LAYER_ATTENTION:
    case LAYER_EMBED:
    case LAYER_GATHER:
    case LAYER_MATMUL:
        return finish_fixed(lw, d);
    case LAYER_TENSOR:
        return finish_tensor(lw, d);
    case LAYER_KIND_COUNT:
        break;
    }
    assert(false);
    return false;
}

/* Buffers that are in use, numbered from 0; map[i] is the new number. */
static bool write_buffers(struct lower *lw, uint32_t *map, struct layers *l)
{
    for (uint32_t i = 0; i < lw->n_buf; i++) {
        map[i] = BUF_NONE;
    }
    for (uint32_t i = 0; i < lw->n_draft; i++) {
        const struct draft *const d = &lw->draft[i];
        if (!d->is_dead) {
            map[d->out.buf] = 0;
        }
    }
    l->buf = arena_new(lw->cx->keep, struct buffer, lw->n_buf);
    if (!l->buf) {
        return false;
    }
    for (uint32_t i = 0; i < lw->n_buf; i++) {
        const struct draft_buf *const b = &lw->buf[i];
        if (map[i] == BUF_NONE && !b->is_input) {
            continue;
        }
        /* Nothing larger can run, and time and memory of what follows grow
         * with rows. */
        const uint64_t size = dtype_bytes(b->dtype);
        if (b->n > UINT32_MAX / size) {
            return diag_error(lw->cx->diag, E_TOO_BIG, at_tensor(b->name),
                              "it has %" PRIu64 " elements of %" PRIu64
                              " bytes; a tensor may have 4 GiB",
                              b->n, size);
        }
        map[i] = l->n_buf;
        l->buf[l->n_buf++] = (struct buffer){
            .name = b->name,
            .rows = b->n / b->row,
            .row_bytes = b->row * dtype_bytes(b->dtype),
            .is_input = b->is_input,
            .is_output = b->is_output,
        };
    }
    return true;
}

static void renumber(const uint32_t *map, struct operand *o)
{
    o->buf = o->buf == BUF_WEIGHTS ? BUF_WEIGHTS : map[o->buf];
}

/* Whether an f16 has exactly this value; not of infinities and NaN. */
static bool is_f16(uint32_t bits)
{
    const uint32_t size = bits & 0x7fffffffu;
    const uint32_t e = size >> 23;
    const uint32_t mant = (size & 0x7fffffu) | 0x800000u;
    /* Below 2^-14 the last place is 2^-24, else the 10th of the fraction. */
    return size == 0 || (e >= 103 && e < 143 &&
                         mant % (1u << (e < 113 ? 126 - e : 13)) == 0);
}

static bool all_f16(const struct weight *w)
{
    uint64_t i = 0;
    while (i < w->data.len && is_f16(le32_get(w->data.data + i))) {
        i += 4;
    }
    return i >= w->data.len;
}

/* How a layer's weights are stored: see layer.h. As in a model with constants
 * of f16: so where the weights still have such values. */
static enum dtype stored_of(const struct lower *lw, const struct layer *y)
{
    const struct options *const opt = lw->cx->opt;
    const bool has_rows = y->kind == LAYER_CONV || y->kind == LAYER_DECONV ||
                          y->kind == LAYER_EMBED;
    if (!opt || !has_rows || y->weight[0].dtype != DTYPE_F32) {
        return DTYPE_NONE;
    }
    if (opt->weights == DTYPE_NONE) {
        return lw->g->has_f16 && all_f16(&y->weight[0]) ? DTYPE_F16
                                                        : DTYPE_NONE;
    }
    return opt->weights == DTYPE_F32 ? DTYPE_NONE : opt->weights;
}

/* The last convolution whose weights are the table's own bytes. */
static const struct layer *find_tied(const struct layers *l,
                                     const struct layer *table)
{
    const struct weight *const w = &table->weight[0];
    for (uint32_t i = l->n_layer; i-- > 0 && w->dtype == DTYPE_F32;) {
        const struct layer *const y = &l->layer[i];
        const struct weight *const v = &y->weight[0];
        if (y->kind == LAYER_CONV && y->stored == table->stored &&
            v->data.data == w->data.data && v->data.len == w->data.len &&
            y->p.conv.group == 1 && v->dim[0] == w->dim[0] && v->dim[1] == 1 &&
            v->dim[2] == 1 && v->dim[3] == w->dim[1] &&
            (v->dim[0] == 1 || v->stride[0] == w->stride[0]) &&
            (v->dim[3] == 1 || v->stride[3] == 1)) {
            return y;
        }
    }
    return NULL;
}

bool lower_finish(struct lower *lw, struct layers *l)
{
    uint32_t *const map = arena_new(lw->cx->scratch, uint32_t, lw->n_buf);
    l->layer = arena_new(lw->cx->keep, struct layer, lw->n_draft);
    if (!map || !l->layer || !mark_needed(lw)) {
        return false;
    }
    close_rows(lw);
    for (uint32_t i = 0; i < lw->n_draft; i++) {
        struct draft *const d = &lw->draft[i];
        if (d->is_dead) {
            continue;
        }
        if (!finish_draft(lw, d)) {
            return false;
        }
        l->layer[l->n_layer++] = d->y;
    }
    if (!write_buffers(lw, map, l)) {
        return false;
    }
    for (uint32_t i = 0; i < l->n_layer; i++) {
        struct layer *const y = &l->layer[i];
        y->stored = stored_of(lw, y);
        renumber(map, &y->out);
        for (uint32_t k = 0; k < y->n_in; k++) {
            renumber(map, &y->in[k]);
        }
    }
    for (uint32_t i = 0; i < l->n_output; i++) {
        l->output[i].buf = map[l->output[i].buf];
    }
    for (uint32_t i = 0; i < l->n_input; i++) {
        l->input[i].buf = map[l->input[i].buf];
    }
    for (uint32_t i = 0; i < l->n_layer; i++) {
        if (l->layer[i].kind == LAYER_EMBED) {
            l->layer[i].p.embed.tied = find_tied(l, &l->layer[i]);
        }
    }
    layers_finish(l);
    return true;
}
