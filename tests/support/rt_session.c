#include "support/rt_session.h"

#include <stdlib.h>
#include <string.h>

#include "codec/flx_zstd.h"
#include "ports/posix/posix_parts.h"

enum { PATTERN = 0xd7, N_THREAD = 3, MAX_ALIGN = 4096 };

/* ---- the port: one ctx for store, loader and arena ---- */

static enum flx_err start_read(void *ctx, uint32_t off, void *dst, uint32_t len)
{
    struct rt_session *s = ctx;
    return fault_store_start(&s->store, off, dst, len);
}

static enum flx_err finish_read(void *ctx, int wait, uint32_t *n_in)
{
    struct rt_session *s = ctx;
    return fault_store_finish(&s->store, wait, n_in);
}

static void submit(void *ctx, struct flx_load *load)
{
    struct rt_session *s = ctx;
    flx_posix_submit(&s->posix, load);
}

static void wait_load(void *ctx, const _Atomic uint32_t *done)
{
    struct rt_session *s = ctx;
    flx_posix_wait_load(&s->posix, done);
}

static void parallel(void *ctx, void (*fn)(void *arg, uint32_t p, uint32_t n),
                     void *arg, uint32_t n)
{
    struct rt_session *s = ctx;
    flx_posix_parallel(&s->posix, fn, arg, n);
}

static bool holds_pattern(const uint8_t *bytes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (bytes[i] != PATTERN) {
            return false;
        }
    }
    return true;
}

static void release(void *ctx, void *from, uint32_t bytes)
{
    struct rt_session *s = ctx;
    s->n_release++;
    s->is_spoiled |= (uint8_t *)from + bytes != s->arena + s->used;
    s->used -= bytes;
    memset(from, PATTERN, bytes);
}

static int acquire(void *ctx, void *from, uint32_t bytes)
{
    struct rt_session *s = ctx;
    if (s->refuse) {
        return 0;
    }
    s->n_acquire++;
    s->is_spoiled |=
        (uint8_t *)from != s->arena + s->used || !holds_pattern(from, bytes);
    s->used += bytes;
    return 1;
}

/* ---- the session ---- */

void rt_prepare(struct rt_session *s, const struct rt_model *m,
                enum rt_port kind, uint32_t arena_bytes)
{
    memset(s, 0, sizeof *s);
    s->m = m;
    fault_store_init(&s->store, m->blob, m->model.blob_bytes,
                     kind == RT_PORT_POLLED || kind == RT_PORT_AHEAD ? 40
                     : kind == RT_PORT_THREADS                       ? 100
                                                                     : 0);
    if (kind == RT_PORT_AHEAD || kind == RT_PORT_THREADS) {
        s->store.n_reads = FAULT_MAX_READS;
        s->store.wait_is_a_poll = kind == RT_PORT_THREADS;
    }
    s->port = (struct flx_port){
        .ctx = s,
        .start_read = start_read,
        .finish_read = finish_read,
        .n_reads = s->store.n_reads,
        .decode = flx_zstd_decode,
        .release = release,
        .acquire = acquire,
    };
    if (kind == RT_PORT_MAP) {
        s->port.map = m->blob;
        s->port.start_read = NULL;
        s->port.finish_read = NULL;
    }
    if (kind == RT_PORT_LOADER || kind == RT_PORT_THREADS) {
        assert_int_equal(flx_posix_loader_start(&s->posix), 0);
        s->port.submit = submit;
        s->port.wait_load = wait_load;
    }
    if (kind == RT_PORT_THREADS) {
        assert_int_equal(flx_posix_workers_start(&s->posix, N_THREAD - 1), 0);
        s->port.parallel = parallel;
        s->port.n_thread = N_THREAD;
    }
    for (uint32_t i = 0; arena_bytes == 0 && i < m->model.n_plan; i++) {
        const uint32_t need = flx_arena_bytes(&m->model, i);
        s->arena_bytes = need > s->arena_bytes ? need : s->arena_bytes;
    }
    s->arena_bytes = arena_bytes != 0 ? arena_bytes : s->arena_bytes;
    s->used = s->arena_bytes;
    /* Exactly so long, so that ASan sees a touch beyond its end. */
    void *arena = NULL;
    assert_int_equal(posix_memalign(&arena, MAX_ALIGN, s->arena_bytes), 0);
    s->arena = arena;
}

void rt_open(struct rt_session *s, const struct rt_model *m, enum rt_port kind,
             uint32_t plan, uint32_t arena_bytes)
{
    rt_prepare(s, m, kind, arena_bytes);
    assert_int_equal(
        flx_open(&m->model, &s->port, s->arena, s->arena_bytes, plan, &s->rt),
        FLX_OK);
}

void rt_close(struct rt_session *s)
{
    if (s->rt) {
        flx_close(s->rt);
        rt_check_guards(s);
        assert_false(s->store.is_misused);
    }
    flx_posix_loader_stop(&s->posix);
    if (s->port.parallel) {
        flx_posix_workers_stop(&s->posix);
    }
    free(s->arena);
}

void rt_put_input(struct rt_session *s, uint32_t seed)
{
    rt_input(seed, flx_input(s->rt, 0));
}

void rt_check_output(const struct rt_session *s, uint32_t seed)
{
    uint8_t want[RT_IO_BYTES];
    rt_expect(s->m, seed, want);
    assert_memory_equal(flx_output(s->rt, 0), want, RT_IO_BYTES);
}

void rt_run_once(struct rt_session *s, uint32_t seed)
{
    rt_put_input(s, seed);
    assert_int_equal(flx_run(s->rt), FLX_OK);
    rt_check_output(s, seed);
}

void rt_check_guards(const struct rt_session *s)
{
    struct flx_info info;
    flx_query(s->rt, &info);
    assert_int_equal(s->used, info.arena_bytes);
    assert_false(s->is_spoiled);
    assert_true(holds_pattern(s->arena + s->used, s->arena_bytes - s->used));
}
