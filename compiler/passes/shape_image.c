/* Operators that make images of others, or of patches. */
#include "passes/shape.h"

bool shape_center_crop_pad(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    int64_t before[TENSOR_MAX_RANK];
    int64_t after[TENSOR_MAX_RANK];
    if (!center_params(g, cx, n, before, after)) {
        return false;
    }
    struct shape s = in->shape;
    for (uint32_t k = 0; k < s.rank; k++) {
        s.dim[k] += before[k] + after[k];
    }
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_col2im(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    int64_t blocks[TENSOR_MAX_RANK];
    struct window w;
    if (!col2im_params(g, cx, n, &w, blocks)) {
        return false;
    }
    struct shape s = {2 + w.n_dim, {in->shape.dim[0], in->shape.dim[1]}};
    for (uint32_t i = 0; i < w.n_dim; i++) {
        s.dim[1] /= w.kernel[i];
        s.dim[2 + i] = w.out[i];
    }
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_max_unpool(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    const struct value *const ix = node_in(g, n, 1);
    struct shape s;
    struct shape asked;
    if (!unpool_params(g, cx, n, &s)) {
        return false;
    }
    if (ix->dtype != DTYPE_I64 || !shape_equal(&ix->shape, &in->shape)) {
        return node_error(cx, n, E_SHAPE,
                          "its indices, %s of %s, do not fit %s",
                          shape_text(&ix->shape).text, dtype_name(ix->dtype),
                          shape_text(&in->shape).text);
    }
    if (node_in(g, n, 2)) {
        asked = s;
        bool is_ok = true;
        if (!node_in_i64s(g, cx, n, 2, asked.dim, TENSOR_MAX_RANK,
                          &asked.rank)) {
            return false;
        }
        is_ok = asked.rank == s.rank;
        for (uint32_t k = 0; is_ok && k < s.rank; k++) {
            is_ok = k < 2 ? asked.dim[k] == s.dim[k] : asked.dim[k] >= s.dim[k];
        }
        if (!is_ok) {
            return node_error(cx, n, E_SHAPE, "%s does not fit into %s",
                              shape_text(&s).text, shape_text(&asked).text);
        }
        s = asked;
    }
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_affine_grid(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const theta = node_in(g, n, 0);
    int64_t size[5];
    uint32_t rank;
    if (!node_in_i64s(g, cx, n, 1, size, 5, &rank)) {
        return false;
    }
    const int64_t n_dim = (int64_t)rank - 2;
    const struct shape *const t = &theta->shape;
    bool is_ok = n_dim >= 2 && t->rank == 3 && t->dim[0] == size[0] &&
                 t->dim[1] == n_dim && t->dim[2] == n_dim + 1;
    struct shape s = {.rank = rank, .dim = {size[0]}};
    for (uint32_t k = 2; is_ok && k < rank; k++) {
        is_ok = size[k] > 0 && size[k] <= INT32_MAX;
        s.dim[k - 1] = size[k];
    }
    if (!is_ok) {
        return node_error(cx, n, E_SHAPE,
                          "matrices of %s do not fit an image of %u dimensions",
                          shape_text(t).text, rank);
    }
    s.dim[rank - 1] = n_dim;
    return shape_set(g, cx, n, 0, theta->dtype, &s);
}
