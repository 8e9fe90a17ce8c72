#include "support/layers_build.h"

#include <string.h>

#include "base/buf.h"
#include "planner/planner.h"

/* A plan with loops in both streams, residents and rolling buffers. */
static const struct plan *some_plan(struct fixture *f, struct net *n)
{
    static const struct budget k_min = {BUDGET_MIN, 0, "min"};
    struct plan_set s;
    net_start(n, f);
    n->chunk_goal = 4096;
    uint32_t x = net_input(n, 24, 20, 3);
    x = net_conv(n, x, 16, 3, 1);
    x = net_conv(n, x, 32, 3, 1);
    x = net_conv(n, x, 16, 3, 1);
    net_output(n, x);
    net_finish(n, 64);
    n->opt.budget = &k_min;
    n->opt.n_budget = 1;
    assert_true(plan_make(&n->l, &n->c, &n->k, &n->d, &n->opt, &f->cx, &s));
    return s.plan;
}

static const char *print(struct fixture *f, const struct plan *p)
{
    struct buf b;
    buf_init(&b, &f->keep);
    assert_true(plan_print(p, &b));
    return buf_text(&b);
}

static void plan_text__parses_what_it_prints(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    const struct plan *const p = some_plan(f, &n);
    const char *const text = print(f, p);
    struct plan q;
    assert_non_null(strstr(text, "\nloop "));
    assert_true(plan_parse(span_of_str(text), &f->cx, &q));
    assert_string_equal(print(f, &q), text);
    assert_string_equal(q.budget_text, "min");
    assert_int_equal(q.n_box, p->n_box);
    assert_int_equal(q.n_load, p->n_load);
    assert_int_equal(q.box[0].n_iter, p->box[0].n_iter);
    assert_memory_equal(q.scratch, p->scratch, p->n_layer * sizeof *p->scratch);
}

static void plan_text__parses_loads_that_pick(void **state)
{
    struct fixture *f = *state;
    static struct net n;
    struct plan p = *some_plan(f, &n);
    struct plan_load pick = {.op = PLAN_LOAD,
                             .picks = true,
                             .layer = 3,
                             .chunk0 = 7,
                             .n_chunk = 1,
                             .addr = 8192,
                             .wait = 5,
                             .wait_step = 1};
    p.load = &pick;
    p.n_load = 1;
    const char *const text = print(f, &p);
    struct plan q;
    assert_non_null(strstr(text, "\npick-load 3 7 8192 5 1\n"));
    assert_true(plan_parse(span_of_str(text), &f->cx, &q));
    assert_true(q.load[0].picks);
    assert_int_equal(q.load[0].n_chunk, 1);
    assert_string_equal(print(f, &q), text);
}

/* A plan by hand, each kind of line once. */
static const char by_hand[] = "plan 1\n"
                              "budget 50000000 50M\n"
                              "peak 49000000\n"
                              "state 4096\n"
                              "resident 64\n"
                              "streamed 128\n"
                              "read 192\n"
                              "threads 2\n"
                              "in-flight 4\n"
                              "latency-ns 1000\n"
                              "bound-ns 900\n"
                              "longest-step-ns 300\n"
                              "peak-layer 1\n"
                              "steps 5\n"
                              "executed-loads 3\n"
                              "buffers 1 # address ring\n"
                              "4096 7\n"
                              "scratch 2\n"
                              "8192 64\n"
                              "0 0\n"
                              "boxes 4\n"
                              "mapped-box 0 1 2 3 4 5\n"
                              "loop 4 1\n"
                              "  rows 1 0 1 0 64 -2 3 4 -5 # a comment\n"
                              "end\n"
                              "\n"
                              "loads 1\n"
                              "resident-load 9 8 7 -6 5\n"
                              "boundaries 1\n"
                              "1 2 3 4 5 6 7 8 9\n"
                              "end-of-plan\n";

static void plan_text__reads_each_field(void **state)
{
    struct fixture *f = *state;
    struct plan p;
    assert_true(plan_parse(span_of_str(by_hand), &f->cx, &p));
    assert_int_equal(p.budget, 50000000);
    assert_int_equal(p.peak, 49000000);
    assert_int_equal(p.n_thread, 2);
    assert_int_equal(p.in_flight, 4);
    assert_int_equal(p.peak_layer, 1);
    assert_int_equal(p.n_load_run, 3);
    assert_int_equal(p.buf[0].ring, 7);
    assert_int_equal(p.scratch[0].addr, 8192);
    assert_int_equal(p.scratch[0].bytes, 64);
    assert_true(p.box[0].mapped && !p.box[0].by_row);
    assert_int_equal(p.box[0].kblock, 3);
    assert_int_equal(p.box[1].op, PLAN_LOOP);
    assert_int_equal(p.box[1].body, 1);
    assert_true(p.box[2].by_row && !p.box[2].mapped);
    assert_int_equal(p.box[2].wait, -2);
    assert_int_equal(p.box[2].row_b, -5);
    assert_int_equal(p.box[3].op, PLAN_END);
    assert_true(p.load[0].resident);
    assert_int_equal(p.load[0].wait, -6);
    assert_int_equal(p.boundary[0].load_iter, 9);
}

/* Every line taken out, doubled or spoilt in its first or last word. */
static void plan_text__refuses_any_spoilt_line(void **state)
{
    struct fixture *f = *state;
    uint32_t n_line = 0;
    for (const char *c = by_hand; *c; c++) {
        n_line += *c == '\n';
    }
    for (uint32_t ix = 0; ix < n_line; ix++) {
        for (uint32_t how = 0; how < 4; how++) {
            struct buf b;
            struct span rest = span_of_str(by_hand);
            struct span line = {0};
            struct plan p = {.n_box = 77};
            bool is_empty = false;
            fixture_restart(f, ARENA_NO_FAULT);
            buf_init(&b, &f->keep);
            for (uint32_t i = 0; span_line(&rest, &line); i++) {
                is_empty = is_empty || (i == ix && line.len == 0);
                if (i == ix) {
                    buf_str(&b, how == 1 ? "-" : "");
                    buf_span(&b, how == 0 ? (struct span){0} : line);
                    buf_str(&b, how == 2 ? " 1 1 1 1 1 1 1 1 1 1 1" : "");
                    buf_str(&b, how == 3 ? "\nloop 1\n" : "");
                } else {
                    buf_span(&b, line);
                }
                buf_char(&b, '\n');
            }
            /* A comment's tail or an empty line may be anything. */
            const char *const text = buf_text(&b);
            const bool ok = plan_parse(span_of_str(text), &f->cx, &p);
            const bool harmless =
                (is_empty && how == 0) ||
                (how == 2 && strstr(text, "# a") && (ix == 15 || ix == 23));
            if (ok != harmless) {
                print_error("line %u, spoilt %u:\n%s\n", ix, how, text);
            }
            assert_int_equal(ok, harmless);
            if (!ok) {
                assert_diag(f, E_TEXT, "");
                assert_int_equal(p.n_box, 77);
            }
        }
    }
}

static void plan_text__refuses_every_cut(void **state)
{
    struct fixture *f = *state;
    for (uint64_t len = 0; len + 1 < sizeof by_hand - 1; len++) {
        struct plan p;
        fixture_restart(f, ARENA_NO_FAULT);
        const struct span text = {(const uint8_t *)by_hand, len};
        assert_false(plan_parse(text, &f->cx, &p));
        assert_diag(f, E_TEXT, "");
    }
}

/* A count that no text could follow is refused before memory is asked for. */
static void plan_text__refuses_huge_counts(void **state)
{
    struct fixture *f = *state;
    struct plan p;
    struct buf b;
    buf_init(&b, &f->keep);
    buf_span(&b,
             (struct span){(const uint8_t *)by_hand,
                           (uint64_t)(strstr(by_hand, "buffers") - by_hand)});
    buf_str(&b, "buffers 4000000000\n1 1\n");
    assert_false(plan_parse(buf_bytes(&b), &f->cx, &p));
    assert_diag(f, E_TEXT, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(plan_text__parses_what_it_prints),
        FIXTURE_TEST(plan_text__parses_loads_that_pick),
        FIXTURE_TEST(plan_text__reads_each_field),
        FIXTURE_TEST(plan_text__refuses_any_spoilt_line),
        FIXTURE_TEST(plan_text__refuses_every_cut),
        FIXTURE_TEST(plan_text__refuses_huge_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
