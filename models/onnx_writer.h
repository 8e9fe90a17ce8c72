/* onnx_writer.h - builds one ONNX model in memory and writes it to a file.
 *
 * Through protobuf-c, with no code shared with the compiler's reader: a
 * misreading of the format cannot cancel itself out in tests. Weights are
 * not held in memory: an initializer is a recipe (a function of the element
 * index), called block by block while the file is written.
 *
 * Failures are sticky. A builder call that cannot get memory reports through
 * the model's diag and returns NULL; from then on every call, and every call
 * given a NULL name, does nothing and returns NULL; onnx_model_write returns
 * false. So a network is built without a test after each node. */
#ifndef FLEXC_MODELS_ONNX_WRITER_H
#define FLEXC_MODELS_ONNX_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct arena;
struct diag;

enum {
    ONNX_MAX_RANK = 8,
    ONNX_MAX_INPUTS = 6,
    ONNX_MAX_OUTPUTS = 4,
    ONNX_MAX_ATTRS = 6,
    ONNX_MAX_INTS = 8,
};

enum onnx_elem { ONNX_F32, ONNX_I64, ONNX_BOOL };

/* A tensor's type. dim[0 .. rank-1] are at least 1; rank 0 is a scalar. */
struct onnx_type {
    enum onnx_elem elem;
    size_t rank;
    uint64_t dim[ONNX_MAX_RANK];
    const char *symbol[ONNX_MAX_RANK]; /* of an input's or output's dimension in
                                          place of dim; NULL: dim */
};

/* Elements in a tensor of this type (UINT64_MAX when the product overflows),
 * and bytes of one element. */
uint64_t onnx_type_count(const struct onnx_type *type);
uint64_t onnx_elem_bytes(enum onnx_elem elem);

/* Writes elements first .. first+n-1 (row-major) of an initializer, little
 * endian, to dst. Must be a pure function of its arguments and *recipe. */
typedef void (*onnx_fill_fn)(const void *recipe, uint64_t first, size_t n,
                             uint8_t *dst);

/* One attribute; made by the three functions below. A zero name ends a list. */
struct onnx_attr {
    const char *name;
    enum onnx_attr_kind { ONNX_INT, ONNX_FLOAT, ONNX_INTS } kind;
    float f;
    size_t n_ints;
    int64_t ints[ONNX_MAX_INTS]; /* ints[0] is the value of ONNX_INT */
};

struct onnx_attr onnx_attr_int(const char *name, int64_t value);
struct onnx_attr onnx_attr_float(const char *name, float value);
/* value[0 .. n-1] is copied; n <= ONNX_MAX_INTS. */
struct onnx_attr onnx_attr_ints(const char *name, const int64_t *value,
                                size_t n);

/* One node. Lists end at the first NULL (attributes: at the first without a
 * name). Without `out` it has one output, called "<name>_out". */
struct onnx_node {
    const char *op;
    const char *name;
    const char *in[ONNX_MAX_INPUTS + 1];
    const char *out[ONNX_MAX_OUTPUTS + 1];
    struct onnx_attr attr[ONNX_MAX_ATTRS + 1];
};

struct onnx_model;

/* A model without nodes.
 *
 *   keep  holds everything until the caller frees it; outlives the model
 *   d     receives the first error; outlives the model
 *   name, doc  copied
 *   opset      of the default domain, 13 .. 17
 *
 * NULL   out of memory, reported */
struct onnx_model *onnx_model_new(struct arena *keep, struct diag *d,
                                  const char *name, const char *doc,
                                  unsigned opset);

/* Whether every call so far succeeded. */
bool onnx_model_ok(const struct onnx_model *m);

/* A string that lives as long as the model; NULL on failure. */
const char *onnx_name(struct onnx_model *m, const char *format, ...)
    PRINTF(2, 3);

/* Adds a graph input. Returns its name (a copy). */
const char *onnx_input(struct onnx_model *m, const char *name,
                       const struct onnx_type *type);

/* Makes the first output of the node appended last a graph output, and
 * renames it to `name` (copied). */
void onnx_output(struct onnx_model *m, const char *name,
                 const struct onnx_type *type);

/* An initializer with raw data; fill is given a copy of the recipe_bytes at
 * recipe (aligned for any type). Returns its name (a copy). */
const char *onnx_init(struct onnx_model *m, const char *name,
                      const struct onnx_type *type, onnx_fill_fn fill,
                      const void *recipe, size_t recipe_bytes);

/* Appends a node; the caller appends in topological order. Everything is
 * copied. Returns the name of its first output. */
const char *onnx_node(struct onnx_model *m, const struct onnx_node *node);

/* Writes the model to path: under a temporary name in the same folder, then
 * renamed, so that no partial file is left. Same calls, same bytes.
 *
 * false   a builder call failed before (already reported); E_TOO_BIG, the
 *         model is above protobuf's 2 GiB; E_IO, the file cannot be written
 *
 * Cost: one pass over the weights; about 64 KiB beyond the model's records. */
NODISCARD bool onnx_model_write(struct onnx_model *m, const char *path);

#endif
