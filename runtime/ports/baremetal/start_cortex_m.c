/* Vector table and reset for Cortex-M with FPU, with newlib behind it
 * (--specs=rdimon.specs: files, printf and exit over semihosting, which an
 * emulator or a debug probe serves). Symbols come from the linker script. */
#include "ports/baremetal/start_cortex_m.h"

#include <stdlib.h>
#include <string.h>

extern uint32_t flx_data_load[];
extern uint32_t flx_data_begin[];
extern uint32_t flx_data_end[];
extern uint32_t flx_bss_begin[];
extern uint32_t flx_bss_end[];
extern uint32_t flx_stack_low[];
extern uint32_t flx_stack_top[];

int main(void);
void initialise_monitor_handles(void) __attribute__((weak));
void flx_reset(void) __attribute__((noreturn));
void flx_fault(void) __attribute__((noreturn));

enum { EXIT_FAULT = 70, N_FAULTS = 14, FRAME_BYTES = 64 };
#define STACK_PATTERN 0x5ca1ab1eu

/* CPACR, ARMv7-M reference manual B3.2.20: full access to the FPU. */
#define CPACR_ADDRESS 0xe000ed88u
#define CPACR_FPU (0xfu << 20)

struct vectors {
    uint32_t *stack;
    void (*reset)(void);
    void (*fault[N_FAULTS])(void);
};

__attribute__((section(".vectors"),
               used)) static const struct vectors k_vectors = {
    flx_stack_top,
    flx_reset,
    {flx_fault, flx_fault, flx_fault, flx_fault, flx_fault, flx_fault,
     flx_fault, flx_fault, flx_fault, flx_fault, flx_fault, flx_fault,
     flx_fault, flx_fault},
};

/* No code that may use the FPU, and no call, before it is on. */
void flx_reset(void)
{
    *(volatile uint32_t *)CPACR_ADDRESS |= CPACR_FPU;
    __asm volatile("dsb\n\tisb" ::: "memory");
    /* Not the frame that is in use. */
    volatile uint32_t here = 0;
    const uint32_t end = (uint32_t)&here - FRAME_BYTES;
    for (uint32_t *p = flx_stack_low; (uint32_t)p < end; p++) {
        *p = STACK_PATTERN;
    }
    memcpy(flx_data_begin, flx_data_load,
           (size_t)((char *)flx_data_end - (char *)flx_data_begin));
    memset(flx_bss_begin, 0,
           (size_t)((char *)flx_bss_end - (char *)flx_bss_begin));
    if (initialise_monitor_handles) {
        initialise_monitor_handles();
    }
    exit(main());
}

void flx_fault(void)
{
    _Exit(EXIT_FAULT);
}

uint32_t flx_stack_used(void)
{
    const uint32_t *p = flx_stack_low;
    while (p < flx_stack_top && *p == STACK_PATTERN) {
        p++;
    }
    return (uint32_t)((const char *)flx_stack_top - (const char *)p);
}
