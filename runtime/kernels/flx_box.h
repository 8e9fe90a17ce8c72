/* flx_box.h - what every kernel does with its call: rows of operands, shares
 * of parts, walks over shapes. */
#ifndef FLX_BOX_H
#define FLX_BOX_H

#include "flexrt/flx_kernel.h"
#include "flx_simd.h"

/* Floats of the zero row that taps outside an image read; longer runs read it
 * in pieces. Generated code for small devices sets its own. */
#if !defined FLX_ZERO_FLOATS
#if FLX_LANES > 1
#define FLX_ZERO_FLOATS 1024
#else
#define FLX_ZERO_FLOATS 64
#endif
#endif
static const float flx_zero[FLX_ZERO_FLOATS] __attribute__((unused)) = {0};

FLX_INLINE uint32_t flx_min_u(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* [*a, *b): share of part `part` of n units, in order, sizes within 1. */
FLX_INLINE void flx_share(uint32_t n, uint32_t part, uint32_t n_parts,
                          uint32_t *a, uint32_t *b)
{
    const uint32_t size = n / n_parts;
    const uint32_t more = n % n_parts;
    *a = part * size + flx_min_u(part, more);
    *b = *a + size + (part < more);
}

/* Byte address of buffer row r of an operand in memory. */
FLX_INLINE uint8_t *flx_ring_row(const struct flx_ref *ref, uint32_t row_bytes,
                                 uint32_t r)
{
    if (r >= ref->ring) {
        r %= ref->ring;
    }
    return ref->base + (size_t)r * row_bytes;
}

/* Row y of image n of an image operand (FLX_IMAGE_FIELDS); `rows` a image. */
struct flx_image {
    const struct flx_ref *ref;
    uint32_t by_row;
    uint32_t row_bytes;
    uint32_t img_bytes;
    uint32_t row0;
    uint32_t col0;
    uint32_t pix;
    uint32_t rows;
};
#define FLX_IMAGE(A, P, REF, ROWS)                                             \
    {                                                                          \
        (REF), (A)->P##_by_row, (A)->P##_row_bytes, (A)->P##_img_bytes,        \
            (A)->P##_row0, (A)->P##_col0, (A)->P##_pix, (ROWS)                 \
    }

FLX_INLINE uint8_t *flx_image_bytes(const struct flx_image *v, uint32_t n,
                                    uint32_t y, uint32_t elem_bytes)
{
    uint8_t *row = v->by_row ? flx_ring_row(v->ref, v->row_bytes,
                                            v->row0 + n * v->rows + y)
                             : v->ref->base + (size_t)n * v->img_bytes +
                                   (size_t)y * v->row_bytes;
    return row + (size_t)v->col0 * elem_bytes;
}

FLX_INLINE float *flx_image_row(const struct flx_image *v, uint32_t n,
                                uint32_t y)
{
    return (float *)(void *)flx_image_bytes(v, n, y, sizeof(float));
}

/* An operand of any shape (FLX_VIEW_FIELDS). `base` is where element 0 of the
 * current row is; strides of the row dimensions count unless by_row. */
struct flx_view {
    const struct flx_ref *ref; /* NULL: in the weights */
    const uint8_t *w;
    uint32_t by_row;
    uint32_t row_bytes;
    uint32_t row0;
    int32_t col0;
    const int32_t *stride;
};
#define FLX_VIEW(A, P, CALL)                                                   \
    {                                                                          \
        (A)->P##_at == FLX_AT_WEIGHTS ? NULL : &(CALL)->arg[(A)->P##_at],      \
            (CALL)->w, (A)->P##_by_row, (A)->P##_row_bytes, (A)->P##_row0,     \
            (A)->P##_col0, (A)->P##_stride                                     \
    }

/* Where row r of the space begins in the operand: its element at index 0 of
 * the other dimensions. at[k]: r's index along row dimension k. */
FLX_INLINE const uint8_t *flx_view_row(const struct flx_view *v, uint32_t bytes,
                                       uint32_t row_dims, const uint32_t *at,
                                       uint32_t r)
{
    ptrdiff_t off = v->col0;
    const uint8_t *base = v->w;
    if (v->by_row) {
        base = flx_ring_row(v->ref, v->row_bytes, v->row0 + r);
    } else {
        if (v->ref) {
            base = v->ref->base;
        }
        for (uint32_t k = 0; k < row_dims; k++) {
            off += (ptrdiff_t)at[k] * v->stride[k];
        }
    }
    return base + off * (ptrdiff_t)bytes;
}

/* at[k] = r's index along dimension k of n, the last one fastest. */
FLX_INLINE void flx_unravel(uint32_t n, const uint32_t *dim, uint32_t r,
                            uint32_t *at)
{
    for (uint32_t k = n; k-- > 0;) {
        at[k] = r % dim[k];
        r /= dim[k];
    }
}

/* Elements from the row's start at index at[] of dimensions [from, to). */
FLX_INLINE ptrdiff_t flx_view_off(const struct flx_view *v, uint32_t from,
                                  uint32_t to, const uint32_t *at)
{
    ptrdiff_t off = 0;
    for (uint32_t k = from; k < to; k++) {
        off += (ptrdiff_t)at[k] * v->stride[k];
    }
    return off;
}

/* Product of dimensions [from, to). */
FLX_INLINE uint32_t flx_span(const uint32_t *dim, uint32_t from, uint32_t to)
{
    uint32_t n = 1;
    for (uint32_t k = from; k < to; k++) {
        n *= dim[k];
    }
    return n;
}

/* A walk over a space of rank >= row_dims + 2 in units of its last dimension:
 * lines [a0, a1) of the last but one, at index at[] of those before. */
struct flx_plane {
    uint32_t r; /* row */
    uint32_t at[FLX_MAX_RANK];
    uint32_t a0;
    uint32_t a1;
};

/* Lines of one row. */
FLX_INLINE uint32_t flx_lines(uint32_t rank, uint32_t row_dims,
                              const uint32_t *dim)
{
    return flx_span(dim, row_dims, rank - 1);
}

/* The plane that line u of the box is in, as far as line u1 of the box; gives
 * its number of lines. r0: the box's first row. */
FLX_INLINE uint32_t flx_plane_at(uint32_t rank, uint32_t row_dims,
                                 const uint32_t *dim, uint32_t r0, uint32_t u,
                                 uint32_t u1, struct flx_plane *p)
{
    const uint32_t lines = flx_lines(rank, row_dims, dim);
    const uint32_t n_a = dim[rank - 2];
    const uint32_t in_row = u % lines;
    p->r = r0 + u / lines;
    p->a0 = in_row % n_a;
    p->a1 = flx_min_u(n_a, p->a0 + (u1 - u));
    flx_unravel(row_dims, dim, p->r, p->at);
    flx_unravel(rank - 2 - row_dims, dim + row_dims, in_row / n_a,
                p->at + row_dims);
    p->at[rank - 2] = p->a0;
    p->at[rank - 1] = 0;
    return p->a1 - p->a0;
}

/* Address of element at[] of the operand, row included. */
FLX_INLINE uint8_t *flx_view_at(const struct flx_view *v, uint32_t bytes,
                                uint32_t row_dims, uint32_t rank,
                                const uint32_t *at, uint32_t r)
{
    const uint8_t *row = flx_view_row(v, bytes, row_dims, at, r);
    const ptrdiff_t off = flx_view_off(v, row_dims, rank, at);
    return (uint8_t *)(uintptr_t)(row + off * (ptrdiff_t)bytes);
}

#endif
