/* k_tensor_state.h - linear attention: a state matrix S[key][value] for each
 * head, changed and read once a time step.
 *
 *   S *= exp(decay)                         row by row, or all
 *   v = beta (v - S^T k)                    where there is beta
 *   S += k v^T;  out = scale S^T q
 *
 * q[b][t][head][key], k[b][t][kv][key], v[b][t][kv][value], past state
 * [b][kv][key][value], decay[b][t][kv][key or 1], beta[b][t][kv or 1]; a head
 * of k and v serves heads / kv heads of q. out is dense: [b][t][head][value],
 * then the last state. p: places of past, decay and beta, 0 where there is
 * none; f: scale. All f32; multiply-adds are fused, keys ascending. */
#ifndef K_TENSOR_STATE_H
#define K_TENSOR_STATE_H

#include "flx_tensor.h"

FLX_INLINE float flx_state_get(const struct flx_tensor *t, ptrdiff_t off)
{
    float x;
    __builtin_memcpy(&x, flx_tensor_off(t, off), sizeof x);
    return x;
}

/* Offset of [b][t][h]. */
FLX_INLINE ptrdiff_t flx_state_off(const struct flx_tensor *t, uint32_t b,
                                   uint32_t time, uint32_t h)
{
    return (ptrdiff_t)b * t->stride[0] + (ptrdiff_t)time * t->stride[1] +
           (ptrdiff_t)h * t->stride[2];
}

/* Scratch: FLX_WORD_SCRATCH(values) a part. Parts share b x kv. out overlaps no
 * operand. */
FLX_INLINE void k_tensor_state(const struct flx_call *call,
                               const struct flx_tensor_arg *a, uint32_t part,
                               uint32_t n_parts)
{
    const struct flx_tensor out = flx_tensor_of(a, call, 0);
    const struct flx_tensor q = flx_tensor_of(a, call, 1);
    const struct flx_tensor k = flx_tensor_of(a, call, 2);
    const struct flx_tensor v = flx_tensor_of(a, call, 3);
    const struct flx_tensor past = flx_tensor_of(a, call, (uint32_t)a->p[0]);
    const struct flx_tensor decay = flx_tensor_of(a, call, (uint32_t)a->p[1]);
    const struct flx_tensor beta = flx_tensor_of(a, call, (uint32_t)a->p[2]);
    const uint32_t n_t = q.dim[1];
    const uint32_t n_kv = k.dim[2];
    const uint32_t n_group = q.dim[2] / n_kv;
    const uint32_t n_key = k.dim[3];
    const uint32_t n_val = v.dim[3];
    float *const y = (float *)(void *)out.base;
    float *const all = y + (size_t)q.dim[0] * n_t * q.dim[2] * n_val;
    float *const row =
        (float *)(void *)(call->scratch +
                          (size_t)part * FLX_WORD_SCRATCH(n_val));
    uint32_t u;
    uint32_t end;
    flx_share(q.dim[0] * n_kv, part, n_parts, &u, &end);
    for (; u < end; u++) {
        const uint32_t b = u / n_kv;
        const uint32_t h = u % n_kv;
        float *const s = all + (size_t)u * n_key * n_val;
        for (uint32_t i = 0; i < n_key * n_val; i++) {
            s[i] = a->p[0]
                       ? flx_state_get(
                             &past, flx_state_off(&past, b, h, i / n_val) +
                                        (ptrdiff_t)(i % n_val) * past.stride[3])
                       : 0.0f;
        }
        for (uint32_t t = 0; t < n_t; t++) {
            const ptrdiff_t at_k = flx_state_off(&k, b, t, h);
            const ptrdiff_t at_v = flx_state_off(&v, b, t, h);
            for (uint32_t d = 0; a->p[1] && d < n_key; d++) {
                const uint32_t own = decay.dim[3] == 1 ? 0 : d;
                const float g = (float)flx_dexp((double)flx_state_get(
                    &decay, flx_state_off(&decay, b, t, h) +
                                (ptrdiff_t)own * decay.stride[3]));
                for (uint32_t m = 0; m < n_val; m++) {
                    s[d * n_val + m] *= g;
                }
            }
            for (uint32_t m = 0; m < n_val; m++) {
                row[m] = flx_state_get(&v, at_v + (ptrdiff_t)m * v.stride[3]);
            }
            if (a->p[2]) {
                const uint32_t own = beta.dim[2] == 1 ? 0 : h;
                const float e =
                    flx_state_get(&beta, flx_state_off(&beta, b, t, own));
                for (uint32_t m = 0; m < n_val; m++) {
                    float x = 0.0f;
                    for (uint32_t d = 0; d < n_key; d++) {
                        x = flx_fma(flx_state_get(&k, at_k + (ptrdiff_t)d *
                                                                 k.stride[3]),
                                    s[d * n_val + m], x);
                    }
                    row[m] = e * (row[m] - x);
                }
            }
            for (uint32_t d = 0; d < n_key; d++) {
                const float x =
                    flx_state_get(&k, at_k + (ptrdiff_t)d * k.stride[3]);
                for (uint32_t m = 0; m < n_val; m++) {
                    s[d * n_val + m] = flx_fma(x, row[m], s[d * n_val + m]);
                }
            }
            for (uint32_t i = 0; i < n_group; i++) {
                const uint32_t head = h * n_group + i;
                const ptrdiff_t at_q = flx_state_off(&q, b, t, head);
                float *const to =
                    y + (((size_t)b * n_t + t) * q.dim[2] + head) * n_val;
                for (uint32_t m = 0; m < n_val; m++) {
                    float x = 0.0f;
                    for (uint32_t d = 0; d < n_key; d++) {
                        x = flx_fma(flx_state_get(&q, at_q + (ptrdiff_t)d *
                                                                 q.stride[3]),
                                    s[d * n_val + m], x);
                    }
                    to[m] = a->f[0] * x;
                }
            }
        }
    }
}

#endif
