/* odd_cases.c - odd inputs, each by a case: writes folders as ONNX's own tests
 * have them (model.onnx, test_data_set_0), for `flexrun --conformance`, and
 * checks what is refused. odd.sh runs it as `odd_cases DIR`.
 *
 *   ranks     elementwise operators and those that move elements, over ranks 0
 *             to 8: the naive operators of ref_graph.h say what is right
 *   cases     zero-size dimensions, indices out of range, NaN and infinities,
 *             omitted inputs: what is right stands in the table
 *   refusals  what is not supported, with the node it names */
#include "support/fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "ir/graph.h"
#include "ir/layer.h"
#include "passes/elem.h"
#include "passes/lower.h"
#include "passes/passes.h"
#include "support/onnx_text.h"
#include "support/ref_graph.h"

static const char *out_dir;

/* ---- files ---------------------------------------------------------------
 */

static void write_file(const char *path, struct span bytes)
{
    FILE *const file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
    assert_int_equal(fclose(file), 0);
}

/* The folder of a case, with its model; the model's path. */
static const char *write_model(struct fixture *f, const char *name,
                               const char *text)
{
    const char *const dir = arena_printf(&f->keep, "%s/%s", out_dir, name);
    const char *const set = arena_printf(&f->keep, "%s/test_data_set_0", dir);
    const char *const path = arena_printf(&f->keep, "%s/model.onnx", dir);
    assert_non_null(dir);
    assert_non_null(set);
    assert_non_null(path);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(mkdir(set, 0700), 0);
    write_file(path, onnx_text(f, text));
    return path;
}

static void write_tensor(struct fixture *f, const char *name, const char *kind,
                         uint32_t ix, enum dtype t, const int64_t *dim,
                         uint32_t rank, struct span data)
{
    struct buf b;
    buf_init(&b, &f->keep);
    for (uint32_t i = 0; i < rank; i++) {
        pb_int(&b, 1, (uint64_t)dim[i]);
    }
    pb_int(&b, 2, t);
    pb_bytes(&b, 9, data);
    assert_true(buf_ok(&b));
    const char *const path = arena_printf(
        &f->keep, "%s/%s/test_data_set_0/%s_%u.pb", out_dir, name, kind, ix);
    assert_non_null(path);
    write_file(path, buf_bytes(&b));
}

/* "TYPE DIMS [N...]", dimensions as onnx_text has them. */
static void write_numbers(struct fixture *f, const char *name, const char *kind,
                          uint32_t ix, const char *text)
{
    char type[8];
    char dims[64];
    int used = 0;
    assert_int_equal(sscanf(text, "%7s %63s%n", type, dims, &used), 2);
    enum dtype t = DTYPE_F32;
    while (strcmp(dtype_name(t), type) != 0) {
        t++;
        assert_true(t <= DTYPE_BF16);
    }
    int64_t dim[TENSOR_MAX_RANK];
    uint32_t rank = 0;
    uint64_t count = 1;
    for (char *at = dims; *at && *at != '-'; rank++) {
        dim[rank] = strtoll(at, &at, 10);
        count *= (uint64_t)dim[rank];
        at += *at == 'x';
    }
    uint8_t *const data = arena_alloc_array(&f->keep, count, dtype_bytes(t), 8);
    assert_non_null(data);
    const char *at = text + used;
    for (uint64_t i = 0; i < count; i++) {
        char *end;
        elem_put_f64(t, data, i, strtod(at, &end));
        assert_true(end != at);
        at = end;
    }
    assert_int_equal(at[strspn(at, " ")], '\0');
    write_tensor(f, name, kind, ix, t, dim, rank,
                 (struct span){data, count * dtype_bytes(t)});
}

static void write_ref(struct fixture *f, const char *name, const char *kind,
                      uint32_t ix, const struct ref_tensor *v)
{
    const uint64_t count = (uint64_t)ref_count(&v->shape);
    const enum dtype t = (enum dtype)v->type;
    uint8_t *const data = arena_alloc_array(&f->keep, count, dtype_bytes(t), 8);
    assert_non_null(data);
    for (uint64_t i = 0; i < count; i++) {
        elem_put_f64(t, data, i,
                     ref_is_float(v->type)
                         ? ((const double *)v->data)[i]
                         : (double)((const int64_t *)v->data)[i]);
    }
    write_tensor(f, name, kind, ix, t, v->shape.dim, (uint32_t)v->shape.rank,
                 (struct span){data, count * dtype_bytes(t)});
}

/* Random inputs, and what the naive operators make of them. */
static void write_referenced(struct fixture *f, const char *name,
                             const char *text)
{
    enum { MAX_IO = 160 };
    struct ref_error err;
    struct ref_graph *const g =
        ref_graph_load(write_model(f, name, text), &err);
    if (!g) {
        fail_msg("%s: %s", name, err.text);
        return;
    }
    const size_t n_in = ref_graph_n_inputs(g);
    const size_t n_out = ref_graph_n_outputs(g);
    struct ref_tensor *in[8];
    struct ref_tensor *out[MAX_IO];
    assert_in_range(n_in, 1, ARRAY_LEN(in));
    assert_in_range(n_out, 1, MAX_IO);
    for (size_t i = 0; i < n_in; i++) {
        enum ref_type type;
        struct ref_shape shape;
        assert_true(ref_graph_input_type(g, i, &type, &shape));
        in[i] = ref_tensor_new(type, &shape);
        assert_non_null(in[i]);
        ref_tensor_random(in[i], 3, i);
        write_ref(f, name, "input", (uint32_t)i, in[i]);
    }
    if (!ref_graph_run(g, (const struct ref_tensor *const *)in, out, &err)) {
        fail_msg("%s: %s", name, err.text);
    }
    for (size_t i = 0; i < n_out; i++) {
        write_ref(f, name, "output", (uint32_t)i, out[i]);
        ref_tensor_free(out[i]);
    }
    for (size_t i = 0; i < n_in; i++) {
        ref_tensor_free(in[i]);
    }
    ref_graph_free(g);
}

/* ---- ranks 0 to 8 --------------------------------------------------------
 */

static const int sizes[8] = {2, 3, 1, 2, 1, 2, 2, 1};

/* The first `rank` sizes, but 1 where the bit is set. */
static const char *dims(struct fixture *f, uint32_t rank, uint32_t ones)
{
    struct buf b;
    buf_init(&b, &f->keep);
    for (uint32_t k = 0; k < rank; k++) {
        buf_printf(&b, "%s%d", k ? "x" : "", ones >> k & 1 ? 1 : sizes[k]);
    }
    buf_str(&b, rank == 0 ? "-" : "");
    assert_true(buf_ok(&b));
    return buf_text(&b);
}

/* Adds a node and its result as an output. */
static void put(struct buf *b, uint32_t *n, const char *op, const char *in,
                const char *attrs)
{
    buf_printf(b, "%s n%u %s -> o%u %s\noutput o%u\n", op, *n, in, *n, attrs,
               *n);
    ++*n;
}

static void put_elementwise(struct buf *b)
{
    static const char *const unary[] = {
        "Relu",      "LeakyRelu", "Clip", "Sigmoid", "HardSigmoid",
        "HardSwish", "Tanh",      "Exp",  "Erf",     "Elu",
        "Celu",      "Selu",      "Gelu", "Mish",    "Softplus",
        "Softsign",  "Neg",       "Abs",  "Sign",    "Floor",
        "Ceil",      "Round",     "Sin",  "Cos",     "ThresholdedRelu",
        "Identity",  "Shape",     "Size"};
    static const char *const positive[] = {"Log", "Sqrt", "Reciprocal"};
    static const char *const binary[] = {"Add", "Sub", "Mul", "Div", "PRelu",
                                         "Max", "Min", "Sum", "Mean"};
    static const char *const compare[] = {"Equal", "Less", "LessOrEqual",
                                          "Greater", "GreaterOrEqual"};
    static const char *const logic[] = {"And", "Or", "Xor"};
    static const char *const whole[] = {"Add", "Sub", "Mul", "Max", "Min"};
    uint32_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(unary); i++) {
        put(b, &n, unary[i], "x", "");
    }
    for (size_t i = 0; i < ARRAY_LEN(positive); i++) {
        put(b, &n, positive[i], "p", "");
    }
    for (size_t i = 0; i < ARRAY_LEN(binary); i++) {
        put(b, &n, binary[i], "x p", "");
    }
    for (size_t i = 0; i < ARRAY_LEN(compare); i++) {
        put(b, &n, compare[i], "x y", "");
        put(b, &n, compare[i], "i j", "");
    }
    for (size_t i = 0; i < ARRAY_LEN(logic); i++) {
        put(b, &n, logic[i], "c d", "");
    }
    for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
        put(b, &n, whole[i], "i j", "");
    }
    put(b, &n, "Pow", "p x", "");
    put(b, &n, "Mod", "x p", "fmod=i:1");
    put(b, &n, "Mod", "i k", "");
    put(b, &n, "Not", "c", "");
    put(b, &n, "Where", "c x y", "");
    put(b, &n, "Where", "c i j", "");
    put(b, &n, "Cast", "x", "to=i:7");
    put(b, &n, "Cast", "i", "to=i:1");
    put(b, &n, "Cast", "c", "to=i:1");
}

static void odd__elementwise_of_every_rank(void **state)
{
    struct fixture *f = *state;
    for (uint32_t rank = 0; rank <= 8; rank++) {
        const char *const d = dims(f, rank, 0);
        struct buf b;
        buf_init(&b, &f->keep);
        buf_printf(&b,
                   "opset 20\ninput x f32 %s\ninput y f32 %s\ninput i i64 %s\n"
                   "input j i64 %s\ninput c bool %s\ninput d bool %s\n"
                   "init half f32 - 0.5\ninit three i64 - 3\n"
                   "Abs ax y -> ay\nAdd ap ay half -> p\n"
                   "Add ak j three -> k\n",
                   d, d, d, d, d, d);
        put_elementwise(&b);
        assert_true(buf_ok(&b));
        write_referenced(f, arena_printf(&f->keep, "elementwise_rank_%u", rank),
                         buf_text(&b));
    }
}

/* Every rank against every smaller one, and against itself with dimensions of
 * 1 on either side. */
static void odd__broadcasts_of_every_rank(void **state)
{
    struct fixture *f = *state;
    for (uint32_t rank = 0; rank <= 8; rank++) {
        struct buf b;
        buf_init(&b, &f->keep);
        uint32_t n = 0;
        buf_printf(&b,
                   "opset 20\ninput x f32 %s\ninput y f32 %s\n"
                   "input i i64 %s\n",
                   dims(f, rank, 0xaa), dims(f, rank, 0x55),
                   dims(f, rank, 0x33));
        put(&b, &n, "Sub", "x y", "");
        put(&b, &n, "Max", "x y x", "");
        put(&b, &n, "Less", "x y", "");
        put(&b, &n, "Mul", "i i", "");
        for (uint32_t low = 0; low < rank; low++) {
            /* the last `low` of the full sizes */
            const char *d = dims(f, rank, 0);
            for (uint32_t k = 0; k < rank - low; k++) {
                d += 2;
            }
            buf_printf(&b, "init w%u f32 %s rand\n", low, low ? d : "-");
            put(&b, &n, "Sub", arena_printf(&f->keep, "x w%u", low), "");
            put(&b, &n, "Sub", arena_printf(&f->keep, "w%u y", low), "");
            buf_printf(&b, "init l%u i64 %s rand\n", low, low ? d : "-");
            put(&b, &n, "Add", arena_printf(&f->keep, "i l%u", low), "");
        }
        assert_true(buf_ok(&b));
        write_referenced(f, arena_printf(&f->keep, "broadcast_rank_%u", rank),
                         buf_text(&b));
    }
}

/* Along each axis, for one type. */
static void put_axes(struct fixture *f, struct buf *b, uint32_t *n,
                     const char *x, uint32_t rank)
{
    for (uint32_t k = 0; k < rank; k++) {
        const char *const axis = arena_printf(&f->keep, "axis=i:%u", k);
        const char *const both = arena_printf(&f->keep, "%s %s", x, x);
        const char *const ends = arena_printf(&f->keep, "%s e%u", x, k);
        const char *const back =
            arena_printf(&f->keep, "%s last first a%u back", x, k);
        put(b, n, "Concat", both, axis);
        put(b, n, "Gather", ends, axis);
        put(b, n, "Slice", back, "");
        put(b, n, "CumSum", arena_printf(&f->keep, "%s s%u", x, k), "");
        put(b, n, "ReduceMax", arena_printf(&f->keep, "%s a%u", x, k), "");
        put(b, n, "ReduceSum", arena_printf(&f->keep, "%s a%u", x, k),
            "keepdims=i:0");
    }
}

static void put_moves(struct fixture *f, struct buf *b, uint32_t *n,
                      const char *x, uint32_t rank)
{
    struct buf perm;
    buf_init(&perm, &f->keep);
    buf_str(&perm, "perm=I:");
    for (uint32_t k = 0; k < rank; k++) {
        buf_printf(&perm, "%s%u", k ? "," : "", rank - 1 - k);
    }
    assert_true(buf_ok(&perm));
    put(b, n, "Transpose", x, rank ? buf_text(&perm) : "");
    put(b, n, "Reshape", arena_printf(&f->keep, "%s minus", x), "");
    put(b, n, "Flatten", x, "axis=i:0");
    put(b, n, "Expand", arena_printf(&f->keep, "%s twos", x), "");
    put(b, n, "Tile", arena_printf(&f->keep, "%s twice", x), "");
    put(b, n, "Pad", arena_printf(&f->keep, "%s ones", x), "");
    put(b, n, "Squeeze", x, "");
    if (rank > 0) {
        put(b, n, "Flatten", x, arena_printf(&f->keep, "axis=i:%u", rank - 1));
    }
    if (rank < 8) {
        put(b, n, "Unsqueeze", arena_printf(&f->keep, "%s minus", x), "");
    }
    put_axes(f, b, n, x, rank);
}

static void odd__moves_of_every_rank(void **state)
{
    struct fixture *f = *state;
    for (uint32_t rank = 0; rank <= 8; rank++) {
        struct buf b;
        buf_init(&b, &f->keep);
        uint32_t n = 0;
        buf_printf(&b,
                   "opset 13\ninput x f32 %s\ninput i i64 %s\n"
                   "init minus i64 1 -1\ninit last i64 1 -1\n"
                   "init first i64 1 -9\ninit back i64 1 -1\n",
                   dims(f, rank, 0), dims(f, rank, 0));
        buf_printf(&b, "init twos i64 %u", rank);
        for (uint32_t k = 0; k < rank; k++) {
            buf_printf(&b, " %d", sizes[k] == 1 ? 2 : sizes[k]);
        }
        buf_printf(&b, "\ninit twice i64 %u", rank);
        for (uint32_t k = 0; k < rank; k++) {
            buf_str(&b, k % 2 ? " 1" : " 2");
        }
        buf_printf(&b, "\ninit ones i64 %u", 2 * rank);
        for (uint32_t k = 0; k < 2 * rank; k++) {
            buf_str(&b, k % 3 ? " 0" : " 1");
        }
        buf_char(&b, '\n');
        for (uint32_t k = 0; k < rank; k++) {
            buf_printf(&b,
                       "init a%u i64 1 %u\ninit s%u i64 - %u\n"
                       "init e%u i64 2 -1 0\n",
                       k, k, k, k, k);
        }
        put_moves(f, &b, &n, "x", rank);
        put_moves(f, &b, &n, "i", rank);
        for (uint32_t k = 0; k < rank; k++) {
            const char *const axis = arena_printf(&f->keep, "axis=i:%u", k);
            put(&b, &n, "Softmax", "x", axis);
            put(&b, &n, "ArgMax", "x", axis);
        }
        if (rank > 1) {
            buf_printf(&b, "Trilu t%u x -> tri\noutput tri\n", n);
        }
        assert_true(buf_ok(&b));
        write_referenced(f, arena_printf(&f->keep, "moves_rank_%u", rank),
                         buf_text(&b));
    }
}

/* A mask of what is seen, or of what is not, with rows that see nothing. */
static void odd__masks_of_attention(void **state)
{
    struct fixture *f = *state;
    write_referenced(
        f, "attention_masks",
        "opset 13\ninput q f32 1x2x6x4\ninput k f32 1x2x4x3\n"
        "input v f32 1x2x3x5\ninput m bool 1x1x6x3\noutput a\noutput b\n"
        "init no f32 - -1e9\n"
        "MatMul s1 q k -> t1\nWhere d1 m t1 no -> u1\n"
        "Softmax x1 u1 -> w1\nMatMul y1 w1 v -> a\n"
        "MatMul s2 q k -> t2\nWhere d2 m no t2 -> u2\n"
        "Softmax x2 u2 -> w2\nMatMul y2 w2 v -> b\n");
}

/* ---- cases whose results are known ---------------------------------------
 */

struct odd_case {
    const char *name;
    const char *text;
    const char *in[6];
    const char *out[3];
};

static const struct odd_case cases[] = {
#include "e2e/odd_cases.def"
};

static void odd__cases(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct odd_case *const c = &cases[i];
        if (!c->out[0]) {
            write_referenced(f, c->name, c->text);
            continue;
        }
        (void)write_model(f, c->name, c->text);
        for (uint32_t k = 0; k < 6 && c->in[k]; k++) {
            write_numbers(f, c->name, "input", k, c->in[k]);
        }
        for (uint32_t k = 0; k < 3 && c->out[k]; k++) {
            write_numbers(f, c->name, "output", k, c->out[k]);
        }
    }
}

/* ---- refusals ------------------------------------------------------------
 */

static const struct refusal {
    const char *text; /* the node that is named is "n" */
    enum diag_id id;
} refusals[] = {
    /* Nine dimensions. */
    {"opset 13\ninput x f32 1x1x1x1x1x1x1x2\ninit a i64 1 0\n"
     "Unsqueeze n x a -> y\noutput y\n",
     E_SHAPE},
    {"opset 13\ninput x f32 2\ninit s i64 9 1 1 1 1 1 1 1 1 2\n"
     "Reshape n x s -> y\noutput y\n",
     E_SHAPE},
    /* Constant indices out of range. */
    {"opset 13\ninput x f32 1\ninit d f32 2 1 2\ninit i i64 1 2\n"
     "Gather n d i -> y\noutput y\n",
     E_CONST},
    {"opset 13\ninput x f32 1\ninit d f32 2 1 2\ninit i i64 1 -3\n"
     "Gather n d i -> y\noutput y\n",
     E_CONST},
    {"opset 13\ninput x f32 2x2\ninit a i64 1 2\n"
     "Squeeze n x a -> y\noutput y\n",
     E_OP_ATTR},
    {"opset 13\ninput x f32 2x2\nTranspose n x -> y perm=I:0,2\noutput y\n",
     E_OP_ATTR},
    {"opset 13\ninput x f32 2x2\nConcat n x x -> y axis=i:2\noutput y\n",
     E_OP_ATTR},
    {"opset 13\ninput x f32 2x2\nSoftmax n x -> y axis=i:-3\noutput y\n",
     E_OP_ATTR},
    /* Found among nothing. */
    {"opset 13\ninput x f32 2x0\nNonZero n x -> y\noutput y\n", E_UNSUPPORTED},
    /* A window without elements. */
    {"opset 13\ninput x f32 1x1x2x2\nMaxPool n x -> y kernel_shape=I:3,3\n"
     "output y\n",
     E_SHAPE},
};

static void odd__refuses_by_name(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++) {
        struct graph g;
        struct layers l;
        assert_false(onnx_text_import(f, refusals[i].text, &g) &&
                     passes_run(&g, &f->cx, NULL, NULL) &&
                     lower(&g, &f->cx, &l));
        assert_diag(f, refusals[i].id, "n");
        fixture_restart(f, ARENA_NO_FAULT);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(odd__elementwise_of_every_rank),
        FIXTURE_TEST(odd__broadcasts_of_every_rank),
        FIXTURE_TEST(odd__moves_of_every_rank),
        FIXTURE_TEST(odd__masks_of_attention),
        FIXTURE_TEST(odd__cases),
        FIXTURE_TEST(odd__refuses_by_name),
    };
    if (argc != 2) {
        (void)fprintf(stderr, "usage: odd_cases DIR\n");
        return 2;
    }
    out_dir = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
