#include "frontend/onnx/onnx_import.h"

#include <string.h>

#include "support/fixture.h"
#include "support/onnx_text.h"

#include "base/fileio.h"
#include "base/le.h"
#include "frontend/onnx/onnx_data.h"
#include "ir/graph.h"
#include "ir/options.h"

static const char small[] = "opset 13\n"
                            "input x f32 1x2x4x4\n"
                            "init w f32 3x2x1x1 1 2 3 4 5 6\n"
                            "init b f32 3 7 8 9\n"
                            "Conv conv x w b -> y strides=I:2,2\n"
                            "Relu relu y -> z\n"
                            "output z\n";

/* Fails the test unless the text is refused so. */
#define assert_refused(f, text, id, name)                                      \
    do {                                                                       \
        struct graph refused;                                                  \
        fixture_restart((f), ARENA_NO_FAULT);                                  \
        assert_false(onnx_text_import((f), (text), &refused));                 \
        assert_diag((f), (id), (name));                                        \
    } while (0)

static void import__reads_nodes_attributes_and_constants(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    const struct span bytes = onnx_text(f, small);
    assert_true(onnx_import_bytes(bytes, "a/small.onnx", &f->cx, &g));
    assert_true(graph_check(&g, &f->cx));
    assert_string_equal(g.name, "small");
    assert_int_equal(g.opset, 13);
    assert_int_equal(g.n_input, 1);
    assert_int_equal(g.n_output, 1);
    assert_int_equal(g.n_node, 2);
    const struct node *const conv = &g.node[0];
    assert_int_equal(conv->op, OP_CONV);
    assert_string_equal(conv->name, "conv");
    assert_int_equal(conv->n_in, 3);
    uint32_t n;
    const int64_t *const strides = node_ints(conv, "strides", &n);
    assert_int_equal(n, 2);
    assert_int_equal(strides[1], 2);
    assert_int_equal(node_int(conv, "group", 1), 1);
    assert_int_equal(g.node[1].in[0], conv->out[0]);
    const struct value *const w = &g.value[conv->in[1]];
    assert_true(w->is_const);
    assert_int_equal(w->shape.rank, 4);
    assert_int_equal(w->shape.dim[0], 3);
    /* Weights are not copied: a model of 575 MB must not double. */
    assert_true(w->data.data > bytes.data &&
                w->data.data < bytes.data + bytes.len);
    assert_int_equal(le32_get(w->data.data + 4), 0x40000000); /* 2.0f */
    graph_unmap(&g);
}

static void import__reads_typed_fields_like_raw_data(void **state)
{
    struct fixture *f = *state;
    static const char *const types[] = {"f32", "f64", "i64", "i32", "u8"};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        fixture_restart(f, ARENA_NO_FAULT);
        const char *const text =
            arena_printf(&f->keep,
                         "opset 13\ninit a %s 3 1 0 100\n"
                         "typed b %s 3 1 0 100\noutput a\noutput b\n",
                         types[i], types[i]);
        assert_non_null(text);
        struct graph g;
        assert_true(onnx_text_import(f, text, &g));
        assert_true(span_eq(onnx_text_value(&g, "a")->data,
                            onnx_text_value(&g, "b")->data));
    }
}

static void import__refuses_typed_data_outside_its_type(void **state)
{
    struct fixture *f = *state;
    struct buf tensor;
    struct buf packed;
    struct buf graph;
    struct buf model;
    buf_init(&tensor, &f->keep);
    buf_init(&packed, &f->keep);
    buf_init(&graph, &f->keep);
    buf_init(&model, &f->keep);
    pb_int(&tensor, 2, DTYPE_U8);
    pb_str(&tensor, 8, "w");
    pb_int(&tensor, 5, 256);
    pb_message(&graph, 5, &tensor);
    pb_int(&tensor, 2, 13);
    pb_message(&model, 8, &tensor);
    pb_message(&model, 7, &graph);
    struct graph g;
    assert_false(onnx_import_bytes(buf_bytes(&model), "m", &f->cx, &g));
    assert_diag(f, E_CONST, "w");
}

static void import__does_not_take_an_initialiser_for_an_input(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    assert_true(onnx_text_import(f,
                                 "opset 8\ninput x f32 2\ninput w f32 2\n"
                                 "init w f32 2 1 2\nAdd a x w -> y\noutput y\n",
                                 &g));
    assert_int_equal(g.n_input, 1);
    assert_string_equal(g.value[g.input[0]].name, "x");
}

static void import__links_nodes_in_any_order(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    assert_true(onnx_text_import(f,
                                 "opset 13\ninput x f32 2\nRelu b y -> z\n"
                                 "Relu a x -> y\noutput z\n",
                                 &g));
    assert_int_equal(g.node[0].in[0], g.node[1].out[0]);
}

static void import__drops_omitted_names_at_the_end(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    assert_true(onnx_text_import(f,
                                 "opset 13\ninput x f32 2\ninit hi f32 - 6\n"
                                 "Clip a x _ hi -> y\nClip b y _ _ -> z\n"
                                 "output z\n",
                                 &g));
    assert_int_equal(g.node[0].n_in, 3);
    assert_int_equal(g.node[0].in[1], VALUE_NONE);
    assert_int_equal(g.node[1].n_in, 1);
}

/* Names are made for constants of attributes; outputs that come later in the
 * file may be called the same. */
static void import__keeps_names_apart_from_those_it_makes(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    assert_true(onnx_text_import(f,
                                 "opset 13\n"
                                 "Constant c -> c value=t:f32:2:1,2\n"
                                 "Relu r c -> c.value\noutput c.value\n",
                                 &g));
    assert_true(graph_check(&g, &f->cx));
}

static void import__names_a_node_after_its_output(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, "opset 13\ninput x f32 2\nFoo _ x -> y\noutput y\n",
                   E_OP_UNKNOWN, "y");
}

static void import__refuses_what_it_does_not_know(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, "opset 13\ninput x f32 2\nNoSuch n x -> y\noutput y\n",
                   E_OP_UNKNOWN, "n");
    assert_refused(f, "opset 13\ninput x f32 2\nmy.own:Relu n x -> y\noutput y",
                   E_OP_UNKNOWN, "n");
    assert_refused(f, "opset 13\ninput x f32 2\nLoop n x -> y\noutput y\n",
                   E_OP_ATTR, "n");
    assert_non_null(strstr(f->diag.text, "body"));
    assert_refused(f, "opset 13\ninput x f32 2\nIf n x -> y\noutput y\n",
                   E_OP_ATTR, "n");
    assert_non_null(strstr(f->diag.text, "then_branch"));
    assert_refused(f, "opset 6\ninput x f32 2\noutput x\n", E_OPSET, "");
    assert_refused(f, "opset 28\ninput x f32 2\noutput x\n", E_OPSET, "");
    assert_refused(f, "input x f32 2\noutput x\n", E_OPSET, "");
}

static void import__accepts_the_default_domain_by_its_long_name(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    assert_true(onnx_text_import(
        f, "opset 13\ninput x f32 2\nai.onnx:Relu n x -> y\noutput y\n", &g));
}

static void import__checks_attributes_against_the_table(void **state)
{
    struct fixture *f = *state;
    static const char *const bad[] = {
        "Softmax n x -> y color=i:1",
        "Softmax n x -> y axis=f:1",
        "Softmax n x -> y axis=i:1 axis=i:1",
        "Squeeze n x -> y axes=I:0", /* ended with opset 12 */
        "Transpose n x -> y perm=i:0",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        fixture_restart(f, ARENA_NO_FAULT);
        const char *const text = arena_printf(
            &f->keep, "opset 13\ninput x f32 2\n%s\noutput y\n", bad[i]);
        assert_non_null(text);
        struct graph g;
        assert_false(onnx_text_import(f, text, &g));
        assert_diag(f, E_OP_ATTR, "n");
    }
    struct graph g;
    fixture_restart(f, ARENA_NO_FAULT);
    assert_true(onnx_text_import(f,
                                 "opset 12\ninput x f32 1x2\n"
                                 "Squeeze n x -> y axes=I:0\noutput y\n",
                                 &g));
}

static void import__checks_the_number_of_inputs(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, "opset 13\ninput x f32 2\nAdd n x -> y\noutput y\n",
                   E_OP_INPUTS, "n");
    assert_refused(f, "opset 13\ninput x f32 2\nRelu n x x -> y\noutput y\n",
                   E_OP_INPUTS, "n");
    assert_refused(f, "opset 13\ninput x f32 2\nAdd n _ x -> y\noutput y\n",
                   E_OP_INPUTS, "n");
    assert_refused(f, "opset 13\ninput x f32 2\nRelu n x -> y z\noutput y\n",
                   E_OP_INPUTS, "n");
}

static void import__checks_names(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, "opset 13\ninput x f32 2\nRelu n q -> y\noutput y\n",
                   E_NAME, "n");
    assert_refused(f, "opset 13\ninput x f32 2\nRelu n x -> x\noutput x\n",
                   E_NAME, "n");
    assert_refused(f, "opset 13\ninput x f32 2\ninput x f32 2\noutput x\n",
                   E_NAME, "x");
    assert_refused(f, "opset 13\ninput x f32 2\nRelu n x -> y\noutput q\n",
                   E_NAME, "q");
    assert_refused(f, "opset 13\ninput x f32 2\noutput x\noutput x\n", E_NAME,
                   "x");
    assert_refused(f, "opset 13\ninit w f32 2\ninit w f32 2\noutput w\n",
                   E_NAME, "w");
}

static void import__checks_constants_against_their_shape(void **state)
{
    struct fixture *f = *state;
    assert_refused(f, "opset 13\ninit w f32 3 1 2\noutput w\n", E_CONST, "w");
    assert_refused(f, "opset 13\ntyped w i64 3 1 2\noutput w\n", E_CONST, "w");
    assert_refused(f, "opset 13\ninit w f32 1x1x1x1x1x1x1x1x1\noutput w\n",
                   E_SHAPE, "w");
    assert_refused(f,
                   "opset 13\ninit w f32 4294967296x4294967296 1\noutput w\n",
                   E_TOO_BIG, "w");
}

static void import__refuses_files_that_are_no_models(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {
        "", "version https://git-lfs.github.com/spec/v1\n", "<html>",
        "\x08\x08", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        fixture_restart(f, ARENA_NO_FAULT);
        struct graph g;
        assert_false(
            onnx_import_bytes(span_of_str(texts[i]), "x.onnx", &f->cx, &g));
        assert_true(f->diag.id == E_ONNX_PARSE ||
                    f->diag.id == E_ONNX_TRUNCATED);
    }
    assert_refused(f, "opset 13\ninput x f32 2\n", E_ONNX_PARSE, "");
}

static void import__refuses_every_truncation(void **state)
{
    struct fixture *f = *state;
    struct arena whole;
    arena_init(&whole, ARENA_NO_CAP, &f->diag);
    const struct span bytes = onnx_text(f, small);
    uint8_t *const copy = arena_alloc(&whole, bytes.len, 1);
    memcpy(copy, bytes.data, bytes.len);
    const uint64_t len = bytes.len;
    for (uint64_t k = 0; k < len; k++) {
        fixture_restart(f, ARENA_NO_FAULT);
        struct graph g;
        assert_false(
            onnx_import_bytes((struct span){copy, k}, "x.onnx", &f->cx, &g));
        assert_true(f->diag.id == E_ONNX_TRUNCATED ||
                    f->diag.id == E_ONNX_PARSE);
    }
    arena_free(&whole);
}

/* Any one byte changed: a model, or a diagnosis. */
static void import__survives_every_changed_byte(void **state)
{
    struct fixture *f = *state;
    struct arena whole;
    arena_init(&whole, ARENA_NO_CAP, &f->diag);
    const struct span bytes = onnx_text(f, small);
    const uint64_t len = bytes.len;
    uint8_t *const copy = arena_alloc(&whole, len, 1);
    memcpy(copy, bytes.data, len);
    static const uint8_t masks[] = {0x01, 0x08, 0x80, 0xff};
    for (uint64_t k = 0; k < len * ARRAY_LEN(masks); k++) {
        fixture_restart(f, ARENA_NO_FAULT);
        const uint8_t mask = masks[k % ARRAY_LEN(masks)];
        copy[k / ARRAY_LEN(masks)] ^= mask;
        struct graph g;
        if (onnx_import_bytes((struct span){copy, len}, "x.onnx", &f->cx, &g)) {
            assert_true(graph_check(&g, &f->cx));
        } else {
            assert_int_not_equal(f->diag.id, E_NONE);
        }
        copy[k / ARRAY_LEN(masks)] ^= mask;
    }
    arena_free(&whole);
}

static void import__reports_each_failure_of_memory(void **state)
{
    struct fixture *f = *state;
    struct arena whole;
    arena_init(&whole, ARENA_NO_CAP, &f->diag);
    const struct span bytes = onnx_text(f, small);
    uint8_t *const copy = arena_alloc(&whole, bytes.len, 1);
    memcpy(copy, bytes.data, bytes.len);
    const struct span kept = {copy, bytes.len};
    bool is_done = false;
    for (uint64_t k = 0; !is_done; k++) {
        fixture_restart(f, k);
        struct graph g;
        is_done = onnx_import_bytes(kept, "x.onnx", &f->cx, &g);
        if (!is_done) {
            assert_diag(f, E_MEMORY, "");
        }
    }
    assert_false(fixture_failed(f));
    arena_free(&whole);
}

static void import__bounds_the_depth_of_messages(void **state)
{
    struct fixture *f = *state;
    struct buf inner;
    struct buf outer;
    buf_init(&inner, &f->keep);
    buf_init(&outer, &f->keep);
    /* graph { node { attribute { g { node ... */
    for (int i = 0; i < 40; i++) {
        pb_message(&outer, 6, &inner); /* attribute.g */
        pb_message(&inner, 5, &outer); /* node.attribute */
        pb_message(&outer, 1, &inner); /* graph.node */
        buf_span(&inner, buf_bytes(&outer));
        buf_cut(&outer, 0);
    }
    pb_message(&outer, 7, &inner);
    struct graph g;
    assert_false(onnx_import_bytes(buf_bytes(&outer), "x", &f->cx, &g));
    assert_int_equal(f->diag.id, E_ONNX_DEPTH);
}

/* ---- external data --------------------------------------------------------
 */

/* A model of one initialiser w f32[2] at location/offset/length. */
static struct span external_model(struct fixture *f, const char *location,
                                  const char *offset, const char *length)
{
    struct buf tensor;
    struct buf entry;
    struct buf graph;
    struct buf model;
    buf_init(&tensor, &f->keep);
    buf_init(&entry, &f->keep);
    buf_init(&graph, &f->keep);
    buf_init(&model, &f->keep);
    pb_int(&tensor, 1, 2);
    pb_int(&tensor, 2, DTYPE_F32);
    pb_str(&tensor, 8, "w");
    const char *const pair[][2] = {
        {"location", location}, {"offset", offset}, {"length", length}};
    for (size_t i = 0; i < ARRAY_LEN(pair); i++) {
        if (pair[i][1]) {
            pb_str(&entry, 1, pair[i][0]);
            pb_str(&entry, 2, pair[i][1]);
            pb_message(&tensor, 13, &entry);
        }
    }
    pb_int(&tensor, 14, 1);
    pb_message(&graph, 5, &tensor);
    pb_str(&entry, 1, "w");
    pb_message(&graph, 12, &entry);
    pb_int(&entry, 2, 13);
    pb_message(&model, 8, &entry);
    pb_message(&model, 7, &graph);
    return buf_bytes(&model);
}

static void import__maps_external_data(void **state)
{
    struct fixture *f = *state;
    const char *const model = fixture_temp_path(f, "m.onnx");
    const char *const data = fixture_temp_path(f, "m.data");
    assert_true(file_write(model, external_model(f, "m.data", "4", "8"),
                           &f->scratch, &f->diag));
    assert_true(
        file_write(data, span_of_str("....abcdefgh"), &f->scratch, &f->diag));
    struct graph g;
    assert_true(onnx_import(model, &f->cx, &g));
    assert_int_equal(g.n_file_map, 2);
    assert_true(span_eq_str(onnx_text_value(&g, "w")->data, "abcdefgh"));
    graph_unmap(&g);
}

static void import__refuses_external_data_that_is_elsewhere(void **state)
{
    struct fixture *f = *state;
    const char *const data = fixture_temp_path(f, "m.data");
    assert_true(
        file_write(data, span_of_str("....abcdefgh"), &f->scratch, &f->diag));
    static const char *const bad[][3] = {
        {NULL, NULL, NULL},
        {"", NULL, NULL},
        {"/etc/passwd", NULL, NULL},
        {"../m.data", NULL, NULL},
        {"a/../../m.data", NULL, NULL},
        {"missing.data", NULL, NULL},
        {"m.data", "5", NULL},  /* beyond the end */
        {"m.data", "-1", NULL}, /* no number */
        {"m.data", "0", "12"},  /* not what the shape needs */
        {"m.data", "18446744073709551615", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        fixture_restart(f, ARENA_NO_FAULT);
        const char *const model = fixture_temp_path(f, "m.onnx");
        struct graph g;
        assert_false(onnx_import_bytes(
            external_model(f, bad[i][0], bad[i][1], bad[i][2]), model, &f->cx,
            &g));
        assert_diag(f, E_EXTERNAL_DATA, "w");
    }
}

/* ---- pins -----------------------------------------------------------------
 */

static const char dynamic[] = "opset 13\ninput x f32 Nx3\ninput k i64 2\n"
                              "Reshape r x k -> y\noutput y\n";

static bool import_pinned(struct fixture *f, const struct shape_pin *shape,
                          const struct const_pin *pin, struct graph *g)
{
    fixture_restart(f, ARENA_NO_FAULT);
    const struct options opt = {.shape = shape,
                                .n_shape = shape != NULL,
                                .pin = pin,
                                .n_pin = pin != NULL};
    f->cx.opt = &opt;
    const bool is_ok = onnx_text_import(f, dynamic, g);
    f->cx.opt = NULL;
    return is_ok;
}

static void import__keeps_symbolic_dimensions(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    assert_true(onnx_text_import(f, dynamic, &g));
    const struct value *const x = onnx_text_value(&g, "x");
    assert_true(x->shape_known);
    assert_true(x->shape.dim[0] == DIM_UNKNOWN);
    assert_string_equal(x->dim_name[0], "N");
    assert_int_equal(x->shape.dim[1], 3);
}

static void import__applies_a_shape_pin(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    struct shape_pin pin = {.name = "x", .shape = {2, {4, 3}}};
    assert_true(import_pinned(f, &pin, NULL, &g));
    assert_int_equal(onnx_text_value(&g, "x")->shape.dim[0], 4);
    pin.shape.dim[1] = 2; /* the model says 3 */
    assert_false(import_pinned(f, &pin, NULL, &g));
    assert_diag(f, E_USAGE, "--shape");
    pin = (struct shape_pin){.name = "x", .shape = {1, {4}}};
    assert_false(import_pinned(f, &pin, NULL, &g));
    assert_diag(f, E_USAGE, "--shape");
    pin = (struct shape_pin){.name = "q", .shape = {1, {4}}};
    assert_false(import_pinned(f, &pin, NULL, &g));
    assert_diag(f, E_USAGE, "--shape");
}

static void import__makes_a_pinned_input_constant(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    double number = -1;
    struct const_pin pin = {"k", &number, 1, NULL};
    assert_true(import_pinned(f, NULL, &pin, &g));
    assert_int_equal(g.n_input, 1);
    const struct value *const k = onnx_text_value(&g, "k");
    assert_true(k->is_const);
    assert_int_equal(k->data.len, 16);
    assert_true((int64_t)le64_get(k->data.data + 8) == -1);
    const double list[] = {3, 5};
    pin = (struct const_pin){"k", list, 2, NULL};
    assert_true(import_pinned(f, NULL, &pin, &g));
    assert_true((int64_t)le64_get(onnx_text_value(&g, "k")->data.data + 8) ==
                5);
    pin.n_value = 1;
    number = 0.5; /* no integer */
    pin.value = &number;
    assert_false(import_pinned(f, NULL, &pin, &g));
    assert_diag(f, E_USAGE, "--const");
    number = 1;
    pin =
        (struct const_pin){"x", &number, 1, NULL}; /* without a static shape */
    assert_false(import_pinned(f, NULL, &pin, &g));
    assert_diag(f, E_USAGE, "--const");
}

static bool import_states(struct fixture *f, const char *output,
                          const char *input, struct graph *g)
{
    const struct state_pin pin = {output, input};
    const struct options opt = {.state = &pin, .n_state = 1};
    fixture_restart(f, ARENA_NO_FAULT);
    f->cx.opt = &opt;
    const bool is_ok = onnx_text_import(
        f,
        "opset 13\ninput x f32 2\ninput past.a f32 2\ninput past.b f32 2\n"
        "output y\noutput present.a\noutput present.b\nAdd p x past.a -> y\n"
        "Add q x past.a -> present.a\nAdd r x past.b -> present.b\n",
        g);
    f->cx.opt = NULL;
    return is_ok;
}

static void import__joins_states_by_name(void **state)
{
    struct fixture *f = *state;
    struct graph g;
    assert_true(import_states(f, "present.b", "past.b", &g));
    assert_int_equal(g.n_state, 1);
    assert_int_equal(g.state[0].output, 2);
    assert_int_equal(g.state[0].input, 2);
    assert_true(import_states(f, "present.*", "past.*", &g));
    assert_int_equal(g.n_state, 2);
    assert_int_equal(g.state[0].output, 1);
    assert_int_equal(g.state[0].input, 1);
    static const char *const bad[][2] = {
        {"present", "past.a"},    /* no such output */
        {"present.a", "past"},    /* no such input */
        {"present.*", "past_*"},  /* none of its inputs */
        {"*", "past.a*"},         /* some of its inputs */
        {"pres*", "past.aent.*"}, /* neither */
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(import_states(f, bad[i][0], bad[i][1], &g));
        assert_diag(f, E_USAGE, "--state");
    }
}

/* ---- tensors in files of their own ----------------------------------------
 */

static void tensor_read__reads_a_tensor_file(void **state)
{
    struct fixture *f = *state;
    struct buf tensor;
    buf_init(&tensor, &f->keep);
    pb_int(&tensor, 1, 2);
    pb_int(&tensor, 2, DTYPE_U8);
    pb_str(&tensor, 8, "in");
    pb_str(&tensor, 9, "ab");
    const char *const path = fixture_temp_path(f, "t.pb");
    assert_true(file_write(path, buf_bytes(&tensor), &f->scratch, &f->diag));
    struct value v;
    assert_true(onnx_tensor_read(path, &f->cx, &v));
    assert_string_equal(v.name, "in");
    assert_int_equal(v.dtype, DTYPE_U8);
    assert_int_equal(v.shape.rank, 1);
    assert_true(span_eq_str(v.data, "ab"));
    assert_true(file_write(path, span_of_str("\x08"), &f->scratch, &f->diag));
    assert_false(onnx_tensor_read(path, &f->cx, &v));
    assert_int_equal(f->diag.id, E_ONNX_PARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(import__reads_nodes_attributes_and_constants),
        FIXTURE_TEST(import__reads_typed_fields_like_raw_data),
        FIXTURE_TEST(import__refuses_typed_data_outside_its_type),
        FIXTURE_TEST(import__does_not_take_an_initialiser_for_an_input),
        FIXTURE_TEST(import__links_nodes_in_any_order),
        FIXTURE_TEST(import__drops_omitted_names_at_the_end),
        FIXTURE_TEST(import__keeps_names_apart_from_those_it_makes),
        FIXTURE_TEST(import__names_a_node_after_its_output),
        FIXTURE_TEST(import__refuses_what_it_does_not_know),
        FIXTURE_TEST(import__accepts_the_default_domain_by_its_long_name),
        FIXTURE_TEST(import__checks_attributes_against_the_table),
        FIXTURE_TEST(import__checks_the_number_of_inputs),
        FIXTURE_TEST(import__checks_names),
        FIXTURE_TEST(import__checks_constants_against_their_shape),
        FIXTURE_TEST(import__refuses_files_that_are_no_models),
        FIXTURE_TEST(import__refuses_every_truncation),
        FIXTURE_TEST(import__survives_every_changed_byte),
        FIXTURE_TEST(import__reports_each_failure_of_memory),
        FIXTURE_TEST(import__bounds_the_depth_of_messages),
        FIXTURE_TEST(import__maps_external_data),
        FIXTURE_TEST(import__refuses_external_data_that_is_elsewhere),
        FIXTURE_TEST(import__keeps_symbolic_dimensions),
        FIXTURE_TEST(import__applies_a_shape_pin),
        FIXTURE_TEST(import__makes_a_pinned_input_constant),
        FIXTURE_TEST(import__joins_states_by_name),
        FIXTURE_TEST(tensor_read__reads_a_tensor_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
