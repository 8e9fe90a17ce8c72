/* ref_node_math.c - nodes with arithmetic beyond one element: convolution,
 * pooling, products, normalisations, reductions, resize. */
#include "ref_node.h"

#include <math.h>
#include <stdlib.h>

/* ---- windows ---- */

/* The spatial axes of input 0 as H and W; 1-D data is W. */
struct window_arg {
    int n_axes;
    int64_t in[2];
    struct ref_window window;
};

/* One value a spatial axis into dst[2]; dst is unchanged without `name`. */
static bool axis_values(const struct ref_call *c, const char *name, int n,
                        int64_t at_least, int64_t *dst)
{
    struct ref_list list;
    bool is_there;
    if (!ref_arg_list(c, name, -1, &list, &is_there)) {
        return false;
    }
    if (is_there && list.n != n) {
        return ref_bad(c, name);
    }
    for (int i = 0; i < list.n; i++) {
        if (list.v[i] < at_least || list.v[i] > INT32_MAX) {
            return ref_bad(c, name);
        }
        dst[2 - n + i] = list.v[i];
    }
    return true;
}

/* kernel: shape of the weights, or NULL. */
static bool window_arg(const struct ref_call *c, const struct ref_shape *kernel,
                       struct window_arg *a)
{
    static const char *const auto_pads[REF_N_AUTO_PADS] = {
        [REF_NOTSET] = "NOTSET",
        [REF_SAME_UPPER] = "SAME_UPPER",
        [REF_SAME_LOWER] = "SAME_LOWER",
        [REF_VALID] = "VALID"};
    const struct ref_shape *x = &c->in[0]->shape;
    const int n = x->rank - 2;
    int auto_pad;
    struct ref_list pads;
    bool has_pads;
    if (n != 1 && n != 2) {
        return ref_unsupported(c, "other than one or two spatial axes");
    }
    a->n_axes = n;
    a->in[0] = n == 2 ? x->dim[2] : 1;
    a->in[1] = x->dim[n + 1];
    a->window = ref_window_unit();
    if (kernel && kernel->rank != x->rank) {
        return ref_bad(c, "weights of another rank");
    }
    for (int i = 0; kernel && i < n; i++) {
        a->window.kernel[2 - n + i] = kernel->dim[2 + i];
    }
    if (!axis_values(c, "kernel_shape", n, 1, a->window.kernel) ||
        !axis_values(c, "strides", n, 1, a->window.stride) ||
        !axis_values(c, "dilations", n, 1, a->window.dilation) ||
        !ref_attr_choice(c, "auto_pad", auto_pads, REF_N_AUTO_PADS,
                         &auto_pad) ||
        !ref_arg_list(c, "pads", -1, &pads, &has_pads)) {
        return false;
    }
    for (int i = 0; kernel && i < n; i++) {
        if (a->window.kernel[2 - n + i] != kernel->dim[2 + i]) {
            return ref_bad(c, "kernel_shape is not that of the weights");
        }
    }
    if (has_pads && pads.n != 2 * n) {
        return ref_bad(c, "pads");
    }
    for (int i = 0; i < n && has_pads; i++) {
        a->window.pad[2 - n + i] = pads.v[i];
        a->window.pad[4 - n + i] = pads.v[n + i];
    }
    a->window.auto_pad = (enum ref_auto_pad)auto_pad;
    a->window.ceil_mode = ref_attr_int(c, "ceil_mode", 0) != 0;
    return true;
}

/* [N, channels, spatial...] with the rank of input 0. */
static struct ref_shape window_out(const struct ref_call *c, int64_t channels,
                                   const int64_t out[2])
{
    struct ref_shape s = c->in[0]->shape;
    s.dim[1] = channels;
    s.dim[s.rank - 1] = out[1];
    if (s.rank == 4) {
        s.dim[2] = out[0];
    }
    return s;
}

bool ref_run_conv(struct ref_call *c, int is_transpose)
{
    struct window_arg a;
    const struct ref_shape x = c->in[0]->shape;
    const struct ref_shape w = c->in[1]->shape;
    const int64_t groups = ref_attr_int(c, "group", 1);
    int64_t out[2];
    if (!window_arg(c, &w, &a)) {
        return false;
    }
    struct ref_conv s = {.n = x.dim[0],
                         .in_channels = x.dim[1],
                         .in = {a.in[0], a.in[1]},
                         .out_channels =
                             is_transpose ? w.dim[1] * groups : w.dim[0],
                         .groups = groups,
                         .window = a.window};
    if (groups < 1 || s.in_channels % groups != 0 ||
        s.out_channels % groups != 0 ||
        s.in_channels != (is_transpose ? w.dim[0] : w.dim[1] * groups) ||
        (ref_in(c, 2) && ref_count(&c->in[2]->shape) != s.out_channels)) {
        return ref_bad(c, "channels, groups and weights do not match");
    }
    if (is_transpose &&
        (!axis_values(c, "output_padding", a.n_axes, 0, s.out_pad) ||
         !axis_values(c, "output_shape", a.n_axes, 1, s.out_size))) {
        return false;
    }
    if (!(is_transpose ? ref_conv_transpose_resolve(&s, out)
                       : ref_window_resolve(&s.window, s.in, out))) {
        return ref_bad(c, "the window does not fit");
    }
    const struct ref_shape y = window_out(c, s.out_channels, out);
    (is_transpose ? ref_conv_transpose : ref_conv)(
        &s, ref_in_floats(c, 0), ref_in_floats(c, 1), ref_in_floats(c, 2),
        ref_out_floats(c, 0, c->in[0]->type, &y));
    return true;
}

bool ref_run_pool(struct ref_call *c, int is_average)
{
    struct window_arg a;
    int64_t out[2];
    if (!window_arg(c, NULL, &a)) {
        return false;
    }
    if (!ref_attr(c, "kernel_shape")) {
        return ref_bad(c, "no kernel_shape");
    }
    if (ref_attr_int(c, "storage_order", 0) != 0) {
        return ref_unsupported(c, "storage_order");
    }
    if (!ref_window_resolve(&a.window, a.in, out)) {
        return ref_bad(c, "the window does not fit");
    }
    const struct ref_shape *x = &c->in[0]->shape;
    const struct ref_shape s = window_out(c, x->dim[1], out);
    double *y = ref_out_floats(c, 0, c->in[0]->type, &s);
    if (is_average) {
        ref_avgpool(ref_span(x, 0, 2), a.in, &a.window,
                    ref_attr_int(c, "count_include_pad", 0) != 0,
                    ref_in_floats(c, 0), y);
        return true;
    }
    ref_maxpool(ref_span(x, 0, 2), a.in, &a.window, ref_in_floats(c, 0), y,
                ref_wants(c, 1) ? ref_out(c, 1, REF_I64, &s) : NULL);
    return true;
}

bool ref_run_global_pool(struct ref_call *c, int is_average)
{
    struct ref_shape s = c->in[0]->shape;
    if (s.rank < 2) {
        return ref_bad(c, "rank below 2");
    }
    const int64_t size = ref_span(&s, 2, s.rank);
    for (int i = 2; i < s.rank; i++) {
        s.dim[i] = 1;
    }
    (is_average ? ref_global_avgpool : ref_global_maxpool)(
        ref_span(&s, 0, 2), size, ref_in_floats(c, 0),
        ref_out_floats(c, 0, c->in[0]->type, &s));
    return true;
}

/* ---- products, normalisations, reductions ---- */

bool ref_run_gemm(struct ref_call *c, int kind)
{
    (void)kind;
    const struct ref_shape a = c->in[0]->shape;
    const struct ref_shape b = c->in[1]->shape;
    const struct ref_tensor *bias = ref_in(c, 2);
    struct ref_gemm s = {.trans_a = ref_attr_int(c, "transA", 0) != 0,
                         .trans_b = ref_attr_int(c, "transB", 0) != 0,
                         .alpha = ref_attr_float(c, "alpha", 1.0),
                         .beta = ref_attr_float(c, "beta", 1.0)};
    s.m = a.dim[s.trans_a ? 1 : 0];
    s.k = a.dim[s.trans_a ? 0 : 1];
    s.n = b.dim[s.trans_b ? 0 : 1];
    const struct ref_shape y = {2, {s.m, s.n}};
    if (a.rank != 2 || b.rank != 2 || s.k != b.dim[s.trans_b ? 1 : 0]) {
        return ref_bad(c, "shapes of A and B do not match");
    }
    if (bias) {
        struct ref_shape full;
        s.c_shape = bias->shape;
        if (!ref_broadcast(&s.c_shape, &y, &full) ||
            !ref_same_shape(&full, &y)) {
            return ref_bad(c, "C does not broadcast");
        }
    }
    ref_gemm(&s, ref_in_floats(c, 0), ref_in_floats(c, 1), ref_in_floats(c, 2),
             ref_out_floats(c, 0, c->in[0]->type, &y));
    return true;
}

bool ref_run_matmul(struct ref_call *c, int kind)
{
    (void)kind;
    const struct ref_shape *a = &c->in[0]->shape;
    const struct ref_shape *b = &c->in[1]->shape;
    struct ref_shape y;
    if (!ref_matmul_shape(a, b, &y)) {
        return ref_bad(c, "shapes do not match");
    }
    ref_matmul(a, ref_in_floats(c, 0), b, ref_in_floats(c, 1),
               ref_out_floats(c, 0, c->in[0]->type, &y));
    return true;
}

bool ref_run_softmax(struct ref_call *c, int is_log)
{
    const struct ref_shape x = c->in[0]->shape;
    int axis;
    if (!ref_axis(c, ref_attr_int(c, "axis", c->opset < 13 ? 1 : -1), x.rank,
                  &axis)) {
        return false;
    }
    const int end = c->opset < 13 ? x.rank : axis + 1;
    ref_softmax(ref_span(&x, 0, axis), ref_span(&x, axis, end),
                ref_span(&x, end, x.rank), is_log != 0, ref_in_floats(c, 0),
                ref_out_floats(c, 0, c->in[0]->type, &x));
    return true;
}

bool ref_run_batchnorm(struct ref_call *c, int is_instance)
{
    const struct ref_shape x = c->in[0]->shape;
    if (ref_attr_int(c, "training_mode", 0) != 0 ||
        ref_attr_int(c, "spatial", 1) == 0) {
        return ref_unsupported(c, "training_mode or spatial");
    }
    for (int i = 1; i < c->n_in; i++) {
        if (x.rank < 2 || !c->in[i] ||
            ref_count(&c->in[i]->shape) != x.dim[1]) {
            return ref_bad(c, "a parameter has not one value a channel");
        }
    }
    const int64_t size = ref_span(&x, 2, x.rank);
    const double epsilon = ref_attr_float(c, "epsilon", (double)1e-5F);
    double *y = ref_out_floats(c, 0, c->in[0]->type, &x);
    if (is_instance) {
        ref_instancenorm(x.dim[0], x.dim[1], size, ref_in_floats(c, 1),
                         ref_in_floats(c, 2), epsilon, ref_in_floats(c, 0), y);
        return true;
    }
    const struct ref_batchnorm s = {.scale = ref_in_floats(c, 1),
                                    .bias = ref_in_floats(c, 2),
                                    .mean = ref_in_floats(c, 3),
                                    .var = ref_in_floats(c, 4),
                                    .epsilon = epsilon};
    ref_batchnorm(x.dim[0], x.dim[1], size, &s, ref_in_floats(c, 0), y);
    return true;
}

bool ref_run_layernorm(struct ref_call *c, int is_rms)
{
    const struct ref_shape x = c->in[0]->shape;
    struct ref_shape part = {0, {0}};
    struct ref_shape stat = x;
    double *wide[2] = {NULL, NULL};
    int axis;
    if (!ref_axis(c, ref_attr_int(c, "axis", -1), x.rank, &axis)) {
        return false;
    }
    for (int i = axis; i < x.rank; i++) {
        part.dim[part.rank++] = x.dim[i];
        stat.dim[i] = 1;
    }
    for (int i = 0; i < 2 && ref_in(c, i + 1); i++) {
        struct ref_shape full;
        if (!ref_broadcast(&c->in[i + 1]->shape, &part, &full) ||
            !ref_same_shape(&full, &part)) {
            free(wide[0]);
            return ref_bad(c, "scale or bias does not broadcast");
        }
        wide[i] = ref_alloc(ref_count(&part));
        ref_expand(&c->in[i + 1]->shape, &part, ref_in_floats(c, i + 1),
                   wide[i]);
    }
    const enum ref_type type = c->in[0]->type;
    const struct ref_layernorm s = {
        .is_rms = is_rms != 0,
        .scale = wide[0],
        .bias = wide[1],
        .epsilon = ref_attr_float(c, "epsilon", (double)1e-5F),
        .mean = ref_wants(c, 1) ? ref_out(c, 1, type, &stat) : NULL,
        .inv_std_dev = ref_wants(c, 2) ? ref_out(c, 2, type, &stat) : NULL};
    ref_layernorm(ref_span(&x, 0, axis), ref_count(&part), &s,
                  ref_in_floats(c, 0), ref_out_floats(c, 0, type, &x));
    free(wide[0]);
    free(wide[1]);
    return true;
}

bool ref_run_lrn(struct ref_call *c, int kind)
{
    (void)kind;
    const struct ref_shape x = c->in[0]->shape;
    const struct ref_lrn s = {.size = ref_attr_int(c, "size", 0),
                              .alpha =
                                  ref_attr_float(c, "alpha", (double)1e-4F),
                              .beta = ref_attr_float(c, "beta", 0.75),
                              .bias = ref_attr_float(c, "bias", 1.0)};
    if (x.rank < 2 || s.size < 1) {
        return ref_bad(c, "rank below 2 or no size");
    }
    ref_lrn(x.dim[0], x.dim[1], ref_span(&x, 2, x.rank), &s,
            ref_in_floats(c, 0), ref_out_floats(c, 0, c->in[0]->type, &x));
    return true;
}

bool ref_run_reduce(struct ref_call *c, int kind)
{
    const struct ref_shape x = c->in[0]->shape;
    const bool keep = ref_attr_int(c, "keepdims", 1) != 0;
    struct ref_list list;
    bool is_there;
    unsigned axes = 0;
    if (!ref_arg_list(c, "axes", 1, &list, &is_there)) {
        return false;
    }
    for (int i = 0; i < list.n; i++) {
        int axis;
        if (!ref_axis(c, list.v[i], x.rank, &axis)) {
            return false;
        }
        axes |= 1U << axis;
    }
    if (list.n == 0 && ref_attr_int(c, "noop_with_empty_axes", 0) == 0) {
        axes = (1U << x.rank) - 1U;
    }
    struct ref_shape s = {0, {0}};
    for (int i = 0; i < x.rank; i++) {
        if ((axes >> i & 1U) == 0 || keep) {
            s.dim[s.rank++] = axes >> i & 1U ? 1 : x.dim[i];
        }
    }
    ref_reduce((enum ref_reduce_op)kind, &x, axes, ref_in_floats(c, 0),
               ref_out_floats(c, 0, c->in[0]->type, &s));
    return true;
}

bool ref_run_argmax(struct ref_call *c, int is_min)
{
    const struct ref_shape x = c->in[0]->shape;
    struct ref_shape s = {0, {0}};
    int axis;
    if (!ref_axis(c, ref_attr_int(c, "axis", 0), x.rank, &axis)) {
        return false;
    }
    for (int i = 0; i < x.rank; i++) {
        if (i != axis || ref_attr_int(c, "keepdims", 1) != 0) {
            s.dim[s.rank++] = i == axis ? 1 : x.dim[i];
        }
    }
    ref_argmax(ref_span(&x, 0, axis), x.dim[axis],
               ref_span(&x, axis + 1, x.rank), is_min != 0,
               ref_attr_int(c, "select_last_index", 0) != 0,
               ref_in_floats(c, 0), ref_out(c, 0, REF_I64, &s));
    return true;
}

bool ref_run_cumsum(struct ref_call *c, int kind)
{
    (void)kind;
    const struct ref_shape x = c->in[0]->shape;
    const int64_t *at = ref_in_ints(c, 1);
    const bool is_reverse = ref_attr_int(c, "reverse", 0) != 0;
    const bool is_exclusive = ref_attr_int(c, "exclusive", 0) != 0;
    int axis;
    if (!at || !ref_axis(c, *at, x.rank, &axis)) {
        return ref_bad(c, "bad axis");
    }
    const double *src = ref_in_floats(c, 0);
    double *y = ref_out_floats(c, 0, c->in[0]->type, &x);
    const int64_t len = x.dim[axis];
    const int64_t inner = ref_span(&x, axis + 1, x.rank);
    for (int64_t ix = 0; ix < ref_count(&x) / (len > 0 ? len : 1); ix++) {
        double sum = 0.0;
        for (int64_t i = 0; i < len; i++) {
            const int64_t to = ix / inner * len * inner + ix % inner +
                               (is_reverse ? len - 1 - i : i) * inner;
            y[to] = is_exclusive ? sum : sum + src[to];
            sum += src[to];
        }
    }
    return true;
}

/* ---- quantisation ---- */

/* Scales and zero points: one, or one per index of `axis`. */
struct quant_arg {
    int64_t n;
    int64_t inner; /* elements with one scale, one after the other */
    const double *scale;
    const double *zero; /* NULL: 0 */
};

static bool quant_arg(struct ref_call *c, struct quant_arg *q)
{
    const struct ref_shape *x = &c->in[0]->shape;
    const struct ref_tensor *zero = ref_in(c, 2);
    int axis;
    q->n = ref_count(&c->in[1]->shape);
    q->inner = ref_count(x) > 0 ? ref_count(x) : 1;
    q->scale = ref_in_floats(c, 1);
    q->zero = ref_in_floats(c, 2);
    if (ref_attr_int(c, "block_size", 0) != 0) {
        return ref_unsupported(c, "scales of blocks");
    }
    if (zero && ref_count(&zero->shape) != q->n) {
        return ref_bad(c, "scales and zero points differ in number");
    }
    if (q->n != 1) {
        if (!ref_axis(c, ref_attr_int(c, "axis", 1), x->rank, &axis)) {
            return false;
        }
        if (x->dim[axis] != q->n) {
            return ref_bad(c, "the number of scales");
        }
        q->inner = ref_span(x, axis + 1, x->rank);
    }
    return true;
}

bool ref_run_quantize(struct ref_call *c, int kind)
{
    (void)kind;
    const struct ref_tensor *x = c->in[0];
    const struct ref_tensor *zero = ref_in(c, 2);
    const int64_t given = ref_attr_int(c, "output_dtype", REF_U8);
    const enum ref_type type = zero ? zero->type : (enum ref_type)given;
    const int bits = type == REF_U8 || type == REF_I8     ? 8
                     : type == REF_U16 || type == REF_I16 ? 16
                                                          : 0;
    const double least =
        type == REF_I8 || type == REF_I16 ? -ldexp(1.0, bits - 1) : 0.0;
    struct quant_arg q;
    if (bits == 0) {
        return ref_unsupported(c, "the type of the result");
    }
    if (!quant_arg(c, &q)) {
        return false;
    }
    const double *src = ref_in_floats(c, 0);
    double *y = ref_out_floats(c, 0, type, &x->shape);
    for (int64_t i = 0; i < ref_count(&x->shape); i++) {
        const int64_t at = i / q.inner % q.n;
        /* Quotients of floats are floats: that decides what is a tie. */
        const float steps = (float)(src[i] / (double)(float)q.scale[at]);
        const double v = nearbyint((double)steps) + (q.zero ? q.zero[at] : 0.0);
        y[i] = fmin(fmax(v, least), least + ldexp(1.0, bits) - 1.0);
    }
    return true;
}

bool ref_run_dequantize(struct ref_call *c, int kind)
{
    (void)kind;
    const struct ref_tensor *x = c->in[0];
    struct quant_arg q;
    if (!quant_arg(c, &q)) {
        return false;
    }
    const double *src = ref_in_floats(c, 0);
    double *y = ref_out_floats(c, 0, c->in[1]->type, &x->shape);
    for (int64_t i = 0; i < ref_count(&x->shape); i++) {
        const int64_t at = i / q.inner % q.n;
        y[i] = (src[i] - (q.zero ? q.zero[at] : 0.0)) * q.scale[at];
    }
    return true;
}

/* ---- resize ---- */

/* Extents and scales of `axes` (all if it is empty) from inputs `scales` or
 * `sizes`. */
static bool resize_extents(struct ref_call *c, const struct ref_list *axes,
                           struct ref_resize *r, struct ref_shape *s)
{
    static const char *const policies[] = {"stretch", "not_larger",
                                           "not_smaller"};
    const Onnx__AttributeProto *attr = ref_attr(c, "scales"); /* Upsample 7 */
    const int scales_ix = c->opset < 11 ? 1 : 2;
    const struct ref_tensor *t = ref_in(c, scales_ix);
    const int64_t n_scales = attr ? (int64_t)attr->n_floats
                             : t  ? ref_count(&t->shape)
                                  : 0;
    const struct ref_shape x = c->in[0]->shape;
    const double *scales = ref_in_floats(c, scales_ix);
    const double *sizes = ref_in_floats(c, 3);
    int policy;
    if (!ref_attr_choice(c, "keep_aspect_ratio_policy", policies, 3, &policy)) {
        return false;
    }
    if (n_scales > 0 ? n_scales != axes->n
                     : !sizes || ref_count(&c->in[3]->shape) != axes->n) {
        return ref_bad(c, "scales or sizes has a wrong length");
    }
    double common = policy == 1 ? INFINITY : 0.0;
    for (int i = 0; i < axes->n; i++) {
        const int axis = (int)axes->v[i];
        if (n_scales > 0) {
            r->scale[axis] = attr ? (double)attr->floats[i] : scales[i];
            s->dim[axis] = ref_resize_extent(x.dim[axis], r->scale[axis]);
            continue;
        }
        s->dim[axis] = (int64_t)sizes[i];
        r->scale[axis] = sizes[i] / (double)x.dim[axis];
        common = policy == 1 ? fmin(common, r->scale[axis])
                             : fmax(common, r->scale[axis]);
    }
    for (int i = 0; i < axes->n && policy != 0 && n_scales == 0; i++) {
        const int axis = (int)axes->v[i];
        s->dim[axis] = (int64_t)floor(common * (double)x.dim[axis] + 0.5);
        r->scale[axis] = common;
    }
    for (int i = 0; i < x.rank; i++) {
        if (!(r->scale[i] > 0.0) || s->dim[i] < 0 || s->dim[i] > INT32_MAX) {
            return ref_bad(c, "bad scale or size");
        }
    }
    return true;
}

bool ref_run_resize(struct ref_call *c, int is_upsample)
{
    static const char *const modes[] = {"nearest", "linear", "cubic",
                                        "bilinear"};
    static const char *const coordinates[REF_N_COORDINATES] = {
        [REF_HALF_PIXEL] = "half_pixel",
        [REF_HALF_PIXEL_SYMMETRIC] = "half_pixel_symmetric",
        [REF_PYTORCH_HALF_PIXEL] = "pytorch_half_pixel",
        [REF_ALIGN_CORNERS] = "align_corners",
        [REF_ASYMMETRIC] = "asymmetric",
        [REF_TF_HALF_PIXEL_FOR_NN] = "tf_half_pixel_for_nn",
        [REF_TF_CROP_AND_RESIZE] = "tf_crop_and_resize"};
    static const char *const nearest[REF_N_NEAREST] = {
        [REF_ROUND_PREFER_FLOOR] = "round_prefer_floor",
        [REF_ROUND_PREFER_CEIL] = "round_prefer_ceil",
        [REF_FLOOR_PIXEL] = "floor",
        [REF_CEIL_PIXEL] = "ceil"};
    const struct ref_shape x = c->in[0]->shape;
    struct ref_shape s = x;
    struct ref_resize r = {
        .cubic_a = ref_attr_float(c, "cubic_coeff_a", -0.75),
        .exclude_outside = ref_attr_int(c, "exclude_outside", 0) != 0,
        .antialias = ref_attr_int(c, "antialias", 0) != 0,
        .extrapolation = ref_attr_float(c, "extrapolation_value", 0.0)};
    struct ref_list axes;
    bool is_there;
    int mode;
    int coordinate;
    int round;
    if (!ref_attr_choice(c, "mode", modes, 4, &mode) ||
        !ref_attr_choice(c, "coordinate_transformation_mode", coordinates,
                         REF_N_COORDINATES, &coordinate) ||
        !ref_attr_choice(c, "nearest_mode", nearest, REF_N_NEAREST, &round) ||
        !ref_arg_list(c, "axes", -1, &axes, &is_there)) {
        return false;
    }
    r.mode = mode == 3 ? REF_INTERPOLATE_LINEAR : (enum ref_interpolation)mode;
    r.coordinate = (enum ref_coordinate)coordinate;
    r.nearest = (enum ref_nearest)round;
    if (is_upsample || c->opset < 11) {
        r.coordinate = REF_ASYMMETRIC;
        r.nearest = REF_NEAREST_SIMPLE;
    }
    axes.n = is_there ? axes.n : x.rank;
    for (int i = 0; i < axes.n; i++) {
        int axis;
        if (!ref_axis(c, is_there ? axes.v[i] : i, x.rank, &axis)) {
            return false;
        }
        axes.v[i] = axis;
    }
    const struct ref_tensor *roi = c->opset >= 11 ? ref_in(c, 1) : NULL;
    const double *corner = roi ? ref_in_floats(c, 1) : NULL;
    const bool has_roi = roi && ref_count(&roi->shape) == 2 * (int64_t)axes.n;
    if (coordinate == REF_TF_CROP_AND_RESIZE && !has_roi) {
        return ref_bad(c, "no roi");
    }
    for (int i = 0; i < x.rank; i++) {
        r.scale[i] = 1.0;
        r.roi_end[i] = 1.0;
    }
    for (int i = 0; i < axes.n && has_roi; i++) {
        r.roi_start[axes.v[i]] = corner[i];
        r.roi_end[axes.v[i]] = corner[axes.n + i];
    }
    if (!resize_extents(c, &axes, &r, &s)) {
        return false;
    }
    ref_resize(&r, &x, &s, ref_in_floats(c, 0),
               ref_out_floats(c, 0, c->in[0]->type, &s));
    return true;
}
