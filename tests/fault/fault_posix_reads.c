/* What the system's reads do to the POSIX port: the k-th pread, or read by the
 * ring, is interrupted, told to try again, comes short, fails, meets the end of
 * the file or brings flipped bits, for k = 0, 1, 2 ... until all runs succeed;
 * and the file is cut off, written over or replaced between two runs. Each time
 * the error is the documented one or none, no output is wrong, and with the
 * file as it was the next run is right. */
/* The system's own name, for RTLD_NEXT. */
#define _GNU_SOURCE /* NOLINT(*-reserved-identifier,cert-dcl*) */
#include "support/fixture.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#include "support/rt_session.h"

enum { N_RUN = 3 };

/* ---- the system's pread, which this program's own takes the place of ---- */

enum how { INTERRUPTED, AGAIN, SHORT, FAILS, ENDS, FLIPPED, N_HOW };

static struct {
    _Atomic uint64_t n; /* calls since it was armed */
    uint64_t k;
    enum how how;
    _Atomic bool is_always; /* each call, not the k-th alone */
} k_pread = {.k = UINT64_MAX};

ssize_t pread(int fd, void *dst, size_t len, off_t off)
{
    if (atomic_fetch_add(&k_pread.n, 1) != k_pread.k && !k_pread.is_always) {
        const off_t before = lseek(fd, 0, SEEK_CUR);
        const ssize_t n =
            lseek(fd, off, SEEK_SET) == off ? read(fd, dst, len) : -1;
        (void)lseek(fd, before, SEEK_SET);
        return n;
    }
    switch (k_pread.how) {
    case INTERRUPTED:
        errno = EINTR;
        return -1;
    case AGAIN:
        errno = EAGAIN;
        return -1;
    case FAILS:
        errno = EIO;
        return -1;
    case ENDS:
        return 0;
    case SHORT:
        /* What direct reads may come to: whole units. */
        return pread(fd, dst, len > 8192 ? 4096 : len > 1 ? len / 2 : len, off);
    case FLIPPED: {
        const ssize_t n = pread(fd, dst, len, off);
        /* All of them: whole units begin and end with others' bytes. */
        for (ssize_t i = 0; i < n; i++) {
            ((uint8_t *)dst)[i] ^= 0x10;
        }
        return n;
    }
    case N_HOW:
        break;
    }
    return -1;
}

static void arm(enum how how, uint64_t k)
{
    k_pread.how = how;
    k_pread.k = k;
    atomic_store(&k_pread.n, 0);
}

static bool was_hit(void)
{
    return atomic_load(&k_pread.n) > k_pread.k;
}

/* ---- the same for the ring ---- */

/* What its calls do: beyond N_HOW, which is about what they bring. */
enum { CALL_INTERRUPTED = N_HOW + 1, CALL_AGAIN, CALL_TAKES_ONE, N_RING_HOW };

static struct {
    bool is_absent;          /* the system has none */
    struct flx_posix *posix; /* whose */
    uint64_t n;              /* results, or calls, since it was armed */
    uint64_t k;
    uint32_t how;
    uint32_t n_out;   /* reads that are on their way */
    bool pread_fails; /* after the fault */
} k_ring = {.k = UINT64_MAX};

#ifdef SYS_io_uring_enter

/* As <linux/io_uring.h> has it. */
struct result {
    uint64_t tag;
    int32_t n;
    uint32_t flags;
};

static void spoil(struct result *e)
{
    uint8_t *const dst = k_ring.posix->piece[e->tag].dst;
    const int32_t came = e->n;
    switch (k_ring.how) {
    case INTERRUPTED:
        e->n = -EINTR;
        break;
    case AGAIN:
        e->n = -EAGAIN;
        break;
    case FAILS:
        e->n = -EIO;
        break;
    case SHORT:
        e->n = came > 4096 ? 4096 : came / 2;
        break;
    case ENDS:
        e->n = 0;
        break;
    default: /* FLIPPED */
        for (int32_t i = 0; i < came; i++) {
            dst[i] ^= 0x10;
        }
        return;
    }
    for (int32_t i = e->n > 0 ? e->n : 0; i < came; i++) {
        dst[i] = 0xa5;
    }
    if (k_ring.pread_fails) {
        arm(FAILS, 0);
    }
}

typedef long (*syscall_fn)(long number, ...);

static long enter(syscall_fn real, long fd, long n, long n_wait, long flags)
{
    if (k_ring.how > N_HOW && n > 0 && k_ring.n++ == k_ring.k) {
        if (k_ring.how != CALL_TAKES_ONE) {
            errno = k_ring.how == CALL_AGAIN ? EAGAIN : EINTR;
            return -1;
        }
        n = 1;
    }
    const struct flx_posix_ring *const r = &k_ring.posix->ring;
    const uint32_t before = atomic_load(r->taken_tail);
    const long taken = real(SYS_io_uring_enter, fd, n, 0L, 0L, NULL, 0L);
    k_ring.n_out += taken > 0 ? (uint32_t)taken : 0;
    /* All that is on its way comes here, before the port looks. */
    (void)n_wait;
    while (k_ring.n_out > 0) {
        (void)real(SYS_io_uring_enter, fd, 0L, 1L, flags | 1L, NULL, 0L);
        const uint32_t n_came = atomic_load(r->taken_tail) - before;
        if (n_came >= k_ring.n_out) {
            k_ring.n_out = 0;
        }
    }
    for (uint32_t i = before; i != atomic_load(r->taken_tail); i++) {
        if (k_ring.how < N_HOW && k_ring.n++ == k_ring.k) {
            spoil((struct result *)r->taken + (i & r->taken_mask));
        }
    }
    return taken;
}

/* This program's own takes the place of the system's. */
long syscall(long number, ...)
{
    long arg[6] = {0};
    va_list list;
    va_start(list, number);
    for (uint32_t i = 0; i < (number == SYS_io_uring_setup ? 2 : 6); i++) {
        arg[i] = va_arg(list, long);
    }
    va_end(list);
    syscall_fn real;
    *(void **)&real = dlsym(RTLD_NEXT, "syscall");
    if (number == SYS_io_uring_setup && k_ring.is_absent) {
        errno = ENOSYS;
        return -1;
    }
    if (number == SYS_io_uring_enter && k_ring.posix) {
        return enter(real, arg[0], arg[1], arg[2], arg[3]);
    }
    return real(number, arg[0], arg[1], arg[2], arg[3], arg[4], arg[5]);
}

#endif

static void arm_ring(uint32_t how, uint64_t k)
{
    k_ring.how = how;
    k_ring.k = k;
    k_ring.n = 0;
}

/* ---- a model in a file ---- */

struct opened {
    const struct rt_model *m;
    struct flx_posix posix;
    struct flx_port port;
    uint8_t *arena;
    uint32_t bytes;
    struct flx *rt;
};

static void write_file(const char *path, const char *mode, const void *data,
                       size_t n)
{
    FILE *const file = fopen(path, mode);
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static void open_file(struct opened *o, const struct rt_model *m,
                      const char *path, enum flx_posix_storage storage,
                      uint32_t plan)
{
    o->m = m;
    assert_int_equal(flx_posix_open(&o->posix, path, storage, 1, &o->port),
                     FLX_OK);
    k_ring.posix = o->posix.ring.fd >= 0 ? &o->posix : NULL;
    o->bytes = flx_arena_bytes(&m->model, plan);
    o->arena = flx_posix_arena(o->bytes, m->model.align);
    assert_non_null(o->arena);
    assert_int_equal(
        flx_open(&m->model, &o->port, o->arena, o->bytes, plan, &o->rt),
        FLX_OK);
}

static void close_file(struct opened *o)
{
    flx_close(o->rt);
    flx_posix_arena_free(o->arena, o->bytes);
    flx_posix_close(&o->posix);
    k_ring.posix = NULL;
}

/* One run; the output is right if it says so. */
static enum flx_err run(struct opened *o, uint32_t seed)
{
    uint8_t want[RT_IO_BYTES];
    rt_input(seed, flx_input(o->rt, 0));
    const enum flx_err err = flx_run(o->rt);
    if (err == FLX_OK) {
        rt_expect(o->m, seed, want);
        assert_memory_equal(flx_output(o->rt, 0), want, RT_IO_BYTES);
    }
    return err;
}

static enum flx_err expected(enum how how)
{
    return how == FLIPPED                ? FLX_E_CHECKSUM
           : how == FAILS || how == ENDS ? FLX_E_STORAGE
                                         : FLX_OK;
}

/* False when there was no k-th pread. */
static bool try_runs(const struct rt_model *m, const char *path,
                     enum flx_posix_storage storage, uint32_t plan,
                     enum how how, uint64_t k)
{
    struct opened o;
    open_file(&o, m, path, storage, plan);
    arm(how, k);
    uint32_t n_error = 0;
    for (uint32_t seed = 0; seed < N_RUN; seed++) {
        const enum flx_err err = run(&o, seed);
        if (err != FLX_OK) {
            assert_int_equal(err, expected(how));
            n_error++;
        }
    }
    flx_set_trace(o.rt, NULL, NULL); /* nothing is in flight afterwards */
    const bool happened = was_hit();
    arm(N_HOW, UINT64_MAX);
    /* A fault in the last run's tail is the next one's. */
    n_error += run(&o, 7) != FLX_OK;
    assert_int_equal(run(&o, 8), FLX_OK);
    assert_int_equal(n_error, happened && expected(how) != FLX_OK);
    close_file(&o);
    return happened;
}

static const struct rt_options k_options[] = {
    {.n_thread = 1},
    {.n_thread = 1, .align = 4096},
    {.n_thread = 1, .compress = true},
};
enum { N_OPTIONS = 3 };

static void pread__may_do_what_it_likes(void **state)
{
    struct fixture *const f = *state;
    static const char *const k_name[N_HOW] = {
        "interrupted",       "told to try again", "short",
        "with an I/O error", "at the file's end", "with flipped bits"};
    uint64_t n_fault[N_HOW] = {0};
    const char *const path = fixture_temp_path(f, "model.flxw");
    k_ring.is_absent = true;
    for (uint32_t o = 0; o < N_OPTIONS; o++) {
        struct rt_model m;
        rt_model_build(&m, &k_options[o]);
        write_file(path, "wb", m.blob, m.model.blob_bytes);
        for (uint32_t i = 0; i < 2 * RT_N_PLAN * N_HOW; i++) {
            const enum how how = (enum how)(i % N_HOW);
            uint64_t k = 0;
            while (try_runs(&m, path,
                            i / N_HOW % 2 ? FLX_POSIX_DIRECT : FLX_POSIX_CACHED,
                            i / N_HOW / 2, how, k)) {
                k++;
            }
            assert_true(k > 0);
            n_fault[how] += k;
        }
        rt_model_free(&m);
    }
    k_ring.is_absent = false;
    for (uint32_t how = 0; how < N_HOW; how++) {
        print_message("faults: preads %s %llu\n", k_name[how],
                      (unsigned long long)n_fault[how]);
    }
}

/* False when there was no k-th result, or call. What the ring does not bring is
 * read once more, also by a pread that fails. */
static bool try_ring(struct opened *o, uint32_t how, uint64_t k,
                     bool pread_fails)
{
    arm_ring(how, k);
    k_ring.pread_fails = pread_fails;
    uint32_t n_error = 0;
    for (uint32_t seed = 0; seed < N_RUN; seed++) {
        const enum flx_err err = run(o, seed);
        if (err != FLX_OK) {
            assert_int_equal(err, pread_fails ? FLX_E_STORAGE : FLX_E_CHECKSUM);
            n_error++;
        }
    }
    flx_set_trace(o->rt, NULL, NULL); /* nothing is in flight afterwards */
    const bool happened = k_ring.n > k;
    arm_ring(N_HOW, UINT64_MAX);
    arm(N_HOW, UINT64_MAX);
    n_error += run(o, 7) != FLX_OK;
    assert_int_equal(run(o, 8), FLX_OK);
    assert_int_equal(n_error, happened && (pread_fails || how == FLIPPED));
    return happened;
}

static void ring__may_do_what_it_likes(void **state)
{
    struct fixture *const f = *state;
    static const struct {
        const char *name;
        uint32_t how;
        bool pread_fails;
    } k_case[] = {
        {"reads interrupted", INTERRUPTED, false},
        {"reads told to try again", AGAIN, false},
        {"reads short", SHORT, false},
        {"reads with an I/O error", FAILS, false},
        {"reads with an I/O error, and again", FAILS, true},
        {"reads at the file's end", ENDS, false},
        {"reads with flipped bits", FLIPPED, false},
        {"calls interrupted", CALL_INTERRUPTED, false},
        {"calls refused", CALL_AGAIN, false},
        {"calls that take one read of several", CALL_TAKES_ONE, false},
    };
    const char *const path = fixture_temp_path(f, "model.flxw");
    struct rt_model m;
    struct opened o;
    rt_model_build(&m, &(struct rt_options){.n_thread = 1, .align = 4096});
    write_file(path, "wb", m.blob, m.model.blob_bytes);
    for (uint32_t i = 0; i < sizeof k_case / sizeof *k_case; i++) {
        uint64_t n = 0;
        for (uint32_t plan = 0; plan < RT_N_PLAN; plan++) {
            uint64_t k = 0;
            bool is_more = true;
            while (is_more) {
                open_file(&o, &m, path, FLX_POSIX_DIRECT, plan);
                if (!k_ring.posix) {
                    close_file(&o);
                    rt_model_free(&m);
                    skip(); /* neither this system nor this folder has one */
                }
                is_more = try_ring(&o, k_case[i].how, k, k_case[i].pread_fails);
                close_file(&o);
                k += is_more;
            }
            n += k;
        }
        assert_true(n > 0);
        print_message("faults: ring: %s %llu\n", k_case[i].name,
                      (unsigned long long)n);
    }
    rt_model_free(&m);
}

/* A plan that streams reads everything in each run. */
static void file__may_change_between_runs(void **state)
{
    struct fixture *const f = *state;
    const char *const path = fixture_temp_path(f, "model.flxw");
    const char *const other = fixture_temp_path(f, "other.flxw");
    uint32_t n_cut = 0;
    uint32_t n_over = 0;
    uint32_t n_replaced = 0;
    for (uint32_t i = 0; i < 2 * N_OPTIONS; i++) {
        struct rt_model m;
        struct opened o;
        rt_model_build(&m, &k_options[i / 2]);
        const struct flx_chunk *const last = &m.chunk[RT_N_CHUNK - 1];
        const uint32_t end = last->blob_off + last->stored_bytes;
        write_file(path, "wb", m.blob, m.model.blob_bytes);
        open_file(&o, &m, path, i % 2 ? FLX_POSIX_DIRECT : FLX_POSIX_CACHED,
                  RT_STREAM);
        assert_int_equal(run(&o, 1), FLX_OK);
        /* Cut off, then as it was; what is in flight may be of before. */
        for (uint32_t k = 0; k < 3; k++, n_cut++) {
            const uint32_t lengths[] = {end - 1, end / 2, 0};
            (void)flx_settle(o.rt);
            flx_set_trace(o.rt, NULL, NULL);
            assert_int_equal(truncate(path, (off_t)lengths[k]), 0);
            assert_int_equal(run(&o, 2), FLX_E_STORAGE);
            write_file(path, "r+b", m.blob, m.model.blob_bytes);
            assert_int_equal(run(&o, 3), FLX_OK);
        }
        /* Another model's bytes in its place. */
        flx_set_trace(o.rt, NULL, NULL);
        uint8_t *const spoilt = malloc(m.model.blob_bytes);
        assert_non_null(spoilt);
        memcpy(spoilt, m.blob, m.model.blob_bytes);
        memset(spoilt + last->blob_off, 0x5a, last->stored_bytes);
        write_file(other, "wb", spoilt, m.model.blob_bytes);
        write_file(path, "r+b", spoilt, m.model.blob_bytes);
        free(spoilt);
        assert_int_equal(run(&o, 4), FLX_E_CHECKSUM);
        n_over++;
        write_file(path, "r+b", m.blob, m.model.blob_bytes);
        assert_int_equal(run(&o, 5), FLX_OK);
        /* Who opened it keeps the file that it was. */
        assert_int_equal(rename(other, path), 0);
        assert_int_equal(run(&o, 6), FLX_OK);
        n_replaced++;
        close_file(&o);
        rt_model_free(&m);
    }
    print_message("faults: files cut off while in use %u\n", n_cut);
    print_message("faults: files written over while in use %u\n", n_over);
    print_message("faults: files replaced while in use %u\n", n_replaced);
}

/* A system that never has room is an error in the end. */
static void pread__is_not_asked_for_ever(void **state)
{
    struct fixture *const f = *state;
    struct rt_model m;
    struct opened o;
    rt_model_build(&m, &k_options[0]);
    const char *const path = fixture_temp_path(f, "model.flxw");
    write_file(path, "wb", m.blob, m.model.blob_bytes);
    open_file(&o, &m, path, FLX_POSIX_CACHED, RT_STREAM);
    arm(AGAIN, 0);
    k_pread.is_always = true;
    assert_int_equal(run(&o, 1), FLX_E_STORAGE);
    k_pread.is_always = false;
    assert_int_equal(run(&o, 2), FLX_OK);
    close_file(&o);
    rt_model_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(ring__may_do_what_it_likes),
        FIXTURE_TEST(pread__may_do_what_it_likes),
        FIXTURE_TEST(file__may_change_between_runs),
        FIXTURE_TEST(pread__is_not_asked_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
