/* Pools, response normalisation and resizing against the naive ones. */
#include <stdlib.h>

#include "kt.h"
#include "support/reference.h"

/* Dense [n][c][h][w] <-> the order of images. */
static double *planar_in(struct kt *k)
{
    const struct operand *o = &k->l->in[0];
    double *v =
        ref_alloc((int64_t)(o->dim[0] * o->dim[1] * o->dim[2] * o->dim[3]));
    uint64_t i = 0;
    uint64_t at[4];
    for (at[0] = 0; at[0] < o->dim[0]; at[0]++) {
        for (at[3] = 0; at[3] < o->dim[3]; at[3]++) {
            for (at[1] = 0; at[1] < o->dim[1]; at[1]++) {
                for (at[2] = 0; at[2] < o->dim[2]; at[2]++) {
                    v[i++] = (double)*kt_element(k, o, 2, at);
                }
            }
        }
    }
    return v;
}

static double *image_out(const struct kt *k, const double *planar)
{
    const uint64_t *d = k->l->dim;
    double *v = ref_alloc((int64_t)(d[0] * d[1] * d[2] * d[3]));
    const uint64_t plane = d[1] * d[2];
    uint64_t i = 0;
    for (uint64_t n = 0; n < d[0]; n++) {
        for (uint64_t p = 0; p < plane; p++) {
            for (uint64_t c = 0; c < d[3]; c++) {
                v[i++] = planar[(n * d[3] + c) * plane + p];
            }
        }
    }
    return v;
}

static void set_dims(struct layer *l, uint64_t n, uint64_t h, uint64_t w,
                     uint64_t c)
{
    l->rank = 4;
    l->row_dims = 2;
    l->dim[0] = n;
    l->dim[1] = h;
    l->dim[2] = w;
    l->dim[3] = c;
}

/* ---- pools ---- */

struct pool_case {
    uint32_t n, h, w, c;
    uint32_t kh, kw, sh, sw, dh, dw;
    int32_t pt, pl, pb, pr;
    bool ceil_mode;
    bool count_pad;
    uint32_t slack;
    enum act act;
};

static void try_pool(struct fixture *f, const struct pool_case *t,
                     enum pool_kind kind)
{
    struct ref_window win = {.kernel = {t->kh, t->kw},
                             .stride = {t->sh, t->sw},
                             .dilation = {t->dh, t->dw},
                             .pad = {t->pt, t->pl, t->pb, t->pr},
                             .ceil_mode = t->ceil_mode};
    const int64_t in[2] = {t->h, t->w};
    int64_t out[2];
    assert_true(ref_window_resolve(&win, in, out));
    struct kt k;
    kt_start(&k, f, LAYER_POOL);
    struct layer *l = k.l;
    set_dims(l, t->n, (uint64_t)out[0], (uint64_t)out[1], t->c);
    l->out = kt_image(&k, t->n, l->dim[1], l->dim[2], t->c, t->slack, true);
    l->in[0] = kt_image(&k, t->n, t->h, t->w, t->c, t->slack, true);
    l->in[0].map =
        kt_map(t->h, l->dim[1], t->sh, t->pt, (t->kh - 1) * t->dh + 1);
    l->n_in = 1;
    kt_fill(&k, &l->in[0], 2);
    l->p.pool = (struct pool_param){.kind = kind,
                                    .count_include_pad = t->count_pad,
                                    .kernel = {t->kh, t->kw},
                                    .stride = {t->sh, t->sw},
                                    .dilation = {t->dh, t->dw},
                                    .pad_begin = {t->pt, t->pl},
                                    .pad_end = {t->pb, t->pr}};
    l->epi.act = t->act;
    kt_finish(&k, 0);
    double *x = planar_in(&k);
    double *y = ref_alloc((int64_t)t->n * t->c * out[0] * out[1]);
    if (kind == POOL_MAX) {
        ref_maxpool((int64_t)t->n * t->c, in, &win, x, y, NULL);
    } else {
        ref_avgpool((int64_t)t->n * t->c, in, &win, t->count_pad, x, y);
    }
    double *want = image_out(&k, y);
    for (int64_t i = 0; i < (int64_t)t->n * t->c * out[0] * out[1]; i++) {
        want[i] =
            t->act == ACT_RELU ? ref_unary(REF_RELU, 0, 0, want[i]) : want[i];
    }
    kt_check(&k, want, kind == POOL_MAX ? 0 : 1e-6);
    free(x);
    free(y);
    free(want);
}

static void pool__matches_the_naive_one(void **state)
{
    const struct pool_case cases[] = {
        /* clang-format off */
        {.n = 1, .h = 6, .w = 7, .c = 16, .kh = 2, .kw = 2, .sh = 2, .sw = 2, .dh = 1, .dw = 1},
        {.n = 2, .h = 7, .w = 8, .c = 3, .kh = 3, .kw = 3, .sh = 2, .sw = 2, .dh = 1, .dw = 1, .pt = 1, .pl = 1, .pb = 1, .pr = 1, .slack = 3, .act = ACT_RELU},
        {.n = 1, .h = 8, .w = 8, .c = 70, .kh = 3, .kw = 3, .sh = 2, .sw = 2, .dh = 1, .dw = 1, .ceil_mode = true},
        {.n = 1, .h = 7, .w = 9, .c = 17, .kh = 3, .kw = 2, .sh = 2, .sw = 3, .dh = 1, .dw = 1, .ceil_mode = true, .pt = 1, .pl = 1, .pb = 1, .count_pad = true},
        {.n = 1, .h = 9, .w = 9, .c = 5, .kh = 3, .kw = 3, .sh = 1, .sw = 1, .dh = 2, .dw = 2, .pt = 2, .pl = 1, .pb = 0, .pr = 2, .slack = 2},
        {.n = 3, .h = 5, .w = 6, .c = 130, .kh = 5, .kw = 6, .sh = 1, .sw = 1, .dh = 1, .dw = 1},
        {.n = 1, .h = 1, .w = 9, .c = 1, .kh = 1, .kw = 3, .sh = 1, .sw = 1, .dh = 1, .dw = 1, .pl = 1, .pr = 1, .count_pad = true},
        /* clang-format on */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        try_pool(*state, &cases[i], POOL_MAX);
        try_pool(*state, &cases[i], POOL_AVG);
    }
}

static void pool__covers_every_tail(void **state)
{
    for (uint32_t c = 1; c <= 66; c += c < 20 || c > 60 ? 1 : 11) {
        const struct pool_case t = {.n = 1,
                                    .h = 3,
                                    .w = 3,
                                    .c = c,
                                    .kh = 2,
                                    .kw = 2,
                                    .sh = 1,
                                    .sw = 1,
                                    .dh = 1,
                                    .dw = 1,
                                    .slack = c % 2};
        try_pool(*state, &t, POOL_MAX);
        try_pool(*state, &t, POOL_AVG);
    }
}

/* ---- response normalisation ---- */

static void lrn__matches_the_naive_one(void **state)
{
    const float betas[] = {0.75f, 0.5f, 1.0f, 0.6f};
    for (uint32_t i = 0; i < 12; i++) {
        struct kt k;
        kt_start(&k, *state, LAYER_LRN);
        struct layer *l = k.l;
        const uint32_t c = 1 + 3 * i;
        set_dims(l, 2, 3, 2, c);
        l->out = kt_image(&k, 2, 3, 2, c, i % 3, true);
        l->in[0] = kt_image(&k, 2, 3, 2, c, i % 2, true);
        l->in[0].map = kt_map(3, 3, 1, 0, 1);
        l->n_in = 1;
        kt_fill(&k, &l->in[0], 2);
        l->p.lrn = (struct lrn_param){.size = 1 + i % 6,
                                      .alpha = 0.5f,
                                      .beta = betas[i % 4],
                                      .bias = 1.5f};
        kt_finish(&k, 0);
        const struct ref_lrn s = {.size = l->p.lrn.size,
                                  .alpha = 0.5,
                                  .beta = (double)betas[i % 4],
                                  .bias = 1.5};
        double *x = planar_in(&k);
        double *y = ref_alloc(2 * 3 * 2 * c);
        ref_lrn(2, c, 6, &s, x, y);
        double *want = image_out(&k, y);
        kt_check(&k, want, 1e-6);
        free(x);
        free(y);
        free(want);
    }
}

/* ---- resizing ---- */

struct resize_case {
    uint64_t h, w, oh, ow;
    double scale_h, scale_w; /* 0: out / in */
    enum resize_coord coord;
    enum resize_nearest nearest;
};

static void try_resize(struct fixture *f, const struct resize_case *t,
                       enum resize_mode mode, uint32_t c)
{
    static const enum ref_coordinate coords[] = {
        [COORD_HALF_PIXEL] = REF_HALF_PIXEL,
        [COORD_PYTORCH_HALF_PIXEL] = REF_PYTORCH_HALF_PIXEL,
        [COORD_ALIGN_CORNERS] = REF_ALIGN_CORNERS,
        [COORD_ASYMMETRIC] = REF_ASYMMETRIC};
    static const enum ref_nearest nearests[] = {
        [NEAREST_ROUND_PREFER_FLOOR] = REF_ROUND_PREFER_FLOOR,
        [NEAREST_ROUND_PREFER_CEIL] = REF_ROUND_PREFER_CEIL,
        [NEAREST_FLOOR] = REF_FLOOR_PIXEL,
        [NEAREST_CEIL] = REF_CEIL_PIXEL};
    const double sh =
        t->scale_h > 0 ? t->scale_h : (double)t->oh / (double)t->h;
    const double sw =
        t->scale_w > 0 ? t->scale_w : (double)t->ow / (double)t->w;
    struct kt k;
    kt_start(&k, f, LAYER_RESIZE);
    struct layer *l = k.l;
    set_dims(l, 2, t->oh, t->ow, c);
    l->out = kt_image(&k, 2, t->oh, t->ow, c, c % 3, true);
    l->in[0] = kt_image(&k, 2, t->h, t->w, c, c % 2, true);
    l->in[0].map = (struct row_map){.num = (uint32_t)t->h,
                                    .den = (uint32_t)t->oh,
                                    .lo = 2,
                                    .hi = 2,
                                    .out_rows = t->oh,
                                    .in_rows = t->h};
    l->n_in = 1;
    kt_fill(&k, &l->in[0], 2);
    l->p.resize = (struct resize_param){.mode = mode,
                                        .coord = t->coord,
                                        .nearest = t->nearest,
                                        .scale = {(float)sh, (float)sw}};
    kt_finish(&k, 0);
    const struct ref_resize s = {.mode = mode == RESIZE_LINEAR
                                             ? REF_INTERPOLATE_LINEAR
                                             : REF_INTERPOLATE_NEAREST,
                                 .coordinate = coords[t->coord],
                                 .nearest = nearests[t->nearest],
                                 .scale = {1, 1, sh, sw}};
    const struct ref_shape in = {4,
                                 {2, (int64_t)c, (int64_t)t->h, (int64_t)t->w}};
    const struct ref_shape out = {
        4, {2, (int64_t)c, (int64_t)t->oh, (int64_t)t->ow}};
    double *x = planar_in(&k);
    double *y = ref_alloc(ref_count(&out));
    ref_resize(&s, &in, &out, x, y);
    double *want = image_out(&k, y);
    kt_check(&k, want, mode == RESIZE_LINEAR ? 2e-6 : 0);
    free(x);
    free(y);
    free(want);
}

static void resize__matches_the_naive_one(void **state)
{
    const struct resize_case sizes[] = {
        {.h = 3, .w = 4, .oh = 6, .ow = 8},
        {.h = 6, .w = 4, .oh = 14, .ow = 10},
        {.h = 9, .w = 8, .oh = 4, .ow = 5},
        {.h = 5, .w = 1, .oh = 1, .ow = 3},
        {.h = 5, .w = 4, .oh = 7, .ow = 5, .scale_h = 1.5, .scale_w = 1.25},
        {.h = 4, .w = 5, .oh = 2, .ow = 3, .scale_h = 0.625, .scale_w = 0.75},
    };
    uint32_t c = 1;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        for (uint32_t coord = 0; coord < 4; coord++) {
            for (uint32_t nearest = 0; nearest < 4; nearest++) {
                struct resize_case t = sizes[i];
                t.coord = (enum resize_coord)coord;
                t.nearest = (enum resize_nearest)nearest;
                try_resize(*state, &t, RESIZE_NEAREST, c % 5 + 1);
                try_resize(*state, &t, RESIZE_LINEAR, c % 19 + 1);
                c++;
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(pool__matches_the_naive_one),
        FIXTURE_TEST(pool__covers_every_tail),
        FIXTURE_TEST(lrn__matches_the_naive_one),
        FIXTURE_TEST(resize__matches_the_naive_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
