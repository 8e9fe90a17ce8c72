/* onnx_tensor.h - a TensorProto becomes type, shape and bytes. */
#ifndef FLEXC_FRONTEND_ONNX_TENSOR_H
#define FLEXC_FRONTEND_ONNX_TENSOR_H

#include <onnx.pb-c.h>

#include "base/cx.h"
#include "base/diag.h"
#include "base/fileio.h"
#include "base/span.h"
#include "frontend/onnx/onnx_scan.h"
#include "ir/tensor.h"

/* Where tensors' data comes from. */
struct onnx_source {
    struct cx *cx;
    const struct onnx_scan *scan; /* of the message that holds the tensors */
    const char *dir;              /* folder of external data */
    struct onnx_file *file;       /* external data mapped so far */
    uint32_t n_file;
    uint32_t cap_file;
};
struct onnx_file {
    const char *name; /* as the tensors give it */
    struct file_map map;
};

struct onnx_tensor {
    enum dtype dtype;
    struct shape shape;
    struct span data; /* row-major, little-endian; in a mapped file or keep */
};

/* Reads one tensor; `at` is where errors are reported. Files it maps stay in
 * src->file, also after an error.
 *
 * E_TYPE, E_SHAPE, E_TOO_BIG, E_CONST (data and shape differ in size),
 * E_EXTERNAL_DATA, E_MEMORY */
NODISCARD bool onnx_tensor(struct onnx_source *src, const Onnx__TensorProto *t,
                           struct diag_at at, struct onnx_tensor *out);

#endif
