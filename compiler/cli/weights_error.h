/* weights_error.h - what --weights f16 or i8 costs in accuracy: the outputs of
 * a model against those with f32 weights, on the same inputs. */
#ifndef FLEXC_CLI_WEIGHTS_ERROR_H
#define FLEXC_CLI_WEIGHTS_ERROR_H

#include "base/cx.h"
#include "cli/cli_parse.h"

/* One output. Both are parts of the largest size that an element has with f32
 * weights; 0 where all are equal. */
struct weights_error {
    const char *name;
    double max; /* of any element; infinite if only one of the two is finite */
    double rms;
};

struct weights_errors {
    struct weights_error *output;
    uint32_t n;
};

/* Compiles the model of `args` twice into a temporary folder, for as much
 * memory as is of use, and runs both in this process, with the inputs of
 * --input, random ones for others. The result is in cx->keep; cx->opt comes
 * back as it was.
 *
 * false   whatever a compile or a run can report */
NODISCARD bool weights_error(const struct cli_args *args, struct cx *cx,
                             struct weights_errors *out);

#endif
