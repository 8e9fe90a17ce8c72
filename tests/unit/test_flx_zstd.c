#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zstd.h>

#include "codec/flx_zstd.h"
#include "flexrt/flx_format.h"

enum { RAW = 70000, CAP = 80000 };

struct frame {
    uint8_t raw[RAW];
    uint8_t stored[CAP];
    uint8_t got[RAW + 64];
    uint32_t n;
    void *work; /* of the heap: ASan sees a touch outside */
};

static int setup(void **state)
{
    struct frame *f = calloc(1, sizeof *f);
    assert_non_null(f);
    uint32_t random = 9;
    for (uint32_t i = 0; i < RAW; i++) {
        random = random * 1664525u + 1013904223u;
        f->raw[i] = (uint8_t)(random >> 28);
    }
    f->n = (uint32_t)ZSTD_compress(f->stored, CAP, f->raw, RAW, 9);
    f->work = malloc(FLX_ZSTD_WORK_BYTES);
    assert_non_null(f->work);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct frame *f = *state;
    free(f->work);
    free(f);
    return 0;
}

static enum flx_err decode(struct frame *f, uint32_t dst_len, uint32_t src_len,
                           uint32_t work_len)
{
    memset(f->got, 0x5a, sizeof f->got);
    return flx_zstd_decode(f->got, dst_len, f->stored, src_len, f->work,
                           work_len);
}

static void
zstd__decodes_a_chunk_in_the_workspace_that_plans_count(void **state)
{
    struct frame *f = *state;
    assert_true(flx_zstd_work_bytes() <= FLX_ZSTD_WORK_BYTES);
    assert_int_equal(decode(f, RAW, f->n, FLX_ZSTD_WORK_BYTES), FLX_OK);
    assert_memory_equal(f->got, f->raw, RAW);
    for (uint32_t i = RAW; i < sizeof f->got; i++) {
        assert_int_equal(f->got[i], 0x5a);
    }
}

static void zstd__refuses_other_lengths_and_a_small_workspace(void **state)
{
    struct frame *f = *state;
    assert_int_equal(decode(f, RAW + 1, f->n, FLX_ZSTD_WORK_BYTES),
                     FLX_E_DECODE);
    assert_int_equal(decode(f, RAW - 1, f->n, FLX_ZSTD_WORK_BYTES),
                     FLX_E_DECODE);
    assert_int_equal(decode(f, RAW, f->n - 1, FLX_ZSTD_WORK_BYTES),
                     FLX_E_DECODE);
    assert_int_equal(decode(f, RAW, 0, FLX_ZSTD_WORK_BYTES), FLX_E_DECODE);
    assert_int_equal(decode(f, RAW, f->n, 4096), FLX_E_DECODE);
    assert_int_equal(decode(f, RAW, f->n, 0), FLX_E_DECODE);
}

/* A checksum guards chunks; a decoder must still survive any bytes. */
static void zstd__survives_flipped_bits_inside_its_bounds(void **state)
{
    struct frame *f = *state;
    for (uint32_t bit = 0; bit < 8 * f->n; bit += 101) {
        f->stored[bit / 8] ^= (uint8_t)(1u << bit % 8);
        const enum flx_err err = decode(f, RAW, f->n, FLX_ZSTD_WORK_BYTES);
        assert_true(err == FLX_OK || err == FLX_E_DECODE);
        for (uint32_t i = RAW; i < sizeof f->got; i++) {
            assert_int_equal(f->got[i], 0x5a);
        }
        f->stored[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

#define FRAME_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FRAME_TEST(zstd__decodes_a_chunk_in_the_workspace_that_plans_count),
        FRAME_TEST(zstd__refuses_other_lengths_and_a_small_workspace),
        FRAME_TEST(zstd__survives_flipped_bits_inside_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
