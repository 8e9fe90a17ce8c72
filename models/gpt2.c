#include "models/zoo_builders.h"

#include <math.h>

#include "models/zoo_net.h"

/* GPT-2, the smallest of [gpt2] table 2 (124 million parameters; the paper's
 * 117 is a miscount). Modules are named as in the reference implementation:
 * linear layers are stored [in, out], the projection to the vocabulary is the
 * embedding itself. --width scales the number of heads, of 64 channels each. */

enum { HEADS = 12, HEAD_SIZE = 64, MLP_RATIO = 4, CONTEXT = 1024 };

static const float k_epsilon = 1e-5F;
/* Standard deviation of what half a block adds to the residual stream, against
 * that of the embedding. */
static const double k_branch_gain = 0.5;
/* E gelu(x)^2 for x normal with variance 1. */
static const double k_power_gelu = 0.43;

/* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), in the eight nodes that
 * exporters write. */
static struct zoo_act gelu_tanh(struct zoo_net *z, struct zoo_act x,
                                const char *name)
{
    struct onnx_model *m = z->model;
    const char *half = zoo_scalar(z, onnx_name(m, "%s.half", name), 0.5F);
    const char *three = zoo_scalar(z, onnx_name(m, "%s.three", name), 3.0F);
    const char *cubic =
        zoo_scalar(z, onnx_name(m, "%s.cubic", name), 0.044715F);
    const char *slope =
        zoo_scalar(z, onnx_name(m, "%s.slope", name), 0.79788456080286536F);
    const char *one = zoo_scalar(z, onnx_name(m, "%s.one", name), 1.0F);
    const char *halved =
        zoo_op(z, "Mul", onnx_name(m, "%s.mul0", name), x.name, half);
    const char *y =
        zoo_op(z, "Pow", onnx_name(m, "%s.pow", name), x.name, three);
    y = zoo_op(z, "Mul", onnx_name(m, "%s.mul1", name), y, cubic);
    y = zoo_op(z, "Add", onnx_name(m, "%s.add0", name), x.name, y);
    y = zoo_op(z, "Mul", onnx_name(m, "%s.mul2", name), y, slope);
    y = zoo_op(z, "Tanh", onnx_name(m, "%s.tanh", name), y, NULL);
    y = zoo_op(z, "Add", onnx_name(m, "%s.add1", name), y, one);
    x.name = zoo_op(z, "Mul", name, halved, y);
    x.power *= k_power_gelu;
    return x;
}

/* Name: "h.<n>". */
static struct zoo_act block(struct zoo_net *z, struct zoo_act x,
                            const char *name, struct zoo_attention attention)
{
    struct onnx_model *m = z->model;
    const double gain = attention.gain;
    attention.qkv = onnx_name(m, "%s.attn.c_attn", name);
    attention.proj = onnx_name(m, "%s.attn.c_proj", name);
    struct zoo_act y =
        zoo_layernorm(z, x, onnx_name(m, "%s.ln_1", name), k_epsilon);
    y = zoo_attention(z, y, onnx_name(m, "%s.attn", name), &attention);
    x = zoo_add(z, y, x, onnx_name(m, "%s.add_1", name));
    y = zoo_layernorm(z, x, onnx_name(m, "%s.ln_2", name), k_epsilon);
    y = zoo_linear(z, y, onnx_name(m, "%s.mlp.c_fc", name),
                   MLP_RATIO * x.channels, 1.0);
    y = gelu_tanh(z, y, onnx_name(m, "%s.mlp.act", name));
    y = zoo_linear(z, y, onnx_name(m, "%s.mlp.c_proj", name), x.channels, gain);
    return zoo_add(z, x, y, onnx_name(m, "%s.add_2", name));
}

/* Of the tokens at `position`, with a cache of seq tokens: where their keys and
 * values go, and those that they see. */
static void attend_cache(struct zoo_net *z, const char *position,
                         struct zoo_attention *a)
{
    const int64_t shape[] = {1, a->heads, 1, HEAD_SIZE};
    a->cached = z->opts->seq;
    if (z->opts->is_dynamic) {
        const int64_t rows[] = {1, 1, -1, 1};
        position = zoo_op(z, "Reshape", "cache_rows", position,
                          zoo_ints(z, "cache_rows.shape", rows, 4));
    }
    a->places = zoo_op(z, "Expand", "cache_places", position,
                       zoo_ints(z, "cache_places.shape", shape, 4));
    const char *all = zoo_positions(z, "cache_positions", a->cached);
    a->mask = zoo_op(z, "LessOrEqual", "cache_mask", all, position);
}

static void build(struct zoo_net *z, bool is_step)
{
    struct onnx_model *m = z->model;
    const uint32_t seq = is_step ? 1 : z->opts->seq;
    const uint32_t vocabulary = z->opts->classes;
    const uint32_t heads = zoo_scaled_heads(z, HEADS);
    const uint32_t dim = heads * HEAD_SIZE;

    const struct onnx_type ids = {
        .elem = ONNX_I64,
        .rank = 2,
        .dim = {1, seq},
        .symbol = {[1] = z->opts->is_dynamic ? "T" : NULL}};
    const char *input = onnx_input(m, "input_ids", &ids);

    /* Logits are products of unit vectors by embeddings: variance 1. */
    const double std = 1.0 / sqrt((double)dim);
    const struct onnx_type words = {
        .elem = ONNX_F32, .rank = 2, .dim = {vocabulary, dim}};
    const struct onnx_type places = {
        .elem = ONNX_F32, .rank = 2, .dim = {CONTEXT, dim}};
    const char *wte =
        zoo_param(z, "wte.weight", &words, 0.0, zoo_half_of_std(std));
    const char *wpe =
        zoo_param(z, "wpe.weight", &places, 0.0, zoo_half_of_std(0.5 * std));
    const char *positions = is_step ? onnx_input(m, "position", &ids)
                                    : zoo_positions(z, "position_ids", seq);
    struct zoo_attention attention = {.heads = heads,
                                      .gain = k_branch_gain * std};
    if (is_step) {
        attend_cache(z, positions, &attention);
    } else {
        attention.mask = zoo_causal_mask(z, "causal_mask", seq);
    }

    const char *word = zoo_op(z, "Gather", "wte", wte, input);
    const char *place = zoo_op(z, "Gather", "wpe", wpe, positions);
    struct zoo_act x = {.name = zoo_op(z, "Add", "embedding", word, place),
                        .channels = dim,
                        .height = seq,
                        .width = 1,
                        .power = 1.25 * std * std};
    for (uint32_t i = 0; i < z->opts->blocks[0]; i++) {
        attention.layer = onnx_name(m, "%u", (unsigned)i);
        x = block(z, x, onnx_name(m, "h.%u", (unsigned)i), attention);
    }
    x = zoo_layernorm(z, x, "ln_f", k_epsilon);
    const char *unembed = onnx_node(
        m, &(struct onnx_node){
               .op = "Transpose",
               .name = "lm_head.transpose",
               .in = {wte},
               .attr = {onnx_attr_ints("perm", (int64_t[]){1, 0}, 2)}});
    x.name = zoo_op(z, "MatMul", "lm_head", x.name, unembed);
    x.channels = vocabulary;
    zoo_finish(z, x, true);
}

void zoo_build_gpt2(struct zoo_net *z)
{
    build(z, false);
}

void zoo_build_gpt2_step(struct zoo_net *z)
{
    build(z, true);
}
