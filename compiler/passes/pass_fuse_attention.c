/* Attention of four dimensions, or of three with heads among the batch, which
 * exporters spell out:
 *   MatMul(Softmax(mask(scale * MatMul(q, k^T))), v)
 * becomes the operator Attention of opset 23, so that no tensor of scores is
 * needed; keys and values that are repeated, so that each query head has its
 * own, are taken as they were before. The scale may be on the scores or on q
 * and k^T, by Mul or Div. A mask is a Where with a scalar that leaves no
 * weight, or an Add; of several, those that are not causal are made one.
 * Weights that are NaN may be replaced by 0. The node of the scores becomes a
 * transpose of k^T. */
#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/arena.h"
#include "ir/layer.h"
#include "passes/elem.h"
#include "passes/fuse.h"
#include "passes/params.h"
#include "passes/passes.h"
#include "passes/pattern.h"

/* A score that leaves no weight besides those of visible keys. */
static const double hidden_score = -1e4;

struct found {
    uint32_t q;
    uint32_t v;
    uint32_t mask; /* or VALUE_NONE */
    double hidden; /* the score of what a mask of choice hides */
    bool is_causal;
    enum attn_blind blind;
    double scale;
    struct node *scores;
    uint32_t k; /* [batch, heads, keys, size]; VALUE_NONE: by the scores' k^T */
};

/* True where element i of a mask leaves the key visible. */
static bool is_visible(const struct value *m, uint64_t i)
{
    return m->dtype == DTYPE_BOOL ? m->data.data[i] != 0
                                  : elem_f64(m->dtype, m->data.data, i) == 0.0;
}

static bool is_hidden(const struct value *m, uint64_t i)
{
    return m->dtype == DTYPE_BOOL
               ? m->data.data[i] == 0
               : elem_f64(m->dtype, m->data.data, i) <= hidden_score;
}

/* A constant [.., n, n] in which query t sees keys 0 .. t. */
static bool is_causal_mask(const struct value *m)
{
    const uint32_t r = m->shape.rank;
    uint64_t count;
    if (!m->is_const || r < 2 || !shape_count(&m->shape, &count) ||
        (m->dtype != DTYPE_BOOL && m->dtype != DTYPE_F32)) {
        return false;
    }
    const uint64_t n = (uint64_t)m->shape.dim[r - 1];
    if (m->shape.dim[r - 2] != m->shape.dim[r - 1] || count != n * n) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!(i % n <= i / n ? is_visible(m, i) : is_hidden(m, i))) {
            return false;
        }
    }
    return true;
}

/* A new node of up to three inputs, whose values broadcast; what it gives, or
 * VALUE_NONE where memory is out. Pointers to nodes and values move. */
static uint32_t compute(const struct pattern *p, enum op_id op,
                        const uint32_t *in, uint32_t n_in, enum dtype t)
{
    struct graph *const g = p->g;
    const char *const name = g->value[in[0]].name;
    const uint32_t ix = graph_add_node(g, p->cx, op, name, n_in, 1);
    const uint32_t out = graph_add_value(g, p->cx, name);
    if (ix == UINT32_MAX || out == UINT32_MAX) {
        return VALUE_NONE;
    }
    struct shape s = {0, {0}};
    for (uint32_t i = 0; i < n_in; i++) {
        struct shape both;
        g->node[ix].in[i] = in[i];
        if (!shape_broadcast_two(&s, &g->value[in[i]].shape, &both)) {
            return VALUE_NONE;
        }
        s = both;
    }
    g->node[ix].out[0] = out;
    g->value[out].dtype = t;
    g->value[out].shape = s;
    g->value[out].shape_known = true;
    return out;
}

static uint32_t number(const struct pattern *p, double x)
{
    static const struct shape scalar = {0, {0}};
    uint8_t *const data = arena_alloc(p->cx->keep, sizeof(float), 4);
    if (!data) {
        return VALUE_NONE;
    }
    elem_put_f64(DTYPE_F32, data, 0, x);
    return graph_add_const(p->g, p->cx, "hidden", DTYPE_F32, &scalar,
                           (struct span){data, sizeof(float)});
}

/* f->mask and mask as one. *is_one tells whether it can be; false when memory
 * is out. */
static bool join_masks(const struct pattern *p, uint32_t mask, struct found *f,
                       bool *is_one)
{
    const struct value *const a = &p->g->value[f->mask];
    const struct value *const b = &p->g->value[mask];
    const enum dtype t = a->dtype == b->dtype ? a->dtype : DTYPE_F32;
    struct shape s;
    *is_one = !(a->is_const && b->is_const) &&
              shape_broadcast_two(&a->shape, &b->shape, &s);
    if (!*is_one) {
        return true;
    }
    if (a->dtype == b->dtype) {
        const uint32_t in[2] = {f->mask, mask};
        f->mask = compute(p, t == DTYPE_BOOL ? OP_AND : OP_ADD, in, 2, t);
    } else {
        const bool is_first = a->dtype == DTYPE_BOOL;
        const uint32_t in[3] = {is_first ? f->mask : mask,
                                is_first ? mask : f->mask,
                                number(p, f->hidden)};
        f->mask =
            in[2] == VALUE_NONE ? VALUE_NONE : compute(p, OP_WHERE, in, 3, t);
    }
    return f->mask != VALUE_NONE;
}

/* Keys that it hides score `hidden`, where it is one of choice. *is_one tells
 * whether it is taken; false when memory is out. */
static bool take_mask(const struct pattern *p, uint32_t mask, double hidden,
                      struct found *f, bool *is_one)
{
    const struct value *const m = &p->g->value[mask];
    *is_one = m->dtype == DTYPE_F32 || m->dtype == DTYPE_BOOL;
    if (!*is_one) {
        return true;
    }
    if (is_causal_mask(m)) {
        f->is_causal = true;
        /* The first query's last key: hidden, or there is no other. */
        hidden = m->dtype == DTYPE_BOOL
                     ? hidden
                     : elem_f64(DTYPE_F32, m->data.data,
                                (uint64_t)m->shape.dim[m->shape.rank - 1] - 1);
    }
    if (isinf(hidden)) {
        f->blind = ATTN_BLIND_NAN;
    }
    if (m->dtype == DTYPE_BOOL) {
        f->hidden = hidden;
    }
    if (is_causal_mask(m)) {
        return true;
    }
    if (f->mask != VALUE_NONE) {
        return join_masks(p, mask, f, is_one);
    }
    f->mask = mask;
    return true;
}

/* A constant bool of the other truth. */
static bool invert_const(const struct pattern *p, uint32_t mask, uint32_t *out)
{
    const struct value *const m = &p->g->value[mask];
    uint8_t *const data = arena_new(p->cx->keep, uint8_t, m->data.len);
    if (!data) {
        return false;
    }
    for (uint64_t i = 0; i < m->data.len; i++) {
        data[i] = m->data.data[i] == 0;
    }
    const struct shape s = m->shape;
    *out = graph_add_const(p->g, p->cx, m->name, DTYPE_BOOL, &s,
                           (struct span){data, m->data.len});
    return *out != VALUE_NONE;
}

/* The other truth; of what is computed by a new node. */
static bool invert(const struct pattern *p, uint32_t mask, uint32_t *out)
{
    if (p->g->value[mask].is_const) {
        return invert_const(p, mask, out);
    }
    *out = compute(p, OP_NOT, &mask, 1, DTYPE_BOOL);
    return *out != VALUE_NONE;
}

/* Where(mask, *x, hidden) or Where(mask, hidden, *x). *is_one tells whether it
 * is; false when memory is out. */
static bool take_where(const struct pattern *p, const struct node *n,
                       struct found *f, uint32_t *x, bool *is_one)
{
    double score = 0.0;
    uint32_t mask = n->in[0];
    *is_one = true;
    if (pattern_scalar(p, n->in[2], &score) && score <= hidden_score) {
        *x = n->in[1];
    } else if (pattern_scalar(p, n->in[1], &score) && score <= hidden_score) {
        *x = n->in[2];
        if (!invert(p, mask, &mask)) {
            return false;
        }
    } else {
        *is_one = false;
        return true;
    }
    return take_mask(p, mask, score, f, is_one);
}

/* The scores' MatMul behind any Mul and Div by scalars. */
static struct node *scores_of(const struct pattern *p, uint32_t value,
                              double *scale)
{
    return pattern_sole_maker(p, pattern_unscale(p, value, scale), OP_MATMUL);
}

/* Whether value is scores, masked in any way. */
static bool has_scores(const struct pattern *p, uint32_t value)
{
    uint32_t todo[8] = {value};
    for (uint32_t n = 1; n > 0;) {
        const uint32_t v = todo[--n];
        const struct node *const where = pattern_sole_maker(p, v, OP_WHERE);
        const struct node *const add = pattern_sole_maker(p, v, OP_ADD);
        double scale;
        if (scores_of(p, v, &scale)) {
            return true;
        }
        if ((where || add) && n + 2 <= sizeof todo / sizeof todo[0]) {
            todo[n++] = where ? where->in[1] : add->in[0];
            todo[n++] = where ? where->in[2] : add->in[1];
        }
    }
    return false;
}

/* From the Softmax's input back to the scores' MatMul. *is_one tells whether
 * it is found; false when memory is out. */
static bool find_scores(const struct pattern *p, uint32_t value,
                        struct found *f, bool *is_one)
{
    for (;;) {
        const struct node *const where = pattern_sole_maker(p, value, OP_WHERE);
        const struct node *const add = pattern_sole_maker(p, value, OP_ADD);
        if (where) {
            if (!take_where(p, where, f, &value, is_one)) {
                return false;
            }
            if (!*is_one) {
                return true;
            }
            continue;
        }
        if (!add) {
            f->scores = scores_of(p, value, &f->scale);
            *is_one = f->scores != NULL;
            return true;
        }
        const uint32_t side = has_scores(p, add->in[0])   ? 0
                              : has_scores(p, add->in[1]) ? 1
                                                          : 2;
        *is_one = side < 2;
        if (!*is_one) {
            return true;
        }
        value = add->in[side];
        if (!take_mask(p, add->in[1 - side], 0.0, f, is_one)) {
            return false;
        }
        if (!*is_one) {
            return true;
        }
    }
}

/* value = [b, h, n, d], where each of the h / r heads of what is returned comes
 * r times: Reshape(Expand to [b, h / r, r, n, d]). Else VALUE_NONE. */
static uint32_t unrepeated(const struct pattern *p, uint32_t value)
{
    const struct node *const flat = pattern_maker(p, value, OP_RESHAPE);
    const struct node *const wide =
        flat ? pattern_maker(p, flat->in[0], OP_EXPAND) : NULL;
    struct node *one =
        wide ? pattern_maker(p, wide->in[0], OP_UNSQUEEZE) : NULL;
    one = wide && !one ? pattern_maker(p, wide->in[0], OP_RESHAPE) : one;
    if (!one) {
        return VALUE_NONE;
    }
    const struct shape *const h = &p->g->value[value].shape;
    const struct shape *const r = &p->g->value[flat->in[0]].shape;
    const struct shape *const u = &p->g->value[wide->in[0]].shape;
    const struct shape *const k = &p->g->value[one->in[0]].shape;
    const bool is_one =
        h->rank == 4 && r->rank == 5 && u->rank == 5 && k->rank == 4 &&
        u->dim[2] == 1 && u->dim[1] == k->dim[1] && r->dim[1] == k->dim[1] &&
        h->dim[1] == r->dim[1] * r->dim[2] && h->dim[0] == k->dim[0] &&
        h->dim[2] == k->dim[2] && h->dim[3] == k->dim[3] &&
        r->dim[3] == k->dim[2] && r->dim[4] == k->dim[3];
    return is_one ? one->in[0] : VALUE_NONE;
}

/* Takes keys and values as they were before they were repeated, if both were.
 */
static void take_groups(const struct pattern *p, struct found *f, uint32_t k)
{
    const struct node *const turn = pattern_maker(p, k, OP_TRANSPOSE);
    uint32_t perm[TENSOR_MAX_RANK];
    double scale;
    if (!turn || !perm_params(p->g, p->cx, turn, perm) || perm[0] != 0 ||
        perm[1] != 1 || perm[2] != 3) {
        return;
    }
    const uint32_t keys =
        unrepeated(p, pattern_unscale(p, turn->in[0], &scale));
    const uint32_t v = unrepeated(p, f->v);
    if (keys != VALUE_NONE && v != VALUE_NONE &&
        p->g->value[keys].shape.dim[1] == p->g->value[v].shape.dim[1]) {
        f->k = keys;
        f->v = v;
        f->scale *= scale;
    }
}

/* Broadcasts to [batch, heads, queries, keys]. */
static bool is_mask_shape(const struct value *m, const struct shape *scores)
{
    struct shape s;
    return (m->dtype == DTYPE_F32 || m->dtype == DTYPE_BOOL) &&
           shape_broadcast_two(&m->shape, scores, &s) &&
           shape_equal(&s, scores);
}

/* The Softmax of value = Where(IsNaN(softmax), 0, softmax), which nothing else
 * reads; else NULL. */
static const struct node *guarded(const struct pattern *p, uint32_t value)
{
    const struct node *const where = pattern_sole_maker(p, value, OP_WHERE);
    const struct node *const is_nan =
        where ? pattern_sole_maker(p, where->in[0], OP_IS_NAN) : NULL;
    double x;
    if (!is_nan || is_nan->in[0] != where->in[2] ||
        !pattern_scalar(p, where->in[1], &x) || x != 0.0) {
        return NULL;
    }
    const uint32_t weights = where->in[2];
    const bool is_own =
        p->uses.first[weights + 1] - p->uses.first[weights] == 2 &&
        !p->uses.is_output[weights];
    return is_own ? pattern_maker(p, weights, OP_SOFTMAX) : NULL;
}

/* Whether n is the last MatMul of an attention, and of which. */
static bool find(const struct pattern *p, const struct node *n, struct found *f,
                 bool *is_one)
{
    const struct node *const guard = guarded(p, n->in[0]);
    const struct node *const softmax =
        guard ? guard : pattern_sole_maker(p, n->in[0], OP_SOFTMAX);
    const uint32_t rank = p->g->value[n->in[0]].shape.rank;
    uint32_t axis = 0;
    uint32_t end = 0;
    *is_one = false;
    *f = (struct found){.mask = VALUE_NONE, .v = n->in[1], .k = VALUE_NONE};
    if (!softmax || (rank != 3 && rank != 4) ||
        p->g->value[n->in[0]].dtype != DTYPE_F32 ||
        !softmax_params(p->g, p->cx, softmax, &axis, &end) ||
        axis + 1 != rank) {
        return true;
    }
    if (!find_scores(p, softmax->in[0], f, is_one)) {
        return false;
    }
    if (!*is_one) {
        return true;
    }
    f->blind = guard ? ATTN_BLIND_GUARD : f->blind;
    double q_scale;
    double k_scale;
    f->q = pattern_unscale(p, f->scores->in[0], &q_scale);
    const uint32_t k = pattern_unscale(p, f->scores->in[1], &k_scale);
    f->scale *= q_scale * k_scale;
    const struct shape *const sq = &p->g->value[f->q].shape;
    const struct shape *const sk = &p->g->value[k].shape;
    const struct shape *const sv = &p->g->value[f->v].shape;
    const struct shape *const s = &p->g->value[f->scores->out[0]].shape;
    const size_t lead = (rank - 2) * sizeof s->dim[0]; /* batch, heads */
    const struct shape of_one_head = {
        4, {s->dim[0], 1, s->dim[1], rank == 3 ? s->dim[2] : 1}};
    *is_one =
        sq->rank == rank && sk->rank == rank && sv->rank == rank &&
        memcmp(sq->dim, s->dim, lead + sizeof s->dim[0]) == 0 &&
        memcmp(sk->dim, s->dim, lead) == 0 &&
        memcmp(sv->dim, s->dim, lead) == 0 &&
        (f->mask == VALUE_NONE ||
         is_mask_shape(&p->g->value[f->mask], rank == 3 ? &of_one_head : s));
    if (*is_one) {
        f->scores->in[1] = k;
        take_groups(p, f, k);
    }
    return true;
}

/* The node of the scores becomes the transpose of k^T. */
static bool turn_back(struct pattern *p, const struct found *f)
{
    static const int64_t perms[2][4] = {{0, 2, 1}, {0, 1, 3, 2}};
    const uint32_t k = f->scores->in[1];
    const uint32_t rank = p->g->value[k].shape.rank;
    const struct attr swap = {
        .kind = ATTR_INTS, .ints = perms[rank - 3], .n = rank};
    /* Its value is k from now on. */
    struct value *const out = &p->g->value[f->scores->out[0]];
    out->shape = p->g->value[k].shape;
    out->shape.dim[rank - 2] = p->g->value[k].shape.dim[rank - 1];
    out->shape.dim[rank - 1] = p->g->value[k].shape.dim[rank - 2];
    f->scores->op = OP_TRANSPOSE;
    f->scores->n_in = 1;
    f->scores->in[0] = k;
    f->scores->n_attr = 0;
    return fuse_set_attr(p->cx, f->scores, "perm", &swap);
}

static bool rewrite(struct pattern *p, uint32_t node_ix, const struct found *f)
{
    const struct attr scale = {.kind = ATTR_FLOAT, .f = (float)f->scale};
    const struct attr causal = {.kind = ATTR_INT, .i = f->is_causal};
    const struct attr blind = {.kind = ATTR_INT, .i = f->blind};
    static const struct attr one = {.kind = ATTR_INT, .i = 1};
    const bool has_heads = p->g->value[f->q].shape.rank == 4;
    const bool is_turned = f->k == VALUE_NONE;
    uint32_t *const in = arena_new(p->cx->keep, uint32_t, 4);
    if (!in || (is_turned && !turn_back(p, f))) {
        return false;
    }
    in[0] = f->q;
    in[1] = is_turned ? f->scores->out[0] : f->k;
    in[2] = f->v;
    in[3] = f->mask;
    struct node *const n = &p->g->node[node_ix];
    n->op = OP_ATTENTION;
    n->n_in = 4;
    n->in = in;
    n->n_attr = 0;
    return fuse_set_attr(p->cx, n, "scale", &scale) &&
           fuse_set_attr(p->cx, n, "is_causal", &causal) &&
           fuse_set_attr(p->cx, n, FUSE_ATTN_BLIND, &blind) &&
           (has_heads || (fuse_set_attr(p->cx, n, "q_num_heads", &one) &&
                          fuse_set_attr(p->cx, n, "kv_num_heads", &one)));
}

bool pass_fuse_attention(struct graph *g, struct cx *cx)
{
    struct pattern p;
    if (!pattern_make(g, cx, &p)) {
        return false;
    }
    const uint32_t n_node = g->n_node;
    for (uint32_t i = 0; i < n_node; i++) {
        struct found f;
        bool is_one;
        if (g->node[i].is_dead || g->node[i].op != OP_MATMUL) {
            continue;
        }
        if (!find(&p, &g->node[i], &f, &is_one) ||
            (is_one && !rewrite(&p, i, &f))) {
            return false;
        }
    }
    return true;
}
