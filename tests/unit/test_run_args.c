#include <string.h>

#include "run/run_args.h"
#include "support/fixture.h"

enum { MAX_ARGS = 20 };

/* Parses the words of a line. */
static bool parse(struct fixture *f, const char *line, struct run_args *out)
{
    char *argv[MAX_ARGS] = {(char *)"flexrun"};
    int argc = 1;
    char *copy = arena_strdup(&f->keep, line);
    assert_non_null(copy);
    for (char *at = strtok(copy, " "); at; at = strtok(NULL, " ")) {
        assert_true(argc < MAX_ARGS);
        argv[argc++] = at;
    }
    diag_init(&f->diag);
    return run_args_parse(argc, argv, &f->cx, out);
}

static void parse__sets_what_is_given(void **state)
{
    struct fixture *f = *state;
    struct run_args a;
    assert_true(parse(f,
                      "m.flex --budget 1.5M --input a.npy --input=b=c.pb "
                      "--runs 3 --rtol 0.5 --check d --storage direct",
                      &a));
    assert_int_equal(a.budget, 1500000);
    assert_int_equal(a.plan, RUN_PLAN_UNSET);
    assert_int_equal(a.input.n, 2);
    assert_string_equal(a.input.item[1], "b=c.pb");
    assert_int_equal(a.runs, 3);
    assert_true(a.rtol == 0.5 && a.atol < 0);
    assert_int_equal(a.store, RUN_DIRECT);
    assert_false(a.is_onnx);
}

static void parse__tells_a_model_from_a_folder(void **state)
{
    struct fixture *f = *state;
    struct run_args a;
    assert_true(parse(f, "x.onnx --budgets 1M,max", &a));
    assert_true(a.is_onnx);
    assert_true(parse(f, "--conformance x.onnx y", &a));
    assert_false(a.is_onnx);
    assert_int_equal(a.path.n, 2);
}

static void parse__takes_a_budget_by_size_or_word(void **state)
{
    struct fixture *f = *state;
    struct run_args a;
    assert_true(parse(f, "d --budget 1.5K", &a));
    assert_true(a.budget == 1500);
    assert_true(parse(f, "d --budget min", &a));
    assert_true(a.budget == RUN_BUDGET_MIN);
    assert_true(parse(f, "d --budget max", &a));
    assert_true(a.budget == RUN_BUDGET_MAX);
    assert_true(parse(f, "d", &a));
    assert_true(a.budget == RUN_BUDGET_UNSET);
}

static void parse__reads_the_numbers_of_a_picture(void **state)
{
    struct fixture *f = *state;
    struct run_args a;
    assert_true(parse(f, "d --mean 1,2.5,3 --std 58 --layout nhwc", &a));
    assert_int_equal(a.image.n_mean, 3);
    assert_true(a.image.mean[1] == 2.5);
    assert_int_equal(a.image.n_std, 1);
    assert_int_equal(a.image.layout, RUN_NHWC);
}

static void parse__refuses_and_names_the_option(void **state)
{
    static const struct {
        const char *line;
        const char *option;
    } bad[] = {
        {"", ""},
        {"a b", "b"},
        {"d --frob", "--frob"},
        {"d --budget", "--budget"},
        {"d --budget 0", "--budget"},
        {"d --budget 5Q", "--budget"},
        {"d --budget minimal", "--budget"},
        {"d --budget 1M --plan 0", "--plan"},
        {"d --plan -1", "--plan"},
        {"d --runs 0", "--runs"},
        {"d --threads 0", "--threads"},
        {"d --rtol 1", "--rtol"},
        {"d --check x --atol -1", "--atol"},
        {"d --storage disk", "--storage"},
        {"d --layout hwc", "--layout"},
        {"d --mean 1,2,3,4,5", "--mean"},
        {"d --mean ,", "--mean"},
        {"d --std 1,0", "--std"},
        {"d -q=1", "-q"},
        {"d --budgets max", "--budgets"},
        {"d --shape x=1", "--shape"},
        {"d --cc", "--cc"},
        {"--conformance", ""},
        {"--conformance d --input x", "--input"},
        {"--conformance d --json x", "--json"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct run_args a;
        assert_false(parse(f, bad[i].line, &a));
        assert_diag(f, E_USAGE, bad[i].option);
    }
}

static void pass__hands_flexc_what_is_its_own(void **state)
{
    struct fixture *f = *state;
    struct run_args a;
    struct run_argv v = {.arena = &f->keep};
    assert_true(parse(f,
                      "x.onnx --shape a=1 --shape b=2 --target generic "
                      "--threads 2 --runs 4",
                      &a));
    assert_true(run_args_pass(&a, &v));
    static const char *const want[] = {"--target",  "generic", "--shape",
                                       "a=1",       "--shape", "b=2",
                                       "--threads", "2"};
    assert_int_equal(v.n, ARRAY_LEN(want));
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_string_equal(v.item[i], want[i]);
    }
    assert_null(v.item[v.n]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(parse__sets_what_is_given),
        FIXTURE_TEST(parse__tells_a_model_from_a_folder),
        FIXTURE_TEST(parse__takes_a_budget_by_size_or_word),
        FIXTURE_TEST(parse__reads_the_numbers_of_a_picture),
        FIXTURE_TEST(parse__refuses_and_names_the_option),
        FIXTURE_TEST(pass__hands_flexc_what_is_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
