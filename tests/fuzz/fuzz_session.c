#include "fuzz/fuzz_session.h"

#include <stdlib.h>
#include <string.h>

#include "codec/flx_zstd.h"
#include "fuzz/fuzz.h"

#if defined(__SANITIZE_ADDRESS__)
#define FUZZ_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FUZZ_ASAN 1
#endif
#endif
#ifdef FUZZ_ASAN
#include <sanitizer/asan_interface.h>
#endif

enum { GUARD_BYTES = 1 << 16, MAX_ALIGN = 4096, PATTERN = 0xd7, N_PART = 3 };

static void poison(uint8_t *p, size_t n)
{
    memset(p, PATTERN, n);
#ifdef FUZZ_ASAN
    ASAN_POISON_MEMORY_REGION(p, n);
#endif
}

static bool unpoison(uint8_t *p, size_t n)
{
#ifdef FUZZ_ASAN
    ASAN_UNPOISON_MEMORY_REGION(p, n);
#endif
    return n == 0 || (p[0] == PATTERN && memcmp(p, p + 1, n - 1) == 0);
}

static void release(void *ctx, void *from, uint32_t bytes)
{
    (void)ctx;
    poison(from, bytes);
}

static int acquire(void *ctx, void *from, uint32_t bytes)
{
    (void)ctx;
    fuzz_check(unpoison(from, bytes), "nobody wrote what was released");
    return 1;
}

static void parallel(void *ctx, void (*fn)(void *arg, uint32_t p, uint32_t n),
                     void *arg, uint32_t n)
{
    (void)ctx;
    for (uint32_t p = 0; p < n; p++) {
        fn(arg, p, n);
    }
}

enum flx_err fuzz_open_session(struct fuzz_session *s,
                               const struct flx_model *m, enum fuzz_port kind,
                               const uint8_t *blob, uint32_t bytes,
                               uint32_t arena_bytes, uint32_t plan)
{
    void *block = NULL;
    *s = (struct fuzz_session){
        .store = {.blob = blob,
                  .bytes = bytes,
                  .poll_bytes = kind == FUZZ_PORT_POLLED ? 40 : 0},
        .arena_bytes = arena_bytes};
    s->port = (struct flx_port){.ctx = &s->store,
                                .start_read = flx_store_mem_start,
                                .finish_read = flx_store_mem_finish,
                                .decode = flx_zstd_decode,
                                .release = release,
                                .acquire = acquire};
    if (kind == FUZZ_PORT_MAP) {
        s->port.map = blob;
    }
    if (kind == FUZZ_PORT_PARTS) {
        s->port.parallel = parallel;
        s->port.n_thread = N_PART;
    }
    fuzz_check(posix_memalign(&block, MAX_ALIGN,
                              2 * (size_t)GUARD_BYTES + arena_bytes) == 0,
               "the machine has memory");
    s->block = block;
    s->arena = s->block + GUARD_BYTES;
    poison(s->block, GUARD_BYTES);
    poison(s->arena + arena_bytes, GUARD_BYTES);
    return flx_open(m, &s->port, s->arena, arena_bytes, plan, &s->rt);
}

void fuzz_close_session(struct fuzz_session *s)
{
    if (s->rt) {
        struct flx_info info;
        flx_query(s->rt, &info);
        fuzz_check(info.arena_bytes <= s->arena_bytes, "a plan fits its arena");
        flx_close(s->rt);
        fuzz_check(unpoison(s->arena + info.arena_bytes,
                            s->arena_bytes - info.arena_bytes),
                   "nobody wrote what was released");
    }
    fuzz_check(unpoison(s->block, GUARD_BYTES) &&
                   unpoison(s->arena + s->arena_bytes, GUARD_BYTES),
               "nobody wrote outside the arena");
    free(s->block);
}
