/* Copies by address. A copy from the whole of buffer A to a part of buffer B is
 * not needed when those who write A can write that part of B, and those who
 * read A can read it there. Concat is lowered as one copy an input, so this is
 * how its inputs get to be computed in place; from the last copy to the first,
 * so that concats of concats end in one buffer. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "passes/lower_draft.h"

/* Where each element of A goes: the digits of its number in A, by descending
 * weight, times steps in B. */
struct place {
    uint32_t n;
    uint64_t dim[TENSOR_MAX_RANK];
    int64_t from[TENSOR_MAX_RANK]; /* weight of the digit in A */
    int64_t to[TENSOR_MAX_RANK];
    uint32_t buf; /* B */
    int64_t off;
};

/* False unless the copy reads each element of its buffer, of n, once. */
static bool place_of(const struct draft *copy, uint64_t n, struct place *p)
{
    const struct view *const a = &copy->in[0];
    uint32_t order[TENSOR_MAX_RANK];
    *p = (struct place){.buf = copy->out.buf, .off = copy->out.off};
    view_order(a, order);
    uint64_t count = 1;
    for (uint32_t i = a->rank; i-- > 0;) {
        const uint32_t k = order[i];
        if (a->dim[k] != 1 && a->stride[k] != (int64_t)count) {
            return false;
        }
        count *= a->dim[k];
    }
    for (uint32_t i = 0; i < a->rank; i++) {
        const uint32_t k = order[i];
        if (a->dim[k] == 1) {
            continue;
        }
        const int64_t dim = (int64_t)a->dim[k];
        const uint32_t last = p->n - 1;
        if (p->n > 0 && p->to[last] == copy->out.stride[k] * dim) {
            p->dim[last] *= (uint64_t)dim;
            p->from[last] = a->stride[k];
            p->to[last] = copy->out.stride[k];
            continue;
        }
        p->dim[p->n] = (uint64_t)dim;
        p->from[p->n] = a->stride[k];
        p->to[p->n] = copy->out.stride[k];
        p->n++;
    }
    return count == n && a->off == 0;
}

/* The view of A as one of B; false when strides cannot say it. */
static bool move_view(const struct place *p, const struct view *v,
                      struct view *out)
{
    int64_t low[TENSOR_MAX_RANK];
    int64_t high[TENSOR_MAX_RANK];
    int64_t rest = v->off;
    *out = *v;
    out->buf = p->buf;
    out->off = p->off;
    for (uint32_t i = 0; i < p->n; i++) {
        const int64_t digit = rest / p->from[i];
        rest %= p->from[i];
        low[i] = digit;
        high[i] = digit;
        out->off += digit * p->to[i];
    }
    for (uint32_t k = 0; k < v->rank; k++) {
        const int64_t step = llabs(v->stride[k]);
        uint32_t i = 0;
        if (step == 0) {
            continue;
        }
        while (i < p->n && p->from[i] > step) {
            i++;
        }
        if (i == p->n || step % p->from[i] != 0) {
            return false;
        }
        const int64_t digits = v->stride[k] / p->from[i];
        const int64_t reach = digits * (int64_t)(v->dim[k] - 1);
        out->stride[k] = digits * p->to[i];
        low[i] += reach < 0 ? reach : 0;
        high[i] += reach > 0 ? reach : 0;
    }
    for (uint32_t i = 0; i < p->n; i++) {
        if (low[i] < 0 || high[i] >= (int64_t)p->dim[i]) {
            return false;
        }
    }
    return true;
}

static bool is_image_kind(enum layer_kind kind)
{
    return kind == LAYER_CONV || kind == LAYER_DECONV || kind == LAYER_POOL ||
           kind == LAYER_LRN || kind == LAYER_RESIZE;
}

/* Moves every view of buffer a in draft d into *made; false when one cannot
 * be, or d could not work there. */
static bool move_draft(struct lower *lw, const struct draft *d,
                       const struct place *p, uint32_t a, struct draft *made)
{
    bool reads = false;
    *made = *d;
    for (uint32_t k = 0; k <= d->y.n_in; k++) {
        const bool is_out = k == d->y.n_in;
        const struct view *const v = is_out ? &d->out : &d->in[k];
        struct view *const to = is_out ? &made->out : &made->in[k];
        if (v->buf != a) {
            continue;
        }
        reads = reads || !is_out;
        if (!move_view(p, v, to) ||
            (is_image_kind(d->y.kind) && !lower_is_image(lw, to))) {
            return false;
        }
    }
    /* A copy inside one buffer would gain nothing. */
    return !(reads && d->y.kind == LAYER_COPY && d->out.buf == p->buf);
}

static bool touches(const struct draft *d, uint32_t buf)
{
    bool is_in = d->out.buf == buf;
    for (uint32_t k = 0; k < d->y.n_in; k++) {
        is_in = is_in || d->in[k].buf == buf;
    }
    return is_in && !d->is_dead;
}

/* Which drafts may touch each buffer: lists, so that merging many copies does
 * not look at every draft for each. An entry may be stale or there twice. */
struct touch {
    uint32_t draft;
    uint32_t next; /* TOUCH_END */
};
struct touches {
    struct touch *touch;
    uint32_t *head; /* by buffer */
};
#define TOUCH_END UINT32_MAX

static bool list_touches(const struct lower *lw, struct touches *t)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < lw->n_draft; i++) {
        n += lw->draft[i].y.n_in + 1u;
    }
    t->touch = arena_new(lw->cx->scratch, struct touch, n);
    t->head = arena_new(lw->cx->scratch, uint32_t, lw->n_buf);
    if (!t->touch || !t->head) {
        return false;
    }
    for (uint32_t i = 0; i < lw->n_buf; i++) {
        t->head[i] = TOUCH_END;
    }
    uint32_t at = 0;
    for (uint32_t i = lw->n_draft; i-- > 0;) {
        const struct draft *const d = &lw->draft[i];
        for (uint32_t k = 0; k <= d->y.n_in; k++) {
            const uint32_t buf = k == d->y.n_in ? d->out.buf : d->in[k].buf;
            if (buf != BUF_WEIGHTS) {
                t->touch[at] = (struct touch){i, t->head[buf]};
                t->head[buf] = at++;
            }
        }
    }
    return true;
}

/* What touches a touches b from now on. */
static void join_touches(struct touches *t, uint32_t a, uint32_t b)
{
    uint32_t *end = &t->head[a];
    while (*end != TOUCH_END) {
        end = &t->touch[*end].next;
    }
    *end = t->head[b];
    t->head[b] = t->head[a];
    t->head[a] = TOUCH_END;
}

/* What becomes of a draft if all goes well. */
struct moved {
    uint32_t ix;
    struct draft draft;
};

static bool try_merge(struct lower *lw, struct touches *t, uint32_t copy_ix)
{
    struct draft *const copy = &lw->draft[copy_ix];
    const uint32_t a = copy->in[0].buf;
    struct place p;
    /* What becomes a state may only be written when all have read it. */
    if (a == copy->out.buf || lw->buf[a].is_input || lw->buf[a].is_output ||
        lw->buf[copy->out.buf].is_input || !place_of(copy, lw->buf[a].n, &p)) {
        return true;
    }
    const struct arena_mark mark = arena_mark(lw->cx->scratch);
    struct moved *moved = NULL;
    uint32_t n = 0;
    uint32_t cap = 0;
    bool is_ok = true;
    for (uint32_t k = t->head[a]; is_ok && k != TOUCH_END;
         k = t->touch[k].next) {
        const uint32_t i = t->touch[k].draft;
        if (i == copy_ix || !touches(&lw->draft[i], a)) {
            continue;
        }
        struct moved *const m = arena_push(lw->cx->scratch, moved, &n, &cap);
        if (!m) {
            return false;
        }
        m->ix = i;
        is_ok = move_draft(lw, &lw->draft[i], &p, a, &m->draft);
    }
    for (uint32_t i = 0; is_ok && i < n; i++) {
        lw->draft[moved[i].ix] = moved[i].draft;
    }
    if (is_ok) {
        copy->is_dead = true;
        join_touches(t, a, copy->out.buf);
    }
    arena_rewind(lw->cx->scratch, mark);
    return true;
}

bool lower_merge(struct lower *lw)
{
    const struct arena_mark mark = arena_mark(lw->cx->scratch);
    struct touches t;
    bool is_ok = list_touches(lw, &t);
    for (uint32_t i = lw->n_draft; is_ok && i-- > 0;) {
        const struct draft *const d = &lw->draft[i];
        if (d->y.kind == LAYER_COPY && !d->y.p.copy.pads && !d->is_dead &&
            d->in[0].buf != BUF_WEIGHTS) {
            is_ok = try_merge(lw, &t, i);
        }
    }
    arena_rewind(lw->cx->scratch, mark);
    return is_ok;
}
