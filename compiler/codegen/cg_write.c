#include "codegen/cg_write.h"

#include <stdbool.h>
#include <string.h>

enum { LINE_COLUMNS = 80, INDENT = 4 };

/* isalnum and friends depend on the locale; these do not. */
static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_runtimes(const char *name)
{
    return (name[0] | 32) == 'f' && (name[1] | 32) == 'l' &&
           (name[2] | 32) == 'x';
}

const char *cg_ident(struct arena *a, const char *name)
{
    const bool prefix =
        name[0] == '\0' || is_digit(name[0]) || is_runtimes(name);
    char *out = arena_printf(a, "%s%s", prefix ? "m_" : "", name);
    for (char *p = out; p && *p; p++) {
        if (!is_alpha(*p) && !is_digit(*p)) {
            *p = '_';
        }
    }
    return out;
}

const char *cg_ident_upper(struct arena *a, const char *name)
{
    const char *ident = cg_ident(a, name);
    char *out = ident ? arena_strdup(a, ident) : NULL;
    for (char *p = out; p && *p; p++) {
        if (*p >= 'a' && *p <= 'z') {
            *p = (char)(*p - 'a' + 'A');
        }
    }
    return out;
}

void cg_comment_text(struct buf *b, const char *text)
{
    for (const char *p = text; *p; p++) {
        const unsigned char c = (unsigned char)*p;
        if (c < 0x20 || c >= 0x7f || c == '\\') {
            buf_printf(b, "<%02x>", c);
        } else if ((c == '*' && p[1] == '/') || (c == '/' && p[1] == '*')) {
            buf_printf(b, "%c ", c);
        } else {
            buf_char(b, *p);
        }
    }
}

void cg_string(struct buf *b, const char *text)
{
    buf_char(b, '"');
    for (const char *p = text; *p; p++) {
        const unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\' || c == '?') {
            buf_printf(b, "\\%c", c);
        } else if (c < 0x20 || c >= 0x7f) {
            buf_printf(b, "\\%03o", c);
        } else {
            buf_char(b, *p);
        }
    }
    buf_char(b, '"');
}

void cg_float(struct buf *b, uint32_t bits)
{
    float f = 0;
    memcpy(&f, &bits, sizeof f);
    if (f != f) {
        buf_str(b, "FLX_NAN");
    } else if (f - f != 0) {
        buf_str(b, f < 0 ? "-FLX_INF" : "FLX_INF");
    } else {
        buf_printf(b, "%af", (double)f);
    }
}

/* Ends the line when `len` more columns and a comma do not fit. */
static void wrap(struct buf *b, uint32_t *column, uint32_t len)
{
    if (*column == 0 || *column + 1 + len + 1 > LINE_COLUMNS) {
        buf_printf(b, "%s%*s", *column == 0 ? "" : "\n", INDENT, "");
        *column = INDENT;
    } else {
        buf_char(b, ' ');
        *column += 1;
    }
    *column += len + 1;
}

void cg_words(struct buf *b, const uint32_t *w, uint64_t n)
{
    uint32_t column = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t len = 2; /* digits and the suffix */
        for (uint32_t v = w[i]; v >= 10; v /= 10) {
            len++;
        }
        wrap(b, &column, len);
        buf_printf(b, "%luu,", (unsigned long)w[i]);
    }
    buf_char(b, '\n');
}

void cg_bytes(struct buf *b, const uint8_t *p, uint64_t n)
{
    uint32_t column = 0;
    for (uint64_t i = 0; i < n; i++) {
        wrap(b, &column, p[i] >= 100 ? 3 : p[i] >= 10 ? 2 : 1);
        buf_printf(b, "%u,", p[i]);
    }
    buf_char(b, '\n');
}
