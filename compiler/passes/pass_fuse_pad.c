/* Pad with zeros along the spatial dimensions, before a Conv or an AveragePool
 * without pads of its own, becomes that node's pads. Before QLinearConv zero is
 * the zero point. */
#include <string.h>

#include "base/arena.h"
#include "passes/elem.h"
#include "passes/fuse.h"
#include "passes/params.h"
#include "passes/passes.h"

/* What stands for 0 in the node's input, of that type; false when that is not
 * known. */
static bool zero_of(const struct graph *g, const struct node *n, enum dtype t,
                    double *zero)
{
    *zero = 0.0;
    if (n->op != OP_QLINEAR_CONV) {
        return t == DTYPE_F32;
    }
    const struct value *const v = node_in(g, n, 2);
    if (v && v->is_const) {
        *zero = elem_f64(v->dtype, v->data.data, 0);
    }
    return v && v->is_const;
}

static bool is_zero_pad(const struct graph *g, const struct pad_params *p,
                        const struct node *pad, const struct node *n)
{
    double zero;
    const struct value *const x = &g->value[pad->in[0]];
    for (uint32_t k = 0; k < x->shape.rank; k++) {
        if (p->before[k] < 0 || p->after[k] < 0 ||
            (k < 2 && (p->before[k] != 0 || p->after[k] != 0))) {
            return false;
        }
    }
    return zero_of(g, n, x->dtype, &zero) && p->mode == PAD_CONSTANT &&
           p->value == zero;
}

/* An average counts the zeros that Pad added, and no others. */
static bool can_take(const struct node *n, const struct window *w)
{
    for (uint32_t k = 0; n->op == OP_AVERAGE_POOL && k < w->n_dim; k++) {
        if (w->pad_begin[k] != 0 || w->pad_end[k] != 0) {
            return false;
        }
    }
    return n->op == OP_CONV || n->op == OP_QLINEAR_CONV ||
           (n->op == OP_AVERAGE_POOL && node_int(n, "ceil_mode", 0) == 0);
}

static bool take_pad(struct graph *g, struct cx *cx, struct node *n,
                     const struct node *pad)
{
    struct pad_params p;
    struct window w;
    if (!pad_params(g, cx, pad, &p) || !window_params(g, cx, n, &w)) {
        return false;
    }
    if (!is_zero_pad(g, &p, pad, n) || !can_take(n, &w)) {
        return true;
    }
    int64_t *const pads = arena_new(cx->keep, int64_t, 2 * (uint64_t)w.n_dim);
    if (!pads) {
        return false;
    }
    for (uint32_t k = 0; k < w.n_dim; k++) {
        pads[k] = w.pad_begin[k] + p.before[2 + k];
        pads[w.n_dim + k] = w.pad_end[k] + p.after[2 + k];
    }
    const struct attr a = {.kind = ATTR_INTS, .ints = pads, .n = 2 * w.n_dim};
    const struct attr explicit_pads = {.kind = ATTR_STRING, .s = "NOTSET"};
    const struct attr counts = {.kind = ATTR_INT, .i = 1};
    n->in[0] = pad->in[0];
    return fuse_set_attr(cx, n, "pads", &a) &&
           fuse_set_attr(cx, n, "auto_pad", &explicit_pads) &&
           (n->op != OP_AVERAGE_POOL ||
            fuse_set_attr(cx, n, "count_include_pad", &counts));
}

bool pass_fuse_pad(struct graph *g, struct cx *cx)
{
    struct graph_uses uses;
    if (!graph_uses_make(g, cx, &uses)) {
        return false;
    }
    for (uint32_t i = 0; i < g->n_node; i++) {
        struct node *const n = &g->node[i];
        if (n->is_dead || (n->op != OP_CONV && n->op != OP_QLINEAR_CONV &&
                           n->op != OP_AVERAGE_POOL)) {
            continue;
        }
        const uint32_t from = uses.producer[n->in[0]];
        if (from != NODE_NONE && g->node[from].op == OP_PAD &&
            !take_pad(g, cx, n, &g->node[from])) {
            return false;
        }
    }
    return true;
}
