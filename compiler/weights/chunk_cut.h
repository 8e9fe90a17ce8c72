/* chunk_cut.h - layers x target class -> the lattice of weight chunks. */
#ifndef FLEXC_WEIGHTS_CHUNK_CUT_H
#define FLEXC_WEIGHTS_CHUNK_CUT_H

#include "base/cx.h"
#include "ir/chunks.h"
#include "ir/layer.h"
#include "ir/options.h"

/* Cuts every layer's weights into panels (the kernel's choice, no larger than
 * the target's chunk_limit) and groups neighbouring panels of one K block into
 * chunks of about the target's chunk_goal. Fills lattice and chunks but for
 * what packing finds out: stored_bytes, blob_off, res_off, crc, codec, id. All
 * memory is cx->keep's. false: E_UNSUPPORTED naming a layer no kernel
 * computes, E_TOO_BIG, or memory. Depends on layers, target and numerics
 * only. */
NODISCARD bool chunk_cut(const struct layers *l, const struct options *opt,
                         struct cx *cx, struct chunks *out);

#endif
