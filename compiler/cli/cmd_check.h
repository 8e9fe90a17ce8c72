/* cmd_check.h - flexc check DIR: does a compiled model keep its promises? */
#ifndef FLEXC_CLI_CMD_CHECK_H
#define FLEXC_CLI_CMD_CHECK_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/cx.h"

/* Opens the model in DIR, whose tables are checked at this; runs it under each
 * plan with the same seeded random inputs, twice, and once more with switches
 * between all plans at seeded random steps; every chunk that is read is
 * verified. Appends a line a plan, and one for the switches.
 *
 * false   E_MISMATCH when the bits of an output depend on the plan;
 * E_PLAN_CHECK when a run took more or less arena or steps than its plan says;
 * else what opening or running it says */
NODISCARD bool cmd_check(const char *dir, struct cx *cx, struct buf *text);

#endif
