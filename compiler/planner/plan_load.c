#include "planner/plan_work.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/size.h"

/* Places slices in what buffers leave free, in the order of their loads, each
 * as early as it finds room; a load that is ready at the start of a run is
 * then pulled into the tail of the run before. */

enum { SWEEP = 16 };

struct fill {
    const struct work *w;
    const struct recipe *how;
    struct draft *d;
    struct rects *r;
    struct taken *list; /* what a slice may meet */
    uint32_t n_list;
    uint32_t n_swept;             /* of the list, when it was last swept */
    const struct rect **by_first; /* what is not in the list yet */
    uint32_t n_fixed;
    uint32_t next_fixed;
    uint64_t *slice_addr; /* per slice */
    uint32_t *rect_of;    /* per load instruction; UINT32_MAX: none */
    uint64_t floor;
    struct rect before; /* the last one placed low: there was no room below */
    bool is_high;       /* the slice at hand goes to the highest address */
};

/* ---- room ---- */

/* Makes the list hold at least all that meets slots [first, last]; neither
 * ever decreases in one pass over the loads, so what is over stays out: it is
 * swept out when there may be much of it. */
static void list_advance(struct fill *f, int64_t first, int64_t last)
{
    if (f->n_list > f->n_swept + SWEEP + f->n_swept / 8) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < f->n_list; i++) {
            if (f->list[i].last >= first) {
                f->list[n++] = f->list[i];
            }
        }
        f->n_list = n;
        f->n_swept = n;
    }
    while (f->next_fixed < f->n_fixed &&
           f->by_first[f->next_fixed]->first <= last) {
        taken_insert(f->list, f->n_list++, f->by_first[f->next_fixed++]);
    }
}

/* Address of a slice that lives from wait w on, if below the limit. */
static bool find_hole(const struct fill *f, struct rect *x, int64_t wait)
{
    x->first = slot_of_wait(wait);
    if (f->is_high) {
        x->addr = taken_high_hole(f->list, f->n_list, f->r->period, x, f->floor,
                                  f->how->limit);
        return x->addr != UINT64_MAX;
    }
    /* Whatever lacked room below lacks it when it is larger or lives longer. */
    const struct rect *const b = &f->before;
    const bool is_more =
        b->first == x->first && b->last <= x->last && b->bytes <= x->bytes;
    x->addr = taken_hole(f->list, f->n_list, f->r->period, x,
                         is_more ? size_max(f->floor, b->addr) : f->floor);
    return x->addr <= f->how->limit && x->bytes <= f->how->limit - x->addr;
}

/* The least wait in [lo, hi] for which the list leaves room: more time only
 * ever takes room away. */
static bool find_wait(const struct fill *f, struct rect *x, int64_t lo,
                      int64_t hi, int64_t *wait)
{
    if (find_hole(f, x, lo)) {
        *wait = lo;
        return true;
    }
    /* Most often it is one of the next boxes that makes room. */
    const int64_t end = hi;
    int64_t step = 1;
    hi = end - lo > step ? lo + step : end;
    while (!find_hole(f, x, hi)) {
        if (hi == end) {
            return false;
        }
        lo = hi;
        step *= 2;
        hi = end - lo > step ? lo + step : end;
    }
    while (hi - lo > 1) { /* none at lo, room at hi */
        const int64_t mid = lo + (hi - lo) / 2;
        if (find_hole(f, x, mid)) {
            hi = mid;
        } else {
            lo = mid;
        }
    }
    *wait = hi;
    return find_hole(f, x, hi);
}

static void set_address(struct fill *f, uint32_t ix, uint64_t addr)
{
    const struct slice *const s = f->d->use[ix].slice;
    f->d->p.load[ix].addr = addr;
    f->slice_addr[s - f->d->s->x] = addr;
}

static struct rect rect_of_load(const struct fill *f, uint32_t ix)
{
    const struct load_use *const u = &f->d->use[ix];
    return (struct rect){
        .last = (int64_t)u->last + 1,
        .bytes = u->slice->room,
        .align = f->w->align,
    };
}

/* Loads of a loop have their region and waits already. Returns the last
 * executed wait. */
static int64_t place_loop(struct fill *f, uint32_t ix)
{
    const struct plan_load *const loop = &f->d->p.load[ix];
    int64_t last = 0;
    for (uint32_t i = ix + 1; i <= ix + loop->body; i++) {
        const struct load_use *const u = &f->d->use[i];
        const struct plan_load *const b = &f->d->p.load[i];
        set_address(
            f, i,
            u->slice->resident
                ? f->d->p.state_bytes + f->w->c->chunk[u->slice->chunk0].res_off
                : f->d->seg[u->seg].region_addr + u->off + u->slice->shift);
        last = b->wait + b->wait_step * ((int64_t)loop->n_iter - 1);
    }
    return last;
}

/* One pass from the first load to the last; false when one finds no room. */
static bool place_loads(struct fill *f, int64_t *last_wait)
{
    int64_t before = 0;
    uint32_t n_slice = 0;
    for (uint32_t i = 0; i < f->d->p.n_load; i++) {
        struct plan_load *const b = &f->d->p.load[i];
        const struct load_use *const u = &f->d->use[i];
        f->rect_of[i] = UINT32_MAX;
        if (b->op == PLAN_LOOP) {
            before = place_loop(f, i);
            i += b->body + 1;
            continue;
        }
        if (b->resident) {
            b->wait = before;
            set_address(
                f, i, f->d->p.state_bytes + f->w->c->chunk[b->chunk0].res_off);
            continue;
        }
        struct rect x = rect_of_load(f, i);
        const int64_t due = (int64_t)u->first;
        const uint64_t bit = (uint64_t)1 << n_slice++ % 64;
        const int64_t from =
            f->how->late || (f->how->defer & bit) != 0 ? due : before;
        f->is_high = (f->how->high & bit) != 0;
        list_advance(f, slot_of_wait(from), x.last);
        if (!find_wait(f, &x, from, due, &b->wait)) {
            return false;
        }
        set_address(f, i, x.addr + u->slice->shift);
        f->before = f->is_high ? f->before : x;
        f->rect_of[i] = f->r->n;
        f->r->x[f->r->n] = x;
        taken_insert(f->list, f->n_list++, &f->r->x[f->r->n++]);
        before = b->wait;
    }
    *last_wait = before;
    return true;
}

/* Loads from the first one on that may move into the tail: [0, n). */
static uint32_t count_early(const struct plan *p)
{
    uint32_t n = 0;
    while (n < p->n_load && p->load[n].op == PLAN_LOAD &&
           p->load[n].wait <= 0) {
        n++;
    }
    return n;
}

/* Takes a rectangle out of the list. */
static void list_remove(struct fill *f, const struct rect *x)
{
    uint32_t i = 0;
    while (f->list[i].addr != x->addr || f->list[i].last != x->last ||
           f->list[i].first != x->first) {
        i++;
    }
    f->n_list--;
    memmove(&f->list[i], &f->list[i + 1], (f->n_list - i) * sizeof *f->list);
}

/* Loads with wait 0, as far as they come before others, start in the tail of
 * the run before where there is room, after its own last load. */
static void pull_loads(struct fill *f, int64_t last_wait)
{
    const int64_t n_box = (int64_t)f->d->p.n_step;
    const uint32_t n = count_early(&f->d->p);
    int64_t before = last_wait - n_box;
    f->before = (struct rect){.bytes = UINT64_MAX};
    f->n_list = rects_meeting(f->r, slot_of_wait(before), n_box, f->list);
    for (uint32_t i = 0; i < n; i++) {
        struct plan_load *const b = &f->d->p.load[i];
        if (b->resident) {
            continue;
        }
        struct rect *const own = &f->r->x[f->rect_of[i]];
        struct rect x = rect_of_load(f, i);
        /* Never so early as to meet itself. */
        const int64_t lo = before > x.last - n_box ? before : x.last - n_box;
        int64_t wait = 0;
        f->is_high =
            own->addr > (f->floor + f->how->limit) / 2 && f->how->high != 0;
        list_remove(f, own);
        if (lo >= 0 || !find_wait(f, &x, lo, 0, &wait)) {
            break;
        }
        *own = x;
        taken_insert(f->list, f->n_list++, own);
        b->wait = wait;
        set_address(f, i, x.addr + f->d->use[i].slice->shift);
        before = wait;
    }
}

/* Resident loads hold nobody up: each with the streamed load before it, those
 * at the start with the first one. */
static void align_residents(struct fill *f)
{
    int64_t wait = 0;
    for (uint32_t i = 0; i < f->d->p.n_load; i++) {
        const struct plan_load *const b = &f->d->p.load[i];
        if (b->op != PLAN_LOAD || !b->resident) {
            wait = b->op == PLAN_LOAD && b->wait < 0 ? b->wait : 0;
            break;
        }
    }
    for (uint32_t i = 0; i < f->d->p.n_load; i++) {
        struct plan_load *const b = &f->d->p.load[i];
        if (b->op == PLAN_LOOP) {
            const struct plan_load *const x = &f->d->p.load[i + b->body];
            wait = x->wait + x->wait_step * ((int64_t)b->n_iter - 1);
            i += b->body + 1;
        } else if (b->resident) {
            b->wait = wait;
        } else {
            wait = b->wait;
        }
    }
}

/* ---- what follows from addresses ---- */

/* Where a box finds its weights. `from` is the slice of its layer that the box
 * before used: boxes take them in order. */
static uint64_t panel_addr(const struct fill *f, const struct plan_box *b,
                           uint32_t *from)
{
    const struct work *const w = f->w;
    const struct lattice *const t = &w->c->lattice[b->layer];
    const struct slices *const s = f->d->s;
    const uint32_t n = s->at[b->layer + 1] - s->at[b->layer];
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t i = s->at[b->layer] + (*from + k) % n;
        const struct slice *const x = &s->x[i];
        if (x->kblock == b->kblock && x->p0 <= b->p0 && b->p0 < x->p1) {
            *from = (*from + k) % n;
            return f->slice_addr[i] +
                   (b->p0 - x->p0) * t->panel_bytes[b->kblock];
        }
    }
    for (uint32_t i = t->chunk0; i < t->chunk0 + t->n_chunk; i++) {
        const struct chunk *const x = &w->c->chunk[i];
        if (x->kblock == b->kblock && x->panel <= b->p0 &&
            b->p0 < x->panel + x->n_panel) {
            return x->blob_off + (b->p0 - x->panel) * t->panel_bytes[b->kblock];
        }
    }
    return 0;
}

/* Adds bytes that live from slot `first` to `last`, less than a period later,
 * to what each slot has more than the one before. */
static void add_live(int64_t *more, int64_t period, int64_t first, int64_t last,
                     int64_t bytes)
{
    const int64_t from = (first + period) % period;
    const int64_t to = (last + period) % period;
    more[from] += bytes;
    more[to + 1] -= bytes;
    more[0] += to < from ? bytes : 0;
}

/* The most bytes that live at once, with all of a region while it lives. */
static bool measure_live(struct fill *f)
{
    const struct rects *const r = f->r;
    int64_t *const more =
        arena_new(f->w->cx->scratch, int64_t, (uint64_t)r->period + 1);
    if (!more) {
        return false;
    }
    for (uint32_t i = 0; i < r->n; i++) {
        add_live(more, r->period, r->x[i].first, r->x[i].last,
                 (int64_t)r->x[i].bytes);
    }
    for (uint32_t k = 0; k < f->d->n_overlay; k++) { /* while both live */
        const struct overlay *const o = &f->d->overlay[k];
        int64_t first = 0;
        int64_t last = r->period - 1;
        for (uint32_t i = 0; i < r->n; i++) {
            first = r->x[i].to == &f->d->p.buf[o->under].addr ? r->x[i].first
                                                              : first;
            last =
                r->x[i].to == &f->d->p.buf[o->over].addr ? r->x[i].last : last;
        }
        add_live(more, r->period, first, last, -(int64_t)o->saved);
    }
    int64_t now = 0;
    int64_t most = 0;
    for (int64_t t = 0; t < r->period; t++) {
        now += more[t];
        most = now > most ? now : most;
    }
    f->d->live = f->floor + (uint64_t)most;
    return true;
}

static bool finish(struct fill *f)
{
    struct plan *const p = &f->d->p;
    uint32_t *const from =
        arena_new(f->w->cx->scratch, uint32_t, f->w->l->n_layer);
    if (!from) {
        return false;
    }
    for (uint32_t i = 0; i < p->n_box; i++) {
        struct plan_box *const b = &p->box[i];
        if (b->op == PLAN_BOX) {
            b->w_addr = panel_addr(f, b, &from[b->layer]);
        }
    }
    for (uint32_t i = 0; i < f->r->n; i++) {
        const struct rect *const x = &f->r->x[i];
        p->peak = size_max(p->peak, x->addr + x->bytes);
    }
    return measure_live(f);
}

static int by_first(const void *a, const void *b)
{
    const struct rect *const *const x = a;
    const struct rect *const *const y = b;
    return (*x)->first < (*y)->first ? -1 : (*x)->first > (*y)->first;
}

bool draft_load(const struct work *w, const struct recipe *how, struct draft *d,
                struct rects *r)
{
    struct arena *const a = w->cx->scratch;
    struct fill f = {
        .w = w,
        .how = how,
        .d = d,
        .r = r,
        .list = arena_new(a, struct taken, (uint64_t)r->n + d->p.n_load),
        .by_first = arena_new(a, const struct rect *, r->n),
        .n_fixed = r->n,
        .slice_addr = arena_new(a, uint64_t, d->s->n),
        .rect_of = arena_new(a, uint32_t, d->p.n_load),
        .floor = size_div_up(d->p.state_bytes + d->p.resident_bytes, w->align) *
                 w->align,
    };
    if (!f.list || !f.by_first || !f.slice_addr || !f.rect_of) {
        return false;
    }
    for (uint32_t i = 0; i < r->n; i++) {
        f.by_first[i] = &r->x[i];
    }
    qsort(f.by_first, r->n, sizeof(const struct rect *), by_first);
    int64_t last_wait = 0;
    d->fits = place_loads(&f, &last_wait);
    if (!d->fits) {
        return true;
    }
    if (!how->late) {
        pull_loads(&f, last_wait);
    }
    align_residents(&f);
    return finish(&f);
}
