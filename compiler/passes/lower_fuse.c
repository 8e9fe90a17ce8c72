/* What a layer takes over from the nodes after it. Convolutions and products
 * are tried from the last to the first, so that of two that are added the
 * later one takes the sum: its other operand is then there. A layer is drafted
 * at the last node that it takes over. Then elementwise nodes, from the last
 * to the first, take in those before them. */
#include <math.h>
#include <string.h>

#include "passes/lower_draft.h"

static const struct value *value_at(const struct lower *lw, uint32_t value)
{
    return &lw->g->value[value];
}

static uint32_t n_uses(const struct lower *lw, uint32_t value)
{
    return lw->uses.is_output[value]
               ? UINT32_MAX
               : lw->uses.first[value + 1] - lw->uses.first[value];
}

/* The one node that uses value, if it can still be taken over. */
static uint32_t sole_user(const struct lower *lw, uint32_t value)
{
    const uint32_t user = fuse_sole_user(&lw->uses, value);
    return user != NODE_NONE && lw->emit[user] == user ? user : NODE_NONE;
}

bool fuse_const_view(const struct lower *lw, uint32_t value, struct view *v)
{
    const struct value *c = value_at(lw, value);
    const uint32_t from = lw->uses.producer[value];
    uint32_t perm[TENSOR_MAX_RANK];
    const bool is_turned = !c->is_const && from != NODE_NONE &&
                           lw->g->node[from].op == OP_TRANSPOSE;
    if (is_turned) {
        c = value_at(lw, lw->g->node[from].in[0]);
        if (!perm_params(lw->g, lw->cx, &lw->g->node[from], perm)) {
            return false;
        }
    }
    if (!c->is_const) {
        return false;
    }
    uint64_t dim[TENSOR_MAX_RANK];
    dims_of(&c->shape, dim);
    view_plain(v, BUF_WEIGHTS, c->dtype, c->shape.rank, dim);
    v->data = c->data;
    *v = is_turned ? view_permute(v, perm) : *v;
    return true;
}

bool fuse_has_const_right(const struct lower *lw, const struct node *n)
{
    struct view w;
    if (!fuse_const_view(lw, n->in[1], &w) || w.rank < 2 ||
        w.dtype != DTYPE_F32) {
        return false;
    }
    for (uint32_t k = 0; k + 2 < w.rank; k++) {
        if (w.dim[k] != 1) {
            return false;
        }
    }
    return true;
}

bool fuse_has_gemm_bias(const struct lower *lw, const struct node *n)
{
    int64_t step;
    if (n->n_in < 3 || n->in[2] == VALUE_NONE) {
        return true;
    }
    const struct shape *const s = &value_at(lw, n->out[0])->shape;
    return const_is_channelwise(value_at(lw, n->in[2]), 2, 1, s->dim[1], &step);
}

/* One node and what it has taken over so far. */
struct taker {
    uint32_t node;
    uint32_t axis; /* channels of its output */
    bool takes_bias;
    bool takes_residual;
    bool takes_slope;
    bool is_integer; /* takes Relu and Clip alone */
};

static bool taker_of(const struct lower *lw, uint32_t node_ix, struct taker *t)
{
    const struct node *const n = &lw->g->node[node_ix];
    const bool has_third = n->n_in > 2 && n->in[2] != VALUE_NONE;
    *t = (struct taker){.node = node_ix, .axis = 1};
    switch ((int)n->op) {
    case OP_CONV:
    case OP_CONV_TRANSPOSE:
        if (!lower_conv_is_fast(lw, n)) {
            return false;
        }
        break;
    case OP_GEMM:
        if (!fuse_has_const_right(lw, n) || !fuse_has_gemm_bias(lw, n)) {
            return false;
        }
        break;
    case OP_MATMUL:
        if (!fuse_has_const_right(lw, n)) {
            return false;
        }
        t->axis = value_at(lw, n->out[0])->shape.rank - 1;
        break;
    case OP_QLINEAR_CONV:
    case OP_QLINEAR_MATMUL:
    case OP_QGEMM:
        t->is_integer = true;
        return quant_is_fast(lw->g, n) &&
               value_at(lw, n->out[0])->dtype != DTYPE_F32;
    case OP_QLINEAR_AVERAGE_POOL:
    case OP_QLINEAR_GLOBAL_AVERAGE_POOL:
        t->is_integer = true;
        return true;
    case OP_AVERAGE_POOL:
    case OP_MAX_POOL:
        t->is_integer = value_at(lw, n->in[0])->dtype != DTYPE_F32;
        return lower_pool_is_fast(lw, n) &&
               (n->n_out < 2 || n->out[1] == VALUE_NONE);
    case OP_GLOBAL_AVERAGE_POOL:
    case OP_GLOBAL_MAX_POOL:
        return value_at(lw, n->in[0])->dtype == DTYPE_F32;
    default:
        return false;
    }
    t->takes_bias = !has_third;
    t->takes_residual = true;
    t->takes_slope = true;
    return true;
}

/* Node user belongs to t's layer from now on, which writes its output. */
static void take(struct lower *lw, const struct taker *t, uint32_t user)
{
    lw->emit[user] = NODE_NONE;
    lw->fused[t->node].out = lw->g->node[user].out[0];
}

static bool take_bias(struct lower *lw, const struct taker *t)
{
    struct fused *const f = &lw->fused[t->node];
    const uint32_t user = sole_user(lw, f->out);
    if (user == NODE_NONE || lw->g->node[user].op != OP_ADD) {
        return false;
    }
    const struct node *const n = &lw->g->node[user];
    const uint32_t other = n->in[0] == f->out ? n->in[1] : n->in[0];
    const struct shape *const s = &value_at(lw, f->out)->shape;
    int64_t step;
    if (!shape_equal(s, &value_at(lw, n->out[0])->shape) ||
        !const_is_channelwise(value_at(lw, other), s->rank, t->axis,
                              s->dim[t->axis], &step)) {
        return false;
    }
    f->bias = other;
    take(lw, t, user);
    return true;
}

static bool take_residual(struct lower *lw, const struct taker *t)
{
    struct fused *const f = &lw->fused[t->node];
    const uint32_t user = sole_user(lw, f->out);
    if (user == NODE_NONE) {
        return false;
    }
    const struct node *const n = &lw->g->node[user];
    if (n->n_in != 2 || (n->op != OP_ADD && n->op != OP_SUM)) {
        return false;
    }
    const uint32_t other = n->in[0] == f->out ? n->in[1] : n->in[0];
    const struct value *const r = value_at(lw, other);
    if (r->is_const || r->dtype != DTYPE_F32 ||
        !shape_equal(&r->shape, &value_at(lw, f->out)->shape)) {
        return false;
    }
    f->residual = other;
    f->epi.residual = f->epi.act == ACT_NONE ? RES_BEFORE_ACT : RES_AFTER_ACT;
    take(lw, t, user);
    return true;
}

/* x * sigmoid(x), with x = the output so far: both nodes are taken. */
static bool take_gate(struct lower *lw, const struct taker *t)
{
    struct fused *const f = &lw->fused[t->node];
    const uint32_t x = f->out;
    if (n_uses(lw, x) != 2) {
        return false;
    }
    const uint32_t *const user = &lw->uses.user[lw->uses.first[x]];
    const struct node *const gate = &lw->g->node[user[0]];
    const struct node *const product = &lw->g->node[user[1]];
    if (lw->emit[user[0]] != user[0] || lw->emit[user[1]] != user[1] ||
        gate->op != OP_SIGMOID || product->op != OP_MUL ||
        sole_user(lw, gate->out[0]) != user[1]) {
        return false;
    }
    f->epi.act = ACT_SILU;
    take(lw, t, user[0]);
    take(lw, t, user[1]);
    return true;
}

/* The limits as floats, so that no infinity gets into tables. */
static float finite(double x)
{
    return (float)fmin(fmax(x, -3.402823466e38), 3.402823466e38);
}

static bool set_act(struct lower *lw, const struct taker *t,
                    const struct node *n, bool *is_taken)
{
    struct fused *const f = &lw->fused[t->node];
    struct epilogue e = f->epi;
    const struct shape *const s = &value_at(lw, f->out)->shape;
    struct clip_params c;
    int64_t step;
    *is_taken = true;
    switch ((int)n->op) {
    case OP_RELU:
        e.act = ACT_RELU;
        break;
    case OP_CLIP:
        if (!clip_is_const(lw->g, n)) {
            *is_taken = false;
            break;
        }
        if (!clip_params(lw->g, lw->cx, n, &c)) {
            return false;
        }
        e.act = c.min == 0.0 && isinf(c.max) ? ACT_RELU : ACT_CLIP;
        e.a = e.act == ACT_CLIP ? finite(c.min) : 0.0F;
        e.b = e.act == ACT_CLIP ? finite(c.max) : 0.0F;
        break;
    case OP_LEAKY_RELU:
        e.act = ACT_LEAKY;
        e.a = node_float(n, "alpha", 0.01F);
        break;
    case OP_PRELU:
        *is_taken = t->takes_slope && n->in[0] == f->out &&
                    const_is_channelwise(value_at(lw, n->in[1]), s->rank,
                                         t->axis, s->dim[t->axis], &step);
        e.act = ACT_PRELU;
        f->slope = *is_taken ? n->in[1] : f->slope;
        break;
    case OP_SIGMOID:
        e.act = ACT_SIGMOID;
        break;
    case OP_TANH:
        e.act = ACT_TANH;
        break;
    case OP_GELU:
        e.act = strcmp(node_string(n, "approximate", "none"), "tanh") == 0
                    ? ACT_GELU_TANH
                    : ACT_GELU;
        break;
    case OP_HARD_SIGMOID:
        e.act = ACT_HARDSIGMOID;
        e.a = node_float(n, "alpha", 0.2F);
        e.b = node_float(n, "beta", 0.5F);
        break;
    case OP_HARD_SWISH:
        e.act = ACT_HARDSWISH;
        break;
    default:
        *is_taken = false;
        break;
    }
    f->epi = *is_taken ? e : f->epi;
    return true;
}

static bool take_act(struct lower *lw, const struct taker *t)
{
    const uint32_t user = sole_user(lw, lw->fused[t->node].out);
    if (user == NODE_NONE) {
        if (!t->is_integer) {
            (void)take_gate(lw, t);
        }
        return true;
    }
    const enum op_id op = lw->g->node[user].op;
    if (t->is_integer && op != OP_RELU && op != OP_CLIP) {
        return true;
    }
    bool is_taken;
    if (!set_act(lw, t, &lw->g->node[user], &is_taken)) {
        return false;
    }
    if (is_taken) {
        take(lw, t, user);
    }
    return true;
}

static bool take_all(struct lower *lw, const struct taker *t)
{
    struct fused *const f = &lw->fused[t->node];
    if (t->takes_bias) {
        (void)take_bias(lw, t);
    }
    if (t->takes_residual) {
        (void)take_residual(lw, t);
    }
    if (!take_act(lw, t)) {
        return false;
    }
    if (t->takes_residual && f->epi.act != ACT_NONE &&
        f->residual == VALUE_NONE) {
        (void)take_residual(lw, t);
    }
    lw->emit[t->node] = NODE_NONE;
    lw->emit[lw->uses.producer[f->out]] = t->node;
    return true;
}

/* Elementwise node_ix's inputs, and theirs, become part of root's layer while
 * it has room: that ends the recursion. */
/* NOLINTNEXTLINE(misc-no-recursion) */
static void take_in(struct lower *lw, uint32_t root, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const struct value *const out = value_at(lw, lw->g->node[root].out[0]);
    if (!ewise_is_fast(lw, n)) {
        return;
    }
    if (ewise_reads_twice(n->op) &&
        (node_ix != root || n->op != OP_HARD_SWISH)) {
        return;
    }
    for (uint32_t k = 0; k < n->n_in; k++) {
        const uint32_t v = n->in[k];
        const uint32_t from =
            v == VALUE_NONE ? NODE_NONE : lw->uses.producer[v];
        if (from == NODE_NONE || n_uses(lw, v) != 1 || lw->emit[from] != from ||
            !ewise_is_op(lw->g->node[from].op) ||
            !shape_equal(&value_at(lw, v)->shape, &out->shape) ||
            !ewise_is_fast(lw, &lw->g->node[from])) {
            continue;
        }
        lw->emit[from] = NODE_NONE;
        lw->inlined[from] = true;
        if (lower_ewise_fits(lw, root)) {
            take_in(lw, root, from);
        } else {
            lw->emit[from] = from;
            lw->inlined[from] = false;
        }
    }
}

bool lower_fuse(struct lower *lw)
{
    for (uint32_t i = lw->g->n_node; i-- > 0;) {
        struct taker t;
        if (!lw->g->node[i].is_dead && taker_of(lw, i, &t) &&
            !take_all(lw, &t)) {
            return false;
        }
    }
    for (uint32_t i = lw->g->n_node; i-- > 0;) {
        if (lw->emit[i] == i && ewise_is_op(lw->g->node[i].op)) {
            take_in(lw, i, i);
        }
    }
    return true;
}
