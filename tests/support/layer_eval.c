#include "support/layer_eval.h"

#include <math.h>
#include <string.h>

/* An operand ready for use: element ix is off + ix * stride elements from data,
 * and from dst where it may be written. */
struct cursor {
    const uint8_t *data;
    uint8_t *dst;
    uint32_t bytes; /* of an element */
    int64_t off;
    int64_t stride[TENSOR_MAX_RANK];
    const struct operand *o;
};

struct eval {
    const struct layers *l;
    const struct layer *y;
    struct arena *a;
    uint8_t **buf;
    const char *wrong;
    struct cursor out;
    struct cursor in[LAYER_MAX_IN];
};

static struct cursor cursor_of(const struct eval *e, const struct operand *o)
{
    struct cursor c = {.o = o, .bytes = dtype_bytes(o->dtype)};
    operand_linear(e->l, e->y, o, &c.off, c.stride);
    c.dst = o->buf == BUF_WEIGHTS ? NULL : e->buf[o->buf];
    c.data = c.dst ? c.dst : e->y->weight[o->weight_ix].data.data;
    return c;
}

static int64_t place(const struct cursor *c, const int64_t *ix)
{
    int64_t at = c->off;
    for (uint32_t k = 0; k < c->o->rank; k++) {
        at += ix[k] * c->stride[k];
    }
    return at * (int64_t)c->bytes;
}

static const uint8_t *element(const struct cursor *c, const int64_t *ix)
{
    return c->data + place(c, ix);
}

static bool is_byte(enum dtype t)
{
    return t == DTYPE_I8 || t == DTYPE_U8;
}

/* f32, i32 or of 8 bits. */
static double number(enum dtype t, const uint8_t *p)
{
    float x;
    int32_t i;
    if (is_byte(t)) {
        return t == DTYPE_I8 && p[0] > 127 ? p[0] - 256.0 : p[0];
    }
    memcpy(&x, p, sizeof x);
    memcpy(&i, p, sizeof i);
    return t == DTYPE_I32 ? i : (double)x;
}

static double get(const struct cursor *c, const int64_t *ix)
{
    return number(c->o->dtype, element(c, ix));
}

static void put(const struct cursor *c, const int64_t *ix, double value)
{
    uint8_t *const p = c->dst + place(c, ix);
    const float x = (float)value;
    const int32_t i = c->o->dtype == DTYPE_F32 ? 0 : (int32_t)value;
    if (is_byte(c->o->dtype)) {
        p[0] = (uint8_t)i;
    } else if (c->o->dtype == DTYPE_I32) {
        memcpy(p, &i, sizeof i);
    } else {
        memcpy(p, &x, sizeof x);
    }
}

static int64_t row_of(const struct eval *e, const struct operand *o,
                      const int64_t *ix)
{
    int64_t row = 0;
    for (uint32_t k = 0; k < e->y->row_dims; k++) {
        row = row * (int64_t)o->dim[k] + ix[k];
    }
    return row;
}

/* What output element out_ix may read of operand c at in_ix. */
static void check_row(struct eval *e, const struct cursor *c,
                      const int64_t *out_ix, const int64_t *in_ix)
{
    const uint64_t r = (uint64_t)row_of(e, &e->y->out, out_ix);
    uint64_t a;
    uint64_t b;
    if (!c->o->by_row || c->o->map.all) {
        return;
    }
    row_map_need(&c->o->map, r, r + 1, &a, &b);
    const int64_t row = row_of(e, c->o, in_ix);
    if (row < (int64_t)a || row >= (int64_t)b) {
        e->wrong = "a row is read that the row map does not have";
    }
}

static double get_checked(struct eval *e, const struct cursor *c,
                          const int64_t *out_ix, const int64_t *in_ix)
{
    check_row(e, c, out_ix, in_ix);
    return get(c, in_ix);
}

/* The next index in row-major order; false after the last. */
static bool next(uint32_t rank, const uint64_t *dim, int64_t *ix)
{
    for (uint32_t k = rank; k-- > 0;) {
        if (++ix[k] < (int64_t)dim[k]) {
            return true;
        }
        ix[k] = 0;
    }
    return false;
}

static double weight_at(const struct weight *w, const int64_t *ix)
{
    int64_t at = 0;
    for (uint32_t k = 0; k < w->rank; k++) {
        at += ix[k] * w->stride[k];
    }
    return number(w->dtype, w->data.data + at * dtype_bytes(w->dtype));
}

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static double clip(double x, double lo, double hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

static double act(const struct eval *e, double x, int64_t channel)
{
    const double a = (double)e->y->epi.a;
    const double b = (double)e->y->epi.b;
    switch (e->y->epi.act) {
    case ACT_NONE:
        return x;
    case ACT_RELU:
        return x < 0.0 ? 0.0 : x;
    case ACT_CLIP:
        return clip(x, a, b);
    case ACT_LEAKY:
        return x < 0.0 ? a * x : x;
    case ACT_PRELU:
        return x < 0.0 ? weight_at(&e->y->weight[2], &channel) * x : x;
    case ACT_SIGMOID:
        return sigmoid(x);
    case ACT_TANH:
        return tanh(x);
    case ACT_HARDSIGMOID:
        return clip(a * x + b, 0.0, 1.0);
    case ACT_HARDSWISH:
        return x * clip(x / 6.0 + 0.5, 0.0, 1.0);
    case ACT_SILU:
        return x * sigmoid(x);
    case ACT_GELU:
        return x / 2.0 * (1.0 + erf(x / sqrt(2.0)));
    case ACT_GELU_TANH:
        return x / 2.0 *
               (1.0 +
                tanh(sqrt(2.0 / acos(-1.0)) * (x + 0.044715 * x * x * x)));
    case ACT_COUNT:
        break;
    }
    return NAN;
}

/* What a sum of products, or a mean less its zero point, of 8-bit numbers
 * becomes. */
static double quantised(const struct layer *y, int64_t channel, double acc)
{
    const struct quant *const q = &y->quant;
    const bool is_max = y->kind == LAYER_POOL && y->p.pool.kind == POOL_MAX;
    if (y->out.dtype == DTYPE_I32) {
        return acc;
    }
    const float scale = y->kind == LAYER_POOL
                            ? q->scale
                            : (float)weight_at(&y->weight[2], &channel);
    const float x = (float)acc * scale;
    if (y->out.dtype == DTYPE_F32) {
        return (double)x;
    }
    const double v = is_max ? acc : rint((double)x) + q->out_zero;
    return fmin(fmax(v, q->low), q->high);
}

/* Activation and residual of output element ix, whose sum is acc. */
static void finish(struct eval *e, const int64_t *ix, double acc)
{
    const struct epilogue *const p = &e->y->epi;
    const struct cursor *const r = &e->in[e->y->n_in - 1];
    if (e->y->n_in > 0 && is_byte(e->in[0].o->dtype)) {
        put(&e->out, ix, quantised(e->y, ix[3], acc));
        return;
    }
    if (p->residual == RES_BEFORE_ACT) {
        acc += get_checked(e, r, ix, ix);
    }
    acc = act(e, acc, ix[3]);
    if (p->residual == RES_AFTER_ACT) {
        acc += get_checked(e, r, ix, ix);
    }
    put(&e->out, ix, acc);
}

/* ---- convolution ----------------------------------------------------------
 */

/* The weights as [KH][KW][C/group][O], in double. */
static double *pack(struct eval *e)
{
    const struct weight *const w = &e->y->weight[0];
    const int64_t oc = (int64_t)w->dim[0];
    double *const packed = arena_new(e->a, double, weight_count(w));
    if (!packed) {
        return NULL;
    }
    int64_t ix[4] = {0};
    do {
        const int64_t at =
            ((ix[1] * (int64_t)w->dim[2] + ix[2]) * (int64_t)w->dim[3] +
             ix[3]) *
                oc +
            ix[0];
        const bool has_zero =
            w->dtype == DTYPE_I8 && e->y->weight[3].data.len > 0;
        packed[at] =
            weight_at(w, ix) - (has_zero ? weight_at(&e->y->weight[3], ix) : 0);
    } while (next(4, w->dim, ix));
    return packed;
}

/* Adds one tap: input pixel `in` (of the image) times w[C/group][O]. */
static void add_tap(struct eval *e, const int64_t *out_ix, const int64_t *pixel,
                    const double *w, double *acc)
{
    const struct layer *const y = e->y;
    const struct cursor *const c = &e->in[0];
    const uint64_t oc = y->dim[3];
    const uint64_t n_in = y->weight[0].dim[3];
    const uint64_t n_out = oc / y->p.conv.group;
    check_row(e, c, out_ix, pixel);
    for (uint64_t g = 0; g < y->p.conv.group; g++) {
        for (uint64_t k = 0; k < n_in; k++) {
            const int64_t ix[4] = {pixel[0], pixel[1], pixel[2],
                                   (int64_t)(g * n_in + k)};
            const double x = get(c, ix) - (double)y->quant.in_zero;
            const double *const from = w + k * oc + g * n_out;
            double *const to = acc + g * n_out;
            for (uint64_t o = 0; o < n_out; o++) {
                to[o] += x * from[o];
            }
        }
    }
}

/* The input coordinate of tap k for output coordinate i; false outside. */
static bool tap_source(const struct layer *y, uint32_t axis, int64_t i,
                       int64_t k, int64_t *out)
{
    const struct conv_param *const p = &y->p.conv;
    const int64_t shift = k * p->dilation[axis];
    int64_t at = i * p->stride[axis] - p->pad_begin[axis] + shift;
    if (y->kind == LAYER_DECONV) {
        at = i + p->pad_begin[axis] - shift;
        if (at < 0 || at % p->stride[axis] != 0) {
            return false;
        }
        at /= p->stride[axis];
    }
    *out = at;
    return at >= 0 && at < (int64_t)y->in[0].dim[1 + axis];
}

static void eval_conv(struct eval *e)
{
    const struct layer *const y = e->y;
    const struct arena_mark mark = arena_mark(e->a);
    const struct weight *const w = &y->weight[0];
    const uint64_t oc = y->dim[3];
    const double *const packed = pack(e);
    double *const acc = arena_new(e->a, double, oc);
    if (!packed || !acc) {
        e->wrong = "out of memory";
        return;
    }
    const uint64_t pixels[3] = {y->dim[0], y->dim[1], y->dim[2]};
    int64_t ix[4] = {0};
    do {
        for (uint64_t o = 0; o < oc; o++) {
            const int64_t at = (int64_t)o;
            acc[o] = y->weight[1].data.len ? weight_at(&y->weight[1], &at) : 0;
        }
        for (uint64_t t = 0; t < w->dim[1] * w->dim[2]; t++) {
            int64_t from[3] = {ix[0], 0, 0};
            if (tap_source(y, 0, ix[1], (int64_t)(t / w->dim[2]), &from[1]) &&
                tap_source(y, 1, ix[2], (int64_t)(t % w->dim[2]), &from[2])) {
                add_tap(e, ix, from, packed + t * w->dim[3] * oc, acc);
            }
        }
        for (uint64_t o = 0; o < oc; o++) {
            ix[3] = (int64_t)o;
            finish(e, ix, acc[o]);
        }
        ix[3] = 0;
    } while (next(3, pixels, ix));
    arena_rewind(e->a, mark);
}

/* ---- other images ---------------------------------------------------------
 */

/* Positions of a window that count for an average: inside the input or, when
 * pads count, inside the padded input. */
static bool counts(const struct layer *y, uint32_t axis, int64_t at)
{
    const struct pool_param *const p = &y->p.pool;
    const int64_t in = (int64_t)y->in[0].dim[1 + axis];
    const bool is_inside = at >= 0 && at < in;
    return p->count_include_pad
               ? at >= -p->pad_begin[axis] && at < in + p->pad_end[axis]
               : is_inside;
}

static double pool_one(struct eval *e, const int64_t *ix)
{
    const struct layer *const y = e->y;
    const struct pool_param *const p = &y->p.pool;
    double sum = 0.0;
    double top = e->out.o->dtype == DTYPE_F32  ? -INFINITY
                 : e->out.o->dtype == DTYPE_I8 ? -128
                                               : 0;
    int64_t n = 0;
    for (int64_t t = 0; t < (int64_t)p->kernel[0] * p->kernel[1]; t++) {
        const int64_t k[2] = {t / p->kernel[1], t % p->kernel[1]};
        int64_t from[4] = {ix[0], 0, 0, ix[3]};
        bool is_inside = true;
        bool is_counted = true;
        for (uint32_t axis = 0; axis < 2; axis++) {
            from[1 + axis] = ix[1 + axis] * p->stride[axis] -
                             p->pad_begin[axis] + k[axis] * p->dilation[axis];
            is_inside = is_inside && from[1 + axis] >= 0 &&
                        from[1 + axis] < (int64_t)y->in[0].dim[1 + axis];
            is_counted = is_counted && counts(y, axis, from[1 + axis]);
        }
        n += is_counted;
        if (is_inside) {
            const double x = get_checked(e, &e->in[0], ix, from);
            sum += x - (double)y->quant.in_zero;
            top = x > top || isnan(x) ? x : top;
        }
    }
    return p->kind == POOL_MAX            ? top
           : e->out.o->dtype == DTYPE_F32 ? sum / (double)n
                                          : (double)((float)sum / (float)n);
}

static double lrn_one(struct eval *e, const int64_t *ix)
{
    const struct lrn_param *const p = &e->y->p.lrn;
    double sum = 0.0;
    const int64_t half = (p->size - 1) / 2;
    for (int64_t c = ix[3] - half; c <= ix[3] + (int64_t)p->size / 2; c++) {
        const int64_t from[4] = {ix[0], ix[1], ix[2], c};
        if (c >= 0 && c < (int64_t)e->y->dim[3]) {
            const double x = get_checked(e, &e->in[0], ix, from);
            sum += x * x;
        }
    }
    const double base =
        (double)p->bias + (double)p->alpha / (double)p->size * sum;
    return get_checked(e, &e->in[0], ix, ix) / pow(base, (double)p->beta);
}

/* In float, as ONNX Runtime does it: a scale is a rounded quotient of sizes,
 * and only division in the same precision gives whole numbers back. */
static double source(const struct layer *y, uint32_t axis, int64_t i)
{
    const struct resize_param *const p = &y->p.resize;
    const float x = (float)i;
    const float scale = p->scale[axis];
    const uint64_t in = y->in[0].dim[1 + axis];
    const uint64_t out = y->dim[1 + axis];
    switch (p->coord) {
    case COORD_HALF_PIXEL:
        return (double)((x + 0.5F) / scale - 0.5F);
    case COORD_PYTORCH_HALF_PIXEL:
        return out > 1 ? (double)((x + 0.5F) / scale - 0.5F) : 0.0;
    case COORD_ALIGN_CORNERS:
        return out > 1 ? (double)(x * (float)(in - 1) / (float)(out - 1)) : 0.0;
    case COORD_ASYMMETRIC:
        return (double)(x / scale);
    }
    return 0.0;
}

static int64_t nearest(enum resize_nearest mode, double x)
{
    switch (mode) {
    case NEAREST_ROUND_PREFER_FLOOR:
        return (int64_t)ceil(x - 0.5);
    case NEAREST_ROUND_PREFER_CEIL:
        return (int64_t)floor(x + 0.5);
    case NEAREST_FLOOR:
        return (int64_t)floor(x);
    case NEAREST_CEIL:
        return (int64_t)ceil(x);
    }
    return 0;
}

static int64_t inside(int64_t i, uint64_t n)
{
    return i < 0 ? 0 : i >= (int64_t)n ? (int64_t)n - 1 : i;
}

static double resize_one(struct eval *e, const int64_t *ix)
{
    const struct layer *const y = e->y;
    double x[2];
    double sum = 0.0;
    for (uint32_t axis = 0; axis < 2; axis++) {
        x[axis] = source(y, axis, ix[1 + axis]);
    }
    int64_t from[4] = {ix[0], 0, 0, ix[3]};
    if (y->p.resize.mode == RESIZE_NEAREST) {
        for (uint32_t axis = 0; axis < 2; axis++) {
            from[1 + axis] = inside(nearest(y->p.resize.nearest, x[axis]),
                                    y->in[0].dim[1 + axis]);
        }
        return get_checked(e, &e->in[0], ix, from);
    }
    for (uint32_t corner = 0; corner < 4; corner++) {
        double part = 1.0;
        for (uint32_t axis = 0; axis < 2; axis++) {
            const uint64_t n = y->in[0].dim[1 + axis];
            const double at = clip(x[axis], 0.0, (double)(n - 1));
            const double low = floor(at);
            const bool is_high = (corner >> axis & 1) != 0;
            part *= is_high ? at - low : 1.0 - (at - low);
            from[1 + axis] = inside((int64_t)low + is_high, n);
        }
        if (part != 0.0) {
            sum += part * get_checked(e, &e->in[0], ix, from);
        }
    }
    return sum;
}

static void eval_image(struct eval *e)
{
    int64_t ix[4] = {0};
    do {
        const double x = e->y->kind == LAYER_POOL  ? pool_one(e, ix)
                         : e->y->kind == LAYER_LRN ? lrn_one(e, ix)
                                                   : resize_one(e, ix);
        finish(e, ix, x);
    } while (next(4, e->y->dim, ix));
}

/* ---- elementwise ----------------------------------------------------------
 */

static double apply(const struct expr_step *s, double a, double b)
{
    switch ((int)s->op) {
    case EXPR_ADD:
        return a + b;
    case EXPR_SUB:
        return a - b;
    case EXPR_MUL:
        return a * b;
    case EXPR_DIV:
        return a / b;
    case EXPR_POW:
        return pow(a, b);
    case EXPR_MIN:
        return a < b || isnan(a) ? a : b;
    case EXPR_MAX:
        return a > b || isnan(a) ? a : b;
    case EXPR_PRELU:
        return a < 0.0 ? b * a : a;
    case EXPR_NEG:
        return -b;
    case EXPR_ABS:
        return fabs(b);
    case EXPR_EXP:
        return exp(b);
    case EXPR_LOG:
        return log(b);
    case EXPR_SQRT:
        return sqrt(b);
    case EXPR_RECIP:
        return 1.0 / b;
    case EXPR_FLOOR:
        return floor(b);
    case EXPR_CEIL:
        return ceil(b);
    case EXPR_ERF:
        return erf(b);
    case EXPR_RELU:
        return b < 0.0 ? 0.0 : b;
    case EXPR_SIGMOID:
        return sigmoid(b);
    case EXPR_TANH:
        return tanh(b);
    default: /* of the typed kernel */
        return NAN;
    }
}

static bool is_binary(enum expr_op op)
{
    return op == EXPR_ADD || op == EXPR_SUB || op == EXPR_MUL ||
           op == EXPR_DIV || op == EXPR_POW || op == EXPR_MIN ||
           op == EXPR_MAX || op == EXPR_PRELU;
}

static double ewise_one(struct eval *e, const int64_t *ix)
{
    const struct ewise_param *const p = &e->y->p.ewise;
    double stack[EXPR_MAX_STEP] = {0};
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n_step; i++) {
        const struct expr_step *const s = &p->step[i];
        if (s->op == EXPR_IN) {
            stack[n++] = get_checked(e, &e->in[s->ix], ix, ix);
        } else if (s->op == EXPR_IMM) {
            stack[n++] = (double)s->imm;
        } else if (s->op == EXPR_SELECT) {
            n -= 2;
            stack[n - 1] = stack[n - 1] != 0.0 ? stack[n] : stack[n + 1];
        } else if (is_binary(s->op)) {
            n--;
            stack[n - 1] = apply(s, stack[n - 1], stack[n]);
        } else {
            stack[n - 1] = apply(s, 0.0, stack[n - 1]);
        }
    }
    return stack[0];
}

static void eval_ewise(struct eval *e)
{
    int64_t ix[TENSOR_MAX_RANK] = {0};
    do {
        put(&e->out, ix, act(e, ewise_one(e, ix), 0));
    } while (next(e->y->rank, e->y->dim, ix));
}

static void eval_softmax(struct eval *e)
{
    const struct layer *const y = e->y;
    const uint32_t last = y->rank - 1;
    const int64_t n = (int64_t)y->dim[last];
    int64_t ix[TENSOR_MAX_RANK] = {0};
    do {
        double top = -INFINITY;
        double sum = 0.0;
        for (ix[last] = 0; ix[last] < n; ix[last]++) {
            top = fmax(top, get_checked(e, &e->in[0], ix, ix));
        }
        for (ix[last] = 0; ix[last] < n; ix[last]++) {
            sum += exp(get(&e->in[0], ix) - top);
        }
        for (ix[last] = 0; ix[last] < n; ix[last]++) {
            const double x = get(&e->in[0], ix) - top;
            put(&e->out, ix, y->p.softmax.log ? x - log(sum) : exp(x) / sum);
        }
        ix[last] = 0;
    } while (next(last, y->dim, ix));
}

/* ---- movement -------------------------------------------------------------
 */

static void eval_copy(struct eval *e)
{
    const struct layer *const y = e->y;
    const struct copy_param *const p = &y->p.copy;
    int64_t ix[TENSOR_MAX_RANK] = {0};
    do {
        int64_t from[TENSOR_MAX_RANK];
        bool is_inside = y->n_in == 1;
        for (uint32_t k = 0; k < y->rank && is_inside; k++) {
            from[k] = ix[k] - (p->pads ? p->before[k] : 0);
            is_inside = from[k] >= 0 && from[k] < (int64_t)y->in[0].dim[k];
        }
        const void *src = &p->fill;
        if (is_inside) {
            check_row(e, &e->in[0], ix, from);
            src = element(&e->in[0], from);
        }
        memcpy(e->out.dst + place(&e->out, ix), src, e->out.bytes);
    } while (next(y->rank, y->dim, ix));
}

static int64_t get_int(const uint8_t *data, enum dtype t)
{
    uint64_t bits = 0;
    const uint32_t bytes = dtype_bytes(t);
    memcpy(&bits, data, bytes);
    const bool is_signed = t == DTYPE_I8 || t == DTYPE_I16 || t == DTYPE_I32;
    const uint32_t shift = 64 - 8 * bytes;
    return is_signed ? (int64_t)(bits << shift) >> shift : (int64_t)bits;
}

static void eval_cast(struct eval *e)
{
    const struct layer *const y = e->y;
    const enum dtype from = y->in[0].dtype;
    const enum dtype to = y->out.dtype;
    int64_t ix[TENSOR_MAX_RANK] = {0};
    do {
        const uint8_t *const src = element(&e->in[0], ix);
        check_row(e, &e->in[0], ix, ix);
        const double x =
            from == DTYPE_F32 ? get(&e->in[0], ix) : (double)get_int(src, from);
        if (to == DTYPE_F32) {
            put(&e->out, ix, x);
        } else {
            const int64_t i =
                to == DTYPE_BOOL
                    ? x != 0.0
                    : (from == DTYPE_F32 ? (int64_t)x : get_int(src, from));
            memcpy(e->out.dst + place(&e->out, ix), &i, e->out.bytes);
        }
    } while (next(y->rank, y->dim, ix));
}

static void eval_gather(struct eval *e)
{
    const struct layer *const y = e->y;
    const struct gather_param *const p = &y->p.gather;
    int64_t ix[TENSOR_MAX_RANK] = {0};
    do {
        int64_t from[TENSOR_MAX_RANK];
        const int64_t at =
            get_int(element(&e->in[1], ix + p->axis), y->in[1].dtype);
        for (uint32_t k = 0; k < y->in[0].rank; k++) {
            from[k] = k < p->axis ? ix[k] : ix[k + p->index_rank - 1];
        }
        from[p->axis] = at < 0 ? at + (int64_t)p->axis_len : at;
        memcpy(e->out.dst + place(&e->out, ix), element(&e->in[0], from),
               e->out.bytes);
    } while (next(y->rank, y->dim, ix));
}

/* ---- sums -----------------------------------------------------------------
 */

static void eval_matmul(struct eval *e)
{
    const struct layer *const y = e->y;
    const uint32_t r = y->rank;
    int64_t ix[TENSOR_MAX_RANK] = {0};
    do {
        int64_t left[TENSOR_MAX_RANK];
        int64_t right[TENSOR_MAX_RANK];
        memcpy(left, ix, sizeof left);
        memcpy(right, ix, sizeof right);
        double sum = 0.0;
        for (uint64_t k = 0; k < y->p.matmul.k; k++) {
            left[r - 1] = (int64_t)k;
            right[r - 2] = (int64_t)k;
            sum += get_checked(e, &e->in[0], ix, left) *
                   get_checked(e, &e->in[1], ix, right);
        }
        put(&e->out, ix, sum);
    } while (next(r, y->dim, ix));
}

static void eval_reduce(struct eval *e)
{
    const struct layer *const y = e->y;
    const enum reduce_op op = y->p.reduce.op;
    const uint32_t n = y->p.reduce.n_reduced;
    int64_t ix[TENSOR_MAX_RANK] = {0};
    do {
        int64_t from[2 * TENSOR_MAX_RANK] = {0};
        memcpy(from, ix, y->rank * sizeof ix[0]);
        double acc = op == REDUCE_MAX   ? -INFINITY
                     : op == REDUCE_MIN ? INFINITY
                                        : 0.0;
        double count = 0.0;
        do {
            const double x = get_checked(e, &e->in[0], ix, from);
            acc = op == REDUCE_MAX   ? fmax(acc, x)
                  : op == REDUCE_MIN ? fmin(acc, x)
                  : op == REDUCE_L2  ? acc + x * x
                                     : acc + x;
            count += 1.0;
        } while (next(n, y->in[0].dim + y->rank, from + y->rank));
        acc = op == REDUCE_MEAN ? acc / count
              : op == REDUCE_L2 ? sqrt(acc)
                                : acc;
        put(&e->out, ix, acc);
    } while (next(y->rank, y->dim, ix));
}

static void eval_norm(struct eval *e)
{
    const struct layer *const y = e->y;
    const uint32_t last = y->rank - 1;
    const int64_t n = (int64_t)y->dim[last];
    int64_t ix[TENSOR_MAX_RANK] = {0};
    do {
        double mean = 0.0;
        double square = 0.0;
        for (ix[last] = 0; ix[last] < n; ix[last]++) {
            const double x = get_checked(e, &e->in[0], ix, ix);
            mean += y->p.norm.is_rms ? 0.0 : x / (double)n;
        }
        for (ix[last] = 0; ix[last] < n; ix[last]++) {
            const double d = get(&e->in[0], ix) - mean;
            square += d * d / (double)n;
        }
        const double dev = sqrt(square + (double)y->p.norm.epsilon);
        for (ix[last] = 0; ix[last] < n; ix[last]++) {
            const double x = (get(&e->in[0], ix) - mean) / dev;
            const double bias = y->weight[1].data.len > 0
                                    ? weight_at(&y->weight[1], &ix[last])
                                    : 0.0;
            put(&e->out, ix, x * weight_at(&y->weight[0], &ix[last]) + bias);
        }
        ix[last] = 0;
    } while (next(last, y->dim, ix));
}

/* The score of key `key` for the query and head of output ix. */
static double attn_score(struct eval *e, const int64_t *ix, int64_t key)
{
    const struct layer *const y = e->y;
    const struct attention_param *const p = &y->p.attention;
    const int64_t group = (int64_t)(y->dim[2] / y->in[1].dim[2]);
    int64_t q[4] = {ix[0], ix[1], ix[2], 0};
    int64_t k[4] = {ix[0], key, ix[2] / group, 0};
    const int64_t m[4] = {ix[0], ix[1], ix[2], key};
    double sum = 0.0;
    for (; q[3] < (int64_t)y->in[0].dim[3]; q[3]++, k[3]++) {
        sum += get_checked(e, &e->in[0], ix, q) * get(&e->in[1], k);
    }
    sum *= (double)p->scale;
    if ((p->is_causal && key > ix[1]) ||
        (p->mask == ATTN_MASK_SELECT && *element(&e->in[3], m) == 0)) {
        return -INFINITY;
    }
    return p->mask == ATTN_MASK_ADD ? sum + get(&e->in[3], m) : sum;
}

static void eval_attention(struct eval *e)
{
    const struct layer *const y = e->y;
    const int64_t keys = (int64_t)y->in[1].dim[1];
    const int64_t group = (int64_t)(y->dim[2] / y->in[1].dim[2]);
    double *const score = arena_new(e->a, double, (uint64_t)keys);
    int64_t ix[4] = {0};
    do {
        double top = -INFINITY;
        double sum = 0.0;
        for (int64_t s = 0; s < keys; s++) {
            score[s] = attn_score(e, ix, s);
            top = fmax(top, score[s]);
        }
        for (int64_t s = 0; s < keys; s++) {
            score[s] = exp(score[s] - top);
            sum += score[s];
        }
        const bool is_blind = y->p.attention.blind == ATTN_BLIND_GUARD
                                  ? isnan(sum)
                                  : isinf(top) && top < 0.0;
        if (is_blind && y->p.attention.blind != ATTN_BLIND_NAN) {
            const bool is_mean = y->p.attention.blind == ATTN_BLIND_MEAN;
            for (int64_t s = 0; s < keys; s++) {
                score[s] = is_mean ? 1.0 : 0.0;
            }
            sum = is_mean ? (double)keys : 1.0;
        }
        for (ix[3] = 0; ix[3] < (int64_t)y->dim[3]; ix[3]++) {
            double acc = 0.0;
            for (int64_t s = 0; s < keys; s++) {
                const int64_t v[4] = {ix[0], s, ix[2] / group, ix[3]};
                acc += score[s] / sum * get(&e->in[2], v);
            }
            put(&e->out, ix, acc);
        }
        ix[3] = 0;
    } while (next(3, y->dim, ix));
}

static void eval_embed(struct eval *e)
{
    const struct layer *const y = e->y;
    const uint64_t row = y->dim[1] * e->out.bytes;
    int64_t ix[2] = {0};
    for (; ix[0] < (int64_t)y->rows; ix[0]++) {
        int64_t at = get_int(element(&e->in[0], ix), y->in[0].dtype);
        at += at < 0 ? (int64_t)y->p.embed.n_entry : 0;
        const uint8_t *src = y->weight[0].data.data + (uint64_t)at * row;
        for (ix[1] = 0; ix[1] < (int64_t)y->dim[1]; ix[1]++) {
            memcpy(e->out.dst + place(&e->out, ix), src, e->out.bytes);
            src += e->out.bytes;
        }
        ix[1] = 0;
    }
}

static void (*const evals[LAYER_KIND_COUNT])(struct eval *e) = {
    [LAYER_CONV] = eval_conv,       [LAYER_DECONV] = eval_conv,
    [LAYER_POOL] = eval_image,      [LAYER_EWISE] = eval_ewise,
    [LAYER_SOFTMAX] = eval_softmax, [LAYER_LRN] = eval_image,
    [LAYER_RESIZE] = eval_image,    [LAYER_COPY] = eval_copy,
    [LAYER_CAST] = eval_cast,       [LAYER_GATHER] = eval_gather,
    [LAYER_MATMUL] = eval_matmul,   [LAYER_REDUCE] = eval_reduce,
    [LAYER_NORM] = eval_norm,       [LAYER_ATTENTION] = eval_attention,
    [LAYER_EMBED] = eval_embed,
};

static bool is_plain(enum dtype t)
{
    return t != DTYPE_F16 && t != DTYPE_BF16 && t != DTYPE_U64 &&
           t != DTYPE_F64 && t <= DTYPE_BF16;
}

bool layer_eval_knows(const struct layers *l)
{
    for (uint32_t i = 0; i < l->n_layer; i++) {
        const struct layer *const y = &l->layer[i];
        const bool is_f32 = y->n_in > 0 && y->in[0].dtype == DTYPE_F32 &&
                            y->out.dtype == DTYPE_F32;
        bool knows = y->kind != LAYER_TENSOR;
        if (y->kind == LAYER_REDUCE) {
            knows = is_f32 && y->p.reduce.op <= REDUCE_L2;
        } else if (y->kind == LAYER_CAST) {
            knows = is_plain(y->in[0].dtype) && is_plain(y->out.dtype);
        }
        for (uint32_t k = 0; y->kind == LAYER_EWISE && k < y->p.ewise.n_step;
             k++) {
            const struct expr_step *const s = &y->p.ewise.step[k];
            knows = knows && s->op <= EXPR_SELECT &&
                    (s->type == DTYPE_NONE || s->type == DTYPE_F32);
        }
        if (!knows) {
            return false;
        }
    }
    return true;
}

const char *layer_eval(const struct layers *l, struct arena *a,
                       const uint8_t *const *input, const uint8_t **output)
{
    struct eval e = {.l = l, .a = a};
    e.buf = arena_new(a, uint8_t *, l->n_buf);
    for (uint32_t i = 0; e.buf && i < l->n_buf; i++) {
        const uint64_t bytes = l->buf[i].rows * l->buf[i].row_bytes;
        e.buf[i] = arena_alloc(a, bytes, 8);
        if (!e.buf[i]) {
            return "out of memory";
        }
        memset(e.buf[i], 0xff, bytes); /* NaN in f32 */
    }
    for (uint32_t i = 0; e.buf && i < l->n_input; i++) {
        uint64_t n;
        if (shape_count(&l->input[i].shape, &n) && n > 0) {
            memcpy(e.buf[l->input[i].buf], input[i],
                   n * dtype_bytes(l->input[i].dtype));
        }
    }
    for (uint32_t i = 0; e.buf && i < l->n_layer && !e.wrong; i++) {
        e.y = &l->layer[i];
        e.out = cursor_of(&e, &e.y->out);
        for (uint32_t k = 0; k < e.y->n_in; k++) {
            e.in[k] = cursor_of(&e, &e.y->in[k]);
        }
        evals[e.y->kind](&e);
    }
    for (uint32_t i = 0; e.buf && i < l->n_output; i++) {
        output[i] = e.buf[l->output[i].buf];
    }
    return e.buf ? e.wrong : "out of memory";
}
