#include "flx_core.h"

/* Table k maps a byte to its remainder when k more bytes follow. The remainder
 * is linear in the bits of the byte, so a table is given by its values at 1, 2,
 * 4 ... 128 and the compiler fills in the rest. Sixteen tables are a third
 * faster than eight where the cache has 16 KiB for them; FLX_CRC_SMALL: one,
 * for small flash. */
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

#ifdef FLX_CRC_SMALL
enum { SLICE = 1 };
#else
enum { SLICE = 16 };
#endif

static const uint32_t k_table[SLICE][256] = {
    TABLE(0xf26b8303u, 0xe13b70f7u, 0xc79a971fu, 0x8ad958cfu, 0x105ec76fu,
          0x20bd8edeu, 0x417b1dbcu, 0x82f63b78u),
#ifndef FLX_CRC_SMALL
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
    TABLE(0xf43ed648u, 0xed91da61u, 0xdecfc233u, 0xb873f297u, 0x750b93dfu,
          0xea1727beu, 0xd1c2398du, 0xa66805ebu),
    TABLE(0xcb567ba5u, 0x934081bbu, 0x236d7587u, 0x46daeb0eu, 0x8db5d61cu,
          0x1e87dac9u, 0x3d0fb592u, 0x7a1f6b24u),
    TABLE(0x9771f7c1u, 0x2b0f9973u, 0x561f32e6u, 0xac3e65ccu, 0x5d90bd69u,
          0xbb217ad2u, 0x73ae8355u, 0xe75d06aau),
    TABLE(0x3171d430u, 0x62e3a860u, 0xc5c750c0u, 0x8e62d771u, 0x1929d813u,
          0x3253b026u, 0x64a7604cu, 0xc94ec098u),
    TABLE(0x30d23865u, 0x61a470cau, 0xc348e194u, 0x837db5d9u, 0x03171d43u,
          0x062e3a86u, 0x0c5c750cu, 0x18b8ea18u),
    TABLE(0x54075546u, 0xa80eaa8cu, 0x55f123e9u, 0xabe247d2u, 0x5228f955u,
          0xa451f2aau, 0x4d4f93a5u, 0x9a9f274au),
    TABLE(0x678efd01u, 0xcf1dfa02u, 0x9bd782f5u, 0x3243731bu, 0x6486e636u,
          0xc90dcc6cu, 0x97f7ee29u, 0x2a03aaa3u),
    TABLE(0xf20c0dfeu, 0xe1f46d0du, 0xc604acebu, 0x89e52f27u, 0x162628bfu,
          0x2c4c517eu, 0x5898a2fcu, 0xb13145f8u),
#endif
};

#ifndef FLX_CRC_SMALL
static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

/* Four bytes `word` that 12 - 4 * part more bytes of the sixteen follow. */
static uint32_t quarter(uint32_t word, unsigned part)
{
    const unsigned last = 12 - 4 * part;
    return k_table[last + 3][word & 255] ^ k_table[last + 2][word >> 8 & 255] ^
           k_table[last + 1][word >> 16 & 255] ^ k_table[last][word >> 24];
}
#endif

uint32_t flx_crc32c(uint32_t crc, const void *src, uint32_t len)
{
    const uint8_t *bytes = src;
    crc = ~crc;
#ifndef FLX_CRC_SMALL
    for (; len >= SLICE; len -= SLICE, bytes += SLICE) {
        crc = quarter(crc ^ le32(bytes), 0) ^ quarter(le32(bytes + 4), 1) ^
              quarter(le32(bytes + 8), 2) ^ quarter(le32(bytes + 12), 3);
    }
#endif
    for (; len > 0; len--, bytes++) {
        crc = crc >> 8 ^ k_table[0][(crc ^ *bytes) & 255];
    }
    return ~crc;
}
