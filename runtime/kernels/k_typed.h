/* k_typed.h - elementwise layers over any element types: the general form of
 * k_ewise.h.
 *
 * A postfix program in which every step has a type. Values on the stack are
 * runs of floats (f16, bf16, f32), doubles (f64) or i64 (integers and bool; the
 * bits of u64). A step computes in its type: integers wrap at its width, 16-bit
 * floats are rounded after each step. Division and remainder by an integer 0
 * give 0. out[i] depends on element i of the operands alone; out may be an
 * operand if it has the same type and strides. */
#ifndef K_TYPED_H
#define K_TYPED_H

#include "flx_math64.h"
#include "k_ewise.h"

union flx_typed_run {
    float f[FLX_RUN];
    double d[FLX_RUN];
    int64_t i[FLX_RUN];
};

enum flx_typed_class { FLX_CLASS_F, FLX_CLASS_D, FLX_CLASS_I };

FLX_INLINE uint32_t flx_typed_class(uint32_t type)
{
    return !flx_type_is_float(type) ? FLX_CLASS_I
           : type == FLX_F64        ? FLX_CLASS_D
                                    : FLX_CLASS_F;
}

/* Whether the program has the step, or a step of the class: what it lacks is
 * not compiled in. */
FLX_INLINE uint32_t flx_typed_uses(const struct flx_typed_arg *a, uint32_t op)
{
    return a->used[op / 32] >> op % 32 & 1u;
}

FLX_INLINE uint32_t flx_typed_has(const struct flx_typed_arg *a, uint32_t cls)
{
    return a->classes >> cls & 1u;
}

/* ---- operands ------------------------------------------------------------ */

FLX_INLINE void flx_typed_load(const struct flx_typed_arg *a, uint32_t type,
                               const uint8_t *src, ptrdiff_t step,
                               union flx_typed_run *dst, uint32_t n)
{
    const uint32_t cls = flx_typed_class(type);
    for (uint32_t i = 0; i < n; i++, src += step) {
        if (cls == FLX_CLASS_I) {
            dst->i[i] = flx_get_int(type, src);
        } else if (cls == FLX_CLASS_D) {
            dst->d[i] = flx_get_float(type, src);
        } else if (flx_typed_has(a, FLX_CLASS_F)) {
            dst->f[i] = (float)flx_get_float(type, src);
        }
    }
}

FLX_INLINE void flx_typed_store(uint32_t type, uint8_t *dst, ptrdiff_t step,
                                const union flx_typed_run *src, uint32_t n)
{
    const uint32_t cls = flx_typed_class(type);
    for (uint32_t i = 0; i < n; i++, dst += step) {
        if (cls == FLX_CLASS_I) {
            flx_put_int(type, src->i[i], dst);
        } else {
            flx_put_float(
                type, cls == FLX_CLASS_D ? src->d[i] : (double)src->f[i], dst);
        }
    }
}

/* ---- steps of floats ----------------------------------------------------- */

#define FLX_DOUBLE_UNARY(X)                                                    \
    X(EXP, flx_dexp(x))                                                        \
    X(LOG, flx_dlog(x))                                                        \
    X(SQRT, flx_dsqrt(x))                                                      \
    X(ERF, flx_derf(x))                                                        \
    X(SIGMOID, flx_dsigmoid(x))                                                \
    X(TANH, flx_dtanh(x))                                                      \
    X(FLOOR, flx_dfloor(x))                                                    \
    X(CEIL, flx_dceil(x))                                                      \
    X(NEG, -x)                                                                 \
    X(ABS, flx_dabs(x))                                                        \
    X(RECIP, 1.0 / x)                                                          \
    X(RELU, x < 0.0 ? 0.0 : x)

/* Those that k_ewise.h has no runs for: of floats too. */
#define FLX_FLOAT_UNARY(X)                                                     \
    X(ROUND, flx_dround(x))                                                    \
    X(SIGN, x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : x)                                \
    X(SIN, flx_dsin_quarter(x, 0))                                             \
    X(COS, flx_dsin_quarter(x, 1))                                             \
    X(TAN, flx_dtan(x))                                                        \
    X(ASIN, flx_dasin(x))                                                      \
    X(ACOS, flx_dacos(x))                                                      \
    X(ATAN, flx_datan(x))                                                      \
    X(SINH, flx_dsinh(x))                                                      \
    X(COSH, flx_dcosh(x))                                                      \
    X(ASINH, flx_dasinh(x))                                                    \
    X(ACOSH, flx_dacosh(x))                                                    \
    X(ATANH, flx_datanh(x))

#define FLX_DOUBLE_BINARY(X)                                                   \
    X(ADD, x + y)                                                              \
    X(SUB, x - y)                                                              \
    X(MUL, x *y)                                                               \
    X(DIV, x / y)                                                              \
    X(POW, flx_dpow(x, y))                                                     \
    X(MIN, x < y || x != x ? x : y)                                            \
    X(MAX, x > y || x != x ? x : y)                                            \
    X(PRELU, x < 0.0 ? x * y : x)

#define FLX_FLOAT_BINARY(X)                                                    \
    X(MOD, flx_dmod(x, y))                                                     \
    X(FMOD, flx_dfmod(x, y))

/* Of two numbers, to bool. */
#define FLX_COMPARE(X)                                                         \
    X(EQ, x == y)                                                              \
    X(LT, x < y)                                                               \
    X(LE, x <= y)                                                              \
    X(GT, x > y)                                                               \
    X(GE, x >= y)

/* Bits of FLX_EXPR_ISINF's ix. */
enum { FLX_ISINF_POSITIVE = 1, FLX_ISINF_NEGATIVE = 2 };

FLX_INLINE void flx_typed_double(const struct flx_typed_arg *a, uint32_t op,
                                 union flx_typed_run *s,
                                 const union flx_typed_run *t, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const double x = s->d[i];
        const double y = t->d[i];
        double r = x;
#define FLX_CASE(OP, EXPR)                                                     \
    if (flx_typed_uses(a, FLX_EXPR_##OP) && op == FLX_EXPR_##OP) {             \
        r = (EXPR);                                                            \
    }
        FLX_DOUBLE_UNARY(FLX_CASE)
        FLX_FLOAT_UNARY(FLX_CASE)
        FLX_DOUBLE_BINARY(FLX_CASE)
        FLX_FLOAT_BINARY(FLX_CASE)
#undef FLX_CASE
        s->d[i] = r;
    }
}

FLX_INLINE void flx_typed_float(const struct flx_typed_arg *a, uint32_t op,
                                union flx_typed_run *s,
                                const union flx_typed_run *t, uint32_t n)
{
    if (op <= FLX_EXPR_PRELU) {
        flx_expr_apply(a->used[0], op, s->f, s->f, t->f, n);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        const double x = (double)s->f[i];
        const double y = (double)t->f[i];
        double r = x;
#define FLX_CASE(OP, EXPR)                                                     \
    if (flx_typed_uses(a, FLX_EXPR_##OP) && op == FLX_EXPR_##OP) {             \
        r = (EXPR);                                                            \
    }
        FLX_FLOAT_UNARY(FLX_CASE)
        FLX_FLOAT_BINARY(FLX_CASE)
#undef FLX_CASE
        s->f[i] = (float)r;
    }
}

/* 16-bit floats are rounded after each step. */
FLX_INLINE void flx_typed_round(uint32_t type, union flx_typed_run *s,
                                uint32_t n)
{
    if (type == FLX_F16 || type == FLX_BF16) {
        const uint32_t frac = type == FLX_F16 ? FLX_F16_FRAC : FLX_BF16_FRAC;
        for (uint32_t i = 0; i < n; i++) {
            s->f[i] = (float)flx_half_value(
                flx_half_bits((double)s->f[i], frac), frac);
        }
    }
}

/* ---- steps of integers --------------------------------------------------- */

FLX_INLINE uint32_t flx_int_less(uint32_t type, int64_t x, int64_t y)
{
    return type == FLX_U64 ? (uint64_t)x < (uint64_t)y : x < y;
}

FLX_SHARED int64_t flx_int_div(uint32_t type, int64_t x, int64_t y)
{
    if (y == 0) {
        return 0;
    }
    if (type == FLX_U64) {
        return (int64_t)((uint64_t)x / (uint64_t)y);
    }
    return y == -1 ? (int64_t)(0u - (uint64_t)x) : x / y;
}

/* has_sign_of_y: as Python's %, else as C's. */
FLX_SHARED int64_t flx_int_mod(uint32_t type, int64_t x, int64_t y,
                               uint32_t has_sign_of_y)
{
    if (y == 0 || (y == -1 && type != FLX_U64)) {
        return 0;
    }
    if (type == FLX_U64) {
        return (int64_t)((uint64_t)x % (uint64_t)y);
    }
    const int64_t r = x % y;
    return has_sign_of_y && r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

/* A negative power of anything but 1 and -1 is cut to 0. */
FLX_SHARED int64_t flx_int_pow(uint32_t type, int64_t x, int64_t y)
{
    if (y < 0 && type != FLX_U64) {
        return x == 1 ? 1 : x == -1 ? ((y & 1) != 0 ? -1 : 1) : 0;
    }
    uint64_t r = 1;
    uint64_t b = (uint64_t)x;
    for (uint64_t n = (uint64_t)y; n > 0; n >>= 1) {
        r = (n & 1u) ? r * b : r;
        b *= b;
    }
    return (int64_t)r;
}

#define FLX_INT_STEPS(X)                                                       \
    X(ADD, (int64_t)((uint64_t)x + (uint64_t)y))                               \
    X(SUB, (int64_t)((uint64_t)x - (uint64_t)y))                               \
    X(MUL, (int64_t)((uint64_t)x * (uint64_t)y))                               \
    X(DIV, flx_int_div(type, x, y))                                            \
    X(MOD, flx_int_mod(type, x, y, 1))                                         \
    X(FMOD, flx_int_mod(type, x, y, 0))                                        \
    X(POW, flx_int_pow(type, x, y))                                            \
    X(MIN, flx_int_less(type, x, y) ? x : y)                                   \
    X(MAX, flx_int_less(type, y, x) ? x : y)                                   \
    X(NEG, (int64_t)(0u - (uint64_t)x))                                        \
    X(ABS, x < 0 && type != FLX_U64 ? (int64_t)(0u - (uint64_t)x) : x)         \
    X(SIGN, type == FLX_U64 ? x != 0 : (x > 0) - (x < 0))                      \
    X(RELU, x < 0 && type != FLX_U64 ? 0 : x)                                  \
    X(PRELU,                                                                   \
      x < 0 && type != FLX_U64 ? (int64_t)((uint64_t)x * (uint64_t)y) : x)     \
    X(NOT, x == 0)                                                             \
    X(BITAND, x &y)                                                            \
    X(BITOR, x | y)                                                            \
    X(BITXOR, x ^ y)                                                           \
    X(BITNOT, ~x)                                                              \
    X(SHL, (uint64_t)y > 63 ? 0 : (int64_t)((uint64_t)x << y))                 \
    X(SHR, (uint64_t)y > 63 ? 0 : (int64_t)((uint64_t)x >> y))

FLX_INLINE void flx_typed_int(const struct flx_typed_arg *a, uint32_t op,
                              uint32_t type, union flx_typed_run *s,
                              const union flx_typed_run *t, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const int64_t x = s->i[i];
        const int64_t y = t->i[i];
        int64_t r = x;
#define FLX_CASE(OP, EXPR)                                                     \
    if (flx_typed_uses(a, FLX_EXPR_##OP) && op == FLX_EXPR_##OP) {             \
        r = (EXPR);                                                            \
    }
        FLX_INT_STEPS(FLX_CASE)
#undef FLX_CASE
        s->i[i] = flx_narrow(type, r);
    }
}

/* ---- steps that change the class -----------------------------------------
 * In place: where the result's elements are wider, from the last one down. */

FLX_INLINE void flx_typed_compare(const struct flx_typed_arg *a, uint32_t op,
                                  uint32_t type, union flx_typed_run *s,
                                  const union flx_typed_run *t, uint32_t n)
{
    const uint32_t cls = flx_typed_class(type);
    for (uint32_t i = n; i-- > 0;) {
        int64_t r = 0;
#define FLX_CASE(OP, EXPR)                                                     \
    if (flx_typed_uses(a, FLX_EXPR_##OP) && op == FLX_EXPR_##OP) {             \
        r = (EXPR);                                                            \
    }
        if (type == FLX_U64) {
            const uint64_t x = (uint64_t)s->i[i];
            const uint64_t y = (uint64_t)t->i[i];
            FLX_COMPARE(FLX_CASE)
        } else if (cls == FLX_CLASS_I) {
            const int64_t x = s->i[i];
            const int64_t y = t->i[i];
            FLX_COMPARE(FLX_CASE)
        } else {
            const double x = cls == FLX_CLASS_D ? s->d[i] : (double)s->f[i];
            const double y = cls == FLX_CLASS_D ? t->d[i] : (double)t->f[i];
            FLX_COMPARE(FLX_CASE)
        }
#undef FLX_CASE
        s->i[i] = r;
    }
}

/* A float to bool: whether it is NaN, or infinite of a sign in `which`. */
FLX_INLINE void flx_typed_is(uint32_t op, uint32_t which, uint32_t type,
                             union flx_typed_run *s, uint32_t n)
{
    for (uint32_t i = n; i-- > 0;) {
        const double x = type == FLX_F64 ? s->d[i] : (double)s->f[i];
        s->i[i] = op == FLX_EXPR_ISNAN
                      ? x != x
                      : (x == FLX_INF64 && (which & FLX_ISINF_POSITIVE)) ||
                            (x == -FLX_INF64 && (which & FLX_ISINF_NEGATIVE));
    }
}

FLX_INLINE void flx_typed_convert(uint32_t to, uint32_t from,
                                  union flx_typed_run *s, uint32_t n)
{
    const uint32_t c_from = flx_typed_class(from);
    const uint32_t c_to = flx_typed_class(to);
    for (uint32_t k = 0; k < n; k++) {
        const uint32_t i = c_from == FLX_CLASS_F ? n - 1 - k : k;
        struct flx_number x = {0.0, 0};
        if (c_from == FLX_CLASS_I) {
            x.i = s->i[i];
        } else {
            x.f = c_from == FLX_CLASS_D ? s->d[i] : (double)s->f[i];
        }
        x = flx_convert(to, from, x);
        if (c_to == FLX_CLASS_I) {
            s->i[i] = flx_narrow(to, x.i);
        } else if (c_to == FLX_CLASS_D) {
            s->d[i] = x.f;
        } else {
            s->f[i] = (float)x.f;
        }
    }
    flx_typed_round(to, s, n);
}

/* The number of an integer type of 8 or 16 bits that is nearest to a whole
 * float; NaN gives the least. */
FLX_INLINE int64_t flx_saturate(uint32_t type, float x)
{
    const int64_t high = type == FLX_I8    ? 127
                         : type == FLX_U8  ? 255
                         : type == FLX_I16 ? 32767
                                           : 65535;
    const int64_t low = type == FLX_I8 || type == FLX_I16 ? -high - 1 : 0;
    return x > (float)low ? x < (float)high ? (int64_t)x : high : low;
}

FLX_INLINE void flx_typed_saturate(uint32_t type, union flx_typed_run *s,
                                   uint32_t n)
{
    for (uint32_t i = n; i-- > 0;) {
        s->i[i] = flx_saturate(type, s->f[i]);
    }
}

/* c ? x : y, c being in s. */
FLX_INLINE void flx_typed_select(uint32_t type, union flx_typed_run *s,
                                 const union flx_typed_run *x,
                                 const union flx_typed_run *y, uint32_t n)
{
    const uint32_t cls = flx_typed_class(type);
    for (uint32_t i = 0; i < n; i++) {
        const union flx_typed_run *r = s->i[i] != 0 ? x : y;
        if (cls == FLX_CLASS_I) {
            s->i[i] = r->i[i];
        } else if (cls == FLX_CLASS_D) {
            s->d[i] = r->d[i];
        } else {
            s->f[i] = r->f[i];
        }
    }
}

/* ---- the program --------------------------------------------------------- */

FLX_INLINE uint32_t flx_typed_is_binary(uint32_t op)
{
    return flx_expr_is_binary(op) || op == FLX_EXPR_MOD ||
           op == FLX_EXPR_FMOD || (op >= FLX_EXPR_EQ && op <= FLX_EXPR_SHR);
}

FLX_INLINE void flx_typed_step(const struct flx_typed_arg *a, uint32_t ix,
                               union flx_typed_run *s, uint32_t n)
{
    const uint32_t op = a->op[ix];
    const uint32_t type = a->type[ix];
    const uint32_t cls = flx_typed_class(type);
    const union flx_typed_run *t = flx_typed_is_binary(op) ? s + 1 : s;
    if (op >= FLX_EXPR_EQ && op <= FLX_EXPR_GE) {
        flx_typed_compare(a, op, type, s, t, n);
    } else if (op == FLX_EXPR_ISNAN || op == FLX_EXPR_ISINF) {
        flx_typed_is(op, a->ix[ix], type, s, n);
    } else if (op == FLX_EXPR_CAST) {
        flx_typed_convert(type, a->ix[ix], s, n);
    } else if (op == FLX_EXPR_SATURATE) {
        flx_typed_saturate(type, s, n);
    } else if (op == FLX_EXPR_SELECT) {
        flx_typed_select(type, s, s + 1, s + 2, n);
    } else if (cls == FLX_CLASS_I && flx_typed_has(a, FLX_CLASS_I)) {
        flx_typed_int(a, op, type, s, t, n);
    } else if (cls == FLX_CLASS_D && flx_typed_has(a, FLX_CLASS_D)) {
        flx_typed_double(a, op, s, t, n);
    } else if (flx_typed_has(a, FLX_CLASS_F)) {
        flx_typed_float(a, op, s, t, n);
        flx_typed_round(type, s, n);
    }
}

FLX_INLINE void flx_typed_imm(uint32_t type, float x, union flx_typed_run *s,
                              uint32_t n)
{
    const uint32_t cls = flx_typed_class(type);
    for (uint32_t i = 0; i < n; i++) {
        if (cls == FLX_CLASS_I) {
            s->i[i] = (int64_t)x;
        } else if (cls == FLX_CLASS_D) {
            s->d[i] = (double)x;
        } else {
            s->f[i] = x;
        }
    }
}

/* Runs the program on n elements; in[i] is operand i's first. The result is
 * s[0]. */
FLX_INLINE void flx_typed_run(const struct flx_typed_arg *a,
                              const uint8_t *const *in, union flx_typed_run *s,
                              uint32_t n)
{
    const uint32_t last = a->rank - 1;
    uint32_t depth = 0;
    for (uint32_t i = 0; i < a->n_step; i++) {
        const uint32_t op = a->op[i];
        if (op == FLX_EXPR_IN) {
            const uint32_t ix = a->ix[i];
            const uint32_t type = a->in_type[ix];
            flx_typed_load(a, type, in[ix],
                           (ptrdiff_t)a->in_stride[ix * FLX_MAX_RANK + last] *
                               (ptrdiff_t)flx_type_bytes(type),
                           &s[depth++], n);
        } else if (op == FLX_EXPR_IMM) {
            flx_typed_imm(a->type[i], a->imm[i], &s[depth++], n);
        } else {
            depth -= op == FLX_EXPR_SELECT ? 2 : flx_typed_is_binary(op);
            flx_typed_step(a, i, &s[depth - 1], n);
        }
    }
}

/* The space has rank >= row_dims + 2. Weight operands lie in the one panel. No
 * scratch. Parts share lines. */
FLX_INLINE void k_typed(const struct flx_call *call,
                        const struct flx_typed_arg *a, uint32_t part,
                        uint32_t n_parts)
{
    const uint32_t last = a->rank - 1;
    const struct flx_view out = FLX_VIEW(a, out, call);
    const ptrdiff_t out_step =
        (ptrdiff_t)a->out_stride[last] * (ptrdiff_t)flx_type_bytes(a->out_type);
    struct flx_view v[FLX_EWISE_MAX_IN];
    union flx_typed_run s[FLX_EXPR_DEPTH];
    for (uint32_t i = 0; i < a->n_in; i++) {
        v[i] = (struct flx_view){
            a->in_at[i] == FLX_AT_WEIGHTS ? NULL : &call->arg[a->in_at[i]],
            call->w,
            a->in_by_row[i],
            a->in_row_bytes[i],
            a->in_row0[i],
            a->in_col0[i],
            a->in_stride + i * FLX_MAX_RANK};
    }
    uint32_t u;
    uint32_t u1;
    flx_share((call->r1 - call->r0) * flx_lines(a->rank, a->row_dims, a->dim),
              part, n_parts, &u, &u1);
    while (u < u1) {
        struct flx_plane p;
        u += flx_plane_at(a->rank, a->row_dims, a->dim, call->r0, u, u1, &p);
        for (; p.a0 < p.a1; p.a0++) {
            p.at[last - 1] = p.a0;
            for (uint32_t e = 0; e < a->dim[last]; e += FLX_RUN) {
                const uint32_t n = flx_min_u(FLX_RUN, a->dim[last] - e);
                const uint8_t *in[FLX_EWISE_MAX_IN];
                p.at[last] = e;
                for (uint32_t i = 0; i < a->n_in; i++) {
                    in[i] = flx_view_at(&v[i], flx_type_bytes(a->in_type[i]),
                                        a->row_dims, a->rank, p.at, p.r);
                }
                flx_typed_run(a, in, s, n);
                flx_typed_store(a->out_type,
                                flx_view_at(&out, flx_type_bytes(a->out_type),
                                            a->row_dims, a->rank, p.at, p.r),
                                out_step, s, n);
            }
        }
    }
}

#endif
