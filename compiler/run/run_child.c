#include "run/run_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/diag.h"
#include "base/fileio.h"
#include "base/undo.h"

extern char **environ;

enum { LINE_CAP = 512 };

bool run_argv_add(struct run_argv *v, const char *text)
{
    /* The element after the last stays NULL. */
    if (v->n + 1 >= v->cap) {
        const uint32_t cap = v->cap ? v->cap * 2 : 32;
        char **item = arena_new(v->arena, char *, cap);
        if (!item) {
            return false;
        }
        if (v->n > 0) {
            memcpy(item, v->item, v->n * sizeof *item);
        }
        v->item = item;
        v->cap = cap;
    }
    v->item[v->n] = arena_strdup(v->arena, text);
    return v->item[v->n] && ++v->n;
}

bool run_argv_add2(struct run_argv *v, const char *option, const char *value)
{
    return run_argv_add(v, option) && run_argv_add(v, value);
}

bool run_argv_words(struct run_argv *v, const char *text)
{
    struct span rest = span_of_str(text);
    struct span word;
    while (span_word(&rest, &word)) {
        const char *copy =
            arena_strndup(v->arena, (const char *)word.data, word.len);
        if (!copy || !run_argv_add(v, copy)) {
            return false;
        }
    }
    return true;
}

/* Where a child's stdout and stderr go: a file made anew, a descriptor, or with
 * neither where ours go. */
struct sink {
    const char *log;
    int fd; /* -1: none */
};

/* The files of a child; false with errno's value in *error. */
static bool redirect(posix_spawn_file_actions_t *actions,
                     const struct sink *sink, int *error)
{
    *error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO,
                                              "/dev/null", O_RDONLY, 0);
    if (!*error && sink->log) {
        *error = posix_spawn_file_actions_addopen(
            actions, STDOUT_FILENO, sink->log, O_WRONLY | O_CREAT | O_TRUNC,
            0666);
    }
    if (!*error && sink->fd >= 0) {
        *error =
            posix_spawn_file_actions_adddup2(actions, sink->fd, STDOUT_FILENO);
    }
    if (!*error && (sink->log || sink->fd >= 0)) {
        *error = posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO,
                                                  STDERR_FILENO);
    }
    return !*error;
}

/* A child takes the signals that we have blocked to wait for them. */
static int set_signals(posix_spawnattr_t *attr)
{
    sigset_t none;
    (void)sigemptyset(&none);
    const int error = posix_spawnattr_setsigmask(attr, &none);
    return error ? error
                 : posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK);
}

/* Starts argv[0]; its id, or 0 (E_CHILD). */
static pid_t start(const struct run_argv *argv, const struct sink *sink,
                   const char *way_out, struct cx *cx)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    const char *program = argv->item[0];
    pid_t pid = 0;
    int error = posix_spawn_file_actions_init(&actions);
    if (!error) {
        error = posix_spawnattr_init(&attr);
        if (!error) {
            error = set_signals(&attr);
            if (!error && redirect(&actions, sink, &error)) {
                /* What we have printed comes before what the child prints. */
                (void)fflush(stdout);
                undo_hold(cx->diag->undo);
                error = posix_spawnp(&pid, program, &actions, &attr, argv->item,
                                     environ);
                if (!error) {
                    undo_add_child(cx->diag->undo, pid);
                }
                undo_release(cx->diag->undo);
            }
            posix_spawnattr_destroy(&attr);
        }
        posix_spawn_file_actions_destroy(&actions);
    }
    if (error) {
        diag_error(cx->diag, E_CHILD, at_file(program),
                   "cannot be started: %s; %s", strerror(error), way_out);
        return 0;
    }
    return pid;
}

static bool finish(const char *program, pid_t pid, struct cx *cx,
                   int *exit_code)
{
    int status = 0;
    siginfo_t info;
    /* Looked at first and reaped when its id is no longer on the list: no
     * other process may be called by it while it is. */
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) < 0 &&
           errno == EINTR) {
    }
    undo_drop_child(cx->diag->undo, pid);
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return diag_error(cx->diag, E_CHILD, at_file(program),
                              "cannot be waited for: %s", strerror(errno));
        }
    }
    if (!WIFEXITED(status)) {
        return diag_error(cx->diag, E_CHILD, at_file(program),
                          "was ended by signal %d",
                          WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    }
    *exit_code = WEXITSTATUS(status);
    return true;
}

bool run_child(const struct run_argv *argv, const char *log,
               const char *way_out, struct cx *cx, int *exit_code)
{
    const struct sink sink = {log, -1};
    const pid_t pid = start(argv, &sink, way_out, cx);
    return pid && finish(argv->item[0], pid, cx, exit_code);
}

/* Reads to the end, keeps what comes before the first newline. */
static const char *first_line(int fd, struct arena *a)
{
    char line[LINE_CAP];
    char block[LINE_CAP];
    size_t len = 0;
    bool is_done = false;
    for (;;) {
        const ssize_t n = read(fd, block, sizeof block);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return arena_strndup(a, line, len);
        }
        for (ssize_t i = 0; i < n && !is_done; i++) {
            is_done = block[i] == '\n' || len == sizeof line;
            if (!is_done) {
                line[len++] = block[i];
            }
        }
    }
}

const char *run_child_line(const struct run_argv *argv, const char *way_out,
                           struct cx *cx)
{
    int end[2];
    int code = 0;
    if (pipe(end) != 0 || fcntl(end[0], F_SETFD, FD_CLOEXEC) != 0 ||
        fcntl(end[1], F_SETFD, FD_CLOEXEC) != 0) {
        diag_error(cx->diag, E_CHILD, at_file(argv->item[0]),
                   "no pipe to read its answer from: %s", strerror(errno));
        return NULL;
    }
    const struct sink sink = {NULL, end[1]};
    const pid_t pid = start(argv, &sink, way_out, cx);
    (void)close(end[1]);
    const char *line = pid ? first_line(end[0], cx->scratch) : NULL;
    (void)close(end[0]);
    return pid && finish(argv->item[0], pid, cx, &code) ? line : NULL;
}

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0;
}

bool run_child_exists(const char *program, struct arena *scratch)
{
    if (strchr(program, '/')) {
        return is_program(program);
    }
    const char *rest = getenv("PATH");
    while (rest && *rest) {
        const char *end = strchr(rest, ':');
        const size_t len = end ? (size_t)(end - rest) : strlen(rest);
        const char *path =
            arena_printf(scratch, "%.*s/%s", (int)len, rest, program);
        if (path && is_program(path)) {
            return true;
        }
        rest = end ? end + 1 : NULL;
    }
    return false;
}

const char *run_child_own_dir(struct arena *a)
{
    char path[4096];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) {
        return NULL;
    }
    path[n] = '\0';
    return path_dir(a, path);
}

const char *run_line(const char *path, uint32_t ix, struct cx *cx)
{
    struct file_map map;
    struct span line = span_of_str("");
    struct diag side;
    diag_init(&side);
    if (!file_map(path, &side, &map)) {
        return "";
    }
    struct span rest = map.bytes;
    for (uint32_t i = 0; i <= ix; i++) {
        if (!span_line(&rest, &line)) {
            line = span_of_str("");
        }
    }
    const char *text =
        arena_strndup(cx->scratch, (const char *)line.data, line.len);
    file_unmap(&map);
    return text ? text : "";
}

const char *run_temp_make(struct cx *cx)
{
    const char *base = getenv("TMPDIR");
    return run_temp_make_in(base && *base ? base : "/tmp", cx);
}

const char *run_temp_make_in(const char *folder, struct cx *cx)
{
    char *dir = arena_printf(cx->keep, "%s/flexrun-XXXXXX", folder);
    undo_hold(cx->diag->undo);
    const bool ok = dir && mkdtemp(dir);
    if (ok) {
        undo_add(cx->diag->undo, UNDO_TREE, dir);
    } else if (dir) {
        diag_error(cx->diag, E_IO, at_file(dir),
                   "cannot make a temporary folder: %s; set TMPDIR to a folder "
                   "that can be written",
                   strerror(errno));
    }
    undo_release(cx->diag->undo);
    return ok ? dir : NULL;
}

void run_temp_remove(const char *dir, struct cx *cx)
{
    if (dir) {
        undo_remove_tree(dir);
        undo_drop(cx->diag->undo, dir);
    }
}
