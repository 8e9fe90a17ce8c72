/* kern_embed.c - rows of a table picked by index: what fits, how the table is
 * cut and packed, argument block. */
#include <string.h>

#include "base/size.h"
#include "kernels/kern_space.h"

bool embed_fits(const struct layer *l, const char **why)
{
    *why = "this element type";
    const uint32_t bytes = dtype_bytes(l->out.dtype);
    return (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8) &&
           space_has_inputs(l, 1, why);
}

/* As many entries as reach the goal; a small table is one panel. */
void embed_cut(const struct layer *l, uint64_t panel_goal,
               struct table_cut *cut)
{
    const uint64_t size =
        layer_is_narrow(l) ? stored_size(l) : dtype_bytes(l->out.dtype);
    const uint64_t row = l->dim[1] * size;
    const uint64_t n = l->p.embed.n_entry;
    const uint64_t wanted = size_max(1, panel_goal / row);
    *cut = (struct table_cut){
        .entries = size_min(n, size_max(wanted, size_div_up(n, UINT16_MAX))),
        .entry_step = row,
        .elem_step = size,
    };
    cut->n_panel = size_div_up(n, cut->entries);
    cut->first = l->stored == DTYPE_I8 ? 4 * cut->entries : 0;
    cut->panel_bytes =
        size_div_up(cut->first + cut->entries * row, FLX_PANEL_ALIGN) *
        FLX_PANEL_ALIGN;
}

bool pack_table(const struct layer *l, const struct table_cut *cut,
                uint64_t panel, struct cx *cx, uint8_t *dst)
{
    const uint64_t first = panel * cut->entries;
    const uint64_t n = size_min(cut->entries, l->p.embed.n_entry - first);
    const uint64_t row = l->dim[1] * dtype_bytes(l->out.dtype);
    const uint8_t *const src = l->weight[0].data.data + first * row;
    memset(dst, 0, cut->panel_bytes);
    if (!layer_is_narrow(l)) {
        memcpy(dst, src, n * row);
        return true;
    }
    for (uint64_t i = 0; i < n; i++) {
        if (!round_row(l, src + i * row, l->dim[1], cx,
                       dst + cut->first + i * cut->entry_step,
                       dst + cut->scales + 4 * i)) {
            return false;
        }
    }
    return true;
}

void embed_args(const struct arg_in *in, uint32_t *word, struct fit *f)
{
    const struct layer *l = in->l;
    const struct table_cut *t = in->table;
    struct flx_embed_arg *a = (struct flx_embed_arg *)(void *)word;
    struct space s = {.rank = 2, .row_dims = 1};
    space_add(&s, &l->out, l->out.stride);
    PUT_VIEW(a, out, in, &s, 0, f);
    a->size = fit_u(f, l->dim[1]);
    a->elem_bytes = dtype_bytes(l->out.dtype);
    a->ix_bytes = dtype_bytes(l->in[0].dtype);
    a->entries = fit_u(f, l->p.embed.n_entry);
    a->panel_entries = fit_u(f, t->entries);
    a->n_panel = fit_u(f, t->n_panel);
    a->panel_bytes = fit_u(f, t->panel_bytes);
    a->first = fit_u(f, t->first);
    a->entry_step = fit_u(f, t->entry_step);
    a->elem_step = fit_u(f, t->elem_step);
    a->w_type = weight_type(l);
    a->scales = fit_u(f, t->scales);
}
