/* Layers over images that have no weights: pools, Resize, LRN. */
#include <math.h>
#include <string.h>

#include "passes/lower_draft.h"

/* Drafts a layer from an image to a fresh image that is the value `out` after
 * perm (of the image's dimensions to the value's). */
static struct draft *draft_image(struct lower *lw, uint32_t node_ix,
                                 enum layer_kind kind, struct view *in,
                                 const uint64_t dim[4], const char *name)
{
    struct view out;
    if (!lower_need_f32(lw, node_ix, in->dtype) ||
        !lower_to_image(lw, node_ix, in) ||
        !lower_fresh_image(lw, name, dim, &out)) {
        return NULL;
    }
    struct draft *const d = lower_new_draft(lw, node_ix, kind);
    if (d) {
        d->y.n_in = 1;
        d->in[0] = *in;
        d->out = out;
        d->y.epi = lw->fused[node_ix].epi;
    }
    return d;
}

static bool get_image(struct lower *lw, uint32_t node_ix, struct view *in)
{
    const struct node *const n = &lw->g->node[node_ix];
    if (!lower_get(lw, node_ix, n->in[0], in)) {
        return false;
    }
    if (in->rank != 3 && in->rank != 4) {
        return node_error(lw->cx, n, E_UNSUPPORTED,
                          "tensors of rank 3 and 4 are supported, not %u",
                          in->rank);
    }
    *in = view_to_image(in);
    return true;
}

static bool set_image(struct lower *lw, uint32_t node_ix, const struct draft *d)
{
    const uint32_t value = lw->fused[node_ix].out;
    const struct view v =
        view_from_image(&d->out, lw->g->value[value].shape.rank);
    lower_set(lw, value, &v);
    return true;
}

bool lower_pool(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    struct window win;
    struct view in;
    if (n->n_out > 1 && n->out[1] != VALUE_NONE) {
        return node_error(lw->cx, n, E_UNSUPPORTED,
                          "the output Indices is not supported");
    }
    if (!get_image(lw, node_ix, &in) ||
        !window_params(lw->g, lw->cx, n, &win)) {
        return false;
    }
    uint64_t dim[4] = {in.dim[0], 1, 1, in.dim[3]};
    struct pool_param p = {
        .kind = n->op == OP_MAX_POOL ? POOL_MAX : POOL_AVG,
        .count_include_pad = n->op == OP_AVERAGE_POOL &&
                             node_int(n, "count_include_pad", 0) != 0,
        .kernel = {1, 1},
        .stride = {1, 1},
        .dilation = {1, 1},
    };
    for (uint32_t i = 0; i < win.n_dim; i++) {
        p.kernel[i] = (uint32_t)win.kernel[i];
        p.stride[i] = (uint32_t)win.stride[i];
        p.dilation[i] = (uint32_t)win.dilation[i];
        p.pad_begin[i] = (int32_t)win.pad_begin[i];
        p.pad_end[i] = (int32_t)win.pad_end[i];
        dim[1 + i] = (uint64_t)win.out[i];
    }
    struct draft *const d =
        draft_image(lw, node_ix, LAYER_POOL, &in, dim,
                    lw->g->value[lw->fused[node_ix].out].name);
    if (!d) {
        return false;
    }
    d->y.p.pool = p;
    return set_image(lw, node_ix, d);
}

/* The mean or maximum of whole planes, as a window of their size. */
static struct draft *draft_global(struct lower *lw, uint32_t node_ix,
                                  enum pool_kind kind, struct view *in)
{
    const uint64_t dim[4] = {in->dim[0], 1, 1, in->dim[3]};
    struct draft *const d =
        draft_image(lw, node_ix, LAYER_POOL, in, dim,
                    lw->g->value[lw->fused[node_ix].out].name);
    if (d) {
        d->y.p.pool = (struct pool_param){
            .kind = kind,
            .kernel = {(uint32_t)in->dim[1], (uint32_t)in->dim[2]},
            .stride = {1, 1},
            .dilation = {1, 1},
        };
    }
    return d;
}

bool lower_global_pool(struct lower *lw, uint32_t node_ix)
{
    const enum op_id op = lw->g->node[node_ix].op;
    struct view in;
    if (!get_image(lw, node_ix, &in)) {
        return false;
    }
    struct draft *const d = draft_global(
        lw, node_ix, op == OP_GLOBAL_MAX_POOL ? POOL_MAX : POOL_AVG, &in);
    return d && set_image(lw, node_ix, d);
}

bool lower_lrn(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    struct view in;
    if (!get_image(lw, node_ix, &in)) {
        return false;
    }
    struct draft *const d = draft_image(lw, node_ix, LAYER_LRN, &in, in.dim,
                                        lw->g->value[n->out[0]].name);
    if (!d) {
        return false;
    }
    d->y.p.lrn = (struct lrn_param){
        .size = (uint32_t)node_int(n, "size", 1),
        .alpha = node_float(n, "alpha", 0.0001F),
        .beta = node_float(n, "beta", 0.75F),
        .bias = node_float(n, "bias", 1.0F),
    };
    return set_image(lw, node_ix, d);
}

/* ---- Resize ---------------------------------------------------------------
 */

static const char *const coords[] = {
    [COORD_HALF_PIXEL] = "half_pixel",
    [COORD_PYTORCH_HALF_PIXEL] = "pytorch_half_pixel",
    [COORD_ALIGN_CORNERS] = "align_corners",
    [COORD_ASYMMETRIC] = "asymmetric",
};
static const char *const nearests[] = {
    [NEAREST_ROUND_PREFER_FLOOR] = "round_prefer_floor",
    [NEAREST_ROUND_PREFER_CEIL] = "round_prefer_ceil",
    [NEAREST_FLOOR] = "floor",
    [NEAREST_CEIL] = "ceil",
};

static uint32_t find(const char *const *names, uint32_t n, const char *name)
{
    uint32_t i = 0;
    while (i < n && strcmp(names[i], name) != 0) {
        i++;
    }
    return i;
}

static bool get_resize(struct lower *lw, const struct node *n,
                       struct resize_params *r, struct resize_param *p)
{
    if (!resize_params(lw->g, lw->cx, n, r)) {
        return false;
    }
    const uint32_t coord = find(coords, ARRAY_LEN(coords), r->coord);
    const uint32_t nearest = find(nearests, ARRAY_LEN(nearests), r->nearest);
    if (r->kind == RESIZE_KIND_CUBIC) {
        return node_error(lw->cx, n, E_OP_ATTR, "mode cubic is not supported");
    }
    if (coord == ARRAY_LEN(coords) || nearest == ARRAY_LEN(nearests)) {
        return node_error(lw->cx, n, E_OP_ATTR,
                          "coordinate_transformation_mode %s with nearest_mode "
                          "%s is not supported",
                          r->coord, r->nearest);
    }
    if (node_int(n, "antialias", 0) != 0) {
        return node_error(lw->cx, n, E_OP_ATTR, "antialias is not supported");
    }
    *p = (struct resize_param){
        .mode = r->kind == RESIZE_KIND_LINEAR ? RESIZE_LINEAR : RESIZE_NEAREST,
        .coord = (enum resize_coord)coord,
        .nearest = (enum resize_nearest)nearest,
        .scale = {1.0F, 1.0F},
    };
    return true;
}

bool lower_resize(struct lower *lw, uint32_t node_ix)
{
    /* The image's dimensions, of [N,C,H,W], [N,C,L] and [N,H,W,C]. */
    static const uint32_t perms[3][4] = {
        {0, 2, 3, 1}, {0, 2, 3, 1}, {0, 1, 2, 3}};
    static const uint32_t backs[3][4] = {
        {0, 3, 1, 2}, {0, 3, 1, 2}, {0, 1, 2, 3}};
    const struct node *const n = &lw->g->node[node_ix];
    struct resize_params r;
    struct resize_param p;
    struct view in;
    if (!get_resize(lw, n, &r, &p) || !lower_get(lw, node_ix, n->in[0], &in)) {
        return false;
    }
    const uint32_t rank = in.rank;
    bool scales[TENSOR_MAX_RANK];
    for (uint32_t k = 0; k < rank; k++) {
        scales[k] = r.scale[k] != 1.0F || (uint64_t)r.out[k] != in.dim[k];
    }
    const bool is_last = rank == 4 && scales[1] && !scales[3];
    const uint32_t form = rank == 3 ? 1 : is_last ? 2 : 0;
    const uint32_t *const perm = perms[form];
    if ((rank != 3 && rank != 4) || scales[0] || scales[perm[3]]) {
        return node_error(lw->cx, n, E_UNSUPPORTED,
                          "only the spatial dimensions of images can be "
                          "resized");
    }
    uint64_t dim[4];
    if (rank == 3) {
        in.rank = 4;
        in.dim[3] = 1;
        in.stride[3] = 0;
        r.out[3] = 1;
        r.scale[3] = 1.0F;
    }
    in = view_permute(&in, perm);
    for (uint32_t k = 0; k < 4; k++) {
        dim[k] = (uint64_t)r.out[perm[k]];
    }
    p.scale[0] = r.scale[perm[1]];
    p.scale[1] = r.scale[perm[2]];
    struct draft *const d = draft_image(lw, node_ix, LAYER_RESIZE, &in, dim,
                                        lw->g->value[n->out[0]].name);
    if (!d) {
        return false;
    }
    d->y.p.resize = p;
    struct view out = view_permute(&d->out, backs[form]);
    out.rank = rank;
    lower_set(lw, n->out[0], &out);
    return true;
}

/* ---- reductions -----------------------------------------------------------
 */

static bool reduce_op_of(enum op_id op, enum reduce_op *out)
{
    switch ((int)op) {
    case OP_REDUCE_MEAN:
        *out = REDUCE_MEAN;
        return true;
    case OP_REDUCE_SUM:
        *out = REDUCE_SUM;
        return true;
    case OP_REDUCE_MAX:
        *out = REDUCE_MAX;
        return true;
    case OP_REDUCE_MIN:
        *out = REDUCE_MIN;
        return true;
    case OP_REDUCE_L2:
        *out = REDUCE_L2;
        return true;
    default:
        return false;
    }
}

bool lower_reduce(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const struct value *const v = &lw->g->value[n->out[0]];
    enum reduce_op op;
    bool is_axis[TENSOR_MAX_RANK];
    struct view in;
    if (!reduce_op_of(n->op, &op)) {
        return node_error(lw->cx, n, E_UNSUPPORTED, "no layer for it");
    }
    if (!axes_params(lw->g, lw->cx, n, is_axis) ||
        !lower_get(lw, node_ix, n->in[0], &in) ||
        !lower_need_f32(lw, node_ix, in.dtype)) {
        return false;
    }
    uint32_t perm[TENSOR_MAX_RANK];
    uint32_t kept = 0;
    for (uint32_t k = 0; k < in.rank; k++) {
        if (!is_axis[k]) {
            perm[kept++] = k;
        }
    }
    uint32_t rank = kept;
    for (uint32_t k = 0; k < in.rank; k++) {
        if (is_axis[k]) {
            perm[rank++] = k;
        }
    }
    in = view_permute(&in, perm);
    /* Over the pixels of images: a pool, which goes row by row. */
    if (rank == 4 && kept == 2 && (op == REDUCE_MEAN || op == REDUCE_MAX)) {
        static const uint32_t to_image[4] = {0, 2, 3, 1};
        struct view image = view_permute(&in, to_image);
        if (lower_is_image(lw, &image)) {
            const struct draft *const d = draft_global(
                lw, node_ix, op == REDUCE_MAX ? POOL_MAX : POOL_AVG, &image);
            if (d) {
                const struct view out = d->out;
                lower_set(lw, n->out[0], &out);
            }
            return d != NULL;
        }
    }
    struct view like = in;
    like.rank = kept;
    struct view out;
    if (!lower_fresh(lw, v->name, v->dtype, kept, like.dim, &like, &out)) {
        return false;
    }
    struct draft *const d = lower_new_draft(lw, node_ix, LAYER_REDUCE);
    if (!d) {
        return false;
    }
    d->y.n_in = 1;
    d->y.p.reduce = (struct reduce_param){op, rank - kept};
    d->in[0] = in;
    d->out = out;
    lower_set(lw, n->out[0], &out);
    return true;
}
