#include "flx_core.h"

/* Calls the kernel for its part of the box. */
struct parts {
    const struct flx_kernel *kernel;
    const struct flx_call *call;
};

static void run_part(void *arg, uint32_t part, uint32_t n)
{
    const struct parts *p = arg;
    p->kernel->fn(p->call, p->kernel->arg, part, n);
}

static void fill_call(const struct flx *rt, const struct flx_box *b,
                      struct flx_call *call)
{
    const struct flx_model *m = rt->model;
    const struct flx_layer *l = &m->layer[b->layer];
    for (uint32_t i = 0; i < l->n_arg; i++) {
        const uint16_t buf = m->arg[l->arg0 + i];
        if (buf == FLX_BUF_NONE) {
            call->arg[i] = (struct flx_ref){NULL, 0};
        } else {
            call->arg[i].base = rt->arena + flx_buf_addr(rt->plan, buf);
            call->arg[i].ring = flx_buf_ring(rt->plan, buf);
        }
    }
    call->w = l->n_chunk == 0              ? NULL
              : b->flags == FLX_BOX_MAPPED ? rt->port.map + b->w
                                           : rt->arena + b->w;
    call->scratch = NULL;
    call->scratch_bytes = 0;
    if (l->scratch_bytes > 0) {
        const struct flx_scratch at = flx_scratch_at(rt->plan, b->layer);
        call->scratch = rt->arena + at.addr;
        call->scratch_bytes = at.bytes;
    }
    call->r0 = b->r0;
    call->r1 = b->r1;
    call->p0 = b->p0;
    call->p1 = b->p1;
    call->kb = b->kb;
}

/* See flx_call. Boxes that follow each other leave each other's scratch alone:
 * no load may write there before the last one is done. */
static uint32_t kept_by(const struct flx_box *before, const struct flx_box *b)
{
    const bool is_same = before->layer == b->layer && before->kb == b->kb &&
                         before->r0 == b->r0 && before->r1 == b->r1;
    return is_same ? before->p1 : 0;
}

/* Whether this run needs the layer, whose operands are in the call. */
static bool is_needed(const struct flx_layer *l, const struct flx_call *call)
{
    return l->guard == FLX_GUARD_NONE ||
           (call->arg[l->n_arg - 1].base[0] != 0) == (l->guard == FLX_GUARD_IF);
}

static void run_box(struct flx *rt, const struct flx_box *b)
{
    struct flx_call call;
    fill_call(rt, b, &call);
    if (!is_needed(&rt->model->layer[b->layer], &call)) {
        call.r1 = call.r0;
    }
    call.kept = kept_by(&rt->before, b);
    rt->before = (struct flx_box){0};
    rt->layer = (uint16_t)b->layer;
    if (rt->trace) {
        rt->trace(rt->trace_ctx, 0, 0, b->layer, &call);
    }
    if (call.r0 < call.r1) {
        const uint32_t n_panel = b->p1 - b->p0;
        rt->before = *b;
        rt->before.p1 = n_panel > call.kept ? n_panel : call.kept;
        struct parts p = {&rt->model->kernel[rt->model->layer[b->layer].kernel],
                          &call};
        if (rt->port.parallel && rt->port.n_thread > 1) {
            rt->port.parallel(rt->port.ctx, run_part, &p, rt->port.n_thread);
        } else {
            run_part(&p, 0, 1);
        }
    }
    if (rt->trace) {
        rt->trace(rt->trace_ctx, 0, 1, b->layer, &call);
    }
}

/* Leaves a state from which the next run starts afresh. */
static enum flx_err abandon(struct flx *rt, enum flx_err err)
{
    (void)flx_fetch_drain(rt); /* the first error is the cause */
    flx_rewind(rt);
    return err;
}

/* Between runs a refused switch is no error of the run: it is dropped. */
static enum flx_err switch_between(struct flx *rt)
{
    const enum flx_err err = flx_switch_here(rt);
    return err == FLX_E_REFUSED ? FLX_OK : err;
}

static enum flx_err begin(struct flx *rt)
{
    const enum flx_err err = switch_between(rt);
    rt->step = 0;
    rt->inside = err == FLX_OK;
    return err;
}

/* All boxes are done, and with them all loads of this run; those of the next
 * may be in flight. */
static enum flx_err end(struct flx *rt)
{
    const struct flx_plan_head *h = flx_plan_head(rt->plan);
    const struct flx_section s = flx_compute_of(rt->plan);
    rt->inside = false;
    rt->issued -= h->n_load;
    rt->completed -= h->n_load;
    rt->pos = 0;
    rt->before = (struct flx_box){0};
    flx_cursor_start(&s, &rt->box);
    return switch_between(rt);
}

static enum flx_err step(struct flx *rt)
{
    enum flx_err err = rt->inside ? switch_between(rt) : begin(rt);
    if (err != FLX_OK) {
        return err;
    }
    if (rt->pos < flx_plan_head(rt->plan)->n_compute) {
        const struct flx_section s = flx_compute_of(rt->plan);
        struct flx_box b;
        flx_box_decode(rt->model, s.word + rt->box.pc, rt->box.iter, &b);
        err = flx_fetch_wait(rt, (uint32_t)b.wait);
        if (err != FLX_OK) {
            return err;
        }
        run_box(rt, &b);
        rt->pos++;
        rt->step++;
        flx_cursor_next(&s, &rt->box);
        err = flx_fetch_pump(rt);
        if (err != FLX_OK) {
            return err;
        }
    }
    return rt->pos < flx_plan_head(rt->plan)->n_compute ? FLX_PENDING : end(rt);
}

enum flx_err flx_step(struct flx *rt)
{
    const enum flx_err err = step(rt);
    return err < 0 ? abandon(rt, err) : err;
}

enum flx_err flx_run(struct flx *rt)
{
    enum flx_err err = FLX_PENDING;
    while (err == FLX_PENDING) {
        err = flx_step(rt);
    }
    return err;
}

enum flx_err flx_settle(struct flx *rt)
{
    if (rt->inside) {
        return FLX_E_STATE;
    }
    const enum flx_err err = flx_switch_here(rt);
    return err < 0 && err != FLX_E_REFUSED ? abandon(rt, err) : err;
}
