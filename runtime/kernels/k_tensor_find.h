/* k_tensor_find.h - results whose number depends on values: i64 numbers, first
 * how many there are, then room for the most there can be, zeros at its end.
 *
 * k_tensor_nms: boxes[b][s][4], scores[b][class][s]; of each image and class,
 * by falling score (of equal ones the first), those whose score is above the
 * limit and that overlap no box taken before by more than the threshold.
 *   out: the count n, then (image, class, box) n times.
 *   p: whether boxes are centre and size, x first, or two corners, y first; the
 *   most to take of a class; places of threshold and limit, 0: none.
 * k_tensor_nonzero: the indices of elements that are not 0, in row-major order.
 *   out: the count n, then a row for each dimension, of the indices along it.
 *
 * One part does all. out is dense and overlaps no operand. */
#ifndef K_TENSOR_FIND_H
#define K_TENSOR_FIND_H

#include "k_tensor_order.h"

FLX_INLINE double flx_find_get(const struct flx_tensor *t, ptrdiff_t off)
{
    return flx_get_float(t->type, flx_tensor_off(t, off));
}

/* y0, x0, y1, x1 in order. */
FLX_INLINE void flx_nms_box(const struct flx_tensor *boxes, ptrdiff_t off,
                            uint32_t is_centre, double *box)
{
    double v[4];
    for (uint32_t k = 0; k < 4; k++) {
        v[k] = flx_find_get(boxes, off + (ptrdiff_t)k * boxes->stride[2]);
    }
    for (uint32_t k = 0; k < 2; k++) {
        const double mid = v[1 - k];
        const double half = v[3 - k] * 0.5;
        const double a = is_centre ? mid - half : v[k];
        const double b = is_centre ? mid + half : v[2 + k];
        box[k] = a < b ? a : b;
        box[2 + k] = a < b ? b : a;
    }
}

FLX_INLINE uint32_t flx_nms_overlap(const double *a, const double *b,
                                    double limit)
{
    double both = 1.0;
    double one = 1.0;
    double other = 1.0;
    for (uint32_t k = 0; k < 2; k++) {
        const double low = a[k] > b[k] ? a[k] : b[k];
        const double high = a[2 + k] < b[2 + k] ? a[2 + k] : b[2 + k];
        both *= high > low ? high - low : 0.0;
        one *= a[2 + k] - a[k];
        other *= b[2 + k] - b[k];
    }
    return both > 0.0 && both > limit * (one + other - both);
}

/* Scratch: FLX_WORD_SCRATCH(boxes). */
FLX_INLINE void k_tensor_nms(const struct flx_call *call,
                             const struct flx_tensor_arg *a, uint32_t part,
                             uint32_t n_parts)
{
    const struct flx_tensor out = flx_tensor_of(a, call, 0);
    const struct flx_tensor boxes = flx_tensor_of(a, call, 1);
    const struct flx_tensor scores = flx_tensor_of(a, call, 2);
    const struct flx_tensor threshold =
        flx_tensor_of(a, call, (uint32_t)a->p[2]);
    const struct flx_tensor limit = flx_tensor_of(a, call, (uint32_t)a->p[3]);
    const double overlap = a->p[2] ? flx_find_get(&threshold, 0) : 0.0;
    const double least = a->p[3] ? flx_find_get(&limit, 0) : -FLX_INF64;
    const uint32_t n_box = scores.dim[2];
    uint32_t *const order = (uint32_t *)(void *)call->scratch;
    uint8_t *const rows = out.base + 8;
    uint32_t n = 0;
    (void)n_parts;
    if (part != 0) {
        return;
    }
    for (uint32_t u = 0; u < scores.dim[0] * scores.dim[1]; u++) {
        const uint32_t b = u / scores.dim[1];
        const uint32_t c = u % scores.dim[1];
        const uint32_t first = n;
        const struct flx_order o = {
            .in = scores,
            .from = (ptrdiff_t)b * scores.stride[0] +
                    (ptrdiff_t)c * scores.stride[1],
            .step = scores.stride[2],
            .is_largest = 1,
        };
        const ptrdiff_t image = (ptrdiff_t)b * boxes.stride[0];
        flx_order_line(&o, n_box, order, n_box);
        for (uint32_t i = 0; i < n_box && n - first < (uint32_t)a->p[1]; i++) {
            const double score =
                flx_find_get(&scores, o.from + (ptrdiff_t)order[i] * o.step);
            double box[4];
            uint32_t is_free = score > least;
            flx_nms_box(&boxes, image + (ptrdiff_t)order[i] * boxes.stride[1],
                        a->p[0] != 0, box);
            for (uint32_t k = first; is_free && k < n; k++) {
                double taken[4];
                const int64_t ix =
                    flx_get_int(FLX_I64, rows + (3 * (size_t)k + 2) * 8);
                flx_nms_box(&boxes, image + (ptrdiff_t)ix * boxes.stride[1],
                            a->p[0] != 0, taken);
                is_free = !flx_nms_overlap(box, taken, overlap);
            }
            if (is_free) {
                uint8_t *const row = rows + 3 * (size_t)n * 8;
                flx_put_int(FLX_I64, (int64_t)b, row);
                flx_put_int(FLX_I64, (int64_t)c, row + 8);
                flx_put_int(FLX_I64, (int64_t)order[i], row + 16);
                n++;
            }
        }
    }
    flx_put_int(FLX_I64, (int64_t)n, out.base);
    for (size_t k = 3 * (size_t)n; k + 1 < out.dim[0]; k++) {
        flx_put_int(FLX_I64, 0, rows + k * 8);
    }
}

FLX_INLINE void k_tensor_nonzero(const struct flx_call *call,
                                 const struct flx_tensor_arg *a, uint32_t part,
                                 uint32_t n_parts)
{
    const struct flx_tensor out = flx_tensor_of(a, call, 0);
    const struct flx_tensor in = flx_tensor_of(a, call, 1);
    const uint32_t n_in = flx_tensor_count(&in);
    const uint32_t most = (out.dim[0] - 1) / in.rank;
    uint8_t *const rows = out.base + 8;
    uint32_t at[FLX_MAX_RANK] = {0};
    uint32_t n = 0;
    (void)n_parts;
    if (part != 0) {
        return;
    }
    for (uint32_t i = 0; i < n_in && n < most; i++) {
        const struct flx_number x = flx_get(in.type, flx_tensor_at(&in, at));
        if (flx_type_is_float(in.type) ? x.f != 0.0 : x.i != 0) {
            for (uint32_t d = 0; d < in.rank; d++) {
                flx_put_int(FLX_I64, (int64_t)at[d],
                            rows + ((size_t)d * most + n) * 8);
            }
            n++;
        }
        flx_tensor_next(&in, at);
    }
    flx_put_int(FLX_I64, (int64_t)n, out.base);
    for (uint32_t d = 0; d < in.rank; d++) {
        for (uint32_t i = n; i < most; i++) {
            flx_put_int(FLX_I64, 0, rows + ((size_t)d * most + i) * 8);
        }
    }
}

#endif
