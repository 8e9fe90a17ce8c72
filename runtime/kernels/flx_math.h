/* flx_math.h - functions of vectors, and the same over runs of floats.
 *
 * Polynomials are minimax fits made for this file; errors below are the
 * largest found against 60 digits with fused multiply-add, and are tested.
 *   exp 1 ulp, log 1, tanh 2, sigmoid 3, erf 2, pow 1 (by way of double)
 * and at most 1.5 more without it.
 * NaN in gives NaN out. Runs: element i of dst depends on element i of the
 * operands alone, so a run may be cut anywhere; dst may be an operand. */
#ifndef FLX_MATH_H
#define FLX_MATH_H

#include "flexrt/flx_kernel.h"
#include "flx_simd.h"

/* 1.5 * 2^23: added to x, leaves round(x) in the low bits. */
#define FLX_ROUND_MAGIC 0x1.8p23f

FLX_INLINE flx_v flx_vabs(flx_v x)
{
    return flx_from_bits(flx_bits(x) & flx_splat_u(0x7fffffffu));
}

/* |x| with the sign of s. */
FLX_INLINE flx_v flx_vsign_of(flx_v x, flx_v s)
{
    const flx_vu sign = flx_splat_u(0x80000000u);
    return flx_from_bits((flx_bits(x) & ~sign) | (flx_bits(s) & sign));
}

FLX_INLINE flx_v flx_vneg(flx_v x)
{
    return flx_from_bits(flx_bits(x) ^ flx_splat_u(0x80000000u));
}

/* 2^n for n in [-126, 127], as integers in the low bits of a flx_vu. */
FLX_INLINE flx_v flx_vpow2(flx_vu n)
{
    return flx_from_bits((n + flx_splat_u(127u)) << 23);
}

/* n / 2, rounded down, of signed lanes. */
FLX_INLINE flx_vu flx_vhalf(flx_vu n)
{
    return ((n + flx_splat_u(0x80000000u)) >> 1) - flx_splat_u(0x40000000u);
}

FLX_INLINE flx_v flx_vexp(flx_v x)
{
    /* Beyond these, 0 and infinity come out of the scaling below. */
    x = flx_vmin(flx_splat(89.0f), flx_vmax(flx_splat(-104.0f), x));
    const flx_v magic = flx_splat(FLX_ROUND_MAGIC);
    const flx_v t = flx_vfma(x, flx_splat(0x1.715476p+0f), magic);
    const flx_v n = t - magic;
    flx_v r = flx_vfma(n, flx_splat(-0x1.63p-1f), x);
    r = flx_vfma(n, flx_splat(0x1.bd0106p-13f), r);
    flx_v p = flx_splat(0x1.6a2256p-10f);
    p = flx_vfma(p, r, flx_splat(0x1.123b02p-7f));
    p = flx_vfma(p, r, flx_splat(0x1.5558f8p-5f));
    p = flx_vfma(p, r, flx_splat(0x1.55549p-3f));
    p = flx_vfma(p, r, flx_splat(0x1.fffffcp-2f));
    p = flx_vfma(p, r * r, r);
    /* Two steps, so that subnormal results are rounded once. */
    const flx_vu i = flx_bits(t) - flx_bits(magic);
    const flx_vu half = flx_vhalf(i);
    const flx_v s = flx_vpow2(half);
    return flx_vfma(p, s, s) * flx_vpow2(i - half);
}

FLX_INLINE flx_v flx_vlog(flx_v x)
{
    const flx_v zero = flx_splat(0.0f);
    const flx_v tiny = flx_splat(0x1p-126f);
    const flx_v up = flx_if_less(x, tiny, x * flx_splat(0x1p23f), x);
    const flx_v bias = flx_if_less(x, tiny, flx_splat(23.0f), zero);
    /* m in [sqrt(1/2), sqrt(2)) */
    const flx_vu shifted = flx_bits(up) - flx_splat_u(0x3f3504f3u);
    const flx_vu mant = shifted & flx_splat_u(0x7fffffu);
    const flx_v m = flx_from_bits(mant + flx_splat_u(0x3f3504f3u));
    /* The exponent as a float: through the magic constant's low bits. */
    const flx_vu exponent =
        ((shifted + flx_splat_u(0x80000000u)) >> 23) - flx_splat_u(256u);
    const flx_v e = flx_from_bits(exponent + flx_splat_u(0x4b400000u)) -
                    flx_splat(FLX_ROUND_MAGIC) - bias;
    const flx_v f = m - flx_splat(1.0f);
    flx_v p = flx_splat(-0x1.41ee18p-4f);
    p = flx_vfma(p, f, flx_splat(0x1.07d0f4p-3f));
    p = flx_vfma(p, f, flx_splat(-0x1.0ce07ap-3f));
    p = flx_vfma(p, f, flx_splat(0x1.226e48p-3f));
    p = flx_vfma(p, f, flx_splat(-0x1.54788ap-3f));
    p = flx_vfma(p, f, flx_splat(0x1.99a596p-3f));
    p = flx_vfma(p, f, flx_splat(-0x1.00022p-2f));
    p = flx_vfma(p, f, flx_splat(0x1.55554ap-2f));
    const flx_v f2 = f * f;
    p = flx_vfma(p * f, f2, e * flx_splat(-0x1.bd0106p-13f));
    p = flx_vfma(f2, flx_splat(-0.5f), p);
    flx_v y = flx_vfma(e, flx_splat(0x1.63p-1f), f + p);
    /* inf and NaN stay; 0 gives -inf; what is below gives NaN. */
    const flx_v inf = flx_from_bits(flx_splat_u(0x7f800000u));
    y = flx_if_less(x, inf, y, x);
    y = flx_if_less(zero, x, y, flx_if_less(x, zero, inf - inf, x - inf));
    return y;
}

/* 1 - 2 / (e^2|x| + 1), and an odd polynomial near 0. */
FLX_INLINE flx_v flx_vtanh(flx_v x)
{
    const flx_v a = flx_vabs(x);
    const flx_v one = flx_splat(1.0f);
    const flx_v big = one - flx_splat(2.0f) / (flx_vexp(a + a) + one);
    const flx_v z = x * x;
    flx_v p = flx_splat(0x1.0e9eaep-9f);
    p = flx_vfma(p, z, flx_splat(-0x1.09285cp-7f));
    p = flx_vfma(p, z, flx_splat(0x1.62fb4p-6f));
    p = flx_vfma(p, z, flx_splat(-0x1.b9e19p-5f));
    p = flx_vfma(p, z, flx_splat(0x1.111026p-3f));
    p = flx_vfma(p, z, flx_splat(-0x1.555552p-2f));
    const flx_v small = flx_vfma(p * z, x, x);
    return flx_vsign_of(flx_if_less(a, flx_splat(0.65f), small, big), x);
}

FLX_INLINE flx_v flx_vsigmoid(flx_v x)
{
    const flx_v one = flx_splat(1.0f);
    return one / (one + flx_vexp(flx_vneg(x)));
}

/* An odd polynomial below 1; 1 - e^-q(|x|) above, where q = -log erfc. */
FLX_INLINE flx_v flx_verf(flx_v x)
{
    const flx_v a = flx_vabs(x);
    const flx_v z = x * x;
    flx_v p = flx_splat(0x1.496a32p-14f);
    p = flx_vfma(p, z, flx_splat(-0x1.a3f7p-11f));
    p = flx_vfma(p, z, flx_splat(0x1.5405b2p-8f));
    p = flx_vfma(p, z, flx_splat(-0x1.b7f90ep-6f));
    p = flx_vfma(p, z, flx_splat(0x1.ce2cf8p-4f));
    p = flx_vfma(p, z, flx_splat(-0x1.81273ep-2f));
    p = flx_vfma(p, z, flx_splat(0x1.06eba8p-3f));
    const flx_v small = flx_vfma(p, x, x);
    const flx_v b = flx_vmin(flx_splat(4.0f), a);
    flx_v q = flx_splat(-0x1.852cdp-13f);
    q = flx_vfma(q, b, flx_splat(0x1.814c94p-9f));
    q = flx_vfma(q, b, flx_splat(-0x1.6542p-6f));
    q = flx_vfma(q, b, flx_splat(0x1.a60a72p-4f));
    q = flx_vfma(q, b, flx_splat(0x1.46c586p-1f));
    q = flx_vfma(q, b, flx_splat(0x1.2085b2p+0f));
    q = flx_vfma(q, b, flx_splat(0x1.72e954p-12f));
    const flx_v big = flx_splat(1.0f) - flx_vexp(flx_vneg(q));
    return flx_if_less(a, flx_splat(1.0f), small, flx_vsign_of(big, x));
}

/* The integer at or below x. */
FLX_INLINE flx_v flx_vfloor(flx_v x)
{
    const flx_v a = flx_vabs(x);
    const flx_v magic = flx_splat(0x1p23f);
    const flx_v near = flx_vsign_of((a + magic) - magic, x);
    const flx_v down =
        near - flx_if_less(x, near, flx_splat(1.0f), flx_splat(0.0f));
    return flx_if_less(a, magic, flx_vsign_of(down, x), x);
}

FLX_INLINE flx_v flx_vceil(flx_v x)
{
    return flx_vneg(flx_vfloor(flx_vneg(x)));
}

/* ---- pow, one at a time, in double ------------------------------------ */

FLX_INLINE double flx_double_of_bits(uint64_t u)
{
    union {
        uint64_t u;
        double d;
    } x = {u};
    return x.d;
}

FLX_INLINE uint32_t flx_float_bits(float f)
{
    union {
        float f;
        uint32_t u;
    } x = {f};
    return x.u;
}

FLX_INLINE float flx_float_of_bits(uint32_t u)
{
    union {
        uint32_t u;
        float f;
    } x = {u};
    return x.f;
}

/* log2 of a positive finite float. */
FLX_INLINE double flx_log2_double(float a)
{
    uint32_t u = flx_float_bits(a);
    int32_t e = -127;
    if (u < 0x800000u) {
        u = flx_float_bits(a * 0x1p23f);
        e -= 23;
    }
    e += (int32_t)(u >> 23);
    u = (u & 0x7fffffu) | 0x3f800000u;
    if (u > 0x3fb504f3u) { /* sqrt(2) */
        u -= 0x800000u;
        e++;
    }
    const double m = (double)flx_float_of_bits(u);
    /* 2 atanh(s) / ln 2 */
    const double s = (m - 1.0) / (m + 1.0);
    const double z = s * s;
    double p = 1.0 / 15.0;
    p = p * z + 1.0 / 13.0;
    p = p * z + 1.0 / 11.0;
    p = p * z + 1.0 / 9.0;
    p = p * z + 1.0 / 7.0;
    p = p * z + 1.0 / 5.0;
    p = p * z + 1.0 / 3.0;
    p = p * z + 1.0;
    return (double)e + s * p * 0x1.71547652b82fep+1;
}

FLX_INLINE float flx_exp2_double(double t)
{
    if (t > 129.0) {
        return flx_float_of_bits(0x7f800000u);
    }
    if (t < -152.0) {
        return 0.0f;
    }
    const int32_t n = (int32_t)(t + (t < 0.0 ? -0.5 : 0.5));
    const double x = (t - (double)n) * 0x1.62e42fefa39efp-1;
    double p = 1.0;
    for (int i = 11; i > 0; i--) {
        p = p * x / (double)i + 1.0;
    }
    return (float)(p * flx_double_of_bits((uint64_t)(n + 1023) << 52));
}

FLX_SHARED float flx_pow(float x, float y)
{
    const uint32_t ux = flx_float_bits(x);
    const uint32_t uy = flx_float_bits(y);
    const uint32_t ay = uy & 0x7fffffffu;
    const float a = flx_float_of_bits(ux & 0x7fffffffu);
    if (ay == 0 || ux == 0x3f800000u) {
        return 1.0f;
    }
    if (x != x || y != y) {
        return x + y;
    }
    /* Whether y is an odd, an even or no integer. */
    int is_int = 1;
    int is_odd = 0;
    if (ay < 0x3f800000u) {
        is_int = 0;
    } else if (ay < 0x4b800000u) {
        const uint32_t frac_bits = 150u - (ay >> 23);
        is_int = (ay & ((1u << frac_bits) - 1u)) == 0;
        is_odd = is_int && ((ay | 0x800000u) >> frac_bits & 1u);
        if (frac_bits == 23u) {
            is_odd = is_int; /* +-1 */
        }
    }
    float r;
    if (ay == 0x7f800000u) {
        const int grows = (a > 1.0f) == (y > 0.0f);
        return a == 1.0f ? 1.0f : grows ? flx_float_of_bits(0x7f800000u) : 0.0f;
    }
    if (a == 0.0f || a == flx_float_of_bits(0x7f800000u)) {
        r = (a == 0.0f) == (y > 0.0f) ? 0.0f : flx_float_of_bits(0x7f800000u);
    } else {
        if (x < 0.0f && !is_int) {
            return flx_float_of_bits(0x7fc00000u);
        }
        r = flx_exp2_double((double)y * flx_log2_double(a));
    }
    return is_odd && (ux >> 31) ? -r : r;
}

/* ---- runs --------------------------------------------------------------- */

/* One vector of a unary or binary step of an elementwise program. */
FLX_INLINE flx_v flx_expr_lanes(uint32_t op, flx_v a, flx_v b)
{
    const flx_v zero = flx_splat(0.0f);
    switch (op) {
    case FLX_EXPR_ADD:
        return a + b;
    case FLX_EXPR_SUB:
        return a - b;
    case FLX_EXPR_MUL:
        return a * b;
    case FLX_EXPR_DIV:
        return a / b;
    case FLX_EXPR_MIN: /* a NaN in either wins */
        return flx_if_less(a, b, a, flx_if_nan(a, a, b));
    case FLX_EXPR_MAX:
        return flx_if_less(b, a, a, flx_if_nan(a, a, b));
    case FLX_EXPR_NEG:
        return flx_vneg(a);
    case FLX_EXPR_ABS:
        return flx_vabs(a);
    case FLX_EXPR_EXP:
        return flx_vexp(a);
    case FLX_EXPR_LOG:
        return flx_vlog(a);
    case FLX_EXPR_SQRT:
        return flx_vsqrt(a);
    case FLX_EXPR_RECIP:
        return flx_splat(1.0f) / a;
    case FLX_EXPR_FLOOR:
        return flx_vfloor(a);
    case FLX_EXPR_CEIL:
        return flx_vceil(a);
    case FLX_EXPR_ERF:
        return flx_verf(a);
    case FLX_EXPR_RELU:
        return flx_if_less(a, zero, zero, a);
    case FLX_EXPR_SIGMOID:
        return flx_vsigmoid(a);
    case FLX_EXPR_TANH:
        return flx_vtanh(a);
    case FLX_EXPR_PRELU:
        return flx_if_less(a, zero, a * b, a);
    default:
        return a;
    }
}

FLX_INLINE void flx_run_step(uint32_t op, float *dst, const float *a,
                             const float *b, uint32_t n)
{
    uint32_t i = 0;
    for (; i + FLX_LANES <= n; i += FLX_LANES) {
        flx_store(dst + i,
                  flx_expr_lanes(op, flx_load(a + i), flx_load(b + i)));
    }
#if FLX_LANES > 1
    if (i < n) {
        const flx_v ta = flx_load_n(a + i, n - i, 1.0f);
        const flx_v tb = flx_load_n(b + i, n - i, 1.0f);
        flx_store_n(dst + i, flx_expr_lanes(op, ta, tb), n - i);
    }
#endif
}

FLX_SHARED void flx_run_pow(float *dst, const float *a, const float *b,
                            uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        dst[i] = flx_pow(a[i], b[i]);
    }
}

#endif
