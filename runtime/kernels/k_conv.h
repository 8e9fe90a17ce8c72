/* k_conv.h - convolution as an implicit matrix product, direct from the image:
 * nothing is packed but the weights.
 *
 *   out[y][x][o] = act(bias[o] + sum over (kh, kw, c) of
 *                      w[kh][kw][c][o] * in[i][j][c]),
 *   i = y * sh - pt + kh * dh, j = x * sw - pl + kw * dw
 *
 * Panels of 16 output channels never span groups. Pixels are taken in blocks
 * that go through all panels while they are in the cache, in tiles that wrap
 * across the rows of the box, so that only its last tile is ragged: its spare
 * rows repeat the last pixel and are not stored. Taps outside the image read a
 * row of zeros; they are never skipped, so that a pixel's bits do not depend
 * on its neighbours in a tile. Between K blocks partial sums wait in the
 * output. out must not overlap in; it may be the residual. */
#ifndef K_CONV_H
#define K_CONV_H

#include "flx_act.h"
#include "flx_pair.h"
#include "flx_tile.h"

/* Pixels of a tile and panels next to each other in it. */
#if FLX_LANES == 16
enum { FLX_CONV_M = FLX_PAIR_M, FLX_CONV_PANELS = 2 };
#else
enum { FLX_CONV_M = FLX_TILE_M, FLX_CONV_PANELS = 1 };
#endif

/* Row pointers of a block of pixels: one a pixel and kernel row. */
#if FLX_LANES > 1
#define FLX_CONV_BLOCK 64
#else
#define FLX_CONV_BLOCK 16
#endif
enum {
    FLX_CONV_TABLE = FLX_CONV_BLOCK * 4 > FLX_CONV_MAX_KH *FLX_CONV_M
                         ? FLX_CONV_BLOCK * 4
                         : FLX_CONV_MAX_KH *FLX_CONV_M
};

/* What a call is about, from its arguments. */
struct flx_conv {
    struct flx_image in;
    struct flx_image out;
    struct flx_image res;
    uint32_t c;         /* channels of a group */
    uint32_t oc;        /* output channels of a group */
    uint32_t oc_panels; /* panels of a group */
    uint32_t k0;        /* the K block */
    uint32_t k1;
    uint32_t is_last; /* K block */
    uint32_t slope;   /* floats before the slopes in a panel */
    uint32_t params;  /* floats before its rows of weights */
    uint32_t panel;   /* floats of a panel */
};

FLX_INLINE struct flx_conv flx_conv_of(const struct flx_call *call,
                                       const struct flx_conv_arg *a)
{
    struct flx_conv v = {
        .in = FLX_IMAGE(a, in, &call->arg[1], a->in_rows),
        .out = FLX_IMAGE(a, out, &call->arg[0], a->out_rows),
        .res = FLX_IMAGE(a, res, &call->arg[a->res_at], a->out_rows),
    };
    v.c = a->in_c / a->group;
    v.oc = a->out_c / a->group;
    v.oc_panels = (v.oc + FLX_PANEL - 1) / FLX_PANEL;
    v.k0 = call->kb * a->k_block;
    v.k1 = flx_min_u(a->k, v.k0 + a->k_block);
    v.is_last = v.k1 == a->k;
    /* Bias comes with the first K block, slopes with the last. */
    v.slope = call->kb == 0 ? FLX_PANEL : 0u;
    v.params =
        v.slope + (v.is_last && a->act == FLX_ACT_PRELU ? FLX_PANEL : 0u);
    v.panel = v.params + (v.k1 - v.k0) * FLX_PANEL;
    return v;
}

/* A pixel of the output: image, row, column; index in the box of rows. */
struct flx_pixel {
    uint32_t n;
    uint32_t y;
    uint32_t x;
};

FLX_INLINE struct flx_pixel flx_pixel_of(uint32_t rows, uint32_t w, uint32_t r0,
                                         uint32_t q)
{
    const uint32_t r = r0 + q / w;
    return (struct flx_pixel){r / rows, r % rows, q % w};
}

FLX_INLINE void flx_pixel_next(struct flx_pixel *p, uint32_t rows, uint32_t w)
{
    if (++p->x == w) {
        p->x = 0;
        if (++p->y == rows) {
            p->y = 0;
            p->n++;
        }
    }
}

/* What a walk over sums does to each, in this order. */
struct flx_conv_steps {
    uint32_t add_before; /* the residual */
    uint32_t act;        /* not a heavy one */
    uint32_t add_after;
    uint32_t to_out; /* or back into the sums */
};

/* n lanes of the sums buf[m][16] of m pixels from p, channels from c0. */
FLX_INLINE void flx_conv_walk(const struct flx_conv_arg *a,
                              const struct flx_conv *v, float *buf,
                              const float *slope, struct flx_pixel p,
                              uint32_t m, uint32_t c0, uint32_t n,
                              struct flx_conv_steps s)
{
    float *o = buf;
    const float *r = buf;
    for (uint32_t i = 0; i < m; i++) {
        float *b = buf + i * FLX_PANEL;
        if (i == 0 || p.x == 0) {
            o = flx_image_row(&v->out, p.n, p.y) + p.x * a->out_pix + c0;
            if (s.add_before || s.add_after) {
                r = flx_image_row(&v->res, p.n, p.y) + p.x * a->res_pix + c0;
            }
        }
        for (uint32_t j = 0; j < n; j += FLX_LANES) {
            const uint32_t lanes = flx_min_u(FLX_LANES, n - j);
            flx_v x = flx_load(b + j);
            flx_v y = x;
            if (s.add_before || s.add_after) {
                y = lanes == FLX_LANES ? flx_load(r + j)
                                       : flx_load_n(r + j, lanes, 0.0f);
            }
            x = s.add_before ? x + y : x;
            x = s.act == FLX_ACT_PRELU
                    ? flx_expr_lanes(FLX_EXPR_PRELU, x, flx_load(slope + j))
                    : flx_act_v(s.act, a->act_a, a->act_b, x);
            x = s.add_after ? x + y : x;
            if (!s.to_out) {
                flx_store(b + j, x);
            } else if (lanes == FLX_LANES) {
                flx_store(o + j, x);
            } else {
                flx_store_n(o + j, x, lanes);
            }
        }
        o += a->out_pix;
        if (s.add_before || s.add_after) {
            r += a->res_pix;
        }
        flx_pixel_next(&p, a->out_rows, a->out_w);
    }
}

/* The epilogue of n lanes of m pixels, from the sums in buf[m][16]: residual
 * and activation after the last K block, then the one store. */
FLX_INLINE void flx_conv_store(const struct flx_conv_arg *a,
                               const struct flx_conv *v, float *buf,
                               const float *slope, struct flx_pixel p,
                               uint32_t m, uint32_t c0, uint32_t n)
{
    struct flx_conv_steps s = {
        .add_before = v->is_last && a->residual == FLX_RES_BEFORE_ACT,
        .act = v->is_last ? a->act : FLX_ACT_NONE,
        .add_after = v->is_last && a->residual == FLX_RES_AFTER_ACT,
        .to_out = 1};
    if (v->is_last && flx_act_is_heavy(a->act)) {
        if (s.add_before) {
            const struct flx_conv_steps add = {.add_before = 1};
            flx_conv_walk(a, v, buf, slope, p, m, c0, n, add);
            s.add_before = 0;
        }
        flx_run_act(a->act, a->act_a, a->act_b, slope, buf, m * FLX_PANEL);
        s.act = FLX_ACT_NONE;
    }
    if (FLX_LANES > 1 && n == FLX_PANEL) {
        flx_conv_walk(a, v, buf, slope, p, m, c0, FLX_PANEL, s);
    } else {
        flx_conv_walk(a, v, buf, slope, p, m, c0, n, s);
    }
}

/* The partial sums of m pixels, n lanes, out of the output. Other lanes and
 * rows are zero: they are computed on, not stored. */
FLX_INLINE void flx_conv_resume(const struct flx_conv_arg *a,
                                const struct flx_conv *v, float *buf,
                                struct flx_pixel p, uint32_t m, uint32_t c0,
                                uint32_t n)
{
    for (uint32_t i = 0; i < FLX_CONV_M; i++) {
        float *b = buf + i * FLX_PANEL;
        for (uint32_t j = 0; j < FLX_PANEL; j += FLX_LANES) {
            flx_store(b + j, flx_splat(0.0f));
        }
        if (i < m) {
            const float *o =
                flx_image_row(&v->out, p.n, p.y) + p.x * a->out_pix + c0;
            flx_pixel_next(&p, a->out_rows, a->out_w);
            for (uint32_t j = 0; j < n; j++) {
                b[j] = o[j];
            }
        }
    }
}

/* A block of pixels: where each one's rows of the input are. */
struct flx_conv_block {
    /* [kh][cap]: the pixel's first tap, or where taps leave the image sideways
     * (see edge) the row itself; flx_zero outside the image. */
    const float *at[FLX_CONV_TABLE];
    int32_t x0[FLX_CONV_TABLE];   /* [cap]: column of the first tap */
    uint8_t edge[FLX_CONV_TABLE]; /* [cap / FLX_CONV_M]: of any in the tile */
    uint32_t cap;                 /* pixels that the table can hold */
};

FLX_INLINE void flx_conv_fill(const struct flx_conv_arg *a,
                              const struct flx_conv *v,
                              struct flx_conv_block *b, struct flx_pixel p,
                              uint32_t n)
{
    const int32_t reach =
        (int32_t)a->in_w - (int32_t)((a->kernel_w - 1) * a->dilation_w);
    for (uint32_t i = 0; i < n || i % FLX_CONV_M != 0; i++) {
        const int32_t x0 = (int32_t)(p.x * a->stride_w) - a->pad_left;
        const int32_t y0 = (int32_t)(p.y * a->stride_h) - a->pad_top;
        const uint32_t is_edge = x0 < 0 || x0 >= reach;
        const uint32_t tile = i / FLX_CONV_M;
        b->x0[i] = x0;
        b->edge[tile] =
            (uint8_t)(is_edge | (i % FLX_CONV_M ? b->edge[tile] : 0));
        for (uint32_t kh = 0; kh < a->kernel_h; kh++) {
            const uint32_t y = (uint32_t)(y0 + (int32_t)(kh * a->dilation_h));
            const float *at = flx_zero;
            if (y < a->in_rows) {
                at = flx_image_row(&v->in, p.n, y) +
                     (is_edge ? 0 : (size_t)x0 * a->in_pix);
            }
            b->at[kh * b->cap + i] = at;
        }
        /* Spare rows of the last tile repeat the last pixel. */
        if (i + 1 < n) {
            flx_pixel_next(&p, a->out_rows, a->out_w);
        }
    }
}

/* The longest run of K from k that is contiguous in memory for all rows of the
 * tile at i of the block: pointers to it and its length. c0: first channel. */
FLX_INLINE uint32_t flx_conv_run(const struct flx_conv_arg *a,
                                 const struct flx_conv *v,
                                 const struct flx_conv_block *b, uint32_t i,
                                 uint32_t c0, uint32_t k, uint32_t k1,
                                 const float **p)
{
    const uint32_t row = a->kernel_w * v->c;
    const uint32_t kh = k / row;
    const uint32_t in_row = k - kh * row;
    const float *const *at = b->at + kh * b->cap + i;
    const uint32_t is_edge = b->edge[i / FLX_CONV_M];
    /* Taps of a kernel row follow each other in memory. */
    const uint32_t is_dense =
        a->kernel_w == 1 ||
        (a->dilation_w == 1 && a->group == 1 && a->in_pix == a->in_c);
    uint32_t n;
    if (is_dense && !is_edge) {
        n = row - in_row;
        for (uint32_t j = 0; j < FLX_CONV_M; j++) {
            p[j] = at[j];
        }
        if (in_row + c0 > 0) {
            for (uint32_t j = 0; j < FLX_CONV_M; j++) {
                p[j] = p[j] == flx_zero ? flx_zero : p[j] + in_row + c0;
            }
        }
    } else {
        const uint32_t kw = in_row / v->c;
        const uint32_t c = in_row - kw * v->c;
        const uint32_t reach = a->in_w - (a->kernel_w - 1) * a->dilation_w;
        n = v->c - c;
        for (uint32_t j = 0; j < FLX_CONV_M; j++) {
            const uint32_t x0 = (uint32_t)b->x0[i + j];
            const uint32_t step = kw * a->dilation_w;
            /* Of a pixel without taps outside, at[j] is the first one. */
            const uint32_t is_inside =
                b->x0[i + j] >= 0 && b->x0[i + j] < (int32_t)reach;
            const uint32_t x = is_inside ? step : x0 + step;
            p[j] = at[j] == flx_zero || x0 + step >= a->in_w
                       ? flx_zero
                       : at[j] + (size_t)x * a->in_pix + c0 + c;
        }
    }
    n = flx_min_u(n, k1 - k);
    return row > FLX_ZERO_FLOATS ? flx_min_u(n, FLX_ZERO_FLOATS) : n;
}

/* Rows of a panel that stay in the nearest cache while a block of pixels passes
 * over them; sums wait in buf in between. */
#if FLX_LANES > 1
enum { FLX_CONV_CHUNK = 256, FLX_CONV_SUMS = FLX_CONV_BLOCK };
#define FLX_CONV_CHUNKED (1024u / FLX_CONV_PANELS) /* from here on it pays */
#else
enum { FLX_CONV_CHUNK = 1, FLX_CONV_SUMS = FLX_CONV_M };
#define FLX_CONV_CHUNKED UINT32_MAX
#endif
enum { FLX_CONV_SUM_STEP = FLX_CONV_SUMS * FLX_PANEL };

/* One tile at i of the block, rows [k, k1) of n panels of one group from
 * `panel`, whose weights are at w, into buf: FLX_CONV_M x 16 floats a panel,
 * panels FLX_CONV_SUM_STEP apart. */
FLX_INLINE void flx_conv_tile(const struct flx_conv_arg *a,
                              const struct flx_conv *v,
                              const struct flx_conv_block *b, uint32_t i,
                              uint32_t panel, uint32_t n, const float *w,
                              uint32_t k, uint32_t k1, float *buf)
{
    const uint32_t c0 = panel / v->oc_panels * v->c;
    const size_t rows = v->params + (size_t)(k - v->k0) * FLX_PANEL;
#if FLX_LANES == 16
    const uint32_t two = n == 2;
    const size_t w_step = two ? v->panel : 0;
    float *const buf_b = buf + (two ? FLX_CONV_SUM_STEP : 0);
    struct flx_pair t;
    if (k > 0) {
        flx_pair_get(&t, buf, buf_b);
    } else {
        flx_pair_set(&t, w, w + w_step);
    }
    const float *ws = w + rows;
    for (uint32_t at = k; at < k1;) {
        const float *q[FLX_CONV_M];
        const uint32_t len = flx_conv_run(a, v, b, i, c0, at, k1, q);
        flx_pair_mac(&t, two, ws, ws + w_step, q, len);
        ws += (size_t)len * FLX_PANEL;
        at += len;
    }
    flx_pair_put(&t, two, buf, buf_b);
#else
    (void)n;
    for (uint32_t s = 0; s < FLX_TILE_SUBS; s++) {
        const uint32_t lane = s * FLX_TILE_LANES;
        struct flx_tile t;
        if (k > 0) {
            flx_tile_get(&t, buf + lane);
        } else {
            flx_tile_set(&t, w + lane);
        }
        const float *ws = w + rows + lane;
        for (uint32_t at = k; at < k1;) {
            const float *q[FLX_CONV_M];
            const uint32_t len = flx_conv_run(a, v, b, i, c0, at, k1, q);
            flx_tile_mac(&t, ws, q, len);
            ws += (size_t)len * FLX_PANEL;
            at += len;
        }
        flx_tile_put(&t, buf + lane);
    }
#endif
}

/* Tile at i, whose first pixel is q of the box, rows [k, k1) of n panels: sums
 * start in buf or, with the K block, from bias or output; they end in buf or,
 * with it, in the output. */
FLX_INLINE void flx_conv_step(const struct flx_conv_arg *a,
                              const struct flx_conv *v,
                              const struct flx_conv_block *b, uint32_t i,
                              uint32_t m, uint32_t r0, uint32_t q,
                              uint32_t panel, uint32_t n, const float *w,
                              uint32_t k, uint32_t k1, float *buf)
{
    const uint32_t g = panel / v->oc_panels;
    const uint32_t o = (panel - g * v->oc_panels) * FLX_PANEL;
    const struct flx_pixel p = flx_pixel_of(a->out_rows, a->out_w, r0, q);
    for (uint32_t j = 0; k == v->k0 && k > 0 && j < n; j++) {
        const uint32_t oj = o + j * FLX_PANEL;
        flx_conv_resume(a, v, buf + j * FLX_CONV_SUM_STEP, p, m, g * v->oc + oj,
                        flx_min_u(FLX_PANEL, v->oc - oj));
    }
    flx_conv_tile(a, v, b, i, panel, n, w, k, k1, buf);
    for (uint32_t j = 0; k1 == v->k1 && j < n; j++) {
        const uint32_t oj = o + j * FLX_PANEL;
        flx_conv_store(a, v, buf + j * FLX_CONV_SUM_STEP,
                       w + j * (size_t)v->panel + v->slope, p, m,
                       g * v->oc + oj, flx_min_u(FLX_PANEL, v->oc - oj));
    }
}

/* All m pixels of a block, from pixel q0 of the box, against n panels of one
 * group. */
FLX_INLINE void flx_conv_panels(const struct flx_conv_arg *a,
                                const struct flx_conv *v,
                                const struct flx_conv_block *b, uint32_t r0,
                                uint32_t q0, uint32_t m, uint32_t panel,
                                uint32_t n, const float *w)
{
    float sums[FLX_CONV_PANELS * FLX_CONV_SUM_STEP];
    const uint32_t chunk =
        a->k_block < FLX_CONV_CHUNKED ? a->k_block : FLX_CONV_CHUNK;
    for (uint32_t k = v->k0; k < v->k1; k += chunk) {
        const uint32_t k1 = flx_min_u(v->k1, k + chunk);
        for (uint32_t i = 0; i < m; i += FLX_CONV_M) {
            flx_conv_step(a, v, b, i, flx_min_u(FLX_CONV_M, m - i), r0, q0 + i,
                          panel, n, w, k, k1,
                          sums + i % FLX_CONV_SUMS * FLX_PANEL);
        }
    }
}

/* Groups of at least 16 output channels, or one. kernel_h is at most
 * FLX_CONV_MAX_KH. No scratch. Parts share blocks x panels. */
FLX_INLINE void k_conv_f32_direct(const struct flx_call *call,
                                  const struct flx_conv_arg *a, uint32_t part,
                                  uint32_t n_parts)
{
    const struct flx_conv v = flx_conv_of(call, a);
    struct flx_conv_block b;
    const uint32_t per_row = FLX_CONV_TABLE / a->kernel_h;
    const uint32_t tiles = flx_min_u(FLX_CONV_BLOCK, per_row) / FLX_CONV_M;
    b.cap = tiles * FLX_CONV_M;
    const uint32_t n_pixel = (call->r1 - call->r0) * a->out_w;
    const uint32_t n_tile = (n_pixel + FLX_CONV_M - 1) / FLX_CONV_M;
    const uint32_t n_block = (n_tile + tiles - 1) / tiles;
    const uint32_t n_unit =
        (call->p1 - call->p0 + FLX_CONV_PANELS - 1) / FLX_CONV_PANELS;
    uint32_t u0;
    uint32_t u1;
    flx_share(n_block * n_unit, part, n_parts, &u0, &u1);
    uint32_t filled = n_block;
    uint32_t t0 = 0;
    uint32_t t1 = 0;
    for (uint32_t u = u0; u < u1; u++) {
        const uint32_t block = u / n_unit;
        if (filled != block) {
            flx_share(n_tile, block, n_block, &t0, &t1);
            const struct flx_pixel first =
                flx_pixel_of(a->out_rows, a->out_w, call->r0, t0 * FLX_CONV_M);
            flx_conv_fill(a, &v, &b, first,
                          flx_min_u(t1 * FLX_CONV_M, n_pixel) -
                              t0 * FLX_CONV_M);
            filled = block;
        }
        const uint32_t q0 = t0 * FLX_CONV_M;
        const uint32_t m = flx_min_u(t1 * FLX_CONV_M, n_pixel) - q0;
        const uint32_t panel =
            call->p0 + (u - block * n_unit) * FLX_CONV_PANELS;
        const uint32_t n = flx_min_u(FLX_CONV_PANELS, call->p1 - panel);
        const float *w = (const float *)(const void *)call->w +
                         (size_t)(panel - call->p0) * v.panel;
        if (FLX_CONV_PANELS > 1 && n > 1 && (panel + 1) % v.oc_panels != 0) {
            flx_conv_panels(a, &v, &b, call->r0, q0, m, panel, n, w);
            continue;
        }
        for (uint32_t j = 0; j < n; j++) {
            flx_conv_panels(a, &v, &b, call->r0, q0, m, panel + j, 1,
                            w + j * (size_t)v.panel);
        }
    }
}

#endif
