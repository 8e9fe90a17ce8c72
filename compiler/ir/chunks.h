/* chunks.h - the lattice of weight chunks that every plan cuts on.
 *
 * Fixed before the first plan, as a function of model, target class and
 * weights type alone; so are the order of residents and the blob's bytes. */
#ifndef FLEXC_IR_CHUNKS_H
#define FLEXC_IR_CHUNKS_H

#include "base/cx.h"
#include "ir/layer.h"

enum codec { CODEC_RAW, CODEC_ZSTD };

/* Panels [panel, panel + n_panel) of K block kblock of a layer, stored,
 * compressed and checksummed together. */
struct chunk {
    uint32_t layer;
    uint32_t kblock;
    uint32_t panel;
    uint32_t n_panel;
    uint64_t raw_bytes; /* n_panel * the K block's panel bytes; x 64 */
    uint64_t stored_bytes;
    uint64_t blob_off; /* x 64; of a layer's chunks ascending, gap-free but for
                          rounding to 64 */
    uint64_t res_off;  /* place when resident, from the end of the state;
                          congruent to blob_off modulo align when every chunk is
                          raw */
    uint32_t crc;      /* CRC32C of the stored bytes */
    enum codec codec;
};

/* How a layer's weights are cut. A layer without weights has n_panel >= 1,
 * n_kblock 1 and no chunks. Chunks are ordered by layer, K block, panel. */
struct lattice {
    uint32_t n_panel;
    uint32_t n_kblock;
    uint64_t *panel_bytes; /* n_kblock; of one panel in that K block; x 64 */
    uint32_t chunk0;
    uint32_t n_chunk;
    /* Of a table (LAYER_EMBED) of more than one panel: entries of a panel;
     * else 0. A run may load the panels of its entries alone, one at a time:
     * panels of a table are chunks of their own, raw. */
    uint32_t panel_entries;
    bool is_table; /* such chunks, or those of a convolution tied to a table */
    bool borrows;  /* the chunks are those of the tied convolution */
};

struct chunks {
    struct chunk *chunk;
    uint32_t n_chunk;
    struct lattice *lattice; /* one per layer */
    uint32_t n_layer;
    uint32_t align;        /* of loads: addresses congruent to blob offsets */
    uint64_t resident_max; /* bytes when everything is resident */
    uint64_t state_bytes;  /* runtime state at the arena's bottom, x align */
    uint64_t decode_bytes; /* workspace; 0 when every chunk is raw */
    uint64_t blob_bytes;
    uint8_t id[16]; /* model id */

    /* Of a model with several entries: every chunk of the blob, which has those
     * of this entry and of others, and where each of this entry's is among
     * them; a layer's follow each other there, too. NULL, 0: the blob's chunks
     * are this entry's. */
    const struct chunk *stored;
    const uint32_t *number; /* n_chunk */
    uint32_t n_stored;
};

NODISCARD bool chunks_check(const struct chunks *c, const struct layers *l,
                            struct cx *cx);
NODISCARD bool chunks_print(const struct chunks *c, struct buf *out);

#endif
