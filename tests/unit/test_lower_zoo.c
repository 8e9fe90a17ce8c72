/* test_lower_zoo.c - flexzoo's small networks, which have what the full ones
 * have: each is lowered to as few layers as it has convolutions and pools, and
 * the layers compute what the reference does. */
#include "support/fixture.h"

#include <math.h>
#include <string.h>

#include "base/diag.h"
#include "frontend/onnx/onnx_import.h"
#include "ir/graph.h"
#include "ir/layer.h"
#include "models/zoo.h"
#include "passes/lower.h"
#include "passes/passes.h"
#include "support/layer_eval.h"
#include "support/ref_graph.h"

static const char *write_model(struct fixture *f, const char *name)
{
    static const struct zoo_request request;
    const struct zoo_model *const model = zoo_find(name);
    const char *const path = fixture_temp_path(f, "net.onnx");
    struct zoo_opts opts;
    struct zoo_net net = {0};
    assert_non_null(model);
    if (!zoo_resolve(model, &request, &f->diag, &opts) ||
        !zoo_build(model, &opts, &f->keep, &f->diag, &net)) {
        assert_no_diag(f);
    }
    assert_true(onnx_model_write(net.model, path));
    return path;
}

/* Output 0 of the reference on its seeded input 0, which goes to *input. */
static struct ref_tensor *reference(struct fixture *f, const char *path,
                                    const uint8_t **input)
{
    struct ref_error err;
    struct ref_graph *const ref = ref_graph_load(path, &err);
    enum ref_type type;
    struct ref_shape shape;
    struct ref_tensor *want;
    assert_non_null(ref);
    assert_true(ref_graph_input_type(ref, 0, &type, &shape));
    struct ref_tensor *const in = ref_tensor_new(type, &shape);
    ref_tensor_random(in, 1, 0);
    const struct ref_tensor *const inputs[1] = {in};
    assert_true(ref_graph_run(ref, inputs, &want, &err));
    float *const data = arena_new(&f->keep, float, (uint64_t)ref_count(&shape));
    assert_non_null(data);
    for (int64_t i = 0; i < ref_count(&shape); i++) {
        data[i] = (float)((const double *)in->data)[i];
    }
    *input = (const uint8_t *)data;
    ref_tensor_free(in);
    ref_graph_free(ref);
    return want;
}

static void check_model(struct fixture *f, const char *name,
                        uint32_t n_layer_max)
{
    const char *const path = write_model(f, name);
    struct graph g = {0};
    struct layers l = {0};
    if (!onnx_import(path, &f->cx, &g) || !passes_run(&g, &f->cx, NULL, NULL) ||
        !lower(&g, &f->cx, &l) || !layers_check(&l, &f->cx)) {
        assert_no_diag(f);
    }
    assert_true(l.n_layer <= n_layer_max);
    const uint8_t *input;
    const uint8_t *got;
    struct ref_tensor *const want = reference(f, path, &input);
    assert_null(layer_eval(&l, &f->keep, &input, &got));
    double top = 0.0;
    double worst = 0.0;
    for (int64_t i = 0; i < ref_count(&want->shape); i++) {
        float x;
        memcpy(&x, got + i * (int64_t)sizeof x, sizeof x);
        const double y = ((const double *)want->data)[i];
        top = fmax(top, fabs(y));
        worst = fmax(worst, fabs((double)x - y));
        assert_true(x == x);
    }
    assert_true(top > 0.0 && worst <= 1e-5 * top);
    ref_tensor_free(want);
    graph_unmap(&g);
}

/* One copy of the input to channels last, and nothing else but convolutions,
 * products and pools: normalisations, activations, sums, concats are gone. */
static void lower__makes_a_layer_of_each_convolution_and_pool(void **state)
{
    static const struct {
        const char *name;
        uint32_t n_layer_max;
    } rows[] = {
        {"tiny", 1 + 2},
        {"vgg19-small", 1 + 19 + 5},
        {"resnet-small", 1 + 30 + 2},
        {"mobilenetv2-small", 1 + 53 + 1},
        {"squeezenet-small", 1 + 26 + 4},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        fixture_restart(f, ARENA_NO_FAULT);
        check_model(f, rows[i].name, rows[i].n_layer_max);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(lower__makes_a_layer_of_each_convolution_and_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
