/* le.h - little-endian integers in bytes, on any host; no alignment needed. */
#ifndef FLEXC_BASE_LE_H
#define FLEXC_BASE_LE_H

#include <stdint.h>

static inline uint16_t le16_get(const uint8_t *src)
{
    return (uint16_t)(src[0] | (unsigned)src[1] << 8);
}

static inline uint32_t le32_get(const uint8_t *src)
{
    return (uint32_t)src[0] | (uint32_t)src[1] << 8 | (uint32_t)src[2] << 16 |
           (uint32_t)src[3] << 24;
}

static inline uint64_t le64_get(const uint8_t *src)
{
    return (uint64_t)le32_get(src) | (uint64_t)le32_get(src + 4) << 32;
}

static inline void le16_put(uint8_t *dst, uint16_t value)
{
    dst[0] = (uint8_t)value;
    dst[1] = (uint8_t)(value >> 8);
}

static inline void le32_put(uint8_t *dst, uint32_t value)
{
    le16_put(dst, (uint16_t)value);
    le16_put(dst + 2, (uint16_t)(value >> 16));
}

static inline void le64_put(uint8_t *dst, uint64_t value)
{
    le32_put(dst, (uint32_t)value);
    le32_put(dst + 4, (uint32_t)(value >> 32));
}

#endif
