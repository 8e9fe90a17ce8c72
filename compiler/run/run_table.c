#include "run/run_table.h"

#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/crc32c.h"
#include "base/diag.h"
#include "base/le.h"

/* "FLXT"; "FLXE" before those of several entries */
#define TABLE_MAGIC 0x54584c46u
#define ENTRIES_MAGIC 0x45584c46u
enum {
    AT_VERSION = 4,
    AT_WORDS = 8,
    AT_CRC = 12,
    HEAD_BYTES = 16,
    ID_WORDS = FLX_ID_BYTES / 4,
    PLAN_WORDS = sizeof(struct flx_plan_head) / 4,
    PLAN_AT_WORDS = 2
};

/* A reader of words with a sticky end: what is read past it is 0, and `why`
 * tells the first thing that was wrong. */
struct words {
    struct reader r;
    const char *why;
};

static void fail(struct words *w, const char *why)
{
    if (!w->why) {
        w->why = why;
    }
}

static uint32_t word(struct words *w)
{
    uint32_t v = 0;
    if (!w->why && !reader_le32(&w->r, &v)) {
        fail(w, "the file ends too early");
    }
    return w->why ? 0 : v;
}

/* A value that the runtime holds in 16 bits. */
static uint16_t half(struct words *w)
{
    const uint32_t v = word(w);
    if (v > UINT16_MAX) {
        fail(w, "a number does not fit 16 bits");
        return 0;
    }
    return (uint16_t)v;
}

/* A number of records of at least n_word words each, all still to be read. */
static uint32_t count(struct words *w, uint32_t n_word)
{
    const uint32_t n = word(w);
    if (n > reader_left(&w->r) / 4 / n_word) {
        fail(w, "a count is larger than the file");
        return 0;
    }
    return n;
}

static uint16_t half_count(struct words *w, uint32_t n_word)
{
    const uint32_t n = count(w, n_word);
    if (n > UINT16_MAX) {
        fail(w, "a count does not fit 16 bits");
        return 0;
    }
    return (uint16_t)n;
}

/* An index into n entries. */
static uint32_t below(struct words *w, uint32_t n)
{
    const uint32_t v = word(w);
    if (v >= n) {
        fail(w, "an index is out of range");
        return 0;
    }
    return v;
}

static const char *string(struct words *w, struct arena *a)
{
    const uint32_t len = word(w);
    struct span text = span_of_str("");
    const uint64_t padded = ((uint64_t)len + 3) / 4 * 4;
    if (!w->why && (!reader_take(&w->r, len, &text) ||
                    !reader_skip(&w->r, padded - len))) {
        fail(w, "a string is longer than the file");
    }
    if (!w->why && len > 0 && memchr(text.data, 0, len)) {
        fail(w, "a string holds a zero byte");
    }
    if (w->why) {
        return "";
    }
    const char *copy = arena_strndup(a, (const char *)text.data, text.len);
    if (!copy) {
        fail(w, "out of memory");
    }
    return copy ? copy : "";
}

/* n zeroed T, or NULL with w failed (memory is in the diag already). */
#define NEW(W, A, T, N) ((T *)check((W), arena_new((A), T, (N))))
static void *check(struct words *w, void *ptr)
{
    if (!ptr) {
        fail(w, "out of memory");
    }
    return ptr;
}

/* ---- the sections, in the order of the file ------------------------------ */

static void read_bufs(struct words *w, struct arena *a, struct flx_model *m)
{
    struct flx_buf *buf = NEW(w, a, struct flx_buf, m->n_buf);
    for (uint32_t i = 0; i < m->n_buf && !w->why; i++) {
        buf[i].rows = word(w);
        buf[i].row_bytes = word(w);
        buf[i].first = half(w);
        buf[i].last = half(w);
        buf[i].whole = word(w);
    }
    m->buf = buf;
}

static void read_kernels(struct words *w, struct arena *a,
                         const struct run_kernels *kernels, struct flx_model *m)
{
    struct flx_kernel *kernel = NEW(w, a, struct flx_kernel, m->n_kernel);
    for (uint32_t i = 0; i < m->n_kernel && !w->why; i++) {
        const struct run_kernel k = kernels->find(kernels->isa, word(w));
        const uint32_t n_word = word(w);
        if (!w->why && !k.fn) {
            fail(w, "a kernel is not one of this flexrun's, or needs "
                    "instructions that this processor lacks; build flexrun and "
                    "flexc from the same sources");
        } else if (!w->why && n_word != k.n_word) {
            fail(w, "a kernel's argument block has another size than this "
                    "flexrun's; build both from the same sources");
        }
        uint32_t *arg = w->why ? NULL : NEW(w, a, uint32_t, n_word);
        for (uint32_t j = 0; j < n_word && !w->why; j++) {
            arg[j] = word(w);
        }
        if (!w->why) {
            kernel[i] = (struct flx_kernel){k.fn, arg};
        }
    }
    m->kernel = kernel;
}

static void read_layers(struct words *w, struct arena *a, struct flx_model *m,
                        const struct flx_name **names)
{
    struct flx_layer *layer = NEW(w, a, struct flx_layer, m->n_layer);
    struct flx_name *name = NEW(w, a, struct flx_name, m->n_layer);
    for (uint32_t i = 0; i < m->n_layer && !w->why; i++) {
        struct flx_layer *l = &layer[i];
        l->kernel = (uint16_t)below(w, m->n_kernel);
        l->n_arg = half(w);
        l->arg0 = word(w);
        l->rows = word(w);
        l->n_panel = half(w);
        l->n_kblock = half(w);
        l->chunk0 = word(w);
        l->n_chunk = half(w);
        l->index_bytes = (uint8_t)below(w, 256);
        l->guard = (uint8_t)below(w, 256);
        l->entries = word(w);
        l->panel_entries = word(w);
        l->scratch_bytes = word(w);
        if (l->arg0 > m->n_arg || l->n_arg > m->n_arg - l->arg0 ||
            l->n_arg > FLX_MAX_ARG) {
            fail(w, "a layer's operands are out of range");
        }
        if (l->chunk0 > m->n_chunk || l->n_chunk > m->n_chunk - l->chunk0) {
            fail(w, "a layer's chunks are out of range");
        }
        const uint64_t low = word(w);
        name[i].macs = low | (uint64_t)word(w) << 32;
        name[i].name = string(w, a);
        name[i].algorithm = string(w, a);
    }
    m->layer = layer;
    *names = name;
}

static void read_args(struct words *w, struct arena *a, struct flx_model *m)
{
    uint16_t *arg = NEW(w, a, uint16_t, m->n_arg);
    for (uint32_t i = 0; i < m->n_arg && !w->why; i++) {
        arg[i] = half(w);
        if (arg[i] != FLX_BUF_NONE && arg[i] >= m->n_buf) {
            fail(w, "an operand is out of range");
        }
    }
    m->arg = arg;
}

static void read_chunks(struct words *w, struct arena *a, struct flx_model *m)
{
    struct flx_chunk *chunk = NEW(w, a, struct flx_chunk, m->n_chunk);
    for (uint32_t i = 0; i < m->n_chunk && !w->why; i++) {
        struct flx_chunk *c = &chunk[i];
        c->blob_off = word(w);
        c->stored_bytes = word(w);
        c->raw_bytes = word(w);
        c->crc = word(w);
        c->res_off = word(w);
        c->layer = (uint16_t)below(w, m->n_layer);
        c->kblock = half(w);
        c->panel = half(w);
        c->n_panel = half(w);
        c->codec = word(w);
    }
    m->chunk = chunk;
}

static const struct flx_io *read_io(struct words *w, struct arena *a,
                                    const struct flx_model *m, uint32_t n)
{
    struct flx_io *io = NEW(w, a, struct flx_io, n);
    for (uint32_t i = 0; i < n && !w->why; i++) {
        io[i].name = string(w, a);
        io[i].dtype = word(w);
        io[i].buf = below(w, m->n_buf);
        io[i].bytes = word(w);
        io[i].rank = word(w);
        if (io[i].rank > sizeof io[i].dim / sizeof io[i].dim[0]) {
            fail(w, "an input or output has more than 8 dimensions");
        }
        for (uint32_t d = 0; d < io[i].rank && !w->why; d++) {
            io[i].dim[d] = word(w);
        }
    }
    return io;
}

/* A plan's own length is inside its header. */
static void read_plans(struct words *w, struct arena *a, struct flx_model *m)
{
    const uint32_t **plan = NEW(w, a, const uint32_t *, m->n_plan);
    for (uint32_t i = 0; i < m->n_plan && !w->why; i++) {
        const uint64_t left = reader_left(&w->r) / 4;
        const uint8_t *at = w->r.in.data + w->r.at;
        const uint32_t n =
            left < PLAN_WORDS ? 0 : le32_get(at + (size_t)PLAN_AT_WORDS * 4);
        if (n < PLAN_WORDS || n > left) {
            fail(w, "a plan's length is out of range");
            return;
        }
        uint32_t *words = NEW(w, a, uint32_t, n);
        for (uint32_t k = 0; k < n && !w->why; k++) {
            words[k] = word(w);
        }
        plan[i] = words;
    }
    m->plan = plan;
}

/* The smallest records, in words, so that a count that lies takes no memory. */
enum {
    BUF_WORDS = 5,
    KERNEL_WORDS = 2,
    LAYER_WORDS = 16,
    ARG_WORDS = 1,
    CHUNK_WORDS = 10,
    IO_WORDS = 5
};

static void read_all(struct words *w, struct arena *a,
                     const struct run_kernels *kernels, struct flx_model *m,
                     const struct flx_name **names)
{
    struct span id;
    if (!reader_take(&w->r, FLX_ID_BYTES, &id)) {
        fail(w, "the file ends too early");
        return;
    }
    memcpy(m->id, id.data, FLX_ID_BYTES);
    m->version = FLX_FORMAT_VERSION;
    m->tables[0] = word(w);
    m->tables[1] = word(w);
    m->align = word(w);
    m->blob_bytes = word(w);
    m->decode_bytes = word(w);
    m->n_buf = half_count(w, BUF_WORDS);
    m->n_kernel = half_count(w, KERNEL_WORDS);
    m->n_layer = half_count(w, LAYER_WORDS);
    m->n_arg = count(w, ARG_WORDS);
    m->n_chunk = count(w, CHUNK_WORDS);
    m->n_input = half_count(w, IO_WORDS);
    m->n_output = half_count(w, IO_WORDS);
    m->n_plan = half_count(w, PLAN_WORDS);
    m->name = string(w, a);
    read_bufs(w, a, m);
    read_kernels(w, a, kernels, m);
    read_layers(w, a, m, names);
    read_args(w, a, m);
    read_chunks(w, a, m);
    m->input = read_io(w, a, m, m->n_input);
    m->output = read_io(w, a, m, m->n_output);
    read_plans(w, a, m);
    if (!w->why && reader_left(&w->r) > 0) {
        fail(w, "bytes follow the last plan");
    }
}

/* The header: magic, version, length, checksum. NULL when it is right. */
static const char *check_head(struct span file, uint32_t magic)
{
    if (file.len < HEAD_BYTES || le32_get(file.data) != magic) {
        return "is no table file";
    }
    if (le32_get(file.data + AT_VERSION) != FLX_FORMAT_VERSION) {
        return "is of another format version";
    }
    if (file.len % 4 != 0 || le32_get(file.data + AT_WORDS) != file.len / 4) {
        return "has another length than its header says";
    }
    if (le32_get(file.data + AT_CRC) !=
        crc32c(0, file.data + HEAD_BYTES, file.len - HEAD_BYTES)) {
        return "does not match its checksum";
    }
    return NULL;
}

/* The tables of all entries of a file whose header is right. */
struct entries {
    struct flx_model *model;
    const struct flx_name **layer;
    uint32_t n;
};

/* The tables of one entry as a file of their own, `base` bytes into the whole
 * one. */
static void read_entry(struct words *w, struct span file, uint64_t base,
                       const struct run_kernels *kernels, struct cx *cx,
                       struct entries *x)
{
    struct words own = {.r = reader_of(file),
                        .why = check_head(file, TABLE_MAGIC)};
    if (reader_skip(&own.r, HEAD_BYTES)) {
        read_all(&own, cx->keep, kernels, &x->model[x->n], &x->layer[x->n]);
    }
    if (own.why) {
        w->r.at = base + own.r.at;
        fail(w, own.why);
    }
    x->n++;
}

static void read_entries(struct words *w, const struct run_kernels *kernels,
                         struct cx *cx, uint32_t n, struct entries *x)
{
    for (uint32_t i = 0; i < n && !w->why; i++) {
        const char *const name = string(w, cx->keep);
        const uint64_t base = w->r.at;
        const uint64_t left = reader_left(&w->r);
        const uint8_t *const at = w->r.in.data + base;
        const uint64_t len = w->why || left < HEAD_BYTES
                                 ? 0
                                 : (uint64_t)le32_get(at + AT_WORDS) * 4;
        struct span file;
        if (len == 0 || !reader_take(&w->r, len, &file)) {
            fail(w, "an entry is longer than the file");
            return;
        }
        x->model[i].entry = name;
        x->model[i].entry_ix = i;
        read_entry(w, file, base, kernels, cx, x);
    }
    if (!w->why && reader_left(&w->r) > 0) {
        fail(w, "bytes follow the last entry");
    }
}

bool run_table_parse(struct span file, const char *path,
                     const struct run_kernels *kernels, struct cx *cx,
                     struct run_model *out)
{
    const bool is_list =
        file.len >= HEAD_BYTES && le32_get(file.data) == ENTRIES_MAGIC;
    const char *why = check_head(file, is_list ? ENTRIES_MAGIC : TABLE_MAGIC);
    if (why) {
        return diag_error(cx->diag, E_TABLE, at_file(path),
                          "%s; compile the model again", why);
    }
    struct words w = {.r = reader_of(file)};
    struct entries x = {0};
    if (!reader_skip(&w.r, HEAD_BYTES)) {
        return false;
    }
    const uint32_t n = is_list ? half_count(&w, HEAD_BYTES / 4) : 1;
    if (n == 0) {
        fail(&w, "it has no entry");
    }
    x.model = NEW(&w, cx->keep, struct flx_model, n);
    x.layer = NEW(&w, cx->keep, const struct flx_name *, n);
    if (!w.why && is_list) {
        read_entries(&w, kernels, cx, n, &x);
    } else if (!w.why) {
        read_entry(&w, file, 0, kernels, cx, &x);
    }
    if (w.why) {
        return diag_error(cx->diag, E_TABLE, at_file(path),
                          "byte %" PRIu64 ": %s; compile the model again",
                          w.r.at, w.why);
    }
    out->entry = x.model;
    out->entry_layer = x.layer;
    out->n_entry = n;
    run_model_choose(out, 0);
    return true;
}
