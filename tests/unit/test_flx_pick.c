/* test_flx_pick.c - loads that pick a chunk of a table by a run-time index, on
 * a model of one layer: 7 entries of two words, three to a panel, 5 rows. */
#include "support/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/le.h"
#include "flexrt/flexrt.h"

enum {
    ROWS = 5,
    ENTRIES = 7,
    PANEL_ENTRIES = 3,
    N_PANEL = 3,
    PANEL_BYTES = 128,
    HEAD_WORDS = sizeof(struct flx_plan_head) / 4,
    BUF_WORDS = 4,
    COMPUTE_WORDS = FLX_LOOP_WORDS + FLX_ROWS_WORDS + FLX_END_WORDS,
    LOAD_WORDS = FLX_LOOP_WORDS + FLX_LOAD_WORDS + FLX_END_WORDS,
    BUF_AT = HEAD_WORDS,
    SCRATCH_AT = BUF_AT + BUF_WORDS,
    COMPUTE_AT = SCRATCH_AT + 2,
    LOAD_AT = COMPUTE_AT + COMPUTE_WORDS,
    BOUNDARY_AT = LOAD_AT + LOAD_WORDS,
    PLAN_WORDS = BOUNDARY_AT + FLX_BOUNDARY_WORDS,
    PICK_AT = LOAD_AT + FLX_LOOP_WORDS, /* the load */
    MAX_ALIGN = 512
};

struct pick {
    uint32_t align;
    bool is_wide; /* 8 bytes an index */
    struct flx_layer layer;
    struct flx_buf buf[2];
    uint16_t arg[2];
    struct flx_kernel kernel;
    struct flx_chunk chunk[N_PANEL];
    struct flx_io io[2];
    uint32_t plan[PLAN_WORDS];
    const uint32_t *plans[1];
    struct flx_model model;
    uint8_t blob[4096];
    uint8_t *arena;
    struct flx_port port;
    struct flx *rt;
    uint32_t n_read;
    bool is_padded; /* every read was of whole units */
};

static uint32_t entry_word(uint32_t entry, uint32_t i)
{
    return 1000 * entry + i;
}

/* What k_embed does: the weights are the one panel that has the entry. */
static void copy_row(const struct flx_call *call, const void *arg,
                     uint32_t part, uint32_t n_parts)
{
    const struct pick *const p = arg;
    (void)part;
    (void)n_parts;
    assert_int_equal(call->r1 - call->r0, 1);
    int64_t i = 0;
    const uint8_t *const ix = call->arg[1].base;
    if (p->is_wide) {
        memcpy(&i, ix + 8 * (size_t)call->r0, 8);
    } else {
        int32_t narrow;
        memcpy(&narrow, ix + 4 * (size_t)call->r0, 4);
        i = narrow;
    }
    const uint32_t entry = (uint32_t)FLX_EMBED_ENTRY(i, (int64_t)ENTRIES);
    memcpy(call->arg[0].base + 8 * (size_t)call->r0,
           call->w + 8 * (size_t)(entry % PANEL_ENTRIES), 8);
}

static enum flx_err start_read(void *ctx, uint32_t off, void *dst, uint32_t len)
{
    struct pick *const p = ctx;
    const uint32_t unit = p->port.read_align > 1 ? p->port.read_align : 1;
    p->is_padded = p->is_padded && off % unit == 0 && len % unit == 0 &&
                   (uintptr_t)dst % unit == 0;
    p->n_read++;
    assert_true(off + len <= sizeof p->blob);
    memcpy(dst, p->blob + off, len);
    return FLX_OK;
}

static enum flx_err finish_read(void *ctx, int wait, uint32_t *n_in)
{
    (void)ctx;
    (void)wait;
    (void)n_in;
    return FLX_OK;
}

static void seal(struct pick *p)
{
    uint32_t crc = 0;
    for (uint32_t i = 4; i < PLAN_WORDS; i++) {
        uint8_t le[4];
        le32_put(le, p->plan[i]);
        crc = crc32c(crc, le, sizeof le);
    }
    p->plan[3] = crc;
}

static void make_blob(struct pick *p)
{
    uint32_t at = p->align + 64; /* off the unit on purpose */
    for (uint32_t i = 0; i < N_PANEL; i++) {
        uint8_t *const panel = p->blob + at;
        memset(panel, 0xee, PANEL_BYTES);
        for (uint32_t k = 0; k < 2 * PANEL_ENTRIES; k++) {
            const uint32_t w = entry_word(i * PANEL_ENTRIES + k / 2, k % 2);
            memcpy(panel + 4 * (size_t)k, &w, 4);
        }
        p->chunk[i] = (struct flx_chunk){
            .blob_off = at,
            .stored_bytes = PANEL_BYTES,
            .raw_bytes = PANEL_BYTES,
            .crc = crc32c(0, panel, PANEL_BYTES),
            .panel = (uint16_t)i,
            .n_panel = 1,
        };
        at += PANEL_BYTES;
    }
    uint8_t *const h = p->blob;
    le32_put(h + FLX_BLOB_AT_MAGIC, FLX_BLOB_MAGIC);
    le32_put(h + FLX_BLOB_AT_VERSION, FLX_FORMAT_VERSION);
    le32_put(h + FLX_BLOB_AT_BYTES, sizeof p->blob);
    le32_put(h + FLX_BLOB_AT_N_CHUNK, N_PANEL);
    le32_put(h + FLX_BLOB_AT_ALIGN, p->align);
    le32_put(h + FLX_BLOB_AT_CRC, crc32c(0, h, FLX_BLOB_AT_CRC));
}

/* Input, output and the room of a load, above the state. */
static void make_plan(struct pick *p)
{
    const uint32_t state = FLX_STATE_BYTES(N_PANEL, 0, p->align);
    const uint32_t room = state + 128;
    const uint32_t load = FLX_ROUND_UP(room, p->align);
    const uint32_t whole = FLX_ROUND_UP(PANEL_BYTES, p->align);
    const struct flx_plan_head h = {
        .magic = FLX_PLAN_MAGIC,
        .version = FLX_FORMAT_VERSION,
        .n_words = PLAN_WORDS,
        .arena_bytes = load + whole + (p->align > 64 ? p->align : 0),
        .n_thread = 1,
        .in_flight = 2,
        .n_step = ROWS,
        .n_compute = ROWS,
        .n_load = ROWS,
        .buf_off = BUF_AT,
        .scratch_off = SCRATCH_AT,
        .compute_off = COMPUTE_AT,
        .n_compute_words = COMPUTE_WORDS,
        .load_off = LOAD_AT,
        .n_load_words = LOAD_WORDS,
        .boundary_off = BOUNDARY_AT,
        .n_boundary = 1,
    };
    const uint32_t rest[PLAN_WORDS - HEAD_WORDS] = {/* buffers */ state,
                                                    ROWS,
                                                    state + 64,
                                                    ROWS,
                                                    /* scratch */ 0,
                                                    0,
                                                    /* boxes */ FLX_LOOP,
                                                    ROWS,
                                                    FLX_ROWS_WORDS,
                                                    FLX_ROWS,
                                                    0 | 1 << 16,
                                                    0,
                                                    load,
                                                    1,
                                                    1,
                                                    1,
                                                    1,
                                                    FLX_END,
                                                    /* loads */ FLX_LOOP,
                                                    ROWS,
                                                    FLX_LOAD_WORDS,
                                                    FLX_LOAD | FLX_LOAD_PICKS
                                                                   << 4,
                                                    0,
                                                    1,
                                                    load,
                                                    0,
                                                    1,
                                                    FLX_END,
                                                    /* boundary */ 0,
                                                    0,
                                                    0,
                                                    0,
                                                    0,
                                                    0,
                                                    0,
                                                    1,
                                                    0};
    memcpy(p->plan, &h, sizeof h);
    memcpy(p->plan + HEAD_WORDS, rest, sizeof rest);
    seal(p);
}

static void make(struct pick *p, uint32_t align, bool is_wide)
{
    memset(p, 0, sizeof *p);
    p->align = align;
    p->is_wide = is_wide;
    p->is_padded = true;
    make_blob(p);
    make_plan(p);
    p->layer = (struct flx_layer){.n_arg = 2,
                                  .rows = ROWS,
                                  .n_panel = N_PANEL,
                                  .n_kblock = 1,
                                  .n_chunk = N_PANEL,
                                  .index_bytes = is_wide ? 8 : 4,
                                  .entries = ENTRIES,
                                  .panel_entries = PANEL_ENTRIES};
    p->buf[0] = (struct flx_buf){ROWS, is_wide ? 8 : 4, 0, 0, 1};
    p->buf[1] = (struct flx_buf){ROWS, 8, 0, 1, 1};
    p->arg[0] = 1;
    p->kernel = (struct flx_kernel){copy_row, p};
    p->io[0] = (struct flx_io){.name = "in",
                               .dtype = is_wide ? 7 : 6,
                               .bytes = ROWS * p->buf[0].row_bytes,
                               .rank = 1,
                               .dim = {ROWS}};
    p->io[1] = (struct flx_io){.name = "out",
                               .dtype = 1,
                               .buf = 1,
                               .bytes = ROWS * 8,
                               .rank = 2,
                               .dim = {ROWS, 2}};
    p->plans[0] = p->plan;
    p->model = (struct flx_model){.version = FLX_FORMAT_VERSION,
                                  .align = align,
                                  .name = "pick",
                                  .blob_bytes = sizeof p->blob,
                                  .n_layer = 1,
                                  .n_buf = 2,
                                  .n_kernel = 1,
                                  .n_input = 1,
                                  .n_output = 1,
                                  .n_plan = 1,
                                  .n_chunk = N_PANEL,
                                  .n_arg = 2,
                                  .layer = &p->layer,
                                  .buf = p->buf,
                                  .arg = p->arg,
                                  .kernel = &p->kernel,
                                  .chunk = p->chunk,
                                  .input = &p->io[0],
                                  .output = &p->io[1],
                                  .plan = p->plans};
    p->port = (struct flx_port){
        .ctx = p, .start_read = start_read, .finish_read = finish_read};
    void *arena = NULL;
    assert_int_equal(posix_memalign(&arena, MAX_ALIGN, 8192), 0);
    p->arena = arena;
}

static enum flx_err open_it(struct pick *p)
{
    return flx_open(&p->model, &p->port, p->arena, 8192, 0, &p->rt);
}

/* The rows that an index picks, by the rule of the operator. */
static void run_and_check(struct pick *p, const int64_t index[ROWS])
{
    static const uint8_t k_zero[8] = {0};
    uint8_t *const in = flx_input(p->rt, 0);
    for (uint32_t r = 0; r < ROWS; r++) {
        const int32_t narrow = (int32_t)index[r];
        memcpy(in + (size_t)r * p->buf[0].row_bytes,
               p->is_wide ? (const void *)&index[r] : (const void *)&narrow,
               p->buf[0].row_bytes);
    }
    assert_int_equal(flx_run(p->rt), FLX_OK);
    const uint8_t *const out = flx_output(p->rt, 0);
    for (uint32_t r = 0; r < ROWS; r++) {
        int64_t i = index[r] < 0 ? index[r] + ENTRIES : index[r];
        i = i < 0 ? 0 : i >= ENTRIES ? ENTRIES - 1 : i;
        for (uint32_t k = 0; k < 2; k++) {
            uint32_t got;
            memcpy(&got, out + 8 * (size_t)r + 4 * (size_t)k, 4);
            assert_int_equal(got, entry_word((uint32_t)i, k));
        }
    }
    assert_memory_not_equal(out, k_zero, 8);
}

static void pick__brings_the_entries_of_each_run(void **state)
{
    (void)state;
    static const int64_t index[][ROWS] = {
        {0, 6, 3, 2, 5}, {6, 6, 0, 6, 0}, {-1, -7, 1, -3, 4}};
    for (uint32_t kind = 0; kind < 6; kind++) {
        struct pick p;
        make(&p, kind < 3 ? 64 : 512, kind % 2 == 0);
        p.port.read_align = kind == 1 ? 64 : kind > 3 ? 512 : 0;
        assert_int_equal(open_it(&p), FLX_OK);
        p.n_read = 0;
        for (size_t i = 0; i < ARRAY_LEN(index); i++) {
            run_and_check(&p, index[i]);
            assert_int_equal(p.n_read, ROWS * (i + 1));
        }
        assert_true(p.is_padded);
        flx_close(p.rt);
        free(p.arena);
    }
}

/* No byte outside the table is read, whatever the index. */
static void pick__takes_an_index_outside_as_the_nearest(void **state)
{
    (void)state;
    static const int64_t wide[ROWS] = {INT64_MIN, INT64_MAX, -8, 7,
                                       INT64_C(1) << 32};
    static const int64_t narrow[ROWS] = {INT32_MIN, INT32_MAX, -8, 7, -100};
    for (uint32_t is_wide = 0; is_wide < 2; is_wide++) {
        struct pick p;
        make(&p, 512, is_wide);
        assert_int_equal(open_it(&p), FLX_OK);
        run_and_check(&p, is_wide ? wide : narrow);
        flx_close(p.rt);
        free(p.arena);
    }
}

static void pick__reads_a_mapped_blob(void **state)
{
    (void)state;
    static const int64_t index[ROWS] = {5, 4, 3, 2, 1};
    struct pick p;
    make(&p, 64, true);
    p.port.map = p.blob;
    assert_int_equal(open_it(&p), FLX_OK);
    run_and_check(&p, index);
    assert_int_equal(p.n_read, 0);
    flx_close(p.rt);
    free(p.arena);
}

static void pick__finds_a_flipped_bit_of_the_chunk_it_reads(void **state)
{
    (void)state;
    static const int64_t index[ROWS] = {0, 1, 2, 0, 0};
    struct pick p;
    make(&p, 512, true);
    assert_int_equal(open_it(&p), FLX_OK);
    p.blob[p.chunk[1].blob_off + 5] ^= 1;
    run_and_check(&p, index); /* the first panel only */
    int64_t other = 4;
    memcpy(flx_input(p.rt, 0), &other, sizeof other);
    assert_int_equal(flx_run(p.rt), FLX_E_CHECKSUM);
    p.blob[p.chunk[1].blob_off + 5] ^= 1;
    run_and_check(&p, index);
    flx_close(p.rt);
    free(p.arena);
}

/* Word `at` of the plan set to `word`. */
static void pick__refuses_plans_that_reach_too_far(void **state)
{
    (void)state;
    static const struct {
        uint32_t at;
        uint32_t word;
    } k_broken[] = {
        {PICK_AT, FLX_LOAD | 3 << 4},     /* resident, too */
        {PICK_AT, FLX_LOAD | 4 << 4},     /* unknown */
        {PICK_AT + 1, 1},                 /* no such layer */
        {PICK_AT + 1, UINT32_MAX},        /* likewise */
        {PICK_AT + 2, 2},                 /* two chunks */
        {PICK_AT + 3, 0},                 /* in the state */
        {PICK_AT + 3, 2048 + 512 + 64},   /* off its alignment */
        {PICK_AT + 3, 4096},              /* above the arena's end */
        {PICK_AT + 4, (uint32_t)-1},      /* in the run before */
        {PICK_AT + 5, (uint32_t)-1},      /* likewise */
        {LOAD_AT + 1, ROWS + 1},          /* more than there are rows */
        {BUF_AT + 1, ROWS - 1},           /* indices not held in full */
        {COMPUTE_AT + 3 + 1, 0 | 4 << 16} /* more panels than there are */
    };
    struct pick p;
    make(&p, 512, true);
    assert_int_equal(open_it(&p), FLX_OK);
    for (size_t i = 0; i < ARRAY_LEN(k_broken); i++) {
        const uint32_t was = p.plan[k_broken[i].at];
        p.plan[k_broken[i].at] = k_broken[i].word;
        seal(&p);
        if (open_it(&p) != FLX_E_PLAN) {
            fail_msg("plan %u is accepted", (unsigned)i);
        }
        p.plan[k_broken[i].at] = was;
    }
    seal(&p);
    assert_int_equal(open_it(&p), FLX_OK);
    free(p.arena);
}

static void pick__refuses_tables_that_do_not_fit(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 8; i++) {
        struct pick p;
        make(&p, 64, true);
        p.layer.index_bytes = i == 0 ? 2 : p.layer.index_bytes;
        p.layer.entries = i == 1 ? 10 : i == 2 ? 0 : p.layer.entries;
        p.layer.panel_entries = i == 3 ? 0 : p.layer.panel_entries;
        p.layer.n_arg = i == 4 ? 1 : p.layer.n_arg;
        p.buf[0].row_bytes = i == 5 ? 4 : p.buf[0].row_bytes;
        p.arg[1] = i == 6 ? FLX_BUF_NONE : p.arg[1];
        p.chunk[1].codec = i == 7 ? FLX_CODEC_ZSTD : FLX_CODEC_RAW;
        assert_int_equal(open_it(&p), FLX_E_MODEL);
        free(p.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pick__brings_the_entries_of_each_run),
        cmocka_unit_test(pick__takes_an_index_outside_as_the_nearest),
        cmocka_unit_test(pick__reads_a_mapped_blob),
        cmocka_unit_test(pick__finds_a_flipped_bit_of_the_chunk_it_reads),
        cmocka_unit_test(pick__refuses_plans_that_reach_too_far),
        cmocka_unit_test(pick__refuses_tables_that_do_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
