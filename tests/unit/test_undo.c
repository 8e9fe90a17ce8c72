#include "support/fixture.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fileio.h"
#include "base/undo.h"

static void nap(void)
{
    const struct timespec t = {0, 20000000};
    (void)nanosleep(&t, NULL);
}

/* What a child does before the signal comes; it does not return from it. */
typedef void (*deed)(struct fixture *f, struct undo *u);

/* Forks a child that does `what` and then gets `sig`; its wait status. */
static int end_by(struct fixture *f, int sig, deed what)
{
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct undo u;
        undo_start(&u);
        f->diag.undo = &u;
        what(f, &u);
        (void)kill(getpid(), sig);
        for (;;) {
            (void)pause();
        }
    }
    int status = 0;
    assert_true(waitpid(pid, &status, 0) == pid);
    return status;
}

static void write_half(struct fixture *f, struct undo *u)
{
    struct file_out out;
    const char *dir = fixture_temp_path(f, "new");
    (void)mkdir(dir, 0777);
    undo_add(u, UNDO_DIR, dir);
    if (!file_out_open(&out, fixture_temp_path(f, "new/half"), &f->keep,
                       &f->diag) ||
        !file_out_write(&out, "abc", 3)) {
        _exit(99);
    }
}

static void undo__removes_what_is_half_written(void **state)
{
    static const int sigs[] = {SIGHUP, SIGINT, SIGTERM};
    struct fixture *f = *state;
    (void)fixture_temp_path(f, "x");
    for (size_t i = 0; i < ARRAY_LEN(sigs); i++) {
        const int status = end_by(f, sigs[i], write_half);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), sigs[i]);
        assert_int_equal(fixture_temp_count(f), 0);
    }
}

static void write_whole(struct fixture *f, struct undo *u)
{
    struct file_out out;
    const char *tree = fixture_temp_path(f, "tree");
    (void)mkdir(tree, 0777);
    (void)mkdir(fixture_temp_path(f, "tree/in"), 0777);
    undo_add(u, UNDO_TREE, tree);
    if (!file_write(fixture_temp_path(f, "tree/in/file"), span_of_str("x"),
                    &f->scratch, &f->diag) ||
        !file_write(fixture_temp_path(f, "whole"), span_of_str("x"),
                    &f->scratch, &f->diag) ||
        !file_out_open(&out, fixture_temp_path(f, "no"), &f->keep, &f->diag)) {
        _exit(99);
    }
    file_out_abort(&out);
    if (u->n != 1) {
        _exit(98);
    }
}

static void undo__keeps_whole_files_and_removes_trees(void **state)
{
    struct fixture *f = *state;
    const char *whole = fixture_temp_path(f, "whole");
    assert_true(WIFSIGNALED(end_by(f, SIGTERM, write_whole)));
    assert_true(file_exists(whole));
    assert_int_equal(fixture_temp_count(f), 1);
}

static void start_child(struct fixture *f, struct undo *u)
{
    (void)f;
    const pid_t pid = fork();
    if (pid == 0) {
        (void)pthread_sigmask(SIG_SETMASK, &u->before, NULL);
        for (;;) {
            (void)pause();
        }
    }
    undo_add_child(u, pid);
}

static void undo__ends_children_first(void **state)
{
    struct fixture *f = *state;
    /* The pipe's write end is in the child's child too: it reads as ended only
     * when both are gone. */
    int end[2];
    char c;
    assert_true(pipe(end) == 0);
    assert_true(WIFSIGNALED(end_by(f, SIGTERM, start_child)));
    (void)close(end[1]);
    assert_true(read(end[0], &c, 1) == 0);
    (void)close(end[0]);
}

static void complete_two(struct fixture *f, struct undo *u)
{
    struct file_out a;
    struct file_out b;
    if (!file_out_open(&a, fixture_temp_path(f, "a"), &f->keep, &f->diag) ||
        !file_out_open(&b, fixture_temp_path(f, "b"), &f->keep, &f->diag)) {
        _exit(99);
    }
    undo_hold(u);
    (void)kill(getpid(), SIGTERM);
    const bool ok = file_out_commit(&a);
    nap(); /* the signal has come by now, and waits */
    if (!ok || !file_out_commit(&b)) {
        _exit(99);
    }
    undo_release(u);
}

static void undo__waits_while_held(void **state)
{
    struct fixture *f = *state;
    (void)fixture_temp_path(f, "x");
    assert_true(WIFSIGNALED(end_by(f, SIGTERM, complete_two)));
    assert_int_equal(fixture_temp_count(f), 2);
}

static void ignore_hangup(struct fixture *f, struct undo *u)
{
    (void)f;
    undo_stop(u);
    (void)signal(SIGHUP, SIG_IGN);
    undo_start(u);
    (void)kill(getpid(), SIGHUP);
    nap();
    undo_stop(u);
    _exit(7);
}

static void undo__leaves_ignored_signals_ignored(void **state)
{
    struct fixture *f = *state;
    const int status = end_by(f, SIGTERM, ignore_hangup);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static void undo__of_nothing_has_no_effect(void **state)
{
    (void)state;
    undo_hold(NULL);
    undo_add(NULL, UNDO_FILE, "x");
    undo_add_child(NULL, 1);
    undo_drop(NULL, "x");
    undo_drop_child(NULL, 1);
    undo_release(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(undo__removes_what_is_half_written),
        FIXTURE_TEST(undo__keeps_whole_files_and_removes_trees),
        FIXTURE_TEST(undo__ends_children_first),
        FIXTURE_TEST(undo__waits_while_held),
        FIXTURE_TEST(undo__leaves_ignored_signals_ignored),
        FIXTURE_TEST(undo__of_nothing_has_no_effect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
