#include "support/plan_emulate.h"

#include <string.h>

#include "base/buf.h"
#include "base/size.h"
#include "planner/plan_check.h"
#include "planner/planner.h"

/* plan_check against plans that the planner made and tests then broke. What is
 * broken by design must be refused; what is broken at random must be refused
 * whenever the emulator, which shares nothing with plan_check, sees wrong data.
 */

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* A net whose plan at `budget` has what plans can have: a cascade, streamed
 * slices, preloads, residents, K blocks, partial panels, scratch. */
static void small_net(struct net *n, struct fixture *f)
{
    net_start(n, f);
    n->scratch = 256;
    n->chunk_goal = 4096;
    n->k_limit = 8192;
    n->d.read_latency_ns = 2000;
    uint32_t x = net_input(n, 24, 20, 3);
    x = net_conv(n, x, 16, 3, 1);
    x = net_conv(n, x, 32, 3, 2);
    const uint32_t skip = x;
    x = net_conv(n, x, 32, 3, 1);
    x = net_add(n, x, skip);
    x = net_fork(n, x, 16);
    x = net_pool(n, x, 2, 2);
    x = net_conv(n, x, 48, 3, 1);
    x = net_dense(n, x, 64);
    x = net_dense(n, x, 10);
    net_output(n, x);
    net_finish(n, 256);
}

/* Its input is read to the end: no cascade lets rows lie over it, which would
 * leave no boundary inside. */
static void late_input_net(struct net *n, struct fixture *f)
{
    net_start(n, f);
    n->chunk_goal = 4096;
    n->k_limit = 8192;
    n->d.read_latency_ns = 2000;
    const uint32_t input = net_input(n, 24, 20, 3);
    uint32_t x = net_conv(n, input, 16, 3, 1);
    x = net_conv(n, x, 32, 3, 2);
    x = net_conv(n, x, 8, 3, 1);
    x = net_dense(n, x, 10);
    net_output(n, net_add(n, x, net_dense(n, input, 10)));
    net_finish(n, 256);
}

static bool make_plans(struct net *n, struct plan_set *s)
{
    n->f->cx.opt = &n->opt;
    const bool ok =
        plan_make(&n->l, &n->c, &n->k, &n->d, &n->opt, &n->f->cx, s);
    if (!ok) {
        assert_no_diag(n->f);
    }
    return ok;
}

static uint32_t boundary_id(const struct net *n, const struct plan *p,
                            const struct plan_boundary *b)
{
    const uint32_t *const order = plan_buf_order(p, &n->f->keep);
    assert_non_null(order);
    return plan_boundary_id(&n->l, p, order, b);
}

static bool is_accepted(const struct net *n, const struct plan *p)
{
    struct fixture *const f = n->f;
    const struct plan_set one = {.plan = (struct plan *)p, .n_plan = 1};
    diag_init(&f->diag);
    const bool ok = plan_check(&n->l, &n->c, &n->k, &one, &f->cx);
    if (!ok) {
        assert_int_equal(f->diag.id, E_PLAN_CHECK);
    }
    return ok;
}

static void *copy_of(struct fixture *f, const void *src, uint64_t bytes)
{
    void *const dst = arena_alloc(&f->keep, bytes + 1, 8);
    assert_non_null(dst);
    if (bytes > 0) {
        memcpy(dst, src, bytes);
    }
    return dst;
}

static struct plan copy_plan(struct fixture *f, const struct plan *p)
{
    struct plan q = *p;
    q.buf = copy_of(f, p->buf, p->n_buf * sizeof *p->buf);
    q.scratch = copy_of(f, p->scratch, p->n_layer * sizeof *p->scratch);
    q.box = copy_of(f, p->box, p->n_box * sizeof *p->box);
    q.load = copy_of(f, p->load, p->n_load * sizeof *p->load);
    q.boundary = copy_of(f, p->boundary, p->n_boundary * sizeof *p->boundary);
    return q;
}

/* Least, largest and some between; the first has loops and restreams, the
 * middle ones residents and preloads. */
static void some_plans(struct net *n, struct plan_set *s)
{
    net_budget(n, BUDGET_MIN, 0);
    net_budget(n, BUDGET_MAX, 0);
    assert_true(make_plans(n, s));
    const uint64_t lo = s->plan[0].peak;
    const uint64_t hi = s->plan[1].peak;
    for (uint32_t i = 1; i < 6; i++) {
        net_budget(n, BUDGET_BYTES, lo + (hi - lo) * i / 8);
    }
    assert_true(make_plans(n, s));
}

static void plan_check__accepts_what_the_planner_makes(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    struct plan_set s;
    bool has_loop = false;
    bool has_tail_load = false;
    bool has_resident = false;
    bool has_kblock = false;
    small_net(&n, f);
    some_plans(&n, &s);
    for (uint32_t i = 0; i < s.n_plan; i++) {
        const struct plan *const p = &s.plan[i];
        assert_true(is_accepted(&n, p));
        for (uint32_t k = 0; k < p->n_box; k++) {
            has_loop = has_loop || p->box[k].op == PLAN_LOOP;
            has_kblock = has_kblock || p->box[k].kblock > 0;
        }
        for (uint32_t k = 0; k < p->n_load; k++) {
            has_resident = has_resident || p->load[k].resident;
            has_tail_load = has_tail_load || p->load[k].wait < 0;
        }
    }
    assert_true(plan_check(&n.l, &n.c, &n.k, &s, &f->cx));
    /* The other tests of this file rely on these. */
    assert_true(has_loop && has_tail_load && has_resident && has_kblock);
}

static void plan_check__refuses_a_peak_above_the_budget(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    struct plan_set s;
    small_net(&n, f);
    some_plans(&n, &s);
    for (uint32_t i = 0; i < s.n_plan; i++) {
        struct plan p = s.plan[i];
        p.budget = p.peak - 1;
        assert_false(is_accepted(&n, &p));
        p = s.plan[i];
        p.peak -= 64;
        assert_false(is_accepted(&n, &p));
        p = s.plan[i];
        p.peak += 64;
        p.budget = UINT64_MAX;
        assert_false(is_accepted(&n, &p));
    }
}

/* An address that nobody reads is still written into tables of 32 bits: the
 * fuzzer found one of 40 GB. */
static void plan_check__refuses_weights_where_there_are_none(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    struct plan_set s;
    uint32_t n_tried = 0;
    small_net(&n, f);
    some_plans(&n, &s);
    struct plan p = copy_plan(f, &s.plan[0]);
    for (uint32_t i = 0; i < p.n_box; i++) {
        if (p.box[i].op != PLAN_BOX ||
            n.c.lattice[p.box[i].layer].n_chunk != 0) {
            continue;
        }
        p.box[i].w_addr = UINT64_C(42949672950);
        assert_false(is_accepted(&n, &p));
        p.box[i].w_addr = 0;
        p.box[i].mapped = true;
        assert_false(is_accepted(&n, &p));
        p.box[i].mapped = false;
        assert_true(is_accepted(&n, &p));
        n_tried++;
    }
    assert_true(n_tried > 0);
}

/* Rings are the least that hold what is needed: one row less is wrong. */
static void plan_check__refuses_a_smaller_ring(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    struct plan_set s;
    uint32_t n_rolling = 0;
    small_net(&n, f);
    some_plans(&n, &s);
    for (uint32_t i = 0; i < s.n_plan; i++) {
        struct plan p = copy_plan(f, &s.plan[i]);
        for (uint32_t b = 0; b < p.n_buf; b++) {
            n_rolling += p.buf[b].ring < n.l.buf[b].rows;
            p.buf[b].ring--;
            for (uint32_t k = 0; k < p.n_boundary; k++) {
                p.boundary[k].id = boundary_id(&n, &p, &p.boundary[k]);
            }
            assert_false(is_accepted(&n, &p));
            p.buf[b].ring++;
        }
    }
    assert_true(n_rolling > 0);
}

static void plan_check__refuses_a_box_that_does_not_wait(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    struct plan_set s;
    small_net(&n, f);
    some_plans(&n, &s);
    for (uint32_t i = 0; i < s.n_plan; i++) {
        struct plan p = copy_plan(f, &s.plan[i]);
        for (uint32_t k = 0; k < p.n_box; k++) {
            struct plan_box *const b = &p.box[k];
            if (b->op != PLAN_BOX || n.c.lattice[b->layer].n_chunk == 0) {
                continue;
            }
            b->wait--;
            assert_false(is_accepted(&n, &p));
            b->wait++;
        }
    }
}

/* The planner starts each load as early as there is room for it anywhere, so a
 * box earlier its place is not free yet; but for those that it does not move:
 * in loops, resident, or held back by the order of loads. */
static void plan_check__refuses_a_load_that_starts_too_early(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    struct plan_set s;
    uint32_t n_tried = 0;
    uint32_t n_refused = 0;
    small_net(&n, f);
    some_plans(&n, &s);
    for (uint32_t i = 0; i < s.n_plan; i++) {
        struct plan p = copy_plan(f, &s.plan[i]);
        int64_t before = INT64_MAX;
        for (uint32_t k = 0; k < p.n_load; k++) {
            struct plan_load *const b = &p.load[k];
            if (b->op == PLAN_LOOP) {
                k += b->body + 1;
                before = INT64_MAX;
                continue;
            }
            if (!b->resident && b->wait > before && b->wait > 0) {
                b->wait--;
                n_tried++;
                n_refused += !is_accepted(&n, &p);
                b->wait++;
            }
            before = b->wait;
        }
    }
    assert_true(n_tried > 20);
    /* A segment's scratch may be free between its boxes. */
    assert_true(n_refused * 10 >= n_tried * 9);
}

static void plan_check__refuses_a_missing_load(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    struct plan_set s;
    small_net(&n, f);
    some_plans(&n, &s);
    for (uint32_t i = 0; i < s.n_plan; i++) {
        for (uint32_t k = 0; k < s.plan[i].n_load; k++) {
            struct plan p = copy_plan(f, &s.plan[i]);
            if (p.load[k].op != PLAN_LOAD) {
                continue;
            }
            /* Another chunk comes in its stead. */
            p.load[k].chunk0 = (p.load[k].chunk0 + 1) % n.c.n_chunk;
            p.load[k].n_chunk = 1;
            assert_false(is_accepted(&n, &p));
        }
    }
}

/* Everything moved onto a buffer that is live at the same time. */
static void plan_check__refuses_two_things_in_one_place(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    struct plan_set s;
    small_net(&n, f);
    some_plans(&n, &s);
    for (uint32_t i = 0; i < s.n_plan; i++) {
        const struct plan *const base = &s.plan[i];
        for (uint32_t y = 0; y < n.l.n_layer; y++) {
            const uint32_t in = n.l.layer[y].in[0].buf;
            const uint32_t out = n.l.layer[y].out.buf;
            struct plan p = copy_plan(f, base);
            p.buf[out].addr = p.buf[in].addr;
            assert_false(is_accepted(&n, &p));
            p = copy_plan(f, base);
            p.scratch[y].addr = p.buf[in].addr;
            assert_false(is_accepted(&n, &p));
            p.scratch[y].addr = p.state_bytes - 64;
            assert_false(is_accepted(&n, &p));
        }
        for (uint32_t k = 0; k < base->n_load; k++) {
            struct plan p = copy_plan(f, base);
            struct plan_load *const b = &p.load[k];
            if (b->op != PLAN_LOAD) {
                continue;
            }
            const struct chunk *const c = &n.c.chunk[b->chunk0];
            const uint64_t at = b->addr;
            const uint32_t in = n.l.layer[c->layer].in[0].buf;
            b->addr = p.buf[in].addr / n.c.align * n.c.align +
                      c->blob_off % n.c.align;
            for (uint32_t j = 0; j < p.n_box; j++) {
                struct plan_box *const x = &p.box[j];
                if (x->op == PLAN_BOX && x->layer == c->layer &&
                    x->kblock == c->kblock && x->p0 == c->panel) {
                    x->w_addr = x->w_addr - at + b->addr;
                }
            }
            assert_false(is_accepted(&n, &p));
        }
    }
}

static void plan_check__refuses_wrong_rows(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    struct plan_set s;
    small_net(&n, f);
    some_plans(&n, &s);
    for (uint32_t i = 0; i < s.n_plan; i++) {
        struct plan p = copy_plan(f, &s.plan[i]);
        for (uint32_t k = 0; k < p.n_box; k++) {
            struct plan_box *const b = &p.box[k];
            if (b->op == PLAN_LOOP) {
                b->n_iter--; /* the last rows are left out */
                assert_false(is_accepted(&n, &p));
                b->n_iter++;
            } else if (b->op == PLAN_BOX) {
                const struct plan_box old = *b;
                b->p0++;
                assert_false(is_accepted(&n, &p));
                *b = old;
                b->p1--;
                assert_false(is_accepted(&n, &p));
                *b = old;
                b->layer = n.l.n_layer;
                assert_false(is_accepted(&n, &p));
                *b = old;
                b->by_row = !b->by_row;
                assert_false(is_accepted(&n, &p));
                *b = old;
            }
        }
    }
}

/* A table by indices that a layer computes, then weights; in a plan that has
 * no room for the table each row picks its chunk. */
static void table_net(struct net *n, struct fixture *f, struct plan_set *s)
{
    net_start(n, f);
    n->chunk_goal = 4096;
    uint32_t x = net_input(n, 9, 1, 16);
    x = net_conv(n, x, 16, 1, 1);
    x = net_table(n, x, 64, 20);
    x = net_conv(n, x, 32, 1, 1);
    net_output(n, x);
    net_finish(n, 256);
    net_budget(n, BUDGET_MIN, 0);
    net_budget(n, BUDGET_MAX, 0);
    net_budget(n, BUDGET_BYTES, 40000);
    assert_true(make_plans(n, s));
}

static uint32_t pick_of(const struct plan *p)
{
    uint32_t i = 0;
    while (i < p->n_load && !p->load[i].picks) {
        i++;
    }
    return i;
}

static void plan_check__accepts_loads_that_pick(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    struct plan_set s;
    table_net(&n, f, &s);
    for (uint32_t i = 0; i < s.n_plan; i++) {
        assert_true(is_accepted(&n, &s.plan[i]));
    }
    const struct plan *const least = &s.plan[0];
    const uint32_t pick = pick_of(least);
    assert_true(pick < least->n_load);
    assert_int_equal(least->load[pick - 1].n_iter, 9);
    /* Not the table but nine chunks of it are read. */
    const struct lattice *const t = &n.c.lattice[1];
    assert_true(least->streamed_bytes < 20 * t->panel_bytes[0]);
    assert_true(least->streamed_bytes >= 9 * t->panel_bytes[0]);
    /* With everything resident nothing is picked. */
    assert_int_equal(s.plan[1].streamed_bytes, 0);
    assert_int_equal(pick_of(&s.plan[1]), s.plan[1].n_load);
    assert_true(s.plan[2].peak <= 40000);
}

static void plan_check__refuses_a_pick_for_another_row(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    struct plan_set s;
    table_net(&n, f, &s);
    const uint32_t pick = pick_of(&s.plan[0]);
    uint32_t box = 0;
    while (s.plan[0].box[box].op != PLAN_BOX || s.plan[0].box[box].layer != 1) {
        box++;
    }
    for (uint32_t i = 0; i < 14; i++) {
        struct plan p = copy_plan(f, &s.plan[0]);
        struct plan_load *const b = &p.load[pick];
        struct plan_box *const x = &p.box[box];
        switch (i) {
        case 0: /* before its index is written */
            b->wait--;
            break;
        case 1: /* before the row before is copied */
            b->wait_step = 0;
            break;
        case 2:
            b->wait = -1;
            break;
        case 3:
            x->wait--;
            break;
        case 4: /* the box takes it for the row before */
            x->wait_step = 0;
            break;
        case 5:
            x->w_addr += 64;
            break;
        case 6:
            b->addr += 64;
            x->w_addr += 64;
            break;
        case 7:
            b->layer = 0;
            break;
        case 8:
            b->layer = 99;
            break;
        case 9:
            b->resident = true;
            break;
        case 10: /* onto the indices */
            b->addr = p.buf[n.l.layer[1].in[0].buf].addr / 256 * 256;
            x->w_addr = b->addr;
            break;
        case 11: /* beyond the arena */
            b->addr = p.peak / 256 * 256;
            x->w_addr = b->addr;
            break;
        case 12: /* two rows with one entry's chunk */
            x->row_a = 2;
            x->row_b = 2;
            break;
        default: /* an ordinary load of its first chunk */
            b->picks = false;
            break;
        }
        if (is_accepted(&n, &p)) {
            fail_msg("case %u is accepted", i);
        }
    }
}

/* One layer reads a buffer, the next, which reads another, writes `to_state`
 * that same buffer or else one of its own; their boxes in the wrong order. */
static bool accepts_early_write(struct fixture *f, bool to_state)
{
    static struct net n;
    struct plan_set s;
    net_start(&n, f);
    const uint32_t past = net_input(&n, 8, 8, 4);
    const uint32_t x = net_input(&n, 8, 8, 4);
    net_output(&n, net_pool(&n, past, 3, 1));
    const uint32_t out = net_pool(&n, x, 3, 1);
    if (to_state) {
        n.l.layer[1].out.buf = past;
        n.l.n_buf--; /* `out`, the last one */
        net_output(&n, past);
    } else {
        net_output(&n, out);
    }
    net_finish(&n, 64);
    net_budget(&n, BUDGET_MAX, 0);
    assert_true(make_plans(&n, &s));
    assert_true(is_accepted(&n, &s.plan[0]));
    struct plan p = copy_plan(f, &s.plan[0]);
    assert_int_equal(p.n_box, 2);
    const struct plan_box first = p.box[0];
    p.box[0] = p.box[1];
    p.box[1] = first;
    p.n_boundary = 1;
    return is_accepted(&n, &p);
}

static void plan_check__refuses_a_state_written_before_it_is_read(void **state)
{
    struct fixture *f = *state;
    assert_true(accepts_early_write(f, false));
    assert_false(accepts_early_write(f, true));
}

static void plan_check__refuses_wrong_boundaries(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    struct plan_set s;
    uint32_t n_inside = 0;
    late_input_net(&n, f);
    some_plans(&n, &s);
    for (uint32_t i = 0; i < s.n_plan; i++) {
        struct plan p = copy_plan(f, &s.plan[i]);
        for (uint32_t k = 0; k < p.n_boundary; k++) {
            struct plan_boundary *const e = &p.boundary[k];
            const struct plan_boundary old = *e;
            n_inside += e->n_iter > 1;
            e->id++;
            assert_false(is_accepted(&n, &p));
            *e = old;
            e->box_count++;
            assert_false(is_accepted(&n, &p));
            *e = old;
            e->load_count++;
            assert_false(is_accepted(&n, &p));
            *e = old;
            e->lo++;
            e->hi++;
            e->id = boundary_id(&n, &p, e);
            assert_false(is_accepted(&n, &p));
            *e = old;
            /* A load later than the first that is still used. */
            if (e->load_ix < p.n_load && p.load[e->load_ix].op == PLAN_LOAD) {
                e->load_ix++;
                e->load_count++;
                assert_false(is_accepted(&n, &p));
                *e = old;
            }
        }
    }
    assert_true(n_inside > 0);
}

/* Boundaries of two plans with one id but different states. */
static void plan_check__refuses_one_id_for_two_states(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    struct plan_set s;
    small_net(&n, f);
    some_plans(&n, &s);
    assert_true(plan_check(&n.l, &n.c, &n.k, &s, &f->cx));
    /* The idle boundary must be common to all. */
    struct plan two[2] = {copy_plan(f, &s.plan[1]), copy_plan(f, &s.plan[1])};
    const struct plan_set set = {.plan = two, .n_plan = 2};
    assert_true(plan_check(&n.l, &n.c, &n.k, &set, &f->cx));
    uint32_t in = 0;
    uint32_t out = 0;
    for (uint32_t b = 0; b < n.l.n_buf; b++) {
        in = n.l.buf[b].is_input ? b : in;
        out = n.l.buf[b].is_output ? b : out;
    }
    /* All of the second plan moves up by one input, the output below it. */
    struct plan *const p = &two[1];
    const uint64_t room =
        n.l.buf[out].rows * n.l.buf[out].row_bytes + 64 + n.c.align;
    p->buf[out].addr = p->buf[in].addr;
    p->buf[out].addr = p->state_bytes;
    for (uint32_t b = 0; b < p->n_buf; b++) {
        p->buf[b].addr += b == out ? 0 : size_div_up(room, 64) * 64;
    }
    for (uint32_t k = 0; k < p->n_boundary; k++) {
        p->boundary[k].id = boundary_id(&n, p, &p->boundary[k]);
    }
    assert_true(p->boundary[0].id != two[0].boundary[0].id);
    diag_init(&f->diag);
    assert_false(plan_check(&n.l, &n.c, &n.k, &set, &f->cx));
}

/* ---- at random ---- */

static void break_number(uint64_t *v, uint32_t how, uint64_t unit)
{
    switch (how % 4) {
    case 0:
        *v += unit;
        break;
    case 1:
        *v -= unit;
        break;
    case 2:
        *v += unit * 16;
        break;
    case 3:
        *v -= unit * 16;
        break;
    }
}

/* Changes one number somewhere. */
static void break_plan(const struct net *n, struct plan *p, uint32_t *seed)
{
    const uint32_t how = next_random(seed);
    const uint32_t ix = next_random(seed);
    struct plan_box *const b = &p->box[ix % p->n_box];
    struct plan_load *const x = &p->load[ix % p->n_load];
    uint64_t v = 0;
    switch (next_random(seed) % 11) {
    case 0:
        break_number(&p->buf[ix % p->n_buf].addr, how, 64);
        break;
    case 1:
        break_number(&p->buf[ix % p->n_buf].ring, how, 1);
        break;
    case 2:
        break_number(&p->scratch[ix % p->n_layer].addr, how, 64);
        break;
    case 3:
        v = (uint64_t)b->wait;
        break_number(&v, how, 1);
        b->wait = (int64_t)v;
        break;
    case 4:
        break_number(&b->w_addr, how, 64);
        break;
    case 5:
        break_number(&x->addr, how, n->c.align);
        break;
    case 6:
    case 7:
        v = (uint64_t)x->wait;
        break_number(&v, how, 1);
        x->wait = (int64_t)v;
        break;
    case 8:
        v = (uint64_t)b->row_b;
        break_number(&v, how, 1);
        b->row_b = (int64_t)v;
        break;
    case 9:
        x->wait_step += how % 2 ? 1 : -1;
        b->wait_step += how % 3 ? 1 : -1;
        break;
    case 10: {
        /* A slice and its boxes move together. */
        const uint64_t from = x->addr;
        break_number(&x->addr, how, n->c.align);
        for (uint32_t i = 0; i < p->n_box && x->op == PLAN_LOAD; i++) {
            const struct chunk *const c = &n->c.chunk[x->chunk0];
            if (p->box[i].layer == c->layer && p->box[i].kblock == c->kblock &&
                p->box[i].w_addr >= from) {
                p->box[i].w_addr += x->addr - from;
            }
        }
        break;
    }
    }
}

static void plan_check__never_accepts_what_reads_wrong_data(void **state)
{
    enum { TRIES = 600 };
    struct fixture *f = *state;
    static struct net n;
    struct plan_set s;
    uint32_t seed = 7;
    uint32_t n_accepted = 0;
    small_net(&n, f);
    some_plans(&n, &s);
    for (uint32_t i = 0; i < TRIES; i++) {
        const struct arena_mark mark = arena_mark(&f->keep);
        struct plan p = copy_plan(f, &s.plan[i % s.n_plan]);
        break_plan(&n, &p, &seed);
        p.budget = UINT64_MAX;
        for (uint32_t k = 0; k < p.n_boundary; k++) {
            p.boundary[k].id = boundary_id(&n, &p, &p.boundary[k]);
        }
        if (is_accepted(&n, &p)) {
            const char *why = NULL;
            n_accepted++;
            if (!plan_emulate(&n, &p, EMULATE_EAGER, &why) ||
                !plan_emulate(&n, &p, EMULATE_LAZY, &why)) {
                print_error("try %u: %s\n", i, why);
                assert_true(false);
            }
        }
        arena_rewind(&f->keep, mark);
    }
    /* Some changes do no harm; most do. */
    assert_true(n_accepted > 0 && n_accepted < TRIES / 2);
}

/* Hostile numbers must end in a refusal, not in a crash or a hang. */
static void plan_check__survives_any_numbers(void **state)
{
    enum { TRIES = 600 };
    struct fixture *f = *state;
    static struct net n;
    struct plan_set s;
    uint32_t seed = 11;
    small_net(&n, f);
    some_plans(&n, &s);
    for (uint32_t i = 0; i < TRIES; i++) {
        const struct arena_mark mark = arena_mark(&f->keep);
        struct plan p = copy_plan(f, &s.plan[i % s.n_plan]);
        unsigned char *const at[] = {
            (unsigned char *)p.buf, (unsigned char *)p.scratch,
            (unsigned char *)p.box, (unsigned char *)p.load,
            (unsigned char *)p.boundary};
        const uint64_t len[] = {
            p.n_buf * sizeof *p.buf, p.n_layer * sizeof *p.scratch,
            p.n_box * sizeof *p.box, p.n_load * sizeof *p.load,
            p.n_boundary * sizeof *p.boundary};
        const uint32_t k = next_random(&seed) % ARRAY_LEN(at);
        /* A whole 32-bit word, so that no bool or enum has a value that C
         * does not allow: those are set by the parser. */
        static const uint32_t k_value[] = {0,          1,          0x7fffffff,
                                           0x80000000, 0xffffffff, 0x10000};
        const uint64_t word = next_random(&seed) % (len[k] / 4);
        const uint32_t v = k_value[next_random(&seed) % ARRAY_LEN(k_value)];
        struct plan_box *const box = &p.box[word * 4 / sizeof *p.box % p.n_box];
        const uint64_t in_box = word * 4 % sizeof *p.box;
        const uint64_t in_load = word * 4 % sizeof *p.load;
        const bool is_flag =
            (k == 2 && (in_box == offsetof(struct plan_box, op) ||
                        in_box / 4 == offsetof(struct plan_box, mapped) / 4)) ||
            (k == 3 &&
             (in_load == offsetof(struct plan_load, op) ||
              in_load / 4 == offsetof(struct plan_load, resident) / 4));
        if (is_flag) {
            box->mapped = !box->mapped;
            box->op = (enum plan_op)(v % 4);
        } else {
            memcpy(at[k] + word * 4, &v, sizeof v);
        }
        (void)is_accepted(&n, &p);
        arena_rewind(&f->keep, mark);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(plan_check__accepts_what_the_planner_makes),
        FIXTURE_TEST(plan_check__refuses_a_peak_above_the_budget),
        FIXTURE_TEST(plan_check__refuses_a_smaller_ring),
        FIXTURE_TEST(plan_check__refuses_a_box_that_does_not_wait),
        FIXTURE_TEST(plan_check__refuses_a_load_that_starts_too_early),
        FIXTURE_TEST(plan_check__refuses_a_missing_load),
        FIXTURE_TEST(plan_check__refuses_two_things_in_one_place),
        FIXTURE_TEST(plan_check__refuses_wrong_rows),
        FIXTURE_TEST(plan_check__accepts_loads_that_pick),
        FIXTURE_TEST(plan_check__refuses_a_pick_for_another_row),
        FIXTURE_TEST(plan_check__refuses_weights_where_there_are_none),
        FIXTURE_TEST(plan_check__refuses_a_state_written_before_it_is_read),
        FIXTURE_TEST(plan_check__refuses_wrong_boundaries),
        FIXTURE_TEST(plan_check__refuses_one_id_for_two_states),
        FIXTURE_TEST(plan_check__never_accepts_what_reads_wrong_data),
        FIXTURE_TEST(plan_check__survives_any_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
