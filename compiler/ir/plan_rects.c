#include "ir/plan_rects.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/size.h"

static const char *const kind_name[] = {
    [RECT_STATE] = "state",     [RECT_RESIDENT] = "resident",
    [RECT_INPUT] = "input",     [RECT_OUTPUT] = "output",
    [RECT_TENSOR] = "tensor",   [RECT_ROLLING] = "rolling",
    [RECT_SCRATCH] = "scratch", [RECT_SLICE] = "slice",
};
_Static_assert(ARRAY_LEN(kind_name) == RECT_KIND_COUNT, "a name for each kind");

const char *rect_kind_name(enum rect_kind k)
{
    return kind_name[k];
}

/* What is being collected. */
struct collect {
    const struct layers *l;
    const struct chunks *c;
    const struct cands *k;
    const struct plan *p;
    const struct plan_run *run;
    struct cx *cx;
    struct plan_rects *out;
    uint32_t cap;
    uint64_t align; /* of slices: reads are padded to it */
    int64_t period; /* slots */
};

static bool push(struct collect *v, struct plan_rect x)
{
    struct plan_rect *const r =
        arena_push(v->cx->keep, v->out->x, &v->out->n, &v->cap);
    if (!r) {
        return false;
    }
    *r = x;
    r->n = 1;
    return true;
}

/* ---- what stays ---- */

static bool is_resident(const struct collect *v, const struct chunk *k)
{
    return k->raw_bytes <= v->p->resident_bytes &&
           k->res_off <= v->p->resident_bytes - k->raw_bytes;
}

/* The state, and one rectangle per layer with residents, whose chunks follow
 * each other. */
static bool add_fixed(struct collect *v)
{
    const struct plan_rect all = {
        .bytes = v->p->state_bytes,
        .first = 0,
        .last = v->period,
        .layer = UINT32_MAX,
        .buf = UINT32_MAX,
    };
    if (!push(v, all)) {
        return false;
    }
    for (uint32_t y = 0; y < v->l->n_layer; y++) {
        const struct lattice *const t = &v->c->lattice[y];
        struct plan_rect x = all;
        x.kind = RECT_RESIDENT;
        x.addr = UINT64_MAX;
        x.layer = y;
        uint64_t end = 0;
        for (uint32_t i = t->chunk0; !t->borrows && i < t->chunk0 + t->n_chunk;
             i++) {
            const struct chunk *const k = &v->c->chunk[i];
            if (is_resident(v, k)) {
                x.addr = size_min(x.addr, v->p->state_bytes + k->res_off);
                end = size_max(end,
                               v->p->state_bytes + k->res_off + k->raw_bytes);
            }
        }
        if (end > 0) {
            x.bytes = end - x.addr;
            if (!push(v, x)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- tensors ---- */

/* First and last slot of each layer's steps. */
struct extent {
    int64_t first; /* INT64_MAX: none */
    int64_t last;
};

static struct extent *layer_extents(const struct collect *v)
{
    struct extent *const e =
        arena_new(v->cx->scratch, struct extent, v->l->n_layer);
    for (uint32_t y = 0; e && y < v->l->n_layer; y++) {
        e[y].first = INT64_MAX;
    }
    for (uint64_t i = 0; e && i < v->run->n_step; i++) {
        struct extent *const x = &e[v->p->box[v->run->step[i].ix].layer];
        const int64_t slot = (int64_t)i + 1;
        x->first = x->first < slot ? x->first : slot;
        x->last = slot;
    }
    return e;
}

static void widen(struct plan_rect *x, int64_t first, int64_t last)
{
    x->first = first < x->first ? first : x->first;
    x->last = last > x->last ? last : x->last;
}

/* A buffer without its times. */
static struct plan_rect rect_of_buffer(const struct collect *v, uint32_t ix)
{
    const struct buffer *const b = &v->l->buf[ix];
    return (struct plan_rect){
        .kind = b->is_input                    ? RECT_INPUT
                : b->is_output                 ? RECT_OUTPUT
                : v->p->buf[ix].ring < b->rows ? RECT_ROLLING
                                               : RECT_TENSOR,
        .addr = v->p->buf[ix].addr,
        .bytes = size_div_up(v->p->buf[ix].ring * b->row_bytes, 64) * 64,
        .first = INT64_MAX,
        .last = INT64_MIN,
        .layer = UINT32_MAX,
        .buf = ix,
    };
}

/* When all of a buffer must be there: where a boundary says that it is live,
 * since a switch moves it, and in the caller's time. */
static void widen_held(const struct collect *v, struct plan_rect *x)
{
    const struct buffer *const b = &v->l->buf[x->buf];
    for (uint32_t i = 0; i < v->p->n_boundary; i++) {
        const struct plan_boundary *const q = &v->p->boundary[i];
        if ((q->lo != 0 || q->hi != 0) && plan_buf_is_live(b, q->lo, q->hi)) {
            const uint64_t body = q->n_iter > 1 ? v->p->box[q->box_ix].body : 0;
            const uint64_t last = q->box_count + (q->n_iter - 1) * body;
            /* before the step that comes next */
            widen(x, (int64_t)q->box_count + 1, (int64_t)last);
        }
    }
    if (b->is_input) {
        x->first = 0;
        x->last = x->last < 0 ? 0 : x->last;
    }
    if (b->is_output) {
        x->first = x->first < v->period ? x->first : v->period;
        x->last = v->period;
    }
}

/* From its first writer's first step to its last reader's last, and when all of
 * it must be there. */
static bool add_buffer(struct collect *v, uint32_t ix, const struct extent *e)
{
    const struct buffer *const b = &v->l->buf[ix];
    struct plan_rect x = rect_of_buffer(v, ix);
    bool is_used = false;
    for (uint32_t y = 0; y < v->l->n_layer; y++) {
        const struct layer *const l = &v->l->layer[y];
        bool touches = l->out.buf == ix;
        for (uint32_t i = 0; i < layer_n_read(l); i++) {
            touches = touches || l->in[i].buf == ix;
        }
        if (touches && e[y].first != INT64_MAX) {
            is_used = true;
            widen(&x, e[y].first, e[y].last);
        }
    }
    if (!is_used && !b->is_input && !b->is_output) {
        return true;
    }
    widen_held(v, &x);
    return push(v, x);
}

/* Whether y, which is born later, comes to lie over x row by row. */
static bool comes_over(const struct plan_rect *y, const struct plan_rect *x)
{
    return x->addr < y->addr + y->bytes && y->addr < x->addr + x->bytes &&
           x->first < y->first && y->first <= x->last;
}

/* Rectangles from `from` on are buffers. Where a cascade writes one over
 * another whose rows are read no more, both are one shape in memory: what they
 * share is shown as the younger one's from its first step on. */
static bool cut_overlays(struct collect *v, uint32_t from)
{
    const uint32_t n = v->out->n;
    for (uint32_t i = from; i < n; i++) {
        for (uint32_t k = from; k < n; k++) {
            const struct plan_rect x = v->out->x[i];
            const struct plan_rect y = v->out->x[k];
            if (!comes_over(&y, &x)) {
                continue;
            }
            struct plan_rect rest = x;
            rest.first = y.first;
            v->out->x[i].last = y.first - 1;
            rest.bytes = y.addr - x.addr;
            if (x.addr < y.addr && !push(v, rest)) {
                return false;
            }
            rest.addr = y.addr + y.bytes;
            rest.bytes = x.addr + x.bytes - rest.addr;
            if (x.addr + x.bytes > rest.addr && !push(v, rest)) {
                return false;
            }
        }
    }
    return true;
}

/* ---- scratch ---- */

/* Layers of one loop whose scratch is at one address take turns there. */
static bool add_scratch(struct collect *v)
{
    const struct plan_step *const step = v->run->step;
    for (uint64_t i = 0; i < v->run->n_step;) {
        const uint32_t y0 = v->p->box[step[i].ix].layer;
        uint64_t end = i + 1;
        while (end < v->run->n_step && step[end].loop == step[i].loop &&
               (step[i].loop != UINT32_MAX ||
                v->p->box[step[end].ix].layer == y0)) {
            end++;
        }
        const uint32_t before = v->out->n;
        for (uint64_t s = i; s < end; s++) {
            const uint32_t y = v->p->box[step[s].ix].layer;
            const uint64_t bytes = v->p->scratch[y].bytes * v->p->n_thread;
            struct plan_rect *x = NULL;
            for (uint32_t r = before; r < v->out->n; r++) {
                x = v->out->x[r].addr == v->p->scratch[y].addr ? &v->out->x[r]
                                                               : x;
            }
            if (x) {
                x->last = (int64_t)s + 1;
                x->bytes = size_max(x->bytes, bytes);
                x->n += y > x->layer + x->n - 1; /* in order of layers */
            } else if (bytes > 0 && !push(v, (struct plan_rect){
                                                 .kind = RECT_SCRATCH,
                                                 .addr = v->p->scratch[y].addr,
                                                 .bytes = bytes,
                                                 .first = (int64_t)s + 1,
                                                 .last = (int64_t)s + 1,
                                                 .layer = y,
                                                 .buf = UINT32_MAX,
                                             })) {
                return false;
            }
        }
        i = end;
    }
    return true;
}

/* ---- slices ---- */

static bool add_slice(struct collect *v, const struct plan_fetch *f)
{
    const struct plan_load *const b = &v->p->load[f->ix];
    if (b->resident) {
        return true;
    }
    uint64_t end = b->addr;
    for (uint32_t k = b->chunk0; k < b->chunk0 + b->n_chunk; k++) {
        const uint64_t raw = v->c->chunk[k].raw_bytes;
        end += b->picks ? plan_pick_room(raw, v->align) : raw;
    }
    const uint64_t addr = b->addr / v->align * v->align;
    return push(v, (struct plan_rect){
                       .kind = RECT_SLICE,
                       .addr = addr,
                       .bytes = size_div_up(end, v->align) * v->align - addr,
                       .first = f->wait >= 0 ? f->wait + 1 : f->wait,
                       .last = (int64_t)f->last_use + 1,
                       .layer = f->layer,
                       .buf = UINT32_MAX,
                   });
}

/* ---- the peak ---- */

bool plan_rect_meets(const struct plan_rect *x, uint64_t n_step, int64_t s)
{
    const int64_t period = (int64_t)n_step + 1;
    for (int64_t k = -1; k <= 1; k++) {
        if (x->first + k * period <= s && s <= x->last + k * period) {
            return true;
        }
    }
    return false;
}

/* Adds `bytes` from slot first to slot last, 0 <= first, last < period. */
static void add_live(int64_t *delta, int64_t first, int64_t last,
                     uint64_t bytes)
{
    delta[first] += (int64_t)bytes;
    delta[last + 1] -= (int64_t)bytes;
}

/* Sums of live bytes per slot, as differences; `only_peak`: of those that end
 * at the peak. */
static void sum_live(const struct collect *v, bool only_peak, int64_t *delta)
{
    for (uint32_t i = 0; i < v->out->n; i++) {
        const struct plan_rect *const x = &v->out->x[i];
        if (only_peak && x->addr + x->bytes < v->p->peak) {
            continue;
        }
        const int64_t first = x->first < 0 ? 0 : x->first;
        const int64_t last = x->last < v->period ? x->last : v->period - 1;
        if (x->last - x->first >= v->period - 1) {
            add_live(delta, 0, v->period - 1, x->bytes);
            continue;
        }
        add_live(delta, first, last, x->bytes);
        if (x->first < 0) {
            add_live(delta, x->first + v->period, v->period - 1, x->bytes);
        }
        if (x->last >= v->period) {
            add_live(delta, 0, x->last - v->period, x->bytes);
        }
    }
}

static int by_address(const void *a, const void *b)
{
    const struct plan_rect *const x = a;
    const struct plan_rect *const y = b;
    return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static bool keep_peak(struct collect *v)
{
    struct plan_rects *const o = v->out;
    o->at_peak = arena_new(v->cx->keep, struct plan_rect, o->n);
    for (uint32_t i = 0; o->at_peak && i < o->n; i++) {
        if (plan_rect_meets(&o->x[i], v->run->n_step, o->peak_slot)) {
            o->at_peak[o->n_at_peak++] = o->x[i];
        }
    }
    if (o->at_peak) {
        qsort(o->at_peak, o->n_at_peak, sizeof *o->at_peak, by_address);
    }
    return o->at_peak != NULL;
}

static bool find_peak(struct collect *v)
{
    const uint64_t n = (uint64_t)v->period + 1;
    int64_t *const all = arena_new(v->cx->scratch, int64_t, n);
    int64_t *const top = arena_new(v->cx->scratch, int64_t, n);
    if (!all || !top) {
        return false;
    }
    sum_live(v, false, all);
    sum_live(v, true, top);
    int64_t live = 0;
    int64_t at_top = 0;
    for (int64_t s = 0; s < v->period; s++) {
        live += all[s];
        at_top += top[s];
        v->out->most_live_bytes =
            size_max(v->out->most_live_bytes, (uint64_t)live);
        if (at_top > 0 && (uint64_t)live > v->out->peak_live_bytes) {
            v->out->peak_live_bytes = (uint64_t)live;
            v->out->peak_slot = s;
        }
    }
    return keep_peak(v);
}

/* ---- not too many ---- */

/* Joins x into y when both are slices of the same loop (or else layer) and
 * share addresses. */
static bool join(struct plan_rect *y, const struct plan_rect *x)
{
    if (y->addr >= x->addr + x->bytes || x->addr >= y->addr + y->bytes) {
        return false;
    }
    const uint64_t end = size_max(y->addr + y->bytes, x->addr + x->bytes);
    y->addr = size_min(y->addr, x->addr);
    y->bytes = end - y->addr;
    widen(y, x->first, x->last);
    y->n += x->n;
    return true;
}

/* Joins, of the slices from rectangle `from` on, those with equal keys. */
static void join_slices(struct collect *v, uint32_t from, const uint32_t *key,
                        bool any)
{
    uint32_t n = from;
    uint32_t group = from; /* first of the group */
    uint32_t last_key = UINT32_MAX;
    for (uint32_t i = from; i < v->out->n; i++) {
        const struct plan_rect x = v->out->x[i];
        const uint32_t k = key ? key[i - from] : x.layer;
        if (k != last_key) {
            group = n;
            last_key = k;
        }
        bool joined = false;
        for (uint32_t g = group; !joined && g < n; g++) {
            joined = (any || k != UINT32_MAX) && join(&v->out->x[g], &x);
        }
        if (!joined) {
            v->out->x[n++] = x;
        }
    }
    v->out->n = n;
}

static bool add_slices(struct collect *v, uint32_t *loop)
{
    uint32_t n = 0;
    for (uint64_t i = 0; i < v->run->n_fetch; i++) {
        const struct plan_fetch *const f = &v->run->fetch[i];
        const uint32_t before = v->out->n;
        if (!add_slice(v, f)) {
            return false;
        }
        if (v->out->n > before) {
            loop[n++] = f->loop;
        }
    }
    return true;
}

static int by_kind(const void *a, const void *b)
{
    const struct plan_rect *const x = a;
    const struct plan_rect *const y = b;
    if (x->kind != y->kind) {
        return x->kind < y->kind ? -1 : 1;
    }
    if (x->kind != RECT_RESIDENT && x->first != y->first) {
        return x->first < y->first ? -1 : 1;
    }
    return x->addr < y->addr ? -1 : x->addr > y->addr;
}

bool plan_rects(const struct layers *l, const struct chunks *c,
                const struct cands *k, const struct plan *p,
                const struct plan_run *run, uint32_t most, struct cx *cx,
                struct plan_rects *out)
{
    const struct arena_mark mark = arena_mark(cx->scratch);
    struct collect v = {
        .l = l,
        .c = c,
        .k = k,
        .p = p,
        .run = run,
        .cx = cx,
        .out = out,
        .align = c->align,
        .period = (int64_t)run->n_step + 1,
    };
    *out = (struct plan_rects){0};
    for (uint32_t i = 0; i < c->n_chunk; i++) {
        v.align = c->chunk[i].codec == CODEC_RAW ? v.align : 64;
    }
    const struct extent *const e = layer_extents(&v);
    uint32_t *const loop = arena_new(cx->scratch, uint32_t, run->n_fetch);
    if (!e || !loop || !add_fixed(&v)) {
        return false;
    }
    const uint32_t fixed = out->n;
    for (uint32_t i = 0; i < l->n_buf; i++) {
        if (!add_buffer(&v, i, e)) {
            return false;
        }
    }
    if (!cut_overlays(&v, fixed) || !add_scratch(&v)) {
        return false;
    }
    const uint32_t slices = out->n;
    if (!add_slices(&v, loop) || !find_peak(&v)) {
        return false;
    }
    if (out->n > most) {
        join_slices(&v, slices, loop, false);
    }
    if (out->n > most) {
        join_slices(&v, slices, NULL, true);
    }
    qsort(out->x, out->n, sizeof *out->x, by_kind);
    arena_rewind(cx->scratch, mark);
    return true;
}

/* ---- text ---- */

const char *plan_rect_name(const struct layers *l, const struct plan_rect *x)
{
    return x->layer != UINT32_MAX ? l->layer[x->layer].name
           : x->buf != UINT32_MAX ? l->buf[x->buf].name
                                  : "";
}

bool plan_rects_print(const struct layers *l, const struct plan *p,
                      const struct plan_rects *r, struct buf *out)
{
    buf_printf(
        out, "memory %s peak %llu at slot %lld, live %llu, most live %llu\n",
        p->budget_text ? p->budget_text : "-", (unsigned long long)p->peak,
        (long long)r->peak_slot, (unsigned long long)r->peak_live_bytes,
        (unsigned long long)r->most_live_bytes);
    for (uint32_t i = 0; i < r->n; i++) {
        const struct plan_rect *const x = &r->x[i];
        buf_printf(out, "%s %lld..%lld %llu+%llu", kind_name[x->kind],
                   (long long)x->first, (long long)x->last,
                   (unsigned long long)x->addr, (unsigned long long)x->bytes);
        if (x->n > 1) {
            buf_printf(out, " x%u", x->n);
        }
        const char *const name = plan_rect_name(l, x);
        buf_printf(out, "%s%s\n", *name ? " " : "", name);
    }
    return buf_ok(out);
}
