#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ports/baremetal/flash_polled.h"
#include "storage/store_mem.h"

enum { BYTES = 100 };

static uint8_t k_blob_at(uint32_t i)
{
    return (uint8_t)(i * 37 + 11);
}

static void fill(uint8_t *blob)
{
    for (uint32_t i = 0; i < BYTES; i++) {
        blob[i] = k_blob_at(i);
    }
}

static void assert_read(const uint8_t *dst, uint32_t off, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        assert_int_equal(dst[i], k_blob_at(off + i));
    }
    assert_int_equal(dst[len], 0xee);
}

static void store__brings_what_is_asked_for(void **state)
{
    (void)state;
    uint8_t blob[BYTES];
    uint8_t dst[BYTES + 1];
    uint32_t n_in = 0;
    fill(blob);
    struct flx_store_mem s = {.blob = blob, .bytes = BYTES};
    for (uint32_t off = 0; off <= BYTES; off += 7) {
        memset(dst, 0xee, sizeof dst);
        assert_int_equal(flx_store_mem_start(&s, off, dst, BYTES - off),
                         FLX_OK);
        assert_int_equal(flx_store_mem_finish(&s, 0, &n_in), FLX_OK);
        assert_read(dst, off, BYTES - off);
    }
}

static void store__brings_a_part_at_each_poll(void **state)
{
    (void)state;
    uint8_t blob[BYTES];
    uint8_t dst[BYTES + 1];
    uint32_t n_in = 0;
    fill(blob);
    struct flx_store_mem s = {.blob = blob, .bytes = BYTES, .poll_bytes = 30};
    memset(dst, 0xee, sizeof dst);
    assert_int_equal(flx_store_mem_start(&s, 0, dst, 90), FLX_OK);
    assert_int_equal(flx_store_mem_finish(&s, 0, &n_in), FLX_PENDING);
    assert_int_equal(n_in, 30);
    assert_int_equal(dst[30], 0xee);
    assert_int_equal(flx_store_mem_finish(&s, 0, &n_in), FLX_PENDING);
    assert_int_equal(flx_store_mem_finish(&s, 0, &n_in), FLX_OK);
    assert_read(dst, 0, 90);
    assert_int_equal(flx_store_mem_start(&s, 3, dst, 90), FLX_OK);
    assert_int_equal(flx_store_mem_finish(&s, 0, &n_in), FLX_PENDING);
    assert_int_equal(flx_store_mem_finish(&s, 1, &n_in), FLX_OK);
    assert_read(dst, 3, 90);
}

static void store__refuses_reads_beyond_its_end(void **state)
{
    (void)state;
    uint8_t blob[BYTES];
    uint8_t dst[BYTES];
    fill(blob);
    struct flx_store_mem s = {.blob = blob, .bytes = BYTES};
    assert_int_equal(flx_store_mem_start(&s, 0, dst, BYTES + 1), FLX_E_STORAGE);
    assert_int_equal(flx_store_mem_start(&s, 90, dst, 11), FLX_E_STORAGE);
    assert_int_equal(flx_store_mem_start(&s, BYTES + 1, dst, 0), FLX_E_STORAGE);
    assert_int_equal(flx_store_mem_start(&s, 2, dst, UINT32_MAX),
                     FLX_E_STORAGE);
}

/* The bare-metal port's store, which needs no bare metal. */
static void flash__gives_words_as_bytes_between_polls(void **state)
{
    (void)state;
    uint8_t blob[BYTES];
    uint32_t word[BYTES / 4];
    uint8_t dst[BYTES + 1];
    uint32_t n_in = 0;
    fill(blob);
    for (uint32_t i = 0; i < BYTES / 4; i++) {
        const uint8_t *b = blob + (size_t)4 * i;
        word[i] = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
                  (uint32_t)b[3] << 24;
    }
    struct flx_flash f = {.device = word, .bytes = BYTES, .burst_words = 5};
    for (uint32_t len = 1; len <= BYTES - 8; len++) {
        memset(dst, 0xee, sizeof dst);
        assert_int_equal(flx_flash_start(&f, 8, dst, len), FLX_OK);
        uint32_t n_polls = 1;
        while (flx_flash_finish(&f, 0, &n_in) == FLX_PENDING) {
            assert_int_equal(n_in, 20 * n_polls);
            n_polls++;
        }
        assert_int_equal(n_polls, (len + 19) / 20);
        assert_read(dst, 8, len);
    }
    assert_true(f.n_polls > 0);
    assert_int_equal(flx_flash_start(&f, 0, dst, BYTES), FLX_OK);
    assert_int_equal(flx_flash_finish(&f, 1, &n_in), FLX_OK);
    assert_int_equal(flx_flash_start(&f, 2, dst, 4), FLX_E_STORAGE);
    assert_int_equal(flx_flash_start(&f, 96, dst, 5), FLX_E_STORAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(store__brings_what_is_asked_for),
        cmocka_unit_test(store__brings_a_part_at_each_poll),
        cmocka_unit_test(store__refuses_reads_beyond_its_end),
        cmocka_unit_test(flash__gives_words_as_bytes_between_polls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
