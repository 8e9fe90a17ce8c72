#include "base/span.h"

#include <string.h>

#include "base/le.h"

struct span span_of_str(const char *text)
{
    return (struct span){(const uint8_t *)text, strlen(text)};
}

bool span_eq(struct span a, struct span b)
{
    return a.len == b.len &&
           (a.len == 0 || memcmp(a.data, b.data, (size_t)a.len) == 0);
}

bool span_eq_str(struct span a, const char *text)
{
    return span_eq(a, span_of_str(text));
}

bool span_sub(struct span s, uint64_t off, uint64_t len, struct span *out)
{
    if (off > s.len || len > s.len - off) {
        return false;
    }
    /* NULL + 0 is not defined. */
    *out = (struct span){off > 0 ? s.data + off : s.data, len};
    return true;
}

/* Takes n bytes off the front; n <= len. */
static void drop(struct span *s, uint64_t n)
{
    if (n > 0) {
        s->data += n;
        s->len -= n;
    }
}

bool span_line(struct span *rest, struct span *line)
{
    if (rest->len == 0) {
        return false;
    }
    const uint8_t *end = memchr(rest->data, '\n', (size_t)rest->len);
    const uint64_t len = end ? (uint64_t)(end - rest->data) : rest->len;
    *line = (struct span){rest->data, len};
    drop(rest, end ? len + 1 : len);
    if (end && line->len > 0 && line->data[line->len - 1] == '\r') {
        line->len--;
    }
    return true;
}

static bool is_space(uint8_t c)
{
    return c == ' ' || c == '\t';
}

bool span_word(struct span *rest, struct span *word)
{
    uint64_t start = 0;
    while (start < rest->len && is_space(rest->data[start])) {
        start++;
    }
    uint64_t end = start;
    while (end < rest->len && !is_space(rest->data[end])) {
        end++;
    }
    if (start == end) {
        return false;
    }
    *word = (struct span){rest->data + start, end - start};
    drop(rest, end);
    return true;
}

struct reader reader_of(struct span in)
{
    return (struct reader){in, 0};
}

uint64_t reader_left(const struct reader *r)
{
    return r->in.len - r->at;
}

bool reader_take(struct reader *r, uint64_t len, struct span *out)
{
    if (!span_sub(r->in, r->at, len, out)) {
        return false;
    }
    r->at += len;
    return true;
}

bool reader_skip(struct reader *r, uint64_t len)
{
    struct span skipped;
    return reader_take(r, len, &skipped);
}

bool reader_u8(struct reader *r, uint8_t *out)
{
    struct span bytes;
    if (!reader_take(r, 1, &bytes)) {
        return false;
    }
    *out = bytes.data[0];
    return true;
}

bool reader_le16(struct reader *r, uint16_t *out)
{
    struct span bytes;
    if (!reader_take(r, 2, &bytes)) {
        return false;
    }
    *out = le16_get(bytes.data);
    return true;
}

bool reader_le32(struct reader *r, uint32_t *out)
{
    struct span bytes;
    if (!reader_take(r, 4, &bytes)) {
        return false;
    }
    *out = le32_get(bytes.data);
    return true;
}

bool reader_le64(struct reader *r, uint64_t *out)
{
    struct span bytes;
    if (!reader_take(r, 8, &bytes)) {
        return false;
    }
    *out = le64_get(bytes.data);
    return true;
}
