/* fixture.h - what most unit tests start from: two arenas, a diag and a cx,
 * fresh for each test, and a folder that goes away. Includes CMocka with what
 * it needs. */
#ifndef FLEXC_TESTS_FIXTURE_H
#define FLEXC_TESTS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/cx.h"
#include "base/diag.h"

#define BYTES(n) ((uint64_t)(n))

struct fixture {
    struct arena keep;
    struct arena scratch;
    struct diag diag;
    struct arena_fault fault; /* of both arenas; counts only, see below */
    struct cx cx;             /* of the above; opt is NULL */
    char temp_dir[256];       /* "" until fixture_temp_dir */
};

/* CMocka's set-up and tear-down; *state is a struct fixture *. Tear-down frees
 * everything and removes the temporary folder. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* A row of CMocka's table for a test that takes a fixture. */
#define FIXTURE_TEST(fn)                                                       \
    cmocka_unit_test_setup_teardown(fn, fixture_setup, fixture_teardown)

/* Empties arenas and diag. The k-th request for memory from now on fails, and
 * all after it; ARENA_NO_FAULT for none. For loops over k:
 *   for (uint64_t k = 0; !done; k++) { fixture_restart(f, k); ... } */
void fixture_restart(struct fixture *f, uint64_t k);

/* True when the requests since fixture_restart reached the one that fails. */
bool fixture_failed(const struct fixture *f);

/* Passes when the diag holds this error, at the node, tensor, option or file
 * of this name ("" for no name). */
#define assert_diag(f, id, name)                                               \
    fixture_assert_diag(&(f)->diag, (id), (name), __FILE__, __LINE__)
void fixture_assert_diag(const struct diag *d, enum diag_id id,
                         const char *name, const char *file, int line);

/* Passes when there is no error; prints the error otherwise. */
#define assert_no_diag(f)                                                      \
    fixture_assert_diag(&(f)->diag, E_NONE, "", __FILE__, __LINE__)

/* The path of a file in a folder of this test alone; in the keep arena. */
const char *fixture_temp_path(struct fixture *f, const char *name);

/* Number of entries in the folder of fixture_temp_path. */
unsigned fixture_temp_count(struct fixture *f);

/* The path of test data: below $FLEXC_TEST_DATA, else below ../shared beside
 * the source tree. Skips the test, visibly, when it is not there. */
const char *fixture_data_path(struct fixture *f, const char *relative);

#endif
