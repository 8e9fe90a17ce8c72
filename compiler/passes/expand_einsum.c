/* Einsum as products of matrices. Terms are taken from the left: what no other
 * term and no result needs is summed; two terms become one by a product whose
 * columns are what only they share. */
#include "passes/expand.h"

/* A value and the labels of its dimensions, each once. */
struct term {
    uint32_t v;
    uint32_t rank;
    uint8_t label[TENSOR_MAX_RANK];
};

static bool has_label(const struct term *t, uint8_t label, uint32_t *at)
{
    for (uint32_t k = 0; k < t->rank; k++) {
        if (t->label[k] == label) {
            *at = k;
            return true;
        }
    }
    return false;
}

static void drop(struct term *t, uint32_t at)
{
    t->rank--;
    for (uint32_t k = at; k < t->rank; k++) {
        t->label[k] = t->label[k + 1];
    }
}

/* Dimensions j and k, of one label, become their diagonal, which comes last. */
static void take_diagonal(struct expand *e, struct term *t, uint32_t j,
                          uint32_t k)
{
    const struct shape s = ex_shape(e, t->v);
    const int64_t n = s.dim[j];
    const uint8_t label = t->label[j];
    uint32_t perm[TENSOR_MAX_RANK];
    int64_t flat[TENSOR_MAX_RANK];
    uint32_t rank = 0;
    if (s.dim[j] != s.dim[k]) {
        e->is_ok =
            e->is_ok && node_error(e->cx, ex_self(e), E_SHAPE,
                                   "a diagonal of %s", shape_text(&s).text);
        return;
    }
    for (uint32_t d = 0; d < t->rank; d++) {
        if (d != j && d != k) {
            flat[rank] = s.dim[d];
            perm[rank++] = d;
        }
    }
    perm[rank] = j;
    perm[rank + 1] = k;
    flat[rank] = n * n;
    const int64_t at[4] = {0, n * n, (int64_t)rank, n + 1};
    const uint32_t v =
        ex_reshape(e, ex_permute(e, t->v, perm, t->rank), flat, rank + 1);
    const uint32_t in[5] = {v, ex_ints(e, &at[0], 1, 1),
                            ex_ints(e, &at[1], 1, 1), ex_ints(e, &at[2], 1, 1),
                            ex_ints(e, &at[3], 1, 1)};
    t->v = ex_node(e, VALUE_NONE, OP_SLICE, in, 5, NULL, 0);
    drop(t, k);
    drop(t, j);
    t->label[t->rank++] = label;
}

static struct term make_term(struct expand *e, const struct einsum_params *p,
                             uint32_t i)
{
    struct term t = {.v = ex_in(e, i), .rank = p->rank[i]};
    for (uint32_t k = 0; k < t.rank; k++) {
        t.label[k] = p->in[i][k];
    }
    for (uint32_t k = 0; k < t.rank && e->is_ok; k++) {
        for (uint32_t j = 0; j < k; j++) {
            if (t.label[j] == t.label[k]) {
                take_diagonal(e, &t, j, k);
                k = 0;
                break;
            }
        }
    }
    return t;
}

/* Whether the result or a term from `from` on has the label. */
static bool is_needed(const struct einsum_params *p, uint32_t from,
                      uint8_t label)
{
    for (uint32_t k = 0; k < p->out_rank; k++) {
        if (p->out[k] == label) {
            return true;
        }
    }
    for (uint32_t i = from; i < p->n_in; i++) {
        for (uint32_t k = 0; k < p->rank[i]; k++) {
            if (p->in[i][k] == label) {
                return true;
            }
        }
    }
    return false;
}

/* Sums what neither `other` (may be NULL) nor anything else needs. */
static void sum_rest(struct expand *e, const struct einsum_params *p,
                     uint32_t from, const struct term *other, struct term *t)
{
    int64_t axes[TENSOR_MAX_RANK];
    uint32_t n = 0;
    uint32_t at;
    for (uint32_t k = 0; k < t->rank; k++) {
        const bool is_shared = other && has_label(other, t->label[k], &at);
        if (!is_shared && !is_needed(p, from, t->label[k])) {
            axes[n++] = (int64_t)k;
        }
    }
    if (n == 0) {
        return;
    }
    const struct attr keep = {.name = "keepdims", .kind = ATTR_INT, .i = 0};
    const uint32_t in[2] = {t->v, ex_ints(e, axes, 1, n)};
    t->v = ex_node(e, VALUE_NONE, OP_REDUCE_SUM, in, 2, &keep, 1);
    while (n > 0) {
        drop(t, (uint32_t)axes[--n]);
    }
}

/* The labels of a term in three groups, for one side of a product. */
struct side {
    const struct term *t;
    uint32_t perm[TENSOR_MAX_RANK];
    uint32_t n; /* placed so far */
    int64_t dim[TENSOR_MAX_RANK + 2];
};

static int64_t put(struct expand *e, struct side *s, uint8_t label)
{
    uint32_t at = 0;
    const struct shape shape = ex_shape(e, s->t->v);
    if (!has_label(s->t, label, &at)) {
        return 1;
    }
    s->perm[s->n++] = at;
    return shape.dim[at];
}

/* a times b: labels of both that are needed are batches, others of both are
 * summed over. */
static struct term multiply(struct expand *e, const struct einsum_params *p,
                            uint32_t from, const struct term *a,
                            const struct term *b)
{
    struct term out = {0};
    struct side left = {.t = a};
    struct side right = {.t = b};
    uint8_t columns[TENSOR_MAX_RANK];
    uint8_t rows[TENSOR_MAX_RANK];
    uint8_t inner[TENSOR_MAX_RANK];
    uint32_t n_row = 0;
    uint32_t n_column = 0;
    uint32_t n_inner = 0;
    uint32_t at;
    for (uint32_t k = 0; k < a->rank; k++) {
        const uint8_t label = a->label[k];
        if (!has_label(b, label, &at)) {
            rows[n_row++] = label;
        } else if (is_needed(p, from, label)) {
            out.label[out.rank++] = label;
        } else {
            inner[n_inner++] = label;
        }
    }
    for (uint32_t k = 0; k < b->rank; k++) {
        if (!has_label(a, b->label[k], &at)) {
            columns[n_column++] = b->label[k];
        }
    }
    const uint32_t n_batch = out.rank;
    if (n_batch + 2 > TENSOR_MAX_RANK ||
        n_batch + n_row + n_column > TENSOR_MAX_RANK) {
        e->is_ok = e->is_ok && node_error(e->cx, ex_self(e), E_UNSUPPORTED,
                                          "a product of two of its terms has "
                                          "more than %d dimensions",
                                          TENSOR_MAX_RANK);
        return out;
    }
    int64_t full[TENSOR_MAX_RANK];
    for (uint32_t k = 0; k < n_batch; k++) {
        left.dim[k] = put(e, &left, out.label[k]);
        right.dim[k] = put(e, &right, out.label[k]);
        full[k] = left.dim[k] > right.dim[k] ? left.dim[k] : right.dim[k];
        full[k] = left.dim[k] == 0 || right.dim[k] == 0 ? 0 : full[k];
    }
    int64_t m = 1;
    int64_t n = 1;
    int64_t k_left = 1;
    int64_t k_right = 1;
    for (uint32_t k = 0; k < n_row; k++) {
        full[n_batch + k] = put(e, &left, rows[k]);
        m *= full[n_batch + k];
        out.label[out.rank++] = rows[k];
    }
    for (uint32_t k = 0; k < n_inner; k++) {
        k_left *= put(e, &left, inner[k]);
        k_right *= put(e, &right, inner[k]);
    }
    for (uint32_t k = 0; k < n_column; k++) {
        full[out.rank] = put(e, &right, columns[k]);
        n *= full[out.rank];
        out.label[out.rank++] = columns[k];
    }
    if (k_left != k_right) {
        e->is_ok = e->is_ok && node_error(e->cx, ex_self(e), E_UNSUPPORTED,
                                          "broadcasting of a dimension that is "
                                          "summed is not supported");
        return out;
    }
    left.dim[n_batch] = m;
    left.dim[n_batch + 1] = k_left;
    right.dim[n_batch] = k_right;
    right.dim[n_batch + 1] = n;
    const uint32_t x = ex_reshape(e, ex_permute(e, a->v, left.perm, a->rank),
                                  left.dim, n_batch + 2);
    const uint32_t y = ex_reshape(e, ex_permute(e, b->v, right.perm, b->rank),
                                  right.dim, n_batch + 2);
    out.v = ex_reshape(e, ex_op2(e, OP_MATMUL, x, y), full, out.rank);
    return out;
}

bool expand_einsum(struct expand *e)
{
    struct einsum_params p;
    if (!einsum_params(e->g, e->cx, ex_self(e), &p)) {
        return false;
    }
    struct term t = make_term(e, &p, 0);
    sum_rest(e, &p, 1, NULL, &t);
    for (uint32_t i = 1; i < p.n_in && e->is_ok; i++) {
        struct term next = make_term(e, &p, i);
        sum_rest(e, &p, i + 1, &t, &next);
        t = multiply(e, &p, i + 1, &t, &next);
        sum_rest(e, &p, i + 1, NULL, &t);
    }
    uint32_t perm[TENSOR_MAX_RANK] = {0};
    for (uint32_t k = 0; k < p.out_rank && e->is_ok; k++) {
        (void)has_label(&t, p.out[k], &perm[k]);
    }
    if (t.rank > 0) {
        t.v = ex_permute(e, t.v, perm, t.rank);
    }
    ex_give(e, 0, t.v);
    return ex_done(e);
}

bool expand_empty_product(struct expand *e)
{
    const struct node *const n = ex_self(e);
    const struct shape a = ex_shape(e, ex_in(e, 0));
    const struct shape out = ex_shape(e, ex_out(e, 0));
    const enum dtype t = ex_type(e, ex_in(e, 0));
    const bool is_turned = n->op == OP_GEMM && node_int(n, "transA", 0) != 0;
    if (a.dim[is_turned ? 0 : a.rank - 1] != 0) {
        return true;
    }
    uint32_t v = ex_number(e, t, 0);
    if (n->op == OP_GEMM && ex_in(e, 2) != VALUE_NONE) {
        v = ex_number(e, t, (double)node_float(n, "beta", 1));
        v = ex_op2(e, OP_MUL, ex_in(e, 2), v);
    }
    ex_give(e, 0, ex_expand(e, v, &out));
    return ex_done(e);
}
