#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/flx_core.h"

/* LOAD; LOOP 3 { LOAD LOAD }; LOOP 1 { LOAD }; LOAD */
static const uint32_t k_words[] = {
    FLX_LOAD, 0,       1,        0, 0, 0,        FLX_LOOP, 3, 12, FLX_LOAD,
    0,        1,       0,        0, 0, FLX_LOAD, 0,        1, 0,  0,
    0,        FLX_END, FLX_LOOP, 1, 6, FLX_LOAD, 0,        1, 0,  0,
    0,        FLX_END, FLX_LOAD, 0, 1, 0,        0,        0,
};
static const struct flx_section k_section = {k_words,
                                             sizeof k_words / sizeof *k_words};

/* Word and iteration of each executed instruction, by hand. */
static const uint32_t k_order[][2] = {{0, 0}, {9, 0},  {15, 0}, {9, 1}, {15, 1},
                                      {9, 2}, {15, 2}, {25, 0}, {32, 0}};
enum { N_EXECUTED = sizeof k_order / sizeof *k_order };

static void cursor__executes_loops(void **state)
{
    (void)state;
    struct flx_cursor at;
    flx_cursor_start(&k_section, &at);
    for (uint32_t i = 0; i < N_EXECUTED; i++) {
        assert_int_equal(at.pc, k_order[i][0]);
        assert_int_equal(at.iter, k_order[i][1]);
        flx_cursor_next(&k_section, &at);
    }
    assert_int_equal(at.pc, k_section.n_words);
}

static void cursor__starts_inside_a_leading_loop_and_at_once_ends(void **state)
{
    (void)state;
    const struct flx_section loop = {k_words + 6, 16};
    struct flx_cursor at;
    flx_cursor_start(&loop, &at);
    assert_int_equal(at.pc, 3);
    const struct flx_section empty = {k_words, 0};
    flx_cursor_start(&empty, &at);
    assert_int_equal(at.pc, 0);
}

static void seek__finds_every_place_that_a_cursor_reaches(void **state)
{
    (void)state;
    struct flx_cursor at;
    flx_cursor_start(&k_section, &at);
    for (uint32_t i = 0; i < N_EXECUTED; i++) {
        struct flx_place p;
        assert_true(flx_seek(&k_section, at.pc, at.iter, &p));
        assert_int_equal(p.number, i);
        assert_int_equal(p.per_iter, at.pc == 9 || at.pc == 15 ? 2
                                     : at.pc == 25             ? 1
                                                               : 0);
        assert_memory_equal(&p.at, &at, sizeof at);
        flx_cursor_next(&k_section, &at);
    }
    struct flx_place end;
    assert_true(flx_seek(&k_section, k_section.n_words, 5, &end));
    assert_int_equal(end.number, N_EXECUTED);
    assert_int_equal(end.at.pc, k_section.n_words);
}

static void seek__takes_a_loop_for_the_first_of_its_body(void **state)
{
    (void)state;
    struct flx_place p;
    assert_true(flx_seek(&k_section, 6, 2, &p));
    assert_int_equal(p.at.pc, 9);
    assert_int_equal(p.at.iter, 2);
    assert_int_equal(p.number, 5);
    /* After the last iteration: into the next loop. */
    assert_true(flx_seek(&k_section, 6, 3, &p));
    assert_int_equal(p.at.pc, 25);
    assert_int_equal(p.number, 7);
}

static void seek__refuses_places_that_are_none(void **state)
{
    (void)state;
    struct flx_place p;
    assert_false(flx_seek(&k_section, 3, 0, &p));  /* inside a LOAD */
    assert_false(flx_seek(&k_section, 7, 0, &p));  /* inside a LOOP */
    assert_false(flx_seek(&k_section, 21, 0, &p)); /* an END */
    assert_false(flx_seek(&k_section, 9, 4, &p));
    assert_false(flx_seek(&k_section, 15, 3, &p)); /* middle of no iteration */
    assert_false(flx_seek(&k_section, 9, UINT32_MAX, &p));
    assert_false(flx_seek(&k_section, k_section.n_words + 1, 0, &p));
    /* The last word of the section looks like a LOOP. */
    const uint32_t load[FLX_LOAD_WORDS] = {FLX_LOAD, 0, 1, 0, 0, FLX_LOOP};
    const struct flx_section one = {load, FLX_LOAD_WORDS};
    assert_false(flx_seek(&one, 5, 0, &p));
}

/* The format: ends are clamp(a * i + b, 0, rows), from the end before. */
static void rows__follow_each_other_without_gap(void **state)
{
    (void)state;
    static const struct flx_layer k_layer[1] = {{.rows = 10}};
    const struct flx_model m = {.layer = k_layer, .n_layer = 1};
    for (int32_t a = 0; a < 5; a++) {
        for (int32_t b = -6; b < 14; b++) {
            const uint32_t in[FLX_ROWS_WORDS] = {
                FLX_ROWS, 1u << 16, 0, 0, 4, (uint32_t)a, (uint32_t)b, 3};
            uint32_t row = 0;
            for (uint32_t i = 0; i < 8; i++) {
                struct flx_box box;
                flx_box_decode(&m, in, i, &box);
                const int32_t end = a * (int32_t)i + b;
                const int32_t want = end < 0 ? 0 : end > 10 ? 10 : end;
                assert_int_equal(box.r0, row);
                assert_int_equal(box.r1, want);
                assert_int_equal(box.wait, 4 + 3 * i);
                row = box.r1;
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cursor__executes_loops),
        cmocka_unit_test(cursor__starts_inside_a_leading_loop_and_at_once_ends),
        cmocka_unit_test(seek__finds_every_place_that_a_cursor_reaches),
        cmocka_unit_test(seek__takes_a_loop_for_the_first_of_its_body),
        cmocka_unit_test(seek__refuses_places_that_are_none),
        cmocka_unit_test(rows__follow_each_other_without_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
