/* graph.h - the ONNX-level dataflow graph: what to compute.
 *
 * Values and nodes live in arrays and name each other by index. A graph is
 * owned by the arena it was built in; constant data may point into the mapped
 * model file, which outlives the graph. */
#ifndef FLEXC_IR_GRAPH_H
#define FLEXC_IR_GRAPH_H

#include "base/cx.h"
#include "base/fileio.h"
#include "base/span.h"
#include "base/strtab.h"
#include "ir/tensor.h"

#define VALUE_NONE UINT32_MAX /* an omitted optional input or output */
#define NODE_NONE UINT32_MAX

/* One row per ONNX operator: op.def. */
enum op_id {
#define OP(ID, ...) OP_##ID,
#include "ir/op.def"
#undef OP
    OP_COUNT
};
const char *op_name(enum op_id op);
/* Finds an operator of the default domain ("" or "ai.onnx") by its ONNX name;
 * OP_COUNT when there is none. */
enum op_id op_find(const char *name);
struct op_info {
    const char *name;
    uint8_t min_in;
    uint8_t max_in;    /* 255: any number */
    uint8_t max_out;   /* 255: any number */
    const char *attrs; /* as op.def says */
};
const struct op_info *op_get(enum op_id op);

enum attr_kind {
    ATTR_INT,
    ATTR_FLOAT,
    ATTR_STRING,
    ATTR_INTS,
    ATTR_FLOATS,
    ATTR_STRINGS,
    ATTR_TENSOR,
    ATTR_OTHER, /* graphs, types: present, but not readable */
};

struct attr {
    const char *name; /* interned */
    enum attr_kind kind;
    int64_t i;
    float f;
    const char *s; /* NUL-terminated copy; ATTR_STRING */
    const int64_t *ints;
    const float *floats;
    const char *const *strings;
    uint32_t n;     /* elements of ints, floats or strings */
    uint32_t value; /* ATTR_TENSOR: a constant value of the graph */
};

/* A tensor by name. `shape_known` is false until shape inference has run (a
 * dynamic input keeps DIM_UNKNOWN dimensions). A constant has data: row-major,
 * little-endian, exactly count * dtype_bytes long, maybe unaligned. */
struct value {
    const char *name; /* interned, unique in the graph */
    enum dtype dtype; /* DTYPE_NONE: not known yet */
    bool shape_known;
    bool is_const;
    struct shape shape;
    struct span data;
    const char *const *dim_name; /* names of symbolic dimensions or NULL */
    /* A result whose size depends on values has the most of dimension extent -
     * 1 in its shape; extent_of is the value that decides how many there are.
     */
    uint32_t extent; /* 0: as many as the shape says */
    uint32_t extent_of;
};

struct node {
    const char *name; /* the ONNX node's, or made from its first output */
    enum op_id op;
    uint32_t n_in;
    uint32_t n_out;
    uint32_t *in; /* value indices or VALUE_NONE */
    uint32_t *out;
    uint32_t n_attr;
    struct attr *attr;
    bool is_dead;    /* removed by a pass; skipped by everyone */
    uint32_t branch; /* it is in branch[branch - 1]; 0: in none */
    uint32_t body;   /* of a Loop or Scan, body[body - 1]; else 0 */
};

/* A side of an If. Its nodes are nodes of the graph like others; only
 * pass_shapes asks which side is taken, where the condition is known. */
struct branch {
    uint32_t condition; /* a value: one bool */
    bool wanted;        /* what it must be */
    uint32_t outer;     /* the branch that it is in, as in struct node */
};

/* What a Loop or Scan repeats: nodes that are none of the graph, of which
 * pass_shapes makes copies. What they read of values around it is among the
 * inputs of the Loop, after its own. */
struct body {
    struct node *node; /* topologically ordered after pass_order */
    uint32_t n_node;
    uint32_t *value; /* that it defines, ascending; also those of inner ones */
    uint32_t n_value;
    uint32_t *input;
    uint32_t n_input;
    uint32_t *output;
    uint32_t n_output;
    uint32_t first_branch; /* those in it, positions in struct graph */
    uint32_t n_branch;
    bool is_ordered;
};

/* An output that is an input of the next run; positions among both. */
struct graph_state {
    uint32_t output;
    uint32_t input;
};

struct graph {
    const char *name;      /* model file's stem */
    const char *file;      /* for diagnoses */
    int64_t opset;         /* of the default domain */
    bool is_ordered;       /* every node follows those it reads from */
    bool has_f16;          /* some initialiser is f16 */
    uint64_t stored_bytes; /* of initialisers, as they were in the files */
    struct value *value;
    uint32_t n_value;
    uint32_t cap_value;
    struct node *node; /* topologically ordered after pass_order */
    uint32_t n_node;
    uint32_t cap_node;
    struct branch *branch;
    uint32_t n_branch;
    uint32_t cap_branch;
    struct body *body;
    uint32_t n_body;
    uint32_t cap_body;
    uint32_t *input; /* values the caller supplies, in ONNX order */
    uint32_t n_input;
    uint32_t *output;
    uint32_t n_output;
    struct graph_state *state; /* at most one of each output and input */
    uint32_t n_state;
    uint32_t cap_state;
    struct strtab names; /* all names, for uniqueness; set up on first use */
    struct file_map *file_map; /* what constants point into */
    uint32_t n_file_map;
    uint32_t cap_file_map;
};

/* Unmaps the files that constants point into; the graph is of no use after. */
void graph_unmap(struct graph *g);

/* Attribute access with defaults; a missing attribute gives the default. An
 * attribute of another kind is caught by onnx_import's table. */
const struct attr *node_attr(const struct node *n, const char *name);
int64_t node_int(const struct node *n, const char *name, int64_t def);
float node_float(const struct node *n, const char *name, float def);
const char *node_string(const struct node *n, const char *name,
                        const char *def);
/* NULL and *n = 0 when missing. */
const int64_t *node_ints(const struct node *n, const char *name, uint32_t *cnt);

/* Appends a value or a node (zeroed but for its name and VALUE_NONE inputs)
 * and returns its index; UINT32_MAX when memory is out (reported). A unique
 * name is made from `hint`. Pointers into g->value or g->node may move. */
uint32_t graph_add_value(struct graph *g, struct cx *cx, const char *hint);
uint32_t graph_add_node(struct graph *g, struct cx *cx, enum op_id op,
                        const char *hint, uint32_t n_in, uint32_t n_out);
/* Adds a constant whose data the caller owns for the graph's life. */
uint32_t graph_add_const(struct graph *g, struct cx *cx, const char *hint,
                         enum dtype t, const struct shape *s, struct span data);

/* An int64 constant: a vector of n elements (rank 1) or a scalar (rank 0,
 * n 1); copies data. */
uint32_t graph_add_i64s(struct graph *g, struct cx *cx, const char *hint,
                        const int64_t *data, uint32_t rank, uint32_t n);

/* Use lists, made on demand in the scratch arena: producer[v] is the node
 * that writes value v or NODE_NONE; user lists are ranges of `user`. */
struct graph_uses {
    uint32_t *producer; /* n_value */
    uint32_t *first;    /* n_value + 1 offsets into user */
    uint32_t *user;     /* node indices, one per use, in node order */
    bool *is_output;    /* value is a graph output */
};
NODISCARD bool graph_uses_make(const struct graph *g, struct cx *cx,
                               struct graph_uses *u);

/* Every index in range, every name unique, every value written once, no node
 * reads a value written later (once ordered). Reports the first violation. */
NODISCARD bool graph_check(const struct graph *g, struct cx *cx);

/* Text form for --dump=graph: a line per input, constant, node and output. */
struct buf;
NODISCARD bool graph_print(const struct graph *g, struct buf *out);

#endif
