#include "run/run_switch.h"
#include "support/fixture.h"

static void list__asks_at_its_steps(void **state)
{
    struct fixture *f = *state;
    struct run_switches s;
    assert_true(run_switch_parse("3:1,0:2,3:0", 3, &f->cx, &s));
    assert_int_equal(run_switch_at(&s, 0, 0, 10), 2);
    assert_int_equal(run_switch_at(&s, 0, 1, 10), RUN_NO_PLAN);
    assert_int_equal(run_switch_at(&s, 7, 3, 10), 0); /* the last counts */
}

static void list__refuses_what_is_not_step_and_plan(void **state)
{
    static const char *const bad[] = {
        "",     "1",     "1:",     ":1",      "1:3",      "1:1,", "a:1",
        "1:-1", "1:1:1", "random", "random:", "random:x", "all:1"};
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct run_switches s;
        diag_init(&f->diag);
        assert_false(run_switch_parse(bad[i], 3, &f->cx, &s));
        assert_diag(f, E_USAGE, "--switch");
    }
}

static void random__repeats_with_its_seed_and_reaches_every_plan(void **state)
{
    struct fixture *f = *state;
    struct run_switches s;
    uint32_t n[4] = {0};
    uint32_t n_asked = 0;
    assert_true(run_switch_parse("random:7", 4, &f->cx, &s));
    for (uint32_t run = 0; run < 20; run++) {
        assert_int_not_equal(run_switch_at(&s, run, 0, 200), RUN_NO_PLAN);
        for (uint32_t step = 0; step < 200; step++) {
            const uint32_t plan = run_switch_at(&s, run, step, 200);
            assert_int_equal(plan, run_switch_at(&s, run, step, 200));
            if (plan != RUN_NO_PLAN) {
                assert_true(plan < 4);
                n[plan]++;
                n_asked++;
            }
        }
    }
    assert_true(n[0] && n[1] && n[2] && n[3]);
    /* 20 runs of 9: 8 of 200 steps, and the first */
    assert_in_range(n_asked, 100, 260);
}

static void all__asks_for_nothing_in_the_timed_runs(void **state)
{
    struct fixture *f = *state;
    struct run_switches s;
    assert_true(run_switch_parse("all", 3, &f->cx, &s));
    assert_true(s.is_all && !s.is_random);
    assert_int_equal(run_switch_at(&s, 0, 0, 10), RUN_NO_PLAN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(list__asks_at_its_steps),
        FIXTURE_TEST(list__refuses_what_is_not_step_and_plan),
        FIXTURE_TEST(all__asks_for_nothing_in_the_timed_runs),
        FIXTURE_TEST(random__repeats_with_its_seed_and_reaches_every_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
