/* lower.h - graph -> layers: the last pass. After it nothing knows ONNX. */
#ifndef FLEXC_PASSES_LOWER_H
#define FLEXC_PASSES_LOWER_H

#include <stdbool.h>

#include "base/attr.h"

struct cx;
struct graph;
struct layers;

/* Lowers a graph that passes_run went over. Layers are in the graph's order.
 *
 *   g   gets constants of its own (of folded scales); its constants' bytes are
 *       what the layers' weights point to, so it outlives them
 *   l   in cx->keep, as layer.h says, finished (layers_finish)
 *
 * E_UNSUPPORTED   an operator, or a form of it, that has no layer
 * E_TYPE          arithmetic on a type other than f32
 * E_OP_ATTR       an attribute's value that has no layer
 * each at its node. Time: linear in nodes, but for elementwise chains. */
NODISCARD bool lower(struct graph *g, struct cx *cx, struct layers *l);

#endif
