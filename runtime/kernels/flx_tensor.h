/* flx_tensor.h - what the kernels of class tensor share: whole operands of any
 * rank, type and strides, element by element. Their layers are one box. */
#ifndef FLX_TENSOR_H
#define FLX_TENSOR_H

#include "flx_box.h"
#include "flx_math64.h"

/* Operand k of the block: 0 is the output. */
struct flx_tensor {
    uint8_t *base; /* element 0 */
    uint32_t type;
    uint32_t rank;
    const uint32_t *dim;
    const int32_t *stride;
};

FLX_INLINE struct flx_tensor flx_tensor_of(const struct flx_tensor_arg *a,
                                           const struct flx_call *call,
                                           uint32_t k)
{
    const uint8_t *base =
        a->at[k] == FLX_AT_WEIGHTS ? call->w : call->arg[a->at[k]].base;
    return (struct flx_tensor){
        (uint8_t *)(uintptr_t)base +
            (ptrdiff_t)a->col0[k] * (ptrdiff_t)flx_type_bytes(a->type[k]),
        a->type[k], a->rank[k], a->dim + k * FLX_MAX_RANK,
        a->stride + k * FLX_MAX_RANK};
}

FLX_INLINE uint32_t flx_tensor_count(const struct flx_tensor *t)
{
    return flx_span(t->dim, 0, t->rank);
}

/* Address of the element `off` elements from the first. */
FLX_INLINE uint8_t *flx_tensor_off(const struct flx_tensor *t, ptrdiff_t off)
{
    return t->base + off * (ptrdiff_t)flx_type_bytes(t->type);
}

/* Address of element at[0 .. rank). */
FLX_INLINE uint8_t *flx_tensor_at(const struct flx_tensor *t,
                                  const uint32_t *at)
{
    ptrdiff_t off = 0;
    for (uint32_t k = 0; k < t->rank; k++) {
        off += (ptrdiff_t)at[k] * t->stride[k];
    }
    return flx_tensor_off(t, off);
}

/* at[] one further, the last dimension fastest. */
FLX_INLINE void flx_tensor_next(const struct flx_tensor *t, uint32_t *at)
{
    for (uint32_t k = t->rank; k-- > 0;) {
        if (++at[k] < t->dim[k]) {
            return;
        }
        at[k] = 0;
    }
}

/* The part's share of the output's elements, and at[] of the first. */
FLX_INLINE void flx_tensor_share(const struct flx_tensor *out, uint32_t part,
                                 uint32_t n_parts, uint32_t *from, uint32_t *to,
                                 uint32_t *at)
{
    flx_share(flx_tensor_count(out), part, n_parts, from, to);
    flx_unravel(out->rank, out->dim, *from, at);
}

/* a * b + s of numbers of the type. */
FLX_INLINE struct flx_number flx_number_fma(uint32_t type, struct flx_number a,
                                            struct flx_number b,
                                            struct flx_number s)
{
    if (flx_type_is_float(type)) {
        s.f += a.f * b.f;
    } else {
        s.i = (int64_t)((uint64_t)s.i + (uint64_t)a.i * (uint64_t)b.i);
    }
    return s;
}

#endif
