#include "cli/cli_report.h"

#include <cjson/cJSON.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/diag.h"
#include "planner/planner.h"

enum { HUMAN_CAP = 16 };

/* Bytes with three digits and an SI unit, for people. */
static const char *human(char dst[HUMAN_CAP], uint64_t bytes)
{
    static const char unit[] = "KMG";
    double v = (double)bytes;
    int u = -1;
    while (v >= 999.5 && u < 2) {
        v /= 1000;
        u++;
    }
    if (u < 0) {
        (void)snprintf(dst, HUMAN_CAP, "%u", (unsigned)bytes);
    } else {
        (void)snprintf(dst, HUMAN_CAP, "%.*f%c",
                       v < 9.995   ? 2
                       : v < 99.95 ? 1
                                   : 0,
                       v, unit[u]);
    }
    return dst;
}

/* latency / bound - 1; 0 when the bound says nothing. */
static double gap_of(const struct plan *p)
{
    return p->bound_ns == 0 ? 0
                            : (double)p->latency_ns / (double)p->bound_ns - 1;
}

static const char *peak_node(const struct cli_result *r, const struct plan *p)
{
    return p->peak_layer < r->layers->n_layer
               ? r->layers->layer[p->peak_layer].name
               : "";
}

/* What errors were measured on. */
static const char *inputs_of(const struct cli_result *r)
{
    return r->args->input.n > 0 ? "given" : "random";
}

void cli_table(const struct cli_result *r, struct buf *out)
{
    char a[HUMAN_CAP];
    char b[HUMAN_CAP];
    char c[HUMAN_CAP];
    uint64_t macs = 0;
    for (uint32_t i = 0; i < r->layers->n_layer; i++) {
        macs += r->layers->layer[i].macs;
    }
    buf_printf(out,
               "%s: %u layers, %s weights, %s multiply-adds, target %s, "
               "device %s\n",
               r->args->name, r->layers->n_layer,
               human(a, r->layers->weight_bytes), human(b, macs),
               r->args->opt.target->name, r->args->opt.device->name);
    buf_printf(out, "%-10s %8s %11s %11s %6s %9s %9s  %s\n", "budget", "peak",
               "latency", "bound", "gap", "resident", "streamed",
               "peak set by");
    for (uint32_t i = 0; i < r->n_plan; i++) {
        const struct plan *p = &r->plans->plan[i];
        buf_printf(out, "%-10s %8s %8.2f ms %8.2f ms %5.1f%% %9s %9s  ",
                   p->budget_text, human(a, p->peak),
                   (double)p->latency_ns / 1e6, (double)p->bound_ns / 1e6,
                   100 * gap_of(p), human(b, p->resident_bytes),
                   human(c, p->streamed_bytes));
        buf_visible(out, peak_node(r, p));
        buf_char(out, '\n');
    }
    for (uint32_t i = 0; i < r->errors.n; i++) {
        const struct weights_error *const e = &r->errors.output[i];
        buf_printf(out, "%s weights, %s inputs: '",
                   dtype_name(r->args->opt.weights), inputs_of(r));
        buf_visible(out, e->name);
        buf_printf(out,
                   "' is off by %.2g of its largest element, %.2g on average\n",
                   e->max, e->rms);
    }
}

/* Appends the text of `root` and frees it. */
static bool emit(cJSON *root, bool built, struct cx *cx, struct buf *out)
{
    char *text = built ? cJSON_Print(root) : NULL;
    cJSON_Delete(root);
    if (!text) {
        return diag_error(cx->diag, E_MEMORY, at_none(),
                          "no memory for the JSON text");
    }
    buf_printf(out, "%s\n", text);
    cJSON_free(text);
    return buf_ok(out);
}

static bool num(cJSON *o, const char *key, double v)
{
    return cJSON_AddNumberToObject(o, key, v);
}

static bool str(cJSON *o, const char *key, const char *v)
{
    return cJSON_AddStringToObject(o, key, v);
}

/* "shape": the dimensions of each input by its name. */
static bool shape_json(const struct layers *l, cJSON *o)
{
    cJSON *all = cJSON_AddObjectToObject(o, "shape");
    bool ok = all;
    for (uint32_t i = 0; ok && i < l->n_input; i++) {
        const struct shape *s = &l->input[i].shape;
        cJSON *dims = cJSON_AddArrayToObject(all, l->input[i].name);
        ok = dims;
        for (uint32_t d = 0; ok && d < s->rank; d++) {
            ok = cJSON_AddItemToArray(dims,
                                      cJSON_CreateNumber((double)s->dim[d]));
        }
    }
    return ok;
}

/* "switch": the worst way to each other plan. */
static bool switch_json(const struct cli_result *r, uint32_t ix,
                        const struct plan_delay *delay, cJSON *o)
{
    cJSON *list = cJSON_AddArrayToObject(o, "switch");
    bool ok = list;
    for (uint32_t i = 0; ok && i < r->n_plan; i++) {
        const struct plan_delay *w = &delay[(uint64_t)ix * r->n_plan + i];
        cJSON *e = NULL;
        ok = i == ix ||
             ((e = cJSON_CreateObject()) && cJSON_AddItemToArray(list, e) &&
              num(e, "to", i) && num(e, "steps", (double)w->n_box) &&
              num(e, "us", (double)w->ns / 1e3));
    }
    return ok;
}

static bool plan_json(const struct cli_result *r, uint32_t ix,
                      const struct plan_delay *delay, cJSON *list)
{
    const struct plan *p = &r->plans->plan[ix];
    cJSON *o = cJSON_CreateObject();
    if (!cJSON_AddItemToArray(list, o)) {
        return false;
    }
    cJSON *entries = NULL;
    cJSON *e = NULL;
    return str(o, "budget", p->budget_text) &&
           num(o, "peak", (double)p->peak) &&
           num(o, "resident_bytes", (double)p->resident_bytes) &&
           num(o, "plan_bytes", (double)r->plan_bytes[ix]) &&
           str(o, "peak_node", peak_node(r, p)) &&
           switch_json(r, ix, delay, o) &&
           (entries = cJSON_AddArrayToObject(o, "entries")) &&
           (e = cJSON_CreateObject()) && cJSON_AddItemToArray(entries, e) &&
           str(e, "name", "main") && shape_json(r->layers, e) &&
           num(e, "latency_us", (double)p->latency_ns / 1e3) &&
           num(e, "bound_us", (double)p->bound_ns / 1e3) &&
           num(e, "gap", gap_of(p)) &&
           num(e, "streamed_bytes", (double)p->streamed_bytes) &&
           num(e, "read_bytes", (double)p->read_bytes) &&
           num(e, "longest_step_us", (double)p->longest_step_ns / 1e3);
}

/* "weights_error": of each output. */
static bool errors_json(const struct cli_result *r, cJSON *root)
{
    if (r->errors.n == 0) {
        return true;
    }
    cJSON *o = cJSON_AddObjectToObject(root, "weights_error");
    cJSON *list = NULL;
    bool ok = str(o, "weights", dtype_name(r->args->opt.weights)) &&
              str(o, "inputs", inputs_of(r)) &&
              (list = cJSON_AddArrayToObject(o, "outputs"));
    for (uint32_t i = 0; ok && i < r->errors.n; i++) {
        const struct weights_error *const w = &r->errors.output[i];
        cJSON *e = cJSON_CreateObject();
        ok = cJSON_AddItemToArray(list, e) && str(e, "name", w->name) &&
             num(e, "max", w->max) && num(e, "rms", w->rms);
    }
    return ok;
}

bool cli_json(const struct cli_result *r, struct cx *cx, struct buf *out)
{
    uint64_t macs = 0;
    struct plan_delay *delay = arena_new(cx->scratch, struct plan_delay,
                                         (uint64_t)r->n_plan * r->n_plan);
    if (!delay ||
        !plan_switch_delays(r->layers, r->chunks, r->cands, r->args->opt.device,
                            r->plans, r->n_plan, cx, delay)) {
        return false;
    }
    for (uint32_t i = 0; i < r->layers->n_layer; i++) {
        macs += r->layers->layer[i].macs;
    }
    cJSON *root = cJSON_CreateObject();
    cJSON *plans = NULL;
    bool ok = str(root, "model", r->args->name) &&
              str(root, "target", r->args->opt.target->name) &&
              str(root, "device", r->args->opt.device->name) &&
              num(root, "weights_bytes", (double)r->layers->weight_bytes) &&
              num(root, "blob_bytes", (double)r->chunks->blob_bytes) &&
              num(root, "macs", (double)macs) &&
              num(root, "min_budget", (double)r->least->budget) &&
              str(root, "min_budget_node", peak_node(r, r->least)) &&
              num(root, "planning_ms", (double)r->planning_us / 1e3) &&
              errors_json(r, root) &&
              (plans = cJSON_AddArrayToObject(root, "plans"));
    for (uint32_t i = 0; ok && i < r->n_plan; i++) {
        ok = plan_json(r, i, delay, plans);
    }
    return emit(root, ok, cx, out);
}

bool cli_json_error(struct cx *cx, struct buf *out)
{
    const struct diag *d = cx->diag;
    cJSON *root = cJSON_CreateObject();
    cJSON *e = cJSON_AddObjectToObject(root, "error");
    const bool ok = str(e, "id", diag_id_name(d->id)) &&
                    str(e, "node", d->where == DIAG_AT_NODE ? d->name : "") &&
                    num(e, "min_budget", (double)d->least_bytes);
    return emit(root, ok, cx, out);
}
