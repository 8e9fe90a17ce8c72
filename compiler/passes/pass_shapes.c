#include "passes/passes.h"

#include <inttypes.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/size.h"
#include "passes/elem.h"
#include "passes/extent.h"
#include "passes/fold.h"
#include "passes/shape.h"

static shape_fn *const rules[OP_COUNT] = {
#define OP(ID, NAME, MIN_IN, MAX_IN, MAX_OUT, ATTRS, SHAPE, FOLD)              \
    [OP_##ID] = (SHAPE),
#include "ir/op.def"
#undef OP
};

bool shape_set(struct graph *g, struct cx *cx, const struct node *n, uint32_t i,
               enum dtype t, const struct shape *s)
{
    struct value *const v = node_out(g, n, i);
    uint64_t count;
    uint64_t n_byte;
    if (!v) {
        return true;
    }
    if (!shape_count(s, &count) || !size_mul(&n_byte, count, dtype_bytes(t)) ||
        n_byte > INT64_MAX / 2) {
        return node_error(cx, n, E_TOO_BIG, "its result would be %s",
                          shape_text(s).text);
    }
    v->dtype = t;
    v->shape = *s;
    v->shape_known = true;
    return true;
}

bool shape_same_type(const struct graph *g, struct cx *cx, const struct node *n,
                     uint32_t i, uint32_t k)
{
    const struct value *const a = node_in(g, n, i);
    const struct value *const b = node_in(g, n, k);
    return !a || !b || a->dtype == b->dtype ||
           node_error(cx, n, E_TYPE,
                      "'%s' is of type %s and '%s' of type %s; they must be of "
                      "one type",
                      a->name, dtype_name(a->dtype), b->name,
                      dtype_name(b->dtype));
}

bool shape_infer(struct graph *g, struct cx *cx, const struct node *n)
{
    return rules[n->op](g, cx, n);
}

/* Says which input is dynamic and the option that fixes it. */
static bool report_dynamic(const struct value *v, struct cx *cx)
{
    struct buf shape;
    struct buf example;
    buf_init(&shape, cx->scratch);
    buf_init(&example, cx->scratch);
    for (uint32_t i = 0; v->shape_known && i < v->shape.rank; i++) {
        const bool is_known = v->shape.dim[i] >= 0;
        const char *const name =
            v->dim_name && v->dim_name[i] ? v->dim_name[i] : "?";
        buf_str(&shape, i ? ", " : "");
        if (is_known) {
            buf_printf(&shape, "%" PRId64, v->shape.dim[i]);
        } else {
            buf_str(&shape, name);
        }
        buf_printf(&example, "%s%" PRId64, i ? "x" : "",
                   is_known ? v->shape.dim[i] : 1);
    }
    if (buf_ok(&shape) && buf_ok(&example)) {
        (void)diag_error(cx->diag, E_DYNAMIC_DIM, at_tensor(v->name),
                         "this input has dynamic dimensions: [%s]; give its "
                         "shape by --shape, "
                         "e.g. --shape %s=%s",
                         v->shape_known ? buf_text(&shape) : "number unknown",
                         v->name,
                         v->shape_known ? buf_text(&example) : "1x3x224x224");
    }
    buf_free(&shape);
    buf_free(&example);
    return false;
}

/* The inputs of a node after those before it have been looked at. */
static bool check_inputs(const struct graph *g, struct cx *cx,
                         const struct node *n)
{
    for (uint32_t i = 0; i < n->n_in; i++) {
        const struct value *const v = node_in(g, n, i);
        if (v && (!v->shape_known || v->dtype == DTYPE_NONE)) {
            return node_error(cx, n, E_SHAPE,
                              "the shape of its input '%s' is not known",
                              v->name);
        }
    }
    return true;
}

static bool is_set(const struct value *v)
{
    return elem_is_set(v->dtype, v->data.data, 0);
}

/* Whether the node is in a branch that is known not to be taken. */
static bool is_skipped(const struct graph *g, const struct node *n)
{
    for (uint32_t at = n->branch; at; at = g->branch[at - 1].outer) {
        const struct branch *const b = &g->branch[at - 1];
        const struct value *const c = &g->value[b->condition];
        if (c->is_const && c->data.len > 0 && is_set(c) != b->wanted) {
            return true;
        }
    }
    return false;
}

/* An If whose condition is known passes on one side's result. */
static void settle_if(const struct graph *g, struct node *n)
{
    const struct value *const c = n->op == OP_IF ? &g->value[n->in[0]] : NULL;
    if (c && c->is_const && c->data.len > 0) {
        n->op = OP_IDENTITY;
        n->in[0] = n->in[is_set(c) ? 1 : 2];
        n->n_in = 1;
    }
}

/* A node in a branch that may be taken or not does not fit: most often the
 * shapes given go with the other. */
static bool refuse_branch(const struct graph *g, struct cx *cx,
                          const struct node *n)
{
    for (uint32_t at = n->branch; at; at = g->branch[at - 1].outer) {
        const struct value *const c = &g->value[g->branch[at - 1].condition];
        char text[DIAG_TEXT_CAP];
        if (c->is_const || cx->diag->id == E_MEMORY) {
            continue;
        }
        diag_forget(cx->diag, text);
        return node_error(cx, n, E_NEEDS_CONST,
                          "in a branch whose condition ('%s') is not known: "
                          "%s; if it is not taken, pin the inputs of the model "
                          "that decide with --const",
                          c->name, text);
    }
    return false;
}

static bool run_node(struct shaper *s, uint32_t ix)
{
    struct graph *const g = s->g;
    struct cx *const cx = s->cx;
    struct node *const n = &g->node[ix];
    n->is_dead = n->is_dead || is_skipped(g, n);
    settle_if(g, n);
    if (n->is_dead) {
        return true;
    }
    if (!check_inputs(g, cx, n)) {
        return false;
    }
    return unroll_is(n->op)
               ? unroll(s, ix)
               : rules[n->op](g, cx, n) && extent_spread(g, cx, n) &&
                     fold_node(s->fold, n);
}

bool shaper_run(struct shaper *s, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        const struct arena_mark mark = arena_mark(s->cx->scratch);
        const bool is_ok =
            run_node(s, i) || refuse_branch(s->g, s->cx, &s->g->node[i]);
        arena_rewind(s->cx->scratch, mark);
        if (!is_ok) {
            return false;
        }
    }
    return true;
}

bool pass_shapes(struct graph *g, struct cx *cx)
{
    struct fold fold;
    fold_begin(&fold, g, cx);
    for (uint32_t i = 0; i < g->n_input; i++) {
        const struct value *const v = &g->value[g->input[i]];
        if (!v->shape_known || !shape_is_static(&v->shape)) {
            return report_dynamic(v, cx);
        }
    }
    struct shaper s = {
        .g = g, .cx = cx, .fold = &fold, .left = UNROLL_MAX_PARTS};
    if (!shaper_run(&s, 0, g->n_node)) {
        return false;
    }
    for (uint32_t i = 0; i < g->n_output; i++) {
        const struct value *const v = &g->value[g->output[i]];
        if (!v->shape_known) {
            return diag_error(cx->diag, E_SHAPE, at_tensor(v->name),
                              "the shape of this output is not known");
        }
    }
    return true;
}
