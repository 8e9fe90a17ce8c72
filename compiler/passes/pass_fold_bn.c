/* Everything after a Conv, ConvTranspose or Gemm that is a * x + b per channel
 * with constant a and b (BatchNormalization; Mul, Div, Add, Sub with constants)
 * becomes part of its weights and bias. A chain is folded at once, in double,
 * so that weights are written anew at most once. */
#include <math.h>

#include "base/arena.h"
#include "passes/elem.h"
#include "passes/fuse.h"
#include "passes/passes.h"

/* a[i] * x + b[i] of the chain so far. */
struct affine {
    int64_t n; /* channels */
    double *a;
    double *b;
    bool is_scaled; /* some a was changed */
};

static double at(const struct value *v, int64_t i)
{
    return elem_f64(v->dtype, v->data.data, (uint64_t)i);
}

static bool fold_norm(const struct graph *g, const struct node *n,
                      struct affine *f)
{
    const struct value *p[5];
    for (uint32_t k = 1; k < 5; k++) {
        p[k] = &g->value[n->in[k]];
        if (!p[k]->is_const || p[k]->dtype != DTYPE_F32) {
            return false;
        }
    }
    const double epsilon = (double)node_float(n, "epsilon", 1e-5F);
    for (int64_t i = 0; i < f->n; i++) {
        const double a = at(p[1], i) / sqrt(at(p[4], i) + epsilon);
        f->a[i] *= a;
        f->b[i] = (f->b[i] - at(p[3], i)) * a + at(p[2], i);
    }
    f->is_scaled = true;
    return true;
}

static bool fold_binary(const struct graph *g, const struct node *n, uint32_t x,
                        uint32_t axis, struct affine *f)
{
    const bool is_left = n->in[0] == x;
    const struct value *const c = &g->value[n->in[is_left ? 1 : 0]];
    const uint32_t rank = g->value[x].shape.rank;
    int64_t step;
    if (!const_is_channelwise(c, rank, axis, f->n, &step) ||
        (n->op == OP_DIV && !is_left)) {
        return false;
    }
    for (int64_t i = 0; i < f->n; i++) {
        const double k = at(c, i * step);
        if (n->op == OP_ADD) {
            f->b[i] += k;
        } else if (n->op == OP_SUB) {
            f->a[i] *= is_left ? 1.0 : -1.0;
            f->b[i] = is_left ? f->b[i] - k : k - f->b[i];
        } else {
            const double a = n->op == OP_MUL ? k : 1.0 / k;
            f->a[i] *= a;
            f->b[i] *= a;
        }
    }
    f->is_scaled =
        f->is_scaled || !(n->op == OP_ADD || (n->op == OP_SUB && is_left));
    return true;
}

/* Takes node n, which reads x, into f; false when it is something else. */
static bool fold_one(const struct graph *g, const struct node *n, uint32_t x,
                     uint32_t axis, struct affine *f)
{
    if (!shape_equal(&g->value[n->out[0]].shape, &g->value[x].shape)) {
        return false;
    }
    if (n->op == OP_BATCH_NORM) {
        return fold_norm(g, n, f);
    }
    return (n->op == OP_ADD || n->op == OP_SUB || n->op == OP_MUL ||
            n->op == OP_DIV) &&
           fold_binary(g, n, x, axis, f);
}

/* n channels' worth of new f32 constant. */
static uint8_t *new_const(struct graph *g, struct cx *cx, const char *name,
                          const struct shape *s, uint64_t n, uint32_t *ix)
{
    uint8_t *const data = arena_alloc_array(cx->keep, n, 4, 4);
    *ix = VALUE_NONE;
    if (data) {
        *ix = graph_add_const(g, cx, name, DTYPE_F32, s,
                              (struct span){data, n * 4});
    }
    return *ix == VALUE_NONE ? NULL : data;
}

/* Where the output channel is in the weights: element i is of channel
 * i / block % inner, plus inner for each i / group_size. */
struct channel_of {
    uint64_t block;
    uint64_t inner;
    uint64_t group_size;
};

static struct channel_of channels_of(const struct node *n,
                                     const struct value *w, uint64_t count)
{
    const struct shape *const s = &w->shape;
    if (n->op == OP_GEMM) {
        const bool is_transposed = node_int(n, "transB", 0) != 0;
        return (struct channel_of){is_transposed ? (uint64_t)s->dim[1] : 1,
                                   (uint64_t)s->dim[is_transposed ? 0 : 1],
                                   count};
    }
    const uint64_t outer = (uint64_t)s->dim[0];
    if (n->op == OP_CONV) {
        return (struct channel_of){count / outer, outer, count};
    }
    const uint64_t inner = (uint64_t)s->dim[1];
    const uint64_t group = (uint64_t)node_int(n, "group", 1);
    return (struct channel_of){count / outer / inner, inner, count / group};
}

static bool scale_weights(struct graph *g, struct cx *cx, struct node *n,
                          const struct affine *f)
{
    const struct value old = g->value[n->in[1]];
    const uint64_t count = old.data.len / 4;
    uint32_t ix;
    uint8_t *const data = new_const(g, cx, old.name, &old.shape, count, &ix);
    if (!data) {
        return false;
    }
    const struct channel_of c = channels_of(n, &old, count);
    uint64_t i = 0;
    while (i < count) { /* a block at a time: all of one channel */
        const uint64_t channel =
            i / c.block % c.inner + i / c.group_size * c.inner;
        const double a = f->a[channel];
        for (const uint64_t end = i + c.block; i < end; i++) {
            elem_put_f64(DTYPE_F32, data, i,
                         a * elem_f64(DTYPE_F32, old.data.data, i));
        }
    }
    n->in[1] = ix;
    return true;
}

static bool set_bias(struct graph *g, struct cx *cx, struct node *n,
                     const struct affine *f)
{
    const bool has_bias = n->n_in > 2 && n->in[2] != VALUE_NONE;
    const struct value old = has_bias ? g->value[n->in[2]] : (struct value){0};
    const struct shape s = {1, {f->n}};
    uint32_t ix;
    uint32_t *const in = arena_new(cx->keep, uint32_t, 3);
    uint8_t *const data = new_const(g, cx, has_bias ? old.name : n->name, &s,
                                    (uint64_t)f->n, &ix);
    if (!in || !data) {
        return false;
    }
    const int64_t step = old.data.len > 4 ? 1 : 0;
    for (int64_t i = 0; i < f->n; i++) {
        const double b = has_bias ? at(&old, i * step) : 0.0;
        elem_put_f64(DTYPE_F32, data, (uint64_t)i, f->a[i] * b + f->b[i]);
    }
    in[0] = n->in[0];
    in[1] = n->in[1];
    in[2] = ix;
    n->in = in;
    n->n_in = 3;
    return true;
}

/* Weights and bias are constants that can be folded into. */
static bool can_fold(const struct graph *g, const struct node *n)
{
    if (n->is_dead ||
        (n->op != OP_CONV && n->op != OP_CONV_TRANSPOSE && n->op != OP_GEMM)) {
        return false;
    }
    const struct value *const w = &g->value[n->in[1]];
    const struct shape *const s = &g->value[n->out[0]].shape;
    int64_t step;
    if (!w->is_const || w->dtype != DTYPE_F32) {
        return false;
    }
    if (n->n_in < 3 || n->in[2] == VALUE_NONE) {
        return true;
    }
    const struct value *const b = &g->value[n->in[2]];
    if (n->op != OP_GEMM) {
        return b->is_const && b->dtype == DTYPE_F32;
    }
    return const_is_channelwise(b, 2, 1, s->dim[1], &step) &&
           node_float(n, "beta", 1.0F) == 1.0F;
}

static bool fold_chain(struct graph *g, struct cx *cx,
                       const struct graph_uses *u, struct node *n)
{
    struct affine f = {.n = g->value[n->out[0]].shape.dim[1]};
    f.a = arena_new(cx->scratch, double, (uint64_t)f.n);
    f.b = arena_new(cx->scratch, double, (uint64_t)f.n);
    if (!f.a || !f.b) {
        return false;
    }
    for (int64_t i = 0; i < f.n; i++) {
        f.a[i] = 1.0;
    }
    uint32_t out = n->out[0];
    for (;;) {
        const uint32_t user = fuse_sole_user(u, out);
        if (user == NODE_NONE || !fold_one(g, &g->node[user], out, 1, &f)) {
            break;
        }
        g->node[user].is_dead = true;
        out = g->node[user].out[0];
    }
    if (out == n->out[0]) {
        return true;
    }
    n->out[0] = out;
    return (!f.is_scaled || scale_weights(g, cx, n, &f)) &&
           set_bias(g, cx, n, &f);
}

bool pass_fold_bn(struct graph *g, struct cx *cx)
{
    struct graph_uses uses;
    if (!graph_uses_make(g, cx, &uses)) {
        return false;
    }
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct arena_mark mark = arena_mark(cx->scratch);
        if (can_fold(g, &g->node[i]) &&
            !fold_chain(g, cx, &uses, &g->node[i])) {
            return false;
        }
        arena_rewind(cx->scratch, mark);
    }
    return true;
}
