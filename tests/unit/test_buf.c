#include "support/fixture.h"

#include <string.h>

#include "base/buf.h"

static void buf__collects_text_and_numbers(void **state)
{
    struct fixture *f = *state;
    struct buf b;
    buf_init(&b, &f->keep);
    assert_string_equal(buf_text(&b), "");
    buf_str(&b, "id ");
    buf_printf(&b, "%u/%s", 7u, "x");
    buf_char(&b, ' ');
    buf_hex(&b, "\x0f\xa0", 2);
    assert_string_equal(buf_text(&b), "id 7/x 0fa0");
    buf_cut(&b, 2);
    assert_string_equal(buf_text(&b), "id");
    assert_true(buf_ok(&b));
}

static void buf__writes_integers_little_endian_and_pads(void **state)
{
    struct fixture *f = *state;
    struct buf b;
    buf_init(&b, &f->keep);
    buf_u8(&b, 1);
    buf_align(&b, 4);
    buf_le16(&b, 0x0302);
    buf_le32(&b, 0x07060504);
    buf_le64(&b, UINT64_C(0x0f0e0d0c0b0a0908));
    buf_align(&b, 2); /* already there */
    static const uint8_t k_want[] = {1, 0, 0, 0,  2,  3,  4,  5,  6,
                                     7, 8, 9, 10, 11, 12, 13, 14, 15};
    assert_true(span_eq(buf_bytes(&b), (struct span){k_want, sizeof k_want}));
}

static void buf__grows_without_losing_bytes(void **state)
{
    struct fixture *f = *state;
    struct buf b;
    buf_init(&b, &f->keep);
    for (uint32_t i = 0; i < 50000; i++) {
        buf_le32(&b, i);
    }
    assert_true(b.len == 200000);
    struct reader r = reader_of(buf_bytes(&b));
    for (uint32_t i = 0; i < 50000; i++) {
        uint32_t value;
        assert_true(reader_le32(&r, &value));
        assert_int_equal(value, i);
    }
    buf_free(&b);
    assert_true(f->keep.held_bytes == 0);
    buf_str(&b, "again");
    assert_string_equal(buf_text(&b), "again");
}

static void fill(struct buf *b)
{
    buf_str(b, "head ");
    buf_zeros(b, 1000);
    buf_printf(b, "%01000d", 5);
    if (buf_extend(b, 5000) != NULL) {
        buf_cut(b, b->len - 5000);
    }
    buf_put(b, "tail", 4);
}

static void buf__makes_control_characters_visible(void **state)
{
    struct fixture *f = *state;
    struct buf b;
    buf_init(&b, &f->keep);
    buf_visible(&b, "a\n\x1b[2J\x7f \xc3\xa9~");
    assert_string_equal(buf_text(&b), "a\\x0a\\x1b[2J\\x7f \xc3\xa9~");
    buf_free(&b);
}

static void buf__is_broken_for_good_after_lack_of_memory(void **state)
{
    struct fixture *f = *state;
    uint64_t k = 0;
    for (;; k++) {
        fixture_restart(f, k);
        struct buf b;
        buf_init(&b, &f->keep);
        fill(&b);
        if (!fixture_failed(f)) {
            assert_true(buf_ok(&b));
            assert_true(b.len == 5 + 1000 + 1000 + 4);
            break;
        }
        assert_false(buf_ok(&b));
        assert_diag(f, E_MEMORY, "");
        /* Memory is back, but there is a hole in the content. */
        f->fault.fail_at = ARENA_NO_FAULT;
        const uint64_t len = b.len;
        buf_str(&b, "more");
        assert_true(b.len == len);
        assert_false(buf_ok(&b));
        buf_free(&b);
        assert_true(buf_ok(&b));
        assert_true(f->keep.held_bytes == 0);
    }
    assert_true(k >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(buf__collects_text_and_numbers),
        FIXTURE_TEST(buf__writes_integers_little_endian_and_pads),
        FIXTURE_TEST(buf__grows_without_losing_bytes),
        FIXTURE_TEST(buf__makes_control_characters_visible),
        FIXTURE_TEST(buf__is_broken_for_good_after_lack_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
