#include "passes/passes.h"

#include "base/arena.h"
#include "passes/params.h"

/* Whether the node passes its first input on. Reshape and the like do when the
 * shape stays, which the caller looks at. */
static bool is_pass_on(const struct graph *g, struct cx *cx,
                       const struct node *n, bool *out)
{
    *out = false;
    switch (n->op) {
    case OP_DROPOUT: /* pass_shapes refused training */
        *out = n->n_out < 2 || n->out[1] == VALUE_NONE;
        return true;
    case OP_IDENTITY:
    case OP_CAST_LIKE:
    case OP_CAST: /* to the same type, as the caller looks at types too */
    case OP_RESHAPE:
    case OP_FLATTEN:
    case OP_SQUEEZE:
    case OP_UNSQUEEZE:
    case OP_EXPAND:
    case OP_TILE:
        *out = true;
        return true;
    case OP_CONCAT:
    case OP_SUM:
    case OP_MAX:
    case OP_MIN:
    case OP_MEAN:
        *out = n->n_in == 1;
        return true;
    case OP_SPLIT:
        *out = n->n_out == 1;
        return true;
    case OP_TRANSPOSE: {
        uint32_t perm[TENSOR_MAX_RANK];
        if (!perm_params(g, cx, n, perm)) {
            return false;
        }
        *out = true;
        for (uint32_t i = 0; i < node_in(g, n, 0)->shape.rank; i++) {
            *out = *out && perm[i] == i;
        }
        return true;
    }
    case OP_PAD: {
        struct pad_params p;
        if (!pad_params(g, cx, n, &p)) {
            return false;
        }
        *out = true;
        for (uint32_t i = 0; i < node_in(g, n, 0)->shape.rank; i++) {
            *out = *out && p.before[i] == 0 && p.after[i] == 0;
        }
        return true;
    }
    case OP_SLICE: {
        struct slice_params s;
        if (!slice_params(g, cx, n, &s)) {
            return false;
        }
        *out = true; /* the whole, if the shape stays and nothing turns */
        for (uint32_t i = 0; i < node_in(g, n, 0)->shape.rank; i++) {
            *out = *out && (s.step[i] > 0 || s.len[i] <= 1);
        }
        return true;
    }
    default: /* op.def grows; what is not listed computes something */
        return true;
    }
}

struct clean {
    struct graph *g;
    uint32_t *alias; /* per value: what stands for it, itself at first */
    bool *is_output;
    uint32_t *producer;
};

static uint32_t resolve(const struct clean *c, uint32_t v)
{
    while (c->alias[v] != v) {
        v = c->alias[v];
    }
    return v;
}

/* Readers of the node's result read its input instead. A graph output keeps its
 * name: then its input's producer writes it, if nobody outside sees that. */
static void bypass(struct clean *c, struct node *n)
{
    const uint32_t in = resolve(c, n->in[0]);
    const uint32_t out = n->out[0];
    if (!c->is_output[out]) {
        c->alias[out] = in;
        n->is_dead = true;
        return;
    }
    const uint32_t from = c->producer[in];
    if (from == NODE_NONE || c->is_output[in]) {
        return; /* an input or constant as output: a copy is due */
    }
    struct node *const writer = &c->g->node[from];
    for (uint32_t i = 0; i < writer->n_out; i++) {
        if (writer->out[i] == in) {
            writer->out[i] = out;
        }
    }
    c->producer[out] = from;
    c->producer[in] = NODE_NONE;
    c->alias[in] = out;
    n->is_dead = true;
}

bool pass_clean(struct graph *g, struct cx *cx)
{
    struct graph_uses uses;
    struct clean c = {.g = g};
    c.alias = arena_new(cx->scratch, uint32_t, g->n_value);
    if (!c.alias || !graph_uses_make(g, cx, &uses)) {
        return false;
    }
    c.is_output = uses.is_output;
    c.producer = uses.producer;
    for (uint32_t i = 0; i < g->n_value; i++) {
        c.alias[i] = i;
    }
    for (uint32_t i = 0; i < g->n_node; i++) {
        struct node *const n = &g->node[i];
        bool passes_on = false;
        if (n->is_dead) {
            continue;
        }
        if (!is_pass_on(g, cx, n, &passes_on)) {
            return false;
        }
        const struct value *const in = node_in(g, n, 0);
        const struct value *const out = node_out(g, n, 0);
        if (passes_on && out && in->dtype == out->dtype &&
            shape_equal(&in->shape, &out->shape)) {
            bypass(&c, n);
        }
    }
    for (uint32_t i = 0; i < g->n_node; i++) {
        struct node *const n = &g->node[i];
        for (uint32_t k = 0; k < n->n_in && !n->is_dead; k++) {
            if (n->in[k] != VALUE_NONE) {
                n->in[k] = resolve(&c, n->in[k]);
            }
        }
    }
    return true;
}
