/* unique.h - which slices of a constant differ: for the shape rule of Unique
 * and for folding it. */
#ifndef FLEXC_PASSES_UNIQUE_H
#define FLEXC_PASSES_UNIQUE_H

#include "passes/params.h"

/* Slices along an axis, or elements where there is none, are numbered in order;
 * the results are in scratch. */
struct unique {
    uint32_t axis;
    uint64_t n_slice;
    uint64_t n; /* that differ */
    const uint64_t
        *own; /* [n]: the first slice of each, in the result's order */
    const uint64_t *of; /* [n_slice]: which of the n it is */
};
/* Input 0 is a constant; false: reported. */
NODISCARD bool unique_find(const struct graph *g, struct cx *cx,
                           const struct node *n, struct unique *u);

#endif
