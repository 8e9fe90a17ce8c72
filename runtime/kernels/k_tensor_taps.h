/* k_tensor_taps.h - every element along one axis as a weighted sum of few of
 * the input's: Pad by mirrors or wrapping, Tile, each axis of Resize.
 *
 *   out[.., i, ..] = sum over t of coef[i][t] * in[.., index[i][t], ..]
 *
 * p: axis, taps, whether there are coefficients, then two words: the bits of
 * the element that stands where index[i][0] is below 0. Without coefficients
 * there is one tap, and elements of any type are copied as they are. index is
 * [i][t], i32; coef is [i][t], f32; both constants. Sums are in double; to an
 * integer type they are rounded to nearest even, and clamped to the type. */
#ifndef K_TENSOR_TAPS_H
#define K_TENSOR_TAPS_H

#include "flx_tensor.h"
#include "k_copy.h"

FLX_INLINE struct flx_number flx_tap_clamp(uint32_t type, double f)
{
    struct flx_number r = {f, 0};
    if (!flx_type_is_float(type)) {
        const uint32_t bits = 8 * flx_type_bytes(type);
        const uint32_t is_signed = type == FLX_I8 || type == FLX_I16 ||
                                   type == FLX_I32 || type == FLX_I64;
        const double top =
            flx_pow2_double((int32_t)(is_signed ? bits - 1 : bits));
        const double low = is_signed ? -top : 0.0;
        f = flx_dround(f);
        f = f < low ? low : f > top - 1.0 ? top - 1.0 : f;
        r.i = bits == 64 && f >= top - 1.0 ? (is_signed ? INT64_MAX : -1)
                                           : flx_whole(type, f);
    }
    return r;
}

/* Parts share elements of the output, which overlaps no operand. */
FLX_INLINE void k_tensor_taps(const struct flx_call *call,
                              const struct flx_tensor_arg *a, uint32_t part,
                              uint32_t n_parts)
{
    const struct flx_tensor out = flx_tensor_of(a, call, 0);
    const struct flx_tensor in = flx_tensor_of(a, call, 1);
    const struct flx_tensor index = flx_tensor_of(a, call, 2);
    const struct flx_tensor coef = flx_tensor_of(a, call, a->p[2] ? 3 : 2);
    const uint32_t axis = (uint32_t)a->p[0];
    const uint32_t taps = (uint32_t)a->p[1];
    const uint32_t bytes = flx_type_bytes(out.type);
    uint8_t fill[8];
    for (uint32_t k = 0; k < 8; k++) {
        fill[k] = (uint8_t)((uint32_t)a->p[3 + k / 4] >> (k % 4 * 8));
    }
    uint32_t i;
    uint32_t end;
    uint32_t at[FLX_MAX_RANK] = {0};
    for (flx_tensor_share(&out, part, n_parts, &i, &end, at); i < end; i++) {
        uint8_t *dst = flx_tensor_at(&out, at);
        ptrdiff_t off = 0;
        for (uint32_t d = 0; d < in.rank; d++) {
            off += d == axis ? 0 : (ptrdiff_t)at[d] * in.stride[d];
        }
        const uint32_t row = at[axis] * taps;
        const int64_t first =
            flx_get_int(index.type, flx_tensor_off(&index, (ptrdiff_t)row));
        if (first < 0) {
            flx_copy_one(dst, fill, bytes);
        } else if (!a->p[2]) {
            flx_copy_one(
                dst,
                flx_tensor_off(&in, off + (ptrdiff_t)first * in.stride[axis]),
                bytes);
        } else {
            double s = 0.0;
            for (uint32_t t = 0; t < taps; t++) {
                const ptrdiff_t from = (ptrdiff_t)flx_get_int(
                    index.type, flx_tensor_off(&index, (ptrdiff_t)(row + t)));
                const struct flx_number x = flx_get(
                    in.type, flx_tensor_off(&in, off + from * in.stride[axis]));
                const double c = flx_get_float(
                    FLX_F32, flx_tensor_off(&coef, (ptrdiff_t)(row + t)));
                s += c * (flx_type_is_float(in.type)
                              ? x.f
                              : flx_int_value(in.type, x.i));
            }
            flx_put(out.type, flx_tap_clamp(out.type, s), dst);
        }
        flx_tensor_next(&out, at);
    }
}

#endif
