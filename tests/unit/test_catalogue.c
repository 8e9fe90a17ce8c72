#include "kernels/catalogue.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "flexrt/kernel_fields.h"
#include "support/fixture.h"

static const struct device device = {
    .name = "test",
    .read_bytes_per_ms = 1,
    .decode_bytes_per_ms = 1,
    .step_ns = 7,
    .speed = {1000, 1000, 1000, 1000, 1000, 1000, 4, 40},
    .cache_bytes = UINT64_MAX,
};

/* One convolution of [1, h, w, c] by o kernels of kh x kw. */
struct conv {
    struct layers layers;
    struct layer layer;
    struct buffer buf[2];
    struct target target;
    struct options opt;
};

static void make_conv(struct conv *v, uint64_t o, uint32_t kh, uint32_t kw,
                      uint64_t c, uint32_t group)
{
    *v = (struct conv){.buf = {{.rows = 8, .row_bytes = 8 * c * 4},
                               {.rows = 8, .row_bytes = 8 * o * 4}},
                       .target = {.chunk_limit = 16384}};
    v->layers = (struct layers){
        .buf = v->buf, .n_buf = 2, .layer = &v->layer, .n_layer = 1};
    v->opt = (struct options){.target = &v->target, .device = &device};
    struct layer *l = &v->layer;
    *l = (struct layer){.name = "conv1",
                        .op = "Conv",
                        .kind = LAYER_CONV,
                        .rank = 4,
                        .row_dims = 2,
                        .dim = {1, 8, 8, o},
                        .rows = 8,
                        .n_in = 1,
                        .n_weight = 1};
    l->in[0] = (struct operand){
        .buf = 0,
        .dtype = DTYPE_F32,
        .by_row = true,
        .rank = 4,
        .dim = {1, 8, 8, c},
        .stride = {(int64_t)(64 * c), (int64_t)(8 * c), (int64_t)c, 1}};
    l->out = l->in[0];
    l->out.buf = 1;
    l->out.dim[3] = o;
    l->out.stride[2] = (int64_t)o;
    l->p.conv = (struct conv_param){.group = group,
                                    .kernel = {kh, kw},
                                    .stride = {1, 1},
                                    .dilation = {1, 1}};
    l->weight[0] = (struct weight){
        .dtype = DTYPE_F32, .rank = 4, .dim = {o, kh, kw, c / group}};
    uint64_t n = 1;
    for (uint32_t i = 4; i-- > 0;) {
        l->weight[0].stride[i] = (int64_t)n;
        n *= l->weight[0].dim[i];
    }
}

static float float_at(const uint8_t *p, uint64_t i)
{
    float f;
    memcpy(&f, p + 4 * i, 4);
    return f;
}

/* Floats 0, 1, 2... one byte away from any alignment. */
static void give_weights(struct fixture *f, struct weight *w)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < w->rank; i++) {
        n *= w->dim[i];
    }
    uint8_t *m = arena_alloc(&f->keep, 4 * n + 1, 16);
    assert_non_null(m);
    for (uint64_t i = 0; i < n; i++) {
        const float x = (float)i;
        memcpy(m + 1 + 4 * i, &x, 4);
    }
    w->data = (struct span){m + 1, 4 * n};
}

/* Walks all K blocks and panels and compares with element (o, k) = want. */
static void check_panels(struct fixture *f, struct conv *v,
                         float (*want)(const struct conv *, uint64_t o,
                                       uint64_t k))
{
    struct lattice t;
    assert_true(kern_lattice(&v->layer, &v->opt, &f->cx, &t));
    const uint64_t oc = v->layer.dim[3];
    uint64_t k0 = 0;
    for (uint32_t kb = 0; kb < t.n_kblock; kb++) {
        assert_true(t.panel_bytes[kb] <= v->target.chunk_limit);
        assert_int_equal(t.panel_bytes[kb] % 64, 0);
        const uint64_t rows = t.panel_bytes[kb] / 64 - (kb == 0);
        uint8_t *w = arena_alloc(&f->keep, t.panel_bytes[kb] * t.n_panel, 64);
        assert_non_null(w);
        memset(w, 0xff, t.panel_bytes[kb] * t.n_panel);
        assert_true(
            kern_pack(&v->layer, &v->opt, &t, kb, 0, t.n_panel, w, &f->cx));
        for (uint32_t p = 0; p < t.n_panel; p++) {
            const uint8_t *panel = w + p * t.panel_bytes[kb];
            for (uint64_t lane = 0; kb == 0 && lane < 16; lane++) {
                assert_true(float_at(panel, lane) == 0); /* no bias */
            }
            panel += kb == 0 ? 64 : 0;
            for (uint64_t i = 0; i < rows * 16; i++) {
                const uint64_t o = p * 16 + i % 16;
                const float x = o < oc ? want(v, o, k0 + i / 16) : 0;
                assert_true(float_at(panel, i) == x);
            }
        }
        k0 += rows;
    }
}

static float dense_at(const struct conv *v, uint64_t o, uint64_t k)
{
    const uint64_t *d = v->layer.weight[0].dim;
    return (float)(o * d[1] * d[2] * d[3] + k);
}

static void pack__cuts_k_so_that_panels_fit_a_chunk(void **state)
{
    struct fixture *f = *state;
    struct conv v;
    make_conv(&v, 33, 3, 3, 70, 1);
    give_weights(f, &v.layer.weight[0]);
    struct lattice t;
    assert_true(kern_lattice(&v.layer, &v.opt, &f->cx, &t));
    /* 630 rows; 252 of 64 bytes and two of parameters fit 16 KiB: three
     * blocks of 212, 212 and 206. */
    assert_int_equal(t.n_kblock, 3);
    assert_int_equal(t.n_panel, 3);
    assert_int_equal(t.panel_bytes[0], 213 * 64);
    assert_int_equal(t.panel_bytes[2], 206 * 64);
    check_panels(f, &v, dense_at);
}

/* As Flatten leaves them: element (o, kh, kw, c) of [O][C][KH][KW]. */
static float planar_at(const struct conv *v, uint64_t o, uint64_t k)
{
    const uint64_t *d = v->layer.weight[0].dim;
    const uint64_t taps = d[1] * d[2];
    return (float)((o * d[3] + k % d[3]) * taps + k / d[3]);
}

static void pack__reads_any_strides(void **state)
{
    struct fixture *f = *state;
    struct conv v;
    make_conv(&v, 20, 5, 3, 37, 1);
    int64_t *s = v.layer.weight[0].stride;
    s[0] = 5 * 3 * 37;
    s[1] = 3;
    s[2] = 1;
    s[3] = 15;
    give_weights(f, &v.layer.weight[0]);
    check_panels(f, &v, planar_at);
}

/* [K][O], as MatMul has its right side. */
static float turned_at(const struct conv *v, uint64_t o, uint64_t k)
{
    return (float)(k * v->layer.weight[0].dim[0] + o);
}

static void pack__reads_turned_matrices(void **state)
{
    struct fixture *f = *state;
    struct conv v;
    make_conv(&v, 40, 1, 1, 300, 1);
    v.layer.weight[0].stride[0] = 1;
    v.layer.weight[0].stride[3] = 40;
    give_weights(f, &v.layer.weight[0]);
    check_panels(f, &v, turned_at);
}

static void pack__converts_other_floats(void **state)
{
    static const uint16_t half[] = {0x3c00, 0xc500, 0x0001, 0x7c00, 0x03ff};
    static const uint16_t brain[] = {0x3f80, 0xc0a0, 0x0001, 0x7f80, 0x4049};
    static const double wide[] = {1, -5, 1e-300, 1e300, 0.1};
    static const uint32_t from_half[] = {0x3f800000, 0xc0a00000, 0x33800000,
                                         0x7f800000, 0x387fc000};
    static const uint32_t from_brain[] = {0x3f800000, 0xc0a00000, 0x00010000,
                                          0x7f800000, 0x40490000};
    static const uint32_t from_wide[] = {0x3f800000, 0xc0a00000, 0, 0x7f800000,
                                         0x3dcccccd};
    struct fixture *f = *state;
    const struct {
        enum dtype dtype;
        const void *data;
        uint64_t len;
        const uint32_t *want;
    } cases[] = {{DTYPE_F16, half, sizeof half, from_half},
                 {DTYPE_BF16, brain, sizeof brain, from_brain},
                 {DTYPE_F64, wide, sizeof wide, from_wide}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct conv v;
        make_conv(&v, 1, 1, 1, 5, 1);
        v.layer.weight[0].dtype = cases[i].dtype;
        v.layer.weight[0].data = (struct span){cases[i].data, cases[i].len};
        struct lattice t;
        uint8_t w[6 * 64];
        assert_true(kern_lattice(&v.layer, &v.opt, &f->cx, &t));
        assert_int_equal(t.panel_bytes[0], sizeof w);
        assert_true(kern_pack(&v.layer, &v.opt, &t, 0, 0, 1, w, &f->cx));
        for (uint32_t k = 0; k < 5; k++) {
            assert_memory_equal(w + 64 * (k + 1), &cases[i].want[k], 4);
        }
    }
}

static void kern_choose__prefers_the_narrowest_kernel(void **state)
{
    const struct {
        uint64_t o;
        uint32_t kh, kw;
        uint64_t c;
        uint32_t group;
        uint64_t pixels;
        uint32_t id;
    } cases[] = {
        {32, 3, 3, 32, 1, 8, FLX_K_CONV_F32_DIRECT},
        {32, 3, 3, 32, 2, 8, FLX_K_CONV_F32_DIRECT},
        {32, 3, 3, 32, 4, 8, FLX_K_CONV_F32_LANES},
        {32, 3, 3, 32, 32, 8, FLX_K_CONV_F32_DEPTHWISE},
        {64, 3, 3, 32, 32, 8, FLX_K_CONV_F32_LANES},
        {32, 17, 1, 32, 1, 8, FLX_K_CONV_F32_LANES},
        {32, 17, 1, 32, 1, 1, FLX_K_CONV_F32_GEMV},
        {1, 3, 3, 1, 1, 8, FLX_K_CONV_F32_DIRECT},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct conv v;
        make_conv(&v, cases[i].o, cases[i].kh, cases[i].kw, cases[i].c,
                  cases[i].group);
        v.layer.rows = v.layer.dim[1] = v.layer.dim[2] = cases[i].pixels;
        uint32_t id = 0;
        assert_true(kern_choose(&v.layer, &v.opt, &f->cx, &id));
        assert_int_equal(id, cases[i].id);
    }
}

/* The only panel of a 1x1 convolution, of which each of `o` channels has
 * weights w[channel][c], stored as `stored`; NULL when it is refused. */
static uint8_t *pack_one(struct fixture *f, struct conv *v, uint64_t o,
                         uint64_t c, float *w, enum dtype stored)
{
    make_conv(v, o, 1, 1, c, 1);
    v->target.chunk_limit = 1 << 20;
    v->target.widen_rows = 8;
    v->target.widen_panels = 1;
    v->layer.weight[0].data = (struct span){(uint8_t *)w, o * c * sizeof *w};
    v->layer.stored = stored;
    struct lattice t;
    assert_true(kern_lattice(&v->layer, &v->opt, &f->cx, &t));
    assert_int_equal(t.n_kblock, 1);
    assert_int_equal(t.n_panel, 1);
    const uint64_t each = stored == DTYPE_F16 ? 32 : 16;
    const uint64_t params = stored == DTYPE_F16 ? 64 : 128;
    assert_int_equal(t.panel_bytes[0], params + (c * each + 63) / 64 * 64);
    uint8_t *dst = arena_alloc(&f->keep, t.panel_bytes[0], 64);
    assert_non_null(dst);
    memset(dst, 0xff, t.panel_bytes[0]);
    return kern_pack(&v->layer, &v->opt, &t, 0, 0, 1, dst, &f->cx) ? dst : NULL;
}

/* The value of an f16 that is no NaN. */
static double value_of_f16(uint32_t h)
{
    const int e = (int)(h >> 10 & 31u);
    const double m = (double)(h & 1023u);
    const double x = e == 0    ? ldexp(m, -24)
                     : e == 31 ? (double)INFINITY
                               : ldexp(1024 + m, e - 25);
    return h & 0x8000u ? -x : x;
}

/* Every f16, what lies halfway to the next one, and the floats beside that. */
static void kern_pack__rounds_to_the_nearest_f16(void **state)
{
    struct fixture *f = *state;
    enum { C = 4096 };
    static float w[16][C];
    for (uint32_t base = 0; base < 0x7bff; base += C / 4) {
        for (uint32_t i = 0; i < C / 4; i++) {
            const double a = value_of_f16(base + i);
            const double b = value_of_f16(base + i + 1);
            const float half = isinf(b) ? 65519.996f : (float)((a + b) / 2);
            const float x[4] = {(float)a, half, nextafterf(half, 0),
                                isinf(b) ? half : nextafterf(half, 65504)};
            memcpy(&w[base / 1024 % 16][4 * (uint64_t)i], x, sizeof x);
        }
        const uint32_t o = base / 1024 % 16;
        for (uint32_t i = 0; i < C; i++) {
            w[(o + 1) % 16][i] = -w[o][i];
        }
        struct conv v;
        const uint8_t *p = pack_one(f, &v, 16, C, &w[0][0], DTYPE_F16);
        assert_no_diag(f);
        assert_non_null(p);
        for (uint32_t i = 0; i < C; i++) {
            for (uint32_t s = 0; s < 2; s++) {
                const uint32_t lane = (o + s) % 16;
                const uint8_t *at = p + 64 + (i * 16 + lane) * 2;
                const uint32_t h = at[0] | (uint32_t)at[1] << 8;
                const double got = value_of_f16(h);
                const double want = (double)w[lane][i];
                const double up = value_of_f16(h + 1); /* away from zero */
                const double down = h & 0x7fffu ? value_of_f16(h - 1) : got;
                const double err = fabs(got - want);
                assert_true(signbit(got) == signbit(want));
                assert_true(err <= fabs(down - want) || down == got);
                assert_true(err < fabs(up - want) ||
                            (err == fabs(up - want) && h % 2 == 0));
                assert_true(err < fabs(down - want) || down == got ||
                            h % 2 == 0);
            }
        }
        arena_free(&f->keep);
    }
}

static void kern_pack__refuses_weights_that_do_not_fit(void **state)
{
    struct fixture *f = *state;
    struct conv v;
    float w[4] = {1, -2, 65520, 0};
    assert_null(pack_one(f, &v, 1, 4, w, DTYPE_F16));
    assert_diag(f, E_WEIGHT, "conv1");
    fixture_restart(f, ARENA_NO_FAULT);
    w[2] = INFINITY; /* f16 has it, i8 has not */
    const uint8_t *p = pack_one(f, &v, 1, 4, w, DTYPE_F16);
    assert_non_null(p);
    assert_int_equal(p[64 + 2 * 32] | p[64 + 2 * 32 + 1] << 8, 0x7c00);
    assert_null(pack_one(f, &v, 1, 4, w, DTYPE_I8));
    assert_diag(f, E_WEIGHT, "conv1");
}

static void kern_pack__has_a_scale_for_each_channel_of_i8(void **state)
{
    struct fixture *f = *state;
    struct conv v;
    float w[3][5] = {{127, -64, 2.5f, 3.5f, -0.5f}, {0}, {-1, 1, 0.5f, 0, 0}};
    const int8_t want[3][5] = {
        {127, -64, 2, 4, 0}, {0}, {-127, 127, 64 /* 63.5 */, 0, 0}};
    const float scale[3] = {1, 0, 1.0f / 127};
    const uint8_t *p = pack_one(f, &v, 3, 5, &w[0][0], DTYPE_I8);
    assert_non_null(p);
    for (uint32_t o = 0; o < 16; o++) {
        assert_true(float_at(p + 64, o) == (o < 3 ? scale[o] : 0));
        for (uint32_t i = 0; i < 8; i++) {
            const int got = (int8_t)p[128 + i * 16 + o];
            assert_int_equal(got, o < 3 && i < 5 ? want[o][i] : 0);
        }
    }
}

static void kern_choose__takes_winograd_where_it_is_cheaper(void **state)
{
    const struct {
        uint64_t size;
        enum numerics numerics;
        enum target_class cls;
        uint32_t chunk_limit;
        uint32_t id;
    } cases[] = {
        {28, NUMERICS_FAST, CLASS_HOSTED, 1 << 20, FLX_K_CONV_F32_WINOGRAD4},
        {48, NUMERICS_FAST, CLASS_HOSTED, 1 << 20, FLX_K_CONV_F32_WINOGRAD6},
        {2, NUMERICS_FAST, CLASS_HOSTED, 1 << 20, FLX_K_CONV_F32_DIRECT},
        {28, NUMERICS_DIRECT, CLASS_HOSTED, 1 << 20, FLX_K_CONV_F32_DIRECT},
        {28, NUMERICS_FAST, CLASS_MCU, 1 << 20, FLX_K_CONV_F32_DIRECT},
        {28, NUMERICS_FAST, CLASS_HOSTED, 1 << 14, FLX_K_CONV_F32_DIRECT},
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct conv v;
        make_conv(&v, 64, 3, 3, 64, 1);
        v.layer.rows = v.layer.dim[1] = v.layer.dim[2] = cases[i].size;
        v.layer.macs = cases[i].size * cases[i].size * 9 * 64 * 64;
        v.opt.numerics = cases[i].numerics;
        v.target.cls = cases[i].cls;
        v.target.chunk_limit = cases[i].chunk_limit;
        uint32_t id = 0;
        assert_true(kern_choose(&v.layer, &v.opt, &f->cx, &id));
        assert_int_equal(id, cases[i].id);
        struct cand c;
        assert_true(kern_cand(&v.layers, &v.layer, &v.opt, &f->cx, &c));
        assert_int_equal(c.kernel, id);
        assert_int_equal(c.row_grid, id == FLX_K_CONV_F32_WINOGRAD4   ? 4
                                     : id == FLX_K_CONV_F32_WINOGRAD6 ? 6
                                                                      : 1);
        assert_int_equal(c.scratch_bytes % 64, 0);
        assert_int_equal(c.scratch_bytes > 0, c.row_grid > 1);
    }
}

static void kern_choose__says_what_no_kernel_has(void **state)
{
    struct fixture *f = *state;
    struct conv v;
    uint32_t id = 0;
    make_conv(&v, 4, 1, 1, 4, 1);
    v.layer.in[0].dtype = DTYPE_F64;
    assert_false(kern_choose(&v.layer, &v.opt, &f->cx, &id));
    assert_diag(f, E_UNSUPPORTED, "conv1");
    assert_non_null(strstr(f->diag.text, "f32"));
}

static void kern_cand__refuses_what_does_not_fit_32_bits(void **state)
{
    struct fixture *f = *state;
    struct conv v;
    struct cand c;
    make_conv(&v, 4, 1, 1, 4, 1);
    v.buf[0].row_bytes = (uint64_t)1 << 32;
    assert_false(kern_cand(&v.layers, &v.layer, &v.opt, &f->cx, &c));
    assert_diag(f, E_TOO_BIG, "conv1");
}

static void kern_cand__fills_the_block_by_name(void **state)
{
    struct fixture *f = *state;
    struct conv v;
    struct cand c;
    make_conv(&v, 20, 3, 2, 9, 1);
    v.layer.macs = 1000000;
    assert_true(kern_cand(&v.layers, &v.layer, &v.opt, &f->cx, &c));
    const struct flx_kernel_info *info = flx_kernel_info_find(c.kernel);
    assert_string_equal(info->fn, "k_conv_f32_direct");
    assert_int_equal(info->n_word, c.n_word);
    for (uint32_t i = 0; i < info->n_field; i++) {
        const struct flx_field *field = &info->field[i];
        const uint32_t got = c.word[field->word];
        if (strcmp(field->name, "out_c") == 0) {
            assert_int_equal(got, 20);
        } else if (strcmp(field->name, "kernel_h") == 0) {
            assert_int_equal(got, 3);
        } else if (strcmp(field->name, "in_row_bytes") == 0) {
            assert_int_equal(got, 8 * 9 * 4);
        } else if (strcmp(field->name, "k") == 0) {
            assert_int_equal(got, 54);
        }
    }
    assert_int_equal(c.box_ns, 7);
    /* 64 pixels; 20 channels take two panels of 16; each of three runs of K
     * costs 8 steps more. Then weights; both images fit any cache. */
    assert_int_equal(c.all_ns,
                     64 * 32 * (3 * 2 * 9 + 3 * 8) + 4 * 20 * 3 * 2 * 9);
}

/* Starting a run of K takes a tile of two panels as long as one of four. */
static void kern_cand__counts_what_is_empty_of_a_tile(void **state)
{
    struct fixture *f = *state;
    struct conv v;
    struct cand one;
    struct cand four;
    make_conv(&v, 20, 3, 2, 9, 1);
    assert_true(kern_cand(&v.layers, &v.layer, &v.opt, &f->cx, &one));
    assert_int_equal(one.idle_ns, 0);
    const uint64_t whole = kern_whole_ns(&v.layer, one.kernel, v.opt.device);
    struct device wide = *v.opt.device;
    wide.tile_panels = 4;
    v.opt.device = &wide;
    assert_true(kern_cand(&v.layers, &v.layer, &v.opt, &f->cx, &four));
    assert_int_equal(four.all_ns, one.all_ns);
    assert_int_equal(four.idle_ns, 64 * 16 * 3 * 8);
    assert_int_equal(kern_whole_ns(&v.layer, one.kernel, v.opt.device),
                     whole + 2 * four.idle_ns);
}

static void cand_box_ns__shares_the_whole(void **state)
{
    (void)state;
    const struct cand c = {.box_ns = 5, .all_ns = 1001};
    const struct layer l = {.rows = 10};
    const struct lattice t = {.n_panel = 4, .n_kblock = 2};
    assert_int_equal(cand_box_ns(&c, &l, &t, 10, 4, 0), 5 + 501);
    assert_int_equal(cand_box_ns(&c, &l, &t, 1, 1, 0), 5 + 13);
    const struct cand shared = {.rows_ns = 100, .panels_ns = 40};
    const struct lattice once = {.n_panel = 4, .n_kblock = 1};
    assert_int_equal(cand_box_ns(&shared, &l, &once, 10, 4, 0), 140);
    assert_int_equal(cand_box_ns(&shared, &l, &once, 5, 1, 0), 50 + 10);
    const struct cand wide = {.idle_ns = 100, .tile_panels = 3};
    assert_int_equal(cand_box_ns(&wide, &l, &once, 10, 3, 0), 0);
    assert_int_equal(cand_box_ns(&wide, &l, &once, 10, 4, 0), 200);
    assert_int_equal(cand_box_ns(&wide, &l, &once, 5, 2, 0), 50);
    assert_int_equal(cand_box_ns(&wide, &l, &t, 10, 1, 0), 100);
    const struct device d = {.read_bytes_per_ms = 1000,
                             .read_latency_ns = 10,
                             .decode_bytes_per_ms = 500};
    assert_int_equal(device_load_ns(&d, 3, 0), 10 + 3000);
    assert_int_equal(device_load_ns(&d, 3, 1), 10 + 3000 + 2000);
}

/* A box of one strip finds its input transformed, one of two does not. */
static void cand_kept_ns__is_that_of_single_strips(void **state)
{
    (void)state;
    const struct cand_room room[] = {
        {.bytes = 64, .tiles = 4, .panels_ns = 9},
        {.bytes = 128, .tiles = 8, .panels_ns = 9},
    };
    const struct cand c = {.rows_ns = 100,
                           .row_grid = 2,
                           .row_tiles = 4,
                           .room = room,
                           .n_room = 2};
    const struct layer l = {.rows = 10};
    assert_int_equal(cand_kept_ns(&c, &l, 2, 64), 20);
    assert_int_equal(cand_kept_ns(&c, &l, 4, 64), 0);
    assert_int_equal(cand_kept_ns(&c, &l, 4, 128), 40);
    assert_int_equal(cand_kept_ns(&c, &l, 5, 128), 0);
    const struct cand other = {.rows_ns = 100};
    assert_int_equal(cand_kept_ns(&other, &l, 2, 64), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(pack__cuts_k_so_that_panels_fit_a_chunk),
        FIXTURE_TEST(pack__reads_any_strides),
        FIXTURE_TEST(pack__reads_turned_matrices),
        FIXTURE_TEST(pack__converts_other_floats),
        FIXTURE_TEST(kern_choose__prefers_the_narrowest_kernel),
        FIXTURE_TEST(kern_choose__takes_winograd_where_it_is_cheaper),
        FIXTURE_TEST(kern_choose__says_what_no_kernel_has),
        FIXTURE_TEST(kern_cand__refuses_what_does_not_fit_32_bits),
        FIXTURE_TEST(kern_cand__fills_the_block_by_name),
        FIXTURE_TEST(kern_cand__counts_what_is_empty_of_a_tile),
        cmocka_unit_test(cand_box_ns__shares_the_whole),
        cmocka_unit_test(cand_kept_ns__is_that_of_single_strips),
        FIXTURE_TEST(kern_pack__rounds_to_the_nearest_f16),
        FIXTURE_TEST(kern_pack__refuses_weights_that_do_not_fit),
        FIXTURE_TEST(kern_pack__has_a_scale_for_each_channel_of_i8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
