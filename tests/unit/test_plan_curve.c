#include "support/layers_build.h"

#include "planner/plan_check.h"
#include "planner/planner.h"

/* Latencies at peaks of 10, 20, ... */
static void knees_of(struct fixture *f, const uint64_t *ns, uint32_t n_plan,
                     uint32_t n, uint64_t *bytes, uint32_t *n_found)
{
    struct plan plan[8] = {{0}};
    for (uint32_t i = 0; i < n_plan; i++) {
        plan[i].peak = 10 * (i + BYTES(1));
        plan[i].latency_ns = ns[i];
    }
    const struct plan_set curve = {.plan = plan, .n_plan = n_plan};
    assert_true(plan_knees(&curve, n, &f->cx, bytes, n_found));
}

/* By hand: the second plan saves 40 of three budgets and 40 of the last; after
 * it, only the last is worth a plan of its own. */
static void plan_knees__takes_what_saves_most(void **state)
{
    static const uint64_t k_ns[] = {100, 60, 58, 57, 20};
    uint64_t bytes[8];
    uint32_t n = 0;
    knees_of(*state, k_ns, 5, 1, bytes, &n);
    assert_int_equal(n, 1);
    assert_int_equal(bytes[0], 10);
    knees_of(*state, k_ns, 5, 2, bytes, &n);
    assert_int_equal(n, 2);
    assert_int_equal(bytes[0], 10);
    assert_int_equal(bytes[1], 20);
    knees_of(*state, k_ns, 5, 3, bytes, &n);
    assert_int_equal(n, 3);
    assert_int_equal(bytes[1], 20);
    assert_int_equal(bytes[2], 50);
}

static void plan_knees__takes_no_plan_that_saves_nothing(void **state)
{
    static const uint64_t k_ns[] = {100, 100, 70, 70, 70, 70};
    uint64_t bytes[8];
    uint32_t n = 0;
    knees_of(*state, k_ns, 6, 5, bytes, &n);
    assert_int_equal(n, 2);
    assert_int_equal(bytes[0], 10);
    assert_int_equal(bytes[1], 30);
}

static void plan_curve__falls_from_the_least_to_the_largest(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    struct plan_set curve;
    net_start(&n, f);
    n.d.read_bytes_per_ms = 100000;
    net_mobilenetv2(&n, 4);
    net_finish(&n, 4096);
    f->cx.opt = &n.opt;
    assert_true(plan_curve(&n.l, &n.c, &n.k, &n.d, &n.opt, &f->cx, &curve) &&
                plan_check(&n.l, &n.c, &n.k, &curve, &f->cx));
    assert_int_equal(curve.n_plan, 33);
    for (uint32_t i = 1; i < curve.n_plan; i++) {
        assert_true(curve.plan[i].budget >= curve.plan[i - 1].budget);
        assert_true(curve.plan[i].latency_ns <= curve.plan[i - 1].latency_ns);
    }
    assert_true(curve.plan[0].latency_ns > 2 * curve.plan[32].latency_ns);
    assert_int_equal(curve.plan[32].streamed_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(plan_knees__takes_what_saves_most),
        FIXTURE_TEST(plan_knees__takes_no_plan_that_saves_nothing),
        FIXTURE_TEST(plan_curve__falls_from_the_least_to_the_largest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
