/* k_tensor_order.h - where the k largest or smallest elements along an axis
 * are, the best first.
 *
 *   in[.., out[.., i, ..], ..] is the i-th of its line
 *
 * p: axis, whether the largest come first. Of equal elements the one of lower
 * index comes first; a NaN is larger than any number. out is i64. */
#ifndef K_TENSOR_ORDER_H
#define K_TENSOR_ORDER_H

#include "k_tensor_scan.h"
#include "k_typed.h"

struct flx_order {
    struct flx_tensor in;
    ptrdiff_t from; /* the line */
    ptrdiff_t step;
    uint32_t is_largest;
};

/* Whether element i of the line comes before element j. */
FLX_INLINE uint32_t flx_order_before(const struct flx_order *o, uint32_t i,
                                     uint32_t j)
{
    const uint32_t t = o->in.type;
    const struct flx_number x =
        flx_get(t, flx_tensor_off(&o->in, o->from + (ptrdiff_t)i * o->step));
    const struct flx_number y =
        flx_get(t, flx_tensor_off(&o->in, o->from + (ptrdiff_t)j * o->step));
    uint32_t is_less;
    uint32_t is_more;
    if (flx_type_is_float(t)) {
        is_less = x.f < y.f || (y.f != y.f && x.f == x.f);
        is_more = y.f < x.f || (x.f != x.f && y.f == y.f);
    } else {
        is_less = flx_int_less(t, x.i, y.i);
        is_more = flx_int_less(t, y.i, x.i);
    }
    if (!is_less && !is_more) {
        return i < j;
    }
    return o->is_largest ? is_more : is_less;
}

/* heap[0 .. n) with the last of all on top, but for heap[at]. */
FLX_INLINE void flx_order_sift(const struct flx_order *o, uint32_t *heap,
                               uint32_t n, uint32_t at)
{
    const uint32_t x = heap[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= n) {
            break;
        }
        if (child + 1 < n &&
            flx_order_before(o, heap[child], heap[child + 1])) {
            child++;
        }
        if (!flx_order_before(o, x, heap[child])) {
            break;
        }
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = x;
}

/* heap[0 .. k) become the first k of the line's n elements, in order. */
FLX_SHARED void flx_order_line(const struct flx_order *o, uint32_t n,
                               uint32_t *heap, uint32_t k)
{
    for (uint32_t i = 0; i < k; i++) {
        heap[i] = i;
    }
    for (uint32_t i = k / 2; i-- > 0;) {
        flx_order_sift(o, heap, k, i);
    }
    for (uint32_t i = k; i < n; i++) {
        if (flx_order_before(o, i, heap[0])) {
            heap[0] = i;
            flx_order_sift(o, heap, k, 0);
        }
    }
    for (uint32_t i = k; i-- > 1;) {
        const uint32_t last = heap[0];
        heap[0] = heap[i];
        heap[i] = last;
        flx_order_sift(o, heap, i, 0);
    }
}

/* Scratch: FLX_WORD_SCRATCH(k) a part. Parts share lines. out overlaps no
 * operand. */
FLX_INLINE void k_tensor_order(const struct flx_call *call,
                               const struct flx_tensor_arg *a, uint32_t part,
                               uint32_t n_parts)
{
    const struct flx_tensor out = flx_tensor_of(a, call, 0);
    struct flx_order o = {.in = flx_tensor_of(a, call, 1)};
    const uint32_t axis = (uint32_t)a->p[0];
    const uint32_t k = out.dim[axis];
    uint32_t *heap = (uint32_t *)(void *)(call->scratch +
                                          (size_t)part * FLX_WORD_SCRATCH(k));
    uint32_t u;
    uint32_t end;
    o.step = o.in.stride[axis];
    o.is_largest = a->p[1] != 0;
    flx_share(flx_tensor_count(&out) / k, part, n_parts, &u, &end);
    for (; u < end; u++) {
        const ptrdiff_t to = flx_line_off(&out, axis, u);
        o.from = flx_line_off(&o.in, axis, u);
        flx_order_line(&o, o.in.dim[axis], heap, k);
        for (uint32_t i = 0; i < k; i++) {
            flx_put_int(
                out.type, (int64_t)heap[i],
                flx_tensor_off(&out, to + (ptrdiff_t)i * out.stride[axis]));
        }
    }
}

#endif
