/* k_embed.h - rows of a table in the weights, picked by indices.
 *
 *   out[r][c] = table[ix[r]][c]
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
        const uint8_t *src =
            call->w + a->first + (is_all ? (size_t)panel * a->panel_bytes : 0) +
            (size_t)(entry - panel * a->panel_entries) * a->entry_step;
        uint8_t *dst = flx_view_at(&out, a->elem_bytes, 1, 1, &r, r);
        flx_copy_run(dst, out.stride[1], src,
                     (ptrdiff_t)(a->elem_step / a->elem_bytes), a->elem_bytes,
                     a->size);
    }
}

#endif
