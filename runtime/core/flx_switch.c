#include <string.h>

#include "flx_core.h"

/* Where the two plans meet. */
struct meeting {
    bool idle;     /* between runs: inputs and outputs are live */
    bool is_enter; /* into another entry: of them states only */
    uint32_t lo;
    uint32_t hi;
    struct flx_place box; /* of the target */
    struct flx_place load;
};

/* ---- live buffers ---- */

static bool is_listed(const struct flx_io *io, uint32_t n, uint32_t buf)
{
    for (uint32_t i = 0; i < n; i++) {
        if (io[i].buf == buf) {
            return true;
        }
    }
    return false;
}

static bool is_live(const struct flx_model *m, const struct meeting *at,
                    uint32_t buf)
{
    const struct flx_buf *b = &m->buf[buf];
    if (at->idle) {
        return is_listed(m->input, m->n_input, buf) +
                   is_listed(m->output, m->n_output, buf) >
               at->is_enter;
    }
    if (b->last < at->lo) {
        return false;
    }
    return b->first < at->hi ||
           (at->hi == 0 && is_listed(m->input, m->n_input, buf));
}

/* Live rectangles of one plan in address order, ties by index. */
static bool is_before(const uint32_t *plan, uint32_t a, uint32_t b)
{
    const uint32_t x = flx_buf_addr(plan, a);
    const uint32_t y = flx_buf_addr(plan, b);
    return x < y || (x == y && a < b);
}

/* Buffers are those of `from`; a state is the same buffer in all entries. */
struct move {
    const struct flx_model *model;
    const struct meeting *at;
    const uint32_t *from;
    const uint32_t *to;
    uint8_t *arena;
};

/* The live buffer after (up) or before `last` in the address order of `plan`;
 * n_buf for `last` starts, n_buf is returned at the end. A search for each, so
 * that no list is needed; few buffers are live at a time. */
static uint32_t next_live(const struct move *v, const uint32_t *plan,
                          uint32_t last, bool up)
{
    const uint32_t n = v->model->n_buf;
    uint32_t best = n;
    for (uint32_t i = 0; i < n; i++) {
        if (!is_live(v->model, v->at, i)) {
            continue;
        }
        const bool follows = last == n || (up ? is_before(plan, last, i)
                                              : is_before(plan, i, last));
        const bool is_nearer = best == n || (up ? is_before(plan, i, best)
                                                : is_before(plan, best, i));
        if (follows && is_nearer && i != last) {
            best = i;
        }
    }
    return best;
}

static uint32_t bytes_of(const struct move *v, uint32_t buf)
{
    return flx_buf_ring(v->from, buf) * v->model->buf[buf].row_bytes;
}

static bool keeps_order(const struct move *v)
{
    const uint32_t n = v->model->n_buf;
    uint32_t a = n;
    uint32_t b = n;
    do {
        a = next_live(v, v->from, a, true);
        b = next_live(v, v->to, b, true);
    } while (a == b && a != n);
    return a == b;
}

static void reverse(uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n / 2; i++) {
        const uint8_t t = bytes[i];
        bytes[i] = bytes[n - 1 - i];
        bytes[n - 1 - i] = t;
    }
}

/* Packs the live buffers from `base` on, in the address order of the target:
 * down in their old order first, then each in its turn rotated to the front of
 * those that are not placed yet. In place; only for plans whose orders differ,
 * which happens to inputs and outputs between runs. */
static void pack(const struct move *v, uint32_t base)
{
    const uint32_t n = v->model->n_buf;
    uint32_t at = base;
    for (uint32_t i = next_live(v, v->from, n, true); i != n;
         i = next_live(v, v->from, i, true)) {
        memmove(v->arena + at, v->arena + flx_buf_addr(v->from, i),
                bytes_of(v, i));
        at += bytes_of(v, i);
    }
    at = base;
    for (uint32_t i = next_live(v, v->to, n, true); i != n;
         i = next_live(v, v->to, i, true)) {
        uint32_t before = 0; /* not placed, and of lower old address */
        for (uint32_t k = i; k != n; k = next_live(v, v->to, k, true)) {
            before += is_before(v->from, k, i) ? bytes_of(v, k) : 0;
        }
        uint8_t *p = v->arena + at;
        if (before > 0) {
            reverse(p, before);
            reverse(p + before, bytes_of(v, i));
            reverse(p, before + bytes_of(v, i));
        }
        at += bytes_of(v, i);
    }
}

/* Where pack puts the first: not above any old or new place. */
static uint32_t pack_base(const struct move *v)
{
    const uint32_t n = v->model->n_buf;
    const uint32_t from = flx_buf_addr(v->from, next_live(v, v->from, n, true));
    const uint32_t to = flx_buf_addr(v->to, next_live(v, v->to, n, true));
    return from < to ? from : to;
}

/* Live buffers that share no byte, as those of a sound plan, always fit. */
static bool can_move(const struct move *v)
{
    if (keeps_order(v)) {
        return true;
    }
    const uint32_t from = flx_plan_head(v->from)->arena_bytes;
    const uint32_t to = flx_plan_head(v->to)->arena_bytes;
    uint64_t end = pack_base(v);
    for (uint32_t i = 0; i < v->model->n_buf; i++) {
        end += is_live(v->model, v->at, i) ? bytes_of(v, i) : 0;
    }
    return end <= (from < to ? from : to);
}

/* Two passes: down ascending, up descending. As both orders are the same, no
 * buffer is moved onto one that has yet to go. */
static void move_live(const struct move *v)
{
    const uint32_t n = v->model->n_buf;
    const bool packed = !keeps_order(v);
    uint32_t at = 0;
    if (packed) {
        at = pack_base(v);
        pack(v, at);
    }
    for (uint32_t i = next_live(v, v->to, n, true); i != n;
         i = next_live(v, v->to, i, true)) {
        const uint32_t from = packed ? at : flx_buf_addr(v->from, i);
        const uint32_t to = flx_buf_addr(v->to, i);
        if (to < from) {
            memmove(v->arena + to, v->arena + from, bytes_of(v, i));
        }
        at += bytes_of(v, i);
    }
    for (uint32_t i = next_live(v, v->to, n, false); i != n;
         i = next_live(v, v->to, i, false)) {
        at -= bytes_of(v, i);
        const uint32_t from = packed ? at : flx_buf_addr(v->from, i);
        const uint32_t to = flx_buf_addr(v->to, i);
        if (to > from) {
            memmove(v->arena + to, v->arena + from, bytes_of(v, i));
        }
    }
}

/* ---- meeting ---- */

static bool same_rings(const struct flx *rt, const uint32_t *to,
                       const struct meeting *at)
{
    for (uint32_t i = 0; i < rt->model->n_buf; i++) {
        if (is_live(rt->model, at, i) &&
            (flx_buf_ring(rt->plan, i) != flx_buf_ring(to, i) ||
             flx_buf_ring(to, i) == 0)) {
            return false;
        }
    }
    return true;
}

/* The iteration of boundary b that has this distance from its first; a plain
 * one has only 0, one inside a loop 1 .. n_iter - 1. */
static bool is_edge(const struct flx_boundary *b, uint32_t iter)
{
    return b->n_iter == 1 ? iter == 0 : iter >= 1 && iter < b->n_iter;
}

static bool find_edge(const struct flx *rt, const uint32_t *to, uint32_t id,
                      struct meeting *at)
{
    const struct flx_section compute = flx_compute_of(to);
    const struct flx_section load = flx_load_of(to);
    for (uint32_t k = 0; k < flx_plan_head(to)->n_boundary; k++) {
        struct flx_boundary b;
        flx_boundary_get(to, k, &b);
        const uint32_t iter = id - b.id;
        if (is_edge(&b, iter) && b.lo == at->lo && b.hi == at->hi &&
            same_rings(rt, to, at)) {
            return flx_seek(&compute, b.compute_pc, iter, &at->box) &&
                   flx_seek(&load, b.load_pc, iter + b.load_iter, &at->load);
        }
    }
    return false;
}

/* True when the current place is a boundary that the target has, too. */
static bool find_meeting(const struct flx *rt, const uint32_t *to,
                         struct meeting *at)
{
    const struct flx_section s = flx_compute_of(rt->plan);
    for (uint32_t k = 0; k < flx_plan_head(rt->plan)->n_boundary; k++) {
        struct flx_boundary b;
        flx_boundary_get(rt->plan, k, &b);
        if (b.compute > rt->pos) {
            return false;
        }
        /* Boxes in a loop are ROWS, all of one size. */
        const uint32_t ahead = rt->pos - b.compute;
        const uint32_t per_iter =
            b.n_iter > 1 ? s.word[b.compute_pc + 2] / FLX_ROWS_WORDS : 1;
        if (ahead % per_iter != 0 || !is_edge(&b, ahead / per_iter)) {
            continue;
        }
        at->lo = b.lo;
        at->hi = b.hi;
        if (find_edge(rt, to, b.id + ahead / per_iter, at)) {
            return true;
        }
    }
    return false;
}

/* ---- the switch ---- */

static void forget_residents(struct flx *rt, const uint32_t *to)
{
    for (uint32_t i = 0; i < rt->model->n_chunk; i++) {
        if (!flx_is_resident(flx_plan_head(to), &rt->model->chunk[i])) {
            uint8_t *byte = &flx_present_bits(rt)[i / 8];
            *byte = (uint8_t)(*byte & ~(1u << i % 8));
        }
    }
}

enum flx_err flx_answer(struct flx *rt, uint32_t request, enum flx_err err)
{
    rt->handled = request;
    rt->last_switch = err;
    return err == FLX_OK ? FLX_OK : FLX_E_REFUSED;
}

/* Takes the runtime to plan plan_id of the entry m, where `at` is. FLX_E_PLAN,
 * FLX_E_REFUSED: nothing has changed; an error of a load: nothing but that none
 * is in flight. */
static enum flx_err change_over(struct flx *rt, const struct flx_model *m,
                                uint32_t plan_id, const struct meeting *at)
{
    const uint32_t *to = m->plan[plan_id];
    const uint32_t old_bytes = flx_plan_head(rt->plan)->arena_bytes;
    const uint32_t new_bytes = flx_plan_head(to)->arena_bytes;
    const struct move v = {rt->model, at, rt->plan, to, rt->arena};
    if (!can_move(&v)) {
        return FLX_E_PLAN;
    }
    const enum flx_err err = flx_fetch_drain(rt);
    if (err != FLX_OK) {
        return err;
    }
    if (new_bytes > old_bytes && rt->port.acquire &&
        !rt->port.acquire(rt->port.ctx, rt->arena + old_bytes,
                          new_bytes - old_bytes)) {
        return FLX_E_REFUSED;
    }
    move_live(&v);
    forget_residents(rt, to);
    rt->model = m;
    atomic_store_explicit(&rt->asked, m, memory_order_release);
    rt->plan = to;
    rt->plan_id = plan_id;
    flx_rewind(rt);
    if (!at->idle) {
        const struct flx_section load = flx_load_of(to);
        rt->inside = true;
        rt->box = at->box.at;
        rt->pos = at->box.number;
        rt->issued = at->load.number;
        rt->completed = at->load.number;
        if (at->load.at.pc < load.n_words) {
            rt->load = at->load.at;
        }
    }
    rt->released_bytes = old_bytes > new_bytes ? old_bytes - new_bytes : 0;
    if (rt->released_bytes > 0 && rt->port.release) {
        rt->port.release(rt->port.ctx, rt->arena + new_bytes,
                         rt->released_bytes);
    }
    return FLX_OK;
}

enum flx_err flx_change_entry(struct flx *rt, const struct flx_model *entry,
                              uint32_t plan_id)
{
    const struct meeting at = {.idle = true, .is_enter = true};
    return change_over(rt, entry, plan_id, &at);
}

void flx_count_switch(struct flx *rt)
{
    /* Of the request that was read or a later one, never in the future: both
     * come before the end below. */
    const uint32_t since_us =
        atomic_load_explicit(&rt->request_us, memory_order_relaxed);
    rt->n_switch++;
    rt->switch_us = (uint32_t)flx_now(rt) - since_us;
}

static enum flx_err enter(struct flx *rt, uint32_t request,
                          const struct meeting *at)
{
    const enum flx_err err = change_over(rt, rt->model, request & 0xffffu, at);
    if (err == FLX_OK) {
        flx_count_switch(rt);
    } else if (err != FLX_E_PLAN && err != FLX_E_REFUSED) {
        return err;
    }
    return flx_answer(rt, request, err);
}

bool flx_has_room(const struct flx *rt, const struct flx_model *m,
                  uint32_t plan_id)
{
    const uint32_t need = flx_arena_bytes(m, plan_id);
    return need != 0 && need <= rt->arena_bytes;
}

enum flx_err flx_switch_here(struct flx *rt)
{
    const uint32_t request =
        atomic_load_explicit(&rt->request, memory_order_acquire);
    if (request == rt->handled) {
        return FLX_OK;
    }
    if ((request & 0xffffu) == rt->plan_id) {
        return flx_answer(rt, request, FLX_OK);
    }
    /* It was asked for in another entry, perhaps. */
    if (!flx_has_room(rt, rt->model, request & 0xffffu)) {
        return flx_answer(rt, request, FLX_E_PLAN);
    }
    struct meeting at = {.idle = !rt->inside};
    if (!at.idle &&
        !find_meeting(rt, rt->model->plan[request & 0xffffu], &at)) {
        return FLX_OK;
    }
    return enter(rt, request, &at);
}

/* Of the entry that a request from any thread is for. */
static const struct flx_model *asked_entry(struct flx *rt)
{
    return atomic_load_explicit(&rt->asked, memory_order_acquire);
}

/* The word differs from the last one that the runtime can have seen, so that
 * it is noticed even when it asks for the plan that was refused before. */
enum flx_err flx_switch_plan(struct flx *rt, uint32_t plan_id)
{
    if (!flx_has_room(rt, asked_entry(rt), plan_id)) {
        return FLX_E_PLAN;
    }
    const uint32_t last =
        atomic_load_explicit(&rt->request, memory_order_relaxed);
    const uint32_t ticket = ((last >> 16) + 1) & 0xffffu;
    atomic_store_explicit(&rt->request_us, (uint32_t)flx_now(rt),
                          memory_order_relaxed);
    atomic_store_explicit(&rt->request, plan_id | ticket << 16,
                          memory_order_release);
    return FLX_OK;
}

enum flx_err flx_switch_budget(struct flx *rt, uint64_t bytes)
{
    const struct flx_model *const m = asked_entry(rt);
    uint32_t best = m->n_plan;
    uint32_t best_bytes = 0;
    for (uint32_t i = 0; i < m->n_plan; i++) {
        const uint32_t need = flx_arena_bytes(m, i);
        if (need <= bytes && need <= rt->arena_bytes && need > best_bytes) {
            best = i;
            best_bytes = need;
        }
    }
    return flx_switch_plan(rt, best);
}
