/* flx_find.h - kernels with run-time arguments, by id: to run tables in process
 * with the bits that the compiled C of the same instruction set gives. */
#ifndef FLX_FIND_H
#define FLX_FIND_H

#include "flexrt/flx_kernel.h"

/* The kernel of that id, compiled for the instruction set of target `isa`
 * ("x86-64-v3", ...; NULL: the best that this processor has). A target of
 * another architecture gives what the library's own compiler flags give.
 *
 * NULL   no such kernel, or this processor lacks the instructions */
flx_kernel_fn flx_kernel_find(const char *isa, uint32_t id);

/* The set that a NULL isa stands for: "x86-64-v4", ..., or "". */
const char *flx_kernel_isa(void);

/* One per build of k_all.c. */
flx_kernel_fn flx_kernel_find_base(uint32_t id);
flx_kernel_fn flx_kernel_find_v3(uint32_t id);
flx_kernel_fn flx_kernel_find_v4(uint32_t id);

#endif
