/* onnx_import.h - an ONNX file becomes a graph, or a diagnosis. The door: the
 * bytes are hostile until this has returned. */
#ifndef FLEXC_FRONTEND_ONNX_IMPORT_H
#define FLEXC_FRONTEND_ONNX_IMPORT_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/span.h"

struct cx;
struct graph;

/* The opsets of the default domain that are read. */
enum { ONNX_OPSET_MIN = 7, ONNX_OPSET_MAX = 27 };

/* Reads the model at path. Constants point into the mapped file, and into the
 * files of external data beside it, where they can; graph_unmap ends that.
 * Nodes are in file order. cx->opt, when not NULL, has the shapes (--shape) and
 * values (--const) of inputs; a dynamic input without keeps DIM_UNKNOWN.
 * Names the file as the diag's input, by a string in the keep arena.
 *
 * E_NO_FILE, E_IO, E_MEMORY
 * E_ONNX_TRUNCATED, E_ONNX_PARSE, E_ONNX_DEPTH   at a byte
 * E_OPSET, E_OP_UNKNOWN, E_OP_ATTR, E_OP_INPUTS, E_NAME, E_TYPE, E_SHAPE,
 * E_TOO_BIG, E_CONST, E_EXTERNAL_DATA, E_UNSUPPORTED   at a node or tensor
 * E_USAGE   a pin that names no input
 * After an error *g is of no use and nothing is mapped.
 *
 * Cost: a pass over the file but for its raw data, which is not touched;
 * scratch about four times what remains. */
NODISCARD bool onnx_import(const char *path, struct cx *cx, struct graph *g);

/* The same for a file in memory, which outlives the graph. path gives the
 * graph's name and the folder of external data; it is not opened. */
NODISCARD bool onnx_import_bytes(struct span bytes, const char *path,
                                 struct cx *cx, struct graph *g);

#endif
