/* k_tensor_sample.h - images read at computed, fractional places.
 *
 * k_tensor_grid: out[n][c][o..] is in[n][c] at grid[n][o..], whose last
 * dimension counts from the last of the image; -1 and 1 are its ends.
 *   p: mode (enum flx_grid_mode), padding (enum flx_grid_pad), whether -1 and 1
 *   are the centres of the corner pixels.
 * k_tensor_roi: out[r][c][y][x] is the mean, or largest, of samples of the cell
 * (y, x) of box r of image batch[r]. rois[r] are x0 y0 x1 y1.
 *   p: whether it is the largest, samples along a cell (0: one a pixel),
 * whether pixel centres are at halves; f: scale of the boxes. Largest is, as
 * ONNX has it, over the four weighted pixels of each sample. k_tensor_deform: a
 * convolution whose taps are moved by offset[n][group * taps
 * * 2][y][x], rows first, and weighted by mask[n][group * taps][y][x].
 * Operands: in, weights, offset, then bias and mask, whose places are p: bias,
 * mask (0: none), groups, groups of offsets; then stride, dilation and pad of
 * rows and of columns.
 *
 * Arithmetic is in double. Places that are no number read as beyond the image.
 */
#ifndef K_TENSOR_SAMPLE_H
#define K_TENSOR_SAMPLE_H

#include "flx_tensor.h"

enum flx_grid_mode { FLX_GRID_LINEAR, FLX_GRID_NEAREST, FLX_GRID_CUBIC };
enum flx_grid_pad { FLX_GRID_ZEROS, FLX_GRID_BORDER, FLX_GRID_REFLECTION };

FLX_INLINE double flx_sample_get(const struct flx_tensor *t, ptrdiff_t off)
{
    const struct flx_number x = flx_get(t->type, flx_tensor_off(t, off));
    return flx_type_is_float(t->type) ? x.f : flx_int_value(t->type, x.i);
}

FLX_INLINE void flx_sample_put(const struct flx_tensor *t, const uint32_t *at,
                               double x)
{
    const struct flx_number r = {x, flx_whole(t->type, flx_dround(x))};
    flx_put(t->type, r, flx_tensor_at(t, at));
}

/* Places are kept where a double still tells neighbours apart. */
FLX_INLINE double flx_sample_bound(double x)
{
    return x > -0x1p40 ? (x < 0x1p40 ? x : 0x1p40) : -0x1p40;
}

/* ---- grids --------------------------------------------------------------- */

struct flx_grid_axis {
    uint32_t n_tap;
    int64_t first; /* pixel of tap 0 */
    double weight[4];
    double low; /* what reflection turns at */
    double high;
};

/* x mirrored at low and high until it lies between them. */
FLX_INLINE double flx_grid_reflect(double x, double low, double high)
{
    const double span = high - low;
    if (!(span > 0.0)) {
        return low;
    }
    const double away = x < low ? low - x : x > high ? x - high : -1.0;
    if (away < 0.0) {
        return x;
    }
    const double turns = flx_dfloor(away / span);
    const double rest = away - turns * span;
    const uint32_t is_even = turns - 2.0 * flx_dfloor(turns * 0.5) == 0.0;
    return (x < low) == is_even ? low + rest : high - rest;
}

/* Keys' kernel with a = -3/4 for the fraction t of the second of four taps. */
FLX_INLINE void flx_grid_cubic(double t, double *w)
{
    const double a = -0.75;
    for (uint32_t k = 0; k < 4; k++) {
        const double d = flx_dabs(t + 1.0 - (double)k);
        w[k] = d <= 1.0 ? ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
                        : ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a;
    }
}

FLX_INLINE void flx_grid_taps(const struct flx_tensor_arg *a, double g,
                              uint32_t n, struct flx_grid_axis *t)
{
    const uint32_t aligns = a->p[2] != 0;
    const double len = (double)n;
    double x =
        aligns ? (g + 1.0) * 0.5 * (len - 1.0) : ((g + 1.0) * len - 1.0) * 0.5;
    t->low = aligns ? 0.0 : -0.5;
    t->high = aligns ? len - 1.0 : len - 0.5;
    x = flx_sample_bound(x);
    if (a->p[0] == FLX_GRID_NEAREST) {
        x = flx_dround(x);
    }
    if (x < t->low || x > t->high) {
        if (a->p[1] == FLX_GRID_BORDER) {
            x = x < 0.0 ? 0.0 : len - 1.0;
        } else if (a->p[1] == FLX_GRID_REFLECTION) {
            x = flx_grid_reflect(x, t->low, t->high);
        }
    }
    const double floor = flx_dfloor(x);
    t->weight[0] = 1.0;
    if (a->p[0] == FLX_GRID_NEAREST) {
        t->n_tap = 1;
        t->first = (int64_t)flx_dround(x);
    } else if (a->p[0] == FLX_GRID_LINEAR) {
        t->n_tap = 2;
        t->first = (int64_t)floor;
        t->weight[0] = 1.0 - (x - floor);
        t->weight[1] = x - floor;
    } else {
        t->n_tap = 4;
        t->first = (int64_t)floor - 1;
        flx_grid_cubic(x - floor, t->weight);
    }
}

/* The pixel that tap k reads; below 0: zero. */
FLX_INLINE int64_t flx_grid_pixel(const struct flx_tensor_arg *a,
                                  const struct flx_grid_axis *t, uint32_t k,
                                  uint32_t n)
{
    const int64_t i = t->first + (int64_t)k;
    if (i >= 0 && i < (int64_t)n) {
        return i;
    }
    if (a->p[1] == FLX_GRID_BORDER) {
        return i < 0 ? 0 : (int64_t)n - 1;
    }
    if (a->p[1] == FLX_GRID_REFLECTION) {
        const int64_t r = (int64_t)flx_grid_reflect((double)i, t->low, t->high);
        return r < 0 ? 0 : r >= (int64_t)n ? (int64_t)n - 1 : r;
    }
    return -1;
}

/* Parts share elements of the output, which overlaps no operand. */
FLX_INLINE void k_tensor_grid(const struct flx_call *call,
                              const struct flx_tensor_arg *a, uint32_t part,
                              uint32_t n_parts)
{
    const struct flx_tensor out = flx_tensor_of(a, call, 0);
    const struct flx_tensor in = flx_tensor_of(a, call, 1);
    const struct flx_tensor grid = flx_tensor_of(a, call, 2);
    const uint32_t n_dim = in.rank - 2;
    uint32_t i;
    uint32_t end;
    uint32_t at[FLX_MAX_RANK] = {0};
    for (flx_tensor_share(&out, part, n_parts, &i, &end, at); i < end; i++) {
        struct flx_grid_axis axis[FLX_TENSOR_SPATIAL];
        ptrdiff_t place = (ptrdiff_t)at[0] * grid.stride[0];
        uint32_t taps = 1;
        double s = 0.0;
        for (uint32_t d = 0; d < n_dim; d++) {
            place += (ptrdiff_t)at[2 + d] * grid.stride[1 + d];
        }
        for (uint32_t d = 0; d < n_dim; d++) {
            const double g =
                flx_sample_get(&grid, place + (ptrdiff_t)(n_dim - 1 - d) *
                                                  grid.stride[grid.rank - 1]);
            flx_grid_taps(a, g, in.dim[2 + d], &axis[d]);
            taps *= axis[d].n_tap;
        }
        for (uint32_t tap = 0; tap < taps; tap++) {
            ptrdiff_t off = (ptrdiff_t)at[0] * in.stride[0] +
                            (ptrdiff_t)at[1] * in.stride[1];
            double w = 1.0;
            uint32_t rest = tap;
            for (uint32_t d = n_dim; d-- > 0;) {
                const uint32_t k = rest % axis[d].n_tap;
                rest /= axis[d].n_tap;
                const int64_t p = flx_grid_pixel(a, &axis[d], k, in.dim[2 + d]);
                w *= p < 0 ? 0.0 : axis[d].weight[k];
                off += p < 0 ? 0 : (ptrdiff_t)p * in.stride[2 + d];
            }
            s += w != 0.0 ? w * flx_sample_get(&in, off) : 0.0;
        }
        flx_sample_put(&out, at, s);
        flx_tensor_next(&out, at);
    }
}

/* ---- boxes --------------------------------------------------------------- */

/* One axis of a sample: two pixels and their weights; false beyond. */
FLX_INLINE uint32_t flx_roi_axis(double x, uint32_t n, uint32_t *pixel,
                                 double *w)
{
    if (!(x >= -1.0 && x <= (double)n)) {
        return 0;
    }
    x = x < 0.0 ? 0.0 : x;
    pixel[0] = (uint32_t)x;
    if (pixel[0] >= n - 1) {
        pixel[0] = n - 1;
        x = (double)(n - 1);
    }
    pixel[1] = pixel[0] + 1 < n ? pixel[0] + 1 : pixel[0];
    w[1] = x - (double)pixel[0];
    w[0] = 1.0 - w[1];
    return 1;
}

/* Most samples along a cell, whatever the box. */
enum { FLX_ROI_SAMPLES = 1024 };

FLX_INLINE void k_tensor_roi(const struct flx_call *call,
                             const struct flx_tensor_arg *a, uint32_t part,
                             uint32_t n_parts)
{
    const struct flx_tensor out = flx_tensor_of(a, call, 0);
    const struct flx_tensor in = flx_tensor_of(a, call, 1);
    const struct flx_tensor rois = flx_tensor_of(a, call, 2);
    const struct flx_tensor batch = flx_tensor_of(a, call, 3);
    const double scale = (double)a->f[0];
    uint32_t i;
    uint32_t end;
    uint32_t at[FLX_MAX_RANK] = {0};
    for (flx_tensor_share(&out, part, n_parts, &i, &end, at); i < end; i++) {
        const ptrdiff_t box = (ptrdiff_t)at[0] * rois.stride[0];
        int64_t image = flx_get_int(
            batch.type,
            flx_tensor_off(&batch, (ptrdiff_t)at[0] * batch.stride[0]));
        image = image < 0                     ? 0
                : image >= (int64_t)in.dim[0] ? (int64_t)in.dim[0] - 1
                                              : image;
        const ptrdiff_t base =
            (ptrdiff_t)image * in.stride[0] + (ptrdiff_t)at[1] * in.stride[1];
        double from[2];
        double cell[2];
        uint32_t n[2];
        for (uint32_t d = 0; d < 2; d++) { /* rows, columns */
            const double half = a->p[2] ? 0.5 : 0.0;
            const double lo = flx_sample_bound(
                flx_sample_get(&rois,
                               box + (ptrdiff_t)(1 - d) * rois.stride[1]) *
                    scale -
                half);
            const double hi = flx_sample_bound(
                flx_sample_get(&rois,
                               box + (ptrdiff_t)(3 - d) * rois.stride[1]) *
                    scale -
                half);
            double span = hi - lo;
            span = !a->p[2] && span < 1.0 ? 1.0 : span;
            from[d] = lo;
            cell[d] = span / (double)out.dim[2 + d];
            const double most = (double)FLX_ROI_SAMPLES;
            const double each = flx_dceil(cell[d]);
            n[d] = a->p[1] > 0   ? (uint32_t)a->p[1]
                   : each < most ? (uint32_t)(each > 0.0 ? each : 0.0)
                                 : (uint32_t)FLX_ROI_SAMPLES;
        }
        double s = 0.0;
        uint32_t is_first = 1;
        for (uint32_t k = 0; k < n[0] * n[1]; k++) {
            const uint32_t ky = k / n[1];
            const uint32_t kx = k % n[1];
            uint32_t py[2];
            uint32_t px[2];
            double wy[2];
            double wx[2];
            const double y =
                from[0] +
                cell[0] * ((double)at[2] + ((double)ky + 0.5) / (double)n[0]);
            const double x =
                from[1] +
                cell[1] * ((double)at[3] + ((double)kx + 0.5) / (double)n[1]);
            const uint32_t is_in = flx_roi_axis(y, in.dim[2], py, wy) &&
                                   flx_roi_axis(x, in.dim[3], px, wx);
            double best = 0.0;
            for (uint32_t c = 0; c < 4 && is_in; c++) {
                const double v =
                    wy[c / 2] * wx[c % 2] *
                    flx_sample_get(&in,
                                   base + (ptrdiff_t)py[c / 2] * in.stride[2] +
                                       (ptrdiff_t)px[c % 2] * in.stride[3]);
                best = c == 0 || v > best ? v : best;
                s += a->p[0] ? 0.0 : v;
            }
            if (a->p[0]) {
                s = is_first || best > s ? best : s;
            }
            is_first = 0;
        }
        if (!a->p[0] && n[0] * n[1] > 0) {
            s /= (double)(n[0] * n[1]);
        }
        flx_sample_put(&out, at, s);
        flx_tensor_next(&out, at);
    }
}

/* ---- moved taps ---------------------------------------------------------- */

/* Row and column y, x of the image at `base`, between pixels; zero beyond. */
FLX_INLINE double flx_deform_read(const struct flx_tensor *in, ptrdiff_t base,
                                  double y, double x)
{
    const double fy = flx_dfloor(flx_sample_bound(y));
    const double fx = flx_dfloor(flx_sample_bound(x));
    double s = 0.0;
    for (uint32_t c = 0; c < 4; c++) {
        const int64_t iy = (int64_t)fy + (int64_t)(c / 2);
        const int64_t ix = (int64_t)fx + (int64_t)(c % 2);
        if (iy < 0 || ix < 0 || iy >= (int64_t)in->dim[2] ||
            ix >= (int64_t)in->dim[3]) {
            continue;
        }
        const double wy = c / 2 ? y - fy : 1.0 - (y - fy);
        const double wx = c % 2 ? x - fx : 1.0 - (x - fx);
        s += wy * wx *
             flx_sample_get(in, base + (ptrdiff_t)iy * in->stride[2] +
                                    (ptrdiff_t)ix * in->stride[3]);
    }
    return s;
}

/* Parts share elements of the output, which overlaps no operand. */
FLX_INLINE void k_tensor_deform(const struct flx_call *call,
                                const struct flx_tensor_arg *a, uint32_t part,
                                uint32_t n_parts)
{
    const struct flx_tensor out = flx_tensor_of(a, call, 0);
    const struct flx_tensor in = flx_tensor_of(a, call, 1);
    const struct flx_tensor w = flx_tensor_of(a, call, 2);
    const struct flx_tensor offset = flx_tensor_of(a, call, 3);
    const struct flx_tensor bias = flx_tensor_of(a, call, (uint32_t)a->p[0]);
    const struct flx_tensor mask = flx_tensor_of(a, call, (uint32_t)a->p[1]);
    const int32_t *const win = a->p + 4;
    const uint32_t per_out = out.dim[1] / (uint32_t)a->p[2];
    const uint32_t per_in = w.dim[1];
    const uint32_t per_offset = in.dim[1] / (uint32_t)a->p[3];
    const uint32_t taps = w.dim[2] * w.dim[3];
    uint32_t i;
    uint32_t end;
    uint32_t at[FLX_MAX_RANK] = {0};
    for (flx_tensor_share(&out, part, n_parts, &i, &end, at); i < end; i++) {
        double s =
            a->p[0] ? flx_sample_get(&bias, (ptrdiff_t)at[1] * bias.stride[0])
                    : 0.0;
        for (uint32_t k = 0; k < per_in * taps; k++) {
            const uint32_t c = at[1] / per_out * per_in + k / taps;
            const uint32_t tap = k % taps;
            const uint32_t ky = tap / w.dim[3];
            const uint32_t kx = tap % w.dim[3];
            const uint32_t row = c / per_offset * taps + tap;
            const ptrdiff_t to = (ptrdiff_t)at[0] * offset.stride[0] +
                                 (ptrdiff_t)(2 * row) * offset.stride[1] +
                                 (ptrdiff_t)at[2] * offset.stride[2] +
                                 (ptrdiff_t)at[3] * offset.stride[3];
            const double y = (double)((int64_t)at[2] * win[0] +
                                      (int64_t)ky * win[2] - win[4]) +
                             flx_sample_get(&offset, to);
            const double x = (double)((int64_t)at[3] * win[1] +
                                      (int64_t)kx * win[3] - win[5]) +
                             flx_sample_get(&offset, to + offset.stride[1]);
            double v = flx_deform_read(&in,
                                       (ptrdiff_t)at[0] * in.stride[0] +
                                           (ptrdiff_t)c * in.stride[1],
                                       y, x);
            if (a->p[1]) {
                v *= flx_sample_get(&mask,
                                    (ptrdiff_t)at[0] * mask.stride[0] +
                                        (ptrdiff_t)row * mask.stride[1] +
                                        (ptrdiff_t)at[2] * mask.stride[2] +
                                        (ptrdiff_t)at[3] * mask.stride[3]);
            }
            s +=
                v * flx_sample_get(&w, (ptrdiff_t)at[1] * w.stride[0] +
                                           (ptrdiff_t)(k / taps) * w.stride[1] +
                                           (ptrdiff_t)ky * w.stride[2] +
                                           (ptrdiff_t)kx * w.stride[3]);
        }
        flx_sample_put(&out, at, s);
        flx_tensor_next(&out, at);
    }
}

#endif
