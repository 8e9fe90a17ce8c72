/* pattern.h - what the passes that recognise groups of nodes are made of. */
#ifndef FLEXC_PASSES_PATTERN_H
#define FLEXC_PASSES_PATTERN_H

#include "ir/graph.h"

/* A graph and who uses what. The lists are those of when it was made: nodes
 * that a pass rewrites keep their outputs, so producers stay true. */
struct pattern {
    struct graph *g;
    struct cx *cx;
    uint32_t n_value; /* that there were then */
    struct graph_uses uses;
};
NODISCARD bool pattern_make(struct graph *g, struct cx *cx, struct pattern *p);

/* The node that makes value, if it is of that operator; else NULL. */
struct node *pattern_maker(const struct pattern *p, uint32_t value,
                           enum op_id op);
/* The same, and nobody else reads value. */
struct node *pattern_sole_maker(const struct pattern *p, uint32_t value,
                                enum op_id op);

/* Value is a constant f32 of one element, *x. */
bool pattern_scalar(const struct pattern *p, uint32_t value, double *x);
/* That element is within a millionth of x. */
bool pattern_is_scalar(const struct pattern *p, uint32_t value, double x);
bool pattern_is_near(double a, double b);

/* Of a node of two inputs: *other is the one that is not `one`. */
bool pattern_other(const struct node *n, uint32_t one, uint32_t *other);

/* value = *a * the value that is returned, through any number of Mul and Div by
 * scalars. */
uint32_t pattern_unscale(const struct pattern *p, uint32_t value, double *a);

/* value = *a * product of the *n values factor[], at most cap of them, through
 * any number of Mul and Div by scalars. False when there are more. */
bool pattern_factors(const struct pattern *p, uint32_t value, double *a,
                     uint32_t *factor, uint32_t cap, uint32_t *n);

#endif
