#include "support/plan_emulate.h"

#include <stdlib.h>
#include <string.h>

enum { RUNS = 3, GARBAGE = 0, MAX_EXEC = 1 << 16 };

/* Tags: what lies in a byte. */
static uint64_t tag_of_row(uint32_t buf, uint64_t row, uint64_t run,
                           uint64_t state)
{
    return 1ull << 62 | (uint64_t)buf << 50 | run << 44 | row << 20 | state;
}

static uint64_t tag_of_panel(uint32_t layer, uint32_t kb, uint32_t panel)
{
    return 1ull << 61 | (uint64_t)layer << 40 | (uint64_t)kb << 20 | panel;
}

struct exec_box {
    const struct plan_box *b;
    int64_t iter;
};
struct exec_load {
    const struct plan_load *b;
    int64_t wait;
};

struct emu {
    const struct net *n;
    const struct plan *p;
    uint64_t *mem; /* a tag per byte */
    struct exec_box *box;
    uint64_t n_box;
    struct exec_load *load;
    uint64_t n_load;
    uint64_t loads_done; /* over all runs */
    uint64_t boxes_done;
    bool *present; /* per chunk */
    uint64_t run;  /* of the data that is read and written now */
    const char *why;
};

static bool spoilt(struct emu *e, const char *why)
{
    e->why = e->why ? e->why : why;
    return false;
}

static void fill(struct emu *e, uint64_t at, uint64_t len, uint64_t tag)
{
    for (uint64_t i = at; i < at + len && i < e->p->peak; i++) {
        e->mem[i] = tag;
    }
}

static bool holds(const struct emu *e, uint64_t at, uint64_t len, uint64_t tag)
{
    if (at > e->p->peak || len > e->p->peak - at) {
        return false;
    }
    for (uint64_t i = at; i < at + len; i++) {
        if (e->mem[i] != tag) {
            return false;
        }
    }
    return true;
}

/* ---- loads ---- */

static void run_load(struct emu *e)
{
    const struct plan_load *const b = e->load[e->loads_done % e->n_load].b;
    const struct chunk *const first = &e->n->c.chunk[b->chunk0];
    const uint64_t align = e->n->c.align;
    uint64_t at = b->addr;
    e->loads_done++;
    if (!b->resident) { /* a padded read spoils what is beside it */
        uint64_t bytes = 0;
        for (uint32_t i = 0; i < b->n_chunk; i++) {
            bytes += first[i].raw_bytes;
        }
        const uint64_t low = at / align * align;
        const uint64_t end = at + bytes;
        fill(e, low, (end - low + align - 1) / align * align, GARBAGE);
    }
    for (uint32_t i = 0; i < b->n_chunk; i++) {
        const struct chunk *const k = &first[i];
        const uint64_t end = at + k->raw_bytes;
        if (!(b->resident && e->present[b->chunk0 + i])) {
            const uint64_t panel =
                e->n->c.lattice[k->layer].panel_bytes[k->kblock];
            for (uint32_t p = 0; p < k->n_panel; p++) {
                fill(e, at + p * panel, panel,
                     tag_of_panel(k->layer, k->kblock, k->panel + p));
            }
        }
        e->present[b->chunk0 + i] = b->resident;
        at = end;
    }
}

/* Whether the next load's wait is over; idle: between runs. */
static bool may_load(const struct emu *e, bool idle)
{
    const int64_t run = (int64_t)(e->loads_done / e->n_load);
    const int64_t wait = e->load[e->loads_done % e->n_load].wait;
    const int64_t at = run * (int64_t)e->n_box + wait;
    const bool has_begun =
        !idle && (int64_t)e->boxes_done >= run * (int64_t)e->n_box;
    return (int64_t)e->boxes_done >= at && (wait < 0 || has_begun);
}

/* ---- boxes ---- */

static uint64_t row_end(const struct plan_box *b, uint64_t rows, int64_t iter)
{
    const int64_t end = b->row_a * iter + b->row_b;
    if (iter < 0 || end < 0) {
        return 0;
    }
    return (uint64_t)end < rows ? (uint64_t)end : rows;
}

static uint64_t row_addr(const struct emu *e, uint32_t buf, uint64_t row)
{
    const struct plan_buf *const b = &e->p->buf[buf];
    return b->addr + row % b->ring * e->n->l.buf[buf].row_bytes;
}

/* State of a row: inputs 1; else per writer the K blocks done, plus one. */
static uint64_t final_state(const struct emu *e, uint32_t writer)
{
    return (uint64_t)writer << 8 | e->n->c.lattice[writer].n_kblock;
}

/* The part of a row that a layer's panels [p0, p1) lie in: writers of one
 * buffer share its row evenly, in their order. */
static void part_of_row(const struct emu *e, uint32_t y, uint32_t p0,
                        uint32_t p1, uint64_t *from, uint64_t *len)
{
    const struct layers *const l = &e->n->l;
    const uint32_t buf = l->layer[y].out.buf;
    uint64_t n = 0;
    uint64_t before = 0;
    for (uint32_t i = 0; i < l->n_layer; i++) {
        n += l->layer[i].out.buf == buf;
        before += l->layer[i].out.buf == buf && i < y;
    }
    const uint64_t share = l->buf[buf].row_bytes / n;
    const uint64_t panels = e->n->c.lattice[y].n_panel;
    *from = before * share + share * p0 / panels;
    *len = before * share + share * p1 / panels - *from;
}

static bool rows_hold(struct emu *e, uint32_t reader, uint32_t buf, uint64_t a,
                      uint64_t b)
{
    const struct layers *const l = &e->n->l;
    for (uint64_t r = a; r < b; r++) {
        const uint64_t at = row_addr(e, buf, r);
        if (l->buf[buf].is_input) {
            if (!holds(e, at, l->buf[buf].row_bytes,
                       tag_of_row(buf, r, e->run, 1))) {
                return spoilt(e, "an input is spoilt");
            }
            continue;
        }
        for (uint32_t y = 0; y < reader; y++) {
            uint64_t from = 0;
            uint64_t len = 0;
            if (l->layer[y].out.buf == buf) {
                part_of_row(e, y, 0, e->n->c.lattice[y].n_panel, &from, &len);
                if (!holds(e, at + from, len,
                           tag_of_row(buf, r, e->run, final_state(e, y)))) {
                    return spoilt(e, "an input row is not there");
                }
            }
        }
    }
    return true;
}

static bool box_weights(struct emu *e, const struct plan_box *b)
{
    const struct lattice *const t = &e->n->c.lattice[b->layer];
    if (t->n_chunk == 0) {
        return true;
    }
    const uint64_t panel = t->panel_bytes[b->kblock];
    for (uint32_t p = b->p0; p < b->p1; p++) {
        if (!holds(e, b->w_addr + (p - b->p0) * panel, panel,
                   tag_of_panel(b->layer, b->kblock, p))) {
            return spoilt(e, "weights are not there");
        }
    }
    return true;
}

static bool box_output(struct emu *e, const struct plan_box *b, uint64_t r0,
                       uint64_t r1)
{
    const uint32_t buf = e->n->l.layer[b->layer].out.buf;
    uint64_t from = 0;
    uint64_t len = 0;
    part_of_row(e, b->layer, b->p0, b->p1, &from, &len);
    for (uint64_t r = r0; r < r1; r++) {
        const uint64_t at = row_addr(e, buf, r) + from;
        const uint64_t state = (uint64_t)b->layer << 8 | (b->kblock + 1);
        if (b->kblock > 0 &&
            !holds(e, at, len, tag_of_row(buf, r, e->run, state - 1))) {
            return spoilt(e, "partial sums are not there");
        }
        fill(e, at, len, tag_of_row(buf, r, e->run, state));
    }
    return true;
}

static bool run_box(struct emu *e, const struct exec_box *x)
{
    const struct plan_box *const b = x->b;
    const struct layer *const y = &e->n->l.layer[b->layer];
    const uint64_t r0 = b->by_row ? row_end(b, y->rows, x->iter - 1) : 0;
    const uint64_t r1 = b->by_row ? row_end(b, y->rows, x->iter) : y->rows;
    if (r1 <= r0) {
        return true;
    }
    fill(e, e->p->scratch[b->layer].addr,
         e->p->scratch[b->layer].bytes * e->p->n_thread, GARBAGE);
    if (!box_weights(e, b)) {
        return false;
    }
    for (uint32_t i = 0; i < layer_n_read(y); i++) {
        uint64_t a = 0;
        uint64_t end = 0;
        row_map_need(&y->in[i].map, r0, r1, &a, &end);
        if (!rows_hold(e, b->layer, y->in[i].buf, a, end)) {
            return false;
        }
    }
    return box_output(e, b, r0, r1);
}

/* ---- runs ---- */

static void caller_writes_inputs(struct emu *e)
{
    for (uint32_t i = 0; i < e->n->l.n_buf; i++) {
        const struct buffer *const b = &e->n->l.buf[i];
        for (uint64_t r = 0; b->is_input && r < b->rows; r++) {
            fill(e, row_addr(e, i, r), b->row_bytes,
                 tag_of_row(i, r, e->run, 1));
        }
    }
}

static bool caller_reads_outputs(struct emu *e)
{
    for (uint32_t i = 0; i < e->n->l.n_buf; i++) {
        const struct buffer *const b = &e->n->l.buf[i];
        if (b->is_output && !b->is_input &&
            !rows_hold(e, e->n->l.n_layer, i, 0, b->rows)) {
            return spoilt(e, "an output is spoilt");
        }
    }
    return true;
}

static bool one_run(struct emu *e, enum emulate_when when)
{
    for (uint64_t i = 0; i < e->n_box; i++) {
        const uint64_t run = e->boxes_done / e->n_box;
        const struct exec_box *const x = &e->box[i];
        const uint64_t need =
            run * e->n_load +
            (uint64_t)(x->b->wait + x->b->wait_step * x->iter);
        while (e->n_load > 0 &&
               (e->loads_done < need ||
                (when == EMULATE_EAGER && may_load(e, false)))) {
            if (!may_load(e, false)) {
                return spoilt(e, "deadlock");
            }
            run_load(e);
        }
        if (!run_box(e, x)) {
            return false;
        }
        e->boxes_done++;
    }
    return true;
}

static bool all_runs(struct emu *e, enum emulate_when when)
{
    for (uint32_t run = 0; run < RUNS; run++) {
        e->run = run;
        caller_writes_inputs(e);
        while (e->n_load > 0 && when == EMULATE_EAGER && may_load(e, true)) {
            run_load(e);
        }
        e->run = run - 1u;
        if (run > 0 && !caller_reads_outputs(e)) {
            return false;
        }
        e->run = run;
        if (!one_run(e, when)) {
            return false;
        }
    }
    return caller_reads_outputs(e);
}

static bool unroll(struct emu *e)
{
    const struct plan *const p = e->p;
    for (uint32_t i = 0; i < p->n_box; i++) {
        const bool loop = p->box[i].op == PLAN_LOOP;
        const uint32_t n_iter = loop ? p->box[i].n_iter : 1;
        const uint32_t body = loop ? p->box[i].body : 1;
        for (uint32_t t = 0; t < n_iter && p->box[i].op != PLAN_END; t++) {
            for (uint32_t k = 0; k < body; k++) {
                if (e->n_box == MAX_EXEC) {
                    return spoilt(e, "too long");
                }
                e->box[e->n_box++] =
                    (struct exec_box){&p->box[i + k + loop], t};
            }
        }
        i += loop ? body : 0;
    }
    for (uint32_t i = 0; i < p->n_load; i++) {
        const bool loop = p->load[i].op == PLAN_LOOP;
        const uint32_t n_iter = loop ? p->load[i].n_iter : 1;
        const uint32_t body = loop ? p->load[i].body : 1;
        for (uint32_t t = 0; t < n_iter && p->load[i].op != PLAN_END; t++) {
            for (uint32_t k = 0; k < body; k++) {
                const struct plan_load *const b = &p->load[i + k + loop];
                if (e->n_load == MAX_EXEC) {
                    return spoilt(e, "too long");
                }
                e->load[e->n_load++] =
                    (struct exec_load){b, b->wait + b->wait_step * t};
            }
        }
        i += loop ? body : 0;
    }
    return true;
}

bool plan_emulate(const struct net *n, const struct plan *p,
                  enum emulate_when when, const char **why)
{
    struct emu e = {.n = n, .p = p};
    e.mem = calloc(p->peak + 1, sizeof *e.mem);
    e.box = calloc(MAX_EXEC, sizeof *e.box);
    e.load = calloc(MAX_EXEC, sizeof *e.load);
    e.present = calloc(n->c.n_chunk + 1, sizeof *e.present);
    assert_true(e.mem && e.box && e.load && e.present);
    const bool ok = unroll(&e) && all_runs(&e, when);
    free(e.mem);
    free(e.box);
    free(e.load);
    free(e.present);
    *why = e.why;
    return ok;
}
