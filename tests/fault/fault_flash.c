/* The polled flash of a bare device does not answer in time, or is reset and
 * reads as erased, in the k-th read, for k = 0, 1, 2 ... until all runs
 * succeed: the run ends with the documented error, nothing is stuck, no output
 * is wrong, and the next run is right. */
#include "support/rt_session.h"

#include <stdlib.h>
#include <string.h>

#include "ports/baremetal/flash_polled.h"

enum { N_RUN = 3, MAX_IDLE = 50 };
enum how { TIMES_OUT, IS_RESET, STALLS, N_HOW };

/* A device with a ready register, which goes wrong in read `k`. */
struct device {
    struct flx_flash flash;
    volatile uint32_t ready;
    const uint32_t *blob;
    const uint32_t *erased;
    enum how how;
    uint64_t k;
    uint64_t n_read;
    uint32_t n_late; /* looks until a stalled device is ready */
};

static enum flx_err start_read(void *ctx, uint32_t off, void *dst, uint32_t len)
{
    struct device *d = ctx;
    const bool is_wrong = d->n_read++ == d->k;
    d->ready = !is_wrong || d->how == IS_RESET;
    d->n_late = is_wrong && d->how == STALLS ? 5 : 0;
    d->flash.device = is_wrong && d->how == IS_RESET ? d->erased : d->blob;
    return flx_flash_start(&d->flash, off, dst, len);
}

static enum flx_err finish_read(void *ctx, int wait, uint32_t *n_in)
{
    struct device *d = ctx;
    if (d->n_late > 0 && --d->n_late == 0) {
        d->ready = 1;
    }
    return flx_flash_finish(&d->flash, wait && d->n_late == 0, n_in);
}

static void open_device(struct device *d, const struct rt_model *m,
                        enum how how, uint64_t k)
{
    const uint32_t bytes = (m->model.blob_bytes + 3) / 4 * 4;
    uint32_t *const blob = calloc(1, bytes);
    uint32_t *const erased = malloc(bytes);
    assert_non_null(blob);
    assert_non_null(erased);
    memcpy(blob, m->blob, m->model.blob_bytes);
    memset(erased, 0xff, bytes);
    *d = (struct device){.blob = blob, .erased = erased, .how = how, .k = k};
    d->ready = 1;
    d->flash = (struct flx_flash){.device = blob,
                                  .bytes = bytes,
                                  .burst_words = 10,
                                  .ready = &d->ready,
                                  .max_idle = MAX_IDLE};
}

/* A few runs; false when there was no k-th read. */
static bool try_runs(const struct rt_model *m, uint32_t plan, enum how how,
                     uint64_t k)
{
    struct rt_session s;
    struct device d;
    open_device(&d, m, how, k);
    rt_prepare(&s, m, RT_PORT_SYNC, 0);
    const struct flx_port port = {
        .ctx = &d, .start_read = start_read, .finish_read = finish_read};
    enum flx_err err = flx_open(&m->model, &port, s.arena,
                                flx_arena_bytes(&m->model, plan), plan, &s.rt);
    uint32_t n_error = 0;
    if (err != FLX_OK) {
        assert_int_equal(err, how == TIMES_OUT ? FLX_E_STORAGE : FLX_E_BLOB);
        assert_int_equal(k, 0);
        n_error++;
        assert_int_equal(flx_open(&m->model, &port, s.arena,
                                  flx_arena_bytes(&m->model, plan), plan,
                                  &s.rt),
                         FLX_OK);
    }
    for (uint32_t run = 0; run < N_RUN; run++) {
        rt_put_input(&s, run);
        err = flx_run(s.rt);
        if (err == FLX_OK) {
            rt_check_output(&s, run);
        } else {
            assert_int_equal(err,
                             how == TIMES_OUT ? FLX_E_STORAGE : FLX_E_CHECKSUM);
            n_error++;
        }
    }
    flx_set_trace(s.rt, NULL, NULL); /* loads ahead end, maybe wrongly */
    const bool happened = d.n_read > k;
    d.k = UINT64_MAX;
    /* A fault in the last run's tail is the next one's. */
    n_error += flx_run(s.rt) != FLX_OK;
    rt_run_once(&s, 9);
    assert_int_equal(n_error, happened && how != STALLS);
    flx_close(s.rt);
    s.rt = NULL;
    rt_close(&s);
    free((void *)(uintptr_t)d.blob);
    free((void *)(uintptr_t)d.erased);
    return happened;
}

static void flash__that_fails_ends_the_run_and_nothing_else(void **state)
{
    (void)state;
    static const char *const k_name[] = {"time-outs", "resets", "stalls"};
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    for (uint32_t how = 0; how < N_HOW; how++) {
        uint64_t n = 0;
        for (uint32_t plan = 0; plan < RT_N_PLAN; plan++) {
            uint64_t k = 0;
            while (try_runs(&m, plan, (enum how)how, k)) {
                k++;
            }
            assert_true(k > rt_plan_loads(&m, plan, true));
            n += k;
        }
        print_message("faults: flash %s %llu\n", k_name[how],
                      (unsigned long long)n);
    }
    rt_model_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flash__that_fails_ends_the_run_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
