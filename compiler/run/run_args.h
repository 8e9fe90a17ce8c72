/* run_args.h - flexrun's command line. */
#ifndef FLEXC_RUN_RUN_ARGS_H
#define FLEXC_RUN_RUN_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/cx.h"
#include "base/span.h"
#include "run/run_child.h"
#include "run/run_image.h"

struct run_list {
    const char **item;
    uint32_t n;
    uint32_t cap;
};

enum run_storage { RUN_CACHED, RUN_DIRECT, RUN_MEMORY };

#define RUN_PLAN_UNSET UINT32_MAX

/* One field per row of run_opts.def, as given; then what they mean together. */
struct run_args {
    uint64_t budget; /* bytes, or one of these: */
#define RUN_BUDGET_UNSET UINT64_C(0)
#define RUN_BUDGET_MIN (UINT64_MAX - 1)
#define RUN_BUDGET_MAX UINT64_MAX
    uint64_t seed;
    double rtol; /* negative: not given */
    double atol;
    const char *entry;
    const char *mean;
    const char *std;
    const char *layout;
    const char *output;
    const char *check;
    const char *storage;
    const char *switches;
    const char *trace;
    const char *json;
    const char *budgets;
    const char *target;
    const char *device;
    const char *numerics;
    const char *weights;
    const char *compress;
    struct run_list plan_file;
    struct run_list input;
    struct run_list shape;
    struct run_list constant;
    struct run_list state;
    uint32_t plan; /* RUN_PLAN_UNSET: not given */
    uint32_t runs;
    const char *turns; /* --sequence as given */
    uint32_t sequence; /* its runs; 0: one input, again and again */
    bool has_entries;  /* it names the entries of its runs */
    uint32_t warmup;
    uint32_t threads;
    bool resize;
    bool profile;
    bool no_build;
    bool quiet;
    bool conformance;
    bool cc;
    bool help;
    bool version;

    struct run_list path; /* arguments that are no options */
    struct run_image_opt image;
    enum run_storage store;
    bool is_onnx; /* the one path is a model, not a folder */
};

/* Everything the arguments say; strings are argv's, lists in cx->keep.
 * false: E_USAGE naming the option. */
NODISCARD bool run_args_parse(int argc, char **argv, struct cx *cx,
                              struct run_args *out);

/* One ENTRY[:N] of --sequence at *text, which moves on to the next one or, at
 * the end, to NULL. false: there is none. */
NODISCARD bool run_args_turn(const char **text, struct span *entry,
                             uint32_t *n);

/* The options for flexc among them. false: E_MEMORY. */
NODISCARD bool run_args_pass(const struct run_args *a, struct run_argv *out);

/* The instruction set of --target; NULL for host or none given. */
const char *run_args_isa(const struct run_args *a);

/* The text of --help. */
void run_args_help(struct buf *out);

#endif
