/* k_embed.h - rows of a table in the weights, picked by indices.
 *
 *   out[r][c] = table[ix[r]][c], of narrow weights as flx_widen.h has it
 *
 * An index outside the table is taken as FLX_EMBED_ENTRY says. The weights are
 * all panels of the table or, where the box has one panel of several, the one
 * that has the entry: the core has loaded it, and the box has one row. */
#ifndef K_EMBED_H
#define K_EMBED_H

#include "k_copy.h"

FLX_INLINE uint32_t flx_embed_entry(const struct flx_embed_arg *a,
                                    const uint8_t *ix)
{
    int64_t i;
    if (a->ix_bytes == 8) {
        __builtin_memcpy(&i, ix, 8);
    } else {
        int32_t i32;
        __builtin_memcpy(&i32, ix, 4);
        i = i32;
    }
    const int64_t n = (int64_t)a->entries;
    return (uint32_t)FLX_EMBED_ENTRY(i, n);
}

/* One entry of 16 or 8 bits as floats; only I8 has a scale. */
FLX_INLINE void flx_embed_widen(const struct flx_embed_arg *a,
                                const uint8_t *src, const float *scale,
                                float *dst, ptrdiff_t step)
{
    for (uint32_t c = 0; c < a->size; c++) {
        dst[(ptrdiff_t)c * step] = a->w_type == FLX_WEIGHT_F16
                                       ? flx_f16_at(src)
                                       : (float)(int8_t)*src * *scale;
        src += a->elem_step;
    }
}

/* Element c of row r is out_stride[1] * c elements from the row's start. No
 * scratch. Parts share rows. out must not overlap the indices. */
FLX_INLINE void k_embed(const struct flx_call *call,
                        const struct flx_embed_arg *a, uint32_t part,
                        uint32_t n_parts)
{
    const struct flx_view out = FLX_VIEW(a, out, call);
    const uint32_t is_all = call->p1 - call->p0 == a->n_panel;
    uint32_t r0;
    uint32_t r1;
    flx_share(call->r1 - call->r0, part, n_parts, &r0, &r1);
    for (uint32_t r = call->r0 + r0; r < call->r0 + r1; r++) {
        const uint32_t entry =
            flx_embed_entry(a, call->arg[1].base + (size_t)r * a->ix_bytes);
        const uint32_t panel = entry / a->panel_entries;
        const uint32_t ix = entry - panel * a->panel_entries;
        const uint8_t *w =
            call->w + (is_all ? (size_t)panel * a->panel_bytes : 0);
        const uint8_t *src = w + a->first + (size_t)ix * a->entry_step;
        uint8_t *dst = flx_view_at(&out, a->elem_bytes, 1, 1, &r, r);
        if (a->w_type != FLX_WEIGHT_F32) {
            flx_embed_widen(a, src,
                            (const float *)(const void *)(w + a->scales) + ix,
                            (float *)(void *)dst, out.stride[1]);
            continue;
        }
        flx_copy_run(dst, out.stride[1], src,
                     (ptrdiff_t)(a->elem_step / a->elem_bytes), a->elem_bytes,
                     a->size);
    }
}

#endif
