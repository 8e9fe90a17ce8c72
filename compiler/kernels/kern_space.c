/* kern_space.c - layers over spaces of any shape: what fits, argument blocks,
 * costs. A space is the layer's iteration space, its dimensions merged where
 * all operands walk them as one. */
#include "kernels/kern_space.h"

#include <string.h>

#include "base/size.h"

void space_add(struct space *s, const struct operand *o, const int64_t *stride)
{
    struct walk *w = &s->walk[s->n++];
    w->o = o;
    memcpy(w->stride, stride, s->rank * sizeof *stride);
}

struct space space_of(const struct layer *l)
{
    struct space s = {.rank = l->rank, .row_dims = l->row_dims};
    memcpy(s.dim, l->dim, l->rank * sizeof *l->dim);
    space_add(&s, &l->out, l->out.stride);
    return s;
}

static void space_drop(struct space *s, uint32_t k)
{
    for (uint32_t j = k; j + 1 < s->rank; j++) {
        s->dim[j] = s->dim[j + 1];
        for (uint32_t i = 0; i < s->n; i++) {
            s->walk[i].stride[j] = s->walk[i].stride[j + 1];
        }
    }
    s->rank--;
}

/* A dimension of 1 before position k. */
static void space_insert(struct space *s, uint32_t k)
{
    for (uint32_t j = s->rank; j > k; j--) {
        s->dim[j] = s->dim[j - 1];
        for (uint32_t i = 0; i < s->n; i++) {
            s->walk[i].stride[j] = s->walk[i].stride[j - 1];
        }
    }
    s->dim[k] = 1;
    for (uint32_t i = 0; i < s->n; i++) {
        s->walk[i].stride[k] = 1;
    }
    s->rank++;
}

/* Whether k and k + 1 are one dimension to every operand. Strides of rows do
 * not count where rows are addressed by their number. */
static bool can_merge(const struct space *s, uint32_t k)
{
    const bool is_row = k + 1 < s->row_dims;
    for (uint32_t i = 0; i < s->n; i++) {
        const struct walk *w = &s->walk[i];
        if (!(is_row && w->o->by_row) &&
            w->stride[k] != w->stride[k + 1] * (int64_t)s->dim[k + 1]) {
            return false;
        }
    }
    return k + 1 != s->row_dims;
}

void space_merge(struct space *s, uint32_t n_fixed)
{
    for (uint32_t k = 0; k + n_fixed < s->rank;) {
        const bool is_row = k < s->row_dims;
        if (s->dim[k] == 1) {
            space_drop(s, k);
            s->row_dims -= is_row;
        } else if (k + 1 + n_fixed < s->rank && can_merge(s, k)) {
            s->dim[k] *= s->dim[k + 1];
            for (uint32_t i = 0; i < s->n; i++) {
                s->walk[i].stride[k] = s->walk[i].stride[k + 1];
            }
            space_drop(s, k + 1);
            s->row_dims -= is_row;
        } else {
            k++;
        }
    }
}

bool space_pad(struct space *s)
{
    while (s->rank < s->row_dims + 2) {
        if (s->rank == TENSOR_MAX_RANK) {
            return false;
        }
        space_insert(s, s->row_dims);
    }
    return true;
}

void space_put_dims(const struct space *s, uint32_t *rank, uint32_t *row_dims,
                    uint32_t *dim, struct fit *f)
{
    *rank = s->rank;
    *row_dims = s->row_dims;
    for (uint32_t k = 0; k < FLX_MAX_RANK; k++) {
        dim[k] = k < s->rank ? fit_u(f, s->dim[k]) : 1;
    }
}

static struct view view_of(const struct arg_in *in, const struct operand *o,
                           struct fit *f)
{
    const struct layer *l = in->l;
    if (o->buf == BUF_WEIGHTS) {
        const uint64_t start = in->start[o->weight_ix] / dtype_bytes(o->dtype);
        return (struct view){.at = FLX_AT_WEIGHTS,
                             .col0 = fit_i(f, (int64_t)(start + o->col0))};
    }
    return (struct view){
        .at = o == &l->out ? 0 : (uint32_t)(o - l->in) + 1,
        .by_row = o->by_row,
        .row_bytes = fit_u(f, in->layers->buf[o->buf].row_bytes),
        .row0 = fit_u(f, o->row0),
        .col0 = fit_i(f, (int64_t)o->col0),
    };
}

static void put_strides(const struct space *s, uint32_t i, int32_t *dst,
                        struct fit *f)
{
    for (uint32_t k = 0; k < s->rank; k++) {
        const bool is_implied = k < s->row_dims && s->walk[i].o->by_row;
        dst[k] = is_implied ? 0 : fit_i(f, s->walk[i].stride[k]);
    }
}

void space_put_view(const struct arg_in *in, const struct space *s, uint32_t i,
                    struct view *v, int32_t *stride, struct fit *f)
{
    *v = view_of(in, s->walk[i].o, f);
    put_strides(s, i, stride, f);
}

bool space_has_inputs(const struct layer *l, uint32_t n, const char **why)
{
    *why = "a layer with these inputs";
    if (l->n_in < n) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (l->in[i].buf == BUF_NONE) {
            return false;
        }
    }
    return true;
}

bool space_all_f32(const struct layer *l, uint32_t n, const char **why)
{
    *why = "element types other than f32";
    for (uint32_t i = 0; i < n; i++) {
        if (!operand_is_f32(&l->in[i])) {
            return false;
        }
    }
    return operand_is_f32(&l->out);
}

bool space_rank_fits(const struct layer *l, const char **why)
{
    *why = "as many dimensions";
    return l->rank <= TENSOR_MAX_RANK && l->row_dims + 2 <= TENSOR_MAX_RANK;
}

static uint64_t moved_bytes(const struct layer *l)
{
    uint64_t bytes = layer_elements(l) * dtype_bytes(l->out.dtype);
    for (uint32_t i = 0; i < l->n_in; i++) {
        bytes += layer_elements(l) * dtype_bytes(l->in[i].dtype);
    }
    return bytes;
}

/* A type that flx_half.h reads and writes as a number. */
static bool is_number(enum dtype t)
{
    switch (t) {
    case DTYPE_F32:
    case DTYPE_F64:
    case DTYPE_I8:
    case DTYPE_U8:
    case DTYPE_I16:
    case DTYPE_U16:
    case DTYPE_I32:
    case DTYPE_U32:
    case DTYPE_I64:
    case DTYPE_U64:
    case DTYPE_BOOL:
    case DTYPE_F16:
    case DTYPE_BF16:
        return true;
    case DTYPE_NONE:
    case DTYPE_STRING:
    case DTYPE_C64:
    case DTYPE_C128:
    case DTYPE_F8E4M3FN:
    case DTYPE_F8E4M3FNUZ:
    case DTYPE_F8E5M2:
    case DTYPE_F8E5M2FNUZ:
    case DTYPE_U4:
    case DTYPE_I4:
    case DTYPE_F4E2M1:
    case DTYPE_F8E8M0:
    case DTYPE_U2:
    case DTYPE_I2:
        return false;
    }
    return false;
}

static bool all_numbers(const struct layer *l, const char **why)
{
    *why = "elements of this type";
    for (uint32_t i = 0; i < l->n_in; i++) {
        if (!is_number(l->in[i].dtype)) {
            return false;
        }
    }
    return is_number(l->out.dtype);
}

/* ---- elementwise ---- */

static bool is_binary(enum expr_op op)
{
    return (op >= EXPR_ADD && op <= EXPR_MAX) || op == EXPR_PRELU;
}

/* What k_ewise_f32 has: its steps, and f32 throughout. */
static bool all_steps_f32(const struct layer *l, const char **why)
{
    *why = "this elementwise step in f32";
    for (uint32_t i = 0; i < l->p.ewise.n_step; i++) {
        const struct expr_step *s = &l->p.ewise.step[i];
        if (s->op > EXPR_SELECT || (s->type != DTYPE_F32 && s->type != 0)) {
            return false;
        }
    }
    return true;
}

bool ewise_fits(const struct layer *l, const char **why)
{
    if (!space_has_inputs(l, l->n_in, why) || !space_all_f32(l, l->n_in, why) ||
        !space_rank_fits(l, why) || !all_steps_f32(l, why)) {
        return false;
    }
    *why = "this epilogue";
    if (l->epi.residual != RES_NONE || l->epi.act == ACT_PRELU) {
        return false;
    }
    *why = "an expression this deep";
    uint32_t depth = 0;
    for (uint32_t i = 0; i < l->p.ewise.n_step; i++) {
        const enum expr_op op = l->p.ewise.step[i].op;
        if (op == EXPR_IN || op == EXPR_IMM) {
            depth++;
        } else {
            const uint32_t more = op == EXPR_SELECT ? 2 : is_binary(op);
            if (depth < 1u + more) {
                return false;
            }
            depth -= more;
        }
        if (depth > FLX_EXPR_DEPTH) {
            return false;
        }
    }
    return depth == 1;
}

void ewise_args(const struct arg_in *in, uint32_t *word, struct fit *f)
{
    const struct layer *l = in->l;
    struct flx_ewise_arg *a = (struct flx_ewise_arg *)(void *)word;
    struct space s = space_of(l);
    for (uint32_t i = 0; i < l->n_in; i++) {
        space_add(&s, &l->in[i], l->in[i].stride);
    }
    space_merge(&s, 0);
    f->bad = !space_pad(&s) || f->bad;
    PUT_SPACE(a, &s, f);
    PUT_VIEW(a, out, in, &s, 0, f);
    a->n_in = l->n_in;
    for (uint32_t i = 0; i < l->n_in; i++) {
        struct view v;
        space_put_view(in, &s, i + 1, &v, &a->in_stride[i * FLX_MAX_RANK], f);
        a->in_at[i] = v.at;
        a->in_by_row[i] = v.by_row;
        a->in_row_bytes[i] = v.row_bytes;
        a->in_row0[i] = v.row0;
        a->in_col0[i] = v.col0;
    }
    a->n_step = l->p.ewise.n_step;
    for (uint32_t i = 0; i < a->n_step; i++) {
        const struct expr_step *step = &l->p.ewise.step[i];
        a->used |= 1u << (uint32_t)step->op;
        a->op[i] = (uint32_t)step->op;
        a->ix[i] = step->op == EXPR_IN ? step->ix : 0;
        a->imm[i] = step->op == EXPR_IMM ? step->imm : 0;
    }
    a->act = (uint32_t)l->epi.act;
    a->act_a = l->epi.a;
    a->act_b = l->epi.b;
}

/* Steps that take as long as an exponential. */
static uint64_t heavy_steps(const struct layer *l)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < l->p.ewise.n_step; i++) {
        const enum expr_op op = l->p.ewise.step[i].op;
        n += op == EXPR_POW || op == EXPR_EXP || op == EXPR_LOG ||
             op == EXPR_ERF || op == EXPR_SIGMOID || op == EXPR_TANH ||
             (op >= EXPR_SIN && op <= EXPR_ATANH);
    }
    return n;
}

uint64_t ewise_ns(const struct layer *l, const struct device *d)
{
    /* A step is a pass over a run in the nearest cache: about a byte each. */
    return rate_ns(moved_bytes(l) + layer_elements(l) * l->p.ewise.n_step,
                   d->speed[SPEED_EWISE]) +
           rate_ns(layer_elements(l) * heavy_steps(l), d->speed[SPEED_EXP]) +
           epilogue_ns(l, d);
}

/* Values that a step takes off the stack, beyond one. */
static uint32_t takes_more(enum expr_op op)
{
    const bool is_new =
        op == EXPR_MOD || op == EXPR_FMOD || (op >= EXPR_EQ && op <= EXPR_SHR);
    return op == EXPR_SELECT ? 2 : is_binary(op) || is_new;
}

bool typed_fits(const struct layer *l, const char **why)
{
    if (!space_has_inputs(l, l->n_in, why) || !all_numbers(l, why) ||
        !space_rank_fits(l, why)) {
        return false;
    }
    *why = "an epilogue on these types";
    if (l->epi.residual != RES_NONE || l->epi.act != ACT_NONE) {
        return false;
    }
    *why = "an expression this deep";
    uint32_t depth = 0;
    for (uint32_t i = 0; i < l->p.ewise.n_step; i++) {
        const enum expr_op op = l->p.ewise.step[i].op;
        depth = op == EXPR_IN || op == EXPR_IMM ? depth + 1
                                                : depth - takes_more(op);
        if (depth < 1 || depth > FLX_EXPR_DEPTH) {
            return false;
        }
    }
    return depth == 1;
}

/* As flx_typed_class() of the kernel: bits 1 << class. */
static uint32_t class_bit(enum dtype t)
{
    return !dtype_is_float(t) ? 4u : t == DTYPE_F64 ? 2u : 1u;
}

void typed_args(const struct arg_in *in, uint32_t *word, struct fit *f)
{
    const struct layer *l = in->l;
    struct flx_typed_arg *a = (struct flx_typed_arg *)(void *)word;
    struct space s = space_of(l);
    for (uint32_t i = 0; i < l->n_in; i++) {
        space_add(&s, &l->in[i], l->in[i].stride);
    }
    space_merge(&s, 0);
    f->bad = !space_pad(&s) || f->bad;
    PUT_SPACE(a, &s, f);
    PUT_VIEW(a, out, in, &s, 0, f);
    a->out_type = (uint32_t)l->out.dtype;
    a->classes = class_bit(l->out.dtype);
    a->n_in = l->n_in;
    for (uint32_t i = 0; i < l->n_in; i++) {
        struct view v;
        space_put_view(in, &s, i + 1, &v, &a->in_stride[i * FLX_MAX_RANK], f);
        a->in_at[i] = v.at;
        a->in_by_row[i] = v.by_row;
        a->in_row_bytes[i] = v.row_bytes;
        a->in_row0[i] = v.row0;
        a->in_col0[i] = v.col0;
        a->in_type[i] = (uint32_t)l->in[i].dtype;
        a->classes |= class_bit(l->in[i].dtype);
    }
    a->n_step = l->p.ewise.n_step;
    for (uint32_t i = 0; i < a->n_step; i++) {
        const struct expr_step *step = &l->p.ewise.step[i];
        const uint32_t op = (uint32_t)step->op;
        a->used[op / 32] |= 1u << op % 32;
        a->op[i] = op;
        a->ix[i] = step->ix;
        a->type[i] = (uint32_t)step->type;
        a->imm[i] = step->op == EXPR_IMM ? step->imm : 0;
        if (step->op != EXPR_IN) {
            a->classes |= class_bit(step->type);
        }
    }
}

/* Floats, with conversions from 8-bit operands where they are read, and to a
 * result of 8 bits at the end. */
bool ewise_q8_fits(const struct layer *l, const char **why)
{
    const struct ewise_param *p = &l->p.ewise;
    if (!typed_fits(l, why)) {
        return false;
    }
    *why = "these steps on 8-bit numbers";
    for (uint32_t i = 0; i < p->n_step; i++) {
        const struct expr_step *s = &p->step[i];
        const bool is_last = i + 1 == p->n_step;
        if (s->op == EXPR_IN) {
            const enum dtype t = l->in[s->ix].dtype;
            const bool casts = !is_last && s[1].op == EXPR_CAST &&
                               s[1].ix == (uint32_t)t && s[1].type == DTYPE_F32;
            if (t != DTYPE_F32 && !(is_byte(t) && casts)) {
                return false;
            }
            i += t != DTYPE_F32;
        } else if (s->op == EXPR_SATURATE) {
            if (!is_last || s->type != l->out.dtype || !is_byte(s->type)) {
                return false;
            }
        } else if (s->type != DTYPE_F32 ||
                   (s->op >= EXPR_SELECT && s->op != EXPR_ROUND)) {
            return false;
        }
    }
    return l->out.dtype == DTYPE_F32 ||
           (p->n_step > 0 && p->step[p->n_step - 1].op == EXPR_SATURATE);
}

void ewise_q8_args(const struct arg_in *in, uint32_t *word, struct fit *f)
{
    struct flx_typed_arg *a = (struct flx_typed_arg *)(void *)word;
    typed_args(in, word, f);
    uint32_t n = 0;
    a->classes = 0;
    for (uint32_t i = 0; i < a->n_step; i++) {
        if (a->op[i] != FLX_EXPR_CAST && a->op[i] != FLX_EXPR_SATURATE) {
            a->op[n] = a->op[i];
            a->ix[n] = a->ix[i];
            a->imm[n] = a->imm[i];
            a->type[n++] = 0;
        }
    }
    for (uint32_t i = n; i < a->n_step; i++) {
        a->op[i] = 0;
        a->ix[i] = 0;
        a->imm[i] = 0;
        a->type[i] = 0;
    }
    a->n_step = n;
}

uint64_t typed_ns(const struct layer *l, const struct device *d)
{
    /* One element at a time. */
    return rate_ns(moved_bytes(l) + 8 * layer_elements(l) * l->p.ewise.n_step,
                   d->speed[SPEED_EWISE]) +
           rate_ns(layer_elements(l) * heavy_steps(l), d->speed[SPEED_EXP]);
}

/* ---- softmax ---- */

bool softmax_fits(const struct layer *l, const char **why)
{
    return space_has_inputs(l, 1, why) && space_all_f32(l, 1, why) &&
           space_rank_fits(l, why) && l->rank > l->row_dims;
}

void softmax_args(const struct arg_in *in, uint32_t *word, struct fit *f)
{
    const struct layer *l = in->l;
    struct flx_softmax_arg *a = (struct flx_softmax_arg *)(void *)word;
    struct space s = space_of(l);
    space_add(&s, &l->in[0], l->in[0].stride);
    space_merge(&s, 1);
    f->bad = !space_pad(&s) || f->bad;
    PUT_SPACE(a, &s, f);
    PUT_VIEW(a, out, in, &s, 0, f);
    PUT_VIEW(a, in, in, &s, 1, f);
    a->is_log = l->p.softmax.log;
}

uint64_t softmax_ns(const struct layer *l, const struct device *d)
{
    return rate_ns(4 * moved_bytes(l), d->speed[SPEED_EWISE]) +
           rate_ns(layer_elements(l), d->speed[SPEED_EXP]);
}

/* ---- copies and casts ---- */

static bool same_size(const struct layer *l, const char **why)
{
    *why = "this element type";
    return dtype_bytes(l->out.dtype) > 0 &&
           dtype_bytes(l->out.dtype) == dtype_bytes(l->in[0].dtype);
}

/* Without an input it is a fill: everything is outside of nothing. */
bool copy_fits(const struct layer *l, const char **why)
{
    if (l->n_in == 0) {
        *why = "this element type";
        return dtype_bytes(l->out.dtype) > 0 && space_rank_fits(l, why);
    }
    return space_has_inputs(l, 1, why) && same_size(l, why) &&
           space_rank_fits(l, why);
}

void copy_args(const struct arg_in *in, uint32_t *word, struct fit *f)
{
    const struct layer *l = in->l;
    struct flx_copy_arg *a = (struct flx_copy_arg *)(void *)word;
    struct space s = space_of(l);
    if (l->n_in > 0) {
        space_add(&s, &l->in[0], l->in[0].stride);
    }
    a->elem_bytes = dtype_bytes(l->out.dtype);
    a->has_pads = l->p.copy.pads || l->n_in == 0;
    if (!l->p.copy.pads) {
        space_merge(&s, 0);
    }
    const uint32_t rank = s.rank;
    f->bad = !space_pad(&s) || f->bad;
    PUT_SPACE(a, &s, f);
    PUT_VIEW(a, out, in, &s, 0, f);
    a->fill_lo = (uint32_t)l->p.copy.fill;
    a->fill_hi = (uint32_t)(l->p.copy.fill >> 32);
    if (l->n_in == 0) {
        return;
    }
    PUT_VIEW(a, in, in, &s, 1, f);
    /* Dimensions of 1 were inserted after the rows. */
    const uint32_t shift = s.rank - rank;
    for (uint32_t k = 0; k < s.rank; k++) {
        const bool is_new = k >= s.row_dims && k < s.row_dims + shift;
        const uint32_t from = k < s.row_dims ? k : k - shift;
        a->in_dim[k] = is_new || !l->p.copy.pads ? a->dim[k]
                                                 : fit_u(f, l->in[0].dim[from]);
        a->before[k] =
            is_new || !l->p.copy.pads ? 0 : fit_i(f, l->p.copy.before[from]);
    }
}

uint64_t copy_ns(const struct layer *l, const struct device *d)
{
    return rate_ns(2 * layer_elements(l) * dtype_bytes(l->out.dtype),
                   d->speed[SPEED_EWISE]);
}

bool cast_fits(const struct layer *l, const char **why)
{
    if (!space_has_inputs(l, 1, why) || !space_rank_fits(l, why)) {
        return false;
    }
    *why = "a conversion between these types";
    return (is_number(l->out.dtype) || l->out.dtype > DTYPE_BF16) &&
           (is_number(l->in[0].dtype) || l->in[0].dtype > DTYPE_BF16);
}

void cast_args(const struct arg_in *in, uint32_t *word, struct fit *f)
{
    const struct layer *l = in->l;
    struct flx_cast_arg *a = (struct flx_cast_arg *)(void *)word;
    struct space s = space_of(l);
    space_add(&s, &l->in[0], l->in[0].stride);
    space_merge(&s, 0);
    f->bad = !space_pad(&s) || f->bad;
    PUT_SPACE(a, &s, f);
    PUT_VIEW(a, out, in, &s, 0, f);
    PUT_VIEW(a, in, in, &s, 1, f);
    a->out_type = (uint32_t)l->out.dtype;
    a->in_type = (uint32_t)l->in[0].dtype;
    a->saturate = l->p.cast.saturate;
    a->round = (uint32_t)l->p.cast.round;
}

/* ---- gather ---- */

bool gather_fits(const struct layer *l, const char **why)
{
    if (!space_has_inputs(l, 2, why) || !same_size(l, why) ||
        !space_rank_fits(l, why)) {
        return false;
    }
    *why = "indices of this type";
    return l->in[1].dtype == DTYPE_I32 || l->in[1].dtype == DTYPE_I64;
}

/* Data and index as operands of the output's space: the data does not move
 * along the index's dimensions, nor the index along the data's. */
void gather_args(const struct arg_in *in, uint32_t *word, struct fit *f)
{
    const struct layer *l = in->l;
    const struct gather_param *p = &l->p.gather;
    struct flx_gather_arg *a = (struct flx_gather_arg *)(void *)word;
    struct space s = space_of(l);
    int64_t data[TENSOR_MAX_RANK] = {0};
    int64_t index[TENSOR_MAX_RANK] = {0};
    for (uint32_t k = 0; k < l->rank; k++) {
        if (k < p->axis) {
            data[k] = l->in[0].stride[k];
        } else if (k < p->axis + p->index_rank) {
            index[k] = l->in[1].stride[k - p->axis];
        } else {
            data[k] = l->in[0].stride[k - p->index_rank + 1];
        }
    }
    space_add(&s, &l->in[0], data);
    space_add(&s, &l->in[1], index);
    space_merge(&s, 0);
    f->bad = !space_pad(&s) || f->bad;
    PUT_SPACE(a, &s, f);
    PUT_VIEW(a, out, in, &s, 0, f);
    PUT_VIEW(a, in, in, &s, 1, f);
    PUT_VIEW(a, ix, in, &s, 2, f);
    a->elem_bytes = dtype_bytes(l->out.dtype);
    a->ix_bytes = dtype_bytes(l->in[1].dtype);
    a->axis_len = fit_u(f, p->axis_len);
    a->axis_stride = fit_i(f, l->in[0].stride[p->axis]);
}

/* ---- product of two computed operands ---- */

bool matmul_fits(const struct layer *l, const char **why)
{
    if (!space_has_inputs(l, 2, why) || !space_all_f32(l, 2, why)) {
        return false;
    }
    *why = "a product of these shapes";
    return l->rank >= 2 && l->in[0].rank == l->rank &&
           l->in[1].rank == l->rank && l->row_dims < l->rank &&
           !l->in[1].by_row &&
           (l->out.stride[l->rank - 1] == 1 || l->dim[l->rank - 1] == 1);
}

void matmul_args(const struct arg_in *in, uint32_t *word, struct fit *f)
{
    const struct layer *l = in->l;
    struct flx_matmul_arg *a = (struct flx_matmul_arg *)(void *)word;
    const uint32_t m = l->rank - 2;
    const uint32_t n = l->rank - 1;
    int64_t sa[TENSOR_MAX_RANK] = {0};
    int64_t sb[TENSOR_MAX_RANK] = {0};
    for (uint32_t k = 0; k < m; k++) {
        sa[k] = l->in[0].dim[k] == 1 ? 0 : l->in[0].stride[k];
        sb[k] = l->in[1].dim[k] == 1 ? 0 : l->in[1].stride[k];
    }
    sa[m] = l->in[0].stride[m];
    sb[n] = l->in[1].stride[n];
    struct space s = space_of(l);
    space_add(&s, &l->in[0], sa);
    space_add(&s, &l->in[1], sb);
    PUT_SPACE(a, &s, f);
    PUT_VIEW(a, out, in, &s, 0, f);
    PUT_VIEW(a, a, in, &s, 1, f);
    PUT_VIEW(a, b, in, &s, 2, f);
    a->k = fit_u(f, l->p.matmul.k);
    a->a_k = fit_i(f, l->in[0].stride[n]);
    a->b_k = fit_i(f, l->in[1].stride[m]);
}

/* A panel of b, and a tile of a's rows where they are not contiguous. */
uint64_t matmul_scratch(const struct layer *l)
{
    return FLX_MATMUL_SCRATCH((uint32_t)size_min(FLX_MATMUL_K, l->p.matmul.k));
}

uint64_t matmul_ns(const struct layer *l, const struct device *d)
{
    /* Packing b once per box of rows costs a little more. */
    return rate_ns(l->macs + l->macs / 8, d->speed[SPEED_GEMM]);
}

/* ---- reductions ---- */

bool reduce_fits(const struct layer *l, const char **why)
{
    if (!space_has_inputs(l, 1, why) || !space_all_f32(l, 1, why) ||
        !space_rank_fits(l, why)) {
        return false;
    }
    *why = "this reduction in f32";
    if (l->p.reduce.op > REDUCE_L2) {
        return false;
    }
    *why = "a reduction of this shape";
    return l->in[0].rank == l->rank + l->p.reduce.n_reduced;
}

bool reduce_any_fits(const struct layer *l, const char **why)
{
    if (!space_has_inputs(l, 1, why) || !all_numbers(l, why) ||
        !space_rank_fits(l, why)) {
        return false;
    }
    *why = "a reduction of this shape";
    return l->in[0].rank == l->rank + l->p.reduce.n_reduced &&
           l->p.reduce.n_reduced > 0;
}

void reduce_args(const struct arg_in *in, uint32_t *word, struct fit *f)
{
    const struct layer *l = in->l;
    struct flx_reduce_arg *a = (struct flx_reduce_arg *)(void *)word;
    struct space s = space_of(l);
    space_add(&s, &l->in[0], l->in[0].stride);
    space_merge(&s, 0);
    f->bad = !space_pad(&s) || f->bad;
    PUT_SPACE(a, &s, f);
    PUT_VIEW(a, out, in, &s, 0, f);
    PUT_VIEW(a, in, in, &s, 1, f);
    a->op = (uint32_t)l->p.reduce.op;
    a->n_red = l->p.reduce.n_reduced;
    a->in_type = (uint32_t)l->in[0].dtype;
    a->out_type = (uint32_t)l->out.dtype;
    a->select_last = l->p.reduce.select_last;
    for (uint32_t k = 0; k < FLX_MAX_RANK; k++) {
        a->red_dim[k] = k < a->n_red ? fit_u(f, l->in[0].dim[l->rank + k]) : 1;
        a->red_stride[k] =
            k < a->n_red ? fit_i(f, l->in[0].stride[l->rank + k]) : 0;
    }
}

uint64_t reduce_ns(const struct layer *l, const struct device *d)
{
    uint64_t n = layer_elements(l);
    for (uint32_t k = 0; k < l->p.reduce.n_reduced; k++) {
        n *= l->in[0].dim[l->rank + k];
    }
    return rate_ns(4 * n, d->speed[SPEED_EWISE]);
}
