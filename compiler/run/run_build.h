/* run_build.h - the emitted C into a shared library, once. */
#ifndef FLEXC_RUN_RUN_BUILD_H
#define FLEXC_RUN_RUN_BUILD_H

#include <stdbool.h>

#include "base/attr.h"
#include "base/cx.h"

/* Makes DIR/NAME.so from DIR/NAME.c with $CC (else clang, gcc, cc), the flags
 * of DIR/Makefile and the runtime's headers, unless DIR/NAME.so.key says that
 * it was made from the same source, headers, flags and compiler. The headers
 * are those of $FLEXRT_INCLUDE, of this program's prefix, or of the source tree
 * it was built from. With no_build a missing or stale library is refused,
 * and no child is started: that $CC is of the same version as then is believed.
 *
 *   so_path  the library, in cx->keep
 *
 * false   E_NO_FILE, E_IO, E_CHILD, or E_INPUT with no_build; an older library
 *         is still there */
NODISCARD bool run_build(const char *dir, const char *name, bool no_build,
                         struct cx *cx, const char **so_path);

#endif
