/* kernel_fields.h - the kernels and the fields of their argument blocks as
 * tables: for the compiler, which fills and prints blocks by name. Hosted use
 * only; the runtime does not include it. */
#ifndef FLEXRT_KERNEL_FIELDS_H
#define FLEXRT_KERNEL_FIELDS_H

#include <stddef.h>
#include <stdint.h>

#include "flexrt/flx_kernel.h"

enum flx_field_kind { FLX_FIELD_UINT, FLX_FIELD_INT, FLX_FIELD_FLOAT };

/* n words from word `word` of the block. n == 1 and !is_array: a scalar. */
struct flx_field {
    const char *name;
    enum flx_field_kind kind;
    uint32_t is_array;
    uint32_t n;
    uint32_t word;
};

struct flx_kernel_info {
    uint32_t id;          /* enum flx_kernel_id */
    const char *fn;       /* "k_conv_f32_direct" */
    const char *arg_type; /* "struct flx_conv_arg" */
    const char *header;   /* in runtime/kernels: "k_conv.h" */
    const struct flx_field *field;
    uint32_t n_field;
    uint32_t n_word; /* of the block */
};

#define FLX_ROW_(KIND, ARRAY, NAME)                                            \
    {#NAME, KIND, ARRAY, sizeof(((FLX_T_ *)NULL)->NAME) / 4u,                  \
     offsetof(FLX_T_, NAME) / 4u},
#define FLX_ROW_U_(NAME) FLX_ROW_(FLX_FIELD_UINT, 0, NAME)
#define FLX_ROW_I_(NAME) FLX_ROW_(FLX_FIELD_INT, 0, NAME)
#define FLX_ROW_F_(NAME) FLX_ROW_(FLX_FIELD_FLOAT, 0, NAME)
#define FLX_ROW_UA_(NAME, N) FLX_ROW_(FLX_FIELD_UINT, 1, NAME)
#define FLX_ROW_IA_(NAME, N) FLX_ROW_(FLX_FIELD_INT, 1, NAME)
#define FLX_ROW_FA_(NAME, N) FLX_ROW_(FLX_FIELD_FLOAT, 1, NAME)
#define FLX_ROWS_(FIELDS)                                                      \
    FIELDS(FLX_ROW_U_, FLX_ROW_I_, FLX_ROW_F_, FLX_ROW_UA_, FLX_ROW_IA_,       \
           FLX_ROW_FA_)

/* One table of fields per family. */
#define FLX_T_ struct flx_conv_arg
static const struct flx_field flx_fields_conv[] = {FLX_ROWS_(FLX_CONV_FIELDS)};
#undef FLX_T_
#define FLX_T_ struct flx_pool_arg
static const struct flx_field flx_fields_pool[] = {FLX_ROWS_(FLX_POOL_FIELDS)};
#undef FLX_T_
#define FLX_T_ struct flx_qconv_arg
static const struct flx_field flx_fields_qconv[] = {
    FLX_ROWS_(FLX_QCONV_FIELDS)};
#undef FLX_T_
#define FLX_T_ struct flx_qpool_arg
static const struct flx_field flx_fields_qpool[] = {
    FLX_ROWS_(FLX_QPOOL_FIELDS)};
#undef FLX_T_
#define FLX_T_ struct flx_ewise_arg
static const struct flx_field flx_fields_ewise[] = {
    FLX_ROWS_(FLX_EWISE_FIELDS)};
#undef FLX_T_
#define FLX_T_ struct flx_softmax_arg
static const struct flx_field flx_fields_softmax[] = {
    FLX_ROWS_(FLX_SOFTMAX_FIELDS)};
#undef FLX_T_
#define FLX_T_ struct flx_lrn_arg
static const struct flx_field flx_fields_lrn[] = {FLX_ROWS_(FLX_LRN_FIELDS)};
#undef FLX_T_
#define FLX_T_ struct flx_resize_arg
static const struct flx_field flx_fields_resize[] = {
    FLX_ROWS_(FLX_RESIZE_FIELDS)};
#undef FLX_T_
#define FLX_T_ struct flx_copy_arg
static const struct flx_field flx_fields_copy[] = {FLX_ROWS_(FLX_COPY_FIELDS)};
#undef FLX_T_
#define FLX_T_ struct flx_cast_arg
static const struct flx_field flx_fields_cast[] = {FLX_ROWS_(FLX_CAST_FIELDS)};
#undef FLX_T_
#define FLX_T_ struct flx_gather_arg
static const struct flx_field flx_fields_gather[] = {
    FLX_ROWS_(FLX_GATHER_FIELDS)};
#undef FLX_T_
#define FLX_T_ struct flx_matmul_arg
static const struct flx_field flx_fields_matmul[] = {
    FLX_ROWS_(FLX_MATMUL_FIELDS)};
#undef FLX_T_
#define FLX_T_ struct flx_reduce_arg
static const struct flx_field flx_fields_reduce[] = {
    FLX_ROWS_(FLX_REDUCE_FIELDS)};
#undef FLX_T_
#define FLX_T_ struct flx_norm_arg
static const struct flx_field flx_fields_norm[] = {FLX_ROWS_(FLX_NORM_FIELDS)};
#undef FLX_T_
#define FLX_T_ struct flx_attention_arg
static const struct flx_field flx_fields_attention[] = {
    FLX_ROWS_(FLX_ATTENTION_FIELDS)};
#undef FLX_T_
#define FLX_T_ struct flx_typed_arg
static const struct flx_field flx_fields_typed[] = {
    FLX_ROWS_(FLX_TYPED_FIELDS)};
#undef FLX_T_
#define FLX_T_ struct flx_tensor_arg
static const struct flx_field flx_fields_tensor[] = {
    FLX_ROWS_(FLX_TENSOR_FIELDS)};
#undef FLX_T_
#define FLX_T_ struct flx_embed_arg
static const struct flx_field flx_fields_embed[] = {
    FLX_ROWS_(FLX_EMBED_FIELDS)};
#undef FLX_T_

static const struct flx_kernel_info flx_kernel_infos[] = {
#define KERNEL(ID, VALUE, FN, ARG, FILE)                                       \
    {VALUE,                                                                    \
     #FN,                                                                      \
     "struct flx_" #ARG "_arg",                                                \
     FILE,                                                                     \
     flx_fields_##ARG,                                                         \
     sizeof flx_fields_##ARG / sizeof flx_fields_##ARG[0],                     \
     sizeof(struct flx_##ARG##_arg) / 4u},
#include "flexrt/kernel_list.def"
#undef KERNEL
};

/* NULL when there is no kernel of that id. */
static inline const struct flx_kernel_info *flx_kernel_info_find(uint32_t id)
{
    for (size_t i = 0; i < sizeof flx_kernel_infos / sizeof flx_kernel_infos[0];
         i++) {
        if (flx_kernel_infos[i].id == id) {
            return &flx_kernel_infos[i];
        }
    }
    return NULL;
}

#endif
