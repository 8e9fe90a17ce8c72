#include "support/fixture.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/fileio.h"
#include "frontend/device/device_read.h"
#include "ir/target.h"

static const char good[] = "# a device\n"
                           "name tiny\n"
                           "storage read # from flash\n"
                           "read 40 MB/s\n"
                           "read-latency 500 us\n"
                           "decode 2 GB/s\n"
                           "loader-shares-core yes\n"
                           "\n"
                           "step 3 us\n"
                           "gemm 2 GMAC/s\n"
                           "depthwise 700 MMAC/s\n"
                           "weights 1 GB/s\n"
                           "ewise 900 MB/s\n"
                           "pool 55 Mop/s\n";

static void device_read__turns_units_into_the_planners(void **state)
{
    struct fixture *f = *state;
    struct device d;
    assert_true(device_parse(span_of_str(good), &f->cx, &d));
    assert_string_equal(d.name, "tiny");
    assert_int_equal(d.storage, STORAGE_READ);
    assert_int_equal(d.read_bytes_per_ms, 40000);
    assert_int_equal(d.read_latency_ns, 500000);
    assert_int_equal(d.decode_bytes_per_ms, 2000000);
    assert_true(d.loader_shares_core);
    assert_int_equal(d.step_ns, 3000);
    assert_int_equal(d.speed[SPEED_GEMM], 2000);
    assert_int_equal(d.speed[SPEED_DEPTHWISE], 700);
    assert_int_equal(d.speed[SPEED_WEIGHTS], 1000);
    assert_int_equal(d.speed[SPEED_EWISE], 900);
    assert_int_equal(d.speed[SPEED_POOL], 55);
    /* Not there: parts of gemm, and any cache. */
    assert_int_equal(d.speed[SPEED_WINOGRAD], 1666);
    assert_int_equal(d.speed[SPEED_TRANSFORM], 8);
    assert_int_equal(d.speed[SPEED_EXP], 83);
    assert_true(d.cache_bytes == UINT64_MAX);
    assert_int_equal(d.margin_percent, 0);
}

static void device_read__takes_what_may_be_missing(void **state)
{
    struct fixture *f = *state;
    struct device d;
    const char *const text = arena_printf(&f->keep,
                                          "%sexp 1 Gop/s\ncache 2 MiB\n"
                                          "margin 145 %%\n"
                                          "winograd 3 GMAC/s\n"
                                          "transform 40 Mop/s\n",
                                          good);
    assert_true(device_parse(span_of_str(text), &f->cx, &d));
    assert_int_equal(d.speed[SPEED_WINOGRAD], 3000);
    assert_int_equal(d.speed[SPEED_TRANSFORM], 40);
    assert_int_equal(d.speed[SPEED_EXP], 1000);
    assert_int_equal(d.cache_bytes, 2 << 20);
    assert_int_equal(d.margin_percent, 145);
}

/* `good` with one line replaced (NULL: taken out). */
static const char *with_line(struct fixture *f, const char *key,
                             const char *line)
{
    struct buf b;
    buf_init(&b, &f->keep);
    struct span rest = span_of_str(good);
    struct span l;
    while (span_line(&rest, &l)) {
        struct span tail = l;
        struct span word;
        if (span_word(&tail, &word) && span_eq_str(word, key)) {
            buf_str(&b, line ? line : "");
        } else {
            buf_span(&b, l);
        }
        buf_char(&b, '\n');
    }
    return buf_text(&b);
}

static void refused(struct fixture *f, const char *key, const char *line)
{
    struct device d = {.name = "untouched"};
    const char *const text = with_line(f, key, line);
    assert_false(device_parse(span_of_str(text), &f->cx, &d));
    assert_diag(f, E_DEVICE, "");
    assert_string_equal(d.name, "untouched");
    fixture_restart(f, ARENA_NO_FAULT);
}

static void device_read__refuses_every_missing_key(void **state)
{
    static const char *const k_keys[] = {
        "name",      "storage", "read", "read-latency",
        "decode",    "step",    "gemm", "ewise",
        "depthwise", "weights", "pool", "loader-shares-core"};
    for (size_t i = 0; i < ARRAY_LEN(k_keys); i++) {
        refused(*state, k_keys[i], NULL);
    }
}

static void device_read__refuses_what_it_does_not_understand(void **state)
{
    static const char *const k_bad[][2] = {
        {"read", "read 40"},
        {"read", "read 40 MMAC/s"},
        {"read", "read 0 MB/s"},
        {"read", "read -1 MB/s"},
        {"read-latency", "read-latency -1 us"},
        {"decode", "decode 0 GB/s"},
        {"step", "step -3 us"},
        {"gemm", "gemm 0 GMAC/s"},
        {"gemm", "gemm -2 GMAC/s"},
        {"weights", "weights 0 GB/s"},
        {"ewise", "ewise 0 MB/s"},
        {"pool", "pool 0 Mop/s"},
        {"read", "read 1.5 MB/s"},
        {"read", "read 99999999999999999 GB/s"},
        {"read", "rate 40 MB/s"},
        {"read", "read 40 MB/s each"},
        {"step", "step 3 us\nstep 3 us"},
        {"storage", "storage tape"},
        {"storage", "storage"},
        {"name", "name a b"},
    };
    for (size_t i = 0; i < ARRAY_LEN(k_bad); i++) {
        refused(*state, k_bad[i][0], k_bad[i][1]);
    }
}

static void device_read__names_the_line_of_the_fault(void **state)
{
    struct fixture *f = *state;
    struct device d;
    assert_false(
        device_parse(span_of_str("name x\nstorage tape\n"), &f->cx, &d));
    assert_int_equal(f->diag.where, DIAG_AT_LINE);
    assert_int_equal(f->diag.offset, 2);
}

static void device_read__prints_what_it_reads_back(void **state)
{
    struct fixture *f = *state;
    struct device a;
    struct device b;
    struct buf text;
    buf_init(&text, &f->keep);
    assert_true(device_parse(span_of_str(good), &f->cx, &a));
    assert_true(device_print(&a, &text));
    assert_true(device_parse(buf_bytes(&text), &f->cx, &b));
    assert_string_equal(a.name, b.name);
    b.name = a.name;
    assert_int_equal(a.storage, b.storage);
    assert_int_equal(a.read_bytes_per_ms, b.read_bytes_per_ms);
    assert_int_equal(a.read_latency_ns, b.read_latency_ns);
    assert_int_equal(a.decode_bytes_per_ms, b.decode_bytes_per_ms);
    assert_int_equal(a.loader_shares_core, b.loader_shares_core);
    assert_int_equal(a.step_ns, b.step_ns);
    assert_memory_equal(a.speed, b.speed, sizeof a.speed);
    assert_true(a.cache_bytes == b.cache_bytes);
    assert_true(a.margin_percent == b.margin_percent);
}

/* Each target names a profile that the build ships. */
static void device_read__reads_the_profile_of_every_target(void **state)
{
    struct fixture *f = *state;
    const char *const root = getenv("FLEXC_SOURCE_DIR");
    for (uint32_t i = 0; target_at(i); i++) {
        const char *const path =
            arena_printf(&f->keep, "%s/plans/devices/%s.dev", root ? root : ".",
                         target_at(i)->device);
        struct device d;
        assert_non_null(path);
        if (!device_read(path, &f->cx, &d)) {
            assert_no_diag(f);
        }
        assert_string_equal(d.name, target_at(i)->device);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(device_read__turns_units_into_the_planners),
        FIXTURE_TEST(device_read__takes_what_may_be_missing),
        FIXTURE_TEST(device_read__refuses_every_missing_key),
        FIXTURE_TEST(device_read__refuses_what_it_does_not_understand),
        FIXTURE_TEST(device_read__names_the_line_of_the_fault),
        FIXTURE_TEST(device_read__prints_what_it_reads_back),
        FIXTURE_TEST(device_read__reads_the_profile_of_every_target),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
