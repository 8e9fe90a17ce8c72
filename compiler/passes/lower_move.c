/* Operators that only move elements: views where strides can say it. */
#include <string.h>

#include "base/arena.h"
#include "passes/elem.h"
#include "passes/lower_draft.h"

/* Also Flatten, Squeeze, Unsqueeze, Identity, Dropout: row-major order stays.
 * A pending value stays pending, on the same source. */
bool lower_reshape(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const struct slot *const s = &lw->slot[n->in[0]];
    struct view in;
    if (s->state == SLOT_PENDING) {
        in = s->view;
    } else if (!lower_get(lw, node_ix, n->in[0], &in)) {
        return false;
    }
    lower_set(lw, n->out[0], &in);
    return true;
}

bool lower_transpose(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    uint32_t perm[TENSOR_MAX_RANK];
    struct view in;
    if (!perm_params(lw->g, lw->cx, n, perm) ||
        !lower_get(lw, node_ix, n->in[0], &in)) {
        return false;
    }
    in = view_permute(&in, perm);
    lower_set(lw, n->out[0], &in);
    return true;
}

bool lower_slice(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    struct slice_params s;
    struct view in;
    if (!slice_params(lw->g, lw->cx, n, &s) ||
        !lower_get(lw, node_ix, n->in[0], &in)) {
        return false;
    }
    for (uint32_t k = 0; k < in.rank; k++) {
        view_slice(&in, k, s.start[k], s.step[k], (uint64_t)s.len[k]);
    }
    lower_set(lw, n->out[0], &in);
    return true;
}

bool lower_split(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    struct split_params s;
    struct view in;
    if (!split_params(lw->g, lw->cx, n, &s) ||
        !lower_get(lw, node_ix, n->in[0], &in)) {
        return false;
    }
    int64_t at = 0;
    for (uint32_t i = 0; i < n->n_out; i++) {
        struct view part = in;
        view_slice(&part, s.axis, at, 1, (uint64_t)s.size[i]);
        at += s.size[i];
        if (n->out[i] != VALUE_NONE) {
            lower_set(lw, n->out[i], &part);
        }
    }
    return true;
}

bool lower_expand(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const struct shape *const s = &lw->g->value[n->out[0]].shape;
    uint64_t dim[TENSOR_MAX_RANK];
    struct view in;
    if (!lower_get(lw, node_ix, n->in[0], &in)) {
        return false;
    }
    dims_of(s, dim);
    in = view_expand(&in, s->rank, dim);
    lower_set(lw, n->out[0], &in);
    return true;
}

/* DepthToSpace, SpaceToDepth: [N, C, H, W] split into blocks, permuted. */
bool lower_depth_space(struct lower *lw, uint32_t node_ix)
{
    static const uint32_t perm_dcr[6] = {0, 3, 4, 1, 5, 2};
    static const uint32_t perm_crd[6] = {0, 1, 4, 2, 5, 3};
    static const uint32_t perm_to_depth[6] = {0, 3, 5, 1, 2, 4};
    const struct node *const n = &lw->g->node[node_ix];
    const uint64_t b = (uint64_t)node_int(n, "blocksize", 1);
    const bool is_crd = strcmp(node_string(n, "mode", "DCR"), "CRD") == 0;
    struct view v;
    if (!lower_get(lw, node_ix, n->in[0], &v)) {
        return false;
    }
    const uint64_t *const d = v.dim;
    const uint64_t dcr[6] = {d[0], b, b, d[1] / (b * b), d[2], d[3]};
    const uint64_t crd[6] = {d[0], d[1] / (b * b), b, b, d[2], d[3]};
    const uint64_t blocks[6] = {d[0], d[1], d[2] / b, b, d[3] / b, b};
    const bool to_depth = n->op == OP_SPACE_TO_DEPTH;
    /* Dimensions that are only split always make a view. */
    if (!view_reshape(&v, 6, to_depth ? blocks : is_crd ? crd : dcr, &v)) {
        return false;
    }
    v = view_permute(&v, to_depth ? perm_to_depth
                         : is_crd ? perm_crd
                                  : perm_dcr);
    lower_set(lw, n->out[0], &v);
    return true;
}

/* ---- Concat ---------------------------------------------------------------
 */

/* True when all elements of a constant are the same; their bits. */
static bool is_uniform(const struct view *v, uint64_t *bits)
{
    const uint32_t size = dtype_bytes(v->dtype);
    const struct span s = v->data;
    if (v->buf != BUF_WEIGHTS || s.len < size ||
        (s.len > size && memcmp(s.data, s.data + size, s.len - size) != 0)) {
        return false;
    }
    *bits = 0;
    memcpy(bits, s.data, size);
    return true;
}

static bool draft_part(struct lower *lw, uint32_t node_ix,
                       const struct view *in, const struct view *out)
{
    uint64_t fill;
    if (!is_uniform(in, &fill)) {
        return lower_copy(lw, node_ix, in, out);
    }
    struct draft *const d = lower_new_draft(lw, node_ix, LAYER_COPY);
    if (!d) {
        return false;
    }
    d->y.p.copy.pads = true;
    d->y.p.copy.fill = fill;
    d->out = *out;
    return true;
}

bool lower_concat(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const struct value *const v = &lw->g->value[n->out[0]];
    struct view *const in = arena_new(lw->cx->scratch, struct view, n->n_in);
    uint32_t axis;
    if (!in || !axis_resolve(lw->cx, n, node_int(n, "axis", 1), v->shape.rank,
                             &axis)) {
        return false;
    }
    /* The layout is that of the input that has most of it. */
    const struct view *like = NULL;
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (!lower_get(lw, node_ix, n->in[i], &in[i])) {
            return false;
        }
        if (in[i].buf != BUF_WEIGHTS &&
            (!like || in[i].dim[axis] > like->dim[axis])) {
            like = &in[i];
        }
    }
    uint64_t dim[TENSOR_MAX_RANK];
    struct view out;
    dims_of(&v->shape, dim);
    if (!lower_fresh(lw, v->name, v->dtype, v->shape.rank, dim,
                     like ? like : &in[0], &out)) {
        return false;
    }
    int64_t at = 0;
    for (uint32_t i = 0; i < n->n_in; i++) {
        const uint64_t len = in[i].dim[axis];
        if (len == 0) {
            continue;
        }
        struct view part = out;
        view_slice(&part, axis, at, 1, len);
        at += (int64_t)len;
        if (!draft_part(lw, node_ix, &in[i], &part)) {
            return false;
        }
    }
    lower_set(lw, n->out[0], &out);
    return true;
}

/* ---- Pad ------------------------------------------------------------------
 */

bool lower_fill(struct lower *lw, uint32_t node_ix, uint32_t value,
                uint64_t bits)
{
    const struct value *const v = &lw->g->value[value];
    uint64_t dim[TENSOR_MAX_RANK];
    struct view like;
    struct view out;
    dims_of(&v->shape, dim);
    view_plain(&like, BUF_WEIGHTS, v->dtype, v->shape.rank, dim);
    if (!lower_fresh(lw, v->name, v->dtype, v->shape.rank, dim, &like, &out)) {
        return false;
    }
    struct draft *const d = lower_new_draft(lw, node_ix, LAYER_COPY);
    if (!d) {
        return false;
    }
    d->y.p.copy.pads = true;
    d->y.p.copy.fill = bits;
    d->out = out;
    lower_set(lw, value, &out);
    return true;
}

/* Inference: the input itself, and a mask that keeps everything. */
bool lower_dropout(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const bool has_mask = n->n_out > 1 && n->out[1] != VALUE_NONE;
    return (!has_mask || lower_fill(lw, node_ix, n->out[1], 1)) &&
           lower_reshape(lw, node_ix);
}

bool lower_pad(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const struct value *const v = &lw->g->value[n->out[0]];
    struct pad_params p;
    struct view in;
    struct view out;
    if (!pad_params(lw->g, lw->cx, n, &p) ||
        !lower_get(lw, node_ix, n->in[0], &in)) {
        return false;
    }
    uint64_t fill = 0;
    elem_put_f64(v->dtype, (uint8_t *)&fill, 0, p.value);
    if (view_count(&in) == 0) {
        return lower_fill(lw, node_ix, n->out[0], fill);
    }
    if (p.mode != PAD_CONSTANT) {
        return lower_pad_general(lw, node_ix, &p);
    }
    uint64_t dim[TENSOR_MAX_RANK];
    dims_of(&v->shape, dim);
    if (!lower_fresh(lw, v->name, v->dtype, v->shape.rank, dim, &in, &out)) {
        return false;
    }
    struct draft *const d = lower_new_draft(lw, node_ix, LAYER_COPY);
    if (!d) {
        return false;
    }
    d->y.n_in = 1;
    d->y.p.copy.pads = true;
    d->y.p.copy.fill = fill;
    memcpy(d->y.p.copy.before, p.before, sizeof p.before);
    d->in[0] = in;
    d->out = out;
    lower_set(lw, n->out[0], &out);
    return true;
}

/* ---- Gather ---------------------------------------------------------------
 */

/* Constant indices start, start + step, ...: a slice. */
static bool is_range(const struct value *ix, int64_t len, int64_t *start,
                     int64_t *step, uint64_t *n)
{
    *n = 0;
    if (!ix->is_const || !shape_count(&ix->shape, n) || *n == 0) {
        return false;
    }
    int64_t last = 0;
    for (uint64_t i = 0; i < *n; i++) {
        int64_t at = elem_i64(ix->dtype, ix->data.data, i);
        at += at < 0 ? len : 0;
        if (i == 0) {
            *start = at;
            *step = 1;
        } else if (i == 1) {
            *step = at - last;
        } else if (at - last != *step) {
            return false;
        }
        last = at;
    }
    return true;
}

/* Rows of a constant: a layer that need not have all of it in memory. */
static bool draft_embed(struct lower *lw, uint32_t node_ix,
                        const struct view *data, struct view *ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const struct value *const v = &lw->g->value[n->out[0]];
    if (!view_is_all_plain(ix, lw->buf[ix->buf].n) &&
        !lower_plain_copy(lw, node_ix, lw->g->value[n->in[1]].name, ix)) {
        return false;
    }
    const uint64_t rows = view_count(ix);
    const uint64_t size = view_count(data) / data->dim[0];
    const uint64_t dim[2] = {rows, size};
    if (!view_reshape(ix, 1, dim, ix)) {
        return false;
    }
    const uint32_t buf =
        lower_new_buf(lw, v->name, v->dtype, rows * size, size);
    struct draft *const d = lower_new_draft(lw, node_ix, LAYER_EMBED);
    if (buf == UINT32_MAX || !d) {
        return false;
    }
    view_plain(&d->out, buf, v->dtype, 2, dim);
    d->y.n_in = 1;
    d->in[0] = *ix;
    d->y.p.embed.n_entry = data->dim[0];
    d->y.n_weight = 1;
    d->y.weight[0] = (struct weight){
        .data = data->data,
        .dtype = data->dtype,
        .rank = 2,
        .dim = {data->dim[0], size},
        .stride = {(int64_t)size, 1},
    };
    const struct view out = d->out;
    lower_set(lw, n->out[0], &out);
    return true;
}

bool lower_gather(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const struct value *const v = &lw->g->value[n->out[0]];
    const struct value *const index = &lw->g->value[n->in[1]];
    uint32_t axis;
    struct view data;
    struct view ix;
    if (!lower_get(lw, node_ix, n->in[0], &data) ||
        !lower_get(lw, node_ix, n->in[1], &ix) ||
        !axis_resolve(lw->cx, n, node_int(n, "axis", 0), data.rank, &axis)) {
        return false;
    }
    int64_t start = 0;
    int64_t step = 1;
    uint64_t count = 0;
    if (is_range(index, (int64_t)data.dim[axis], &start, &step, &count)) {
        view_slice(&data, axis, start, step, count);
        lower_set(lw, n->out[0], &data);
        return true;
    }
    if (data.buf == BUF_WEIGHTS && axis == 0 && data.off == 0 &&
        view_count(&data) * dtype_bytes(data.dtype) == data.data.len &&
        view_is_all_plain(&data, view_count(&data)) && ix.buf != BUF_WEIGHTS &&
        (ix.dtype == DTYPE_I32 || ix.dtype == DTYPE_I64)) {
        return draft_embed(lw, node_ix, &data, &ix);
    }
    if (ix.rank == 0) { /* a layer has at least one dimension */
        ix.rank = 1;
        ix.dim[0] = 1;
        ix.stride[0] = 0;
    }
    uint64_t dim[TENSOR_MAX_RANK] = {0};
    uint64_t n_out = 1;
    const uint32_t rank = data.rank - 1 + ix.rank;
    if (rank > TENSOR_MAX_RANK) {
        return node_error(lw->cx, n, E_UNSUPPORTED, "rank %u is too large",
                          rank);
    }
    for (uint32_t k = 0; k < rank; k++) {
        dim[k] = k < axis             ? data.dim[k]
                 : k < axis + ix.rank ? ix.dim[k - axis]
                                      : data.dim[k + 1 - ix.rank];
        n_out *= dim[k];
    }
    const uint32_t buf =
        lower_new_buf(lw, v->name, v->dtype, n_out, dim[rank - 1]);
    struct draft *const d = lower_new_draft(lw, node_ix, LAYER_GATHER);
    if (buf == UINT32_MAX || !d) {
        return false;
    }
    view_plain(&d->out, buf, v->dtype, rank, dim);
    d->y.p.gather = (struct gather_param){axis, ix.rank, data.dim[axis]};
    d->y.n_in = 2;
    d->in[0] = data;
    d->in[1] = ix;
    const struct view out = d->out;
    lower_set(lw, n->out[0], &out);
    return true;
}
