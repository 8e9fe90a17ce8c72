/* flx_math64.h - functions of doubles, within a few units in the last place;
 * floats are computed through them where flx_math.h has no vector form. Series
 * after the usual reductions of the argument; no tables, no library.
 *
 * sin, cos, tan: the argument's reduction keeps an absolute error below 1e-15
 * up to 1e5, and of |x| * 1e-20 beyond. pow: a relative error of
 * |y log x| * 2e-16. */
#ifndef FLX_MATH64_H
#define FLX_MATH64_H

#include "flx_half.h"

#define FLX_PI 0x1.921fb54442d18p+1
#define FLX_INF64 (__builtin_inf())
#define FLX_NAN64 (__builtin_nan(""))

FLX_INLINE double flx_dabs(double x)
{
    return flx_double_of_bits(flx_double_bits(x) & 0x7fffffffffffffffu);
}

FLX_INLINE double flx_dsign_of(double x, double s)
{
    return flx_double_of_bits((flx_double_bits(x) & 0x7fffffffffffffffu) |
                              (flx_double_bits(s) & 0x8000000000000000u));
}

/* To nearest, ties to even. */
FLX_INLINE double flx_dround(double x)
{
    const double magic = 0x1p52;
    const double a = flx_dabs(x);
    return a < magic ? flx_dsign_of((a + magic) - magic, x) : x;
}

FLX_INLINE double flx_dtrunc(double x)
{
    return flx_dabs(x) < 0x1p52 ? flx_dsign_of((double)(int64_t)x, x) : x;
}

FLX_INLINE double flx_dfloor(double x)
{
    const double t = flx_dtrunc(x);
    return t > x ? t - 1.0 : t;
}

FLX_INLINE double flx_dceil(double x)
{
    const double t = flx_dtrunc(x);
    return t < x ? flx_dsign_of(t + 1.0, x) : t;
}

/* x * 2^e in two steps, so that a subnormal result is rounded once. */
FLX_INLINE double flx_dscale(double x, int32_t e)
{
    const int32_t half = e / 2;
    return x * flx_pow2_double(half) * flx_pow2_double(e - half);
}

/* By Newton's method on 1 / sqrt of the fraction, and a correcting step. */
FLX_SHARED double flx_dsqrt(double x)
{
    if (!(x > 0.0) || x > 0x1.fffffffffffffp+1023) {
        return x == 0.0 || x > 0.0 ? x : FLX_NAN64;
    }
    int32_t e = 0;
    if (x < 0x1p-1000) {
        x *= 0x1p200;
        e = -100;
    }
    const uint64_t u = flx_double_bits(x);
    const int32_t k = ((int32_t)(u >> 52) - 1023) / 2;
    const double m = flx_dscale(x, -2 * k); /* in [1/2, 4) */
    double r =
        flx_double_of_bits(0x5fe6eb50c7b537a9u - (flx_double_bits(m) >> 1));
    for (int i = 0; i < 4; i++) {
        r = r * (1.5 - 0.5 * m * r * r);
    }
    double s = m * r;
    s = s + 0.5 * r * (m - s * s);
    return flx_dscale(s, k + e);
}

FLX_SHARED double flx_dexp(double x)
{
    if (!(x < 710.0)) {
        return x != x ? x : FLX_INF64;
    }
    if (x < -746.0) {
        return 0.0;
    }
    const double n = flx_dround(x * 0x1.71547652b82fep+0);
    const double r = (x - n * 0x1.62e42fee00000p-1) - n * 0x1.a39ef35793c76p-33;
    double p = 1.0;
    for (int i = 14; i > 0; i--) {
        p = p * r / (double)i + 1.0;
    }
    return flx_dscale(p, (int32_t)n);
}

FLX_SHARED double flx_dlog(double x)
{
    if (!(x > 0.0) || x > 0x1.fffffffffffffp+1023) {
        return x == 0.0 ? -FLX_INF64 : x > 0.0 || x != x ? x : FLX_NAN64;
    }
    int32_t e = -1023;
    if (x < 0x1p-1022) {
        x *= 0x1p54;
        e -= 54;
    }
    const uint64_t u = flx_double_bits(x);
    e += (int32_t)(u >> 52);
    double m = flx_double_of_bits((u & 0xfffffffffffffu) | 0x3ff0000000000000u);
    if (m > 0x1.6a09e667f3bcdp+0) {
        m *= 0.5;
        e++;
    }
    /* 2 atanh(s) */
    const double s = (m - 1.0) / (m + 1.0);
    const double z = s * s;
    double p = 0.0;
    for (int i = 23; i > 1; i -= 2) {
        p = (p + 1.0 / (double)i) * z;
    }
    const double n = (double)e;
    return n * 0x1.62e42fee00000p-1 +
           (2.0 * s + (2.0 * s * p + n * 0x1.a39ef35793c76p-33));
}

/* log(1 + x), exact near 0. */
FLX_SHARED double flx_dlog1p(double x)
{
    const double u = 1.0 + x;
    return u == 1.0 || u > 0x1p1000 ? (u == 1.0 ? x : flx_dlog(u))
                                    : flx_dlog(u) * x / (u - 1.0);
}

/* sin of x + quarter * pi / 2. */
FLX_SHARED double flx_dsin_quarter(double x, uint32_t quarter)
{
    if (x != x || flx_dabs(x) == FLX_INF64) {
        return FLX_NAN64;
    }
    /* pi / 2 in three parts: products with n are exact to n < 2^20. */
    const double n = flx_dround(x * 0x1.45f306dc9c883p-1);
    double r = x - n * 0x1.921fb54400000p+0;
    r -= n * 0x1.0b4611a600000p-34;
    r -= n * 0x1.3198a2e037073p-69;
    const uint32_t q =
        ((uint32_t)(uint64_t)(int64_t)(n - 4.0 * flx_dfloor(n * 0.25)) +
         quarter) &
        3u;
    const double z = r * r;
    double p = 1.0;
    for (int i = (q & 1u) ? 18 : 19; i > 1; i -= 2) {
        p = 1.0 - p * z / (double)(i * (i - 1));
    }
    p = (q & 1u) ? p : p * r;
    return (q & 2u) ? -p : p;
}

FLX_INLINE double flx_dtan(double x)
{
    return flx_dsin_quarter(x, 0) / flx_dsin_quarter(x, 1);
}

FLX_SHARED double flx_datan(double x)
{
    double a = flx_dabs(x);
    double base = 0.0;
    const uint32_t inverts = a > 1.0;
    if (x != x) {
        return x;
    }
    a = inverts ? 1.0 / a : a;
    if (a > 0x1.126145e9ecd56p-2) { /* tan(pi / 12) */
        const double root3 = 0x1.bb67ae8584caap+0;
        a = (a * root3 - 1.0) / (root3 + a);
        base = FLX_PI / 6.0;
    }
    const double z = a * a;
    double p = 0.0;
    for (int i = 31; i > 1; i -= 2) {
        p = (1.0 / (double)i - p) * z;
    }
    const double r = base + (a - a * p);
    return flx_dsign_of(inverts ? FLX_PI / 2.0 - r : r, x);
}

FLX_SHARED double flx_dasin(double x)
{
    const double rest = (1.0 - x) * (1.0 + x);
    return rest < 0.0 || x != x ? FLX_NAN64
                                : 2.0 * flx_datan(x / (1.0 + flx_dsqrt(rest)));
}

FLX_SHARED double flx_dacos(double x)
{
    return x > 1.0 || x < -1.0 || x != x
               ? FLX_NAN64
               : 2.0 * flx_datan(flx_dsqrt((1.0 - x) / (1.0 + x)));
}

FLX_SHARED double flx_dsinh(double x)
{
    const double a = flx_dabs(x);
    if (a < 1.0) {
        const double z = x * x;
        double p = 1.0;
        for (int i = 19; i > 1; i -= 2) {
            p = 1.0 + p * z / (double)(i * (i - 1));
        }
        return x * p;
    }
    const double h = flx_dexp(0.5 * a);
    return flx_dsign_of(a > 40.0 ? 0.5 * h * h : 0.5 * (h * h - 1.0 / h / h),
                        x);
}

FLX_SHARED double flx_dcosh(double x)
{
    const double h = flx_dexp(0.5 * flx_dabs(x));
    return 0.5 * h * h + 0.5 / h / h;
}

FLX_INLINE double flx_dtanh(double x)
{
    return flx_dabs(x) > 22.0 ? flx_dsign_of(1.0, x)
                              : flx_dsinh(x) / flx_dcosh(x);
}

FLX_SHARED double flx_dasinh(double x)
{
    const double a = flx_dabs(x);
    const double r =
        a > 0x1p30 ? flx_dlog(a) + 0x1.62e42fefa39efp-1
                   : flx_dlog1p(a + a * a / (1.0 + flx_dsqrt(a * a + 1.0)));
    return flx_dsign_of(r, x);
}

FLX_SHARED double flx_dacosh(double x)
{
    const double t = x - 1.0;
    return x > 0x1p30 ? flx_dlog(x) + 0x1.62e42fefa39efp-1
           : x >= 1.0 ? flx_dlog1p(t + flx_dsqrt(2.0 * t + t * t))
                      : FLX_NAN64;
}

FLX_INLINE double flx_datanh(double x)
{
    const double a = flx_dabs(x);
    return a > 1.0 ? FLX_NAN64
                   : flx_dsign_of(0.5 * flx_dlog1p(2.0 * a / (1.0 - a)), x);
}

/* e^(-x^2) times a series of positive terms below 3, 1 - a continued fraction
 * above. */
FLX_SHARED double flx_derf(double x)
{
    const double a = flx_dabs(x);
    if (!(a < 6.0)) {
        return x != x ? x : flx_dsign_of(1.0, x);
    }
    const double e = flx_dexp(-a * a);
    if (a < 3.0) {
        double term = a;
        double sum = a;
        for (int i = 1; i < 80; i++) {
            term *= 2.0 * a * a / (double)(2 * i + 1);
            sum += term;
        }
        return flx_dsign_of(0x1.20dd750429b6dp+0 * e * sum, x);
    }
    double f = a;
    for (int i = 60; i > 0; i--) {
        f = a + 0.5 * (double)i / f;
    }
    return flx_dsign_of(1.0 - e * 0x1.20dd750429b6dp-1 / f, x);
}

FLX_INLINE double flx_dsigmoid(double x)
{
    return 1.0 / (1.0 + flx_dexp(-x));
}

FLX_SHARED double flx_dpow(double x, double y)
{
    if (y == 0.0 || x == 1.0) {
        return 1.0;
    }
    if (x != x || y != y) {
        return FLX_NAN64;
    }
    const double a = flx_dabs(x);
    const uint32_t is_int = flx_dtrunc(y) == y;
    const double half = y * 0.5;
    const uint32_t is_odd = is_int && flx_dtrunc(half) != half;
    double r;
    if (flx_dabs(y) == FLX_INF64) {
        return a == 1.0 ? 1.0 : (a > 1.0) == (y > 0.0) ? FLX_INF64 : 0.0;
    }
    if (a == 0.0 || a == FLX_INF64) {
        r = (a == 0.0) == (y > 0.0) ? 0.0 : FLX_INF64;
    } else if (x < 0.0 && !is_int) {
        return FLX_NAN64;
    } else if (is_int && flx_dabs(y) <= 64.0) {
        double b = a;
        r = 1.0;
        for (uint32_t n = (uint32_t)flx_dabs(y); n > 0; n >>= 1) {
            r = (n & 1u) ? r * b : r;
            b *= b;
        }
        r = y < 0.0 ? 1.0 / r : r;
    } else {
        r = flx_dexp(y * flx_dlog(a));
    }
    return is_odd && x < 0.0 ? -r : r;
}

/* The remainder of x / y with the sign of x, exact: shifts and subtracts. */
FLX_SHARED double flx_dfmod(double x, double y)
{
    double a = flx_dabs(x);
    const double b = flx_dabs(y);
    if (x != x || y != y || a == FLX_INF64 || b == 0.0) {
        return FLX_NAN64;
    }
    if (b == FLX_INF64) {
        return x;
    }
    while (a >= b) {
        const int32_t ea = (int32_t)(flx_double_bits(a) >> 52);
        const int32_t eb = (int32_t)(flx_double_bits(b) >> 52);
        int32_t shift = ea - eb;
        double t = shift > 0 ? flx_dscale(b, shift) : b;
        if (t > a) {
            t = flx_dscale(b, shift - 1);
        }
        a -= t;
    }
    return flx_dsign_of(a, x);
}

/* With the sign of y, as Python's %. */
FLX_INLINE double flx_dmod(double x, double y)
{
    const double r = flx_dfmod(x, y);
    return r == 0.0 ? flx_dsign_of(r, y) : (r < 0.0) != (y < 0.0) ? r + y : r;
}

#endif
