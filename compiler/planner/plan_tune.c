#include "planner/plan_work.h"

#include "base/arena.h"
#include "base/size.h"

/* A partition is chosen with slices of one chunk. Where a segment leaves memory
 * free, larger slices save requests, and a cascade that cannot hold all its
 * weights holds those that cost most to read again. */

struct tune {
    const struct slices *chunks;
    const struct filling *fill;
    uint64_t *most; /* per layer: bytes of a slice */
    bool *stays;    /* per layer: held by its cascade */
};

static uint64_t bytes_of(const struct slices *s, uint32_t y)
{
    return s->held[y + 1] - s->held[y];
}

/* Whether reading layer a again costs more for its bytes than b. */
static bool costs_more(const struct slices *s, uint32_t a, uint32_t b)
{
    const uint64_t na = s->held_ns[a + 1] - s->held_ns[a];
    const uint64_t nb = s->held_ns[b + 1] - s->held_ns[b];
    return (double)na * (double)bytes_of(s, b) >
           (double)nb * (double)bytes_of(s, a);
}

/* The largest streamed chunk of layers that do not stay. */
static uint64_t slot_of(const struct tune *t, const struct segment *g)
{
    uint64_t slot = 0;
    for (uint32_t y = g->lo; y < g->hi; y++) {
        slot = size_max(slot, t->stays[y] ? 0 : t->chunks->slot[0][y]);
    }
    return slot;
}

/* Holds layers of a cascade, the dearest first, beside a region for the
 * others. */
static void hold_layers(struct tune *t, const struct segment *g, uint64_t room)
{
    const struct slices *const s = t->chunks;
    uint64_t held = 0;
    for (uint32_t y = g->lo; y < g->hi; y++) {
        t->stays[y] = bytes_of(s, y) == 0;
    }
    for (;;) {
        uint32_t best = g->hi;
        const uint64_t slot = slot_of(t, g);
        const uint64_t keep =
            2 * slot <= room - held ? 2 * slot : size_min(slot, room - held);
        for (uint32_t y = g->lo; y < g->hi; y++) {
            if (!t->stays[y] && bytes_of(s, y) <= room - held - keep &&
                (best == g->hi || costs_more(s, y, best))) {
                best = y;
            }
        }
        if (best == g->hi) {
            break;
        }
        t->stays[best] = true;
        held += bytes_of(s, best);
    }
    for (uint32_t y = g->lo; y < g->hi; y++) {
        t->most[y] =
            size_min(t->fill->slice_bytes,
                     t->stays[y] ? room : (room - held) / (t->fill->parts + 1));
    }
}

/* Marks what comes again; what is left of the room holds single slices. */
static void set_region(const struct tune *t, struct choice *x, uint64_t room,
                       struct slices *s)
{
    const struct segment *const g = &x->seg;
    uint64_t held = 0;
    uint64_t slot = 0;
    uint64_t sum = 0;
    for (uint32_t i = s->at[g->lo]; i < s->at[g->hi]; i++) {
        struct slice *const k = &s->x[i];
        k->again = !k->resident && !t->stays[k->layer];
        held += k->resident || k->again ? 0 : k->room;
        slot = size_max(slot, k->again ? k->room : 0);
        sum += k->again ? k->room : 0;
    }
    uint64_t left = room > held + slot ? room - held - slot : 0;
    for (uint32_t i = s->at[g->lo]; i < s->at[g->hi]; i++) {
        struct slice *const k = &s->x[i];
        if (k->again && left >= slot && k->room <= left - slot) {
            k->again = false;
            left -= k->room;
            sum -= k->room;
        }
    }
    x->region = size_max(slot, size_min(sum, slot + left));
}

/* Bytes for the weights of a segment. */
static uint64_t room_of(const struct tune *t, const struct choice *x)
{
    const uint64_t need = choice_need(t->chunks, x);
    const uint64_t more = t->fill->bytes > need ? t->fill->bytes - need : 0;
    return need - x->seg.bytes + more / 8 * t->fill->eighths;
}

bool partition_tune(const struct work *w, const struct slices *chunks,
                    const struct filling *fill, struct partition *p,
                    struct slices *out)
{
    struct arena *const a = w->cx->scratch;
    struct tune t = {
        .chunks = chunks,
        .fill = fill,
        .most = arena_new(a, uint64_t, w->l->n_layer),
        .stays = arena_new(a, bool, w->l->n_layer),
    };
    if (!t.most || !t.stays) {
        return false;
    }
    for (uint32_t i = 0; i < p->n; i++) {
        const struct segment *const g = &p->x[i].seg;
        const uint64_t room = room_of(&t, &p->x[i]);
        if (p->x[i].restream) {
            hold_layers(&t, g, room);
            continue;
        }
        for (uint32_t y = g->lo; y < g->hi; y++) {
            t.most[y] = size_min(fill->slice_bytes,
                                 g->stripe > 0 ? room : room / fill->parts);
            t.stays[y] = true;
        }
    }
    if (!slices_make(w, chunks->resident_bytes, t.most, fill->begins, out)) {
        return false;
    }
    for (uint32_t i = 0; i < p->n; i++) {
        if (p->x[i].restream) {
            set_region(&t, &p->x[i], room_of(&t, &p->x[i]), out);
        }
    }
    return true;
}
