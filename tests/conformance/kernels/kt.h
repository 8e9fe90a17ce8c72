/* kt.h - a layer on its own: buffers with guards, the catalogue's weights and
 * argument block, and runs of its kernel under any cut. */
#ifndef FLEXC_TESTS_KT_H
#define FLEXC_TESTS_KT_H

#include "flexrt/flx_kernel.h"
#include "ir/cand.h"
#include "ir/chunks.h"
#include "ir/layer.h"
#include "ir/options.h"
#include "support/fixture.h"

enum { KT_MAX_BUF = 10, KT_GUARD = 192 };

struct kt {
    struct fixture *f;
    struct layers layers; /* buf: below; one layer */
    struct layer *l;
    struct buffer buf[KT_MAX_BUF];
    uint8_t *mem[KT_MAX_BUF]; /* held in full, for what is not rolling */
    struct options opt;
    struct target target;
    struct lattice lattice;
    struct cand cand;
    uint8_t **weights; /* per K block, all panels */
    uint64_t seed;
};

/* How a run is cut. Zero means: not at all, buffers in full, one part. */
struct kt_cut {
    const char *isa;       /* of flx_kernel_find */
    uint32_t rows;         /* of a box; rounded up to the kernel's grid */
    uint32_t panels;       /* of a box */
    uint32_t parts;        /* of a box; run last part first */
    uint64_t less_scratch; /* bytes that a box lacks of what it can use */
    bool is_rolling; /* by-row buffers are rings of just the rows in use */
};

/* An empty layer of this kind and a name. */
void kt_start(struct kt *k, struct fixture *f, enum layer_kind kind);

/* Numbers from a fixed sequence: [-1, 1); [0, n). */
float kt_float(struct kt *k);
uint32_t kt_below(struct kt *k, uint32_t n);

/* A buffer of so many rows and bytes a row. */
uint32_t kt_buffer(struct kt *k, uint64_t rows, uint64_t row_bytes);

/* An f32 operand [n][h][w][c] in a buffer of its own, rows n * h. slack: extra
 * elements around it: a pixel stride of c + slack, col0 of slack / 2, a row
 * that is longer by slack, one row more before and after. !by_row: the same
 * place in memory without row addressing. */
struct operand kt_image(struct kt *k, uint64_t n, uint64_t h, uint64_t w,
                        uint64_t c, uint32_t slack, bool by_row);
/* The same of any type. */
struct operand kt_image_of(struct kt *k, enum dtype t, uint64_t n, uint64_t h,
                           uint64_t w, uint64_t c, uint32_t slack, bool by_row);
/* The rows that windows need: out row y needs [y * stride - pad, ... + reach).
 */
struct row_map kt_map(uint64_t in_rows, uint64_t out_rows, uint32_t stride,
                      int32_t pad, uint32_t reach);

/* A dense operand of any type and shape, whole or with `row_dims` dimensions
 * as rows. */
struct operand kt_dense(struct kt *k, enum dtype t, uint32_t rank,
                        const uint64_t *dim, uint32_t row_dims, bool by_row);
/* A dense constant of f32, drawn from the sequence; weight ix of the layer. */
float *kt_weight(struct kt *k, uint32_t ix, uint32_t rank, const uint64_t *dim);
/* The same of any type, of zeros. */
uint8_t *kt_weight_of(struct kt *k, uint32_t ix, enum dtype t, uint32_t rank,
                      const uint64_t *dim);

/* The weight that is stored for x as F16, or as I8 in a channel whose largest
 * is `most`. */
float kt_stored_value(enum dtype stored, float x, float most);

/* Address of element 0 of an operand in its full buffer. */
uint8_t *kt_at(struct kt *k, const struct operand *o);
/* Address of an element; row dimensions first, as in the layer. */
float *kt_element(struct kt *k, const struct operand *o, uint32_t row_dims,
                  const uint64_t *at);
/* Fills an f32 operand from the sequence. */
void kt_fill(struct kt *k, const struct operand *o, uint32_t row_dims);

/* Element i of an operand that is held in full, in row-major order. */
void kt_put(struct kt *k, const struct operand *o, uint64_t i, double x);

/* Asks the catalogue and packs the weights; fails the test when refused.
 * chunk_limit 0: the hosted one. */
void kt_finish(struct kt *k, uint32_t chunk_limit);

/* Runs the layer under a cut; gives a copy of the output buffer. Fails the
 * test when a byte outside the output's elements changes. */
uint8_t *kt_run(struct kt *k, const struct kt_cut *cut);
/* The output's elements of such a copy, f32, i32 or of 8 bits, as doubles, in
 * iteration order. */
double *kt_values(struct kt *k, const uint8_t *copy);

/* Runs it under many cuts for every instruction set here; each must give the
 * bits of the uncut run, which must lie within tol * max|want| of want[]. */
void kt_check(struct kt *k, const double *want, double tol);

/* Instruction sets to try; NULL at the end. */
const char *kt_isa(uint32_t i);

#endif
