#include "flexrt/flx_share.h"

#include <stdlib.h>
#include <string.h>

#include "core/flx_core.h"
#include "support/rt_session.h"

enum { N = 2, GUARD = 256, PATTERN = 0x5c };

/* Two models, each with a store of its own, and one arena with a guard. */
struct pair {
    struct rt_model m[N];
    struct rt_session s[N];
    struct flx_share share[N];
    uint8_t *arena;
    uint32_t bytes;
};

/* Latencies by hand: that of plan p of model i. */
static void set_latency(struct pair *p, uint32_t i, uint32_t plan, uint32_t us)
{
    struct flx_plan_head *h =
        (struct flx_plan_head *)(void *)p->m[i].plan[plan];
    h->latency_us = us;
    rt_plan_seal(p->m[i].plan[plan]);
}

static uint32_t need(const struct pair *p, uint32_t i, uint32_t plan)
{
    return flx_arena_bytes(&p->m[i].model, plan);
}

static void start(struct pair *p, uint32_t bytes)
{
    memset(p, 0, sizeof *p);
    for (uint32_t i = 0; i < N; i++) {
        rt_model_build(&p->m[i],
                       &(struct rt_options){.align = i == 1 ? 512 : 0});
        rt_prepare(&p->s[i], &p->m[i], i == 0 ? RT_PORT_POLLED : RT_PORT_SYNC,
                   0);
        p->s[i].port.release = NULL;
        p->s[i].port.acquire = NULL;
        p->share[i] = (struct flx_share){
            .model = &p->m[i].model, .port = &p->s[i].port, .weight = 1};
        for (uint32_t plan = 0; plan < RT_N_PLAN; plan++) {
            set_latency(p, i, plan, plan == RT_RESIDENT ? 100 : 1000 + plan);
        }
    }
    p->bytes = bytes;
    void *block = NULL;
    assert_int_equal(posix_memalign(&block, 4096, bytes + GUARD), 0);
    p->arena = block;
    memset(p->arena + bytes, PATTERN, GUARD);
}

/* Runs both in turn, twice; nobody touches what lies above `used`. */
static void run_both(struct pair *p, uint32_t used)
{
    memset(p->arena + used, PATTERN, p->bytes - used);
    for (uint32_t seed = 0; seed < 4; seed++) {
        struct rt_session s = p->s[seed % N];
        s.rt = p->share[seed % N].rt;
        rt_put_input(&s, seed);
        assert_int_equal(flx_run(s.rt), FLX_OK);
        rt_check_output(&s, seed);
    }
    for (uint32_t i = used; i < p->bytes + GUARD; i++) {
        assert_int_equal(p->arena[i], PATTERN);
    }
}

static void end(struct pair *p)
{
    flx_share_close(p->share, N);
    for (uint32_t i = 0; i < N; i++) {
        assert_null(p->share[i].rt);
        rt_close(&p->s[i]);
        rt_model_free(&p->m[i]);
    }
    free(p->arena);
}

/* Every total from too little to more than enough, up and down again: within
 * it, the right outputs, and never a slower division when there is more. */
static void share__divides_every_total(void **state)
{
    (void)state;
    static struct pair p;
    start(&p, 40000);
    uint64_t last_us = UINT64_MAX;
    uint32_t n_division = 0;
    uint32_t n_refused = 0;
    for (uint32_t i = 0; i < 160; i++) {
        const uint32_t total = i < 80 ? 500 * (i + 1) : 500 * (160 - i);
        uint32_t used = 0;
        const enum flx_err err =
            flx_share_set(p.share, N, p.arena, total, &used);
        if (err != FLX_OK) {
            assert_int_equal(err, FLX_E_ARENA);
            n_refused++;
            continue;
        }
        assert_true(used <= total);
        uint64_t us = 0;
        for (uint32_t k = 0; k < N; k++) {
            us += flx_plan_head(p.m[k].plan[p.share[k].plan_id])->latency_us;
            struct flx_info info;
            flx_query(p.share[k].rt, &info);
            assert_int_equal(info.plan_id, p.share[k].plan_id);
        }
        assert_true(i == 80 || (i < 80 ? us <= last_us : us >= last_us));
        n_division += us != last_us;
        last_us = us;
        run_both(&p, used);
    }
    assert_true(n_refused > 0);
    assert_true(n_division >= 4); /* both small, one large, both large ... */
    end(&p);
}

/* With room for one resident plan, it goes to the model that runs more. */
static void share__follows_the_weights(void **state)
{
    (void)state;
    static struct pair p;
    start(&p, 40000);
    uint32_t used;
    for (uint32_t heavy = 0; heavy < N; heavy++) {
        p.share[heavy].weight = 5;
        p.share[1 - heavy].weight = 1;
        const uint32_t one =
            need(&p, heavy, RT_RESIDENT) + need(&p, 1 - heavy, RT_CASCADE) + 64;
        assert_int_equal(flx_share_set(p.share, N, p.arena, one, &used),
                         FLX_OK);
        assert_int_equal(p.share[heavy].plan_id, RT_RESIDENT);
        assert_int_not_equal(p.share[1 - heavy].plan_id, RT_RESIDENT);
        run_both(&p, used);
    }
    end(&p);
}

/* The first model shrinks in place: what stays resident is not read again. */
static void share__keeps_residents_of_what_shrinks_in_place(void **state)
{
    (void)state;
    static struct pair p;
    start(&p, 40000);
    uint32_t used;
    assert_int_equal(flx_share_set(p.share, N, p.arena, 40000, &used), FLX_OK);
    run_both(&p, used);
    struct flx *const before = p.share[0].rt;
    p.share[0].weight = 0;
    p.share[1].weight = 1;
    const uint32_t total =
        need(&p, 0, RT_CASCADE) + need(&p, 1, RT_RESIDENT) + 64;
    assert_int_equal(flx_share_set(p.share, N, p.arena, total, &used), FLX_OK);
    assert_ptr_equal(p.share[0].rt, before);
    struct flx_info info;
    flx_query(before, &info);
    assert_int_equal(info.n_switch, 1);
    run_both(&p, used);
    end(&p);
}

static void share__refuses_and_changes_nothing(void **state)
{
    (void)state;
    static struct pair p;
    start(&p, 40000);
    uint32_t used = 0;
    assert_int_equal(flx_share_set(p.share, 0, p.arena, 40000, &used),
                     FLX_E_ARG);
    assert_int_equal(flx_share_set(p.share, N, p.arena, 100, &used),
                     FLX_E_ARENA);
    assert_int_equal(flx_share_set(p.share, N, p.arena + 8, 39000, &used),
                     FLX_E_ARENA);
    assert_null(p.share[0].rt);
    assert_int_equal(flx_share_set(p.share, N, p.arena, 40000, &used), FLX_OK);
    assert_int_equal(flx_share_set(p.share, N, p.arena, 100, NULL),
                     FLX_E_ARENA);
    run_both(&p, used);
    end(&p);
}

/* A store that fails while the second is opened: all are closed, and the next
 * try works. */
static void share__closes_all_when_one_cannot_be_opened(void **state)
{
    (void)state;
    static struct pair p;
    start(&p, 40000);
    uint32_t used = 0;
    fault_store_arm(&p.s[1].store, FAULT_START, 0);
    assert_int_equal(flx_share_set(p.share, N, p.arena, 40000, &used),
                     FLX_E_STORAGE);
    assert_null(p.share[0].rt);
    assert_null(p.share[1].rt);
    p.s[1].store.fault = FAULT_NONE;
    assert_int_equal(flx_share_set(p.share, N, p.arena, 40000, &used), FLX_OK);
    run_both(&p, used);
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(share__divides_every_total),
        cmocka_unit_test(share__follows_the_weights),
        cmocka_unit_test(share__keeps_residents_of_what_shrinks_in_place),
        cmocka_unit_test(share__refuses_and_changes_nothing),
        cmocka_unit_test(share__closes_all_when_one_cannot_be_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
