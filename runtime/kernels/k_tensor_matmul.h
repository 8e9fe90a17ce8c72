/* k_tensor_matmul.h - products of matrices of any numeric type.
 *
 *   out[..][m][n] = sum over k of a[..][m][k] * b[..][k][n]
 *
 * Operands have the output's rank; broadcast dimensions have stride 0. Floats
 * are summed in double, integers in 64 bits. */
#ifndef K_TENSOR_MATMUL_H
#define K_TENSOR_MATMUL_H

#include "flx_tensor.h"

/* Parts share elements of the output, which overlaps no operand. */
FLX_INLINE void k_tensor_matmul(const struct flx_call *call,
                                const struct flx_tensor_arg *arg, uint32_t part,
                                uint32_t n_parts)
{
    const struct flx_tensor out = flx_tensor_of(arg, call, 0);
    const struct flx_tensor a = flx_tensor_of(arg, call, 1);
    const struct flx_tensor b = flx_tensor_of(arg, call, 2);
    const uint32_t m = out.rank - 2;
    const uint32_t n = out.rank - 1;
    uint32_t i;
    uint32_t end;
    uint32_t at[FLX_MAX_RANK] = {0};
    for (flx_tensor_share(&out, part, n_parts, &i, &end, at); i < end; i++) {
        struct flx_number s = {0.0, 0};
        ptrdiff_t off_a = (ptrdiff_t)at[m] * a.stride[m];
        ptrdiff_t off_b = (ptrdiff_t)at[n] * b.stride[n];
        for (uint32_t d = 0; d < m; d++) {
            off_a += (ptrdiff_t)at[d] * a.stride[d];
            off_b += (ptrdiff_t)at[d] * b.stride[d];
        }
        for (uint32_t k = 0; k < a.dim[n]; k++) {
            s = flx_number_fma(a.type,
                               flx_get(a.type, flx_tensor_off(&a, off_a)),
                               flx_get(b.type, flx_tensor_off(&b, off_b)), s);
            off_a += a.stride[n];
            off_b += b.stride[m];
        }
        flx_put(out.type, s, flx_tensor_at(&out, at));
        flx_tensor_next(&out, at);
    }
}

#endif
