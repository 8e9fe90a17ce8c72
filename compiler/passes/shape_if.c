#include "passes/shape.h"

bool shape_if(struct graph *g, struct cx *cx, const struct node *n)
{
    const struct value *const c = node_in(g, n, 0);
    const struct value *const a = node_in(g, n, 1);
    const struct value *const b = node_in(g, n, 2);
    uint64_t count;
    if (c->dtype != DTYPE_BOOL || !shape_count(&c->shape, &count) ||
        count != 1) {
        return node_error(cx, n, E_TYPE,
                          "its condition is %s of %s; it must be one bool",
                          shape_text(&c->shape).text, dtype_name(c->dtype));
    }
    if (a->dtype != b->dtype || !shape_equal(&a->shape, &b->shape)) {
        return node_error(cx, n, E_NEEDS_CONST,
                          "its branches give %s of %s and %s of %s, so that "
                          "its condition ('%s') must be constant; pin the "
                          "inputs of the model that decide it with --const",
                          shape_text(&a->shape).text, dtype_name(a->dtype),
                          shape_text(&b->shape).text, dtype_name(b->dtype),
                          c->name);
    }
    return shape_set(g, cx, n, 0, a->dtype, &a->shape);
}
