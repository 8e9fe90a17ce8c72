#include "planner/planner.h"

#include "base/arena.h"
#include "base/size.h"

enum { CURVE_POINTS = 33 }; /* 2^k + 1: intervals are halved again and again */

/* The geometric mean of a <= b, rounded down; of 32 digits when b is larger. */
static uint64_t mean_of(uint64_t a, uint64_t b)
{
    uint32_t shift = 0;
    while (b >> shift > UINT32_MAX) {
        shift++;
    }
    const uint64_t square = (a >> shift) * (b >> shift);
    uint64_t low = a >> shift;
    uint64_t high = (b >> shift) + 1; /* low^2 <= square < high^2 */
    while (high - low > 1) {
        const uint64_t middle = (low + high) / 2;
        if (middle * middle <= square) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low << shift;
}

bool plan_curve(const struct layers *l, const struct chunks *c,
                const struct cands *k, const struct device *d,
                const struct options *opt, struct cx *cx,
                struct plan_set *curve)
{
    struct budget *const b = arena_new(cx->keep, struct budget, CURVE_POINTS);
    struct plan_set ends;
    if (!b) {
        return false;
    }
    struct options own = *opt;
    own.budget = b;
    own.n_budget = 2;
    b[0] = (struct budget){.kind = BUDGET_MIN, .text = "min"};
    b[1] = (struct budget){.kind = BUDGET_MAX, .text = "max"};
    if (!plan_make(l, c, k, d, &own, cx, &ends)) {
        return false;
    }
    const uint64_t least = ends.plan[0].peak;
    uint64_t x[CURVE_POINTS] = {least};
    x[CURVE_POINTS - 1] = size_max(least, ends.plan[1].peak);
    for (uint32_t step = CURVE_POINTS / 2; step > 0; step /= 2) {
        for (uint32_t i = step; i < CURVE_POINTS; i += 2 * step) {
            x[i] = mean_of(x[i - step], x[i + step]);
        }
    }
    for (uint32_t i = 0; i < CURVE_POINTS; i++) {
        b[i] = (struct budget){
            .kind = BUDGET_BYTES, .bytes = size_max(least, x[i]), .text = ""};
    }
    own.n_budget = CURVE_POINTS;
    return plan_make(l, c, k, d, &own, cx, curve);
}

/* More than any loss, and no overflow when losses are added. */
#define LOSS_NONE (UINT64_MAX / 2)

/* The best n plans of a curve, of which the last is plan i: the others' and the
 * best before it. */
struct pick {
    uint64_t loss; /* ns, of the budgets below plan i */
    uint32_t before;
};

/* Nanoseconds that the budgets of plans [i, end) lose with plan i alone. */
static uint64_t loss_of(const struct plan_set *curve, uint32_t i, uint32_t end)
{
    uint64_t sum = 0;
    for (uint32_t k = i; k < end; k++) {
        const uint64_t ns = curve->plan[k].latency_ns;
        if (ns < curve->plan[i].latency_ns) {
            sum += curve->plan[i].latency_ns - ns;
        }
    }
    return sum;
}

bool plan_knees(const struct plan_set *curve, uint32_t n, struct cx *cx,
                uint64_t *bytes, uint32_t *n_found)
{
    const uint32_t m = curve->n_plan;
    const struct arena_mark mark = arena_mark(cx->scratch);
    struct pick *const pick =
        arena_new(cx->scratch, struct pick, (uint64_t)m * n);
    if (!pick) {
        return false;
    }
    for (uint32_t j = 0; j < n; j++) { /* with j + 1 plans */
        for (uint32_t i = 0; i < m; i++) {
            struct pick *const p = &pick[j * m + i];
            p->loss = i == 0 ? 0 : LOSS_NONE; /* the first is always there */
            for (uint32_t k = 0; j > 0 && k < i; k++) {
                const uint64_t loss =
                    pick[(j - 1) * m + k].loss + loss_of(curve, k, i);
                if (loss < p->loss) {
                    *p = (struct pick){loss, k};
                }
            }
        }
    }
    uint32_t at = 0;
    uint32_t used = 1;
    uint64_t least = LOSS_NONE;
    for (uint32_t j = 0; j < n; j++) {
        for (uint32_t i = 0; i < m; i++) {
            const uint64_t loss = pick[j * m + i].loss + loss_of(curve, i, m);
            if (loss < least) {
                least = loss;
                at = i;
                used = j + 1;
            }
        }
    }
    *n_found = used;
    for (uint32_t j = used; j-- > 0;) {
        bytes[j] = curve->plan[at].peak;
        at = pick[j * m + at].before;
    }
    arena_rewind(cx->scratch, mark);
    return true;
}
