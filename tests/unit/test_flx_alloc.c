/* After flx_open nothing is allocated: not by the core, the POSIX port, its
 * threads or the codec, in runs, steps, switches and failures. This program's
 * own malloc and its kin count and pass on, for every library in the process;
 * under a sanitizer its hooks count. */
#include "support/fixture.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/rt_session.h"

static _Atomic uint64_t k_n_alloc;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_HOOKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_HOOKS 1
#endif
#endif

#if defined(HAS_HOOKS)

/* Not every compiler has the header of it. */
int __sanitizer_install_malloc_and_free_hooks(/* NOLINT(*-reserved-*) */
                                              void (*on_alloc)(
                                                  const volatile void *ptr,
                                                  size_t n),
                                              void (*on_free)(
                                                  const volatile void *ptr));

static void on_alloc(const volatile void *ptr, size_t n)
{
    (void)ptr;
    (void)n;
    atomic_fetch_add(&k_n_alloc, 1);
}

static void on_free(const volatile void *ptr)
{
    (void)ptr;
}

static bool start_counting(void)
{
    return __sanitizer_install_malloc_and_free_hooks(on_alloc, on_free) != 0;
}

#elif defined(__GLIBC__)

void *__libc_malloc(size_t n);             /* NOLINT(*-reserved-identifier) */
void *__libc_calloc(size_t n, size_t m);   /* NOLINT(*-reserved-identifier) */
void *__libc_realloc(void *p, size_t n);   /* NOLINT(*-reserved-identifier) */
void *__libc_memalign(size_t a, size_t n); /* NOLINT(*-reserved-identifier) */

void *malloc(size_t n)
{
    atomic_fetch_add(&k_n_alloc, 1);
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t m)
{
    atomic_fetch_add(&k_n_alloc, 1);
    return __libc_calloc(n, m);
}

void *realloc(void *p, size_t n)
{
    atomic_fetch_add(&k_n_alloc, 1);
    return __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    atomic_fetch_add(&k_n_alloc, 1);
    return __libc_memalign(align, n);
}

static bool start_counting(void)
{
    return true;
}

#else

static bool start_counting(void)
{
    return false;
}

#endif

enum { N_RUN = 6 };

struct opened {
    struct flx_posix posix;
    struct flx_port port;
    uint8_t *arena;
    uint32_t bytes;
    struct flx *rt;
};

static void open_file(struct opened *o, const struct rt_model *m,
                      const char *path, enum flx_posix_storage storage,
                      uint32_t n_thread)
{
    assert_int_equal(
        flx_posix_open(&o->posix, path, storage, n_thread, &o->port), FLX_OK);
    o->bytes = flx_arena_bytes(&m->model, RT_STREAM) +
               flx_arena_bytes(&m->model, RT_RESIDENT);
    o->arena = flx_posix_arena(o->bytes, m->model.align);
    assert_non_null(o->arena);
    assert_int_equal(
        flx_open(&m->model, &o->port, o->arena, o->bytes, 0, &o->rt), FLX_OK);
}

static void close_file(struct opened *o)
{
    flx_close(o->rt);
    flx_posix_arena_free(o->arena, o->bytes);
    flx_posix_close(&o->posix);
}

/* Runs, whole and by the step, with switches and refused requests between and
 * inside; `in` and `want` are made before. */
static uint64_t count_runs(struct opened *o, uint8_t (*in)[RT_IO_BYTES],
                           uint8_t (*want)[RT_IO_BYTES])
{
    struct flx_info info;
    uint32_t n_wrong = 0;
#if defined(HAS_HOOKS)
    /* A sanitizer allocates in each thread that has just begun. */
    memcpy(flx_input(o->rt, 0), in[0], RT_IO_BYTES);
    n_wrong += flx_run(o->rt) != FLX_OK;
#endif
    const uint64_t before = atomic_load(&k_n_alloc);
    for (uint32_t run = 0; run < N_RUN; run++) {
        memcpy(flx_input(o->rt, 0), in[run], RT_IO_BYTES);
        enum flx_err err = FLX_PENDING;
        for (uint32_t step = 0; err == FLX_PENDING; step++) {
            const uint32_t plan = (run + step) % 7;
            (void)flx_switch_plan(o->rt, plan == 6 ? 99 : plan % RT_N_PLAN);
            err = run % 2 ? flx_step(o->rt) : flx_run(o->rt);
        }
        n_wrong += err != FLX_OK ||
                   memcmp(flx_output(o->rt, 0), want[run], RT_IO_BYTES) != 0;
        (void)flx_switch_budget(o->rt, run * 1000);
        n_wrong += flx_settle(o->rt) != FLX_OK;
        flx_query(o->rt, &info);
    }
    const uint64_t n = atomic_load(&k_n_alloc) - before;
    assert_int_equal(n_wrong, 0);
    return n;
}

static void flx__allocates_nothing_once_open(void **state)
{
    struct fixture *const f = *state;
    static const struct rt_options k_options[] = {
        {.n_thread = 3},
        {.n_thread = 3, .align = 4096},
        {.n_thread = 3, .compress = true},
    };
    uint8_t in[N_RUN][RT_IO_BYTES];
    uint8_t want[N_RUN][RT_IO_BYTES];
    const char *const path = fixture_temp_path(f, "model.flxw");
    for (uint32_t o = 0; o < sizeof k_options / sizeof *k_options; o++) {
        struct rt_model m;
        rt_model_build(&m, &k_options[o]);
        FILE *const file = fopen(path, "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(m.blob, 1, m.model.blob_bytes, file),
                         m.model.blob_bytes);
        assert_int_equal(fclose(file), 0);
        for (uint32_t run = 0; run < N_RUN; run++) {
            rt_input(run, in[run]);
            rt_expect(&m, run, want[run]);
        }
        for (uint32_t i = 0; i < 6; i++) {
            struct opened s;
            open_file(&s, &m, path, (enum flx_posix_storage)(i % 3),
                      i < 3 ? 1 : 3);
            assert_int_equal(count_runs(&s, in, want), 0);
            close_file(&s);
        }
        rt_model_free(&m);
    }
}

/* What counts sees this program's allocations, and those of its threads. */
static void count__sees_what_is_allocated(void **state)
{
    (void)state;
    const uint64_t before = atomic_load(&k_n_alloc);
    void *volatile p = malloc(10);
    free(p);
    p = calloc(10, 10);
    p = realloc(p, 1000);
    free(p);
    assert_int_equal(atomic_load(&k_n_alloc) - before, 3);
}

int main(void)
{
    if (!start_counting()) {
        printf("skipped: neither glibc nor a sanitizer\n");
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(count__sees_what_is_allocated),
        FIXTURE_TEST(flx__allocates_nothing_once_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
