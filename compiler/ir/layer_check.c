#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/size.h"
#include "ir/layer.h"

/* What is being checked. */
struct check {
    const struct layers *l;
    struct cx *cx;
    const struct layer *y; /* NULL outside layers */
};

static bool bad(const struct check *c, const char *what)
{
    return diag_error(c->cx->diag, E_INTERNAL,
                      c->y ? at_node(c->y->name, c->y->op) : at_none(),
                      "layers: %s", what);
}

/* Lowest and highest element that strides reach from 0. */
static void reach(uint32_t rank, const uint64_t *dim, const int64_t *stride,
                  int64_t *low, int64_t *high)
{
    *low = 0;
    *high = 0;
    for (uint32_t k = 0; k < rank; k++) {
        const int64_t end = (int64_t)(dim[k] - 1) * stride[k];
        *low += end < 0 ? end : 0;
        *high += end > 0 ? end : 0;
    }
}

static bool check_weight(const struct check *c, const struct weight *w)
{
    if (w->data.len == 0) {
        return w->rank == 0 || bad(c, "a weight without data has dimensions");
    }
    const uint32_t bytes = dtype_bytes(w->dtype);
    if (bytes == 0 || w->rank > TENSOR_MAX_RANK) {
        return bad(c, "a weight has no element type, or too many dimensions");
    }
    for (uint32_t k = 0; k < w->rank; k++) {
        if (w->dim[k] == 0) {
            return bad(c, "a weight has an empty dimension");
        }
    }
    int64_t low;
    int64_t high;
    reach(w->rank, w->dim, w->stride, &low, &high);
    return (low >= 0 && (uint64_t)high < w->data.len / bytes) ||
           bad(c, "a weight reaches beyond its data");
}

static bool check_map(const struct check *c, const struct operand *o,
                      uint64_t rows)
{
    const struct row_map *const m = &o->map;
    if (m->all) {
        return m->in_rows == rows || bad(c, "an operand's `all` is not all");
    }
    if (!o->by_row) {
        return bad(c, "an operand without rows has a row map");
    }
    if (m->num == 0 || m->den == 0 || m->out_rows == 0 || m->in_rows == 0) {
        return bad(c, "a row map has a zero");
    }
    const uint64_t images = c->y->rows / m->out_rows;
    return (c->y->rows % m->out_rows == 0 && rows == images * m->in_rows) ||
           bad(c, "a row map's images are not the operand's");
}

static bool check_operand(const struct check *c, const struct operand *o)
{
    if (o->rank > TENSOR_MAX_RANK || dtype_bytes(o->dtype) == 0) {
        return bad(c, "an operand has no type, or too many dimensions");
    }
    for (uint32_t k = 0; k < o->rank; k++) {
        if (o->dim[k] == 0) {
            return bad(c, "an operand has an empty dimension");
        }
    }
    uint64_t rows; /* that the map speaks of */
    uint64_t len;  /* elements that the strides may reach */
    uint32_t from = 0;
    if (o->buf == BUF_WEIGHTS) {
        if (o->weight_ix >= c->y->n_weight || o->by_row || !o->map.all) {
            return bad(c, "an operand in the weights is not in them");
        }
        rows = 1;
        len = weight_count(&c->y->weight[o->weight_ix]);
    } else if (o->buf >= c->l->n_buf) {
        return bad(c, "an operand names no buffer");
    } else {
        const struct buffer *const b = &c->l->buf[o->buf];
        if (b->row_bytes % dtype_bytes(o->dtype) != 0) {
            return bad(c, "a row is no number of elements");
        }
        rows = b->rows;
        len = b->row_bytes / dtype_bytes(o->dtype);
        if (!o->by_row) {
            len *= rows;
        }
    }
    if (o->by_row) {
        if (o->rank < c->y->row_dims) {
            return bad(c, "an operand by rows has too few dimensions");
        }
        uint64_t own = 1;
        for (; from < c->y->row_dims; from++) {
            own *= o->dim[from];
        }
        if (o->row0 > rows || own > rows - o->row0) {
            return bad(c, "an operand's rows leave its buffer");
        }
        rows = own;
    } else if (o->row0 != 0) {
        return bad(c, "an operand without rows begins at one");
    }
    int64_t low;
    int64_t high;
    reach(o->rank - from, o->dim + from, o->stride + from, &low, &high);
    if ((int64_t)o->col0 + low < 0 ||
        (uint64_t)((int64_t)o->col0 + high) >= len) {
        return bad(c, "an operand leaves its buffer or row");
    }
    return check_map(c, o, rows);
}

static bool same_dims(const struct check *c, const struct operand *o)
{
    if (o->rank != c->y->rank) {
        return false;
    }
    return memcmp(o->dim, c->y->dim, o->rank * sizeof o->dim[0]) == 0;
}

/* N,H,W,C by rows, pixels apart, channels together. */
static bool is_image(const struct check *c, const struct operand *o)
{
    return o->by_row && o->rank == 4 && c->y->rank == 4 &&
           c->y->row_dims == 2 && o->dim[0] == c->y->dim[0] &&
           (o->dim[3] == 1 || o->stride[3] == 1) &&
           (o->dim[2] == 1 || o->stride[2] >= (int64_t)o->dim[3]);
}

/* Output row r reads rows r * stride - pad + k * dilation of its image. */
static bool map_covers(const struct row_map *m, uint64_t r, int64_t first,
                       int64_t end)
{
    uint64_t a;
    uint64_t b;
    row_map_need(m, r, r + 1, &a, &b);
    if (m->all) {
        return true;
    }
    const int64_t at = (int64_t)(r / m->out_rows * m->in_rows);
    const int64_t rows = (int64_t)m->in_rows;
    first = first < 0 ? 0 : first;
    end = end > rows ? rows : end;
    return first >= end || ((int64_t)a <= at + first && (int64_t)b >= at + end);
}

/* The same for all rows at once, where the map advances as the window does:
 * what holds for den rows, without regard to the image's ends, holds for all.
 */
enum { MOST_PERIOD = 4096 };
static bool map_follows(const struct row_map *m, uint32_t stride, int64_t first,
                        int64_t end)
{
    if (m->num != (uint64_t)m->den * stride || m->den > MOST_PERIOD) {
        return false;
    }
    for (uint64_t r = 0; r < m->den; r++) {
        const int64_t at = (int64_t)(r * stride);
        if ((int64_t)(r * m->num / m->den) - m->lo > first + at ||
            (int64_t)size_div_up((r + 1) * m->num, m->den) + m->hi < end + at) {
            return false;
        }
    }
    return true;
}

static bool check_window(const struct check *c, uint32_t kernel,
                         uint32_t stride, uint32_t dilation, int32_t pad)
{
    const uint64_t out_rows = c->y->dim[1];
    const int64_t reach_rows = (int64_t)(kernel - 1) * dilation + 1;
    if (c->y->in[0].map.all ||
        map_follows(&c->y->in[0].map, stride, -(int64_t)pad,
                    reach_rows - (int64_t)pad)) {
        return true;
    }
    for (uint64_t r = 0; r < c->y->rows; r++) {
        const int64_t first = (int64_t)(r % out_rows) * stride - (int64_t)pad;
        const int64_t end = first + reach_rows;
        if (!map_covers(&c->y->in[0].map, r, first, end)) {
            return bad(c, "the row map misses rows of the window");
        }
    }
    return true;
}

static bool check_deconv_map(const struct check *c)
{
    const struct conv_param *const p = &c->y->p.conv;
    const int64_t step = p->stride[0];
    for (uint64_t r = 0; r < c->y->rows; r++) {
        const int64_t at = (int64_t)(r % c->y->dim[1]) + p->pad_begin[0];
        for (int64_t k = 0; k < p->kernel[0]; k++) {
            const int64_t from = at - k * p->dilation[0];
            if (from >= 0 && from % step == 0 &&
                !map_covers(&c->y->in[0].map, r, from / step,
                            from / step + 1)) {
                return bad(c, "the row map misses rows of the window");
            }
        }
    }
    return true;
}

static bool is_byte(enum dtype t)
{
    return t == DTYPE_I8 || t == DTYPE_U8;
}

/* Weights of a convolution in integers; those of floats are checked below. */
static bool check_integers(const struct check *c)
{
    static const enum dtype types[4] = {DTYPE_I8, DTYPE_I32, DTYPE_F32,
                                        DTYPE_I32};
    const struct layer *const y = c->y;
    const enum dtype out = y->out.dtype;
    bool is_ok = y->n_weight == 4 && y->kind == LAYER_CONV &&
                 y->epi.act == ACT_NONE && y->epi.residual == RES_NONE &&
                 (is_byte(out) || out == DTYPE_F32 || out == DTYPE_I32) &&
                 y->quant.low <= y->quant.high;
    for (uint32_t i = 0; is_ok && i < 4; i++) {
        const struct weight *const w = &y->weight[i];
        const bool is_absent =
            w->data.len == 0 &&
            (i == 1 || i == 3 || (i == 2 && out == DTYPE_I32));
        is_ok =
            is_absent || (w->dtype == types[i] &&
                          (i == 0 || (w->rank == 1 && w->dim[0] == y->dim[3])));
    }
    return is_ok || bad(c, "an integer convolution's weights do not fit");
}

static bool check_conv(const struct check *c)
{
    const struct layer *const y = c->y;
    const struct conv_param *const p = &y->p.conv;
    const uint32_t n_in = y->epi.residual == RES_NONE ? 1 : 2;
    if (y->n_in != n_in || !is_image(c, &y->in[0]) || !is_image(c, &y->out)) {
        return bad(c, "a convolution's operands are not images");
    }
    if (n_in == 2 && (!is_image(c, &y->in[1]) || !same_dims(c, &y->in[1]))) {
        return bad(c, "a residual is not like the output");
    }
    const bool is_integer = is_byte(y->in[0].dtype);
    if (is_integer && !check_integers(c)) {
        return false;
    }
    const uint32_t n_weight = is_integer ? 1 : y->epi.act == ACT_PRELU ? 3 : 2;
    const struct weight *const w = &y->weight[0];
    if ((!is_integer && y->n_weight != n_weight) || w->rank != 4 ||
        p->group == 0 || w->dim[0] != y->dim[3] || w->dim[1] != p->kernel[0] ||
        w->dim[2] != p->kernel[1] || w->dim[3] * p->group != y->in[0].dim[3] ||
        y->dim[3] % p->group != 0 ||
        w->dtype != (is_integer ? DTYPE_I8 : DTYPE_F32)) {
        return bad(c, "a convolution's weights do not fit");
    }
    if (y->stored != DTYPE_NONE &&
        (is_integer || (y->stored != DTYPE_F16 && y->stored != DTYPE_I8))) {
        return bad(c, "a convolution's weights are not stored as such");
    }
    for (uint32_t i = 1; i < n_weight; i++) {
        const struct weight *const v = &y->weight[i];
        const bool is_absent = i == 1 && v->data.len == 0;
        if (!is_absent && (v->rank != 1 || v->dim[0] != y->dim[3])) {
            return bad(c, "a bias or slope does not fit");
        }
    }
    if (y->kind == LAYER_DECONV) {
        return check_deconv_map(c);
    }
    return check_window(c, p->kernel[0], p->stride[0], p->dilation[0],
                        p->pad_begin[0]);
}

static bool check_image_layer(const struct check *c)
{
    const struct layer *const y = c->y;
    if (y->n_in != 1 || !is_image(c, &y->in[0]) || !is_image(c, &y->out) ||
        y->in[0].dim[3] != y->dim[3]) {
        return bad(c, "the operands are not images");
    }
    if (y->kind == LAYER_LRN && !same_dims(c, &y->in[0])) {
        return bad(c, "the input is not like the output");
    }
    const struct pool_param *const p = &y->p.pool;
    return y->kind != LAYER_POOL ||
           check_window(c, p->kernel[0], p->stride[0], p->dilation[0],
                        p->pad_begin[0]);
}

/* Operands that each step takes off the stack; it puts one on. */
static uint32_t expr_takes(enum expr_op op)
{
    switch (op) {
    case EXPR_IN:
    case EXPR_IMM:
        return 0;
    case EXPR_ADD:
    case EXPR_SUB:
    case EXPR_MUL:
    case EXPR_DIV:
    case EXPR_POW:
    case EXPR_MIN:
    case EXPR_MAX:
    case EXPR_PRELU:
    case EXPR_MOD:
    case EXPR_FMOD:
    case EXPR_EQ:
    case EXPR_LT:
    case EXPR_LE:
    case EXPR_GT:
    case EXPR_GE:
    case EXPR_BITAND:
    case EXPR_BITOR:
    case EXPR_BITXOR:
    case EXPR_SHL:
    case EXPR_SHR:
        return 2;
    case EXPR_SELECT:
        return 3;
    case EXPR_NEG:
    case EXPR_ABS:
    case EXPR_EXP:
    case EXPR_LOG:
    case EXPR_SQRT:
    case EXPR_RECIP:
    case EXPR_FLOOR:
    case EXPR_CEIL:
    case EXPR_ERF:
    case EXPR_RELU:
    case EXPR_SIGMOID:
    case EXPR_TANH:
    case EXPR_CAST:
    case EXPR_ROUND:
    case EXPR_SIGN:
    case EXPR_SIN:
    case EXPR_COS:
    case EXPR_TAN:
    case EXPR_ASIN:
    case EXPR_ACOS:
    case EXPR_ATAN:
    case EXPR_SINH:
    case EXPR_COSH:
    case EXPR_ASINH:
    case EXPR_ACOSH:
    case EXPR_ATANH:
    case EXPR_ISNAN:
    case EXPR_ISINF:
    case EXPR_NOT:
    case EXPR_BITNOT:
    case EXPR_SATURATE:
    case EXPR_OP_COUNT:
        return 1;
    }
    return 1;
}

static bool check_ewise(const struct check *c)
{
    const struct ewise_param *const p = &c->y->p.ewise;
    uint32_t depth = 0;
    for (uint32_t i = 0; i < p->n_step && i < EXPR_MAX_STEP; i++) {
        const struct expr_step *const s = &p->step[i];
        const uint32_t takes = expr_takes(s->op);
        if (s->op >= EXPR_OP_COUNT || depth < takes ||
            (s->op == EXPR_IN && s->ix >= c->y->n_in)) {
            return bad(c, "an expression takes what is not there");
        }
        depth = depth - takes + 1;
    }
    if (depth != 1 || p->n_step > EXPR_MAX_STEP) {
        return bad(c, "an expression does not leave one result");
    }
    for (uint32_t i = 0; i < c->y->n_in; i++) {
        if (!same_dims(c, &c->y->in[i])) {
            return bad(c, "an elementwise operand has other dimensions");
        }
    }
    return true;
}

static bool check_copy(const struct check *c)
{
    const struct layer *const y = c->y;
    if (y->n_in == 0) {
        return y->p.copy.pads || bad(c, "a copy of nothing has no fill");
    }
    if (y->n_in != 1 || y->in[0].rank != y->rank ||
        dtype_bytes(y->in[0].dtype) != dtype_bytes(y->out.dtype)) {
        return bad(c, "a copy's input does not fit");
    }
    return y->p.copy.pads || same_dims(c, &y->in[0]) ||
           bad(c, "a copy without pads changes dimensions");
}

static bool check_like(const struct check *c)
{
    return (c->y->n_in == 1 && same_dims(c, &c->y->in[0])) ||
           bad(c, "the input is not like the output");
}

static bool check_reduce(const struct check *c)
{
    const struct layer *const y = c->y;
    return (y->n_in == 1 && y->in[0].rank == y->rank + y->p.reduce.n_reduced &&
            memcmp(y->in[0].dim, y->dim, y->rank * sizeof y->dim[0]) == 0) ||
           bad(c, "a reduction's input does not fit");
}

static bool check_matmul(const struct check *c)
{
    const struct layer *const y = c->y;
    const struct matmul_param *const p = &y->p.matmul;
    const uint32_t r = y->rank;
    if (y->n_in != 2 || r < 2 || y->in[0].rank != r || y->in[1].rank != r ||
        y->dim[r - 2] != p->m || y->dim[r - 1] != p->n ||
        y->in[0].dim[r - 2] != p->m || y->in[0].dim[r - 1] != p->k ||
        y->in[1].dim[r - 2] != p->k || y->in[1].dim[r - 1] != p->n) {
        return bad(c, "a product's operands do not fit");
    }
    const size_t batch = (r - 2) * sizeof y->dim[0];
    return (memcmp(y->in[0].dim, y->dim, batch) == 0 &&
            memcmp(y->in[1].dim, y->dim, batch) == 0) ||
           bad(c, "a product's batches do not fit");
}

static bool check_gather(const struct check *c)
{
    const struct layer *const y = c->y;
    const struct gather_param *const p = &y->p.gather;
    return (y->n_in == 2 && p->axis < y->in[0].rank &&
            y->in[0].dim[p->axis] == p->axis_len &&
            y->in[1].rank == p->index_rank &&
            y->rank == y->in[0].rank - 1 + p->index_rank) ||
           bad(c, "a gather's operands do not fit");
}

static bool check_norm(const struct check *c)
{
    const struct layer *const y = c->y;
    if (y->n_in != 1 || !same_dims(c, &y->in[0]) || y->row_dims >= y->rank) {
        return bad(c, "the input is not like the output");
    }
    for (uint32_t i = 0; i < 2; i++) {
        const struct weight *const w = &y->weight[i];
        const bool is_absent = i == 1 && w->data.len == 0;
        if (y->n_weight != 2 ||
            (!is_absent &&
             (w->rank != 1 || w->dim[0] != y->dim[y->rank - 1]))) {
            return bad(c, "a scale or bias does not fit");
        }
    }
    return true;
}

static bool check_attention(const struct check *c)
{
    const struct layer *const y = c->y;
    const struct operand *const q = &y->in[0];
    const struct operand *const k = &y->in[1];
    const struct operand *const v = &y->in[2];
    const struct operand *const m = &y->in[3];
    const uint32_t n_in = y->p.attention.mask == ATTN_MASK_NONE ? 3 : 4;
    if (y->n_in != n_in || y->rank != 4 || y->row_dims != 2 || q->rank != 4 ||
        k->rank != 4 || v->rank != 4 || k->by_row || v->by_row ||
        memcmp(q->dim, y->dim, 3 * sizeof y->dim[0]) != 0 ||
        memcmp(k->dim, v->dim, 3 * sizeof k->dim[0]) != 0 ||
        k->dim[0] != y->dim[0] || y->dim[2] % k->dim[2] != 0 ||
        k->dim[3] != q->dim[3] || v->dim[3] != y->dim[3]) {
        return bad(c, "an attention's operands do not fit");
    }
    return n_in == 3 ||
           (m->rank == 4 && !m->by_row && m->dim[3] == k->dim[1] &&
            memcmp(m->dim, y->dim, 3 * sizeof y->dim[0]) == 0 &&
            m->dtype == (y->p.attention.mask == ATTN_MASK_ADD ? DTYPE_F32
                                                              : DTYPE_BOOL)) ||
           bad(c, "an attention's mask does not fit");
}

static bool check_tensor(const struct check *c)
{
    const struct layer *const y = c->y;
    return (y->rank == 1 && y->dim[0] == 1 && !y->out.by_row &&
            y->p.tensor.op < TENSOR_OP_COUNT) ||
           bad(c, "a layer of class tensor is not one box");
}

static bool check_embed(const struct check *c)
{
    const struct layer *const y = c->y;
    const struct operand *const ix = &y->in[0];
    const struct weight *const w = &y->weight[0];
    if (y->n_in != 1 || y->n_weight != 1 || y->rank != 2 || y->row_dims != 1 ||
        ix->rank != 1 || ix->dim[0] != y->rows || ix->by_row ||
        ix->buf >= c->l->n_buf || ix->col0 != 0 ||
        (ix->dim[0] > 1 && ix->stride[0] != 1) ||
        (ix->dtype != DTYPE_I32 && ix->dtype != DTYPE_I64) || w->rank != 2 ||
        w->dim[0] != y->p.embed.n_entry || w->dim[1] != y->dim[1] ||
        w->dtype != y->out.dtype ||
        (y->stored != DTYPE_NONE && w->dtype != DTYPE_F32)) {
        return bad(c, "a table or its indices do not fit");
    }
    const struct layer *const t = y->p.embed.tied;
    return !t ||
           (t->kind == LAYER_CONV && t->weight[0].dim[0] == w->dim[0] &&
            t->weight[0].dim[3] == w->dim[1] && w->dtype == DTYPE_F32 &&
            t->stored == y->stored && t->weight[0].data.data == w->data.data) ||
           bad(c, "a tied table is another one");
}

static bool (*const kind_checks[LAYER_KIND_COUNT])(const struct check *) = {
    [LAYER_CONV] = check_conv,          [LAYER_DECONV] = check_conv,
    [LAYER_POOL] = check_image_layer,   [LAYER_EWISE] = check_ewise,
    [LAYER_SOFTMAX] = check_like,       [LAYER_LRN] = check_image_layer,
    [LAYER_RESIZE] = check_image_layer, [LAYER_COPY] = check_copy,
    [LAYER_CAST] = check_like,          [LAYER_GATHER] = check_gather,
    [LAYER_MATMUL] = check_matmul,      [LAYER_REDUCE] = check_reduce,
    [LAYER_NORM] = check_norm,          [LAYER_ATTENTION] = check_attention,
    [LAYER_TENSOR] = check_tensor,      [LAYER_EMBED] = check_embed,
};

/* The first element of a buffer. */
static bool check_guard(const struct check *c, const struct operand *o)
{
    return (o->buf < c->l->n_buf && o->dtype == DTYPE_BOOL && !o->by_row &&
            o->rank == 1 && o->dim[0] == 1 && o->col0 == 0) ||
           bad(c, "a guard is not the first element of a buffer of bool");
}

static bool check_layer(const struct check *c)
{
    const struct layer *const y = c->y;
    if (y->kind >= LAYER_KIND_COUNT || y->rank < 1 ||
        y->rank > TENSOR_MAX_RANK || y->row_dims < 1 || y->row_dims > y->rank ||
        layer_n_read(y) > LAYER_MAX_IN || y->n_weight > LAYER_MAX_WEIGHT ||
        y->epi.act >= ACT_COUNT) {
        return bad(c, "a count is out of range");
    }
    uint64_t rows = 1;
    for (uint32_t k = 0; k < y->rank; k++) {
        if (y->dim[k] == 0) {
            return bad(c, "a dimension is empty");
        }
        rows *= k < y->row_dims ? y->dim[k] : 1;
    }
    if (rows != y->rows) {
        return bad(c, "rows is not the product of the row dimensions");
    }
    for (uint32_t k = 0; k < y->n_weight; k++) {
        if (!check_weight(c, &y->weight[k])) {
            return false;
        }
    }
    if (y->out.buf >= c->l->n_buf ||
        (c->l->buf[y->out.buf].is_input && !c->l->buf[y->out.buf].is_output) ||
        (y->kind != LAYER_TENSOR && !same_dims(c, &y->out))) {
        return bad(c, "the output has no place or other dimensions");
    }
    if (!check_operand(c, &y->out)) {
        return false;
    }
    const struct row_map *const m = &y->out.map;
    if (!m->all && (m->num != 1 || m->den != 1 || m->lo != 0 || m->hi != 0)) {
        return bad(c, "the output's row map is not the identity");
    }
    for (uint32_t k = 0; k < layer_n_read(y); k++) {
        if (!check_operand(c, &y->in[k])) {
            return false;
        }
    }
    if (y->guard != GUARD_NONE && !check_guard(c, &y->in[y->n_in])) {
        return false;
    }
    return kind_checks[y->kind](c);
}

/* ---- parts and order ----------------------------------------------------- */

/* Elements of one buffer that have been written, one bit each. */
struct written {
    uint8_t *bit;
    uint64_t n;
};

/* Visits every element of the operand: marks it (false when it was marked), or
 * looks for it (false when it was not). */
static bool visit(const struct written *w, const struct check *c,
                  const struct operand *o, bool marks)
{
    int64_t stride[TENSOR_MAX_RANK];
    uint64_t ix[TENSOR_MAX_RANK] = {0};
    int64_t at;
    operand_linear(c->l, c->y, o, &at, stride);
    for (;;) {
        uint8_t *const byte = &w->bit[(uint64_t)at / 8];
        const uint8_t mask = (uint8_t)(1U << ((uint64_t)at % 8));
        if (((*byte & mask) != 0) == marks) {
            return false;
        }
        *byte |= mask;
        uint32_t k = o->rank;
        while (k > 0) {
            k--;
            at += stride[k];
            if (++ix[k] < o->dim[k]) {
                break;
            }
            at -= (int64_t)o->dim[k] * stride[k];
            ix[k] = 0;
            if (k == 0) {
                return true;
            }
        }
        if (o->rank == 0) {
            return true;
        }
    }
}

static bool check_type(const struct check *c, const struct operand *o,
                       uint32_t *bytes)
{
    const uint32_t own = dtype_bytes(o->dtype);
    if (*bytes != 0 && *bytes != own) {
        return bad(c, "a buffer is seen with elements of two sizes");
    }
    *bytes = own;
    return true;
}

/* Every element is written once, and before it is read. */
static bool check_buffer(struct check *c, const struct layer_uses *u,
                         uint32_t ix)
{
    const struct layers *const l = c->l;
    const struct buffer *const b = &l->buf[ix];
    uint32_t bytes = 0;
    uint32_t n_write = 0; /* of a state */
    struct written w = {NULL, 0};
    for (uint32_t i = u->at[ix]; i < u->at[ix + 1]; i++) {
        const struct layer *const y = &l->layer[u->layer[i]];
        c->y = y;
        n_write += b->is_input && y->out.buf == ix;
        if (n_write > 1) {
            return bad(c, "two layers write a state");
        }
        const uint32_t n_read = layer_n_read(y);
        for (uint32_t k = 0; k <= n_read; k++) {
            const struct operand *const o = k < n_read ? &y->in[k] : &y->out;
            if (o->buf != ix) {
                continue;
            }
            if (!check_type(c, o, &bytes)) {
                return false;
            }
            if (b->is_input) {
                continue;
            }
            if (!w.bit) {
                w.n = b->rows * (b->row_bytes / bytes);
                w.bit = arena_new(c->cx->scratch, uint8_t, w.n / 8 + 1);
                if (!w.bit) {
                    return false;
                }
            }
            if (!visit(&w, c, o, k == n_read)) {
                return bad(c, k == n_read
                                  ? "two layers write one element"
                                  : "an element is read before it is written");
            }
        }
    }
    c->y = NULL;
    for (uint64_t i = 0; b->is_output && i < w.n; i++) {
        if ((w.bit[i / 8] >> (i % 8) & 1) == 0) {
            return bad(c, "an output is not written in full");
        }
    }
    return !b->is_output || w.n != 0 || b->is_input ||
           bad(c, "an output is not written");
}

static bool check_lifetimes(struct check *c)
{
    const struct layers *const l = c->l;
    struct layers again = *l;
    again.buf = arena_new(c->cx->scratch, struct buffer, l->n_buf);
    if (!again.buf) {
        return false;
    }
    memcpy(again.buf, l->buf, l->n_buf * sizeof *l->buf);
    layers_finish(&again);
    for (uint32_t i = 0; i < l->n_buf; i++) {
        const struct buffer *const a = &l->buf[i];
        const struct buffer *const b = &again.buf[i];
        if (a->first != b->first || a->last != b->last ||
            a->whole != b->whole) {
            return bad(c, "a buffer's lifetime or `whole` is not true");
        }
    }
    return again.weight_bytes == l->weight_bytes ||
           bad(c, "weight_bytes is not true");
}

static bool check_io(const struct check *c, const struct layer_io *io,
                     bool is_output)
{
    uint64_t n;
    if (io->buf >= c->l->n_buf || !shape_count(&io->shape, &n)) {
        return bad(c, "an input or output has no buffer or shape");
    }
    const struct buffer *const b = &c->l->buf[io->buf];
    if (!(is_output ? b->is_output : b->is_input)) {
        return bad(c, "an input or output's buffer is not marked");
    }
    /* What is empty has a place of one element. */
    return b->rows * b->row_bytes == (n ? n : 1) * dtype_bytes(io->dtype) ||
           bad(c, "an input or output's buffer has another size");
}

bool layers_check(const struct layers *l, struct cx *cx)
{
    struct check c = {l, cx, NULL};
    for (uint32_t i = 0; i < l->n_buf; i++) {
        if (l->buf[i].rows == 0 || l->buf[i].row_bytes == 0) {
            return bad(&c, "a buffer is empty");
        }
    }
    for (uint32_t i = 0; i < l->n_input; i++) {
        if (!check_io(&c, &l->input[i], false)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < l->n_output; i++) {
        if (!check_io(&c, &l->output[i], true)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < l->n_layer; i++) {
        c.y = &l->layer[i];
        if (!check_layer(&c)) {
            return false;
        }
    }
    c.y = NULL;
    const struct arena_mark mark = arena_mark(cx->scratch);
    struct layer_uses uses;
    bool is_ok = layers_uses(l, cx->scratch, &uses);
    for (uint32_t i = 0; is_ok && i < l->n_buf; i++) {
        const struct arena_mark own = arena_mark(cx->scratch);
        is_ok = check_buffer(&c, &uses, i);
        arena_rewind(cx->scratch, own);
    }
    is_ok = is_ok && check_lifetimes(&c);
    arena_rewind(cx->scratch, mark);
    return is_ok;
}
