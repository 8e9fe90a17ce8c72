/* fuse.h - what the fusing passes share. */
#ifndef FLEXC_PASSES_FUSE_H
#define FLEXC_PASSES_FUSE_H

#include "ir/graph.h"

/* An attribute of Attention that only passes set: enum attn_blind. */
#define FUSE_ATTN_BLIND "blind"

/* The one node that reads value, which is no graph output; else NODE_NONE. */
uint32_t fuse_sole_user(const struct graph_uses *u, uint32_t value);

/* Constant, f32, and varying at most along dimension `axis` of size n when
 * broadcast to `rank` dimensions; its stride along it in *step. */
bool const_is_channelwise(const struct value *v, uint32_t rank, uint32_t axis,
                          int64_t n, int64_t *step);
/* Constant f32 with one element. */
bool const_is_scalar(const struct value *v);

/* The node's attributes with `name` set (added or replaced) to *a, whose name
 * it takes; false when memory is out. */
NODISCARD bool fuse_set_attr(struct cx *cx, struct node *n, const char *name,
                             const struct attr *a);

#endif
