/* Products and means of 8-bit numbers. */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "passes/elem.h"
#include "passes/lower_conv.h"

static double number(const struct lower *lw, uint32_t value, uint64_t i,
                     double def)
{
    if (value == VALUE_NONE) {
        return def;
    }
    const struct value *const v = &lw->g->value[value];
    const uint64_t n = v->data.len / dtype_bytes(v->dtype);
    return elem_f64(v->dtype, v->data.data, n > 1 ? i : 0);
}

/* A weight of n numbers along the channels, its data in *bytes to be filled. */
static bool new_channels(struct lower *lw, enum dtype t, uint64_t n,
                         struct weight *w, uint8_t **bytes)
{
    *bytes = arena_alloc_array(lw->cx->keep, n, 4, 4);
    *w = (struct weight){
        .data = {*bytes, n * 4},
        .dtype = t,
        .rank = 1,
        .dim = {n},
        .stride = {1},
    };
    return *bytes != NULL;
}

/* What an activation that was taken over leaves of [low, high]. */
static void cut_range(const struct epilogue *e, struct quant *q)
{
    if (e->act == ACT_RELU) {
        q->low = q->low > 0 ? q->low : 0;
    } else if (e->act == ACT_CLIP) {
        const double low = fmax((double)e->a, q->low);
        const double high = fmin((double)e->b, q->high);
        q->low = (int32_t)fmin(low, q->high);
        q->high = (int32_t)fmax(high, q->low);
    }
    q->high = q->high < q->low ? q->low : q->high;
}

void lower_quant_range(enum dtype t, const struct epilogue *e, struct quant *q)
{
    double low = 0;
    double high = 0;
    if (quant_range(t, &low, &high)) {
        q->low = (int32_t)low;
        q->high = (int32_t)high;
        cut_range(e, q);
    }
}

/* The constant w as I8: channel (i / inner) % channels of element i has its
 * zero point taken off where all fit, else left in *zero. */
static bool set_weights(struct lower *lw, const struct quant_slots *s,
                        uint64_t channels, uint64_t inner, struct conv_job *job,
                        struct weight *zero)
{
    const struct value *const w = &lw->g->value[s->w];
    const uint64_t n = w->data.len;
    const int64_t base = w->dtype == DTYPE_U8 ? 128 : 0;
    bool fits = true;
    bool is_same = base == 0;
    *zero = (struct weight){.dtype = DTYPE_I32};
    job->w.dtype = DTYPE_I8;
    for (uint64_t i = 0; i < n && fits; i++) {
        const int64_t z =
            (int64_t)number(lw, s->w_zero, i / inner % channels, 0);
        const int64_t v = elem_i64(w->dtype, w->data.data, i) - z;
        fits = v >= -128 && v <= 127;
        is_same = is_same && z == 0;
    }
    if (fits && is_same) {
        job->w.data = w->data;
        return true;
    }
    uint8_t *const data = arena_alloc(lw->cx->keep, n, 1);
    if (!data) {
        return false;
    }
    for (uint64_t i = 0; i < n; i++) {
        const int64_t z =
            (int64_t)number(lw, s->w_zero, i / inner % channels, 0);
        elem_put_i64(DTYPE_I8, data, i,
                     elem_i64(w->dtype, w->data.data, i) - (fits ? z : base));
    }
    job->w.data = (struct span){data, n};
    uint8_t *zeros;
    if (fits) {
        return true;
    }
    if (!new_channels(lw, DTYPE_I32, channels, zero, &zeros)) {
        return false;
    }
    for (uint64_t c = 0; c < channels; c++) {
        elem_put_i64(DTYPE_I32, zeros, c,
                     (int64_t)number(lw, s->w_zero, c, 0) - base);
    }
    return true;
}

/* Scales as ONNX Runtime computes them, in f32: x * w / y. */
static bool set_params(struct lower *lw, uint32_t node_ix,
                       const struct quant_slots *s, uint64_t channels,
                       struct conv_quant *q)
{
    const struct node *const n = &lw->g->node[node_ix];
    const float alpha = node_float(n, "alpha", 1.0F);
    uint8_t *bytes;
    *q = (struct conv_quant){
        .out = lw->g->value[lw->fused[node_ix].out].dtype,
        .bias = {.dtype = DTYPE_I32},
        .scale = {.dtype = DTYPE_F32},
    };
    q->q.in_zero = (int32_t)number(lw, s->x_zero, 0, 0);
    q->q.out_zero = (int32_t)number(lw, s->y_zero, 0, 0);
    lower_quant_range(q->out, &lw->fused[node_ix].epi, &q->q);
    if (s->bias != VALUE_NONE) {
        if (!new_channels(lw, DTYPE_I32, channels, &q->bias, &bytes)) {
            return false;
        }
        for (uint64_t c = 0; c < channels; c++) {
            elem_put_f64(DTYPE_I32, bytes, c, number(lw, s->bias, c, 0));
        }
    }
    if (s->x_scale == VALUE_NONE) {
        return true;
    }
    if (!new_channels(lw, DTYPE_F32, channels, &q->scale, &bytes)) {
        return false;
    }
    for (uint64_t c = 0; c < channels; c++) {
        const float both = alpha * (float)number(lw, s->x_scale, 0, 1) *
                           (float)number(lw, s->w_scale, c, 1);
        elem_put_f64(DTYPE_F32, bytes, c,
                     (double)(both / (float)number(lw, s->y_scale, 0, 1)));
    }
    return true;
}

bool lower_quant(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const struct quant_slots s = quant_slots(n);
    const struct shape *const w = &lw->g->value[s.w].shape;
    struct conv_quant q;
    struct conv_job job = {.kind = LAYER_CONV, .bias = VALUE_NONE, .quant = &q};
    if (!quant_is_fast(lw->g, n)) { /* i32, of an expansion */
        return lower_conv_general(lw, node_ix);
    }
    if (n->op == OP_CONV_INTEGER || n->op == OP_QLINEAR_CONV) {
        const uint64_t channels = (uint64_t)w->dim[0];
        if (!conv_get_window(lw, node_ix, &job)) {
            return false;
        }
        conv_set_weights(&job, channels, job.in.dim[3] / job.p.group);
        const uint64_t inner = lw->g->value[s.w].data.len / channels;
        return set_params(lw, node_ix, &s, channels, &q) &&
               set_weights(lw, &s, channels, inner, &job, &q.zero) &&
               conv_draft(lw, node_ix, &job);
    }
    const bool is_turned = node_int(n, "transB", 0) != 0;
    const uint64_t channels = (uint64_t)w->dim[is_turned ? 0 : 1];
    const uint64_t k = (uint64_t)w->dim[is_turned ? 1 : 0];
    uint64_t count;
    if (!shape_count(&lw->g->value[s.x].shape, &count)) {
        return false;
    }
    const struct product p = {
        .m = count / k,
        .n = channels,
        .k = k,
        .k_step = is_turned ? 1 : (int64_t)channels,
        .n_step = is_turned ? (int64_t)k : 1,
    };
    return set_params(lw, node_ix, &s, channels, &q) &&
           set_weights(lw, &s, channels, is_turned ? k : 1, &job, &q.zero) &&
           conv_draft_product(lw, node_ix, s.x, false, &p, &job);
}
