/* run_exec.h - runs a compiled model in this process, and measures it. */
#ifndef FLEXC_RUN_RUN_EXEC_H
#define FLEXC_RUN_RUN_EXEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cx.h"
#include "base/sha256.h"
#include "run/run_args.h"
#include "run/run_model.h"
#include "run/run_switch.h"
#include "run/run_tensor.h"
#include "run/run_trace.h"

struct run_setup {
    const struct run_model *model;
    uint32_t plan; /* to begin with */
    uint32_t n_thread;
    enum run_storage store;
    uint32_t n_warmup;
    uint32_t n_run;                 /* >= 1 */
    const struct run_tensor *input; /* of all inputs, in the tables' order;
                                       types and shapes fit */
    bool is_sequence; /* inputs that are no states have as much data as n_run
                         inferences need, a part for each */
    const uint32_t *order; /* of a sequence: the number of each inference's
                              entry; NULL: of the one that is chosen */
    const struct run_switches *switches; /* NULL: none */
    struct run_trace *trace;             /* NULL: none */
};

/* A switch that took effect. */
struct run_switched {
    uint32_t run; /* timed inference, from 0 */
    uint32_t step;
    uint32_t from;
    uint32_t to;
    uint32_t us;
    uint32_t released; /* bytes given back; 0 when the arena grew */
};

/* All tries from one plan to another: asked for before each step in turn, in
 * n_run inferences each, and obeyed in them. What the system does besides may
 * lengthen some, so that of one step's tries the shortest counts. */
struct run_pair {
    uint32_t from;
    uint32_t to;
    uint32_t n_try;
    uint32_t us;      /* the longest of any step, from request to done */
    uint32_t us_most; /* of any try */
    uint32_t step;    /* the most steps in between */
};

struct run_result {
    uint32_t plan;     /* begun with */
    const char *entry; /* begun with; NULL: the only one */
    struct flx_plan_head head;
    double *ms; /* of each timed inference, ascending */
    uint32_t n_run;
    uint64_t arena_peak;      /* bytes: the largest plan that ran */
    uint64_t rss_over_idle;   /* bytes: peak RSS less that before flx_open */
    uint64_t bytes_read;      /* from flx_open to the last output: of the first
                                 inference and the streamed ones of the others */
    uint64_t bytes_ahead;     /* besides, for an inference that did not come */
    uint64_t n_read;          /* loads, those too */
    uint64_t longest_step_ns; /* of flx_step in timed inferences, with its
                                 waits for loads and switches */
    uint32_t n_step;          /* executed in the last inference */
    struct run_switched *switched;
    uint32_t n_switched;
    uint32_t cap_switched;
    struct run_pair *pair; /* --switch all; else none */
    uint32_t n_pair;
    uint32_t cap_pair;
    uint32_t n_refused;        /* requests that had no effect, by last_switch */
    struct run_tensor *output; /* of the last inference, in order; of a
                                  sequence, those of all, but for states */
    uint32_t n_output;
    char (*sha256)[SHA256_HEX_CAP]; /* of each output's bytes */
};

/* Whether an input and an output lie in this buffer. */
bool run_is_state(const struct flx_model *m, uint32_t buf);

/* Opens, runs n_warmup + n_run inferences with the same inputs, or a sequence,
 * closes.
 * Everything of *out is in cx->keep.
 *
 * false   E_BLOB, E_MODEL_ID, E_TABLE, E_PLAN, E_IO, E_MEMORY, E_USAGE
 *         (--threads, --switch), E_MISMATCH when two inferences differ */
NODISCARD bool run_exec(const struct run_setup *s, struct cx *cx,
                        struct run_result *out);

/* The value in the middle of ascending r->ms. */
double run_median_ms(const struct run_result *r);

/* An input or output of the tables as a tensor without data. false:
 * E_UNSUPPORTED or E_TABLE naming it. */
NODISCARD bool run_io_tensor(const struct flx_io *io, struct cx *cx,
                             struct run_tensor *out);

#endif
