#include "planner/plan_work.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/size.h"

int64_t slot_of_wait(int64_t wait)
{
    return wait >= 0 ? wait + 1 : wait;
}

static bool meets(int64_t x_first, int64_t x_last, int64_t period,
                  int64_t first, int64_t last)
{
    return (x_first <= last && first <= x_last) ||
           (x_first + period <= last && first <= x_last + period) ||
           (x_first - period <= last && first <= x_last - period);
}

static int by_address(const void *a, const void *b)
{
    const struct taken *const x = a;
    const struct taken *const y = b;
    return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static struct taken taken_by(const struct rect *x)
{
    return (struct taken){x->addr, x->addr + x->bytes, x->first, x->last};
}

void taken_insert(struct taken *list, uint32_t n, const struct rect *x)
{
    for (; n > 0 && list[n - 1].addr > x->addr; n--) {
        list[n] = list[n - 1];
    }
    list[n] = taken_by(x);
}

uint32_t rects_meeting(const struct rects *r, int64_t first, int64_t last,
                       struct taken *list)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->n; i++) {
        if (meets(r->x[i].first, r->x[i].last, r->period, first, last)) {
            list[n++] = taken_by(&r->x[i]);
        }
    }
    if (n > 1) {
        qsort(list, n, sizeof *list, by_address);
    }
    return n;
}

uint64_t taken_hole(const struct taken *list, uint32_t n, int64_t period,
                    const struct rect *x, uint64_t floor)
{
    uint64_t at = size_div_up(floor, x->align) * x->align;
    for (uint32_t i = 0; i < n; i++) {
        if (list[i].addr >= at + x->bytes) {
            break; /* as all after it */
        }
        if (list[i].end > at &&
            meets(list[i].first, list[i].last, period, x->first, x->last)) {
            at = size_div_up(list[i].end, x->align) * x->align;
        }
    }
    return at;
}

uint64_t taken_high_hole(const struct taken *list, uint32_t n, int64_t period,
                         const struct rect *x, uint64_t floor, uint64_t limit)
{
    uint64_t top = limit;
    for (uint32_t i = n;; i--) {
        if (top < floor || x->bytes > top - floor) {
            return UINT64_MAX;
        }
        const uint64_t at = (top - x->bytes) / x->align * x->align;
        uint32_t k = i;
        while (k > 0 &&
               (list[k - 1].addr >= at + x->bytes || list[k - 1].end <= at ||
                !meets(list[k - 1].first, list[k - 1].last, period, x->first,
                       x->last))) {
            k--;
        }
        if (k == 0) {
            return at >= floor ? at : UINT64_MAX;
        }
        top = list[k - 1].addr;
        i = k;
    }
}

/* ---- what lives for whole segments ---- */

enum { RANK_IO = 0 }; /* before all others */

static void add(struct rects *r, struct rect x)
{
    if (x.bytes > 0) {
        r->x[r->n++] = x;
    }
}

static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 31) * 0x9e3779b97f4a7c15;
    h = (h ^ h >> 29) * 0xbf58476d1ce4e5b9;
    return h ^ h >> 32;
}

/* Order of placement: inputs and outputs first and the same in all plans. */
static uint64_t rank_of(const struct work *w, const struct recipe *how,
                        uint32_t buf, const struct rect *x)
{
    const struct buffer *const b = &w->l->buf[buf];
    const bool is_io = b->is_input || b->is_output;
    if (how->shuffle != 0) {
        return 1 + (mix(how->shuffle + buf) >> 8);
    }
    switch (how->order) {
    case PLACE_LONG_FIRST:
    case PLACE_LONG_MIXED:
        return is_io && how->order == PLACE_LONG_FIRST
                   ? RANK_IO
                   : 1 + UINT32_MAX - (b->last - b->first);
    case PLACE_BIG_FIRST:
    case PLACE_BIG_MIXED:
        return is_io && how->order == PLACE_BIG_FIRST
                   ? RANK_IO
                   : UINT64_MAX / 2 - x->bytes;
    case PLACE_EARLY_FIRST:
    case PLACE_EARLY_MIXED:
        return is_io && how->order == PLACE_EARLY_FIRST
                   ? RANK_IO
                   : 1 + (uint64_t)x->first;
    }
    return 1;
}

static void add_buffers(const struct work *w, const struct recipe *how,
                        struct draft *d, const uint32_t *seg_of,
                        struct rects *r)
{
    for (uint32_t i = 0; i < w->l->n_buf; i++) {
        const struct buffer *const b = &w->l->buf[i];
        const uint32_t last =
            b->last < w->l->n_layer ? b->last : w->l->n_layer - 1;
        struct rect x = {
            .first = (int64_t)d->seg[seg_of[b->first]].box0 + 1,
            .last = (int64_t)d->seg[seg_of[last]].box_end,
            .bytes = size_div_up(d->p.buf[i].ring * b->row_bytes, 64) * 64,
            .align = 64,
            .to = &d->p.buf[i].addr,
        };
        x.is_io = b->is_input || b->is_output;
        x.first = b->is_input ? 0 : x.first;
        x.last = b->is_output ? r->period : x.last;
        if (b->is_input && b->is_output) {
            x.last = r->period - 1;
        }
        x.rank = rank_of(w, how, i, &x);
        add(r, x);
    }
}

/* Where the order goes by size, holes take part. */
static uint64_t hole_rank(const struct recipe *how, uint64_t bytes)
{
    const bool by_size =
        how->order == PLACE_BIG_FIRST || how->order == PLACE_BIG_MIXED;
    return by_size ? UINT64_MAX / 2 - bytes : UINT64_MAX;
}

static void add_work_rooms(const struct work *w, const struct recipe *how,
                           struct draft *d, struct rects *r)
{
    for (uint32_t i = 0; i < d->part->n; i++) {
        struct span_of_boxes *const s = &d->seg[i];
        const struct rect x = {
            .first = (int64_t)s->box0 + 1,
            .last = (int64_t)s->box_end,
            .bytes = s->scratch,
            .align = 64,
            .rank = UINT64_MAX - 1,
            .to = &s->scratch_addr,
        };
        add(r, x);
        struct rect region = x;
        region.bytes = s->region;
        region.align = w->align;
        region.rank = UINT64_MAX;
        region.to = &s->region_addr;
        add(r, region);
        /* One hole, at least, for the largest slice to come. */
        struct rect hole = region;
        hole.bytes = s->slot;
        hole.rank = hole_rank(how, s->slot);
        hole.to = NULL;
        add(r, hole);
    }
}

/* Ties go by size, then by the order in which they were added. */
static int by_rank(const void *a, const void *b)
{
    const struct rect *const x = a;
    const struct rect *const y = b;
    if (x->rank != y->rank) {
        return x->rank < y->rank ? -1 : 1;
    }
    if (x->bytes != y->bytes && x->rank != RANK_IO) {
        return x->bytes > y->bytes ? -1 : 1;
    }
    return x->to < y->to ? -1 : x->to > y->to;
}

/* Inputs and outputs, all live while idle, lie in the same order in all plans:
 * x above those before it. */
static uint64_t io_floor(const struct rects *r, const struct rect *x,
                         uint64_t floor)
{
    for (uint32_t i = 0; i < r->n && x->is_io; i++) {
        const struct rect *const y = &r->x[i];
        if (y->is_io && y->to < x->to) {
            floor = size_max(floor, y->addr + y->bytes);
        }
    }
    return floor;
}

/* And below those after it, if they are placed already. */
static bool is_in_order(const struct rects *r, const struct rect *x)
{
    for (uint32_t i = 0; i < r->n && x->is_io; i++) {
        const struct rect *const y = &r->x[i];
        if (y->is_io && y->to > x->to && y->addr < x->addr) {
            return false;
        }
    }
    return true;
}

/* ---- what meets what ---- */

/* Rectangles that share a slot, by id: those of x are near[at[x]] and on, up to
 * at[x + 1]. All but inputs and outputs meet few. */
struct nearness {
    uint32_t *at;
    uint32_t *near;
    const struct rect **placed; /* per id; NULL: not yet */
    struct taken *list;         /* room for what meets a unit */
    uint32_t *seen;             /* per id: unit that has it in its list */
    uint32_t unit;
};

static int by_first(const void *a, const void *b)
{
    const struct rect *const *const x = a;
    const struct rect *const *const y = b;
    return (*x)->first < (*y)->first ? -1 : (*x)->first > (*y)->first;
}

/* Counts pairs per id, and notes them where there is room. x ascends by its
 * first slot, and nothing begins in the run before; so one meets those after it
 * up to its end, and what begins with the run also what outlasts it. */
static void note_pairs(const struct rect *const *x, uint32_t n, int64_t period,
                       const struct nearness *near, uint32_t *count)
{
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = i + 1;
             k < n && (x[i]->first == 0 || x[k]->first <= x[i]->last); k++) {
            if (!meets(x[i]->first, x[i]->last, period, x[k]->first,
                       x[k]->last)) {
                continue;
            }
            const uint32_t a = x[i]->id;
            const uint32_t b = x[k]->id;
            if (near->near) {
                near->near[near->at[a] + count[a]] = b;
                near->near[near->at[b] + count[b]] = a;
            }
            count[a]++;
            count[b]++;
        }
    }
}

static bool find_near(struct arena *a, const struct rects *r,
                      struct nearness *near)
{
    const struct rect **const x = arena_new(a, const struct rect *, r->n);
    uint32_t *const count = arena_new(a, uint32_t, r->n);
    *near = (struct nearness){
        .at = arena_new(a, uint32_t, (uint64_t)r->n + 1),
        .placed = arena_new(a, const struct rect *, r->n),
        .list = arena_new(a, struct taken, r->n),
        .seen = arena_new(a, uint32_t, r->n),
    };
    if (!x || !count || !near->at || !near->placed || !near->list ||
        !near->seen) {
        return false;
    }
    for (uint32_t i = 0; i < r->n; i++) {
        r->x[i].id = i;
        x[i] = &r->x[i];
    }
    qsort(x, r->n, sizeof(const struct rect *), by_first);
    note_pairs(x, r->n, r->period, near, count);
    for (uint32_t i = 0; i < r->n; i++) {
        near->at[i + 1] = near->at[i] + count[i];
        count[i] = 0;
    }
    near->near = arena_new(a, uint32_t, near->at[r->n]);
    if (!near->near) {
        return false;
    }
    note_pairs(x, r->n, r->period, near, count);
    return true;
}

/* Lists what has been placed and meets one of the n rectangles from x on. */
static uint32_t list_near(struct nearness *near, const struct rect *x,
                          uint32_t n)
{
    uint32_t n_list = 0;
    near->unit++;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = near->at[x[i].id]; k < near->at[x[i].id + 1]; k++) {
            const uint32_t id = near->near[k];
            if (near->placed[id] && near->seen[id] != near->unit) {
                near->seen[id] = near->unit;
                taken_insert(near->list, n_list++, near->placed[id]);
            }
        }
    }
    return n_list;
}

/* ---- units ---- */

/* Rectangles from x on that are placed together. */
static uint32_t unit_of(const struct rect *x, uint32_t left)
{
    uint32_t n = 1;
    while (x->group != 0 && n < left && x[n].group == x->group) {
        n++;
    }
    return n;
}

/* Places the next n rectangles as low as all of them can be at their distances,
 * beside those before them, of which all that they meet are listed. */
static void place_unit(struct rects *r, uint32_t n, uint64_t floor,
                       const struct taken *list, uint32_t n_list)
{
    struct rect *const x = &r->x[r->n];
    uint64_t base = 0;
    for (uint32_t i = 0; i < n;) {
        const uint64_t want = base + x[i].off;
        x[i].addr = taken_hole(list, n_list, r->period, &x[i],
                               size_max(want, io_floor(r, &x[i], floor)));
        if (x[i].addr == want || n == 1) {
            i++;
        } else {
            base = x[i].addr - x[i].off;
            i = 0; /* all of them once more */
        }
    }
}

/* The same as high as they can be; false when they cannot. */
static bool place_unit_high(struct rects *r, uint32_t n, uint64_t floor,
                            uint64_t limit, const struct taken *list,
                            uint32_t n_list)
{
    struct rect *const x = &r->x[r->n];
    uint64_t end = 0; /* of the group, from its base */
    for (uint32_t i = 0; i < n; i++) {
        end = size_max(end, x[i].off + x[i].bytes);
    }
    if (end > limit) {
        return false;
    }
    uint64_t base = (limit - end) / x->align * x->align;
    for (uint32_t i = 0; i < n;) {
        const uint64_t want = base + x[i].off;
        x[i].addr =
            taken_high_hole(list, n_list, r->period, &x[i],
                            io_floor(r, &x[i], floor), want + x[i].bytes);
        if (x[i].addr == UINT64_MAX || x[i].addr < x[i].off) {
            return false;
        }
        const bool is_there = x[i].addr == want;
        base = x[i].addr - x[i].off;
        i = is_there ? i + 1 : 0;
    }
    return true;
}

/* Places all, each as low as it can be after those before it. The first that
 * ends above the limit, or out of order; n when there is none. */
static uint32_t place_all(const struct recipe *how, uint32_t n, uint64_t floor,
                          struct nearness *near, struct rects *r)
{
    uint32_t n_units = 0;
    memset(near->placed, 0, n * sizeof(const struct rect *));
    for (r->n = 0; r->n < n;) {
        const uint32_t at = r->n;
        const uint32_t n_unit = unit_of(&r->x[at], n - at);
        const bool high = how->side == PLACE_GROUPS_HIGH ? n_unit > 1
                          : how->side == PLACE_HALF_HIGH ? n_units++ % 2 > 0
                                                         : false;
        const uint32_t n_list = list_near(near, &r->x[at], n_unit);
        if (!high || !place_unit_high(r, n_unit, floor, how->limit, near->list,
                                      n_list)) {
            place_unit(r, n_unit, floor, near->list, n_list);
        }
        for (uint32_t i = at; i < at + n_unit; i++) {
            const struct rect *const x = &r->x[i];
            if (x->addr > how->limit || x->bytes > how->limit - x->addr ||
                !is_in_order(r, x)) {
                return at;
            }
            near->placed[x->id] = x;
        }
        r->n += n_unit;
    }
    return n;
}

/* Gives each overlay's buffers a group, and their places in it. */
static void group_overlays(const struct draft *d, struct rects *r)
{
    for (uint32_t k = 0; k < d->n_overlay; k++) {
        const struct overlay *const o = &d->overlay[k];
        struct rect *over = NULL;
        struct rect *under = NULL;
        for (uint32_t i = 0; i < r->n; i++) {
            over = r->x[i].to == &d->p.buf[o->over].addr ? &r->x[i] : over;
            under = r->x[i].to == &d->p.buf[o->under].addr ? &r->x[i] : under;
        }
        if (!over || !under) {
            continue; /* empty */
        }
        /* `over` may be the `under` of the overlay before. */
        if (over->group == 0) {
            over->group = k + 1;
        }
        under->group = over->group;
        if (o->off <= (int64_t)over->off) {
            under->off = over->off - (uint64_t)o->off;
            continue;
        }
        const uint64_t up = (uint64_t)o->off - over->off;
        under->off = 0;
        for (uint32_t i = 0; i < r->n; i++) {
            r->x[i].off +=
                r->x[i].group == over->group && &r->x[i] != under ? up : 0;
        }
    }
}

static void move_down(struct rect *x, uint32_t from, uint32_t to)
{
    const struct rect moved = x[from];
    for (uint32_t k = from; k > to; k--) {
        x[k] = x[k - 1];
    }
    x[to] = moved;
}

/* Members of a group behind its first one. */
static void join_groups(struct rects *r)
{
    for (uint32_t i = 0; i < r->n; i++) {
        uint32_t end = i + 1;
        for (uint32_t k = end; r->x[i].group != 0 && k < r->n; k++) {
            if (r->x[k].group == r->x[i].group) {
                move_down(r->x, k, end++);
            }
        }
        i = end - 1;
    }
}

/* The first rectangle of the unit that has this one. */
static uint32_t unit_before(const struct rects *r, uint32_t at)
{
    while (at > 0 && r->x[at].group != 0 &&
           r->x[at - 1].group == r->x[at].group) {
        at--;
    }
    return at;
}

bool draft_place(const struct work *w, const struct recipe *how,
                 struct draft *d, struct rects *r)
{
    struct arena *const a = w->cx->scratch;
    const uint64_t n = (uint64_t)w->l->n_buf + 3u * (uint64_t)d->part->n;
    uint32_t *const seg_of = arena_new(a, uint32_t, w->l->n_layer);
    struct nearness near;
    r->period = (int64_t)d->p.n_step + 1;
    r->n = 0;
    r->x = arena_new(a, struct rect, n + d->p.n_load);
    if (!seg_of || !r->x) {
        return false;
    }
    for (uint32_t i = 0; i < d->part->n; i++) {
        for (uint32_t y = d->part->x[i].seg.lo; y < d->part->x[i].seg.hi; y++) {
            seg_of[y] = i;
        }
    }
    add_buffers(w, how, d, seg_of, r);
    add_work_rooms(w, how, d, r);
    group_overlays(d, r);
    qsort(r->x, r->n, sizeof *r->x, by_rank);
    join_groups(r);
    if (!find_near(a, r, &near)) {
        return false;
    }
    const uint64_t floor =
        size_div_up(d->p.state_bytes + d->p.resident_bytes, w->align) *
        w->align;
    const uint32_t n_all = r->n;
    const bool may_move = how->order >= PLACE_LONG_MIXED;
    d->fits = false;
    for (uint32_t i = 0; i <= (may_move ? how->squeaks : 0); i++) {
        const uint32_t bad = place_all(how, n_all, floor, &near, r);
        d->fits = bad == n_all;
        if (d->fits || bad == 0) {
            break;
        }
        /* To the front; now and then half the way, lest two take turns. */
        const uint32_t n_unit = unit_of(&r->x[bad], n_all - bad);
        const uint32_t to = i % 4 == 3 ? unit_before(r, bad / 2) : 0;
        for (uint32_t k = 0; k < n_unit; k++) {
            move_down(r->x, bad + k, to + k);
        }
    }
    if (!d->fits) {
        return true;
    }
    d->p.peak = floor;
    for (uint32_t i = 0; i < n_all; i++) {
        const struct rect *const x = &r->x[i];
        if (x->to) {
            *x->to = x->addr;
        }
        d->p.peak = size_max(d->p.peak, x->addr + x->bytes);
    }
    for (uint32_t y = 0; y < w->l->n_layer; y++) {
        d->p.scratch[y].addr =
            d->p.scratch[y].bytes > 0 ? d->seg[seg_of[y]].scratch_addr : 0;
    }
    r->n = 0;
    for (uint32_t i = 0; i < n_all; i++) { /* without the holes */
        if (r->x[i].to) {
            r->x[r->n++] = r->x[i];
        }
    }
    return true;
}
