#include "ir/graph.h"

#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/le.h"

static const struct op_info ops[OP_COUNT] = {
#define OP(ID, NAME, MIN_IN, MAX_IN, MAX_OUT, ATTRS, SHAPE, FOLD)              \
    [OP_##ID] = {NAME, MIN_IN, MAX_IN, MAX_OUT, ATTRS},
#include "ir/op.def"
#undef OP
};

const char *op_name(enum op_id op)
{
    return op < OP_COUNT ? ops[op].name : "?";
}

enum op_id op_find(const char *name)
{
    for (enum op_id op = 0; op < OP_COUNT; op++) {
        if (strcmp(ops[op].name, name) == 0) {
            return op;
        }
    }
    return OP_COUNT;
}

const struct op_info *op_get(enum op_id op)
{
    assert(op < OP_COUNT);
    return &ops[op];
}

const struct attr *node_attr(const struct node *n, const char *name)
{
    for (uint32_t i = 0; i < n->n_attr; i++) {
        if (strcmp(n->attr[i].name, name) == 0) {
            return &n->attr[i];
        }
    }
    return NULL;
}

int64_t node_int(const struct node *n, const char *name, int64_t def)
{
    const struct attr *const a = node_attr(n, name);
    return a && a->kind == ATTR_INT ? a->i : def;
}

float node_float(const struct node *n, const char *name, float def)
{
    const struct attr *const a = node_attr(n, name);
    return a && a->kind == ATTR_FLOAT ? a->f : def;
}

const char *node_string(const struct node *n, const char *name, const char *def)
{
    const struct attr *const a = node_attr(n, name);
    return a && a->kind == ATTR_STRING ? a->s : def;
}

const int64_t *node_ints(const struct node *n, const char *name, uint32_t *cnt)
{
    const struct attr *const a = node_attr(n, name);
    if (!a || a->kind != ATTR_INTS) {
        *cnt = 0;
        return NULL;
    }
    *cnt = a->n;
    return a->ints;
}

enum name_end { NAME_FREE, NAME_TAKEN, NAME_FAILED };

/* Whether "hint.number" is taken. */
static enum name_end look_up(const struct graph *g, struct cx *cx,
                             const char *hint, uint32_t number)
{
    const struct arena_mark mark = arena_mark(cx->scratch);
    const char *const name = arena_printf(cx->scratch, "%s.%u", hint, number);
    const enum name_end end = !name                              ? NAME_FAILED
                              : strtab_find_str(&g->names, name) ? NAME_TAKEN
                                                                 : NAME_FREE;
    arena_rewind(cx->scratch, mark);
    return end;
}

/* A name like hint that no string of the graph has yet. Numbers are dense, but
 * for names of the file: the first that is free is found by halving. */
static const char *unique_name(struct graph *g, struct cx *cx, const char *hint)
{
    if (!g->names.arena) {
        strtab_init(&g->names, cx->keep);
    }
    if (!strtab_find_str(&g->names, hint)) {
        return strtab_intern_str(&g->names, hint);
    }
    uint32_t taken = 0;
    uint32_t number = 1;
    enum name_end end;
    while ((end = look_up(g, cx, hint, number)) == NAME_TAKEN) {
        taken = number;
        number *= 2;
    }
    while (end != NAME_FAILED && number - taken > 1) {
        const uint32_t middle = taken + (number - taken) / 2;
        end = look_up(g, cx, hint, middle);
        *(end == NAME_TAKEN ? &taken : &number) = middle;
    }
    if (end == NAME_FAILED) {
        return NULL;
    }
    const struct arena_mark mark = arena_mark(cx->scratch);
    const char *const name = arena_printf(cx->scratch, "%s.%u", hint, number);
    const char *const kept = name ? strtab_intern_str(&g->names, name) : NULL;
    arena_rewind(cx->scratch, mark);
    return kept;
}

uint32_t graph_add_value(struct graph *g, struct cx *cx, const char *hint)
{
    const char *const name = unique_name(g, cx, hint);
    if (!name || !arena_push(cx->keep, g->value, &g->n_value, &g->cap_value)) {
        return UINT32_MAX;
    }
    const uint32_t ix = g->n_value - 1;
    g->value[ix].name = name;
    return ix;
}

uint32_t graph_add_node(struct graph *g, struct cx *cx, enum op_id op,
                        const char *hint, uint32_t n_in, uint32_t n_out)
{
    const char *const name = arena_strdup(cx->keep, hint);
    uint32_t *const link =
        arena_new(cx->keep, uint32_t, (uint64_t)n_in + n_out);
    if (!name || !link ||
        !arena_push(cx->keep, g->node, &g->n_node, &g->cap_node)) {
        return UINT32_MAX;
    }
    for (uint32_t i = 0; i < n_in + n_out; i++) {
        link[i] = VALUE_NONE;
    }
    const uint32_t ix = g->n_node - 1;
    g->node[ix] = (struct node){.name = name,
                                .op = op,
                                .n_in = n_in,
                                .n_out = n_out,
                                .in = link,
                                .out = link + n_in};
    return ix;
}

uint32_t graph_add_const(struct graph *g, struct cx *cx, const char *hint,
                         enum dtype t, const struct shape *s, struct span data)
{
    const uint32_t ix = graph_add_value(g, cx, hint);
    if (ix == UINT32_MAX) {
        return ix;
    }
    struct value *const v = &g->value[ix];
    v->dtype = t;
    v->shape = *s;
    v->shape_known = true;
    v->is_const = true;
    v->data = data;
    return ix;
}

uint32_t graph_add_i64s(struct graph *g, struct cx *cx, const char *hint,
                        const int64_t *data, uint32_t rank, uint32_t n)
{
    assert(rank == 1 || (rank == 0 && n == 1));
    uint8_t *const bytes = arena_alloc_array(cx->keep, n, 8, 8);
    if (!bytes) {
        return UINT32_MAX;
    }
    for (uint32_t i = 0; i < n; i++) {
        le64_put(bytes + (size_t)i * 8, (uint64_t)data[i]);
    }
    const struct shape s = {rank, {n}};
    return graph_add_const(g, cx, hint, DTYPE_I64, &s,
                           (struct span){bytes, (uint64_t)n * 8});
}

void graph_unmap(struct graph *g)
{
    for (uint32_t i = 0; i < g->n_file_map; i++) {
        file_unmap(&g->file_map[i]);
    }
    g->n_file_map = 0;
}

bool graph_uses_make(const struct graph *g, struct cx *cx, struct graph_uses *u)
{
    uint64_t n_use = 0;
    for (uint32_t i = 0; i < g->n_node; i++) {
        n_use += g->node[i].is_dead ? 0 : g->node[i].n_in;
    }
    *u = (struct graph_uses){
        .producer = arena_new(cx->scratch, uint32_t, g->n_value),
        .first = arena_new(cx->scratch, uint32_t, (uint64_t)g->n_value + 1),
        .user = arena_new(cx->scratch, uint32_t, n_use),
        .is_output = arena_new(cx->scratch, bool, g->n_value),
    };
    if (!u->producer || !u->first || !u->user || !u->is_output) {
        return false;
    }
    for (uint32_t i = 0; i < g->n_value; i++) {
        u->producer[i] = NODE_NONE;
    }
    for (uint32_t i = 0; i < g->n_output; i++) {
        u->is_output[g->output[i]] = true;
    }
    /* Counts, then ranges, then fills each range from its end. */
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct node *const n = &g->node[i];
        if (n->is_dead) {
            continue;
        }
        for (uint32_t k = 0; k < n->n_out; k++) {
            if (n->out[k] != VALUE_NONE) {
                u->producer[n->out[k]] = i;
            }
        }
        for (uint32_t k = 0; k < n->n_in; k++) {
            if (n->in[k] != VALUE_NONE) {
                u->first[n->in[k]]++;
            }
        }
    }
    for (uint32_t i = 1; i <= g->n_value; i++) {
        u->first[i] += u->first[i - 1];
    }
    for (uint32_t i = g->n_node; i-- > 0;) {
        const struct node *const n = &g->node[i];
        for (uint32_t k = n->is_dead ? 0 : n->n_in; k-- > 0;) {
            if (n->in[k] != VALUE_NONE) {
                u->user[--u->first[n->in[k]]] = i;
            }
        }
    }
    return true;
}
