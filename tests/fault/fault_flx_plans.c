/* Every bit of every plan word is flipped: the plan is refused, or runs, and
 * switches, without touching a byte outside the arena (which ASan and the
 * guards see) and without getting stuck. Also words of other kinds of value. */
#include "support/rt_session.h"

#include <string.h>

#include "core/flx_core.h"

/* Opens the changed plan in exactly its peak; two runs, and a switch to the
 * other plan and back in their midst. True when the plan was accepted. */
static bool try_plan(const struct rt_model *m, uint32_t changed)
{
    if (flx_check_plan(&m->model, m->plan[changed]) != FLX_OK) {
        return false;
    }
    const uint32_t other = changed == RT_CASCADE ? RT_STRIPES : RT_CASCADE;
    const uint32_t a = flx_arena_bytes(&m->model, changed);
    const uint32_t b = flx_arena_bytes(&m->model, other);
    if (a > 1u << 20) {
        return true; /* larger than any test machine must have */
    }
    struct rt_session s;
    rt_open(&s, m, RT_PORT_POLLED, changed, a > b ? a : b);
    for (uint32_t run = 0; run < 3; run++) {
        rt_put_input(&s, run);
        (void)flx_step(s.rt);
        (void)flx_switch_plan(s.rt, run % 2 == 0 ? other : changed);
        /* A box may write over what is being read. */
        const enum flx_err err = flx_run(s.rt);
        assert_true(err == FLX_OK || err == FLX_E_CHECKSUM);
        rt_check_guards(&s);
    }
    rt_close(&s);
    return true;
}

static void plans__with_any_bit_flipped_are_refused_or_harmless(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    uint32_t n_accepted = 0;
    uint32_t n_refused = 0;
    for (uint32_t p = 0; p < RT_N_PLAN; p++) {
        uint32_t *plan = m.plan[p];
        const uint32_t n = flx_plan_head(plan)->n_words;
        for (uint32_t i = 0; i < n; i++) {
            const uint32_t old = plan[i];
            for (uint32_t bit = 0; bit < 32; bit++) {
                plan[i] = old ^ 1u << bit;
                /* Not a length that is longer than the array: who reads a
                 * file knows its size. */
                if (i == 2 && plan[i] > n) {
                    continue;
                }
                rt_plan_seal(plan);
                if (try_plan(&m, p)) {
                    n_accepted++;
                } else {
                    n_refused++;
                }
            }
            plan[i] = old;
        }
        rt_plan_seal(plan);
    }
    print_message("%u refused, %u harmless\n", n_refused, n_accepted);
    assert_true(n_refused > n_accepted);
    assert_true(n_accepted > 100); /* reports, ids, rings, rows ... */
    rt_model_free(&m);
}

static void
plans__with_any_bit_flipped_do_not_match_their_checksum(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    uint32_t *plan = m.plan[RT_STRIPES];
    const uint32_t n = flx_plan_head(plan)->n_words;
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t bit = 0; bit < 32; bit++) {
            plan[i] ^= 1u << bit;
            if (i != 2 || plan[i] <= n) {
                assert_int_equal(flx_check_plan(&m.model, plan), FLX_E_PLAN);
            }
            plan[i] ^= 1u << bit;
        }
    }
    assert_int_equal(flx_check_plan(&m.model, plan), FLX_OK);
    rt_model_free(&m);
}

/* Each word takes the value of each other: lengths become offsets, opcodes
 * become addresses. */
static void plans__with_words_exchanged_are_refused_or_harmless(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    uint32_t *plan = m.plan[RT_STRIPES];
    const uint32_t n = flx_plan_head(plan)->n_words;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t old = plan[i];
        for (uint32_t k = 0; k < n; k++) {
            if (i == 2 && plan[k] > n) {
                continue;
            }
            plan[i] = plan[k];
            rt_plan_seal(plan);
            (void)try_plan(&m, RT_STRIPES);
            plan[i] = old;
        }
    }
    rt_model_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plans__with_any_bit_flipped_are_refused_or_harmless),
        cmocka_unit_test(
            plans__with_any_bit_flipped_do_not_match_their_checksum),
        cmocka_unit_test(plans__with_words_exchanged_are_refused_or_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
