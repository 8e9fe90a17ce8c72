#include "passes/expand.h"

/* Both sides are computed, and one is chosen: nodes have no effects. */
bool expand_if(struct expand *e)
{
    const uint32_t c = ex_reshape(e, ex_in(e, 0), NULL, 0);
    ex_give(e, 0, ex_op3(e, OP_WHERE, c, ex_in(e, 1), ex_in(e, 2)));
    return ex_done(e);
}
