/* Convolutions, and products with a constant right side, which are convolutions
 * of 1x1 over [rows, 1, K], or of the whole image where a flattened image is
 * multiplied: the image needs no other order then, only its weights do. */
#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "passes/elem.h"
#include "passes/lower_conv.h"

/* n floats in the keep arena, as the weights' bytes. */
static uint8_t *new_floats(struct lower *lw, uint64_t n)
{
    return arena_alloc_array(lw->cx->keep, n, sizeof(float), sizeof(float));
}

/* scale * the constant; its own bytes when scale is 1. */
static bool scaled(struct lower *lw, struct span c, float scale,
                   struct span *out)
{
    const uint64_t n = c.len / sizeof(float);
    *out = c;
    if (scale == 1.0F) {
        return true;
    }
    uint8_t *const data = new_floats(lw, n);
    for (uint64_t i = 0; data && i < n; i++) {
        elem_put_f64(DTYPE_F32, data, i,
                     (double)scale * elem_f64(DTYPE_F32, c.data, i));
    }
    *out = (struct span){data, c.len};
    return data != NULL;
}

/* A constant along the channels; nothing for VALUE_NONE. */
static bool set_channels(struct lower *lw, uint32_t value, float scale,
                         uint64_t channels, struct weight *w)
{
    *w = (struct weight){.dtype = DTYPE_F32};
    if (value == VALUE_NONE) {
        return true;
    }
    const struct value *const v = &lw->g->value[value];
    w->rank = 1;
    w->dim[0] = channels;
    w->stride[0] = v->data.len > sizeof(float) ? 1 : 0;
    return scaled(lw, v->data, scale, &w->data);
}

/* The residual as an image of the layer's own shape. */
static bool get_residual(struct lower *lw, uint32_t node_ix,
                         const struct conv_job *job, bool is_product,
                         struct view *r)
{
    const struct fused *const f = &lw->fused[node_ix];
    if (!lower_get(lw, node_ix, f->residual, r)) {
        return false;
    }
    if (!is_product) {
        *r = view_to_image(r);
    } else if (!view_reshape(r, 4, job->out, r)) {
        return lower_plain_copy(lw, node_ix, lw->g->value[f->residual].name,
                                r) &&
               view_reshape(r, 4, job->out, r) &&
               lower_to_image(lw, node_ix, r);
    }
    return lower_to_image(lw, node_ix, r);
}

/* The layer in integers: all it takes over is in job->quant. */
static bool draft_quant(struct lower *lw, uint32_t node_ix,
                        struct conv_job *job)
{
    const struct fused *const f = &lw->fused[node_ix];
    const struct value *const v = &lw->g->value[f->out];
    const bool is_conv = lw->g->node[node_ix].op == OP_QLINEAR_CONV ||
                         lw->g->node[node_ix].op == OP_CONV_INTEGER;
    struct view out;
    if (!lower_to_image(lw, node_ix, &job->in) ||
        !lower_fresh_image(lw, v->name, job->quant->out, job->out, &out)) {
        return false;
    }
    struct draft *const d = lower_new_draft(lw, node_ix, LAYER_CONV);
    if (!d) {
        return false;
    }
    struct layer *const y = &d->y;
    y->p.conv = job->p;
    y->quant = job->quant->q;
    y->n_in = 1;
    d->in[0] = job->in;
    d->out = out;
    y->weight[0] = job->w;
    y->weight[1] = job->quant->bias;
    y->weight[2] = job->quant->scale;
    y->weight[3] = job->quant->zero;
    y->n_weight = 4;
    y->macs = job->out[0] * job->out[1] * job->out[2] * job->out[3] *
              job->w.dim[1] * job->w.dim[2] * job->w.dim[3];
    const struct view as_onnx =
        is_conv ? view_from_image(&out, v->shape.rank) : out;
    lower_set(lw, f->out, &as_onnx);
    return true;
}

bool conv_draft(struct lower *lw, uint32_t node_ix, struct conv_job *job)
{
    if (job->quant) {
        return draft_quant(lw, node_ix, job);
    }
    const struct fused *const f = &lw->fused[node_ix];
    const struct value *const v = &lw->g->value[f->out];
    const bool is_product = lw->g->node[node_ix].op == OP_GEMM ||
                            lw->g->node[node_ix].op == OP_MATMUL;
    struct view residual;
    struct view out;
    struct weight bias;
    struct weight slope;
    const bool has_own = f->bias == VALUE_NONE;
    if (!lower_need_f32(lw, node_ix, v->dtype) ||
        !lower_need_f32(lw, node_ix, job->in.dtype) ||
        !lower_need_f32(lw, node_ix, job->w.dtype) ||
        !lower_to_image(lw, node_ix, &job->in) ||
        !set_channels(lw, has_own ? job->bias : f->bias,
                      has_own ? job->bias_scale : 1.0F, job->out[3], &bias) ||
        !set_channels(lw, f->slope, 1.0F, job->out[3], &slope)) {
        return false;
    }
    if (f->residual != VALUE_NONE &&
        !get_residual(lw, node_ix, job, is_product, &residual)) {
        return false;
    }
    if (!lower_fresh_image(lw, v->name, DTYPE_F32, job->out, &out)) {
        return false;
    }
    struct draft *const d = lower_new_draft(lw, node_ix, job->kind);
    if (!d) {
        return false;
    }
    struct layer *const y = &d->y;
    y->p.conv = job->p;
    y->epi = f->epi;
    y->n_in = 1;
    d->in[0] = job->in;
    d->out = out;
    if (f->residual != VALUE_NONE) {
        d->in[y->n_in++] = residual;
    }
    y->weight[0] = job->w;
    y->weight[1] = bias;
    y->weight[2] = slope;
    y->n_weight = f->epi.act == ACT_PRELU ? 3 : 2;
    const uint64_t taps = job->w.dim[1] * job->w.dim[2] * job->w.dim[3];
    const uint64_t *const over =
        job->kind == LAYER_CONV ? job->out : job->in.dim;
    y->macs = over[0] * over[1] * over[2] * taps * job->out[3];
    const struct view as_onnx =
        is_product ? out : view_from_image(&out, v->shape.rank);
    lower_set(lw, f->out, &as_onnx);
    return true;
}

/* ---- Conv, ConvTranspose --------------------------------------------------
 */

bool conv_get_window(struct lower *lw, uint32_t node_ix, struct conv_job *job)
{
    const struct node *const n = &lw->g->node[node_ix];
    const bool has_bias = n->n_in > 2 && n->in[2] != VALUE_NONE;
    struct window win;
    struct view in;
    if (!window_params(lw->g, lw->cx, n, &win) ||
        !lower_get(lw, node_ix, n->in[0], &in)) {
        return false;
    }
    job->in = view_to_image(&in);
    job->bias = has_bias ? n->in[2] : VALUE_NONE;
    job->bias_scale = 1.0F;
    job->p = (struct conv_param){
        .group = (uint32_t)win.group,
        .kernel = {1, 1},
        .stride = {1, 1},
        .dilation = {1, 1},
    };
    job->out[0] = job->in.dim[0];
    job->out[2] = 1;
    for (uint32_t i = 0; i < win.n_dim; i++) {
        job->p.kernel[i] = (uint32_t)win.kernel[i];
        job->p.stride[i] = (uint32_t)win.stride[i];
        job->p.dilation[i] = (uint32_t)win.dilation[i];
        job->p.pad_begin[i] = (int32_t)win.pad_begin[i];
        job->out[1 + i] = (uint64_t)win.out[i];
    }
    return true;
}

/* Windows that do not overlap, of planes (one channel after the other), which
 * must be copied in any case. */
static bool is_patches(struct lower *lw, const struct conv_job *job)
{
    const struct conv_param *const p = &job->p;
    const struct view *const in = &job->in;
    for (uint32_t i = 0; i < 2; i++) {
        if (p->kernel[i] != p->stride[i] || p->dilation[i] != 1 ||
            p->pad_begin[i] != 0) {
            return false;
        }
    }
    return p->group == 1 && p->kernel[0] * p->kernel[1] > 1 &&
           in->buf != BUF_WEIGHTS && in->dtype == DTYPE_F32 &&
           (in->dim[3] == 1 || in->stride[3] > in->stride[1]) &&
           !lower_is_image(lw, in);
}

/* The copy has a window's elements together, in the order of the weights; the
 * convolution is a product then, whatever the size of the window. */
static bool copy_patches(struct lower *lw, uint32_t node_ix,
                         struct conv_job *job)
{
    static const uint32_t perm[6] = {0, 1, 3, 5, 2, 4};
    const uint64_t h = job->p.kernel[0];
    const uint64_t w = job->p.kernel[1];
    struct view in = job->in;
    const uint64_t c = in.dim[3];
    const uint64_t cut[6] = {in.dim[0], job->out[1], h, job->out[2], w, c};
    view_slice(&in, 1, 0, 1, job->out[1] * h);
    view_slice(&in, 2, 0, 1, job->out[2] * w);
    if (!view_reshape(&in, 6, cut, &in)) {
        return true; /* runs backwards, or the like */
    }
    in = view_permute(&in, perm);
    const uint64_t dim[4] = {in.dim[0], in.dim[1], in.dim[2], c * h * w};
    struct view to;
    if (!lower_fresh_image(lw, lw->g->node[node_ix].name, in.dtype, dim, &to)) {
        return false;
    }
    struct view parts;
    view_plain(&parts, to.buf, to.dtype, 6, in.dim);
    if (!lower_copy(lw, node_ix, &in, &parts)) {
        return false;
    }
    job->in = to;
    job->p.kernel[0] = 1;
    job->p.kernel[1] = 1;
    job->p.stride[0] = 1;
    job->p.stride[1] = 1;
    return true;
}

void conv_set_weights(struct conv_job *job, uint64_t channels, uint64_t own)
{
    const uint64_t taps = (uint64_t)job->p.kernel[0] * job->p.kernel[1];
    job->out[3] = channels;
    job->w = (struct weight){
        .rank = 4,
        .dim = {channels, job->p.kernel[0], job->p.kernel[1], own},
        .stride = {(int64_t)(own * taps), job->p.kernel[1], 1, (int64_t)taps},
    };
}

bool lower_conv(struct lower *lw, uint32_t node_ix)
{
    const struct value *const w = &lw->g->value[lw->g->node[node_ix].in[1]];
    struct conv_job job = {.kind = LAYER_CONV};
    if (!lower_conv_is_fast(lw, &lw->g->node[node_ix])) {
        return lower_conv_general(lw, node_ix);
    }
    if (!conv_get_window(lw, node_ix, &job) ||
        (is_patches(lw, &job) && !copy_patches(lw, node_ix, &job))) {
        return false;
    }
    /* more than ONNX's, of patches */
    const uint64_t own = job.in.dim[3] / job.p.group;
    conv_set_weights(&job, (uint64_t)w->shape.dim[0], own);
    job.w.data = w->data;
    job.w.dtype = w->dtype;
    return conv_draft(lw, node_ix, &job);
}

/* [C][O/group][taps] -> O, taps, C/group, where no strides say it: channels of
 * several groups, of more than one each. */
static bool regroup(struct lower *lw, const struct value *w, uint64_t group,
                    uint64_t taps, struct weight *out)
{
    const uint64_t n_in = (uint64_t)w->shape.dim[0] / group;
    const uint64_t n_out = (uint64_t)w->shape.dim[1];
    uint8_t *const data = new_floats(lw, w->data.len / sizeof(float));
    if (!data) {
        return false;
    }
    uint64_t at = 0;
    for (uint64_t o = 0; o < n_out * group; o++) {
        const uint64_t in0 = o / n_out * n_in;
        for (uint64_t t = 0; t < taps; t++) {
            for (uint64_t c = 0; c < n_in; c++) {
                const uint64_t from =
                    ((in0 + c) * n_out + o % n_out) * taps + t;
                elem_put_f64(DTYPE_F32, data, at++,
                             elem_f64(DTYPE_F32, w->data.data, from));
            }
        }
    }
    out->data = (struct span){data, w->data.len};
    out->stride[0] = (int64_t)(taps * n_in);
    out->stride[1] = (int64_t)(out->dim[2] * n_in);
    out->stride[2] = (int64_t)n_in;
    out->stride[3] = 1;
    return true;
}

bool lower_deconv(struct lower *lw, uint32_t node_ix)
{
    const struct value *const w = &lw->g->value[lw->g->node[node_ix].in[1]];
    struct conv_job job = {.kind = LAYER_DECONV};
    if (!lower_conv_is_fast(lw, &lw->g->node[node_ix])) {
        return lower_conv_general(lw, node_ix);
    }
    if (!conv_get_window(lw, node_ix, &job)) {
        return false;
    }
    const uint64_t taps = (uint64_t)job.p.kernel[0] * job.p.kernel[1];
    const uint64_t group = job.p.group;
    assert(group > 0); /* pass_shapes has seen to it */
    const uint64_t n_in = (uint64_t)w->shape.dim[0] / group;
    const uint64_t n_out = (uint64_t)w->shape.dim[1];
    job.out[3] = n_out * group;
    job.w = (struct weight){
        .data = w->data,
        .dtype = w->dtype,
        .rank = 4,
        .dim = {job.out[3], job.p.kernel[0], job.p.kernel[1], n_in},
        .stride = {(int64_t)taps, job.p.kernel[1], 1, (int64_t)(n_out * taps)},
    };
    if (group > 1 && n_in > 1 && !regroup(lw, w, group, taps, &job.w)) {
        return false;
    }
    return conv_draft(lw, node_ix, &job);
}

/* ---- products -------------------------------------------------------------
 */

static void set_kernel(struct conv_job *job, const struct product *p,
                       uint64_t h, uint64_t w, uint64_t c)
{
    job->p = (struct conv_param){
        .group = 1,
        .kernel = {(uint32_t)h, (uint32_t)w},
        .stride = {1, 1},
        .dilation = {1, 1},
    };
    const uint64_t dim[4] = {p->n, h, w, c};
    memcpy(job->w.dim, dim, sizeof dim);
}

/* The left side is m flattened images: a kernel of the image's size. */
static bool try_image(struct lower *lw, uint32_t value, const struct product *p,
                      struct conv_job *job)
{
    const struct slot *const s = &lw->slot[value];
    if (s->state != SLOT_PENDING || s->view.rank < 3 || s->view.rank > 4 ||
        s->view.dim[0] != p->m || (!job->quant && s->view.dtype != DTYPE_F32)) {
        return false;
    }
    const struct view in = view_to_image(&s->view);
    if (!lower_is_image(lw, &in)) {
        return false;
    }
    job->in = in;
    set_kernel(job, p, in.dim[1], in.dim[2], in.dim[3]);
    job->w.stride[1] = p->k_step * (int64_t)in.dim[2];
    job->w.stride[2] = p->k_step;
    job->w.stride[3] = p->k_step * (int64_t)(in.dim[1] * in.dim[2]);
    job->out[0] = p->m;
    job->out[1] = 1;
    return true;
}

/* Each row of the left side is several rows of its buffer. */
static bool try_rows(struct lower *lw, const struct view *a,
                     const struct product *p, struct conv_job *job)
{
    const uint64_t row = a->buf == BUF_WEIGHTS ? 0 : lw->buf[a->buf].row;
    if (row == 0 || p->k % row != 0 || a->stride[1] != 1 ||
        (a->dim[0] != 1 && a->stride[0] != (int64_t)p->k)) {
        return false;
    }
    const uint64_t dim[4] = {p->m, p->k / row, 1, row};
    struct view in;
    if (!view_reshape(a, 4, dim, &in) || !lower_is_image(lw, &in)) {
        return false;
    }
    job->in = in;
    set_kernel(job, p, dim[1], 1, row);
    job->w.stride[1] = p->k_step * (int64_t)row;
    job->w.stride[3] = p->k_step;
    job->out[0] = p->m;
    job->out[1] = 1;
    return true;
}

bool conv_draft_product(struct lower *lw, uint32_t node_ix, uint32_t left,
                        bool is_transposed, const struct product *p,
                        struct conv_job *job)
{
    static const uint32_t swap[2] = {1, 0};
    job->kind = LAYER_CONV;
    job->out[2] = 1;
    job->out[3] = p->n;
    job->w.rank = 4;
    job->w.stride[0] = p->n_step;
    if (!is_transposed && try_image(lw, left, p, job)) {
        return conv_draft(lw, node_ix, job);
    }
    struct view a;
    if (!lower_get(lw, node_ix, left, &a)) {
        return false;
    }
    const uint64_t flat[2] = {p->m, p->k};
    if (is_transposed) {
        a = view_permute(&a, swap);
    } else if (!view_reshape(&a, 2, flat, &a) &&
               (!lower_plain_copy(lw, node_ix, lw->g->value[left].name, &a) ||
                !view_reshape(&a, 2, flat, &a))) {
        return false;
    }
    const uint64_t dim[4] = {1, p->m, 1, p->k};
    struct view in = a;
    if (!view_reshape(&a, 4, dim, &in)) {
        return false;
    }
    if (!lower_is_image(lw, &in) && try_rows(lw, &a, p, job)) {
        return conv_draft(lw, node_ix, job);
    }
    job->in = in;
    set_kernel(job, p, 1, 1, p->k);
    job->w.stride[3] = p->k_step;
    job->out[0] = 1;
    job->out[1] = p->m;
    return conv_draft(lw, node_ix, job);
}

/* A product of computed matrices, or with a summand that is no bias. */
static bool lower_gemm_general(struct lower *lw, uint32_t node_ix)
{
    static const uint32_t swap[2] = {1, 0};
    const struct node *const n = &lw->g->node[node_ix];
    const bool has_c = n->n_in > 2 && n->in[2] != VALUE_NONE;
    const float alpha = node_float(n, "alpha", 1.0F);
    struct view side[3];
    struct view out;
    for (uint32_t k = 0; k < (has_c ? 3U : 2U); k++) {
        if (!lower_get(lw, node_ix, n->in[k], &side[k])) {
            return false;
        }
    }
    for (uint32_t k = 0; k < 2; k++) {
        if (node_int(n, k == 0 ? "transA" : "transB", 0) != 0) {
            side[k] = view_permute(&side[k], swap);
        }
    }
    if (!lower_product(lw, node_ix, &side[0], &side[1], &out)) {
        return false;
    }
    if (!has_c && alpha == 1.0F) {
        lower_set(lw, n->out[0], &out);
        return true;
    }
    return lower_scaled_sum(lw, node_ix, &out, alpha, has_c ? &side[2] : NULL,
                            node_float(n, "beta", 1.0F));
}

/* The left side is `left`; the right one, of two dimensions after those of size
 * 1, is v, scaled. */
static bool lower_with_const(struct lower *lw, uint32_t node_ix, uint32_t left,
                             bool is_transposed, const struct view *v,
                             float scale, struct conv_job *job)
{
    const uint32_t r = v->rank;
    uint64_t count;
    if (!shape_count(&lw->g->value[left].shape, &count) ||
        !lower_need_f32(lw, node_ix, v->dtype) ||
        !scaled(lw, v->data, scale, &job->w.data)) {
        return false;
    }
    const struct product p = {
        .m = count / v->dim[r - 2],
        .n = v->dim[r - 1],
        .k = v->dim[r - 2],
        .k_step = v->stride[r - 2],
        .n_step = v->stride[r - 1],
    };
    job->w.dtype = v->dtype;
    return conv_draft_product(lw, node_ix, left, is_transposed, &p, job);
}

bool lower_gemm(struct lower *lw, uint32_t node_ix)
{
    static const uint32_t swap[2] = {1, 0};
    const struct node *const n = &lw->g->node[node_ix];
    struct view b;
    if (!fuse_has_const_right(lw, n) || !fuse_has_gemm_bias(lw, n) ||
        !fuse_const_view(lw, n->in[1], &b)) {
        return lower_gemm_general(lw, node_ix);
    }
    if (node_int(n, "transB", 0) != 0) {
        b = view_permute(&b, swap);
    }
    const bool has_c = n->n_in > 2 && n->in[2] != VALUE_NONE;
    struct conv_job job = {
        .bias = has_c ? n->in[2] : VALUE_NONE,
        .bias_scale = node_float(n, "beta", 1.0F),
    };
    return lower_with_const(lw, node_ix, n->in[0],
                            node_int(n, "transA", 0) != 0, &b,
                            node_float(n, "alpha", 1.0F), &job);
}

bool lower_matmul(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    struct conv_job job = {.bias = VALUE_NONE, .bias_scale = 1.0F};
    struct view left;
    struct view right;
    struct view out;
    if (fuse_has_const_right(lw, n) && fuse_const_view(lw, n->in[1], &right)) {
        return lower_with_const(lw, node_ix, n->in[0], false, &right, 1.0F,
                                &job);
    }
    if (!lower_get(lw, node_ix, n->in[0], &left) ||
        !lower_get(lw, node_ix, n->in[1], &right) ||
        !lower_product(lw, node_ix, &left, &right, &out)) {
        return false;
    }
    lower_set(lw, n->out[0], &out);
    return true;
}
