#include "planner/check_run.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/size.h"

/* Time in this file: box i runs at instant 2i + 1, and 2i is the instant
 * before it; all modulo 2 * boxes, so that instant 0 is the idle point between
 * two runs. A thing lives from `first` to `last`, both included. */
struct live {
    uint64_t lo; /* bytes [lo, hi) */
    uint64_t hi;
    uint64_t first;
    uint64_t last;
    uint32_t layer; /* to blame */
    const char *what;
};

struct lives {
    struct check *r;
    struct live *x;
    uint64_t n;
    struct layer_uses uses;
    uint32_t *most_hi; /* per boundary: of it and those before */
    uint64_t floor;    /* below it: state and residents */
    uint64_t peak;
};

/* Adds what lives at [first, last], given in instants of the run in which it
 * ends: first < 0 in the tail of the run before; last may be the idle point
 * after the run. */
static bool add(struct lives *v, struct live x, int64_t first, uint64_t last)
{
    struct check *const r = v->r;
    const int64_t period = (int64_t)(2 * r->n_box);
    if (first == 0 && (int64_t)last == period) {
        last--; /* always: an input that is an output too */
    }
    if ((int64_t)last - first >= period) {
        return check_fail(r, x.layer, "%s overlaps itself in the next run",
                          x.what);
    }
    if (x.lo < v->floor) {
        return check_fail(r, x.layer, "%s lies at %llu, among the residents",
                          x.what, (unsigned long long)x.lo);
    }
    v->peak = size_max(v->peak, x.hi);
    if (first < 0) {
        x.first = (uint64_t)(first + period);
        x.last = (uint64_t)(period - 1);
        v->x[v->n++] = x;
        first = 0;
    }
    if ((int64_t)last >= period) {
        x.first = 0;
        x.last = 0;
        v->x[v->n++] = x;
        last = (uint64_t)(period - 1);
    }
    x.first = (uint64_t)first;
    x.last = last;
    v->x[v->n++] = x;
    return true;
}

/* ---- what lives ---- */

/* First and last instant of something; first > last: never. */
struct span_of_time {
    uint64_t first;
    uint64_t last;
};

static void widen(struct span_of_time *t, uint64_t at)
{
    t->first = size_min(t->first, at);
    t->last = size_max(t->last, at);
}

/* Rows of buffer ix that box i touches: where an operand has no rows, all of
 * them, or those from the first on that a box reads. A box without rows touches
 * none. */
static void touch_by_box(const struct check *r, uint32_t ix, uint64_t i,
                         struct span_of_time *row)
{
    const uint64_t rows = r->l->buf[ix].rows;
    const struct run_box *const x = &r->box[i];
    const struct layer *const y = &r->l->layer[r->p->box[x->ix].layer];
    for (uint32_t k = 0; x->r0 < x->r1 && k <= layer_n_read(y); k++) {
        const bool is_in = k < layer_n_read(y);
        const struct operand *const o = is_in ? &y->in[k] : &y->out;
        if (o->buf != ix) {
            continue;
        }
        uint64_t a = x->r0;
        uint64_t b = x->r1;
        if (is_in) {
            row_map_need(&o->map, x->r0, x->r1, &a, &b);
        }
        a += o->row0;
        b += o->row0;
        if (!o->by_row || r->p->buf[ix].ring < rows) {
            a = 0;
            b = rows;
        }
        if (!o->by_row && is_in && r->p->buf[ix].ring == rows) {
            a = operand_first_row(y, o, r->l->buf[ix].row_bytes, x->r0);
        }
        for (; a < b && a < rows; a++) {
            widen(&row[a], 2 * i + 1);
        }
    }
}

/* Instants at which boxes touch the rows of buffer ix. */
static void touch_rows(const struct lives *v, uint32_t ix,
                       struct span_of_time *row)
{
    const struct check *const r = v->r;
    for (uint32_t k = v->uses.at[ix]; k < v->uses.at[ix + 1]; k++) {
        const uint32_t y = v->uses.layer[k];
        for (uint64_t i = r->first_box[y]; i < r->n_box && i <= r->last_box[y];
             i++) {
            if (r->p->box[r->box[i].ix].layer == y) {
                touch_by_box(r, ix, i, row);
            }
        }
    }
}

/* The first boundary that begins after layer y or stands for more. */
static uint32_t first_after(const struct lives *v, uint32_t y)
{
    uint32_t lo = 0;
    uint32_t hi = v->r->p->n_boundary;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (v->most_hi[mid] > y) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }
    return lo;
}

/* Boundaries, whose lo never falls (check_edges), at which the buffer is live,
 * since a switch moves it there; and the caller's time with an input or output.
 */
static struct span_of_time held_whole(const struct lives *v, uint32_t ix)
{
    const struct check *const r = v->r;
    const struct buffer *const b = &r->l->buf[ix];
    struct span_of_time t = {.first = b->is_input ? 0 : UINT64_MAX};
    for (uint32_t i = b->is_input ? 0 : first_after(v, b->first);
         i < r->p->n_boundary && r->p->boundary[i].lo <= b->last; i++) {
        const struct plan_boundary *const e = &r->p->boundary[i];
        if ((e->lo == 0 && e->hi == 0) || !plan_buf_is_live(b, e->lo, e->hi)) {
            continue;
        }
        const uint64_t body = e->n_iter > 1 ? r->p->box[e->box_ix].body : 0;
        widen(&t, 2 * (e->box_count + body));
        widen(&t, 2 * (e->box_count + (uint64_t)(e->n_iter - 1) * body));
    }
    if (b->is_output) {
        t.first = size_min(t.first, 2 * r->n_box);
        t.last = 2 * r->n_box;
    }
    return t;
}

/* A buffer takes whole units of 64 bytes. Each of its rows lives from the first
 * box that touches it to the last, and wherever all of it must be there. What
 * is not held in full lives all the time that one row does. */
static bool add_buffer(struct lives *v, uint32_t ix)
{
    struct check *const r = v->r;
    const struct buffer *const b = &r->l->buf[ix];
    const struct plan_buf *const p = &r->p->buf[ix];
    const struct arena_mark mark = arena_mark(r->cx->scratch);
    struct span_of_time *const row =
        arena_new(r->cx->scratch, struct span_of_time, b->rows);
    if (!row) {
        return false;
    }
    struct span_of_time all = held_whole(v, ix);
    for (uint64_t i = 0; i < b->rows; i++) {
        row[i].first = UINT64_MAX;
    }
    touch_rows(v, ix, row);
    bool is_used = b->is_input || b->is_output;
    for (uint64_t i = 0; i < b->rows; i++) {
        is_used = is_used || row[i].first != UINT64_MAX;
        row[i].first = size_min(row[i].first, all.first);
        row[i].last = size_max(row[i].last, all.last);
    }
    uint64_t bytes = 0;
    bool ok = true;
    if (is_used &&
        (!size_mul(&bytes, p->ring, b->row_bytes) || p->addr % 64 != 0 ||
         p->addr > r->p->peak || bytes > r->p->peak - p->addr)) {
        return check_fail(r, b->first, "'%s' at %llu ends above the peak",
                          b->name, (unsigned long long)p->addr);
    }
    for (uint64_t i = 0; ok && is_used && i < p->ring;) {
        uint64_t end = i + 1;
        while (end < p->ring && row[end].first == row[i].first &&
               row[end].last == row[i].last) {
            end++;
        }
        const uint64_t hi =
            end == p->ring ? size_div_up(bytes, 64) * 64 : end * b->row_bytes;
        if (row[i].first != UINT64_MAX) {
            ok = add(v,
                     (struct live){.lo = p->addr + i * b->row_bytes,
                                   .hi = p->addr + hi,
                                   .layer = b->first,
                                   .what = b->name},
                     (int64_t)row[i].first, row[i].last);
        }
        i = end;
    }
    arena_rewind(r->cx->scratch, mark);
    return ok;
}

/* A slice lives from the earliest start of its load to its last use. A wait of
 * 0 is for the run to begin, after the idle point. */
static bool add_load(struct lives *v, const struct run_load *x)
{
    struct check *const r = v->r;
    const struct plan_load *const b = &r->p->load[x->ix];
    const uint64_t align = r->all_raw ? r->c->align : 64;
    if (b->resident) {
        return true;
    }
    uint64_t end = b->addr;
    if (b->picks) {
        end += plan_pick_room(r->c->chunk[b->chunk0].raw_bytes, align);
    }
    for (uint32_t k = b->chunk0; !b->picks && k < b->chunk0 + b->n_chunk; k++) {
        end += r->c->chunk[k].raw_bytes;
    }
    if (b->addr % 64 != 0) {
        return check_fail(r, r->c->chunk[b->chunk0].layer, "slice at %llu",
                          (unsigned long long)b->addr);
    }
    return add(v,
               (struct live){.lo = b->addr / align * align,
                             .hi = size_div_up(end, align) * align,
                             .layer = r->c->chunk[b->chunk0].layer,
                             .what = "a slice"},
               x->wait == 0 ? 1 : 2 * x->wait, 2 * x->last_use + 1);
}

static int by_place(const void *a, const void *b)
{
    const struct chunk *const *const x = a;
    const struct chunk *const *const y = b;
    return (*x)->res_off < (*y)->res_off ? -1 : (*x)->res_off > (*y)->res_off;
}

/* Residents lie apart from each other; where a padded read reaches into
 * another one, it brings the same bytes of the blob. */
static bool check_residents(struct lives *v)
{
    struct check *const r = v->r;
    const struct plan *const p = r->p;
    const uint64_t align = r->all_raw ? r->c->align : 64;
    v->floor = size_div_up(p->state_bytes + p->resident_bytes, align) * align;
    if (p->resident_bytes == 0) {
        v->floor = p->state_bytes;
    }
    v->peak = v->floor;
    const struct chunk **const x =
        arena_new(r->cx->scratch, const struct chunk *, r->c->n_chunk);
    uint32_t n = 0;
    for (uint32_t i = 0; x && i < r->c->n_chunk; i++) {
        const struct chunk *const k = &r->c->chunk[i];
        if (k->res_off + k->raw_bytes <= p->resident_bytes) {
            x[n++] = k;
        }
    }
    if (!x) {
        return false;
    }
    qsort(x, n, sizeof(const struct chunk *), by_place);
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t end = x[i]->res_off + x[i]->raw_bytes;
        const uint64_t padded_end = size_div_up(end, align) * align;
        for (uint32_t j = i + 1;
             j < n && x[j]->res_off / align * align < padded_end; j++) {
            const bool same_place = x[i]->res_off - x[i]->blob_off ==
                                    x[j]->res_off - x[j]->blob_off;
            if (x[j]->res_off < end || !same_place) {
                return check_fail(r, x[j]->layer,
                                  "residents at %llu and %llu "
                                  "meet",
                                  (unsigned long long)x[i]->res_off,
                                  (unsigned long long)x[j]->res_off);
            }
        }
    }
    return true;
}

/* ---- no two share a byte ---- */

static int by_first(const void *a, const void *b)
{
    const struct live *const x = a;
    const struct live *const y = b;
    if (x->first != y->first) {
        return x->first < y->first ? -1 : 1;
    }
    return x->lo < y->lo ? -1 : x->lo > y->lo;
}

struct sweep {
    const struct live **active;
    uint64_t n;
};

static void retire(struct sweep *s, uint64_t now)
{
    uint64_t kept = 0;
    for (uint64_t i = 0; i < s->n; i++) {
        if (s->active[i]->last >= now) {
            s->active[kept++] = s->active[i];
        }
    }
    s->n = kept;
}

static bool is_free(struct lives *v, const struct sweep *s,
                    const struct live *x)
{
    for (uint64_t i = 0; i < s->n; i++) {
        const struct live *const y = s->active[i];
        if (x->lo < y->hi && y->lo < x->hi) {
            return check_fail(
                v->r, x->layer,
                "%s at %llu..%llu meets %s at %llu..%llu, box "
                "%llu",
                x->what, (unsigned long long)x->lo, (unsigned long long)x->hi,
                y->what, (unsigned long long)y->lo, (unsigned long long)y->hi,
                (unsigned long long)(x->first / 2));
        }
    }
    return true;
}

/* Scratch of a box, all threads: only while it runs. */
static bool check_scratch(struct lives *v, const struct sweep *s, uint64_t box)
{
    struct check *const r = v->r;
    const uint32_t y = r->p->box[r->box[box].ix].layer;
    uint64_t bytes = 0;
    const uint64_t addr = r->p->scratch[y].addr;
    if (r->k->cand[y].scratch_bytes == 0) {
        return true;
    }
    if (r->p->scratch[y].bytes % 64 != 0 ||
        r->p->scratch[y].bytes < r->k->cand[y].scratch_bytes ||
        !size_mul(&bytes, r->p->scratch[y].bytes, r->p->n_thread) ||
        addr % 64 != 0 || addr < v->floor || addr > r->p->peak ||
        bytes > r->p->peak - addr) {
        return check_fail(r, y, "scratch at %llu, %llu bytes",
                          (unsigned long long)addr,
                          (unsigned long long)r->p->scratch[y].bytes);
    }
    v->peak = size_max(v->peak, addr + bytes);
    const struct live x = {.lo = addr,
                           .hi = addr + bytes,
                           .first = 2 * box + 1,
                           .layer = y,
                           .what = "scratch"};
    return is_free(v, s, &x);
}

static bool check_overlaps(struct lives *v)
{
    struct sweep s = {
        .active = arena_new(v->r->cx->scratch, const struct live *, v->n)};
    if (!s.active) {
        return false;
    }
    qsort(v->x, v->n, sizeof *v->x, by_first);
    uint64_t next = 0;
    for (uint64_t box = 0; box < v->r->n_box; box++) {
        for (; next < v->n && v->x[next].first <= 2 * box + 1; next++) {
            retire(&s, v->x[next].first);
            if (!is_free(v, &s, &v->x[next])) {
                return false;
            }
            s.active[s.n++] = &v->x[next];
        }
        retire(&s, 2 * box + 1);
        if (!check_scratch(v, &s, box)) {
            return false;
        }
    }
    return true;
}

bool check_memory(struct check *r)
{
    struct lives v = {.r = r};
    uint64_t n = r->n_load;
    for (uint32_t i = 0; i < r->l->n_buf; i++) {
        n += r->l->buf[i].rows;
    }
    v.x = arena_new(r->cx->scratch, struct live, 2 * n + 2);
    v.most_hi = arena_new(r->cx->scratch, uint32_t, r->p->n_boundary);
    if (!v.x || !v.most_hi || !layers_uses(r->l, r->cx->scratch, &v.uses) ||
        !check_residents(&v)) {
        return false;
    }
    for (uint32_t i = 0; i < r->p->n_boundary; i++) {
        const uint32_t hi = r->p->boundary[i].hi;
        v.most_hi[i] = i > 0 && v.most_hi[i - 1] > hi ? v.most_hi[i - 1] : hi;
    }
    for (uint32_t i = 0; i < r->l->n_buf; i++) {
        if (!add_buffer(&v, i)) {
            return false;
        }
    }
    for (uint64_t i = 0; i < r->n_load; i++) {
        if (!add_load(&v, &r->load[i])) {
            return false;
        }
    }
    if (!check_overlaps(&v)) {
        return false;
    }
    return v.peak == r->p->peak ||
           check_fail(r, UINT32_MAX, "claims a peak of %llu, found %llu",
                      (unsigned long long)r->p->peak,
                      (unsigned long long)v.peak);
}
