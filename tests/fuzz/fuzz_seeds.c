/* fuzz_seeds.c DIR - writes what fuzzing starts from to DIR/DOOR/: one small
 * sound input of each kind. `scripts/fuzz-run --seeds` keeps corpus/ so. */
#include "fuzz/fuzz.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz/fuzz_model.h"
#include "fuzz/fuzz_net.h"
#include "run/run_tensor.h"
#include "support/onnx_text.h"

static const char *k_dir;

/* Bytes to DIR/DOOR/NAME-IX. */
static void write_seed(const char *door, const char *name, uint32_t ix,
                       struct span head, struct span body)
{
    char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", k_dir, door);
    (void)mkdir(path, 0777);
    (void)snprintf(path, sizeof path, "%s/%s/%s-%u", k_dir, door, name, ix);
    FILE *const f = fopen(path, "wb");
    fuzz_check(f && fwrite(head.data, 1, head.len, f) == head.len &&
                   fwrite(body.data, 1, body.len, f) == body.len &&
                   fclose(f) == 0,
               path);
}

static const struct span k_none = {(const uint8_t *)"", 0};

static const char *const k_models[] = {
    "opset 13\ninput x f32 1x2x5x5\ninit w f32 4x2x3x3 rand\n"
    "init b f32 4 rand\nConv c x w b -> t pads=I:1,1,1,1\nRelu r t -> y\n"
    "output y\n",
    "opset 13\ninput x f32 2x4x6\ninit s i64 2 0 -1\nReshape r x s -> v\n"
    "Transpose t v -> u perm=I:1,0\nSoftmax z u -> y axis=i:0\noutput y\n",
    "opset 13\ninput x f32 1x3x4x4\ninit g f32 3 pos\ninit b f32 3 rand\n"
    "init m f32 3 rand\ninit q f32 3 pos\n"
    "BatchNormalization n x g b m q -> t epsilon=f:0.001\n"
    "MaxPool p t -> u kernel_shape=I:2,2 strides=I:2,2\n"
    "GlobalAveragePool a u -> v\nFlatten f v -> y\noutput y\n",
    "opset 13\ninput x f32 1x4x4x4\nSplit s x -> a b axis=i:1\n"
    "Sigmoid g a -> c\nMul m c b -> d\nConcat k d a -> y axis=i:1\noutput y\n",
    "opset 13\ninput x f32 2x8\ninit w f32 8x5 rand\ninit b f32 5 rand\n"
    "Gemm g x w b -> t alpha=f:0.5\nMatMul m t v -> y\ninit v f32 5x3 rand\n"
    "output y\n",
    "opset 13\ninput x f32 1x2x4x4\ninit r f32 - 0\ninit s f32 4 1 1 2 2\n"
    "Resize z x r s -> t mode=s:linear\ninit p i64 8 0 0 1 1 0 0 1 1\n"
    "Pad a t p -> y\noutput y\n",
    "opset 13\ninput x f32 3x4\ninit s i64 2 3 4\n"
    "ConstantOfShape c s -> k value=t:f32:1:2\nAdd a x k -> t\n"
    "Shape h t -> d\nReshape r t d -> u\nReduceMean e u -> y axes=I:1\n"
    "output y\n",
    "opset 17\ninput x i64 2x3\ninit t f32 7x4 rand\nGather g t x -> e\n"
    "init s f32 4 pos\ninit b f32 4 rand\nLayerNormalization n e s b -> y\n"
    "output y\n",
};

static void seed_onnx(struct fixture *f)
{
    for (uint32_t i = 0; i < sizeof k_models / sizeof *k_models; i++) {
        write_seed("onnx", "model", i, k_none, onnx_text(f, k_models[i]));
    }
}

static void seed_device(void)
{
    static const char k_text[] =
        "# what it is\nname board\nstorage mapped\nread 40 MB/s\n"
        "read-latency 2.5 us\ndecode 1.5 GB/s\nloader-shares-core yes\n"
        "step 300 ns\ngemm 90 GMAC/s\ndepthwise 800 MMAC/s\nweights 2 GB/s\n"
        "ewise 900 MB/s\npool 0.5 Gop/s\n";
    write_seed("device", "board", 0, k_none, span_of_str(k_text));
}

static void seed_tensors(struct fixture *f)
{
    static const uint32_t k_type[] = {1, 7, 9, 10, 3};
    for (uint32_t i = 0; i < sizeof k_type / sizeof *k_type; i++) {
        struct run_tensor t = {
            .name = "t", .dtype = k_type[i], .rank = i % 3, .dim = {2, 3}};
        struct buf npy;
        struct buf pb;
        struct buf inner;
        buf_init(&npy, &f->keep);
        buf_init(&pb, &f->keep);
        buf_init(&inner, &f->keep);
        fuzz_check(run_tensor_random(&t, 1, 0, &f->cx), "a tensor");
        run_npy_print(&npy, &t);
        write_seed("npy", "tensor", i, k_none, buf_bytes(&npy));
        for (uint32_t d = 0; d < t.rank; d++) {
            pb_int(&pb, 1, t.dim[d]);
        }
        pb_int(&pb, 2, t.dtype);
        pb_str(&pb, 8, "t");
        if (t.dtype == 7) {
            for (uint64_t k = 0; k < t.n; k++) {
                pb_varint(&inner, k);
            }
            pb_bytes(&pb, 7, buf_bytes(&inner));
        } else {
            pb_bytes(&pb, 9, (struct span){t.data, run_tensor_bytes(&t)});
        }
        write_seed("pb", "tensor", i, k_none, buf_bytes(&pb));
    }
}

static void seed_plans(void)
{
    for (uint8_t c = 0; c < 2; c++) {
        struct fixture f = {.fault.fail_at = ARENA_NO_FAULT};
        const struct fuzz_net *const n = fuzz_net(c != 0);
        fixture_restart(&f, ARENA_NO_FAULT);
        for (uint32_t i = 0; i < n->plans.n_plan; i++) {
            struct buf text;
            buf_init(&text, &f.keep);
            fuzz_check(plan_print(&n->plans.plan[i], &text), "a plan");
            write_seed("plan", c ? "compressed" : "raw", i,
                       (struct span){&c, 1}, buf_bytes(&text));
        }
        const uint8_t zero = 0;
        write_seed("table", "net", c, (struct span){&zero, 1},
                   buf_bytes(&n->table));
        fixture_restart(&f, ARENA_NO_FAULT);
    }
}

/* Words of plan p, little-endian. */
static struct span plan_bytes(struct fixture *f, const uint32_t *plan)
{
    struct buf b;
    buf_init(&b, &f->keep);
    for (uint32_t i = 0; i < plan[2]; i++) {
        buf_le32(&b, plan[i]);
    }
    return buf_bytes(&b);
}

static void seed_models(struct fixture *f)
{
    for (uint8_t i = 0; i < FUZZ_N_MODEL; i++) {
        const struct fuzz_model *const m = fuzz_model(i);
        for (uint8_t p = 0; p < m->tables->n_plan; p++) {
            const uint8_t head[] = {i, (uint8_t)(p % 4), p, 0};
            write_seed("open", "plan", i * 8u + p,
                       (struct span){head, sizeof head},
                       plan_bytes(f, m->tables->plan[p]));
        }
        for (uint8_t how = 0; how < 4; how++) {
            const uint8_t head[] = {i, how, how};
            if (m->tables->blob_bytes <= 4096) {
                write_seed("blob", "blob", i * 8u + how,
                           (struct span){head, sizeof head},
                           (struct span){m->blob, m->tables->blob_bytes});
            }
        }
        for (uint32_t k = 0; k < m->tables->n_chunk && k < 4; k++) {
            const struct flx_chunk *const c = &m->tables->chunk[k];
            const uint8_t head[] = {(uint8_t)(c->raw_bytes / 64 - 1), 0};
            if (c->codec == FLX_CODEC_ZSTD && c->stored_bytes < 2048) {
                write_seed(
                    "codec", "chunk", i * 8u + k,
                    (struct span){head, sizeof head},
                    (struct span){m->blob + c->blob_off, c->stored_bytes});
            }
        }
    }
    const uint8_t whole = 0xff;
    write_seed("codec", "bytes", 0, (struct span){&whole, 1},
               span_of_str("aaaaaaaaaaaaaaaaaaaaaaaabcbcbcbcbcbcbcbcbcb"));
}

int main(int argc, char **argv)
{
    struct fixture f = {.fault.fail_at = ARENA_NO_FAULT};
    if (argc != 2) {
        (void)fprintf(stderr, "usage: fuzz_seeds DIR\n");
        return 2;
    }
    k_dir = argv[1];
    (void)mkdir(k_dir, 0777);
    fixture_restart(&f, ARENA_NO_FAULT);
    seed_onnx(&f);
    seed_device();
    seed_tensors(&f);
    seed_plans();
    seed_models(&f);
    fixture_restart(&f, ARENA_NO_FAULT);
    return 0;
}
