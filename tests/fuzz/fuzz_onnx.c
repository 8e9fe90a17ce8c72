/* Door: ONNX models, and the external data beside them. For every file: it is
 * refused with an error that has an id, or it becomes layers that layers_check
 * accepts, whose text is the same when it is imported again; either within a
 * quarter of a GiB, whatever sizes the file claims (more is refused as
 * E_MEMORY or E_TOO_BIG). Beside the model lies one file, "data", of 64 bytes.
 */
#include "fuzz/fuzz.h"

#include <string.h>

#include "base/buf.h"
#include "frontend/onnx/onnx_import.h"
#include "ir/graph.h"
#include "ir/layer.h"
#include "passes/lower.h"
#include "passes/passes.h"

/* Each of two arenas. */
#define CAP_BYTES (UINT64_C(128) << 20)

/* The layers' text; false: refused. */
static bool import(struct fuzz *f, struct span file, struct buf *text)
{
    struct graph g = {0};
    struct layers l = {0};
    if (!onnx_import_bytes(file, FLEXC_FUZZ_DIR "/external/model.onnx", &f->cx,
                           &g)) {
        return false;
    }
    bool ok = passes_run(&g, &f->cx, NULL, NULL) && lower(&g, &f->cx, &l) &&
              layers_check(&l, &f->cx);
    if (ok) {
        buf_init(text, &f->keep);
        ok = layers_print(&l, text);
    }
    graph_unmap(&g);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct span file = {data, size};
    struct fuzz f;
    struct fuzz twin;
    struct buf text = {0};
    struct buf again = {0};
    fuzz_start(&f, CAP_BYTES);
    const bool ok = import(&f, file, &text);
    fuzz_check_diag(&f, ok);
    if (ok) {
        fuzz_start(&twin, CAP_BYTES);
        fuzz_check(import(&twin, file, &again), "twice the same end");
        fuzz_check(span_eq(buf_bytes(&text), buf_bytes(&again)),
                   "twice the same layers");
        fuzz_end(&twin);
    }
    fuzz_end(&f);
    return 0;
}
