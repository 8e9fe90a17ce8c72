#include "base/buf.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/le.h"
#include "base/size.h"

enum { BUF_MIN_BYTES = 256 };

void buf_init(struct buf *b, struct arena *arena)
{
    *b = (struct buf){.arena = arena};
}

void buf_free(struct buf *b)
{
    arena_heap_free(b->arena, b->data);
    buf_init(b, b->arena);
}

bool buf_ok(const struct buf *b)
{
    return !b->is_broken;
}

void buf_cut(struct buf *b, uint64_t len)
{
    if (b->is_broken) {
        return;
    }
    assert(len <= b->len);
    b->len = len;
    if (b->data) {
        b->data[len] = '\0';
    }
}

/* Room for len more bytes and the NUL that buf_text promises. */
static bool reserve(struct buf *b, uint64_t len)
{
    if (b->is_broken) {
        return false;
    }
    uint64_t need;
    if (!size_add(&need, b->len, len) || !size_add(&need, need, 1)) {
        b->is_broken = true;
        return diag_error(b->arena->diag, E_MEMORY, at_none(),
                          "an output exceeds the address space");
    }
    if (need <= b->cap) {
        return true;
    }
    uint64_t cap = size_max(b->cap, BUF_MIN_BYTES);
    while (cap < need && cap <= UINT64_MAX / 2) {
        cap *= 2;
    }
    cap = size_max(cap, need);
    uint8_t *data = arena_heap_resize(b->arena, b->data, cap);
    if (!data) {
        b->is_broken = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

uint8_t *buf_extend(struct buf *b, uint64_t len)
{
    if (!reserve(b, len)) {
        return NULL;
    }
    uint8_t *dst = b->data + b->len;
    b->len += len;
    b->data[b->len] = '\0';
    return dst;
}

void buf_put(struct buf *b, const void *src, uint64_t len)
{
    uint8_t *dst = buf_extend(b, len);
    if (dst && len > 0) {
        memcpy(dst, src, (size_t)len);
    }
}

void buf_span(struct buf *b, struct span s)
{
    buf_put(b, s.data, s.len);
}

void buf_zeros(struct buf *b, uint64_t len)
{
    uint8_t *dst = buf_extend(b, len);
    if (dst) {
        memset(dst, 0, (size_t)len);
    }
}

void buf_align(struct buf *b, uint64_t align_bytes)
{
    assert(align_bytes != 0 && (align_bytes & (align_bytes - 1)) == 0);
    buf_zeros(b, (0 - b->len) & (align_bytes - 1));
}

void buf_u8(struct buf *b, uint8_t value)
{
    buf_put(b, &value, 1);
}

void buf_le16(struct buf *b, uint16_t value)
{
    uint8_t bytes[2];
    le16_put(bytes, value);
    buf_put(b, bytes, sizeof bytes);
}

void buf_le32(struct buf *b, uint32_t value)
{
    uint8_t bytes[4];
    le32_put(bytes, value);
    buf_put(b, bytes, sizeof bytes);
}

void buf_le64(struct buf *b, uint64_t value)
{
    uint8_t bytes[8];
    le64_put(bytes, value);
    buf_put(b, bytes, sizeof bytes);
}

void buf_char(struct buf *b, char c)
{
    buf_put(b, &c, 1);
}

void buf_str(struct buf *b, const char *text)
{
    buf_put(b, text, strlen(text));
}

void buf_vprintf(struct buf *b, const char *fmt, va_list args)
{
    va_list again;
    va_copy(again, args);
    const int len = vsnprintf(NULL, 0, fmt, args);
    assert(len >= 0);
    uint8_t *dst = buf_extend(b, (uint64_t)len);
    if (dst) {
        (void)vsnprintf((char *)dst, (size_t)len + 1, fmt, again);
    }
    va_end(again);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    buf_vprintf(b, fmt, args);
    va_end(args);
}

void buf_visible(struct buf *b, const char *text)
{
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f) {
            buf_str(b, "\\x");
            buf_hex(b, &c, 1);
        } else {
            buf_char(b, *text);
        }
    }
}

void buf_hex(struct buf *b, const void *src, uint64_t len)
{
    static const char k_hex[] = "0123456789abcdef";
    const uint8_t *bytes = src;
    for (uint64_t i = 0; i < len; i++) {
        buf_char(b, k_hex[bytes[i] >> 4]);
        buf_char(b, k_hex[bytes[i] & 15]);
    }
}

struct span buf_bytes(const struct buf *b)
{
    return (struct span){b->data, b->len};
}

const char *buf_text(const struct buf *b)
{
    return b->data ? (const char *)b->data : "";
}
