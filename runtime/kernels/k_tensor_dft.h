/* k_tensor_dft.h - discrete Fourier transforms along an axis, of any length,
 * by their definition.
 *
 *   out[.., k, ..][2] = sum over t of x[t] exp(-2 pi i k t / n)
 *   inverse: of exp(+2 pi i k t / n), divided by n
 *
 * The last dimension is that of real and imaginary parts; an input may have the
 * real part alone. p: axis, n, whether it is inverse, whether the input is the
 * first half of a spectrum whose signal is real: the rest is its mirror then,
 * and only real parts are written. Elements beyond the input are zeros, and
 * those beyond n are left out. turn[n][2], f64, a constant: cos and sin of 2 pi
 * j / n. window[n] weights x; its place is p[4], 0 where there is none. Sums
 * are in double, t ascending. */
#ifndef K_TENSOR_DFT_H
#define K_TENSOR_DFT_H

#include "flx_tensor.h"

/* Parts share elements of the output, which overlaps no operand. */
FLX_INLINE void k_tensor_dft(const struct flx_call *call,
                             const struct flx_tensor_arg *a, uint32_t part,
                             uint32_t n_parts)
{
    const struct flx_tensor out = flx_tensor_of(a, call, 0);
    const struct flx_tensor in = flx_tensor_of(a, call, 1);
    const struct flx_tensor turn = flx_tensor_of(a, call, 2);
    const struct flx_tensor window = flx_tensor_of(a, call, (uint32_t)a->p[4]);
    const uint32_t axis = (uint32_t)a->p[0];
    const uint32_t n = (uint32_t)a->p[1];
    const uint32_t last = out.rank - 1;
    const uint32_t is_complex = in.dim[last] == 2;
    const uint32_t is_half = a->p[3] != 0;
    const uint32_t n_own = flx_min_u(in.dim[axis], n);
    const uint32_t n_sum = is_half ? n : n_own;
    uint32_t i;
    uint32_t end;
    uint32_t at[FLX_MAX_RANK] = {0};
    for (flx_tensor_share(&out, part, n_parts, &i, &end, at); i < end; i++) {
        ptrdiff_t from = 0;
        double s = 0.0;
        uint32_t j = 0; /* k t modulo n */
        for (uint32_t d = 0; d < last; d++) {
            from += d == axis ? 0 : (ptrdiff_t)at[d] * in.stride[d];
        }
        for (uint32_t t = 0; t < n_sum; t++) {
            const uint32_t is_mirror = is_half && t > n / 2;
            const uint32_t own = is_mirror ? n - t : t;
            if (own < n_own) {
                const uint8_t *x = flx_tensor_off(
                    &in, from + (ptrdiff_t)own * in.stride[axis]);
                const double *w =
                    (const double *)(const void *)turn.base + 2 * (size_t)j;
                double re = flx_get_float(in.type, x);
                double im =
                    is_complex ? flx_get_float(
                                     in.type,
                                     x + (ptrdiff_t)in.stride[last] *
                                             (ptrdiff_t)flx_type_bytes(in.type))
                               : 0.0;
                if (a->p[4]) {
                    const double v = flx_get_float(
                        window.type,
                        flx_tensor_off(&window,
                                       (ptrdiff_t)t * window.stride[0]));
                    re *= v;
                    im *= v;
                }
                im = is_mirror ? -im : im;
                const double sine = a->p[2] ? w[1] : -w[1];
                s += at[last] ? im * w[0] + re * sine : re * w[0] - im * sine;
            }
            j += at[axis];
            j -= j >= n ? n : 0;
        }
        s = a->p[2] ? s / (double)n : s;
        flx_put_float(out.type, s, flx_tensor_at(&out, at));
        flx_tensor_next(&out, at);
    }
}

#endif
