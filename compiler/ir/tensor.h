/* tensor.h - element types and shapes, the vocabulary every other noun uses. */
#ifndef FLEXC_IR_TENSOR_H
#define FLEXC_IR_TENSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

enum { TENSOR_MAX_RANK = 8 };

/* Element types. The values are those of ONNX TensorProto.DataType. */
enum dtype {
    DTYPE_NONE = 0,
    DTYPE_F32 = 1,
    DTYPE_U8 = 2,
    DTYPE_I8 = 3,
    DTYPE_U16 = 4,
    DTYPE_I16 = 5,
    DTYPE_I32 = 6,
    DTYPE_I64 = 7,
    DTYPE_STRING = 8,
    DTYPE_BOOL = 9,
    DTYPE_F16 = 10,
    DTYPE_F64 = 11,
    DTYPE_U32 = 12,
    DTYPE_U64 = 13,
    DTYPE_C64 = 14,
    DTYPE_C128 = 15,
    DTYPE_BF16 = 16,
    /* Types to store numbers in: they are cast and moved, not computed on. Each
     * element has a byte of its own in memory; TensorProto packs the narrow
     * ones. */
    DTYPE_F8E4M3FN = 17,
    DTYPE_F8E4M3FNUZ = 18,
    DTYPE_F8E5M2 = 19,
    DTYPE_F8E5M2FNUZ = 20,
    DTYPE_U4 = 21,
    DTYPE_I4 = 22,
    DTYPE_F4E2M1 = 23,
    DTYPE_F8E8M0 = 24,
    DTYPE_U2 = 25,
    DTYPE_I2 = 26,
};

/* Bits of an element in a TensorProto's raw data where that packs several into
 * a byte, the first lowest; else 0. */
uint32_t dtype_packed_bits(enum dtype t);
/* The byte in memory of such an element: signed types are sign-extended. */
uint8_t dtype_unpacked(enum dtype t, const uint8_t *packed, uint64_t i);

/* Bytes of one element; 0 for types that this compiler does not hold. */
uint32_t dtype_bytes(enum dtype t);
/* "f32", "i64", ...; "?" for an unknown value. */
const char *dtype_name(enum dtype t);
bool dtype_is_float(enum dtype t);

/* A static shape. dim[i] >= 0; rank 0 is a scalar. DIM_UNKNOWN marks a
 * dimension that is not known yet (only in graphs before shape inference). */
#define DIM_UNKNOWN INT64_MIN
struct shape {
    uint32_t rank;
    int64_t dim[TENSOR_MAX_RANK];
};

/* Number of elements; false when a dimension is unknown or the product
 * does not fit 62 bits. */
NODISCARD bool shape_count(const struct shape *s, uint64_t *n);
bool shape_equal(const struct shape *a, const struct shape *b);
/* All dimensions known. */
bool shape_is_static(const struct shape *s);

#endif
