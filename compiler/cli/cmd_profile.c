/* For sysconf's names of caches. */
#define _GNU_SOURCE /* NOLINT(*-reserved-identifier,cert-dcl*) */
#include "cli/cmd_profile.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/fileio.h"
#include "base/size.h"
#include "cli/cmd_compile.h"
#include "cli/profile_fit.h"
#include "cli/profile_net.h"
#include "frontend/device/device_read.h"
#include "kernels/catalogue.h"
#include "run/run_exec.h"
#include "run/run_model.h"

_Static_assert((int)SPEED_COUNT <= (int)FIT_MAX, "one cost for each speed");

/* Inferences; the usual time of a box or load counts. Then boxes are cut to
 * steps of at most STEP_US, to see what becomes of predictions. */
enum { WARM_UP = 2, RUNS = 40, SEED = 1, STEP_US = 200 };

struct timed_layer {
    const char *name;
    const char *algorithm;
    struct sample sample;
};

struct profile {
    struct cx *cx;
    const char *path; /* NULL: to `text` */
    const struct target *target;
    const char *folder; /* for the weights; NULL: where temporary files go */
    enum run_storage storage;
    const char *dir; /* ours */
    struct buf *text;
    struct device d;
    struct timed_layer *layer;
    uint32_t n_layer;
    uint32_t cap_layer;
    uint32_t n_load;
    double error; /* of the layers' times, root of the mean square */
    double worst; /* of a box or load, seldom longer over predicted */
};

/* ---- arguments ---- */

static const char *const storages[] = {
    [RUN_CACHED] = "cached", [RUN_DIRECT] = "direct", [RUN_MEMORY] = "memory"};

static bool set_storage(struct profile *p, const char *v)
{
    for (uint32_t i = 0; i < ARRAY_LEN(storages); i++) {
        if (strcmp(storages[i], v) == 0) {
            p->storage = (enum run_storage)i;
            return true;
        }
    }
    return diag_error(p->cx->diag, E_USAGE, at_option("--storage"),
                      "'%s' is not cached, direct or memory", v);
}

static bool set_target(struct profile *p, const char *v)
{
    p->target = target_find(v);
    if (!p->target) {
        return diag_error(p->cx->diag, E_TARGET, at_option("--target"),
                          "'%s' is no target; --target list names them", v);
    }
    return target_runs_here(p->target) ||
           diag_error(p->cx->diag, E_TARGET, at_option("--target"),
                      "code for %s does not run on this machine, %s; profile "
                      "on the device itself, or write its profile by hand",
                      v, target_find("host")->name);
}

static bool set_option(struct profile *p, const char *name, const char *v)
{
    if (strcmp(name, "--folder") == 0) {
        p->folder = v;
        return true;
    }
    if (strcmp(name, "--storage") == 0) {
        return set_storage(p, v);
    }
    if (strcmp(name, "--target") == 0) {
        return set_target(p, v);
    }
    return diag_error(p->cx->diag, E_USAGE, at_option(name),
                      "unknown; flexc profile has --target, --storage and "
                      "--folder");
}

static bool parse_args(struct profile *p, int argc, char **argv)
{
    p->target = target_find("host");
    for (int i = 0; i < argc; i++) {
        if (argv[i][0] == '-') {
            if (i + 1 == argc) {
                return diag_error(p->cx->diag, E_USAGE, at_option(argv[i]),
                                  "needs a value after it");
            }
            if (!set_option(p, argv[i], argv[i + 1])) {
                return false;
            }
            i++;
        } else if (p->path) {
            return diag_error(p->cx->diag, E_USAGE, at_none(),
                              "two files given, '%s' and '%s'", p->path,
                              argv[i]);
        } else {
            p->path = argv[i];
        }
    }
    return true;
}

/* ---- compiling and running ---- */

/* What came of running a network. */
struct timed {
    struct layers layers;
    struct cands cands;
    struct run_model model;
    double *layer_ns; /* usual time of each layer's boxes */
    double worst;     /* of a box, seldom longer over predicted */
    double idle_ns;   /* between two loads, where loads are what takes time */
    double gap_ns;    /* between two boxes */
    struct sample *load;
    double *load_seldom_ns;
    uint32_t n_load;
};

static bool compile(struct profile *p, const char *name, struct graph *g,
                    struct cli_args *a, struct timed *t)
{
    a->name = name;
    a->out_dir = path_join(p->cx->keep, p->dir, name);
    a->quiet = true;
    a->opt.target = p->target;
    a->opt.n_thread = 1;
    return a->out_dir && cmd_compile_graph(a, g, p->cx, &t->layers, &t->cands);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What is usual: half of the times are longer. Sorts them. */
static double usual_ns(double *ns, uint32_t n)
{
    qsort(ns, n, sizeof *ns, by_size);
    return ns[n / 2];
}

/* One in ten is longer. After usual_ns. */
static double seldom_ns(const double *ns, uint32_t n)
{
    return ns[n * 9 / 10];
}

/* What a plan says of a box. */
static double predicted_ns(const struct timed *t, const struct run_event *e)
{
    const struct flx_model *const m = t->model.tables;
    const struct lattice x = {.n_panel = m->layer[e->ix].n_panel,
                              .n_kblock = m->layer[e->ix].n_kblock};
    const uint32_t scratch_off = run_plan_head(m, 0).scratch_off;
    return (double)cand_box_ns(&t->cands.cand[e->ix], &t->layers.layer[e->ix],
                               &x, e->r1 - e->r0, e->p1 - e->p0,
                               m->plan[0][scratch_off + 2 * e->ix + 1]);
}

/* Events i, i + n, ... are the same box in each run. */
static bool time_boxes(struct profile *p, const struct run_trace *trace,
                       struct timed *t)
{
    const struct run_lane *const lane = &trace->lane[RUN_BOXES];
    const uint32_t n = lane->n / RUNS;
    double ns[RUNS];
    double gap[RUNS];
    double gaps = 0;
    t->layer_ns = arena_new(p->cx->keep, double, t->layers.n_layer);
    if (!t->layer_ns) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t run = 0; run < RUNS; run++) {
            const struct run_event *const e = &lane->event[run * n + i];
            ns[run] = (double)(e->end_ns - e->begin_ns);
            gap[run] = i > 0 ? (double)(e->begin_ns - e[-1].end_ns) : 0;
        }
        t->layer_ns[lane->event[i].ix] += usual_ns(ns, RUNS);
        t->worst = fmax(t->worst,
                        seldom_ns(ns, RUNS) / predicted_ns(t, &lane->event[i]));
        gaps += usual_ns(gap, RUNS);
    }
    t->gap_ns = n > 1 ? gaps / (n - 1) : 0;
    return true;
}

/* The load that begins with a chunk: how often it came, and when. */
struct loaded {
    double ns[RUNS];
    uint32_t n;
};

static bool time_loads(struct profile *p, const struct run_trace *trace,
                       struct timed *t)
{
    const struct flx_model *const m = t->model.tables;
    const struct run_lane *const lane = &trace->lane[RUN_LOADS];
    struct loaded *const of =
        arena_new(p->cx->scratch, struct loaded, m->n_chunk);
    t->load = arena_new(p->cx->keep, struct sample, m->n_chunk);
    t->load_seldom_ns = arena_new(p->cx->keep, double, m->n_chunk);
    if (!of || !t->load || !t->load_seldom_ns) {
        return false;
    }
    for (uint32_t i = 0; i < lane->n; i++) {
        const struct run_event *const e = &lane->event[i];
        struct loaded *const x = &of[e->ix];
        if (x->n < RUNS) {
            x->ns[x->n++] = (double)(e->end_ns - e->begin_ns);
        }
    }
    double *const idle = arena_new(p->cx->scratch, double, lane->n + 1);
    if (!idle) {
        return false;
    }
    for (uint32_t i = 1; i < lane->n; i++) {
        idle[i - 1] =
            (double)(lane->event[i].begin_ns - lane->event[i - 1].end_ns);
    }
    t->idle_ns = lane->n > 1 ? usual_ns(idle, lane->n - 1) : 0;
    for (uint32_t i = 0; i < m->n_chunk; i++) {
        if (of[i].n == 0) {
            continue;
        }
        struct sample *const s = &t->load[t->n_load++];
        *s = (struct sample){.amount = {1, 0, 0},
                             .ns = usual_ns(of[i].ns, of[i].n)};
        t->load_seldom_ns[t->n_load - 1] = seldom_ns(of[i].ns, of[i].n);
        const struct flx_chunk *const c = &m->chunk[i];
        const uint32_t n = run_load_chunks(m, 0, i);
        for (uint32_t k = 0; k < n; k++) {
            const bool is_raw = c[k].codec == FLX_CODEC_RAW;
            s->amount[1] += c[k].stored_bytes;
            s->amount[2] += is_raw ? 0 : c[k].raw_bytes;
        }
    }
    return true;
}

static bool run_opened(struct profile *p, bool is_busy, struct timed *t)
{
    const struct flx_model *const m = t->model.tables;
    struct run_tensor *const in =
        arena_new(p->cx->keep, struct run_tensor, m->n_input);
    for (uint32_t i = 0; in && i < m->n_input; i++) {
        if (!run_io_tensor(&m->input[i], p->cx, &in[i]) ||
            !run_tensor_random(&in[i], SEED, i, p->cx)) {
            return false;
        }
    }
    struct run_trace trace;
    struct run_result r;
    run_trace_init(&trace);
    trace.is_busy = is_busy;
    const struct run_setup setup = {
        .model = &t->model,
        .n_thread = 1,
        .store = p->storage,
        .n_warmup = WARM_UP,
        .n_run = RUNS,
        .input = in,
        .trace = &trace,
    };
    const bool ok = in && run_exec(&setup, p->cx, &r) &&
                    time_boxes(p, &trace, t) && time_loads(p, &trace, t);
    run_trace_free(&trace);
    return ok;
}

static bool run(struct profile *p, const char *name, bool is_compiled,
                struct timed *t)
{
    const struct run_model_opt opt = {.is_compiled = is_compiled};
    const char *const dir = path_join(p->cx->keep, p->dir, name);
    if (!dir || !run_model_open(dir, &opt, p->cx, &t->model)) {
        return false;
    }
    /* Boxes compute and nothing else; loads wait for the storage, too. */
    const bool ok = run_opened(p, is_compiled, t);
    run_model_close(&t->model);
    return ok;
}

/* ---- speeds of kernels ---- */

/* What a layer does of each thing: its time when that alone takes any. */
static struct sample sample_of(const struct profile *p, const struct timed *t,
                               uint32_t layer)
{
    struct sample s = {.ns = t->layer_ns[layer]};
    for (uint32_t k = 0; k < SPEED_COUNT; k++) {
        struct device d = {.cache_bytes = p->d.cache_bytes,
                           .tile_panels = p->target->tile_panels};
        for (uint32_t j = 0; j < SPEED_COUNT; j++) {
            d.speed[j] = j == k ? 1 : UINT64_MAX;
        }
        s.amount[k] = (double)kern_whole_ns(&t->layers.layer[layer],
                                            t->cands.cand[layer].kernel, &d) /
                      1000;
    }
    return s;
}

/* A speed of 1 / ns, in units per microsecond; what costs nothing that could be
 * measured is as fast as a thousand of the fastest. */
static uint64_t speed_of(double ns)
{
    enum { MOST = 100000000 };
    return ns > 1e3 / MOST ? (uint64_t)fmax(1, 1e3 / ns + 0.5) : MOST;
}

/* A layer for the report: what it is, over which space, of which weights. */
static void print_layer(const struct layer *l, struct buf *out)
{
    buf_str(out, l->op);
    for (uint32_t k = 0; k < l->rank; k++) {
        buf_printf(out, "%s%" PRIu64, k ? "x" : " ", l->dim[k]);
    }
    for (uint32_t k = 0; l->n_weight > 0 && k < l->weight[0].rank; k++) {
        buf_printf(out, "%s%" PRIu64, k ? "x" : " of ", l->weight[0].dim[k]);
    }
}

/* What was measured and what the costs make of it. */
static void report(struct profile *p, const double cost[FIT_MAX])
{
    double sum = 0;
    double all = 0;
    buf_printf(p->text, "%-38s %-10s %9s %9s\n", "layer", "algorithm", "us",
               "predicted");
    for (uint32_t i = 0; i < p->n_layer; i++) {
        const struct sample *const s = &p->layer[i].sample;
        const double ns = fit_predict(s, SPEED_COUNT, cost);
        sum += (ns / s->ns - 1) * (ns - s->ns);
        all += s->ns;
        buf_printf(p->text, "%-38s %-10s %9.1f %9.1f\n", p->layer[i].name,
                   p->layer[i].algorithm, s->ns / 1e3, ns / 1e3);
    }
    p->error = sqrt(sum / all);
}

static bool measure_net(struct profile *p, const char *name,
                        bool (*make)(struct cx *, struct graph *))
{
    struct timed t = {0};
    struct graph g;
    static const struct budget max = {.kind = BUDGET_MAX, .text = "max"};
    struct cli_args a = {
        .opt = {.compress = COMPRESS_NONE, .budget = &max, .n_budget = 1}};
    if (!make(p->cx, &g) || !compile(p, name, &g, &a, &t) ||
        !run(p, name, true, &t)) {
        return false;
    }
    for (uint32_t i = 0; i < t.layers.n_layer; i++) {
        struct buf text;
        if (!(t.layer_ns[i] > 0)) {
            continue; /* not one box */
        }
        struct timed_layer *const x =
            arena_push(p->cx->keep, p->layer, &p->n_layer, &p->cap_layer);
        if (!x) {
            return false;
        }
        buf_init(&text, p->cx->keep);
        print_layer(&t.layers.layer[i], &text);
        x->name = buf_text(&text);
        x->algorithm = t.cands.cand[i].algorithm;
        x->sample = sample_of(p, &t, i);
    }
    p->d.step_ns = (uint64_t)t.gap_ns;
    return true;
}

static bool measure_kernels(struct profile *p)
{
    if (!measure_net(p, "weights", profile_net_weights) ||
        !measure_net(p, "images", profile_net_images)) {
        return false;
    }
    struct sample *const s = arena_new(p->cx->keep, struct sample, p->n_layer);
    if (!s) {
        return false;
    }
    for (uint32_t i = 0; i < p->n_layer; i++) {
        s[i] = p->layer[i].sample;
    }
    double cost[FIT_MAX];
    fit_costs(s, p->n_layer, SPEED_COUNT, cost);
    for (uint32_t k = 0; k < SPEED_COUNT; k++) {
        p->d.speed[k] = speed_of(cost[k]);
    }
    report(p, cost);
    return true;
}

/* ---- boxes ---- */

/* How far the times of boxes that are cut are above what the profile says. */
static bool measure_boxes(struct profile *p, const char *device,
                          const char *name,
                          bool (*make)(struct cx *, struct graph *))
{
    struct timed t = {0};
    struct graph g;
    static const struct budget max = {.kind = BUDGET_MAX, .text = "max"};
    struct cli_args a = {.device = device,
                         .opt = {.compress = COMPRESS_NONE,
                                 .budget = &max,
                                 .n_budget = 1,
                                 .max_step_us = STEP_US}};
    if (!make(p->cx, &g) || !compile(p, name, &g, &a, &t) ||
        !run(p, name, true, &t)) {
        return false;
    }
    p->worst = fmax(p->worst, t.worst);
    return true;
}

static bool measure_margin(struct profile *p)
{
    const char *const path = path_join(p->cx->keep, p->dir, "first.dev");
    struct buf text;
    buf_init(&text, p->cx->scratch);
    const bool ok =
        path && device_print(&p->d, &text) &&
        file_write(path, buf_bytes(&text), p->cx->scratch, p->cx->diag) &&
        measure_boxes(p, path, "steps_w", profile_net_weights) &&
        measure_boxes(p, path, "steps_i", profile_net_images);
    buf_free(&text);
    return ok;
}

/* ---- storage ---- */

static bool measure_loads(struct profile *p, const char *name,
                          enum compress compress, struct timed *t)
{
    struct graph g;
    static const struct budget some = {
        .kind = BUDGET_BYTES, .bytes = 4000000, .text = "4M"};
    struct cli_args a = {
        .opt = {.compress = compress, .budget = &some, .n_budget = 1},
        .tables = true};
    return profile_net_stream(p->cx, compress == COMPRESS_NONE, &g) &&
           compile(p, name, &g, &a, t) && run(p, name, false, t);
}

static bool measure_storage(struct profile *p)
{
    enum { LATENCY, READ, DECODE, N };
    struct timed raw = {0};
    struct timed packed = {0};
    if (!measure_loads(p, "raw", COMPRESS_NONE, &raw) ||
        !measure_loads(p, "packed", COMPRESS_ZSTD, &packed)) {
        return false;
    }
    double cost[FIT_MAX];
    fit_costs(raw.load, raw.n_load, READ + 1, cost);
    /* Of the packed ones only decoding is not known. */
    double decode_ns = 0;
    double decoded = 0;
    for (uint32_t i = 0; i < packed.n_load; i++) {
        const struct sample *const s = &packed.load[i];
        decode_ns += s->ns - fit_predict(s, READ + 1, cost);
        decoded += s->amount[DECODE];
    }
    for (uint32_t i = 0; i < raw.n_load; i++) {
        const struct sample *const s = &raw.load[i];
        p->worst =
            fmax(p->worst, raw.load_seldom_ns[i] /
                               (fit_predict(s, READ + 1, cost) + raw.idle_ns));
    }
    p->n_load = raw.n_load + packed.n_load;
    p->d.storage = STORAGE_READ;
    p->d.read_latency_ns = (uint64_t)(cost[LATENCY] + raw.idle_ns);
    p->d.read_bytes_per_ms = 1000 * speed_of(cost[READ]);
    p->d.decode_bytes_per_ms =
        1000 * (decoded > 0 ? speed_of(decode_ns / decoded) : 1);
    return true;
}

/* ---- the profile ---- */

static uint64_t second_cache(void)
{
    long bytes = -1;
#ifdef _SC_LEVEL2_CACHE_SIZE
    bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    enum { KIB = 1024, USUAL = 1024 * 1024 };
    return bytes > 0 ? (uint64_t)bytes / KIB * KIB : USUAL;
}

static bool measure(struct profile *p)
{
    struct cx *const cx = p->cx;
    p->d.cache_bytes = second_cache();
    p->d.loader_shares_core = sysconf(_SC_NPROCESSORS_ONLN) < 2;
    p->d.name = p->path ? path_stem(cx->keep, p->path) : "measured";
    if (!p->d.name || !measure_kernels(p) || !measure_storage(p) ||
        !measure_margin(p)) {
        return false;
    }
    p->d.margin_percent = (uint64_t)fmax(0, ceil(100 * (p->worst - 1)));
    struct buf *const b = p->text;
    struct buf file;
    buf_init(&file, cx->keep);
    buf_printf(&file,
               "# measured by flexc profile: target %s, weights %s\n"
               "# %" PRIu32 " layers, off by %.0f %%; %" PRIu32 " loads\n",
               p->target->name, storages[p->storage], p->n_layer,
               100 * p->error, p->n_load);
    bool ok = device_print(&p->d, &file);
    if (ok && p->path) {
        ok = file_write(p->path, buf_bytes(&file), cx->scratch, cx->diag);
        buf_printf(
            b, "%s: %" PRIu32 " layers, off by %.0f %%; %" PRIu32 " loads\n",
            p->path, p->n_layer, 100 * p->error, p->n_load);
    } else if (ok) {
        buf_cut(b, 0);
        buf_span(b, buf_bytes(&file));
    }
    buf_free(&file);
    return ok;
}

bool cmd_profile(int argc, char **argv, struct cx *cx, struct buf *text)
{
    struct profile p = {.cx = cx, .text = text};
    if (!parse_args(&p, argc, argv)) {
        return false;
    }
    p.dir = p.folder ? run_temp_make_in(p.folder, cx) : run_temp_make(cx);
    const bool ok = p.dir && measure(&p);
    run_temp_remove(p.dir, cx);
    return ok;
}
