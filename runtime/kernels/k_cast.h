/* k_cast.h - element type conversion: f32, f64, bool, integers of 8 to 32 bits,
 * i64. Floats are cut toward zero; integers wrap; NaN and what does not fit 64
 * bits become the least i64, cut to the type. To bool: 1 where not 0. */
#ifndef K_CAST_H
#define K_CAST_H

#include "flx_box.h"

/* ONNX TensorProto.DataType. */
enum flx_type {
    FLX_F32 = 1,
    FLX_U8 = 2,
    FLX_I8 = 3,
    FLX_U16 = 4,
    FLX_I16 = 5,
    FLX_I32 = 6,
    FLX_I64 = 7,
    FLX_BOOL = 9,
    FLX_F64 = 11,
    FLX_U32 = 12
};

FLX_INLINE uint32_t flx_type_bytes(uint32_t t)
{
    return t == FLX_I64 || t == FLX_F64                   ? 8
           : t == FLX_F32 || t == FLX_I32 || t == FLX_U32 ? 4
           : t == FLX_I16 || t == FLX_U16                 ? 2
                                                          : 1;
}

/* An element as a float or an integer: whichever it is. */
struct flx_number {
    double f;
    int64_t i;
};

FLX_INLINE struct flx_number flx_cast_get(uint32_t t, const uint8_t *p)
{
    struct flx_number n = {0.0, 0};
    float f32;
    int64_t i64;
    int32_t i32;
    uint32_t u32;
    int16_t i16;
    uint16_t u16;
    switch (t) {
    case FLX_F32:
        __builtin_memcpy(&f32, p, sizeof f32);
        n.f = (double)f32;
        break;
    case FLX_F64:
        __builtin_memcpy(&n.f, p, sizeof n.f);
        break;
    case FLX_I64:
        __builtin_memcpy(&i64, p, sizeof i64);
        n.i = i64;
        break;
    case FLX_I32:
        __builtin_memcpy(&i32, p, sizeof i32);
        n.i = i32;
        break;
    case FLX_U32:
        __builtin_memcpy(&u32, p, sizeof u32);
        n.i = u32;
        break;
    case FLX_I16:
        __builtin_memcpy(&i16, p, sizeof i16);
        n.i = i16;
        break;
    case FLX_U16:
        __builtin_memcpy(&u16, p, sizeof u16);
        n.i = u16;
        break;
    case FLX_I8:
        n.i = (int64_t)p[0] - (p[0] > 127 ? 256 : 0);
        break;
    default:
        n.i = p[0];
        break;
    }
    return n;
}

FLX_INLINE int64_t flx_cast_whole(double f)
{
    return f > -0x1p63 && f < 0x1p63 ? (int64_t)f : INT64_MIN;
}

FLX_INLINE void flx_cast_put(uint32_t t, uint32_t from_float,
                             struct flx_number n, uint8_t *p)
{
    const int64_t i =
        from_float && t != FLX_F32 && t != FLX_F64 ? flx_cast_whole(n.f) : n.i;
    const uint64_t u = (uint64_t)i;
    const double f64 = from_float ? n.f : (double)n.i;
    const float f32 = from_float ? (float)n.f : (float)n.i;
    switch (t) {
    case FLX_F32:
        __builtin_memcpy(p, &f32, sizeof f32);
        break;
    case FLX_F64:
        __builtin_memcpy(p, &f64, sizeof f64);
        break;
    case FLX_BOOL:
        p[0] = from_float ? n.f != 0.0 : n.i != 0;
        break;
    default: /* the low bytes, in the target's order */
        switch (flx_type_bytes(t)) {
        case 8:
            __builtin_memcpy(p, &u, 8);
            break;
        case 4: {
            const uint32_t v = (uint32_t)u;
            __builtin_memcpy(p, &v, 4);
            break;
        }
        case 2: {
            const uint16_t v = (uint16_t)u;
            __builtin_memcpy(p, &v, 2);
            break;
        }
        default:
            p[0] = (uint8_t)u;
            break;
        }
        break;
    }
}

/* The space has rank >= row_dims + 2. No scratch. Parts share lines. out must
 * not overlap in. */
FLX_INLINE void k_cast(const struct flx_call *call,
                       const struct flx_cast_arg *a, uint32_t part,
                       uint32_t n_parts)
{
    const struct flx_view out = FLX_VIEW(a, out, call);
    const struct flx_view in = FLX_VIEW(a, in, call);
    const uint32_t last = a->rank - 1;
    const uint32_t from_float = a->in_type == FLX_F32 || a->in_type == FLX_F64;
    const ptrdiff_t bo = (ptrdiff_t)flx_type_bytes(a->out_type);
    const ptrdiff_t bi = (ptrdiff_t)flx_type_bytes(a->in_type);
    uint32_t u;
    uint32_t u1;
    flx_share((call->r1 - call->r0) * flx_lines(a->rank, a->row_dims, a->dim),
              part, n_parts, &u, &u1);
    while (u < u1) {
        struct flx_plane p;
        u += flx_plane_at(a->rank, a->row_dims, a->dim, call->r0, u, u1, &p);
        for (; p.a0 < p.a1; p.a0++) {
            p.at[last - 1] = p.a0;
            uint8_t *dst = flx_view_at(&out, (uint32_t)bo, a->row_dims, a->rank,
                                       p.at, p.r);
            const uint8_t *src =
                flx_view_at(&in, (uint32_t)bi, a->row_dims, a->rank, p.at, p.r);
            for (uint32_t i = 0; i < a->dim[last]; i++) {
                flx_cast_put(a->out_type, from_float,
                             flx_cast_get(a->in_type, src), dst);
                dst += a->out_stride[last] * bo;
                src += a->in_stride[last] * bi;
            }
        }
    }
}

#endif
