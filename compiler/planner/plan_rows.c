#include "planner/plan_work.h"

#include "base/size.h"

static uint64_t grid_of(const struct work *w, uint32_t y)
{
    return size_max(w->k->cand[y].row_grid, 1);
}

static int64_t round_up(int64_t v, uint64_t grid)
{
    const int64_t g = (int64_t)grid;
    const int64_t q = v / g * g;
    return q < v ? q + g : q; /* also right for negative v */
}

/* What writes a state does it when all before have read it. */
static bool can_cut(const struct work *w, uint32_t y)
{
    const struct layer *const x = &w->l->layer[y];
    return w->k->cand[y].rows_cut && x->rows > grid_of(w, y) &&
           !w->l->buf[x->out.buf].is_input;
}

uint64_t cascade_end(const struct work *w, const struct cascade *c, uint32_t y,
                     int64_t iter)
{
    if (iter < 0) {
        return 0;
    }
    const int64_t end = c->a[y] * iter + c->b[y];
    return end < 0 ? 0 : size_min((uint64_t)end, w->l->layer[y].rows);
}

bool cascade_start(const struct work *w, uint32_t hi, uint32_t stripe,
                   uint32_t lead, struct cascade *c)
{
    const uint32_t y = hi - 1;
    const uint64_t rows = w->l->layer[y].rows;
    if (!can_cut(w, y) || stripe == 0 || stripe >= rows ||
        stripe % grid_of(w, y) != 0) {
        return false;
    }
    c->lo = y;
    c->hi = hi;
    const uint64_t n_full = (rows - 1) / stripe;
    const int64_t rest =
        round_up((int64_t)(rows - n_full * stripe), grid_of(w, y));
    c->n_iter = (uint32_t)n_full + 1 + lead;
    c->a[y] = stripe;
    c->b[y] = (lead == 0 ? stripe : rest) - (int64_t)lead * stripe;
    return true;
}

uint32_t cascade_idle(const struct cascade *c, uint32_t y)
{
    return c->b[y] > 0 ? 0 : (uint32_t)(-c->b[y] / c->a[y]) + 1;
}

void cascade_trim(struct cascade *c)
{
    uint32_t idle = c->n_iter;
    for (uint32_t y = c->lo; y < c->hi; y++) {
        idle = cascade_idle(c, y) < idle ? cascade_idle(c, y) : idle;
    }
    for (uint32_t y = c->lo; y < c->hi; y++) {
        c->b[y] += c->a[y] * idle;
    }
    c->n_iter -= idle;
}

/* Rows of writer y that reader x needs to be done before its box of iteration
 * `iter`; 0 when the box needs none. */
static int64_t need_of(const struct work *w, const struct cascade *c,
                       uint32_t y, const struct buf_read *x, int64_t iter)
{
    const uint64_t r0 = cascade_end(w, c, x->layer, iter - 1);
    const uint64_t r1 = cascade_end(w, c, x->layer, iter);
    uint64_t a = 0;
    uint64_t b = 0;
    if (r1 > r0) {
        row_map_need(&x->o->map, r0, r1, &a, &b);
    }
    if (a >= b) {
        return 0;
    }
    const struct layer *const layer = &w->l->layer[y];
    const int64_t end = (int64_t)(b + x->o->row0) - (int64_t)layer->out.row0;
    return end < 0 ? 0 : (int64_t)size_min((uint64_t)end, layer->rows);
}

/* The first of a buffer's readers that comes after layer y. */
static uint32_t reader_after(const struct work *w, uint32_t buf, uint32_t y)
{
    uint32_t lo = w->reader_at[buf];
    uint32_t hi = w->reader_at[buf + 1];
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        if (w->reader[mid].layer > y) {
            hi = mid;
        } else {
            lo = mid + 1;
        }
    }
    return lo;
}

/* Rows of y per iteration, from its first reader in the cascade; 0 when that
 * is no whole number. Without reader it spreads over the iterations. */
static int64_t rate_of(const struct work *w, const struct cascade *c,
                       uint32_t y)
{
    const uint32_t buf = w->l->layer[y].out.buf;
    const uint32_t first = reader_after(w, buf, y);
    if (first < w->reader_at[buf + 1]) {
        const struct buf_read *const x = &w->reader[first];
        if (x->layer < c->hi) {
            const int64_t n = c->a[x->layer] * x->o->map.num;
            return n % x->o->map.den == 0 ? n / x->o->map.den : 0;
        }
    }
    const uint64_t even = size_div_up(w->l->layer[y].rows, c->n_iter);
    return round_up((int64_t)even, grid_of(w, y));
}

bool cascade_extend(const struct work *w, struct cascade *c)
{
    if (c->lo == 0 || !can_cut(w, c->lo - 1)) {
        return false;
    }
    const uint32_t y = c->lo - 1;
    const struct layer *const layer = &w->l->layer[y];
    const uint32_t buf = layer->out.buf;
    const uint32_t begin = reader_after(w, buf, y);
    uint32_t end = begin;
    for (; end < w->reader_at[buf + 1] && w->reader[end].layer < c->hi; end++) {
        const struct buf_read *const x = &w->reader[end];
        if (!layer->out.by_row || !x->o->by_row || x->o->map.all) {
            return false;
        }
    }
    const int64_t a = rate_of(w, c, y);
    if (a <= 0 || a % (int64_t)grid_of(w, y) != 0) {
        return false;
    }
    /* All rows are done in the last iteration, those that a reader needs in
     * its own. */
    int64_t b = (int64_t)layer->rows - a * ((int64_t)c->n_iter - 1);
    for (uint32_t i = begin; i < end; i++) {
        const struct buf_read *const x = &w->reader[i];
        /* Where it reads as many rows per iteration, it is the first box that
         * needs most: later ones only are cut to the image. */
        const bool is_even =
            c->a[x->layer] * x->o->map.num == a * (int64_t)x->o->map.den &&
            x->o->map.out_rows >= w->l->layer[x->layer].rows;
        for (int64_t t = cascade_idle(c, x->layer); t < c->n_iter; t++) {
            const int64_t need = need_of(w, c, y, x, t);
            if (need > 0 && need - a * t > b) {
                b = need - a * t;
            }
            if (need > 0 && is_even) {
                break;
            }
        }
    }
    c->a[y] = a;
    c->b[y] = round_up(b, grid_of(w, y));
    c->lo = y;
    return true;
}

/* The first iteration that touches a buffer of the cascade. */
static int64_t first_touch(const struct work *w, const struct cascade *c,
                           uint32_t ix)
{
    uint32_t first = c->n_iter;
    for (uint32_t i = w->writer_at[ix]; i < w->writer_at[ix + 1]; i++) {
        const uint32_t idle = cascade_idle(c, w->writer[i]);
        first = idle < first ? idle : first;
    }
    return first;
}

/* One past the highest row of a buffer written by the end of an iteration. */
static uint64_t top_of(const struct work *w, const struct cascade *c,
                       uint32_t ix, int64_t iter)
{
    uint64_t top = 0;
    for (uint32_t i = w->writer_at[ix]; i < w->writer_at[ix + 1]; i++) {
        const uint32_t y = w->writer[i];
        const uint64_t end = cascade_end(w, c, y, iter);
        if (end > 0) {
            top = size_max(top, w->l->layer[y].out.row0 + end);
        }
    }
    return top;
}

static uint64_t back(uint64_t top, uint64_t row)
{
    return top > row ? top - row : 0;
}

uint64_t cascade_ring(const struct work *w, const struct cascade *c,
                      uint32_t ix)
{
    uint64_t ring = 1;
    for (int64_t t = first_touch(w, c, ix); t < c->n_iter; t++) {
        const uint64_t top = top_of(w, c, ix, t);
        for (uint32_t i = w->writer_at[ix]; i < w->writer_at[ix + 1]; i++) {
            const uint32_t y = w->writer[i];
            const uint64_t r0 = cascade_end(w, c, y, t - 1);
            if (cascade_end(w, c, y, t) > r0) {
                ring = size_max(ring, back(top, w->l->layer[y].out.row0 + r0));
            }
        }
        for (uint32_t i = w->reader_at[ix]; i < w->reader_at[ix + 1]; i++) {
            const struct buf_read *const x = &w->reader[i];
            const uint64_t r0 = cascade_end(w, c, x->layer, t - 1);
            const uint64_t r1 = cascade_end(w, c, x->layer, t);
            uint64_t a = 0;
            uint64_t b = 0;
            if (r1 > r0) {
                row_map_need(&x->o->map, r0, r1, &a, &b);
            }
            if (a < b) {
                ring = size_max(ring, back(top, a + x->o->row0));
            }
        }
    }
    return size_min(ring, w->l->buf[ix].rows);
}

/* ---- one buffer over another ---- */

/* First row of buffer ix that readers need after the boxes of iteration `iter`
 * up to layer y; rows of the buffer when there is none. */
static uint64_t needed_after(const struct work *w, const struct cascade *c,
                             uint32_t ix, uint32_t y, int64_t iter)
{
    uint64_t least = w->l->buf[ix].rows;
    for (uint32_t i = w->reader_at[ix]; i < w->reader_at[ix + 1]; i++) {
        const struct buf_read *const x = &w->reader[i];
        const int64_t now = x->layer < y ? iter : iter - 1;
        const uint64_t r0 = cascade_end(w, c, x->layer, now);
        const struct layer *const y_in = &w->l->layer[x->layer];
        if (r0 < y_in->rows) {
            least =
                size_min(least, operand_first_row(y_in, x->o,
                                                  w->l->buf[ix].row_bytes, r0));
        }
    }
    return least;
}

/* The least distance at which no row of x is written over before its last
 * use: the rows of y done at the end of an iteration end before the first row
 * of x that is needed after y's last writer. */
static int64_t least_off(const struct work *w, const struct cascade *c,
                         uint32_t over, uint32_t under)
{
    const struct buffer *const x = &w->l->buf[over];
    const struct buffer *const y = &w->l->buf[under];
    int64_t off = INT64_MIN;
    const uint32_t writer = w->writer[w->writer_at[under]];
    for (int64_t t = cascade_idle(c, writer); t < c->n_iter; t++) {
        const uint64_t top = top_of(w, c, under, t);
        const uint64_t need = needed_after(w, c, over, writer, t);
        /* The last row has what pads the buffer, too. */
        const uint64_t end =
            top == y->rows ? w->full[under] : top * y->row_bytes;
        const int64_t d = (int64_t)end - (int64_t)(need * x->row_bytes);
        if (top > 0 && need < x->rows && d > off) {
            off = d;
        }
    }
    return off;
}

/* Tries a pair. */
static void try_pair(const struct work *w, const struct cascade *c,
                     uint32_t over, uint32_t under, struct overlay *best)
{
    const int64_t x = (int64_t)w->full[over];
    const int64_t y = (int64_t)w->full[under];
    if (size_min(w->full[over], w->full[under]) <= best->saved) {
        return; /* one inside the other is the most */
    }
    int64_t off = x <= y ? 0 : y - x;
    const int64_t least = least_off(w, c, over, under);
    off = least > off ? least : off;
    off = round_up(off, 64);
    const int64_t low = off < 0 ? off : 0;
    const int64_t high = off + x > y ? off + x : y;
    const int64_t saved = x + y - (high - low);
    if (saved > (int64_t)best->saved) {
        *best = (struct overlay){over, under, off, (uint64_t)saved};
    }
}

/* Adds a buffer to a list in ascending order, which has room. */
static void insert(uint32_t *list, uint32_t *n, uint32_t ix)
{
    uint32_t i = (*n)++;
    for (; i > 0 && list[i - 1] > ix; i--) {
        list[i] = list[i - 1];
    }
    list[i] = ix;
}

bool cascade_overlay(const struct work *w, const struct cascade *c,
                     struct overlay *best)
{
    uint32_t over[MAX_CASCADE * (LAYER_MAX_IN + 1)];
    uint32_t under[MAX_CASCADE];
    uint32_t n_over = 0;
    uint32_t n_under = 0;
    best->saved = 0;
    for (uint32_t y = c->lo; y < c->hi; y++) {
        for (uint32_t i = w->over_at[y]; i < w->over_at[y + 1]; i++) {
            const struct run *const r = &w->over_run[w->over[i]];
            if (c->lo >= r->first && c->lo < r->end) {
                insert(over, &n_over, w->over[i]);
            }
        }
        if (w->under[y] != UINT32_MAX && w->l->buf[w->under[y]].last >= c->hi) {
            insert(under, &n_under, w->under[y]);
        }
    }
    for (uint32_t i = 0; i < n_over; i++) {
        for (uint32_t k = 0; k < n_under; k++) {
            if (!(w->l->buf[over[i]].is_input &&
                  w->l->buf[under[k]].is_output)) {
                try_pair(w, c, over[i], under[k], best);
            }
        }
    }
    return best->saved > 0;
}

uint64_t plan_row_end(const struct plan_box *b, uint64_t rows, int64_t iter)
{
    const int64_t end = b->row_a * iter + b->row_b;
    return iter < 0 || end < 0 ? 0 : size_min((uint64_t)end, rows);
}
