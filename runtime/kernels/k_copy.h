/* k_copy.h - strided copy of elements of 1, 2, 4 or 8 bytes, with padding.
 *
 *   out[i] = in[i - before], or the fill where that is outside in_dim
 *
 * out must not overlap in. */
#ifndef K_COPY_H
#define K_COPY_H

#include "flx_box.h"

/* One element; sizes are constants where this is specialised. */
FLX_INLINE void flx_copy_one(uint8_t *dst, const uint8_t *src, uint32_t bytes)
{
    switch (bytes) {
    case 8:
        __builtin_memcpy(dst, src, 8);
        return;
    case 4:
        __builtin_memcpy(dst, src, 4);
        return;
    case 2:
        __builtin_memcpy(dst, src, 2);
        return;
    default:
        *dst = *src;
        return;
    }
}

/* n elements, si and so elements apart; si == 0 repeats one. */
FLX_INLINE void flx_copy_run(uint8_t *dst, ptrdiff_t so, const uint8_t *src,
                             ptrdiff_t si, uint32_t bytes, uint32_t n)
{
    if (so == 1 && si == 1) {
        __builtin_memcpy(dst, src, (size_t)n * bytes);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        flx_copy_one(dst, src, bytes);
        dst += so * (ptrdiff_t)bytes;
        src += si * (ptrdiff_t)bytes;
    }
}

/* One line with padding at at[], of row r. */
FLX_INLINE void flx_copy_padded(const struct flx_copy_arg *a,
                                const struct flx_view *in, uint8_t *dst,
                                const uint8_t *fill, const uint32_t *at)
{
    const uint32_t last = a->rank - 1;
    const ptrdiff_t bytes = (ptrdiff_t)a->elem_bytes;
    const ptrdiff_t so = a->out_stride[last];
    uint32_t from[FLX_MAX_RANK] = {0};
    uint32_t is_inside = 1;
    uint32_t r = 0;
    for (uint32_t k = 0; k < last; k++) {
        from[k] = at[k] - (uint32_t)a->before[k];
        is_inside &= from[k] < a->in_dim[k];
        r = k < a->row_dims ? r * a->in_dim[k] + from[k] : r;
    }
    /* Indices [lo, hi) are inside. */
    const int32_t n = (int32_t)a->dim[last];
    int32_t lo = a->before[last];
    int32_t hi = lo + (int32_t)a->in_dim[last];
    lo = lo < 0 ? 0 : lo > n || !is_inside ? n : lo;
    hi = hi > n ? n : hi < lo || !is_inside ? lo : hi;
    flx_copy_run(dst, so, fill, 0, a->elem_bytes, (uint32_t)lo);
    if (lo < hi) {
        from[last] = (uint32_t)(lo - a->before[last]);
        const uint8_t *src =
            flx_view_at(in, a->elem_bytes, a->row_dims, a->rank, from, r);
        flx_copy_run(dst + lo * so * bytes, so, src, a->in_stride[last],
                     a->elem_bytes, (uint32_t)(hi - lo));
    }
    flx_copy_run(dst + hi * so * bytes, so, fill, 0, a->elem_bytes,
                 (uint32_t)(n - hi));
}

/* The space has rank >= row_dims + 2. A constant input lies in the one panel.
 * No scratch. Parts share lines. */
FLX_INLINE void k_copy(const struct flx_call *call,
                       const struct flx_copy_arg *a, uint32_t part,
                       uint32_t n_parts)
{
    const struct flx_view out = FLX_VIEW(a, out, call);
    const struct flx_view in = FLX_VIEW(a, in, call);
    const uint32_t last = a->rank - 1;
    const ptrdiff_t bytes = (ptrdiff_t)a->elem_bytes;
    const uint32_t word[2] = {a->fill_lo, a->fill_hi};
    uint8_t fill[8];
    for (uint32_t i = 0; i < 8; i++) {
        fill[i] = (uint8_t)(word[i / 4] >> (i % 4 * 8));
    }
    uint32_t u;
    uint32_t u1;
    flx_share((call->r1 - call->r0) * flx_lines(a->rank, a->row_dims, a->dim),
              part, n_parts, &u, &u1);
    while (u < u1) {
        struct flx_plane p;
        u += flx_plane_at(a->rank, a->row_dims, a->dim, call->r0, u, u1, &p);
        uint8_t *dst =
            flx_view_at(&out, a->elem_bytes, a->row_dims, a->rank, p.at, p.r);
        const ptrdiff_t so = a->out_stride[last - 1] * bytes;
        if (a->has_pads) {
            for (uint32_t i = p.a0; i < p.a1; i++) {
                p.at[last - 1] = i;
                flx_copy_padded(a, &in, dst + (ptrdiff_t)(i - p.a0) * so, fill,
                                p.at);
            }
            continue;
        }
        const uint8_t *src =
            flx_view_at(&in, a->elem_bytes, a->row_dims, a->rank, p.at, p.r);
        const ptrdiff_t si = a->in_stride[last - 1] * bytes;
        for (uint32_t i = 0; i < p.a1 - p.a0; i++) {
            flx_copy_run(dst + (ptrdiff_t)i * so, a->out_stride[last],
                         src + (ptrdiff_t)i * si, a->in_stride[last],
                         a->elem_bytes, a->dim[last]);
        }
    }
}

#endif
