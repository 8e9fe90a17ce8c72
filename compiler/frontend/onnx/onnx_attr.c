#include "frontend/onnx/onnx_attr.h"

#include <inttypes.h>
#include <string.h>

#include "base/arena.h"

/* What op.def says about one attribute. */
struct attr_rule {
    enum attr_kind kind;
    int64_t last_opset; /* that has it */
};

static const char *const kind_names[] = {
    [ATTR_INT] = "an int",
    [ATTR_FLOAT] = "a float",
    [ATTR_STRING] = "a string",
    [ATTR_INTS] = "ints",
    [ATTR_FLOATS] = "floats",
    [ATTR_STRINGS] = "strings",
    [ATTR_TENSOR] = "a tensor",
    [ATTR_OTHER] = "of a kind that is not supported",
};

static enum attr_kind kind_of_letter(char letter)
{
    static const char letters[] = "ifsIFSto";
    static const enum attr_kind kinds[] = {
        ATTR_INT,    ATTR_FLOAT,   ATTR_STRING, ATTR_INTS,
        ATTR_FLOATS, ATTR_STRINGS, ATTR_TENSOR, ATTR_OTHER};
    return kinds[strchr(letters, letter) - letters];
}

/* Finds name among the words NAME:K[V] of op.def. */
static bool find_rule(const char *attrs, const char *name,
                      struct attr_rule *out)
{
    struct span rest = span_of_str(attrs);
    struct span word;
    const size_t len = strlen(name);
    while (span_word(&rest, &word)) {
        if (word.len <= len + 1 || memcmp(word.data, name, len) != 0 ||
            word.data[len] != ':') {
            continue;
        }
        *out = (struct attr_rule){kind_of_letter((char)word.data[len + 1]),
                                  INT64_MAX};
        if (word.len > len + 2) {
            out->last_opset = 0;
            for (uint64_t i = len + 2; i < word.len; i++) {
                out->last_opset = out->last_opset * 10 + (word.data[i] - '0');
            }
        }
        return true;
    }
    return false;
}

/* The kind of a message: by its type, or by what it holds (files of before
 * IR version 2 have no types). */
static enum attr_kind kind_of(const Onnx__AttributeProto *a)
{
    if (!a->has_type ||
        a->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED) {
        return a->has_i       ? ATTR_INT
               : a->has_f     ? ATTR_FLOAT
               : a->has_s     ? ATTR_STRING
               : a->t         ? ATTR_TENSOR
               : a->n_ints    ? ATTR_INTS
               : a->n_floats  ? ATTR_FLOATS
               : a->n_strings ? ATTR_STRINGS
                              : ATTR_OTHER;
    }
    switch (a->type) {
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT:
        return ATTR_INT;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT:
        return ATTR_FLOAT;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING:
        return ATTR_STRING;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS:
        return ATTR_INTS;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS:
        return ATTR_FLOATS;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS:
        return ATTR_STRINGS;
    case ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR:
        return a->t ? ATTR_TENSOR : ATTR_OTHER;
    default: /* the file may hold any number */
        return ATTR_OTHER;
    }
}

/* A string of bytes as text; NULL where it has a NUL (reported), or memory is
 * out. */
static const char *copy_text(struct cx *cx, const ProtobufCBinaryData *from,
                             struct diag_at at, const char *name)
{
    if (from->len > 0 && memchr(from->data, 0, from->len)) {
        (void)diag_error(cx->diag, E_OP_ATTR, at,
                         "attribute '%s' has a NUL in its text", name);
        return NULL;
    }
    return arena_strndup(cx->keep, (const char *)from->data, from->len);
}

static bool copy_value(struct onnx_source *src, struct graph *g,
                       const Onnx__AttributeProto *from, struct diag_at at,
                       struct attr *a)
{
    struct cx *const cx = src->cx;
    switch (a->kind) {
    case ATTR_INT:
        a->i = from->i;
        return true;
    case ATTR_FLOAT:
        a->f = from->f;
        return true;
    case ATTR_STRING:
        a->s = copy_text(cx, &from->s, at, a->name);
        return a->s != NULL;
    case ATTR_STRINGS: {
        const char **const text =
            arena_new(cx->keep, const char *, from->n_strings);
        if (!text) {
            return false;
        }
        for (size_t i = 0; i < from->n_strings; i++) {
            text[i] = copy_text(cx, &from->strings[i], at, a->name);
            if (!text[i]) {
                return false;
            }
        }
        a->strings = text;
        a->n = (uint32_t)from->n_strings;
        return true;
    }
    case ATTR_INTS: {
        int64_t *const ints = arena_new(cx->keep, int64_t, from->n_ints);
        if (!ints) {
            return false;
        }
        for (size_t i = 0; i < from->n_ints; i++) {
            ints[i] = from->ints[i];
        }
        a->ints = ints;
        a->n = (uint32_t)from->n_ints;
        return true;
    }
    case ATTR_FLOATS: {
        float *const floats = arena_new(cx->keep, float, from->n_floats);
        if (!floats) {
            return false;
        }
        for (size_t i = 0; i < from->n_floats; i++) {
            floats[i] = from->floats[i];
        }
        a->floats = floats;
        a->n = (uint32_t)from->n_floats;
        return true;
    }
    case ATTR_TENSOR: {
        struct onnx_tensor t;
        if (!onnx_tensor(src, from->t, at, &t)) {
            return false;
        }
        const struct arena_mark mark = arena_mark(cx->scratch);
        const char *const hint =
            arena_printf(cx->scratch, "%s.%s", at.name, a->name);
        a->value = hint
                       ? graph_add_const(g, cx, hint, t.dtype, &t.shape, t.data)
                       : UINT32_MAX;
        arena_rewind(cx->scratch, mark);
        return a->value != UINT32_MAX;
    }
    case ATTR_OTHER:
        return true;
    }
    return true;
}

static bool read_attr(struct onnx_source *src, struct graph *g,
                      const Onnx__AttributeProto *from, struct node *n)
{
    struct diag *const d = src->cx->diag;
    const struct diag_at at = at_node(n->name, op_name(n->op));
    const char *const name = from->name ? from->name : "";
    struct attr_rule rule;
    if (!find_rule(op_get(n->op)->attrs, name, &rule)) {
        return diag_error(d, E_OP_ATTR, at,
                          "'%s' is not an attribute that is known for %s; "
                          "remove it, or export without it",
                          name, op_name(n->op));
    }
    if (g->opset > rule.last_opset) {
        return diag_error(d, E_OP_ATTR, at,
                          "attribute '%s' ended with opset %" PRId64
                          ", but the model says opset %" PRId64,
                          name, rule.last_opset, g->opset);
    }
    const enum attr_kind kind = kind_of(from);
    if (from->ref_attr_name && from->ref_attr_name[0]) {
        return diag_error(d, E_OP_ATTR, at,
                          "attribute '%s' refers to one of a function; inline "
                          "the model's functions",
                          name);
    }
    /* Without a type an empty list cannot be told from nothing. */
    const bool is_empty_list =
        !from->has_type && kind == ATTR_OTHER &&
        (rule.kind == ATTR_INTS || rule.kind == ATTR_FLOATS ||
         rule.kind == ATTR_STRINGS);
    if (kind != rule.kind && !is_empty_list) {
        return diag_error(d, E_OP_ATTR, at,
                          "attribute '%s' is %s; it must be %s", name,
                          kind_names[kind], kind_names[rule.kind]);
    }
    if (node_attr(n, name)) {
        return diag_error(d, E_OP_ATTR, at, "attribute '%s' is given twice",
                          name);
    }
    struct attr *const a = &n->attr[n->n_attr];
    a->kind = rule.kind;
    a->name = strtab_intern_str(&g->names, name);
    if (!a->name || !copy_value(src, g, from, at, a)) {
        return false;
    }
    n->n_attr++;
    return true;
}

bool onnx_attrs(struct onnx_source *src, struct graph *g,
                const Onnx__NodeProto *from, struct node *n)
{
    n->attr = arena_new(src->cx->keep, struct attr, from->n_attribute);
    if (!n->attr) {
        return false;
    }
    for (size_t i = 0; i < from->n_attribute; i++) {
        if (!read_attr(src, g, from->attribute[i], n)) {
            return false;
        }
    }
    return true;
}
