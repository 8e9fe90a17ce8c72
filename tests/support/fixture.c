#include "support/fixture.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fileio.h"

static void start(struct fixture *f)
{
    diag_init(&f->diag);
    arena_init(&f->keep, ARENA_NO_CAP, &f->diag);
    arena_init(&f->scratch, ARENA_NO_CAP, &f->diag);
    f->keep.fault = &f->fault;
    f->scratch.fault = &f->fault;
    f->cx = (struct cx){&f->keep, &f->scratch, &f->diag, NULL};
}

int fixture_setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->fault.fail_at = ARENA_NO_FAULT;
    start(f);
    *state = f;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st UNUSED,
                        int kind UNUSED, struct FTW *where UNUSED)
{
    return remove(path);
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;
    arena_free(&f->keep);
    arena_free(&f->scratch);
    if (f->temp_dir[0]) {
        nftw(f->temp_dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    }
    free(f);
    return 0;
}

void fixture_restart(struct fixture *f, uint64_t k)
{
    arena_free(&f->keep);
    arena_free(&f->scratch);
    f->fault = (struct arena_fault){0, k};
    start(f);
}

bool fixture_failed(const struct fixture *f)
{
    return f->fault.n_requests > f->fault.fail_at;
}

void fixture_assert_diag(const struct diag *d, enum diag_id id,
                         const char *name, const char *file, int line)
{
    const char *const found = d->where == DIAG_AT_FILE ? d->file : d->name;
    if (d->id != id || strcmp(found, name) != 0) {
        char text[DIAG_LINE_CAP];
        diag_format(d, text, sizeof text);
        print_error("expected error %s at '%s', found %s at '%s': %s\n",
                    diag_id_name(id), name, diag_id_name(d->id), found, text);
        _fail(file, line);
    }
}

const char *fixture_temp_path(struct fixture *f, const char *name)
{
    if (!f->temp_dir[0]) {
        const char *const base = getenv("TMPDIR");
        (void)snprintf(f->temp_dir, sizeof f->temp_dir, "%s/flexc-test-XXXXXX",
                       base ? base : "/tmp");
        assert_non_null(mkdtemp(f->temp_dir));
    }
    const char *const path = path_join(&f->keep, f->temp_dir, name);
    assert_non_null(path);
    return path;
}

unsigned fixture_temp_count(struct fixture *f)
{
    unsigned n = 0;
    DIR *dir = opendir(f->temp_dir);
    assert_non_null(dir);
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    }
    closedir(dir);
    return n;
}

const char *fixture_data_path(struct fixture *f, const char *relative)
{
    const char *root = getenv("FLEXC_TEST_DATA");
    if (!root) {
        const char *const source = getenv("FLEXC_SOURCE_DIR");
        root = path_join(&f->keep, source ? source : ".", "../shared");
        assert_non_null(root);
    }
    const char *const path = path_join(&f->keep, root, relative);
    assert_non_null(path);
    if (!file_exists(path)) {
        print_message("skipped: no test data %s\n", relative);
        skip();
    }
    return path;
}
