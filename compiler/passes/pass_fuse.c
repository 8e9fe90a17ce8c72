#include "passes/fuse.h"

#include <string.h>

#include "base/arena.h"

uint32_t fuse_sole_user(const struct graph_uses *u, uint32_t value)
{
    const uint32_t n = u->first[value + 1] - u->first[value];
    return n == 1 && !u->is_output[value] ? u->user[u->first[value]]
                                          : NODE_NONE;
}

bool const_is_channelwise(const struct value *v, uint32_t rank, uint32_t axis,
                          int64_t n, int64_t *step)
{
    if (!v->is_const || v->dtype != DTYPE_F32 || v->shape.rank > rank) {
        return false;
    }
    *step = 0;
    for (uint32_t k = 0; k < v->shape.rank; k++) {
        const int64_t dim = v->shape.dim[k];
        if (dim == 1) {
            continue;
        }
        if (dim != n || k + rank - v->shape.rank != axis) {
            return false;
        }
        *step = 1;
    }
    return true;
}

bool const_is_scalar(const struct value *v)
{
    uint64_t n;
    return v->is_const && v->dtype == DTYPE_F32 && shape_count(&v->shape, &n) &&
           n == 1;
}

bool fuse_set_attr(struct cx *cx, struct node *n, const char *name,
                   const struct attr *a)
{
    struct attr *const made =
        arena_new(cx->keep, struct attr, (uint64_t)n->n_attr + 1);
    if (!made) {
        return false;
    }
    uint32_t cnt = 0;
    for (uint32_t i = 0; i < n->n_attr; i++) {
        if (strcmp(n->attr[i].name, name) != 0) {
            made[cnt++] = n->attr[i];
        }
    }
    made[cnt] = *a;
    made[cnt].name = name;
    n->attr = made;
    n->n_attr = cnt + 1;
    return true;
}
