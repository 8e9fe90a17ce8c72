/* plan_run.h - a plan unrolled: what one run executes, in order, and when. For
 * reports and dumps; plan_check unrolls on its own. */
#ifndef FLEXC_IR_PLAN_RUN_H
#define FLEXC_IR_PLAN_RUN_H

#include "ir/plan.h"

struct arena;

/* An executed box: rows [r0, r1), none for an empty one. */
struct plan_step {
    uint32_t ix;   /* instruction, plan.box */
    uint32_t loop; /* the LOOP it is in, plan.box; UINT32_MAX for none */
    uint64_t r0;
    uint64_t r1;
    uint64_t loads;    /* complete before it: its wait */
    uint64_t begin_ns; /* from the start of the run; 0 before plan_trace */
    uint64_t end_ns;
};

/* An executed load. */
struct plan_fetch {
    uint32_t ix;       /* instruction, plan.load */
    uint32_t layer;    /* whose weights it brings */
    uint32_t loop;     /* plan.load; UINT32_MAX for none */
    int64_t wait;      /* steps done before it may begin; < 0: in the run
                          before */
    uint64_t last_use; /* the last step that finds weights there, at least the
                          first that waits for it */
    int64_t begin_ns;  /* < 0: in the run before; 0 before plan_trace */
    int64_t end_ns;    /* == begin_ns for a resident, which is there already */
};

struct plan_run {
    struct plan_step *step;
    uint64_t n_step;
    struct plan_fetch *fetch;
    uint64_t n_fetch;
    uint64_t period_ns; /* one run among many; 0 before plan_trace */
};

/* Unrolls a plan that plan_check accepts; times stay 0. The arrays come from
 * `a`. false: E_MEMORY reported. Cost: n_step + n_fetch, and for each step the
 * chunks that it reads. */
NODISCARD bool plan_unroll(const struct layers *l, const struct chunks *c,
                           const struct plan *p, struct arena *a,
                           struct plan_run *out);

#endif
