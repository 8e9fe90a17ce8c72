/* test_reference.c - the naive operators against values worked out by hand. */
#include "support/ref_graph.h"
#include "support/reference.h"

#include "onnx.pb-c.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Compares doubles within 1e-12; NaN equals NaN. */
static void check(const double *got, const double *want, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const bool is_same = got[i] == want[i] ||
                             fabs(got[i] - want[i]) <= 1e-12 ||
                             (isnan(got[i]) && isnan(want[i]));
        if (!is_same) {
            fail_msg("element %zu is %.17g, expected %.17g", i, got[i],
                     want[i]);
        }
    }
}

#define CHECK(got, ...)                                                        \
    check(got, (const double[]){__VA_ARGS__},                                  \
          sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

static const double ones[64] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
static const double ramp[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

/* A window along W only. */
static struct ref_window along(int64_t kernel, int64_t stride, int64_t left,
                               int64_t right)
{
    struct ref_window w = ref_window_unit();
    w.kernel[1] = kernel;
    w.stride[1] = stride;
    w.pad[1] = left;
    w.pad[3] = right;
    return w;
}

/* One channel, one row of n. */
static struct ref_conv row_conv(int64_t n, struct ref_window w)
{
    return (struct ref_conv){.n = 1,
                             .in_channels = 1,
                             .in = {1, n},
                             .out_channels = 1,
                             .groups = 1,
                             .window = w};
}

/* ---- convolution ---- */

static void conv__pads_with_zeros_on_all_sides(void **state)
{
    (void)state;
    double y[9];
    struct ref_conv c = row_conv(3, ref_window_unit());
    c.in[0] = 3;
    c.window.kernel[0] = c.window.kernel[1] = 3;
    for (int i = 0; i < 4; i++) {
        c.window.pad[i] = 1;
    }
    ref_conv(&c, ramp, ones, NULL, y);
    CHECK(y, 12, 21, 16, 27, 45, 33, 24, 39, 28);
}

static void conv__puts_the_odd_pad_where_auto_pad_says(void **state)
{
    (void)state;
    const double w[] = {1, 10};
    double y[5];
    struct ref_conv c = row_conv(5, along(2, 1, 7, 7)); /* pads are ignored */
    c.window.auto_pad = REF_SAME_UPPER;
    ref_conv(&c, ramp, w, NULL, y);
    CHECK(y, 21, 32, 43, 54, 5);
    c.window.auto_pad = REF_SAME_LOWER;
    ref_conv(&c, ramp, w, NULL, y);
    CHECK(y, 10, 21, 32, 43, 54);
    c.window.auto_pad = REF_VALID;
    ref_conv(&c, ramp, w, NULL, y);
    CHECK(y, 21, 32, 43, 54);
}

static void conv__strides_over_unequal_pads(void **state)
{
    (void)state;
    double y[3];
    struct ref_conv c = row_conv(5, along(3, 2, 2, 1));
    ref_conv(&c, ramp, ones, NULL, y);
    CHECK(y, 1, 6, 12);
}

static void conv__dilates(void **state)
{
    (void)state;
    double y[3];
    struct ref_conv c = row_conv(5, along(2, 1, 0, 0));
    c.window.dilation[1] = 2;
    ref_conv(&c, ramp, ones, NULL, y);
    CHECK(y, 4, 6, 8);
}

static void conv__keeps_groups_apart_and_images_too(void **state)
{
    (void)state;
    const double x[] = {3, 5, 7, 9}; /* two images of two channels */
    const double bias[] = {0, 0.5, 0, 0};
    double y[8];
    struct ref_conv c = row_conv(1, ref_window_unit());
    c.n = 2;
    c.in_channels = 2;
    c.out_channels = 4;
    c.groups = 2;
    ref_conv(&c, x, ramp, bias, y);
    CHECK(y, 3, 6.5, 15, 20, 7, 14.5, 27, 36);
}

/* The implementation works on 4 channels and 512 columns at a time. */
static void conv__is_right_across_its_blocks(void **state)
{
    (void)state;
    enum { WIDTH = 1200, CHANNELS = 5 };
    static double x[WIDTH];
    static double y[CHANNELS * WIDTH];
    const double w[] = {1, 1, 2, 2, 3, 3, 4, 4, 5, 5};
    for (int i = 0; i < WIDTH; i++) {
        x[i] = i;
    }
    for (int stride = 1; stride <= 2; stride++) {
        struct ref_conv c = row_conv(WIDTH, along(2, stride, 0, 0));
        c.out_channels = CHANNELS;
        ref_conv(&c, x, w, NULL, y);
        const int n = (WIDTH - 2) / stride + 1;
        for (int i = 0; i < CHANNELS * n; i++) {
            const double want = (i / n + 1) * (2.0 * (i % n) * stride + 1.0);
            check(&y[i], &want, 1);
        }
    }
}

static void window__that_does_not_fit_is_refused(void **state)
{
    (void)state;
    const int64_t in[2] = {1, 2};
    int64_t out[2];
    struct ref_window w = along(4, 1, 0, 1);
    assert_false(ref_window_resolve(&w, in, out));
    w.pad[1] = 1;
    assert_true(ref_window_resolve(&w, in, out));
    assert_int_equal(out[1], 1);
}

static void conv_transpose__crops_pads_and_appends_output_padding(void **state)
{
    (void)state;
    double y[8];
    struct ref_conv c = row_conv(3, along(3, 2, 0, 0));
    ref_conv_transpose(&c, ramp, ones, NULL, y);
    CHECK(y, 1, 1, 3, 2, 5, 3, 3);
    c.window.pad[1] = c.window.pad[3] = 1;
    ref_conv_transpose(&c, ramp, ones, NULL, y);
    CHECK(y, 1, 3, 2, 5, 3);
    c.out_pad[1] = 1;
    ref_conv_transpose(&c, ramp, ones, ramp, y);
    CHECK(y, 2, 4, 3, 6, 4, 4);
}

static void conv_transpose__splits_the_pads_of_output_shape(void **state)
{
    (void)state;
    double y[6];
    struct ref_conv c = row_conv(3, along(3, 2, 0, 0));
    c.out_size[0] = 1;
    c.out_size[1] = 6; /* one less than everything: the odd pad goes first */
    ref_conv_transpose(&c, ramp, ones, NULL, y);
    CHECK(y, 1, 3, 2, 5, 3, 3);
    c.window.auto_pad = REF_SAME_UPPER;
    ref_conv_transpose(&c, ramp, ones, NULL, y);
    CHECK(y, 1, 1, 3, 2, 5, 3);
    c.out_size[0] = c.out_size[1] = 0; /* same: 3 * stride */
    ref_conv_transpose(&c, ramp, ones, NULL, y);
    CHECK(y, 1, 1, 3, 2, 5, 3);
}

static void conv_transpose__dilates_and_groups(void **state)
{
    (void)state;
    const double x[] = {3, 5};
    const double w[] = {2, 1, 7, 0};
    double y[8];
    struct ref_conv c = row_conv(2, along(2, 1, 0, 0));
    c.window.dilation[1] = 2;
    ref_conv_transpose(&c, x, ones, NULL, y);
    CHECK(y, 3, 5, 3, 5);
    c = row_conv(1, ref_window_unit());
    c.in_channels = c.groups = 2;
    c.out_channels = 4;
    ref_conv_transpose(&c, x, w, NULL, y);
    CHECK(y, 6, 3, 35, 0);
}

/* ---- pooling ---- */

static void pool_row(const double *x, int64_t n, struct ref_window w, double *y)
{
    ref_maxpool(1, (const int64_t[]){1, n}, &w, x, y, NULL);
}

static void maxpool__never_sees_the_padding(void **state)
{
    (void)state;
    const double x[] = {-5, -3};
    double y[3];
    pool_row(x, 2, along(2, 1, 1, 1), y);
    CHECK(y, -5, -3, -3);
}

static void maxpool__rounds_up_but_not_into_the_end_padding(void **state)
{
    (void)state;
    const int64_t in[2] = {1, 5};
    int64_t out[2];
    double y[3];
    struct ref_window w = along(2, 2, 0, 0);
    w.ceil_mode = true;
    pool_row(ramp, 5, w, y);
    CHECK(y, 2, 4, 5);
    w = along(2, 3, 0, 1); /* a third window would start at 6, in the pad */
    w.ceil_mode = true;
    assert_true(ref_window_resolve(&w, in, out));
    assert_int_equal(out[1], 2);
}

static void maxpool__dilates_and_gives_the_first_index(void **state)
{
    (void)state;
    const double x[] = {1, 5, 2, 4, 2, 0, 0, 0, 0, 0};
    double y[6];
    int64_t index[6];
    struct ref_window w = along(2, 1, 0, 0);
    w.dilation[1] = 2;
    ref_maxpool(2, (const int64_t[]){1, 5}, &w, x, y, index);
    CHECK(y, 2, 5, 2, 0, 0, 0);
    const int64_t want[] = {2, 1, 2, 5, 6, 7};
    assert_memory_equal(index, want, sizeof(want));
}

static void avgpool__counts_pads_only_when_asked(void **state)
{
    (void)state;
    const int64_t in[2] = {1, 4};
    double y[3];
    struct ref_window w = along(3, 2, 1, 1);
    w.ceil_mode = true; /* the last window reaches one beyond the pad */
    ref_avgpool(1, in, &w, false, ramp, y);
    CHECK(y, 1.5, 3, 4);
    ref_avgpool(1, in, &w, true, ramp, y);
    CHECK(y, 1, 3, 2);
}

static void global_pools__take_one_value_a_plane(void **state)
{
    (void)state;
    double y[3];
    ref_global_avgpool(3, 3, ramp, y);
    CHECK(y, 2, 5, 8);
    ref_global_maxpool(3, 3, ramp, y);
    CHECK(y, 3, 6, 9);
}

/* ---- products, normalisations, reductions ---- */

static void gemm__transposes_scales_and_broadcasts_c(void **state)
{
    (void)state;
    const double a[] = {1, 3, 2, 4}; /* transposed [[1,2],[3,4]] */
    const double b[] = {5, 7, 6, 8}; /* transposed [[5,6],[7,8]] */
    const double column[] = {1, 10};
    double y[4];
    struct ref_gemm s = {.m = 2,
                         .n = 2,
                         .k = 2,
                         .trans_a = true,
                         .trans_b = true,
                         .alpha = 0.5,
                         .beta = 2,
                         .c_shape = {2, {2, 1}}};
    ref_gemm(&s, a, b, column, y);
    CHECK(y, 11.5, 13, 41.5, 45);
    s.trans_a = s.trans_b = false; /* then they read as they lie */
    ref_gemm(&s, a, b, NULL, y);
    CHECK(y, 11.5, 15.5, 17, 23);
    s = (struct ref_gemm){.m = 1, .n = 1, .k = 5, .trans_b = true, .alpha = 1};
    ref_gemm(&s, ramp, ones, NULL, y);
    CHECK(y, 15);
}

static void matmul__broadcasts_batches_and_promotes_vectors(void **state)
{
    (void)state;
    const struct ref_shape a = {4, {2, 1, 1, 2}};
    const struct ref_shape b = {3, {3, 2, 1}};
    const struct ref_shape v = {1, {2}};
    const struct ref_shape row = {2, {1, 2}};
    const double unit[] = {1, 0, 0, 1, 1, 1};
    double y[6];
    struct ref_shape s;
    assert_true(ref_matmul_shape(&a, &b, &s));
    assert_true(ref_same_shape(&s, &(struct ref_shape){4, {2, 3, 1, 1}}));
    ref_matmul(&a, ramp, &b, unit, y);
    CHECK(y, 1, 2, 3, 3, 4, 7);
    assert_true(ref_matmul_shape(&v, &v, &s));
    assert_int_equal(s.rank, 0);
    ref_matmul(&v, ramp, &v, ramp, y);
    CHECK(y, 5);
    assert_true(ref_matmul_shape(&v, &b, &s));
    assert_true(ref_same_shape(&s, &(struct ref_shape){2, {3, 1}}));
    assert_false(ref_matmul_shape(&row, &row, &s));
}

static void softmax__is_stable_and_works_on_an_inner_axis(void **state)
{
    (void)state;
    const double x[] = {1000, 1000 + log(3), 1000, 1000};
    double y[4];
    ref_softmax(1, 2, 2, false, x, y);
    CHECK(y, 0.5, 0.75, 0.5, 0.25);
    ref_softmax(2, 2, 1, false, x, y);
    CHECK(y, 0.25, 0.75, 0.5, 0.5);
    ref_softmax(1, 4, 1, true, x, y);
    CHECK(y, -log(6), -log(2), -log(6), -log(6));
}

static void norms__match_their_formulas(void **state)
{
    (void)state;
    const double x[] = {1, 3};
    const double two[] = {2, 2};
    const double one[] = {1, 1};
    const double three[] = {3, 3};
    double y[2];
    double mean;
    double inv;
    const struct ref_batchnorm b = {two, one, one, three, 1};
    ref_batchnorm(1, 2, 1, &b, x, y);
    CHECK(y, 1, 3);
    ref_instancenorm(1, 1, 2, two, one, 0, x, y);
    CHECK(y, -1, 3);
    const struct ref_layernorm l = {x, NULL, 3, &mean, &inv, false};
    ref_layernorm(1, 2, &l, x, y);
    CHECK(y, -0.5, 1.5);
    CHECK(&mean, 2);
    CHECK(&inv, 0.5);
    const struct ref_lrn r = {2, 2, 1, 1}; /* even size: the later channel */
    ref_lrn(1, 2, 1, &r, x, y);
    CHECK(y, 1.0 / 11, 3.0 / 10);
}

static void reduce__takes_any_axes(void **state)
{
    (void)state;
    const struct ref_shape s = {3, {2, 2, 2}};
    const struct ref_shape none = {2, {2, 0}};
    const double x[] = {1, -2, 3, -4, 5, -6, 7, 800};
    double y[8];
    ref_reduce(REF_REDUCE_SUM, &s, 1U << 1, x, y);
    CHECK(y, 4, -6, 12, 794);
    ref_reduce(REF_REDUCE_L1, &s, 1U << 0 | 1U << 2, x, y);
    CHECK(y, 14, 814);
    ref_reduce(REF_REDUCE_L2, &(struct ref_shape){1, {2}}, 1U, ramp + 2, y);
    CHECK(y, 5);
    ref_reduce(REF_REDUCE_MIN, &s, 7U, x, y);
    CHECK(y, -6);
    ref_reduce(REF_REDUCE_MEAN, &s, 0U, x, y);
    CHECK(y, 1, -2, 3, -4, 5, -6, 7, 800);
    ref_reduce(REF_REDUCE_PROD, &none, 1U << 1, x, y);
    CHECK(y, 1, 1);
    ref_reduce(REF_REDUCE_LOG_SUM_EXP, &(struct ref_shape){1, {2}}, 1U,
               (const double[]){1000, 1000}, y);
    CHECK(y, 1000 + log(2));
}

static void argmax__breaks_ties_as_asked(void **state)
{
    (void)state;
    const double x[] = {3, 1, 3, 1, 0, 0}; /* [3][2]: columns 3 3 0, 1 1 0 */
    int64_t y[2];
    ref_argmax(1, 3, 2, false, false, x, y);
    assert_true(y[0] == 0 && y[1] == 0);
    ref_argmax(1, 3, 2, false, true, x, y);
    assert_true(y[0] == 1 && y[1] == 1);
    ref_argmax(1, 3, 2, true, false, x, y);
    assert_true(y[0] == 2 && y[1] == 2);
}

/* ---- elementwise ---- */

static void unary__matches_its_formula(void **state)
{
    (void)state;
    static const struct {
        enum ref_unary_op op;
        double p, q, x, want;
    } rows[] = {
        {REF_RELU, 0, 0, -1, 0},
        {REF_RELU, 0, 0, NAN, NAN},
        {REF_LEAKY_RELU, 0.1, 0, -2, -0.2},
        {REF_CLIP, -1, 6, 7, 6},
        {REF_CLIP, 5, 3, 4, 3}, /* max below min: max wins */
        {REF_SIGMOID, 0, 0, 0, 0.5},
        {REF_SIGMOID, 0, 0, -1000, 0},
        {REF_HARD_SIGMOID, 0.2, 0.5, 1, 0.7},
        {REF_HARD_SIGMOID, 0.2, 0.5, 9, 1},
        {REF_HARD_SWISH, 0, 0, 3, 3},
        {REF_HARD_SWISH, 0, 0, 1, 2.0 / 3},
        {REF_HARD_SWISH, 0, 0, -4, 0},
        {REF_TANH, 0, 0, 0.54930614433405489, 0.5},
        {REF_ERF, 0, 0, 1, 0.84270079294971487},
        {REF_ELU, 2, 0, -0.69314718055994531, -1},
        {REF_CELU, 2, 0, -1.3862943611198906, -1},
        {REF_SELU, 2, 3, -0.69314718055994531, -3},
        {REF_SELU, 2, 3, 2, 6},
        {REF_GELU, 0, 0, 1, 0.84134474606854293},
        {REF_GELU_TANH, 0, 0, 1, 0.84119199060827676},
        {REF_SOFTPLUS, 0, 0, 1000, 1000},
        {REF_SOFTSIGN, 0, 0, -3, -0.75},
        {REF_THRESHOLDED_RELU, 2, 0, 2, 0},
        {REF_SIGN, 0, 0, -0.5, -1},
        {REF_RECIPROCAL, 0, 0, 4, 0.25},
        {REF_ROUND, 0, 0, 2.5, 2},
        {REF_ROUND, 0, 0, -1.5, -2},
        {REF_CEIL, 0, 0, -1.5, -1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const double got =
            ref_unary(rows[i].op, rows[i].p, rows[i].q, rows[i].x);
        check(&got, &rows[i].want, 1);
    }
}

static void binary__broadcasts_both_ways(void **state)
{
    (void)state;
    const struct ref_shape column = {2, {2, 1}};
    const struct ref_shape row = {1, {3}};
    const struct ref_shape pair = {1, {2}};
    const struct ref_shape scalar = {0, {0}};
    struct ref_shape s;
    double y[6];
    ref_binary(REF_SUB, &column, ramp, &row, ramp, y);
    CHECK(y, 0, -1, -2, 1, 0, -1);
    ref_binary(REF_POW, &row, ramp, &scalar, ramp + 1, y);
    CHECK(y, 1, 4, 9);
    assert_false(ref_broadcast(&row, &pair, &s));
    assert_true(ref_broadcast(&row, &(struct ref_shape){1, {1}}, &s));
    assert_int_equal(s.dim[0], 3);
}

static void binary__treats_nan_sign_and_overflow_as_specified(void **state)
{
    (void)state;
    double y = ref_binary_one(REF_MAX, NAN, 1);
    CHECK(&y, NAN);
    y = ref_binary_one(REF_MIN, 1, NAN);
    CHECK(&y, NAN);
    y = ref_binary_one(REF_PRELU, -2, 0.25);
    CHECK(&y, -0.5);
    y = ref_binary_one(REF_FMOD, -7, 3);
    CHECK(&y, -1);
    assert_int_equal(ref_binary_int(REF_MOD, -7, 3), 2);
    assert_int_equal(ref_binary_int(REF_FMOD, -7, 3), -1);
    assert_int_equal(ref_binary_int(REF_DIV, -7, 2), -3);
    assert_true(ref_binary_int(REF_DIV, INT64_MIN, -1) == INT64_MIN);
    assert_true(ref_binary_int(REF_ADD, INT64_MAX, 1) == INT64_MIN);
}

/* ---- movement ---- */

static void transpose__permutes(void **state)
{
    (void)state;
    const struct ref_shape s = {3, {1, 2, 3}};
    double y[6];
    ref_transpose(&s, (const int64_t[]){2, 0, 1}, ramp, y);
    CHECK(y, 1, 4, 2, 5, 3, 6);
}

static void slice__clamps_like_numpy_and_runs_backwards(void **state)
{
    (void)state;
    const struct ref_shape in = {1, {5}};
    struct ref_shape out = {1, {0}};
    double y[5];
    int64_t start = -1;
    int64_t step = -2;
    out.dim[0] = ref_slice_axis(5, &start, INT64_MIN, step);
    assert_int_equal(out.dim[0], 3);
    ref_slice(&in, &start, &step, &out, ramp, y);
    CHECK(y, 5, 3, 1);
    start = -9;
    assert_int_equal(ref_slice_axis(5, &start, INT64_MAX, 2), 3);
    assert_int_equal(start, 0);
    start = 9;
    assert_int_equal(ref_slice_axis(5, &start, 99, 1), 0);
    start = 9;
    assert_int_equal(ref_slice_axis(5, &start, -4, -1), 3); /* 4 3 2 */
    start = 4;
    assert_int_equal(ref_slice_axis(5, &start, 0, INT64_MIN), 1);
    start = 0;
    assert_int_equal(ref_slice_axis(0, &start, 1, 1), 0);
}

static void concat__and_split_are_inverse(void **state)
{
    (void)state;
    const double a[] = {1, 4};
    const double b[] = {2, 3, 5, 6};
    const int64_t inner[] = {1, 2};
    double y[6];
    double a_too[2];
    double b_too[4];
    ref_concat(2, 2, inner, (const void *const[]){a, b}, y);
    CHECK(y, 1, 2, 3, 4, 5, 6);
    ref_split(2, 2, inner, y, (void *const[]){a_too, b_too});
    CHECK(a_too, 1, 4);
    CHECK(b_too, 2, 3, 5, 6);
}

static void gather__counts_from_the_end_and_refuses_beyond(void **state)
{
    (void)state;
    double y[4];
    assert_true(ref_gather(2, 3, 1, (const int64_t[]){-1, 0}, 2, ramp, y));
    CHECK(y, 3, 1, 6, 4);
    assert_false(ref_gather(2, 3, 1, (const int64_t[]){3}, 1, ramp, y));
    assert_false(ref_gather(2, 3, 1, (const int64_t[]){-4}, 1, ramp, y));
}

static void where__broadcasts_all_three(void **state)
{
    (void)state;
    const struct ref_shape column = {2, {2, 1}};
    const struct ref_shape row = {1, {2}};
    const struct ref_shape scalar = {0, {0}};
    const struct ref_shape out = {2, {2, 2}};
    const double minus = -1;
    double y[4];
    ref_where(&column, (const int64_t[]){1, 0}, &row, ramp, &scalar, &minus,
              &out, y);
    CHECK(y, 1, 2, -1, -1);
}

static void pad__has_four_modes_and_crops(void **state)
{
    (void)state;
    const struct ref_shape in = {1, {3}};
    const struct ref_shape out = {1, {8}};
    const int64_t begin = 3;
    const double nine = 9;
    double y[8];
    ref_pad(&in, &begin, &out, REF_PAD_CONSTANT, &nine, ramp, y);
    CHECK(y, 9, 9, 9, 1, 2, 3, 9, 9);
    ref_pad(&in, &begin, &out, REF_PAD_REFLECT, &nine, ramp, y);
    CHECK(y, 2, 3, 2, 1, 2, 3, 2, 1); /* period 4 */
    ref_pad(&in, &begin, &out, REF_PAD_EDGE, &nine, ramp, y);
    CHECK(y, 1, 1, 1, 1, 2, 3, 3, 3);
    ref_pad(&in, &begin, &out, REF_PAD_WRAP, &nine, ramp, y);
    CHECK(y, 1, 2, 3, 1, 2, 3, 1, 2);
    ref_pad(&in, (const int64_t[]){-1}, &(struct ref_shape){1, {3}},
            REF_PAD_CONSTANT, &nine, ramp, y);
    CHECK(y, 2, 3, 9);
}

/* ---- resize ---- */

/* One axis of n_in to n_out by scale (0: their ratio). */
static void resize_row(struct ref_resize s, const double *x, int64_t n_in,
                       int64_t n_out, double scale, double *y)
{
    s.scale[0] = scale > 0 ? scale : (double)n_out / (double)n_in;
    ref_resize(&s, &(struct ref_shape){1, {n_in}},
               &(struct ref_shape){1, {n_out}}, x, y);
}

static void resize__rounds_nearest_in_all_modes(void **state)
{
    (void)state;
    const double x[] = {10, 20};
    double y[4];
    struct ref_resize s = {.mode = REF_INTERPOLATE_NEAREST};
    resize_row(s, x, 2, 3, 0, y); /* at -1/6, 1/2, 7/6 */
    CHECK(y, 10, 10, 20);
    s.nearest = REF_ROUND_PREFER_CEIL;
    resize_row(s, x, 2, 3, 0, y);
    CHECK(y, 10, 20, 20);
    s.nearest = REF_FLOOR_PIXEL;
    resize_row(s, x, 2, 3, 0, y);
    CHECK(y, 10, 10, 20);
    s.nearest = REF_CEIL_PIXEL;
    resize_row(s, x, 2, 3, 0, y);
    CHECK(y, 10, 20, 20);
    s.coordinate = REF_TF_HALF_PIXEL_FOR_NN;
    s.nearest = REF_FLOOR_PIXEL;
    resize_row(s, x, 2, 4, 0, y);
    CHECK(y, 10, 10, 20, 20);
    s.coordinate = REF_ASYMMETRIC;
    s.nearest = REF_NEAREST_SIMPLE;
    resize_row(s, ramp, 4, 2, (double)0.6F, y); /* at 0 and 1.67: up */
    CHECK(y, 1, 3);
    resize_row(s, x, 2, 3, 1.5, y); /* at 0, 0.67, 1.33: down */
    CHECK(y, 10, 10, 20);
}

static void resize__takes_float_scales_at_their_word(void **state)
{
    (void)state;
    double y[4];
    struct ref_resize s = {.mode = REF_INTERPOLATE_NEAREST,
                           .coordinate = REF_ASYMMETRIC,
                           .nearest = REF_FLOOR_PIXEL};
    assert_int_equal(ref_resize_extent(10, (double)0.7F), 7);
    assert_int_equal(ref_resize_extent(4, (double)0.6F), 2);
    resize_row(s, ramp, 6, 4, (double)0.6F, y); /* 3 / 0.6 is 5, not 4.99 */
    CHECK(y, 1, 2, 4, 6);
}

static void resize__interpolates_in_all_coordinates(void **state)
{
    (void)state;
    const double x[] = {0, 10, 20, 30};
    double y[4];
    struct ref_resize s = {.mode = REF_INTERPOLATE_LINEAR};
    resize_row(s, x, 2, 4, 0, y);
    CHECK(y, 0, 2.5, 7.5, 10);
    resize_row(s, x, 4, 1, 0, y);
    CHECK(y, 15);
    s.coordinate = REF_PYTORCH_HALF_PIXEL;
    resize_row(s, x, 4, 1, 0, y);
    CHECK(y, 0);
    s.coordinate = REF_ALIGN_CORNERS;
    resize_row(s, x, 2, 3, 0, y);
    CHECK(y, 0, 5, 10);
    resize_row(s, x, 4, 1, 0, y);
    CHECK(y, 0);
    s.coordinate = REF_ASYMMETRIC;
    resize_row(s, x, 2, 4, 0, y);
    CHECK(y, 0, 5, 10, 10);
    s.coordinate = REF_HALF_PIXEL_SYMMETRIC;
    resize_row(s, x, 4, 2, 0.6, y); /* at 2/3 and 7/3, symmetric about 1.5 */
    CHECK(y, 20.0 / 3, 70.0 / 3);
    s.coordinate = REF_TF_CROP_AND_RESIZE;
    s.roi_end[0] = 2; /* to twice the extent: outside */
    s.extrapolation = 99;
    resize_row(s, x, 4, 2, 0, y);
    CHECK(y, 0, 99);
    s.roi_start[0] = 1.0 / 3;
    s.roi_end[0] = 2.0 / 3;
    resize_row(s, x, 4, 3, 0, y);
    CHECK(y, 10, 15, 20);
    resize_row(s, x, 4, 1, 0, y);
    CHECK(y, 15);
}

static void resize__weighs_cubic_and_antialiased_taps(void **state)
{
    (void)state;
    const double x[] = {0, 10, 20, 30};
    const double impulse[] = {0, 1, 0, 0};
    double y[8];
    struct ref_resize s = {.mode = REF_INTERPOLATE_CUBIC,
                           .coordinate = REF_ASYMMETRIC,
                           .cubic_a = -0.75};
    resize_row(s, impulse, 4, 8, 0, y); /* by the kernel at 0.5 and 1.5 */
    check(y + 2, (const double[]){1, 0.59375, 0, -0.09375}, 4);
    s.exclude_outside = true;
    resize_row(s, x, 2, 4, 0, y);
    check(y + 1, (const double[]){5}, 1);
    s = (struct ref_resize){.mode = REF_INTERPOLATE_LINEAR, .antialias = true};
    resize_row(s, x, 4, 2, 0, y); /* (1 3 3 1) / 8, the edge repeated */
    CHECK(y, 6.25, 23.75);
}

static void resize__works_on_every_axis(void **state)
{
    (void)state;
    const struct ref_shape in = {3, {1, 2, 2}};
    const struct ref_shape out = {3, {1, 3, 4}};
    struct ref_resize s = {.mode = REF_INTERPOLATE_LINEAR,
                           .coordinate = REF_ALIGN_CORNERS,
                           .scale = {1, 1.5, 2}};
    double y[12];
    ref_resize(&s, &in, &out, (const double[]){0, 3, 6, 9}, y);
    CHECK(y, 0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9);
}

/* ---- tensors and models ---- */

static void random__is_the_documented_generator(void **state)
{
    (void)state;
    const struct ref_shape s = {1, {2}};
    struct ref_tensor *t = ref_tensor_new(REF_F32, &s);
    ref_tensor_random(t, 0, 0);
    /* splitmix64(0) is the generator's published first value,
     * 0xE220A8397B1DCDAF */
    CHECK(t->data, (double)0xE220A8 / 8388608 - 1);
    const double second = ((double *)t->data)[1];
    ref_tensor_random(t, 0, 1);
    assert_true(*(double *)t->data != second);
    ref_tensor_free(t);
    t = ref_tensor_new(REF_I64, &s);
    ref_tensor_random(t, 0, 0);
    assert_int_equal(*(int64_t *)t->data, 0xE220A8 % 128);
    ref_tensor_free(t);
}

/* A name in the build folder that no other process uses. */
static void temp_path(char *path, size_t cap, const char *ending)
{
    snprintf(path, cap, "test_reference.%ld%s", (long)getpid(), ending);
}

static void npy__reads_what_it_writes(void **state)
{
    (void)state;
    char path[64];
    struct ref_error err;
    const struct ref_shape shapes[] = {{0, {0}}, {1, {3}}, {3, {2, 1, 2}}};
    const enum ref_type types[] = {REF_F32, REF_I64, REF_BOOL};
    temp_path(path, sizeof(path), ".npy");
    for (int i = 0; i < 9; i++) {
        struct ref_tensor *t = ref_tensor_new(types[i % 3], &shapes[i / 3]);
        ref_tensor_random(t, 7, 0);
        assert_true(ref_tensor_write_npy(path, t));
        struct ref_tensor *u = ref_tensor_read(path, &err);
        assert_non_null(u);
        assert_int_equal(u->type, t->type);
        assert_true(ref_same_shape(&u->shape, &t->shape));
        assert_memory_equal(u->data, t->data, (size_t)ref_count(&t->shape) * 8);
        ref_tensor_free(t);
        ref_tensor_free(u);
    }
    remove(path);
}

static void match__follows_each_rule(void **state)
{
    (void)state;
    const struct ref_shape s = {1, {2}};
    struct ref_tensor *want = ref_tensor_new(REF_F32, &s);
    struct ref_tensor *got = ref_tensor_new(REF_F32, &s);
    double worst;
    struct ref_tolerance tol = {REF_TOL_ONNX, 0, 0};
    memcpy(want->data, (const double[]){100, 0.1}, 16);
    memcpy(got->data, (const double[]){100, 0.105}, 16);
    assert_false(ref_tensor_match(got, want, &tol, &worst));
    assert_float_equal(worst, 5e-5, 1e-9);
    tol = (struct ref_tolerance){REF_TOL_CLOSE, 1e-3, 1e-4};
    assert_true(ref_tensor_match(got, want, &tol, &worst));
    memcpy(got->data, (const double[]){NAN, 0.1}, 16);
    assert_false(ref_tensor_match(got, want, &tol, &worst));
    memcpy(got->data, (const double[]){3, 2}, 16);
    tol.rule = REF_TOL_TOP1;
    assert_true(ref_tensor_match(got, want, &tol, &worst));
    got->shape.rank = 0;
    assert_false(ref_tensor_match(got, want, &tol, &worst));
    ref_tensor_free(got);
    ref_tensor_free(want);
}

/* A model x -> op(x, w) -> y with an initializer w that is also listed as an
 * input, as old exporters do. */
static struct ref_graph *load_one(const char *op_type, size_t cut,
                                  struct ref_error *err)
{
    char *in_names[] = {"x", "w"};
    char *out_names[] = {"y"};
    float data[] = {10, 20};
    int64_t dims[] = {2};
    uint8_t bytes[1024];
    char path[64];
    char op[32];
    snprintf(op, sizeof(op), "%s", op_type);
    Onnx__NodeProto node = ONNX__NODE_PROTO__INIT;
    node.n_input = 2;
    node.input = in_names;
    node.n_output = 1;
    node.output = out_names;
    node.op_type = op;
    node.name = "only";
    Onnx__TensorProto w = ONNX__TENSOR_PROTO__INIT;
    w.name = in_names[1];
    w.has_data_type = 1;
    w.data_type = REF_F32;
    w.n_dims = 1;
    w.dims = dims;
    w.n_float_data = 2;
    w.float_data = data;
    Onnx__ValueInfoProto x_info = ONNX__VALUE_INFO_PROTO__INIT;
    Onnx__ValueInfoProto w_info = ONNX__VALUE_INFO_PROTO__INIT;
    Onnx__ValueInfoProto y_info = ONNX__VALUE_INFO_PROTO__INIT;
    x_info.name = in_names[0];
    w_info.name = in_names[1];
    y_info.name = out_names[0];
    Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
    graph.n_node = 1;
    graph.node = (Onnx__NodeProto *[]){&node};
    graph.n_initializer = 1;
    graph.initializer = (Onnx__TensorProto *[]){&w};
    graph.n_input = 2;
    graph.input = (Onnx__ValueInfoProto *[]){&w_info, &x_info};
    graph.n_output = 1;
    graph.output = (Onnx__ValueInfoProto *[]){&y_info};
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT;
    opset.has_version = 1;
    opset.version = 13;
    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
    model.graph = &graph;
    model.n_opset_import = 1;
    model.opset_import = (Onnx__OperatorSetIdProto *[]){&opset};
    assert_true(onnx__model_proto__get_packed_size(&model) < sizeof(bytes));
    const size_t len = onnx__model_proto__pack(&model, bytes);
    temp_path(path, sizeof(path), ".onnx");
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, len - cut, f), len - cut);
    assert_int_equal(fclose(f), 0);
    struct ref_graph *g = ref_graph_load(path, err);
    remove(path);
    return g;
}

static void graph__runs_with_an_initializer_listed_as_input(void **state)
{
    (void)state;
    struct ref_error err;
    struct ref_graph *g = load_one("Sub", 0, &err);
    assert_non_null(g);
    assert_int_equal(ref_graph_n_inputs(g), 1);
    assert_string_equal(ref_graph_input_name(g, 0), "x");
    struct ref_tensor *x =
        ref_tensor_new(REF_F32, &(struct ref_shape){2, {2, 1}});
    memcpy(x->data, ramp, 16);
    for (int i = 0; i < 2; i++) { /* a second run finds nothing left over */
        struct ref_tensor *y = NULL;
        assert_true(
            ref_graph_run(g, (const struct ref_tensor *[]){x}, &y, &err));
        assert_true(ref_same_shape(&y->shape, &(struct ref_shape){2, {2, 2}}));
        CHECK(y->data, -9, -19, -8, -18);
        ref_tensor_free(y);
    }
    ref_tensor_free(x);
    ref_graph_free(g);
}

static void graph__names_the_node_it_cannot_run(void **state)
{
    (void)state;
    struct ref_error err = {"", false};
    struct ref_tensor *y = NULL;
    struct ref_tensor *x = ref_tensor_new(REF_F32, &(struct ref_shape){1, {3}});
    struct ref_graph *g = load_one("Frobnicate", 0, &err);
    assert_non_null(g);
    assert_false(ref_graph_run(g, (const struct ref_tensor *[]){x}, &y, &err));
    assert_true(err.is_unsupported);
    assert_non_null(strstr(err.text, "only"));
    assert_non_null(strstr(err.text, "Frobnicate"));
    assert_null(y);
    ref_graph_free(g);
    g = load_one("Add", 0, &err); /* shapes 3 and 2 */
    assert_non_null(g);
    assert_false(ref_graph_run(g, (const struct ref_tensor *[]){x}, &y, &err));
    assert_false(err.is_unsupported);
    assert_non_null(strstr(err.text, "only"));
    ref_graph_free(g);
    ref_tensor_free(x);
}

static void graph__refuses_a_truncated_file(void **state)
{
    (void)state;
    struct ref_error err;
    assert_null(load_one("Add", 1, &err));
    assert_null(ref_graph_load("no/such/file.onnx", &err));
    assert_non_null(strstr(err.text, "no/such/file.onnx"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv__pads_with_zeros_on_all_sides),
        cmocka_unit_test(conv__puts_the_odd_pad_where_auto_pad_says),
        cmocka_unit_test(conv__strides_over_unequal_pads),
        cmocka_unit_test(conv__dilates),
        cmocka_unit_test(conv__keeps_groups_apart_and_images_too),
        cmocka_unit_test(conv__is_right_across_its_blocks),
        cmocka_unit_test(window__that_does_not_fit_is_refused),
        cmocka_unit_test(conv_transpose__crops_pads_and_appends_output_padding),
        cmocka_unit_test(conv_transpose__splits_the_pads_of_output_shape),
        cmocka_unit_test(conv_transpose__dilates_and_groups),
        cmocka_unit_test(maxpool__never_sees_the_padding),
        cmocka_unit_test(maxpool__rounds_up_but_not_into_the_end_padding),
        cmocka_unit_test(maxpool__dilates_and_gives_the_first_index),
        cmocka_unit_test(avgpool__counts_pads_only_when_asked),
        cmocka_unit_test(global_pools__take_one_value_a_plane),
        cmocka_unit_test(gemm__transposes_scales_and_broadcasts_c),
        cmocka_unit_test(matmul__broadcasts_batches_and_promotes_vectors),
        cmocka_unit_test(softmax__is_stable_and_works_on_an_inner_axis),
        cmocka_unit_test(norms__match_their_formulas),
        cmocka_unit_test(reduce__takes_any_axes),
        cmocka_unit_test(argmax__breaks_ties_as_asked),
        cmocka_unit_test(unary__matches_its_formula),
        cmocka_unit_test(binary__broadcasts_both_ways),
        cmocka_unit_test(binary__treats_nan_sign_and_overflow_as_specified),
        cmocka_unit_test(transpose__permutes),
        cmocka_unit_test(slice__clamps_like_numpy_and_runs_backwards),
        cmocka_unit_test(concat__and_split_are_inverse),
        cmocka_unit_test(gather__counts_from_the_end_and_refuses_beyond),
        cmocka_unit_test(where__broadcasts_all_three),
        cmocka_unit_test(pad__has_four_modes_and_crops),
        cmocka_unit_test(resize__rounds_nearest_in_all_modes),
        cmocka_unit_test(resize__takes_float_scales_at_their_word),
        cmocka_unit_test(resize__interpolates_in_all_coordinates),
        cmocka_unit_test(resize__weighs_cubic_and_antialiased_taps),
        cmocka_unit_test(resize__works_on_every_axis),
        cmocka_unit_test(random__is_the_documented_generator),
        cmocka_unit_test(npy__reads_what_it_writes),
        cmocka_unit_test(match__follows_each_rule),
        cmocka_unit_test(graph__runs_with_an_initializer_listed_as_input),
        cmocka_unit_test(graph__names_the_node_it_cannot_run),
        cmocka_unit_test(graph__refuses_a_truncated_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
