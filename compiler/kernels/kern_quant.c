/* kern_quant.c - convolutions, products and pools of 8-bit numbers: what fits,
 * argument blocks, panels. */
#include <string.h>

#include "base/le.h"
#include "base/size.h"
#include "kernels/kern_parts.h"

bool is_byte(enum dtype t)
{
    return t == DTYPE_I8 || t == DTYPE_U8;
}

/* ---- what fits ---- */

bool qconv_fits(const struct layer *l, const char **why)
{
    *why = "a convolution of these types";
    return l->n_in == 1 && is_byte(l->in[0].dtype) && l->n_weight == 4 &&
           l->weight[0].dtype == DTYPE_I8 && is_any_image(&l->out, why) &&
           is_any_image(&l->in[0], why);
}

bool qdirect_fits(const struct layer *l, const char **why)
{
    const uint32_t group = l->p.conv.group;
    *why = "groups this small";
    return (group == 1 || l->dim[3] / group >= FLX_PANEL) && qconv_fits(l, why);
}

bool qdepthwise_fits(const struct layer *l, const char **why)
{
    const struct conv_param *p = &l->p.conv;
    *why = "groups this large";
    return p->group > 1 && p->group == l->dim[3] &&
           p->group == l->in[0].dim[3] && qconv_fits(l, why);
}

bool qpool_fits(const struct layer *l, const char **why)
{
    /* Sums of a window fit 31 bits. */
    enum { MOST_TAPS = 1 << 22 };
    *why = "a pool of these types";
    return l->n_in == 1 && is_byte(l->in[0].dtype) &&
           l->in[0].dtype == l->out.dtype &&
           (uint64_t)l->p.pool.kernel[0] * l->p.pool.kernel[1] <= MOST_TAPS &&
           is_any_image(&l->out, why) && is_any_image(&l->in[0], why);
}

/* ---- argument blocks ---- */

#define PUT_QUANT(A, L)                                                        \
    ((A)->in_type = (uint32_t)(L)->in[0].dtype,                                \
     (A)->out_type = (uint32_t)(L)->out.dtype,                                 \
     (A)->in_zero = (L)->quant.in_zero, (A)->out_zero = (L)->quant.out_zero,   \
     (A)->low = (L)->quant.low, (A)->high = (L)->quant.high)

void qconv_args(const struct arg_in *in, uint32_t *word, struct fit *f)
{
    const struct layer *l = in->l;
    struct flx_qconv_arg *a = (struct flx_qconv_arg *)(void *)word;
    PUT_WINDOW(a, in, f);
    a->k = fit_u(f, in->cut->k);
    PUT_QUANT(a, l);
    a->has_zero = l->weight[3].data.len > 0;
}

void qpool_args(const struct arg_in *in, uint32_t *word, struct fit *f)
{
    const struct layer *l = in->l;
    struct flx_qpool_arg *a = (struct flx_qpool_arg *)(void *)word;
    PUT_POOL(a, in, f);
    PUT_QUANT(a, l);
    a->scale = l->quant.scale;
}

/* ---- panels ---- */

enum { ROW_BYTES = FLX_PANEL * 4 };

uint64_t quant_panel_bytes(const struct layer *l, const struct conv_cut *cut)
{
    const uint64_t params = l->weight[3].data.len > 0 ? 3 : 2;
    return params * ROW_BYTES + cut->k * FLX_PANEL;
}

/* 16 words of a per-channel weight. */
static void put_words(const struct weight *w, uint64_t first, uint64_t n,
                      uint8_t *dst)
{
    memset(dst, 0, ROW_BYTES);
    for (uint64_t i = 0; i < n && w->data.len > 0; i++) {
        const uint64_t at = (first + i) * (uint64_t)w->stride[0];
        le32_put(dst + 4 * i, le32_get(w->data.data + 4 * at));
    }
}

void pack_quant(const struct layer *l, const struct conv_cut *cut,
                uint64_t panel, uint8_t *dst)
{
    const struct weight *w = &l->weight[0];
    uint64_t first = 0;
    const uint64_t n = panel_channels(cut, panel, &first);
    memset(dst, 0, quant_panel_bytes(l, cut));
    put_words(&l->weight[1], first, n, dst);
    put_words(&l->weight[2], first, n, dst + ROW_BYTES);
    dst += 2 * ROW_BYTES;
    if (l->weight[3].data.len > 0) {
        put_words(&l->weight[3], first, n, dst);
        dst += ROW_BYTES;
    }
    /* direct: [K / 4][16][4], kernel rows padded; else [K][16] */
    const uint64_t row = w->dim[2] * w->dim[3];
    const uint64_t padded = cut->spans ? row : size_div_up(row, 4) * 4;
    for (uint64_t tap = 0; tap < w->dim[1] * w->dim[2]; tap++) {
        const uint64_t kh = tap / w->dim[2];
        const uint64_t kw = tap % w->dim[2];
        for (uint64_t c = 0; c < w->dim[3]; c++) {
            const uint64_t k = kh * padded + kw * w->dim[3] + c;
            const int64_t from = (int64_t)kh * w->stride[1] +
                                 (int64_t)kw * w->stride[2] +
                                 (int64_t)c * w->stride[3];
            for (uint64_t lane = 0; lane < n; lane++) {
                const uint64_t to =
                    cut->spans ? k * FLX_PANEL + lane
                               : (k / 4 * FLX_PANEL + lane) * 4 + k % 4;
                dst[to] =
                    w->data.data[from + (int64_t)(first + lane) * w->stride[0]];
            }
        }
    }
}
