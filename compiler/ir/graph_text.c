#include "ir/graph.h"

#include <inttypes.h>

#include "base/buf.h"

/* Names come from the file: whatever is not printable ASCII is escaped. */
static void put_name(struct buf *out, const char *name)
{
    for (const char *c = name; *c; c++) {
        const unsigned char byte = (unsigned char)*c;
        if (byte <= ' ' || byte > '~' || byte == '\\') {
            buf_printf(out, "\\x%02x", byte);
        } else {
            buf_char(out, *c);
        }
    }
}

static void put_type(struct buf *out, const struct value *v)
{
    buf_printf(out, " %s", v->dtype == DTYPE_NONE ? "?" : dtype_name(v->dtype));
    buf_char(out, '[');
    if (!v->shape_known) {
        buf_char(out, '?');
    } else {
        for (uint32_t i = 0; i < v->shape.rank; i++) {
            buf_str(out, i ? "," : "");
            if (v->shape.dim[i] >= 0) {
                buf_printf(out, "%" PRId64, v->shape.dim[i]);
            } else {
                put_name(out,
                         v->dim_name && v->dim_name[i] ? v->dim_name[i] : "?");
            }
        }
    }
    buf_char(out, ']');
}

static void put_attr(struct buf *out, const struct graph *g,
                     const struct attr *a)
{
    buf_char(out, ' ');
    put_name(out, a->name);
    buf_char(out, '=');
    switch (a->kind) {
    case ATTR_INT:
        buf_printf(out, "%" PRId64, a->i);
        break;
    case ATTR_FLOAT:
        buf_printf(out, "%.9g", (double)a->f);
        break;
    case ATTR_STRING:
        buf_char(out, '"');
        put_name(out, a->s);
        buf_char(out, '"');
        break;
    case ATTR_INTS:
    case ATTR_FLOATS:
        buf_char(out, '[');
        for (uint32_t i = 0; i < a->n; i++) {
            buf_str(out, i ? "," : "");
            if (a->kind == ATTR_INTS) {
                buf_printf(out, "%" PRId64, a->ints[i]);
            } else {
                buf_printf(out, "%.9g", (double)a->floats[i]);
            }
        }
        buf_char(out, ']');
        break;
    case ATTR_STRINGS:
        buf_char(out, '[');
        for (uint32_t i = 0; i < a->n; i++) {
            buf_str(out, i ? ",\"" : "\"");
            put_name(out, a->strings[i]);
            buf_char(out, '"');
        }
        buf_char(out, ']');
        break;
    case ATTR_TENSOR:
        put_name(out, g->value[a->value].name);
        break;
    case ATTR_OTHER:
        buf_str(out, "...");
        break;
    }
}

static void put_line(struct buf *out, const char *word, const struct value *v)
{
    buf_printf(out, "%s ", word);
    put_name(out, v->name);
    put_type(out, v);
    buf_char(out, '\n');
}

bool graph_print(const struct graph *g, struct buf *out)
{
    buf_str(out, "graph ");
    put_name(out, g->name ? g->name : "");
    buf_printf(out, " opset %" PRId64 "\n", g->opset);
    for (uint32_t i = 0; i < g->n_input; i++) {
        put_line(out, "input", &g->value[g->input[i]]);
    }
    for (uint32_t i = 0; i < g->n_value; i++) {
        if (g->value[i].is_const) {
            put_line(out, "const", &g->value[i]);
        }
    }
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct node *const n = &g->node[i];
        if (n->is_dead) {
            continue;
        }
        buf_printf(out, "%s ", op_name(n->op));
        put_name(out, n->name);
        for (uint32_t k = 0; k < n->n_in; k++) {
            buf_char(out, ' ');
            put_name(out,
                     n->in[k] == VALUE_NONE ? "-" : g->value[n->in[k]].name);
        }
        for (uint32_t k = 0; k < n->n_attr; k++) {
            put_attr(out, g, &n->attr[k]);
        }
        buf_str(out, " ->");
        for (uint32_t k = 0; k < n->n_out; k++) {
            buf_char(out, ' ');
            if (n->out[k] == VALUE_NONE) {
                buf_char(out, '-');
                continue;
            }
            put_name(out, g->value[n->out[k]].name);
            put_type(out, &g->value[n->out[k]]);
        }
        buf_char(out, '\n');
    }
    for (uint32_t i = 0; i < g->n_output; i++) {
        put_line(out, "output", &g->value[g->output[i]]);
    }
    return buf_ok(out);
}
