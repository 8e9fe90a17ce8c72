#include "models/zoo_net.h"

#include <assert.h>
#include <math.h>

#include "models/zoo_fill.h"

/* Mean squares of f(x), x normal with variance 1, from integrals. */
static const double k_power_relu = 0.5;
/* Of the maximum of a window of rectified values against one of them: between
 * 1 (all equal) and about 2.3 (4 independent ones). */
static const double k_power_maxpool = 1.6;
/* Of the mean of rectified values: (E relu)^2 / E relu^2 = 1 / pi when
 * positions are independent, 1 when they are equal. */
static const double k_power_avgpool = 0.6;
/* Of a softmax-weighted mean of about a hundred tokens. */
static const double k_power_attention = 0.1;

static const double k_bias_half = 0.05;

double zoo_half_of_std(double std)
{
    return sqrt(3.0) * std;
}

uint32_t zoo_scaled(const struct zoo_net *z, uint32_t channels)
{
    /* In thousandths of a channel. */
    const uint64_t exact = (uint64_t)channels * z->opts->width_milli;
    uint64_t rounded = (exact + 4000) / 8000 * 8;
    if (rounded < 8) {
        rounded = 8;
    }
    if (rounded * 10000 < exact * 9) {
        rounded += 8;
    }
    return (uint32_t)rounded;
}

uint32_t zoo_scaled_heads(const struct zoo_net *z, uint32_t heads)
{
    const uint32_t scaled = (heads * z->opts->width_milli + 500) / 1000;
    return scaled > 0 ? scaled : 1;
}

static const char *add_init(struct zoo_net *z, const char *name,
                            const struct onnx_type *type, onnx_fill_fn fill,
                            const void *recipe, size_t recipe_bytes)
{
    z->weight_bytes += onnx_type_count(type) * onnx_elem_bytes(type->elem);
    return onnx_init(z->model, name, type, fill, recipe, recipe_bytes);
}

/* f32 initializer, uniform around center; not counted as parameters. */
static const char *add_uniform(struct zoo_net *z, const char *name,
                               const struct onnx_type *type, double center,
                               double half)
{
    const struct zoo_fill_uniform r = {
        .key = name ? zoo_fill_key(z->opts->seed, name) : 0,
        .center = (float)center,
        .half = (float)half};
    return add_init(z, name, type, zoo_fill_uniform, &r, sizeof r);
}

const char *zoo_param(struct zoo_net *z, const char *name,
                      const struct onnx_type *type, double center, double half)
{
    z->n_params += onnx_type_count(type);
    return add_uniform(z, name, type, center, half);
}

const char *zoo_scalar(struct zoo_net *z, const char *name, float value)
{
    const struct onnx_type type = {.elem = ONNX_F32};
    return add_uniform(z, name, &type, (double)value, 0.0);
}

const char *zoo_index(struct zoo_net *z, const char *name, int64_t value)
{
    const struct onnx_type type = {.elem = ONNX_I64};
    return add_init(z, name, &type, zoo_fill_values, &value, sizeof value);
}

const char *zoo_ints(struct zoo_net *z, const char *name, const int64_t *value,
                     size_t n)
{
    const struct onnx_type type = {.elem = ONNX_I64, .rank = 1, .dim = {n}};
    return add_init(z, name, &type, zoo_fill_values, value, n * sizeof *value);
}

const char *zoo_positions(struct zoo_net *z, const char *name, uint32_t n)
{
    const struct onnx_type type = {.elem = ONNX_I64, .rank = 2, .dim = {1, n}};
    return add_init(z, name, &type, zoo_fill_iota, NULL, 0);
}

const char *zoo_causal_mask(struct zoo_net *z, const char *name, uint32_t n)
{
    const struct onnx_type type = {
        .elem = ONNX_BOOL, .rank = 4, .dim = {1, 1, n, n}};
    const struct zoo_fill_causal r = {.n = n};
    return add_init(z, name, &type, zoo_fill_causal, &r, sizeof r);
}

const char *zoo_op(struct zoo_net *z, const char *op, const char *name,
                   const char *a, const char *b)
{
    return onnx_node(z->model,
                     &(struct onnx_node){.op = op, .name = name, .in = {a, b}});
}

static const char *vector(struct zoo_net *z, const char *module,
                          const char *suffix, uint64_t n, double center,
                          double half)
{
    const struct onnx_type type = {.elem = ONNX_F32, .rank = 1, .dim = {n}};
    return zoo_param(z, onnx_name(z->model, "%s.%s", module, suffix), &type,
                     center, half);
}

struct zoo_act zoo_image(struct zoo_net *z)
{
    const uint32_t res = z->opts->res;
    const struct onnx_type type = {
        .elem = ONNX_F32,
        .rank = 4,
        .dim = {1, 3, res, res},
        .symbol = {[2] = z->opts->is_dynamic ? "H" : NULL,
                   [3] = z->opts->is_dynamic ? "W" : NULL}};
    /* Mean square 1: images normalised per channel, as the originals are. */
    return (struct zoo_act){.name = onnx_input(z->model, "input", &type),
                            .channels = 3,
                            .height = res,
                            .width = res,
                            .power = 1.0};
}

static uint32_t out_size(uint32_t in, uint32_t kernel, uint32_t stride,
                         uint32_t pad, bool ceil_mode)
{
    assert(in + 2 * pad >= kernel); /* zoo.def's least resolutions */
    const uint32_t span = in + 2 * pad - kernel;
    return (ceil_mode ? span + stride - 1 : span) / stride + 1;
}

/* Mean number of a window's taps that fall on the input, not on its padding,
 * along one axis: on maps of a few pixels much less than the kernel. */
static double mean_taps(uint32_t in, const struct zoo_conv *c)
{
    const uint32_t out = out_size(in, c->kernel, c->stride, c->pad, false);
    uint64_t n = 0;
    for (uint32_t y = 0; y < out; y++) {
        for (uint32_t k = 0; k < c->kernel; k++) {
            const uint64_t at = (uint64_t)y * c->stride + k;
            n += at >= c->pad && at - c->pad < in;
        }
    }
    return (double)n / out;
}

struct zoo_act zoo_conv(struct zoo_net *z, struct zoo_act x, const char *name,
                        const struct zoo_conv *c)
{
    const uint32_t groups = c->groups ? c->groups : 1;
    const uint32_t in_per_group = x.channels / groups;
    const struct onnx_type type = {
        .elem = ONNX_F32,
        .rank = 4,
        .dim = {c->out, in_per_group, c->kernel, c->kernel}};
    const double fan_in =
        in_per_group * mean_taps(x.height, c) * mean_taps(x.width, c);
    const double std = 1.0 / sqrt(fan_in * x.power);
    const int64_t k = c->kernel;
    const int64_t p = c->pad;
    const int64_t s = c->stride;
    const char *weight = zoo_param(z, onnx_name(z->model, "%s.weight", name),
                                   &type, 0.0, zoo_half_of_std(std));
    const char *bias =
        c->no_bias ? NULL : vector(z, name, "bias", c->out, 0.0, k_bias_half);
    x.name = onnx_node(
        z->model,
        &(struct onnx_node){
            .op = "Conv",
            .name = name,
            .in = {x.name, weight, bias},
            .attr = {onnx_attr_ints("dilations", (int64_t[]){1, 1}, 2),
                     onnx_attr_int("group", groups),
                     onnx_attr_ints("kernel_shape", (int64_t[]){k, k}, 2),
                     onnx_attr_ints("pads", (int64_t[]){p, p, p, p}, 4),
                     onnx_attr_ints("strides", (int64_t[]){s, s}, 2)}});
    x.channels = c->out;
    x.height = out_size(x.height, c->kernel, c->stride, c->pad, false);
    x.width = out_size(x.width, c->kernel, c->stride, c->pad, false);
    x.power = 1.0;
    return x;
}

struct zoo_act zoo_batchnorm(struct zoo_net *z, struct zoo_act x,
                             const char *name, double gain)
{
    const struct onnx_type type = {
        .elem = ONNX_F32, .rank = 1, .dim = {x.channels}};
    const char *scale = vector(z, name, "weight", x.channels, gain, 0.2 * gain);
    const char *bias = vector(z, name, "bias", x.channels, 0.0, 0.1 * gain);
    const char *mean =
        add_uniform(z, onnx_name(z->model, "%s.running_mean", name), &type, 0.0,
                    0.2 * sqrt(x.power));
    const char *var =
        add_uniform(z, onnx_name(z->model, "%s.running_var", name), &type,
                    x.power, 0.5 * x.power);
    x.name = onnx_node(
        z->model,
        &(struct onnx_node){.op = "BatchNormalization",
                            .name = name,
                            .in = {x.name, scale, bias, mean, var},
                            .attr = {onnx_attr_float("epsilon", 1e-5F),
                                     onnx_attr_float("momentum", 0.9F)}});
    x.power = 1.1 * gain * gain; /* E 1/var = ln 3 on [0.5, 1.5) */
    return x;
}

struct zoo_act zoo_relu(struct zoo_net *z, struct zoo_act x, const char *name)
{
    x.name = zoo_op(z, "Relu", name, x.name, NULL);
    x.power *= k_power_relu;
    return x;
}

struct zoo_act zoo_relu6(struct zoo_net *z, struct zoo_act x, const char *name)
{
    const char *min = zoo_scalar(z, onnx_name(z->model, "%s.min", name), 0.0F);
    const char *max = zoo_scalar(z, onnx_name(z->model, "%s.max", name), 6.0F);
    x.name = onnx_node(z->model, &(struct onnx_node){.op = "Clip",
                                                     .name = name,
                                                     .in = {x.name, min, max}});
    x.power *= k_power_relu; /* beyond 6 there is next to nothing */
    return x;
}

struct zoo_act zoo_maxpool(struct zoo_net *z, struct zoo_act x,
                           const char *name, uint32_t kernel, uint32_t stride,
                           uint32_t pad, bool ceil_mode)
{
    const int64_t k = kernel;
    const int64_t p = pad;
    const int64_t s = stride;
    x.name = onnx_node(
        z->model,
        &(struct onnx_node){
            .op = "MaxPool",
            .name = name,
            .in = {x.name},
            .attr = {onnx_attr_int("ceil_mode", ceil_mode),
                     onnx_attr_ints("kernel_shape", (int64_t[]){k, k}, 2),
                     onnx_attr_ints("pads", (int64_t[]){p, p, p, p}, 4),
                     onnx_attr_ints("strides", (int64_t[]){s, s}, 2)}});
    x.height = out_size(x.height, kernel, stride, pad, ceil_mode);
    x.width = out_size(x.width, kernel, stride, pad, ceil_mode);
    x.power *= k_power_maxpool;
    return x;
}

struct zoo_act zoo_global_avgpool(struct zoo_net *z, struct zoo_act x,
                                  const char *name)
{
    x.name = zoo_op(z, "GlobalAveragePool", name, x.name, NULL);
    x.height = 1;
    x.width = 1;
    x.power *= k_power_avgpool;
    return x;
}

struct zoo_act zoo_add(struct zoo_net *z, struct zoo_act a, struct zoo_act b,
                       const char *name)
{
    assert(a.channels == b.channels);
    assert(a.height == b.height && a.width == b.width);
    a.name = zoo_op(z, "Add", name, a.name, b.name);
    a.power += b.power;
    return a;
}

struct zoo_act zoo_concat(struct zoo_net *z, struct zoo_act a, struct zoo_act b,
                          const char *name)
{
    assert(a.height == b.height && a.width == b.width);
    a.name = onnx_node(z->model,
                       &(struct onnx_node){.op = "Concat",
                                           .name = name,
                                           .in = {a.name, b.name},
                                           .attr = {onnx_attr_int("axis", 1)}});
    a.power = (a.power * a.channels + b.power * b.channels) /
              ((double)a.channels + b.channels);
    a.channels += b.channels;
    return a;
}

struct zoo_act zoo_flatten(struct zoo_net *z, struct zoo_act x,
                           const char *name)
{
    x.name = onnx_node(z->model,
                       &(struct onnx_node){.op = "Flatten",
                                           .name = name,
                                           .in = {x.name},
                                           .attr = {onnx_attr_int("axis", 1)}});
    x.channels *= x.height * x.width;
    x.height = 1;
    x.width = 1;
    return x;
}

struct zoo_act zoo_gemm(struct zoo_net *z, struct zoo_act x, const char *name,
                        uint32_t out)
{
    const struct onnx_type type = {
        .elem = ONNX_F32, .rank = 2, .dim = {out, x.channels}};
    const double std = 1.0 / sqrt(x.channels * x.power);
    const char *weight = zoo_param(z, onnx_name(z->model, "%s.weight", name),
                                   &type, 0.0, zoo_half_of_std(std));
    const char *bias = vector(z, name, "bias", out, 0.0, k_bias_half);
    x.name = onnx_node(
        z->model, &(struct onnx_node){.op = "Gemm",
                                      .name = name,
                                      .in = {x.name, weight, bias},
                                      .attr = {onnx_attr_float("alpha", 1.0F),
                                               onnx_attr_float("beta", 1.0F),
                                               onnx_attr_int("transB", 1)}});
    x.channels = out;
    x.power = 1.0;
    return x;
}

struct zoo_act zoo_linear(struct zoo_net *z, struct zoo_act x, const char *name,
                          uint32_t out, double gain)
{
    const struct onnx_type type = {
        .elem = ONNX_F32, .rank = 2, .dim = {x.channels, out}};
    const double std = gain / sqrt(x.channels * x.power);
    const char *weight = zoo_param(z, onnx_name(z->model, "%s.weight", name),
                                   &type, 0.0, zoo_half_of_std(std));
    const char *bias = vector(z, name, "bias", out, 0.0, k_bias_half * gain);
    const char *product = zoo_op(
        z, "MatMul", onnx_name(z->model, "%s.matmul", name), x.name, weight);
    x.name = zoo_op(z, "Add", name, bias, product);
    x.channels = out;
    x.power = gain * gain;
    return x;
}

struct zoo_act zoo_layernorm(struct zoo_net *z, struct zoo_act x,
                             const char *name, float epsilon)
{
    const char *scale = vector(z, name, "weight", x.channels, 1.0, 0.2);
    const char *bias = vector(z, name, "bias", x.channels, 0.0, 0.1);
    x.name = onnx_node(
        z->model,
        &(struct onnx_node){.op = "LayerNormalization",
                            .name = name,
                            .in = {x.name, scale, bias},
                            .attr = {onnx_attr_int("axis", -1),
                                     onnx_attr_float("epsilon", epsilon)}});
    x.power = 1.0;
    return x;
}

/* [1, T, D] -> [1, heads, T, D / heads], or with the last two axes swapped. */
static const char *split_heads(struct zoo_net *z, const char *part,
                               const char *shape, bool is_swapped)
{
    const char *cut = zoo_op(
        z, "Reshape", onnx_name(z->model, "%s.heads", part), part, shape);
    static const int64_t k_rows[] = {0, 2, 1, 3};
    static const int64_t k_columns[] = {0, 2, 3, 1};
    return onnx_node(
        z->model,
        &(struct onnx_node){.op = "Transpose",
                            .name = onnx_name(z->model, "%s.transpose", part),
                            .in = {cut},
                            .attr = {onnx_attr_ints(
                                "perm", is_swapped ? k_columns : k_rows, 4)}});
}

/* The cache, [1, heads, cached, D], with `rows` in it. */
static const char *put_in_cache(struct zoo_net *z,
                                const struct zoo_attention *a, const char *part,
                                int64_t head, const char *rows)
{
    struct onnx_model *m = z->model;
    const struct onnx_type type = {
        .elem = ONNX_F32,
        .rank = 4,
        .dim = {1, a->heads, a->cached, (uint64_t)head}};
    const char *past =
        onnx_input(m, onnx_name(m, "past.%s.%s", a->layer, part), &type);
    const char *present = onnx_name(m, "present.%s.%s", a->layer, part);
    (void)onnx_node(m, &(struct onnx_node){
                           .op = "ScatterElements",
                           .name = onnx_name(m, "cache.%s.%s", a->layer, part),
                           .in = {past, a->places, rows},
                           .out = {present},
                           .attr = {onnx_attr_int("axis", 2)}});
    onnx_output(m, present, &type);
    return present;
}

struct zoo_act zoo_attention(struct zoo_net *z, struct zoo_act x,
                             const char *name, const struct zoo_attention *a)
{
    struct onnx_model *m = z->model;
    const int64_t tokens = z->opts->is_dynamic ? 0 : x.height; /* 0: as is */
    const int64_t dim = x.channels;
    const int64_t head = dim / a->heads;
    assert(head * a->heads == dim);

    const char *parts = zoo_ints(z, onnx_name(m, "%s.split_sizes", name),
                                 (int64_t[]){dim, dim, dim}, 3);
    const char *by_head = zoo_ints(z, onnx_name(m, "%s.heads_shape", name),
                                   (int64_t[]){1, tokens, a->heads, head}, 4);
    const char *joined = zoo_ints(z, onnx_name(m, "%s.joined_shape", name),
                                  (int64_t[]){1, tokens, dim}, 3);

    const struct zoo_act qkv = zoo_linear(z, x, a->qkv, 3 * x.channels, 1.0);
    const char *q = onnx_name(m, "%s.q", name);
    const char *k = onnx_name(m, "%s.k", name);
    const char *v = onnx_name(m, "%s.v", name);
    (void)onnx_node(m,
                    &(struct onnx_node){.op = "Split",
                                        .name = onnx_name(m, "%s.split", name),
                                        .in = {qkv.name, parts},
                                        .out = {q, k, v},
                                        .attr = {onnx_attr_int("axis", 2)}});
    const char *q_heads = split_heads(z, q, by_head, false);
    const char *k_heads = split_heads(z, k, by_head, a->cached == 0);
    const char *v_heads = split_heads(z, v, by_head, false);
    if (a->cached > 0) {
        static const int64_t k_columns[] = {0, 1, 3, 2};
        k_heads = put_in_cache(z, a, "key", head, k_heads);
        v_heads = put_in_cache(z, a, "value", head, v_heads);
        k_heads =
            onnx_node(m, &(struct onnx_node){
                             .op = "Transpose",
                             .name = onnx_name(m, "%s.columns", k),
                             .in = {k_heads},
                             .attr = {onnx_attr_ints("perm", k_columns, 4)}});
    }
    const char *scores =
        zoo_op(z, "MatMul", onnx_name(m, "%s.scores", name), q_heads, k_heads);
    /* Exporters fold sqrt(head size) into a constant divisor. */
    const char *divisor = zoo_scalar(z, onnx_name(m, "%s.divisor", name),
                                     (float)sqrt((double)head));
    scores = zoo_op(z, "Div", onnx_name(m, "%s.scale", name), scores, divisor);
    if (a->mask) {
        /* The least float rather than -inf: no NaN in a row without keys. */
        const char *never = zoo_scalar(z, onnx_name(m, "%s.masked", name),
                                       -3.4028234663852886e38F);
        scores = onnx_node(
            m, &(struct onnx_node){.op = "Where",
                                   .name = onnx_name(m, "%s.mask", name),
                                   .in = {a->mask, scores, never}});
    }
    const char *weights = onnx_node(
        m, &(struct onnx_node){.op = "Softmax",
                               .name = onnx_name(m, "%s.softmax", name),
                               .in = {scores},
                               .attr = {onnx_attr_int("axis", -1)}});
    const char *mixed =
        zoo_op(z, "MatMul", onnx_name(m, "%s.mix", name), weights, v_heads);
    mixed = onnx_node(
        m, &(struct onnx_node){
               .op = "Transpose",
               .name = onnx_name(m, "%s.join", name),
               .in = {mixed},
               .attr = {onnx_attr_ints("perm", (int64_t[]){0, 2, 1, 3}, 4)}});
    x.name =
        zoo_op(z, "Reshape", onnx_name(m, "%s.joined", name), mixed, joined);
    x.power = k_power_attention;
    return zoo_linear(z, x, a->proj, x.channels, a->gain);
}

void zoo_finish(struct zoo_net *z, struct zoo_act x, bool is_tokens)
{
    const struct onnx_type row = {
        .elem = ONNX_F32, .rank = 2, .dim = {1, x.channels}};
    const struct onnx_type rows = {
        .elem = ONNX_F32,
        .rank = 3,
        .dim = {1, x.height, x.channels},
        .symbol = {[1] = z->opts->is_dynamic ? "T" : NULL}};
    onnx_output(z->model, is_tokens ? "logits" : "output",
                is_tokens ? &rows : &row);
}
