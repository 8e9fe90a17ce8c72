/* run_npy.c - NumPy's .npy files, format 1.0 to 3.0: magic, version, length of
 * the header, a header that is a Python dictionary, the data. [npy] */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/fileio.h"
#include "run/run_tensor.h"

enum { HEAD_ALIGN = 64, MAGIC_BYTES = 6 };

static bool refuse(struct cx *cx, const char *path, const char *why)
{
    return diag_error(cx->diag, E_INPUT, at_file(path),
                      "%s; write it with numpy.save of a C-order "
                      "little-endian array",
                      why);
}

/* What follows `'key':` and spaces in the dictionary; empty when absent. */
static struct span value_of(struct span head, const char *key)
{
    const uint64_t len = strlen(key);
    for (uint64_t i = 0; i + len + 3 <= head.len; i++) {
        const uint8_t *p = head.data + i;
        const bool is_key = (p[0] == '\'' || p[0] == '"') &&
                            memcmp(p + 1, key, len) == 0 &&
                            p[len + 1] == p[0] && p[len + 2] == ':';
        if (is_key) {
            uint64_t at = i + len + 3;
            while (at < head.len && head.data[at] == ' ') {
                at++;
            }
            return (struct span){head.data + at, head.len - at};
        }
    }
    return (struct span){NULL, 0};
}

/* "(2, 3,)" */
static bool parse_shape(struct span text, struct run_tensor *t)
{
    uint64_t i = 1;
    if (text.len == 0 || text.data[0] != '(') {
        return false;
    }
    for (;;) {
        while (i < text.len && (text.data[i] == ' ' || text.data[i] == ',')) {
            i++;
        }
        if (i >= text.len) {
            return false;
        }
        if (text.data[i] == ')') {
            return true;
        }
        uint64_t dim = 0;
        const uint64_t start = i;
        for (; i < text.len && isdigit(text.data[i]); i++) {
            dim = dim * 10 + (uint64_t)(text.data[i] - '0');
            if (dim > UINT32_MAX) {
                return false;
            }
        }
        if (i == start || t->rank == RUN_MAX_RANK) {
            return false;
        }
        t->dim[t->rank++] = dim;
    }
}

bool run_npy_parse(struct span file, const char *path, struct cx *cx,
                   struct run_tensor *out)
{
    struct run_tensor t = {.name = ""};
    struct reader r = reader_of(file);
    struct span head;
    struct span data;
    uint8_t major = 0;
    uint8_t minor = 0;
    uint16_t short_len = 0;
    uint32_t head_len = 0;
    bool ok = reader_skip(&r, MAGIC_BYTES) && reader_u8(&r, &major) &&
              reader_u8(&r, &minor);
    if (ok && major == 1) {
        ok = reader_le16(&r, &short_len);
        head_len = short_len;
    } else if (ok) {
        ok = reader_le32(&r, &head_len);
    }
    if (!ok || major < 1 || major > 3 || !reader_take(&r, head_len, &head)) {
        return refuse(cx, path, "is cut off in the header of a .npy file");
    }
    const struct span order = value_of(head, "fortran_order");
    if (order.len < 5 || memcmp(order.data, "False", 5) != 0) {
        return refuse(cx, path, "is not in C order");
    }
    if (!parse_shape(value_of(head, "shape"), &t)) {
        return refuse(cx, path, "has no shape of at most 8 dimensions");
    }
    const struct span descr = value_of(head, "descr");
    t.dtype = descr.len >= 5 && descr.data[4] == descr.data[0]
                  ? run_type_of_npy((const char *)descr.data + 1, 3)
                  : 0;
    if (t.dtype == 0) {
        return refuse(cx, path, "has an element type that is not supported");
    }
    if (!run_tensor_count(&t) ||
        !reader_take(&r, run_tensor_bytes(&t), &data)) {
        return refuse(cx, path, "is shorter than its shape says");
    }
    uint8_t *copy = arena_alloc(cx->keep, data.len, 64);
    if (!copy) {
        return false;
    }
    if (data.len > 0) {
        memcpy(copy, data.data, data.len);
    }
    t.data = copy;
    *out = t;
    return true;
}

void run_npy_print(struct buf *b, const struct run_tensor *t)
{
    const struct run_type *type = run_type_of(t->dtype);
    const char *descr = type->npy;
    const uint64_t start = b->len;
    if (!descr) {
        descr = type->bytes == 1 ? "|u1" : "<u2";
    }
    buf_put(b, "\x93NUMPY\x01\0", 8);
    buf_le16(b, 0); /* length, below */
    buf_printf(b, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (uint32_t i = 0; i < t->rank; i++) {
        buf_printf(b, "%s%" PRIu64, i ? ", " : "", t->dim[i]);
    }
    buf_str(b, t->rank == 1 ? ",), }" : "), }");
    while ((b->len - start + 1) % HEAD_ALIGN != 0 && buf_ok(b)) {
        buf_char(b, ' ');
    }
    buf_char(b, '\n');
    if (buf_ok(b)) {
        const uint64_t len = b->len - start - 10;
        b->data[start + 8] = (uint8_t)len;
        b->data[start + 9] = (uint8_t)(len >> 8);
    }
    buf_put(b, t->data, run_tensor_bytes(t));
}

bool run_npy_write(const char *path, const struct run_tensor *t, struct cx *cx)
{
    struct buf b;
    buf_init(&b, cx->scratch);
    run_npy_print(&b, t);
    const bool ok =
        buf_ok(&b) && file_write(path, buf_bytes(&b), cx->scratch, cx->diag);
    buf_free(&b);
    return ok;
}
