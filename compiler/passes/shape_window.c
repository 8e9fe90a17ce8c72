#include "passes/shape.h"

#include <inttypes.h>
#include <string.h>

static bool is_float(const struct graph *g, struct cx *cx, const struct node *n,
                     uint32_t i)
{
    const struct value *const v = node_in(g, n, i);
    return dtype_is_float(v->dtype) ||
           node_error(cx, n, E_TYPE,
                      "input '%s' is of type %s; it must be a float", v->name,
                      dtype_name(v->dtype));
}

/* Input i, when given, is a vector of `len`. */
static bool is_vector(const struct graph *g, struct cx *cx,
                      const struct node *n, uint32_t i, int64_t len)
{
    const struct value *const v = node_in(g, n, i);
    return !v || (v->shape.rank == 1 && v->shape.dim[0] == len) ||
           node_error(
               cx, n, E_SHAPE,
               "input '%s' is %s; it must have one dimension of %" PRId64,
               v->name, shape_text(&v->shape).text, len);
}

static bool set_window_shape(struct graph *g, struct cx *cx,
                             const struct node *n, const struct window *w,
                             int64_t channels)
{
    const struct value *const in = node_in(g, n, 0);
    struct shape s = in->shape;
    s.dim[1] = channels;
    for (uint32_t i = 0; i < w->n_dim; i++) {
        s.dim[i + 2] = w->out[i];
    }
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_conv(struct graph *g, struct cx *cx, const struct node *n)
{
    struct window w;
    if (!is_float(g, cx, n, 0) || !shape_same_type(g, cx, n, 0, 1) ||
        !shape_same_type(g, cx, n, 0, 2) || !window_params(g, cx, n, &w)) {
        return false;
    }
    const int64_t channels = node_in(g, n, 0)->shape.dim[1];
    const int64_t out = node_in(g, n, 1)->shape.dim[0];
    const int64_t per_group = node_in(g, n, 1)->shape.dim[1];
    if (w.group < 1 || channels % w.group != 0 || out % w.group != 0) {
        return node_error(cx, n, E_SHAPE,
                          "group %" PRId64 " does not divide %" PRId64
                          " input and %" PRId64 " output channels",
                          w.group, channels, out);
    }
    if (channels / w.group != per_group || per_group < 1 || out < 1) {
        return node_error(cx, n, E_SHAPE,
                          "its input has %" PRId64
                          " channels, but its weights, %s in %" PRId64
                          " groups, are for %" PRId64,
                          channels, shape_text(&node_in(g, n, 1)->shape).text,
                          w.group, per_group);
    }
    return is_vector(g, cx, n, 2, out) && set_window_shape(g, cx, n, &w, out);
}

bool shape_conv_transpose(struct graph *g, struct cx *cx, const struct node *n)
{
    struct window w;
    if (!is_float(g, cx, n, 0) || !shape_same_type(g, cx, n, 0, 1) ||
        !shape_same_type(g, cx, n, 0, 2) || !window_params(g, cx, n, &w)) {
        return false;
    }
    const int64_t channels = node_in(g, n, 0)->shape.dim[1];
    const struct shape *const weight = &node_in(g, n, 1)->shape;
    uint64_t n_weight;
    if (w.group < 1 || channels < 1 || channels != weight->dim[0] ||
        channels % w.group != 0 || weight->dim[1] < 1 ||
        !shape_count(weight, &n_weight) || w.group > channels) {
        return node_error(cx, n, E_SHAPE,
                          "its input has %" PRId64
                          " channels, but its weights, %s in %" PRId64
                          " groups, are for %" PRId64,
                          channels, shape_text(weight).text, w.group,
                          weight->dim[0]);
    }
    /* No overflow: group divides dim[0], and dim[0] * dim[1] fits. */
    const int64_t out = weight->dim[1] * w.group;
    return is_vector(g, cx, n, 2, out) && set_window_shape(g, cx, n, &w, out);
}

bool shape_pool(struct graph *g, struct cx *cx, const struct node *n)
{
    struct window w;
    if (n->op != OP_MAX_POOL && !is_float(g, cx, n, 0)) {
        return false;
    }
    if (!window_params(g, cx, n, &w) ||
        !set_window_shape(g, cx, n, &w, node_in(g, n, 0)->shape.dim[1])) {
        return false;
    }
    const struct value *const out = node_out(g, n, 0);
    return !out || shape_set(g, cx, n, 1, DTYPE_I64, &out->shape);
}

bool shape_global_pool(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    if (!is_float(g, cx, n, 0)) {
        return false;
    }
    if (in->shape.rank < 2) {
        return node_error(cx, n, E_SHAPE, "its input is %s; it needs N and C",
                          shape_text(&in->shape).text);
    }
    struct shape s = in->shape;
    for (uint32_t i = 2; i < s.rank; i++) {
        s.dim[i] = 1;
    }
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_lrn(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    if (!is_float(g, cx, n, 0)) {
        return false;
    }
    const int64_t size = node_int(n, "size", 0);
    if (in->shape.rank < 2 || size < 1 || size > INT32_MAX) {
        return node_error(cx, n, E_OP_ATTR,
                          "size %" PRId64 " for an input of %s", size,
                          shape_text(&in->shape).text);
    }
    return shape_same(g, cx, n);
}

bool shape_batch_norm(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    if (node_int(n, "training_mode", 0) != 0 ||
        node_int(n, "spatial", 1) != 1) {
        return node_error(cx, n, E_UNSUPPORTED,
                          "only spatial=1 in inference is supported; export "
                          "the model for inference");
    }
    for (uint32_t i = 1; i < n->n_out; i++) {
        if (node_out(g, n, i)) {
            return node_error(cx, n, E_UNSUPPORTED,
                              "output %u belongs to training and is not "
                              "supported",
                              i);
        }
    }
    if (in->shape.rank < 1) {
        return node_error(cx, n, E_SHAPE, "its input is a scalar");
    }
    const int64_t channels = in->shape.rank < 2 ? 1 : in->shape.dim[1];
    for (uint32_t i = 0; i < 5; i++) {
        if (!is_float(g, cx, n, i) ||
            (i > 0 && !is_vector(g, cx, n, i, channels))) {
            return false;
        }
    }
    return shape_same(g, cx, n);
}

bool shape_resize(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    struct resize_params r;
    if (!resize_params(g, cx, n, &r)) {
        return false;
    }
    struct shape s = in->shape;
    for (uint32_t i = 0; i < s.rank; i++) {
        s.dim[i] = r.out[i];
    }
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_upsample(struct graph *g, struct cx *cx, const struct node *n)
{
    return shape_resize(g, cx, n);
}

/* blocksize, checked against a 4-d input. */
static bool block_size(const struct graph *g, struct cx *cx,
                       const struct node *n, int64_t *out)
{
    const struct shape *const in = &node_in(g, n, 0)->shape;
    *out = node_int(n, "blocksize", 0);
    return (in->rank == 4 && *out >= 1 && *out <= 32768) ||
           node_error(cx, n, E_SHAPE,
                      "blocksize %" PRId64 " for an input of %s", *out,
                      shape_text(in).text);
}

bool shape_depth_to_space(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    const char *const mode = node_string(n, "mode", "DCR");
    int64_t block = 0;
    if (!block_size(g, cx, n, &block)) {
        return false;
    }
    if (strcmp(mode, "DCR") != 0 && strcmp(mode, "CRD") != 0) {
        return node_error(cx, n, E_OP_ATTR,
                          "attribute 'mode' is '%s'; it must be DCR or CRD",
                          mode);
    }
    struct shape s = in->shape;
    if (s.dim[1] % (block * block) != 0 || s.dim[2] > INT32_MAX ||
        s.dim[3] > INT32_MAX) {
        return node_error(cx, n, E_SHAPE,
                          "%" PRId64 " channels are no multiple of blocksize "
                          "%" PRId64 " squared",
                          s.dim[1], block);
    }
    s.dim[1] /= block * block;
    s.dim[2] *= block;
    s.dim[3] *= block;
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_space_to_depth(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    int64_t block = 0;
    if (!block_size(g, cx, n, &block)) {
        return false;
    }
    struct shape s = in->shape;
    if (s.dim[2] % block != 0 || s.dim[3] % block != 0 ||
        s.dim[1] > INT32_MAX) {
        return node_error(cx, n, E_SHAPE,
                          "blocksize %" PRId64 " does not divide %s", block,
                          shape_text(&s).text);
    }
    s.dim[1] *= block * block;
    s.dim[2] /= block;
    s.dim[3] /= block;
    return shape_set(g, cx, n, 0, in->dtype, &s);
}
