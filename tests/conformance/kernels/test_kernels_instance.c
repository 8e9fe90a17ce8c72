/* A kernel with its argument block compiled in gives the bits of the kernel
 * that reads the block at run time: what the compiler specialises may not
 * change the order or the contraction of arithmetic. */
#include <stdlib.h>
#include <string.h>

#include "flx_find.h"
#include "kernel_instances.h"
#include "support/fixture.h"

enum { BYTES_EACH = 1 << 16, ROUNDS = 8, SCRATCH_BYTES = 1 << 21 };

typedef const struct kernel_instance *(*instances_fn)(uint32_t i);

static void fill(uint8_t *m, uint64_t *seed)
{
    for (uint32_t i = 0; i < BYTES_EACH / 4; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        const float f =
            (float)((double)(*seed >> 40) / (double)(1 << 23) - 1.0);
        memcpy(m + 4 * (size_t)i, &f, 4);
    }
}

static void compare(const char *isa, instances_fn get)
{
    uint8_t *mem[5]; /* out, out, in, in, weights */
    for (uint32_t i = 0; i < 5; i++) {
        mem[i] = aligned_alloc(64, BYTES_EACH);
        assert_non_null(mem[i]);
    }
    uint8_t *scratch = aligned_alloc(64, SCRATCH_BYTES);
    assert_non_null(scratch);
    uint64_t seed = 7;
    uint64_t seen = 0;
    for (uint32_t i = 0; get(i); i++) {
        const struct kernel_instance *k = get(i);
        const flx_kernel_fn at_run_time = flx_kernel_find(isa, k->id);
        seen |= UINT64_C(1) << k->id;
        for (uint32_t round = 0; round < ROUNDS; round++) {
            struct flx_call call = {.w = mem[4],
                                    .scratch = scratch,
                                    .scratch_bytes = SCRATCH_BYTES,
                                    .r1 = k->rows,
                                    .p1 = k->panels};
            for (uint32_t m = 0; m < 5; m++) {
                fill(mem[m], &seed);
            }
            memcpy(mem[1], mem[0], BYTES_EACH);
            call.arg[1] = (struct flx_ref){mem[2], 1000};
            call.arg[2] = (struct flx_ref){mem[3], 1000};
            call.arg[0] = (struct flx_ref){mem[0], 1000};
            k->fn(&call, NULL, 0, 1);
            call.arg[0].base = mem[1];
            at_run_time(&call, k->arg, 0, 1);
            if (memcmp(mem[0], mem[1], BYTES_EACH) != 0) {
                fail_msg("%s: %s gives other bits", isa, k->name);
            }
        }
    }
    for (uint32_t id = 1; id < FLX_KERNEL_IDS; id++) {
        if (flx_kernel_find(isa, id) && !(seen >> id & 1u)) {
            fail_msg("kernel %u has no instance here", id);
        }
    }
    for (uint32_t i = 0; i < 5; i++) {
        free(mem[i]);
    }
    free(scratch);
}

static void instance__gives_the_bits_of_run_time_arguments(void **state)
{
    (void)state;
    compare("generic", kernel_instances_base);
#if defined FLX_HAS_V3
    if (flx_kernel_find("x86-64-v3", 1)) {
        compare("x86-64-v3", kernel_instances_v3);
    }
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instance__gives_the_bits_of_run_time_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
