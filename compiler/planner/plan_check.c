#include "planner/plan_check.h"

#include <stdarg.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/size.h"
#include "planner/check_run.h"

/* Outline, per plan:
 *   1. structure: every index and number in range, loops well formed
 *   2. both streams unrolled
 *   3. order: they run to their end
 *   4. rows, weights, boundaries, memory: check_*.c
 *   5. claims
 * then for each pair of plans: boundaries in common. */

enum {
    MAX_EXECUTED = 1 << 21,
    MAX_THREADS = 1024,
    CYCLES = 3 /* runs simulated: a cold one, then the steady state */
};
#define MAX_NUMBER INT32_MAX

bool check_fail(const struct check *r, uint32_t layer, const char *fmt, ...)
{
    struct buf text;
    buf_init(&text, r->cx->scratch);
    va_list args;
    va_start(args, fmt);
    buf_vprintf(&text, fmt, args);
    va_end(args);
    const struct diag_at at =
        layer < r->l->n_layer
            ? at_node(r->l->layer[layer].name, r->l->layer[layer].op)
            : at_none();
    const char *const name = r->p->budget_text;
    diag_error(r->cx->diag, E_PLAN_CHECK, at, "plan %s: %s", name ? name : "?",
               buf_text(&text));
    buf_free(&text);
    return false;
}

bool check_is_pick(const struct check *r, const struct plan_box *b)
{
    const struct lattice *const t = &r->c->lattice[b->layer];
    return t->panel_entries > 0 && b->p0 == 0 && b->p1 == 1;
}

/* ---- 1. structure ---- */

static bool small(int64_t v)
{
    return v >= -(int64_t)MAX_NUMBER && v <= MAX_NUMBER;
}

static bool check_numbers(const struct check *r)
{
    const struct plan *const p = r->p;
    if (p->n_buf != r->l->n_buf || p->n_layer != r->l->n_layer) {
        return check_fail(r, UINT32_MAX, "is of another model");
    }
    if (p->peak > p->budget) {
        return check_fail(
            r, p->peak_layer, "peak of %llu bytes is above the budget of %llu",
            (unsigned long long)p->peak, (unsigned long long)p->budget);
    }
    if (p->state_bytes != r->c->state_bytes || p->peak > (UINT64_MAX >> 8) ||
        p->state_bytes > p->peak || p->resident_bytes > r->c->resident_max) {
        return check_fail(
            r, UINT32_MAX, "peak %llu, state %llu or residents %llu",
            (unsigned long long)p->peak, (unsigned long long)p->state_bytes,
            (unsigned long long)p->resident_bytes);
    }
    if (p->n_thread < 1 || p->n_thread > MAX_THREADS || p->in_flight < 1 ||
        p->in_flight > PLAN_MAX_IN_FLIGHT || p->peak_layer >= r->l->n_layer) {
        return check_fail(r, UINT32_MAX, "threads, loads in flight or layer");
    }
    if (p->latency_ns < p->bound_ns) {
        return check_fail(
            r, UINT32_MAX, "predicts %llu ns, below its own bound of %llu",
            (unsigned long long)p->latency_ns, (unsigned long long)p->bound_ns);
    }
    return true;
}

static bool check_box(const struct check *r, const struct plan_box *b,
                      bool in_loop)
{
    if (b->layer >= r->l->n_layer) {
        return check_fail(r, UINT32_MAX, "a box of layer %u", b->layer);
    }
    const struct lattice *const t = &r->c->lattice[b->layer];
    const struct cand *const k = &r->k->cand[b->layer];
    if (b->p0 >= b->p1 || b->p1 > t->n_panel || b->kblock >= t->n_kblock) {
        return check_fail(r, b->layer, "a box of panels %u..%u, K block %u",
                          b->p0, b->p1, b->kblock);
    }
    if (!k->panels_cut && !check_is_pick(r, b) && b->p1 - b->p0 != t->n_panel) {
        return check_fail(r, b->layer, "its panels are cut");
    }
    if (!small(b->wait) || !small(b->wait_step) || !small(b->row_a) ||
        !small(b->row_b) || b->by_row != in_loop ||
        (in_loop && !k->rows_cut && r->l->layer[b->layer].rows > 1)) {
        return check_fail(r, b->layer, "a box's waits or rows");
    }
    return true;
}

/* A loop at instruction i of n, of `body` instructions. */
static bool check_loop(const struct check *r, uint32_t i, uint32_t n,
                       uint32_t body, uint32_t n_iter)
{
    if (body == 0 || body >= n - i - 1 || n_iter == 0 ||
        n_iter > MAX_EXECUTED) {
        return check_fail(r, UINT32_MAX, "a loop of %u x %u", n_iter, body);
    }
    return true;
}

static bool check_boxes(const struct check *r)
{
    uint32_t end = 0; /* of the open loop */
    for (uint32_t i = 0; i < r->p->n_box; i++) {
        const struct plan_box *const b = &r->p->box[i];
        bool ok = false;
        if (b->op == PLAN_BOX) {
            ok = end != i || end == 0
                     ? check_box(r, b, i < end)
                     : check_fail(r, UINT32_MAX, "a loop without end");
        } else if (b->op == PLAN_LOOP && end == 0) {
            ok = check_loop(r, i, r->p->n_box, b->body, b->n_iter);
            end = i + 1 + b->body;
        } else if (b->op == PLAN_END && i == end && end > 0) {
            ok = true;
            end = 0;
        } else {
            ok = check_fail(r, UINT32_MAX, "compute instruction %u", i);
        }
        if (!ok) {
            return false;
        }
    }
    return end == 0 || check_fail(r, UINT32_MAX, "a loop without end");
}

/* A load of one chunk of a table, n_iter times. */
static bool check_pick(const struct check *r, const struct plan_load *b,
                       uint32_t n_iter)
{
    const struct chunks *const c = r->c;
    const bool is_known = b->layer < r->l->n_layer;
    const struct lattice *const t = &c->lattice[is_known ? b->layer : 0];
    if (!is_known || t->panel_entries == 0 || b->resident ||
        b->chunk0 != t->chunk0 || b->n_chunk != 1 ||
        n_iter > r->l->layer[b->layer].rows || !small(b->wait) ||
        !small(b->wait_step)) {
        return check_fail(r, UINT32_MAX, "a load that picks from layer %u",
                          b->layer);
    }
    const uint64_t align = r->all_raw ? c->align : 64;
    const uint64_t room = plan_pick_room(t->panel_bytes[0], align);
    if (b->addr % align != 0 || b->addr > r->p->peak ||
        room > r->p->peak - b->addr) {
        return check_fail(r, b->layer, "a load above the peak");
    }
    return true;
}

static bool check_load(const struct check *r, const struct plan_load *b)
{
    const struct chunks *const c = r->c;
    if (b->n_chunk == 0 || b->chunk0 >= c->n_chunk ||
        b->n_chunk > c->n_chunk - b->chunk0 || !small(b->wait) ||
        !small(b->wait_step)) {
        return check_fail(r, UINT32_MAX, "a load of chunks %u + %u", b->chunk0,
                          b->n_chunk);
    }
    const struct chunk *const a = &c->chunk[b->chunk0];
    uint64_t at = b->addr;
    for (uint32_t i = 0; i < b->n_chunk; i++) {
        const struct chunk *const k = &a[i];
        if (k->layer != a->layer || k->kblock != a->kblock) {
            return check_fail(r, a->layer, "a load of two K blocks");
        }
        const bool is_resident =
            k->raw_bytes <= r->p->resident_bytes &&
            k->res_off <= r->p->resident_bytes - k->raw_bytes;
        if (is_resident != b->resident ||
            (is_resident && at != r->p->state_bytes + k->res_off)) {
            return check_fail(r, a->layer, "chunk %u is %sresident",
                              b->chunk0 + i, is_resident ? "" : "not ");
        }
        if (at > r->p->peak || k->raw_bytes > r->p->peak - at) {
            return check_fail(r, a->layer, "a load above the peak");
        }
        if (r->all_raw &&
            (at % c->align != k->blob_off % c->align ||
             (i > 0 && k->blob_off != k[-1].blob_off + k[-1].raw_bytes))) {
            return check_fail(r, a->layer, "a load off its alignment");
        }
        at += k->raw_bytes;
    }
    return true;
}

static bool check_loads(const struct check *r)
{
    uint32_t end = 0;
    uint32_t n_iter = 1; /* of the open loop */
    for (uint32_t i = 0; i < r->p->n_load; i++) {
        const struct plan_load *const b = &r->p->load[i];
        bool ok = false;
        if (b->op == PLAN_LOAD) {
            const bool picks = b->picks;
            ok = end == i && end > 0
                     ? check_fail(r, UINT32_MAX, "a loop without end")
                 : picks ? check_pick(r, b, end > i ? n_iter : 1)
                         : check_load(r, b);
        } else if (b->op == PLAN_LOOP && end == 0) {
            ok = check_loop(r, i, r->p->n_load, b->body, b->n_iter);
            end = i + 1 + b->body;
            n_iter = b->n_iter;
        } else if (b->op == PLAN_END && i == end && end > 0) {
            ok = true;
            end = 0;
        } else {
            ok = check_fail(r, UINT32_MAX, "load instruction %u", i);
        }
        if (!ok) {
            return false;
        }
    }
    return end == 0 || check_fail(r, UINT32_MAX, "a loop without end");
}

/* ---- 2. unrolled ---- */

static bool too_many(const struct check *r)
{
    return check_fail(r, UINT32_MAX, "more than %d executed instructions",
                      MAX_EXECUTED);
}

/* Sets box_at and n_box. */
static bool count_boxes(struct check *r)
{
    uint64_t n = 0;
    uint32_t iter = 1;
    uint32_t body = 0;
    for (uint32_t i = 0; i < r->p->n_box; i++) {
        const struct plan_box *const b = &r->p->box[i];
        r->box_at[i] = n;
        if (b->op == PLAN_LOOP) {
            iter = b->n_iter;
            body = b->body;
            n += (uint64_t)iter * body;
        } else if (b->op == PLAN_END) {
            body = 0;
        } else if (body == 0) {
            n++;
        }
        if (n > MAX_EXECUTED) {
            return too_many(r);
        }
    }
    r->box_at[r->p->n_box] = n;
    r->n_box = n;
    return true;
}

static bool count_loads(struct check *r)
{
    uint64_t n = 0;
    uint32_t body = 0;
    for (uint32_t i = 0; i < r->p->n_load; i++) {
        const struct plan_load *const b = &r->p->load[i];
        r->load_at[i] = n;
        if (b->op == PLAN_LOOP) {
            body = b->body;
            n += (uint64_t)b->n_iter * body;
        } else if (b->op == PLAN_END) {
            body = 0;
        } else if (body == 0) {
            n++;
        }
        if (n > MAX_EXECUTED) {
            return too_many(r);
        }
    }
    r->load_at[r->p->n_load] = n;
    r->n_load = n;
    return true;
}

static uint64_t row_end(const struct plan_box *b, uint64_t rows, int64_t iter)
{
    const int64_t end = b->row_a * iter + b->row_b;
    return iter < 0 || end < 0 ? 0 : size_min((uint64_t)end, rows);
}

static void add_box(struct check *r, uint64_t at, uint32_t ix, int64_t iter)
{
    const struct plan_box *const b = &r->p->box[ix];
    const uint64_t rows = r->l->layer[b->layer].rows;
    const int64_t wait = b->wait + b->wait_step * iter;
    r->box[at] = (struct run_box){
        .ix = ix,
        .r0 = b->by_row ? row_end(b, rows, iter - 1) : 0,
        .r1 = b->by_row ? row_end(b, rows, iter) : rows,
        .loads_done = (uint64_t)wait,
        .first_load = r->n_load,
    };
    r->first_box[b->layer] = size_min(r->first_box[b->layer], at);
    r->last_box[b->layer] = size_max(r->last_box[b->layer], at);
}

static bool unroll(struct check *r)
{
    struct arena *const a = r->cx->scratch;
    const uint32_t n_layer = r->l->n_layer;
    r->box_at = arena_new(a, uint64_t, (uint64_t)r->p->n_box + 1);
    r->load_at = arena_new(a, uint64_t, (uint64_t)r->p->n_load + 1);
    r->first_box = arena_new(a, uint64_t, n_layer);
    r->last_box = arena_new(a, uint64_t, n_layer);
    if (!r->box_at || !r->load_at || !r->first_box || !r->last_box ||
        !count_boxes(r) || !count_loads(r)) {
        return false;
    }
    r->box = arena_new(a, struct run_box, r->n_box);
    r->load = arena_new(a, struct run_load, r->n_load);
    if (!r->box || !r->load) {
        return false;
    }
    for (uint32_t i = 0; i < n_layer; i++) {
        r->first_box[i] = UINT64_MAX;
    }
    uint64_t at = 0;
    for (uint32_t i = 0; i < r->p->n_box; i++) {
        const struct plan_box *const b = &r->p->box[i];
        if (b->op == PLAN_BOX) {
            add_box(r, at++, i, 0);
        } else if (b->op == PLAN_LOOP) {
            for (uint32_t t = 0; t < b->n_iter; t++) {
                for (uint32_t k = 1; k <= b->body; k++) {
                    add_box(r, at++, i + k, t);
                }
            }
            i += b->body;
        }
    }
    at = 0;
    for (uint32_t i = 0; i < r->p->n_load; i++) {
        const struct plan_load *const b = &r->p->load[i];
        const bool is_loop = b->op == PLAN_LOOP;
        for (uint32_t t = 0; t < (is_loop ? b->n_iter : 1); t++) {
            for (uint32_t k = is_loop ? 1 : 0; k <= (is_loop ? b->body : 0);
                 k++) {
                const struct plan_load *const x = &r->p->load[i + k];
                if (x->op == PLAN_LOAD) {
                    r->load[at++] = (struct run_load){
                        .ix = i + k,
                        .row = t,
                        .wait = x->wait + x->wait_step * (int64_t)t};
                }
            }
        }
        i += is_loop ? b->body : 0;
    }
    return true;
}

/* ---- 3. order ---- */

/* Waits of boxes never decrease and end with all loads; those of loads stay
 * inside the run and the tail of the one before. */
static bool check_waits(const struct check *r)
{
    uint64_t before = 0;
    for (uint64_t i = 0; i < r->n_box; i++) {
        const uint64_t done = r->box[i].loads_done;
        if (done > r->n_load || done < before) {
            return check_fail(r, r->p->box[r->box[i].ix].layer,
                              "box %llu waits for %lld of %llu loads after "
                              "%llu",
                              (unsigned long long)i, (long long)done,
                              (unsigned long long)r->n_load,
                              (unsigned long long)before);
        }
        before = done;
    }
    if (before != r->n_load) {
        return check_fail(r, UINT32_MAX, "%llu loads that no box waits for",
                          (unsigned long long)(r->n_load - before));
    }
    for (uint64_t i = 0; i < r->n_load; i++) {
        const int64_t w = r->load[i].wait;
        if (w > (int64_t)r->n_box || w < -(int64_t)r->n_box) {
            return check_fail(r, UINT32_MAX, "load %llu waits for box %lld",
                              (unsigned long long)i, (long long)w);
        }
    }
    return true;
}

/* In-order streams that wait for counters which only grow are confluent: if
 * one greedy execution reaches the end, all do. */
static bool check_order(const struct check *r)
{
    const uint64_t n_box = r->n_box;
    uint64_t box = 0; /* executed, over all runs */
    uint64_t load = 0;
    while (box < CYCLES * n_box) {
        const uint64_t run = box / n_box;
        const uint64_t need = run * r->n_load + r->box[box % n_box].loads_done;
        if (load >= need) {
            box++;
            continue;
        }
        const uint64_t load_run = load / r->n_load;
        const int64_t wait =
            (int64_t)(load_run * n_box) + r->load[load % r->n_load].wait;
        if (wait > (int64_t)box) {
            return check_fail(
                r, r->p->box[r->box[box % n_box].ix].layer,
                "deadlock: box %llu waits for load %llu, that one for box %lld",
                (unsigned long long)box, (unsigned long long)load,
                (long long)wait);
        }
        load++;
    }
    return true;
}

/* ---- 5. claims ---- */

static bool check_claims(const struct check *r)
{
    const struct plan *const p = r->p;
    uint64_t streamed = 0;
    uint64_t resident = 0;
    bool *const seen = arena_new(r->cx->scratch, bool, r->c->n_chunk);
    if (!seen) {
        return false;
    }
    for (uint64_t i = 0; i < r->n_load; i++) {
        const struct plan_load *const b = &p->load[r->load[i].ix];
        for (uint32_t k = b->chunk0; k < b->chunk0 + b->n_chunk; k++) {
            const uint64_t stored = r->c->chunk[k].stored_bytes;
            streamed += b->resident ? 0 : stored;
            resident += b->resident && !seen[k] ? stored : 0;
            seen[k] = seen[k] || b->resident;
        }
    }
    uint64_t longest = 0;
    for (uint64_t i = 0; i < r->n_box; i++) {
        const struct run_box *const x = &r->box[i];
        const struct plan_box *const b = &p->box[x->ix];
        if (x->r1 > x->r0) {
            longest = size_max(
                longest,
                cand_box_ns(&r->k->cand[b->layer], &r->l->layer[b->layer],
                            &r->c->lattice[b->layer], x->r1 - x->r0,
                            b->p1 - b->p0, p->scratch[b->layer].bytes));
        }
    }
    const uint64_t read = streamed + resident;
    if (p->streamed_bytes != streamed || p->read_bytes != read ||
        p->n_step != r->n_box || p->n_load_run != r->n_load ||
        p->longest_step_ns != longest) {
        return check_fail(
            r, UINT32_MAX,
            "claims %llu bytes streamed, %llu read, %llu boxes, %llu loads, a "
            "step of %llu ns; found %llu, %llu, %llu, %llu, %llu",
            (unsigned long long)p->streamed_bytes,
            (unsigned long long)p->read_bytes, (unsigned long long)p->n_step,
            (unsigned long long)p->n_load_run,
            (unsigned long long)p->longest_step_ns,
            (unsigned long long)streamed, (unsigned long long)read,
            (unsigned long long)r->n_box, (unsigned long long)r->n_load,
            (unsigned long long)longest);
    }
    return true;
}

static bool check_plan(struct check *r)
{
    r->all_raw = true;
    for (uint32_t i = 0; i < r->c->n_chunk; i++) {
        r->all_raw = r->all_raw && r->c->chunk[i].codec == CODEC_RAW;
    }
    if (!check_numbers(r) || !check_boxes(r) || !check_loads(r) || !unroll(r) ||
        !check_waits(r) || !check_order(r) || !check_rows(r) ||
        !check_weights(r) || !check_edges(r) || !check_memory(r)) {
        return false;
    }
    return check_claims(r);
}

bool plan_check(const struct layers *l, const struct chunks *c,
                const struct cands *k, const struct plan_set *set,
                struct cx *cx)
{
    const struct arena_mark mark = arena_mark(cx->scratch);
    struct check r = {.l = l, .c = c, .k = k, .cx = cx};
    bool ok = true;
    for (uint32_t i = 0; ok && i < set->n_plan; i++) {
        r = (struct check){.l = l, .c = c, .k = k, .cx = cx};
        r.p = &set->plan[i];
        ok = check_plan(&r);
        for (uint32_t j = 0; ok && j < i; j++) {
            ok = check_common(&r, &set->plan[j], &set->plan[i]);
        }
        arena_rewind(cx->scratch, mark);
    }
    arena_rewind(cx->scratch, mark);
    return ok;
}
