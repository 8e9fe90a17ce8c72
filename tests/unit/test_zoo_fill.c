#include "support/fixture.h"

#include <string.h>

#include "base/le.h"
#include "models/zoo_fill.h"

static float f32_at(const uint8_t *bytes, size_t ix)
{
    const uint32_t word = le32_get(bytes + 4 * ix);
    float value;
    memcpy(&value, &word, sizeof value);
    return value;
}

/* Expected keys and values: computed in Python from the published splitmix64
 * and FNV-1a, with floats rounded by struct.pack. */
static void zoo_fill__keys_depend_on_seed_and_name(void **state UNUSED)
{
    assert_true(zoo_fill_key(1, "conv.weight") == UINT64_C(0xb17c699620c5d1f5));
    assert_true(zoo_fill_key(2, "conv.weight") == UINT64_C(0x813f439775351c9b));
    assert_true(zoo_fill_key(1, "conv.bias") == UINT64_C(0x8526678711ed3203));
}

static void zoo_fill__uniform_equals_independent_values(void **state UNUSED)
{
    static const struct {
        uint64_t ix;
        float unit;    /* center 0, half 1 */
        float shifted; /* center 1, half 0.2 */
    } k_rows[] = {
        {0, -0x1.52e1acp-1F, 0x1.bc3944p-1F},
        {1, -0x1.09be18p-2F, 0x1.e56cfep-1F},
        {2, -0x1.f7b0c0p-1F, 0x1.9b430cp-1F},
        {1000000, -0x1.0d36e8p-2F, 0x1.e5141cp-1F},
    };
    const uint64_t key = zoo_fill_key(1, "conv.weight");
    const struct zoo_fill_uniform unit = {key, 0.0F, 1.0F};
    const struct zoo_fill_uniform shifted = {key, 1.0F, 0.2F};
    for (size_t i = 0; i < ARRAY_LEN(k_rows); i++) {
        uint8_t bytes[4];
        zoo_fill_uniform(&unit, k_rows[i].ix, 1, bytes);
        assert_true(f32_at(bytes, 0) == k_rows[i].unit);
        zoo_fill_uniform(&shifted, k_rows[i].ix, 1, bytes);
        assert_true(f32_at(bytes, 0) == k_rows[i].shifted);
    }
}

static void zoo_fill__uniform_is_the_same_in_any_blocks(void **state UNUSED)
{
    const struct zoo_fill_uniform r = {7, 0.25F, 2.0F};
    uint8_t whole[4 * 100];
    uint8_t parts[4 * 100];
    zoo_fill_uniform(&r, 5, 100, whole);
    zoo_fill_uniform(&r, 38, 67, parts + (size_t)4 * 33);
    zoo_fill_uniform(&r, 5, 33, parts);
    assert_memory_equal(whole, parts, sizeof whole);
}

/* Bounds are exact; mean and variance within 5 standard errors. */
static void zoo_fill__uniform_has_its_moments(void **state UNUSED)
{
    enum { N = 100000 };
    static uint8_t bytes[4 * N];
    const struct zoo_fill_uniform r = {zoo_fill_key(9, "x"), 3.0F, 2.0F};
    zoo_fill_uniform(&r, 0, N, bytes);
    double sum = 0.0;
    double squares = 0.0;
    for (size_t i = 0; i < N; i++) {
        const double x = (double)f32_at(bytes, i) - 3.0;
        assert_true(x >= -2.0 && x <= 2.0);
        sum += x;
        squares += x * x;
    }
    const double variance = 4.0 / 3.0;
    assert_true(sum / N < 0.0183 && sum / N > -0.0183);
    assert_true(squares / N - variance < 0.019);
    assert_true(variance - squares / N < 0.019);
}

static void zoo_fill__half_zero_is_a_constant(void **state UNUSED)
{
    const struct zoo_fill_uniform r = {11, 6.0F, 0.0F};
    uint8_t bytes[4 * 50];
    zoo_fill_uniform(&r, 0, 50, bytes);
    for (size_t i = 0; i < 50; i++) {
        assert_true(f32_at(bytes, i) == 6.0F);
    }
}

static void zoo_fill__causal_is_the_lower_triangle(void **state UNUSED)
{
    static const uint8_t k_want[] = {1, 0, 0, 1, 1, 0, 1, 1, 1};
    const struct zoo_fill_causal r = {.n = 3};
    uint8_t bytes[9];
    zoo_fill_causal(&r, 0, 9, bytes);
    assert_memory_equal(bytes, k_want, 9);
    zoo_fill_causal(&r, 4, 3, bytes);
    assert_memory_equal(bytes, k_want + 4, 3);
}

static void zoo_fill__integers_are_little_endian(void **state UNUSED)
{
    static const int64_t k_values[] = {1, -1, 258};
    static const uint8_t k_minus_one_and_258[] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 1, 0, 0, 0, 0, 0, 0};
    uint8_t bytes[16];
    zoo_fill_values(k_values, 1, 2, bytes);
    assert_memory_equal(bytes, k_minus_one_and_258, 16);
    zoo_fill_iota(NULL, 257, 2, bytes);
    assert_int_equal(bytes[0], 1);
    assert_int_equal(bytes[1], 1);
    assert_memory_equal(bytes + 8, k_minus_one_and_258 + 8, 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zoo_fill__keys_depend_on_seed_and_name),
        cmocka_unit_test(zoo_fill__uniform_equals_independent_values),
        cmocka_unit_test(zoo_fill__uniform_is_the_same_in_any_blocks),
        cmocka_unit_test(zoo_fill__uniform_has_its_moments),
        cmocka_unit_test(zoo_fill__half_zero_is_a_constant),
        cmocka_unit_test(zoo_fill__causal_is_the_lower_triangle),
        cmocka_unit_test(zoo_fill__integers_are_little_endian),
    };
    return cmocka_run_group_tests_name("zoo_fill", tests, NULL, NULL);
}
