#include "planner/plan_work.h"

#include "base/arena.h"
#include "base/size.h"

static bool is_resident(const struct chunk *k, uint64_t resident_bytes)
{
    return k->raw_bytes <= resident_bytes &&
           k->res_off <= resident_bytes - k->raw_bytes;
}

/* Whether chunk i can follow chunk i - 1 in one slice. */
static bool joins(const struct work *w, const struct slices *s, uint32_t i,
                  uint64_t slice_bytes, const bool *begins, uint64_t bytes)
{
    const struct chunk *const a = &w->c->chunk[i - 1];
    const struct chunk *const b = &w->c->chunk[i];
    const bool resident = is_resident(b, s->resident_bytes);
    if (a->layer != b->layer || a->kblock != b->kblock ||
        is_resident(a, s->resident_bytes) != resident) {
        return false;
    }
    if (resident) {
        return b->res_off == a->res_off + a->raw_bytes;
    }
    if (!w->k->cand[b->layer].panels_cut) {
        return true;
    }
    return begins ? !begins[i] : bytes + b->raw_bytes <= slice_bytes;
}

static struct slice make_slice(const struct work *w, const struct slices *s,
                               uint32_t chunk0, uint32_t end)
{
    const struct chunk *const a = &w->c->chunk[chunk0];
    struct slice x = {
        .layer = a->layer,
        .kblock = a->kblock,
        .chunk0 = chunk0,
        .n_chunk = end - chunk0,
        .p0 = a->panel,
        .resident = is_resident(a, s->resident_bytes),
        .shift = a->blob_off % w->align,
    };
    uint64_t decoded = 0;
    for (uint32_t i = chunk0; i < end; i++) {
        const struct chunk *const k = &w->c->chunk[i];
        x.p1 = k->panel + k->n_panel;
        x.bytes += k->raw_bytes;
        x.stored += k->stored_bytes;
        decoded += k->codec == CODEC_ZSTD ? k->raw_bytes : 0;
    }
    x.room = size_div_up(x.shift + x.bytes, w->align) * w->align;
    x.load_ns = device_load_ns(w->d, x.stored, decoded);
    return x;
}

/* The chunks of a table follow each other in memory and stay there. */
static bool is_held(const struct work *w, const struct slices *s,
                    const struct lattice *t)
{
    const struct chunk *const k = &w->c->chunk[t->chunk0];
    for (uint32_t i = 0; i < t->n_chunk; i++) {
        if (!is_resident(&k[i], s->resident_bytes) ||
            (i > 0 && k[i].res_off != k[i - 1].res_off + k[i - 1].raw_bytes)) {
            return false;
        }
    }
    return true;
}

/* Room for one chunk of table y, wherever in the blob it lies: from a multiple
 * of the alignment on, with the ends that a padded read brings. */
static struct slice make_pick(const struct work *w, uint32_t y)
{
    const struct lattice *const t = &w->c->lattice[y];
    const struct chunk *const k = &w->c->chunk[t->chunk0];
    struct slice x = {
        .layer = y,
        .chunk0 = t->chunk0,
        .n_chunk = 1,
        .p1 = 1,
        .picks = true,
        .bytes = k->raw_bytes,
        .stored = k->stored_bytes,
        .load_ns = device_load_ns(w->d, k->stored_bytes, 0),
    };
    x.room = plan_pick_room(k->raw_bytes, w->align);
    return x;
}

bool slices_allow(const struct slices *s, const struct segment *x)
{
    return x->stripe == 0 || s->n_pick[x->hi] == s->n_pick[x->lo];
}

uint64_t slices_slot(const struct slices *s, uint32_t lo, uint32_t hi)
{
    uint32_t k = 0;
    while (2u << k <= hi - lo) {
        k++;
    }
    return size_max(s->slot[k][lo], s->slot[k][hi - (1u << k)]);
}

bool slices_new(const struct work *w, struct slices *s)
{
    const uint64_t n_layer = w->l->n_layer;
    struct arena *const a = w->cx->scratch;
    *s = (struct slices){
        .x = arena_new(a, struct slice, w->c->n_chunk + n_layer),
        .n_pick = arena_new(a, uint32_t, n_layer + 1),
        .at = arena_new(a, uint32_t, n_layer + 1),
        .held = arena_new(a, uint64_t, n_layer + 1),
        .held_ns = arena_new(a, uint64_t, n_layer + 1),
    };
    if (!s->x || !s->n_pick || !s->at || !s->held || !s->held_ns) {
        return false;
    }
    for (uint32_t k = 0; k < SLOT_LEVELS; k++) {
        s->slot[k] = arena_new(a, uint64_t, n_layer);
        if (!s->slot[k]) {
            return false;
        }
    }
    return true;
}

static void add_slice(struct slices *s, uint32_t y, const struct slice *x,
                      uint64_t times)
{
    s->x[s->n++] = *x;
    if (!x->resident) {
        s->held[y + 1] += x->room;
        s->held_ns[y + 1] += x->load_ns;
        s->slot[0][y] = size_max(s->slot[0][y], x->room);
        s->stored += x->stored * times;
    }
}

void slices_fill(const struct work *w, uint64_t resident_bytes,
                 const uint64_t *most, const bool *begins, struct slices *s)
{
    const uint32_t n_layer = w->l->n_layer;
    s->resident_bytes = resident_bytes;
    s->n = 0;
    s->stored = 0;
    for (uint32_t y = 0; y < n_layer; y++) {
        const struct lattice *const t = &w->c->lattice[y];
        const uint32_t end = t->chunk0 + t->n_chunk;
        s->held[y + 1] = s->held[y];
        s->held_ns[y + 1] = s->held_ns[y];
        s->at[y] = s->n;
        s->slot[0][y] = 0;
        const bool picks =
            t->panel_entries > 0 && !w->is_mapped && !is_held(w, s, t);
        s->n_pick[y + 1] = s->n_pick[y] + picks;
        if (picks) {
            const struct slice x = make_pick(w, y);
            add_slice(s, y, &x, w->l->layer[y].rows);
        }
        for (uint32_t i = t->chunk0; i < end && !w->is_mapped && !picks;) {
            uint64_t bytes = w->c->chunk[i].raw_bytes;
            uint32_t j = i + 1;
            while (j < end &&
                   joins(w, s, j, most ? most[y] : 0, begins, bytes)) {
                bytes += w->c->chunk[j++].raw_bytes;
            }
            struct slice x = make_slice(w, s, i, j);
            x.layer = y; /* which may borrow them */
            add_slice(s, y, &x, 1);
            i = j;
        }
    }
    s->at[n_layer] = s->n;
    for (uint32_t k = 1; k < SLOT_LEVELS; k++) {
        const uint32_t half = 1u << (k - 1);
        for (uint32_t y = 0; y + half < n_layer; y++) {
            s->slot[k][y] =
                size_max(s->slot[k - 1][y], s->slot[k - 1][y + half]);
        }
    }
}

bool slices_make(const struct work *w, uint64_t resident_bytes,
                 const uint64_t *most, const bool *begins, struct slices *s)
{
    if (!slices_new(w, s)) {
        return false;
    }
    slices_fill(w, resident_bytes, most, begins, s);
    return true;
}
