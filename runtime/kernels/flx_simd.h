/* flx_simd.h - the vectors that kernels are made of: FLX_LANES floats, from 1
 * to 16 by the target, behind one set of names. All compiler builtins of the
 * runtime are here.
 *
 * Every function is lane by lane and gives the same bits for any FLX_LANES.
 * flx_fma rounds once where the target has fused multiply-add, else it rounds
 * the product too: the one thing in which targets differ. */
#ifndef FLX_SIMD_H
#define FLX_SIMD_H

#include <stddef.h>
#include <stdint.h>

#if defined __FAST_MATH__
#error "kernels promise their bits: -ffast-math is not allowed"
#endif

/* Bodies are specialised by inlining into an instance with constant arguments;
 * helpers that many instances share are kept out of line. */
#if defined __GNUC__
#define FLX_INLINE static inline __attribute__((always_inline, unused))
#define FLX_SHARED static __attribute__((noinline, unused))
#else
#error "kernels need the vector extensions of GCC or Clang"
#endif

/* Bodies that are inlined many times, of hundreds of vectors: a sanitizer makes
 * so much of each access that compilers take minutes; there, one copy does. */
#if defined __SANITIZE_ADDRESS__
#define FLX_UNROLLED FLX_SHARED
#elif defined __has_feature
#if __has_feature(address_sanitizer)
#define FLX_UNROLLED FLX_SHARED
#endif
#endif
#if !defined FLX_UNROLLED
#define FLX_UNROLLED FLX_INLINE
#endif

#if defined __AVX512F__ && defined __FMA__
#define FLX_LANES 16
#define FLX_AVX512 1
#elif defined __AVX2__ && defined __FMA__
#define FLX_LANES 8
#define FLX_AVX2 1
#elif defined __SSE2__
#define FLX_LANES 4
#define FLX_SSE2 1
#elif defined __ARM_NEON && defined __ARM_FEATURE_FMA
#define FLX_LANES 4
#define FLX_NEON 1
#else
#define FLX_LANES 1
#if defined __ARM_FEATURE_SIMD32 && defined __ARM_FEATURE_DSP &&               \
    __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define FLX_DSP 1
#endif
#endif

#if FLX_LANES > 1 && !defined FLX_NEON
#include <immintrin.h>
#elif defined FLX_NEON
#include <arm_neon.h>
#elif defined FLX_DSP
#include <arm_acle.h>
#endif

#if defined __FMA__ || defined __ARM_FEATURE_FMA ||                            \
    (defined __riscv_flen && __riscv_flen >= 32)
#define FLX_HAS_FMA 1
#endif

/* a * b + c. */
FLX_INLINE float flx_fma(float a, float b, float c)
{
#if defined FLX_HAS_FMA
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

#if FLX_LANES == 1
typedef float flx_v;
typedef uint32_t flx_vu;
#else
typedef float flx_v __attribute__((vector_size(FLX_LANES * 4)));
typedef uint32_t flx_vu __attribute__((vector_size(FLX_LANES * 4)));
#endif

/* Unaligned access to floats and to their bits. */
typedef flx_v flx_v_at __attribute__((aligned(4), may_alias));
typedef uint32_t flx_u32_alias __attribute__((may_alias));

FLX_INLINE flx_v flx_load(const float *src)
{
    return *(const flx_v_at *)(const void *)src;
}

FLX_INLINE void flx_store(float *dst, flx_v v)
{
    *(flx_v_at *)(void *)dst = v;
}

/* Asks for the cache line at p, which need not be a valid address. */
FLX_INLINE void flx_prefetch(const void *p)
{
    __builtin_prefetch(p, 0, 3);
}

/* The same, but no nearer than the second cache. */
FLX_INLINE void flx_prefetch_far(const void *p)
{
    __builtin_prefetch(p, 0, 2);
}

FLX_INLINE flx_v flx_splat(float x)
{
#if FLX_LANES == 16
    return (flx_v){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
#elif FLX_LANES == 8
    return (flx_v){x, x, x, x, x, x, x, x};
#elif FLX_LANES == 4
    return (flx_v){x, x, x, x};
#else
    return x;
#endif
}

FLX_INLINE flx_vu flx_splat_u(uint32_t x)
{
#if FLX_LANES == 16
    return (flx_vu){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
#elif FLX_LANES == 8
    return (flx_vu){x, x, x, x, x, x, x, x};
#elif FLX_LANES == 4
    return (flx_vu){x, x, x, x};
#else
    return x;
#endif
}

/* The bits of floats, and back. */
FLX_INLINE flx_vu flx_bits(flx_v v)
{
    union {
        flx_v v;
        flx_vu u;
    } x = {v};
    return x.u;
}

FLX_INLINE flx_v flx_from_bits(flx_vu u)
{
    union {
        flx_vu u;
        flx_v v;
    } x = {u};
    return x.v;
}

/* a * b + c. */
FLX_INLINE flx_v flx_vfma(flx_v a, flx_v b, flx_v c)
{
#if defined FLX_AVX512
    return (flx_v)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined FLX_AVX2
    return (flx_v)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined FLX_NEON
    return (flx_v)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#elif FLX_LANES == 1
    return flx_fma(a, b, c);
#elif defined __FMA__
    return (flx_v)_mm_fmadd_ps((__m128)a, (__m128)b, (__m128)c);
#else
    return a * b + c;
#endif
}

/* a < b ? x : y, false when either is NaN. */
FLX_INLINE flx_v flx_if_less(flx_v a, flx_v b, flx_v x, flx_v y)
{
#if FLX_LANES == 1
    return a < b ? x : y;
#else
    const flx_vu mask = (flx_vu)(a < b);
    return flx_from_bits((flx_bits(x) & mask) | (flx_bits(y) & ~mask));
#endif
}

/* a is NaN ? x : y. */
FLX_INLINE flx_v flx_if_nan(flx_v a, flx_v x, flx_v y)
{
#if FLX_LANES == 1
    return a == a ? y : x;
#else
    const flx_vu mask = (flx_vu)(a == a);
    return flx_from_bits((flx_bits(y) & mask) | (flx_bits(x) & ~mask));
#endif
}

/* a > b ? a : b; b when either is NaN. */
FLX_INLINE flx_v flx_vmax(flx_v a, flx_v b)
{
#if defined FLX_AVX512
    return (flx_v)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined FLX_AVX2
    return (flx_v)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined FLX_SSE2
    return (flx_v)_mm_max_ps((__m128)a, (__m128)b);
#else
    return flx_if_less(b, a, a, b);
#endif
}

/* a < b ? a : b; b when either is NaN. */
FLX_INLINE flx_v flx_vmin(flx_v a, flx_v b)
{
#if defined FLX_AVX512
    return (flx_v)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined FLX_AVX2
    return (flx_v)_mm256_min_ps((__m256)a, (__m256)b);
#elif defined FLX_SSE2
    return (flx_v)_mm_min_ps((__m128)a, (__m128)b);
#else
    return flx_if_less(a, b, a, b);
#endif
}

/* Bits of the square root, by digits: for targets without the instruction. */
FLX_INLINE uint32_t flx_sqrt_bits(uint32_t u)
{
    if (u == 0 || u == 0x80000000u || u == 0x7f800000u) {
        return u;
    }
    if (u > 0x7f800000u) {
        return 0x7fc00000u; /* negative or NaN */
    }
    int32_t e = (int32_t)(u >> 23) - 127;
    uint32_t m = u & 0x7fffffu;
    if (e == -127) { /* subnormal */
        e = -126;
        while (!(m & 0x800000u)) {
            m <<= 1;
            e--;
        }
    } else {
        m |= 0x800000u;
    }
    if (e & 1) {
        m <<= 1;
        e--;
    }
    /* root of m << 25, which has 49 or 50 bits: 25 bits, the last rounds */
    uint64_t rest = (uint64_t)m << 25;
    uint64_t root = 0;
    for (uint64_t bit = (uint64_t)1 << 48; bit; bit >>= 2) {
        if (rest >= root + bit) {
            rest -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    const uint32_t r = (uint32_t)root;
    return ((uint32_t)(e / 2 + 127) << 23) + ((r >> 1) - 0x800000u) + (r & 1u);
}

/* Correctly rounded square root. */
FLX_INLINE flx_v flx_vsqrt(flx_v a)
{
#if defined FLX_AVX512
    return (flx_v)_mm512_sqrt_ps((__m512)a);
#elif defined FLX_AVX2
    return (flx_v)_mm256_sqrt_ps((__m256)a);
#elif defined FLX_SSE2
    return (flx_v)_mm_sqrt_ps((__m128)a);
#elif defined FLX_NEON && defined __aarch64__
    return (flx_v)vsqrtq_f32((float32x4_t)a);
#else
    flx_vu u = flx_bits(a);
#if FLX_LANES == 1
    u = flx_sqrt_bits(u);
#else
    for (int i = 0; i < FLX_LANES; i++) {
        u[i] = flx_sqrt_bits(u[i]);
    }
#endif
    return flx_from_bits(u);
#endif
}

/* ---- integers ------------------------------------------------------------
 * FLX_LANES i32, and twice as many i16. Sums wrap. */

#if FLX_LANES == 1
typedef int32_t flx_vi;
#else
typedef int32_t flx_vi __attribute__((vector_size(FLX_LANES * 4)));
typedef int16_t flx_vh __attribute__((vector_size(FLX_LANES * 4)));
typedef flx_vh flx_vh_at __attribute__((aligned(2), may_alias));
#endif
typedef flx_vi flx_vi_at __attribute__((aligned(4), may_alias));

FLX_INLINE flx_vi flx_load_i(const int32_t *src)
{
    return *(const flx_vi_at *)(const void *)src;
}

FLX_INLINE void flx_store_i(int32_t *dst, flx_vi v)
{
    *(flx_vi_at *)(void *)dst = v;
}

FLX_INLINE flx_vi flx_splat_i(int32_t x)
{
    return (flx_vi)flx_splat_u((uint32_t)x);
}

/* a + b, a - b, modulo 2^32. */
FLX_INLINE flx_vi flx_add_i(flx_vi a, flx_vi b)
{
    return (flx_vi)((flx_vu)a + (flx_vu)b);
}

FLX_INLINE flx_vi flx_sub_i(flx_vi a, flx_vi b)
{
    return (flx_vi)((flx_vu)a - (flx_vu)b);
}

FLX_INLINE flx_vi flx_max_i(flx_vi a, flx_vi b)
{
#if FLX_LANES == 1
    return a > b ? a : b;
#else
    const flx_vi mask = (flx_vi)(a > b);
    return (a & mask) | (b & ~mask);
#endif
}

/* The nearest floats. */
FLX_INLINE flx_v flx_float_of(flx_vi v)
{
#if FLX_LANES == 1
    return (float)v;
#else
    return __builtin_convertvector(v, flx_v);
#endif
}

/* x to the nearest whole number, ties to even, |x| < 2^22. */
FLX_INLINE flx_vi flx_round_i(flx_v x)
{
    const flx_v magic = flx_splat(0x1.8p23f);
    return flx_sub_i((flx_vi)flx_bits(x + magic), (flx_vi)flx_bits(magic));
}

/* FLX_LANES bytes, each in [0, 256). */
FLX_INLINE flx_vi flx_load_bytes(const uint8_t *src)
{
#if defined FLX_AVX512
    return (flx_vi)_mm512_cvtepu8_epi32(
        _mm_loadu_si128((const __m128i *)(const void *)src));
#elif defined FLX_AVX2
    return (flx_vi)_mm256_cvtepu8_epi32(
        _mm_loadl_epi64((const __m128i *)(const void *)src));
#elif FLX_LANES == 1
    return src[0];
#else
    flx_vi v = {0};
    for (int i = 0; i < FLX_LANES; i++) {
        v[i] = src[i];
    }
    return v;
#endif
}

/* Products of numbers in [-2^15, 2^15). */
FLX_INLINE flx_vi flx_mul_short(flx_vi a, flx_vi b)
{
#if defined FLX_AVX512 && defined __AVX512BW__
    return (flx_vi)_mm512_madd_epi16((__m512i)a,
                                     (__m512i)(b & flx_splat_i(0xffff)));
#elif defined FLX_AVX2
    return (flx_vi)_mm256_madd_epi16((__m256i)a,
                                     (__m256i)(b & flx_splat_i(0xffff)));
#elif defined FLX_SSE2
    return (flx_vi)_mm_madd_epi16((__m128i)a,
                                  (__m128i)(b & flx_splat_i(0xffff)));
#else
    return a * b;
#endif
}

#if defined FLX_DSP
/* ---- a Cortex-M's words of two i16, lower half first, or of four bytes ----
 */

FLX_INLINE uint32_t flx_load_word(const void *src)
{
    uint32_t w;
    __builtin_memcpy(&w, src, sizeof w);
    return w;
}

/* Signed bytes 0 and 2; 1 and 3. */
FLX_INLINE uint32_t flx_bytes_even(uint32_t w)
{
    return (uint32_t)__sxtb16((int8x4_t)w);
}

FLX_INLINE uint32_t flx_bytes_odd(uint32_t w)
{
    return (uint32_t)__sxtb16((int8x4_t)(w >> 8 | w << 24));
}

/* The same of bytes without a sign. */
FLX_INLINE uint32_t flx_bytes_even_u(uint32_t w)
{
    return w & 0xff00ffu;
}

FLX_INLINE uint32_t flx_bytes_odd_u(uint32_t w)
{
    return w >> 8 & 0xff00ffu;
}

/* a[i] - b[i] */
FLX_INLINE uint32_t flx_pair_sub(uint32_t a, uint32_t b)
{
    return (uint32_t)__ssub16((int16x2_t)a, (int16x2_t)b);
}

/* s + a[0] * b[0] + a[1] * b[1] */
FLX_INLINE int32_t flx_pair_dot(uint32_t a, uint32_t b, int32_t s)
{
    return __smlad((int16x2_t)a, (int16x2_t)b, s);
}

/* s + a[0] * b[0]; s + a[1] * b[1] */
FLX_INLINE int32_t flx_pair_low(uint32_t a, uint32_t b, int32_t s)
{
    return __smlabb((int32_t)a, (int32_t)b, s);
}

FLX_INLINE int32_t flx_pair_high(uint32_t a, uint32_t b, int32_t s)
{
    return __smlatt((int32_t)a, (int32_t)b, s);
}
#endif

#if FLX_LANES > 1
/* a[2i] * b[2i] + a[2i + 1] * b[2i + 1], exact but for -2^15 squared twice. */
FLX_INLINE flx_vi flx_dot_pairs(flx_vh a, flx_vh b)
{
#if defined FLX_AVX512 && defined __AVX512BW__
    return (flx_vi)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined FLX_AVX2
    return (flx_vi)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined FLX_SSE2
    return (flx_vi)_mm_madd_epi16((__m128i)a, (__m128i)b);
#elif defined FLX_NEON && defined __aarch64__
    return (flx_vi)vpaddq_s32(
        vmull_s16(vget_low_s16((int16x8_t)a), vget_low_s16((int16x8_t)b)),
        vmull_high_s16((int16x8_t)a, (int16x8_t)b));
#elif defined FLX_NEON
    const int32x4_t low =
        vmull_s16(vget_low_s16((int16x8_t)a), vget_low_s16((int16x8_t)b));
    const int32x4_t high =
        vmull_s16(vget_high_s16((int16x8_t)a), vget_high_s16((int16x8_t)b));
    return (flx_vi)vcombine_s32(
        vpadd_s32(vget_low_s32(low), vget_high_s32(low)),
        vpadd_s32(vget_low_s32(high), vget_high_s32(high)));
#else
    flx_vi v = {0};
    for (int i = 0; i < FLX_LANES; i++) {
        v[i] = a[2 * i] * b[2 * i] + a[2 * i + 1] * b[2 * i + 1];
    }
    return v;
#endif
}

/* 2 * FLX_LANES bytes, each in [-128, 128). */
FLX_INLINE flx_vh flx_load_shorts(const int8_t *src)
{
#if defined FLX_AVX512 && defined __AVX512BW__
    return (flx_vh)_mm512_cvtepi8_epi16(
        _mm256_loadu_si256((const __m256i *)(const void *)src));
#elif defined FLX_AVX2
    return (flx_vh)_mm256_cvtepi8_epi16(
        _mm_loadu_si128((const __m128i *)(const void *)src));
#elif defined FLX_SSE2
    const __m128i v = _mm_loadl_epi64((const __m128i *)(const void *)src);
    return (flx_vh)_mm_srai_epi16(_mm_unpacklo_epi8(v, v), 8);
#elif defined FLX_NEON
    return (flx_vh)vmovl_s8(vld1_s8(src));
#else
    flx_vh v = {0};
    for (int i = 0; i < 2 * FLX_LANES; i++) {
        v[i] = src[i];
    }
    return v;
#endif
}

/* src[0..4) again and again. */
FLX_INLINE flx_vh flx_splat_four(const int16_t *src)
{
    int64_t four;
    __builtin_memcpy(&four, src, sizeof four);
#if defined FLX_AVX512
    return (flx_vh)_mm512_set1_epi64(four);
#elif defined FLX_AVX2
    return (flx_vh)_mm256_set1_epi64x(four);
#elif defined FLX_SSE2
    return (flx_vh)_mm_set1_epi64x(four);
#else
    typedef int64_t fours __attribute__((vector_size(FLX_LANES * 4)));
    fours v = {0};
    for (int i = 0; i < FLX_LANES / 2; i++) {
        v[i] = four;
    }
    return (flx_vh)v;
#endif
}
#endif

/* The value of a 16-bit float, little-endian. */
FLX_INLINE float flx_f16_at(const uint8_t *src)
{
    const uint32_t h = src[0] | (uint32_t)src[1] << 8;
    const uint32_t size = h & 0x7fffu;
    union {
        float f;
        uint32_t u;
    } x = {(float)size * 0x1p-24f}; /* of a subnormal: units of 2^-24 */
    if (size >= 0x400u) {
        x.u = (size << 13) + (size < 0x7c00u ? 0x38000000u : 0x70000000u);
    }
    x.u |= (h & 0x8000u) << 16;
    return x.f;
}

/* FLX_LANES of them. */
FLX_INLINE flx_v flx_load_f16(const uint8_t *src)
{
#if defined FLX_AVX512
    return (flx_v)_mm512_cvtph_ps(
        _mm256_loadu_si256((const __m256i *)(const void *)src));
#elif defined FLX_AVX2 && defined __F16C__
    return (flx_v)_mm256_cvtph_ps(
        _mm_loadu_si128((const __m128i *)(const void *)src));
#elif FLX_LANES == 1
    return flx_f16_at(src);
#else
    typedef uint16_t halves __attribute__((vector_size(FLX_LANES * 2)));
    halves u;
    __builtin_memcpy(&u, src, sizeof u);
    const flx_vu h = __builtin_convertvector(u, flx_vu);
    const flx_vu size = h & flx_splat_u(0x7fff);
    const flx_vu tiny = flx_bits(flx_float_of((flx_vi)size) *
                                 flx_splat(0x1p-24f)); /* subnormal */
    const flx_vu is_tiny = (flx_vu)(size < flx_splat_u(0x400));
    const flx_vu is_finite = (flx_vu)(size < flx_splat_u(0x7c00));
    const flx_vu bits = (size << 13) + (flx_splat_u(0x70000000u) ^
                                        (is_finite & flx_splat_u(0x48000000u)));
    return flx_from_bits((h & flx_splat_u(0x8000)) << 16 | (bits & ~is_tiny) |
                         (tiny & is_tiny));
#endif
}

/* FLX_LANES numbers of 8 bits, signed. */
FLX_INLINE flx_v flx_load_i8(const uint8_t *src)
{
#if defined FLX_AVX512
    return flx_float_of((flx_vi)_mm512_cvtepi8_epi32(
        _mm_loadu_si128((const __m128i *)(const void *)src)));
#elif defined FLX_AVX2
    return flx_float_of((flx_vi)_mm256_cvtepi8_epi32(
        _mm_loadl_epi64((const __m128i *)(const void *)src)));
#else
    const flx_vi v = flx_load_bytes(src) ^ flx_splat_i(128);
    return flx_float_of(flx_sub_i(v, flx_splat_i(128)));
#endif
}

/* The first n < FLX_LANES floats of src; the rest are `pad`. Reads no more. */
FLX_INLINE flx_v flx_load_n(const float *src, uint32_t n, float pad)
{
#if defined FLX_AVX512
    return (flx_v)_mm512_mask_loadu_ps((__m512)flx_splat(pad),
                                       (__mmask16)((1u << n) - 1), src);
#else
    float tmp[FLX_LANES];
    flx_store(tmp, flx_splat(pad));
    for (uint32_t i = 0; i < n; i++) {
        tmp[i] = src[i];
    }
    return flx_load(tmp);
#endif
}

FLX_INLINE void flx_store_n(float *dst, flx_v v, uint32_t n)
{
#if defined FLX_AVX512
    _mm512_mask_storeu_ps(dst, (__mmask16)((1u << n) - 1), (__m512)v);
#else
    float tmp[FLX_LANES];
    flx_store(tmp, v);
    for (uint32_t i = 0; i < n; i++) {
        dst[i] = tmp[i];
    }
#endif
}

#endif
