#include <inttypes.h>

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
