#include "fuzz/fuzz_net.h"

#include <stdlib.h>
#include <string.h>

#include "codec/flx_zstd.h"
#include "codegen/cg_table.h"
#include "flexrt/flexrt.h"
#include "flexrt/kernel_fields.h"
#include "flx_find.h"
#include "frontend/device/device_read.h"
#include "frontend/onnx/onnx_import.h"
#include "fuzz/fuzz.h"
#include "ir/graph.h"
#include "kernels/catalogue.h"
#include "passes/lower.h"
#include "passes/passes.h"
#include "planner/plan_check.h"
#include "planner/planner.h"
#include "run/run_tensor.h"
#include "storage/store_mem.h"
#include "support/onnx_text.h"
#include "weights/blob_write.h"
#include "weights/chunk_cut.h"

static const char k_net[] =
    "opset 13\n"
    "input x f32 1x3x12x10\n"
    "init w1 f32 16x3x3x3 rand\ninit b1 f32 16 rand\n"
    "init w2 f32 16x1x3x3 rand\ninit b2 f32 16 rand\n"
    "init w3 f32 16x16x1x1 rand\n"
    "init w4 f32 32x16x3x3 rand\ninit b4 f32 32 rand\n"
    "init w5 f32 10x48 rand\ninit b5 f32 10 rand\n"
    "Conv c1 x w1 b1 -> t1 pads=I:1,1,1,1\nRelu r1 t1 -> a1\n"
    "Conv c2 a1 w2 b2 -> t2 pads=I:1,1,1,1 group=i:16\nRelu r2 t2 -> a2\n"
    "Conv c3 a2 w3 -> t3\nAdd s3 t3 a1 -> a3\n"
    "MaxPool p3 a3 -> p kernel_shape=I:2,2 strides=I:2,2\n"
    "Conv c4 p w4 b4 -> t4 pads=I:1,1,1,1\nRelu r4 t4 -> a4\n"
    "Concat j a4 p -> k axis=i:1\n"
    "GlobalAveragePool g k -> m\nFlatten f m -> v\n"
    "Gemm fc v w5 b5 -> y transB=i:1\n"
    "output y\n";

static const char k_device[] = "name fuzz\nstorage read\nread 100 MB/s\n"
                               "read-latency 1 us\ndecode 100 MB/s\n"
                               "loader-shares-core no\nstep 1 us\n"
                               "gemm 1 GMAC/s\ndepthwise 1 GMAC/s\n"
                               "weights 1 GB/s\newise 1 GB/s\npool 1 Gop/s\n";

struct run_kernel fuzz_net_kernel(const char *isa, uint32_t id)
{
    const struct flx_kernel_info *const info = flx_kernel_info_find(id);
    return (struct run_kernel){flx_kernel_find(isa, id),
                               info ? info->n_word : 0};
}

static const struct run_kernels k_kernels = {fuzz_net_kernel, NULL};

/* ---- building ---- */

static bool make_layers(struct fuzz_net *n)
{
    struct graph *const g = arena_new(&n->f.keep, struct graph, 1);
    struct cx *const cx = &n->f.cx;
    return g && device_parse(span_of_str(k_device), cx, &n->device) &&
           onnx_import_bytes(onnx_text(&n->f, k_net), "net.onnx", cx, g) &&
           passes_run(g, cx, NULL, NULL) && lower(g, cx, &n->layers) &&
           layers_check(&n->layers, cx);
}

static bool make_plans(struct fuzz_net *n)
{
    struct cx *const cx = &n->f.cx;
    n->budget[0] = (struct budget){.kind = BUDGET_MIN, .text = "min"};
    n->budget[1] = (struct budget){.kind = BUDGET_MAX, .text = "max"};
    n->opt.budget = n->budget;
    n->opt.n_budget = 2;
    if (!plan_make(&n->layers, &n->chunks, &n->cands, &n->device, &n->opt, cx,
                   &n->plans)) {
        return false;
    }
    const uint64_t lo = n->plans.plan[0].peak;
    const uint64_t hi = n->plans.plan[1].peak;
    for (uint32_t i = 1; i < FUZZ_NET_BUDGETS; i++) {
        n->budget[i] = (struct budget){
            .bytes = lo + (hi - lo) * i / (FUZZ_NET_BUDGETS - 1), .text = "b"};
    }
    n->opt.n_budget = FUZZ_NET_BUDGETS;
    return plan_make(&n->layers, &n->chunks, &n->cands, &n->device, &n->opt, cx,
                     &n->plans) &&
           plan_check(&n->layers, &n->chunks, &n->cands, &n->plans, cx);
}

static bool make_tables(struct fuzz_net *n, const struct plan_set *plans,
                        struct cx *cx, struct buf *table,
                        struct run_model *model)
{
    struct cg_model g;
    buf_init(table, cx->keep);
    const struct cg_input in = {.layers = &n->layers,
                                .chunks = &n->chunks,
                                .cands = &n->cands,
                                .plans = plans};
    return cg_build(&in, cx, &g) && cg_table(&g, 1, table) &&
           run_table_parse(buf_bytes(table), "net.flxt", &k_kernels, cx, model);
}

static bool build(struct fuzz_net *n, bool compress)
{
    struct cx *const cx = &n->f.cx;
    n->opt = (struct options){
        .target = target_find(compress ? "cortex-m4" : "generic"),
        .device = &n->device,
        .compress = compress ? COMPRESS_ZSTD : COMPRESS_NONE,
        .n_thread = 1,
    };
    buf_init(&n->blob, &n->f.keep);
    struct blob_out out = {.diag = cx->diag, .mem = &n->blob};
    const struct blob_entry entry = {&n->layers, &n->chunks};
    return make_layers(n) && chunk_cut(&n->layers, &n->opt, cx, &n->chunks) &&
           blob_write(&entry, 1, &n->opt, &out, cx) &&
           cand_build(&n->layers, &n->chunks, &n->opt, cx, &n->cands) &&
           make_plans(n) && make_tables(n, &n->plans, cx, &n->table, &n->model);
}

/* ---- running ---- */

struct session {
    struct flx_store_mem store;
    struct flx_port port;
    uint8_t *arena;
    struct flx *rt;
};

static void open_net(const struct fuzz_net *n, const struct flx_model *m,
                     uint32_t plan, struct session *s)
{
    const uint32_t bytes = flx_arena_bytes(m, plan);
    void *arena = NULL;
    *s = (struct session){.store = {.blob = buf_bytes(&n->blob).data,
                                    .bytes = (uint32_t)n->blob.len}};
    s->port = (struct flx_port){.ctx = &s->store,
                                .start_read = flx_store_mem_start,
                                .finish_read = flx_store_mem_finish,
                                .decode = flx_zstd_decode};
    fuzz_check(posix_memalign(&arena, m->align, bytes) == 0,
               "the machine has memory");
    s->arena = arena;
    fuzz_check(flx_open(m, &s->port, arena, bytes, plan, &s->rt) == FLX_OK,
               "what plan_check accepts flx_open accepts");
}

static void close_net(struct session *s)
{
    flx_close(s->rt);
    free(s->arena);
}

void fuzz_net_run(const struct fuzz_net *n, const struct flx_model *m,
                  uint32_t plan)
{
    struct session s;
    open_net(n, m, plan, &s);
    for (uint32_t run = 0; run < 2; run++) {
        memcpy(flx_input(s.rt, 0), n->input, m->input[0].bytes);
        fuzz_check(flx_run(s.rt) == FLX_OK, "what plan_check accepts runs");
        fuzz_check(memcmp(flx_output(s.rt, 0), n->output, m->output[0].bytes) ==
                       0,
                   "every plan gives the same bits");
    }
    close_net(&s);
}

/* Input, and what the last plan, the largest, gives for it. */
static bool make_data(struct fuzz_net *n)
{
    const struct flx_model *const m = n->model.tables;
    struct session s;
    n->input = arena_alloc(&n->f.keep, m->input[0].bytes, 64);
    n->output = arena_alloc(&n->f.keep, m->output[0].bytes, 64);
    if (!n->input || !n->output) {
        return false;
    }
    for (uint32_t i = 0; i < m->input[0].bytes / 4; i++) {
        run_put(1, n->input, i, (double)(i * 37 % 101) / 50.0 - 1.0);
    }
    open_net(n, m, m->n_plan - 1u, &s);
    memcpy(flx_input(s.rt, 0), n->input, m->input[0].bytes);
    fuzz_check(flx_run(s.rt) == FLX_OK, "the net runs");
    memcpy(n->output, flx_output(s.rt, 0), m->output[0].bytes);
    close_net(&s);
    for (uint32_t i = 0; i < m->n_plan; i++) {
        fuzz_net_run(n, m, i);
    }
    return true;
}

const struct fuzz_net *fuzz_net(bool compress)
{
    static struct fuzz_net *k_net_of[2];
    struct fuzz_net *n = k_net_of[compress];
    if (n) {
        return n;
    }
    n = calloc(1, sizeof *n);
    fuzz_check(n != NULL, "the machine has memory");
    fixture_restart(&n->f, ARENA_NO_FAULT);
    if (!build(n, compress) || !make_data(n)) {
        char line[DIAG_LINE_CAP];
        (void)diag_format(&n->f.diag, line, sizeof line);
        fuzz_check(false, line);
    }
    k_net_of[compress] = n;
    return n;
}

const struct flx_model *fuzz_net_tables(const struct fuzz_net *n,
                                        const struct plan *plan, struct cx *cx)
{
    struct plan copy = *plan;
    const struct plan_set one = {.plan = &copy, .n_plan = 1};
    struct buf table;
    struct run_model model = {0};
    struct fuzz_net view = *n;
    fuzz_check(make_tables(&view, &one, cx, &table, &model),
               "what plan_check accepts has tables");
    return model.tables;
}
