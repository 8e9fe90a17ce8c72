/* run_trace.h - what happened when: boxes and loads of a run, for a Chrome
 * trace and for the table of layers. */
#ifndef FLEXC_RUN_RUN_TRACE_H
#define FLEXC_RUN_RUN_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "flexrt/flx_kernel.h"
#include "run/run_model.h"

/* A box (ix is its layer) or a load (ix is its first chunk; no box fields). */
struct run_event {
    uint64_t begin_ns;
    uint64_t end_ns;
    uint32_t ix;
    uint32_t r0;
    uint32_t r1;
    uint32_t p0;
    uint32_t p1;
    uint32_t kb;
};

enum run_lane_id { RUN_BOXES, RUN_LOADS, RUN_N_LANES };

/* Boxes and loads may be on two threads; each lane has memory of its own, and
 * its events follow each other. */
struct run_lane {
    struct diag diag;
    struct arena arena;
    struct run_event *event;
    uint32_t n;
    uint32_t cap;
    struct run_event now; /* begun, not ended */
};

/* Must stay where it is while in use. */
struct run_trace {
    uint64_t zero_ns; /* of the trace's time axis */
    bool is_busy;     /* times are those of the thread's processor: what other
                         programs take does not count. No axis then. */
    struct run_lane lane[RUN_N_LANES];
};

/* A clock that never goes back. */
uint64_t run_now_ns(void);

void run_trace_init(struct run_trace *t);
void run_trace_free(struct run_trace *t);
/* Forgets the events so far; no load may be in flight. */
void run_trace_restart(struct run_trace *t);

/* An flx_trace_fn; ctx is a struct run_trace. */
void run_trace_hook(void *ctx, int kind, int end, uint32_t ix,
                    const struct flx_call *call);

/* Appends the events as Chrome's trace format (microseconds). false: E_MEMORY,
 * also when events were lost for lack of it. */
NODISCARD bool run_trace_print(const struct run_trace *t,
                               const struct run_model *m, struct cx *cx,
                               struct buf *out);

/* Chunks of the plan's first load that begins with chunk0; 1 for one that was
 * picked. flx_open must have checked the plan. */
uint32_t run_load_chunks(const struct flx_model *m, uint32_t plan,
                         uint32_t chunk0);

/* Bytes that the first n_load executed loads of an inference under this plan
 * bring when all residents are there; per_layer (or NULL: n_layer counters)
 * gets them by layer. flx_open must have checked the plan. */
uint64_t run_streamed_bytes(const struct flx_model *m, uint32_t plan,
                            uint32_t n_load, uint64_t *per_layer);

/* A layer in the table: averages over n_runs inferences. */
struct run_profile {
    const char *name;
    const char *algorithm; /* "-" when unknown */
    double box_ms;
    double load_ms;
    double gflops;       /* 0 when the operations are unknown */
    double peak;         /* part of the profile's; 0 when that is unknown */
    uint64_t read_bytes; /* streamed by the plan in one steady inference */
    uint32_t n_box;      /* of one inference */
};

/* One row a layer, in cx->keep; NULL: E_MEMORY. */
NODISCARD struct run_profile *run_profile_make(const struct run_trace *t,
                                               const struct run_model *m,
                                               uint32_t plan, uint32_t n_runs,
                                               struct cx *cx);
void run_profile_print(const struct run_profile *p, uint32_t n,
                       struct buf *out);

#endif
