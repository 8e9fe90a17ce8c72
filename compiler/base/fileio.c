#include "base/fileio.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/size.h"
#include "base/undo.h"

static bool report(struct diag *diag, const char *path, const char *what,
                   int error)
{
    const enum diag_id id =
        error == ENOENT || error == ENOTDIR ? E_NO_FILE : E_IO;
    return diag_error(diag, id, at_file(path), "%s: %s", what, strerror(error));
}

bool file_map(const char *path, struct diag *diag, struct file_map *out)
{
    /* Non-blocking, so that opening a pipe by mistake does not hang. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return report(diag, path, "cannot open for reading", errno);
    }
    struct stat st;
    bool ok = true;
    if (fstat(fd, &st) != 0) {
        ok = report(diag, path, "cannot read its size", errno);
    } else if (!S_ISREG(st.st_mode)) {
        ok =
            diag_error(diag, E_NO_FILE, at_file(path), "is not a regular file");
    } else if ((uint64_t)st.st_size > SIZE_MAX) {
        ok = diag_error(diag, E_TOO_BIG, at_file(path),
                        "%" PRIu64 " bytes exceed the address space",
                        (uint64_t)st.st_size);
    } else if (st.st_size == 0) {
        *out = (struct file_map){{NULL, 0}}; /* mmap refuses length 0 */
    } else {
        void *data =
            mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED) {
            ok = report(diag, path, "cannot map", errno);
        } else {
            *out = (struct file_map){{data, (uint64_t)st.st_size}};
        }
    }
    close(fd);
    return ok;
}

void file_unmap(struct file_map *map)
{
    if (map->bytes.data) {
        /* The cast drops const: munmap's parameter is the one mmap gave. */
        munmap((void *)map->bytes.data, (size_t)map->bytes.len);
    }
    map->bytes = (struct span){NULL, 0};
}

bool file_out_open(struct file_out *out, const char *path, struct arena *arena,
                   struct diag *diag)
{
    *out = (struct file_out){.diag = diag, .fd = -1};
    out->path = arena_strdup(arena, path);
    if (!out->path) {
        return false;
    }
    for (unsigned try_ix = 0; out->fd < 0; try_ix++) {
        out->temp_path =
            arena_printf(arena, "%s.%ld.%u.tmp", path, (long)getpid(), try_ix);
        if (!out->temp_path) {
            return false;
        }
        undo_hold(diag->undo);
        out->fd =
            open(out->temp_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (out->fd >= 0) {
            undo_add(diag->undo, UNDO_FILE, out->temp_path);
        }
        undo_release(diag->undo);
        if (out->fd < 0 && (errno != EEXIST || try_ix >= 1000)) {
            /* A missing folder for an output is the system's trouble, not a
             * missing input. */
            return diag_error(diag, E_IO, at_file(path), "cannot create: %s",
                              strerror(errno));
        }
    }
    return true;
}

/* Writes at an offset until all is there. */
static bool put_at(struct file_out *out, uint64_t off, const void *src,
                   uint64_t len)
{
    const uint8_t *bytes = src;
    while (len > 0) {
        const size_t part = (size_t)size_min(len, 1u << 30);
        const ssize_t n = pwrite(out->fd, bytes, part, (off_t)off);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return diag_error(out->diag, E_IO, at_file(out->path),
                              "cannot write byte %" PRIu64 ": %s", off,
                              n < 0 ? strerror(errno) : "nothing accepted");
        }
        bytes += n;
        off += (uint64_t)n;
        len -= (uint64_t)n;
    }
    return true;
}

bool file_out_write(struct file_out *out, const void *src, uint64_t len)
{
    assert(out->fd >= 0);
    if (!put_at(out, out->len, src, len)) {
        return false;
    }
    out->len += len;
    return true;
}

bool file_out_rewrite(struct file_out *out, uint64_t off, const void *src,
                      uint64_t len)
{
    assert(out->fd >= 0 && off <= out->len && len <= out->len - off);
    return put_at(out, off, src, len);
}

bool file_out_commit(struct file_out *out)
{
    assert(out->fd >= 0);
    const int fd = out->fd;
    out->fd = -1;
    undo_hold(out->diag->undo);
    /* Some file systems tell of a full disk only here. */
    const char *const what = close(fd) != 0 ? "cannot close"
                             : rename(out->temp_path, out->path) != 0
                                 ? "cannot rename into place"
                                 : NULL;
    if (what) {
        diag_error(out->diag, E_IO, at_file(out->path), "%s: %s", what,
                   strerror(errno));
        unlink(out->temp_path);
    }
    undo_drop(out->diag->undo, out->temp_path);
    undo_release(out->diag->undo);
    return !what;
}

void file_out_abort(struct file_out *out)
{
    if (out->fd >= 0) {
        close(out->fd);
        unlink(out->temp_path);
        undo_drop(out->diag->undo, out->temp_path);
        out->fd = -1;
    }
}

bool file_write(const char *path, struct span content, struct arena *scratch,
                struct diag *diag)
{
    const struct arena_mark mark = arena_mark(scratch);
    struct file_out out;
    const bool ok = file_out_open(&out, path, scratch, diag) &&
                    file_out_write(&out, content.data, content.len) &&
                    file_out_commit(&out);
    if (!ok) {
        file_out_abort(&out);
    }
    arena_rewind(scratch, mark);
    return ok;
}

bool dir_make(const char *path, struct diag *diag, bool *is_new)
{
    const bool made = mkdir(path, 0777) == 0;
    if (!made) {
        const int error = errno;
        struct stat st;
        if (error != EEXIST || stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
            return diag_error(
                diag, E_IO, at_file(path), "cannot make the folder: %s",
                error == EEXIST ? "a file has this name" : strerror(error));
        }
    }
    if (is_new) {
        *is_new = made;
    }
    return true;
}

void dir_remove_empty(const char *path)
{
    (void)rmdir(path);
}

void file_remove(const char *path)
{
    (void)unlink(path);
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

const char *path_join(struct arena *a, const char *dir, const char *name)
{
    const size_t len = strlen(dir);
    if (len == 0 || name[0] == '/') {
        return arena_strdup(a, name);
    }
    return arena_printf(a, "%s%s%s", dir, dir[len - 1] == '/' ? "" : "/", name);
}

const char *path_dir(struct arena *a, const char *path)
{
    const char *const slash = strrchr(path, '/');
    if (!slash) {
        return arena_strdup(a, ".");
    }
    const uint64_t len = (uint64_t)(slash - path);
    return arena_strndup(a, path, len > 0 ? len : 1);
}

const char *path_base(const char *path)
{
    const char *const slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *path_stem(struct arena *a, const char *path)
{
    const char *const base = path_base(path);
    const char *const dot = strrchr(base, '.');
    const bool has_ext = dot && dot != base;
    return arena_strndup(a, base,
                         has_ext ? (uint64_t)(dot - base) : strlen(base));
}
