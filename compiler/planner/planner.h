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

/* How long a switch can take, from the request to the new plan. */
struct plan_delay {
    uint64_t n_box; /* executed after it was asked for, that under way too */
    uint64_t ns;    /* a bound, of what the profile says with its margin,
                       whatever has been loaded before */
};

/* The worst delay from plan i to plan j of the set's first n, at out[i * n +
 * j]; 0 where they are the same. Everything has been checked, so that idle
 * points meet. A request between runs waits for nobody and is not counted.
 * false: E_MEMORY reported. Cost: n * (steps + loads), n^2 * boundaries^2. */
NODISCARD bool plan_switch_delays(const struct layers *l,
                                  const struct chunks *c, const struct cands *k,
                                  const struct device *d,
                                  const struct plan_set *set, uint32_t n,
                                  struct cx *cx, struct plan_delay *out);

/* Plans of 33 budgets at equal ratios, from the least to the one that holds
 * everything; arguments and errors as of plan_make, but that opt's budgets are
 * not read. About a second for networks of 150 layers. */
NODISCARD bool plan_curve(const struct layers *l, const struct chunks *c,
                          const struct cands *k, const struct device *d,
                          const struct options *opt, struct cx *cx,
                          struct plan_set *curve);

/* The up to n plans of a curve (n >= 1) with which its budgets, each under the
 * largest plan that fits, lose least time in sum; the least is among them.
 *
 *   bytes    n; their peaks, ascending
 *   n_found  fewer than n when more would gain nothing */
NODISCARD bool plan_knees(const struct plan_set *curve, uint32_t n,
                          struct cx *cx, uint64_t *bytes, uint32_t *n_found);

#endif
