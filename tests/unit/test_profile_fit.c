#include "support/fixture.h"

#include <math.h>

#include "cli/profile_fit.h"

static void near(double got, double want)
{
    assert_true(fabs(got - want) <= 1e-6 * fabs(want) + 1e-12);
}

static void fit_costs__finds_what_made_the_samples(void **state)
{
    (void)state;
    /* 0.5 ns, 2000 ns and 3 ns of each thing. */
    struct sample s[] = {
        {.amount = {1e6, 10, 0}},   {.amount = {5e5, 1, 1e5}},
        {.amount = {1e3, 300, 10}}, {.amount = {2e7, 0, 1e3}},
        {.amount = {0, 0, 1e4}},
    };
    for (size_t i = 0; i < ARRAY_LEN(s); i++) {
        s[i].ns =
            0.5 * s[i].amount[0] + 2000 * s[i].amount[1] + 3 * s[i].amount[2];
    }
    double cost[FIT_MAX];
    fit_costs(s, ARRAY_LEN(s), 3, cost);
    near(cost[0], 0.5);
    near(cost[1], 2000);
    near(cost[2], 3);
    near(fit_predict(&s[1], 3, cost), s[1].ns);
}

static void fit_costs__gives_nothing_a_negative_cost(void **state)
{
    (void)state;
    /* More of the second thing takes less time: it is free, then. */
    const struct sample s[] = {
        {.amount = {10, 0, 0}, .ns = 100},
        {.amount = {10, 5, 0}, .ns = 90},
    };
    double cost[FIT_MAX];
    fit_costs(s, ARRAY_LEN(s), 3, cost);
    assert_true(cost[0] > 9 && cost[0] < 10);
    assert_true(cost[1] == 0);
    assert_true(cost[2] == 0); /* nobody does it */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fit_costs__finds_what_made_the_samples),
        cmocka_unit_test(fit_costs__gives_nothing_a_negative_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
