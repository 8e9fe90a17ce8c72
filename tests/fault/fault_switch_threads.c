/* Another thread, and a signal handler, ask for random plans as fast as they
 * can while inferences run, with the loader thread and with 1 and 3 compute
 * threads: every output has the right bits, and nobody writes what was given
 * back. Random: the seed is printed. $FLEXC_SWITCHES is the number of switches
 * that must have taken effect in each case (default 300); scripts/tsan-run
 * asks for more, under ThreadSanitizer. */
#include "support/rt_session.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_SWITCHES = 300, SEED = 20240607, RUNS_PER_SWITCH = 5000 };

static uint64_t n_wanted(void)
{
    const char *const text = getenv("FLEXC_SWITCHES");
    const uint64_t n = text ? strtoull(text, NULL, 10) : 0;
    return n > 0 ? n : DEFAULT_SWITCHES;
}

static uint32_t random_next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* ---- who asks ---- */

struct asker {
    struct flx *rt;
    pthread_t runner;
    _Atomic bool stops;
    uint64_t n_asked;
    uint32_t random;
};

static void ask(struct asker *a)
{
    const uint32_t r = random_next(&a->random);
    if (r % 4 == 0) {
        (void)flx_switch_budget(a->rt, r % 65536);
    } else {
        (void)flx_switch_plan(a->rt, r % RT_N_PLAN);
    }
    a->n_asked++;
}

static void *ask_always(void *arg)
{
    struct asker *const a = arg;
    while (!atomic_load(&a->stops)) {
        ask(a);
        /* Where there are few cores the runner needs this one, too. */
        if (a->n_asked % 64 == 0) {
            (void)sched_yield();
        }
    }
    return NULL;
}

/* The handler's, which the runner's thread alone executes. */
static struct asker *k_in_handler;

static void on_signal(int number)
{
    (void)number;
    ask(k_in_handler);
}

static void *signal_always(void *arg)
{
    struct asker *const a = arg;
    while (!atomic_load(&a->stops)) {
        (void)pthread_kill(a->runner, SIGUSR1);
        (void)sched_yield();
    }
    return NULL;
}

/* ---- who runs ---- */

/* Inferences until enough switches have taken effect. */
static uint64_t run_inferences(struct rt_session *s, uint64_t n_want)
{
    struct flx_info info = {0};
    uint64_t n_run = 0;
    for (; info.n_switch < n_want; n_run++) {
        rt_put_input(s, (uint32_t)n_run % 7);
        if (n_run % 3 == 0) {
            enum flx_err err = FLX_PENDING;
            while (err == FLX_PENDING) {
                err = flx_step(s->rt);
            }
            assert_int_equal(err, FLX_OK);
        } else {
            assert_int_equal(flx_run(s->rt), FLX_OK);
        }
        rt_check_output(s, (uint32_t)n_run % 7);
        rt_check_guards(s);
        if (n_run % 5 == 0) {
            assert_int_equal(flx_settle(s->rt), FLX_OK);
            rt_check_guards(s);
        }
        flx_query(s->rt, &info);
        assert_true(n_run < RUNS_PER_SWITCH * n_want); /* else it is stuck */
        (void)sched_yield();
    }
    return n_run;
}

static void try_asker(const struct rt_model *m, enum rt_port kind,
                      void *(*how)(void *), const char *what)
{
    struct rt_session s;
    pthread_t thread;
    rt_open(&s, m, kind, RT_STREAM, 0);
    struct asker a = {.rt = s.rt, .runner = pthread_self(), .random = SEED};
    k_in_handler = &a;
    assert_int_equal(pthread_create(&thread, NULL, how, &a), 0);
    const uint64_t n_run = run_inferences(&s, n_wanted());
    atomic_store(&a.stops, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    struct flx_info info;
    flx_query(s.rt, &info);
    print_message("%s: seed %d, %llu requests, %u switches, %llu inferences\n",
                  what, SEED, (unsigned long long)a.n_asked, info.n_switch,
                  (unsigned long long)n_run);
    rt_close(&s);
}

static void try_all(void *(*how)(void *), const char *name)
{
    static const struct rt_options k_options[] = {
        {.n_thread = 3},
        {.n_thread = 3, .align = 4096},
        {.n_thread = 3, .compress = true},
    };
    static const char *const k_name[] = {"raw", "aligned", "compressed"};
    for (uint32_t o = 0; o < sizeof k_options / sizeof *k_options; o++) {
        struct rt_model m;
        rt_model_build(&m, &k_options[o]);
        for (uint32_t k = 0; k < 2; k++) {
            char what[80];
            (void)snprintf(what, sizeof what, "%s, %s, %u compute thread%s",
                           name, k_name[o], k == 0 ? 1u : 3u,
                           k == 0 ? "" : "s");
            try_asker(&m, k == 0 ? RT_PORT_LOADER : RT_PORT_THREADS, how, what);
        }
        rt_model_free(&m);
    }
}

static void switch__from_another_thread_keeps_every_output(void **state)
{
    (void)state;
    try_all(ask_always, "thread");
}

static void switch__from_a_signal_handler_keeps_every_output(void **state)
{
    (void)state;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sigaction before;
    sigemptyset(&action.sa_mask);
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    try_all(signal_always, "signal");
    /* One may still be on its way. */
    action.sa_handler = SIG_IGN;
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(switch__from_another_thread_keeps_every_output),
        cmocka_unit_test(switch__from_a_signal_handler_keeps_every_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
