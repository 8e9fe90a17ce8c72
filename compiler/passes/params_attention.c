#include <inttypes.h>
#include <math.h>
#include <string.h>

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
    const struct value *const past = node_in(g, n, 4);
    const struct value *const past_v = node_in(g, n, 5);
    const int64_t n_past =
        past && past->shape.rank == 4 ? past->shape.dim[2] : 0;
    const struct shape want = {4, {k[0], k[1], n_past, k[3]}};
    const struct shape want_v = {4, {v[0], v[1], n_past, v[3]}};
    if (!past != !past_v || (past && !shape_equal(&past->shape, &want)) ||
        (past_v && !shape_equal(&past_v->shape, &want_v))) {
        return node_error(cx, n, E_SHAPE,
                          "its past keys and values do not fit %s and %s",
                          shape_text(&node_in(g, n, 1)->shape).text,
                          shape_text(&node_in(g, n, 2)->shape).text);
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
        .keys = k[2] + n_past,
        .past = n_past,
        .head_size = q[3],
        .v_size = v[3],
        .scale = scale ? (double)scale->f : 1.0 / sqrt((double)q[3]),
        .is_causal = node_int(n, "is_causal", 0) != 0,
    };
    return true;
}

bool linear_params(const struct graph *g, struct cx *cx, const struct node *n,
                   struct linear_params *p)
{
    static const char *const rules[] = {"linear", "gated", "delta",
                                        "gated_delta"};
    const struct shape *const q = &node_in(g, n, 0)->shape;
    const struct shape *const k = &node_in(g, n, 1)->shape;
    const struct shape *const v = &node_in(g, n, 2)->shape;
    const struct value *const decay = node_in(g, n, 4);
    const struct value *const beta = node_in(g, n, 5);
    const char *const name = node_string(n, "update_rule", "gated_delta");
    uint32_t rule = 0;
    while (rule < ARRAY_LEN(rules) && strcmp(rules[rule], name) != 0) {
        rule++;
    }
    if (rule == ARRAY_LEN(rules) || !decay != !(rule & 1U) ||
        !beta != !(rule & 2U)) {
        return node_error(cx, n, E_OP_ATTR,
                          "update rule '%s' does not go with the inputs given",
                          name);
    }
    const int64_t heads = node_int(n, "q_num_heads", 0);
    const int64_t kv = node_int(n, "kv_num_heads", 0);
    bool is_ok = q->rank == 3 && k->rank == 3 && v->rank == 3 && heads > 0 &&
                 kv > 0 && heads % kv == 0 && q->dim[2] % heads == 0 &&
                 k->dim[2] % kv == 0 && v->dim[2] % kv == 0;
    for (uint32_t i = 0; is_ok && i < 2; i++) {
        is_ok = q->dim[i] == k->dim[i] && q->dim[i] == v->dim[i] &&
                (!decay || (decay->shape.rank == 3 &&
                            decay->shape.dim[i] == q->dim[i])) &&
                (!beta ||
                 (beta->shape.rank == 3 && beta->shape.dim[i] == q->dim[i]));
    }
    const int64_t size = is_ok ? q->dim[2] / heads : 0;
    const int64_t n_decay = decay && is_ok ? decay->shape.dim[2] : 0;
    const int64_t n_beta = beta && is_ok ? beta->shape.dim[2] : 0;
    if (!is_ok || k->dim[2] / kv != size ||
        (decay && n_decay != kv && n_decay != kv * size) ||
        (beta && n_beta != kv && n_beta != 1)) {
        return node_error(cx, n, E_SHAPE,
                          "its inputs do not fit %" PRId64 " and %" PRId64
                          " heads of %s",
                          heads, kv, shape_text(q).text);
    }
    const double scale = (double)node_float(n, "scale", 0.0F);
    *p = (struct linear_params){
        .batch = q->dim[0],
        .times = q->dim[1],
        .q_heads = heads,
        .kv_heads = kv,
        .key_size = size,
        .v_size = v->dim[2] / kv,
        .decay_size = n_decay / kv,
        .beta_heads = n_beta,
        .scale = scale != 0 ? scale : 1.0 / sqrt((double)size),
    };
    return true;
}

bool rotary_params(const struct graph *g, struct cx *cx, const struct node *n,
                   struct rotary_params *p)
{
    const struct shape *const x = &node_in(g, n, 0)->shape;
    const struct shape *const c = &node_in(g, n, 1)->shape;
    const struct shape *const s = &node_in(g, n, 2)->shape;
    const struct value *const place = node_in(g, n, 3);
    const int64_t heads = node_int(n, "num_heads", 0);
    *p = (struct rotary_params){
        .has_heads = x->rank == 4,
        .is_interleaved = node_int(n, "interleaved", 0) != 0,
    };
    if (x->rank == 4) {
        p->batch = x->dim[0];
        p->heads = x->dim[1];
        p->rows = x->dim[2];
        p->size = x->dim[3];
    } else if (x->rank == 3 && heads > 0 && x->dim[2] % heads == 0) {
        p->batch = x->dim[0];
        p->rows = x->dim[1];
        p->heads = heads;
        p->size = x->dim[2] / heads;
    } else {
        return node_error(cx, n, E_SHAPE,
                          "its input is %s of %" PRId64 " heads",
                          shape_text(x).text, heads);
    }
    p->turned = node_int(n, "rotary_embedding_dim", 0);
    p->turned = p->turned > 0 ? p->turned : p->size;
    const struct shape places = {2, {p->batch, p->rows}};
    bool is_ok = p->turned <= p->size && p->turned % 2 == 0 &&
                 shape_equal(c, s) && c->rank == (place ? 2U : 3U) &&
                 c->dim[c->rank - 1] == p->turned / 2;
    if (is_ok && place) {
        is_ok = shape_equal(&place->shape, &places);
    } else if (is_ok) {
        is_ok = c->dim[0] == p->batch && c->dim[1] == p->rows;
    }
    return is_ok ||
           node_error(cx, n, E_SHAPE, "its table of %s does not fit %s",
                      shape_text(c).text, shape_text(x).text);
}
