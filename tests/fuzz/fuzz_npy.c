/* Door: .npy inputs of flexrun. For every file: it is refused with an error
 * that names it, or it is a tensor no larger than the file whose own .npy is
 * read back as the same tensor. */
#include "fuzz/fuzz.h"

#include <string.h>

#include "run/run_tensor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz f;
    struct run_tensor t = {0};
    struct run_tensor again = {0};
    struct buf file;
    fuzz_start(&f, (UINT64_C(1) << 20) + 4 * size);
    const bool ok =
        run_npy_parse((struct span){data, size}, "in.npy", &f.cx, &t);
    fuzz_check_diag(&f, ok);
    fuzz_check(ok || f.diag.id == E_INPUT, "a .npy is no other error");
    if (ok) {
        fuzz_check(run_tensor_bytes(&t) <= size, "data comes from the file");
        buf_init(&file, &f.keep);
        run_npy_print(&file, &t);
        fuzz_check(buf_ok(&file) &&
                       run_npy_parse(buf_bytes(&file), "again", &f.cx, &again),
                   "what is written can be read");
        fuzz_check(again.dtype == t.dtype && run_tensor_same_shape(&t, &again),
                   "and has the same type and shape");
        fuzz_check(t.n == 0 ||
                       memcmp(t.data, again.data, run_tensor_bytes(&t)) == 0,
                   "and the same data");
    }
    fuzz_end(&f);
    return 0;
}
