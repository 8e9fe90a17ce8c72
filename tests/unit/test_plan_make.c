#include "support/plan_emulate.h"

#include <string.h>

#include "base/buf.h"
#include "base/size.h"
#include "ir/plan_rects.h"
#include "planner/plan_check.h"
#include "planner/planner.h"

static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static uint32_t below(uint32_t *seed, uint32_t n)
{
    return next_random(seed) % n;
}

static bool make(struct net *n, struct plan_set *s)
{
    n->f->cx.opt = &n->opt;
    return plan_make(&n->l, &n->c, &n->k, &n->d, &n->opt, &n->f->cx, s);
}

/* Plans, proven. */
static void make_sound(struct net *n, struct plan_set *s)
{
    if (!make(n, s) || !plan_check(&n->l, &n->c, &n->k, s, &n->f->cx)) {
        assert_no_diag(n->f);
    }
}

/* Two convolutions, by hand: input 16 x 256 bytes, between them 16 x 1024,
 * output 16 x 1024; weights of 2368 and 9280 bytes in one panel each. */
static void two_convs(struct net *n, struct fixture *f)
{
    net_start(n, f);
    uint32_t x = net_input(n, 16, 16, 4);
    x = net_conv(n, x, 16, 3, 1);
    x = net_conv(n, x, 16, 3, 1);
    net_output(n, x);
    net_finish(n, 64);
}

/* Least: a cascade of single rows holds the input (4096), 3 rows between
 * (3072), the output (16384) and one layer's weights at a time (9280). */
static void plan_make__finds_the_least_of_two_convolutions(void **state)
{
    static struct net n;
    struct plan_set s;
    two_convs(&n, *state);
    assert_int_equal(n.c.chunk[0].raw_bytes, 2368);
    assert_int_equal(n.c.chunk[1].raw_bytes, 9280);
    net_budget(&n, BUDGET_MIN, 0);
    make_sound(&n, &s);
    assert_int_equal(s.plan[0].peak,
                     n.c.state_bytes + 4096 + 3072 + 16384 + 9280);
    assert_int_equal(s.plan[0].budget, s.plan[0].peak);
}

/* Largest: all tensors and weights at once, each weight read once ever. */
static void plan_make__streams_nothing_at_max(void **state)
{
    static struct net n;
    struct plan_set s;
    two_convs(&n, *state);
    net_budget(&n, BUDGET_MAX, 0);
    make_sound(&n, &s);
    const struct plan *const p = &s.plan[0];
    assert_int_equal(p->streamed_bytes, 0);
    assert_int_equal(p->read_bytes, 2368 + 9280);
    assert_int_equal(p->n_box, 2);
    /* conv1's memory is not needed with the output's: input + between +
     * output, of which the input and the output live while idle. */
    assert_int_equal(p->peak,
                     n.c.state_bytes + n.c.resident_max + 4096 + 16384 + 16384);
    assert_int_equal(p->latency_ns,
                     cand_box_ns(&n.k.cand[0], &n.l.layer[0], &n.c.lattice[0],
                                 16, 1, UINT64_MAX) +
                         cand_box_ns(&n.k.cand[1], &n.l.layer[1],
                                     &n.c.lattice[1], 16, 1, UINT64_MAX));
    assert_int_equal(p->bound_ns, p->latency_ns);
}

/* With memory to spare, too, rows are read again while the cache has them. */
static void plan_make__keeps_rows_in_the_cache_at_max(void **state)
{
    static struct net n;
    struct plan_set s;
    net_start(&n, *state);
    uint32_t x = net_input(&n, 112, 112, 32);
    x = net_conv(&n, x, 96, 1, 1); /* 4.8 MB */
    x = net_conv(&n, x, 96, 3, 1);
    x = net_conv(&n, x, 24, 1, 1);
    net_output(&n, x);
    net_finish(&n, 4096);
    net_budget(&n, BUDGET_MAX, 0);
    make_sound(&n, &s);
    const uint64_t peak = s.plan[0].peak;
    assert_int_equal(s.plan[0].n_step, n.l.n_layer);
    n.d.cache_bytes = 2 << 20;
    make_sound(&n, &s);
    assert_true(s.plan[0].n_step > n.l.n_layer);
    assert_true(s.plan[0].peak < peak - 4000000);
    assert_int_equal(s.plan[0].streamed_bytes, 0);
    n.d.cache_bytes = 64 << 10; /* less than any rows */
    make_sound(&n, &s);
    assert_int_equal(s.plan[0].n_step, n.l.n_layer);
}

static void plan_make__refuses_less_than_the_least(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    struct plan_set s = {0};
    const uint64_t least = 2368 + 4096 + 3072 + 16384 + 9280;
    two_convs(&n, f);
    net_budget(&n, BUDGET_MAX, 0);
    net_budget(&n, BUDGET_BYTES, n.c.state_bytes + least - 2368 - 1);
    assert_false(make(&n, &s));
    assert_diag(f, E_BUDGET, "y1");
    assert_int_equal(f->diag.least_bytes, n.c.state_bytes + least - 2368);
    assert_null(s.plan);
    diag_init(&f->diag);
    n.budget[1].bytes = n.c.state_bytes + least - 2368;
    make_sound(&n, &s);
    assert_true(s.plan[1].peak <= n.budget[1].bytes);
}

/* Prints plans, for comparison. */
static const char *text_of(struct fixture *f, const struct plan_set *s)
{
    struct buf b;
    buf_init(&b, &f->keep);
    for (uint32_t i = 0; i < s->n_plan; i++) {
        assert_true(plan_print(&s->plan[i], &b));
    }
    return buf_text(&b);
}

static void plan_make__gives_the_same_plans_again(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    struct plan_set a;
    struct plan_set b;
    net_start(&n, f);
    net_mobilenetv2(&n, 4);
    net_finish(&n, 4096);
    net_budget(&n, BUDGET_MIN, 0);
    net_budget(&n, BUDGET_BYTES, 6000000);
    net_budget(&n, BUDGET_MAX, 0);
    make_sound(&n, &a);
    make_sound(&n, &b);
    assert_string_equal(text_of(f, &a), text_of(f, &b));
}

/* The least budgets of real shapes stay small. */
static void plan_make__needs_little_for_known_networks(void **state)
{
    static const uint32_t k_resnet50[4] = {3, 4, 6, 3};
    struct fixture *f = *state;
    static struct net n;
    struct plan_set s;
    net_start(&n, f);
    n.chunk_goal = 128 << 10;
    net_mobilenetv2(&n, 1);
    net_finish(&n, 4096);
    net_budget(&n, BUDGET_MIN, 0);
    make_sound(&n, &s);
    assert_true(s.plan[0].peak < 1200000);

    net_start(&n, f);
    n.chunk_goal = 128 << 10;
    net_vgg19(&n, 1);
    net_finish(&n, 4096);
    net_budget(&n, BUDGET_MIN, 0);
    make_sound(&n, &s);
    assert_true(s.plan[0].peak < 6000000);

    net_start(&n, f);
    n.chunk_goal = 128 << 10;
    net_resnet(&n, 1, k_resnet50);
    net_finish(&n, 4096);
    net_budget(&n, BUDGET_MIN, 0);
    make_sound(&n, &s);
    assert_true(s.plan[0].peak < 4500000);
}

/* No placement has a lower peak than the most bytes that live at once. */
static void plan_make__packs_known_networks_tightly(void **state)
{
    static const uint32_t k_resnet152[4] = {3, 8, 36, 3};
    struct fixture *f = *state;
    static struct net n;
    for (uint32_t i = 0; i < 3; i++) {
        struct plan_set s;
        net_start(&n, f);
        n.chunk_goal = 128 << 10;
        switch (i) {
        case 0:
            net_vgg19(&n, 1);
            break;
        case 1:
            net_resnet(&n, 1, k_resnet152);
            break;
        default:
            net_mobilenetv2(&n, 1);
            break;
        }
        net_finish(&n, 4096);
        net_budget(&n, BUDGET_MIN, 0);
        net_budget(&n, BUDGET_MAX, 0);
        make_sound(&n, &s);
        for (uint32_t k = 0; k < s.n_plan; k++) {
            struct plan_run run;
            struct plan_rects r;
            assert_true(plan_unroll(&n.l, &n.c, &s.plan[k], &f->keep, &run) &&
                        plan_rects(&n.l, &n.c, &n.k, &s.plan[k], &run,
                                   UINT32_MAX, &f->cx, &r));
            assert_true(s.plan[k].peak <= r.most_live_bytes / 100 * 102);
        }
    }
}

static void plan_make__is_never_slower_with_more(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    struct plan_set s;
    net_start(&n, f);
    n.d.read_bytes_per_ms = 100000;
    net_mobilenetv2(&n, 2);
    net_finish(&n, 4096);
    net_budget(&n, BUDGET_MAX, 0);
    for (uint32_t i = 1; i < NET_MAX_BUDGET - 1; i++) {
        /* not in order, on purpose */
        net_budget(&n, BUDGET_BYTES, 2000000 + (i * 7 % 14) * 1000000ull);
    }
    net_budget(&n, BUDGET_MIN, 0);
    make_sound(&n, &s);
    for (uint32_t i = 0; i < s.n_plan; i++) {
        for (uint32_t k = 0; k < s.n_plan; k++) {
            if (s.plan[i].budget <= s.plan[k].budget) {
                assert_true(s.plan[i].latency_ns >= s.plan[k].latency_ns);
            }
        }
        assert_true(s.plan[i].peak <= s.plan[i].budget);
        assert_true(s.plan[i].bound_ns <= s.plan[i].latency_ns);
    }
}

/* One second of convolution, then a product whose weights come at 1 MB/s: what
 * of them does not fit the arena meanwhile, at least, is waited for. */
static void plan_make__proves_what_cannot_be_loaded_ahead(void **state)
{
    enum { BUDGET = 300000 };
    static struct net n;
    struct plan_set s;
    net_start(&n, *state);
    n.d.read_bytes_per_ms = 1000;
    n.d.read_latency_ns = 0;
    n.chunk_goal = 64 << 10;
    uint32_t x = net_input(&n, 8, 8, 4);
    x = net_conv(&n, x, 16, 3, 1);
    x = net_dense(&n, x, 320);
    net_output(&n, x);
    net_finish(&n, 64);
    n.k.cand[0].all_ns = 1000000000;
    net_budget(&n, BUDGET_BYTES, BUDGET);
    make_sound(&n, &s);
    const struct lattice *const t = &n.c.lattice[1];
    const uint64_t bytes = t->n_panel * t->panel_bytes[0];
    assert_int_equal(t->n_kblock, 1);
    assert_true(bytes > 3 * BYTES(BUDGET));
    const uint64_t least_ns = 1000000000 + (bytes - BUDGET) * 1000;
    assert_true(s.plan[0].bound_ns >= least_ns);
    assert_true(s.plan[0].latency_ns < least_ns / 100 * 105);
}

/* The gap at FlexNN's budgets [flexnn 6] and 1 GB/s. */
static void plan_make__is_near_its_bound_for_known_networks(void **state)
{
    static const uint32_t k_resnet152[4] = {3, 8, 36, 3};
    struct fixture *f = *state;
    static struct net n;
    for (uint32_t i = 0; i < 2; i++) {
        struct plan_set s;
        net_start(&n, f);
        n.chunk_goal = 128 << 10;
        n.d.read_bytes_per_ms = 1000000;
        if (i == 0) {
            net_vgg19(&n, 1);
        } else {
            net_resnet(&n, 1, k_resnet152);
        }
        net_finish(&n, 4096);
        net_budget(&n, BUDGET_BYTES, i == 0 ? 60000000 : 35000000);
        make_sound(&n, &s);
        assert_true(s.plan[0].latency_ns <= s.plan[0].bound_ns / 100 * 105);
    }
}

static void plan_make__leaves_mapped_weights_in_place(void **state)
{
    static struct net n;
    struct plan_set s;
    net_start(&n, *state);
    n.d.storage = STORAGE_MAPPED;
    n.k_limit = 8192;
    net_mobilenetv2(&n, 4);
    net_finish(&n, 64);
    net_budget(&n, BUDGET_MIN, 0);
    net_budget(&n, BUDGET_MAX, 0);
    make_sound(&n, &s);
    uint32_t n_loop = 0;
    for (uint32_t i = 0; i < s.n_plan; i++) {
        const struct plan *const p = &s.plan[i];
        assert_int_equal(p->n_load, 0);
        assert_int_equal(p->resident_bytes, 0);
        for (uint32_t k = 0; k < p->n_box; k++) {
            const struct plan_box *const b = &p->box[k];
            n_loop += b->op == PLAN_LOOP;
            assert_int_equal(b->mapped, b->op == PLAN_BOX &&
                                            n.c.lattice[b->layer].n_chunk > 0);
        }
    }
    assert_true(n_loop > 0);
    assert_true(s.plan[0].peak < s.plan[1].peak);
}

static void plan_make__counts_the_scratch_of_all_threads(void **state)
{
    static struct net n;
    struct plan_set s;
    two_convs(&n, *state);
    net_budget(&n, BUDGET_MAX, 0);
    make_sound(&n, &s);
    const uint64_t without = s.plan[0].peak;
    for (uint32_t y = 0; y < n.l.n_layer; y++) {
        n.k.cand[y].scratch_bytes = 128000;
    }
    n.k.n_thread = 3;
    n.opt.n_thread = 3;
    make_sound(&n, &s);
    assert_int_equal(s.plan[0].n_thread, 3);
    /* The first layer's may lie where the output will be. */
    assert_true(s.plan[0].peak >= without - 16384 + 3 * BYTES(128000));
    assert_true(s.plan[0].peak <= without + 3 * BYTES(128000));
}

static void plan_make__cuts_long_steps(void **state)
{
    static struct net n;
    struct plan_set s;
    net_start(&n, *state);
    uint32_t x = net_input(&n, 32, 32, 16);
    x = net_conv(&n, x, 64, 3, 1); /* cut by panels */
    x = net_conv(&n, x, 16, 3, 1); /* one panel: cut by rows */
    net_output(&n, x);
    net_finish(&n, 64);
    net_budget(&n, BUDGET_MAX, 0);
    make_sound(&n, &s);
    const uint64_t before = s.plan[0].longest_step_ns;
    n.opt.max_step_us = 40;
    assert_true(before > n.opt.max_step_us * 1000);
    make_sound(&n, &s);
    const uint64_t usual = s.plan[0].longest_step_ns;
    assert_true(usual <= n.opt.max_step_us * 1000);
    /* With the profile's margin, too. */
    n.d.margin_percent = 60;
    make_sound(&n, &s);
    assert_true(s.plan[0].longest_step_ns < usual);
    assert_true(device_bound_ns(&n.d, s.plan[0].longest_step_ns) <=
                n.opt.max_step_us * 1000);
}

/* Plans of two budgets can be switched at least where layers begin that both
 * run on their own: a chain has one live tensor there. */
static void plan_make__shares_boundaries_among_budgets(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    struct plan_set s;
    uint32_t n_common = 0;
    net_start(&n, f);
    uint32_t x = net_input(&n, 16, 16, 16);
    for (uint32_t i = 0; i < 6; i++) {
        x = net_conv(&n, x, 32, 3, 1);
    }
    net_output(&n, x);
    net_finish(&n, 64);
    net_budget(&n, BUDGET_MAX, 0);
    net_budget(&n, BUDGET_BYTES, 150000);
    make_sound(&n, &s);
    assert_true(s.plan[1].streamed_bytes > 0);
    for (uint32_t i = 0; i < s.plan[0].n_boundary; i++) {
        for (uint32_t k = 0; k < s.plan[1].n_boundary; k++) {
            n_common += s.plan[0].boundary[i].id == s.plan[1].boundary[k].id;
        }
    }
    assert_int_equal(n_common, 6);
}

/* ---- at random ---- */

static uint32_t random_layer(struct net *n, uint32_t x, uint32_t *seed)
{
    const struct net_buf s = n->shape[x];
    n->grid = 1 + below(seed, 3) / 2 * (1 + below(seed, 3));
    n->rows_cut = below(seed, 8) != 0;
    n->panels_cut = below(seed, 6) != 0;
    n->scratch = below(seed, 3) * BYTES(64);
    switch (below(seed, s.h >= 6 ? 7 : 4)) {
    case 0:
        return net_conv(n, x, 8 + 8 * below(seed, 6), 3, 1);
    case 1:
        return net_conv(n, x, 8 + 8 * below(seed, 6), 1, 1);
    case 2: {
        const uint32_t y = net_conv(n, x, s.c, 3, 1);
        return net_add(n, y, x);
    }
    case 3:
        return net_fork(n, x, 16);
    case 4:
        return net_pool(n, x, 2, 2);
    case 5:
        return net_conv(n, x, 16, 3, 2);
    default:
        return s.h <= 12 ? net_upsample(n, x) : net_window(n, x, s.c, 5, 1, 1);
    }
}

static void random_net(struct net *n, struct fixture *f, uint32_t *seed)
{
    net_start(n, f);
    n->chunk_goal = 1024u << below(seed, 4);
    n->k_limit = 4096u << below(seed, 3);
    n->d.read_latency_ns = BYTES(1000) * below(seed, 5);
    n->d.read_bytes_per_ms = 1000u << below(seed, 12);
    n->d.loader_shares_core = below(seed, 5) == 0;
    n->k.n_thread = 1 + below(seed, 2);
    uint32_t x = net_input(n, 8 + below(seed, 10), 4 + below(seed, 6),
                           1 + below(seed, 8));
    const uint32_t layers = 1 + below(seed, 9);
    for (uint32_t i = 0; i < layers; i++) {
        x = random_layer(n, x, seed);
        if (below(seed, 12) == 0) {
            net_output(n, x); /* one that is also read on */
        }
    }
    if (below(seed, 2) == 0) {
        x = net_dense(n, x, 1 + below(seed, 40));
    }
    net_output(n, x);
    net_finish(n, 64u << below(seed, 3));
}

static void plan_make__makes_sound_plans_of_random_networks(void **state)
{
    enum { NETS = 120 };
    struct fixture *f = *state;
    static struct net n;
    uint32_t n_loop = 0;
    uint32_t n_load_loop = 0;
    uint32_t n_tail = 0;
    for (uint32_t i = 0; i < NETS; i++) {
        uint32_t seed = i * 77 + 5;
        struct plan_set s;
        fixture_restart(f, ARENA_NO_FAULT);
        random_net(&n, f, &seed);
        net_budget(&n, BUDGET_MIN, 0);
        net_budget(&n, BUDGET_MAX, 0);
        make_sound(&n, &s);
        const uint64_t lo = s.plan[0].budget;
        const uint64_t hi = size_max(lo, s.plan[1].peak);
        net_budget(&n, BUDGET_BYTES, lo + (hi - lo) / 8);
        net_budget(&n, BUDGET_BYTES, lo + (hi - lo) / 3);
        net_budget(&n, BUDGET_BYTES, lo + (hi - lo) * 3 / 4);
        make_sound(&n, &s);
        for (uint32_t k = 0; k < s.n_plan; k++) {
            const struct plan *const p = &s.plan[k];
            const char *why = NULL;
            if (!plan_emulate(&n, p, EMULATE_EAGER, &why) ||
                !plan_emulate(&n, p, EMULATE_LAZY, &why)) {
                print_error("net %u, plan %u: %s\n", i, k, why);
                assert_true(false);
            }
            assert_true(p->peak <= p->budget);
            assert_true(p->latency_ns >= p->bound_ns);
            assert_true(p->latency_ns <= s.plan[0].latency_ns);
            assert_true(p->latency_ns >= s.plan[1].latency_ns);
            for (uint32_t b = 0; b < p->n_box; b++) {
                n_loop += p->box[b].op == PLAN_LOOP;
            }
            for (uint32_t b = 0; b < p->n_load; b++) {
                n_load_loop += p->load[b].op == PLAN_LOOP;
                n_tail += p->load[b].op == PLAN_LOAD && p->load[b].wait < 0;
            }
        }
    }
    /* The nets are worth it. */
    assert_true(n_loop > 50 && n_load_loop > 5 && n_tail > 50);
}

/* The k-th request for memory fails, for every k: E_MEMORY, nothing else. */
static void plan_make__reports_lack_of_memory(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    bool done = false;
    for (uint64_t k = 0; !done; k++) {
        struct plan_set s = {0};
        uint32_t seed = 3;
        fixture_restart(f, ARENA_NO_FAULT);
        random_net(&n, f, &seed);
        net_budget(&n, BUDGET_MIN, 0);
        net_budget(&n, BUDGET_BYTES, 60000);
        f->fault.n_requests = 0;
        f->fault.fail_at = k;
        done = make(&n, &s) && plan_check(&n.l, &n.c, &n.k, &s, &f->cx);
        if (!done) {
            assert_true(fixture_failed(f));
            assert_diag(f, E_MEMORY, "");
        }
        assert_true(k < 10000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(plan_make__finds_the_least_of_two_convolutions),
        FIXTURE_TEST(plan_make__streams_nothing_at_max),
        FIXTURE_TEST(plan_make__keeps_rows_in_the_cache_at_max),
        FIXTURE_TEST(plan_make__refuses_less_than_the_least),
        FIXTURE_TEST(plan_make__gives_the_same_plans_again),
        FIXTURE_TEST(plan_make__needs_little_for_known_networks),
        FIXTURE_TEST(plan_make__packs_known_networks_tightly),
        FIXTURE_TEST(plan_make__is_never_slower_with_more),
        FIXTURE_TEST(plan_make__proves_what_cannot_be_loaded_ahead),
        FIXTURE_TEST(plan_make__is_near_its_bound_for_known_networks),
        FIXTURE_TEST(plan_make__leaves_mapped_weights_in_place),
        FIXTURE_TEST(plan_make__counts_the_scratch_of_all_threads),
        FIXTURE_TEST(plan_make__cuts_long_steps),
        FIXTURE_TEST(plan_make__shares_boundaries_among_budgets),
        FIXTURE_TEST(plan_make__makes_sound_plans_of_random_networks),
        FIXTURE_TEST(plan_make__reports_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
