/* cli_parse.h - the options of a compile, parsed and checked. */
#ifndef FLEXC_CLI_CLI_PARSE_H
#define FLEXC_CLI_CLI_PARSE_H

#include "base/buf.h"
#include "base/cx.h"
#include "cli/cli_shape.h"
#include "ir/options.h"
#include "run/run_args.h"

#define FLEXC_VERSION_TEXT "0.1.0"

enum cli_dump {
    DUMP_NONE,
    DUMP_GRAPH,
    DUMP_LAYERS,
    DUMP_CHUNKS,
    DUMP_CAND,
    DUMP_PLAN,
    DUMP_MEMORY
};

struct cli_args {
    struct options opt; /* device is filled in by cmd_compile */
    struct cli_entry
        *entry;        /* what --shape makes; opt has the first's shapes */
    uint32_t n_entry;  /* 0: like one, with opt's shapes */
    const char *model; /* path */
    const char *name;  /* an identifier */
    const char *out_dir;
    const char *device;     /* path or name; NULL: the target's */
    const char *plan_file;  /* NULL: plan */
    const char *json;       /* NULL: none; "-": stdout */
    const char *report;     /* NULL: none */
    struct run_list input;  /* that errors are measured on */
    const char *dump_after; /* NULL: none */
    enum cli_dump dump;
    bool inline_blob;
    bool self_contained;
    bool tables;
    bool quiet;
    bool no_error; /* what narrow weights cost is not measured */
    bool help;
    bool version;
    bool list_targets;
};

/* Everything the arguments say, in cx->keep. A first argument that is no option
 * is the model; there is exactly one unless help or version was asked for.
 * false: E_USAGE, E_SIZE_TEXT or E_TARGET naming the option. */
NODISCARD bool cli_parse(int argc, char **argv, struct cx *cx,
                         struct cli_args *out);

/* The text of --help. */
void cli_help(struct buf *out);

#endif
