#include "ir/plan.h"

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

/* The live buffer at the lowest (address, index) above (*addr, *ix); false
 * when there is none. */
static bool next_live(const struct layers *l, const struct plan *p, uint32_t lo,
                      uint32_t hi, uint64_t *addr, uint32_t *ix)
{
    bool found = false;
    uint64_t best_addr = 0;
    uint32_t best_ix = 0;
    for (uint32_t i = 0; i < l->n_buf; i++) {
        const uint64_t a = p->buf[i].addr;
        const bool above =
            *ix == UINT32_MAX || a > *addr || (a == *addr && i > *ix);
        if (above && plan_buf_is_live(&l->buf[i], lo, hi) &&
            (!found || a < best_addr)) {
            found = true;
            best_addr = a;
            best_ix = i;
        }
    }
    *addr = best_addr;
    *ix = best_ix;
    return found;
}

uint32_t plan_boundary_id(const struct layers *l, const struct plan *p,
                          const struct plan_boundary *b)
{
    uint32_t crc = add(add(add(0, b->lo), b->hi), b->n_iter);
    for (uint32_t i = 1; b->n_iter > 1 && i <= p->box[b->box_ix].body; i++) {
        const struct plan_box *const x = &p->box[b->box_ix + i];
        crc = add(add(add(crc, x->layer), x->p0), x->p1);
        crc = add(add(add(crc, x->kblock), (uint64_t)x->row_a),
                  (uint64_t)x->row_b);
    }
    uint64_t addr = 0;
    uint32_t ix = UINT32_MAX;
    while (next_live(l, p, b->lo, b->hi, &addr, &ix)) {
        crc = add(add(crc, ix), p->buf[ix].ring);
    }
    return crc;
}
