/* flx_format.h - the tables that generated code fills, and the byte layouts of
 * the blob and of a plan. No functions: the compiler writes these, the core
 * reads them. Little-endian where bytes are meant. */
#ifndef FLEXRT_FLX_FORMAT_H
#define FLEXRT_FLX_FORMAT_H

#include <stdint.h>

#include "flexrt/flx_kernel.h"

/* Of every format in this file. It is the second word of blob, plan and table
 * file and the first of struct flx_model, in every version, so that it can be
 * read before anything else is. */
enum { FLX_FORMAT_VERSION = 2, FLX_ID_BYTES = 16 };

/* Limits of every plan. */
enum {
    FLX_MAX_IN_FLIGHT = 16, /* loads issued and not yet waited for */
    FLX_MAX_STEP = 1 << 24  /* executed boxes, and loads, of one inference */
};

/* The zstd decoder's share of decode_bytes, whatever the chunk: its state for
 * one-shot decoding (95,992 bytes in zstd 1.5.4) with room to grow. A decoder
 * that needs more refuses at open. */
enum { FLX_ZSTD_WORK_BYTES = 98304 };

/* Bytes of runtime state at the bottom of the arena, a bound for every host:
 * control block, load queue, one present bit a chunk; then, if any chunk is
 * compressed, the decode workspace (stored bytes of the largest compressed
 * chunk + the codec's tables). Rounded up to the model's `align`. The one
 * formula for compiler and runtime. */
enum { FLX_STATE_BASE_BYTES = 2048 };
#define FLX_ROUND_UP(X, A) (((X) + (A)-1u) / (A) * (A))
#define FLX_STATE_BYTES(N_CHUNKS, DECODE_BYTES, ALIGN)                         \
    FLX_ROUND_UP((uint32_t)FLX_STATE_BASE_BYTES +                              \
                     FLX_ROUND_UP(((uint32_t)(N_CHUNKS) + 7u) / 8u, 64u) +     \
                     FLX_ROUND_UP((uint32_t)(DECODE_BYTES), 64u),              \
                 (uint32_t)(ALIGN))

enum flx_codec_id { FLX_CODEC_RAW = 0, FLX_CODEC_ZSTD = 1 };

/* ---- model tables ------------------------------------------------------ */

/* A tensor in memory. Live at boundary [lo, hi) when first < hi && last >= lo.
 * Input: first is 0 and it is live before layer 0 too. Output: last == n_layer
 * and it stays until the next run starts. */
struct flx_buf {
    uint32_t rows;
    uint32_t row_bytes;
    uint16_t first; /* layer */
    uint16_t last;
    uint32_t whole; /* 1: some operand addresses it without rows, so that every
                       plan holds it in full */
};

/* What only reports need of a layer. The emitted C has them for all layers as
 * NAME_names, and NAME_peak, where FLX_NAMES is defined. */
struct flx_name {
    const char *name; /* the node it mainly is */
    const char *algorithm;
    uint64_t macs; /* multiply-adds */
};

/* A box of a guarded layer is empty unless the first byte of the layer's last
 * operand, a bool that is held in full and not the kernel's, is 1, or is 0. */
enum flx_guard { FLX_GUARD_NONE = 0, FLX_GUARD_IF = 1, FLX_GUARD_UNLESS = 2 };

struct flx_layer {
    uint16_t kernel; /* index into flx_model.kernel */
    uint16_t n_arg;
    uint32_t arg0; /* first of n_arg entries in flx_model.arg */
    uint32_t rows;
    uint16_t n_panel;  /* >= 1, also for layers without weights */
    uint16_t n_kblock; /* >= 1 */
    uint32_t chunk0;   /* first chunk of the layer's n_chunk */
    uint16_t n_chunk;  /* 0: no weights */
    /* A table (k_embed.h) of more than one panel, whose panels are chunks of
     * their own: bytes of an index, 4 or 8; else 0. The index of row r is
     * element r of the layer's operand 1, a buffer held in full. The chunks
     * may be those of a convolution tied to the table. */
    uint8_t index_bytes;
    uint8_t guard;          /* enum flx_guard */
    uint32_t entries;       /* of the table */
    uint32_t panel_entries; /* of a panel */
    uint32_t scratch_bytes; /* least of one thread, a multiple of 64 */
};
#define FLX_BUF_NONE 0xffffu /* in flx_model.arg: operand absent */

/* A chunk: panels [panel, panel + n_panel) of one K block of a layer. A layer's
 * chunks are ordered by K block, panel. res_off is where it lies when it is
 * resident, in bytes from the end of the state; it is resident in a plan
 * iff res_off + raw_bytes <= the plan's resident_bytes.
 *
 * The tables of all entries of a model have the same chunks; only layer,
 * kblock, panel and n_panel may differ, and are of no meaning where an entry
 * does not use the chunk: then layer is FLX_LAYER_NONE. */
struct flx_chunk {
    uint32_t blob_off; /* bytes; a multiple of 64 */
    uint32_t stored_bytes;
    uint32_t raw_bytes; /* a multiple of 64 */
    uint32_t crc;       /* CRC32C of the stored bytes */
    uint32_t res_off;
    uint16_t layer;
    uint16_t kblock;
    uint16_t panel;
    uint16_t n_panel;
    uint32_t codec; /* enum flx_codec_id */
};
#define FLX_LAYER_NONE 0xffffu

/* An input or output: dense, ONNX order, from the start of its buffer, which
 * every plan holds in full. */
struct flx_io {
    const char *name;
    uint32_t dtype; /* ONNX TensorProto.DataType */
    uint32_t buf;
    uint32_t bytes;
    uint32_t rank;
    uint32_t dim[8];
};

/* ---- plan -------------------------------------------------------------- *
 * A plan is an array of 32-bit words, the same in generated C and in a .flxp
 * file: the header below, then the sections it names (offsets in words from
 * the plan's start). Addresses are bytes from the arena's base, above the
 * runtime's state, multiples of FLX_PANEL_ALIGN. */
struct flx_plan_head {
    uint32_t magic;     /* FLX_PLAN_MAGIC */
    uint32_t version;   /* FLX_PLAN_VERSION of the entry it is for */
    uint32_t n_words;   /* of the whole plan */
    uint32_t crc;       /* CRC32C of all words after this one, little-endian */
    uint32_t id[4];     /* model id, 16 bytes in order, little-endian words */
    uint32_t tables[2]; /* flx_model.tables of the entry it is for */
    uint32_t budget_lo; /* bytes asked for; hi: upper half */
    uint32_t budget_hi;
    uint32_t arena_bytes;    /* peak: everything counted */
    uint32_t resident_bytes; /* decoded prefix of the resident order */
    uint32_t n_thread;       /* valid for 1..n_thread compute threads */
    uint32_t in_flight;      /* most loads issued and not yet done, 1 ..
                                FLX_MAX_IN_FLIGHT */
    uint32_t latency_us;     /* predicted steady state */
    uint32_t bound_us;       /* proven lower bound at this budget */
    uint32_t longest_step_us;
    uint32_t n_step;      /* executed BOX instructions of one inference */
    uint32_t n_compute;   /* executed compute instructions: BOXes only */
    uint32_t n_load;      /* executed load instructions of one inference */
    uint32_t buf_off;     /* n_buf pairs: address, ring (0: buffer unused) */
    uint32_t scratch_off; /* n_layer pairs: address, bytes of one thread */
    uint32_t compute_off; /* instructions, n_compute_words */
    uint32_t n_compute_words;
    uint32_t load_off;
    uint32_t n_load_words;
    uint32_t boundary_off; /* n_boundary * FLX_BOUNDARY_WORDS */
    uint32_t n_boundary;
};
#define FLX_PLAN_MAGIC 0x50584c46u /* "FLXP" */
#define FLX_PLAN_VERSION(ENTRY_IX)                                             \
    ((uint32_t)FLX_FORMAT_VERSION | (ENTRY_IX) << 16)

/* Compute instructions. Counters count executed instructions, monotonic over
 * runs: in run n (from 0) the compute counter starts at n * n_compute and the
 * load counter at n * n_load; waits below are relative to that start.
 *
 *   BOX     all rows                  5 words
 *     w0  FLX_BOX | layer << 4
 *     w1  p0 | p1 << 16
 *     w2  kb | flags << 16
 *     w3  address of the weights of panel p0 (arena; blob with FLX_BOX_MAPPED)
 *     w4  wait: runs when the load counter has reached it
 *   ROWS    like BOX, some rows       8 words: as BOX, then
 *     w5  a (signed)   row end in iteration i: clamp(a * i + b, 0, rows)
 *     w6  b (signed)   row begin: the end in iteration i - 1; 0 for i = 0
 *     w7  wait_step: added to wait per iteration
 *   LOOP    3 words: w0 FLX_LOOP, w1 iterations >= 1, w2 words of the body
 *     (without LOOP and END). Loops do not nest in this version. The body is
 *     not empty, and a BOX in it is a ROWS.
 *   END     1 word: closes the loop
 * An empty box (no rows) is executed, counted and does nothing. Waits of
 * executed boxes never decrease, the last one waits for every load, and a load
 * that box k waits for has itself a wait <= k: so both streams always end. */
enum flx_op {
    FLX_BOX = 1,
    FLX_ROWS = 2,
    FLX_LOOP = 3,
    FLX_END = 4,
    FLX_LOAD = 5
};
enum {
    FLX_BOX_WORDS = 5,
    FLX_ROWS_WORDS = 8,
    FLX_LOOP_WORDS = 3,
    FLX_END_WORDS = 1,
    FLX_LOAD_WORDS = 6
};
#define FLX_BOX_MAPPED 1u /* w3 is an offset into the mapped blob */

/* Load instructions.
 *   LOAD    6 words
 *     w0  FLX_LOAD | flags << 4
 *     w1  first chunk
 *     w2  chunks; of one layer and K block; their decoded bytes follow each
 *         other in memory
 *     w3  address; for a resident load state + res_off of the first chunk
 *     w4  wait (signed): may start when the compute counter has reached it;
 *         negative: in the tail of the run before (n_compute + wait); 0: when
 *         the run has begun; -n_compute: when the run before has
 *     w5  wait_step (signed)
 *   LOOP, END as above.
 *   picking: w1 is a layer that is a table and w2 is 1: in iteration t the
 *         chunk of the entry that row t's index picks. w3 is a multiple of the
 *         model's align; the chunk begins there, and has room for an align more
 *         than its bytes rounded up to align, if every chunk is raw. Its wait
 *         is not negative.
 * Loads start and complete in order. A resident load brings only chunks whose
 * present bit is clear, and sets it. When every chunk of the model is raw, w3
 * is congruent to the first chunk's blob_off modulo the model's align, and the
 * bytes that complete the first and last unit of align belong to the load
 * unless it is resident. */
#define FLX_LOAD_RESIDENT 1u
#define FLX_LOAD_PICKS 2u

/* Boundaries, ascending by compute counter: where another plan can take over.
 * At a boundary all boxes before it are done and none after it has begun; the
 * live buffers are those with first < hi && last >= lo. Two plans can switch
 * where ids are equal: the id hashes lo, hi, the rings of buffers that are not
 * held in full, and the order of the live buffers' addresses. A boundary
 * inside a loop (n_iter > 1) stands for the edges before iterations
 * 1 .. n_iter - 1: iteration i has id + i, compute + i * body boxes,
 * load + i * body loads (of load_pc's loop; 0 when it is in none). */
struct flx_boundary {
    uint32_t id;
    uint32_t lo;
    uint32_t hi;
    uint32_t compute_pc; /* word offset in the compute section: next box, or
                            the LOOP that a loop boundary belongs to */
    uint32_t compute;    /* compute counter here, relative to the run */
    uint32_t load_pc;   /* next load: first one used at or after the boundary; a
                           LOOP stands for the first load of its body */
    uint32_t load;      /* its number */
    uint32_t n_iter;    /* 1: a plain boundary */
    uint32_t load_iter; /* iteration of load_pc's loop = i + load_iter, modulo
                           2^32; i is 0 for a plain boundary. Not read when
                           load_pc is in no loop */
};
enum { FLX_BOUNDARY_WORDS = 9 };

/* ---- blob --------------------------------------------------------------- *
 * 64-byte header, padding to `align`, then the chunks at their offsets, each
 * at a multiple of 64 bytes. */
#define FLX_BLOB_MAGIC 0x57584c46u /* "FLXW" */
enum {
    FLX_BLOB_HEAD_BYTES = 64,
    FLX_BLOB_AT_MAGIC = 0,
    FLX_BLOB_AT_VERSION = 4,
    FLX_BLOB_AT_ID = 8,     /* 16 bytes */
    FLX_BLOB_AT_BYTES = 24, /* u64, whole blob */
    FLX_BLOB_AT_N_CHUNK = 32,
    FLX_BLOB_AT_ALIGN = 36,
    FLX_BLOB_AT_CRC = 60 /* CRC32C of bytes 0..59 */
};

/* ---- the model ----------------------------------------------------------- *
 * One entry of it: its graph under one set of shapes. Entries have tables of
 * their own, and blob, id and chunks in common. */
struct flx_model {
    uint32_t version; /* FLX_FORMAT_VERSION */
    uint32_t
        align; /* read alignment: of addresses and blob offsets, power of 2,
                  >= 64; the arena's base must have it */
    uint8_t id[FLX_ID_BYTES];
    /* Digest of what plans of this entry refer to and the id says nothing of:
     * the kernels that were chosen, and where chunks lie. */
    uint32_t tables[2];
    const char *name;
    uint32_t blob_bytes;
    uint32_t decode_bytes; /* decode workspace; 0 when every chunk is raw */
    uint16_t n_layer;
    uint16_t n_buf;
    uint16_t n_kernel;
    uint16_t n_input;
    uint16_t n_output;
    uint16_t n_plan;
    uint32_t n_chunk;
    uint32_t n_arg;
    const struct flx_layer *layer;
    const struct flx_buf *buf;
    const uint16_t *arg; /* buffer of each operand of each layer */
    const struct flx_kernel *kernel;
    const struct flx_chunk *chunk;
    const struct flx_io *input;
    const struct flx_io *output;
    const uint32_t *const *plan; /* n_plan, in the order of --budgets */
    const char *entry;           /* its name; NULL: the only one */
    uint32_t entry_ix;           /* its number, < 2^16 */
};

#endif
