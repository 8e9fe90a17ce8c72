#include "models/zoo_builders.h"

#include <stddef.h>

#include "base/attr.h"
#include "models/zoo_net.h"

/* MobileNetV2: [mobilenetv2] table 2, blocks as in table 1 and figure 4d.
 * Modules are numbered as in torchvision's mobilenet_v2. */

/* Columns t, c, n, s of table 2. */
static const struct {
    uint32_t expand;
    uint32_t channels;
    uint32_t repeats;
    uint32_t stride;
} k_rows[] = {
    {1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2},  {6, 64, 4, 2},
    {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1},
};

static struct zoo_act conv_bn(struct zoo_net *z, struct zoo_act x,
                              const char *conv_name, const char *bn_name,
                              const struct zoo_conv *c)
{
    x = zoo_conv(z, x, conv_name, c);
    return zoo_batchnorm(z, x, bn_name, 1.0);
}

/* Convolution, normalisation, Relu6; modules name.0, name.1, name.2. */
static struct zoo_act conv_bn_relu6(struct zoo_net *z, struct zoo_act x,
                                    const char *name, const struct zoo_conv *c)
{
    struct onnx_model *m = z->model;
    x = conv_bn(z, x, onnx_name(m, "%s.0", name), onnx_name(m, "%s.1", name),
                c);
    return zoo_relu6(z, x, onnx_name(m, "%s.2", name));
}

/* Inverted residual. Name: "features.<n>". */
static struct zoo_act inverted_residual(struct zoo_net *z, struct zoo_act x,
                                        const char *name, uint32_t out,
                                        uint32_t stride, uint32_t expand)
{
    struct onnx_model *m = z->model;
    const uint32_t hidden = x.channels * expand;
    const struct zoo_conv widen = {
        .out = hidden, .kernel = 1, .stride = 1, .no_bias = true};
    const struct zoo_conv depthwise = {.out = hidden,
                                       .kernel = 3,
                                       .stride = stride,
                                       .pad = 1,
                                       .groups = hidden,
                                       .no_bias = true};
    const struct zoo_conv project = {
        .out = out, .kernel = 1, .stride = 1, .no_bias = true};

    unsigned module = 0;
    struct zoo_act y = x;
    if (expand != 1) {
        y = conv_bn_relu6(z, y, onnx_name(m, "%s.conv.%u", name, module++),
                          &widen);
    }
    y = conv_bn_relu6(z, y, onnx_name(m, "%s.conv.%u", name, module++),
                      &depthwise);
    y = conv_bn(z, y, onnx_name(m, "%s.conv.%u", name, module),
                onnx_name(m, "%s.conv.%u", name, module + 1), &project);
    if (stride == 1 && x.channels == out) {
        y = zoo_add(z, x, y, onnx_name(m, "%s.add", name));
    }
    return y;
}

void zoo_build_mobilenetv2(struct zoo_net *z)
{
    struct onnx_model *m = z->model;
    const struct zoo_conv stem = {.out = zoo_scaled(z, 32),
                                  .kernel = 3,
                                  .stride = 2,
                                  .pad = 1,
                                  .no_bias = true};
    unsigned module = 0;
    struct zoo_act x = zoo_image(z);
    x = conv_bn_relu6(z, x, onnx_name(m, "features.%u", module++), &stem);
    for (size_t r = 0; r < ARRAY_LEN(k_rows); r++) {
        for (uint32_t i = 0; i < k_rows[r].repeats; i++) {
            x = inverted_residual(z, x, onnx_name(m, "features.%u", module++),
                                  zoo_scaled(z, k_rows[r].channels),
                                  i == 0 ? k_rows[r].stride : 1,
                                  k_rows[r].expand);
        }
    }
    /* Section 4: multipliers below one spare the last convolution. */
    const struct zoo_conv head = {
        .out = z->opts->width_milli < 1000 ? 1280 : zoo_scaled(z, 1280),
        .kernel = 1,
        .stride = 1,
        .no_bias = true};
    x = conv_bn_relu6(z, x, onnx_name(m, "features.%u", module), &head);
    x = zoo_global_avgpool(z, x, "avgpool");
    x = zoo_flatten(z, x, "flatten");
    /* Module 0 of the classifier is Dropout. */
    x = zoo_gemm(z, x, "classifier.1", z->opts->classes);
    zoo_finish(z, x, false);
}
