/* kernel_instances.h - the instances of kernel_instances.def, compiled with the
 * flags of one instruction set. */
#ifndef FLEXC_TESTS_KERNEL_INSTANCES_H
#define FLEXC_TESTS_KERNEL_INSTANCES_H

#include "flexrt/flx_kernel.h"

struct kernel_instance {
    const char *name;
    uint32_t id;
    uint32_t rows;
    uint32_t panels;
    flx_kernel_fn fn; /* with the block compiled in */
    const void *arg;
};

/* NULL at the end. */
const struct kernel_instance *kernel_instances_base(uint32_t i);
const struct kernel_instance *kernel_instances_v3(uint32_t i);

#endif
