/* zoo_main.c - the program flexzoo: command line in, one .onnx file out. */

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/numtext.h"
#include "base/undo.h"
#include "models/zoo.h"

static const char k_usage[] =
    "Usage: flexzoo NAME [options] -o FILE.onnx\n"
    "       flexzoo --list\n"
    "\n"
    "Writes the network NAME as an ONNX model with seeded weights: the same\n"
    "name, options and seed give the same bytes on every machine. The weights\n"
    "are not trained; they are scaled so that activations keep a magnitude of\n"
    "about one.\n"
    "\n"
    "  -o FILE       the file to write\n"
    "  --seed S      of the weights (default 1)\n"
    "  --res R       image height and width in pixels, 32 .. 4096\n"
    "                (vgg19: a multiple of 32; vit: a multiple of the patch)\n"
    "  --width W     multiplies every layer's channels, rounded to a multiple\n"
    "                of 8 (vit, gpt2: the number of heads, of 64 channels\n"
    "                each); 0.01 .. 4, in thousandths\n"
    "  --seq T       gpt2: tokens, 1 .. 1024\n"
    "  --patch P     vit: patch height and width in pixels, at least 4\n"
    "  --dynamic     image height and width are symbols H and W (networks "
    "that\n"
    "                end in a global average), or the tokens of a run T\n"
    "                (gpt2-step)\n"
    "  --list        prints each network's name, parameters, bytes of weights\n"
    "                and input\n"
    "  --help        prints this\n"
    "\n"
    "Exit: 0 done, 2 usage, 4 system (memory, files). After an error there is\n"
    "no partial file.\n";

struct command {
    const char *name;
    const char *out_path;
    bool is_list;
    bool is_help;
    struct zoo_request request;
};

static bool bad_value(struct diag *d, const char *option, const char *text,
                      const char *wanted)
{
    return diag_error(d, E_USAGE, at_option(option), "'%s' is not %s", text,
                      wanted);
}

static bool set_positive(struct diag *d, const char *option, const char *text,
                         uint32_t *out)
{
    uint32_t value = 0;
    if (!parse_u32(text, &value) || value == 0) {
        return bad_value(d, option, text, "a positive whole number");
    }
    *out = value;
    return true;
}

static bool set_output(struct diag *d, const char *text, struct command *c)
{
    if (*text == '\0') {
        return bad_value(d, "-o", text, "a file name");
    }
    c->out_path = text;
    return true;
}

static bool set_seed(struct diag *d, const char *text, struct command *c)
{
    c->request.has_seed = true;
    return parse_u64(text, &c->request.seed) ||
           bad_value(d, "--seed", text, "a whole number below 2^64");
}

static bool set_res(struct diag *d, const char *text, struct command *c)
{
    return set_positive(d, "--res", text, &c->request.res);
}

static bool set_width(struct diag *d, const char *text, struct command *c)
{
    double value = 0.0;
    if (!parse_f64(text, &value) || !(value >= 0.01 && value <= 4.0)) {
        return bad_value(d, "--width", text, "a number in 0.01 .. 4");
    }
    c->request.width_milli = (uint32_t)(value * 1000.0 + 0.5);
    return true;
}

static bool set_seq(struct diag *d, const char *text, struct command *c)
{
    return set_positive(d, "--seq", text, &c->request.seq);
}

static bool set_patch(struct diag *d, const char *text, struct command *c)
{
    return set_positive(d, "--patch", text, &c->request.patch);
}

/* Options with a value. */
static const struct {
    const char *name;
    bool (*set)(struct diag *d, const char *text, struct command *c);
} k_options[] = {
    {"-o", set_output},     {"--seed", set_seed}, {"--res", set_res},
    {"--width", set_width}, {"--seq", set_seq},   {"--patch", set_patch},
};

/* Whether arg is this option; *value is what follows "=", or NULL. */
static bool matches(const char *arg, const char *option, const char **value)
{
    const size_t len = strlen(option);
    if (strncmp(arg, option, len) != 0) {
        return false;
    }
    *value = arg[len] == '=' ? arg + len + 1 : NULL;
    return arg[len] == '\0' || (arg[len] == '=' && option[1] == '-');
}

/* Takes argv[*ix] and, if it has a value, what follows. */
static bool parse_arg(struct diag *d, int argc, char **argv, int *ix,
                      struct command *c)
{
    const char *arg = argv[*ix];
    for (size_t i = 0; i < ARRAY_LEN(k_options); i++) {
        const char *value = NULL;
        if (!matches(arg, k_options[i].name, &value)) {
            continue;
        }
        if (!value && *ix + 1 < argc) {
            *ix += 1;
            value = argv[*ix];
        }
        if (!value) {
            return diag_error(d, E_USAGE, at_option(k_options[i].name),
                              "needs a value");
        }
        return k_options[i].set(d, value, c);
    }
    if (strcmp(arg, "--dynamic") == 0) {
        c->request.is_dynamic = true;
        return true;
    }
    if (strcmp(arg, "--list") == 0) {
        c->is_list = true;
        return true;
    }
    if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
        c->is_help = true;
        return true;
    }
    if (arg[0] == '-') {
        return diag_error(d, E_USAGE, at_option(arg),
                          "unknown; flexzoo --help lists the options");
    }
    if (c->name) {
        return diag_error(d, E_USAGE, at_none(),
                          "'%s' after '%s': one network a call", arg, c->name);
    }
    c->name = arg;
    return true;
}

static bool finish_stdout(struct diag *d)
{
    if (fflush(stdout) != 0 || ferror(stdout)) {
        return diag_error(d, E_IO, at_none(), "cannot write standard output");
    }
    return true;
}

static bool list(struct diag *d, struct arena *arena)
{
    (void)printf("%-18s %11s %11s  %-14s %s\n", "name", "parameters", "bytes",
                 "input", "network");
    for (size_t i = 0; i < zoo_n_models(); i++) {
        const struct zoo_model *model = zoo_model_at(i);
        const struct zoo_opts *o = &model->defaults;
        const struct arena_mark mark = arena_mark(arena);
        struct zoo_net net;
        if (!zoo_build(model, o, arena, d, &net)) {
            return false;
        }
        char shape[32];
        if (model->options & ZOO_SEQ) {
            (void)snprintf(shape, sizeof shape, "1x%" PRIu32, o->seq);
        } else {
            (void)snprintf(shape, sizeof shape, "1x3x%" PRIu32 "x%" PRIu32,
                           o->res, o->res);
        }
        (void)printf("%-18s %11" PRIu64 " %11" PRIu64 "  %-14s %s\n",
                     model->name, net.n_params, net.weight_bytes, shape,
                     model->summary);
        arena_rewind(arena, mark);
    }
    return finish_stdout(d);
}

static bool write_model(struct diag *d, struct arena *arena,
                        const struct command *c)
{
    const struct zoo_model *model = zoo_find(c->name);
    if (!model) {
        return diag_error(d, E_USAGE, at_none(),
                          "no network is called '%s'; flexzoo --list names "
                          "those there are",
                          c->name);
    }
    if (!c->out_path) {
        return diag_error(d, E_USAGE, at_option("-o"),
                          "missing; add -o %s.onnx", c->name);
    }
    struct zoo_opts opts;
    struct zoo_net net;
    return zoo_resolve(model, &c->request, d, &opts) &&
           zoo_build(model, &opts, arena, d, &net) &&
           onnx_model_write(net.model, c->out_path);
}

static bool run(int argc, char **argv, struct diag *d, struct arena *arena)
{
    struct command c = {0};
    for (int i = 1; i < argc; i++) {
        if (!parse_arg(d, argc, argv, &i, &c)) {
            return false;
        }
    }
    if (c.is_help) {
        (void)fputs(k_usage, stdout);
        return finish_stdout(d);
    }
    if (c.is_list) {
        return list(d, arena);
    }
    if (!c.name) {
        return diag_error(d, E_USAGE, at_none(),
                          "which network? flexzoo --list names them; "
                          "flexzoo --help tells more");
    }
    return write_model(d, arena, &c);
}

int main(int argc, char **argv)
{
    struct diag d;
    struct arena arena;
    struct undo undo;
    undo_start(&undo);
    diag_init(&d);
    d.undo = &undo;
    arena_init(&arena, UINT64_C(256) << 20, &d);
    const bool ok = run(argc, argv, &d, &arena);
    arena_free(&arena);
    undo_stop(&undo);
    if (!ok) {
        char line[DIAG_LINE_CAP];
        diag_format(&d, line, sizeof line);
        (void)fprintf(stderr, "flexzoo: %s\n", line);
    }
    return diag_exit_code(&d);
}
