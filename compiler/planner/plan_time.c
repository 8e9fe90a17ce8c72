#include "planner/plan_work.h"

#include <assert.h>

#include "base/arena.h"
#include "base/size.h"
#include "planner/planner.h"

/* Runs both streams as the runtime does: one thread computes, and between
 * boxes queues loads whose wait is over, while fewer than in_flight are queued;
 * the loader takes them in order. Where loading needs the core, loads run
 * inside the waits. */

enum { RUNS = 3 }; /* the last one is the steady state */

struct run_load {
    int64_t wait;
    uint64_t ns; /* 0: resident, skipped */
};
struct run_box {
    uint64_t loads; /* complete before it */
    uint64_t ns;
};

struct sim {
    const struct plan *p;
    const struct run_box *box;
    const struct run_load *load;
    uint64_t n_box;
    uint64_t n_load;
    bool shares_core;
    uint64_t now;
    uint64_t loader_free;
    uint64_t run;    /* runs begun before this one */
    uint64_t pos;    /* boxes done in this run */
    uint64_t issued; /* loads, over all runs */
    uint64_t done;
    uint64_t end[PLAN_MAX_IN_FLIGHT]; /* of loads in flight, by number */
    struct plan_run *trace;           /* NULL: only the total is wanted */
};

/* Notes when load number `load`, over all runs, was at work, if it is one of
 * the last run. */
static void trace_load(const struct sim *s, uint64_t load, uint64_t end)
{
    if (s->trace && load / s->n_load == RUNS - 1) {
        struct plan_fetch *const f = &s->trace->fetch[load % s->n_load];
        f->begin_ns = (int64_t)(end - s->load[load % s->n_load].ns);
        f->end_ns = (int64_t)end;
    }
}

static bool may_start(const struct sim *s)
{
    const uint64_t run = s->issued / s->n_load;
    if (run > s->run + 1) {
        return false;
    }
    const int64_t wait = s->load[s->issued % s->n_load].wait;
    const int64_t pos = (int64_t)s->pos;
    return run > s->run ? wait < 0 && pos >= (int64_t)s->n_box + wait
                        : pos >= wait;
}

/* Queues what may start, and takes out what is complete by now. */
static void pump(struct sim *s)
{
    bool moved = s->n_load > 0;
    while (moved) {
        moved = false;
        while (s->issued - s->done < s->p->in_flight && may_start(s)) {
            const uint64_t ns = s->load[s->issued % s->n_load].ns;
            const uint64_t start = size_max(s->now, s->loader_free);
            s->loader_free = ns == 0 ? s->loader_free : start + ns;
            s->end[s->issued % PLAN_MAX_IN_FLIGHT] =
                s->shares_core ? UINT64_MAX : s->loader_free;
            trace_load(s, s->issued, s->loader_free);
            s->issued++;
        }
        while (s->done < s->issued &&
               s->end[s->done % PLAN_MAX_IN_FLIGHT] <= s->now) {
            s->done++;
            moved = true;
        }
    }
}

static void wait_for(struct sim *s, uint64_t loads)
{
    pump(s);
    while (s->done < loads) {
        assert(s->issued > s->done); /* the streams never block each other */
        if (s->shares_core) {
            s->now += s->load[s->done % s->n_load].ns;
            s->end[s->done % PLAN_MAX_IN_FLIGHT] = s->now;
            trace_load(s, s->done, s->now);
        } else {
            s->now = size_max(s->now, s->end[s->done % PLAN_MAX_IN_FLIGHT]);
        }
        pump(s);
    }
}

static void run_once(struct sim *s)
{
    const uint64_t before = s->run * s->n_load;
    for (s->pos = 0; s->pos < s->n_box; s->pos++) {
        wait_for(s, before + s->box[s->pos].loads);
        if (s->trace) {
            s->trace->step[s->pos].begin_ns = s->now;
            s->trace->step[s->pos].end_ns = s->now + s->box[s->pos].ns;
        }
        s->now += s->box[s->pos].ns;
    }
    pump(s);
    s->run++;
}

/* ---- unrolling ---- */

/* Rows of a box in an iteration; the box, not empty. */
struct rows_of {
    uint64_t r0;
    uint64_t r1;
    const struct plan_box *b; /* NULL: none */
};

static struct rows_of rows_of(const struct work *w, const struct plan_box *b,
                              int64_t iter)
{
    const uint64_t rows = w->l->layer[b->layer].rows;
    return (struct rows_of){
        .r0 = b->by_row ? plan_row_end(b, rows, iter - 1) : 0,
        .r1 = b->by_row ? plan_row_end(b, rows, iter) : rows,
        .b = b,
    };
}

static uint64_t box_ns(const struct work *w, const struct plan *p,
                       const struct rows_of *x)
{
    const uint32_t y = x->b->layer;
    return x->r1 > x->r0 ? cand_box_ns(&w->k->cand[y], &w->l->layer[y],
                                       &w->c->lattice[y], x->r1 - x->r0,
                                       x->b->p1 - x->b->p0, p->scratch[y].bytes)
                         : 0;
}

/* What a box finds done in its scratch by the one before. */
static uint64_t kept_ns(const struct work *w, const struct plan *p,
                        const struct rows_of *before, const struct rows_of *x)
{
    const uint32_t y = x->b->layer;
    const bool is_same = before->b && before->b->layer == y &&
                         before->b->kblock == x->b->kblock &&
                         before->r0 == x->r0 && before->r1 == x->r1;
    return is_same && x->r1 > x->r0
               ? cand_kept_ns(&w->k->cand[y], &w->l->layer[y], x->r1 - x->r0,
                              p->scratch[y].bytes)
               : 0;
}

static struct run_box box_of(const struct work *w, const struct plan *p,
                             const struct plan_box *b, int64_t iter,
                             struct rows_of *before)
{
    const struct rows_of x = rows_of(w, b, iter);
    const struct run_box run = {
        .loads = (uint64_t)(b->wait + b->wait_step * iter),
        .ns = box_ns(w, p, &x) - kept_ns(w, p, before, &x),
    };
    *before = x;
    return run;
}

static uint64_t load_ns(const struct work *w, const struct plan_load *b)
{
    uint64_t stored = 0;
    uint64_t decoded = 0;
    for (uint32_t i = b->chunk0; i < b->chunk0 + b->n_chunk; i++) {
        const struct chunk *const k = &w->c->chunk[i];
        stored += k->stored_bytes;
        decoded += k->codec == CODEC_ZSTD ? k->raw_bytes : 0;
    }
    return b->resident ? 0 : device_load_ns(w->d, stored, decoded);
}

static void unroll_boxes(const struct work *w, const struct plan *p,
                         struct run_box *out)
{
    uint64_t n = 0;
    struct rows_of before = {0};
    for (uint32_t i = 0; i < p->n_box; i++) {
        const struct plan_box *const b = &p->box[i];
        if (b->op == PLAN_BOX) {
            out[n++] = box_of(w, p, b, 0, &before);
        } else if (b->op == PLAN_LOOP) {
            for (uint64_t k = 0; k < (uint64_t)b->n_iter * b->body; k++) {
                out[n++] = box_of(w, p, &b[1 + k % b->body],
                                  (int64_t)(k / b->body), &before);
            }
            i += b->body;
        }
    }
}

static void unroll_loads(const struct work *w, const struct plan *p,
                         struct run_load *out)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < p->n_load; i++) {
        const struct plan_load *const b = &p->load[i];
        if (b->op == PLAN_LOAD) {
            out[n++] = (struct run_load){b->wait, load_ns(w, b)};
        } else if (b->op == PLAN_LOOP) {
            for (uint64_t k = 0; k < (uint64_t)b->n_iter * b->body; k++) {
                const struct plan_load *const x = &b[1 + k % b->body];
                out[n++] = (struct run_load){
                    x->wait + x->wait_step * (int64_t)(k / b->body),
                    load_ns(w, x)};
            }
            i += b->body;
        }
    }
}

/* Simulates p; the times of the last run, from its begin, go to `trace` unless
 * it is NULL. */
static bool simulate(const struct work *w, const struct plan *p,
                     struct plan_run *trace, uint64_t *ns)
{
    const struct arena_mark mark = arena_mark(w->cx->scratch);
    struct run_box *const box =
        arena_new(w->cx->scratch, struct run_box, p->n_step);
    struct run_load *const load =
        arena_new(w->cx->scratch, struct run_load, p->n_load_run);
    if (!box || !load) {
        return false;
    }
    unroll_boxes(w, p, box);
    unroll_loads(w, p, load);
    struct sim s = {
        .p = p,
        .box = box,
        .load = load,
        .n_box = p->n_step,
        .n_load = p->n_load_run,
        .shares_core = w->d->loader_shares_core,
        .trace = trace,
    };
    uint64_t began = 0;
    for (uint32_t i = 0; i < RUNS; i++) {
        began = s.now;
        run_once(&s);
    }
    *ns = s.now - began;
    for (uint64_t i = 0; trace && i < s.n_box; i++) {
        trace->step[i].begin_ns -= began;
        trace->step[i].end_ns -= began;
    }
    for (uint64_t i = 0; trace && i < s.n_load; i++) {
        trace->fetch[i].begin_ns -= (int64_t)began;
        trace->fetch[i].end_ns -= (int64_t)began;
    }
    arena_rewind(w->cx->scratch, mark);
    return true;
}

bool plan_time(const struct work *w, const struct plan *p, uint64_t *ns)
{
    return simulate(w, p, NULL, ns);
}

bool plan_trace(const struct layers *l, const struct chunks *c,
                const struct cands *k, const struct device *d,
                const struct plan *p, struct cx *cx, struct plan_run *run)
{
    const struct work w = {.l = l, .c = c, .k = k, .d = d, .cx = cx};
    return simulate(&w, p, run, &run->period_ns);
}

bool plan_count(const struct work *w, struct plan *p)
{
    const struct arena_mark mark = arena_mark(w->cx->scratch);
    bool *const seen = arena_new(w->cx->scratch, bool, w->c->n_chunk);
    if (!seen) {
        return false;
    }
    p->streamed_bytes = 0;
    p->read_bytes = 0;
    uint64_t times = 1;
    for (uint32_t i = 0; i < p->n_load; i++) {
        const struct plan_load *const b = &p->load[i];
        times = b->op == PLAN_LOOP ? b->n_iter : b->op == PLAN_END ? 1 : times;
        for (uint32_t k = b->chunk0;
             b->op == PLAN_LOAD && k < b->chunk0 + b->n_chunk; k++) {
            const uint64_t stored = w->c->chunk[k].stored_bytes;
            p->streamed_bytes += b->resident ? 0 : stored * times;
            p->read_bytes += b->resident && !seen[k] ? stored : 0;
            seen[k] = seen[k] || b->resident;
        }
    }
    p->read_bytes += p->streamed_bytes;
    p->longest_step_ns = 0;
    for (uint32_t i = 0; i < p->n_box; i++) {
        const struct plan_box *const b = &p->box[i];
        const uint32_t n_iter = b->op == PLAN_LOOP ? b->n_iter : 1;
        const uint32_t n_body = b->op == PLAN_LOOP ? b->body : 1;
        for (uint32_t k = 0; b->op != PLAN_END && k < n_body; k++) {
            const struct plan_box *const x = b->op == PLAN_LOOP ? b + 1 + k : b;
            for (uint32_t t = 0; t < n_iter; t++) {
                const struct rows_of of = rows_of(w, x, t);
                p->longest_step_ns =
                    size_max(p->longest_step_ns, box_ns(w, p, &of));
            }
        }
        i += b->op == PLAN_LOOP ? b->body : 0;
    }
    arena_rewind(w->cx->scratch, mark);
    return true;
}
