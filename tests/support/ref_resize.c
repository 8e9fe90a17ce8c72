/* ref_resize.c - Resize and Upsample. Interpolation is separable: each axis
 * is a small table of source positions and weights. */
#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int64_t ref_resize_extent(int64_t in, double scale)
{
    return (int64_t)floorf((float)in * (float)scale);
}

static double source_coordinate(const struct ref_resize *s, int axis,
                                int64_t in, int64_t out, int64_t ix)
{
    const double scale = s->scale[axis];
    const double i = (double)ix;
    const double half = (i + 0.5) / scale - 0.5;
    const double span = (double)in - 1.0;
    const double roi = s->roi_end[axis] - s->roi_start[axis];
    switch (s->coordinate) {
    case REF_HALF_PIXEL:
        break;
    case REF_HALF_PIXEL_SYMMETRIC: {
        /* keeps the centre when `out` was rounded down from in * scale */
        const double adjust = (double)out / (scale * (double)in);
        return (double)in / 2.0 * (1.0 - adjust) + half;
    }
    case REF_PYTORCH_HALF_PIXEL:
        return out > 1 ? half : 0.0;
    case REF_ALIGN_CORNERS:
        return out > 1 ? i * span / ((double)out - 1.0) : 0.0;
    case REF_ASYMMETRIC:
        return i / scale;
    case REF_TF_HALF_PIXEL_FOR_NN:
        return (i + 0.5) / scale;
    case REF_TF_CROP_AND_RESIZE:
        if (out > 1) {
            return s->roi_start[axis] * span +
                   i * roi * span / ((double)out - 1.0);
        }
        return 0.5 * (s->roi_start[axis] + s->roi_end[axis]) * span;
    case REF_N_COORDINATES:
        break;
    }
    return half;
}

static double nearest(const struct ref_resize *s, double scale, double x)
{
    /* Scales are floats: 3 / 0.6f is 4.9999998 where 5 is meant. */
    const double v = (double)(float)x;
    switch (s->nearest) {
    case REF_ROUND_PREFER_FLOOR:
        return ceil(v - 0.5);
    case REF_ROUND_PREFER_CEIL:
        return floor(v + 0.5);
    case REF_FLOOR_PIXEL:
        return floor(v);
    case REF_CEIL_PIXEL:
        return ceil(v);
    case REF_NEAREST_SIMPLE:
        break;
    }
    return scale < 1.0 ? ceil(v) : floor(v);
}

static double kernel(const struct ref_resize *s, double distance)
{
    const double d = fabs(distance);
    const double a = s->cubic_a;
    if (s->mode == REF_INTERPOLATE_LINEAR) {
        return d < 1.0 ? 1.0 - d : 0.0;
    }
    if (d <= 1.0) {
        return ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0;
    }
    return d < 2.0 ? ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a : 0.0;
}

/* dst[i] += weight * src[i] */
static void add_row(int64_t n, double weight, const double *src, double *dst)
{
    for (int64_t i = 0; i < n; i++) {
        dst[i] += weight * src[i];
    }
}

/* Writes one output position of `axis`; src[dim][inner], dst[inner] zeroed. */
static void resample(const struct ref_resize *s, int axis, int64_t dim,
                     int64_t inner, double x, const double *src, double *dst)
{
    const double last = (double)(dim - 1);
    if (s->coordinate == REF_TF_CROP_AND_RESIZE && (x < 0.0 || x > last)) {
        for (int64_t i = 0; i < inner; i++) {
            dst[i] = s->extrapolation;
        }
        return;
    }
    if (s->mode == REF_INTERPOLATE_NEAREST) {
        const double ix = nearest(s, s->scale[axis], x);
        add_row(inner, 1.0, src + (int64_t)fmin(fmax(ix, 0.0), last) * inner,
                dst);
        return;
    }
    const double shrink =
        s->antialias && s->scale[axis] < 1.0 ? s->scale[axis] : 1.0;
    const double reach =
        (s->mode == REF_INTERPOLATE_LINEAR ? 1.0 : 2.0) / shrink;
    const double base = floor(x);
    const int64_t lo = (int64_t)floor(-reach) + 1;
    double total = 0.0;
    for (int pass = 0; pass < 2; pass++) { /* sums the weights, then applies */
        for (int64_t t = lo; t <= 1 - lo; t++) {
            const double ix = base + (double)t;
            double weight = kernel(s, shrink * (ix - x));
            if (s->exclude_outside && (ix < 0.0 || ix > last)) {
                weight = 0.0;
            }
            if (pass == 0) {
                total += weight;
            } else if (weight != 0.0) {
                add_row(inner, weight / total,
                        src + (int64_t)fmin(fmax(ix, 0.0), last) * inner, dst);
            }
        }
    }
}

void ref_resize(const struct ref_resize *s, const struct ref_shape *in,
                const struct ref_shape *out, const double *x, double *y)
{
    struct ref_shape now = *in;
    double *src = ref_alloc(ref_count(in));
    memcpy(src, x, (size_t)ref_count(in) * sizeof(*x));
    for (int axis = 0; axis < in->rank; axis++) {
        const int64_t n_in = in->dim[axis];
        const int64_t n_out = out->dim[axis];
        if (n_in == n_out && s->scale[axis] == 1.0 &&
            s->coordinate != REF_TF_CROP_AND_RESIZE) {
            continue;
        }
        const int64_t inner = ref_span(&now, axis + 1, now.rank);
        now.dim[axis] = n_out;
        double *dst = ref_alloc(ref_count(&now));
        for (int64_t o = 0; o < ref_span(&now, 0, axis); o++) {
            for (int64_t i = 0; i < n_out; i++) {
                resample(s, axis, n_in, inner,
                         source_coordinate(s, axis, n_in, n_out, i),
                         src + o * n_in * inner, dst + (o * n_out + i) * inner);
            }
        }
        free(src);
        src = dst;
    }
    memcpy(y, src, (size_t)ref_count(out) * sizeof(*y));
    free(src);
}
