/* run_main.c - the program flexrun: the only place that writes to stdout and
 * stderr, but for the lines of --conformance. */
#include <stdio.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/cx.h"
#include "base/diag.h"
#include "base/undo.h"
#include "run/run_args.h"
#include "run/run_conform.h"
#include "run/run_single.h"

static bool run(int argc, char **argv, struct cx *cx, struct buf *text,
                int *child_exit)
{
    struct run_args a;
    if (!run_args_parse(argc, argv, cx, &a)) {
        return false;
    }
    if (a.help) {
        run_args_help(text);
        return true;
    }
    if (a.version) {
        buf_str(text, "flexrun " FLEXRUN_VERSION "\n");
        return true;
    }
    return a.conformance ? run_conform(&a, cx, stdout)
                         : run_single(&a, cx, text, child_exit);
}

int main(int argc, char **argv)
{
    struct diag diag;
    struct arena keep;
    struct arena scratch;
    struct buf text;
    struct undo undo;
    int code = 0;
    undo_start(&undo);
    diag_init(&diag);
    diag.undo = &undo;
    arena_init(&keep, ARENA_NO_CAP, &diag);
    arena_init(&scratch, ARENA_NO_CAP, &diag);
    buf_init(&text, &keep);
    struct cx cx = {.keep = &keep, .scratch = &scratch, .diag = &diag};
    const bool ok = run(argc, argv, &cx, &text, &code) && buf_ok(&text);
    /* Also after an error: what was found before it. */
    if (text.len > 0 && (fwrite(text.data, 1, text.len, stdout) != text.len ||
                         fflush(stdout) != 0)) {
        (void)fputs("flexrun: standard output cannot be written\n", stderr);
        code = 4;
    }
    if (!ok && diag.id != E_NONE) {
        char line[DIAG_LINE_CAP];
        (void)diag_format(&diag, line, sizeof line);
        (void)fprintf(stderr, "flexrun: %s\n", line);
        code = diag_exit_code(&diag);
    }
    if (!ok && code == 0) {
        code = 4;
    }
    buf_free(&text);
    arena_free(&scratch);
    arena_free(&keep);
    undo_stop(&undo);
    return code;
}
