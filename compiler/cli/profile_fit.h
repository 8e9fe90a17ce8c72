/* profile_fit.h - times of measured things as sums of amounts over speeds. */
#ifndef FLEXC_CLI_PROFILE_FIT_H
#define FLEXC_CLI_PROFILE_FIT_H

#include <stdint.h>

enum { FIT_MAX = 8 };

/* Something measured: what it does of each of n things, and how long it took.
 */
struct sample {
    double amount[FIT_MAX];
    double ns; /* > 0 */
};

/* The costs[k] >= 0 of one of each thing with which the predictions
 *   sum over k of amount[k] * cost[k]
 * come nearest to the samples: least squares of errors relative to a sample's
 * time, weighted by the square root of that time, so that what takes long
 * counts more, and what is short still counts. A thing that no sample does, or
 * that takes no time, costs 0. Method: coordinate descent. */
void fit_costs(const struct sample *s, uint32_t n_sample, uint32_t n,
               double cost[FIT_MAX]);

double fit_predict(const struct sample *s, uint32_t n,
                   const double cost[FIT_MAX]);

#endif
