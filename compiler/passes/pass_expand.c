/* Operators that ONNX defines by others become those. */
#include "base/arena.h"
#include "passes/expand.h"
#include "passes/passes.h"

static expand_fn *const expansions[OP_COUNT] = {
    [OP_GROUP_NORM] = expand_instance_norm,
    [OP_INSTANCE_NORM] = expand_instance_norm,
    [OP_LAYER_NORM] = expand_layer_norm,
    [OP_LP_NORM] = expand_lp_norm,
    [OP_RMS_NORM] = expand_layer_norm,
};

bool pass_expand(struct graph *g, struct cx *cx)
{
    const uint32_t n_node = g->n_node;
    for (uint32_t i = 0; i < n_node; i++) {
        struct expand e = {.g = g, .cx = cx, .node = i, .is_ok = true};
        const struct arena_mark mark = arena_mark(cx->scratch);
        expand_fn *const fn = expansions[g->node[i].op];
        const bool is_ok = g->node[i].is_dead || !fn || fn(&e);
        arena_rewind(cx->scratch, mark);
        if (!is_ok) {
            return false;
        }
    }
    g->is_ordered = false;
    return true;
}
