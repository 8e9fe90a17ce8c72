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

static bool is_faulty(const struct fault_store *s, enum fault fault)
{
    return s->fault == fault && s->n_read == s->fault_at + 1;
}

enum flx_err fault_store_start(void *store, uint32_t off, void *dst,
                               uint32_t len)
{
    struct fault_store *s = store;
    s->is_misused |= s->is_reading || len == 0;
    if (s->read_align > 0) {
        s->is_misused |= (off ^ (uintptr_t)dst) % s->read_align != 0;
        s->n_partial += (off | len) % s->read_align != 0;
        /* The last unit may reach beyond the blob. */
        const uint32_t left = s->mem.bytes - off;
        len = len > left && len - left < s->read_align ? left : len;
    }
    s->n_read++;
    s->bytes_asked += len;
    if (is_faulty(s, FAULT_START)) {
        return FLX_E_STORAGE;
    }
    s->dst = dst;
    s->len = len;
    s->stall = is_faulty(s, FAULT_STALL) ? STALL_POLLS : 0;
    const enum flx_err err = flx_store_mem_start(&s->mem, off, dst, len);
    s->is_reading = err == FLX_OK;
    return err;
}

enum flx_err fault_store_finish(void *store, int wait)
{
    struct fault_store *s = store;
    s->is_misused |= !s->is_reading;
    if (s->stall > 0) {
        s->stall--;
        s->n_pending++;
        return FLX_PENDING;
    }
    const enum flx_err err = flx_store_mem_finish(&s->mem, wait);
    if (err == FLX_PENDING) {
        s->n_pending++;
        return err;
    }
    s->is_reading = false;
    if (is_faulty(s, FAULT_FINISH)) {
        return FLX_E_STORAGE;
    }
    if (is_faulty(s, FAULT_SHORT)) {
        memset(s->dst + s->len / 2, 0xa5, s->len - s->len / 2);
    }
    if (is_faulty(s, FAULT_FLIP)) {
        s->dst[s->len / 2] ^= 4;
    }
    return err;
}
