#include "support/rt_session.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/le.h"

static enum flx_err try_open(const struct rt_model *m, enum rt_port kind,
                             uint32_t plan)
{
    struct rt_session s;
    rt_prepare(&s, m, kind, 0);
    const enum flx_err err =
        flx_open(&m->model, &s.port, s.arena, s.arena_bytes, plan, &s.rt);
    rt_close(&s);
    return err;
}

static void open__says_which_argument_is_wrong(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){.align = 4096});
    struct rt_session s;
    rt_prepare(&s, &m, RT_PORT_SYNC, 0);
    assert_int_equal(flx_open(NULL, &s.port, s.arena, s.arena_bytes, 0, &s.rt),
                     FLX_E_ARG);
    assert_int_equal(flx_open(&m.model, NULL, s.arena, s.arena_bytes, 0, &s.rt),
                     FLX_E_ARG);
    assert_int_equal(flx_open(&m.model, &s.port, NULL, s.arena_bytes, 0, &s.rt),
                     FLX_E_ARG);
    assert_int_equal(
        flx_open(&m.model, &s.port, s.arena, s.arena_bytes, RT_N_PLAN, &s.rt),
        FLX_E_PLAN);
    assert_int_equal(flx_open(&m.model, &s.port, s.arena + 64,
                              s.arena_bytes - 64, RT_CASCADE, &s.rt),
                     FLX_E_ARENA);
    assert_int_equal(flx_open(&m.model, &s.port, s.arena, 100, 0, &s.rt),
                     FLX_E_ARENA);
    struct flx_port port = s.port;
    port.start_read = NULL;
    assert_int_equal(
        flx_open(&m.model, &port, s.arena, s.arena_bytes, 0, &s.rt), FLX_E_ARG);
    port = s.port;
    port.read_align = 48;
    assert_int_equal(
        flx_open(&m.model, &port, s.arena, s.arena_bytes, 0, &s.rt), FLX_E_ARG);
    rt_close(&s);
    assert_int_equal(flx_arena_bytes(&m.model, RT_N_PLAN), 0);
    rt_model_free(&m);
}

static void open__needs_a_decoder_for_compressed_chunks(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){.compress = true});
    struct rt_session s;
    rt_prepare(&s, &m, RT_PORT_SYNC, 0);
    s.port.decode = NULL;
    assert_int_equal(
        flx_open(&m.model, &s.port, s.arena, s.arena_bytes, 0, &s.rt),
        FLX_E_DECODE);
    rt_close(&s);
    rt_model_free(&m);
}

static void open__refuses_more_threads_than_a_plan_is_for(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){.n_thread = 2});
    assert_int_equal(try_open(&m, RT_PORT_LOADER, 0), FLX_OK);
    assert_int_equal(try_open(&m, RT_PORT_THREADS, 0), FLX_E_THREADS);
    rt_model_free(&m);
}

/* Any bit of the header, read or mapped. */
static void blob__header_of_another_model_or_version_is_refused(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    uint8_t head[FLX_BLOB_HEAD_BYTES];
    memcpy(head, m.blob, sizeof head);
    for (uint32_t bit = 0; bit < 8 * sizeof head; bit++) {
        m.blob[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(try_open(&m, RT_PORT_SYNC, 0), FLX_E_BLOB);
        /* Also when somebody took care of the checksum. */
        le32_put(m.blob + FLX_BLOB_AT_CRC, crc32c(0, m.blob, FLX_BLOB_AT_CRC));
        const bool is_named = bit < 8 * 40;
        assert_int_equal(try_open(&m, RT_PORT_MAP, 0),
                         is_named ? FLX_E_BLOB : FLX_OK);
        memcpy(m.blob, head, sizeof head);
    }
    assert_int_equal(try_open(&m, RT_PORT_SYNC, 0), FLX_OK);
    rt_model_free(&m);
}

static void
blob__that_is_too_short_for_a_header_is_a_storage_error(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    struct rt_session s;
    rt_prepare(&s, &m, RT_PORT_SYNC, 0);
    s.store.mem.bytes = FLX_BLOB_HEAD_BYTES - 1;
    assert_int_equal(
        flx_open(&m.model, &s.port, s.arena, s.arena_bytes, 0, &s.rt),
        FLX_E_STORAGE);
    rt_close(&s);
    rt_model_free(&m);
}

static void map__is_verified_once_at_open(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){.compress = true});
    for (uint32_t i = 0; i < RT_N_CHUNK; i++) {
        uint8_t *last =
            m.blob + m.chunk[i].blob_off + m.chunk[i].stored_bytes - 1;
        *last ^= 16;
        assert_int_equal(try_open(&m, RT_PORT_MAP, 0), FLX_E_CHECKSUM);
        *last ^= 16;
    }
    assert_int_equal(try_open(&m, RT_PORT_MAP, 0), FLX_OK);
    rt_model_free(&m);
}

/* ---- tables ---- */

#define ASSERT_BAD_MODEL(CHANGE)                                               \
    do {                                                                       \
        struct rt_model m;                                                     \
        rt_model_build(&m, &(struct rt_options){0});                           \
        CHANGE;                                                                \
        assert_int_equal(try_open(&m, RT_PORT_SYNC, 0), FLX_E_MODEL);          \
        rt_model_free(&m);                                                     \
    } while (0)

static void tables__that_contradict_each_other_are_refused(void **state)
{
    (void)state;
    ASSERT_BAD_MODEL(m.model.version++);
    ASSERT_BAD_MODEL(m.model.align = 96);
    ASSERT_BAD_MODEL(m.model.align = 32);
    ASSERT_BAD_MODEL(m.model.n_layer = 0);
    ASSERT_BAD_MODEL(m.model.n_layer--); /* a chunk of no layer */
    ASSERT_BAD_MODEL(m.model.n_chunk--);
    ASSERT_BAD_MODEL(m.model.blob_bytes = 1700);
    ASSERT_BAD_MODEL(m.model.n_arg--);
    ASSERT_BAD_MODEL(m.model.n_kernel--);
    ASSERT_BAD_MODEL(m.model.n_buf--);
    ASSERT_BAD_MODEL(m.kernel[1].fn = NULL);
    ASSERT_BAD_MODEL(m.arg[3] = 5);
    ASSERT_BAD_MODEL(m.arg[2] = FLX_BUF_NONE); /* no output */
    ASSERT_BAD_MODEL(m.buf[1].rows = 0);
    ASSERT_BAD_MODEL(m.buf[1].row_bytes = UINT32_MAX);
    ASSERT_BAD_MODEL(m.buf[2].first = 3);
    ASSERT_BAD_MODEL(m.buf[4].last = 5);
    ASSERT_BAD_MODEL(m.input.buf = 5);
    ASSERT_BAD_MODEL(m.output.bytes++);
    ASSERT_BAD_MODEL(m.input.rank = 9);
    ASSERT_BAD_MODEL(m.layer[0].n_arg = FLX_MAX_ARG + 1);
    ASSERT_BAD_MODEL(m.layer[0].rows = 0);
    ASSERT_BAD_MODEL(m.layer[0].n_panel = 5);
    ASSERT_BAD_MODEL(m.layer[0].n_kblock = 3);
    ASSERT_BAD_MODEL(m.layer[0].n_kblock = 1);
    ASSERT_BAD_MODEL(m.layer[1].chunk0 = 3);
    ASSERT_BAD_MODEL(m.layer[1].n_chunk = 3);
    ASSERT_BAD_MODEL(m.layer[2].scratch_bytes = 40);
    ASSERT_BAD_MODEL(m.chunk[0].blob_off = 0);
    ASSERT_BAD_MODEL(m.chunk[0].blob_off += 4);
    ASSERT_BAD_MODEL(m.chunk[8].blob_off = m.model.blob_bytes - 64);
    ASSERT_BAD_MODEL(m.chunk[1].stored_bytes--);
    ASSERT_BAD_MODEL(m.chunk[1].raw_bytes -= 64);
    ASSERT_BAD_MODEL(m.chunk[1].codec = FLX_CODEC_ZSTD); /* no workspace */
    ASSERT_BAD_MODEL(m.chunk[1].codec = 2);
    ASSERT_BAD_MODEL(m.chunk[1].panel = 1);
    ASSERT_BAD_MODEL(m.chunk[1].n_panel = 1);
    ASSERT_BAD_MODEL(m.chunk[1].kblock = 1);
    ASSERT_BAD_MODEL(m.chunk[1].layer = 1);
    ASSERT_BAD_MODEL(m.chunk[5].res_off += 32);
    ASSERT_BAD_MODEL(m.chunk[5].layer = FLX_LAYER_NONE);
    ASSERT_BAD_MODEL(m.model.entry_ix = UINT16_MAX + 1);
}

/* ---- plans ---- */

/* Word of a header field. */
#define HEAD(FIELD) (offsetof(struct flx_plan_head, FIELD) / 4)

struct change {
    uint32_t plan;
    uint32_t section; /* header word that holds its offset; 0: the header */
    uint32_t word;
    uint32_t value;
};

static void assert_bad_plan(const struct change *c, const char *file, int line)
{
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){.mapped = true});
    uint32_t *plan = m.plan[c->plan];
    const uint32_t at = (c->section ? plan[c->section] : 0) + c->word;
    const uint32_t old = plan[at];
    plan[at] = c->value;
    if (c->word != HEAD(crc) || c->section != 0) {
        rt_plan_seal(plan);
    }
    const enum flx_err err = try_open(&m, RT_PORT_MAP, RT_CASCADE);
    if (err != FLX_E_PLAN || old == c->value) {
        print_error("plan %u section %u word %u: %u -> %u: error %d\n", c->plan,
                    c->section, c->word, old, c->value, err);
        _fail(file, line);
    }
    rt_model_free(&m);
}

#define ASSERT_BAD_PLAN(PLAN, SECTION, WORD, VALUE)                            \
    assert_bad_plan(&(struct change){(PLAN), (SECTION), (WORD), (VALUE)},      \
                    __FILE__, __LINE__)

static void plan__with_a_wrong_header_is_refused(void **state)
{
    (void)state;
    ASSERT_BAD_PLAN(RT_STREAM, 0, HEAD(magic), 1);
    ASSERT_BAD_PLAN(RT_STREAM, 0, HEAD(version), FLX_FORMAT_VERSION - 1);
    ASSERT_BAD_PLAN(RT_STREAM, 0, HEAD(version), FLX_FORMAT_VERSION + 1);
    ASSERT_BAD_PLAN(RT_STREAM, 0, HEAD(crc), 5);
    ASSERT_BAD_PLAN(RT_STREAM, 0, HEAD(id) + 2, 5);
    ASSERT_BAD_PLAN(RT_STREAM, 0, HEAD(arena_bytes), 4096);
    ASSERT_BAD_PLAN(RT_STREAM, 0, HEAD(resident_bytes), 1u << 20);
    ASSERT_BAD_PLAN(RT_STREAM, 0, HEAD(n_thread), 0);
    ASSERT_BAD_PLAN(RT_STREAM, 0, HEAD(n_thread), 200); /* scratch */
    ASSERT_BAD_PLAN(RT_STREAM, 0, HEAD(in_flight), 0);
    ASSERT_BAD_PLAN(RT_STREAM, 0, HEAD(in_flight), FLX_MAX_IN_FLIGHT + 1);
    ASSERT_BAD_PLAN(RT_STREAM, 0, HEAD(n_step), 9);
    ASSERT_BAD_PLAN(RT_STREAM, 0, HEAD(n_compute), 9);
    ASSERT_BAD_PLAN(RT_STREAM, 0, HEAD(n_load), 8);
    ASSERT_BAD_PLAN(RT_STREAM, 0, HEAD(buf_off), 3);
    ASSERT_BAD_PLAN(RT_STREAM, 0, HEAD(buf_off), UINT32_MAX);
    ASSERT_BAD_PLAN(RT_STREAM, 0, HEAD(scratch_off), 1u << 20);
    ASSERT_BAD_PLAN(RT_STREAM, 0, HEAD(n_compute_words), UINT32_MAX);
    ASSERT_BAD_PLAN(RT_STREAM, 0, HEAD(n_load_words), 53);
    ASSERT_BAD_PLAN(RT_STREAM, 0, HEAD(n_boundary), 1u << 30);
}

/* ---- plans that are added ---- */

static void add_plan__runs_what_was_not_compiled_in(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    const uint32_t *list[RT_N_PLAN + 1];
    const uint32_t *const plan = m.plan[RT_CASCADE];
    assert_int_equal(flx_add_plan(&m.model, list, plan, plan[HEAD(n_words)]),
                     FLX_OK);
    assert_int_equal(m.model.n_plan, RT_N_PLAN + 1);
    assert_ptr_equal(m.model.plan[RT_N_PLAN], plan);
    assert_int_equal(flx_arena_bytes(&m.model, RT_N_PLAN),
                     flx_arena_bytes(&m.model, RT_CASCADE));
    assert_int_equal(try_open(&m, RT_PORT_SYNC, RT_N_PLAN), FLX_OK);
    rt_model_free(&m);
}

/* Cut off anywhere, or with any word changed, nothing is added. */
static void add_plan__refuses_what_is_no_whole_plan(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    const uint32_t *list[RT_N_PLAN + 1];
    const uint32_t n = m.plan[RT_CASCADE][HEAD(n_words)];
    for (uint32_t cut = 0; cut < n; cut++) {
        /* A copy of just so many words, for the sanitizer. */
        uint32_t *const copy = malloc((size_t)(cut > 0 ? cut : 1) * 4);
        assert_non_null(copy);
        memcpy(copy, m.plan[RT_CASCADE], (size_t)cut * 4);
        assert_int_equal(flx_add_plan(&m.model, list, copy, cut), FLX_E_PLAN);
        free(copy);
    }
    uint32_t *const copy = malloc((size_t)n * 4);
    assert_non_null(copy);
    for (uint32_t i = 0; i < n; i++) {
        memcpy(copy, m.plan[RT_CASCADE], (size_t)n * 4);
        copy[i] ^= 1u << i % 32;
        assert_int_equal(flx_add_plan(&m.model, list, copy, n), FLX_E_PLAN);
    }
    assert_int_equal(
        flx_add_plan(&m.model, list,
                     (const uint32_t *)(const void *)((uint8_t *)copy + 2),
                     n - 1),
        FLX_E_ARG);
    assert_int_equal(flx_add_plan(NULL, list, copy, n), FLX_E_ARG);
    assert_int_equal(flx_add_plan(&m.model, NULL, copy, n), FLX_E_ARG);
    assert_int_equal(flx_add_plan(&m.model, list, NULL, n), FLX_E_ARG);
    assert_int_equal(m.model.n_plan, RT_N_PLAN);
    free(copy);
    rt_model_free(&m);
}

/* As the model's own, or as one that is added. */
static void plan__for_other_tables_is_told_apart(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        struct rt_model m;
        rt_model_build(&m, &(struct rt_options){0});
        const uint32_t *list[RT_N_PLAN + 1];
        uint32_t *const plan = m.plan[RT_CASCADE];
        plan[HEAD(tables) + i] ^= 1;
        rt_plan_seal(plan);
        assert_int_equal(
            flx_add_plan(&m.model, list, plan, plan[HEAD(n_words)]),
            FLX_E_TABLES);
        assert_int_equal(m.model.n_plan, RT_N_PLAN);
        assert_int_equal(try_open(&m, RT_PORT_SYNC, RT_STREAM), FLX_E_TABLES);
        /* What the plan says of them comes second. */
        plan[HEAD(buf_off)] = 3;
        rt_plan_seal(plan);
        assert_int_equal(try_open(&m, RT_PORT_SYNC, RT_STREAM), FLX_E_TABLES);
        rt_model_free(&m);
    }
}

static void plan__with_a_wrong_buffer_is_refused(void **state)
{
    (void)state;
    const uint32_t buf = HEAD(buf_off);
    ASSERT_BAD_PLAN(RT_CASCADE, buf, 2, 0);        /* over the state */
    ASSERT_BAD_PLAN(RT_CASCADE, buf, 2, 1u << 20); /* beyond the arena */
    ASSERT_BAD_PLAN(RT_CASCADE, buf, 2, 4132);     /* misaligned */
    ASSERT_BAD_PLAN(RT_CASCADE, buf, 5, 13);       /* more rows than it has */
    ASSERT_BAD_PLAN(RT_CASCADE, buf, 5, 0);        /* absent, but used */
    ASSERT_BAD_PLAN(RT_CASCADE, buf, 1, 11);       /* an input rolls */
    ASSERT_BAD_PLAN(RT_CASCADE, buf, 9, 11);       /* an output rolls */
    ASSERT_BAD_PLAN(RT_CASCADE, HEAD(scratch_off), 4, 64);
    ASSERT_BAD_PLAN(RT_CASCADE, HEAD(scratch_off), 4, UINT32_MAX - 63);
    ASSERT_BAD_PLAN(RT_CASCADE, HEAD(scratch_off), 5, 0);   /* too little */
    ASSERT_BAD_PLAN(RT_CASCADE, HEAD(scratch_off), 5, 100); /* misaligned */
    ASSERT_BAD_PLAN(RT_CASCADE, HEAD(scratch_off), 5, 1u << 20); /* too much */
}

static void plan__may_not_roll_a_buffer_that_is_addressed_whole(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    m.buf[2].whole = 1;
    assert_int_equal(try_open(&m, RT_PORT_SYNC, RT_RESIDENT), FLX_E_PLAN);
    rt_model_free(&m);
}

/* The words of the stream plan: 4 BOX of L0, 4 of L1, L2, L3. */
static void plan__with_a_wrong_box_is_refused(void **state)
{
    (void)state;
    const uint32_t box = HEAD(compute_off);
    ASSERT_BAD_PLAN(RT_STREAM, box, 0, FLX_LOAD);
    ASSERT_BAD_PLAN(RT_STREAM, box, 0, 0);
    ASSERT_BAD_PLAN(RT_STREAM, box, 0, FLX_END);
    ASSERT_BAD_PLAN(RT_STREAM, box, 0, FLX_ROWS);
    ASSERT_BAD_PLAN(RT_STREAM, box, 0, FLX_BOX | 4u << 4);
    ASSERT_BAD_PLAN(RT_STREAM, box, 0, FLX_BOX | 7u << 29);
    ASSERT_BAD_PLAN(RT_STREAM, box, 1, 0);          /* no panels */
    ASSERT_BAD_PLAN(RT_STREAM, box, 1, 5u << 16);   /* too many */
    ASSERT_BAD_PLAN(RT_STREAM, box, 2, 2);          /* no such K block */
    ASSERT_BAD_PLAN(RT_STREAM, box, 2, 2u << 16);   /* no such flag */
    ASSERT_BAD_PLAN(RT_STREAM, box, 3, 1u << 20);   /* beyond the arena */
    ASSERT_BAD_PLAN(RT_STREAM, box, 3, 2048);       /* in the state */
    ASSERT_BAD_PLAN(RT_STREAM, box, 4, 10);         /* a load too many */
    ASSERT_BAD_PLAN(RT_STREAM, box, 4, UINT32_MAX); /* negative */
    ASSERT_BAD_PLAN(RT_STREAM, box, 4, 5);          /* waits decrease then */
    ASSERT_BAD_PLAN(RT_STREAM, box, 9 * 5 + 4, 8);  /* a load is not waited
                                                       for */
    ASSERT_BAD_PLAN(RT_STREAM, box, 8 * 5 + 2, 1u << 16); /* L2 has no weights
                                                             to map */
    /* Loops: words of the cascade's at 10, its ROWS at 13 and 21. */
    ASSERT_BAD_PLAN(RT_CASCADE, box, 10, FLX_LOOP | 16);
    ASSERT_BAD_PLAN(RT_CASCADE, box, 11, 0);
    ASSERT_BAD_PLAN(RT_CASCADE, box, 11, 7);
    ASSERT_BAD_PLAN(RT_CASCADE, box, 11, UINT32_MAX);
    ASSERT_BAD_PLAN(RT_CASCADE, box, 12, 0);
    ASSERT_BAD_PLAN(RT_CASCADE, box, 12, 8);
    ASSERT_BAD_PLAN(RT_CASCADE, box, 12, 17);
    ASSERT_BAD_PLAN(RT_CASCADE, box, 12, UINT32_MAX);
    ASSERT_BAD_PLAN(RT_CASCADE, box, 13, FLX_BOX | 1u << 4);
    ASSERT_BAD_PLAN(RT_CASCADE, box, 18, UINT32_MAX); /* rows go back */
    ASSERT_BAD_PLAN(RT_CASCADE, box, 20, 1);          /* waits grow too far */
    ASSERT_BAD_PLAN(RT_CASCADE, box, 29, FLX_LOOP);
    /* Weights in place: not those, and not so many. */
    ASSERT_BAD_PLAN(RT_MAPPED, box, 3, 128);
    ASSERT_BAD_PLAN(RT_MAPPED, box, 5 + 3, 64);
    ASSERT_BAD_PLAN(RT_MAPPED, box, 2, 2u << 16);
}

static void plan__with_a_wrong_load_is_refused(void **state)
{
    (void)state;
    const uint32_t load = HEAD(load_off);
    ASSERT_BAD_PLAN(RT_STREAM, load, 0, FLX_BOX);
    ASSERT_BAD_PLAN(RT_STREAM, load, 0, FLX_LOAD | 2u << 4);
    ASSERT_BAD_PLAN(RT_STREAM, load, 0, FLX_LOAD | 1u << 4); /* not resident */
    ASSERT_BAD_PLAN(RT_STREAM, load, 1, 9);
    ASSERT_BAD_PLAN(RT_STREAM, load, 1, UINT32_MAX);
    ASSERT_BAD_PLAN(RT_STREAM, load, 2, 0);
    ASSERT_BAD_PLAN(RT_STREAM, load, 2, 3); /* two K blocks */
    ASSERT_BAD_PLAN(RT_STREAM, load, 2, UINT32_MAX);
    ASSERT_BAD_PLAN(RT_STREAM, load, 3, 0); /* over the state */
    ASSERT_BAD_PLAN(RT_STREAM, load, 3, 1u << 20);
    ASSERT_BAD_PLAN(RT_STREAM, load, 3, 5000); /* misaligned */
    ASSERT_BAD_PLAN(RT_STREAM, load, 4, 1);    /* box 0 waits for it */
    ASSERT_BAD_PLAN(RT_STREAM, load, 4, (uint32_t)-11);
    ASSERT_BAD_PLAN(RT_CASCADE, load, 12 + 3, 2240); /* not its own place */
    /* The loop at 24, its loads at 27 and 33. */
    ASSERT_BAD_PLAN(RT_STRIPES, load, 25, 5);
    ASSERT_BAD_PLAN(RT_STRIPES, load, 26, 6);
    ASSERT_BAD_PLAN(RT_STRIPES, load, 27 + 5, 4); /* later than its box */
    ASSERT_BAD_PLAN(RT_STRIPES, load, 27 + 5, 0x7fffffffu);
}

/* Congruent to the blob's offset, and padded ends inside the arena. */
static void plan__has_room_for_whole_units_around_each_load(void **state)
{
    (void)state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){.align = 4096});
    uint32_t *plan = m.plan[RT_STREAM];
    const uint32_t addr = plan[HEAD(load_off)] + 3;
    plan[addr] += 64;
    rt_plan_seal(plan);
    assert_int_equal(try_open(&m, RT_PORT_SYNC, 0), FLX_E_PLAN);
    plan[addr] -= 64;
    rt_plan_seal(plan);
    assert_int_equal(try_open(&m, RT_PORT_SYNC, 0), FLX_OK);
    /* The last load's last unit ends at the scratch, the arena's last. */
    plan[HEAD(arena_bytes)] -= 64;
    plan[plan[HEAD(scratch_off)] + 4] = plan[plan[HEAD(buf_off)]];
    rt_plan_seal(plan);
    assert_int_equal(try_open(&m, RT_PORT_SYNC, 0), FLX_OK);
    plan[HEAD(arena_bytes)] -= 64;
    rt_plan_seal(plan);
    assert_int_equal(try_open(&m, RT_PORT_SYNC, 0), FLX_E_PLAN);
    rt_model_free(&m);
}

static void plan__with_a_wrong_boundary_is_refused(void **state)
{
    (void)state;
    const uint32_t edge = HEAD(boundary_off);
    ASSERT_BAD_PLAN(RT_CASCADE, edge, 1, 2); /* lo > hi */
    ASSERT_BAD_PLAN(RT_CASCADE, edge, 2, 5); /* no such layer */
    ASSERT_BAD_PLAN(RT_CASCADE, edge, 3, 6); /* inside an instruction */
    ASSERT_BAD_PLAN(RT_CASCADE, edge, 3, UINT32_MAX);
    ASSERT_BAD_PLAN(RT_CASCADE, edge, 4, 2);  /* another box */
    ASSERT_BAD_PLAN(RT_CASCADE, edge, 5, 12); /* another load */
    ASSERT_BAD_PLAN(RT_CASCADE, edge, 6, 2);
    ASSERT_BAD_PLAN(RT_CASCADE, edge, 7, 0);
    ASSERT_BAD_PLAN(RT_CASCADE, edge, 7, 2); /* not at a LOOP */
    ASSERT_BAD_PLAN(RT_CASCADE, edge, 9 + 4, 0);
    ASSERT_BAD_PLAN(RT_CASCADE, edge, 18 + 7, 7); /* more stripes than it has */
    ASSERT_BAD_PLAN(RT_STRIPES, edge, 18 + 8, 1); /* one iteration too far */
    ASSERT_BAD_PLAN(RT_STRIPES, edge, 18 + 6, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open__says_which_argument_is_wrong),
        cmocka_unit_test(open__needs_a_decoder_for_compressed_chunks),
        cmocka_unit_test(open__refuses_more_threads_than_a_plan_is_for),
        cmocka_unit_test(blob__header_of_another_model_or_version_is_refused),
        cmocka_unit_test(
            blob__that_is_too_short_for_a_header_is_a_storage_error),
        cmocka_unit_test(map__is_verified_once_at_open),
        cmocka_unit_test(tables__that_contradict_each_other_are_refused),
        cmocka_unit_test(plan__with_a_wrong_header_is_refused),
        cmocka_unit_test(add_plan__runs_what_was_not_compiled_in),
        cmocka_unit_test(add_plan__refuses_what_is_no_whole_plan),
        cmocka_unit_test(plan__for_other_tables_is_told_apart),
        cmocka_unit_test(plan__with_a_wrong_buffer_is_refused),
        cmocka_unit_test(plan__may_not_roll_a_buffer_that_is_addressed_whole),
        cmocka_unit_test(plan__with_a_wrong_box_is_refused),
        cmocka_unit_test(plan__with_a_wrong_load_is_refused),
        cmocka_unit_test(plan__has_room_for_whole_units_around_each_load),
        cmocka_unit_test(plan__with_a_wrong_boundary_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
