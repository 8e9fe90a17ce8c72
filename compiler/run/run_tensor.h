/* run_tensor.h - tensors on the host: inputs from files or a seed, outputs to
 * files. Data is dense, in ONNX order, little-endian, as in the arena. */
#ifndef FLEXC_RUN_RUN_TENSOR_H
#define FLEXC_RUN_RUN_TENSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cx.h"
#include "base/span.h"

enum { RUN_MAX_RANK = 8 };

enum run_class { RUN_FLOAT, RUN_SIGNED, RUN_UNSIGNED, RUN_BOOL };

/* An element type: a row of the one table of run_tensor.c. `npy` is NumPy's
 * descriptor; a type that NumPy lacks is written as the unsigned integer of its
 * width, and `npy` is NULL. */
struct run_type {
    const char *name; /* as in ONNX: "float", "int64", ... */
    const char *npy;
    uint32_t bytes; /* of one element */
    enum run_class cls;
};

/* dtype is ONNX TensorProto.DataType; NULL when flexrun does not know it. */
const struct run_type *run_type_of(uint32_t dtype);
/* The dtype with this NumPy descriptor of len bytes; 0 when there is none. */
uint32_t run_type_of_npy(const char *descr, uint64_t len);

struct run_tensor {
    const char *name; /* "" when it has none */
    uint32_t dtype;   /* run_type_of(dtype) is never NULL */
    uint32_t rank;
    uint64_t dim[RUN_MAX_RANK];
    const uint8_t *data; /* n * run_type_of(dtype)->bytes */
    uint64_t n;          /* elements: the product of dim */
};

uint64_t run_tensor_bytes(const struct run_tensor *t);
bool run_tensor_same_shape(const struct run_tensor *a,
                           const struct run_tensor *b);
/* Computes t->n from rank and dim; false when the bytes overflow 62 bits. */
NODISCARD bool run_tensor_count(struct run_tensor *t);

/* "[1,3,224,224] float". */
void run_tensor_print(struct buf *b, const struct run_tensor *t);

/* Element i < n: of a float type / of any other. */
double run_float_at(const struct run_tensor *t, uint64_t i);
int64_t run_signed_at(const struct run_tensor *t, uint64_t i);
uint64_t run_unsigned_at(const struct run_tensor *t, uint64_t i);
/* Of any type, rounded to a double. */
double run_value_at(const struct run_tensor *t, uint64_t i);

/* Writes `value` rounded to the element type (floats to nearest even; integers
 * to nearest, clamped to the type; bool: not 0) as element i of dst. */
void run_put(uint32_t dtype, uint8_t *dst, uint64_t i, double value);

/* Element i of input number input_ix with this seed: of
 *   z = mix(seed * 0x9E3779B97F4A7C15 + (input_ix << 40) + i)
 * where mix is splitmix64 (step and finaliser), the top 24 bits v give
 * v / 2^23 - 1 in [-1, 1) for float types, v mod 128 for integers, v mod 2
 * for bool. */
uint64_t run_random_bits(uint64_t seed, uint64_t input_ix, uint64_t i);
/* Fills t (dtype, rank and dim given) with them; data in cx->keep. */
NODISCARD bool run_tensor_random(struct run_tensor *t, uint64_t seed,
                                 uint64_t input_ix, struct cx *cx);

/* Reads a .npy (C order, little-endian) or a serialized TensorProto, told apart
 * by content. Data in cx->keep; the file may change afterwards.
 *
 * false   E_NO_FILE, E_IO, E_INPUT naming the file */
NODISCARD bool run_tensor_read(const char *path, struct cx *cx,
                               struct run_tensor *out);

/* The two readers by themselves, of a whole file's bytes; `path` is for
 * messages only. */
NODISCARD bool run_npy_parse(struct span file, const char *path, struct cx *cx,
                             struct run_tensor *out);
NODISCARD bool run_pb_parse(struct span file, const char *path, struct cx *cx,
                            struct run_tensor *out);

/* Appends the tensor as a .npy file, format 1.0. */
void run_npy_print(struct buf *b, const struct run_tensor *t);
NODISCARD bool run_npy_write(const char *path, const struct run_tensor *t,
                             struct cx *cx);

#endif
