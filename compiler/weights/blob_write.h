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

/* Completes the chunks (stored_bytes, blob_off, crc, codec, res_off, the sizes
 * and the model id) while it writes. One chunk is in memory at a time, twice
 * its size if it may be compressed. The bytes depend on layers, target and
 * --compress (with the device's speeds under auto), never on the budgets.
 * Cost: one pass over the weights: packing, SHA-256 and CRC32C. */
NODISCARD bool blob_write(const struct layers *l, struct chunks *c,
                          const struct options *opt, struct blob_out *out,
                          struct cx *cx);

#endif
