/* rt_model.h - a model and its plans, written by hand for the runtime's tests:
 * integer kernels that mix every byte they may read into every result, so that
 * a wrong row, a stale weight or a lost partial sum changes the output.
 *
 *   input 12 x 64 -> L0 (2 K blocks, 4 panels) -> L1 (4 panels, rows +-1)
 *     -> L2 (no weights, rows +-1, scratch) -> L3 (+ result of L0) -> output */
#ifndef FLEXC_TESTS_RT_MODEL_H
#define FLEXC_TESTS_RT_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "flexrt/flexrt.h"

enum {
    RT_RESIDENT, /* everything resident */
    RT_STREAM,   /* nothing resident; loads reach into the run before */
    RT_CASCADE,  /* L1 and L2 by stripes, L1's weights resident */
    RT_STRIPES,  /* the same stripes, L1's weights loaded again in each */
    RT_REORDER,  /* everything resident, buffers in another order of address */
    RT_N_PLAN,
    RT_MAPPED = RT_N_PLAN, /* weights read in place; needs a mapped blob */
    RT_MAX_PLAN
};
enum {
    RT_ROWS = 12,
    RT_ROW_BYTES = 64,
    RT_IO_BYTES = RT_ROWS * RT_ROW_BYTES,
    RT_N_LAYER = 4,
    RT_N_BUF = 5,
    RT_N_CHUNK = 9
};

struct rt_options {
    uint32_t align;    /* of the model; 0: 64 */
    bool compress;     /* some chunks by zstd */
    bool mapped;       /* RT_MAPPED is a plan, too */
    uint32_t n_thread; /* of the plans; 0: 1 */
};

struct rt_kernel_arg {
    uint32_t halo; /* rows above and below that a row needs */
    uint32_t n_in;
    uint32_t panel_words[2]; /* weight words of a panel, by K block */
    uint32_t columns;        /* result words of a panel */
    uint32_t scratch_bytes;
};

struct rt_model {
    struct flx_model model;
    struct flx_layer layer[RT_N_LAYER];
    struct flx_buf buf[RT_N_BUF];
    uint16_t arg[9];
    struct rt_kernel_arg kernel_arg[RT_N_LAYER];
    struct flx_kernel kernel[RT_N_LAYER];
    struct flx_chunk chunk[RT_N_CHUNK];
    struct flx_io input;
    struct flx_io output;
    uint32_t *plan[RT_MAX_PLAN]; /* of the heap; words may be changed */
    uint8_t *blob;               /* of the heap, model.blob_bytes */
    uint8_t *weights;            /* decoded, at the offsets below */
    uint32_t weight_off[RT_N_CHUNK];
};

void rt_model_build(struct rt_model *m, const struct rt_options *opt);
void rt_model_free(struct rt_model *m);

/* Writes the checksum that the plan's words ask for. */
void rt_plan_seal(uint32_t *plan);

/* Loads of one inference under a plan that bring bytes in the first run and in
 * every later one; and chunk bytes as they are stored. */
uint32_t rt_plan_loads(const struct rt_model *m, uint32_t plan, bool is_first);
uint64_t rt_plan_bytes(const struct rt_model *m, uint32_t plan, bool is_first);

/* Input number `seed`, and the output for it, computed without the runtime. */
void rt_input(uint32_t seed, uint8_t input[RT_IO_BYTES]);
void rt_expect(const struct rt_model *m, uint32_t seed,
               uint8_t output[RT_IO_BYTES]);

#endif
