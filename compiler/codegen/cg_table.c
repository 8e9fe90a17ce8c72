#include "codegen/cg_table.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/le.h"

/* "FLXT"; "FLXE" before those of several entries */
#define TABLE_MAGIC 0x54584c46u
#define ENTRIES_MAGIC 0x45584c46u
enum { AT_WORDS = 8, AT_CRC = 12, HEAD_BYTES = 16 };

/* A string: its length in bytes, the bytes, zeros up to a word. */
static void put_string(struct buf *b, const char *s)
{
    const uint64_t n = strlen(s);
    buf_le32(b, (uint32_t)n);
    buf_put(b, s, n);
    buf_align(b, 4);
}

static void put_io(struct buf *b, const struct flx_io *io, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        put_string(b, io[i].name);
        buf_le32(b, io[i].dtype);
        buf_le32(b, io[i].buf);
        buf_le32(b, io[i].bytes);
        buf_le32(b, io[i].rank);
        for (uint32_t d = 0; d < io[i].rank; d++) {
            buf_le32(b, io[i].dim[d]);
        }
    }
}

static void put_layers(struct buf *b, const struct cg_model *g)
{
    for (uint32_t i = 0; i < g->model.n_layer; i++) {
        const struct flx_layer *l = &g->model.layer[i];
        buf_le32(b, l->kernel);
        buf_le32(b, l->n_arg);
        buf_le32(b, l->arg0);
        buf_le32(b, l->rows);
        buf_le32(b, l->n_panel);
        buf_le32(b, l->n_kblock);
        buf_le32(b, l->chunk0);
        buf_le32(b, l->n_chunk);
        buf_le32(b, l->index_bytes);
        buf_le32(b, l->guard);
        buf_le32(b, l->entries);
        buf_le32(b, l->panel_entries);
        buf_le32(b, l->scratch_bytes);
        buf_le64(b, g->layer_macs[i]);
        put_string(b, g->layer_name[i]);
        put_string(b, g->layer_algorithm[i]);
    }
}

static void put_chunks(struct buf *b, const struct flx_model *m)
{
    for (uint32_t i = 0; i < m->n_chunk; i++) {
        const struct flx_chunk *c = &m->chunk[i];
        buf_le32(b, c->blob_off);
        buf_le32(b, c->stored_bytes);
        buf_le32(b, c->raw_bytes);
        buf_le32(b, c->crc);
        buf_le32(b, c->res_off);
        buf_le32(b, c->layer);
        buf_le32(b, c->kblock);
        buf_le32(b, c->panel);
        buf_le32(b, c->n_panel);
        buf_le32(b, c->codec);
    }
}

/* Returns where the header begins. */
static uint64_t put_head(struct buf *out, uint32_t magic)
{
    const uint64_t start = out->len;
    buf_le32(out, magic);
    buf_le32(out, FLX_FORMAT_VERSION);
    buf_le32(out, 0); /* words, by end_head */
    buf_le32(out, 0); /* CRC32C of what follows, likewise */
    return start;
}

static bool end_head(struct buf *out, uint64_t start)
{
    if (!buf_ok(out)) {
        return false;
    }
    uint8_t *p = out->data + start;
    const uint64_t len = out->len - start;
    le32_put(p + AT_WORDS, (uint32_t)(len / 4));
    le32_put(p + AT_CRC, crc32c(0, p + HEAD_BYTES, len - HEAD_BYTES));
    return true;
}

static bool put_entry(const struct cg_model *g, struct buf *out)
{
    const struct flx_model *m = &g->model;
    const uint64_t start = put_head(out, TABLE_MAGIC);
    buf_put(out, m->id, sizeof m->id);
    buf_le32(out, m->tables[0]);
    buf_le32(out, m->tables[1]);
    buf_le32(out, m->align);
    buf_le32(out, m->blob_bytes);
    buf_le32(out, m->decode_bytes);
    buf_le32(out, m->n_buf);
    buf_le32(out, m->n_kernel);
    buf_le32(out, m->n_layer);
    buf_le32(out, m->n_arg);
    buf_le32(out, m->n_chunk);
    buf_le32(out, m->n_input);
    buf_le32(out, m->n_output);
    buf_le32(out, m->n_plan);
    put_string(out, m->name);
    for (uint32_t i = 0; i < m->n_buf; i++) {
        buf_le32(out, m->buf[i].rows);
        buf_le32(out, m->buf[i].row_bytes);
        buf_le32(out, m->buf[i].first);
        buf_le32(out, m->buf[i].last);
        buf_le32(out, m->buf[i].whole);
    }
    for (uint32_t i = 0; i < m->n_kernel; i++) {
        buf_le32(out, g->kernel[i].id);
        buf_le32(out, g->kernel[i].n_word);
        for (uint32_t k = 0; k < g->kernel[i].n_word; k++) {
            buf_le32(out, g->kernel[i].word[k]);
        }
    }
    put_layers(out, g);
    for (uint32_t i = 0; i < m->n_arg; i++) {
        buf_le32(out, m->arg[i]);
    }
    put_chunks(out, m);
    put_io(out, m->input, m->n_input);
    put_io(out, m->output, m->n_output);
    for (uint32_t i = 0; i < m->n_plan; i++) {
        struct flx_plan_head h;
        memcpy(&h, m->plan[i], sizeof h);
        for (uint32_t k = 0; k < h.n_words; k++) {
            buf_le32(out, m->plan[i][k]);
        }
    }
    return end_head(out, start);
}

bool cg_table(const struct cg_model *g, uint32_t n, struct buf *out)
{
    if (!g->model.entry) {
        return put_entry(g, out);
    }
    const uint64_t start = put_head(out, ENTRIES_MAGIC);
    buf_le32(out, n);
    for (uint32_t i = 0; i < n; i++) {
        put_string(out, g[i].model.entry);
        if (!put_entry(&g[i], out)) {
            return false;
        }
    }
    return end_head(out, start);
}
