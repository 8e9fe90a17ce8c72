/* blob_write.h - packs, compresses and checksums every chunk, and writes the
 * blob: header, then the chunks in the order of the lattice. */
#ifndef FLEXC_WEIGHTS_BLOB_WRITE_H
#define FLEXC_WEIGHTS_BLOB_WRITE_H

#include "base/buf.h"
#include "base/cx.h"
#include "base/fileio.h"
#include "ir/chunks.h"
#include "ir/layer.h"
#include "ir/options.h"

/* Where the blob goes: a file, memory, or (both NULL) nowhere, when only its
 * sizes and the model id are wanted. */
struct blob_out {
    struct diag *diag;
    struct file_out *file;
    struct buf *mem;
};

/* An entry: the model's graph under one set of shapes. */
struct blob_entry {
    const struct layers *layers;
    struct chunks *chunks;
};

/* Completes the chunks of n >= 1 entries (stored_bytes, blob_off, crc, codec,
 * res_off, the sizes and the model id, which they have in common) while it
 * writes. A layer of a later entry whose chunks have the bytes of an earlier
 * one's shares them; a resident has one place in all entries, so that what an
 * entry does not use is a gap among its residents. One chunk is in memory at a
 * time, twice its size if it may be compressed. The bytes depend on layers,
 * target and --compress (with the device's speeds under auto), never on the
 * budgets. Cost: one pass over each entry's weights: packing, SHA-256 and, of
 * what is stored, CRC32C. */
NODISCARD bool blob_write(const struct blob_entry *entry, uint32_t n,
                          const struct options *opt, struct blob_out *out,
                          struct cx *cx);

#endif
