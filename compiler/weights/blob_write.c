#include "weights/blob_write.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/arena.h"
#include "base/crc32c.h"
#include "base/diag.h"
#include "base/le.h"
#include "base/sha256.h"
#include "base/size.h"
#include "flexrt/flx_format.h"
#include "kernels/catalogue.h"

enum { ZSTD_LEVEL = 9, BLOB_ALIGN = FLX_PANEL_ALIGN };

/* What packing needs besides its inputs. */
struct pack {
    struct sha256 id;
    uint8_t *raw;    /* the chunk being packed */
    uint8_t *packed; /* its compressed form */
    uint64_t packed_cap;
    ZSTD_CCtx *zstd; /* NULL: nothing is compressed */
    uint64_t at;     /* bytes of the blob so far */
};

static bool emit(struct blob_out *out, const void *src, uint64_t len)
{
    if (out->mem) {
        buf_put(out->mem, src, len);
        return buf_ok(out->mem);
    }
    return !out->file || file_out_write(out->file, src, len);
}

static bool emit_zeros(struct blob_out *out, uint64_t len)
{
    static const uint8_t zeros[BLOB_ALIGN] = {0};
    for (; len > 0; len -= size_min(len, sizeof zeros)) {
        if (!emit(out, zeros, size_min(len, sizeof zeros))) {
            return false;
        }
    }
    return true;
}

/* Compressing pays where reading is slower than decoding what it saves. Under
 * auto the gain is judged for each chunk, and not even tried on a device on
 * which weights stored as well as floats ever are would lose. */
static bool zstd_pays(const struct options *opt, uint64_t raw, uint64_t stored)
{
    switch (opt->compress) {
    case COMPRESS_NONE:
        return false;
    case COMPRESS_ZSTD:
        return stored < raw;
    case COMPRESS_AUTO: /* weights that are read in place stay raw */
        return opt->device->storage == STORAGE_READ &&
               device_load_ns(opt->device, stored, raw) <
                   device_load_ns(opt->device, raw, 0);
    }
    return false;
}

static bool write_chunk(const struct layers *l, const struct chunks *c,
                        struct chunk *k, const struct options *opt,
                        struct pack *p, struct blob_out *out, struct cx *cx)
{
    const struct layer *layer = &l->layer[k->layer];
    if (!kern_pack(layer, opt, &c->lattice[k->layer], k->kblock, k->panel,
                   k->n_panel, p->raw, cx)) {
        return false;
    }
    sha256_add(&p->id, p->raw, k->raw_bytes);
    const uint8_t *src = p->raw;
    k->codec = CODEC_RAW;
    k->stored_bytes = k->raw_bytes;
    if (p->zstd && !c->lattice[k->layer].is_table) {
        const size_t n = ZSTD_compressCCtx(p->zstd, p->packed, p->packed_cap,
                                           p->raw, k->raw_bytes, ZSTD_LEVEL);
        if (!ZSTD_isError(n) && zstd_pays(opt, k->raw_bytes, n)) {
            k->codec = CODEC_ZSTD;
            k->stored_bytes = n;
            src = p->packed;
        }
    }
    k->blob_off = p->at;
    k->crc = crc32c(0, src, k->stored_bytes);
    uint64_t padded = 0;
    if (!size_align(&padded, k->stored_bytes, BLOB_ALIGN) ||
        !emit(out, src, k->stored_bytes) ||
        !emit_zeros(out, padded - k->stored_bytes)) {
        return false;
    }
    p->at += padded;
    return true;
}

/* ---- the order of residents ---- */

/* Small layers come first: a request costs them more than their bytes, and
 * cascades would hold or reread them anyway. Then layers that compute least per
 * byte of weights: their loads are the hardest to hide behind arithmetic.
 * Tables come last: runs load single entries of them. Ties keep the layers'
 * order. */
enum { SMALL_LAYER = 16 << 10 }; /* bytes of weights */

struct rank {
    uint64_t macs;
    uint64_t bytes;
    uint32_t layer;
    bool is_table;
};

static int by_intensity(const void *pa, const void *pb)
{
    const struct rank *a = pa;
    const struct rank *b = pb;
    if (a->is_table != b->is_table) {
        return a->is_table ? 1 : -1;
    }
    const bool a_small = a->bytes <= SMALL_LAYER;
    const bool b_small = b->bytes <= SMALL_LAYER;
    if (a_small != b_small) {
        return a_small ? -1 : 1;
    }
    const double x = (double)a->macs * (double)b->bytes;
    const double y = (double)b->macs * (double)a->bytes;
    if (x != y) {
        return x < y ? -1 : 1;
    }
    return a->layer < b->layer ? -1 : a->layer > b->layer;
}

/* Every layer's chunks follow each other as in the blob. Where all chunks are
 * raw, places are congruent to blob offsets modulo align, and the padded ends
 * of neighbours do not touch, so that direct reads need no other place. */
static bool place_residents(const struct layers *l, struct chunks *c,
                            struct cx *cx)
{
    const struct arena_mark mark = arena_mark(cx->scratch);
    struct rank *rank = arena_new(cx->scratch, struct rank, l->n_layer);
    if (!rank) {
        return false;
    }
    bool all_raw = true;
    for (uint32_t i = 0; i < l->n_layer; i++) {
        const struct lattice *t = &c->lattice[i];
        rank[i] = (struct rank){.macs = l->layer[i].macs,
                                .layer = i,
                                .is_table = t->panel_entries > 0};
        for (uint32_t k = t->chunk0; k < t->chunk0 + t->n_chunk; k++) {
            rank[i].bytes += c->chunk[k].raw_bytes;
            all_raw = all_raw && c->chunk[k].codec == CODEC_RAW;
        }
    }
    qsort(rank, l->n_layer, sizeof *rank, by_intensity);
    const uint64_t align = all_raw ? c->align : BLOB_ALIGN;
    uint64_t at = 0;
    for (uint32_t i = 0; i < l->n_layer; i++) {
        const struct lattice *t = &c->lattice[rank[i].layer];
        if (t->n_chunk == 0 || t->borrows) {
            continue;
        }
        at = size_div_up(at, align) * align;
        if (all_raw) {
            at += c->chunk[t->chunk0].blob_off % align;
        }
        for (uint32_t k = t->chunk0; k < t->chunk0 + t->n_chunk; k++) {
            c->chunk[k].res_off = at;
            at += c->chunk[k].raw_bytes;
        }
    }
    c->resident_max = size_div_up(at, align) * align;
    arena_rewind(cx->scratch, mark);
    return true;
}

/* ---- header ---- */

static bool write_head(const struct chunks *c, struct blob_out *out,
                       uint64_t start)
{
    uint8_t head[FLX_BLOB_HEAD_BYTES] = {0};
    le32_put(head + FLX_BLOB_AT_MAGIC, FLX_BLOB_MAGIC);
    le32_put(head + FLX_BLOB_AT_VERSION, FLX_FORMAT_VERSION);
    memcpy(head + FLX_BLOB_AT_ID, c->id, sizeof c->id);
    le64_put(head + FLX_BLOB_AT_BYTES, c->blob_bytes);
    le32_put(head + FLX_BLOB_AT_N_CHUNK, c->n_chunk);
    le32_put(head + FLX_BLOB_AT_ALIGN, c->align);
    le32_put(head + FLX_BLOB_AT_CRC, crc32c(0, head, FLX_BLOB_AT_CRC));
    if (out->mem) {
        memcpy(out->mem->data + start, head, sizeof head);
        return true;
    }
    return !out->file || file_out_rewrite(out->file, start, head, sizeof head);
}

/* The id: SHA-256 over format version, target class, the layers' text and the
 * decoded chunks; the first 16 bytes. */
static bool start_id(const struct layers *l, const struct options *opt,
                     struct cx *cx, struct sha256 *id)
{
    struct buf text;
    buf_init(&text, cx->scratch);
    buf_printf(&text, "flexc format %d class %d\n", FLX_FORMAT_VERSION,
               (int)opt->target->cls);
    const bool ok = layers_print(l, &text) && buf_ok(&text);
    sha256_init(id);
    sha256_add(id, buf_bytes(&text).data, buf_bytes(&text).len);
    buf_free(&text);
    return ok;
}

static bool write_all(const struct layers *l, struct chunks *c,
                      const struct options *opt, struct blob_out *out,
                      struct pack *p, struct cx *cx)
{
    const uint64_t start = out->mem ? out->mem->len : 0;
    if (!emit_zeros(out, FLX_BLOB_HEAD_BYTES)) {
        return false;
    }
    p->at = FLX_BLOB_HEAD_BYTES;
    for (uint32_t i = 0; i < c->n_chunk; i++) {
        if (!write_chunk(l, c, &c->chunk[i], opt, p, out, cx)) {
            return false;
        }
    }
    /* Whole pages: a direct read of the last chunk ends inside the file. */
    const uint64_t end = size_div_up(p->at, c->align) * c->align;
    if (!emit_zeros(out, end - p->at)) {
        return false;
    }
    c->blob_bytes = end;
    uint8_t digest[SHA256_BYTES];
    sha256_end(&p->id, digest);
    memcpy(c->id, digest, sizeof c->id);
    return write_head(c, out, start);
}

bool blob_write(const struct layers *l, struct chunks *c,
                const struct options *opt, struct blob_out *out, struct cx *cx)
{
    const struct arena_mark mark = arena_mark(cx->scratch);
    uint64_t largest = 0;
    for (uint32_t i = 0; i < c->n_chunk; i++) {
        largest = size_max(largest, c->chunk[i].raw_bytes);
    }
    struct pack p = {.packed_cap = ZSTD_compressBound(largest)};
    /* Half is what zstd makes of float weights at the very best. */
    const bool try_zstd = zstd_pays(opt, largest, largest / 2);
    p.raw = arena_alloc(cx->scratch, largest, FLX_PANEL_ALIGN);
    p.packed = try_zstd ? arena_alloc(cx->scratch, p.packed_cap, 64) : NULL;
    p.zstd = try_zstd ? ZSTD_createCCtx() : NULL;
    bool ok = p.raw != NULL && (!try_zstd || (p.packed && p.zstd));
    if (try_zstd && !p.zstd) {
        ok = diag_error(cx->diag, E_MEMORY, at_none(),
                        "no memory for the zstd compressor");
    }
    ok = ok && start_id(l, opt, cx, &p.id) && write_all(l, c, opt, out, &p, cx);
    ZSTD_freeCCtx(p.zstd);
    if (ok) {
        uint64_t stored = 0;
        for (uint32_t i = 0; i < c->n_chunk; i++) {
            if (c->chunk[i].codec == CODEC_ZSTD) {
                stored = size_max(stored, c->chunk[i].stored_bytes);
            }
        }
        c->decode_bytes =
            stored == 0 ? 0
                        : size_div_up(stored, 64) * 64 + FLX_ZSTD_WORK_BYTES;
        c->state_bytes = FLX_STATE_BYTES(c->n_chunk, c->decode_bytes, c->align);
        ok = place_residents(l, c, cx);
    }
    arena_rewind(cx->scratch, mark);
    return ok;
}
