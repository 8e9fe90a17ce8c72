/* span.h - bytes that belong to somebody else, and a reader that cannot leave
 * them. */
#ifndef FLEXC_BASE_SPAN_H
#define FLEXC_BASE_SPAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

/* data may be NULL when len is 0. */
struct span {
    const uint8_t *data;
    uint64_t len; /* bytes */
};

/* The bytes of a C string without its NUL. */
struct span span_of_str(const char *text);

bool span_eq(struct span a, struct span b);
bool span_eq_str(struct span a, const char *text);

/* *out = len bytes of s from off; false, with *out unchanged, when they are not
 * all inside s. */
NODISCARD bool span_sub(struct span s, uint64_t off, uint64_t len,
                        struct span *out);

/* Takes the next line off *rest, without its "\n" or "\r\n"; a last line needs
 * none. false at the end. */
NODISCARD bool span_line(struct span *rest, struct span *line);

/* Takes the next word (bytes other than space and tab) off *rest; false when
 * only spaces are left. */
NODISCARD bool span_word(struct span *rest, struct span *word);

/* Reads forward; `at` is the offset of the next byte. Every read returns false
 * and consumes nothing when it would pass the end. */
struct reader {
    struct span in;
    uint64_t at; /* <= in.len */
};

struct reader reader_of(struct span in);
uint64_t reader_left(const struct reader *r);
NODISCARD bool reader_u8(struct reader *r, uint8_t *out);
NODISCARD bool reader_le16(struct reader *r, uint16_t *out);
NODISCARD bool reader_le32(struct reader *r, uint32_t *out);
NODISCARD bool reader_le64(struct reader *r, uint64_t *out);
/* The next len bytes, in place. */
NODISCARD bool reader_take(struct reader *r, uint64_t len, struct span *out);
NODISCARD bool reader_skip(struct reader *r, uint64_t len);

#endif
