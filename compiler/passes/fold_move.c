#include "passes/fold.h"

#include <inttypes.h>
#include <string.h>

#include "passes/elem.h"

/* Bytes from one element of each dimension to the next, dense. */
static void dense_strides(const struct value *v, int64_t *stride)
{
    int64_t step = dtype_bytes(v->dtype);
    for (uint32_t i = v->shape.rank; i-- > 0;) {
        stride[i] = step;
        step *= v->shape.dim[i] > 0 ? v->shape.dim[i] : 1;
    }
}

/* Elements before and after an axis. */
static uint64_t product(const struct shape *s, uint32_t from, uint32_t to)
{
    uint64_t n = 1;
    for (uint32_t i = from; i < to; i++) {
        n *= (uint64_t)s->dim[i];
    }
    return n;
}

enum fold_end fold_view(struct fold *f, const struct node *n)
{
    node_out(f->g, n, 0)->data = node_in(f->g, n, 0)->data;
    return FOLD_DONE;
}

enum fold_end fold_dropout(struct fold *f, const struct node *n)
{
    const struct value *const mask = node_out(f->g, n, 1);
    if (mask) {
        uint8_t *const dst = fold_alloc(f, n, 1);
        if (!dst) {
            return FOLD_FAILED;
        }
        memset(dst, 1, mask->data.len);
    }
    return fold_view(f, n);
}

/* A table of embeddings that is the right side of products, too: lowering sees
 * the transpose as strides, and both uses as one constant. */
static bool is_tied_table(const struct graph *g, const struct node *n)
{
    bool is_gathered = false;
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct node *const user = &g->node[i];
        if (user->is_dead || user == n) {
            continue;
        }
        is_gathered =
            is_gathered || (user->op == OP_GATHER && user->in[0] == n->in[0]);
        for (uint32_t k = 0; k < user->n_in; k++) {
            if (user->in[k] == n->out[0] && (user->op != OP_MATMUL || k != 1)) {
                return false;
            }
        }
    }
    for (uint32_t i = 0; i < g->n_output; i++) {
        is_gathered = is_gathered && g->output[i] != n->out[0];
    }
    return is_gathered;
}

enum fold_end fold_transpose(struct fold *f, const struct node *n)
{
    if (is_tied_table(f->g, n)) {
        return FOLD_NOT;
    }
    const struct value *const in = node_in(f->g, n, 0);
    const struct value *const out = node_out(f->g, n, 0);
    uint32_t perm[TENSOR_MAX_RANK];
    int64_t from[TENSOR_MAX_RANK];
    int64_t stride[TENSOR_MAX_RANK];
    uint8_t *const dst = fold_alloc(f, n, 0);
    if (!dst || !perm_params(f->g, f->cx, n, perm)) {
        return FOLD_FAILED;
    }
    dense_strides(in, from);
    for (uint32_t i = 0; i < in->shape.rank; i++) {
        stride[i] = from[perm[i]];
    }
    copy_strided(dst, in->data.data, dtype_bytes(in->dtype), &out->shape,
                 stride);
    return FOLD_DONE;
}

enum fold_end fold_concat(struct fold *f, const struct node *n)
{
    const struct value *const out = node_out(f->g, n, 0);
    const uint32_t rank = out->shape.rank;
    uint32_t axis = 0;
    uint8_t *const dst = fold_alloc(f, n, 0);
    if (!dst || !axis_resolve(f->cx, n, node_int(n, "axis", 0), rank, &axis)) {
        return FOLD_FAILED;
    }
    const uint64_t n_outer = product(&out->shape, 0, axis);
    const uint64_t row =
        product(&out->shape, axis, rank) * dtype_bytes(out->dtype);
    uint64_t off = 0;
    for (uint32_t k = 0; k < n->n_in; k++) {
        const struct value *const in = node_in(f->g, n, k);
        const uint64_t part =
            product(&in->shape, axis, rank) * dtype_bytes(in->dtype);
        for (uint64_t i = 0; part > 0 && i < n_outer; i++) {
            memcpy(dst + i * row + off, in->data.data + i * part, part);
        }
        off += part;
    }
    return FOLD_DONE;
}

enum fold_end fold_split(struct fold *f, const struct node *n)
{
    const struct value *const in = node_in(f->g, n, 0);
    const uint32_t size = dtype_bytes(in->dtype);
    struct split_params p;
    if (!split_params(f->g, f->cx, n, &p)) {
        return FOLD_FAILED;
    }
    int64_t stride[TENSOR_MAX_RANK];
    dense_strides(in, stride);
    int64_t begin = 0;
    for (uint32_t k = 0; k < n->n_out; k++) {
        const struct value *const out = node_out(f->g, n, k);
        if (out) {
            uint8_t *const dst = fold_alloc(f, n, k);
            if (!dst) {
                return FOLD_FAILED;
            }
            copy_strided(dst, in->data.data + begin * stride[p.axis], size,
                         &out->shape, stride);
        }
        begin += p.size[k];
    }
    return FOLD_DONE;
}

enum fold_end fold_slice(struct fold *f, const struct node *n)
{
    const struct value *const in = node_in(f->g, n, 0);
    const struct value *const out = node_out(f->g, n, 0);
    struct slice_params p;
    int64_t stride[TENSOR_MAX_RANK];
    uint8_t *const dst = fold_alloc(f, n, 0);
    if (!dst || !slice_params(f->g, f->cx, n, &p)) {
        return FOLD_FAILED;
    }
    dense_strides(in, stride);
    int64_t off = 0;
    for (uint32_t i = 0; i < in->shape.rank; i++) {
        off += p.start[i] * stride[i];
        stride[i] *= p.step[i];
    }
    copy_strided(dst, in->data.data + off, dtype_bytes(in->dtype), &out->shape,
                 stride);
    return FOLD_DONE;
}

enum fold_end fold_gather(struct fold *f, const struct node *n)
{
    const struct value *const in = node_in(f->g, n, 0);
    const struct value *const index = node_in(f->g, n, 1);
    uint32_t axis = 0;
    uint8_t *const dst = fold_alloc(f, n, 0);
    uint64_t n_index = 0;
    if (!dst || !shape_count(&index->shape, &n_index) ||
        !axis_resolve(f->cx, n, node_int(n, "axis", 0), in->shape.rank,
                      &axis)) {
        return FOLD_FAILED;
    }
    const int64_t dim = in->shape.dim[axis];
    const uint64_t n_outer = product(&in->shape, 0, axis);
    const uint64_t part =
        product(&in->shape, axis + 1, in->shape.rank) * dtype_bytes(in->dtype);
    for (uint64_t k = 0; k < n_index; k++) {
        const int64_t given = elem_i64(index->dtype, index->data.data, k);
        if (given < -dim || given >= dim) {
            (void)node_error(f->cx, n, E_CONST,
                             "index %" PRId64 " is outside dimension %u of "
                             "'%s', which is %" PRId64,
                             given, axis, in->name, dim);
            return FOLD_FAILED;
        }
        const uint64_t from = (uint64_t)(given < 0 ? given + dim : given);
        for (uint64_t i = 0; part > 0 && i < n_outer; i++) {
            memcpy(dst + (i * n_index + k) * part,
                   in->data.data + (i * (uint64_t)dim + from) * part, part);
        }
    }
    return FOLD_DONE;
}

enum fold_end fold_expand(struct fold *f, const struct node *n)
{
    const struct value *const in = node_in(f->g, n, 0);
    const struct value *const out = node_out(f->g, n, 0);
    int64_t from[TENSOR_MAX_RANK];
    int64_t stride[TENSOR_MAX_RANK] = {0};
    uint8_t *const dst = fold_alloc(f, n, 0);
    if (!dst) {
        return FOLD_FAILED;
    }
    dense_strides(in, from);
    const uint32_t lead = out->shape.rank - in->shape.rank;
    for (uint32_t i = 0; i < in->shape.rank; i++) {
        stride[lead + i] = in->shape.dim[i] == 1 ? 0 : from[i];
    }
    copy_strided(dst, in->data.data, dtype_bytes(in->dtype), &out->shape,
                 stride);
    return FOLD_DONE;
}

/* The outermost dimension first: each level repeats what lies inside. */
enum fold_end fold_tile(struct fold *f, const struct node *n)
{
    const struct value *const in = node_in(f->g, n, 0);
    const struct value *const out = node_out(f->g, n, 0);
    const uint32_t size = dtype_bytes(in->dtype);
    uint64_t count = 0;
    uint8_t *const dst = fold_alloc(f, n, 0);
    if (!dst || !shape_count(&out->shape, &count)) {
        return FOLD_FAILED;
    }
    int64_t stride[TENSOR_MAX_RANK];
    dense_strides(in, stride);
    int64_t index[TENSOR_MAX_RANK] = {0};
    for (uint64_t i = 0; i < count; i++) {
        int64_t off = 0;
        for (uint32_t d = 0; d < in->shape.rank; d++) {
            off += index[d] % in->shape.dim[d] * stride[d];
        }
        memcpy(dst + i * size, in->data.data + off, size);
        for (uint32_t d = out->shape.rank; d-- > 0;) {
            if (++index[d] < out->shape.dim[d]) {
                break;
            }
            index[d] = 0;
        }
    }
    return FOLD_DONE;
}

enum fold_end fold_constant(struct fold *f, const struct node *n)
{
    const struct attr *const a = &n->attr[0];
    struct value *const out = node_out(f->g, n, 0);
    if (a->kind == ATTR_TENSOR) {
        out->data = f->g->value[a->value].data;
        return FOLD_DONE;
    }
    uint8_t *const dst = fold_alloc(f, n, 0);
    if (!dst) {
        return FOLD_FAILED;
    }
    if (a->kind == ATTR_INT) {
        elem_put_i64(DTYPE_I64, dst, 0, a->i);
    } else if (a->kind == ATTR_FLOAT) {
        elem_put_f64(DTYPE_F32, dst, 0, (double)a->f);
    }
    for (uint32_t i = 0; i < a->n; i++) {
        if (a->kind == ATTR_INTS) {
            elem_put_i64(DTYPE_I64, dst, i, a->ints[i]);
        } else {
            elem_put_f64(DTYPE_F32, dst, i, (double)a->floats[i]);
        }
    }
    return FOLD_DONE;
}

enum fold_end fold_constant_of_shape(struct fold *f, const struct node *n)
{
    const struct attr *const a = node_attr(n, "value");
    const struct value *const out = node_out(f->g, n, 0);
    const uint32_t size = dtype_bytes(out->dtype);
    uint64_t count = 0;
    uint8_t *const dst = fold_alloc(f, n, 0);
    if (!dst || !shape_count(&out->shape, &count)) {
        return FOLD_FAILED;
    }
    const uint8_t *const fill = a ? f->g->value[a->value].data.data : NULL;
    bool is_zero = true; /* as fold_alloc's memory: no page is touched */
    for (uint32_t k = 0; fill && k < size; k++) {
        is_zero = is_zero && fill[k] == 0;
    }
    for (uint64_t i = 0; !is_zero && i < count; i++) {
        memcpy(dst + i * size, fill, size);
    }
    return FOLD_DONE;
}

enum fold_end fold_range(struct fold *f, const struct node *n)
{
    const struct value *const start = node_in(f->g, n, 0);
    const struct value *const delta = node_in(f->g, n, 2);
    const enum dtype t = start->dtype;
    uint64_t count = 0;
    uint8_t *const dst = fold_alloc(f, n, 0);
    if (!dst || !shape_count(&node_out(f->g, n, 0)->shape, &count)) {
        return FOLD_FAILED;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (dtype_is_float(t)) {
            elem_put_f64(t, dst, i,
                         elem_f64(t, start->data.data, 0) +
                             (double)i * elem_f64(t, delta->data.data, 0));
        } else {
            const uint64_t from = (uint64_t)elem_i64(t, start->data.data, 0);
            const uint64_t step = (uint64_t)elem_i64(t, delta->data.data, 0);
            elem_put_i64(t, dst, i, (int64_t)(from + i * step));
        }
    }
    return FOLD_DONE;
}

enum fold_end fold_shape(struct fold *f, const struct node *n)
{
    const struct shape *const in = &node_in(f->g, n, 0)->shape;
    const int64_t len = node_out(f->g, n, 0)->shape.dim[0];
    const int64_t rank = in->rank;
    int64_t start = node_int(n, "start", 0);
    start = start < 0 ? start + rank : start;
    start = start < 0 ? 0 : start;
    uint8_t *const dst = fold_alloc(f, n, 0);
    if (!dst) {
        return FOLD_FAILED;
    }
    for (int64_t i = 0; i < len; i++) {
        elem_put_i64(DTYPE_I64, dst, (uint64_t)i, in->dim[start + i]);
    }
    return FOLD_DONE;
}

enum fold_end fold_eye_like(struct fold *f, const struct node *n)
{
    const struct value *const v = node_out(f->g, n, 0);
    const enum dtype t = v->dtype;
    const struct shape s = v->shape;
    const int64_t k = node_int(n, "k", 0);
    uint8_t *const dst = fold_alloc(f, n, 0);
    if (!dst) {
        return FOLD_FAILED;
    }
    for (int64_t i = 0; i < s.dim[0]; i++) {
        if (k >= -i && k < s.dim[1] - i) {
            elem_put_f64(t, dst, (uint64_t)(i * s.dim[1] + i + k), 1.0);
        }
    }
    return FOLD_DONE;
}

enum fold_end fold_size(struct fold *f, const struct node *n)
{
    uint64_t count = 0;
    uint8_t *const dst = fold_alloc(f, n, 0);
    if (!dst || !shape_count(&node_in(f->g, n, 0)->shape, &count)) {
        return FOLD_FAILED;
    }
    elem_put_i64(DTYPE_I64, dst, 0, (int64_t)count);
    return FOLD_DONE;
}
