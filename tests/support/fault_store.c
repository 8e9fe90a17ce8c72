#include "support/fault_store.h"

#include <string.h>

enum { STALL_POLLS = 1000 };

void fault_store_init(struct fault_store *s, const uint8_t *bytes, uint32_t n,
                      uint32_t poll_bytes)
{
    memset(s, 0, sizeof *s);
    s->mem.blob = bytes;
    s->mem.bytes = n;
    s->mem.poll_bytes = poll_bytes;
    s->n_reads = 1;
}

void fault_store_arm(struct fault_store *s, enum fault fault, uint64_t skip)
{
    s->fault = fault;
    s->fault_at = s->n_read + skip;
}

bool fault_store_hit(const struct fault_store *s)
{
    return s->fault != FAULT_NONE && s->n_read > s->fault_at;
}

enum flx_err fault_store_start(void *store, uint32_t off, void *dst,
                               uint32_t len)
{
    struct fault_store *s = store;
    s->is_misused |= len == 0;
    if (s->n_reading >= s->n_reads) {
        s->is_misused = true;
        return FLX_E_STORAGE;
    }
    struct fault_read *const r = &s->read[s->n_reading];
    if (s->read_align > 0) {
        s->is_misused |= (off ^ (uintptr_t)dst) % s->read_align != 0;
        s->n_partial += (off | len) % s->read_align != 0;
        /* The last unit may reach beyond the blob. */
        const uint32_t left = s->mem.bytes - off;
        len = len > left && len - left < s->read_align ? left : len;
    }
    const enum fault fault = s->n_read == s->fault_at ? s->fault : FAULT_NONE;
    s->n_read++;
    s->bytes_asked += len;
    if (fault == FAULT_START) {
        return FLX_E_STORAGE;
    }
    *r = (struct fault_read){.mem = s->mem,
                             .fault = fault,
                             .len = len,
                             .stall = fault == FAULT_STALL ? STALL_POLLS : 0,
                             .dst = dst};
    const enum flx_err err = flx_store_mem_start(&r->mem, off, dst, len);
    s->n_reading += err == FLX_OK;
    return err;
}

/* The oldest one is over. */
static enum flx_err end_read(struct fault_store *s)
{
    const struct fault_read r = s->read[0];
    s->n_reading--;
    memmove(&s->read[0], &s->read[1], s->n_reading * sizeof r);
    if (s->fault != r.fault) { /* not armed any more */
        return FLX_OK;
    }
    if (r.fault == FAULT_SHORT) {
        memset(r.dst + r.len / 2, 0xa5, r.len - r.len / 2);
    }
    if (r.fault == FAULT_FLIP) {
        r.dst[r.len / 2] ^= 4;
    }
    return r.fault == FAULT_FINISH ? FLX_E_STORAGE : FLX_OK;
}

enum flx_err fault_store_finish(void *store, int wait, uint32_t *n_in)
{
    struct fault_store *s = store;
    if (s->n_reading == 0) {
        s->is_misused = true;
        return FLX_E_STORAGE;
    }
    if (s->read[0].stall > 0) {
        s->read[0].stall--;
        s->n_pending++;
        return FLX_PENDING;
    }
    uint32_t n = 0;
    const enum flx_err err =
        flx_store_mem_finish(&s->read[0].mem, wait && !s->wait_is_a_poll, &n);
    for (uint32_t i = 1; i < s->n_reading; i++) {
        uint32_t other;
        (void)flx_store_mem_finish(&s->read[i].mem, 0, &other);
    }
    if (err == FLX_PENDING) {
        s->n_pending++;
        /* What will be wrong must not be summed before it is. */
        *n_in = s->read[0].fault == FAULT_NONE ? n : 0;
        return err;
    }
    return end_read(s);
}
