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
    p->ring.fd = -1;
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
    if (p->direct_fd >= 0) {
        /* Without it, one read after the other. */
        (void)flx_posix_ring_open(&p->ring);
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
    flx_posix_ring_close(&p->ring);
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

/* What can be read at once of the bytes to come: whole units directly, what is
 * before and after them through the cache, so that no byte is written that was
 * not asked for. */
static uint32_t next_part(const struct flx_posix *p, uint32_t off,
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

/* Reads a piece from its byte n on, now. */
static enum flx_err read_now(const struct flx_posix *p,
                             const struct flx_posix_piece *piece, uint32_t n)
{
    uint32_t off = piece->off + n;
    uint8_t *dst = piece->dst + n;
    uint32_t len = piece->len - n;
    bool is_direct = true; /* until the file system says no */
    uint32_t n_again = 0;
    while (len > piece->beyond) {
        int fd;
        uint32_t part = next_part(p, off, dst, len, &fd);
        if (fd == p->fd || !is_direct) {
            fd = p->fd;
            part = part > len - piece->beyond ? len - piece->beyond : part;
            part = cached_piece(part);
        }
        const ssize_t got = pread(fd, dst, part, (off_t)off);
        if (got < 0 && errno == EINVAL && fd != p->fd) {
            is_direct = false;
        } else if (got == 0 || (got < 0 && !may_retry(&n_again))) {
            return FLX_E_STORAGE;
        } else if (got > 0) {
            off += (uint32_t)got;
            dst += got;
            len -= (uint32_t)got;
        }
    }
    return FLX_OK;
}

/* ---- pieces ---- */

/* The ring's requests: what is larger comes in several, so that one is summed
 * while the next is read; what is smaller is asked for together, as a call for
 * many costs hardly more than for one, and neighbours become one request of the
 * disk. Larger ones are not, or they would be one again. Up to so many are on
 * their way before others wait until there are enough to ask for. */
enum { RING_REQUEST = 512 << 10, RING_FEW = FLX_MAX_IN_FLIGHT / 2 };

static struct flx_posix_read *read_at(struct flx_posix *p, uint32_t ix)
{
    return &p->read[(p->read_head + ix) % FLX_MAX_IN_FLIGHT];
}

/* Makes the next piece of a read; asks the ring for it if that can bring it. */
static void cut_piece(struct flx_posix *p, struct flx_posix_read *r)
{
    const uint32_t ix = (p->piece_head + p->n_piece) % FLX_POSIX_RING;
    struct flx_posix_piece *piece = &p->piece[ix];
    const uint32_t left = r->len - r->n_asked;
    int fd;
    piece->off = r->off + r->n_asked;
    piece->dst = r->dst + r->n_asked;
    piece->read = (uint32_t)(r - p->read);
    piece->len = next_part(p, piece->off, piece->dst, left, &fd);
    piece->is_on_its_way = p->ring.fd >= 0 && fd == p->direct_fd;
    piece->n = 0;
    if (piece->is_on_its_way) {
        piece->len = piece->len < RING_REQUEST ? piece->len : RING_REQUEST;
        flx_posix_ring_ask(&p->ring, fd, piece->off, piece->dst, piece->len,
                           ix);
    }
    const uint32_t rest = left - piece->len;
    piece->beyond = r->beyond > rest ? r->beyond - rest : 0;
    r->n_asked += piece->len;
    p->n_piece++;
}

/* Hands the ring what was asked for; what it does not take is read in its turn,
 * as what it was not asked for. */
static void hand_over(struct flx_posix *p)
{
    uint32_t n_refused = flx_posix_ring_go(&p->ring);
    for (uint32_t i = p->n_piece; n_refused > 0; i--) {
        struct flx_posix_piece *piece =
            &p->piece[(p->piece_head + i - 1) % FLX_POSIX_RING];
        n_refused -= piece->is_on_its_way;
        piece->is_on_its_way = 0;
    }
}

/* Makes pieces of what is to be read: with a ring as many as it has room for.
 */
static void cut_pieces(struct flx_posix *p)
{
    const uint32_t most = p->ring.fd >= 0 ? FLX_POSIX_RING : 1;
    while (p->n_piece < most && p->n_cut < p->n_read) {
        struct flx_posix_read *r = read_at(p, p->n_cut);
        if (r->len - r->n_asked > r->beyond) {
            cut_piece(p, r);
        } else {
            p->n_cut++;
        }
        if (p->ring.n_asked > 0 &&
            (r->len >= RING_REQUEST || p->ring.asked_bytes >= RING_REQUEST)) {
            hand_over(p);
        }
    }
    if (p->ring.n_asked > 0 && p->n_piece - p->ring.n_asked <= RING_FEW) {
        hand_over(p);
    }
}

static void await_piece(struct flx_posix *p,
                        const struct flx_posix_piece *piece, bool waits)
{
    while (piece->is_on_its_way) {
        uint32_t ix;
        int32_t n;
        bool is_any = false;
        while (flx_posix_ring_take(&p->ring, &ix, &n)) {
            p->piece[ix].is_on_its_way = 0;
            p->piece[ix].n = n;
            is_any = true;
        }
        if (!is_any && !waits) {
            return;
        }
        if (!is_any) {
            flx_posix_ring_wait(&p->ring);
        }
    }
}

static void drop_piece(struct flx_posix *p)
{
    p->piece_head = (p->piece_head + 1) % FLX_POSIX_RING;
    p->n_piece--;
}

/* Takes the oldest read off; nothing of it is on its way afterwards. */
static void drop_read(struct flx_posix *p)
{
    while (p->n_piece > 0 && p->piece[p->piece_head].read == p->read_head) {
        await_piece(p, &p->piece[p->piece_head], true);
        drop_piece(p);
    }
    p->read_head = (p->read_head + 1) % FLX_MAX_IN_FLIGHT;
    p->n_read--;
    p->n_cut -= p->n_cut > 0;
}

/* ---- what the core calls ---- */

enum flx_err flx_posix_start_read(void *ctx, uint32_t off, void *dst,
                                  uint32_t len)
{
    struct flx_posix *p = ctx;
    struct flx_posix_read *r = read_at(p, p->n_read);
    const uint64_t in_file = off < p->file_bytes ? p->file_bytes - off : 0;
    const uint64_t beyond = len > in_file ? len - in_file : 0;
    /* Only the last unit of a read of whole units may reach beyond the end. */
    if (off > p->file_bytes || beyond >= FLX_POSIX_READ_ALIGN ||
        (beyond > 0 && (off | len) % FLX_POSIX_READ_ALIGN != 0)) {
        return FLX_E_STORAGE;
    }
    *r = (struct flx_posix_read){
        .off = off, .dst = dst, .len = len, .beyond = (uint32_t)beyond};
    p->n_read++;
    return FLX_OK;
}

/* One piece a call, so that the core sums it while the next ones come. What the
 * ring did not bring, for whatever reason, is read once more: that goes on or
 * says what is wrong. */
enum flx_err flx_posix_finish_read(void *ctx, int wait, uint32_t *n_in)
{
    struct flx_posix *p = ctx;
    struct flx_posix_read *r = read_at(p, 0);
    const uint32_t n_needed = r->len - r->beyond;
    enum flx_err err = FLX_OK;
    cut_pieces(p);
    if (r->n_in < n_needed) {
        const struct flx_posix_piece *piece = &p->piece[p->piece_head];
        await_piece(p, piece, wait != 0);
        *n_in = r->n_in;
        if (piece->is_on_its_way) {
            return FLX_PENDING;
        }
        err = read_now(p, piece, piece->n > 0 ? (uint32_t)piece->n : 0);
        r->n_in += piece->len - piece->beyond;
        drop_piece(p);
    }
    *n_in = r->n_in;
    if (err == FLX_OK && r->n_in < n_needed) {
        return FLX_PENDING;
    }
    drop_read(p);
    return err;
}
