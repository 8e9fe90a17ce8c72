/* test_pass_if.c - branches: which side of an If counts, and what is refused.
 */
#include "support/fixture.h"

#include <stdio.h>
#include <string.h>

#include "ir/graph.h"
#include "passes/passes.h"
#include "support/onnx_text.h"

static uint32_t count(const struct graph *g, enum op_id op)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n_node; i++) {
        n += !g->node[i].is_dead && g->node[i].op == op;
    }
    return n;
}

static void assert_fails(struct fixture *f, const char *text, enum diag_id id,
                         const char *node)
{
    struct graph g;
    if (onnx_text_import(f, text, &g)) {
        assert_false(passes_run(&g, &f->cx, NULL, NULL));
    }
    assert_diag(f, id, node);
}

#define SIDES                                                                  \
    "graph a\nRelu ra x -> r\noutput r\nend\n"                                 \
    "graph b\nTanh tb x -> r\noutput r\nend\n"

static void if__of_a_known_condition_is_one_side(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    onnx_text_passes(f,
                     "opset 13\ninput x f32 2x3\noutput y\n" SIDES
                     "init c bool - 1\n"
                     "If n c -> y then_branch=g:a else_branch=g:b\n",
                     &g);
    assert_int_equal(count(&g, OP_RELU), 1);
    assert_int_equal(count(&g, OP_TANH), 0);
    onnx_text_passes(f,
                     "opset 13\ninput x f32 2x3\noutput y\n" SIDES
                     "init c bool - 0\n"
                     "If n c -> y then_branch=g:a else_branch=g:b\n",
                     &g);
    assert_int_equal(count(&g, OP_RELU), 0);
    assert_int_equal(count(&g, OP_TANH), 1);
}

/* As exporters write Squeeze: one side does not fit, and is not looked at; the
 * shape that follows is known. */
static void if__looks_at_no_side_that_is_not_taken(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    onnx_text_passes(f,
                     "opset 11\ninput x f32 2x3\noutput z\n"
                     "graph a\nSqueeze s x -> q axes=I:0\noutput q\nend\n"
                     "graph b\nIdentity i x -> q\noutput q\nend\n"
                     "Shape sh x -> s\ninit zero i64 - 0\ninit one i64 - 1\n"
                     "Gather g s zero -> d\nEqual e d one -> c\n"
                     "If n c -> y then_branch=g:a else_branch=g:b\n"
                     "Shape t y -> z\n",
                     &g);
    const struct value *const z = onnx_text_value(&g, "z");
    assert_true(z->is_const);
    assert_int_equal(z->data.data[0], 2);
    assert_int_equal(z->data.data[8], 3);
}

/* A side in a side, and results that are values from around the If. */
static void if__nests(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    onnx_text_passes(
        f,
        "opset 13\ninput x f32 2x3\noutput y\noutput z\n" SIDES
        "graph c\ninit k bool - 0\n"
        "If in k -> u then_branch=g:a else_branch=g:b\n"
        "Neg m u -> s\noutput s\noutput x\nend\n"
        "graph d\nRelu u x -> s\nRelu v s -> t\noutput s\noutput t\nend\n"
        "init c1 bool 1 1\n"
        "If n c1 -> p q then_branch=g:c else_branch=g:d\n"
        "Abs e p -> y\nAbs h q -> z\n",
        &g);
    assert_int_equal(count(&g, OP_TANH), 1);
    assert_int_equal(count(&g, OP_NEG), 1);
    assert_int_equal(count(&g, OP_RELU), 0);
}

static void if__at_run_time_computes_both_and_chooses(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    onnx_text_passes(
        f,
        "opset 13\ninput x f32 2x3\ninput c bool 1\noutput y\n" SIDES
        "If n c -> y then_branch=g:a else_branch=g:b\n",
        &g);
    assert_int_equal(count(&g, OP_RELU), 1);
    assert_int_equal(count(&g, OP_TANH), 1);
    assert_int_equal(count(&g, OP_WHERE), 1);
    assert_int_equal(count(&g, OP_IF), 0);
}

static void if__refuses_what_only_a_known_condition_decides(void **state)
{
    struct fixture *f = *state;
    assert_fails(f,
                 "opset 13\ninput x f32 1x3\ninput c bool -\noutput y\n"
                 "graph a\ninit k i64 1 0\nSqueeze s x k -> r\noutput r\nend\n"
                 "graph b\nIdentity i x -> r\noutput r\nend\n"
                 "If n c -> y then_branch=g:a else_branch=g:b\n",
                 E_NEEDS_CONST, "n");
    assert_non_null(strstr(f->diag.text, "('c')"));
}

/* One side fits other inputs than these. */
static void if__refuses_a_side_that_does_not_fit(void **state)
{
    struct fixture *f = *state;
    assert_fails(f,
                 "opset 13\ninput x f32 2x3\ninput c bool -\noutput y\n"
                 "graph a\ninit k i64 1 0\nSqueeze s x k -> r\noutput r\nend\n"
                 "graph b\nIdentity i x -> r\noutput r\nend\n"
                 "If n c -> y then_branch=g:a else_branch=g:b\n",
                 E_NEEDS_CONST, "s");
    assert_non_null(strstr(f->diag.text, "('c')"));
    assert_non_null(strstr(f->diag.text, "is not 1"));
}

static void if__refuses_broken_branches(void **state)
{
    struct fixture *f = *state;
    assert_fails(f,
                 "opset 13\ninput x f32 2\ninput c bool -\noutput y\n" SIDES
                 "If n c -> y then_branch=g:a\n",
                 E_OP_ATTR, "n");
    fixture_restart(f, ARENA_NO_FAULT);
    assert_fails(f,
                 "opset 13\ninput x f32 2\ninput c bool -\noutput y\n"
                 "graph a\noutput nothing\nend\n"
                 "If n c -> y then_branch=g:a else_branch=g:a\n",
                 E_NAME, "n");
    fixture_restart(f, ARENA_NO_FAULT);
    assert_fails(f,
                 "opset 13\ninput x f32 2\ninput c bool -\noutput y\n"
                 "graph a\nRelu r x -> x\noutput x\nend\n"
                 "If n c -> y then_branch=g:a else_branch=g:a\n",
                 E_NAME, "r");
    fixture_restart(f, ARENA_NO_FAULT);
    /* What a branch makes is not there after it. */
    assert_fails(f,
                 "opset 13\ninput x f32 2\ninput c bool -\noutput y\n" SIDES
                 "If n c -> z then_branch=g:a else_branch=g:b\n"
                 "Add s z r -> y\n",
                 E_NAME, "s");
    fixture_restart(f, ARENA_NO_FAULT);
    /* The condition depends on its own branch. */
    assert_fails(f,
                 "opset 13\ninput x bool 1\noutput y\n"
                 "graph a\nNot r x -> t\noutput t\nend\n"
                 "Not m y -> c\n"
                 "If n c -> y then_branch=g:a else_branch=g:a\n",
                 E_CYCLE, "n");
}

/* ---- results whose size depends on values -------------------------------- */

static void count__follows_an_output(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    onnx_text_passes(f,
                     "opset 13\ninput x f32 4x5\noutput y\noutput z\n"
                     "NonZero n x -> i\nCast c i -> y to=i:1\n"
                     "Transpose t i -> z perm=I:1,0\n",
                     &g);
    assert_int_equal(g.n_output, 4);
    assert_string_equal(g.value[g.output[2]].name, "y.count.1");
    assert_string_equal(g.value[g.output[3]].name, "z.count.0");
    assert_int_equal(g.value[g.output[3]].shape.rank, 0);
    assert_int_equal(g.value[g.output[0]].shape.dim[1], 20);
}

/* Boxes picked by what NonMaxSuppression finds. */
static void count__passes_through_gather(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    onnx_text_passes(f,
                     "opset 13\ninput b f32 1x9x4\ninput s f32 1x2x9\n"
                     "output y\ninit m i64 1 3\ninit two i64 - 2\n"
                     "init flat i64 2 9 4\n"
                     "NonMaxSuppression n b s m -> k\n"
                     "Gather g k two -> i axis=i:1\nReshape r b flat -> all\n"
                     "Gather h all i -> y axis=i:0\n",
                     &g);
    assert_int_equal(g.n_output, 2);
    assert_string_equal(g.value[g.output[1]].name, "y.count.0");
    assert_int_equal(g.value[g.output[0]].shape.dim[0], 6);
    assert_int_equal(g.value[g.output[0]].shape.dim[1], 4);
}

static void count__of_constants_is_their_shape(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    onnx_text_passes(f,
                     "opset 13\noutput y\ninit x f32 5 0 1 0 2 3\n"
                     "NonZero n x -> y\n",
                     &g);
    assert_int_equal(g.n_output, 1);
    assert_int_equal(onnx_text_value(&g, "y")->shape.dim[1], 3);
    assert_int_equal(onnx_text_value(&g, "y")->data.data[16], 4);
}

static void count__refuses_who_needs_to_know(void **state)
{
    struct fixture *f = *state;
    static const char *const readers[] = {
        "Shape r i -> y\n",
        "Size r i -> y\n",
        "ReduceSum r i -> y keepdims=i:0\n",
        "Slice r i one two one -> y\n",
        "Concat r i i -> y axis=i:1\n",
    };
    for (size_t k = 0; k < ARRAY_LEN(readers); k++) {
        char text[512];
        (void)snprintf(text, sizeof text,
                       "opset 13\ninput x f32 4x5\noutput y\n"
                       "init one i64 1 1\ninit two i64 1 2\n"
                       "NonZero n x -> i\n%s",
                       readers[k]);
        assert_fails(f, text, E_UNSUPPORTED, "r");
        fixture_restart(f, ARENA_NO_FAULT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(if__of_a_known_condition_is_one_side),
        FIXTURE_TEST(if__looks_at_no_side_that_is_not_taken),
        FIXTURE_TEST(if__nests),
        FIXTURE_TEST(if__at_run_time_computes_both_and_chooses),
        FIXTURE_TEST(if__refuses_what_only_a_known_condition_decides),
        FIXTURE_TEST(if__refuses_a_side_that_does_not_fit),
        FIXTURE_TEST(if__refuses_broken_branches),
        FIXTURE_TEST(count__follows_an_output),
        FIXTURE_TEST(count__passes_through_gather),
        FIXTURE_TEST(count__of_constants_is_their_shape),
        FIXTURE_TEST(count__refuses_who_needs_to_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
