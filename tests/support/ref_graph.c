/* ref_graph.c - loads a model and evaluates it in the order of its nodes. */
#include "ref_node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Anything that has a name. */
struct value {
    const char *name;
    const Onnx__TensorProto *init; /* NULL if it is not an initializer */
    const struct ref_tensor *tensor;
    struct ref_tensor *owned; /* NULL, or the same as tensor */
    int n_uses;               /* by nodes and as graph outputs */
    int n_left;
};

struct ref_graph {
    Onnx__ModelProto *model;
    const Onnx__GraphProto *graph;
    char *folder;
    int64_t opset;
    size_t n_inputs;
    const Onnx__ValueInfoProto **inputs;
    struct value *values;
    size_t n_values;
    size_t *uses; /* values of each node's inputs, then outputs, in order */
};

/* The value of a name, added if it is new; empty names are value 0. */
static size_t value_of(struct ref_graph *g, const char *name)
{
    for (size_t i = g->n_values; i-- > 0;) {
        if (strcmp(g->values[i].name, name) == 0) {
            return i;
        }
    }
    g->values[g->n_values].name = name;
    return g->n_values++;
}

static bool index_values(struct ref_graph *g, struct ref_error *err)
{
    const Onnx__GraphProto *p = g->graph;
    size_t n_uses = 0;
    for (size_t i = 0; i < p->n_node; i++) {
        n_uses += p->node[i]->n_input + p->node[i]->n_output;
    }
    const size_t cap = 1 + p->n_initializer + p->n_input + p->n_output + n_uses;
    g->values = ref_alloc((int64_t)(cap * sizeof(*g->values) / 8));
    g->uses = ref_alloc((int64_t)n_uses);
    g->inputs = ref_alloc((int64_t)p->n_input);
    value_of(g, "");
    for (size_t i = 0; i < p->n_initializer; i++) {
        const size_t ix = value_of(g, p->initializer[i]->name);
        g->values[ix].init = p->initializer[i];
    }
    for (size_t i = 0; i < p->n_input; i++) {
        if (!g->values[value_of(g, p->input[i]->name)].init) {
            g->inputs[g->n_inputs++] = p->input[i];
        }
    }
    size_t at = 0;
    for (size_t i = 0; i < p->n_node; i++) {
        const Onnx__NodeProto *node = p->node[i];
        if (!node->op_type) {
            return ref_fail(err, false, "node %zu has no op_type", i);
        }
        for (size_t j = 0; j < node->n_input; j++) {
            g->uses[at] = value_of(g, node->input[j]);
            g->values[g->uses[at++]].n_uses++;
        }
        for (size_t j = 0; j < node->n_output; j++) {
            g->uses[at++] = value_of(g, node->output[j]);
        }
    }
    for (size_t i = 0; i < p->n_output; i++) {
        g->values[value_of(g, p->output[i]->name)].n_uses++;
    }
    return true;
}

struct ref_graph *ref_graph_load(const char *path, struct ref_error *err)
{
    size_t len;
    char *bytes = ref_read_file(path, &len);
    if (!bytes) {
        ref_fail(err, false, "cannot read '%s'", path);
        return NULL;
    }
    struct ref_graph *g = ref_alloc(sizeof(*g) / 8 + 1);
    g->model = onnx__model_proto__unpack(NULL, len, (const uint8_t *)bytes);
    free(bytes);
    if (!g->model || !g->model->graph) {
        ref_fail(err, false, "'%s' is not an ONNX model", path);
        ref_graph_free(g);
        return NULL;
    }
    g->graph = g->model->graph;
    for (size_t i = 0; i < g->model->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *set = g->model->opset_import[i];
        if (!set->domain || set->domain[0] == '\0' ||
            strcmp(set->domain, "ai.onnx") == 0) {
            g->opset = set->version;
        }
    }
    const char *slash = strrchr(path, '/');
    const size_t n = slash ? (size_t)(slash - path) : 1;
    g->folder = ref_alloc((int64_t)n / 8 + 1);
    memcpy(g->folder, slash ? path : ".", n);
    if (!index_values(g, err)) {
        ref_graph_free(g);
        return NULL;
    }
    return g;
}

void ref_graph_free(struct ref_graph *g)
{
    if (!g) {
        return;
    }
    if (g->model) {
        onnx__model_proto__free_unpacked(g->model, NULL);
    }
    free(g->folder);
    free(g->inputs);
    free(g->values);
    free(g->uses);
    free(g);
}

size_t ref_graph_n_inputs(const struct ref_graph *g)
{
    return g->n_inputs;
}

size_t ref_graph_n_outputs(const struct ref_graph *g)
{
    return g->graph->n_output;
}

const char *ref_graph_input_name(const struct ref_graph *g, size_t ix)
{
    return g->inputs[ix]->name;
}

const char *ref_graph_output_name(const struct ref_graph *g, size_t ix)
{
    return g->graph->output[ix]->name;
}

bool ref_graph_input_type(const struct ref_graph *g, size_t ix,
                          enum ref_type *type, struct ref_shape *shape)
{
    const Onnx__TypeProto *t = g->inputs[ix]->type;
    if (!t || t->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ||
        !t->tensor_type->shape || t->tensor_type->shape->n_dim > REF_MAX_RANK) {
        return false;
    }
    const Onnx__TensorShapeProto *s = t->tensor_type->shape;
    *type = (enum ref_type)t->tensor_type->elem_type;
    shape->rank = (int)s->n_dim;
    for (size_t i = 0; i < s->n_dim; i++) {
        const bool is_fixed =
            s->dim[i]->value_case ==
            ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        shape->dim[i] = is_fixed ? s->dim[i]->dim_value : -1;
    }
    return true;
}

static void drop(struct value *v)
{
    ref_tensor_free(v->owned);
    v->owned = NULL;
    v->tensor = NULL;
}

static void keep(struct value *v, struct ref_tensor *t)
{
    drop(v);
    v->owned = t;
    v->tensor = t;
}

/* An initializer is widened when it is first needed. */
static bool fetch(const struct ref_graph *g, struct value *v,
                  struct ref_error *err)
{
    if (!v->tensor && v->init) {
        struct ref_tensor *t = ref_tensor_from_proto(v->init, g->folder, err);
        if (!t) {
            return false;
        }
        keep(v, t);
    }
    return v->tensor ||
           ref_fail(err, false, "value '%s' is used before it exists", v->name);
}

static bool run_node(struct ref_graph *g, const Onnx__NodeProto *node,
                     const size_t *uses, struct ref_error *err)
{
    struct ref_call c = {.node = node,
                         .folder = g->folder,
                         .opset = g->opset,
                         .n_in = (int)node->n_input,
                         .n_out = (int)node->n_output,
                         .in = ref_alloc((int64_t)node->n_input),
                         .out = ref_alloc((int64_t)node->n_output),
                         .err = err};
    bool is_ok = true;
    for (int i = 0; i < c.n_in && is_ok; i++) {
        if (uses[i] != 0) {
            is_ok = fetch(g, &g->values[uses[i]], err);
            c.in[i] = g->values[uses[i]].tensor;
        }
    }
    is_ok = is_ok && ref_node_run(&c);
    for (int i = 0; i < c.n_in; i++) {
        struct value *v = &g->values[uses[i]];
        if (--v->n_left == 0) {
            drop(v);
        }
    }
    for (int i = 0; i < c.n_out; i++) {
        struct value *v = &g->values[uses[c.n_in + i]];
        if (is_ok && v->n_left > 0) {
            keep(v, c.out[i]);
        } else {
            ref_tensor_free(c.out[i]);
        }
    }
    free(c.in);
    free(c.out);
    return is_ok;
}

bool ref_graph_run(struct ref_graph *g, const struct ref_tensor *const *inputs,
                   struct ref_tensor **outputs, struct ref_error *err)
{
    const Onnx__GraphProto *p = g->graph;
    for (size_t i = 0; i < g->n_values; i++) {
        g->values[i].n_left = g->values[i].n_uses;
    }
    g->values[0].n_left = 0; /* the empty name: its outputs are dropped */
    for (size_t i = 0; i < g->n_inputs; i++) {
        g->values[value_of(g, g->inputs[i]->name)].tensor = inputs[i];
    }
    const size_t *uses = g->uses;
    bool is_ok = true;
    for (size_t i = 0; i < p->n_node && is_ok; i++) {
        is_ok = run_node(g, p->node[i], uses, err);
        uses += p->node[i]->n_input + p->node[i]->n_output;
    }
    for (size_t i = 0; i < p->n_output; i++) {
        struct value *v = &g->values[value_of(g, p->output[i]->name)];
        is_ok = is_ok && fetch(g, v, err);
        outputs[i] = is_ok ? ref_tensor_copy(v->tensor) : NULL;
    }
    for (size_t i = 0; i < p->n_output && !is_ok; i++) {
        ref_tensor_free(outputs[i]);
        outputs[i] = NULL;
    }
    for (size_t i = 0; i < g->n_values; i++) {
        drop(&g->values[i]);
    }
    return is_ok;
}
