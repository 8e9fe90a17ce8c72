#include "passes/passes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/fixture.h"
#include "support/onnx_text.h"

#include "ir/graph.h"
#include "passes/elem.h"

/* Lines that make y of constants, and y's elements. */
struct row {
    const char *lines;
    const char *want; /* numbers, with spaces; NULL: refused at node n */
    enum diag_id id;
};

#define V "init v i64 4 10 20 30 40\n"
/* Ones and twos of words, up to five between the two. */
#define WORDS                                                                  \
    "init x i64 12 1 1 3 3 3 7 8 6 7 5 6 8\nTfIdfVectorizer n x -> y "         \
    "pool_int64s=I:2,3,5,4,5,6,7,8,6,7 ngram_counts=I:0,4 "                    \
    "max_skip_count=i:5 weights=F:1,2,3,4,5,6,7 min_gram_length=i:1 "
#define M "init m f32 2x3 1 2 3 4 5 6\n"

static const struct row rows[] = {
    /* Shape arithmetic. */
    {"input x f32 2x3x4\nShape n x -> y\n", "2 3 4", 0},
    {"input x f32 2x3x4\nShape n x -> y start=i:-2 end=i:-1\n", "3", 0},
    {"input x f32 2x3x4\nSize n x -> y\n", "24", 0},
    {V "init i i64 2 -1 0\nGather n v i -> y\n", "40 10", 0},
    {V "init i i64 1 4\nGather n v i -> y\n", NULL, E_CONST},
    {V "init s i64 1 -1\ninit e i64 1 -5\ninit a i64 1 0\ninit t i64 1 -2\n"
       "Slice n v s e a t -> y\n",
     "40 20", 0},
    {V "init w i64 1 7\nConcat n v w -> y axis=i:0\n", "10 20 30 40 7", 0},
    {V "init s i64 2 1 3\nSplit n v s -> a y\n", "20 30 40", 0},
    {"init a i64 - 2\ninit b i64 - 11\ninit c i64 - 3\nRange n a b c -> y\n",
     "2 5 8", 0},
    {"init a f32 - 1\ninit b f32 - 0\ninit c f32 - -0.25\nRange n a b c -> y\n",
     "1 0.75 0.5 0.25", 0},
    {"init s i64 2 2 2\nConstantOfShape n s -> y value=t:i64:1:-7\n",
     "-7 -7 -7 -7", 0},
    {"init s i64 1 2\nConstantOfShape n s -> y\n", "0 0", 0},
    {"Constant n -> y value_ints=I:3,1,2\n", "3 1 2", 0},
    {"Constant n -> y value_float=f:0.5\n", "0.5", 0},
    {"Constant n -> y value=t:f32:2:1.5,-2\n", "1.5 -2", 0},

    /* Moving. */
    {M "Transpose n m -> y\n", "1 4 2 5 3 6", 0},
    {M "init k f32 2x1 7 8\nConcat n m k -> y axis=i:1\n", "1 2 3 7 4 5 6 8",
     0},
    {M "init s i64 2 3 -1\nReshape r m s -> r\nTranspose n r -> y\n",
     "1 3 5 2 4 6", 0},
    {M "init s i64 2 1 2\nSplit n m s -> a y axis=i:1\n", "2 3 5 6", 0},
    {M "init i i64 2 2 0\nGather n m i -> y axis=i:1\n", "3 1 6 4", 0},
    {"init m f32 2x1 1 2\ninit s i64 3 2 1 2\nExpand n m s -> y\n",
     "1 1 2 2 1 1 2 2", 0},
    {"init m f32 1x2 1 2\ninit s i64 2 2 2\nTile n m s -> y\n",
     "1 2 1 2 1 2 1 2", 0},
    {"init c bool 3 1 0 1\ninit a f32 3 1 2 3\ninit b f32 - 9\n"
     "Where n c a b -> y\n",
     "1 9 3", 0},

    /* Arithmetic; integers wrap, truncate, and do not divide by 0. */
    {M "init k f32 2x1 10 100\nMul n m k -> y\n", "10 20 30 400 500 600", 0},
    {V "init k i64 - 7\nDiv n v k -> y\n", "1 2 4 5", 0},
    {"init a i64 2 -7 7\ninit k i64 - 2\nDiv n a k -> y\n", "-3 3", 0},
    {"init a i64 2 -7 7\ninit k i64 - 3\nMod n a k -> y\n", "2 1", 0},
    {"init a i32 1 2147483647\ninit k i32 - 1\nAdd n a k -> y\n", "-2147483648",
     0},
    {"init a u8 2 250 5\ninit k u8 - 10\nAdd n a k -> y\n", "4 15", 0},
    {V "init k i64 - 0\nDiv n v k -> y\n", NULL, E_CONST},
    {"init a i64 - -9223372036854775808\ninit k i64 - -1\nDiv n a k -> y\n",
     "-9223372036854775808", 0},
    {"init a i64 - 3\ninit k i64 - 5\nPow n a k -> y\n", "243", 0},
    {"init a f32 2 4 9\ninit k f32 - 0.5\nPow n a k -> y\n", "2 3", 0},
    {V "init k i64 4 10 0 30 0\nEqual n v k -> y\n", "1 0 1 0", 0},
    {"init a f32 3 1 5 3\ninit b f32 3 4 2 3\nMax n a b -> y\n", "4 5 3", 0},
    {"init a f32 2 1 5\ninit b f32 2 4 2\ninit c f32 - 1\nMean n a b c -> y\n",
     "2 2.6666667", 0},
    {"init a f32 3 -1.5 0 4\nNeg n a -> y\n", "1.5 0 -4", 0},
    {"init a f32 3 0.25 4 9\nSqrt n a -> y\n", "0.5 2 3", 0},
    {"init a f32 4 0.5 1.5 2.5 -0.5\nRound n a -> y\n", "0 2 2 0", 0},
    {"init a bool 2 1 0\nNot n a -> y\n", "0 1", 0},
    {"init a f32 4 -2 0.5 7 3\ninit lo f32 - -1\ninit hi f32 - 5\n"
     "Clip n a lo hi -> y\n",
     "-1 0.5 5 3", 0},
    {M "ReduceMean n m -> y axes=I:1\n", "2 5", 0},
    {M "ReduceMax n m -> y axes=I:0 keepdims=i:0\n", "4 5 6", 0},
    {"init m i64 2 3 4\nReduceSum n m -> y\n", "7", 0},

    /* Words: 5 6 once, 7 8 at distances 1, 3 and 6, 6 7 once. */
    {WORDS "max_gram_length=i:2 mode=s:TF ngram_indexes=I:0,1,2,3,4,5,6\n",
     "0 3 1 0 1 3 1", 0},
    {WORDS "max_gram_length=i:2 mode=s:IDF ngram_indexes=I:0,1,2,3,4,5,6\n",
     "0 2 3 0 5 6 7", 0},
    {WORDS "max_gram_length=i:2 mode=s:TFIDF ngram_indexes=I:6,5,4,3,2,1,0\n",
     "7 18 5 0 3 6 0", 0},
    {WORDS "max_gram_length=i:1 mode=s:TF ngram_indexes=I:0,1,2,3,5,6,8\n",
     "0 3 1 0 0 0 0 0 0", 0},
    {WORDS "max_gram_length=i:2 mode=s:TF ngram_indexes=I:0,1,2,3,4,5,5\n",
     NULL, E_UNSUPPORTED},
    {WORDS "max_gram_length=i:3 mode=s:TF ngram_indexes=I:0,1,2,3,4,5,6\n",
     NULL, E_OP_ATTR},
    {WORDS "max_gram_length=i:2 mode=s:TF ngram_indexes=I:0,1,2\n", NULL,
     E_OP_ATTR},
    {WORDS "max_gram_length=i:2 mode=s:TFI ngram_indexes=I:0,1,2,3,4,5,6\n",
     NULL, E_OP_ATTR},

    /* Casts cut towards zero. */
    {"init a f32 4 1.9 -1.9 0 300\nCast n a -> y to=i:7\n", "1 -1 0 300", 0},
    {"init a f32 3 0 -0.5 2\nCast n a -> y to=i:9\n", "0 1 1", 0},
    {"init a i64 2 -1 258\nCast n a -> y to=i:2\n", "255 2", 0},
    {"init a f32 3 65504 1e-7 0.1\nCast n a -> y to=i:10\n",
     "65504 1.1920929e-07 0.0999755859375", 0},
};

static void fold__computes_by_each_operator_s_definition(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct row *const r = &rows[i];
        fixture_restart(f, ARENA_NO_FAULT);
        const char *const text =
            arena_printf(&f->keep, "opset 13\n%soutput y\n", r->lines);
        assert_non_null(text);
        struct graph g;
        const bool is_ok =
            onnx_text_import(f, text, &g) && passes_run(&g, &f->cx, NULL, NULL);
        if (!r->want) {
            assert_false(is_ok);
            assert_diag(f, r->id, "n");
            continue;
        }
        assert_no_diag(f);
        const struct value *const y = &g.value[g.output[0]];
        bool is_equal = is_ok && y->is_const;
        const char *rest = r->want;
        uint64_t k = 0;
        for (; is_equal && *rest; k++) {
            char *end;
            const double want = strtod(rest, &end);
            is_equal =
                k < y->data.len / dtype_bytes(y->dtype) &&
                (float)elem_f64(y->dtype, y->data.data, k) == (float)want;
            rest = end + strspn(end, " ");
        }
        if (!is_equal || k * dtype_bytes(y->dtype) != y->data.len) {
            fail_msg("%s is not %s from element %d on", r->lines, r->want,
                     (int)k - 1);
        }
    }
}

/* The exporters' idiom: x.view(x.size(0), -1). */
static void fold__resolves_a_reshape_by_shape_arithmetic(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    onnx_text_passes(f,
                     "opset 11\ninput x f32 5x2x3\nShape a x -> a\n"
                     "Constant z -> z value=t:i64:-:0\n"
                     "Gather b a z -> b axis=i:0\nUnsqueeze c b -> c axes=I:0\n"
                     "Constant m -> m value=t:i64:1:-1\n"
                     "Concat d c m -> d axis=i:0\nReshape n x d -> y\n"
                     "output y\n",
                     &g);
    const struct value *const y = &g.value[g.output[0]];
    assert_int_equal(y->shape.rank, 2);
    assert_int_equal(y->shape.dim[1], 6);
    for (uint32_t i = 0; i < g.n_node; i++) {
        assert_true(g.node[i].is_dead || g.node[i].op == OP_RESHAPE);
    }
}

static void fold__leaves_large_results_to_run_time(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    /* 128 MiB of Expand: folding would store it. */
    onnx_text_passes(f,
                     "opset 13\ninput x f32 1\ninit a f32 1 2\n"
                     "init s i64 2 8192 4096\nExpand e a s -> e\n"
                     "Add n x e -> y\noutput y\n",
                     &g);
    assert_false(onnx_text_value(&g, "e")->is_const);
    assert_true(f->keep.peak_bytes < BYTES(1) << 24);
}

static void fold__bounds_what_constants_take_in_all(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    assert_true(onnx_text_import(f,
                                 "opset 13\ninput x f32 1\n"
                                 "init s i64 2 65536 65536\n"
                                 "ConstantOfShape n s -> e\n"
                                 "Add m x e -> y\noutput y\n",
                                 &g));
    assert_false(passes_run(&g, &f->cx, NULL, NULL));
    assert_diag(f, E_TOO_BIG, "n");
}

static void elem__rounds_f16_to_nearest_even(void **state)
{
    (void)state;
    static const struct {
        double value;
        uint16_t bits;
    } cases[] = {
        {0, 0x0000},           {-0.0, 0x8000},        {1, 0x3c00},
        {-2, 0xc000},          {65504, 0x7bff},       {65519.9, 0x7bff},
        {65520, 0x7c00},       {0x1p-24, 0x0001},     {0x1p-25, 0x0000},
        {0x1.8p-24, 0x0002},   {0x1p-14, 0x0400},     {0x1.ff8p-15, 0x03ff},
        {0x1.fffp-15, 0x0400}, {1 + 0x1p-11, 0x3c00}, {1 + 0x1.8p-10, 0x3c02},
        {INFINITY, 0x7c00},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t data[2];
        elem_put_f64(DTYPE_F16, data, 0, cases[i].value);
        assert_int_equal(data[0] | data[1] << 8, cases[i].bits);
    }
    /* Every finite f16 survives the round trip. */
    for (unsigned bits = 0; bits < 65536; bits++) {
        const uint8_t data[2] = {(uint8_t)bits, (uint8_t)(bits >> 8)};
        const double value = elem_f64(DTYPE_F16, data, 0);
        uint8_t back[2];
        elem_put_f64(DTYPE_F16, back, 0, value);
        assert_true(isnan(value) || memcmp(data, back, 2) == 0);
    }
}

static void elem__saturates_floats_that_no_integer_holds(void **state)
{
    (void)state;
    uint8_t data[8];
    elem_put_f64(DTYPE_F64, data, 0, NAN);
    assert_int_equal(elem_i64(DTYPE_F64, data, 0), 0);
    elem_put_f64(DTYPE_F64, data, 0, 1e300);
    assert_true(elem_i64(DTYPE_F64, data, 0) == INT64_MAX);
    elem_put_f64(DTYPE_F64, data, 0, -1e300);
    assert_true(elem_i64(DTYPE_F64, data, 0) == INT64_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(fold__computes_by_each_operator_s_definition),
        FIXTURE_TEST(fold__resolves_a_reshape_by_shape_arithmetic),
        FIXTURE_TEST(fold__leaves_large_results_to_run_time),
        FIXTURE_TEST(fold__bounds_what_constants_take_in_all),
        cmocka_unit_test(elem__rounds_f16_to_nearest_even),
        cmocka_unit_test(elem__saturates_floats_that_no_integer_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
