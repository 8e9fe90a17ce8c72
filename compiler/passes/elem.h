/* elem.h - one element of constant data, as a number. */
#ifndef FLEXC_PASSES_ELEM_H
#define FLEXC_PASSES_ELEM_H

#include <stdint.h>

#include "ir/tensor.h"

/* Element i of little-endian data of type t. Of a float type, elem_i64 gives
 * the value cut towards zero (NaN: 0; beyond the range: its end); of an integer
 * type, elem_f64 the nearest double. */
double elem_f64(enum dtype t, const uint8_t *data, uint64_t i);
int64_t elem_i64(enum dtype t, const uint8_t *data, uint64_t i);

/* Whether the element is not 0. */
bool elem_is_set(enum dtype t, const uint8_t *data, uint64_t i);

/* Stores as type t: floats rounded to nearest even; integers modulo their
 * width; elem_put_f64 to an integer type as elem_i64 says; bool is != 0. */
void elem_put_f64(enum dtype t, uint8_t *data, uint64_t i, double value);
void elem_put_i64(enum dtype t, uint8_t *data, uint64_t i, int64_t value);

#endif
