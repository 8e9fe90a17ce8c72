#include "ir/tensor.h"

#include <stddef.h>

static const struct {
    const char *name;
    uint32_t bytes;
} dtypes[] = {
    [DTYPE_F32] = {"f32", 4},
    [DTYPE_U8] = {"u8", 1},
    [DTYPE_I8] = {"i8", 1},
    [DTYPE_U16] = {"u16", 2},
    [DTYPE_I16] = {"i16", 2},
    [DTYPE_I32] = {"i32", 4},
    [DTYPE_I64] = {"i64", 8},
    [DTYPE_STRING] = {"string", 0},
    [DTYPE_BOOL] = {"bool", 1},
    [DTYPE_F16] = {"f16", 2},
    [DTYPE_F64] = {"f64", 8},
    [DTYPE_U32] = {"u32", 4},
    [DTYPE_U64] = {"u64", 8},
    [DTYPE_C64] = {"c64", 0},
    [DTYPE_C128] = {"c128", 0},
    [DTYPE_BF16] = {"bf16", 2},
    [DTYPE_F8E4M3FN] = {"f8e4m3fn", 1},
    [DTYPE_F8E4M3FNUZ] = {"f8e4m3fnuz", 1},
    [DTYPE_F8E5M2] = {"f8e5m2", 1},
    [DTYPE_F8E5M2FNUZ] = {"f8e5m2fnuz", 1},
    [DTYPE_U4] = {"u4", 1},
    [DTYPE_I4] = {"i4", 1},
    [DTYPE_F4E2M1] = {"f4e2m1", 1},
    [DTYPE_F8E8M0] = {"f8e8m0", 1},
    [DTYPE_U2] = {"u2", 1},
    [DTYPE_I2] = {"i2", 1},
};

static bool dtype_known(enum dtype t)
{
    return (size_t)t < sizeof dtypes / sizeof dtypes[0] && dtypes[t].name;
}

uint32_t dtype_bytes(enum dtype t)
{
    return dtype_known(t) ? dtypes[t].bytes : 0;
}

const char *dtype_name(enum dtype t)
{
    return dtype_known(t) ? dtypes[t].name : "?";
}

uint32_t dtype_packed_bits(enum dtype t)
{
    const bool is_half_byte =
        t == DTYPE_U4 || t == DTYPE_I4 || t == DTYPE_F4E2M1;
    return is_half_byte ? 4 : t == DTYPE_U2 || t == DTYPE_I2 ? 2 : 0;
}

uint8_t dtype_unpacked(enum dtype t, const uint8_t *packed, uint64_t i)
{
    const uint32_t bits = dtype_packed_bits(t);
    const uint32_t each = 8 / bits;
    const uint32_t mask = (1U << bits) - 1;
    const uint32_t sign = t == DTYPE_I4 || t == DTYPE_I2 ? 1U << (bits - 1) : 0;
    const uint32_t x = packed[i / each] >> (i % each * bits) & mask;
    return (uint8_t)((x ^ sign) - sign);
}

bool dtype_is_float(enum dtype t)
{
    return t == DTYPE_F32 || t == DTYPE_F16 || t == DTYPE_BF16 ||
           t == DTYPE_F64;
}

bool shape_count(const struct shape *s, uint64_t *n)
{
    uint64_t count = 1;
    for (uint32_t i = 0; i < s->rank; i++) {
        if (s->dim[i] < 0) {
            return false;
        }
        const uint64_t dim = (uint64_t)s->dim[i];
        if (dim != 0 && count > (UINT64_MAX >> 2) / dim) {
            return false;
        }
        count *= dim;
    }
    *n = count;
    return true;
}

bool shape_equal(const struct shape *a, const struct shape *b)
{
    if (a->rank != b->rank) {
        return false;
    }
    for (uint32_t i = 0; i < a->rank; i++) {
        if (a->dim[i] != b->dim[i]) {
            return false;
        }
    }
    return true;
}

bool shape_is_static(const struct shape *s)
{
    for (uint32_t i = 0; i < s->rank; i++) {
        if (s->dim[i] < 0) {
            return false;
        }
    }
    return true;
}
