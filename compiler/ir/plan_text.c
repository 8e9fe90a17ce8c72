#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/numtext.h"
#include "ir/plan.h"

enum { PLAN_TEXT_VERSION = 1, MAX_WORD = 40, MAX_WORDS = 12 };

/* Single numbers of a plan, in the order of the text. */
struct field {
    const char *name;
    size_t off;
    bool is_wide; /* 64 bits, else 32 */
};
#define WIDE(NAME, FIELD)                                                      \
    {                                                                          \
        NAME, offsetof(struct plan, FIELD), true                               \
    }
#define NARROW(NAME, FIELD)                                                    \
    {                                                                          \
        NAME, offsetof(struct plan, FIELD), false                              \
    }
static const struct field fields[] = {
    WIDE("peak", peak),
    WIDE("state", state_bytes),
    WIDE("resident", resident_bytes),
    WIDE("streamed", streamed_bytes),
    WIDE("read", read_bytes),
    NARROW("threads", n_thread),
    NARROW("in-flight", in_flight),
    WIDE("latency-ns", latency_ns),
    WIDE("bound-ns", bound_ns),
    WIDE("longest-step-ns", longest_step_ns),
    NARROW("peak-layer", peak_layer),
    WIDE("steps", n_step),
    WIDE("executed-loads", n_load_run),
};

static uint64_t field_get(const struct plan *p, const struct field *f)
{
    const unsigned char *const at = (const unsigned char *)p + f->off;
    uint64_t wide = 0;
    uint32_t narrow = 0;
    if (f->is_wide) {
        memcpy(&wide, at, sizeof wide);
        return wide;
    }
    memcpy(&narrow, at, sizeof narrow);
    return narrow;
}

static bool field_set(struct plan *p, const struct field *f, uint64_t v)
{
    unsigned char *const at = (unsigned char *)p + f->off;
    const uint32_t narrow = (uint32_t)v;
    if (f->is_wide) {
        memcpy(at, &v, sizeof v);
        return true;
    }
    memcpy(at, &narrow, sizeof narrow);
    return v <= UINT32_MAX;
}

static unsigned long long ull(uint64_t v)
{
    return v;
}

static void print_box(const struct plan_box *b, struct buf *out)
{
    switch (b->op) {
    case PLAN_BOX:
        buf_printf(out, "%s%s %u %u %u %u %llu %lld",
                   b->mapped ? "mapped-" : "", b->by_row ? "rows" : "box",
                   b->layer, b->p0, b->p1, b->kblock, ull(b->w_addr),
                   (long long)b->wait);
        if (b->by_row) {
            buf_printf(out, " %lld %lld %lld", (long long)b->wait_step,
                       (long long)b->row_a, (long long)b->row_b);
        }
        buf_char(out, '\n');
        break;
    case PLAN_LOOP:
        buf_printf(out, "loop %u %u\n", b->n_iter, b->body);
        break;
    case PLAN_END:
    case PLAN_LOAD: /* never in this list */
        buf_str(out, "end\n");
        break;
    }
}

static void print_load(const struct plan_load *b, struct buf *out)
{
    switch (b->op) {
    case PLAN_LOAD:
        if (b->picks) {
            buf_printf(out, "pick-load %u %u %llu %lld %lld\n", b->layer,
                       b->chunk0, ull(b->addr), (long long)b->wait,
                       (long long)b->wait_step);
            break;
        }
        buf_printf(out, "%s %u %u %llu %lld %lld\n",
                   b->resident ? "resident-load" : "load", b->chunk0,
                   b->n_chunk, ull(b->addr), (long long)b->wait,
                   (long long)b->wait_step);
        break;
    case PLAN_LOOP:
        buf_printf(out, "loop %u %u\n", b->n_iter, b->body);
        break;
    case PLAN_END:
    case PLAN_BOX: /* never in this list */
        buf_str(out, "end\n");
        break;
    }
}

bool plan_print(const struct plan *p, struct buf *out)
{
    buf_printf(out, "plan %d\n", PLAN_TEXT_VERSION);
    buf_printf(out, "budget %llu %s\n", ull(p->budget),
               p->budget_text ? p->budget_text : "-");
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        buf_printf(out, "%s %llu\n", fields[i].name,
                   ull(field_get(p, &fields[i])));
    }
    buf_printf(out, "buffers %u # address ring\n", p->n_buf);
    for (uint32_t i = 0; i < p->n_buf; i++) {
        buf_printf(out, "%llu %llu\n", ull(p->buf[i].addr),
                   ull(p->buf[i].ring));
    }
    buf_printf(out, "scratch %u # address bytes\n", p->n_layer);
    for (uint32_t i = 0; i < p->n_layer; i++) {
        buf_printf(out, "%llu %llu\n", ull(p->scratch[i].addr),
                   ull(p->scratch[i].bytes));
    }
    buf_printf(out,
               "boxes %u # layer p0 p1 kblock weights wait"
               " [wait-step row-a row-b]\n",
               p->n_box);
    for (uint32_t i = 0; i < p->n_box; i++) {
        print_box(&p->box[i], out);
    }
    buf_printf(out, "loads %u # chunk chunks address wait wait-step\n",
               p->n_load);
    for (uint32_t i = 0; i < p->n_load; i++) {
        print_load(&p->load[i], out);
    }
    buf_printf(out,
               "boundaries %u # id lo hi box boxes load loads iterations"
               " load-iteration\n",
               p->n_boundary);
    for (uint32_t i = 0; i < p->n_boundary; i++) {
        const struct plan_boundary *const b = &p->boundary[i];
        buf_printf(out, "%u %u %u %u %llu %u %llu %u %u\n", b->id, b->lo, b->hi,
                   b->box_ix, ull(b->box_count), b->load_ix, ull(b->load_count),
                   b->n_iter, b->load_iter);
    }
    buf_str(out, "end-of-plan\n");
    return buf_ok(out);
}

/* ---- reading ---- */

/* One line cut into words; words beyond MAX_WORDS or longer than MAX_WORD make
 * the line wrong. */
struct text {
    struct span rest;
    uint64_t line;
    uint32_t n;
    char word[MAX_WORDS][MAX_WORD];
    struct cx *cx;
};

static bool bad(struct text *t, const char *what)
{
    return diag_error(t->cx->diag, E_TEXT, at_line(t->line), "%s expected here",
                      what);
}

/* The next line with words on it. */
static bool next(struct text *t, const char *what)
{
    struct span line;
    do {
        t->line++;
        if (!span_line(&t->rest, &line)) {
            return bad(t, what);
        }
        t->n = 0;
        struct span w;
        while (span_word(&line, &w) && w.data[0] != '#') {
            if (t->n == MAX_WORDS || w.len >= MAX_WORD ||
                memchr(w.data, 0, w.len)) {
                return bad(t, what);
            }
            memcpy(t->word[t->n], w.data, w.len);
            t->word[t->n++][w.len] = '\0';
        }
    } while (t->n == 0);
    return true;
}

/* A line `name number`. */
static bool number(struct text *t, const char *name, uint64_t *out)
{
    return next(t, name) && ((t->n == 2 && strcmp(t->word[0], name) == 0 &&
                              parse_u64(t->word[1], out)) ||
                             bad(t, name));
}

/* A line `name count`; no more than the lines that can follow. */
static bool count(struct text *t, const char *name, uint32_t *out)
{
    uint64_t n = 0;
    if (!number(t, name, &n)) {
        return false;
    }
    if (n > t->rest.len) {
        return bad(t, "a smaller count");
    }
    *out = (uint32_t)n;
    return n <= UINT32_MAX || bad(t, "a smaller count");
}

static bool u32_at(const struct text *t, uint32_t i, uint32_t *out)
{
    return i < t->n && parse_u32(t->word[i], out);
}

static bool u64_at(const struct text *t, uint32_t i, uint64_t *out)
{
    return i < t->n && parse_u64(t->word[i], out);
}

static bool i64_at(const struct text *t, uint32_t i, int64_t *out)
{
    return i < t->n && parse_i64(t->word[i], out);
}

static bool is(const struct text *t, const char *word, uint32_t n)
{
    return t->n == n && strcmp(t->word[0], word) == 0;
}

static bool read_box(struct text *t, struct plan_box *b)
{
    if (is(t, "end", 1)) {
        b->op = PLAN_END;
        return true;
    }
    if (is(t, "loop", 3)) {
        b->op = PLAN_LOOP;
        return u32_at(t, 1, &b->n_iter) && u32_at(t, 2, &b->body);
    }
    b->op = PLAN_BOX;
    b->by_row = is(t, "rows", 10) || is(t, "mapped-rows", 10);
    b->mapped = is(t, "mapped-box", 7) || is(t, "mapped-rows", 10);
    return (b->by_row || b->mapped || is(t, "box", 7)) &&
           u32_at(t, 1, &b->layer) && u32_at(t, 2, &b->p0) &&
           u32_at(t, 3, &b->p1) && u32_at(t, 4, &b->kblock) &&
           u64_at(t, 5, &b->w_addr) && i64_at(t, 6, &b->wait) &&
           (!b->by_row || (i64_at(t, 7, &b->wait_step) &&
                           i64_at(t, 8, &b->row_a) && i64_at(t, 9, &b->row_b)));
}

static bool read_load(struct text *t, struct plan_load *b)
{
    if (is(t, "end", 1)) {
        b->op = PLAN_END;
        return true;
    }
    if (is(t, "loop", 3)) {
        b->op = PLAN_LOOP;
        return u32_at(t, 1, &b->n_iter) && u32_at(t, 2, &b->body);
    }
    b->op = PLAN_LOAD;
    if (is(t, "pick-load", 6)) {
        b->picks = true;
        b->n_chunk = 1;
        return u32_at(t, 1, &b->layer) && u32_at(t, 2, &b->chunk0) &&
               u64_at(t, 3, &b->addr) && i64_at(t, 4, &b->wait) &&
               i64_at(t, 5, &b->wait_step);
    }
    b->resident = is(t, "resident-load", 6);
    return (b->resident || is(t, "load", 6)) && u32_at(t, 1, &b->chunk0) &&
           u32_at(t, 2, &b->n_chunk) && u64_at(t, 3, &b->addr) &&
           i64_at(t, 4, &b->wait) && i64_at(t, 5, &b->wait_step);
}

static bool read_boundary(struct text *t, struct plan_boundary *b)
{
    return t->n == 9 && u32_at(t, 0, &b->id) && u32_at(t, 1, &b->lo) &&
           u32_at(t, 2, &b->hi) && u32_at(t, 3, &b->box_ix) &&
           u64_at(t, 4, &b->box_count) && u32_at(t, 5, &b->load_ix) &&
           u64_at(t, 6, &b->load_count) && u32_at(t, 7, &b->n_iter) &&
           u32_at(t, 8, &b->load_iter);
}

static bool read_head(struct text *t, struct plan *p)
{
    uint64_t v = 0;
    if (!number(t, "plan", &v) ||
        (v != PLAN_TEXT_VERSION && !bad(t, "plan 1")) || !next(t, "budget")) {
        return false;
    }
    if (!is(t, "budget", 3) || !u64_at(t, 1, &p->budget)) {
        return bad(t, "budget BYTES TEXT");
    }
    p->budget_text = arena_strdup(t->cx->keep, t->word[2]);
    if (!p->budget_text) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (!number(t, fields[i].name, &v)) {
            return false;
        }
        if (!field_set(p, &fields[i], v)) {
            return bad(t, "a 32-bit number");
        }
    }
    return true;
}

static bool read_places(struct text *t, struct plan *p)
{
    struct arena *const keep = t->cx->keep;
    if (!count(t, "buffers", &p->n_buf) ||
        !(p->buf = arena_new(keep, struct plan_buf, p->n_buf))) {
        return false;
    }
    for (uint32_t i = 0; i < p->n_buf; i++) {
        if (!next(t, "ADDRESS RING")) {
            return false;
        }
        if (t->n != 2 || !u64_at(t, 0, &p->buf[i].addr) ||
            !u64_at(t, 1, &p->buf[i].ring)) {
            return bad(t, "ADDRESS RING");
        }
    }
    if (!count(t, "scratch", &p->n_layer) ||
        !(p->scratch = arena_new(keep, struct plan_scratch, p->n_layer))) {
        return false;
    }
    for (uint32_t i = 0; i < p->n_layer; i++) {
        if (!next(t, "ADDRESS BYTES")) {
            return false;
        }
        if (t->n != 2 || !u64_at(t, 0, &p->scratch[i].addr) ||
            !u64_at(t, 1, &p->scratch[i].bytes)) {
            return bad(t, "ADDRESS BYTES");
        }
    }
    return true;
}

static bool read_boxes(struct text *t, struct plan *p)
{
    if (!count(t, "boxes", &p->n_box) ||
        !(p->box = arena_new(t->cx->keep, struct plan_box, p->n_box))) {
        return false;
    }
    for (uint32_t i = 0; i < p->n_box; i++) {
        if (!next(t, "an entry of boxes")) {
            return false;
        }
        if (!read_box(t, &p->box[i])) {
            return bad(t, "an entry of boxes");
        }
    }
    return true;
}

static bool read_loads(struct text *t, struct plan *p)
{
    if (!count(t, "loads", &p->n_load) ||
        !(p->load = arena_new(t->cx->keep, struct plan_load, p->n_load))) {
        return false;
    }
    for (uint32_t i = 0; i < p->n_load; i++) {
        if (!next(t, "an entry of loads")) {
            return false;
        }
        if (!read_load(t, &p->load[i])) {
            return bad(t, "an entry of loads");
        }
    }
    return true;
}

static bool read_boundaries(struct text *t, struct plan *p)
{
    if (!count(t, "boundaries", &p->n_boundary) ||
        !(p->boundary =
              arena_new(t->cx->keep, struct plan_boundary, p->n_boundary))) {
        return false;
    }
    for (uint32_t i = 0; i < p->n_boundary; i++) {
        if (!next(t, "an entry of boundaries")) {
            return false;
        }
        if (!read_boundary(t, &p->boundary[i])) {
            return bad(t, "an entry of boundaries");
        }
    }
    return true;
}

/* Only comments and empty lines are left. */
static bool at_end(struct text *t)
{
    struct span line;
    while (span_line(&t->rest, &line)) {
        struct span w;
        t->line++;
        if (span_word(&line, &w) && w.data[0] != '#') {
            return bad(t, "the end of the text");
        }
    }
    return true;
}

bool plan_parse(struct span text, struct cx *cx, struct plan *p)
{
    struct text t = {.rest = text, .cx = cx};
    struct plan out = {0};
    if (!read_head(&t, &out) || !read_places(&t, &out) ||
        !read_boxes(&t, &out) || !read_loads(&t, &out) ||
        !read_boundaries(&t, &out) || !next(&t, "end-of-plan")) {
        return false;
    }
    if (!is(&t, "end-of-plan", 1)) {
        return bad(&t, "end-of-plan");
    }
    if (!at_end(&t)) {
        return false;
    }
    *p = out;
    return true;
}
