#include "run/run_json.h"

#include <cjson/cJSON.h>
#include <inttypes.h>

#include "base/diag.h"
#include "base/numtext.h"

/* A plan for `max` has none. */
static bool has_budget(const struct flx_plan_head *h)
{
    return h->budget_lo != UINT32_MAX || h->budget_hi != UINT32_MAX;
}

/* In bytes; of `max` its peak. */
static uint64_t budget_of(const struct flx_plan_head *h)
{
    return has_budget(h) ? (uint64_t)h->budget_hi << 32 | h->budget_lo
                         : h->arena_bytes;
}

/* ---- JSON ---------------------------------------------------------------- */

static bool num(cJSON *o, const char *key, double v)
{
    return cJSON_AddNumberToObject(o, key, v);
}

static bool str(cJSON *o, const char *key, const char *v)
{
    return cJSON_AddStringToObject(o, key, v);
}

/* A new object at the end of an array; NULL without memory. */
static cJSON *add_object(cJSON *array)
{
    cJSON *o = cJSON_CreateObject();
    if (!cJSON_AddItemToArray(array, o)) {
        cJSON_Delete(o);
        return NULL;
    }
    return o;
}

static bool add_latency(const struct run_result *r, cJSON *o)
{
    cJSON *ms = cJSON_AddObjectToObject(o, "latency_ms");
    return ms && num(ms, "median", run_median_ms(r)) &&
           num(ms, "min", r->ms[0]) && num(ms, "max", r->ms[r->n_run - 1]);
}

static bool add_switches(const struct run_result *r, cJSON *o)
{
    cJSON *list = cJSON_AddArrayToObject(o, "switches");
    for (uint32_t i = 0; i < r->n_switched; i++) {
        const struct run_switched *w = &r->switched[i];
        cJSON *e = add_object(list);
        if (!e || !num(e, "run", w->run) || !num(e, "step", w->step) ||
            !num(e, "from", w->from) || !num(e, "to", w->to) ||
            !num(e, "us", w->us) || !num(e, "released", w->released)) {
            return false;
        }
    }
    return list;
}

static bool add_pairs(const struct run_result *r, cJSON *o)
{
    cJSON *list = cJSON_AddArrayToObject(o, "switch_pairs");
    for (uint32_t i = 0; i < r->n_pair; i++) {
        const struct run_pair *w = &r->pair[i];
        cJSON *e = add_object(list);
        if (!e || !num(e, "from", w->from) || !num(e, "to", w->to) ||
            !num(e, "tries", w->n_try) || !num(e, "steps", w->step) ||
            !num(e, "us", w->us) || !num(e, "us_most", w->us_most)) {
            return false;
        }
    }
    return list;
}

static bool add_outputs(const struct run_result *r, cJSON *o)
{
    cJSON *list = cJSON_AddArrayToObject(o, "outputs");
    for (uint32_t i = 0; i < r->n_output; i++) {
        cJSON *e = add_object(list);
        cJSON *shape = e && str(e, "name", r->output[i].name)
                           ? cJSON_AddArrayToObject(e, "shape")
                           : NULL;
        for (uint32_t d = 0; shape && d < r->output[i].rank; d++) {
            cJSON *dim = cJSON_CreateNumber((double)r->output[i].dim[d]);
            if (!cJSON_AddItemToArray(shape, dim)) {
                cJSON_Delete(dim);
                return false;
            }
        }
        if (!shape || !str(e, "sha256", r->sha256[i])) {
            return false;
        }
    }
    return list;
}

static bool add_layers(const struct run_report *r, cJSON *o)
{
    cJSON *list = cJSON_AddArrayToObject(o, "layers");
    for (uint32_t i = 0; i < r->n_layer; i++) {
        const struct run_profile *p = &r->layer[i];
        cJSON *e = add_object(list);
        if (!e || !str(e, "name", p->name) ||
            !str(e, "algorithm", p->algorithm) || !num(e, "boxes", p->n_box) ||
            !num(e, "ms", p->box_ms) || !num(e, "gflops", p->gflops) ||
            !num(e, "peak", p->peak) ||
            !num(e, "bytes", (double)p->read_bytes) ||
            !num(e, "load_ms", p->load_ms)) {
            return false;
        }
    }
    return list;
}

static bool fill(const struct run_report *report, cJSON *o)
{
    const struct run_result *r = report->result;
    return o && num(o, "plan", r->plan) &&
           str(o, "entry", r->entry ? r->entry : "main") &&
           num(o, "budget", (double)budget_of(&r->head)) &&
           num(o, "runs", r->n_run) && add_latency(r, o) &&
           num(o, "arena_peak", (double)r->arena_peak) &&
           num(o, "rss_over_idle", (double)r->rss_over_idle) &&
           num(o, "bytes_read", (double)r->bytes_read) &&
           num(o, "bytes_ahead", (double)r->bytes_ahead) &&
           num(o, "loads", (double)r->n_read) && num(o, "steps", r->n_step) &&
           num(o, "longest_step_us", (double)r->longest_step_ns / 1e3) &&
           num(o, "plan_longest_step_us", r->head.longest_step_us) &&
           add_switches(r, o) && (r->n_pair == 0 || add_pairs(r, o)) &&
           add_outputs(r, o) && (!report->layer || add_layers(report, o));
}

bool run_json_print(const struct run_report *r, uint32_t n, struct cx *cx,
                    struct buf *out)
{
    cJSON *root = n == 1 ? cJSON_CreateObject() : cJSON_CreateArray();
    bool ok = root;
    for (uint32_t i = 0; ok && i < n; i++) {
        ok = fill(&r[i], n == 1 ? root : add_object(root));
    }
    char *text = ok ? cJSON_Print(root) : NULL;
    cJSON_Delete(root);
    if (!text) {
        return diag_error(cx->diag, E_MEMORY, at_option("--json"),
                          "no memory for the text");
    }
    buf_printf(out, "%s\n", text);
    cJSON_free(text);
    return buf_ok(out);
}

/* ---- text ---------------------------------------------------------------- */

/* What a run takes besides its boxes. */
static void print_rest(const struct run_report *report, struct buf *out)
{
    const struct run_result *r = report->result;
    double all = 0;
    double boxes = 0;
    for (uint32_t i = 0; i < r->n_run; i++) {
        all += r->ms[i] / r->n_run;
    }
    for (uint32_t i = 0; i < report->n_layer; i++) {
        boxes += report->layer[i].box_ms;
    }
    buf_printf(out,
               "  %.3f of %.3f ms (%.2f %%) outside of boxes: steps, tracing, "
               "waiting for loads\n",
               all - boxes, all, 100 * (all - boxes) / all);
}

void run_text_print(const struct run_report *report, struct buf *out)
{
    const struct run_result *r = report->result;
    buf_printf(out, "plan %" PRIu32 "%s%s: budget ", r->plan,
               r->entry ? " of entry " : "", r->entry ? r->entry : "");
    if (has_budget(&r->head)) {
        char text[SIZE_TEXT_CAP];
        size_text(text, budget_of(&r->head));
        buf_str(out, text);
    } else {
        buf_str(out, "max");
    }
    buf_printf(out, ", peak %.3f MB, memory over idle %.3f MB",
               (double)r->arena_peak / 1e6, (double)r->rss_over_idle / 1e6);
    buf_printf(out,
               "\n  latency %.3f ms (median of %" PRIu32
               ", %.3f to %.3f), predicted %.3f ms\n",
               run_median_ms(r), r->n_run, r->ms[0], r->ms[r->n_run - 1],
               (double)r->head.latency_us / 1e3);
    buf_printf(out,
               "  %" PRIu32 " steps, read %" PRIu64 " bytes, %" PRIu64
               " more ahead, in %" PRIu64 " loads\n",
               r->n_step, r->bytes_read, r->bytes_ahead, r->n_read);
    for (uint32_t i = 0; i < r->n_switched; i++) {
        const struct run_switched *w = &r->switched[i];
        buf_printf(out,
                   "  step %" PRIu32 ": plan %" PRIu32 " -> %" PRIu32
                   " in %" PRIu32 " us, released %" PRIu32 " bytes\n",
                   w->step, w->from, w->to, w->us, w->released);
    }
    for (uint32_t i = 0; i < r->n_pair; i++) {
        const struct run_pair *w = &r->pair[i];
        buf_printf(out,
                   "  plan %" PRIu32 " -> %" PRIu32 " at each of %" PRIu32
                   " steps: after at most %" PRIu32 " steps, %" PRIu32 " us\n",
                   w->from, w->to, w->n_try, w->step, w->us);
    }
    if (r->n_refused > 0) {
        buf_printf(out, "  %" PRIu32 " requests to switch were refused\n",
                   r->n_refused);
    }
    for (uint32_t i = 0; i < r->n_output; i++) {
        buf_str(out, "  output ");
        buf_visible(out, r->output[i].name);
        buf_char(out, ' ');
        run_tensor_print(out, &r->output[i]);
        buf_printf(out, " sha256 %s\n", r->sha256[i]);
    }
    if (report->layer) {
        run_profile_print(report->layer, report->n_layer, out);
        print_rest(report, out);
    }
}
