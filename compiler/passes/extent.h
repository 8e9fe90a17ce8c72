/* extent.h - results whose size depends on values. Their shape has the most
 * there can be, and a value of the graph counts how many there are: a node that
 * works on each of them for itself does not care, and its result is counted
 * likewise; any other is refused. */
#ifndef FLEXC_PASSES_EXTENT_H
#define FLEXC_PASSES_EXTENT_H

#include "passes/params.h"

/* Sets the extents of the node's results, whose shapes are known, by those of
 * its inputs. E_UNSUPPORTED where the node would need to know how many. */
NODISCARD bool extent_spread(struct graph *g, struct cx *cx,
                             const struct node *n);

#endif
