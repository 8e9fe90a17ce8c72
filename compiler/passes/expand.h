/* expand.h - operators that ONNX defines by others become those: what the
 * functions of expand_*.c, one per operator, are made of. pass_expand.c has
 * their table.
 *
 * A function emits nodes and values one by one; after a failure, which is
 * reported, values are VALUE_NONE and nothing more is made, so that only the
 * end needs to look. Every new value has its type and shape at once. */
#ifndef FLEXC_PASSES_EXPAND_H
#define FLEXC_PASSES_EXPAND_H

#include "passes/params.h"

struct expand {
    struct graph *g;
    struct cx *cx;
    uint32_t node; /* being expanded */
    bool is_ok;
};

/* Expands the node and marks it dead, or leaves it as it is where it has a
 * lowering of its own. */
typedef bool expand_fn(struct expand *e);

/* The node; a pointer until the next one is emitted. */
const struct node *ex_self(const struct expand *e);
/* Its input or output i, VALUE_NONE where omitted. */
uint32_t ex_in(const struct expand *e, uint32_t i);
uint32_t ex_out(const struct expand *e, uint32_t i);
enum dtype ex_type(const struct expand *e, uint32_t v);
struct shape ex_shape(const struct expand *e, uint32_t v);

/* ---- nodes ----------------------------------------------------------------
 * Each gives the value that the new node writes. */

/* Writes `to`, or a new value when that is VALUE_NONE. Attributes are copied;
 * their names need not be interned. */
uint32_t ex_node(struct expand *e, uint32_t to, enum op_id op,
                 const uint32_t *in, uint32_t n_in, const struct attr *attr,
                 uint32_t n_attr);
uint32_t ex_op1(struct expand *e, enum op_id op, uint32_t a);
uint32_t ex_op2(struct expand *e, enum op_id op, uint32_t a, uint32_t b);
uint32_t ex_op3(struct expand *e, enum op_id op, uint32_t a, uint32_t b,
                uint32_t c);
/* With attribute `axes`. */
uint32_t ex_over(struct expand *e, enum op_id op, uint32_t a,
                 const int64_t *axes, uint32_t n);
/* With attribute `axis`; b may be VALUE_NONE. */
uint32_t ex_axis(struct expand *e, enum op_id op, uint32_t a, uint32_t b,
                 int64_t axis);
uint32_t ex_cast(struct expand *e, uint32_t a, enum dtype t);
uint32_t ex_reshape(struct expand *e, uint32_t a, const int64_t *dim,
                    uint32_t rank);
uint32_t ex_expand(struct expand *e, uint32_t a, const struct shape *s);
uint32_t ex_permute(struct expand *e, uint32_t a, const uint32_t *perm,
                    uint32_t rank);
/* Elements [from, to) along the axis. */
uint32_t ex_slice(struct expand *e, uint32_t a, uint32_t axis, int64_t from,
                  int64_t to);
uint32_t ex_concat(struct expand *e, const uint32_t *in, uint32_t n,
                   uint32_t axis);

/* ---- constants ------------------------------------------------------------
 */

/* Room for n numbers of a constant, in scratch; NULL, reported, when memory is
 * out or n is more than any table here should be. */
double *ex_table(struct expand *e, uint64_t n);

/* A scalar of the type. */
uint32_t ex_number(struct expand *e, enum dtype t, double x);
/* A list, or, of rank 0, one number. */
uint32_t ex_ints(struct expand *e, const int64_t *data, uint32_t rank,
                 uint32_t n);
/* Numbers of the shape, in its row-major order. */
uint32_t ex_numbers(struct expand *e, enum dtype t, const struct shape *s,
                    const double *data);
/* 0, 1, ... n - 1 along dimension `axis` of `rank`, the others 1. */
uint32_t ex_count(struct expand *e, enum dtype t, int64_t n, uint32_t axis,
                  uint32_t rank);

/* ---- the end --------------------------------------------------------------
 */

/* v in f32, if it is a 16-bit float. */
uint32_t ex_widened(struct expand *e, uint32_t v);
/* Output i, where somebody reads it, is `from`, cast to its type. The shapes
 * are equal, or E_SHAPE says that the inputs do not fit. */
void ex_give(struct expand *e, uint32_t i, uint32_t from);
/* The node is dead now; whether all went well. */
NODISCARD bool ex_done(struct expand *e);

/* [from, rank) as a list; gives its length. */
uint32_t ex_axes_from(uint32_t from, uint32_t rank,
                      int64_t axes[TENSOR_MAX_RANK]);

/* expand_norm.c */
expand_fn expand_layer_norm; /* also RMSNormalization */
expand_fn expand_instance_norm;
expand_fn expand_lp_norm;
expand_fn expand_mean_variance_norm;

/* expand_index.c */
expand_fn expand_cast_like;
expand_fn expand_one_hot;
expand_fn expand_hardmax;
expand_fn expand_reverse_sequence;
expand_fn expand_compress;
expand_fn expand_tensor_scatter;
expand_fn expand_tfidf;

/* expand_rnn.c */
expand_fn expand_rnn; /* also GRU, LSTM */

/* expand_attention.c */
expand_fn expand_attention;
expand_fn expand_rotary;
expand_fn expand_causal_conv;

/* expand_einsum.c */
expand_fn expand_einsum;
expand_fn expand_empty_product; /* MatMul and Gemm of no depth */

/* expand_if.c */
expand_fn expand_if;

/* expand_image.c */
expand_fn expand_center_crop_pad;
expand_fn expand_col2im;
expand_fn expand_max_unpool;
expand_fn expand_affine_grid;

/* expand_quant.c */
expand_fn expand_quantize;
expand_fn expand_dequantize;
expand_fn expand_dynamic_quantize;
expand_fn expand_conv_integer;
expand_fn expand_matmul_integer;
expand_fn expand_qlinear_conv;
expand_fn expand_qlinear_matmul;
expand_fn expand_qgemm;
/* Operators of ONNX Runtime to floats between DequantizeLinear and
 * QuantizeLinear. */
expand_fn expand_qlinear_float;

#endif
