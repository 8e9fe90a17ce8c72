/* kern_image.c - pooling, response normalisation and resizing of images: what
 * fits, argument blocks, costs. */
#include <math.h>

#include "base/size.h"
#include "kernels/kern_parts.h"

static bool in_and_out(const struct layer *l, const char **why)
{
    if (l->n_in < 1) {
        *why = "a layer without input";
        return false;
    }
    return is_image(&l->out, why) && is_image(&l->in[0], why);
}

/* Activations that need no weights. */
static bool plain_epilogue(const struct layer *l, const char **why)
{
    if (l->epi.residual != RES_NONE || l->epi.act == ACT_PRELU) {
        *why = "this epilogue";
        return false;
    }
    return true;
}

/* ---- pooling ---- */

bool pool_fits(const struct layer *l, const char **why)
{
    return in_and_out(l, why) && plain_epilogue(l, why);
}

void pool_args(const struct arg_in *in, uint32_t *word, struct fit *f)
{
    const struct layer *l = in->l;
    struct flx_pool_arg *a = (struct flx_pool_arg *)(void *)word;
    PUT_POOL(a, in, f);
    a->act = (uint32_t)l->epi.act;
    a->act_a = l->epi.a;
    a->act_b = l->epi.b;
}

uint64_t pool_ns(const struct layer *l, const struct device *d)
{
    const struct pool_param *p = &l->p.pool;
    return rate_ns(layer_elements(l) * p->kernel[0] * p->kernel[1],
                   d->speed[SPEED_POOL]) +
           image_ns(l, d) + epilogue_ns(l, d);
}

/* ---- local response normalisation ---- */

bool lrn_fits(const struct layer *l, const char **why)
{
    return in_and_out(l, why);
}

void lrn_args(const struct arg_in *in, uint32_t *word, struct fit *f)
{
    const struct layer *l = in->l;
    struct flx_lrn_arg *a = (struct flx_lrn_arg *)(void *)word;
    const struct image out_image = image_of(in, &l->out, f);
    const struct image in_image = image_of(in, &l->in[0], f);
    a->rows = fit_u(f, l->dim[1]);
    a->w = fit_u(f, l->dim[2]);
    a->c = fit_u(f, l->dim[3]);
    PUT_IMAGE(a, out, out_image);
    PUT_IMAGE(a, in, in_image);
    a->size = l->p.lrn.size;
    a->alpha = l->p.lrn.alpha;
    a->beta = l->p.lrn.beta;
    a->bias = l->p.lrn.bias;
}

uint64_t lrn_ns(const struct layer *l, const struct device *d)
{
    /* A power is a logarithm and an exponential. */
    return rate_ns(layer_elements(l) * l->p.lrn.size, d->speed[SPEED_POOL]) +
           rate_ns(2 * layer_elements(l), d->speed[SPEED_EXP]);
}

/* ---- resizing ---- */

/* Input position of output index i, as (i * mul + add) / den: exact where the
 * scale is the ratio of the sizes, else exact for the float that it is. */
struct axis {
    uint32_t mul;
    int32_t add;
    uint32_t den;
};

static struct axis axis_of(const struct resize_param *p, uint32_t ix,
                           uint64_t in, uint64_t out, struct fit *f)
{
    uint64_t num = in;
    uint64_t den = out;
    if (p->scale[ix] != (float)((double)out / (double)in)) {
        int exponent = 0;
        const float m = frexpf(p->scale[ix], &exponent);
        den = (uint64_t)ldexpf(m, 24);
        exponent -= 24;
        while (den % 2 == 0 && den > 0 && exponent < 0) {
            den /= 2;
            exponent++;
        }
        num = exponent <= 0 && exponent > -31 ? (uint64_t)1 << -exponent : 1;
        den = exponent > 0 && exponent < 31 ? den << exponent : den;
        f->bad = f->bad || den == 0 || exponent <= -31 || exponent >= 31;
    }
    struct axis a = {0, 0, 1};
    switch (p->coord) {
    case COORD_PYTORCH_HALF_PIXEL:
        if (out == 1) {
            return a;
        }
        break;
    case COORD_ALIGN_CORNERS:
        if (out > 1) {
            a.mul = fit_u(f, in - 1);
            a.den = fit_u(f, out - 1);
        }
        return a;
    case COORD_ASYMMETRIC:
        a.mul = fit_u(f, num);
        a.den = fit_u(f, den);
        return a;
    case COORD_HALF_PIXEL:
        break;
    }
    a.mul = fit_u(f, 2 * num);
    a.add = fit_i(f, (int64_t)num - (int64_t)den);
    a.den = fit_u(f, 2 * den);
    return a;
}

bool resize_fits(const struct layer *l, const char **why)
{
    return in_and_out(l, why);
}

void resize_args(const struct arg_in *in, uint32_t *word, struct fit *f)
{
    const struct layer *l = in->l;
    const struct resize_param *p = &l->p.resize;
    struct flx_resize_arg *a = (struct flx_resize_arg *)(void *)word;
    const struct image out_image = image_of(in, &l->out, f);
    const struct image in_image = image_of(in, &l->in[0], f);
    const struct axis h = axis_of(p, 0, l->in[0].dim[1], l->dim[1], f);
    const struct axis w = axis_of(p, 1, l->in[0].dim[2], l->dim[2], f);
    a->is_linear = p->mode == RESIZE_LINEAR;
    a->nearest = (uint32_t)p->nearest;
    a->c = fit_u(f, l->dim[3]);
    a->out_rows = fit_u(f, l->dim[1]);
    a->out_w = fit_u(f, l->dim[2]);
    PUT_IMAGE(a, out, out_image);
    a->in_rows = fit_u(f, l->in[0].dim[1]);
    a->in_w = fit_u(f, l->in[0].dim[2]);
    PUT_IMAGE(a, in, in_image);
    a->mul_h = h.mul;
    a->add_h = h.add;
    a->den_h = h.den;
    a->mul_w = w.mul;
    a->add_w = w.add;
    a->den_w = w.den;
}

/* A column table: index and weight. */
uint64_t resize_scratch(const struct layer *l)
{
    return FLX_RESIZE_SCRATCH(l->dim[2]);
}

uint64_t resize_ns(const struct layer *l, const struct device *d)
{
    const uint64_t bytes = layer_elements(l) * 4;
    return rate_ns(l->p.resize.mode == RESIZE_LINEAR ? 5 * bytes : 2 * bytes,
                   d->speed[SPEED_EWISE]);
}
