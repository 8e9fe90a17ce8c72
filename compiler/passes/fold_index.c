/* Results whose size depends on values. */
#include "passes/elem.h"
#include "passes/fold.h"
#include "passes/unique.h"

enum fold_end fold_nonzero(struct fold *f, const struct node *n)
{
    const struct value in = *node_in(f->g, n, 0);
    const uint64_t found = (uint64_t)node_out(f->g, n, 0)->shape.dim[1];
    uint8_t *const dst = fold_alloc(f, n, 0);
    uint64_t count = 0;
    if (!dst || !shape_count(&in.shape, &count)) {
        return FOLD_FAILED;
    }
    uint64_t k = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t rest = i;
        if (!elem_is_set(in.dtype, in.data.data, i)) {
            continue;
        }
        for (uint32_t d = in.shape.rank; d-- > 0;) {
            const uint64_t dim = (uint64_t)in.shape.dim[d];
            elem_put_i64(DTYPE_I64, dst, d * found + k, (int64_t)(rest % dim));
            rest /= dim;
        }
        k++;
    }
    return FOLD_DONE;
}

/* Places of the first of each, of each among the results, and how many. */
static bool put_lists(struct fold *f, const struct node *n,
                      const struct unique *u)
{
    for (uint32_t i = 1; i < 4; i++) {
        if (!node_out(f->g, n, i)) {
            continue;
        }
        uint8_t *const dst = fold_alloc(f, n, i);
        if (!dst) {
            return false;
        }
        for (uint64_t k = 0; k < (i == 2 ? u->n_slice : u->n); k++) {
            elem_put_i64(DTYPE_I64, dst, k,
                         (int64_t)(i == 1   ? u->own[k]
                                   : i == 2 ? u->of[k]
                                            : 0));
        }
        for (uint64_t k = 0; i == 3 && k < u->n_slice; k++) {
            const int64_t so_far = elem_i64(DTYPE_I64, dst, u->of[k]);
            elem_put_i64(DTYPE_I64, dst, u->of[k], so_far + 1);
        }
    }
    return true;
}

enum fold_end fold_unique(struct fold *f, const struct node *n)
{
    const struct value in = *node_in(f->g, n, 0);
    const uint32_t size = dtype_bytes(in.dtype);
    struct unique u;
    if (!unique_find(f->g, f->cx, n, &u) || !put_lists(f, n, &u)) {
        return FOLD_FAILED;
    }
    if (!node_out(f->g, n, 0)) {
        return FOLD_DONE;
    }
    uint8_t *const dst = fold_alloc(f, n, 0);
    uint64_t count = 0;
    if (!dst || !shape_count(&in.shape, &count)) {
        return FOLD_FAILED;
    }
    uint64_t inner = 1;
    for (uint32_t k = u.axis + 1; node_attr(n, "axis") && k < in.shape.rank;
         k++) {
        inner *= (uint64_t)in.shape.dim[k];
    }
    const uint64_t each = u.n_slice ? count / u.n_slice : 0;
    for (uint64_t k = 0; k < u.n; k++) {
        for (uint64_t i = 0; i < each; i++) {
            const uint64_t from =
                (i / inner * u.n_slice + u.own[k]) * inner + i % inner;
            const uint64_t to = (i / inner * u.n + k) * inner + i % inner;
            for (uint32_t b = 0; b < size; b++) {
                dst[to * size + b] = in.data.data[from * size + b];
            }
        }
    }
    return FOLD_DONE;
}
