/* Constants that are quantised or back: as the specification says it, in f32.
 */
#include <math.h>

#include "passes/elem.h"
#include "passes/fold.h"

/* Walks x with scale and zero point beside it; false where they do not go by
 * axis. */
static bool begin(struct fold *f, const struct node *n, struct quant_params *q,
                  struct walk *w)
{
    if (!quant_params(f->g, f->cx, n, q) || q->form == QUANT_BLOCKED) {
        return false;
    }
    const struct shape *const x = &node_in(f->g, n, 0)->shape;
    struct shape along = {.rank = 0};
    if (q->form == QUANT_AXIS) {
        along.rank = x->rank - q->axis;
        along.dim[0] = x->dim[q->axis];
        for (uint32_t k = 1; k < along.rank; k++) {
            along.dim[k] = 1;
        }
    }
    walk_begin(w, x);
    walk_operand(w, &along);
    return true;
}

static float f32_at(const struct value *v, uint64_t i)
{
    return v ? (float)elem_f64(v->dtype, v->data.data, i) : 0.0F;
}

static bool is_number(enum dtype t)
{
    return t == DTYPE_U8 || t == DTYPE_I8 || t == DTYPE_U16 || t == DTYPE_I16;
}

enum fold_end fold_quantize(struct fold *f, const struct node *n)
{
    const struct value *const x = node_in(f->g, n, 0);
    const struct value *const scale = node_in(f->g, n, 1);
    const struct value *const zero = node_in(f->g, n, 2);
    const enum dtype t = node_out(f->g, n, 0)->dtype;
    struct quant_params q;
    struct walk w;
    double low = 0;
    double high = 0;
    if (!begin(f, n, &q, &w) || !is_number(t) || !quant_range(t, &low, &high) ||
        x->dtype == DTYPE_I32) {
        return FOLD_NOT;
    }
    uint8_t *const dst = fold_alloc(f, n, 0);
    uint64_t count = 0;
    if (!dst || !shape_count(&x->shape, &count)) {
        return FOLD_FAILED;
    }
    for (uint64_t i = 0; i < count; i++) {
        const float v = rintf(f32_at(x, i) / f32_at(scale, w.at[0])) +
                        f32_at(zero, w.at[0]);
        elem_put_f64(t, dst, i, fmin(fmax((double)v, low), high));
        walk_next(&w);
    }
    return FOLD_DONE;
}

enum fold_end fold_dequantize(struct fold *f, const struct node *n)
{
    const struct value *const x = node_in(f->g, n, 0);
    const struct value *const scale = node_in(f->g, n, 1);
    const struct value *const zero = node_in(f->g, n, 2);
    struct quant_params q;
    struct walk w;
    if (f->keeps_quantised || !begin(f, n, &q, &w) ||
        (!is_number(x->dtype) && x->dtype != DTYPE_I32)) {
        return FOLD_NOT;
    }
    uint8_t *const dst = fold_alloc(f, n, 0);
    uint64_t count = 0;
    if (!dst || !shape_count(&x->shape, &count)) {
        return FOLD_FAILED;
    }
    for (uint64_t i = 0; i < count; i++) {
        const float v = f32_at(x, i) - f32_at(zero, w.at[0]);
        elem_put_f64(q.type, dst, i, (double)(v * f32_at(scale, w.at[0])));
        walk_next(&w);
    }
    return FOLD_DONE;
}
