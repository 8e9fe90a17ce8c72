/* The system's own name, for MAP_ANONYMOUS and MADV_DONTNEED. */
#define _GNU_SOURCE /* NOLINT(*-reserved-identifier,cert-dcl*) */
#include "ports/posix/flx_posix.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "ports/posix/posix_parts.h"
#ifdef FLX_HAS_ZSTD
#include "codec/flx_zstd.h"
#endif

static uint64_t now_us(void *ctx)
{
    struct timespec t;
    (void)ctx;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* Whole pages go back to the system; they read as zeros when wanted again. */
static void release(void *ctx, void *from, uint32_t bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t before = (page - (uintptr_t)from % page) % page;
    (void)ctx;
    if (bytes >= before + page) {
        const size_t len = (bytes - before) / page * page;
        (void)madvise((uint8_t *)from + before, len, MADV_DONTNEED);
    }
}

/* Pages come as they are touched: large ones cost a plan that has grown less.
 */
static int acquire(void *ctx, void *from, uint32_t bytes)
{
    (void)ctx;
    flx_posix_arena_large(from, bytes);
    return 1;
}

static void fill_port(struct flx_posix *p, uint32_t n_thread,
                      struct flx_port *out)
{
    *out = (struct flx_port){
        .ctx = p,
        .map = p->map,
        .start_read = flx_posix_start_read,
        .finish_read = flx_posix_finish_read,
        .read_align = p->direct_fd >= 0 ? FLX_POSIX_READ_ALIGN : 0,
        .n_reads = p->ring.fd >= 0 ? FLX_MAX_IN_FLIGHT : 1,
        .n_thread = n_thread,
        .crc32c = flx_posix_crc(),
        .now_us = now_us,
        .release = release,
        .acquire = acquire,
    };
    if (p->has_loader) {
        out->submit = flx_posix_submit;
        out->wait_load = flx_posix_wait_load;
    }
    if (n_thread > 1) {
        out->parallel = flx_posix_parallel;
    }
#ifdef FLX_HAS_ZSTD
    out->decode = flx_zstd_decode;
#endif
}

enum flx_err flx_posix_open(struct flx_posix *p, const char *blob_path,
                            enum flx_posix_storage storage, uint32_t n_thread,
                            struct flx_port *out)
{
    if (!p || !blob_path || !out || n_thread == 0 ||
        n_thread > FLX_POSIX_MAX_THREAD) {
        return FLX_E_ARG;
    }
#ifdef FLX_HAS_ZSTD
    if (flx_zstd_work_bytes() > FLX_ZSTD_WORK_BYTES) {
        return FLX_E_DECODE;
    }
#endif
    memset(p, 0, sizeof *p);
    int err = flx_posix_file_open(p, blob_path, storage);
    if (err != 0) {
        errno = err;
        return FLX_E_STORAGE;
    }
    err = flx_posix_workers_start(p, n_thread - 1);
    if (err == 0 && storage != FLX_POSIX_MEMORY) {
        err = flx_posix_loader_start(p);
        if (err != 0) {
            flx_posix_workers_stop(p);
        }
    }
    if (err != 0) {
        flx_posix_file_close(p);
        errno = err;
        return FLX_E_STORAGE;
    }
    fill_port(p, n_thread, out);
    return FLX_OK;
}

void flx_posix_close(struct flx_posix *p)
{
    flx_posix_loader_stop(p);
    flx_posix_workers_stop(p);
    flx_posix_file_close(p);
}

/* Bytes of the mapping: whole pages. */
static size_t arena_pages(uint32_t bytes, size_t page)
{
    return ((size_t)bytes + page - 1) / page * page;
}

void *flx_posix_arena(uint32_t bytes, uint32_t align)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    const size_t len = arena_pages(bytes, page);
    const size_t slack = align > page ? align : 0;
    uint8_t *map = mmap(NULL, len + slack, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED) {
        return NULL;
    }
    if (slack == 0) {
        return map;
    }
    const size_t before = (align - (uintptr_t)map % align) % align;
    if (before > 0) {
        munmap(map, before);
    }
    if (slack > before) {
        munmap(map + before + len, slack - before);
    }
    return map + before;
}

void flx_posix_arena_large(void *arena, uint32_t bytes)
{
#if defined MADV_HUGEPAGE
    const size_t page = FLX_POSIX_LARGE_PAGE;
    const size_t before = (page - (uintptr_t)arena % page) % page;
    if (bytes >= before + page) {
        const size_t len = (bytes - before) / page * page;
        (void)madvise((uint8_t *)arena + before, len, MADV_HUGEPAGE);
    }
#else
    (void)arena;
    (void)bytes;
#endif
}

void flx_posix_arena_free(void *arena, uint32_t bytes)
{
    munmap(arena, arena_pages(bytes, (size_t)sysconf(_SC_PAGESIZE)));
}
