/* check_run.h - a plan unrolled, as the parts of plan_check share it. */
#ifndef FLEXC_PLANNER_CHECK_RUN_H
#define FLEXC_PLANNER_CHECK_RUN_H

#include "planner/plan_check.h"

/* An executed box: rows [r0, r1), and the loads certainly complete before it,
 * its wait. */
struct run_box {
    uint32_t ix; /* instruction */
    uint64_t r0;
    uint64_t r1;
    uint64_t loads_done;
    uint64_t first_load; /* the earliest load it uses; n_load if none */
};

/* An executed load. Its bytes are its own until last_use: the last box that
 * finds its weights there, at least the first that waits for it, since only
 * then it has certainly written, also after an entry at a boundary. */
struct run_load {
    uint32_t ix;
    uint64_t row;      /* whose chunk of a table it brings */
    int64_t wait;      /* boxes certainly executed before it starts */
    uint64_t last_use; /* box */
};

struct check {
    const struct layers *l;
    const struct chunks *c;
    const struct cands *k;
    const struct plan *p;
    struct cx *cx;
    struct run_box *box;
    uint64_t n_box;
    struct run_load *load;
    uint64_t n_load;
    uint64_t *box_at;    /* per instruction, and the end: executed before it */
    uint64_t *load_at;   /* the same of loads */
    uint64_t *first_box; /* per layer */
    uint64_t *last_box;  /* per layer */
    uint32_t *kb_chunk;  /* per layer and K block: its first chunk */
    uint32_t *kb_at;     /* per layer: where its K blocks start in kb_chunk */
    bool all_raw;        /* reads go straight to their place, padded */
};

/* E_PLAN_CHECK at a layer (UINT32_MAX: none). */
bool check_fail(const struct check *r, uint32_t layer, const char *fmt, ...)
    PRINTF(3, 4);

/* Whether a box copies a row of a table whose entry a load has picked: it has
 * one panel, whichever that is, and completes the row. */
bool check_is_pick(const struct check *r, const struct plan_box *b);

/* The parts, in order; each reports and returns false. */
NODISCARD bool check_rows(struct check *r);
NODISCARD bool check_weights(struct check *r);
NODISCARD bool check_edges(struct check *r);
NODISCARD bool check_memory(struct check *r);
/* Across the plans of a set that each passed. */
NODISCARD bool check_common(struct check *r, const struct plan *a,
                            const struct plan *b);

#endif
