/* Graphs of QuantizeLinear and DequantizeLinear around operators on floats
 * become operators on integers.
 *
 * Nodes are visited in order; maker[] follows what they become.
 * 1. What only moves elements moves integers: a DequantizeLinear before it goes
 *    behind it. QuantizeLinear goes before a Concat.
 * 2. QuantizeLinear of a DequantizeLinear with the same parameters is nothing.
 * 3. DequantizeLinear, Conv (Gemm, MatMul, a mean of windows), maybe Relu or
 *    Clip, QuantizeLinear: QLinearConv and its like, and Clip on integers where
 *    the activation cuts more than the type does. Rounding is monotonic, so
 *    that is the same.
 * All parameters must be constants, and one pair for the whole of a tensor but
 * for weights. What does not match stays as it is, in floats. */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "passes/elem.h"
#include "passes/fuse.h"
#include "passes/params.h"
#include "passes/passes.h"
#include "passes/shape.h"

struct fuse {
    struct graph *g;
    struct cx *cx;
    struct graph_uses uses; /* of the values there were before */
    uint32_t n_value;
    uint32_t *maker; /* per value, new ones too: its node, or NODE_NONE */
    uint32_t cap;    /* of maker */
    uint32_t *same;  /* per value: the one to read instead */
    bool is_ok;      /* false: memory is out, reported */
};

/* ---- nodes and values ------------------------------------------------------
 */

static const struct node *made_by(const struct fuse *f, uint32_t value,
                                  enum op_id op)
{
    const uint32_t ix = value < f->cap ? f->maker[value] : NODE_NONE;
    return ix != NODE_NONE && !f->g->node[ix].is_dead && f->g->node[ix].op == op
               ? &f->g->node[ix]
               : NULL;
}

/* One node alone reads the value. */
static bool is_private(const struct fuse *f, uint32_t value)
{
    return value >= f->n_value || fuse_sole_user(&f->uses, value) != NODE_NONE;
}

/* A value of that type and the shape of `like`. */
static uint32_t new_value(struct fuse *f, uint32_t like, enum dtype t)
{
    const uint32_t v =
        f->is_ok ? graph_add_value(f->g, f->cx, f->g->value[like].name)
                 : UINT32_MAX;
    if (v == UINT32_MAX || v >= f->cap) {
        f->is_ok = false;
        return VALUE_NONE;
    }
    f->g->value[v].dtype = t;
    f->g->value[v].shape = f->g->value[like].shape;
    f->g->value[v].shape_known = true;
    return v;
}

static uint32_t new_node(struct fuse *f, enum op_id op, const char *name,
                         const uint32_t *in, uint32_t n_in, uint32_t out)
{
    const uint32_t ix =
        f->is_ok ? graph_add_node(f->g, f->cx, op, name, n_in, 1) : UINT32_MAX;
    if (ix == UINT32_MAX) {
        f->is_ok = false;
        return NODE_NONE;
    }
    memcpy(f->g->node[ix].in, in, n_in * sizeof in[0]);
    f->g->node[ix].out[0] = out;
    f->maker[out] = ix;
    return ix;
}

/* n elements of the type at `bytes`, which are kept. */
static uint32_t new_const(struct fuse *f, enum dtype t, uint32_t rank,
                          uint64_t n, const uint8_t *bytes)
{
    const struct shape s = {rank, {(int64_t)n}};
    const uint32_t v =
        f->is_ok ? graph_add_const(f->g, f->cx, "quantised", t, &s,
                                   (struct span){bytes, n * dtype_bytes(t)})
                 : UINT32_MAX;
    if (v == UINT32_MAX || v >= f->cap) {
        f->is_ok = false;
        return VALUE_NONE;
    }
    return v;
}

static uint32_t new_number(struct fuse *f, enum dtype t, double x)
{
    uint8_t *const bytes = arena_alloc(f->cx->keep, 8, 8);
    if (!bytes) {
        f->is_ok = false;
        return VALUE_NONE;
    }
    elem_put_f64(t, bytes, 0, x);
    return new_const(f, t, 0, 1, bytes);
}

/* ---- parameters ------------------------------------------------------------
 */

/* One scale and zero point, of a value of a type of 8 bits. */
struct point {
    enum dtype type;
    float scale;
    int32_t zero;
    uint32_t scale_ix; /* their values */
    uint32_t zero_ix;
};

static bool is_byte(enum dtype t)
{
    return t == DTYPE_U8 || t == DTYPE_I8;
}

/* Of a QuantizeLinear or DequantizeLinear; false where they are others. */
static bool get_point(struct fuse *f, const struct node *n, struct point *p)
{
    const struct value *const scale = &f->g->value[n->in[1]];
    const struct value *const zero = node_in(f->g, n, 2);
    struct quant_params q;
    p->type = f->g->value[n->op == OP_QUANTIZE ? n->out[0] : n->in[0]].dtype;
    if (!is_byte(p->type) || !scale->is_const || scale->dtype != DTYPE_F32 ||
        (zero && !zero->is_const) || !quant_params(f->g, f->cx, n, &q) ||
        q.form != QUANT_TENSOR) {
        return false;
    }
    p->scale = (float)elem_f64(scale->dtype, scale->data.data, 0);
    p->zero = zero ? (int32_t)elem_i64(zero->dtype, zero->data.data, 0) : 0;
    p->scale_ix = n->in[1];
    p->zero_ix = zero ? n->in[2] : VALUE_NONE;
    return p->scale > 0.0F && isfinite(p->scale);
}

static bool same_point(const struct point *a, const struct point *b)
{
    return a->type == b->type && a->scale == b->scale && a->zero == b->zero;
}

/* The zero point as a value, which some operators must have. */
static uint32_t zero_value(struct fuse *f, const struct point *p)
{
    return p->zero_ix != VALUE_NONE ? p->zero_ix : new_number(f, p->type, 0);
}

/* The integers that value is made of by a DequantizeLinear with *p. */
static bool integers_of(struct fuse *f, uint32_t value, uint32_t *ints,
                        struct point *p)
{
    const struct node *const n = made_by(f, value, OP_DEQUANTIZE);
    if (!n || !get_point(f, n, p)) {
        return false;
    }
    *ints = n->in[0];
    return true;
}

static double quantised(const struct point *p, double x)
{
    double low;
    double high;
    if (!quant_range(p->type, &low, &high)) {
        return 0;
    }
    const float v = rintf((float)x / p->scale) + (float)p->zero;
    return fmin(fmax((double)v, low), high);
}

/* ---- 1: what moves ---------------------------------------------------------
 */

static const bool moves[OP_COUNT] = {
    [OP_DEPTH_TO_SPACE] = true, [OP_EXPAND] = true,
    [OP_FLATTEN] = true,        [OP_GATHER] = true,
    [OP_IDENTITY] = true,       [OP_RESHAPE] = true,
    [OP_SLICE] = true,          [OP_SPACE_TO_DEPTH] = true,
    [OP_SPLIT] = true,          [OP_SQUEEZE] = true,
    [OP_TILE] = true,           [OP_TRANSPOSE] = true,
    [OP_UNSQUEEZE] = true,
};

/* Whether the node picks or moves elements, whatever they are. */
static bool is_move(const struct fuse *f, const struct node *n)
{
    struct resize_params r;
    switch ((int)n->op) {
    case OP_MAX_POOL:
        return n->n_out < 2 || n->out[1] == VALUE_NONE;
    case OP_RESIZE:
        return resize_params(f->g, f->cx, n, &r) &&
               r.kind == RESIZE_KIND_NEAREST &&
               strcmp(r.coord, "tf_crop_and_resize") != 0;
    default:
        return moves[n->op];
    }
}

/* Pad in integers: its value, if any, as one. */
static bool pad_integers(struct fuse *f, struct node *n, const struct point *p)
{
    struct pad_params pad;
    if (!pad_params(f->g, f->cx, n, &pad) || n->n_in < 2) {
        return false;
    }
    const double v = quantised(p, pad.value);
    const float back = ((float)v - (float)p->zero) * p->scale;
    if (pad.mode != PAD_CONSTANT || (double)back != pad.value) {
        return pad.mode != PAD_CONSTANT;
    }
    const uint32_t value = new_number(f, p->type, v);
    uint32_t *const in = arena_new(f->cx->keep, uint32_t, 4);
    if (!in || !f->is_ok) {
        f->is_ok = false;
        return false;
    }
    for (uint32_t k = 0; k < 4; k++) {
        in[k] = k == 2 ? value : k < n->n_in ? n->in[k] : VALUE_NONE;
    }
    n->n_in = n->n_in < 3 ? 3 : n->n_in;
    n->in = in;
    return true;
}

/* The node, at ix, now writes integers, of which the floats that it wrote are
 * made. */
static void dequantise_after(struct fuse *f, uint32_t ix, const struct point *p)
{
    for (uint32_t k = 0; k < f->g->node[ix].n_out; k++) {
        const uint32_t old = f->g->node[ix].out[k];
        if (old == VALUE_NONE) {
            continue;
        }
        const uint32_t ints = new_value(f, old, p->type);
        const uint32_t in[3] = {ints, p->scale_ix, p->zero_ix};
        const uint32_t n_in = p->zero_ix == VALUE_NONE ? 2 : 3;
        if (!f->is_ok) {
            return;
        }
        f->g->node[ix].out[k] = ints;
        f->maker[ints] = ix;
        (void)new_node(f, OP_DEQUANTIZE, f->g->node[ix].name, in, n_in, old);
    }
}

static void move_integers(struct fuse *f, uint32_t ix)
{
    struct node *const n = &f->g->node[ix];
    struct point p;
    uint32_t ints;
    const bool is_pad = n->op == OP_PAD;
    if ((!is_pad && !is_move(f, n)) || n->in[0] == VALUE_NONE ||
        f->g->value[n->in[0]].is_const ||
        !integers_of(f, n->in[0], &ints, &p) ||
        (is_pad && !pad_integers(f, n, &p))) {
        return;
    }
    n->in[0] = ints;
    dequantise_after(f, ix, &p);
}

static void join_integers(struct fuse *f, uint32_t ix)
{
    struct point p;
    uint32_t ints;
    for (uint32_t k = 0; k < f->g->node[ix].n_in; k++) {
        struct point own;
        if (!integers_of(f, f->g->node[ix].in[k], &ints, &own) ||
            (k > 0 && !same_point(&own, &p))) {
            return;
        }
        p = k == 0 ? own : p;
    }
    for (uint32_t k = 0; k < f->g->node[ix].n_in; k++) {
        struct point own;
        if (integers_of(f, f->g->node[ix].in[k], &ints, &own)) {
            f->g->node[ix].in[k] = ints;
        }
    }
    dequantise_after(f, ix, &p);
}

/* QuantizeLinear of a Concat of what was quantised otherwise: each part is
 * quantised anew, and then joined. */
static bool quantise_parts(struct fuse *f, uint32_t ix, const struct point *p)
{
    const struct node *const n = &f->g->node[ix];
    const uint32_t joined = n->in[0];
    const struct node *const concat = made_by(f, joined, OP_CONCAT);
    if (!concat || !is_private(f, joined)) {
        return false;
    }
    const uint32_t concat_ix = f->maker[joined];
    for (uint32_t k = 0; k < concat->n_in; k++) {
        struct point own;
        uint32_t ints;
        if (!integers_of(f, concat->in[k], &ints, &own)) {
            return false;
        }
    }
    for (uint32_t k = 0; f->is_ok && k < f->g->node[concat_ix].n_in; k++) {
        struct point own;
        uint32_t ints;
        const uint32_t part = f->g->node[concat_ix].in[k];
        if (!integers_of(f, part, &ints, &own)) {
            continue;
        }
        if (!same_point(&own, p)) {
            const uint32_t in[3] = {part, p->scale_ix, p->zero_ix};
            ints = new_value(f, part, p->type);
            if (f->is_ok) {
                (void)new_node(f, OP_QUANTIZE, f->g->node[concat_ix].name, in,
                               p->zero_ix == VALUE_NONE ? 2 : 3, ints);
            }
        }
        f->g->node[concat_ix].in[k] = ints;
    }
    const uint32_t out = f->g->node[ix].out[0];
    f->g->node[concat_ix].out[0] = out;
    f->g->node[ix].is_dead = true;
    f->maker[out] = concat_ix;
    return true;
}

/* ---- 3: what computes ------------------------------------------------------
 */

/* From the operator on floats to the QuantizeLinear after it. */
struct chain {
    uint32_t node; /* the operator */
    struct point y;
    double low; /* integers */
    double high;
    bool cuts; /* low and high are not those of the type */
};

/* Looks back from QuantizeLinear ix over activations. */
static bool get_chain(struct fuse *f, uint32_t ix, struct chain *c)
{
    uint32_t v = f->g->node[ix].in[0];
    if (!get_point(f, &f->g->node[ix], &c->y) ||
        !quant_range(c->y.type, &c->low, &c->high)) {
        return false;
    }
    const double low = c->low;
    const double high = c->high;
    const struct node *const relu = made_by(f, v, OP_RELU);
    const struct node *const clip = made_by(f, v, OP_CLIP);
    if (relu && is_private(f, v)) {
        c->low = fmax(low, c->y.zero);
        v = relu->in[0];
    } else if (clip && is_private(f, v) && clip_is_const(f->g, clip)) {
        struct clip_params p;
        if (!clip_params(f->g, f->cx, clip, &p)) {
            f->is_ok = false;
            return false;
        }
        c->low = isinf(p.min) ? low : quantised(&c->y, p.min);
        c->high = isinf(p.max) ? high : quantised(&c->y, p.max);
        v = clip->in[0];
    }
    c->cuts = c->low > low || c->high < high;
    c->node = v < f->cap ? f->maker[v] : NODE_NONE;
    return c->node != NODE_NONE && is_private(f, v) && c->low <= c->high;
}

/* Weights: constants of 8 bits, with a scale for all or for each channel. */
struct weights {
    uint32_t ints;
    uint32_t scale;
    uint32_t zero; /* VALUE_NONE: none */
    uint64_t n_scale;
};

/* The channels are dimension `axis`. */
static bool get_weights(struct fuse *f, uint32_t value, uint32_t axis,
                        struct weights *w)
{
    const struct node *const n = made_by(f, value, OP_DEQUANTIZE);
    struct quant_params q;
    if (!n || !quant_params(f->g, f->cx, n, &q)) {
        return false;
    }
    const struct value *const ints = &f->g->value[n->in[0]];
    const struct value *const scale = &f->g->value[n->in[1]];
    const struct value *const zero = node_in(f->g, n, 2);
    *w = (struct weights){n->in[0], n->in[1], zero ? n->in[2] : VALUE_NONE, 0};
    return ints->is_const && is_byte(ints->dtype) && scale->is_const &&
           scale->dtype == DTYPE_F32 && (!zero || zero->is_const) &&
           shape_count(&scale->shape, &w->n_scale) &&
           (q.form == QUANT_TENSOR || (q.form == QUANT_AXIS && q.axis == axis));
}

static double scale_at(const struct fuse *f, const struct weights *w,
                       uint64_t i)
{
    return elem_f64(DTYPE_F32, f->g->value[w->scale].data.data,
                    w->n_scale > 1 ? i : 0);
}

/* Element i of a bias, which is constant floats or i32 with scales; false for
 * any other. */
static bool bias_at(const struct fuse *f, uint32_t value, uint64_t i,
                    double *out)
{
    const struct node *const n = made_by(f, value, OP_DEQUANTIZE);
    const struct value *const v = &f->g->value[n ? n->in[0] : value];
    if (!v->is_const) {
        return false;
    }
    const uint64_t own = v->data.len / dtype_bytes(v->dtype) > 1 ? i : 0;
    if (!n) {
        *out = elem_f64(v->dtype, v->data.data, own);
        return v->dtype == DTYPE_F32;
    }
    const struct value *const scale = &f->g->value[n->in[1]];
    const struct value *const zero = node_in(f->g, n, 2);
    uint64_t n_scale;
    if (!scale->is_const || (zero && !zero->is_const) ||
        !shape_count(&scale->shape, &n_scale)) {
        return false;
    }
    const uint64_t at = n_scale > 1 ? own : 0;
    const double point =
        zero ? elem_f64(zero->dtype, zero->data.data, at) : 0.0;
    *out = (elem_f64(v->dtype, v->data.data, own) - point) *
           elem_f64(scale->dtype, scale->data.data, at);
    return true;
}

/* The bias in units of what sums are made of, rounded, as i32; VALUE_NONE where
 * there is none. False when it cannot be: it is no constant, or too large. */
static bool get_bias(struct fuse *f, uint32_t value, const struct point *x,
                     const struct weights *w, uint64_t n, uint32_t *out)
{
    *out = VALUE_NONE;
    if (value == VALUE_NONE) {
        return true;
    }
    const uint64_t k = f->g->value[w->ints].data.len / n;
    uint8_t *const bytes = arena_alloc_array(f->cx->keep, n, 4, 4);
    if (!bytes) {
        f->is_ok = false;
        return false;
    }
    for (uint64_t i = 0; i < n; i++) {
        double b;
        if (!bias_at(f, value, i, &b)) {
            return false;
        }
        b = rint(b / ((double)x->scale * scale_at(f, w, i)));
        if (!quant_sum_fits(k, b)) {
            return false;
        }
        elem_put_f64(DTYPE_I32, bytes, i, b);
    }
    *out = new_const(f, DTYPE_I32, 1, n, bytes);
    return f->is_ok;
}

/* The node at c->node becomes `op` with those inputs, and gives what
 * QuantizeLinear ix gave. */
static void become(struct fuse *f, uint32_t ix, const struct chain *c,
                   enum op_id op, const uint32_t *in, uint32_t n_in)
{
    const uint32_t out = f->g->node[ix].out[0];
    const uint32_t made = c->cuts ? new_value(f, out, c->y.type) : out;
    uint32_t *const kept = arena_new(f->cx->keep, uint32_t, n_in);
    if (!kept || !f->is_ok) {
        f->is_ok = false;
        return;
    }
    memcpy(kept, in, n_in * sizeof in[0]);
    struct node *const n = &f->g->node[c->node];
    n->op = op;
    n->in = kept;
    n->n_in = n_in;
    n->out[0] = made;
    f->maker[made] = c->node;
    f->g->node[ix].is_dead = true;
    if (c->cuts) {
        const uint32_t clip[3] = {made, new_number(f, c->y.type, c->low),
                                  new_number(f, c->y.type, c->high)};
        if (f->is_ok) {
            (void)new_node(f, OP_CLIP, f->g->node[ix].name, clip, 3, out);
        }
    }
}

static void fuse_product(struct fuse *f, uint32_t ix, struct chain *c)
{
    const struct node *n = &f->g->node[c->node];
    uint32_t bias = n->n_in > 2 ? n->in[2] : VALUE_NONE;
    if (n->op == OP_ADD) { /* of a MatMul and a bias */
        const bool is_left = made_by(f, n->in[0], OP_MATMUL) != NULL;
        const uint32_t product = n->in[is_left ? 0 : 1];
        const struct node *const m = made_by(f, product, OP_MATMUL);
        bias = n->in[is_left ? 1 : 0];
        if (!m || !is_private(f, product) ||
            !shape_equal(&f->g->value[product].shape,
                         &f->g->value[n->out[0]].shape)) {
            return;
        }
        c->node = f->maker[product];
        n = m;
    }
    const bool is_conv = n->op == OP_CONV;
    const bool is_gemm = n->op == OP_GEMM;
    const bool trans_b = is_gemm && node_int(n, "transB", 0) != 0;
    const struct value *const w_value = &f->g->value[n->in[1]];
    const uint32_t axis = is_conv || trans_b ? 0 : w_value->shape.rank - 1;
    struct point x;
    struct weights w;
    uint32_t ints;
    uint32_t bias32;
    if ((!is_conv && w_value->shape.rank != 2) ||
        (is_gemm &&
         (node_float(n, "alpha", 1.0F) != 1.0F ||
          (bias != VALUE_NONE && node_float(n, "beta", 1.0F) != 1.0F) ||
          node_int(n, "transA", 0) != 0)) ||
        !integers_of(f, n->in[0], &ints, &x) ||
        !get_weights(f, n->in[1], axis, &w)) {
        return;
    }
    const uint64_t channels = (uint64_t)w_value->shape.dim[axis];
    if (bias != VALUE_NONE) { /* along the channels alone */
        const struct shape *const s = &f->g->value[bias].shape;
        uint64_t count;
        if (!shape_count(s, &count) ||
            (count != 1 && (count != channels || s->rank == 0 ||
                            s->dim[s->rank - 1] != (int64_t)channels))) {
            return;
        }
    }
    if (!get_bias(f, bias, &x, &w, channels, &bias32)) {
        return;
    }
    const enum dtype w_type = f->g->value[w.ints].dtype;
    const uint32_t w_zero =
        w.zero != VALUE_NONE ? w.zero : new_number(f, w_type, 0);
    const uint32_t x_zero = zero_value(f, &x);
    const uint32_t y_zero = zero_value(f, &c->y);
    if (is_gemm) {
        const uint32_t in[9] = {ints,   x.scale_ix,    x_zero,
                                w.ints, w.scale,       w_zero,
                                bias32, c->y.scale_ix, y_zero};
        become(f, ix, c, OP_QGEMM, in, 9);
    } else {
        const uint32_t in[9] = {ints,   x.scale_ix,    x_zero, w.ints, w.scale,
                                w_zero, c->y.scale_ix, y_zero, bias32};
        become(f, ix, c, is_conv ? OP_QLINEAR_CONV : OP_QLINEAR_MATMUL, in,
               bias32 == VALUE_NONE ? 8 : 9);
    }
}

static void fuse_mean(struct fuse *f, uint32_t ix, struct chain *c)
{
    const struct node *const n = &f->g->node[c->node];
    const struct shape *const s = &f->g->value[n->in[0]].shape;
    struct point x;
    uint32_t ints;
    if (!integers_of(f, n->in[0], &ints, &x) || x.type != c->y.type ||
        s->rank < 3 || s->rank > 4) {
        return;
    }
    const uint32_t in[5] = {ints, x.scale_ix, zero_value(f, &x), c->y.scale_ix,
                            zero_value(f, &c->y)};
    if (n->op != OP_REDUCE_MEAN) {
        become(f, ix, c,
               n->op == OP_AVERAGE_POOL ? OP_QLINEAR_AVERAGE_POOL
                                        : OP_QLINEAR_GLOBAL_AVERAGE_POOL,
               in, 5);
        return;
    }
    bool is_axis[TENSOR_MAX_RANK];
    if (!axes_params(f->g, f->cx, n, is_axis) || is_axis[0] || is_axis[1] ||
        node_int(n, "keepdims", 1) == 0) {
        return;
    }
    for (uint32_t k = 2; k < s->rank; k++) {
        if (!is_axis[k]) {
            return;
        }
    }
    become(f, ix, c, OP_QLINEAR_GLOBAL_AVERAGE_POOL, in, 5);
}

static void fuse_quantize(struct fuse *f, uint32_t ix)
{
    struct node *const n = &f->g->node[ix];
    struct point y;
    struct point x;
    uint32_t ints;
    struct chain c;
    if (!get_point(f, n, &y)) {
        return;
    }
    if (integers_of(f, n->in[0], &ints, &x) && same_point(&x, &y)) {
        n->op = OP_IDENTITY;
        n->n_in = 1;
        n->n_attr = 0;
        n->in[0] = ints;
        f->same[n->out[0]] = ints;
        return;
    }
    if (quantise_parts(f, ix, &y) || !get_chain(f, ix, &c)) {
        return;
    }
    switch ((int)f->g->node[c.node].op) {
    case OP_CONV:
    case OP_GEMM:
    case OP_MATMUL:
    case OP_ADD:
        fuse_product(f, ix, &c);
        break;
    case OP_AVERAGE_POOL:
    case OP_GLOBAL_AVERAGE_POOL:
    case OP_REDUCE_MEAN:
        fuse_mean(f, ix, &c);
        break;
    default:
        break;
    }
}

/* Each reader of floats that are made of integers makes its own: then no such
 * floats are in memory, but for readers that cannot take that in. */
static void share_integers(struct fuse *f, uint32_t n_node)
{
    bool *const is_read = arena_new(f->cx->scratch, bool, f->cap);
    if (!is_read) {
        f->is_ok = false;
        return;
    }
    for (uint32_t i = 0; f->is_ok && i < n_node; i++) {
        for (uint32_t k = 0; f->is_ok && k < f->g->node[i].n_in; k++) {
            const uint32_t v = f->g->node[i].in[k];
            const struct node *const from =
                v == VALUE_NONE || f->g->node[i].is_dead
                    ? NULL
                    : made_by(f, v, OP_DEQUANTIZE);
            if (!from || f->g->value[from->in[0]].is_const) {
                continue;
            }
            if (!is_read[v]) {
                is_read[v] = true;
                continue;
            }
            const struct node copy = *from;
            const uint32_t own = new_value(f, v, f->g->value[v].dtype);
            const uint32_t ix =
                new_node(f, OP_DEQUANTIZE, copy.name, copy.in, copy.n_in, own);
            if (f->is_ok) {
                f->g->node[ix].attr = copy.attr;
                f->g->node[ix].n_attr = copy.n_attr;
                f->g->node[i].in[k] = own;
            }
        }
    }
}

static bool set_up(struct fuse *f)
{
    struct graph *const g = f->g;
    /* A node adds at most a value per output and input, and some numbers. */
    uint64_t cap = (uint64_t)g->n_value + 16;
    for (uint32_t i = 0; i < g->n_node; i++) {
        cap += (uint64_t)g->node[i].n_out + 2 * (uint64_t)g->node[i].n_in + 8;
    }
    f->cap = cap < UINT32_MAX ? (uint32_t)cap : UINT32_MAX - 1;
    f->n_value = g->n_value;
    f->is_ok = graph_uses_make(g, f->cx, &f->uses);
    f->maker = arena_new(f->cx->scratch, uint32_t, f->cap);
    f->same = arena_new(f->cx->scratch, uint32_t, f->cap);
    if (!f->is_ok || !f->maker || !f->same) {
        return false;
    }
    for (uint32_t v = 0; v < f->cap; v++) {
        f->maker[v] = v < g->n_value ? f->uses.producer[v] : NODE_NONE;
        f->same[v] = v;
    }
    return true;
}

bool pass_fuse_quant(struct graph *g, struct cx *cx)
{
    struct fuse f = {.g = g, .cx = cx};
    const uint32_t n_node = g->n_node;
    bool has_any = false;
    for (uint32_t i = 0; i < n_node; i++) {
        has_any =
            has_any || (!g->node[i].is_dead && g->node[i].op == OP_DEQUANTIZE);
    }
    if (!has_any) {
        return true;
    }
    if (!set_up(&f)) {
        return false;
    }
    for (uint32_t i = 0; f.is_ok && i < n_node; i++) {
        struct node *const n = &g->node[i];
        for (uint32_t k = 0; !n->is_dead && k < n->n_in; k++) {
            n->in[k] = n->in[k] == VALUE_NONE ? VALUE_NONE : f.same[n->in[k]];
        }
        if (n->is_dead) {
            continue;
        }
        if (n->op == OP_QUANTIZE) {
            fuse_quantize(&f, i);
        } else if (n->op == OP_CONCAT) {
            join_integers(&f, i);
        } else {
            move_integers(&f, i);
        }
    }
    if (f.is_ok) {
        share_integers(&f, n_node);
    }
    g->is_ordered = false;
    return f.is_ok;
}
