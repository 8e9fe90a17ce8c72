/* store_mem.h - a blob in memory served through start_read and finish_read:
 * flash that is addressable but not to be computed from, or, in tests, a
 * device whose transfer goes on between polls. To read in place, set
 * flx_port.map instead. */
#ifndef FLEXRT_STORAGE_STORE_MEM_H
#define FLEXRT_STORAGE_STORE_MEM_H

#include <stdint.h>

#include "flexrt/flx_port.h"

#ifdef __cplusplus
extern "C" {
#endif

struct flx_store_mem {
    const uint8_t *blob; /* `bytes` bytes, the caller's */
    uint32_t bytes;
    uint32_t poll_bytes; /* a poll without wait brings so many; 0: all */

    /* The read under way. */
    uint32_t off;
    uint32_t left;
    uint32_t n_in;
    uint8_t *dst;
};

/* For flx_port.start_read and finish_read, with a struct flx_store_mem as ctx.
 * FLX_E_STORAGE: the read reaches beyond the blob's end. */
enum flx_err flx_store_mem_start(void *store, uint32_t off, void *dst,
                                 uint32_t len);
enum flx_err flx_store_mem_finish(void *store, int wait, uint32_t *n_in);

#ifdef __cplusplus
}
#endif

#endif
