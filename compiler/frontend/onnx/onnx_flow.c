/* Graphs inside nodes: the sides of an If, the bodies of Loop and Scan. Depth
 * is bounded by that of messages. */
#include "frontend/onnx/onnx_graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

/* The graph that an attribute holds; NULL when there is none (reported). */
static const Onnx__GraphProto *graph_of(struct import *im,
                                        const Onnx__NodeProto *from,
                                        const struct node *n, const char *name)
{
    for (size_t i = 0; i < from->n_attribute; i++) {
        const Onnx__AttributeProto *const a = from->attribute[i];
        if (a->name && strcmp(a->name, name) == 0 && a->g) {
            return a->g;
        }
    }
    (void)diag_error(im->cx->diag, E_OP_ATTR, at_node(n->name, op_name(n->op)),
                     "attribute '%s' is missing, or no graph", name);
    return NULL;
}

/* What names stood for before an inner graph. */
struct scope {
    uint32_t n_renamed;
    uint32_t branch;
};

static struct scope enter(struct import *im)
{
    im->depth++;
    return (struct scope){im->n_renamed, im->branch};
}

static void leave(struct import *im, struct scope s)
{
    im->depth--;
    im->branch = s.branch;
    while (im->n_renamed > s.n_renamed) {
        const struct renamed *const r = &im->renamed[--im->n_renamed];
        im->map.value[r->slot] = r->value;
    }
}

/* The values of the first n results of an inner graph. */
static bool find_results(struct import *im, const Onnx__GraphProto *inner,
                         uint32_t n, struct diag_at at, uint32_t *value)
{
    for (uint32_t i = 0; i < n; i++) {
        const char *const name =
            inner->output[i]->name ? inner->output[i]->name : "";
        value[i] = import_find(im, name);
        if (value[i] == VALUE_NONE) {
            return diag_error(im->cx->diag, E_NAME, at,
                              "nothing gives '%s', a result of a graph inside",
                              name);
        }
    }
    return true;
}

/* ---- If ------------------------------------------------------------------ */

bool import_read_if(struct import *im, const Onnx__NodeProto *from,
                    const char *name, uint32_t n_out)
{
    const struct diag_at at = at_node(name, op_name(OP_IF));
    if (from->n_input != 1 || !from->input[0][0]) {
        return diag_error(im->cx->diag, E_OP_INPUTS, at,
                          "it has %zu inputs; If takes a condition",
                          from->n_input);
    }
    for (uint32_t i = 0; i < n_out; i++) {
        const uint32_t ix = graph_add_node(im->g, im->cx, OP_IF, name, 3, 1);
        const char *const result = from->output[i];
        if (ix == UINT32_MAX) {
            return false;
        }
        im->g->node[ix].branch = im->branch;
        if (!result || !result[0]) {
            continue;
        }
        const uint32_t out = import_add(im, result, "a result", at);
        if (out == VALUE_NONE) {
            return false;
        }
        im->g->node[ix].out[0] = out;
    }
    return true;
}

/* Reads one side, whose results become input `side_ix` of the If's nodes. */
static bool link_side(struct import *im, const Onnx__NodeProto *from,
                      uint32_t first, uint32_t n_out, uint32_t side_ix)
{
    struct graph *const g = im->g;
    const struct diag_at at = at_node(g->node[first].name, op_name(OP_IF));
    const Onnx__GraphProto *const side =
        graph_of(im, from, &g->node[first],
                 side_ix == 1 ? "then_branch" : "else_branch");
    struct branch *const b =
        arena_push(im->cx->keep, g->branch, &g->n_branch, &g->cap_branch);
    uint32_t *const result = arena_new(im->cx->scratch, uint32_t, n_out);
    if (!side || !b || !result) {
        return false;
    }
    if (side->n_input != 0 || side->n_output < n_out) {
        return diag_error(im->cx->diag, E_OP_INPUTS, at,
                          "a branch has %zu inputs and %zu results; %u results "
                          "are needed",
                          side->n_input, side->n_output, n_out);
    }
    const struct scope outer = enter(im);
    *b = (struct branch){g->node[first].in[0], side_ix == 1, outer.branch};
    im->branch = g->n_branch;
    if (!import_initializers(im, side) || !import_nodes(im, side) ||
        !find_results(im, side, n_out, at, result)) {
        return false;
    }
    for (uint32_t i = 0; i < n_out; i++) {
        g->node[first + i].in[side_ix] = result[i];
    }
    leave(im, outer);
    return true;
}

bool import_link_if(struct import *im, const Onnx__NodeProto *from,
                    uint32_t first)
{
    const uint32_t n_out = import_trim(from->output, from->n_output);
    const uint32_t condition = import_find(im, from->input[0]);
    if (n_out == 0) {
        return true;
    }
    if (condition == VALUE_NONE) {
        return diag_error(im->cx->diag, E_NAME,
                          at_node(im->g->node[first].name, op_name(OP_IF)),
                          "it reads '%s', which no node, input or initialiser "
                          "of the model gives",
                          from->input[0]);
    }
    for (uint32_t i = 0; i < n_out; i++) {
        im->g->node[first + i].in[0] = condition;
    }
    return link_side(im, from, first, n_out, 1) &&
           link_side(im, from, first, n_out, 2);
}

/* ---- Loop and Scan ------------------------------------------------------- */

/* Where the parts of a graph end that a body adds to. */
struct mark {
    uint32_t n_node;
    uint32_t n_value;
    uint32_t n_branch;
};

/* Inputs may have the names of values around the body: those before `end`. */
static bool read_formals(struct import *im, const Onnx__GraphProto *inner,
                         uint32_t end, struct diag_at at, struct body *b)
{
    b->input = arena_new(im->cx->keep, uint32_t, inner->n_input);
    for (size_t i = 0; b->input && i < inner->n_input; i++) {
        const Onnx__ValueInfoProto *const info = inner->input[i];
        const char *const name = info->name ? info->name : "";
        if (info->type &&
            info->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE &&
            info->type->value_case != ONNX__TYPE_PROTO__VALUE__NOT_SET) {
            return diag_error(im->cx->diag, E_UNSUPPORTED, at,
                              "input '%s' of its body is a sequence or "
                              "optional; only tensors are supported",
                              name);
        }
        const bool hides = import_find(im, name) < end;
        const uint32_t v = hides
                               ? import_shadow(im, name)
                               : import_add(im, name, "an input of a body", at);
        if (v == VALUE_NONE) {
            return false;
        }
        b->input[b->n_input++] = v;
    }
    return b->input != NULL;
}

/* Takes the nodes that the body added out of the graph, and lists what they
 * write. */
static bool take_nodes(struct import *im, struct mark from, struct body *b)
{
    struct graph *const g = im->g;
    struct arena *const keep = im->cx->keep;
    b->n_node = g->n_node - from.n_node;
    b->node = arena_new(keep, struct node, b->n_node);
    b->value = arena_new(keep, uint32_t, g->n_value - from.n_value);
    if (!b->node || !b->value) {
        return false;
    }
    for (uint32_t i = 0; i < b->n_node; i++) {
        b->node[i] = g->node[from.n_node + i];
    }
    g->n_node = from.n_node;
    for (uint32_t v = from.n_value; v < g->n_value; v++) {
        if (!g->value[v].is_const) {
            b->value[b->n_value++] = v;
        }
    }
    b->first_branch = from.n_branch;
    b->n_branch = g->n_branch - from.n_branch;
    return true;
}

static int by_index(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a;
    const uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Which values before `end` the body reads, each once, in *list. */
static bool find_captures(struct import *im, const struct body *b, uint32_t end,
                          uint32_t **list, uint32_t *n)
{
    uint64_t n_read = b->n_output;
    for (uint32_t i = 0; i < b->n_node; i++) {
        n_read += b->node[i].n_in;
    }
    uint32_t *const read = arena_new(im->cx->scratch, uint32_t, n_read);
    if (!read) {
        return false;
    }
    n_read = 0;
    for (uint32_t i = 0; i <= b->n_node; i++) {
        const bool is_node = i < b->n_node;
        const uint32_t *const in = is_node ? b->node[i].in : b->output;
        const uint32_t n_in = is_node ? b->node[i].n_in : b->n_output;
        for (uint32_t k = 0; k < n_in; k++) {
            if (in[k] < end && !im->g->value[in[k]].is_const) {
                read[n_read++] = in[k];
            }
        }
    }
    if (n_read > 0) {
        qsort(read, n_read, sizeof read[0], by_index);
    }
    *list = read;
    *n = 0;
    for (uint64_t i = 0; i < n_read; i++) {
        if (i == 0 || read[i] != read[i - 1]) {
            read[(*n)++] = read[i];
        }
    }
    return true;
}

/* The node's inputs become all of its body's but the omitted, then what its
 * body reads from around it: values before `end`. */
static bool link_captures(struct import *im, struct node *n,
                          const struct body *b, uint32_t n_own, uint32_t end)
{
    uint32_t *list;
    uint32_t n_list;
    if (!find_captures(im, b, end, &list, &n_list)) {
        return false;
    }
    uint32_t *const in =
        arena_new(im->cx->keep, uint32_t, (uint64_t)n_own + n_list);
    if (!in) {
        return false;
    }
    for (uint32_t i = 0; i < n_own; i++) {
        in[i] = i < n->n_in ? n->in[i] : VALUE_NONE;
    }
    for (uint32_t i = 0; i < n_list; i++) {
        in[n_own + i] = list[i];
    }
    n->in = in;
    n->n_in = n_own + n_list;
    return true;
}

/* Those of a Loop are a number of iterations, a condition and what is carried;
 * of a Scan what is carried and what is scanned, in opset 8 after the lengths
 * of sequences. Of the first, what is not known may be omitted. */
static bool check_counts(struct import *im, const struct node *n,
                         const struct body *b, uint32_t n_own)
{
    const struct diag_at at = at_node(n->name, op_name(n->op));
    const bool is_loop = n->op == OP_LOOP;
    const uint32_t may_omit = is_loop ? 2 : n_own - b->n_input;
    if (n->n_in > n_own || b->n_input < (is_loop ? 2 : 1)) {
        return diag_error(im->cx->diag, E_OP_INPUTS, at,
                          "it has %u inputs and its body %u", n->n_in,
                          b->n_input);
    }
    for (uint32_t i = may_omit; i < n_own; i++) {
        if (i >= n->n_in || n->in[i] == VALUE_NONE) {
            return diag_error(im->cx->diag, E_OP_INPUTS, at,
                              "input %u is omitted; its body needs it", i);
        }
    }
    const uint32_t n_result = is_loop ? n->n_out + 1 : n->n_out;
    const uint32_t n_carried =
        is_loop ? b->n_input - 1 : 0; /* and the condition */
    if (b->n_output < n_result || b->n_output < n_carried) {
        return diag_error(im->cx->diag, E_OP_INPUTS, at,
                          "its body gives %u results; %u are needed",
                          b->n_output,
                          n_result > n_carried ? n_result : n_carried);
    }
    return true;
}

bool import_body(struct import *im, const Onnx__NodeProto *from, uint32_t node)
{
    struct graph *const g = im->g;
    const struct node *const n = &g->node[node];
    const struct diag_at at = at_node(n->name, op_name(n->op));
    const Onnx__GraphProto *const inner = graph_of(im, from, n, "body");
    const uint32_t branch = n->branch;
    const bool has_lengths = n->op == OP_SCAN && g->opset < 9;
    if (!inner) {
        return false;
    }
    struct body b = {0};
    b.output = arena_new(im->cx->keep, uint32_t, inner->n_output);
    b.n_output = (uint32_t)inner->n_output;
    const struct scope outer = enter(im);
    im->branch = branch;
    const struct mark mark = {g->n_node, g->n_value, g->n_branch};
    if (!b.output || !import_initializers(im, inner) ||
        !read_formals(im, inner, mark.n_value, at, &b) ||
        !import_nodes(im, inner) ||
        !find_results(im, inner, b.n_output, at, b.output) ||
        !take_nodes(im, mark, &b)) {
        return false;
    }
    leave(im, outer);
    const uint32_t n_own = b.n_input + (has_lengths ? 1 : 0);
    struct body *const kept =
        arena_push(im->cx->keep, g->body, &g->n_body, &g->cap_body);
    if (!kept || !check_counts(im, &g->node[node], &b, n_own) ||
        !link_captures(im, &g->node[node], &b, n_own, mark.n_value)) {
        return false;
    }
    *kept = b;
    g->node[node].body = g->n_body;
    return true;
}
