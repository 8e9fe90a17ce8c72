/* cg_runtime.h - the runtime's headers and kernel bodies as text, embedded when
 * flexc is built (embed.cmake): what --self-contained copies. */
#ifndef FLEXC_CODEGEN_CG_RUNTIME_H
#define FLEXC_CODEGEN_CG_RUNTIME_H

#include <stdint.h>

struct cg_runtime {
    const char *name; /* "flexrt/flexrt.h", "kernels/k_conv.h" */
    const uint8_t *text;
    uint64_t len;
};

/* Ends with a row whose name is NULL. */
extern const struct cg_runtime cg_runtime_files[];

#endif
