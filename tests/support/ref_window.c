/* ref_window.c - convolution and pooling. */
#include "reference.h"

#include <math.h>
#include <string.h>

enum { OC_BLOCK = 4, X_BLOCK = 512 };

struct ref_window ref_window_unit(void)
{
    return (struct ref_window){
        .kernel = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}};
}

bool ref_window_resolve(struct ref_window *w, const int64_t in[2],
                        int64_t out[2])
{
    for (int a = 0; a < 2; a++) {
        const int64_t reach = (w->kernel[a] - 1) * w->dilation[a] + 1;
        if (w->auto_pad == REF_VALID) {
            w->pad[a] = 0;
            w->pad[a + 2] = 0;
        } else if (w->auto_pad != REF_NOTSET) {
            const int64_t n = (in[a] + w->stride[a] - 1) / w->stride[a];
            int64_t total = (n - 1) * w->stride[a] + reach - in[a];
            total = total > 0 ? total : 0;
            const int64_t less = total / 2;
            const bool is_upper = w->auto_pad == REF_SAME_UPPER;
            w->pad[a] = is_upper ? less : total - less;
            w->pad[a + 2] = total - w->pad[a];
        }
        const int64_t room = in[a] + w->pad[a] + w->pad[a + 2] - reach;
        if (room < 0) {
            return false;
        }
        out[a] = room / w->stride[a] + 1;
        if (w->ceil_mode && room % w->stride[a] != 0 &&
            out[a] * w->stride[a] < in[a] + w->pad[a]) {
            out[a]++;
        }
    }
    w->auto_pad = REF_NOTSET;
    return true;
}

/* acc[j][i] += w[j] * x[i * stride]: the only hot loop; each element of x
 * serves four output channels. */
static void add_tap(int64_t n, int64_t stride, const double *restrict x,
                    const double *restrict w, double (*restrict acc)[X_BLOCK],
                    int64_t shift)
{
    double *a0 = acc[0] + shift;
    double *a1 = acc[1] + shift;
    double *a2 = acc[2] + shift;
    double *a3 = acc[3] + shift;
    const double w0 = w[0];
    const double w1 = w[1];
    const double w2 = w[2];
    const double w3 = w[3];
    if (stride == 1) {
        for (int64_t i = 0; i < n; i++) {
            a0[i] += w0 * x[i];
            a1[i] += w1 * x[i];
            a2[i] += w2 * x[i];
            a3[i] += w3 * x[i];
        }
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        const double v = x[i * stride];
        a0[i] += w0 * v;
        a1[i] += w1 * v;
        a2[i] += w2 * v;
        a3[i] += w3 * v;
    }
}

static void add_tap_one(int64_t n, int64_t stride, const double *restrict x,
                        double w, double *restrict acc)
{
    if (stride == 1) {
        for (int64_t i = 0; i < n; i++) {
            acc[i] += w * x[i];
        }
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        acc[i] += w * x[i * stride];
    }
}

static int64_t clamp(int64_t v, int64_t lo, int64_t hi)
{
    return v < lo ? lo : v > hi ? hi : v;
}

/* n_oc output channels, columns [x0, x1) of output row oh. */
struct conv_run {
    const double *x; /* first input channel of the group, this image */
    const double *w; /* first of the n_oc channels */
    int64_t n_ic;
    int64_t n_oc;
    int64_t oh;
    int64_t x0;
    int64_t x1;
};

static void conv_run(const struct ref_conv *s, const struct conv_run *r,
                     double (*acc)[X_BLOCK])
{
    const struct ref_window *win = &s->window;
    const int64_t kh_end = win->kernel[0];
    const int64_t kw_end = win->kernel[1];
    const int64_t step = win->stride[1];
    const int64_t n_taps = r->n_ic * kh_end * kw_end;
    for (int64_t ic = 0; ic < r->n_ic; ic++) {
        for (int64_t kh = 0; kh < kh_end; kh++) {
            const int64_t ih =
                r->oh * win->stride[0] - win->pad[0] + kh * win->dilation[0];
            if (ih < 0 || ih >= s->in[0]) {
                continue;
            }
            const double *row = r->x + (ic * s->in[0] + ih) * s->in[1];
            for (int64_t kw = 0; kw < kw_end; kw++) {
                const int64_t shift = kw * win->dilation[1] - win->pad[1];
                const int64_t last = s->in[1] - 1 - shift;
                const int64_t lo = clamp(
                    shift < 0 ? (-shift + step - 1) / step : 0, r->x0, r->x1);
                const int64_t hi =
                    clamp(last < 0 ? 0 : last / step + 1, lo, r->x1);
                if (lo >= hi) {
                    continue;
                }
                const double *src = row + lo * step + shift;
                const double *w = r->w + (ic * kh_end + kh) * kw_end + kw;
                if (r->n_oc == 1) {
                    add_tap_one(hi - lo, step, src, *w, acc[0] + (lo - r->x0));
                    continue;
                }
                double w4[OC_BLOCK] = {0};
                for (int64_t j = 0; j < r->n_oc; j++) {
                    w4[j] = w[j * n_taps];
                }
                add_tap(hi - lo, step, src, w4, acc, lo - r->x0);
            }
        }
    }
}

void ref_conv(const struct ref_conv *s, const double *x, const double *w,
              const double *bias, double *y)
{
    struct ref_conv c = *s;
    int64_t out[2];
    if (!ref_window_resolve(&c.window, c.in, out)) {
        return;
    }
    const struct ref_window *win = &c.window;
    if (win->kernel[0] * win->kernel[1] == 1 && win->stride[0] == 1 &&
        win->stride[1] == 1 && out[0] == c.in[0] && out[1] == c.in[1] &&
        win->pad[0] == 0 && win->pad[1] == 0) {
        /* pointwise: join the rows, so that the inner loop is long */
        c.in[1] = out[1] = c.in[0] * c.in[1];
        c.in[0] = out[0] = 1;
    }
    const int64_t n_ic = c.in_channels / c.groups;
    const int64_t n_oc = c.out_channels / c.groups;
    const int64_t n_taps = n_ic * win->kernel[0] * win->kernel[1];
    const int64_t n_blocks = (n_oc + OC_BLOCK - 1) / OC_BLOCK;
    double acc[OC_BLOCK][X_BLOCK];
    for (int64_t ix = 0; ix < c.n * c.groups * n_blocks; ix++) {
        const int64_t image_group = ix / n_blocks;
        const int64_t group = image_group % c.groups;
        const int64_t j0 = ix % n_blocks * OC_BLOCK;
        const int64_t oc = group * n_oc + j0;
        struct conv_run r = {
            .x = x + image_group * n_ic * c.in[0] * c.in[1],
            .w = w + oc * n_taps,
            .n_ic = n_ic,
            .n_oc = n_oc - j0 < OC_BLOCK ? n_oc - j0 : OC_BLOCK,
        };
        double *dst = y + (image_group / c.groups * c.out_channels + oc) *
                              out[0] * out[1];
        for (r.oh = 0; r.oh < out[0]; r.oh++) {
            for (r.x0 = 0; r.x0 < out[1]; r.x0 = r.x1) {
                r.x1 = clamp(r.x0 + X_BLOCK, 0, out[1]);
                for (int64_t j = 0; j < OC_BLOCK; j++) {
                    const double b = bias && j < r.n_oc ? bias[oc + j] : 0.0;
                    for (int64_t i = 0; i < r.x1 - r.x0; i++) {
                        acc[j][i] = b;
                    }
                }
                conv_run(&c, &r, acc);
                for (int64_t j = 0; j < r.n_oc; j++) {
                    memcpy(dst + (j * out[0] + r.oh) * out[1] + r.x0, acc[j],
                           (size_t)(r.x1 - r.x0) * sizeof(double));
                }
            }
        }
    }
}

bool ref_conv_transpose_resolve(struct ref_conv *s, int64_t out[2])
{
    struct ref_window *w = &s->window;
    for (int a = 0; a < 2; a++) {
        const int64_t full = w->stride[a] * (s->in[a] - 1) + s->out_pad[a] +
                             (w->kernel[a] - 1) * w->dilation[a] + 1;
        const bool is_same =
            w->auto_pad == REF_SAME_UPPER || w->auto_pad == REF_SAME_LOWER;
        if (s->out_size[a] > 0 || is_same) {
            out[a] =
                s->out_size[a] > 0 ? s->out_size[a] : s->in[a] * w->stride[a];
            const int64_t total = full > out[a] ? full - out[a] : 0;
            w->pad[a] =
                w->auto_pad == REF_SAME_UPPER ? total / 2 : total - total / 2;
            w->pad[a + 2] = total - w->pad[a];
        } else {
            if (w->auto_pad == REF_VALID) {
                w->pad[a] = 0;
                w->pad[a + 2] = 0;
            }
            out[a] = full - w->pad[a] - w->pad[a + 2];
        }
    }
    return out[0] > 0 && out[1] > 0;
}

void ref_conv_transpose(const struct ref_conv *s, const double *x,
                        const double *w, const double *bias, double *y)
{
    struct ref_conv c = *s;
    int64_t out[2];
    if (!ref_conv_transpose_resolve(&c, out)) {
        return;
    }
    const struct ref_window *win = &c.window;
    const int64_t n_ic = c.in_channels / c.groups;
    const int64_t n_oc = c.out_channels / c.groups;
    const int64_t plane = out[0] * out[1];
    for (int64_t i = 0; i < c.n * c.out_channels * plane; i++) {
        y[i] = bias ? bias[i / plane % c.out_channels] : 0.0;
    }
    for (int64_t ix = 0; ix < c.n * c.in_channels * n_oc; ix++) {
        const int64_t ic = ix / n_oc % c.in_channels;
        const int64_t oc = ic / n_ic * n_oc + ix % n_oc;
        const int64_t image = ix / n_oc / c.in_channels;
        const double *src = x + ix / n_oc * c.in[0] * c.in[1];
        double *dst = y + (image * c.out_channels + oc) * plane;
        const double *taps =
            w + (ic * n_oc + ix % n_oc) * win->kernel[0] * win->kernel[1];
        for (int64_t t = 0; t < win->kernel[0] * win->kernel[1]; t++) {
            const int64_t kh = t / win->kernel[1];
            const int64_t kw = t % win->kernel[1];
            for (int64_t p = 0; p < c.in[0] * c.in[1]; p++) {
                const int64_t oh = p / c.in[1] * win->stride[0] - win->pad[0] +
                                   kh * win->dilation[0];
                const int64_t ow = p % c.in[1] * win->stride[1] - win->pad[1] +
                                   kw * win->dilation[1];
                if (oh >= 0 && oh < out[0] && ow >= 0 && ow < out[1]) {
                    dst[oh * out[1] + ow] += taps[t] * src[p];
                }
            }
        }
    }
}

enum pool_kind { POOL_MAX, POOL_AVERAGE, POOL_AVERAGE_PADDED };

static void pool(enum pool_kind kind, int64_t planes, const int64_t in[2],
                 const struct ref_window *window, const double *x, double *y,
                 int64_t *index)
{
    struct ref_window w = *window;
    int64_t out[2];
    if (!ref_window_resolve(&w, in, out)) {
        return;
    }
    for (int64_t ix = 0; ix < planes * out[0] * out[1]; ix++) {
        const int64_t plane = ix / (out[0] * out[1]);
        const int64_t h0 = ix / out[1] % out[0] * w.stride[0] - w.pad[0];
        const int64_t w0 = ix % out[1] * w.stride[1] - w.pad[1];
        double best = -INFINITY;
        double sum = 0.0;
        int64_t best_ix = -1;
        int64_t n_inside = 0;
        int64_t n_padded = 0; /* ceil_mode may reach beyond the padding too */
        for (int64_t t = 0; t < w.kernel[0] * w.kernel[1]; t++) {
            const int64_t ih = h0 + t / w.kernel[1] * w.dilation[0];
            const int64_t iw = w0 + t % w.kernel[1] * w.dilation[1];
            n_padded += ih < in[0] + w.pad[2] && iw < in[1] + w.pad[3];
            if (ih < 0 || ih >= in[0] || iw < 0 || iw >= in[1]) {
                continue;
            }
            const int64_t at = (plane * in[0] + ih) * in[1] + iw;
            n_inside++;
            sum += x[at];
            if (best_ix < 0 || x[at] > best || isnan(x[at])) {
                best = x[at];
                best_ix = at;
            }
        }
        if (kind == POOL_MAX) {
            y[ix] = best;
        } else {
            const int64_t n = kind == POOL_AVERAGE ? n_inside : n_padded;
            y[ix] = n > 0 ? sum / (double)n : 0.0;
        }
        if (index) {
            index[ix] = best_ix;
        }
    }
}

void ref_maxpool(int64_t planes, const int64_t in[2],
                 const struct ref_window *window, const double *x, double *y,
                 int64_t *index)
{
    pool(POOL_MAX, planes, in, window, x, y, index);
}

void ref_avgpool(int64_t planes, const int64_t in[2],
                 const struct ref_window *window, bool count_include_pad,
                 const double *x, double *y)
{
    pool(count_include_pad ? POOL_AVERAGE_PADDED : POOL_AVERAGE, planes, in,
         window, x, y, NULL);
}

void ref_global_avgpool(int64_t planes, int64_t size, const double *x,
                        double *y)
{
    const struct ref_shape s = {2, {planes, size}};
    ref_reduce(REF_REDUCE_MEAN, &s, 2U, x, y);
}

void ref_global_maxpool(int64_t planes, int64_t size, const double *x,
                        double *y)
{
    const struct ref_shape s = {2, {planes, size}};
    ref_reduce(REF_REDUCE_MAX, &s, 2U, x, y);
}
