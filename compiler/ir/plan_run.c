#include "ir/plan_run.h"

#include "base/arena.h"
#include "base/size.h"

static uint64_t row_end(const struct plan_box *b, uint64_t rows, int64_t iter)
{
    const int64_t end = b->row_a * iter + b->row_b;
    return iter < 0 || end < 0 ? 0 : size_min((uint64_t)end, rows);
}

static void add_step(const struct layers *l, const struct plan *p, uint32_t ix,
                     uint32_t loop, int64_t iter, struct plan_run *out)
{
    const struct plan_box *const b = &p->box[ix];
    const uint64_t rows = l->layer[b->layer].rows;
    out->step[out->n_step++] = (struct plan_step){
        .ix = ix,
        .loop = loop,
        .r0 = b->by_row ? row_end(b, rows, iter - 1) : 0,
        .r1 = b->by_row ? row_end(b, rows, iter) : rows,
        .loads = (uint64_t)(b->wait + b->wait_step * iter),
    };
}

static void unroll_boxes(const struct layers *l, const struct plan *p,
                         struct plan_run *out)
{
    for (uint32_t i = 0; i < p->n_box; i++) {
        const struct plan_box *const b = &p->box[i];
        if (b->op == PLAN_BOX) {
            add_step(l, p, i, UINT32_MAX, 0, out);
        } else if (b->op == PLAN_LOOP) {
            for (uint32_t t = 0; t < b->n_iter; t++) {
                for (uint32_t k = 1; k <= b->body; k++) {
                    add_step(l, p, i + k, i, t, out);
                }
            }
            i += b->body;
        }
    }
}

static void add_fetch(const struct chunks *c, const struct plan *p, uint32_t ix,
                      uint32_t loop, int64_t iter, struct plan_run *out)
{
    const struct plan_load *const b = &p->load[ix];
    out->fetch[out->n_fetch++] = (struct plan_fetch){
        .ix = ix,
        .layer = b->picks ? b->layer : c->chunk[b->chunk0].layer,
        .loop = loop,
        .wait = b->wait + b->wait_step * iter};
}

static void unroll_loads(const struct chunks *c, const struct plan *p,
                         struct plan_run *out)
{
    for (uint32_t i = 0; i < p->n_load; i++) {
        const struct plan_load *const b = &p->load[i];
        if (b->op == PLAN_LOAD) {
            add_fetch(c, p, i, UINT32_MAX, 0, out);
        } else if (b->op == PLAN_LOOP) {
            for (uint32_t t = 0; t < b->n_iter; t++) {
                for (uint32_t k = 1; k <= b->body; k++) {
                    add_fetch(c, p, i + k, i, t, out);
                }
            }
            i += b->body;
        }
    }
}

/* The last loads complete before a step, plus one; 0 for none. */
struct latest {
    uint64_t *chunk; /* that brought a chunk */
    uint64_t *pick;  /* that picked an entry of a layer's table */
};

/* Notes step `at` as a use of the last loads that bring its panels. */
static void mark_uses(const struct chunks *c, const struct plan *p,
                      const struct latest *l, uint64_t at, struct plan_run *out)
{
    const struct plan_step *const s = &out->step[at];
    const struct plan_box *const b = &p->box[s->ix];
    const struct lattice *const t = &c->lattice[b->layer];
    if (s->r1 == s->r0) {
        return;
    }
    if (l->pick[b->layer] > 0) { /* a layer's loads are all of one kind */
        out->fetch[l->pick[b->layer] - 1].last_use = at;
        return;
    }
    for (uint32_t i = t->chunk0; i < t->chunk0 + t->n_chunk; i++) {
        const struct chunk *const k = &c->chunk[i];
        if (k->kblock == b->kblock && k->panel < b->p1 &&
            k->panel + k->n_panel > b->p0 && l->chunk[i] > 0) {
            out->fetch[l->chunk[i] - 1].last_use = at;
        }
    }
}

static bool find_uses(const struct chunks *c, const struct plan *p,
                      struct arena *a, struct plan_run *out)
{
    const struct arena_mark mark = arena_mark(a);
    const struct latest l = {
        .chunk = arena_new(a, uint64_t, c->n_chunk),
        .pick = arena_new(a, uint64_t, c->n_layer),
    };
    if (!l.chunk || !l.pick) {
        return false;
    }
    uint64_t n = 0; /* loads complete */
    for (uint64_t i = 0; i < out->n_step; i++) {
        for (; n < out->step[i].loads; n++) {
            const struct plan_load *const x = &p->load[out->fetch[n].ix];
            for (uint32_t k = 0; !x->picks && k < x->n_chunk; k++) {
                l.chunk[x->chunk0 + k] = n + 1;
            }
            if (x->picks) {
                l.pick[x->layer] = n + 1;
            }
            out->fetch[n].last_use = i;
        }
        mark_uses(c, p, &l, i, out);
    }
    arena_rewind(a, mark);
    return true;
}

bool plan_unroll(const struct layers *l, const struct chunks *c,
                 const struct plan *p, struct arena *a, struct plan_run *out)
{
    *out = (struct plan_run){
        .step = arena_new(a, struct plan_step, p->n_step),
        .fetch = arena_new(a, struct plan_fetch, p->n_load_run),
    };
    if (!out->step || !out->fetch) {
        return false;
    }
    unroll_boxes(l, p, out);
    unroll_loads(c, p, out);
    return find_uses(c, p, a, out);
}
