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

struct sort {
    const struct graph *g;
    struct cx *cx;
    const struct node *node; /* those to be sorted */
    uint32_t n_node;
    uint32_t *producer; /* by value, among them; NODE_NONE between sorts */
    uint8_t *colour;
    struct frame *stack;
    struct node *sorted;
    uint32_t n_sorted;
};

static bool visit(struct sort *s, uint32_t root)
{
    uint32_t depth = 0;
    s->stack[depth++] = (struct frame){root, 0};
    s->colour[root] = GREY;
    while (depth > 0) {
        struct frame *const top = &s->stack[depth - 1];
        const struct node *const n = &s->node[top->node];
        bool is_end;
        const uint32_t in = awaited(s->g, n, top->next_in++, &is_end);
        if (is_end) {
            s->colour[top->node] = BLACK;
            s->sorted[s->n_sorted++] = *n;
            depth--;
            continue;
        }
        const uint32_t from = in == VALUE_NONE ? NODE_NONE : s->producer[in];
        if (from == NODE_NONE || s->colour[from] == BLACK) {
            continue;
        }
        if (s->colour[from] == GREY) {
            return diag_error(s->cx->diag, E_CYCLE,
                              at_node(n->name, op_name(n->op)),
                              "its input '%s' depends on its own result",
                              s->g->value[in].name);
        }
        s->colour[from] = GREY;
        s->stack[depth++] = (struct frame){from, 0};
    }
    return true;
}

/* node[0..n) sorted without the dead ones, *n of them; NULL: reported. */
static struct node *sort_nodes(struct sort *s, const struct node *node,
                               uint32_t *n)
{
    const struct arena_mark mark = arena_mark(s->cx->scratch);
    s->node = node;
    s->n_node = *n;
    s->n_sorted = 0;
    s->colour = arena_new(s->cx->scratch, uint8_t, *n);
    s->stack = arena_new(s->cx->scratch, struct frame, *n);
    s->sorted = arena_new(s->cx->keep, struct node, *n);
    bool is_ok = s->colour && s->stack && s->sorted;
    for (uint32_t i = 0; is_ok && i < *n; i++) {
        for (uint32_t k = 0; !node[i].is_dead && k < node[i].n_out; k++) {
            if (node[i].out[k] != VALUE_NONE) {
                s->producer[node[i].out[k]] = i;
            }
        }
    }
    for (uint32_t i = 0; is_ok && i < *n; i++) {
        is_ok = node[i].is_dead || s->colour[i] != WHITE || visit(s, i);
    }
    for (uint32_t i = 0; is_ok && i < *n; i++) {
        for (uint32_t k = 0; k < node[i].n_out; k++) {
            if (node[i].out[k] != VALUE_NONE) {
                s->producer[node[i].out[k]] = NODE_NONE;
            }
        }
    }
    *n = s->n_sorted;
    arena_rewind(s->cx->scratch, mark);
    return is_ok ? s->sorted : NULL;
}

bool pass_order(struct graph *g, struct cx *cx)
{
    struct sort s = {.g = g, .cx = cx};
    s.producer = arena_new(cx->scratch, uint32_t, g->n_value);
    for (uint32_t i = 0; s.producer && i < g->n_value; i++) {
        s.producer[i] = NODE_NONE;
    }
    struct node *const node =
        s.producer ? sort_nodes(&s, g->node, &g->n_node) : NULL;
    if (!node) {
        return false;
    }
    g->node = node;
    g->cap_node = g->n_node;
    g->is_ordered = true;
    for (uint32_t i = 0; i < g->n_body; i++) {
        struct body *const b = &g->body[i];
        if (!b->is_ordered) {
            struct node *const sorted = sort_nodes(&s, b->node, &b->n_node);
            if (!sorted) {
                return false;
            }
            b->node = sorted;
            b->is_ordered = true;
        }
    }
    return true;
}
