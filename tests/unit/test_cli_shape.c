#include "cli/cli_shape.h"

#include <string.h>

#include "support/fixture.h"

/* The entries of up to two --shape. */
static bool parse(struct fixture *f, const char *a, const char *b,
                  struct cli_entry **e, uint32_t *n)
{
    struct cli_shapes s = {0};
    diag_init(&f->diag);
    return cli_shape_add(&s, a, &f->cx) &&
           (!b || cli_shape_add(&s, b, &f->cx)) &&
           cli_shape_entries(&s, &f->cx, e, n);
}

static void shape__without_names_is_one_entry(void **state)
{
    struct fixture *f = *state;
    struct cli_entry *e = NULL;
    uint32_t n = 0;
    assert_true(parse(f, "a=b=1x20", "s=", &e, &n));
    assert_int_equal(n, 1);
    assert_null(e->name);
    assert_int_equal(e->n_shape, 2);
    assert_string_equal(e->shape[0].name, "a=b");
    assert_int_equal(e->shape[0].shape.rank, 2);
    assert_int_equal(e->shape[0].shape.dim[1], 20);
    assert_string_equal(e->shape[1].name, "s");
    assert_int_equal(e->shape[1].shape.rank, 0);
}

static void shape__one_value_makes_no_name(void **state)
{
    struct fixture *f = *state;
    struct cli_entry *e = NULL;
    uint32_t n = 0;
    assert_true(parse(f, "x=1xTxK,T=7", NULL, &e, &n));
    assert_int_equal(n, 1);
    assert_null(e->name);
    assert_int_equal(e->shape->shape.dim[1], 7);
    assert_true(e->shape->shape.dim[2] == DIM_UNKNOWN);
    assert_string_equal(e->shape->size[2], "K");
}

/* A size is the same in all inputs; the last one changes first. */
static void shape__values_make_their_product(void **state)
{
    struct fixture *f = *state;
    struct cli_entry *e = NULL;
    uint32_t n = 0;
    assert_true(parse(f, "x=1xHxW,H=8/2..5:2", "y=HxW,W=3..7", &e, &n));
    static const char *const names[] = {"H8_W3", "H8_W6", "H8_W7",
                                        "H2_W3", "H2_W6", "H2_W7",
                                        "H4_W3", "H4_W6", "H4_W7"};
    static const int64_t h[] = {8, 2, 4};
    static const int64_t w[] = {3, 6, 7};
    assert_int_equal(n, 9);
    for (uint32_t i = 0; i < n; i++) {
        assert_string_equal(e[i].name, names[i]);
        assert_int_equal(e[i].shape[0].shape.dim[1], h[i / 3]);
        assert_int_equal(e[i].shape[0].shape.dim[2], w[i % 3]);
        assert_int_equal(e[i].shape[1].shape.dim[0], h[i / 3]);
        assert_int_equal(e[i].shape[1].shape.dim[1], w[i % 3]);
    }
}

static void shape__steps_reach_the_high_end_when_they_meet_it(void **state)
{
    struct fixture *f = *state;
    struct cli_entry *e = NULL;
    uint32_t n = 0;
    assert_true(parse(f, "x=H,H=160..640:160", NULL, &e, &n));
    assert_int_equal(n, 4);
    assert_string_equal(e[3].name, "H640");
    assert_true(parse(f, "x=H,H=160..639:160", NULL, &e, &n));
    assert_int_equal(n, 3);
    assert_true(parse(f, "x=H,H=160..640", NULL, &e, &n));
    assert_int_equal(n, 3);
    assert_string_equal(e[2].name, "H640");
    assert_true(parse(f, "x=H,H=4294967290..4294967295:3", NULL, &e, &n));
    assert_int_equal(n, 2);
}

static void shape__refuses_what_has_no_meaning(void **state)
{
    static const char *const bad[] = {"x",
                                      "=1x3",
                                      "x=1x",
                                      "x=xx",
                                      "x=1x-3",
                                      "x=1x2.5",
                                      "x=Hx1,H=",
                                      "x=H,H=1/",
                                      "x=H,H=a",
                                      "x=H,H=2..1",
                                      "x=H,H=0..4",
                                      "x=H,H=1..4:0",
                                      "x=H,H=1..2.",
                                      "x=H,H=1:2",
                                      "x=H,H=3/1..3",
                                      "x=H,H=1,H=2",
                                      "x=1,H=2",
                                      "x=H,H=1,W",
                                      "x=H,H=1,=2",
                                      "x=H,H=1..65:1",
                                      "x=4294967296",
                                      "x=H,H=4294967296",
                                      "x=1x2x3x4x5x6x7x8x9"};
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct cli_entry *e = NULL;
        uint32_t n = 0;
        assert_false(parse(f, bad[i], NULL, &e, &n));
        assert_diag(f, E_USAGE, "--shape");
    }
    struct cli_entry *e = NULL;
    uint32_t n = 0;
    assert_false(parse(f, "x=H,H=1..9:1", "y=W,W=1..8:1", &e, &n));
    assert_diag(f, E_USAGE, "--shape");
}

static void shape__fails_cleanly_without_memory(void **state)
{
    struct fixture *f = *state;
    bool is_done = false;
    for (uint64_t k = 0; !is_done; k++) {
        struct cli_shapes s = {0};
        struct cli_entry *e = NULL;
        uint32_t n = 0;
        fixture_restart(f, k);
        is_done = cli_shape_add(&s, "x=1xHxW,H=1/2,W=3/4", &f->cx) &&
                  cli_shape_entries(&s, &f->cx, &e, &n);
        if (!is_done) {
            assert_int_equal(f->diag.id, E_MEMORY);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(shape__without_names_is_one_entry),
        FIXTURE_TEST(shape__one_value_makes_no_name),
        FIXTURE_TEST(shape__values_make_their_product),
        FIXTURE_TEST(shape__steps_reach_the_high_end_when_they_meet_it),
        FIXTURE_TEST(shape__refuses_what_has_no_meaning),
        FIXTURE_TEST(shape__fails_cleanly_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
