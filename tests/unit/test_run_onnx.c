#include <onnx.pb-c.h>
#include <string.h>

#include "base/buf.h"
#include "run/run_onnx.h"
#include "support/fixture.h"

static Onnx__ValueInfoProto value(const char *name)
{
    Onnx__ValueInfoProto v = ONNX__VALUE_INFO_PROTO__INIT;
    v.name = (char *)name;
    return v;
}

/* Conv(x, w, b) with b an initialiser too when has_b; y is the output. */
static struct span make_model(struct fixture *f, int64_t ir_version, bool has_b)
{
    char *inputs[] = {(char *)"x", (char *)"w", (char *)"b"};
    char *outputs[] = {(char *)"y"};
    Onnx__NodeProto node = ONNX__NODE_PROTO__INIT;
    Onnx__NodeProto *nodes[] = {&node};
    Onnx__ValueInfoProto in[3] = {value("x"), value("w"), value("b")};
    Onnx__ValueInfoProto *in_ptr[] = {&in[0], &in[1], &in[2]};
    Onnx__ValueInfoProto out = value("y");
    Onnx__ValueInfoProto *out_ptr[] = {&out};
    Onnx__TensorProto b = ONNX__TENSOR_PROTO__INIT;
    Onnx__TensorProto *tensors[] = {&b};
    Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
    node.op_type = (char *)"Conv";
    node.n_input = 3;
    node.input = inputs;
    node.n_output = 1;
    node.output = outputs;
    b.name = (char *)"b";
    graph.n_node = 1;
    graph.node = nodes;
    graph.n_input = 3;
    graph.input = in_ptr;
    graph.n_output = 1;
    graph.output = out_ptr;
    graph.n_initializer = has_b;
    graph.initializer = tensors;
    model.has_ir_version = 1;
    model.ir_version = ir_version;
    model.graph = &graph;
    model.producer_name = (char *)"test";
    const size_t len = onnx__model_proto__get_packed_size(&model);
    uint8_t *bytes = arena_alloc(&f->keep, len, 1);
    assert_non_null(bytes);
    onnx__model_proto__pack(&model, bytes);
    return (struct span){bytes, len};
}

static void scan__finds_inputs_that_are_no_initialisers(void **state)
{
    struct fixture *f = *state;
    struct run_onnx m;
    assert_true(run_onnx_scan(make_model(f, 7, true), "m.onnx", &f->cx, &m));
    assert_int_equal(m.n_input, 2);
    assert_string_equal(m.input[0].name, "x");
    assert_false(m.input[0].is_weight);
    assert_string_equal(m.input[1].name, "w");
    assert_true(m.input[1].is_weight);
    assert_int_equal(m.n_output, 1);
    assert_string_equal(m.output[0], "y");
}

/* Bakes w and b, whose files hold tensors of another name. */
static Onnx__ModelProto *bake(struct fixture *f, int64_t ir_version)
{
    struct run_onnx m;
    struct buf out;
    /* dims [1], float, raw data, name "other" */
    static const uint8_t tensor[] = {0x08, 1,   0x10, 1,    0x42, 5,
                                     'o',  't', 'h',  'e',  'r',  0x4a,
                                     4,    0,   0,    0x80, 0x3f};
    const struct span data = {tensor, sizeof tensor};
    const struct span values[3] = {{NULL, 0}, data, data};
    buf_init(&out, &f->keep);
    assert_true(
        run_onnx_scan(make_model(f, ir_version, false), "m.onnx", &f->cx, &m));
    assert_int_equal(m.n_input, 3);
    assert_true(run_onnx_bake(&m, values, &f->cx, &out));
    Onnx__ModelProto *model =
        onnx__model_proto__unpack(NULL, out.len, out.data);
    assert_non_null(model);
    return model;
}

static void bake__turns_weights_into_initialisers(void **state)
{
    struct fixture *f = *state;
    Onnx__ModelProto *model = bake(f, 7);
    assert_string_equal(model->producer_name, "test");
    assert_int_equal(model->graph->n_input, 1);
    assert_string_equal(model->graph->input[0]->name, "x");
    assert_int_equal(model->graph->n_node, 1);
    assert_int_equal(model->graph->n_output, 1);
    assert_int_equal(model->graph->n_initializer, 2);
    assert_string_equal(model->graph->initializer[0]->name, "w");
    assert_string_equal(model->graph->initializer[1]->name, "b");
    assert_int_equal(model->graph->initializer[1]->raw_data.len, 4);
    onnx__model_proto__free_unpacked(model, NULL);
}

/* There every initialiser must be listed as an input too. */
static void bake__keeps_the_inputs_of_old_models(void **state)
{
    struct fixture *f = *state;
    Onnx__ModelProto *model = bake(f, 3);
    assert_int_equal(model->graph->n_input, 3);
    assert_int_equal(model->graph->n_initializer, 2);
    onnx__model_proto__free_unpacked(model, NULL);
}

static void scan__survives_any_cut_or_flipped_byte(void **state)
{
    struct fixture *f = *state;
    const struct span file = make_model(f, 7, true);
    uint8_t *copy = arena_alloc(&f->keep, file.len, 1);
    assert_non_null(copy);
    for (uint64_t len = 0; len < file.len; len++) {
        struct run_onnx m;
        diag_init(&f->diag);
        if (!run_onnx_scan((struct span){file.data, len}, "c.onnx", &f->cx,
                           &m)) {
            assert_diag(f, E_ONNX_PARSE, "c.onnx");
        }
    }
    for (uint64_t i = 0; i < file.len * 8; i++) {
        struct run_onnx m;
        memcpy(copy, file.data, file.len);
        copy[i / 8] ^= (uint8_t)(1u << i % 8);
        diag_init(&f->diag);
        if (!run_onnx_scan((struct span){copy, file.len}, "f.onnx", &f->cx,
                           &m)) {
            assert_diag(f, E_ONNX_PARSE, "f.onnx");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(scan__finds_inputs_that_are_no_initialisers),
        FIXTURE_TEST(bake__turns_weights_into_initialisers),
        FIXTURE_TEST(bake__keeps_the_inputs_of_old_models),
        FIXTURE_TEST(scan__survives_any_cut_or_flipped_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
