/* cli_device.h - finds and reads the device profile of a compile. */
#ifndef FLEXC_CLI_CLI_DEVICE_H
#define FLEXC_CLI_CLI_DEVICE_H

#include "base/cx.h"
#include "cli/cli_parse.h"

/* Sets args->opt.device: --device as a path if it has a '/' or ends in .dev,
 * else NAME.dev in $FLEXC_DEVICES, in devices/ beside this program, in
 * ../share/flexc/devices of it; without --device the target's generic profile.
 * false: E_DEVICE or E_NO_FILE naming the places looked at. */
NODISCARD bool cli_device(struct cli_args *args, struct cx *cx);

#endif
