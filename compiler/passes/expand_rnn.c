/* RNN, GRU, LSTM: what their inputs give is one product for all times, which
 * streams its weights and runs as fast as any; the node keeps the rest. */
#include "passes/expand.h"

/* Both biases added, [directions][gates * hidden]. That of a reset after is
 * left out, as it is no summand: it comes back in *after. */
static uint32_t emit_bias(struct expand *e, uint32_t b,
                          const struct rnn_params *r, uint32_t *after)
{
    const int64_t gates = r->n_gate * r->hidden;
    const uint32_t of_x = ex_slice(e, b, 1, 0, gates);
    if (r->kind != RNN_GRU || !r->resets_after) {
        return ex_op2(e, OP_ADD, of_x, ex_slice(e, b, 1, gates, 2 * gates));
    }
    const int64_t last = 2 * gates - r->hidden;
    const uint32_t both[2] = {ex_op2(e, OP_ADD,
                                     ex_slice(e, b, 1, 0, 2 * r->hidden),
                                     ex_slice(e, b, 1, gates, last)),
                              ex_slice(e, b, 1, 2 * r->hidden, gates)};
    *after = ex_slice(e, b, 1, last, 2 * gates);
    return ex_concat(e, both, 2, 1);
}

bool expand_rnn(struct expand *e)
{
    static const uint32_t turn2[2] = {1, 0};
    static const uint32_t turn3[3] = {1, 0, 2};
    static const uint32_t turn_r[3] = {0, 2, 1};
    struct rnn_params r;
    if (!rnn_params(e->g, e->cx, ex_self(e), &r)) {
        return false;
    }
    const int64_t inputs = ex_shape(e, ex_in(e, 1)).dim[2];
    const int64_t gates = r.n_gate * r.hidden;
    const int64_t flat_x[2] = {r.times * r.batch, inputs};
    const int64_t flat_w[2] = {r.n_dir * gates, inputs};
    const int64_t flat_b[1] = {r.n_dir * gates};
    const int64_t full[4] = {r.times, r.batch, r.n_dir, gates};
    uint32_t x = ex_in(e, 0);
    x = r.is_batch_first ? ex_permute(e, x, turn3, 3) : x;
    x = ex_reshape(e, x, flat_x, 2);
    const uint32_t w = ex_reshape(e, ex_in(e, 1), flat_w, 2);
    x = ex_op2(e, OP_MATMUL, x, ex_permute(e, w, turn2, 2));
    uint32_t after = VALUE_NONE;
    if (ex_in(e, 3) != VALUE_NONE) {
        const uint32_t b = emit_bias(e, ex_in(e, 3), &r, &after);
        x = ex_op2(e, OP_ADD, x, ex_reshape(e, b, flat_b, 1));
    }
    x = ex_reshape(e, x, full, 4);
    const uint32_t rec = ex_permute(e, ex_in(e, 2), turn_r, 3);
    if (e->is_ok) {
        struct node *const n = &e->g->node[e->node];
        n->in[RNN_IN_X] = x;
        n->in[1] = VALUE_NONE;
        n->in[RNN_IN_R] = rec;
        if (n->n_in > RNN_IN_AFTER) {
            n->in[RNN_IN_AFTER] = after;
        }
    }
    return e->is_ok;
}
