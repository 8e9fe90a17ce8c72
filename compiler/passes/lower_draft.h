/* lower_draft.h - layers under construction; for lower*.c only.
 *
 * Lowering walks the nodes once and drafts layers whose operands are *linear
 * views*: strides in elements from the start of a buffer, which is what memory
 * is while a buffer is held in full. Reshape, Transpose, Slice and their like
 * only make views. Where strides cannot say it, and at Concat, a copy is
 * drafted; lower_merge then removes the copies whose source can be computed in
 * the place of the copy. Last, lower_finish turns views into operands: it
 * orders and joins the dimensions of kinds that have no order of their own,
 * and finds which operands go by rows. */
#ifndef FLEXC_PASSES_LOWER_DRAFT_H
#define FLEXC_PASSES_LOWER_DRAFT_H

#include "ir/graph.h"
#include "ir/layer.h"
#include "passes/fuse.h"
#include "passes/params.h"

/* Dimensions of size 1 have stride 0. */
struct view {
    uint32_t buf; /* draft buffer, or BUF_WEIGHTS */
    enum dtype dtype;
    uint32_t rank;
    uint64_t dim[TENSOR_MAX_RANK];
    int64_t stride[TENSOR_MAX_RANK]; /* elements */
    int64_t off;                     /* elements from the buffer's start */
    struct span data;                /* BUF_WEIGHTS: the whole constant */
};

struct draft_buf {
    const char *name;
    enum dtype dtype;
    uint64_t n;   /* elements, > 0 */
    uint64_t row; /* elements of one row; 0: open, as nobody writes it */
    bool is_input;
    bool is_output;
};

/* y's operands, rows and, for kinds without an order of their own, dimensions
 * are filled by lower_finish. */
struct draft {
    struct layer y;
    struct view out;
    struct view in[LAYER_MAX_IN];
    bool is_dead;
};

/* Where a value of the graph is. */
enum slot_state {
    SLOT_NONE, /* not computed, or inside another node's layer */
    SLOT_VIEW,
    SLOT_PENDING /* the value is the view's elements in row-major order, under
                    another shape that strides cannot say */
};
struct slot {
    enum slot_state state;
    struct view view;
};

/* What a node's layer takes over from the nodes after it. */
struct fused {
    uint32_t out;  /* the value that the layer writes */
    uint32_t bias; /* constants, or VALUE_NONE */
    uint32_t slope;
    uint32_t residual; /* a value, or VALUE_NONE */
    struct epilogue epi;
};

struct lower {
    struct graph *g;
    struct cx *cx;
    struct graph_uses uses;
    struct slot *slot;   /* per value */
    struct fused *fused; /* per node */
    uint32_t *emit;      /* per node: whose layer is drafted there, or NODE_NONE
                            for nodes inside another's layer */
    bool *inlined;       /* per node: part of an elementwise expression */
    uint32_t *scale;     /* per node: BatchNormalization as a * x + b: values;
                            the condition of a Where as f32 */
    uint32_t *shift;
    struct draft_buf *buf;
    uint32_t n_buf;
    uint32_t cap_buf;
    struct draft *draft;
    uint32_t n_draft;
    uint32_t cap_draft;
    struct image_copy *image_copy; /* copies made so far */
    uint32_t n_image_copy;
    uint32_t cap_image_copy;
};

/* ---- lower_view.c: views, without drafting anything ---------------------- */

void view_plain(struct view *v, uint32_t buf, enum dtype t, uint32_t rank,
                const uint64_t *dim);
uint64_t view_count(const struct view *v);
bool view_same_dims(const struct view *a, const struct view *b);
/* out dimension i is dimension perm[i]. */
struct view view_permute(const struct view *v, const uint32_t *perm);
/* Dimension k becomes len elements start, start + step, ... of itself. */
void view_slice(struct view *v, uint32_t k, int64_t start, int64_t step,
                uint64_t len);
/* The same elements in row-major order under another shape of equal count;
 * false when strides cannot say it. out may be v. */
bool view_reshape(const struct view *v, uint32_t rank, const uint64_t *dim,
                  struct view *out);
/* Broadcasts as numpy does; the shapes are known to fit. */
struct view view_expand(const struct view *v, uint32_t rank,
                        const uint64_t *dim);
/* [N,C,H,W], or [N,C,L] as H = L, W = 1, seen as N,H,W,C; and back to `rank`
 * (3 or 4) dimensions. */
struct view view_to_image(const struct view *v);
struct view view_from_image(const struct view *v, uint32_t rank);
/* Row-major from the start, and all of a buffer of n elements. */
bool view_is_all_plain(const struct view *v, uint64_t n);
/* Dimensions by descending stride; those of size 1 where ONNX order has them,
 * but for a channel dimension of size 1, which comes last. */
void view_order(const struct view *v, uint32_t order[TENSOR_MAX_RANK]);

/* ---- lower_draft.c: what the lowering functions draft with --------------- */

void dims_of(const struct shape *s, uint64_t dim[TENSOR_MAX_RANK]);
/* E_TYPE at the node unless f32. */
NODISCARD bool lower_need_f32(struct lower *lw, uint32_t node_ix, enum dtype t);
/* A new buffer; UINT32_MAX when memory is out. */
uint32_t lower_new_buf(struct lower *lw, const char *name, enum dtype t,
                       uint64_t n, uint64_t row);
/* A new draft called after the node (which may be NODE_NONE, for an output that
 * no node computes), or NULL; valid until the next one. */
NODISCARD struct draft *lower_new_draft(struct lower *lw, uint32_t node_ix,
                                        enum layer_kind kind);
/* The value's view; drafts a copy if it is pending. */
NODISCARD bool lower_get(struct lower *lw, uint32_t node_ix, uint32_t value,
                         struct view *out);
/* Sets the value's view, which has the value's element count in row-major
 * order but maybe other dimensions. */
void lower_set(struct lower *lw, uint32_t value, const struct view *v);
/* A fresh buffer for `rank` x dim elements, in the memory order and with the
 * rows of `like` (same rank, maybe other sizes). */
NODISCARD bool lower_fresh(struct lower *lw, const char *name, enum dtype t,
                           uint32_t rank, const uint64_t *dim,
                           const struct view *like, struct view *out);
/* A fresh N,H,W,C buffer, row = W * C. */
NODISCARD bool lower_fresh_image(struct lower *lw, const char *name,
                                 enum dtype t, const uint64_t dim[4],
                                 struct view *out);
/* The buffer of the input that output `value` is a state with, if nobody but
 * `node` reads that input: then the node may write in its place. Else
 * BUF_NONE. */
uint32_t lower_state_of(const struct lower *lw, uint32_t node_ix,
                        uint32_t value);
/* Drafts a copy from in to out, of the same dimensions. */
NODISCARD bool lower_copy(struct lower *lw, uint32_t node_ix,
                          const struct view *in, const struct view *out);
/* A row-major copy of v. */
NODISCARD bool lower_plain_copy(struct lower *lw, uint32_t node_ix,
                                const char *name, struct view *v);
/* True when an N,H,W,C view has channels together, pixels apart and rows that
 * are its buffer's; an open buffer's rows are set to fit. */
bool lower_is_image(struct lower *lw, const struct view *v);
/* Makes it so, by a copy if need be. */
NODISCARD bool lower_to_image(struct lower *lw, uint32_t node_ix,
                              struct view *v);
/* The row map of a window over images. */
struct row_map window_map(uint64_t images, uint64_t out_rows, uint64_t in_rows,
                          const uint32_t kernel[2], const uint32_t stride[2],
                          const uint32_t dilation[2], const int32_t pad[2]);
struct row_map identity_map(uint64_t rows);

/* ---- one function per family of operators -------------------------------- */

/* Marks what is fused and inlined. */
NODISCARD bool lower_fuse(struct lower *lw);
bool fuse_has_gemm_bias(const struct lower *lw, const struct node *n);
/* Whether value is a constant, or one transposed that was too large to be
 * copied; as a view of its data. */
bool fuse_const_view(const struct lower *lw, uint32_t value, struct view *v);
bool fuse_has_const_right(const struct lower *lw, const struct node *n);

/* An elementwise node that expressions can hold. */
bool ewise_is_op(enum op_id op);
/* Whether its expression runs in the fast kernel of f32. */
bool ewise_is_fast(const struct lower *lw, const struct node *n);
/* Its expression reads its operand more than once, so that the operand must be
 * a value of its own. */
bool ewise_reads_twice(enum op_id op);
/* True when the node's expression, with what is inlined, fits a layer. */
NODISCARD bool lower_ewise_fits(struct lower *lw, uint32_t node_ix);

NODISCARD bool lower_conv(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_deconv(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_gemm(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_matmul(struct lower *lw, uint32_t node_ix);
/* The five products of 8-bit numbers. */
NODISCARD bool lower_quant(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_quant_pool(struct lower *lw, uint32_t node_ix);
/* The numbers of type t that an activation leaves; nothing of other types. */
void lower_quant_range(enum dtype t, const struct epilogue *e, struct quant *q);
NODISCARD bool lower_pool(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_global_pool(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_reduce(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_resize(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_lrn(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_norm(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_attention(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_softmax(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_ewise(struct lower *lw, uint32_t node_ix);
/* The node's output is alpha * a + beta * b (b NULL: alpha * a). */
NODISCARD bool lower_scaled_sum(struct lower *lw, uint32_t node_ix,
                                struct view *a, float alpha, struct view *b,
                                float beta);
/* Fills value with one element's bits. */
NODISCARD bool lower_fill(struct lower *lw, uint32_t node_ix, uint32_t value,
                          uint64_t bits);
NODISCARD bool lower_dropout(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_cast(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_concat(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_pad(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_gather(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_reshape(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_transpose(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_slice(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_split(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_expand(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_depth_space(struct lower *lw, uint32_t node_ix);

/* Drafts of a product of two computed matrices. */
NODISCARD bool lower_product(struct lower *lw, uint32_t node_ix, struct view *a,
                             struct view *b, struct view *out);

/* ---- lower_general.c: class tensor ----------------------------------------
 */

/* Drafts `op` over whole operands; the result, in ONNX order, is the value's
 * view. The caller fills y.p.tensor.i and f, and y.macs. */
NODISCARD struct draft *lower_tensor_draft(struct lower *lw, uint32_t node_ix,
                                           uint32_t value, enum tensor_op op,
                                           const struct view *in,
                                           uint32_t n_in);
/* The same with an output of its own, whose value the caller sets; the caller
 * fills the inputs too. */
NODISCARD struct draft *
lower_tensor_draft_of(struct lower *lw, uint32_t node_ix, const char *name,
                      enum dtype t, uint32_t rank, const uint64_t *dim,
                      enum tensor_op op);
/* Whether the convolution or pool has a layer of its own, which takes over
 * what follows; else it is general. */
bool lower_conv_is_fast(const struct lower *lw, const struct node *n);
bool lower_pool_is_fast(const struct lower *lw, const struct node *n);
NODISCARD bool lower_conv_general(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_pool_general(struct lower *lw, uint32_t node_ix);
/* The second output of MaxPool. */
NODISCARD bool lower_pool_indices(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_pad_general(struct lower *lw, uint32_t node_ix,
                                 const struct pad_params *p);
NODISCARD bool lower_resize_general(struct lower *lw, uint32_t node_ix,
                                    const struct resize_params *r);
NODISCARD bool lower_tile(struct lower *lw, uint32_t node_ix);

/* ---- lower_index.c: likewise ----------------------------------------------
 */

NODISCARD bool lower_gather_index(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_scatter(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_scan(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_top_k(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_bit_cast(struct lower *lw, uint32_t node_ix);

/* ---- lower_find.c ---------------------------------------------------------
 */

NODISCARD bool lower_nms(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_nonzero(struct lower *lw, uint32_t node_ix);

/* ---- lower_sample.c, lower_signal.c, lower_state.c ------------------------
 */

NODISCARD bool lower_grid_sample(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_roi_align(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_deform_conv(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_det(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_dft(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_stft(struct lower *lw, uint32_t node_ix);
NODISCARD bool lower_linear_attention(struct lower *lw, uint32_t node_ix);

/* ---- lower_rnn.c ----------------------------------------------------------
 */

/* RNN, GRU and LSTM, as pass_expand leaves them. */
NODISCARD bool lower_rnn(struct lower *lw, uint32_t node_ix);

/* ---- the end ------------------------------------------------------------- */

/* Removes copies by address. */
NODISCARD bool lower_merge(struct lower *lw);
/* Drops dead drafts and writes the layers. */
NODISCARD bool lower_finish(struct lower *lw, struct layers *l);
/* Sets guards of finished layers. */
NODISCARD bool lower_guard(struct cx *cx, struct layers *l);

#endif
