/* kern_tensor.c - class tensor: any operator as one box over whole operands. */
#include <string.h>

#include "kernels/kern_parts.h"

static bool is_number(enum dtype t)
{
    return dtype_bytes(t) > 0 && t <= DTYPE_BF16;
}

static bool tensor_fits(const struct layer *l, enum tensor_op op,
                        const char **why)
{
    *why = "this operator of class tensor";
    if (l->p.tensor.op != op) {
        return false;
    }
    *why = "elements of this type";
    for (uint32_t i = 0; i < l->n_in; i++) {
        if (l->in[i].buf == BUF_NONE || !is_number(l->in[i].dtype)) {
            return false;
        }
    }
    return is_number(l->out.dtype);
}

#define TENSOR_FITS(NAME, OP)                                                  \
    bool tensor_##NAME##_fits(const struct layer *l, const char **why)         \
    {                                                                          \
        return tensor_fits(l, OP, why);                                        \
    }
TENSOR_FITS(conv, TENSOR_CONV)
TENSOR_FITS(deconv, TENSOR_DECONV)
TENSOR_FITS(pool, TENSOR_POOL)
TENSOR_FITS(matmul, TENSOR_MATMUL)
TENSOR_FITS(taps, TENSOR_TAPS)
TENSOR_FITS(scan, TENSOR_SCAN)
TENSOR_FITS(nms, TENSOR_NMS)
TENSOR_FITS(nonzero, TENSOR_NONZERO)
TENSOR_FITS(grid, TENSOR_GRID)
TENSOR_FITS(roi, TENSOR_ROI)
TENSOR_FITS(deform, TENSOR_DEFORM)
TENSOR_FITS(dft, TENSOR_DFT)
TENSOR_FITS(state, TENSOR_STATE)
TENSOR_FITS(det, TENSOR_DET)
TENSOR_FITS(order, TENSOR_ORDER)

/* Elements that are only moved may be of any type. */
static bool moves_fits(const struct layer *l, enum tensor_op op,
                       bool only_moves, const char **why)
{
    if (!only_moves) {
        return tensor_fits(l, op, why);
    }
    *why = "this operator of class tensor";
    return l->p.tensor.op == op;
}

bool tensor_gather_fits(const struct layer *l, const char **why)
{
    return moves_fits(l, TENSOR_GATHER, true, why);
}

bool tensor_scatter_fits(const struct layer *l, const char **why)
{
    return moves_fits(l, TENSOR_SCATTER, l->p.tensor.i[2] == 0, why);
}

/* Recurrent layers are vectors along the last dimension. */
bool tensor_rnn_fits(const struct layer *l, const char **why)
{
    if (!tensor_fits(l, TENSOR_RNN, why)) {
        return false;
    }
    *why = "strided or other than f32 operands in a recurrent layer";
    for (uint32_t i = 0; i <= l->n_in; i++) {
        const struct operand *const o = i < l->n_in ? &l->in[i] : &l->out;
        const uint64_t last = o->dim[o->rank - 1];
        const bool is_f32 = o->dtype == DTYPE_F32;
        const bool is_lens = o->dtype == DTYPE_I32 || o->dtype == DTYPE_I64;
        if (!is_lens &&
            (!is_f32 || (last > 1 && o->stride[o->rank - 1] != 1))) {
            return false;
        }
    }
    return true;
}

uint64_t tensor_rnn_scratch(const struct layer *l)
{
    return FLX_WORD_SCRATCH(l->in[0].dim[3] + l->in[1].dim[1]);
}

/* Its products run at about half the speed of larger ones. */
uint64_t tensor_rnn_ns(const struct layer *l, const struct device *d)
{
    return rate_ns(2 * l->macs, d->speed[SPEED_GEMM]);
}

uint64_t tensor_state_scratch(const struct layer *l)
{
    return FLX_WORD_SCRATCH(l->in[2].dim[3]);
}

uint64_t tensor_det_scratch(const struct layer *l)
{
    const uint64_t n = l->in[0].dim[l->in[0].rank - 1];
    return FLX_WORD_SCRATCH(2 * n * n);
}

uint64_t tensor_nms_scratch(const struct layer *l)
{
    return FLX_WORD_SCRATCH(l->in[1].dim[2]);
}

uint64_t tensor_order_scratch(const struct layer *l)
{
    return FLX_WORD_SCRATCH(l->out.dim[l->p.tensor.i[0]]);
}

static void put_operand(const struct arg_in *in, const struct operand *o,
                        uint32_t k, struct flx_tensor_arg *a, struct fit *f)
{
    uint64_t col0 = o->col0;
    a->at[k] = k;
    if (o->buf == BUF_WEIGHTS) {
        a->at[k] = FLX_AT_WEIGHTS;
        col0 += in->start[o->weight_ix] / dtype_bytes(o->dtype);
    }
    a->col0[k] = fit_i(f, (int64_t)col0);
    a->type[k] = (uint32_t)o->dtype;
    a->rank[k] = o->rank;
    for (uint32_t d = 0; d < o->rank; d++) {
        a->dim[k * FLX_MAX_RANK + d] = fit_u(f, o->dim[d]);
        a->stride[k * FLX_MAX_RANK + d] = fit_i(f, o->stride[d]);
    }
}

void tensor_args(const struct arg_in *in, uint32_t *word, struct fit *f)
{
    const struct layer *l = in->l;
    struct flx_tensor_arg *a = (struct flx_tensor_arg *)(void *)word;
    a->n_op = l->n_in + 1;
    put_operand(in, &l->out, 0, a, f);
    for (uint32_t i = 0; i < l->n_in; i++) {
        put_operand(in, &l->in[i], i + 1, a, f);
    }
    memcpy(a->p, l->p.tensor.i, sizeof a->p);
    memcpy(a->f, l->p.tensor.f, sizeof a->f);
}

/* Scalar code: a multiply-add about as slow as eight elements of a fast
 * elementwise layer, and everything is touched once. */
uint64_t tensor_ns(const struct layer *l, const struct device *d)
{
    uint64_t n = 8 * l->macs;
    for (uint32_t i = 0; i <= l->n_in; i++) {
        const struct operand *const o = i < l->n_in ? &l->in[i] : &l->out;
        uint64_t own = 8;
        for (uint32_t k = 0; k < o->rank; k++) {
            own *= o->dim[k];
        }
        n += own;
    }
    return rate_ns(n, d->speed[SPEED_EWISE]);
}
