/* Rotary embedding, as exporters of transformers spell it out:
 *   x * cos + rotated(x) * sin,  rotated(x) = Concat(-x[.., h:], x[.., :h])
 * over the last dimension, of 2 h. Half by half no rotated copy is needed:
 *   Concat(x1 * cos1 - x2 * sin1, x2 * cos2 + x1 * sin2)
 * has the same bits, and both halves are written in place. */
#include "base/arena.h"
#include "passes/expand.h"
#include "passes/passes.h"
#include "passes/pattern.h"

struct rotary {
    uint32_t x;
    uint32_t half[2]; /* of x */
    uint32_t cos;
    uint32_t sin;
};

/* Whether value is half `ix` of the last dimension of *x. */
static bool is_half(const struct pattern *p, uint32_t value, uint32_t ix,
                    uint32_t *x)
{
    const struct node *const slice = pattern_maker(p, value, OP_SLICE);
    const struct node *const split = pattern_maker(p, value, OP_SPLIT);
    if (!slice && !split) {
        return false;
    }
    const struct node *const n = slice ? slice : split;
    const struct shape *const in = &p->g->value[n->in[0]].shape;
    const struct shape *const out = &p->g->value[value].shape;
    *x = n->in[0];
    if (in->rank == 0 || out->dim[in->rank - 1] * 2 != in->dim[in->rank - 1]) {
        return false;
    }
    for (uint32_t k = 0; k + 1 < in->rank; k++) {
        if (in->dim[k] != out->dim[k]) {
            return false;
        }
    }
    if (split) {
        return split->n_out == 2 && split->out[ix] == value;
    }
    struct slice_params s;
    return slice_params(p->g, p->cx, slice, &s) && s.step[in->rank - 1] == 1 &&
           s.start[in->rank - 1] == (ix ? out->dim[in->rank - 1] : 0);
}

/* value = rotated(r->x) */
static bool is_rotated(const struct pattern *p, uint32_t value,
                       struct rotary *r)
{
    const struct node *const n = pattern_sole_maker(p, value, OP_CONCAT);
    uint32_t axis = 0;
    uint32_t other;
    if (!n || n->n_in != 2 ||
        !axis_resolve(p->cx, n, node_int(n, "axis", 0),
                      p->g->value[value].shape.rank, &axis) ||
        axis + 1 != p->g->value[value].shape.rank) {
        return false;
    }
    const struct node *const neg = pattern_maker(p, n->in[0], OP_NEG);
    r->half[0] = n->in[1];
    r->half[1] = neg ? neg->in[0] : VALUE_NONE;
    return neg && is_half(p, r->half[1], 1, &r->x) &&
           is_half(p, r->half[0], 0, &other) && other == r->x;
}

/* An angle's table has a number for each element of the last dimension. */
static bool is_table(const struct pattern *p, uint32_t value, uint32_t x)
{
    const struct shape *const t = &p->g->value[value].shape;
    const struct shape *const s = &p->g->value[x].shape;
    struct shape both;
    return t->rank > 0 && t->dim[t->rank - 1] == s->dim[s->rank - 1] &&
           shape_broadcast_two(t, s, &both) && shape_equal(&both, s);
}

/* n = x * cos + rotated(x) * sin, in any order. */
static bool is_rotary(const struct pattern *p, const struct node *n,
                      struct rotary *r)
{
    for (uint32_t k = 0; k < 8; k++) {
        const struct node *const turned =
            pattern_sole_maker(p, n->in[k & 1], OP_MUL);
        const struct node *const plain =
            pattern_sole_maker(p, n->in[~k & 1], OP_MUL);
        if (!turned || !plain || !is_rotated(p, turned->in[k >> 1 & 1], r)) {
            continue;
        }
        r->sin = turned->in[~(k >> 1) & 1];
        r->cos = plain->in[~(k >> 2) & 1];
        if (plain->in[k >> 2 & 1] == r->x && is_table(p, r->sin, r->x) &&
            is_table(p, r->cos, r->x)) {
            return true;
        }
    }
    return false;
}

/* Half ix of a table. */
static uint32_t half_of(struct expand *e, uint32_t table, uint32_t ix)
{
    const struct shape s = ex_shape(e, table);
    const uint32_t last = s.rank > 0 ? s.rank - 1 : 0;
    const int64_t h = s.dim[last] / 2;
    return ex_slice(e, table, last, ix ? h : 0, ix ? 2 * h : h);
}

static bool rewrite(struct expand *e, const struct rotary *r)
{
    uint32_t part[2];
    for (uint32_t i = 0; i < 2; i++) {
        const uint32_t own =
            ex_op2(e, OP_MUL, r->half[i], half_of(e, r->cos, i));
        const uint32_t other =
            ex_op2(e, OP_MUL, r->half[1 - i], half_of(e, r->sin, i));
        part[i] = ex_op2(e, i == 0 ? OP_SUB : OP_ADD, own, other);
    }
    const uint32_t rank = ex_shape(e, r->x).rank;
    ex_give(e, 0, ex_concat(e, part, 2, rank > 0 ? rank - 1 : 0));
    return ex_done(e);
}

bool pass_fuse_rotary(struct graph *g, struct cx *cx)
{
    struct pattern p;
    if (!pattern_make(g, cx, &p)) {
        return false;
    }
    const uint32_t n_node = g->n_node;
    for (uint32_t i = 0; i < n_node; i++) {
        struct expand e = {.g = g, .cx = cx, .node = i, .is_ok = true};
        struct rotary r;
        if (!g->node[i].is_dead && g->node[i].op == OP_ADD &&
            is_rotary(&p, &g->node[i], &r) && !rewrite(&e, &r)) {
            return false;
        }
    }
    return true;
}
