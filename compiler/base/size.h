/* size.h - checked arithmetic on byte and element counts (uint64_t), for any
 * value that came from a file. Each function returns false and leaves *out
 * alone when the result does not fit; out may point to an operand. */
#ifndef FLEXC_BASE_SIZE_H
#define FLEXC_BASE_SIZE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

/* *out = a + b. */
NODISCARD static inline bool size_add(uint64_t *out, uint64_t a, uint64_t b)
{
    if (b > UINT64_MAX - a) {
        return false;
    }
    *out = a + b;
    return true;
}

/* *out = a - b, when b <= a. */
NODISCARD static inline bool size_sub(uint64_t *out, uint64_t a, uint64_t b)
{
    if (b > a) {
        return false;
    }
    *out = a - b;
    return true;
}

/* *out = a * b. */
NODISCARD static inline bool size_mul(uint64_t *out, uint64_t a, uint64_t b)
{
    uint64_t product;
    if (__builtin_mul_overflow(a, b, &product)) {
        return false;
    }
    *out = product;
    return true;
}

/* *out = the least multiple of align that is >= a; align is a power of two. */
NODISCARD static inline bool size_align(uint64_t *out, uint64_t a,
                                        uint64_t align)
{
    if (align == 0 || (align & (align - 1)) != 0 ||
        a > UINT64_MAX - (align - 1)) {
        return false;
    }
    *out = (a + (align - 1)) & ~(align - 1);
    return true;
}

/* *out = a, when it fits 32 bits: where device tables are written. */
NODISCARD static inline bool u32_from(uint32_t *out, uint64_t a)
{
    if (a > UINT32_MAX) {
        return false;
    }
    *out = (uint32_t)a;
    return true;
}

static inline uint64_t size_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t size_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* ceil(a / b), b > 0; cannot overflow. */
static inline uint64_t size_div_up(uint64_t a, uint64_t b)
{
    if ((a | b) >> 32 == 0) { /* far faster on many processors */
        const uint32_t x = (uint32_t)a;
        const uint32_t y = (uint32_t)b;
        return (uint64_t)(x / y) + (x % y != 0);
    }
    return a / b + (a % b != 0);
}

#endif
