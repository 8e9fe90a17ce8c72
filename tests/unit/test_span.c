#include "support/fixture.h"

#include "base/span.h"

static void span__sub_stays_inside(void **state UNUSED)
{
    const struct span s = span_of_str("abcdef");
    struct span out = {NULL, 99};
    assert_true(span_sub(s, 2, 3, &out));
    assert_true(span_eq_str(out, "cde"));
    assert_true(span_sub(s, 6, 0, &out));
    assert_true(out.len == 0);
    assert_false(span_sub(s, 6, 1, &out));
    assert_false(span_sub(s, 7, 0, &out));
    /* off + len wraps to 1 */
    assert_false(span_sub(s, 2, UINT64_MAX, &out));
    assert_true(out.len == 0);
}

static void span__equality_compares_length_and_bytes(void **state UNUSED)
{
    assert_true(span_eq_str((struct span){NULL, 0}, ""));
    assert_false(span_eq_str(span_of_str("ab"), "a"));
    assert_false(span_eq_str(span_of_str("ab"), "ac"));
}

static void span__lines_lose_their_ends_only(void **state UNUSED)
{
    struct span rest = span_of_str("one\r\n\n  two \nlast\r");
    static const char *const k_want[] = {"one", "", "  two ", "last\r"};
    struct span line;
    for (size_t i = 0; i < ARRAY_LEN(k_want); i++) {
        assert_true(span_line(&rest, &line));
        assert_true(span_eq_str(line, k_want[i]));
    }
    assert_false(span_line(&rest, &line));
}

static void span__words_skip_spaces_and_tabs(void **state UNUSED)
{
    struct span rest = span_of_str(" \tone  two\t");
    struct span word;
    assert_true(span_word(&rest, &word));
    assert_true(span_eq_str(word, "one"));
    assert_true(span_word(&rest, &word));
    assert_true(span_eq_str(word, "two"));
    assert_false(span_word(&rest, &word));
}

static void reader__consumes_nothing_when_short(void **state UNUSED)
{
    static const uint8_t k_bytes[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
    struct reader r = reader_of((struct span){k_bytes, sizeof k_bytes});
    uint8_t u8;
    uint16_t u16;
    uint32_t u32 = 0;
    uint64_t u64 = 0;
    struct span s;
    assert_true(reader_u8(&r, &u8));
    assert_int_equal(u8, 1);
    assert_true(reader_le16(&r, &u16));
    assert_int_equal(u16, 0x0302);
    assert_false(reader_le64(&r, &u64));
    assert_true(u64 == 0 && reader_left(&r) == 7);
    assert_true(reader_le32(&r, &u32));
    assert_true(u32 == 0x07060504);
    assert_false(reader_le32(&r, &u32));
    assert_false(reader_skip(&r, 4));
    assert_false(reader_take(&r, UINT64_MAX, &s));
    assert_true(reader_take(&r, 3, &s));
    assert_ptr_equal(s.data, k_bytes + 7);
    assert_false(reader_u8(&r, &u8));
    assert_false(reader_le16(&r, &u16));
    assert_true(reader_left(&r) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(span__sub_stays_inside),
        cmocka_unit_test(span__equality_compares_length_and_bytes),
        cmocka_unit_test(span__lines_lose_their_ends_only),
        cmocka_unit_test(span__words_skip_spaces_and_tabs),
        cmocka_unit_test(reader__consumes_nothing_when_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
