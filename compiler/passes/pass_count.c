#include <string.h>

#include "base/arena.h"
#include "passes/params.h"
#include "passes/passes.h"

/* The second result of the node that gives `source`: how many there are. */
static uint32_t count_of(struct graph *g, struct cx *cx, uint32_t source)
{
    for (uint32_t i = 0; i < g->n_node; i++) {
        struct node *const n = &g->node[i];
        if (n->is_dead || n->n_out == 0 || n->out[0] != source) {
            continue;
        }
        if (n->n_out > 1) {
            return n->out[1];
        }
        uint32_t *const out = arena_new(cx->keep, uint32_t, 2);
        const uint32_t v = graph_add_value(g, cx, n->name);
        if (!out || v == UINT32_MAX) {
            return VALUE_NONE;
        }
        g->value[v].dtype = DTYPE_I64;
        g->value[v].shape_known = true;
        out[0] = source;
        out[1] = v;
        n->out = out;
        n->n_out = 2;
        return v;
    }
    return VALUE_NONE;
}

bool pass_count(struct graph *g, struct cx *cx)
{
    const uint32_t n_output = g->n_output;
    uint32_t *const all = arena_new(cx->keep, uint32_t, 2 * n_output);
    if (!all) {
        return false;
    }
    memcpy(all, g->output, n_output * sizeof all[0]);
    g->output = all;
    for (uint32_t i = 0; i < n_output; i++) {
        const struct value v = g->value[all[i]];
        if (v.extent == 0 || v.is_const) {
            continue;
        }
        const uint32_t count = count_of(g, cx, v.extent_of);
        const char *const name =
            arena_printf(cx->scratch, "%s.count.%u", v.name, v.extent - 1);
        if (count == VALUE_NONE || !name) {
            return false;
        }
        const uint32_t ix = graph_add_node(g, cx, OP_IDENTITY, name, 1, 1);
        const uint32_t to = graph_add_value(g, cx, name);
        if (ix == UINT32_MAX || to == UINT32_MAX) {
            return false;
        }
        g->node[ix].in[0] = count;
        g->node[ix].out[0] = to;
        g->value[to].dtype = DTYPE_I64;
        g->value[to].shape_known = true;
        g->output[g->n_output++] = to;
    }
    g->is_ordered = false;
    return true;
}
