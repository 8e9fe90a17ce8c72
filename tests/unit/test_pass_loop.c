/* test_pass_loop.c - Loop and Scan: unrolled where their length is known, else
 * refused. Loops of constants fold, so that their results can be looked at. */
#include "support/fixture.h"

#include <stdio.h>
#include <string.h>

#include "frontend/onnx/onnx_import.h"
#include "ir/graph.h"
#include "passes/elem.h"
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

/* The model's value `name` is a constant of this shape and these numbers. */
static void assert_gives(struct fixture *f, const char *text, const char *name,
                         const struct shape *shape, const double *want)
{
    struct graph g;
    onnx_text_passes(f, text, &g);
    const struct value *const v = onnx_text_value(&g, name);
    uint64_t n;
    assert_true(v->is_const);
    assert_true(shape_equal(&v->shape, shape));
    assert_true(shape_count(&v->shape, &n));
    for (uint64_t i = 0; i < n; i++) {
        assert_float_equal(elem_f64(v->dtype, v->data.data, i), want[i], 1e-6);
    }
}

#define NUMBERS(...) ((const double[]){__VA_ARGS__})
#define SHAPE(...)                                                             \
    (&(const struct shape){sizeof((const int64_t[]){__VA_ARGS__}) /            \
                               sizeof(int64_t),                                \
                           {__VA_ARGS__}})

#define MODEL "opset 13\ninput unused f32 1\ninit yes bool - 1\n"

static void loop__carries_and_stacks(void **state)
{
    struct fixture *f = *state;
    static const char text[] =
        MODEL "output t\noutput u\noutput v\n"
              "graph body\ninput i i64 -\ninput go bool -\ninput s f32 1\n"
              "Cast f i -> fi to=i:1\nAdd a s fi -> s2\nNeg n s2 -> m\n"
              "output go\noutput s2\noutput s2\noutput m\nend\n"
              "init n i64 - 4\ninit s0 f32 1 10\n"
              "Loop l n yes s0 -> t u v body=g:body\n";
    assert_gives(f, text, "t", SHAPE(1), NUMBERS(16));
    assert_gives(f, text, "u", SHAPE(4, 1), NUMBERS(10, 11, 13, 16));
    assert_gives(f, text, "v", SHAPE(4, 1), NUMBERS(-10, -11, -13, -16));
}

/* 1, 2, 4, ... while it is less than 20; no number of iterations. */
#define DOUBLING                                                               \
    "graph body\ninput i i64 -\ninput go bool -\ninput s f32 -\n"              \
    "init two f32 - 2\ninit end f32 - 20\nMul m s two -> d\n"                  \
    "Less le d end -> more\noutput more\noutput d\noutput s\nend\n"

static void loop__ends_when_its_condition_folds_to_false(void **state)
{
    struct fixture *f = *state;
    static const char text[] =
        MODEL "output t\noutput u\n" DOUBLING "init s0 f32 - 1\n"
              "Loop l _ yes s0 -> t u body=g:body\n";
    assert_gives(f, text, "t", &(const struct shape){0}, NUMBERS(32));
    assert_gives(f, text, "u", SHAPE(5), NUMBERS(1, 2, 4, 8, 16));
}

static void loop__of_no_iterations_gives_what_it_was_given(void **state)
{
    struct fixture *f = *state;
    assert_gives(f,
                 MODEL "output t\noutput u\n" DOUBLING
                       "init s0 f32 - 1\ninit no bool - 0\n"
                       "Loop l _ no s0 -> t u body=g:body\n",
                 "t", &(const struct shape){0}, NUMBERS(1));
    struct graph g;
    onnx_text_passes(f,
                     MODEL "output t\noutput u\n" DOUBLING
                           "init s0 f32 - 1\ninit n i64 1 -3\n"
                           "Loop l n _ s0 -> t u body=g:body\n",
                     &g);
    const struct value *const u = onnx_text_value(&g, "u");
    assert_int_equal(u->shape.rank, 1);
    assert_int_equal(u->shape.dim[0], 0);
    assert_int_equal(u->dtype, DTYPE_F32);
}

/* The number of iterations is computed from a shape; the body reads values
 * around it, one of which is computed after the Loop in the file. */
static void loop__reads_what_is_around_it(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    onnx_text_passes(f,
                     "opset 13\ninput x f32 3x4\ninput w f32 4\noutput y\n"
                     "graph body\ninput i i64 -\ninput go bool -\n"
                     "input s f32 4\nGather ga x i -> row axis=i:0\n"
                     "Add a s row -> b\nMul m b late -> c\n"
                     "output go\noutput c\nend\n"
                     "Shape sh x -> d\ninit zero i64 - 0\n"
                     "Gather g d zero -> n\ninit yes bool - 1\n"
                     "Loop l n yes w -> y body=g:body\n"
                     "Relu r w -> late\n",
                     &g);
    assert_int_equal(count(&g, OP_LOOP), 0);
    assert_int_equal(count(&g, OP_ADD), 3);
    assert_int_equal(count(&g, OP_MUL), 3);
    assert_int_equal(count(&g, OP_RELU), 1);
    /* Names are those of the body, with the iteration. */
    (void)onnx_text_value(&g, "b[2]");
}

/* sum over i < 3, j <= i of 10 i + j, with an If that skips j = 1. */
static void loop__nests_and_holds_ifs(void **state)
{
    struct fixture *f = *state;
    static const char text[] =
        MODEL "output t\n"
              "graph add\nAdd p s2 both -> r\noutput r\nend\n"
              "graph keep\nIdentity k s2 -> r\noutput r\nend\n"
              "graph inner\ninput j i64 -\ninput go2 bool -\ninput s2 i64 -\n"
              "Add q ten j -> both\nEqual e j one -> is1\n"
              "If c is1 -> s3 then_branch=g:keep else_branch=g:add\n"
              "output go2\noutput s3\nend\n"
              "graph outer\ninput i i64 -\ninput go bool -\ninput s i64 -\n"
              "Mul m i by -> ten\nAdd a i one -> n2\n"
              "Loop in n2 _ s -> s4 body=g:inner\noutput go\noutput s4\nend\n"
              "init by i64 - 10\ninit one i64 - 1\ninit n i64 - 3\n"
              "init s0 i64 - 0\n"
              "Loop l n yes s0 -> t body=g:outer\n";
    /* 0; 10; 20, 22 */
    assert_gives(f, text, "t", &(const struct shape){0}, NUMBERS(52));
}

/* In a branch that is not taken it is not looked at, however long. */
static void loop__in_a_branch_not_taken_is_nothing(void **state)
{
    struct fixture *f = *state;
    assert_gives(f,
                 MODEL "output y\n" DOUBLING "graph a\ninit s0 f32 - -1\n"
                       "Loop l _ yes s0 -> t u body=g:body\n"
                       "output t\nend\n"
                       "graph b\ninit five f32 - 5\nIdentity i five -> k\n"
                       "output k\nend\ninit no bool - 0\n"
                       "If n no -> y then_branch=g:a else_branch=g:b\n",
                 "y", &(const struct shape){0}, NUMBERS(5));
}

static void loop__refuses_a_length_of_run_time(void **state)
{
    struct fixture *f = *state;
    assert_fails(f,
                 "opset 13\ninput n i64 -\ninput s0 f32 -\noutput t\n" DOUBLING
                 "init yes bool - 1\n"
                 "Loop l n yes s0 -> t body=g:body\n",
                 E_NEEDS_CONST, "l");
    assert_non_null(strstr(f->diag.text, "('n')"));
    assert_non_null(strstr(f->diag.text, "--const"));
    fixture_restart(f, ARENA_NO_FAULT);
    /* Its first condition is known, the next one depends on the input. */
    assert_fails(f,
                 "opset 13\ninput s0 f32 -\noutput t\n" DOUBLING
                 "init n i64 - 3\ninit yes bool - 1\n"
                 "Loop l n yes s0 -> t body=g:body\n",
                 E_NEEDS_CONST, "l");
    assert_non_null(strstr(f->diag.text, "iteration 1"));
}

/* 2 + 2 = 4 is less than 20 for ever. */
static void loop__without_end_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_fails(f,
                 MODEL "output t\n" DOUBLING "init s0 f32 - 0\n"
                       "Loop l _ _ s0 -> t body=g:body\n",
                 E_TOO_BIG, "l");
    fixture_restart(f, ARENA_NO_FAULT);
    /* Nor does one without nodes go on. */
    assert_fails(f,
                 MODEL "output t\ngraph body\ninput i i64 -\ninput go bool -\n"
                       "output go\noutput i\nend\n"
                       "Loop l _ _ -> t body=g:body\n",
                 E_TOO_BIG, "l");
}

static void loop__refuses_what_does_not_fit(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        enum diag_id id;
    } cases[] = {
        {"Loop l _ yes -> t body=g:body\n", E_OP_INPUTS},
        {"init s f32 - 1\nLoop l _ yes s s -> t body=g:body\n", E_OP_INPUTS},
        {"init s f32 - 1\nLoop l _ yes s -> t u v body=g:body\n", E_OP_INPUTS},
        {"init s f32 - 1\nLoop l _ yes s -> t\n", E_OP_ATTR},
        {"init s f32 - 1\nLoop l _ s s -> t body=g:body\n", E_TYPE},
        {"init s f32 - 1\nLoop l s yes s -> t body=g:body\n", E_TYPE},
        {"init s f32 - 1\ninit n i64 0\nLoop l n yes s -> t body=g:body\n",
         E_SHAPE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[1024];
        (void)snprintf(text, sizeof text, MODEL "output t\n" DOUBLING "%s",
                       cases[i].text);
        assert_fails(f, text, cases[i].id, "l");
        fixture_restart(f, ARENA_NO_FAULT);
    }
    /* A body whose nodes wait for each other. */
    assert_fails(f,
                 MODEL "output t\n"
                       "graph body\ninput i i64 -\ninput go bool -\n"
                       "Neg a q -> p\nNeg b p -> q\noutput go\noutput q\nend\n"
                       "init n i64 - 2\nLoop l n yes -> t body=g:body\n",
                 E_CYCLE, "b");
}

/* Every request for memory may fail. */
static void loop__survives_lack_of_memory(void **state)
{
    struct fixture *f = *state;
    bool is_done = false;
    for (uint64_t k = 0; !is_done; k++) {
        fixture_restart(f, ARENA_NO_FAULT);
        const struct span bytes = onnx_text(
            f, MODEL "output t\noutput u\n" DOUBLING "init s0 f32 - 6\n"
                     "Loop l _ yes s0 -> t u body=g:body\n");
        uint8_t copy[1024];
        assert_true(bytes.len <= sizeof copy);
        memcpy(copy, bytes.data, bytes.len);
        fixture_restart(f, k);
        struct graph g;
        is_done = onnx_import_bytes((struct span){copy, bytes.len}, "m.onnx",
                                    &f->cx, &g) &&
                  passes_run(&g, &f->cx, NULL, NULL);
        assert_true(is_done == !fixture_failed(f));
        if (!is_done) {
            assert_int_equal(f->diag.id, E_MEMORY);
        }
    }
}

/* ---- Scan ---------------------------------------------------------------- */

/* Sums of what is scanned so far. */
#define RUNNING                                                                \
    "graph body\ninput s f32 2\ninput x f32 2\nAdd a s x -> s2\n"              \
    "output s2\noutput s2\nend\n"
#define SCANNED MODEL "init s0 f32 2 0 0\n"

static void scan__sums(void **state)
{
    struct fixture *f = *state;
    static const char text[] =
        SCANNED "output t\noutput u\n" RUNNING "init x f32 3x2 1 2 3 4 5 6\n"
                "Scan l s0 x -> t u body=g:body num_scan_inputs=i:1\n";
    assert_gives(f, text, "t", SHAPE(2), NUMBERS(9, 12));
    assert_gives(f, text, "u", SHAPE(3, 2), NUMBERS(1, 2, 4, 6, 9, 12));
}

static void scan__takes_axes_and_directions(void **state)
{
    struct fixture *f = *state;
    static const char text[] =
        SCANNED "output u\n" RUNNING "init x f32 2x3 1 3 5 2 4 6\n"
                "Scan l s0 x -> _ u body=g:body num_scan_inputs=i:1 "
                "scan_input_axes=I:-1 scan_input_directions=I:1 "
                "scan_output_axes=I:1 scan_output_directions=I:1\n";
    /* From the last: (5, 6), (8, 10), (9, 12); stacked as columns, last first.
     */
    assert_gives(f, text, "u", SHAPE(2, 3), NUMBERS(9, 8, 5, 12, 10, 6));
}

/* Batches, as opset 8 has them. */
static void scan__of_opset_8_goes_over_batches(void **state)
{
    struct fixture *f = *state;
    static const char text[] =
        "opset 8\ninput unused f32 1\noutput t\noutput u\n" RUNNING
        "init s0 f32 2x2 0 0 100 100\n"
        "init x f32 2x3x2 1 2 3 4 5 6 1 1 1 1 1 1\n"
        "Scan l _ s0 x -> t u body=g:body num_scan_inputs=i:1\n";
    assert_gives(f, text, "t", SHAPE(2, 2), NUMBERS(9, 12, 103, 103));
    assert_gives(f, text, "u", SHAPE(2, 3, 2),
                 NUMBERS(1, 2, 4, 6, 9, 12, 101, 101, 102, 102, 103, 103));
}

/* At run time too: the length is the shape's. */
static void scan__of_an_input_is_unrolled(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    onnx_text_passes(f,
                     "opset 13\ninput s0 f32 2\ninput x f32 5x2\n"
                     "output t\noutput u\n" RUNNING
                     "Scan l s0 x -> t u body=g:body num_scan_inputs=i:1\n",
                     &g);
    assert_int_equal(count(&g, OP_ADD), 5);
    assert_int_equal(count(&g, OP_SCAN), 0);
    assert_int_equal(onnx_text_value(&g, "u")->shape.dim[0], 5);
}

static void scan__refuses_what_does_not_fit(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        enum diag_id id;
    } cases[] = {
        {"init x f32 3x2\nScan l s0 x -> t body=g:body\n", E_OP_ATTR},
        {"init x f32 3x2\nScan l s0 x -> t body=g:body num_scan_inputs=i:3\n",
         E_OP_ATTR},
        {"init x f32 3x2\nScan l s0 x -> t body=g:body num_scan_inputs=i:1 "
         "scan_input_axes=I:2\n",
         E_OP_ATTR},
        {"init x f32 3x2\nScan l s0 x -> t body=g:body num_scan_inputs=i:1 "
         "scan_input_directions=I:2\n",
         E_OP_ATTR},
        {"init x f32 3x2\nScan l s0 -> t body=g:body num_scan_inputs=i:1\n",
         E_OP_INPUTS},
        {"init x f32 0x2\nScan l s0 x -> t body=g:body num_scan_inputs=i:1\n",
         E_UNSUPPORTED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[1024];
        (void)snprintf(text, sizeof text, SCANNED "output t\n" RUNNING "%s",
                       cases[i].text);
        assert_fails(f, text, cases[i].id, "l");
        fixture_restart(f, ARENA_NO_FAULT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(loop__carries_and_stacks),
        FIXTURE_TEST(loop__ends_when_its_condition_folds_to_false),
        FIXTURE_TEST(loop__of_no_iterations_gives_what_it_was_given),
        FIXTURE_TEST(loop__reads_what_is_around_it),
        FIXTURE_TEST(loop__nests_and_holds_ifs),
        FIXTURE_TEST(loop__in_a_branch_not_taken_is_nothing),
        FIXTURE_TEST(loop__refuses_a_length_of_run_time),
        FIXTURE_TEST(loop__without_end_is_refused),
        FIXTURE_TEST(loop__refuses_what_does_not_fit),
        FIXTURE_TEST(loop__survives_lack_of_memory),
        FIXTURE_TEST(scan__sums),
        FIXTURE_TEST(scan__takes_axes_and_directions),
        FIXTURE_TEST(scan__of_opset_8_goes_over_batches),
        FIXTURE_TEST(scan__of_an_input_is_unrolled),
        FIXTURE_TEST(scan__refuses_what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
