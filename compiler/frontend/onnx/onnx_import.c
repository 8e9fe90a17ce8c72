#include "frontend/onnx/onnx_import.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/fileio.h"
#include "frontend/onnx/onnx_attr.h"
#include "frontend/onnx/onnx_graph.h"
#include "frontend/onnx/onnx_pin.h"
#include "frontend/onnx/onnx_scan.h"

static bool map_init(struct name_map *m, struct arena *a, uint64_t n)
{
    uint64_t slots = 16;
    while (slots < n * 2) {
        slots *= 2;
    }
    m->name = arena_new(a, const char *, slots);
    m->value = arena_new(a, uint32_t, slots);
    m->mask = slots - 1;
    return m->name && m->value;
}

/* The slot of a name, or the free one where it belongs. */
static uint64_t map_slot(const struct name_map *m, const char *name)
{
    uint64_t slot = ((uint64_t)(uintptr_t)name * 0x9e3779b97f4a7c15u) >> 20;
    while (m->name[slot & m->mask] && m->name[slot & m->mask] != name) {
        slot++;
    }
    return slot & m->mask;
}

uint32_t import_find(const struct import *im, const char *name)
{
    const char *const known = strtab_find_str(&im->g->names, name);
    if (!known) {
        return VALUE_NONE;
    }
    const uint64_t slot = map_slot(&im->map, known);
    return im->map.name[slot] ? im->map.value[slot] : VALUE_NONE;
}

uint32_t import_shadow(struct import *im, const char *name)
{
    struct graph *const g = im->g;
    const bool is_taken = strtab_find_str(&g->names, name) != NULL;
    const char *const kept = strtab_intern_str(&g->names, name);
    if (!kept) {
        return VALUE_NONE;
    }
    uint32_t ix;
    if (is_taken) {
        ix = graph_add_value(g, im->cx, name);
    } else {
        ix = arena_push(im->cx->keep, g->value, &g->n_value, &g->cap_value)
                 ? g->n_value - 1
                 : UINT32_MAX;
    }
    struct renamed *const r = arena_push(im->cx->scratch, im->renamed,
                                         &im->n_renamed, &im->cap_renamed);
    if (ix == UINT32_MAX || !r) {
        return VALUE_NONE;
    }
    if (!is_taken) {
        g->value[ix].name = kept;
    }
    const uint64_t slot = map_slot(&im->map, kept);
    *r = (struct renamed){slot, im->map.name[slot] ? im->map.value[slot]
                                                   : VALUE_NONE};
    im->map.name[slot] = kept;
    im->map.value[slot] = ix;
    return ix;
}

uint32_t import_add(struct import *im, const char *name, const char *what,
                    struct diag_at at)
{
    struct graph *const g = im->g;
    if (!name || !name[0]) {
        (void)diag_error(im->cx->diag, E_NAME, at, "%s has no name", what);
        return VALUE_NONE;
    }
    if (import_find(im, name) != VALUE_NONE) {
        (void)diag_error(im->cx->diag, E_NAME, at,
                         "%s is called '%s', as another value is", what, name);
        return VALUE_NONE;
    }
    if (im->depth > 0) {
        return import_shadow(im, name);
    }
    const char *const kept = strtab_intern_str(&g->names, name);
    if (!kept ||
        !arena_push(im->cx->keep, g->value, &g->n_value, &g->cap_value)) {
        return VALUE_NONE;
    }
    const uint32_t ix = g->n_value - 1;
    g->value[ix].name = kept;
    const uint64_t slot = map_slot(&im->map, kept);
    im->map.name[slot] = kept;
    im->map.value[slot] = ix;
    return ix;
}

static bool read_opset(struct import *im, const Onnx__ModelProto *m)
{
    struct diag *const d = im->cx->diag;
    im->g->opset = 0;
    for (size_t i = 0; i < m->n_opset_import; i++) {
        const char *const domain = m->opset_import[i]->domain;
        if (!domain || !domain[0] || strcmp(domain, "ai.onnx") == 0) {
            im->g->opset = m->opset_import[i]->version;
        }
    }
    if (im->g->opset == 0) {
        return diag_error(d, E_OPSET, at_none(),
                          "the model does not say its opset; %d to %d are read",
                          ONNX_OPSET_MIN, ONNX_OPSET_MAX);
    }
    if (im->g->opset < ONNX_OPSET_MIN || im->g->opset > ONNX_OPSET_MAX) {
        return diag_error(d, E_OPSET, at_none(),
                          "the model is of opset %" PRId64
                          "; %d to %d are read: convert it with "
                          "onnx.version_converter",
                          im->g->opset, ONNX_OPSET_MIN, ONNX_OPSET_MAX);
    }
    return true;
}

bool import_initializers(struct import *im, const Onnx__GraphProto *from)
{
    struct diag *const d = im->cx->diag;
    if (from->n_sparse_initializer > 0) {
        return diag_error(d, E_UNSUPPORTED, at_none(),
                          "sparse initialisers are not supported; store them "
                          "dense");
    }
    for (size_t i = 0; i < from->n_initializer; i++) {
        const Onnx__TensorProto *const t = from->initializer[i];
        const struct diag_at at = at_tensor(t->name ? t->name : "");
        struct onnx_tensor tensor;
        if (!onnx_tensor(&im->src, t, at, &tensor)) {
            return false;
        }
        const uint32_t ix = import_add(im, t->name, "an initialiser", at);
        if (ix == VALUE_NONE) {
            return false;
        }
        struct value *const v = &im->g->value[ix];
        v->dtype = tensor.dtype;
        im->g->has_f16 = im->g->has_f16 || v->dtype == DTYPE_F16;
        v->shape = tensor.shape;
        v->shape_known = true;
        v->is_const = true;
        v->data = tensor.data;
        im->g->stored_bytes += tensor.data.len;
    }
    return true;
}

/* The declared shape of an input; unknown dimensions stay so. */
static bool read_shape(struct import *im, const Onnx__TensorShapeProto *from,
                       struct value *v)
{
    struct cx *const cx = im->cx;
    const struct diag_at at = at_tensor(v->name);
    if (from->n_dim > TENSOR_MAX_RANK) {
        return diag_error(cx->diag, E_SHAPE, at,
                          "it has %zu dimensions; the most is %d", from->n_dim,
                          TENSOR_MAX_RANK);
    }
    const char **const dim_name =
        arena_new(cx->keep, const char *, TENSOR_MAX_RANK);
    if (!dim_name) {
        return false;
    }
    v->shape_known = true;
    v->shape.rank = (uint32_t)from->n_dim;
    v->dim_name = dim_name;
    for (size_t i = 0; i < from->n_dim; i++) {
        const Onnx__TensorShapeProto__Dimension *const dim = from->dim[i];
        v->shape.dim[i] = DIM_UNKNOWN;
        /* Some exporters write -1 for what they do not know. */
        if (dim->value_case ==
                ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
            dim->dim_value >= 0) {
            v->shape.dim[i] = dim->dim_value;
        } else if (dim->value_case ==
                       ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM &&
                   dim->dim_param && dim->dim_param[0]) {
            dim_name[i] = arena_strdup(cx->keep, dim->dim_param);
            if (!dim_name[i]) {
                return false;
            }
        }
    }
    uint64_t count;
    if (shape_is_static(&v->shape) && !shape_count(&v->shape, &count)) {
        return diag_error(cx->diag, E_TOO_BIG, at,
                          "its size overflows 62 bits");
    }
    return true;
}

static bool read_inputs(struct import *im, const Onnx__GraphProto *from)
{
    struct graph *const g = im->g;
    g->input = arena_new(im->cx->keep, uint32_t, from->n_input);
    if (!g->input) {
        return false;
    }
    for (size_t i = 0; i < from->n_input; i++) {
        const Onnx__ValueInfoProto *const info = from->input[i];
        const char *const name = info->name ? info->name : "";
        const struct diag_at at = at_tensor(name);
        const uint32_t old = import_find(im, name);
        if (old != VALUE_NONE && g->value[old].is_const) {
            continue; /* an initialiser's default may not be replaced */
        }
        if (!info->type ||
            info->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) {
            return diag_error(im->cx->diag, E_TYPE, at,
                              "only tensors are supported as inputs");
        }
        const uint32_t ix = import_add(im, name, "an input", at);
        if (ix == VALUE_NONE) {
            return false;
        }
        struct value *const v = &g->value[ix];
        const Onnx__TypeProto__Tensor *const type = info->type->tensor_type;
        v->dtype = (enum dtype)type->elem_type;
        if (dtype_bytes(v->dtype) == 0) {
            return diag_error(im->cx->diag, E_TYPE, at,
                              "elements of type %d (%s) are not supported",
                              type->elem_type, dtype_name(v->dtype));
        }
        if (type->shape && !read_shape(im, type->shape, v)) {
            return false;
        }
        g->input[g->n_input++] = ix;
    }
    return true;
}

/* Operators of ONNX Runtime are in the table under "com.microsoft:NAME"; some
 * of ONNX's own are there too. */
static enum op_id find_contrib(const char *domain, const char *type)
{
    char name[64];
    const int len = snprintf(name, sizeof name, "%s:%s", domain, type);
    const enum op_id op =
        len > 0 && len < (int)sizeof name ? op_find(name) : OP_COUNT;
    if (op != OP_COUNT || strcmp(domain, "com.microsoft") != 0) {
        return op;
    }
    const enum op_id own = op_find(type);
    return own == OP_QUANTIZE || own == OP_DEQUANTIZE ? own : OP_COUNT;
}

static bool read_op(struct import *im, const Onnx__NodeProto *from,
                    const char *name, enum op_id *op)
{
    struct diag *const d = im->cx->diag;
    const char *const type = from->op_type ? from->op_type : "";
    const char *const domain = from->domain ? from->domain : "";
    const bool is_default = !domain[0] || strcmp(domain, "ai.onnx") == 0;
    const struct diag_at at = at_node(name, type);
    *op = is_default ? op_find(type) : find_contrib(domain, type);
    if (*op != OP_COUNT) {
        return true;
    }
    return diag_error(d, E_OP_UNKNOWN, at,
                      "operator '%s%s%s' is not supported; export the model "
                      "with others (docs/OPERATORS.md lists them)",
                      is_default ? "" : domain, is_default ? "" : ":", type);
}

uint32_t import_trim(char *const *name, size_t n)
{
    while (n > 0 && (!name[n - 1] || !name[n - 1][0])) {
        n--;
    }
    return (uint32_t)n;
}

/* A node with its outputs. Its inputs may come from nodes further on, and names
 * made for its attributes must differ from all others: both come later. */
static bool read_node(struct import *im, const Onnx__NodeProto *from)
{
    struct cx *const cx = im->cx;
    const uint32_t n_in = import_trim(from->input, from->n_input);
    const uint32_t n_out = import_trim(from->output, from->n_output);
    const char *const name = from->name && from->name[0]    ? from->name
                             : n_out > 0 && from->output[0] ? from->output[0]
                                                            : "";
    enum op_id op;
    if (!read_op(im, from, name, &op)) {
        return false;
    }
    if (op == OP_IF) {
        return import_read_if(im, from, name, n_out);
    }
    const struct diag_at at = at_node(name, op_name(op));
    const struct op_info *const info = op_get(op);
    if (n_in < info->min_in || (info->max_in != 255 && n_in > info->max_in)) {
        return diag_error(cx->diag, E_OP_INPUTS, at,
                          "it has %u inputs; %s takes %u to %u", n_in,
                          info->name, info->min_in, info->max_in);
    }
    for (uint32_t i = 0; i < info->min_in; i++) {
        if (!from->input[i][0]) {
            return diag_error(cx->diag, E_OP_INPUTS, at,
                              "input %u is omitted; %s needs it", i,
                              info->name);
        }
    }
    if (info->max_out != 255 && n_out > info->max_out) {
        return diag_error(cx->diag, E_OP_INPUTS, at,
                          "it has %u outputs; %s gives at most %u", n_out,
                          info->name, info->max_out);
    }
    const uint32_t ix = graph_add_node(im->g, cx, op, name, n_in, n_out);
    if (ix == UINT32_MAX) {
        return false;
    }
    im->g->node[ix].branch = im->branch;
    for (uint32_t i = 0; i < n_out; i++) {
        const char *const result = from->output[i];
        if (!result || !result[0]) {
            continue;
        }
        const uint32_t out = import_add(im, result, "a result", at);
        if (out == VALUE_NONE) {
            return false;
        }
        im->g->node[ix].out[i] = out;
    }
    return true;
}

static bool link_inputs(struct import *im, const Onnx__NodeProto *from,
                        struct node *n)
{
    for (uint32_t i = 0; i < n->n_in; i++) {
        const char *const name = from->input[i];
        if (!name[0]) {
            continue;
        }
        n->in[i] = import_find(im, name);
        if (n->in[i] == VALUE_NONE) {
            return diag_error(im->cx->diag, E_NAME,
                              at_node(n->name, op_name(n->op)),
                              "it reads '%s', which no node, input or "
                              "initialiser of the model gives",
                              name);
        }
    }
    return true;
}

static bool read_outputs(struct import *im, const Onnx__GraphProto *from)
{
    struct graph *const g = im->g;
    g->output = arena_new(im->cx->keep, uint32_t, from->n_output);
    bool *const is_output = arena_new(im->cx->scratch, bool, g->n_value);
    if (!g->output || !is_output) {
        return false;
    }
    if (from->n_output == 0) {
        return diag_error(im->cx->diag, E_ONNX_PARSE, at_none(),
                          "the model has no outputs");
    }
    for (size_t i = 0; i < from->n_output; i++) {
        const char *const name =
            from->output[i]->name ? from->output[i]->name : "";
        const uint32_t ix = import_find(im, name);
        if (ix == VALUE_NONE) {
            return diag_error(im->cx->diag, E_NAME, at_tensor(name),
                              "it is an output, but no node, input or "
                              "initialiser of the model gives it");
        }
        if (is_output[ix]) {
            return diag_error(im->cx->diag, E_NAME, at_tensor(name),
                              "it is an output twice");
        }
        is_output[ix] = true;
        g->output[g->n_output++] = ix;
    }
    return true;
}

/* First all nodes with their outputs, then their inputs. */
bool import_nodes(struct import *im, const Onnx__GraphProto *from)
{
    uint32_t *const first = arena_new(im->cx->scratch, uint32_t, from->n_node);
    if (!first) {
        return false;
    }
    for (size_t i = 0; i < from->n_node; i++) {
        first[i] = im->g->n_node;
        if (!read_node(im, from->node[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < from->n_node; i++) {
        const char *const type = from->node[i]->op_type;
        if (type && strcmp(type, op_name(OP_IF)) == 0) {
            if (!import_link_if(im, from->node[i], first[i])) {
                return false;
            }
            continue;
        }
        struct node *const n = &im->g->node[first[i]];
        if (!link_inputs(im, from->node[i], n) ||
            !onnx_attrs(&im->src, im->g, from->node[i], n) ||
            ((n->op == OP_LOOP || n->op == OP_SCAN) &&
             !import_body(im, from->node[i], first[i]))) {
            return false;
        }
    }
    return true;
}

/* Names of values in the graph and the branches in it. */
static uint64_t count_names(const Onnx__GraphProto *from)
{
    uint64_t n = from->n_initializer + from->n_input;
    for (size_t i = 0; i < from->n_node; i++) {
        const Onnx__NodeProto *const node = from->node[i];
        n += node->n_output;
        for (size_t k = 0; k < node->n_attribute; k++) {
            n += node->attribute[k]->g ? count_names(node->attribute[k]->g) : 0;
        }
    }
    return n;
}

static bool read_graph(struct import *im, const Onnx__GraphProto *from)
{
    return map_init(&im->map, im->cx->scratch, count_names(from)) &&
           import_initializers(im, from) && read_inputs(im, from) &&
           import_nodes(im, from) && read_outputs(im, from);
}

static bool read_model(struct import *im, struct span bytes,
                       struct onnx_scan *scan)
{
    const Onnx__ModelProto *const m = (const Onnx__ModelProto *)onnx_unpack(
        bytes, &onnx__model_proto__descriptor, im->cx, scan);
    if (!m) {
        return false;
    }
    if (!m->graph) {
        return diag_error(im->cx->diag, E_ONNX_PARSE, at_none(),
                          "the file holds no graph: this is no ONNX model");
    }
    return read_opset(im, m) && read_graph(im, m->graph) &&
           onnx_pin(im->g, im->cx);
}

/* External files outlive the import: the constants point into them. */
static bool keep_files(struct import *im)
{
    for (uint32_t i = 0; i < im->src.n_file; i++) {
        struct graph *const g = im->g;
        struct file_map *const map = arena_push(
            im->cx->keep, g->file_map, &g->n_file_map, &g->cap_file_map);
        if (!map) {
            return false;
        }
        *map = im->src.file[i].map;
        im->src.file[i].map = (struct file_map){0};
    }
    return true;
}

bool onnx_import_bytes(struct span bytes, const char *path, struct cx *cx,
                       struct graph *g)
{
    const struct arena_mark mark = arena_mark(cx->scratch);
    *g = (struct graph){.name = path_stem(cx->keep, path),
                        .file = arena_strdup(cx->keep, path)};
    strtab_init(&g->names, cx->keep);
    diag_set_input(cx->diag, g->file);
    struct onnx_scan scan;
    struct import im = {.cx = cx, .g = g};
    im.src = (struct onnx_source){.cx = cx, .scan = &scan};
    im.src.dir = path_dir(cx->scratch, path);
    const bool is_ok = g->name && g->file && im.src.dir &&
                       read_model(&im, bytes, &scan) && keep_files(&im);
    if (!is_ok) {
        graph_unmap(g);
        for (uint32_t i = 0; i < im.src.n_file; i++) {
            file_unmap(&im.src.file[i].map);
        }
    }
    arena_rewind(cx->scratch, mark);
    return is_ok;
}

bool onnx_import(const char *path, struct cx *cx, struct graph *g)
{
    struct file_map map;
    if (!file_map(path, cx->diag, &map)) {
        return false;
    }
    if (!onnx_import_bytes(map.bytes, path, cx, g)) {
        file_unmap(&map);
        return false;
    }
    struct file_map *const kept =
        arena_push(cx->keep, g->file_map, &g->n_file_map, &g->cap_file_map);
    if (!kept) {
        file_unmap(&map);
        graph_unmap(g);
        return false;
    }
    *kept = map;
    return true;
}
