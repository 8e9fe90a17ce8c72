#include "support/rt_session.h"

#include <stdlib.h>
#include <string.h>

/* Two entries of the hand-made model: the same layers, plans in another order,
 * and two states, which no layer touches, after all else: in the first entry
 * one after the other, in the second the other way round and a bit higher. */

enum { N_STATE = 2, N_BUF = RT_N_BUF + N_STATE, GAP = 64 };

static const uint32_t k_state_bytes[N_STATE] = {5 * 64, 3 * 64};

/* Plan p of the second entry is this one of the first. */
static const uint32_t k_other[RT_N_PLAN] = {
    [RT_RESIDENT] = RT_CASCADE, [RT_STREAM] = RT_RESIDENT,
    [RT_CASCADE] = RT_STREAM,   [RT_STRIPES] = RT_REORDER,
    [RT_REORDER] = RT_STRIPES,
};

struct entry {
    struct flx_model model;
    struct flx_buf buf[N_BUF];
    struct flx_io input[1 + N_STATE];
    struct flx_io output[1 + N_STATE];
    uint32_t *plan[RT_N_PLAN];
};

/* The plan with room for the states, and its table of buffers at its end. */
static uint32_t *add_states(const uint32_t *plan, uint32_t entry_ix)
{
    struct flx_plan_head h;
    memcpy(&h, plan, sizeof h);
    const uint32_t n = h.n_words;
    uint32_t *const w = calloc(n + 2 * N_BUF, sizeof *w);
    assert_non_null(w);
    memcpy(w, plan, n * sizeof *w);
    memcpy(w + n, plan + h.buf_off, 2 * RT_N_BUF * sizeof *w);
    uint32_t *const at = w + n + 2 * RT_N_BUF;
    const uint32_t base =
        (h.arena_bytes + 63) / 64 * 64 + (entry_ix == 0 ? 0 : GAP);
    for (uint32_t i = 0; i < N_STATE; i++) {
        const uint32_t k = entry_ix == 0 ? i : N_STATE - 1 - i;
        at[2 * k] = base + (i == 0 ? 0 : k_state_bytes[entry_ix == 0 ? 0 : 1]);
        at[2 * k + 1] = k_state_bytes[k] / 64;
    }
    h.version = FLX_PLAN_VERSION(entry_ix);
    h.buf_off = n;
    h.n_words = n + 2 * N_BUF;
    h.arena_bytes = base + k_state_bytes[0] + k_state_bytes[1];
    memcpy(w, &h, sizeof h);
    rt_plan_seal(w);
    return w;
}

static void make_entry(struct entry *e, const struct rt_model *m,
                       uint32_t entry_ix)
{
    static const char *const names[N_STATE] = {"past.0", "past.1"};
    e->model = m->model;
    memcpy(e->buf, m->buf, sizeof m->buf);
    e->input[0] = m->input;
    e->output[0] = m->output;
    for (uint32_t i = 0; i < N_STATE; i++) {
        e->buf[RT_N_BUF + i] = (struct flx_buf){
            .rows = k_state_bytes[i] / 64,
            .row_bytes = 64,
            .last = RT_N_LAYER,
            .whole = 1,
        };
        e->input[1 + i] = (struct flx_io){
            .name = names[i],
            .dtype = 2,
            .buf = RT_N_BUF + i,
            .bytes = k_state_bytes[i],
            .rank = 1,
            .dim = {k_state_bytes[i]},
        };
        e->output[1 + i] = e->input[1 + i];
    }
    for (uint32_t p = 0; p < RT_N_PLAN; p++) {
        e->plan[p] =
            add_states(m->plan[entry_ix == 0 ? p : k_other[p]], entry_ix);
    }
    e->model.buf = e->buf;
    e->model.n_buf = N_BUF;
    e->model.input = e->input;
    e->model.n_input = 1 + N_STATE;
    e->model.output = e->output;
    e->model.n_output = 1 + N_STATE;
    e->model.plan = (const uint32_t *const *)e->plan;
    e->model.n_plan = RT_N_PLAN;
    e->model.entry = entry_ix == 0 ? "A" : "B";
    e->model.entry_ix = entry_ix;
}

struct both {
    struct rt_model m; /* m.model is the first entry */
    struct entry e[2];
};

static void both_build(struct both *b, const struct rt_options *opt)
{
    rt_model_build(&b->m, opt);
    make_entry(&b->e[0], &b->m, 0);
    make_entry(&b->e[1], &b->m, 1);
    b->m.model = b->e[0].model;
}

static void both_free(struct both *b)
{
    for (uint32_t p = 0; p < RT_N_PLAN; p++) {
        free(b->e[0].plan[p]);
        free(b->e[1].plan[p]);
    }
    rt_model_free(&b->m);
}

static const struct flx_model *other_of(struct both *b, uint32_t entry_ix)
{
    return entry_ix == 0 ? &b->e[1].model : &b->m.model;
}

static struct flx_info info_of(const struct rt_session *s)
{
    struct flx_info info;
    flx_query(s->rt, &info);
    return info;
}

/* Enough for every plan of both entries. */
static uint32_t most_bytes(const struct both *b)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < 2 * RT_N_PLAN; i++) {
        const uint32_t need = flx_arena_bytes(&b->e[i % 2].model, i / 2);
        most = need > most ? need : most;
    }
    return most;
}

static void put_states(struct rt_session *s, uint32_t seed)
{
    for (uint32_t i = 0; i < N_STATE; i++) {
        memset(flx_input(s->rt, 1 + i), (int)(seed * 2 + i + 1),
               k_state_bytes[i]);
    }
}

static void check_states(const struct rt_session *s, uint32_t seed)
{
    for (uint32_t i = 0; i < N_STATE; i++) {
        const uint8_t *const at = flx_output(s->rt, 1 + i);
        assert_ptr_equal(at, flx_input(s->rt, 1 + i));
        for (uint32_t k = 0; k < k_state_bytes[i]; k++) {
            assert_int_equal(at[k], (uint8_t)(seed * 2 + i + 1));
        }
    }
}

static void enter__runs_either_entry_and_keeps_states(void **state)
{
    (void)state;
    static const struct rt_options k_options[] = {
        {.n_thread = 3},
        {.n_thread = 3, .align = 4096},
        {.n_thread = 3, .compress = true},
    };
    for (uint32_t o = 0; o < sizeof k_options / sizeof *k_options; o++) {
        struct both b;
        both_build(&b, &k_options[o]);
        for (uint32_t i = 0; i < RT_N_PORT * RT_N_PLAN; i++) {
            struct rt_session s;
            rt_open(&s, &b.m, (enum rt_port)(i / RT_N_PLAN), i % RT_N_PLAN,
                    most_bytes(&b));
            put_states(&s, i);
            rt_run_once(&s, i);
            for (uint32_t k = 0; k < 4; k++) {
                const struct flx_model *const to = other_of(&b, k % 2);
                assert_int_equal(flx_enter(s.rt, to), FLX_OK);
                assert_int_equal(info_of(&s).entry_ix, 1 - k % 2);
                assert_int_equal(info_of(&s).plan_id, i % RT_N_PLAN);
                assert_int_equal(info_of(&s).arena_bytes,
                                 flx_arena_bytes(to, i % RT_N_PLAN));
                assert_int_equal(info_of(&s).n_switch, 0);
                rt_check_guards(&s);
                check_states(&s, i);
                rt_run_once(&s, i + k);
                rt_run_once(&s, i + k + 1);
                check_states(&s, i);
            }
            rt_close(&s);
        }
        both_free(&b);
    }
}

/* Residents of both plans are not read again, whatever the entry. */
static void enter__keeps_common_residents(void **state)
{
    (void)state;
    struct both b;
    both_build(&b, &(struct rt_options){0});
    struct rt_session s;
    rt_open(&s, &b.m, RT_PORT_SYNC, RT_REORDER, most_bytes(&b));
    rt_run_once(&s, 1);
    const uint64_t before = info_of(&s).n_read;
    /* The second entry's is RT_STRIPES, where only L1's chunks are. */
    assert_int_equal(flx_enter(s.rt, &b.e[1].model), FLX_OK);
    assert_int_equal(flx_switch_plan(s.rt, RT_STREAM), FLX_OK);
    assert_int_equal(flx_enter(s.rt, &b.e[1].model), FLX_OK);
    assert_int_equal(info_of(&s).n_switch, 1);
    assert_int_equal(info_of(&s).n_read, before);
    rt_run_once(&s, 2); /* everything resident again */
    const uint64_t all = rt_plan_loads(&b.m, RT_RESIDENT, true);
    assert_true(info_of(&s).n_read - before > 0);
    assert_true(info_of(&s).n_read - before < all);
    const uint64_t steady = info_of(&s).n_read;
    assert_int_equal(flx_switch_plan(s.rt, RT_RESIDENT), FLX_OK);
    assert_int_equal(flx_enter(s.rt, &b.m.model), FLX_OK);
    rt_run_once(&s, 3);
    assert_int_equal(info_of(&s).n_read, steady);
    rt_close(&s);
    both_free(&b);
}

/* A request names a budget, whichever entry it finds. */
static void enter__executes_a_pending_switch(void **state)
{
    (void)state;
    struct both b;
    both_build(&b, &(struct rt_options){0});
    for (uint32_t from = 0; from < RT_N_PLAN; from++) {
        for (uint32_t to = 0; to < RT_N_PLAN; to++) {
            struct rt_session s;
            rt_open(&s, &b.m, RT_PORT_POLLED, from, most_bytes(&b));
            put_states(&s, 3);
            rt_run_once(&s, 1);
            assert_int_equal(flx_switch_plan(s.rt, to), FLX_OK);
            assert_int_equal(flx_enter(s.rt, &b.e[1].model), FLX_OK);
            assert_int_equal(info_of(&s).plan_id, to);
            assert_int_equal(info_of(&s).n_switch, from != to);
            assert_int_equal(info_of(&s).last_switch, FLX_OK);
            check_states(&s, 3);
            rt_run_once(&s, 2);
            assert_int_equal(flx_settle(s.rt), FLX_OK); /* nothing is left */
            assert_int_equal(info_of(&s).plan_id, to);
            assert_int_equal(flx_switch_plan(s.rt, from), FLX_OK);
            rt_run_once(&s, 4); /* and switches go on in the entry */
            assert_int_equal(info_of(&s).plan_id, from);
            check_states(&s, 3);
            rt_close(&s);
        }
    }
    both_free(&b);
}

/* After each refusal all is as it was. */
static void enter__refuses_and_leaves_all_as_it_was(void **state)
{
    (void)state;
    struct both b;
    both_build(&b, &(struct rt_options){0});
    const struct flx_model good = b.e[1].model;
    struct flx_model *const to = &b.e[1].model;
    struct rt_session s;
    rt_open(&s, &b.m, RT_PORT_SYNC, RT_STREAM, most_bytes(&b));
    put_states(&s, 5);
    rt_run_once(&s, 1);
    assert_int_equal(flx_enter(s.rt, NULL), FLX_E_ARG);
    rt_put_input(&s, 2);
    assert_int_equal(flx_step(s.rt), FLX_PENDING);
    assert_int_equal(flx_enter(s.rt, to), FLX_E_STATE);
    assert_int_equal(flx_run(s.rt), FLX_OK);
    rt_check_output(&s, 2);

#define ASSERT_ERROR(ERR, CHANGE)                                              \
    do {                                                                       \
        CHANGE;                                                                \
        assert_int_equal(flx_enter(s.rt, to), (ERR));                          \
        *to = good;                                                            \
        check_states(&s, 5);                                                   \
        rt_run_once(&s, 3);                                                    \
        assert_int_equal(info_of(&s).entry_ix, 0);                             \
    } while (0)
    ASSERT_ERROR(FLX_E_MODEL, to->version++);
    ASSERT_ERROR(FLX_E_MODEL, to->n_buf = 0);
    ASSERT_ERROR(FLX_E_MODEL, to->id[3] ^= 1);
    ASSERT_ERROR(FLX_E_MODEL, to->blob_bytes += 64);
    ASSERT_ERROR(FLX_E_MODEL, to->align *= 2);
    ASSERT_ERROR(FLX_E_MODEL, to->decode_bytes += 64);
    ASSERT_ERROR(FLX_E_MODEL, to->n_input--);
    ASSERT_ERROR(FLX_E_MODEL, to->n_output--); /* then it is no state */
    ASSERT_ERROR(FLX_E_PLAN, to->entry_ix = 0);
    ASSERT_ERROR(FLX_E_PLAN, to->n_plan = RT_STREAM);
    ASSERT_ERROR(FLX_E_REFUSED, s.refuse = true);
    s.refuse = false;

    struct flx_io *const io = &b.e[1].input[1];
    const struct flx_io kept = *io;
    ASSERT_ERROR(FLX_E_MODEL, io->bytes -= 4);
    *io = kept;
    ASSERT_ERROR(FLX_E_MODEL, io->dtype = 1);
    *io = kept;
    ASSERT_ERROR(FLX_E_MODEL, io->name = "past.01");
    *io = kept;
    struct flx_chunk chunk[RT_N_CHUNK];
    memcpy(chunk, b.m.chunk, sizeof chunk);
    ASSERT_ERROR(FLX_E_MODEL, (to->chunk = chunk, chunk[2].crc ^= 1));
    memcpy(chunk, b.m.chunk, sizeof chunk);
    ASSERT_ERROR(FLX_E_MODEL, (to->chunk = chunk, chunk[2].res_off += 64));
    memcpy(chunk, b.m.chunk, sizeof chunk);
    to->chunk = chunk; /* another table of the same chunks will do */
    assert_int_equal(flx_enter(s.rt, to), FLX_OK);
    check_states(&s, 5);
    rt_run_once(&s, 3);
    rt_close(&s);
    *to = good;

    /* An arena that has no room for the plan of the other entry. */
    const uint32_t small = flx_arena_bytes(&b.m.model, RT_STREAM);
    assert_true(flx_arena_bytes(to, RT_STREAM) > small);
    rt_open(&s, &b.m, RT_PORT_SYNC, RT_STREAM, small);
    rt_run_once(&s, 1);
    assert_int_equal(flx_enter(s.rt, to), FLX_E_ARENA);
    rt_run_once(&s, 2);
    rt_close(&s);
    both_free(&b);
}

/* The k-th read fails while the entry changes or after it: the error comes
 * out, states are what they were, and the next run is right. */
static void enter__survives_any_read_that_fails(void **state)
{
    (void)state;
    struct both b;
    both_build(&b, &(struct rt_options){0});
    for (uint32_t plan = 0; plan < RT_N_PLAN; plan++) {
        bool is_done = false;
        for (uint32_t k = 0; !is_done; k++) {
            struct rt_session s;
            rt_open(&s, &b.m, RT_PORT_POLLED, plan, most_bytes(&b));
            put_states(&s, k);
            rt_run_once(&s, 1);
            fault_store_arm(&s.store, FAULT_FINISH, k);
            uint32_t n_error = 0;
            for (uint32_t i = 0; i < 4; i++) {
                const struct flx_model *const to = other_of(&b, i % 2);
                enum flx_err err = flx_enter(s.rt, to);
                if (err != FLX_OK) {
                    assert_int_equal(err, FLX_E_STORAGE);
                    assert_int_equal(info_of(&s).entry_ix, i % 2);
                    n_error++;
                    assert_int_equal(flx_enter(s.rt, to), FLX_OK);
                }
                check_states(&s, k);
                rt_put_input(&s, i);
                err = flx_run(s.rt);
                if (err != FLX_OK) {
                    assert_int_equal(err, FLX_E_STORAGE);
                    n_error++;
                    rt_put_input(&s, i);
                    assert_int_equal(flx_run(s.rt), FLX_OK);
                }
                rt_check_output(&s, i);
                check_states(&s, k);
            }
            /* A load for a fifth run that does not come may have failed. */
            is_done = !fault_store_hit(&s.store);
            assert_true(n_error <= (is_done ? 0 : 1));
            rt_close(&s);
        }
    }
    both_free(&b);
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
        flx_switch_budget(r->rt, UINT64_MAX);
    }
    return NULL;
}

/* Requests from another thread while entries change; under TSan the proof that
 * there is no race. */
static void enter__goes_with_requests_of_another_thread(void **state)
{
    (void)state;
    struct both b;
    both_build(&b, &(struct rt_options){.n_thread = 3});
    struct rt_session s;
    rt_open(&s, &b.m, RT_PORT_THREADS, RT_RESIDENT, most_bytes(&b));
    struct requests r = {s.rt, 0};
    pthread_t thread;
    put_states(&s, 9);
    assert_int_equal(pthread_create(&thread, NULL, request_all, &r), 0);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(flx_enter(s.rt, other_of(&b, i % 2)), FLX_OK);
        rt_run_once(&s, i);
        check_states(&s, 9);
    }
    atomic_store(&r.stop, 1);
    pthread_join(thread, NULL);
    rt_close(&s);
    both_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enter__runs_either_entry_and_keeps_states),
        cmocka_unit_test(enter__keeps_common_residents),
        cmocka_unit_test(enter__executes_a_pending_switch),
        cmocka_unit_test(enter__refuses_and_leaves_all_as_it_was),
        cmocka_unit_test(enter__survives_any_read_that_fails),
        cmocka_unit_test(enter__goes_with_requests_of_another_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
