#include "support/rt_session.h"

#include <string.h>

static struct flx_info info_of(const struct rt_session *s)
{
    struct flx_info info;
    flx_query(s->rt, &info);
    return info;
}

static uint32_t steps_of(const struct rt_model *m, uint32_t plan)
{
    struct rt_session s;
    rt_open(&s, m, RT_PORT_SYNC, plan, 0);
    const uint32_t n = info_of(&s).n_step;
    rt_close(&s);
    return n;
}

/* One switch: `at` boxes of an inference are done under `from` when `to` is
 * asked for. This inference and the next two give the right output. */
static uint32_t try_switch(const struct rt_model *m, enum rt_port kind,
                           uint32_t from, uint32_t to, uint32_t at)
{
    struct rt_session s;
    rt_open(&s, m, kind, from, 0);
    rt_run_once(&s, 7);
    rt_put_input(&s, at);
    for (uint32_t k = 0; k < at; k++) {
        assert_int_equal(flx_step(s.rt), FLX_PENDING);
    }
    assert_int_equal(flx_switch_plan(s.rt, to), FLX_OK);
    uint32_t moved_at = UINT32_MAX;
    enum flx_err err = FLX_PENDING;
    while (err == FLX_PENDING) {
        err = flx_step(s.rt);
        if (moved_at == UINT32_MAX && info_of(&s).plan_id == to) {
            moved_at = info_of(&s).inside ? info_of(&s).step : 0;
            rt_check_guards(&s);
        }
    }
    assert_int_equal(err, FLX_OK);
    rt_check_output(&s, at);
    const struct flx_info info = info_of(&s);
    assert_int_equal(info.plan_id, to);
    assert_int_equal(info.n_switch, from != to);
    assert_int_equal(info.last_switch, FLX_OK);
    rt_run_once(&s, 8);
    rt_run_once(&s, 9);
    rt_close(&s);
    return moved_at;
}

static void switch__at_every_step_of_every_pair_keeps_the_output(void **state)
{
    (void)state;
    static const struct rt_options k_options[] = {
        {.n_thread = 3},
        {.n_thread = 3, .align = 4096},
        {.n_thread = 3, .compress = true},
    };
    for (uint32_t o = 0; o < sizeof k_options / sizeof *k_options; o++) {
        struct rt_model m;
        rt_model_build(&m, &k_options[o]);
        for (uint32_t from = 0; from < RT_N_PLAN; from++) {
            const uint32_t n = steps_of(&m, from);
            for (uint32_t to = 0; to < RT_N_PLAN; to++) {
                for (uint32_t at = 0; at < n; at++) {
                    /* Threads once: they take most of the time. */
                    const uint32_t n_port = o == 0 ? RT_N_PORT : RT_PORT_LOADER;
                    for (uint32_t kind = 0; kind < n_port; kind++) {
                        try_switch(&m, (enum rt_port)kind, from, to, at);
                    }
                }
            }
        }
        rt_model_free(&m);
    }
}

/* The pairs of plans have these boundaries in common, by boxes done. */
static void switch__takes_effect_at_the_next_common_boundary(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    /* At once where the request finds a boundary, so the next box is the
     * first of the new plan; 0: not inside this inference. */
    assert_int_equal(try_switch(&m, RT_PORT_SYNC, RT_STREAM, RT_RESIDENT, 2),
                     3);
    assert_int_equal(try_switch(&m, RT_PORT_SYNC, RT_STREAM, RT_RESIDENT, 3),
                     5);
    assert_int_equal(try_switch(&m, RT_PORT_SYNC, RT_RESIDENT, RT_STREAM, 3),
                     4);
    /* Between stripes: after 2 boxes and then every second; 3 in the other. */
    for (uint32_t i = 1; i < 6; i++) {
        assert_int_equal(
            try_switch(&m, RT_PORT_SYNC, RT_CASCADE, RT_STRIPES, 2 + 2 * i),
            2 + 2 * i + 1);
        assert_int_equal(
            try_switch(&m, RT_PORT_SYNC, RT_CASCADE, RT_STRIPES, 1 + 2 * i),
            i == 1 ? 5 : 2 + 2 * i + 1);
        assert_int_equal(
            try_switch(&m, RT_PORT_SYNC, RT_STRIPES, RT_CASCADE, 4 + 3 * i),
            4 + 3 * i + 1);
    }
    /* Rolling rows have no place in a plan that holds the tensor in full: not
     * before the last box. */
    for (uint32_t at = 3; at < 15; at++) {
        assert_int_equal(
            try_switch(&m, RT_PORT_SYNC, RT_CASCADE, RT_RESIDENT, at), 0);
    }
    rt_model_free(&m);
}

static void switch__hands_the_top_back_and_wants_it_again(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    struct rt_session s;
    rt_open(&s, &m, RT_PORT_SYNC, RT_RESIDENT, 0);
    const uint32_t large = flx_arena_bytes(&m.model, RT_RESIDENT);
    const uint32_t small = flx_arena_bytes(&m.model, RT_CASCADE);
    assert_true(small < large);
    rt_run_once(&s, 1);
    const uint32_t n_release = s.n_release;
    assert_int_equal(flx_switch_plan(s.rt, RT_CASCADE), FLX_OK);
    assert_int_equal(flx_settle(s.rt), FLX_OK);
    assert_int_equal(s.n_release, n_release + 1);
    assert_int_equal(s.used, small);
    assert_int_equal(info_of(&s).released_bytes, large - small);
    rt_check_output(&s, 1); /* still there, maybe elsewhere */
    assert_int_equal(flx_switch_plan(s.rt, RT_RESIDENT), FLX_OK);
    assert_int_equal(flx_settle(s.rt), FLX_OK);
    assert_int_equal(s.used, large);
    assert_int_equal(info_of(&s).released_bytes, 0);
    rt_check_output(&s, 1);
    rt_run_once(&s, 2);
    rt_close(&s);
    rt_model_free(&m);
}

/* What the smaller plan keeps is not read again; what it drops is. */
static void switch__keeps_the_common_residents(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    struct rt_session s;
    rt_open(&s, &m, RT_PORT_SYNC, RT_RESIDENT, 0);
    rt_run_once(&s, 1);
    assert_int_equal(flx_switch_plan(s.rt, RT_CASCADE), FLX_OK);
    assert_int_equal(flx_settle(s.rt), FLX_OK);
    const uint64_t before = info_of(&s).n_read;
    rt_run_once(&s, 2);
    /* Two K blocks of L0, one of them again for the next run. */
    assert_int_equal(info_of(&s).n_read - before, 3);
    assert_int_equal(flx_switch_plan(s.rt, RT_RESIDENT), FLX_OK);
    const uint64_t again = info_of(&s).n_read;
    rt_run_once(&s, 3);
    assert_int_equal(info_of(&s).n_read - again, 2);
    rt_close(&s);
    rt_model_free(&m);
}

static void switch__moves_an_input_that_waits_for_its_run(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    for (uint32_t from = 0; from < RT_N_PLAN; from++) {
        for (uint32_t to = 0; to < RT_N_PLAN; to++) {
            struct rt_session s;
            rt_open(&s, &m, RT_PORT_POLLED, from, 0);
            rt_run_once(&s, 1);
            rt_put_input(&s, 2);
            assert_int_equal(flx_switch_plan(s.rt, to), FLX_OK);
            assert_int_equal(flx_settle(s.rt), FLX_OK);
            rt_check_output(&s, 1);
            assert_int_equal(flx_run(s.rt), FLX_OK);
            rt_check_output(&s, 2);
            rt_close(&s);
        }
    }
    rt_model_free(&m);
}

static void switch__is_dropped_when_the_port_refuses_to_grow(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    struct rt_session s;
    rt_open(&s, &m, RT_PORT_SYNC, RT_CASCADE, 0);
    s.refuse = true;
    assert_int_equal(flx_switch_plan(s.rt, RT_RESIDENT), FLX_OK);
    assert_int_equal(flx_settle(s.rt), FLX_E_REFUSED);
    assert_int_equal(info_of(&s).last_switch, FLX_E_REFUSED);
    assert_int_equal(flx_settle(s.rt), FLX_OK); /* dropped */
    assert_int_equal(flx_switch_plan(s.rt, RT_RESIDENT), FLX_OK);
    rt_run_once(&s, 1); /* refused inside: the inference goes on */
    assert_int_equal(info_of(&s).plan_id, RT_CASCADE);
    assert_int_equal(info_of(&s).n_switch, 0);
    s.refuse = false; /* the same request again is a new one */
    assert_int_equal(flx_switch_plan(s.rt, RT_RESIDENT), FLX_OK);
    rt_run_once(&s, 2);
    assert_int_equal(info_of(&s).plan_id, RT_RESIDENT);
    assert_int_equal(info_of(&s).last_switch, FLX_OK);
    rt_close(&s);
    rt_model_free(&m);
}

static void switch__obeys_the_last_request(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    struct rt_session s;
    rt_open(&s, &m, RT_PORT_SYNC, RT_RESIDENT, 0);
    assert_int_equal(flx_switch_plan(s.rt, RT_STREAM), FLX_OK);
    assert_int_equal(flx_switch_plan(s.rt, RT_CASCADE), FLX_OK);
    assert_int_equal(flx_settle(s.rt), FLX_OK);
    assert_int_equal(info_of(&s).plan_id, RT_CASCADE);
    assert_int_equal(info_of(&s).n_switch, 1);
    assert_int_equal(flx_switch_plan(s.rt, RT_STREAM), FLX_OK);
    assert_int_equal(flx_switch_plan(s.rt, RT_CASCADE), FLX_OK);
    assert_int_equal(flx_settle(s.rt), FLX_OK);
    assert_int_equal(info_of(&s).n_switch, 1); /* it is there already */
    rt_close(&s);
    rt_model_free(&m);
}

static void switch__refuses_plans_that_are_not_there_or_too_large(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    struct rt_session s;
    const uint32_t small = flx_arena_bytes(&m.model, RT_CASCADE);
    const uint32_t large = flx_arena_bytes(&m.model, RT_RESIDENT);
    rt_open(&s, &m, RT_PORT_SYNC, RT_CASCADE, small);
    assert_int_equal(flx_switch_plan(s.rt, RT_N_PLAN), FLX_E_PLAN);
    assert_int_equal(flx_switch_plan(s.rt, UINT32_MAX), FLX_E_PLAN);
    assert_int_equal(flx_switch_plan(s.rt, RT_RESIDENT), FLX_E_PLAN);
    assert_int_equal(flx_switch_budget(s.rt, 1000), FLX_E_PLAN);
    assert_int_equal(flx_settle(s.rt), FLX_OK);
    rt_run_once(&s, 1);
    assert_int_equal(info_of(&s).plan_id, RT_CASCADE);
    rt_close(&s);
    rt_open(&s, &m, RT_PORT_SYNC, RT_CASCADE, 0);
    for (uint32_t i = 0; i < RT_N_PLAN; i++) {
        const uint32_t need = flx_arena_bytes(&m.model, i);
        assert_int_equal(flx_switch_budget(s.rt, need), FLX_OK);
        rt_run_once(&s, 2);
        assert_int_equal(info_of(&s).arena_bytes, need);
    }
    assert_int_equal(flx_switch_budget(s.rt, UINT64_MAX), FLX_OK);
    rt_run_once(&s, 3);
    assert_true(info_of(&s).arena_bytes >= large);
    rt_close(&s);
    rt_model_free(&m);
}

/* An id that another state happens to have is not enough. */
static void switch__needs_equal_live_sets_besides_equal_ids(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    uint32_t *plan = m.plan[RT_CASCADE];
    const uint32_t boundary =
        ((struct flx_plan_head *)(void *)plan)->boundary_off;
    const uint32_t loop = boundary + 2 * FLX_BOUNDARY_WORDS;
    assert_int_equal(plan[loop], 1000);
    plan[loop] = 220 - 3; /* stripe 3 seems to be the end of L1 */
    rt_plan_seal(plan);
    try_switch(&m, RT_PORT_SYNC, RT_CASCADE, RT_RESIDENT, 8);
    try_switch(&m, RT_PORT_SYNC, RT_RESIDENT, RT_CASCADE, 3);
    rt_model_free(&m);
}

struct requests {
    struct flx *rt;
    _Atomic uint32_t stop;
};

static void *request_all(void *ctx)
{
    struct requests *r = ctx;
    for (uint32_t i = 0; atomic_load(&r->stop) == 0; i++) {
        flx_switch_plan(r->rt, i % RT_N_PLAN);
    }
    flx_switch_plan(r->rt, RT_STRIPES);
    return NULL;
}

/* Any thread, any time; under TSan the proof that there is no race. */
static void switch__may_be_asked_for_by_another_thread(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){.n_thread = 3});
    struct rt_session s;
    rt_open(&s, &m, RT_PORT_THREADS, RT_RESIDENT, 0);
    struct requests r = {s.rt, 0};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, request_all, &r), 0);
    for (uint32_t seed = 0; seed < 200; seed++) {
        /* A switch may move the input while it is written: not between the
         * runs, where only this thread executes requests. */
        rt_run_once(&s, seed);
    }
    atomic_store(&r.stop, 1);
    pthread_join(thread, NULL);
    rt_run_once(&s, 1);
    assert_int_equal(info_of(&s).plan_id, RT_STRIPES);
    rt_close(&s);
    rt_model_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(switch__at_every_step_of_every_pair_keeps_the_output),
        cmocka_unit_test(switch__takes_effect_at_the_next_common_boundary),
        cmocka_unit_test(switch__hands_the_top_back_and_wants_it_again),
        cmocka_unit_test(switch__keeps_the_common_residents),
        cmocka_unit_test(switch__moves_an_input_that_waits_for_its_run),
        cmocka_unit_test(switch__is_dropped_when_the_port_refuses_to_grow),
        cmocka_unit_test(switch__obeys_the_last_request),
        cmocka_unit_test(switch__refuses_plans_that_are_not_there_or_too_large),
        cmocka_unit_test(switch__needs_equal_live_sets_besides_equal_ids),
        cmocka_unit_test(switch__may_be_asked_for_by_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
