#include "passes/elem.h"

#include <math.h>
#include <string.h>

#include "base/le.h"

static uint64_t bits_get(enum dtype t, const uint8_t *data, uint64_t i)
{
    const uint32_t size = dtype_bytes(t);
    uint64_t bits = 0;
    for (uint32_t k = 0; k < size; k++) {
        bits |= (uint64_t)data[i * size + k] << 8 * k;
    }
    return bits;
}

static void bits_put(enum dtype t, uint8_t *data, uint64_t i, uint64_t bits)
{
    const uint32_t size = dtype_bytes(t);
    for (uint32_t k = 0; k < size; k++) {
        data[i * size + k] = (uint8_t)(bits >> 8 * k);
    }
}

static double f32_of_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

static uint32_t bits_of_f32(double value)
{
    const float f = (float)value;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static double f16_of_bits(uint32_t bits)
{
    const int exponent = (int)(bits >> 10 & 31);
    const double fraction = bits & 1023;
    double value = exponent == 0    ? ldexp(fraction, -24)
                   : exponent == 31 ? (fraction != 0 ? NAN : INFINITY)
                                    : ldexp(1024 + fraction, exponent - 25);
    return bits >> 15 ? -value : value;
}

/* Scales so that one unit is f16's last place, and rounds that to even. */
static uint32_t bits_of_f16(double value)
{
    const uint32_t sign = signbit(value) ? 0x8000 : 0;
    if (isnan(value)) {
        return sign | 0x7e00;
    }
    const double size = fabs(value);
    if (size >= 65520) { /* half a unit above the largest */
        return sign | 0x7c00;
    }
    int exponent = 0;
    (void)frexp(size, &exponent); /* size in [2^(exponent-1), 2^exponent) */
    if (size == 0 || exponent < -13) {
        return sign | (uint32_t)rint(ldexp(size, 24)); /* may carry: normal */
    }
    const uint32_t fraction = (uint32_t)rint(ldexp(size, 11 - exponent));
    return sign | (((uint32_t)(exponent + 13) << 10) + fraction);
}

static uint32_t bits_of_bf16(double value)
{
    const uint32_t bits = bits_of_f32(value);
    if (isnan(value)) {
        return bits >> 16 | 0x40;
    }
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

static int64_t i64_of_f64(double value)
{
    if (isnan(value)) {
        return 0;
    }
    if (value >= 0x1p63) {
        return INT64_MAX;
    }
    if (value < -0x1p63) {
        return INT64_MIN;
    }
    return (int64_t)value;
}

/* Bits of a signed integer of 8 to 64 bits, or 0 for other types. */
static uint32_t signed_bits(enum dtype t)
{
    const bool is_signed =
        t == DTYPE_I8 || t == DTYPE_I16 || t == DTYPE_I32 || t == DTYPE_I64;
    return is_signed ? dtype_bytes(t) * 8 : 0;
}

/* An element of an integer type, or bool. */
static int64_t int_get(enum dtype t, const uint8_t *data, uint64_t i)
{
    const uint64_t bits = bits_get(t, data, i);
    const uint32_t n = signed_bits(t);
    if (n > 0 && bits >> (n - 1)) {
        return (int64_t)(bits - (UINT64_C(1) << (n - 1)) * 2);
    }
    return (int64_t)bits;
}

double elem_f64(enum dtype t, const uint8_t *data, uint64_t i)
{
    /* What nearly all elements are. */
    if (t == DTYPE_F32) {
        return f32_of_bits(le32_get(data + 4 * i));
    }
    const uint64_t bits = bits_get(t, data, i);
    switch (t) {
    case DTYPE_F32:
        return f32_of_bits((uint32_t)bits);
    case DTYPE_F64: {
        double value;
        memcpy(&value, &bits, sizeof value);
        return value;
    }
    case DTYPE_F16:
        return f16_of_bits((uint32_t)bits);
    case DTYPE_BF16:
        return f32_of_bits((uint32_t)bits << 16);
    case DTYPE_U64:
        return (double)bits;
    case DTYPE_U8:
    case DTYPE_I8:
    case DTYPE_U16:
    case DTYPE_I16:
    case DTYPE_I32:
    case DTYPE_I64:
    case DTYPE_U32:
    case DTYPE_BOOL:
        return (double)int_get(t, data, i);
    case DTYPE_NONE:
    case DTYPE_STRING:
    case DTYPE_C64:
    case DTYPE_C128:
    case DTYPE_F8E4M3FN:
    case DTYPE_F8E4M3FNUZ:
    case DTYPE_F8E5M2:
    case DTYPE_F8E5M2FNUZ:
    case DTYPE_U4:
    case DTYPE_I4:
    case DTYPE_F4E2M1:
    case DTYPE_F8E8M0:
    case DTYPE_U2:
    case DTYPE_I2:
        return 0;
    }
    return 0;
}

int64_t elem_i64(enum dtype t, const uint8_t *data, uint64_t i)
{
    return dtype_is_float(t) ? i64_of_f64(elem_f64(t, data, i))
                             : int_get(t, data, i);
}

void elem_put_f64(enum dtype t, uint8_t *data, uint64_t i, double value)
{
    switch (t) {
    case DTYPE_F32:
        bits_put(t, data, i, bits_of_f32(value));
        return;
    case DTYPE_F64: {
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        bits_put(t, data, i, bits);
        return;
    }
    case DTYPE_F16:
        bits_put(t, data, i, bits_of_f16(value));
        return;
    case DTYPE_BF16:
        bits_put(t, data, i, bits_of_bf16(value));
        return;
    case DTYPE_BOOL:
        bits_put(t, data, i, value != 0);
        return;
    case DTYPE_U64:
        if (value >= 0x1p63) {
            bits_put(t, data, i,
                     value >= 0x1p64 ? UINT64_MAX : (uint64_t)value);
            return;
        }
        bits_put(t, data, i, (uint64_t)i64_of_f64(value));
        return;
    case DTYPE_U8:
    case DTYPE_I8:
    case DTYPE_U16:
    case DTYPE_I16:
    case DTYPE_I32:
    case DTYPE_I64:
    case DTYPE_U32:
        bits_put(t, data, i, (uint64_t)i64_of_f64(value));
        return;
    case DTYPE_NONE:
    case DTYPE_STRING:
    case DTYPE_C64:
    case DTYPE_C128:
    case DTYPE_F8E4M3FN:
    case DTYPE_F8E4M3FNUZ:
    case DTYPE_F8E5M2:
    case DTYPE_F8E5M2FNUZ:
    case DTYPE_U4:
    case DTYPE_I4:
    case DTYPE_F4E2M1:
    case DTYPE_F8E8M0:
    case DTYPE_U2:
    case DTYPE_I2:
        return;
    }
}

void elem_put_i64(enum dtype t, uint8_t *data, uint64_t i, int64_t value)
{
    if (dtype_is_float(t)) {
        elem_put_f64(t, data, i, (double)value);
    } else if (t == DTYPE_BOOL) {
        bits_put(t, data, i, value != 0);
    } else {
        bits_put(t, data, i, (uint64_t)value);
    }
}

bool elem_is_set(enum dtype t, const uint8_t *data, uint64_t i)
{
    return dtype_is_float(t) ? elem_f64(t, data, i) != 0
                             : elem_i64(t, data, i) != 0;
}
