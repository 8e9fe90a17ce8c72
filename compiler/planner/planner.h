/* planner.h - layers x chunks x candidates x device -> one plan per budget. */
#ifndef FLEXC_PLANNER_PLANNER_H
#define FLEXC_PLANNER_PLANNER_H

#include "ir/options.h"
#include "ir/plan.h"
#include "ir/plan_run.h"

/* One plan for each entry of opt->budget, in that order; a bigger budget is
 * never predicted slower than a smaller one of the same call. plan_check
 * accepts each of them. Integers only: bytes and nanoseconds.
 *
 *   l, c, k  checked; k and opt agree on the number of threads
 *   d        profile; with STORAGE_MAPPED and raw chunks weights stay in place
 *   set      from cx->keep, plans' budget_text point into opt
 *
 * E_BUDGET   a budget below the least that the search finds: names the node
 *            that sets it, and carries it in the diag
 * E_TOO_BIG  more than 2^21 executed instructions in every plan found
 *
 * Tens of milliseconds per budget for networks of 150 layers. */
NODISCARD bool plan_make(const struct layers *l, const struct chunks *c,
                         const struct cands *k, const struct device *d,
                         const struct options *opt, struct cx *cx,
                         struct plan_set *set);

/* Sets the times of `run`, which plan_unroll made of p: those of one run among
 * many, as predicted. Everything has been checked. false: E_MEMORY reported;
 * some times may be set. Cost: three runs simulated. */
NODISCARD bool plan_trace(const struct layers *l, const struct chunks *c,
                          const struct cands *k, const struct device *d,
                          const struct plan *p, struct cx *cx,
                          struct plan_run *run);

#endif
