/* onnx_attr.h - the attributes of a node, checked against op.def. */
#ifndef FLEXC_FRONTEND_ONNX_ATTR_H
#define FLEXC_FRONTEND_ONNX_ATTR_H

#include "frontend/onnx/onnx_tensor.h"
#include "ir/graph.h"

/* Fills n->attr from the message; n has its name and operator. A tensor becomes
 * a constant of the graph. Everything is copied to the keep arena.
 *
 * E_OP_ATTR   not an attribute of the operator, or not in this opset, of
 *             another kind, given twice, or a graph
 * and the errors of onnx_tensor; at the node */
NODISCARD bool onnx_attrs(struct onnx_source *src, struct graph *g,
                          const Onnx__NodeProto *from, struct node *n);

#endif
