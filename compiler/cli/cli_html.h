/* cli_html.h - --report: a compile as one page that needs nothing else. */
#ifndef FLEXC_CLI_CLI_HTML_H
#define FLEXC_CLI_CLI_HTML_H

#include "cli/cli_report.h"

/* Appends the page: report_page.html with the data of `r` as JSON in the place
 * of its marker. Names of the model appear in that JSON only, with every
 * character that HTML could read escaped; the page's script puts them into
 * text nodes.
 *
 *   curve  plans for other budgets, for the Pareto curve only; may be empty
 *
 * Its size is bounded by the number of layers, tensors and plans: rectangles
 * and events of very long plans are joined. false: E_MEMORY reported. */
NODISCARD bool cli_html(const struct cli_result *r,
                        const struct plan_set *curve, struct cx *cx,
                        struct buf *out);

#endif
