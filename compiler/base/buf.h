/* buf.h - a growing sink for bytes and text. Lack of memory is sticky: later
 * appends do nothing, and buf_ok tells, so that writers need one check at their
 * end. */
#ifndef FLEXC_BASE_BUF_H
#define FLEXC_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/span.h"

struct arena;

/* Read-only outside buf.c. */
struct buf {
    struct arena *arena;
    uint8_t *data; /* a resizable block of the arena; NULL while empty */
    uint64_t len;  /* bytes */
    uint64_t cap;
    bool is_broken;
};

/* An empty sink; takes no memory yet. Its block counts against arena and lives
 * until buf_free or arena_free. */
void buf_init(struct buf *b, struct arena *arena);

/* Releases the block; the sink is empty again and usable. */
void buf_free(struct buf *b);

/* True when every append so far was kept. False: E_MEMORY is in the arena's
 * diag, and the content must not be used. */
NODISCARD bool buf_ok(const struct buf *b);

/* Drops the bytes beyond len <= b->len; the block stays. */
void buf_cut(struct buf *b, uint64_t len);

/* Adds len bytes for the caller to fill, valid until the next append; NULL when
 * broken. Not zeroed. */
NODISCARD uint8_t *buf_extend(struct buf *b, uint64_t len);

void buf_put(struct buf *b, const void *src, uint64_t len);
void buf_span(struct buf *b, struct span s);
void buf_zeros(struct buf *b, uint64_t len);
/* Zeros up to the next multiple of align_bytes, a power of two. */
void buf_align(struct buf *b, uint64_t align_bytes);
void buf_u8(struct buf *b, uint8_t value);
void buf_le16(struct buf *b, uint16_t value);
void buf_le32(struct buf *b, uint32_t value);
void buf_le64(struct buf *b, uint64_t value);

void buf_char(struct buf *b, char c);
void buf_str(struct buf *b, const char *text);
/* Text for a terminal: control characters as \xNN. Bytes above 127 stay. */
void buf_visible(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_vprintf(struct buf *b, const char *fmt, va_list args) PRINTF(2, 0);
/* Two lower-case hex digits a byte. */
void buf_hex(struct buf *b, const void *src, uint64_t len);

/* The content; valid until the next append. */
struct span buf_bytes(const struct buf *b);
/* The content as a C string (bytes after a NUL in it are not seen); valid until
 * the next append. */
const char *buf_text(const struct buf *b);

#endif
