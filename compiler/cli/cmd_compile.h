/* cmd_compile.h - flexc MODEL.onnx --budgets LIST: the whole pipeline. */
#ifndef FLEXC_CLI_CMD_COMPILE_H
#define FLEXC_CLI_CMD_COMPILE_H

#include "base/buf.h"
#include "base/cx.h"
#include "cli/cli_parse.h"

/* Compiles; cx->opt is &args->opt. What is to be printed (the table, a dump,
 * the JSON for "-") is appended to `text`. Files appear complete or not at all;
 * after an error no file of ours is new, and a folder made here is gone.
 * false: reported. Memory: all in cx's arenas. */
NODISCARD bool cmd_compile(struct cli_args *args, struct cx *cx,
                           struct buf *text);

/* The same from a graph, which is changed; prints nothing. What its plans were
 * made of comes out. */
struct graph;
struct layers;
struct cands;
NODISCARD bool cmd_compile_graph(struct cli_args *args, struct graph *g,
                                 struct cx *cx, struct layers *l,
                                 struct cands *k);

#endif
