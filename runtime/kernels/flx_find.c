#include "flx_find.h"

#include <stddef.h>
#include <string.h>

#if defined FLX_HAS_V3
static int has_v3(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static int has_v4(void)
{
    return has_v3() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512cd");
}
#endif

const char *flx_kernel_isa(void)
{
#if defined FLX_HAS_V3
    return has_v4() ? "x86-64-v4" : has_v3() ? "x86-64-v3" : "x86-64";
#else
    return "";
#endif
}

flx_kernel_fn flx_kernel_find(const char *isa, uint32_t id)
{
    if (!isa) {
        isa = flx_kernel_isa();
    }
#if defined FLX_HAS_V3
    if (strcmp(isa, "x86-64-v3") == 0) {
        return has_v3() ? flx_kernel_find_v3(id) : NULL;
    }
    if (strcmp(isa, "x86-64-v4") == 0) {
        return has_v4() ? flx_kernel_find_v4(id) : NULL;
    }
#endif
    return flx_kernel_find_base(id);
}
