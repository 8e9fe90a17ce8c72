/* passes.h - graph -> graph: the pipeline from an imported graph to one that
 * can be lowered. Each pass takes the graph and changes it in place; after a
 * failure the graph is of no use. */
#ifndef FLEXC_PASSES_PASSES_H
#define FLEXC_PASSES_PASSES_H

#include <stdbool.h>

#include "base/attr.h"

struct buf;
struct cx;
struct graph;

/* Runs pass.def from top to bottom. Afterwards nodes are in topological order,
 * every live value has a type and a static shape, constants are folded and dead
 * nodes gone.
 *
 *   dump_after  name of a pass whose result is appended to `dump` as text
 *               (the last of that name), or NULL
 *
 * E_USAGE   no pass of that name; the graph is unchanged
 * E_DYNAMIC_DIM, E_SHAPE, E_TYPE, E_CYCLE, E_CONST, E_TOO_BIG, E_OP_ATTR,
 * E_OP_INPUTS, E_UNSUPPORTED   at the node or tensor */
NODISCARD bool passes_run(struct graph *g, struct cx *cx,
                          const char *dump_after, struct buf *dump);

/* Sorts the nodes so that each follows those it reads from; order is otherwise
 * kept. E_CYCLE names a node of the cycle. */
NODISCARD bool pass_order(struct graph *g, struct cx *cx);

/* Marks nodes dead whose results nobody reads, and drops unread optional
 * outputs, so that out[1] != VALUE_NONE means that it is needed. Constants and
 * inputs stay. */
NODISCARD bool pass_dead(struct graph *g, struct cx *cx);

/* Infers type and shape of every value, and folds nodes of constant inputs as
 * it goes, since shapes are computed by nodes. Checks that a node's inputs fit
 * its operator; nobody checks that again. */
NODISCARD bool pass_shapes(struct graph *g, struct cx *cx);

/* Replaces ONNX Runtime's operators on 8-bit numbers that are defined by
 * floats: DequantizeLinear, the operator, QuantizeLinear. New nodes come last.
 */
NODISCARD bool pass_expand_contrib(struct graph *g, struct cx *cx);

/* Makes operators on integers of those on floats between DequantizeLinear and
 * QuantizeLinear, and moves integers where their floats were moved. */
NODISCARD bool pass_fuse_quant(struct graph *g, struct cx *cx);

/* Adds an output for every output whose size depends on values, called
 * NAME.count.DIMENSION: how many there are. New nodes come last. */
NODISCARD bool pass_count(struct graph *g, struct cx *cx);

/* Replaces operators that ONNX defines by others: normalizations whose scale
 * is computed, or without a layer of their own. New nodes come last. */
NODISCARD bool pass_expand(struct graph *g, struct cx *cx);

/* Computes on f16 and bf16 in f32: nodes that compute read what Cast nodes have
 * widened and their results are rounded by Cast nodes; a node that reads the
 * result of another takes it unrounded. New nodes come last. */
NODISCARD bool pass_widen(struct graph *g, struct cx *cx);

/* Folds nodes whose inputs have become constant since; pass_fold leaves
 * DequantizeLinear, whose constants take a quarter of its result's. */
NODISCARD bool pass_fold(struct graph *g, struct cx *cx);
NODISCARD bool pass_fold_all(struct graph *g, struct cx *cx);

/* Removes nodes that only pass their input on: Identity, Dropout in inference,
 * Cast to the same type, Reshape and Expand to the same shape, Transpose and
 * Pad that move nothing, Concat and Sum of one. */
NODISCARD bool pass_clean(struct graph *g, struct cx *cx);

/* Makes HardSigmoid and HardSwish of what exporters spell as Add, Clip, Mul and
 * Div. */
NODISCARD bool pass_fuse_act(struct graph *g, struct cx *cx);

/* Makes Gelu of what exporters spell as Mul, Div, Add, Pow, Erf and Tanh. */
NODISCARD bool pass_fuse_gelu(struct graph *g, struct cx *cx);

/* Makes LayerNormalization and RMSNormalization of what exporters spell as
 * ReduceMean, Sub, Pow, Sqrt, Div, Mul and Add. New nodes come last. */
NODISCARD bool pass_fuse_norm(struct graph *g, struct cx *cx);

/* Makes Attention of MatMul, Softmax, MatMul with scale and mask. New nodes
 * come last. */
NODISCARD bool pass_fuse_attention(struct graph *g, struct cx *cx);

/* Rotary embeddings half by half, without a rotated copy. New nodes come last.
 */
NODISCARD bool pass_fuse_rotary(struct graph *g, struct cx *cx);

/* Folds what scales and shifts channels by constants (BatchNormalization, Mul,
 * Div, Add, Sub) into the Conv, ConvTranspose or Gemm before it. Makes new
 * constants in the keep arena; order stays. */
NODISCARD bool pass_fold_bn(struct graph *g, struct cx *cx);

/* Makes Pad with zeros part of the Conv or AveragePool after it. */
NODISCARD bool pass_fuse_pad(struct graph *g, struct cx *cx);

#endif
