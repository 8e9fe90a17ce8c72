/* fileio.h - whole files in and out. Every failure is reported with the path
 * and the system's reason: E_NO_FILE when it is not there, E_IO otherwise.
 * Temporary files are listed in diag->undo while they exist. */
#ifndef FLEXC_BASE_FILEIO_H
#define FLEXC_BASE_FILEIO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/span.h"

struct arena;
struct buf;
struct diag;

/* A file's content, mapped read-only. */
struct file_map {
    struct span bytes;
};

/* Maps a whole regular file; pages are read when touched. The caller unmaps.
 * The file must not be shortened meanwhile.
 *
 * false   reported; nothing to unmap */
NODISCARD bool file_map(const char *path, struct diag *diag,
                        struct file_map *out);
void file_unmap(struct file_map *map);

/* A file written under a temporary name beside its own, so that the name holds
 * the old content, or nothing, until all of the new is there. */
struct file_out {
    struct diag *diag;
    const char *path; /* both copied to the arena given at opening */
    const char *temp_path;
    int fd; /* -1 when not open */
    uint64_t len;
};

/* Creates the temporary file; the caller ends with commit or abort.
 *
 * false   reported; nothing to abort (aborting is allowed) */
NODISCARD bool file_out_open(struct file_out *out, const char *path,
                             struct arena *arena, struct diag *diag);

/* Appends len bytes. false (full disk...): reported; abort is still due. */
NODISCARD bool file_out_write(struct file_out *out, const void *src,
                              uint64_t len);

/* Overwrites len bytes from off; they must have been written before. */
NODISCARD bool file_out_rewrite(struct file_out *out, uint64_t off,
                                const void *src, uint64_t len);

/* Closes and renames. false: reported, the temporary file is gone and path is
 * as before. Does not wait for the disk. */
NODISCARD bool file_out_commit(struct file_out *out);

/* Closes and removes the temporary file; no effect when not open. */
void file_out_abort(struct file_out *out);

/* All of the above for content that is in memory. Scratch: the two names. */
NODISCARD bool file_write(const char *path, struct span content,
                          struct arena *scratch, struct diag *diag);

/* Makes one directory; one that exists is fine. *is_new tells whether it was
 * made here; may be NULL. */
NODISCARD bool dir_make(const char *path, struct diag *diag, bool *is_new);

/* Removes an empty directory; others are left alone. */
void dir_remove_empty(const char *path);

bool file_exists(const char *path);

/* Removes a file, if it is there. */
void file_remove(const char *path);

/* "dir/name", or name alone when dir is "" or name is absolute; NULL (E_MEMORY
 * reported). */
NODISCARD const char *path_join(struct arena *a, const char *dir,
                                const char *name);
/* What precedes the last '/', "." without one; NULL (E_MEMORY reported). */
NODISCARD const char *path_dir(struct arena *a, const char *path);
/* What follows the last '/', inside path. */
const char *path_base(const char *path);
/* path_base without its last extension; NULL (E_MEMORY reported). */
NODISCARD const char *path_stem(struct arena *a, const char *path);

#endif
