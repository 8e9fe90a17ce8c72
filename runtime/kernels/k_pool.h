/* k_pool.h - largest or mean element of windows, [y][x][c], vectors along c.
 *
 *   max: the largest of the taps inside the image (a NaN tap loses)
 *   avg: the taps inside, summed by kernel rows, divided by their number, or
 *        by the number inside image and pads (count_pad)
 *
 * A window without any tap gives -infinity or 0. */
#ifndef K_POOL_H
#define K_POOL_H

#include "flx_act.h"

/* Taps [*k0, *k1) of a window at position i whose index lies in [0, len). */
FLX_INLINE void flx_pool_taps(int32_t i, uint32_t kernel, uint32_t dilation,
                              int32_t len, uint32_t *k0, uint32_t *k1)
{
    const int32_t d = (int32_t)dilation;
    const int32_t lo = i >= 0 ? 0 : (-i + d - 1) / d;
    const int32_t hi = i >= len ? 0 : (len - i + d - 1) / d;
    *k1 = flx_min_u(kernel, (uint32_t)hi);
    *k0 = flx_min_u(*k1, (uint32_t)lo);
}

/* What one window covers. */
struct flx_window {
    const struct flx_image *in;
    uint32_t n;
    uint32_t y0; /* may wrap: of tap 0 */
    uint32_t x0;
    uint32_t ky0;
    uint32_t ky1;
    uint32_t kx0;
    uint32_t kx1;
    float divisor;
};

/* Sizes of an axis of a pool. */
struct flx_pool_axis {
    uint32_t kernel;
    uint32_t stride;
    uint32_t dilation;
    int32_t pad_begin;
    int32_t pad_end;
    uint32_t len; /* of the input */
};

/* The window of output pixel (oy, ox) of image n. */
FLX_INLINE struct flx_window flx_pool_window(const struct flx_image *in,
                                             const struct flx_pool_axis *h,
                                             const struct flx_pool_axis *w,
                                             uint32_t count_pad, uint32_t n,
                                             uint32_t oy, uint32_t ox)
{
    const int32_t y0 = (int32_t)(oy * h->stride) - h->pad_begin;
    const int32_t x0 = (int32_t)(ox * w->stride) - w->pad_begin;
    struct flx_window win = {
        .in = in, .n = n, .y0 = (uint32_t)y0, .x0 = (uint32_t)x0};
    flx_pool_taps(y0, h->kernel, h->dilation, (int32_t)h->len, &win.ky0,
                  &win.ky1);
    flx_pool_taps(x0, w->kernel, w->dilation, (int32_t)w->len, &win.kx0,
                  &win.kx1);
    uint32_t count = (win.ky1 - win.ky0) * (win.kx1 - win.kx0);
    if (count_pad) {
        uint32_t h0;
        uint32_t h1;
        uint32_t w0;
        uint32_t w1;
        flx_pool_taps(y0 + h->pad_begin, h->kernel, h->dilation,
                      (int32_t)h->len + h->pad_begin + h->pad_end, &h0, &h1);
        flx_pool_taps(x0 + w->pad_begin, w->kernel, w->dilation,
                      (int32_t)w->len + w->pad_begin + w->pad_end, &w0, &w1);
        count = (h1 - h0) * (w1 - w0);
    }
    win.divisor = count ? (float)count : 1.0f;
    return win;
}
/* The same from the argument block A. */
#define FLX_POOL_WINDOW(A, IN, N, OY, OX)                                      \
    flx_pool_window(                                                           \
        (IN),                                                                  \
        &(struct flx_pool_axis){(A)->kernel_h, (A)->stride_h, (A)->dilation_h, \
                                (A)->pad_top, (A)->pad_bottom, (A)->in_rows},  \
        &(struct flx_pool_axis){(A)->kernel_w, (A)->stride_w, (A)->dilation_w, \
                                (A)->pad_left, (A)->pad_right, (A)->in_w},     \
        (A)->count_pad, (N), (OY), (OX))

FLX_INLINE flx_v flx_pool_vector(const struct flx_pool_arg *a,
                                 const struct flx_window *win, uint32_t c,
                                 uint32_t lanes)
{
    flx_v s = flx_splat(a->is_max ? -__builtin_inff() : 0.0f);
    for (uint32_t ky = win->ky0; ky < win->ky1; ky++) {
        const float *row =
            flx_image_row(win->in, win->n, win->y0 + ky * a->dilation_h);
        for (uint32_t kx = win->kx0; kx < win->kx1; kx++) {
            const uint32_t x = win->x0 + kx * a->dilation_w;
            const float *p = row + (size_t)x * a->in_pix + c;
            const flx_v v =
                lanes == FLX_LANES ? flx_load(p) : flx_load_n(p, lanes, 0.0f);
            s = a->is_max ? flx_vmax(v, s) : s + v;
        }
    }
    return a->is_max ? s : s / flx_splat(win->divisor);
}

/* No weights, no scratch. Parts share rows x pixels x groups of channels. */
FLX_INLINE void k_pool_f32(const struct flx_call *call,
                           const struct flx_pool_arg *a, uint32_t part,
                           uint32_t n_parts)
{
    enum { CHANNELS = 64 };
    const struct flx_image in = FLX_IMAGE(a, in, &call->arg[1], a->in_rows);
    const struct flx_image out = FLX_IMAGE(a, out, &call->arg[0], a->out_rows);
    const uint32_t n_group = (a->c + CHANNELS - 1) / CHANNELS;
    uint32_t u0;
    uint32_t u1;
    flx_share((call->r1 - call->r0) * a->out_w * n_group, part, n_parts, &u0,
              &u1);
    for (uint32_t u = u0; u < u1; u++) {
        const uint32_t c0 = u % n_group * CHANNELS;
        const uint32_t n = flx_min_u(CHANNELS, a->c - c0);
        const uint32_t ox = u / n_group % a->out_w;
        const uint32_t r = call->r0 + u / n_group / a->out_w;
        const uint32_t oy = r % a->out_rows;
        const struct flx_window win =
            FLX_POOL_WINDOW(a, &in, r / a->out_rows, oy, ox);
        float buf[CHANNELS];
        for (uint32_t j = 0; j < n; j += FLX_LANES) {
            const uint32_t lanes = flx_min_u(FLX_LANES, n - j);
            const flx_v s = lanes == FLX_LANES
                                ? flx_pool_vector(a, &win, c0 + j, FLX_LANES)
                                : flx_pool_vector(a, &win, c0 + j, lanes);
            flx_store(buf + j, s);
        }
        flx_run_act(a->act, a->act_a, a->act_b, buf, buf, n);
        float *o = flx_image_row(&out, win.n, oy) + ox * a->out_pix + c0;
        for (uint32_t j = 0; j < n; j++) {
            o[j] = buf[j];
        }
    }
}

#endif
