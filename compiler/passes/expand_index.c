/* Operators that are others on computed indices. */
#include <string.h>

#include "base/arena.h"
#include "passes/expand.h"
#include "passes/fuse.h"

/* v, a vector, along dimension `axis` of `rank`. */
static uint32_t along(struct expand *e, uint32_t v, uint32_t axis,
                      uint32_t rank)
{
    int64_t dim[TENSOR_MAX_RANK];
    for (uint32_t k = 0; k < rank; k++) {
        dim[k] = k == axis ? -1 : 1;
    }
    return ex_reshape(e, v, dim, rank);
}

/* Only the type of its second input counts. */
bool expand_cast_like(struct expand *e)
{
    struct node *const n = &e->g->node[e->node];
    const char *const to = strtab_intern_str(&e->g->names, "to");
    const struct attr a = {.kind = ATTR_INT,
                           .i = (int64_t)e->g->value[n->out[0]].dtype};
    n->op = OP_CAST;
    n->n_in = 1;
    return to && fuse_set_attr(e->cx, n, to, &a);
}

/* Where(index == 0, 1, .. depth - 1, on, off), with index + depth below 0. */
bool expand_one_hot(struct expand *e)
{
    const struct shape s = ex_shape(e, ex_out(e, 0));
    uint32_t axis = 0;
    if (!axis_resolve(e->cx, ex_self(e), node_int(ex_self(e), "axis", -1),
                      s.rank, &axis)) {
        return false;
    }
    const int64_t at = (int64_t)axis;
    const uint32_t values = ex_in(e, 2);
    const uint32_t ix = ex_cast(e, ex_in(e, 0), DTYPE_I64);
    const uint32_t depth = ex_number(e, DTYPE_I64, (double)s.dim[axis]);
    const uint32_t zero = ex_number(e, DTYPE_I64, 0);
    const uint32_t from_end = ex_op2(e, OP_ADD, ix, depth);
    const uint32_t below = ex_op2(e, OP_LESS, ix, zero);
    uint32_t k = ex_op3(e, OP_WHERE, below, from_end, ix);
    k = ex_over(e, OP_UNSQUEEZE, k, &at, 1);
    const uint32_t count = ex_count(e, DTYPE_I64, s.dim[axis], axis, s.rank);
    const uint32_t is_on = ex_op2(e, OP_EQUAL, k, count);
    const uint32_t off = ex_slice(e, values, 0, 0, 1);
    const uint32_t on = ex_slice(e, values, 0, 1, 2);
    ex_give(e, 0, ex_op3(e, OP_WHERE, is_on, on, off));
    return ex_done(e);
}

/* 1 for the first largest element, else 0; over all from the axis on before
 * opset 13. */
bool expand_hardmax(struct expand *e)
{
    const struct shape s = ex_shape(e, ex_in(e, 0));
    struct shape flat = {0};
    uint32_t axis;
    uint32_t end;
    if (!softmax_params(e->g, e->cx, ex_self(e), &axis, &end)) {
        return false;
    }
    for (uint32_t k = 0; k < s.rank; k++) {
        if (k > axis && k < end) {
            flat.dim[axis] *= s.dim[k];
        } else {
            flat.dim[flat.rank++] = s.dim[k];
        }
    }
    const uint32_t x = ex_reshape(e, ex_in(e, 0), flat.dim, flat.rank);
    const uint32_t best = ex_axis(e, OP_ARG_MAX, x, VALUE_NONE, (int64_t)axis);
    const uint32_t count =
        ex_count(e, DTYPE_I64, flat.dim[axis], axis, flat.rank);
    const uint32_t y =
        ex_cast(e, ex_op2(e, OP_EQUAL, best, count), ex_type(e, ex_out(e, 0)));
    ex_give(e, 0, ex_reshape(e, y, s.dim, s.rank));
    return ex_done(e);
}

/* Gather of the places where the condition holds, which is known. */
bool expand_compress(struct expand *e)
{
    const struct node *const n = ex_self(e);
    const struct value *const pick = &e->g->value[n->in[1]];
    const bool is_flat = !node_attr(n, "axis");
    const int64_t axis = node_int(n, "axis", 0);
    const int64_t all[1] = {-1};
    const uint32_t cap = (uint32_t)pick->shape.dim[0];
    int64_t *const ix = arena_new(e->cx->scratch, int64_t, cap);
    uint32_t cnt = 0;
    if (!ix) {
        return false;
    }
    for (uint32_t i = 0; i < cap; i++) {
        if (pick->data.data[i]) {
            ix[cnt++] = (int64_t)i;
        }
    }
    uint32_t x = ex_in(e, 0);
    x = is_flat ? ex_reshape(e, x, all, 1) : x;
    ex_give(e, 0, ex_axis(e, OP_GATHER, x, ex_ints(e, ix, 1, cnt), axis));
    return ex_done(e);
}

/* Element t of a sequence of len is its element t < len ? len - 1 - t : t. */
bool expand_reverse_sequence(struct expand *e)
{
    const struct shape s = ex_shape(e, ex_in(e, 0));
    const uint32_t batch = (uint32_t)node_int(ex_self(e), "batch_axis", 1);
    const uint32_t time = (uint32_t)node_int(ex_self(e), "time_axis", 0);
    const uint32_t t = ex_count(e, DTYPE_I64, s.dim[time], time, s.rank);
    const uint32_t len =
        along(e, ex_cast(e, ex_in(e, 1), DTYPE_I64), batch, s.rank);
    const uint32_t last = ex_op2(e, OP_SUB, len, ex_number(e, DTYPE_I64, 1));
    const uint32_t turned = ex_op2(e, OP_SUB, last, t);
    const uint32_t is_in = ex_op2(e, OP_LESS, t, len);
    const uint32_t ix = ex_op3(e, OP_WHERE, is_in, turned, t);
    ex_give(e, 0,
            ex_axis(e, OP_GATHER_ELEMENTS, ex_in(e, 0), ex_expand(e, ix, &s),
                    (int64_t)time));
    return ex_done(e);
}

/* Row i of the update goes to row first + i of the cache, modulo its length
 * where it is circular. */
bool expand_tensor_scatter(struct expand *e)
{
    const struct node *const n = ex_self(e);
    const struct shape cache = ex_shape(e, ex_in(e, 0));
    const struct shape s = ex_shape(e, ex_in(e, 1));
    const bool is_circular =
        strcmp(node_string(n, "mode", "linear"), "circular") == 0;
    uint32_t axis = 0;
    if (!axis_resolve(e->cx, n, node_int(n, "axis", -2), s.rank, &axis)) {
        return false;
    }
    uint32_t ix = ex_count(e, DTYPE_I64, s.dim[axis], axis, s.rank);
    if (ex_in(e, 2) != VALUE_NONE) {
        const uint32_t first = ex_cast(e, ex_in(e, 2), DTYPE_I64);
        ix = ex_op2(e, OP_ADD, ix, along(e, first, 0, s.rank));
    }
    if (is_circular) {
        ix = ex_op2(e, OP_MOD, ix,
                    ex_number(e, DTYPE_I64, (double)cache.dim[axis]));
    }
    const uint32_t in[3] = {ex_in(e, 0), ex_expand(e, ix, &s), ex_in(e, 1)};
    const struct attr attr = {
        .name = "axis", .kind = ATTR_INT, .i = (int64_t)axis};
    ex_give(e, 0, ex_node(e, VALUE_NONE, OP_SCATTER_ELEMENTS, in, 3, &attr, 1));
    return ex_done(e);
}

/* [N, n_gram of them]: how often each of the n-grams of `size` words is in the
 * rows of words [N, C, 1], those that follow each other at distance `step`. */
static uint32_t count_grams(struct expand *e, const struct tfidf_params *p,
                            uint32_t words, uint32_t size, int64_t step)
{
    const int64_t *const pool = p->pool + p->first[size - 1];
    const int64_t end = size < p->n_size ? p->first[size] : (int64_t)p->n_pool;
    const int64_t n = (end - p->first[size - 1]) / size;
    const int64_t places = p->n_word - step * (size - 1);
    const struct shape s = {3, {1, 1, n}};
    const int64_t over = 1;
    uint32_t all = VALUE_NONE;
    for (uint32_t k = 0; k < size; k++) {
        double *const want = ex_table(e, (uint64_t)n);
        for (int64_t i = 0; want && i < n; i++) {
            want[i] = (double)pool[i * size + k];
        }
        if (!want) {
            return VALUE_NONE;
        }
        const uint32_t part =
            ex_slice(e, words, 1, k * step, k * step + places);
        const uint32_t is_word =
            ex_op2(e, OP_EQUAL, part, ex_numbers(e, DTYPE_I64, &s, want));
        all = k == 0 ? is_word : ex_op2(e, OP_AND, all, is_word);
    }
    const uint32_t one = ex_cast(e, all, DTYPE_F32);
    const uint32_t sum = ex_over(e, OP_REDUCE_SUM, one, &over, 1);
    return ex_reshape(e, sum, (int64_t[]){p->n_batch, n}, 2);
}

/* Those of the pool in its order: n-grams of one length together. */
static uint32_t count_pool(struct expand *e, const struct tfidf_params *p)
{
    const uint32_t words = ex_reshape(e, ex_cast(e, ex_in(e, 0), DTYPE_I64),
                                      (int64_t[]){p->n_batch, p->n_word, 1}, 3);
    uint32_t all = VALUE_NONE;
    for (uint32_t size = 1; size <= p->n_size; size++) {
        const int64_t end =
            size < p->n_size ? p->first[size] : (int64_t)p->n_pool;
        const int64_t n = (end - p->first[size - 1]) / size;
        const struct shape s = {2, {p->n_batch, n}};
        uint32_t sum = VALUE_NONE;
        if (n == 0) {
            continue;
        }
        /* Single words have nothing between them to skip. */
        const uint32_t n_step = size == 1 ? 1 : p->max_skip + 1;
        for (uint32_t step = 1; step <= n_step; step++) {
            if (size < p->min_gram || size > p->max_gram ||
                (int64_t)step * (size - 1) >= p->n_word) {
                break;
            }
            const uint32_t part = count_grams(e, p, words, size, step);
            sum = step == 1 ? part : ex_op2(e, OP_ADD, sum, part);
        }
        if (sum == VALUE_NONE) {
            sum = ex_expand(e, ex_number(e, DTYPE_F32, 0.0), &s);
        }
        all = all == VALUE_NONE ? sum
                                : ex_concat(e, (uint32_t[]){all, sum}, 2, 1);
    }
    return all;
}

bool expand_tfidf(struct expand *e)
{
    struct tfidf_params p;
    if (!tfidf_params(e->g, e->cx, ex_self(e), &p)) {
        return false;
    }
    const struct shape out = ex_shape(e, ex_out(e, 0));
    const struct shape none = {2, {p.n_batch, 1}};
    uint32_t y = count_pool(e, &p);
    if (!p.counts) {
        const uint32_t zero = ex_number(e, DTYPE_F32, 0.0);
        y = ex_cast(e, ex_op2(e, OP_GREATER, y, zero), DTYPE_F32);
    }
    if (p.weighs && p.weight) {
        const struct shape s = {1, {p.n_gram}};
        double *const w = ex_table(e, p.n_gram);
        for (uint32_t i = 0; w && i < p.n_gram; i++) {
            w[i] = (double)p.weight[i];
        }
        if (!w) {
            return false;
        }
        y = ex_op2(e, OP_MUL, y, ex_numbers(e, DTYPE_F32, &s, w));
    }
    /* Where no n-gram is counted: from a column of zeros after the others. */
    int64_t *const from = arena_new(e->cx->scratch, int64_t, (uint64_t)p.n_out);
    if (!from) {
        return false;
    }
    for (int64_t i = 0; i < p.n_out; i++) {
        from[i] = p.n_gram;
    }
    for (uint32_t i = 0; i < p.n_gram; i++) {
        if (from[p.out[i]] != p.n_gram) {
            return node_error(e->cx, ex_self(e), E_UNSUPPORTED,
                              "two n-grams are counted in one place");
        }
        from[p.out[i]] = i;
    }
    const uint32_t zeros = ex_expand(e, ex_number(e, DTYPE_F32, 0.0), &none);
    y = ex_concat(e, (uint32_t[]){y, zeros}, 2, 1);
    y = ex_axis(e, OP_GATHER, y, ex_ints(e, from, 1, (uint32_t)p.n_out), 1);
    ex_give(e, 0, ex_reshape(e, y, out.dim, out.rank));
    return ex_done(e);
}
