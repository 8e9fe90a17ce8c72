#include "passes/expand.h"

#include <string.h>

#include "base/arena.h"
#include "passes/elem.h"
#include "passes/fuse.h"
#include "passes/shape.h"

const struct node *ex_self(const struct expand *e)
{
    return &e->g->node[e->node];
}

uint32_t ex_in(const struct expand *e, uint32_t i)
{
    return i < ex_self(e)->n_in ? ex_self(e)->in[i] : VALUE_NONE;
}

uint32_t ex_out(const struct expand *e, uint32_t i)
{
    return i < ex_self(e)->n_out ? ex_self(e)->out[i] : VALUE_NONE;
}

enum dtype ex_type(const struct expand *e, uint32_t v)
{
    return e->is_ok ? e->g->value[v].dtype : DTYPE_NONE;
}

struct shape ex_shape(const struct expand *e, uint32_t v)
{
    return e->is_ok ? e->g->value[v].shape : (struct shape){0};
}

/* ---- nodes ----------------------------------------------------------------
 */

static void put_attr(struct expand *e, struct node *n, const struct attr *a)
{
    const char *const kept = strtab_intern_str(&e->g->names, a->name);
    struct attr own = *a;
    if (a->kind == ATTR_INTS) {
        int64_t *const ints = arena_new(e->cx->keep, int64_t, a->n);
        if (ints && a->n > 0) {
            memcpy(ints, a->ints, a->n * sizeof ints[0]);
        }
        own.ints = ints;
        e->is_ok = e->is_ok && ints;
    }
    e->is_ok = e->is_ok && kept && fuse_set_attr(e->cx, n, kept, &own);
}

uint32_t ex_node(struct expand *e, uint32_t to, enum op_id op,
                 const uint32_t *in, uint32_t n_in, const struct attr *attr,
                 uint32_t n_attr)
{
    while (n_in > 0 && in[n_in - 1] == VALUE_NONE) {
        n_in--;
    }
    if (!e->is_ok) {
        return VALUE_NONE;
    }
    const char *const name = ex_self(e)->name;
    const uint32_t ix = graph_add_node(e->g, e->cx, op, name, n_in, 1);
    const uint32_t out =
        to != VALUE_NONE ? to : graph_add_value(e->g, e->cx, name);
    e->is_ok = ix != UINT32_MAX && out != UINT32_MAX;
    if (!e->is_ok) {
        return VALUE_NONE;
    }
    struct node *const made = &e->g->node[ix];
    memcpy(made->in, in, n_in * sizeof in[0]);
    made->out[0] = out;
    for (uint32_t i = 0; i < n_attr; i++) {
        put_attr(e, made, &attr[i]);
    }
    e->is_ok = e->is_ok && shape_infer(e->g, e->cx, made);
    return e->is_ok ? out : VALUE_NONE;
}

uint32_t ex_op1(struct expand *e, enum op_id op, uint32_t a)
{
    return ex_node(e, VALUE_NONE, op, &a, 1, NULL, 0);
}

uint32_t ex_op2(struct expand *e, enum op_id op, uint32_t a, uint32_t b)
{
    const uint32_t in[2] = {a, b};
    return ex_node(e, VALUE_NONE, op, in, 2, NULL, 0);
}

uint32_t ex_op3(struct expand *e, enum op_id op, uint32_t a, uint32_t b,
                uint32_t c)
{
    const uint32_t in[3] = {a, b, c};
    return ex_node(e, VALUE_NONE, op, in, 3, NULL, 0);
}

/* With a list of integers as its attribute. */
static uint32_t with_ints(struct expand *e, enum op_id op, uint32_t a,
                          const char *name, const int64_t *ints, uint32_t n)
{
    const struct attr attr = {
        .name = name, .kind = ATTR_INTS, .ints = ints, .n = n};
    return ex_node(e, VALUE_NONE, op, &a, 1, &attr, 1);
}

uint32_t ex_over(struct expand *e, enum op_id op, uint32_t a,
                 const int64_t *axes, uint32_t n)
{
    return n == 0 ? a : with_ints(e, op, a, "axes", axes, n);
}

uint32_t ex_axis(struct expand *e, enum op_id op, uint32_t a, uint32_t b,
                 int64_t axis)
{
    const struct attr attr = {.name = "axis", .kind = ATTR_INT, .i = axis};
    const uint32_t in[2] = {a, b};
    return ex_node(e, VALUE_NONE, op, in, 2, &attr, 1);
}

uint32_t ex_cast(struct expand *e, uint32_t a, enum dtype t)
{
    const struct attr attr = {.name = "to", .kind = ATTR_INT, .i = (int64_t)t};
    return ex_type(e, a) == t
               ? a
               : ex_node(e, VALUE_NONE, OP_CAST, &a, 1, &attr, 1);
}

uint32_t ex_reshape(struct expand *e, uint32_t a, const int64_t *dim,
                    uint32_t rank)
{
    const struct attr zero = {.name = "allowzero", .kind = ATTR_INT, .i = 1};
    const uint32_t in[2] = {a, ex_ints(e, dim, 1, rank)};
    bool has_zero = false;
    for (uint32_t k = 0; k < rank; k++) {
        has_zero = has_zero || dim[k] == 0;
    }
    return ex_node(e, VALUE_NONE, OP_RESHAPE, in, 2, &zero, has_zero ? 1 : 0);
}

uint32_t ex_expand(struct expand *e, uint32_t a, const struct shape *s)
{
    return ex_op2(e, OP_EXPAND, a, ex_ints(e, s->dim, 1, s->rank));
}

uint32_t ex_permute(struct expand *e, uint32_t a, const uint32_t *perm,
                    uint32_t rank)
{
    int64_t to[TENSOR_MAX_RANK];
    for (uint32_t k = 0; k < rank; k++) {
        to[k] = (int64_t)perm[k];
    }
    return with_ints(e, OP_TRANSPOSE, a, "perm", to, rank);
}

uint32_t ex_slice(struct expand *e, uint32_t a, uint32_t axis, int64_t from,
                  int64_t to)
{
    const int64_t at = (int64_t)axis;
    const uint32_t in[4] = {a, ex_ints(e, &from, 1, 1), ex_ints(e, &to, 1, 1),
                            ex_ints(e, &at, 1, 1)};
    return ex_node(e, VALUE_NONE, OP_SLICE, in, 4, NULL, 0);
}

uint32_t ex_concat(struct expand *e, const uint32_t *in, uint32_t n,
                   uint32_t axis)
{
    const struct attr attr = {
        .name = "axis", .kind = ATTR_INT, .i = (int64_t)axis};
    return ex_node(e, VALUE_NONE, OP_CONCAT, in, n, &attr, 1);
}

/* ---- constants ------------------------------------------------------------
 */

uint32_t ex_numbers(struct expand *e, enum dtype t, const struct shape *s,
                    const double *data)
{
    uint64_t n = 0;
    const bool is_sized = shape_count(s, &n);
    uint8_t *const bytes =
        is_sized ? arena_alloc_array(e->cx->keep, n, dtype_bytes(t), 8) : NULL;
    if (!e->is_ok || !bytes) {
        e->is_ok = false;
        return VALUE_NONE;
    }
    for (uint64_t i = 0; i < n; i++) {
        elem_put_f64(t, bytes, i, data[i]);
    }
    const uint32_t v =
        graph_add_const(e->g, e->cx, ex_self(e)->name, t, s,
                        (struct span){bytes, n * dtype_bytes(t)});
    e->is_ok = v != UINT32_MAX;
    return v;
}

uint32_t ex_number(struct expand *e, enum dtype t, double x)
{
    const struct shape scalar = {0};
    return ex_numbers(e, t, &scalar, &x);
}

uint32_t ex_ints(struct expand *e, const int64_t *data, uint32_t rank,
                 uint32_t n)
{
    const uint32_t v =
        e->is_ok ? graph_add_i64s(e->g, e->cx, ex_self(e)->name, data, rank, n)
                 : VALUE_NONE;
    e->is_ok = e->is_ok && v != UINT32_MAX;
    return v;
}

double *ex_table(struct expand *e, uint64_t n)
{
    const uint64_t most = UINT64_C(1) << 26;
    if (e->is_ok && n > most) {
        e->is_ok = node_error(e->cx, ex_self(e), E_TOO_BIG,
                              "it needs a table of %llu numbers; %llu are the "
                              "most",
                              (unsigned long long)n, (unsigned long long)most);
    }
    double *const data = e->is_ok ? arena_new(e->cx->scratch, double, n) : NULL;
    e->is_ok = e->is_ok && data;
    return data;
}

uint32_t ex_count(struct expand *e, enum dtype t, int64_t n, uint32_t axis,
                  uint32_t rank)
{
    struct shape s = {.rank = rank};
    double *const data = ex_table(e, (uint64_t)n);
    if (!data) {
        return VALUE_NONE;
    }
    for (uint32_t k = 0; k < rank; k++) {
        s.dim[k] = k == axis ? n : 1;
    }
    for (int64_t i = 0; i < n; i++) {
        data[i] = (double)i;
    }
    return ex_numbers(e, t, &s, data);
}

/* ---- the end --------------------------------------------------------------
 */

uint32_t ex_widened(struct expand *e, uint32_t v)
{
    const bool is_half =
        e->is_ok && v != VALUE_NONE &&
        (ex_type(e, v) == DTYPE_F16 || ex_type(e, v) == DTYPE_BF16);
    return is_half ? ex_cast(e, v, DTYPE_F32) : v;
}

void ex_give(struct expand *e, uint32_t i, uint32_t from)
{
    const uint32_t to = ex_out(e, i);
    if (!e->is_ok || to == VALUE_NONE) {
        return;
    }
    const struct shape s = ex_shape(e, to);
    const struct shape given = ex_shape(e, from);
    if (!shape_equal(&given, &s)) {
        e->is_ok = node_error(e->cx, ex_self(e), E_SHAPE,
                              "its inputs do not fit a result of %s",
                              shape_text(&s).text);
        return;
    }
    const enum dtype t = ex_type(e, to);
    const struct attr attr = {.name = "to", .kind = ATTR_INT, .i = (int64_t)t};
    const bool is_same = t == ex_type(e, from);
    (void)ex_node(e, to, is_same ? OP_IDENTITY : OP_CAST, &from, 1, &attr,
                  is_same ? 0 : 1);
}

bool ex_done(struct expand *e)
{
    e->g->node[e->node].is_dead = e->is_ok;
    return e->is_ok;
}

uint32_t ex_axes_from(uint32_t from, uint32_t rank,
                      int64_t axes[TENSOR_MAX_RANK])
{
    for (uint32_t k = from; k < rank; k++) {
        axes[k - from] = (int64_t)k;
    }
    return rank - from;
}
