#include "support/layers_build.h"

#include "base/size.h"
#include "planner/plan_work.h"

/* Overlays of cascades against their definition: no box may write bytes that it
 * or a later box reads from the buffer under which it writes; and a smaller
 * distance would not do, unless none can save more. */

static uint32_t next_random(uint32_t *seed, uint32_t below)
{
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % below;
}

static bool work_of(struct net *n, struct work *w)
{
    n->f->cx.opt = &n->opt;
    *w = (struct work){.l = &n->l,
                       .c = &n->c,
                       .k = &n->k,
                       .d = &n->d,
                       .opt = &n->opt,
                       .cx = &n->f->cx};
    return work_make(w);
}

static bool cascade_of(struct net *n, const struct work *w, uint32_t lo,
                       uint32_t hi, uint32_t stripe, struct cascade *c)
{
    c->a = arena_new(&n->f->keep, int64_t, n->l.n_layer);
    c->b = arena_new(&n->f->keep, int64_t, n->l.n_layer);
    assert_true(c->a && c->b);
    bool ok = cascade_start(w, hi, stripe, 0, c);
    while (ok && c->lo > lo) {
        ok = cascade_extend(w, c);
    }
    return ok;
}

/* Whether rows of `over` that box (t, y) or a later one reads lie below `end`
 * bytes of `under`, which starts at -off from it. */
static bool is_hit(const struct work *w, const struct cascade *c,
                   const struct overlay *o, int64_t t, uint32_t y, int64_t end)
{
    for (uint32_t z = c->lo; z < c->hi; z++) {
        const struct layer *const x = &w->l->layer[z];
        const int64_t from = z < y ? t : t - 1;
        const uint64_t r0 = cascade_end(w, c, z, from);
        for (uint32_t i = 0; i < x->n_in && r0 < x->rows; i++) {
            uint64_t a = 0;
            uint64_t b = 0;
            row_map_need(&x->in[i].map, r0, x->rows, &a, &b);
            if (x->in[i].buf == o->over && a < b &&
                o->off + (int64_t)(a * w->l->buf[o->over].row_bytes) < end) {
                return true;
            }
        }
    }
    return false;
}

/* Whether some box hits, with `off`. */
static bool hits(const struct work *w, const struct cascade *c,
                 struct overlay o, int64_t off)
{
    const struct buffer *const under = &w->l->buf[o.under];
    o.off = off;
    for (int64_t t = 0; t < c->n_iter; t++) {
        for (uint32_t y = c->lo; y < c->hi; y++) {
            const struct layer *const x = &w->l->layer[y];
            const uint64_t r1 = cascade_end(w, c, y, t);
            if (x->out.buf != o.under || r1 == cascade_end(w, c, y, t - 1)) {
                continue;
            }
            const uint64_t end =
                r1 == under->rows ? w->full[o.under] : r1 * under->row_bytes;
            if (is_hit(w, c, &o, t, y, (int64_t)end)) {
                return true;
            }
        }
    }
    return false;
}

static uint32_t random_chain(struct net *n, struct fixture *f, uint32_t *seed)
{
    net_start(n, f);
    const uint32_t layers = 2 + next_random(seed, 3);
    uint32_t x =
        net_input(n, 6 + next_random(seed, 12), 1 + next_random(seed, 5), 3);
    x = net_conv(n, x, 8 + next_random(seed, 9), 1, 1);
    const uint32_t skip = x;
    for (uint32_t i = 0; i < layers; i++) {
        const uint32_t k = 1 + 2 * next_random(seed, 2);
        x = net_conv(n, x, 8 + next_random(seed, 9), k,
                     1 + next_random(seed, 4) / 3);
    }
    if (n->shape[x].h == n->shape[skip].h &&
        n->shape[x].c == n->shape[skip].c &&
        n->shape[x].w == n->shape[skip].w) {
        x = net_add(n, x, skip);
    }
    const uint32_t end = n->l.n_layer;
    net_output(n, net_conv(n, x, 16, 1, 1));
    net_finish(n, 64);
    return end;
}

static void cascade_overlay__never_writes_what_is_still_read(void **state)
{
    enum { NETS = 400 };
    struct fixture *f = *state;
    static struct net n;
    uint32_t n_overlay = 0;
    uint32_t n_tight = 0;
    for (uint32_t i = 0; i < NETS; i++) {
        uint32_t seed = i * 31 + 1;
        struct work w;
        struct cascade c;
        struct overlay o;
        fixture_restart(f, ARENA_NO_FAULT);
        const uint32_t hi = random_chain(&n, f, &seed);
        assert_true(work_of(&n, &w));
        const uint32_t stripe = 1 + next_random(&seed, 3);
        if (n.l.layer[hi - 1].rows <= stripe ||
            !cascade_of(&n, &w, 1, hi, stripe, &c) ||
            !cascade_overlay(&w, &c, &o)) {
            continue;
        }
        const int64_t x = (int64_t)w.full[o.over];
        const int64_t y = (int64_t)w.full[o.under];
        const int64_t low = o.off < 0 ? o.off : 0;
        const int64_t high = o.off + x > y ? o.off + x : y;
        assert_int_equal(o.off % 64, 0);
        assert_int_equal(o.saved, (uint64_t)(x + y - (high - low)));
        assert_false(hits(&w, &c, o, o.off));
        n_overlay++;
        if (o.off > 0 && o.off + x > y) { /* less would save more */
            assert_true(hits(&w, &c, o, o.off - 64));
            n_tight++;
        }
    }
    assert_true(n_overlay > 50 && n_tight > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(cascade_overlay__never_writes_what_is_still_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
