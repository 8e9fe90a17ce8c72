/* options.h - what the user asked for, parsed: read-only for every stage. */
#ifndef FLEXC_IR_OPTIONS_H
#define FLEXC_IR_OPTIONS_H

#include "ir/device.h"
#include "ir/target.h"
#include "ir/tensor.h"

enum numerics { NUMERICS_FAST, NUMERICS_DIRECT };
enum compress { COMPRESS_AUTO, COMPRESS_NONE, COMPRESS_ZSTD };

/* --shape NAME=1x3x224xW: a DIM_UNKNOWN is as in the model. */
struct shape_pin {
    const char *name;
    struct shape shape;
    const char *size[TENSOR_MAX_RANK]; /* as it was named; NULL: a number */
};

/* --const NAME=VALUE,VALUE... or NAME=@FILE.pb: the elements of the input in
 * order (one value: all of them), or a TensorProto */
struct const_pin {
    const char *name;
    const double *value;
    uint32_t n_value;
    const char *path; /* NULL: values */
};

/* --state OUT=IN: the output is the input of the next run, in one place. A `*`
 * at the end of both stands for the same rest of a name. */
struct state_pin {
    const char *output;
    const char *input;
};

/* One entry of --budgets. Before plans are made, each BUDGET_AUTO gives way to
 * up to `bytes` entries of BUDGET_BYTES. */
enum budget_kind { BUDGET_BYTES, BUDGET_MIN, BUDGET_MAX, BUDGET_AUTO };
struct budget {
    enum budget_kind kind;
    uint64_t bytes;
    const char *text; /* as given */
};

struct options {
    const struct target *target;
    const struct device *device;
    enum numerics numerics;
    enum compress compress;
    enum dtype weights; /* F32, F16, I8; NONE: as in the model */
    uint32_t n_thread;
    uint64_t max_step_us; /* 0: no limit */
    const struct shape_pin *shape;
    uint32_t n_shape;
    const struct const_pin *pin;
    uint32_t n_pin;
    const struct state_pin *state;
    uint32_t n_state;
    const struct budget *budget;
    uint32_t n_budget;
};

#endif
