#include <assert.h>

#include "base/buf.h"
#include "ir/layer.h"

static const char *const kinds[LAYER_KIND_COUNT] = {
    [LAYER_CONV] = "conv",       [LAYER_DECONV] = "deconv",
    [LAYER_POOL] = "pool",       [LAYER_EWISE] = "ewise",
    [LAYER_SOFTMAX] = "softmax", [LAYER_LRN] = "lrn",
    [LAYER_RESIZE] = "resize",   [LAYER_COPY] = "copy",
    [LAYER_CAST] = "cast",       [LAYER_GATHER] = "gather",
    [LAYER_MATMUL] = "matmul",   [LAYER_REDUCE] = "reduce",
    [LAYER_NORM] = "norm",       [LAYER_ATTENTION] = "attention",
    [LAYER_TENSOR] = "tensor",   [LAYER_EMBED] = "embed",
};

static const char *const acts[ACT_COUNT] = {
    [ACT_NONE] = "none",           [ACT_RELU] = "relu",
    [ACT_CLIP] = "clip",           [ACT_LEAKY] = "leaky",
    [ACT_PRELU] = "prelu",         [ACT_SIGMOID] = "sigmoid",
    [ACT_TANH] = "tanh",           [ACT_HARDSIGMOID] = "hardsigmoid",
    [ACT_HARDSWISH] = "hardswish", [ACT_SILU] = "silu",
    [ACT_GELU] = "gelu",           [ACT_GELU_TANH] = "gelu-tanh",
};

static const char *const exprs[EXPR_OP_COUNT] = {
    [EXPR_IN] = "in",         [EXPR_IMM] = "imm",
    [EXPR_ADD] = "add",       [EXPR_SUB] = "sub",
    [EXPR_MUL] = "mul",       [EXPR_DIV] = "div",
    [EXPR_POW] = "pow",       [EXPR_MIN] = "min",
    [EXPR_MAX] = "max",       [EXPR_NEG] = "neg",
    [EXPR_ABS] = "abs",       [EXPR_EXP] = "exp",
    [EXPR_LOG] = "log",       [EXPR_SQRT] = "sqrt",
    [EXPR_RECIP] = "recip",   [EXPR_FLOOR] = "floor",
    [EXPR_CEIL] = "ceil",     [EXPR_ERF] = "erf",
    [EXPR_RELU] = "relu",     [EXPR_SIGMOID] = "sigmoid",
    [EXPR_TANH] = "tanh",     [EXPR_PRELU] = "prelu",
    [EXPR_SELECT] = "select", [EXPR_CAST] = "cast",
    [EXPR_ROUND] = "round",   [EXPR_SIGN] = "sign",
    [EXPR_SIN] = "sin",       [EXPR_COS] = "cos",
    [EXPR_TAN] = "tan",       [EXPR_ASIN] = "asin",
    [EXPR_ACOS] = "acos",     [EXPR_ATAN] = "atan",
    [EXPR_SINH] = "sinh",     [EXPR_COSH] = "cosh",
    [EXPR_ASINH] = "asinh",   [EXPR_ACOSH] = "acosh",
    [EXPR_ATANH] = "atanh",   [EXPR_ISNAN] = "isnan",
    [EXPR_ISINF] = "isinf",   [EXPR_NOT] = "not",
    [EXPR_BITNOT] = "bitnot", [EXPR_MOD] = "mod",
    [EXPR_FMOD] = "fmod",     [EXPR_EQ] = "eq",
    [EXPR_LT] = "lt",         [EXPR_LE] = "le",
    [EXPR_GT] = "gt",         [EXPR_GE] = "ge",
    [EXPR_BITAND] = "bitand", [EXPR_BITOR] = "bitor",
    [EXPR_BITXOR] = "bitxor", [EXPR_SHL] = "shl",
    [EXPR_SHR] = "shr",       [EXPR_SATURATE] = "saturate",
};

static const char *const residuals[] = {"none", "before-act", "after-act"};
static const char *const pools[] = {"max", "avg"};
static const char *const resizes[] = {"nearest", "linear"};
static const char *const coords[] = {"half-pixel", "pytorch-half-pixel",
                                     "align-corners", "asymmetric"};
static const char *const nearests[] = {"round-prefer-floor",
                                       "round-prefer-ceil", "floor", "ceil"};
static const char *const masks[] = {"none", "add", "select"};
static const char *const blinds[] = {"mean", "nan", "zero", "guard"};
static const char *const reduces[] = {
    "mean", "sum",   "max",    "min",       "l2",     "prod",
    "l1",   "sumsq", "logsum", "logsumexp", "argmax", "argmin"};
static const char *const tensors[TENSOR_OP_COUNT] = {
    [TENSOR_CONV] = "conv",       [TENSOR_DECONV] = "deconv",
    [TENSOR_POOL] = "pool",       [TENSOR_MATMUL] = "matmul",
    [TENSOR_TAPS] = "taps",       [TENSOR_GATHER] = "gather",
    [TENSOR_SCATTER] = "scatter", [TENSOR_SCAN] = "scan",
    [TENSOR_ORDER] = "order",     [TENSOR_NMS] = "nms",
    [TENSOR_NONZERO] = "nonzero", [TENSOR_RNN] = "rnn",
    [TENSOR_GRID] = "grid",       [TENSOR_ROI] = "roi",
    [TENSOR_DEFORM] = "deform",   [TENSOR_DFT] = "dft",
    [TENSOR_STATE] = "state",     [TENSOR_DET] = "det",
};

/* Names come from the model: no control characters in the text. */
static void put_name(struct buf *out, const char *name)
{
    buf_char(out, '"');
    for (const char *c = name; *c; c++) {
        if ((unsigned char)*c < ' ' || *c == '"' || *c == '\\') {
            buf_printf(out, "\\x%02x", (unsigned)(unsigned char)*c);
        } else {
            buf_char(out, *c);
        }
    }
    buf_char(out, '"');
}

static void put_dims(struct buf *out, const uint64_t *dim, uint32_t n)
{
    buf_char(out, '[');
    for (uint32_t i = 0; i < n; i++) {
        buf_printf(out, "%s%llu", i ? " " : "", (unsigned long long)dim[i]);
    }
    buf_char(out, ']');
}

static void put_steps(struct buf *out, const int64_t *stride, uint32_t n)
{
    buf_str(out, " step [");
    for (uint32_t i = 0; i < n; i++) {
        buf_printf(out, "%s%lld", i ? " " : "", (long long)stride[i]);
    }
    buf_char(out, ']');
}

static void put_operand(struct buf *out, const char *role,
                        const struct layer *y, const struct operand *o)
{
    buf_printf(out, "  %s ", role);
    if (o->buf == BUF_NONE) {
        buf_str(out, "-\n");
        return;
    }
    if (o->buf == BUF_WEIGHTS) {
        buf_printf(out, "w%u", o->weight_ix);
    } else {
        buf_printf(out, "b%u", o->buf);
    }
    buf_printf(out, " %s ", dtype_name(o->dtype));
    put_dims(out, o->dim, o->rank);
    if (o->by_row) {
        put_steps(out, o->stride + y->row_dims, o->rank - y->row_dims);
        buf_printf(out, " at row %llu", (unsigned long long)o->row0);
    } else {
        put_steps(out, o->stride, o->rank);
        buf_str(out, " at");
    }
    buf_printf(out, " element %llu", (unsigned long long)o->col0);
    if (o->map.all) {
        buf_printf(out, " all of %llu", (unsigned long long)o->map.in_rows);
    } else {
        buf_printf(out, " rows %u/%u lo %d hi %d image %llu from %llu",
                   o->map.num, o->map.den, o->map.lo, o->map.hi,
                   (unsigned long long)o->map.out_rows,
                   (unsigned long long)o->map.in_rows);
    }
    buf_char(out, '\n');
}

static void put_conv(struct buf *out, const struct conv_param *p)
{
    buf_printf(out,
               "  group %u kernel %u %u stride %u %u dilation %u %u pad %d "
               "%d\n",
               p->group, p->kernel[0], p->kernel[1], p->stride[0], p->stride[1],
               p->dilation[0], p->dilation[1], p->pad_begin[0],
               p->pad_begin[1]);
}

static void put_pool(struct buf *out, const struct pool_param *p)
{
    buf_printf(out,
               "  %s%s kernel %u %u stride %u %u dilation %u %u pad %d %d to "
               "%d %d\n",
               pools[p->kind], p->count_include_pad ? " counts-pad" : "",
               p->kernel[0], p->kernel[1], p->stride[0], p->stride[1],
               p->dilation[0], p->dilation[1], p->pad_begin[0], p->pad_begin[1],
               p->pad_end[0], p->pad_end[1]);
}

static void put_ewise(struct buf *out, const struct ewise_param *p)
{
    buf_str(out, "  expr");
    for (uint32_t i = 0; i < p->n_step; i++) {
        const struct expr_step *const s = &p->step[i];
        assert(s->op < EXPR_OP_COUNT);
        buf_printf(out, " %s", exprs[s->op]);
        if (s->op == EXPR_IN) {
            buf_printf(out, "%u", s->ix);
        } else if (s->op == EXPR_IMM) {
            buf_printf(out, " %a", (double)s->imm);
        } else if (s->op == EXPR_CAST || s->op == EXPR_ISINF) {
            buf_printf(out, "%u", s->ix);
        }
        if (s->type != DTYPE_NONE && s->type != DTYPE_F32) {
            buf_printf(out, ":%s", dtype_name(s->type));
        }
    }
    buf_char(out, '\n');
}

static void put_copy(struct buf *out, const struct layer *y)
{
    const struct copy_param *const p = &y->p.copy;
    if (!p->pads) {
        return;
    }
    buf_printf(out, "  fill 0x%llx before", (unsigned long long)p->fill);
    for (uint32_t i = 0; i < y->rank; i++) {
        buf_printf(out, " %lld", (long long)p->before[i]);
    }
    buf_char(out, '\n');
}

static void put_tensor(struct buf *out, const struct tensor_param *p)
{
    buf_printf(out, "  %s", tensors[p->op]);
    for (uint32_t i = 0; i < TENSOR_MAX_INT; i++) {
        buf_printf(out, " %d", p->i[i]);
    }
    for (uint32_t i = 0; i < TENSOR_MAX_FLOAT; i++) {
        buf_printf(out, " %a", (double)p->f[i]);
    }
    buf_char(out, '\n');
}

static void put_param(struct buf *out, const struct layer *y)
{
    switch (y->kind) {
    case LAYER_CONV:
    case LAYER_DECONV:
        put_conv(out, &y->p.conv);
        break;
    case LAYER_POOL:
        put_pool(out, &y->p.pool);
        break;
    case LAYER_EWISE:
        put_ewise(out, &y->p.ewise);
        break;
    case LAYER_SOFTMAX:
        buf_printf(out, "  log %d\n", y->p.softmax.log);
        break;
    case LAYER_LRN:
        buf_printf(out, "  size %u alpha %a beta %a bias %a\n", y->p.lrn.size,
                   (double)y->p.lrn.alpha, (double)y->p.lrn.beta,
                   (double)y->p.lrn.bias);
        break;
    case LAYER_RESIZE:
        buf_printf(out, "  %s %s %s scale %a %a\n", resizes[y->p.resize.mode],
                   coords[y->p.resize.coord], nearests[y->p.resize.nearest],
                   (double)y->p.resize.scale[0], (double)y->p.resize.scale[1]);
        break;
    case LAYER_COPY:
        put_copy(out, y);
        break;
    case LAYER_CAST:
        if (y->out.dtype > DTYPE_BF16) {
            buf_printf(out, "  saturate %d round %d\n", y->p.cast.saturate,
                       (int)y->p.cast.round);
        }
        break;
    case LAYER_GATHER:
        buf_printf(out, "  axis %u of %llu index-rank %u\n", y->p.gather.axis,
                   (unsigned long long)y->p.gather.axis_len,
                   y->p.gather.index_rank);
        break;
    case LAYER_MATMUL:
        buf_printf(out, "  m %llu n %llu k %llu\n",
                   (unsigned long long)y->p.matmul.m,
                   (unsigned long long)y->p.matmul.n,
                   (unsigned long long)y->p.matmul.k);
        break;
    case LAYER_REDUCE:
        buf_printf(out, "  %s over %u%s\n", reduces[y->p.reduce.op],
                   y->p.reduce.n_reduced,
                   y->p.reduce.select_last ? " last" : "");
        break;
    case LAYER_TENSOR:
        put_tensor(out, &y->p.tensor);
        break;
    case LAYER_NORM:
        buf_printf(out, "  epsilon %a%s\n", (double)y->p.norm.epsilon,
                   y->p.norm.is_rms ? " rms" : "");
        break;
    case LAYER_ATTENTION:
        buf_printf(out, "  scale %a mask %s blind %s",
                   (double)y->p.attention.scale, masks[y->p.attention.mask],
                   blinds[y->p.attention.blind]);
        buf_str(out, y->p.attention.is_causal ? " causal\n" : "\n");
        break;
    case LAYER_EMBED:
        buf_printf(out, "  entries %llu",
                   (unsigned long long)y->p.embed.n_entry);
        if (y->p.embed.tied) {
            buf_str(out, " tied to ");
            put_name(out, y->p.embed.tied->name);
        }
        buf_char(out, '\n');
        break;
    case LAYER_KIND_COUNT:
        assert(false);
    }
}

static bool is_byte(enum dtype t)
{
    return t == DTYPE_I8 || t == DTYPE_U8;
}

static void put_layer(struct buf *out, uint32_t ix, const struct layer *y)
{
    assert(y->kind < LAYER_KIND_COUNT && y->epi.act < ACT_COUNT);
    buf_printf(out, "layer %u %s ", ix, kinds[y->kind]);
    put_name(out, y->name);
    buf_printf(out, " (%s) ", y->op);
    put_dims(out, y->dim, y->rank);
    buf_printf(out, " rows %llu of %u dims, %llu macs\n",
               (unsigned long long)y->rows, y->row_dims,
               (unsigned long long)y->macs);
    put_operand(out, "out", y, &y->out);
    for (uint32_t i = 0; i < y->n_in; i++) {
        put_operand(out, "in", y, &y->in[i]);
    }
    if (y->guard != GUARD_NONE) {
        buf_printf(out, "  %s b%u\n", y->guard == GUARD_IF ? "if" : "unless",
                   y->in[y->n_in].buf);
    }
    for (uint32_t i = 0; i < y->n_weight; i++) {
        const struct weight *const w = &y->weight[i];
        buf_printf(out, "  weight %s ", dtype_name(w->dtype));
        put_dims(out, w->dim, w->rank);
        put_steps(out, w->stride, w->rank);
        const uint64_t bytes = weight_count(w) * dtype_bytes(w->dtype);
        buf_printf(out, ", %llu bytes\n", (unsigned long long)bytes);
    }
    if (y->stored != DTYPE_NONE) {
        buf_printf(out, "  stored %s\n", dtype_name(y->stored));
    }
    put_param(out, y);
    const bool is_image = y->kind == LAYER_CONV || y->kind == LAYER_POOL;
    if (is_image && y->n_in > 0 && is_byte(y->in[0].dtype)) {
        buf_printf(out, "  zero %d to %d cut %d %d scale %a\n",
                   y->quant.in_zero, y->quant.out_zero, y->quant.low,
                   y->quant.high, (double)y->quant.scale);
    }
    if (y->epi.act != ACT_NONE || y->epi.residual != RES_NONE) {
        buf_printf(out, "  act %s %a %a residual %s\n", acts[y->epi.act],
                   (double)y->epi.a, (double)y->epi.b,
                   residuals[y->epi.residual]);
    }
}

static void put_io(struct buf *out, const char *role, const struct layer_io *io)
{
    buf_printf(out, "%s ", role);
    put_name(out, io->name);
    buf_printf(out, " %s [", dtype_name(io->dtype));
    for (uint32_t i = 0; i < io->shape.rank; i++) {
        buf_printf(out, "%s%lld", i ? " " : "", (long long)io->shape.dim[i]);
    }
    buf_printf(out, "] b%u\n", io->buf);
}

bool layers_print(const struct layers *l, struct buf *out)
{
    buf_str(out, "layers ");
    put_name(out, l->name);
    buf_printf(out, ", %llu weight bytes\n",
               (unsigned long long)l->weight_bytes);
    for (uint32_t i = 0; i < l->n_input; i++) {
        put_io(out, "input", &l->input[i]);
    }
    for (uint32_t i = 0; i < l->n_output; i++) {
        put_io(out, "output", &l->output[i]);
    }
    for (uint32_t i = 0; i < l->n_buf; i++) {
        const struct buffer *const b = &l->buf[i];
        buf_printf(out, "buffer %u ", i);
        put_name(out, b->name);
        buf_printf(out, " %llu rows of %llu bytes, layers %u..%u%s%s%s\n",
                   (unsigned long long)b->rows,
                   (unsigned long long)b->row_bytes, b->first, b->last,
                   b->is_input ? " input" : "", b->is_output ? " output" : "",
                   b->whole ? " whole" : "");
    }
    for (uint32_t i = 0; i < l->n_layer; i++) {
        put_layer(out, i, &l->layer[i]);
    }
    return buf_ok(out);
}
