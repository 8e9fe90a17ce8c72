/* cg_kernels.h - kernel bodies and their instances in the generated C. */
#ifndef FLEXC_CODEGEN_CG_KERNELS_H
#define FLEXC_CODEGEN_CG_KERNELS_H

#include "base/buf.h"
#include "base/cx.h"
#include "codegen/cg_build.h"

/* The bodies that the model's kernels need: #include lines, or the files' own
 * text with everything they include (self_contained). */
NODISCARD bool cg_kernel_bodies(const struct cg_model *g, bool self_contained,
                                struct buf *out);

/* `kernel_IX`: one static function that calls its body with the argument block
 * as constants. */
NODISCARD bool cg_kernel_instance(const struct cg_kernel *k, uint32_t ix,
                                  struct cx *cx, struct buf *out);

/* A file of the runtime ("flexrt/flexrt.h", "kernels/k_conv.h") with all of
 * the runtime's files that it includes in their places; system headers stay
 * #include lines. false: no such file (our bug) or out of memory. */
NODISCARD bool cg_runtime_file(const char *name, struct buf *out);

#endif
