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
    MAX_SLICE = 8 << 20, /* bytes of one load, about one piece to compute on */
    MIN_TRIALS = 36,
    MAX_EFFORT = 50000, /* executed instructions and buffers placed */
    MAX_TRIALS = 160,   /* per budget */
    MAX_TURNS = 256,
    STARTS = 3, /* of k_starts, where there is a plan already */
    ROUNDS = 6, /* in which every knob is turned */
    IN_FLIGHT_LEAST = 2,
    TIGHT = 8,    /* budgets below 8 / 7 of the least are */
    SQUEAKS = 12, /* see struct recipe */
    SQUEAKS_LEAST = 120,
    LOWERINGS = 6 /* of a peak, tried */
};

static const struct taste tastes[] = {
    {.compute = 8, .loads = 8},
    {.is_local = true},
    {.compute = 8, .loads = 1},
    {.compute = 1, .loads = 8},
    {.compute = 8, .loads = 8, .plain = true},
};
/* For the least plan: what packs more easily first. */
static const struct taste lean_tastes[] = {
    {.compute = 8, .loads = 8, .lean = true},
    {.compute = 8, .loads = 8, .lean = true, .plain = true},
    {.compute = 8, .loads = 8},
    {.compute = 8, .loads = 8, .plain = true},
};

struct search {
    struct work w;
    struct plan best;  /* n_box 0: none yet */
    struct trial t;    /* of best */
    uint64_t bound_ns; /* at the budget of best */
    uint64_t least_bytes;
};

/* ---- one plan ---- */

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

/* Names a plan's boundaries, and copies its arrays where the caller wants
 * them. */
static bool keep_plan(struct arena *a, const struct layers *l,
                      const struct plan *p, struct plan *out)
{
    const uint32_t *const order = plan_buf_order(p, a);
    for (uint32_t i = 0; order && i < p->n_boundary; i++) {
        p->boundary[i].id = plan_boundary_id(l, p, order, &p->boundary[i]);
    }
    *out = *p;
    return order && copy(a, &out->buf, p->buf, p->n_buf, sizeof *p->buf) &&
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
    const bool ok = trial_draft(w, t, &d) && set_in_flight(w, &d.p) &&
                    keep_plan(w->cx->keep, w->l, &d.p, out);
    arena_rewind(w->cx->scratch, mark);
    return ok;
}

/* Whether a plan ends less than 2 % above what lives at once. */
static bool is_dense(uint64_t peak, uint64_t live)
{
    return peak <= live + live / 51;
}

/* Tries one limit for a trial, in this order of placement and others. */
static bool try_limit(const struct work *w, uint64_t most_ns, struct trial *t,
                      struct draft *d, bool *is_good)
{
    static const enum place_order orders[] = {PLACE_LONG_MIXED, PLACE_BIG_MIXED,
                                              PLACE_EARLY_MIXED};
    *is_good = false;
    for (uint32_t i = 0; i <= ARRAY_LEN(orders) && !*is_good; i++) {
        const struct arena_mark mark = arena_mark(w->cx->scratch);
        if (i > 0) {
            t->how.order = orders[i - 1];
            t->how.squeaks = SQUEAKS_LEAST;
        }
        const bool ok = trial_draft(w, t, d);
        arena_rewind(w->cx->scratch, mark);
        if (!ok) {
            return false;
        }
        *is_good = d->fits && d->p.latency_ns <= most_ns;
    }
    return true;
}

/* What comes as early as it finds room may lie higher than it need. Changes the
 * limit of a trial that fits, so that its peak is lower and its time no more
 * than most_ns. */
static bool lower_peak(const struct work *w, uint64_t most_ns, struct trial *t)
{
    uint64_t low = 0; /* no good */
    uint64_t high = UINT64_MAX;
    struct trial x = *t;
    for (uint32_t i = 0; i <= LOWERINGS; i++) {
        struct draft d;
        bool is_good = false;
        if (!try_limit(w, most_ns, &x, &d, &is_good)) {
            return false;
        }
        if (is_good) {
            *t = x;
            high = d.p.peak;
            low = low < d.live || low >= high ? d.live : low;
        } else if (i == 0) {
            break;
        } else {
            low = x.how.limit;
        }
        if (is_good && is_dense(high, d.live)) {
            break;
        }
        x = *t;
        x.how.limit = low + (i == 0 ? low / 128 : (high - low) / 2);
    }
    return true;
}

/* ---- 1. the least ---- */

static uint64_t reserved(const struct work *w, uint64_t resident_bytes)
{
    return size_div_up(w->c->state_bytes + resident_bytes, w->align) * w->align;
}

/* The least so far. */
struct least {
    uint64_t peak; /* UINT64_MAX: none */
    struct trial t;
};

static bool try_least(const struct work *w, const struct trial *t,
                      struct draft *d, struct least *best)
{
    const struct arena_mark mark = arena_mark(w->cx->scratch);
    const bool ok = trial_finish(w, &t->how, d);
    if (ok && d->fits && d->p.peak < best->peak) {
        best->peak = d->p.peak;
        best->t = *t;
    }
    arena_rewind(w->cx->scratch, mark);
    return ok;
}

/* Packs what was chosen for a trial ever more loosely, up to the best so far.
 */
static bool pack_least(const struct work *w, struct trial t, struct draft *d,
                       struct least *best)
{
    static const uint32_t thousandths[] = {
        1000, 1003, 1006, 1009, 1012, 1014, 1016, 1017, 1018, 1019,
        1020, 1024, 1028, 1032, 1036, 1045, 1060, 1100, 1200, 1500};
    const uint64_t taken = reserved(w, t.resident_bytes);
    for (uint32_t i = 0; i < ARRAY_LEN(thousandths); i++) {
        t.how.limit = taken + d->part->need / 1000 * thousandths[i] + 1000;
        for (uint32_t k = PLACE_SIDES * PLACE_LONG_MIXED;
             k < PLACE_SIDES * PLACE_ORDERS; k++) {
            t.how.order = (enum place_order)(k / PLACE_SIDES);
            t.how.side = (enum place_side)(k % PLACE_SIDES);
            if (t.how.limit >= best->peak) {
                return true;
            }
            if (!try_least(w, &t, d, best)) {
                return false;
            }
        }
    }
    return true;
}

/* The same for placements that stop at no limit. */
static bool pack_freely(const struct work *w, struct trial t, struct draft *d,
                        struct least *best)
{
    t.how.limit = UINT64_MAX / 4;
    for (uint32_t order = 0; order < PLACE_ORDERS; order++) {
        t.how.order = (enum place_order)order;
        if (!try_least(w, &t, d, best)) {
            return false;
        }
    }
    return true;
}

/* A number that only equal choices share, but for a rare accident, which costs
 * a trial. */
static uint64_t hash_of(const struct draft *d, const struct trial *t)
{
    const uint64_t mul = 0x9e3779b97f4a7c15;
    uint64_t h = t->resident_bytes * mul + t->how.high * PLACE_ORDERS +
                 (uint64_t)t->how.order;
    for (uint32_t i = 0; i < d->part->n; i++) {
        const struct choice *const x = &d->part->x[i];
        h = (h ^ (h >> 29) ^ x->region) * mul;
        h = (h ^ (h >> 29) ^ ((uint64_t)x->seg.lo << 32 | x->seg.stripe)) * mul;
        h = (h ^ (h >> 29) ^ x->seg.lead) * mul;
    }
    for (uint32_t i = 0; i < d->s->n; i++) {
        h = (h ^ (h >> 29) ^ d->s->x[i].chunk0) * mul;
    }
    return h;
}

/* In the same memory, loads may start earlier, slices be larger, and other
 * partitions fit. */
static bool fill_least(const struct work *w, uint64_t peak, struct trial *best)
{
    const struct trial least = *best;
    uint64_t tried[ARRAY_LEN(tastes) * 3] = {0};
    uint64_t ns = UINT64_MAX;
    for (uint32_t i = 0; i < ARRAY_LEN(tastes) * 3; i++) {
        const struct arena_mark mark = arena_mark(w->cx->scratch);
        struct trial t = least;
        t.taste = tastes[i / 3];
        t.fill.bytes = peak - reserved(w, 0);
        t.fill.eighths = i % 3 * 4;
        t.fill.slice_bytes = MAX_SLICE;
        t.fill.parts = 4;
        t.how.limit = peak;
        t.how.late = false;
        t.how.squeaks = SQUEAKS_LEAST;
        struct draft d;
        if (!trial_choose(w, &t, NULL, &d)) {
            return false;
        }
        tried[i] = d.part->n > 0 ? hash_of(&d, &t) : 0;
        bool is_old = tried[i] == 0;
        for (uint32_t k = 0; k < i; k++) {
            is_old = is_old || tried[k] == tried[i];
        }
        if (!is_old && !trial_finish(w, &t.how, &d)) {
            return false;
        }
        if (!is_old && d.fits && d.p.latency_ns < ns) {
            ns = d.p.latency_ns;
            *best = t;
        }
        arena_rewind(w->cx->scratch, mark);
    }
    return true;
}

/* Whether a budget is so near the least that the least plan's time matters. */
static bool is_tight(const struct options *opt, uint64_t least)
{
    for (uint32_t i = 0; i < opt->n_budget; i++) {
        const struct budget *const b = &opt->budget[i];
        if (b->kind == BUDGET_MIN ||
            (b->kind == BUDGET_BYTES && b->bytes < 2 * least)) {
            return true;
        }
    }
    return false;
}

/* A little more need than the least sometimes packs better. */
static bool find_least(struct search *f, struct plan *out)
{
    static const uint32_t percent[] = {100, 101, 102, 103, 105,
                                       108, 112, 118, 126, 140};
    const struct work *const w = &f->w;
    struct slices s;
    if (!slices_make(w, 0, NULL, NULL, &s)) {
        return false;
    }
    const struct arena_mark mark = arena_mark(w->cx->scratch);
    const uint64_t need = partition_least(w, &s);
    enum { N_TASTES = ARRAY_LEN(lean_tastes) };
    struct least best = {.peak = UINT64_MAX};
    for (uint32_t i = 0; i < N_TASTES * ARRAY_LEN(percent); i++) {
        const struct trial t = {
            .cap = need / 100 * percent[i / N_TASTES] + need % 100,
            .fill = {.parts = 1},
            .taste = lean_tastes[i % N_TASTES],
            .how = {.late = true, .squeaks = SQUEAKS_LEAST},
        };
        struct draft d;
        if (reserved(w, 0) + need >= best.peak) {
            break;
        }
        const bool ok =
            trial_choose(w, &t, &s, &d) &&
            (d.part->n == 0 ||
             (pack_least(w, t, &d, &best) &&
              (best.peak != UINT64_MAX || pack_freely(w, t, &d, &best))));
        arena_rewind(w->cx->scratch, mark);
        if (!ok) {
            return false;
        }
    }
    if (best.peak == UINT64_MAX) {
        return diag_error(w->cx->diag, E_TOO_BIG, at_none(),
                          "every plan has more than %d executed instructions",
                          PLAN_MAX_EXECUTED);
    }
    f->t = best.t;
    return (!is_tight(w->opt, best.peak) || fill_least(w, best.peak, &f->t)) &&
           make_again(w, &f->t, out);
}

/* ---- 2. the largest ---- */

static bool find_largest(struct search *f, struct plan *out)
{
    const struct work *const w = &f->w;
    const struct trial t = {
        .resident_bytes = w->cut[w->n_cut - 1],
        .cap = UINT64_MAX,
        .fill = {.slice_bytes = MAX_SLICE, .parts = 1},
        .taste = tastes[0],
        .how = {.late = true, .squeaks = SQUEAKS},
    };
    const struct arena_mark mark = arena_mark(w->cx->scratch);
    struct least best = {.peak = UINT64_MAX};
    struct draft d;
    const bool ok =
        trial_choose(w, &t, NULL, &d) && pack_freely(w, t, &d, &best);
    arena_rewind(w->cx->scratch, mark);
    return ok && (best.peak == UINT64_MAX || make_again(w, &best.t, out));
}

/* ---- 3. a budget ---- */

/* See recipe.high. */
static const uint64_t every_other = 0x5555555555555555;

/* What the search turns, one knob at a time. */
enum knob {
    KNOB_CUT,
    KNOB_CAP,
    KNOB_FILL,
    KNOB_SLICE,
    KNOB_TASTE,
    KNOB_FIT,
    KNOB_ORDER,
    N_KNOBS
};
enum { EIGHTHS = 8, MIXED = PLACE_ORDERS - PLACE_LONG_MIXED };
struct knobs {
    /* CUT: residents, an index into w->cut. CAP: eighths of the room between
     * the least need and all there is, for buffers, so that cascades are cut
     * less. FILL: see struct filling; the rest is for loads ahead. SLICE: index
     * into k_slices. TASTE: index into tastes. FIT: 1: every
     * other slice as high as it can be. ORDER: see set_order, the first one
     * tried. */
    uint32_t x[N_KNOBS];
};

/* Slices: bytes at most, and how many there should be in memory at once. */
static const struct {
    uint64_t bytes;
    uint32_t parts;
} k_slices[] = {
    {MAX_SLICE, 4},      {MAX_SLICE / 4, 4},  {MAX_SLICE, 2},
    {MAX_SLICE / 16, 4}, {MAX_SLICE / 64, 4}, {MAX_SLICE, 1},
};

static const struct knobs k_starts[] = {
    {{[KNOB_CAP] = EIGHTHS, [KNOB_FILL] = EIGHTHS, [KNOB_SLICE] = 5}},
    {{[KNOB_CAP] = EIGHTHS,
      [KNOB_FILL] = EIGHTHS,
      [KNOB_SLICE] = 2,
      [KNOB_TASTE] = 1}},
    {{[KNOB_CAP] = EIGHTHS / 2, [KNOB_FILL] = EIGHTHS / 2, [KNOB_SLICE] = 1}},
    {{[KNOB_CAP] = EIGHTHS, [KNOB_FILL] = EIGHTHS / 2, [KNOB_SLICE] = 1}},
    {{[KNOB_SLICE] = 1}},
};

/* The best so far. */
struct found {
    struct knobs at;
    struct trial t;
    uint64_t ns;
    uint64_t enough_ns; /* no plan is faster */
    uint64_t tried[MAX_TRIALS];
    uint32_t n_tried;
    struct knobs turned[MAX_TURNS]; /* so many first settings that were tried */
    uint32_t n_turned;
    struct slices chunks; /* slices of one chunk, of prefix chunks_cut */
    uint32_t chunks_cut;
    uint64_t effort; /* instructions of all trials */
    uint32_t n_cut;  /* cuts that leave room for the rest: [0, n_cut) */
    bool is_tight;   /* placing takes all that the least plan takes */
};

/* Loads of everything that is not resident, in the fewest reads. */
static uint64_t stored_ns(const struct work *w, const struct slices *s)
{
    return device_load_ns(w->d, s->stored, 0);
}

static bool is_new(struct found *best, uint64_t hash)
{
    for (uint32_t i = 0; i < best->n_tried; i++) {
        if (best->tried[i] == hash) {
            return false;
        }
    }
    best->tried[best->n_tried++] = hash;
    return true;
}

/* Slices of one chunk with the residents of this cut. */
static const struct slices *chunks_of(const struct work *w, uint32_t cut,
                                      struct found *best)
{
    if (best->chunks_cut != cut) {
        slices_fill(w, w->cut[cut], NULL, NULL, &best->chunks);
        best->chunks_cut = cut;
    }
    return &best->chunks;
}

/* The k-th way of placing: where memory is tight, those that pack best. */
static void set_order(const struct found *best, uint32_t k, struct recipe *how)
{
    how->order = (enum place_order)(
        best->is_tight ? PLACE_LONG_MIXED + k % MIXED : k % PLACE_ORDERS);
    how->side = (enum place_side)(best->is_tight ? k / MIXED % PLACE_SIDES : 0);
}

/* Tries a trial under all placement orders until one fits. */
static bool try_trial(const struct work *w, struct trial t,
                      const struct knobs *at, struct found *best)
{
    struct draft d;
    if (!trial_choose(w, &t, chunks_of(w, at->x[KNOB_CUT], best), &d)) {
        return false;
    }
    set_order(best, at->x[KNOB_ORDER], &t.how);
    if (d.part->n == 0 || !is_new(best, hash_of(&d, &t))) {
        return true;
    }
    bool fits = false;
    const uint32_t n = best->is_tight ? MIXED * PLACE_SIDES : PLACE_ORDERS;
    t.how.squeaks = best->is_tight ? SQUEAKS_LEAST : SQUEAKS;
    for (uint32_t i = 0; i < n && !fits; i++) {
        const struct arena_mark mark = arena_mark(w->cx->scratch);
        const uint32_t k = (at->x[KNOB_ORDER] + i) % n;
        set_order(best, k, &t.how);
        if (!trial_finish(w, &t.how, &d)) {
            return false;
        }
        fits = d.fits;
        best->effort += d.p.n_step + d.p.n_load_run + d.p.n_buf;
        if (fits && d.p.latency_ns < best->ns) {
            best->ns = d.p.latency_ns;
            best->t = t;
            best->at = *at;
            best->at.x[KNOB_ORDER] = k;
        }
        arena_rewind(w->cx->scratch, mark);
    }
    return true;
}

/* Notes a setting of the knobs; false when it has been before. */
static bool note_turn(struct found *best, const struct knobs *at)
{
    for (uint32_t i = 0; i < best->n_turned; i++) {
        if (memcmp(&best->turned[i], at, sizeof *at) == 0) {
            return false;
        }
    }
    if (best->n_turned < MAX_TURNS) {
        best->turned[best->n_turned++] = *at;
    }
    return true;
}

/* Tries these knobs unless they have been, or cannot be better. */
static bool try_knobs(const struct work *w, uint64_t budget,
                      const struct knobs *at, struct found *best)
{
    const uint32_t *const x = at->x;
    if (best->n_tried == MAX_TRIALS ||
        (best->effort > MAX_EFFORT && best->n_tried >= MIN_TRIALS) ||
        x[KNOB_CUT] >= best->n_cut || !note_turn(best, at)) {
        return true;
    }
    const struct arena_mark mark = arena_mark(w->cx->scratch);
    const uint64_t resident_bytes = w->cut[x[KNOB_CUT]];
    const struct slices *const s = chunks_of(w, x[KNOB_CUT], best);
    const uint64_t bound = stored_ns(w, s);
    const uint64_t least = partition_least(w, s);
    const uint64_t taken = reserved(w, resident_bytes);
    bool ok = true;
    if (budget >= taken && budget - taken >= least && bound < best->ns) {
        const uint64_t room = budget - taken - least;
        const struct trial t = {
            .resident_bytes = resident_bytes,
            .cap = least + room / EIGHTHS * x[KNOB_CAP] + room % EIGHTHS,
            .fill = {.bytes = least + room,
                     .eighths = x[KNOB_FILL],
                     .slice_bytes = k_slices[x[KNOB_SLICE]].bytes,
                     .parts = k_slices[x[KNOB_SLICE]].parts},
            .taste = tastes[x[KNOB_TASTE]],
            .how = {.limit = budget,
                    .high = x[KNOB_FIT] * every_other,
                    .squeaks = SQUEAKS},
        };
        ok = try_trial(w, t, at, best);
    }
    arena_rewind(w->cx->scratch, mark);
    return ok;
}

/* Cuts that leave room for the rest. What the rest needs varies by little. */
static void count_cuts(const struct work *w, uint64_t budget,
                       struct found *best)
{
    uint32_t lo = 0; /* cuts below lo leave room */
    uint32_t hi = w->n_cut;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        const uint64_t taken = reserved(w, w->cut[mid]);
        if (taken <= budget &&
            partition_least(w, chunks_of(w, mid, best)) <= budget - taken) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    best->n_cut = lo;
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

static bool is_enough(const struct found *best)
{
    return best->ns <= best->enough_ns + best->enough_ns / 512;
}

/* Moves the residents of the best up and down by ever smaller steps. */
static bool slide(const struct work *w, uint64_t budget, struct found *best)
{
    const uint64_t most = w->cut[best->n_cut - 1];
    for (uint32_t part = 8; part <= 128 && !is_enough(best); part *= 2) {
        const uint64_t so_far = best->ns;
        for (uint32_t i = 0; i < 3 && best->ns == so_far; i++) {
            struct knobs k = best->at;
            const uint64_t here = w->cut[k.x[KNOB_CUT]];
            const uint64_t step = most / part;
            k.x[KNOB_CUT] =
                cut_below(w, best->n_cut - 1,
                          i < 2 ? here + step : here - size_min(here, step));
            if (i == 1) {
                const uint32_t fill = k.x[KNOB_FILL];
                k.x[KNOB_FILL] = fill < EIGHTHS / 2 ? 0 : fill - EIGHTHS / 2;
            }
            if (!try_knobs(w, budget, &k, best)) {
                return false;
            }
        }
    }
    return true;
}

/* Puts each other knob into each of its places. */
static bool turn(const struct work *w, uint64_t budget, struct found *best)
{
    static const struct {
        enum knob knob;
        uint32_t by;
        uint32_t n;
    } turns[] = {
        {KNOB_SLICE, 1, ARRAY_LEN(k_slices)}, {KNOB_FILL, 2, EIGHTHS / 2 + 1},
        {KNOB_CAP, 2, EIGHTHS / 2 + 1},       {KNOB_FIT, 1, 2},
        {KNOB_TASTE, 1, ARRAY_LEN(tastes)},   {KNOB_ORDER, 1, PLACE_ORDERS},
    };
    for (uint32_t i = 0; i < ARRAY_LEN(turns); i++) {
        for (uint32_t v = 0; v < turns[i].n && !is_enough(best); v++) {
            struct knobs k = best->at;
            k.x[turns[i].knob] = v * turns[i].by;
            if (!try_knobs(w, budget, &k, best)) {
                return false;
            }
        }
    }
    return true;
}

/* Improves f->best, a plan that fits the budget, if the search can. */
static bool find_plan(struct search *f, uint64_t budget)
{
    /* Residents first tried: so many 16ths of the most; the first only where
     * loads need not cost time, since it is most often enough. */
    static const uint32_t first[] = {8, 16, 8, 12, 0};
    const struct work *const w = &f->w;
    const uint64_t before_ns = f->best.latency_ns;
    struct found *const best = arena_new(w->cx->scratch, struct found, 1);
    if (!best || !plan_bound(w, budget, &best->enough_ns) ||
        !slices_new(w, &best->chunks)) {
        return false;
    }
    best->chunks_cut = UINT32_MAX;
    count_cuts(w, budget, best);
    f->bound_ns = best->enough_ns;
    best->is_tight = budget > f->least_bytes &&
                     budget / TIGHT < f->least_bytes / (TIGHT - 1);
    best->ns = before_ns;
    if (best->n_cut == 0 || is_enough(best)) {
        return true;
    }
    best->ns = UINT64_MAX; /* the way to a better plan may lead over worse */
    const uint32_t most = best->n_cut - 1;
    const bool is_free = best->enough_ns <= w->all_ns + w->all_ns / 64;
    for (uint32_t i = is_free ? 0 : 1; i < ARRAY_LEN(first); i++) {
        for (uint32_t j = 0; j < ARRAY_LEN(k_starts) && !is_enough(best); j++) {
            struct knobs k = k_starts[j];
            k.x[KNOB_CUT] =
                first[i] == 16
                    ? most
                    : cut_below(w, most, w->cut[most] / 16 * first[i]);
            if ((j < STARTS || best->ns == UINT64_MAX) &&
                !try_knobs(w, budget, &k, best)) {
                return false;
            }
        }
    }
    for (uint32_t i = 0; i < ROUNDS && best->ns < UINT64_MAX; i++) {
        const uint64_t so_far = best->ns;
        if (!slide(w, budget, best) || !turn(w, budget, best)) {
            return false;
        }
        if (best->ns == so_far) {
            break;
        }
    }
    if (best->ns > before_ns) {
        best->ns = before_ns;
        best->t = f->t;
    }
    if (!is_enough(best) &&
        !trial_polish(w, budget, best->enough_ns + best->enough_ns / 512,
                      &best->t, &best->ns)) {
        return false;
    }
    if (best->ns < before_ns) {
        const uint64_t slack_ns =
            size_min(best->ns / 2048, before_ns - best->ns - 1);
        struct plan p;
        if (!lower_peak(w, best->ns + slack_ns, &best->t) ||
            !make_again(w, &best->t, &p)) {
            return false;
        }
        /* A shorter queue may cost what the search had gained. */
        if (p.latency_ns < before_ns) {
            f->best = p;
            f->t = best->t;
        }
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

/* What is found with the least plan's bytes may need still less. */
static bool lower_least(struct search *f, struct plan *least)
{
    f->best = *least;
    f->least_bytes = least->peak;
    if (!find_plan(f, least->peak)) {
        return false;
    }
    if (f->best.peak < least->peak) {
        *least = f->best;
    }
    return true;
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
    if (largest.n_box > 0 && largest.peak < least.peak) {
        least = largest;
    }
    for (uint32_t i = 0; i < opt->n_budget; i++) {
        const struct budget *const b = &opt->budget[i];
        if (b->kind == BUDGET_BYTES && b->bytes < least.peak) {
            if (!lower_least(f, &least)) {
                return false;
            }
            if (b->bytes < least.peak) {
                return refuse(w, b, &least);
            }
        }
        if (b->kind == BUDGET_MAX) {
            set_plan(b, UINT64_MAX, w->all_ns,
                     largest.n_box > 0 ? &largest : &least, &set->plan[i]);
        }
    }
    set->least_bytes = least.peak;
    set->least_layer = least.peak_layer;
    f->best = least;
    f->least_bytes = least.peak;
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
