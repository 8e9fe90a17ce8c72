#include "models/onnx_writer.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/fileio.h"
#include "base/size.h"
#include "onnx.pb-c.h"

enum { BLOCK_BYTES = 64 * 1024 };

/* A tensor's record. proto.raw_data has the true length, but its data pointer
 * is the address of this record: never read, only recognised by sink_append. */
struct initializer {
    Onnx__TensorProto proto;
    onnx_fill_fn fill;
    const void *recipe;
    uint64_t n_elems;
    uint64_t elem_bytes;
};

struct onnx_model {
    struct arena *keep;
    struct diag *diag;
    bool is_broken;
    unsigned opset;
    char *name;
    char *doc;
    Onnx__NodeProto **node;
    uint32_t n_nodes;
    uint32_t cap_nodes;
    Onnx__TensorProto **init;
    uint32_t n_inits;
    uint32_t cap_inits;
    Onnx__ValueInfoProto **input;
    uint32_t n_inputs;
    uint32_t cap_inputs;
    Onnx__ValueInfoProto **output;
    uint32_t n_outputs;
    uint32_t cap_outputs;
};

static const struct {
    int32_t onnx_id;
    uint64_t bytes;
} k_elem[] = {
    [ONNX_F32] = {ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, 4},
    [ONNX_I64] = {ONNX__TENSOR_PROTO__DATA_TYPE__INT64, 8},
    [ONNX_BOOL] = {ONNX__TENSOR_PROTO__DATA_TYPE__BOOL, 1},
};

uint64_t onnx_elem_bytes(enum onnx_elem elem)
{
    return k_elem[elem].bytes;
}

uint64_t onnx_type_count(const struct onnx_type *type)
{
    uint64_t n = 1;
    for (size_t i = 0; i < type->rank; i++) {
        if (!size_mul(&n, n, type->dim[i])) {
            return UINT64_MAX;
        }
    }
    return n;
}

struct onnx_attr onnx_attr_int(const char *name, int64_t value)
{
    return (struct onnx_attr){
        .name = name, .kind = ONNX_INT, .n_ints = 1, .ints = {value}};
}

struct onnx_attr onnx_attr_float(const char *name, float value)
{
    return (struct onnx_attr){.name = name, .kind = ONNX_FLOAT, .f = value};
}

struct onnx_attr onnx_attr_ints(const char *name, const int64_t *value,
                                size_t n)
{
    assert(n <= ONNX_MAX_INTS);
    struct onnx_attr a = {.name = name, .kind = ONNX_INTS, .n_ints = n};
    memcpy(a.ints, value, n * sizeof *value);
    return a;
}

/* Sticky failure: every allocation goes through these four. */

static void *take(struct onnx_model *m, uint64_t n, size_t size_bytes)
{
    void *p = m->is_broken ? NULL
                           : arena_alloc_array(m->keep, n, size_bytes,
                                               alignof(max_align_t));
    m->is_broken = !p;
    return p;
}

/* Pointers to messages; all object pointers have one size wherever protobuf-c
 * runs. */
static void *take_pointers(struct onnx_model *m, uint64_t n)
{
    return take(m, n, sizeof(void *));
}

/* Appends a pointer to the list of pointers at *list. */
static bool append(struct onnx_model *m, void *list, uint32_t *n, uint32_t *cap,
                   const void *item)
{
    void *slot = m->is_broken
                     ? NULL
                     : arena_append(m->keep, list, sizeof(void *), n, cap);
    m->is_broken = !slot;
    if (slot) {
        memcpy(slot, &item, sizeof item);
    }
    return slot;
}

static char *copy(struct onnx_model *m, const char *text)
{
    char *s = text && !m->is_broken ? arena_strdup(m->keep, text) : NULL;
    m->is_broken = !s;
    return s;
}

struct onnx_model *onnx_model_new(struct arena *keep, struct diag *d,
                                  const char *name, const char *doc,
                                  unsigned opset)
{
    struct onnx_model *m = arena_new(keep, struct onnx_model, 1);
    if (!m) {
        return NULL;
    }
    m->keep = keep;
    m->diag = d;
    m->opset = opset;
    m->name = copy(m, name);
    m->doc = copy(m, doc);
    return m->is_broken ? NULL : m;
}

bool onnx_model_ok(const struct onnx_model *m)
{
    return !m->is_broken;
}

const char *onnx_name(struct onnx_model *m, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    const int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert(len >= 0 && (size_t)len < sizeof text);
    (void)len;
    return copy(m, text);
}

static Onnx__TensorShapeProto *make_shape(struct onnx_model *m,
                                          const struct onnx_type *type)
{
    Onnx__TensorShapeProto *shape = take(m, 1, sizeof *shape);
    Onnx__TensorShapeProto__Dimension **dims = take_pointers(m, type->rank);
    Onnx__TensorShapeProto__Dimension *dim = take(m, type->rank, sizeof *dim);
    if (!dim) {
        return NULL;
    }
    onnx__tensor_shape_proto__init(shape);
    for (size_t i = 0; i < type->rank; i++) {
        onnx__tensor_shape_proto__dimension__init(&dim[i]);
        if (type->symbol[i]) {
            dim[i].value_case =
                ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dim[i].dim_param = copy(m, type->symbol[i]);
            dims[i] = &dim[i];
            continue;
        }
        dim[i].value_case =
            ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        dim[i].dim_value = (int64_t)type->dim[i];
        dims[i] = &dim[i];
    }
    shape->n_dim = type->rank;
    shape->dim = dims;
    return shape;
}

static Onnx__ValueInfoProto *make_value(struct onnx_model *m, const char *name,
                                        const struct onnx_type *type)
{
    Onnx__ValueInfoProto *value = take(m, 1, sizeof *value);
    Onnx__TypeProto *outer = take(m, 1, sizeof *outer);
    Onnx__TypeProto__Tensor *inner = take(m, 1, sizeof *inner);
    char *own_name = copy(m, name);
    Onnx__TensorShapeProto *shape = make_shape(m, type);
    if (!shape) {
        return NULL;
    }
    onnx__type_proto__tensor__init(inner);
    inner->has_elem_type = 1;
    inner->elem_type = k_elem[type->elem].onnx_id;
    inner->shape = shape;
    onnx__type_proto__init(outer);
    outer->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    outer->tensor_type = inner;
    onnx__value_info_proto__init(value);
    value->name = own_name;
    value->type = outer;
    return value;
}

const char *onnx_input(struct onnx_model *m, const char *name,
                       const struct onnx_type *type)
{
    Onnx__ValueInfoProto *value = make_value(m, name, type);
    if (!append(m, &m->input, &m->n_inputs, &m->cap_inputs, value)) {
        return NULL;
    }
    return value->name;
}

void onnx_output(struct onnx_model *m, const char *name,
                 const struct onnx_type *type)
{
    Onnx__ValueInfoProto *value = make_value(m, name, type);
    if (!append(m, &m->output, &m->n_outputs, &m->cap_outputs, value)) {
        return;
    }
    assert(m->n_nodes > 0);
    m->node[m->n_nodes - 1]->output[0] = value->name;
}

const char *onnx_init(struct onnx_model *m, const char *name,
                      const struct onnx_type *type, onnx_fill_fn fill,
                      const void *recipe, size_t recipe_bytes)
{
    struct initializer *x = take(m, 1, sizeof *x);
    void *own_recipe = take(m, 1, recipe_bytes);
    int64_t *dims = take(m, type->rank, sizeof *dims);
    char *own_name = copy(m, name);
    if (!own_name) {
        return NULL;
    }
    x->fill = fill;
    if (recipe_bytes > 0) {
        memcpy(own_recipe, recipe, recipe_bytes);
    }
    x->recipe = own_recipe;
    x->n_elems = onnx_type_count(type);
    x->elem_bytes = k_elem[type->elem].bytes;
    uint64_t bytes;
    if (!size_mul(&bytes, x->n_elems, x->elem_bytes) || bytes > SIZE_MAX) {
        m->is_broken = true;
        (void)diag_error(m->diag, E_TOO_BIG, at_tensor(name),
                         "its bytes exceed the address space");
        return NULL;
    }
    for (size_t i = 0; i < type->rank; i++) {
        dims[i] = (int64_t)type->dim[i];
    }
    onnx__tensor_proto__init(&x->proto);
    x->proto.n_dims = type->rank;
    x->proto.dims = dims;
    x->proto.has_data_type = 1;
    x->proto.data_type = k_elem[type->elem].onnx_id;
    x->proto.name = own_name;
    x->proto.has_raw_data = 1;
    x->proto.raw_data.len = (size_t)bytes;
    x->proto.raw_data.data = (uint8_t *)x;
    if (!append(m, &m->init, &m->n_inits, &m->cap_inits, &x->proto)) {
        return NULL;
    }
    return own_name;
}

static Onnx__AttributeProto *make_attr(struct onnx_model *m,
                                       const struct onnx_attr *a)
{
    Onnx__AttributeProto *p = take(m, 1, sizeof *p);
    int64_t *ints = take(m, a->n_ints, sizeof *ints);
    char *name = copy(m, a->name);
    if (!name) {
        return NULL;
    }
    onnx__attribute_proto__init(p);
    p->name = name;
    p->has_type = 1;
    switch (a->kind) {
    case ONNX_INT:
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
        p->has_i = 1;
        p->i = a->ints[0];
        break;
    case ONNX_FLOAT:
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
        p->has_f = 1;
        p->f = a->f;
        break;
    case ONNX_INTS:
        p->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
        memcpy(ints, a->ints, a->n_ints * sizeof *ints);
        p->n_ints = a->n_ints;
        p->ints = ints;
        break;
    }
    return p;
}

/* Copies of a list that ends at NULL or after `most`. */
static char **copy_list(struct onnx_model *m, const char *const *list,
                        size_t most, size_t *n)
{
    size_t len = 0;
    while (len < most && list[len]) {
        len++;
    }
    char **out = take_pointers(m, len);
    for (size_t i = 0; out && i < len; i++) {
        out[i] = copy(m, list[i]);
    }
    *n = len;
    return out;
}

const char *onnx_node(struct onnx_model *m, const struct onnx_node *node)
{
    Onnx__NodeProto *p = take(m, 1, sizeof *p);
    if (!p) {
        return NULL;
    }
    onnx__node_proto__init(p);
    p->op_type = copy(m, node->op);
    p->name = copy(m, node->name);
    p->input = copy_list(m, node->in, ONNX_MAX_INPUTS, &p->n_input);
    const char *const lone[] = {onnx_name(m, "%s_out", node->name), NULL};
    p->output = copy_list(m, node->out[0] ? node->out : lone, ONNX_MAX_OUTPUTS,
                          &p->n_output);
    size_t n_attrs = 0;
    while (n_attrs < ONNX_MAX_ATTRS && node->attr[n_attrs].name) {
        n_attrs++;
    }
    p->attribute = take_pointers(m, n_attrs);
    for (size_t i = 0; p->attribute && i < n_attrs; i++) {
        p->attribute[i] = make_attr(m, &node->attr[i]);
    }
    p->n_attribute = n_attrs;
    if (!append(m, &m->node, &m->n_nodes, &m->cap_nodes, p)) {
        return NULL;
    }
    return p->output[0];
}

/* Receives packed bytes from protobuf-c and gathers them into blocks. Where
 * the bytes are a tensor's data, it makes them instead of copying them. */
struct sink {
    ProtobufCBuffer base; /* first: protobuf-c passes a pointer to it */
    struct file_out *out;
    Onnx__TensorProto *const *next; /* whose data has not come yet */
    Onnx__TensorProto *const *end;
    uint8_t *block;
    size_t len; /* bytes in block */
    bool ok;
};

static void sink_flush(struct sink *s)
{
    s->ok = s->ok && file_out_write(s->out, s->block, s->len);
    s->len = 0;
}

static void sink_fill(struct sink *s, const struct initializer *x)
{
    uint64_t done = 0;
    while (done < x->n_elems && s->ok) {
        const uint64_t room = (BLOCK_BYTES - s->len) / x->elem_bytes;
        const uint64_t n = size_min(room, x->n_elems - done);
        if (n == 0) {
            sink_flush(s);
            continue;
        }
        x->fill(x->recipe, done, (size_t)n, s->block + s->len);
        s->len += (size_t)(n * x->elem_bytes);
        done += n;
    }
}

static void sink_copy(struct sink *s, const uint8_t *data, size_t len)
{
    while (len > 0 && s->ok) {
        const size_t n = (size_t)size_min(BLOCK_BYTES - s->len, len);
        memcpy(s->block + s->len, data, n);
        s->len += n;
        data += n;
        len -= n;
        if (s->len == BLOCK_BYTES) {
            sink_flush(s);
        }
    }
}

static void sink_append(ProtobufCBuffer *base, size_t len, const uint8_t *data)
{
    struct sink *s = (struct sink *)base;
    /* Tensors are packed in their order, so one comparison is enough. */
    if (s->next != s->end && data == (*s->next)->raw_data.data) {
        sink_fill(s, (const struct initializer *)*s->next);
        s->next++;
    } else {
        sink_copy(s, data, len);
    }
}

static bool write_packed(struct onnx_model *m, const Onnx__ModelProto *model,
                         struct file_out *out)
{
    struct sink s = {.base = {.append = sink_append},
                     .out = out,
                     .next = m->init,
                     .end = m->init + m->n_inits,
                     .block = arena_new(m->keep, uint8_t, BLOCK_BYTES),
                     .ok = true};
    if (!s.block) {
        return false;
    }
    (void)protobuf_c_message_pack_to_buffer(&model->base, &s.base);
    sink_flush(&s);
    return s.ok;
}

bool onnx_model_write(struct onnx_model *m, const char *path)
{
    if (m->is_broken) {
        return false;
    }
    Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
    graph.name = m->name;
    graph.n_node = m->n_nodes;
    graph.node = m->node;
    graph.n_initializer = m->n_inits;
    graph.initializer = m->init;
    graph.n_input = m->n_inputs;
    graph.input = m->input;
    graph.n_output = m->n_outputs;
    graph.output = m->output;

    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT;
    Onnx__OperatorSetIdProto *opsets[] = {&opset};
    opset.domain = copy(m, "");
    opset.has_version = 1;
    opset.version = m->opset;

    Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
    model.has_ir_version = 1;
    model.ir_version = m->opset < 15 ? 7 : 8; /* as released together */
    model.producer_name = copy(m, "flexzoo");
    model.doc_string = m->doc;
    model.graph = &graph;
    model.n_opset_import = 1;
    model.opset_import = opsets;
    if (m->is_broken) {
        return false;
    }

    const uint64_t bytes = protobuf_c_message_get_packed_size(&model.base);
    if (bytes > INT32_MAX) {
        return diag_error(m->diag, E_TOO_BIG, at_file(path),
                          "%" PRIu64 " bytes exceed the 2 GiB that an ONNX "
                          "file may have",
                          bytes);
    }
    struct file_out out;
    if (!file_out_open(&out, path, m->keep, m->diag)) {
        return false;
    }
    if (!write_packed(m, &model, &out) || !file_out_commit(&out)) {
        file_out_abort(&out);
        return false;
    }
    return true;
}
