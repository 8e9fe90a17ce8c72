/* fold.h - computes nodes whose inputs are constant: shape arithmetic and the
 * preparation of weights. Integers wrap at their width; floats are computed in
 * double and rounded to their type. */
#ifndef FLEXC_PASSES_FOLD_H
#define FLEXC_PASSES_FOLD_H

#include "passes/params.h"

/* A larger result is left to be computed at run time, unless it shares its
 * input's bytes. ConstantOfShape may be larger, as exporters write weights of
 * test models so. */
#define FOLD_MAX_BYTES (UINT64_C(64) << 20)
/* All results of one pass together, and the elements that are read and written
 * for them: so much for any model, as test models' weights are made by nodes
 * alone, and more in proportion to what the file holds. */
#define FOLD_TOTAL_BYTES (UINT64_C(1) << 30)
#define FOLD_TOTAL_WORK (UINT64_C(1) << 26)
enum { FOLD_BYTES_PER_BYTE = 4, FOLD_WORK_PER_BYTE = 4 };

struct fold {
    struct graph *g;
    struct cx *cx;
    uint64_t left_bytes;  /* of results */
    uint64_t left_work;   /* elements */
    bool keeps_quantised; /* weights that a later pass may take as they are */
};

void fold_begin(struct fold *f, struct graph *g, struct cx *cx);

enum fold_end { FOLD_NOT, FOLD_DONE, FOLD_FAILED };

/* A folding function: inputs are constant, the shape rule has set the outputs'
 * types and shapes. Fills the outputs' data by fold_alloc or with bytes of an
 * input. FOLD_NOT: it does not compute this; FOLD_FAILED: reported. */
typedef enum fold_end fold_fn(struct fold *f, const struct node *n);

/* Folds node n when its operator, its inputs and the sizes allow it: outputs
 * become constants and the node is dead. What would take more work than is left
 * is not folded.
 *
 * false   reported at the node: E_CONST (an index outside its tensor, division
 *         of integers by 0), E_TOO_BIG, E_MEMORY */
NODISCARD bool fold_node(struct fold *f, struct node *n);

/* Zeroed memory for the data of output i, already its data; NULL: reported. */
NODISCARD uint8_t *fold_alloc(struct fold *f, const struct node *n, uint32_t i);

/* dst[i0, i1, ...] = src[sum of i * stride] for elements of size bytes; dst is
 * dense, strides are in bytes and may be 0 or negative. */
void copy_strided(uint8_t *dst, const uint8_t *src, uint32_t size,
                  const struct shape *s, const int64_t *stride);

/* Steps through a shape with up to three operands that broadcast to it:
 * at[k] is the element of operand k. Begin with walk_begin, then walk_next
 * after each element. */
enum { WALK_OPERANDS = 3 };
struct walk {
    struct shape shape;
    int64_t index[TENSOR_MAX_RANK];
    uint32_t n_operand;
    int64_t stride[WALK_OPERANDS][TENSOR_MAX_RANK];
    uint64_t at[WALK_OPERANDS];
};
void walk_begin(struct walk *w, const struct shape *s);
void walk_operand(struct walk *w, const struct shape *operand);
void walk_next(struct walk *w);

/* fold_ewise.c */
fold_fn fold_unary;
fold_fn fold_binary;
fold_fn fold_variadic;
fold_fn fold_where;
fold_fn fold_cast;
fold_fn fold_clip;
fold_fn fold_reduce;

/* fold_quant.c */
fold_fn fold_quantize;
fold_fn fold_dequantize;

/* fold_move.c */
fold_fn fold_view;    /* same bytes under another shape */
fold_fn fold_dropout; /* with a mask that is all true */
fold_fn fold_transpose;
fold_fn fold_concat;
fold_fn fold_split;
fold_fn fold_slice;
fold_fn fold_gather;
fold_fn fold_expand;
fold_fn fold_tile;
fold_fn fold_constant;
fold_fn fold_constant_of_shape;
fold_fn fold_range;
fold_fn fold_shape;    /* the input's data is not needed */
fold_fn fold_size;     /* likewise */
fold_fn fold_eye_like; /* likewise */

/* fold_index.c */
fold_fn fold_nonzero;
fold_fn fold_unique;

/* fold_signal.c */
fold_fn fold_window_op; /* HannWindow and its like */
fold_fn fold_mel;

#endif
