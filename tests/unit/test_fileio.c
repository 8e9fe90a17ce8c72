#include "support/fixture.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/fileio.h"

static void assert_content(struct fixture *f, const char *path,
                           const char *want)
{
    struct file_map map;
    assert_true(file_map(path, &f->diag, &map));
    assert_true(span_eq_str(map.bytes, want));
    file_unmap(&map);
}

static void fileio__replaces_a_file_and_leaves_nothing_else(void **state)
{
    struct fixture *f = *state;
    const char *const path = fixture_temp_path(f, "out");
    assert_true(file_write(path, span_of_str("old"), &f->scratch, &f->diag));
    assert_content(f, path, "old");
    assert_true(file_write(path, span_of_str("new!"), &f->scratch, &f->diag));
    assert_content(f, path, "new!");
    assert_int_equal(fixture_temp_count(f), 1);
}

static void fileio__streams_and_patches_before_it_renames(void **state)
{
    struct fixture *f = *state;
    const char *const path = fixture_temp_path(f, "out");
    struct file_out out;
    assert_true(file_out_open(&out, path, &f->keep, &f->diag));
    assert_true(file_out_write(&out, "????", 4));
    assert_true(file_out_write(&out, " tail", 5));
    assert_true(file_out_rewrite(&out, 0, "head", 4));
    assert_true(out.len == 9);
    assert_false(file_exists(path));
    assert_true(file_out_commit(&out));
    assert_content(f, path, "head tail");
    file_out_abort(&out); /* no effect after commit */
    assert_content(f, path, "head tail");
    assert_int_equal(fixture_temp_count(f), 1);
}

static void fileio__abort_keeps_the_old_content(void **state)
{
    struct fixture *f = *state;
    const char *const path = fixture_temp_path(f, "out");
    assert_true(file_write(path, span_of_str("old"), &f->scratch, &f->diag));
    struct file_out out;
    assert_true(file_out_open(&out, path, &f->keep, &f->diag));
    assert_true(file_out_write(&out, "half", 4));
    file_out_abort(&out);
    assert_content(f, path, "old");
    assert_int_equal(fixture_temp_count(f), 1);
}

/* Two writers of one name must not share a temporary file. */
static void fileio__two_writers_do_not_mix(void **state)
{
    struct fixture *f = *state;
    const char *const path = fixture_temp_path(f, "out");
    struct file_out a;
    struct file_out b;
    assert_true(file_out_open(&a, path, &f->keep, &f->diag));
    assert_true(file_out_open(&b, path, &f->keep, &f->diag));
    assert_true(file_out_write(&a, "aaaa", 4));
    assert_true(file_out_write(&b, "bb", 2));
    assert_true(file_out_commit(&a));
    assert_content(f, path, "aaaa");
    assert_true(file_out_commit(&b));
    assert_content(f, path, "bb");
}

/* A full disk, as a limit on file size: the system accepts a part, then
 * refuses. */
static void fileio__a_full_disk_is_reported_and_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    const char *const path = fixture_temp_path(f, "out");
    uint8_t *bytes = arena_alloc(&f->keep, 100000, 1);
    assert_non_null(bytes);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    struct rlimit low = old;
    low.rlim_cur = 5000;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    const bool ok =
        file_write(path, (struct span){bytes, 100000}, &f->scratch, &f->diag);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    assert_false(ok);
    assert_diag(f, E_IO, path);
    assert_int_equal(diag_exit_code(&f->diag), 4);
    assert_non_null(strstr(f->diag.text, "byte 5000"));
    assert_int_equal(fixture_temp_count(f), 0);
}

static void fileio__a_failed_rename_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    const char *const path = fixture_temp_path(f, "taken");
    bool is_new = false;
    assert_true(dir_make(path, &f->diag, &is_new));
    assert_true(is_new);
    assert_false(file_write(path, span_of_str("x"), &f->scratch, &f->diag));
    assert_diag(f, E_IO, path);
    assert_int_equal(fixture_temp_count(f), 1); /* the folder */
}

static void fileio__a_missing_folder_is_reported_for_outputs(void **state)
{
    struct fixture *f = *state;
    const char *const path = fixture_temp_path(f, "no/out");
    assert_false(file_write(path, span_of_str("x"), &f->scratch, &f->diag));
    assert_diag(f, E_IO, path);
}

static void fileio__a_missing_input_is_reported(void **state)
{
    struct fixture *f = *state;
    const char *const path = fixture_temp_path(f, "absent");
    struct file_map map;
    assert_false(file_map(path, &f->diag, &map));
    assert_diag(f, E_NO_FILE, path);
    assert_int_equal(diag_exit_code(&f->diag), 1);
}

static void fileio__only_regular_files_are_mapped(void **state)
{
    struct fixture *f = *state;
    struct file_map map;
    const char *const path = fixture_temp_path(f, "dir");
    assert_true(dir_make(path, &f->diag, NULL));
    assert_false(file_map(path, &f->diag, &map));
    assert_diag(f, E_NO_FILE, path);
    fixture_restart(f, ARENA_NO_FAULT);
    assert_false(file_map("/dev/zero", &f->diag, &map));
    assert_diag(f, E_NO_FILE, "/dev/zero");
}

static void fileio__an_empty_file_maps_to_no_bytes(void **state)
{
    struct fixture *f = *state;
    const char *const path = fixture_temp_path(f, "empty");
    assert_true(
        file_write(path, (struct span){NULL, 0}, &f->scratch, &f->diag));
    struct file_map map = {{NULL, 9}};
    assert_true(file_map(path, &f->diag, &map));
    assert_true(map.bytes.len == 0);
    file_unmap(&map);
}

static void fileio__lack_of_memory_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    char path[512];
    strncpy(path, fixture_temp_path(f, "out"), sizeof path - 1);
    path[sizeof path - 1] = '\0';
    fixture_restart(f, 0);
    assert_false(file_write(path, span_of_str("x"), &f->scratch, &f->diag));
    assert_diag(f, E_MEMORY, "");
    assert_int_equal(fixture_temp_count(f), 0);
}

static void fileio__folders_may_exist_and_files_are_no_folders(void **state)
{
    struct fixture *f = *state;
    const char *const dir = fixture_temp_path(f, "dir");
    bool is_new = false;
    assert_true(dir_make(dir, &f->diag, &is_new));
    assert_true(is_new);
    assert_true(dir_make(dir, &f->diag, &is_new));
    assert_false(is_new);
    const char *const file = fixture_temp_path(f, "dir/file");
    assert_true(file_write(file, span_of_str("x"), &f->scratch, &f->diag));
    dir_remove_empty(dir); /* not empty: stays */
    assert_true(file_exists(file));
    assert_false(dir_make(file, &f->diag, NULL));
    assert_diag(f, E_IO, file);
    assert_int_equal(unlink(file), 0);
    dir_remove_empty(dir);
    assert_false(file_exists(dir));
}

static void fileio__splits_and_joins_paths(void **state)
{
    struct fixture *f = *state;
    struct arena *a = &f->keep;
    assert_string_equal(path_join(a, "a/b", "c"), "a/b/c");
    assert_string_equal(path_join(a, "a/", "c"), "a/c");
    assert_string_equal(path_join(a, "", "c"), "c");
    assert_string_equal(path_join(a, "a", "/c"), "/c");
    assert_string_equal(path_dir(a, "a/b/c"), "a/b");
    assert_string_equal(path_dir(a, "/c"), "/");
    assert_string_equal(path_dir(a, "c"), ".");
    assert_string_equal(path_base("a/b.onnx"), "b.onnx");
    assert_string_equal(path_base("a/"), "");
    assert_string_equal(path_stem(a, "x.y/net.v2.onnx"), "net.v2");
    assert_string_equal(path_stem(a, "x.y/net"), "net");
    assert_string_equal(path_stem(a, ".hidden"), ".hidden");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(fileio__replaces_a_file_and_leaves_nothing_else),
        FIXTURE_TEST(fileio__streams_and_patches_before_it_renames),
        FIXTURE_TEST(fileio__abort_keeps_the_old_content),
        FIXTURE_TEST(fileio__two_writers_do_not_mix),
        FIXTURE_TEST(fileio__a_full_disk_is_reported_and_leaves_nothing),
        FIXTURE_TEST(fileio__a_failed_rename_leaves_nothing),
        FIXTURE_TEST(fileio__a_missing_folder_is_reported_for_outputs),
        FIXTURE_TEST(fileio__a_missing_input_is_reported),
        FIXTURE_TEST(fileio__only_regular_files_are_mapped),
        FIXTURE_TEST(fileio__an_empty_file_maps_to_no_bytes),
        FIXTURE_TEST(fileio__lack_of_memory_leaves_nothing),
        FIXTURE_TEST(fileio__folders_may_exist_and_files_are_no_folders),
        FIXTURE_TEST(fileio__splits_and_joins_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
