#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/fileio.h"
#include "base/undo.h"
#include "cli/cli_parse.h"
#include "cli/cli_report.h"
#include "cli/cmd_check.h"
#include "cli/cmd_compile.h"
#include "cli/cmd_inspect.h"
#include "cli/cmd_profile.h"

/* Takes one argument, or (run_all) whatever follows its name. */
static const struct command {
    const char *name;
    const char *arg;
    bool (*run)(const char *, struct cx *, struct buf *);
    bool (*run_all)(int, char **, struct cx *, struct buf *);
} commands[] = {
#define CMD(NAME, ARG, FUNCTION, HELP) {NAME, ARG, FUNCTION, NULL},
#define CMD_ALL(NAME, ARG, FUNCTION, HELP) {NAME, ARG, NULL, FUNCTION},
#include "cli/cli_cmds.def"
#undef CMD
#undef CMD_ALL
};

/* The subcommand that the first argument names; NULL for a compile. */
static const struct command *find_command(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, argv[1]) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static bool run_command(const struct command *c, int argc, char **argv,
                        struct cx *cx, struct buf *text)
{
    if (argc == 3 && strcmp(argv[2], "--help") == 0) {
        cli_help(text);
        return true;
    }
    if (c->run_all) {
        return c->run_all(argc - 2, argv + 2, cx, text);
    }
    if (argc != 3 || argv[2][0] == '-') {
        return diag_error(cx->diag, E_USAGE, at_none(),
                          "flexc %s takes one %s and no options", c->name,
                          c->arg);
    }
    return c->run(argv[2], cx, text);
}

static void list_targets(struct buf *out)
{
    const struct target *t = NULL;
    for (uint32_t i = 0; (t = target_at(i)) != NULL; i++) {
        buf_printf(out, "%s\n", t->name);
    }
}

static bool run(int argc, char **argv, struct cli_args *a, struct cx *cx,
                struct buf *text)
{
    const struct command *const c = find_command(argc, argv);
    if (c) {
        return run_command(c, argc, argv, cx, text);
    }
    if (!cli_parse(argc, argv, cx, a)) {
        return false;
    }
    cx->opt = &a->opt;
    if (a->help) {
        cli_help(text);
        return true;
    }
    if (a->version) {
        buf_str(text, "flexc " FLEXC_VERSION_TEXT "\n");
        return true;
    }
    if (a->list_targets) {
        list_targets(text);
        return true;
    }
    return cmd_compile(a, cx, text);
}

/* After an error the JSON, when one was asked for, says which. */
static void write_error_json(const struct cli_args *a, struct cx *cx,
                             struct buf *text)
{
    struct buf b;
    buf_init(&b, cx->keep);
    struct diag side;
    diag_init(&side);
    side.undo = cx->diag->undo;
    if (!cli_json_error(cx, &b)) {
        return;
    }
    if (strcmp(a->json, "-") == 0) {
        buf_span(text, buf_bytes(&b));
    } else if (!file_write(a->json, buf_bytes(&b), cx->keep, &side)) {
        char line[DIAG_LINE_CAP];
        (void)diag_format(&side, line, sizeof line);
        (void)fprintf(stderr, "%s\n", line);
    }
}

int cli_main(int argc, char **argv)
{
    struct diag diag;
    struct arena keep;
    struct arena scratch;
    struct undo undo;
    undo_start(&undo);
    diag_init(&diag);
    diag.undo = &undo;
    arena_init(&keep, ARENA_NO_CAP, &diag);
    arena_init(&scratch, ARENA_NO_CAP, &diag);
    struct cx cx = {.keep = &keep, .scratch = &scratch, .diag = &diag};
    struct buf text;
    buf_init(&text, &keep);
    struct cli_args args = {0};
    const bool ok = run(argc, argv, &args, &cx, &text) && buf_ok(&text);
    if (!ok) {
        buf_cut(&text, 0);
        if (args.json) {
            write_error_json(&args, &cx, &text);
        }
        char line[DIAG_LINE_CAP];
        (void)diag_format(&diag, line, sizeof line);
        (void)fprintf(stderr, "%s\n", line);
    }
    if (diag.n_warnings > 0) {
        (void)fputs(diag.warnings, stderr);
    }
    int code = ok ? 0 : diag_exit_code(&diag);
    if (buf_bytes(&text).len > 0 &&
        (fputs(buf_text(&text), stdout) < 0 || fflush(stdout) != 0)) {
        (void)fputs("flexc: standard output cannot be written\n", stderr);
        code = code ? code : 4;
    }
    buf_free(&text);
    arena_free(&scratch);
    arena_free(&keep);
    undo_stop(&undo);
    return code;
}
