#include <string.h>

#include "base/arena.h"
#include "passes/fuse.h"
#include "passes/params.h"
#include "passes/passes.h"

/* Operators that move elements, or know 16-bit floats themselves. */
static const bool keeps[OP_COUNT] = {
    [OP_BIT_CAST] = true,
    [OP_CAST] = true,
    [OP_CONCAT] = true,
    [OP_CONSTANT] = true,
    [OP_CONSTANT_OF_SHAPE] = true,
    [OP_DEPTH_TO_SPACE] = true,
    [OP_DROPOUT] = true,
    [OP_EXPAND] = true,
    [OP_FLATTEN] = true,
    [OP_GATHER] = true,
    [OP_GATHER_ELEMENTS] = true,
    [OP_GATHER_ND] = true,
    [OP_IDENTITY] = true,
    [OP_PAD] = true,
    [OP_RESHAPE] = true,
    [OP_SCATTER] = true,
    [OP_SCATTER_ELEMENTS] = true,
    [OP_SCATTER_ND] = true,
    [OP_SHAPE] = true,
    [OP_SIZE] = true,
    [OP_SLICE] = true,
    [OP_SPACE_TO_DEPTH] = true,
    [OP_SPLIT] = true,
    [OP_SQUEEZE] = true,
    [OP_TILE] = true,
    [OP_TOP_K] = true,
    [OP_TRANSPOSE] = true,
    [OP_UNSQUEEZE] = true,
    [OP_WHERE] = true,
    [OP_TRILU] = true,
};

static bool is_half(enum dtype t)
{
    return t == DTYPE_F16 || t == DTYPE_BF16;
}

struct widen {
    struct graph *g;
    struct cx *cx;
    uint32_t *wide; /* per value of the graph as it was: its f32 form */
    uint32_t n_value;
    const char *to; /* interned */
};

/* A value like v of type t. */
static uint32_t add_like(struct widen *w, uint32_t v, enum dtype t)
{
    const uint32_t ix = graph_add_value(w->g, w->cx, w->g->value[v].name);
    if (ix != UINT32_MAX) {
        w->g->value[ix].dtype = t;
        w->g->value[ix].shape = w->g->value[v].shape;
        w->g->value[ix].shape_known = true;
    }
    return ix;
}

static bool add_cast(struct widen *w, uint32_t from, uint32_t to)
{
    const uint32_t ix =
        graph_add_node(w->g, w->cx, OP_CAST, w->g->value[to].name, 1, 1);
    if (ix == UINT32_MAX) {
        return false;
    }
    struct node *const n = &w->g->node[ix];
    n->in[0] = from;
    n->out[0] = to;
    const struct attr a = {.kind = ATTR_INT,
                           .i = (int64_t)w->g->value[to].dtype};
    return fuse_set_attr(w->cx, n, w->to, &a);
}

static bool widen_node(struct widen *w, uint32_t node_ix)
{
    struct graph *const g = w->g;
    for (uint32_t k = 0; k < g->node[node_ix].n_in; k++) {
        const uint32_t v = g->node[node_ix].in[k];
        if (v == VALUE_NONE || !is_half(g->value[v].dtype)) {
            continue;
        }
        if (w->wide[v] == VALUE_NONE) {
            const uint32_t wide = add_like(w, v, DTYPE_F32);
            if (wide == UINT32_MAX || !add_cast(w, v, wide)) {
                return false;
            }
            w->wide[v] = wide;
        }
        g->node[node_ix].in[k] = w->wide[v];
    }
    for (uint32_t k = 0; k < g->node[node_ix].n_out; k++) {
        const uint32_t v = g->node[node_ix].out[k];
        if (v == VALUE_NONE || !is_half(g->value[v].dtype)) {
            continue;
        }
        const uint32_t wide = add_like(w, v, DTYPE_F32);
        if (wide == UINT32_MAX) {
            return false;
        }
        g->node[node_ix].out[k] = wide;
        w->wide[v] = wide;
        if (!add_cast(w, wide, v)) {
            return false;
        }
    }
    return true;
}

bool pass_widen(struct graph *g, struct cx *cx)
{
    struct widen w = {.g = g, .cx = cx, .n_value = g->n_value};
    const uint32_t n_node = g->n_node;
    w.to = strtab_intern_str(&g->names, "to");
    w.wide = arena_new(cx->scratch, uint32_t, g->n_value);
    if (!w.to || !w.wide) {
        return false;
    }
    memset(w.wide, 0xff, g->n_value * sizeof w.wide[0]);
    for (uint32_t i = 0; i < n_node; i++) {
        if (!g->node[i].is_dead && !keeps[g->node[i].op] &&
            !widen_node(&w, i)) {
            return false;
        }
    }
    g->is_ordered = false;
    return true;
}
