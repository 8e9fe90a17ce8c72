/* test_blob_write.c - layers with the same bytes are stored once. */
#include "support/fixture.h"

#include <string.h>

#include "base/buf.h"
#include "base/crc32c.h"
#include "ir/device.h"
#include "ir/graph.h"
#include "ir/target.h"
#include "passes/lower.h"
#include "support/onnx_text.h"
#include "weights/blob_write.h"
#include "weights/chunk_cut.h"

struct made {
    struct layers layers;
    struct chunks chunks;
    struct buf blob;
};

static void make(struct fixture *f, const char *text, const char *target,
                 enum compress compress, struct made *m)
{
    struct graph *const g = arena_new(&f->keep, struct graph, 1);
    assert_non_null(g);
    onnx_text_passes(f, text, g);
    struct device device = {.storage = STORAGE_READ,
                            .read_bytes_per_ms = 40000,
                            .decode_bytes_per_ms = 2000000};
    for (uint32_t i = 0; i < SPEED_COUNT; i++) {
        device.speed[i] = 1000;
    }
    const struct options opt = {
        .target = target_find(target),
        .device = &device,
        .compress = compress,
        .n_thread = 1,
    };
    buf_init(&m->blob, &f->keep);
    struct blob_out out = {.diag = f->cx.diag, .mem = &m->blob};
    const struct blob_entry entry = {&m->layers, &m->chunks};
    if (!lower(g, &f->cx, &m->layers) ||
        !chunk_cut(&m->layers, &opt, &f->cx, &m->chunks) ||
        !blob_write(&entry, 1, &opt, &out, &f->cx) ||
        !chunks_check(&m->chunks, &m->layers, &f->cx)) {
        assert_no_diag(f);
    }
    assert_int_equal(m->blob.len, m->chunks.blob_bytes);
    for (uint32_t i = 0; i < m->chunks.n_chunk; i++) {
        const struct chunk *const k = &m->chunks.chunk[i];
        assert_int_equal(crc32c(0, m->blob.data + k->blob_off, k->stored_bytes),
                         k->crc);
    }
}

static const struct chunk *first_of(const struct made *m, uint32_t layer)
{
    return &m->chunks.chunk[m->chunks.lattice[layer].chunk0];
}

#define TWICE                                                                  \
    "opset 13\ninput x f32 4x64\noutput y\ninit w f32 64x64 rand\n"            \
    "init v f32 64x64 pos\nMatMul a x w -> b\nSigmoid c b -> d\n"              \
    "MatMul e d v -> f\nSigmoid g f -> h\nMatMul i h w -> y\n"

static void blob__has_equal_layers_once(void **state)
{
    struct fixture *f = *state;
    static const enum compress how[] = {COMPRESS_NONE, COMPRESS_ZSTD};
    static const char *const targets[] = {"x86-64-v3", "cortex-m4"};
    for (uint32_t i = 0; i < 4; i++) {
        fixture_restart(f, ARENA_NO_FAULT);
        struct made m;
        make(f, TWICE, targets[i / 2], how[i % 2], &m);
        assert_int_equal(m.layers.n_layer, 3);
        const struct chunk *const a = first_of(&m, 0);
        const struct chunk *const b = first_of(&m, 1);
        const struct chunk *const c = first_of(&m, 2);
        assert_int_equal(a->blob_off, c->blob_off);
        assert_int_equal(a->stored_bytes, c->stored_bytes);
        assert_int_equal(a->codec, c->codec);
        assert_true(a->blob_off != b->blob_off);
        /* In memory each has a place. */
        assert_true(a->res_off != c->res_off);
        assert_true(m.chunks.resident_max >= UINT64_C(3) * 64 * 64 * 4);
        assert_true(m.chunks.blob_bytes < UINT64_C(5) * 64 * 64 * 2 + 8192);
    }
}

/* The bodies of a loop are copies of each other. */
static void blob__does_not_grow_with_a_loop(void **state)
{
    struct fixture *f = *state;
    uint64_t bytes[2];
    static const char *const loops[] = {
        "opset 13\ninput x f32 4x64\noutput y\ninit n i64 - 2\n"
        "init yes bool - 1\ngraph body\ninput i i64 -\ninput go bool -\n"
        "input s f32 4x64\ninit w f32 64x64 rand\nMatMul m s w -> t\n"
        "Sigmoid q t -> u\noutput go\noutput u\nend\n"
        "Loop l n yes x -> y body=g:body\n",
        "opset 13\ninput x f32 4x64\noutput y\ninit n i64 - 9\n"
        "init yes bool - 1\ngraph body\ninput i i64 -\ninput go bool -\n"
        "input s f32 4x64\ninit w f32 64x64 rand\nMatMul m s w -> t\n"
        "Sigmoid q t -> u\noutput go\noutput u\nend\n"
        "Loop l n yes x -> y body=g:body\n"};
    for (uint32_t i = 0; i < 2; i++) {
        struct made m;
        make(f, loops[i], "x86-64-v3", COMPRESS_NONE, &m);
        assert_int_equal(m.layers.n_layer, i ? 9 : 2);
        bytes[i] = m.chunks.blob_bytes;
    }
    assert_int_equal(bytes[0], bytes[1]);
}

/* Where a request costs more than small layers' bytes they stay together. */
static void blob__leaves_small_layers_beside_their_neighbours(void **state)
{
    struct fixture *f = *state;
    static const char text[] =
        "opset 13\ninput x f32 4x16\noutput y\ninit w f32 16x16 rand\n"
        "MatMul a x w -> b\nSigmoid c b -> d\nMatMul e d w -> y\n";
    struct made m;
    make(f, text, "x86-64-v3", COMPRESS_NONE, &m);
    assert_true(first_of(&m, 0)->blob_off != first_of(&m, 1)->blob_off);
    make(f, text, "cortex-m4", COMPRESS_NONE, &m);
    assert_int_equal(first_of(&m, 0)->blob_off, first_of(&m, 1)->blob_off);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(blob__has_equal_layers_once),
        FIXTURE_TEST(blob__does_not_grow_with_a_loop),
        FIXTURE_TEST(blob__leaves_small_layers_beside_their_neighbours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
