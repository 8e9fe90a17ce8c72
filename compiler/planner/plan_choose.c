#include "planner/plan_work.h"

#include "base/arena.h"
#include "base/size.h"

/* Dynamic programming over the order of layers: the best partition of layers
 * [0, hi) ends with some segment [lo, hi) after the best partition of
 * [0, lo). What a segment needs does not depend on the others. */

/* A step longer than --max-step-us allows is taken only if nothing else is. */
static const uint64_t long_step_ns = 1000000000000000;

static uint64_t most_slot(const struct slices *s, const struct segment *x)
{
    return slices_slot(s, x->lo, x->hi);
}

/* Bytes that a segment needs besides its buffers: all its streamed weights at
 * once, or one slice at a time. */
static uint64_t held_bytes(const struct slices *s, const struct segment *x)
{
    return s->held[x->hi] - s->held[x->lo];
}

static uint64_t need_of(const struct slices *s, const struct segment *x,
                        bool restream)
{
    const bool one_by_one = restream || x->stripe == 0;
    return x->bytes + (one_by_one ? most_slot(s, x) : held_bytes(s, x));
}

uint64_t choice_need(const struct slices *s, const struct choice *x)
{
    return need_of(s, &x->seg, x->restream);
}

static bool can_restream(const struct slices *s, const struct segment *x)
{
    return x->stripe > 0 && held_bytes(s, x) > most_slot(s, x);
}

/* Of `all`, the part that `bytes` of `of` have. */
static uint64_t share(uint64_t all, uint64_t bytes, uint64_t of)
{
    return of == 0 ? 0 : (uint64_t)((double)all * (double)bytes / (double)of);
}

/* What boxes of some panels each do again: slices of a layer that does not fit
 * into `room` have about half of it, so that one can be loaded while the other
 * is used. */
static uint64_t cuts_ns(const struct work *w, const struct slices *s,
                        const struct segment *x, uint64_t room)
{
    uint64_t ns = 0;
    for (uint32_t y = x->lo; y < x->hi; y++) {
        const struct cand *const k = &w->k->cand[y];
        const uint64_t bytes = s->held[y + 1] - s->held[y];
        const uint64_t slot = s->slot[0][y];
        if (bytes > slot && k->rows_ns > 0) {
            const uint64_t most = size_max(slot, room / 2 / slot * slot);
            ns += (size_div_up(bytes, most) - 1) *
                  ((segment_keeps(x, y) ? 0 : k->rows_ns) +
                   (uint64_t)x->n_iter * k->box_ns);
        }
    }
    return ns;
}

/* The longest step of a segment; panels of a solo layer can be cut as finely as
 * need be. */
static uint64_t least_step_ns(const struct work *w, const struct segment *x)
{
    const uint32_t y = x->lo;
    return x->stripe == 0 && w->k->cand[y].panels_cut
               ? cand_box_ns(&w->k->cand[y], &w->l->layer[y], &w->c->lattice[y],
                             w->l->layer[y].rows, 1, UINT64_MAX)
               : x->longest_ns;
}

/* What a segment costs in `cap` bytes over boxes of whole layers, and loads
 * each once. */
static uint64_t cost_of(const struct work *w, const struct slices *s,
                        const struct segment *x, uint64_t cap,
                        const struct taste *taste)
{
    const uint64_t room = cap - x->bytes;
    const uint64_t slot = most_slot(s, x);
    const uint64_t held = held_bytes(s, x);
    const uint64_t compute_ns = w->before_ns[x->hi] - w->before_ns[x->lo];
    uint64_t loads_ns = s->held_ns[x->hi] - s->held_ns[x->lo];
    uint64_t more_ns = x->cost_ns;
    if (held > room || x->stripe == 0) {
        more_ns += cuts_ns(w, s, x, room);
    }
    uint64_t again_ns = 0;
    if (x->stripe > 0 && held > room) {
        const uint64_t kept = room > 2 * slot ? room - 2 * slot : 0;
        again_ns = (x->n_iter - 1) *
                   share(loads_ns, held - size_min(kept, held), held);
        loads_ns += again_ns;
    }
    uint64_t cost = more_ns / 8 * taste->compute + again_ns / 8 * taste->loads;
    if (taste->is_local) {
        const uint64_t ns = size_max(compute_ns + more_ns, loads_ns);
        cost = ns - compute_ns + again_ns / 64;
    }
    /* With room for one slice only, nothing overlaps. */
    if (held > room && room < 2 * slot) {
        cost += size_min(compute_ns, loads_ns);
    }
    if (w->opt->max_step_us > 0 &&
        least_step_ns(w, x) >
            device_usual_ns(w->d, w->opt->max_step_us * 1000)) {
        cost += long_step_ns;
    }
    return cost;
}

uint64_t partition_least(const struct work *w, const struct slices *s)
{
    const struct arena_mark mark = arena_mark(w->cx->scratch);
    const uint32_t n = w->l->n_layer;
    uint64_t *const best = arena_new(w->cx->scratch, uint64_t, (uint64_t)n + 1);
    if (!best) {
        return UINT64_MAX; /* reported; no budget is enough */
    }
    best[0] = w->io_bytes;
    for (uint32_t hi = 1; hi <= n; hi++) {
        best[hi] = UINT64_MAX;
        for (uint32_t i = w->seg_at[hi]; i < w->seg_at[hi + 1]; i++) {
            const struct segment *const x = &w->seg[i];
            if (!slices_allow(s, x)) {
                continue;
            }
            const uint64_t need =
                can_restream(s, x)
                    ? size_min(need_of(s, x, true), need_of(s, x, false))
                    : need_of(s, x, false);
            best[hi] = size_min(best[hi], size_max(best[x->lo], need));
        }
    }
    const uint64_t least = best[n];
    arena_rewind(w->cx->scratch, mark);
    return least;
}

/* The last segment of the best partition of the layers before some point. */
struct step {
    uint64_t cost; /* UINT64_MAX: none */
    uint32_t seg;
    bool restream;
};

static void try_step(const struct work *w, const struct slices *s,
                     uint32_t seg_ix, uint64_t cap, const struct taste *taste,
                     struct step *step)
{
    const struct segment *const x = &w->seg[seg_ix];
    const bool restream = need_of(s, x, false) > cap && can_restream(s, x);
    if (!slices_allow(s, x) || need_of(s, x, restream) > cap ||
        (taste->plain && x->overlays) || (taste->lean && !x->is_lean) ||
        step[x->lo].cost == UINT64_MAX) {
        return;
    }
    const uint64_t cost = step[x->lo].cost + cost_of(w, s, x, cap, taste);
    if (cost < step[x->hi].cost) {
        step[x->hi] = (struct step){cost, seg_ix, restream};
    }
}

bool partition_make(const struct work *w, const struct slices *s, uint64_t cap,
                    const struct taste *taste, struct partition *p)
{
    const uint32_t n = w->l->n_layer;
    *p = (struct partition){0};
    p->x = arena_new(w->cx->scratch, struct choice, n);
    struct step *const step =
        arena_new(w->cx->scratch, struct step, (uint64_t)n + 1);
    if (!p->x || !step) {
        return false;
    }
    for (uint32_t hi = 1; hi <= n; hi++) {
        step[hi].cost = UINT64_MAX;
        for (uint32_t i = w->seg_at[hi]; i < w->seg_at[hi + 1]; i++) {
            try_step(w, s, i, cap, taste, step);
        }
    }
    if (step[n].cost == UINT64_MAX || w->io_bytes > cap) {
        return true;
    }
    for (uint32_t hi = n; hi > 0; hi = w->seg[step[hi].seg].lo) {
        p->n++;
    }
    uint32_t at = p->n;
    for (uint32_t hi = n; hi > 0; hi = w->seg[step[hi].seg].lo) {
        p->x[--at] = (struct choice){.seg = w->seg[step[hi].seg],
                                     .restream = step[hi].restream};
    }
    for (uint32_t i = 0; i < p->n; i++) {
        const uint64_t need = choice_need(s, &p->x[i]);
        if (need > p->need) {
            p->need = need;
            p->need_ix = i;
        }
    }
    return true;
}
