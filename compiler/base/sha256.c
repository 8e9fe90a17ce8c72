#include "base/sha256.h"

#include <string.h>
#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#endif

#include "base/size.h"

/* First 32 bits of the fractions of the cube roots of the first 64 primes. */
static const uint32_t k_round[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
    0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
    0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
    0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
    0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
    0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
    0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* The same of the square roots of the first 8 primes. */
static const uint32_t k_start[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static uint32_t rotate(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static uint32_t be32_get(const uint8_t *src)
{
    return (uint32_t)src[0] << 24 | (uint32_t)src[1] << 16 |
           (uint32_t)src[2] << 8 | (uint32_t)src[3];
}

static void be32_put(uint8_t *dst, uint32_t value)
{
    dst[0] = (uint8_t)(value >> 24);
    dst[1] = (uint8_t)(value >> 16);
    dst[2] = (uint8_t)(value >> 8);
    dst[3] = (uint8_t)value;
}

/* One round; the caller renames the eight variables instead of moving them. */
static inline void mix_round(uint32_t a, uint32_t b, uint32_t c, uint32_t *d,
                             uint32_t e, uint32_t f, uint32_t g, uint32_t *h,
                             uint32_t kw)
{
    const uint32_t t1 = *h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) +
                        ((e & f) ^ (~e & g)) + kw;
    const uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +
                        ((a & b) ^ (a & c) ^ (b & c));
    *d += t1;
    *h = t1 + t2;
}

static void mix_plain(uint32_t state[8], const uint8_t *src)
{
    uint32_t w[64];
    for (unsigned i = 0; i < 16; i++) {
        w[i] = be32_get(src + (size_t)4 * i);
    }
    for (unsigned i = 16; i < 64; i++) {
        const uint32_t x = w[i - 15];
        const uint32_t y = w[i - 2];
        w[i] = w[i - 16] + (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) + w[i - 7] +
               (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
    }
    uint32_t a = state[0];
    uint32_t b = state[1];
    uint32_t c = state[2];
    uint32_t d = state[3];
    uint32_t e = state[4];
    uint32_t f = state[5];
    uint32_t g = state[6];
    uint32_t h = state[7];
    for (unsigned i = 0; i < 64; i += 8) {
        mix_round(a, b, c, &d, e, f, g, &h, w[i] + k_round[i]);
        mix_round(h, a, b, &c, d, e, f, &g, w[i + 1] + k_round[i + 1]);
        mix_round(g, h, a, &b, c, d, e, &f, w[i + 2] + k_round[i + 2]);
        mix_round(f, g, h, &a, b, c, d, &e, w[i + 3] + k_round[i + 3]);
        mix_round(e, f, g, &h, a, b, c, &d, w[i + 4] + k_round[i + 4]);
        mix_round(d, e, f, &g, h, a, b, &c, w[i + 5] + k_round[i + 5]);
        mix_round(c, d, e, &f, g, h, a, &b, w[i + 6] + k_round[i + 6]);
        mix_round(b, c, d, &e, f, g, h, &a, w[i + 7] + k_round[i + 7]);
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

#ifdef __x86_64__

/* CPUID leaf 7: SHA; leaf 1: SSSE3 and SSE4.1, which come with it. */
static bool has_sha_instructions(void)
{
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    const bool has_sse =
        __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSSE3) && (c & bit_SSE4_1);
    return has_sse && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

/* The state is held as two registers, (a b e f) and (c d g h); sha256rnds2 does
 * two rounds and leaves the new (a b e f) where (c d g h) was. [intel-sha] */
__attribute__((target("sha,ssse3,sse4.1"))) static void
mix_instructions(uint32_t state[8], const uint8_t *src)
{
    const __m128i swap =
        _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    const __m128i dcba = _mm_loadu_si128((const __m128i *)(void *)state);
    const __m128i hgfe = _mm_loadu_si128((const __m128i *)(void *)(state + 4));
    const __m128i cdab = _mm_shuffle_epi32(dcba, 0xb1);
    const __m128i efgh = _mm_shuffle_epi32(hgfe, 0x1b);
    const __m128i abef_start = _mm_alignr_epi8(cdab, efgh, 8);
    const __m128i cdgh_start = _mm_blend_epi16(efgh, cdab, 0xf0);
    __m128i abef = abef_start;
    __m128i cdgh = cdgh_start;
    __m128i m[4];
    for (unsigned i = 0; i < 4; i++) {
        const void *const at = src + (size_t)16 * i;
        m[i] = _mm_shuffle_epi8(_mm_loadu_si128(at), swap);
    }
    for (unsigned i = 0; i < 16; i++) {
        const void *const k = k_round + (size_t)4 * i;
        const __m128i kw = _mm_add_epi32(m[0], _mm_loadu_si128(k));
        cdgh = _mm_sha256rnds2_epu32(cdgh, abef, kw);
        abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(kw, 0x0e));
        const __m128i next =
            _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(m[0], m[1]),
                                               _mm_alignr_epi8(m[3], m[2], 4)),
                                 m[3]);
        m[0] = m[1];
        m[1] = m[2];
        m[2] = m[3];
        m[3] = next;
    }
    abef = _mm_add_epi32(abef, abef_start);
    cdgh = _mm_add_epi32(cdgh, cdgh_start);
    const __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
    const __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)(void *)state,
                     _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(void *)(state + 4),
                     _mm_alignr_epi8(dchg, feba, 8));
}

#else

static bool has_sha_instructions(void)
{
    return false;
}

static void mix_instructions(uint32_t state[8], const uint8_t *src)
{
    mix_plain(state, src);
}

#endif

static void mix_block(struct sha256 *s, const uint8_t *src)
{
    if (s->is_plain) {
        mix_plain(s->state, src);
    } else {
        mix_instructions(s->state, src);
    }
}

void sha256_init(struct sha256 *s)
{
    memset(s, 0, sizeof *s);
    memcpy(s->state, k_start, sizeof k_start);
    s->is_plain = !has_sha_instructions();
}

void sha256_add(struct sha256 *s, const void *src, uint64_t len)
{
    const uint8_t *bytes = src;
    while (len > 0) {
        const uint64_t held = s->len % 64;
        if (held == 0 && len >= 64) {
            mix_block(s, bytes);
            bytes += 64;
            s->len += 64;
            len -= 64;
            continue;
        }
        const uint64_t part = size_min(64 - held, len);
        memcpy(s->block + held, bytes, (size_t)part);
        bytes += part;
        s->len += part;
        len -= part;
        if (s->len % 64 == 0) {
            mix_block(s, s->block);
        }
    }
}

void sha256_end(struct sha256 *s, uint8_t digest[SHA256_BYTES])
{
    const uint64_t n_bits = 8 * s->len;
    static const uint8_t k_pad[64] = {0x80};
    const uint64_t held = s->len % 64;
    sha256_add(s, k_pad, held < 56 ? 56 - held : 120 - held);
    uint8_t tail[8];
    be32_put(tail, (uint32_t)(n_bits >> 32));
    be32_put(tail + 4, (uint32_t)n_bits);
    sha256_add(s, tail, sizeof tail);
    for (unsigned i = 0; i < 8; i++) {
        be32_put(digest + (size_t)4 * i, s->state[i]);
    }
}

void sha256_of(const void *src, uint64_t len, uint8_t digest[SHA256_BYTES])
{
    struct sha256 s;
    sha256_init(&s);
    sha256_add(&s, src, len);
    sha256_end(&s, digest);
}

void sha256_hex(const uint8_t digest[SHA256_BYTES], char dst[SHA256_HEX_CAP])
{
    static const char k_hex[] = "0123456789abcdef";
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        dst[2 * i] = k_hex[digest[i] >> 4];
        dst[2 * i + 1] = k_hex[digest[i] & 15];
    }
    dst[(size_t)2 * SHA256_BYTES] = '\0';
}
