#include "run/run_trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

uint64_t run_now_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t busy_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void run_trace_init(struct run_trace *t)
{
    *t = (struct run_trace){.zero_ns = run_now_ns()};
    for (uint32_t i = 0; i < RUN_N_LANES; i++) {
        diag_init(&t->lane[i].diag);
        arena_init(&t->lane[i].arena, ARENA_NO_CAP, &t->lane[i].diag);
    }
}

void run_trace_free(struct run_trace *t)
{
    for (uint32_t i = 0; i < RUN_N_LANES; i++) {
        arena_free(&t->lane[i].arena);
    }
}

void run_trace_restart(struct run_trace *t)
{
    t->zero_ns = run_now_ns();
    for (uint32_t i = 0; i < RUN_N_LANES; i++) {
        t->lane[i].n = 0;
    }
}

void run_trace_hook(void *ctx, int kind, int end, uint32_t ix,
                    const struct flx_call *call)
{
    struct run_trace *t = ctx;
    struct run_lane *lane = &t->lane[kind ? RUN_LOADS : RUN_BOXES];
    const uint64_t now = t->is_busy ? busy_ns() : run_now_ns();
    if (!end) {
        lane->now = (struct run_event){.begin_ns = now, .ix = ix};
        if (call) {
            lane->now.r0 = call->r0;
            lane->now.r1 = call->r1;
            lane->now.p0 = call->p0;
            lane->now.p1 = call->p1;
            lane->now.kb = call->kb;
        }
        return;
    }
    /* Lack of memory stays in the lane's diag; run_trace_print tells. */
    struct run_event *e =
        arena_push(&lane->arena, lane->event, &lane->n, &lane->cap);
    if (e) {
        *e = lane->now;
        e->end_ns = now;
    }
}

/* ---- the trace file ------------------------------------------------------ */

static void put_json_text(struct buf *b, const char *text)
{
    buf_char(b, '"');
    for (const char *p = text; *p; p++) {
        const unsigned char c = (unsigned char)*p;
        if (c == '"' || c == '\\') {
            buf_printf(b, "\\%c", c);
        } else if (c < 0x20) {
            buf_printf(b, "\\u%04x", c);
        } else {
            buf_char(b, *p);
        }
    }
    buf_char(b, '"');
}

/* The name of a layer, or "layer N" when the model has none. */
static const char *layer_name(const struct run_model *m, uint32_t ix,
                              struct arena *a)
{
    return m->layer && ix < m->tables->n_layer
               ? m->layer[ix].name
               : arena_printf(a, "layer %u", ix);
}

static uint32_t layer_of(const struct run_model *m, uint32_t lane, uint32_t ix)
{
    if (lane == RUN_BOXES) {
        return ix;
    }
    return ix < m->tables->n_chunk ? m->tables->chunk[ix].layer : 0;
}

static void put_event(const struct run_trace *t, const struct run_model *m,
                      uint32_t lane, const struct run_event *e,
                      struct arena *scratch, struct buf *out)
{
    const char *name = layer_name(m, layer_of(m, lane, e->ix), scratch);
    buf_str(out, ",\n{\"name\":");
    put_json_text(out, name ? name : "");
    buf_printf(out,
               ",\"ph\":\"X\",\"pid\":1,\"tid\":%" PRIu32
               ",\"ts\":%.3f,\"dur\":%.3f,\"args\":{",
               lane, (double)(int64_t)(e->begin_ns - t->zero_ns) / 1e3,
               (double)(e->end_ns - e->begin_ns) / 1e3);
    if (lane == RUN_BOXES) {
        buf_printf(out,
                   "\"rows\":[%" PRIu32 ",%" PRIu32 "],\"panels\":[%" PRIu32
                   ",%" PRIu32 "],\"kblock\":%" PRIu32 "}}",
                   e->r0, e->r1, e->p0, e->p1, e->kb);
    } else {
        buf_printf(out, "\"chunk\":%" PRIu32 "}}", e->ix);
    }
}

bool run_trace_print(const struct run_trace *t, const struct run_model *m,
                     struct cx *cx, struct buf *out)
{
    static const char *const lane_name[RUN_N_LANES] = {"compute", "load"};
    buf_str(out, "[");
    for (uint32_t i = 0; i < RUN_N_LANES; i++) {
        buf_printf(out,
                   "%s{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,"
                   "\"tid\":%" PRIu32 ",\"args\":{\"name\":\"%s\"}}",
                   i ? ",\n" : "", i, lane_name[i]);
    }
    for (uint32_t i = 0; i < RUN_N_LANES; i++) {
        const struct run_lane *lane = &t->lane[i];
        if (lane->diag.id != E_NONE) {
            return diag_error(cx->diag, E_MEMORY, at_option("--trace"),
                              "no memory for all events; trace fewer runs");
        }
        for (uint32_t k = 0; k < lane->n; k++) {
            const struct arena_mark mark = arena_mark(cx->scratch);
            put_event(t, m, i, &lane->event[k], cx->scratch, out);
            arena_rewind(cx->scratch, mark);
        }
    }
    buf_str(out, "]\n");
    return buf_ok(out);
}

/* ---- the table of layers ------------------------------------------------- */

/* The first chunk of a load of a plan; any of those that it may pick. */
static const struct flx_chunk *load_chunk(const struct flx_model *m,
                                          const uint32_t *load)
{
    const bool picks = (load[0] >> 4 & FLX_LOAD_PICKS) != 0;
    return &m->chunk[picks ? m->layer[load[1]].chunk0 : load[1]];
}

/* Its bytes; 0 for a resident one, which is there. */
static uint64_t load_bytes(const struct flx_model *m, const uint32_t *load)
{
    const struct flx_chunk *const c = load_chunk(m, load);
    uint64_t bytes = 0;
    if (load[0] >> 4 & FLX_LOAD_RESIDENT) {
        return 0;
    }
    for (uint32_t i = 0; i < load[2]; i++) {
        bytes += c[i].stored_bytes;
    }
    return bytes;
}

uint32_t run_load_chunks(const struct flx_model *m, uint32_t plan,
                         uint32_t chunk0)
{
    const struct flx_plan_head h = run_plan_head(m, plan);
    const uint32_t *w = m->plan[plan] + h.load_off;
    for (uint32_t at = 0; at < h.n_load_words;) {
        switch ((enum flx_op)(w[at] & 15u)) {
        case FLX_LOOP:
            at += FLX_LOOP_WORDS;
            break;
        case FLX_END:
            at += FLX_END_WORDS;
            break;
        case FLX_BOX:
        case FLX_ROWS:
        case FLX_LOAD:
            if (load_chunk(m, w + at) == &m->chunk[chunk0]) {
                return w[at + 2];
            }
            at += FLX_LOAD_WORDS;
            break;
        }
    }
    return 1; /* picked */
}

uint64_t run_streamed_bytes(const struct flx_model *m, uint32_t plan,
                            uint32_t n_load, uint64_t *per_layer)
{
    const struct flx_plan_head h = run_plan_head(m, plan);
    const uint32_t *code = m->plan[plan] + h.load_off;
    uint32_t loop_at = 0;
    uint32_t n_left = 0; /* iterations after this one */
    uint64_t total = 0;
    for (uint32_t at = 0; at < h.n_load_words && n_load > 0;) {
        const uint32_t *w = code + at;
        switch ((enum flx_op)(w[0] & 15u)) {
        case FLX_LOOP:
            n_left = w[1] - 1;
            at += FLX_LOOP_WORDS;
            loop_at = at;
            break;
        case FLX_END:
            at = n_left > 0 ? loop_at : at + FLX_END_WORDS;
            n_left -= n_left > 0;
            break;
        case FLX_BOX:
        case FLX_ROWS:
        case FLX_LOAD:
            total += load_bytes(m, w);
            if (per_layer) {
                per_layer[load_chunk(m, w)->layer] += load_bytes(m, w);
            }
            n_load--;
            at += FLX_LOAD_WORDS;
            break;
        }
    }
    return total;
}

struct run_profile *run_profile_make(const struct run_trace *t,
                                     const struct run_model *m, uint32_t plan,
                                     uint32_t n_runs, struct cx *cx)
{
    const uint32_t n = m->tables->n_layer;
    struct run_profile *p = arena_new(cx->keep, struct run_profile, n);
    uint64_t *streamed = arena_new(cx->scratch, uint64_t, n);
    if (!p || !streamed) {
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct buf b;
        const char *name = layer_name(m, i, cx->scratch);
        buf_init(&b, cx->scratch);
        buf_visible(&b, name ? name : "");
        p[i].name = name ? arena_strdup(cx->keep, buf_text(&b)) : NULL;
        p[i].algorithm = m->layer ? m->layer[i].algorithm : "-";
        buf_free(&b);
        if (!p[i].name) {
            return NULL;
        }
    }
    for (uint32_t lane = 0; lane < RUN_N_LANES; lane++) {
        for (uint32_t k = 0; k < t->lane[lane].n; k++) {
            const struct run_event *e = &t->lane[lane].event[k];
            struct run_profile *row = &p[layer_of(m, lane, e->ix)];
            const double ms = (double)(e->end_ns - e->begin_ns) / 1e6 / n_runs;
            if (lane == RUN_BOXES) {
                row->box_ms += ms;
                row->n_box++;
            } else {
                row->load_ms += ms;
            }
        }
    }
    (void)run_streamed_bytes(m->tables, plan, UINT32_MAX, streamed);
    for (uint32_t i = 0; i < n; i++) {
        p[i].read_bytes = streamed[i];
        p[i].n_box /= n_runs;
        if (m->layer && p[i].box_ms > 0) {
            p[i].gflops = 2 * (double)m->layer[i].macs / p[i].box_ms / 1e6;
            p[i].peak =
                m->peak > 0 ? p[i].gflops * 1e3 / 2 / (double)m->peak : 0;
        }
    }
    return p;
}

void run_profile_print(const struct run_profile *p, uint32_t n, struct buf *out)
{
    int width = 5;
    for (uint32_t i = 0; i < n; i++) {
        const int len = (int)strlen(p[i].name);
        width = len > width && len <= 40 ? len : width;
    }
    buf_printf(out, "%-*s %6s %9s %8s %6s %11s %8s  %s\n", width, "layer",
               "boxes", "ms", "GFLOP/s", "peak", "bytes", "load ms",
               "algorithm");
    for (uint32_t i = 0; i < n; i++) {
        char peak[16] = "-";
        if (p[i].peak > 0) {
            (void)snprintf(peak, sizeof peak, "%.0f %%", 100 * p[i].peak);
        }
        buf_printf(
            out,
            "%-*.*s %6" PRIu32 " %9.3f %8.2f %6s %11" PRIu64 " %8.3f  %s\n",
            width, width, p[i].name, p[i].n_box, p[i].box_ms, p[i].gflops, peak,
            p[i].read_bytes, p[i].load_ms, p[i].algorithm);
    }
}
