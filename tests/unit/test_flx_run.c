#include "support/rt_session.h"

#include <string.h>

static const struct rt_options k_options[] = {
    {.n_thread = 3},
    {.n_thread = 3, .align = 4096},
    {.n_thread = 3, .compress = true},
};
enum { N_OPTIONS = sizeof k_options / sizeof *k_options };

static void
run__gives_the_reference_output_under_every_plan_and_port(void **state)
{
    (void)state;
    for (uint32_t o = 0; o < N_OPTIONS; o++) {
        struct rt_model m;
        rt_model_build(&m, &k_options[o]);
        for (uint32_t plan = 0; plan < RT_N_PLAN; plan++) {
            for (uint32_t kind = 0; kind < RT_N_PORT; kind++) {
                struct rt_session s;
                rt_open(&s, &m, (enum rt_port)kind, plan, 0);
                for (uint32_t seed = 0; seed < 5; seed++) {
                    rt_run_once(&s, seed);
                    rt_check_guards(&s);
                }
                rt_close(&s);
            }
        }
        rt_model_free(&m);
    }
}

/* Exactly the plan's bytes: ASan sees a touch beyond the arena's end. */
static void run__needs_no_byte_more_than_the_plans_peak(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &k_options[0]);
    for (uint32_t plan = 0; plan < RT_N_PLAN; plan++) {
        struct rt_session s;
        const uint32_t peak = flx_arena_bytes(&m.model, plan);
        rt_open(&s, &m, RT_PORT_SYNC, plan, peak);
        rt_run_once(&s, plan);
        rt_close(&s);
        rt_prepare(&s, &m, RT_PORT_SYNC, peak - 1);
        assert_int_equal(
            flx_open(&m.model, &s.port, s.arena, s.arena_bytes, plan, &s.rt),
            FLX_E_ARENA);
        rt_close(&s);
    }
    rt_model_free(&m);
}

static void run__reads_what_the_plan_says(void **state)
{
    (void)state;
    /* Loads of the next run that are done when this one is. */
    static const uint32_t k_ahead[RT_N_PLAN] = {
        [RT_STREAM] = 2, [RT_CASCADE] = 1, [RT_STRIPES] = 4};
    for (uint32_t o = 0; o < N_OPTIONS; o++) {
        struct rt_model m;
        rt_model_build(&m, &k_options[o]);
        for (uint32_t plan = 0; plan < RT_N_PLAN; plan++) {
            struct rt_session s;
            rt_open(&s, &m, RT_PORT_SYNC, plan, 0);
            rt_run_once(&s, 1);
            struct flx_info first;
            flx_query(s.rt, &first);
            assert_int_equal(first.n_read,
                             rt_plan_loads(&m, plan, true) + k_ahead[plan]);
            assert_int_equal(first.step, first.n_step);
            assert_int_equal(first.inside, 0);
            rt_run_once(&s, 2);
            struct flx_info next;
            flx_query(s.rt, &next);
            assert_int_equal(next.n_read - first.n_read,
                             rt_plan_loads(&m, plan, false));
            assert_int_equal(next.bytes_read - first.bytes_read,
                             rt_plan_bytes(&m, plan, false));
            rt_close(&s);
        }
        rt_model_free(&m);
    }
}

/* 40 bytes come between two boxes: the reads must have been begun earlier than
 * they were needed, or none would be found pending. */
static void run__overlaps_asynchronous_reads_with_boxes(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &k_options[0]);
    struct rt_session s;
    rt_open(&s, &m, RT_PORT_POLLED, RT_STREAM, 0);
    rt_run_once(&s, 1);
    assert_true(s.store.n_pending >= 9);
    assert_true(s.store.n_reading > 0); /* of the next inference */
    rt_run_once(&s, 2);
    rt_close(&s);
    assert_int_equal(s.store.n_reading, 0);
    rt_model_free(&m);
}

/* ---- guards ---------------------------------------------------------------
 */

/* Boxes of the last layer with and without rows. */
struct seen {
    uint32_t n_full;
    uint32_t n_empty;
};

static void see(void *ctx, int kind, int end, uint32_t ix,
                const struct flx_call *call)
{
    struct seen *const s = ctx;
    if (kind == 0 && end && ix == RT_N_LAYER - 1) {
        *(call->r0 < call->r1 ? &s->n_full : &s->n_empty) += 1;
    }
}

/* The last layer runs, or not, as the first byte of its last operand, the
 * result of L0, says; every box counts all the same. */
static void run__skips_what_a_guard_says(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &k_options[0]);
    m.buf[1].whole = 1;
    for (uint8_t guard = FLX_GUARD_IF; guard <= FLX_GUARD_UNLESS; guard++) {
        m.layer[RT_N_LAYER - 1].guard = guard;
        uint32_t n[2] = {0, 0};
        struct rt_session s;
        rt_open(&s, &m, RT_PORT_SYNC, RT_RESIDENT, 0);
        for (uint32_t seed = 0; seed < 600; seed++) {
            uint8_t before[RT_IO_BYTES];
            const void *const out = flx_output(s.rt, 0);
            struct seen seen = {0, 0};
            flx_set_trace(s.rt, see, &seen);
            memcpy(before, out, sizeof before);
            rt_put_input(&s, seed);
            assert_int_equal(flx_run(s.rt), FLX_OK);
            assert_int_equal(seen.n_full + seen.n_empty, 1);
            if (seen.n_full) {
                rt_check_output(&s, seed);
            } else {
                assert_memory_equal(flx_output(s.rt, 0), before, sizeof before);
            }
            n[seen.n_full]++;
            struct flx_info info;
            flx_query(s.rt, &info);
            assert_int_equal(info.step, info.n_step);
        }
        /* One byte in 256 is 0. */
        const uint32_t rare = n[guard == FLX_GUARD_IF ? 0 : 1];
        assert_in_range(rare, 1, 20);
        rt_close(&s);
    }
    rt_model_free(&m);
}

static void open__refuses_a_guard_that_is_no_bool(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &k_options[0]);
    struct flx_layer *const l = &m.layer[RT_N_LAYER - 1];
    for (uint32_t bad = 0; bad < 3; bad++) {
        struct rt_session s;
        m.buf[1].whole = bad != 0;
        l->guard = bad == 1 ? FLX_GUARD_UNLESS + 1 : FLX_GUARD_IF;
        l->n_arg = bad == 2 ? 1 : 3;
        rt_prepare(&s, &m, RT_PORT_SYNC, 0);
        assert_int_equal(flx_open(&m.model, &s.port, s.arena, s.arena_bytes,
                                  RT_RESIDENT, &s.rt),
                         FLX_E_MODEL);
        rt_close(&s);
    }
    rt_model_free(&m);
}

static void step__counts_every_box_of_the_plan(void **state)
{
    (void)state;
    static const uint32_t k_steps[RT_N_PLAN] = {5, 10, 15, 23, 5};
    struct rt_model m;
    rt_model_build(&m, &k_options[0]);
    for (uint32_t plan = 0; plan < RT_N_PLAN; plan++) {
        struct rt_session s;
        rt_open(&s, &m, RT_PORT_SYNC, plan, 0);
        for (uint32_t run = 0; run < 2; run++) {
            rt_put_input(&s, run);
            for (uint32_t k = 1; k < k_steps[plan]; k++) {
                assert_int_equal(flx_step(s.rt), FLX_PENDING);
                struct flx_info info;
                flx_query(s.rt, &info);
                assert_int_equal(info.step, k);
                assert_int_equal(info.inside, 1);
                assert_int_equal(flx_settle(s.rt), FLX_E_STATE);
            }
            assert_int_equal(flx_step(s.rt), FLX_OK);
            rt_check_output(&s, run);
            assert_int_equal(flx_settle(s.rt), FLX_OK);
        }
        rt_close(&s);
    }
    rt_model_free(&m);
}

/* Order of events of one run: rows of a stripe, and loads before their use. */
struct events {
    uint32_t n_box;
    uint32_t n_load;
    uint32_t open; /* kinds begun and not ended, as bits */
    bool is_odd;
    uint32_t row_end[RT_N_LAYER];
    uint32_t last_chunk;
};

static void note(void *ctx, int kind, int end, uint32_t ix,
                 const struct flx_call *call)
{
    struct events *e = ctx;
    const uint32_t bit = 1u << kind;
    e->is_odd |= ((e->open & bit) != 0) != (end != 0);
    e->open ^= bit;
    if (kind == 0 && end) {
        e->n_box++;
        if (call->p1 == 4 || ix == 2) {
            /* Each row once, in order, the second layer behind the first. */
            e->is_odd |= call->r0 != e->row_end[ix] && call->kb == 0;
            e->row_end[ix] = call->r1;
        }
        e->is_odd |= e->row_end[2] > e->row_end[1];
    } else if (kind == 1 && end) {
        e->n_load++;
        e->last_chunk = ix;
    }
}

static void trace__sees_boxes_and_loads_in_order(void **state)
{
    (void)state;
    static const uint32_t k_plan[2] = {RT_CASCADE, RT_STRIPES};
    struct rt_model m;
    rt_model_build(&m, &k_options[0]);
    for (uint32_t i = 0; i < 2; i++) {
        struct rt_session s;
        rt_open(&s, &m, RT_PORT_POLLED, k_plan[i], 0);
        struct events e = {0};
        flx_set_trace(s.rt, note, &e);
        rt_run_once(&s, 1);
        flx_set_trace(s.rt, NULL, NULL);
        assert_false(e.is_odd);
        assert_int_equal(e.open, 0);
        assert_int_equal(e.n_box, i == 0 ? 15 : 23);
        for (uint32_t l = 0; l < RT_N_LAYER; l++) {
            assert_int_equal(e.row_end[l], RT_ROWS);
        }
        rt_close(&s);
    }
    rt_model_free(&m);
}

/* Whole units where there is room for them, exactly the bytes of a resident,
 * whose neighbours may be in use. */
static void run__reads_whole_units_where_the_store_wants_them(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &k_options[1]);
    for (uint32_t plan = 0; plan < RT_N_PLAN; plan++) {
        for (uint32_t align = 512; align <= 4096; align *= 8) {
            struct rt_session s;
            rt_prepare(&s, &m, RT_PORT_SYNC, 0);
            s.port.read_align = align;
            s.store.read_align = align;
            assert_int_equal(flx_open(&m.model, &s.port, s.arena, s.arena_bytes,
                                      plan, &s.rt),
                             FLX_OK);
            for (uint32_t seed = 0; seed < 3; seed++) {
                rt_run_once(&s, seed);
            }
            /* The resident loads. */
            static const uint32_t k_resident[RT_N_PLAN] = {4, 0, 2, 1, 4};
            assert_int_equal(s.store.n_partial, k_resident[plan]);
            rt_close(&s);
        }
    }
    rt_model_free(&m);
}

/* Compressed chunks are read exactly, whatever the store likes. */
static void run__reads_compressed_chunks_exactly(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &k_options[2]);
    struct rt_session s;
    rt_prepare(&s, &m, RT_PORT_SYNC, 0);
    s.port.read_align = 64;
    assert_int_equal(
        flx_open(&m.model, &s.port, s.arena, s.arena_bytes, RT_STREAM, &s.rt),
        FLX_OK);
    rt_run_once(&s, 1);
    struct flx_info info;
    flx_query(s.rt, &info);
    assert_int_equal(s.store.bytes_asked,
                     FLX_BLOB_HEAD_BYTES + info.bytes_read);
    rt_close(&s);
    rt_model_free(&m);
}

static void run__reads_weights_in_place_when_mapped(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){.mapped = true});
    struct rt_session s;
    rt_open(&s, &m, RT_PORT_MAP, RT_MAPPED, 0);
    rt_run_once(&s, 1);
    struct flx_info info;
    flx_query(s.rt, &info);
    assert_int_equal(info.n_read, 0);
    rt_close(&s);
    rt_prepare(&s, &m, RT_PORT_SYNC, 0);
    assert_int_equal(
        flx_open(&m.model, &s.port, s.arena, s.arena_bytes, RT_RESIDENT, &s.rt),
        FLX_E_PLAN);
    rt_close(&s);
    rt_model_free(&m);
}

/* What a box may find in its scratch: only what boxes of the same rows left
 * there, one after the other, in the same run of the same plan. */
struct kept {
    const struct flx *rt;
    uint32_t n_switch;
    uint32_t layer; /* of the box before */
    struct flx_call box;
    uint32_t n_panel; /* the most; 0: nothing is kept */
    uint32_t n_kept;
    bool is_odd;
};

static void see_kept(void *ctx, int kind, int end, uint32_t ix,
                     const struct flx_call *call)
{
    struct kept *k = ctx;
    if (kind != 0 || end) {
        return;
    }
    struct flx_info info;
    flx_query(k->rt, &info);
    const bool is_same = info.n_switch == k->n_switch && info.step > 0 &&
                         k->layer == ix && k->box.r0 == call->r0 &&
                         k->box.r1 == call->r1 && k->box.kb == call->kb;
    const uint32_t kept = is_same ? k->n_panel : 0;
    const uint32_t own = call->r0 < call->r1 ? call->p1 - call->p0 : 0;
    k->is_odd |= call->kept != kept;
    k->n_kept += call->kept > 0;
    k->n_switch = info.n_switch;
    k->layer = ix;
    k->box = *call;
    k->n_panel = own == 0 ? 0 : own > kept ? own : kept;
}

static void run__says_what_boxes_find_in_their_scratch(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &k_options[0]);
    struct rt_session s;
    rt_open(&s, &m, RT_PORT_SYNC, 0, 0);
    struct kept k = {.rt = s.rt};
    flx_set_trace(s.rt, see_kept, &k);
    for (uint32_t seed = 0; seed < 40; seed++) {
        rt_put_input(&s, seed);
        enum flx_err err = FLX_PENDING;
        for (uint32_t step = 0; err == FLX_PENDING; step++) {
            if (step % 5 == seed % 5) {
                (void)flx_switch_plan(s.rt, (seed + step) % RT_N_PLAN);
            }
            err = flx_step(s.rt);
        }
        assert_int_equal(err, FLX_OK);
        rt_check_output(&s, seed);
    }
    assert_false(k.is_odd);
    assert_true(k.n_kept > 20);
    assert_true(k.n_switch > 20);
    rt_close(&s);
    rt_model_free(&m);
}

static void input__and_output_are_where_the_plan_has_them(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &k_options[0]);
    struct rt_session s;
    rt_open(&s, &m, RT_PORT_SYNC, RT_RESIDENT, 0);
    assert_null(flx_input(s.rt, 1));
    assert_null(flx_output(s.rt, 1));
    const uint8_t *in = flx_input(s.rt, 0);
    const uint8_t *out = flx_output(s.rt, 0);
    assert_true(in > s.arena && in + RT_IO_BYTES <= out);
    assert_true(out + RT_IO_BYTES <= s.arena + s.arena_bytes);
    rt_close(&s);
    rt_model_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            run__gives_the_reference_output_under_every_plan_and_port),
        cmocka_unit_test(run__needs_no_byte_more_than_the_plans_peak),
        cmocka_unit_test(run__reads_what_the_plan_says),
        cmocka_unit_test(run__skips_what_a_guard_says),
        cmocka_unit_test(open__refuses_a_guard_that_is_no_bool),
        cmocka_unit_test(run__overlaps_asynchronous_reads_with_boxes),
        cmocka_unit_test(step__counts_every_box_of_the_plan),
        cmocka_unit_test(trace__sees_boxes_and_loads_in_order),
        cmocka_unit_test(run__reads_whole_units_where_the_store_wants_them),
        cmocka_unit_test(run__reads_compressed_chunks_exactly),
        cmocka_unit_test(run__reads_weights_in_place_when_mapped),
        cmocka_unit_test(run__says_what_boxes_find_in_their_scratch),
        cmocka_unit_test(input__and_output_are_where_the_plan_has_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
