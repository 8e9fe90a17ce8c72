#include "support/exact_pack.h"

/* If there is a packing, there is one in which each item lies on the floor or
 * on another that it meets: let all fall. Its items, taken by address, each lie
 * on the highest of those before that they meet. So it is enough to try all
 * orders, with that address for each, as long as addresses do not decrease. */

struct pack {
    const struct exact_items *of;
    uint32_t meets[EXACT_MAX_ITEMS]; /* bit j: lives while j does */
    uint32_t at[EXACT_MAX_ITEMS];    /* live in the first slot of this item */
    uint64_t top[EXACT_MAX_ITEMS];   /* of those that are placed */
    uint64_t max_steps;
    uint64_t *steps;
};

static bool meet(const struct exact_item *a, const struct exact_item *b,
                 int32_t period)
{
    for (int32_t k = -2; k <= 2; k++) {
        if (a->first + k * period <= b->last &&
            b->first <= a->last + k * period) {
            return true;
        }
    }
    return false;
}

/* The highest top of these items; `low` when all are lower. */
static uint64_t top_of(const struct pack *p, uint32_t set, uint64_t low)
{
    for (uint32_t i = 0; i < p->of->n; i++) {
        low = (set >> i & 1u) != 0 && p->top[i] > low ? p->top[i] : low;
    }
    return low;
}

static uint64_t sum_of(const struct pack *p, uint32_t set)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < p->of->n; i++) {
        sum += (set >> i & 1u) != 0 ? p->of->x[i].bytes : 0;
    }
    return sum;
}

/* Whether what is left may fit: in every slot, all of it above `level` and
 * above what lies there. */
static bool may_fit(const struct pack *p, uint32_t placed, uint64_t level)
{
    for (uint32_t i = 0; i < p->of->n; i++) {
        const uint64_t sum = sum_of(p, p->at[i] & ~placed);
        if (sum > 0 && top_of(p, p->at[i] & placed, level) + sum > p->of->cap) {
            return false;
        }
    }
    return true;
}

/* Places the rest, none below `level`; at it, only items after `last`. */
static bool place(struct pack *p, uint32_t placed, uint64_t level,
                  uint32_t last)
{
    const struct exact_items *const of = p->of;
    if (placed == (1u << of->n) - 1) {
        return true;
    }
    if (++*p->steps > p->max_steps || !may_fit(p, placed, level)) {
        return false;
    }
    for (uint32_t i = 0; i < of->n; i++) {
        const uint64_t addr = top_of(p, p->meets[i] & placed, 0);
        const bool is_upper = i == of->upper && (placed >> of->lower & 1u) == 0;
        if ((placed >> i & 1u) != 0 || is_upper || addr < level ||
            (addr == level && placed != 0 && i < last)) {
            continue;
        }
        p->top[i] = addr + of->x[i].bytes;
        if (p->top[i] <= of->cap &&
            place(p, placed | 1u << i, addr, i)) { // NOLINT(misc-no-recursion)
            return true;
        }
    }
    return false;
}

bool exact_pack(const struct exact_items *items, uint64_t max_steps,
                uint64_t *steps)
{
    struct pack p = {.of = items, .max_steps = max_steps, .steps = steps};
    for (uint32_t i = 0; i < items->n; i++) {
        const struct exact_item *const x = &items->x[i];
        const struct exact_item point = {.first = x->first, .last = x->first};
        for (uint32_t j = 0; j < items->n; j++) {
            const struct exact_item *const y = &items->x[j];
            p.meets[i] |= i != j && meet(x, y, items->period) ? 1u << j : 0;
            p.at[i] |= meet(&point, y, items->period) ? 1u << j : 0;
        }
    }
    return place(&p, 0, 0, 0);
}
