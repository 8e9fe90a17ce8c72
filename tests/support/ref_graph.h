/* ref_graph.h - evaluates an ONNX model node by node with reference.h.
 * Floats are kept in double from input to output, integers in int64_t; element
 * types only say how integers wrap and what a file holds. */
#ifndef FLEXC_TESTS_REF_GRAPH_H
#define FLEXC_TESTS_REF_GRAPH_H

#include "reference.h"

#include <stddef.h>

/* TensorProto.DataType; the types that are understood. */
enum ref_type {
    REF_F32 = 1,
    REF_U8 = 2,
    REF_I8 = 3,
    REF_U16 = 4,
    REF_I16 = 5,
    REF_I32 = 6,
    REF_I64 = 7,
    REF_BOOL = 9,
    REF_F16 = 10,
    REF_F64 = 11,
    REF_U32 = 12,
    REF_U64 = 13, /* above 2^63 as the negative of the same bits */
    REF_BF16 = 16
};

struct ref_tensor {
    struct ref_shape shape;
    enum ref_type type;
    void *data; /* double if ref_is_float(type), else int64_t */
};

/* Why something did not work. is_unsupported: the file is fine, but an
 * operator, a type or an option is not covered here. */
struct ref_error {
    char text[256];
    bool is_unsupported;
};

bool ref_is_float(enum ref_type type);
struct ref_tensor *ref_tensor_new(enum ref_type type,
                                  const struct ref_shape *shape);
void ref_tensor_free(struct ref_tensor *t); /* NULL is allowed */

/* `.npy` (little-endian, C order) or a serialized TensorProto. */
struct ref_tensor *ref_tensor_read(const char *path, struct ref_error *err);

/* Floats as <f4, integers as <i8, bool as |b1. */
bool ref_tensor_write_npy(const char *path, const struct ref_tensor *t);

/* Seeded input, for comparing programs without files. Element i of input
 * number j (both from 0) with seed s:
 *     z = splitmix64(s * 0x9E3779B97F4A7C15 + (j << 40) + i)   mod 2^64
 *     float:   (z >> 40) / 2^23 - 1, in [-1, 1), exact in f32
 *     integer: (z >> 40) mod 128;  bool: (z >> 40) mod 2
 * where splitmix64(x) is: x += 0x9E3779B97F4A7C15;
 *     x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
 *     x = (x ^ x >> 27) * 0x94D049BB133111EB; x ^ x >> 31. */
void ref_tensor_random(struct ref_tensor *t, uint64_t seed, uint64_t input_ix);

/* The rule of a test's `tolerance` file. */
struct ref_tolerance {
    enum { REF_TOL_ONNX, REF_TOL_CLOSE, REF_TOL_STEPS, REF_TOL_TOP1 } rule;
    double a; /* close: relative; steps: N */
    double b; /* close: times max|want| */
};

/* |got - want| within the rule; by ONNX's own rule 1e-7 + 1e-3 |want| and
 * integers equal. NaN equals NaN. *worst gets max|got - want| / max|want|. */
bool ref_tensor_match(const struct ref_tensor *got,
                      const struct ref_tensor *want,
                      const struct ref_tolerance *tol, double *worst);

/* A loaded model; owns everything it hands out but the outputs. */
struct ref_graph;

/* NULL and *err on a bad file. External data is looked for beside `path`. */
struct ref_graph *ref_graph_load(const char *path, struct ref_error *err);
void ref_graph_free(struct ref_graph *g);

/* Inputs are those that are not initializers, in graph order. */
size_t ref_graph_n_inputs(const struct ref_graph *g);
size_t ref_graph_n_outputs(const struct ref_graph *g);
const char *ref_graph_input_name(const struct ref_graph *g, size_t ix);
const char *ref_graph_output_name(const struct ref_graph *g, size_t ix);

/* Declared type and shape; a dynamic dimension is -1. */
bool ref_graph_input_type(const struct ref_graph *g, size_t ix,
                          enum ref_type *type, struct ref_shape *shape);

/* Evaluates. inputs[n_inputs] stay the caller's; outputs[n_outputs] become the
 * caller's to free, all NULL on error. Tensors are freed after their last use;
 * weights are widened when first used. */
bool ref_graph_run(struct ref_graph *g, const struct ref_tensor *const *inputs,
                   struct ref_tensor **outputs, struct ref_error *err);

#endif
