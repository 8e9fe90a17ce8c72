/* Built twice: with sixteen tables, and with FLX_CRC_SMALL. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/flx_core.h"
#include "ports/posix/posix_parts.h"

/* RFC 3720, B.4, and the check value of the parameter catalogues. */
static void crc__agrees_with_the_published_vectors(void **state)
{
    (void)state;
    uint8_t bytes[32];
    memset(bytes, 0, sizeof bytes);
    assert_int_equal(flx_crc32c(0, bytes, sizeof bytes), 0x8a9136aau);
    memset(bytes, 0xff, sizeof bytes);
    assert_int_equal(flx_crc32c(0, bytes, sizeof bytes), 0x62a8ab43u);
    assert_int_equal(flx_crc32c(0, "123456789", 9), 0xe3069283u);
}

/* The definition, bit by bit. */
static uint32_t crc_by_bits(const uint8_t *src, uint32_t len)
{
    uint32_t crc = UINT32_MAX;
    for (uint32_t i = 0; i < len; i++) {
        crc ^= src[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
        }
    }
    return ~crc;
}

static void crc__equals_its_definition_at_any_offset_and_cut(void **state)
{
    (void)state;
    uint8_t bytes[200];
    uint32_t random = 1;
    for (uint32_t i = 0; i < sizeof bytes; i++) {
        random = random * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(random >> 24);
    }
    const flx_crc_fn instruction = flx_posix_crc();
    for (uint32_t off = 0; off < 17; off++) {
        for (uint32_t len = 0; off + len <= sizeof bytes; len++) {
            const uint32_t want = crc_by_bits(bytes + off, len);
            const uint32_t cut = len / 3;
            const uint32_t head = flx_crc32c(0, bytes + off, cut);
            assert_int_equal(flx_crc32c(0, bytes + off, len), want);
            assert_int_equal(flx_crc32c(head, bytes + off + cut, len - cut),
                             want);
            if (instruction) {
                assert_int_equal(instruction(NULL, 0, bytes + off, len), want);
                assert_int_equal(
                    instruction(NULL, head, bytes + off + cut, len - cut),
                    want);
            }
        }
    }
}

/* Lengths at which an implementation may sum several parts side by side. */
static void crc__of_long_data_equals_that_of_its_parts(void **state)
{
    (void)state;
    enum { MOST = 40000 };
    static uint8_t bytes[MOST];
    uint32_t random = 7;
    for (uint32_t i = 0; i < MOST; i++) {
        random = random * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(random >> 24);
    }
    const flx_crc_fn instruction = flx_posix_crc();
    for (uint32_t len = 1; len <= MOST; len += len < 9000 ? 97 : 1021) {
        const uint32_t off = len < MOST ? len % 7 : 0;
        const uint32_t n = len - (off + len > MOST ? off : 0);
        const uint32_t want = crc_by_bits(bytes + off, n);
        assert_int_equal(flx_crc32c(0, bytes + off, n), want);
        if (instruction) {
            assert_int_equal(instruction(NULL, 0, bytes + off, n), want);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc__agrees_with_the_published_vectors),
        cmocka_unit_test(crc__equals_its_definition_at_any_offset_and_cut),
        cmocka_unit_test(crc__of_long_data_equals_that_of_its_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
