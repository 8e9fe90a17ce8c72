/* plan_work.h - what the parts of the planner share: the model seen as sizes
 * and dependencies, its possible segments, and the draft of a plan.
 *
 * A segment is a run of consecutive layers: one on its own (solo: all rows, a
 * box per slice) or a cascade (a loop over stripes of rows, buffers inside
 * rolling). A plan is a partition into segments, a prefix of residents, slice
 * sizes and addresses. */
#ifndef FLEXC_PLANNER_PLAN_WORK_H
#define FLEXC_PLANNER_PLAN_WORK_H

#include "ir/options.h"
#include "ir/plan.h"

/* A layer that reads a buffer through one of its operands. */
struct buf_read {
    uint32_t layer;
    const struct operand *o;
};

/* A segment that a plan may have. */
struct segment {
    uint32_t lo; /* layers [lo, hi) */
    uint32_t hi;
    uint32_t stripe; /* rows of the last layer per iteration; 0: solo */
    uint32_t lead;   /* see cascade_start */
    uint32_t n_iter;
    uint64_t bytes;      /* live buffers, rings, scratch; without weights */
    uint64_t scratch;    /* of one thread, at most; see work_scratch */
    uint64_t keeps;      /* see segment_keeps */
    bool overlays;       /* see cascade_overlay */
    bool is_lean;        /* with the least scratch */
    uint64_t more_ns;    /* compute over solo boxes with all scratch of use */
    uint64_t cost_ns;    /* the same and what is read again from memory: weights
                            for each box, rows that left the cache */
    uint64_t longest_ns; /* its longest box, uncut */
};

/* Whether boxes of layer y find done what the one before did with the same
 * rows; see cand_kept_ns. */
static inline bool segment_keeps(const struct segment *s, uint32_t y)
{
    return (s->keeps >> (s->hi - 1 - y) & 1) != 0;
}

/* A load: a run of chunks of one layer and K block. */
struct slice {
    uint32_t layer;
    uint32_t kblock;
    uint32_t chunk0;
    uint32_t n_chunk;
    uint32_t p0;
    uint32_t p1;
    bool resident;
    bool picks;     /* any one chunk of a table, for a row */
    bool again;     /* for each stripe of its cascade, not once */
    uint64_t bytes; /* decoded */
    uint64_t room;  /* with padded ends, a multiple of the alignment */
    uint64_t shift; /* of its address from such a multiple */
    uint64_t stored;
    uint64_t load_ns;
};

enum { MAX_CASCADE = 64 }; /* layers */

/* Layers [first, end). */
struct run {
    uint32_t first;
    uint32_t end;
};

/* The model, seen by the planner; fixed for all budgets. */
struct work {
    const struct layers *l;
    const struct chunks *c;
    const struct cands *k;
    const struct device *d;
    const struct options *opt;
    struct cx *cx;
    bool is_mapped;
    bool is_small;    /* so that there is time to polish plans */
    uint64_t align;   /* of slices in memory: 64 unless every chunk is raw */
    uint64_t *full;   /* per buffer: bytes held in full, x 64 */
    uint32_t *writer; /* layers that write a buffer, ascending */
    uint32_t *writer_at;
    struct buf_read *reader; /* ascending */
    uint32_t *reader_at;
    /* Per buffer: a cascade from one of these layers on may have it over
     * others: held in full by then, all readers to come, whose rows go through
     * it. Those that may be, by the layer that reads them last; and per layer
     * the buffer born there that may be under another; UINT32_MAX: none. */
    struct run *over_run;
    uint32_t *over;
    uint32_t *over_at; /* per layer, and the end twice */
    uint32_t *under;
    uint64_t *live;    /* per layer: bytes of what is live while it runs */
    uint64_t io_bytes; /* inputs and outputs: live while idle */
    uint64_t *solo;    /* per layer: bytes while it runs alone, with all the
                          scratch that is of use */
    uint64_t *scratch; /* limits of scratch that are tried, ascending */
    uint32_t n_scratch;
    struct segment *seg; /* all that are possible, by hi */
    uint32_t n_seg;
    uint32_t *seg_at; /* per hi, and the end */
    uint64_t *cut;    /* resident prefixes that plans may use, ascending */
    uint32_t n_cut;
    uint32_t
        *first_chunk; /* per layer: of the first one with chunks from it on */
    uint64_t *before_ns; /* per layer, and the end: compute of those before */
    uint64_t all_ns;     /* compute of all layers, uncut */
    uint64_t stored;     /* bytes of all chunks */
};
NODISCARD bool work_make(struct work *w);
/* Scratch of one thread for boxes of so many rows of layer y, where there are
 * `limit` bytes for it. */
uint64_t work_scratch(const struct work *w, uint32_t y, uint64_t rows,
                      uint64_t limit);

/* ---- rows of a cascade (plan_rows.c) ---- */

/* Rows of a cascade: after iteration t, layer y has done
 * clamp(a[y] * t + b[y], 0, rows). */
struct cascade {
    uint32_t lo; /* layers added so far: [lo, hi) */
    uint32_t hi;
    uint32_t n_iter;
    int64_t *a; /* per layer of the model */
    int64_t *b;
};
/* Starts with layer hi - 1 alone, `stripe` rows at a time; false when it cannot
 * be cut so. With a lead, it begins that many iterations late, so that layers
 * before it can run ahead row by row instead of all at once in the first
 * iteration: less memory for more iterations. And what is less than a stripe
 * then comes first instead of last, so that layers which run ahead have rows,
 * and a use for weights that come again, in the last iteration too. a and b
 * have room for every layer. */
bool cascade_start(const struct work *w, uint32_t hi, uint32_t stripe,
                   uint32_t lead, struct cascade *c);
/* Adds the layer before; false when it cannot join. */
bool cascade_extend(const struct work *w, struct cascade *c);
/* Iterations before layer y does anything. */
uint32_t cascade_idle(const struct cascade *c, uint32_t y);
/* Takes out the iterations at the start in which no layer does anything. */
void cascade_trim(struct cascade *c);
uint64_t cascade_end(const struct work *w, const struct cascade *c, uint32_t y,
                     int64_t iter);
/* Rows that buffer ix must hold when all its writers and readers are in the
 * cascade. */
uint64_t cascade_ring(const struct work *w, const struct cascade *c,
                      uint32_t ix);

/* Two buffers that share bytes: rows of `under`, written by a cascade, come to
 * lie over rows of `over`, which dies in it, when these are read no more. */
struct overlay {
    uint32_t over;
    uint32_t under;
    int64_t off;    /* of `over` from `under`, bytes, x 64 */
    uint64_t saved; /* bytes of both that they share */
};
/* The pair of the cascade that saves most; false when none saves anything. A
 * switch cannot move such a pair, so there is no boundary while both live. */
bool cascade_overlay(const struct work *w, const struct cascade *c,
                     struct overlay *best);

/* ---- weights under a choice of residents (plan_slice.c) ---- */

enum { SLOT_LEVELS = 7 }; /* segments have at most 2^6 layers */
struct slices {
    uint64_t resident_bytes;
    struct slice *x; /* by layer, K block, panel */
    uint32_t n;
    uint32_t *at;      /* per layer, and the end */
    uint64_t *held;    /* per layer, and the end: room of all streamed slices of
                          the layers before */
    uint64_t *held_ns; /* the same, their loads */
    uint32_t *n_pick;  /* per layer, and the end: tables read by single chunks
                          among the layers before */
    /* largest streamed slice (room) of layers [y, y + 2^k): slot[k][y] */
    uint64_t *slot[SLOT_LEVELS];
    uint64_t stored; /* bytes of all streamed slices */
};
/* Whether a segment may have its layers: a table read by single chunks, a loop
 * of its own, is in no cascade. */
bool slices_allow(const struct slices *s, const struct segment *x);
/* The largest streamed slice of layers [lo, hi), room. */
uint64_t slices_slot(const struct slices *s, uint32_t lo, uint32_t hi);
/* Slices of up to most[y] bytes for layer y (at least one chunk; NULL: of one),
 * or from each chunk that `begins` one (NULL: no); what must be in one piece
 * is. */
NODISCARD bool slices_make(const struct work *w, uint64_t resident_bytes,
                           const uint64_t *most, const bool *begins,
                           struct slices *s);
/* The same in two steps, the second as often as wanted: room, and what is in
 * it. */
NODISCARD bool slices_new(const struct work *w, struct slices *s);
void slices_fill(const struct work *w, uint64_t resident_bytes,
                 const uint64_t *most, const bool *begins, struct slices *s);

/* ---- partitions (plan_choose.c) ---- */

struct choice {
    struct segment seg;
    bool restream;   /* not all its weights stay for all stripes */
    uint64_t region; /* room for those that do not; from partition_tune */
};
struct partition {
    struct choice *x;
    uint32_t n;
    uint64_t need;    /* bytes of its neediest segment, with weights */
    uint32_t need_ix; /* that segment */
};
/* What a partition should save, in eighths of its worth. */
struct taste {
    uint32_t compute; /* calls and rereads that cuts cost */
    uint32_t loads;   /* loads that come again */
    bool plain;       /* no buffer over another */
    bool lean;        /* the least scratch */
    bool is_local;    /* instead, the longer of a segment's compute and its
                         loads: what others could hide is not looked at */
};
/* The least `need` that a partition can have. */
uint64_t partition_least(const struct work *w, const struct slices *s);
/* The cheapest partition with need <= cap; n = 0 when there is none. Slices of
 * one chunk. */
NODISCARD bool partition_make(const struct work *w, const struct slices *s,
                              uint64_t cap, const struct taste *taste,
                              struct partition *p);
/* What a segment needs with slices of one chunk. */
uint64_t choice_need(const struct slices *s, const struct choice *x);

/* How memory beyond a segment's need is used. */
struct filling {
    uint64_t bytes;       /* all there is for a segment */
    uint32_t eighths;     /* of that beyond its need, for slices */
    uint64_t slice_bytes; /* at most */
    uint32_t parts;       /* slices of a layer at once in memory; >= 1 */
    const bool *begins;   /* chunks that begin a slice; NULL: as said above */
};
/* Slices and regions that fill each segment so: large ones, as many as can be
 * held. (plan_tune.c) */
NODISCARD bool partition_tune(const struct work *w, const struct slices *chunks,
                              const struct filling *fill, struct partition *p,
                              struct slices *out);

/* ---- drafts (plan_draft.c) ---- */

/* A segment as emitted: executed boxes [box0, box_end). */
struct span_of_boxes {
    uint64_t box0;
    uint64_t box_end;
    uint64_t region; /* room for restreamed slices; 0: none */
    uint64_t region_addr;
    uint64_t slot; /* its largest slice that comes once, room */
    uint64_t scratch;
    uint64_t scratch_addr;
    uint32_t load0; /* instructions of its loads: [load0, load_end) */
    uint32_t load_end;
};

/* What the planner knows of a load instruction besides. */
struct load_use {
    const struct slice *slice; /* NULL for LOOP, END */
    uint32_t seg;
    uint64_t first; /* box that waits for it first */
    uint64_t last;  /* last box that may use it */
    uint64_t off;   /* restreamed: in its region */
};

struct draft {
    struct plan p; /* arrays in scratch */
    const struct slices *s;
    const struct partition *part;
    struct span_of_boxes *seg; /* per choice of the partition */
    struct load_use *use;      /* per load instruction */
    struct overlay *overlay;   /* of the segments that have one */
    uint32_t n_overlay;
    uint32_t cap_overlay;
    uint32_t cap_box;
    uint32_t cap_load;
    uint32_t cap_use;
    uint32_t cap_boundary;
    bool fits;     /* every address found, below the limit */
    uint64_t live; /* the most bytes that live at once; when it fits */
};

/* Of buffers. Inputs and outputs always ascend; plans that place them first
 * have them at the same addresses, and so more boundaries in common; without
 * that, more fits. */
enum place_order {
    PLACE_LONG_FIRST,
    PLACE_BIG_FIRST,
    PLACE_EARLY_FIRST,
    PLACE_LONG_MIXED,
    PLACE_BIG_MIXED,
    PLACE_EARLY_MIXED
};
enum { PLACE_ORDERS = 6 };
/* What lies as high as it can instead of as low: nothing, groups, every other
 * unit. */
enum place_side { PLACE_ALL_LOW, PLACE_GROUPS_HIGH, PLACE_HALF_HIGH };
enum { PLACE_SIDES = 3 };

struct recipe {
    uint64_t limit; /* bytes of arena */
    enum place_order order;
    enum place_side side;
    uint64_t shuffle; /* buffers are placed in an order made from it; 0: that of
                         `order` */
    uint64_t high;    /* bit i % 64: slice i lies as high as it can, not low */
    uint64_t defer;   /* bit i % 64: its load starts as late as it can */
    uint32_t squeaks; /* times that what did not fit may come first instead */
    bool late;        /* loads start as late as can be, for the least peak */
};

/* Instructions, rings, boundaries; no ids, addresses or waits of loads. */
NODISCARD bool draft_emit(const struct work *w, const struct recipe *how,
                          struct draft *d);

/* ---- rectangles: bytes x time (plan_place.c) ---- */

/* Time in slots: 0 is the idle point before a run, i + 1 its box i, and all
 * modulo boxes + 1. first may be negative (in the run before), last may be the
 * idle point after the run. */
struct rect {
    int64_t first;
    int64_t last;
    uint64_t addr;
    uint64_t bytes;
    uint64_t align;
    uint64_t rank; /* caller's order */
    uint64_t *to;  /* where the address is wanted; NULL: nowhere */
    uint32_t id;   /* placer's own */
    bool is_io;
    /* Those of a group, in one run of the list, lie at fixed distances: each
     * `off` above the group's base; they may share bytes. 0: on its own. */
    uint32_t group;
    uint64_t off;
};
struct rects {
    struct rect *x;
    uint32_t n;
    int64_t period;
};
/* Slot of the first moment at which a load with this wait may write. */
int64_t slot_of_wait(int64_t wait);
/* What a rectangle takes; lists of it ascend by address. */
struct taken {
    uint64_t addr;
    uint64_t end;
    int64_t first;
    int64_t last;
};
void taken_insert(struct taken *list, uint32_t n, const struct rect *x);
/* Collects into `list` the rectangles that meet slots [first, last]. */
uint32_t rects_meeting(const struct rects *r, int64_t first, int64_t last,
                       struct taken *list);
/* The lowest address >= floor, of x's alignment, that is free in x's slots; of
 * what is listed, all that meets them counts. */
uint64_t taken_hole(const struct taken *list, uint32_t n, int64_t period,
                    const struct rect *x, uint64_t floor);
/* The highest such address with its end <= limit; UINT64_MAX: none. */
uint64_t taken_high_hole(const struct taken *list, uint32_t n, int64_t period,
                         const struct rect *x, uint64_t floor, uint64_t limit);

/* Addresses of all but slices, into d and r (which has room for the loads,
 * too). */
NODISCARD bool draft_place(const struct work *w, const struct recipe *how,
                           struct draft *d, struct rects *r);
/* Then addresses and waits of loads, and the peak; d->fits tells whether all
 * of it lies below the limit. (plan_load.c) */
NODISCARD bool draft_load(const struct work *w, const struct recipe *how,
                          struct draft *d, struct rects *r);

/* ---- time (plan_time.c) ---- */

/* Predicted nanoseconds of one run among many. */
NODISCARD bool plan_time(const struct work *w, const struct plan *p,
                         uint64_t *ns);
/* Rows done after iteration `iter` of a box in a loop; 0 before the first. */
uint64_t plan_row_end(const struct plan_box *b, uint64_t rows, int64_t iter);
/* Sets streamed_bytes, read_bytes, longest_step_ns. */
NODISCARD bool plan_count(const struct work *w, struct plan *p);

/* ---- trials (plan_trial.c) ---- */

enum { PLAN_MAX_EXECUTED = 1 << 21 };

/* What makes a plan, so that the best can be made again. */
struct trial {
    uint64_t resident_bytes;
    uint64_t cap;                 /* of a segment's need */
    const struct partition *part; /* NULL: the cheapest below the cap */
    struct filling fill;
    struct taste taste;
    struct recipe how;
};
/* Slices and partition of a trial; d->part->n is 0 when nothing fits. All in
 * scratch. `chunks` are its residents' slices of one chunk; NULL: made here. */
NODISCARD bool trial_choose(const struct work *w, const struct trial *t,
                            const struct slices *chunks, struct draft *d);
/* The plan of what was chosen, if d->fits says so. All in scratch. */
NODISCARD bool trial_finish(const struct work *w, const struct recipe *how,
                            struct draft *d);
/* Both. */
NODISCARD bool trial_draft(const struct work *w, const struct trial *t,
                           struct draft *d);

/* Changes the best trial here and there, at random but always alike, and keeps
 * what makes it faster, down to enough_ns. For networks so small that it can be
 * done often (w->is_small). `best` comes to point into scratch. (plan_polish.c)
 */
NODISCARD bool trial_polish(const struct work *w, uint64_t budget,
                            uint64_t enough_ns, struct trial *best,
                            uint64_t *best_ns);

/* ---- certificate (plan_bound.c) ---- */

/* No plan within this budget takes less, in the steady state. */
NODISCARD bool plan_bound(const struct work *w, uint64_t budget, uint64_t *ns);

#endif
