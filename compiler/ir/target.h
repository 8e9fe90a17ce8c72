/* target.h - the target classes: what fixes the lattice of chunks. One table
 * (target.c) lists the targets of --target with their class and C flags. */
#ifndef FLEXC_IR_TARGET_H
#define FLEXC_IR_TARGET_H

#include <stdbool.h>
#include <stdint.h>

enum target_class { CLASS_HOSTED, CLASS_MCU };

struct target {
    const char *name; /* "x86-64-v3", "cortex-m4", ... */
    enum target_class cls;
    const char *cflags;   /* for the emitted Makefile */
    const char *device;   /* shipped generic profile */
    uint32_t chunk_limit; /* bytes: 16 KiB on microcontrollers, 1 MiB hosted */
    uint32_t chunk_goal;  /* bytes: panels are grouped up to this */
    uint32_t align; /* of chunks in the blob file and loads: 4096 hosted, 64 */
    /* Weights that are stored as f16 or i8 are made f32 at most so many rows
     * (x 4) of so many panels at a time, in scratch; more panels of fewer. */
    uint32_t widen_rows;
    uint32_t widen_panels;
    uint32_t tile_panels; /* side by side in the kernels' largest tile */
};

/* NULL when there is none of that name. "host" gives the target of the machine
 * this program was compiled for. */
const struct target *target_find(const char *name);
/* Code for t runs on the machine that this program runs on. */
bool target_runs_here(const struct target *t);
/* i = 0, 1, ...; NULL at the end. */
const struct target *target_at(uint32_t i);

#endif
