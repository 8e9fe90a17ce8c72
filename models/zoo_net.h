/* zoo_net.h - the layers that the zoo's networks are made of, as the usual
 * exporters write them, each with seeded weights.
 *
 * A zoo_act carries, beside name and shape, an estimate of the tensor's mean
 * square. Weights are scaled by it ([he2015], generalised): every
 * convolution and product has outputs of variance about gain^2 whatever came
 * before, so activations neither vanish nor blow up through 152 layers.
 *
 * Failures are sticky as in onnx_writer.h; a zoo_act after a failure has a
 * NULL name. */
#ifndef FLEXC_MODELS_ZOO_NET_H
#define FLEXC_MODELS_ZOO_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "models/onnx_writer.h"

/* What a network is built with; every field is resolved (no zero for
 * "default"), see zoo.h. */
struct zoo_opts {
    uint64_t seed;
    uint32_t res;         /* image height = width, pixels */
    uint32_t width_milli; /* channels (transformers: heads), in 1/1000 */
    uint32_t seq;         /* tokens */
    uint32_t patch;       /* patch height = width, pixels */
    uint32_t classes;     /* outputs; the vocabulary of a language model */
    uint32_t blocks[4];   /* repeats per stage; transformers use blocks[0] */
    bool is_dynamic;      /* image size H x W, or tokens T, are symbols */
};

struct zoo_net {
    struct onnx_model *model;
    const struct zoo_opts *opts;
    uint64_t n_params;     /* learned: BN's running mean and var not counted */
    uint64_t weight_bytes; /* of all initializers */
};

/* A feature map 1 x channels x height x width; for transformers a token
 * matrix 1 x height x channels (width 1). */
struct zoo_act {
    const char *name;
    uint32_t channels;
    uint32_t height;
    uint32_t width;
    double power; /* estimated mean square */
};

struct zoo_conv {
    uint32_t out; /* channels */
    uint32_t kernel;
    uint32_t stride;
    uint32_t pad;
    uint32_t groups; /* 0 means 1 */
    bool no_bias;
};

struct zoo_attention {
    uint32_t heads;
    const char *qkv; /* module names of the two linear layers */
    const char *proj;
    const char *mask; /* bool tensor 1x1xTxT, true = visible; NULL: all */
    double gain;
    /* Keys and values go into inputs past.LAYER.key and .value of so many
     * tokens, at `places` (as Expand gives them), and come out as present.
     * 0: there are only those of this run. */
    uint32_t cached;
    const char *places;
    const char *layer;
};

/* channels * width_milli / 1000, rounded to a multiple of 8 and never more
 * than 10% below: [mobilenetv2]'s rule as its authors implement it. */
uint32_t zoo_scaled(const struct zoo_net *z, uint32_t channels);

/* heads * width_milli / 1000, rounded, at least 1. */
uint32_t zoo_scaled_heads(const struct zoo_net *z, uint32_t heads);

/* Modules are named as in the reference implementation: weights are
 * "<name>.weight" and "<name>.bias", the node is "<name>". */
struct zoo_act zoo_image(struct zoo_net *z);
struct zoo_act zoo_conv(struct zoo_net *z, struct zoo_act x, const char *name,
                        const struct zoo_conv *c);
/* gain: standard deviation of the result, about. */
struct zoo_act zoo_batchnorm(struct zoo_net *z, struct zoo_act x,
                             const char *name, double gain);
struct zoo_act zoo_relu(struct zoo_net *z, struct zoo_act x, const char *name);
struct zoo_act zoo_relu6(struct zoo_net *z, struct zoo_act x, const char *name);
struct zoo_act zoo_maxpool(struct zoo_net *z, struct zoo_act x,
                           const char *name, uint32_t kernel, uint32_t stride,
                           uint32_t pad, bool ceil_mode);
struct zoo_act zoo_global_avgpool(struct zoo_net *z, struct zoo_act x,
                                  const char *name);
struct zoo_act zoo_add(struct zoo_net *z, struct zoo_act a, struct zoo_act b,
                       const char *name);
/* Along channels. */
struct zoo_act zoo_concat(struct zoo_net *z, struct zoo_act a, struct zoo_act b,
                          const char *name);
struct zoo_act zoo_flatten(struct zoo_net *z, struct zoo_act x,
                           const char *name);
/* Gemm with transB = 1 on a flattened map. */
struct zoo_act zoo_gemm(struct zoo_net *z, struct zoo_act x, const char *name,
                        uint32_t out);

/* MatMul by a constant [in, out], then Add of the bias, on tokens. */
struct zoo_act zoo_linear(struct zoo_net *z, struct zoo_act x, const char *name,
                          uint32_t out, double gain);
struct zoo_act zoo_layernorm(struct zoo_net *z, struct zoo_act x,
                             const char *name, float epsilon);
/* Multi-head self-attention without the residual sum, head size
 * x.channels / heads. */
struct zoo_act zoo_attention(struct zoo_net *z, struct zoo_act x,
                             const char *name, const struct zoo_attention *a);

/* Learned f32 tensor, uniform around center. Returns its name. */
const char *zoo_param(struct zoo_net *z, const char *name,
                      const struct onnx_type *type, double center, double half);
/* Constants that exporters write as initializers, not counted as parameters:
 * an f32 scalar; an i64 scalar; a vector of i64; i64 [1, n] counting from 0;
 * bool [1, 1, n, n] with true on and below the diagonal. */
const char *zoo_scalar(struct zoo_net *z, const char *name, float value);
const char *zoo_index(struct zoo_net *z, const char *name, int64_t value);
const char *zoo_ints(struct zoo_net *z, const char *name, const int64_t *value,
                     size_t n);
const char *zoo_positions(struct zoo_net *z, const char *name, uint32_t n);
const char *zoo_causal_mask(struct zoo_net *z, const char *name, uint32_t n);
/* A node with up to two inputs and no attributes. Returns its output. */
const char *zoo_op(struct zoo_net *z, const char *op, const char *name,
                   const char *a, const char *b);

/* The half-width of a uniform distribution with this standard deviation. */
double zoo_half_of_std(double std);

/* Declares x as the graph's output `name`, of 1 x channels, or of
 * 1 x height x channels when is_tokens. */
void zoo_finish(struct zoo_net *z, struct zoo_act x, bool is_tokens);

#endif
