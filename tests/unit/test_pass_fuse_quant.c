#include "passes/passes.h"

#include "support/fixture.h"
#include "support/onnx_text.h"

#include "ir/graph.h"

/* Graphs of QuantizeLinear and DequantizeLinear, and how many operators of each
 * kind are left after all passes. */
#define HEAD                                                                   \
    "opset 13\ninput x u8 1x4x6x6\ninit s f32 - 0.5\ninit z u8 - 3\n"          \
    "init t f32 - 0.25\ninit w u8 8x4x3x3\ninit v f32 - 0.125\n"               \
    "init o u8 - 128\ninit b i32 8 1 -2 3 -4 5 -6 7 -8\n"                      \
    "init bs f32 - 0.0625\n"                                                   \
    "DequantizeLinear dx x s z -> xf\nDequantizeLinear dw w v o -> wf\n"       \
    "DequantizeLinear db b bs -> bf\n"

static uint32_t count(const struct graph *g, enum op_id op)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n_node; i++) {
        n += !g->node[i].is_dead && g->node[i].op == op;
    }
    return n;
}

/* Every live node, but Identity, is `op`; there are n of them. */
static void assert_only(const struct graph *g, enum op_id op, uint32_t n)
{
    for (uint32_t i = 0; i < g->n_node; i++) {
        if (!g->node[i].is_dead && g->node[i].op != OP_IDENTITY &&
            g->node[i].op != op) {
            fail_msg("%s is left", op_name(g->node[i].op));
        }
    }
    assert_int_equal(count(g, op), n);
}

static void fuse_quant__makes_a_convolution_in_integers(void **state)
{
    struct graph g = {0};
    onnx_text_passes(*state,
                     HEAD "Conv c xf wf bf -> y pads=I:1,1,1,1\n"
                          "QuantizeLinear q y t z -> r\noutput r\n",
                     &g);
    assert_only(&g, OP_QLINEAR_CONV, 1);
}

/* Rounding is monotonic: a Relu cuts integers at the zero point. */
static void fuse_quant__cuts_by_an_activation(void **state)
{
    struct graph g = {0};
    onnx_text_passes(*state,
                     HEAD "Conv c xf wf bf -> y\nRelu a y -> ya\n"
                          "QuantizeLinear q ya t z -> r\noutput r\n",
                     &g);
    assert_int_equal(count(&g, OP_QLINEAR_CONV), 1);
    assert_int_equal(count(&g, OP_CLIP), 1);
    assert_int_equal(count(&g, OP_RELU), 0);
}

/* The sum is read in floats too: the convolution stays one of floats. */
static void fuse_quant__leaves_what_others_read(void **state)
{
    struct graph g = {0};
    onnx_text_passes(*state,
                     HEAD "Conv c xf wf bf -> y\nQuantizeLinear q y t z -> r\n"
                          "Neg n y -> m\noutput r\noutput m\n",
                     &g);
    assert_int_equal(count(&g, OP_CONV), 1);
    assert_int_equal(count(&g, OP_QLINEAR_CONV), 0);
}

static void fuse_quant__moves_integers(void **state)
{
    struct graph g = {0};
    onnx_text_passes(*state,
                     HEAD "Transpose a xf -> xt perm=I:0,2,3,1\n"
                          "QuantizeLinear q xt s z -> r\noutput r\n",
                     &g);
    assert_only(&g, OP_TRANSPOSE, 1);
}

/* Another scale is another number: it is computed. */
static void fuse_quant__keeps_a_change_of_scale(void **state)
{
    struct graph g = {0};
    onnx_text_passes(*state,
                     HEAD "Transpose a xf -> xt perm=I:0,2,3,1\n"
                          "QuantizeLinear q xt t z -> r\noutput r\n",
                     &g);
    assert_int_equal(count(&g, OP_DEQUANTIZE), 1);
    assert_int_equal(count(&g, OP_QUANTIZE), 1);
}

/* A pad of the zero point before a convolution in integers is its own. */
static void fuse_quant__pads_by_the_zero_point(void **state)
{
    struct graph g = {0};
    onnx_text_passes(*state,
                     HEAD "init p i64 8 0 0 1 1 0 0 1 1\nPad a xf p -> xp\n"
                          "QuantizeLinear e xp s z -> xq\n"
                          "DequantizeLinear d xq s z -> xd\n"
                          "Conv c xd wf bf -> y\n"
                          "QuantizeLinear q y t z -> r\noutput r\n",
                     &g);
    assert_only(&g, OP_QLINEAR_CONV, 1);
}

/* Sums of 2^31 do not fit: the bias stays where it is in floats. */
static void fuse_quant__refuses_a_bias_that_overflows(void **state)
{
    struct graph g = {0};
    onnx_text_passes(*state,
                     HEAD "init c f32 8 0 0 0 0 0 0 0 1e9\n"
                          "Conv k xf wf c -> y\nQuantizeLinear q y t z -> r\n"
                          "output r\n",
                     &g);
    assert_int_equal(count(&g, OP_QLINEAR_CONV), 0);
    assert_int_equal(count(&g, OP_CONV), 1);
}

static void fuse_quant__makes_means_in_integers(void **state)
{
    struct graph g = {0};
    onnx_text_passes(*state,
                     HEAD "GlobalAveragePool a xf -> y\n"
                          "QuantizeLinear q y t z -> r\noutput r\n",
                     &g);
    assert_only(&g, OP_QLINEAR_GLOBAL_AVERAGE_POOL, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(fuse_quant__makes_a_convolution_in_integers),
        FIXTURE_TEST(fuse_quant__cuts_by_an_activation),
        FIXTURE_TEST(fuse_quant__leaves_what_others_read),
        FIXTURE_TEST(fuse_quant__moves_integers),
        FIXTURE_TEST(fuse_quant__keeps_a_change_of_scale),
        FIXTURE_TEST(fuse_quant__pads_by_the_zero_point),
        FIXTURE_TEST(fuse_quant__refuses_a_bias_that_overflows),
        FIXTURE_TEST(fuse_quant__makes_means_in_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
