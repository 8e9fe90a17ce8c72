/* ref_node.h - between ref_graph.c, which walks a model, and the files that
 * evaluate one node: ref_node.c (arguments, elementwise), ref_node_math.c,
 * ref_node_move.c. */
#ifndef FLEXC_TESTS_REF_NODE_H
#define FLEXC_TESTS_REF_NODE_H

#include "ref_graph.h"

#include "onnx.pb-c.h"

enum { REF_MAX_LIST = 2 * REF_MAX_RANK };

/* One evaluation. in[i] is NULL where an optional input is absent. */
struct ref_call {
    const Onnx__NodeProto *node;
    const char *folder; /* of the model, for external data */
    int64_t opset;
    int n_in;
    int n_out;
    const struct ref_tensor **in;
    struct ref_tensor **out; /* filled by the operator */
    struct ref_error *err;
    void **temp;      /* n_in: inputs widened by ref_in_floats */
    unsigned rounded; /* bit i: out[i] still holds doubles of an integer type */
};

/* False and *err, out[] possibly filled in part, if it cannot be evaluated. */
bool ref_node_run(struct ref_call *c);

typedef bool ref_node_fn(struct ref_call *c, int kind);

/* Operators of ref_node_math.c; what kind means, where it is not ignored. */
ref_node_fn ref_run_conv;        /* 1: transpose */
ref_node_fn ref_run_pool;        /* 1: average */
ref_node_fn ref_run_global_pool; /* 1: average */
ref_node_fn ref_run_gemm;
ref_node_fn ref_run_matmul;
ref_node_fn ref_run_softmax;   /* 1: log */
ref_node_fn ref_run_batchnorm; /* 1: instance */
ref_node_fn ref_run_layernorm; /* 1: by root mean square */
ref_node_fn ref_run_lrn;
ref_node_fn ref_run_reduce; /* enum ref_reduce_op */
ref_node_fn ref_run_argmax; /* 1: min */
ref_node_fn ref_run_cumsum;
ref_node_fn ref_run_quantize;
ref_node_fn ref_run_dequantize;
ref_node_fn ref_run_resize; /* 1: Upsample */

/* Operators that move, reshape or create; kind says which. */
enum ref_move_kind {
    REF_DEPTH_TO_SPACE,
    REF_SPACE_TO_DEPTH,
    REF_MOVE_FLATTEN,
    REF_MOVE_SQUEEZE,
    REF_MOVE_UNSQUEEZE,
    REF_MOVE_IDENTITY
};
ref_node_fn ref_run_transpose;
ref_node_fn ref_run_concat;
ref_node_fn ref_run_split;
ref_node_fn ref_run_slice;
ref_node_fn ref_run_gather;
ref_node_fn ref_run_reshape;
ref_node_fn ref_run_view; /* a ref_move_kind: same elements, another shape */
ref_node_fn ref_run_shape;
ref_node_fn ref_run_size;
ref_node_fn ref_run_constant;
ref_node_fn ref_run_fill;
ref_node_fn ref_run_expand;
ref_node_fn ref_run_tile;
ref_node_fn ref_run_where;
ref_node_fn ref_run_pad;
ref_node_fn ref_run_range;
ref_node_fn ref_run_blocks;
ref_node_fn ref_run_trilu;

/* ---- arguments ---- */

/* NULL if absent. */
const Onnx__AttributeProto *ref_attr(const struct ref_call *c,
                                     const char *name);
int64_t ref_attr_int(const struct ref_call *c, const char *name,
                     int64_t otherwise);
double ref_attr_float(const struct ref_call *c, const char *name,
                      double otherwise);
/* *index of the attribute's string in names[n]; 0 if absent. False and *err if
 * it is another one. */
bool ref_attr_choice(const struct ref_call *c, const char *name,
                     const char *const *names, int n, int *index);

struct ref_list {
    int n;
    int64_t v[REF_MAX_LIST];
};
/* A list of integers that older opsets give as attribute `name`, newer ones as
 * input input_ix (-1: never). *is_there tells absent from empty. False and *err
 * if it is too long or not of integers. */
bool ref_arg_list(const struct ref_call *c, const char *name, int input_ix,
                  struct ref_list *list, bool *is_there);

/* A number from the attribute or the first element of the input. */
double ref_arg_number(struct ref_call *c, const char *name, int input_ix,
                      double otherwise);

/* Negative counts from the end; legal are [-n, n). *ix is 0 on error. */
bool ref_axis(const struct ref_call *c, int64_t axis, int n, int *ix);

const struct ref_tensor *ref_in(const struct ref_call *c, int ix);
/* As doubles, integers (exact below 2^53) widened; NULL if absent. */
const double *ref_in_floats(struct ref_call *c, int ix);
/* NULL if absent or not integers. */
const int64_t *ref_in_ints(const struct ref_call *c, int ix);

/* The data of a new output ix. ref_out_floats: written as doubles whatever the
 * type, and rounded toward zero to it afterwards. */
void *ref_out(struct ref_call *c, int ix, enum ref_type type,
              const struct ref_shape *shape);
double *ref_out_floats(struct ref_call *c, int ix, enum ref_type type,
                       const struct ref_shape *shape);
bool ref_wants(const struct ref_call *c, int ix);

/* Both always false; the text is located by the node. */
bool ref_bad(const struct ref_call *c, const char *what);
bool ref_unsupported(const struct ref_call *c, const char *what);

/* ---- tensors ---- */

/* Always false. */
bool ref_fail(struct ref_error *err, bool is_unsupported, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Wraps to the width of an integer type; bool becomes 0 or 1. */
int64_t ref_wrap(enum ref_type type, int64_t v);

struct ref_tensor *ref_tensor_copy(const struct ref_tensor *t);

/* NULL and *err if the data does not fill the shape. */
struct ref_tensor *ref_tensor_from_proto(const Onnx__TensorProto *p,
                                         const char *folder,
                                         struct ref_error *err);

/* Whole file, zero-terminated; NULL if it cannot be read. */
char *ref_read_file(const char *path, size_t *len);

#endif
