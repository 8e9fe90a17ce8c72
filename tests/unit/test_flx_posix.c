#include "support/fixture.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "support/rt_session.h"

static const char *write_blob(struct fixture *f, const struct rt_model *m,
                              uint32_t n_bytes)
{
    const char *path = fixture_temp_path(f, "model.flxw");
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(m->blob, 1, n_bytes, file), n_bytes);
    assert_int_equal(fclose(file), 0);
    return path;
}

static void run_plans(const char *path, const struct rt_model *m,
                      enum flx_posix_storage storage, uint32_t n_thread)
{
    for (uint32_t plan = 0; plan < RT_N_PLAN; plan++) {
        struct flx_posix p;
        struct flx_port port;
        assert_int_equal(flx_posix_open(&p, path, storage, n_thread, &port),
                         FLX_OK);
        const uint32_t bytes = flx_arena_bytes(&m->model, RT_STREAM) +
                               flx_arena_bytes(&m->model, RT_RESIDENT);
        uint8_t *arena = flx_posix_arena(bytes, m->model.align);
        assert_non_null(arena);
        struct flx *rt;
        assert_int_equal(flx_open(&m->model, &port, arena, bytes, plan, &rt),
                         FLX_OK);
        for (uint32_t run = 0; run < 4; run++) {
            uint8_t want[RT_IO_BYTES];
            rt_input(run, flx_input(rt, 0));
            assert_int_equal(flx_run(rt), FLX_OK);
            rt_expect(m, run, want);
            assert_memory_equal(flx_output(rt, 0), want, RT_IO_BYTES);
            assert_int_equal(flx_switch_plan(rt, (plan + run) % RT_N_PLAN),
                             FLX_OK);
        }
        flx_close(rt);
        flx_posix_arena_free(arena, bytes);
        flx_posix_close(&p);
    }
}

static void posix__runs_plans_from_every_kind_of_storage(void **state)
{
    struct fixture *f = *state;
    static const struct rt_options k_options[] = {
        {.n_thread = 4},
        {.n_thread = 4, .align = 4096},
        {.n_thread = 4, .compress = true},
    };
    for (uint32_t o = 0; o < 3; o++) {
        struct rt_model m;
        rt_model_build(&m, &k_options[o]);
        const char *path = write_blob(f, &m, m.model.blob_bytes);
        for (uint32_t n = 1; n <= 4; n += 3) {
            run_plans(path, &m, FLX_POSIX_CACHED, n);
            run_plans(path, &m, FLX_POSIX_DIRECT, n);
            run_plans(path, &m, FLX_POSIX_MEMORY, n);
        }
        rt_model_free(&m);
    }
}

static void posix__says_what_is_wrong_with_a_file(void **state)
{
    struct fixture *f = *state;
    struct flx_posix p;
    struct flx_port port;
    assert_int_equal(flx_posix_open(&p, fixture_temp_path(f, "absent"),
                                    FLX_POSIX_CACHED, 1, &port),
                     FLX_E_STORAGE);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(flx_posix_open(&p, "x", FLX_POSIX_CACHED, 0, &port),
                     FLX_E_ARG);
    assert_int_equal(flx_posix_open(&p, "x", FLX_POSIX_CACHED,
                                    FLX_POSIX_MAX_THREAD + 1, &port),
                     FLX_E_ARG);
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){.align = 4096});
    /* Nobody asks a mapping for its length: one that is too short ends here. */
    const uint32_t lengths[] = {60, 64, m.model.blob_bytes - 1};
    for (uint32_t i = 0; i < 3; i++) {
        const char *path = write_blob(f, &m, lengths[i]);
        assert_int_equal(flx_posix_open(&p, path, FLX_POSIX_MEMORY, 1, &port),
                         FLX_E_STORAGE);
    }
    rt_model_free(&m);
}

/* The last chunk is cut off: its read fails, cached and direct, and the port
 * closes cleanly. */
static void posix__reports_a_truncated_file_at_the_read(void **state)
{
    struct fixture *f = *state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    const struct flx_chunk *last = &m.chunk[RT_N_CHUNK - 1];
    const char *path =
        write_blob(f, &m, last->blob_off + last->stored_bytes - 1);
    for (uint32_t s = FLX_POSIX_CACHED; s <= FLX_POSIX_DIRECT; s++) {
        struct flx_posix p;
        struct flx_port port;
        assert_int_equal(
            flx_posix_open(&p, path, (enum flx_posix_storage)s, 1, &port),
            FLX_OK);
        const uint32_t bytes = flx_arena_bytes(&m.model, RT_RESIDENT);
        void *arena = flx_posix_arena(bytes, 64);
        struct flx *rt;
        assert_int_equal(
            flx_open(&m.model, &port, arena, bytes, RT_RESIDENT, &rt), FLX_OK);
        rt_input(1, flx_input(rt, 0));
        assert_int_equal(flx_run(rt), FLX_E_STORAGE);
        flx_close(rt);
        flx_posix_arena_free(arena, bytes);
        flx_posix_close(&p);
    }
    rt_model_free(&m);
}

/* Reads of whole units are exact, also where the file ends inside the last. */
static void file__reads_any_range_and_no_byte_more(void **state)
{
    struct fixture *f = *state;
    enum { LEN = 3 * 4096 + 1000, CAP = 4 * 4096 };
    const char *path = fixture_temp_path(f, "bytes");
    uint8_t *bytes = flx_posix_arena(CAP, 4096);
    uint8_t *dst = flx_posix_arena(CAP + 4096, 4096);
    for (uint32_t i = 0; i < LEN; i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 256 + 1);
    }
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, LEN, file), LEN);
    assert_int_equal(fclose(file), 0);
    for (uint32_t s = FLX_POSIX_CACHED; s <= FLX_POSIX_DIRECT; s++) {
        struct flx_posix p;
        struct flx_port port;
        assert_int_equal(
            flx_posix_open(&p, path, (enum flx_posix_storage)s, 1, &port),
            FLX_OK);
        static const uint32_t k_read[][3] = {
            /* offset, length, bytes that come */
            {0, 4096, 4096}, {4096, 8192, 8192}, {8192, 8192, LEN - 8192},
            {64, 100, 100},  {4000, 5000, 5000}, {LEN - 1, 1, 1},
            {0, CAP, LEN},
        };
        for (uint32_t i = 0; i < sizeof k_read / sizeof *k_read; i++) {
            memset(dst, 0, CAP + 4096);
            assert_int_equal(
                port.start_read(port.ctx, k_read[i][0], dst, k_read[i][1]),
                FLX_OK);
            uint32_t n_in = 0;
            enum flx_err err = FLX_PENDING;
            while (err == FLX_PENDING) {
                const uint32_t before = n_in;
                err = port.finish_read(port.ctx, 1, &n_in);
                assert_true(err == FLX_OK || n_in > before);
            }
            assert_int_equal(err, FLX_OK);
            assert_memory_equal(dst, bytes + k_read[i][0], k_read[i][2]);
            for (uint32_t k = k_read[i][1]; k < CAP; k++) {
                assert_int_equal(dst[k], 0);
            }
        }
        static const uint32_t k_bad[][2] = {
            {LEN, 1}, {0, LEN + 1}, {CAP, 4096}, {12288, 8192}, {LEN + 9, 1}};
        for (uint32_t i = 0; i < sizeof k_bad / sizeof *k_bad; i++) {
            assert_int_equal(
                port.start_read(port.ctx, k_bad[i][0], dst, k_bad[i][1]),
                FLX_E_STORAGE);
        }
        flx_posix_close(&p);
    }
    flx_posix_arena_free(bytes, CAP);
    flx_posix_arena_free(dst, CAP + 4096);
}

/* As many reads under way as the port takes, of all sizes: each brings its own
 * bytes, the oldest first. */
static void file__reads_as_many_at_once_as_it_says(void **state)
{
    struct fixture *f = *state;
    enum { UNIT = 4096, N_UNIT = 1024, N_READ = 400, SLOT = 400 * UNIT };
    const char *path = fixture_temp_path(f, "bytes");
    const uint32_t len = N_UNIT * UNIT;
    uint8_t *bytes = flx_posix_arena(len, UNIT);
    uint8_t *dst = flx_posix_arena(FLX_MAX_IN_FLIGHT * SLOT, UNIT);
    for (uint32_t i = 0; i < len; i++) {
        bytes[i] = (uint8_t)(i * 7 + i / UNIT * 13);
    }
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    for (uint32_t s = FLX_POSIX_CACHED; s <= FLX_POSIX_DIRECT; s++) {
        struct flx_posix p;
        struct flx_port port;
        assert_int_equal(
            flx_posix_open(&p, path, (enum flx_posix_storage)s, 1, &port),
            FLX_OK);
        uint32_t off[N_READ];
        uint32_t n[N_READ];
        uint32_t begun = 0;
        uint32_t random = 1;
        for (uint32_t i = 0; i < N_READ; i++) {
            for (; begun < N_READ && begun - i < port.n_reads; begun++) {
                random = random * 1664525u + 1013904223u;
                /* Mostly small; some that come in several pieces. */
                const uint32_t most = random >> 28 == 0 ? 399 : 8;
                n[begun] = (1 + (random >> 8) % most) * UNIT;
                off[begun] = (random >> 4) % (N_UNIT - n[begun] / UNIT) * UNIT;
                uint8_t *slot = dst + begun % FLX_MAX_IN_FLIGHT * SLOT;
                memset(slot, 0, n[begun]);
                assert_int_equal(
                    port.start_read(port.ctx, off[begun], slot, n[begun]),
                    FLX_OK);
            }
            enum flx_err err = FLX_PENDING;
            while (err == FLX_PENDING) {
                uint32_t n_in = 0;
                err = port.finish_read(port.ctx, random >> 31 != 0, &n_in);
                assert_memory_equal(dst + i % FLX_MAX_IN_FLIGHT * SLOT,
                                    bytes + off[i], n_in);
            }
            assert_int_equal(err, FLX_OK);
            assert_memory_equal(dst + i % FLX_MAX_IN_FLIGHT * SLOT,
                                bytes + off[i], n[i]);
        }
        flx_posix_close(&p);
    }
    flx_posix_arena_free(bytes, len);
    flx_posix_arena_free(dst, FLX_MAX_IN_FLIGHT * SLOT);
}

struct tally {
    _Atomic uint32_t n[64];
    uint32_t n_part;
};

static void count_part(void *arg, uint32_t part, uint32_t n)
{
    struct tally *t = arg;
    if (n == t->n_part && part < n) {
        atomic_fetch_add(&t->n[part], 1);
    }
}

static void parallel__runs_each_part_once(void **state)
{
    struct fixture *f = *state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    const char *path = write_blob(f, &m, m.model.blob_bytes);
    for (uint32_t n_thread = 2; n_thread <= 5; n_thread++) {
        struct flx_posix p;
        struct flx_port port;
        assert_int_equal(
            flx_posix_open(&p, path, FLX_POSIX_MEMORY, n_thread, &port),
            FLX_OK);
        assert_int_equal(port.n_thread, n_thread);
        for (uint32_t i = 0; i < 300; i++) {
            if (i % 100 == 50) {
                /* Long enough for the workers to go to sleep. */
                const struct timespec t = {0, 3000000};
                nanosleep(&t, NULL);
            }
            struct tally t = {.n_part = 1 + i % 9};
            port.parallel(port.ctx, count_part, &t, t.n_part);
            for (uint32_t k = 0; k < 64; k++) {
                assert_int_equal(t.n[k], k < t.n_part);
            }
        }
        flx_posix_close(&p);
    }
    rt_model_free(&m);
}

static void arena__is_aligned_and_gives_pages_back(void **state)
{
    struct fixture *f = *state;
    struct rt_model m;
    rt_model_build(&m, &(struct rt_options){0});
    const char *path = write_blob(f, &m, m.model.blob_bytes);
    struct flx_posix p;
    struct flx_port port;
    assert_int_equal(flx_posix_open(&p, path, FLX_POSIX_MEMORY, 1, &port),
                     FLX_OK);
    for (uint32_t align = 64; align <= 1u << 21; align *= 8) {
        const uint32_t bytes = 100000;
        uint8_t *arena = flx_posix_arena(bytes, align);
        assert_non_null(arena);
        assert_int_equal((uintptr_t)arena % align, 0);
        memset(arena, 9, bytes);
        /* Only whole pages go; nothing below the first byte. */
        port.release(port.ctx, arena + 5000, bytes - 5000);
        assert_int_equal(arena[4999], 9);
        assert_int_equal(arena[8192], 0);
        assert_int_equal(arena[90000], 0);
        assert_int_equal(port.acquire(port.ctx, arena + 5000, bytes - 5000), 1);
        memset(arena, 8, bytes);
        flx_posix_arena_free(arena, bytes);
    }
    const uint64_t before = port.now_us(port.ctx);
    const struct timespec t = {0, 2000000};
    nanosleep(&t, NULL);
    assert_true(port.now_us(port.ctx) >= before + 2000);
    flx_posix_close(&p);
    rt_model_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(posix__runs_plans_from_every_kind_of_storage),
        FIXTURE_TEST(posix__says_what_is_wrong_with_a_file),
        FIXTURE_TEST(posix__reports_a_truncated_file_at_the_read),
        FIXTURE_TEST(file__reads_any_range_and_no_byte_more),
        FIXTURE_TEST(file__reads_as_many_at_once_as_it_says),
        FIXTURE_TEST(parallel__runs_each_part_once),
        FIXTURE_TEST(arena__is_aligned_and_gives_pages_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
