#include "support/onnx_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/onnx/onnx_import.h"
#include "ir/graph.h"
#include "passes/elem.h"
#include "passes/passes.h"

void pb_varint(struct buf *b, uint64_t value)
{
    while (value >= 0x80) {
        buf_u8(b, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    buf_u8(b, (uint8_t)value);
}

void pb_int(struct buf *b, unsigned field, uint64_t value)
{
    pb_varint(b, (uint64_t)field << 3);
    pb_varint(b, value);
}

void pb_bytes(struct buf *b, unsigned field, struct span bytes)
{
    pb_varint(b, (uint64_t)field << 3 | 2);
    pb_varint(b, bytes.len);
    buf_span(b, bytes);
}

void pb_str(struct buf *b, unsigned field, const char *text)
{
    pb_bytes(b, field, span_of_str(text));
}

void pb_message(struct buf *b, unsigned field, struct buf *inner)
{
    assert_true(buf_ok(inner));
    pb_bytes(b, field, buf_bytes(inner));
    buf_cut(inner, 0);
}

static void pb_f32(struct buf *b, unsigned field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    pb_varint(b, (uint64_t)field << 3 | 5);
    buf_le32(b, bits);
}

static enum dtype type_of(const char *name)
{
    for (int t = 1; t <= DTYPE_BF16; t++) {
        if (strcmp(dtype_name((enum dtype)t), name) == 0) {
            return (enum dtype)t;
        }
    }
    fail_msg("no type '%s'", name);
    return DTYPE_NONE;
}

/* Dimensions as numbers; -1 for symbolic ones, whose names go to sym. */
struct dims {
    uint32_t n;
    int64_t dim[12];
    char sym[12][32];
};

static struct dims dims_of(const char *text)
{
    struct dims d = {0};
    if (strcmp(text, "-") == 0) {
        return d;
    }
    while (*text) {
        char *end;
        d.dim[d.n] = strtoll(text, &end, 10);
        if (end == text) {
            d.dim[d.n] = -1;
            snprintf(d.sym[d.n], sizeof d.sym[0], "%.*s",
                     (int)strcspn(text, "x"), text);
            end += strcspn(text, "x");
        }
        d.n++;
        text = *end == 'x' ? end + 1 : end;
    }
    return d;
}

/* The typed field of TensorProto for a type. */
static unsigned typed_field(enum dtype t)
{
    return t == DTYPE_F32 ? 4 : t == DTYPE_I64 ? 7 : t == DTYPE_F64 ? 10 : 5;
}

/* Fixed numbers that look random: "rand" in [-1, 1), "pos" in [0.5, 1.5). */
static void put_random(const char *word, enum dtype t, uint8_t *data,
                       uint64_t count)
{
    const bool is_pos = strcmp(word, "pos") == 0;
    uint32_t seed = (uint32_t)count;
    for (uint64_t i = 0; i < count; i++) {
        seed = seed * 1664525 + 1013904223;
        const double x = (double)(seed >> 16) / 65536.0;
        elem_put_f64(t, data, i, is_pos ? 0.5 + x : 2.0 * x - 1.0);
    }
}

static void put_tensor(struct fixture *f, struct buf *out, const char *name,
                       const char *type, const char *shape, char **number,
                       uint32_t n_number, bool is_typed)
{
    const enum dtype t = type_of(type);
    const struct dims d = dims_of(shape);
    uint64_t count = 1;
    for (uint32_t i = 0; i < d.n; i++) {
        pb_int(out, 1, (uint64_t)d.dim[i]);
        count *= (uint64_t)d.dim[i];
    }
    pb_int(out, 2, t);
    if (name) {
        pb_str(out, 8, name);
    }
    const bool is_random = n_number == 1 && (strcmp(number[0], "rand") == 0 ||
                                             strcmp(number[0], "pos") == 0);
    count = n_number && !is_random ? n_number : count;
    const uint64_t size = dtype_bytes(t);
    uint8_t *const data = arena_alloc(&f->keep, count * size, 8);
    assert_non_null(data);
    if (is_random) {
        put_random(number[0], t, data, count);
    }
    for (uint32_t i = 0; !is_random && i < n_number; i++) {
        elem_put_f64(t, data, i, strtod(number[i], NULL));
    }
    if (!is_typed) {
        pb_bytes(out, 9, (struct span){data, count * size});
        return;
    }
    struct buf packed;
    buf_init(&packed, &f->keep);
    for (uint64_t i = 0; i < count; i++) {
        if (t == DTYPE_F32 || t == DTYPE_F64) {
            buf_put(&packed, data + i * size, size);
        } else {
            pb_varint(&packed, (uint64_t)elem_i64(t, data, i));
        }
    }
    pb_message(out, typed_field(t), &packed);
}

/* Splits at commas, in place. */
static uint32_t split(char *text, char **part, uint32_t cap)
{
    uint32_t n = 0;
    for (char *p = strtok(text, ","); p && n < cap; p = strtok(NULL, ",")) {
        part[n++] = p;
    }
    return n;
}

/* Graphs of branches, by name. */
enum { MAX_GRAPH = 8 };
struct graphs {
    uint32_t n;
    const char *name[MAX_GRAPH];
    struct buf body[MAX_GRAPH];
};

static void put_graph(struct buf *out, const struct graphs *g, const char *name)
{
    for (uint32_t i = 0; i < g->n; i++) {
        if (strcmp(g->name[i], name) == 0) {
            pb_bytes(out, 6, buf_bytes(&g->body[i]));
            pb_int(out, 20, 5);
            return;
        }
    }
    fail_msg("no graph '%s'", name);
}

/* NAME=K:VALUE */
static void put_attr(struct fixture *f, struct buf *out,
                     const struct graphs *graphs, char *word)
{
    char *const kind = strchr(word, '=') + 1;
    kind[-1] = '\0';
    char *value = strchr(kind, ':') + 1;
    pb_str(out, 1, word);
    char *part[64];
    if (*kind == 'g') {
        put_graph(out, graphs, value);
    } else if (*kind == 'i') {
        pb_int(out, 3, (uint64_t)strtoll(value, NULL, 10));
        pb_int(out, 20, 2);
    } else if (*kind == 'f') {
        pb_f32(out, 2, strtof(value, NULL));
        pb_int(out, 20, 1);
    } else if (*kind == 's') {
        pb_str(out, 4, value);
        pb_int(out, 20, 3);
    } else if (*kind == 'I') {
        const uint32_t n = split(value, part, 64);
        for (uint32_t i = 0; i < n; i++) {
            pb_int(out, 8, (uint64_t)strtoll(part[i], NULL, 10));
        }
        pb_int(out, 20, 7);
    } else if (*kind == 'F') {
        const uint32_t n = split(value, part, 64);
        for (uint32_t i = 0; i < n; i++) {
            pb_f32(out, 7, strtof(part[i], NULL));
        }
        pb_int(out, 20, 6);
    } else {
        char *const dims = strchr(value, ':') + 1;
        dims[-1] = '\0';
        char *const numbers = strchr(dims, ':') + 1;
        numbers[-1] = '\0';
        const uint32_t n = split(numbers, part, 64);
        struct buf tensor;
        buf_init(&tensor, &f->keep);
        put_tensor(f, &tensor, NULL, value, dims, part, n, false);
        pb_message(out, 5, &tensor);
        pb_int(out, 20, 4);
    }
}

static void put_info(struct fixture *f, struct buf *graph, unsigned field,
                     char **word, uint32_t n)
{
    struct buf info;
    struct buf type;
    struct buf tensor;
    struct buf shape;
    struct buf dim;
    buf_init(&info, &f->keep);
    buf_init(&type, &f->keep);
    buf_init(&tensor, &f->keep);
    buf_init(&shape, &f->keep);
    buf_init(&dim, &f->keep);
    pb_str(&info, 1, word[1]);
    pb_int(&tensor, 1, n > 2 ? type_of(word[2]) : DTYPE_F32);
    if (n > 3 && strcmp(word[3], "?") != 0) {
        const struct dims d = dims_of(word[3]);
        for (uint32_t i = 0; i < d.n; i++) {
            if (d.dim[i] >= 0) {
                pb_int(&dim, 1, (uint64_t)d.dim[i]);
            } else {
                pb_str(&dim, 2, d.sym[i]);
            }
            pb_message(&shape, 1, &dim);
        }
        pb_message(&tensor, 2, &shape);
    }
    pb_message(&type, 1, &tensor);
    pb_message(&info, 2, &type);
    pb_message(graph, field, &info);
}

static void put_node(struct fixture *f, struct buf *graph,
                     const struct graphs *graphs, char **word, uint32_t n)
{
    struct buf node;
    struct buf attr;
    buf_init(&node, &f->keep);
    buf_init(&attr, &f->keep);
    char *const colon = strchr(word[0], ':');
    if (colon) {
        *colon = '\0';
        pb_str(&node, 7, word[0]);
    }
    pb_str(&node, 4, colon ? colon + 1 : word[0]);
    pb_str(&node, 3, strcmp(word[1], "_") ? word[1] : "");
    unsigned field = 1;
    for (uint32_t i = 2; i < n; i++) {
        if (strcmp(word[i], "->") == 0) {
            field = 2;
        } else if (strchr(word[i], '=')) {
            put_attr(f, &attr, graphs, word[i]);
            pb_message(&node, 5, &attr);
        } else {
            pb_str(&node, field, strcmp(word[i], "_") ? word[i] : "");
        }
    }
    pb_message(graph, 1, &node);
}

struct span onnx_text(struct fixture *f, const char *text)
{
    struct buf graph;
    struct buf model;
    struct buf opset;
    struct graphs graphs = {0};
    struct buf *to = &graph; /* the graph being written */
    buf_init(&graph, &f->keep);
    buf_init(&model, &f->keep);
    buf_init(&opset, &f->keep);
    char *const copy = arena_strdup(&f->keep, text);
    assert_non_null(copy);
    char *next = copy;
    while (*next) {
        char *line = next;
        const size_t len = strcspn(line, "\n");
        next = line + len + (line[len] == '\n');
        line[len] = '\0';
        char *word[64];
        uint32_t n = 0;
        while (*(line += strspn(line, " ")) && n < 64) {
            word[n++] = line;
            line += strcspn(line, " ");
            if (*line) {
                *line++ = '\0';
            }
        }
        if (n == 0) {
            continue;
        }
        struct buf tensor;
        buf_init(&tensor, &f->keep);
        if (strcmp(word[0], "opset") == 0) {
            pb_int(&opset, 2, (uint64_t)strtoll(word[1], NULL, 10));
            pb_message(&model, 8, &opset);
        } else if (strcmp(word[0], "graph") == 0) {
            assert_true(graphs.n < MAX_GRAPH);
            graphs.name[graphs.n] = word[1];
            to = &graphs.body[graphs.n++];
            buf_init(to, &f->keep);
        } else if (strcmp(word[0], "end") == 0) {
            to = &graph;
        } else if (strcmp(word[0], "input") == 0) {
            put_info(f, to, 11, word, n);
        } else if (strcmp(word[0], "output") == 0) {
            put_info(f, to, 12, word, n);
        } else if (strcmp(word[0], "init") == 0 ||
                   strcmp(word[0], "typed") == 0) {
            put_tensor(f, &tensor, word[1], word[2], word[3], word + 4, n - 4,
                       word[0][0] == 't');
            pb_message(to, 5, &tensor);
        } else {
            put_node(f, to, &graphs, word, n);
        }
    }
    pb_int(&model, 1, 8);
    pb_message(&model, 7, &graph);
    assert_true(buf_ok(&model));
    return buf_bytes(&model);
}

bool onnx_text_import(struct fixture *f, const char *text, struct graph *g)
{
    return onnx_import_bytes(onnx_text(f, text), "test.onnx", &f->cx, g);
}

void onnx_text_passes(struct fixture *f, const char *text, struct graph *g)
{
    const bool is_ok = onnx_text_import(f, text, g) &&
                       passes_run(g, &f->cx, NULL, NULL) &&
                       graph_check(g, &f->cx);
    assert_no_diag(f);
    assert_true(is_ok);
}

const struct value *onnx_text_value(const struct graph *g, const char *name)
{
    for (uint32_t i = 0; i < g->n_value; i++) {
        if (strcmp(g->value[i].name, name) == 0) {
            return &g->value[i];
        }
    }
    fail_msg("no value '%s'", name);
    return NULL;
}
