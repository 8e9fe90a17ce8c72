#include "planner/check_run.h"

#include "base/arena.h"
#include "base/size.h"

/* Per box, and the end: the earliest load that it or a later box uses. */
static uint64_t *make_ahead(const struct check *r)
{
    uint64_t *const ahead = arena_new(r->cx->scratch, uint64_t, r->n_box + 1);
    if (ahead) {
        ahead[r->n_box] = r->n_load;
        for (uint64_t i = r->n_box; i-- > 0;) {
            ahead[i] = size_min(ahead[i + 1], r->box[i].first_load);
        }
    }
    return ahead;
}

static bool is_top_box(const struct plan *p, uint32_t ix)
{
    for (uint32_t i = 0; i < ix && i < p->n_box; i++) {
        if (p->box[i].op == PLAN_LOOP) {
            i += p->box[i].body + 1;
            if (i >= ix) {
                return false;
            }
        }
    }
    return ix < p->n_box;
}

static bool is_top_load(const struct plan *p, uint32_t ix)
{
    for (uint32_t i = 0; i < ix && i < p->n_load; i++) {
        if (p->load[i].op == PLAN_LOOP) {
            i += p->load[i].body + 1;
            if (i >= ix) {
                return false;
            }
        }
    }
    return ix <= p->n_load;
}

/* Layers before lo are done at box `from`, those from hi on begin at `to` or
 * later. */
static bool check_position(const struct check *r, uint32_t ix, uint64_t from,
                           uint64_t to)
{
    const struct plan_boundary *const e = &r->p->boundary[ix];
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

static bool check_edge(const struct check *r, const uint64_t *ahead,
                       uint32_t ix)
{
    const struct plan *const p = r->p;
    const struct plan_boundary *const e = &p->boundary[ix];
    const bool is_loop = e->n_iter > 1;
    if (!is_top_box(p, e->box_ix) || !is_top_load(p, e->load_ix) ||
        e->lo > e->hi || e->hi > r->l->n_layer || e->n_iter == 0 ||
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
    if (e->id != plan_boundary_id(r->l, p, e)) {
        return check_fail(r, e->lo, "boundary %u has id %u, not %u", ix, e->id,
                          plan_boundary_id(r->l, p, e));
    }
    const uint64_t end = e->box_count + body * e->n_iter;
    if (!check_position(r, ix, e->box_count, end)) {
        return false;
    }
    for (uint32_t i = is_loop ? 1 : 0; i < e->n_iter; i++) {
        if (!check_entry(r, ahead, ix, e->box_count + i * body,
                         e->load_count + i * load_body)) {
            return false;
        }
    }
    return true;
}

bool check_edges(struct check *r)
{
    const struct plan *const p = r->p;
    const uint64_t *const ahead = make_ahead(r);
    if (!ahead) {
        return false;
    }
    if (p->n_boundary == 0 || p->boundary[0].lo != 0 ||
        p->boundary[0].hi != 0) {
        return check_fail(r, 0, "the idle point is not its first boundary");
    }
    for (uint32_t i = 0; i < p->n_boundary; i++) {
        if (!check_edge(r, ahead, i)) {
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
    for (uint32_t i = 0; i < a->n_boundary; i++) {
        const struct plan_boundary *const x = &a->boundary[i];
        for (uint32_t j = 0; j < b->n_boundary; j++) {
            const struct plan_boundary *const y = &b->boundary[j];
            if (x->lo != y->lo || x->hi != y->hi || !ids_meet(x, y)) {
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
