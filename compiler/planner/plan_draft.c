#include "planner/plan_work.h"

#include "base/arena.h"
#include "base/size.h"

/* Turns a partition into instructions, in order of execution. Executed boxes
 * and loads are counted along; addresses and waits of loads come later. */
struct emit {
    const struct work *w;
    const struct recipe *how;
    struct draft *d;
    uint64_t n_box; /* executed so far */
    uint64_t n_load;
    struct cascade c; /* of the segment at hand */
};

static struct plan_box *push_box(struct emit *e, enum plan_op op)
{
    struct plan *const p = &e->d->p;
    struct plan_box *const b =
        arena_push(e->w->cx->scratch, p->box, &p->n_box, &e->d->cap_box);
    if (b) {
        b->op = op;
    }
    return b;
}

static struct plan_load *push_load(struct emit *e, enum plan_op op,
                                   struct load_use use)
{
    struct draft *const d = e->d;
    uint32_t n_use = d->p.n_load;
    struct load_use *const u =
        arena_push(e->w->cx->scratch, d->use, &n_use, &d->cap_use);
    struct plan_load *const b =
        arena_push(e->w->cx->scratch, d->p.load, &d->p.n_load, &d->cap_load);
    if (!u || !b) {
        return NULL;
    }
    *u = use;
    b->op = op;
    if (use.slice) {
        b->chunk0 = use.slice->chunk0;
        b->n_chunk = use.slice->n_chunk;
        b->resident = use.slice->resident;
    }
    return b;
}

static bool push_boundary(struct emit *e, struct plan_boundary x)
{
    struct plan *const p = &e->d->p;
    struct plan_boundary *const b = arena_push(
        e->w->cx->scratch, p->boundary, &p->n_boundary, &e->d->cap_boundary);
    if (b) {
        *b = x;
    }
    return b != NULL;
}

/* Address of a slice's first panel goes into its boxes once it is known. */
static bool push_rows(struct emit *e, uint32_t y, const struct slice *s,
                      int64_t wait, int64_t wait_step)
{
    struct plan_box *const b = push_box(e, PLAN_BOX);
    if (!b) {
        return false;
    }
    b->layer = y;
    b->p1 = e->w->c->lattice[y].n_panel;
    if (s) {
        b->p0 = s->p0;
        b->p1 = s->p1;
        b->kblock = s->kblock;
    }
    b->by_row = true;
    b->wait = wait;
    b->wait_step = wait_step;
    b->row_a = e->c.a[y];
    b->row_b = e->c.b[y];
    return true;
}

/* ---- a layer on its own ---- */

/* Panels of one box, so that no step takes longer than asked. */
static uint32_t panels_per_box(const struct work *w, uint32_t y, uint32_t n,
                               uint64_t scratch)
{
    const uint64_t most_ns = device_usual_ns(w->d, w->opt->max_step_us * 1000);
    if (w->opt->max_step_us == 0 || !w->k->cand[y].panels_cut) {
        return n;
    }
    while (n > 1 &&
           cand_box_ns(&w->k->cand[y], &w->l->layer[y], &w->c->lattice[y],
                       w->l->layer[y].rows, n, scratch) > most_ns) {
        n = (n + 1) / 2;
    }
    return n;
}

static bool emit_panels(struct emit *e, uint32_t y, uint32_t kblock,
                        uint32_t p0, uint32_t p1)
{
    const uint32_t step =
        panels_per_box(e->w, y, p1 - p0, e->d->p.scratch[y].bytes);
    for (uint32_t p = p0; p < p1; p += step) {
        struct plan_box *const b = push_box(e, PLAN_BOX);
        if (!b) {
            return false;
        }
        b->layer = y;
        b->p0 = p;
        b->p1 = (uint32_t)size_min(p + (uint64_t)step, p1);
        b->kblock = kblock;
        b->wait = (int64_t)e->n_load;
        e->n_box++;
    }
    return true;
}

/* A table row by row: in iteration t, the chunk of row t's entry is loaded and
 * the row copied. */
static bool emit_picks(struct emit *e, uint32_t ix, uint32_t y)
{
    const struct slice *const x = &e->d->s->x[e->d->s->at[y]];
    const uint32_t rows = (uint32_t)e->w->l->layer[y].rows;
    struct plan_box *const loop = push_box(e, PLAN_LOOP);
    if (!loop) {
        return false;
    }
    loop->n_iter = rows;
    loop->body = 1;
    e->c.a[y] = 1;
    e->c.b[y] = 1;
    if (!push_rows(e, y, x, (int64_t)e->n_load + 1, 1) ||
        !push_box(e, PLAN_END)) {
        return false;
    }
    struct load_use use = {.seg = ix};
    struct plan_load *b = push_load(e, PLAN_LOOP, use);
    if (!b) {
        return false;
    }
    b->n_iter = rows;
    b->body = 1;
    use.slice = x;
    b = push_load(e, PLAN_LOAD, use);
    if (!b) {
        return false;
    }
    b->picks = true;
    b->layer = y;
    b->wait = (int64_t)e->n_box;
    b->wait_step = 1;
    e->d->seg[ix].region = x->room;
    e->n_box += rows;
    e->n_load += rows;
    return push_load(e, PLAN_END, (struct load_use){.seg = ix}) != NULL;
}

static bool emit_solo(struct emit *e, uint32_t ix, uint32_t y)
{
    const struct slices *const s = e->d->s;
    const struct lattice *const t = &e->w->c->lattice[y];
    if (s->at[y] < s->at[y + 1] && s->x[s->at[y]].picks) {
        return emit_picks(e, ix, y);
    }
    if (s->at[y] == s->at[y + 1]) { /* no weights, or weights in place */
        for (uint32_t kb = 0; kb < t->n_kblock; kb++) {
            if (!emit_panels(e, y, kb, 0, t->n_panel)) {
                return false;
            }
        }
        return true;
    }
    for (uint32_t i = s->at[y]; i < s->at[y + 1]; i++) {
        const struct slice *const x = &s->x[i];
        struct load_use use = {.slice = x, .seg = ix, .first = e->n_box};
        e->n_load++;
        if (!emit_panels(e, y, x->kblock, x->p0, x->p1)) {
            return false;
        }
        use.last = e->n_box - 1;
        if (!push_load(e, PLAN_LOAD, use)) {
            return false;
        }
    }
    return true;
}

/* ---- a cascade ---- */

static bool rolls(const struct work *w, const struct segment *g, uint32_t ix)
{
    const struct buffer *const b = &w->l->buf[ix];
    return g->stripe > 0 && b->first >= g->lo && b->last < g->hi && !b->whole &&
           !b->is_input && !b->is_output;
}

/* Slices of a cascade that come again for each stripe. */
static uint32_t n_again(const struct slices *s, const struct segment *g)
{
    uint32_t n = 0;
    for (uint32_t i = s->at[g->lo]; i < s->at[g->hi]; i++) {
        n += s->x[i].again;
    }
    return n;
}

/* Boxes of one iteration. Since waits never decrease, all of them wait for the
 * loads of what is held; besides, each for what comes again before it. */
static bool emit_body(struct emit *e, const struct segment *g)
{
    const struct slices *const s = e->d->s;
    const int64_t step = n_again(s, g);
    int64_t wait = (int64_t)e->n_load;
    for (uint32_t y = g->lo; y < g->hi; y++) {
        const struct lattice *const t = &e->w->c->lattice[y];
        const bool has_slices = s->at[y] < s->at[y + 1];
        for (uint32_t i = s->at[y]; i < s->at[y + 1]; i++) {
            wait += s->x[i].again;
            if (!push_rows(e, y, &s->x[i], wait, step)) {
                return false;
            }
        }
        for (uint32_t kb = 0; !has_slices && kb < t->n_kblock; kb++) {
            if (!push_rows(e, y, NULL, wait, step)) {
                return false;
            }
            e->d->p.box[e->d->p.n_box - 1].kblock = kb;
        }
    }
    return true;
}

/* Loads of a cascade that stay for all its iterations. */
static bool emit_held(struct emit *e, uint32_t ix, const struct segment *g,
                      uint64_t n_body)
{
    const struct slices *const s = e->d->s;
    for (uint32_t i = s->at[g->lo]; i < s->at[g->hi]; i++) {
        const struct load_use use = {
            .slice = &s->x[i],
            .seg = ix,
            .first = e->n_box,
            .last = e->n_box + n_body * g->n_iter - 1,
        };
        if (s->x[i].again) {
            continue;
        }
        if (!push_load(e, PLAN_LOAD, use)) {
            return false;
        }
        e->n_load++;
    }
    return true;
}

/* Boxes before the one of slice i in the body of its cascade. */
static uint64_t body_place(const struct slices *s, const struct work *w,
                           const struct segment *g, uint32_t i)
{
    uint64_t n = 0;
    for (uint32_t y = g->lo; y < s->x[i].layer; y++) {
        const uint32_t own = s->at[y + 1] - s->at[y];
        n += own > 0 ? own : w->c->lattice[y].n_kblock;
    }
    return n + (i - s->at[s->x[i].layer]);
}

/* Loads of a cascade that come again for each stripe: in a loop, each into its
 * place of a region that is used round robin; a load waits for the last box
 * that uses what it overwrites, at the earliest for its iteration to begin. */
static bool emit_again(struct emit *e, uint32_t ix, const struct choice *x,
                       uint64_t n_body)
{
    const struct slices *const s = e->d->s;
    const struct segment *const g = &x->seg;
    struct plan_load *const loop =
        push_load(e, PLAN_LOOP, (struct load_use){.seg = ix});
    if (!loop) {
        return false;
    }
    loop->n_iter = g->n_iter;
    loop->body = n_again(s, g);
    e->n_load += (uint64_t)loop->body * g->n_iter;
    const uint32_t load0 = e->d->p.n_load;
    uint64_t at = 0;
    for (uint32_t i = s->at[g->lo]; i < s->at[g->hi]; i++) {
        const uint64_t room = s->x[i].room;
        if (!s->x[i].again) {
            continue;
        }
        at = at + room > x->region ? 0 : at;
        const struct load_use use = {.slice = &s->x[i], .seg = ix, .off = at};
        struct plan_load *const b = push_load(e, PLAN_LOAD, use);
        if (!b) {
            return false;
        }
        b->wait = (int64_t)e->n_box;
        b->wait_step = (int64_t)n_body;
        for (uint32_t j = e->d->p.n_load - 1; j-- > load0;) {
            const struct load_use *const u = &e->d->use[j];
            if (u->off < at + room && at < u->off + u->slice->room) {
                const uint32_t of = (uint32_t)(u->slice - s->x);
                b->wait += (int64_t)body_place(s, e->w, g, of) + 1;
                break;
            }
        }
        at += room;
        e->d->seg[ix].region = size_max(e->d->seg[ix].region, at);
    }
    return push_load(e, PLAN_END, (struct load_use){.seg = ix}) != NULL;
}

/* Rows of the layers of a cascade. */
static bool start_cascade(struct emit *e, const struct segment *g)
{
    if (!cascade_start(e->w, g->hi, g->stripe, g->lead, &e->c)) {
        return false;
    }
    while (e->c.lo > g->lo) {
        if (!cascade_extend(e->w, &e->c)) {
            return false;
        }
    }
    cascade_trim(&e->c);
    return true;
}

static bool emit_cascade(struct emit *e, uint32_t ix, const struct choice *x)
{
    const struct work *const w = e->w;
    const struct segment *const g = &x->seg;
    if (g->overlays) {
        struct overlay *const o =
            arena_push(w->cx->scratch, e->d->overlay, &e->d->n_overlay,
                       &e->d->cap_overlay);
        if (!o) {
            return false;
        }
        (void)cascade_overlay(w, &e->c, o);
    }
    for (uint32_t b = 0; b < w->l->n_buf; b++) {
        if (rolls(w, g, b)) {
            e->d->p.buf[b].ring = cascade_ring(w, &e->c, b);
        }
    }
    struct plan *const p = &e->d->p;
    const struct slices *const s = e->d->s;
    uint64_t n_body = 0;
    for (uint32_t y = g->lo; y < g->hi; y++) {
        const uint32_t own = s->at[y + 1] - s->at[y];
        n_body += own > 0 ? own : w->c->lattice[y].n_kblock;
    }
    struct plan_boundary edge = {
        .lo = g->lo,
        .hi = g->hi,
        .box_ix = p->n_box,
        .box_count = e->n_box,
        .load_ix = p->n_load,
        .load_count = e->n_load,
        .n_iter = g->n_iter,
    };
    const bool again = n_again(s, g) > 0;
    const uint64_t n_load = e->n_load;
    if (!emit_held(e, ix, g, n_body)) {
        return false;
    }
    const bool holds = e->n_load > n_load;
    struct plan_box *const loop = push_box(e, PLAN_LOOP);
    if (!loop) {
        return false;
    }
    loop->n_iter = g->n_iter;
    loop->body = (uint32_t)n_body;
    if (!emit_body(e, g) || !push_box(e, PLAN_END) ||
        (again && !emit_again(e, ix, x, n_body))) {
        return false;
    }
    e->n_box += n_body * g->n_iter;
    /* Entered inside, a cascade needs what it holds before what comes again,
     * but a boundary names one place among the loads. One without loads of its
     * own would name the next load, which must not be a loop with iterations
     * of its own. */
    const bool may_loop = !holds && !again && s->n > s->at[g->hi];
    return (holds && again) || may_loop || g->overlays ||
           push_boundary(e, edge);
}

/* ---- all ---- */

/* Every layer may use what the neediest of its segment has. */
static bool set_scratch(struct emit *e, const struct segment *g)
{
    if (g->stripe > 0 && !start_cascade(e, g)) {
        return false;
    }
    for (uint32_t y = g->lo; y < g->hi; y++) {
        const uint64_t rows =
            g->stripe > 0 ? (uint64_t)e->c.a[y] : e->w->l->layer[y].rows;
        e->d->p.scratch[y].bytes = work_scratch(e->w, y, rows, g->scratch);
    }
    return true;
}

static bool emit_all(struct emit *e)
{
    const struct partition *const part = e->d->part;
    for (uint32_t i = 0; i < part->n; i++) {
        const struct choice *const x = &part->x[i];
        struct span_of_boxes *const span = &e->d->seg[i];
        const struct plan_boundary edge = {
            .lo = x->seg.lo,
            .hi = x->seg.lo,
            .box_ix = e->d->p.n_box,
            .box_count = e->n_box,
            .load_ix = e->d->p.n_load,
            .load_count = e->n_load,
            .n_iter = 1,
        };
        span->box0 = e->n_box;
        span->load0 = e->d->p.n_load;
        if (!set_scratch(e, &x->seg)) {
            return false;
        }
        for (uint32_t y = x->seg.lo; y < x->seg.hi; y++) {
            for (uint32_t k = e->d->s->at[y]; k < e->d->s->at[y + 1]; k++) {
                const struct slice *const z = &e->d->s->x[k];
                span->slot =
                    size_max(span->slot, z->resident || z->again ? 0 : z->room);
            }
            span->scratch = size_max(span->scratch, e->d->p.scratch[y].bytes *
                                                        e->w->k->n_thread);
        }
        if (!push_boundary(e, edge) ||
            !(x->seg.stripe > 0 ? emit_cascade(e, i, x)
                                : emit_solo(e, i, x->seg.lo))) {
            return false;
        }
        span->box_end = e->n_box;
        span->load_end = e->d->p.n_load;
    }
    return true;
}

bool draft_emit(const struct work *w, const struct recipe *how, struct draft *d)
{
    struct arena *const a = w->cx->scratch;
    struct emit e = {.w = w, .how = how, .d = d};
    d->p.n_buf = w->l->n_buf;
    d->p.n_layer = w->l->n_layer;
    d->p.buf = arena_new(a, struct plan_buf, w->l->n_buf);
    d->p.scratch = arena_new(a, struct plan_scratch, w->l->n_layer);
    d->seg = arena_new(a, struct span_of_boxes, d->part->n);
    e.c.a = arena_new(a, int64_t, w->l->n_layer);
    e.c.b = arena_new(a, int64_t, w->l->n_layer);
    if (!d->p.buf || !d->p.scratch || !d->seg || !e.c.a || !e.c.b) {
        return false;
    }
    for (uint32_t b = 0; b < w->l->n_buf; b++) {
        const bool is_used = w->l->buf[b].is_input || w->l->buf[b].is_output ||
                             w->writer_at[b] < w->writer_at[b + 1] ||
                             w->reader_at[b] < w->reader_at[b + 1];
        d->p.buf[b].ring = is_used ? w->l->buf[b].rows : 0;
    }
    if (!emit_all(&e)) {
        return false;
    }
    d->p.n_step = e.n_box;
    d->p.n_load_run = e.n_load;
    d->p.state_bytes = w->c->state_bytes;
    d->p.resident_bytes = d->s->resident_bytes;
    d->p.n_thread = w->k->n_thread;
    d->p.in_flight = PLAN_MAX_IN_FLIGHT;
    for (uint32_t i = 0; i < d->p.n_box; i++) {
        struct plan_box *const b = &d->p.box[i];
        b->mapped = w->is_mapped && b->op == PLAN_BOX &&
                    w->c->lattice[b->layer].n_chunk > 0;
    }
    return true;
}
