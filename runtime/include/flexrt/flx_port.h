/* flx_port.h - what a port supplies: storage, a loader, threads, time, and the
 * top of the arena. All members but storage may be NULL. */
#ifndef FLEXRT_FLX_PORT_H
#define FLEXRT_FLX_PORT_H

#ifndef __cplusplus
#include <stdatomic.h>
#endif
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A word that one thread stores and another loads. C++ before 23 has no name
 * for it; there it is a word of the same layout, to be handed on. */
#ifdef __cplusplus
typedef volatile uint32_t flx_atomic_u32;
#else
typedef _Atomic uint32_t flx_atomic_u32;
#endif

enum flx_err {
    FLX_OK = 0,
    FLX_PENDING = 1, /* finish_read: not yet; flx_step: more to do */
    FLX_E_ARG = -1,  /* a bad argument; nothing changed */
    FLX_E_MODEL =
        -2, /* generated tables are inconsistent or of another version */
    FLX_E_PLAN = -3,     /* no such plan, or one that does not fit the arena */
    FLX_E_ARENA = -4,    /* arena too small or misaligned */
    FLX_E_BLOB = -5,     /* not a blob, or the blob of another model */
    FLX_E_STORAGE = -6,  /* a read failed or came short */
    FLX_E_CHECKSUM = -7, /* stored bytes do not match their checksum */
    FLX_E_DECODE = -8,   /* a chunk does not decode, or no codec is linked */
    FLX_E_STATE = -9,    /* the call is not allowed now */
    FLX_E_REFUSED = -10, /* the port refused to grow the arena */
    FLX_E_THREADS = -11, /* more threads than the plan is for */
    FLX_E_TABLES = -12   /* a plan for other tables of the same model: made with
                            another --target, --device, --numerics or --compress,
                            which changed kernels or chunks */
};

/* One request of the load stream, filled by the core. The port only passes it
 * to flx_load_run and leaves its fields alone. */
struct flx_load;

/* Runs one load: read, verify, decode; then publishes its completion (a
 * release store) in the load itself. Any one thread at a time; loads must be
 * run in the order in which they were submitted. */
void flx_load_run(struct flx_load *load);

struct flx_port {
    void *ctx;

    /* Storage, one of two. `map`: the whole blob is addressable at this
     * address, for the life of the runtime (mapped flash, RAM). Otherwise
     * start_read begins to read [off, off + len) of the blob to dst, and
     * finish_read is about the oldest read that has begun: FLX_OK, all of it
     * has come; an error: no byte of it is written any more; or FLX_PENDING, it
     * is still on its way, and dst[0 .. *n_in) has come, which is summed while
     * the rest does. *n_in is 0 before the call and need not be set; it never
     * falls during a read. With `wait`, it returns when there is more.
     * A synchronous store reads in start_read or finish_read.
     *
     * n_reads: reads that may be under way at once, so that storage does not
     * wait while a load is summed; 0 and 1: one. A start_read that returns an
     * error has begun nothing.
     *
     * read_align: 0 or 1 when the store reads any bytes. Else a power of two,
     * and where the model allows it (every chunk raw, align a multiple of
     * read_align) off and dst are congruent modulo it. Loads that do not stay
     * are then made of whole units: off, dst and len are multiples of it; such
     * a read may end beyond the blob's last byte, by less than read_align, and
     * brings what there is. Loads of residents are exact, since their
     * neighbours may be in use; where the store cannot do that, it reads the
     * ends by way of its own memory. */
    const uint8_t *map;
    uint32_t read_align;
    uint32_t n_reads;
    enum flx_err (*start_read)(void *ctx, uint32_t off, void *dst,
                               uint32_t len);
    enum flx_err (*finish_read)(void *ctx, int wait, uint32_t *n_in);

    /* Loader thread: queue `load` for flx_load_run, in order; never blocks for
     * long (the core bounds what is in flight). NULL: the core runs loads
     * itself when they are needed. `wait_load` returns when *done != 0 (may
     * return early); NULL: the core spins. */
    void (*submit)(void *ctx, struct flx_load *load);
    void (*wait_load)(void *ctx, const flx_atomic_u32 *done);

    /* Calls fn(arg, part, n) for part = 0 .. n - 1, on up to n_thread threads,
     * and returns when all have. NULL: one thread. */
    uint32_t n_thread;
    void (*parallel)(void *ctx,
                     void (*fn)(void *arg, uint32_t part, uint32_t n),
                     void *arg, uint32_t n);

    /* Decoder of FLX_CODEC_ZSTD chunks; NULL when none is linked. Decodes src
     * to exactly dst_len bytes with `work` (codec's share of decode_bytes). */
    enum flx_err (*decode)(void *dst, uint32_t dst_len, const void *src,
                           uint32_t src_len, void *work, uint32_t work_len);

    /* CRC-32C of len bytes continued from crc (0 at first), where the machine
     * has an instruction or a unit for it. NULL: the core's tables. */
    uint32_t (*crc32c)(void *ctx, uint32_t crc, const void *src, uint32_t len);

    /* Any epoch; NULL: times read 0. Called by whoever calls flx_switch_plan,
     * an interrupt too. */
    uint64_t (*now_us)(void *ctx);

    /* The arena's top. release: `bytes` bytes at `from`, which reach to what
     * was released before or to the arena's end, are not used any more.
     * acquire: the `bytes` bytes at `from`, the lowest released ones, are
     * wanted back; 0 refuses. flx_open releases what its plan does not need. */
    void (*release)(void *ctx, void *from, uint32_t bytes);
    int (*acquire)(void *ctx, void *from, uint32_t bytes);
};

#ifdef __cplusplus
}
#endif

#endif
