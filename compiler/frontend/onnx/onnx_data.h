/* onnx_data.h - reads a tensor from a file of its own, as the ONNX backend
 * tests store them. */
#ifndef FLEXC_FRONTEND_ONNX_DATA_H
#define FLEXC_FRONTEND_ONNX_DATA_H

#include <stdbool.h>

#include "base/attr.h"

struct cx;
struct value;

/* Reads a serialized TensorProto. *out becomes a constant with name ("" if it
 * has none), type, shape and data, all in the keep arena; nothing stays mapped.
 * Errors as for the tensors of onnx_import, at the file. */
NODISCARD bool onnx_tensor_read(const char *path, struct cx *cx,
                                struct value *out);

#endif
