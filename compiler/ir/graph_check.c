#include "ir/graph.h"

#include <inttypes.h>

#include "base/arena.h"
#include "base/diag.h"

static bool check_value(const struct graph *g, struct strtab *seen, uint32_t ix,
                        struct cx *cx)
{
    const struct value *const v = &g->value[ix];
    if (!v->name) {
        return diag_error(cx->diag, E_NAME, at_none(), "value %u has no name",
                          ix);
    }
    const struct diag_at at = at_tensor(v->name);
    if (strtab_find_str(seen, v->name)) {
        return diag_error(cx->diag, E_NAME, at, "two values have this name");
    }
    if (!strtab_intern_str(seen, v->name)) {
        return false;
    }
    if (v->shape.rank > TENSOR_MAX_RANK) {
        return diag_error(cx->diag, E_SHAPE, at,
                          "it has %u dimensions; the most is %d", v->shape.rank,
                          TENSOR_MAX_RANK);
    }
    if (!v->is_const) {
        return true;
    }
    uint64_t count;
    if (!v->shape_known || !shape_count(&v->shape, &count) ||
        count > UINT64_MAX / 16) {
        return diag_error(cx->diag, E_CONST, at,
                          "a constant without a static shape");
    }
    if (v->data.len != count * dtype_bytes(v->dtype)) {
        return diag_error(cx->diag, E_CONST, at,
                          "it has %" PRIu64 " bytes of data, but %" PRIu64
                          " elements of %s are %" PRIu64 " bytes",
                          v->data.len, count, dtype_name(v->dtype),
                          count * dtype_bytes(v->dtype));
    }
    return true;
}

/* is_set[v]: v has a value before the node that is being looked at. */
static bool check_node(const struct graph *g, const struct node *n,
                       bool *is_set, struct cx *cx)
{
    if (n->op >= OP_COUNT || !n->name) {
        return diag_error(cx->diag, E_OP_UNKNOWN, at_node(n->name, ""),
                          "operator number %d", (int)n->op);
    }
    const struct diag_at at = at_node(n->name, op_name(n->op));
    const struct op_info *const op = op_get(n->op);
    if (n->n_in < op->min_in || (op->max_in != 255 && n->n_in > op->max_in) ||
        (op->max_out != 255 && n->n_out > op->max_out)) {
        return diag_error(cx->diag, E_OP_INPUTS, at,
                          "it has %u inputs and %u outputs", n->n_in, n->n_out);
    }
    for (uint32_t i = 0; i < n->n_in; i++) {
        if (n->in[i] == VALUE_NONE) {
            continue;
        }
        if (n->in[i] >= g->n_value) {
            return diag_error(cx->diag, E_NAME, at, "input %u is no value", i);
        }
        if (g->is_ordered && !is_set[n->in[i]]) {
            return diag_error(cx->diag, E_CYCLE, at,
                              "it reads '%s', which no node before it gives",
                              g->value[n->in[i]].name);
        }
    }
    for (uint32_t i = 0; i < n->n_out; i++) {
        if (n->out[i] == VALUE_NONE) {
            continue;
        }
        if (n->out[i] >= g->n_value) {
            return diag_error(cx->diag, E_NAME, at, "output %u is no value", i);
        }
        if (is_set[n->out[i]]) {
            return diag_error(cx->diag, E_NAME, at,
                              "it gives '%s', which is given already",
                              g->value[n->out[i]].name);
        }
        is_set[n->out[i]] = true;
    }
    return true;
}

static bool check(const struct graph *g, struct cx *cx)
{
    struct strtab seen;
    strtab_init(&seen, cx->scratch);
    bool *const is_set = arena_new(cx->scratch, bool, g->n_value);
    if (!is_set) {
        return false;
    }
    for (uint32_t i = 0; i < g->n_value; i++) {
        if (!check_value(g, &seen, i, cx)) {
            return false;
        }
        is_set[i] = g->value[i].is_const;
    }
    for (uint32_t i = 0; i < g->n_input; i++) {
        if (g->input[i] >= g->n_value || is_set[g->input[i]]) {
            return diag_error(cx->diag, E_NAME, at_none(),
                              "input %u is no value of its own", i);
        }
        is_set[g->input[i]] = true;
    }
    for (uint32_t i = 0; i < g->n_node; i++) {
        if (!g->node[i].is_dead && !check_node(g, &g->node[i], is_set, cx)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < g->n_output; i++) {
        if (g->output[i] >= g->n_value || !is_set[g->output[i]]) {
            return diag_error(cx->diag, E_NAME, at_none(),
                              "nothing gives output %u", i);
        }
    }
    return true;
}

bool graph_check(const struct graph *g, struct cx *cx)
{
    const struct arena_mark mark = arena_mark(cx->scratch);
    const bool is_ok = check(g, cx);
    arena_rewind(cx->scratch, mark);
    return is_ok;
}
