/* The one place of the runtime besides kernels/flx_simd.h where the compiler's
 * intrinsics are used: with the table the checksum costs more than the read
 * from the page cache, with the instruction a fraction (scripts/storage-run).
 */
#include "ports/posix/posix_parts.h"

#include <string.h>

#if defined __GNUC__ && defined __x86_64__

#include <immintrin.h>

/* The instruction takes three cycles, one can begin in each: three parts of
 * the data are summed side by side. A sum s with n bytes after it counts as
 * s * x^(8 n) mod P; as both the product of two reflected values and the
 * instruction shift, what is multiplied by is x^(8 n - 33) mod P. */
enum { PART_BYTES = 2048, LINE_BYTES = 64 };
#define AFTER_1_PART 0xa51b6135u
#define AFTER_2_PARTS 0x82f89c77u

/* Asks for the same line of the next three parts, which may lie behind the end:
 * what was just read from a disk is not in the cache, and the machine sees too
 * late that three parts are gone through at once (docs/DECISIONS.md). */
static void ask_ahead(const uint8_t *line)
{
    for (uint32_t part = 3; part < 6; part++) {
        _mm_prefetch((const char *)line + (size_t)part * PART_BYTES,
                     _MM_HINT_T0);
    }
}

__attribute__((target("sse4.2,pclmul"))) static uint64_t
three_parts(uint64_t state, const uint8_t *bytes)
{
    uint64_t second = 0;
    uint64_t third = 0;
    for (uint32_t i = 0; i < PART_BYTES; i += 8) {
        uint64_t word[3];
        if (i % LINE_BYTES == 0) {
            ask_ahead(bytes + i);
        }
        memcpy(&word[0], bytes + i, 8);
        memcpy(&word[1], bytes + PART_BYTES + i, 8);
        memcpy(&word[2], bytes + (size_t)2 * PART_BYTES + i, 8);
        state = _mm_crc32_u64(state, word[0]);
        second = _mm_crc32_u64(second, word[1]);
        third = _mm_crc32_u64(third, word[2]);
    }
    const __m128i moved =
        _mm_xor_si128(_mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)state),
                                           _mm_cvtsi64_si128(AFTER_2_PARTS), 0),
                      _mm_clmulepi64_si128(_mm_cvtsi64_si128((int64_t)second),
                                           _mm_cvtsi64_si128(AFTER_1_PART), 0));
    return third ^ _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(moved));
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t
crc_instruction(void *ctx, uint32_t crc, const void *src, uint32_t len)
{
    const uint8_t *bytes = src;
    uint64_t state = (uint32_t)~crc;
    (void)ctx;
    for (; len >= 3 * PART_BYTES; len -= 3 * PART_BYTES) {
        state = three_parts(state, bytes);
        bytes += (size_t)3 * PART_BYTES;
    }
    for (; len >= 8; len -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        state = _mm_crc32_u64(state, word);
    }
    uint32_t tail = (uint32_t)state;
    for (; len > 0; len--, bytes++) {
        tail = _mm_crc32_u8(tail, *bytes);
    }
    return ~tail;
}

flx_crc_fn flx_posix_crc(void)
{
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul")
               ? crc_instruction
               : NULL;
}

#elif defined __ARM_FEATURE_CRC32 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__

#include <arm_acle.h>

static uint32_t crc_instruction(void *ctx, uint32_t crc, const void *src,
                                uint32_t len)
{
    const uint8_t *bytes = src;
    (void)ctx;
    crc = ~crc;
    for (; len >= 8; len -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        crc = __crc32cd(crc, word);
    }
    for (; len > 0; len--, bytes++) {
        crc = __crc32cb(crc, *bytes);
    }
    return ~crc;
}

flx_crc_fn flx_posix_crc(void)
{
    return crc_instruction;
}

#else

flx_crc_fn flx_posix_crc(void)
{
    return NULL;
}

#endif
