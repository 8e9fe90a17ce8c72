/* flx_half.h - element types: 16-bit floats, and any element as a number.
 *
 * A number is held as a double (all float types), or as an i64 (integers and
 * bool; of u64 its bits). Values of `type` are those of ONNX
 * TensorProto.DataType. */
#ifndef FLX_HALF_H
#define FLX_HALF_H

#include "flx_math.h"

enum flx_type {
    FLX_F32 = 1,
    FLX_U8 = 2,
    FLX_I8 = 3,
    FLX_U16 = 4,
    FLX_I16 = 5,
    FLX_I32 = 6,
    FLX_I64 = 7,
    FLX_BOOL = 9,
    FLX_F16 = 10,
    FLX_F64 = 11,
    FLX_U32 = 12,
    FLX_U64 = 13,
    FLX_BF16 = 16,
    FLX_F8E4M3FN = 17,
    FLX_F8E4M3FNUZ = 18,
    FLX_F8E5M2 = 19,
    FLX_F8E5M2FNUZ = 20,
    FLX_U4 = 21, /* narrow types have a byte an element */
    FLX_I4 = 22,
    FLX_F4E2M1 = 23,
    FLX_F8E8M0 = 24,
    FLX_U2 = 25,
    FLX_I2 = 26
};

FLX_INLINE uint32_t flx_type_bytes(uint32_t t)
{
    return t == FLX_I64 || t == FLX_U64 || t == FLX_F64                    ? 8
           : t == FLX_F32 || t == FLX_I32 || t == FLX_U32                  ? 4
           : t == FLX_I16 || t == FLX_U16 || t == FLX_F16 || t == FLX_BF16 ? 2
                                                                           : 1;
}

/* Floats of 8 bits and less. */
FLX_INLINE uint32_t flx_type_is_small(uint32_t t)
{
    return (t >= FLX_F8E4M3FN && t <= FLX_F8E5M2FNUZ) || t == FLX_F4E2M1 ||
           t == FLX_F8E8M0;
}

FLX_INLINE uint32_t flx_type_is_float(uint32_t t)
{
    return t == FLX_F32 || t == FLX_F64 || t == FLX_F16 || t == FLX_BF16 ||
           flx_type_is_small(t);
}

FLX_INLINE uint64_t flx_double_bits(double d)
{
    union {
        double d;
        uint64_t u;
    } x = {d};
    return x.u;
}

/* The 16 bits of x with n_frac bits of fraction and the rest exponent, rounded
 * to nearest, ties to even; subnormals and infinities as IEEE 754 has them. */
FLX_INLINE uint16_t flx_half_bits(double x, uint32_t n_frac)
{
    const uint64_t u = flx_double_bits(x);
    const uint32_t sign = (uint32_t)(u >> 63) << 15;
    const uint32_t top = (1u << (15 - n_frac)) - 1u; /* exponent of inf */
    const int32_t bias = (int32_t)(top >> 1);
    int32_t e = (int32_t)(u >> 52 & 0x7ff) - 1023 + bias;
    uint64_t frac = u & 0xfffffffffffffu;
    if ((u >> 52 & 0x7ff) == 0x7ff) {
        return (uint16_t)(sign | top << n_frac |
                          (frac != 0 ? 1u << (n_frac - 1) : 0));
    }
    if (e >= (int32_t)top) {
        return (uint16_t)(sign | top << n_frac);
    }
    uint32_t drop = 52 - n_frac;
    if (e <= 0) { /* subnormal: the hidden bit shows */
        if (e < -(int32_t)n_frac - 1) {
            return (uint16_t)sign;
        }
        frac |= (uint64_t)1 << 52;
        drop += (uint32_t)(1 - e);
        e = 0;
    }
    uint64_t r = (uint64_t)e << n_frac;
    if (drop > 63) {
        return (uint16_t)sign;
    }
    r += frac >> drop;
    const uint64_t rest = frac & (((uint64_t)1 << drop) - 1u);
    const uint64_t tie = (uint64_t)1 << (drop - 1);
    r += rest > tie || (rest == tie && (r & 1u)); /* may carry up to inf */
    return (uint16_t)(sign | (uint32_t)r);
}

/* 2^e for e in [-1022, 1023]. */
FLX_INLINE double flx_pow2_double(int32_t e)
{
    return flx_double_of_bits((uint64_t)(e + 1023) << 52);
}

FLX_INLINE double flx_half_value(uint32_t bits, uint32_t n_frac)
{
    const uint32_t top = (1u << (15 - n_frac)) - 1u;
    const int32_t bias = (int32_t)(top >> 1);
    const uint32_t e = bits >> n_frac & top;
    const uint32_t frac = bits & ((1u << n_frac) - 1u);
    const uint64_t sign = (uint64_t)(bits >> 15) << 63;
    if (e == top) {
        return flx_double_of_bits(sign | 0x7ff0000000000000u |
                                  (uint64_t)(frac != 0) << 51);
    }
    const double m = (double)(e == 0 ? frac : frac | 1u << n_frac);
    const double v =
        m * flx_pow2_double((int32_t)(e == 0 ? 1 : e) - bias - (int32_t)n_frac);
    return sign != 0 ? -v : v;
}

/* ---- floats of 8 bits and less ------------------------------------------- */

/* Sign, exponent, n_frac bits of fraction. `top` is the largest finite code, of
 * those without sign. UZ types have no -0; their one NaN has its code. */
struct flx_small {
    uint32_t n_frac;
    int32_t bias;
    uint32_t sign; /* its bit */
    uint32_t top;
    uint32_t inf; /* code of infinity, or of NaN where there is none */
    uint32_t nan;
    uint32_t is_uz;
};

FLX_INLINE struct flx_small flx_small_of(uint32_t t)
{
    switch (t) {
    case FLX_F8E4M3FN:
        return (struct flx_small){3, 7, 0x80, 0x7e, 0x7f, 0x7f, 0};
    case FLX_F8E4M3FNUZ:
        return (struct flx_small){3, 8, 0x80, 0x7f, 0x80, 0x80, 1};
    case FLX_F8E5M2:
        return (struct flx_small){2, 15, 0x80, 0x7b, 0x7c, 0x7e, 0};
    case FLX_F8E5M2FNUZ:
        return (struct flx_small){2, 16, 0x80, 0x7f, 0x80, 0x80, 1};
    default: /* F4E2M1: NaN becomes -0 */
        return (struct flx_small){1, 1, 0x08, 0x07, 0x07, 0x08, 0};
    }
}

FLX_INLINE double flx_small_value(uint32_t t, uint32_t bits)
{
    if (t == FLX_F8E8M0) {
        return bits == 0xff ? flx_double_of_bits(0x7ff8000000000000u)
                            : flx_pow2_double((int32_t)bits - 127);
    }
    const struct flx_small s = flx_small_of(t);
    const uint32_t code = bits & (s.sign - 1u);
    if (t != FLX_F4E2M1 && (s.is_uz ? bits == s.nan : code > s.top)) {
        const uint64_t sign = (uint64_t)(bits >> 7) << 63;
        return flx_double_of_bits(t == FLX_F8E5M2 && code == s.inf
                                      ? sign | 0x7ff0000000000000u
                                      : 0x7ff8000000000000u);
    }
    const uint32_t e = code >> s.n_frac;
    const uint32_t frac = code & ((1u << s.n_frac) - 1u);
    const double m = (double)(e == 0 ? frac : frac | 1u << s.n_frac);
    const double v = m * flx_pow2_double((int32_t)(e == 0 ? 1 : e) - s.bias -
                                         (int32_t)s.n_frac);
    return (bits & s.sign) != 0 ? -v : v;
}

/* A power of two at or above |x|, below it, or the nearer; ties go up. */
FLX_INLINE uint8_t flx_power_bits(double x, uint32_t round)
{
    const uint64_t u = flx_double_bits(x) & 0x7fffffffffffffffu;
    const uint64_t frac = u & 0xfffffffffffffu;
    int32_t e = (int32_t)(u >> 52) - 1023 + 127;
    if (u >= 0x7ff0000000000000u) {
        return (uint8_t)(frac != 0 ? 0xff : 0xfe);
    }
    e += round == 0 ? frac != 0 : round == 2 && frac >= (uint64_t)1 << 51;
    return (uint8_t)(e < 0 ? 0 : e > 0xfe ? 0xfe : e);
}

FLX_INLINE uint8_t flx_small_bits(uint32_t t, double x, uint32_t saturate,
                                  uint32_t round)
{
    if (t == FLX_F8E8M0) {
        return flx_power_bits(x, round);
    }
    const struct flx_small s = flx_small_of(t);
    const uint64_t u = flx_double_bits(x);
    const uint32_t sign = (u >> 63) != 0 ? s.sign : 0;
    const double a = flx_double_of_bits(u & 0x7fffffffffffffffu);
    if (x != x) {
        return (uint8_t)s.nan;
    }
    /* In units of the last place at a, or of the least subnormal. */
    int32_t e = (int32_t)(u >> 52 & 0x7ff) - 1023;
    e = e < 1 - s.bias ? 1 - s.bias : e;
    uint32_t code = s.top + 1;
    if (e <= 64) {
        const double magic = 0x1p52;
        const double unit = flx_pow2_double((int32_t)s.n_frac - e);
        const uint32_t m = (uint32_t)((a * unit + magic) - magic);
        /* With the hidden bit: a carry moves into the exponent. */
        code = m + ((uint32_t)(e + s.bias - 1) << s.n_frac);
    }
    if (code > s.top) {
        if (!saturate && t != FLX_F4E2M1) {
            return (uint8_t)(s.is_uz ? s.nan : sign | s.inf);
        }
        code = s.top;
    }
    return (uint8_t)(code == 0 && s.is_uz ? 0 : sign | code);
}

enum { FLX_F16_FRAC = 10, FLX_BF16_FRAC = 7 };

/* An element as a number: whichever it is. */
struct flx_number {
    double f;
    int64_t i;
};

FLX_INLINE double flx_get_float(uint32_t t, const uint8_t *p)
{
    double f64 = 0.0;
    float f32;
    uint16_t u16;
    if (flx_type_is_small(t)) {
        return flx_small_value(t, p[0]);
    }
    switch (t) {
    case FLX_F64:
        __builtin_memcpy(&f64, p, sizeof f64);
        return f64;
    case FLX_F16:
    case FLX_BF16:
        __builtin_memcpy(&u16, p, sizeof u16);
        return flx_half_value(u16, t == FLX_F16 ? FLX_F16_FRAC : FLX_BF16_FRAC);
    default:
        __builtin_memcpy(&f32, p, sizeof f32);
        return (double)f32;
    }
}

FLX_INLINE int64_t flx_get_int(uint32_t t, const uint8_t *p)
{
    int64_t i64;
    int32_t i32;
    uint32_t u32;
    int16_t i16;
    uint16_t u16;
    switch (t) {
    case FLX_I64:
    case FLX_U64:
        __builtin_memcpy(&i64, p, sizeof i64);
        return i64;
    case FLX_I32:
        __builtin_memcpy(&i32, p, sizeof i32);
        return i32;
    case FLX_U32:
        __builtin_memcpy(&u32, p, sizeof u32);
        return u32;
    case FLX_I16:
        __builtin_memcpy(&i16, p, sizeof i16);
        return i16;
    case FLX_U16:
        __builtin_memcpy(&u16, p, sizeof u16);
        return u16;
    case FLX_I8:
    case FLX_I4:
    case FLX_I2:
        return (int64_t)p[0] - (p[0] > 127 ? 256 : 0);
    default:
        return p[0];
    }
}

FLX_INLINE struct flx_number flx_get(uint32_t t, const uint8_t *p)
{
    struct flx_number n = {0.0, 0};
    if (flx_type_is_float(t)) {
        n.f = flx_get_float(t, p);
    } else {
        n.i = flx_get_int(t, p);
    }
    return n;
}

FLX_INLINE void flx_put_float(uint32_t t, double f, uint8_t *p)
{
    if (flx_type_is_small(t)) {
        p[0] = flx_small_bits(t, f, 1, 0);
    } else if (t == FLX_F64) {
        __builtin_memcpy(p, &f, sizeof f);
    } else if (t == FLX_F32) {
        const float f32 = (float)f;
        __builtin_memcpy(p, &f32, sizeof f32);
    } else {
        const uint16_t u =
            flx_half_bits(f, t == FLX_F16 ? FLX_F16_FRAC : FLX_BF16_FRAC);
        __builtin_memcpy(p, &u, sizeof u);
    }
}

/* The low bytes, in the target's order; bool as it is. */
FLX_INLINE void flx_put_int(uint32_t t, int64_t i, uint8_t *p)
{
    const uint64_t u = (uint64_t)i;
    const uint32_t u32 = (uint32_t)u;
    const uint16_t u16 = (uint16_t)u;
    switch (flx_type_bytes(t)) {
    case 8:
        __builtin_memcpy(p, &u, sizeof u);
        break;
    case 4:
        __builtin_memcpy(p, &u32, sizeof u32);
        break;
    case 2:
        __builtin_memcpy(p, &u16, sizeof u16);
        break;
    default:
        p[0] = (uint8_t)u;
        break;
    }
}

FLX_INLINE void flx_put(uint32_t t, struct flx_number n, uint8_t *p)
{
    if (flx_type_is_float(t)) {
        flx_put_float(t, n.f, p);
    } else {
        flx_put_int(t, n.i, p);
    }
}

/* A float cut toward zero; NaN and what does not fit: the least i64. Values of
 * [2^63, 2^64) fit u64. */
FLX_INLINE int64_t flx_whole(uint32_t t, double f)
{
    if (t == FLX_U64 && f >= 0x1p63 && f < 0x1p64) {
        return (int64_t)(uint64_t)f;
    }
    return f > -0x1p63 && f < 0x1p63 ? (int64_t)f : INT64_MIN;
}

FLX_INLINE double flx_int_value(uint32_t t, int64_t i)
{
    return t == FLX_U64 ? (double)(uint64_t)i : (double)i;
}

/* A number of type `from` as one of type `to`; integers are not yet cut to
 * their width, floats not yet rounded: storing does that. */
FLX_INLINE struct flx_number flx_convert(uint32_t to, uint32_t from,
                                         struct flx_number n)
{
    const uint32_t from_float = flx_type_is_float(from);
    struct flx_number r = n;
    if (to == FLX_BOOL) {
        r.i = from_float ? n.f != 0.0 : n.i != 0;
    } else if (flx_type_is_float(to)) {
        r.f = from_float ? n.f : flx_int_value(from, n.i);
    } else if (from_float) {
        r.i = flx_whole(to, n.f);
    }
    return r;
}

/* An integer cut to its type's width. */
FLX_INLINE int64_t flx_narrow(uint32_t t, int64_t i)
{
    switch (t) {
    case FLX_I8:
        return (int64_t)(((uint64_t)i & 0xffu) ^ 0x80u) - 0x80;
    case FLX_I16:
        return (int64_t)(((uint64_t)i & 0xffffu) ^ 0x8000u) - 0x8000;
    case FLX_I32:
        return (int64_t)(((uint64_t)i & 0xffffffffu) ^ 0x80000000u) -
               (int64_t)0x80000000;
    case FLX_I4:
        return (int64_t)(((uint64_t)i & 0xfu) ^ 8u) - 8;
    case FLX_I2:
        return (int64_t)(((uint64_t)i & 3u) ^ 2u) - 2;
    case FLX_U4:
        return (int64_t)((uint64_t)i & 0xfu);
    case FLX_U2:
        return (int64_t)((uint64_t)i & 3u);
    case FLX_U8:
        return (int64_t)((uint64_t)i & 0xffu);
    case FLX_U16:
        return (int64_t)((uint64_t)i & 0xffffu);
    case FLX_U32:
        return (int64_t)((uint64_t)i & 0xffffffffu);
    default:
        return i;
    }
}

#endif
