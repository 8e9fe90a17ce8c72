/* device_read.h - device profiles from text: lines of `key value unit`, each
 * key once and in any order, '#' to the end of a line for comments.
 *
 *   name           WORD
 *   storage        read | mapped
 *   read           NUMBER kB/s | MB/s | GB/s     sequential, from storage
 *   read-latency   NUMBER ns | us | ms           of one request
 *   decode         NUMBER kB/s | MB/s | GB/s     zstd, of decoded bytes
 *   loader-shares-core  yes | no                 loading takes compute time
 *   step           NUMBER ns | us | ms           a box besides its arithmetic
 *   gemm           NUMBER MMAC/s | GMAC/s
 *   depthwise      NUMBER MMAC/s | GMAC/s
 *   weights        NUMBER MB/s | GB/s            read by a product
 *   ewise          NUMBER MB/s | GB/s            moved by elementwise layers
 *   pool           NUMBER Mop/s | Gop/s          input elements x window
 *
 * and, which may be missing (then as much of gemm as is said):
 *
 *   winograd       NUMBER MMAC/s | GMAC/s        on transformed tiles (5/6)
 *   transform      NUMBER Mop/s | Gop/s          6x6 tiles (1/250)
 *   exp            NUMBER Mop/s | Gop/s          exponentials (1/24)
 *   cache          NUMBER KiB | MiB              weights that stay near (all)
 */
#ifndef FLEXC_FRONTEND_DEVICE_DEVICE_READ_H
#define FLEXC_FRONTEND_DEVICE_DEVICE_READ_H

#include "base/attr.h"
#include "base/cx.h"
#include "base/span.h"
#include "ir/device.h"

/* Reads a profile; its name lies in cx->keep.
 *
 * E_DEVICE   names line and key: an unknown, repeated or missing key, a bad
 *            number or unit, a zero where a speed is meant;  *d unchanged
 * E_NO_FILE, E_IO */
NODISCARD bool device_read(const char *path, struct cx *cx, struct device *d);

/* The same from text. */
NODISCARD bool device_parse(struct span text, struct cx *cx, struct device *d);

/* The text of a profile; device_parse gives it back. */
struct buf;
NODISCARD bool device_print(const struct device *d, struct buf *out);

#endif
