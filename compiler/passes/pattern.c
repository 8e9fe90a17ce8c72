#include "passes/pattern.h"

#include <math.h>
#include <stddef.h>

#include "passes/elem.h"
#include "passes/fuse.h"

bool pattern_make(struct graph *g, struct cx *cx, struct pattern *p)
{
    *p = (struct pattern){.g = g, .cx = cx, .n_value = g->n_value};
    return graph_uses_make(g, cx, &p->uses);
}

struct node *pattern_maker(const struct pattern *p, uint32_t value,
                           enum op_id op)
{
    if (value >= p->n_value || p->uses.producer[value] == NODE_NONE) {
        return NULL;
    }
    struct node *const n = &p->g->node[p->uses.producer[value]];
    return n->op == op ? n : NULL;
}

struct node *pattern_sole_maker(const struct pattern *p, uint32_t value,
                                enum op_id op)
{
    struct node *const n = pattern_maker(p, value, op);
    return n && fuse_sole_user(&p->uses, value) != NODE_NONE ? n : NULL;
}

bool pattern_is_near(double a, double b)
{
    return fabs(a - b) <= 1e-6 * fabs(b);
}

bool pattern_scalar(const struct pattern *p, uint32_t value, double *x)
{
    if (value == VALUE_NONE || !const_is_scalar(&p->g->value[value])) {
        return false;
    }
    *x = elem_f64(DTYPE_F32, p->g->value[value].data.data, 0);
    return true;
}

bool pattern_is_scalar(const struct pattern *p, uint32_t value, double x)
{
    double own;
    return pattern_scalar(p, value, &own) && pattern_is_near(own, x);
}

bool pattern_other(const struct node *n, uint32_t one, uint32_t *other)
{
    if (n->n_in != 2 || (n->in[0] != one && n->in[1] != one)) {
        return false;
    }
    *other = n->in[n->in[0] == one ? 1 : 0];
    return true;
}

uint32_t pattern_unscale(const struct pattern *p, uint32_t value, double *a)
{
    *a = 1.0;
    for (;;) {
        const struct node *const mul = pattern_maker(p, value, OP_MUL);
        const struct node *const div = pattern_maker(p, value, OP_DIV);
        double x;
        if (div && pattern_scalar(p, div->in[1], &x) && x != 0.0) {
            value = div->in[0];
            *a /= x;
        } else if (mul && pattern_scalar(p, mul->in[1], &x)) {
            value = mul->in[0];
            *a *= x;
        } else if (mul && pattern_scalar(p, mul->in[0], &x)) {
            value = mul->in[1];
            *a *= x;
        } else {
            return value;
        }
    }
}

bool pattern_factors(const struct pattern *p, uint32_t value, double *a,
                     uint32_t *factor, uint32_t cap, uint32_t *n)
{
    *n = 1;
    *a = 1.0;
    factor[0] = value;
    for (uint32_t i = 0; i < *n;) {
        double part;
        factor[i] = pattern_unscale(p, factor[i], &part);
        *a *= part;
        const struct node *const mul = pattern_maker(p, factor[i], OP_MUL);
        if (!mul) {
            i++;
            continue;
        }
        if (*n == cap) {
            return false;
        }
        factor[i] = mul->in[0];
        factor[(*n)++] = mul->in[1];
    }
    return true;
}
