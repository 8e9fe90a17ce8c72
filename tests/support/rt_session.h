/* rt_session.h - a hand-made model open under one kind of port, with guards:
 * the arena is as long as its caller says and no byte more, what is released
 * holds a pattern until it is wanted again. Includes CMocka. */
#ifndef FLEXC_TESTS_RT_SESSION_H
#define FLEXC_TESTS_RT_SESSION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ports/posix/flx_posix.h"
#include "support/fault_store.h"
#include "support/rt_model.h"

enum rt_port {
    RT_PORT_SYNC,    /* a read is done when it is asked for */
    RT_PORT_POLLED,  /* 40 bytes between two boxes */
    RT_PORT_AHEAD,   /* the same, and four reads at once */
    RT_PORT_MAP,     /* the blob in place, loads copy */
    RT_PORT_LOADER,  /* the POSIX port's loader thread */
    RT_PORT_THREADS, /* that and 3 compute threads; four reads at once, that
                        come in parts */
    RT_N_PORT
};

struct rt_session {
    const struct rt_model *m;
    struct fault_store store;
    struct flx_posix posix; /* its threads only */
    struct flx_port port;
    uint8_t *arena;
    uint32_t arena_bytes;
    uint32_t used;   /* bytes not released */
    bool refuse;     /* acquire says no */
    bool is_spoiled; /* a released byte was written */
    uint32_t n_release;
    uint32_t n_acquire;
    struct flx *rt;
};

/* Opens plan `plan` in an arena of arena_bytes (0: what the largest plan
 * needs). Fails the test when flx_open does. */
void rt_open(struct rt_session *s, const struct rt_model *m, enum rt_port kind,
             uint32_t plan, uint32_t arena_bytes);

/* The same as far as flx_open, which the caller calls; then rt_close, which
 * checks that the store was used as it should be. */
void rt_prepare(struct rt_session *s, const struct rt_model *m,
                enum rt_port kind, uint32_t arena_bytes);
void rt_close(struct rt_session *s);

/* Writes input `seed`; checks that the output is the one for it. */
void rt_put_input(struct rt_session *s, uint32_t seed);
void rt_check_output(const struct rt_session *s, uint32_t seed);

/* Both, and a run between them. */
void rt_run_once(struct rt_session *s, uint32_t seed);

/* What is released is what the plan does not use, and nobody wrote it. */
void rt_check_guards(const struct rt_session *s);

#endif
