#include <string.h>

#include "base/buf.h"
#include "base/crc32c.h"
#include "base/le.h"
#include "codegen/cg_table.h"
#include "run/run_table.h"
#include "support/fixture.h"

enum { KERNEL_ID = 77, PLAN_WORDS = sizeof(struct flx_plan_head) / 4 + 3 };

static void kernel_fn(const struct flx_call *call, const void *arg,
                      uint32_t part, uint32_t n_parts)
{
    (void)call;
    (void)arg;
    (void)part;
    (void)n_parts;
}

static struct run_kernel find(const char *isa, uint32_t id)
{
    (void)isa;
    return id == KERNEL_ID ? (struct run_kernel){kernel_fn, 2}
                           : (struct run_kernel){NULL, 0};
}

static const struct run_kernels kernels = {find, NULL};

/* A model with one of everything, n_entry times (1: without a name), through
 * the compiler's own writer. */
static struct span make_entries(struct fixture *f, uint32_t kernel_id,
                                uint32_t n_entry)
{
    static const struct flx_buf bufs[] = {{4, 16, 0, 1, 1}, {2, 8, 0, 1, 0}};
    static const uint16_t args[] = {1, 0, FLX_BUF_NONE};
    static const struct flx_layer layers[] = {
        {0, 3, 0, 2, 1, 1, 0, 1, 8, 2, 5, 3, 64}};
    static const struct flx_chunk chunks[] = {
        {64, 128, 128, 0xdeadbeef, 0, 0, 0, 0, 1, FLX_CODEC_RAW}};
    static const struct flx_io in = {"in", 1, 0, 64, 2, {4, 4}};
    static const struct flx_io out = {"out", 1, 1, 16, 1, {4}};
    static const uint32_t words[] = {11, 22};
    static const char *const names[] = {"conv1"};
    static const char *const algorithms[] = {"direct"};
    static const uint64_t macs[] = {UINT64_C(5) << 32 | 7};
    const struct cg_kernel kernel = {kernel_id, words, 2};
    uint32_t plan[PLAN_WORDS] = {FLX_PLAN_MAGIC, FLX_FORMAT_VERSION,
                                 PLAN_WORDS};
    plan[PLAN_WORDS - 1] = 99;
    const uint32_t *const plans[] = {plan};
    struct cg_kernel instances[] = {kernel};
    struct cg_model g = {
        .kernel = instances,
        .layer_name = names,
        .layer_macs = macs,
        .layer_algorithm = algorithms,
        .model = {.version = FLX_FORMAT_VERSION,
                  .align = 64,
                  .id = {1, 2, 3},
                  .tables = {4, 5},
                  .name = "tiny",
                  .blob_bytes = 192,
                  .n_layer = 1,
                  .n_buf = 2,
                  .n_kernel = 1,
                  .n_input = 1,
                  .n_output = 1,
                  .n_plan = 1,
                  .n_chunk = 1,
                  .n_arg = 3,
                  .layer = layers,
                  .buf = bufs,
                  .arg = args,
                  .chunk = chunks,
                  .input = &in,
                  .output = &out,
                  .plan = plans},
    };
    struct buf b;
    buf_init(&b, &f->keep);
    struct cg_model both[] = {g, g};
    if (n_entry > 1) {
        both[0].model.entry = "A1";
        both[1].model.entry = "B22";
        both[1].model.blob_bytes = 256;
    }
    assert_true(cg_table(both, n_entry, &b));
    return buf_bytes(&b);
}

static struct span make_table(struct fixture *f, uint32_t kernel_id)
{
    return make_entries(f, kernel_id, 1);
}

static void parse__gives_back_all_entries(void **state)
{
    struct fixture *f = *state;
    struct run_model m = {0};
    assert_true(run_table_parse(make_entries(f, KERNEL_ID, 2), "t.flxt",
                                &kernels, &f->cx, &m));
    assert_int_equal(m.n_entry, 2);
    assert_ptr_equal(m.tables, m.entry);
    assert_string_equal(m.entry[0].entry, "A1");
    assert_string_equal(m.entry[1].entry, "B22");
    assert_int_equal(m.entry[1].entry_ix, 1);
    assert_int_equal(m.entry[1].blob_bytes, 256);
    run_model_choose(&m, 1);
    assert_string_equal(m.tables->entry, "B22");
    assert_string_equal(m.layer[0].name, "conv1");
}

static void parse__gives_back_what_the_compiler_wrote(void **state)
{
    struct fixture *f = *state;
    struct run_model m = {0};
    assert_true(run_table_parse(make_table(f, KERNEL_ID), "t.flxt", &kernels,
                                &f->cx, &m));
    const struct flx_model *t = m.tables;
    assert_string_equal(t->name, "tiny");
    assert_int_equal(t->id[2], 3);
    assert_int_equal(t->tables[0], 4);
    assert_int_equal(t->tables[1], 5);
    assert_int_equal(t->align, 64);
    assert_int_equal(t->blob_bytes, 192);
    assert_int_equal(t->buf[0].row_bytes, 16);
    assert_int_equal(t->buf[0].whole, 1);
    assert_int_equal(t->arg[2], FLX_BUF_NONE);
    assert_int_equal(t->layer[0].guard, 2);
    assert_int_equal(t->layer[0].scratch_bytes, 64);
    assert_int_equal(t->layer[0].n_chunk, 1);
    assert_true(t->kernel[0].fn == kernel_fn);
    assert_int_equal(((const uint32_t *)t->kernel[0].arg)[1], 22);
    assert_int_equal(t->chunk[0].crc, 0xdeadbeef);
    assert_int_equal(t->chunk[0].n_panel, 1);
    assert_string_equal(t->input[0].name, "in");
    assert_int_equal(t->input[0].dim[1], 4);
    assert_string_equal(t->output[0].name, "out");
    assert_int_equal(t->plan[0][PLAN_WORDS - 1], 99);
    assert_string_equal(m.layer[0].name, "conv1");
    assert_string_equal(m.layer[0].algorithm, "direct");
    assert_true(m.layer[0].macs == (UINT64_C(5) << 32 | 7));
}

static void parse__refuses_any_cut_file(void **state)
{
    struct fixture *f = *state;
    const struct span file = make_entries(f, KERNEL_ID, 2);
    for (uint64_t len = 0; len < file.len; len++) {
        struct run_model m;
        diag_init(&f->diag);
        assert_false(run_table_parse((struct span){file.data, len}, "c.flxt",
                                     &kernels, &f->cx, &m));
        assert_diag(f, E_TABLE, "c.flxt");
    }
}

static void parse__refuses_any_flipped_bit(void **state)
{
    struct fixture *f = *state;
    const struct span file = make_table(f, KERNEL_ID);
    uint8_t *copy = arena_alloc(&f->keep, file.len, 4);
    assert_non_null(copy);
    memcpy(copy, file.data, file.len);
    for (uint64_t i = 0; i < file.len * 8; i++) {
        struct run_model m;
        diag_init(&f->diag);
        copy[i / 8] ^= (uint8_t)(1u << i % 8);
        assert_false(run_table_parse((struct span){copy, file.len}, "f.flxt",
                                     &kernels, &f->cx, &m));
        assert_diag(f, E_TABLE, "f.flxt");
        copy[i / 8] ^= (uint8_t)(1u << i % 8);
    }
}

/* With a checksum that matches, every word set to values that lie: nothing is
 * read or taken beyond the file (the sanitizers watch), and what is accepted
 * has its indices in range. */
static void survive_lies(struct fixture *f, struct span file)
{
    static const uint32_t lies[] = {0,          1,          0x7fffffff,
                                    0xffff,     0x10000,    0xffffffff,
                                    0x80000000, 0x3fffffff, 5};
    uint8_t *copy = arena_alloc(&f->keep, file.len, 4);
    assert_non_null(copy);
    for (uint64_t at = 16; at < file.len; at += 4) {
        for (size_t k = 0; k < ARRAY_LEN(lies); k++) {
            struct run_model m = {0};
            memcpy(copy, file.data, file.len);
            le32_put(copy + at, lies[k]);
            le32_put(copy + 12, crc32c(0, copy + 16, file.len - 16));
            diag_init(&f->diag);
            const struct span changed = {copy, file.len};
            if (!run_table_parse(changed, "l.flxt", &kernels, &f->cx, &m)) {
                assert_diag(f, E_TABLE, "l.flxt");
                continue;
            }
            for (uint32_t i = 0; i < m.tables->n_layer; i++) {
                assert_true(m.tables->layer[i].kernel < m.tables->n_kernel);
                assert_true(m.tables->layer[i].n_arg <= FLX_MAX_ARG);
            }
        }
    }
    assert_true(f->keep.peak_bytes < 64u * 1024 * 1024);
}

static void parse__survives_any_word_that_lies(void **state)
{
    struct fixture *f = *state;
    survive_lies(f, make_table(f, KERNEL_ID));
}

static void parse__survives_any_word_of_entries_that_lies(void **state)
{
    struct fixture *f = *state;
    survive_lies(f, make_entries(f, KERNEL_ID, 2));
}

static void parse__refuses_a_kernel_it_does_not_have(void **state)
{
    struct fixture *f = *state;
    struct run_model m;
    assert_false(run_table_parse(make_table(f, KERNEL_ID + 1), "k.flxt",
                                 &kernels, &f->cx, &m));
    assert_diag(f, E_TABLE, "k.flxt");
}

static void parse__fails_cleanly_without_memory(void **state)
{
    struct fixture *f = *state;
    struct fixture other = {.fault.fail_at = ARENA_NO_FAULT};
    diag_init(&other.diag);
    arena_init(&other.keep, ARENA_NO_CAP, &other.diag);
    const struct span file = make_entries(&other, KERNEL_ID, 2);
    bool is_done = false;
    for (uint64_t k = 0; !is_done; k++) {
        struct run_model m;
        fixture_restart(f, k);
        is_done = run_table_parse(file, "m.flxt", &kernels, &f->cx, &m);
        if (!is_done) {
            assert_int_equal(f->diag.id, E_MEMORY);
        }
    }
    arena_free(&other.keep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(parse__gives_back_what_the_compiler_wrote),
        FIXTURE_TEST(parse__gives_back_all_entries),
        FIXTURE_TEST(parse__refuses_any_cut_file),
        FIXTURE_TEST(parse__refuses_any_flipped_bit),
        FIXTURE_TEST(parse__survives_any_word_that_lies),
        FIXTURE_TEST(parse__survives_any_word_of_entries_that_lies),
        FIXTURE_TEST(parse__refuses_a_kernel_it_does_not_have),
        FIXTURE_TEST(parse__fails_cleanly_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
