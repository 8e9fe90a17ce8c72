/* fuzz_session.h - a model open on an arena whose surroundings are poisoned, as
 * is what the runtime has released: AddressSanitizer sees any touch, and
 * without it the nearest bytes on both sides are compared. */
#ifndef FLEXC_TESTS_FUZZ_SESSION_H
#define FLEXC_TESTS_FUZZ_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "flexrt/flexrt.h"
#include "storage/store_mem.h"

enum fuzz_port {
    FUZZ_PORT_SYNC,
    FUZZ_PORT_POLLED, /* 40 bytes a poll */
    FUZZ_PORT_MAP,
    FUZZ_PORT_PARTS, /* three parts, one after the other */
    FUZZ_N_PORT
};

struct fuzz_session {
    struct flx_store_mem store;
    struct flx_port port;
    uint8_t *block; /* guard, arena, guard */
    uint8_t *arena;
    uint32_t arena_bytes;
    struct flx *rt; /* NULL: refused */
};

/* The blob is `bytes` bytes, or, mapped, at least as long as the model says. */
enum flx_err fuzz_open_session(struct fuzz_session *s,
                               const struct flx_model *m, enum fuzz_port kind,
                               const uint8_t *blob, uint32_t bytes,
                               uint32_t arena_bytes, uint32_t plan);

/* Checks the guards; also after a refusal. */
void fuzz_close_session(struct fuzz_session *s);

#endif
