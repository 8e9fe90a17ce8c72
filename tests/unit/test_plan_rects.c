#include "ir/plan_rects.h"

#include "planner/plan_check.h"
#include "planner/planner.h"
#include "support/layers_build.h"

#define ALL UINT32_MAX

/* Plans, proven; unrolls plan ix, with times, and reads its rectangles. */
struct mapped {
    struct plan_set s;
    const struct plan *p;
    struct plan_run run;
    struct plan_rects r;
};

static void map_plan(struct net *n, uint32_t ix, uint32_t most,
                     struct mapped *m)
{
    struct cx *const cx = &n->f->cx;
    cx->opt = &n->opt;
    if (!plan_make(&n->l, &n->c, &n->k, &n->d, &n->opt, cx, &m->s) ||
        !plan_check(&n->l, &n->c, &n->k, &m->s, cx)) {
        assert_no_diag(n->f);
    }
    m->p = &m->s.plan[ix];
    assert_true(plan_unroll(&n->l, &n->c, m->p, cx->keep, &m->run));
    assert_true(plan_trace(&n->l, &n->c, &n->k, &n->d, m->p, cx, &m->run));
    assert_true(
        plan_rects(&n->l, &n->c, &n->k, m->p, &m->run, most, cx, &m->r));
}

/* The two convolutions of test_plan_make: at the least budget a cascade holds
 * the input (4096), 3 rows between (3072), the output (16384) and one layer's
 * weights at a time (at most 9280). */
static void plan_rects__adds_up_two_convolutions(void **state)
{
    static struct net n;
    struct mapped m;
    net_start(&n, *state);
    uint32_t x = net_input(&n, 16, 16, 4);
    x = net_conv(&n, x, 16, 3, 1);
    x = net_conv(&n, x, 16, 3, 1);
    net_output(&n, x);
    net_finish(&n, 64);
    net_budget(&n, BUDGET_MIN, 0);
    map_plan(&n, 0, ALL, &m);
    const uint64_t live = n.c.state_bytes + 4096 + 3072 + 16384 + 9280;
    assert_int_equal(m.r.peak_live_bytes, live);
    assert_int_equal(m.r.most_live_bytes, live);
    assert_int_equal(m.r.n_at_peak, 5);
    uint64_t bytes[RECT_KIND_COUNT] = {0};
    for (uint32_t i = 0; i < m.r.n_at_peak; i++) {
        bytes[m.r.at_peak[i].kind] += m.r.at_peak[i].bytes;
    }
    assert_int_equal(bytes[RECT_STATE], n.c.state_bytes);
    assert_int_equal(bytes[RECT_INPUT], 4096);
    assert_int_equal(bytes[RECT_ROLLING], 3072);
    assert_int_equal(bytes[RECT_OUTPUT], 16384);
    assert_int_equal(bytes[RECT_SLICE], 9280);
}

/* Everything resident: the two weights are one rectangle each, for ever. */
static void plan_rects__shows_residents(void **state)
{
    static struct net n;
    struct mapped m;
    net_start(&n, *state);
    uint32_t x = net_input(&n, 16, 16, 4);
    x = net_conv(&n, x, 16, 3, 1);
    x = net_conv(&n, x, 16, 3, 1);
    net_output(&n, x);
    net_finish(&n, 64);
    net_budget(&n, BUDGET_MAX, 0);
    map_plan(&n, 0, ALL, &m);
    uint32_t found = 0;
    for (uint32_t i = 0; i < m.r.n; i++) {
        const struct plan_rect *const r = &m.r.x[i];
        assert_int_not_equal(r->kind, RECT_SLICE);
        if (r->kind == RECT_RESIDENT) {
            assert_int_equal(r->bytes, r->layer == 0 ? 2368 : 9280);
            for (int64_t s = 0; s <= (int64_t)m.p->n_step; s++) {
                assert_true(plan_rect_meets(r, m.p->n_step, s));
            }
            found++;
        }
    }
    assert_int_equal(found, 2);
}

static void mobilenet(struct net *n, struct fixture *f)
{
    net_start(n, f);
    n->scratch = 640;
    net_mobilenetv2(n, 4);
    net_finish(n, 64);
    net_budget(n, BUDGET_MIN, 0);
    net_budget(n, BUDGET_BYTES, 1500000);
    net_budget(n, BUDGET_BYTES, 4000000);
    net_budget(n, BUDGET_MAX, 0);
}

/* What plan_check proves, seen in the rectangles: none share a byte at a time,
 * and the highest ends at the peak. Scratch is free of others as well. */
static void plan_rects__are_apart_up_to_the_peak(void **state)
{
    static struct net n;
    for (uint32_t ix = 0; ix < 4; ix++) {
        struct mapped m;
        mobilenet(&n, *state);
        map_plan(&n, ix, ALL, &m);
        uint64_t top = 0;
        uint64_t most = 0;
        for (int64_t s = 0; s <= (int64_t)m.p->n_step; s++) {
            uint64_t live = 0;
            for (uint32_t i = 0; i < m.r.n; i++) {
                const struct plan_rect *const x = &m.r.x[i];
                if (!plan_rect_meets(x, m.p->n_step, s)) {
                    continue;
                }
                live += x->bytes;
                top = x->addr + x->bytes > top ? x->addr + x->bytes : top;
                for (uint32_t k = 0; k < i; k++) {
                    const struct plan_rect *const y = &m.r.x[k];
                    assert_true(!plan_rect_meets(y, m.p->n_step, s) ||
                                y->addr + y->bytes <= x->addr ||
                                x->addr + x->bytes <= y->addr);
                }
            }
            most = live > most ? live : most;
        }
        assert_int_equal(top, m.p->peak);
        assert_int_equal(most, m.r.most_live_bytes);
        assert_true(m.r.peak_live_bytes <= most && most <= m.p->peak);
    }
}

/* Fewer rectangles still cover all that the many do. */
static void plan_rects__joins_slices_and_loses_none(void **state)
{
    static struct net n;
    struct mapped all;
    struct mapped few;
    mobilenet(&n, *state);
    map_plan(&n, 0, ALL, &all);
    map_plan(&n, 0, 1, &few);
    assert_true(few.r.n < all.r.n);
    assert_int_equal(few.r.n_at_peak, all.r.n_at_peak);
    uint64_t things = 0;
    for (uint32_t i = 0; i < all.r.n; i++) {
        const struct plan_rect *const x = &all.r.x[i];
        bool covered = false;
        for (uint32_t k = 0; k < few.r.n; k++) {
            const struct plan_rect *const y = &few.r.x[k];
            covered = covered || (y->kind == x->kind && y->addr <= x->addr &&
                                  y->addr + y->bytes >= x->addr + x->bytes &&
                                  y->first <= x->first && y->last >= x->last);
        }
        assert_true(covered);
        things += x->n;
    }
    for (uint32_t k = 0; k < few.r.n; k++) {
        things -= few.r.x[k].n;
    }
    assert_int_equal(things, 0);
}

/* The times of plan_trace: both streams in order, each box after the loads it
 * waits for, and all of it in the predicted latency. */
static void plan_trace__keeps_the_order_of_the_plan(void **state)
{
    static struct net n;
    for (uint32_t ix = 0; ix < 8; ix++) {
        struct mapped m;
        mobilenet(&n, *state);
        n.d.loader_shares_core = ix >= 4;
        n.d.read_bytes_per_ms = 500000;
        map_plan(&n, ix % 4, ALL, &m);
        const struct plan_run *const r = &m.run;
        assert_int_equal(r->period_ns, m.p->latency_ns);
        assert_int_equal(r->n_step, m.p->n_step);
        assert_int_equal(r->n_fetch, m.p->n_load_run);
        uint64_t now = 0;
        for (uint64_t i = 0; i < r->n_step; i++) {
            const struct plan_step *const s = &r->step[i];
            assert_true(s->begin_ns >= now && s->end_ns >= s->begin_ns);
            now = s->end_ns;
            if (s->loads > 0) {
                assert_true(r->fetch[s->loads - 1].end_ns <=
                            (int64_t)s->begin_ns);
            }
        }
        assert_true(now <= r->period_ns);
        for (uint64_t i = 0; i < r->n_fetch; i++) {
            const struct plan_fetch *const f = &r->fetch[i];
            assert_true(f->begin_ns <= f->end_ns);
            assert_true(i == 0 || f->begin_ns >= f[-1].end_ns);
            if (f->wait > 0) {
                assert_true(f->begin_ns >=
                            (int64_t)r->step[f->wait - 1].end_ns);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(plan_rects__adds_up_two_convolutions),
        FIXTURE_TEST(plan_rects__shows_residents),
        FIXTURE_TEST(plan_rects__are_apart_up_to_the_peak),
        FIXTURE_TEST(plan_rects__joins_slices_and_loses_none),
        FIXTURE_TEST(plan_trace__keeps_the_order_of_the_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
