/* reference.h - ONNX operators in double precision, the naive way, for tests.
 * Written from the operator specification (opsets 7 to 22) and shared with
 * nothing: the compiler and the runtime are judged against it.
 *
 * Arrays are dense, row-major (N, C, H, W) and owned by the caller; dst never
 * aliases src. Sizes are elements. Arguments are trusted: a bad one is a bug of
 * the test. Reentrant; temporaries come from ref_alloc. */
#ifndef FLEXC_TESTS_REFERENCE_H
#define FLEXC_TESTS_REFERENCE_H

#include <stdbool.h>
#include <stdint.h>

enum { REF_MAX_RANK = 8 };

struct ref_shape {
    int rank;
    int64_t dim[REF_MAX_RANK];
};

/* n zeroed elements of 8 bytes, at least one; free() it. Ends the program when
 * memory runs out: a test has nothing better to do. */
void *ref_alloc(int64_t n);

/* Product of dims [from, to); 1 when empty. */
int64_t ref_span(const struct ref_shape *s, int from, int to);
int64_t ref_count(const struct ref_shape *s);
bool ref_same_shape(const struct ref_shape *a, const struct ref_shape *b);

/* ---- windows: convolution and pooling ---- */

enum ref_auto_pad {
    REF_NOTSET,
    REF_SAME_UPPER,
    REF_SAME_LOWER,
    REF_VALID,
    REF_N_AUTO_PADS
};

/* Axis 0 is H, axis 1 is W; 1-D data is H = 1 with kernel 1. */
struct ref_window {
    int64_t kernel[2];
    int64_t stride[2];
    int64_t dilation[2];
    int64_t pad[4]; /* top, left, bottom, right: the order of ONNX `pads` */
    enum ref_auto_pad auto_pad;
    bool ceil_mode;
};

/* A 1x1 window of stride 1 without padding. */
struct ref_window ref_window_unit(void);

/* Replaces auto_pad by explicit pads and computes the output extents. With
 * ceil_mode a last window that would start in the end padding is dropped.
 * False if a window does not fit in the padded input. */
bool ref_window_resolve(struct ref_window *w, const int64_t in[2],
                        int64_t out[2]);

struct ref_conv {
    int64_t n;
    int64_t in_channels;
    int64_t in[2];
    int64_t out_channels;
    int64_t groups;
    struct ref_window window;
    int64_t out_pad[2];  /* ConvTranspose only */
    int64_t out_size[2]; /* ConvTranspose output_shape; 0, 0 = absent */
};

/* x[n][in_channels][in], w[out_channels][in_channels/groups][kernel],
 * bias[out_channels] or NULL; y's extents are those of ref_window_resolve.
 * About 1e9 multiply-adds per second. */
void ref_conv(const struct ref_conv *s, const double *x, const double *w,
              const double *bias, double *y);

/* Output extents of ConvTranspose; turns auto_pad and output_shape into pads.
 * False if an extent is not positive. */
bool ref_conv_transpose_resolve(struct ref_conv *s, int64_t out[2]);

/* w[in_channels][out_channels/groups][kernel]. */
void ref_conv_transpose(const struct ref_conv *s, const double *x,
                        const double *w, const double *bias, double *y);

/* x[planes][in]; planes = N * C. index (or NULL) gets ONNX's Indices: the
 * row-major position in x of each maximum, the first among equals. */
void ref_maxpool(int64_t planes, const int64_t in[2],
                 const struct ref_window *window, const double *x, double *y,
                 int64_t *index);
void ref_avgpool(int64_t planes, const int64_t in[2],
                 const struct ref_window *window, bool count_include_pad,
                 const double *x, double *y);
void ref_global_avgpool(int64_t planes, int64_t size, const double *x,
                        double *y);
void ref_global_maxpool(int64_t planes, int64_t size, const double *x,
                        double *y);

/* ---- products and normalisations ---- */

/* y[m][n] = alpha * A B + beta * C; A is a[m][k] (a[k][m] if trans_a), B is
 * b[k][n] (b[n][k] if trans_b), c broadcasts to [m][n]; c may be NULL. */
struct ref_gemm {
    int64_t m;
    int64_t n;
    int64_t k;
    bool trans_a;
    bool trans_b;
    double alpha;
    double beta;
    struct ref_shape c_shape;
};
void ref_gemm(const struct ref_gemm *s, const double *a, const double *b,
              const double *c, double *y);

/* numpy.matmul: batch dimensions broadcast, 1-D operands are promoted and the
 * added dimension is dropped. False if the shapes do not match. */
bool ref_matmul_shape(const struct ref_shape *a, const struct ref_shape *b,
                      struct ref_shape *y);
void ref_matmul(const struct ref_shape *a_shape, const double *a,
                const struct ref_shape *b_shape, const double *b, double *y);

/* x[outer][len][inner], over len. Opset < 13: inner is 1 and len runs from
 * axis to the end (coerced to 2-D). */
void ref_softmax(int64_t outer, int64_t len, int64_t inner, bool is_log,
                 const double *x, double *y);

/* x[n][c][size]; inference form. */
struct ref_batchnorm {
    const double *scale;
    const double *bias;
    const double *mean;
    const double *var;
    double epsilon;
};
void ref_batchnorm(int64_t n, int64_t c, int64_t size,
                   const struct ref_batchnorm *s, const double *x, double *y);
void ref_instancenorm(int64_t n, int64_t c, int64_t size, const double *scale,
                      const double *bias, double epsilon, const double *x,
                      double *y);
/* x[outer][inner]; scale[inner], bias[inner] or NULL; mean and inv_std_dev
 * [outer], each or NULL, receive the statistics. is_rms: RMSNormalization,
 * whose mean is 0. */
struct ref_layernorm {
    const double *scale;
    const double *bias;
    double epsilon;
    double *mean;
    double *inv_std_dev;
    bool is_rms;
};
void ref_layernorm(int64_t outer, int64_t inner, const struct ref_layernorm *s,
                   const double *x, double *y);

struct ref_lrn {
    int64_t size; /* channels in the window */
    double alpha;
    double beta;
    double bias;
};
void ref_lrn(int64_t n, int64_t c, int64_t size, const struct ref_lrn *s,
             const double *x, double *y);

/* ---- elementwise ---- */

/* p and q are the operator's parameters, in the order noted. */
enum ref_unary_op {
    REF_RELU,
    REF_LEAKY_RELU, /* alpha */
    REF_CLIP,       /* min, max: min(max, max(x, min)) */
    REF_SIGMOID,
    REF_HARD_SIGMOID, /* alpha, beta */
    REF_HARD_SWISH,
    REF_TANH,
    REF_EXP,
    REF_SQRT,
    REF_ERF,
    REF_ELU,       /* alpha */
    REF_CELU,      /* alpha */
    REF_SELU,      /* alpha, gamma */
    REF_GELU,      /* exact, by erf */
    REF_GELU_TANH, /* approximate="tanh" */
    REF_MISH,
    REF_SOFTPLUS,
    REF_SOFTSIGN,
    REF_THRESHOLDED_RELU, /* alpha */
    REF_NEG,
    REF_ABS,
    REF_SIGN,
    REF_LOG,
    REF_RECIPROCAL,
    REF_FLOOR,
    REF_CEIL,
    REF_ROUND, /* half to even */
    REF_SIN,
    REF_COS,
    REF_IDENTITY
};
double ref_unary(enum ref_unary_op op, double p, double q, double x);
void ref_unary_all(enum ref_unary_op op, double p, double q, int64_t n,
                   const double *x, double *y);

enum ref_binary_op {
    REF_ADD,
    REF_SUB,
    REF_MUL,
    REF_DIV,
    REF_POW,
    REF_MIN, /* a NaN in either operand wins */
    REF_MAX,
    REF_PRELU, /* x, slope */
    REF_MOD,   /* fmod=0: sign of the divisor */
    REF_FMOD,
    REF_EQUAL, /* these give 0 or 1 */
    REF_LESS,
    REF_LESS_EQUAL,
    REF_GREATER,
    REF_GREATER_EQUAL,
    REF_AND,
    REF_OR,
    REF_XOR
};
double ref_binary_one(enum ref_binary_op op, double a, double b);

/* The same on integers: division truncates, x / 0 gives 0. */
int64_t ref_binary_int(enum ref_binary_op op, int64_t a, int64_t b);

/* numpy broadcasting. False if the shapes do not match. */
bool ref_broadcast(const struct ref_shape *a, const struct ref_shape *b,
                   struct ref_shape *y);
void ref_binary(enum ref_binary_op op, const struct ref_shape *a_shape,
                const double *a, const struct ref_shape *b_shape,
                const double *b, double *y);

/* ---- movement: elements are 8 bytes, double or int64_t ---- */

/* dst[i...] = src[offset + sum(i * stride)] over `out`; stride in elements. */
void ref_strided(const struct ref_shape *out, const int64_t *stride,
                 int64_t offset, const void *src, void *dst);
void ref_transpose(const struct ref_shape *in, const int64_t *perm,
                   const void *src, void *dst);
/* `in` broadcasts to `out`. */
void ref_expand(const struct ref_shape *in, const struct ref_shape *out,
                const void *src, void *dst);
/* cond is not 0 ? a : b; all three broadcast to `out`. */
void ref_where(const struct ref_shape *cond_shape, const int64_t *cond,
               const struct ref_shape *a_shape, const void *a,
               const struct ref_shape *b_shape, const void *b,
               const struct ref_shape *out, void *dst);
/* n parts src[i][outer][inner[i]] <-> dst[outer][sum of inner]. */
void ref_concat(int64_t outer, int64_t n, const int64_t *inner,
                const void *const *src, void *dst);
void ref_split(int64_t outer, int64_t n, const int64_t *inner, const void *src,
               void *const *dst);
/* Clamps one axis by the rules of Slice: negative values count from the end.
 * Returns the count; *start is then a position (of the last element if step
 * is negative). step is not 0. */
int64_t ref_slice_axis(int64_t dim, int64_t *start, int64_t end, int64_t step);
void ref_slice(const struct ref_shape *in, const int64_t *start,
               const int64_t *step, const struct ref_shape *out,
               const void *src, void *dst);
/* src[outer][dim][inner] -> dst[outer][n][inner]; negative indices count from
 * the end. False, dst undefined, if one is outside [-dim, dim). */
bool ref_gather(int64_t outer, int64_t dim, int64_t inner,
                const int64_t *indices, int64_t n, const void *src, void *dst);

enum ref_pad_mode {
    REF_PAD_CONSTANT,
    REF_PAD_REFLECT,
    REF_PAD_EDGE,
    REF_PAD_WRAP,
    REF_N_PAD_MODES
};
/* begin[axis] may be negative (crops); value points to one element. */
void ref_pad(const struct ref_shape *in, const int64_t *begin,
             const struct ref_shape *out, enum ref_pad_mode mode,
             const void *value, const void *src, void *dst);

/* ---- reductions ---- */

enum ref_reduce_op {
    REF_REDUCE_SUM,
    REF_REDUCE_MEAN,
    REF_REDUCE_MAX,
    REF_REDUCE_MIN,
    REF_REDUCE_PROD,
    REF_REDUCE_L1,
    REF_REDUCE_L2,
    REF_REDUCE_SUM_SQUARE,
    REF_REDUCE_LOG_SUM,
    REF_REDUCE_LOG_SUM_EXP
};
/* axes: bit i set = dimension i is reduced. y has the kept dimensions. */
void ref_reduce(enum ref_reduce_op op, const struct ref_shape *in,
                unsigned axes, const double *x, double *y);
/* x[outer][len][inner] -> y[outer][inner]. */
void ref_argmax(int64_t outer, int64_t len, int64_t inner, bool is_min,
                bool select_last, const double *x, int64_t *y);

/* ---- resize ---- */

enum ref_coordinate {
    REF_HALF_PIXEL,
    REF_HALF_PIXEL_SYMMETRIC,
    REF_PYTORCH_HALF_PIXEL,
    REF_ALIGN_CORNERS,
    REF_ASYMMETRIC,
    REF_TF_HALF_PIXEL_FOR_NN,
    REF_TF_CROP_AND_RESIZE,
    REF_N_COORDINATES
};
enum ref_nearest {
    REF_ROUND_PREFER_FLOOR,
    REF_ROUND_PREFER_CEIL,
    REF_FLOOR_PIXEL,
    REF_CEIL_PIXEL,
    REF_N_NEAREST,
    /* Upsample and Resize 10, which do not say: floor, or ceil on an axis
     * that shrinks, as ONNX Runtime does */
    REF_NEAREST_SIMPLE = REF_N_NEAREST
};
enum ref_interpolation {
    REF_INTERPOLATE_NEAREST,
    REF_INTERPOLATE_LINEAR,
    REF_INTERPOLATE_CUBIC,
    REF_N_INTERPOLATIONS
};
struct ref_resize {
    enum ref_interpolation mode;
    enum ref_coordinate coordinate;
    enum ref_nearest nearest;
    double cubic_a;
    bool exclude_outside;
    bool antialias;
    double extrapolation;
    double scale[REF_MAX_RANK];     /* out / in, or as given */
    double roi_start[REF_MAX_RANK]; /* tf_crop_and_resize: fractions */
    double roi_end[REF_MAX_RANK];
};
/* floor(in * scale), the product rounded to float as shape inference does:
 * 10 * 0.7f is 7. */
int64_t ref_resize_extent(int64_t in, double scale);
/* Any rank; one pass per axis whose extent or scale changes. */
void ref_resize(const struct ref_resize *s, const struct ref_shape *in,
                const struct ref_shape *out, const double *x, double *y);

#endif
