#include "cli/cmd_check.h"

#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/numtext.h"
#include "run/run_exec.h"
#include "run/run_model.h"

enum { SEED = 1, RUNS = 2, SWITCH_RUNS = 4 };

static struct run_tensor *make_inputs(const struct flx_model *m, struct cx *cx)
{
    struct run_tensor *const t =
        arena_new(cx->keep, struct run_tensor, m->n_input);
    for (uint32_t i = 0; t && i < m->n_input; i++) {
        if (!run_io_tensor(&m->input[i], cx, &t[i]) ||
            !run_tensor_random(&t[i], SEED, i, cx)) {
            return NULL;
        }
    }
    return t;
}

/* Outputs as under the first plan. */
static bool check_bits(const struct flx_model *m, const struct run_result *a,
                       const struct run_result *b, const char *how,
                       struct cx *cx)
{
    for (uint32_t i = 0; i < m->n_output; i++) {
        if (strcmp(a->sha256[i], b->sha256[i]) != 0) {
            return diag_error(cx->diag, E_MISMATCH,
                              at_tensor(m->output[i].name),
                              "other bits under %s than under plan 0: sha256 "
                              "%s, not %s",
                              how, b->sha256[i], a->sha256[i]);
        }
    }
    return true;
}

static bool check_plan(const struct run_setup *s, const struct run_result *r,
                       struct cx *cx, struct buf *text)
{
    const struct flx_plan_head *const h = &r->head;
    const uint64_t budget = (uint64_t)h->budget_hi << 32 | h->budget_lo;
    char asked[SIZE_TEXT_CAP] = "max";
    if (budget != UINT64_MAX) {
        size_text(asked, budget);
    }
    if (r->arena_peak != h->arena_bytes || r->arena_peak > budget ||
        r->n_step != h->n_step) {
        return diag_error(cx->diag, E_PLAN_CHECK,
                          at_file(s->model->tables->name),
                          "plan %" PRIu32 " for %s took %" PRIu64
                          " bytes of arena and %" PRIu32
                          " steps, it says %" PRIu32 " and %" PRIu32,
                          s->plan, asked, r->arena_peak, r->n_step,
                          h->arena_bytes, h->n_step);
    }
    buf_printf(text,
               "plan %" PRIu32 " for %s: arena %" PRIu64 ", %" PRIu32
               " steps, %" PRIu64 " bytes read in %d inferences: ok\n",
               s->plan, asked, r->arena_peak, r->n_step, r->bytes_read, RUNS);
    return true;
}

static bool check_entry(const struct run_model *model, struct cx *cx,
                        struct buf *text)
{
    const struct flx_model *const m = model->tables;
    if (m->entry) {
        buf_printf(text, "entry %s\n", m->entry);
    }
    struct run_setup s = {
        .model = model,
        .n_thread = 1,
        .store = RUN_CACHED,
        .n_run = RUNS,
        .input = make_inputs(m, cx),
    };
    struct run_result first = {0};
    if (!s.input) {
        return false;
    }
    for (s.plan = 0; s.plan < m->n_plan; s.plan++) {
        struct run_result r;
        if (!run_exec(&s, cx, &r) || !check_plan(&s, &r, cx, text)) {
            return false;
        }
        first = s.plan == 0 ? r : first;
        const char *const how = arena_printf(cx->keep, "plan %" PRIu32, s.plan);
        if (!how || !check_bits(m, &first, &r, how, cx)) {
            return false;
        }
    }
    if (m->n_plan > 1) {
        const struct run_switches w = {
            .is_random = true, .seed = SEED, .n_plan = m->n_plan};
        struct run_result r;
        s.plan = 0;
        s.n_run = SWITCH_RUNS;
        s.switches = &w;
        if (!run_exec(&s, cx, &r) ||
            !check_bits(m, &first, &r, "switches", cx)) {
            return false;
        }
        buf_printf(text, "%" PRIu32 " switches in %d inferences: ok\n",
                   r.n_switched, SWITCH_RUNS);
    }
    buf_str(text, "the same bits each time\n");
    return buf_ok(text);
}

bool cmd_check(const char *dir, struct cx *cx, struct buf *text)
{
    const struct run_model_opt opt = {0};
    struct run_model model;
    if (!run_model_open(dir, &opt, cx, &model)) {
        return false;
    }
    bool ok = true;
    for (uint32_t i = 0; ok && i < model.n_entry; i++) {
        run_model_choose(&model, i);
        ok = check_entry(&model, cx, text);
    }
    run_model_close(&model);
    return ok;
}
