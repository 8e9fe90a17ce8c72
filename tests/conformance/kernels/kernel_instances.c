#include "kernel_instances.h"

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

#define INSTANCE(NAME, FN, FAMILY, ID, ROWS, PANELS, ...)                      \
    static const struct flx_##FAMILY##_arg arg_##NAME = __VA_ARGS__;           \
    static void run_##NAME(const struct flx_call *call, const void *arg,       \
                           uint32_t part, uint32_t n_parts)                    \
    {                                                                          \
        (void)arg;                                                             \
        FN(call, &arg_##NAME, part, n_parts);                                  \
    }
#include "kernel_instances.def"
#undef INSTANCE

static const struct kernel_instance instances[] = {
#define INSTANCE(NAME, FN, FAMILY, ID, ROWS, PANELS, ...)                      \
    {#NAME, FLX_K_##ID, ROWS, PANELS, run_##NAME, &arg_##NAME},
#include "kernel_instances.def"
#undef INSTANCE
};

const struct kernel_instance *KERNEL_INSTANCES(uint32_t i)
{
    return i < sizeof instances / sizeof instances[0] ? &instances[i] : NULL;
}
