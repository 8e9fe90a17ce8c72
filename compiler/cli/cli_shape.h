/* cli_shape.h - the values of --shape, and the entries that they make: a model
 * under one set of shapes each. */
#ifndef FLEXC_CLI_CLI_SHAPE_H
#define FLEXC_CLI_CLI_SHAPE_H

#include "base/cx.h"
#include "ir/options.h"

enum { CLI_MAX_ENTRY = 64 };

struct cli_entry {
    const char *name; /* "H160_W320"; NULL: the only one */
    const struct shape_pin *shape;
    uint32_t n_shape;
};

/* What all --shape have said so far. Zeroed at first. */
struct cli_shapes {
    struct shape_input *input;
    uint32_t n_input;
    uint32_t cap_input;
    struct shape_size *size; /* in the order in which they have values */
    uint32_t n_size;
    uint32_t cap_size;
};

/* Takes NAME=DIMxDIM...[,SIZE=VALUES]...: a DIM is a number or the name of a
 * size, which is one and the same in all inputs. VALUES are numbers and ranges
 * with '/' between them: LOW..HIGH:STEP, or LOW..HIGH, which doubles. false:
 * E_USAGE. */
NODISCARD bool cli_shape_add(struct cli_shapes *s, const char *text,
                             struct cx *cx);

/* One entry for every choice of values, the last size's changing first; their
 * names are the sizes with more than one value. A size without values stands
 * for the model's own. All in cx->keep. false: E_USAGE. */
NODISCARD bool cli_shape_entries(const struct cli_shapes *s, struct cx *cx,
                                 struct cli_entry **out, uint32_t *n);

#endif
