/* k_ewise.h - elementwise layers: a postfix program over operands of any
 * strides, run by run of the innermost dimension.
 *
 * out[i] = act(program(in0[i], in1[i], ...)), each element on its own. out may
 * be an operand if it has the same strides. */
#ifndef K_EWISE_H
#define K_EWISE_H

#include "flx_act.h"

/* Elements of a run. */
enum { FLX_RUN = FLX_LANES > 1 ? 128 : 16 };

/* A value on the stack: `at` is an operand in place or the slot. */
struct flx_expr_stack {
    const float *at[FLX_EXPR_DEPTH];
    float slot[FLX_EXPR_DEPTH][FLX_RUN];
};

FLX_SHARED void flx_run_fill(float *dst, float x, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        dst[i] = x;
    }
}

FLX_SHARED void flx_run_gather(float *dst, const float *src, int32_t stride,
                               uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        dst[i] = src[(ptrdiff_t)i * stride];
    }
}

FLX_SHARED void flx_run_scatter(float *dst, int32_t stride, const float *src,
                                uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        dst[(ptrdiff_t)i * stride] = src[i];
    }
}

/* The steps, one function each; what a program lacks is not compiled in. */
#define FLX_EXPR_STEP(NAME, OP)                                                \
    FLX_SHARED void flx_run_##NAME(float *dst, const float *a, const float *b, \
                                   uint32_t n)                                 \
    {                                                                          \
        flx_run_step(OP, dst, a, b, n);                                        \
    }
#define FLX_EXPR_STEPS(X)                                                      \
    X(add, FLX_EXPR_ADD)                                                       \
    X(sub, FLX_EXPR_SUB)                                                       \
    X(mul, FLX_EXPR_MUL)                                                       \
    X(div, FLX_EXPR_DIV)                                                       \
    X(min, FLX_EXPR_MIN)                                                       \
    X(max, FLX_EXPR_MAX)                                                       \
    X(neg, FLX_EXPR_NEG)                                                       \
    X(abs, FLX_EXPR_ABS)                                                       \
    X(exp, FLX_EXPR_EXP)                                                       \
    X(log, FLX_EXPR_LOG)                                                       \
    X(sqrt, FLX_EXPR_SQRT)                                                     \
    X(recip, FLX_EXPR_RECIP)                                                   \
    X(floor, FLX_EXPR_FLOOR)                                                   \
    X(ceil, FLX_EXPR_CEIL)                                                     \
    X(erf, FLX_EXPR_ERF)                                                       \
    X(relu, FLX_EXPR_RELU)                                                     \
    X(logistic, FLX_EXPR_SIGMOID)                                              \
    X(tanhx, FLX_EXPR_TANH)                                                    \
    X(prelu, FLX_EXPR_PRELU)
FLX_EXPR_STEPS(FLX_EXPR_STEP)
#undef FLX_EXPR_STEP

FLX_INLINE uint32_t flx_expr_is_binary(uint32_t op)
{
    return (op >= FLX_EXPR_ADD && op <= FLX_EXPR_MAX) || op == FLX_EXPR_PRELU;
}

/* dst may be c. */
FLX_SHARED void flx_run_select(float *dst, const float *c, const float *a,
                               const float *b, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        dst[i] = c[i] != 0.0f ? a[i] : b[i];
    }
}

/* `used`: bit set of the program's steps. */
FLX_INLINE void flx_expr_apply(uint32_t used, uint32_t op, float *dst,
                               const float *a, const float *b, uint32_t n)
{
#define FLX_EXPR_CASE(NAME, OP)                                                \
    if ((used >> (OP)&1u) && op == (OP)) {                                     \
        flx_run_##NAME(dst, a, b, n);                                          \
    }
    FLX_EXPR_STEPS(FLX_EXPR_CASE)
#undef FLX_EXPR_CASE
    if ((used >> FLX_EXPR_POW & 1u) && op == FLX_EXPR_POW) {
        flx_run_pow(dst, a, b, n);
    }
}

/* Runs the program on n elements; in[i] points to operand i's first. */
FLX_INLINE const float *flx_expr_run(const struct flx_ewise_arg *a,
                                     const float *const *in,
                                     struct flx_expr_stack *s, uint32_t n)
{
    const uint32_t last = a->rank - 1;
    uint32_t depth = 0;
    for (uint32_t i = 0; i < a->n_step; i++) {
        const uint32_t op = a->op[i];
        if (op == FLX_EXPR_IN) {
            const uint32_t ix = a->ix[i];
            const int32_t stride = a->in_stride[ix * FLX_MAX_RANK + last];
            s->at[depth] = stride == 1 ? in[ix] : s->slot[depth];
            if (stride == 0) {
                flx_run_fill(s->slot[depth], in[ix][0], n);
            } else if (stride != 1) {
                flx_run_gather(s->slot[depth], in[ix], stride, n);
            }
            depth++;
        } else if (op == FLX_EXPR_IMM) {
            flx_run_fill(s->slot[depth], a->imm[i], n);
            s->at[depth] = s->slot[depth];
            depth++;
        } else if (op == FLX_EXPR_SELECT) {
            depth -= 2;
            if (a->used >> FLX_EXPR_SELECT & 1u) {
                flx_run_select(s->slot[depth - 1], s->at[depth - 1],
                               s->at[depth], s->at[depth + 1], n);
            }
            s->at[depth - 1] = s->slot[depth - 1];
        } else {
            depth -= flx_expr_is_binary(op);
            flx_expr_apply(a->used, op, s->slot[depth - 1], s->at[depth - 1],
                           s->at[flx_expr_is_binary(op) ? depth : depth - 1],
                           n);
            s->at[depth - 1] = s->slot[depth - 1];
        }
    }
    return s->at[0];
}

FLX_INLINE void flx_ewise_operand(const struct flx_ewise_arg *a,
                                  const struct flx_call *call, uint32_t i,
                                  struct flx_view *v)
{
    *v = (struct flx_view){
        a->in_at[i] == FLX_AT_WEIGHTS ? NULL : &call->arg[a->in_at[i]],
        call->w,
        a->in_by_row[i],
        a->in_row_bytes[i],
        a->in_row0[i],
        a->in_col0[i],
        a->in_stride + i * FLX_MAX_RANK};
}

/* n elements; ptr[i] points to the first of operand i, the output last. */
FLX_INLINE void flx_ewise_run(const struct flx_ewise_arg *a,
                              const float *const *ptr, int32_t out_stride,
                              struct flx_expr_stack *s, uint32_t n)
{
    const float *r = flx_expr_run(a, ptr, s, n);
    if (a->act != FLX_ACT_NONE) {
        if (r != s->slot[0]) {
            flx_run_gather(s->slot[0], r, 1, n);
            r = s->slot[0];
        }
        flx_run_act(a->act, a->act_a, a->act_b, r, s->slot[0], n);
    }
    flx_run_scatter((float *)(uintptr_t)ptr[a->n_in], out_stride, r, n);
}

/* The space has rank >= row_dims + 2. Weight operands lie in the one panel. No
 * scratch. Parts share lines. */
FLX_INLINE void k_ewise_f32(const struct flx_call *call,
                            const struct flx_ewise_arg *a, uint32_t part,
                            uint32_t n_parts)
{
    const uint32_t last = a->rank - 1;
    struct flx_view v[FLX_EWISE_MAX_IN + 1];
    struct flx_expr_stack s;
    for (uint32_t i = 0; i < a->n_in; i++) {
        flx_ewise_operand(a, call, i, &v[i]);
    }
    v[a->n_in] = (struct flx_view)FLX_VIEW(a, out, call);
    uint32_t u;
    uint32_t u1;
    flx_share((call->r1 - call->r0) * flx_lines(a->rank, a->row_dims, a->dim),
              part, n_parts, &u, &u1);
    while (u < u1) {
        struct flx_plane p;
        const float *base[FLX_EWISE_MAX_IN + 1];
        u += flx_plane_at(a->rank, a->row_dims, a->dim, call->r0, u, u1, &p);
        for (uint32_t i = 0; i <= a->n_in; i++) {
            base[i] = (const float *)(const void *)flx_view_at(
                &v[i], sizeof(float), a->row_dims, a->rank, p.at, p.r);
        }
        for (uint32_t line = 0; line < p.a1 - p.a0; line++) {
            for (uint32_t e = 0; e < a->dim[last]; e += FLX_RUN) {
                const float *ptr[FLX_EWISE_MAX_IN + 1];
                for (uint32_t i = 0; i <= a->n_in; i++) {
                    ptr[i] = base[i] + (ptrdiff_t)line * v[i].stride[last - 1] +
                             (ptrdiff_t)e * v[i].stride[last];
                }
                flx_ewise_run(a, ptr, a->out_stride[last], &s,
                              flx_min_u(FLX_RUN, a->dim[last] - e));
            }
        }
    }
}

#endif
