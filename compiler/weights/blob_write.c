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
enum { SMALL_LAYER = 16 << 10 }; /* bytes of weights */

/* A layer's chunks in the blob. Layers of later entries whose chunks have the
 * same bytes share them. */
struct home {
    uint32_t entry; /* whose layer was the first */
    uint32_t layer;
    uint32_t number; /* of the first chunk, among all of the blob */
    uint32_t taken;  /* the last entry that has it: a layer takes one alone */
    uint32_t n_entry;
    bool has_digest;
    uint8_t digest[SHA256_BYTES]; /* of several entries, and of likely twins */
};

/* What packing needs besides its inputs. */
struct pack {
    const struct blob_entry *entry;
    uint32_t n;
    const struct options *opt;
    struct blob_out *out;
    struct cx *cx;
    struct home *home;
    uint32_t *first_crc; /* of each home's first chunk as stored */
    uint32_t n_home;
    uint32_t **home_of; /* of each entry's layers */
    uint32_t n_stored;  /* chunks of the blob so far */
    struct sha256 id;
    uint8_t *raw;    /* the chunk being packed */
    uint8_t *packed; /* its compressed form */
    uint64_t packed_cap;
    ZSTD_CCtx *zstd; /* NULL: nothing is compressed */
    uint64_t at;     /* bytes of the blob so far */
};

/* True when the layer's chunks are its own. */
static bool has_chunks(const struct lattice *t)
{
    return t->n_chunk > 0 && !t->borrows;
}

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

static bool pack_chunk(struct pack *p, uint32_t e, const struct chunk *k)
{
    const struct blob_entry *const x = &p->entry[e];
    return kern_pack(&x->layers->layer[k->layer], p->opt,
                     &x->chunks->lattice[k->layer], k->kblock, k->panel,
                     k->n_panel, p->raw, p->cx);
}

/* Makes the chunk's bytes, at *src until the next one is made. */
static bool make_chunk(struct pack *p, uint32_t e, struct chunk *k,
                       const uint8_t **out)
{
    if (!pack_chunk(p, e, k)) {
        return false;
    }
    const uint8_t *src = p->raw;
    k->codec = CODEC_RAW;
    k->stored_bytes = k->raw_bytes;
    if (p->zstd && !p->entry[e].chunks->lattice[k->layer].is_table) {
        const size_t n = ZSTD_compressCCtx(p->zstd, p->packed, p->packed_cap,
                                           p->raw, k->raw_bytes, ZSTD_LEVEL);
        if (!ZSTD_isError(n) && zstd_pays(p->opt, k->raw_bytes, n)) {
            k->codec = CODEC_ZSTD;
            k->stored_bytes = n;
            src = p->packed;
        }
    }
    k->crc = crc32c(0, src, k->stored_bytes);
    *out = src;
    return true;
}

/* Of bytes that are made, at src, unless that is NULL. */
static bool write_chunk(struct pack *p, uint32_t e, struct chunk *k,
                        const uint8_t *src)
{
    uint64_t padded = 0;
    if (!src && !make_chunk(p, e, k, &src)) {
        return false;
    }
    sha256_add(&p->id, p->raw, k->raw_bytes);
    k->blob_off = p->at;
    if (!size_align(&padded, k->stored_bytes, BLOB_ALIGN) ||
        !emit(p->out, src, k->stored_bytes) ||
        !emit_zeros(p->out, padded - k->stored_bytes)) {
        return false;
    }
    p->at += padded;
    p->n_stored++;
    return true;
}

/* ---- bytes that layers share ---- */

/* Of all that makes a layer's chunks what they are: their bytes, how they are
 * cut, and whether they may be compressed. */
static bool digest_layer(struct pack *p, uint32_t e, uint32_t layer,
                         uint8_t digest[SHA256_BYTES])
{
    const struct chunks *const c = p->entry[e].chunks;
    const struct lattice *const t = &c->lattice[layer];
    struct sha256 s;
    sha256_init(&s);
    for (uint32_t i = t->chunk0; i < t->chunk0 + t->n_chunk; i++) {
        const struct chunk *const k = &c->chunk[i];
        uint8_t head[16];
        le32_put(head, t->is_table);
        le32_put(head + 4, k->n_panel);
        le64_put(head + 8, k->raw_bytes);
        if (!pack_chunk(p, e, k)) {
            return false;
        }
        sha256_add(&s, head, sizeof head);
        sha256_add(&s, p->raw, k->raw_bytes);
    }
    sha256_end(&s, digest);
    return true;
}

/* The home of an earlier entry with this digest that no layer of entry e has;
 * n_home if there is none. */
static uint32_t find_home(const struct pack *p, uint32_t e,
                          const uint8_t digest[SHA256_BYTES])
{
    uint32_t i = 0;
    while (i < p->n_home &&
           (p->home[i].taken == e ||
            memcmp(p->home[i].digest, digest, SHA256_BYTES) != 0)) {
        i++;
    }
    return i;
}

/* *ix: a home whose layer has the same bytes, as copies of a loop's body have;
 * n_home if there is none. Likely ones are told by the first chunk, then all
 * are compared. *src: the first chunk's bytes, or NULL when they are gone. */
static bool find_twin(struct pack *p, uint32_t e, uint32_t layer,
                      struct home *own, uint32_t *ix, const uint8_t **src)
{
    struct chunks *const c = p->entry[e].chunks;
    const struct lattice *const t = &c->lattice[layer];
    struct chunk *const first = &c->chunk[t->chunk0];
    /* Where a request costs more than the bytes, small layers stay together. */
    const uint64_t least =
        p->opt->target->cls == CLASS_HOSTED ? SMALL_LAYER : 0;
    *ix = p->n_home;
    if (!make_chunk(p, e, first, src)) {
        return false;
    }
    p->first_crc[p->n_home] = first->crc;
    for (uint32_t i = 0; i < p->n_home; i++) {
        struct home *const h = &p->home[i];
        const struct chunks *const of = p->entry[h->entry].chunks;
        const struct lattice *const u = &of->lattice[h->layer];
        if (p->first_crc[i] != first->crc || u->n_chunk != t->n_chunk ||
            first->raw_bytes != of->chunk[u->chunk0].raw_bytes ||
            (t->n_chunk == 1 && first->raw_bytes <= least)) {
            continue;
        }
        *src = NULL;
        if ((!own->has_digest && !digest_layer(p, e, layer, own->digest)) ||
            (!h->has_digest &&
             !digest_layer(p, h->entry, h->layer, h->digest))) {
            return false;
        }
        own->has_digest = true;
        h->has_digest = true;
        if (memcmp(own->digest, h->digest, SHA256_BYTES) == 0) {
            *ix = i;
            return true;
        }
    }
    return true;
}

/* The layer's chunks are stored where those of home h are. */
static void share_bytes(struct pack *p, const struct home *h, uint32_t e,
                        uint32_t layer, const uint8_t digest[SHA256_BYTES])
{
    struct chunks *const c = p->entry[e].chunks;
    const struct lattice *const t = &c->lattice[layer];
    const struct chunks *const from = p->entry[h->entry].chunks;
    const struct chunk *const k = &from->chunk[from->lattice[h->layer].chunk0];
    for (uint32_t i = 0; i < t->n_chunk; i++) {
        struct chunk *const to = &c->chunk[t->chunk0 + i];
        to->blob_off = k[i].blob_off;
        to->stored_bytes = k[i].stored_bytes;
        to->crc = k[i].crc;
        to->codec = k[i].codec;
    }
    sha256_add(&p->id, digest, SHA256_BYTES);
}

/* A home of the layer's own: its bytes are a twin's, or are written. */
static bool new_home(struct pack *p, uint32_t e, uint32_t layer,
                     struct home *own)
{
    struct chunks *const c = p->entry[e].chunks;
    const struct lattice *const t = &c->lattice[layer];
    const uint8_t *src;
    uint32_t twin;
    if (!find_twin(p, e, layer, own, &twin, &src)) {
        return false;
    }
    if (twin < p->n_home) {
        share_bytes(p, &p->home[twin], e, layer, own->digest);
        p->n_stored += t->n_chunk;
    }
    for (uint32_t i = 0; twin == p->n_home && i < t->n_chunk; i++) {
        if (!write_chunk(p, e, &c->chunk[t->chunk0 + i], i ? NULL : src)) {
            return false;
        }
    }
    p->home[p->n_home++] = *own;
    return true;
}

/* Puts the layer where an equal one is, or writes it. */
static bool house_layer(struct pack *p, uint32_t e, uint32_t layer)
{
    struct home own = {.entry = e,
                       .layer = layer,
                       .number = p->n_stored,
                       .has_digest = p->n > 1};
    if (own.has_digest && !digest_layer(p, e, layer, own.digest)) {
        return false;
    }
    const uint32_t ix = e == 0 ? p->n_home : find_home(p, e, own.digest);
    p->home_of[e][layer] = ix;
    if (ix < p->n_home) {
        share_bytes(p, &p->home[ix], e, layer, own.digest);
    } else if (!new_home(p, e, layer, &own)) {
        return false;
    }
    struct home *const h = &p->home[ix];
    h->taken = e;
    h->n_entry++;
    return true;
}

/* ---- the order of residents ---- */

/* Small layers come first: a request costs them more than their bytes, and
 * cascades would hold or reread them anyway. Then layers that compute least per
 * byte of weights: their loads are the hardest to hide behind arithmetic. Then
 * those that some entries do not have, which are gaps there. Tables come last:
 * runs load single entries of them. Ties keep the order of the blob. */

struct rank {
    uint64_t macs;
    uint64_t bytes;
    uint32_t ix; /* in the order of the blob */
    uint32_t home;
    uint32_t group; /* small, common, of some entries, tables */
};

static int by_intensity(const void *pa, const void *pb)
{
    const struct rank *a = pa;
    const struct rank *b = pb;
    if (a->group != b->group) {
        return a->group < b->group ? -1 : 1;
    }
    const double x = (double)a->macs * (double)b->bytes;
    const double y = (double)b->macs * (double)a->bytes;
    if (x != y) {
        return x < y ? -1 : 1;
    }
    return a->ix < b->ix ? -1 : a->ix > b->ix;
}

static struct rank rank_layer(const struct pack *p, uint32_t e, uint32_t layer)
{
    const struct chunks *const c = p->entry[e].chunks;
    const struct lattice *const t = &c->lattice[layer];
    struct rank r = {.macs = p->entry[e].layers->layer[layer].macs,
                     .home = p->home_of[e][layer]};
    const bool is_common = p->home[r.home].n_entry == p->n;
    for (uint32_t k = t->chunk0; k < t->chunk0 + t->n_chunk; k++) {
        r.bytes += c->chunk[k].raw_bytes;
    }
    r.group = t->panel_entries > 0     ? 3
              : r.bytes <= SMALL_LAYER ? 0
              : is_common              ? 1
                                       : 2;
    return r;
}

/* Layers with chunks: of the first entry, and of others those with a new home.
 * The others would compare as equal to any, which is no order. */
static uint32_t rank_layers(const struct pack *p, struct rank *rank)
{
    uint32_t n = 0;
    for (uint32_t e = 0; e < p->n; e++) {
        const struct chunks *const c = p->entry[e].chunks;
        for (uint32_t y = 0; y < c->n_layer; y++) {
            if (has_chunks(&c->lattice[y]) &&
                (e == 0 || p->home[p->home_of[e][y]].entry == e)) {
                rank[n] = rank_layer(p, e, y);
                rank[n].ix = n;
                n++;
            }
        }
    }
    qsort(rank, n, sizeof *rank, by_intensity);
    return n;
}

/* Every layer's chunks follow each other as in the blob. Where all chunks are
 * raw, places are congruent to blob offsets modulo align, and the padded ends
 * of neighbours do not touch, so that direct reads need no other place. */
static bool place_residents(const struct pack *p)
{
    const uint32_t read_align = p->entry[0].chunks->align;
    struct rank *rank =
        arena_new(p->cx->scratch, struct rank,
                  (uint64_t)p->entry[0].chunks->n_layer + p->n_home);
    if (!rank) {
        return false;
    }
    const uint32_t n_rank = rank_layers(p, rank);
    const bool all_raw = p->entry[0].chunks->decode_bytes == 0;
    const uint64_t align = all_raw ? read_align : BLOB_ALIGN;
    uint64_t at = 0;
    for (uint32_t i = 0; i < n_rank; i++) {
        const struct home *const h = &p->home[rank[i].home];
        const struct chunks *const c = p->entry[h->entry].chunks;
        const struct lattice *t = &c->lattice[h->layer];
        at = size_div_up(at, align) * align;
        if (all_raw) {
            at += c->chunk[t->chunk0].blob_off % align;
        }
        for (uint32_t k = t->chunk0; k < t->chunk0 + t->n_chunk; k++) {
            c->chunk[k].res_off = at;
            at += c->chunk[k].raw_bytes;
        }
    }
    for (uint32_t e = 0; e < p->n; e++) {
        struct chunks *const c = p->entry[e].chunks;
        uint64_t end = 0;
        for (uint32_t i = 0; i < c->n_chunk; i++) {
            struct chunk *const k = &c->chunk[i];
            const struct home *const h = &p->home[p->home_of[e][k->layer]];
            const struct chunks *const from = p->entry[h->entry].chunks;
            k->res_off = from->chunk[from->lattice[h->layer].chunk0 + i -
                                     c->lattice[k->layer].chunk0]
                             .res_off;
            end = size_max(end, k->res_off + k->raw_bytes);
        }
        c->resident_max = size_div_up(end, align) * align;
    }
    return true;
}

/* Of several entries: all chunks, and where an entry's are among them. */
static bool number_chunks(const struct pack *p)
{
    struct arena *const a = p->cx->keep;
    struct chunk *const all =
        p->n > 1 ? arena_new(a, struct chunk, p->n_stored) : NULL;
    if (p->n > 1 && !all) {
        return false;
    }
    for (uint32_t e = 0; all && e < p->n; e++) {
        struct chunks *const c = p->entry[e].chunks;
        uint32_t *const number = arena_new(a, uint32_t, c->n_chunk);
        if (!number) {
            return false;
        }
        for (uint32_t i = 0; i < c->n_chunk; i++) {
            const uint32_t y = c->chunk[i].layer;
            number[i] =
                p->home[p->home_of[e][y]].number + i - c->lattice[y].chunk0;
            all[number[i]] = c->chunk[i];
        }
        c->stored = all;
        c->number = number;
        c->n_stored = p->n_stored;
    }
    return true;
}

/* ---- header ---- */

static bool write_head(const struct chunks *c, uint32_t n_stored,
                       struct blob_out *out, uint64_t start)
{
    uint8_t head[FLX_BLOB_HEAD_BYTES] = {0};
    le32_put(head + FLX_BLOB_AT_MAGIC, FLX_BLOB_MAGIC);
    le32_put(head + FLX_BLOB_AT_VERSION, FLX_FORMAT_VERSION);
    memcpy(head + FLX_BLOB_AT_ID, c->id, sizeof c->id);
    le64_put(head + FLX_BLOB_AT_BYTES, c->blob_bytes);
    le32_put(head + FLX_BLOB_AT_N_CHUNK, n_stored);
    le32_put(head + FLX_BLOB_AT_ALIGN, c->align);
    le32_put(head + FLX_BLOB_AT_CRC, crc32c(0, head, FLX_BLOB_AT_CRC));
    if (out->mem) {
        memcpy(out->mem->data + start, head, sizeof head);
        return true;
    }
    return !out->file || file_out_rewrite(out->file, start, head, sizeof head);
}

/* The id: SHA-256 over format version, target class, and of each entry the
 * layers' text and the decoded chunks, or the digest of a layer whose chunks
 * are an earlier entry's; the first 16 bytes. */
static bool begin_id(struct pack *p, uint32_t e)
{
    struct buf text;
    buf_init(&text, p->cx->scratch);
    if (e == 0) {
        sha256_init(&p->id);
        buf_printf(&text, "flexc format %d class %d\n", FLX_FORMAT_VERSION,
                   (int)p->opt->target->cls);
    }
    const bool ok = layers_print(p->entry[e].layers, &text) && buf_ok(&text);
    sha256_add(&p->id, buf_bytes(&text).data, buf_bytes(&text).len);
    buf_free(&text);
    return ok;
}

static bool write_all(struct pack *p)
{
    const uint64_t start = p->out->mem ? p->out->mem->len : 0;
    if (!emit_zeros(p->out, FLX_BLOB_HEAD_BYTES)) {
        return false;
    }
    p->at = FLX_BLOB_HEAD_BYTES;
    for (uint32_t e = 0; e < p->n; e++) {
        const struct chunks *const c = p->entry[e].chunks;
        if (!begin_id(p, e)) {
            return false;
        }
        for (uint32_t i = 0; i < c->n_layer; i++) {
            if (has_chunks(&c->lattice[i]) && !house_layer(p, e, i)) {
                return false;
            }
        }
    }
    /* Whole pages: a direct read of the last chunk ends inside the file. */
    struct chunks *const first = p->entry[0].chunks;
    const uint64_t end = size_div_up(p->at, first->align) * first->align;
    if (!emit_zeros(p->out, end - p->at)) {
        return false;
    }
    uint8_t digest[SHA256_BYTES];
    sha256_end(&p->id, digest);
    for (uint32_t e = 0; e < p->n; e++) {
        p->entry[e].chunks->blob_bytes = end;
        memcpy(p->entry[e].chunks->id, digest, sizeof first->id);
    }
    return write_head(first, p->n_stored, p->out, start);
}

/* What the runtime needs besides plans, which is the same in all entries. */
static void set_state_bytes(const struct pack *p)
{
    uint64_t stored = 0;
    for (uint32_t i = 0; i < p->n_home; i++) {
        const struct chunks *const c = p->entry[p->home[i].entry].chunks;
        const struct lattice *const t = &c->lattice[p->home[i].layer];
        for (uint32_t k = t->chunk0; k < t->chunk0 + t->n_chunk; k++) {
            if (c->chunk[k].codec == CODEC_ZSTD) {
                stored = size_max(stored, c->chunk[k].stored_bytes);
            }
        }
    }
    for (uint32_t e = 0; e < p->n; e++) {
        struct chunks *const c = p->entry[e].chunks;
        c->decode_bytes =
            stored == 0 ? 0
                        : size_div_up(stored, 64) * 64 + FLX_ZSTD_WORK_BYTES;
        c->state_bytes =
            FLX_STATE_BYTES(p->n_stored, c->decode_bytes, c->align);
    }
}

/* Room for the largest chunk and for what is known of every layer. */
static bool make_room(struct pack *p)
{
    struct arena *const a = p->cx->scratch;
    uint64_t largest = 0;
    uint64_t n_layer = 0;
    p->home_of = arena_new(a, uint32_t *, p->n);
    for (uint32_t e = 0; p->home_of && e < p->n; e++) {
        const struct chunks *const c = p->entry[e].chunks;
        for (uint32_t i = 0; i < c->n_chunk; i++) {
            largest = size_max(largest, c->chunk[i].raw_bytes);
        }
        n_layer += c->n_layer;
        p->home_of[e] = arena_new(a, uint32_t, c->n_layer);
        if (!p->home_of[e]) {
            return false;
        }
    }
    /* Half is what zstd makes of float weights at the very best. */
    const bool try_zstd = zstd_pays(p->opt, largest, largest / 2);
    p->home = arena_new(a, struct home, n_layer);
    p->first_crc = arena_new(a, uint32_t, n_layer);
    p->raw = arena_alloc(a, largest, FLX_PANEL_ALIGN);
    if (!p->home_of || !p->home || !p->first_crc || !p->raw) {
        return false;
    }
    if (!try_zstd) {
        return true;
    }
    p->packed_cap = ZSTD_compressBound(largest);
    p->packed = arena_alloc(a, p->packed_cap, 64);
    p->zstd = p->packed ? ZSTD_createCCtx() : NULL;
    return p->zstd ||
           (p->packed && diag_error(p->cx->diag, E_MEMORY, at_none(),
                                    "no memory for the zstd compressor"));
}

bool blob_write(const struct blob_entry *entry, uint32_t n,
                const struct options *opt, struct blob_out *out, struct cx *cx)
{
    const struct arena_mark mark = arena_mark(cx->scratch);
    struct pack p = {.entry = entry, .n = n, .opt = opt, .out = out, .cx = cx};
    bool ok = make_room(&p) && write_all(&p);
    ZSTD_freeCCtx(p.zstd);
    if (ok) {
        set_state_bytes(&p);
        ok = place_residents(&p) && number_chunks(&p);
    }
    arena_rewind(cx->scratch, mark);
    return ok;
}
