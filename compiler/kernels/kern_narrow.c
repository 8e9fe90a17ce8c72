/* kern_narrow.c - weights that are stored as f16 or i8: rounding, scratch and
 * time of making them f32 again. */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/le.h"
#include "base/size.h"
#include "kernels/kern_parts.h"

enum { ROW_BYTES = FLX_PANEL * 4, I8_MOST = 127 };

bool layer_is_narrow(const struct layer *l)
{
    return l->stored == DTYPE_F16 || l->stored == DTYPE_I8;
}

uint32_t stored_size(const struct layer *l)
{
    return dtype_bytes(layer_is_narrow(l) ? l->stored : DTYPE_F32);
}

uint32_t weight_type(const struct layer *l)
{
    return l->stored == DTYPE_F16  ? FLX_WEIGHT_F16
           : l->stored == DTYPE_I8 ? FLX_WEIGHT_I8
                                   : FLX_WEIGHT_F32;
}

/* The nearest f16, ties to even; infinity from 65520 on. */
static uint16_t f16_of_bits(uint32_t u)
{
    const uint32_t sign = u >> 16 & 0x8000u;
    const uint32_t size = u & 0x7fffffffu;
    if (size > 0x7f800000u) {
        return (uint16_t)(sign | 0x7e00u);
    }
    if (size >= 0x477ff000u) {
        return (uint16_t)(sign | 0x7c00u);
    }
    /* Units of the last place that is kept, and what is cut off. */
    uint32_t kept = (size - 0x38000000u) >> 13;
    uint32_t shift = 13;
    uint32_t mant = size;
    if (size < 0x38800000u) { /* subnormal: units of 2^-24 */
        shift = 126 - (size >> 23);
        if (shift > 24) {
            return (uint16_t)sign;
        }
        mant = (size & 0x7fffffu) | 0x800000u;
        kept = mant >> shift;
    }
    const uint32_t rest = mant & ((1u << shift) - 1);
    const uint32_t half = 1u << (shift - 1);
    kept += rest > half || (rest == half && (kept & 1u));
    return (uint16_t)(sign | kept);
}

static float float_at(const uint8_t *src)
{
    const uint32_t u = le32_get(src);
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static void put_float(uint8_t *dst, float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    le32_put(dst, u);
}

/* ---- packing: f32 panels, rounded ---- */

static bool round_f16(const struct layer *l, const uint8_t *src, uint64_t n,
                      struct cx *cx, uint8_t *dst)
{
    for (uint64_t i = 0; i < n; i++) {
        const uint16_t h = f16_of_bits(le32_get(src + 4 * i));
        if ((h & 0x7fffu) == 0x7c00u && isfinite(float_at(src + 4 * i))) {
            return diag_error(cx->diag, E_WEIGHT, at_node(l->name, l->op),
                              "a weight of %g does not fit f16, 65504 is the "
                              "most: --weights f32 or i8 store it",
                              (double)float_at(src + 4 * i));
        }
        le16_put(dst + 2 * i, h);
    }
    return true;
}

/* *most becomes the larger of it and the size of a weight. */
static bool take_size(const struct layer *l, const uint8_t *weight,
                      struct cx *cx, float *most)
{
    const float x = fabsf(float_at(weight));
    *most = x > *most ? x : *most;
    return isfinite(x) ||
           diag_error(cx->diag, E_WEIGHT, at_node(l->name, l->op),
                      "a weight of %g does not fit i8: --weights f32 stores it",
                      (double)float_at(weight));
}

/* Of each channel of the panel, the largest size; `tmp` has room for a block.
 * All blocks count: a channel has one scale. */
static bool largest(const struct layer *l, const struct conv_cut *cut,
                    uint64_t panel, struct cx *cx, uint8_t *tmp,
                    float most[FLX_PANEL])
{
    memset(most, 0, FLX_PANEL * sizeof *most);
    for (uint64_t kb = 0; kb < cut->n_kblock; kb++) {
        pack_conv(l, cut, kb, panel, tmp);
        const uint8_t *at = tmp + block_params(l, cut, kb) * ROW_BYTES;
        const uint64_t n = block_rows(cut, kb) * FLX_PANEL;
        for (uint64_t i = 0; i < n; i++) {
            if (!take_size(l, at + 4 * i, cx, &most[i % FLX_PANEL])) {
                return false;
            }
        }
    }
    return true;
}

static uint8_t round_i8(const uint8_t *weight, float scale)
{
    const double s = (double)scale;
    const double q = s > 0 ? rint((double)float_at(weight) / s) : 0;
    return (uint8_t)(int8_t)fmax(-I8_MOST, fmin(I8_MOST, q));
}

bool round_row(const struct layer *l, const uint8_t *src, uint64_t n,
               struct cx *cx, uint8_t *dst, uint8_t *scale)
{
    if (l->stored == DTYPE_F16) {
        return round_f16(l, src, n, cx, dst);
    }
    float most = 0;
    for (uint64_t i = 0; i < n; i++) {
        if (!take_size(l, src + 4 * i, cx, &most)) {
            return false;
        }
    }
    most /= (float)I8_MOST;
    put_float(scale, most);
    for (uint64_t i = 0; i < n; i++) {
        dst[i] = round_i8(src + 4 * i, most);
    }
    return true;
}

bool pack_narrow(const struct layer *l, const struct conv_cut *cut,
                 uint64_t kblock, uint64_t panel, struct cx *cx, uint8_t *dst)
{
    const struct arena_mark mark = arena_mark(cx->scratch);
    const uint64_t rows = block_rows(cut, kblock);
    const uint64_t params = block_params(l, cut, kblock) * ROW_BYTES;
    uint8_t *const wide =
        arena_alloc(cx->scratch, (cut->k_block + 2) * ROW_BYTES, ROW_BYTES);
    float scale[FLX_PANEL];
    bool ok = wide;
    if (ok && l->stored == DTYPE_I8) {
        ok = largest(l, cut, panel, cx, wide, scale);
    }
    if (ok) {
        pack_conv(l, cut, kblock, panel, wide);
        memcpy(dst, wide, params);
        dst += params;
        if (l->stored == DTYPE_I8) {
            for (uint32_t i = 0; i < FLX_PANEL; i++) {
                scale[i] /= (float)I8_MOST;
                put_float(dst + 4 * i, scale[i]);
            }
            dst += ROW_BYTES;
        }
        const uint64_t bytes = rows * FLX_PANEL * stored_size(l);
        const uint64_t all = size_div_up(bytes, FLX_PANEL_ALIGN);
        memset(dst + bytes, 0, all * FLX_PANEL_ALIGN - bytes);
        if (l->stored == DTYPE_I8) {
            for (uint64_t i = 0; i < rows * FLX_PANEL; i++) {
                dst[i] = round_i8(wide + params + 4 * i, scale[i % FLX_PANEL]);
            }
        } else {
            ok = round_f16(l, wide + params, rows * FLX_PANEL, cx, dst);
        }
    }
    arena_rewind(cx->scratch, mark);
    return ok;
}

/* ---- making them f32 again ---- */

/* Multiply-adds that one weight takes as long as. */
enum { WIDEN_COST = 4 };

uint64_t widen_ns(const struct layer *l, const struct device *d)
{
    const struct weight *const w = &l->weight[0];
    return layer_is_narrow(l) ? rate_ns(WIDEN_COST * w->dim[0] * w->dim[1] *
                                            w->dim[2] * w->dim[3],
                                        d->speed[SPEED_GEMM])
                              : 0;
}

/* One panel at a time, or, with more scratch, several, of which kernels make
 * larger tiles: the fewer rows, the more panels. Any box is one strip. */
bool widen_rooms(const struct layer *l, const struct conv_cut *cut,
                 const struct options *opt, struct cx *cx, struct cand *c)
{
    struct cand_room *const x = arena_new(cx->keep, struct cand_room, 2);
    if (!x) {
        return false;
    }
    const struct target *const t = opt->target;
    const uint64_t rows = size_min(cut->k, cut->widen);
    const uint64_t most =
        size_max(1, (uint64_t)t->widen_panels * t->widen_rows / rows);
    const uint64_t panels = size_min(cut->n_panel, most);
    const uint64_t ns = widen_ns(l, opt->device);
    x[0] = (struct cand_room){.bytes = FLX_WIDEN_SCRATCH(1, rows),
                              .tiles = l->rows,
                              .panels_ns = panels > 1 ? 2 * ns : ns};
    x[1] = (struct cand_room){.bytes = FLX_WIDEN_SCRATCH(panels, rows),
                              .tiles = l->rows,
                              .panels_ns = ns};
    c->room = x;
    c->n_room = panels > 1 ? 2 : 1;
    c->row_tiles = 1;
    c->scratch_bytes = x[0].bytes;
    c->panels_ns = ns;
    c->all_ns -= ns;
    return true;
}
