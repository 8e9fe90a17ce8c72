/* catalogue.h - what the device kernels can do: which one computes a layer, how
 * its weights are cut and packed, its argument block, scratch and cost. A
 * layer's kernel depends on layer, target and numerics, never on budgets.
 *
 * Packed weights, little-endian f32. A panel is 16 output channels x one K
 * block of k_block rows (the last one shorter):
 *   K block 0       16 floats bias (0 without one)
 *   last K block    16 floats PReLU slopes, if act is PRELU
 *   every K block   [rows][16], K = (kh, kw, c) flattened
 * (of 8-bit numbers 16 i32 bias, 16 f32 scales, 16 i32 zero points where the
 * weights have some, then i8: [K / 4][16][4] with each kernel row padded to a
 * multiple of 4 (direct), or [K][16] padded likewise (depthwise, lanes))
 * in this order; lanes beyond the last channel are 0. Panels do not span
 * groups (direct, gemv, gather), or are 16 consecutive channels of all groups
 * (depthwise, lanes). Layers of other kinds have one panel: their weights in
 * order, each dense row-major by its own dim[] (operands' strides count in
 * that), each start rounded up to 64 bytes. */
#ifndef FLEXC_KERNELS_CATALOGUE_H
#define FLEXC_KERNELS_CATALOGUE_H

#include "base/cx.h"
#include "ir/cand.h"
#include "ir/chunks.h"
#include "ir/layer.h"
#include "ir/options.h"

/* Id of the kernel that computes the layer (enum flx_kernel_id).
 *
 * E_UNSUPPORTED   at the layer, saying what no kernel has */
NODISCARD bool kern_choose(const struct layer *l, const struct options *opt,
                           struct cx *cx, uint32_t *id);

/* How the layer's weights are cut: n_panel, n_kblock, panel_bytes (in cx->keep)
 * and no chunks yet. No panel of a convolution exceeds the target's
 * chunk_limit, but that of 8-bit numbers, which are not cut along K. A layer
 * without weights has n_panel 1, n_kblock 1 and panel_bytes[0] 0. */
NODISCARD bool kern_lattice(const struct layer *l, const struct options *opt,
                            struct cx *cx, struct lattice *t);

/* Packs panels [panel, panel + n_panel) of K block kblock: n_panel *
 * t->panel_bytes[kblock] bytes to dst, all of which it writes. Over 1 GB/s
 * for f32. */
NODISCARD bool kern_pack(const struct layer *l, const struct options *opt,
                         const struct lattice *t, uint32_t kblock,
                         uint32_t panel, uint32_t n_panel, uint8_t *dst,
                         struct cx *cx);

/* The candidate of layer l of `layers`: kernel, argument block (in cx->keep),
 * scratch and cost.
 *
 * E_TOO_BIG   a number of the argument block does not fit 32 bits */
NODISCARD bool kern_cand(const struct layers *layers, const struct layer *l,
                         const struct options *opt, struct cx *cx,
                         struct cand *c);

/* A candidate per layer, in cx->keep. */
NODISCARD bool cand_build(const struct layers *l, const struct chunks *chunks,
                          const struct options *opt, struct cx *cx,
                          struct cands *c);

/* Time of the whole layer in one box of the kernel of this id, without what any
 * box takes: the sum over the device's speeds of what it does of each. */
uint64_t kern_whole_ns(const struct layer *l, uint32_t kernel,
                       const struct device *d);

#endif
