#include "run/run_args.h"

#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/numtext.h"

enum kind { FLAG, U32, U64, REAL, BUDGET, TEXT, LIST };

static const struct option {
    const char *name;
    const char *arg; /* NULL: none */
    enum kind kind;
    size_t field; /* offset in struct run_args */
    const char *help;
} options[] = {
#define OPT(NAME, ARG, KIND, FIELD, HELP)                                      \
    {NAME, ARG, KIND, offsetof(struct run_args, FIELD), HELP},
#include "run/run_opts.def"
#undef OPT
};

static bool bad_value(struct cx *cx, const char *option, const char *text,
                      const char *wanted)
{
    return diag_error(cx->diag, E_USAGE, at_option(option), "'%s' is not %s",
                      text, wanted);
}

static bool set_list(struct cx *cx, struct run_list *list, const char *text)
{
    const char **item = arena_push(cx->keep, list->item, &list->n, &list->cap);
    if (item) {
        *item = text;
    }
    return item;
}

static bool parse_budget(const char *text, uint64_t *out)
{
    if (strcmp(text, "min") == 0 || strcmp(text, "max") == 0) {
        *out = text[1] == 'i' ? RUN_BUDGET_MIN : RUN_BUDGET_MAX;
        return true;
    }
    return parse_size(text, out) && *out != RUN_BUDGET_UNSET &&
           *out < RUN_BUDGET_MIN;
}

static bool set_field(struct cx *cx, const struct option *o, const char *text,
                      struct run_args *out)
{
    void *const field = (char *)out + o->field;
    switch (o->kind) {
    case FLAG:
        *(bool *)field = true;
        return true;
    case U32:
        return parse_u32(text, field) ||
               bad_value(cx, o->name, text, "a whole number below 2^32");
    case U64:
        return parse_u64(text, field) ||
               bad_value(cx, o->name, text, "a whole number below 2^64");
    case REAL:
        return (parse_f64(text, field) && *(double *)field >= 0) ||
               bad_value(cx, o->name, text, "a number that is not negative");
    case BUDGET:
        return parse_budget(text, field) ||
               bad_value(cx, o->name, text,
                         "a number of bytes, as 50M or 96Ki, min or max");
    case TEXT:
        *(const char **)field = text;
        return true;
    case LIST:
        return set_list(cx, field, text);
    }
    return false;
}

/* The option of this argument; *value is what follows "=", or NULL. */
static const struct option *find_option(const char *arg, const char **value)
{
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const size_t len = strlen(options[i].name);
        if (strncmp(arg, options[i].name, len) != 0) {
            continue;
        }
        if (arg[len] == '\0' || arg[len] == '=') {
            *value = arg[len] == '=' ? arg + len + 1 : NULL;
            return &options[i];
        }
    }
    return NULL;
}

static bool parse_all(int argc, char **argv, struct cx *cx,
                      struct run_args *out)
{
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        const char *value = NULL;
        if (arg[0] != '-') {
            if (!set_list(cx, &out->path, arg)) {
                return false;
            }
            continue;
        }
        const struct option *o = find_option(arg, &value);
        if (!o) {
            return diag_error(cx->diag, E_USAGE, at_option(arg),
                              "there is no such option; see --help");
        }
        if (!o->arg && value) {
            return bad_value(cx, o->name, value, "allowed: it takes no value");
        }
        if (o->arg && !value) {
            if (i + 1 == argc) {
                return diag_error(cx->diag, E_USAGE, at_option(o->name),
                                  "needs a value: %s", o->arg);
            }
            value = argv[++i];
        }
        if (!set_field(cx, o, value, out)) {
            return false;
        }
    }
    return true;
}

/* ---- what options mean together ------------------------------------------ */

static bool is_name_of_model(const char *path)
{
    const size_t len = strlen(path);
    return len > 5 && strcmp(path + len - 5, ".onnx") == 0;
}

/* One of the words of `words`, separated by '|': its index. */
static bool parse_word(struct cx *cx, const char *option, const char *text,
                       const char *words, uint32_t *out)
{
    const char *at = words;
    for (uint32_t i = 0; at; i++) {
        const char *end = strchr(at, '|');
        const size_t len = end ? (size_t)(end - at) : strlen(at);
        if (strlen(text) == len && strncmp(text, at, len) == 0) {
            *out = i;
            return true;
        }
        at = end ? end + 1 : NULL;
    }
    return bad_value(cx, option, text, words);
}

/* "123.7,116.3,103.5": 1 to 4 numbers. */
static bool parse_numbers(struct cx *cx, const char *option, const char *text,
                          double out[4], uint32_t *n)
{
    const char *at = text;
    for (*n = 0; at && *n < 4; (*n)++) {
        const char *end = strchr(at, ',');
        const char *one = arena_strndup(
            cx->scratch, at, end ? (uint64_t)(end - at) : strlen(at));
        if (!one || !parse_f64(one, &out[*n])) {
            break;
        }
        at = end ? end + 1 : NULL;
    }
    return !at ||
           bad_value(cx, option, text, "1 to 4 numbers separated by commas");
}

static bool parse_image(struct cx *cx, struct run_args *a)
{
    uint32_t layout = 0;
    struct run_image_opt *o = &a->image;
    o->is_resized = a->resize;
    if (a->layout) {
        if (!parse_word(cx, "--layout", a->layout, "nchw|nhwc", &layout)) {
            return false;
        }
        o->layout = layout == 0 ? RUN_NCHW : RUN_NHWC;
    }
    if ((a->mean &&
         !parse_numbers(cx, "--mean", a->mean, o->mean, &o->n_mean)) ||
        (a->std && !parse_numbers(cx, "--std", a->std, o->std, &o->n_std))) {
        return false;
    }
    for (uint32_t i = 0; i < o->n_std; i++) {
        if (o->std[i] == 0) {
            return bad_value(cx, "--std", a->std, "allowed: it divides");
        }
    }
    return true;
}

/* The first option given that is of no use here, or NULL. */
static const char *first_given(const struct run_args *a, bool for_compile)
{
    const struct {
        const char *name;
        bool is_given;
        bool is_compile;
    } use[] = {
        {"--budgets", a->budgets, true},
        {"--cc", a->cc, true},
        {"--shape", a->shape.n > 0, true},
        {"--const", a->constant.n > 0, true},
        {"--state", a->state.n > 0, true},
        {"--target", a->target, true},
        {"--device", a->device, true},
        {"--numerics", a->numerics, true},
        {"--weights", a->weights, true},
        {"--compress", a->compress, true},
        {"--budget", a->budget != RUN_BUDGET_UNSET, false},
        {"--plan", a->plan != RUN_PLAN_UNSET, false},
        {"--input", a->input.n > 0, false},
        {"--output", a->output, false},
        {"--check", a->check, false},
        {"--runs", a->runs != 1, false},
        {"--sequence", a->sequence > 0, false},
        {"--profile-layers", a->profile, false},
        {"--switch", a->switches, false},
        {"--trace", a->trace, false},
        {"--json", a->json, false},
        {"--shape", a->shape.n > 0, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(use); i++) {
        if (use[i].is_given && use[i].is_compile == for_compile) {
            return use[i].name;
        }
    }
    return NULL;
}

bool run_args_turn(const char **text, struct span *entry, uint32_t *n)
{
    const char *const at = *text;
    const size_t len = strcspn(at, ",:");
    const char *end = at + len;
    uint64_t count = 1;
    if (*end == ':') {
        count = 0;
        for (end++; *end >= '0' && *end <= '9' && count < UINT32_MAX; end++) {
            count = 10 * count + (uint64_t)(*end - '0');
        }
    }
    if (len == 0 || count == 0 || count > UINT32_MAX ||
        (*end != '\0' && *end != ',')) {
        return false;
    }
    *entry = (struct span){(const uint8_t *)at, len};
    *n = (uint32_t)count;
    *text = *end ? end + 1 : NULL;
    return true;
}

/* A number, or runs of entries. */
static bool parse_sequence(struct cx *cx, struct run_args *a)
{
    enum { MOST = 1 << 20 };
    if (!a->turns ||
        (parse_u32(a->turns, &a->sequence) && a->sequence <= MOST)) {
        return true;
    }
    uint64_t all = 0;
    for (const char *at = a->turns; at;) {
        struct span entry;
        uint32_t n = 0;
        if (!run_args_turn(&at, &entry, &n) || (all += n) > MOST) {
            return diag_error(cx->diag, E_USAGE, at_option("--sequence"),
                              "'%s' is neither a number of runs nor "
                              "ENTRY[:RUNS],..., at most %d runs",
                              a->turns, MOST);
        }
    }
    a->has_entries = true;
    a->sequence = (uint32_t)all;
    return true;
}

static bool check_use(struct cx *cx, struct run_args *a)
{
    const char *useless = NULL;
    if (a->path.n == 0) {
        return diag_error(cx->diag, E_USAGE, at_none(),
                          "no model is given: flexrun DIR, flexrun MODEL.onnx "
                          "or flexrun --conformance TESTDIR...; see --help");
    }
    if (!a->conformance && a->path.n > 1) {
        return diag_error(cx->diag, E_USAGE, at_option(a->path.item[1]),
                          "one model at a time; folders of tests need "
                          "--conformance");
    }
    a->is_onnx = !a->conformance && is_name_of_model(a->path.item[0]);
    if (a->conformance) {
        useless = first_given(a, false);
        if (useless) {
            return diag_error(cx->diag, E_USAGE, at_option(useless),
                              "is of no use with --conformance");
        }
    } else if (!a->is_onnx) {
        useless = first_given(a, true);
        if (useless) {
            return diag_error(cx->diag, E_USAGE, at_option(useless),
                              "needs a MODEL.onnx; '%s' is compiled already",
                              a->path.item[0]);
        }
    }
    if (a->budget != RUN_BUDGET_UNSET && a->plan != RUN_PLAN_UNSET) {
        return diag_error(cx->diag, E_USAGE, at_option("--plan"),
                          "--budget has chosen a plan");
    }
    if ((a->rtol >= 0 || a->atol >= 0) && !a->check) {
        return diag_error(cx->diag, E_USAGE,
                          at_option(a->rtol >= 0 ? "--rtol" : "--atol"),
                          "needs --check DIR");
    }
    if (a->sequence > 0 && (a->runs != 1 || a->warmup > 0)) {
        return diag_error(cx->diag, E_USAGE, at_option("--sequence"),
                          "says how many runs there are, and none is twice");
    }
    if (a->has_entries &&
        (a->trace || a->profile || a->entry || a->plan_file.n > 0)) {
        return diag_error(cx->diag, E_USAGE, at_option("--sequence"),
                          "of entries goes with none of --entry, --plan-file, "
                          "--trace and --profile-layers, which are of one");
    }
    if (a->runs == 0 || a->threads == 0) {
        return diag_error(cx->diag, E_USAGE,
                          at_option(a->runs == 0 ? "--runs" : "--threads"),
                          "needs at least 1");
    }
    return true;
}

bool run_args_parse(int argc, char **argv, struct cx *cx, struct run_args *out)
{
    struct run_args a = {.plan = RUN_PLAN_UNSET,
                         .rtol = -1,
                         .atol = -1,
                         .runs = 1,
                         .threads = 1};
    uint32_t store = RUN_CACHED;
    if (!parse_all(argc, argv, cx, &a)) {
        return false;
    }
    if (a.help || a.version) {
        *out = a;
        return true;
    }
    if (!parse_sequence(cx, &a) || !check_use(cx, &a) || !parse_image(cx, &a) ||
        (a.storage && !parse_word(cx, "--storage", a.storage,
                                  "cached|direct|memory", &store))) {
        return false;
    }
    a.store = (enum run_storage)store;
    *out = a;
    return true;
}

bool run_args_pass(const struct run_args *a, struct run_argv *out)
{
    const struct {
        const char *name;
        const char *value;
    } text[] = {
        {"--target", a->target},     {"--device", a->device},
        {"--numerics", a->numerics}, {"--weights", a->weights},
        {"--compress", a->compress},
    };
    for (size_t i = 0; i < ARRAY_LEN(text); i++) {
        if (text[i].value && !run_argv_add2(out, text[i].name, text[i].value)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < a->shape.n; i++) {
        if (!run_argv_add2(out, "--shape", a->shape.item[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; i < a->constant.n; i++) {
        if (!run_argv_add2(out, "--const", a->constant.item[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; i < a->state.n; i++) {
        if (!run_argv_add2(out, "--state", a->state.item[i])) {
            return false;
        }
    }
    const char *threads = arena_printf(out->arena, "%" PRIu32, a->threads);
    return threads &&
           (a->threads == 1 || run_argv_add2(out, "--threads", threads));
}

const char *run_args_isa(const struct run_args *a)
{
    return a->target && strcmp(a->target, "host") != 0 ? a->target : NULL;
}

void run_args_help(struct buf *out)
{
    buf_str(out,
            "Usage: flexrun DIR [--budget B | --plan I] [options]\n"
            "       flexrun MODEL.onnx [--budgets LIST] [options]\n"
            "       flexrun --conformance TESTDIR... [--budgets LIST]\n"
            "\n"
            "Runs a model that flexc compiled into DIR; or compiles MODEL.onnx "
            "into a\n"
            "temporary folder and runs it under every budget; or runs tests "
            "and prints a\n"
            "line for each. Inputs that are not given are seeded random.\n"
            "\n");
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const struct option *o = &options[i];
        const int column =
            26 - (int)strlen(o->name) - (o->arg ? (int)strlen(o->arg) + 1 : 0);
        buf_printf(out, "  %s%s%s", o->name, o->arg ? " " : "",
                   o->arg ? o->arg : "");
        if (o->help[0] == '\0') {
            buf_char(out, '\n');
        } else if (column > 0) {
            buf_printf(out, "%*s%s\n", column, "", o->help);
        } else {
            buf_printf(out, "\n%28s%s\n", "", o->help);
        }
    }
    buf_str(out,
            "\n"
            "Exit: 0 done, 1 bad input, 2 usage, 3 no plan for the budget, 4 "
            "system,\n"
            "5 an output differs (the worst element is named).\n");
}
