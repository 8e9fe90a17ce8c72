/* run_switch.h - when to ask for another plan: --switch. */
#ifndef FLEXC_RUN_RUN_SWITCH_H
#define FLEXC_RUN_RUN_SWITCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"
#include "base/cx.h"

#define RUN_NO_PLAN UINT32_MAX

struct run_request {
    uint32_t step; /* asked for before this step of an inference, from 0 */
    uint32_t plan;
};

struct run_switches {
    bool is_all; /* every pair of plans at every step, besides the runs */
    bool is_random;
    uint64_t seed;
    uint32_t n_plan;
    const struct run_request *request; /* n of them, unless all or random */
    uint32_t n;
};

/* Parses "STEP:PLAN,...", "random:SEED" or "all" for a model of n_plan plans;
 * memory of cx->keep. false: E_USAGE at --switch. */
NODISCARD bool run_switch_parse(const char *text, uint32_t n_plan,
                                struct cx *cx, struct run_switches *out);

/* The plan to ask for before `step` of inference run_ix, or RUN_NO_PLAN; the
 * last of several requests for one step counts. Random: about eight requests
 * spread over n_step steps, the first step always among them. */
uint32_t run_switch_at(const struct run_switches *s, uint32_t run_ix,
                       uint32_t step, uint32_t n_step);

#endif
