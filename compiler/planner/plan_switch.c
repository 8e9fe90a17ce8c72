#include "base/arena.h"
#include "base/size.h"
#include "planner/planner.h"

/* How long a switch can take. A request that comes just after the runtime has
 * looked for one waits for the boxes up to the next boundary that both plans
 * have; these for their loads, none of which may have come when the plan was
 * entered shortly before; then loads that have begun meanwhile are waited for,
 * what is live is moved and the arena's top given back. Chunks of a resident
 * load that are there by turns are a read each. All of it may take longer by
 * the profile's margin. */

enum { NS_PER_US = 1000 };

/* A boundary of a plan, one iteration of it. */
struct edge {
    uint32_t lo;
    uint32_t hi;
    uint32_t id; /* of the iteration */
    uint64_t box;
    uint64_t load; /* entered here, the loads before it are not waited for */
};

/* One plan, unrolled, as that which is left. */
struct from {
    const struct layers *l;
    const struct device *d;
    const struct plan *p;
    struct plan_run run;
    uint64_t *box_ns;  /* per box, and the end: of those before */
    uint64_t *load_ns; /* per load, and the end; as if nothing were resident */
    struct edge *edge; /* ascending */
    uint64_t n_edge;
};

/* The longest that a load takes, whatever is there of it. */
static uint64_t cold_ns(const struct chunks *c, const struct device *d,
                        const struct plan_load *b)
{
    const uint64_t n_read = b->resident ? (b->n_chunk + 1) / 2 : 1;
    uint64_t stored = 0;
    uint64_t decoded = 0;
    for (uint32_t i = b->chunk0; i < b->chunk0 + b->n_chunk; i++) {
        stored += c->chunk[i].stored_bytes;
        decoded += c->chunk[i].codec == CODEC_ZSTD ? c->chunk[i].raw_bytes : 0;
    }
    return device_load_ns(d, stored, decoded) +
           (n_read - 1) * d->read_latency_ns;
}

static void sum_times(const struct chunks *c, const struct cands *k,
                      struct from *f)
{
    for (uint64_t i = 0; i < f->run.n_step; i++) {
        const struct plan_step *const s = &f->run.step[i];
        const struct plan_box *const b = &f->p->box[s->ix];
        const uint64_t ns =
            s->r1 > s->r0
                ? cand_box_ns(&k->cand[b->layer], &f->l->layer[b->layer],
                              &c->lattice[b->layer], s->r1 - s->r0,
                              b->p1 - b->p0, f->p->scratch[b->layer].bytes)
                : 0;
        f->box_ns[i + 1] = f->box_ns[i] + ns;
    }
    for (uint64_t i = 0; i < f->run.n_fetch; i++) {
        const struct plan_load *const b = &f->p->load[f->run.fetch[i].ix];
        f->load_ns[i + 1] = f->load_ns[i] + cold_ns(c, f->d, b);
    }
}

static void list_edges(struct from *f)
{
    const struct plan *const p = f->p;
    for (uint32_t i = 0; i < p->n_boundary; i++) {
        const struct plan_boundary *const b = &p->boundary[i];
        const uint64_t body = b->n_iter > 1 ? p->box[b->box_ix].body : 0;
        const uint64_t load_body =
            b->load_ix < p->n_load && p->load[b->load_ix].op == PLAN_LOOP &&
                    b->n_iter > 1
                ? p->load[b->load_ix].body
                : 0;
        for (uint32_t t = b->n_iter > 1 ? 1 : 0; t < b->n_iter; t++) {
            f->edge[f->n_edge++] =
                (struct edge){b->lo, b->hi, b->id + t, b->box_count + t * body,
                              b->load_count + t * load_body};
        }
    }
}

static bool unroll_from(const struct chunks *c, const struct cands *k,
                        struct cx *cx, struct from *f)
{
    uint64_t n_edge = 0;
    for (uint32_t i = 0; i < f->p->n_boundary; i++) {
        n_edge += f->p->boundary[i].n_iter;
    }
    if (!plan_unroll(f->l, c, f->p, cx->scratch, &f->run)) {
        return false;
    }
    f->box_ns = arena_new(cx->scratch, uint64_t, f->run.n_step + 1);
    f->load_ns = arena_new(cx->scratch, uint64_t, f->run.n_fetch + 1);
    f->edge = arena_new(cx->scratch, struct edge, n_edge);
    if (!f->box_ns || !f->load_ns || !f->edge) {
        return false;
    }
    sum_times(c, k, f);
    list_edges(f);
    return true;
}

static bool has_edge(const struct plan *to, const struct edge *e)
{
    for (uint32_t i = 0; i < to->n_boundary; i++) {
        const struct plan_boundary *const b = &to->boundary[i];
        const uint32_t t = e->id - b->id;
        if (b->lo == e->lo && b->hi == e->hi &&
            (b->n_iter == 1 ? t == 0 : t >= 1 && t < b->n_iter)) {
            return true;
        }
    }
    return false;
}

/* Loads that may be at work when `box` boxes are done and `load` loads. */
static uint64_t drain_ns(const struct from *f, uint64_t box, uint64_t load)
{
    const uint64_t n = f->run.n_fetch;
    uint64_t ns = 0;
    for (uint64_t i = load; i < load + f->p->in_flight && n > 0; i++) {
        const int64_t wait = f->run.fetch[i % n].wait;
        if (i >= 2 * n ||
            (i < n
                 ? wait > (int64_t)box
                 : wait >= 0 || (int64_t)box < (int64_t)f->run.n_step + wait)) {
            break;
        }
        ns += f->load_ns[i % n + 1] - f->load_ns[i % n];
    }
    return ns;
}

/* What is live moves once, read and written; the top given back counts as
 * written. */
static uint64_t move_ns(const struct from *f, const struct plan *to,
                        uint32_t lo, uint32_t hi)
{
    uint64_t bytes = f->p->peak > to->peak ? f->p->peak - to->peak : 0;
    for (uint32_t i = 0; i < f->l->n_buf; i++) {
        if (plan_buf_is_live(&f->l->buf[i], lo, hi)) {
            bytes += 2 * f->p->buf[i].ring * f->l->buf[i].row_bytes;
        }
    }
    return bytes * NS_PER_US / f->d->speed[SPEED_EWISE];
}

/* Asked for when the boxes before p have begun or are done, obeyed when those
 * before q are; ahead: the first load that may not have come at p. */
static void wait_between(const struct from *f, const struct plan *to,
                         uint64_t p, const struct edge *q, uint64_t ahead,
                         struct plan_delay *out)
{
    const uint64_t loads =
        q->box > 0 ? size_max(f->run.step[q->box - 1].loads, ahead) : 0;
    const uint64_t ns = f->box_ns[q->box] - f->box_ns[p] + f->load_ns[loads] -
                        f->load_ns[size_min(ahead, loads)] +
                        drain_ns(f, q->box, loads) +
                        move_ns(f, to, q->lo, q->hi);
    out->n_box = size_max(out->n_box, q->box - p);
    out->ns = size_max(out->ns, device_bound_ns(f->d, ns));
}

static struct plan_delay delay_to(const struct from *f, const struct plan *to)
{
    struct plan_delay out = {0};
    uint64_t p = 0;
    uint64_t ahead = 0;
    for (uint64_t i = 0; i < f->n_edge; i++) {
        const struct edge *const e = &f->edge[i];
        if (e->box > 0 && has_edge(to, e)) {
            wait_between(f, to, p, e, ahead, &out);
            p = e->box;
            ahead = size_min(e->load, f->run.step[p - 1].loads);
        } else if (e->box > 0) {
            ahead = size_min(ahead, e->load);
        }
    }
    const struct edge end = {.box = f->run.n_step};
    wait_between(f, to, p, &end, ahead, &out);
    return out;
}

bool plan_switch_delays(const struct layers *l, const struct chunks *c,
                        const struct cands *k, const struct device *d,
                        const struct plan_set *set, uint32_t n, struct cx *cx,
                        struct plan_delay *out)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct arena_mark mark = arena_mark(cx->scratch);
        struct from f = {.l = l, .d = d, .p = &set->plan[i]};
        if (!unroll_from(c, k, cx, &f)) {
            return false;
        }
        for (uint32_t j = 0; j < n; j++) {
            out[(uint64_t)i * n + j] =
                i == j ? (struct plan_delay){0} : delay_to(&f, &set->plan[j]);
        }
        arena_rewind(cx->scratch, mark);
    }
    return true;
}
