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

/* What sets a peak. */
static const char *node_of(const struct cli_result *r, uint32_t layer)
{
    return layer < r->layers->n_layer ? r->layers->layer[layer].name : "";
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
    if (r->entry) {
        buf_printf(out, "entry %s of ", r->entry);
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
        buf_visible(out, node_of(r, p->peak_layer));
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

/* What plan ix is in one of several entries. */
static bool parts_json(const struct cli_result *r, uint32_t ix,
                       const struct plan_delay *delay, cJSON *o)
{
    const struct plan *p = &r->plans->plan[ix];
    return num(o, "peak", (double)p->peak) &&
           num(o, "resident_bytes", (double)p->resident_bytes) &&
           num(o, "plan_bytes", (double)r->plan_bytes[ix]) &&
           str(o, "peak_node", node_of(r, p->peak_layer)) &&
           switch_json(r, ix, delay, o);
}

static bool entry_json(const struct cli_result *r, uint32_t ix,
                       const struct plan_delay *delay, cJSON *list)
{
    const struct plan *p = &r->plans->plan[ix];
    cJSON *o = cJSON_CreateObject();
    return cJSON_AddItemToArray(list, o) &&
           str(o, "name", r->entry ? r->entry : "main") &&
           shape_json(r->layers, o) &&
           num(o, "latency_us", (double)p->latency_ns / 1e3) &&
           num(o, "bound_us", (double)p->bound_ns / 1e3) &&
           num(o, "gap", gap_of(p)) &&
           num(o, "streamed_bytes", (double)p->streamed_bytes) &&
           num(o, "read_bytes", (double)p->read_bytes) &&
           num(o, "longest_step_us", (double)p->longest_step_ns / 1e3) &&
           num(o, "longest_step_bound_us",
               (double)device_bound_ns(r->args->opt.device,
                                       p->longest_step_ns) /
                   1e3) &&
           (!r->entry || parts_json(r, ix, delay, o));
}

/* Plan ix of all entries; the numbers outside of "entries" are those of the
 * entry with the largest peak, but for the sum of plan_bytes. */
static bool plan_json(const struct cli_result *r, uint32_t n, uint32_t ix,
                      const struct plan_delay *const *delay, cJSON *list)
{
    const struct cli_result *top = r;
    uint64_t plan_bytes = 0;
    for (uint32_t e = 0; e < n; e++) {
        const uint64_t peak = r[e].plans->plan[ix].peak;
        top = peak > top->plans->plan[ix].peak ? &r[e] : top;
        plan_bytes += r[e].plan_bytes[ix];
    }
    const struct plan *p = &top->plans->plan[ix];
    cJSON *o = cJSON_CreateObject();
    if (!cJSON_AddItemToArray(list, o)) {
        return false;
    }
    cJSON *entries = NULL;
    bool ok = str(o, "budget", p->budget_text) &&
              num(o, "peak", (double)p->peak) &&
              num(o, "resident_bytes", (double)p->resident_bytes) &&
              num(o, "plan_bytes", (double)plan_bytes) &&
              str(o, "peak_node", node_of(top, p->peak_layer)) &&
              (r->entry || switch_json(r, ix, delay[0], o)) &&
              (entries = cJSON_AddArrayToObject(o, "entries"));
    for (uint32_t e = 0; ok && e < n; e++) {
        ok = entry_json(&r[e], ix, delay[e], entries);
    }
    return ok;
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

/* Of each entry. */
static const struct plan_delay *const *make_delays(const struct cli_result *r,
                                                   uint32_t n, struct cx *cx)
{
    const struct plan_delay **const all =
        arena_new(cx->scratch, const struct plan_delay *, n);
    for (uint32_t e = 0; all && e < n; e++) {
        struct plan_delay *const d =
            arena_new(cx->scratch, struct plan_delay,
                      (uint64_t)r[e].n_plan * r[e].n_plan);
        if (!d || !plan_switch_delays(r[e].layers, r[e].chunks, r[e].cands,
                                      r[e].args->opt.device, r[e].plans,
                                      r[e].n_plan, cx, d)) {
            return NULL;
        }
        all[e] = d;
    }
    return all;
}

bool cli_json(const struct cli_result *r, uint32_t n, struct cx *cx,
              struct buf *out)
{
    const struct plan_delay *const *const delay = make_delays(r, n, cx);
    const struct cli_result *most = r; /* needs the largest least budget */
    uint64_t planning_us = 0;
    uint64_t macs = 0;
    for (uint32_t e = 0; e < n; e++) {
        planning_us += r[e].planning_us;
        most =
            r[e].plans->least_bytes > most->plans->least_bytes ? &r[e] : most;
    }
    if (!delay) {
        return false;
    }
    for (uint32_t i = 0; i < r->layers->n_layer; i++) {
        macs += r->layers->layer[i].macs;
    }
    cJSON *root = cJSON_CreateObject();
    cJSON *plans = NULL;
    bool ok =
        str(root, "model", r->args->name) &&
        str(root, "target", r->args->opt.target->name) &&
        str(root, "device", r->args->opt.device->name) &&
        num(root, "weights_bytes", (double)r->layers->weight_bytes) &&
        num(root, "blob_bytes", (double)r->chunks->blob_bytes) &&
        num(root, "macs", (double)macs) &&
        num(root, "min_budget", (double)most->plans->least_bytes) &&
        str(root, "min_budget_node", node_of(most, most->plans->least_layer)) &&
        num(root, "planning_ms", (double)planning_us / 1e3) &&
        errors_json(r, root) && (plans = cJSON_AddArrayToObject(root, "plans"));
    for (uint32_t i = 0; ok && i < r->n_plan; i++) {
        ok = plan_json(r, n, i, delay, plans);
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
