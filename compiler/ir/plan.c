#include "ir/plan.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/crc32c.h"
#include "base/le.h"
#include "base/size.h"

uint64_t plan_pick_room(uint64_t raw_bytes, uint64_t align)
{
    const uint64_t len = size_div_up(raw_bytes, align) * align;
    return align > 64 ? len + align : len;
}

bool plan_buf_is_live(const struct buffer *b, uint32_t lo, uint32_t hi)
{
    if (lo == 0 && hi == 0) {
        return b->is_input || b->is_output;
    }
    return (b->is_input || b->first < hi) && b->last >= lo;
}

static uint32_t add(uint32_t crc, uint64_t value)
{
    uint8_t le[8];
    le64_put(le, value);
    return crc32c(crc, le, sizeof le);
}

struct placed {
    uint64_t addr;
    uint32_t ix;
};

static int by_place(const void *a, const void *b)
{
    const struct placed *const x = a;
    const struct placed *const y = b;
    return x->addr != y->addr ? (x->addr < y->addr ? -1 : 1)
                              : (x->ix > y->ix) - (x->ix < y->ix);
}

uint32_t *plan_buf_order(const struct plan *p, struct arena *a)
{
    uint32_t *const order = arena_new(a, uint32_t, p->n_buf);
    const struct arena_mark mark = arena_mark(a);
    struct placed *const x = arena_new(a, struct placed, p->n_buf);
    if (!order || !x) {
        return NULL;
    }
    for (uint32_t i = 0; i < p->n_buf; i++) {
        x[i] = (struct placed){p->buf[i].addr, i};
    }
    qsort(x, p->n_buf, sizeof *x, by_place);
    for (uint32_t i = 0; i < p->n_buf; i++) {
        order[i] = x[i].ix;
    }
    arena_rewind(a, mark);
    return order;
}

uint32_t plan_boundary_id(const struct layers *l, const struct plan *p,
                          const uint32_t *order, const struct plan_boundary *b)
{
    uint32_t crc = add(add(add(0, b->lo), b->hi), b->n_iter);
    for (uint32_t i = 1; b->n_iter > 1 && i <= p->box[b->box_ix].body; i++) {
        const struct plan_box *const x = &p->box[b->box_ix + i];
        crc = add(add(add(crc, x->layer), x->p0), x->p1);
        crc = add(add(add(crc, x->kblock), (uint64_t)x->row_a),
                  (uint64_t)x->row_b);
    }
    for (uint32_t i = 0; i < p->n_buf; i++) {
        const uint32_t ix = order[i];
        if (plan_buf_is_live(&l->buf[ix], b->lo, b->hi)) {
            crc = add(add(crc, ix), p->buf[ix].ring);
        }
    }
    return crc;
}
