#include "support/fixture.h"

#include "base/le.h"
#include "base/size.h"

static void size__add_refuses_what_wraps(void **state UNUSED)
{
    uint64_t out = 7;
    assert_true(size_add(&out, UINT64_MAX - 1, 1));
    assert_true(out == UINT64_MAX);
    assert_false(size_add(&out, UINT64_MAX, 1));
    assert_false(size_add(&out, 1, UINT64_MAX));
    assert_true(out == UINT64_MAX); /* unchanged */
}

static void size__sub_refuses_below_zero(void **state UNUSED)
{
    uint64_t out = 7;
    assert_true(size_sub(&out, 5, 5));
    assert_true(out == 0);
    assert_false(size_sub(&out, 4, 5));
    assert_true(out == 0);
}

static void size__mul_refuses_what_wraps(void **state UNUSED)
{
    uint64_t out = 7;
    assert_true(size_mul(&out, UINT64_C(0x100000000), UINT64_C(0xffffffff)));
    assert_true(out == UINT64_C(0xffffffff00000000));
    assert_false(size_mul(&out, UINT64_C(0x100000000), UINT64_C(0x100000000)));
    assert_true(out == UINT64_C(0xffffffff00000000));
    assert_true(size_mul(&out, UINT64_MAX, 0));
    assert_true(out == 0);
}

static void size__align_rounds_up_and_refuses_bad_alignment(void **state UNUSED)
{
    uint64_t out = 7;
    assert_true(size_align(&out, 0, 64));
    assert_true(out == 0);
    assert_true(size_align(&out, 65, 64));
    assert_true(out == 128);
    assert_true(size_align(&out, UINT64_MAX - 63, 64));
    assert_true(out == UINT64_MAX - 63);
    assert_false(size_align(&out, UINT64_MAX - 62, 64));
    assert_false(size_align(&out, 1, 0));
    assert_false(size_align(&out, 1, 48));
    assert_true(out == UINT64_MAX - 63);
}

static void size__u32_from_refuses_33_bits(void **state UNUSED)
{
    uint32_t out = 7;
    assert_true(u32_from(&out, UINT32_MAX));
    assert_true(out == UINT32_MAX);
    assert_false(u32_from(&out, (uint64_t)UINT32_MAX + 1));
    assert_true(out == UINT32_MAX);
}

static void size__div_up_does_not_overflow_at_the_end(void **state UNUSED)
{
    assert_true(size_div_up(0, 3) == 0);
    assert_true(size_div_up(6, 3) == 2);
    assert_true(size_div_up(7, 3) == 3);
    assert_true(size_div_up(UINT64_MAX, 2) == UINT64_C(1) << 63);
}

static void le__puts_low_bytes_first_at_any_address(void **state UNUSED)
{
    uint8_t bytes[9] = {0};
    le64_put(bytes + 1, UINT64_C(0x8877665544332211));
    for (unsigned i = 1; i < 9; i++) {
        assert_int_equal(bytes[i], 0x11 * i);
    }
    assert_true(le64_get(bytes + 1) == UINT64_C(0x8877665544332211));
    assert_true(le32_get(bytes + 5) == UINT32_C(0x88776655));
    assert_true(le16_get(bytes + 7) == 0x8877);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(size__add_refuses_what_wraps),
        cmocka_unit_test(size__sub_refuses_below_zero),
        cmocka_unit_test(size__mul_refuses_what_wraps),
        cmocka_unit_test(size__align_rounds_up_and_refuses_bad_alignment),
        cmocka_unit_test(size__u32_from_refuses_33_bits),
        cmocka_unit_test(size__div_up_does_not_overflow_at_the_end),
        cmocka_unit_test(le__puts_low_bytes_first_at_any_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
