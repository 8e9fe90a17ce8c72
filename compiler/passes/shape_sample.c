/* Images read at computed places: GridSample, RoiAlign, DeformConv; and Det. */
#include <string.h>

#include "passes/shape.h"

bool shape_grid_sample(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    const struct value *const grid = node_in(g, n, 1);
    const uint32_t rank = in->shape.rank;
    struct grid_params p;
    if (!grid_params(cx, n, &p)) {
        return false;
    }
    if (rank < 3 || grid->shape.rank != rank ||
        grid->shape.dim[0] != in->shape.dim[0] ||
        grid->shape.dim[rank - 1] != (int64_t)rank - 2) {
        return node_error(
            cx, n, E_SHAPE, "a grid of %s does not fit an image of %s",
            shape_text(&grid->shape).text, shape_text(&in->shape).text);
    }
    struct shape s = grid->shape;
    s.dim[1] = in->shape.dim[1];
    for (uint32_t k = 2; k < rank; k++) {
        s.dim[k] = grid->shape.dim[k - 1];
    }
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_roi_align(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    const struct shape *const rois = &node_in(g, n, 1)->shape;
    const struct value *const batch = node_in(g, n, 2);
    struct roi_params p;
    if (!roi_params(g, cx, n, &p)) {
        return false;
    }
    if (in->shape.rank != 4 || rois->rank != 2 || rois->dim[1] != 4 ||
        batch->shape.rank != 1 || batch->shape.dim[0] != rois->dim[0] ||
        in->shape.dim[0] == 0) {
        return node_error(cx, n, E_SHAPE,
                          "boxes of %s in images of %s do not fit an input of "
                          "%s",
                          shape_text(rois).text, shape_text(&batch->shape).text,
                          shape_text(&in->shape).text);
    }
    if (batch->dtype != DTYPE_I64 && batch->dtype != DTYPE_I32) {
        return node_error(cx, n, E_TYPE, "its images are of type %s",
                          dtype_name(batch->dtype));
    }
    const struct shape s = {
        4, {rois->dim[0], in->shape.dim[1], p.height, p.width}};
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_deform_conv(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    const struct value *const w = node_in(g, n, 1);
    const struct value *const offset = node_in(g, n, 2);
    const struct value *const bias = node_in(g, n, 3);
    const struct value *const mask = node_in(g, n, 4);
    struct deform_params p;
    for (uint32_t i = 1; i < n->n_in; i++) {
        if (!shape_same_type(g, cx, n, 0, i)) {
            return false;
        }
    }
    if (!deform_params(g, cx, n, &p)) {
        return false;
    }
    const int64_t taps = w->shape.dim[2] * w->shape.dim[3];
    const struct shape moved = {
        4, {in->shape.dim[0], p.offset_group * taps * 2, p.out[0], p.out[1]}};
    const struct shape masked = {
        4, {in->shape.dim[0], p.offset_group * taps, p.out[0], p.out[1]}};
    const struct shape biased = {1, {w->shape.dim[0]}};
    if (!shape_equal(&offset->shape, &moved) ||
        (bias && !shape_equal(&bias->shape, &biased)) ||
        (mask && !shape_equal(&mask->shape, &masked))) {
        return node_error(cx, n, E_SHAPE,
                          "its offsets, %s, must be %s, its bias %s and its "
                          "mask %s",
                          shape_text(&offset->shape).text,
                          shape_text(&moved).text, shape_text(&biased).text,
                          shape_text(&masked).text);
    }
    const struct shape s = {
        4, {in->shape.dim[0], w->shape.dim[0], p.out[0], p.out[1]}};
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_det(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    struct shape s = in->shape;
    if (!dtype_is_float(in->dtype) || s.rank < 2 ||
        s.dim[s.rank - 1] != s.dim[s.rank - 2] || s.dim[s.rank - 1] > 4096) {
        return node_error(cx, n, E_SHAPE,
                          "its input is %s of %s; it must be square matrices "
                          "of floats, of at most 4096 rows",
                          shape_text(&s).text, dtype_name(in->dtype));
    }
    s.rank -= 2;
    return shape_set(g, cx, n, 0, in->dtype, &s);
}
