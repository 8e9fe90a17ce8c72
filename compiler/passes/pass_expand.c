/* Operators that ONNX defines by others become those. */
#include "base/arena.h"
#include "passes/expand.h"
#include "passes/passes.h"

static expand_fn *const expansions[OP_COUNT] = {
    [OP_AFFINE_GRID] = expand_affine_grid,
    [OP_ATTENTION] = expand_attention,
    [OP_CAST_LIKE] = expand_cast_like,
    [OP_CAUSAL_CONV] = expand_causal_conv,
    [OP_CENTER_CROP_PAD] = expand_center_crop_pad,
    [OP_COL2_IM] = expand_col2im,
    [OP_COMPRESS] = expand_compress,
    [OP_CONV_INTEGER] = expand_conv_integer,
    [OP_DEQUANTIZE] = expand_dequantize,
    [OP_DYNAMIC_QUANTIZE] = expand_dynamic_quantize,
    [OP_EINSUM] = expand_einsum,
    [OP_GEMM] = expand_empty_product,
    [OP_GROUP_NORM] = expand_instance_norm,
    [OP_GRU] = expand_rnn,
    [OP_HARDMAX] = expand_hardmax,
    [OP_IF] = expand_if,
    [OP_INSTANCE_NORM] = expand_instance_norm,
    [OP_LAYER_NORM] = expand_layer_norm,
    [OP_LP_NORM] = expand_lp_norm,
    [OP_LSTM] = expand_rnn,
    [OP_MATMUL] = expand_empty_product,
    [OP_MATMUL_INTEGER] = expand_matmul_integer,
    [OP_MAX_UNPOOL] = expand_max_unpool,
    [OP_MEAN_VARIANCE_NORM] = expand_mean_variance_norm,
    [OP_ONE_HOT] = expand_one_hot,
    [OP_QGEMM] = expand_qgemm,
    [OP_QLINEAR_CONV] = expand_qlinear_conv,
    [OP_QLINEAR_MATMUL] = expand_qlinear_matmul,
    [OP_QUANTIZE] = expand_quantize,
    [OP_REVERSE_SEQUENCE] = expand_reverse_sequence,
    [OP_RMS_NORM] = expand_layer_norm,
    [OP_RNN] = expand_rnn,
    [OP_ROTARY_EMBEDDING] = expand_rotary,
    [OP_TENSOR_SCATTER] = expand_tensor_scatter,
    [OP_TFIDF] = expand_tfidf,
};

/* Those of ONNX Runtime that are defined by floats. */
static expand_fn *const contrib[OP_COUNT] = {
    [OP_QLINEAR_ADD] = expand_qlinear_float,
    [OP_QLINEAR_AVERAGE_POOL] = expand_qlinear_float,
    [OP_QLINEAR_CONCAT] = expand_qlinear_float,
    [OP_QLINEAR_GLOBAL_AVERAGE_POOL] = expand_qlinear_float,
    [OP_QLINEAR_LEAKY_RELU] = expand_qlinear_float,
    [OP_QLINEAR_MUL] = expand_qlinear_float,
    [OP_QLINEAR_SIGMOID] = expand_qlinear_float,
    [OP_QLINEAR_SOFTMAX] = expand_qlinear_float,
};

static bool expand_by(struct graph *g, struct cx *cx, expand_fn *const *table)
{
    const uint32_t n_node = g->n_node;
    for (uint32_t i = 0; i < n_node; i++) {
        struct expand e = {.g = g, .cx = cx, .node = i, .is_ok = true};
        const struct arena_mark mark = arena_mark(cx->scratch);
        expand_fn *const fn = table[g->node[i].op];
        const bool is_ok = g->node[i].is_dead || !fn || fn(&e);
        arena_rewind(cx->scratch, mark);
        if (!is_ok) {
            return false;
        }
    }
    g->is_ordered = false;
    return true;
}

bool pass_expand_contrib(struct graph *g, struct cx *cx)
{
    return expand_by(g, cx, contrib);
}

bool pass_expand(struct graph *g, struct cx *cx)
{
    return expand_by(g, cx, expansions);
}
