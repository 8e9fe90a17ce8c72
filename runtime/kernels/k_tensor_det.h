/* k_tensor_det.h - determinants of the matrices in the last two dimensions, in
 * double, by elimination with the largest pivot of each column. */
#ifndef K_TENSOR_DET_H
#define K_TENSOR_DET_H

#include "flx_tensor.h"

FLX_INLINE double flx_det(double *m, uint32_t n)
{
    double det = 1.0;
    for (uint32_t c = 0; c < n; c++) {
        uint32_t best = c;
        for (uint32_t r = c + 1; r < n; r++) {
            if (flx_dabs(m[r * n + c]) > flx_dabs(m[best * n + c])) {
                best = r;
            }
        }
        const double pivot = m[best * n + c];
        det *= best == c ? pivot : -pivot;
        for (uint32_t k = c; best != c && k < n; k++) {
            const double x = m[c * n + k];
            m[c * n + k] = m[best * n + k];
            m[best * n + k] = x;
        }
        for (uint32_t r = c + 1; pivot != 0.0 && r < n; r++) {
            const double x = m[r * n + c] / pivot;
            for (uint32_t k = c; k < n; k++) {
                m[r * n + k] -= x * m[c * n + k];
            }
        }
    }
    return det;
}

/* Scratch: FLX_WORD_SCRATCH(2 n n) a part. Parts share matrices. */
FLX_INLINE void k_tensor_det(const struct flx_call *call,
                             const struct flx_tensor_arg *a, uint32_t part,
                             uint32_t n_parts)
{
    const struct flx_tensor out = flx_tensor_of(a, call, 0);
    const struct flx_tensor in = flx_tensor_of(a, call, 1);
    const uint32_t n = in.dim[in.rank - 1];
    double *const m =
        (double *)(void *)(call->scratch +
                           (size_t)part * FLX_WORD_SCRATCH(2 * n * n));
    uint32_t i;
    uint32_t end;
    uint32_t at[FLX_MAX_RANK] = {0};
    for (flx_tensor_share(&out, part, n_parts, &i, &end, at); i < end; i++) {
        ptrdiff_t off = 0;
        for (uint32_t d = 0; d < out.rank; d++) {
            off += (ptrdiff_t)at[d] * in.stride[d];
        }
        for (uint32_t k = 0; k < n * n; k++) {
            m[k] = flx_get_float(
                in.type,
                flx_tensor_off(
                    &in, off + (ptrdiff_t)(k / n) * in.stride[in.rank - 2] +
                             (ptrdiff_t)(k % n) * in.stride[in.rank - 1]));
        }
        flx_put_float(out.type, flx_det(m, n), flx_tensor_at(&out, at));
        flx_tensor_next(&out, at);
    }
}

#endif
