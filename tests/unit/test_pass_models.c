/* test_pass_models.c - the front half of the compiler against models and data
 * made by others: every model that is found is imported and sent through the
 * passes. What comes out is compared with the stored outputs: their types and
 * shapes always, their values where all inputs are given as constants and the
 * whole model folds away. */
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
#include "passes/elem.h"
#include "passes/passes.h"

enum pin_mode {
    PIN_NONE,
    PIN_LISTS, /* integers of rank <= 1, scales: they decide shapes */
    PIN_ALL,
};

struct tally {
    unsigned n_ok;
    unsigned n_value; /* outputs whose values were compared */
    unsigned n_refused;
    unsigned n_bad;
};

static void read_data(struct fixture *f, const char *dir, const char *kind,
                      uint32_t i, struct value *v, bool *is_there)
{
    const char *const path =
        arena_printf(&f->keep, "%s/test_data_set_0/%s_%u.pb", dir, kind, i);
    assert_non_null(path);
    *is_there = file_exists(path);
    if (*is_there && !onnx_tensor_read(path, &f->cx, v)) {
        *is_there = false; /* a type that is not held */
        diag_init(&f->diag);
    }
}

/* Sets each input to the shape of its data, and to the data itself as asked. */
static bool pin_inputs(struct fixture *f, struct graph *g, const char *dir,
                       enum pin_mode mode)
{
    uint32_t n_left = 0;
    for (uint32_t i = 0; i < g->n_input; i++) {
        struct value *const v = &g->value[g->input[i]];
        struct value data;
        bool is_there;
        read_data(f, dir, "input", i, &data, &is_there);
        if (!is_there || data.dtype != v->dtype) {
            return false;
        }
        v->shape = data.shape;
        v->shape_known = true;
        const bool is_list = data.shape.rank <= 1 &&
                             (v->dtype == DTYPE_I64 || v->dtype == DTYPE_I32 ||
                              strcmp(v->name, "scales") == 0);
        if (mode == PIN_ALL || (mode == PIN_LISTS && is_list)) {
            v->data = data.data;
            v->is_const = true;
        } else {
            g->input[n_left++] = g->input[i];
        }
    }
    g->n_input = n_left;
    return true;
}

static bool is_close(enum dtype t, const uint8_t *got, const uint8_t *want,
                     uint64_t i)
{
    if (!dtype_is_float(t)) {
        return elem_i64(t, got, i) == elem_i64(t, want, i);
    }
    const double x = elem_f64(t, got, i);
    const double y = elem_f64(t, want, i);
    return x == y || (isnan(x) && isnan(y)) ||
           fabs(x - y) <= 1e-7 + 1e-3 * fabs(y);
}

/* NULL, or what is wrong with the outputs. */
static const char *compare(struct fixture *f, const struct graph *g,
                           const char *dir, struct tally *t)
{
    for (uint32_t i = 0; i < g->n_output; i++) {
        const struct value *const v = &g->value[g->output[i]];
        struct value want;
        bool is_there;
        read_data(f, dir, "output", i, &want, &is_there);
        /* ONNX 1.12 stored bf16 as the u16 of its bits. */
        if (!is_there || (v->dtype == DTYPE_BF16 && want.dtype == DTYPE_U16)) {
            continue;
        }
        /* The most there can be, of what values decide. */
        const uint32_t at = v->extent > 0 ? v->extent - 1 : 0;
        if (v->extent > 0 && want.shape.dim[at] <= v->shape.dim[at]) {
            want.shape.dim[at] = v->shape.dim[at];
        }
        if (v->dtype != want.dtype || !shape_equal(&v->shape, &want.shape)) {
            return "an output has another type or shape";
        }
        uint64_t count;
        assert_true(shape_count(&want.shape, &count));
        for (uint64_t k = 0; v->is_const && k < count; k++) {
            if (!is_close(v->dtype, v->data.data, want.data.data, k)) {
                return "an output has another value";
            }
        }
        t->n_value += v->is_const;
    }
    return NULL;
}

static bool is_refusal(enum diag_id id)
{
    return id == E_OP_UNKNOWN || id == E_OPSET || id == E_UNSUPPORTED ||
           id == E_NEEDS_CONST || id == E_TYPE;
}

static void try_model(struct fixture *f, const char *dir, enum pin_mode mode,
                      struct tally *t)
{
    fixture_restart(f, ARENA_NO_FAULT);
    const char *const path = arena_printf(&f->keep, "%s/model.onnx", dir);
    assert_non_null(path);
    struct graph g;
    bool is_ok = onnx_import(path, &f->cx, &g);
    if (!is_ok) {
        t->n_refused += is_refusal(f->diag.id);
    } else if (!pin_inputs(f, &g, dir, mode)) {
        t->n_refused++;
        graph_unmap(&g);
        return;
    } else {
        is_ok = passes_run(&g, &f->cx, NULL, NULL);
        t->n_refused += !is_ok && is_refusal(f->diag.id);
    }
    char text[DIAG_LINE_CAP];
    if (!is_ok) {
        diag_format(&f->diag, text, sizeof text);
        if (!is_refusal(f->diag.id)) {
            print_error("%s\n", text);
            t->n_bad++;
        }
        if (getenv("FLEXC_TEST_VERBOSE")) {
            print_message("%s\n", text);
        }
        return;
    }
    struct buf dump;
    buf_init(&dump, &f->keep);
    const char *const wrong = compare(f, &g, dir, t);
    if (wrong || !graph_check(&g, &f->cx) || !graph_print(&g, &dump)) {
        diag_format(&f->diag, text, sizeof text);
        print_error("%s: %s %s\n", dir, wrong ? wrong : "", text);
        t->n_bad++;
    } else {
        t->n_ok++;
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
        snprintf(dir, sizeof dir, "%s/%s", root, e->d_name);
        snprintf(model, sizeof model, "%s/model.onnx", dir);
        if (e->d_name[0] != '.' && file_exists(model)) {
            try_model(f, dir, mode, t);
        }
    }
    closedir(d);
    print_message("%s: %u fine, %u outputs compared by value, %u refused\n",
                  root, t->n_ok, t->n_value, t->n_refused);
    assert_int_equal(t->n_bad, 0);
}

/* The data's folder, out of the fixture's reach when that restarts. */
static void data_root(struct fixture *f, const char *relative, char dst[1024])
{
    snprintf(dst, 1024, "%s", fixture_data_path(f, relative));
}

static void models__trained_ones_get_the_shapes_of_their_outputs(void **state)
{
    struct fixture *f = *state;
    char root[1024];
    data_root(f, "models", root);
    struct tally t = {0};
    try_all(f, root, PIN_NONE, &t);
    assert_true(t.n_ok >= 18);
}

static void models__light_networks_get_the_shapes_of_their_outputs(void **state)
{
    struct fixture *f = *state;
    char root[1024];
    data_root(f, "conformance/light", root);
    struct tally t = {0};
    try_all(f, root, PIN_NONE, &t);
    assert_int_equal(t.n_ok, 9);
}

/* Each operator alone, its lists constant: the shape rules. */
static void models__node_tests_get_the_shapes_of_their_outputs(void **state)
{
    struct fixture *f = *state;
    char root[1024];
    data_root(f, "conformance/node", root);
    struct tally t = {0};
    try_all(f, root, PIN_LISTS, &t);
    assert_true(t.n_ok >= 250);
}

/* Each operator alone, all inputs constant: the folding functions. */
static void models__node_tests_fold_to_the_values_of_their_outputs(void **state)
{
    struct fixture *f = *state;
    char root[1024];
    data_root(f, "conformance/node", root);
    struct tally t = {0};
    try_all(f, root, PIN_ALL, &t);
    assert_true(t.n_value >= 150);
}

static void models__debian_s_node_tests_pass_too(void **state)
{
    struct fixture *f = *state;
    const char *const root = "/usr/share/libonnx-testdata/data/node";
    if (!file_exists(root)) {
        print_message("skipped: no libonnx-testdata\n");
        skip();
    }
    struct tally t = {0};
    try_all(f, root, PIN_LISTS, &t);
    assert_true(t.n_ok >= 250);
    t = (struct tally){0};
    try_all(f, root, PIN_ALL, &t);
    assert_true(t.n_value >= 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(models__trained_ones_get_the_shapes_of_their_outputs),
        FIXTURE_TEST(models__light_networks_get_the_shapes_of_their_outputs),
        FIXTURE_TEST(models__node_tests_get_the_shapes_of_their_outputs),
        FIXTURE_TEST(models__node_tests_fold_to_the_values_of_their_outputs),
        FIXTURE_TEST(models__debian_s_node_tests_pass_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
