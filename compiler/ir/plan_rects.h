/* plan_rects.h - the memory map of a plan: rectangles of time x address, read
 * off the plan. What the report draws and --dump=memory prints. */
#ifndef FLEXC_IR_PLAN_RECTS_H
#define FLEXC_IR_PLAN_RECTS_H

#include "ir/plan_run.h"

enum rect_kind {
    RECT_STATE,    /* of the runtime */
    RECT_RESIDENT, /* weights that stay */
    RECT_INPUT,
    RECT_OUTPUT,
    RECT_TENSOR,  /* held in full */
    RECT_ROLLING, /* some rows of a tensor */
    RECT_SCRATCH, /* of all threads */
    RECT_SLICE,   /* streamed weights, with the ends that reads are padded by */
    RECT_KIND_COUNT
};
const char *rect_kind_name(enum rect_kind k);

/* Time in slots: 0 is the idle point before a run, i + 1 its step i, and all
 * modulo n_step + 1. first may be negative (in the run before), last may be
 * n_step + 1, the idle point after. Both are included. */
struct plan_rect {
    enum rect_kind kind;
    uint64_t addr;
    uint64_t bytes;
    int64_t first;
    int64_t last;
    uint32_t layer; /* weights, scratch: the first layer; else UINT32_MAX */
    uint32_t buf;   /* tensors; else UINT32_MAX */
    uint32_t n;     /* how many things it stands for */
};

struct plan_rects {
    struct plan_rect *x; /* by kind, then first, then address */
    uint32_t n;
    struct plan_rect *at_peak; /* those at peak_slot, none joined, by address */
    uint32_t n_at_peak;
    int64_t peak_slot; /* where the peak is reached, of most live bytes */
    uint64_t peak_live_bytes; /* live there */
    uint64_t most_live_bytes; /* at any slot: no placement has a lower peak */
};

/* Whether x is there at slot s, 0 .. n_step. */
bool plan_rect_meets(const struct plan_rect *x, uint64_t n_step, int64_t s);

/* Everything that a plan which plan_check accepts holds, and from when to when;
 * at most about `most` rectangles: beyond, the slices that a loop loads again
 * and again are joined where they share addresses, then those of a layer. The
 * array comes from cx->keep. false: E_MEMORY reported. */
NODISCARD bool plan_rects(const struct layers *l, const struct chunks *c,
                          const struct cands *k, const struct plan *p,
                          const struct plan_run *run, uint32_t most,
                          struct cx *cx, struct plan_rects *out);

/* The tensor's or layer's name; "" for the state. */
const char *plan_rect_name(const struct layers *l, const struct plan_rect *x);

/* One line a rectangle, after a head with the peak. */
NODISCARD bool plan_rects_print(const struct layers *l, const struct plan *p,
                                const struct plan_rects *r, struct buf *out);

#endif
