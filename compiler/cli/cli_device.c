#include "cli/cli_device.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/fileio.h"
#include "frontend/device/device_read.h"

enum { PATH_CAP = 4096 };

/* The folder of the running program; "." where the system does not tell. */
static const char *program_dir(struct cx *cx)
{
    char path[PATH_CAP];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) {
        return ".";
    }
    path[n] = '\0';
    return path_dir(cx->keep, path);
}

static bool ends_with(const char *s, const char *tail)
{
    const size_t n = strlen(s);
    const size_t t = strlen(tail);
    return n >= t && strcmp(s + n - t, tail) == 0;
}

/* The first place that has NAME.dev; NULL reported. */
static const char *find_named(const char *name, struct cx *cx)
{
    const char *env = getenv("FLEXC_DEVICES");
    const char *dir = program_dir(cx);
    if (!dir) {
        return NULL;
    }
    const char *place[] = {
        env && *env ? env : NULL,
        arena_printf(cx->keep, "%s/devices", dir),
        arena_printf(cx->keep, "%s/../share/flexc/devices", dir),
    };
    for (size_t i = 0; i < sizeof place / sizeof place[0]; i++) {
        const char *path =
            place[i] ? arena_printf(cx->keep, "%s/%s.dev", place[i], name)
                     : NULL;
        if (path && file_exists(path)) {
            return path;
        }
    }
    (void)diag_error(cx->diag, E_DEVICE, at_option("--device"),
                     "no profile '%s.dev' in $FLEXC_DEVICES, in devices/ "
                     "beside flexc or in its share/flexc/devices; give a path "
                     "to one",
                     name);
    return NULL;
}

bool cli_device(struct cli_args *args, struct cx *cx)
{
    const char *name = args->device ? args->device : args->opt.target->device;
    const char *path = strchr(name, '/') || ends_with(name, ".dev")
                           ? name
                           : find_named(name, cx);
    struct device *d = arena_new(cx->keep, struct device, 1);
    if (!path || !d || !device_read(path, cx, d)) {
        return false;
    }
    d->tile_panels = args->opt.target->tile_panels;
    args->opt.device = d;
    return true;
}
