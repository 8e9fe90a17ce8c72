#include "passes/passes.h"

#include <assert.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "ir/graph.h"

enum { PASS_NONE = 0, PASS_ORDER = 1, PASS_SHAPES = 2 };

static const struct pass {
    const char *name;
    bool (*run)(struct graph *g, struct cx *cx);
    unsigned needs;
    unsigned gives;
    unsigned breaks;
} passes[] = {
#define PASS(NAME, FN, NEEDS, GIVES, BREAKS) {NAME, FN, NEEDS, GIVES, BREAKS},
#include "passes/pass.def"
#undef PASS
};

/* The last pass of that name, or NULL (reported). */
static const struct pass *find(const char *name, struct cx *cx)
{
    for (size_t i = ARRAY_LEN(passes); i-- > 0;) {
        if (strcmp(passes[i].name, name) == 0) {
            return &passes[i];
        }
    }
    struct buf names;
    buf_init(&names, cx->scratch);
    for (size_t i = 0; i < ARRAY_LEN(passes); i++) {
        buf_printf(&names, " %s", passes[i].name);
    }
    if (buf_ok(&names)) {
        (void)diag_error(cx->diag, E_USAGE, at_option("--dump-after"),
                         "no pass is called '%s'; there are:%s", name,
                         buf_text(&names));
    }
    buf_free(&names);
    return NULL;
}

bool passes_run(struct graph *g, struct cx *cx, const char *dump_after,
                struct buf *dump)
{
    const struct pass *const dumped = dump_after ? find(dump_after, cx) : NULL;
    if (dump_after && !dumped) {
        return false;
    }
    unsigned have = PASS_NONE;
    for (const struct pass *p = passes; p < passes + ARRAY_LEN(passes); p++) {
        assert((have & p->needs) == p->needs);
        const struct arena_mark mark = arena_mark(cx->scratch);
        const bool is_ok = p->run(g, cx);
        arena_rewind(cx->scratch, mark);
        if (!is_ok) {
            return false;
        }
        have = (have & ~p->breaks) | p->gives;
        g->is_ordered = (have & PASS_ORDER) != 0;
#ifndef NDEBUG
        if (!graph_check(g, cx)) {
            return false;
        }
#endif
        if (p == dumped && !graph_print(g, dump)) {
            return false;
        }
    }
    return true;
}
