#include "models/zoo_builders.h"

#include <stddef.h>

#include "base/attr.h"
#include "models/zoo_net.h"

/* VGG-19: [vgg] table 1, column E. Modules are numbered as in torchvision's
 * vgg19. Its adaptive pooling before the classifier is the identity at 224;
 * at other resolutions we let the first Gemm follow the size instead. */

enum { POOL = 0 };

static const uint32_t k_column_e[] = {
    64,  64,  POOL, 128, 128,  POOL, 256, 256, 256, 256,  POOL,
    512, 512, 512,  512, POOL, 512,  512, 512, 512, POOL,
};

void zoo_build_vgg19(struct zoo_net *z)
{
    struct onnx_model *m = z->model;
    struct zoo_act x = zoo_image(z);
    unsigned module = 0;
    for (size_t i = 0; i < ARRAY_LEN(k_column_e); i++) {
        if (k_column_e[i] == POOL) {
            x = zoo_maxpool(z, x, onnx_name(m, "features.%u", module++), 2, 2,
                            0, false);
            continue;
        }
        const struct zoo_conv conv = {.out = zoo_scaled(z, k_column_e[i]),
                                      .kernel = 3,
                                      .stride = 1,
                                      .pad = 1};
        x = zoo_conv(z, x, onnx_name(m, "features.%u", module++), &conv);
        x = zoo_relu(z, x, onnx_name(m, "features.%u", module++));
    }
    x = zoo_flatten(z, x, "flatten");
    /* Modules 2 and 5 of the classifier are Dropout. */
    x = zoo_gemm(z, x, "classifier.0", zoo_scaled(z, 4096));
    x = zoo_relu(z, x, "classifier.1");
    x = zoo_gemm(z, x, "classifier.3", zoo_scaled(z, 4096));
    x = zoo_relu(z, x, "classifier.4");
    x = zoo_gemm(z, x, "classifier.6", z->opts->classes);
    zoo_finish(z, x, false);
}
