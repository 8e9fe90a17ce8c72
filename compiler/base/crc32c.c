#include "base/crc32c.h"

#include "base/le.h"

/* Slicing by 8. Table k maps a byte to its remainder when k more bytes follow.
 * The remainder is linear in the bits of the byte, so a table is given by its
 * values at 1, 2, 4 ... 128 and the compiler fills in the rest. */
#define ENTRY(i, b0, b1, b2, b3, b4, b5, b6, b7)                               \
    ((((i)&1) ? (b0) : 0) ^ (((i)&2) ? (b1) : 0) ^ (((i)&4) ? (b2) : 0) ^      \
     (((i)&8) ? (b3) : 0) ^ (((i)&16) ? (b4) : 0) ^ (((i)&32) ? (b5) : 0) ^    \
     (((i)&64) ? (b6) : 0) ^ (((i)&128) ? (b7) : 0))
#define ROW4(i, ...)                                                           \
    ENTRY(i, __VA_ARGS__), ENTRY((i) + 1, __VA_ARGS__),                        \
        ENTRY((i) + 2, __VA_ARGS__), ENTRY((i) + 3, __VA_ARGS__)
#define ROW16(i, ...)                                                          \
    ROW4(i, __VA_ARGS__), ROW4((i) + 4, __VA_ARGS__),                          \
        ROW4((i) + 8, __VA_ARGS__), ROW4((i) + 12, __VA_ARGS__)
#define ROW64(i, ...)                                                          \
    ROW16(i, __VA_ARGS__), ROW16((i) + 16, __VA_ARGS__),                       \
        ROW16((i) + 32, __VA_ARGS__), ROW16((i) + 48, __VA_ARGS__)
#define TABLE(...)                                                             \
    {                                                                          \
        ROW64(0, __VA_ARGS__), ROW64(64, __VA_ARGS__),                         \
            ROW64(128, __VA_ARGS__), ROW64(192, __VA_ARGS__)                   \
    }

static const uint32_t k_table[8][256] = {
    TABLE(0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu, 0x105ec76fu,
          0x20bd8edeu, 0x417b1dbcu, 0x82f63b78u),
    TABLE(0x13a29877u, 0x274530eeu, 0x4e8a61dcu, 0x9d14c3b8u, 0x3fc5f181u,
          0x7f8be302u, 0xff17c604u, 0xfbc3faf9u),
    TABLE(0xa541927eu, 0x4f6f520du, 0x9edea41au, 0x38513ec5u, 0x70a27d8au,
          0xe144fb14u, 0xc76580d9u, 0x8b277743u),
    TABLE(0xdd45aab8u, 0xbf672381u, 0x7b2231f3u, 0xf64463e6u, 0xe964b13du,
          0xd725148bu, 0xaba65fe7u, 0x52a0c93fu),
    TABLE(0x38116facu, 0x7022df58u, 0xe045beb0u, 0xc5670b91u, 0x8f2261d3u,
          0x1ba8b557u, 0x37516aaeu, 0x6ea2d55cu),
    TABLE(0xef306b19u, 0xdb8ca0c3u, 0xb2f53777u, 0x6006181fu, 0xc00c303eu,
          0x85f4168du, 0x0e045bebu, 0x1c08b7d6u),
    TABLE(0x68032cc8u, 0xd0065990u, 0xa5e0c5d1u, 0x4e2dfd53u, 0x9c5bfaa6u,
          0x3d5b83bdu, 0x7ab7077au, 0xf56e0ef4u),
    TABLE(0x493c7d27u, 0x9278fa4eu, 0x211d826du, 0x423b04dau, 0x847609b4u,
          0x0d006599u, 0x1a00cb32u, 0x34019664u),
};

uint32_t crc32c(uint32_t crc, const void *src, uint64_t len)
{
    const uint8_t *bytes = src;
    crc = ~crc;
    for (; len >= 8; len -= 8, bytes += 8) {
        const uint32_t low = crc ^ le32_get(bytes);
        const uint32_t high = le32_get(bytes + 4);
        crc = k_table[7][low & 255] ^ k_table[6][low >> 8 & 255] ^
              k_table[5][low >> 16 & 255] ^ k_table[4][low >> 24] ^
              k_table[3][high & 255] ^ k_table[2][high >> 8 & 255] ^
              k_table[1][high >> 16 & 255] ^ k_table[0][high >> 24];
    }
    for (; len > 0; len--, bytes++) {
        crc = crc >> 8 ^ k_table[0][(crc ^ *bytes) & 255];
    }
    return ~crc;
}
