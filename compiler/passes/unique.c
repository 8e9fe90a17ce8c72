#include "passes/unique.h"

#include <stdlib.h>

#include "base/arena.h"
#include "passes/elem.h"

/* Slices as they lie in the constant: element e of slice i is
 * outer * n_slice * inner + i * inner + rest. */
struct slices {
    const struct value *v;
    uint64_t n_slice;
    uint64_t inner;
    uint64_t each; /* elements of a slice */
};

static uint64_t element(const struct slices *s, uint64_t slice, uint64_t e)
{
    return (e / s->inner * s->n_slice + slice) * s->inner + e % s->inner;
}

/* Below, at or above 0, by the first element that differs; of equal slices the
 * earlier comes first. */
struct key {
    const struct slices *s;
    uint64_t slice;
};

static int order(const struct slices *s, uint64_t a, uint64_t b)
{
    const bool is_float = dtype_is_float(s->v->dtype);
    for (uint64_t e = 0; e < s->each; e++) {
        const uint64_t i = element(s, a, e);
        const uint64_t j = element(s, b, e);
        const double x = elem_f64(s->v->dtype, s->v->data.data, i);
        const double y = elem_f64(s->v->dtype, s->v->data.data, j);
        const int64_t m = elem_i64(s->v->dtype, s->v->data.data, i);
        const int64_t k = elem_i64(s->v->dtype, s->v->data.data, j);
        if (is_float ? x < y : m < k) {
            return -1;
        }
        if (is_float ? x > y : m > k) {
            return 1;
        }
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct key *const x = a;
    const struct key *const y = b;
    const int by_value = order(x->s, x->slice, y->slice);
    return by_value != 0         ? by_value
           : x->slice < y->slice ? -1
                                 : x->slice > y->slice;
}

bool unique_find(const struct graph *g, struct cx *cx, const struct node *n,
                 struct unique *u)
{
    const struct value *const v = node_in(g, n, 0);
    const bool is_sorted = node_int(n, "sorted", 1) != 0;
    uint64_t count = 0;
    *u = (struct unique){0};
    if (!shape_count(&v->shape, &count) || count >= UINT64_C(1) << 24) {
        return node_error(cx, n, E_TOO_BIG,
                          "it has %s elements to compare; 2^24 are too many",
                          shape_text(&v->shape).text);
    }
    struct slices s = {v, count, 1, 1};
    if (node_attr(n, "axis")) {
        if (!axis_resolve(cx, n, node_int(n, "axis", 0), v->shape.rank,
                          &u->axis)) {
            return false;
        }
        for (uint32_t k = u->axis + 1; k < v->shape.rank; k++) {
            s.inner *= (uint64_t)v->shape.dim[k];
        }
        s.n_slice = (uint64_t)v->shape.dim[u->axis];
        s.each = s.n_slice ? count / s.n_slice : 0;
        s.inner = s.inner ? s.inner : 1;
    }
    struct key *const key = arena_new(cx->scratch, struct key, s.n_slice);
    uint64_t *const own = arena_new(cx->scratch, uint64_t, s.n_slice);
    uint64_t *const of = arena_new(cx->scratch, uint64_t, s.n_slice);
    uint64_t *const first = arena_new(cx->scratch, uint64_t, s.n_slice);
    if (!key || !own || !of || !first) {
        return false;
    }
    for (uint64_t i = 0; i < s.n_slice; i++) {
        key[i] = (struct key){&s, i};
    }
    qsort(key, s.n_slice, sizeof key[0], compare);
    for (uint64_t i = 0; i < s.n_slice; i++) {
        if (i == 0 || order(&s, key[i - 1].slice, key[i].slice) != 0) {
            own[u->n++] = key[i].slice;
        }
        first[key[i].slice] = own[u->n - 1];
        of[key[i].slice] = u->n - 1;
    }
    /* Unsorted: by first appearance. */
    for (uint64_t i = 0, k = 0; !is_sorted && i < s.n_slice; i++) {
        if (first[i] == i) {
            own[k] = i;
            of[i] = k++;
        } else {
            of[i] = of[first[i]];
        }
    }
    u->n_slice = s.n_slice;
    u->own = own;
    u->of = of;
    return true;
}
