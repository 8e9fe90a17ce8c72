#include "cli/cli_html.h"

#include <cjson/cJSON.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/size.h"
#include "cli/report_page.h"
#include "ir/plan_rects.h"
#include "planner/planner.h"

enum {
    MOST_RECTS = 3000,      /* a plan */
    MOST_RECTS_ALL = 24000, /* the page: about 2 MB */
    MOST_EVENTS = 1200      /* a lane of a plan's timeline */
};

/* ---- JSON ---- */

static bool num(cJSON *o, const char *key, uint64_t v)
{
    return cJSON_AddNumberToObject(o, key, (double)v);
}

static bool str(cJSON *o, const char *key, const char *v)
{
    return cJSON_AddStringToObject(o, key, v);
}

/* Appends [v[0], ..., v[n - 1]]. */
static bool row(cJSON *list, const double *v, size_t n)
{
    return cJSON_AddItemToArray(list, cJSON_CreateDoubleArray(v, (int)n));
}
#define ROW(LIST, ...)                                                         \
    row((LIST), (const double[]){__VA_ARGS__},                                 \
        sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

/* An index that may be absent, -1 in the JSON. */
static double index_of(uint32_t ix)
{
    return ix == UINT32_MAX ? -1 : (double)ix;
}

/* ---- a plan's rectangles ---- */

/* One plan, unrolled. */
struct view {
    const struct cli_result *r;
    const struct plan *p;
    struct plan_run run;
    struct plan_rects rects;
};

/* When a slot begins: with the end of the step before, since what the next one
 * waits for already fills its memory. */
static double slot_begin(const struct view *v, int64_t slot)
{
    const int64_t n = (int64_t)v->run.n_step;
    const double period = (double)v->run.period_ns;
    if (slot < 0) {
        const int64_t step = n + slot;
        return (step == 0 ? 0 : (double)v->run.step[step - 1].end_ns) - period;
    }
    return slot <= 1  ? 0
           : slot > n ? period
                      : (double)v->run.step[slot - 2].end_ns;
}

static double slot_end(const struct view *v, int64_t slot)
{
    const int64_t n = (int64_t)v->run.n_step;
    return slot <= 0  ? 0
           : slot > n ? (double)v->run.period_ns
                      : (double)v->run.step[slot - 1].end_ns;
}

static bool add_rect(const struct view *v, const struct plan_rect *x,
                     cJSON *list)
{
    return ROW(list, (double)x->kind, index_of(x->layer), index_of(x->buf),
               (double)x->addr, (double)x->bytes, (double)x->first,
               (double)x->last, slot_begin(v, x->first), slot_end(v, x->last),
               (double)x->n);
}

static bool add_rects(const struct view *v, cJSON *o)
{
    cJSON *const all = cJSON_AddArrayToObject(o, "rects");
    cJSON *const peak = cJSON_AddArrayToObject(o, "at_peak");
    bool ok = all && peak;
    for (uint32_t i = 0; ok && i < v->rects.n; i++) {
        ok = add_rect(v, &v->rects.x[i], all);
    }
    for (uint32_t i = 0; ok && i < v->rects.n_at_peak; i++) {
        ok = add_rect(v, &v->rects.at_peak[i], peak);
    }
    const int64_t slot = v->rects.peak_slot;
    return ok && num(o, "peak_step", slot > 0 ? (uint64_t)slot : 0) &&
           num(o, "peak_ns", slot > 0 ? v->run.step[slot - 1].begin_ns : 0) &&
           num(o, "peak_live", v->rects.peak_live_bytes) &&
           num(o, "most_live", v->rects.most_live_bytes);
}

/* ---- a plan's timeline ---- */

/* What one lane shows at one place; events shorter than a pixel are joined. */
struct event {
    uint32_t layer; /* the first's */
    uint32_t layer_end;
    int64_t begin_ns;
    int64_t end_ns;
    uint64_t n;
    uint64_t bytes;
};

static bool put_event(const struct event *e, cJSON *lane)
{
    return e->n == 0 || ROW(lane, e->layer, e->layer_end, (double)e->begin_ns,
                            (double)e->end_ns, (double)e->n, (double)e->bytes);
}

/* Joins x to *e where both together are too short to be told apart, else puts
 * *e and goes on with x. */
static bool next_event(const struct view *v, struct event *e, struct event x,
                       cJSON *lane)
{
    const int64_t least = (int64_t)(v->run.period_ns / MOST_EVENTS);
    if (e->n > 0 && x.end_ns - e->begin_ns <= least) {
        e->layer_end = x.layer;
        e->end_ns = x.end_ns;
        e->n++;
        e->bytes += x.bytes;
        return true;
    }
    const bool ok = put_event(e, lane);
    *e = x;
    return ok;
}

static uint64_t fetch_bytes(const struct view *v, const struct plan_fetch *f)
{
    const struct plan_load *const b = &v->p->load[f->ix];
    uint64_t bytes = 0;
    for (uint32_t k = b->chunk0; !b->resident && k < b->chunk0 + b->n_chunk;
         k++) {
        bytes += v->r->chunks->chunk[k].stored_bytes;
    }
    return bytes;
}

static bool add_timeline(const struct view *v, cJSON *o)
{
    cJSON *const boxes = cJSON_AddArrayToObject(o, "boxes");
    cJSON *const loads = cJSON_AddArrayToObject(o, "loads");
    bool ok = boxes && loads;
    struct event e = {0};
    uint64_t busy = 0;
    for (uint64_t i = 0; ok && i < v->run.n_step; i++) {
        const struct plan_step *const s = &v->run.step[i];
        const uint32_t y = v->p->box[s->ix].layer;
        busy += s->end_ns - s->begin_ns;
        ok = s->end_ns == s->begin_ns ||
             next_event(v, &e,
                        (struct event){y, y, (int64_t)s->begin_ns,
                                       (int64_t)s->end_ns, 1, 0},
                        boxes);
    }
    ok = ok && put_event(&e, boxes) && num(o, "compute_ns", busy);
    e = (struct event){0};
    busy = 0;
    for (uint64_t i = 0; ok && i < v->run.n_fetch; i++) {
        const struct plan_fetch *const f = &v->run.fetch[i];
        busy += (uint64_t)(f->end_ns - f->begin_ns);
        ok = f->end_ns == f->begin_ns ||
             next_event(v, &e,
                        (struct event){f->layer, f->layer, f->begin_ns,
                                       f->end_ns, 1, fetch_bytes(v, f)},
                        loads);
    }
    return ok && put_event(&e, loads) && num(o, "load_ns", busy);
}

/* ---- a plan's parts: cascades, and layers alone ---- */

struct part {
    uint32_t lo; /* layers [lo, hi] */
    uint32_t hi;
    uint64_t begin; /* steps [begin, end) */
    uint64_t end;
    uint64_t ns;
    uint64_t bytes; /* streamed for it */
    uint64_t loads;
};

static struct part part_at(const struct view *v, uint64_t i)
{
    const struct plan_step *const s = v->run.step;
    struct part x = {.lo = UINT32_MAX, .begin = i, .end = i};
    while (x.end < v->run.n_step && s[x.end].loop == s[i].loop &&
           (s[i].loop != UINT32_MAX ||
            v->p->box[s[x.end].ix].layer == v->p->box[s[i].ix].layer)) {
        const uint32_t y = v->p->box[s[x.end].ix].layer;
        x.lo = y < x.lo ? y : x.lo;
        x.hi = y > x.hi ? y : x.hi;
        x.ns += s[x.end].end_ns - s[x.end].begin_ns;
        x.end++;
    }
    return x;
}

static bool add_parts(const struct view *v, cJSON *o)
{
    cJSON *const list = cJSON_AddArrayToObject(o, "parts");
    bool ok = list != NULL;
    for (uint64_t i = 0; ok && i < v->run.n_step;) {
        struct part x = part_at(v, i);
        const uint32_t loop = v->run.step[i].loop;
        for (uint64_t k = 0; k < v->run.n_fetch; k++) {
            const struct plan_fetch *const f = &v->run.fetch[k];
            if (f->layer >= x.lo && f->layer <= x.hi &&
                !v->p->load[f->ix].resident) {
                x.bytes += fetch_bytes(v, f);
                x.loads++;
            }
        }
        const double begin = i == 0 ? 0 : (double)v->run.step[i - 1].end_ns;
        ok = ROW(list, x.lo, x.hi,
                 loop == UINT32_MAX ? 0 : v->p->box[loop].n_iter,
                 (double)(x.end - x.begin), (double)x.ns, (double)x.loads,
                 (double)x.bytes, begin, (double)v->run.step[x.end - 1].end_ns);
        i = x.end;
    }
    return ok;
}

static bool add_plan(const struct cli_result *r, uint32_t ix, struct cx *cx,
                     cJSON *list)
{
    const struct arena_mark mark = arena_mark(cx->scratch);
    struct view v = {.r = r, .p = &r->plans->plan[ix]};
    const struct plan *const p = v.p;
    const uint32_t most =
        (uint32_t)size_min(MOST_RECTS, MOST_RECTS_ALL / r->n_plan);
    if (!plan_unroll(r->layers, r->chunks, p, cx->scratch, &v.run) ||
        !plan_trace(r->layers, r->chunks, r->cands, r->args->opt.device, p, cx,
                    &v.run) ||
        !plan_rects(r->layers, r->chunks, r->cands, p, &v.run, most, cx,
                    &v.rects)) {
        return false;
    }
    cJSON *const o = cJSON_CreateObject();
    const bool ok =
        cJSON_AddItemToArray(list, o) &&
        str(o, "budget_text", p->budget_text ? p->budget_text : "") &&
        num(o, "budget", p->budget == UINT64_MAX ? 0 : p->budget) &&
        num(o, "peak", p->peak) && num(o, "state", p->state_bytes) &&
        num(o, "resident", p->resident_bytes) &&
        num(o, "streamed", p->streamed_bytes) &&
        num(o, "read", p->read_bytes) && num(o, "latency", p->latency_ns) &&
        num(o, "bound", p->bound_ns) && num(o, "longest", p->longest_step_ns) &&
        num(o, "steps", p->n_step) && num(o, "loads_run", p->n_load_run) &&
        num(o, "in_flight", p->in_flight) &&
        num(o, "boundaries", p->n_boundary) &&
        num(o, "plan_bytes", r->plan_bytes[ix]) &&
        num(o, "peak_layer", p->peak_layer) &&
        num(o, "period", v.run.period_ns) && add_rects(&v, o) &&
        add_timeline(&v, o) && add_parts(&v, o);
    arena_rewind(cx->scratch, mark);
    return ok;
}

/* ---- the model ---- */

static bool add_layers(const struct cli_result *r, cJSON *root)
{
    cJSON *const list = cJSON_AddArrayToObject(root, "layers");
    bool ok = list != NULL;
    for (uint32_t i = 0; ok && i < r->layers->n_layer; i++) {
        const struct layer *const y = &r->layers->layer[i];
        const struct lattice *const t = &r->chunks->lattice[i];
        const struct cand *const k = &r->cands->cand[i];
        uint64_t weights = 0;
        for (uint32_t c = t->chunk0; !t->borrows && c < t->chunk0 + t->n_chunk;
             c++) {
            weights += r->chunks->chunk[c].raw_bytes;
        }
        cJSON *const o = cJSON_CreateObject();
        ok = cJSON_AddItemToArray(list, o) && str(o, "name", y->name) &&
             str(o, "op", y->op) && str(o, "algorithm", k->algorithm) &&
             num(o, "rows", y->rows) && num(o, "panels", t->n_panel) &&
             num(o, "kblocks", t->n_kblock) && num(o, "weights", weights) &&
             num(o, "scratch", k->scratch_bytes) && num(o, "macs", y->macs) &&
             num(o, "ns", k->all_ns + k->box_ns);
    }
    cJSON *const names = cJSON_AddArrayToObject(root, "tensors");
    for (uint32_t i = 0; ok && names && i < r->layers->n_buf; i++) {
        ok = cJSON_AddItemToArray(names,
                                  cJSON_CreateString(r->layers->buf[i].name));
    }
    return ok && names;
}

static bool add_curve(const struct plan_set *curve, cJSON *root)
{
    cJSON *const list = cJSON_AddArrayToObject(root, "curve");
    bool ok = list != NULL;
    for (uint32_t i = 0; ok && i < curve->n_plan; i++) {
        const struct plan *const p = &curve->plan[i];
        ok = ROW(list, (double)(p->budget == UINT64_MAX ? p->peak : p->budget),
                 (double)p->latency_ns, (double)p->bound_ns);
    }
    return ok;
}

static bool add_all(const struct cli_result *r, const struct plan_set *curve,
                    struct cx *cx, cJSON *root)
{
    const struct device *const d = r->args->opt.device;
    uint64_t macs = 0;
    for (uint32_t i = 0; i < r->layers->n_layer; i++) {
        macs += r->layers->layer[i].macs;
    }
    cJSON *plans = NULL;
    cJSON *kinds = NULL;
    bool ok = str(root, "version", FLEXC_VERSION_TEXT) &&
              str(root, "model", r->args->name) &&
              str(root, "entry", r->entry ? r->entry : "") &&
              str(root, "target", r->args->opt.target->name) &&
              str(root, "device", d->name) &&
              num(root, "mapped", d->storage == STORAGE_MAPPED) &&
              num(root, "read_bytes_per_ms", d->read_bytes_per_ms) &&
              num(root, "threads", r->args->opt.n_thread) &&
              num(root, "weights", r->layers->weight_bytes) &&
              num(root, "blob", r->chunks->blob_bytes) &&
              num(root, "macs", macs) &&
              num(root, "least", r->plans->least_bytes) &&
              num(root, "least_layer", r->plans->least_layer) &&
              add_layers(r, root) && add_curve(curve, root) &&
              (kinds = cJSON_AddArrayToObject(root, "kinds")) &&
              (plans = cJSON_AddArrayToObject(root, "plans"));
    for (int k = 0; ok && k < RECT_KIND_COUNT; k++) {
        ok = cJSON_AddItemToArray(
            kinds, cJSON_CreateString(rect_kind_name((enum rect_kind)k)));
    }
    for (uint32_t i = 0; ok && i < r->n_plan; i++) {
        ok = add_plan(r, i, cx, plans);
    }
    return ok;
}

/* JSON inside HTML: in JSON these characters stand in strings only. */
static void put_escaped(struct buf *out, const char *json)
{
    for (const char *s = json; *s;) {
        const size_t n = strcspn(s, "<>&");
        buf_put(out, s, n);
        s += n;
        if (*s) {
            buf_printf(out, "\\u%04x", (unsigned)(unsigned char)*s++);
        }
    }
}

bool cli_html(const struct cli_result *r, const struct plan_set *curve,
              struct cx *cx, struct buf *out)
{
    cJSON *const root = cJSON_CreateObject();
    const bool built = root && add_all(r, curve, cx, root);
    char *const json = built ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    if (!json) {
        return diag_error(cx->diag, E_MEMORY, at_none(),
                          "no memory for the report");
    }
    static const char marker[] = "@DATA@";
    const char *const page = report_page;
    const char *const at = strstr(page, marker);
    buf_put(out, page, (uint64_t)(at - page));
    put_escaped(out, json);
    buf_str(out, at + sizeof marker - 1);
    cJSON_free(json);
    return buf_ok(out);
}
