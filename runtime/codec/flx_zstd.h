/* flx_zstd.h - the decoder of FLX_CODEC_ZSTD chunks, by libzstd, allocating
 * nothing. */
#ifndef FLEXRT_CODEC_FLX_ZSTD_H
#define FLEXRT_CODEC_FLX_ZSTD_H

#include <stdint.h>

#include "flexrt/flx_port.h"

#ifdef __cplusplus
extern "C" {
#endif

/* For flx_port.decode. A chunk is one frame; src and dst do not overlap. Writes
 * no byte outside dst and work; work is 8-aligned. About 1 to 2 GB/s of decoded
 * bytes; stack below 4 KiB.
 *
 * FLX_E_DECODE   not a frame, another length, or work_len is less than this
 *                library's decoder needs; dst undefined */
enum flx_err flx_zstd_decode(void *dst, uint32_t dst_len, const void *src,
                             uint32_t src_len, void *work, uint32_t work_len);

/* Bytes of work that the linked library needs. */
uint32_t flx_zstd_work_bytes(void);

#ifdef __cplusplus
}
#endif

#endif
