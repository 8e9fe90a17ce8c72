#include <inttypes.h>

#include "passes/params.h"

/* A constant length of input i. */
static bool length_in(const struct graph *g, struct cx *cx,
                      const struct node *n, uint32_t i, int64_t def,
                      int64_t *out)
{
    double x;
    if (!node_in_f64(g, cx, n, i, (double)def, &x)) {
        return false;
    }
    if (!(x >= 1 && x < 0x1p24)) {
        return node_error(cx, n, E_SHAPE,
                          "input %u says %g; it must be a "
                          "length",
                          i, x);
    }
    *out = (int64_t)x;
    return true;
}

/* The last dimension is of real parts, or of both. */
static bool is_signal(struct cx *cx, const struct node *n,
                      const struct value *v, uint32_t least)
{
    const struct shape *const s = &v->shape;
    const int64_t parts = s->rank > 0 ? s->dim[s->rank - 1] : 0;
    return (dtype_is_float(v->dtype) && s->rank >= least &&
            (parts == 1 || parts == 2)) ||
           node_error(cx, n, E_SHAPE,
                      "its input is %s of %s; the last dimension must be 1 or "
                      "2 parts of numbers of floats",
                      shape_text(s).text, dtype_name(v->dtype));
}

bool dft_params(const struct graph *g, struct cx *cx, const struct node *n,
                struct dft_params *p)
{
    const struct value *const in = node_in(g, n, 0);
    const bool is_new = g->opset >= 20;
    double axis = (double)node_int(n, "axis", is_new ? -2 : 1);
    *p = (struct dft_params){
        .is_inverse = node_int(n, "inverse", 0) != 0,
    };
    const bool is_onesided = node_int(n, "onesided", 0) != 0;
    if (!is_signal(cx, n, in, 2) ||
        (is_new && !node_in_f64(g, cx, n, 2, axis, &axis)) ||
        !axis_resolve(cx, n, axis >= -8 && axis <= 8 ? (int64_t)axis : 9,
                      in->shape.rank, &p->axis)) {
        return false;
    }
    const int64_t own = in->shape.dim[p->axis];
    p->is_half = p->is_inverse && is_onesided;
    const int64_t usual = p->is_half && own > 1 ? 2 * (own - 1) : own;
    if (!length_in(g, cx, n, 1, usual, &p->n)) {
        return false;
    }
    if (p->axis + 1 == in->shape.rank) {
        return node_error(cx, n, E_OP_ATTR,
                          "axis %u is that of real and imaginary parts",
                          p->axis);
    }
    p->bins = is_onesided && !p->is_half ? p->n / 2 + 1 : p->n;
    p->parts = p->is_half ? 1 : 2;
    return true;
}

bool stft_params(const struct graph *g, struct cx *cx, const struct node *n,
                 struct stft_params *p)
{
    const struct value *const in = node_in(g, n, 0);
    const struct value *const window = node_in(g, n, 2);
    if (!is_signal(cx, n, in, 3) || !shape_is_static(&in->shape) ||
        !length_in(g, cx, n, 1, 0, &p->step)) {
        return false;
    }
    const bool has_window = window && window->shape.rank == 1;
    p->n = has_window ? window->shape.dim[0] : in->shape.dim[1];
    if (!length_in(g, cx, n, 3, p->n, &p->n)) {
        return false;
    }
    if (in->shape.rank != 3 || p->n > in->shape.dim[1] ||
        (window && (!has_window || window->shape.dim[0] != p->n))) {
        return node_error(cx, n, E_SHAPE,
                          "frames of %" PRId64 " do not fit a signal of %s",
                          p->n, shape_text(&in->shape).text);
    }
    p->frames = (in->shape.dim[1] - p->n) / p->step + 1;
    p->bins = node_int(n, "onesided", 1) != 0 ? p->n / 2 + 1 : p->n;
    return true;
}
