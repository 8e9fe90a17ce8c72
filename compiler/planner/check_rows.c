#include "planner/check_run.h"

#include "base/arena.h"
#include "base/size.h"

/* What has been computed so far in one run. */
struct done {
    uint64_t **rows; /* per layer: of each K block and panel, K block major */
    uint64_t *complete;  /* per layer: rows with all panels and K blocks */
    uint64_t *top;       /* per buffer: one past the highest row written */
    uint32_t *writer;    /* layers that write each buffer, ascending */
    uint32_t *writer_at; /* per buffer, and the end: ranges of writer */
    uint32_t *open;      /* per buffer: its writers before are complete */
};

static bool make_done(const struct check *r, struct done *d)
{
    struct arena *const a = r->cx->scratch;
    const struct layers *const l = r->l;
    d->rows = arena_new(a, uint64_t *, l->n_layer);
    d->complete = arena_new(a, uint64_t, l->n_layer);
    d->top = arena_new(a, uint64_t, l->n_buf);
    d->writer = arena_new(a, uint32_t, l->n_layer);
    d->writer_at = arena_new(a, uint32_t, (uint64_t)l->n_buf + 1);
    d->open = arena_new(a, uint32_t, l->n_buf);
    struct layer_uses uses;
    if (!d->rows || !d->complete || !d->top || !d->writer || !d->writer_at ||
        !d->open || !layers_uses(l, a, &uses)) {
        return false;
    }
    uint32_t n = 0;
    for (uint32_t b = 0; b < l->n_buf; b++) {
        d->writer_at[b] = n;
        d->open[b] = n;
        d->top[b] = l->buf[b].is_input ? l->buf[b].rows : 0;
        for (uint32_t i = uses.at[b]; i < uses.at[b + 1]; i++) {
            if (l->layer[uses.layer[i]].out.buf == b) {
                d->writer[n++] = uses.layer[i];
            }
        }
    }
    d->writer_at[l->n_buf] = n;
    for (uint32_t y = 0; y < l->n_layer; y++) {
        const struct lattice *const t = &r->c->lattice[y];
        d->rows[y] = arena_new(a, uint64_t, (uint64_t)t->n_panel * t->n_kblock);
        if (!d->rows[y]) {
            return false;
        }
    }
    return true;
}

/* Every buffer that must be held in full is; other rings are 1..rows. */
static bool check_rings(const struct check *r)
{
    const struct layers *const l = r->l;
    for (uint32_t i = 0; i < l->n_buf; i++) {
        const struct plan_buf *const b = &r->p->buf[i];
        const bool full = l->buf[i].is_input || l->buf[i].is_output;
        if (b->ring > l->buf[i].rows || (full && b->ring != l->buf[i].rows)) {
            return check_fail(r, l->buf[i].first, "buffer '%s' holds %llu rows",
                              l->buf[i].name, (unsigned long long)b->ring);
        }
    }
    for (uint32_t y = 0; y < l->n_layer; y++) {
        const struct layer *const x = &l->layer[y];
        for (uint32_t i = 0; i <= layer_n_read(x); i++) {
            const bool is_in = i < layer_n_read(x);
            const struct operand *const o = is_in ? &x->in[i] : &x->out;
            if (o->buf >= l->n_buf) {
                continue;
            }
            const uint64_t ring = r->p->buf[o->buf].ring;
            if (ring == 0 || ((!o->by_row || (is_in && o->map.all)) &&
                              ring != l->buf[o->buf].rows)) {
                return check_fail(r, y, "needs all of '%s', held: %llu rows",
                                  l->buf[o->buf].name,
                                  (unsigned long long)ring);
            }
        }
    }
    return true;
}

/* The box is the next piece of its panels and K block, on the row grid. */
static bool check_piece(const struct check *r, struct done *d,
                        const struct run_box *x)
{
    const struct plan_box *const b = &r->p->box[x->ix];
    const struct lattice *const t = &r->c->lattice[b->layer];
    const struct cand *const k = &r->k->cand[b->layer];
    const uint64_t rows = r->l->layer[b->layer].rows;
    if (x->r0 % k->row_grid != 0 ||
        (x->r1 % k->row_grid != 0 && x->r1 != rows)) {
        return check_fail(r, b->layer, "rows %llu..%llu off its grid of %llu",
                          (unsigned long long)x->r0, (unsigned long long)x->r1,
                          (unsigned long long)k->row_grid);
    }
    const uint32_t p1 = check_is_pick(r, b) ? t->n_panel : b->p1;
    uint64_t *const now = d->rows[b->layer] + (uint64_t)b->kblock * t->n_panel;
    for (uint32_t p = b->p0; p < p1; p++) {
        if (now[p] != x->r0) {
            return check_fail(r, b->layer,
                              "rows %llu..%llu of panel %u, K block %u after "
                              "%llu rows",
                              (unsigned long long)x->r0,
                              (unsigned long long)x->r1, p, b->kblock,
                              (unsigned long long)now[p]);
        }
        if (b->kblock > 0 && now[(int64_t)p - t->n_panel] < x->r1) {
            return check_fail(r, b->layer, "K block %u before the one before",
                              b->kblock);
        }
        now[p] = x->r1;
    }
    if (b->kblock + 1 == t->n_kblock) {
        uint64_t least = rows;
        for (uint32_t p = 0; p < t->n_panel; p++) {
            least = size_min(least, now[p]);
        }
        d->complete[b->layer] = least;
    }
    return true;
}

/* Rows [a, b) of a buffer are all written, as far as layers before y do, and
 * still held. */
static bool check_input(const struct check *r, const struct done *d, uint32_t y,
                        uint32_t buf, uint64_t a, uint64_t b)
{
    uint32_t *const open = &d->open[buf];
    while (*open < d->writer_at[buf + 1] &&
           d->complete[d->writer[*open]] ==
               r->l->layer[d->writer[*open]].rows) {
        (*open)++;
    }
    for (uint32_t i = *open; i < d->writer_at[buf + 1]; i++) {
        const uint32_t w = d->writer[i];
        const struct layer *const x = &r->l->layer[w];
        if (w >= y) {
            break;
        }
        uint64_t need = x->rows;
        if (x->out.by_row) {
            const uint64_t row0 = x->out.row0;
            if (a >= row0 + x->rows || b <= row0) {
                continue;
            }
            need = size_min(b - row0, x->rows);
        }
        if (d->complete[w] < need) {
            return check_fail(r, y,
                              "reads row %llu of '%s' before '%s' wrote "
                              "it",
                              (unsigned long long)(b - 1), r->l->buf[buf].name,
                              x->name);
        }
    }
    if (d->top[buf] > a && d->top[buf] - a > r->p->buf[buf].ring) {
        return check_fail(r, y,
                          "reads row %llu of '%s', of which %llu rows before "
                          "row %llu are held",
                          (unsigned long long)a, r->l->buf[buf].name,
                          (unsigned long long)r->p->buf[buf].ring,
                          (unsigned long long)d->top[buf]);
    }
    return true;
}

/* A state is written when the layers before have read all of it. */
static bool check_state(const struct check *r, const struct done *d, uint32_t y)
{
    const uint32_t buf = r->l->layer[y].out.buf;
    for (uint32_t x = 0; x < y; x++) {
        const struct layer *const reader = &r->l->layer[x];
        for (uint32_t i = 0; i < layer_n_read(reader); i++) {
            if (reader->in[i].buf == buf && d->complete[x] < reader->rows) {
                return check_fail(r, y, "writes '%s' before '%s' has read it",
                                  r->l->buf[buf].name, reader->name);
            }
        }
    }
    return true;
}

static bool check_box_rows(const struct check *r, struct done *d,
                           const struct run_box *x)
{
    const uint32_t y = r->p->box[x->ix].layer;
    const struct layer *const layer = &r->l->layer[y];
    if (x->r1 < x->r0) {
        return check_fail(r, y, "rows that go back");
    }
    if (x->r1 == x->r0) {
        return true; /* does nothing */
    }
    if (!check_piece(r, d, x)) {
        return false;
    }
    const struct operand *const out = &layer->out;
    if (r->l->buf[out->buf].is_input && !check_state(r, d, y)) {
        return false;
    }
    const uint64_t buf_rows = r->l->buf[out->buf].rows;
    const uint64_t first = out->by_row ? out->row0 + x->r0 : 0;
    const uint64_t end = out->by_row ? out->row0 + x->r1 : buf_rows;
    uint64_t *const top = &d->top[out->buf];
    *top = size_max(*top, end);
    if (*top - first > r->p->buf[out->buf].ring) {
        return check_fail(r, y, "writes row %llu of '%s' over row %llu",
                          (unsigned long long)first, r->l->buf[out->buf].name,
                          (unsigned long long)*top - 1);
    }
    for (uint32_t i = 0; i < layer_n_read(layer); i++) {
        const struct operand *const o = &layer->in[i];
        if (o->buf >= r->l->n_buf) {
            continue;
        }
        uint64_t a = 0;
        uint64_t b = r->l->buf[o->buf].rows;
        if (o->by_row && !o->map.all) {
            row_map_need(&o->map, x->r0, x->r1, &a, &b);
            a += o->row0;
            b += o->row0;
        }
        if (a < b && !check_input(r, d, y, o->buf, a, b)) {
            return false;
        }
    }
    return true;
}

bool check_rows(struct check *r)
{
    struct done d;
    if (!make_done(r, &d) || !check_rings(r)) {
        return false;
    }
    for (uint64_t i = 0; i < r->n_box; i++) {
        if (!check_box_rows(r, &d, &r->box[i])) {
            return false;
        }
    }
    for (uint32_t y = 0; y < r->l->n_layer; y++) {
        const struct lattice *const t = &r->c->lattice[y];
        for (uint64_t i = 0; i < (uint64_t)t->n_panel * t->n_kblock; i++) {
            if (d.rows[y][i] != r->l->layer[y].rows) {
                return check_fail(r, y, "%llu of %llu rows are computed",
                                  (unsigned long long)d.rows[y][i],
                                  (unsigned long long)r->l->layer[y].rows);
            }
        }
    }
    return true;
}
