/* kern_attention.c - attention: what fits, argument block, scratch, cost. */
#include "base/size.h"
#include "kernels/kern_space.h"

bool attention_fits(const struct layer *l, const char **why)
{
    const bool has_mask = l->p.attention.mask != ATTN_MASK_NONE;
    if (!space_has_inputs(l, has_mask ? 4 : 3, why) ||
        !space_all_f32(l, 3, why)) {
        return false;
    }
    *why = "constants for queries, keys or values";
    return l->in[0].buf != BUF_WEIGHTS && l->in[1].buf != BUF_WEIGHTS &&
           l->in[2].buf != BUF_WEIGHTS;
}

uint64_t attention_panels(const struct layer *l)
{
    return l->n_weight == 0 ? l->dim[2] : 1;
}

/* Each operand has dimensions of its own; none is merged. */
#define PUT_OPERAND(A, PREFIX, IN, O, F)                                       \
    do {                                                                       \
        struct space s_ = {.rank = 4, .row_dims = 2};                          \
        space_add(&s_, (O), (O)->stride);                                      \
        PUT_VIEW(A, PREFIX, IN, &s_, 0, F);                                    \
    } while (0)

void attention_args(const struct arg_in *in, uint32_t *word, struct fit *f)
{
    const struct layer *l = in->l;
    struct flx_attention_arg *a = (struct flx_attention_arg *)(void *)word;
    const struct attention_param *p = &l->p.attention;
    a->queries = fit_u(f, l->dim[1]);
    a->keys = fit_u(f, l->in[1].dim[1]);
    a->heads = fit_u(f, l->dim[2]);
    a->panel_heads = fit_u(f, l->dim[2] / attention_panels(l));
    a->kv_group = fit_u(f, l->dim[2] / l->in[1].dim[2]);
    a->head_size = fit_u(f, l->in[0].dim[3]);
    a->v_size = fit_u(f, l->dim[3]);
    PUT_OPERAND(a, out, in, &l->out, f);
    PUT_OPERAND(a, q, in, &l->in[0], f);
    PUT_OPERAND(a, k, in, &l->in[1], f);
    PUT_OPERAND(a, v, in, &l->in[2], f);
    a->mask_kind = (uint32_t)p->mask;
    if (p->mask != ATTN_MASK_NONE) {
        PUT_OPERAND(a, mask, in, &l->in[3], f);
    }
    a->is_causal = p->is_causal;
    a->blind = (uint32_t)p->blind;
    a->scale = p->scale;
    /* The kernel adds and rounds these up in 32 bits. */
    f->bad = f->bad || l->dim[1] + l->in[1].dim[1] > INT32_MAX ||
             attention_scratch(l) > INT32_MAX;
}

uint64_t attention_scratch(const struct layer *l)
{
    return FLX_ATTN_SCRATCH(l->in[0].dim[3], l->dim[3]);
}

/* Pairs of a query and a key that are looked at: a causal mask leaves out whole
 * steps of keys, of groups of queries. */
static uint64_t scores_of(const struct layer *l)
{
    const uint64_t keys = l->in[1].dim[1];
    const uint64_t queries = l->dim[1];
    if (!l->p.attention.is_causal) {
        return queries * keys;
    }
    uint64_t n = 0;
    for (uint64_t t = 0; t < queries; t += FLX_ATTN_ROWS) {
        const uint64_t end = size_min(t + FLX_ATTN_ROWS, queries);
        const uint64_t seen = size_div_up(end, FLX_ATTN_KEYS) * FLX_ATTN_KEYS;
        n += (end - t) * size_min(seen, keys);
    }
    return n;
}

uint64_t attention_ns(const struct layer *l, const struct device *d)
{
    const uint64_t scores = l->dim[0] * l->dim[2] * scores_of(l);
    return rate_ns(scores * (l->in[0].dim[3] + l->dim[3]),
                   d->speed[SPEED_GEMM]) +
           rate_ns(scores, d->speed[SPEED_EXP]) + image_ns(l, d);
}
