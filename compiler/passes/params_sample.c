#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "passes/params.h"

/* The place of an attribute's text in names[n]; E_OP_ATTR when it is none. */
static bool choose(struct cx *cx, const struct node *n, const char *attr,
                   const char *def, const char *const *names, int32_t cnt,
                   int32_t *out)
{
    const char *const text = node_string(n, attr, def);
    for (int32_t i = 0; i < cnt; i++) {
        if (strcmp(names[i], text) == 0) {
            *out = i;
            return true;
        }
    }
    return node_error(cx, n, E_OP_ATTR,
                      "attribute '%s' is '%s', which is not "
                      "known",
                      attr, text);
}

bool grid_params(struct cx *cx, const struct node *n, struct grid_params *p)
{
    /* The second three are the names of opset 16. */
    static const char *const modes[] = {"linear",   "nearest", "cubic",
                                        "bilinear", "nearest", "bicubic"};
    static const char *const pads[] = {"zeros", "border", "reflection"};
    p->aligns_corners = node_int(n, "align_corners", 0) != 0;
    if (!choose(cx, n, "mode", "linear", modes, ARRAY_LEN(modes), &p->mode) ||
        !choose(cx, n, "padding_mode", "zeros", pads, ARRAY_LEN(pads),
                &p->pad)) {
        return false;
    }
    p->mode %= 3;
    return true;
}

bool roi_params(const struct graph *g, struct cx *cx, const struct node *n,
                struct roi_params *p)
{
    static const char *const modes[] = {"avg", "max"};
    static const char *const places[] = {"output_half_pixel", "half_pixel"};
    int32_t mode = 0;
    int32_t place = 0;
    if (!choose(cx, n, "mode", "avg", modes, 2, &mode) ||
        !choose(cx, n, "coordinate_transformation_mode", places[g->opset >= 16],
                places, 2, &place)) {
        return false;
    }
    const float scale = node_float(n, "spatial_scale", 1.0F);
    const int64_t ratio = node_int(n, "sampling_ratio", 0);
    *p = (struct roi_params){
        .is_max = mode == 1,
        .is_half = place == 1,
        .height = node_int(n, "output_height", 1),
        .width = node_int(n, "output_width", 1),
        .samples = (int32_t)(ratio < 0 ? 0 : ratio),
        .scale = scale,
    };
    if (p->height < 1 || p->height > INT32_MAX || p->width < 1 ||
        p->width > INT32_MAX || ratio > 1024 || !isfinite(scale)) {
        return node_error(cx, n, E_OP_ATTR,
                          "a result of %" PRId64 " x %" PRId64 " from %" PRId64
                          " samples is not supported",
                          p->height, p->width, ratio);
    }
    return true;
}

bool deform_params(const struct graph *g, struct cx *cx, const struct node *n,
                   struct deform_params *p)
{
    const struct shape *const in = &node_in(g, n, 0)->shape;
    const struct shape *const w = &node_in(g, n, 1)->shape;
    int64_t kernel[2];
    int64_t pads[4];
    if (in->rank != 4 || w->rank != 4) {
        return node_error(cx, n, E_UNSUPPORTED,
                          "only images of two dimensions are supported, not %s",
                          shape_text(in).text);
    }
    if (!window_ints(cx, n, "kernel_shape", 2, 1, 0, kernel) ||
        !window_ints(cx, n, "strides", 2, 1, 1, p->stride) ||
        !window_ints(cx, n, "dilations", 2, 1, 1, p->dilation) ||
        !window_ints(cx, n, "pads", 4, 0, 0, pads)) {
        return false;
    }
    p->group = node_int(n, "group", 1);
    p->offset_group = node_int(n, "offset_group", 1);
    const int64_t c = in->dim[1];
    const bool is_ok = p->group > 0 && p->offset_group > 0 &&
                       c % p->group == 0 && c % p->offset_group == 0 &&
                       w->dim[1] == c / p->group && w->dim[0] % p->group == 0 &&
                       w->dim[0] > 0 && c > 0 &&
                       (kernel[0] == 0 || kernel[0] == w->dim[2]) &&
                       (kernel[1] == 0 || kernel[1] == w->dim[3]);
    if (!is_ok) {
        return node_error(cx, n, E_SHAPE, "weights of %s do not fit %s",
                          shape_text(w).text, shape_text(in).text);
    }
    for (uint32_t i = 0; i < 2; i++) {
        const int64_t len = w->dim[2 + i];
        const int64_t room = in->dim[2 + i] + pads[i] + pads[2 + i];
        if (len < 1 || len > INT32_MAX ||
            room < (len - 1) * p->dilation[i] + 1) {
            return node_error(cx, n, E_SHAPE,
                              "weights of %s do not fit into %s",
                              shape_text(w).text, shape_text(in).text);
        }
        p->pad[i] = pads[i];
        p->out[i] = (room - (len - 1) * p->dilation[i] - 1) / p->stride[i] + 1;
    }
    return true;
}
