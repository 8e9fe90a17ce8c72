/* kern_norm.c - normalisation over the last dimension: what fits, argument
 * block, cost. */
#include "kernels/kern_space.h"

bool norm_fits(const struct layer *l, const char **why)
{
    if (!space_has_inputs(l, 1, why) || !space_all_f32(l, 1, why) ||
        !space_rank_fits(l, why)) {
        return false;
    }
    *why = "a scale or bias that is not f32";
    return l->rank > l->row_dims && l->n_weight == 2 &&
           l->weight[0].dtype == DTYPE_F32 &&
           (l->weight[1].data.len == 0 || l->weight[1].dtype == DTYPE_F32);
}

void norm_args(const struct arg_in *in, uint32_t *word, struct fit *f)
{
    const struct layer *l = in->l;
    struct flx_norm_arg *a = (struct flx_norm_arg *)(void *)word;
    struct space s = space_of(l);
    space_add(&s, &l->in[0], l->in[0].stride);
    space_merge(&s, 1);
    f->bad = !space_pad(&s) || f->bad;
    PUT_SPACE(a, &s, f);
    PUT_VIEW(a, out, in, &s, 0, f);
    PUT_VIEW(a, in, in, &s, 1, f);
    a->has_bias = l->weight[1].data.len > 0;
    a->bias_at = a->has_bias ? fit_u(f, in->start[1] / sizeof(float)) : 0;
    a->is_rms = l->p.norm.is_rms;
    a->epsilon = l->p.norm.epsilon;
}

/* Three walks over a row, the last two in the nearest cache. */
uint64_t norm_ns(const struct layer *l, const struct device *d)
{
    return rate_ns(4 * layer_elements(l) * sizeof(float),
                   d->speed[SPEED_EWISE]);
}
