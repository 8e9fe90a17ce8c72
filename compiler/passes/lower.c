#include "passes/lower.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "passes/elem.h"
#include "passes/lower_draft.h"

static bool (*const lowerings[OP_COUNT])(struct lower *lw, uint32_t node_ix) = {
    [OP_ARG_MAX] = lower_reduce,
    [OP_ARG_MIN] = lower_reduce,
    [OP_ATTENTION] = lower_attention,
    [OP_AVERAGE_POOL] = lower_pool,
    [OP_BIT_CAST] = lower_bit_cast,
    [OP_CAST] = lower_cast,
    [OP_CONCAT] = lower_concat,
    [OP_CONV] = lower_conv,
    [OP_CONV_INTEGER] = lower_quant,
    [OP_CONV_TRANSPOSE] = lower_deconv,
    [OP_CUM_PROD] = lower_scan,
    [OP_CUM_SUM] = lower_scan,
    [OP_DEFORM_CONV] = lower_deform_conv,
    [OP_DEPTH_TO_SPACE] = lower_depth_space,
    [OP_DET] = lower_det,
    [OP_DFT] = lower_dft,
    [OP_DROPOUT] = lower_dropout,
    [OP_EXPAND] = lower_expand,
    [OP_FLATTEN] = lower_reshape,
    [OP_GATHER] = lower_gather,
    [OP_GATHER_ELEMENTS] = lower_gather_index,
    [OP_GATHER_ND] = lower_gather_index,
    [OP_GEMM] = lower_gemm,
    [OP_GLOBAL_AVERAGE_POOL] = lower_global_pool,
    [OP_GLOBAL_MAX_POOL] = lower_global_pool,
    [OP_GRID_SAMPLE] = lower_grid_sample,
    [OP_GRU] = lower_rnn,
    [OP_IDENTITY] = lower_reshape,
    [OP_LAYER_NORM] = lower_norm,
    [OP_LINEAR_ATTENTION] = lower_linear_attention,
    [OP_LOG_SOFTMAX] = lower_softmax,
    [OP_LP_POOL] = lower_pool,
    [OP_LRN] = lower_lrn,
    [OP_LSTM] = lower_rnn,
    [OP_MATMUL] = lower_matmul,
    [OP_MATMUL_INTEGER] = lower_quant,
    [OP_MAX_POOL] = lower_pool,
    [OP_NMS] = lower_nms,
    [OP_NON_ZERO] = lower_nonzero,
    [OP_PAD] = lower_pad,
    [OP_QGEMM] = lower_quant,
    [OP_QLINEAR_AVERAGE_POOL] = lower_quant_pool,
    [OP_QLINEAR_CONV] = lower_quant,
    [OP_QLINEAR_GLOBAL_AVERAGE_POOL] = lower_quant_pool,
    [OP_QLINEAR_MATMUL] = lower_quant,
    [OP_REDUCE_L1] = lower_reduce,
    [OP_REDUCE_L2] = lower_reduce,
    [OP_REDUCE_LOG_SUM] = lower_reduce,
    [OP_REDUCE_LOG_SUM_EXP] = lower_reduce,
    [OP_REDUCE_MAX] = lower_reduce,
    [OP_REDUCE_MEAN] = lower_reduce,
    [OP_REDUCE_MIN] = lower_reduce,
    [OP_REDUCE_PROD] = lower_reduce,
    [OP_REDUCE_SUM] = lower_reduce,
    [OP_REDUCE_SUM_SQUARE] = lower_reduce,
    [OP_RESHAPE] = lower_reshape,
    [OP_RESIZE] = lower_resize,
    [OP_RMS_NORM] = lower_norm,
    [OP_RNN] = lower_rnn,
    [OP_ROI_ALIGN] = lower_roi_align,
    [OP_SCATTER] = lower_scatter,
    [OP_SCATTER_ELEMENTS] = lower_scatter,
    [OP_SCATTER_ND] = lower_scatter,
    [OP_SLICE] = lower_slice,
    [OP_SOFTMAX] = lower_softmax,
    [OP_SPACE_TO_DEPTH] = lower_depth_space,
    [OP_SPLIT] = lower_split,
    [OP_SQUEEZE] = lower_reshape,
    [OP_STFT] = lower_stft,
    [OP_TILE] = lower_tile,
    [OP_TOP_K] = lower_top_k,
    [OP_TRANSPOSE] = lower_transpose,
    [OP_UNSQUEEZE] = lower_reshape,
    [OP_UPSAMPLE] = lower_resize,
};

/* BatchNormalization as scale * x + shift, two constants that broadcast; left
 * out (VALUE_NONE) where its parameters are computed or no f32. */
static bool make_norm(struct lower *lw, uint32_t node_ix)
{
    struct graph *const g = lw->g;
    const struct node *const n = &g->node[node_ix];
    const struct value *in[5];
    for (uint32_t k = 0; k < 5; k++) {
        in[k] = &g->value[n->in[k]];
        if (in[k]->dtype != DTYPE_F32 || (k > 0 && !in[k]->is_const)) {
            lw->scale[node_ix] = VALUE_NONE;
            return true;
        }
    }
    const uint64_t channels = in[1]->data.len / sizeof(float);
    const uint32_t rank = in[0]->shape.rank;
    struct shape s = {.rank = rank > 1 ? rank - 1 : 1};
    for (uint32_t k = 0; k < s.rank; k++) {
        s.dim[k] = k == 0 ? (int64_t)channels : 1;
    }
    float *const data = arena_new(lw->cx->keep, float, 2 * channels);
    if (!data) {
        return false;
    }
    const double epsilon = (double)node_float(n, "epsilon", 1e-5F);
    for (uint64_t i = 0; i < channels; i++) {
        const double a =
            elem_f64(DTYPE_F32, in[1]->data.data, i) /
            sqrt(elem_f64(DTYPE_F32, in[4]->data.data, i) + epsilon);
        data[i] = (float)a;
        data[channels + i] =
            (float)(elem_f64(DTYPE_F32, in[2]->data.data, i) -
                    elem_f64(DTYPE_F32, in[3]->data.data, i) * a);
    }
    const uint8_t *const bytes = (const uint8_t *)data;
    const uint64_t len = channels * sizeof(float);
    const char *const name = n->name;
    lw->scale[node_ix] = graph_add_const(g, lw->cx, name, DTYPE_F32, &s,
                                         (struct span){bytes, len});
    lw->shift[node_ix] = graph_add_const(g, lw->cx, name, DTYPE_F32, &s,
                                         (struct span){bytes + len, len});
    return lw->scale[node_ix] != UINT32_MAX && lw->shift[node_ix] != UINT32_MAX;
}

/* The condition of a Where of f32, as f32, where it is known. */
static bool make_condition(struct lower *lw, uint32_t node_ix)
{
    struct graph *const g = lw->g;
    const struct node *const n = &g->node[node_ix];
    const struct value *const c = &g->value[n->in[0]];
    lw->scale[node_ix] = VALUE_NONE;
    if (!c->is_const || g->value[n->in[1]].dtype != DTYPE_F32) {
        return true;
    }
    const uint64_t len = c->data.len * sizeof(float);
    uint8_t *const data = arena_alloc(lw->cx->keep, len, sizeof(float));
    if (!data) {
        return false;
    }
    for (uint64_t i = 0; i < c->data.len; i++) {
        elem_put_f64(DTYPE_F32, data, i, c->data.data[i] != 0 ? 1.0 : 0.0);
    }
    const struct shape s = c->shape;
    lw->scale[node_ix] = graph_add_const(g, lw->cx, n->name, DTYPE_F32, &s,
                                         (struct span){data, len});
    return lw->scale[node_ix] != UINT32_MAX;
}

/* The elements that Trilu keeps, as a constant of bool in lw->scale. */
static bool make_mask(struct lower *lw, uint32_t node_ix)
{
    struct graph *const g = lw->g;
    const struct node *const n = &g->node[node_ix];
    const struct shape *const in = &g->value[n->in[0]].shape;
    const int64_t rows = in->dim[in->rank - 2];
    const int64_t columns = in->dim[in->rank - 1];
    const struct shape s = {2, {rows, columns}};
    const bool is_upper = node_int(n, "upper", 1) != 0;
    const uint64_t len = (uint64_t)rows * (uint64_t)columns;
    uint8_t *const data = arena_new(lw->cx->keep, uint8_t, len);
    double k;
    if (!data || !node_in_f64(g, lw->cx, n, 1, 0, &k)) {
        return false;
    }
    for (uint64_t i = 0; i < len; i++) {
        const double right =
            (double)(i % (uint64_t)columns) - (double)(i / (uint64_t)columns);
        data[i] = is_upper ? right >= k : right <= k;
    }
    lw->scale[node_ix] = graph_add_const(g, lw->cx, n->name, DTYPE_BOOL, &s,
                                         (struct span){data, len});
    return lw->scale[node_ix] != UINT32_MAX;
}

static bool set_up(struct lower *lw)
{
    struct graph *const g = lw->g;
    struct arena *const a = lw->cx->scratch;
    lw->scale = arena_new(a, uint32_t, g->n_node);
    lw->shift = arena_new(a, uint32_t, g->n_node);
    lw->emit = arena_new(a, uint32_t, g->n_node);
    lw->inlined = arena_new(a, bool, g->n_node);
    lw->fused = arena_new(a, struct fused, g->n_node);
    if (!lw->scale || !lw->shift || !lw->emit || !lw->inlined || !lw->fused) {
        return false;
    }
    uint32_t n_live = 0;
    for (uint32_t i = 0; i < g->n_node; i++) {
        const struct node *const n = &g->node[i];
        if (n->is_dead) {
            lw->emit[i] = NODE_NONE;
            continue;
        }
        n_live++;
        lw->emit[i] = i;
        lw->fused[i] = (struct fused){.out = n->out[0],
                                      .bias = VALUE_NONE,
                                      .slope = VALUE_NONE,
                                      .residual = VALUE_NONE};
        if ((n->op == OP_BATCH_NORM && !make_norm(lw, i)) ||
            (n->op == OP_WHERE && !make_condition(lw, i)) ||
            (n->op == OP_TRILU && !make_mask(lw, i))) {
            return false;
        }
    }
    /* Room for a layer a node: growing leaves behind what was outgrown. */
    lw->draft = arena_new(a, struct draft, n_live);
    lw->cap_draft = n_live;
    lw->slot = arena_new(a, struct slot, g->n_value);
    return lw->draft && lw->slot && graph_uses_make(g, lw->cx, &lw->uses);
}

static bool set_inputs(struct lower *lw)
{
    for (uint32_t i = 0; i < lw->g->n_input; i++) {
        const uint32_t ix = lw->g->input[i];
        const struct value *const v = &lw->g->value[ix];
        uint64_t n;
        uint64_t dim[TENSOR_MAX_RANK];
        if (dtype_bytes(v->dtype) == 0) {
            return diag_error(lw->cx->diag, E_TYPE, at_tensor(v->name),
                              "inputs of type %s are not supported",
                              dtype_name(v->dtype));
        }
        if (!shape_count(&v->shape, &n)) {
            return diag_error(lw->cx->diag, E_SHAPE, at_tensor(v->name),
                              "its size is not known");
        }
        if (n > UINT32_MAX / dtype_bytes(v->dtype)) {
            return diag_error(lw->cx->diag, E_TOO_BIG, at_tensor(v->name),
                              "an input of %" PRIu64 " elements does not fit "
                              "into the 4 GiB of an arena",
                              n);
        }
        /* An empty input has a place of one element that nobody reads. */
        const uint32_t buf =
            lower_new_buf(lw, v->name, v->dtype, n ? n : 1, n ? 0 : 1);
        if (buf == UINT32_MAX) {
            return false;
        }
        lw->buf[buf].is_input = true;
        dims_of(&v->shape, dim);
        lw->slot[ix].state = SLOT_VIEW;
        view_plain(&lw->slot[ix].view, buf, v->dtype, v->shape.rank, dim);
    }
    return true;
}

static bool is_empty(const struct lower *lw, uint32_t value)
{
    uint64_t n;
    return value != VALUE_NONE && shape_count(&lw->g->value[value].shape, &n) &&
           n == 0;
}

/* An empty value: a view that nobody follows. */
static void set_empty(struct lower *lw, uint32_t value)
{
    const struct value *const v = &lw->g->value[value];
    uint64_t dim[TENSOR_MAX_RANK];
    dims_of(&v->shape, dim);
    lw->slot[value].state = SLOT_VIEW;
    view_plain(&lw->slot[value].view, BUF_WEIGHTS, v->dtype, v->shape.rank,
               dim);
}

/* A node whose results are all empty computes nothing. */
static bool skips_empty(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    bool is_all = is_empty(lw, lw->fused[node_ix].out);
    for (uint32_t k = 0; k < n->n_out; k++) {
        is_all = is_all && (n->out[k] == VALUE_NONE || is_empty(lw, n->out[k]));
    }
    if (is_all) {
        for (uint32_t k = 0; k < n->n_out; k++) {
            if (n->out[k] != VALUE_NONE) {
                set_empty(lw, n->out[k]);
            }
        }
        set_empty(lw, lw->fused[node_ix].out);
    }
    return is_all;
}

/* Of empty inputs only some make something. */
static bool check_not_empty(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    if (n->op == OP_SPLIT || n->op == OP_CONCAT || n->op == OP_PAD ||
        lowerings[n->op] == lower_reduce || lowerings[n->op] == lower_scatter) {
        return true;
    }
    for (uint32_t k = 0; k < n->n_in; k++) {
        if (n->in[k] != VALUE_NONE && !lw->g->value[n->in[k]].is_const &&
            is_empty(lw, n->in[k])) {
            return node_error(lw->cx, n, E_UNSUPPORTED,
                              "tensor '%s' has no elements",
                              lw->g->value[n->in[k]].name);
        }
    }
    return true;
}

static bool lower_nodes(struct lower *lw)
{
    for (uint32_t i = 0; i < lw->g->n_node; i++) {
        const uint32_t ix = lw->emit[i];
        if (ix == NODE_NONE) {
            continue;
        }
        const struct node *const n = &lw->g->node[ix];
        if (skips_empty(lw, ix)) {
            continue;
        }
        if (!check_not_empty(lw, ix)) {
            return false;
        }
        bool (*const fn)(struct lower *, uint32_t) =
            ewise_is_op(n->op) ? lower_ewise : lowerings[n->op];
        if (!fn) {
            return node_error(lw->cx, n, E_UNSUPPORTED,
                              "%s on values known only at run time is not "
                              "supported",
                              op_name(n->op));
        }
        if (!fn(lw, ix)) {
            return false;
        }
    }
    return true;
}

/* An empty output has a place of one element. */
static bool set_empty_output(struct lower *lw, uint32_t value)
{
    const struct value *const v = &lw->g->value[value];
    const uint64_t one = 1;
    const uint32_t buf = lower_new_buf(lw, v->name, v->dtype, one, one);
    struct draft *const d =
        lower_new_draft(lw, lw->uses.producer[value], LAYER_COPY);
    if (buf == UINT32_MAX || !d) {
        return false;
    }
    d->y.p.copy.pads = true;
    view_plain(&d->out, buf, v->dtype, 1, &one);
    lw->buf[buf].is_output = true;
    lw->slot[value].state = SLOT_VIEW;
    lw->slot[value].view = d->out;
    return true;
}

/* An output is the buffer itself where that holds it in ONNX order and nothing
 * else, else a copy. */
static bool set_output(struct lower *lw, uint32_t value)
{
    const struct value *const v = &lw->g->value[value];
    const uint32_t from = lw->uses.producer[value];
    struct view out;
    struct view in;
    uint64_t n;
    if (!shape_count(&v->shape, &n) || dtype_bytes(v->dtype) == 0) {
        return diag_error(lw->cx->diag, E_SHAPE, at_tensor(v->name),
                          "an output must have a known size and type");
    }
    if (n == 0) {
        return set_empty_output(lw, value);
    }
    if (!lower_get(lw, from, value, &in)) {
        return false;
    }
    if (in.buf != BUF_WEIGHTS) {
        struct draft_buf *const b = &lw->buf[in.buf];
        if (!b->is_input && !b->is_output && view_is_all_plain(&in, b->n)) {
            b->is_output = true;
            b->name = v->name;
            lw->slot[value].state = SLOT_VIEW;
            lw->slot[value].view = in;
            return true;
        }
    }
    out = in;
    if (!lower_plain_copy(lw, from, v->name, &out)) {
        return false;
    }
    lw->buf[out.buf].is_output = true;
    lw->slot[value].state = SLOT_VIEW;
    lw->slot[value].view = out;
    return true;
}

/* ---- states: outputs in the place of inputs ------------------------------ */

static bool is_state(const struct lower *lw, uint32_t output)
{
    for (uint32_t i = 0; i < lw->g->n_state; i++) {
        if (lw->g->state[i].output == output) {
            return true;
        }
    }
    return false;
}

/* What the state becomes, where it can be read until the end: an input may be
 * written in its place before. */
static bool get_state(struct lower *lw, const struct graph_state *s,
                      struct view *from)
{
    const struct graph *const g = lw->g;
    const uint32_t value = g->output[s->output];
    const struct value *const in = &g->value[g->input[s->input]];
    const struct value *const out = &g->value[value];
    uint64_t n;
    if (in->dtype != out->dtype || !shape_equal(&in->shape, &out->shape) ||
        !shape_count(&in->shape, &n) || n == 0) {
        return diag_error(lw->cx->diag, E_SHAPE, at_tensor(out->name),
                          "it has another type or shape than input '%s', or no "
                          "elements, so that it is no state of the next run",
                          in->name);
    }
    const uint32_t node = lw->uses.producer[value];
    return lower_get(lw, node, value, from) &&
           (from->buf == BUF_WEIGHTS || !lw->buf[from->buf].is_input ||
            from->buf == lower_state_of(lw, node, value) ||
            lower_plain_copy(lw, node, out->name, from));
}

/* Inputs have the first buffers. What reads a state has been drafted. */
static bool put_state(struct lower *lw, const struct graph_state *s,
                      const struct view *from)
{
    const uint32_t value = lw->g->output[s->output];
    struct slot *const slot = &lw->slot[value];
    slot->state = SLOT_VIEW;
    view_plain(&slot->view, s->input, from->dtype, from->rank, from->dim);
    lw->buf[s->input].is_output = true;
    return from->buf == s->input ||
           lower_copy(lw, lw->uses.producer[value], from, &slot->view);
}

static bool set_states(struct lower *lw)
{
    const struct graph *const g = lw->g;
    struct view *const from =
        arena_new(lw->cx->scratch, struct view, g->n_state);
    bool is_ok = from != NULL;
    for (uint32_t i = 0; is_ok && i < g->n_state; i++) {
        is_ok = get_state(lw, &g->state[i], &from[i]);
    }
    for (uint32_t i = 0; is_ok && i < g->n_state; i++) {
        is_ok = put_state(lw, &g->state[i], &from[i]);
    }
    return is_ok;
}

static bool write_io(struct lower *lw, struct layers *l)
{
    const struct graph *const g = lw->g;
    struct arena *const keep = lw->cx->keep;
    l->name = g->name;
    l->n_input = g->n_input;
    l->n_output = g->n_output;
    l->input = arena_new(keep, struct layer_io, g->n_input);
    l->output = arena_new(keep, struct layer_io, g->n_output);
    if (!l->input || !l->output) {
        return false;
    }
    for (uint32_t i = 0; i < g->n_input; i++) {
        const struct value *const v = &g->value[g->input[i]];
        /* Inputs have the first buffers, in order: an output that is an input
         * has changed the value's slot. */
        l->input[i] = (struct layer_io){v->name, v->dtype, v->shape, i};
    }
    for (uint32_t i = 0; i < g->n_output; i++) {
        const struct value *const v = &g->value[g->output[i]];
        l->output[i] = (struct layer_io){v->name, v->dtype, v->shape, 0};
    }
    return true;
}

static bool lower_all(struct lower *lw, struct layers *l)
{
    if (!set_up(lw) || !lower_fuse(lw) || !set_inputs(lw) || !lower_nodes(lw) ||
        !write_io(lw, l)) {
        return false;
    }
    for (uint32_t i = 0; i < lw->g->n_output; i++) {
        if (!is_state(lw, i) && !set_output(lw, lw->g->output[i])) {
            return false;
        }
    }
    if (!set_states(lw)) {
        return false;
    }
    for (uint32_t i = 0; i < lw->g->n_output; i++) {
        l->output[i].buf = lw->slot[lw->g->output[i]].view.buf;
    }
    return lower_merge(lw) && lower_finish(lw, l) && lower_guard(lw->cx, l);
}

bool lower(struct graph *g, struct cx *cx, struct layers *l)
{
    struct lower lw = {.g = g, .cx = cx};
    struct layers made = {0};
    const struct arena_mark mark = arena_mark(cx->scratch);
    const bool is_ok = lower_all(&lw, &made);
    arena_rewind(cx->scratch, mark);
    if (is_ok) {
        *l = made;
    }
    return is_ok;
}
