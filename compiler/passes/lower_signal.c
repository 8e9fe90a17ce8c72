/* Transforms of signals: class tensor. */
#include <math.h>

#include "base/arena.h"
#include "passes/lower_draft.h"

/* cos and sin of 2 pi j / n for all j, as a constant operand. */
static bool turn_view(struct lower *lw, int64_t n, struct view *v)
{
    const double two_pi = 6.28318530717958647693;
    const uint64_t dim[2] = {(uint64_t)n, 2};
    double *const turn = arena_new(lw->cx->keep, double, 2 * (uint64_t)n);
    if (!turn) {
        return false;
    }
    for (int64_t j = 0; j < n; j++) {
        /* Quarters of a turn are exact. */
        const bool is_quarter = 4 * j % n == 0;
        const double x = two_pi * ((double)j / (double)n);
        turn[2 * j] = is_quarter ? round(cos(x)) : cos(x);
        turn[2 * j + 1] = is_quarter ? round(sin(x)) : sin(x);
    }
    view_plain(v, BUF_WEIGHTS, DTYPE_F64, 2, dim);
    v->data =
        (struct span){(const uint8_t *)turn, 2 * (uint64_t)n * sizeof turn[0]};
    return true;
}

bool lower_dft(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    struct dft_params p;
    struct view in[2];
    if (!dft_params(lw->g, lw->cx, n, &p) ||
        !lower_get(lw, node_ix, n->in[0], &in[0]) ||
        !turn_view(lw, p.n, &in[1])) {
        return false;
    }
    struct draft *const d =
        lower_tensor_draft(lw, node_ix, n->out[0], TENSOR_DFT, in, 2);
    if (!d) {
        return false;
    }
    int32_t *const i = d->y.p.tensor.i;
    i[0] = (int32_t)p.axis;
    i[1] = (int32_t)p.n;
    i[2] = p.is_inverse;
    i[3] = p.is_half;
    d->y.macs = view_count(&d->out) * (uint64_t)p.n * 2;
    return true;
}

/* Frames are a view, in which they overlap. */
bool lower_stft(struct lower *lw, uint32_t node_ix)
{
    const struct node *const n = &lw->g->node[node_ix];
    const bool has_window = n->n_in > 2 && n->in[2] != VALUE_NONE;
    struct stft_params p;
    struct view in[3];
    struct view x;
    if (!stft_params(lw->g, lw->cx, n, &p) ||
        !lower_get(lw, node_ix, n->in[0], &x) || !turn_view(lw, p.n, &in[1]) ||
        (has_window && !lower_get(lw, node_ix, n->in[2], &in[2]))) {
        return false;
    }
    in[0] = x;
    in[0].rank = 4;
    in[0].dim[1] = (uint64_t)p.frames;
    in[0].stride[1] = p.frames == 1 ? 0 : x.stride[1] * p.step;
    in[0].dim[2] = (uint64_t)p.n;
    in[0].stride[2] = p.n == 1 ? 0 : x.stride[1];
    in[0].dim[3] = x.dim[2];
    in[0].stride[3] = x.stride[2];
    struct draft *const d = lower_tensor_draft(
        lw, node_ix, n->out[0], TENSOR_DFT, in, has_window ? 3 : 2);
    if (!d) {
        return false;
    }
    int32_t *const i = d->y.p.tensor.i;
    i[0] = 2;
    i[1] = (int32_t)p.n;
    i[4] = has_window ? 3 : 0;
    d->y.macs = view_count(&d->out) * (uint64_t)p.n * 2;
    return true;
}
