/* cli_report.h - what a compile says: the table and the JSON. */
#ifndef FLEXC_CLI_CLI_REPORT_H
#define FLEXC_CLI_CLI_REPORT_H

#include "base/buf.h"
#include "base/cx.h"
#include "cli/cli_parse.h"
#include "cli/weights_error.h"
#include "ir/cand.h"
#include "ir/chunks.h"
#include "ir/layer.h"
#include "ir/plan.h"

/* Everything about a finished compile, or about one entry of it. */
struct cli_result {
    const struct cli_args *args;
    const char *entry; /* NULL: the only one */
    const struct layers *layers;
    const struct chunks *chunks;
    const struct cands *cands;
    const struct plan_set *plans;
    const uint64_t *plan_bytes;   /* encoded size of each plan */
    struct weights_errors errors; /* n 0: not measured; in the first entry's */
    uint64_t planning_us; /* processor time of all plans; only in the JSON */
    uint32_t n_plan;
};

/* One line a plan: budget, peak, latency, bound, gap, resident, streamed, and
 * the node that sets the peak; then one an output whose error is known. */
void cli_table(const struct cli_result *r, struct buf *out);

/* Of all n >= 1 entries. The keys are listed in the README. false: out of
 * memory, reported. */
NODISCARD bool cli_json(const struct cli_result *r, uint32_t n, struct cx *cx,
                        struct buf *out);
/* {"error": {"id", "node", "min_budget"}} of the diag. */
NODISCARD bool cli_json_error(struct cx *cx, struct buf *out);

#endif
