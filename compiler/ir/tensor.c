#include "ir/tensor.h"

#include <stddef.h>

static const struct {
    const char *name;
    uint32_t bytes;
} dtypes[] = {
    [DTYPE_F32] = {"f32", 4},   [DTYPE_U8] = {"u8", 1},
    [DTYPE_I8] = {"i8", 1},     [DTYPE_U16] = {"u16", 2},
    [DTYPE_I16] = {"i16", 2},   [DTYPE_I32] = {"i32", 4},
    [DTYPE_I64] = {"i64", 8},   [DTYPE_STRING] = {"string", 0},
    [DTYPE_BOOL] = {"bool", 1}, [DTYPE_F16] = {"f16", 2},
    [DTYPE_F64] = {"f64", 8},   [DTYPE_U32] = {"u32", 4},
    [DTYPE_U64] = {"u64", 8},   [DTYPE_C64] = {"c64", 0},
    [DTYPE_C128] = {"c128", 0}, [DTYPE_BF16] = {"bf16", 2},
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
