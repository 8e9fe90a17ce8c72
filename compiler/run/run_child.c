#include "run/run_child.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
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

extern char **environ;

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

/* The files of a child; false with errno's value in *error. */
static bool redirect(posix_spawn_file_actions_t *actions, const char *log,
                     int *error)
{
    *error = posix_spawn_file_actions_addopen(actions, STDIN_FILENO,
                                              "/dev/null", O_RDONLY, 0);
    if (!*error && log) {
        *error = posix_spawn_file_actions_addopen(
            actions, STDOUT_FILENO, log, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    }
    if (!*error && log) {
        *error = posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO,
                                                  STDERR_FILENO);
    }
    return !*error;
}

bool run_child(const struct run_argv *argv, const char *log,
               const char *way_out, struct cx *cx, int *exit_code)
{
    posix_spawn_file_actions_t actions;
    const char *program = argv->item[0];
    pid_t pid = 0;
    int error = posix_spawn_file_actions_init(&actions);
    if (!error) {
        if (redirect(&actions, log, &error)) {
            /* What we have printed comes before what the child prints. */
            (void)fflush(stdout);
            error = posix_spawnp(&pid, program, &actions, NULL, argv->item,
                                 environ);
        }
        posix_spawn_file_actions_destroy(&actions);
    }
    if (error) {
        return diag_error(cx->diag, E_CHILD, at_file(program),
                          "cannot be started: %s; %s", strerror(error),
                          way_out);
    }
    int status = 0;
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

const char *run_first_line(const char *path, struct cx *cx)
{
    struct file_map map;
    struct span line = span_of_str("");
    struct diag side;
    diag_init(&side);
    if (!file_map(path, &side, &map)) {
        return "";
    }
    struct span rest = map.bytes;
    if (!span_line(&rest, &line)) {
        line = span_of_str("");
    }
    const char *text =
        arena_strndup(cx->scratch, (const char *)line.data, line.len);
    file_unmap(&map);
    return text ? text : "";
}

const char *run_temp_make(struct cx *cx)
{
    const char *base = getenv("TMPDIR");
    char *dir = arena_printf(cx->keep, "%s/flexrun-XXXXXX",
                             base && *base ? base : "/tmp");
    if (dir && !mkdtemp(dir)) {
        diag_error(cx->diag, E_IO, at_file(dir),
                   "cannot make a temporary folder: %s; set TMPDIR to a folder "
                   "that can be written",
                   strerror(errno));
        return NULL;
    }
    return dir;
}

static int remove_entry(const char *path, const struct stat *st UNUSED,
                        int kind UNUSED, struct FTW *where UNUSED)
{
    (void)remove(path); /* what stays is in a folder of its own */
    return 0;
}

void run_temp_remove(const char *dir)
{
    if (dir) {
        nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    }
}
