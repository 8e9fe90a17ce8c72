#include "support/fixture.h"

#include <stdio.h>
#include <string.h>

#include "base/fileio.h"
#include "models/zoo.h"
#include "onnx.pb-c.h"

static void build(struct fixture *f, const char *name,
                  const struct zoo_request *request, struct zoo_opts *opts,
                  struct zoo_net *net)
{
    const struct zoo_model *model = zoo_find(name);
    assert_non_null(model);
    if (!zoo_resolve(model, request, &f->diag, opts) ||
        !zoo_build(model, opts, &f->keep, &f->diag, net)) {
        assert_no_diag(f);
    }
}

static const struct zoo_request no_request;

/* Sums of the papers' tables, as the reference implementations state them. */
static void zoo__has_the_published_numbers_of_parameters(void **state)
{
    static const struct {
        const char *name;
        uint64_t n_params;
    } k_rows[] = {
        {"vgg19", 143667240},     {"resnet152", 60192808},
        {"mobilenetv2", 3504872}, {"squeezenet", 1235496},
        {"vit", 88297192},        {"gpt2", 124439808},
        {"gpt2-step", 124439808},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(k_rows); i++) {
        struct zoo_opts opts;
        struct zoo_net net;
        build(f, k_rows[i].name, &no_request, &opts, &net);
        assert_int_equal(net.n_params, k_rows[i].n_params);
    }
}

static Onnx__ModelProto *write_and_read(struct fixture *f, const char *name,
                                        const struct zoo_request *request)
{
    const char *path = fixture_temp_path(f, "net.onnx");
    struct zoo_opts opts;
    struct zoo_net net;
    build(f, name, request, &opts, &net);
    assert_true(onnx_model_write(net.model, path));
    struct file_map map;
    assert_true(file_map(path, &f->diag, &map));
    Onnx__ModelProto *model =
        onnx__model_proto__unpack(NULL, (size_t)map.bytes.len, map.bytes.data);
    file_unmap(&map);
    assert_non_null(model);
    return model;
}

/* Names of everything defined so far. */
struct names {
    const char *name[4096];
    size_t n;
};

static bool is_defined(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->name[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void define(struct names *names, const char *name)
{
    if (is_defined(names, name)) {
        fail_msg("'%s' is defined twice", name);
    }
    assert_true(names->n < ARRAY_LEN(names->name));
    names->name[names->n++] = name;
}

/* Every value is defined once and before its use, every initializer is used,
 * node names are unique, and each graph output is made. */
static void check_graph(const Onnx__GraphProto *g)
{
    static struct names values;
    static struct names nodes;
    static struct names used;
    values.n = nodes.n = used.n = 0;
    for (size_t i = 0; i < g->n_input; i++) {
        define(&values, g->input[i]->name);
    }
    for (size_t i = 0; i < g->n_initializer; i++) {
        define(&values, g->initializer[i]->name);
    }
    for (size_t i = 0; i < g->n_node; i++) {
        const Onnx__NodeProto *node = g->node[i];
        define(&nodes, node->name);
        for (size_t k = 0; k < node->n_input; k++) {
            if (!is_defined(&values, node->input[k])) {
                fail_msg("'%s' reads '%s' before it is made", node->name,
                         node->input[k]);
            }
            if (!is_defined(&used, node->input[k])) {
                define(&used, node->input[k]);
            }
        }
        for (size_t k = 0; k < node->n_output; k++) {
            define(&values, node->output[k]);
        }
    }
    for (size_t i = 0; i < g->n_initializer; i++) {
        if (!is_defined(&used, g->initializer[i]->name)) {
            fail_msg("nothing reads '%s'", g->initializer[i]->name);
        }
    }
    assert_true(g->n_output > 0);
    for (size_t i = 0; i < g->n_output; i++) {
        assert_true(is_defined(&values, g->output[i]->name));
    }
}

static void zoo__small_networks_are_well_formed(void **state)
{
    struct fixture *f = *state;
    size_t n = 0;
    for (size_t i = 0; i < zoo_n_models(); i++) {
        const struct zoo_model *model = zoo_model_at(i);
        struct zoo_opts opts;
        struct zoo_net net;
        build(f, model->name, &no_request, &opts, &net);
        if (net.weight_bytes > 4000000) {
            continue; /* the next test narrows these */
        }
        Onnx__ModelProto *read = write_and_read(f, model->name, &no_request);
        check_graph(read->graph);
        onnx__model_proto__free_unpacked(read, NULL);
        n++;
    }
    assert_int_equal(n, 8);
}

static size_t count_ops(const Onnx__GraphProto *g, const char *op)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_node; i++) {
        n += strcmp(g->node[i]->op_type, op) == 0;
    }
    return n;
}

/* Layer counts from the papers' tables, on narrow versions of the six. */
static void zoo__narrow_networks_keep_all_layers(void **state)
{
    static const struct {
        const char *name;
        const char *op;
        size_t n;
    } k_rows[] = {
        {"vgg19", "Conv", 16},
        {"vgg19", "Gemm", 3},
        {"vgg19", "MaxPool", 5},
        {"resnet152", "Conv", 155}, /* 151 and four projections */
        {"resnet152", "BatchNormalization", 155},
        {"resnet152", "Gemm", 1},
        {"mobilenetv2", "Conv", 52},
        {"mobilenetv2", "Clip", 35},
        {"mobilenetv2", "Add", 10},
        {"squeezenet", "Conv", 26},
        {"squeezenet", "Concat", 8},
        {"vit", "Softmax", 12},
        {"vit", "Erf", 12},
        {"vit", "LayerNormalization", 25},
        {"gpt2", "Where", 12},
        {"gpt2-step", "ScatterElements", 24},
        {"gpt2", "Tanh", 12},
        {"gpt2", "LayerNormalization", 25},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(k_rows); i++) {
        /* Narrower, more of MobileNetV2's blocks would keep their width and
         * so have a shortcut. */
        const bool is_mobile = strcmp(k_rows[i].name, "mobilenetv2") == 0;
        struct zoo_request narrow = {.width_milli = is_mobile ? 400 : 60};
        narrow.res = zoo_find(k_rows[i].name)->options & ZOO_RES ? 64 : 0;
        Onnx__ModelProto *read = write_and_read(f, k_rows[i].name, &narrow);
        assert_int_equal(count_ops(read->graph, k_rows[i].op), k_rows[i].n);
        check_graph(read->graph);
        onnx__model_proto__free_unpacked(read, NULL);
    }
}

static void read_file(struct fixture *f, const char *path, struct file_map *map)
{
    assert_true(file_map(path, &f->diag, map));
}

static void zoo__bytes_depend_on_name_options_and_seed_alone(void **state)
{
    struct fixture *f = *state;
    const struct zoo_request requests[] = {
        {0}, {0}, {.has_seed = true, .seed = 1}, {.has_seed = true, .seed = 0}};
    struct file_map map[ARRAY_LEN(requests)];
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "%zu.onnx", i);
        const char *path = fixture_temp_path(f, name);
        struct zoo_opts opts;
        struct zoo_net net;
        build(f, "squeezenet-small", &requests[i], &opts, &net);
        assert_true(onnx_model_write(net.model, path));
        read_file(f, path, &map[i]);
    }
    assert_true(span_eq(map[0].bytes, map[1].bytes));
    assert_true(span_eq(map[0].bytes, map[2].bytes)); /* the default is 1 */
    assert_int_equal(map[0].bytes.len, map[3].bytes.len);
    assert_false(span_eq(map[0].bytes, map[3].bytes));
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        file_unmap(&map[i]);
    }
}

static void zoo__declares_input_and_output_of_the_options(void **state)
{
    struct fixture *f = *state;
    const struct zoo_request seven = {.seq = 7};
    Onnx__ModelProto *read = write_and_read(f, "gpt2-small", &seven);
    const Onnx__ValueInfoProto *in = read->graph->input[0];
    const Onnx__ValueInfoProto *out = read->graph->output[0];
    assert_string_equal(in->name, "input_ids");
    assert_int_equal(in->type->tensor_type->elem_type, 7);
    assert_int_equal(in->type->tensor_type->shape->dim[1]->dim_value, 7);
    assert_string_equal(out->name, "logits");
    assert_int_equal(out->type->tensor_type->shape->n_dim, 3);
    assert_int_equal(out->type->tensor_type->shape->dim[1]->dim_value, 7);
    assert_int_equal(out->type->tensor_type->shape->dim[2]->dim_value, 1000);
    onnx__model_proto__free_unpacked(read, NULL);

    const struct zoo_request fine = {.res = 48, .patch = 8};
    read = write_and_read(f, "vit-small", &fine);
    in = read->graph->input[0];
    out = read->graph->output[0];
    assert_string_equal(in->name, "input");
    assert_int_equal(in->type->tensor_type->shape->dim[3]->dim_value, 48);
    assert_string_equal(out->name, "output");
    assert_int_equal(out->type->tensor_type->shape->n_dim, 2);
    assert_int_equal(out->type->tensor_type->shape->dim[1]->dim_value, 10);
    onnx__model_proto__free_unpacked(read, NULL);
}

static void zoo__refuses_options_that_make_no_sense(void **state)
{
    static const struct {
        const char *name;
        struct zoo_request request;
        const char *option;
    } k_rows[] = {
        {"vgg19", {.res = 48}, "--res"},
        {"vgg19", {.res = 16}, "--res"},
        {"resnet152", {.res = 5000}, "--res"},
        {"vit", {.res = 100}, "--res"},
        {"vit", {.patch = 3}, "--patch"},
        {"vit", {.patch = 400}, "--patch"},
        {"gpt2", {.res = 64}, "--res"},
        {"gpt2", {.seq = 1025}, "--seq"},
        {"squeezenet", {.seq = 8}, "--seq"},
        {"mobilenetv2", {.patch = 8}, "--patch"},
        {"tiny", {.width_milli = 9}, "--width"},
        {"tiny", {.width_milli = 4001}, "--width"},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(k_rows); i++) {
        struct zoo_opts opts;
        diag_init(&f->diag);
        assert_false(zoo_resolve(zoo_find(k_rows[i].name), &k_rows[i].request,
                                 &f->diag, &opts));
        assert_diag(f, E_USAGE, k_rows[i].option);
    }
    assert_null(zoo_find("vgg"));
}

static void zoo__refuses_more_than_2_gib(void **state)
{
    struct fixture *f = *state;
    const struct zoo_request wide = {.width_milli = 3000};
    struct zoo_opts opts;
    struct zoo_net net;
    assert_true(zoo_resolve(zoo_find("vgg19"), &wide, &f->diag, &opts));
    assert_false(zoo_build(zoo_find("vgg19"), &opts, &f->keep, &f->diag, &net));
    assert_diag(f, E_USAGE, "");
}

/* Every least and most option builds: no assertion, no wrapped size. */
static void zoo__builds_at_the_ends_of_every_range(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < zoo_n_models(); i++) {
        const struct zoo_model *model = zoo_model_at(i);
        const unsigned has = model->options;
        const uint32_t step = model->res_step ? model->res_step : 4;
        const uint32_t least = model->defaults.res < 32 ? step : 32;
        const struct zoo_request ends[] = {
            {.width_milli = ZOO_LEAST_WIDTH,
             .res = has & ZOO_RES ? least : 0,
             .seq = has & ZOO_SEQ ? 1 : 0,
             .patch = has & ZOO_PATCH ? 4 : 0},
            {.width_milli = ZOO_MOST_WIDTH,
             .res = has & ZOO_RES ? ZOO_MOST_RES : 0,
             .seq = has & ZOO_SEQ ? ZOO_MOST_SEQ : 0,
             .patch = has & ZOO_PATCH ? 4 : 0},
        };
        for (size_t k = 0; k < ARRAY_LEN(ends); k++) {
            struct zoo_opts opts;
            struct zoo_net net;
            diag_init(&f->diag);
            assert_true(zoo_resolve(model, &ends[k], &f->diag, &opts));
            if (!zoo_build(model, &opts, &f->keep, &f->diag, &net)) {
                assert_int_equal(k, 1);
                assert_diag(f, E_USAGE, "");
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(zoo__has_the_published_numbers_of_parameters),
        FIXTURE_TEST(zoo__small_networks_are_well_formed),
        FIXTURE_TEST(zoo__narrow_networks_keep_all_layers),
        FIXTURE_TEST(zoo__bytes_depend_on_name_options_and_seed_alone),
        FIXTURE_TEST(zoo__declares_input_and_output_of_the_options),
        FIXTURE_TEST(zoo__refuses_options_that_make_no_sense),
        FIXTURE_TEST(zoo__refuses_more_than_2_gib),
        FIXTURE_TEST(zoo__builds_at_the_ends_of_every_range),
    };
    return cmocka_run_group_tests_name("zoo", tests, NULL, NULL);
}
