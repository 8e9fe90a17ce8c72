#include "run/run_onnx.h"

#include <string.h>

#include "base/arena.h"
#include "base/diag.h"

/* Field numbers of onnx.proto. */
enum {
    MODEL_IR_VERSION = 1,
    MODEL_GRAPH = 7,
    GRAPH_NODE = 1,
    GRAPH_INITIALIZER = 5,
    GRAPH_INPUT = 11,
    GRAPH_OUTPUT = 12,
    NODE_INPUT = 1,
    NODE_OP_TYPE = 4,
    VALUE_NAME = 1,
    TENSOR_NAME = 8,
};
enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* From this version of the format on, an initialiser need not be listed as an
 * input. */
enum { IR_FREE_INITIALIZERS = 4 };

/* The inputs that hold weights, by operator: bit i is input i. */
static const struct {
    const char *op;
    uint32_t inputs;
} weights[] = {
    {"BatchNormalization", 0x1e},
    {"Conv", 0x06},
    {"ConvInteger", 0x0a},
    {"ConvTranspose", 0x06},
    {"DeformConv", 0x0a},
    {"DequantizeLinear", 0x06},
    {"GRU", 0x0e},
    {"Gather", 0x01},
    {"Gemm", 0x06},
    {"GroupNormalization", 0x06},
    {"InstanceNormalization", 0x06},
    {"LSTM", 0x8e},
    {"LayerNormalization", 0x06},
    {"MatMul", 0x02},
    {"MatMulInteger", 0x0a},
    {"PRelu", 0x02},
    {"QLinearConv", 0x1fe},
    {"QLinearMatMul", 0xfe},
    {"QuantizeLinear", 0x06},
    {"RMSNormalization", 0x02},
    {"RNN", 0x0e},
    {"RotaryEmbedding", 0x06},
};

/* One field of a message: its number, its bytes as stored (`all`, with the tag)
 * and, of a length-delimited one, its content. */
struct field {
    uint32_t number;
    uint32_t wire;
    uint64_t value; /* of a varint */
    struct span body;
    struct span all;
};

static bool read_varint(struct reader *r, uint64_t *out)
{
    uint64_t v = 0;
    uint8_t byte = 0x80;
    for (uint32_t shift = 0; byte & 0x80u; shift += 7) {
        if (shift > 63 || !reader_u8(r, &byte)) {
            return false;
        }
        v |= (uint64_t)(byte & 0x7fu) << shift;
    }
    *out = v;
    return true;
}

/* False when the bytes are no field; the caller stops at the end before. */
static bool next_field(struct reader *r, struct field *f)
{
    uint64_t tag = 0;
    uint64_t len = 0;
    const uint64_t start = r->at;
    bool ok = read_varint(r, &tag) && tag >> 3 != 0 && tag >> 3 <= UINT32_MAX;
    *f = (struct field){.number = (uint32_t)(tag >> 3),
                        .wire = (uint32_t)(tag & 7u)};
    switch (ok ? f->wire : UINT32_MAX) {
    case WIRE_VARINT:
        ok = read_varint(r, &f->value);
        break;
    case WIRE_64:
        ok = reader_skip(r, 8);
        break;
    case WIRE_32:
        ok = reader_skip(r, 4);
        break;
    case WIRE_BYTES:
        ok = read_varint(r, &len) && reader_take(r, len, &f->body);
        break;
    default:
        ok = false;
        break;
    }
    f->all = (struct span){r->in.data + start, r->at - start};
    return ok;
}

/* The last string with this number in a message; NULL when memory is out or
 * the message is damaged, "" when it has none. */
static const char *string_field(struct span message, uint32_t number,
                                struct arena *a)
{
    struct reader r = reader_of(message);
    struct field f;
    struct span found = span_of_str("");
    while (reader_left(&r) > 0) {
        if (!next_field(&r, &f)) {
            return NULL;
        }
        if (f.number == number && f.wire == WIRE_BYTES) {
            found = f.body;
        }
    }
    return arena_strndup(a, (const char *)found.data, found.len);
}

/* ---- scanning ------------------------------------------------------------ */

struct scan {
    struct cx *cx;
    struct run_onnx *out;
    uint32_t cap_input;
    uint32_t cap_output;
};

static struct run_onnx_input *find_input(const struct run_onnx *m,
                                         struct span name)
{
    for (uint32_t i = 0; i < m->n_input; i++) {
        if (span_eq_str(name, m->input[i].name)) {
            return &m->input[i];
        }
    }
    return NULL;
}

static bool add_value(struct scan *s, struct span message, bool is_input)
{
    const char *name = string_field(message, VALUE_NAME, s->cx->keep);
    if (!name) {
        return false;
    }
    if (is_input) {
        struct run_onnx_input *in = arena_push(s->cx->keep, s->out->input,
                                               &s->out->n_input, &s->cap_input);
        if (in) {
            in->name = name;
        }
        return in;
    }
    const char **output = arena_push(s->cx->keep, s->out->output,
                                     &s->out->n_output, &s->cap_output);
    if (output) {
        *output = name;
    }
    return output;
}

static bool drop_initializer(struct scan *s, struct span message)
{
    const char *name = string_field(message, TENSOR_NAME, s->cx->scratch);
    if (!name) {
        return false;
    }
    struct run_onnx *m = s->out;
    struct run_onnx_input *in = find_input(m, span_of_str(name));
    if (in) {
        const uint32_t ix = (uint32_t)(in - m->input);
        memmove(in, in + 1, (m->n_input - ix - 1) * sizeof *in);
        m->n_input--;
    }
    return true;
}

static bool mark_weights(struct scan *s, struct span message)
{
    const char *op = string_field(message, NODE_OP_TYPE, s->cx->scratch);
    if (!op) {
        return false;
    }
    uint32_t mask = 0;
    for (uint32_t i = 0; i < ARRAY_LEN(weights); i++) {
        if (strcmp(op, weights[i].op) == 0) {
            mask = weights[i].inputs;
        }
    }
    struct reader r = reader_of(message);
    struct field f;
    for (uint32_t i = 0; mask && reader_left(&r) > 0;) {
        if (!next_field(&r, &f)) {
            return false;
        }
        if (f.number != NODE_INPUT || f.wire != WIRE_BYTES) {
            continue;
        }
        struct run_onnx_input *in = find_input(s->out, f.body);
        if (in && i < 32 && (mask >> i & 1u)) {
            in->is_weight = true;
        }
        i++;
    }
    return true;
}

enum step { STEP_VALUES, STEP_INITIALIZERS, STEP_NODES, N_STEPS };

/* One pass over the graph: fields come in any order, and each step needs what
 * the one before collected. */
static bool scan_graph(struct scan *s, struct span graph, enum step step)
{
    struct reader r = reader_of(graph);
    struct field f;
    while (reader_left(&r) > 0) {
        if (!next_field(&r, &f)) {
            return false;
        }
        bool ok = true;
        if (f.wire != WIRE_BYTES) {
            continue;
        }
        if (step == STEP_VALUES &&
            (f.number == GRAPH_INPUT || f.number == GRAPH_OUTPUT)) {
            ok = add_value(s, f.body, f.number == GRAPH_INPUT);
        } else if (step == STEP_INITIALIZERS && f.number == GRAPH_INITIALIZER) {
            ok = drop_initializer(s, f.body);
        } else if (step == STEP_NODES && f.number == GRAPH_NODE) {
            ok = mark_weights(s, f.body);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

bool run_onnx_scan(struct span file, const char *path, struct cx *cx,
                   struct run_onnx *out)
{
    struct run_onnx m = {.file = file};
    struct scan s = {.cx = cx, .out = &m};
    struct span graph = {NULL, 0};
    struct reader r = reader_of(file);
    struct field f;
    const struct arena_mark mark = arena_mark(cx->scratch);
    bool ok = true;
    while (ok && reader_left(&r) > 0) {
        ok = next_field(&r, &f);
        if (ok && f.number == MODEL_GRAPH && f.wire == WIRE_BYTES) {
            graph = f.body;
        }
    }
    for (uint32_t step = 0; ok && step < N_STEPS; step++) {
        ok = scan_graph(&s, graph, (enum step)step);
    }
    arena_rewind(cx->scratch, mark);
    if (!ok || !graph.data) {
        return diag_error(cx->diag, E_ONNX_PARSE, at_file(path),
                          "is no ONNX model, or is cut off");
    }
    *out = m;
    return true;
}

/* ---- baking -------------------------------------------------------------- */

static void put_varint(struct buf *b, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) {
        buf_u8(b, (uint8_t)(v | 0x80u));
    }
    buf_u8(b, (uint8_t)v);
}

static void put_bytes(struct buf *b, uint32_t number, struct span body)
{
    put_varint(b, (uint64_t)number << 3 | WIRE_BYTES);
    put_varint(b, body.len);
    buf_span(b, body);
}

/* The graph without its weight-like inputs, then these as initialisers. */
static bool bake_graph(const struct run_onnx *m, const struct span *value,
                       struct span graph, bool keeps_inputs, struct cx *cx,
                       struct buf *out)
{
    struct reader r = reader_of(graph);
    struct field f;
    while (reader_left(&r) > 0) {
        if (!next_field(&r, &f)) {
            return false;
        }
        if (f.number == GRAPH_INPUT && f.wire == WIRE_BYTES && !keeps_inputs) {
            const char *name = string_field(f.body, VALUE_NAME, cx->scratch);
            if (!name) {
                return false;
            }
            const struct run_onnx_input *in = find_input(m, span_of_str(name));
            if (in && in->is_weight) {
                continue;
            }
        }
        buf_span(out, f.all);
    }
    for (uint32_t i = 0; i < m->n_input; i++) {
        if (!m->input[i].is_weight) {
            continue;
        }
        struct buf tensor;
        buf_init(&tensor, cx->scratch);
        buf_span(&tensor, value[i]);
        /* Of a string given twice the last counts. */
        put_bytes(&tensor, TENSOR_NAME, span_of_str(m->input[i].name));
        put_bytes(out, GRAPH_INITIALIZER, buf_bytes(&tensor));
        buf_free(&tensor);
    }
    return true;
}

bool run_onnx_bake(const struct run_onnx *m, const struct span *value,
                   struct cx *cx, struct buf *out)
{
    struct reader r = reader_of(m->file);
    struct field f;
    struct buf graph;
    uint64_t ir_version = 0;
    const struct arena_mark mark = arena_mark(cx->scratch);
    bool ok = true;
    while (ok && reader_left(&r) > 0) {
        ok = next_field(&r, &f);
        if (ok && f.number == MODEL_IR_VERSION && f.wire == WIRE_VARINT) {
            ir_version = f.value;
        }
    }
    r = reader_of(m->file);
    buf_init(&graph, cx->scratch);
    while (ok && reader_left(&r) > 0) {
        ok = next_field(&r, &f);
        if (!ok || f.number != MODEL_GRAPH) {
            buf_span(out, f.all);
            continue;
        }
        buf_cut(&graph, 0);
        ok = bake_graph(m, value, f.body, ir_version < IR_FREE_INITIALIZERS, cx,
                        &graph);
        put_bytes(out, MODEL_GRAPH, buf_bytes(&graph));
    }
    ok = ok && buf_ok(&graph) && buf_ok(out);
    buf_free(&graph);
    arena_rewind(cx->scratch, mark);
    return ok || diag_error(cx->diag, E_ONNX_PARSE, at_none(),
                            "the model cannot be rewritten");
}
