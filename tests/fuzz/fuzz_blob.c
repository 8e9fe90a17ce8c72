/* Door: blobs, read or mapped. For every file under a model's sound tables: it
 * is refused at open or at a load, or the output is the one right one; and with
 * tables whose checksums are those of this file (second byte, bit 1), so that
 * the decoder sees it: runs end with FLX_OK or FLX_E_DECODE. Either way no byte
 * outside the arena is written and none outside the file is read.
 *
 * Bytes: model; 1: mapped, 2: checksums of chunks made good, 4: of the header;
 * plan; then the file. */
#include "fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/le.h"
#include "fuzz/fuzz_model.h"
#include "fuzz/fuzz_session.h"

enum { MAPPED = 1, GOOD_CHUNKS = 2, GOOD_HEAD = 4 };

/* The tables' chunks with the checksums of this file where it has them. */
static struct flx_chunk *good_chunks(const struct flx_model *m,
                                     const uint8_t *file, uint32_t len)
{
    struct flx_chunk *const c = malloc((m->n_chunk + 1u) * sizeof *c);
    fuzz_check(c != NULL, "the machine has memory");
    for (uint32_t i = 0; i < m->n_chunk; i++) {
        c[i] = m->chunk[i];
        if (c[i].blob_off <= len && c[i].stored_bytes <= len - c[i].blob_off) {
            c[i].crc = crc32c(0, file + c[i].blob_off, c[i].stored_bytes);
        }
    }
    return c;
}

static void run(const struct fuzz_model *src, const struct flx_model *m,
                struct fuzz_session *s, bool is_sound)
{
    for (uint32_t i = 0; i < 2; i++) {
        memcpy(flx_input(s->rt, 0), src->input, m->input[0].bytes);
        const enum flx_err err = flx_run(s->rt);
        fuzz_check(err == FLX_OK || err == FLX_E_CHECKSUM ||
                       err == FLX_E_DECODE || err == FLX_E_STORAGE,
                   "a run ends, at worst with an error of storage");
        fuzz_check(!is_sound || err != FLX_OK ||
                       memcmp(flx_output(s->rt, 0), src->output,
                              m->output[0].bytes) == 0,
                   "no wrong output");
        fuzz_check(is_sound || err != FLX_E_CHECKSUM,
                   "a checksum that holds is no error");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = {data, size};
    const struct fuzz_model *const src = fuzz_model(fuzz_byte(&in));
    const uint8_t how = fuzz_byte(&in);
    const uint32_t plan = fuzz_byte(&in) % src->tables->n_plan;
    const bool is_mapped = (how & MAPPED) != 0;
    struct flx_model m = *src->tables;
    /* A port that maps a file knows that the file is as long as its header
     * says (flx_posix_open). */
    uint32_t len = (uint32_t)in.len;
    len = is_mapped && len < m.blob_bytes ? m.blob_bytes : len;
    uint8_t *const file = calloc(1, len + (len == 0));
    fuzz_check(file != NULL, "the machine has memory");
    if (in.len > 0) {
        memcpy(file, in.data, in.len);
    }
    if ((how & GOOD_HEAD) != 0 && len >= FLX_BLOB_HEAD_BYTES) {
        memcpy(file, src->blob, FLX_BLOB_HEAD_BYTES);
    }
    struct flx_chunk *const chunk =
        (how & GOOD_CHUNKS) != 0 ? good_chunks(&m, file, len) : NULL;
    m.chunk = chunk ? chunk : m.chunk;
    struct fuzz_session s;
    const enum flx_err err =
        fuzz_open_session(&s, &m, is_mapped ? FUZZ_PORT_MAP : FUZZ_PORT_SYNC,
                          file, len, flx_arena_bytes(&m, plan), plan);
    fuzz_check(err == FLX_OK || err == FLX_E_BLOB || err == FLX_E_STORAGE ||
                   err == FLX_E_CHECKSUM || err == FLX_E_PLAN,
               "a blob is refused as a blob");
    if (s.rt) {
        run(src, &m, &s, chunk == NULL);
    }
    fuzz_close_session(&s);
    free(chunk);
    free(file);
    return 0;
}
