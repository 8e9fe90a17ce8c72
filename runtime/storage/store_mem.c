#include "storage/store_mem.h"

#include <string.h>

enum flx_err flx_store_mem_start(void *store, uint32_t off, void *dst,
                                 uint32_t len)
{
    struct flx_store_mem *s = store;
    if (off > s->bytes || len > s->bytes - off) {
        return FLX_E_STORAGE;
    }
    s->off = off;
    s->left = len;
    s->dst = dst;
    s->n_in = 0;
    return FLX_OK;
}

enum flx_err flx_store_mem_finish(void *store, int wait, uint32_t *n_in)
{
    struct flx_store_mem *s = store;
    const uint32_t n = wait || s->poll_bytes == 0 || s->left < s->poll_bytes
                           ? s->left
                           : s->poll_bytes;
    memcpy(s->dst + s->n_in, s->blob + s->off, n);
    s->off += n;
    s->n_in += n;
    s->left -= n;
    *n_in = s->n_in;
    return s->left == 0 ? FLX_OK : FLX_PENDING;
}
