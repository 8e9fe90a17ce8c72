#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "base/fileio.h"
#include "run/run_compare.h"
#include "support/fixture.h"

/* Compares n elements of a type; the reason, or "" when they count as equal. */
static const char *compare(struct fixture *f, uint32_t dtype, const void *got,
                           const void *want, uint64_t n,
                           struct run_tolerance tol)
{
    struct buf why;
    const struct run_tensor g = {
        .dtype = dtype, .rank = 1, .dim = {n}, .n = n, .data = got};
    const struct run_tensor w = {
        .dtype = dtype, .rank = 1, .dim = {n}, .n = n, .data = want};
    buf_init(&why, &f->keep);
    const bool ok = run_compare(&g, &w, &tol, &why);
    assert_int_equal(ok, why.len == 0);
    return buf_text(&why);
}

static const struct run_tolerance onnx = {.rule = RUN_ONNX};

static void onnx__allows_a_thousandth(void **state)
{
    struct fixture *f = *state;
    const float want[2] = {1000, 0};
    const float near[2] = {1000.9f, 0.9e-7f};
    const float far[2] = {1001.1f, 0};
    const float above_zero[2] = {1000, 2e-7f};
    assert_string_equal(compare(f, 1, near, want, 2, onnx), "");
    assert_string_equal(compare(f, 1, far, want, 2, onnx),
                        "1 of 2 elements differ, worst [0]: got 1001.09998, "
                        "expected 1000 within 1");
    assert_string_equal(compare(f, 1, above_zero, want, 2, onnx),
                        "1 of 2 elements differ, worst [1]: got "
                        "2.00000002e-07, expected 0 within 1e-07");
}

static void nan_equals_nan_and_infinity_itself(void **state)
{
    struct fixture *f = *state;
    const float a[3] = {NAN, INFINITY, -INFINITY};
    const float finite[3] = {NAN, 3e38f, -INFINITY};
    const float flipped[3] = {NAN, INFINITY, INFINITY};
    const float number[3] = {0, INFINITY, -INFINITY};
    assert_string_equal(compare(f, 1, a, a, 3, onnx), "");
    assert_string_not_equal(compare(f, 1, finite, a, 3, onnx), "");
    assert_string_not_equal(compare(f, 1, flipped, a, 3, onnx), "");
    assert_string_not_equal(compare(f, 1, number, a, 3, onnx), "");
    assert_string_not_equal(compare(f, 1, a, number, 3, onnx), "");
    /* However generous the rule. */
    assert_string_not_equal(
        compare(f, 1, finite, a, 3,
                (struct run_tolerance){.rule = RUN_CLOSE, .rel = 1, .abs = 9}),
        "");
}

static void close__scales_with_the_largest_element(void **state)
{
    struct fixture *f = *state;
    const struct run_tolerance tol = {.rule = RUN_CLOSE, .rel = 0, .abs = 0.01};
    const float want[3] = {100, 0, (float)INFINITY};
    const float near[3] = {100, 0.99f, (float)INFINITY};
    const float far[3] = {100, 1.01f, (float)INFINITY};
    assert_string_equal(compare(f, 1, near, want, 3, tol), "");
    assert_string_not_equal(compare(f, 1, far, want, 3, tol), "");
}

static void plain__is_absolute(void **state)
{
    struct fixture *f = *state;
    const struct run_tolerance tol = {.rule = RUN_PLAIN, .rel = 0, .abs = 0.01};
    const float want[2] = {100, 0};
    const float near[2] = {100.009f, -0.009f};
    const float far[2] = {100.02f, 0};
    assert_string_equal(compare(f, 1, near, want, 2, tol), "");
    assert_string_not_equal(compare(f, 1, far, want, 2, tol), "");
}

static void integers__are_equal_or_within_steps(void **state)
{
    struct fixture *f = *state;
    const struct run_tolerance one = {.rule = RUN_STEPS, .steps = 1};
    const int8_t want[2] = {-128, 127};
    const int8_t near[2] = {-127, 126};
    const int8_t far[2] = {-126, 127};
    assert_string_equal(compare(f, 3, want, want, 2, onnx), "");
    assert_string_not_equal(compare(f, 3, near, want, 2, onnx), "");
    assert_string_equal(compare(f, 3, near, want, 2, one), "");
    assert_string_equal(compare(f, 3, far, want, 2, one),
                        "1 of 2 elements differ, worst [0]: got -126, expected "
                        "-128 within 1");
}

/* As doubles both would be 2^62. */
static void integers__of_64_bits_are_exact(void **state)
{
    struct fixture *f = *state;
    const int64_t want[1] = {INT64_C(1) << 62};
    const int64_t got[1] = {(INT64_C(1) << 62) + 1};
    assert_string_not_equal(compare(f, 7, got, want, 1, onnx), "");
    const uint64_t top[1] = {UINT64_MAX};
    const uint64_t below[1] = {UINT64_MAX - 1};
    assert_string_not_equal(compare(f, 13, below, top, 1, onnx), "");
}

static void bool__has_no_tolerance(void **state)
{
    struct fixture *f = *state;
    const uint8_t yes[1] = {1};
    const uint8_t no[1] = {0};
    const struct run_tolerance any = {.rule = RUN_CLOSE, .rel = 9, .abs = 9};
    assert_string_not_equal(compare(f, 9, yes, no, 1, any), "");
}

static void top1__looks_at_the_first_maximum_only(void **state)
{
    struct fixture *f = *state;
    const struct run_tolerance tol = {.rule = RUN_TOP1};
    const float want[3] = {0, 5, 5};
    const float same[3] = {-9, 1, 0};
    const float other[3] = {0, 5, 6};
    assert_string_equal(compare(f, 1, same, want, 3, tol), "");
    assert_string_equal(compare(f, 1, other, want, 3, tol),
                        "the maximum is at [2], expected at [1]");
}

static void types_and_shapes__must_be_the_same(void **state)
{
    struct fixture *f = *state;
    const float x[4] = {0};
    struct buf why;
    const struct run_tensor a = {.dtype = 1,
                                 .rank = 2,
                                 .dim = {2, 2},
                                 .n = 4,
                                 .data = (const uint8_t *)x};
    struct run_tensor b = a;
    b.rank = 1;
    b.dim[0] = 4;
    buf_init(&why, &f->keep);
    assert_false(run_compare(&a, &b, &onnx, &why));
    assert_string_equal(buf_text(&why),
                        "it is [2,2] float, expected is [4] float");
    b = a;
    b.dtype = 6;
    assert_false(run_compare(&a, &b, &onnx, &why));
}

static void worst__is_named_by_its_index(void **state)
{
    struct fixture *f = *state;
    const float got[6] = {0, 0, 0.1f, 0, 0.2f, 0};
    const float zero[6] = {0};
    struct buf why;
    const struct run_tensor g = {.dtype = 1,
                                 .rank = 3,
                                 .dim = {1, 2, 3},
                                 .n = 6,
                                 .data = (const uint8_t *)got};
    struct run_tensor w = g;
    w.data = (const uint8_t *)zero;
    buf_init(&why, &f->keep);
    assert_false(run_compare(&g, &w, &onnx, &why));
    assert_string_equal(buf_text(&why),
                        "2 of 6 elements differ, worst [0,1,1]: got "
                        "0.200000003, expected 0 within 1e-07");
}

static void half_floats__are_compared_by_value(void **state)
{
    struct fixture *f = *state;
    const uint16_t one[1] = {0x3c00};
    const uint16_t next[1] = {0x3c01}; /* 1 + 2^-10 */
    const uint16_t second[1] = {0x3c02};
    assert_string_equal(compare(f, 10, next, one, 1, onnx), "");
    assert_string_not_equal(compare(f, 10, second, one, 1, onnx), "");
}

/* ---- the file ---- */

static bool read_rule(struct fixture *f, const char *text,
                      struct run_tolerance *out)
{
    const char *path = fixture_temp_path(f, "tolerance");
    diag_init(&f->diag);
    assert_true(file_write(path, span_of_str(text), &f->scratch, &f->diag));
    return run_tolerance_read(f->temp_dir, &f->cx, out);
}

static void file__has_one_rule(void **state)
{
    struct fixture *f = *state;
    struct run_tolerance t;
    assert_true(read_rule(f, "close 0.001 0.0001\n", &t));
    assert_true(t.rule == RUN_CLOSE && t.rel == 0.001 && t.abs == 0.0001);
    assert_true(read_rule(f, "steps 2", &t));
    assert_true(t.rule == RUN_STEPS && t.steps == 2);
    assert_true(read_rule(f, "top1\n", &t));
    assert_true(t.rule == RUN_TOP1);
}

static void file__with_anything_else_is_refused(void **state)
{
    static const char *const bad[] = {
        "",        "close 1",   "close 1 2 3", "close -1 0",
        "steps",   "steps x",   "exact",       "top1 2",
        "top1\na", "close a b", "close nan 0",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct run_tolerance t;
        assert_false(read_rule(f, bad[i], &t));
        assert_diag(f, E_INPUT, fixture_temp_path(f, "tolerance"));
    }
}

static void no_file__is_onnx_rule(void **state)
{
    struct fixture *f = *state;
    struct run_tolerance t = {.rule = RUN_TOP1};
    (void)fixture_temp_path(f, "x");
    assert_true(run_tolerance_read(f->temp_dir, &f->cx, &t));
    assert_int_equal(t.rule, RUN_ONNX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(onnx__allows_a_thousandth),
        FIXTURE_TEST(nan_equals_nan_and_infinity_itself),
        FIXTURE_TEST(close__scales_with_the_largest_element),
        FIXTURE_TEST(plain__is_absolute),
        FIXTURE_TEST(integers__are_equal_or_within_steps),
        FIXTURE_TEST(integers__of_64_bits_are_exact),
        FIXTURE_TEST(bool__has_no_tolerance),
        FIXTURE_TEST(top1__looks_at_the_first_maximum_only),
        FIXTURE_TEST(types_and_shapes__must_be_the_same),
        FIXTURE_TEST(worst__is_named_by_its_index),
        FIXTURE_TEST(half_floats__are_compared_by_value),
        FIXTURE_TEST(file__has_one_rule),
        FIXTURE_TEST(file__with_anything_else_is_refused),
        FIXTURE_TEST(no_file__is_onnx_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
