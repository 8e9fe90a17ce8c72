/* The one place of the runtime besides kernels/flx_simd.h where the compiler's
 * intrinsics are used: with the table the checksum costs more than the read
 * (1.9 against 9.7 GB/s from the page cache), with the instruction a tenth. */
#include "ports/posix/posix_parts.h"

#include <string.h>

#if defined __GNUC__ && defined __x86_64__

#include <immintrin.h>

__attribute__((target("sse4.2"))) static uint32_t
crc_instruction(void *ctx, uint32_t crc, const void *src, uint32_t len)
{
    const uint8_t *bytes = src;
    uint64_t state = (uint32_t)~crc;
    (void)ctx;
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
    return __builtin_cpu_supports("sse4.2") ? crc_instruction : NULL;
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
