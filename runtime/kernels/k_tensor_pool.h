/* k_tensor_pool.h - pools over any number of spatial dimensions: maximum, its
 * index, mean, or the norm of degree `degree`.
 *
 *   in[n][c][y..], out[n][c][y..]
 *
 * p: kind (enum flx_tensor_pool), spatial dimensions, whether the divisor
 * counts padding, whether indices are column-major, degree; then kernel,
 * stride, dilation, pad_begin and pad_end of each dimension. An index counts
 * elements of the whole input in ONNX order. Sums are in double. */
#ifndef K_TENSOR_POOL_H
#define K_TENSOR_POOL_H

#include "flx_tensor.h"
#include "k_typed.h"

enum flx_tensor_pool_kind {
    FLX_POOL_MAX,
    FLX_POOL_MAX_INDEX,
    FLX_POOL_MEAN,
    FLX_POOL_NORM
};

struct flx_tensor_pool {
    uint32_t kind;
    uint32_t n_dim;
    uint32_t counts_pad;
    uint32_t column_major;
    double degree;
    const int32_t *kernel;
    const int32_t *stride;
    const int32_t *dilation;
    const int32_t *begin;
    const int32_t *end;
};

/* Where a tap is: inside, in the padding, or beyond both. */
enum flx_tap_place { FLX_TAP_IN, FLX_TAP_PAD, FLX_TAP_BEYOND };

FLX_INLINE uint32_t flx_pool_tap(const struct flx_tensor_pool *p,
                                 const struct flx_tensor *in, const uint32_t *y,
                                 uint32_t tap, uint32_t *x)
{
    uint32_t place = FLX_TAP_IN;
    for (uint32_t d = p->n_dim; d-- > 0;) {
        const int64_t k = (int64_t)(tap % (uint32_t)p->kernel[d]);
        tap /= (uint32_t)p->kernel[d];
        const int64_t at =
            (int64_t)y[d] * p->stride[d] - p->begin[d] + k * p->dilation[d];
        const int64_t n = (int64_t)in->dim[2 + d];
        if (at >= n + p->end[d]) {
            return FLX_TAP_BEYOND;
        }
        if (at < 0 || at >= n) {
            place = FLX_TAP_PAD;
        }
        x[d] = (uint32_t)at;
    }
    return place;
}

FLX_INLINE int64_t flx_pool_index(const struct flx_tensor_pool *p,
                                  const struct flx_tensor *in,
                                  const uint32_t *at, const uint32_t *x)
{
    int64_t r = (int64_t)at[0] * in->dim[1] + at[1];
    int64_t inner = 0;
    r *= (int64_t)flx_span(in->dim, 2, in->rank);
    for (uint32_t d = 0; d < p->n_dim; d++) {
        const uint32_t k = p->column_major ? p->n_dim - 1 - d : d;
        inner = inner * in->dim[2 + k] + x[k];
    }
    return r + inner;
}

FLX_INLINE struct flx_number flx_pool_one(const struct flx_tensor_pool *p,
                                          const struct flx_tensor *in,
                                          const uint32_t *at)
{
    struct flx_number best = {0.0, 0};
    uint32_t n_seen = 0;
    uint32_t n_counted = 0;
    int64_t index = 0;
    double sum = 0.0;
    uint32_t taps = 1;
    for (uint32_t d = 0; d < p->n_dim; d++) {
        taps *= (uint32_t)p->kernel[d];
    }
    for (uint32_t tap = 0; tap < taps; tap++) {
        uint32_t x[FLX_MAX_RANK] = {0};
        const uint32_t place = flx_pool_tap(p, in, at + 2, tap, x);
        n_counted +=
            place == FLX_TAP_IN || (place == FLX_TAP_PAD && p->counts_pad);
        if (place != FLX_TAP_IN) {
            continue;
        }
        uint32_t from[FLX_MAX_RANK] = {at[0], at[1]};
        for (uint32_t d = 0; d < p->n_dim; d++) {
            from[2 + d] = x[d];
        }
        const struct flx_number v = flx_get(in->type, flx_tensor_at(in, from));
        const uint32_t wins =
            flx_type_is_float(in->type)
                ? v.f > best.f || (v.f != v.f && best.f == best.f)
                : flx_int_less(in->type, best.i, v.i);
        if (n_seen == 0 || wins) {
            best = v;
            index = flx_pool_index(p, in, at, x);
        }
        n_seen++;
        sum += p->kind != FLX_POOL_NORM ? v.f
               : p->degree == 2.0       ? v.f * v.f
                                        : flx_dpow(flx_dabs(v.f), p->degree);
    }
    if (p->kind == FLX_POOL_MAX_INDEX) {
        best.i = index;
    } else if (p->kind == FLX_POOL_MEAN) {
        best.f = sum / (double)n_counted;
    } else if (p->kind == FLX_POOL_NORM) {
        best.f =
            p->degree == 2.0 ? flx_dsqrt(sum) : flx_dpow(sum, 1.0 / p->degree);
    } else if (n_seen == 0) {
        best.f = -FLX_INF64;
    }
    return best;
}

/* Parts share elements of the output, which overlaps no operand. */
FLX_INLINE void k_tensor_pool(const struct flx_call *call,
                              const struct flx_tensor_arg *a, uint32_t part,
                              uint32_t n_parts)
{
    enum { HEAD = 5 };
    const struct flx_tensor out = flx_tensor_of(a, call, 0);
    const struct flx_tensor in = flx_tensor_of(a, call, 1);
    const struct flx_tensor_pool p = {
        (uint32_t)a->p[0],
        (uint32_t)a->p[1],
        (uint32_t)a->p[2],
        (uint32_t)a->p[3],
        (double)a->p[4],
        a->p + HEAD,
        a->p + HEAD + FLX_TENSOR_SPATIAL,
        a->p + HEAD + 2 * FLX_TENSOR_SPATIAL,
        a->p + HEAD + 3 * FLX_TENSOR_SPATIAL,
        a->p + HEAD + 4 * FLX_TENSOR_SPATIAL,
    };
    uint32_t i;
    uint32_t end;
    uint32_t at[FLX_MAX_RANK] = {0};
    for (flx_tensor_share(&out, part, n_parts, &i, &end, at); i < end; i++) {
        flx_put(out.type, flx_pool_one(&p, &in, at), flx_tensor_at(&out, at));
        flx_tensor_next(&out, at);
    }
}

#endif
