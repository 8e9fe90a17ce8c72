/* k_tensor_rnn.h - the recurrent part of RNN, GRU and LSTM; what the inputs
 * give is computed before, for all times at once.
 *
 * x[t][b][d][g] holds x_t W^T and biases; r[d][k][g] the recurrent weights,
 * transposed; d counts directions, g gates of `hidden` each. Gates' order is
 * that of ONNX: GRU z r h, LSTM i o f c. One step, with h and c those of the
 * step before and every argument of f, g, h clipped to [-clip, clip]:
 *
 *   RNN   h' = f(x + h R)
 *   GRU   z, r = f(x + h R);  n = g(x + (r h) R)
 *         or, reset after,    n = g(x + r (h R + b))
 *         h' = (1 - z) n + z h
 *   LSTM  i = f(x + h R + p_i c);  f = f(x + h R + p_f c), or 1 - i
 *         c' = f c + i g(x + h R);  o = f(x + h R + p_o c');  h' = o h(c')
 *
 * out is dense: y[t][d][b][hidden] if there is room for it, the last h
 * [d][b][hidden], and of LSTM the last c. A sequence shorter than t has zeros
 * behind its end in y; backwards it starts at its own end.
 *
 * p: see enum flx_rnn_p; an operand's number is 0 where there is none. f:
 * alpha and beta of each of the three functions of each direction, then clip.
 * A gate is one chain of fused multiply-adds: x, then k ascending. */
#ifndef K_TENSOR_RNN_H
#define K_TENSOR_RNN_H

#include "flx_act.h"
#include "flx_tensor.h"

enum flx_rnn_p {
    FLX_RNN_KIND,
    FLX_RNN_HAS_Y,
    FLX_RNN_IS_REVERSE, /* of direction 0; 1 always is */
    FLX_RNN_RESETS_AFTER,
    FLX_RNN_COUPLES, /* LSTM: f = 1 - i */
    FLX_RNN_B,       /* operands: [d][hidden], of the reset after */
    FLX_RNN_LENS,    /* [b], i32 */
    FLX_RNN_H,       /* [d][b][hidden] */
    FLX_RNN_C,       /* [d][b][hidden] */
    FLX_RNN_P,       /* [d][3 hidden]: i o f */
    FLX_RNN_HAS_CLIP,
    FLX_RNN_ACT /* three a direction, enum flx_rnn_act */
};
enum flx_rnn_kind { FLX_RNN_PLAIN, FLX_RNN_GRU, FLX_RNN_LSTM };
enum flx_rnn_act {
    FLX_RNN_RELU,
    FLX_RNN_TANH,
    FLX_RNN_SIGMOID,
    FLX_RNN_AFFINE,
    FLX_RNN_LEAKY,
    FLX_RNN_THRESHOLDED,
    FLX_RNN_SCALED_TANH,
    FLX_RNN_HARD_SIGMOID,
    FLX_RNN_ELU,
    FLX_RNN_SOFTSIGN,
    FLX_RNN_SOFTPLUS
};

FLX_INLINE flx_v flx_rnn_act_v(uint32_t act, float a, float b, flx_v x)
{
    const flx_v zero = flx_splat(0.0f);
    const flx_v one = flx_splat(1.0f);
    const flx_v va = flx_splat(a);
    const flx_v vb = flx_splat(b);
    switch (act) {
    case FLX_RNN_RELU:
        return flx_if_less(x, zero, zero, x);
    case FLX_RNN_TANH:
        return flx_vtanh(x);
    case FLX_RNN_SIGMOID:
        return flx_vsigmoid(x);
    case FLX_RNN_AFFINE:
        return flx_vfma(va, x, vb);
    case FLX_RNN_LEAKY:
        return flx_if_less(x, zero, va * x, x);
    case FLX_RNN_THRESHOLDED:
        return flx_if_less(va, x, x, zero);
    case FLX_RNN_SCALED_TANH:
        return va * flx_vtanh(vb * x);
    case FLX_RNN_HARD_SIGMOID:
        return flx_vmin(one, flx_vmax(zero, flx_vfma(va, x, vb)));
    case FLX_RNN_ELU:
        return flx_if_less(x, zero, va * (flx_vexp(x) - one), x);
    case FLX_RNN_SOFTSIGN:
        return x / (one + flx_vabs(x));
    default: /* FLX_RNN_SOFTPLUS, without overflow */
        return flx_vmax(x, zero) +
               flx_vlog(one + flx_vexp(flx_vneg(flx_vabs(x))));
    }
}

/* One layer of one direction, and its sizes. */
struct flx_rnn {
    const struct flx_tensor_arg *a;
    const int32_t *p;
    const float *f; /* of the direction */
    const int32_t *act;
    uint32_t d;
    uint32_t hidden;
    uint32_t gates; /* times hidden */
    const float *r; /* [k][gates] */
    ptrdiff_t r_step;
    const float *peep; /* or NULL */
    const float *after;
    float clip;
};

/* Function k of n numbers, in place, clipped before. */
FLX_SHARED void flx_rnn_apply(const struct flx_rnn *s, uint32_t k, float *x,
                              uint32_t n)
{
    const flx_v high = flx_splat(s->clip);
    for (uint32_t i = 0; i < n; i += FLX_LANES) {
        const uint32_t m = flx_min_u(FLX_LANES, n - i);
        flx_v v = m == FLX_LANES ? flx_load(x + i) : flx_load_n(x + i, m, 0.0f);
        if (s->p[FLX_RNN_HAS_CLIP]) {
            v = flx_vmin(high, flx_vmax(flx_vneg(high), v));
        }
        v = flx_rnn_act_v((uint32_t)s->act[k], s->f[2 * k], s->f[2 * k + 1], v);
        if (m == FLX_LANES) {
            flx_store(x + i, v);
        } else {
            flx_store_n(x + i, v, m);
        }
    }
}

/* acc[j] += sum over k of h[k] * r[k][from + j], j below n. */
FLX_SHARED void flx_rnn_product(const struct flx_rnn *s, const float *h,
                                uint32_t from, float *acc, uint32_t n)
{
    enum { WIDE = 4 * FLX_LANES };
    const float *r = s->r + from;
    uint32_t j = 0;
    for (; j + WIDE <= n; j += WIDE) {
        flx_v v0 = flx_load(acc + j);
        flx_v v1 = flx_load(acc + j + FLX_LANES);
        flx_v v2 = flx_load(acc + j + 2 * FLX_LANES);
        flx_v v3 = flx_load(acc + j + 3 * FLX_LANES);
        const float *row = r + j;
        for (uint32_t k = 0; k < s->hidden; k++, row += s->r_step) {
            const flx_v x = flx_splat(h[k]);
            v0 = flx_vfma(x, flx_load(row), v0);
            v1 = flx_vfma(x, flx_load(row + FLX_LANES), v1);
            v2 = flx_vfma(x, flx_load(row + 2 * FLX_LANES), v2);
            v3 = flx_vfma(x, flx_load(row + 3 * FLX_LANES), v3);
        }
        flx_store(acc + j, v0);
        flx_store(acc + j + FLX_LANES, v1);
        flx_store(acc + j + 2 * FLX_LANES, v2);
        flx_store(acc + j + 3 * FLX_LANES, v3);
    }
    for (; j < n; j++) {
        const float *row = r + j;
        float v = acc[j];
        for (uint32_t k = 0; k < s->hidden; k++, row += s->r_step) {
            v = flx_fma(h[k], *row, v);
        }
        acc[j] = v;
    }
}

/* gate: x, then h R, becomes [z, r, n]. temp: hidden floats. */
FLX_INLINE void flx_rnn_gru(const struct flx_rnn *s, float *gate, float *temp,
                            float *h)
{
    const uint32_t n = s->hidden;
    const float *z = gate;
    const float *r = gate + n;
    float *c = gate + 2 * (size_t)n;
    flx_rnn_product(s, h, 0, gate, 2 * n);
    flx_rnn_apply(s, 0, gate, 2 * n);
    for (uint32_t i = 0; i < n; i++) {
        temp[i] = s->p[FLX_RNN_RESETS_AFTER] ? (s->after ? s->after[i] : 0.0f)
                                             : r[i] * h[i];
    }
    if (s->p[FLX_RNN_RESETS_AFTER]) {
        flx_rnn_product(s, h, 2 * n, temp, n);
        for (uint32_t i = 0; i < n; i++) {
            c[i] = flx_fma(r[i], temp[i], c[i]);
        }
    } else {
        flx_rnn_product(s, temp, 2 * n, c, n);
    }
    flx_rnn_apply(s, 1, c, n);
    for (uint32_t i = 0; i < n; i++) {
        h[i] = flx_fma(z[i], h[i], (1.0f - z[i]) * c[i]);
    }
}

/* x[i] += p[i] * c[i], where there are peepholes. */
FLX_INLINE void flx_rnn_peep(const struct flx_rnn *s, uint32_t k, float *x,
                             const float *c)
{
    for (uint32_t i = 0; s->peep && i < s->hidden; i++) {
        x[i] = flx_fma(s->peep[k * s->hidden + i], c[i], x[i]);
    }
}

FLX_INLINE void flx_rnn_lstm(const struct flx_rnn *s, float *gate, float *h,
                             float *c)
{
    const uint32_t n = s->hidden;
    float *in = gate;
    float *out = gate + n;
    float *keep = gate + 2 * (size_t)n;
    float *fresh = gate + 3 * (size_t)n;
    flx_rnn_product(s, h, 0, gate, 4 * n);
    flx_rnn_peep(s, 0, in, c);
    flx_rnn_apply(s, 0, in, n);
    if (s->p[FLX_RNN_COUPLES]) {
        for (uint32_t i = 0; i < n; i++) {
            keep[i] = 1.0f - in[i];
        }
    } else {
        flx_rnn_peep(s, 2, keep, c);
        flx_rnn_apply(s, 0, keep, n);
    }
    flx_rnn_apply(s, 1, fresh, n);
    for (uint32_t i = 0; i < n; i++) {
        c[i] = flx_fma(keep[i], c[i], in[i] * fresh[i]);
        h[i] = c[i];
    }
    flx_rnn_peep(s, 1, out, c);
    flx_rnn_apply(s, 0, out, n);
    flx_rnn_apply(s, 2, h, n);
    for (uint32_t i = 0; i < n; i++) {
        h[i] = out[i] * h[i];
    }
}

/* Row [d][b] of operand k, or NULL. */
FLX_INLINE const float *flx_rnn_row(const struct flx_tensor_arg *a,
                                    const struct flx_call *call, uint32_t k,
                                    uint32_t d, uint32_t b)
{
    const struct flx_tensor t = flx_tensor_of(a, call, k);
    ptrdiff_t off = (ptrdiff_t)d * t.stride[0];
    off += t.rank == 3 ? (ptrdiff_t)b * t.stride[1] : 0;
    return k ? (const float *)(const void *)flx_tensor_off(&t, off) : NULL;
}

/* Copies n floats of `from`, or zeros. */
FLX_INLINE void flx_rnn_set(float *to, const float *from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        to[i] = from ? from[i] : 0.0f;
    }
}

/* Scratch: FLX_WORD_SCRATCH(gates + hidden) a part. Parts share directions x
 * sequences. All operands are f32 and dense along their last dimension; out
 * overlaps none. */
FLX_INLINE void k_tensor_rnn(const struct flx_call *call,
                             const struct flx_tensor_arg *a, uint32_t part,
                             uint32_t n_parts)
{
    const struct flx_tensor x = flx_tensor_of(a, call, 1);
    const struct flx_tensor r = flx_tensor_of(a, call, 2);
    const struct flx_tensor out = flx_tensor_of(a, call, 0);
    const struct flx_tensor lens =
        flx_tensor_of(a, call, (uint32_t)a->p[FLX_RNN_LENS]);
    const uint32_t n_t = x.dim[0];
    const uint32_t n_b = x.dim[1];
    const uint32_t n_d = x.dim[2];
    const uint32_t n = r.dim[1];
    const uint32_t g = x.dim[3];
    const size_t n_y = a->p[FLX_RNN_HAS_Y] ? (size_t)n_t * n_d * n_b * n : 0;
    float *const y = (float *)(void *)out.base;
    float *const gate =
        (float *)(void *)(call->scratch +
                          (size_t)part * FLX_WORD_SCRATCH(g + n));
    uint32_t u;
    uint32_t end;
    flx_share(n_d * n_b, part, n_parts, &u, &end);
    for (; u < end; u++) {
        const uint32_t d = u / n_b;
        const uint32_t b = u % n_b;
        const uint32_t is_back = d == 1 || a->p[FLX_RNN_IS_REVERSE];
        float *const h = y + n_y + (size_t)u * n;
        float *const c = h + (size_t)n_d * n_b * n;
        const struct flx_rnn s = {
            .a = a,
            .p = a->p,
            .f = a->f + 6 * (size_t)d,
            .act = a->p + FLX_RNN_ACT + 3 * (size_t)d,
            .d = d,
            .hidden = n,
            .gates = g,
            .r = (const float *)(const void *)flx_tensor_off(
                &r, (ptrdiff_t)d * r.stride[0]),
            .r_step = r.stride[1],
            .peep = flx_rnn_row(a, call, (uint32_t)a->p[FLX_RNN_P], d, 0),
            .after = flx_rnn_row(a, call, (uint32_t)a->p[FLX_RNN_B], d, 0),
            .clip = a->f[12],
        };
        flx_rnn_set(h, flx_rnn_row(a, call, (uint32_t)a->p[FLX_RNN_H], d, b),
                    n);
        if (a->p[FLX_RNN_KIND] == FLX_RNN_LSTM) {
            flx_rnn_set(
                c, flx_rnn_row(a, call, (uint32_t)a->p[FLX_RNN_C], d, b), n);
        }
        int64_t n_own = (int64_t)n_t;
        if (a->p[FLX_RNN_LENS]) {
            n_own = flx_get_int(
                lens.type,
                flx_tensor_off(&lens, (ptrdiff_t)b * lens.stride[0]));
            n_own = n_own < 0 ? 0 : n_own > (int64_t)n_t ? (int64_t)n_t : n_own;
        }
        for (uint32_t i = 0; i < n_t; i++) {
            const uint32_t is_in = (int64_t)i < n_own;
            const uint32_t t = is_in && is_back ? (uint32_t)n_own - 1 - i : i;
            const ptrdiff_t at = (ptrdiff_t)t * x.stride[0] +
                                 (ptrdiff_t)b * x.stride[1] +
                                 (ptrdiff_t)d * x.stride[2];
            if (is_in) {
                flx_rnn_set(gate,
                            (const float *)(const void *)flx_tensor_off(&x, at),
                            g);
                if (a->p[FLX_RNN_KIND] == FLX_RNN_LSTM) {
                    flx_rnn_lstm(&s, gate, h, c);
                } else if (a->p[FLX_RNN_KIND] == FLX_RNN_GRU) {
                    flx_rnn_gru(&s, gate, gate + g, h);
                } else {
                    flx_rnn_product(&s, h, 0, gate, n);
                    flx_rnn_apply(&s, 0, gate, n);
                    flx_rnn_set(h, gate, n);
                }
            }
            if (n_y) {
                flx_rnn_set(y + (((size_t)t * n_d + d) * n_b + b) * n,
                            is_in ? h : NULL, n);
            }
        }
    }
}

#endif
