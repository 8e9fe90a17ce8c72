/* flx_core.h - what the files of the core share: the runtime's state, and how
 * instructions are walked. Not for callers.
 *
 * The state lies at the arena's bottom: struct flx, at FLX_STATE_BASE_BYTES
 * one present bit a chunk, after it the decode workspace. Only the thread that
 * calls flx_step touches it, but for `request` (any thread) and, while a load
 * is in flight, the second half of its struct flx_load (whoever runs it or one
 * before it). */
#ifndef FLEXRT_CORE_FLX_CORE_H
#define FLEXRT_CORE_FLX_CORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flexrt/flexrt.h"

/* ---- instructions (flx_plan.c) ---- */

/* A section of instructions: of one stream of a plan. */
struct flx_section {
    const uint32_t *word;
    uint32_t n_words;
};

/* Where a stream stands: at a BOX, ROWS or LOAD, or at the section's end. */
struct flx_cursor {
    uint32_t pc;   /* word */
    uint32_t body; /* first word of the loop it is in; 0: in none */
    uint32_t iter;
    uint32_t n_iter;
};

static inline uint32_t flx_op_of(const uint32_t *in)
{
    return in[0] & 15u;
}

/* Words of an instruction; 0 for an unknown one. */
uint32_t flx_op_words(uint32_t op);

void flx_cursor_start(const struct flx_section *s, struct flx_cursor *at);
void flx_cursor_next(const struct flx_section *s, struct flx_cursor *at);

/* The place before instruction `pc` in iteration `iter` of its loop. */
struct flx_place {
    struct flx_cursor at;
    uint32_t number;   /* instructions executed before it */
    uint32_t per_iter; /* executed by one iteration of its loop; 0: in none */
};

/* pc is an instruction, a LOOP (then the first one of its body) or the
 * section's end; iter <= iterations, which stands for the place after the
 * loop, or not read outside of loops. False when there is no such place. */
bool flx_seek(const struct flx_section *s, uint32_t pc, uint32_t iter,
              struct flx_place *out);

/* The header of a plan. Its words are uint32_t, as are all of its fields. */
static inline const struct flx_plan_head *flx_plan_head(const uint32_t *plan)
{
    return (const struct flx_plan_head *)(const void *)plan;
}

static inline struct flx_section flx_compute_of(const uint32_t *plan)
{
    const struct flx_plan_head *h = flx_plan_head(plan);
    return (struct flx_section){plan + h->compute_off, h->n_compute_words};
}

static inline struct flx_section flx_load_of(const uint32_t *plan)
{
    const struct flx_plan_head *h = flx_plan_head(plan);
    return (struct flx_section){plan + h->load_off, h->n_load_words};
}

static inline uint32_t flx_buf_addr(const uint32_t *plan, uint32_t buf)
{
    return plan[flx_plan_head(plan)->buf_off + 2 * buf];
}

static inline uint32_t flx_buf_ring(const uint32_t *plan, uint32_t buf)
{
    return plan[flx_plan_head(plan)->buf_off + 2 * buf + 1];
}

/* Scratch of a layer: where it begins, and bytes of one thread. */
struct flx_scratch {
    uint32_t addr;
    uint32_t bytes;
};
static inline struct flx_scratch flx_scratch_at(const uint32_t *plan,
                                                uint32_t layer)
{
    const uint32_t *at = plan + flx_plan_head(plan)->scratch_off + 2 * layer;
    return (struct flx_scratch){at[0], at[1]};
}

/* A BOX or ROWS in iteration iter. */
struct flx_box {
    uint32_t layer;
    uint32_t r0;
    uint32_t r1;
    uint32_t p0;
    uint32_t p1;
    uint32_t kb;
    uint32_t flags;
    uint32_t w;
    int64_t wait;
};
void flx_box_decode(const struct flx_model *m, const uint32_t *in,
                    uint32_t iter, struct flx_box *out);

/* The wait of a LOAD in iteration iter. */
int64_t flx_load_wait(const uint32_t *in, uint32_t iter);

/* Bytes of one panel of K block kb of a layer that has weights. */
uint32_t flx_panel_bytes(const struct flx_model *m, const struct flx_layer *l,
                         uint32_t kb);

/* Boundary ix of a plan. */
void flx_boundary_get(const uint32_t *plan, uint32_t ix,
                      struct flx_boundary *out);

/* Bytes of arena that a load which picks takes, if padded ends are read. */
static inline uint64_t flx_pick_room(const struct flx_model *m,
                                     uint32_t raw_bytes)
{
    const uint32_t align = m->decode_bytes == 0 ? m->align : FLX_PANEL_ALIGN;
    const uint64_t len = ((uint64_t)raw_bytes + align - 1) / align * align;
    return align > FLX_PANEL_ALIGN ? len + align : len;
}

/* True when the chunk is resident in this plan. */
static inline bool flx_is_resident(const struct flx_plan_head *h,
                                   const struct flx_chunk *c)
{
    return c->raw_bytes <= h->resident_bytes &&
           c->res_off <= h->resident_bytes - c->raw_bytes;
}

static inline uint32_t flx_state_bytes(const struct flx_model *m)
{
    return FLX_STATE_BYTES(m->n_chunk, m->decode_bytes, m->align);
}

/* Bytes for the stored form of a chunk in the decode workspace; the codec has
 * the rest. */
uint32_t flx_stored_room(const struct flx_model *m);

/* ---- checks (flx_check.c): the one structural check ---- */

/* FLX_OK or FLX_E_MODEL. */
enum flx_err flx_check_model(const struct flx_model *m);

/* A plan of a checked model: FLX_OK or FLX_E_PLAN. Reads plan[0 .. n_words) as
 * its header says; whoever brings a plan from a file compares n_words with what
 * it has. Afterwards no instruction and no boundary of the plan touches a byte
 * outside [state, arena_bytes) or, for weights read in place, the blob. */
enum flx_err flx_check_plan(const struct flx_model *m, const uint32_t *plan);

/* True when a box of the (checked) plan reads its weights in place. */
bool flx_plan_reads_map(const uint32_t *plan);

/* All plans of a checked model, and that the port can run them (flx_open.c). */
enum flx_err flx_check_plans(const struct flx_model *m,
                             const struct flx_port *port);

/* CRC-32C; the caller passes 0 at first. [rfc3720 B.4] */
uint32_t flx_crc32c(uint32_t crc, const void *src, uint32_t len);

/* ---- state ---- */

struct flx_load {
    _Atomic uint32_t done; /* 0 in flight, else 1 - (the enum flx_err); 1 also
                              where there was no load yet */
    uint32_t chunk0;
    uint32_t n_chunk;
    uint32_t credit;   /* load instructions complete when this one is */
    uint32_t resident; /* 1: its present bits are set */
    uint32_t picks;    /* 1: one chunk, to next_dst wherever it is stored */
    struct flx *rt;

    /* Progress. */
    uint8_t *next_dst;  /* of the next chunk */
    uint32_t next;      /* chunks that are done */
    uint32_t n_reading; /* chunks left of the read under way; 0: none */
    uint32_t at;        /* of the next chunk's stored bytes in that read */
    uint32_t n_summed;  /* bytes of the next chunk, whose checksum is crc */
    uint32_t crc;
    uint32_t is_run; /* without a loader thread; 1: no load is before it */
};

struct flx {
    const struct flx_model *model;
    uint8_t *arena;
    uint32_t arena_bytes; /* the caller's; plans may use less */
    uint32_t stored_room;
    struct flx_port port;
    flx_trace_fn trace;
    void *trace_ctx;

    const uint32_t *plan;
    uint32_t plan_id;

    /* Compute stream. */
    struct flx_cursor box;
    uint32_t pos; /* boxes of the current plan that are done, in this run */
    bool inside;
    uint16_t layer;
    /* The last box, unless it was empty or of another run or plan; its panels
     * are counted as flx_call.kept: 0 .. p1. */
    struct flx_box before;
    uint32_t step; /* boxes executed in this inference, over switches */

    /* Load stream. Numbers are relative to the run under way, between runs to
     * the next one; those >= n_load are loads of the run after. */
    struct flx_cursor load;
    uint32_t load_sub;  /* chunks of the load at the cursor already queued */
    uint32_t issued;    /* loads */
    uint32_t completed; /* loads */
    uint32_t head;      /* oldest in the queue */
    uint32_t n_queued;
    struct flx_load queue[FLX_MAX_IN_FLIGHT];

    /* Switch requests: plan id | ticket << 16. The requester writes a word that
     * differs from the one it saw; the runtime only reads it. */
    _Atomic uint32_t request;
    const struct flx_model *_Atomic asked; /* `model`, for other threads */
    _Atomic uint32_t request_us; /* when, modulo 2^32; written before */
    uint32_t handled;            /* last request that was executed or dropped */

    uint64_t bytes_read;
    uint64_t n_read;
    uint32_t n_switch;
    uint32_t switch_us;
    uint32_t released_bytes;
    enum flx_err last_switch;
};

_Static_assert(sizeof(struct flx) <= FLX_STATE_BASE_BYTES,
               "the state fits the bytes that every plan counts for it");
_Static_assert(sizeof(struct flx_plan_head) == 30 * sizeof(uint32_t) &&
                   sizeof(struct flx_boundary) ==
                       FLX_BOUNDARY_WORDS * sizeof(uint32_t),
               "plans are arrays of words");

static inline uint8_t *flx_present_bits(const struct flx *rt)
{
    return rt->arena + FLX_STATE_BASE_BYTES;
}

static inline uint8_t *flx_decode_work(const struct flx *rt)
{
    return flx_present_bits(rt) +
           (size_t)FLX_ROUND_UP((rt->model->n_chunk + 7u) / 8u, 64u);
}

static inline uint64_t flx_now(const struct flx *rt)
{
    return rt->port.now_us ? rt->port.now_us(rt->port.ctx) : 0;
}

/* ---- loads (flx_fetch.c) ---- */

/* Puts both streams to the start of a run that has not begun; nothing is in
 * flight. */
void flx_rewind(struct flx *rt);

/* Takes in what has arrived and issues what may start; never waits. An error is
 * that of a load. */
enum flx_err flx_fetch_pump(struct flx *rt);

/* Waits until `need` loads of this run are complete. */
enum flx_err flx_fetch_wait(struct flx *rt, uint32_t need);

/* Waits until nothing is in flight; the first load's error, all being taken
 * in whatever it is. */
enum flx_err flx_fetch_drain(struct flx *rt);

/* The same without taking in. */
void flx_fetch_quiesce(struct flx *rt);

/* ---- switching (flx_switch.c) ---- */

/* Executes a pending request if it can be executed here: at a boundary when
 * inside a run, else in any case. FLX_OK: done, or nothing to do here;
 * FLX_E_REFUSED: dropped; else the error of a load in flight. */
enum flx_err flx_switch_here(struct flx *rt);

/* Whether a model has the plan and the arena room for it. */
bool flx_has_room(const struct flx *rt, const struct flx_model *m,
                  uint32_t plan_id);

/* Takes the runtime, outside of runs, to plan plan_id of another entry, whose
 * tables are checked. FLX_E_PLAN, FLX_E_REFUSED: nothing has changed; an error
 * of a load: nothing but that none is in flight. */
enum flx_err flx_change_entry(struct flx *rt, const struct flx_model *entry,
                              uint32_t plan_id);

/* The request is executed, or dropped with an error, and then it was refused;
 * counts one executed. */
enum flx_err flx_answer(struct flx *rt, uint32_t request, enum flx_err err);
void flx_count_switch(struct flx *rt);

#endif
