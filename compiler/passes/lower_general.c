/* Class tensor: operators in forms that no fast layer has, each as one box over
 * whole operands. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "passes/elem.h"
#include "passes/lower_draft.h"

struct draft *lower_tensor_draft_of(struct lower *lw, uint32_t node_ix,
                                    const char *name, enum dtype t,
                                    uint32_t rank, const uint64_t *dim,
                                    enum tensor_op op)
{
    uint64_t count = 1;
    for (uint32_t k = 0; k < rank; k++) {
        count *= dim[k];
    }
    const uint64_t row = rank > 0 ? dim[rank - 1] : 1;
    const uint32_t buf = lower_new_buf(lw, name, t, count, row);
    struct draft *const d = lower_new_draft(lw, node_ix, LAYER_TENSOR);
    if (buf == UINT32_MAX || !d) {
        return NULL;
    }
    view_plain(&d->out, buf, t, rank, dim);
    d->y.p.tensor.op = op;
    return d;
}

struct draft *lower_tensor_draft(struct lower *lw, uint32_t node_ix,
                                 uint32_t value, enum tensor_op op,
                                 const struct view *in, uint32_t n_in)
{
    const struct value *const v = &lw->g->value[value];
    uint64_t dim[TENSOR_MAX_RANK];
    dims_of(&v->shape, dim);
    struct draft *const d = lower_tensor_draft_of(
        lw, node_ix, v->name, v->dtype, v->shape.rank, dim, op);
    if (!d) {
        return NULL;
    }
    d->y.n_in = n_in;
    memcpy(d->in, in, n_in * sizeof in[0]);
    lower_set(lw, value, &d->out);
    return d;
}

/* A constant vector of the keep arena as an operand. */
static struct view table_view(enum dtype t, const void *data, uint64_t n)
{
    struct view v;
    view_plain(&v, BUF_WEIGHTS, t, 1, &n);
    v.data = (struct span){data, n * dtype_bytes(t)};
    return v;
}

/* ---- windows --------------------------------------------------------------
 */

enum { SPATIAL = TENSOR_MAX_RANK - 2 };

static int32_t *put_ints(int32_t *dst, const int64_t *src, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        dst[i] = (int32_t)src[i];
    }
    return dst + SPATIAL;
}

bool lower_conv_is_fast(const struct lower *lw, const struct node *n)
{
    const struct value *const w = &lw->g->value[n->in[1]];
    const struct value *const bias = node_in(lw->g, n, 2);
    return w->is_const && (!bias || bias->is_const) && w->shape.rank <= 4 &&
           w->dtype == DTYPE_F32;
}

bool lower_conv_general(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const bool is_back = n->op == OP_CONV_TRANSPOSE;
    struct window win;
    struct view in[3];
    uint32_t n_in = 0;
    if (!window_params(lw->g, lw->cx, n, &win)) {
        return false;
    }
    for (uint32_t k = 0; k < n->n_in; k++) {
        if (n->in[k] != VALUE_NONE &&
            !lower_get(lw, node_ix, n->in[k], &in[n_in++])) {
            return false;
        }
    }
    struct draft *const d =
        lower_tensor_draft(lw, node_ix, n->out[0],
                           is_back ? TENSOR_DECONV : TENSOR_CONV, in, n_in);
    if (!d) {
        return false;
    }
    int32_t *p = d->y.p.tensor.i;
    p[0] = (int32_t)win.n_dim;
    p[1] = (int32_t)win.group;
    p = put_ints(p + 2, win.stride, win.n_dim);
    p = put_ints(p, win.dilation, win.n_dim);
    (void)put_ints(p, win.pad_begin, win.n_dim);
    const uint64_t outer = view_count(is_back ? &in[0] : &d->out);
    d->y.macs = outer * view_count(&in[1]) / in[1].dim[0];
    return true;
}

bool lower_pool_is_fast(const struct lower *lw, const struct node *n)
{
    const struct value *const in = &lw->g->value[n->in[0]];
    const bool is_byte = in->dtype == DTYPE_I8 || in->dtype == DTYPE_U8;
    return (in->dtype == DTYPE_F32 || (is_byte && n->op == OP_MAX_POOL)) &&
           in->shape.rank >= 3 && in->shape.rank <= 4 && n->op != OP_LP_POOL;
}

/* Kinds of k_tensor_pool.h. */
enum pool_form { FORM_MAX, FORM_MAX_INDEX, FORM_MEAN, FORM_NORM };

static bool draft_pool(struct lower *lw, uint32_t node_ix, uint32_t value,
                       enum pool_form form)
{
    const struct node *const n = &lw->g->node[node_ix];
    struct window win;
    struct view in;
    if (!window_params(lw->g, lw->cx, n, &win) ||
        !lower_get(lw, node_ix, n->in[0], &in)) {
        return false;
    }
    struct draft *const d =
        lower_tensor_draft(lw, node_ix, value, TENSOR_POOL, &in, 1);
    if (!d) {
        return false;
    }
    int32_t *p = d->y.p.tensor.i;
    p[0] = (int32_t)form;
    p[1] = (int32_t)win.n_dim;
    p[2] = node_int(n, "count_include_pad", 0) != 0;
    p[3] = node_int(n, "storage_order", 0) != 0;
    p[4] = (int32_t)node_int(n, "p", 2);
    p = put_ints(p + 5, win.kernel, win.n_dim);
    p = put_ints(p, win.stride, win.n_dim);
    p = put_ints(p, win.dilation, win.n_dim);
    p = put_ints(p, win.pad_begin, win.n_dim);
    (void)put_ints(p, win.pad_end, win.n_dim);
    d->y.macs = view_count(&d->out);
    for (uint32_t i = 0; i < win.n_dim; i++) {
        d->y.macs *= (uint64_t)win.kernel[i];
    }
    return true;
}

bool lower_pool_general(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    return draft_pool(lw, node_ix, n->out[0],
                      n->op == OP_MAX_POOL  ? FORM_MAX
                      : n->op == OP_LP_POOL ? FORM_NORM
                                            : FORM_MEAN);
}

bool lower_pool_indices(struct lower *lw, uint32_t node_ix)
{
    return draft_pool(lw, node_ix, lw->g->node[node_ix].out[1], FORM_MAX_INDEX);
}

/* ---- taps along an axis ---------------------------------------------------
 */

/* A pass along one axis: `n` elements of `taps` each; coef NULL: copies. */
struct taps {
    uint32_t axis;
    uint64_t n;
    uint32_t taps;
    int32_t *index;
    float *coef;
    uint64_t fill;
};

static bool taps_new(struct lower *lw, uint32_t axis, uint64_t n, uint32_t taps,
                     bool has_coef, struct taps *t)
{
    *t = (struct taps){.axis = axis, .n = n, .taps = taps};
    t->index = arena_new(lw->cx->keep, int32_t, n * taps);
    if (has_coef) {
        t->coef = arena_new(lw->cx->keep, float, n *taps);
    }
    return t->index && (t->coef || !has_coef);
}

/* *v becomes the result of the pass. */
static bool draft_taps(struct lower *lw, uint32_t node_ix, const char *name,
                       const struct taps *t, struct view *v)
{
    const uint64_t n = t->n * t->taps;
    struct view out = *v;
    out.dim[t->axis] = t->n;
    const uint32_t buf = lower_new_buf(lw, name, v->dtype, view_count(&out),
                                       out.dim[out.rank - 1]);
    struct draft *const d = lower_new_draft(lw, node_ix, LAYER_TENSOR);
    if (buf == UINT32_MAX || !d) {
        return false;
    }
    view_plain(&d->out, buf, v->dtype, out.rank, out.dim);
    d->in[0] = *v;
    d->in[1] = table_view(DTYPE_I32, t->index, n);
    d->y.n_in = 2;
    if (t->coef) {
        d->in[d->y.n_in++] = table_view(DTYPE_F32, t->coef, n);
    }
    struct tensor_param *const p = &d->y.p.tensor;
    p->op = TENSOR_TAPS;
    p->i[0] = (int32_t)t->axis;
    p->i[1] = (int32_t)t->taps;
    p->i[2] = t->coef != NULL;
    p->i[3] = (int32_t)(uint32_t)t->fill;
    p->i[4] = (int32_t)(uint32_t)(t->fill >> 32);
    d->y.macs = view_count(&d->out) * t->taps;
    *v = d->out;
    return true;
}

static int64_t floor_mod(int64_t a, int64_t b)
{
    const int64_t r = a % b;
    return r < 0 ? r + b : r;
}

/* Where element at, maybe outside [0, n), is taken from. */
static int64_t pad_source(enum pad_mode mode, int64_t at, int64_t n)
{
    if (mode == PAD_EDGE) {
        return at < 0 ? 0 : at >= n ? n - 1 : at;
    }
    if (mode == PAD_WRAP) {
        return floor_mod(at, n);
    }
    if (n == 1) {
        return 0;
    }
    const int64_t r = floor_mod(at, 2 * (n - 1));
    return r < n ? r : 2 * (n - 1) - r;
}

bool lower_pad_general(struct lower *lw, uint32_t node_ix,
                       const struct pad_params *p)
{
    const struct node *const n = &lw->g->node[node_ix];
    const struct value *const v = &lw->g->value[n->out[0]];
    struct view x;
    if (!lower_get(lw, node_ix, n->in[0], &x)) {
        return false;
    }
    for (uint32_t k = 0; k < x.rank; k++) {
        const int64_t len = (int64_t)x.dim[k];
        struct taps t;
        if (p->before[k] == 0 && p->after[k] == 0) {
            continue;
        }
        if (!taps_new(lw, k, (uint64_t)v->shape.dim[k], 1, false, &t)) {
            return false;
        }
        for (int64_t i = 0; i < v->shape.dim[k]; i++) {
            t.index[i] = (int32_t)pad_source(p->mode, i - p->before[k], len);
        }
        if (!draft_taps(lw, node_ix, v->name, &t, &x)) {
            return false;
        }
    }
    lower_set(lw, n->out[0], &x);
    return true;
}

/* Repeats are a dimension of stride 0 before each that is repeated: a view,
 * which a reader or the copy of a pending value flattens. */
bool lower_tile(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const struct value *const v = &lw->g->value[n->out[0]];
    struct view in;
    if (!lower_get(lw, node_ix, n->in[0], &in)) {
        return false;
    }
    struct view out = in;
    uint32_t rank = 0;
    bool fits = true;
    for (uint32_t k = 0; k < in.rank; k++) {
        const bool repeats = (uint64_t)v->shape.dim[k] != in.dim[k];
        if (rank + 1 + repeats > TENSOR_MAX_RANK) {
            fits = false;
            break;
        }
        if (repeats) {
            out.dim[rank] = (uint64_t)v->shape.dim[k] / in.dim[k];
            out.stride[rank++] = 0;
        }
        out.dim[rank] = in.dim[k];
        out.stride[rank++] = in.stride[k];
    }
    if (fits) {
        out.rank = rank;
        lower_set(lw, n->out[0], &out);
        return true;
    }
    for (uint32_t k = 0; k < in.rank; k++) {
        struct taps t;
        const int64_t len = (int64_t)in.dim[k];
        if (v->shape.dim[k] == len) {
            continue;
        }
        if (!taps_new(lw, k, (uint64_t)v->shape.dim[k], 1, false, &t)) {
            return false;
        }
        for (int64_t i = 0; i < v->shape.dim[k]; i++) {
            t.index[i] = (int32_t)(i % len);
        }
        if (!draft_taps(lw, node_ix, v->name, &t, &in)) {
            return false;
        }
    }
    lower_set(lw, n->out[0], &in);
    return true;
}

/* ---- Resize ---------------------------------------------------------------
 */

/* One axis of it. */
struct resize_axis {
    const struct resize_params *r;
    uint32_t axis;
    double in;    /* elements */
    double out;   /* likewise */
    double scale; /* out / in, or as given */
};

/* Where output element i lies in the input; ONNX's formulas, in which the
 * resized length is scale * in, a fraction maybe. */
static double source_at(const struct resize_axis *a, double i)
{
    const char *const mode = a->r->coord;
    const double len = a->scale * a->in;
    const double half = (i + 0.5) / a->scale - 0.5;
    if (strcmp(mode, "align_corners") == 0) {
        return len == 1.0 || a->out == 1.0 ? 0.0 : i * (a->in - 1) / (len - 1);
    }
    if (strcmp(mode, "asymmetric") == 0) {
        return i / a->scale;
    }
    if (strcmp(mode, "pytorch_half_pixel") == 0) {
        return a->out > 1 ? half : 0.0;
    }
    if (strcmp(mode, "half_pixel_symmetric") == 0) {
        return a->in / 2 * (1 - a->out / len) + half;
    }
    if (strcmp(mode, "tf_crop_and_resize") == 0) {
        const double from = a->r->roi_start[a->axis];
        const double span = (a->r->roi_end[a->axis] - from) * (a->in - 1);
        return from * (a->in - 1) +
               (a->out > 1 ? i * span / (a->out - 1) : span / 2);
    }
    if (strcmp(mode, "tf_half_pixel_for_nn") == 0) { /* of opset 11 alone */
        return (i + 0.5) / a->scale;
    }
    return half; /* half_pixel: resize_params knows no others */
}

/* Keys' cubic kernel. */
static double cubic(double a, double x)
{
    const double t = fabs(x);
    return t <= 1  ? ((a + 2) * t - (a + 3)) * t * t + 1
           : t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
                   : 0;
}

/* The weight of the element d to the right of the source. */
static double weight_at(const struct resize_axis *a, double stretch, double d)
{
    if (a->r->kind == RESIZE_KIND_LINEAR) {
        return fmax(0.0, 1 - fabs(d * stretch));
    }
    return cubic(a->r->cubic_a, d * stretch);
}

/* The elements that output i is made of: begins at the one at or left of the
 * source, in the sense that 0 < source - that <= 1. */
static void set_taps(const struct resize_axis *a, struct taps *t, uint64_t i,
                     int64_t first, double stretch)
{
    const double at = source_at(a, (double)i);
    const int64_t left = (int64_t)ceil(at) - 1;
    const double last = a->in - 1;
    int32_t *const index = t->index + i * t->taps;
    float *const coef = t->coef + i * t->taps;
    double sum = 0;
    for (uint32_t k = 0; k < t->taps; k++) {
        const double from = (double)(left + first) + k;
        double w = weight_at(a, stretch, from - at);
        if (a->r->excludes_outside && (from < 0 || from > last)) {
            w = 0;
        }
        coef[k] = (float)w;
        sum += w;
        index[k] = (int32_t)fmin(fmax(from, 0), last);
    }
    const bool scales = a->r->excludes_outside || a->r->antialias;
    for (uint32_t k = 0; scales && k < t->taps; k++) {
        coef[k] = (float)((double)coef[k] / sum);
    }
}

static int32_t nearest(const struct resize_axis *a, uint64_t i)
{
    const double at = source_at(a, (double)i);
    const char *const mode = a->r->nearest;
    const double x = strcmp(mode, "floor") == 0               ? floor(at)
                     : strcmp(mode, "ceil") == 0              ? ceil(at)
                     : strcmp(mode, "round_prefer_ceil") == 0 ? floor(at + 0.5)
                                                              : ceil(at - 0.5);
    return (int32_t)fmin(fmax(x, 0), a->in - 1);
}

static bool resize_pass(struct lower *lw, uint32_t node_ix,
                        const struct resize_axis *a, uint64_t fill,
                        struct view *v)
{
    const bool is_nearest = a->r->kind == RESIZE_KIND_NEAREST;
    const bool crops = strcmp(a->r->coord, "tf_crop_and_resize") == 0;
    const double stretch = a->r->antialias ? fmin(a->scale, 1.0) : 1.0;
    const double reach = a->r->kind == RESIZE_KIND_LINEAR ? 1 : 2;
    const int64_t first = (int64_t)floor(-reach / stretch) + 1;
    const uint32_t taps = is_nearest ? 1 : (uint32_t)(2 - 2 * first);
    struct taps t;
    if (!taps_new(lw, a->axis, (uint64_t)a->out, taps, !is_nearest, &t)) {
        return false;
    }
    t.fill = fill;
    for (uint64_t i = 0; i < t.n; i++) {
        const double at = source_at(a, (double)i);
        if (is_nearest) {
            t.index[i] = nearest(a, i);
        } else {
            set_taps(a, &t, i, first, stretch);
        }
        if (crops && (at < 0 || at > a->in - 1)) {
            t.index[i * taps] = -1;
        }
    }
    return draft_taps(lw, node_ix, lw->g->node[node_ix].name, &t, v);
}

bool lower_resize_general(struct lower *lw, uint32_t node_ix,
                          const struct resize_params *r)
{
    const struct node *const n = &lw->g->node[node_ix];
    struct view v;
    if (!lower_get(lw, node_ix, n->in[0], &v)) {
        return false;
    }
    if (r->kind != RESIZE_KIND_NEAREST && v.dtype != DTYPE_F32 &&
        v.dtype != DTYPE_F64) {
        return node_error(lw->cx, n, E_UNSUPPORTED,
                          "interpolation of %s is not supported",
                          dtype_name(v.dtype));
    }
    uint64_t fill = 0;
    elem_put_f64(v.dtype, (uint8_t *)&fill, 0, r->extrapolation);
    const bool crops = strcmp(r->coord, "tf_crop_and_resize") == 0;
    for (uint32_t k = 0; k < v.rank; k++) {
        const bool is_cut =
            crops && (r->roi_start[k] != 0 || r->roi_end[k] != 1);
        if (r->scale[k] == 1.0F && (uint64_t)r->out[k] == v.dim[k] && !is_cut) {
            continue;
        }
        const struct resize_axis a = {
            .r = r,
            .axis = k,
            .in = (double)v.dim[k],
            .out = (double)r->out[k],
            .scale = r->has_sizes ? r->exact_scale[k] : (double)r->scale[k],
        };
        if (!resize_pass(lw, node_ix, &a, fill, &v)) {
            return false;
        }
    }
    lower_set(lw, n->out[0], &v);
    return true;
}
