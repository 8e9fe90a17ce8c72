/* cmd_profile.h - flexc profile [FILE.dev]: measures this machine. */
#ifndef FLEXC_CLI_CMD_PROFILE_H
#define FLEXC_CLI_CMD_PROFILE_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/cx.h"

/* Compiles small networks as a user's are, with the same C compiler, into a
 * folder of its own that is removed; runs them, times every box and every
 * load, and finds the speeds with which the cost model comes nearest. The
 * profile goes to FILE.dev, whose stem is its name, in one step at the end; or
 * without it, to `text`, where otherwise a summary goes.
 *
 * argv: what follows the subcommand's name. About 20 seconds of one core and
 * of its loader, 500 MB of memory, 300 MB of disk.
 *
 * false   E_USAGE, E_TARGET (one that this machine cannot run); E_CHILD
 *         without a C compiler; E_IO; what compiling or running says */
NODISCARD bool cmd_profile(int argc, char **argv, struct cx *cx,
                           struct buf *text);

#endif
