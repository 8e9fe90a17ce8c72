/* Loop and Scan: plans are static, so that as many copies of the body are made
 * as there are iterations.
 *
 * 1. The body's inputs stand for values that are there: the number of the
 *    iteration, what the one before has carried over, slices of what is
 *    scanned.
 * 2. All else that the body defines is copied under a name of its own, inferred
 *    and folded, so that a condition that counts is known.
 * 3. What is carried is the next one's input; results of each iteration are
 *    stacked at the end. */
#include <assert.h>
#include <inttypes.h>

#include "base/arena.h"
#include "passes/elem.h"
#include "passes/expand.h"
#include "passes/shape.h"

/* A copy of a body in the making. */
struct copy {
    struct shaper *s;
    struct body body;      /* that is copied; its arrays stay where they are */
    uint32_t *to;          /* for each of body.value; given for inputs */
    uint32_t first_branch; /* of the copies of its branches */
    const char *suffix;    /* of names */
};

typedef bool unroll_fn(struct shaper *s, uint32_t ix);
static unroll_fn unroll_loop;
static unroll_fn unroll_scan;

static unroll_fn *const unrolls[OP_COUNT] = {
    [OP_LOOP] = unroll_loop,
    [OP_SCAN] = unroll_scan,
};

/* ---- a copy of the body --------------------------------------------------
 */

/* Position among the values of the body; n_value when it is from around it. */
static uint32_t position(const struct body *b, uint32_t v)
{
    uint32_t lo = 0;
    uint32_t hi = b->n_value;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (b->value[mid] < v) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < b->n_value && b->value[lo] == v ? lo : b->n_value;
}

static uint32_t copied(const struct copy *c, uint32_t v)
{
    const uint32_t at = position(&c->body, v);
    return at < c->body.n_value ? c->to[at] : v;
}

static uint32_t copied_branch(const struct copy *c, uint32_t branch)
{
    const uint32_t first = c->body.first_branch;
    return branch > first && branch - first <= c->body.n_branch
               ? branch - first + c->first_branch
               : branch;
}

static uint32_t *copied_list(const struct copy *c, const uint32_t *list,
                             uint32_t n)
{
    uint32_t *const to = arena_new(c->s->cx->keep, uint32_t, n);
    for (uint32_t i = 0; to && i < n; i++) {
        to[i] = list[i] == VALUE_NONE ? VALUE_NONE : copied(c, list[i]);
    }
    return to;
}

static bool copy_node(const struct copy *c, const struct node *from,
                      struct node *to);

/* A body inside the body: another one, of copied nodes. */
static bool copy_body(const struct copy *c, uint32_t *id)
{
    struct graph *const g = c->s->g;
    struct cx *const cx = c->s->cx;
    const struct body from = g->body[*id - 1];
    struct body to = from;
    to.node = arena_new(cx->keep, struct node, from.n_node);
    to.value = copied_list(c, from.value, from.n_value);
    to.input = copied_list(c, from.input, from.n_input);
    to.output = copied_list(c, from.output, from.n_output);
    to.first_branch =
        from.first_branch - c->body.first_branch + c->first_branch;
    bool is_ok = to.node && to.value && to.input && to.output;
    for (uint32_t i = 0; is_ok && i < from.n_node; i++) {
        is_ok = copy_node(c, &from.node[i], &to.node[i]);
    }
    struct body *const kept =
        is_ok ? arena_push(cx->keep, g->body, &g->n_body, &g->cap_body) : NULL;
    if (kept) {
        *kept = to;
        *id = g->n_body;
    }
    return kept != NULL;
}

static bool copy_node(const struct copy *c, const struct node *from,
                      struct node *to)
{
    struct cx *const cx = c->s->cx;
    *to = *from;
    to->name = arena_printf(cx->keep, "%s%s", from->name, c->suffix);
    to->in = copied_list(c, from->in, from->n_in);
    to->out = copied_list(c, from->out, from->n_out);
    to->attr = arena_new(cx->keep, struct attr, from->n_attr);
    if (!to->name || !to->in || !to->out || !to->attr) {
        return false;
    }
    for (uint32_t i = 0; i < from->n_attr; i++) {
        to->attr[i] = from->attr[i];
    }
    to->branch = copied_branch(c, from->branch);
    return !from->body || copy_body(c, &to->body);
}

static bool copy_values(struct copy *c)
{
    struct graph *const g = c->s->g;
    struct cx *const cx = c->s->cx;
    for (uint32_t i = 0; i < c->body.n_value; i++) {
        if (c->to[i] != VALUE_NONE) {
            continue;
        }
        const char *const name = arena_printf(
            cx->scratch, "%s%s", g->value[c->body.value[i]].name, c->suffix);
        c->to[i] = name ? graph_add_value(g, cx, name) : VALUE_NONE;
        if (c->to[i] == VALUE_NONE) {
            return false;
        }
    }
    return true;
}

static bool copy_branches(struct copy *c)
{
    struct graph *const g = c->s->g;
    c->first_branch = g->n_branch;
    for (uint32_t i = 0; i < c->body.n_branch; i++) {
        struct branch *const b =
            arena_push(c->s->cx->keep, g->branch, &g->n_branch, &g->cap_branch);
        if (!b) {
            return false;
        }
        const struct branch *const from = &g->branch[c->body.first_branch + i];
        *b = (struct branch){copied(c, from->condition), from->wanted,
                             copied_branch(c, from->outer)};
    }
    return true;
}

/* Adds iteration `turn` of the body, of which input i is in[i]; gives in out[i]
 * what output i is. */
static bool add_turn(struct shaper *s, uint32_t ix, int64_t turn,
                     const uint32_t *in, uint32_t *out)
{
    struct graph *const g = s->g;
    struct cx *const cx = s->cx;
    const struct node *const n = &g->node[ix];
    struct copy c = {.s = s, .body = g->body[n->body - 1]};
    const uint64_t parts = UINT64_C(1) + c.body.n_node + c.body.n_value;
    if (parts > s->left) {
        return node_error(cx, n, E_TOO_BIG,
                          "it is unrolled, and by iteration %" PRId64
                          " the model's loops make more than %d nodes and "
                          "values; make it shorter",
                          turn, UNROLL_MAX_PARTS);
    }
    s->left -= (uint32_t)parts;
    c.suffix = arena_printf(cx->scratch, "[%" PRId64 "]", turn);
    c.to = arena_new(cx->scratch, uint32_t, c.body.n_value);
    if (!c.suffix || !c.to) {
        return false;
    }
    for (uint32_t i = 0; i < c.body.n_value; i++) {
        c.to[i] = VALUE_NONE;
    }
    for (uint32_t i = 0; i < c.body.n_input; i++) {
        c.to[position(&c.body, c.body.input[i])] = in[i];
    }
    const uint32_t first = g->n_node;
    if (!copy_values(&c) || !copy_branches(&c)) {
        return false;
    }
    for (uint32_t i = 0; i < c.body.n_node; i++) {
        struct node copy;
        struct node *const to =
            copy_node(&c, &c.body.node[i], &copy)
                ? arena_push(cx->keep, g->node, &g->n_node, &g->cap_node)
                : NULL;
        if (!to) {
            return false;
        }
        *to = copy;
    }
    for (uint32_t i = 0; i < c.body.n_output; i++) {
        out[i] = copied(&c, c.body.output[i]);
    }
    return shaper_run(s, first, g->n_node);
}

/* ---- what a loop gives ---------------------------------------------------
 */

/* The results of iterations, one after the other. */
struct stack {
    uint32_t *value;
    uint32_t n;
    uint32_t cap;
    uint32_t n_result; /* of each iteration */
};

static bool stack_push(struct shaper *s, struct stack *k, const uint32_t *value)
{
    for (uint32_t i = 0; i < k->n_result; i++) {
        uint32_t *const at =
            arena_push(s->cx->scratch, k->value, &k->n, &k->cap);
        if (!at) {
            return false;
        }
        *at = value[i];
    }
    return true;
}

/* s with a dimension of n before `axis`. */
static struct shape with_dim(const struct shape *s, uint32_t axis, int64_t n)
{
    struct shape wide = {.rank = s->rank + 1};
    for (uint32_t d = 0; d < wide.rank; d++) {
        wide.dim[d] = d == axis ? n : s->dim[d < axis ? d : d - 1];
    }
    return wide;
}

/* Joins result i of all iterations along a new axis, < 0: from the end. */
static uint32_t join(struct expand *e, const struct stack *k, uint32_t i,
                     int64_t axis, bool is_reversed)
{
    const uint32_t n = k->n / k->n_result;
    const struct shape first = ex_shape(e, k->value[i]);
    uint32_t at = 0;
    e->is_ok =
        e->is_ok &&
        (first.rank < TENSOR_MAX_RANK ||
         node_error(e->cx, ex_self(e), E_SHAPE,
                    "it stacks results of %u dimensions; %d are the most",
                    first.rank, TENSOR_MAX_RANK - 1)) &&
        axis_resolve(e->cx, ex_self(e), axis, first.rank + 1, &at);
    uint32_t *const part = arena_new(e->cx->scratch, uint32_t, n);
    e->is_ok = e->is_ok && part;
    for (uint32_t t = 0; e->is_ok && t < n; t++) {
        const uint32_t v =
            k->value[(is_reversed ? n - 1 - t : t) * k->n_result + i];
        const struct shape own = ex_shape(e, v);
        const struct shape wide = with_dim(&own, at, 1);
        part[t] = own.rank < TENSOR_MAX_RANK
                      ? ex_reshape(e, v, wide.dim, wide.rank)
                      : v;
    }
    return e->is_ok ? ex_concat(e, part, n, at) : VALUE_NONE;
}

/* A stack of no iterations, of what would have been stacked. */
static uint32_t join_none(struct expand *e, uint32_t like, int64_t axis)
{
    const struct shape s = ex_shape(e, like);
    uint32_t at = 0;
    e->is_ok = e->is_ok && s.rank < TENSOR_MAX_RANK &&
               axis_resolve(e->cx, ex_self(e), axis, s.rank + 1, &at);
    const struct shape none = with_dim(&s, at, 0);
    return e->is_ok ? ex_numbers(e, ex_type(e, like), &none, NULL) : VALUE_NONE;
}

/* Output i of the loop is v, as it is. */
static void give(struct expand *e, uint32_t i, uint32_t v)
{
    const uint32_t out = ex_out(e, i);
    if (out != VALUE_NONE) {
        (void)ex_node(e, out, OP_IDENTITY, &v, 1, NULL, 0);
    }
}

/* ---- Loop ----------------------------------------------------------------
 */

/* Whether a condition, where there is one, lets iteration `turn` begin. */
static bool condition(const struct shaper *s, uint32_t ix, uint32_t value,
                      int64_t turn, bool *goes)
{
    const struct node *const n = &s->g->node[ix];
    *goes = true;
    if (value == VALUE_NONE) {
        return true;
    }
    const struct value *const v = &s->g->value[value];
    uint64_t count;
    if (v->dtype != DTYPE_BOOL || !shape_count(&v->shape, &count) ||
        count != 1) {
        return node_error(s->cx, n, E_TYPE,
                          "its condition is %s of %s; it must be one bool",
                          shape_text(&v->shape).text, dtype_name(v->dtype));
    }
    if (!v->is_const) {
        return node_error(s->cx, n, E_NEEDS_CONST,
                          "its condition ('%s') before iteration %" PRId64
                          " is not known at compile time; a loop is unrolled: "
                          "pin the inputs of the model that decide it with "
                          "--const, or export the model with a fixed number of "
                          "iterations",
                          v->name, turn);
    }
    *goes = elem_is_set(v->dtype, v->data.data, 0);
    return true;
}

/* How many iterations there are at most. */
static bool trip_count(const struct shaper *s, uint32_t ix, int64_t *most)
{
    const struct node *const n = &s->g->node[ix];
    const struct value *const v = node_in(s->g, n, 0);
    uint32_t count = 1;
    *most = INT64_MAX;
    if (!v) {
        return true;
    }
    if (!v->is_const) {
        return node_error(s->cx, n, E_NEEDS_CONST,
                          "its number of iterations ('%s') is not known at "
                          "compile time; a loop is unrolled: pin the inputs of "
                          "the model that decide it with --const",
                          v->name);
    }
    return node_in_i64s(s->g, s->cx, n, 0, most, 1, &count) &&
           (count == 1 ||
            node_error(s->cx, n, E_SHAPE, "its number of iterations is empty"));
}

/* Constants that a body's first inputs stand for. */
static uint32_t turn_number(struct expand *e, int64_t turn)
{
    return ex_ints(e, &turn, 0, 1);
}

static bool run_loop(struct shaper *s, struct expand *e, uint32_t *in,
                     uint32_t *out, struct stack *k)
{
    struct graph *const g = s->g;
    const uint32_t n_carried = g->body[ex_self(e)->body - 1].n_input - 2;
    const uint32_t n_out = g->body[ex_self(e)->body - 1].n_output;
    int64_t most;
    bool goes;
    if (!trip_count(s, e->node, &most) ||
        !condition(s, e->node, ex_in(e, 1), 0, &goes)) {
        return false;
    }
    in[1] = ex_number(e, DTYPE_BOOL, 1);
    k->n_result = n_out - 1 - n_carried;
    for (int64_t turn = 0; goes && turn < most; turn++) {
        in[0] = turn_number(e, turn);
        if (!e->is_ok || !add_turn(s, e->node, turn, in, out) ||
            !stack_push(s, k, out + 1 + n_carried) ||
            !condition(s, e->node, out[0], turn + 1, &goes)) {
            return false;
        }
        for (uint32_t i = 0; i < n_carried; i++) {
            in[2 + i] = out[1 + i];
        }
    }
    return true;
}

/* The lists that both kinds work with; NULL on failure. */
static uint32_t *list_of(struct shaper *s, uint32_t n)
{
    return arena_new(s->cx->scratch, uint32_t, n);
}

static bool unroll_loop(struct shaper *s, uint32_t ix)
{
    struct expand e = {.g = s->g, .cx = s->cx, .node = ix, .is_ok = true};
    const struct body b = s->g->body[ex_self(&e)->body - 1];
    const uint32_t n_carried = b.n_input - 2;
    uint32_t *const in = list_of(s, b.n_input);
    uint32_t *const out = list_of(s, b.n_output);
    struct stack k = {0};
    if (!in || !out) {
        return false;
    }
    for (uint32_t i = 2; i < b.n_input; i++) {
        in[i] = ex_in(&e, i);
    }
    if (!run_loop(s, &e, in, out, &k)) {
        return false;
    }
    /* What is not stacked has a shape all the same: that of an iteration which
     * nobody reads. */
    if (k.n == 0 && k.n_result > 0) {
        in[0] = turn_number(&e, 0);
        if (!e.is_ok || !add_turn(s, ix, 0, in, out)) {
            return false;
        }
    }
    const uint32_t first = s->g->n_node;
    for (uint32_t i = 0; i < ex_self(&e)->n_out; i++) {
        if (i < n_carried) {
            give(&e, i, in[2 + i]);
        } else if (ex_out(&e, i) != VALUE_NONE) {
            give(&e, i,
                 k.n > 0 ? join(&e, &k, i - n_carried, 0, false)
                         : join_none(&e, out[1 + i], 0));
        }
    }
    return ex_done(&e) && shaper_run(s, first, s->g->n_node);
}

/* ---- Scan ----------------------------------------------------------------
 */

struct scan {
    struct shaper *s;
    struct expand *e;
    uint32_t n_carried;
    uint32_t n_scanned;
    uint32_t n_result; /* of an iteration, to be stacked */
    uint32_t *in;      /* of the body: what is carried, then elements */
    uint32_t *out;
    const char *directions; /* attribute with those of what is scanned */
    int64_t n_turn;         /* made so far */
};

/* Element i of a list of integers of the node; 0 without it. */
static int64_t list_at(const struct node *n, const char *name, uint32_t i)
{
    uint32_t len;
    const int64_t *const list = node_ints(n, name, &len);
    return i < len ? list[i] : 0;
}

static bool check_list(const struct scan *c, const char *name, uint32_t n,
                       bool is_direction)
{
    const struct node *const self = ex_self(c->e);
    uint32_t len;
    const int64_t *const list = node_ints(self, name, &len);
    if (list && len != n) {
        return node_error(c->s->cx, self, E_OP_ATTR,
                          "attribute '%s' has %u elements; there must be %u",
                          name, len, n);
    }
    for (uint32_t i = 0; is_direction && i < len; i++) {
        if (list[i] != 0 && list[i] != 1) {
            return node_error(c->s->cx, self, E_OP_ATTR,
                              "attribute '%s' has %" PRId64
                              "; directions are 0 and 1",
                              name, list[i]);
        }
    }
    return true;
}

static bool scan_params(struct scan *c)
{
    const struct node *const n = ex_self(c->e);
    const struct body *const b = &c->s->g->body[n->body - 1];
    const int64_t scanned = node_int(n, "num_scan_inputs", 0);
    if (scanned < 1 || scanned > b->n_input) {
        return node_error(c->s->cx, n, E_OP_ATTR,
                          "attribute 'num_scan_inputs' is %" PRId64
                          "; its body has %u inputs",
                          scanned, b->n_input);
    }
    c->n_scanned = (uint32_t)scanned;
    c->n_carried = b->n_input - c->n_scanned;
    if (b->n_output < c->n_carried) {
        return node_error(c->s->cx, n, E_OP_INPUTS,
                          "its body gives %u results; %u are carried over",
                          b->n_output, c->n_carried);
    }
    c->n_result = b->n_output - c->n_carried;
    c->in = list_of(c->s, b->n_input);
    c->out = list_of(c->s, b->n_output);
    return c->in && c->out &&
           check_list(c, c->directions, c->n_scanned, true) &&
           check_list(c, "scan_input_axes", c->n_scanned, false) &&
           check_list(c, "scan_output_axes", c->n_result, false) &&
           check_list(c, "scan_output_directions", c->n_result, true);
}

/* Element `at` of v along the axis, without that dimension. */
static uint32_t pick(struct expand *e, uint32_t v, uint32_t axis, int64_t at)
{
    const int64_t axes[1] = {(int64_t)axis};
    return ex_over(e, OP_SQUEEZE, ex_slice(e, v, axis, at, at + 1), axes, 1);
}

/* The axis of scanned value j, and how long they all are along theirs. */
static bool sequence_axis(struct scan *c, const uint32_t *source, uint32_t j,
                          uint32_t *axis, int64_t *len)
{
    const struct node *const n = ex_self(c->e);
    const struct value *const v = &c->s->g->value[source[j]];
    if (!axis_resolve(c->s->cx, n, list_at(n, "scan_input_axes", j),
                      v->shape.rank, axis)) {
        return false;
    }
    const int64_t own = v->shape.dim[*axis];
    if (own == 0) {
        return node_error(c->s->cx, n, E_UNSUPPORTED,
                          "it scans '%s', which has no elements along "
                          "dimension %u",
                          v->name, *axis);
    }
    if (j > 0 && own != *len) {
        return node_error(c->s->cx, n, E_SHAPE,
                          "it scans %" PRId64 " elements of '%s', but %" PRId64
                          " of the ones before",
                          own, v->name, *len);
    }
    *len = own;
    return true;
}

/* Goes over the sequences source[0..n_scanned), with what is carried in c->in;
 * stacks the results. */
static bool scan_sequences(struct scan *c, const uint32_t *source,
                           struct stack *k)
{
    uint32_t *const axis = list_of(c->s, c->n_scanned);
    int64_t len = 0;
    for (uint32_t j = 0; j < c->n_scanned; j++) {
        if (!axis || !sequence_axis(c, source, j, &axis[j], &len)) {
            return false;
        }
    }
    k->n_result = c->n_result;
    for (int64_t t = 0; t < len; t++) {
        const uint32_t first = c->s->g->n_node;
        for (uint32_t j = 0; j < c->n_scanned; j++) {
            const bool is_back = list_at(ex_self(c->e), c->directions, j) == 1;
            c->in[c->n_carried + j] =
                pick(c->e, source[j], axis[j], is_back ? len - 1 - t : t);
        }
        if (!c->e->is_ok || !shaper_run(c->s, first, c->s->g->n_node) ||
            !add_turn(c->s, c->e->node, c->n_turn++, c->in, c->out) ||
            !stack_push(c->s, k, c->out + c->n_carried)) {
            return false;
        }
        for (uint32_t i = 0; i < c->n_carried; i++) {
            c->in[i] = c->out[i];
        }
    }
    return true;
}

static bool scan_once(struct scan *c)
{
    struct expand *const e = c->e;
    struct stack k = {0};
    for (uint32_t i = 0; i < c->n_carried; i++) {
        c->in[i] = ex_in(e, i);
    }
    if (!scan_sequences(c, ex_self(e)->in + c->n_carried, &k)) {
        return false;
    }
    const uint32_t first = c->s->g->n_node;
    for (uint32_t i = 0; i < ex_self(e)->n_out; i++) {
        const uint32_t r = i - c->n_carried;
        if (i < c->n_carried) {
            give(e, i, c->in[i]);
        } else if (ex_out(e, i) != VALUE_NONE) {
            give(e, i,
                 join(e, &k, r, list_at(ex_self(e), "scan_output_axes", r),
                      list_at(ex_self(e), "scan_output_directions", r) == 1));
        }
    }
    return ex_done(e) && shaper_run(c->s, first, c->s->g->n_node);
}

/* In opset 8 dimension 0 of everything is a batch, and input 0 how long its
 * sequences are. */
static bool scan_batch(struct scan *c)
{
    struct expand *const e = c->e;
    const struct shape like = ex_shape(e, ex_in(e, 1));
    const int64_t n_batch = like.rank > 0 ? like.dim[0] : 0;
    uint32_t *const source = list_of(c->s, c->n_carried + c->n_scanned);
    uint32_t *const result = list_of(c->s, c->n_carried + c->n_result);
    struct stack all = {.n_result = c->n_carried + c->n_result};
    if (ex_in(e, 0) != VALUE_NONE || n_batch == 0) {
        return node_error(c->s->cx, ex_self(e), E_UNSUPPORTED,
                          n_batch == 0 ? "its batch has no elements"
                                       : "lengths of sequences (input 0) are "
                                         "not supported; export the model with "
                                         "opset 9 or more");
    }
    for (int64_t b = 0; source && result && b < n_batch; b++) {
        struct stack k = {0};
        const uint32_t first = c->s->g->n_node;
        for (uint32_t i = 0; i < c->n_carried + c->n_scanned; i++) {
            const uint32_t v = pick(e, ex_in(e, i + 1), 0, b);
            *(i < c->n_carried ? &c->in[i] : &source[i - c->n_carried]) = v;
        }
        if (!e->is_ok || !shaper_run(c->s, first, c->s->g->n_node) ||
            !scan_sequences(c, source, &k)) {
            return false;
        }
        const uint32_t end = c->s->g->n_node;
        for (uint32_t i = 0; i < all.n_result; i++) {
            result[i] = i < c->n_carried
                            ? c->in[i]
                            : join(e, &k, i - c->n_carried, 0, false);
        }
        if (!e->is_ok || !shaper_run(c->s, end, c->s->g->n_node) ||
            !stack_push(c->s, &all, result)) {
            return false;
        }
    }
    const uint32_t first = c->s->g->n_node;
    for (uint32_t i = 0; i < ex_self(e)->n_out && all.n > 0; i++) {
        if (ex_out(e, i) != VALUE_NONE) {
            give(e, i, join(e, &all, i, 0, false));
        }
    }
    return source && result && ex_done(e) &&
           shaper_run(c->s, first, c->s->g->n_node);
}

static bool unroll_scan(struct shaper *s, uint32_t ix)
{
    struct expand e = {.g = s->g, .cx = s->cx, .node = ix, .is_ok = true};
    const bool has_batch = s->g->opset < 9;
    struct scan c = {.s = s,
                     .e = &e,
                     .directions =
                         has_batch ? "directions" : "scan_input_directions"};
    if (!scan_params(&c)) {
        return false;
    }
    return has_batch ? scan_batch(&c) : scan_once(&c);
}

/* ---- the table ----------------------------------------------------------- */

bool unroll_is(enum op_id op)
{
    return unrolls[op] != NULL;
}

bool unroll(struct shaper *s, uint32_t ix)
{
    return unrolls[s->g->node[ix].op](s, ix);
}
