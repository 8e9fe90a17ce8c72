/* start_cortex_m.h - what the start-up code offers to a program, besides
 * calling main and ending with its result. */
#ifndef FLEXRT_PORTS_BAREMETAL_START_CORTEX_M_H
#define FLEXRT_PORTS_BAREMETAL_START_CORTEX_M_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Most bytes of stack used since reset. The start-up code fills the stack with
 * a pattern; this looks how much of it is left. */
uint32_t flx_stack_used(void);

#ifdef __cplusplus
}
#endif

#endif
