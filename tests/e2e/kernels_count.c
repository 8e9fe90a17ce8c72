/* kernels_count.c - runs one kernel on a small layer, for valgrind to count the
 * instructions: kernels_count product|direct|depthwise. */
#include <stdlib.h>
#include <string.h>

#include "k_conv.h"
#include "k_depthwise.h"

enum { SIZE = 24, C = 32, OC = 64, MOST = SIZE * SIZE * OC };

static struct flx_conv_arg arg(uint32_t oc, uint32_t k, uint32_t group)
{
    return (struct flx_conv_arg){
        .out_rows = SIZE,
        .out_w = SIZE,
        .out_c = oc,
        .out_by_row = 1,
        .out_row_bytes = SIZE * oc * 4,
        .out_pix = oc,
        .in_rows = SIZE,
        .in_w = SIZE,
        .in_c = C,
        .in_by_row = 1,
        .in_row_bytes = SIZE * C * 4,
        .in_pix = C,
        .group = group,
        .kernel_h = k,
        .kernel_w = k,
        .stride_h = 1,
        .stride_w = 1,
        .dilation_h = 1,
        .dilation_w = 1,
        .pad_top = (int32_t)k / 2,
        .pad_left = (int32_t)k / 2,
        .k = k * k * C / group,
        .k_block = k * k * C / group,
        .act = FLX_ACT_RELU,
    };
}

int main(int argc, char **argv)
{
    static float in[MOST];
    static float out[MOST];
    static float w[(9 * C + 2) * OC];
    for (uint32_t i = 0; i < MOST; i++) {
        in[i] = (float)(i % 7) - 3.0f;
    }
    for (uint32_t i = 0; i < sizeof w / sizeof *w; i++) {
        w[i] = (float)(i % 5) - 2.0f;
    }
    const char *const what = argc == 2 ? argv[1] : "";
    struct flx_call call = {
        .arg = {{(uint8_t *)out, SIZE}, {(uint8_t *)in, SIZE}},
        .w = (const uint8_t *)w,
        .r1 = SIZE,
        .p1 = OC / FLX_PANEL,
    };
    if (strcmp(what, "product") == 0) {
        const struct flx_conv_arg a = arg(OC, 1, 1);
        k_conv_f32_direct(&call, &a, 0, 1);
    } else if (strcmp(what, "direct") == 0) {
        const struct flx_conv_arg a = arg(OC, 3, 1);
        k_conv_f32_direct(&call, &a, 0, 1);
    } else if (strcmp(what, "depthwise") == 0) {
        const struct flx_conv_arg a = arg(C, 3, C);
        call.p1 = C / FLX_PANEL;
        k_conv_f32_depthwise(&call, &a, 0, 1);
    } else if (argc > 1) {
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
