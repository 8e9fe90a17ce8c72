/* test_lower_models.c - lowering against models and data made by others: every
 * model is imported, sent through the passes and lowered, its layers are
 * checked and run by layer_eval, and the outputs compared with the stored ones.
 * This judges lowering without any kernel. */
#include "support/fixture.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fileio.h"
#include "frontend/onnx/onnx_data.h"
#include "frontend/onnx/onnx_import.h"
#include "ir/graph.h"
#include "ir/layer.h"
#include "passes/elem.h"
#include "passes/lower.h"
#include "passes/passes.h"
#include "support/layer_eval.h"

enum pin_mode {
    PIN_LISTS,   /* integers of rank <= 1, scales: they decide shapes */
    PIN_WEIGHTS, /* all inputs but the first */
};

struct tally {
    uint64_t cost_max; /* what costs more is only checked */
    unsigned n_ok;
    unsigned n_refused;
    unsigned n_bad;
};

static bool read_data(struct fixture *f, const char *dir, const char *kind,
                      uint32_t i, struct value *v)
{
    const char *const path =
        arena_printf(&f->keep, "%s/test_data_set_0/%s_%u.pb", dir, kind, i);
    assert_non_null(path);
    if (!file_exists(path) || !onnx_tensor_read(path, &f->cx, v)) {
        diag_init(&f->diag); /* a type that is not held */
        return false;
    }
    return true;
}

/* Gives each input the shape of its data; those left are *input. */
static bool pin_inputs(struct fixture *f, struct graph *g, const char *dir,
                       enum pin_mode mode, const uint8_t **input)
{
    uint32_t n_left = 0;
    for (uint32_t i = 0; i < g->n_input; i++) {
        struct value *const v = &g->value[g->input[i]];
        struct value data;
        if (!read_data(f, dir, "input", i, &data) || data.dtype != v->dtype) {
            return false;
        }
        v->shape = data.shape;
        v->shape_known = true;
        const bool is_list = i > 0 && data.shape.rank <= 1 &&
                             (v->dtype == DTYPE_I64 || v->dtype == DTYPE_I32 ||
                              strcmp(v->name, "scales") == 0);
        if (is_list || (mode == PIN_WEIGHTS && i > 0)) {
            v->data = data.data;
            v->is_const = true;
        } else {
            input[n_left] = data.data.data;
            g->input[n_left++] = g->input[i];
        }
    }
    g->n_input = n_left;
    return true;
}

/* ONNX's own rule, or `close R A` of the folder's tolerance file. */
struct rule {
    double rel;
    double abs;
    double of_max;
};

static struct rule read_rule(struct fixture *f, const char *dir)
{
    struct rule r = {1e-3, 1e-7, 0.0};
    char line[128] = "";
    FILE *const file = fopen(arena_printf(&f->keep, "%s/tolerance", dir), "r");
    if (file) {
        (void)fgets(line, sizeof line, file);
        (void)fclose(file);
    }
    if (strncmp(line, "close ", 6) == 0) {
        char *end;
        r = (struct rule){.rel = strtod(line + 6, &end)};
        r.of_max = strtod(end, NULL);
    }
    return r;
}

static const char *compare(struct fixture *f, const struct value *want,
                           const uint8_t *got, const struct rule *r)
{
    uint64_t n;
    double top = 0.0;
    const enum dtype t = want->dtype;
    assert_true(shape_count(&want->shape, &n));
    for (uint64_t i = 0; i < n && dtype_is_float(t); i++) {
        const double x = fabs(elem_f64(t, want->data.data, i));
        top = isfinite(x) ? fmax(top, x) : top;
    }
    for (uint64_t i = 0; i < n; i++) {
        const double x = elem_f64(t, got, i);
        const double y = elem_f64(t, want->data.data, i);
        const double room = r->rel * fabs(y) + r->abs + r->of_max * top;
        if (!(x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= room)) {
            return arena_printf(&f->keep, "element %llu is %g, not %g",
                                (unsigned long long)i, x, y);
        }
    }
    return NULL;
}

static const char *run(struct fixture *f, const struct layers *l,
                       const char *dir, const uint8_t *const *input)
{
    const uint8_t **const output =
        arena_new(&f->keep, const uint8_t *, l->n_output);
    assert_non_null(output);
    const char *wrong = layer_eval(l, &f->keep, input, output);
    const struct rule rule = read_rule(f, dir);
    for (uint32_t i = 0; !wrong && i < l->n_output; i++) {
        struct value want;
        if (!read_data(f, dir, "output", i, &want) ||
            (want.dtype == DTYPE_U16 && l->output[i].dtype == DTYPE_BF16)) {
            continue;
        }
        if (want.dtype != l->output[i].dtype ||
            !shape_equal(&want.shape, &l->output[i].shape)) {
            return "an output has another type or shape";
        }
        wrong = compare(f, &want, output[i], &rule);
    }
    return wrong;
}

static void print_layers(struct fixture *f, const struct layers *l)
{
    struct buf text;
    buf_init(&text, &f->keep);
    assert_true(layers_print(l, &text));
    (void)fwrite(text.data, 1, text.len, stdout);
}

/* What layer_eval takes, in multiply-adds; a weight is packed once. */
static uint64_t cost_of(const struct layers *l)
{
    uint64_t n = l->weight_bytes * 4;
    for (uint32_t i = 0; i < l->n_layer; i++) {
        n += l->layer[i].macs;
    }
    return n;
}

static void try_model(struct fixture *f, const char *dir, enum pin_mode mode,
                      struct tally *t)
{
    fixture_restart(f, ARENA_NO_FAULT);
    const uint8_t *input[64];
    struct graph g;
    struct layers l = {0};
    if (!onnx_import(arena_printf(&f->keep, "%s/model.onnx", dir), &f->cx,
                     &g)) {
        t->n_refused++;
        return;
    }
    const char *wrong = NULL;
    const bool is_lowered =
        g.n_input <= 64 && pin_inputs(f, &g, dir, mode, input) &&
        passes_run(&g, &f->cx, NULL, NULL) && lower(&g, &f->cx, &l);
    if (is_lowered) {
        if (getenv("FLEXC_TEST_LAYERS")) {
            print_layers(f, &l);
        }
        wrong = !layers_check(&l, &f->cx)   ? "layers_check"
                : !layer_eval_knows(&l)     ? NULL
                : cost_of(&l) > t->cost_max ? NULL
                                            : run(f, &l, dir, input);
        t->n_ok += wrong == NULL;
    } else {
        t->n_refused++;
        wrong = f->diag.id == E_INTERNAL ? "lower" : NULL;
    }
    if (wrong || (!is_lowered && getenv("FLEXC_TEST_VERBOSE"))) {
        char text[DIAG_LINE_CAP];
        diag_format(&f->diag, text, sizeof text);
        print_message("%s: %s %s\n", dir, wrong ? wrong : "refused", text);
        t->n_bad += wrong != NULL;
    }
    graph_unmap(&g);
}

/* Every folder of `root` that holds a model. */
static void try_all(struct fixture *f, const char *root, enum pin_mode mode,
                    struct tally *t)
{
    DIR *const d = opendir(root);
    assert_non_null(d);
    for (const struct dirent *e = readdir(d); e; e = readdir(d)) {
        char dir[1024];
        char model[1100];
        (void)snprintf(dir, sizeof dir, "%s/%s", root, e->d_name);
        (void)snprintf(model, sizeof model, "%s/model.onnx", dir);
        if (e->d_name[0] != '.' && file_exists(model)) {
            try_model(f, dir, mode, t);
        }
    }
    closedir(d);
    print_message("%s: %u right, %u refused\n", root, t->n_ok, t->n_refused);
    assert_int_equal(t->n_bad, 0);
}

/* The data's folder, out of the fixture's reach when that restarts. */
static void data_root(struct fixture *f, const char *relative, char dst[512])
{
    (void)snprintf(dst, 512, "%s", fixture_data_path(f, relative));
}

static void lower__trained_models_give_the_stored_outputs(void **state)
{
    static const char *const names[] = {
        "squeezenet1_1_f32",
        "tiny_ic_resnet8_f32",
        "tiny_kws_dscnn_f32",
        "tiny_vww_mobilenetv1_f32",
        "tiny_ad_autoencoder_f32",
        "sine_mlp_f32",
        "mnist_cnn",
        "micro_kws_m_fp32",
        "super_resolution",
        "blazeface_front_128",
        "nanodet_m",
        "fastestdet",
        "ultraface_rfb320",
        "ppocr_v2_cls",
        "ppocr_v4_det",
    };
    struct fixture *f = *state;
    char root[512];
    char dir[1024];
    struct tally t = {.cost_max = UINT64_MAX};
    data_root(f, "models", root);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        (void)snprintf(dir, sizeof dir, "%s/%s", root, names[i]);
        try_model(f, dir, PIN_LISTS, &t);
    }
    assert_int_equal(t.n_bad, 0);
    assert_int_equal(t.n_ok, ARRAY_LEN(names));
}

static void lower__light_networks_give_the_stored_outputs(void **state)
{
    struct fixture *f = *state;
    char root[512];
    /* Their weights are all the same; the costly ones tell no more. */
    struct tally t = {.cost_max = 500000000};
    data_root(f, "conformance/light", root);
    try_all(f, root, PIN_LISTS, &t);
    assert_int_equal(t.n_ok, 9);
}

static void lower__node_tests_give_the_stored_outputs(void **state)
{
    struct fixture *f = *state;
    char root[512];
    struct tally t = {.cost_max = UINT64_MAX};
    data_root(f, "conformance/node", root);
    try_all(f, root, PIN_LISTS, &t);
    assert_true(t.n_ok >= 150);
}

static void lower__node_tests_with_constant_weights_too(void **state)
{
    struct fixture *f = *state;
    char root[512];
    struct tally t = {.cost_max = UINT64_MAX};
    data_root(f, "conformance/node", root);
    try_all(f, root, PIN_WEIGHTS, &t);
    assert_true(t.n_ok >= 150);
}

static void check_file(struct fixture *f, const char *path)
{
    struct graph g;
    struct layers l;
    char text[DIAG_LINE_CAP];
    fixture_restart(f, ARENA_NO_FAULT);
    if (onnx_import(path, &f->cx, &g) && passes_run(&g, &f->cx, NULL, NULL) &&
        lower(&g, &f->cx, &l) && layers_check(&l, &f->cx)) {
        if (getenv("FLEXC_TEST_LAYERS")) {
            print_layers(f, &l);
        }
        (void)printf("%s: %u layers, %llu weight bytes, %llu kept\n", path,
                     l.n_layer, (unsigned long long)l.weight_bytes,
                     (unsigned long long)f->keep.peak_bytes);
        return;
    }
    diag_format(&f->diag, text, sizeof text);
    (void)printf("%s\n", text);
}

/* With arguments: the folders to try instead, or files that are only lowered.
 */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(lower__trained_models_give_the_stored_outputs),
        FIXTURE_TEST(lower__light_networks_give_the_stored_outputs),
        FIXTURE_TEST(lower__node_tests_give_the_stored_outputs),
        FIXTURE_TEST(lower__node_tests_with_constant_weights_too),
    };
    if (argc < 2) {
        return cmocka_run_group_tests(tests, NULL, NULL);
    }
    void *state;
    struct tally t = {.cost_max = UINT64_MAX};
    (void)fixture_setup(&state);
    for (int i = 1; i < argc; i++) {
        if (strstr(argv[i], ".onnx")) {
            check_file(state, argv[i]);
        } else {
            try_model(state, argv[i], PIN_WEIGHTS, &t);
        }
    }
    (void)printf("%u right, %u refused, %u wrong\n", t.n_ok, t.n_refused,
                 t.n_bad);
    (void)fixture_teardown(&state);
    return t.n_bad != 0;
}
