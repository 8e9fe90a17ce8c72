#include "planner/check_run.h"

#include "base/arena.h"
#include "base/size.h"

/* What all boundaries are checked against: made once, since there may be as
 * many of them as layers. */
struct edges {
    uint64_t *ahead;  /* per box, and the end: the earliest load that it or a
                         later box uses */
    bool *box_in;     /* per instruction: inside a loop, or its END */
    bool *load_in;    /* the same of loads */
    uint64_t *done;   /* per layer, and the end: the last box of those before */
    uint64_t *begins; /* the same: the first box of it and those after */
    const uint32_t *order; /* of buffers in memory */
};

static bool make_edges(const struct check *r, struct edges *x)
{
    struct arena *const a = r->cx->scratch;
    const uint32_t n = r->l->n_layer;
    *x = (struct edges){
        .ahead = arena_new(a, uint64_t, r->n_box + 1),
        .box_in = arena_new(a, bool, (uint64_t)r->p->n_box + 1),
        .load_in = arena_new(a, bool, (uint64_t)r->p->n_load + 1),
        .done = arena_new(a, uint64_t, (uint64_t)n + 1),
        .begins = arena_new(a, uint64_t, (uint64_t)n + 1),
        .order = plan_buf_order(r->p, a),
    };
    if (!x->ahead || !x->box_in || !x->load_in || !x->done || !x->begins ||
        !x->order) {
        return false;
    }
    x->ahead[r->n_box] = r->n_load;
    for (uint64_t i = r->n_box; i-- > 0;) {
        x->ahead[i] = size_min(x->ahead[i + 1], r->box[i].first_load);
    }
    for (uint32_t i = 0; i < r->p->n_box; i++) {
        const bool is_loop = r->p->box[i].op == PLAN_LOOP;
        for (uint32_t k = is_loop ? r->p->box[i].body + 1 : 0; k > 0; k--) {
            x->box_in[++i] = true;
        }
    }
    for (uint32_t i = 0; i < r->p->n_load; i++) {
        const bool is_loop = r->p->load[i].op == PLAN_LOOP;
        for (uint32_t k = is_loop ? r->p->load[i].body + 1 : 0; k > 0; k--) {
            x->load_in[++i] = true;
        }
    }
    /* One more than the last box, so that 0 is none. */
    for (uint32_t y = 0; y < n; y++) {
        x->done[y + 1] = size_max(x->done[y], r->last_box[y] + 1);
    }
    x->begins[n] = UINT64_MAX;
    for (uint32_t y = n; y-- > 0;) {
        x->begins[y] = size_min(x->begins[y + 1], r->first_box[y]);
    }
    return true;
}

/* Layers before lo are done at box `from`, those from hi on begin at `to` or
 * later. */
static bool check_position(const struct check *r, const struct edges *x,
                           uint32_t ix, uint64_t from, uint64_t to)
{
    const struct plan_boundary *const e = &r->p->boundary[ix];
    if (x->done[e->lo] <= from && x->begins[e->lo] >= from &&
        x->begins[e->hi] >= to) {
        return true;
    }
    for (uint32_t y = 0; y < r->l->n_layer; y++) {
        if ((y < e->lo && r->last_box[y] >= from) ||
            (y >= e->lo && r->first_box[y] < from) ||
            (y >= e->hi && r->first_box[y] < to)) {
            return check_fail(r, y, "boundary %u is not at layers %u..%u", ix,
                              e->lo, e->hi);
        }
    }
    return true;
}

/* A plan entered before box `box` with load `load`: all that later boxes use
 * is brought. What that box waits for is loaded here, even if its last use in
 * a whole run is earlier; so it lives until here. */
static bool check_entry(const struct check *r, const uint64_t *ahead,
                        uint32_t ix, uint64_t box, uint64_t load)
{
    if (ahead[box] < load) {
        return check_fail(r, r->p->boundary[ix].lo,
                          "boundary %u begins at load %llu, load %llu is still "
                          "used after it",
                          ix, (unsigned long long)load,
                          (unsigned long long)ahead[box]);
    }
    for (uint64_t k = load; k < r->box[box].loads_done; k++) {
        r->load[k].last_use = size_max(r->load[k].last_use, box);
    }
    return true;
}

static bool check_edge(const struct check *r, const struct edges *x,
                       uint32_t ix)
{
    const struct plan *const p = r->p;
    const struct plan_boundary *const e = &p->boundary[ix];
    const bool is_loop = e->n_iter > 1;
    if (e->box_ix >= p->n_box || x->box_in[e->box_ix] ||
        e->load_ix > p->n_load || x->load_in[e->load_ix] || e->lo > e->hi ||
        e->hi > r->l->n_layer || e->n_iter == 0 ||
        (is_loop ? p->box[e->box_ix].op != PLAN_LOOP ||
                       p->box[e->box_ix].n_iter != e->n_iter || e->lo == e->hi
                 : e->lo != e->hi || p->box[e->box_ix].op == PLAN_END ||
                       e->load_iter != 0) ||
        (e->load_ix < p->n_load && p->load[e->load_ix].op == PLAN_END)) {
        return check_fail(r, e->lo, "boundary %u is malformed", ix);
    }
    const uint64_t body = is_loop ? p->box[e->box_ix].body : 0;
    const bool in_load_loop = is_loop && e->load_ix < p->n_load &&
                              p->load[e->load_ix].op == PLAN_LOOP;
    const uint64_t load_body = in_load_loop ? p->load[e->load_ix].body : 0;
    if (e->box_count != r->box_at[e->box_ix] ||
        e->load_count != r->load_at[e->load_ix] + load_body * e->load_iter ||
        (!in_load_loop && e->load_iter != 0) ||
        (in_load_loop &&
         (uint64_t)e->load_iter + e->n_iter > p->load[e->load_ix].n_iter)) {
        return check_fail(r, e->lo, "boundary %u counts %llu boxes, %llu loads",
                          ix, (unsigned long long)e->box_count,
                          (unsigned long long)e->load_count);
    }
    const uint32_t id = plan_boundary_id(r->l, p, x->order, e);
    if (e->id != id) {
        return check_fail(r, e->lo, "boundary %u has id %u, not %u", ix, e->id,
                          id);
    }
    const uint64_t end = e->box_count + body * e->n_iter;
    if (!check_position(r, x, ix, e->box_count, end)) {
        return false;
    }
    for (uint32_t i = is_loop ? 1 : 0; i < e->n_iter; i++) {
        if (!check_entry(r, x->ahead, ix, e->box_count + i * body,
                         e->load_count + i * load_body)) {
            return false;
        }
    }
    return true;
}

bool check_edges(struct check *r)
{
    const struct plan *const p = r->p;
    struct edges x;
    if (!make_edges(r, &x)) {
        return false;
    }
    if (p->n_boundary == 0 || p->boundary[0].lo != 0 ||
        p->boundary[0].hi != 0) {
        return check_fail(r, 0, "the idle point is not its first boundary");
    }
    for (uint32_t i = 0; i < p->n_boundary; i++) {
        if (!check_edge(r, &x, i)) {
            return false;
        }
        if (i > 0 && p->boundary[i].box_count < p->boundary[i - 1].box_count) {
            return check_fail(r, p->boundary[i].lo,
                              "boundary %u is not in "
                              "order",
                              i);
        }
    }
    return true;
}

/* ---- across plans ---- */

/* The states at two boundaries of equal lo, hi, n_iter are the same: rings and
 * address order of what is live, and the loop that is under way. */
static bool same_state(const struct check *r, const struct plan *a,
                       const struct plan_boundary *x, const struct plan *b,
                       const struct plan_boundary *y)
{
    for (uint32_t i = 0; i < r->l->n_buf; i++) {
        if (!plan_buf_is_live(&r->l->buf[i], x->lo, x->hi)) {
            continue;
        }
        if (a->buf[i].ring != b->buf[i].ring) {
            return false;
        }
        for (uint32_t j = 0; j < i; j++) {
            if (plan_buf_is_live(&r->l->buf[j], x->lo, x->hi) &&
                (a->buf[i].addr < a->buf[j].addr) !=
                    (b->buf[i].addr < b->buf[j].addr)) {
                return false;
            }
        }
    }
    if (x->n_iter == 1) {
        return true;
    }
    if (a->box[x->box_ix].body != b->box[y->box_ix].body) {
        return false;
    }
    for (uint32_t i = 1; i <= a->box[x->box_ix].body; i++) {
        const struct plan_box *const s = &a->box[x->box_ix + i];
        const struct plan_box *const t = &b->box[y->box_ix + i];
        if (s->layer != t->layer || s->p0 != t->p0 || s->p1 != t->p1 ||
            s->kblock != t->kblock || s->row_a != t->row_a ||
            s->row_b != t->row_b) {
            return false;
        }
    }
    return true;
}

/* The ids of the edges that a boundary stands for meet those of another. */
static bool ids_meet(const struct plan_boundary *x,
                     const struct plan_boundary *y)
{
    return y->id - x->id < x->n_iter || x->id - y->id < y->n_iter;
}

bool check_common(struct check *r, const struct plan *a, const struct plan *b)
{
    r->p = b;
    uint32_t from = 0; /* lo never falls: check_position */
    for (uint32_t i = 0; i < a->n_boundary; i++) {
        const struct plan_boundary *const x = &a->boundary[i];
        while (from < b->n_boundary && b->boundary[from].lo < x->lo) {
            from++;
        }
        for (uint32_t j = from; j < b->n_boundary && b->boundary[j].lo == x->lo;
             j++) {
            const struct plan_boundary *const y = &b->boundary[j];
            if (x->hi != y->hi || !ids_meet(x, y)) {
                continue;
            }
            if (x->id != y->id || x->n_iter != y->n_iter ||
                !same_state(r, a, x, b, y)) {
                return check_fail(r, x->lo,
                                  "boundary %u and boundary %u of plan %s have "
                                  "one id and two states",
                                  j, i, a->budget_text ? a->budget_text : "?");
            }
        }
    }
    return a->boundary[0].id == b->boundary[0].id ||
           check_fail(r, 0,
                      "its inputs and outputs lie in another order than "
                      "those of plan %s",
                      a->budget_text ? a->budget_text : "?");
}
