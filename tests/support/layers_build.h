/* layers_build.h - small networks as the planner sees them: layers, chunks and
 * candidates made by hand, without ONNX, kernels or weights. Images are
 * channels last: a buffer has H rows of W * C floats. */
#ifndef FLEXC_TESTS_LAYERS_BUILD_H
#define FLEXC_TESTS_LAYERS_BUILD_H

#include "ir/cand.h"
#include "ir/chunks.h"
#include "ir/device.h"
#include "ir/layer.h"
#include "ir/options.h"
#include "support/fixture.h"

enum { NET_MAX = 512, NET_MAX_BUDGET = 16 };

struct net_buf {
    uint32_t h;
    uint32_t w;
    uint32_t c;
};

struct net {
    struct fixture *f;
    struct layers l;
    struct chunks c;
    struct cands k;
    struct device d;
    struct options opt;
    struct budget budget[NET_MAX_BUDGET];
    struct net_buf shape[NET_MAX]; /* per buffer */
    /* per layer, what net_finish makes chunks of */
    uint64_t panel_bytes[NET_MAX];
    uint32_t panels_per_chunk[NET_MAX];
    /* settings of the layers that are added next */
    uint64_t chunk_goal; /* bytes */
    uint64_t k_limit;    /* bytes of one panel; K is cut until it fits */
    uint64_t grid;
    uint64_t scratch;
    bool rows_cut;
    bool panels_cut;
};

/* An empty network with a fast device: 1 ns per row byte and weight byte. */
void net_start(struct net *n, struct fixture *f);

/* Buffers by index. */
uint32_t net_input(struct net *n, uint32_t h, uint32_t w, uint32_t c);
void net_output(struct net *n, uint32_t buf);

/* A window layer: `channels` outputs, k x k, padded by k / 2 (odd k), with
 * weights for `weight_c` input channels per output (0: none). */
uint32_t net_window(struct net *n, uint32_t in, uint32_t channels, uint32_t k,
                    uint32_t stride, uint32_t weight_c);
uint32_t net_conv(struct net *n, uint32_t in, uint32_t channels, uint32_t k,
                  uint32_t stride);
uint32_t net_pool(struct net *n, uint32_t in, uint32_t k, uint32_t stride);
/* out = a + b of equal shape, without weights. */
uint32_t net_add(struct net *n, uint32_t a, uint32_t b);
/* Doubles height and width. */
uint32_t net_upsample(struct net *n, uint32_t in);
/* All of `in` to `channels` outputs of one row. */
uint32_t net_dense(struct net *n, uint32_t in, uint32_t channels);
/* Two convolutions into the channels of one buffer. */
uint32_t net_fork(struct net *n, uint32_t in, uint32_t channels);

/* Rows of a table of `panels` panels, each a chunk, picked by the values of
 * `index`, of as many rows; `row` floats a row. */
uint32_t net_table(struct net *n, uint32_t index, uint32_t row,
                   uint32_t panels);

/* Lifetimes, chunks, places in the blob and of residents (in the order of
 * layers), costs. Chunks are raw, read alignment `align`. */
void net_finish(struct net *n, uint32_t align);

void net_budget(struct net *n, enum budget_kind kind, uint64_t bytes);

/* Networks of the shapes of known ones, at 1/scale of the resolution. */
void net_vgg19(struct net *n, uint32_t scale);
void net_resnet(struct net *n, uint32_t scale, const uint32_t blocks[4]);
void net_mobilenetv2(struct net *n, uint32_t scale);

#endif
