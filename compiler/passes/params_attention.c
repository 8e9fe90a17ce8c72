#include <inttypes.h>
#include <math.h>

#include "passes/params.h"

/* [batch, heads, rows, size] of input i. */
static bool sizes_of(const struct graph *g, struct cx *cx, const struct node *n,
                     uint32_t i, int64_t heads, int64_t out[4])
{
    const struct value *const v = node_in(g, n, i);
    const struct shape *const s = &v->shape;
    if (s->rank == 4) {
        for (uint32_t k = 0; k < 4; k++) {
            out[k] = s->dim[k];
        }
        return true;
    }
    if (s->rank != 3) {
        return node_error(cx, n, E_SHAPE,
                          "'%s' is %s; it must have 3 or 4 dimensions", v->name,
                          shape_text(s).text);
    }
    if (heads <= 0 || s->dim[2] % heads != 0) {
        return node_error(cx, n, E_OP_ATTR,
                          "%" PRId64 " heads do not divide the %" PRId64
                          " channels of '%s'",
                          heads, s->dim[2], v->name);
    }
    out[0] = s->dim[0];
    out[1] = heads;
    out[2] = s->dim[1];
    out[3] = s->dim[2] / heads;
    return true;
}

bool attention_params(const struct graph *g, struct cx *cx,
                      const struct node *n, struct attention_params *a)
{
    const int64_t kv_heads = node_int(n, "kv_num_heads", 0);
    int64_t q[4] = {0};
    int64_t k[4] = {0};
    int64_t v[4] = {0};
    if (!sizes_of(g, cx, n, 0, node_int(n, "q_num_heads", 0), q) ||
        !sizes_of(g, cx, n, 1, kv_heads, k) ||
        !sizes_of(g, cx, n, 2, kv_heads, v)) {
        return false;
    }
    if (q[0] != k[0] || q[0] != v[0] || k[1] != v[1] || k[2] != v[2] ||
        q[3] != k[3] || k[1] <= 0 || q[1] % k[1] != 0) {
        return node_error(cx, n, E_SHAPE,
                          "its queries %s, keys %s and values %s do not fit",
                          shape_text(&node_in(g, n, 0)->shape).text,
                          shape_text(&node_in(g, n, 1)->shape).text,
                          shape_text(&node_in(g, n, 2)->shape).text);
    }
    const struct attr *const scale = node_attr(n, "scale");
    *a = (struct attention_params){
        .has_heads = node_in(g, n, 0)->shape.rank == 4,
        .batch = q[0],
        .q_heads = q[1],
        .kv_heads = k[1],
        .queries = q[2],
        .keys = k[2],
        .head_size = q[3],
        .v_size = v[3],
        .scale = scale ? (double)scale->f : 1.0 / sqrt((double)q[3]),
        .is_causal = node_int(n, "is_causal", 0) != 0,
    };
    return true;
}
