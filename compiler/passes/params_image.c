#include <inttypes.h>

#include "passes/params.h"

bool center_params(const struct graph *g, struct cx *cx, const struct node *n,
                   int64_t before[TENSOR_MAX_RANK],
                   int64_t after[TENSOR_MAX_RANK])
{
    const struct shape *const in = &node_in(g, n, 0)->shape;
    int64_t to[TENSOR_MAX_RANK];
    uint32_t n_to;
    uint32_t n_axes;
    const int64_t *const axes = node_ints(n, "axes", &n_axes);
    const bool is_all = !node_attr(n, "axes");
    if (!node_in_i64s(g, cx, n, 1, to, TENSOR_MAX_RANK, &n_to)) {
        return false;
    }
    if (n_to != (is_all ? in->rank : n_axes)) {
        return node_error(cx, n, E_SHAPE,
                          "%u sizes are given for %u dimensions", n_to,
                          is_all ? in->rank : n_axes);
    }
    for (uint32_t k = 0; k < in->rank; k++) {
        before[k] = 0;
        after[k] = 0;
    }
    for (uint32_t i = 0; i < n_to; i++) {
        uint32_t k = i;
        if (!is_all && !axis_resolve(cx, n, axes[i], in->rank, &k)) {
            return false;
        }
        if (to[i] < 0 || to[i] > INT32_MAX) {
            return node_error(cx, n, E_SHAPE, "size %" PRId64 " is asked for",
                              to[i]);
        }
        const int64_t more = to[i] - in->dim[k];
        before[k] = more < 0 ? -(-more / 2) : more / 2;
        after[k] = more - before[k];
    }
    return true;
}

bool col2im_params(const struct graph *g, struct cx *cx, const struct node *n,
                   struct window *w, int64_t blocks[TENSOR_MAX_RANK])
{
    enum { SPATIAL = TENSOR_MAX_RANK - 2 };
    const struct shape *const in = &node_in(g, n, 0)->shape;
    int64_t pads[2 * SPATIAL];
    uint32_t n_block;
    *w = (struct window){.group = 1};
    if (!node_in_i64s(g, cx, n, 1, w->out, SPATIAL, &w->n_dim) ||
        !node_in_i64s(g, cx, n, 2, w->kernel, SPATIAL, &n_block)) {
        return false;
    }
    if (n_block != w->n_dim || w->n_dim == 0 || in->rank != 3) {
        return node_error(cx, n, E_SHAPE,
                          "blocks of %u dimensions in an image of %u, from %s",
                          n_block, w->n_dim, shape_text(in).text);
    }
    if (!window_ints(cx, n, "strides", w->n_dim, 1, 1, w->stride) ||
        !window_ints(cx, n, "dilations", w->n_dim, 1, 1, w->dilation) ||
        !window_ints(cx, n, "pads", 2 * w->n_dim, 0, 0, pads)) {
        return false;
    }
    struct shape taps = {w->n_dim, {0}};
    struct shape all = {w->n_dim, {0}};
    for (uint32_t i = 0; i < w->n_dim; i++) {
        w->pad_begin[i] = pads[i];
        w->pad_end[i] = pads[w->n_dim + i];
        const bool is_size = w->out[i] > 0 && w->out[i] <= INT32_MAX &&
                             w->kernel[i] > 0 && w->kernel[i] <= INT32_MAX;
        const int64_t span =
            is_size ? (w->kernel[i] - 1) * w->dilation[i] + 1 : INT64_MAX;
        const int64_t room =
            is_size ? w->out[i] + pads[i] + w->pad_end[i] - span : -1;
        if (room < 0) {
            return node_error(cx, n, E_SHAPE,
                              "a block of %" PRId64
                              " does not fit an image of %" PRId64,
                              w->kernel[i], w->out[i]);
        }
        blocks[i] = room / w->stride[i] + 1;
        taps.dim[i] = w->kernel[i];
        all.dim[i] = blocks[i];
    }
    uint64_t n_tap;
    uint64_t n_all;
    if (!shape_count(&taps, &n_tap) || !shape_count(&all, &n_all) ||
        n_tap > INT32_MAX || in->dim[1] % (int64_t)n_tap != 0 ||
        (uint64_t)in->dim[2] != n_all) {
        return node_error(cx, n, E_SHAPE,
                          "%s are not columns of such blocks of the image",
                          shape_text(in).text);
    }
    return true;
}

bool unpool_params(const struct graph *g, struct cx *cx, const struct node *n,
                   struct shape *s)
{
    enum { SPATIAL = TENSOR_MAX_RANK - 2 };
    const struct shape *const in = &node_in(g, n, 0)->shape;
    int64_t kernel[SPATIAL];
    int64_t stride[SPATIAL];
    int64_t pads[2 * SPATIAL];
    if (in->rank < 3) {
        return node_error(cx, n, E_SHAPE,
                          "its input is %s; it must be an "
                          "image of channels",
                          shape_text(in).text);
    }
    const uint32_t n_dim = in->rank - 2;
    if (!window_ints(cx, n, "kernel_shape", n_dim, 1, 1, kernel) ||
        !window_ints(cx, n, "strides", n_dim, 1, 1, stride) ||
        !window_ints(cx, n, "pads", 2 * n_dim, 0, 0, pads)) {
        return false;
    }
    *s = *in;
    for (uint32_t i = 0; i < n_dim; i++) {
        const int64_t len = in->dim[2 + i];
        if (len < 1 || len > INT32_MAX) {
            return node_error(cx, n, E_SHAPE, "its input is %s",
                              shape_text(in).text);
        }
        s->dim[2 + i] =
            (len - 1) * stride[i] + kernel[i] - pads[i] - pads[n_dim + i];
        if (s->dim[2 + i] < 1) {
            return node_error(cx, n, E_OP_ATTR,
                              "its pads leave nothing of dimension %u", 2 + i);
        }
    }
    return true;
}
