/* Door: flx_open on the words of a plan. For every word array, its checksum
 * made good: the plan is refused with FLX_E_PLAN, or three runs under it, with
 * switches to a sound plan and back in their midst, end with FLX_OK or with the
 * error of a chunk that a box has written over, and touch no byte outside the
 * plan's own peak. Outputs may be wrong: the schedule is proven by plan_check,
 * where the plan is made. (Plans of more than 2^14 steps, or of more than 1 MB,
 * are only checked: what they take is what they say.)
 *
 * Bytes: model; port; number of the plan replaced; 1: checksum as it is; then
 * the words. */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/le.h"
#include "core/flx_core.h"
#include "fuzz/fuzz_model.h"
#include "fuzz/fuzz_session.h"

enum { MAX_PLAN = 8, MOST_STEP = 1 << 14, MOST_BYTES = 1 << 20 };
enum { HEAD_WORDS = sizeof(struct flx_plan_head) / 4, AT_N_WORDS = 2 };

/* The words, in memory of exactly that size; NULL when they are no array that
 * has the length which it says: who reads a file knows its size. */
static uint32_t *words_of(struct span in, bool seal)
{
    const size_t n = in.len / 4;
    uint32_t *const w = n < HEAD_WORDS ? NULL : malloc(n * sizeof *w);
    for (size_t i = 0; w && i < n; i++) {
        w[i] = le32_get(in.data + 4 * i);
    }
    if (w && w[AT_N_WORDS] > n) {
        free(w);
        return NULL;
    }
    if (w && seal && w[AT_N_WORDS] >= HEAD_WORDS) {
        uint32_t crc = 0;
        for (size_t i = 4; i < w[AT_N_WORDS]; i++) {
            crc = crc32c(crc, in.data + 4 * i, 4);
        }
        w[3] = crc;
    }
    return w;
}

/* Runs under the plan and another; both are in the tables. */
static void run(const struct fuzz_model *src, const struct flx_model *m,
                enum fuzz_port kind, uint32_t plan)
{
    const uint32_t other = (plan + 1) % m->n_plan;
    const uint32_t a = flx_arena_bytes(m, plan);
    const uint32_t b = flx_arena_bytes(m, other);
    struct fuzz_session s;
    const enum flx_err err = fuzz_open_session(
        &s, m, kind, src->blob, m->blob_bytes, a > b ? a : b, plan);
    fuzz_check(err == FLX_OK || err == FLX_E_PLAN || err == FLX_E_THREADS,
               "a plan is refused as a plan");
    for (uint32_t i = 0; s.rt && i < 3; i++) {
        memcpy(flx_input(s.rt, 0), src->input, m->input[0].bytes);
        enum flx_err ran = flx_step(s.rt);
        (void)flx_switch_plan(s.rt, i % 2 == 0 ? other : plan);
        if (ran == FLX_PENDING) {
            ran = flx_run(s.rt);
        }
        fuzz_check(ran == FLX_OK || ran == FLX_E_CHECKSUM ||
                       ran == FLX_E_DECODE,
                   "a run ends, at worst with a chunk that was written over");
    }
    fuzz_close_session(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {data, size};
    const struct fuzz_model *const src = fuzz_model(fuzz_byte(&in));
    const enum fuzz_port kind = (enum fuzz_port)(fuzz_byte(&in) % FUZZ_N_PORT);
    const uint32_t ix = fuzz_byte(&in) % src->tables->n_plan;
    const bool seal = fuzz_byte(&in) == 0;
    uint32_t *const words = words_of(in, seal);
    if (!words) {
        return 0;
    }
    const uint32_t *plan[MAX_PLAN];
    memcpy(plan, src->tables->plan, src->tables->n_plan * sizeof *plan);
    plan[ix] = words;
    struct flx_model m = *src->tables;
    m.plan = plan;
    if (flx_check_plan(&m, words) == FLX_OK) {
        const struct flx_plan_head *const h = flx_plan_head(words);
        if (h->n_compute <= MOST_STEP && h->n_load <= MOST_STEP &&
            h->arena_bytes <= MOST_BYTES) {
            run(src, &m, kind, ix);
        }
    }
    free(words);
    return 0;
}
