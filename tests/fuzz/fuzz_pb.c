/* Door: serialized TensorProtos as inputs of flexrun. For every file: it is
 * refused with an error that names it, or it is a tensor of at most four
 * elements a byte of the file, of which each can be read; memory is at most 64
 * times the file and 256 KiB. */
#include "fuzz/fuzz.h"

#include "run/run_tensor.h"

/* Reads every element. */
static uint64_t read_all(const struct run_tensor *t)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < t->n; i++) {
        switch (run_type_of(t->dtype)->cls) {
        case RUN_FLOAT:
            sum += run_float_at(t, i) > 0.0;
            break;
        case RUN_SIGNED:
            sum += (uint64_t)run_signed_at(t, i);
            break;
        case RUN_UNSIGNED:
        case RUN_BOOL:
            sum += run_unsigned_at(t, i);
            break;
        }
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    struct run_tensor t = {0};
    fuzz_start(&f, ARENA_NO_CAP);
    const bool ok = run_pb_parse((struct span){data, size}, "in.pb", &f.cx, &t);
    fuzz_check_diag(&f, ok);
    fuzz_check(ok || f.diag.id == E_INPUT || f.diag.id == E_UNSUPPORTED,
               "a TensorProto is no other error");
    if (ok) {
        fuzz_check(t.n <= 4 * (uint64_t)size, "data comes from the file");
        fuzz_check(read_all(&t) == read_all(&t), "an element has one value");
    }
    fuzz_check(f.keep.peak_bytes + f.scratch.peak_bytes <=
                   64 * (uint64_t)size + 65536 * 4,
               "memory is bounded by the file's size");
    fuzz_end(&f);
    return 0;
}
