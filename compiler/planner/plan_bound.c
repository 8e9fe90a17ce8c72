#include "planner/plan_work.h"

#include <string.h>

#include "base/arena.h"
#include "base/size.h"

/* Why no plan is faster. Every plan runs some path of segments from layer 0 to
 * the last, with some prefix of the residents. Along it, two clocks:
 *
 *   t   when the boxes of all layers so far are done
 *   L   when the loads of all layers so far are done; loads come in the order
 *       of layers
 *
 * A segment of compute c and loads q ends not before t + c nor before L + q.
 * At its start and at its end, what is loaded for layers to come lies in the
 * memory that residents and the segment's own buffers leave: L cannot be ahead
 * of t by more than the loads of the next layers that fit there (`ahead`).
 * Weights that do not fit beside a cascade's buffers come again with every
 * stripe.
 *
 * Both clocks only grow with those before, so the least of each, taken over
 * all paths apart, bounds every path: x -> f(x) is monotone and f(x + d) =
 * f(x) + d. A steady plan has y + T >= f(y); whenever f(x) >= x + m, then
 * T >= m [Collatz-Wielandt]. x starts as the first run can at best and is then
 * iterated.
 *
 * The residents of a plan are one of many prefixes. Prefixes [a, b] are bounded
 * together: memory as with a, loads as with b; the interval of the least bound
 * is split, as often as there is time. */

enum {
    ROUNDS = 6,
    SPLITS = 16, /* of intervals of prefixes */
    MAX_PARTS = SPLITS + 1
};

struct clocks {
    int64_t t;
    int64_t load;
};

/* What a segment is under an interval of prefixes. */
struct crossing {
    bool is_possible;
    bool has_ahead;       /* the last two are known */
    int64_t load;         /* its loads */
    int64_t ahead_before; /* loads from its first layer on that fit beside it */
    int64_t ahead_after;  /* from the layer after it on */
};

/* Weights under an interval of prefixes. */
struct flow {
    const struct work *w;
    uint64_t room;  /* bytes besides state and the shorter prefix */
    uint64_t *held; /* per chunk of two runs, and the end: bytes of those
                       before that are streamed, with the longer prefix */
    uint64_t *ns;   /* the same: their loads */
    uint64_t *slot; /* per layer: its largest streamed chunk */
    struct clocks *x;
    struct crossing *crossing; /* per segment */
};

static uint64_t chunk_ns(const struct work *w, const struct chunk *k)
{
    return device_load_ns(w->d, k->stored_bytes,
                          k->codec == CODEC_ZSTD ? k->raw_bytes : 0) -
           w->d->read_latency_ns;
}

static void fill_flow(struct flow *f, uint64_t resident_bytes)
{
    const struct work *const w = f->w;
    const uint32_t n = w->c->n_chunk;
    uint32_t last = UINT32_MAX; /* streamed chunk */
    memset(f->slot, 0, w->l->n_layer * sizeof *f->slot);
    for (uint32_t i = 0; i < n; i++) {
        const struct chunk *const k = &w->c->chunk[i];
        f->held[i + 1] = f->held[i];
        f->ns[i + 1] = f->ns[i];
        /* Of a table no run needs more than a few chunks: none is counted. */
        if (w->c->lattice[k->layer].panel_entries > 0 ||
            k->res_off + k->raw_bytes <= resident_bytes) {
            continue;
        }
        /* One read at least for each K block, rounded up by two at most. */
        const bool joins = last != UINT32_MAX &&
                           w->c->chunk[last].layer == k->layer &&
                           w->c->chunk[last].kblock == k->kblock;
        const uint64_t ns = chunk_ns(w, k);
        f->ns[i + 1] +=
            (ns > 2 ? ns - 2 : 0) + (joins ? 0 : w->d->read_latency_ns);
        f->held[i + 1] += k->raw_bytes;
        f->slot[k->layer] = size_max(f->slot[k->layer], k->raw_bytes);
        last = i;
    }
    for (uint32_t i = 0; i < n; i++) {
        f->held[n + i + 1] = f->held[n] + f->held[i + 1];
        f->ns[n + i + 1] = f->ns[n] + f->ns[i + 1];
    }
}

/* First chunk of layers from y on. */
static uint32_t chunk_of(const struct flow *f, uint32_t y)
{
    const struct work *const w = f->w;
    return y < w->l->n_layer ? w->first_chunk[y] : w->c->n_chunk;
}

/* The longest time of loads of layers from y on, at most one run's, that fit
 * into so many bytes: whole chunks, in order. `near` is a chunk up to which,
 * about, they do; it becomes the right one. */
static int64_t ahead(const struct flow *f, uint32_t y, uint64_t bytes,
                     uint32_t *near)
{
    const uint32_t first = chunk_of(f, y);
    const uint32_t end = first + f->w->c->n_chunk;
    const uint64_t most = f->held[first] + bytes;
    uint32_t lo = *near < first ? first : *near < end ? *near : end;
    uint32_t step = 1;
    uint32_t hi = lo + 1; /* all before lo fit, not all before hi */
    if (f->held[lo] <= most) {
        while (hi <= end && f->held[hi] <= most) {
            lo = hi;
            hi += step;
            step *= 2;
        }
        hi = hi <= end ? hi : end + 1;
    } else {
        hi = lo;
        lo = first;
        while (hi - first > step && f->held[hi - step] > most) {
            hi -= step;
            step *= 2;
        }
        lo = hi - first > step ? hi - step : first;
    }
    while (hi - lo > 1) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (f->held[mid] <= most) {
            lo = mid;
        } else {
            hi = mid;
        }
    }
    *near = lo;
    return (int64_t)(f->ns[lo] - f->ns[first]);
}

static uint64_t held_of(const struct flow *f, uint32_t lo, uint32_t hi)
{
    return f->held[chunk_of(f, hi)] - f->held[chunk_of(f, lo)];
}

static uint64_t ns_of(const struct flow *f, uint32_t lo, uint32_t hi)
{
    return f->ns[chunk_of(f, hi)] - f->ns[chunk_of(f, lo)];
}

/* Nanoseconds of loads of a cascade that come again, at least; UINT64_MAX when
 * it cannot be. */
static uint64_t again_ns(const struct flow *f, const struct segment *g)
{
    uint64_t slot = 0;
    for (uint32_t y = g->lo; y < g->hi; y++) {
        slot = size_max(slot, f->slot[y]);
    }
    if (g->bytes > f->room || slot > f->room - g->bytes) {
        return UINT64_MAX;
    }
    const uint64_t left = f->room - g->bytes;
    const uint64_t held = held_of(f, g->lo, g->hi);
    if (g->stripe == 0 || held <= left) {
        return 0;
    }
    /* The cheapest bytes to read again. */
    double least = 1e30;
    for (uint32_t y = g->lo; y < g->hi; y++) {
        const double of = (double)held_of(f, y, y + 1);
        const double ns =
            (double)ns_of(f, y, y + 1) -
            (double)(f->w->d->read_latency_ns * f->w->c->lattice[y].n_kblock);
        least = of > 0 && ns / of < least ? ns / of : least;
    }
    const double ns = (double)(held - left) * (double)(g->n_iter - 1) * least;
    return ns > 0 ? (uint64_t)ns : 0;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static struct crossing crossing_of(const struct flow *f,
                                   const struct segment *g)
{
    const uint64_t again = again_ns(f, g);
    struct crossing x = {.is_possible = again != UINT64_MAX};
    if (x.is_possible) {
        x.load = (int64_t)(ns_of(f, g->lo, g->hi) + again);
    }
    return x;
}

static int64_t compute_of(const struct flow *f, const struct segment *g)
{
    const uint64_t ns = f->w->before_ns[g->hi] - f->w->before_ns[g->lo];
    return (int64_t)(ns + g->more_ns);
}

/* Whether a segment cannot lower a clock at its end, however far loads run
 * ahead. */
static bool is_late(const struct flow *f, const struct segment *g,
                    const struct crossing *k)
{
    const struct clocks a = f->x[g->lo];
    const struct clocks b = f->x[g->hi];
    return !f->w->d->loader_shares_core && a.t + compute_of(f, g) >= b.t &&
           a.load + k->load >= b.load;
}

static struct clocks cross(const struct flow *f, const struct segment *g,
                           struct crossing *k, uint32_t near[2])
{
    if (!k->has_ahead) {
        k->has_ahead = true;
        k->ahead_before = ahead(f, g->lo, f->room - g->bytes, &near[0]);
        k->ahead_after = ahead(f, g->hi, f->room - g->bytes, &near[1]);
    }
    const int64_t c = compute_of(f, g);
    struct clocks x = f->x[g->lo];
    if (f->w->d->loader_shares_core) {
        x.t += c + k->load;
        x.load = x.t;
        return x;
    }
    x.load = later(x.load, x.t - k->ahead_before) + k->load;
    x.t = later(x.t + c, x.load);
    x.load = later(x.load, x.t - k->ahead_after);
    return x;
}

/* Least period with any of these prefixes; UINT64_MAX: no plan has one. */
static uint64_t flow_bound(struct flow *f)
{
    const struct work *const w = f->w;
    const uint32_t n = w->l->n_layer;
    const struct clocks none = {INT64_MAX, INT64_MAX};
    int64_t best = 0;
    uint32_t near[2] = {0, 0};
    f->x[0] = (struct clocks){0, 0};
    if (f->room >= w->io_bytes) {
        f->x[0].load = -ahead(f, 0, f->room - w->io_bytes, &near[0]);
    }
    for (uint32_t round = 0; round < ROUNDS; round++) {
        const struct clocks start = f->x[0];
        for (uint32_t hi = 1; hi <= n; hi++) {
            f->x[hi] = none;
            for (uint32_t i = w->seg_at[hi]; i < w->seg_at[hi + 1]; i++) {
                const struct segment *const g = &w->seg[i];
                if (round == 0) {
                    f->crossing[i] = crossing_of(f, g);
                }
                struct crossing *const k = &f->crossing[i];
                if (f->x[g->lo].t == INT64_MAX || !k->is_possible ||
                    is_late(f, g, k)) {
                    continue;
                }
                const struct clocks x = cross(f, g, k, near);
                f->x[hi].t = x.t < f->x[hi].t ? x.t : f->x[hi].t;
                f->x[hi].load = x.load < f->x[hi].load ? x.load : f->x[hi].load;
            }
        }
        if (f->x[n].t == INT64_MAX) {
            return UINT64_MAX;
        }
        const int64_t dt = f->x[n].t - start.t;
        const int64_t dl = f->x[n].load - start.load;
        best = later(best, dt < dl ? dt : dl);
        f->x[0] = f->x[n];
        if (dt == dl) {
            break;
        }
    }
    return (uint64_t)best;
}

/* Prefixes cut[lo] .. cut[hi]. */
struct part {
    uint32_t lo;
    uint32_t hi;
    uint64_t ns;
};

static void bound_part(struct flow *f, uint64_t budget, struct part *p)
{
    const uint64_t taken = f->w->c->state_bytes + f->w->cut[p->lo];
    p->ns = UINT64_MAX;
    if (taken < budget) {
        f->room = budget - taken;
        fill_flow(f, f->w->cut[p->hi]);
        p->ns = flow_bound(f);
    }
}

bool plan_bound(const struct work *w, uint64_t budget, uint64_t *ns)
{
    *ns = w->all_ns;
    if (w->is_mapped || budget == UINT64_MAX) {
        return true;
    }
    const struct arena_mark mark = arena_mark(w->cx->scratch);
    struct arena *const a = w->cx->scratch;
    const uint64_t n = w->l->n_layer;
    const uint64_t n_chunk = w->c->n_chunk;
    struct flow f = {
        .w = w,
        .held = arena_new(a, uint64_t, 2 * n_chunk + 1),
        .ns = arena_new(a, uint64_t, 2 * n_chunk + 1),
        .slot = arena_new(a, uint64_t, n),
        .x = arena_new(a, struct clocks, n + 1),
        .crossing = arena_new(a, struct crossing, w->n_seg),
    };
    if (!f.held || !f.ns || !f.slot || !f.x || !f.crossing) {
        return false;
    }
    struct part part[MAX_PARTS] = {{.hi = w->n_cut - 1}};
    uint32_t n_part = 1;
    bound_part(&f, budget, &part[0]);
    uint32_t at = 0;
    while (n_part < MAX_PARTS && part[at].hi > part[at].lo &&
           part[at].ns != UINT64_MAX) {
        struct part *const p = &part[at];
        struct part *const q = &part[n_part++];
        const uint32_t mid = p->lo + (p->hi - p->lo) / 2;
        *q = (struct part){.lo = mid + 1, .hi = p->hi};
        p->hi = mid;
        bound_part(&f, budget, p);
        bound_part(&f, budget, q);
        for (uint32_t i = 0; i < n_part; i++) {
            at = part[i].ns < part[at].ns ? i : at;
        }
    }
    if (part[at].ns != UINT64_MAX) {
        *ns = size_max(w->all_ns, part[at].ns);
    }
    arena_rewind(w->cx->scratch, mark);
    return true;
}
