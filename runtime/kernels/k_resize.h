/* k_resize.h - resizing of images, nearest or bilinear.
 *
 * Output index i of an axis reads input position p = (i * mul + add) / den,
 * evaluated exactly in integers. Nearest: p rounded as `nearest` says, clamped
 * to the image. Linear: p clamped to the image lies f above index j;
 *   out = (1 - fy) * ((1 - fx) * in[y][x] + fx * in[y][x + 1]) + fy * (same of
 *   y + 1)
 * out must not overlap in. */
#ifndef K_RESIZE_H
#define K_RESIZE_H

#include "flx_act.h"

/* A place on an axis: index, and how far beyond it (linear). */
struct flx_place {
    uint32_t ix;
    float frac;
};

FLX_INLINE struct flx_place flx_resize_place(const struct flx_resize_arg *a,
                                             uint32_t i, uint32_t mul,
                                             int32_t add, uint32_t den,
                                             uint32_t len)
{
    const int64_t num = (int64_t)i * mul + add;
    const int64_t d = (int64_t)den;
    int64_t ix = num >= 0 ? num / d : -((-num + d - 1) / d);
    const int64_t rest = num - ix * d;
    if (a->is_linear) {
        if (ix < 0) {
            return (struct flx_place){0, 0.0f};
        }
        if (ix >= (int64_t)len - 1) {
            return (struct flx_place){len - 1, 0.0f};
        }
        return (struct flx_place){(uint32_t)ix, (float)rest / (float)den};
    }
    switch (a->nearest) {
    case FLX_ROUND_PREFER_FLOOR:
        ix += 2 * rest > d;
        break;
    case FLX_ROUND_PREFER_CEIL:
        ix += 2 * rest >= d;
        break;
    case FLX_CEIL:
        ix += rest > 0;
        break;
    default:
        break;
    }
    ix = ix < 0 ? 0 : ix >= (int64_t)len ? (int64_t)len - 1 : ix;
    return (struct flx_place){(uint32_t)ix, 0.0f};
}

/* Channels of one pixel out of four neighbours. */
FLX_INLINE void flx_resize_blend(float *out, const float *const *p, float fx,
                                 float fy, uint32_t c)
{
    const flx_v x1 = flx_splat(fx);
    const flx_v x0 = flx_splat(1.0f - fx);
    const flx_v y1 = flx_splat(fy);
    const flx_v y0 = flx_splat(1.0f - fy);
    for (uint32_t j = 0; j < c; j += FLX_LANES) {
        const uint32_t n = flx_min_u(FLX_LANES, c - j);
        flx_v v[4];
        for (uint32_t k = 0; k < 4; k++) {
            v[k] = n == FLX_LANES ? flx_load(p[k] + j)
                                  : flx_load_n(p[k] + j, n, 0.0f);
        }
        const flx_v top = flx_vfma(x1, v[1], x0 * v[0]);
        const flx_v low = flx_vfma(x1, v[3], x0 * v[2]);
        const flx_v s = flx_vfma(y1, low, y0 * top);
        if (n == FLX_LANES) {
            flx_store(out + j, s);
        } else {
            flx_store_n(out + j, s, n);
        }
    }
}

/* Scratch of a part: FLX_RESIZE_SCRATCH. Parts share rows. */
FLX_INLINE void k_resize_f32(const struct flx_call *call,
                             const struct flx_resize_arg *a, uint32_t part,
                             uint32_t n_parts)
{
    const struct flx_image in = FLX_IMAGE(a, in, &call->arg[1], a->in_rows);
    const struct flx_image out = FLX_IMAGE(a, out, &call->arg[0], a->out_rows);
    struct flx_place *col =
        (struct flx_place *)(void *)(call->scratch +
                                     part * FLX_RESIZE_SCRATCH(a->out_w));
    uint32_t r0;
    uint32_t r1;
    flx_share(call->r1 - call->r0, part, n_parts, &r0, &r1);
    if (r0 == r1) {
        return;
    }
    for (uint32_t x = 0; x < a->out_w; x++) {
        col[x] = flx_resize_place(a, x, a->mul_w, a->add_w, a->den_w, a->in_w);
    }
    for (uint32_t r = call->r0 + r0; r < call->r0 + r1; r++) {
        const uint32_t n = r / a->out_rows;
        const uint32_t y = r % a->out_rows;
        const struct flx_place row =
            flx_resize_place(a, y, a->mul_h, a->add_h, a->den_h, a->in_rows);
        const float *top = flx_image_row(&in, n, row.ix);
        const float *low =
            flx_image_row(&in, n, flx_min_u(row.ix + 1, a->in_rows - 1));
        float *o = flx_image_row(&out, n, y);
        for (uint32_t x = 0; x < a->out_w; x++, o += a->out_pix) {
            const size_t x0 = (size_t)col[x].ix * a->in_pix;
            if (!a->is_linear) {
                for (uint32_t c = 0; c < a->c; c++) {
                    o[c] = top[x0 + c];
                }
                continue;
            }
            const size_t x1 =
                (size_t)flx_min_u(col[x].ix + 1, a->in_w - 1) * a->in_pix;
            /* A neighbour of weight 0 is not read: its row may not be there.
             */
            const float *below = row.frac > 0.0f ? low : top;
            const float *const p[4] = {top + x0, top + x1, below + x0,
                                       below + x1};
            flx_resize_blend(o, p, col[x].frac, row.frac, a->c);
        }
    }
}

#endif
