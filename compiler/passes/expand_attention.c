/* Attention with a past, softcap or scores as output; positions; causal
 * convolutions with a state. */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "passes/expand.h"

static const uint32_t swap_heads[4] = {0, 2, 1, 3};
static const uint32_t swap_last[4] = {0, 1, 3, 2};

/* Input i as [batch, heads, rows, size]. */
static uint32_t with_heads(struct expand *e, uint32_t i, int64_t heads)
{
    const uint32_t v = ex_in(e, i);
    const struct shape s = ex_shape(e, v);
    if (s.rank == 4) {
        return v;
    }
    const int64_t dim[4] = {s.dim[0], s.dim[1], heads, s.dim[2] / heads};
    return ex_permute(e, ex_reshape(e, v, dim, 4), swap_heads, 4);
}

/* past, then now. */
static uint32_t with_past(struct expand *e, uint32_t i, uint32_t now)
{
    const uint32_t both[2] = {ex_in(e, i), now};
    return both[0] == VALUE_NONE ? now : ex_concat(e, both, 2, 2);
}

/* 0 where the condition holds, else minus infinity. */
static uint32_t as_bias(struct expand *e, uint32_t condition, enum dtype t)
{
    return ex_op3(e, OP_WHERE, condition, ex_number(e, t, 0),
                  ex_number(e, t, -INFINITY));
}

/* a + b; either may be absent. */
static uint32_t sum_of(struct expand *e, uint32_t a, uint32_t b)
{
    return a == VALUE_NONE ? b : b == VALUE_NONE ? a : ex_op2(e, OP_ADD, a, b);
}

/* The mask given, as long as the keys are: what it lacks is masked. */
static uint32_t full_mask(struct expand *e, const struct attention_params *a)
{
    const uint32_t mask = ex_in(e, 3);
    const struct shape s =
        mask == VALUE_NONE ? (struct shape){0} : ex_shape(e, mask);
    const uint32_t last = s.rank - 1;
    if (s.rank == 0 || s.dim[last] == a->keys || s.dim[last] == 1) {
        return mask;
    }
    struct shape rest = s;
    rest.dim[last] = a->keys - s.dim[last];
    const enum dtype t = ex_type(e, mask);
    const uint32_t none = ex_number(e, t, t == DTYPE_BOOL ? 0 : -INFINITY);
    const uint32_t both[2] = {mask, ex_expand(e, none, &rest)};
    return ex_concat(e, both, 2, last);
}

/* Key j is seen by query i while j <= i + offset: offset is that of the past,
 * or, of a cache of which only lens keys are in use, lens - queries. */
static uint32_t causal_bias(struct expand *e, const struct attention_params *a,
                            enum dtype t)
{
    const uint32_t i = ex_count(e, DTYPE_I64, a->queries, 2, 4);
    const uint32_t j = ex_count(e, DTYPE_I64, a->keys, 3, 4);
    const int64_t column[4] = {-1, 1, 1, 1};
    uint32_t offset = ex_number(e, DTYPE_I64, (double)a->past);
    if (ex_in(e, 6) != VALUE_NONE && a->past == 0) {
        const uint32_t n = ex_number(e, DTYPE_I64, (double)a->queries);
        offset = ex_op2(e, OP_SUB, ex_reshape(e, ex_in(e, 6), column, 4), n);
    }
    const uint32_t end = ex_op2(e, OP_ADD, i, offset);
    return as_bias(e, ex_op2(e, OP_LESS_OR_EQUAL, j, end), t);
}

/* Keys from lens on are not in use. */
static uint32_t length_bias(struct expand *e, const struct attention_params *a,
                            enum dtype t)
{
    const int64_t column[4] = {-1, 1, 1, 1};
    const uint32_t j = ex_count(e, DTYPE_I64, a->keys, 3, 4);
    const uint32_t lens = ex_reshape(e, ex_in(e, 6), column, 4);
    return as_bias(e, ex_op2(e, OP_LESS, j, lens), t);
}

/* Each head as often as query heads share it. */
static uint32_t repeat_heads(struct expand *e, uint32_t v, int64_t times)
{
    const struct shape s = ex_shape(e, v);
    const int64_t at = 2;
    const struct shape wide = {5,
                               {s.dim[0], s.dim[1], times, s.dim[2], s.dim[3]}};
    const int64_t flat[4] = {s.dim[0], s.dim[1] * times, s.dim[2], s.dim[3]};
    return times == 1
               ? v
               : ex_reshape(
                     e,
                     ex_expand(e, ex_over(e, OP_UNSQUEEZE, v, &at, 1), &wide),
                     flat, 4);
}

/* The parts of one attention, with heads. */
struct parts {
    uint32_t q;
    uint32_t k;
    uint32_t v;
    uint32_t bias;
};

/* Scores as tensors; *scores: what output 3 is, by its mode. */
static uint32_t emit_scores(struct expand *e, const struct attention_params *a,
                            const struct parts *p, uint32_t *scores)
{
    const float softcap = node_float(ex_self(e), "softcap", 0.0F);
    const int64_t mode = node_int(ex_self(e), "qk_matmul_output_mode", 0);
    const int64_t times = a->q_heads / a->kv_heads;
    const enum dtype t = ex_type(e, p->q);
    const uint32_t scale = ex_number(e, t, sqrt(a->scale));
    const uint32_t k = repeat_heads(e, p->k, times);
    const uint32_t v = repeat_heads(e, p->v, times);
    const uint32_t turned =
        ex_permute(e, ex_op2(e, OP_MUL, k, scale), swap_last, 4);
    uint32_t x = ex_op2(e, OP_MATMUL, ex_op2(e, OP_MUL, p->q, scale), turned);
    *scores = x;
    if (softcap != 0.0F) {
        const uint32_t cap = ex_number(e, t, (double)softcap);
        x = ex_op1(e, OP_TANH, ex_op2(e, OP_DIV, x, cap));
        x = ex_op2(e, OP_MUL, x, cap);
        *scores = mode == 1 ? x : *scores;
    }
    x = sum_of(e, x, p->bias);
    *scores = mode == 2 ? x : *scores;
    uint32_t weight = ex_axis(e, OP_SOFTMAX, x, VALUE_NONE, 3);
    *scores = mode == 3 ? weight : *scores;
    if (p->bias != VALUE_NONE) { /* a query that sees no key gets 0 */
        const int64_t axis = 3;
        const uint32_t top = ex_over(e, OP_REDUCE_MAX, x, &axis, 1);
        const uint32_t is_blind =
            ex_op2(e, OP_EQUAL, top, ex_number(e, t, -INFINITY));
        weight = ex_op3(e, OP_WHERE, is_blind, ex_number(e, t, 0), weight);
    }
    return ex_op2(e, OP_MATMUL, weight, v);
}

bool expand_attention(struct expand *e)
{
    const struct node *const n = ex_self(e);
    struct attention_params a;
    if (!attention_params(e->g, e->cx, n, &a)) {
        return false;
    }
    const bool wants_scores =
        ex_out(e, 3) != VALUE_NONE || node_float(n, "softcap", 0.0F) != 0.0F;
    const bool has_past = ex_in(e, 4) != VALUE_NONE;
    const bool has_lens = ex_in(e, 6) != VALUE_NONE;
    const uint32_t mask = full_mask(e, &a);
    if (!wants_scores && !has_past && !has_lens && mask == ex_in(e, 3) &&
        ex_out(e, 1) == VALUE_NONE && ex_out(e, 2) == VALUE_NONE) {
        return e->is_ok;
    }
    struct parts p = {
        .q = with_heads(e, 0, a.q_heads),
        .k = with_past(e, 4, with_heads(e, 1, a.kv_heads)),
        .v = with_past(e, 5, with_heads(e, 2, a.kv_heads)),
        .bias = mask,
    };
    ex_give(e, 1, p.k);
    ex_give(e, 2, p.v);
    const enum dtype t = ex_type(e, p.q);
    /* A single query of a cache sees all of it. */
    const bool is_causal =
        a.is_causal && (has_lens || a.queries > 1 || a.past + 1 < a.keys);
    const bool adds = is_causal || has_lens || wants_scores;
    if (adds && mask != VALUE_NONE && ex_type(e, mask) == DTYPE_BOOL) {
        p.bias = as_bias(e, mask, t);
    }
    if (is_causal) {
        p.bias = sum_of(e, p.bias, causal_bias(e, &a, t));
    }
    if (has_lens) {
        p.bias = sum_of(e, p.bias, length_bias(e, &a, t));
    }
    uint32_t y;
    if (wants_scores) {
        uint32_t scores = VALUE_NONE;
        y = emit_scores(e, &a, &p, &scores);
        ex_give(e, 3, scores);
    } else {
        const uint32_t in[4] = {p.q, p.k, p.v, p.bias};
        const struct attr attr = {
            .name = "scale", .kind = ATTR_FLOAT, .f = (float)a.scale};
        y = ex_node(e, VALUE_NONE, OP_ATTENTION, in, 4, &attr, 1);
    }
    if (!a.has_heads) {
        const int64_t flat[3] = {a.batch, a.queries, a.q_heads * a.v_size};
        y = ex_reshape(e, ex_permute(e, y, swap_heads, 4), flat, 3);
    }
    ex_give(e, 0, y);
    return ex_done(e);
}

/* Elements first, first + step, .. of the last dimension, below `to`. */
static uint32_t every(struct expand *e, uint32_t v, int64_t first, int64_t to,
                      int64_t step)
{
    const int64_t last = (int64_t)ex_shape(e, v).rank - 1;
    const uint32_t in[5] = {v, ex_ints(e, &first, 1, 1), ex_ints(e, &to, 1, 1),
                            ex_ints(e, &last, 1, 1), ex_ints(e, &step, 1, 1)};
    return ex_node(e, VALUE_NONE, OP_SLICE, in, 5, NULL, 0);
}

/* Pairs of elements (a half apart, or neighbours) turned by an angle that
 * depends on the row. */
bool expand_rotary(struct expand *e)
{
    struct rotary_params r;
    if (!rotary_params(e->g, e->cx, ex_self(e), &r)) {
        return false;
    }
    const int64_t half = r.turned / 2;
    const int64_t split[4] = {r.batch, r.rows, r.heads, r.size};
    const int64_t table[4] = {r.batch, r.rows, 1, half};
    uint32_t x = ex_in(e, 0);
    x = r.has_heads ? ex_permute(e, x, swap_heads, 4)
                    : ex_reshape(e, x, split, 4);
    uint32_t turn[2];
    for (uint32_t i = 0; i < 2; i++) {
        turn[i] = ex_in(e, 1 + i);
        if (ex_in(e, 3) != VALUE_NONE) {
            turn[i] = ex_axis(e, OP_GATHER, turn[i], ex_in(e, 3), 0);
        }
        turn[i] = ex_reshape(e, turn[i], table, 4);
    }
    const int64_t step = r.is_interleaved ? 2 : 1;
    const uint32_t a = every(e, x, 0, r.is_interleaved ? r.turned : half, step);
    const uint32_t b = every(e, x, r.is_interleaved ? 1 : half, r.turned, step);
    uint32_t part[3] = {
        ex_op2(e, OP_SUB, ex_op2(e, OP_MUL, turn[0], a),
               ex_op2(e, OP_MUL, turn[1], b)),
        ex_op2(e, OP_ADD, ex_op2(e, OP_MUL, turn[1], a),
               ex_op2(e, OP_MUL, turn[0], b)),
    };
    uint32_t n_part = 2;
    if (r.is_interleaved) {
        const int64_t last = 4;
        const int64_t joined[4] = {r.batch, r.rows, r.heads, r.turned};
        part[0] = ex_over(e, OP_UNSQUEEZE, part[0], &last, 1);
        part[1] = ex_over(e, OP_UNSQUEEZE, part[1], &last, 1);
        part[0] = ex_reshape(e, ex_concat(e, part, 2, 4), joined, 4);
        n_part = 1;
    }
    if (r.turned < r.size) {
        part[n_part++] = every(e, x, r.turned, r.size, 1);
    }
    uint32_t y = n_part > 1 ? ex_concat(e, part, n_part, 3) : part[0];
    const struct shape s = ex_shape(e, ex_in(e, 0));
    y = r.has_heads ? ex_permute(e, y, swap_heads, 4)
                    : ex_reshape(e, y, s.dim, s.rank);
    ex_give(e, 0, y);
    return ex_done(e);
}

/* The state, then the input, through a depthwise convolution. */
bool expand_causal_conv(struct expand *e)
{
    const bool has_act =
        strcmp(node_string(ex_self(e), "activation", "none"), "none") != 0;
    const struct shape s = ex_shape(e, ex_in(e, 0));
    const int64_t keeps = ex_shape(e, ex_in(e, 1)).dim[2] - 1;
    const enum dtype t = ex_type(e, ex_in(e, 0));
    uint32_t x = ex_in(e, 0);
    if (keeps > 0) {
        const struct shape state = {3, {s.dim[0], s.dim[1], keeps}};
        uint32_t both[2] = {ex_in(e, 3), x};
        if (both[0] == VALUE_NONE) {
            both[0] = ex_expand(e, ex_number(e, t, 0), &state);
        }
        x = ex_concat(e, both, 2, 2);
    }
    ex_give(e, 1, ex_slice(e, x, 2, s.dim[2], s.dim[2] + keeps));
    const uint32_t in[3] = {x, ex_in(e, 1), ex_in(e, 2)};
    const struct attr attr = {.name = "group", .kind = ATTR_INT, .i = s.dim[1]};
    uint32_t y = ex_node(e, VALUE_NONE, OP_CONV, in, 3, &attr, 1);
    y = has_act ? ex_op2(e, OP_MUL, y, ex_op1(e, OP_SIGMOID, y)) : y;
    ex_give(e, 0, y);
    return ex_done(e);
}
