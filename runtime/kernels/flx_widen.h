/* flx_widen.h - weights that are stored narrower than they are computed on.
 *
 * A panel of convolution weights (FLX_CONV_FIELDS) is its parameters, f32; of
 * FLX_WEIGHT_I8 the scales of its 16 channels, f32; then rows of 16 numbers of
 * the stored type, with zeros to a multiple of 64 bytes. A weight is the number
 * as f32, times its channel's scale, rounded once.
 *
 * Kernels know f32 panels only. Around each goes a loop over boxes of a few
 * panels and one K block of its own, whose weights are f32 in the part's
 * scratch; sums wait in the output between K blocks. So bits are those of an
 * f32 model with these weights, however much scratch there is. */
#ifndef FLX_WIDEN_H
#define FLX_WIDEN_H

#include "flx_box.h"

/* Floats of a panel's parameters that rows [k0, k1) of K come with: bias with
 * the first, slopes with the last. */
FLX_INLINE uint32_t flx_widen_params(const struct flx_conv_arg *a, uint32_t k0,
                                     uint32_t k1)
{
    return (k0 == 0 ? FLX_PANEL : 0u) +
           (k1 == a->k && a->act == FLX_ACT_PRELU ? FLX_PANEL : 0u);
}

/* Bytes of a stored row. */
FLX_INLINE uint32_t flx_widen_row(uint32_t w_type)
{
    return w_type == FLX_WEIGHT_F32   ? FLX_PANEL * 4
           : w_type == FLX_WEIGHT_F16 ? FLX_PANEL * 2
                                      : FLX_PANEL;
}

/* A stored panel with rows [k0, k1) of K, in bytes: where scales are (if any)
 * and rows begin, its length. */
struct flx_stored {
    uint32_t scales;
    uint32_t rows;
    uint32_t bytes;
};
FLX_INLINE struct flx_stored flx_stored_of(const struct flx_conv_arg *a,
                                           uint32_t k0, uint32_t k1)
{
    struct flx_stored s = {.scales = flx_widen_params(a, k0, k1) * 4};
    s.rows = s.scales + (a->w_type == FLX_WEIGHT_I8 ? FLX_PANEL * 4 : 0u);
    s.bytes = s.rows +
              (flx_widen_row(a->w_type) * (k1 - k0) + (FLX_PANEL_ALIGN - 1u)) /
                  FLX_PANEL_ALIGN * FLX_PANEL_ALIGN;
    return s;
}

/* dst[n][16] = stored rows src, src_step bytes apart; scale[16] is of
 * FLX_WEIGHT_I8. */
FLX_INLINE void flx_widen_rows(uint32_t w_type, const uint8_t *src,
                               size_t src_step, const float *scale, uint32_t n,
                               float *dst)
{
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t j = 0; j < FLX_PANEL; j += FLX_LANES) {
            const flx_v x = w_type == FLX_WEIGHT_F16
                                ? flx_load_f16(src + (size_t)j * 2)
                                : flx_load_i8(src + j) * flx_load(scale + j);
            flx_store(dst + j, x);
        }
        src += src_step;
        dst += FLX_PANEL;
    }
}

/* The boxes that a part of a call is made of; of f32 weights the call alone,
 * and the rest is not set. */
struct flx_boxes {
    uint32_t part;
    uint32_t n_parts;
    const struct flx_call *of;
    uint32_t p; /* next panels */
    uint32_t p_end;
    uint32_t k;           /* next row of K */
    float *wide;          /* the current box's weights */
    struct flx_call call; /* the current box */
};

/* A part of boxes of few pixels takes panels of its own: else every part would
 * widen all weights. */
enum { FLX_WIDEN_PIXELS = 256 };

/* Rows [k0, k1) of panels [p0, p1) of the call, and the parameters that come
 * with them, as f32 panels. */
FLX_INLINE void flx_boxes_widen(const struct flx_call *call,
                                const struct flx_conv_arg *a, uint32_t p0,
                                uint32_t p1, uint32_t k0, uint32_t k1,
                                float *dst)
{
    const uint32_t stored = a->w_blocks * a->k_block;
    const uint32_t first = call->kb * stored;
    const uint32_t end = flx_min_u(a->k, first + stored);
    const struct flx_stored s = flx_stored_of(a, first, end);
    const uint32_t params = flx_widen_params(a, k0, k1);
    /* Slopes are the last of a panel's, and without bias the first of dst. */
    const uint32_t skip = k0 > first ? s.scales / 4 - params : 0u;
    const uint32_t row = flx_widen_row(a->w_type);
    for (uint32_t p = p0; p < p1; p++) {
        const uint8_t *src = call->w + (size_t)(p - call->p0) * s.bytes;
        const float *f = (const float *)(const void *)src;
        for (uint32_t i = 0; i < params; i++) {
            dst[i] = f[skip + i];
        }
        dst += params;
        flx_widen_rows(a->w_type, src + s.rows + (size_t)(k0 - first) * row,
                       row, f + s.scales / 4, k1 - k0, dst);
        dst += (size_t)(k1 - k0) * FLX_PANEL;
    }
}

/* The next box; NULL at the end. */
FLX_INLINE const struct flx_call *flx_boxes_next(struct flx_boxes *b,
                                                 const struct flx_conv_arg *a)
{
    if (a->w_type == FLX_WEIGHT_F32 || b->p == b->p_end) {
        return NULL;
    }
    const struct flx_call *const of = b->of;
    const uint32_t stored = a->w_blocks * a->k_block;
    const uint32_t end = flx_min_u(a->k, (of->kb + 1) * stored);
    const uint32_t k1 = flx_min_u(end, b->k + a->k_block);
    /* As many panels as there is room for, in steps of equal size. */
    const uint32_t left = b->p_end - b->p;
    const uint32_t most =
        of->scratch_bytes / FLX_WIDEN_SCRATCH(1u, flx_min_u(a->k, a->k_block));
    const uint32_t steps = (left + most - 1) / most;
    const uint32_t n = (left + steps - 1) / steps;
    flx_boxes_widen(of, a, b->p, b->p + n, b->k, k1, b->wide);
    b->call.w = (const uint8_t *)(const void *)b->wide;
    b->call.p0 = b->p;
    b->call.p1 = b->p + n;
    b->call.kb = b->k / a->k_block;
    b->k = k1;
    if (k1 == end) {
        b->k = of->kb * stored;
        b->p += n;
    }
    return &b->call;
}

/* The first box of a part of a call; NULL if there is none. Of it, and of those
 * that follow, part b->part of b->n_parts is to be computed. */
FLX_INLINE const struct flx_call *
flx_boxes_first(struct flx_boxes *b, const struct flx_call *call,
                const struct flx_conv_arg *a, uint32_t part, uint32_t n_parts)
{
    b->part = part;
    b->n_parts = n_parts;
    if (a->w_type == FLX_WEIGHT_F32) {
        return call;
    }
    const uint32_t n_panel = call->p1 - call->p0;
    const uint32_t rows = call->r1 - call->r0;
    b->of = call;
    b->call = *call;
    b->k = call->kb * a->w_blocks * a->k_block;
    b->wide =
        (float *)(void *)(call->scratch + (size_t)part * call->scratch_bytes);
    b->p = call->p0;
    b->p_end = rows == 0 ? call->p0 : call->p1;
    if (n_panel / 2 >= n_parts && rows > 0 &&
        rows * a->out_w <= FLX_WIDEN_PIXELS) {
        b->part = 0;
        b->n_parts = 1;
        flx_share(n_panel, part, n_parts, &b->p, &b->p_end);
        b->p += call->p0;
        b->p_end += call->p0;
    }
    return flx_boxes_next(b, a);
}

#endif
