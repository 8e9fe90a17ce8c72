#include "planner/plan_work.h"

#include <string.h>

#include "base/arena.h"

/* The layer of a segment that takes most of it. */
static uint32_t peak_layer(const struct work *w, const struct draft *d)
{
    const struct choice *const x = &d->part->x[d->part->need_ix];
    uint32_t best = x->seg.lo;
    uint64_t most = 0;
    for (uint32_t y = x->seg.lo; y < x->seg.hi; y++) {
        const uint32_t buf = w->l->layer[y].out.buf;
        const uint64_t bytes =
            d->p.buf[buf].ring * w->l->buf[buf].row_bytes +
            (x->restream ? d->s->slot[0][y]
                         : d->s->held[y + 1] - d->s->held[y]);
        if (bytes > most) {
            most = bytes;
            best = y;
        }
    }
    return best;
}

/* Copies a partition, since tuning changes it. */
static bool copy_partition(struct arena *a, const struct partition *from,
                           struct partition *to)
{
    *to = *from;
    to->x = arena_new(a, struct choice, from->n);
    if (!to->x) {
        return false;
    }
    memcpy(to->x, from->x, from->n * sizeof *from->x);
    return true;
}

bool trial_choose(const struct work *w, const struct trial *t,
                  const struct slices *chunks, struct draft *d)
{
    struct slices *const s = arena_new(w->cx->scratch, struct slices, 1);
    struct partition *const part =
        arena_new(w->cx->scratch, struct partition, 1);
    struct slices own;
    *d = (struct draft){.s = s, .part = part};
    if (!chunks) {
        if (!slices_make(w, t->resident_bytes, NULL, NULL, &own)) {
            return false;
        }
        chunks = &own;
    }
    return s && part &&
           (t->part ? copy_partition(w->cx->scratch, t->part, part)
                    : partition_make(w, chunks, t->cap, &t->taste, part)) &&
           (part->n == 0 || partition_tune(w, chunks, &t->fill, part, s));
}

bool trial_finish(const struct work *w, const struct recipe *how,
                  struct draft *d)
{
    *d = (struct draft){.s = d->s, .part = d->part};
    struct rects r;
    if (!draft_emit(w, how, d)) {
        return false;
    }
    if (d->p.n_step > PLAN_MAX_EXECUTED ||
        d->p.n_load_run > PLAN_MAX_EXECUTED) {
        return true;
    }
    if (!draft_place(w, how, d, &r)) {
        return false;
    }
    if (d->fits && !draft_load(w, how, d, &r)) {
        return false;
    }
    if (d->fits) {
        d->p.peak_layer = peak_layer(w, d);
        return plan_count(w, &d->p) && plan_time(w, &d->p, &d->p.latency_ns);
    }
    return true;
}

bool trial_draft(const struct work *w, const struct trial *t, struct draft *d)
{
    return trial_choose(w, t, NULL, d) &&
           (d->part->n == 0 || trial_finish(w, &t->how, d));
}
