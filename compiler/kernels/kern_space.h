/* kern_space.h - layers over spaces of any shape, for the catalogue's rows of
 * such kernels. Private to the folder. A space is the layer's iteration space,
 * its dimensions merged where all operands walk them as one. */
#ifndef FLEXC_KERNELS_KERN_SPACE_H
#define FLEXC_KERNELS_KERN_SPACE_H

#include "kernels/kern_parts.h"

/* Operands as arrays: the output, then what the kernel walks with it. */
enum { MAX_WALK = LAYER_MAX_IN + 1 };

struct walk {
    const struct operand *o;
    int64_t stride[TENSOR_MAX_RANK];
};

struct space {
    uint32_t rank;
    uint32_t row_dims;
    uint64_t dim[TENSOR_MAX_RANK];
    uint32_t n;
    struct walk walk[MAX_WALK];
};

/* The layer's space, walked by its output so far. */
struct space space_of(const struct layer *l);
/* One more operand, with its strides along the space's dimensions. */
void space_add(struct space *s, const struct operand *o, const int64_t *stride);
/* Merges and drops dimensions among the rows and among the others but the last
 * n_fixed. */
void space_merge(struct space *s, uint32_t n_fixed);
/* The kernels walk planes: at least two dimensions besides the rows. False
 * when there is no room for them. */
bool space_pad(struct space *s);

/* Values of FLX_SPACE_FIELDS. */
void space_put_dims(const struct space *s, uint32_t *rank, uint32_t *row_dims,
                    uint32_t *dim, struct fit *f);
#define PUT_SPACE(A, S, F)                                                     \
    space_put_dims((S), &(A)->rank, &(A)->row_dims, (A)->dim, (F))

/* Values of FLX_VIEW_FIELDS, of operand i of the space (the output is 0). */
struct view {
    uint32_t at;
    uint32_t by_row;
    uint32_t row_bytes;
    uint32_t row0;
    int32_t col0;
};
void space_put_view(const struct arg_in *in, const struct space *s, uint32_t i,
                    struct view *v, int32_t *stride, struct fit *f);
/* Operand I of space S to the fields PREFIX_* of block A. */
#define PUT_VIEW(A, PREFIX, IN, S, I, F)                                       \
    do {                                                                       \
        struct view v_;                                                        \
        space_put_view((IN), (S), (I), &v_, (A)->PREFIX##_stride, (F));        \
        (A)->PREFIX##_at = v_.at;                                              \
        (A)->PREFIX##_by_row = v_.by_row;                                      \
        (A)->PREFIX##_row_bytes = v_.row_bytes;                                \
        (A)->PREFIX##_row0 = v_.row0;                                          \
        (A)->PREFIX##_col0 = v_.col0;                                          \
    } while (0)

/* What fits: *why says what does not. The first n inputs are there; they and
 * the output are f32; the rank is enough for space_pad (more never occurs in
 * practice). */
bool space_has_inputs(const struct layer *l, uint32_t n, const char **why);
bool space_all_f32(const struct layer *l, uint32_t n, const char **why);
bool space_rank_fits(const struct layer *l, const char **why);

#endif
