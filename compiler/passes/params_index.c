#include <math.h>
#include <string.h>

#include "passes/params.h"

bool scatter_params(struct cx *cx, const struct node *n,
                    enum scatter_kind *kind)
{
    static const char *const names[] = {
        [SCATTER_SET] = "none", [SCATTER_ADD] = "add", [SCATTER_MUL] = "mul",
        [SCATTER_MAX] = "max",  [SCATTER_MIN] = "min",
    };
    const char *const name = node_string(n, "reduction", "none");
    for (uint32_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *kind = (enum scatter_kind)i;
            return true;
        }
    }
    return node_error(cx, n, E_OP_ATTR,
                      "attribute 'reduction' is '%s'; it must be none, add, "
                      "mul, max or min",
                      name);
}

bool scan_axis(const struct graph *g, struct cx *cx, const struct node *n,
               uint32_t *axis)
{
    double x;
    if (!node_in_f64(g, cx, n, 1, 0, &x)) {
        return false;
    }
    const double at =
        x >= -TENSOR_MAX_RANK && x <= TENSOR_MAX_RANK ? x : TENSOR_MAX_RANK + 1;
    return axis_resolve(cx, n, (int64_t)at, node_in(g, n, 0)->shape.rank, axis);
}

bool nms_most(const struct graph *g, struct cx *cx, const struct node *n,
              int64_t *most)
{
    double x;
    if (!node_in_f64(g, cx, n, 2, 0, &x)) {
        return false;
    }
    const struct shape *const scores = &node_in(g, n, 1)->shape;
    const int64_t n_box = scores->rank == 3 ? scores->dim[2] : 0;
    *most = !(x > 0) ? 0 : x >= (double)n_box ? n_box : (int64_t)x;
    return true;
}
