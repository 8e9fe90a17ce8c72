#include "support/fixture.h"

#include <string.h>

#include "base/crc32c.h"

/* RFC 3720, B.4, and the check value of the parameter catalogues. */
static void crc32c__agrees_with_the_published_vectors(void **state UNUSED)
{
    uint8_t bytes[32];
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x62a8ab43u);
    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)i;
    }
    assert_int_equal(crc32c(0, bytes, sizeof bytes), 0x46dd794eu);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(crc32c(0, NULL, 0), 0);
}

/* The definition, bit by bit. */
static uint32_t crc_by_bits(const uint8_t *src, size_t len)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= src[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
        }
    }
    return ~crc;
}

static void crc32c__equals_its_definition_at_any_offset(void **state UNUSED)
{
    uint8_t bytes[300];
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof bytes; i++) {
        random = random * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(random >> 24);
    }
    for (size_t off = 0; off < 9; off++) {
        for (size_t len = 0; off + len <= sizeof bytes; len++) {
            assert_int_equal(crc32c(0, bytes + off, len),
                             crc_by_bits(bytes + off, len));
        }
    }
}

static void crc32c__continues_over_parts(void **state UNUSED)
{
    static const char k_text[] = "The quick brown fox jumps over the lazy dog";
    const uint64_t len = strlen(k_text);
    const uint32_t whole = crc32c(0, k_text, len);
    for (uint64_t cut = 0; cut <= len; cut++) {
        const uint32_t head = crc32c(0, k_text, cut);
        assert_int_equal(crc32c(head, k_text + cut, len - cut), whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc32c__agrees_with_the_published_vectors),
        cmocka_unit_test(crc32c__equals_its_definition_at_any_offset),
        cmocka_unit_test(crc32c__continues_over_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
