#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "passes/params.h"

bool scatter_params(struct cx *cx, const struct node *n,
                    enum scatter_kind *kind)
{
    static const char *const names[] = {
        [SCATTER_SET] = "none", [SCATTER_ADD] = "add", [SCATTER_MUL] = "mul",
        [SCATTER_MAX] = "max",  [SCATTER_MIN] = "min",
    };
    const char *const name = node_string(n, "reduction", "none");
    for (uint32_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *kind = (enum scatter_kind)i;
            return true;
        }
    }
    return node_error(cx, n, E_OP_ATTR,
                      "attribute 'reduction' is '%s'; it must be none, add, "
                      "mul, max or min",
                      name);
}

bool scan_axis(const struct graph *g, struct cx *cx, const struct node *n,
               uint32_t *axis)
{
    double x;
    if (!node_in_f64(g, cx, n, 1, 0, &x)) {
        return false;
    }
    const double at =
        x >= -TENSOR_MAX_RANK && x <= TENSOR_MAX_RANK ? x : TENSOR_MAX_RANK + 1;
    return axis_resolve(cx, n, (int64_t)at, node_in(g, n, 0)->shape.rank, axis);
}

bool nms_most(const struct graph *g, struct cx *cx, const struct node *n,
              int64_t *most)
{
    double x;
    if (!node_in_f64(g, cx, n, 2, 0, &x)) {
        return false;
    }
    const struct shape *const scores = &node_in(g, n, 1)->shape;
    const int64_t n_box = scores->rank == 3 ? scores->dim[2] : 0;
    *most = !(x > 0) ? 0 : x >= (double)n_box ? n_box : (int64_t)x;
    return true;
}

/* Lengths and ranges of the pool; the rest relies on them. */
static bool check_pool(struct cx *cx, const struct node *n,
                       const struct tfidf_params *p)
{
    uint64_t n_gram = 0;
    for (uint32_t i = 0; i < p->n_size; i++) {
        const int64_t end = i + 1 < p->n_size ? p->first[i + 1] : p->n_pool;
        if (p->first[i] < 0 || end < p->first[i] || end > p->n_pool ||
            (end - p->first[i]) % (i + 1) != 0) {
            return node_error(cx, n, E_OP_ATTR,
                              "ngram_counts and the pool do not fit");
        }
        n_gram += (uint64_t)(end - p->first[i]) / (i + 1);
    }
    if (p->n_size == 0 || p->first[0] != 0 || n_gram != p->n_gram ||
        p->max_gram > p->n_size) {
        return node_error(cx, n, E_OP_ATTR,
                          "the pool has %" PRIu64 " n-grams of up to %u, "
                          "ngram_indexes %u of up to %u",
                          n_gram, p->n_size, p->n_gram, p->max_gram);
    }
    return true;
}

bool tfidf_params(const struct graph *g, struct cx *cx, const struct node *n,
                  struct tfidf_params *p)
{
    const struct value *const x = node_in(g, n, 0);
    const struct attr *const weight = node_attr(n, "weights");
    const char *const mode = node_string(n, "mode", "");
    const int64_t least = node_int(n, "min_gram_length", 0);
    const int64_t most = node_int(n, "max_gram_length", 0);
    const int64_t skip = node_int(n, "max_skip_count", -1);
    *p = (struct tfidf_params){.counts = strcmp(mode, "IDF") != 0,
                               .weighs = strcmp(mode, "TF") != 0};
    p->pool = node_ints(n, "pool_int64s", &p->n_pool);
    p->first = node_ints(n, "ngram_counts", &p->n_size);
    p->out = node_ints(n, "ngram_indexes", &p->n_gram);
    if (!p->pool || (x->dtype != DTYPE_I32 && x->dtype != DTYPE_I64)) {
        return node_error(cx, n, E_UNSUPPORTED, "words must be integers");
    }
    if ((p->counts && p->weighs && strcmp(mode, "TFIDF") != 0) || least < 1 ||
        most < least || most > UINT16_MAX || skip < 0 || skip > UINT16_MAX ||
        !p->first || !p->out || p->n_gram == 0) {
        return node_error(cx, n, E_OP_ATTR,
                          "mode '%s', n-grams of %" PRId64 " to %" PRId64
                          " words and %" PRId64 " skipped do not fit",
                          mode, least, most, skip);
    }
    p->min_gram = (uint32_t)least;
    p->max_gram = (uint32_t)most;
    p->max_skip = (uint32_t)skip;
    if (x->shape.rank < 1 || x->shape.rank > 2) {
        return node_error(cx, n, E_SHAPE, "words of %s; they are [C] or [N,C]",
                          shape_text(&x->shape).text);
    }
    p->n_word = x->shape.dim[x->shape.rank - 1];
    p->n_batch = x->shape.rank == 2 ? x->shape.dim[0] : 1;
    if (weight && weight->n != p->n_gram) {
        return node_error(cx, n, E_OP_ATTR, "%u weights for %u n-grams",
                          weight->n, p->n_gram);
    }
    p->weight = weight ? weight->floats : NULL;
    for (uint32_t i = 0; i < p->n_gram; i++) {
        if (p->out[i] < 0 || p->out[i] > INT32_MAX - 1) {
            return node_error(cx, n, E_OP_ATTR, "ngram_indexes has %" PRId64,
                              p->out[i]);
        }
        p->n_out = p->out[i] >= p->n_out ? p->out[i] + 1 : p->n_out;
    }
    return check_pool(cx, n, p);
}
