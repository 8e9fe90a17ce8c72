/* shape.h - shape rules: from the types and shapes of a node's inputs to those
 * of its outputs. One function per family of operators; op.def names them.
 *
 * A rule may rely on: inputs have a type and a static shape; the number of
 * inputs is as op.def says. It checks all that the operator asks of them, and
 * reports at the node. Scratch is the caller's to rewind. */
#ifndef FLEXC_PASSES_SHAPE_H
#define FLEXC_PASSES_SHAPE_H

#include "passes/params.h"

typedef bool shape_fn(struct graph *g, struct cx *cx, const struct node *n);

/* Sets type and shape of output i, when it is not omitted; E_TOO_BIG when its
 * bytes do not fit 62 bits. For use by rules. */
NODISCARD bool shape_set(struct graph *g, struct cx *cx, const struct node *n,
                         uint32_t i, enum dtype t, const struct shape *s);
/* E_TYPE unless inputs i and k, where given, have one type. */
NODISCARD bool shape_same_type(const struct graph *g, struct cx *cx,
                               const struct node *n, uint32_t i, uint32_t k);

/* Nodes and values that loops of a model may become in all. */
enum { UNROLL_MAX_PARTS = 1 << 18 };

/* What goes over the nodes of a graph that is being inferred. */
struct fold;
struct shaper {
    struct graph *g;
    struct cx *cx;
    struct fold *fold;
    uint32_t left; /* nodes and values that may still be made of bodies */
};

/* Infers, folds and unrolls nodes [from, to), which are in order. */
NODISCARD bool shaper_run(struct shaper *s, uint32_t from, uint32_t to);

/* unroll.c: node ix, if it is a Loop or Scan, becomes so many copies of its
 * body, which are inferred and come last.
 *
 * E_NEEDS_CONST   how often is not known at compile time
 * E_TOO_BIG       more than s->left nodes and values */
bool unroll_is(enum op_id op);
NODISCARD bool unroll(struct shaper *s, uint32_t ix);

/* Runs the rule of the node's operator. */
NODISCARD bool shape_infer(struct graph *g, struct cx *cx,
                           const struct node *n);

/* shape_ewise.c */
shape_fn shape_same;      /* one input, same type and shape */
shape_fn shape_broadcast; /* any number of inputs of one type */
shape_fn shape_compare;   /* two of one type, to bool */
shape_fn shape_logic;     /* two of bool */
shape_fn shape_not;
shape_fn shape_pow; /* the exponent may have its own type */
shape_fn shape_prelu;
shape_fn shape_where;
shape_fn shape_cast;
shape_fn shape_clip;
shape_fn shape_dropout;
shape_fn shape_cast_like;
shape_fn shape_bit_cast;
shape_fn shape_is; /* of floats, to bool */
shape_fn shape_trilu;

/* shape_window.c */
shape_fn shape_conv;
shape_fn shape_conv_transpose;
shape_fn shape_pool;
shape_fn shape_global_pool;
shape_fn shape_lrn;
shape_fn shape_batch_norm;
shape_fn shape_resize;
shape_fn shape_upsample;
shape_fn shape_depth_to_space;
shape_fn shape_space_to_depth;

/* shape_dense.c */
shape_fn shape_gemm;
shape_fn shape_matmul;
shape_fn shape_softmax;
shape_fn shape_layer_norm;
shape_fn shape_reduce;
shape_fn shape_einsum;
shape_fn shape_arg; /* ArgMax, ArgMin */

/* shape_attention.c */
shape_fn shape_attention;
shape_fn shape_linear_attention;
shape_fn shape_rotary;
shape_fn shape_causal_conv;

/* shape_sample.c */
shape_fn shape_grid_sample;
shape_fn shape_roi_align;
shape_fn shape_deform_conv;
shape_fn shape_det;

/* shape_signal.c */
shape_fn shape_dft;
shape_fn shape_stft;
shape_fn shape_window_op; /* HannWindow and its like */
shape_fn shape_mel;

/* shape_quant.c */
shape_fn shape_quantize;
shape_fn shape_dequantize;
shape_fn shape_dynamic_quantize;
shape_fn shape_conv_integer;
shape_fn shape_matmul_integer;
shape_fn shape_qlinear_conv;
shape_fn shape_qlinear_matmul;
shape_fn shape_qlinear_binary;
shape_fn shape_qlinear_pool;
shape_fn shape_qlinear_global_pool;
shape_fn shape_qlinear_concat;
shape_fn shape_qgemm;

/* shape_move.c */
shape_fn shape_reshape;
shape_fn shape_flatten;
shape_fn shape_squeeze;
shape_fn shape_unsqueeze;
shape_fn shape_transpose;
shape_fn shape_concat;
shape_fn shape_split;
shape_fn shape_slice;
shape_fn shape_gather;
shape_fn shape_pad;
shape_fn shape_expand;
shape_fn shape_tile;

/* shape_index.c */
shape_fn shape_gather_elements;
shape_fn shape_gather_nd;
shape_fn shape_scatter_elements;
shape_fn shape_scatter_nd;
shape_fn shape_tensor_scatter;
shape_fn shape_scan; /* CumSum, CumProd */
shape_fn shape_top_k;
shape_fn shape_one_hot;
shape_fn shape_reverse_sequence;
shape_fn shape_nms;
shape_fn shape_tfidf;
shape_fn shape_nonzero;

/* shape_rnn.c */
shape_fn shape_rnn; /* also GRU, LSTM */

/* shape_image.c */
shape_fn shape_center_crop_pad;
shape_fn shape_col2im;
shape_fn shape_max_unpool;
shape_fn shape_affine_grid;

/* shape_if.c */
shape_fn shape_if; /* of a condition that is not known */

/* shape_const.c: results that depend on values */
shape_fn shape_constant;
shape_fn shape_constant_of_shape;
shape_fn shape_range;
shape_fn shape_shape;
shape_fn shape_size;
shape_fn shape_eye_like;
shape_fn shape_compress;
shape_fn shape_unique;

#endif
