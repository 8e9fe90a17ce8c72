/* k_attention.h - attention of queries to keys, head by head, by a running
 * softmax: no score outlives its step.
 *
 *   out[n][t][h][c] = sum over s of e^(x[s] - m) * v[n][s][g][c]
 *                     / sum over s of e^(x[s] - m)
 *   x[s] = (scale * q[n][t][h]) . k[n][s][g] + mask[n][t][h][s], g = h /
 *   kv_group; m: the largest x[s] so far
 *
 * Keys come in steps of FLX_ATTN_KEYS from 0. A score is one chain over the
 * head's channels; after a step with a larger m, sums so far are scaled by
 * e^(old m - new m); then each sum goes on as one chain over the keys. Keys
 * that a causal mask hides, and those where a mask of choice is false, have no
 * weight; `blind` says what a query gets that sees none. Steps that are hidden
 * from all queries of a group are left out: groups are FLX_ATTN_ROWS queries of
 * an image from 0 on, whatever the box. out must not overlap an operand.
 * Method: [online-softmax] algorithm 3, [flash-attention] algorithm 1. */
#ifndef K_ATTENTION_H
#define K_ATTENTION_H

#include "flx_act.h"
#include "flx_tile.h"

/* The largest float. */
#define FLX_ATTN_MOST 0x1.fffffep127f

/* Scratch of a part, and what a call is about. Queries are lanes, in panels of
 * 16. */
struct flx_attn {
    const struct flx_attention_arg *a;
    struct flx_view out;
    struct flx_view q;
    struct flx_view k;
    struct flx_view v;
    struct flx_view mask;
    float *q_pack; /* [panel][channel][16], scaled; lanes to spare are 0 */
    float *score;  /* [panel][key of the step][16] */
    float *acc;    /* [16 channels of v][query][16] */
    float *v_pack; /* [key of the step][16], of 16 channels */
    float *top;    /* [query]: m */
    float *sum;    /* [query] */
    float *shrink; /* [query]: e^(old m - new m) */
};

/* Queries [t0, t0 + n) of an image, one head. */
struct flx_attn_unit {
    uint32_t image;
    uint32_t head;
    uint32_t t0;
    uint32_t n;
    uint32_t keys; /* the first so many are looked at */
};

FLX_INLINE uint32_t flx_attn_panels(uint32_t n)
{
    return (n + FLX_PANEL - 1) / FLX_PANEL;
}

FLX_INLINE const float *flx_attn_at(const struct flx_attn *w,
                                    const struct flx_view *v, uint32_t image,
                                    uint32_t row, uint32_t head)
{
    const uint32_t at[3] = {image, row, head};
    return (const float *)(const void *)flx_view_at(
        v, sizeof(float), 2, 3, at, image * w->a->queries + row);
}

FLX_INLINE void flx_attn_start(const struct flx_attn *w,
                               const struct flx_attn_unit *u)
{
    const uint32_t size = w->a->head_size;
    for (uint32_t i = 0; i < flx_attn_panels(u->n) * FLX_PANEL; i++) {
        float *dst =
            w->q_pack + i / FLX_PANEL * FLX_PANEL * size + i % FLX_PANEL;
        w->top[i] = -FLX_ATTN_MOST;
        w->sum[i] = 0.0f;
        if (i < u->n) {
            const float *q =
                flx_attn_at(w, &w->q, u->image, u->t0 + i, u->head);
            for (uint32_t c = 0; c < size; c++) {
                dst[(size_t)c * FLX_PANEL] =
                    q[(ptrdiff_t)c * w->q.stride[3]] * w->a->scale;
            }
        } else {
            for (uint32_t c = 0; c < size; c++) {
                dst[(size_t)c * FLX_PANEL] = 0.0f;
            }
        }
    }
}

/* Scores of keys [s0, s0 + n) against a panel of queries. */
FLX_INLINE void flx_attn_score(const struct flx_attn *w,
                               const struct flx_attn_unit *u, uint32_t panel,
                               uint32_t s0, uint32_t n)
{
    const uint32_t size = w->a->head_size;
    const float *q = w->q_pack + (size_t)panel * FLX_PANEL * size;
    float *score = w->score + (size_t)panel * FLX_PANEL * FLX_ATTN_KEYS;
    for (uint32_t i = 0; i < n; i += FLX_TILE_M) {
        const float *row[FLX_TILE_M];
        for (uint32_t j = 0; j < FLX_TILE_M; j++) {
            row[j] =
                flx_attn_at(w, &w->k, u->image, s0 + flx_min_u(i + j, n - 1),
                            u->head / w->a->kv_group);
        }
        for (uint32_t s = 0; s < FLX_TILE_SUBS; s++) {
            const uint32_t lane = s * FLX_TILE_LANES;
            struct flx_tile t;
            flx_tile_set(&t, flx_zero);
            flx_tile_mac_by(&t, q + lane, row, w->k.stride[3], size);
            flx_tile_put(&t, score + (size_t)i * FLX_PANEL + lane);
        }
    }
}

/* Hides keys [s0, s0 + n) from the queries of a panel, or biases them. */
FLX_INLINE void flx_attn_mask(const struct flx_attn *w,
                              const struct flx_attn_unit *u, uint32_t panel,
                              uint32_t s0, uint32_t n)
{
    const struct flx_attention_arg *a = w->a;
    const float never =
        a->blind == FLX_ATTN_BLIND_MEAN ? -FLX_ATTN_MOST : -__builtin_inff();
    float *score = w->score + (size_t)panel * FLX_PANEL * FLX_ATTN_KEYS;
    const uint32_t bytes = a->mask_kind == FLX_ATTN_MASK_ADD ? 4 : 1;
    for (uint32_t j = 0; j < FLX_PANEL; j++) {
        const uint32_t i = panel * FLX_PANEL + j;
        const uint32_t at[3] = {u->image, u->t0 + i, u->head};
        if (i >= u->n) {
            break;
        }
        if (a->mask_kind != FLX_ATTN_MASK_NONE) {
            const uint8_t *m =
                flx_view_at(&w->mask, bytes, 2, 3, at, 0) +
                (ptrdiff_t)s0 * w->mask.stride[3] * (ptrdiff_t)bytes;
            for (uint32_t s = 0; s < n; s++) {
                float *x = score + (size_t)s * FLX_PANEL + j;
                if (a->mask_kind == FLX_ATTN_MASK_ADD) {
                    *x += *(const float *)(const void *)m;
                } else if (*m == 0) {
                    *x = never;
                }
                m += (ptrdiff_t)w->mask.stride[3] * (ptrdiff_t)bytes;
            }
        }
        for (uint32_t s = 0; a->is_causal && s < n; s++) {
            if (s0 + s > u->t0 + i) {
                score[(size_t)s * FLX_PANEL + j] = never;
            }
        }
    }
}

/* Scores to weights, and what that does to the sums. */
FLX_INLINE void flx_attn_weigh(const struct flx_attn *w, uint32_t panel,
                               uint32_t n)
{
    float *score = w->score + (size_t)panel * FLX_PANEL * FLX_ATTN_KEYS;
    for (uint32_t j = 0; j < FLX_PANEL; j += FLX_LANES) {
        const uint32_t i = panel * FLX_PANEL + j;
        const flx_v before = flx_load(w->top + i);
        flx_v top = before;
        for (uint32_t s = 0; s < n; s++) {
            top = flx_vmax(flx_load(score + (size_t)s * FLX_PANEL + j), top);
        }
        const flx_v shrink = flx_vexp(before - top);
        flx_v sum = flx_load(w->sum + i) * shrink;
        for (uint32_t s = 0; s < n; s++) {
            float *x = score + (size_t)s * FLX_PANEL + j;
            const flx_v e = flx_vexp(flx_load(x) - top);
            flx_store(x, e);
            sum += e;
        }
        flx_store(w->top + i, top);
        flx_store(w->shrink + i, shrink);
        flx_store(w->sum + i, sum);
    }
}

/* 16 channels of v of keys [s0, s0 + n); those beyond the last are 0. */
FLX_INLINE void flx_attn_pack(const struct flx_attn *w,
                              const struct flx_attn_unit *u, uint32_t c,
                              uint32_t s0, uint32_t n)
{
    const uint32_t m = flx_min_u(FLX_PANEL, w->a->v_size - c);
    const ptrdiff_t step = w->v.stride[3];
    for (uint32_t s = 0; s < n; s++) {
        const float *v =
            flx_attn_at(w, &w->v, u->image, s0 + s, u->head / w->a->kv_group) +
            (ptrdiff_t)c * step;
        float *dst = w->v_pack + (size_t)s * FLX_PANEL;
        if (step == 1 && m == FLX_PANEL) {
            for (uint32_t j = 0; j < FLX_PANEL; j += FLX_LANES) {
                flx_store(dst + j, flx_load(v + j));
            }
            continue;
        }
        for (uint32_t j = 0; j < FLX_PANEL; j++) {
            dst[j] = j < m ? v[(ptrdiff_t)j * step] : 0.0f;
        }
    }
}

/* Adds weights x v of n keys, 16 channels from c on. */
FLX_INLINE void flx_attn_add(const struct flx_attn *w,
                             const struct flx_attn_unit *u, uint32_t c,
                             uint32_t n, uint32_t is_first)
{
    float *acc = w->acc + (size_t)c * FLX_ATTN_ROWS;
    for (uint32_t i = 0; !is_first && i < u->n; i++) {
        const flx_v shrink = flx_splat(w->shrink[i]);
        for (uint32_t j = 0; j < FLX_PANEL; j += FLX_LANES) {
            float *x = acc + (size_t)i * FLX_PANEL + j;
            flx_store(x, flx_load(x) * shrink);
        }
    }
    for (uint32_t i = 0; i < u->n; i += FLX_TILE_M) {
        const float *row[FLX_TILE_M];
        for (uint32_t j = 0; j < FLX_TILE_M; j++) {
            const uint32_t q = flx_min_u(i + j, u->n - 1);
            row[j] = w->score +
                     (size_t)(q / FLX_PANEL) * FLX_PANEL * FLX_ATTN_KEYS +
                     q % FLX_PANEL;
        }
        for (uint32_t s = 0; s < FLX_TILE_SUBS; s++) {
            const uint32_t lane = s * FLX_TILE_LANES;
            float *x = acc + (size_t)i * FLX_PANEL + lane;
            struct flx_tile t;
            if (is_first) {
                flx_tile_set(&t, flx_zero);
            } else {
                flx_tile_get(&t, x);
            }
            flx_tile_mac_by(&t, w->v_pack + lane, row, FLX_PANEL, n);
            flx_tile_put(&t, x);
        }
    }
}

FLX_INLINE void flx_attn_store(const struct flx_attn *w,
                               const struct flx_attn_unit *u)
{
    const uint32_t size = w->a->v_size;
    const uint32_t blind = w->a->blind;
    const ptrdiff_t step = w->out.stride[3];
    for (uint32_t i = 0; i < u->n; i++) {
        float *out = (float *)(uintptr_t)flx_attn_at(w, &w->out, u->image,
                                                     u->t0 + i, u->head);
        const flx_v sum = flx_splat(w->sum[i]);
        /* Some e^0 is in the sum of a query that sees a key. */
        const uint32_t is_blind =
            w->sum[i] == 0.0f
                ? blind == FLX_ATTN_BLIND_ZERO || blind == FLX_ATTN_BLIND_GUARD
                : w->sum[i] != w->sum[i] && blind == FLX_ATTN_BLIND_GUARD;
        for (uint32_t c = 0; c < size; c += FLX_LANES) {
            const float *x =
                w->acc + (size_t)(c / FLX_PANEL) * FLX_PANEL * FLX_ATTN_ROWS +
                (size_t)i * FLX_PANEL + c % FLX_PANEL;
            const flx_v y = is_blind ? flx_splat(0.0f) : flx_load(x) / sum;
            if (step == 1 && c + FLX_LANES <= size) {
                flx_store(out + c, y);
                continue;
            }
            float tmp[FLX_LANES];
            flx_store(tmp, y);
            for (uint32_t j = 0; j < FLX_LANES && c + j < size; j++) {
                out[(ptrdiff_t)(c + j) * step] = tmp[j];
            }
        }
    }
}

FLX_INLINE void flx_attn_run(const struct flx_attn *w,
                             const struct flx_attn_unit *u)
{
    const struct flx_attention_arg *a = w->a;
    flx_attn_start(w, u);
    for (uint32_t s0 = 0; s0 < u->keys; s0 += FLX_ATTN_KEYS) {
        const uint32_t n = flx_min_u(FLX_ATTN_KEYS, u->keys - s0);
        const uint32_t hides = a->mask_kind != FLX_ATTN_MASK_NONE ||
                               (a->is_causal && s0 + n - 1 > u->t0);
        for (uint32_t panel = 0; panel < flx_attn_panels(u->n); panel++) {
            flx_attn_score(w, u, panel, s0, n);
            if (hides) {
                flx_attn_mask(w, u, panel, s0, n);
            }
            flx_attn_weigh(w, panel, n);
        }
        for (uint32_t c = 0; c < a->v_size; c += FLX_PANEL) {
            flx_attn_pack(w, u, c, s0, n);
            flx_attn_add(w, u, c, n, s0 == 0);
        }
    }
    flx_attn_store(w, u);
}

/* No weights but a constant mask. Scratch of a part: FLX_ATTN_SCRATCH. Parts
 * share heads x groups of queries. */
FLX_INLINE void k_attention_f32(const struct flx_call *call,
                                const struct flx_attention_arg *a,
                                uint32_t part, uint32_t n_parts)
{
    const uint32_t channels = flx_attn_panels(a->v_size) * FLX_PANEL;
    float *scratch =
        (float *)(void *)(call->scratch +
                          part * FLX_ATTN_SCRATCH(a->head_size, a->v_size));
    struct flx_attn w = {.a = a,
                         .out = FLX_VIEW(a, out, call),
                         .q = FLX_VIEW(a, q, call),
                         .k = FLX_VIEW(a, k, call),
                         .v = FLX_VIEW(a, v, call),
                         .mask = FLX_VIEW(a, mask, call)};
    w.acc = scratch;
    w.score = w.acc + (size_t)channels * FLX_ATTN_ROWS;
    w.q_pack = w.score + FLX_ATTN_ROWS * FLX_ATTN_KEYS;
    w.v_pack = w.q_pack + (size_t)a->head_size * FLX_ATTN_ROWS;
    w.top = w.v_pack + FLX_ATTN_PACK;
    w.sum = w.top + FLX_ATTN_ROWS;
    w.shrink = w.sum + FLX_ATTN_ROWS;
    const uint32_t h0 = call->p0 * a->panel_heads;
    const uint32_t h1 = flx_min_u(a->heads, call->p1 * a->panel_heads);
    uint32_t unit = 0;
    for (uint32_t r = call->r0; r < call->r1;) {
        struct flx_attn_unit u = {.image = r / a->queries,
                                  .t0 = r % a->queries};
        const uint32_t group_end =
            flx_min_u(a->queries, (u.t0 / FLX_ATTN_ROWS + 1) * FLX_ATTN_ROWS);
        u.n = flx_min_u(group_end - u.t0, call->r1 - r);
        u.keys = a->is_causal ? flx_min_u(a->keys, group_end) : a->keys;
        for (u.head = h0; u.head < h1; u.head++) {
            if (unit++ % n_parts == part) {
                flx_attn_run(&w, &u);
            }
        }
        r += u.n;
    }
}

#endif
