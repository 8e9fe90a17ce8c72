#include "support/exact_pack.h"
#include "support/layers_build.h"

#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "planner/plan_check.h"
#include "planner/planner.h"

/* The planner against the exact optimum, on chains of convolutions so small
 * that every plan can be tried: each partition into layers on their own and
 * cascades of each stripe height, each prefix of residents, each way to cut
 * each layer's chunks into slices, each moment for each load to start, each way
 * to place it all. The search shares no code with the planner.
 *
 *   1. Each candidate with bytes counted but not placed, and loads as early as
 *      these allow: no plan of it is faster.
 *   2. Of those that would still be faster than the planner's plan, the fastest
 *      first: starts of loads that are as late as would do for a better time,
 *      until all that lives then can be packed, or none is left. To start a
 *      load later never makes packing harder.
 *
 * Any number of loads may be queued, which is more than a plan can have.
 * Weights are not loaded again for each stripe, and no buffer lies over
 * another, so the planner may win. */

enum {
    MAX_LAYERS = 4,
    MAX_CHUNKS = 10,
    MAX_ROWS = 8,
    RUNS = 6,
    MAX_SLOTS = 4096, /* executed boxes and idle points of all runs */
    MAX_KEPT = 1 << 20,
    MAX_REFUSED = 256,
    MAX_STEPS = 1 << 24 /* of packing, per network */
};

/* A candidate: segment `of` of each layer, its stripe, which chunks begin a
 * slice, how many are resident. */
struct candidate {
    uint32_t n_seg;
    uint32_t lo[MAX_LAYERS + 1];
    uint32_t stripe[MAX_LAYERS]; /* 0: all rows at once */
    uint32_t cuts;               /* bit i: a slice begins at chunk i */
    uint32_t n_resident;
};

struct box {
    uint64_t ns;
    uint64_t live;  /* bytes of buffers */
    uint32_t loads; /* of this run, done before it */
};
struct load {
    uint64_t ns;
    uint64_t bytes;
    uint32_t last; /* box */
};
/* A candidate that may be better than what is known. */
struct kept {
    uint64_t ns; /* at least */
    struct candidate c;
};

struct oracle {
    const struct net *n;
    uint64_t budget;
    struct box box[MAX_SLOTS];
    uint32_t n_box;
    struct load load[MAX_CHUNKS];
    uint32_t n_load;
    uint64_t used[MAX_SLOTS]; /* bytes of loads, per slot */
    uint64_t least;           /* time that no candidate goes below */
    uint64_t best;            /* time of the best plan known */
    struct kept *kept;        /* below `best`; room for MAX_KEPT */
    uint32_t n_kept;
    uint64_t steps; /* of packing */
};

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static uint32_t below(uint32_t *seed, uint32_t n)
{
    return next_random(seed) % n;
}

static uint64_t rows_of(const struct oracle *o)
{
    return o->n->l.buf[0].rows;
}

/* Buffer y is read by layer y and buffer y + 1 written by it. */
static uint64_t halo(const struct oracle *o, uint32_t y)
{
    return (uint64_t)o->n->l.layer[y].in[0].map.lo;
}

static uint64_t clamp(int64_t v, uint64_t most)
{
    return v < 0 ? 0 : size_min((uint64_t)v, most);
}

/* Rows that layer y of cascade [.., hi) has done after iteration t. */
static uint64_t end_of(const struct oracle *o, uint32_t hi, uint32_t stripe,
                       uint32_t y, int64_t t)
{
    int64_t ahead = 0;
    for (uint32_t k = y + 1; k < hi; k++) {
        ahead += (int64_t)halo(o, k);
    }
    return t < 0 ? 0 : clamp(stripe * (t + 1) + ahead, rows_of(o));
}

static uint64_t full_of(const struct oracle *o, uint32_t buf)
{
    const struct buffer *const b = &o->n->l.buf[buf];
    return size_div_up(b->rows * b->row_bytes, 64) * 64;
}

/* Rows to keep between layers y and y + 1. */
static uint64_t ring_of(const struct oracle *o, uint32_t hi, uint32_t stripe,
                        uint32_t y, uint32_t n_iter)
{
    uint64_t ring = 1;
    for (int64_t t = 0; t < n_iter; t++) {
        const uint64_t top = end_of(o, hi, stripe, y, t);
        const uint64_t own = end_of(o, hi, stripe, y, t - 1);
        const uint64_t r0 = end_of(o, hi, stripe, y + 1, t - 1);
        const uint64_t r1 = end_of(o, hi, stripe, y + 1, t);
        ring = size_max(ring, top - own);
        if (r1 > r0) {
            const uint64_t from = r0 - size_min(r0, halo(o, y + 1));
            ring = size_max(ring, top - from);
        }
    }
    return ring;
}

/* Bytes of buffers while a segment runs; the first buffer is the network's
 * input, the last its output. */
static uint64_t live_of(const struct oracle *o, uint32_t lo, uint32_t hi,
                        uint32_t stripe, uint32_t n_iter)
{
    uint64_t bytes = full_of(o, lo) + full_of(o, hi);
    for (uint32_t y = lo; y + 1 < hi; y++) {
        bytes += size_div_up(ring_of(o, hi, stripe, y, n_iter) *
                                 o->n->l.buf[y + 1].row_bytes,
                             64) *
                 64;
    }
    return bytes;
}

/* ---- what a candidate executes ---- */

/* Slices of layer y from chunk i on, not beyond its last; resident ones are as
 * long as can be. */
static uint32_t slice_end(const struct oracle *o, const struct candidate *c,
                          uint32_t y, uint32_t i)
{
    const struct lattice *const t = &o->n->c.lattice[y];
    uint32_t end = i + 1;
    while (end < t->chunk0 + t->n_chunk && end != c->n_resident &&
           (end < c->n_resident || (c->cuts >> end & 1u) == 0)) {
        end++;
    }
    return end;
}

static void push_boxes(struct oracle *o, const struct candidate *c, uint32_t y,
                       uint64_t rows, uint64_t live, bool loads)
{
    const struct lattice *const t = &o->n->c.lattice[y];
    uint32_t i = t->chunk0;
    while (i < t->chunk0 + t->n_chunk) {
        const uint32_t end = slice_end(o, c, y, i);
        uint64_t panels = 0;
        uint64_t bytes = 0;
        for (uint32_t k = i; k < end; k++) {
            panels += o->n->c.chunk[k].n_panel;
            bytes += o->n->c.chunk[k].raw_bytes;
        }
        if (loads && i >= c->n_resident) {
            o->load[o->n_load++] = (struct load){
                .ns = device_load_ns(&o->n->d, bytes, 0), .bytes = bytes};
        }
        struct box b = {.live = live, .loads = o->n_load};
        if (rows > 0) {
            b.ns = cand_box_ns(&o->n->k.cand[y], &o->n->l.layer[y], t, rows,
                               panels, UINT64_MAX);
        }
        if (i >= c->n_resident && loads) {
            o->load[o->n_load - 1].last = o->n_box;
        }
        assert_true(o->n_box < MAX_SLOTS);
        o->box[o->n_box++] = b;
        i = end;
    }
}

static void push_segment(struct oracle *o, const struct candidate *c,
                         uint32_t seg)
{
    const uint32_t lo = c->lo[seg];
    const uint32_t hi = c->lo[seg + 1];
    const uint32_t stripe = c->stripe[seg];
    if (stripe == 0) {
        push_boxes(o, c, lo, rows_of(o), live_of(o, lo, hi, 0, 0), true);
        return;
    }
    const uint32_t n_iter = (uint32_t)size_div_up(rows_of(o), stripe);
    const uint64_t live = live_of(o, lo, hi, stripe, n_iter);
    const uint32_t load0 = o->n_load;
    const uint32_t box0 = o->n_box;
    for (int64_t t = 0; t < n_iter; t++) {
        for (uint32_t y = lo; y < hi; y++) {
            push_boxes(o, c, y,
                       end_of(o, hi, stripe, y, t) -
                           end_of(o, hi, stripe, y, t - 1),
                       live, t == 0);
        }
    }
    for (uint32_t i = load0; i < o->n_load; i++) {
        o->load[i].last = o->n_box - 1;
    }
    for (uint32_t i = box0; i < o->n_box; i++) {
        o->box[i].loads = o->n_load;
    }
}

/* ---- time ---- */

/* The earliest slot >= from in which a load fits until `last`; last + 1 when
 * there is none. Slot 0 of a run is the idle point before it. */
static uint32_t find_slot(const struct oracle *o, uint64_t cap, uint32_t from,
                          uint32_t last, uint64_t bytes)
{
    const uint64_t idle = full_of(o, 0) + full_of(o, o->n->l.n_layer);
    uint32_t at = last + 1;
    while (at > from) {
        const uint32_t in_run = (at - 1) % (o->n_box + 1);
        const uint64_t live = in_run == 0 ? idle : o->box[in_run - 1].live;
        if (live + o->used[at - 1] + bytes > cap) {
            break;
        }
        at--;
    }
    return at;
}

/* Period of the runs of a candidate; UINT64_MAX when memory is short. */
static uint64_t period(struct oracle *o, uint64_t cap)
{
    const uint32_t slots = o->n_box + 1;
    assert_true(RUNS * slots <= MAX_SLOTS);
    memset(o->used, 0, RUNS * slots * sizeof *o->used);
    uint64_t done[MAX_SLOTS]; /* per slot: when its box is done */
    uint64_t loaded[RUNS][MAX_CHUNKS];
    uint64_t loader = 0;
    uint64_t now = 0;
    uint64_t end[RUNS];
    uint32_t from = 0;
    uint32_t run = 0; /* of the next load */
    uint32_t ix = 0;
    for (uint32_t i = 0; i < slots; i++) {
        const uint64_t idle = full_of(o, 0) + full_of(o, o->n->l.n_layer);
        if ((i == 0 ? idle : o->box[i - 1].live) > cap) {
            return UINT64_MAX;
        }
    }
    for (uint32_t s = 0; s < RUNS * slots; s++) {
        const uint32_t r = s / slots;
        const struct box *const b =
            s % slots > 0 ? &o->box[s % slots - 1] : NULL;
        /* Loads that may start before this slot's box. */
        while (run < RUNS && run <= r + 1) {
            const struct load *const x = &o->load[ix];
            if (o->n_load == 0) {
                break;
            }
            const uint32_t last = run * slots + 1 + x->last;
            const uint32_t at = find_slot(o, cap, from, last, x->bytes);
            if (at > s) {
                break;
            }
            from = s;
            for (uint32_t k = s; k <= last; k++) {
                o->used[k] += x->bytes;
            }
            loader = size_max(loader, s > 0 ? done[s - 1] : 0) + x->ns;
            loaded[run][ix] = loader;
            ix = (ix + 1) % o->n_load;
            run += ix == 0;
        }
        if (b && b->loads > 0) {
            const bool there = run > r || (run == r && ix >= b->loads);
            if (!there) {
                return UINT64_MAX;
            }
            now = size_max(now, loaded[r][b->loads - 1]);
        }
        now += b ? b->ns : 0;
        done[s] = now;
        if (s % slots == slots - 1) {
            end[r] = now;
        }
    }
    return (end[RUNS - 1] - end[RUNS - 3]) / 2;
}

/* ---- with addresses ---- */

/* A candidate in slots of its period: 0 is the idle point before a run, i + 1
 * its box i; negative ones are of the run before. */
struct exact {
    struct oracle *o;
    uint64_t cap;
    int32_t period;
    int32_t due[MAX_CHUNKS];   /* slot of the first box that waits for it */
    int32_t last[MAX_CHUNKS];  /* of the last box that uses it */
    int32_t start[MAX_CHUNKS]; /* its load may start before this slot's box */
    struct exact_items items;  /* buffers, then loads */
    uint32_t n_buf;
    int32_t refused[MAX_REFUSED][MAX_CHUNKS]; /* starts that cannot be packed */
    uint32_t n_refused;
};

/* Period of runs with these starts of loads. */
static uint64_t period_of(const struct exact *e, const int32_t *start)
{
    const struct oracle *const o = e->o;
    uint64_t done[MAX_SLOTS];
    uint64_t loaded[RUNS][MAX_CHUNKS];
    uint64_t end[RUNS];
    uint64_t loader = 0;
    uint64_t now = 0;
    int32_t run = 0; /* of the next load */
    uint32_t ix = 0;
    for (int32_t s = 0; s < RUNS * e->period; s++) {
        const int32_t r = s / e->period;
        while (run < RUNS && o->n_load > 0 &&
               run * e->period + start[ix] <= s) {
            loader = size_max(loader, s > 0 ? done[s - 1] : 0) + o->load[ix].ns;
            loaded[run][ix] = loader;
            ix = (ix + 1) % o->n_load;
            run += ix == 0;
        }
        if (s % e->period > 0) {
            const struct box *const b = &o->box[s % e->period - 1];
            if (b->loads > 0 && (run < r || (run == r && ix < b->loads))) {
                return UINT64_MAX;
            }
            now = b->loads > 0 ? size_max(now, loaded[r][b->loads - 1]) : now;
            now += b->ns;
        }
        done[s] = now;
        end[r] = now;
    }
    return (end[RUNS - 1] - end[RUNS - 3]) / 2;
}

/* Bytes that a load takes, into slots of the run before and this one. */
static void use(const struct exact *e, uint32_t load, int32_t first,
                int32_t shift, uint64_t *used)
{
    for (int32_t t = first; t <= e->last[load]; t++) {
        const int32_t at = t + shift + e->period;
        if (at >= 0 && at < 2 * e->period) {
            used[at] += e->o->load[load].bytes;
        }
    }
}

static int32_t earliest(const struct exact *e, const int32_t *start,
                        uint32_t load)
{
    const int32_t own = e->last[load] - e->period + 1;
    return load > 0 && start[load - 1] > own ? start[load - 1] : own;
}

/* No plan with these starts of the first n loads is faster: the others start
 * as early as there are bytes. */
static uint64_t hope(const struct exact *e, uint32_t n)
{
    const struct oracle *const o = e->o;
    uint64_t used[MAX_SLOTS];
    int32_t start[MAX_CHUNKS];
    const uint64_t idle = full_of(o, 0) + full_of(o, o->n->l.n_layer);
    for (int32_t t = 0; t < 2 * e->period; t++) {
        const int32_t at = t % e->period;
        used[t] = at == 0 ? idle : o->box[at - 1].live;
    }
    for (uint32_t i = 0; i < n; i++) {
        start[i] = e->start[i];
        use(e, i, start[i], -e->period, used);
        use(e, i, start[i], 0, used);
        use(e, i, start[i], e->period, used);
    }
    for (uint32_t i = n; i < o->n_load; i++) {
        const int32_t from = earliest(e, start, i);
        start[i] = e->last[i] + 1;
        while (start[i] > from &&
               used[start[i] - 1 + e->period] + o->load[i].bytes <= e->cap) {
            start[i]--;
        }
        if (start[i] > e->due[i]) {
            return UINT64_MAX;
        }
        use(e, i, start[i], 0, used);
    }
    return period_of(e, start);
}

/* Whether starts that are all as late, or later, could not be packed. */
static bool is_refused(const struct exact *e)
{
    for (uint32_t i = 0; i < e->n_refused; i++) {
        uint32_t k = 0;
        while (k < e->o->n_load && e->start[k] <= e->refused[i][k]) {
            k++;
        }
        if (k == e->o->n_load) {
            return true;
        }
    }
    return false;
}

static bool try_starts(struct exact *e)
{
    struct oracle *const o = e->o;
    const uint64_t ns = period_of(e, e->start);
    if (ns >= o->best || is_refused(e)) {
        return false;
    }
    e->items.n = e->n_buf;
    for (uint32_t i = 0; i < o->n_load; i++) {
        e->items.x[e->items.n++] =
            (struct exact_item){o->load[i].bytes, e->start[i], e->last[i]};
    }
    if (exact_pack(&e->items, MAX_STEPS, &o->steps)) {
        o->best = ns;
        return true;
    }
    if (e->n_refused < MAX_REFUSED) {
        memcpy(e->refused[e->n_refused++], e->start, sizeof e->start);
    }
    return false;
}

/* Tries starts for the loads from `load` on until a better plan is found. */
static bool try_loads(struct exact *e, uint32_t load)
{
    struct oracle *const o = e->o;
    if (load == o->n_load) {
        return try_starts(e);
    }
    const int32_t from = earliest(e, e->start, load);
    for (int32_t s = e->due[load]; s >= from; s--) {
        e->start[load] = s;
        /* Loads of the next run come after all of this one. */
        if (s == 0 || (load > 0 && s - e->period > e->start[0]) ||
            hope(e, load + 1) >= o->best) {
            continue;
        }
        if (try_loads(e, load + 1)) { // NOLINT(misc-no-recursion): by loads
            return true;
        }
        if (load + 1 == o->n_load) {
            break; /* earlier would only be harder to pack */
        }
    }
    return false;
}

static void add_item(struct exact_items *t, uint64_t bytes, uint32_t first,
                     uint32_t last)
{
    assert_true(t->n < EXACT_MAX_ITEMS);
    t->x[t->n++] = (struct exact_item){bytes, (int32_t)first, (int32_t)last};
}

/* Buffers of a candidate whose segment i has the boxes [box[i], box[i + 1]). */
static void add_buffers(const struct oracle *o, const struct candidate *c,
                        const uint32_t *box, struct exact_items *t)
{
    add_item(t, full_of(o, 0), 0, box[1]);
    for (uint32_t i = 0; i < c->n_seg; i++) {
        const uint32_t hi = c->lo[i + 1];
        const uint32_t n_iter =
            c->stripe[i] == 0 ? 1
                              : (uint32_t)size_div_up(rows_of(o), c->stripe[i]);
        for (uint32_t y = c->lo[i]; y + 1 < hi; y++) {
            const uint64_t bytes = ring_of(o, hi, c->stripe[i], y, n_iter) *
                                   o->n->l.buf[y + 1].row_bytes;
            add_item(t, size_div_up(bytes, 64) * 64, box[i] + 1, box[i + 1]);
        }
        add_item(t, full_of(o, hi), box[i] + 1,
                 i + 1 < c->n_seg ? box[i + 2] : o->n_box + 1);
    }
    t->lower = 0;
    t->upper = t->n - 1;
}

static uint64_t room_of(const struct oracle *o, const struct candidate *c)
{
    uint64_t resident = 0;
    for (uint32_t i = 0; i < c->n_resident; i++) {
        resident += o->n->c.chunk[i].raw_bytes;
    }
    const uint64_t taken = size_div_up(o->n->c.state_bytes + resident, 64) * 64;
    return o->budget - size_min(o->budget, taken);
}

/* Finds the best plan of a candidate if it is better than o->best. */
static void place_candidate(struct oracle *o, const struct candidate *c)
{
    static struct exact e;
    uint32_t box[MAX_LAYERS + 1];
    e = (struct exact){.o = o, .cap = room_of(o, c)};
    o->n_box = 0;
    o->n_load = 0;
    for (uint32_t i = 0; i < c->n_seg; i++) {
        box[i] = o->n_box;
        push_segment(o, c, i);
    }
    box[c->n_seg] = o->n_box;
    e.period = (int32_t)o->n_box + 1;
    e.items = (struct exact_items){.period = e.period, .cap = e.cap};
    add_buffers(o, c, box, &e.items);
    e.n_buf = e.items.n;
    for (uint32_t i = 0; i < o->n_load; i++) {
        e.last[i] = (int32_t)o->load[i].last + 1;
        while (o->box[e.due[i]].loads <= i) {
            e.due[i]++;
        }
        e.due[i]++;
    }
    while (try_loads(&e, 0)) {
    }
}

static int by_time(const void *a, const void *b)
{
    const struct kept *const x = a;
    const struct kept *const y = b;
    return x->ns < y->ns ? -1 : x->ns > y->ns;
}

static void place_kept(struct oracle *o)
{
    qsort(o->kept, o->n_kept, sizeof *o->kept, by_time);
    for (uint32_t i = 0; i < o->n_kept && o->kept[i].ns < o->best; i++) {
        place_candidate(o, &o->kept[i].c);
    }
    assert_true(o->steps < MAX_STEPS); /* else nothing is proven */
}

/* ---- all candidates ---- */

static void try_candidate(struct oracle *o, const struct candidate *c)
{
    const uint64_t cap = room_of(o, c);
    o->n_box = 0;
    o->n_load = 0;
    for (uint32_t i = 0; i < c->n_seg; i++) {
        push_segment(o, c, i);
    }
    const uint64_t ns = period(o, cap);
    o->least = size_min(o->least, ns);
    if (ns < o->best) {
        assert_true(o->n_kept < MAX_KEPT);
        o->kept[o->n_kept++] = (struct kept){ns, *c};
    }
}

static void try_weights(struct oracle *o, struct candidate *c)
{
    const uint32_t n = o->n->c.n_chunk;
    uint32_t fixed = 0; /* the first chunks of layers */
    for (uint32_t y = 0; y < o->n->l.n_layer; y++) {
        fixed |= 1u << o->n->c.lattice[y].chunk0;
    }
    for (c->n_resident = 0; c->n_resident <= n; c->n_resident++) {
        const uint32_t past = ~((1u << c->n_resident) - 1u) & ((1u << n) - 1u);
        for (uint32_t cuts = 0; cuts < 1u << n; cuts++) {
            if ((cuts & (fixed | ~past)) == 0) {
                c->cuts = cuts | fixed;
                try_candidate(o, c);
            }
        }
    }
}

/* All ways to go on from layer c->lo[c->n_seg]. */
static void try_segments(struct oracle *o, struct candidate c)
{
    const uint32_t n = o->n->l.n_layer;
    const uint32_t lo = c.lo[c.n_seg];
    if (lo == n) {
        try_weights(o, &c);
        return;
    }
    for (uint32_t hi = lo + 1; hi <= n; hi++) {
        const uint32_t most = hi == lo + 1 ? 0 : (uint32_t)rows_of(o) - 1;
        for (uint32_t s = hi == lo + 1 ? 0 : 1; s <= most; s++) {
            struct candidate next = c;
            next.stripe[c.n_seg] = s;
            next.lo[++next.n_seg] = hi;
            try_segments(o, next); // NOLINT(misc-no-recursion): by layers
        }
    }
}

/* ---- instances ---- */

static void random_chain(struct net *n, struct fixture *f, uint32_t *seed)
{
    net_start(n, f);
    n->chunk_goal = 1; /* a chunk a panel */
    n->d.read_latency_ns = BYTES(500) * below(seed, 4);
    n->d.read_bytes_per_ms = 300000u << below(seed, 5);
    n->d.step_ns = 100;
    const uint32_t layers = 2 + below(seed, MAX_LAYERS - 1);
    uint32_t x =
        net_input(n, 4 + below(seed, MAX_ROWS - 3), 2 + below(seed, 6), 4);
    uint32_t chunks = 0;
    for (uint32_t i = 0; i < layers; i++) {
        const uint32_t left = MAX_CHUNKS - chunks - (layers - 1 - i);
        const uint32_t panels = 1 + below(seed, left < 3 ? left : 3);
        x = net_conv(n, x, 16 * panels, 1 + 2 * below(seed, 2), 1);
        chunks += panels;
    }
    net_output(n, x);
    net_finish(n, 64);
}

static void plan_make__is_near_the_optimum_of_small_chains(void **state)
{
    enum { NETS = 200, PER_CENT = 100 };
    struct fixture *f = *state;
    static struct net n;
    static struct oracle o;
    static struct kept kept[MAX_KEPT];
    double sum = 0;
    double worst = 0;
    for (uint32_t i = 0; i < NETS; i++) {
        uint32_t seed = i * 31 + 7;
        struct plan_set s;
        fixture_restart(f, ARENA_NO_FAULT);
        random_chain(&n, f, &seed);
        net_budget(&n, BUDGET_MIN, 0);
        net_budget(&n, BUDGET_MAX, 0);
        f->cx.opt = &n.opt;
        assert_true(plan_make(&n.l, &n.c, &n.k, &n.d, &n.opt, &f->cx, &s));
        const uint64_t lo = s.plan[0].peak;
        const uint64_t hi = s.plan[1].peak;
        n.opt.n_budget = 0;
        net_budget(&n, BUDGET_BYTES, lo + (hi - lo) / 8 * below(&seed, 8));
        assert_true(plan_make(&n.l, &n.c, &n.k, &n.d, &n.opt, &f->cx, &s));
        assert_true(plan_check(&n.l, &n.c, &n.k, &s, &f->cx));
        const struct plan *const p = &s.plan[0];
        o = (struct oracle){.n = &n,
                            .budget = n.budget[0].bytes,
                            .least = UINT64_MAX,
                            .best = p->latency_ns,
                            .kept = kept};
        try_segments(&o, (struct candidate){0});
        assert_true(p->bound_ns <= o.least);
        place_kept(&o);
        const double more = (double)p->latency_ns / (double)o.best - 1;
        sum += more;
        worst = more > worst ? more : worst;
    }
    print_message("mean %.3f %%, worst %.2f %%\n", sum / NETS * PER_CENT,
                  worst * PER_CENT);
    assert_true(sum / NETS <= 0.02);
    assert_true(worst <= 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(plan_make__is_near_the_optimum_of_small_chains),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
