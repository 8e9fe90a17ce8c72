/* run_child.h - other programs, run as children: flexc and the C compiler. */
#ifndef FLEXC_RUN_RUN_CHILD_H
#define FLEXC_RUN_RUN_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/cx.h"

/* A command line that grows; memory of `arena`. */
struct run_argv {
    struct arena *arena;
    char **item; /* n strings, then NULL; NULL while empty */
    uint32_t n;
    uint32_t cap;
};

/* Appends a copy of `text`. false: E_MEMORY. */
NODISCARD bool run_argv_add(struct run_argv *v, const char *text);
/* Appends two arguments. */
NODISCARD bool run_argv_add2(struct run_argv *v, const char *option,
                             const char *value);
/* Appends the words of `text`, separated by spaces. */
NODISCARD bool run_argv_words(struct run_argv *v, const char *text);

/* Runs argv[0] (found along PATH when it has no '/') with standard input
 * empty and waits for it. stdout and stderr go to the file `log` (made anew),
 * or with NULL to ours.
 *
 *   exit_code  the child's
 *
 * false   E_CHILD: it cannot be started (`way_out` completes that message), or
 *         a signal ended it */
NODISCARD bool run_child(const struct run_argv *argv, const char *log,
                         const char *way_out, struct cx *cx, int *exit_code);

/* Runs it likewise and returns the first line of what it prints, without its
 * end, cut at 512 bytes; in cx->scratch. NULL as above, or E_MEMORY. */
NODISCARD const char *run_child_line(const struct run_argv *argv,
                                     const char *way_out, struct cx *cx);

/* Whether a program of this name can be started: by its path, or along PATH. */
bool run_child_exists(const char *program, struct arena *scratch);

/* The folder of this program's own file; NULL when unknown or E_MEMORY. */
const char *run_child_own_dir(struct arena *a);

/* Line ix, from 0, of a file of text, without its end, or "". */
NODISCARD const char *run_line(const char *path, uint32_t ix, struct cx *cx);

/* A new empty folder for one run, below $TMPDIR or /tmp; in cx->keep. NULL:
 * E_IO. */
NODISCARD const char *run_temp_make(struct cx *cx);
/* The same below `folder`. */
NODISCARD const char *run_temp_make_in(const char *folder, struct cx *cx);
/* Removes it with all it holds; NULL is allowed. */
void run_temp_remove(const char *dir, struct cx *cx);

#endif
