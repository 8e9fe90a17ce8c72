/* Class tensor: images read at computed places, Fourier transforms and
 * determinants, against the definitions in double. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "k_tensor_sample.h"
#include "kt.h"

static void start(struct kt *k, void **state, enum tensor_op op)
{
    kt_start(k, *state, LAYER_TENSOR);
    k->l->rank = 1;
    k->l->row_dims = 1;
    k->l->dim[0] = 1;
    k->l->rows = 1;
    k->l->p.tensor.op = op;
}

/* Adds an operand of numbers in [-scale, scale), which it gives as the device
 * has them. */
static double *add(struct kt *k, uint32_t rank, const uint64_t *dim,
                   double scale)
{
    struct operand *const o = &k->l->in[k->l->n_in++];
    uint64_t n = 1;
    *o = kt_dense(k, DTYPE_F32, rank, dim, 0, false);
    for (uint32_t d = 0; d < rank; d++) {
        n *= dim[d];
    }
    double *const x = arena_new(&k->f->keep, double, n);
    assert_non_null(x);
    for (uint64_t i = 0; i < n; i++) {
        x[i] = (double)(float)(scale * (double)kt_float(k));
        kt_put(k, o, i, x[i]);
    }
    return x;
}

/* Pixel (y, x) of a plane, as the padding has it. */
static double plane(const double *p, int64_t h, int64_t w, int64_t y, int64_t x,
                    int32_t pad, bool aligns)
{
    int64_t at[2] = {y, x};
    const int64_t n[2] = {h, w};
    for (uint32_t d = 0; d < 2; d++) {
        if (pad == FLX_GRID_ZEROS && (at[d] < 0 || at[d] >= n[d])) {
            return 0;
        }
        while (pad == FLX_GRID_REFLECTION && (at[d] < 0 || at[d] >= n[d])) {
            const int64_t turn = aligns ? 0 : 1;
            at[d] = at[d] < 0 ? -at[d] - turn : 2 * (n[d] - 1) - at[d] + turn;
        }
        at[d] = at[d] < 0 ? 0 : at[d] >= n[d] ? n[d] - 1 : at[d];
    }
    return p[at[0] * w + at[1]];
}

static double keys(double d)
{
    const double a = -0.75;
    d = fabs(d);
    return d <= 1  ? (a + 2) * d * d * d - (a + 3) * d * d + 1
           : d < 2 ? a * d * d * d - 5 * a * d * d + 8 * a * d - 4 * a
                   : 0;
}

/* Places inside the image: what lies between pixels, and beyond them where taps
 * reach out. The official tests have places outside. */
static void grid__interpolates(void **state)
{
    enum { N = 2, C = 3, H = 4, W = 5, OH = 3, OW = 4 };
    for (uint32_t i = 0; i < 18; i++) {
        struct kt k;
        const int32_t mode = (int32_t)(i % 3);
        const int32_t pad = (int32_t)(i / 3 % 3);
        const bool aligns = i / 9;
        const uint64_t in_dim[4] = {N, C, H, W};
        const uint64_t g_dim[4] = {N, OH, OW, 2};
        const uint64_t dim[4] = {N, C, OH, OW};
        double want[N * C * OH * OW];
        start(&k, state, TENSOR_GRID);
        const double *const in = add(&k, 4, in_dim, 1);
        const double *const g = add(&k, 4, g_dim, 0.99);
        for (uint64_t j = 0; j < N * C * OH * OW; j++) {
            const uint64_t n = j / (C * OH * OW);
            const double *const p = in + j / (OH * OW) * H * W;
            const double *const at = g + (n * OH * OW + j % (OH * OW)) * 2;
            const double x =
                aligns ? (at[0] + 1) / 2 * (W - 1) : ((at[0] + 1) * W - 1) / 2;
            const double y =
                aligns ? (at[1] + 1) / 2 * (H - 1) : ((at[1] + 1) * H - 1) / 2;
            want[j] = 0;
            for (int64_t b = -2; b < H + 2; b++) {
                for (int64_t a = -2; a < W + 2; a++) {
                    const double dx = x - (double)a;
                    const double dy = y - (double)b;
                    const double w =
                        mode == FLX_GRID_LINEAR
                            ? fmax(0, 1 - fabs(dx)) * fmax(0, 1 - fabs(dy))
                        : mode == FLX_GRID_CUBIC
                            ? keys(dx) * keys(dy)
                            : rint(x) == (double)a && rint(y) == (double)b;
                    want[j] += w * plane(p, H, W, b, a, pad, aligns);
                }
            }
        }
        k.l->out = kt_dense(&k, DTYPE_F32, 4, dim, 0, false);
        k.l->p.tensor.i[0] = mode;
        k.l->p.tensor.i[1] = pad;
        k.l->p.tensor.i[2] = aligns;
        kt_finish(&k, 0);
        kt_check(&k, want, 1e-6);
    }
}

/* Far outside, and no numbers: nothing is read that is not there. */
static void grid__survives_any_place(void **state)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY, 1e30, -1e30, 7};
    for (uint32_t i = 0; i < 9; i++) {
        struct kt k;
        const uint64_t in_dim[3] = {1, 1, 4};
        const uint64_t g_dim[3] = {1, 6, 1};
        const uint64_t dim[3] = {1, 1, 6};
        start(&k, state, TENSOR_GRID);
        const double *const in = add(&k, 3, in_dim, 1);
        (void)add(&k, 3, g_dim, 1);
        for (uint64_t j = 0; j < 6; j++) {
            kt_put(&k, &k.l->in[1], j, odd[j]);
        }
        k.l->out = kt_dense(&k, DTYPE_F32, 3, dim, 0, false);
        k.l->p.tensor.i[0] = (int32_t)(i % 3);
        k.l->p.tensor.i[1] = (int32_t)(i / 3);
        kt_finish(&k, 0);
        const struct kt_cut uncut = {.isa = "generic"};
        const double *const got = kt_values(&k, kt_run(&k, &uncut));
        for (uint64_t j = 0; j < 6; j++) {
            double most = 0;
            for (uint64_t m = 0; m < 4; m++) {
                most = fmax(most, fabs(in[m]));
            }
            assert_true(fabs(got[j]) <= 2 * most);
        }
    }
}

/* Linear between pixels and zero beyond, as moved taps are. */
static double between(const double *p, int64_t h, int64_t w, double y, double x)
{
    double s = 0;
    for (int64_t b = 0; b < h; b++) {
        for (int64_t a = 0; a < w; a++) {
            s += p[b * w + a] * fmax(0, 1 - fabs(y - (double)b)) *
                 fmax(0, 1 - fabs(x - (double)a));
        }
    }
    return s;
}

static void deform__moves_its_taps(void **state)
{
    enum { C = 4, O = 2, H = 5, W = 4, K = 2, OH = 3, OW = 3, TAPS = K * K };
    struct kt k;
    const uint64_t in_dim[4] = {1, C, H, W};
    const uint64_t w_dim[4] = {O, C / 2, K, K};
    const uint64_t o_dim[4] = {1, 2 * TAPS * 2, OH, OW};
    const uint64_t b_dim[1] = {O};
    const uint64_t m_dim[4] = {1, 2 * TAPS, OH, OW};
    const uint64_t dim[4] = {1, O, OH, OW};
    /* bias, mask, groups, groups of offsets, stride, dilation, pad */
    static const int32_t p[] = {4, 5, 2, 2, 2, 1, 1, 2, 1, 1};
    double want[O * OH * OW];
    start(&k, state, TENSOR_DEFORM);
    const double *const in = add(&k, 4, in_dim, 1);
    const double *const w = add(&k, 4, w_dim, 1);
    const double *const off = add(&k, 4, o_dim, 2);
    const double *const bias = add(&k, 1, b_dim, 1);
    const double *const mask = add(&k, 4, m_dim, 1);
    memcpy(k.l->p.tensor.i, p, sizeof p);
    for (uint64_t j = 0; j < O * OH * OW; j++) {
        const uint64_t o = j / (OH * OW);
        const uint64_t pixel = j % (OH * OW);
        want[j] = bias[o];
        for (uint64_t c = 0; c < C / 2; c++) {
            for (uint64_t t = 0; t < TAPS; t++) {
                const uint64_t from = o * (C / 2) + c;
                const uint64_t row = from / 2 * TAPS + t;
                const double y = (double)(pixel / OW) * 2 - 1 +
                                 (double)(t / K) * 1 +
                                 off[(2 * row) * OH * OW + pixel];
                const double x = (double)(pixel % OW) * 1 - 1 +
                                 (double)(t % K) * 2 +
                                 off[(2 * row + 1) * OH * OW + pixel];
                want[j] += w[(o * (C / 2) + c) * TAPS + t] *
                           mask[row * OH * OW + pixel] *
                           between(in + from * H * W, H, W, y, x);
            }
        }
    }
    k.l->out = kt_dense(&k, DTYPE_F32, 4, dim, 0, false);
    kt_finish(&k, 0);
    kt_check(&k, want, 1e-5);
}

/* The mean over a cell of a plane that is linear is its value in the middle. */
static void roi__averages_cells(void **state)
{
    enum { H = 9, W = 12, N = 2 };
    for (uint32_t i = 0; i < 4; i++) {
        struct kt k;
        const uint64_t in_dim[4] = {2, 1, H, W};
        const uint64_t r_dim[2] = {N, 4};
        const uint64_t b_dim[1] = {N};
        const uint64_t dim[4] = {N, 1, 2, 3};
        const double box[N][4] = {{2, 2, 8, 6}, {3, 4, 9, 8}};
        const bool is_half = i % 2;
        double want[N * 6];
        start(&k, state, TENSOR_ROI);
        (void)add(&k, 4, in_dim, 1);
        (void)add(&k, 2, r_dim, 1);
        for (uint64_t j = 0; j < 2 * H * W; j++) {
            const double x = (double)(j % W);
            const double y = (double)(j / W % H);
            kt_put(&k, &k.l->in[0], j, j < H * W ? 2 * x - y : 100 + x + 3 * y);
        }
        k.l->in[2] = kt_dense(&k, DTYPE_I64, 1, b_dim, 0, false);
        k.l->n_in = 3;
        for (uint64_t r = 0; r < N; r++) {
            kt_put(&k, &k.l->in[2], r, r == 0 ? 0 : 7); /* the last there is */
            for (uint64_t c = 0; c < 4; c++) {
                kt_put(&k, &k.l->in[1], r * 4 + c, box[r][c] * 2);
            }
            for (uint64_t c = 0; c < 6; c++) {
                const double half = is_half ? 0.5 : 0;
                const double y =
                    box[r][1] - half +
                    (box[r][3] - box[r][1]) * ((double)(c / 3) + 0.5) / 2;
                const double x =
                    box[r][0] - half +
                    (box[r][2] - box[r][0]) * ((double)(c % 3) + 0.5) / 3;
                want[r * 6 + c] = r == 0 ? 2 * x - y : 100 + x + 3 * y;
            }
        }
        k.l->p.tensor.i[1] = i / 2 ? 3 : 0;
        k.l->p.tensor.i[2] = is_half;
        k.l->p.tensor.f[0] = 0.5F;
        k.l->out = kt_dense(&k, DTYPE_F32, 4, dim, 0, false);
        kt_finish(&k, 0);
        kt_check(&k, want, 1e-6);
    }
}

static void dft__is_the_sum_it_is_defined_by(void **state)
{
    static const uint32_t lengths[] = {1, 2, 5, 8, 12};
    for (uint32_t i = 0; i < 20; i++) {
        struct kt k;
        const uint64_t own = 6;
        const uint64_t n = lengths[i % 5];
        const bool is_inverse = i / 5 % 2;
        const uint64_t parts = i / 10 ? 2 : 1;
        const uint64_t in_dim[3] = {own, 2, parts};
        const uint64_t dim[3] = {n, 2, 2};
        const uint64_t t_dim[2] = {n, 2};
        double want[12 * 4];
        start(&k, state, TENSOR_DFT);
        const double *const x = add(&k, 3, in_dim, 1);
        k.l->in[1] = kt_dense(&k, DTYPE_F64, 2, t_dim, 0, false);
        k.l->n_in = 2;
        const double turn = 2 * 3.14159265358979323846 / (double)n;
        for (uint64_t j = 0; j < n; j++) {
            kt_put(&k, &k.l->in[1], 2 * j, cos(turn * (double)j));
            kt_put(&k, &k.l->in[1], 2 * j + 1, sin(turn * (double)j));
        }
        for (uint64_t j = 0; j < n * 2; j++) {
            double re = 0;
            double im = 0;
            for (uint64_t t = 0; t < own && t < n; t++) {
                const double angle =
                    (is_inverse ? turn : -turn) * (double)(j / 2) * (double)t;
                const double *const at = x + (t * 2 + j % 2) * parts;
                const double other = parts == 2 ? at[1] : 0;
                re += at[0] * cos(angle) - other * sin(angle);
                im += at[0] * sin(angle) + other * cos(angle);
            }
            want[2 * j] = is_inverse ? re / (double)n : re;
            want[2 * j + 1] = is_inverse ? im / (double)n : im;
        }
        k.l->p.tensor.i[0] = 0;
        k.l->p.tensor.i[1] = (int32_t)n;
        k.l->p.tensor.i[2] = is_inverse;
        k.l->out = kt_dense(&k, DTYPE_F32, 3, dim, 0, false);
        kt_finish(&k, 0);
        kt_check(&k, want, 1e-6);
    }
}

/* By minors. */
static double minors(const double *m, uint64_t n)
{
    double small[16];
    double s = 0;
    if (n == 0) {
        return 1;
    }
    for (uint64_t c = 0; c < n; c++) {
        uint64_t i = 0;
        for (uint64_t r = 1; r < n; r++) {
            for (uint64_t k = 0; k < n; k++) {
                if (k != c) {
                    small[i++] = m[r * n + k];
                }
            }
        }
        s += (c % 2 ? -1 : 1) * m[c] * minors(small, n - 1);
    }
    return s;
}

static void det__is_the_sum_of_its_minors(void **state)
{
    for (uint64_t n = 1; n <= 5; n++) {
        struct kt k;
        const uint64_t in_dim[3] = {4, n, n};
        const uint64_t dim[1] = {4};
        double want[4];
        start(&k, state, TENSOR_DET);
        double *const m = add(&k, 3, in_dim, 1);
        /* The second has a zero in its first corner, the third two equal rows.
         */
        m[n * n] = 0;
        kt_put(&k, &k.l->in[0], n * n, 0);
        for (uint64_t c = 0; n > 1 && c < n; c++) {
            m[2 * n * n + n + c] = m[2 * n * n + c];
            kt_put(&k, &k.l->in[0], 2 * n * n + n + c, m[2 * n * n + c]);
        }
        for (uint64_t i = 0; i < 4; i++) {
            want[i] = minors(m + i * n * n, n);
        }
        k.l->out = kt_dense(&k, DTYPE_F32, 1, dim, 0, false);
        kt_finish(&k, 0);
        kt_check(&k, want, 1e-6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(grid__interpolates),
        FIXTURE_TEST(grid__survives_any_place),
        FIXTURE_TEST(deform__moves_its_taps),
        FIXTURE_TEST(roi__averages_cells),
        FIXTURE_TEST(dft__is_the_sum_it_is_defined_by),
        FIXTURE_TEST(det__is_the_sum_of_its_minors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
