/* Changing over to another entry of a model: a file of its own, which a program
 * that has one entry does not link. */
#include <string.h>

#include "flx_core.h"

static bool is_same_name(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b) {
        a++;
        b++;
    }
    return *a == *b;
}

/* Chunks are where they are in all entries, and so are their checksums. */
static bool has_same_chunks(const struct flx_model *a,
                            const struct flx_model *b)
{
    for (uint32_t i = 0; a->chunk != b->chunk && i < a->n_chunk; i++) {
        const struct flx_chunk *const x = &a->chunk[i];
        const struct flx_chunk *const y = &b->chunk[i];
        if (x->blob_off != y->blob_off || x->stored_bytes != y->stored_bytes ||
            x->raw_bytes != y->raw_bytes || x->crc != y->crc ||
            x->res_off != y->res_off || x->codec != y->codec) {
            return false;
        }
    }
    return true;
}

/* True when input ix is an output, too. */
static bool is_state(const struct flx_model *m, uint32_t ix)
{
    uint32_t i = 0;
    while (i < m->n_output && m->output[i].buf != m->input[ix].buf) {
        i++;
    }
    return i < m->n_output;
}

/* A state is the same buffer in both, in rows of any size. */
static bool is_same_state(const struct flx_model *a, const struct flx_model *b,
                          uint32_t ix)
{
    const struct flx_io *const x = &a->input[ix];
    const struct flx_io *const y = &b->input[ix];
    const struct flx_buf *const v = &a->buf[x->buf];
    const struct flx_buf *const w = &b->buf[y->buf];
    return x->buf == y->buf && x->bytes == y->bytes && x->dtype == y->dtype &&
           v->rows * v->row_bytes == w->rows * w->row_bytes &&
           is_same_name(x->name, y->name);
}

static bool has_same_states(const struct flx_model *a,
                            const struct flx_model *b)
{
    for (uint32_t i = 0; i < a->n_input; i++) {
        const bool is_one = is_state(a, i);
        if (is_one != is_state(b, i) || (is_one && !is_same_state(a, b, i))) {
            return false;
        }
    }
    return true;
}

static bool is_entry_of(const struct flx_model *a, const struct flx_model *b)
{
    return memcmp(a->id, b->id, FLX_ID_BYTES) == 0 && a->align == b->align &&
           a->blob_bytes == b->blob_bytes &&
           a->decode_bytes == b->decode_bytes && a->n_chunk == b->n_chunk &&
           a->n_input == b->n_input && has_same_chunks(a, b) &&
           has_same_states(a, b);
}

enum flx_err flx_enter(struct flx *rt, const struct flx_model *entry)
{
    if (!entry) {
        return FLX_E_ARG;
    }
    if (rt->inside) {
        return FLX_E_STATE;
    }
    if (entry == rt->model) {
        return flx_settle(rt);
    }
    enum flx_err err = flx_check_model(entry);
    if (err == FLX_OK && !is_entry_of(rt->model, entry)) {
        err = FLX_E_MODEL;
    }
    if (err == FLX_OK) {
        err = flx_check_plans(entry, &rt->port);
    }
    if (err != FLX_OK) {
        return err;
    }
    const uint32_t request =
        atomic_load_explicit(&rt->request, memory_order_acquire);
    const bool is_asked = request != rt->handled;
    const bool is_obeyed =
        is_asked && flx_has_room(rt, entry, request & 0xffffu);
    const uint32_t plan_id = is_obeyed ? request & 0xffffu : rt->plan_id;
    const bool is_switch = plan_id != rt->plan_id;
    if (!flx_has_room(rt, entry, plan_id)) {
        return plan_id < entry->n_plan ? FLX_E_ARENA : FLX_E_PLAN;
    }
    err = flx_change_entry(rt, entry, plan_id);
    if (err != FLX_OK) {
        if (err != FLX_E_REFUSED && err != FLX_E_PLAN) {
            flx_rewind(rt);
        }
        return err;
    }
    if (is_switch) {
        flx_count_switch(rt);
    }
    if (is_asked) {
        (void)flx_answer(rt, request, is_obeyed ? FLX_OK : FLX_E_PLAN);
    }
    return FLX_OK;
}
