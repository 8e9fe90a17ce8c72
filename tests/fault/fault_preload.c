/* fault_preload.c - a library that is loaded before a program's others
 * (LD_PRELOAD) and lets its k-th call of a kind go wrong:
 *
 *   FLEXC_FAULT=alloc:K        malloc, calloc, realloc: no memory, from the
 * K-th FLEXC_FAULT=alloc-once:K   the K-th only FLEXC_FAULT=write:K pwrite, and
 * every later one: no space FLEXC_FAULT=short:K        pwrite writes one byte
 *   FLEXC_FAULT=rename:K       rename, and every later one: I/O error
 *   FLEXC_FAULT=kill:K         the process is killed before the K-th of open to
 *                              create, pwrite, rename, mkdir, unlink
 *
 * K from 0. The file $FLEXC_FAULT_HIT exists afterwards iff there was a K-th.
 * For glibc. */
#undef _FILE_OFFSET_BITS /* both open and open64 are defined here */
#define _GNU_SOURCE      /* NOLINT(*-reserved-identifier,cert-dcl*) */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* glibc's own, reached without dlsym, which allocates. */
void *__libc_malloc(size_t n);           /* NOLINT(*-reserved-identifier) */
void *__libc_calloc(size_t n, size_t m); /* NOLINT(*-reserved-identifier) */
void *__libc_realloc(void *p, size_t n); /* NOLINT(*-reserved-identifier) */

enum kind {
    KIND_UNREAD,
    KIND_NONE,
    ALLOC,
    ALLOC_ONCE,
    WRITE,
    SHORT,
    RENAME,
    KILL
};

static enum kind k_kind;
static long k_left; /* calls of the kind before the one that goes wrong */

static void read_order(void)
{
    static const char *const k_name[] = {
        [ALLOC] = "alloc:", [ALLOC_ONCE] = "alloc-once:", [WRITE] = "write:",
        [SHORT] = "short:", [RENAME] = "rename:",         [KILL] = "kill:"};
    const char *const order = getenv("FLEXC_FAULT");
    k_kind = KIND_NONE;
    for (int i = ALLOC; order && i <= KILL; i++) {
        const size_t n = strlen(k_name[i]);
        if (strncmp(order, k_name[i], n) == 0) {
            k_kind = (enum kind)i;
            k_left = strtol(order + n, NULL, 10);
        }
    }
}

static void note_hit(void)
{
    const char *const path = getenv("FLEXC_FAULT_HIT");
    if (path) {
        const long fd =
            syscall(SYS_openat, AT_FDCWD, path, O_CREAT | O_WRONLY, 0666);
        (void)syscall(SYS_close, fd);
    }
}

/* Whether this call, of this kind, goes wrong. */
static bool goes_wrong(enum kind kind, bool once)
{
    if (k_kind == KIND_UNREAD) {
        read_order();
    }
    if (k_kind != kind || k_left-- > 0) {
        return false;
    }
    if (k_left == -1) {
        note_hit();
    }
    return k_left == -1 || !once;
}

static void may_kill(void)
{
    if (goes_wrong(KILL, true)) {
        (void)kill(getpid(), SIGKILL);
        (void)pause();
    }
}

static bool no_memory(void)
{
    const bool wrong = goes_wrong(ALLOC, false) || goes_wrong(ALLOC_ONCE, true);
    errno = wrong ? ENOMEM : errno;
    return wrong;
}

void *malloc(size_t n)
{
    return no_memory() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t m)
{
    return no_memory() ? NULL : __libc_calloc(n, m);
}

void *realloc(void *p, size_t n)
{
    return no_memory() ? NULL : __libc_realloc(p, n);
}

ssize_t pwrite64(int fd, const void *src, size_t n, off64_t off)
{
    may_kill();
    if (goes_wrong(WRITE, false)) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, src, goes_wrong(SHORT, true) ? 1 : n, off);
}

ssize_t pwrite(int fd, const void *src, size_t n, off_t off)
{
    return pwrite64(fd, src, n, off);
}

int rename(const char *from, const char *to)
{
    may_kill();
    if (goes_wrong(RENAME, false)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}

int open64(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0) {
        va_list ap;
        va_start(ap, flags);
        mode = va_arg(ap, mode_t);
        va_end(ap);
        may_kill();
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if ((flags & O_CREAT) != 0) {
        va_list ap;
        va_start(ap, flags);
        mode = va_arg(ap, mode_t);
        va_end(ap);
    }
    return open64(path, flags, mode);
}

int mkdir(const char *path, mode_t mode)
{
    may_kill();
    return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

int unlink(const char *path)
{
    may_kill();
    return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}
