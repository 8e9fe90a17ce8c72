#include "cli/cli_parse.h"

#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/fileio.h"
#include "base/numtext.h"
#include "codegen/cg_write.h"

enum opt_id {
#define OPT(ID, NAME, ARG, HELP) O_##ID,
#include "cli/cli_opts.def"
#undef OPT
    OPT_COUNT
};

static const struct {
    const char *name;
    const char *arg;
    const char *help;
} opts[] = {
#define OPT(ID, NAME, ARG, HELP) [O_##ID] = {NAME, ARG, HELP},
#include "cli/cli_opts.def"
#undef OPT
};

enum { DEFAULT_AUTO = 4, MAX_AUTO = 16 }; /* plans of --budgets auto */

/* What is parsed while it grows. */
struct parse {
    struct cx *cx;
    struct cli_args *out;
    struct budget *budget;
    uint32_t cap_budget;
    struct cli_shapes shapes;
    struct const_pin *pin;
    uint32_t cap_pin;
    struct state_pin *state;
    uint32_t cap_state;
    const char *name; /* --name as given */
};

static bool usage(struct cx *cx, enum opt_id id, const char *value,
                  const char *want)
{
    return diag_error(cx->diag, E_USAGE, at_option(opts[id].name),
                      "'%s' is not %s", value, want);
}

/* ---- one handler per kind of value ---- */

/* `auto` or `auto:N`. */
static bool parse_auto(const char *text, uint64_t *n)
{
    *n = DEFAULT_AUTO;
    return strcmp(text, "auto") == 0 ||
           (strncmp(text, "auto:", 5) == 0 && parse_size(text + 5, n) &&
            *n >= 1 && *n <= MAX_AUTO);
}

static bool parse_budget(struct parse *p, const char *text)
{
    struct options *o = &p->out->opt;
    struct budget *b =
        arena_push(p->cx->keep, p->budget, &o->n_budget, &p->cap_budget);
    if (!b) {
        return false;
    }
    o->budget = p->budget;
    b->text = text;
    if (strcmp(text, "min") == 0) {
        b->kind = BUDGET_MIN;
    } else if (strcmp(text, "max") == 0) {
        b->kind = BUDGET_MAX;
    } else if (parse_auto(text, &b->bytes)) {
        b->kind = BUDGET_AUTO;
    } else if (parse_size(text, &b->bytes) && b->bytes > 0) {
        b->kind = BUDGET_BYTES;
    } else {
        return diag_error(p->cx->diag, E_SIZE_TEXT, at_option("--budgets"),
                          "'%s' is no budget: bytes with K M G or Ki Mi Gi "
                          "(50M, 96Ki), min, max, auto or auto:N, N from "
                          "1 to %d",
                          text, MAX_AUTO);
    }
    return true;
}

static bool parse_budgets(struct parse *p, const char *text)
{
    char *list = arena_strdup(p->cx->keep, text);
    while (list) {
        char *comma = strchr(list, ',');
        if (comma) {
            *comma = '\0';
        }
        if (!parse_budget(p, list)) {
            return false;
        }
        if (!comma) {
            return true;
        }
        list = comma + 1;
    }
    return false;
}

/* Splits NAME=VALUE at the last '='; names of ONNX values may hold one. */
static char *split_pin(struct parse *p, enum opt_id id, const char *text,
                       const char **value)
{
    char *name = arena_strdup(p->cx->keep, text);
    char *eq = name ? strrchr(name, '=') : NULL;
    if (name && (!eq || eq == name)) {
        (void)usage(p->cx, id, text, opts[id].arg);
        return NULL;
    }
    if (!name) {
        return NULL;
    }
    *eq = '\0';
    *value = eq + 1;
    return name;
}

static bool parse_const(struct parse *p, const char *text)
{
    const char *value = NULL;
    const char *name = split_pin(p, O_CONST, text, &value);
    if (!name) {
        return false;
    }
    struct const_pin *pin =
        arena_push(p->cx->keep, p->pin, &p->out->opt.n_pin, &p->cap_pin);
    if (!pin) {
        return false;
    }
    p->out->opt.pin = p->pin;
    pin->name = name;
    if (value[0] == '@') {
        pin->path = value + 1;
        return true;
    }
    double *list = NULL;
    uint32_t cap = 0;
    const char *at = value;
    for (bool more = true; more;) {
        const size_t len = strcspn(at, ",");
        char *one = arena_strndup(p->cx->keep, at, len);
        double *x = arena_push(p->cx->keep, list, &pin->n_value, &cap);
        if (!one || !x) {
            return false;
        }
        if (!parse_f64(one, x)) {
            return usage(p->cx, O_CONST, text,
                         "NAME=NUMBER,NUMBER... or NAME=@FILE.pb");
        }
        more = at[len] == ',';
        at += len + more;
    }
    pin->value = list;
    return true;
}

static bool parse_state(struct parse *p, const char *text)
{
    const char *input = NULL;
    const char *output = split_pin(p, O_STATE, text, &input);
    if (!output) {
        return false;
    }
    const size_t n_out = strlen(output);
    const size_t n_in = strlen(input);
    if (n_in == 0 || (output[n_out - 1] == '*') != (input[n_in - 1] == '*')) {
        return usage(p->cx, O_STATE, text, "OUT=IN, or OUT*=IN*");
    }
    struct state_pin *pin =
        arena_push(p->cx->keep, p->state, &p->out->opt.n_state, &p->cap_state);
    if (!pin) {
        return false;
    }
    p->out->opt.state = p->state;
    *pin = (struct state_pin){.output = output, .input = input};
    return true;
}

/* The index of `text` among the '|'-separated words of the option's argument;
 * -1 reported. */
static int parse_word(struct parse *p, enum opt_id id, const char *text)
{
    const size_t len = strlen(text);
    int ix = 0;
    for (const char *w = opts[id].arg; *w; ix++) {
        const size_t n = strcspn(w, "|");
        if (n == len && memcmp(w, text, n) == 0) {
            return ix;
        }
        w += n + (w[n] == '|');
    }
    (void)usage(p->cx, id, text, opts[id].arg);
    return -1;
}

static bool parse_target(struct parse *p, const char *text)
{
    if (strcmp(text, "list") == 0) {
        p->out->list_targets = true;
        return true;
    }
    p->out->opt.target = target_find(text);
    return p->out->opt.target ||
           diag_error(p->cx->diag, E_TARGET, at_option("--target"),
                      "'%s' is no target; --target list names them", text);
}

static bool parse_dump(struct parse *p, const char *text)
{
    static const char *const stage[] = {
        [DUMP_GRAPH] = "graph",   [DUMP_LAYERS] = "layers",
        [DUMP_CHUNKS] = "chunks", [DUMP_CAND] = "cand",
        [DUMP_PLAN] = "plan",     [DUMP_MEMORY] = "memory",
    };
    for (int i = DUMP_GRAPH; i <= DUMP_MEMORY; i++) {
        if (strcmp(stage[i], text) == 0) {
            p->out->dump = (enum cli_dump)i;
            return true;
        }
    }
    return usage(p->cx, O_DUMP, text,
                 "graph, layers, chunks, cand, plan or memory");
}

static bool parse_one(struct parse *p, enum opt_id id, const char *v)
{
    struct cli_args *a = p->out;
    int word = 0;
    switch (id) {
    case O_BUDGETS:
        return parse_budgets(p, v);
    case O_OUT:
        a->out_dir = v;
        return true;
    case O_NAME:
        p->name = v;
        return true;
    case O_TARGET:
        return parse_target(p, v);
    case O_DEVICE:
        a->device = v;
        return true;
    case O_SHAPE:
        return cli_shape_add(&p->shapes, v, p->cx);
    case O_CONST:
        return parse_const(p, v);
    case O_STATE:
        return parse_state(p, v);
    case O_THREADS:
        return (parse_u32(v, &a->opt.n_thread) && a->opt.n_thread >= 1 &&
                a->opt.n_thread <= 64) ||
               usage(p->cx, id, v, "a number of threads from 1 to 64");
    case O_WEIGHTS:
        word = parse_word(p, id, v);
        a->opt.weights = word == 0   ? DTYPE_F32
                         : word == 1 ? DTYPE_F16
                                     : DTYPE_I8;
        return word >= 0;
    case O_INPUT: {
        struct run_list *const l = &a->input;
        const char **item = arena_push(p->cx->keep, l->item, &l->n, &l->cap);
        if (item) {
            *item = v;
        }
        return item != NULL;
    }
    case O_COMPRESS:
        word = parse_word(p, id, v);
        a->opt.compress = (enum compress)word;
        return word >= 0;
    case O_NUMERICS:
        word = parse_word(p, id, v);
        a->opt.numerics = (enum numerics)word;
        return word >= 0;
    case O_MAX_STEP:
        return (parse_u64(v, &a->opt.max_step_us) && a->opt.max_step_us > 0) ||
               usage(p->cx, id, v, "a number of microseconds above 0");
    case O_INLINE_BLOB:
        a->inline_blob = true;
        return true;
    case O_SELF_CONTAINED:
        a->self_contained = true;
        return true;
    case O_TABLES:
        a->tables = true;
        return true;
    case O_PLAN_FILE:
        a->plan_file = v;
        return true;
    case O_JSON:
        a->json = v;
        return true;
    case O_REPORT:
        a->report = v;
        return true;
    case O_DUMP:
        return parse_dump(p, v);
    case O_DUMP_AFTER:
        a->dump_after = v;
        return true;
    case O_QUIET:
        a->quiet = true;
        return true;
    case O_HELP:
        a->help = true;
        return true;
    case O_VERSION:
        a->version = true;
        return true;
    case OPT_COUNT:
        break;
    }
    return false;
}

/* The option that `arg` is: "--name" or "--name=value" (value then points into
 * arg); OPT_COUNT if there is none. */
static enum opt_id find_opt(const char *arg, const char **value)
{
    const size_t len = strcspn(arg, "=");
    *value = arg[len] == '=' ? arg + len + 1 : NULL;
    int id = 0;
    while (id < OPT_COUNT && (strlen(opts[id].name) != len ||
                              memcmp(opts[id].name, arg, len) != 0)) {
        id++;
    }
    return (enum opt_id)id;
}

/* Defaults that depend on other options, and what must be there. */
static bool finish(struct parse *p)
{
    struct cli_args *a = p->out;
    struct arena *keep = p->cx->keep;
    if (a->help || a->version || a->list_targets) {
        return true;
    }
    if (!a->model) {
        return diag_error(p->cx->diag, E_USAGE, at_none(),
                          "no model given: flexc MODEL.onnx --budgets "
                          "50M,100M (flexc --help)");
    }
    if (a->plan_file && a->opt.n_budget > 1) {
        return diag_error(p->cx->diag, E_USAGE, at_option("--budgets"),
                          "%u budgets for the one plan of --plan-file; give "
                          "one or none",
                          (unsigned)a->opt.n_budget);
    }
    if (a->opt.n_budget == 0 && a->dump == DUMP_NONE && !a->dump_after &&
        !a->plan_file) {
        return diag_error(p->cx->diag, E_USAGE, at_option("--budgets"),
                          "is needed, for example --budgets 50M,100M or "
                          "--budgets min,max");
    }
    if (a->input.n > 0 && a->opt.weights != DTYPE_F16 &&
        a->opt.weights != DTYPE_I8) {
        return diag_error(p->cx->diag, E_USAGE, at_option("--input"),
                          "is what the error of --weights f16 or i8 is "
                          "measured on, and neither is given");
    }
    if (a->out_dir && !*a->out_dir) {
        return usage(p->cx, O_OUT, a->out_dir, "a folder");
    }
    if (p->name && !*p->name) {
        return usage(p->cx, O_NAME, p->name, "a name");
    }
    const char *stem = p->name ? p->name : path_stem(keep, a->model);
    const char *ident = stem ? cg_ident(keep, stem) : NULL;
    a->name = ident;
    if (!cli_shape_entries(&p->shapes, p->cx, &a->entry, &a->n_entry)) {
        return false;
    }
    a->opt.shape = a->entry->shape;
    a->opt.n_shape = a->entry->n_shape;
    if (a->plan_file && a->n_entry > 1) {
        return diag_error(p->cx->diag, E_USAGE, at_option("--plan-file"),
                          "is a plan for one set of shapes, --shape gives %u",
                          (unsigned)a->n_entry);
    }
    if (ident && !a->out_dir) {
        a->out_dir = arena_printf(keep, "%s.flex", ident);
    }
    return ident && a->out_dir;
}

bool cli_parse(int argc, char **argv, struct cx *cx, struct cli_args *out)
{
    *out = (struct cli_args){
        .opt = {.target = target_find("host"), .n_thread = 1},
    };
    struct parse p = {.cx = cx, .out = out};
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-' || argv[i][1] == '\0') {
            if (out->model) {
                return diag_error(cx->diag, E_USAGE, at_none(),
                                  "two models given, '%s' and '%s': one at a "
                                  "time",
                                  out->model, argv[i]);
            }
            out->model = argv[i];
            continue;
        }
        const char *value = NULL;
        const enum opt_id id = find_opt(argv[i], &value);
        if (id == OPT_COUNT) {
            return diag_error(cx->diag, E_USAGE, at_option(argv[i]),
                              "unknown option; flexc --help lists them");
        }
        if (opts[id].arg && !value) {
            if (i + 1 == argc) {
                return diag_error(cx->diag, E_USAGE, at_option(opts[id].name),
                                  "needs %s after it", opts[id].arg);
            }
            value = argv[++i];
        } else if (!opts[id].arg && value) {
            return diag_error(cx->diag, E_USAGE, at_option(opts[id].name),
                              "takes no value");
        }
        if (!parse_one(&p, id, value)) {
            return false;
        }
    }
    return finish(&p);
}

static void help_row(struct buf *out, const char *name, const char *arg,
                     const char *help)
{
    struct buf left;
    buf_init(&left, out->arena);
    buf_printf(&left, "%s%s%s", name, arg ? " " : "", arg ? arg : "");
    buf_printf(out, "  %-28s %s\n", buf_text(&left), help);
    buf_free(&left);
}

void cli_help(struct buf *out)
{
    buf_str(out,
            "flexc MODEL.onnx --budgets LIST [-o DIR] [options]\n"
            "Compiles an ONNX model to C plus one blob of weights, with one "
            "plan per memory budget.\n\n");
    for (int i = 0; i < OPT_COUNT; i++) {
        help_row(out, opts[i].name, opts[i].arg, opts[i].help);
    }
    buf_str(out, "\nOther commands:\n");
#define CMD(NAME, ARG, FUNCTION, HELP) help_row(out, "flexc " NAME, ARG, HELP);
#define CMD_ALL CMD
#include "cli/cli_cmds.def"
#undef CMD
#undef CMD_ALL
    buf_str(out, "\nExit: 0 done, 1 bad or unsupported input, 2 usage, 3 no "
                 "feasible plan, 4 system, 5 (check) an output differs.\n");
}
