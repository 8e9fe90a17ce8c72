#include "ir/chunks.h"

#include "base/buf.h"
#include "base/diag.h"
#include "base/size.h"

enum { PANEL_ALIGN = 64 };

static bool wrong(struct cx *cx, const struct layers *l, uint32_t layer,
                  const char *what, uint64_t found)
{
    return diag_error(cx->diag, E_INTERNAL,
                      at_node(l->layer[layer].name, l->layer[layer].op),
                      "chunks: %s (%llu)", what, (unsigned long long)found);
}

/* Chunks of one layer: K block major, each panel once, in order. */
static bool check_layer(const struct chunks *c, const struct layers *l,
                        uint32_t ix, struct cx *cx)
{
    const struct lattice *const t = &c->lattice[ix];
    if (t->n_panel == 0 || t->n_kblock == 0) {
        return wrong(cx, l, ix, "no panel or K block", t->n_panel);
    }
    if (t->n_chunk == 0) {
        return t->n_kblock == 1 ||
               wrong(cx, l, ix, "K blocks without weights", t->n_kblock);
    }
    if (t->chunk0 > c->n_chunk || t->n_chunk > c->n_chunk - t->chunk0) {
        return wrong(cx, l, ix, "chunks out of range", t->chunk0);
    }
    uint32_t kb = 0;
    uint32_t panel = 0;
    uint64_t end = 0; /* in the blob */
    for (uint32_t i = t->chunk0; i < t->chunk0 + t->n_chunk; i++) {
        const struct chunk *const k = &c->chunk[i];
        if (kb == t->n_kblock || (k->layer != ix && !t->borrows) ||
            k->kblock != kb || k->panel != panel || k->n_panel == 0 ||
            k->n_panel > t->n_panel - panel) {
            return wrong(cx, l, ix, "a chunk out of order", i);
        }
        if (k->raw_bytes != k->n_panel * t->panel_bytes[kb] ||
            k->raw_bytes == 0 || k->raw_bytes % PANEL_ALIGN != 0) {
            return wrong(cx, l, ix, "a chunk's size", k->raw_bytes);
        }
        if (t->is_table && (k->n_panel != 1 || k->codec != CODEC_RAW)) {
            return wrong(cx, l, ix, "a chunk of a table", i);
        }
        if (k->blob_off % PANEL_ALIGN != 0 || k->blob_off < end) {
            return wrong(cx, l, ix, "blob offset", k->blob_off);
        }
        end = k->blob_off + k->stored_bytes;
        panel += k->n_panel;
        if (panel == t->n_panel) {
            panel = 0;
            kb++;
        }
    }
    return kb == t->n_kblock || wrong(cx, l, ix, "panels without chunk", panel);
}

/* Chunks are in the blob, and places of residents in their prefix. */
static bool check_places(const struct chunks *c, const struct layers *l,
                         struct cx *cx)
{
    bool all_raw = true;
    uint64_t end = 0;
    for (uint32_t i = 0; i < c->n_chunk; i++) {
        const struct chunk *const k = &c->chunk[i];
        all_raw = all_raw && k->codec == CODEC_RAW;
        if (k->codec == CODEC_RAW && k->stored_bytes != k->raw_bytes) {
            return wrong(cx, l, k->layer, "stored bytes", k->stored_bytes);
        }
        if (k->res_off % PANEL_ALIGN != 0 || k->res_off > c->resident_max ||
            k->raw_bytes > c->resident_max - k->res_off) {
            return wrong(cx, l, k->layer, "resident offset", k->res_off);
        }
        end = size_max(end, k->blob_off + k->stored_bytes);
    }
    for (uint32_t i = 0; all_raw && i < c->n_chunk; i++) {
        const struct chunk *const k = &c->chunk[i];
        if (k->res_off % c->align != k->blob_off % c->align) {
            return wrong(cx, l, k->layer, "a resident off its alignment",
                         k->res_off);
        }
    }
    return end <= c->blob_bytes ||
           diag_error(cx->diag, E_INTERNAL, at_none(),
                      "chunks: they end at %llu in a blob of %llu bytes",
                      (unsigned long long)end,
                      (unsigned long long)c->blob_bytes);
}

bool chunks_check(const struct chunks *c, const struct layers *l, struct cx *cx)
{
    if (c->n_layer != l->n_layer || c->align < PANEL_ALIGN ||
        (c->align & (c->align - 1)) != 0 || c->state_bytes % c->align != 0) {
        return diag_error(cx->diag, E_INTERNAL, at_none(),
                          "chunks: %u layers, alignment %u, state %llu",
                          c->n_layer, c->align,
                          (unsigned long long)c->state_bytes);
    }
    uint64_t n = 0;
    for (uint32_t i = 0; i < l->n_layer; i++) {
        if (!check_layer(c, l, i, cx)) {
            return false;
        }
        n += c->lattice[i].borrows ? 0 : c->lattice[i].n_chunk;
    }
    if (n != c->n_chunk) {
        return diag_error(cx->diag, E_INTERNAL, at_none(),
                          "chunks: %u, but the layers have %llu", c->n_chunk,
                          (unsigned long long)n);
    }
    return check_places(c, l, cx);
}

bool chunks_print(const struct chunks *c, struct buf *out)
{
    buf_printf(out,
               "chunks %u align %u blob %llu resident %llu state %llu "
               "decode %llu\nid ",
               c->n_chunk, c->align, (unsigned long long)c->blob_bytes,
               (unsigned long long)c->resident_max,
               (unsigned long long)c->state_bytes,
               (unsigned long long)c->decode_bytes);
    buf_hex(out, c->id, sizeof c->id);
    buf_str(out, "\n# chunk layer kblock panel panels raw stored blob resident "
                 "crc codec\n");
    for (uint32_t i = 0; i < c->n_chunk; i++) {
        const struct chunk *const k = &c->chunk[i];
        buf_printf(out, "chunk %u %u %u %u %u %llu %llu %llu %llu %08x %s\n", i,
                   k->layer, k->kblock, k->panel, k->n_panel,
                   (unsigned long long)k->raw_bytes,
                   (unsigned long long)k->stored_bytes,
                   (unsigned long long)k->blob_off,
                   (unsigned long long)k->res_off, k->crc,
                   k->codec == CODEC_ZSTD ? "zstd" : "raw");
    }
    return buf_ok(out);
}
