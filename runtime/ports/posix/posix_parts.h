/* posix_parts.h - the parts of the POSIX port, one file each. Not for callers.
 * Functions that start something return 0 or an errno value and undo what they
 * did; those of the port struct have its contracts. */
#ifndef FLEXRT_PORTS_POSIX_PARTS_H
#define FLEXRT_PORTS_POSIX_PARTS_H

#include "ports/posix/flx_posix.h"

/* posix_file.c */
int flx_posix_file_open(struct flx_posix *p, const char *path,
                        enum flx_posix_storage storage);
void flx_posix_file_close(struct flx_posix *p);
enum flx_err flx_posix_start_read(void *ctx, uint32_t off, void *dst,
                                  uint32_t len);
enum flx_err flx_posix_finish_read(void *ctx, int wait, uint32_t *n_in);

/* posix_ring.c: the rest only where flx_posix_ring_open returned 0. At most
 * FLX_POSIX_RING reads at once, from `ask` to `take`, by one thread at a time,
 * which must not end in between. `go` hands over what was asked and returns how
 * many of the last the system had no room for, which are forgotten; `wait`
 * returns when there is something to take, or earlier; `take` brings the tag of
 * a read that is over and its bytes, or the negative of an errno value. */
int flx_posix_ring_open(struct flx_posix_ring *r);
void flx_posix_ring_close(struct flx_posix_ring *r);
void flx_posix_ring_ask(struct flx_posix_ring *r, int fd, uint32_t off,
                        void *dst, uint32_t len, uint32_t tag);
uint32_t flx_posix_ring_go(struct flx_posix_ring *r);
void flx_posix_ring_wait(struct flx_posix_ring *r);
bool flx_posix_ring_take(struct flx_posix_ring *r, uint32_t *tag, int32_t *n);

/* posix_loader.c */
int flx_posix_loader_start(struct flx_posix *p);
void flx_posix_loader_stop(struct flx_posix *p);
void flx_posix_submit(void *ctx, struct flx_load *load);
void flx_posix_wait_load(void *ctx, const _Atomic uint32_t *done);

/* posix_workers.c */
int flx_posix_workers_start(struct flx_posix *p, uint32_t n_worker);
void flx_posix_workers_stop(struct flx_posix *p);
void flx_posix_parallel(void *ctx,
                        void (*fn)(void *arg, uint32_t part, uint32_t n),
                        void *arg, uint32_t n);

/* posix_crc.c: NULL when this machine has no instruction for it */
typedef uint32_t (*flx_crc_fn)(void *ctx, uint32_t crc, const void *src,
                               uint32_t len);
flx_crc_fn flx_posix_crc(void);

#endif
