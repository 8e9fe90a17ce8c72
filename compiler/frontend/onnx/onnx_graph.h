/* onnx_graph.h - a graph as it is being read: what onnx_import.c and
 * onnx_flow.c, which reads the graphs inside nodes, share. */
#ifndef FLEXC_FRONTEND_ONNX_GRAPH_H
#define FLEXC_FRONTEND_ONNX_GRAPH_H

#include "base/diag.h"
#include "frontend/onnx/onnx_tensor.h"
#include "ir/graph.h"

/* A value by its interned name: open addressing over pointers. */
struct name_map {
    const char **name;
    uint32_t *value;
    uint64_t mask; /* slots - 1 */
};

/* What a name of an inner graph stood for before. */
struct renamed {
    uint64_t slot;
    uint32_t value;
};

struct import {
    struct cx *cx;
    struct graph *g;
    struct onnx_source src;
    struct name_map map;
    uint32_t depth;  /* of the graph that is being read; 0: the model's */
    uint32_t branch; /* of its nodes, as in struct node */
    struct renamed *renamed;
    uint32_t n_renamed;
    uint32_t cap_renamed;
};

/* The value of that name, or VALUE_NONE. */
uint32_t import_find(const struct import *im, const char *name);
/* A new value under exactly this name; VALUE_NONE after E_NAME at `at` when
 * there is one, or none is given. */
uint32_t import_add(struct import *im, const char *name, const char *what,
                    struct diag_at at);
/* A new value of an inner graph. Its name counts until that ends, whatever it
 * stood for around it; in the graph it has another where that is taken, as by
 * the other side of an If. VALUE_NONE: reported. */
uint32_t import_shadow(struct import *im, const char *name);
NODISCARD bool import_initializers(struct import *im,
                                   const Onnx__GraphProto *from);
NODISCARD bool import_nodes(struct import *im, const Onnx__GraphProto *from);
/* The number of names once omitted ones at the end are dropped. */
uint32_t import_trim(char *const *name, size_t n);

/* onnx_flow.c */

/* An If: a node for each result, which link_if links to both sides. */
NODISCARD bool import_read_if(struct import *im, const Onnx__NodeProto *from,
                              const char *name, uint32_t n_out);
NODISCARD bool import_link_if(struct import *im, const Onnx__NodeProto *from,
                              uint32_t first);
/* Reads the body of a Loop or Scan whose own inputs are linked, and adds the
 * values around it that it reads to its inputs. */
NODISCARD bool import_body(struct import *im, const Onnx__NodeProto *from,
                           uint32_t node);

#endif
