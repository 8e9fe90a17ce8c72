#include "planner/plan_work.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/size.h"

/* Stripe heights tried, times the last layer's row grid. */
static const uint32_t stripes[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64};

enum {
    MAX_CASCADE = 64, /* layers */
    LEAD_ROWS = 48    /* of the last layer: about the halo of a long cascade */
};

/* ---- who writes and reads a buffer ---- */

static bool index_buffers(struct work *w)
{
    const struct layers *const l = w->l;
    struct arena *const a = w->cx->scratch;
    uint64_t n_use = 0;
    for (uint32_t y = 0; y < l->n_layer; y++) {
        n_use += l->layer[y].n_in;
    }
    w->full = arena_new(a, uint64_t, l->n_buf);
    w->writer = arena_new(a, uint32_t, l->n_layer);
    w->writer_at = arena_new(a, uint32_t, (uint64_t)l->n_buf + 1);
    w->reader = arena_new(a, struct buf_read, n_use);
    w->reader_at = arena_new(a, uint32_t, (uint64_t)l->n_buf + 1);
    if (!w->full || !w->writer || !w->writer_at || !w->reader ||
        !w->reader_at) {
        return false;
    }
    uint32_t n_writer = 0;
    uint32_t n_reader = 0;
    for (uint32_t b = 0; b < l->n_buf; b++) {
        const struct buffer *const x = &l->buf[b];
        w->full[b] = size_div_up(x->rows * x->row_bytes, 64) * 64;
        w->io_bytes += x->is_input || x->is_output ? w->full[b] : 0;
        w->writer_at[b] = n_writer;
        w->reader_at[b] = n_reader;
        for (uint32_t y = x->first; y < l->n_layer && y <= x->last; y++) {
            const struct layer *const layer = &l->layer[y];
            if (layer->out.buf == b) {
                w->writer[n_writer++] = y;
            }
            for (uint32_t i = 0; i < layer->n_in; i++) {
                if (layer->in[i].buf == b) {
                    w->reader[n_reader++] = (struct buf_read){y, &layer->in[i]};
                }
            }
        }
    }
    w->writer_at[l->n_buf] = n_writer;
    w->reader_at[l->n_buf] = n_reader;
    return true;
}

/* ---- segments ---- */

static bool is_live(const struct buffer *b, uint32_t y)
{
    return (b->is_input || b->first <= y) && b->last >= y;
}

static uint64_t live_bytes(const struct work *w, uint32_t y)
{
    uint64_t sum = 0;
    for (uint32_t b = 0; b < w->l->n_buf; b++) {
        sum += is_live(&w->l->buf[b], y) ? w->full[b] : 0;
    }
    return sum;
}

static uint64_t scratch_of(const struct work *w, uint32_t y)
{
    return w->k->cand[y].scratch_bytes * w->k->n_thread;
}

static uint64_t box_ns(const struct work *w, uint32_t y, uint64_t rows)
{
    return cand_box_ns(&w->k->cand[y], &w->l->layer[y], &w->c->lattice[y], rows,
                       w->c->lattice[y].n_panel);
}

/* What cutting layer y into n boxes costs: calls, and reading its weights
 * again from memory. */
static uint64_t cut_ns(const struct work *w, uint32_t y, uint64_t n)
{
    const struct lattice *const t = &w->c->lattice[y];
    uint64_t bytes = 0;
    for (uint32_t i = t->chunk0; i < t->chunk0 + t->n_chunk; i++) {
        bytes += w->c->chunk[i].raw_bytes;
    }
    const uint64_t reread = bytes * 1000 / w->d->speed[SPEED_WEIGHTS];
    const struct cand *const k = &w->k->cand[y];
    return (n - 1) * (k->box_ns * t->n_kblock + k->panels_ns + reread);
}

/* The operand in slot i of a layer (the output last), unless an earlier slot
 * has the same buffer or it has none. */
static const struct buffer *touched(const struct work *w, uint32_t y,
                                    uint32_t i, uint32_t *ix)
{
    const struct layer *const x = &w->l->layer[y];
    *ix = i < x->n_in ? x->in[i].buf : x->out.buf;
    for (uint32_t j = 0; j < i; j++) {
        if (x->in[j].buf == *ix) {
            return NULL;
        }
    }
    return *ix < w->l->n_buf ? &w->l->buf[*ix] : NULL;
}

/* Bytes of buffers of the cascade when layer lo has just joined those after
 * it: so far `bytes`, plus what dies at lo, less what can roll now. */
static uint64_t join_bytes(const struct work *w, const struct cascade *c,
                           uint64_t bytes)
{
    const uint32_t lo = c->lo;
    for (uint32_t i = 0; i <= w->l->layer[lo].n_in; i++) {
        uint32_t ix = 0;
        const struct buffer *const x = touched(w, lo, i, &ix);
        if (!x) {
            continue;
        }
        if (x->last == lo && c->hi - lo > 1) {
            bytes += w->full[ix];
        }
        if (x->first == lo && x->last < c->hi && !x->whole && !x->is_input &&
            !x->is_output) {
            bytes -= w->full[ix];
            bytes +=
                size_div_up(cascade_ring(w, c, ix) * x->row_bytes, 64) * 64;
        }
    }
    return bytes;
}

static bool add_segment(struct work *w, struct segment s, uint32_t *cap)
{
    struct segment *const x =
        arena_push(w->cx->scratch, w->seg, &w->n_seg, cap);
    if (x) {
        *x = s;
    }
    return x != NULL;
}

/* Whether another way over the same layers is as good in every respect: the
 * layers one by one, or the same cascade with other stripes. */
static bool is_useless(const struct work *w, const struct segment *s)
{
    uint64_t solo = 0;
    for (uint32_t y = s->lo; y < s->hi; y++) {
        solo = size_max(solo, w->solo[y]);
    }
    if (w->opt->max_step_us > 0) {
        return false;
    }
    if (s->bytes >= solo || s->hi - s->lo < 2) {
        return true;
    }
    for (uint32_t i = w->seg_at[s->hi]; i < w->n_seg; i++) {
        const struct segment *const x = &w->seg[i];
        if (x->lo == s->lo && x->bytes <= s->bytes &&
            x->cost_ns <= s->cost_ns) {
            return true;
        }
    }
    return false;
}

/* All cascades that end with layer hi - 1 and stripes of this height. */
static bool add_cascades(struct work *w, uint32_t hi, uint32_t stripe,
                         uint32_t lead, struct cascade *c, uint32_t *cap)
{
    if (!cascade_start(w, hi, stripe, lead, c)) {
        return true;
    }
    uint64_t buffers = join_bytes(w, c, live_bytes(w, hi - 1));
    struct segment s = {.hi = hi, .stripe = stripe, .lead = lead};
    uint64_t scratch = 0;
    uint32_t idle = c->n_iter;
    do {
        const uint32_t y = c->lo;
        if (y != hi - 1) {
            buffers = join_bytes(w, c, buffers);
        }
        scratch = size_max(scratch, scratch_of(w, y));
        idle = cascade_idle(c, y) < idle ? cascade_idle(c, y) : idle;
        s.lo = y;
        s.bytes = buffers + scratch;
        s.n_iter = c->n_iter - idle;
        s.cost_ns += cut_ns(w, y, c->n_iter);
        const uint64_t rows =
            size_max((uint64_t)c->a[y], cascade_end(w, c, y, 0));
        s.longest_ns = size_max(
            s.longest_ns, box_ns(w, y, size_min(rows, w->l->layer[y].rows)));
        if (!is_useless(w, &s) && !add_segment(w, s, cap)) {
            return false;
        }
    } while (hi - c->lo < MAX_CASCADE && cascade_extend(w, c));
    return true;
}

static bool list_segments(struct work *w)
{
    const uint32_t n = w->l->n_layer;
    struct arena *const a = w->cx->scratch;
    struct cascade c = {.a = arena_new(a, int64_t, n),
                        .b = arena_new(a, int64_t, n)};
    uint32_t cap = 0;
    w->seg_at = arena_new(a, uint32_t, (uint64_t)n + 2);
    w->solo = arena_new(a, uint64_t, n);
    if (!c.a || !c.b || !w->seg_at || !w->solo) {
        return false;
    }
    for (uint32_t y = 0; y < n; y++) {
        w->solo[y] = live_bytes(w, y) + scratch_of(w, y);
    }
    for (uint32_t hi = 1; hi <= n; hi++) {
        const uint32_t y = hi - 1;
        const uint64_t grid = size_max(w->k->cand[y].row_grid, 1);
        const struct segment solo = {
            .lo = y,
            .hi = hi,
            .n_iter = 1,
            .bytes = w->solo[y],
            .longest_ns = box_ns(w, y, w->l->layer[y].rows),
        };
        w->seg_at[hi] = w->n_seg;
        if (!add_segment(w, solo, &cap)) {
            return false;
        }
        for (uint32_t i = 0; i < ARRAY_LEN(stripes); i++) {
            const uint64_t stripe = stripes[i] * grid;
            if (stripe < w->l->layer[y].rows &&
                (!add_cascades(w, hi, (uint32_t)stripe, 0, &c, &cap) ||
                 !add_cascades(w, hi, (uint32_t)stripe,
                               (uint32_t)size_div_up(LEAD_ROWS, stripe), &c,
                               &cap))) {
                return false;
            }
        }
    }
    w->seg_at[n + 1] = w->n_seg;
    return true;
}

/* ---- resident prefixes ---- */

static int by_place(const void *a, const void *b)
{
    const struct chunk *const *const x = a;
    const struct chunk *const *const y = b;
    return (*x)->res_off < (*y)->res_off ? -1 : (*x)->res_off > (*y)->res_off;
}

/* Prefixes after whole chunks. The panels of a K block of a layer that cannot
 * be cut there are in or out together, and in one piece. */
static bool list_cuts(struct work *w)
{
    const uint32_t n = w->c->n_chunk;
    struct arena *const a = w->cx->scratch;
    const struct chunk **const x = arena_new(a, const struct chunk *, n);
    w->cut = arena_new(a, uint64_t, (uint64_t)n + 1);
    if (!x || !w->cut) {
        return false;
    }
    w->n_cut = 1; /* nothing */
    for (uint32_t i = 0; i < n; i++) {
        x[i] = &w->c->chunk[i];
        /* Of a table no run needs more than a few. */
        w->stored += w->c->lattice[x[i]->layer].panel_entries > 0
                         ? 0
                         : x[i]->stored_bytes;
    }
    if (w->is_mapped) {
        return true;
    }
    qsort(x, n, sizeof(const struct chunk *), by_place);
    uint32_t n_open = 0; /* K blocks that are partly in */
    for (uint32_t i = 0; i < n; i++) {
        const struct chunk *const k = x[i];
        if (!w->k->cand[k->layer].panels_cut) {
            const uint32_t end = k->panel + k->n_panel;
            if (k->panel > 0 && k[-1].res_off + k[-1].raw_bytes != k->res_off) {
                return true; /* apart: no longer prefix will do */
            }
            n_open += k->panel == 0 ? 1 : 0;
            n_open -= end == w->c->lattice[k->layer].n_panel ? 1 : 0;
        }
        if (n_open == 0) {
            w->cut[w->n_cut++] = k->res_off + k->raw_bytes;
        }
    }
    return true;
}

bool work_make(struct work *w)
{
    w->align = 64;
    bool all_raw = true;
    for (uint32_t i = 0; i < w->c->n_chunk; i++) {
        all_raw = all_raw && w->c->chunk[i].codec == CODEC_RAW;
    }
    if (all_raw) {
        w->align = w->c->align;
    }
    w->is_mapped = w->d->storage == STORAGE_MAPPED && all_raw;
    w->before_ns =
        arena_new(w->cx->scratch, uint64_t, (uint64_t)w->l->n_layer + 1);
    w->first_chunk = arena_new(w->cx->scratch, uint32_t, w->l->n_layer);
    if (!w->before_ns || !w->first_chunk) {
        return false;
    }
    uint32_t chunk = w->c->n_chunk;
    for (uint32_t y = w->l->n_layer; y-- > 0;) {
        while (chunk > 0 && w->c->chunk[chunk - 1].layer >= y) {
            chunk--;
        }
        w->first_chunk[y] = chunk;
    }
    for (uint32_t y = 0; y < w->l->n_layer; y++) {
        const uint64_t ns =
            w->c->lattice[y].n_kblock * box_ns(w, y, w->l->layer[y].rows);
        w->before_ns[y + 1] = w->before_ns[y] + ns;
    }
    w->all_ns = w->before_ns[w->l->n_layer];
    return index_buffers(w) && list_cuts(w) && list_segments(w);
}
