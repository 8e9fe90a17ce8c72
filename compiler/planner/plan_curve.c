#include "planner/planner.h"

#include <math.h>

#include "base/arena.h"
#include "base/size.h"

enum { CURVE_POINTS = 33 }; /* 2^k + 1: intervals are halved again and again */

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
    double x[CURVE_POINTS] = {(double)least};
    x[CURVE_POINTS - 1] = (double)size_max(least, ends.plan[1].peak);
    for (uint32_t step = CURVE_POINTS / 2; step > 0; step /= 2) {
        for (uint32_t i = step; i < CURVE_POINTS; i += 2 * step) {
            x[i] = sqrt(x[i - step] * x[i + step]);
        }
    }
    for (uint32_t i = 0; i < CURVE_POINTS; i++) {
        b[i] = (struct budget){.kind = BUDGET_BYTES,
                               .bytes = size_max(least, (uint64_t)x[i]),
                               .text = ""};
    }
    own.n_budget = CURVE_POINTS;
    return plan_make(l, c, k, d, &own, cx, curve);
}

/* The best n plans of a curve, of which the last is plan i: the others' and the
 * best before it. */
struct pick {
    double loss; /* of the budgets below plan i */
    uint32_t before;
};

/* Nanoseconds that the budgets of plans [i, end) lose with plan i alone. */
static double loss_of(const struct plan_set *curve, uint32_t i, uint32_t end)
{
    double sum = 0;
    for (uint32_t k = i; k < end; k++) {
        sum += (double)(curve->plan[i].latency_ns - curve->plan[k].latency_ns);
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
            p->loss = i == 0 ? 0 : INFINITY; /* the first is always there */
            for (uint32_t k = 0; j > 0 && k < i; k++) {
                const double loss =
                    pick[(j - 1) * m + k].loss + loss_of(curve, k, i);
                if (loss < p->loss) {
                    *p = (struct pick){loss, k};
                }
            }
        }
    }
    uint32_t at = 0;
    uint32_t used = 1;
    double least = INFINITY;
    for (uint32_t j = 0; j < n; j++) {
        for (uint32_t i = 0; i < m; i++) {
            const double loss = pick[j * m + i].loss + loss_of(curve, i, m);
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
