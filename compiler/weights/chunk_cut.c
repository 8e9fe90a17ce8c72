#include "weights/chunk_cut.h"

#include <assert.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/size.h"
#include "kernels/catalogue.h"

/* Whole panels up to the goal; a panel larger than it, or of a table, is a
 * chunk of its own. */
static uint32_t panels_per_chunk(const struct lattice *t, uint32_t kblock,
                                 const struct target *target)
{
    assert(t->n_panel > 0);
    const uint64_t n =
        t->is_table ? 1 : target->chunk_goal / t->panel_bytes[kblock];
    return n < 1 ? 1 : n > t->n_panel ? t->n_panel : (uint32_t)n;
}

static bool has_weights(const struct lattice *t)
{
    return t->n_kblock > 0 && t->panel_bytes[0] > 0 && !t->borrows;
}

static uint64_t count_chunks(const struct lattice *t,
                             const struct target *target)
{
    uint64_t n = 0;
    for (uint32_t kb = 0; has_weights(t) && kb < t->n_kblock; kb++) {
        n += size_div_up(t->n_panel, panels_per_chunk(t, kb, target));
    }
    return n;
}

/* The convolution whose chunks a table borrows. */
static uint32_t lender_of(const struct layers *l, uint32_t layer)
{
    return (uint32_t)(l->layer[layer].p.embed.tied - l->layer);
}

static void mark_tables(const struct layers *l, struct chunks *c)
{
    for (uint32_t i = 0; i < l->n_layer; i++) {
        if (c->lattice[i].borrows) {
            c->lattice[lender_of(l, i)].is_table = true;
        }
    }
}

static void lend_chunks(const struct layers *l, struct chunks *c)
{
    for (uint32_t i = 0; i < l->n_layer; i++) {
        if (c->lattice[i].borrows) {
            const struct lattice *from = &c->lattice[lender_of(l, i)];
            c->lattice[i].chunk0 = from->chunk0;
            c->lattice[i].n_chunk = from->n_chunk;
        }
    }
}

static void cut_layer(uint32_t layer, const struct target *target,
                      struct chunks *c)
{
    struct lattice *t = &c->lattice[layer];
    t->chunk0 = c->n_chunk;
    for (uint32_t kb = 0; has_weights(t) && kb < t->n_kblock; kb++) {
        const uint32_t step = panels_per_chunk(t, kb, target);
        for (uint32_t p = 0; p < t->n_panel; p += step) {
            const uint32_t n = t->n_panel - p < step ? t->n_panel - p : step;
            c->chunk[c->n_chunk++] = (struct chunk){
                .layer = layer,
                .kblock = kb,
                .panel = p,
                .n_panel = n,
                .raw_bytes = n * t->panel_bytes[kb],
            };
        }
    }
    t->n_chunk = c->n_chunk - t->chunk0;
}

static bool add_weights(uint64_t *bytes, const struct lattice *t)
{
    bool ok = true;
    for (uint32_t kb = 0; ok && kb < t->n_kblock; kb++) {
        uint64_t block;
        ok = size_mul(&block, t->panel_bytes[kb], t->n_panel) &&
             size_add(bytes, *bytes, block);
    }
    return ok;
}

bool chunk_cut(const struct layers *l, const struct options *opt, struct cx *cx,
               struct chunks *out)
{
    struct chunks c = {.n_layer = l->n_layer, .align = opt->target->align};
    c.lattice = arena_new(cx->keep, struct lattice, l->n_layer);
    if (!c.lattice) {
        return false;
    }
    uint64_t n = 0;
    uint64_t bytes = 0; /* before anything is packed: a model can use the same
                           constant many times */
    for (uint32_t i = 0; i < l->n_layer; i++) {
        if (!kern_lattice(&l->layer[i], opt, cx, &c.lattice[i])) {
            return false;
        }
    }
    mark_tables(l, &c);
    for (uint32_t i = 0; i < l->n_layer; i++) {
        n += count_chunks(&c.lattice[i], opt->target);
        if (!add_weights(&bytes, &c.lattice[i]) || bytes > UINT32_MAX) {
            return diag_error(cx->diag, E_TOO_BIG,
                              at_node(l->layer[i].name, l->layer[i].op),
                              "with its weights the model has more than the "
                              "4 GiB that a blob holds");
        }
    }
    uint32_t n_chunk = 0;
    if (!u32_from(&n_chunk, n)) {
        return diag_error(cx->diag, E_TOO_BIG, at_none(),
                          "%llu weight chunks, 4294967295 are the most",
                          (unsigned long long)n);
    }
    c.chunk = arena_new(cx->keep, struct chunk, n_chunk);
    if (!c.chunk) {
        return false;
    }
    for (uint32_t i = 0; i < l->n_layer; i++) {
        cut_layer(i, opt->target, &c);
    }
    lend_chunks(l, &c);
    *out = c;
    return true;
}
