#include "base/diag.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"

struct diag_row {
    const char *name;
    int exit_code;
};

static const struct diag_row k_rows[] = {
    [E_NONE] = {"none", 0},
#define DIAG(id, name, exit_code) [id] = {name, exit_code},
#include "base/diag_id.def"
#undef DIAG
};
_Static_assert(ARRAY_LEN(k_rows) == N_DIAG_IDS, "a row for each id");

/* A bounded text that ends in "..." when it had to be cut. */
struct line {
    char *dst;
    size_t cap;
    size_t len;
    bool is_cut;
};

static void line_char(struct line *l, char c)
{
    if (l->len + 1 < l->cap) {
        l->dst[l->len++] = c;
    } else {
        l->is_cut = true;
    }
}

static void line_raw(struct line *l, const char *text)
{
    while (*text) {
        line_char(l, *text++);
    }
}

/* Names come from files: nothing in them may act on a terminal. */
static void line_text(struct line *l, const char *text)
{
    static const char k_hex[] = "0123456789abcdef";
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f) {
            line_raw(l, "\\x");
            line_char(l, k_hex[c >> 4]);
            line_char(l, k_hex[c & 15]);
        } else {
            line_char(l, *text);
        }
    }
}

static void line_u64(struct line *l, uint64_t value)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    line_raw(l, text);
}

static void line_end(struct line *l)
{
    l->dst[l->len] = '\0';
    if (l->is_cut && l->len >= 3) {
        memcpy(l->dst + l->len - 3, "...", 3);
    }
}

static void copy(char *dst, size_t cap, const char *src)
{
    struct line l = {dst, cap, 0, false};
    line_raw(&l, src ? src : "");
    line_end(&l);
}

void diag_init(struct diag *d)
{
    memset(d, 0, sizeof *d);
}

void diag_set_input(struct diag *d, const char *path)
{
    d->input = path;
}

struct diag_at at_node(const char *name, const char *op_name)
{
    return (struct diag_at){DIAG_AT_NODE, name, op_name, 0};
}

struct diag_at at_tensor(const char *name)
{
    return (struct diag_at){DIAG_AT_TENSOR, name, "", 0};
}

struct diag_at at_file(const char *path)
{
    return (struct diag_at){DIAG_AT_FILE, path, "", 0};
}

struct diag_at at_byte(uint64_t offset)
{
    return (struct diag_at){DIAG_AT_BYTE, "", "", offset};
}

struct diag_at at_line(uint64_t line)
{
    return (struct diag_at){DIAG_AT_LINE, "", "", line};
}

struct diag_at at_option(const char *name)
{
    return (struct diag_at){DIAG_AT_OPTION, name, "", 0};
}

struct diag_at at_none(void)
{
    return (struct diag_at){DIAG_AT_NONE, "", "", 0};
}

/* The file that a place is in: its own, the current input, or none. */
static const char *file_of(const struct diag *d, struct diag_at at)
{
    if (at.where == DIAG_AT_FILE) {
        return at.name;
    }
    return at.where == DIAG_AT_OPTION ? NULL : d->input;
}

bool diag_verror(struct diag *d, enum diag_id id, struct diag_at at,
                 const char *fmt, va_list args)
{
    assert(id > E_NONE && id < N_DIAG_IDS);
    if (d->id != E_NONE) {
        return false;
    }
    d->id = id;
    d->where = at.where;
    d->offset = at.offset;
    copy(d->name, sizeof d->name, at.where == DIAG_AT_FILE ? "" : at.name);
    copy(d->op, sizeof d->op, at.op);
    copy(d->file, sizeof d->file, file_of(d, at));
    const int len = vsnprintf(d->text, sizeof d->text, fmt, args);
    if (len >= (int)sizeof d->text) {
        memcpy(d->text + sizeof d->text - 4, "...", 4);
    }
    return false;
}

bool diag_error(struct diag *d, enum diag_id id, struct diag_at at,
                const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    diag_verror(d, id, at, fmt, args);
    va_end(args);
    return false;
}

bool diag_error_budget(struct diag *d, struct diag_at at, uint64_t least_bytes,
                       const char *fmt, ...)
{
    if (d->id == E_NONE) {
        d->least_bytes = least_bytes;
    }
    va_list args;
    va_start(args, fmt);
    diag_verror(d, E_BUDGET, at, fmt, args);
    va_end(args);
    return false;
}

/* Prints "FILE: node 'x' (Conv): ", as far as the parts are known. */
static void line_place(struct line *l, const char *file, struct diag_at at)
{
    if (file && *file) {
        line_text(l, file);
        line_raw(l, ": ");
    }
    const char *kind = NULL;
    switch (at.where) {
    case DIAG_AT_NONE:
    case DIAG_AT_FILE:
        return;
    case DIAG_AT_BYTE:
    case DIAG_AT_LINE:
        line_raw(l, at.where == DIAG_AT_BYTE ? "byte " : "line ");
        line_u64(l, at.offset);
        line_raw(l, ": ");
        return;
    case DIAG_AT_NODE:
        kind = "node";
        break;
    case DIAG_AT_TENSOR:
        kind = "tensor";
        break;
    case DIAG_AT_OPTION:
        kind = "option";
        break;
    }
    line_raw(l, kind);
    line_raw(l, " '");
    line_text(l, at.name ? at.name : "");
    line_raw(l, "'");
    if (at.op && *at.op) {
        line_raw(l, " (");
        line_text(l, at.op);
        line_raw(l, ")");
    }
    line_raw(l, ": ");
}

void diag_forget(struct diag *d, char text[DIAG_TEXT_CAP])
{
    memcpy(text, d->text, DIAG_TEXT_CAP);
    d->id = E_NONE;
    d->where = DIAG_AT_NONE;
    d->text[0] = '\0';
}

void diag_warn(struct diag *d, struct diag_at at, const char *fmt, ...)
{
    char text[DIAG_TEXT_CAP];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    d->n_warnings++;

    char row[DIAG_TEXT_CAP];
    struct line l = {row, sizeof row, 0, false};
    line_place(&l, file_of(d, at), at);
    line_raw(&l, "warning: ");
    line_text(&l, text);
    line_end(&l);
    const size_t used = strlen(d->warnings);
    if (l.len + 1 < sizeof d->warnings - used) {
        memcpy(d->warnings + used, row, l.len);
        memcpy(d->warnings + used + l.len, "\n", 2);
    }
}

const char *diag_id_name(enum diag_id id)
{
    assert(id >= E_NONE && id < N_DIAG_IDS);
    return k_rows[id].name;
}

int diag_exit_code(const struct diag *d)
{
    return k_rows[d->id].exit_code;
}

size_t diag_format(const struct diag *d, char *dst, size_t cap_bytes)
{
    assert(cap_bytes > 0);
    struct line l = {dst, cap_bytes, 0, false};
    if (d->id != E_NONE) {
        const struct diag_at at = {d->where, d->name, d->op, d->offset};
        line_place(&l, d->file, at);
        line_raw(&l, "error ");
        line_raw(&l, diag_id_name(d->id));
        line_raw(&l, ": ");
        line_text(&l, d->text);
    }
    line_end(&l);
    return l.len;
}

void diag_print(const struct diag *d, struct buf *out)
{
    char text[DIAG_LINE_CAP];
    if (diag_format(d, text, sizeof text) > 0) {
        buf_str(out, text);
        buf_char(out, '\n');
    }
}
