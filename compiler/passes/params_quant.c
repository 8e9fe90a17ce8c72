#include <inttypes.h>
#include <math.h>

#include "passes/elem.h"
#include "passes/params.h"

bool quant_range(enum dtype t, double *low, double *high)
{
    switch ((int)t) {
    case DTYPE_U8:
        *low = 0;
        *high = 255;
        return true;
    case DTYPE_I8:
        *low = -128;
        *high = 127;
        return true;
    case DTYPE_U16:
        *low = 0;
        *high = 65535;
        return true;
    case DTYPE_I16:
        *low = -32768;
        *high = 32767;
        return true;
    case DTYPE_U4:
        *low = 0;
        *high = 15;
        return true;
    case DTYPE_I4:
        *low = -8;
        *high = 7;
        return true;
    case DTYPE_U2:
        *low = 0;
        *high = 3;
        return true;
    case DTYPE_I2:
        *low = -2;
        *high = 1;
        return true;
    default:
        return false;
    }
}

/* The type of the result: of QuantizeLinear that of the zero point, of
 * DequantizeLinear that of the scale, unless an attribute gives it. */
static enum dtype result_type(const struct graph *g, const struct node *n)
{
    const enum dtype asked =
        (enum dtype)node_int(n, "output_dtype", DTYPE_NONE);
    const struct value *const zero = node_in(g, n, 2);
    if (n->op == OP_DEQUANTIZE) {
        return asked ? asked : node_in(g, n, 1)->dtype;
    }
    return zero ? zero->dtype : asked ? asked : DTYPE_U8;
}

bool quant_params(const struct graph *g, struct cx *cx, const struct node *n,
                  struct quant_params *q)
{
    const struct shape *const x = &node_in(g, n, 0)->shape;
    const struct shape *const scale = &node_in(g, n, 1)->shape;
    const struct value *const zero = node_in(g, n, 2);
    uint64_t count = 0;
    *q = (struct quant_params){
        .type = result_type(g, n),
        .block = node_int(n, "block_size", 0),
    };
    bool fits = !zero || shape_equal(&zero->shape, scale);
    if (shape_count(scale, &count) && count == 1 && scale->rank <= 1) {
        uint64_t n_zero = 1;
        fits = !zero || (shape_count(&zero->shape, &n_zero) && n_zero == 1);
    } else if (!axis_resolve(cx, n, node_int(n, "axis", 1), x->rank,
                             &q->axis)) {
        return false;
    } else if (q->block > 0) {
        q->form = QUANT_BLOCKED;
        fits = fits && scale->rank == x->rank;
        for (uint32_t k = 0; fits && k < x->rank; k++) {
            const int64_t blocks =
                x->dim[k] / q->block + (x->dim[k] % q->block != 0);
            fits = scale->dim[k] == (k == q->axis ? blocks : x->dim[k]);
        }
    } else {
        q->form = QUANT_AXIS;
        fits = fits && scale->rank == 1 && scale->dim[0] == x->dim[q->axis];
    }
    return fits || node_error(cx, n, E_SHAPE,
                              "scale and zero point, %s and %s, do not fit its "
                              "input, %s",
                              shape_text(scale).text,
                              zero ? shape_text(&zero->shape).text : "none",
                              shape_text(x).text);
}

/* ---- products -------------------------------------------------------------
 */

static uint32_t slot(const struct node *n, uint32_t i)
{
    return i < n->n_in ? n->in[i] : VALUE_NONE;
}

struct quant_slots quant_slots(const struct node *n)
{
    const uint32_t none = VALUE_NONE;
    if (n->op == OP_CONV_INTEGER || n->op == OP_MATMUL_INTEGER) {
        return (struct quant_slots){slot(n, 0), none, slot(n, 2),
                                    slot(n, 1), none, slot(n, 3),
                                    none,       none, none};
    }
    const bool is_gemm = n->op == OP_QGEMM;
    return (struct quant_slots){
        slot(n, 0),
        slot(n, 1),
        slot(n, 2),
        slot(n, 3),
        slot(n, 4),
        slot(n, 5),
        slot(n, is_gemm ? 6 : 8),
        slot(n, is_gemm ? 7 : 6),
        slot(n, is_gemm ? 8 : 7),
    };
}

/* Absent, or a constant of one element, or of `most`. */
static bool is_known(const struct graph *g, uint32_t value, uint64_t most)
{
    uint64_t count = 0;
    if (value == VALUE_NONE) {
        return true;
    }
    const struct value *const v = &g->value[value];
    return v->is_const && shape_count(&v->shape, &count) &&
           (count == 1 || count == most);
}

bool quant_sum_fits(uint64_t k, double bias)
{
    return fabs(bias) + 65025.0 * (double)k <= 2147483647.0; /* NaN: no */
}

static bool all_sums_fit(const struct graph *g, uint32_t bias, uint64_t k)
{
    bool fits = quant_sum_fits(k, 0);
    if (bias == VALUE_NONE) {
        return fits;
    }
    const struct value *const v = &g->value[bias];
    const uint64_t n = v->data.len / dtype_bytes(v->dtype);
    for (uint64_t i = 0; i < n && fits; i++) {
        fits = quant_sum_fits(k, elem_f64(v->dtype, v->data.data, i));
    }
    return fits;
}

bool quant_is_fast(const struct graph *g, const struct node *n)
{
    const struct quant_slots s = quant_slots(n);
    const struct value *const x = &g->value[s.x];
    const struct value *const w = &g->value[s.w];
    const bool is_conv = n->op == OP_CONV_INTEGER || n->op == OP_QLINEAR_CONV;
    uint64_t count = 0;
    if (!w->is_const || x->is_const ||
        (w->dtype != DTYPE_I8 && w->dtype != DTYPE_U8) ||
        (x->dtype != DTYPE_I8 && x->dtype != DTYPE_U8) ||
        (is_conv ? x->shape.rank > 4 : w->shape.rank != 2) ||
        !shape_count(&w->shape, &count) || count == 0 ||
        node_int(n, "transA", 0) != 0) {
        return false;
    }
    const bool is_first = is_conv || node_int(n, "transB", 0) != 0;
    const uint64_t channels = (uint64_t)w->shape.dim[is_first ? 0 : 1];
    const bool has_channels =
        s.bias == VALUE_NONE || g->value[s.bias].shape.rank < 2 ||
        g->value[s.bias].shape.dim[g->value[s.bias].shape.rank - 1] ==
            (int64_t)channels;
    return has_channels && is_known(g, s.x_scale, 1) &&
           is_known(g, s.x_zero, 1) && is_known(g, s.w_scale, channels) &&
           is_known(g, s.w_zero, channels) && is_known(g, s.bias, channels) &&
           is_known(g, s.y_scale, 1) && is_known(g, s.y_zero, 1) &&
           all_sums_fit(g, s.bias, count / channels);
}
