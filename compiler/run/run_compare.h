/* run_compare.h - when an output counts as equal: the one place where
 * tolerances are read and applied. */
#ifndef FLEXC_RUN_RUN_COMPARE_H
#define FLEXC_RUN_RUN_COMPARE_H

#include "run/run_tensor.h"

/* How far `got` may be from `want`:
 *   ONNX   floats: 1e-7 + 1e-3 |want|; all else equal
 *   CLOSE  rel |want| + abs max|want|, the maximum over the tensor's finite
 *          elements; bool equal
 *   PLAIN  rel |want| + abs; bool equal
 *   STEPS  integers within `steps`; floats as ONNX; bool equal
 *   TOP1   the first maximum of the tensor at the same index
 * NaN equals NaN, an infinity only itself. */
enum run_rule { RUN_ONNX, RUN_CLOSE, RUN_PLAIN, RUN_STEPS, RUN_TOP1 };
struct run_tolerance {
    enum run_rule rule;
    double rel;
    double abs;
    double steps;
};

/* The rule of a test: DIR/tolerance (one line "close R A", "steps N" or
 * "top1"), or ONNX's own without that file. false: E_INPUT naming it. */
NODISCARD bool run_tolerance_read(const char *dir, struct cx *cx,
                                  struct run_tolerance *out);

/* Appends nothing and returns true when got is want within tol; else appends
 * why not, with the worst element's index, values and bound. Type and shape
 * must be the same. */
NODISCARD bool run_compare(const struct run_tensor *got,
                           const struct run_tensor *want,
                           const struct run_tolerance *tol, struct buf *why);

#endif
