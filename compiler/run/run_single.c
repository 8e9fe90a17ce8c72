#include "run/run_single.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/fileio.h"
#include "base/numtext.h"
#include "run/run_compare.h"
#include "run/run_exec.h"
#include "run/run_json.h"
#include "run/run_model.h"

/* ---- inputs -------------------------------------------------------------- */

bool run_read_input(const char *path, const struct run_image_opt *opt,
                    struct cx *cx, struct run_tensor *t)
{
    struct run_tensor read;
    if (run_image_is(path)) {
        return run_image_read(path, opt, cx, t);
    }
    if (!run_tensor_read(path, cx, &read)) {
        return false;
    }
    if (read.dtype != t->dtype || !run_tensor_same_shape(&read, t)) {
        struct buf b;
        buf_init(&b, cx->scratch);
        run_tensor_print(&b, &read);
        buf_str(&b, ", the input needs ");
        run_tensor_print(&b, t);
        diag_error(cx->diag, E_INPUT, at_file(path), "input '%s': it is %s",
                   t->name, buf_text(&b));
        buf_free(&b);
        return false;
    }
    read.name = t->name;
    *t = read;
    return true;
}

/* Elements of input ix in all inferences of a sequence. */
static uint64_t sequence_count(const struct run_args *a,
                               const struct run_model *m, const uint32_t *order,
                               uint32_t ix, const struct run_tensor *t)
{
    const uint64_t size = m->tables->input[ix].bytes / (t->n ? t->n : 1);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < a->sequence; i++) {
        bytes += (order ? &m->entry[order[i]] : m->tables)->input[ix].bytes;
    }
    return size > 0 ? bytes / size : 0;
}

/* `count` elements of the input, parts one after the other, from a file or
 * random; t stays the shape of one. */
static bool read_sequence(const struct run_args *a, const char *path,
                          uint32_t ix, uint64_t count, struct cx *cx,
                          struct run_tensor *t)
{
    struct run_tensor all = *t;
    all.rank = 1;
    all.dim[0] = count;
    if (!path && !run_tensor_random(&all, a->seed, ix, cx)) {
        return false;
    }
    if (path && !run_tensor_read(path, cx, &all)) {
        return false;
    }
    if (all.dtype != t->dtype || all.n != count) {
        struct buf b;
        buf_init(&b, cx->scratch);
        run_tensor_print(&b, &all);
        if (a->has_entries) {
            buf_printf(&b,
                       ", the sequence needs %" PRIu64 " elements; its first "
                       "part ",
                       count);
        } else {
            buf_printf(&b, ", a sequence needs %" PRIu32 " times ",
                       a->sequence);
        }
        run_tensor_print(&b, t);
        diag_error(cx->diag, E_INPUT, at_file(path), "input '%s': it is %s",
                   t->name, buf_text(&b));
        buf_free(&b);
        return false;
    }
    t->data = all.data;
    return true;
}

/* The state that a sequence begins with where no file gives it. */
static bool zero_input(struct cx *cx, struct run_tensor *t)
{
    t->data = arena_alloc(cx->keep, run_tensor_bytes(t), 64);
    return t->data != NULL;
}

/* The input that "NAME=FILE" names: its index, and the file. Without a name of
 * an input before an '=' the whole text is a file. */
static uint32_t named_input(const struct flx_model *m, const char *text,
                            const char **path)
{
    for (uint32_t i = 0; i < m->n_input; i++) {
        const size_t len = strlen(m->input[i].name);
        if (len > 0 && strncmp(text, m->input[i].name, len) == 0 &&
            text[len] == '=') {
            *path = text + len + 1;
            return i;
        }
    }
    *path = text;
    return m->n_input;
}

/* The file of each input, or NULL for a random one. */
static bool assign_inputs(const struct run_args *a, const struct flx_model *m,
                          struct cx *cx, const char **file)
{
    uint32_t next = 0;
    for (uint32_t i = 0; i < a->input.n; i++) {
        const char *path = NULL;
        uint32_t ix = named_input(m, a->input.item[i], &path);
        if (ix == m->n_input) {
            const char *eq = strchr(path, '=');
            if (eq && !file_exists(path) && file_exists(eq + 1)) {
                return diag_error(cx->diag, E_USAGE, at_option("--input"),
                                  "the model has no input '%.*s'; its first "
                                  "is '%s'",
                                  (int)(eq - path), path,
                                  m->n_input ? m->input[0].name : "");
            }
            ix = next++;
        }
        if (ix >= m->n_input) {
            return diag_error(cx->diag, E_USAGE, at_option("--input"),
                              "'%s' is one too many: the model has %u inputs",
                              a->input.item[i], m->n_input);
        }
        if (file[ix]) {
            return diag_error(cx->diag, E_USAGE, at_option("--input"),
                              "input '%s' is given twice", m->input[ix].name);
        }
        file[ix] = path;
    }
    return true;
}

struct run_tensor *run_inputs(const struct run_args *a,
                              const struct run_model *model,
                              const uint32_t *order, struct cx *cx)
{
    const struct flx_model *const m = model->tables;
    struct run_tensor *t = arena_new(cx->keep, struct run_tensor, m->n_input);
    const char **file = arena_new(cx->keep, const char *, m->n_input);
    if (!t || !file || !assign_inputs(a, m, cx, file)) {
        return NULL;
    }
    for (uint32_t i = 0; i < m->n_input; i++) {
        if (!run_io_tensor(&m->input[i], cx, &t[i])) {
            return NULL;
        }
        if (a->sequence > 0 && !run_is_state(m, m->input[i].buf)) {
            const uint64_t n = sequence_count(a, model, order, i, &t[i]);
            if (!read_sequence(a, file[i], i, n, cx, &t[i])) {
                return NULL;
            }
            continue;
        }
        if (a->sequence > 0 && !file[i]) {
            if (!zero_input(cx, &t[i])) {
                return NULL;
            }
            continue;
        }
        if (file[i] ? !run_read_input(file[i], &a->image, cx, &t[i])
                    : !run_tensor_random(&t[i], a->seed, i, cx)) {
            return NULL;
        }
    }
    return t;
}

/* ---- which plans --------------------------------------------------------- */

/* The plan whose budget is asked for (that of `max` is all ones, too), else the
 * fastest of those that need no more than it; for `min` the one that needs
 * least. */
static bool plan_for_budget(const struct flx_model *m, uint64_t budget,
                            struct cx *cx, uint32_t *out)
{
    uint32_t best = m->n_plan;
    uint32_t best_us = 0;
    uint32_t smallest = 0;
    uint64_t least = UINT64_MAX;
    for (uint32_t i = 0; i < m->n_plan; i++) {
        const struct flx_plan_head h = run_plan_head(m, i);
        if (((uint64_t)h.budget_hi << 32 | h.budget_lo) == budget) {
            *out = i;
            return true;
        }
        if (h.arena_bytes <= budget &&
            (best == m->n_plan || h.latency_us < best_us)) {
            best = i;
            best_us = h.latency_us;
        }
        if (h.arena_bytes < least) {
            least = h.arena_bytes;
            smallest = i;
        }
    }
    if (budget == RUN_BUDGET_MIN) {
        best = smallest;
    }
    if (best == m->n_plan) {
        char asked[SIZE_TEXT_CAP];
        char text[SIZE_TEXT_CAP];
        size_text(asked, budget);
        size_text(text, least);
        return diag_error_budget(cx->diag, at_option("--budget"), least,
                                 "no plan of this model fits %s; the least "
                                 "needs %s; compile it for this budget too",
                                 asked, text);
    }
    *out = best;
    return true;
}

/* Plans [*first, *first + *n). */
static bool choose_plans(const struct run_args *a, const struct flx_model *m,
                         struct cx *cx, uint32_t *first, uint32_t *n)
{
    *first = 0;
    *n = 1;
    if (a->budget != RUN_BUDGET_UNSET) {
        return plan_for_budget(m, a->budget, cx, first);
    }
    if (a->plan != RUN_PLAN_UNSET) {
        *first = a->plan;
        return a->plan < m->n_plan ||
               diag_error(cx->diag, E_USAGE, at_option("--plan"),
                          "there is no plan %" PRIu32
                          "; the model has %u, from 0",
                          a->plan, m->n_plan);
    }
    if (a->is_onnx) {
        *n = m->n_plan;
    } else if (a->plan_file.n > 0) {
        *n = a->plan_file.n;
        *first = m->n_plan - *n;
    }
    return true;
}

/* ---- what is done with outputs ------------------------------------------- */

static bool write_outputs(const char *prefix, const struct run_result *r,
                          struct cx *cx)
{
    for (uint32_t i = 0; i < r->n_output; i++) {
        const char *path =
            arena_printf(cx->scratch, "%s_%" PRIu32 ".npy", prefix, i);
        if (!path || !run_npy_write(path, &r->output[i], cx)) {
            return false;
        }
    }
    return true;
}

/* The path of output ix in dir: of its .npy file, else of its .pb. */
static const char *wanted_path(const char *dir, uint32_t ix, struct cx *cx)
{
    const char *pb =
        arena_printf(cx->scratch, "%s/output_%" PRIu32 ".pb", dir, ix);
    const char *npy =
        arena_printf(cx->scratch, "%s/output_%" PRIu32 ".npy", dir, ix);
    return npy && file_exists(npy) ? npy : pb;
}

static bool check_outputs(const struct run_args *a, const struct flx_model *m,
                          const struct run_result *r, struct cx *cx)
{
    struct run_tolerance tol;
    if (a->rtol >= 0 || a->atol >= 0) {
        tol = (struct run_tolerance){.rule = RUN_PLAIN,
                                     .rel = a->rtol > 0 ? a->rtol : 0,
                                     .abs = a->atol > 0 ? a->atol : 0};
    } else if (!run_tolerance_read(a->check, cx, &tol)) {
        return false;
    }
    for (uint32_t i = 0; i < r->n_output; i++) {
        struct run_tensor want;
        struct buf why;
        const char *const path = wanted_path(a->check, i, cx);
        if (path && a->sequence > 0 && run_is_state(m, m->output[i].buf) &&
            !file_exists(path)) {
            continue; /* of a sequence, what comes out is of interest */
        }
        if (!path || !run_tensor_read(path, cx, &want)) {
            return false;
        }
        if (a->sequence > 0 && want.n == r->output[i].n) {
            want.rank = r->output[i].rank; /* in whatever shape it is stored */
            memcpy(want.dim, r->output[i].dim, sizeof want.dim);
        }
        buf_init(&why, cx->scratch);
        if (!run_compare(&r->output[i], &want, &tol, &why)) {
            diag_error(cx->diag, E_MISMATCH, at_tensor(r->output[i].name),
                       "output %" PRIu32 " under plan %" PRIu32 ": %s", i,
                       r->plan, buf_text(&why));
            buf_free(&why);
            return false;
        }
        buf_free(&why);
    }
    return true;
}

static bool check_same(const struct run_result *a, const struct run_result *b,
                       struct cx *cx)
{
    for (uint32_t i = 0; i < a->n_output; i++) {
        if (strcmp(a->sha256[i], b->sha256[i]) != 0) {
            return diag_error(cx->diag, E_MISMATCH,
                              at_tensor(a->output[i].name),
                              "plans %" PRIu32 " and %" PRIu32
                              " give other bits: sha256 %s and %s",
                              a->plan, b->plan, a->sha256[i], b->sha256[i]);
        }
    }
    return true;
}

/* ---- the whole ----------------------------------------------------------- */

struct job {
    const struct run_args *args;
    struct cx *cx;
    struct run_model model;
    struct run_switches switches;
    const uint32_t *order; /* of a sequence of several entries */
    const struct run_tensor *input;
    struct run_trace *trace; /* NULL: nothing wants it */
    struct run_result *result;
    struct run_report *report;
    uint32_t n; /* plans run */
};

/* The trace of the plan that was run last. */
static bool write_trace(const struct job *j)
{
    struct buf b;
    buf_init(&b, j->cx->scratch);
    const bool ok =
        run_trace_print(j->trace, &j->model, j->cx, &b) &&
        file_write(j->args->trace, buf_bytes(&b), j->cx->scratch, j->cx->diag);
    buf_free(&b);
    return ok;
}

static bool run_plan(struct job *j, uint32_t plan)
{
    const struct run_args *a = j->args;
    struct run_result *r = &j->result[j->n];
    struct run_report *report = &j->report[j->n];
    const struct run_setup setup = {
        .model = &j->model,
        .plan = plan,
        .n_thread = a->threads,
        .store = a->store,
        .n_warmup = a->warmup,
        .n_run = a->sequence > 0 ? a->sequence : a->runs,
        .input = j->input,
        .is_sequence = a->sequence > 0,
        .order = j->order,
        .switches = a->switches ? &j->switches : NULL,
        .trace = j->trace,
    };
    if (!run_exec(&setup, j->cx, r)) {
        return false;
    }
    *report = (struct run_report){.result = r};
    if (a->profile) {
        report->n_layer = j->model.tables->n_layer;
        report->layer =
            run_profile_make(j->trace, &j->model, plan, a->runs, j->cx);
        if (!report->layer) {
            return false;
        }
    }
    j->n++;
    return true;
}

static bool run_plans(struct job *j, struct buf *text)
{
    const struct run_args *a = j->args;
    uint32_t first = 0;
    uint32_t n = 0;
    if (!choose_plans(a, j->model.tables, j->cx, &first, &n)) {
        return false;
    }
    j->result = arena_new(j->cx->keep, struct run_result, n);
    j->report = arena_new(j->cx->keep, struct run_report, n);
    if (!j->result || !j->report) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!run_plan(j, first + i)) {
            return false;
        }
        if (!a->quiet && !(a->json && strcmp(a->json, "-") == 0)) {
            run_text_print(&j->report[i], text);
        }
    }
    return true;
}

static bool write_json(const struct job *j, struct buf *text)
{
    const char *path = j->args->json;
    struct buf b;
    if (strcmp(path, "-") == 0) {
        return run_json_print(j->report, j->n, j->cx, text);
    }
    buf_init(&b, j->cx->scratch);
    const bool ok =
        run_json_print(j->report, j->n, j->cx, &b) &&
        file_write(path, buf_bytes(&b), j->cx->scratch, j->cx->diag);
    buf_free(&b);
    return ok;
}

/* Last, so that what differs has been written for a closer look. */
static bool judge(const struct job *j)
{
    for (uint32_t i = 0; i < j->n; i++) {
        if ((i > 0 && !check_same(&j->result[0], &j->result[i], j->cx)) ||
            (j->args->check &&
             !check_outputs(j->args, j->model.tables, &j->result[i], j->cx))) {
            return false;
        }
    }
    return true;
}

/* The number of the entry of this name; n_entry: there is none, reported. */
static uint32_t entry_named(const struct run_model *m, const char *option,
                            struct span name, struct cx *cx)
{
    struct buf b;
    buf_init(&b, cx->scratch);
    for (uint32_t i = 0; i < m->n_entry; i++) {
        const char *const own = m->entry[i].entry ? m->entry[i].entry : "main";
        if (strlen(own) == name.len && memcmp(own, name.data, name.len) == 0) {
            return i;
        }
        buf_printf(&b, "%s '%s'", i ? "," : "", own);
    }
    (void)diag_error(cx->diag, E_USAGE, at_option(option),
                     "the model has no entry '%.*s'; it has%s", (int)name.len,
                     (const char *)name.data, buf_text(&b));
    buf_free(&b);
    return m->n_entry;
}

/* The entry of each inference of --sequence; the first's is chosen. */
static bool order_entries(struct job *j)
{
    uint32_t *const order = arena_new(j->cx->keep, uint32_t, j->args->sequence);
    uint32_t done = 0;
    for (const char *at = j->args->turns; order && at;) {
        struct span name;
        uint32_t n = 0;
        if (!run_args_turn(&at, &name, &n)) {
            return false;
        }
        const uint32_t ix = entry_named(&j->model, "--sequence", name, j->cx);
        if (ix == j->model.n_entry) {
            return false;
        }
        for (; n > 0; n--) {
            order[done++] = ix;
        }
    }
    if (order) {
        run_model_choose(&j->model, order[0]);
    }
    j->order = order;
    return order != NULL;
}

/* Whether the given inputs have the shapes of this entry; pictures, which can
 * be scaled, have any. */
static bool fits_entry(const struct run_args *a, const struct flx_model *m,
                       struct cx *cx)
{
    struct diag side;
    diag_init(&side);
    struct cx quiet = {cx->scratch, cx->scratch, &side, NULL};
    const char **file = arena_new(cx->scratch, const char *, m->n_input);
    bool fits = file && assign_inputs(a, m, &quiet, file);
    for (uint32_t i = 0; fits && i < m->n_input; i++) {
        struct run_tensor want;
        struct run_tensor read;
        fits =
            !file[i] || run_image_is(file[i]) ||
            (run_io_tensor(&m->input[i], &quiet, &want) &&
             run_tensor_read(file[i], &quiet, &read) &&
             read.dtype == want.dtype && run_tensor_same_shape(&read, &want));
    }
    return fits;
}

/* The entry that --entry or --sequence names, or that the given inputs fit;
 * else the first. */
static bool find_entry(struct job *j)
{
    const struct run_args *const a = j->args;
    struct run_model *const m = &j->model;
    if (a->has_entries) {
        return order_entries(j);
    }
    if (a->entry) {
        const uint32_t ix =
            entry_named(m, "--entry", span_of_str(a->entry), j->cx);
        if (ix < m->n_entry) {
            run_model_choose(m, ix);
        }
        return ix < m->n_entry;
    }
    for (uint32_t i = 0; m->n_entry > 1 && a->input.n > 0 && i < m->n_entry;
         i++) {
        const struct arena_mark mark = arena_mark(j->cx->scratch);
        const bool fits = fits_entry(a, &m->entry[i], j->cx);
        arena_rewind(j->cx->scratch, mark);
        if (fits) {
            run_model_choose(m, i);
            return true;
        }
    }
    return true;
}

static bool run_loaded(struct job *j, struct buf *text)
{
    const struct run_args *a = j->args;
    const struct flx_model *m = j->model.tables;
    if (a->switches &&
        !run_switch_parse(a->switches, m->n_plan, j->cx, &j->switches)) {
        return false;
    }
    j->input = run_inputs(a, &j->model, j->order, j->cx);
    return j->input && run_plans(j, text) &&
           (!a->output || write_outputs(a->output, &j->result[0], j->cx)) &&
           (!a->trace || write_trace(j)) && (!a->json || write_json(j, text)) &&
           judge(j);
}

static bool run_dir(const struct run_args *a, const char *dir, struct cx *cx,
                    struct buf *text)
{
    struct job j = {.args = a, .cx = cx};
    struct run_trace trace;
    const struct run_model_opt opt = {a->cc, a->no_build, run_args_isa(a)};
    if (!run_model_open(dir, &opt, cx, &j.model)) {
        return false;
    }
    run_trace_init(&trace);
    j.trace = a->trace || a->profile ? &trace : NULL;
    bool ok = find_entry(&j);
    for (uint32_t i = 0; ok && i < a->plan_file.n; i++) {
        ok = run_model_add_plan(&j.model, a->plan_file.item[i], cx);
    }
    ok = ok && run_loaded(&j, text);
    run_trace_free(&trace);
    run_model_close(&j.model);
    return ok;
}

bool run_single(const struct run_args *a, struct cx *cx, struct buf *text,
                int *child_exit)
{
    const char *path = a->path.item[0];
    if (!a->is_onnx) {
        return run_dir(a, path, cx, text);
    }
    struct run_compile c = {.model = path,
                            .budgets = a->budgets ? a->budgets : "max",
                            .is_compiled = a->cc,
                            .more = {.arena = cx->scratch}};
    const char *dir = run_temp_make(cx);
    const char *out = dir ? path_join(cx->keep, dir, "m") : NULL;
    const bool ok = out && run_args_pass(a, &c.more) &&
                    run_flexc(&c, out, cx, child_exit) && *child_exit == 0 &&
                    run_dir(a, out, cx, text);
    run_temp_remove(dir, cx);
    return ok;
}
