/* sha256.h - SHA-256 [fips180-4 6.2]. */
#ifndef FLEXC_BASE_SHA256_H
#define FLEXC_BASE_SHA256_H

#include <stdbool.h>
#include <stdint.h>

enum { SHA256_BYTES = 32, SHA256_HEX_CAP = 65 };

struct sha256 {
    uint32_t state[8];
    uint64_t len; /* bytes so far */
    uint8_t block[64];
    /* Set by sha256_init where the processor has no instructions for it; the
     * digest is the same, at about 0.25 instead of 1.5 bytes per nanosecond. */
    bool is_plain;
};

void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *src, uint64_t len);
/* The digest of all that was added; s must be set up anew afterwards. */
void sha256_end(struct sha256 *s, uint8_t digest[SHA256_BYTES]);

/* init, add, end. */
void sha256_of(const void *src, uint64_t len, uint8_t digest[SHA256_BYTES]);

/* Lower-case hex and a NUL. */
void sha256_hex(const uint8_t digest[SHA256_BYTES], char dst[SHA256_HEX_CAP]);

#endif
