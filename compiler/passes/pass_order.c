#include "passes/passes.h"

#include "base/arena.h"
#include "base/diag.h"
#include "ir/graph.h"

/* Depth first from each node in file order, producers before readers, with a
 * stack of our own: graphs may be deep. What is in order already stays. */
enum colour { WHITE, GREY, BLACK };

struct frame {
    uint32_t node;
    uint32_t next_in;
};

/* The k-th value that a node waits for: its inputs, then the conditions of the
 * branches that it is in. *is_end: there are no more. */
static uint32_t awaited(const struct graph *g, const struct node *n, uint32_t k,
                        bool *is_end)
{
    *is_end = false;
    if (k < n->n_in) {
        return n->in[k];
    }
    uint32_t at = n->branch;
    for (k -= n->n_in; at && k > 0; k--) {
        at = g->branch[at - 1].outer;
    }
    *is_end = at == 0;
    return at ? g->branch[at - 1].condition : VALUE_NONE;
}

static bool visit(const struct graph *g, struct cx *cx, uint32_t root,
                  const uint32_t *producer, uint8_t *colour,
                  struct frame *stack, struct node *sorted, uint32_t *n_sorted)
{
    uint32_t depth = 0;
    stack[depth++] = (struct frame){root, 0};
    colour[root] = GREY;
    while (depth > 0) {
        struct frame *const top = &stack[depth - 1];
        const struct node *const n = &g->node[top->node];
        bool is_end;
        const uint32_t in = awaited(g, n, top->next_in++, &is_end);
        if (is_end) {
            colour[top->node] = BLACK;
            sorted[(*n_sorted)++] = *n;
            depth--;
            continue;
        }
        const uint32_t from = in == VALUE_NONE ? NODE_NONE : producer[in];
        if (from == NODE_NONE || colour[from] == BLACK) {
            continue;
        }
        if (colour[from] == GREY) {
            return diag_error(
                cx->diag, E_CYCLE, at_node(n->name, op_name(n->op)),
                "its input '%s' depends on its own result", g->value[in].name);
        }
        colour[from] = GREY;
        stack[depth++] = (struct frame){from, 0};
    }
    return true;
}

bool pass_order(struct graph *g, struct cx *cx)
{
    struct graph_uses uses;
    if (!graph_uses_make(g, cx, &uses)) {
        return false;
    }
    uint8_t *const colour = arena_new(cx->scratch, uint8_t, g->n_node);
    struct frame *const stack = arena_new(cx->scratch, struct frame, g->n_node);
    struct node *const sorted = arena_new(cx->keep, struct node, g->n_node);
    if (!colour || !stack || !sorted) {
        return false;
    }
    uint32_t n_sorted = 0;
    for (uint32_t i = 0; i < g->n_node; i++) {
        if (!g->node[i].is_dead && colour[i] == WHITE &&
            !visit(g, cx, i, uses.producer, colour, stack, sorted, &n_sorted)) {
            return false;
        }
    }
    g->node = sorted;
    g->n_node = n_sorted;
    g->cap_node = n_sorted;
    g->is_ordered = true;
    return true;
}
