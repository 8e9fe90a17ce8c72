/* cg_build.h - plan set, chunks, candidates and layers become the runtime's
 * tables, as values in memory. Printing them as C (cg_print.h) or storing them
 * as a table file (cg_table.h) adds nothing and decides nothing. */
#ifndef FLEXC_CODEGEN_CG_BUILD_H
#define FLEXC_CODEGEN_CG_BUILD_H

#include "base/cx.h"
#include "flexrt/flx_format.h"
#include "ir/cand.h"
#include "ir/chunks.h"
#include "ir/layer.h"
#include "ir/plan.h"

/* A kernel instance: equal ids and words are one instance. */
struct cg_kernel {
    uint32_t id; /* enum flx_kernel_id */
    const uint32_t *word;
    uint32_t n_word;
};

/* One entry of a model. All memory is cx->keep's. model.kernel is NULL: the
 * functions are known only where the tables run. */
struct cg_model {
    struct flx_model model;
    struct cg_kernel *kernel;      /* model.n_kernel */
    const char *const *layer_name; /* model.n_layer, for traces */
    const uint64_t *layer_macs;
    const char *const *layer_algorithm;
    const struct plan_set *plans;
};

/* What tables are made of. */
struct cg_input {
    const struct layers *layers;
    const struct chunks *chunks;
    const struct cands *cands;
    const struct plan_set *plans;
    const char *entry;             /* its name; NULL: the only one */
    const struct cg_model *before; /* the entry before; NULL: the first */
};

/* Fills *out; its kernels begin with those of the entry before. false: a count
 * or size does not fit the device's tables (E_TOO_BIG, naming it), or memory is
 * out. Cost: linear. */
NODISCARD bool cg_build(const struct cg_input *in, struct cx *cx,
                        struct cg_model *out);

#endif
