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
#include "flx_tile.h"
#include "flx_wide.h"
#include "flx_widen.h"

/* Pixels of the largest tile, panels next to each other in it; tiles are
 * multiples of FLX_CONV_STEP pixels. */
#if FLX_LANES == 16
enum { FLX_CONV_M = FLX_WIDE_M, FLX_CONV_PANELS = FLX_WIDE_PANELS };
enum { FLX_CONV_STEP = 6 };
#else
enum { FLX_CONV_M = FLX_TILE_M, FLX_CONV_PANELS = 1 };
enum { FLX_CONV_STEP = FLX_TILE_M };
#endif

/* Pixels of a tile of n panels. */
FLX_INLINE uint32_t flx_conv_rows(uint32_t n)
{
    return n > 2 ? FLX_CONV_STEP : FLX_CONV_M;
}

/* Pixels of a block, multiples of FLX_CONV_M; row pointers, one a pixel and
 * kernel row. */
#if FLX_LANES > 1
#define FLX_CONV_BLOCK 204
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
    const uint32_t is_cut = a->k_block < a->k;
    v.k0 = is_cut ? call->kb * a->k_block : 0;
    v.k1 = is_cut ? flx_min_u(a->k, v.k0 + a->k_block) : a->k;
    v.is_last = v.k1 == a->k;
    /* Bias comes with the first K block, slopes with the last. */
    v.slope = v.k0 == 0 ? FLX_PANEL : 0u;
    v.params = flx_widen_params(a, v.k0, v.k1);
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

/* Activations of flx_conv_store_v. */
FLX_INLINE uint32_t flx_conv_act_is_short(uint32_t act)
{
    return act == FLX_ACT_NONE || act == FLX_ACT_RELU || act == FLX_ACT_CLIP ||
           act == FLX_ACT_PRELU;
}

/* The epilogue of one vector, lanes from k of a pixel's panel at out, for the
 * commonest activations, in the last K block. */
FLX_INLINE void flx_conv_store_v(const struct flx_conv_arg *a,
                                 const float *slope, float *out,
                                 const float *res, uint32_t k, flx_v y)
{
    if (a->residual == FLX_RES_BEFORE_ACT) {
        y = y + flx_load(res + k);
    }
    if (a->act == FLX_ACT_RELU) {
        y = flx_act_v(FLX_ACT_RELU, 0, 0, y);
    } else if (a->act == FLX_ACT_CLIP) {
        y = flx_act_v(FLX_ACT_CLIP, a->act_a, a->act_b, y);
    } else if (a->act == FLX_ACT_PRELU) {
        y = flx_expr_lanes(FLX_EXPR_PRELU, y, flx_load(slope + k));
    }
    if (a->residual == FLX_RES_AFTER_ACT) {
        y = y + flx_load(res + k);
    }
    flx_store(out + k, y);
}

/* The partial sums of m of `rows` pixels, n lanes, out of the output. Other
 * lanes and rows are zero: they are computed on, not stored. */
FLX_INLINE void flx_conv_resume(const struct flx_conv_arg *a,
                                const struct flx_conv *v, float *buf,
                                struct flx_pixel p, uint32_t rows, uint32_t m,
                                uint32_t c0, uint32_t n)
{
    for (uint32_t i = 0; i < rows; i++) {
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

/* A block of pixels: where each one's rows of the input are, and its output. */
struct flx_conv_block {
    /* [kh][cap]: the pixel's first tap, or where taps leave the image sideways
     * (see edge) the row itself; flx_zero outside the image. */
    const float *at[FLX_CONV_TABLE];
    float *out[FLX_CONV_BLOCK];       /* [cap]: channel 0 */
    const float *res[FLX_CONV_BLOCK]; /* [cap]: of the residual, if any */
    int32_t x0[FLX_CONV_BLOCK];       /* [cap]: column of the first tap */
    /* [cap / FLX_CONV_STEP]: of any of its pixels */
    uint8_t edge[FLX_CONV_BLOCK / FLX_CONV_STEP];
    uint32_t cap; /* pixels that the table can hold */
};

FLX_INLINE void flx_conv_fill(const struct flx_conv_arg *a,
                              const struct flx_conv *v,
                              struct flx_conv_block *b, struct flx_pixel p,
                              uint32_t n)
{
    const int32_t reach =
        (int32_t)a->in_w - (int32_t)((a->kernel_w - 1) * a->dilation_w);
    float *out = NULL;
    const float *res = NULL;
    for (uint32_t i = 0; i < n || i % FLX_CONV_M != 0; i++) {
        const int32_t x0 = (int32_t)(p.x * a->stride_w) - a->pad_left;
        const int32_t y0 = (int32_t)(p.y * a->stride_h) - a->pad_top;
        const uint32_t is_edge = x0 < 0 || x0 >= reach;
        const uint32_t tile = i / FLX_CONV_STEP;
        b->x0[i] = x0;
        b->edge[tile] =
            (uint8_t)(is_edge | (i % FLX_CONV_STEP ? b->edge[tile] : 0));
        if (i == 0 || p.x == 0) {
            out = flx_image_row(&v->out, p.n, p.y);
            res = a->residual ? flx_image_row(&v->res, p.n, p.y) : out;
        }
        b->out[i] = out + (size_t)p.x * a->out_pix;
        b->res[i] = res + (size_t)p.x * a->res_pix;
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

/* The longest run of K from k that is contiguous in memory for all `rows`
 * pixels at i of the block: pointers to it and its length. c0: first channel.
 */
FLX_INLINE uint32_t flx_conv_run(const struct flx_conv_arg *a,
                                 const struct flx_conv *v,
                                 const struct flx_conv_block *b, uint32_t i,
                                 uint32_t rows, uint32_t c0, uint32_t k,
                                 uint32_t k1, const float **p)
{
    const uint32_t row = a->kernel_w * v->c;
    const uint32_t kh = k / row;
    const uint32_t in_row = k - kh * row;
    const float *const *at = b->at + kh * b->cap + i;
    const uint32_t is_edge =
        b->edge[i / FLX_CONV_STEP] |
        (rows > FLX_CONV_STEP ? b->edge[i / FLX_CONV_STEP + 1] : 0);
    /* Taps of a kernel row follow each other in memory. */
    const uint32_t is_dense =
        a->kernel_w == 1 ||
        (a->dilation_w == 1 && a->group == 1 && a->in_pix == a->in_c);
    uint32_t n;
    if (is_dense && !is_edge) {
        n = row - in_row;
        for (uint32_t j = 0; j < rows; j++) {
            p[j] = at[j];
        }
        if (in_row + c0 > 0) {
            for (uint32_t j = 0; j < rows; j++) {
                p[j] = p[j] == flx_zero ? flx_zero : p[j] + in_row + c0;
            }
        }
    } else {
        const uint32_t kw = in_row / v->c;
        const uint32_t c = in_row - kw * v->c;
        const uint32_t reach = a->in_w - (a->kernel_w - 1) * a->dilation_w;
        n = v->c - c;
        for (uint32_t j = 0; j < rows; j++) {
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

/* Rows of n panels that stay in the nearest cache while a block of pixels
 * passes over them; sums wait in buf in between. */
#if FLX_LANES > 1
enum { FLX_CONV_SUMS = FLX_CONV_BLOCK };
FLX_INLINE uint32_t flx_conv_chunk(uint32_t n, uint32_t k)
{
    const uint32_t most = 512u / (n < 2 ? 2 : n);
    const uint32_t chunks = (k + most + most / 4 - 1) / (most + most / 4);
    return chunks < 2 ? k : (k / chunks + 4) / 4 * 4;
}
#else
enum { FLX_CONV_SUMS = FLX_CONV_M };
FLX_INLINE uint32_t flx_conv_chunk(uint32_t n, uint32_t k)
{
    (void)n;
    return k;
}
#endif
enum { FLX_CONV_SUM_STEP = FLX_CONV_SUMS * FLX_PANEL };

/* Rows [k, k1) of n panels of one group from `panel`, whose weights are at w,
 * for the tile at i of the block. */
struct flx_conv_tile {
    uint32_t i;
    uint32_t m; /* pixels of it */
    uint32_t panel;
    const float *w;
    const float *ask; /* what to prefetch on the way */
    uint32_t k;
    uint32_t k1;
    float *buf; /* FLX_CONV_M x 16 sums, panels FLX_CONV_SUM_STEP apart */
};

#if FLX_LANES == 16
/* The epilogue of n whole panels from registers, as flx_conv_walk. */
FLX_UNROLLED void flx_conv_wide_out(const struct flx_conv_arg *a,
                                    const struct flx_conv *v,
                                    const struct flx_conv_block *b,
                                    const struct flx_wide *s, uint32_t n,
                                    uint32_t i, uint32_t m, uint32_t c0)
{
    const uint32_t rows = flx_wide_rows(n);
    const uint32_t act = v->is_last ? a->act : FLX_ACT_NONE;
    const uint32_t before = v->is_last && a->residual == FLX_RES_BEFORE_ACT;
    const uint32_t after = v->is_last && a->residual == FLX_RES_AFTER_ACT;
#define FLX_W(I, J, V)                                                         \
    if (n > (J)) {                                                             \
        flx_v x = s->V##I;                                                     \
        const flx_v y = before || after ? flx_load(r + (J)*FLX_PANEL) : x;     \
        x = before ? x + y : x;                                                \
        x = flx_act_v(act, a->act_a, a->act_b, x);                             \
        x = after ? x + y : x;                                                 \
        flx_store(o + (J)*FLX_PANEL, x);                                       \
    }
#define FLX_W_ROW(I)                                                           \
    if ((I) < rows && (I) < m) {                                               \
        float *o = b->out[i + (I)] + c0;                                       \
        const float *r = b->res[i + (I)] + c0;                                 \
        (void)r;                                                               \
        FLX_W(I, 0, a)                                                         \
        FLX_W(I, 1, b)                                                         \
        FLX_W(I, 2, c)                                                         \
        FLX_W(I, 3, d)                                                         \
    }
    FLX_WIDE_ROWS(FLX_W_ROW)
#undef FLX_W_ROW
#undef FLX_W
}

/* Sums start in buf or as bias, and end in buf or, if is_out, in the output. */
FLX_INLINE void flx_conv_tile(const struct flx_conv_arg *a,
                              const struct flx_conv *v,
                              const struct flx_conv_block *b,
                              const struct flx_conv_tile *t, uint32_t n,
                              uint32_t is_out)
{
    const uint32_t g = t->panel / v->oc_panels;
    const uint32_t rows = flx_wide_rows(n);
    struct flx_wide s;
    if (t->k > 0) {
        flx_wide_get(&s, n, t->buf, FLX_CONV_SUM_STEP);
    } else {
        flx_wide_set(&s, n, t->w, v->panel);
    }
    const float *ws = t->w + v->params + (size_t)(t->k - v->k0) * FLX_PANEL;
    const float *ask = t->ask;
    for (uint32_t at = t->k; at < t->k1;) {
        const float *q[FLX_CONV_M];
        const uint32_t len =
            flx_conv_run(a, v, b, t->i, rows, g * v->c, at, t->k1, q);
        flx_wide_mac(&s, n, ws, v->panel, q, len, ask);
        ws += (size_t)len * FLX_PANEL;
        ask += (size_t)len * 8;
        at += len;
    }
    if (is_out) {
        flx_conv_wide_out(a, v, b, &s, n, t->i, t->m,
                          g * v->oc +
                              (t->panel - g * v->oc_panels) * FLX_PANEL);
    } else {
        flx_wide_put(&s, n, t->buf, FLX_CONV_SUM_STEP);
    }
}
#else
FLX_INLINE void flx_conv_tile(const struct flx_conv_arg *a,
                              const struct flx_conv *v,
                              const struct flx_conv_block *b,
                              const struct flx_conv_tile *t, uint32_t n,
                              uint32_t is_out)
{
    (void)n;
    (void)is_out;
    const uint32_t c0 = t->panel / v->oc_panels * v->c;
    for (uint32_t s = 0; s < FLX_TILE_SUBS; s++) {
        const uint32_t lane = s * FLX_TILE_LANES;
        struct flx_tile c;
        if (t->k > 0) {
            flx_tile_get(&c, t->buf + lane);
        } else {
            flx_tile_set(&c, t->w + lane);
        }
        const float *ws =
            t->w + v->params + (size_t)(t->k - v->k0) * FLX_PANEL + lane;
        for (uint32_t at = t->k; at < t->k1;) {
            const float *q[FLX_CONV_M];
            const uint32_t len =
                flx_conv_run(a, v, b, t->i, FLX_CONV_M, c0, at, t->k1, q);
            flx_tile_mac(&c, ws, q, len);
            ws += (size_t)len * FLX_PANEL;
            at += len;
        }
        flx_tile_put(&c, t->buf + lane);
    }
}
#endif

/* The tile, whose first pixel is q of the box: sums start in buf or, with the
 * K block, from bias or output; they end in buf or, with it, in the output. */
FLX_INLINE void flx_conv_step(const struct flx_conv_arg *a,
                              const struct flx_conv *v,
                              const struct flx_conv_block *b,
                              const struct flx_conv_tile *t, uint32_t n,
                              uint32_t r0, uint32_t q)
{
    const uint32_t g = t->panel / v->oc_panels;
    const uint32_t o = (t->panel - g * v->oc_panels) * FLX_PANEL;
    const struct flx_pixel p = flx_pixel_of(a->out_rows, a->out_w, r0, q);
    for (uint32_t j = 0; t->k == v->k0 && t->k > 0 && j < n; j++) {
        const uint32_t oj = o + j * FLX_PANEL;
        flx_conv_resume(a, v, t->buf + j * FLX_CONV_SUM_STEP, p,
                        flx_conv_rows(n), t->m, g * v->oc + oj,
                        flx_min_u(FLX_PANEL, v->oc - oj));
    }
    if (FLX_LANES == 16 && t->k1 == v->k1 && !flx_act_is_heavy(a->act) &&
        a->act != FLX_ACT_PRELU && o + n * FLX_PANEL <= v->oc) {
        flx_conv_tile(a, v, b, t, n, 1);
        return;
    }
    flx_conv_tile(a, v, b, t, n, 0);
    for (uint32_t j = 0; t->k1 == v->k1 && j < n; j++) {
        const uint32_t oj = o + j * FLX_PANEL;
        flx_conv_store(a, v, t->buf + j * FLX_CONV_SUM_STEP,
                       t->w + j * (size_t)v->panel + v->slope, p, t->m,
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
    const uint32_t chunk = flx_conv_chunk(n, flx_min_u(a->k, a->k_block));
    const uint32_t rows = flx_conv_rows(n);
    struct flx_conv_tile t = {.panel = panel, .w = w};
    for (t.k = v->k0; t.k < v->k1; t.k += chunk) {
        t.k1 = flx_min_u(v->k1, t.k + chunk);
        /* The tiles ask for the next rows of these panels, or for the first
         * ones of the next, half of a panel each. */
        const float *next =
            t.k1 < v->k1 ? w + v->params + (size_t)(t.k1 - v->k0) * FLX_PANEL
                         : w + n * (size_t)v->panel;
        const float *here = t.w + v->params + (size_t)(t.k - v->k0) * FLX_PANEL;
        uint32_t half = 0;
        for (t.i = 0; t.i < m; t.i += rows, half++) {
            t.m = flx_min_u(rows, m - t.i);
            t.ask = half < 2 * n ? next + half / 2 * (size_t)v->panel +
                                       half % 2 * (size_t)chunk * 8
                                 : here;
            t.buf = sums + t.i % FLX_CONV_SUMS * FLX_PANEL;
            flx_conv_step(a, v, b, &t, n, r0, q0 + t.i);
        }
    }
}

/* Blocks to take n_tile tiles in, at most `most` each. Parts that have whole
 * blocks find most of their input in their own cache; unless that leaves one
 * with too much to do: then parts share the panels of blocks, so that each
 * reads a share of the weights, the sooner where these fit no second cache. */
FLX_INLINE uint32_t flx_conv_blocks(uint32_t most, uint32_t n_tile,
                                    uint32_t n_parts, size_t weight_bytes)
{
    const uint32_t least = weight_bytes <= (size_t)1 << 20 ? 9 : 14;
    const uint32_t n = (n_tile + most - 1) / most;
    const uint32_t whole = (n + n_parts - 1) / n_parts * n_parts;
    const uint32_t idle = (n_tile + n_parts - 1) / n_parts * n_parts - n_tile;
    return idle * least <= n_tile ? flx_min_u(whole, n_tile) : n;
}

/* Groups of at least 16 output channels, or one. kernel_h is at most
 * FLX_CONV_MAX_KH. No scratch but for widening. Parts share blocks x panels. */
FLX_INLINE void flx_conv_direct(const struct flx_call *call,
                                const struct flx_conv_arg *a, uint32_t part,
                                uint32_t n_parts)
{
    const struct flx_conv v = flx_conv_of(call, a);
    struct flx_conv_block b;
    const uint32_t per_row = FLX_CONV_TABLE / a->kernel_h;
    b.cap = flx_min_u(FLX_CONV_BLOCK, per_row) / FLX_CONV_M * FLX_CONV_M;
    const uint32_t n_pixel = (call->r1 - call->r0) * a->out_w;
    const uint32_t n_panel = call->p1 - call->p0;
    const uint32_t rows = flx_conv_rows(flx_min_u(n_panel, v.oc_panels));
    const uint32_t n_tile = (n_pixel + rows - 1) / rows;
    const uint32_t n_block =
        flx_conv_blocks(b.cap / rows, n_tile, n_parts,
                        (size_t)n_panel * v.panel * sizeof(float));
    uint32_t u0;
    uint32_t u1;
    flx_share(n_block * n_panel, part, n_parts, &u0, &u1);
    uint32_t filled = n_block;
    uint32_t q0 = 0; /* pixels of the block */
    uint32_t q1 = 0;
    for (uint32_t u = u0; u < u1;) {
        const uint32_t block = u / n_panel;
        if (filled != block) {
            flx_share(n_tile, block, n_block, &q0, &q1);
            q0 *= rows;
            q1 = flx_min_u(q1 * rows, n_pixel);
            flx_conv_fill(a, &v, &b,
                          flx_pixel_of(a->out_rows, a->out_w, call->r0, q0),
                          q1 - q0);
            filled = block;
        }
        const uint32_t panel = call->p0 + u % n_panel;
        /* Panels of this block, part and group, in steps of equal size. */
        const uint32_t left =
            flx_min_u(flx_min_u(u1, (block + 1) * n_panel) - u,
                      v.oc_panels - panel % v.oc_panels);
        const uint32_t steps = (left + FLX_CONV_PANELS - 1) / FLX_CONV_PANELS;
        const uint32_t n = (left + steps - 1) / steps;
        const float *w = (const float *)(const void *)call->w +
                         (size_t)(panel - call->p0) * v.panel;
        switch (FLX_CONV_PANELS > 1 ? n : 1) {
        case 4:
            flx_conv_panels(a, &v, &b, call->r0, q0, q1 - q0, panel, 4, w);
            break;
        case 3:
            flx_conv_panels(a, &v, &b, call->r0, q0, q1 - q0, panel, 3, w);
            break;
        case 2:
            flx_conv_panels(a, &v, &b, call->r0, q0, q1 - q0, panel, 2, w);
            break;
        default:
            flx_conv_panels(a, &v, &b, call->r0, q0, q1 - q0, panel, 1, w);
            break;
        }
        u += n;
    }
}

FLX_INLINE void k_conv_f32_direct(const struct flx_call *call,
                                  const struct flx_conv_arg *a, uint32_t part,
                                  uint32_t n_parts)
{
    struct flx_boxes b;
    const struct flx_call *c = flx_boxes_first(&b, call, a, part, n_parts);
    while (c) {
        flx_conv_direct(c, a, b.part, b.n_parts);
        c = flx_boxes_next(&b, a);
    }
}

#endif
