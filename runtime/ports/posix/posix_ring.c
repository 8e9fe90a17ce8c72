/* Reads that the system carries out while the caller does something else:
 * Linux's io_uring, by its three system calls. liburing would be a library more
 * to link for what is a queue in shared memory. */
/* The system's own name, for syscall. */
#define _GNU_SOURCE /* NOLINT(*-reserved-identifier,cert-dcl*) */
#include "ports/posix/posix_parts.h"

#include <errno.h>
#include <string.h>

#if defined __linux__ && defined __has_include
#if __has_include(<linux/io_uring.h>)
#define HAS_RING 1
#endif
#endif

#ifdef HAS_RING

#include <linux/io_uring.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The first kernel that has all: 5.6. */
enum {
    NEEDED =
        IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_RW_CUR_POS
};

static flx_atomic_u32 *word_at(const struct flx_posix_ring *r, uint32_t off)
{
    return (flx_atomic_u32 *)(void *)((uint8_t *)r->map + off);
}

int flx_posix_ring_open(struct flx_posix_ring *r)
{
    struct io_uring_params how;
    memset(r, 0, sizeof *r);
    memset(&how, 0, sizeof how);
    r->fd = (int)syscall(SYS_io_uring_setup, FLX_POSIX_RING, &how);
    if (r->fd < 0) {
        return errno;
    }
    if ((how.features & NEEDED) != NEEDED) {
        flx_posix_ring_close(r);
        return ENOSYS;
    }
    const size_t asked = how.sq_off.array + how.sq_entries * sizeof(uint32_t);
    const size_t taken =
        how.cq_off.cqes + how.cq_entries * sizeof(struct io_uring_cqe);
    r->map_bytes = asked > taken ? asked : taken;
    void *map = mmap(NULL, r->map_bytes, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQ_RING);
    r->map = map == MAP_FAILED ? NULL : map;
    r->request_bytes = how.sq_entries * sizeof(struct io_uring_sqe);
    map = mmap(NULL, r->request_bytes, PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQES);
    r->request = map == MAP_FAILED ? NULL : map;
    if (!r->map || !r->request) {
        flx_posix_ring_close(r);
        return ENOMEM;
    }
    r->asked_tail = word_at(r, how.sq_off.tail);
    r->asked_mask = how.sq_entries - 1;
    r->taken_head = word_at(r, how.cq_off.head);
    r->taken_tail = word_at(r, how.cq_off.tail);
    r->taken_mask = how.cq_entries - 1;
    r->taken = (uint8_t *)r->map + how.cq_off.cqes;
    /* Requests are taken in the order of their places. */
    for (uint32_t i = 0; i < how.sq_entries; i++) {
        atomic_store_explicit(word_at(r, how.sq_off.array + 4 * i), i,
                              memory_order_relaxed);
    }
    return 0;
}

void flx_posix_ring_close(struct flx_posix_ring *r)
{
    if (r->request) {
        munmap(r->request, r->request_bytes);
    }
    if (r->map) {
        munmap(r->map, r->map_bytes);
    }
    if (r->fd >= 0) {
        close(r->fd);
    }
    r->fd = -1;
}

void flx_posix_ring_ask(struct flx_posix_ring *r, int fd, uint32_t off,
                        void *dst, uint32_t len, uint32_t tag)
{
    const uint32_t tail =
        atomic_load_explicit(r->asked_tail, memory_order_relaxed);
    struct io_uring_sqe *e =
        (struct io_uring_sqe *)r->request + (tail & r->asked_mask);
    memset(e, 0, sizeof *e);
    e->opcode = IORING_OP_READ;
    e->fd = fd;
    e->off = off;
    e->addr = (uintptr_t)dst;
    e->len = len;
    e->user_data = tag;
    atomic_store_explicit(r->asked_tail, tail + 1, memory_order_release);
    r->n_asked++;
    r->asked_bytes += len;
}

/* The number of requests taken, or -1 and errno. */
static int enter(const struct flx_posix_ring *r, uint32_t n, uint32_t n_wait)
{
    return (int)syscall(SYS_io_uring_enter, r->fd, n, n_wait,
                        n_wait > 0 ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
}

uint32_t flx_posix_ring_go(struct flx_posix_ring *r)
{
    while (r->n_asked > 0) {
        const int n = enter(r, r->n_asked, 0);
        if (n > 0) {
            r->n_asked -= (uint32_t)n;
        } else if (n == 0 || errno != EINTR) {
            break;
        }
    }
    /* The system looks at the queue in that call only. */
    const uint32_t n_refused = r->n_asked;
    atomic_store_explicit(
        r->asked_tail,
        atomic_load_explicit(r->asked_tail, memory_order_relaxed) - n_refused,
        memory_order_release);
    r->n_asked = 0;
    r->asked_bytes = 0;
    return n_refused;
}

void flx_posix_ring_wait(struct flx_posix_ring *r)
{
    if (enter(r, 0, 1) < 0) {
        /* Whatever it is: what is on its way comes. */
        (void)sched_yield();
    }
}

bool flx_posix_ring_take(struct flx_posix_ring *r, uint32_t *tag, int32_t *n)
{
    const uint32_t head =
        atomic_load_explicit(r->taken_head, memory_order_relaxed);
    if (head == atomic_load_explicit(r->taken_tail, memory_order_acquire)) {
        return false;
    }
    const struct io_uring_cqe *e =
        (const struct io_uring_cqe *)r->taken + (head & r->taken_mask);
    *tag = (uint32_t)e->user_data;
    *n = e->res;
    atomic_store_explicit(r->taken_head, head + 1, memory_order_release);
    return true;
}

#else

int flx_posix_ring_open(struct flx_posix_ring *r)
{
    r->fd = -1;
    return ENOSYS;
}

void flx_posix_ring_close(struct flx_posix_ring *r)
{
    (void)r;
}

void flx_posix_ring_ask(struct flx_posix_ring *r, int fd, uint32_t off,
                        void *dst, uint32_t len, uint32_t tag)
{
    (void)r, (void)fd, (void)off, (void)dst, (void)len, (void)tag;
}

uint32_t flx_posix_ring_go(struct flx_posix_ring *r)
{
    (void)r;
    return 0;
}

void flx_posix_ring_wait(struct flx_posix_ring *r)
{
    (void)r;
}

bool flx_posix_ring_take(struct flx_posix_ring *r, uint32_t *tag, int32_t *n)
{
    (void)r, (void)tag, (void)n;
    return false;
}

#endif
