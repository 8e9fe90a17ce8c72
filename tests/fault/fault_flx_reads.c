/* The k-th read goes wrong, for k = 0, 1, 2 ... until all runs succeed; after
 * each failure the documented state holds and the next run is right. */
#include "support/rt_session.h"

enum { N_RUN = 3 };

static enum flx_err expected(enum fault fault)
{
    return fault == FAULT_SHORT || fault == FAULT_FLIP ? FLX_E_CHECKSUM
           : fault == FAULT_STALL                      ? FLX_OK
                                                       : FLX_E_STORAGE;
}

static void assert_stopped(const struct rt_session *s)
{
    struct flx_info info;
    flx_query(s->rt, &info);
    assert_int_equal(info.inside, 0);
    assert_false(s->store.n_reading > 0);
    rt_check_guards(s);
}

/* A few runs with one fault; false when it did not happen. */
static bool try_runs(const struct rt_model *m, enum rt_port kind, uint32_t plan,
                     enum fault fault, uint64_t k)
{
    struct rt_session s;
    rt_open(&s, m, kind, plan, 0);
    fault_store_arm(&s.store, fault, k);
    uint32_t n_error = 0;
    for (uint32_t run = 0; run < N_RUN; run++) {
        rt_put_input(&s, run);
        const enum flx_err err = flx_run(s.rt);
        if (err == FLX_OK) {
            rt_check_output(&s, run);
        } else {
            assert_int_equal(err, expected(fault));
            assert_true(fault_store_hit(&s.store));
            assert_stopped(&s);
            n_error++;
        }
    }
    flx_set_trace(s.rt, NULL, NULL); /* nothing is in flight afterwards */
    const bool happened = fault_store_hit(&s.store);
    s.store.fault = FAULT_NONE;
    /* A fault in the last run's tail is the next one's. */
    n_error += flx_run(s.rt) != FLX_OK;
    rt_run_once(&s, 9);
    /* What fails to start ahead of its turn is started again in it. */
    const bool may_recover = fault == FAULT_START && s.port.n_reads > 1;
    if (!may_recover || n_error > 0) {
        assert_int_equal(n_error, happened && fault != FAULT_STALL);
    }
    rt_close(&s);
    return happened;
}

static void reads__that_fail_end_the_run_and_nothing_else(void **state)
{
    (void)state;
    static const struct rt_options k_options[] = {
        {.n_thread = 3}, {.n_thread = 3, .compress = true}};
    static const char *const k_name[] = {[FAULT_START] = "that fail to start",
                                         [FAULT_FINISH] = "that fail",
                                         [FAULT_SHORT] = "that come short",
                                         [FAULT_FLIP] = "with flipped bits",
                                         [FAULT_STALL] = "that stall"};
    uint64_t n_fault[FAULT_STALL + 1] = {0};
    for (uint32_t o = 0; o < 2; o++) {
        struct rt_model m;
        rt_model_build(&m, &k_options[o]);
        for (uint32_t plan = 0; plan < RT_N_PLAN; plan++) {
            for (uint32_t fault = FAULT_START; fault <= FAULT_STALL; fault++) {
                static const enum rt_port k_port[] = {
                    RT_PORT_SYNC, RT_PORT_POLLED, RT_PORT_AHEAD, RT_PORT_LOADER,
                    RT_PORT_THREADS};
                for (uint32_t i = 0; i < 5; i++) {
                    uint64_t k = 0;
                    while (
                        try_runs(&m, k_port[i], plan, (enum fault)fault, k)) {
                        k++;
                    }
                    n_fault[fault] += k;
                    assert_true(k >= rt_plan_loads(&m, plan, true));
                }
            }
        }
        rt_model_free(&m);
    }
    for (uint32_t fault = FAULT_START; fault <= FAULT_STALL; fault++) {
        print_message("faults: reads %s %llu\n", k_name[fault],
                      (unsigned long long)n_fault[fault]);
    }
}

/* What was resident before the failure is not read again. */
static void reads__that_fail_leave_residents(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    struct rt_session s;
    rt_open(&s, &m, RT_PORT_SYNC, RT_RESIDENT, 0);
    fault_store_arm(&s.store, FAULT_FLIP, 3);
    rt_put_input(&s, 1);
    assert_int_equal(flx_run(s.rt), FLX_E_CHECKSUM);
    const uint64_t before = s.store.n_read;
    rt_run_once(&s, 1);
    assert_int_equal(s.store.n_read - before, 1);
    rt_close(&s);
    rt_model_free(&m);
}

/* A load in flight fails while a switch waits for it: the run is abandoned,
 * the request stays and is executed before the next run. */
static void reads__that_fail_keep_a_pending_switch(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    uint32_t n_error = 0;
    for (uint32_t from = 0; from < RT_N_PLAN; from++) {
        for (uint32_t to = 0; to < RT_N_PLAN; to++) {
            for (uint64_t k = 0; from != to && k < 24; k++) {
                struct rt_session s;
                rt_open(&s, &m, RT_PORT_POLLED, from, 0);
                rt_run_once(&s, 1);
                rt_put_input(&s, 2);
                assert_int_equal(flx_step(s.rt), FLX_PENDING);
                assert_int_equal(flx_switch_plan(s.rt, to), FLX_OK);
                fault_store_arm(&s.store, FAULT_FINISH, k);
                const enum flx_err err = flx_run(s.rt);
                if (err != FLX_OK) {
                    assert_int_equal(err, FLX_E_STORAGE);
                    assert_stopped(&s);
                    n_error++;
                } else {
                    rt_check_output(&s, 2);
                }
                s.store.fault = FAULT_NONE;
                rt_run_once(&s, 3);
                struct flx_info info;
                flx_query(s.rt, &info);
                assert_int_equal(info.plan_id, to);
                assert_int_equal(info.n_switch, 1);
                rt_close(&s);
            }
        }
    }
    assert_true(n_error > 20);
    rt_model_free(&m);
}

static void open__reports_a_header_that_cannot_be_read(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    for (uint32_t fault = FAULT_START; fault <= FAULT_STALL; fault++) {
        struct rt_session s;
        rt_prepare(&s, &m, RT_PORT_SYNC, 0);
        fault_store_arm(&s.store, (enum fault)fault, 0);
        const enum flx_err want = fault == FAULT_SHORT || fault == FAULT_FLIP
                                      ? FLX_E_BLOB
                                      : expected((enum fault)fault);
        assert_int_equal(
            flx_open(&m.model, &s.port, s.arena, s.arena_bytes, 0, &s.rt),
            want);
        rt_close(&s);
    }
    rt_model_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads__that_fail_end_the_run_and_nothing_else),
        cmocka_unit_test(reads__that_fail_leave_residents),
        cmocka_unit_test(reads__that_fail_keep_a_pending_switch),
        cmocka_unit_test(open__reports_a_header_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
