#include "planner/check_run.h"

#include "base/arena.h"
#include "base/size.h"

/* First chunk of each K block of each layer. */
static bool index_kblocks(struct check *r)
{
    uint64_t n = 0;
    r->kb_at = arena_new(r->cx->scratch, uint32_t, r->l->n_layer);
    for (uint32_t y = 0; r->kb_at && y < r->l->n_layer; y++) {
        r->kb_at[y] = (uint32_t)n;
        n += r->c->lattice[y].n_kblock;
    }
    r->kb_chunk = arena_new(r->cx->scratch, uint32_t, n);
    if (!r->kb_at || !r->kb_chunk) {
        return false;
    }
    for (uint32_t i = r->c->n_chunk; i-- > 0;) {
        const struct chunk *const k = &r->c->chunk[i];
        r->kb_chunk[r->kb_at[k->layer] + k->kblock] = i;
    }
    return true;
}

/* The chunk of panel p among those of a K block, from `first`. */
static uint32_t find_chunk(const struct check *r, uint32_t first, uint32_t end,
                           uint32_t panel)
{
    uint32_t lo = first;
    uint32_t hi = end;
    while (hi - lo > 1) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (r->c->chunk[mid].panel <= panel) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    return lo;
}

/* Address at which a load puts a chunk of its run. */
static uint64_t chunk_addr(const struct check *r, const struct plan_load *b,
                           uint32_t chunk)
{
    uint64_t at = b->addr;
    for (uint32_t i = b->chunk0; i < chunk; i++) {
        at += r->c->chunk[i].raw_bytes;
    }
    return at;
}

/* Box `at` finds chunk `ix` where its address says. latest: the last load
 * certainly complete that brings the chunk, plus one; 0 for none. */
static bool check_chunk(struct check *r, uint64_t at, uint32_t ix,
                        uint64_t latest)
{
    const struct plan_box *const b = &r->p->box[r->box[at].ix];
    const struct chunk *const k = &r->c->chunk[ix];
    const uint64_t panel = r->c->lattice[b->layer].panel_bytes[b->kblock];
    /* Unsigned wrap-around is meant: w_addr may be that of a later panel. */
    const uint64_t want = b->w_addr + ((uint64_t)k->panel - b->p0) * panel;
    if (b->mapped) {
        return (k->codec == CODEC_RAW && k->blob_off == want) ||
               check_fail(r, b->layer, "chunk %u is not mapped at %llu", ix,
                          (unsigned long long)want);
    }
    if (latest == 0) {
        return check_fail(r, b->layer, "box %llu runs before chunk %u is there",
                          (unsigned long long)at, ix);
    }
    struct run_load *const x = &r->load[latest - 1];
    if (chunk_addr(r, &r->p->load[x->ix], ix) != want) {
        return check_fail(r, b->layer, "box %llu wants chunk %u at %llu",
                          (unsigned long long)at, ix, (unsigned long long)want);
    }
    x->last_use = at;
    r->box[at].first_load = size_min(r->box[at].first_load, latest - 1);
    return true;
}

/* The box of one row of a table finds the chunk of its entry where its address
 * says: the last load certainly complete that picks from the table was for this
 * row, and began when the row's index was there. latest: that load plus one. */
static bool check_pick(struct check *r, uint64_t at, uint64_t latest)
{
    const struct plan_box *const b = &r->p->box[r->box[at].ix];
    const struct layer *const y = &r->l->layer[b->layer];
    if (r->box[at].r1 - r->box[at].r0 != 1 || b->mapped) {
        return check_fail(r, b->layer, "box %llu has rows of several entries",
                          (unsigned long long)at);
    }
    struct run_load *const x = latest > 0 ? &r->load[latest - 1] : NULL;
    if (!x || x->row != r->box[at].r0 || r->p->load[x->ix].addr != b->w_addr) {
        return check_fail(
            r, b->layer, "box %llu runs before the entry of row %llu is there",
            (unsigned long long)at, (unsigned long long)r->box[at].r0);
    }
    for (uint32_t i = 0; i < b->layer; i++) {
        if (r->l->layer[i].out.buf == y->in[0].buf &&
            x->wait <= (int64_t)r->last_box[i]) {
            return check_fail(r, b->layer,
                              "load %llu picks by an index that "
                              "'%s' has yet to write",
                              (unsigned long long)latest - 1,
                              r->l->layer[i].name);
        }
    }
    if (x->wait < 0) { /* the caller may not have written an input yet */
        return check_fail(r, b->layer, "load %llu picks in the run before",
                          (unsigned long long)latest - 1);
    }
    x->last_use = at;
    r->box[at].first_load = size_min(r->box[at].first_load, latest - 1);
    return true;
}

static bool check_box_weights(struct check *r, uint64_t at,
                              const uint64_t *latest,
                              const uint64_t *latest_pick)
{
    const struct plan_box *const b = &r->p->box[r->box[at].ix];
    const struct lattice *const t = &r->c->lattice[b->layer];
    if (t->n_chunk == 0 && (b->w_addr != 0 || b->mapped)) {
        return check_fail(r, b->layer,
                          "box %llu has weights at %llu, its layer "
                          "has none",
                          (unsigned long long)at,
                          (unsigned long long)b->w_addr);
    }
    /* Of a box that never has rows nobody else looks at the address. */
    if (b->w_addr > (b->mapped ? r->c->blob_bytes : r->p->peak)) {
        return check_fail(r, b->layer, "box %llu has weights at %llu",
                          (unsigned long long)at,
                          (unsigned long long)b->w_addr);
    }
    if (t->n_chunk == 0 || r->box[at].r1 == r->box[at].r0) {
        return true;
    }
    if (check_is_pick(r, b)) {
        return check_pick(r, at, latest_pick[b->layer]);
    }
    const uint32_t end = t->chunk0 + t->n_chunk;
    const uint32_t first =
        t->borrows ? t->chunk0 : r->kb_chunk[r->kb_at[b->layer] + b->kblock];
    const uint32_t kb_end =
        b->kblock + 1 < t->n_kblock
            ? r->kb_chunk[r->kb_at[b->layer] + b->kblock + 1]
            : end;
    for (uint32_t i = find_chunk(r, first, kb_end, b->p0);
         i < kb_end && r->c->chunk[i].panel < b->p1; i++) {
        if (!check_chunk(r, at, i, latest[i])) {
            return false;
        }
    }
    return true;
}

bool check_weights(struct check *r)
{
    uint64_t *const latest = arena_new(r->cx->scratch, uint64_t, r->c->n_chunk);
    uint64_t *const latest_pick =
        arena_new(r->cx->scratch, uint64_t, r->l->n_layer);
    if (!latest || !latest_pick || !index_kblocks(r)) {
        return false;
    }
    uint64_t n = 0; /* loads complete */
    for (uint64_t i = 0; i < r->n_box; i++) {
        for (; n < r->box[i].loads_done; n++) {
            const struct plan_load *const b = &r->p->load[r->load[n].ix];
            for (uint32_t k = 0; !b->picks && k < b->n_chunk; k++) {
                latest[b->chunk0 + k] = n + 1;
            }
            if (b->picks) {
                latest_pick[b->layer] = n + 1;
            }
            r->load[n].last_use = i;
        }
        if (!check_box_weights(r, i, latest, latest_pick)) {
            return false;
        }
    }
    return true;
}
