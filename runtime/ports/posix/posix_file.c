/* The system's own name, for O_DIRECT. */
#define _GNU_SOURCE /* NOLINT(*-reserved-identifier,cert-dcl*) */
#include "ports/posix/posix_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef O_DIRECT
#define O_DIRECT 0
#endif
#ifndef O_CLOEXEC
#define O_CLOEXEC 0
#endif

/* Bytes of the whole blob, as its header says: nobody looks at the length of a
 * mapping later, so a file that was cut off ends here. */
static uint64_t claimed_bytes(const uint8_t *head)
{
    uint64_t n = 0;
    for (uint32_t i = 8; i-- > 0;) {
        n = n << 8 | head[FLX_BLOB_AT_BYTES + i];
    }
    return n;
}

static int open_map(struct flx_posix *p)
{
    if (p->file_bytes < FLX_BLOB_HEAD_BYTES || p->file_bytes > UINT32_MAX) {
        return EINVAL;
    }
    void *map =
        mmap(NULL, (size_t)p->file_bytes, PROT_READ, MAP_SHARED, p->fd, 0);
    if (map == MAP_FAILED) {
        return errno;
    }
    p->map = map;
    p->map_bytes = (size_t)p->file_bytes;
    return claimed_bytes(map) <= p->file_bytes ? 0 : EINVAL;
}

int flx_posix_file_open(struct flx_posix *p, const char *path,
                        enum flx_posix_storage storage)
{
    p->direct_fd = -1;
    p->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (p->fd < 0) {
        return errno;
    }
    struct stat st;
    int err = fstat(p->fd, &st) == 0 ? 0 : errno;
    if (err == 0) {
        p->file_bytes = (uint64_t)st.st_size;
        err = storage == FLX_POSIX_MEMORY ? open_map(p) : 0;
    }
    if (err == 0 && storage == FLX_POSIX_DIRECT && O_DIRECT != 0) {
        /* File systems without it (tmpfs) are read through the cache. */
        p->direct_fd = open(path, O_RDONLY | O_CLOEXEC | O_DIRECT);
    }
    if (err != 0) {
        flx_posix_file_close(p);
    }
    return err;
}

void flx_posix_file_close(struct flx_posix *p)
{
    if (p->map) {
        munmap(p->map, p->map_bytes);
    }
    if (p->direct_fd >= 0) {
        close(p->direct_fd);
    }
    close(p->fd);
}

/* At most so much through the cache at once: while pages are copied they cannot
 * be reclaimed, and under a cap that counts the cache a large read would hold
 * as much again as its destination. */
enum { CACHED_PIECE = 256 << 10 };

static uint32_t cached_piece(uint32_t len)
{
    return len < CACHED_PIECE ? len : CACHED_PIECE;
}

/* The next piece of a read: whole units directly, what is before and after
 * them through the cache, so that no byte is written that was not asked for. */
static uint32_t next_piece(const struct flx_posix *p, uint32_t off,
                           const uint8_t *dst, uint32_t len, int *fd)
{
    const uint32_t unit = FLX_POSIX_READ_ALIGN;
    const uint32_t before = off % unit;
    *fd = p->fd;
    if (p->direct_fd < 0 || (uintptr_t)dst % unit != before) {
        return cached_piece(len);
    }
    if (before != 0) {
        return len < unit - before ? len : unit - before;
    }
    if (len < unit) {
        return len;
    }
    *fd = p->direct_fd;
    return len - len % unit;
}

/* A read that was interrupted goes on; one that the system has no room for now
 * does a number of times. */
enum { MAX_AGAIN = 1000 };

static bool may_retry(uint32_t *n_again)
{
    if (errno == EAGAIN && (*n_again)++ < MAX_AGAIN) {
        (void)sched_yield();
        return true;
    }
    return errno == EINTR;
}

static enum flx_err read_all(const struct flx_posix *p, uint32_t off,
                             uint8_t *dst, uint32_t len)
{
    if (off > p->file_bytes) {
        return FLX_E_STORAGE;
    }
    /* Only the last unit of a read of whole units may reach beyond the end. */
    const uint64_t in_file = p->file_bytes - off;
    const uint64_t beyond = len > in_file ? len - in_file : 0;
    if (beyond >= FLX_POSIX_READ_ALIGN ||
        (beyond > 0 && (off | len) % FLX_POSIX_READ_ALIGN != 0)) {
        return FLX_E_STORAGE;
    }
    bool is_direct = true; /* until the file system says no */
    uint32_t n_again = 0;
    while (len > beyond) {
        int fd;
        uint32_t piece = next_piece(p, off, dst, len, &fd);
        if (fd == p->fd || !is_direct) {
            fd = p->fd;
            piece = piece > len - beyond ? (uint32_t)(len - beyond) : piece;
            piece = cached_piece(piece);
        }
        const ssize_t n = pread(fd, dst, piece, (off_t)off);
        if (n < 0 && errno == EINVAL && fd != p->fd) {
            is_direct = false;
        } else if (n == 0 || (n < 0 && !may_retry(&n_again))) {
            return FLX_E_STORAGE;
        } else if (n > 0) {
            off += (uint32_t)n;
            dst += n;
            len -= (uint32_t)n;
        }
    }
    return FLX_OK;
}

enum flx_err flx_posix_start_read(void *ctx, uint32_t off, void *dst,
                                  uint32_t len)
{
    struct flx_posix *p = ctx;
    p->read_err = read_all(p, off, dst, len);
    return FLX_OK;
}

enum flx_err flx_posix_finish_read(void *ctx, int wait)
{
    const struct flx_posix *p = ctx;
    (void)wait;
    return p->read_err;
}
