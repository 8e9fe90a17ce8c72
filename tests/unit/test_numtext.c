#include "support/fixture.h"

#include <float.h>

#include "base/numtext.h"

struct size_row {
    const char *text;
    uint64_t bytes;
};

static void numtext__reads_sizes_in_si_and_iec(void **state UNUSED)
{
    static const struct size_row k_rows[] = {
        {"0", 0},
        {"17", 17},
        {"50M", 50000000},
        {"50Mi", 52428800},
        {"50MB", 50000000},
        {"50MiB", 52428800},
        {"12B", 12},
        {"96K", 96000},
        {"96k", 96000},
        {"96Ki", 98304},
        {"1.5G", 1500000000},
        {"1.5Ki", 1536},
        {"0.5Ti", UINT64_C(549755813888)},
        {"2T", UINT64_C(2000000000000)},
        {"1.000000000000000000K", 1000},
        {"0.125K", 125},
        {"18446744073709551615", UINT64_MAX},
        {"18446744073.709551615G", UINT64_MAX},
    };
    for (size_t i = 0; i < ARRAY_LEN(k_rows); i++) {
        uint64_t bytes = 1;
        if (!parse_size(k_rows[i].text, &bytes) || bytes != k_rows[i].bytes) {
            fail_msg("'%s' gave %llu", k_rows[i].text,
                     (unsigned long long)bytes);
        }
    }
}

static void numtext__refuses_what_is_no_size(void **state UNUSED)
{
    static const char *const k_texts[] = {
        "",
        "M",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1 M",
        "1.5",
        "0.1Ki",
        "1.",
        ".5M",
        "1.5.5M",
        "1m",
        "1KK",
        "1Kib",
        "1KBB",
        "1i",
        "0x10",
        "1e3",
        "nan",
        "50M,",
        "1.0001K",
        "18446744073709551616",
        "18446744073709552K",
        "16777216Ti",
        "1.00000000000000000001K",
    };
    for (size_t i = 0; i < ARRAY_LEN(k_texts); i++) {
        uint64_t bytes = 77;
        if (parse_size(k_texts[i], &bytes) || bytes != 77) {
            fail_msg("'%s' was taken for %llu", k_texts[i],
                     (unsigned long long)bytes);
        }
    }
}

static void numtext__prints_sizes_short_and_exact(void **state UNUSED)
{
    static const struct size_row k_rows[] = {
        {"0", 0},           {"50M", 50000000},
        {"50Mi", 52428800}, {"1537", 1537},
        {"96Ki", 98304},    {"1K", 1000},
        {"1Ki", 1024},      {"1500M", 1500000000},
        {"999", 999},       {"18446744073709551615", UINT64_MAX},
    };
    for (size_t i = 0; i < ARRAY_LEN(k_rows); i++) {
        char text[SIZE_TEXT_CAP];
        size_text(text, k_rows[i].bytes);
        assert_string_equal(text, k_rows[i].text);
    }
}

static void numtext__integers_are_read_whole_or_not_at_all(void **state UNUSED)
{
    uint64_t u64 = 5;
    uint32_t u32 = 5;
    int64_t i64 = 5;
    assert_true(parse_u64("18446744073709551615", &u64));
    assert_true(u64 == UINT64_MAX);
    assert_false(parse_u64("18446744073709551616", &u64));
    assert_false(parse_u64("", &u64));
    assert_false(parse_u64("1x", &u64));
    assert_false(parse_u64("-1", &u64));
    assert_true(u64 == UINT64_MAX);
    assert_true(parse_u32("4294967295", &u32));
    assert_false(parse_u32("4294967296", &u32));
    assert_true(u32 == UINT32_MAX);
    assert_true(parse_i64("-9223372036854775808", &i64));
    assert_true(i64 == INT64_MIN);
    assert_false(parse_i64("-9223372036854775809", &i64));
    assert_false(parse_i64("9223372036854775808", &i64));
    assert_false(parse_i64("--1", &i64));
    assert_false(parse_i64("-", &i64));
    assert_true(i64 == INT64_MIN);
    assert_true(parse_i64("-0", &i64));
    assert_true(i64 == 0);
}

static void numtext__decimals_are_finite_and_plain(void **state UNUSED)
{
    double value = 5;
    assert_true(parse_f64("-1.25e-3", &value));
    assert_true(value == -1.25e-3);
    static const char *const k_texts[] = {"",    " 1", "1 ",    "inf", "nan",
                                          "0x1", "1e", "1e999", "1,5", "."};
    for (size_t i = 0; i < ARRAY_LEN(k_texts); i++) {
        assert_false(parse_f64(k_texts[i], &value));
    }
    assert_true(value == -1.25e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numtext__reads_sizes_in_si_and_iec),
        cmocka_unit_test(numtext__refuses_what_is_no_size),
        cmocka_unit_test(numtext__prints_sizes_short_and_exact),
        cmocka_unit_test(numtext__integers_are_read_whole_or_not_at_all),
        cmocka_unit_test(numtext__decimals_are_finite_and_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
