#include "flexrt/flx_share.h"

#include <stdbool.h>

#include "flx_core.h"

/* Where the part after `end` begins for this model. */
static uint64_t part_begin(const struct flx_model *m, uint64_t end)
{
    return (end + m->align - 1) / m->align * m->align;
}

/* The plan of model i in division `number`: a digit of mixed radix. */
static uint32_t plan_in(const struct flx_share *s, uint32_t i, uint32_t number)
{
    for (uint32_t k = 0; k < i; k++) {
        number /= s[k].model->n_plan;
    }
    return number % s[i].model->n_plan;
}

/* Bytes that a division takes, and the time it costs. */
static uint64_t measure(const struct flx_share *s, uint32_t n, uint32_t number,
                        uint64_t *us)
{
    uint64_t end = 0;
    *us = 0;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t plan = plan_in(s, i, number);
        const struct flx_model *m = s[i].model;
        end = part_begin(m, end) + flx_arena_bytes(m, plan);
        *us += (uint64_t)s[i].weight * flx_plan_head(m->plan[plan])->latency_us;
    }
    return end;
}

/* The best division that fits: least time, then least memory. */
static bool choose(const struct flx_share *s, uint32_t n, uint32_t n_division,
                   uint32_t bytes, uint32_t *best)
{
    uint64_t best_us = 0;
    uint64_t best_end = 0;
    bool found = false;
    for (uint32_t i = 0; i < n_division; i++) {
        uint64_t us;
        const uint64_t end = measure(s, n, i, &us);
        if (end <= bytes &&
            (!found || us < best_us || (us == best_us && end < best_end))) {
            found = true;
            best_us = us;
            best_end = end;
            *best = i;
        }
    }
    return found;
}

/* 0: too many. */
static uint32_t count_divisions(const struct flx_share *s, uint32_t n)
{
    uint64_t count = 1;
    for (uint32_t i = 0; i < n; i++) {
        count *= s[i].model->n_plan;
        if (count > FLX_SHARE_MOST) {
            return 0;
        }
    }
    return (uint32_t)count;
}

/* One that stays where it is and fits its part: the part shrinks with it. */
static enum flx_err shrink(struct flx_share *s, uint32_t plan)
{
    enum flx_err err = flx_switch_plan(s->rt, plan);
    if (err == FLX_OK) {
        err = flx_settle(s->rt);
    }
    s->plan_id = plan;
    return err;
}

static void close_one(struct flx_share *s)
{
    if (s->rt) {
        flx_close(s->rt);
        s->rt = NULL;
    }
}

void flx_share_close(struct flx_share *s, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        close_one(&s[i]);
    }
}

enum flx_err flx_share_set(struct flx_share *s, uint32_t n, void *arena,
                           uint32_t bytes, uint32_t *used)
{
    const uint32_t n_division = count_divisions(s, n);
    uint32_t best = 0;
    if (n == 0 || n_division == 0) {
        return FLX_E_ARG;
    }
    for (uint32_t i = 0; i < n; i++) {
        if ((uintptr_t)arena % s[i].model->align != 0) {
            return FLX_E_ARENA;
        }
    }
    if (!choose(s, n, n_division, bytes, &best)) {
        return FLX_E_ARENA;
    }
    uint64_t end = 0;
    enum flx_err err = FLX_OK;
    /* Those that stay first: the others' new parts may be where they were. */
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t plan = plan_in(s, i, best);
        const uint32_t need = flx_arena_bytes(s[i].model, plan);
        uint8_t *const base = (uint8_t *)arena + part_begin(s[i].model, end);
        end = part_begin(s[i].model, end) + need;
        if (!s[i].rt || base != s[i].base || need > s[i].bytes) {
            close_one(&s[i]);
        } else if (plan != s[i].plan_id && err == FLX_OK) {
            err = shrink(&s[i], plan);
        }
        s[i].base = base;
        s[i].bytes = need;
        s[i].plan_id = plan;
    }
    for (uint32_t i = 0; i < n && err == FLX_OK; i++) {
        if (!s[i].rt) {
            err = flx_open(s[i].model, s[i].port, s[i].base, s[i].bytes,
                           s[i].plan_id, &s[i].rt);
        }
    }
    if (err != FLX_OK) {
        flx_share_close(s, n);
    }
    if (used) {
        *used = (uint32_t)end;
    }
    return err;
}
