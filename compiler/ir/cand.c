#include "ir/cand.h"

#include <stddef.h>

#include "base/buf.h"
#include "base/size.h"

/* a * b / c, rounded up; the product may exceed 64 bits. */
static uint64_t share_up(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t product = 0;
    if (size_mul(&product, a, b)) {
        return size_div_up(product, c);
    }
    return size_div_up(a, c) * b;
}

/* The room of at most `limit` bytes, or the least, with which a box of so many
 * rows is fastest, and how long its strips take. */
static const struct cand_room *room_of(const struct cand *c, uint64_t rows,
                                       uint64_t limit, uint64_t *ns)
{
    const struct cand_room *best = NULL;
    const uint64_t tiles =
        c->n_room > 0 ? size_div_up(rows, c->row_grid) * c->row_tiles : 0;
    for (uint32_t i = 0; i < c->n_room; i++) {
        const struct cand_room *const x = &c->room[i];
        if ((x->bytes > limit && i > 0) || (x->at_once && tiles > x->tiles)) {
            continue;
        }
        const uint64_t x_ns = size_div_up(tiles, x->tiles) * x->panels_ns;
        if (!best || x_ns < *ns) {
            best = x;
            *ns = x_ns;
        }
    }
    return best;
}

uint64_t cand_strips_ns(const struct cand *c, uint64_t rows, uint64_t scratch)
{
    uint64_t ns = c->panels_ns;
    (void)room_of(c, rows, scratch, &ns);
    return ns;
}

uint64_t cand_scratch(const struct cand *c, uint64_t rows, uint64_t limit)
{
    uint64_t ns = 0;
    const struct cand_room *const x = room_of(c, rows, limit, &ns);
    return x ? x->bytes : c->scratch_bytes;
}

uint64_t cand_box_ns(const struct cand *c, const struct layer *l,
                     const struct lattice *t, uint64_t rows, uint64_t panels,
                     uint64_t scratch)
{
    const uint64_t parts = l->rows * t->n_panel * t->n_kblock;
    const uint64_t tile = size_max(1, c->tile_panels);
    const uint64_t empty = size_div_up(panels, tile) * tile - panels;
    return c->box_ns + share_up(c->all_ns, rows * panels, parts) +
           share_up(c->rows_ns, rows, l->rows) +
           share_up(c->idle_ns, rows * empty, l->rows * t->n_kblock) +
           share_up(cand_strips_ns(c, rows, scratch), panels, t->n_panel);
}

uint64_t cand_kept_ns(const struct cand *c, const struct layer *l,
                      uint64_t rows, uint64_t scratch)
{
    uint64_t ns = 0;
    const struct cand_room *const x = room_of(c, rows, scratch, &ns);
    const bool is_single =
        x && size_div_up(rows, c->row_grid) * c->row_tiles <= x->tiles;
    return is_single ? share_up(c->rows_ns, rows, l->rows) : 0;
}

uint64_t device_load_ns(const struct device *d, uint64_t stored,
                        uint64_t decoded_zstd)
{
    enum { NS_PER_MS = 1000000 };
    return d->read_latency_ns +
           share_up(stored, NS_PER_MS, d->read_bytes_per_ms) +
           share_up(decoded_zstd, NS_PER_MS, d->decode_bytes_per_ms);
}

bool cands_print(const struct cands *c, const struct layers *l, struct buf *out)
{
    buf_printf(out, "cands %lu layers, %lu threads\n",
               (unsigned long)c->n_layer, (unsigned long)c->n_thread);
    for (uint32_t i = 0; i < c->n_layer; i++) {
        const struct cand *k = &c->cand[i];
        buf_printf(
            out,
            "%lu %s kernel %lu %s grid %llu cuts%s%s scratch %llu "
            "box_ns %llu all_ns %llu rows_ns %llu panels_ns %llu "
            "idle_ns %llu\n",
            (unsigned long)i, l->layer[i].name, (unsigned long)k->kernel,
            k->algorithm, (unsigned long long)k->row_grid,
            k->rows_cut ? " rows" : "", k->panels_cut ? " panels" : "",
            (unsigned long long)k->scratch_bytes, (unsigned long long)k->box_ns,
            (unsigned long long)k->all_ns, (unsigned long long)k->rows_ns,
            (unsigned long long)k->panels_ns, (unsigned long long)k->idle_ns);
        for (uint32_t r = 0; r < k->n_room; r++) {
            const struct cand_room *const x = &k->room[r];
            buf_printf(
                out, "    room %llu tiles %llu%s panels_ns %llu\n",
                (unsigned long long)x->bytes, (unsigned long long)x->tiles,
                x->at_once ? " at once" : "", (unsigned long long)x->panels_ns);
        }
        buf_str(out, "   ");
        for (uint32_t w = 0; w < k->n_word; w++) {
            buf_printf(out, " %08lx", (unsigned long)k->word[w]);
        }
        buf_char(out, '\n');
    }
    return buf_ok(out);
}
