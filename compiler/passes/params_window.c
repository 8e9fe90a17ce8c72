#include "passes/params.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "passes/elem.h"

/* Kernels, strides, dilations and pads beyond this could overflow sums with
 * sizes. */
#define WINDOW_LIMIT (INT64_C(1) << 30)

bool window_ints(struct cx *cx, const struct node *n, const char *name,
                 uint32_t cnt, int64_t least, int64_t def, int64_t *dst)
{
    uint32_t len;
    const int64_t *const list = node_ints(n, name, &len);
    if (!node_attr(n, name)) {
        for (uint32_t i = 0; i < cnt; i++) {
            dst[i] = def;
        }
        return true;
    }
    if (len != cnt) {
        return node_error(cx, n, E_OP_ATTR,
                          "attribute '%s' has %u numbers; its input needs %u",
                          name, len, cnt);
    }
    for (uint32_t i = 0; i < cnt; i++) {
        if (list[i] < least || list[i] > WINDOW_LIMIT) {
            return node_error(cx, n, E_OP_ATTR,
                              "attribute '%s' has %" PRId64
                              "; the least is %" PRId64 ", the most %" PRId64,
                              name, list[i], least, WINDOW_LIMIT);
        }
        dst[i] = list[i];
    }
    return true;
}

enum auto_pad { AUTO_NOTSET, AUTO_VALID, AUTO_UPPER, AUTO_LOWER };

static bool auto_pad(struct cx *cx, const struct node *n, enum auto_pad *out)
{
    static const char *const names[] = {
        [AUTO_NOTSET] = "NOTSET",
        [AUTO_VALID] = "VALID",
        [AUTO_UPPER] = "SAME_UPPER",
        [AUTO_LOWER] = "SAME_LOWER",
    };
    const char *const name = node_string(n, "auto_pad", "NOTSET");
    for (uint32_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (enum auto_pad)i;
            return true;
        }
    }
    return node_error(cx, n, E_OP_ATTR,
                      "attribute 'auto_pad' is '%s'; it must be NOTSET, VALID, "
                      "SAME_UPPER or SAME_LOWER",
                      name);
}

static int64_t div_up(int64_t a, int64_t b)
{
    return a / b + (a % b != 0);
}

/* Rows that a window covers. */
static int64_t extent(const struct window *w, uint32_t i)
{
    return (w->kernel[i] - 1) * w->dilation[i] + 1;
}

/* Splits what must be padded; the odd one goes after, or before for LOWER. */
static void share_pad(struct window *w, uint32_t i, int64_t total,
                      bool odd_first)
{
    total = total > 0 ? total : 0;
    w->pad_begin[i] = odd_first ? total - total / 2 : total / 2;
    w->pad_end[i] = total - w->pad_begin[i];
}

static bool window_dim(struct cx *cx, const struct node *n, struct window *w,
                       uint32_t i, int64_t in, enum auto_pad pad)
{
    const int64_t span = extent(w, i);
    const int64_t stride = w->stride[i];
    if (pad == AUTO_VALID) {
        w->pad_begin[i] = 0;
        w->pad_end[i] = 0;
    } else if (pad != AUTO_NOTSET) {
        const int64_t out = div_up(in, stride);
        share_pad(w, i, (out - 1) * stride + span - in, pad == AUTO_LOWER);
    }
    const int64_t begin = w->pad_begin[i];
    const int64_t room = in + begin + w->pad_end[i] - span;
    if (room < 0) {
        return node_error(cx, n, E_SHAPE,
                          "a window of %" PRId64
                          " does not fit dimension %u of "
                          "its input, %" PRId64 " with %" PRId64 " and %" PRId64
                          " of padding",
                          span, i + 2, in, begin, w->pad_end[i]);
    }
    const bool is_pool = n->op == OP_MAX_POOL || n->op == OP_AVERAGE_POOL ||
                         n->op == OP_LP_POOL ||
                         n->op == OP_QLINEAR_AVERAGE_POOL;
    if (is_pool && (begin >= span || w->pad_end[i] >= span)) {
        return node_error(cx, n, E_OP_ATTR,
                          "padding of %" PRId64 " and %" PRId64
                          " must be less than the window, %" PRId64,
                          begin, w->pad_end[i], span);
    }
    w->out[i] = room / stride + 1;
    if (is_pool && node_int(n, "ceil_mode", 0) != 0) {
        w->out[i] = div_up(room, stride) + 1;
        /* A window that would begin in the end padding is left out. */
        if ((w->out[i] - 1) * stride >= in + begin) {
            w->out[i]--;
        }
    }
    return true;
}

/* ConvTranspose; out_shape is 0 where not given. */
static bool window_dim_back(struct cx *cx, const struct node *n,
                            struct window *w, uint32_t i, int64_t in,
                            enum auto_pad pad, int64_t out_shape,
                            int64_t out_pad)
{
    const int64_t full = w->stride[i] * (in - 1) + out_pad + extent(w, i);
    if (pad == AUTO_VALID) {
        w->pad_begin[i] = 0;
        w->pad_end[i] = 0;
    } else if (out_shape == 0 && pad != AUTO_NOTSET) {
        out_shape = in * w->stride[i];
    }
    if (out_shape > 0) {
        /* Here ONNX puts the odd one after for SAME_UPPER alone. */
        share_pad(w, i, full - out_shape, pad != AUTO_UPPER);
        w->out[i] = out_shape;
        return true;
    }
    w->out[i] = full - w->pad_begin[i] - w->pad_end[i];
    return w->out[i] > 0 || node_error(cx, n, E_SHAPE,
                                       "padding of %" PRId64 " and %" PRId64
                                       " leaves nothing of %" PRId64,
                                       w->pad_begin[i], w->pad_end[i], full);
}

/* output_shape: spatial dimensions alone, or after N and C. */
static bool out_shape_params(struct cx *cx, const struct node *n,
                             uint32_t n_dim, int64_t dst[TENSOR_MAX_RANK])
{
    memset(dst, 0, TENSOR_MAX_RANK * sizeof dst[0]);
    uint32_t len;
    const int64_t *const list = node_ints(n, "output_shape", &len);
    if (len == 0) {
        return true;
    }
    bool is_ok = len == n_dim || len == n_dim + 2;
    for (uint32_t i = 0; is_ok && i < n_dim; i++) {
        dst[i] = list[len - n_dim + i];
        is_ok = dst[i] > 0 && dst[i] <= WINDOW_LIMIT;
    }
    return is_ok ||
           node_error(cx, n, E_OP_ATTR,
                      "attribute 'output_shape' does not give %u sizes", n_dim);
}

bool window_params(const struct graph *g, struct cx *cx, const struct node *n,
                   struct window *w)
{
    const struct shape *const in = &node_in(g, n, 0)->shape;
    const bool is_linear = n->op == OP_QLINEAR_CONV;
    const bool is_conv = n->op == OP_CONV || n->op == OP_CONV_TRANSPOSE ||
                         n->op == OP_CONV_INTEGER || is_linear;
    const uint32_t weights = is_linear ? 3 : 1;
    *w = (struct window){.group = node_int(n, "group", 1)};
    if (in->rank < 3) {
        return node_error(
            cx, n, E_SHAPE,
            "its input is %s; it needs N, C and at least one more "
            "dimension",
            shape_text(in).text);
    }
    w->n_dim = in->rank - 2;
    if (is_conv) {
        const struct shape *const weight = &node_in(g, n, weights)->shape;
        if (weight->rank != in->rank) {
            return node_error(cx, n, E_SHAPE,
                              "its weights are %s; they must have %u "
                              "dimensions, as its input",
                              shape_text(weight).text, in->rank);
        }
        for (uint32_t i = 0; i < w->n_dim; i++) {
            w->kernel[i] = weight->dim[i + 2];
        }
    } else if (!node_attr(n, "kernel_shape")) {
        return node_error(cx, n, E_OP_ATTR,
                          "attribute 'kernel_shape' is missing");
    }
    int64_t kernel[TENSOR_MAX_RANK] = {0};
    int64_t pads[2 * TENSOR_MAX_RANK] = {0};
    int64_t out_pad[TENSOR_MAX_RANK] = {0};
    int64_t out_shape[TENSOR_MAX_RANK];
    enum auto_pad pad = AUTO_NOTSET;
    if (!window_ints(cx, n, "kernel_shape", w->n_dim, 1, 0, kernel) ||
        !window_ints(cx, n, "strides", w->n_dim, 1, 1, w->stride) ||
        !window_ints(cx, n, "dilations", w->n_dim, 1, 1, w->dilation) ||
        !window_ints(cx, n, "pads", 2 * w->n_dim, 0, 0, pads) ||
        !window_ints(cx, n, "output_padding", w->n_dim, 0, 0, out_pad) ||
        !out_shape_params(cx, n, w->n_dim, out_shape) ||
        !auto_pad(cx, n, &pad)) {
        return false;
    }
    for (uint32_t i = 0; i < w->n_dim; i++) {
        if (!is_conv) {
            w->kernel[i] = kernel[i];
        } else if (w->kernel[i] < 1 || w->kernel[i] > WINDOW_LIMIT ||
                   (kernel[i] != 0 && kernel[i] != w->kernel[i])) {
            return node_error(
                cx, n, E_SHAPE,
                "kernel_shape says %" PRId64 ", but the weights are %s",
                kernel[i], shape_text(&node_in(g, n, weights)->shape).text);
        }
        w->pad_begin[i] = pads[i];
        w->pad_end[i] = pads[i + w->n_dim];
        const int64_t dim = in->dim[i + 2];
        if (dim < 1 || dim > WINDOW_LIMIT) {
            return node_error(cx, n, E_SHAPE,
                              "dimension %u of its input is %" PRId64, i + 2,
                              dim);
        }
        const bool is_ok = n->op == OP_CONV_TRANSPOSE
                               ? window_dim_back(cx, n, w, i, dim, pad,
                                                 out_shape[i], out_pad[i])
                               : window_dim(cx, n, w, i, dim, pad);
        if (!is_ok) {
            return false;
        }
    }
    return true;
}

/* scales: an attribute of Upsample 7, else input scale_ix; count 0 when absent
 * or empty. With `axes` they belong to those dimensions. */
static bool read_scales(const struct graph *g, struct cx *cx,
                        const struct node *n, uint32_t scale_ix,
                        float dst[TENSOR_MAX_RANK], uint32_t *cnt)
{
    const struct attr *const a = node_attr(n, "scales");
    const struct value *const v = node_in(g, n, scale_ix);
    uint64_t count = 0;
    if (a) {
        count = a->n;
    } else if (v && !v->is_const) {
        return node_error(cx, n, E_NEEDS_CONST,
                          "its scales ('%s') must be a constant; if they are "
                          "an input of the model, pin it with --const",
                          v->name);
    } else if (v && (!shape_count(&v->shape, &count) ||
                     (count > 0 && v->dtype != DTYPE_F32))) {
        return node_error(cx, n, E_TYPE,
                          "its scales are of type %s; they must be f32",
                          dtype_name(v->dtype));
    }
    if (count > TENSOR_MAX_RANK) {
        return node_error(cx, n, E_SHAPE, "it has %" PRIu64 " scales", count);
    }
    for (uint32_t i = 0; i < count; i++) {
        dst[i] = a ? a->floats[i] : (float)elem_f64(DTYPE_F32, v->data.data, i);
    }
    *cnt = (uint32_t)count;
    return true;
}

/* The dimensions that scales or sizes are for: those of `axes`, else all. */
static bool resize_axes(struct cx *cx, const struct node *n, uint32_t rank,
                        uint32_t axis[TENSOR_MAX_RANK], uint32_t *cnt)
{
    uint32_t len;
    const int64_t *const axes = node_ints(n, "axes", &len);
    if (!axes) {
        for (uint32_t i = 0; i < rank; i++) {
            axis[i] = i;
        }
        *cnt = rank;
        return true;
    }
    if (len > rank) {
        return node_error(cx, n, E_OP_ATTR, "it has %u axes", len);
    }
    for (uint32_t i = 0; i < len; i++) {
        if (!axis_resolve(cx, n, axes[i], rank, &axis[i])) {
            return false;
        }
    }
    *cnt = len;
    return true;
}

/* One scale for all axes, so that the sizes are not exceeded, or are reached.
 */
static bool keep_aspect(struct cx *cx, const struct node *n,
                        const struct shape *in, const uint32_t *axis,
                        uint32_t cnt, int64_t *size, double *common)
{
    const char *const policy =
        node_string(n, "keep_aspect_ratio_policy", "stretch");
    if (strcmp(policy, "stretch") == 0) {
        return true;
    }
    const bool is_least = strcmp(policy, "not_larger") == 0;
    if (!is_least && strcmp(policy, "not_smaller") != 0) {
        return node_error(cx, n, E_OP_ATTR,
                          "attribute 'keep_aspect_ratio_policy' is '%s'",
                          policy);
    }
    double scale = is_least ? INFINITY : 0;
    for (uint32_t i = 0; i < cnt; i++) {
        const double s = (double)size[i] / (double)in->dim[axis[i]];
        scale = is_least ? fmin(scale, s) : fmax(scale, s);
    }
    for (uint32_t i = 0; i < cnt; i++) {
        /* Half goes up, as ONNX's text has it. */
        size[i] = (int64_t)floor(scale * (double)in->dim[axis[i]] + 0.5);
        size[i] = size[i] < 1 ? 1 : size[i];
    }
    *common = scale;
    return true;
}

static bool resize_kind(struct cx *cx, const struct node *n,
                        struct resize_params *r)
{
    const char *const mode = node_string(n, "mode", "nearest");
    if (strcmp(mode, "nearest") == 0) {
        r->kind = RESIZE_KIND_NEAREST;
    } else if (strcmp(mode, "linear") == 0 || strcmp(mode, "bilinear") == 0) {
        r->kind = RESIZE_KIND_LINEAR;
    } else if (strcmp(mode, "cubic") == 0) {
        r->kind = RESIZE_KIND_CUBIC;
    } else {
        return node_error(
            cx, n, E_OP_ATTR,
            "attribute 'mode' is '%s'; it must be nearest, linear "
            "or cubic",
            mode);
    }
    return true;
}

/* The words that say where an element comes from. */
static bool resize_words(struct cx *cx, const struct node *n,
                         const struct resize_params *r)
{
    static const char *const coords[] = {
        "half_pixel",          "half_pixel_symmetric", "pytorch_half_pixel",
        "align_corners",       "asymmetric",           "tf_crop_and_resize",
        "tf_half_pixel_for_nn"};
    static const char *const nearests[] = {
        "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
    bool knows_coord = false;
    bool knows_nearest = false;
    for (uint32_t i = 0; i < ARRAY_LEN(coords); i++) {
        knows_coord = knows_coord || strcmp(r->coord, coords[i]) == 0;
    }
    for (uint32_t i = 0; i < ARRAY_LEN(nearests); i++) {
        knows_nearest = knows_nearest || strcmp(r->nearest, nearests[i]) == 0;
    }
    return (knows_coord && knows_nearest) ||
           node_error(cx, n, E_OP_ATTR,
                      "coordinate_transformation_mode %s with nearest_mode %s "
                      "is not supported",
                      r->coord, r->nearest);
}

/* roi: the starts of the axes, then their ends, in parts of their length. */
static bool resize_roi(const struct graph *g, struct cx *cx,
                       const struct node *n, const uint32_t *axis, uint32_t cnt,
                       struct resize_params *r)
{
    const struct value *const v = node_in(g, n, 1);
    uint64_t count = 0;
    if (!v || !v->is_const) {
        return node_error(cx, n, E_NEEDS_CONST,
                          "its roi ('%s') must be a constant; if it is an "
                          "input of the model, pin it with --const",
                          v ? v->name : "");
    }
    if (!shape_count(&v->shape, &count) || count != 2 * (uint64_t)cnt) {
        return node_error(cx, n, E_SHAPE,
                          "its roi has %" PRIu64 " numbers for %u axes", count,
                          cnt);
    }
    for (uint32_t i = 0; i < cnt; i++) {
        r->roi_start[axis[i]] = elem_f64(v->dtype, v->data.data, i);
        r->roi_end[axis[i]] = elem_f64(v->dtype, v->data.data, i + cnt);
    }
    return true;
}

bool resize_params(const struct graph *g, struct cx *cx, const struct node *n,
                   struct resize_params *r)
{
    const struct shape *const in = &node_in(g, n, 0)->shape;
    const bool is_new = n->op == OP_RESIZE && g->opset >= 11;
    *r = (struct resize_params){
        .coord = is_new ? node_string(n, "coordinate_transformation_mode",
                                      "half_pixel")
                        : "asymmetric",
        .nearest = is_new ? node_string(n, "nearest_mode", "round_prefer_floor")
                          : "floor"};
    r->antialias = node_int(n, "antialias", 0) != 0;
    r->excludes_outside = node_int(n, "exclude_outside", 0) != 0;
    r->cubic_a = (double)node_float(n, "cubic_coeff_a", -0.75F);
    r->extrapolation = (double)node_float(n, "extrapolation_value", 0.0F);
    uint32_t axis[TENSOR_MAX_RANK];
    uint32_t n_axis = 0;
    float scale[TENSOR_MAX_RANK];
    uint32_t n_scale = 0;
    if (!resize_kind(cx, n, r) || !resize_words(cx, n, r) ||
        !resize_axes(cx, n, in->rank, axis, &n_axis) ||
        !read_scales(g, cx, n, is_new ? 2 : 1, scale, &n_scale)) {
        return false;
    }
    for (uint32_t i = 0; i < in->rank; i++) {
        r->scale[i] = 1;
        r->exact_scale[i] = 1;
        r->out[i] = in->dim[i];
        r->roi_end[i] = 1;
    }
    if (strcmp(r->coord, "tf_crop_and_resize") == 0 &&
        !resize_roi(g, cx, n, axis, n_axis, r)) {
        return false;
    }
    if (n_scale == 0) {
        int64_t size[TENSOR_MAX_RANK];
        uint32_t n_size = 0;
        if (!is_new || !node_in(g, n, 3)) {
            return node_error(cx, n, E_OP_INPUTS,
                              "it has neither scales nor sizes");
        }
        if (!node_in_i64s(g, cx, n, 3, size, TENSOR_MAX_RANK, &n_size)) {
            return false;
        }
        if (n_size != n_axis) {
            return node_error(cx, n, E_SHAPE,
                              "it has %u sizes for %u dimensions", n_size,
                              n_axis);
        }
        for (uint32_t i = 0; i < n_axis; i++) {
            const int64_t dim = in->dim[axis[i]];
            if (size[i] < 1 || size[i] > WINDOW_LIMIT || dim < 1 ||
                dim > WINDOW_LIMIT) {
                return node_error(cx, n, E_SHAPE,
                                  "it resizes %" PRId64 " to %" PRId64, dim,
                                  size[i]);
            }
        }
        double common = 0;
        if (!keep_aspect(cx, n, in, axis, n_axis, size, &common)) {
            return false;
        }
        r->has_sizes = true;
        r->keeps_aspect = common > 0;
        for (uint32_t i = 0; i < n_axis; i++) {
            const int64_t dim = in->dim[axis[i]];
            r->out[axis[i]] = size[i];
            r->scale[axis[i]] = (float)size[i] / (float)dim;
            r->exact_scale[axis[i]] =
                common > 0 ? common : (double)size[i] / (double)dim;
        }
        return true;
    }
    if (n_scale != n_axis) {
        return node_error(cx, n, E_SHAPE, "it has %u scales for %u dimensions",
                          n_scale, n_axis);
    }
    for (uint32_t i = 0; i < n_axis; i++) {
        const double span = r->roi_end[axis[i]] - r->roi_start[axis[i]];
        const float size = span == 1
                               ? floorf((float)in->dim[axis[i]] * scale[i])
                               : (float)floor((double)in->dim[axis[i]] * span *
                                              (double)scale[i]);
        if (!(scale[i] > 0) || !(size >= (in->dim[axis[i]] > 0 ? 1 : 0) &&
                                 size <= (float)WINDOW_LIMIT)) {
            return node_error(cx, n, E_SHAPE,
                              "scale %g of dimension %u gives the size %g",
                              (double)scale[i], axis[i], (double)size);
        }
        r->scale[axis[i]] = scale[i];
        r->out[axis[i]] = (int64_t)size;
    }
    return true;
}
