/* Activations that exporters spell out:
 *   clip(x + 3, 0, 6) / 6       HardSigmoid(1/6, 1/2)
 *   x * clip(x + 3, 0, 6) / 6   HardSwish, in either order of * and /
 *   x * HardSigmoid(x)          HardSwish */
#include <math.h>

#include "base/diag.h"
#include "passes/elem.h"
#include "passes/fuse.h"
#include "passes/params.h"
#include "passes/passes.h"

/* The graph and who uses what; lists are those of before the pass. */
struct match {
    struct graph *g;
    struct cx *cx;
    struct graph_uses uses;
};

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-6 * fabs(b);
}

static bool is_scalar(const struct match *m, uint32_t value, double x)
{
    const struct value *const v = &m->g->value[value];
    return const_is_scalar(v) && near(elem_f64(v->dtype, v->data.data, 0), x);
}

/* The node that makes value for one user, if it is of that operator. */
static struct node *maker(const struct match *m, uint32_t value, enum op_id op)
{
    const uint32_t from = m->uses.producer[value];
    if (from == NODE_NONE || m->g->node[from].op != op ||
        fuse_sole_user(&m->uses, value) == NODE_NONE) {
        return NULL;
    }
    return &m->g->node[from];
}

/* value = clip(*x + 3, 0, 6) */
static bool is_shifted_relu6(const struct match *m, uint32_t value, uint32_t *x)
{
    const struct node *const clip = maker(m, value, OP_CLIP);
    struct clip_params c;
    if (!clip || !clip_is_const(m->g, clip) ||
        !clip_params(m->g, m->cx, clip, &c) || c.min != 0.0 || c.max != 6.0) {
        return false;
    }
    const struct node *const add = maker(m, clip->in[0], OP_ADD);
    for (uint32_t k = 0; add && k < 2; k++) {
        if (is_scalar(m, add->in[k], 3.0)) {
            *x = add->in[1 - k];
            return true;
        }
    }
    return false;
}

/* n = *v / 6 */
static bool is_sixth(const struct match *m, const struct node *n, uint32_t *v)
{
    if (n->op == OP_DIV && is_scalar(m, n->in[1], 6.0)) {
        *v = n->in[0];
        return true;
    }
    for (uint32_t k = 0; n->op == OP_MUL && k < 2; k++) {
        if (is_scalar(m, n->in[k], 1.0 / 6)) {
            *v = n->in[1 - k];
            return true;
        }
    }
    return false;
}

/* n = x * hardsigmoid(x) */
static bool is_gated(const struct match *m, const struct node *n, uint32_t *x)
{
    for (uint32_t k = 0; n->op == OP_MUL && k < 2; k++) {
        const struct node *const gate = maker(m, n->in[k], OP_HARD_SIGMOID);
        if (gate && gate->in[0] == n->in[1 - k] &&
            near((double)node_float(gate, "alpha", 0.2F), 1.0 / 6) &&
            near((double)node_float(gate, "beta", 0.5F), 0.5)) {
            *x = gate->in[0];
            return true;
        }
    }
    return false;
}

/* value = *x * clip(*x + 3, 0, 6) */
static bool is_six_swish(const struct match *m, uint32_t value, uint32_t *x)
{
    const struct node *const mul = maker(m, value, OP_MUL);
    for (uint32_t k = 0; mul && k < 2; k++) {
        if (is_shifted_relu6(m, mul->in[k], x) && *x == mul->in[1 - k]) {
            return true;
        }
    }
    return false;
}

static void become(struct node *n, enum op_id op, uint32_t x)
{
    n->op = op;
    n->n_in = 1;
    n->in[0] = x;
    n->n_attr = 0;
}

static bool rewrite(const struct match *m, struct node *n)
{
    uint32_t v;
    uint32_t x;
    if (is_gated(m, n, &x)) {
        become(n, OP_HARD_SWISH, x);
        return true;
    }
    if (!is_sixth(m, n, &v)) {
        return true;
    }
    if (is_six_swish(m, v, &x)) {
        become(n, OP_HARD_SWISH, x);
        return true;
    }
    if (!is_shifted_relu6(m, v, &x)) {
        return true;
    }
    const struct attr alpha = {.kind = ATTR_FLOAT, .f = 1.0F / 6};
    const struct attr beta = {.kind = ATTR_FLOAT, .f = 0.5F};
    become(n, OP_HARD_SIGMOID, x);
    return fuse_set_attr(m->cx, n, "alpha", &alpha) &&
           fuse_set_attr(m->cx, n, "beta", &beta);
}

bool pass_fuse_act(struct graph *g, struct cx *cx)
{
    struct match m = {.g = g, .cx = cx};
    if (!graph_uses_make(g, cx, &m.uses)) {
        return false;
    }
    for (uint32_t i = 0; i < g->n_node; i++) {
        struct node *const n = &g->node[i];
        if (!n->is_dead && n->n_out > 0 && n->out[0] != VALUE_NONE &&
            g->value[n->out[0]].dtype == DTYPE_F32 && !rewrite(&m, n)) {
            return false;
        }
    }
    return true;
}
