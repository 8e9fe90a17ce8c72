#include <string.h>

#include "flx_core.h"

static uint32_t le32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static enum flx_err check_port(const struct flx_model *m,
                               const struct flx_port *port)
{
    const uint32_t align = port->read_align;
    if ((!port->map && (!port->start_read || !port->finish_read)) ||
        (align & (align - 1)) != 0 || (port->parallel && port->n_thread == 0)) {
        return FLX_E_ARG;
    }
    return flx_stored_room(m) > 0 && !port->decode ? FLX_E_DECODE : FLX_OK;
}

enum flx_err flx_check_plans(const struct flx_model *m,
                             const struct flx_port *port)
{
    for (uint32_t i = 0; i < m->n_plan; i++) {
        const enum flx_err err = flx_check_plan(m, m->plan[i]);
        if (err != FLX_OK) {
            return err;
        }
        if (port->parallel &&
            port->n_thread > flx_plan_head(m->plan[i])->n_thread) {
            return FLX_E_THREADS;
        }
        if (!port->map && flx_plan_reads_map(m->plan[i])) {
            return FLX_E_PLAN;
        }
    }
    return FLX_OK;
}

enum flx_err flx_add_plan(struct flx_model *m, const uint32_t **list,
                          const uint32_t *plan, uint32_t n_words)
{
    if (!m || !list || !plan || (uintptr_t)plan % sizeof *plan != 0) {
        return FLX_E_ARG;
    }
    /* The check reads as many words as the header says. */
    if (n_words < sizeof(struct flx_plan_head) / sizeof *plan ||
        flx_plan_head(plan)->n_words != n_words || m->n_plan == UINT16_MAX) {
        return FLX_E_PLAN;
    }
    const enum flx_err err = flx_check_plan(m, plan);
    if (err == FLX_OK) {
        memmove(list, m->plan, m->n_plan * sizeof *list);
        list[m->n_plan++] = plan;
        m->plan = list;
    }
    return err;
}

static enum flx_err check_blob_head(const struct flx_model *m,
                                    const uint8_t *head)
{
    const bool is_ours =
        le32(head + FLX_BLOB_AT_MAGIC) == FLX_BLOB_MAGIC &&
        le32(head + FLX_BLOB_AT_VERSION) == FLX_FORMAT_VERSION &&
        memcmp(head + FLX_BLOB_AT_ID, m->id, FLX_ID_BYTES) == 0 &&
        le32(head + FLX_BLOB_AT_BYTES) == m->blob_bytes &&
        le32(head + FLX_BLOB_AT_BYTES + 4) == 0 &&
        le32(head + FLX_BLOB_AT_N_CHUNK) == m->n_chunk &&
        le32(head + FLX_BLOB_AT_ALIGN) == m->align &&
        le32(head + FLX_BLOB_AT_CRC) == flx_crc32c(0, head, FLX_BLOB_AT_CRC);
    return is_ours ? FLX_OK : FLX_E_BLOB;
}

/* Reads the header into the arena's first bytes, where the state will be: its
 * alignment and size serve any store. */
static enum flx_err check_blob(const struct flx_model *m,
                               const struct flx_port *port, uint8_t *arena)
{
    const uint32_t align = port->read_align;
    const uint32_t len =
        align > FLX_BLOB_HEAD_BYTES ? align : FLX_BLOB_HEAD_BYTES;
    enum flx_err err = port->start_read(port->ctx, 0, arena, len);
    if (err == FLX_OK) {
        do {
            uint32_t n_in = 0;
            err = port->finish_read(port->ctx, 1, &n_in);
        } while (err == FLX_PENDING);
    }
    return err == FLX_OK ? check_blob_head(m, arena) : err;
}

/* Mapped storage is verified here, once. */
static enum flx_err check_map(const struct flx_model *m,
                              const struct flx_port *port)
{
    const enum flx_err err = check_blob_head(m, port->map);
    if (err != FLX_OK) {
        return err;
    }
    for (uint32_t i = 0; i < m->n_chunk; i++) {
        const struct flx_chunk *c = &m->chunk[i];
        const uint8_t *stored = port->map + c->blob_off;
        const uint32_t crc =
            port->crc32c ? port->crc32c(port->ctx, 0, stored, c->stored_bytes)
                         : flx_crc32c(0, stored, c->stored_bytes);
        if (crc != c->crc) {
            return FLX_E_CHECKSUM;
        }
    }
    return FLX_OK;
}

static void start(const struct flx_model *m, const struct flx_port *port,
                  uint8_t *arena, uint32_t arena_bytes, uint32_t plan_id,
                  struct flx **out)
{
    /* The arena's alignment is at least that of any object. */
    struct flx *rt = (struct flx *)(void *)arena;
    memset(arena, 0, flx_state_bytes(m));
    rt->model = m;
    rt->arena = arena;
    rt->arena_bytes = arena_bytes;
    rt->stored_room = flx_stored_room(m);
    rt->port = *port;
    rt->plan = m->plan[plan_id];
    rt->plan_id = plan_id;
    atomic_init(&rt->request, plan_id);
    atomic_init(&rt->asked, m);
    atomic_init(&rt->request_us, 0);
    for (uint32_t i = 0; i < FLX_MAX_IN_FLIGHT; i++) {
        atomic_init(&rt->queue[i].done, 1);
    }
    rt->handled = plan_id;
    flx_rewind(rt);
    const uint32_t used = flx_plan_head(rt->plan)->arena_bytes;
    if (port->release && used < arena_bytes) {
        port->release(port->ctx, arena + used, arena_bytes - used);
    }
    *out = rt;
}

enum flx_err flx_open(const struct flx_model *model,
                      const struct flx_port *port, void *arena,
                      uint32_t arena_bytes, uint32_t plan_id, struct flx **out)
{
    if (!model || !port || !arena || !out) {
        return FLX_E_ARG;
    }
    enum flx_err err = flx_check_model(model);
    if (err == FLX_OK) {
        err = check_port(model, port);
    }
    if (err == FLX_OK) {
        err = flx_check_plans(model, port);
    }
    if (err != FLX_OK) {
        return err;
    }
    if (plan_id >= model->n_plan) {
        return FLX_E_PLAN;
    }
    if ((uintptr_t)arena % model->align != 0 ||
        arena_bytes < flx_arena_bytes(model, plan_id)) {
        return FLX_E_ARENA;
    }
    /* Reads are whole units only where every load has room for them. */
    struct flx_port used = *port;
    if (model->decode_bytes != 0 || used.read_align > model->align) {
        used.read_align = 0;
    }
    err = used.map ? check_map(model, &used) : check_blob(model, &used, arena);
    if (err == FLX_OK) {
        start(model, &used, arena, arena_bytes, plan_id, out);
    }
    return err;
}

void flx_close(struct flx *rt)
{
    flx_fetch_quiesce(rt);
}
