/* Layers over images that have no weights: pools, Resize, LRN. */
#include <math.h>
#include <string.h>

#include "passes/elem.h"
#include "passes/lower_draft.h"

/* Drafts a layer from an image to a fresh image that is the value `out` after
 * perm (of the image's dimensions to the value's). */
static struct draft *draft_image(struct lower *lw, uint32_t node_ix,
                                 enum layer_kind kind, struct view *in,
                                 const uint64_t dim[4], const char *name)
{
    struct view out;
    const bool is_byte = in->dtype == DTYPE_I8 || in->dtype == DTYPE_U8;
    if ((!(is_byte && kind == LAYER_POOL) &&
         !lower_need_f32(lw, node_ix, in->dtype)) ||
        !lower_to_image(lw, node_ix, in) ||
        !lower_fresh_image(lw, name, in->dtype, dim, &out)) {
        return NULL;
    }
    struct draft *const d = lower_new_draft(lw, node_ix, kind);
    if (d) {
        d->y.n_in = 1;
        d->in[0] = *in;
        d->out = out;
        d->y.epi = lw->fused[node_ix].epi;
        if (is_byte) {
            lower_quant_range(in->dtype, &d->y.epi, &d->y.quant);
            d->y.epi = (struct epilogue){0};
        }
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
        /* All spatial dimensions as one, by a copy if need be. */
        uint64_t dim[3] = {in->dim[0], in->dim[1], 1};
        for (uint32_t k = 2; k < in->rank; k++) {
            dim[2] *= in->dim[k];
        }
        if (!view_reshape(in, 3, dim, in) &&
            (!lower_plain_copy(lw, node_ix, n->name, in) ||
             !view_reshape(in, 3, dim, in))) {
            return false;
        }
    }
    *in = view_to_image(in);
    return true;
}

static bool set_image(struct lower *lw, uint32_t node_ix, const struct draft *d)
{
    const uint32_t value = lw->fused[node_ix].out;
    const uint32_t rank = lw->g->value[value].shape.rank;
    const struct view v = view_from_image(&d->out, rank == 4 ? 4 : 3);
    lower_set(lw, value, &v);
    return true;
}

/* A pool with that window. */
static struct draft *draft_pool(struct lower *lw, uint32_t node_ix,
                                const struct window *win, struct view *in)
{
    const struct node *const n = &lw->g->node[node_ix];
    const bool is_mean = n->op != OP_MAX_POOL;
    uint64_t dim[4] = {in->dim[0], 1, 1, in->dim[3]};
    struct pool_param p = {
        .kind = is_mean ? POOL_AVG : POOL_MAX,
        .count_include_pad =
            is_mean && node_int(n, "count_include_pad", 0) != 0,
        .kernel = {1, 1},
        .stride = {1, 1},
        .dilation = {1, 1},
    };
    for (uint32_t i = 0; i < win->n_dim; i++) {
        p.kernel[i] = (uint32_t)win->kernel[i];
        p.stride[i] = (uint32_t)win->stride[i];
        p.dilation[i] = (uint32_t)win->dilation[i];
        p.pad_begin[i] = (int32_t)win->pad_begin[i];
        p.pad_end[i] = (int32_t)win->pad_end[i];
        dim[1 + i] = (uint64_t)win->out[i];
    }
    struct draft *const d =
        draft_image(lw, node_ix, LAYER_POOL, in, dim,
                    lw->g->value[lw->fused[node_ix].out].name);
    if (d) {
        d->y.p.pool = p;
    }
    return d;
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

bool lower_pool(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    struct window win;
    struct view in;
    if (n->n_out > 1 && n->out[1] != VALUE_NONE &&
        !lower_pool_indices(lw, node_ix)) {
        return false;
    }
    if (!lower_pool_is_fast(lw, n)) {
        return lower_pool_general(lw, node_ix);
    }
    if (!get_image(lw, node_ix, &in) ||
        !window_params(lw->g, lw->cx, n, &win)) {
        return false;
    }
    struct draft *const d = draft_pool(lw, node_ix, &win, &in);
    return d && set_image(lw, node_ix, d);
}

/* Scale and zero points of the two means of 8-bit numbers. */
static void set_quant(struct lower *lw, const struct node *n, struct quant *q)
{
    double v[5];
    for (uint32_t k = 1; k < 5; k++) {
        const struct value *const p = node_in(lw->g, n, k);
        v[k] = p ? elem_f64(p->dtype, p->data.data, 0) : 0;
    }
    q->in_zero = (int32_t)v[2];
    q->out_zero = (int32_t)v[4];
    q->scale = (float)v[1] / (float)v[3];
}

bool lower_quant_pool(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const bool is_global = n->op == OP_QLINEAR_GLOBAL_AVERAGE_POOL;
    struct window win;
    struct view in;
    if (!get_image(lw, node_ix, &in) ||
        (!is_global && !window_params(lw->g, lw->cx, n, &win))) {
        return false;
    }
    struct draft *const d = is_global ? draft_global(lw, node_ix, POOL_AVG, &in)
                                      : draft_pool(lw, node_ix, &win, &in);
    if (!d) {
        return false;
    }
    set_quant(lw, n, &d->y.quant);
    return set_image(lw, node_ix, d);
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

/* Whether the layer for images does it; then *p says how. */
static bool get_resize(const struct resize_params *r, const struct view *in,
                       struct resize_param *p)
{
    const uint32_t coord = find(coords, ARRAY_LEN(coords), r->coord);
    const uint32_t nearest = find(nearests, ARRAY_LEN(nearests), r->nearest);
    *p = (struct resize_param){
        .mode = r->kind == RESIZE_KIND_LINEAR ? RESIZE_LINEAR : RESIZE_NEAREST,
        .coord = (enum resize_coord)coord,
        .nearest = (enum resize_nearest)nearest,
        .scale = {1.0F, 1.0F},
    };
    bool is_whole = true; /* lengths are what the scales say */
    for (uint32_t k = 0; k < in->rank; k++) {
        is_whole =
            is_whole && (r->has_sizes ||
                         r->scale[k] * (float)in->dim[k] == (float)r->out[k]);
    }
    return in->dtype == DTYPE_F32 && r->kind != RESIZE_KIND_CUBIC &&
           coord < ARRAY_LEN(coords) && nearest < ARRAY_LEN(nearests) &&
           !r->antialias && !r->excludes_outside && !r->keeps_aspect &&
           (is_whole || coord != COORD_ALIGN_CORNERS) && in->rank >= 3 &&
           in->rank <= 4;
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
    if (!resize_params(lw->g, lw->cx, n, &r) ||
        !lower_get(lw, node_ix, n->in[0], &in)) {
        return false;
    }
    if (!get_resize(&r, &in, &p)) {
        return lower_resize_general(lw, node_ix, &r);
    }
    const uint32_t rank = in.rank;
    bool scales[TENSOR_MAX_RANK];
    for (uint32_t k = 0; k < rank; k++) {
        scales[k] = r.scale[k] != 1.0F || (uint64_t)r.out[k] != in.dim[k];
    }
    const bool is_last = rank == 4 && scales[1] && !scales[3];
    const uint32_t form = rank == 3 ? 1 : is_last ? 2 : 0;
    const uint32_t *const perm = perms[form];
    if (scales[0] || scales[perm[3]]) {
        return lower_resize_general(lw, node_ix, &r);
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
    case OP_REDUCE_PROD:
        *out = REDUCE_PROD;
        return true;
    case OP_REDUCE_L1:
        *out = REDUCE_L1;
        return true;
    case OP_REDUCE_SUM_SQUARE:
        *out = REDUCE_SUMSQ;
        return true;
    case OP_REDUCE_LOG_SUM:
        *out = REDUCE_LOGSUM;
        return true;
    case OP_REDUCE_LOG_SUM_EXP:
        *out = REDUCE_LOGSUMEXP;
        return true;
    case OP_ARG_MAX:
        *out = REDUCE_ARGMAX;
        return true;
    case OP_ARG_MIN:
        *out = REDUCE_ARGMIN;
        return true;
    default:
        return false;
    }
}

/* The dimensions that are reduced. */
static bool reduced_axes(struct lower *lw, const struct node *n,
                         bool is_axis[TENSOR_MAX_RANK])
{
    if (n->op != OP_ARG_MAX && n->op != OP_ARG_MIN) {
        return axes_params(lw->g, lw->cx, n, is_axis);
    }
    uint32_t axis;
    memset(is_axis, 0, TENSOR_MAX_RANK * sizeof is_axis[0]);
    if (!axis_resolve(lw->cx, n, node_int(n, "axis", 0),
                      lw->g->value[n->in[0]].shape.rank, &axis)) {
        return false;
    }
    is_axis[axis] = true;
    return true;
}

/* What a reduction of nothing gives. */
static double reduce_nothing(enum reduce_op op, enum dtype t)
{
    const bool is_float = dtype_is_float(t);
    const bool is_signed =
        t == DTYPE_I8 || t == DTYPE_I16 || t == DTYPE_I32 || t == DTYPE_I64;
    const int bits = t == DTYPE_BOOL ? 1 : (int)dtype_bytes(t) * 8;
    const double top = is_float ? INFINITY : ldexp(1.0, bits - is_signed) - 1;
    switch (op) {
    case REDUCE_PROD:
        return 1;
    case REDUCE_MAX:
        return is_float ? -INFINITY : is_signed ? -top - 1 : 0;
    case REDUCE_MIN:
        return top;
    case REDUCE_LOGSUM:
    case REDUCE_LOGSUMEXP:
        return -INFINITY;
    case REDUCE_MEAN:
        return NAN;
    case REDUCE_SUM:
    case REDUCE_L1:
    case REDUCE_L2:
    case REDUCE_SUMSQ:
    case REDUCE_ARGMAX:
    case REDUCE_ARGMIN:
        return 0;
    }
    return 0;
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
    if (!reduced_axes(lw, n, is_axis) ||
        !lower_get(lw, node_ix, n->in[0], &in)) {
        return false;
    }
    if (view_count(&in) == 0) {
        uint64_t bits = 0;
        elem_put_f64(v->dtype, (uint8_t *)&bits, 0,
                     reduce_nothing(op, v->dtype));
        return lower_fill(lw, node_ix, n->out[0], bits);
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
    if (kept == rank) { /* over nothing: over one element each */
        if (rank == TENSOR_MAX_RANK) {
            return node_error(lw->cx, n, E_UNSUPPORTED,
                              "%u dimensions, none of them reduced", rank);
        }
        in.dim[rank] = 1;
        in.stride[rank++] = 0;
        in.rank = rank;
    }
    /* Over the pixels of images: a pool, which goes row by row. */
    if (rank == 4 && kept == 2 && in.dtype == DTYPE_F32 &&
        (op == REDUCE_MEAN || op == REDUCE_MAX)) {
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
    d->y.p.reduce = (struct reduce_param){
        .op = op,
        .select_last = node_int(n, "select_last_index", 0) != 0,
        .n_reduced = rank - kept,
    };
    d->in[0] = in;
    d->out = out;
    lower_set(lw, n->out[0], &out);
    return true;
}
