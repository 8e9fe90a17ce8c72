#include "passes/passes.h"

#include <string.h>

#include "support/fixture.h"
#include "support/onnx_text.h"

#include "base/buf.h"
#include "ir/graph.h"
#include "passes/params.h"

/* One node between inputs and the output y. */
struct row {
    int opset;
    const char *lines; /* inputs, constants and the node that gives y */
    const char *type;
    const char *shape; /* of y; NULL: refused */
    enum diag_id id;   /* then */
};

#define X "input x f32 1x3x8x9\n"

static const struct row rows[] = {
    /* Windows: [in + pads - ((k - 1) d + 1)] / s + 1, by hand. */
    {13, X "init w f32 4x3x3x3\nConv n x w -> y\n", "f32", "1x4x6x7", 0},
    {13, X "init w f32 4x3x3x3\nConv n x w -> y pads=I:1,0,2,1\n", "f32",
     "1x4x9x8", 0},
    {13,
     X "init w f32 4x3x3x2\nConv n x w -> y strides=I:2,3 dilations=I:2,4\n",
     "f32", "1x4x2x2", 0},
    {13, X "init w f32 6x1x3x3\nConv n x w -> y group=i:3\n", "f32", "1x6x6x7",
     0},
    {13,
     X "init w f32 4x3x3x3\nConv n x w -> y auto_pad=s:SAME_UPPER "
       "strides=I:2,2\n",
     "f32", "1x4x4x5", 0},
    {13,
     X "init w f32 4x3x3x3\nConv n x w -> y auto_pad=s:VALID "
       "pads=I:1,1,1,1\n",
     "f32", "1x4x6x7", 0},
    {13, X "init w f32 4x3x3x3\nConv n x w -> y group=i:2\n", NULL, NULL,
     E_SHAPE},
    {13, X "init w f32 4x2x3x3\nConv n x w -> y\n", NULL, NULL, E_SHAPE},
    {13, X "init w f32 4x3x3x3\nConv n x w -> y kernel_shape=I:5,5\n", NULL,
     NULL, E_SHAPE},
    {13, X "init w f32 4x3x9x3\nConv n x w -> y\n", NULL, NULL, E_SHAPE},
    {13, X "init w f32 4x3x3x3\nConv n x w -> y strides=I:0,1\n", NULL, NULL,
     E_OP_ATTR},
    {13, X "init w f32 4x3x3x3\nConv n x w -> y strides=I:1\n", NULL, NULL,
     E_OP_ATTR},
    {13, X "init w f32 4x3x3x3\nConv n x w -> y auto_pad=s:SAME\n", NULL, NULL,
     E_OP_ATTR},
    {13, X "init w f32 4x3x3x3\ninit b f32 3\nConv n x w b -> y\n", NULL, NULL,
     E_SHAPE},
    {13, X "init w f64 4x3x3x3\nConv n x w -> y\n", NULL, NULL, E_TYPE},
    {13, "input x f32 1x3x9\ninit w f32 4x3x3\nConv n x w -> y\n", "f32",
     "1x4x7", 0},
    {13, X "init w f32 3x2x3x3\nConvTranspose n x w -> y strides=I:2,2\n",
     "f32", "1x2x17x19", 0},
    {13,
     X "init w f32 3x2x3x3\nConvTranspose n x w -> y strides=I:2,2 "
       "pads=I:1,1,1,1 output_padding=I:1,1\n",
     "f32", "1x2x16x18", 0},
    {13,
     X "init w f32 3x2x3x3\nConvTranspose n x w -> y strides=I:2,2 "
       "output_shape=I:16,18\n",
     "f32", "1x2x16x18", 0},
    {13, X "MaxPool n x -> y kernel_shape=I:3,3 strides=I:2,2\n", "f32",
     "1x3x3x4", 0},
    {13, X "MaxPool n x -> y kernel_shape=I:3,3 strides=I:2,2 ceil_mode=i:1\n",
     "f32", "1x3x4x4", 0},
    /* The third window would begin at row 4 of 4: it is left out. */
    {13,
     "input x f32 1x1x4x4\nAveragePool n x -> y kernel_shape=I:1,1 "
     "strides=I:2,2 ceil_mode=i:1\n",
     "f32", "1x1x2x2", 0},
    {13, X "MaxPool n x -> y\n", NULL, NULL, E_OP_ATTR},
    {13, X "MaxPool n x -> y kernel_shape=I:2,2 pads=I:2,0,0,0\n", NULL, NULL,
     E_OP_ATTR},
    {13, X "GlobalAveragePool n x -> y\n", "f32", "1x3x1x1", 0},

    /* Broadcasting. */
    {13, X "input z f32 3x1x9\nAdd n x z -> y\n", "f32", "1x3x8x9", 0},
    {13, "input x f32 4x1\ninput z f32 3\nMul n x z -> y\n", "f32", "4x3", 0},
    {13, X "input z f32 2\nAdd n x z -> y\n", NULL, NULL, E_SHAPE},
    {13, X "input z i64 9\nAdd n x z -> y\n", NULL, NULL, E_TYPE},
    {13, X "input z f32 -\nLess n x z -> y\n", "bool", "1x3x8x9", 0},
    {13, X "input z f32 3x1x1\nPRelu n x z -> y\n", "f32", "1x3x8x9", 0},
    {13, "input x f32 3\ninput z f32 2x3\nPRelu n x z -> y\n", NULL, NULL,
     E_SHAPE},

    /* Products. */
    {13, "input x f32 2x3\ninput z f32 4x3\nGemm n x z -> y transB=i:1\n",
     "f32", "2x4", 0},
    {13, "input x f32 2x3\ninput z f32 4x3\nGemm n x z -> y\n", NULL, NULL,
     E_SHAPE},
    {13, "input x f32 5x1x2x3\ninput z f32 7x3x4\nMatMul n x z -> y\n", "f32",
     "5x7x2x4", 0},
    {13, "input x f32 3\ninput z f32 3x4\nMatMul n x z -> y\n", "f32", "4", 0},
    {13, "input x f32 3\ninput z f32 3\nMatMul n x z -> y\n", "f32", "-", 0},
    {13, "input x f32 3\ninput z f32 4\nMatMul n x z -> y\n", NULL, NULL,
     E_SHAPE},

    /* Shapes made of lists, as attributes and as inputs. */
    {13, X "init s i64 3 0 -1 3\nReshape n x s -> y\n", "f32", "1x72x3", 0},
    {13, X "init s i64 2 -1 -1\nReshape n x s -> y\n", NULL, NULL, E_SHAPE},
    {13, X "init s i64 2 5 -1\nReshape n x s -> y\n", NULL, NULL, E_SHAPE},
    {13, X "init s i64 1 7\nReshape n x s -> y\n", NULL, NULL, E_SHAPE},
    {13, X "input s i64 2\nReshape n x s -> y\n", NULL, NULL, E_NEEDS_CONST},
    {13, X "Flatten n x -> y axis=i:2\n", "f32", "3x72", 0},
    {13, X "Flatten n x -> y axis=i:-4\n", "f32", "1x216", 0},
    {11, "input x f32 1x3x1\nSqueeze n x -> y axes=I:-1\n", "f32", "1x3", 0},
    {13, "input x f32 1x3x1\ninit a i64 1 0\nSqueeze n x a -> y\n", "f32",
     "3x1", 0},
    {13, "input x f32 1x3x1\nSqueeze n x -> y\n", "f32", "3", 0},
    {13, "input x f32 1x3x1\ninit a i64 1 1\nSqueeze n x a -> y\n", NULL, NULL,
     E_SHAPE},
    {13, "input x f32 3\ninit a i64 2 -1 0\nUnsqueeze n x a -> y\n", "f32",
     "1x3x1", 0},
    {11, "input x f32 3\nUnsqueeze n x -> y axes=I:0,0\n", NULL, NULL,
     E_OP_ATTR},
    {13, X "Transpose n x -> y perm=I:0,2,3,1\n", "f32", "1x8x9x3", 0},
    {13, X "Transpose n x -> y\n", "f32", "9x8x3x1", 0},
    {13, X "Transpose n x -> y perm=I:0,1,1,2\n", NULL, NULL, E_OP_ATTR},
    {13, X "input z f32 1x2x8x9\nConcat n x z -> y axis=i:-3\n", "f32",
     "1x5x8x9", 0},
    {13, X "input z f32 1x3x7x9\nConcat n x z -> y axis=i:1\n", NULL, NULL,
     E_SHAPE},
    {11, X "Split n x -> y z axis=i:2 split=I:2,6\n", "f32", "1x3x2x9", 0},
    {13, X "init s i64 2 2 6\nSplit n x s -> y z axis=i:2\n", "f32", "1x3x2x9",
     0},
    {18, X "Split n x -> y z axis=i:3 num_outputs=i:2\n", "f32", "1x3x8x5", 0},
    {13, X "Split n x -> y z axis=i:3\n", NULL, NULL, E_SHAPE},
    {13, X "init s i64 2 2 5\nSplit n x s -> y z axis=i:2\n", NULL, NULL,
     E_SHAPE},
    {9, X "Slice n x -> y axes=I:3 starts=I:-3 ends=I:1000\n", "f32", "1x3x8x3",
     0},
    {13,
     X "init s i64 2 7 0\ninit e i64 2 -9 4\ninit a i64 2 2 3\n"
       "init t i64 2 -3 2\nSlice n x s e a t -> y\n",
     "f32", "1x3x3x2", 0},
    {13,
     X "init s i64 1 0\ninit e i64 1 4\ninit a i64 1 0\ninit t i64 1 0\n"
       "Slice n x s e a t -> y\n",
     NULL, NULL, E_OP_ATTR},
    {13, X "init i i64 2x5\nGather n x i -> y axis=i:1\n", "f32", "1x2x5x8x9",
     0},
    {13, X "init i i64 -\nGather n x i -> y axis=i:1\n", "f32", "1x8x9", 0},
    {10, X "Pad n x -> y pads=I:0,0,1,2,0,0,3,4\n", "f32", "1x3x12x15", 0},
    {13, X "init p i64 8 0 0 1 2 0 0 -3 4\nPad n x p -> y\n", "f32", "1x3x6x15",
     0},
    {18, X "init p i64 2 1 2\ninit a i64 1 -1\nPad n x p _ a -> y\n", "f32",
     "1x3x8x12", 0},
    {13, X "init p i64 8 0 0 8 0 0 0 0 0\nPad n x p -> y mode=s:reflect\n",
     NULL, NULL, E_SHAPE},
    {13, "input x f32 3x1\ninit s i64 3 2 1 4\nExpand n x s -> y\n", "f32",
     "2x3x4", 0},
    {13, "input x f32 3x1\ninit s i64 2 2 4\nTile n x s -> y\n", "f32", "6x4",
     0},
    {13,
     "init s i64 2 2 5\nConstantOfShape c s -> z value=t:i64:1:7\n"
     "input x i64 2x5\nAdd n x z -> y\n",
     "i64", "2x5", 0},

    /* Resize: scales or sizes; Upsample. */
    {10, X "init s f32 4 1 1 2 2.5\nResize n x s -> y\n", "f32", "1x3x16x22",
     0},
    {13, X "init s f32 4 1 1 2 0.5\nResize n x _ s -> y\n", "f32", "1x3x16x4",
     0},
    {13, X "init s i64 4 1 3 5 5\nResize n x _ _ s -> y\n", "f32", "1x3x5x5",
     0},
    {18,
     X "init s i64 2 16 16\nResize n x _ _ s -> y axes=I:2,3 "
       "keep_aspect_ratio_policy=s:not_larger\n",
     "f32", "1x3x14x16", 0},
    {13, X "Resize n x -> y\n", NULL, NULL, E_OP_INPUTS},
    {7, X "Upsample n x -> y scales=F:1,1,2,2\n", "f32", "1x3x16x18", 0},

    /* Reductions. */
    {13, X "ReduceMean n x -> y axes=I:2,3\n", "f32", "1x3x1x1", 0},
    {18, X "init a i64 1 -1\nReduceMean n x a -> y keepdims=i:0\n", "f32",
     "1x3x8", 0},
    {13, X "ReduceMax n x -> y keepdims=i:0\n", "f32", "-", 0},
    {13, X "init a i64 0\nReduceSum n x a -> y noop_with_empty_axes=i:1\n",
     "f32", "1x3x8x9", 0},
    {13, X "ReduceMean n x -> y axes=I:4\n", NULL, NULL, E_OP_ATTR},

    /* Types. */
    {13, X "Cast n x -> y to=i:7\n", "i64", "1x3x8x9", 0},
    {13, X "Cast n x -> y to=i:8\n", NULL, NULL, E_TYPE},
    {13, X "Not n x -> y\n", NULL, NULL, E_TYPE},
    {13, "input x i64 2\nSoftmax n x -> y\n", NULL, NULL, E_TYPE},
    {13, X "Softmax n x -> y axis=i:4\n", NULL, NULL, E_OP_ATTR},
    {13, X "init t bool - 1\nDropout n x _ t -> y\n", NULL, NULL,
     E_UNSUPPORTED},
    {14,
     X "init c f32 3\nBatchNormalization n x c c c c -> y "
       "training_mode=i:1\n",
     NULL, NULL, E_UNSUPPORTED},
    {13, X "init c f32 2\nBatchNormalization n x c c c c -> y\n", NULL, NULL,
     E_SHAPE},
    {13, "input x f32 1x8x2x2\nDepthToSpace n x -> y blocksize=i:2\n", "f32",
     "1x2x4x4", 0},
};

static void shapes__follow_each_operator_s_rule(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *const r = &rows[i];
        fixture_restart(f, ARENA_NO_FAULT);
        const char *const text = arena_printf(
            &f->keep, "opset %d\n%soutput y\n", r->opset, r->lines);
        assert_non_null(text);
        struct graph g;
        const bool is_ok =
            onnx_text_import(f, text, &g) && passes_run(&g, &f->cx, NULL, NULL);
        if (!r->shape) {
            if (is_ok || f->diag.id != r->id || strcmp(f->diag.name, "n")) {
                print_error("%s", r->lines);
            }
            assert_false(is_ok);
            assert_diag(f, r->id, "n");
            continue;
        }
        const struct value *const y = &g.value[g.output[0]];
        struct shape_text got = {""};
        if (is_ok && y->shape.rank > 0) {
            got = shape_text(&y->shape);
        }
        if (!is_ok || strcmp(dtype_name(y->dtype), r->type) != 0 ||
            strcmp(got.text, strcmp(r->shape, "-") ? r->shape : "") != 0) {
            print_error("%s -> %s\n", r->lines, got.text);
        }
        assert_no_diag(f);
        assert_string_equal(dtype_name(y->dtype), r->type);
        assert_string_equal(got.text, strcmp(r->shape, "-") ? r->shape : "");
    }
}

static void shapes__names_the_dynamic_input_and_the_option(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    assert_true(onnx_text_import(
        f, "opset 13\ninput x f32 Nx3\nRelu n x -> y\noutput y\n", &g));
    assert_false(passes_run(&g, &f->cx, NULL, NULL));
    assert_diag(f, E_DYNAMIC_DIM, "x");
    assert_non_null(strstr(f->diag.text, "[N, 3]"));
    assert_non_null(strstr(f->diag.text, "--shape x=1x3"));
    fixture_restart(f, ARENA_NO_FAULT);
    assert_true(onnx_text_import(
        f, "opset 13\ninput x f32 ?\nRelu n x -> y\noutput y\n", &g));
    assert_false(passes_run(&g, &f->cx, NULL, NULL));
    assert_diag(f, E_DYNAMIC_DIM, "x");
}

/* The odd row of padding goes after for UPPER and before for LOWER; of
 * ConvTranspose with an output_shape alone, before. */
static void params__resolve_auto_pad(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *node;
        int64_t begin;
        int64_t end;
    } cases[] = {
        {"Conv n x w -> y auto_pad=s:SAME_UPPER", 0, 1},
        {"Conv n x w -> y auto_pad=s:SAME_LOWER", 1, 0},
        {"ConvTranspose n x w -> y auto_pad=s:SAME_UPPER", 0, 1},
        {"ConvTranspose n x w -> y auto_pad=s:SAME_LOWER", 1, 0},
        {"ConvTranspose n x w -> y output_shape=I:5,5", 1, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        fixture_restart(f, ARENA_NO_FAULT);
        const char *const text = arena_printf(
            &f->keep,
            "opset 13\ninput x f32 1x1x5x5\ninit w f32 1x1x2x2\n%s\noutput y\n",
            cases[i].node);
        assert_non_null(text);
        struct graph g;
        onnx_text_passes(f, text, &g);
        struct window w;
        assert_true(window_params(&g, &f->cx, &g.node[0], &w));
        assert_int_equal(w.pad_begin[0], cases[i].begin);
        assert_int_equal(w.pad_end[1], cases[i].end);
        assert_int_equal(w.out[0], 5);
    }
}

static void order__sorts_and_keeps_what_is_sorted(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    onnx_text_passes(f,
                     "opset 13\ninput x f32 2\nAdd c a b -> y\n"
                     "Relu b x -> b\nSigmoid a x -> a\noutput y\n",
                     &g);
    assert_string_equal(g.node[0].name, "a"); /* first input first */
    assert_string_equal(g.node[1].name, "b");
    assert_string_equal(g.node[2].name, "c");
}

static void order__names_a_node_of_a_cycle(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    assert_true(onnx_text_import(f,
                                 "opset 13\ninput x f32 2\nRelu a x -> p\n"
                                 "Add b p r -> q\nRelu c q -> r\noutput r\n",
                                 &g));
    assert_false(passes_run(&g, &f->cx, NULL, NULL));
    assert_int_equal(f->diag.id, E_CYCLE);
    assert_true(!strcmp(f->diag.name, "b") || !strcmp(f->diag.name, "c"));
}

static void dead__ignores_errors_of_nodes_nobody_reads(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    onnx_text_passes(f,
                     "opset 13\ninput x f32 2x3\nMatMul bad x x -> q\n"
                     "Relu n x -> y\noutput y\n",
                     &g);
    for (uint32_t i = 0; i < g.n_node; i++) {
        assert_true(g.node[i].is_dead || g.node[i].op == OP_RELU);
    }
}

static void dead__drops_optional_outputs_nobody_reads(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    onnx_text_passes(f,
                     "opset 13\ninput x f32 1x1x2x2\n"
                     "MaxPool n x -> y ix kernel_shape=I:2,2\noutput y\n",
                     &g);
    assert_int_equal(g.node[0].out[1], VALUE_NONE);
}

/* The text of all live nodes and outputs. */
static const char *dump(struct fixture *f, const struct graph *g)
{
    struct buf text;
    buf_init(&text, &f->keep);
    assert_true(graph_print(g, &text));
    return buf_text(&text);
}

static void clean__removes_what_passes_its_input_on(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    onnx_text_passes(f,
                     "opset 13\ninput x f32 2x3\nIdentity a x -> a\n"
                     "Dropout b a -> b mask\nCast c b -> c to=i:1\n"
                     "init s i64 2 2 3\nReshape d c s -> d\n"
                     "Transpose e d -> e perm=I:0,1\nConcat f e -> f axis=i:0\n"
                     "Relu n f -> y\nIdentity h y -> z\noutput z\n",
                     &g);
    assert_string_equal(dump(f, &g), "graph test opset 13\ninput x f32[2,3]\n"
                                     "const s i64[2]\nRelu n x -> z f32[2,3]\n"
                                     "output z f32[2,3]\n");
}

static void clean__keeps_what_does_something(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    onnx_text_passes(f,
                     "opset 13\ninput x f32 3x3\nTranspose a x -> y\n"
                     "Cast b y -> z to=i:7\ninit s i64 1 -1\n"
                     "Reshape c z s -> w\noutput w\n",
                     &g);
    unsigned n_live = 0;
    for (uint32_t i = 0; i < g.n_node; i++) {
        n_live += !g.node[i].is_dead;
    }
    assert_int_equal(n_live, 3);
}

/* Both names of the result must hold it, and an input stays what it is. */
static void clean__keeps_outputs_apart(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    onnx_text_passes(f,
                     "opset 13\ninput x f32 2\nRelu n x -> y\n"
                     "Identity a y -> z\nIdentity b x -> w\n"
                     "output y\noutput z\noutput w\n",
                     &g);
    assert_string_equal(dump(f, &g),
                        "graph test opset 13\ninput x f32[2]\n"
                        "Relu n x -> y f32[2]\nIdentity a y -> z f32[2]\n"
                        "Identity b x -> w f32[2]\noutput y f32[2]\n"
                        "output z f32[2]\noutput w f32[2]\n");
}

/* Readers of the name that goes read the one that stays. */
static void clean__renames_for_all_readers(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    onnx_text_passes(f,
                     "opset 13\ninput x f32 2\nRelu n x -> y\n"
                     "Sigmoid m y -> v\nIdentity a y -> z\n"
                     "Tanh t y -> w\noutput z\noutput v\noutput w\n",
                     &g);
    assert_string_equal(dump(f, &g),
                        "graph test opset 13\ninput x f32[2]\n"
                        "Relu n x -> z f32[2]\nSigmoid m z -> v f32[2]\n"
                        "Tanh t z -> w f32[2]\noutput z f32[2]\n"
                        "output v f32[2]\noutput w f32[2]\n");
}

static void run__dumps_after_the_named_pass(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    static const char text[] = "opset 13\ninput x f32 2\nIdentity i x -> t\n"
                               "Relu n t -> y\noutput y\n";
    struct buf out;
    buf_init(&out, &f->keep);
    assert_true(onnx_text_import(f, text, &g));
    assert_true(passes_run(&g, &f->cx, "order", &out));
    assert_string_equal(buf_text(&out),
                        "graph test opset 13\ninput x f32[2]\n"
                        "Identity i x -> t ?[?]\nRelu n t -> y ?[?]\n"
                        "output y ?[?]\n");
    assert_true(onnx_text_import(f, text, &g));
    assert_false(passes_run(&g, &f->cx, "colour", &out));
    assert_diag(f, E_USAGE, "--dump-after");
}

static void run__reports_each_failure_of_memory(void **state)
{
    struct fixture *f = *state;
    bool is_done = false;
    for (uint64_t k = 0; !is_done; k++) {
        fixture_restart(f, ARENA_NO_FAULT);
        struct graph g;
        assert_true(onnx_text_import(
            f,
            "opset 13\ninput x f32 1x2x4x4\nShape s x -> s\n"
            "init a i64 1 0\ninit e i64 1 2\nSlice l s a e -> l\n"
            "init m i64 1 -1\nConcat c l m -> c axis=i:0\n"
            "Reshape r x c -> r\nSplit p r -> p q axis=i:2\n"
            "Add n p q -> y\noutput y\n",
            &g));
        f->fault.fail_at = f->fault.n_requests + k;
        is_done = passes_run(&g, &f->cx, NULL, NULL);
        if (!is_done) {
            assert_int_equal(f->diag.id, E_MEMORY);
        }
    }
    assert_no_diag(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(shapes__follow_each_operator_s_rule),
        FIXTURE_TEST(shapes__names_the_dynamic_input_and_the_option),
        FIXTURE_TEST(params__resolve_auto_pad),
        FIXTURE_TEST(order__sorts_and_keeps_what_is_sorted),
        FIXTURE_TEST(order__names_a_node_of_a_cycle),
        FIXTURE_TEST(dead__ignores_errors_of_nodes_nobody_reads),
        FIXTURE_TEST(dead__drops_optional_outputs_nobody_reads),
        FIXTURE_TEST(clean__removes_what_passes_its_input_on),
        FIXTURE_TEST(clean__keeps_what_does_something),
        FIXTURE_TEST(clean__keeps_outputs_apart),
        FIXTURE_TEST(clean__renames_for_all_readers),
        FIXTURE_TEST(run__dumps_after_the_named_pass),
        FIXTURE_TEST(run__reports_each_failure_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
