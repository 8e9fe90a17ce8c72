/* Attention of four dimensions, or of three with heads among the batch, which
 * exporters spell out:
 *   MatMul(Softmax(mask(scale * MatMul(q, k^T))), v)
 * becomes the operator Attention of opset 23, so that no tensor of scores is
 * needed; keys and values that are repeated, so that each query head has its
 * own, are taken as they were before. The scale may be on the scores or on q
 * and k^T, by Mul or Div. The mask is a Where with a scalar that leaves no
 * weight, an Add, or both where one of them is causal. The node of the scores
 * becomes a transpose of k^T. */
#include <stddef.h>
#include <string.h>

#include "base/arena.h"
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
    bool is_causal;
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

static bool take_mask(const struct pattern *p, uint32_t mask, struct found *f)
{
    if (is_causal_mask(&p->g->value[mask])) {
        f->is_causal = true;
        return true;
    }
    if (f->mask != VALUE_NONE) {
        return false;
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

/* The other truth; of what is computed by a new node. Pointers to nodes move.
 */
static bool invert(const struct pattern *p, uint32_t mask, uint32_t *out)
{
    struct graph *const g = p->g;
    const char *const name = g->value[mask].name;
    if (g->value[mask].is_const) {
        return invert_const(p, mask, out);
    }
    const uint32_t ix = graph_add_node(g, p->cx, OP_NOT, name, 1, 1);
    *out = graph_add_value(g, p->cx, name);
    if (ix == UINT32_MAX || *out == UINT32_MAX) {
        return false;
    }
    g->value[*out].dtype = DTYPE_BOOL;
    g->value[*out].shape = g->value[mask].shape;
    g->value[*out].shape_known = true;
    g->node[ix].in[0] = mask;
    g->node[ix].out[0] = *out;
    return true;
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
    *is_one = take_mask(p, mask, f);
    return true;
}

/* The scores' MatMul behind any Mul and Div by scalars. */
static struct node *scores_of(const struct pattern *p, uint32_t value,
                              double *scale)
{
    return pattern_sole_maker(p, pattern_unscale(p, value, scale), OP_MATMUL);
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
        /* The scores' side has the MatMul, masked further or not. */
        uint32_t side = 2;
        for (uint32_t k = 0; k < 4 && side == 2; k++) {
            double scale;
            if (k < 2 ? scores_of(p, add->in[k], &scale) != NULL
                      : pattern_maker(p, add->in[k - 2], OP_WHERE) != NULL) {
                side = k % 2;
            }
        }
        *is_one = side < 2 &&
                  p->g->value[add->in[1 - side]].dtype == DTYPE_F32 &&
                  take_mask(p, add->in[1 - side], f);
        if (!*is_one) {
            return true;
        }
        value = add->in[side];
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

/* Whether n is the last MatMul of an attention, and of which. */
static bool find(const struct pattern *p, const struct node *n, struct found *f,
                 bool *is_one)
{
    const struct node *const softmax =
        pattern_sole_maker(p, n->in[0], OP_SOFTMAX);
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
