/* k_matmul.h - products of two computed operands, any batch dimensions.
 *
 *   out[..][m][n] = sum over k of a[..][m][k] * b[..][k][n]
 *
 * Each element is one chain over k from 0. Blocks of FLX_MATMUL_K rows x 16
 * columns of b are packed into the scratch and used for all rows of the box in
 * the same batch; partial sums wait in the output. out, whose columns are next
 * to each other, must not overlap an operand. */
#ifndef K_MATMUL_H
#define K_MATMUL_H

#include "flx_tile.h"

/* Packs k rows of n <= 16 columns; the other lanes are 0. */
FLX_INLINE void flx_matmul_pack(float *dst, const float *b, ptrdiff_t sk,
                                ptrdiff_t sn, uint32_t k, uint32_t n)
{
    for (uint32_t i = 0; i < k; i++) {
        for (uint32_t j = 0; j < FLX_PANEL; j++) {
            dst[j] = j < n ? b[(ptrdiff_t)j * sn] : 0.0f;
        }
        dst += FLX_PANEL;
        b += sk;
    }
}

/* m <= FLX_TILE_M rows from row r, columns [c, c + n), k steps. */
struct flx_matmul_tile {
    const float *w; /* packed b */
    float *copy;    /* where rows of a go if their elements lie apart */
    const float *row[FLX_TILE_M];
    float *out[FLX_TILE_M];
    uint32_t m;
    uint32_t n;
    uint32_t k;
    uint32_t is_first; /* starts from 0, not from the output */
};

FLX_INLINE void flx_matmul_tile(struct flx_matmul_tile *t, ptrdiff_t a_k)
{
    float buf[FLX_TILE_M * FLX_PANEL] = {0};
    for (uint32_t i = 0; i < t->m && !t->is_first; i++) {
        for (uint32_t j = 0; j < t->n; j++) {
            buf[i * FLX_PANEL + j] = t->out[i][j];
        }
    }
    for (uint32_t i = 0; a_k != 1 && i < t->m; i++) {
        float *dst = t->copy + (size_t)i * t->k;
        for (uint32_t k = 0; k < t->k; k++) {
            dst[k] = t->row[i][(ptrdiff_t)k * a_k];
        }
        t->row[i] = dst;
    }
    for (uint32_t i = t->m; i < FLX_TILE_M; i++) {
        t->row[i] = t->row[t->m - 1];
    }
    for (uint32_t s = 0; s < FLX_TILE_SUBS; s++) {
        struct flx_tile c;
        flx_tile_get(&c, buf + s * FLX_TILE_LANES);
        flx_tile_mac(&c, t->w + s * FLX_TILE_LANES, t->row, t->k);
        flx_tile_put(&c, buf + s * FLX_TILE_LANES);
    }
    for (uint32_t i = 0; i < t->m; i++) {
        for (uint32_t j = 0; j < t->n; j++) {
            t->out[i][j] = buf[i * FLX_PANEL + j];
        }
    }
}

/* All rows [r, r1), of one batch, against one panel of columns from c. */
FLX_INLINE void flx_matmul_panel(const struct flx_matmul_arg *a,
                                 const struct flx_view *v, float *scratch,
                                 uint32_t r, uint32_t r1, uint32_t batch_dims,
                                 uint32_t c)
{
    const uint32_t last = a->rank - 1;
    const uint32_t n_m = a->dim[last - 1];
    const uint32_t n = flx_min_u(FLX_PANEL, a->dim[last] - c);
    const uint32_t per_row = flx_span(a->dim, a->row_dims, last);
    const uint32_t span = flx_min_u(FLX_MATMUL_K, a->k);
    for (uint32_t k = 0; k < a->k || k == 0; k += FLX_MATMUL_K) {
        uint32_t at[FLX_MAX_RANK] = {0};
        struct flx_matmul_tile t = {.w = scratch,
                                    .copy = scratch + span * FLX_PANEL,
                                    .n = n,
                                    .k = flx_min_u(FLX_MATMUL_K, a->k - k),
                                    .is_first = k == 0};
        flx_unravel(batch_dims, a->dim, r / n_m, at);
        const float *b = (const float *)(const void *)v[2].ref->base +
                         v[2].col0 + flx_view_off(&v[2], 0, batch_dims, at) +
                         (ptrdiff_t)c * a->b_stride[last] +
                         (ptrdiff_t)k * a->b_k;
        flx_matmul_pack(scratch, b, a->b_k, a->b_stride[last], t.k, n);
        for (uint32_t i = r; i < r1; i += FLX_TILE_M) {
            t.m = flx_min_u(FLX_TILE_M, r1 - i);
            for (uint32_t j = 0; j < t.m; j++) {
                /* Rows of the space that are not its rows are a's too. */
                at[last - 1] = (i + j) % n_m;
                const uint32_t row = (i + j) / per_row;
                t.row[j] = (const float *)(const void *)flx_view_at(
                               &v[1], 4, a->row_dims, last, at, row) +
                           (ptrdiff_t)k * a->a_k;
                t.out[j] = (float *)(void *)flx_view_at(&v[0], 4, a->row_dims,
                                                        last, at, row) +
                           c;
            }
            flx_matmul_tile(&t, a->a_k);
        }
    }
}

/* b is held in full. Scratch of a part: FLX_MATMUL_SCRATCH. Parts share batches
 * and columns. */
FLX_INLINE void k_matmul_f32(const struct flx_call *call,
                             const struct flx_matmul_arg *a, uint32_t part,
                             uint32_t n_parts)
{
    const struct flx_view v[3] = {FLX_VIEW(a, out, call), FLX_VIEW(a, a, call),
                                  FLX_VIEW(a, b, call)};
    const uint32_t last = a->rank - 1;
    float *scratch =
        (float *)(void *)(call->scratch + part * FLX_MATMUL_SCRATCH(a->k));
    /* Rows of the product, of which the space's rows are a part. */
    const uint32_t per_row = flx_span(a->dim, a->row_dims, last);
    const uint32_t m0 = call->r0 * per_row;
    const uint32_t m1 = call->r1 * per_row;
    const uint32_t n_m = a->dim[last - 1];
    const uint32_t n_panel = (a->dim[last] + FLX_PANEL - 1) / FLX_PANEL;
    uint32_t unit = 0;
    uint32_t u0;
    uint32_t u1;
    const uint32_t n_batch = m1 > m0 ? (m1 - 1) / n_m - m0 / n_m + 1 : 0;
    flx_share(n_batch * n_panel, part, n_parts, &u0, &u1);
    for (uint32_t m = m0; m < m1;) {
        const uint32_t end = flx_min_u(m1, (m / n_m + 1) * n_m);
        for (uint32_t p = 0; p < n_panel; p++, unit++) {
            if (unit >= u0 && unit < u1) {
                flx_matmul_panel(a, v, scratch, m, end, last - 1,
                                 p * FLX_PANEL);
            }
        }
        m = end;
    }
}

#endif
