/* fw_main.c - firmware that runs a compiled model: once under each plan, then
 * with switches in mid-inference, and wants the same bits every time. Prints
 * what it did and each word of the output; ends with 0 when all agree. Also
 * builds for a hosted system, without FW_BAREMETAL.
 *
 * FW_MODEL_HEADER  the generated header of a model called fw, with its blob
 * FW_INPUT_HEADER  defines the array fw_input
 * FW_POLLED        the blob is behind a polled device, else mapped */
#include <stdio.h>
#include <string.h>

#include FW_MODEL_HEADER
#include FW_INPUT_HEADER

#ifdef FW_BAREMETAL
#include "ports/baremetal/start_cortex_m.h"
#endif
#ifdef FW_POLLED
#include "ports/baremetal/flash_polled.h"
#endif

_Static_assert(sizeof fw_input == FW_INPUT_0_BYTES, "input of another model");

_Alignas(FW_ALIGN) static uint8_t arena[FW_ARENA_BYTES];
static uint32_t want[FW_OUTPUT_0_BYTES / 4];

static int fail(const char *what, enum flx_err err)
{
    printf("FAIL: %s: error %d\n", what, (int)err);
    return 1;
}

/* One inference that starts under `plan` and asks for another one at each of
 * two steps; FLX_E_STATE when the output has other bits than the first had.
 * *n_inside grows by the switches before the last step. */
static enum flx_err run(struct flx *rt, uint32_t plan, const uint32_t step[2],
                        const uint32_t to[2], uint32_t *n_inside)
{
    struct flx_info info;
    enum flx_err err = flx_switch_plan(rt, plan);
    err = err ? err : flx_settle(rt);
    if (err) {
        return err;
    }
    memcpy(flx_input(rt, 0), fw_input, sizeof fw_input);
    err = FLX_PENDING;
    for (uint32_t n = 0; err == FLX_PENDING; n++) {
        for (int i = 0; i < 2; i++) {
            if (n == step[i] && fw_switch_plan(rt, (enum fw_plan)to[i])) {
                return FLX_E_PLAN;
            }
        }
        err = flx_step(rt);
        flx_query(rt, &info);
        *n_inside += err == FLX_PENDING && info.plan_id != plan;
        plan = info.plan_id;
    }
    if (err == FLX_OK && memcmp(want, flx_output(rt, 0), sizeof want) != 0) {
        err = FLX_E_STATE;
    }
    return err;
}

static int try_plans(struct flx *rt)
{
    static const uint32_t never[2] = {UINT32_MAX, UINT32_MAX};
    struct flx_info info;
    uint32_t n_inside = 0;
    for (uint32_t plan = 0; plan < FW_N_PLAN; plan++) {
        flx_query(rt, &info);
        const uint64_t before = info.bytes_read;
        const enum flx_err err = run(rt, plan, never, never, &n_inside);
        if (err) {
            return fail("a plan", err);
        }
        flx_query(rt, &info);
        printf("plan %u: arena %u bytes, %u steps, %u bytes read\n",
               (unsigned)plan, (unsigned)info.arena_bytes,
               (unsigned)info.n_step, (unsigned)(info.bytes_read - before));
    }
    return 0;
}

/* From each plan to the next ones, a third and two thirds of the way, and at
 * the first and the last step. */
static int try_switches(struct flx *rt)
{
    struct flx_info info;
    uint32_t n_inside = 0;
    for (uint32_t plan = 0; plan < FW_N_PLAN; plan++) {
        for (uint32_t k = 0; k < 2; k++) {
            enum flx_err err = flx_switch_plan(rt, plan);
            err = err ? err : flx_settle(rt);
            if (err) {
                return fail("settling", err);
            }
            flx_query(rt, &info);
            const uint32_t n = info.n_step;
            const uint32_t step[2] = {k ? 1 : n / 3, k ? n - 1 : 2 * n / 3};
            const uint32_t to[2] = {(plan + 1) % FW_N_PLAN,
                                    (plan + 2) % FW_N_PLAN};
            err = run(rt, plan, step, to, &n_inside);
            if (err) {
                return fail("a switch", err);
            }
        }
    }
    printf("switches in mid-inference: %u\n", (unsigned)n_inside);
    return n_inside > 0 ? 0 : fail("no switch took effect", FLX_OK);
}

int main(void)
{
#ifdef FW_POLLED
    struct flx_flash flash = {
        .device = (const volatile uint32_t *)(const volatile void *)fw_blob,
        .bytes = FW_BLOB_BYTES,
        .burst_words = 64,
    };
    const struct flx_port port = {
        .ctx = &flash,
        .start_read = flx_flash_start,
        .finish_read = flx_flash_finish,
    };
#else
    const struct flx_port port = {.map = fw_blob};
#endif
    struct flx *rt = NULL;
    enum flx_err err = flx_open(&fw_model, &port, arena, sizeof arena, 0, &rt);
    if (err) {
        return fail("flx_open", err);
    }
    memcpy(flx_input(rt, 0), fw_input, sizeof fw_input);
    err = flx_run(rt);
    if (err) {
        return fail("flx_run", err);
    }
    memcpy(want, flx_output(rt, 0), sizeof want);
    for (uint32_t i = 0; i < sizeof want / 4; i++) {
        printf("output %u: %08lx\n", (unsigned)i, (unsigned long)want[i]);
    }
    if (try_plans(rt) || try_switches(rt)) {
        return 1;
    }
    flx_close(rt);
#ifdef FW_POLLED
    printf("polls that found a read unfinished: %u\n", (unsigned)flash.n_polls);
#endif
#ifdef FW_BAREMETAL
    printf("stack: %u bytes\n", (unsigned)flx_stack_used());
#endif
    return 0;
}
