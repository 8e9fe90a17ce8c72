#include "cli/cmd_inspect.h"

#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/crc32c.h"
#include "base/diag.h"
#include "base/fileio.h"
#include "base/le.h"
#include "base/numtext.h"
#include "flexrt/flx_format.h"
#include "flexrt/kernel_fields.h"
#include "frontend/onnx/onnx_import.h"
#include "ir/graph.h"
#include "ir/plan.h"
#include "run/run_table.h"
#include "run/run_tensor.h"

static bool inspect_onnx(const char *path, struct cx *cx, struct buf *text)
{
    struct graph g = {0};
    return onnx_import(path, cx, &g) && graph_print(&g, text);
}

/* ---- blob ---------------------------------------------------------------- */

static void print_id(struct buf *text, const uint8_t id[FLX_ID_BYTES])
{
    buf_str(text, "model id         ");
    buf_hex(text, id, FLX_ID_BYTES);
    buf_char(text, '\n');
}

static void print_tables(struct buf *text, const uint32_t tables[2])
{
    buf_printf(text, "tables           %08" PRIx32 " %08" PRIx32 "\n",
               tables[0], tables[1]);
}

static bool inspect_blob(struct span file, const char *path, struct cx *cx,
                         struct buf *text)
{
    const uint8_t *const p = file.data;
    const char *why = NULL;
    if (file.len < FLX_BLOB_HEAD_BYTES) {
        why = "is cut off inside its header";
    } else if (le32_get(p + FLX_BLOB_AT_CRC) != crc32c(0, p, FLX_BLOB_AT_CRC)) {
        why = "does not match its header's checksum";
    } else if (le32_get(p + FLX_BLOB_AT_VERSION) != FLX_FORMAT_VERSION) {
        why = "is of another format version";
    } else if (le64_get(p + FLX_BLOB_AT_BYTES) != file.len) {
        why = "has another length than its header says";
    }
    if (why) {
        return diag_error(cx->diag, E_BLOB, at_file(path), "%s", why);
    }
    buf_printf(text, "weight blob, format %" PRIu32 "\n",
               le32_get(p + FLX_BLOB_AT_VERSION));
    print_id(text, p + FLX_BLOB_AT_ID);
    buf_printf(text,
               "bytes            %" PRIu64 "\n"
               "chunks           %" PRIu32 "\n"
               "read alignment   %" PRIu32 "\n",
               file.len, le32_get(p + FLX_BLOB_AT_N_CHUNK),
               le32_get(p + FLX_BLOB_AT_ALIGN));
    return buf_ok(text);
}

/* ---- plans --------------------------------------------------------------- */

static void print_plan(struct buf *text, const struct flx_plan_head *h)
{
    const uint64_t budget = (uint64_t)h->budget_hi << 32 | h->budget_lo;
    char asked[SIZE_TEXT_CAP] = "max";
    if (budget != UINT64_MAX) {
        size_text(asked, budget);
    }
    buf_printf(
        text,
        "budget %s: arena %" PRIu32 ", resident %" PRIu32 ", latency %" PRIu32
        " us, bound %" PRIu32 " us, longest step %" PRIu32 " us, %" PRIu32
        " boxes, %" PRIu32 " loads, %" PRIu32 " in flight, %" PRIu32
        " boundaries, 1..%" PRIu32 " threads, %" PRIu64 " bytes\n",
        asked, h->arena_bytes, h->resident_bytes, h->latency_us, h->bound_us,
        h->longest_step_us, h->n_step, h->n_load, h->in_flight, h->n_boundary,
        h->n_thread, (uint64_t)h->n_words * 4);
}

/* A plan by itself: its head's words are those of the file. */
static bool inspect_flxp(struct span file, const char *path, struct cx *cx,
                         struct buf *text)
{
    enum { HEAD_WORDS = sizeof(struct flx_plan_head) / 4, AT_CRC_END = 16 };
    uint32_t word[HEAD_WORDS];
    struct flx_plan_head h;
    struct reader r = reader_of(file);
    for (uint32_t i = 0; i < HEAD_WORDS; i++) {
        if (!reader_le32(&r, &word[i])) {
            return diag_error(cx->diag, E_PLAN, at_file(path),
                              "is cut off inside its header");
        }
    }
    memcpy(&h, word, sizeof h);
    const char *const why =
        (h.version & 0xffff) != FLX_FORMAT_VERSION
            ? "is of another format version"
        : (uint64_t)h.n_words * 4 != file.len
            ? "has another length than its header says"
        : h.crc != crc32c(0, file.data + AT_CRC_END, file.len - AT_CRC_END)
            ? "does not match its checksum"
            : NULL;
    if (why) {
        return diag_error(cx->diag, E_PLAN, at_file(path), "%s", why);
    }
    buf_printf(text, "plan, format %" PRIu32, h.version & 0xffff);
    if (h.version >> 16 != 0) {
        buf_printf(text, ", for entry %" PRIu32, h.version >> 16);
    }
    buf_char(text, '\n');
    print_id(text, file.data + offsetof(struct flx_plan_head, id));
    print_tables(text, h.tables);
    print_plan(text, &h);
    return buf_ok(text);
}

static bool inspect_plan_text(struct span file, struct cx *cx, struct buf *text)
{
    struct plan p;
    return plan_parse(file, cx, &p) && plan_print(&p, text);
}

/* ---- tables -------------------------------------------------------------- */

/* Stands for every kernel: none is called here. */
static void no_kernel(const struct flx_call *call, const void *arg,
                      uint32_t part, uint32_t n_parts)
{
    (void)call;
    (void)arg;
    (void)part;
    (void)n_parts;
}

static struct run_kernel any_kernel(const char *isa, uint32_t id)
{
    const struct flx_kernel_info *const info = flx_kernel_info_find(id);
    (void)isa;
    return (struct run_kernel){info ? no_kernel : NULL,
                               info ? info->n_word : 0};
}

static void print_io(struct buf *text, const char *what,
                     const struct flx_io *io, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct run_type *const type = run_type_of(io[i].dtype);
        buf_printf(text, "%s '%s' %s", what, io[i].name,
                   type ? type->name : "of an unknown type");
        for (uint32_t d = 0; d < io[i].rank; d++) {
            buf_printf(text, "%c%" PRIu32, d == 0 ? ' ' : 'x', io[i].dim[d]);
        }
        buf_printf(text, ", %" PRIu32 " bytes\n", io[i].bytes);
    }
}

static void print_layers(struct buf *text, const struct run_model *r)
{
    const struct flx_model *const m = r->tables;
    for (uint32_t i = 0; i < m->n_layer; i++) {
        const struct flx_layer *const l = &m->layer[i];
        uint64_t bytes = 0;
        for (uint32_t k = l->chunk0; k < l->chunk0 + l->n_chunk; k++) {
            bytes += m->chunk[k].raw_bytes;
        }
        buf_printf(text,
                   "layer %" PRIu32 " '%s' %s: %" PRIu32 " rows, %u panels, %u "
                   "K blocks, %" PRIu64 " weight bytes, %" PRIu64
                   " multiply-adds\n",
                   i, r->layer[i].name, r->layer[i].algorithm, l->rows,
                   l->n_panel, l->n_kblock, bytes, r->layer[i].macs);
    }
}

static void print_entry(struct buf *text, const struct run_model *r)
{
    const struct flx_model *const m = r->tables;
    buf_printf(text, "tables of model '%s', format %" PRIu32, m->name,
               m->version);
    if (m->entry) {
        buf_printf(text, ", entry %" PRIu32 " '%s'", m->entry_ix, m->entry);
    }
    buf_char(text, '\n');
    print_id(text, m->id);
    print_tables(text, m->tables);
    buf_printf(text,
               "blob bytes       %" PRIu32 "\n"
               "read alignment   %" PRIu32 "\n"
               "decode workspace %" PRIu32 "\n"
               "counts           %u layers, %u buffers, %u kernels, %" PRIu32
               " chunks, %u plans\n",
               m->blob_bytes, m->align, m->decode_bytes, m->n_layer, m->n_buf,
               m->n_kernel, m->n_chunk, m->n_plan);
    print_io(text, "input", m->input, m->n_input);
    print_io(text, "output", m->output, m->n_output);
    for (uint32_t i = 0; i < m->n_plan; i++) {
        const struct flx_plan_head h = run_plan_head(m, i);
        buf_printf(text, "plan %" PRIu32 ", ", i);
        print_plan(text, &h);
    }
    print_layers(text, r);
}

static bool inspect_table(struct span file, const char *path, struct cx *cx,
                          struct buf *text)
{
    const struct run_kernels kernels = {any_kernel, NULL};
    struct run_model r = {0};
    if (!run_table_parse(file, path, &kernels, cx, &r)) {
        return false;
    }
    for (uint32_t i = 0; i < r.n_entry; i++) {
        run_model_choose(&r, i);
        print_entry(text, &r);
    }
    return buf_ok(text);
}

/* ---- which --------------------------------------------------------------- */

static bool ends_with(const char *s, const char *tail)
{
    const size_t n = strlen(s);
    const size_t t = strlen(tail);
    return n >= t && strcmp(s + n - t, tail) == 0;
}

static bool inspect_bytes(struct span file, const char *path, struct cx *cx,
                          struct buf *text)
{
    static const char plan_text[] = "plan ";
    const size_t n = sizeof plan_text - 1;
    const uint32_t magic = file.len >= 4 ? le32_get(file.data) : 0;
    if (magic == FLX_BLOB_MAGIC) {
        return inspect_blob(file, path, cx, text);
    }
    if (magic == FLX_PLAN_MAGIC) {
        return inspect_flxp(file, path, cx, text);
    }
    if (file.len >= 4 && (memcmp(file.data, "FLXT", 4) == 0 ||
                          memcmp(file.data, "FLXE", 4) == 0)) {
        return inspect_table(file, path, cx, text);
    }
    if (file.len >= n && memcmp(file.data, plan_text, n) == 0) {
        return inspect_plan_text(file, cx, text);
    }
    return diag_error(cx->diag, E_INPUT, at_file(path),
                      "is neither a model (NAME.onnx) nor one of flexc's files "
                      "(.flxw, .flxt, .flxp, .plan)");
}

bool cmd_inspect(const char *path, struct cx *cx, struct buf *text)
{
    diag_set_input(cx->diag, path);
    if (ends_with(path, ".onnx")) {
        return inspect_onnx(path, cx, text);
    }
    struct file_map map;
    if (!file_map(path, cx->diag, &map)) {
        return false;
    }
    const bool ok = inspect_bytes(map.bytes, path, cx, text);
    file_unmap(&map);
    return ok;
}
