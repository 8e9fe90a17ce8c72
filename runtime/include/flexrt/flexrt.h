/* flexrt.h - runs a compiled model inside one caller-supplied arena.
 *
 * Freestanding C11; allocates nothing. One thread at a time calls flx_run,
 * flx_step and flx_settle of one runtime; flx_switch_plan may be called from
 * any thread or interrupt. Every byte of RAM of the inference lies in the
 * arena: the runtime's own state at its bottom, then resident weights, then
 * tensors, rolling buffers, scratch and weights in flight. */
#ifndef FLEXRT_FLEXRT_H
#define FLEXRT_FLEXRT_H

#include <stddef.h>
#include <stdint.h>

#include "flexrt/flx_format.h"
#include "flexrt/flx_port.h"

#ifdef __cplusplus
extern "C" {
#endif

struct flx; /* lies in the arena */

/* Opens `model` on `arena` (aligned to model->align) with plan plan_id. Checks
 * the tables, every plan and the blob's header; with port->map also the
 * checksum of every chunk, once.
 *
 *   model  generated tables; must outlive the runtime
 *   port   copied; what it points to must outlive the runtime
 *   arena  arena_bytes bytes, the caller's; >= flx_arena_bytes(model, plan_id).
 *          Larger plans become available when it is large enough for them
 *   out    the runtime, inside the arena
 *
 * The arena's bytes above the plan's peak are handed to port->release. Time:
 * one pass over tables and plans, a few hundred nanoseconds a box.
 *
 * FLX_E_THREADS, FLX_E_DECODE (a chunk is compressed, no decoder), FLX_E_MODEL,
 * FLX_E_PLAN, FLX_E_TABLES, FLX_E_ARENA, FLX_E_BLOB, FLX_E_STORAGE,
 * FLX_E_CHECKSUM, FLX_E_ARG: nothing is open, the arena's content is undefined.
 * FLX_E_PLAN also for a plan that reads weights in place without port->map. */
enum flx_err flx_open(const struct flx_model *model,
                      const struct flx_port *port, void *arena,
                      uint32_t arena_bytes, uint32_t plan_id, struct flx **out);

/* Adds a plan that was not compiled in, the words of a .flxp file, to a copy of
 * a model's table; flx_open then takes the copy. The plan must have been made
 * by flexc from the same model with options that lead to the same kernels and
 * chunks, for any budget: the same --target, --device, --numerics, --weights
 * and --compress do.
 *
 *   m        a copy of the generated table, the caller's
 *   list     room for m->n_plan + 1 pointers; the model's old list may be in it
 *   plan     n_words words, of this machine's byte order
 *
 * All three must outlive the runtime. The plan's id is the old m->n_plan.
 *
 * FLX_E_PLAN  not a whole plan for this model, or one plan too many: m is
 *             unchanged
 * FLX_E_TABLES  a plan of this model, but for other kernels or chunks; likewise
 * FLX_E_ARG   NULL, or a plan that is not aligned to its words; likewise */
enum flx_err flx_add_plan(struct flx_model *m, const uint32_t **list,
                          const uint32_t *plan, uint32_t n_words);

/* Bytes of arena that plan plan_id needs (its peak); 0 if there is none. */
uint32_t flx_arena_bytes(const struct flx_model *model, uint32_t plan_id);

/* Where to write input ix before flx_run / where output ix lies after it. A run
 * uses an input's bytes for other things once it has read them: write it before
 * every run. A state (flexc --state) is both, and written before the first run
 * only.
 * Valid until a switch takes effect (then ask again) and, for an output, until
 * the next run starts. NULL for an ix out of range. */
void *flx_input(struct flx *rt, uint32_t ix);
const void *flx_output(const struct flx *rt, uint32_t ix);

/* Runs one whole inference, or the rest of one that flx_step began. On an error
 * the inference is abandoned, no load is in flight, residents stay, and the
 * next flx_run starts afresh from inputs that must be written again; a pending
 * switch stays pending.
 *
 * FLX_E_STORAGE, FLX_E_CHECKSUM, FLX_E_DECODE, or what the store returned. */
enum flx_err flx_run(struct flx *rt);

/* Runs one compute instruction of the current inference (begins one when none
 * is under way). FLX_PENDING: more to do; FLX_OK: the inference is complete. */
enum flx_err flx_step(struct flx *rt);

/* Asks for plan_id; the runtime moves to it at the next boundary that the
 * running plan and plan_id have in common, or at the end of the inference. The
 * last request wins.
 *
 * FLX_E_PLAN   no such plan, or larger than the arena; rt unchanged
 *
 * Any thread or interrupt; two atomic stores and port->now_us, no wait. */
enum flx_err flx_switch_plan(struct flx *rt, uint32_t plan_id);

/* Like flx_switch_plan, with the largest plan that needs at most `bytes` bytes
 * and fits the arena. FLX_E_PLAN: there is none; rt unchanged. */
enum flx_err flx_switch_budget(struct flx *rt, uint64_t bytes);

/* Executes a pending switch now, between inferences. FLX_E_STATE inside one;
 * FLX_E_REFUSED when the port refused to grow: the old plan stays, the request
 * is dropped, flx_info.last_switch says why. An error of a load in flight as
 * from flx_run. */
enum flx_err flx_settle(struct flx *rt);

/* Changes over to another entry of the model, between inferences: to the plan
 * of the same number, or to the one that a pending switch asks for, which
 * counts as executed. Residents stay that the new plan has, too; states (flexc
 * --state) move to their new place; other inputs and outputs are lost.
 * flx_input and flx_output are then those of the entry. With the entry that is
 * running it is flx_settle.
 *
 *   entry  of the tables that flx_open got, an element of NAME_model[]; must
 *          outlive the runtime
 *
 * On an error nothing has changed but that, after one of a load in flight, none
 * is; a pending switch stays pending.
 *
 * FLX_E_STATE    inside an inference
 * FLX_E_MODEL    inconsistent tables, or not of the same model and blob
 * FLX_E_PLAN     an inconsistent plan, or the entry has no plan of this number
 * FLX_E_TABLES   a plan for other kernels or chunks
 * FLX_E_ARENA    the plan is larger than the arena
 * FLX_E_THREADS  more threads than a plan is for
 * FLX_E_REFUSED  the port refused to grow
 * FLX_E_ARG      NULL; else an error of a load in flight as from flx_run
 *
 * A switch that is asked for at the same time, from another thread, is for the
 * plan of that number of whichever entry runs when it is executed; if that is
 * larger than the arena it is dropped. Time: one pass over the entry's tables
 * and plans as in flx_open, then the moves. */
enum flx_err flx_enter(struct flx *rt, const struct flx_model *entry);

struct flx_info {
    uint32_t plan_id;
    uint32_t arena_bytes; /* in use: the current plan's peak */
    uint32_t step;        /* boxes executed in this inference */
    uint32_t n_step;      /* of the whole inference under the current plan */
    uint64_t bytes_read;  /* from storage since flx_open */
    uint64_t n_read;   /* loads executed since flx_open, without skipped ones */
    uint32_t n_ahead;  /* between inferences: load instructions done for the
                          next one, counted above; 0 inside */
    uint32_t n_switch; /* switches that took effect */
    uint32_t switch_us;       /* of the last one: from flx_switch_plan until the
                                 new plan holds and the top is released */
    uint32_t released_bytes;  /* by the last switch; 0 when it grew */
    enum flx_err last_switch; /* FLX_OK, or why the last request was dropped */
    uint16_t layer;           /* of the last executed box, for traces */
    uint16_t inside;          /* 1 while an inference is under way */
    uint32_t entry_ix;        /* flx_model.entry_ix of the entry */
};
void flx_query(const struct flx *rt, struct flx_info *info);

/* Waits for loads in flight; the arena is the caller's again. */
void flx_close(struct flx *rt);

/* Called by flx_step around each box and by flx_load_run around each load when
 * set; for traces and tests. `kind` 0 box, 1 load; ix layer or first chunk;
 * call is NULL for a load, which may be on the loader's thread. flx_set_trace
 * waits for loads in flight. */
typedef void (*flx_trace_fn)(void *ctx, int kind, int end, uint32_t ix,
                             const struct flx_call *call);
void flx_set_trace(struct flx *rt, flx_trace_fn fn, void *ctx);

#ifdef __cplusplus
}
#endif

#endif
