/* LayerNormalization and RMSNormalization, which exporters spell out:
 *   d = x - mean(x), or x itself
 *   d / sqrt(mean(d^2) + epsilon) * scale + bias
 * over one dimension, with constant scale and bias, or without. Where that is
 * not the last one it is made the last by a Transpose before, undone by one
 * after. */
#include "base/arena.h"
#include "passes/elem.h"
#include "passes/fuse.h"
#include "passes/params.h"
#include "passes/passes.h"
#include "passes/pattern.h"

struct norm {
    const struct pattern *p;
    uint32_t axis; /* looked for */
    bool is_rms;
    uint32_t x;
    uint32_t scale;
    uint32_t bias;
    double epsilon;
};

/* value is the mean of what is returned, over the dimension, which stays; else
 * VALUE_NONE. */
static uint32_t mean_of(const struct norm *f, uint32_t value)
{
    const struct pattern *const p = f->p;
    const struct node *const n = pattern_maker(p, value, OP_REDUCE_MEAN);
    bool is_axis[TENSOR_MAX_RANK];
    if (!n || node_int(n, "keepdims", 1) == 0 ||
        !axes_params(p->g, p->cx, n, is_axis)) {
        return VALUE_NONE;
    }
    const uint32_t rank = p->g->value[n->in[0]].shape.rank;
    for (uint32_t k = 0; k < rank; k++) {
        if (is_axis[k] != (k == f->axis)) {
            return VALUE_NONE;
        }
    }
    return n->in[0];
}

/* What value is squared of: x - mean(x), or with is_rms, x; x or VALUE_NONE. */
static uint32_t centred(const struct norm *f, uint32_t value)
{
    const struct node *const n = pattern_maker(f->p, value, OP_SUB);
    if (f->is_rms) {
        return value;
    }
    return n && mean_of(f, n->in[1]) == n->in[0] ? n->in[0] : VALUE_NONE;
}

/* value is the square of x, less its mean */
static bool is_square(const struct norm *f, uint32_t value, uint32_t x)
{
    const struct node *const pow = pattern_maker(f->p, value, OP_POW);
    const struct node *const mul = pattern_maker(f->p, value, OP_MUL);
    if (pow) {
        return pattern_is_scalar(f->p, pow->in[1], 2.0) &&
               centred(f, pow->in[0]) == x;
    }
    return mul && centred(f, mul->in[0]) == x && centred(f, mul->in[1]) == x;
}

/* value = mean of squares + epsilon */
static bool is_variance(struct norm *f, uint32_t value, uint32_t x)
{
    const struct node *const add = pattern_maker(f->p, value, OP_ADD);
    for (uint32_t k = 0; add && k < 2; k++) {
        const uint32_t square = mean_of(f, add->in[k]);
        if (square != VALUE_NONE &&
            pattern_scalar(f->p, add->in[1 - k], &f->epsilon) &&
            is_square(f, square, x)) {
            return true;
        }
    }
    return false;
}

/* value = sqrt(variance), or its `power`, +-0.5 */
static bool is_deviation(struct norm *f, uint32_t value, uint32_t x,
                         double power)
{
    const struct node *const root = pattern_maker(f->p, value, OP_SQRT);
    const struct node *const pow = pattern_maker(f->p, value, OP_POW);
    if (root && power > 0) {
        return is_variance(f, root->in[0], x);
    }
    return pow && pattern_is_scalar(f->p, pow->in[1], power) &&
           is_variance(f, pow->in[0], x);
}

/* value = 1 / sqrt(variance) */
static bool is_inverse(struct norm *f, uint32_t value, uint32_t x)
{
    const struct node *const recip = pattern_maker(f->p, value, OP_RECIPROCAL);
    const struct node *const div = pattern_maker(f->p, value, OP_DIV);
    if (recip) {
        return is_deviation(f, recip->in[0], x, 0.5);
    }
    if (div && pattern_is_scalar(f->p, div->in[0], 1.0)) {
        return is_deviation(f, div->in[1], x, 0.5);
    }
    return is_deviation(f, value, x, -0.5);
}

/* value is x normalised; x or VALUE_NONE. */
static uint32_t normalised(struct norm *f, uint32_t value)
{
    const struct node *const div = pattern_maker(f->p, value, OP_DIV);
    const struct node *const mul = pattern_maker(f->p, value, OP_MUL);
    if (div) {
        const uint32_t x = centred(f, div->in[0]);
        return x != VALUE_NONE && is_deviation(f, div->in[1], x, 0.5)
                   ? x
                   : VALUE_NONE;
    }
    for (uint32_t k = 0; mul && k < 2; k++) {
        const uint32_t x = centred(f, mul->in[k]);
        if (x != VALUE_NONE && is_inverse(f, mul->in[1 - k], x)) {
            return x;
        }
    }
    return VALUE_NONE;
}

/* A constant along the dimension of `like`, with an element for each. */
static bool is_channels(const struct norm *f, uint32_t value, uint32_t like)
{
    const struct graph *const g = f->p->g;
    const struct shape *const s = &g->value[like].shape;
    uint64_t n;
    int64_t step;
    return f->axis < s->rank &&
           const_is_channelwise(&g->value[value], s->rank, f->axis,
                                s->dim[f->axis], &step) &&
           shape_count(&g->value[value].shape, &n) &&
           n == (uint64_t)s->dim[f->axis];
}

/* n = normalised(x) * scale */
static bool is_scaled(struct norm *f, const struct node *n)
{
    for (uint32_t k = 0; n && n->op == OP_MUL && k < 2; k++) {
        if (is_channels(f, n->in[1 - k], n->out[0])) {
            f->x = normalised(f, n->in[k]);
            f->scale = n->in[1 - k];
            return f->x != VALUE_NONE;
        }
    }
    return false;
}

static bool is_norm(struct norm *f, const struct node *n)
{
    f->bias = VALUE_NONE;
    /* RMSNormalization has no bias. */
    for (uint32_t k = 0; !f->is_rms && n->op == OP_ADD && k < 2; k++) {
        if (is_channels(f, n->in[1 - k], n->out[0])) {
            f->bias = n->in[1 - k];
            return is_scaled(f, pattern_maker(f->p, n->in[k], OP_MUL));
        }
    }
    if (is_scaled(f, n)) {
        return true;
    }
    f->x = normalised(f, n->out[0]);
    f->scale = VALUE_NONE;
    return f->x != VALUE_NONE;
}

/* The same over any one dimension. */
static bool find(const struct pattern *p, const struct node *n, struct norm *f)
{
    const struct shape *const s = &p->g->value[n->out[0]].shape;
    for (uint32_t i = 0; i < 2 * s->rank; i++) {
        *f = (struct norm){
            .p = p, .axis = s->rank - 1 - i / 2, .is_rms = i % 2 != 0};
        if (is_norm(f, n) && shape_equal(&p->g->value[f->x].shape, s)) {
            return true;
        }
    }
    return false;
}

/* Ones, as many as x has channels. */
static uint32_t ones_for(const struct norm *f)
{
    const struct pattern *const p = f->p;
    const struct shape own = {1, {p->g->value[f->x].shape.dim[f->axis]}};
    const uint64_t n = (uint64_t)own.dim[0];
    uint8_t *const data = arena_alloc_array(p->cx->keep, n, sizeof(float), 4);
    for (uint64_t i = 0; data && i < n; i++) {
        elem_put_f64(DTYPE_F32, data, i, 1.0);
    }
    return data
               ? graph_add_const(p->g, p->cx, p->g->value[f->x].name, DTYPE_F32,
                                 &own, (struct span){data, n * sizeof(float)})
               : VALUE_NONE;
}

/* A Transpose of value `in` to `out`, or to a new value where that is
 * VALUE_NONE, by which dimension `axis` becomes the last one, or the last one
 * becomes it. What it gives, or VALUE_NONE where memory is out. */
static uint32_t turn(const struct norm *f, uint32_t in, uint32_t out,
                     bool is_back)
{
    struct graph *const g = f->p->g;
    struct cx *const cx = f->p->cx;
    const char *const name = g->value[in].name;
    const struct shape s = g->value[in].shape;
    const uint32_t last = s.rank - 1;
    int64_t *const perm = arena_new(cx->keep, int64_t, s.rank);
    const uint32_t ix = graph_add_node(g, cx, OP_TRANSPOSE, name, 1, 1);
    if (out == VALUE_NONE) {
        out = graph_add_value(g, cx, name);
    }
    if (!perm || ix == UINT32_MAX || out == UINT32_MAX) {
        return VALUE_NONE;
    }
    struct value *const to = &g->value[out];
    to->dtype = g->value[in].dtype;
    to->shape = s;
    to->shape_known = true;
    for (uint32_t k = 0; k < s.rank; k++) {
        const uint32_t moved = k < f->axis ? k : is_back ? k - 1 : k + 1;
        const uint32_t at = is_back ? f->axis : last;
        perm[k] = k == at ? (is_back ? last : f->axis) : moved;
        to->shape.dim[k] = s.dim[perm[k]];
    }
    const struct attr a = {.kind = ATTR_INTS, .ints = perm, .n = s.rank};
    g->node[ix].in[0] = in;
    g->node[ix].out[0] = out;
    return fuse_set_attr(cx, &g->node[ix], "perm", &a) ? out : VALUE_NONE;
}

static bool rewrite(struct norm *f, uint32_t node_ix)
{
    struct graph *const g = f->p->g;
    struct cx *const cx = f->p->cx;
    const struct attr epsilon = {.kind = ATTR_FLOAT, .f = (float)f->epsilon};
    const bool is_last = f->axis + 1 == g->value[f->x].shape.rank;
    uint32_t out = g->node[node_ix].out[0];
    uint32_t *const in = arena_new(cx->keep, uint32_t, 3);
    if (f->scale == VALUE_NONE) {
        f->scale = ones_for(f);
    }
    if (!in || f->scale == VALUE_NONE) {
        return false;
    }
    in[0] = f->x;
    in[1] = f->scale;
    in[2] = f->bias;
    if (!is_last) {
        in[0] = turn(f, f->x, VALUE_NONE, false);
        if (in[0] == VALUE_NONE) {
            return false;
        }
        const uint32_t made = graph_add_value(g, cx, g->value[out].name);
        if (made == UINT32_MAX) {
            return false;
        }
        g->value[made].dtype = g->value[in[0]].dtype;
        g->value[made].shape = g->value[in[0]].shape;
        g->value[made].shape_known = true;
        if (turn(f, made, out, true) == VALUE_NONE) {
            return false;
        }
        out = made;
    }
    struct node *const n = &g->node[node_ix];
    n->op = f->is_rms ? OP_RMS_NORM : OP_LAYER_NORM;
    n->in = in;
    n->n_in = f->is_rms ? 2 : 3;
    n->n_attr = 0;
    n->out[0] = out;
    return fuse_set_attr(cx, n, "epsilon", &epsilon);
}

bool pass_fuse_norm(struct graph *g, struct cx *cx)
{
    struct pattern p;
    if (!pattern_make(g, cx, &p)) {
        return false;
    }
    for (uint32_t i = g->n_node; i-- > 0;) {
        const struct node *const n = &g->node[i];
        struct norm f;
        if (!n->is_dead &&
            (n->op == OP_ADD || n->op == OP_MUL || n->op == OP_DIV) &&
            find(&p, n, &f) && !rewrite(&f, i)) {
            return false;
        }
    }
    return true;
}
