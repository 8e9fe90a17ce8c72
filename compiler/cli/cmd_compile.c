#include "cli/cmd_compile.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/fileio.h"
#include "base/numtext.h"
#include "base/size.h"
#include "base/undo.h"
#include "cli/cli_device.h"
#include "cli/cli_html.h"
#include "cli/cli_report.h"
#include "cli/weights_error.h"
#include "codegen/cg_print.h"
#include "codegen/cg_table.h"
#include "frontend/onnx/onnx_import.h"
#include "ir/graph.h"
#include "ir/plan_rects.h"
#include "kernels/catalogue.h"
#include "passes/lower.h"
#include "passes/passes.h"
#include "planner/plan_check.h"
#include "planner/planner.h"
#include "weights/blob_write.h"
#include "weights/chunk_cut.h"

/* Files of one compile, written under temporary names until all are there. */
enum { MAX_FILES = 8 }; /* besides one per plan */
struct outputs {
    struct cx *cx;
    const char *dir;
    bool dir_is_new;
    struct file_out *file;
    uint32_t n;
};

/* Makes the folder unless it is there; a signal takes a new one back. */
static bool outputs_dir(struct outputs *o)
{
    struct undo *const undo = o->cx->diag->undo;
    bool is_new = false;
    undo_hold(undo);
    const bool ok = dir_make(o->dir, o->cx->diag, &is_new);
    if (is_new) {
        o->dir_is_new = true;
        undo_add(undo, UNDO_DIR, o->dir);
    }
    undo_release(undo);
    return ok;
}

static struct file_out *outputs_add(struct outputs *o, const char *name)
{
    const char *path = path_join(o->cx->keep, o->dir, name);
    struct file_out *f = &o->file[o->n];
    if (!path || !file_out_open(f, path, o->cx->keep, o->cx->diag)) {
        return NULL;
    }
    o->n++;
    return f;
}

static bool outputs_write(struct outputs *o, const char *name,
                          const struct buf *b)
{
    struct file_out *f = outputs_add(o, name);
    return f && file_out_write(f, buf_bytes(b).data, buf_bytes(b).len);
}

/* All or, by a signal, none. A rename that fails leaves none where there was
 * none before; what it has replaced of an older model stays, and is refused
 * beside the rest, which has another id. */
static bool outputs_commit(struct outputs *o)
{
    bool *const is_new = arena_new(o->cx->scratch, bool, (uint64_t)o->n + 1);
    bool ok = is_new;
    undo_hold(o->cx->diag->undo);
    for (uint32_t i = 0; ok && i < o->n; i++) {
        is_new[i] = !file_exists(o->file[i].path);
        ok = file_out_commit(&o->file[i]);
        for (uint32_t k = 0; !ok && k < i; k++) {
            if (is_new[k]) {
                file_remove(o->file[k].path);
            }
        }
    }
    if (ok) {
        undo_drop(o->cx->diag->undo, o->dir);
    }
    undo_release(o->cx->diag->undo);
    return ok;
}

static void outputs_abort(struct outputs *o)
{
    for (uint32_t i = 0; i < o->n; i++) {
        file_out_abort(&o->file[i]);
    }
    if (o->dir_is_new) {
        dir_remove_empty(o->dir);
        undo_drop(o->cx->diag->undo, o->dir);
    }
}

/* The stages' nouns, in order, of one entry. */
struct line {
    const struct cli_entry *entry;
    struct graph graph;
    struct layers layers;
    struct chunks chunks;
    struct cands cands;
    struct plan_set plans;
    uint64_t planning_us; /* processor time that they took */
};

/* A compile: the entries' lines, side by side. */
struct job {
    struct cli_args *args;
    struct cx *cx;
    struct line *line;
    struct cg_model *tables; /* of each line */
    uint32_t n;
};

/* Errors and dumps name the entry where there are several. */
static bool name_entry(const struct job *j, const struct line *s,
                       struct buf *dump, bool is_dumped)
{
    if (j->n == 1) {
        return true;
    }
    if (is_dumped) {
        buf_printf(dump, "# entry %s\n", s->entry->name);
    }
    const char *const input = arena_printf(j->cx->keep, "%s, entry %s",
                                           j->args->model, s->entry->name);
    if (input) {
        diag_set_input(j->cx->diag, input);
    }
    return input != NULL;
}

/* model.onnx, or the graph -> layers -> chunks; stops after what --dump asks
 * for. cx->opt has the entry's shapes. */
static bool make_chunks(const struct cli_args *a, struct cx *cx, struct line *s,
                        struct buf *text, bool *stop)
{
    *stop = true;
    if ((a->model && !onnx_import(a->model, cx, &s->graph)) ||
        !passes_run(&s->graph, cx, a->dump_after, text)) {
        return false;
    }
    if (a->dump_after) {
        return true;
    }
    if (a->dump == DUMP_GRAPH) {
        return graph_print(&s->graph, text);
    }
    if (!lower(&s->graph, cx, &s->layers) || !layers_check(&s->layers, cx)) {
        return false;
    }
    s->layers.name = a->name;
    if (a->dump == DUMP_LAYERS) {
        return layers_print(&s->layers, text);
    }
    *stop = false;
    return chunk_cut(&s->layers, &a->opt, cx, &s->chunks);
}

static bool front_half(const struct job *j, struct line *s, struct buf *text,
                       bool *stop)
{
    struct options opt = j->args->opt;
    struct cx cx = *j->cx;
    if (s->entry) {
        opt.shape = s->entry->shape;
        opt.n_shape = s->entry->n_shape;
    }
    cx.opt = &opt;
    const enum cli_dump dump = j->args->dump;
    const bool is_dumped =
        j->args->dump_after || dump == DUMP_GRAPH || dump == DUMP_LAYERS;
    return name_entry(j, s, text, is_dumped) &&
           make_chunks(j->args, &cx, s, text, stop);
}

/* The plan of --plan-file; a budget that was given limits it. */
static bool read_plan(struct cli_args *a, struct cx *cx, struct line *s)
{
    struct file_map map;
    struct plan *plan = arena_new(cx->keep, struct plan, 1);
    if (!plan || !file_map(a->plan_file, cx->diag, &map)) {
        return false;
    }
    diag_set_input(cx->diag, a->plan_file);
    const bool ok = plan_parse(map.bytes, cx, plan);
    file_unmap(&map);
    s->plans = (struct plan_set){.plan = plan,
                                 .n_plan = 1,
                                 .least_bytes = plan->peak,
                                 .least_layer = plan->peak_layer};
    if (ok && a->opt.n_budget > 0 && a->opt.budget[0].kind == BUDGET_BYTES &&
        plan->peak > a->opt.budget[0].bytes) {
        return diag_error_budget(cx->diag, at_file(a->plan_file), plan->peak,
                                 "this plan needs %" PRIu64 " bytes, more than "
                                 "the budget of %s",
                                 plan->peak, a->opt.budget[0].text);
    }
    return ok;
}

/* Three digits are enough for a budget: rounds up. */
static uint64_t round_budget(uint64_t bytes)
{
    uint64_t unit = 1;
    while (bytes / unit >= 1000) {
        unit *= 10;
    }
    return size_div_up(bytes, unit) * unit;
}

static bool push_budget(struct cx *cx, struct budget **list, uint32_t *n,
                        uint32_t *cap, struct budget b)
{
    struct budget *const x = arena_push(cx->keep, *list, n, cap);
    if (x) {
        *x = b;
    }
    return x != NULL;
}

/* Budgets where more memory pays, in place of each BUDGET_AUTO. */
static bool expand_auto(struct cli_args *a, struct cx *cx, const struct line *s)
{
    struct plan_set curve = {0};
    struct budget *list = NULL;
    uint32_t n = 0;
    uint32_t cap = 0;
    for (uint32_t i = 0; i < a->opt.n_budget; i++) {
        const struct budget *const b = &a->opt.budget[i];
        if (b->kind != BUDGET_AUTO) {
            if (!push_budget(cx, &list, &n, &cap, *b)) {
                return false;
            }
            continue;
        }
        uint32_t n_knee = (uint32_t)b->bytes;
        uint64_t *const knee = arena_new(cx->keep, uint64_t, n_knee);
        if (!knee ||
            (curve.n_plan == 0 &&
             !plan_curve(&s->layers, &s->chunks, &s->cands, a->opt.device,
                         &a->opt, cx, &curve)) ||
            !plan_knees(&curve, n_knee, cx, knee, &n_knee)) {
            return false;
        }
        for (uint32_t k = 0; k < n_knee; k++) {
            const uint64_t bytes = round_budget(knee[k]);
            char text[SIZE_TEXT_CAP];
            size_text(text, bytes);
            const char *const kept = arena_strdup(cx->keep, text);
            if (!kept || !push_budget(cx, &list, &n, &cap,
                                      (struct budget){.kind = BUDGET_BYTES,
                                                      .bytes = bytes,
                                                      .text = kept})) {
                return false;
            }
        }
    }
    a->opt.budget = list;
    a->opt.n_budget = n;
    return true;
}

static bool make_plans(struct cli_args *a, struct cx *cx, struct line *s)
{
    return expand_auto(a, cx, s) &&
           plan_make(&s->layers, &s->chunks, &s->cands, a->opt.device, &a->opt,
                     cx, &s->plans);
}

/* What each plan holds, and from when to when. */
static bool print_memory(const struct line *s, struct cx *cx, struct buf *text)
{
    for (uint32_t i = 0; i < s->plans.n_plan; i++) {
        const struct plan *const p = &s->plans.plan[i];
        struct plan_run run;
        struct plan_rects rects;
        if (!plan_unroll(&s->layers, &s->chunks, p, cx->keep, &run) ||
            !plan_rects(&s->layers, &s->chunks, &s->cands, p, &run, UINT32_MAX,
                        cx, &rects) ||
            !plan_rects_print(&s->layers, p, &rects, text)) {
            return false;
        }
    }
    return true;
}

/* Processor time: planning is one thread. */
static uint64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* chunks + device -> candidates -> plans, proven. */
static bool back_half(const struct job *j, struct line *s, struct buf *text,
                      bool *stop)
{
    struct cli_args *const a = j->args;
    struct cx *const cx = j->cx;
    *stop = true;
    if (!name_entry(j, s, text, a->dump != DUMP_NONE)) {
        return false;
    }
    if (a->dump == DUMP_CHUNKS) {
        return chunks_print(&s->chunks, text);
    }
    if (!cand_build(&s->layers, &s->chunks, &a->opt, cx, &s->cands)) {
        return false;
    }
    if (a->dump == DUMP_CAND) {
        return cands_print(&s->cands, &s->layers, text);
    }
    const uint64_t began_us = now_us();
    if (!(a->plan_file ? read_plan(a, cx, s) : make_plans(a, cx, s))) {
        return false;
    }
    s->planning_us = now_us() - began_us;
    if (!plan_check(&s->layers, &s->chunks, &s->cands, &s->plans, cx)) {
        if (a->plan_file && cx->diag->id == E_PLAN_CHECK) {
            cx->diag->id = E_PLAN; /* the file's error, not ours */
        }
        return false;
    }
    if (a->dump == DUMP_PLAN) {
        for (uint32_t i = 0; i < s->plans.n_plan; i++) {
            if (!plan_print(&s->plans.plan[i], text)) {
                return false;
            }
        }
        return true;
    }
    if (a->dump == DUMP_MEMORY) {
        return print_memory(s, cx, text);
    }
    *stop = false;
    return true;
}

static bool make_tables(struct job *j)
{
    j->tables = arena_new(j->cx->keep, struct cg_model, j->n);
    for (uint32_t e = 0; j->tables && e < j->n; e++) {
        const struct line *const s = &j->line[e];
        const struct cg_input in = {
            .layers = &s->layers,
            .chunks = &s->chunks,
            .cands = &s->cands,
            .plans = &s->plans,
            .entry = j->n > 1 ? s->entry->name : NULL,
            .before = e > 0 ? &j->tables[e - 1] : NULL,
        };
        if (!cg_build(&in, j->cx, &j->tables[e])) {
            return false;
        }
    }
    return j->tables != NULL;
}

/* Each plan by itself, which a runtime can add to the entry's. */
static bool write_plans(const struct job *j, const struct flx_model *m,
                        struct outputs *o)
{
    struct cx *const cx = j->cx;
    const char *const stem =
        m->entry ? arena_printf(cx->keep, "%s-%s", j->args->name, m->entry)
                 : j->args->name;
    struct buf b;
    buf_init(&b, cx->keep);
    bool ok = stem;
    for (uint32_t i = 0; ok && i < m->n_plan; i++) {
        struct flx_plan_head h;
        memcpy(&h, m->plan[i], sizeof h);
        buf_cut(&b, 0);
        for (uint32_t w = 0; w < h.n_words; w++) {
            buf_le32(&b, m->plan[i][w]);
        }
        const char *const name = arena_printf(cx->keep, "%s-%u.flxp", stem, i);
        ok = name && buf_ok(&b) && outputs_write(o, name, &b);
    }
    buf_free(&b);
    return ok;
}

static bool write_files(const struct job *j, struct outputs *o,
                        struct span blob)
{
    const struct cli_args *const a = j->args;
    struct cx *const cx = j->cx;
    const struct cg_style style = {
        .name = a->name,
        .n_entry = j->n,
        .version = FLEXC_VERSION_TEXT,
        .opt = &a->opt,
        .blob = blob,
        .self_contained = a->self_contained,
    };
    struct buf b;
    buf_init(&b, cx->keep);
    bool ok = true;
    if (a->tables) {
        ok = cg_table(j->tables, j->n, &b) &&
             outputs_write(o, arena_printf(cx->keep, "%s.flxt", a->name), &b);
    } else {
        static const struct {
            bool (*print)(const struct cg_model *, const struct cg_style *,
                          struct cx *, struct buf *);
            const char *format;
        } file[] = {
            {cg_print_header, "%s.h"},
            {cg_print_source, "%s.c"},
            {cg_print_makefile, "Makefile"},
            {cg_print_cmake, "CMakeLists.txt"},
        };
        for (uint32_t i = 0; ok && i < sizeof file / sizeof file[0]; i++) {
            buf_cut(&b, 0);
            const char *name = file[i].format;
            if (name[0] == '%') {
                name = arena_printf(cx->keep, "%s%s", a->name, name + 2);
            }
            ok = name && file[i].print(j->tables, &style, cx, &b) &&
                 outputs_write(o, name, &b);
        }
    }
    buf_free(&b);
    return ok;
}

/* The blob goes to its file chunk by chunk while it is packed; a dump needs
 * sizes and checksums only, and drops the bytes. */
static bool write_blob(const struct job *j, struct outputs *o,
                       struct buf *inline_blob)
{
    const struct cli_args *const a = j->args;
    struct cx *const cx = j->cx;
    struct blob_out blob = {.diag = cx->diag};
    struct blob_entry *const entry =
        arena_new(cx->keep, struct blob_entry, j->n);
    if (!entry) {
        return false;
    }
    for (uint32_t e = 0; e < j->n; e++) {
        entry[e] = (struct blob_entry){&j->line[e].layers, &j->line[e].chunks};
    }
    if (a->dump == DUMP_NONE && a->inline_blob) {
        blob.mem = inline_blob;
    } else if (a->dump == DUMP_NONE) {
        if (!outputs_dir(o)) {
            return false;
        }
        const char *name = arena_printf(cx->keep, "%s.flxw", a->name);
        blob.file = name ? outputs_add(o, name) : NULL;
        if (!blob.file) {
            return false;
        }
    }
    return blob_write(entry, j->n, &a->opt, &blob, cx);
}

/* A state goes from entry to entry as it is. */
static bool check_states(const struct job *j)
{
    const struct layers *const first = &j->line[0].layers;
    for (uint32_t e = 1; e < j->n; e++) {
        const struct layers *const l = &j->line[e].layers;
        for (uint32_t i = 0; i < l->n_input; i++) {
            const struct shape *const a = &first->input[i].shape;
            const struct shape *const b = &l->input[i].shape;
            if (l->buf[l->input[i].buf].is_output &&
                (a->rank != b->rank ||
                 memcmp(a->dim, b->dim, a->rank * sizeof a->dim[0]) != 0)) {
                return diag_error(
                    j->cx->diag, E_USAGE, at_tensor(l->input[i].name),
                    "this state has another shape in entry %s "
                    "than in entry %s",
                    j->line[e].entry->name, j->line[0].entry->name);
            }
        }
    }
    return true;
}

/* Each half of every entry, then the next; a dump stops after one. */
static bool compile(struct job *j, struct outputs *o, struct buf *text)
{
    struct cx *const cx = j->cx;
    struct buf inline_blob;
    bool stop = false;
    buf_init(&inline_blob, cx->keep);
    for (uint32_t e = 0; e < j->n; e++) {
        if (!front_half(j, &j->line[e], text, &stop)) {
            return false;
        }
    }
    if (stop) {
        return true;
    }
    if (!check_states(j) || !write_blob(j, o, &inline_blob)) {
        return false;
    }
    for (uint32_t e = 0; e < j->n; e++) {
        if (!back_half(j, &j->line[e], text, &stop)) {
            return false;
        }
    }
    if (stop) {
        return true;
    }
    if (!make_tables(j) || !outputs_dir(o) ||
        !write_files(j, o, buf_bytes(&inline_blob))) {
        return false;
    }
    for (uint32_t e = 0; e < j->n; e++) {
        if (!write_plans(j, &j->tables[e].model, o)) {
            return false;
        }
    }
    buf_free(&inline_blob);
    return true;
}

/* Plans for the report's curve, from the least budget to the largest that is of
 * use, at equal ratios. They are made apart from those asked for, which do not
 * depend on whether there is a report. */
static bool make_curve(const struct cli_args *a, struct cx *cx,
                       const struct line *s, struct plan_set *curve)
{
    enum { N = 17 }; /* 2^k + 1: halved again and again */
    *curve = (struct plan_set){0};
    if (a->plan_file) {
        return true; /* whose least is not known */
    }
    struct budget *const b = arena_new(cx->keep, struct budget, N);
    if (!b) {
        return false;
    }
    const uint64_t least = s->plans.least_bytes;
    double x[N] = {(double)least};
    x[N - 1] = x[0] + (double)s->chunks.resident_max;
    for (uint32_t step = N / 2; step > 0; step /= 2) {
        for (uint32_t i = step; i < N; i += 2 * step) {
            x[i] = sqrt(x[i - step] * x[i + step]);
        }
    }
    for (uint32_t i = 0; i < N; i++) {
        b[i].bytes = size_max(least, (uint64_t)x[i]);
        b[i].text = "";
    }
    b[0].kind = BUDGET_MIN;
    b[N - 1].kind = BUDGET_MAX;
    struct options *const opt = arena_new(cx->keep, struct options, 1);
    if (!opt) {
        return false;
    }
    *opt = a->opt;
    opt->budget = b;
    opt->n_budget = N;
    return plan_make(&s->layers, &s->chunks, &s->cands, opt->device, opt, cx,
                     curve);
}

/* Adds a file that is all in `b`, if it could be made. */
static bool add_file(struct outputs *o, const char *path, bool made,
                     const struct buf *b)
{
    struct file_out *f = &o->file[o->n];
    const bool ok = made && file_out_open(f, path, o->cx->keep, o->cx->diag);
    o->n += ok;
    return ok && file_out_write(f, buf_bytes(b).data, buf_bytes(b).len);
}

static bool has_narrow(const struct layers *l)
{
    uint32_t i = 0;
    while (i < l->n_layer && l->layer[i].stored == DTYPE_NONE) {
        i++;
    }
    return i < l->n_layer;
}

static bool make_result(const struct job *j, uint32_t e, struct cli_result *r)
{
    const struct line *const s = &j->line[e];
    const struct flx_model *const m = &j->tables[e].model;
    uint64_t *plan_bytes = arena_new(j->cx->keep, uint64_t, m->n_plan);
    if (!plan_bytes) {
        return false;
    }
    for (uint32_t i = 0; i < m->n_plan; i++) {
        struct flx_plan_head h;
        memcpy(&h, m->plan[i], sizeof h);
        plan_bytes[i] = (uint64_t)h.n_words * 4;
    }
    *r = (struct cli_result){
        .args = j->args,
        .entry = j->n > 1 ? s->entry->name : NULL,
        .layers = &s->layers,
        .chunks = &s->chunks,
        .cands = &s->cands,
        .plans = &s->plans,
        .plan_bytes = plan_bytes,
        .planning_us = s->planning_us,
        .n_plan = m->n_plan,
    };
    return true;
}

/* The page of an entry: --report's file, of those after the first one with the
 * entry's name before the suffix. */
static bool write_page(const struct job *j, struct outputs *o, uint32_t e,
                       const struct cli_result *r, struct buf *b)
{
    const char *path = j->args->report;
    struct plan_set curve;
    if (e > 0) {
        const char *const dot = strrchr(path, '.');
        const int n = (int)(dot && dot > path_base(path) ? (size_t)(dot - path)
                                                         : strlen(path));
        path =
            arena_printf(j->cx->keep, "%.*s-%s%s", n, path, r->entry, path + n);
    }
    buf_cut(b, 0);
    return path && make_curve(j->args, j->cx, &j->line[e], &curve) &&
           add_file(o, path, cli_html(r, &curve, j->cx, b), b);
}

static bool report(const struct job *j, struct outputs *o, struct buf *text)
{
    struct cli_args *const a = j->args;
    struct cx *const cx = j->cx;
    struct cli_result *const r = arena_new(cx->keep, struct cli_result, j->n);
    for (uint32_t e = 0; r && e < j->n; e++) {
        if (!make_result(j, e, &r[e])) {
            return false;
        }
    }
    if (!r || (!a->no_error && a->opt.weights != DTYPE_NONE &&
               has_narrow(r->layers) && !weights_error(a, cx, &r->errors))) {
        return false;
    }
    struct buf b;
    buf_init(&b, cx->keep);
    for (uint32_t e = 0; e < j->n; e++) {
        if (!a->quiet && !(a->json && strcmp(a->json, "-") == 0)) {
            cli_table(&r[e], text);
        }
        if (a->report && !write_page(j, o, e, &r[e], &b)) {
            return false;
        }
    }
    buf_cut(&b, 0);
    if (!a->json) {
        return true;
    }
    return strcmp(a->json, "-") == 0
               ? cli_json(r, j->n, cx, text)
               : add_file(o, a->json, cli_json(r, j->n, cx, &b), &b);
}

/* Room for all files: one per plan and page of each entry besides the others.
 */
static bool outputs_start(struct outputs *o, const struct cli_args *a,
                          struct cx *cx)
{
    uint64_t per_entry = 1;
    for (uint32_t i = 0; i < a->opt.n_budget; i++) {
        const struct budget *const b = &a->opt.budget[i];
        per_entry += b->kind == BUDGET_AUTO ? b->bytes : 1;
    }
    const uint64_t n_entry = a->n_entry > 0 ? a->n_entry : 1;
    *o = (struct outputs){.cx = cx, .dir = a->out_dir};
    o->file =
        arena_new(cx->keep, struct file_out, MAX_FILES + n_entry * per_entry);
    return o->file != NULL;
}

static bool job_start(struct job *j, struct cli_args *a, struct cx *cx)
{
    *j =
        (struct job){.args = a, .cx = cx, .n = a->n_entry > 0 ? a->n_entry : 1};
    j->line = arena_new(cx->keep, struct line, j->n);
    for (uint32_t e = 0; j->line && e < a->n_entry; e++) {
        j->line[e].entry = &a->entry[e];
    }
    return j->line != NULL;
}

bool cmd_compile(struct cli_args *a, struct cx *cx, struct buf *text)
{
    struct outputs o;
    struct job j;
    diag_set_input(cx->diag, a->model);
    if (outputs_start(&o, a, cx) && job_start(&j, a, cx) && cli_device(a, cx) &&
        compile(&j, &o, text) &&
        (a->dump != DUMP_NONE || a->dump_after || report(&j, &o, text)) &&
        outputs_commit(&o)) {
        return true;
    }
    outputs_abort(&o);
    return false;
}

bool cmd_compile_graph(struct cli_args *a, struct graph *g, struct cx *cx,
                       struct layers *l, struct cands *k)
{
    struct outputs o;
    struct job j;
    struct buf text;
    buf_init(&text, cx->keep);
    cx->opt = &a->opt;
    bool ok = outputs_start(&o, a, cx) && job_start(&j, a, cx);
    if (ok) {
        j.line->graph = *g;
        ok = cli_device(a, cx) && compile(&j, &o, &text) && outputs_commit(&o);
    }
    if (ok) {
        *l = j.line->layers;
        *k = j.line->cands;
        return true;
    }
    outputs_abort(&o);
    return false;
}
