#include "passes/passes.h"

#include "base/arena.h"
#include "ir/graph.h"

/* Backwards from the outputs; the stack holds nodes found live. */
bool pass_dead(struct graph *g, struct cx *cx)
{
    struct graph_uses uses;
    if (!graph_uses_make(g, cx, &uses)) {
        return false;
    }
    bool *const is_live = arena_new(cx->scratch, bool, g->n_node);
    uint32_t *const stack = arena_new(cx->scratch, uint32_t, g->n_node);
    bool *const is_read = arena_new(cx->scratch, bool, g->n_value);
    if (!is_live || !stack || !is_read) {
        return false;
    }
    uint32_t depth = 0;
    for (uint32_t i = 0; i < g->n_output; i++) {
        const uint32_t from = uses.producer[g->output[i]];
        is_read[g->output[i]] = true;
        if (from != NODE_NONE && !is_live[from]) {
            is_live[from] = true;
            stack[depth++] = from;
        }
    }
    while (depth > 0) {
        const struct node *const n = &g->node[stack[--depth]];
        for (uint32_t k = 0; k < n->n_in; k++) {
            if (n->in[k] == VALUE_NONE) {
                continue;
            }
            is_read[n->in[k]] = true;
            const uint32_t from = uses.producer[n->in[k]];
            if (from != NODE_NONE && !is_live[from]) {
                is_live[from] = true;
                stack[depth++] = from;
            }
        }
    }
    for (uint32_t i = 0; i < g->n_node; i++) {
        struct node *const n = &g->node[i];
        n->is_dead = !is_live[i];
        if (n->is_dead || op_get(n->op)->max_out == 255) {
            continue;
        }
        for (uint32_t k = 1; k < n->n_out; k++) {
            if (n->out[k] != VALUE_NONE && !is_read[n->out[k]]) {
                n->out[k] = VALUE_NONE;
            }
        }
    }
    return true;
}
