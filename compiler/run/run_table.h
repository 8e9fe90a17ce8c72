/* run_table.h - NAME.flxt, the tables of a compiled model as a file, back into
 * the structures that the runtime takes. */
#ifndef FLEXC_RUN_RUN_TABLE_H
#define FLEXC_RUN_RUN_TABLE_H

#include "base/span.h"
#include "run/run_model.h"

/* The generic function of a kernel for an instruction set (NULL: the best
 * here), and the words of its argument block; fn is NULL when there is none. */
struct run_kernel {
    flx_kernel_fn fn;
    uint32_t n_word;
};
typedef struct run_kernel (*run_kernel_find_fn)(const char *isa, uint32_t id);

struct run_kernels {
    run_kernel_find_fn find;
    const char *isa;
};

/* Reads a whole table file: sets the tables and names of all entries in *out,
 * in cx->keep, which do not refer to `file` afterwards; the first is chosen.
 * Checks size, checksum, every count, index and string; what plans and layers
 * mean is checked by flx_open. The words of argument blocks are taken as they
 * are, like compiled code.
 *
 * false   E_TABLE naming `path`, and the byte */
NODISCARD bool run_table_parse(struct span file, const char *path,
                               const struct run_kernels *kernels, struct cx *cx,
                               struct run_model *out);

#endif
