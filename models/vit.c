#include "models/zoo_builders.h"

#include "models/zoo_net.h"

/* Vision Transformer: [vit] section 3.1 and table 1 (ViT-Base), with patches
 * of 32 at resolution 384 as fine-tuned in its section 4. Modules are named as
 * in timm's vit_base_patch32_384. --width scales the number of heads, of 64
 * channels each. */

enum { HEADS = 12, HEAD_SIZE = 64, MLP_RATIO = 4 };

static const float k_epsilon = 1e-6F;
/* Standard deviation of what half a block adds to the residual stream. */
static const double k_branch_gain = 0.5;
/* E gelu(x)^2 for x normal with variance 1. */
static const double k_power_gelu = 0.43;

/* x/2 (1 + erf(x / sqrt 2)), in the five nodes that exporters write. */
static struct zoo_act gelu_erf(struct zoo_net *z, struct zoo_act x,
                               const char *name)
{
    struct onnx_model *m = z->model;
    const char *root2 =
        zoo_scalar(z, onnx_name(m, "%s.sqrt2", name), 1.41421356237309515F);
    const char *one = zoo_scalar(z, onnx_name(m, "%s.one", name), 1.0F);
    const char *half = zoo_scalar(z, onnx_name(m, "%s.half", name), 0.5F);
    const char *y =
        zoo_op(z, "Div", onnx_name(m, "%s.div", name), x.name, root2);
    y = zoo_op(z, "Erf", onnx_name(m, "%s.erf", name), y, NULL);
    y = zoo_op(z, "Add", onnx_name(m, "%s.add", name), y, one);
    y = zoo_op(z, "Mul", onnx_name(m, "%s.mul", name), x.name, y);
    x.name = zoo_op(z, "Mul", name, y, half);
    x.power *= k_power_gelu;
    return x;
}

/* Name: "blocks.<n>". */
static struct zoo_act block(struct zoo_net *z, struct zoo_act x,
                            const char *name, uint32_t heads)
{
    struct onnx_model *m = z->model;
    const struct zoo_attention attention = {
        .heads = heads,
        .qkv = onnx_name(m, "%s.attn.qkv", name),
        .proj = onnx_name(m, "%s.attn.proj", name),
        .gain = k_branch_gain};
    struct zoo_act y =
        zoo_layernorm(z, x, onnx_name(m, "%s.norm1", name), k_epsilon);
    y = zoo_attention(z, y, onnx_name(m, "%s.attn", name), &attention);
    x = zoo_add(z, x, y, onnx_name(m, "%s.add1", name));
    y = zoo_layernorm(z, x, onnx_name(m, "%s.norm2", name), k_epsilon);
    y = zoo_linear(z, y, onnx_name(m, "%s.mlp.fc1", name),
                   MLP_RATIO * x.channels, 1.0);
    y = gelu_erf(z, y, onnx_name(m, "%s.mlp.act", name));
    y = zoo_linear(z, y, onnx_name(m, "%s.mlp.fc2", name), x.channels,
                   k_branch_gain);
    return zoo_add(z, x, y, onnx_name(m, "%s.add2", name));
}

/* Patches by one convolution, the class token in front, positions added. */
static struct zoo_act embed(struct zoo_net *z, uint32_t dim)
{
    struct onnx_model *m = z->model;
    const uint32_t patch = z->opts->patch;
    const struct zoo_conv conv = {.out = dim, .kernel = patch, .stride = patch};
    struct zoo_act x = zoo_conv(z, zoo_image(z), "patch_embed.proj", &conv);
    const uint32_t n_patches = x.height * x.width;

    const char *shape =
        zoo_ints(z, "patch_embed.shape", (int64_t[]){1, dim, n_patches}, 3);
    const char *flat =
        zoo_op(z, "Reshape", "patch_embed.flatten", x.name, shape);
    const char *rows = onnx_node(
        m, &(struct onnx_node){
               .op = "Transpose",
               .name = "patch_embed.transpose",
               .in = {flat},
               .attr = {onnx_attr_ints("perm", (int64_t[]){0, 2, 1}, 3)}});
    const struct onnx_type token = {
        .elem = ONNX_F32, .rank = 3, .dim = {1, 1, dim}};
    const char *class_token =
        zoo_param(z, "cls_token", &token, 0.0, zoo_half_of_std(1.0));
    const char *tokens =
        onnx_node(m, &(struct onnx_node){.op = "Concat",
                                         .name = "concat",
                                         .in = {class_token, rows},
                                         .attr = {onnx_attr_int("axis", 1)}});
    const struct onnx_type table = {
        .elem = ONNX_F32, .rank = 3, .dim = {1, n_patches + 1, dim}};
    const char *positions =
        zoo_param(z, "pos_embed", &table, 0.0, zoo_half_of_std(0.5));
    x.name = zoo_op(z, "Add", "add", tokens, positions);
    x.height = n_patches + 1;
    x.width = 1;
    x.power = 1.25;
    return x;
}

void zoo_build_vit(struct zoo_net *z)
{
    struct onnx_model *m = z->model;
    const uint32_t heads = zoo_scaled_heads(z, HEADS);
    struct zoo_act x = embed(z, heads * HEAD_SIZE);
    for (uint32_t i = 0; i < z->opts->blocks[0]; i++) {
        x = block(z, x, onnx_name(m, "blocks.%u", (unsigned)i), heads);
    }
    x = zoo_layernorm(z, x, "norm", k_epsilon);
    x.name = onnx_node(
        m, &(struct onnx_node){.op = "Gather",
                               .name = "class_token",
                               .in = {x.name, zoo_index(z, "class_index", 0)},
                               .attr = {onnx_attr_int("axis", 1)}});
    x.height = 1;
    x = zoo_gemm(z, x, "head", z->opts->classes);
    zoo_finish(z, x, false);
}
