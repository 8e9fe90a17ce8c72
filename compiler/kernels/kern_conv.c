/* kern_conv.c - convolutions, transposed convolutions and products with
 * constant weights: what fits, argument blocks, costs. */
#include "base/size.h"
#include "kernels/kern_parts.h"

/* ---- image operands ---- */

bool is_image(const struct operand *o, const char **why)
{
    if (!operand_is_f32(o)) {
        *why = "element types other than f32";
        return false;
    }
    return is_any_image(o, why);
}

bool is_any_image(const struct operand *o, const char **why)
{
    if (o->buf == BUF_WEIGHTS || o->buf == BUF_NONE) {
        *why = "a constant image";
        return false;
    }
    if (o->rank != 4 || (o->dim[3] > 1 && o->stride[3] != 1)) {
        *why = "channels that are not next to each other";
        return false;
    }
    if (o->stride[2] < 0 ||
        (!o->by_row && (o->stride[0] < 0 || o->stride[1] < 0))) {
        *why = "images that run backwards";
        return false;
    }
    return true;
}

struct image image_of(const struct arg_in *in, const struct operand *o,
                      struct fit *f)
{
    const uint64_t bytes = dtype_bytes(o->dtype);
    const uint64_t row_bytes = in->layers->buf[o->buf].row_bytes;
    return (struct image){
        .by_row = o->by_row,
        .row_bytes =
            fit_u(f, o->by_row ? row_bytes : (uint64_t)o->stride[1] * bytes),
        .img_bytes = o->by_row ? 0 : fit_u(f, (uint64_t)o->stride[0] * bytes),
        .row0 = fit_u(f, o->row0),
        .col0 = fit_u(f, o->col0),
        .pix = fit_u(f, (uint64_t)o->stride[2]),
    };
}

/* ---- what fits ---- */

bool conv_fits(const struct layer *l, const char **why)
{
    const uint32_t n_in = l->epi.residual == RES_NONE ? 1 : 2;
    if (l->n_in < n_in || l->n_weight < 1) {
        *why = "a convolution without constant weights";
        return false;
    }
    if (!is_image(&l->out, why) || !is_image(&l->in[0], why) ||
        (n_in == 2 && !is_image(&l->in[l->n_in - 1], why))) {
        return false;
    }
    for (uint32_t i = 0; i < l->n_weight; i++) {
        if (l->weight[i].data.len > 0 && !weight_is_float(&l->weight[i])) {
            *why = "weights that are not floats";
            return false;
        }
    }
    return true;
}

/* Panels inside groups. */
static bool is_dense(const struct layer *l)
{
    return l->p.conv.group == 1 || l->dim[3] / l->p.conv.group >= FLX_PANEL;
}

bool direct_fits(const struct layer *l, const char **why)
{
    *why = "a kernel this high";
    return is_dense(l) && l->p.conv.kernel[0] <= FLX_CONV_MAX_KH &&
           conv_fits(l, why);
}

bool gemv_fits(const struct layer *l, const char **why)
{
    *why = "more than one pixel";
    return is_dense(l) && l->rows == 1 && l->dim[2] == 1 && conv_fits(l, why);
}

bool depthwise_fits(const struct layer *l, const char **why)
{
    const struct conv_param *p = &l->p.conv;
    /* One K block: the least chunk limit of a target holds this many taps. */
    enum { MAX_TAPS = 252 };
    *why = "a kernel this large";
    return p->group > 1 && p->group == l->dim[3] &&
           p->group == l->in[0].dim[3] &&
           (uint64_t)p->kernel[0] * p->kernel[1] <= MAX_TAPS &&
           conv_fits(l, why);
}

bool deconv_fits(const struct layer *l, const char **why)
{
    *why = "groups this small";
    return is_dense(l) && conv_fits(l, why);
}

/* ---- the argument block ---- */

void conv_args(const struct arg_in *in, uint32_t *word, struct fit *f)
{
    const struct layer *l = in->l;
    struct flx_conv_arg *a = (struct flx_conv_arg *)(void *)word;
    const bool has_res = l->epi.residual != RES_NONE;
    const struct operand *res = has_res ? &l->in[l->n_in - 1] : &l->out;
    const struct image res_image = image_of(in, res, f);
    PUT_WINDOW(a, in, f);
    if (has_res) {
        a->res_at = l->n_in;
        PUT_IMAGE(a, res, res_image);
    }
    a->k = fit_u(f, in->cut->k);
    const struct conv_cut *const cut = in->cut;
    a->k_block = fit_u(f, cut->widen > 0 ? cut->widen : cut->k_block);
    a->w_blocks = cut->widen > 0 ? fit_u(f, cut->k_block / cut->widen) : 1;
    a->w_type = weight_type(l);
    a->residual = (uint32_t)l->epi.residual;
    a->act = (uint32_t)l->epi.act;
    a->act_a = l->epi.a;
    a->act_b = l->epi.b;
}

/* ---- costs ---- */

enum {
    TILE_PIXELS = 8, /* about as many as targets have in a tile */
    RUN_COST = 8,    /* steps of K that starting a run of them costs */
    BLOCK_PIXELS = 64
};

/* Output channels, lanes beyond the last one of a group included. */
static uint64_t padded_channels(const struct layer *l)
{
    const uint64_t group = l->p.conv.group;
    return size_div_up(l->dim[3] / group, FLX_PANEL) * FLX_PANEL * group;
}

static uint64_t out_pixels(const struct layer *l)
{
    return l->dim[0] * l->dim[1] * l->dim[2];
}

uint64_t conv_weight_bytes(const struct layer *l)
{
    const struct weight *w = &l->weight[0];
    const uint64_t each = w->dtype == DTYPE_I8 ? 1 : stored_size(l);
    return each * w->dim[0] * w->dim[1] * w->dim[2] * w->dim[3];
}

uint64_t image_ns(const struct layer *l, const struct device *d)
{
    uint64_t bytes = layer_elements(l) * dtype_bytes(l->out.dtype);
    for (uint32_t i = 0; i < l->n_in; i++) {
        const struct operand *const o = &l->in[i];
        bytes += o->dim[0] * o->dim[1] * o->dim[2] * o->dim[3] *
                 dtype_bytes(o->dtype);
    }
    /* What half of the cache holds comes and goes as fast as it is used. */
    const uint64_t near_bytes = size_min(bytes, d->cache_bytes / 2);
    return rate_ns(bytes - near_bytes, d->speed[SPEED_EWISE]);
}

uint64_t epilogue_ns(const struct layer *l, const struct device *d)
{
    switch (l->epi.act) {
    case ACT_SIGMOID:
    case ACT_TANH:
    case ACT_SILU:
    case ACT_GELU:
    case ACT_GELU_TANH:
        return rate_ns(layer_elements(l), d->speed[SPEED_EXP]);
    case ACT_NONE:
    case ACT_RELU:
    case ACT_CLIP:
    case ACT_LEAKY:
    case ACT_PRELU:
    case ACT_HARDSIGMOID:
    case ACT_HARDSWISH:
    case ACT_COUNT:
        break;
    }
    return 0;
}

/* Weights once, or for each block of pixels if they leave the cache. */
static uint64_t weights_ns(const struct layer *l, const struct device *d)
{
    const uint64_t bytes = conv_weight_bytes(l);
    const uint64_t n =
        bytes > d->cache_bytes ? size_div_up(out_pixels(l), BLOCK_PIXELS) : 1;
    return rate_ns(n * bytes, d->speed[SPEED_WEIGHTS]);
}

/* Tiles walk K in runs: a row of the kernel, or all of it. */
static uint64_t n_runs(const struct layer *l)
{
    const struct conv_param *p = &l->p.conv;
    return p->kernel[1] > 1 ? p->kernel[0] : 1;
}

static uint64_t tile_pixels(const struct layer *l)
{
    return size_div_up(out_pixels(l), TILE_PIXELS) * TILE_PIXELS;
}

uint64_t direct_ns(const struct layer *l, const struct device *d)
{
    const struct conv_param *p = &l->p.conv;
    const uint64_t k =
        (uint64_t)p->kernel[0] * p->kernel[1] * (l->in[0].dim[3] / p->group);
    return rate_ns(tile_pixels(l) * padded_channels(l) *
                       (k + RUN_COST * n_runs(l)),
                   d->speed[SPEED_GEMM]) +
           weights_ns(l, d) + widen_ns(l, d) + image_ns(l, d) +
           epilogue_ns(l, d);
}

/* Starting a run takes a tile of one panel as long as one of four. */
uint64_t direct_idle_ns(const struct layer *l, const struct device *d)
{
    return d->tile_panels > 1
               ? rate_ns(tile_pixels(l) * FLX_PANEL * RUN_COST * n_runs(l),
                         d->speed[SPEED_GEMM])
               : 0;
}

/* Nothing but weights. */
uint64_t gemv_ns(const struct layer *l, const struct device *d)
{
    return rate_ns(conv_weight_bytes(l), d->speed[SPEED_WEIGHTS]) +
           widen_ns(l, d) + epilogue_ns(l, d);
}

uint64_t deconv_ns(const struct layer *l, const struct device *d)
{
    return rate_ns(l->macs / l->dim[3] * padded_channels(l),
                   d->speed[SPEED_GEMM]) +
           weights_ns(l, d) + widen_ns(l, d) + image_ns(l, d) +
           epilogue_ns(l, d);
}

uint64_t depthwise_ns(const struct layer *l, const struct device *d)
{
    return rate_ns(l->macs, d->speed[SPEED_DEPTHWISE]) + widen_ns(l, d) +
           image_ns(l, d) + epilogue_ns(l, d);
}

/* One multiply-add at a time: a lane where others have a panel. */
uint64_t lanes_ns(const struct layer *l, const struct device *d)
{
    return rate_ns(l->macs * FLX_PANEL, d->speed[SPEED_GEMM]) + widen_ns(l, d) +
           image_ns(l, d) + epilogue_ns(l, d);
}
