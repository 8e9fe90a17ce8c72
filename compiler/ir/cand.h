/* cand.h - per layer: the kernel that computes it, the cuts it allows, its
 * scratch and its cost. The planner sees sizes, costs and dependencies only;
 * `kernel` and `word` are passed through to codegen. */
#ifndef FLEXC_IR_CAND_H
#define FLEXC_IR_CAND_H

#include "base/cx.h"
#include "ir/chunks.h"
#include "ir/device.h"
#include "ir/layer.h"

/* What more scratch than the least is good for: with `bytes` of it a box is
 * computed in strips of at most `tiles` tiles, each of which takes panels_ns
 * for all panels. */
struct cand_room {
    uint64_t bytes; /* of one thread; x 64 */
    uint64_t tiles;
    uint64_t panels_ns;
    bool at_once; /* only for a box that is a single strip */
};

struct cand {
    uint32_t kernel;       /* enum flx_kernel_id */
    const char *algorithm; /* for reports: "direct", "winograd4", ... */
    const uint32_t *word;  /* the kernel's argument block */
    uint32_t n_word;
    uint64_t row_grid;      /* boxes are cut at multiples of this many rows */
    bool rows_cut;          /* false: a box always has all rows */
    bool panels_cut;        /* false: a box always has all panels */
    uint64_t scratch_bytes; /* least of one thread; x 64 */
    uint64_t box_ns;        /* of any box, besides the next two */
    uint64_t all_ns; /* of the whole layer in one box, arithmetic only: a box of
                        some rows and panels takes its share, rounded up */
    /* The same for what is done again for each box of some panels (of all
     * rows: a box of some takes its share), and for each box of some rows. */
    uint64_t rows_ns;
    uint64_t panels_ns;
    /* Of a place for a panel that stays empty, for all rows, where tiles are
     * tile_panels (0: 1) wide: what a tile does once, whatever its width. */
    uint64_t idle_ns;
    uint64_t tile_panels;
    /* Ascending by bytes, the first with scratch_bytes; none: more scratch is
     * of no use. Then boxes are cut into strips, and panels_ns is the rooms'.
     */
    const struct cand_room *room;
    uint32_t n_room;
    uint64_t row_tiles; /* tiles of row_grid rows */
};

struct cands {
    struct cand *cand; /* one per layer */
    uint32_t n_layer;
    uint32_t n_thread;
};

/* Time of a box of `rows` rows x `panels` panels x one K block, nanoseconds,
 * with so much scratch (not less than the least):
 * box_ns + all_ns * rows * panels / (all rows * all panels * K blocks)
 *        + (rows_ns + idle_ns * empty places of the last tile) * rows / all
 * rows
 *        + strips * panels_ns * panels / all panels.
 */
uint64_t cand_box_ns(const struct cand *c, const struct layer *l,
                     const struct lattice *t, uint64_t rows, uint64_t panels,
                     uint64_t scratch);
/* What the same box saves just after another one of the same rows and K block:
 * its rows_ns, if with so much scratch it is a single strip, which it then
 * finds there. */
uint64_t cand_kept_ns(const struct cand *c, const struct layer *l,
                      uint64_t rows, uint64_t scratch);
/* What is done once for each strip of a box of so many rows, for all panels. */
uint64_t cand_strips_ns(const struct cand *c, uint64_t rows, uint64_t scratch);
/* The scratch of one thread, at most `limit` unless that is less than the
 * least, with which boxes of so many rows are fastest. */
uint64_t cand_scratch(const struct cand *c, uint64_t rows, uint64_t limit);
/* Time of one load of `stored` bytes of which compressed chunks decode to
 * `decoded_zstd` bytes, nanoseconds. */
uint64_t device_load_ns(const struct device *d, uint64_t stored,
                        uint64_t decoded_zstd);

NODISCARD bool cands_print(const struct cands *c, const struct layers *l,
                           struct buf *out);

#endif
