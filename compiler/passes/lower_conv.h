/* lower_conv.h - layers of the convolution family under construction: shared by
 * lower_conv.c and lower_quant.c. */
#ifndef FLEXC_PASSES_LOWER_CONV_H
#define FLEXC_PASSES_LOWER_CONV_H

#include "passes/lower_draft.h"

/* What a layer in integers has besides. */
struct conv_quant {
    struct quant q;
    enum dtype out; /* I8, U8, I32, F32 */
    struct weight bias;
    struct weight scale;
    struct weight zero;
};

/* A layer of the family, before its epilogue. */
struct conv_job {
    enum layer_kind kind;
    struct view in;  /* N,H,W,C */
    uint64_t out[4]; /* N,H,W,C */
    struct conv_param p;
    struct weight w; /* O, KH, KW, C/group */
    uint32_t bias;   /* a constant of the node itself, or VALUE_NONE */
    float bias_scale;
    const struct conv_quant *quant; /* NULL: floats */
};

/* [m, k] times a constant whose element (k, n) is at k * k_step + n * n_step.
 */
struct product {
    uint64_t m;
    uint64_t n;
    uint64_t k;
    int64_t k_step;
    int64_t n_step;
};

/* in, p and out but for its channels, of a node with a window over input 0. */
NODISCARD bool conv_get_window(struct lower *lw, uint32_t node_ix,
                               struct conv_job *job);
/* Sets w but for its data. */
void conv_set_weights(struct conv_job *job, uint64_t channels, uint64_t own);
/* Drafts the layer with what the node took over, and sets the value that it
 * writes. */
NODISCARD bool conv_draft(struct lower *lw, uint32_t node_ix,
                          struct conv_job *job);
/* The same of a product with the left side `left`. */
NODISCARD bool conv_draft_product(struct lower *lw, uint32_t node_ix,
                                  uint32_t left, bool is_transposed,
                                  const struct product *p,
                                  struct conv_job *job);

#endif
