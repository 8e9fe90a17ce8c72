/* k_all.c - every kernel with run-time arguments, for programs that run tables
 * in process. Built once per instruction set: FLX_FIND names the function. */
#include "flx_find.h"
#include "k_attention.h"
#include "k_cast.h"
#include "k_conv.h"
#include "k_conv_q8.h"
#include "k_copy.h"
#include "k_deconv.h"
#include "k_depthwise.h"
#include "k_depthwise_q8.h"
#include "k_embed.h"
#include "k_ewise.h"
#include "k_ewise_q8.h"
#include "k_gather.h"
#include "k_gemv.h"
#include "k_lanes.h"
#include "k_lanes_q8.h"
#include "k_lrn.h"
#include "k_matmul.h"
#include "k_norm.h"
#include "k_pool.h"
#include "k_pool_q8.h"
#include "k_reduce.h"
#include "k_reduce_any.h"
#include "k_resize.h"
#include "k_softmax.h"
#include "k_tensor_conv.h"
#include "k_tensor_det.h"
#include "k_tensor_dft.h"
#include "k_tensor_find.h"
#include "k_tensor_index.h"
#include "k_tensor_matmul.h"
#include "k_tensor_order.h"
#include "k_tensor_pool.h"
#include "k_tensor_rnn.h"
#include "k_tensor_sample.h"
#include "k_tensor_scan.h"
#include "k_tensor_state.h"
#include "k_tensor_taps.h"
#include "k_typed.h"
#include "k_winograd.h"

#define KERNEL(ID, VALUE, FN, ARG, FILE)                                       \
    static void run_##FN(const struct flx_call *call, const void *arg,         \
                         uint32_t part, uint32_t n_parts)                      \
    {                                                                          \
        FN(call, (const struct flx_##ARG##_arg *)arg, part, n_parts);          \
    }
#include "flexrt/kernel_list.def"
#undef KERNEL

static const flx_kernel_fn kernels[FLX_KERNEL_IDS] = {
#define KERNEL(ID, VALUE, FN, ARG, FILE) [FLX_K_##ID] = run_##FN,
#include "flexrt/kernel_list.def"
#undef KERNEL
};

flx_kernel_fn FLX_FIND(uint32_t id)
{
    return id < FLX_KERNEL_IDS ? kernels[id] : NULL;
}
