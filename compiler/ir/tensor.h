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
};

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
