/* Images of others, or of patches. */
#include <string.h>

#include "base/arena.h"
#include "passes/expand.h"

/* Pads by zeros; negative ones cut. */
static uint32_t emit_pad(struct expand *e, uint32_t x, const int64_t *before,
                         const int64_t *after, uint32_t rank)
{
    int64_t pads[2 * TENSOR_MAX_RANK];
    memcpy(pads, before, rank * sizeof pads[0]);
    memcpy(pads + rank, after, rank * sizeof pads[0]);
    return ex_op2(e, OP_PAD, x, ex_ints(e, pads, 1, 2 * rank));
}

bool expand_center_crop_pad(struct expand *e)
{
    const uint32_t rank = ex_shape(e, ex_in(e, 0)).rank;
    int64_t before[TENSOR_MAX_RANK];
    int64_t after[TENSOR_MAX_RANK];
    if (!center_params(e->g, e->cx, ex_self(e), before, after)) {
        return false;
    }
    ex_give(e, 0, emit_pad(e, ex_in(e, 0), before, after, rank));
    return ex_done(e);
}

/* A transposed convolution whose weights put each row of a block where it
 * belongs: [channels * taps][1][taps], ones where both taps are the same. */
bool expand_col2im(struct expand *e)
{
    const struct shape in = ex_shape(e, ex_in(e, 0));
    int64_t blocks[TENSOR_MAX_RANK];
    struct window w;
    if (!col2im_params(e->g, e->cx, ex_self(e), &w, blocks)) {
        return false;
    }
    struct shape image = {2 + w.n_dim, {in.dim[0], in.dim[1]}};
    struct shape weights = {2 + w.n_dim, {in.dim[1], 1}};
    int64_t pads[2 * TENSOR_MAX_RANK] = {0};
    int64_t more[TENSOR_MAX_RANK] = {0};
    int64_t taps = 1;
    for (uint32_t i = 0; i < w.n_dim; i++) {
        image.dim[2 + i] = blocks[i];
        weights.dim[2 + i] = w.kernel[i];
        taps *= w.kernel[i];
        /* What no block reaches at the end is negative padding. */
        const int64_t reach = (blocks[i] - 1) * w.stride[i] +
                              (w.kernel[i] - 1) * w.dilation[i] + 1;
        const int64_t after = reach - w.pad_begin[i] - w.out[i];
        pads[i] = w.pad_begin[i];
        pads[w.n_dim + i] = after > 0 ? after : 0;
        more[i] = after < 0 ? -after : 0;
    }
    uint64_t n;
    double *const one = ex_table(e, shape_count(&weights, &n) ? n : UINT64_MAX);
    if (!one) {
        return false;
    }
    for (int64_t i = 0; i < in.dim[1]; i++) {
        one[i * taps + i % taps] = 1.0;
    }
    const uint32_t x = ex_reshape(e, ex_in(e, 0), image.dim, image.rank);
    const uint32_t from[2] = {x, ex_numbers(e, ex_type(e, x), &weights, one)};
    const struct attr attr[] = {
        {.name = "strides", .kind = ATTR_INTS, .ints = w.stride, .n = w.n_dim},
        {.name = "dilations",
         .kind = ATTR_INTS,
         .ints = w.dilation,
         .n = w.n_dim},
        {.name = "pads", .kind = ATTR_INTS, .ints = pads, .n = 2 * w.n_dim},
        {.name = "output_padding",
         .kind = ATTR_INTS,
         .ints = more,
         .n = w.n_dim},
        {.name = "group", .kind = ATTR_INT, .i = in.dim[1] / taps},
    };
    ex_give(e, 0,
            ex_node(e, VALUE_NONE, OP_CONV_TRANSPOSE, from, 2, attr,
                    ARRAY_LEN(attr)));
    return ex_done(e);
}

/* Elements put into a flat tensor of zeros by index; rows that are asked for
 * beyond what the window gives are zeros too. */
bool expand_max_unpool(struct expand *e)
{
    const struct shape want = ex_shape(e, ex_out(e, 0));
    const int64_t flat[1] = {-1};
    struct shape s;
    uint64_t n;
    if (!unpool_params(e->g, e->cx, ex_self(e), &s) || !shape_count(&s, &n)) {
        return false;
    }
    const struct shape all = {1, {(int64_t)n}};
    const struct shape one = {1, {1}};
    const double nothing = 0;
    const uint32_t x = ex_in(e, 0);
    const uint32_t zero = ex_numbers(e, ex_type(e, x), &one, &nothing);
    const uint32_t in[3] = {ex_expand(e, zero, &all),
                            ex_reshape(e, ex_in(e, 1), flat, 1),
                            ex_reshape(e, x, flat, 1)};
    uint32_t y = ex_node(e, VALUE_NONE, OP_SCATTER_ELEMENTS, in, 3, NULL, 0);
    y = ex_reshape(e, y, s.dim, s.rank);
    int64_t before[TENSOR_MAX_RANK] = {0};
    int64_t after[TENSOR_MAX_RANK];
    for (uint32_t k = 0; k < s.rank; k++) {
        after[k] = want.dim[k] - s.dim[k];
    }
    ex_give(e, 0,
            shape_equal(&s, &want) ? y : emit_pad(e, y, before, after, s.rank));
    return ex_done(e);
}

/* Where pixel i of n lies in [-1, 1]. */
static double grid_at(int64_t i, int64_t n, bool aligns_corners)
{
    if (aligns_corners) {
        return n > 1 ? -1.0 + 2.0 * (double)i / (double)(n - 1) : 0.0;
    }
    return (2.0 * (double)i + 1.0) / (double)n - 1.0;
}

/* (.., y, x, 1) of every pixel, reversed, times the matrices. */
bool expand_affine_grid(struct expand *e)
{
    static const uint32_t turn[3] = {0, 2, 1};
    const bool aligns = node_int(ex_self(e), "align_corners", 0) != 0;
    const struct shape want = ex_shape(e, ex_out(e, 0));
    const uint32_t n_dim = want.rank - 2;
    int64_t n = 1;
    for (uint32_t k = 0; k < n_dim; k++) {
        n *= want.dim[1 + k];
    }
    const struct shape s = {2, {n, (int64_t)n_dim + 1}};
    double *const grid = ex_table(e, (uint64_t)n * (n_dim + 1));
    if (!grid) {
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        double *const row = grid + i * (int64_t)(n_dim + 1);
        int64_t rest = i;
        for (uint32_t k = n_dim; k-- > 0;) {
            const int64_t len = want.dim[1 + k];
            row[n_dim - 1 - k] = grid_at(rest % len, len, aligns);
            rest /= len;
        }
        row[n_dim] = 1.0;
    }
    const uint32_t theta = ex_permute(e, ex_in(e, 0), turn, 3);
    const uint32_t base = ex_numbers(e, ex_type(e, theta), &s, grid);
    const uint32_t y = ex_op2(e, OP_MATMUL, base, theta);
    ex_give(e, 0, ex_reshape(e, y, want.dim, want.rank));
    return ex_done(e);
}
