/* flx_posix.h - the port for POSIX systems: the blob is a file; loads run on a
 * loader thread of their own; boxes on persistent worker threads; the arena is
 * anonymous memory that shrinks by giving pages back.
 *
 * Nothing is allocated but by mmap and thread creation in the open functions.
 * A struct flx_posix serves one runtime. */
#ifndef FLEXRT_PORTS_POSIX_FLX_POSIX_H
#define FLEXRT_PORTS_POSIX_FLX_POSIX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flexrt/flexrt.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { FLX_POSIX_MAX_THREAD = 64, FLX_POSIX_READ_ALIGN = 4096 };

enum flx_posix_storage {
    FLX_POSIX_CACHED, /* pread through the page cache */
    FLX_POSIX_DIRECT, /* O_DIRECT where the chunks are raw, else as above */
    FLX_POSIX_MEMORY  /* the whole file mapped; weights can be read in place */
};

/* What the system reads meanwhile (Linux's io_uring). Fields are the port's, of
 * all that follow. */
struct flx_posix_ring {
    int fd; /* -1: there is none */
    void *map;
    size_t map_bytes;
    void *request; /* the queue of requests, of struct io_uring_sqe */
    size_t request_bytes;
    flx_atomic_u32 *asked_tail;
    uint32_t asked_mask;
    uint32_t n_asked; /* requests that the system does not know of yet */
    uint32_t asked_bytes;
    flx_atomic_u32 *taken_head;
    flx_atomic_u32 *taken_tail;
    uint32_t taken_mask;
    void *taken; /* the queue of results, of struct io_uring_cqe */
};

/* A read is made of pieces, which are asked for in order and may come in any.
 */
enum { FLX_POSIX_RING = 32 };
struct flx_posix_piece {
    uint32_t off;
    uint8_t *dst;
    uint32_t len;
    uint32_t beyond; /* of it, behind the file's end: need not come */
    uint32_t read;   /* its index in flx_posix.read */
    uint32_t is_on_its_way;
    int32_t n; /* else: what has come, or an error */
};

struct flx_posix_read {
    uint32_t off;
    uint8_t *dst;
    uint32_t len;
    uint32_t beyond;  /* of it, behind the file's end: need not come */
    uint32_t n_asked; /* bytes of pieces that were made */
    uint32_t n_in;    /* bytes that have come, from the first on */
};

struct flx_posix {
    int fd;
    int direct_fd; /* -1: none */
    void *map;
    size_t map_bytes;
    uint64_t file_bytes;

    /* Storage: reads in the order in which they began, and the pieces of the
     * first of them; both are queues. */
    struct flx_posix_ring ring;
    struct flx_posix_read read[FLX_MAX_IN_FLIGHT];
    uint32_t read_head;
    uint32_t n_read;
    uint32_t n_cut; /* reads all of whose pieces were made */
    struct flx_posix_piece piece[FLX_POSIX_RING];
    uint32_t piece_head;
    uint32_t n_piece;

    /* Loader. */
    pthread_t loader;
    bool has_loader;
    pthread_mutex_t load_lock;
    pthread_cond_t load_queued;
    pthread_cond_t load_done;
    struct flx_load *load[FLX_MAX_IN_FLIGHT];
    uint32_t load_head;
    uint32_t n_load;
    bool loader_stops;

    /* Workers. A job is posted by raising `job`; the worker of part p runs
     * parts p, p + n_thread, ... of n. */
    uint32_t n_worker; /* besides the caller */
    pthread_t worker[FLX_POSIX_MAX_THREAD];
    uint32_t n_started; /* takes tickets 1 .. n_worker */
    pthread_mutex_t job_lock;
    pthread_cond_t job_posted;
    pthread_cond_t job_done;
    flx_atomic_u32 job;
    flx_atomic_u32 n_asleep;
    flx_atomic_u32 n_running;
    flx_atomic_u32 ticket;
    flx_atomic_u32 caller_sleeps;
    bool workers_stop;
    void (*fn)(void *arg, uint32_t part, uint32_t n);
    void *arg;
    uint32_t n_part;
};

/* Opens the blob and starts the loader (not for FLX_POSIX_MEMORY) and
 * n_thread - 1 workers, and fills *out, whose ctx is p. n_thread is 1 ..
 * FLX_POSIX_MAX_THREAD. *p must stay where it is until flx_posix_close.
 *
 * FLX_E_ARG, FLX_E_STORAGE (errno says why), FLX_E_DECODE (the linked zstd
 * needs more than FLX_ZSTD_WORK_BYTES): nothing is open. */
enum flx_err flx_posix_open(struct flx_posix *p, const char *blob_path,
                            enum flx_posix_storage storage, uint32_t n_thread,
                            struct flx_port *out);

/* After flx_close. */
void flx_posix_close(struct flx_posix *p);

/* Anonymous memory aligned to `align`, a power of 2: pages take RAM when they
 * are written, so that an arena for the largest plan costs what the running
 * plan uses. NULL when there is none. Returned by flx_posix_arena_free. */
void *flx_posix_arena(uint32_t bytes, uint32_t align);

/* Asks the system for large pages in the first `bytes` of an arena, where they
 * fit whole, so that weights stream faster. Takes no more RAM than those
 * bytes, so they are to be all that is in use, as those of the plan that runs.
 * An arena aligned to FLX_POSIX_LARGE_PAGE has the most of them. Best before
 * flx_open; a system without large pages ignores it. */
enum { FLX_POSIX_LARGE_PAGE = 2 << 20 };
void flx_posix_arena_large(void *arena, uint32_t bytes);
void flx_posix_arena_free(void *arena, uint32_t bytes);

#ifdef __cplusplus
}
#endif

#endif
