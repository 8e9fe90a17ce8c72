/* k_ewise_q8.h - elementwise layers on floats of which some operands, or the
 * result, are 8-bit numbers: those of k_ewise.h with other loads and stores.
 *
 * The program is that of the floats alone: operands of 8 bits come as the whole
 * numbers they are, and a result of 8 bits is the nearest number to what the
 * program gives, which is whole. NaN becomes the least. out may be an operand
 * of the same type if it has the same strides. */
#ifndef K_EWISE_Q8_H
#define K_EWISE_Q8_H

#include "flx_quant.h"
#include "k_ewise.h"

FLX_SHARED void flx_run_from_bytes(float *dst, const uint8_t *src,
                                   ptrdiff_t step, uint32_t n, uint32_t flip)
{
    if (step == 1) {
        for (uint32_t i = 0; i < n; i++) {
            dst[i] = (float)((int32_t)(src[i] ^ flip) - (int32_t)flip);
        }
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        dst[i] =
            (float)((int32_t)(src[(ptrdiff_t)i * step] ^ flip) - (int32_t)flip);
    }
}

/* src has room for a multiple of FLX_LANES. */
FLX_SHARED void flx_run_to_bytes(uint8_t *dst, ptrdiff_t step, const float *src,
                                 uint32_t n, int32_t low, int32_t high)
{
    int32_t out[FLX_RUN];
    for (uint32_t i = 0; i < n; i += FLX_LANES) {
        flx_store_i(out + i, flx_requantise(flx_load(src + i), 0, low, high));
    }
    if (step == 1) {
        for (uint32_t i = 0; i < n; i++) {
            dst[i] = (uint8_t)out[i];
        }
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        dst[(ptrdiff_t)i * step] = (uint8_t)out[i];
    }
}

/* To whole numbers, ties to even. */
FLX_SHARED void flx_run_round(float *dst, const float *a, uint32_t n)
{
    const flx_v magic = flx_splat(0x1.8p23f);
    const flx_v limit = flx_splat(0x1p22f); /* from here on the cut decides */
    for (uint32_t i = 0; i < n; i += FLX_LANES) {
        const flx_v x = flx_load(a + i);
        const flx_v whole = (x + magic) - magic;
        const flx_v at_most = flx_if_less(x, limit, whole, x);
        flx_store(dst + i, flx_if_less(flx_splat(-0x1p22f), x, at_most, x));
    }
}

FLX_INLINE uint32_t flx_is_byte(uint32_t type)
{
    return type == FLX_I8 || type == FLX_U8;
}

/* Runs the program on n elements; in[i] points to operand i's first. */
FLX_INLINE const float *flx_ewise_q8_run(const struct flx_typed_arg *a,
                                         const uint8_t *const *in,
                                         struct flx_expr_stack *s, uint32_t n)
{
    const uint32_t last = a->rank - 1;
    uint32_t depth = 0;
    for (uint32_t i = 0; i < a->n_step; i++) {
        const uint32_t op = a->op[i];
        const uint32_t binary = flx_expr_is_binary(op);
        if (op == FLX_EXPR_IN) {
            const uint32_t ix = a->ix[i];
            const int32_t stride = a->in_stride[ix * FLX_MAX_RANK + last];
            float *slot = s->slot[depth];
            if (flx_is_byte(a->in_type[ix])) {
                flx_run_from_bytes(slot, in[ix], stride, n,
                                   a->in_type[ix] == FLX_I8 ? 0x80u : 0u);
            } else {
                flx_run_gather(slot, (const float *)(const void *)in[ix],
                               stride, n);
            }
            s->at[depth++] = slot;
        } else if (op == FLX_EXPR_IMM) {
            flx_run_fill(s->slot[depth], a->imm[i], n);
            s->at[depth] = s->slot[depth];
            depth++;
        } else if (op == FLX_EXPR_ROUND) {
            if (a->used[FLX_EXPR_ROUND / 32] >> FLX_EXPR_ROUND % 32 & 1u) {
                flx_run_round(s->slot[depth - 1], s->at[depth - 1], n);
            }
        } else {
            depth -= binary;
            flx_expr_apply(a->used[0], op, s->slot[depth - 1], s->at[depth - 1],
                           s->at[binary ? depth : depth - 1], n);
        }
    }
    return s->at[0];
}

/* The space has rank >= row_dims + 2. Weight operands lie in the one panel. No
 * scratch. Parts share lines. */
FLX_INLINE void k_ewise_q8(const struct flx_call *call,
                           const struct flx_typed_arg *a, uint32_t part,
                           uint32_t n_parts)
{
    const uint32_t last = a->rank - 1;
    const uint32_t to_byte = flx_is_byte(a->out_type);
    const int32_t low = a->out_type == FLX_I8 ? -128 : 0;
    struct flx_view v[FLX_EWISE_MAX_IN + 1];
    uint32_t bytes[FLX_EWISE_MAX_IN + 1];
    struct flx_expr_stack s;
    for (uint32_t i = 0; i < a->n_in; i++) {
        v[i] = (struct flx_view){
            a->in_at[i] == FLX_AT_WEIGHTS ? NULL : &call->arg[a->in_at[i]],
            call->w,
            a->in_by_row[i],
            a->in_row_bytes[i],
            a->in_row0[i],
            a->in_col0[i],
            a->in_stride + i * FLX_MAX_RANK};
        bytes[i] = flx_type_bytes(a->in_type[i]);
    }
    v[a->n_in] = (struct flx_view)FLX_VIEW(a, out, call);
    bytes[a->n_in] = flx_type_bytes(a->out_type);
    uint32_t u;
    uint32_t u1;
    flx_share((call->r1 - call->r0) * flx_lines(a->rank, a->row_dims, a->dim),
              part, n_parts, &u, &u1);
    while (u < u1) {
        struct flx_plane p;
        const uint8_t *base[FLX_EWISE_MAX_IN + 1];
        u += flx_plane_at(a->rank, a->row_dims, a->dim, call->r0, u, u1, &p);
        for (uint32_t i = 0; i <= a->n_in; i++) {
            base[i] =
                flx_view_at(&v[i], bytes[i], a->row_dims, a->rank, p.at, p.r);
        }
        for (uint32_t line = 0; line < p.a1 - p.a0; line++) {
            for (uint32_t e = 0; e < a->dim[last]; e += FLX_RUN) {
                const uint32_t n = flx_min_u(FLX_RUN, a->dim[last] - e);
                const uint8_t *ptr[FLX_EWISE_MAX_IN + 1];
                for (uint32_t i = 0; i <= a->n_in; i++) {
                    ptr[i] =
                        base[i] + ((ptrdiff_t)line * v[i].stride[last - 1] +
                                   (ptrdiff_t)e * v[i].stride[last]) *
                                      (ptrdiff_t)bytes[i];
                }
                const float *r = flx_ewise_q8_run(a, ptr, &s, n);
                uint8_t *out = (uint8_t *)(uintptr_t)ptr[a->n_in];
                if (to_byte) {
                    flx_run_to_bytes(out, a->out_stride[last], r, n, low,
                                     low + 255);
                } else {
                    flx_run_scatter((float *)(void *)out, a->out_stride[last],
                                    r, n);
                }
            }
        }
    }
}

#endif
