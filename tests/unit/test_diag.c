#include "support/fixture.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"

static const char *line_of(struct fixture *f)
{
    struct buf out;
    buf_init(&out, &f->keep);
    diag_print(&f->diag, &out);
    return buf_text(&out);
}

static void diag__prints_file_node_operator_id_and_message(void **state)
{
    struct fixture *f = *state;
    diag_set_input(&f->diag, "tiny.onnx");
    assert_false(diag_error(&f->diag, E_OP_ATTR, at_node("conv2_3", "Conv"),
                            "group %u does not divide %u input channels", 3u,
                            64u));
    assert_string_equal(line_of(f),
                        "tiny.onnx: node 'conv2_3' (Conv): error op-attr: "
                        "group 3 does not divide 64 input channels\n");
    assert_diag(f, E_OP_ATTR, "conv2_3");
    assert_int_equal(diag_exit_code(&f->diag), 1);
}

static void diag__keeps_the_first_error(void **state)
{
    struct fixture *f = *state;
    assert_false(diag_error(&f->diag, E_SHAPE, at_node("a", ""), "first"));
    assert_false(diag_error(&f->diag, E_IO, at_file("b"), "second"));
    assert_false(diag_error_budget(&f->diag, at_none(), 99, "third"));
    assert_diag(f, E_SHAPE, "a");
    assert_true(f->diag.least_bytes == 0);
    assert_string_equal(line_of(f), "node 'a': error shape: first\n");
}

static void diag__prints_each_kind_of_place(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum diag_where where;
        const char *want;
    } k_rows[] = {
        {DIAG_AT_NONE, "in.onnx: error io: x\n"},
        {DIAG_AT_NODE, "in.onnx: node 'n': error io: x\n"},
        {DIAG_AT_TENSOR, "in.onnx: tensor 'n': error io: x\n"},
        {DIAG_AT_FILE, "n: error io: x\n"},
        {DIAG_AT_BYTE, "in.onnx: byte 12: error io: x\n"},
        {DIAG_AT_LINE, "in.onnx: line 12: error io: x\n"},
        {DIAG_AT_OPTION, "option 'n': error io: x\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(k_rows); i++) {
        fixture_restart(f, ARENA_NO_FAULT);
        diag_set_input(&f->diag, "in.onnx");
        const struct diag_at at = {k_rows[i].where, "n", NULL, 12};
        assert_false(diag_error(&f->diag, E_IO, at, "x"));
        assert_string_equal(line_of(f), k_rows[i].want);
    }
}

/* A hostile name must not steer the user's terminal, nor forge a line. */
static void diag__escapes_control_characters(void **state)
{
    struct fixture *f = *state;
    assert_false(diag_error(&f->diag, E_NAME, at_node("a\n\x1b[2J", "\x7f"),
                            "tensor '%s'", "\t"));
    assert_string_equal(line_of(f), "node 'a\\x0a\\x1b[2J' (\\x7f): error "
                                    "name: tensor '\\x09'\n");
}

static void diag__cuts_long_texts(void **state)
{
    struct fixture *f = *state;
    char name[3000];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_false(diag_error(&f->diag, E_NAME, at_node(name, name), "%s", name));
    assert_int_equal(strlen(f->diag.name), DIAG_NAME_CAP - 1);
    assert_string_equal(f->diag.name + DIAG_NAME_CAP - 5, "n...");
    assert_string_equal(f->diag.text + DIAG_TEXT_CAP - 5, "n...");
    char line[16];
    assert_int_equal(diag_format(&f->diag, line, sizeof line), 15);
    assert_string_equal(line, "node 'nnnnnn...");
}

static void diag__carries_the_least_budget(void **state)
{
    struct fixture *f = *state;
    assert_false(diag_error_budget(&f->diag, at_node("conv1", "Conv"), 118000,
                                   "no plan fits 96K; the least is 118K"));
    assert_true(f->diag.least_bytes == 118000);
    assert_int_equal(diag_exit_code(&f->diag), 3);
    assert_diag(f, E_BUDGET, "conv1");
}

static void diag__collects_warnings_without_becoming_an_error(void **state)
{
    struct fixture *f = *state;
    diag_set_input(&f->diag, "m.onnx");
    diag_warn(&f->diag, at_node("d", "Dropout"), "ratio %d ignored", 2);
    assert_int_equal(diag_exit_code(&f->diag), 0);
    assert_string_equal(f->diag.warnings, "m.onnx: node 'd' (Dropout): "
                                          "warning: ratio 2 ignored\n");
    for (unsigned i = 0; i < 1000; i++) {
        diag_warn(&f->diag, at_none(), "again");
    }
    assert_int_equal(f->diag.n_warnings, 1001);
    /* Whole lines only. */
    const size_t len = strlen(f->diag.warnings);
    assert_true(len < DIAG_WARNINGS_CAP);
    assert_int_equal(f->diag.warnings[len - 1], '\n');
    assert_string_equal(line_of(f), "");
}

static void diag__ids_have_unique_names_and_known_exit_codes(void **state)
{
    struct fixture *f = *state;
    for (enum diag_id id = E_NONE + 1; id < N_DIAG_IDS; id++) {
        const char *const name = diag_id_name(id);
        for (const char *c = name; *c; c++) {
            assert_true(islower((unsigned char)*c) || *c == '-' ||
                        (c > name && isdigit((unsigned char)*c)));
        }
        for (enum diag_id other = E_NONE; other < id; other++) {
            assert_string_not_equal(name, diag_id_name(other));
        }
        diag_init(&f->diag);
        assert_false(diag_error(&f->diag, id, at_none(), "x"));
        assert_in_range(diag_exit_code(&f->diag), 1, 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(diag__prints_file_node_operator_id_and_message),
        FIXTURE_TEST(diag__keeps_the_first_error),
        FIXTURE_TEST(diag__prints_each_kind_of_place),
        FIXTURE_TEST(diag__escapes_control_characters),
        FIXTURE_TEST(diag__cuts_long_texts),
        FIXTURE_TEST(diag__carries_the_least_budget),
        FIXTURE_TEST(diag__collects_warnings_without_becoming_an_error),
        FIXTURE_TEST(diag__ids_have_unique_names_and_known_exit_codes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
