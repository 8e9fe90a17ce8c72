/* crc32c.h - CRC-32C (Castagnoli, reflected, polynomial 0x1EDC6F41), the
 * checksum of a chunk's stored bytes. [rfc3720 B.4] */
#ifndef FLEXC_BASE_CRC32C_H
#define FLEXC_BASE_CRC32C_H

#include <stdint.h>

/* Continues a checksum over len more bytes; crc is 0 at first, and
 * crc32c(crc32c(0, a), b) is the checksum of a followed by b. About 1 byte per
 * clock. */
uint32_t crc32c(uint32_t crc, const void *src, uint64_t len);

#endif
