/* fault_store.h - a blob in memory whose k-th read goes wrong, and that checks
 * how it is asked: no more reads at once than it takes, whole units where it
 * wants them. */
#ifndef FLEXC_TESTS_FAULT_STORE_H
#define FLEXC_TESTS_FAULT_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/store_mem.h"

enum fault {
    FAULT_NONE,
    FAULT_START,  /* start_read fails */
    FAULT_FINISH, /* finish_read fails when it would have been done */
    FAULT_SHORT,  /* the second half is not brought, and nobody is told */
    FAULT_FLIP,   /* one bit is wrong, and nobody is told */
    FAULT_STALL   /* pending for a thousand polls, also with wait */
};

/* A read under way. */
struct fault_read {
    struct flx_store_mem mem;
    enum fault fault;
    uint32_t len;
    uint32_t stall;
    uint8_t *dst;
};

enum { FAULT_MAX_READS = 4 };

struct fault_store {
    struct flx_store_mem mem;
    uint32_t n_reads;    /* at once; each poll moves all of them on */
    bool wait_is_a_poll; /* bytes come poll by poll in any case */
    uint32_t read_align; /* 0, or: off and dst must be congruent modulo this */
    enum fault fault;
    uint64_t fault_at; /* number of the read, from 0; see n_read */

    uint64_t n_read;    /* reads begun */
    uint64_t n_partial; /* of them, not of whole units of read_align */
    uint64_t bytes_asked;
    uint32_t n_pending; /* polls answered with FLX_PENDING */
    bool is_misused;    /* a rule was broken; checked by the tests */
    struct fault_read read[FAULT_MAX_READS]; /* the oldest first */
    uint32_t n_reading;
};

/* Serves bytes[0 .. n); poll_bytes as in struct flx_store_mem; one read at
 * once. */
void fault_store_init(struct fault_store *s, const uint8_t *bytes, uint32_t n,
                      uint32_t poll_bytes);

/* The read after `skip` more goes wrong. */
void fault_store_arm(struct fault_store *s, enum fault fault, uint64_t skip);

/* True when the armed fault has happened. */
bool fault_store_hit(const struct fault_store *s);

enum flx_err fault_store_start(void *store, uint32_t off, void *dst,
                               uint32_t len);
enum flx_err fault_store_finish(void *store, int wait, uint32_t *n_in);

#endif
