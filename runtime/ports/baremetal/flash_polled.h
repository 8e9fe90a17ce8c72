/* flash_polled.h - a blob behind a device that is read a word at a time and
 * asked whether it is done: the pattern of a QSPI or SD controller without
 * interrupts. Boxes run between the polls; nothing waits until a box needs the
 * weights. The device here is a run of 32-bit words; a driver for a real one
 * replaces the copy in flx_flash_finish by a look at its FIFO. */
#ifndef FLEXRT_PORTS_BAREMETAL_FLASH_POLLED_H
#define FLEXRT_PORTS_BAREMETAL_FLASH_POLLED_H

#include <stdint.h>

#include "flexrt/flx_port.h"

#ifdef __cplusplus
extern "C" {
#endif

struct flx_flash {
    const volatile uint32_t *device; /* the blob, little-endian words */
    uint32_t bytes;                  /* of the blob; a multiple of 4 */
    uint32_t burst_words; /* a poll without wait brings so many; >= 1 */
    uint32_t n_polls;     /* polls that found the read unfinished */
    const volatile uint32_t *ready; /* NULL: always; else a register that is 0
                                       while the device has no word */
    uint32_t max_idle; /* looks in a row that find none, then the read fails */
    uint32_t n_idle;

    /* The read under way. */
    uint32_t off;
    uint32_t left;
    uint32_t n_in;
    uint8_t *dst;
};

/* For flx_port.start_read and finish_read, with a struct flx_flash as ctx.
 * FLX_E_STORAGE: beyond the blob, or off is no multiple of 4, or the device has
 * not been ready for max_idle looks; the next start tries it anew. */
enum flx_err flx_flash_start(void *flash, uint32_t off, void *dst,
                             uint32_t len);
enum flx_err flx_flash_finish(void *flash, int wait, uint32_t *n_in);

#ifdef __cplusplus
}
#endif

#endif
