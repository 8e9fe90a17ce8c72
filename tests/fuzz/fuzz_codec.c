/* Door: compressed chunks. For every stored chunk and every decoded size: it
 * does not decode, or it fills exactly that size with bytes that a second
 * decoding gives again; not one byte is touched outside source, result and
 * workspace. And what libzstd makes of any bytes decodes to them. */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "codec/flx_zstd.h"
#include "flexrt/flx_format.h"

/* Exactly so long, so that ASan sees both ends. */
static uint8_t *bytes_new(size_t n)
{
    uint8_t *const p = malloc(n + (n == 0));
    fuzz_check(p != NULL, "the machine has memory");
    return p;
}

static void decode(struct span stored, uint32_t raw_bytes, bool must_fit,
                   const uint8_t *want)
{
    uint8_t *const dst = bytes_new(raw_bytes);
    uint8_t *const again = bytes_new(raw_bytes);
    uint8_t *const work = bytes_new(FLX_ZSTD_WORK_BYTES);
    memset(dst, 0x11, raw_bytes);
    memset(again, 0xee, raw_bytes);
    const enum flx_err a =
        flx_zstd_decode(dst, raw_bytes, stored.data, (uint32_t)stored.len, work,
                        FLX_ZSTD_WORK_BYTES);
    const enum flx_err b =
        flx_zstd_decode(again, raw_bytes, stored.data, (uint32_t)stored.len,
                        work, FLX_ZSTD_WORK_BYTES);
    fuzz_check(a == b && (a == FLX_OK || a == FLX_E_DECODE),
               "decoding ends in one of two ways, always the same");
    if (a == FLX_OK) {
        fuzz_check(memcmp(dst, again, raw_bytes) == 0, "every byte is written");
    }
    if (must_fit) {
        fuzz_check(a == FLX_OK && memcmp(dst, want, raw_bytes) == 0,
                   "what was compressed comes back");
    }
    free(work);
    free(again);
    free(dst);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {data, size};
    const uint8_t how = fuzz_byte(&in);
    if (how == 0xff) {
        const size_t cap = ZSTD_compressBound(in.len);
        uint8_t *const stored = bytes_new(cap);
        const size_t n = ZSTD_compress(stored, cap, in.data, in.len, 3);
        fuzz_check(!ZSTD_isError(n), "libzstd compresses anything");
        decode((struct span){stored, n}, (uint32_t)in.len, true, in.data);
        free(stored);
        return 0;
    }
    /* Sizes as a table has them: multiples of 64. */
    uint32_t raw_bytes = 64 * (uint32_t)(how + 1);
    raw_bytes += 64 * 255 * (uint32_t)(fuzz_byte(&in) % 8);
    decode(in, raw_bytes, false, NULL);
    return 0;
}
