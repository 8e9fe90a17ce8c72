/* LayerNormalization, which exporters before opset 17 spell out:
 *   d = x - mean(x)
 *   d / sqrt(mean(d^2) + epsilon) * scale + bias
 * over the last dimension, with constant scale and bias, or without. */
#include "base/arena.h"
#include "passes/elem.h"
#include "passes/fuse.h"
#include "passes/params.h"
#include "passes/passes.h"
#include "passes/pattern.h"

/* value is the mean of what is returned, over the last dimension, which stays;
 * else VALUE_NONE. */
static uint32_t mean_of(const struct pattern *p, uint32_t value)
{
    const struct node *const n = pattern_maker(p, value, OP_REDUCE_MEAN);
    bool is_axis[TENSOR_MAX_RANK];
    if (!n || node_int(n, "keepdims", 1) == 0 ||
        !axes_params(p->g, p->cx, n, is_axis)) {
        return VALUE_NONE;
    }
    const uint32_t rank = p->g->value[n->in[0]].shape.rank;
    for (uint32_t k = 0; k < rank; k++) {
        if (is_axis[k] != (k + 1 == rank)) {
            return VALUE_NONE;
        }
    }
    return n->in[0];
}

/* value = x - mean(x); x or VALUE_NONE. */
static uint32_t centred(const struct pattern *p, uint32_t value)
{
    const struct node *const n = pattern_maker(p, value, OP_SUB);
    return n && mean_of(p, n->in[1]) == n->in[0] ? n->in[0] : VALUE_NONE;
}

/* value = (x - mean(x))^2 */
static bool is_square(const struct pattern *p, uint32_t value, uint32_t x)
{
    const struct node *const pow = pattern_maker(p, value, OP_POW);
    const struct node *const mul = pattern_maker(p, value, OP_MUL);
    if (pow) {
        return pattern_is_scalar(p, pow->in[1], 2.0) &&
               centred(p, pow->in[0]) == x;
    }
    return mul && centred(p, mul->in[0]) == x && centred(p, mul->in[1]) == x;
}

/* value = sqrt(mean((x - mean(x))^2) + epsilon) */
static bool is_deviation(const struct pattern *p, uint32_t value, uint32_t x,
                         double *epsilon)
{
    const struct node *const root = pattern_maker(p, value, OP_SQRT);
    const struct node *const pow = pattern_maker(p, value, OP_POW);
    if (!root && !(pow && pattern_is_scalar(p, pow->in[1], 0.5))) {
        return false;
    }
    const struct node *const add =
        pattern_maker(p, root ? root->in[0] : pow->in[0], OP_ADD);
    for (uint32_t k = 0; add && k < 2; k++) {
        const uint32_t square = mean_of(p, add->in[k]);
        if (square != VALUE_NONE &&
            pattern_scalar(p, add->in[1 - k], epsilon) &&
            is_square(p, square, x)) {
            return true;
        }
    }
    return false;
}

/* value is x normalised; x or VALUE_NONE. */
static uint32_t normalised(const struct pattern *p, uint32_t value,
                           double *epsilon)
{
    const struct node *const div = pattern_maker(p, value, OP_DIV);
    const struct node *const mul = pattern_maker(p, value, OP_MUL);
    if (div) {
        const uint32_t x = centred(p, div->in[0]);
        return x != VALUE_NONE && is_deviation(p, div->in[1], x, epsilon)
                   ? x
                   : VALUE_NONE;
    }
    for (uint32_t k = 0; mul && k < 2; k++) {
        const uint32_t x = centred(p, mul->in[k]);
        const struct node *const recip =
            pattern_maker(p, mul->in[1 - k], OP_RECIPROCAL);
        if (x != VALUE_NONE && recip &&
            is_deviation(p, recip->in[0], x, epsilon)) {
            return x;
        }
    }
    return VALUE_NONE;
}

/* A constant of as many elements as the last dimension of `like`. */
static bool is_channels(const struct pattern *p, uint32_t value, uint32_t like)
{
    const struct shape *const s = &p->g->value[like].shape;
    uint64_t n;
    int64_t step;
    return s->rank > 0 &&
           const_is_channelwise(&p->g->value[value], s->rank, s->rank - 1,
                                s->dim[s->rank - 1], &step) &&
           shape_count(&p->g->value[value].shape, &n) &&
           n == (uint64_t)s->dim[s->rank - 1];
}

struct norm {
    uint32_t x;
    uint32_t scale;
    uint32_t bias;
    double epsilon;
};

/* n = normalised(x) * scale */
static bool is_scaled(const struct pattern *p, const struct node *n,
                      struct norm *f)
{
    for (uint32_t k = 0; n && n->op == OP_MUL && k < 2; k++) {
        if (is_channels(p, n->in[1 - k], n->out[0])) {
            f->x = normalised(p, n->in[k], &f->epsilon);
            f->scale = n->in[1 - k];
            return f->x != VALUE_NONE;
        }
    }
    return false;
}

static bool is_norm(const struct pattern *p, const struct node *n,
                    struct norm *f)
{
    f->bias = VALUE_NONE;
    for (uint32_t k = 0; n->op == OP_ADD && k < 2; k++) {
        if (is_channels(p, n->in[1 - k], n->out[0])) {
            f->bias = n->in[1 - k];
            return is_scaled(p, pattern_maker(p, n->in[k], OP_MUL), f);
        }
    }
    if (is_scaled(p, n, f)) {
        return true;
    }
    f->x = normalised(p, n->out[0], &f->epsilon);
    f->scale = VALUE_NONE;
    return f->x != VALUE_NONE;
}

/* As many ones as the last dimension of `like`. */
static uint32_t ones_like(const struct pattern *p, uint32_t like)
{
    const struct shape *const s = &p->g->value[like].shape;
    const struct shape own = {1, {s->dim[s->rank - 1]}};
    const uint64_t n = (uint64_t)own.dim[0];
    uint8_t *const data = arena_alloc_array(p->cx->keep, n, sizeof(float), 4);
    for (uint64_t i = 0; data && i < n; i++) {
        elem_put_f64(DTYPE_F32, data, i, 1.0);
    }
    return data
               ? graph_add_const(p->g, p->cx, p->g->value[like].name, DTYPE_F32,
                                 &own, (struct span){data, n * sizeof(float)})
               : VALUE_NONE;
}

bool pass_fuse_norm(struct graph *g, struct cx *cx)
{
    struct pattern p;
    if (!pattern_make(g, cx, &p)) {
        return false;
    }
    for (uint32_t i = g->n_node; i-- > 0;) {
        struct node *const n = &g->node[i];
        struct norm f;
        if (n->is_dead ||
            (n->op != OP_ADD && n->op != OP_MUL && n->op != OP_DIV) ||
            !is_norm(&p, n, &f)) {
            continue;
        }
        uint32_t *const in = arena_new(cx->keep, uint32_t, 3);
        const struct attr epsilon = {.kind = ATTR_FLOAT, .f = (float)f.epsilon};
        if (in && f.scale == VALUE_NONE) {
            f.scale = ones_like(&p, f.x);
        }
        if (!in || f.scale == VALUE_NONE) {
            return false;
        }
        in[0] = f.x;
        in[1] = f.scale;
        in[2] = f.bias;
        n->op = OP_LAYER_NORM;
        n->in = in;
        n->n_in = 3;
        n->n_attr = 0;
        if (!fuse_set_attr(cx, n, "epsilon", &epsilon)) {
            return false;
        }
    }
    return true;
}
