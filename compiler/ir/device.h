/* device.h - a device profile: what the planner's time model needs to know.
 * Text form (frontend/device, plans/devices/): lines of `key value unit`,
 * '#' comments; every key at most once; the reader names line and key. */
#ifndef FLEXC_IR_DEVICE_H
#define FLEXC_IR_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/size.h"

/* What kernels do most of, the rows of a profile: each per microsecond. The
 * time of a layer is the sum of what it does of each, over its speed. */
enum speed {
    SPEED_GEMM,      /* multiply-adds of tiles: conv and products */
    SPEED_DEPTHWISE, /* multiply-adds, one channel a lane */
    SPEED_WEIGHTS,   /* weight bytes, each read for the first time */
    SPEED_EWISE,     /* bytes of tensors, read and written in order */
    SPEED_POOL,      /* input elements x window */
    SPEED_WINOGRAD,  /* multiply-adds of transformed tiles */
    SPEED_TRANSFORM, /* 6x6 tiles of one channel, there or back */
    SPEED_EXP,       /* exponentials, error functions and the like */
    SPEED_COUNT
};

enum storage_kind {
    STORAGE_READ,  /* loads read into the arena */
    STORAGE_MAPPED /* weights are read in place; no loads, no weight memory */
};

struct device {
    const char *name;
    enum storage_kind storage;
    uint64_t read_bytes_per_ms;   /* > 0 */
    uint64_t read_latency_ns;     /* of one request */
    uint64_t decode_bytes_per_ms; /* of decoded bytes, zstd; > 0 */
    bool loader_shares_core;      /* loading takes compute time as well */
    uint64_t step_ns;             /* cost of one box besides its arithmetic */
    uint64_t speed[SPEED_COUNT];  /* > 0 */
    uint64_t cache_bytes; /* larger weights come from memory for every block of
                             pixels; UINT64_MAX: never */
    uint64_t margin_percent; /* by so much a box or a load may take longer than
                                all of this says; in bounds, not in latencies */
    uint64_t tile_panels;    /* the target's, no key of a profile; 0 is 1 */
};

/* What a time that the profile says may become. */
static inline uint64_t device_bound_ns(const struct device *d, uint64_t ns)
{
    uint64_t bound;
    return size_mul(&bound, ns / 100 + 1, d->margin_percent) &&
                   size_add(&bound, bound, ns)
               ? bound
               : UINT64_MAX;
}

/* The longest time of which that is at most `ns`, or less by some. */
static inline uint64_t device_usual_ns(const struct device *d, uint64_t ns)
{
    return ns / (100 + d->margin_percent) * 100;
}

#endif
