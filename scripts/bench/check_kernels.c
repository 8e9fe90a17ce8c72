/* check_kernels.c - kernels with constant arguments, as the generated C has
 * them, for check-kernels to look at. */
#include "k_conv.h"
#include "k_depthwise.h"
#include "k_gemv.h"
#include "k_matmul.h"
#include "k_winograd.h"

#define CONV(NAME, KERNEL, SIZE, C, OC, K, GROUP)                              \
    void check_##NAME(const struct flx_call *call, uint32_t part,              \
                      uint32_t n_parts);                                       \
    void check_##NAME(const struct flx_call *call, uint32_t part,              \
                      uint32_t n_parts)                                        \
    {                                                                          \
        static const struct flx_conv_arg a = {                                 \
            .out_rows = SIZE,                                                  \
            .out_w = SIZE,                                                     \
            .out_c = OC,                                                       \
            .out_by_row = 1,                                                   \
            .out_row_bytes = (SIZE) * (OC)*4,                                  \
            .out_pix = OC,                                                     \
            .in_rows = SIZE,                                                   \
            .in_w = SIZE,                                                      \
            .in_c = C,                                                         \
            .in_by_row = 1,                                                    \
            .in_row_bytes = (SIZE) * (C)*4,                                    \
            .in_pix = C,                                                       \
            .group = GROUP,                                                    \
            .kernel_h = K,                                                     \
            .kernel_w = K,                                                     \
            .stride_h = 1,                                                     \
            .stride_w = 1,                                                     \
            .dilation_h = 1,                                                   \
            .dilation_w = 1,                                                   \
            .pad_top = (K) / 2,                                                \
            .pad_left = (K) / 2,                                               \
            .k = (K) * (K) * (C) / (GROUP),                                    \
            .k_block = (K) * (K) * (C) / (GROUP),                              \
            .act = FLX_ACT_RELU,                                               \
        };                                                                     \
        KERNEL(call, &a, part, n_parts);                                       \
    }

CONV(product, k_conv_f32_direct, 28, 256, 512, 1, 1)
CONV(direct_3x3, k_conv_f32_direct, 28, 128, 128, 3, 1)
CONV(first_7x7, k_conv_f32_direct, 112, 3, 64, 7, 1)
CONV(gemv, k_conv_f32_gemv, 1, 4096, 4096, 1, 1)
CONV(winograd4, k_conv_f32_winograd4, 28, 128, 128, 3, 1)
CONV(winograd6, k_conv_f32_winograd6, 56, 64, 64, 3, 1)
CONV(depthwise, k_conv_f32_depthwise, 56, 96, 96, 3, 96)
