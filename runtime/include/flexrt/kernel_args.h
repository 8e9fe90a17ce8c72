/* kernel_args.h - the argument block of each kernel family, as field lists.
 * Strides, offsets and sizes of activations are in elements unless they say
 * bytes. Included by flx_kernel.h only. */
#ifndef FLEXRT_KERNEL_ARGS_H
#define FLEXRT_KERNEL_ARGS_H

/* Convolution and products with constant weights, one family for grouped,
 * depthwise and fully connected. A K block kb covers flattened K indices
 * [kb * k_block, min(k, (kb + 1) * k_block)), K = (kh, kw, c). */
#define FLX_CONV_FIELDS(U, I, F, UA, IA)                                       \
    U(out_rows) /* of one image */                                             \
    U(out_w)                                                                   \
    U(out_c)                                                                   \
    U(out_row_bytes)                                                           \
    U(out_row0)                                                                \
    U(out_col0)                                                                \
    U(out_pix)                                                                 \
    U(in_rows) /* of one image */                                              \
    U(in_w)                                                                    \
    U(in_c) /* all groups */                                                   \
    U(in_row_bytes)                                                            \
    U(in_row0)                                                                 \
    U(in_col0)                                                                 \
    U(in_pix)                                                                  \
    U(res_row_bytes)                                                           \
    U(res_row0)                                                                \
    U(res_col0)                                                                \
    U(res_pix)                                                                 \
    U(group)                                                                   \
    U(kernel_h)                                                                \
    U(kernel_w)                                                                \
    U(stride_h)                                                                \
    U(stride_w)                                                                \
    U(dilation_h)                                                              \
    U(dilation_w)                                                              \
    I(pad_top)                                                                 \
    I(pad_left)                                                                \
    U(k) /* KH * KW * C / group */                                             \
    U(k_block)                                                                 \
    U(has_bias)                                                                \
    U(residual)                                                                \
    U(act)                                                                     \
    F(act_a)                                                                   \
    F(act_b)
struct flx_conv_arg {
    FLX_CONV_FIELDS(FLX_FIELD_U, FLX_FIELD_I, FLX_FIELD_F, FLX_FIELD_UA,
                    FLX_FIELD_IA)
};

#endif
