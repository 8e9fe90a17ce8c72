#include "flx_core.h"

uint32_t flx_arena_bytes(const struct flx_model *model, uint32_t plan_id)
{
    return plan_id < model->n_plan
               ? flx_plan_head(model->plan[plan_id])->arena_bytes
               : 0;
}

void *flx_input(struct flx *rt, uint32_t ix)
{
    return ix < rt->model->n_input
               ? rt->arena + flx_buf_addr(rt->plan, rt->model->input[ix].buf)
               : NULL;
}

const void *flx_output(const struct flx *rt, uint32_t ix)
{
    return ix < rt->model->n_output
               ? rt->arena + flx_buf_addr(rt->plan, rt->model->output[ix].buf)
               : NULL;
}

void flx_query(const struct flx *rt, struct flx_info *info)
{
    const struct flx_plan_head *h = flx_plan_head(rt->plan);
    *info = (struct flx_info){
        .plan_id = rt->plan_id,
        .arena_bytes = h->arena_bytes,
        .step = rt->step,
        .n_step = h->n_step,
        .bytes_read = rt->bytes_read,
        .n_read = rt->n_read,
        .n_ahead = rt->inside ? 0 : rt->completed,
        .n_switch = rt->n_switch,
        .switch_us = rt->switch_us,
        .released_bytes = rt->released_bytes,
        .last_switch = rt->last_switch,
        .layer = rt->layer,
        .inside = rt->inside,
        .entry_ix = rt->model->entry_ix,
    };
}

void flx_set_trace(struct flx *rt, flx_trace_fn fn, void *ctx)
{
    flx_fetch_quiesce(rt);
    rt->trace = fn;
    rt->trace_ctx = ctx;
}
