/* test_lower.c - small graphs, lowered: what becomes one layer, what needs a
 * copy and what none, and that the layers compute what the naive operators of
 * the reference do. */
#include "support/fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "ir/graph.h"
#include "ir/layer.h"
#include "passes/lower.h"
#include "support/layer_eval.h"
#include "support/onnx_text.h"
#include "support/ref_graph.h"

static void lower_text(struct fixture *f, const char *text, struct layers *l)
{
    struct graph *const g = arena_new(&f->keep, struct graph, 1);
    assert_non_null(g);
    onnx_text_passes(f, text, g);
    if (!lower(g, &f->cx, l) || !layers_check(l, &f->cx)) {
        assert_no_diag(f);
    }
}

static uint32_t count(const struct layers *l, enum layer_kind kind)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->n_layer; i++) {
        n += l->layer[i].kind == kind;
    }
    return n;
}

/* ---- against the reference ------------------------------------------------
 */

static const uint8_t *as_f32(struct fixture *f, const struct ref_tensor *t)
{
    const int64_t n = ref_count(&t->shape);
    float *const out = arena_new(&f->keep, float, (uint64_t)n);
    assert_non_null(out);
    for (int64_t i = 0; i < n; i++) {
        out[i] = (float)((const double *)t->data)[i];
    }
    return (const uint8_t *)out;
}

static bool is_equal(struct fixture *f, const struct layers *l, uint32_t ix,
                     const uint8_t *got, const struct ref_tensor *want)
{
    const struct layer_io *const io = &l->output[ix];
    const int64_t n = ref_count(&want->shape);
    uint64_t n_got;
    assert_true(shape_count(&io->shape, &n_got) && n_got == (uint64_t)n);
    const bool is_float = ref_is_float(want->type);
    assert_int_equal(dtype_is_float(io->dtype), is_float);
    double worst = 0.0;
    for (int64_t i = 0; i < n; i++) {
        double x;
        double y;
        if (is_float) {
            float value;
            memcpy(&value, got + i * 4, sizeof value);
            x = (double)value;
            y = ((const double *)want->data)[i];
        } else {
            int64_t value = 0;
            memcpy(&value, got + i * dtype_bytes(io->dtype),
                   dtype_bytes(io->dtype));
            x = (double)value;
            y = (double)((const int64_t *)want->data)[i];
        }
        const double off = fabs(x - y) / (1.0 + fabs(y));
        worst = off > worst || isnan(off) ? off : worst;
    }
    (void)f;
    return worst < 1e-5;
}

/* Integers are indices: small ones, some of them from the end. */
static const uint8_t *as_i64(const struct ref_tensor *t)
{
    int64_t *const data = t->data;
    for (int64_t i = 0; i < ref_count(&t->shape); i++) {
        data[i] = i * 7 % 11 - 4;
    }
    return t->data;
}

/* The layers give what the reference gives, on random inputs. */
static bool is_right(struct fixture *f, const char *text)
{
    const char *const path = fixture_temp_path(f, "model.onnx");
    const struct span bytes = onnx_text(f, text);
    FILE *const file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
    (void)fclose(file);
    struct ref_error err;
    struct ref_graph *const ref = ref_graph_load(path, &err);
    assert_non_null(ref);
    struct layers l;
    lower_text(f, text, &l);
    struct ref_tensor *in[4];
    struct ref_tensor *want[4];
    const uint8_t *input[4];
    const uint8_t *got[4];
    assert_int_equal(ref_graph_n_inputs(ref), l.n_input);
    assert_int_equal(ref_graph_n_outputs(ref), l.n_output);
    for (uint32_t i = 0; i < l.n_input; i++) {
        enum ref_type type;
        struct ref_shape shape;
        assert_true(ref_graph_input_type(ref, i, &type, &shape));
        in[i] = ref_tensor_new(type, &shape);
        ref_tensor_random(in[i], 7, i);
        input[i] = ref_is_float(type) ? as_f32(f, in[i]) : as_i64(in[i]);
    }
    if (!ref_graph_run(ref, (const struct ref_tensor *const *)in, want, &err)) {
        fail_msg("reference: %s", err.text);
    }
    const char *const wrong = layer_eval(&l, &f->keep, input, got);
    bool ok = wrong == NULL;
    if (wrong) {
        print_error("%s\n", wrong);
    }
    for (uint32_t i = 0; i < l.n_output; i++) {
        ok = ok && is_equal(f, &l, i, got[i], want[i]);
        ref_tensor_free(want[i]);
    }
    for (uint32_t i = 0; i < l.n_input; i++) {
        ref_tensor_free(in[i]);
    }
    ref_graph_free(ref);
    return ok;
}

static const struct {
    const char *name;
    const char *text;
} cases[] = {
    {"conv: stride, dilation, odd pads, batch 2",
     "opset 13\ninput x f32 2x3x9x8\noutput y\ninit w f32 5x3x3x2 rand\ninit b "
     "f32 5 rand\n"
     "Conv c x w b -> y strides=I:2,1 dilations=I:1,2 pads=I:1,2,0,1\n"},
    {"conv: groups of several channels",
     "opset 13\ninput x f32 1x4x5x5\noutput y\ninit w f32 6x2x3x3 rand\n"
     "Conv c x w -> y group=i:2 pads=I:1,1,1,1\n"},
    {"conv: depthwise, auto_pad",
     "opset 13\ninput x f32 1x4x7x6\noutput y\ninit w f32 4x1x3x3 rand\n"
     "Conv c x w -> y group=i:4 strides=I:2,2 auto_pad=s:SAME_UPPER\n"},
    {"conv: one dimension",
     "opset 13\ninput x f32 2x3x11\noutput y\ninit w f32 4x3x5 rand\ninit b "
     "f32 4 rand\n"
     "Conv c x w b -> a strides=I:2 pads=I:2,1\nRelu r a -> y\n"},
    {"conv: patches of planes, cropped, batch 2, and of channels last",
     "opset 13\ninput x f32 2x3x9x8\ninput z f32 1x4x4x3\noutput y\n"
     "output q\ninit w f32 5x3x4x3 rand\ninit b f32 5 rand\n"
     "init u f32 5x3x2x2 rand\nConv c x w b -> a strides=I:4,3\n"
     "Relu r a -> y\nTranspose t z -> p perm=I:0,3,1,2\n"
     "Conv d p u -> q strides=I:2,2\n"},
    {"deconv: stride, pads, output_padding",
     "opset 13\ninput x f32 2x3x4x5\noutput y\ninit w f32 3x4x3x2 rand\ninit b "
     "f32 4 rand\n"
     "ConvTranspose c x w b -> y strides=I:3,2 pads=I:1,0,2,1 "
     "output_padding=I:1,1\n"},
    {"deconv: groups of several channels, dilation",
     "opset 13\ninput x f32 1x4x4x4\noutput y\ninit w f32 4x3x2x3 rand\n"
     "ConvTranspose c x w -> y group=i:2 dilations=I:2,1\n"},
    {"deconv: depthwise",
     "opset 13\ninput x f32 1x4x4x4\noutput y\ninit w f32 4x1x2x2 rand\n"
     "ConvTranspose c x w -> y group=i:4 strides=I:2,2\n"},
    {"chain of scales after conv",
     "opset 13\ninput x f32 1x3x5x5\noutput y\ninit w f32 4x3x3x3 rand\ninit b "
     "f32 4 rand\n"
     "init s f32 4 pos\ninit o f32 4 rand\ninit m f32 4 rand\ninit v f32 4 "
     "pos\ninit k f32 1x4x1x1 rand\ninit a f32 4x1x1 rand\n"
     ""
     "Conv c x w b -> c1\nBatchNormalization n c1 s o m v -> n1\n"
     "Mul mu n1 k -> m1\nAdd ad m1 a -> a1\nSub su k a1 -> s1\n"
     "Div di s1 s0 -> y\ninit s0 f32 - 0.7\n"},
    {"batch normalization after deconv in groups",
     "opset 13\ninput x f32 1x4x4x4\noutput y\ninit w f32 4x3x2x2 rand\n"
     "init s f32 6 pos\ninit o f32 6 rand\ninit m f32 6 rand\ninit v f32 6 "
     "pos\n"
     "ConvTranspose c x w -> c1 group=i:2\n"
     "BatchNormalization n c1 s o m v -> y epsilon=f:0.01\n"},
    {"batch normalization after gemm",
     "opset 13\ninput x f32 3x4\noutput y\ninit w f32 4x5 rand\ninit b f32 5 "
     "rand\n"
     "init s f32 5 pos\ninit o f32 5 rand\ninit m f32 5 rand\ninit v f32 5 "
     "pos\n"
     "Gemm g x w b -> c1\nBatchNormalization n c1 s o m v -> y\n"},
    {"batch normalization alone, plain and after a pool",
     "opset 13\ninput x f32 2x3x4x4\noutput y\noutput z\n"
     "init s f32 3 pos\ninit o f32 3 rand\ninit m f32 3 rand\ninit v f32 3 "
     "pos\n"
     "BatchNormalization n x s o m v -> y\nMaxPool p x -> q "
     "kernel_shape=I:2,2\nBatchNormalization n2 q s o m v -> z\n"},
    {"activations of a convolution",
     "opset 14\ninput x f32 1x3x4x4\noutput a\noutput b\noutput c\noutput d\n"
     "init w f32 2x3x1x1 rand\ninit s f32 2x1x1 rand\n"
     "Conv c1 x w -> v1\nPRelu p v1 s -> a\n"
     "Conv c2 x w -> v2\nSigmoid g v2 -> g2\nMul m v2 g2 -> b\n"
     "Conv c3 x w -> v3\nHardSwish h v3 -> c\n"
     "Conv c4 x w -> v4\nLeakyRelu l v4 -> d alpha=f:0.3\n"},
    {"hard swish and hard sigmoid spelled out",
     "opset 13\ninput x f32 1x3x4x4\noutput a\noutput b\noutput c\n"
     "init w f32 2x3x1x1 rand\ninit three f32 - 3\ninit six f32 - 6\n"
     "init zero f32 - 0\n"
     "Conv c1 x w -> v1\nAdd a1 v1 three -> p1\nClip k1 p1 zero six -> q1\n"
     "Mul m1 v1 q1 -> r1\nDiv d1 r1 six -> a\n"
     "Add a2 x three -> p2\nClip k2 p2 zero six -> q2\nDiv d2 q2 six -> r2\n"
     "Mul m2 r2 x -> b\n"
     "Conv c3 x w -> v3\nAdd a3 v3 three -> p3\nClip k3 p3 zero six -> q3\n"
     "Div d3 q3 six -> c\n"},
    {"residuals before and after the activation, and of a copy",
     "opset 13\ninput x f32 1x4x5x5\noutput a\noutput b\noutput c\n"
     "init w f32 4x4x3x3 rand\nConv c1 x w -> v1 pads=I:1,1,1,1\n"
     "Conv c2 v1 w -> v2 pads=I:1,1,1,1\nAdd s2 v2 v1 -> t2\n"
     "Relu r2 t2 -> a\nConv c3 a w -> v3 pads=I:1,1,1,1\n"
     "Relu r3 v3 -> u3\nAdd s3 a u3 -> b\n"
     "Conv c4 x w -> v4 pads=I:1,1,1,1\nAdd s4 v4 x -> c\n"},
    {"pad into conv and average pool, not into max pool",
     "opset 13\ninput x f32 1x2x5x5\noutput a\noutput b\noutput c\n"
     "init w f32 2x2x3x3 rand\ninit p i64 8 0 0 1 0 0 0 2 1\n"
     "Pad p1 x p -> q\nConv c1 q w -> a\nAveragePool v q -> b "
     "kernel_shape=I:3,3\nMaxPool m q -> c kernel_shape=I:3,3\n"},
    {"pad of channels, rows and a value; crop",
     "opset 13\ninput x f32 2x2x5x4\noutput a\noutput b\n"
     "init p i64 8 0 1 2 0 0 2 0 1\ninit v f32 - 1.5\n"
     "init q i64 8 0 0 -1 0 0 0 2 -1\nPad p1 x p v -> a\n"
     "MaxPool m x -> mm kernel_shape=I:1,1\nPad p2 mm q -> b\n"},
    {"pools: ceil, pads that count or not, dilation",
     "opset 19\ninput x f32 1x3x8x7\noutput a\noutput b\noutput c\n"
     "MaxPool p1 x -> a kernel_shape=I:3,2 strides=I:2,2 ceil_mode=i:1 "
     "dilations=I:2,1\nAveragePool p2 x -> b kernel_shape=I:3,3 "
     "strides=I:2,2 pads=I:1,0,1,1 ceil_mode=i:1\n"
     "AveragePool p3 x -> c kernel_shape=I:3,3 pads=I:1,1,1,1 "
     "count_include_pad=i:1\n"},
    {"global pools and means over pixels, batch 2",
     "opset 13\ninput x f32 2x3x4x5\noutput a\noutput b\noutput c\n"
     "init w f32 4x3x1x1 rand\nConv c1 x w -> v\nGlobalAveragePool g v -> a\n"
     "GlobalMaxPool h v -> b\nReduceMean r v -> c axes=I:2,3 keepdims=i:0\n"},
    {"reductions of plain tensors",
     "opset 13\ninput x f32 2x3x4\noutput a\noutput b\noutput c\n"
     "ReduceMean r1 x -> a axes=I:1 keepdims=i:1\n"
     "ReduceMax r2 x -> b axes=I:0,2 keepdims=i:0\nReduceL2 r3 x -> c\n"},
    {"squeeze and excite",
     "opset 13\ninput x f32 2x4x6x5\noutput y\ninit w f32 4x4x1x1 rand\n"
     "init u f32 2x4x1x1 rand\ninit d f32 4x2x1x1 rand\nConv c x w -> v\n"
     "GlobalAveragePool g v -> p\nConv c1 p u -> q\nRelu r q -> s\n"
     "Conv c2 s d -> t\nHardSigmoid h t -> e\nMul m v e -> y\n"},
    {"gemm: all transposed, alpha, beta",
     "opset 13\ninput x f32 4x3\noutput y\ninit w f32 5x4 rand\ninit b f32 5 "
     "rand\n"
     "Gemm g x w b -> y transA=i:1 transB=i:1 alpha=f:0.5 beta=f:2\n"},
    {"gemm: a summand per element; computed right side",
     "opset 13\ninput x f32 3x4\ninput z f32 4x5\noutput y\noutput a\n"
     "init w f32 4x5 rand\ninit b f32 3x5 rand\nGemm g x w b -> y alpha=f:0.5\n"
     "Gemm h x z -> a beta=f:2 alpha=f:3\n"},
    {"matmul: tokens, bias, activation, residual",
     "opset 13\ninput x f32 2x3x4\noutput y\ninit w f32 4x4 rand\ninit b f32 4 "
     "rand\n"
     "MatMul m x w -> v\nAdd a v b -> u\nAdd r u x -> t\nRelu e t -> y\n"},
    {"matmul: batches of computed matrices, and vectors",
     "opset 13\ninput x f32 2x3x4\ninput z f32 1x4x5\noutput y\noutput v\n"
     "init k f32 4 rand\nMatMul m x z -> y\nMatMul n x k -> v\n"},
    {"flattened image into gemm, twice",
     "opset 13\ninput x f32 2x3x6x6\noutput y\ninit c f32 4x3x3x3 rand\n"
     "init w f32 64x5 rand\ninit b f32 5 rand\ninit u f32 5x3 rand\nConv k x c "
     "-> v\n"
     "Flatten f v -> t\nGemm g t w b -> h\nRelu r h -> s\n"
     "Gemm g2 s u -> y\n"},
    {"channels-last model: transposes, flatten, gemm",
     "opset 13\ninput x f32 1x6x6x3\noutput y\noutput z\ninit c f32 4x3x3x3 "
     "rand\n"
     "init w f32 64x5 rand\ninit s i64 2 1 -1\n"
     "Transpose t0 x -> a perm=I:0,3,1,2\nConv k a c -> v\nRelu r v -> r1\n"
     "Transpose t1 r1 -> z perm=I:0,2,3,1\nReshape f z s -> t\n"
     "MatMul g t w -> y\n"},
    {"reshapes that need a copy",
     "opset 13\ninput x f32 1x4x3x3\noutput y\noutput z\ninit c f32 4x4x1x1 "
     "rand\n"
     "init s i64 3 2 3 6\ninit u i64 2 4 9\nConv k x c -> v\n"
     "Reshape f v s -> y\nReshape g v u -> p\nTranspose t p -> z\n"},
    {"channel shuffle",
     "opset 13\ninput x f32 1x6x4x4\noutput y\ninit c f32 6x6x1x1 rand\n"
     "init s i64 5 1 2 3 4 4\ninit u i64 4 1 6 4 4\nConv k x c -> v\n"
     "Reshape f v s -> a\nTranspose t a -> b perm=I:0,2,1,3,4\n"
     "Reshape g b u -> d\nConv k2 d c -> y\n"},
    {"depth to space and back",
     "opset 13\ninput x f32 1x8x3x2\noutput y\noutput z\ninit c f32 8x8x1x1 "
     "rand\n"
     "Conv k x c -> v\nDepthToSpace d v -> y blocksize=i:2\n"
     "DepthToSpace e v -> p blocksize=i:2 mode=s:CRD\n"
     "SpaceToDepth s p -> z blocksize=i:2\n"},
    {"concat of channels, nested, with a constant and an input",
     "opset 13\ninput x f32 1x2x4x4\noutput y\noutput z\ninit w f32 3x2x1x1 "
     "rand\n"
     "init u f32 2x5x3x3 rand\ninit k f32 1x2x4x4\nConv a x w -> a1\n"
     "Concat c a1 x -> b1 axis=i:1\nConv d b1 u -> d1 pads=I:1,1,1,1\n"
     "Concat e b1 d1 k -> e1 axis=i:1\nRelu r e1 -> y\n"
     "Concat g a1 a1 -> z axis=i:1\n"},
    {"concat of rows, columns and batches",
     "opset 13\ninput x f32 1x2x4x4\noutput y\noutput z\noutput q\n"
     "init w f32 2x2x1x1 rand\nConv a x w -> a1\nConv b x w -> b1\n"
     "Concat c a1 b1 -> y axis=i:2\nConcat d a1 x -> z axis=i:3\n"
     "Concat e b1 x -> q axis=i:0\n"},
    {"detection heads: transposes, reshapes, concat, softmax",
     "opset 13\ninput x f32 1x3x8x8\noutput y\ninit w f32 4x3x3x3 rand\n"
     "init u f32 4x3x3x3 rand\ninit s i64 3 1 -1 2\n"
     "Conv a x w -> a1 pads=I:1,1,1,1\nTranspose t a1 -> a2 "
     "perm=I:0,2,3,1\nReshape r a2 s -> a3\n"
     "Conv b x u -> b1 strides=I:2,2 pads=I:1,1,1,1\nTranspose t2 b1 -> b2 "
     "perm=I:0,2,3,1\nReshape r2 b2 s -> b3\nConcat c a3 b3 -> d axis=i:1\n"
     "Softmax f d -> y axis=i:2\n"},
    {"softmax over channels, old and new, and a log",
     "opset 12\ninput x f32 2x3x4x5\noutput y\noutput z\ninit w f32 3x3x1x1 "
     "rand\n"
     "Conv c x w -> v\nSoftmax s v -> y axis=i:1\n"
     "Softmax s2 v -> q axis=i:3\nSoftmax s3 q -> z axis=i:2\n"},
    {"softmax over a middle dimension",
     "opset 13\ninput x f32 2x3x4x5\noutput y\noutput z\ninit w f32 3x3x1x1 "
     "rand\n"
     "Conv c x w -> v\nSoftmax s v -> y axis=i:1\n"
     "LogSoftmax s2 x -> z axis=i:2\n"},
    {"split, slices with steps, gather of one and of several",
     "opset 13\ninput x f32 1x6x5x4\noutput a\noutput b\noutput c\noutput d\n"
     "init w f32 6x6x1x1 rand\ninit u f32 2x3x1x1 rand\ninit st i64 2 4 -1\n"
     "init en i64 2 0 -5\ninit ax i64 2 2 3\ninit sp i64 2 -2 -1\n"
     "init i1 i64 - -2\ninit i3 i64 3 5 0 0\n"
     "Conv c1 x w -> v\nSplit s v -> s1 s2 axis=i:1\nConv c2 s2 u -> a\n"
     "Slice l v st en ax sp -> b\nGather g v i1 -> c axis=i:1\n"
     "Gather h v i3 -> d axis=i:1\n"},
    {"elementwise chains, broadcasts and constants",
     "opset 13\ninput x f32 2x3x4x5\ninput z f32 1x4x1\noutput a\noutput b\n"
     "init k f32 3x1x1 rand\ninit m f32 5 rand\ninit e f32 1x1x4x5 pos\n"
     "Mul a1 x k -> p\nAdd a2 p m -> q\nSub a3 q z -> r\nTanh a4 r -> s\n"
     "Div a5 s e -> a\nExp b1 p -> t\nPow b2 t two -> b\n"
     "init two f32 - 2\n"},
    {"elementwise of two layouts",
     "opset 13\ninput x f32 2x3x4x5\noutput y\ninit w f32 3x3x1x1 rand\n"
     "Conv c x w -> v\nSigmoid s x -> q\nMul m q v -> y\n"},
    {"elementwise functions",
     "opset 20\ninput x f32 3x7\noutput a\noutput b\noutput c\noutput d\n"
     "Elu e x -> a alpha=f:0.5\nGelu g x -> b\nGelu h x -> c "
     "approximate=s:tanh\nHardSwish s x -> p\nSoftplus o p -> d\n"},
    {"sums, extremes and means of several",
     "opset 13\ninput x f32 3x4\ninput z f32 4\noutput a\noutput b\noutput c\n"
     "init k f32 3x1 rand\nSum s x z k -> a\nMax m x z k -> b\nMean e x z -> "
     "c\n"},
    {"resize: nearest, linear, sizes, corners",
     "opset 13\ninput x f32 2x3x4x5\noutput a\noutput b\noutput c\noutput d\n"
     "init s f32 4 1 1 2 2\ninit t f32 4 1 1 1.5 0.6\n"
     "init n i64 4 2 3 7 9\n"
     "Resize r1 x _ s -> a mode=s:nearest "
     "coordinate_transformation_mode=s:asymmetric nearest_mode=s:floor\n"
     "Resize r2 x _ t -> b mode=s:linear\n"
     "Resize r3 x _ _ n -> c mode=s:linear "
     "coordinate_transformation_mode=s:align_corners\n"
     "Resize r4 x _ _ n -> d mode=s:nearest nearest_mode=s:ceil\n"},
    {"upsample, channels last",
     "opset 9\ninput x f32 1x4x5x3\noutput y\ninit s f32 4 1 2 3 1\n"
     "Upsample u x s -> y mode=s:nearest\n"},
    {"local response normalization",
     "opset 13\ninput x f32 1x7x3x3\noutput y\nLRN l x -> y size=i:4 "
     "alpha=f:0.2 beta=f:0.6 bias=f:1.5\n"},
    {"outputs that are inputs, constants, and one value twice",
     "opset 13\ninput x f32 2x3\noutput x\noutput k\noutput y\noutput z\n"
     "init k f32 4 rand\nRelu r x -> y\nTranspose t y -> z perm=I:1,0\n"},
    {"casts and integers",
     "opset 13\ninput x f32 2x5\noutput y\ninit ten f32 - 10\n"
     "Mul m x ten -> a\nCast c x -> y to=i:7\n"},
    {"layer normalization: plain, of two dimensions, without bias",
     "opset 17\ninput x f32 2x3x5\noutput a\noutput b\noutput c\n"
     "init s f32 5 pos\ninit o f32 5 rand\ninit t f32 3x5 pos\n"
     "init one f32 1 0.5\n"
     "LayerNormalization n1 x s o -> a epsilon=f:0.01\n"
     "LayerNormalization n2 x t -> b axis=i:1\n"
     "LayerNormalization n3 x one -> c\n"},
    {"layer normalization and gelu spelled out, in a block of an mlp",
     "opset 13\ninput x f32 2x3x8\noutput y\ninit s f32 8 pos\n"
     "init o f32 8 rand\ninit two f32 - 2\ninit eps f32 - 0.001\n"
     "init w f32 8x20 rand\ninit b f32 20 rand\ninit u f32 20x8 rand\n"
     "init root f32 - 1.41421356\ninit one f32 - 1\ninit half f32 - 0.5\n"
     "ReduceMean m x -> m1 axes=I:-1\nSub d x m1 -> d1\n"
     "Pow p d1 two -> p1\nReduceMean v p1 -> v1 axes=I:-1\n"
     "Add e v1 eps -> e1\nSqrt q e1 -> q1\nDiv r d1 q1 -> r1\n"
     "Mul k r1 s -> k1\nAdd h k1 o -> h1\n"
     "MatMul f h1 w -> f1\nAdd g b f1 -> g1\nDiv i g1 root -> i1\n"
     "Erf j i1 -> j1\nAdd l j1 one -> l1\nMul n g1 l1 -> n1\n"
     "Mul t n1 half -> t1\nMatMul z t1 u -> z1\nAdd y1 x z1 -> y\n"},
    {"gelu by tanh spelled out, and one that is none",
     "opset 13\ninput x f32 3x7\noutput y\noutput z\n"
     "init half f32 - 0.5\ninit three f32 - 3\ninit c f32 - 0.044715\n"
     "init r f32 - 0.7978845608\ninit one f32 - 1\ninit root f32 - 1.4\n"
     "Mul a x half -> a1\nPow b x three -> b1\nMul d b1 c -> d1\n"
     "Add e x d1 -> e1\nMul f e1 r -> f1\nTanh g f1 -> g1\n"
     "Add h g1 one -> h1\nMul i a1 h1 -> y\n"
     "Div k x root -> k1\nErf l k1 -> l1\nAdd m l1 one -> m1\n"
     "Mul n a1 m1 -> z\n"},
    {"attention of parts of one product, causal",
     "opset 13\ninput x f32 2x5x12\noutput y\ninit w f32 12x36 rand\n"
     "init s i64 4 2 5 3 4\ninit j i64 3 2 5 12\ninit p i64 3 12 12 12\n"
     "init eight f32 - 2\ninit no f32 - -3e38\ninit u f32 12x12 rand\n"
     "init c bool 1x1x5x5 1 0 0 0 0 1 1 0 0 0 1 1 1 0 0 1 1 1 1 0 1 1 1 1 1\n"
     "MatMul m x w -> v\nSplit t v p -> a b d axis=i:2\n"
     "Reshape r1 a s -> a1\nReshape r2 b s -> b1\nReshape r3 d s -> d1\n"
     "Transpose t1 a1 -> a2 perm=I:0,2,1,3\n"
     "Transpose t2 b1 -> b2 perm=I:0,2,3,1\n"
     "Transpose t3 d1 -> d2 perm=I:0,2,1,3\nMatMul k a2 b2 -> k1\n"
     "Div e k1 eight -> e1\nWhere h c e1 no -> h1\n"
     "Softmax f h1 -> f1 axis=i:-1\nMatMul g f1 d2 -> g1\n"
     "Transpose t4 g1 -> g2 perm=I:0,2,1,3\nReshape r4 g2 j -> g3\n"
     "MatMul o g3 u -> o1\nAdd q o1 x -> y\n"},
    {"attention with masks that are added, chosen, inverted, and given",
     "opset 13\ninput q f32 1x2x3x4\ninput k f32 1x2x4x3\n"
     "input v f32 1x2x3x5\ninput m f32 1x1x1x3\noutput a\noutput b\n"
     "output c\ninit n f32 3x3 rand\ninit e bool 3x3 1 0 1 1 1 0 1 1 1\n"
     "init f bool 3x3 0 1 0 0 0 1 0 0 1\ninit no f32 - -1e9\n"
     "init h f32 - 0.5\nMul qs q h -> q1\nMul ks k h -> k1\n"
     "MatMul s1 q1 k1 -> t1\nAdd d1 n t1 -> u1\nSoftmax x1 u1 -> w1 "
     "axis=i:3\nMatMul y1 w1 v -> a\n"
     "MatMul s2 q k -> t2\nWhere d2 e t2 no -> u2\nSoftmax x2 u2 -> w2\n"
     "MatMul y2 w2 v -> b\n"
     "MatMul s3 q k -> t3\nMul e3 t3 h -> e4\nWhere d3 f no e4 -> u3\n"
     "Softmax x3 u3 -> w3\nMatMul y3 w3 v -> p3\n"
     "MatMul s4 q k -> t4\nAdd d4 t4 m -> u4\nSoftmax x4 u4 -> w4\n"
     "MatMul y4 w4 v -> p4\nAdd z p3 p4 -> c\n"},
    {"scores that are wanted themselves, and a mask that only biases",
     "opset 13\ninput q f32 1x2x3x4\ninput k f32 1x2x4x3\n"
     "input v f32 1x2x3x5\noutput a\noutput b\noutput s\n"
     "init e bool 3x3 1 0 1 1 1 0 1 1 1\ninit no f32 - -1\n"
     "MatMul s1 q k -> s\nSoftmax x1 s -> w1 axis=i:3\nMatMul y1 w1 v -> a\n"
     "MatMul s2 q k -> t2\nWhere d2 e t2 no -> u2\nSoftmax x2 u2 -> w2\n"
     "MatMul y2 w2 v -> b\n"},
    {"attention of groups, whose keys and values are repeated",
     "opset 13\ninput q f32 1x4x3x6\ninput k f32 1x2x3x6\n"
     "input v f32 1x2x3x5\noutput y\ninit two i64 1 2\ninit h f32 - 0.4\n"
     "init ek i64 5 1 2 2 3 6\ninit rk i64 4 1 4 3 6\n"
     "init ev i64 5 1 2 2 3 5\ninit rv i64 4 1 4 3 5\n"
     "Unsqueeze u1 k two -> k1\nExpand e1 k1 ek -> k2\n"
     "Reshape r1 k2 rk -> k3\nTranspose t k3 -> k4 perm=I:0,1,3,2\n"
     "Unsqueeze u2 v two -> v1\nExpand e2 v1 ev -> v2\n"
     "Reshape r2 v2 rv -> v3\nMatMul s q k4 -> s1\nMul d s1 h -> s2\n"
     "Softmax f s2 -> w axis=i:-1\nMatMul o w v3 -> y\n"},
    {"layer normalization spelled out without scale and bias",
     "opset 13\ninput x f32 2x3x8\ninput g f32 2x1x8\noutput y\noutput z\n"
     "init two f32 - 2\ninit e f32 - 1e-5\n"
     "ReduceMean m x -> a axes=I:-1\nSub s x a -> c\nPow p c two -> d\n"
     "ReduceMean v d -> f axes=I:-1\nAdd ae f e -> h\nSqrt q h -> i\n"
     "Div dv c i -> y\nReciprocal rc i -> j\nMul mu c j -> k\n"
     "Mul ada k g -> z\n"},
    {"normalization by root mean square: as an operator, and spelled out",
     "opset 23\ninput x f32 2x3x8\noutput a\noutput b\noutput c\noutput d\n"
     "init s f32 8 pos\ninit t f32 3x8 pos\ninit r f32 3x1 pos\n"
     "init two f32 - 2\ninit e f32 - 1e-5\ninit one f32 - 1\n"
     "init half f32 - -0.5\ninit last i64 1 -1\n"
     "RMSNormalization n1 x s -> a1 epsilon=f:0.01\n"
     "RMSNormalization n2 a1 t -> a2 axis=i:1\n"
     "RMSNormalization n3 a2 r -> a axis=i:1\n"
     "Pow p x two -> p1\nReduceMean m p1 last -> m1\nAdd ae m1 e -> v\n"
     "Sqrt q v -> q1\nReciprocal i q1 -> i1\nMul k x i1 -> k1\n"
     "Mul l s k1 -> b\nDiv o one q1 -> o1\nMul z o1 x -> c\n"
     "Mul w x x -> w1\nReduceMean y w1 last -> y1\nAdd f e y1 -> f1\n"
     "Pow g f1 half -> g1\nMul h x g1 -> h1\nSqrt j f1 -> j1\n"
     "Div u h1 j1 -> u1\nDiv aa x j1 -> ab\nMul ac ab s -> ad\n"
     "Add af ad u1 -> d\n"},
    {"layer normalization of channels first, spelled out",
     "opset 13\ninput x f32 1x3x5x6\noutput y\noutput z\n"
     "init w f32 8x3x2x2 rand\ninit two f32 - 2\ninit e f32 - 1e-5\n"
     "init s f32 8x1x1 pos\ninit o f32 1x8x1x1 rand\n"
     "init w2 f32 8x8x1x1 rand\ninit s2 f32 8 pos\n"
     "Conv c x w -> a strides=I:2,2\nReduceMean m a -> b axes=I:1\n"
     "Sub d a b -> d1\nPow p d1 two -> p1\nReduceMean v p1 -> v1 axes=I:1\n"
     "Add f v1 e -> f1\nSqrt q f1 -> q1\nDiv r d1 q1 -> r1\n"
     "Mul t s r1 -> t1\nAdd u t1 o -> u1\nConv g u1 w2 -> z\n"
     "Transpose h z -> h1 perm=I:0,2,3,1\n"
     "LayerNormalization i h1 s2 -> i1\n"
     "Transpose j i1 -> j1 perm=I:0,3,1,2\nConv k j1 w2 -> y\n"},
    {"attention with heads among the batch, plain and masked",
     "opset 13\ninput q f32 4x3x6\ninput k f32 4x5x6\ninput v f32 4x5x7\n"
     "input m f32 1x3x5\noutput y\noutput z\ninit h f32 - 0.4\n"
     "Mul d q h -> q1\nTranspose t k -> k1 perm=I:0,2,1\n"
     "MatMul s q1 k1 -> s1\nSoftmax f s1 -> w axis=i:-1\n"
     "MatMul o w v -> y\nMatMul s2 q k1 -> s3\nAdd a s3 m -> s4\n"
     "Softmax f2 s4 -> w2 axis=i:2\nMatMul o2 w2 v -> z\n"},
    {"rotary embedding spelled out, by slices and by a split",
     "opset 13\ninput x f32 1x2x3x8\ninput c f32 1x1x3x8\n"
     "input s f32 3x8\noutput y\noutput z\ninit k f32 3x8 rand\n"
     "init zero i64 1 0\ninit four i64 1 4\ninit far i64 1 9000000000\n"
     "init last i64 1 -1\nSlice a x zero four last -> x1\n"
     "Slice b x four far last -> x2\nNeg n x2 -> x3\n"
     "Concat r x3 x1 -> x4 axis=i:-1\nMul m x c -> x5\nMul p x4 s -> x6\n"
     "Add q x5 x6 -> y\nSplit d x -> x7 x8 axis=i:3\nNeg e x8 -> x9\n"
     "Concat f x9 x7 -> xa axis=i:3\nMul g k xa -> xb\nMul h c x -> xc\n"
     "Add i xb xc -> z\n"},
    {"a table of rows that is the right side of a product, too",
     "opset 13\ninput x i64 2x3\noutput y\ninit t f32 17x4 rand\n"
     "init b f32 17 rand\nGather g t x -> e\n"
     "Transpose p t -> u perm=I:1,0\nMatMul m e u -> v\nAdd a v b -> y\n"},
    {"where: a constant condition that broadcasts",
     "opset 13\ninput x f32 2x3x4\noutput y\noutput z\n"
     "init c bool 3x1 1 0 1\ninit k f32 - 7\nWhere w x1 x k -> y\n"
     "init x1 bool 4 0 1 1 0\nSigmoid s x -> t\nWhere v c t x -> z\n"},
    {"expand", "opset 13\ninput x f32 3x1\noutput y\ninit s i64 3 2 3 4\n"
               "Expand e x s -> a\nRelu r a -> y\n"},
};

static void lower__gives_what_the_reference_gives(void **state)
{
    struct fixture *f = *state;
    unsigned n_bad = 0;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fixture_restart(f, ARENA_NO_FAULT);
        if (!is_right(f, cases[i].text)) {
            print_error("wrong: %s\n", cases[i].name);
            n_bad++;
        }
    }
    assert_int_equal(n_bad, 0);
}

/* ---- what becomes what ----------------------------------------------------
 */

static uint32_t n_act(const struct layers *l, enum act act)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < l->n_layer; i++) {
        n += l->layer[i].epi.act == act;
    }
    return n;
}

/* No copy of the transposed table. */
static void lower__reads_a_tied_table_in_its_own_order(void **state)
{
    struct fixture *f = *state;
    struct layers l;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (strstr(cases[i].name, "right side of a product, too")) {
            lower_text(f, cases[i].text, &l);
            assert_int_equal(l.n_layer, 2);
            assert_int_equal(l.layer[1].kind, LAYER_CONV);
            assert_ptr_equal(l.layer[0].weight[0].data.data,
                             l.layer[1].weight[0].data.data);
        }
    }
}

/* A patch is a row of a product; its window may be of any size. */
static void lower__makes_a_product_of_patches(void **state)
{
    struct fixture *f = *state;
    struct layers l;
    lower_text(f,
               "opset 13\ninput x f32 1x3x64x96\noutput y\n"
               "init w f32 8x3x32x32 rand\nConv c x w -> y strides=I:32,32\n",
               &l);
    const struct layer *const y = &l.layer[1];
    assert_int_equal(l.layer[0].kind, LAYER_COPY);
    assert_int_equal(y->kind, LAYER_CONV);
    assert_int_equal(y->p.conv.kernel[0], 1);
    assert_int_equal(y->in[0].dim[2], 3);
    assert_int_equal(y->in[0].dim[3], 3072);
    assert_int_equal(l.layer[0].rows, 2);
}

/* What exporters spell out in dozens of nodes. */
static void lower__recognises_what_transformers_are_made_of(void **state)
{
    struct fixture *f = *state;
    struct layers l;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        if (strstr(cases[i].name, "in a block of an mlp")) {
            lower_text(f, cases[i].text, &l);
            assert_int_equal(l.n_layer, 3);
            assert_int_equal(count(&l, LAYER_NORM), 1);
            assert_int_equal(n_act(&l, ACT_GELU), 1);
            assert_int_equal(l.layer[2].epi.residual, RES_BEFORE_ACT);
        }
        if (strstr(cases[i].name, "gelu by tanh")) {
            lower_text(f, cases[i].text, &l);
            assert_int_equal(l.n_layer, 2);
            assert_true(l.layer[0].p.ewise.n_step < 20);
        }
        if (strstr(cases[i].name, "causal")) {
            lower_text(f, cases[i].text, &l);
            assert_int_equal(l.n_layer, 3);
            const struct layer *const y = &l.layer[1];
            assert_int_equal(y->kind, LAYER_ATTENTION);
            assert_true(y->p.attention.is_causal);
            assert_int_equal(y->p.attention.mask, ATTN_MASK_NONE);
            /* Straight from the product, queries by rows, keys in full. */
            assert_int_equal(y->in[0].buf, l.layer[0].out.buf);
            assert_int_equal(y->in[1].buf, l.layer[0].out.buf);
            assert_int_equal(y->in[2].buf, l.layer[0].out.buf);
            assert_true(y->in[0].by_row && !y->in[0].map.all);
            assert_true(y->in[1].map.all && y->in[2].map.all);
            assert_true(y->out.by_row);
        }
        if (strstr(cases[i].name, "masks that are added")) {
            lower_text(f, cases[i].text, &l);
            assert_int_equal(count(&l, LAYER_ATTENTION), 4);
            assert_int_equal(count(&l, LAYER_SOFTMAX), 0);
        }
        if (strstr(cases[i].name, "of groups")) {
            lower_text(f, cases[i].text, &l);
            assert_int_equal(l.n_layer, 1);
            assert_int_equal(l.layer[0].kind, LAYER_ATTENTION);
            assert_int_equal(l.layer[0].in[1].dim[2], 2);
            assert_int_equal(l.layer[0].in[1].buf, l.input[1].buf);
            assert_int_equal(l.layer[0].in[2].buf, l.input[2].buf);
        }
        if (strstr(cases[i].name, "without scale and bias")) {
            lower_text(f, cases[i].text, &l);
            assert_int_equal(l.n_layer, 3);
            assert_int_equal(count(&l, LAYER_NORM), 2);
        }
        if (strstr(cases[i].name, "by root mean square")) {
            lower_text(f, cases[i].text, &l);
            assert_int_equal(count(&l, LAYER_NORM), 6);
            assert_int_equal(count(&l, LAYER_REDUCE), 2);
        }
        if (strstr(cases[i].name, "of channels first")) {
            lower_text(f, cases[i].text, &l);
            assert_int_equal(count(&l, LAYER_NORM), 2);
            assert_int_equal(count(&l, LAYER_CONV), 3);
            /* Patches, and two outputs in their own order. */
            assert_int_equal(count(&l, LAYER_COPY), 3);
            assert_int_equal(l.n_layer, 8);
        }
        if (strstr(cases[i].name, "among the batch")) {
            lower_text(f, cases[i].text, &l);
            assert_int_equal(l.n_layer, 2);
            assert_int_equal(count(&l, LAYER_ATTENTION), 2);
        }
        if (strstr(cases[i].name, "rotary")) {
            lower_text(f, cases[i].text, &l);
            assert_int_equal(l.n_layer, 4);
            assert_int_equal(count(&l, LAYER_EWISE), 4);
        }
        if (strstr(cases[i].name, "wanted themselves")) {
            lower_text(f, cases[i].text, &l);
            assert_int_equal(count(&l, LAYER_ATTENTION), 0);
            assert_int_equal(count(&l, LAYER_SOFTMAX), 2);
        }
    }
}

/* Of what is seen, or of what is not; odd_cases.c has their results. */
static void lower__takes_masks_that_are_computed(void **state)
{
    struct fixture *f = *state;
    struct layers l;
    lower_text(f,
               "opset 13\ninput q f32 1x2x3x4\ninput k f32 1x2x4x3\n"
               "input v f32 1x2x3x5\ninput m bool 1x1x3x3\noutput a\n"
               "output b\ninit no f32 - -1e9\n"
               "MatMul s1 q k -> t1\nWhere d1 m t1 no -> u1\n"
               "Softmax x1 u1 -> w1\nMatMul y1 w1 v -> a\n"
               "MatMul s2 q k -> t2\nWhere d2 m no t2 -> u2\n"
               "Softmax x2 u2 -> w2\nMatMul y2 w2 v -> b\n",
               &l);
    assert_int_equal(count(&l, LAYER_ATTENTION), 2);
    assert_int_equal(count(&l, LAYER_SOFTMAX), 0);
    assert_int_equal(l.n_layer, 3);
}

/* Two masks become one; weights that are NaN become 0 in the layer. */
static void lower__joins_masks_and_takes_guards(void **state)
{
    struct fixture *f = *state;
    struct layers l;
    lower_text(
        f,
        "opset 13\ninput q f32 1x2x3x4\ninput k f32 1x2x4x3\n"
        "input v f32 1x2x3x5\ninput m f32 2x3x3\ninput n f32 3x1\n"
        "input b bool 3x3\ninput c bool 3\noutput y1\noutput y2\n"
        "output y3\noutput y4\ninit no f32 - -inf\ninit o f32 - 0\n"
        "MatMul s1 q k -> t1\nAdd a1 t1 n -> u1\nAdd b1 m u1 -> v1\n"
        "Softmax x1 v1 -> w1\nMatMul m1 w1 v -> y1\n"
        "MatMul s2 q k -> t2\nAdd a2 n t2 -> u2\n"
        "Where b2 b u2 no -> v2\nSoftmax x2 v2 -> w2\n"
        "MatMul m2 w2 v -> y2\n"
        "MatMul s3 q k -> t3\nWhere a3 c t3 no -> u3\n"
        "Where b3 b u3 no -> v3\nSoftmax x3 v3 -> w3\n"
        "MatMul m3 w3 v -> y3\n"
        "MatMul s4 q k -> t4\nWhere a4 b no t4 -> u4\nAdd b4 u4 m -> v4\n"
        "Softmax x4 v4 -> w4\nIsNaN z4 w4 -> n4\n"
        "Where g4 n4 o w4 -> p4\nMatMul m4 p4 v -> y4\n",
        &l);
    assert_int_equal(count(&l, LAYER_ATTENTION), 4);
    assert_int_equal(count(&l, LAYER_SOFTMAX), 0);
    for (uint32_t i = 0; i < l.n_layer; i++) {
        const struct layer *const y = &l.layer[i];
        if (y->kind == LAYER_ATTENTION) {
            const bool is_guarded = strcmp(y->name, "m4") == 0;
            const bool is_added = strcmp(y->name, "m1") == 0;
            assert_int_equal(y->p.attention.blind, is_guarded ? ATTN_BLIND_GUARD
                                                   : is_added ? ATTN_BLIND_MEAN
                                                              : ATTN_BLIND_NAN);
        }
    }
}

static void lower__makes_one_layer_of_a_residual_block_s_end(void **state)
{
    struct fixture *f = *state;
    struct layers l;
    lower_text(
        f,
        "opset 13\ninput x f32 1x8x8x4\noutput y\ninit w f32 4x4x3x3 rand\n"
        "init s f32 4 pos\ninit o f32 4 rand\ninit m f32 4 rand\ninit v f32 4 "
        "pos\n"
        "Transpose t x -> a perm=I:0,3,1,2\n"
        "Conv c1 a w -> b pads=I:1,1,1,1\n"
        "BatchNormalization n1 b s o m v -> c\nRelu r1 c -> d\n"
        "Conv c2 d w -> e pads=I:1,1,1,1\n"
        "BatchNormalization n2 e s o m v -> g\nAdd p g a -> h\n"
        "Relu r2 h -> i\nTranspose q i -> y perm=I:0,2,3,1\n",
        &l);
    assert_int_equal(l.n_layer, 2);
    const struct layer *const y = &l.layer[1];
    assert_string_equal(y->name, "c2");
    assert_int_equal(y->n_in, 2);
    assert_int_equal(y->epi.residual, RES_BEFORE_ACT);
    assert_int_equal(y->epi.act, ACT_RELU);
    /* The residual is the graph input itself, and the output the graph's. */
    assert_int_equal(y->in[1].buf, l.input[0].buf);
    assert_int_equal(y->out.buf, l.output[0].buf);
    /* Row r needs rows r - 1 .. r + 1. */
    assert_int_equal(y->in[0].map.lo, 1);
    assert_int_equal(y->in[0].map.hi, 1);
}

/* Of two convolutions that are added the later one does it. */
static void lower__adds_in_the_later_of_two_convolutions(void **state)
{
    struct fixture *f = *state;
    struct layers l;
    lower_text(
        f,
        "opset 13\ninput x f32 1x4x4x1\noutput y\ninit w f32 4x4x1x1 rand\n"
        "Conv a x w -> p\nConv b p w -> q\nConv c x w -> r\n"
        "Add s q r -> y\n",
        &l);
    assert_int_equal(count(&l, LAYER_CONV), 3);
    assert_int_equal(count(&l, LAYER_EWISE), 0);
    assert_string_equal(l.layer[3].name, "c");
    assert_int_equal(l.layer[3].epi.residual, RES_BEFORE_ACT);
}

static void lower__computes_concats_in_place(void **state)
{
    struct fixture *f = *state;
    struct layers l;
    lower_text(
        f,
        "opset 13\ninput x f32 1x6x6x2\noutput y\ninit w f32 3x2x1x1 rand\n"
        "init u f32 4x3x3x3 rand\ninit v f32 5x7x1x1 rand\n"
        "Transpose t x -> a perm=I:0,3,1,2\nConv c1 a w -> p\n"
        "Conv c2 p u -> q pads=I:1,1,1,1\nConcat k p q -> r axis=i:1\n"
        "Conv c3 r v -> s\nConcat k2 r s -> z axis=i:1\n"
        "Transpose t2 z -> y perm=I:0,2,3,1\n",
        &l);
    assert_int_equal(l.n_layer, 3);
    const uint32_t home = l.output[0].buf;
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(l.layer[i].out.buf, home);
        assert_int_equal(l.layer[i].out.stride[2], 12);
    }
    assert_int_equal(l.layer[0].out.col0, 0);
    assert_int_equal(l.layer[1].out.col0, 3);
    assert_int_equal(l.layer[2].out.col0, 7);
    assert_int_equal(l.buf[home].first, 0);
}

static void lower__multiplies_an_image_without_flattening_it(void **state)
{
    struct fixture *f = *state;
    struct layers l;
    lower_text(
        f,
        "opset 13\ninput x f32 1x6x6x3\noutput y\ninit c f32 4x3x3x3 rand\n"
        "init w f32 64x5 rand\nTranspose t x -> a perm=I:0,3,1,2\n"
        "Conv k a c -> v\nFlatten f v -> b\nGemm g b w -> y\n",
        &l);
    assert_int_equal(l.n_layer, 2);
    const struct layer *const y = &l.layer[1];
    assert_int_equal(y->kind, LAYER_CONV);
    assert_int_equal(y->p.conv.kernel[0], 4);
    assert_int_equal(y->p.conv.kernel[1], 4);
    assert_true(y->in[0].map.all);
    /* o, kh, kw, c of w[c * 16 + kh * 4 + kw][o] */
    assert_int_equal(y->weight[0].stride[0], 1);
    assert_int_equal(y->weight[0].stride[1], 20);
    assert_int_equal(y->weight[0].stride[2], 5);
    assert_int_equal(y->weight[0].stride[3], 80);
}

static void lower__makes_one_layer_of_an_elementwise_chain(void **state)
{
    struct fixture *f = *state;
    struct layers l;
    lower_text(f,
               "opset 13\ninput x f32 4x5\ninput z f32 4x5\noutput y\n"
               "init k f32 - 2\nMul m x k -> a\nAdd p a z -> b\nTanh t b -> c\n"
               "Mul q c x -> y\n",
               &l);
    assert_int_equal(l.n_layer, 1);
    assert_int_equal(l.layer[0].n_in, 2);
    assert_int_equal(l.layer[0].n_weight, 0);
    assert_true(l.layer[0].in[0].by_row && l.layer[0].in[1].by_row);
}

static void lower__reads_a_graph_s_image_by_rows_of_a_border_copy(void **state)
{
    struct fixture *f = *state;
    struct layers l;
    lower_text(
        f,
        "opset 13\ninput x f32 1x3x8x6\noutput y\ninit w f32 4x3x3x3 rand\n"
        "Conv c x w -> y\n",
        &l);
    assert_int_equal(l.n_layer, 3);
    const struct layer *const in = &l.layer[0];
    assert_int_equal(in->kind, LAYER_COPY);
    assert_int_equal(in->rows, 8);
    assert_true(in->out.by_row && !in->in[0].by_row);
    const struct layer *const out = &l.layer[2];
    assert_int_equal(out->kind, LAYER_COPY);
    assert_int_equal(out->rows, 6);
    assert_true(out->in[0].by_row && !out->out.by_row);
    assert_false(l.buf[l.layer[1].in[0].buf].whole);
    assert_false(l.buf[l.layer[1].out.buf].whole);
}

static void lower__computes_nothing_that_nobody_reads(void **state)
{
    struct fixture *f = *state;
    struct layers l;
    lower_text(f,
               "opset 13\ninput x f32 2x3\ninput unused f32 4\noutput y\n"
               "Relu r x -> y\nTanh t x -> z\n",
               &l);
    assert_int_equal(l.n_layer, 1);
    assert_int_equal(l.n_input, 2);
}

/* ---- states ---------------------------------------------------------------
 */

/* Lowers with output i a state of input from[i], UINT32_MAX: of none. */
static void lower_states(struct fixture *f, const char *text,
                         const uint32_t *from, struct layers *l)
{
    struct graph *const g = arena_new(&f->keep, struct graph, 1);
    struct graph_state *const s = arena_new(&f->keep, struct graph_state, 4);
    assert_true(g && s);
    onnx_text_passes(f, text, g);
    g->state = s;
    for (uint32_t i = 0; i < g->n_output; i++) {
        if (from[i] != UINT32_MAX) {
            s[g->n_state++] = (struct graph_state){i, from[i]};
        }
    }
    if (!lower(g, &f->cx, l) || !layers_check(l, &f->cx)) {
        assert_no_diag(f);
    }
}

/* The same outputs as with places of their own, whatever reads the inputs. */
static void lower__puts_states_in_the_place_of_inputs(void **state)
{
    struct fixture *f = *state;
    enum { NO = -1 };
    static const struct {
        const char *text;
        uint32_t from[2];
    } forms[] = {
        {"opset 13\ninput a f32 4x4\ninput b f32 4x4\noutput y\noutput z\n"
         "Add p a b -> y\nMul q a b -> z\n",
         {0, 1}},
        /* each other */
        {"opset 13\ninput a f32 4x4\ninput b f32 4x4\noutput y\noutput z\n"
         "Identity p a -> y\nIdentity q b -> z\n",
         {1, 0}},
        /* itself, read by another output, too */
        {"opset 13\ninput a f32 4x4\ninput b f32 4x4\noutput y\noutput z\n"
         "Identity p a -> y\nAdd q a b -> z\n",
         {0, (uint32_t)NO}},
        /* itself in another order, and an output that is the input */
        {"opset 13\ninput a f32 4x4\ninput b f32 4x4\noutput y\noutput z\n"
         "Transpose p a -> y\nIdentity q a -> z\n",
         {0, (uint32_t)NO}},
        /* the last rows of itself, and new ones */
        {"opset 13\ninput a f32 4x4\ninput b f32 1x4\noutput y\noutput z\n"
         "init i i64 1 1\ninit k i64 1 4\ninit n i64 1 0\n"
         "Slice s a i k n -> t\nConcat p t b -> y axis=i:0\nAdd q a b -> z\n",
         {0, (uint32_t)NO}},
    };
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct layers plain;
        struct layers l;
        const uint8_t *in[2];
        const uint8_t *want[2];
        const uint8_t *got[2];
        float data[2][16];
        for (uint32_t k = 0; k < 32; k++) {
            data[k / 16][k % 16] = (float)k * 0.5F - 3.0F;
        }
        in[0] = (const uint8_t *)data[0];
        in[1] = (const uint8_t *)data[1];
        lower_text(f, forms[i].text, &plain);
        lower_states(f, forms[i].text, forms[i].from, &l);
        assert_null(layer_eval(&plain, &f->keep, in, want));
        assert_null(layer_eval(&l, &f->keep, in, got));
        for (uint32_t k = 0; k < 2; k++) {
            assert_memory_equal(got[k], want[k], 64);
            const uint32_t from = forms[i].from[k];
            const bool is_in_place =
                from != UINT32_MAX && l.output[k].buf == l.input[from].buf;
            assert_int_equal(is_in_place, from != UINT32_MAX);
        }
    }
}

/* What nobody else reads is written where it is: a cache. */
static void lower__scatters_into_a_state(void **state)
{
    struct fixture *f = *state;
    struct layers l;
    const uint32_t from[] = {0, UINT32_MAX};
    const char *const text =
        "opset 18\ninput a f32 8x4\ninput i i64 1x4\ninput u f32 1x4\n"
        "output y\noutput z\nScatterElements s a i u -> y axis=i:0\n";
    char both[256];
    (void)snprintf(both, sizeof both, "%s%s", text, "Relu r y -> z\n");
    lower_states(f, both, from, &l);
    assert_int_equal(l.n_layer, 2);
    assert_int_equal(l.layer[0].out.buf, l.layer[0].in[0].buf);
    assert_int_equal(l.layer[1].in[0].buf, l.layer[0].out.buf);
    /* Here the old one is needed, too. */
    (void)snprintf(both, sizeof both, "%s%s", text, "Relu r a -> z\n");
    lower_states(f, both, from, &l);
    assert_int_equal(l.n_layer, 3);
    assert_int_not_equal(l.layer[0].out.buf, l.layer[0].in[0].buf);
    assert_int_equal(l.layer[2].kind, LAYER_COPY);
    assert_int_equal(l.layer[2].out.buf, l.output[0].buf);
}

/* ---- refusals -------------------------------------------------------------
 */

static void assert_refused(struct fixture *f, const char *text, enum diag_id id,
                           const char *node)
{
    struct graph g;
    struct layers l = {.n_layer = 77};
    onnx_text_passes(f, text, &g);
    assert_false(lower(&g, &f->cx, &l));
    assert_diag(f, id, node);
    assert_int_equal(l.n_layer, 77);
    fixture_restart(f, ARENA_NO_FAULT);
}

/* ---- guards ---------------------------------------------------------------
 */

static enum layer_guard guard_of(const struct layers *l, const char *name)
{
    for (uint32_t i = 0; i < l->n_layer; i++) {
        if (strcmp(l->layer[i].name, name) == 0) {
            return l->layer[i].guard;
        }
    }
    fail_msg("no layer '%s'", name);
    return GUARD_NONE;
}

/* What one side alone reads is skipped when the other is taken, also what lies
 * outside the If; what both read, or an output is, is not. */
static void lower__guards_what_one_side_of_an_if_reads(void **state)
{
    struct fixture *f = *state;
    struct layers l;
    lower_text(f,
               "opset 13\ninput x f32 4x8\ninput c bool 1\noutput y\n"
               "output z\ninit w f32 8x8 rand\n"
               "graph a\nMatMul ma own w -> a1\nSoftmax sa a1 -> a2\n"
               "Add aa a2 both -> r\noutput r\nend\n"
               "graph b\nMatMul mb shown w -> b1\nMul bb b1 both -> r\n"
               "output r\nend\n"
               "Softmax own x -> own\nLogSoftmax both x -> both\n"
               "MatMul shown x w -> shown\nIdentity i shown -> z\n"
               "If n c -> q then_branch=g:a else_branch=g:b\n"
               "Softmax end q -> y\n",
               &l);
    assert_int_equal(guard_of(&l, "own"), GUARD_IF);
    assert_int_equal(guard_of(&l, "ma"), GUARD_IF);
    assert_int_equal(guard_of(&l, "sa"), GUARD_IF);
    assert_int_equal(guard_of(&l, "mb"), GUARD_UNLESS);
    assert_int_equal(guard_of(&l, "both"), GUARD_NONE);
    assert_int_equal(guard_of(&l, "shown"), GUARD_NONE);
    assert_int_equal(guard_of(&l, "end"), GUARD_NONE);
    assert_int_equal(guard_of(&l, "n"), GUARD_NONE);
    /* The condition lives as long as somebody asks. */
    for (uint32_t i = 0; i < l.n_layer; i++) {
        const struct layer *const g = &l.layer[i];
        if (g->guard != GUARD_NONE) {
            assert_int_equal(g->in[g->n_in].buf, l.input[1].buf);
        }
    }
}

/* Of a side in a side the outer one counts; a Where by many is no choice. */
static void lower__guards_by_the_outer_side(void **state)
{
    struct fixture *f = *state;
    struct layers l;
    lower_text(f,
               "opset 13\ninput x f32 4x8\ninput c bool 1\ninput d bool -\n"
               "input m bool 4x8\noutput y\noutput z\n"
               "graph p\nSoftmax sp x -> r\noutput r\nend\n"
               "graph q\nLogSoftmax sq x -> r\noutput r\nend\n"
               "graph a\nIf in d -> s then_branch=g:p else_branch=g:q\n"
               "output s\nend\n"
               "graph b\nNeg nb x -> s\noutput s\nend\n"
               "If n c -> y then_branch=g:a else_branch=g:b\n"
               "Softmax s1 x -> t1 axis=i:0\nLogSoftmax s2 x -> t2 axis=i:0\n"
               "Where w m t1 t2 -> z\n",
               &l);
    const uint32_t condition = l.input[1].buf;
    assert_int_equal(guard_of(&l, "sp"), GUARD_IF);
    assert_int_equal(guard_of(&l, "sq"), GUARD_IF);
    assert_int_equal(guard_of(&l, "in"), GUARD_IF);
    assert_int_equal(guard_of(&l, "nb"), GUARD_UNLESS);
    assert_int_equal(guard_of(&l, "s1"), GUARD_NONE);
    assert_int_equal(guard_of(&l, "s2"), GUARD_NONE);
    for (uint32_t i = 0; i < l.n_layer; i++) {
        const struct layer *const g = &l.layer[i];
        assert_true(g->guard == GUARD_NONE || g->in[g->n_in].buf == condition);
    }
}

static void lower__names_the_node_it_cannot_lower(void **state)
{
    struct fixture *f = *state;
    assert_refused(f,
                   "opset 13\ninput x f64 2x3\noutput y\nRelu r x -> z\n"
                   "Softmax s z -> y\n",
                   E_UNSUPPORTED, "s");
    assert_refused(f, "opset 13\ninput x f32 2x3\noutput y\nMod a x x -> y\n",
                   E_OP_ATTR, "a");
    assert_refused(f,
                   "opset 13\ninput x i32 1x2x4x4\noutput y\n"
                   "init s f32 4 1 1 2 2\nResize u x _ s -> y mode=s:cubic\n",
                   E_UNSUPPORTED, "u");
}

static void lower__refuses_a_state_of_another_shape(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    struct layers l;
    struct graph_state s = {0, 0};
    onnx_text_passes(
        f, "opset 13\ninput x f32 2x3\noutput y\nTranspose t x -> y\n", &g);
    g.state = &s;
    g.n_state = 1;
    assert_false(lower(&g, &f->cx, &l));
    assert_diag(f, E_SHAPE, "y");
}

static void lower__survives_failure_of_each_request_for_memory(void **state)
{
    struct fixture *f = *state;
    const char *const text =
        "opset 13\ninput x f32 1x3x6x6\noutput y\ninit c f32 4x3x3x3 rand\n"
        "init s f32 4 pos\ninit o f32 4 rand\ninit m f32 4 rand\ninit v f32 4 "
        "pos\ninit w f32 128x5 rand\n"
        "Conv k x c -> a\nBatchNormalization n a s o m v -> b\n"
        "Concat t b b -> d axis=i:1\nMaxPool q d -> e kernel_shape=I:2,2 "
        "pads=I:1,1,0,0\nSigmoid z e -> h\nFlatten f h -> i\nSlice l i st en "
        "-> g\nGemm r i w -> y\ninit st i64 2 0 0\ninit en i64 2 1 1\n";
    uint64_t k = 0;
    for (;; k++) {
        struct graph g;
        struct layers l = {.n_layer = 77};
        fixture_restart(f, ARENA_NO_FAULT);
        onnx_text_passes(f, text, &g);
        f->fault.fail_at = f->fault.n_requests + k;
        const bool is_ok = lower(&g, &f->cx, &l);
        if (!fixture_failed(f)) {
            assert_true(is_ok);
            break;
        }
        assert_false(is_ok);
        assert_diag(f, E_MEMORY, "");
        assert_int_equal(l.n_layer, 77);
    }
    assert_true(k >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(lower__gives_what_the_reference_gives),
        FIXTURE_TEST(lower__reads_a_tied_table_in_its_own_order),
        FIXTURE_TEST(lower__makes_a_product_of_patches),
        FIXTURE_TEST(lower__recognises_what_transformers_are_made_of),
        FIXTURE_TEST(lower__takes_masks_that_are_computed),
        FIXTURE_TEST(lower__joins_masks_and_takes_guards),
        FIXTURE_TEST(lower__makes_one_layer_of_a_residual_block_s_end),
        FIXTURE_TEST(lower__adds_in_the_later_of_two_convolutions),
        FIXTURE_TEST(lower__computes_concats_in_place),
        FIXTURE_TEST(lower__multiplies_an_image_without_flattening_it),
        FIXTURE_TEST(lower__makes_one_layer_of_an_elementwise_chain),
        FIXTURE_TEST(lower__reads_a_graph_s_image_by_rows_of_a_border_copy),
        FIXTURE_TEST(lower__computes_nothing_that_nobody_reads),
        FIXTURE_TEST(lower__puts_states_in_the_place_of_inputs),
        FIXTURE_TEST(lower__scatters_into_a_state),
        FIXTURE_TEST(lower__guards_what_one_side_of_an_if_reads),
        FIXTURE_TEST(lower__guards_by_the_outer_side),
        FIXTURE_TEST(lower__names_the_node_it_cannot_lower),
        FIXTURE_TEST(lower__refuses_a_state_of_another_shape),
        FIXTURE_TEST(lower__survives_failure_of_each_request_for_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
