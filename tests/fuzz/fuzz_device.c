/* Door: device profiles. For every text: it is refused with an error that names
 * a line or a key, or it is a profile whose printed form is read back as the
 * same profile. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "base/buf.h"
#include "frontend/device/device_read.h"

static bool is_same(const struct device *a, const struct device *b)
{
    return strcmp(a->name, b->name) == 0 && a->storage == b->storage &&
           a->read_bytes_per_ms == b->read_bytes_per_ms &&
           a->read_latency_ns == b->read_latency_ns &&
           a->decode_bytes_per_ms == b->decode_bytes_per_ms &&
           a->loader_shares_core == b->loader_shares_core &&
           a->step_ns == b->step_ns && a->cache_bytes == b->cache_bytes &&
           a->margin_percent == b->margin_percent &&
           memcmp(a->speed, b->speed, sizeof a->speed) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    struct device d = {0};
    struct device again = {0};
    struct buf text;
    fuzz_start(&f, UINT64_C(1) << 20);
    const bool ok = device_parse((struct span){data, size}, &f.cx, &d);
    fuzz_check_diag(&f, ok);
    fuzz_check(ok || f.diag.id == E_DEVICE, "a profile is no other error");
    if (ok) {
        fuzz_check(d.read_bytes_per_ms > 0 && d.decode_bytes_per_ms > 0,
                   "a speed is not zero");
        for (uint32_t i = 0; i < SPEED_COUNT; i++) {
            fuzz_check(d.speed[i] > 0, "a speed is not zero");
        }
        buf_init(&text, &f.keep);
        fuzz_check(device_print(&d, &text), "a profile can be printed");
        fuzz_check(device_parse(buf_bytes(&text), &f.cx, &again),
                   "what is printed can be read");
        fuzz_check(is_same(&d, &again), "and is the same");
    }
    fuzz_end(&f);
    return 0;
}
