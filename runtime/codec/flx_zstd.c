#include "codec/flx_zstd.h"

/* The caller-supplied context is of the static API. */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

uint32_t flx_zstd_work_bytes(void)
{
    return (uint32_t)ZSTD_estimateDCtxSize();
}

enum flx_err flx_zstd_decode(void *dst, uint32_t dst_len, const void *src,
                             uint32_t src_len, void *work, uint32_t work_len)
{
    ZSTD_DCtx *context = ZSTD_initStaticDCtx(work, work_len);
    if (!context) {
        return FLX_E_DECODE;
    }
    const size_t n = ZSTD_decompressDCtx(context, dst, dst_len, src, src_len);
    return n == dst_len ? FLX_OK : FLX_E_DECODE;
}
