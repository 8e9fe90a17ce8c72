/* plan.h - the program for one budget: an order of loads and boxes, and an
 * address for everything.
 *
 * Two instruction lists over shared addresses, synchronised by two counters of
 * executed instructions (runtime/include/flexrt/flx_format.h says what each
 * instruction means; this is the same thing as values, before encoding).
 * Addresses are bytes from the arena's base. */
#ifndef FLEXC_IR_PLAN_H
#define FLEXC_IR_PLAN_H

#include "base/cx.h"
#include "ir/cand.h"
#include "ir/chunks.h"
#include "ir/device.h"
#include "ir/layer.h"

enum plan_op { PLAN_BOX, PLAN_LOOP, PLAN_END, PLAN_LOAD };

/* The most loads in flight that a runtime queues (FLX_MAX_IN_FLIGHT). */
enum { PLAN_MAX_IN_FLIGHT = 16 };

/* A compute instruction: BOX, LOOP, END. Inside a LOOP every box has by_row. */
struct plan_box {
    enum plan_op op;
    uint32_t layer;
    uint32_t p0;
    uint32_t p1;
    uint32_t kblock;
    bool mapped; /* w_addr is a blob offset */
    bool by_row;
    uint64_t w_addr;   /* of panel p0; 0 for a layer without weights */
    int64_t wait;      /* load counter, relative to the run; of executed boxes
                          never decreasing, the last waits for all loads */
    int64_t wait_step; /* per iteration */
    int64_t row_a;     /* row end in iteration i: clamp(a * i + b, 0, rows) */
    int64_t row_b;
    uint32_t n_iter; /* LOOP */
    uint32_t body;   /* LOOP: instructions up to, without, its END */
};

struct plan_load {
    enum plan_op op; /* LOAD, LOOP, END */
    uint32_t chunk0;
    uint32_t n_chunk;
    bool resident;
    /* One chunk of table `layer`, the one with the entry that the index of row
     * t picks in iteration t; chunk0 is the table's first, n_chunk is 1. addr
     * is a multiple of the alignment of loads. */
    bool picks;
    uint32_t layer;
    uint64_t addr;
    int64_t wait; /* compute counter, relative to the run; 0: when it has
                     begun; < 0: tail of the run before */
    int64_t wait_step;
    uint32_t n_iter;
    uint32_t body;
};

/* Where a buffer lies in this plan: ring rows of it. ring == rows: in full. */
struct plan_buf {
    uint64_t addr;
    uint64_t ring;
};

/* Scratch of a layer's boxes. */
struct plan_scratch {
    uint64_t addr;
    uint64_t bytes; /* of one thread; 0: it has none */
};

struct plan_boundary {
    uint32_t id;
    uint32_t lo; /* live: buffers with first < hi && last >= lo, and inputs */
    uint32_t hi;
    uint32_t box_ix;    /* next compute instruction (or its LOOP) */
    uint64_t box_count; /* compute counter */
    uint32_t load_ix;   /* next load instruction (or its LOOP) */
    uint64_t load_count;
    uint32_t n_iter;
    uint32_t load_iter;
};

struct plan {
    uint64_t budget;         /* asked for; UINT64_MAX for max */
    const char *budget_text; /* as given: "50M", "max" */
    uint64_t peak;           /* arena bytes */
    uint64_t state_bytes;    /* bottom of the arena */
    uint64_t resident_bytes; /* prefix of the resident order */
    uint64_t streamed_bytes; /* stored bytes read per steady inference */
    uint64_t read_bytes;     /* stored bytes read by the first inference */
    uint64_t latency_ns;     /* predicted steady state */
    uint64_t bound_ns;       /* proven lower bound at this budget */
    uint64_t longest_step_ns;
    uint64_t n_step;              /* executed boxes */
    uint64_t n_load_run;          /* executed loads */
    struct plan_buf *buf;         /* one per buffer of the layers */
    struct plan_scratch *scratch; /* one per layer */
    struct plan_box *box;
    struct plan_load *load;
    struct plan_boundary *boundary;
    uint32_t n_buf;
    uint32_t n_layer;
    uint32_t n_box;
    uint32_t n_load;
    uint32_t n_boundary;
    uint32_t n_thread;
    uint32_t in_flight;
    uint32_t peak_layer; /* what sets the peak */
};

struct plan_set {
    struct plan *plan; /* in the order of --budgets */
    uint32_t n_plan;
    uint32_t least_layer; /* sets it */
    uint64_t least_bytes; /* the least budget that was found */
};

/* Bytes that a load which picks needs from its address on: the chunk may lie
 * anywhere between two multiples of the alignment, and is read with both ends.
 */
uint64_t plan_pick_room(uint64_t raw_bytes, uint64_t align);

/* Whether a buffer holds something at boundary [lo, hi). At lo == hi == 0, the
 * idle point between runs, these are the inputs and the outputs. */
bool plan_buf_is_live(const struct buffer *b, uint32_t lo, uint32_t hi);

/* The id of a boundary of p, of iteration 0 for one inside a loop: CRC32C over
 * 64-bit little-endian words:
 *   lo, hi, n_iter;
 *   n_iter > 1: for each box of the loop's body, in order: layer, p0, p1,
 *   kblock, row_a, row_b;
 *   for each live buffer in ascending order of (address, index): index, ring.
 * Two plans have a boundary in common where lo, hi, n_iter and id are equal (at
 * the same iteration). b's fields and box_ix must be in range. */
uint32_t plan_boundary_id(const struct layers *l, const struct plan *p,
                          const uint32_t *order, const struct plan_boundary *b);
/* The order of p's buffers by (address, index), for all of its boundaries;
 * NULL: E_MEMORY reported. */
uint32_t *plan_buf_order(const struct plan *p, struct arena *a);

/* The .plan text; parse(print(p)) == p. Parsing checks ranges, not truth:
 * plan_check does that. */
NODISCARD bool plan_print(const struct plan *p, struct buf *out);
NODISCARD bool plan_parse(struct span text, struct cx *cx, struct plan *p);

#endif
