/* params.h - what a node's attributes and constant inputs mean, with defaults
 * and the differences between opsets resolved: read by shape inference and by
 * lowering, so that both see the same numbers.
 *
 * Every function reports what is wrong at the node and returns false; after
 * pass_shapes none can fail for a node that it went over, but for lack of
 * memory. Arrays are TENSOR_MAX_RANK long; axes are normalised to 0..rank-1. */
#ifndef FLEXC_PASSES_PARAMS_H
#define FLEXC_PASSES_PARAMS_H

#include "base/diag.h"
#include "ir/graph.h"

/* Reports at the node; returns false. */
bool node_error(struct cx *cx, const struct node *n, enum diag_id id,
                const char *fmt, ...) PRINTF(4, 5);

/* The i-th input or output; NULL when omitted. */
const struct value *node_in(const struct graph *g, const struct node *n,
                            uint32_t i);
struct value *node_out(const struct graph *g, const struct node *n, uint32_t i);

/* "1x3x224x224"; "scalar" for rank 0. Use: shape_text(&s).text in a call. */
struct shape_text {
    char text[TENSOR_MAX_RANK * 21 + 1];
};
struct shape_text shape_text(const struct shape *s);

/* The integers of input i, which must be a constant of i32 or i64 with at most
 * cap elements. */
NODISCARD bool node_in_i64s(const struct graph *g, struct cx *cx,
                            const struct node *n, uint32_t i, int64_t *dst,
                            uint32_t cap, uint32_t *cnt);
/* The first element of input i, which must be a constant of one number;
 * *out = def when it is omitted. */
NODISCARD bool node_in_f64(const struct graph *g, struct cx *cx,
                           const struct node *n, uint32_t i, double def,
                           double *out);

/* axis < 0 counts from the end; false (reported) outside [-rank, rank). */
NODISCARD bool axis_resolve(struct cx *cx, const struct node *n, int64_t axis,
                            uint32_t rank, uint32_t *out);

/* The shape of two operands that broadcast as numpy's do; false when they do
 * not (not reported). out may be a or b. */
NODISCARD bool shape_broadcast_two(const struct shape *a, const struct shape *b,
                                   struct shape *out);

/* The shape of a product as numpy's matmul has it: vectors are a row on the
 * left, a column on the right, and what precedes the last two dimensions
 * broadcasts. False when there is none (not reported). */
NODISCARD bool matmul_shape(const struct shape *a, const struct shape *b,
                            struct shape *out);

/* Conv, ConvTranspose, pools: the window over the spatial dimensions 2.. of
 * in[0], auto_pad and ceil_mode resolved.
 * out[i] is the output's size; for all but ConvTranspose
 *   input row of output row r, tap k = r * stride - pad_begin + k * dilation.
 * For ConvTranspose output row = r * stride - pad_begin + k * dilation with r
 * the input's row. With ceil_mode the last window may reach beyond pad_end. */
struct window {
    uint32_t n_dim;
    int64_t kernel[TENSOR_MAX_RANK];
    int64_t stride[TENSOR_MAX_RANK];
    int64_t dilation[TENSOR_MAX_RANK];
    int64_t pad_begin[TENSOR_MAX_RANK];
    int64_t pad_end[TENSOR_MAX_RANK];
    int64_t out[TENSOR_MAX_RANK];
    int64_t group;
};
NODISCARD bool window_params(const struct graph *g, struct cx *cx,
                             const struct node *n, struct window *w);

/* dst[0..cnt) from an attribute of a window: least or more each; def where it
 * is missing. */
NODISCARD bool window_ints(struct cx *cx, const struct node *n,
                           const char *name, uint32_t cnt, int64_t least,
                           int64_t def, int64_t *dst);

/* Slice, for every dimension of the input: out index i reads
 * start + i * step; out dimension len (steps may be negative). */
struct slice_params {
    int64_t start[TENSOR_MAX_RANK];
    int64_t step[TENSOR_MAX_RANK];
    int64_t len[TENSOR_MAX_RANK];
};
NODISCARD bool slice_params(const struct graph *g, struct cx *cx,
                            const struct node *n, struct slice_params *s);

/* Pad: elements added (or cut, when negative) before and after. */
enum pad_mode { PAD_CONSTANT, PAD_REFLECT, PAD_EDGE, PAD_WRAP };
struct pad_params {
    enum pad_mode mode;
    int64_t before[TENSOR_MAX_RANK];
    int64_t after[TENSOR_MAX_RANK];
    double value; /* PAD_CONSTANT */
};
NODISCARD bool pad_params(const struct graph *g, struct cx *cx,
                          const struct node *n, struct pad_params *p);

/* Split: axis and the size of each output; size[n->n_out] is in the scratch
 * arena. */
struct split_params {
    uint32_t axis;
    const int64_t *size;
};
NODISCARD bool split_params(const struct graph *g, struct cx *cx,
                            const struct node *n, struct split_params *s);

/* Reduce*, Squeeze, Unsqueeze: which dimensions (of the input; of the output
 * for Unsqueeze). Reduce without axes: all, or none when noop_with_empty_axes.
 * Squeeze without axes: those of size 1. */
NODISCARD bool axes_params(const struct graph *g, struct cx *cx,
                           const struct node *n, bool is_axis[TENSOR_MAX_RANK]);

/* Softmax, LogSoftmax: the reduction runs over dimensions [axis, end) of the
 * input: to the last before opset 13, one since. */
NODISCARD bool softmax_params(const struct graph *g, struct cx *cx,
                              const struct node *n, uint32_t *axis,
                              uint32_t *end);

/* Attention. Inputs 0 to 2 of four dimensions are [batch, heads, rows, size];
 * of three, [batch, rows, heads * size]. */
struct attention_params {
    bool has_heads; /* four dimensions */
    int64_t batch;
    int64_t q_heads;
    int64_t kv_heads; /* divides q_heads */
    int64_t queries;
    int64_t keys; /* with those of the past */
    int64_t past;
    int64_t head_size;
    int64_t v_size;
    double scale;
    bool is_causal;
};
NODISCARD bool attention_params(const struct graph *g, struct cx *cx,
                                const struct node *n,
                                struct attention_params *a);

/* What an update of ScatterElements or ScatterND does; values are those of
 * k_tensor_index.h. */
enum scatter_kind {
    SCATTER_SET,
    SCATTER_ADD,
    SCATTER_MUL,
    SCATTER_MAX,
    SCATTER_MIN
};
NODISCARD bool scatter_params(struct cx *cx, const struct node *n,
                              enum scatter_kind *kind);

/* CumSum, CumProd: the axis, a constant. */
NODISCARD bool scan_axis(const struct graph *g, struct cx *cx,
                         const struct node *n, uint32_t *axis);

/* CenterCropPad, for every dimension of the input: elements added (or cut, when
 * negative) before and after. */
NODISCARD bool center_params(const struct graph *g, struct cx *cx,
                             const struct node *n,
                             int64_t before[TENSOR_MAX_RANK],
                             int64_t after[TENSOR_MAX_RANK]);

/* Col2Im: the window over the image; w->kernel is the block, blocks[i] are
 * along dimension i of the image. */
NODISCARD bool col2im_params(const struct graph *g, struct cx *cx,
                             const struct node *n, struct window *w,
                             int64_t blocks[TENSOR_MAX_RANK]);

/* MaxUnpool: the shape that indices count in, of the input's rank. */
NODISCARD bool unpool_params(const struct graph *g, struct cx *cx,
                             const struct node *n, struct shape *s);

/* NonMaxSuppression: the most boxes of a class, a constant. */
NODISCARD bool nms_most(const struct graph *g, struct cx *cx,
                        const struct node *n, int64_t *most);

/* GridSample; numbers are those of k_tensor_sample.h. */
struct grid_params {
    int32_t mode;
    int32_t pad;
    bool aligns_corners;
};
NODISCARD bool grid_params(struct cx *cx, const struct node *n,
                           struct grid_params *p);

/* RoiAlign. */
struct roi_params {
    bool is_max;
    bool is_half; /* pixel centres are at halves */
    int64_t height;
    int64_t width;
    int32_t samples; /* along a cell; 0: one a pixel */
    float scale;
};
NODISCARD bool roi_params(const struct graph *g, struct cx *cx,
                          const struct node *n, struct roi_params *p);

/* DeformConv: rows, columns. */
struct deform_params {
    int64_t group;
    int64_t offset_group;
    int64_t stride[2];
    int64_t dilation[2];
    int64_t pad[2];
    int64_t out[2];
};
NODISCARD bool deform_params(const struct graph *g, struct cx *cx,
                             const struct node *n, struct deform_params *p);

/* DFT. */
struct dft_params {
    uint32_t axis;
    int64_t n;     /* length of the transform */
    int64_t bins;  /* of the output along the axis */
    int64_t parts; /* real, or real and imaginary */
    bool is_inverse;
    bool is_half; /* of half a spectrum, whose signal is real */
};
NODISCARD bool dft_params(const struct graph *g, struct cx *cx,
                          const struct node *n, struct dft_params *p);

/* STFT. */
struct stft_params {
    int64_t n; /* length of a frame */
    int64_t step;
    int64_t frames;
    int64_t bins;
};
NODISCARD bool stft_params(const struct graph *g, struct cx *cx,
                           const struct node *n, struct stft_params *p);

/* LinearAttention. */
struct linear_params {
    int64_t batch;
    int64_t times;
    int64_t q_heads;
    int64_t kv_heads;
    int64_t key_size;
    int64_t v_size;
    int64_t decay_size; /* 1 or key_size; 0: none */
    int64_t beta_heads; /* 1 or kv_heads; 0: none */
    double scale;
};
NODISCARD bool linear_params(const struct graph *g, struct cx *cx,
                             const struct node *n, struct linear_params *p);

/* RotaryEmbedding. */
struct rotary_params {
    bool has_heads; /* four dimensions: batch, heads, rows, size */
    int64_t batch;
    int64_t heads;
    int64_t rows;
    int64_t size;
    int64_t turned; /* elements of a head that are turned, even */
    bool is_interleaved;
};
NODISCARD bool rotary_params(const struct graph *g, struct cx *cx,
                             const struct node *n, struct rotary_params *p);

/* Einsum: labels are small numbers; those of an ellipsis too. */
enum { EINSUM_MAX_IN = 16, EINSUM_MAX_LABEL = 64 };
struct einsum_params {
    uint32_t n_in;
    uint32_t rank[EINSUM_MAX_IN];
    uint8_t in[EINSUM_MAX_IN][TENSOR_MAX_RANK]; /* label of each dimension */
    uint32_t out_rank;
    uint8_t out[TENSOR_MAX_RANK];
    int64_t dim[EINSUM_MAX_LABEL];
};
NODISCARD bool einsum_params(const struct graph *g, struct cx *cx,
                             const struct node *n, struct einsum_params *p);

/* RNN, GRU, LSTM. */
enum rnn_kind { RNN_PLAIN, RNN_GRU, RNN_LSTM };
enum { RNN_MAX_DIR = 2, RNN_MAX_ACT = 3 };
struct rnn_params {
    enum rnn_kind kind;
    int64_t times;
    int64_t batch;
    int64_t n_dir;
    int64_t hidden;
    int64_t n_gate;
    bool is_batch_first; /* layout 1 */
    bool is_reverse;
    bool resets_after; /* linear_before_reset */
    bool couples;      /* input_forget */
    bool has_clip;
    float clip;
    /* Of each direction; numbered as in k_tensor_rnn.h. */
    int32_t act[RNN_MAX_DIR][RNN_MAX_ACT];
    float alpha[RNN_MAX_DIR][RNN_MAX_ACT];
    float beta[RNN_MAX_DIR][RNN_MAX_ACT];
};
/* What shape_rnn checks of the inputs is not checked again. */
NODISCARD bool rnn_params(const struct graph *g, struct cx *cx,
                          const struct node *n, struct rnn_params *r);

/* What pass_expand makes of its inputs; the others stay where ONNX has them. */
enum rnn_in {
    RNN_IN_X,     /* [times][batch][directions][gates * hidden], with biases */
    RNN_IN_R = 2, /* [directions][hidden][gates * hidden] */
    RNN_IN_AFTER, /* [directions][hidden]: bias of a reset after, or none */
    RNN_IN_LENS,
    RNN_IN_H,
    RNN_IN_C,
    RNN_IN_P
};

/* Transpose: output dimension i is input dimension perm[i]. */
NODISCARD bool perm_params(const struct graph *g, struct cx *cx,
                           const struct node *n,
                           uint32_t perm[TENSOR_MAX_RANK]);

/* Clip: whether its bounds are known. */
bool clip_is_const(const struct graph *g, const struct node *n);
/* -inf and +inf when absent; the bounds are known. */
struct clip_params {
    double min;
    double max;
};
NODISCARD bool clip_params(const struct graph *g, struct cx *cx,
                           const struct node *n, struct clip_params *c);

/* Resize and Upsample: per dimension of the input. */
enum resize_kind { RESIZE_KIND_NEAREST, RESIZE_KIND_LINEAR, RESIZE_KIND_CUBIC };
struct resize_params {
    enum resize_kind kind;
    const char *coord;   /* coordinate_transformation_mode; Upsample and opset
                            10: "asymmetric" */
    const char *nearest; /* nearest_mode; Upsample and opset 10: "floor" */
    float scale[TENSOR_MAX_RANK];
    int64_t out[TENSOR_MAX_RANK];
    bool has_sizes; /* scale follows from sizes; exactly: */
    double exact_scale[TENSOR_MAX_RANK];
    bool keeps_aspect; /* by one scale for all, not by out / in */
    bool antialias;
    bool excludes_outside;
    double cubic_a;
    double extrapolation;
    double roi_start[TENSOR_MAX_RANK]; /* 0 and 1 where there is none */
    double roi_end[TENSOR_MAX_RANK];
};
NODISCARD bool resize_params(const struct graph *g, struct cx *cx,
                             const struct node *n, struct resize_params *r);

/* QuantizeLinear, DequantizeLinear: one scale and zero point for all elements,
 * for each index of `axis`, or for each `block` of them along it. */
enum quant_form { QUANT_TENSOR, QUANT_AXIS, QUANT_BLOCKED };
struct quant_params {
    enum quant_form form;
    uint32_t axis;
    int64_t block;
    enum dtype type; /* of the result */
};
NODISCARD bool quant_params(const struct graph *g, struct cx *cx,
                            const struct node *n, struct quant_params *q);
/* The values of a product of 8-bit numbers, by what they are; VALUE_NONE where
 * the operator has none or it is omitted. Without y_scale the result is f32 (of
 * the sums times both scales), without x_scale it is the sums, in i32. */
struct quant_slots {
    uint32_t x;
    uint32_t x_scale;
    uint32_t x_zero;
    uint32_t w;
    uint32_t w_scale;
    uint32_t w_zero;
    uint32_t bias; /* i32, in units of both scales */
    uint32_t y_scale;
    uint32_t y_zero;
};
/* QLinearConv, ConvInteger, QLinearMatMul, MatMulInteger, QGemm. */
struct quant_slots quant_slots(const struct node *n);
/* Whether any sum of k products of 8-bit numbers less their zero points, from
 * bias on, fits 32 bits. */
bool quant_sum_fits(uint64_t k, double bias);
/* Whether it has a layer of its own: the weights and all parameters are
 * constants, x has one scale and zero point, w one or one a channel. */
bool quant_is_fast(const struct graph *g, const struct node *n);
/* Least and largest number of an integer type that values are quantised to;
 * false for others. */
bool quant_range(enum dtype t, double *low, double *high);

/* TfIdfVectorizer of integers: n-grams in the order of the pool. */
struct tfidf_params {
    int64_t n_batch; /* 1 for a vector */
    int64_t n_word;  /* of each */
    int64_t n_out;
    uint32_t min_gram;
    uint32_t max_gram;
    uint32_t max_skip;
    const int64_t *pool;
    const int64_t *first; /* [n_size]: where the n-grams of each length start */
    uint32_t n_size;      /* first of length 1 */
    uint32_t n_pool;
    const int64_t *out; /* [n_gram]: where in the result each is counted */
    uint32_t n_gram;
    const float *weight; /* [n_gram], or NULL */
    bool counts;         /* else only whether it is there */
    bool weighs;
};
NODISCARD bool tfidf_params(const struct graph *g, struct cx *cx,
                            const struct node *n, struct tfidf_params *p);

#endif
