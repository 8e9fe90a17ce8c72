/* Which layers a run may skip. Of a Where by one bool only one side is looked
 * at, so that a layer whose result is read on one side alone need not run when
 * the other is taken: the sides of an If, after all fusing. Backwards over the
 * layers: on which side buffers are read.
 *
 * A side within a side has the outer one's guard: what the inner condition
 * decides is computed on both of its sides. */
#include "base/arena.h"
#include "passes/lower_draft.h"

/* When what a buffer holds is looked at: always, if there is no guard. */
struct demand {
    bool is_read;
    enum layer_guard guard;
    uint32_t condition; /* a buffer */
};

static struct demand join(struct demand a, struct demand b)
{
    if (!a.is_read) {
        return b;
    }
    return a.guard == b.guard && a.condition == b.condition
               ? a
               : (struct demand){.is_read = true};
}

/* A layer chooses between its operands side[0] and side[1], UINT32_MAX for
 * a number, by the first element of buffer `condition`. */
struct choice {
    uint32_t condition;
    uint32_t side[2];
};

static bool is_choice(const struct layers *l, const struct layer *y,
                      struct choice *c)
{
    const struct expr_step *const step = y->p.ewise.step;
    if (y->kind != LAYER_EWISE || y->p.ewise.n_step != 4 ||
        step[0].op != EXPR_IN || step[3].op != EXPR_SELECT) {
        return false;
    }
    const struct operand *const o = &y->in[step[0].ix];
    if (o->dtype != DTYPE_BOOL || o->buf >= l->n_buf ||
        (l->buf[o->buf].is_input && l->buf[o->buf].is_output)) {
        return false;
    }
    int64_t stride[TENSOR_MAX_RANK];
    int64_t off;
    operand_linear(l, y, o, &off, stride);
    for (uint32_t k = 0; k < o->rank; k++) {
        off += o->dim[k] > 1 && stride[k] != 0 ? 1 : 0;
    }
    c->condition = o->buf;
    for (uint32_t i = 0; i < 2; i++) {
        c->side[i] = step[1 + i].op == EXPR_IN ? step[1 + i].ix : UINT32_MAX;
    }
    return off == 0;
}

/* On which side layer y, itself read on `own`, reads its operand. */
static struct demand demand_of(const struct layers *l, const struct layer *y,
                               uint32_t operand, struct demand own)
{
    struct choice c;
    struct demand d = {.is_read = true};
    if (own.guard != GUARD_NONE) {
        return own;
    }
    if (is_choice(l, y, &c) && c.side[0] != c.side[1] &&
        (operand == c.side[0] || operand == c.side[1])) {
        d.guard = operand == c.side[0] ? GUARD_IF : GUARD_UNLESS;
        d.condition = c.condition;
    }
    return d;
}

/* Written before layer ix: then it is there when the layer comes up. */
static bool is_known(const struct layers *l, uint32_t buf, uint32_t ix)
{
    for (uint32_t i = ix; i < l->n_layer; i++) {
        if (l->layer[i].out.buf == buf) {
            return false;
        }
    }
    return true;
}

static void set_guard(const struct layers *l, struct layer *y, struct demand d)
{
    y->guard = d.guard;
    y->in[y->n_in] = (struct operand){
        .buf = d.condition,
        .dtype = DTYPE_BOOL,
        .rank = 1,
        .dim = {1},
        .map = {.all = true, .in_rows = l->buf[d.condition].rows},
    };
}

bool lower_guard(struct cx *cx, struct layers *l)
{
    struct demand *const read = arena_new(cx->scratch, struct demand, l->n_buf);
    for (uint32_t i = l->n_layer; read && i-- > 0;) {
        struct layer *const y = &l->layer[i];
        const struct buffer *const out = &l->buf[y->out.buf];
        const struct demand own = out->is_input || out->is_output
                                      ? (struct demand){.is_read = true}
                                      : read[y->out.buf];
        if (own.guard != GUARD_NONE && y->n_in < LAYER_MAX_IN &&
            is_known(l, own.condition, i)) {
            set_guard(l, y, own);
        }
        for (uint32_t k = 0; k < y->n_in; k++) {
            if (y->in[k].buf < l->n_buf) {
                struct demand *const d = &read[y->in[k].buf];
                *d = join(*d, demand_of(l, y, k, own));
            }
        }
    }
    layers_finish(l);
    return read != NULL;
}
