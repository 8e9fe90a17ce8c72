/* profile_net.h - the networks that flexc profile times: seeded weights, layers
 * of the sizes that matter. */
#ifndef FLEXC_CLI_PROFILE_NET_H
#define FLEXC_CLI_PROFILE_NET_H

#include "base/attr.h"
#include "base/cx.h"
#include "ir/graph.h"

/* Images, from large and thin to small and deep; 5 MB of weights. */
NODISCARD bool profile_net_images(struct cx *cx, struct graph *g);

/* Products of small images and of tokens, one block of a transformer; 110 MB
 * of weights, which no cache holds until they come round. */
NODISCARD bool profile_net_weights(struct cx *cx, struct graph *g);

/* Fully connected layers to be streamed in pieces of many sizes: of 24 MB, or
 * 190 MB more, which do not stay in caches. */
NODISCARD bool profile_net_stream(struct cx *cx, bool is_large,
                                  struct graph *g);

#endif
