/* Gelu, which exporters spell out, in any order of its factors:
 *   x / 2 * (1 + erf(x / sqrt 2))
 *   x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) */
#include "passes/fuse.h"
#include "passes/passes.h"
#include "passes/pattern.h"

static const double root_half = 0.70710678118654752440;
static const double root_two_by_pi = 0.79788456080286535588;
static const double cubic = 0.044715;

/* value = 1 + f(*of) */
static bool is_one_more(const struct pattern *p, uint32_t value, enum op_id f,
                        uint32_t *of)
{
    const struct node *const add = pattern_maker(p, value, OP_ADD);
    for (uint32_t k = 0; add && k < 2; k++) {
        const struct node *const n = pattern_maker(p, add->in[k], f);
        if (n && pattern_is_scalar(p, add->in[1 - k], 1.0)) {
            *of = n->in[0];
            return true;
        }
    }
    return false;
}

/* value = a * x^power */
static bool is_power(const struct pattern *p, uint32_t value, uint32_t x,
                     uint32_t power, double a)
{
    uint32_t factor[3];
    uint32_t n;
    double own;
    if (!pattern_factors(p, value, &own, factor, 3, &n) ||
        !pattern_is_near(own, a)) {
        return false;
    }
    uint32_t found = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct node *const pow = pattern_maker(p, factor[i], OP_POW);
        if (factor[i] == x) {
            found++;
        } else if (pow && pow->in[0] == x &&
                   pattern_is_scalar(p, pow->in[1], 2.0)) {
            found += 2;
        } else if (pow && pow->in[0] == x &&
                   pattern_is_scalar(p, pow->in[1], 3.0)) {
            found += 3;
        } else {
            return false;
        }
    }
    return found == power;
}

/* value = x + a * x^3 */
static bool is_sum(const struct pattern *p, uint32_t value, uint32_t x)
{
    const struct node *const add = pattern_maker(p, value, OP_ADD);
    uint32_t other;
    return add && pattern_other(add, x, &other) &&
           is_power(p, other, x, 3, cubic);
}

/* value = 1 + a * x^2 */
static bool is_ratio(const struct pattern *p, uint32_t value, uint32_t x)
{
    const struct node *const add = pattern_maker(p, value, OP_ADD);
    for (uint32_t k = 0; add && k < 2; k++) {
        if (pattern_is_scalar(p, add->in[k], 1.0) &&
            is_power(p, add->in[1 - k], x, 2, cubic)) {
            return true;
        }
    }
    return false;
}

/* The argument of tanh. */
static bool is_inner(const struct pattern *p, uint32_t value, uint32_t x)
{
    uint32_t factor[2];
    uint32_t n;
    double a;
    if (!pattern_factors(p, value, &a, factor, 2, &n) ||
        !pattern_is_near(a, root_two_by_pi)) {
        return false;
    }
    return n == 1 ? is_sum(p, factor[0], x)
                  : (factor[0] == x && is_ratio(p, factor[1], x)) ||
                        (factor[1] == x && is_ratio(p, factor[0], x));
}

enum form { FORM_NONE, FORM_ERF, FORM_TANH };

static enum form form_of(const struct pattern *p, uint32_t value, uint32_t *x)
{
    uint32_t factor[2];
    uint32_t n;
    double a;
    if (!pattern_factors(p, value, &a, factor, 2, &n) || n != 2 ||
        !pattern_is_near(a, 0.5)) {
        return FORM_NONE;
    }
    for (uint32_t k = 0; k < 2; k++) {
        uint32_t of;
        *x = factor[k];
        if (is_one_more(p, factor[1 - k], OP_ERF, &of)) {
            return pattern_unscale(p, of, &a) == *x &&
                           pattern_is_near(a, root_half)
                       ? FORM_ERF
                       : FORM_NONE;
        }
        if (is_one_more(p, factor[1 - k], OP_TANH, &of) &&
            is_inner(p, of, *x)) {
            return FORM_TANH;
        }
    }
    return FORM_NONE;
}

bool pass_fuse_gelu(struct graph *g, struct cx *cx)
{
    static const struct attr is_tanh = {.kind = ATTR_STRING, .s = "tanh"};
    struct pattern p;
    if (!pattern_make(g, cx, &p)) {
        return false;
    }
    for (uint32_t i = g->n_node; i-- > 0;) {
        struct node *const n = &g->node[i];
        uint32_t x;
        if (n->is_dead || (n->op != OP_MUL && n->op != OP_DIV)) {
            continue;
        }
        const enum form form = form_of(&p, n->out[0], &x);
        if (form == FORM_NONE ||
            !shape_equal(&g->value[x].shape, &g->value[n->out[0]].shape)) {
            continue;
        }
        n->op = OP_GELU;
        n->n_in = 1;
        n->in[0] = x;
        n->n_attr = 0;
        if (form == FORM_TANH &&
            !fuse_set_attr(cx, n, "approximate", &is_tanh)) {
            return false;
        }
    }
    return true;
}
