/* kernel_args.h - the argument block of each kernel family, as field lists.
 * Strides, offsets and sizes of activations are in elements unless they say
 * bytes. Included by flx_kernel.h and kernel_fields.h only. */
#ifndef FLEXRT_KERNEL_ARGS_H
#define FLEXRT_KERNEL_ARGS_H

/* An operand of the kernels that work on images, [image][y][x][c], c dense.
 * by_row: row r = image * rows + y lies in buffer row row0 + r, `pix` elements
 * a pixel from element col0. Else it lies at element col0, image and row
 * strides in bytes, and the buffer is held in full. */
#define FLX_IMAGE_FIELDS(U, P)                                                 \
    U(P##_by_row)                                                              \
    U(P##_row_bytes)                                                           \
    U(P##_img_bytes)                                                           \
    U(P##_row0)                                                                \
    U(P##_col0)                                                                \
    U(P##_pix)

/* An operand of the kernels that work on any shape: element (i0, i1, ...) of
 * the block's iteration space. `at` is its place in flx_call.arg or
 * FLX_AT_WEIGHTS (col0 counts from the first weight byte then). */
#define FLX_VIEW_FIELDS(U, I, IA, P)                                           \
    U(P##_at)                                                                  \
    U(P##_by_row)                                                              \
    U(P##_row_bytes)                                                           \
    U(P##_row0)                                                                \
    I(P##_col0)                                                                \
    IA(P##_stride, FLX_MAX_RANK)

/* The iteration space of those: dim[0 .. row_dims) make the rows; rank is at
 * least row_dims + 2 (dimensions of 1 where there are less). */
#define FLX_SPACE_FIELDS(U, UA)                                                \
    U(rank)                                                                    \
    U(row_dims)                                                                \
    UA(dim, FLX_MAX_RANK)

/* Where a convolution's window goes. in_c and out_c count all groups. */
#define FLX_WINDOW_FIELDS(U, I)                                                \
    U(out_rows) /* of one image */                                             \
    U(out_w)                                                                   \
    U(out_c)                                                                   \
    FLX_IMAGE_FIELDS(U, out)                                                   \
    U(in_rows) /* of one image */                                              \
    U(in_w)                                                                    \
    U(in_c)                                                                    \
    FLX_IMAGE_FIELDS(U, in)                                                    \
    U(group)                                                                   \
    U(kernel_h)                                                                \
    U(kernel_w)                                                                \
    U(stride_h)                                                                \
    U(stride_w)                                                                \
    U(dilation_h)                                                              \
    U(dilation_w)                                                              \
    I(pad_top)                                                                 \
    I(pad_left)

/* Convolution, transposed convolution and products with constant weights. A
 * K block kb covers flattened K indices [kb * k_block, min(k, (kb + 1) *
 * k_block)), K = (kh, kw, c). Of weights that are not stored as f32, the call's
 * kb counts w_blocks of them. res is the residual, the last operand. */
#define FLX_CONV_FIELDS(U, I, F, UA, IA, FA)                                   \
    FLX_WINDOW_FIELDS(U, I)                                                    \
    U(res_at) /* in flx_call.arg */                                            \
    FLX_IMAGE_FIELDS(U, res)                                                   \
    U(k) /* KH * KW * C / group */                                             \
    U(k_block)                                                                 \
    U(w_type)   /* enum flx_weight_type: of the rows of weights */             \
    U(w_blocks) /* unless f32: K blocks of the kernel in one stored block */   \
    U(residual)                                                                \
    U(act)                                                                     \
    F(act_a)                                                                   \
    F(act_b)

/* What 8-bit numbers mean. Types are those of ONNX TensorProto.DataType; the
 * result of 8 bits is cut to [low, high]. */
#define FLX_QUANT_FIELDS(U, I)                                                 \
    U(in_type)                                                                 \
    U(out_type)                                                                \
    I(in_zero)                                                                 \
    I(out_zero)                                                                \
    I(low)                                                                     \
    I(high)

/* Convolution and products of 8-bit numbers, one K block; k counts what a panel
 * holds, padding included. */
#define FLX_QCONV_FIELDS(U, I, F, UA, IA, FA)                                  \
    FLX_WINDOW_FIELDS(U, I)                                                    \
    U(k)                                                                       \
    FLX_QUANT_FIELDS(U, I)                                                     \
    U(has_zero) /* weights have zero points */

#define FLX_POOL_WINDOW_FIELDS(U, I)                                           \
    U(is_max)                                                                  \
    U(count_pad) /* the divisor counts padding inside the pads */              \
    U(c)                                                                       \
    U(out_rows)                                                                \
    U(out_w)                                                                   \
    FLX_IMAGE_FIELDS(U, out)                                                   \
    U(in_rows)                                                                 \
    U(in_w)                                                                    \
    FLX_IMAGE_FIELDS(U, in)                                                    \
    U(kernel_h)                                                                \
    U(kernel_w)                                                                \
    U(stride_h)                                                                \
    U(stride_w)                                                                \
    U(dilation_h)                                                              \
    U(dilation_w)                                                              \
    I(pad_top)                                                                 \
    I(pad_left)                                                                \
    I(pad_bottom)                                                              \
    I(pad_right)

#define FLX_POOL_FIELDS(U, I, F, UA, IA, FA)                                   \
    FLX_POOL_WINDOW_FIELDS(U, I)                                               \
    U(act)                                                                     \
    F(act_a)                                                                   \
    F(act_b)

/* scale: of means. */
#define FLX_QPOOL_FIELDS(U, I, F, UA, IA, FA)                                  \
    FLX_POOL_WINDOW_FIELDS(U, I)                                               \
    FLX_QUANT_FIELDS(U, I)                                                     \
    F(scale)

/* A postfix program over n_in operands; in_* are those of FLX_VIEW_FIELDS, one
 * entry an operand (FLX_MAX_RANK strides each). op: enum flx_expr. */
#define FLX_EWISE_FIELDS(U, I, F, UA, IA, FA)                                  \
    FLX_SPACE_FIELDS(U, UA)                                                    \
    FLX_VIEW_FIELDS(U, I, IA, out)                                             \
    U(n_in)                                                                    \
    UA(in_at, FLX_EWISE_MAX_IN)                                                \
    UA(in_by_row, FLX_EWISE_MAX_IN)                                            \
    UA(in_row_bytes, FLX_EWISE_MAX_IN)                                         \
    UA(in_row0, FLX_EWISE_MAX_IN)                                              \
    IA(in_col0, FLX_EWISE_MAX_IN)                                              \
    IA(in_stride, FLX_EWISE_MAX_IN *FLX_MAX_RANK)                              \
    U(used) /* set of the ops in the program, bit 1 << op */                   \
    U(n_step)                                                                  \
    UA(op, FLX_EXPR_MAX_STEP)                                                  \
    UA(ix, FLX_EXPR_MAX_STEP)                                                  \
    FA(imm, FLX_EXPR_MAX_STEP)                                                 \
    U(act)                                                                     \
    F(act_a)                                                                   \
    F(act_b)

/* Over the last dimension of the space. */
#define FLX_SOFTMAX_FIELDS(U, I, F, UA, IA, FA)                                \
    FLX_SPACE_FIELDS(U, UA)                                                    \
    FLX_VIEW_FIELDS(U, I, IA, out)                                             \
    FLX_VIEW_FIELDS(U, I, IA, in)                                              \
    U(is_log)

#define FLX_LRN_FIELDS(U, I, F, UA, IA, FA)                                    \
    U(rows) /* of one image */                                                 \
    U(w)                                                                       \
    U(c)                                                                       \
    FLX_IMAGE_FIELDS(U, out)                                                   \
    FLX_IMAGE_FIELDS(U, in)                                                    \
    U(size)                                                                    \
    F(alpha)                                                                   \
    F(beta)                                                                    \
    F(bias)

/* Output index i of an axis reads input position (i * mul + add) / den. */
#define FLX_RESIZE_FIELDS(U, I, F, UA, IA, FA)                                 \
    U(is_linear)                                                               \
    U(nearest) /* enum flx_nearest */                                          \
    U(c)                                                                       \
    U(out_rows)                                                                \
    U(out_w)                                                                   \
    FLX_IMAGE_FIELDS(U, out)                                                   \
    U(in_rows)                                                                 \
    U(in_w)                                                                    \
    FLX_IMAGE_FIELDS(U, in)                                                    \
    U(mul_h)                                                                   \
    I(add_h)                                                                   \
    U(den_h)                                                                   \
    U(mul_w)                                                                   \
    I(add_w)                                                                   \
    U(den_w)

/* in index = out index - before; outside in_dim: fill. */
#define FLX_COPY_FIELDS(U, I, F, UA, IA, FA)                                   \
    FLX_SPACE_FIELDS(U, UA)                                                    \
    FLX_VIEW_FIELDS(U, I, IA, out)                                             \
    FLX_VIEW_FIELDS(U, I, IA, in)                                              \
    U(elem_bytes) /* 1, 2, 4 or 8 */                                           \
    U(has_pads)                                                                \
    UA(in_dim, FLX_MAX_RANK)                                                   \
    IA(before, FLX_MAX_RANK)                                                   \
    U(fill_lo)                                                                 \
    U(fill_hi)

/* Types are those of ONNX TensorProto.DataType. */
#define FLX_CAST_FIELDS(U, I, F, UA, IA, FA)                                   \
    FLX_SPACE_FIELDS(U, UA)                                                    \
    FLX_VIEW_FIELDS(U, I, IA, out)                                             \
    FLX_VIEW_FIELDS(U, I, IA, in)                                              \
    U(out_type)                                                                \
    U(in_type)                                                                 \
    U(saturate) /* to 8- and 4-bit floats: the largest instead of infinity */  \
    U(round)    /* to powers of two: 0 up, 1 down, 2 to nearest */

/* in: the data, its stride 0 along the dimensions that the index has; ix: the
 * index, its stride 0 along the others. Indices outside [-axis_len, axis_len)
 * are taken as the nearest inside. */
#define FLX_GATHER_FIELDS(U, I, F, UA, IA, FA)                                 \
    FLX_SPACE_FIELDS(U, UA)                                                    \
    FLX_VIEW_FIELDS(U, I, IA, out)                                             \
    FLX_VIEW_FIELDS(U, I, IA, in)                                              \
    FLX_VIEW_FIELDS(U, I, IA, ix)                                              \
    U(elem_bytes)                                                              \
    U(ix_bytes) /* 4 or 8 */                                                   \
    U(axis_len)                                                                \
    I(axis_stride)

/* out[..][m][n] = sum over k of a[..][m][k] * b[..][k][n]; the space is
 * [..][m][n]. a's stride along n and b's along m are 0. */
#define FLX_MATMUL_FIELDS(U, I, F, UA, IA, FA)                                 \
    FLX_SPACE_FIELDS(U, UA)                                                    \
    FLX_VIEW_FIELDS(U, I, IA, out)                                             \
    FLX_VIEW_FIELDS(U, I, IA, a)                                               \
    FLX_VIEW_FIELDS(U, I, IA, b)                                               \
    U(k)                                                                       \
    I(a_k) /* stride along k */                                                \
    I(b_k)

/* op: enum flx_reduce; over red_dim, which the space does not have. */
#define FLX_REDUCE_FIELDS(U, I, F, UA, IA, FA)                                 \
    FLX_SPACE_FIELDS(U, UA)                                                    \
    FLX_VIEW_FIELDS(U, I, IA, out)                                             \
    FLX_VIEW_FIELDS(U, I, IA, in)                                              \
    U(op)                                                                      \
    U(n_red)                                                                   \
    UA(red_dim, FLX_MAX_RANK)                                                  \
    IA(red_stride, FLX_MAX_RANK)                                               \
    U(in_type) /* of ONNX TensorProto.DataType */                              \
    U(out_type)                                                                \
    U(select_last) /* ARGMAX, ARGMIN: of equal elements the last */

/* As FLX_EWISE_FIELDS, over any types; every step has one. */
#define FLX_TYPED_FIELDS(U, I, F, UA, IA, FA)                                  \
    FLX_SPACE_FIELDS(U, UA)                                                    \
    FLX_VIEW_FIELDS(U, I, IA, out)                                             \
    U(out_type)                                                                \
    U(n_in)                                                                    \
    UA(in_at, FLX_EWISE_MAX_IN)                                                \
    UA(in_by_row, FLX_EWISE_MAX_IN)                                            \
    UA(in_row_bytes, FLX_EWISE_MAX_IN)                                         \
    UA(in_row0, FLX_EWISE_MAX_IN)                                              \
    IA(in_col0, FLX_EWISE_MAX_IN)                                              \
    IA(in_stride, FLX_EWISE_MAX_IN *FLX_MAX_RANK)                              \
    UA(in_type, FLX_EWISE_MAX_IN)                                              \
    UA(used, 2) /* set of the ops in the program */                            \
    U(classes)  /* set of the classes of its types */                          \
    U(n_step)                                                                  \
    UA(op, FLX_EXPR_MAX_STEP)                                                  \
    UA(ix, FLX_EXPR_MAX_STEP) /* operand; CAST: the type before */             \
    UA(type, FLX_EXPR_MAX_STEP)                                                \
    FA(imm, FLX_EXPR_MAX_STEP)

/* Class tensor: whole operands, the output first, each at element col0 of its
 * buffer or the panel. p and f are as the kernel says. */
#define FLX_TENSOR_FIELDS(U, I, F, UA, IA, FA)                                 \
    U(n_op)                                                                    \
    UA(at, FLX_MAX_ARG)                                                        \
    IA(col0, FLX_MAX_ARG)                                                      \
    UA(type, FLX_MAX_ARG)                                                      \
    UA(rank, FLX_MAX_ARG)                                                      \
    UA(dim, FLX_MAX_ARG *FLX_MAX_RANK)                                         \
    IA(stride, FLX_MAX_ARG *FLX_MAX_RANK)                                      \
    IA(p, FLX_TENSOR_INTS)                                                     \
    FA(f, FLX_TENSOR_FLOATS)

/* Over the last dimension of the space, of C elements. The weights: scale[C],
 * and bias[C] from float bias_at of the panel on. */
#define FLX_NORM_FIELDS(U, I, F, UA, IA, FA)                                   \
    FLX_SPACE_FIELDS(U, UA)                                                    \
    FLX_VIEW_FIELDS(U, I, IA, out)                                             \
    FLX_VIEW_FIELDS(U, I, IA, in)                                              \
    U(has_bias)                                                                \
    U(bias_at)                                                                 \
    U(is_rms)                                                                  \
    F(epsilon)

/* Strides of q and out: image, query, head, channel; of k and v: image, key,
 * head, channel; of the mask: image, query, head, key. A panel has
 * panel_heads heads; the row of query t of image n is n * queries + t. */
#define FLX_ATTENTION_FIELDS(U, I, F, UA, IA, FA)                              \
    U(queries) /* of one image */                                              \
    U(keys)                                                                    \
    U(heads)                                                                   \
    U(panel_heads)                                                             \
    U(kv_group) /* query heads of one head of k and v */                       \
    U(head_size)                                                               \
    U(v_size)                                                                  \
    FLX_VIEW_FIELDS(U, I, IA, out)                                             \
    FLX_VIEW_FIELDS(U, I, IA, q)                                               \
    FLX_VIEW_FIELDS(U, I, IA, k)                                               \
    FLX_VIEW_FIELDS(U, I, IA, v)                                               \
    FLX_VIEW_FIELDS(U, I, IA, mask)                                            \
    U(mask_kind) /* enum flx_attn_mask */                                      \
    U(is_causal)                                                               \
    U(blind) /* enum flx_attn_blind */                                         \
    F(scale)

/* Row r is entry ix[r] of a table: `size` elements, elem_step bytes apart, from
 * byte first + (entry % panel_entries) * entry_step of panel entry /
 * panel_entries. Of I8, entry's f32 scale is number entry % panel_entries from
 * byte `scales` of the panel. */
#define FLX_EMBED_FIELDS(U, I, F, UA, IA, FA)                                  \
    U(size)                                                                    \
    U(elem_bytes) /* 1, 2, 4 or 8 */                                           \
    U(ix_bytes)   /* 4 or 8 */                                                 \
    FLX_VIEW_FIELDS(U, I, IA, out)                                             \
    U(entries)                                                                 \
    U(panel_entries)                                                           \
    U(n_panel)                                                                 \
    U(panel_bytes)                                                             \
    U(first)                                                                   \
    U(entry_step)                                                              \
    U(elem_step)                                                               \
    U(w_type) /* enum flx_weight_type; F32: of any type, copied */             \
    U(scales)

/* Every family: type struct flx_NAME_arg, its field list. */
#define FLX_ARG_FAMILIES(X)                                                    \
    X(conv, FLX_CONV_FIELDS)                                                   \
    X(qconv, FLX_QCONV_FIELDS)                                                 \
    X(pool, FLX_POOL_FIELDS)                                                   \
    X(qpool, FLX_QPOOL_FIELDS)                                                 \
    X(ewise, FLX_EWISE_FIELDS)                                                 \
    X(softmax, FLX_SOFTMAX_FIELDS)                                             \
    X(lrn, FLX_LRN_FIELDS)                                                     \
    X(resize, FLX_RESIZE_FIELDS)                                               \
    X(copy, FLX_COPY_FIELDS)                                                   \
    X(cast, FLX_CAST_FIELDS)                                                   \
    X(gather, FLX_GATHER_FIELDS)                                               \
    X(matmul, FLX_MATMUL_FIELDS)                                               \
    X(reduce, FLX_REDUCE_FIELDS)                                               \
    X(norm, FLX_NORM_FIELDS)                                                   \
    X(attention, FLX_ATTENTION_FIELDS)                                         \
    X(typed, FLX_TYPED_FIELDS)                                                 \
    X(tensor, FLX_TENSOR_FIELDS)                                               \
    X(embed, FLX_EMBED_FIELDS)

#endif
