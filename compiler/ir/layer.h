/* layer.h - lowered layers: an ordered line of operators on buffers.
 *
 * After lowering nothing knows ONNX. A *buffer* is a tensor in memory: `rows`
 * rows of `row_bytes`. A layer writes one operand and reads others; an operand
 * is a strided view of a buffer, so that concat, split, slice, squeeze, most
 * transposes and reshapes need no code: several layers may write disjoint
 * parts of one buffer, and readers may see it under other shapes.
 *
 * The iteration space of a layer has dim[0..rank) in a canonical order whose
 * first `row_dims` dimensions, multiplied, are the layer's rows. For
 * CONV, DECONV, POOL, RESIZE, LRN the order is N, H, W, C (channels last) and
 * row_dims is 2. A box of the layer is rows [r0, r1) x panels [p0, p1) x one
 * K block. Layers are immutable once built. */
#ifndef FLEXC_IR_LAYER_H
#define FLEXC_IR_LAYER_H

#include "base/cx.h"
#include "base/span.h"
#include "ir/tensor.h"

struct buf;

enum { LAYER_MAX_IN = 8, LAYER_MAX_WEIGHT = 8, EXPR_MAX_STEP = 24 };

#define BUF_WEIGHTS UINT32_MAX    /* operand lives in the layer's own weights */
#define BUF_NONE (UINT32_MAX - 1) /* operand absent */

/* A tensor in memory, the unit of placement. Held in full it takes
 * rows * row_bytes; in a rolling buffer some rows of it (row r at slot
 * r % ring). A graph input is live from before layer 0 to its last reader, an
 * output from its first writer to the next run; what is both, a state, always.
 * A state is written by one layer, in one go: all that reads it comes before,
 * or reads what was written. */
struct buffer {
    const char *name; /* for reports; the value that gave it */
    uint64_t rows;    /* >= 1 */
    uint64_t row_bytes;
    bool is_input;
    bool is_output;
    bool whole;     /* some operand addresses it without rows: never rolls */
    uint32_t first; /* first layer that writes it; 0 for inputs */
    uint32_t last;  /* last layer that touches it; n_layer for outputs */
};

/* Which rows of an operand the output rows [r0, r1) need:
 *   [floor(r0 * num / den) - lo, ceil(r1 * num / den) + hi)
 * taken inside each image of out_rows output and in_rows operand rows, and
 * clamped to the image; or `all` of them, in_rows in number. lo and hi may be
 * negative. */
struct row_map {
    bool all;
    uint32_t num;
    uint32_t den;
    int32_t lo;
    int32_t hi;
    uint64_t out_rows; /* of one image */
    uint64_t in_rows;
};

/* A strided view. Element (i0, i1, ...) of a `by_row` operand lies in buffer
 * row row0 + r (r = the row number made of the row dimensions) at element
 * col0 + sum over the other dimensions of i_k * stride[k]; the strides of the
 * row dimensions are then implied. Any other operand (its map is `all`, its
 * buffer `whole`) lies at element col0 + sum of all i_k * stride[k] from the
 * buffer's start (row0 is 0). A broadcast dimension has stride 0. For
 * buf == BUF_WEIGHTS, col0 counts elements from the start of weight
 * `weight_ix` of the layer. */
struct operand {
    uint32_t buf;
    uint32_t weight_ix;
    enum dtype dtype;
    bool by_row;
    uint32_t rank; /* = the layer's, for elementwise kinds; see each kind */
    uint64_t dim[TENSOR_MAX_RANK];
    int64_t stride[TENSOR_MAX_RANK]; /* elements */
    uint64_t row0;
    uint64_t col0;
    struct row_map map;
};

/* A constant of the layer, in the model's own byte order (little-endian), read
 * by the pack functions: element (i0, ...) at sum i_k * stride[k] elements. */
struct weight {
    struct span data;
    enum dtype dtype;
    uint32_t rank;
    uint64_t dim[TENSOR_MAX_RANK];
    int64_t stride[TENSOR_MAX_RANK]; /* elements */
};

enum act {
    ACT_NONE,
    ACT_RELU,
    ACT_CLIP,  /* min(max(x, a), b) */
    ACT_LEAKY, /* x < 0 ? a * x : x */
    ACT_PRELU, /* x < 0 ? slope[c] * x : x; slope is a weight */
    ACT_SIGMOID,
    ACT_TANH,
    ACT_HARDSIGMOID, /* clip(a * x + b, 0, 1) */
    ACT_HARDSWISH,   /* x * clip(x / 6 + 1/2, 0, 1) */
    ACT_SILU,        /* x * sigmoid(x) */
    ACT_GELU,        /* x / 2 * (1 + erf(x / sqrt 2)) */
    ACT_GELU_TANH,   /* x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) */
    ACT_COUNT
};

enum residual {
    RES_NONE,
    RES_BEFORE_ACT, /* act(acc + r) */
    RES_AFTER_ACT   /* act(acc) + r */
};

struct epilogue {
    enum residual residual; /* the residual operand is the last input */
    enum act act;
    float a;
    float b;
};

/* Integers: what 8-bit numbers of CONV and POOL mean. Sums of (x - in_zero) * w
 * become scale * sum, rounded to even, plus out_zero, cut to [low, high]. */
struct quant {
    int32_t in_zero;
    int32_t out_zero;
    int32_t low;
    int32_t high;
    float scale; /* POOL_AVG; of CONV it is a weight */
};

enum layer_kind {
    /* Convolution, also fully connected (H = W = 1) and matrix products with a
     * constant right side ([rows, 1, K]); groups and depthwise.
     * in[0]: N,H,W,C. weight[0]: O, KH, KW, C/group. weight[1]: bias [O] or
     * rank 0 with empty data. weight[2]: PReLU slope [O]. p.conv.
     * In integers, in[0] being I8 or U8: weight[0] I8, less a zero point for
     * each channel, weight[3], I32 [O], or empty where that is 0. weight[1]:
     * I32. weight[2]: scale [O]. The result is I8 or U8; or F32, sums times
     * scale; or I32, the sums. p.conv and quant. */
    LAYER_CONV,
    /* Transposed convolution. weight[0]: O, KH, KW, C/group. p.conv. */
    LAYER_DECONV,
    LAYER_POOL, /* in[0]: N,H,W,C. p.pool; of I8 and U8, quant */
    /* out = expr(in...), broadcasting; every operand has the layer's rank. */
    LAYER_EWISE,
    LAYER_SOFTMAX, /* over the last iteration dimension; p.softmax */
    LAYER_LRN,     /* across C. p.lrn */
    LAYER_RESIZE,  /* in[0]: N,H,W,C. p.resize */
    /* out[i] = in[i] (any element type of equal size), or `fill` where the
     * input index, shifted by p.copy.before, is outside the input (Pad).
     * Without inputs all is `fill`. */
    LAYER_COPY,
    LAYER_CAST,   /* out[i] = (type)in[i] */
    LAYER_GATHER, /* in[0] data, in[1] indices; p.gather */
    LAYER_MATMUL, /* in[0] x in[1], both computed; p.matmul */
    LAYER_REDUCE, /* p.reduce */
    /* Over the last iteration dimension, of C: (in[0] - mean) / sqrt(variance
     * + epsilon) * scale + bias, or, of p.norm.is_rms, in[0] / sqrt(mean of
     * squares + epsilon) * scale + bias. weight[0]: scale [C], weight[1]: bias
     * [C] or rank 0 with empty data. */
    LAYER_NORM,
    /* softmax(scale * q k^T + mask) v, head by head: the iteration dimensions
     * are image, query, head, channel; rows are queries. in[0], q: image,
     * query, head, channel. in[1], k, and in[2], v: image, key, head (each of
     * them for heads / their number query heads), channel. in[3], with a mask:
     * image, query, head, key, broadcast by strides. p.attention. */
    LAYER_ATTENTION,
    /* Class tensor: one box (rank 1, dimension 1) over whole operands of ranks
     * of their own; p.tensor says what it computes. */
    LAYER_TENSOR,
    /* Rows of a constant table, picked at run time: output row r is entry
     * index[r], as GATHER takes it. in[0]: the indices, dense from the start
     * of a buffer held in full. weight[0]: the table, [entry][element], dense.
     * p.embed. */
    LAYER_EMBED,
    LAYER_KIND_COUNT
};

struct conv_param {
    uint32_t group;
    uint32_t kernel[2]; /* H, W */
    uint32_t stride[2];
    uint32_t dilation[2];
    int32_t pad_begin[2]; /* top, left */
};

enum pool_kind { POOL_MAX, POOL_AVG };
struct pool_param {
    enum pool_kind kind;
    bool count_include_pad;
    uint32_t kernel[2];
    uint32_t stride[2];
    uint32_t dilation[2];
    int32_t pad_begin[2];
    int32_t pad_end[2]; /* limits what count_include_pad counts */
};

/* A postfix program over the operands; the result is what is left. */
enum expr_op {
    EXPR_IN,  /* push operand ix */
    EXPR_IMM, /* push imm */
    EXPR_ADD,
    EXPR_SUB,
    EXPR_MUL,
    EXPR_DIV,
    EXPR_POW,
    EXPR_MIN,
    EXPR_MAX,
    EXPR_NEG,
    EXPR_ABS,
    EXPR_EXP,
    EXPR_LOG,
    EXPR_SQRT,
    EXPR_RECIP,
    EXPR_FLOOR,
    EXPR_CEIL,
    EXPR_ERF,
    EXPR_RELU,
    EXPR_SIGMOID,
    EXPR_TANH,
    EXPR_PRELU,  /* a, slope -> a < 0 ? slope * a : a */
    EXPR_SELECT, /* c, a, b -> c != 0 ? a : b */
    EXPR_CAST,   /* from type ix */
    EXPR_ROUND,  /* to nearest even */
    EXPR_SIGN,
    EXPR_SIN,
    EXPR_COS,
    EXPR_TAN,
    EXPR_ASIN,
    EXPR_ACOS,
    EXPR_ATAN,
    EXPR_SINH,
    EXPR_COSH,
    EXPR_ASINH,
    EXPR_ACOSH,
    EXPR_ATANH,
    EXPR_ISNAN,  /* to bool; this and the next */
    EXPR_ISINF,  /* bits of ix: 1 positive, 2 negative */
    EXPR_NOT,    /* of bool */
    EXPR_BITNOT, /* of integers, as all bits and shifts */
    EXPR_MOD,    /* with the sign of the divisor */
    EXPR_FMOD,   /* with that of the dividend */
    EXPR_EQ,     /* to bool; these five */
    EXPR_LT,
    EXPR_LE,
    EXPR_GT,
    EXPR_GE,
    EXPR_BITAND,
    EXPR_BITOR,
    EXPR_BITXOR,
    EXPR_SHL,
    EXPR_SHR,
    EXPR_SATURATE, /* whole f32 to the nearest integer of the step's type */
    EXPR_OP_COUNT
};
struct expr_step {
    enum expr_op op;
    uint32_t ix; /* EXPR_IN, EXPR_CAST, EXPR_ISINF */
    float imm;   /* EXPR_IMM */
    /* The type the step computes in: of its operands, but of the result for
     * EXPR_CAST and EXPR_SATURATE, of both choices for EXPR_SELECT. */
    enum dtype type;
};
struct ewise_param {
    uint32_t n_step;
    struct expr_step step[EXPR_MAX_STEP];
};

struct softmax_param {
    bool log; /* LogSoftmax */
};

struct lrn_param {
    uint32_t size;
    float alpha;
    float beta;
    float bias;
};

enum resize_mode { RESIZE_NEAREST, RESIZE_LINEAR };
enum resize_coord {
    COORD_HALF_PIXEL,
    COORD_PYTORCH_HALF_PIXEL,
    COORD_ALIGN_CORNERS,
    COORD_ASYMMETRIC,
};
enum resize_nearest {
    NEAREST_ROUND_PREFER_FLOOR,
    NEAREST_ROUND_PREFER_CEIL,
    NEAREST_FLOOR,
    NEAREST_CEIL
};
struct resize_param {
    enum resize_mode mode;
    enum resize_coord coord;
    enum resize_nearest nearest;
    float scale[2]; /* H, W: output / input, as ONNX defines it */
};

struct copy_param {
    bool pads; /* some before[k] != 0 or the operand is smaller than out */
    int64_t before[TENSOR_MAX_RANK]; /* in index = out index - before */
    uint64_t fill;                   /* bits of one element */
};

/* To an 8- or 4-bit float: what is too large. */
enum cast_round { CAST_UP, CAST_DOWN, CAST_NEAREST };
struct cast_param {
    bool saturate;         /* becomes the largest, else infinity or NaN */
    enum cast_round round; /* to F8E8M0, a power of two */
};

struct gather_param {
    uint32_t axis; /* out = data[.., index[...], ..] */
    uint32_t index_rank;
    uint64_t axis_len;
};

struct matmul_param {
    uint64_t m;
    uint64_t n;
    uint64_t k;
};

enum reduce_op {
    REDUCE_MEAN,
    REDUCE_SUM,
    REDUCE_MAX,
    REDUCE_MIN,
    REDUCE_L2,
    REDUCE_PROD,
    REDUCE_L1,
    REDUCE_SUMSQ,
    REDUCE_LOGSUM,
    REDUCE_LOGSUMEXP,
    REDUCE_ARGMAX, /* the flattened reduced index; the output is i64 */
    REDUCE_ARGMIN
};
struct reduce_param {
    enum reduce_op op;
    bool select_last; /* of equal elements; ARGMAX, ARGMIN */
    /* in[0] has the iteration dimensions first, then the reduced ones. */
    uint32_t n_reduced;
};

struct norm_param {
    float epsilon;
    bool is_rms; /* nothing is taken off, as if the mean were 0 */
};

enum attn_mask {
    ATTN_MASK_NONE,
    ATTN_MASK_ADD,   /* f32, added to the scaled scores */
    ATTN_MASK_SELECT /* bool: a key that is false has no weight */
};
/* What a query gets that sees no key. */
enum attn_blind {
    ATTN_BLIND_MEAN, /* of all values: hidden scores are low, not infinite */
    ATTN_BLIND_NAN,  /* as Softmax of nothing but minus infinity gives */
    ATTN_BLIND_ZERO,
    ATTN_BLIND_GUARD /* 0, also where a score is NaN or infinity */
};
struct attention_param {
    enum attn_mask mask;
    enum attn_blind blind;
    bool is_causal; /* query t sees keys 0 .. t only */
    float scale;
};

/* Operands: in[], then the output. Numbers as the kernel's header says. */
enum tensor_op {
    TENSOR_CONV,    /* k_tensor_conv.h */
    TENSOR_DECONV,  /* likewise */
    TENSOR_POOL,    /* k_tensor_pool.h */
    TENSOR_MATMUL,  /* k_tensor_matmul.h */
    TENSOR_TAPS,    /* k_tensor_taps.h */
    TENSOR_GATHER,  /* k_tensor_index.h */
    TENSOR_SCATTER, /* likewise */
    TENSOR_SCAN,    /* k_tensor_scan.h */
    TENSOR_RNN,     /* k_tensor_rnn.h */
    TENSOR_ORDER,   /* k_tensor_order.h */
    TENSOR_GRID,    /* k_tensor_sample.h */
    TENSOR_ROI,     /* k_tensor_sample.h */
    TENSOR_DEFORM,  /* k_tensor_sample.h */
    TENSOR_DFT,     /* k_tensor_dft.h */
    TENSOR_STATE,   /* k_tensor_state.h */
    TENSOR_DET,     /* k_tensor_det.h */
    TENSOR_NMS,     /* k_tensor_find.h */
    TENSOR_NONZERO, /* k_tensor_find.h */
    TENSOR_OP_COUNT
};
enum { TENSOR_MAX_INT = 40, TENSOR_MAX_FLOAT = 16 };
struct tensor_param {
    enum tensor_op op;
    int32_t i[TENSOR_MAX_INT];
    float f[TENSOR_MAX_FLOAT];
};

struct embed_param {
    uint64_t n_entry;
    /* A convolution whose weights are this table, [entry][1][1][element], so
     * that one copy of it may serve both; NULL: none. */
    const struct layer *tied;
};

/* When a run needs the layer: always, or where the first element of a buffer,
 * a bool, is true, or false. That buffer is one operand more, in[n_in]. */
enum layer_guard { GUARD_NONE, GUARD_IF, GUARD_UNLESS };

struct layer {
    const char *name; /* the ONNX node this layer mainly is */
    const char *op;   /* its ONNX operator, for messages */
    enum layer_kind kind;
    uint32_t rank;
    uint32_t row_dims; /* the first row_dims dimensions are rows */
    uint64_t dim[TENSOR_MAX_RANK];
    uint64_t rows; /* product of the row dimensions */
    struct operand out;
    uint32_t n_in;
    struct operand in[LAYER_MAX_IN];
    enum layer_guard guard; /* only with n_in < LAYER_MAX_IN */
    uint32_t n_weight;
    struct weight weight[LAYER_MAX_WEIGHT];
    /* CONV and DECONV of floats, EMBED of f32: weight[0] is stored as F16, or
     * as I8 with a scale for each output channel or entry, and read as f32;
     * NONE: as it is. */
    enum dtype stored;
    struct epilogue epi; /* CONV, DECONV, POOL, EWISE */
    struct quant quant;  /* CONV and POOL of I8 or U8 */
    uint64_t macs;       /* multiply-adds, for reports */
    union {
        struct conv_param conv;
        struct pool_param pool;
        struct ewise_param ewise;
        struct softmax_param softmax;
        struct lrn_param lrn;
        struct resize_param resize;
        struct copy_param copy;
        struct cast_param cast;
        struct gather_param gather;
        struct matmul_param matmul;
        struct reduce_param reduce;
        struct norm_param norm;
        struct attention_param attention;
        struct tensor_param tensor;
        struct embed_param embed;
    } p;
};

/* A graph input or output as the caller sees it: plain ONNX order, dense,
 * from the start of its buffer. */
struct layer_io {
    const char *name;
    enum dtype dtype;
    struct shape shape;
    uint32_t buf;
};

struct layers {
    const char *name;
    struct buffer *buf;
    uint32_t n_buf;
    struct layer *layer;
    uint32_t n_layer;
    struct layer_io *input;
    uint32_t n_input;
    struct layer_io *output;
    uint32_t n_output;
    uint64_t weight_bytes; /* of all constants the layers read */
};

/* Operands that it reads: in[0 .. that). */
static inline uint32_t layer_n_read(const struct layer *y)
{
    return y->n_in + (y->guard != GUARD_NONE ? 1u : 0u);
}

/* Elements of a weight: the product of its dimensions; 0 when it is empty. */
uint64_t weight_count(const struct weight *w);

/* Where the elements of an operand of layer y lie while its buffer is held in
 * full: element (i0, ...) at *off + sum of i_k * stride[k] elements from the
 * buffer's start, or from the weight's for BUF_WEIGHTS. */
void operand_linear(const struct layers *l, const struct layer *y,
                    const struct operand *o, int64_t *off,
                    int64_t stride[TENSOR_MAX_RANK]);

/* Rows [*a, *b) of the operand that output rows [r0, r1) need (r0 < r1), in
 * operand rows (add operand.row0 for buffer rows). The one place that
 * evaluates a row map. */
void row_map_need(const struct row_map *m, uint64_t r0, uint64_t r1,
                  uint64_t *a, uint64_t *b);

/* The first row of its buffer, rows of row_bytes, that row r of the layer or
 * one after it reads through operand o: 0 where that is not known. */
uint64_t operand_first_row(const struct layer *y, const struct operand *o,
                           uint64_t row_bytes, uint64_t r);

/* Checks: every index in range; every operand inside its buffer; rows and
 * lifetimes as the definitions above say; parts written into one buffer
 * disjoint; layers in an order in which every reader follows its writers. */
NODISCARD bool layers_check(const struct layers *l, struct cx *cx);

/* Sets first, last and whole of every buffer, and weight_bytes. */
void layers_finish(struct layers *l);

/* Per buffer the layers that read or write it, ascending, each once: those of
 * buffer b are layer[at[b]] up to layer[at[b + 1]]. */
struct layer_uses {
    uint32_t *layer;
    uint32_t *at; /* n_buf + 1 */
};
NODISCARD bool layers_uses(const struct layers *l, struct arena *a,
                           struct layer_uses *out);

/* The .layers text: everything but the constants' bytes, of which it gives
 * the count. Equal layers give equal text. */
NODISCARD bool layers_print(const struct layers *l, struct buf *out);

#endif
