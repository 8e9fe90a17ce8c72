/* k_reduce_any.h - reductions of any element type, and those that k_reduce.h
 * does not have; one element of the output after the other.
 *
 * Floats are summed in double, integers in 64 bits (they wrap at the end), in
 * the order of the flattened reduced index. log of a sum of exponentials is
 * taken relative to the largest element. A NaN wins max and min. ARGMAX and
 * ARGMIN give the flattened reduced index of the first largest or smallest
 * element, or of the last with select_last. MEAN and roots of integers are cut
 * toward zero. */
#ifndef K_REDUCE_ANY_H
#define K_REDUCE_ANY_H

#include "flx_box.h"
#include "flx_math64.h"
#include "k_typed.h"

struct flx_reduction {
    struct flx_number sum; /* or the best so far */
    double top;            /* of LOGSUMEXP */
    int64_t at;
};

FLX_INLINE uint32_t flx_reduce_better(const struct flx_reduce_arg *a,
                                      const struct flx_reduction *s,
                                      struct flx_number x)
{
    const uint32_t is_max =
        a->op == FLX_REDUCE_MAX || a->op == FLX_REDUCE_ARGMAX;
    const uint32_t is_arg =
        a->op == FLX_REDUCE_ARGMAX || a->op == FLX_REDUCE_ARGMIN;
    const uint32_t ties = is_arg && a->select_last;
    if (flx_type_is_float(a->in_type)) {
        const double b = s->sum.f;
        if (x.f != x.f || b != b) {
            return x.f != x.f && (b == b || ties);
        }
        return (is_max ? x.f > b : x.f < b) || (ties && x.f == b);
    }
    return (is_max ? flx_int_less(a->in_type, s->sum.i, x.i)
                   : flx_int_less(a->in_type, x.i, s->sum.i)) ||
           (ties && x.i == s->sum.i);
}

FLX_INLINE void flx_reduce_take(const struct flx_reduce_arg *a,
                                struct flx_reduction *s, struct flx_number x,
                                int64_t ix)
{
    const uint64_t xi = (uint64_t)x.i;
    const uint64_t si = (uint64_t)s->sum.i;
    switch (a->op) {
    case FLX_REDUCE_MAX:
    case FLX_REDUCE_MIN:
    case FLX_REDUCE_ARGMAX:
    case FLX_REDUCE_ARGMIN:
        if (ix == 0 || flx_reduce_better(a, s, x)) {
            s->sum = x;
            s->at = ix;
        }
        break;
    case FLX_REDUCE_PROD:
        s->sum.f *= x.f;
        s->sum.i = (int64_t)(si * xi);
        break;
    case FLX_REDUCE_L1:
        s->sum.f += flx_dabs(x.f);
        s->sum.i =
            (int64_t)(si + (x.i < 0 && a->in_type != FLX_U64 ? 0u - xi : xi));
        break;
    case FLX_REDUCE_L2:
    case FLX_REDUCE_SUMSQ:
        s->sum.f += x.f * x.f;
        s->sum.i = (int64_t)(si + xi * xi);
        break;
    case FLX_REDUCE_LOGSUMEXP:
        s->sum.f += flx_dexp((flx_type_is_float(a->in_type)
                                  ? x.f
                                  : flx_int_value(a->in_type, x.i)) -
                             s->top);
        break;
    default:
        s->sum.f += x.f;
        s->sum.i = (int64_t)(si + xi);
        break;
    }
}

/* All reduced elements, in order. find_top: only the largest, as a float. */
FLX_INLINE void flx_reduce_walk(const struct flx_reduce_arg *a,
                                const uint8_t *in, uint32_t find_top,
                                struct flx_reduction *s)
{
    const uint32_t n = flx_span(a->red_dim, 0, a->n_red);
    const ptrdiff_t bytes = (ptrdiff_t)flx_type_bytes(a->in_type);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at[FLX_MAX_RANK] = {0};
        ptrdiff_t off = 0;
        flx_unravel(a->n_red, a->red_dim, i, at);
        for (uint32_t k = 0; k < a->n_red; k++) {
            off += (ptrdiff_t)at[k] * a->red_stride[k];
        }
        const struct flx_number x = flx_get(a->in_type, in + off * bytes);
        if (find_top) {
            const double f = flx_type_is_float(a->in_type)
                                 ? x.f
                                 : flx_int_value(a->in_type, x.i);
            s->top = i == 0 || f > s->top || f != f ? f : s->top;
        } else {
            flx_reduce_take(a, s, x, (int64_t)i);
        }
    }
}

FLX_INLINE struct flx_number flx_reduce_result(const struct flx_reduce_arg *a,
                                               const struct flx_reduction *s)
{
    const uint32_t is_float = flx_type_is_float(a->in_type);
    const int64_t n = (int64_t)flx_span(a->red_dim, 0, a->n_red);
    struct flx_number r = s->sum;
    double f = is_float ? r.f : flx_int_value(a->in_type, r.i);
    switch (a->op) {
    case FLX_REDUCE_ARGMAX:
    case FLX_REDUCE_ARGMIN:
        r.i = s->at;
        return r;
    case FLX_REDUCE_MEAN:
        if (!is_float) {
            r.i = flx_int_div(a->in_type, r.i, n);
            return r;
        }
        f /= (double)n;
        break;
    case FLX_REDUCE_L2:
        f = flx_dsqrt(f);
        break;
    case FLX_REDUCE_LOGSUM:
        f = flx_dlog(f);
        break;
    case FLX_REDUCE_LOGSUMEXP:
        f = flx_dabs(s->top) == FLX_INF64 ? s->top
                                          : s->top + flx_dlog(s->sum.f);
        break;
    default:
        return r;
    }
    r.f = f;
    r.i = flx_whole(a->in_type, f);
    return r;
}

/* The space has rank >= row_dims + 2; n_red >= 1. No scratch. Parts share
 * lines. out must not overlap in. */
FLX_INLINE void k_reduce_any(const struct flx_call *call,
                             const struct flx_reduce_arg *a, uint32_t part,
                             uint32_t n_parts)
{
    const struct flx_view out = FLX_VIEW(a, out, call);
    const struct flx_view in = FLX_VIEW(a, in, call);
    const uint32_t last = a->rank - 1;
    uint32_t u;
    uint32_t u1;
    flx_share((call->r1 - call->r0) * flx_lines(a->rank, a->row_dims, a->dim),
              part, n_parts, &u, &u1);
    while (u < u1) {
        struct flx_plane p;
        u += flx_plane_at(a->rank, a->row_dims, a->dim, call->r0, u, u1, &p);
        for (; p.a0 < p.a1; p.a0++) {
            p.at[last - 1] = p.a0;
            for (uint32_t i = 0; i < a->dim[last]; i++) {
                p.at[last] = i;
                const uint8_t *src =
                    flx_view_at(&in, flx_type_bytes(a->in_type), a->row_dims,
                                a->rank, p.at, p.r);
                struct flx_reduction s = {{0.0, 0}, 0.0, 0};
                if (a->op == FLX_REDUCE_PROD) {
                    s.sum = (struct flx_number){1.0, 1};
                }
                if (a->op == FLX_REDUCE_LOGSUMEXP) {
                    flx_reduce_walk(a, src, 1, &s);
                }
                flx_reduce_walk(a, src, 0, &s);
                flx_put(a->out_type, flx_reduce_result(a, &s),
                        flx_view_at(&out, flx_type_bytes(a->out_type),
                                    a->row_dims, a->rank, p.at, p.r));
            }
            p.at[last] = 0;
        }
    }
}

#endif
