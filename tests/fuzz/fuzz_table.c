/* Door: table files (.flxt) of flexrun. For every file, also one whose length
 * and checksum were made good (first byte 0): it is refused with E_TABLE, or
 * its tables open, or flx_open names what is wrong; with memory of at most 16
 * times the file, and without reading a byte outside of it. Nothing is run:
 * the argument blocks of kernels are trusted like code (docs/TRUST.md). */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/le.h"
#include "codec/flx_zstd.h"
#include "flexrt/flexrt.h"
#include "fuzz/fuzz_net.h"

enum { HEAD_BYTES = 16, AT_WORDS = 8, AT_CRC = 12, MOST_ARENA = 1 << 22 };

/* A store that has a right header and nothing behind it. */
struct head_store {
    const struct flx_model *m;
};

static void write_head(const struct flx_model *m, uint8_t *dst)
{
    memset(dst, 0, FLX_BLOB_HEAD_BYTES);
    le32_put(dst + FLX_BLOB_AT_MAGIC, FLX_BLOB_MAGIC);
    le32_put(dst + FLX_BLOB_AT_VERSION, FLX_FORMAT_VERSION);
    memcpy(dst + FLX_BLOB_AT_ID, m->id, FLX_ID_BYTES);
    le64_put(dst + FLX_BLOB_AT_BYTES, m->blob_bytes);
    le32_put(dst + FLX_BLOB_AT_N_CHUNK, m->n_chunk);
    le32_put(dst + FLX_BLOB_AT_ALIGN, m->align);
    le32_put(dst + FLX_BLOB_AT_CRC, crc32c(0, dst, FLX_BLOB_AT_CRC));
}

static enum flx_err start_read(void *ctx, uint32_t off, void *dst, uint32_t len)
{
    const struct head_store *const s = ctx;
    if (off != 0 || len < FLX_BLOB_HEAD_BYTES) {
        return FLX_E_STORAGE;
    }
    write_head(s->m, dst);
    return FLX_OK;
}

static enum flx_err finish_read(void *ctx, int wait, uint32_t *n_in)
{
    (void)ctx;
    (void)wait;
    (void)n_in;
    return FLX_OK;
}

static void try_open(const struct flx_model *m)
{
    struct head_store store = {m};
    const struct flx_port port = {.ctx = &store,
                                  .start_read = start_read,
                                  .finish_read = finish_read,
                                  .decode = flx_zstd_decode};
    void *arena = NULL;
    struct flx *rt = NULL;
    /* What a caller does: asks for the size, then brings an arena. The header
     * of a plan is whole (run_table_parse), so that asking is safe. */
    const uint32_t bytes = flx_arena_bytes(m, 0);
    if (bytes > MOST_ARENA || m->align > 1u << 16 ||
        (m->align & (m->align - 1)) != 0 || m->align < sizeof(void *) ||
        posix_memalign(&arena, m->align, bytes + (bytes == 0)) != 0) {
        return;
    }
    const enum flx_err err = flx_open(m, &port, arena, bytes, 0, &rt);
    fuzz_check((err == FLX_OK) == (rt != NULL), "open gives a runtime");
    fuzz_check(err == FLX_OK || err == FLX_E_MODEL || err == FLX_E_PLAN ||
                   err == FLX_E_TABLES || err == FLX_E_BLOB ||
                   err == FLX_E_ARENA || err == FLX_E_STORAGE,
               "tables are refused as tables");
    if (rt) {
        struct flx_info info;
        flx_query(rt, &info);
        fuzz_check(info.arena_bytes <= bytes, "a plan fits its arena");
        for (uint32_t i = 0; i < m->n_input; i++) {
            memset(flx_input(rt, i), 0x5a, m->input[i].bytes);
        }
        for (uint32_t i = 0; i < m->n_plan; i++) {
            (void)flx_switch_plan(rt, i);
            (void)flx_settle(rt);
        }
        flx_close(rt);
    }
    free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {data, size};
    const bool is_raw = fuzz_byte(&in) != 0;
    struct fuzz f;
    struct run_model model = {0};
    const struct run_kernels kernels = {fuzz_net_kernel, NULL};
    fuzz_start(&f, ARENA_NO_CAP);
    uint8_t *const file = malloc(in.len + (in.len == 0));
    fuzz_check(file != NULL, "the machine has memory");
    if (in.len > 0) {
        memcpy(file, in.data, in.len);
    }
    if (!is_raw && in.len >= HEAD_BYTES) {
        le32_put(file + AT_WORDS, (uint32_t)(in.len / 4));
        le32_put(file + AT_CRC,
                 crc32c(0, file + HEAD_BYTES, in.len - HEAD_BYTES));
    }
    const bool ok = run_table_parse((struct span){file, in.len}, "m.flxt",
                                    &kernels, &f.cx, &model);
    fuzz_check_diag(&f, ok);
    fuzz_check(ok || f.diag.id == E_TABLE, "a table file is no other error");
    fuzz_check(f.keep.peak_bytes <= 16 * (uint64_t)size + 65536,
               "memory is bounded by the file's size");
    free(file); /* nothing refers to it any more */
    if (ok && model.tables->n_plan > 0) {
        try_open(model.tables);
    }
    fuzz_end(&f);
    return 0;
}
