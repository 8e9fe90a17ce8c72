/* O_DIRECT and pread64-sized offsets are not in X/Open. */
#define _GNU_SOURCE
#include "ports/posix/posix_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef O_DIRECT
#define O_DIRECT 0
#endif
#ifndef O_CLOEXEC
#define O_CLOEXEC 0
#endif

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
    return 0;
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
        munmap((void *)(uintptr_t)p->map, p->map_bytes);
    }
    if (p->direct_fd >= 0) {
        close(p->direct_fd);
    }
    close(p->fd);
}

/* Reads are whole units when the core has room for that, so that both ends of
 * this one may be direct; the last unit may be cut by the end of the file. */
static bool can_be_direct(const struct flx_posix *p, uint32_t off,
                          const void *dst, uint32_t len)
{
    return p->direct_fd >= 0 &&
           (off | len | (uintptr_t)dst) % FLX_POSIX_READ_ALIGN == 0;
}

static enum flx_err read_all(const struct flx_posix *p, uint32_t off,
                             uint8_t *dst, uint32_t len)
{
    int fd = can_be_direct(p, off, dst, len) ? p->direct_fd : p->fd;
    if (off > p->file_bytes) {
        return FLX_E_STORAGE;
    }
    /* What a unit has beyond the end of the file is not asked for. */
    uint64_t left = p->file_bytes - off;
    left = left > len ? len : left;
    if (len - left >= FLX_POSIX_READ_ALIGN ||
        (left < len && len % FLX_POSIX_READ_ALIGN != 0)) {
        return FLX_E_STORAGE;
    }
    while (left > 0) {
        /* A direct read has the whole length, and comes short at the end. */
        const ssize_t n =
            pread(fd, dst, fd == p->fd ? (size_t)left : len, (off_t)off);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EINVAL && fd != p->fd) {
            fd = p->fd; /* no direct reads here after all */
            continue;
        }
        if (n <= 0) {
            return FLX_E_STORAGE;
        }
        const uint32_t got = (uint64_t)n > left ? (uint32_t)left : (uint32_t)n;
        off += got;
        dst += got;
        len -= got;
        left -= got;
        if (!can_be_direct(p, off, dst, len)) {
            fd = p->fd;
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
