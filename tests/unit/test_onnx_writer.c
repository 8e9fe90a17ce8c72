#include "support/fixture.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/fileio.h"
#include "base/le.h"
#include "models/onnx_writer.h"
#include "models/zoo_fill.h"
#include "onnx.pb-c.h"

/* More elements than a few of the writer's blocks, and not a multiple. */
enum { N_LONG = 70001 };

/* input -> Conv(w, b) -> Split -> two outputs, and a long unused tensor. */
static struct onnx_model *build(struct fixture *f)
{
    const struct onnx_type in = {
        .elem = ONNX_F32, .rank = 4, .dim = {1, 2, 5, 7}};
    const struct onnx_type w = {
        .elem = ONNX_F32, .rank = 4, .dim = {4, 2, 1, 1}};
    const struct onnx_type sizes = {.elem = ONNX_I64, .rank = 1, .dim = {2}};
    const struct onnx_type flags = {
        .elem = ONNX_BOOL, .rank = 2, .dim = {3, 3}};
    const struct onnx_type scalar = {.elem = ONNX_F32, .rank = 0, .dim = {0}};
    const struct onnx_type longer = {
        .elem = ONNX_I64, .rank = 1, .dim = {N_LONG}};
    const struct onnx_type out = {
        .elem = ONNX_F32, .rank = 4, .dim = {1, 1, 5, 7}};
    const struct zoo_fill_uniform random = {5, 0.0F, 1.0F};
    const struct zoo_fill_uniform six = {0, 6.0F, 0.0F};
    const struct zoo_fill_causal causal = {3};
    const int64_t parts[] = {1, 3};

    struct onnx_model *m =
        onnx_model_new(&f->keep, &f->diag, "net", "a note", 13);
    if (!m) {
        return NULL;
    }
    const char *x = onnx_input(m, "x", &in);
    const char *weight =
        onnx_init(m, "w", &w, zoo_fill_uniform, &random, sizeof random);
    (void)onnx_init(m, "six", &scalar, zoo_fill_uniform, &six, sizeof six);
    (void)onnx_init(m, "flags", &flags, zoo_fill_causal, &causal,
                    sizeof causal);
    (void)onnx_init(m, "long", &longer, zoo_fill_iota, NULL, 0);
    const char *split =
        onnx_init(m, "parts", &sizes, zoo_fill_values, parts, sizeof parts);
    const char *y = onnx_node(
        m, &(struct onnx_node){
               .op = "Conv",
               .name = onnx_name(m, "conv%d", 1),
               .in = {x, weight},
               .attr = {onnx_attr_ints("strides", (int64_t[]){1, 1}, 2),
                        onnx_attr_int("group", 1),
                        onnx_attr_float("made_up", 0.5F)}});
    (void)onnx_node(m, &(struct onnx_node){.op = "Split",
                                           .name = "split",
                                           .in = {y, split},
                                           .out = {"a", "b"},
                                           .attr = {onnx_attr_int("axis", 1)}});
    onnx_output(m, "result", &out);
    return m;
}

static Onnx__ModelProto *read_back(struct fixture *f, const char *path)
{
    struct file_map map;
    assert_true(file_map(path, &f->diag, &map));
    Onnx__ModelProto *model =
        onnx__model_proto__unpack(NULL, (size_t)map.bytes.len, map.bytes.data);
    file_unmap(&map);
    assert_non_null(model);
    return model;
}

static void onnx_writer__writes_what_was_built(void **state)
{
    struct fixture *f = *state;
    const char *path = fixture_temp_path(f, "net.onnx");
    struct onnx_model *m = build(f);
    assert_true(onnx_model_write(m, path));
    assert_no_diag(f);
    assert_int_equal(fixture_temp_count(f), 1);

    Onnx__ModelProto *model = read_back(f, path);
    assert_int_equal(model->ir_version, 7);
    assert_int_equal(model->n_opset_import, 1);
    assert_int_equal(model->opset_import[0]->version, 13);
    assert_string_equal(model->doc_string, "a note");
    const Onnx__GraphProto *g = model->graph;
    assert_string_equal(g->name, "net");

    assert_int_equal(g->n_input, 1);
    assert_string_equal(g->input[0]->name, "x");
    const Onnx__TypeProto__Tensor *type = g->input[0]->type->tensor_type;
    assert_int_equal(type->elem_type, 1);
    assert_int_equal(type->shape->n_dim, 4);
    assert_int_equal(type->shape->dim[3]->dim_value, 7);

    assert_int_equal(g->n_node, 2);
    const Onnx__NodeProto *conv = g->node[0];
    assert_string_equal(conv->op_type, "Conv");
    assert_string_equal(conv->name, "conv1");
    assert_int_equal(conv->n_input, 2);
    assert_string_equal(conv->input[1], "w");
    assert_string_equal(conv->output[0], "conv1_out");
    assert_int_equal(conv->n_attribute, 3);
    assert_int_equal(conv->attribute[0]->type, 7);
    assert_int_equal(conv->attribute[0]->n_ints, 2);
    assert_int_equal(conv->attribute[1]->type, 2);
    assert_int_equal(conv->attribute[1]->i, 1);
    assert_int_equal(conv->attribute[2]->type, 1);
    assert_true(conv->attribute[2]->f == 0.5F);

    /* The last node's first output carries the graph output's name. */
    const Onnx__NodeProto *split = g->node[1];
    assert_string_equal(split->input[0], "conv1_out");
    assert_int_equal(split->n_output, 2);
    assert_string_equal(split->output[0], "result");
    assert_string_equal(split->output[1], "b");
    assert_string_equal(g->output[0]->name, "result");
    onnx__model_proto__free_unpacked(model, NULL);
}

static void onnx_writer__fills_tensors_across_blocks(void **state)
{
    struct fixture *f = *state;
    const char *path = fixture_temp_path(f, "net.onnx");
    assert_true(onnx_model_write(build(f), path));
    Onnx__ModelProto *model = read_back(f, path);
    const Onnx__GraphProto *g = model->graph;
    assert_int_equal(g->n_initializer, 5);

    const Onnx__TensorProto *w = g->initializer[0];
    assert_int_equal(w->n_dims, 4);
    assert_int_equal(w->dims[0], 4);
    assert_int_equal(w->data_type, 1);
    assert_int_equal(w->raw_data.len, 4 * 8);
    const struct zoo_fill_uniform random = {5, 0.0F, 1.0F};
    uint8_t want[4 * 8];
    zoo_fill_uniform(&random, 0, 8, want);
    assert_memory_equal(w->raw_data.data, want, sizeof want);

    assert_int_equal(g->initializer[1]->n_dims, 0);
    assert_int_equal(g->initializer[1]->raw_data.len, 4);
    assert_int_equal(g->initializer[2]->data_type, 9);
    assert_int_equal(g->initializer[2]->raw_data.len, 9);
    assert_int_equal(g->initializer[2]->raw_data.data[1], 0);
    assert_int_equal(g->initializer[2]->raw_data.data[3], 1);

    const Onnx__TensorProto *longer = g->initializer[3];
    assert_int_equal(longer->data_type, 7);
    assert_int_equal(longer->raw_data.len, 8 * N_LONG);
    for (size_t i = 0; i < N_LONG; i++) {
        assert_int_equal(le64_get(longer->raw_data.data + 8 * i), i);
    }
    assert_int_equal(le64_get(g->initializer[4]->raw_data.data + 8), 3);
    onnx__model_proto__free_unpacked(model, NULL);
}

/* A wish for more memory refused at any point: one report, nothing written. */
static void onnx_writer__survives_every_lack_of_memory(void **state)
{
    struct fixture *f = *state;
    (void)fixture_temp_path(f, "x");
    bool done = false;
    uint64_t k = 0;
    for (; !done; k++) {
        fixture_restart(f, k);
        char path[300];
        (void)snprintf(path, sizeof path, "%s/net.onnx", f->temp_dir);
        struct onnx_model *m = build(f);
        done = m && onnx_model_write(m, path);
        assert_true(done != fixture_failed(f));
        if (!done) {
            assert_int_equal(f->diag.id, E_MEMORY);
            assert_int_equal(fixture_temp_count(f), 0);
        }
    }
    assert_true(k > 2);
    assert_int_equal(fixture_temp_count(f), 1);
}

static void onnx_writer__reports_a_missing_folder(void **state)
{
    struct fixture *f = *state;
    const char *path = fixture_temp_path(f, "no/such/net.onnx");
    assert_false(onnx_model_write(build(f), path));
    assert_diag(f, E_IO, path);
}

/* A limit on the file's size stands for a full disk. */
static void onnx_writer__leaves_nothing_on_a_full_disk(void **state)
{
    struct fixture *f = *state;
    const char *path = fixture_temp_path(f, "net.onnx");
    struct onnx_model *m = build(f);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    void (*old_handler)(int) = signal(SIGXFSZ, SIG_IGN);
    const rlim_t limits[] = {0, 1000, 100000, 500000};
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        diag_init(&f->diag);
        const struct rlimit low = {limits[i], old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
        const bool ok = onnx_model_write(m, path);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_false(ok);
        assert_diag(f, E_IO, path);
        assert_int_equal(fixture_temp_count(f), 0);
    }
    (void)signal(SIGXFSZ, old_handler);
    diag_init(&f->diag);
    assert_true(onnx_model_write(m, path));
}

static void onnx_writer__refuses_more_than_2_gib(void **state)
{
    struct fixture *f = *state;
    const char *path = fixture_temp_path(f, "net.onnx");
    const struct onnx_type type = {
        .elem = ONNX_F32, .rank = 2, .dim = {1 << 15, 1 << 14}};
    const struct zoo_fill_uniform r = {0, 0.0F, 0.0F};
    struct onnx_model *m = build(f);
    (void)onnx_init(m, "huge", &type, zoo_fill_uniform, &r, sizeof r);
    assert_false(onnx_model_write(m, path));
    assert_diag(f, E_TOO_BIG, path);
    assert_int_equal(fixture_temp_count(f), 0);
}

static void onnx_writer__counts_without_overflow(void **state UNUSED)
{
    const struct onnx_type scalar = {.elem = ONNX_F32, .rank = 0, .dim = {0}};
    const struct onnx_type most = {
        .elem = ONNX_F32, .rank = 2, .dim = {UINT32_MAX, UINT32_MAX}};
    const struct onnx_type over = {.elem = ONNX_F32,
                                   .rank = 3,
                                   .dim = {UINT32_MAX, UINT32_MAX, UINT32_MAX}};
    assert_int_equal(onnx_type_count(&scalar), 1);
    assert_true(onnx_type_count(&most) == UINT64_C(18446744065119617025));
    assert_true(onnx_type_count(&over) == UINT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(onnx_writer__writes_what_was_built),
        FIXTURE_TEST(onnx_writer__fills_tensors_across_blocks),
        FIXTURE_TEST(onnx_writer__survives_every_lack_of_memory),
        FIXTURE_TEST(onnx_writer__reports_a_missing_folder),
        FIXTURE_TEST(onnx_writer__leaves_nothing_on_a_full_disk),
        FIXTURE_TEST(onnx_writer__refuses_more_than_2_gib),
        cmocka_unit_test(onnx_writer__counts_without_overflow),
    };
    return cmocka_run_group_tests_name("onnx_writer", tests, NULL, NULL);
}
