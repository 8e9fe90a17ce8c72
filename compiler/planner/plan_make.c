#include "planner/planner.h"

#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/numtext.h"
#include "base/size.h"
#include "planner/plan_work.h"

/* Outline:
 *   1. the least plan: partitions of the least need, placed as tightly as found
 *   2. the largest: everything resident, nothing cut
 *   3. per budget, ascending: residents and room for streams are tried on a
 *      grid; each pair gives a partition, a placement and a simulated time; the
 *      fastest stays, among them the plans of smaller budgets. */

enum {
    MAX_EXECUTED = 1 << 21,
    MAX_SLICE = 2 << 20, /* bytes: one load, about one piece to compute on */
    SLICE_SIZES = 4,     /* tried per budget */
    RESIDENT_STEPS = 16,
    REFINEMENTS = 4,
    IN_FLIGHT_LEAST = 2
};

/* What makes a plan, so that the best can be made again. */
struct trial {
    uint64_t resident_bytes;
    uint64_t slice_bytes;
    uint64_t cap; /* of a segment's need */
    struct recipe how;
};

struct search {
    struct work w;
    struct plan best;  /* n_box 0: none yet */
    uint64_t bound_ns; /* at the budget of best */
};

/* ---- one plan ---- */

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

/* Tries a recipe; d->fits tells whether it gave a plan. All in scratch. */
static bool make_draft(const struct work *w, const struct trial *t,
                       struct draft *d)
{
    struct slices *const s = arena_new(w->cx->scratch, struct slices, 1);
    struct partition *const part =
        arena_new(w->cx->scratch, struct partition, 1);
    *d = (struct draft){.s = s, .part = part};
    if (!s || !part || !slices_make(w, t->resident_bytes, t->slice_bytes, s) ||
        !partition_make(w, s, t->cap, part)) {
        return false;
    }
    if (part->n == 0) {
        return true; /* does not fit */
    }
    struct rects r;
    if (!draft_emit(w, &t->how, d)) {
        return false;
    }
    if (d->p.n_step > MAX_EXECUTED || d->p.n_load_run > MAX_EXECUTED) {
        return true;
    }
    if (!draft_place(w, &t->how, d, &r)) {
        return false;
    }
    if (d->fits && !draft_load(w, &t->how, d, &r)) {
        return false;
    }
    if (d->fits) {
        d->p.peak_layer = peak_layer(w, d);
        return plan_count(w, &d->p) && plan_time(w, &d->p, &d->p.latency_ns);
    }
    return true;
}

static bool copy(struct arena *a, void *dst_ptr, const void *src, uint64_t n,
                 uint64_t size)
{
    void *const dst = arena_alloc_array(a, n, size, 8);
    if (!dst) {
        return false;
    }
    if (n > 0) {
        memcpy(dst, src, n * size);
    }
    memcpy(dst_ptr, &dst, sizeof dst);
    return true;
}

/* Copies a plan's arrays where the caller wants them. */
static bool keep_plan(struct arena *a, const struct plan *p, struct plan *out)
{
    *out = *p;
    return copy(a, &out->buf, p->buf, p->n_buf, sizeof *p->buf) &&
           copy(a, &out->scratch, p->scratch, p->n_layer, sizeof *p->scratch) &&
           copy(a, &out->box, p->box, p->n_box, sizeof *p->box) &&
           copy(a, &out->load, p->load, p->n_load, sizeof *p->load) &&
           copy(a, &out->boundary, p->boundary, p->n_boundary,
                sizeof *p->boundary);
}

/* A short queue of loads makes switches fast; it is as short as costs no time.
 */
static bool set_in_flight(const struct work *w, struct plan *p)
{
    const uint64_t slack = p->latency_ns / 512;
    for (uint32_t n = IN_FLIGHT_LEAST; n < PLAN_MAX_IN_FLIGHT; n *= 2) {
        uint64_t ns = 0;
        p->in_flight = n;
        if (!plan_time(w, p, &ns)) {
            return false;
        }
        if (ns <= p->latency_ns + slack) {
            p->latency_ns = ns;
            return true;
        }
    }
    p->in_flight = PLAN_MAX_IN_FLIGHT;
    return true;
}

/* Makes the plan of a trial that is known to fit, and keeps it. */
static bool make_again(const struct work *w, const struct trial *t,
                       struct plan *out)
{
    const struct arena_mark mark = arena_mark(w->cx->scratch);
    struct draft d;
    const bool ok = make_draft(w, t, &d) && set_in_flight(w, &d.p) &&
                    keep_plan(w->cx->keep, &d.p, out);
    arena_rewind(w->cx->scratch, mark);
    return ok;
}

/* ---- 1. the least ---- */

static uint64_t reserved(const struct work *w, uint64_t resident_bytes)
{
    return size_div_up(w->c->state_bytes + resident_bytes, w->align) * w->align;
}

static bool try_least(const struct work *w, const struct trial *t,
                      uint64_t *peak, struct trial *best)
{
    const struct arena_mark mark = arena_mark(w->cx->scratch);
    struct draft d;
    const bool ok = make_draft(w, t, &d);
    if (ok && d.fits && d.p.peak < *peak) {
        *peak = d.p.peak;
        *best = *t;
    }
    arena_rewind(w->cx->scratch, mark);
    return ok;
}

/* A little more need than the least often packs better. */
static bool find_least(struct search *f, struct plan *out)
{
    static const uint32_t percent[] = {100, 101, 103, 106, 110, 116, 125, 140};
    const struct work *const w = &f->w;
    const struct arena_mark mark = arena_mark(w->cx->scratch);
    struct slices s;
    if (!slices_make(w, 0, 0, &s)) {
        return false;
    }
    const uint64_t least = partition_least(w, &s);
    arena_rewind(w->cx->scratch, mark);
    uint64_t peak = UINT64_MAX;
    struct trial best = {0};
    for (uint32_t i = 0; i < ARRAY_LEN(percent); i++) {
        for (uint32_t order = 0; order < PLACE_ORDERS; order++) {
            const struct trial t = {
                .cap = least / 100 * percent[i] + least % 100,
                .how = {.limit = UINT64_MAX / 4,
                        .order = (enum place_order)order,
                        .late = true},
            };
            if (reserved(w, 0) + least < peak &&
                !try_least(w, &t, &peak, &best)) {
                return false;
            }
        }
    }
    if (peak == UINT64_MAX) {
        return diag_error(w->cx->diag, E_TOO_BIG, at_none(),
                          "every plan has more than %d executed instructions",
                          MAX_EXECUTED);
    }
    /* In the same memory, loads may start earlier. */
    struct trial early = best;
    uint64_t early_peak = peak + 1;
    early.how.limit = peak;
    early.how.late = false;
    if (!try_least(w, &early, &early_peak, &best)) {
        return false;
    }
    return make_again(w, &best, out);
}

/* ---- 2. the largest ---- */

static bool find_largest(struct search *f, struct plan *out)
{
    const struct work *const w = &f->w;
    uint64_t peak = UINT64_MAX;
    struct trial best = {0};
    for (uint32_t order = 0; order < PLACE_ORDERS; order++) {
        const struct trial t = {
            .resident_bytes = w->cut[w->n_cut - 1],
            .slice_bytes = MAX_SLICE,
            .cap = UINT64_MAX,
            .how = {.limit = UINT64_MAX / 4,
                    .order = (enum place_order)order,
                    .late = true},
        };
        if (!try_least(w, &t, &peak, &best)) {
            return false;
        }
    }
    return peak == UINT64_MAX || make_again(w, &best, out);
}

/* ---- 3. a budget ---- */

/* The least arena with these residents and slices. */
static bool least_arena(const struct work *w, uint64_t resident_bytes,
                        uint64_t slice_bytes, uint64_t *bytes)
{
    const struct arena_mark mark = arena_mark(w->cx->scratch);
    struct slices s;
    if (!slices_make(w, resident_bytes, slice_bytes, &s)) {
        return false;
    }
    *bytes = reserved(w, resident_bytes) + partition_least(w, &s);
    arena_rewind(w->cx->scratch, mark);
    return true;
}

/* The largest resident prefix that leaves room for the rest, an index into
 * w->cut; *fits: there is one. */
static bool most_residents(const struct work *w, uint64_t slice_bytes,
                           uint64_t budget, uint32_t *cut, bool *fits)
{
    uint32_t lo = 0;
    uint32_t hi = w->n_cut;
    uint64_t least = 0;
    if (!least_arena(w, 0, slice_bytes, &least)) {
        return false;
    }
    *fits = least <= budget;
    while (*fits && hi - lo > 1) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (!least_arena(w, w->cut[mid], slice_bytes, &least)) {
            return false;
        }
        if (least <= budget) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    *cut = lo;
    return true;
}

/* The best so far. */
struct found {
    struct trial t;
    uint64_t ns;
    uint64_t enough_ns; /* no plan is faster */
};

/* No plan with these slices can be faster. */
static uint64_t slices_bound(const struct work *w, const struct slices *s)
{
    const uint64_t loads = s->held_ns[w->l->n_layer];
    return w->d->loader_shares_core ? w->all_ns + loads
                                    : size_max(w->all_ns, loads);
}

/* Tries a trial under all placement orders until one fits. */
static bool try_trial(const struct work *w, struct trial t, struct found *best)
{
    bool fits = false;
    for (uint32_t order = 0; order < PLACE_ORDERS && !fits; order++) {
        const struct arena_mark mark = arena_mark(w->cx->scratch);
        struct draft d;
        t.how.order = (enum place_order)order;
        if (!make_draft(w, &t, &d)) {
            return false;
        }
        fits = d.fits;
        if (fits && d.p.latency_ns < best->ns) {
            best->ns = d.p.latency_ns;
            best->t = t;
        }
        arena_rewind(w->cx->scratch, mark);
    }
    return true;
}

/* What lies between the least need and all there is goes to buffers, which
 * saves cascades their cuts, or to streams. */
static bool try_residents(const struct work *w, uint64_t budget,
                          uint64_t resident_bytes, uint64_t slice_bytes,
                          struct found *best)
{
    static const uint32_t quarter[] = {0, 1, 2, 4};
    const struct arena_mark mark = arena_mark(w->cx->scratch);
    struct slices s;
    if (!slices_make(w, resident_bytes, slice_bytes, &s)) {
        return false;
    }
    const uint64_t bound = slices_bound(w, &s);
    const uint64_t least = partition_least(w, &s);
    const uint64_t room = budget - reserved(w, resident_bytes);
    uint64_t before = 0; /* need of the last partition */
    for (uint32_t i = 0; i < ARRAY_LEN(quarter) && least <= room; i++) {
        struct trial t = {
            .resident_bytes = resident_bytes,
            .slice_bytes = slice_bytes,
            .cap = least + (room - least) / 4 * quarter[i],
            .how = {.limit = budget, .region = (room - least) / 2},
        };
        struct partition p;
        if (!partition_make(w, &s, t.cap, &p)) {
            return false;
        }
        if (bound < best->ns && p.need != before && !try_trial(w, t, best)) {
            return false;
        }
        before = p.need;
    }
    arena_rewind(w->cx->scratch, mark);
    return true;
}

/* Index of the longest resident prefix of at most this many bytes, not above
 * `most`. */
static uint32_t cut_below(const struct work *w, uint32_t most, uint64_t bytes)
{
    while (most > 0 && w->cut[most] > bytes) {
        most--;
    }
    return most;
}

static bool try_slices(const struct work *w, uint64_t budget,
                       uint64_t slice_bytes, struct found *best)
{
    static const uint32_t part[] = {16, 15, 14, 12, 8, 4, 0}; /* sixteenths */
    uint32_t most = 0;
    bool fits = false;
    if (!most_residents(w, slice_bytes, budget, &most, &fits)) {
        return false;
    }
    uint32_t before = UINT32_MAX;
    for (uint32_t i = 0; fits && i < ARRAY_LEN(part); i++) {
        const uint64_t want = w->cut[most] / RESIDENT_STEPS * part[i];
        const uint32_t cut = i == 0 ? most : cut_below(w, most, want);
        if (cut != before && best->ns > best->enough_ns &&
            !try_residents(w, budget, w->cut[cut], slice_bytes, best)) {
            return false;
        }
        before = cut;
    }
    return true;
}

/* Moves the best's residents by ever smaller steps, as long as it pays. */
static bool refine(const struct work *w, uint64_t budget, struct found *best)
{
    uint32_t most = 0;
    bool fits = false;
    if (!most_residents(w, best->t.slice_bytes, budget, &most, &fits)) {
        return false;
    }
    uint64_t step = w->cut[most] / 8;
    for (uint32_t i = 0; fits && i < REFINEMENTS; i++, step /= 2) {
        const uint64_t here = best->t.resident_bytes;
        const uint64_t around[] = {here + step, here - size_min(here, step)};
        for (uint32_t k = 0; k < ARRAY_LEN(around); k++) {
            const uint32_t cut = cut_below(w, most, around[k]);
            if (w->cut[cut] != here && best->ns > best->enough_ns &&
                !try_residents(w, budget, w->cut[cut], best->t.slice_bytes,
                               best)) {
                return false;
            }
        }
    }
    return true;
}

/* Improves f->best, a plan that fits the budget, if the search can. */
static bool find_plan(struct search *f, uint64_t budget)
{
    const struct work *const w = &f->w;
    const uint64_t before_ns = f->best.latency_ns;
    struct found best = {.ns = before_ns};
    if (!plan_bound(w, budget, &best.enough_ns)) {
        return false;
    }
    f->bound_ns = best.enough_ns;
    uint64_t bytes = MAX_SLICE;
    while (bytes > budget / 8) {
        bytes /= 2;
    }
    /* Slices of one chunk at last. */
    for (uint32_t i = 0; i < SLICE_SIZES; i++) {
        const uint64_t size = i + 1 < SLICE_SIZES ? bytes >> 2 * i : 0;
        const uint64_t so_far = best.ns;
        if (!try_slices(w, budget, size, &best)) {
            return false;
        }
        if (best.ns == so_far && best.ns < before_ns) {
            break; /* smaller ones only get worse */
        }
    }
    if (best.ns < before_ns) {
        if (!refine(w, budget, &best)) {
            return false;
        }
        struct plan p;
        if (!make_again(w, &best.t, &p)) {
            return false;
        }
        /* A shorter queue may cost what the search had gained. */
        f->best = p.latency_ns < before_ns ? p : f->best;
    }
    return true;
}

/* ---- all budgets ---- */

static bool refuse(const struct work *w, const struct budget *b,
                   const struct plan *least)
{
    char asked[SIZE_TEXT_CAP];
    char need[SIZE_TEXT_CAP];
    size_text(asked, b->bytes);
    size_text(need, least->peak);
    const struct layer *const y = &w->l->layer[least->peak_layer];
    return diag_error_budget(w->cx->diag, at_node(y->name, y->op), least->peak,
                             "no plan fits %s; the least is %s, set by node "
                             "'%s'",
                             asked, need, y->name);
}

/* Budgets in ascending order, each once: the next after `*at`, which starts
 * as 0 with *any false. */
static bool next_budget(const struct options *opt, uint64_t least, bool any,
                        uint64_t *at)
{
    bool found = false;
    uint64_t best = 0;
    for (uint32_t i = 0; i < opt->n_budget; i++) {
        const struct budget *const b = &opt->budget[i];
        const uint64_t bytes = b->kind == BUDGET_MIN ? least : b->bytes;
        if (b->kind != BUDGET_MAX && (!any || bytes > *at) &&
            (!found || bytes < best)) {
            found = true;
            best = bytes;
        }
    }
    *at = best;
    return found;
}

static void set_plan(const struct budget *b, uint64_t bytes, uint64_t bound_ns,
                     const struct plan *p, struct plan *out)
{
    *out = *p;
    out->budget = bytes;
    out->budget_text = b->text;
    out->bound_ns = bound_ns;
}

static bool make_all(struct search *f, struct plan_set *set)
{
    const struct work *const w = &f->w;
    const struct options *const opt = w->opt;
    struct plan least = {0};
    struct plan largest = {0};
    if (!find_least(f, &least) || !find_largest(f, &largest)) {
        return false;
    }
    for (uint32_t i = 0; i < opt->n_budget; i++) {
        const struct budget *const b = &opt->budget[i];
        if (b->kind == BUDGET_BYTES && b->bytes < least.peak) {
            return refuse(w, b, &least);
        }
        if (b->kind == BUDGET_MAX) {
            set_plan(b, UINT64_MAX, w->all_ns,
                     largest.n_box > 0 ? &largest : &least, &set->plan[i]);
        }
    }
    f->best = least;
    bool any = false;
    uint64_t bytes = 0;
    while (next_budget(opt, least.peak, any, &bytes)) {
        any = true;
        if (largest.n_box > 0 && bytes >= largest.peak) {
            f->best = largest;
            f->bound_ns = w->all_ns;
        } else if (!find_plan(f, bytes)) {
            return false;
        }
        for (uint32_t i = 0; i < opt->n_budget; i++) {
            const struct budget *const b = &opt->budget[i];
            const uint64_t asked =
                b->kind == BUDGET_MIN ? least.peak : b->bytes;
            if (b->kind != BUDGET_MAX && asked == bytes) {
                set_plan(b, bytes, f->bound_ns, &f->best, &set->plan[i]);
            }
        }
    }
    return true;
}

bool plan_make(const struct layers *l, const struct chunks *c,
               const struct cands *k, const struct device *d,
               const struct options *opt, struct cx *cx, struct plan_set *set)
{
    const struct arena_mark mark = arena_mark(cx->scratch);
    struct search f = {
        .w = {.l = l, .c = c, .k = k, .d = d, .opt = opt, .cx = cx}};
    struct plan_set out = {
        .plan = arena_new(cx->keep, struct plan, opt->n_budget),
        .n_plan = opt->n_budget,
    };
    const bool ok = out.plan && work_make(&f.w) && make_all(&f, &out);
    arena_rewind(cx->scratch, mark);
    if (ok) {
        *set = out;
    }
    return ok;
}
