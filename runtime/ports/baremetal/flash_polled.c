#include "ports/baremetal/flash_polled.h"

enum flx_err flx_flash_start(void *flash, uint32_t off, void *dst, uint32_t len)
{
    struct flx_flash *f = flash;
    if (off % 4 != 0 || off > f->bytes || len > f->bytes - off) {
        return FLX_E_STORAGE;
    }
    f->off = off;
    f->left = len;
    f->dst = dst;
    f->n_in = 0;
    f->n_idle = 0;
    return FLX_OK;
}

enum flx_err flx_flash_finish(void *flash, int wait, uint32_t *n_in)
{
    struct flx_flash *f = flash;
    for (uint32_t n = 0; f->left > 0 && (wait || n < f->burst_words); n++) {
        if (f->ready && *f->ready == 0) {
            if (f->n_idle >= f->max_idle) {
                f->left = 0;
                return FLX_E_STORAGE;
            }
            f->n_idle++;
            continue;
        }
        f->n_idle = 0;
        uint32_t word = f->device[f->off / 4];
        for (uint32_t i = 0; i < 4 && f->left > 0; i++, word >>= 8) {
            f->dst[f->n_in++] = (uint8_t)word;
            f->left--;
        }
        f->off += 4;
    }
    *n_in = f->n_in;
    f->n_polls += f->left > 0;
    return f->left == 0 ? FLX_OK : FLX_PENDING;
}
