/* device.h - a device profile: what the planner's time model needs to know.
 * Text form (frontend/device, plans/devices/): lines of `key value unit`,
 * '#' comments; every key at most once; the reader names line and key. */
#ifndef FLEXC_IR_DEVICE_H
#define FLEXC_IR_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

/* Speeds of kernel families, the rows of a profile. */
enum speed {
    SPEED_GEMM,      /* multiply-adds per microsecond, conv and products */
    SPEED_DEPTHWISE, /* multiply-adds per microsecond */
    SPEED_WEIGHTS,   /* weight bytes per microsecond that a product can read */
    SPEED_EWISE,     /* bytes moved per microsecond, elementwise and copies */
    SPEED_POOL,      /* input elements x window per microsecond */
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
};

#endif
