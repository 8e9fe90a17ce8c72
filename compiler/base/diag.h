/* diag.h - the reason why something was refused: the first error, where it
 * is, and a bounded list of warnings. Allocates nothing, so that lack of memory
 * can be reported too. One thread at a time. */
#ifndef FLEXC_BASE_DIAG_H
#define FLEXC_BASE_DIAG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct buf;
struct undo;

enum diag_id {
    E_NONE = 0,
#define DIAG(id, name, exit_code) id,
#include "base/diag_id.def"
#undef DIAG
    N_DIAG_IDS
};

enum diag_where {
    DIAG_AT_NONE,
    DIAG_AT_NODE,
    DIAG_AT_TENSOR,
    DIAG_AT_FILE,
    DIAG_AT_BYTE,
    DIAG_AT_LINE,
    DIAG_AT_OPTION,
};

/* A place, as given by a caller; strings are copied by diag_error. */
struct diag_at {
    enum diag_where where;
    const char *name; /* of node, tensor, file or option; "" otherwise */
    const char *op;   /* operator of a node, or "" */
    uint64_t offset;  /* byte (from 0) or line (from 1) in the current file */
};

enum {
    DIAG_NAME_CAP = 256,
    DIAG_OP_CAP = 64,
    DIAG_FILE_CAP = 1024,
    DIAG_TEXT_CAP = 1024,
    DIAG_WARNINGS_CAP = 4096,
    DIAG_LINE_CAP = 8192, /* enough for diag_format of any diag */
};

/* Read-only outside diag.c; zero means no error. Longer texts are cut and end
 * in "...". */
struct diag {
    enum diag_id id; /* of the first error, E_NONE before it */
    enum diag_where where;
    uint64_t offset;
    char name[DIAG_NAME_CAP]; /* node, tensor or option; "" for a file */
    char op[DIAG_OP_CAP];
    char file[DIAG_FILE_CAP]; /* the file at fault, or "" */
    char text[DIAG_TEXT_CAP];
    uint64_t least_bytes; /* E_BUDGET: the least budget that does; else 0 */

    const char *input; /* current input, see diag_set_input */
    /* Not of the error: where those who report here list what a signal has to
     * take back. Not owned; NULL for nowhere. */
    struct undo *undo;
    uint32_t n_warnings;
    char warnings[DIAG_WARNINGS_CAP]; /* lines; the first that fit */
};

/* No error, no warning, no input. */
void diag_init(struct diag *d);

/* Names the file that later errors at nodes, tensors, bytes and lines are in.
 * path is not copied before an error; NULL for none. */
void diag_set_input(struct diag *d, const char *path);

/* A node by its name and operator; either may be "" or NULL. */
struct diag_at at_node(const char *name, const char *op_name);
struct diag_at at_tensor(const char *name);
/* A file other than the current input, or that input as a whole. */
struct diag_at at_file(const char *path);
/* A byte offset, or a line from 1, of the current input. */
struct diag_at at_byte(uint64_t offset);
struct diag_at at_line(uint64_t line);
/* A command-line option, with its dashes. */
struct diag_at at_option(const char *name);
/* No place beyond the current input. */
struct diag_at at_none(void);

/* Records the error unless one is there already (the first is the cause), and
 * returns false. The message gives the offending value, the expected one and
 * the way out; no newline at its end. */
bool diag_error(struct diag *d, enum diag_id id, struct diag_at at,
                const char *fmt, ...) PRINTF(4, 5);
bool diag_verror(struct diag *d, enum diag_id id, struct diag_at at,
                 const char *fmt, va_list args) PRINTF(4, 0);

/* Forgets the error, if any, so that one that says more can take its place;
 * text: what it said. */
void diag_forget(struct diag *d, char text[DIAG_TEXT_CAP]);

/* E_BUDGET with the least budget that would do, for the JSON and the user. */
bool diag_error_budget(struct diag *d, struct diag_at at, uint64_t least_bytes,
                       const char *fmt, ...) PRINTF(4, 5);

/* Counts a warning and keeps its line while there is room. */
void diag_warn(struct diag *d, struct diag_at at, const char *fmt, ...)
    PRINTF(3, 4);

/* The stable name of an id, e.g. "op-unknown"; "none" for E_NONE. */
const char *diag_id_name(enum diag_id id);

/* The exit code of the first error; 0 without one. */
int diag_exit_code(const struct diag *d);

/* Writes the error as one line without newline, NUL-terminated and cut to
 * cap_bytes > 0:
 *   tiny.onnx: node 'conv2_3' (Conv): error conv-group: group 3 does not ...
 * Control characters of names and messages are printed as \xNN. "" without an
 * error. Returns the length. */
size_t diag_format(const struct diag *d, char *dst, size_t cap_bytes);

/* Appends diag_format's line and a newline; nothing without an error. */
void diag_print(const struct diag *d, struct buf *out);

#endif
