/* run_model.h - a compiled model, ready to be opened by the runtime: from a
 * table file (kernels bound in process) or from the emitted C (built and
 * loaded). */
#ifndef FLEXC_RUN_RUN_MODEL_H
#define FLEXC_RUN_RUN_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/cx.h"
#include "flexrt/flx_format.h"
#include "run/run_child.h"

struct run_model {
    const struct flx_model
        *tables;                   /* of the entry chosen, at first the first */
    const struct flx_name *layer;  /* tables->n_layer; NULL when unknown */
    const struct flx_model *entry; /* all of them */
    const struct flx_name *const *entry_layer; /* of each; unknown: NULL */
    uint32_t n_entry;
    uint64_t peak; /* multiply-adds per microsecond that the device profile has;
                      0 when unknown */
    const char *blob_path;
    const uint8_t *blob; /* the weights inside the library; NULL: a file */
    void *library;       /* dlopen's; NULL for a table file */
};

/* The head of plan ix. */
struct flx_plan_head run_plan_head(const struct flx_model *m, uint32_t ix);

/* How to get from a folder to a model. */
struct run_model_opt {
    bool is_compiled; /* --cc: the C even if there is a table file */
    bool no_build;    /* refuse when NAME.so is missing or stale */
    const char *isa;  /* --target, for table files; NULL: the best here */
};

/* Opens DIR, which holds exactly one NAME.flxw, and NAME.flxt or NAME.c. Tables
 * and names are in cx->keep; run_model_close is due on success.
 *
 * false   E_NO_FILE, E_IO, E_INPUT, E_TABLE, E_CHILD naming the file */
NODISCARD bool run_model_open(const char *dir, const struct run_model_opt *opt,
                              struct cx *cx, struct run_model *out);
void run_model_close(struct run_model *m);
/* Chooses the entry of this number. */
void run_model_choose(struct run_model *m, uint32_t entry_ix);
/* Adds the plan in a .flxp file after those of the entry chosen.
 *
 * false   E_NO_FILE, E_IO; E_PLAN: not a whole plan for this model */
NODISCARD bool run_model_add_plan(struct run_model *m, const char *path,
                                  struct cx *cx);

/* How to compile an ONNX model with flexc. */
struct run_compile {
    const char *model;    /* path */
    const char *budgets;  /* as given to flexc --budgets */
    bool is_compiled;     /* C instead of a table file */
    struct run_argv more; /* options passed on */
    const char *log;      /* file for what flexc prints; NULL: to ours */
};

/* Whether there is a flexc to run. false: E_CHILD with the ways to get one. */
NODISCARD bool run_flexc_check(struct cx *cx);

/* Runs flexc into the new folder `dir` (name "m"): the one beside this program,
 * else $FLEXC, else along PATH.
 *
 *   exit_code   flexc's; not 0 when it refused, which it has explained
 *
 * false   it could not be started: E_CHILD */
NODISCARD bool run_flexc(const struct run_compile *c, const char *dir,
                         struct cx *cx, int *exit_code);

#endif
