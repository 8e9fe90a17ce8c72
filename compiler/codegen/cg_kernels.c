#include "codegen/cg_kernels.h"

#include <stdio.h>
#include <string.h>

#include "base/diag.h"
#include "codegen/cg_runtime.h"
#include "codegen/cg_write.h"
#include "flexrt/kernel_fields.h"

/* ---- files of the runtime, embedded at build time ---- */

static const struct cg_runtime *find_file(const char *dir, struct span name)
{
    for (const struct cg_runtime *f = cg_runtime_files; f->name; f++) {
        const size_t n = strlen(dir);
        if (strncmp(f->name, dir, n) == 0 && span_eq_str(name, f->name + n)) {
            return f;
        }
    }
    return NULL;
}

/* The name in a line `#include "name"`; false for any other line. */
static bool quoted_include(struct span line, struct span *name)
{
    static const char key[] = "#include \"";
    const size_t n = sizeof key - 1;
    if (line.len <= n || memcmp(line.data, key, n) != 0) {
        return false;
    }
    const uint8_t *end = memchr(line.data + n, '"', line.len - n);
    if (!end) {
        return false;
    }
    *name = (struct span){line.data + n, (uint64_t)(end - line.data) - n};
    return true;
}

enum { MAX_DEPTH = 8 };

static bool put_file(const struct cg_runtime *f, uint32_t depth,
                     struct buf *out)
{
    if (!f || depth > MAX_DEPTH) {
        return false;
    }
    struct span rest = {f->text, f->len};
    struct span line;
    struct span name;
    while (span_line(&rest, &line)) {
        if (!quoted_include(line, &name)) {
            buf_span(out, line);
            buf_char(out, '\n');
            continue;
        }
        const struct cg_runtime *inner = find_file("", name);
        if (!put_file(inner ? inner : find_file("kernels/", name), depth + 1,
                      out)) {
            return false;
        }
    }
    return true;
}

bool cg_runtime_file(const char *name, struct buf *out)
{
    return put_file(find_file("", span_of_str(name)), 0, out) && buf_ok(out);
}

/* ---- bodies and instances ---- */

bool cg_kernel_bodies(const struct cg_model *g, bool self_contained,
                      struct buf *out)
{
    const char *seen[ARRAY_LEN(flx_kernel_infos)];
    uint32_t n_seen = 0;
    for (uint32_t i = 0; i < g->model.n_kernel; i++) {
        const char *header = flx_kernel_info_find(g->kernel[i].id)->header;
        uint32_t k = 0;
        while (k < n_seen && strcmp(seen[k], header) != 0) {
            k++;
        }
        if (k < n_seen) {
            continue;
        }
        seen[n_seen++] = header;
        if (!self_contained) {
            buf_printf(out, "#include \"kernels/%s\"\n", header);
            continue;
        }
        char path[64];
        (void)snprintf(path, sizeof path, "kernels/%s", header);
        if (!cg_runtime_file(path, out)) {
            return false;
        }
    }
    buf_char(out, '\n');
    return buf_ok(out);
}

static void put_value(struct buf *b, enum flx_field_kind kind, uint32_t word)
{
    switch (kind) {
    case FLX_FIELD_UINT:
        buf_printf(b, "%luu", (unsigned long)word);
        break;
    case FLX_FIELD_INT:
        if (word == 0x80000000u) {
            buf_str(b, "INT32_MIN");
        } else {
            buf_printf(b, "%ld", (long)(int32_t)word);
        }
        break;
    case FLX_FIELD_FLOAT:
        cg_float(b, word);
        break;
    }
}

/* Fields that are zero are left out; so is the zero tail of an array. */
static void put_field(struct buf *b, const struct flx_field *f,
                      const uint32_t *word)
{
    uint32_t n = f->n;
    while (n > 0 && word[n - 1] == 0) {
        n--;
    }
    if (n == 0) {
        return;
    }
    buf_printf(b, "    .%s = ", f->name);
    if (!f->is_array) {
        put_value(b, f->kind, word[0]);
    } else {
        buf_char(b, '{');
        for (uint32_t i = 0; i < n; i++) {
            buf_str(b, i ? ", " : "");
            put_value(b, f->kind, word[i]);
        }
        buf_char(b, '}');
    }
    buf_str(b, ",\n");
}

bool cg_kernel_instance(const struct cg_kernel *k, uint32_t ix, struct cx *cx,
                        struct buf *out)
{
    const struct flx_kernel_info *info = flx_kernel_info_find(k->id);
    if (!info || info->n_word != k->n_word) {
        return diag_error(cx->diag, E_INTERNAL, at_none(),
                          "kernel %u has %u argument words, its table %u",
                          k->id, k->n_word, info ? info->n_word : 0);
    }
    buf_printf(out, "static const %s arg_%u = {\n", info->arg_type, ix);
    const uint64_t before = out->len;
    for (uint32_t i = 0; i < info->n_field; i++) {
        put_field(out, &info->field[i], k->word + info->field[i].word);
    }
    if (out->len == before) { /* C11 has no empty initialiser */
        buf_str(out, "    0\n");
    }
    buf_printf(out,
               "};\nstatic void kernel_%u(const struct flx_call *call, "
               "const void *arg,\n    uint32_t part, uint32_t n_parts)\n{\n"
               "    (void)arg;\n    %s(call, &arg_%u, part, n_parts);\n}\n\n",
               ix, info->fn, ix);
    return buf_ok(out);
}
