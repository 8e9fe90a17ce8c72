/* layer_eval.h - runs layers the naive way, for tests: plain loops over the
 * operands' strides, sums in double. It judges lowering without the kernels
 * and shares nothing with them. */
#ifndef FLEXC_TESTS_LAYER_EVAL_H
#define FLEXC_TESTS_LAYER_EVAL_H

#include "base/arena.h"
#include "ir/layer.h"

/* Whether it knows all the layers: those of class tensor, expressions and
 * reductions over other types than f32 and casts of f16, bf16, f64 and u64 it
 * does not; the conformance tests judge them. */
bool layer_eval_knows(const struct layers *l);

/* Runs every layer in order on buffers that are full of NaN at first.
 *
 *   l        passes layers_check
 *   a        holds the buffers
 *   input    l->n_input tensors, dense, in ONNX order
 *   output   gets l->n_output pointers to dense tensors, in a
 *
 * NULL, or what is wrong: an operand read outside the rows that its row map
 * allows, or memory. About 1e9 multiply-adds per second. */
const char *layer_eval(const struct layers *l, struct arena *a,
                       const uint8_t *const *input, const uint8_t **output);

#endif
