#include "ir/cand.h"

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

uint64_t cand_box_ns(const struct cand *c, const struct layer *l,
                     const struct lattice *t, uint64_t rows, uint64_t panels)
{
    const uint64_t parts = l->rows * t->n_panel * t->n_kblock;
    return c->box_ns + share_up(c->all_ns, rows * panels, parts) +
           share_up(c->rows_ns, rows, l->rows) +
           share_up(c->panels_ns, panels, t->n_panel);
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
        buf_printf(out,
                   "%lu %s kernel %lu %s grid %llu cuts%s%s scratch %llu "
                   "box_ns %llu all_ns %llu rows_ns %llu panels_ns %llu\n",
                   (unsigned long)i, l->layer[i].name, (unsigned long)k->kernel,
                   k->algorithm, (unsigned long long)k->row_grid,
                   k->rows_cut ? " rows" : "", k->panels_cut ? " panels" : "",
                   (unsigned long long)k->scratch_bytes,
                   (unsigned long long)k->box_ns, (unsigned long long)k->all_ns,
                   (unsigned long long)k->rows_ns,
                   (unsigned long long)k->panels_ns);
        buf_str(out, "   ");
        for (uint32_t w = 0; w < k->n_word; w++) {
            buf_printf(out, " %08lx", (unsigned long)k->word[w]);
        }
        buf_char(out, '\n');
    }
    return buf_ok(out);
}
