#include "models/zoo_builders.h"
#include "models/zoo_net.h"

/* ResNet-152: [resnet] table 1, last column, with bottleneck blocks (figure 5
 * right). As in torchvision's resnet152 ("v1.5") the stride is on the 3x3
 * convolution of a block, not on its first 1x1. */

/* Standard deviation of what a block adds to its shortcut. The sum's variance
 * then grows by a quarter per block, to 10 in the longest stage; each stage's
 * first convolutions scale it back (zoo_act.power). */
static const double k_branch_gain = 0.5;

static struct zoo_act conv_bn(struct zoo_net *z, struct zoo_act x,
                              const char *conv_name, const char *bn_name,
                              const struct zoo_conv *c, double gain)
{
    x = zoo_conv(z, x, conv_name, c);
    return zoo_batchnorm(z, x, bn_name, gain);
}

/* Name: "layer<stage>.<block>". */
static struct zoo_act bottleneck(struct zoo_net *z, struct zoo_act x,
                                 const char *name, uint32_t mid,
                                 uint32_t stride)
{
    struct onnx_model *m = z->model;
    const uint32_t out = 4 * mid;
    const struct zoo_conv reduce = {
        .out = mid, .kernel = 1, .stride = 1, .no_bias = true};
    const struct zoo_conv spatial = {
        .out = mid, .kernel = 3, .stride = stride, .pad = 1, .no_bias = true};
    const struct zoo_conv expand = {
        .out = out, .kernel = 1, .stride = 1, .no_bias = true};
    const struct zoo_conv project = {
        .out = out, .kernel = 1, .stride = stride, .no_bias = true};

    struct zoo_act y = conv_bn(z, x, onnx_name(m, "%s.conv1", name),
                               onnx_name(m, "%s.bn1", name), &reduce, 1.0);
    y = zoo_relu(z, y, onnx_name(m, "%s.relu1", name));
    y = conv_bn(z, y, onnx_name(m, "%s.conv2", name),
                onnx_name(m, "%s.bn2", name), &spatial, 1.0);
    y = zoo_relu(z, y, onnx_name(m, "%s.relu2", name));
    y = conv_bn(z, y, onnx_name(m, "%s.conv3", name),
                onnx_name(m, "%s.bn3", name), &expand, k_branch_gain);

    const bool is_projected = stride != 1 || x.channels != out;
    if (is_projected) {
        x = conv_bn(z, x, onnx_name(m, "%s.downsample.0", name),
                    onnx_name(m, "%s.downsample.1", name), &project, 1.0);
    }
    struct zoo_act sum = zoo_add(z, y, x, onnx_name(m, "%s.add", name));
    const double power = sum.power;
    sum = zoo_relu(z, sum, onnx_name(m, "%s.relu", name));
    if (!is_projected) {
        /* The shortcut is rectified already; little is cut off again. */
        sum.power = power;
    }
    return sum;
}

void zoo_build_resnet152(struct zoo_net *z)
{
    const struct zoo_conv stem = {.out = zoo_scaled(z, 64),
                                  .kernel = 7,
                                  .stride = 2,
                                  .pad = 3,
                                  .no_bias = true};
    struct zoo_act x = zoo_image(z);
    x = conv_bn(z, x, "conv1", "bn1", &stem, 1.0);
    x = zoo_relu(z, x, "relu");
    x = zoo_maxpool(z, x, "maxpool", 3, 2, 1, false);
    for (uint32_t stage = 0; stage < 4; stage++) {
        for (uint32_t block = 0; block < z->opts->blocks[stage]; block++) {
            const uint32_t stride = stage > 0 && block == 0 ? 2 : 1;
            const char *name = onnx_name(z->model, "layer%u.%u",
                                         (unsigned)stage + 1, (unsigned)block);
            x = bottleneck(z, x, name, zoo_scaled(z, 64U << stage), stride);
        }
    }
    x = zoo_global_avgpool(z, x, "avgpool");
    x = zoo_flatten(z, x, "flatten");
    x = zoo_gemm(z, x, "fc", z->opts->classes);
    zoo_finish(z, x, false);
}
