#include "ir/layer.h"

#include "base/arena.h"
#include "base/size.h"

uint64_t weight_count(const struct weight *w)
{
    uint64_t n = w->data.len == 0 ? 0 : 1;
    for (uint32_t i = 0; i < w->rank; i++) {
        n *= w->dim[i];
    }
    return n;
}

void operand_linear(const struct layers *l, const struct layer *y,
                    const struct operand *o, int64_t *off,
                    int64_t stride[TENSOR_MAX_RANK])
{
    for (uint32_t k = 0; k < o->rank; k++) {
        stride[k] = o->stride[k];
    }
    *off = (int64_t)o->col0;
    if (!o->by_row) {
        return;
    }
    int64_t step = (int64_t)(l->buf[o->buf].row_bytes / dtype_bytes(o->dtype));
    *off += (int64_t)o->row0 * step;
    for (uint32_t k = y->row_dims; k-- > 0;) {
        stride[k] = step;
        step *= (int64_t)o->dim[k];
    }
}

/* What output rows [r0, r1) of one image need, not yet clamped. */
static int64_t need_first(const struct row_map *m, uint64_t r0)
{
    return (int64_t)(m->den == 1 ? r0 * m->num : r0 * m->num / m->den) - m->lo;
}

static int64_t need_end(const struct row_map *m, uint64_t r1)
{
    return (int64_t)size_div_up(r1 * m->num, m->den) + m->hi;
}

static uint64_t clamp_row(int64_t row, uint64_t rows)
{
    return row < 0 ? 0 : size_min((uint64_t)row, rows);
}

void row_map_need(const struct row_map *m, uint64_t r0, uint64_t r1,
                  uint64_t *a, uint64_t *b)
{
    if (m->all) {
        *a = 0;
        *b = m->in_rows;
        return;
    }
    if (r1 <= m->out_rows) { /* in the first image, most often the only one */
        *a = clamp_row(need_first(m, r0), m->in_rows);
        *b = size_max(*a, clamp_row(need_end(m, r1), m->in_rows));
        return;
    }
    const uint64_t first_image = r0 / m->out_rows;
    const uint64_t last_image = (r1 - 1) / m->out_rows;
    *a = first_image * m->in_rows +
         clamp_row(need_first(m, r0 % m->out_rows), m->in_rows);
    *b = last_image * m->in_rows +
         clamp_row(need_end(m, (r1 - 1) % m->out_rows + 1), m->in_rows);
    *b = size_max(*a, *b);
}

/* Whether the layer's rows go through the operand as they are, upwards. */
static bool goes_up(const struct layer *y, const struct operand *o)
{
    bool up = y->kind == LAYER_COPY || y->kind == LAYER_EWISE ||
              y->kind == LAYER_CAST;
    up = up && (y->kind != LAYER_COPY || !y->p.copy.pads);
    for (uint32_t k = 0; k < o->rank; k++) {
        up = up && o->stride[k] >= 0;
    }
    return up && o->rank >= y->row_dims;
}

uint64_t operand_first_row(const struct layer *y, const struct operand *o,
                           uint64_t row_bytes, uint64_t r)
{
    if (o->by_row && !o->map.all) {
        uint64_t a = 0;
        uint64_t b = 0;
        row_map_need(&o->map, r, r + 1, &a, &b);
        return a + o->row0;
    }
    if (o->by_row || !goes_up(y, o)) {
        return 0;
    }
    /* Least of r and of the first rows that follow it with a greater index in
     * a dimension before the last. */
    uint64_t least = UINT64_MAX;
    uint64_t below = 1; /* rows of one index of dimension k */
    for (uint32_t k = y->row_dims; k-- > 0; below *= y->dim[k]) {
        uint64_t left = k + 1 == y->row_dims ? r : (r / below + 1) * below;
        if (left >= y->rows) {
            break;
        }
        uint64_t at = (uint64_t)o->col0;
        for (uint32_t j = y->row_dims; j-- > 0; left /= y->dim[j]) {
            at += left % y->dim[j] * (uint64_t)o->stride[j];
        }
        least = size_min(least, at);
    }
    return least == UINT64_MAX ? 0 : least * dtype_bytes(o->dtype) / row_bytes;
}

static void touch(struct layers *l, uint32_t ix, const struct operand *o)
{
    if (o->buf >= l->n_buf) {
        return; /* weights, or absent */
    }
    struct buffer *const b = &l->buf[o->buf];
    b->last = b->is_output ? l->n_layer : ix;
    b->whole = b->whole || !o->by_row || o->map.all;
}

/* The buffer in slot k of a layer, the output last; n_buf: none, or one that an
 * earlier slot has. */
static uint32_t used_at(const struct layers *l, const struct layer *y,
                        uint32_t k)
{
    const uint32_t n = layer_n_read(y);
    const uint32_t b = k < n ? y->in[k].buf : y->out.buf;
    for (uint32_t i = 0; i < k; i++) {
        if (y->in[i].buf == b) {
            return l->n_buf;
        }
    }
    return b < l->n_buf ? b : l->n_buf;
}

bool layers_uses(const struct layers *l, struct arena *a,
                 struct layer_uses *out)
{
    /* Counts one place later, so that filling moves starts to their place. */
    uint32_t *const at = arena_new(a, uint32_t, (uint64_t)l->n_buf + 3);
    if (!at) {
        return false;
    }
    for (uint32_t i = 0; i < l->n_layer; i++) {
        for (uint32_t k = 0; k <= layer_n_read(&l->layer[i]); k++) {
            at[used_at(l, &l->layer[i], k) + 2]++;
        }
    }
    for (uint32_t b = 2; b <= l->n_buf + 1; b++) {
        at[b] += at[b - 1];
    }
    uint32_t *const layer = arena_new(a, uint32_t, at[l->n_buf + 1]);
    if (!layer) {
        return false;
    }
    for (uint32_t i = 0; i < l->n_layer; i++) {
        for (uint32_t k = 0; k <= layer_n_read(&l->layer[i]); k++) {
            const uint32_t b = used_at(l, &l->layer[i], k);
            if (b < l->n_buf) {
                layer[at[b + 1]++] = i;
            }
        }
    }
    *out = (struct layer_uses){layer, at};
    return true;
}

void layers_finish(struct layers *l)
{
    for (uint32_t i = 0; i < l->n_buf; i++) {
        struct buffer *const b = &l->buf[i];
        b->whole = b->is_input || b->is_output;
        b->first = 0;
        b->last = b->is_output ? l->n_layer : 0;
    }
    /* Backwards, so that the first writer is what stays. */
    for (uint32_t i = l->n_layer; i-- > 0;) {
        const uint32_t out = l->layer[i].out.buf;
        if (!l->buf[out].is_input) {
            l->buf[out].first = i;
        }
    }
    l->weight_bytes = 0;
    for (uint32_t i = 0; i < l->n_layer; i++) {
        const struct layer *const y = &l->layer[i];
        for (uint32_t k = 0; k < layer_n_read(y); k++) {
            touch(l, i, &y->in[k]);
        }
        touch(l, i, &y->out);
        const bool is_tied = y->kind == LAYER_EMBED && y->p.embed.tied;
        for (uint32_t k = 0; k < y->n_weight && !is_tied; k++) {
            l->weight_bytes +=
                weight_count(&y->weight[k]) * dtype_bytes(y->weight[k].dtype);
        }
    }
}
