#include "planner/plan_work.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/size.h"

/* Stripe heights tried, times the last layer's row grid. */
static const uint32_t stripes[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64};

enum {
    SMALL_LAYERS = 32,
    SMALL_CHUNKS = 64,
    LEAD_ROWS = 48 /* of the last layer: about the halo of a long cascade */
};

/* ---- who writes and reads a buffer ---- */

static bool index_buffers(struct work *w)
{
    const struct layers *const l = w->l;
    struct arena *const a = w->cx->scratch;
    struct layer_uses uses;
    uint64_t n_use = 0;
    for (uint32_t y = 0; y < l->n_layer; y++) {
        n_use += layer_n_read(&l->layer[y]);
    }
    w->full = arena_new(a, uint64_t, l->n_buf);
    w->writer = arena_new(a, uint32_t, l->n_layer);
    w->writer_at = arena_new(a, uint32_t, (uint64_t)l->n_buf + 1);
    w->reader = arena_new(a, struct buf_read, n_use);
    w->reader_at = arena_new(a, uint32_t, (uint64_t)l->n_buf + 1);
    if (!w->full || !w->writer || !w->writer_at || !w->reader ||
        !w->reader_at || !layers_uses(l, a, &uses)) {
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
        for (uint32_t k = uses.at[b]; k < uses.at[b + 1]; k++) {
            const uint32_t y = uses.layer[k];
            const struct layer *const layer = &l->layer[y];
            if (layer->out.buf == b) {
                w->writer[n_writer++] = y;
            }
            for (uint32_t i = 0; i < layer_n_read(layer); i++) {
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

/* ---- buffers over each other ---- */

/* Readers leave rows behind that nobody needs any more. */
static bool sheds_rows(const struct work *w, uint32_t ix)
{
    const struct buffer *const b = &w->l->buf[ix];
    bool sheds = w->reader_at[ix] < w->reader_at[ix + 1] && !b->is_output &&
                 (!b->whole || b->is_input);
    for (uint32_t i = w->reader_at[ix]; sheds && i < w->reader_at[ix + 1];
         i++) {
        const struct layer *const y = &w->l->layer[w->reader[i].layer];
        sheds =
            operand_first_row(y, w->reader[i].o, b->row_bytes, y->rows - 1) > 0;
    }
    return sheds;
}

/* Before which layers a buffer may be over others: [first, end). */
static struct run over_of(const struct work *w, uint32_t b)
{
    const struct buffer *const x = &w->l->buf[b];
    struct run r = {.first = x->is_input ? 0 : x->first + 1};
    if (w->writer_at[b] < w->writer_at[b + 1]) {
        const uint32_t last = w->writer[w->writer_at[b + 1] - 1];
        r.first = last + 1 > r.first ? last + 1 : r.first;
    }
    r.end = sheds_rows(w, b) ? w->reader[w->reader_at[b]].layer + 1 : 0;
    return r;
}

/* Whether it may be under others. */
static bool is_under(const struct work *w, uint32_t b)
{
    const struct buffer *const x = &w->l->buf[b];
    return w->writer_at[b] < w->writer_at[b + 1] && !x->is_input && !x->whole;
}

/* Lists those of each kind by the layer that a cascade with the pair has. */
static bool list_overlays(struct work *w)
{
    const uint32_t n = w->l->n_layer;
    struct arena *const a = w->cx->scratch;
    w->over_run = arena_new(a, struct run, w->l->n_buf);
    w->over = arena_new(a, uint32_t, w->l->n_buf);
    w->over_at = arena_new(a, uint32_t, (uint64_t)n + 2);
    w->under = arena_new(a, uint32_t, n);
    if (!w->over_run || !w->over || !w->over_at || !w->under) {
        return false;
    }
    for (uint32_t y = 0; y < n; y++) {
        w->under[y] = UINT32_MAX;
    }
    for (uint32_t b = 0; b < w->l->n_buf; b++) {
        const struct buffer *const x = &w->l->buf[b];
        w->over_run[b] = over_of(w, b);
        if (w->over_run[b].first < w->over_run[b].end && x->last < n) {
            w->over_at[x->last + 2]++;
        }
        if (x->first < n && is_under(w, b)) {
            w->under[x->first] = b;
        }
    }
    for (uint32_t i = 2; i <= n + 1; i++) {
        w->over_at[i] += w->over_at[i - 1];
    }
    for (uint32_t b = 0; b < w->l->n_buf; b++) {
        const struct buffer *const x = &w->l->buf[b];
        if (w->over_run[b].first < w->over_run[b].end && x->last < n) {
            w->over[w->over_at[x->last + 1]++] = b;
        }
    }
    return true;
}

/* ---- segments ---- */

static bool sum_live(struct work *w)
{
    const uint32_t n = w->l->n_layer;
    w->live = arena_new(w->cx->scratch, uint64_t, (uint64_t)n + 1);
    if (!w->live) {
        return false;
    }
    /* What is born at a layer, less what is dead there: modulo 2^64. */
    for (uint32_t b = 0; b < w->l->n_buf; b++) {
        const struct buffer *const x = &w->l->buf[b];
        w->live[x->is_input ? 0 : x->first] += w->full[b];
        if (x->last < n) {
            w->live[x->last + 1] -= w->full[b];
        }
    }
    for (uint32_t y = 1; y < n; y++) {
        w->live[y] += w->live[y - 1];
    }
    return true;
}

uint64_t work_scratch(const struct work *w, uint32_t y, uint64_t rows,
                      uint64_t limit)
{
    return cand_scratch(&w->k->cand[y], size_min(rows, w->l->layer[y].rows),
                        limit);
}

static uint64_t box_ns(const struct work *w, uint32_t y, uint64_t rows)
{
    return cand_box_ns(&w->k->cand[y], &w->l->layer[y], &w->c->lattice[y], rows,
                       w->c->lattice[y].n_panel, UINT64_MAX);
}

static uint64_t strips_ns(const struct work *w, uint32_t y, uint64_t rows,
                          uint64_t scratch)
{
    return cand_strips_ns(&w->k->cand[y], rows, scratch);
}

static bool keeps(const struct work *w, uint32_t y, uint64_t rows,
                  uint64_t scratch)
{
    const struct layer *const x = &w->l->layer[y];
    return cand_kept_ns(&w->k->cand[y], x, size_min(rows, x->rows), scratch) >
           0;
}

/* What lies in the cache from one box to the next: no more than half of it,
 * the rest is for what else a box touches. */
static bool is_near(const struct work *w, uint64_t bytes)
{
    return w->d->cache_bytes != UINT64_MAX && bytes <= w->d->cache_bytes / 2;
}

enum { SCRATCH_LEVELS = 6 };

/* A layer's boxes in a cascade: the first, some of `rows` rows, the last; and
 * what they take, by limits of scratch. */
struct cut {
    uint64_t rows; /* 0: not known yet */
    uint64_t first;
    uint64_t scratch[SCRATCH_LEVELS];
    uint64_t more_ns[SCRATCH_LEVELS]; /* over one box: calls, and strips */
    bool keeps[SCRATCH_LEVELS];
    uint64_t reread_ns;  /* reading its weights again from memory */
    uint64_t longest_ns; /* its longest box */
};

/* Cascades cut a layer in few ways, again and again: of each layer, some are
 * remembered. */
enum { CUTS_KNOWN = 16 };

static void measure_cut(const struct work *w, uint32_t y, struct cut *x)
{
    const struct cand *const k = &w->k->cand[y];
    const struct lattice *const t = &w->c->lattice[y];
    const uint64_t all = w->l->layer[y].rows;
    const uint64_t n = 1 + size_div_up(all - x->first, x->rows);
    const uint64_t last = all - x->first - (n > 1 ? n - 2 : 0) * x->rows;
    const uint64_t calls_ns = (n - 1) * k->box_ns * t->n_kblock;
    const uint64_t whole_ns = strips_ns(w, y, all, UINT64_MAX);
    for (uint32_t i = 0; i < w->n_scratch; i++) {
        const uint64_t limit = w->scratch[i];
        x->scratch[i] = work_scratch(w, y, x->rows, limit);
        x->keeps[i] = keeps(w, y, x->rows, x->scratch[i]);
        x->more_ns[i] = calls_ns + strips_ns(w, y, x->first, limit) - whole_ns;
        if (n > 1) {
            x->more_ns[i] += (n - 2) * strips_ns(w, y, x->rows, limit) +
                             strips_ns(w, y, last, limit);
        }
    }
    uint64_t bytes = 0;
    for (uint32_t i = t->chunk0; i < t->chunk0 + t->n_chunk; i++) {
        bytes += w->c->chunk[i].raw_bytes;
    }
    x->reread_ns = (n - 1) * (bytes * 1000 / w->d->speed[SPEED_WEIGHTS]);
    const uint64_t most = size_max(x->rows, x->first);
    x->longest_ns = box_ns(w, y, size_min(most, all));
}

/* How layer y is cut by a cascade; `known` has CUTS_KNOWN of each layer. */
static const struct cut *cut_of(const struct work *w, const struct cascade *c,
                                uint32_t y, struct cut *known)
{
    const uint64_t rows = (uint64_t)c->a[y];
    const uint64_t first = cascade_end(w, c, y, (int64_t)cascade_idle(c, y));
    struct cut *const x =
        &known[(uint64_t)y * CUTS_KNOWN + (rows * 7 + first) % CUTS_KNOWN];
    if (x->rows != rows || x->first != first) {
        *x = (struct cut){.rows = rows, .first = first};
        measure_cut(w, y, x);
    }
    return x;
}

/* The operand in slot i of a layer (the output last), unless an earlier slot
 * has the same buffer or it has none. */
static const struct buffer *touched(const struct work *w, uint32_t y,
                                    uint32_t i, uint32_t *ix)
{
    const struct layer *const x = &w->l->layer[y];
    *ix = i < layer_n_read(x) ? x->in[i].buf : x->out.buf;
    for (uint32_t j = 0; j < i; j++) {
        if (x->in[j].buf == *ix) {
            return NULL;
        }
    }
    return *ix < w->l->n_buf ? &w->l->buf[*ix] : NULL;
}

/* Reading a buffer of which so many bytes are held, at the speed of the memory
 * unless they lie near. */
static uint64_t far_ns(const struct work *w, uint32_t buf, uint64_t held)
{
    return w->d->cache_bytes == UINT64_MAX || is_near(w, held)
               ? 0
               : w->full[buf] * 1000 / w->d->speed[SPEED_WEIGHTS];
}

/* What layer y reads, all of it held. */
static uint64_t reads_ns(const struct work *w, uint32_t y)
{
    uint64_t ns = 0;
    for (uint32_t i = 0; i < layer_n_read(&w->l->layer[y]); i++) {
        uint32_t ix = 0;
        ns += touched(w, y, i, &ix) ? far_ns(w, ix, w->full[ix]) : 0;
    }
    return ns;
}

static uint32_t n_readers(const struct work *w, uint32_t buf)
{
    uint32_t n = 0;
    for (uint32_t i = w->reader_at[buf]; i < w->reader_at[buf + 1]; i++) {
        n += i == w->reader_at[buf] ||
             w->reader[i].layer != w->reader[i - 1].layer;
    }
    return n;
}

/* Layer lo has just joined those after it: to the bytes of buffers so far comes
 * what dies at lo, less what can roll now, which may then lie near. */
static void join_buffers(const struct work *w, const struct cascade *c,
                         uint64_t *bytes, uint64_t *reread_ns)
{
    const uint32_t lo = c->lo;
    for (uint32_t i = 0; i <= layer_n_read(&w->l->layer[lo]); i++) {
        uint32_t ix = 0;
        const struct buffer *const x = touched(w, lo, i, &ix);
        if (!x) {
            continue;
        }
        if (x->last == lo && c->hi - lo > 1) {
            *bytes += w->full[ix];
        }
        if (x->first == lo && x->last < c->hi && !x->whole && !x->is_input &&
            !x->is_output) {
            const uint64_t ring =
                size_div_up(cascade_ring(w, c, ix) * x->row_bytes, 64) * 64;
            *bytes -= w->full[ix];
            *bytes += ring;
            *reread_ns -= n_readers(w, ix) *
                          (far_ns(w, ix, w->full[ix]) - far_ns(w, ix, ring));
        }
    }
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
 * layers one by one, which need `solo` bytes, or the same cascade with other
 * stripes. */
static bool is_useless(const struct work *w, const struct segment *s,
                       uint64_t solo)
{
    if (w->opt->max_step_us > 0) {
        return false;
    }
    /* A cascade that holds more bytes than layers one by one may still be
     * easier to pack; that is for those who have time for it. */
    if ((s->bytes >= solo && !w->is_small) || s->hi - s->lo < 2) {
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

/* A cascade as it grows, by limits of scratch. */
struct growing {
    struct segment s;
    uint64_t buffers;
    uint64_t scratch[SCRATCH_LEVELS];
    uint64_t more_ns[SCRATCH_LEVELS];
    uint64_t keeps[SCRATCH_LEVELS];
    uint64_t reread_ns;
    uint64_t solo; /* bytes of its layers one by one */
};

/* Layer y joins. */
static void grow(const struct work *w, const struct cascade *c, uint32_t y,
                 struct cut *known, struct growing *g)
{
    const struct cut *const x = cut_of(w, c, y, known);
    for (uint32_t i = 0; i < w->n_scratch; i++) {
        g->scratch[i] = size_max(g->scratch[i], x->scratch[i]);
        g->more_ns[i] += x->more_ns[i];
        g->keeps[i] |= (uint64_t)x->keeps[i] << (g->s.hi - 1 - y);
    }
    g->solo = size_max(g->solo, w->solo[y]);
    g->reread_ns += x->reread_ns + reads_ns(w, y);
    g->s.longest_ns = size_max(g->s.longest_ns, x->longest_ns);
}

/* The segments of this cascade that are of use: without an overlay, and with
 * one if it saves something. */
static bool add_grown(struct work *w, const struct cascade *c,
                      const struct growing *g, uint32_t *cap)
{
    struct overlay x;
    bool has_overlay = false;
    bool is_known = false;
    for (uint32_t i = w->n_scratch; i-- > 0;) {
        struct segment s = g->s;
        s.scratch = g->scratch[i];
        s.is_lean = s.scratch == g->scratch[0];
        s.bytes = g->buffers + s.scratch * w->k->n_thread;
        s.more_ns = g->more_ns[i];
        s.keeps = g->keeps[i];
        s.cost_ns = s.more_ns + g->reread_ns;
        const bool is_same =
            i + 1 < w->n_scratch && g->scratch[i] == g->scratch[i + 1];
        if (is_same) {
            continue;
        }
        if (!is_useless(w, &s, g->solo) && !add_segment(w, s, cap)) {
            return false;
        }
        has_overlay = is_known ? has_overlay : cascade_overlay(w, c, &x);
        is_known = true;
        if (has_overlay) {
            s.overlays = true;
            s.bytes -= x.saved;
            s.cost_ns += s.cost_ns / 256 + 1; /* only where it is needed */
            if (!is_useless(w, &s, g->solo) && !add_segment(w, s, cap)) {
                return false;
            }
        }
    }
    return true;
}

/* All cascades that end with layer hi - 1 and stripes of this height. */
static bool add_cascades(struct work *w, uint32_t hi, uint32_t stripe,
                         uint32_t lead, struct cascade *c, struct cut *known,
                         uint32_t *cap)
{
    if (!cascade_start(w, hi, stripe, lead, c)) {
        return true;
    }
    struct growing g = {
        .s = {.hi = hi, .stripe = stripe, .lead = lead},
        .buffers = w->live[hi - 1],
    };
    join_buffers(w, c, &g.buffers, &g.reread_ns);
    uint32_t idle = c->n_iter;
    do {
        const uint32_t y = c->lo;
        grow(w, c, y, known, &g);
        if (y != hi - 1) {
            join_buffers(w, c, &g.buffers, &g.reread_ns);
        }
        idle = cascade_idle(c, y) < idle ? cascade_idle(c, y) : idle;
        g.s.lo = y;
        g.s.n_iter = c->n_iter - idle;
        if (!add_grown(w, c, &g, cap)) {
            return false;
        }
    } while (hi - c->lo < MAX_CASCADE && cascade_extend(w, c));
    return true;
}

/* A layer on its own, with all the scratch of use and with less. */
static bool add_solos(struct work *w, uint32_t y, uint32_t *cap)
{
    const uint64_t rows = w->l->layer[y].rows;
    const uint64_t most = work_scratch(w, y, rows, UINT64_MAX);
    uint64_t before = UINT64_MAX;
    for (uint32_t i = w->n_scratch; i-- > 0;) {
        struct segment s = {
            .lo = y,
            .hi = y + 1,
            .n_iter = 1,
            .scratch = work_scratch(w, y, rows, w->scratch[i]),
            .longest_ns = box_ns(w, y, rows),
        };
        s.is_lean = s.scratch == work_scratch(w, y, rows, w->scratch[0]);
        s.keeps = keeps(w, y, rows, s.scratch);
        s.bytes = w->solo[y] - (most - s.scratch) * w->k->n_thread;
        s.more_ns = strips_ns(w, y, rows, s.scratch) -
                    strips_ns(w, y, rows, UINT64_MAX);
        s.cost_ns = s.more_ns + reads_ns(w, y);
        if (s.scratch != before && !add_segment(w, s, cap)) {
            return false;
        }
        before = s.scratch;
    }
    return true;
}

/* Limits of scratch: what every layer can do with, and more and more of what
 * the last can use. */
static bool list_scratch(struct work *w)
{
    static const uint32_t part[SCRATCH_LEVELS] = {0, 1, 2, 4, 8, 16};
    uint64_t least = UINT64_MAX;
    uint64_t most = 0;
    w->scratch = arena_new(w->cx->scratch, uint64_t, SCRATCH_LEVELS);
    if (!w->scratch) {
        return false;
    }
    for (uint32_t y = 0; y < w->l->n_layer; y++) {
        const struct cand *const k = &w->k->cand[y];
        if (k->n_room > 0) {
            least = size_min(least, k->room[0].bytes);
            most = size_max(most, k->room[k->n_room - 1].bytes);
        }
    }
    w->n_scratch = most > least ? SCRATCH_LEVELS : 1;
    for (uint32_t i = 0; i + 1 < w->n_scratch; i++) {
        w->scratch[i] = least + (most - least) / 16 * part[i];
    }
    w->scratch[w->n_scratch - 1] = UINT64_MAX;
    return true;
}

static bool list_segments(struct work *w)
{
    const uint32_t n = w->l->n_layer;
    struct arena *const a = w->cx->scratch;
    struct cascade c = {.a = arena_new(a, int64_t, n),
                        .b = arena_new(a, int64_t, n)};
    struct cut *const known =
        arena_new(a, struct cut, (uint64_t)n * CUTS_KNOWN);
    uint32_t cap = 0;
    w->seg_at = arena_new(a, uint32_t, (uint64_t)n + 2);
    w->solo = arena_new(a, uint64_t, n);
    if (!c.a || !c.b || !known || !w->seg_at || !w->solo || !list_scratch(w)) {
        return false;
    }
    for (uint32_t y = 0; y < n; y++) {
        w->solo[y] =
            w->live[y] + work_scratch(w, y, w->l->layer[y].rows, UINT64_MAX) *
                             w->k->n_thread;
    }
    for (uint32_t hi = 1; hi <= n; hi++) {
        const uint32_t y = hi - 1;
        const uint64_t grid = size_max(w->k->cand[y].row_grid, 1);
        w->seg_at[hi] = w->n_seg;
        if (!add_solos(w, y, &cap)) {
            return false;
        }
        for (uint32_t i = 0; i < ARRAY_LEN(stripes); i++) {
            const uint64_t stripe = stripes[i] * grid;
            if (stripe < w->l->layer[y].rows &&
                (!add_cascades(w, hi, (uint32_t)stripe, 0, &c, known, &cap) ||
                 !add_cascades(w, hi, (uint32_t)stripe,
                               (uint32_t)size_div_up(LEAD_ROWS, stripe), &c,
                               known, &cap))) {
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
    w->is_small = !w->is_mapped && w->l->n_layer <= SMALL_LAYERS &&
                  w->c->n_chunk > 0 && w->c->n_chunk <= SMALL_CHUNKS;
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
    return index_buffers(w) && sum_live(w) && list_overlays(w) &&
           list_cuts(w) && list_segments(w);
}
