#include "ir/target.h"

#include <stddef.h>
#include <string.h>

enum { KI = 1024 };

/* The last numbers belong to the class; flags are what the emitted Makefile
 * passes to the C compiler besides the common ones. */
#define HOSTED 1024 * KI, 128 * KI, 4096, 256, 4
#define MCU 16 * KI, 4 * KI, 64, 32, 1, 1
static const struct target targets[] = {
    {"x86-64", CLASS_HOSTED, "-march=x86-64", "generic-x86-64", HOSTED, 1},
    {"x86-64-v3", CLASS_HOSTED, "-march=x86-64-v3", "generic-x86-64-v3", HOSTED,
     1},
    {"x86-64-v4", CLASS_HOSTED, "-march=x86-64-v4", "generic-x86-64-v4", HOSTED,
     4},
    {"aarch64", CLASS_HOSTED, "-march=armv8-a", "generic-aarch64", HOSTED, 1},
    {"armv7", CLASS_HOSTED, "-march=armv7-a+neon-vfpv4", "generic-armv7",
     HOSTED, 1},
    {"cortex-m4", CLASS_MCU,
     "-mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16",
     "generic-cortex-m4", MCU},
    {"cortex-m7", CLASS_MCU,
     "-mcpu=cortex-m7 -mthumb -mfloat-abi=hard -mfpu=fpv5-d16",
     "generic-cortex-m7", MCU},
    {"cortex-m55", CLASS_MCU, "-mcpu=cortex-m55 -mthumb -mfloat-abi=hard",
     "generic-cortex-m55", MCU},
    {"rv32", CLASS_MCU, "-march=rv32imafc -mabi=ilp32f", "generic-rv32", MCU},
    {"rv64", CLASS_HOSTED, "-march=rv64gc -mabi=lp64d", "generic-rv64", HOSTED,
     1},
    {"rv64v", CLASS_HOSTED, "-march=rv64gcv -mabi=lp64d", "generic-rv64v",
     HOSTED, 1},
    {"generic", CLASS_HOSTED, "", "generic", HOSTED, 1},
};

/* The named target that this program's host is; the build passes no -march, so
 * hosts of the common levels are told apart at run time by the compiler's own
 * builtin. */
static const char *host_name(void)
{
#if defined __x86_64__
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) {
        return "x86-64";
    }
    return __builtin_cpu_supports("avx512f") &&
                   __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512cd") &&
                   __builtin_cpu_supports("avx512dq") &&
                   __builtin_cpu_supports("avx512vl")
               ? "x86-64-v4"
               : "x86-64-v3";
#elif defined __aarch64__
    return "aarch64";
#elif defined __arm__
    return "armv7";
#elif defined __riscv && __riscv_xlen == 64
    return "rv64";
#else
    return "generic";
#endif
}

bool target_runs_here(const struct target *t)
{
    static const char *const levels[] = {"x86-64", "x86-64-v3", "x86-64-v4"};
    const char *host = host_name();
    if (strcmp(t->name, host) == 0 || strcmp(t->name, "generic") == 0) {
        return true;
    }
    bool is_lower = false; /* t comes before the host */
    for (uint32_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (strcmp(levels[i], host) == 0) {
            return is_lower;
        }
        is_lower = is_lower || strcmp(levels[i], t->name) == 0;
    }
    return false;
}

const struct target *target_at(uint32_t i)
{
    return i < sizeof targets / sizeof targets[0] ? &targets[i] : NULL;
}

const struct target *target_find(const char *name)
{
    if (strcmp(name, "host") == 0) {
        name = host_name();
    }
    for (uint32_t i = 0; target_at(i); i++) {
        if (strcmp(targets[i].name, name) == 0) {
            return &targets[i];
        }
    }
    return NULL;
}
