#include "planner/plan_work.h"

#include <string.h>

#include "base/arena.h"
#include "base/size.h"

/* Local search: a trial is spelt out (which segments, which chunks begin a
 * slice, how many are resident, how all of it is placed), a few of these are
 * changed at random, and what is not slower stays. The numbers come from one
 * fixed seed, and the work is limited by count, so that the same input gives
 * the same plan. */

enum {
    MAX_POLISH_EFFORT = 120000, /* executed instructions of all trials */
    MAX_POLISH_TRIALS = 1500,
    MAX_CHANGES = 3,   /* at once */
    PLACINGS = 4,      /* of one change, until it fits */
    RETURN_AFTER = 150 /* changes without a better plan: back to the best */
};

/* A trial spelt out. */
struct spelling {
    struct trial t;
    struct partition part;
    bool *begins;
    uint32_t cut; /* index into w->cut */
    uint64_t ns;
};

struct polish {
    const struct work *w;
    uint64_t budget;
    uint64_t random;
    uint64_t effort;
    uint32_t n_trial;
    struct spelling best;
    struct spelling here;
    struct spelling next;
    struct choice *spare; /* room for a partition */
};

static uint64_t random_bits(struct polish *p)
{
    p->random = p->random * 6364136223846793005u + 1442695040888963407u;
    return p->random >> 24;
}

static uint32_t below(struct polish *p, uint64_t n)
{
    return (uint32_t)(random_bits(p) % n);
}

static bool start_spelling(const struct work *w, struct spelling *x)
{
    x->part.x = arena_new(w->cx->scratch, struct choice, w->l->n_layer);
    x->begins = arena_new(w->cx->scratch, bool, w->c->n_chunk);
    return x->part.x && x->begins;
}

/* Pointers inside a spelling are its own. */
static void copy_spelling(const struct work *w, const struct spelling *from,
                          struct spelling *to)
{
    struct choice *const x = to->part.x;
    bool *const begins = to->begins;
    *to = *from;
    to->part.x = x;
    to->begins = begins;
    memcpy(x, from->part.x, from->part.n * sizeof *x);
    memcpy(begins, from->begins, w->c->n_chunk * sizeof *begins);
}

static void point_inside(struct spelling *x)
{
    x->t.part = &x->part;
    x->t.fill.begins = x->begins;
}

/* ---- changes ---- */

static void change_slices(struct polish *p)
{
    const uint32_t i = below(p, p->w->c->n_chunk);
    p->next.begins[i] = !p->next.begins[i];
}

static void change_residents(struct polish *p)
{
    const uint32_t n = p->w->n_cut;
    const uint32_t by = 1 + below(p, 2);
    struct spelling *const x = &p->next;
    if (below(p, 4) == 0) {
        x->cut = below(p, n);
    } else if (below(p, 2) == 0) {
        x->cut = x->cut + by < n ? x->cut + by : n - 1;
    } else {
        x->cut -= x->cut < by ? x->cut : by;
    }
    x->t.resident_bytes = p->w->cut[x->cut];
}

/* Puts a segment into the partition; what is left of those that it meets runs
 * layer by layer. */
static void put_segment(struct polish *p, const struct segment *g)
{
    const struct work *const w = p->w;
    struct partition *const to = &p->next.part;
    const uint32_t n = to->n;
    memcpy(p->spare, to->x, n * sizeof *to->x);
    to->n = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct segment *const x = &p->spare[i].seg;
        if (x->hi <= g->lo || x->lo >= g->hi) {
            to->x[to->n++] = p->spare[i];
            continue;
        }
        for (uint32_t y = x->lo; y < x->hi; y++) {
            if (y == g->lo) {
                to->x[to->n++] = (struct choice){.seg = *g};
            }
            if (y < g->lo || y >= g->hi) {
                to->x[to->n++] =
                    (struct choice){.seg = w->seg[w->seg_at[y + 1]]};
            }
        }
    }
}

static void change_segment(struct polish *p)
{
    const struct work *const w = p->w;
    const bool solo = below(p, 3) == 0;
    const uint32_t y = below(p, w->l->n_layer);
    put_segment(p, &w->seg[solo ? w->seg_at[y + 1] : below(p, w->n_seg)]);
}

static void change_placing(struct polish *p)
{
    struct recipe *const how = &p->next.t.how;
    const uint32_t what = below(p, 8);
    how->late = false;
    if (what < 3) {
        how->order =
            (enum place_order)(PLACE_LONG_MIXED + below(p, PLACE_ORDERS / 2));
        how->shuffle = below(p, 4) == 0 ? 0 : 1 + random_bits(p);
    } else if (what < 5) {
        how->high ^= (uint64_t)1 << below(p, 1 + p->w->c->n_chunk) % 64;
    } else if (what < 6) {
        how->high = below(p, 2) == 0 ? 0 : random_bits(p);
    } else if (what < 7) {
        how->defer ^= (uint64_t)1 << below(p, 1 + p->w->c->n_chunk) % 64;
    } else {
        how->defer = 0;
    }
    how->side = (enum place_side)below(p, PLACE_SIDES);
}

static void change(struct polish *p)
{
    const uint32_t what = below(p, 16);
    if (what < 5) {
        change_slices(p);
    } else if (what < 8) {
        change_residents(p);
    } else if (what < 10) {
        change_segment(p);
    } else {
        change_placing(p);
    }
}

/* ---- trials ---- */

/* Says which segments read weights again; `fits` is whether all can be. */
static bool set_restream(struct polish *p, struct spelling *x, bool *fits)
{
    const struct work *const w = p->w;
    struct slices s;
    const uint64_t taken =
        size_div_up(w->c->state_bytes + x->t.resident_bytes, w->align) *
        w->align;
    *fits = taken <= p->budget;
    if (!slices_make(w, x->t.resident_bytes, NULL, NULL, &s)) {
        return false;
    }
    x->part.need = 0;
    for (uint32_t i = 0; i < x->part.n && *fits; i++) {
        struct choice *const k = &x->part.x[i];
        k->restream = false;
        k->region = 0;
        k->restream =
            choice_need(&s, k) > p->budget - taken && k->seg.stripe > 0;
        const uint64_t need = choice_need(&s, k);
        *fits = slices_allow(&s, &k->seg) && need <= p->budget - taken;
        x->part.need_ix = need > x->part.need ? i : x->part.need_ix;
        x->part.need = size_max(x->part.need, need);
    }
    x->t.fill.bytes = p->budget - size_min(taken, p->budget);
    return true;
}

/* Makes the plan of p->next; its time is UINT64_MAX when it does not fit. */
static bool try_next(struct polish *p)
{
    const struct arena_mark mark = arena_mark(p->w->cx->scratch);
    struct draft d;
    bool fits = false;
    p->next.ns = UINT64_MAX;
    point_inside(&p->next);
    p->n_trial++;
    p->effort += p->w->l->n_buf + p->w->c->n_chunk;
    if (!set_restream(p, &p->next, &fits) ||
        (fits && !trial_draft(p->w, &p->next.t, &d))) {
        return false;
    }
    if (fits) {
        p->effort += d.p.n_step + d.p.n_load_run;
        p->next.ns = d.fits ? d.p.latency_ns : UINT64_MAX;
    }
    arena_rewind(p->w->cx->scratch, mark);
    return true;
}

static bool spell_out(struct polish *p, const struct trial *t, uint64_t ns)
{
    const struct work *const w = p->w;
    struct spelling *const x = &p->best;
    const struct arena_mark mark = arena_mark(w->cx->scratch);
    struct draft d;
    if (!trial_choose(w, t, NULL, &d)) {
        return false;
    }
    x->t = *t;
    x->t.how.limit = p->budget;
    x->t.how.late = false;
    x->ns = ns;
    x->part.n = d.part->n;
    memcpy(x->part.x, d.part->x, d.part->n * sizeof *d.part->x);
    for (uint32_t i = 0; i < d.s->n; i++) {
        x->begins[d.s->x[i].chunk0] = true;
    }
    while (x->cut + 1 < w->n_cut && w->cut[x->cut] < t->resident_bytes) {
        x->cut++;
    }
    arena_rewind(w->cx->scratch, mark);
    return true;
}

bool trial_polish(const struct work *w, uint64_t budget, uint64_t enough_ns,
                  struct trial *best, uint64_t *best_ns)
{
    if (!w->is_small) {
        return true;
    }
    struct polish *const p = arena_new(w->cx->scratch, struct polish, 1);
    if (!p) {
        return false;
    }
    *p = (struct polish){.w = w, .budget = budget, .random = 1};
    p->spare = arena_new(w->cx->scratch, struct choice, w->l->n_layer);
    if (!p->spare || !start_spelling(w, &p->best) ||
        !start_spelling(w, &p->here) || !start_spelling(w, &p->next) ||
        !spell_out(p, best, *best_ns)) {
        return false;
    }
    copy_spelling(w, &p->best, &p->here);
    uint32_t idle = 0;
    while (p->n_trial < MAX_POLISH_TRIALS && p->effort < MAX_POLISH_EFFORT &&
           p->best.ns > enough_ns) {
        copy_spelling(w, &p->here, &p->next);
        for (uint32_t i = 1 + below(p, MAX_CHANGES); i > 0; i--) {
            change(p);
        }
        bool ok = try_next(p);
        for (uint32_t i = 1; ok && i < PLACINGS && p->next.ns == UINT64_MAX;
             i++) {
            change_placing(p);
            ok = try_next(p);
        }
        if (!ok) {
            return false;
        }
        idle++;
        if (p->next.ns <= p->here.ns + p->here.ns / 256 * below(p, 4)) {
            copy_spelling(w, &p->next, &p->here);
        }
        if (p->here.ns < p->best.ns) {
            copy_spelling(w, &p->here, &p->best);
            idle = 0;
        } else if (idle == RETURN_AFTER) {
            copy_spelling(w, &p->best, &p->here);
            idle = 0;
        }
    }
    point_inside(&p->best);
    *best = p->best.t;
    *best_ns = p->best.ns;
    return true;
}
