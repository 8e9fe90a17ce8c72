/* run_onnx.h - the little that flexrun has to know of a model file: its inputs,
 * which of them are weight-like, and how to turn those into initialisers. It
 * reads the wire format of the few fields it needs and copies the rest as it
 * is, so that neither depth nor size of a model matters. */
#ifndef FLEXC_RUN_RUN_ONNX_H
#define FLEXC_RUN_RUN_ONNX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cx.h"
#include "base/span.h"

/* A graph input that is no initialiser. */
struct run_onnx_input {
    const char *name;
    /* Some node reads it where its operator has weights (the second input of
     * Conv, ...). */
    bool is_weight;
};

struct run_onnx {
    struct span file;             /* the model; the caller's */
    struct run_onnx_input *input; /* in graph order */
    uint32_t n_input;
    const char **output;
    uint32_t n_output;
};

/* Reads a ModelProto; everything else is in cx->keep. `path` is for messages.
 * false: E_ONNX_PARSE, with the byte where the file is cut off or no model. */
NODISCARD bool run_onnx_scan(struct span file, const char *path, struct cx *cx,
                             struct run_onnx *out);

/* Appends the model to `out` with its weight-like inputs as initialisers:
 * value[i] is the serialized TensorProto of input i (unused for others). */
NODISCARD bool run_onnx_bake(const struct run_onnx *m, const struct span *value,
                             struct cx *cx, struct buf *out);

#endif
