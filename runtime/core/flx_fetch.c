#include <string.h>

#include "flx_core.h"

/* ---- running one load, on whatever thread ---- */

static uint32_t crc_of(const struct flx *rt, uint32_t crc, const void *src,
                       uint32_t len)
{
    return rt->port.crc32c ? rt->port.crc32c(rt->port.ctx, crc, src, len)
                           : flx_crc32c(crc, src, len);
}

static enum flx_err decode(const struct flx *rt, const struct flx_chunk *c,
                           const uint8_t *stored, uint8_t *dst)
{
    return rt->port.decode(dst, c->raw_bytes, stored, c->stored_bytes,
                           flx_decode_work(rt) + rt->stored_room,
                           rt->model->decode_bytes - rt->stored_room);
}

/* Brings one chunk out of the mapped blob, whose checksums held at open. */
static enum flx_err copy_chunk(const struct flx *rt, const struct flx_chunk *c,
                               uint8_t *dst)
{
    const uint8_t *stored = rt->port.map + c->blob_off;
    if (c->codec != FLX_CODEC_RAW) {
        return decode(rt, c, stored, dst);
    }
    memcpy(dst, stored, c->raw_bytes);
    return FLX_OK;
}

/* Begins to read the next chunks: raw ones that follow each other in the blob
 * at once and to their place, a compressed one alone and to the workspace. */
static enum flx_err start_read(struct flx_load *load)
{
    const struct flx *rt = load->rt;
    const struct flx_chunk *c = &rt->model->chunk[load->chunk0 + load->next];
    const bool is_raw = c->codec == FLX_CODEC_RAW;
    const uint32_t align = rt->port.read_align > 1 ? rt->port.read_align : 1;
    uint32_t n = 1;
    uint32_t len = c->stored_bytes;
    uint32_t before = 0;
    uint8_t *dst = is_raw ? load->next_dst : flx_decode_work(rt);
    while (is_raw && load->next + n < load->n_chunk &&
           c[n].codec == FLX_CODEC_RAW && c[n].blob_off == c->blob_off + len) {
        len += c[n].raw_bytes;
        n++;
    }
    /* Around a resident there are others, which may be in use: not one byte
     * more than it. Any other load has room for whole units. */
    if (is_raw && !load->resident) {
        before = c->blob_off % align;
        dst -= load->picks ? 0 : before;
        len = FLX_ROUND_UP(len + before, align);
    }
    const enum flx_err err =
        rt->port.start_read(rt->port.ctx, c->blob_off - before, dst, len);
    load->n_reading = err == FLX_OK ? n : 0;
    load->at = before;
    load->n_summed = 0;
    load->crc = 0;
    return err;
}

/* Verifies what has come of the read under way, and decodes: FLX_PENDING when
 * that are not all of its chunks. A chunk is summed while the rest of it is on
 * its way. */
static enum flx_err accept_read(struct flx_load *load, uint32_t n_in)
{
    const struct flx *rt = load->rt;
    for (; load->n_reading > 0; load->n_reading--, load->next++) {
        const struct flx_chunk *c =
            &rt->model->chunk[load->chunk0 + load->next];
        const bool is_raw = c->codec == FLX_CODEC_RAW;
        uint8_t *stored = is_raw ? load->next_dst : flx_decode_work(rt);
        stored += load->picks ? load->at : 0;
        uint32_t n = n_in > load->at ? n_in - load->at : 0;
        n = n < c->stored_bytes ? n : c->stored_bytes;
        load->crc =
            crc_of(rt, load->crc, stored + load->n_summed, n - load->n_summed);
        load->n_summed = n;
        if (n < c->stored_bytes) {
            return FLX_PENDING;
        }
        if (load->crc != c->crc) {
            return FLX_E_CHECKSUM;
        }
        if (!is_raw) {
            const enum flx_err err = decode(rt, c, stored, load->next_dst);
            if (err != FLX_OK) {
                return err;
            }
        } else if (stored != load->next_dst) {
            memmove(load->next_dst, stored, c->raw_bytes);
        }
        load->next_dst += c->raw_bytes;
        load->at += c->stored_bytes;
        load->n_summed = 0;
        load->crc = 0;
    }
    return FLX_OK;
}

/* Begins the first reads of the loads after this one, as many as the port takes
 * at once: reads end in the order in which they began, so that each load before
 * has begun its last. One that fails to start is tried again in its turn. Only
 * one compressed chunk at a time is in the workspace. */
static void start_ahead(const struct flx_load *load)
{
    struct flx *rt = load->rt;
    for (uint32_t n = 1; n < rt->port.n_reads && n < FLX_MAX_IN_FLIGHT &&
                         load->next + load->n_reading == load->n_chunk;
         n++) {
        struct flx_load *after =
            &rt->queue[((uint32_t)(load - rt->queue) + 1) % FLX_MAX_IN_FLIGHT];
        if (atomic_load_explicit(&after->done, memory_order_acquire) != 0) {
            return;
        }
        if (after->n_reading == 0 &&
            (rt->model->chunk[after->chunk0].codec != FLX_CODEC_RAW ||
             start_read(after) != FLX_OK)) {
            return;
        }
        load = after;
    }
}

/* Moves the read under way on and takes in what has come. After an error
 * nothing of it is on its way. */
static enum flx_err continue_read(struct flx_load *load, int wait)
{
    const struct flx *rt = load->rt;
    uint32_t n_in = 0;
    const enum flx_err read = rt->port.finish_read(rt->port.ctx, wait, &n_in);
    if (read < 0) {
        return read;
    }
    const enum flx_err err =
        accept_read(load, read == FLX_OK ? UINT32_MAX : n_in);
    if (err < 0 && read == FLX_PENDING) {
        while (rt->port.finish_read(rt->port.ctx, 1, &n_in) == FLX_PENDING) {
            n_in = 0;
        }
    }
    return err < 0 ? err : read;
}

/* As far as it goes: FLX_PENDING only without `wait`. */
static enum flx_err advance(struct flx_load *load, int wait)
{
    const struct flx *rt = load->rt;
    enum flx_err err = FLX_OK;
    while (err == FLX_OK && load->next < load->n_chunk) {
        if (rt->port.map) {
            const struct flx_chunk *c =
                &rt->model->chunk[load->chunk0 + load->next];
            err = copy_chunk(rt, c, load->next_dst);
            load->next_dst += c->raw_bytes;
            load->next++;
        } else if (load->n_reading == 0) {
            err = start_read(load);
        } else {
            do {
                start_ahead(load);
                err = continue_read(load, wait);
            } while (err == FLX_PENDING && wait);
        }
    }
    return err;
}

/* A load's time is that in which none before it is under way. */
static void trace(const struct flx_load *load, int end)
{
    const struct flx *rt = load->rt;
    if (rt->trace) {
        rt->trace(rt->trace_ctx, 1, end, load->chunk0, NULL);
    }
}

/* The last touch of a load by who runs it. */
static void publish(struct flx_load *load, enum flx_err err)
{
    trace(load, 1);
    atomic_store_explicit(&load->done, (uint32_t)(1 - (int)err),
                          memory_order_release);
}

void flx_load_run(struct flx_load *load)
{
    trace(load, 0);
    publish(load, advance(load, 1));
}

/* ---- the queue ---- */

static struct flx_load *queued(struct flx *rt, uint32_t ix)
{
    return &rt->queue[(rt->head + ix) % FLX_MAX_IN_FLIGHT];
}

static bool is_done(const struct flx_load *load, enum flx_err *err)
{
    const uint32_t done =
        atomic_load_explicit(&load->done, memory_order_acquire);
    *err = done == 0 ? FLX_PENDING : (enum flx_err)(1 - (int)done);
    return done != 0;
}

static bool is_present(const struct flx *rt, uint32_t chunk)
{
    return (flx_present_bits(rt)[chunk / 8] >> chunk % 8 & 1) != 0;
}

static void mark_present(const struct flx *rt, const struct flx_load *load,
                         bool present)
{
    for (uint32_t i = load->chunk0; i < load->chunk0 + load->n_chunk; i++) {
        uint8_t *byte = &flx_present_bits(rt)[i / 8];
        const uint8_t bit = (uint8_t)(1u << i % 8);
        *byte = (uint8_t)(present ? *byte | bit : *byte & ~bit);
    }
}

/* The chunk that a load which picks brings in iteration `row`. */
static uint32_t picked_chunk(const struct flx *rt, uint32_t layer, uint32_t row)
{
    const struct flx_layer *l = &rt->model->layer[layer];
    const uint8_t *ix = rt->arena +
                        flx_buf_addr(rt->plan, rt->model->arg[l->arg0 + 1]) +
                        (size_t)row * l->index_bytes;
    int64_t i;
    if (l->index_bytes == 8) {
        memcpy(&i, ix, 8);
    } else {
        int32_t i32;
        memcpy(&i32, ix, 4);
        i = i32;
    }
    const int64_t n = (int64_t)l->entries;
    return l->chunk0 + (uint32_t)FLX_EMBED_ENTRY(i, n) / l->panel_entries;
}

/* Queues n chunks; `credit` load instructions are complete when they are in.
 * Bits are set at once, so that no later load brings the same chunks again:
 * it completes after this one in any case. */
static void enqueue(struct flx *rt, uint32_t chunk0, uint32_t n, uint8_t *dst,
                    uint32_t kind, uint32_t credit)
{
    struct flx_load *load = queued(rt, rt->n_queued);
    rt->n_queued++;
    load->chunk0 = chunk0;
    load->n_chunk = n;
    load->credit = credit;
    load->resident = kind == FLX_LOAD_RESIDENT;
    load->picks = kind == FLX_LOAD_PICKS;
    load->rt = rt;
    load->next_dst = dst;
    load->next = 0;
    load->n_reading = 0;
    load->is_run = 0;
    if (load->resident) {
        mark_present(rt, load, true);
    }
    /* From here on who runs the load before may begin it. */
    atomic_store_explicit(&load->done, 0, memory_order_release);
    if (rt->port.submit) {
        rt->port.submit(rt->port.ctx, load);
    }
}

/* One load instruction is complete as soon as those before it are. */
static void complete_next(struct flx *rt)
{
    if (rt->n_queued > 0) {
        queued(rt, rt->n_queued - 1)->credit++;
    } else {
        rt->completed++;
    }
}

/* Takes the oldest load out of the queue. */
static enum flx_err retire(struct flx *rt, enum flx_err err)
{
    const struct flx_load *load = queued(rt, 0);
    if (err == FLX_OK) {
        rt->completed += load->credit;
        rt->n_read++;
        for (uint32_t i = 0; i < load->n_chunk; i++) {
            rt->bytes_read += rt->model->chunk[load->chunk0 + i].stored_bytes;
        }
    } else if (load->resident) {
        mark_present(rt, load, false);
    }
    rt->head = (rt->head + 1) % FLX_MAX_IN_FLIGHT;
    rt->n_queued--;
    return err;
}

/* Moves a load on where no loader thread does. */
static void run_here(const struct flx *rt, struct flx_load *load, int wait)
{
    enum flx_err err;
    if (rt->port.submit || is_done(load, &err)) {
        return;
    }
    if (!load->is_run) {
        load->is_run = 1;
        trace(load, 0);
    }
    err = advance(load, wait);
    if (err != FLX_PENDING) {
        publish(load, err);
    }
}

/* Waits for a load; those before it are done. */
static void wait_for(const struct flx *rt, struct flx_load *load)
{
    enum flx_err err;
    run_here(rt, load, 1);
    while (!is_done(load, &err)) {
        if (rt->port.wait_load) {
            rt->port.wait_load(rt->port.ctx, &load->done);
        }
    }
}

/* ---- issuing ---- */

/* May the load at the cursor start? Those of the next run only with a negative
 * wait: results of this one stay until the next begins. */
static bool may_start(const struct flx *rt)
{
    const struct flx_plan_head *h = flx_plan_head(rt->plan);
    const bool next_run = rt->issued >= h->n_load;
    if (rt->issued >= (rt->inside ? 2 : 1) * h->n_load) {
        return false;
    }
    const struct flx_section s = flx_load_of(rt->plan);
    const int64_t wait = flx_load_wait(s.word + rt->load.pc, rt->load.iter);
    if (next_run || !rt->inside) {
        return wait < 0 && (!next_run || rt->pos >= h->n_compute + wait);
    }
    return rt->pos >= wait;
}

static void next_load(struct flx *rt)
{
    const struct flx_section s = flx_load_of(rt->plan);
    rt->issued++;
    rt->load_sub = 0;
    flx_cursor_next(&s, &rt->load);
    if (rt->load.pc == s.n_words) {
        flx_cursor_start(&s, &rt->load);
    }
}

/* Queues the load at the cursor, of a resident one the first run of chunks
 * that are absent. */
static void issue(struct flx *rt)
{
    const struct flx_section s = flx_load_of(rt->plan);
    const uint32_t *in = s.word + rt->load.pc;
    const uint32_t kind = in[0] >> 4;
    if (kind == FLX_LOAD_PICKS) {
        enqueue(rt, picked_chunk(rt, in[1], rt->load.iter), 1,
                rt->arena + in[3], kind, 1);
        next_load(rt);
        return;
    }
    const bool resident = kind == FLX_LOAD_RESIDENT;
    const uint32_t n = in[2];
    uint32_t from = rt->load_sub;
    while (resident && from < n && is_present(rt, in[1] + from)) {
        from++;
    }
    uint32_t to = resident ? from : n;
    while (to < n && !is_present(rt, in[1] + to)) {
        to++;
    }
    uint32_t rest = to;
    while (rest < n && is_present(rt, in[1] + rest)) {
        rest++;
    }
    if (from < n) {
        uint8_t *dst = rt->arena + in[3];
        for (uint32_t i = 0; i < from; i++) {
            dst += rt->model->chunk[in[1] + i].raw_bytes;
        }
        enqueue(rt, in[1] + from, to - from, dst, kind, rest == n);
    } else {
        complete_next(rt);
    }
    if (rest == n) {
        next_load(rt);
    } else {
        rt->load_sub = rest;
    }
}

/* ---- what the step loop calls ---- */

void flx_rewind(struct flx *rt)
{
    const struct flx_section compute = flx_compute_of(rt->plan);
    const struct flx_section load = flx_load_of(rt->plan);
    flx_cursor_start(&compute, &rt->box);
    flx_cursor_start(&load, &rt->load);
    rt->pos = 0;
    rt->inside = false;
    rt->before = (struct flx_box){0};
    rt->load_sub = 0;
    rt->issued = 0;
    rt->completed = 0;
}

enum flx_err flx_fetch_pump(struct flx *rt)
{
    const uint32_t most = flx_plan_head(rt->plan)->in_flight;
    for (;;) {
        while (rt->n_queued < most && may_start(rt)) {
            issue(rt);
        }
        if (rt->n_queued == 0) {
            return FLX_OK;
        }
        run_here(rt, queued(rt, 0), 0);
        enum flx_err err;
        if (!is_done(queued(rt, 0), &err)) {
            return FLX_OK;
        }
        if (retire(rt, err) != FLX_OK) {
            return err;
        }
    }
}

enum flx_err flx_fetch_wait(struct flx *rt, uint32_t need)
{
    for (;;) {
        const enum flx_err err = flx_fetch_pump(rt);
        if (err != FLX_OK || rt->completed >= need) {
            return err;
        }
        wait_for(rt, queued(rt, 0));
    }
}

void flx_fetch_quiesce(struct flx *rt)
{
    for (uint32_t i = 0; i < rt->n_queued; i++) {
        wait_for(rt, queued(rt, i));
    }
}

enum flx_err flx_fetch_drain(struct flx *rt)
{
    enum flx_err first = FLX_OK;
    flx_fetch_quiesce(rt);
    while (rt->n_queued > 0) {
        enum flx_err err;
        (void)is_done(queued(rt, 0), &err);
        err = retire(rt, err);
        first = first == FLX_OK ? err : first;
    }
    return first;
}
