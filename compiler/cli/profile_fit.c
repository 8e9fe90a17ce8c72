#include "cli/profile_fit.h"

#include <math.h>

enum { ROUNDS = 20000 };

double fit_predict(const struct sample *s, uint32_t n,
                   const double cost[FIT_MAX])
{
    double ns = 0;
    for (uint32_t k = 0; k < n; k++) {
        ns += s->amount[k] * cost[k];
    }
    return ns;
}

/* Normal equations: g x = h, each thing in units of its largest amount. */
struct normal {
    double unit[FIT_MAX];
    double g[FIT_MAX][FIT_MAX];
    double h[FIT_MAX];
};

static void make_normal(const struct sample *s, uint32_t n_sample, uint32_t n,
                        struct normal *e)
{
    *e = (struct normal){{0}, {{0}}, {0}};
    for (uint32_t k = 0; k < n; k++) {
        e->unit[k] = 1e-300; /* what nothing does */
        for (uint32_t i = 0; i < n_sample; i++) {
            e->unit[k] = fmax(e->unit[k], s[i].amount[k]);
        }
    }
    for (uint32_t i = 0; i < n_sample; i++) {
        /* Relative to the time, times its root, squared. */
        const double weight = 1 / s[i].ns;
        for (uint32_t k = 0; k < n; k++) {
            const double a = s[i].amount[k] / e->unit[k];
            e->h[k] += weight * a * s[i].ns;
            for (uint32_t j = 0; j < n; j++) {
                e->g[k][j] += weight * a * s[i].amount[j] / e->unit[j];
            }
        }
    }
}

void fit_costs(const struct sample *s, uint32_t n_sample, uint32_t n,
               double cost[FIT_MAX])
{
    struct normal e;
    make_normal(s, n_sample, n, &e);
    for (uint32_t k = 0; k < n; k++) {
        cost[k] = 0;
    }
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t k = 0; k < n; k++) {
            double rest = e.h[k];
            for (uint32_t j = 0; j < n; j++) {
                rest -= e.g[k][j] * cost[j];
            }
            if (e.g[k][k] > 0) {
                cost[k] = fmax(0, cost[k] + rest / e.g[k][k]);
            }
        }
    }
    for (uint32_t k = 0; k < n; k++) {
        cost[k] /= e.unit[k];
    }
}
