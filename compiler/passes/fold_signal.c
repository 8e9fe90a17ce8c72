/* Windows and the matrix of mel bands: constants that are written as nodes. */
#include <math.h>

#include "base/arena.h"
#include "passes/elem.h"
#include "passes/fold.h"

static const double pi = 3.14159265358979323846;

/* A sum of cosines; a[0] - a[1] cos x + a[2] cos 2x. */
enum fold_end fold_window_op(struct fold *f, const struct node *n)
{
    static const double hann[3] = {0.5, 0.5, 0};
    static const double hamming[3] = {25.0 / 46, 21.0 / 46, 0};
    static const double blackman[3] = {0.42, 0.5, 0.08};
    const double *const a = n->op == OP_HANN_WINDOW      ? hann
                            : n->op == OP_HAMMING_WINDOW ? hamming
                                                         : blackman;
    const struct value *const v = node_out(f->g, n, 0);
    const enum dtype t = v->dtype;
    const int64_t len = v->shape.dim[0];
    const int64_t span = len - (node_int(n, "periodic", 1) == 0);
    uint8_t *const dst = fold_alloc(f, n, 0);
    if (!dst) {
        return FOLD_FAILED;
    }
    for (int64_t i = 0; i < len; i++) {
        const double x = span > 0 ? 2 * pi * (double)i / (double)span : pi;
        elem_put_f64(t, dst, (uint64_t)i,
                     a[0] - a[1] * cos(x) + a[2] * cos(2 * x));
    }
    return FOLD_DONE;
}

static double to_mel(double hertz)
{
    return 2595.0 * log10(1.0 + hertz / 700.0);
}

/* Triangles over the bins between edges that are equally far apart in mel. */
enum fold_end fold_mel(struct fold *f, const struct node *n)
{
    double x[5];
    for (uint32_t i = 0; i < 5; i++) {
        if (!node_in_f64(f->g, f->cx, n, i, 0, &x[i])) {
            return FOLD_FAILED;
        }
    }
    const enum dtype t = node_out(f->g, n, 0)->dtype;
    const int64_t bands = (int64_t)x[0];
    const int64_t bins = (int64_t)x[1] / 2 + 1;
    const double low = to_mel(x[3]);
    const double step = (to_mel(x[4]) - low) / (double)(bands + 2);
    int64_t *const edge =
        arena_new(f->cx->scratch, int64_t, (uint64_t)bands + 2);
    uint8_t *const dst = fold_alloc(f, n, 0);
    if (!edge || !dst) {
        return FOLD_FAILED;
    }
    for (int64_t i = 0; i < bands + 2; i++) {
        const double hertz =
            700.0 * (pow(10.0, ((double)i * step + low) / 2595.0) - 1.0);
        const double at = floor((floor(x[1]) + 1.0) * hertz / x[2]);
        edge[i] = at < 0 ? 0 : at >= (double)bins ? bins - 1 : (int64_t)at;
    }
    for (int64_t i = 0; i < bands; i++) {
        const int64_t *const e = edge + i;
        for (int64_t k = e[0]; k <= e[1]; k++) {
            const double w =
                e[1] == e[0] ? 1.0 : (double)(k - e[0]) / (double)(e[1] - e[0]);
            elem_put_f64(t, dst, (uint64_t)(k * bands + i), w);
        }
        for (int64_t k = e[1]; k < e[2]; k++) {
            elem_put_f64(t, dst, (uint64_t)(k * bands + i),
                         (double)(e[2] - k) / (double)(e[2] - e[1]));
        }
    }
    return FOLD_DONE;
}
