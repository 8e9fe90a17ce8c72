#include "support/fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/strtab.h"

static void strtab__equal_text_is_one_pointer(void **state)
{
    struct fixture *f = *state;
    struct strtab t;
    strtab_init(&t, &f->keep);
    assert_null(strtab_find_str(&t, "conv"));
    char text[] = "conv";
    const char *const first = strtab_intern_str(&t, text);
    text[0] = 'x'; /* the table has its own copy */
    assert_string_equal(first, "conv");
    assert_ptr_equal(strtab_intern(&t, "convolve", 4), first);
    assert_ptr_equal(strtab_find_str(&t, "conv"), first);
    assert_ptr_not_equal(strtab_intern_str(&t, "con"), first);
    assert_int_equal(t.n, 2);
}

static void strtab__tells_empty_and_embedded_nul_apart(void **state)
{
    struct fixture *f = *state;
    struct strtab t;
    strtab_init(&t, &f->keep);
    const char *const empty = strtab_intern(&t, "", 0);
    const char *const nul = strtab_intern(&t, "\0", 1);
    const char *const nul_a = strtab_intern(&t, "\0a", 2);
    assert_ptr_not_equal(empty, nul);
    assert_ptr_not_equal(nul, nul_a);
    assert_ptr_equal(strtab_intern_str(&t, ""), empty);
}

static void strtab__pointers_are_stable_while_it_grows(void **state)
{
    struct fixture *f = *state;
    struct strtab t;
    strtab_init(&t, &f->keep);
    enum { N = 5000 };
    const char **seen = arena_new(&f->scratch, const char *, N);
    assert_non_null(seen);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < N; i++) {
            char name[32];
            snprintf(name, sizeof name, "tensor_%u", i);
            const char *const text = strtab_intern_str(&t, name);
            assert_string_equal(text, name);
            assert_true(round == 0 || text == seen[i]);
            seen[i] = text;
        }
    }
    assert_int_equal(t.n, N);
}

static void strtab__survives_failure_of_each_request(void **state)
{
    struct fixture *f = *state;
    uint64_t k = 0;
    for (;; k++) {
        fixture_restart(f, k);
        struct strtab t;
        strtab_init(&t, &f->keep);
        uint32_t n = 0;
        while (n < 3000) {
            char name[32];
            snprintf(name, sizeof name, "%u", n);
            if (!strtab_intern_str(&t, name)) {
                assert_null(strtab_find_str(&t, name));
                break;
            }
            n++;
        }
        assert_int_equal(t.n, n);
        if (!fixture_failed(f)) {
            assert_int_equal(n, 3000);
            break;
        }
        assert_diag(f, E_MEMORY, "");
    }
    assert_true(k >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(strtab__equal_text_is_one_pointer),
        FIXTURE_TEST(strtab__tells_empty_and_embedded_nul_apart),
        FIXTURE_TEST(strtab__pointers_are_stable_while_it_grows),
        FIXTURE_TEST(strtab__survives_failure_of_each_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
