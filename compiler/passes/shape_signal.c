/* Transforms of signals, and what is made for them. */
#include <inttypes.h>

#include "passes/shape.h"

bool shape_dft(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    struct dft_params p;
    if (!dft_params(g, cx, n, &p)) {
        return false;
    }
    struct shape s = in->shape;
    s.dim[p.axis] = p.bins;
    s.dim[s.rank - 1] = p.parts;
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

bool shape_stft(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const in = node_in(g, n, 0);
    struct stft_params p;
    if (!shape_same_type(g, cx, n, 0, 2) || !stft_params(g, cx, n, &p)) {
        return false;
    }
    const struct shape s = {4, {in->shape.dim[0], p.frames, p.bins, 2}};
    return shape_set(g, cx, n, 0, in->dtype, &s);
}

/* The type that attribute output_datatype names. */
static bool number_type(struct cx *cx, const struct node *n, enum dtype *t)
{
    const int64_t type = node_int(n, "output_datatype", DTYPE_F32);
    *t = (enum dtype)type;
    return (type > 0 && type <= DTYPE_BF16 && dtype_bytes(*t) > 0 &&
            *t != DTYPE_BOOL) ||
           node_error(cx, n, E_TYPE,
                      "elements of type %" PRId64 " are not supported", type);
}

bool shape_window_op(struct graph *g, struct cx *cx, const struct node *n)
{
    enum dtype t;
    double len;
    if (!number_type(cx, n, &t) || !node_in_f64(g, cx, n, 0, 0, &len)) {
        return false;
    }
    if (!(len >= 0 && len < 0x1p31)) {
        return node_error(cx, n, E_SHAPE, "a window of %g elements", len);
    }
    const struct shape s = {1, {(int64_t)len}};
    return shape_set(g, cx, n, 0, t, &s);
}

bool shape_mel(struct graph *g, struct cx *cx, const struct node *n)
{
    enum dtype t;
    double x[5];
    if (!number_type(cx, n, &t)) {
        return false;
    }
    for (uint32_t i = 0; i < 5; i++) {
        if (!node_in_f64(g, cx, n, i, 0, &x[i])) {
            return false;
        }
    }
    if (!(x[0] >= 1 && x[0] < 0x1p24 && x[1] >= 1 && x[1] < 0x1p24 &&
          x[2] > 0 && x[3] >= 0 && x[4] >= x[3] && x[4] <= x[2] / 2)) {
        return node_error(cx, n, E_SHAPE,
                          "%g bands from %g to %g Hz of %g points at %g Hz do "
                          "not fit",
                          x[0], x[3], x[4], x[1], x[2]);
    }
    const struct shape s = {2, {(int64_t)x[1] / 2 + 1, (int64_t)x[0]}};
    return shape_set(g, cx, n, 0, t, &s);
}
