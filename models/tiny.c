#include "models/zoo_builders.h"
#include "models/zoo_net.h"

/* The smallest network with a convolution, an activation and a product: what
 * the first line of every stage is tried on. Follows no paper. */
void zoo_build_tiny(struct zoo_net *z)
{
    struct zoo_act x = zoo_image(z);
    const struct zoo_conv conv = {
        .out = zoo_scaled(z, 8), .kernel = 3, .stride = 1, .pad = 1};
    x = zoo_conv(z, x, "conv", &conv);
    x = zoo_relu(z, x, "relu");
    x = zoo_flatten(z, x, "flatten");
    x = zoo_gemm(z, x, "fc", z->opts->classes);
    zoo_finish(z, x, false);
}
