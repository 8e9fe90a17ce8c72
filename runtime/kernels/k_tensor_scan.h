/* k_tensor_scan.h - running sums and products along an axis.
 *
 *   out[.., i, ..] = sum (or product) over j <= i of in[.., j, ..]
 *
 * p: axis, whether i itself is left out, whether it runs from the end, whether
 * it is a product. Floats are accumulated in double, integers in 64 bits. */
#ifndef K_TENSOR_SCAN_H
#define K_TENSOR_SCAN_H

#include "flx_tensor.h"

/* Line u of t along the axis: the offset of its first element. */
FLX_INLINE ptrdiff_t flx_line_off(const struct flx_tensor *t, uint32_t axis,
                                  uint32_t u)
{
    ptrdiff_t off = 0;
    for (uint32_t d = t->rank; d-- > 0;) {
        if (d != axis) {
            off += (ptrdiff_t)(u % t->dim[d]) * t->stride[d];
            u /= t->dim[d];
        }
    }
    return off;
}

/* Parts share lines. out overlaps no operand. */
FLX_INLINE void k_tensor_scan(const struct flx_call *call,
                              const struct flx_tensor_arg *a, uint32_t part,
                              uint32_t n_parts)
{
    const struct flx_tensor out = flx_tensor_of(a, call, 0);
    const struct flx_tensor in = flx_tensor_of(a, call, 1);
    const uint32_t axis = (uint32_t)a->p[0];
    const uint32_t n = out.dim[axis];
    uint32_t u;
    uint32_t end;
    flx_share(flx_tensor_count(&out) / n, part, n_parts, &u, &end);
    for (; u < end; u++) {
        const ptrdiff_t to = flx_line_off(&out, axis, u);
        const ptrdiff_t from = flx_line_off(&in, axis, u);
        struct flx_number s = {0.0, 0};
        if (a->p[3]) {
            s = (struct flx_number){1.0, 1};
        }
        for (uint32_t i = 0; i < n; i++) {
            const ptrdiff_t k = (ptrdiff_t)(a->p[2] ? n - 1 - i : i);
            uint8_t *dst = flx_tensor_off(&out, to + k * out.stride[axis]);
            const struct flx_number x = flx_get(
                in.type, flx_tensor_off(&in, from + k * in.stride[axis]));
            if (a->p[1]) {
                flx_put(out.type, s, dst);
            }
            if (a->p[3]) {
                s.f *= x.f;
                s.i = (int64_t)((uint64_t)s.i * (uint64_t)x.i);
            } else {
                s.f += x.f;
                s.i = (int64_t)((uint64_t)s.i + (uint64_t)x.i);
            }
            if (!a->p[1]) {
                flx_put(out.type, s, dst);
            }
        }
    }
}

#endif
