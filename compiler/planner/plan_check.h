/* plan_check.h - the judge: proves a plan set from the plans alone. Shares no
 * code with the planner. */
#ifndef FLEXC_PLANNER_PLAN_CHECK_H
#define FLEXC_PLANNER_PLAN_CHECK_H

#include "ir/cand.h"
#include "ir/chunks.h"
#include "ir/layer.h"
#include "ir/plan.h"

/* Proves for each plan of the set, by executing its two streams on paper:
 *
 *   order    one greedy run of both streams ends, from a cold start and in
 *            the cyclic steady state, thus from every boundary too
 *   rows     each output row x panel x K block of each layer is computed once
 *            and in order, from rows that are there and still held
 *   weights  each box finds its panels at its address, loaded by its wait
 *   memory   no two things alive at once share a byte: buffers, rings,
 *            scratch of all threads, slices from the earliest start of their
 *            load (with the ends that reads are padded by), residents with any
 *            present bits, runtime state; inputs from the end of the run
 *            before, outputs until the next run starts
 *   peak     is the highest byte of all that, and within the budget
 *   entries  from every boundary each later box finds its weights and inputs;
 *            ids are right, and equal ids mean equal states across the set
 *   claims   counts, streamed bytes, longest step
 *
 * l, c and k have been checked by their own checkers; the plans may come from
 * a file. E_PLAN_CHECK names the layer at fault where there is one. Time and
 * scratch memory grow with the executed instructions (at most 2^21). */
NODISCARD bool plan_check(const struct layers *l, const struct chunks *c,
                          const struct cands *k, const struct plan_set *set,
                          struct cx *cx);

#endif
