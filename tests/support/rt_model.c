#include "support/rt_model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "base/crc32c.h"
#include "base/le.h"

/* ---- kernel ---- */

enum { WORDS = RT_ROW_BYTES / 4 };

static uint8_t *row_of(const struct flx_ref *ref, uint32_t row)
{
    return ref->base + (size_t)(row % ref->ring) * RT_ROW_BYTES;
}

static uint32_t mix_operands(const struct flx_call *call,
                             const struct rt_kernel_arg *arg, uint32_t row,
                             uint32_t acc)
{
    const uint32_t lo = row < arg->halo ? 0 : row - arg->halo;
    const uint32_t hi =
        row + arg->halo >= RT_ROWS ? RT_ROWS - 1 : row + arg->halo;
    for (uint32_t i = 1; i <= arg->n_in; i++) {
        for (uint32_t q = lo; q <= hi; q++) {
            const uint8_t *in = row_of(&call->arg[i], q);
            for (uint32_t x = 0; x < WORDS; x++) {
                acc = acc * 31u + le32_get(in + (size_t)4 * x) + q;
            }
        }
    }
    return acc;
}

/* out[r][c] = mix(kb == 0 ? 1 : out[r][c], operands, weights of the panel, c);
 * rows are dealt to the parts. The sum is kept in the part's scratch where
 * there is some. */
static void k_mix(const struct flx_call *call, const void *block, uint32_t part,
                  uint32_t n_parts)
{
    const struct rt_kernel_arg *arg = block;
    uint8_t *scratch = NULL;
    if (arg->scratch_bytes > 0) {
        scratch = call->scratch + (size_t)part * arg->scratch_bytes;
    }
    for (uint32_t r = call->r0 + part; r < call->r1; r += n_parts) {
        const uint32_t seen = mix_operands(call, arg, r, 7u * call->kb);
        const uint8_t *w = call->w;
        for (uint32_t p = call->p0; p < call->p1; p++) {
            uint8_t *out =
                row_of(&call->arg[0], r) + (size_t)p * arg->columns * 4;
            for (uint32_t c = 0; c < arg->columns; c++) {
                uint32_t acc =
                    seen + c +
                    (call->kb == 0 ? 1 : le32_get(out + (size_t)4 * c));
                for (uint32_t j = 0; j < arg->panel_words[call->kb]; j++) {
                    acc = acc * 33u + le32_get(w + (size_t)4 * j);
                }
                if (scratch) {
                    memset(scratch, (int)(part + 1), arg->scratch_bytes);
                    le32_put(scratch, acc);
                    acc = le32_get(scratch) + scratch[63] - part;
                }
                le32_put(out + (size_t)4 * c, acc);
            }
            if (w) {
                w += (size_t)4 * arg->panel_words[call->kb];
            }
        }
    }
}

/* ---- model ---- */

static uint32_t round_up(uint32_t x, uint32_t a)
{
    return (x + a - 1) / a * a;
}

static void fill_layers(struct rt_model *m)
{
    static const struct rt_kernel_arg k_arg[RT_N_LAYER] = {
        {0, 1, {32, 16}, 4, 0},
        {1, 1, {48, 0}, 4, 0},
        {1, 1, {0, 0}, WORDS, 64},
        {0, 2, {16, 0}, 4, 0},
    };
    static const uint16_t k_operand[] = {1, 0, 2, 1, 3, 2, 4, 3, 1};
    static const struct flx_layer k_layer[RT_N_LAYER] = {
        {0, 2, 0, RT_ROWS, 4, 2, 0, 4, 0, 0, 0, 0, 0},
        {1, 2, 2, RT_ROWS, 4, 1, 4, 4, 0, 0, 0, 0, 0},
        {2, 2, 4, RT_ROWS, 1, 1, 0, 0, 0, 0, 0, 0, 64},
        {3, 3, 6, RT_ROWS, 4, 1, 8, 1, 0, 0, 0, 0, 0},
    };
    static const struct flx_buf k_buf[RT_N_BUF] = {
        {RT_ROWS, RT_ROW_BYTES, 0, 0, 0}, {RT_ROWS, RT_ROW_BYTES, 0, 3, 0},
        {RT_ROWS, RT_ROW_BYTES, 1, 2, 0}, {RT_ROWS, RT_ROW_BYTES, 2, 3, 0},
        {RT_ROWS, RT_ROW_BYTES, 3, 4, 0},
    };
    memcpy(m->kernel_arg, k_arg, sizeof k_arg);
    memcpy(m->arg, k_operand, sizeof k_operand);
    memcpy(m->layer, k_layer, sizeof k_layer);
    memcpy(m->buf, k_buf, sizeof k_buf);
    for (uint32_t i = 0; i < RT_N_LAYER; i++) {
        m->kernel[i] = (struct flx_kernel){k_mix, &m->kernel_arg[i]};
    }
    m->input = (struct flx_io){"in", 12, 0, RT_IO_BYTES, 1, {RT_IO_BYTES / 4}};
    m->output =
        (struct flx_io){"out", 12, 4, RT_IO_BYTES, 1, {RT_IO_BYTES / 4}};
}

/* layer, K block, first panel, panels, bytes of a panel */
static const uint16_t k_lattice[RT_N_CHUNK][5] = {
    {0, 0, 0, 2, 128}, {0, 0, 2, 2, 128}, {0, 1, 0, 2, 64},
    {0, 1, 2, 2, 64},  {1, 0, 0, 1, 192}, {1, 0, 1, 1, 192},
    {1, 0, 2, 1, 192}, {1, 0, 3, 1, 192}, {3, 0, 0, 4, 64},
};

static void fill_chunks(struct rt_model *m, const struct rt_options *opt)
{
    enum { CAP = 16384 };
    m->blob = calloc(1, CAP);
    m->weights = calloc(1, CAP);
    assert(m->blob && m->weights);
    uint32_t random = 12345;
    uint32_t raw_at = 0;
    uint32_t at = FLX_BLOB_HEAD_BYTES;
    uint32_t most = 0;
    for (uint32_t i = 0; i < RT_N_CHUNK; i++) {
        struct flx_chunk *c = &m->chunk[i];
        const uint16_t *t = k_lattice[i];
        *c = (struct flx_chunk){.layer = t[0],
                                .kblock = t[1],
                                .panel = t[2],
                                .n_panel = t[3],
                                .raw_bytes = (uint32_t)t[3] * t[4],
                                .blob_off = at};
        uint8_t *raw = m->weights + raw_at;
        m->weight_off[i] = raw_at;
        raw_at += c->raw_bytes;
        for (uint32_t k = 0; k < c->raw_bytes; k++) {
            random = random * 1664525u + 1013904223u;
            raw[k] = (uint8_t)(random >> 29); /* three bits: compresses */
        }
        c->stored_bytes = c->raw_bytes;
        memcpy(m->blob + at, raw, c->raw_bytes);
        if (opt->compress && i % 3 != 2) {
            const size_t n =
                ZSTD_compress(m->blob + at, CAP - at, raw, c->raw_bytes, 3);
            assert(!ZSTD_isError(n));
            c->stored_bytes = (uint32_t)n;
            c->codec = FLX_CODEC_ZSTD;
            most = n > most ? (uint32_t)n : most;
        }
        c->crc = crc32c(0, m->blob + at, c->stored_bytes);
        at = round_up(at + c->stored_bytes, FLX_PANEL_ALIGN);
    }
    m->model.blob_bytes = round_up(at, m->model.align);
    m->blob = realloc(m->blob, m->model.blob_bytes);
    assert(m->blob);
    memset(m->blob + at, 0, m->model.blob_bytes - at);
    m->model.decode_bytes =
        most == 0 ? 0 : round_up(most, 64) + FLX_ZSTD_WORK_BYTES;
}

static void write_head(struct rt_model *m)
{
    uint8_t *head = m->blob;
    for (uint32_t i = 0; i < FLX_ID_BYTES; i++) {
        m->model.id[i] = (uint8_t)(i * 17 + 3);
    }
    le32_put(head + FLX_BLOB_AT_MAGIC, FLX_BLOB_MAGIC);
    le32_put(head + FLX_BLOB_AT_VERSION, FLX_FORMAT_VERSION);
    memcpy(head + FLX_BLOB_AT_ID, m->model.id, FLX_ID_BYTES);
    le64_put(head + FLX_BLOB_AT_BYTES, m->model.blob_bytes);
    le32_put(head + FLX_BLOB_AT_N_CHUNK, RT_N_CHUNK);
    le32_put(head + FLX_BLOB_AT_ALIGN, m->model.align);
    le32_put(head + FLX_BLOB_AT_CRC, crc32c(0, head, FLX_BLOB_AT_CRC));
}

/* The order of residents is L3, L1, L0. */
static uint32_t place_residents(struct rt_model *m, uint32_t end[RT_N_LAYER])
{
    static const uint32_t k_order[] = {3, 1, 0};
    const bool padded = m->model.decode_bytes == 0;
    const uint32_t align = padded ? m->model.align : FLX_PANEL_ALIGN;
    uint32_t at = 0;
    for (uint32_t i = 0; i < 3; i++) {
        const struct flx_layer *l = &m->layer[k_order[i]];
        at = round_up(at, align) + m->chunk[l->chunk0].blob_off % align;
        for (uint32_t k = l->chunk0; k < l->chunk0 + l->n_chunk; k++) {
            m->chunk[k].res_off = at;
            at += m->chunk[k].raw_bytes;
        }
        at = round_up(at, align);
        end[k_order[i]] = at;
    }
    return at;
}

/* ---- plans ---- */

enum { CAP_WORDS = 256 };

struct writer {
    const struct rt_model *m;
    uint32_t compute[CAP_WORDS];
    uint32_t n_compute_words;
    uint32_t n_box;
    uint32_t load[CAP_WORDS];
    uint32_t n_load_words;
    uint32_t n_load;
    uint32_t edge[CAP_WORDS];
    uint32_t n_edge;
    uint32_t buf[RT_N_BUF][2];
    uint32_t scratch;
    uint32_t resident_bytes;
    uint32_t in_flight;
    uint32_t top; /* of what is placed */
};

static uint32_t state_bytes(const struct rt_model *m)
{
    return FLX_STATE_BYTES(m->model.n_chunk, m->model.decode_bytes,
                           m->model.align);
}

static void start(struct writer *w, const struct rt_model *m,
                  uint32_t resident_bytes)
{
    memset(w, 0, sizeof *w);
    w->m = m;
    w->resident_bytes = resident_bytes;
    w->in_flight = 2;
    w->top = state_bytes(m) + resident_bytes;
}

static void put_buf(struct writer *w, uint32_t buf, uint32_t ring)
{
    w->buf[buf][0] = w->top;
    w->buf[buf][1] = ring;
    w->top += ring * RT_ROW_BYTES;
}

/* Room for n chunks from chunk0 on; returns the address of the first. */
static uint32_t put_slot(struct writer *w, uint32_t chunk0, uint32_t n)
{
    const bool padded = w->m->model.decode_bytes == 0;
    const uint32_t align = padded ? w->m->model.align : FLX_PANEL_ALIGN;
    const uint32_t at =
        round_up(w->top, align) + w->m->chunk[chunk0].blob_off % align;
    w->top = at;
    for (uint32_t i = 0; i < n; i++) {
        w->top += w->m->chunk[chunk0 + i].raw_bytes;
    }
    w->top = round_up(w->top, align);
    return at;
}

static uint32_t resident_at(const struct writer *w, uint32_t chunk)
{
    return state_bytes(w->m) + w->m->chunk[chunk].res_off;
}

static void put_box(struct writer *w, uint32_t layer, uint32_t kb, uint32_t p0,
                    uint32_t p1, uint32_t addr, uint32_t wait)
{
    const uint32_t in[FLX_BOX_WORDS] = {FLX_BOX | layer << 4, p0 | p1 << 16, kb,
                                        addr, wait};
    memcpy(w->compute + w->n_compute_words, in, sizeof in);
    w->n_compute_words += FLX_BOX_WORDS;
    w->n_box++;
}

/* In a loop of n iterations; a * i + b rows are done after iteration i. */
static void put_rows(struct writer *w, uint32_t layer, uint32_t p0, uint32_t p1,
                     uint32_t addr, const uint32_t wait[2],
                     const uint32_t row[2], uint32_t n)
{
    const uint32_t in[FLX_ROWS_WORDS] = {FLX_ROWS | layer << 4,
                                         p0 | p1 << 16,
                                         0,
                                         addr,
                                         wait[0],
                                         row[0],
                                         row[1],
                                         wait[1]};
    memcpy(w->compute + w->n_compute_words, in, sizeof in);
    w->n_compute_words += FLX_ROWS_WORDS;
    w->n_box += n;
}

static void put_load(struct writer *w, uint32_t chunk0, uint32_t n,
                     uint32_t addr, int32_t wait, uint32_t wait_step,
                     uint32_t times)
{
    const bool resident = w->m->chunk[chunk0].res_off < w->resident_bytes;
    const uint32_t in[FLX_LOAD_WORDS] = {
        FLX_LOAD | (resident ? FLX_LOAD_RESIDENT : 0u) << 4,
        chunk0,
        n,
        addr,
        (uint32_t)wait,
        wait_step};
    memcpy(w->load + w->n_load_words, in, sizeof in);
    w->n_load_words += FLX_LOAD_WORDS;
    w->n_load += times;
}

static void put_loop(uint32_t *section, uint32_t *n_words, uint32_t n,
                     uint32_t body)
{
    section[(*n_words)++] = FLX_LOOP;
    section[(*n_words)++] = n;
    section[(*n_words)++] = body;
}

static void put_end(uint32_t *section, uint32_t *n_words)
{
    section[(*n_words)++] = FLX_END;
}

static void put_edge(struct writer *w, const struct flx_boundary *b)
{
    const uint32_t word[FLX_BOUNDARY_WORDS] = {
        b->id,      b->lo,   b->hi,     b->compute_pc, b->compute,
        b->load_pc, b->load, b->n_iter, b->load_iter};
    memcpy(w->edge + (size_t)w->n_edge * FLX_BOUNDARY_WORDS, word, sizeof word);
    w->n_edge++;
}

/* A plain boundary here. Ids: 100 lo + 10 hi + which. */
static void edge_here(struct writer *w, uint32_t id)
{
    put_edge(w, &(struct flx_boundary){id, id / 100, id / 10 % 10,
                                       w->n_compute_words, w->n_box,
                                       w->n_load_words, w->n_load, 1, 0});
}

void rt_plan_seal(uint32_t *plan)
{
    struct flx_plan_head h;
    memcpy(&h, plan, sizeof h);
    uint32_t crc = 0;
    for (uint32_t i = 4; i < h.n_words; i++) {
        uint8_t le[4];
        le32_put(le, plan[i]);
        crc = crc32c(crc, le, 4);
    }
    plan[3] = crc;
}

static uint32_t put_section(uint32_t *plan, uint32_t *n, const uint32_t *words,
                            uint32_t n_words)
{
    const uint32_t off = *n;
    memcpy(plan + off, words, n_words * sizeof *words);
    *n += n_words;
    return off;
}

static uint32_t *finish(struct writer *w, uint32_t n_thread)
{
    w->scratch = w->top;
    w->top += 64 * n_thread;
    struct flx_plan_head h = {
        .magic = FLX_PLAN_MAGIC,
        .version = FLX_FORMAT_VERSION,
        .arena_bytes = w->top,
        .resident_bytes = w->resident_bytes,
        .n_thread = n_thread,
        .in_flight = w->in_flight,
        .n_step = w->n_box,
        .n_compute = w->n_box,
        .n_load = w->n_load,
        .n_compute_words = w->n_compute_words,
        .n_load_words = w->n_load_words,
        .n_boundary = w->n_edge,
    };
    for (uint32_t i = 0; i < 4; i++) {
        h.id[i] = le32_get(w->m->model.id + (size_t)4 * i);
    }
    uint32_t *plan = malloc((size_t)4 * CAP_WORDS * sizeof *plan);
    assert(plan);
    uint32_t n = sizeof h / sizeof *plan;
    const uint32_t scratch[RT_N_LAYER][2] = {{0}, {0}, {w->scratch, 64}, {0}};
    h.buf_off = put_section(plan, &n, &w->buf[0][0], 2 * RT_N_BUF);
    h.scratch_off = put_section(plan, &n, &scratch[0][0], 2 * RT_N_LAYER);
    h.compute_off = put_section(plan, &n, w->compute, w->n_compute_words);
    h.load_off = put_section(plan, &n, w->load, w->n_load_words);
    h.boundary_off =
        put_section(plan, &n, w->edge, w->n_edge * FLX_BOUNDARY_WORDS);
    h.n_words = n;
    memcpy(plan, &h, sizeof h);
    plan = realloc(plan, n * sizeof *plan); /* so that ASan sees its end */
    assert(plan);
    rt_plan_seal(plan);
    return plan;
}

static uint32_t *plan_resident(const struct rt_model *m, uint32_t bytes,
                               bool reorder, uint32_t n_thread)
{
    struct writer w;
    start(&w, m, bytes);
    for (uint32_t i = 0; i < RT_N_BUF; i++) {
        put_buf(&w, reorder ? RT_N_BUF - 1 - i : i, RT_ROWS);
    }
    w.in_flight = 3;
    put_load(&w, 0, 2, resident_at(&w, 0), 0, 0, 1);
    put_box(&w, 0, 0, 0, 4, resident_at(&w, 0), 1);
    edge_here(&w, 10);
    put_load(&w, 2, 2, resident_at(&w, 2), 0, 0, 1);
    put_box(&w, 0, 1, 0, 4, resident_at(&w, 2), 2);
    edge_here(&w, 110);
    put_load(&w, 4, 4, resident_at(&w, 4), 1, 0, 1);
    put_box(&w, 1, 0, 0, 4, resident_at(&w, 4), 3);
    edge_here(&w, 220);
    put_box(&w, 2, 0, 0, 1, 0, 3);
    edge_here(&w, 330);
    put_load(&w, 8, 1, resident_at(&w, 8), -1, 0, 1);
    put_box(&w, 3, 0, 0, 4, resident_at(&w, 8), 4);
    return finish(&w, n_thread);
}

/* Box k of 0 .. 7 uses chunk k, which goes to one of two places; the first
 * two are loaded while the run before still computes. */
static uint32_t *plan_stream(const struct rt_model *m, uint32_t n_thread)
{
    struct writer w;
    start(&w, m, 0);
    /* Where buffers lie in the order of ... 4, 0, 1, 2, 3: another one than
     * that of inputs and outputs elsewhere. */
    static const uint32_t k_order[RT_N_BUF] = {4, 0, 1, 2, 3};
    for (uint32_t i = 0; i < RT_N_BUF; i++) {
        put_buf(&w, k_order[i], RT_ROWS);
    }
    uint32_t slot[RT_N_CHUNK];
    const uint32_t align = m->model.decode_bytes == 0 ? m->model.align : 64;
    uint32_t base[2];
    for (uint32_t i = 0; i < 2; i++) {
        base[i] = round_up(w.top, align);
        w.top = base[i] + round_up(align + 256, align);
    }
    for (uint32_t k = 0; k < 8; k++) {
        slot[k] = base[k % 2] + m->chunk[k].blob_off % align;
    }
    slot[8] = put_slot(&w, 8, 1);
    for (uint32_t k = 0; k < 8; k++) {
        const int32_t wait = k < 2 ? (int32_t)k - 3 : (int32_t)k - 1;
        const struct flx_chunk *c = &m->chunk[k];
        put_load(&w, k, 1, slot[k], wait, 0, 1);
        put_box(&w, c->layer, c->kblock, c->panel, c->panel + c->n_panel,
                slot[k], k + 1);
        if (k == 1 || k == 3 || k == 7) {
            edge_here(&w, k == 1 ? 10 : k == 3 ? 110 : 220);
        }
    }
    put_box(&w, 2, 0, 0, 1, 0, 8);
    edge_here(&w, 330);
    put_load(&w, 8, 1, slot[8], 0, 0, 1);
    put_box(&w, 3, 0, 0, 4, slot[8], 9);
    return finish(&w, n_thread);
}

/* L1 is one row ahead of L2, four rows of its result are kept. `next`: where
 * loads go on at an edge between stripes. */
static void put_stripes(struct writer *w, bool again, struct flx_boundary next)
{
    static const uint32_t k_row1[2] = {2, 3};
    static const uint32_t k_row2[2] = {2, 2};
    const uint32_t n = RT_ROWS / 2;
    next.id = 1000;
    next.lo = 1;
    next.hi = 3;
    next.n_iter = n;
    next.compute_pc = w->n_compute_words;
    next.compute = w->n_box;
    if (again) {
        const uint32_t a = put_slot(w, 4, 2);
        const uint32_t c = put_slot(w, 6, 2);
        const uint32_t wait_a[2] = {w->n_load + 1, 2};
        const uint32_t wait_c[2] = {w->n_load + 2, 2};
        const int32_t done = (int32_t)w->n_box;
        put_loop(w->load, &w->n_load_words, n, 2 * FLX_LOAD_WORDS);
        put_load(w, 4, 2, a, done - 2, 3, n);
        put_load(w, 6, 2, c, done - 1, 3, n);
        put_end(w->load, &w->n_load_words);
        put_loop(w->compute, &w->n_compute_words, n, 3 * FLX_ROWS_WORDS);
        put_rows(w, 1, 0, 2, a, wait_a, k_row1, n);
        put_rows(w, 1, 2, 4, c, wait_c, k_row1, n);
        put_rows(w, 2, 0, 1, 0, wait_c, k_row2, n);
    } else {
        const uint32_t wait[2] = {w->n_load, 0};
        put_loop(w->compute, &w->n_compute_words, n, 2 * FLX_ROWS_WORDS);
        put_rows(w, 1, 0, 4, resident_at(w, 4), wait, k_row1, n);
        put_rows(w, 2, 0, 1, 0, wait, k_row2, n);
    }
    put_end(w->compute, &w->n_compute_words);
    put_edge(w, &next);
}

static uint32_t *plan_cascade(const struct rt_model *m, uint32_t bytes,
                              uint32_t n_thread)
{
    struct writer w;
    start(&w, m, bytes);
    for (uint32_t i = 0; i < RT_N_BUF; i++) {
        put_buf(&w, i, i == 2 ? 4 : RT_ROWS);
    }
    const uint32_t kb0 = put_slot(&w, 0, 2);
    const uint32_t kb1 = put_slot(&w, 2, 2);
    put_load(&w, 0, 2, kb0, -3, 0, 1);
    put_box(&w, 0, 0, 0, 4, kb0, 1);
    edge_here(&w, 10);
    put_load(&w, 2, 2, kb1, 0, 0, 1);
    put_box(&w, 0, 1, 0, 4, kb1, 2);
    edge_here(&w, 110);
    /* Every stripe uses it. */
    const struct flx_boundary next = {.load_pc = w.n_load_words,
                                      .load = w.n_load};
    put_load(&w, 4, 4, resident_at(&w, 4), 2, 0, 1);
    put_stripes(&w, false, next);
    edge_here(&w, 330);
    put_load(&w, 8, 1, resident_at(&w, 8), 3, 0, 1);
    put_box(&w, 3, 0, 0, 4, resident_at(&w, 8), 4);
    return finish(&w, n_thread);
}

static uint32_t *plan_stripes(const struct rt_model *m, uint32_t bytes,
                              uint32_t n_thread)
{
    struct writer w;
    start(&w, m, bytes);
    for (uint32_t i = 0; i < RT_N_BUF; i++) {
        put_buf(&w, i, i == 2 ? 4 : RT_ROWS);
    }
    uint32_t slot[4];
    for (uint32_t k = 0; k < 4; k++) {
        slot[k] = put_slot(&w, k, 1);
    }
    for (uint32_t k = 0; k < 4; k++) {
        const struct flx_chunk *c = &m->chunk[k];
        put_load(&w, k, 1, slot[k], -1, 0, 1);
        put_box(&w, 0, c->kblock, c->panel, c->panel + c->n_panel, slot[k],
                k + 1);
        if (k % 2 == 1) {
            edge_here(&w, k == 1 ? 10 : 110);
        }
    }
    put_stripes(
        &w, true,
        (struct flx_boundary){.load_pc = w.n_load_words, .load = w.n_load});
    edge_here(&w, 330);
    put_load(&w, 8, 1, resident_at(&w, 8), 0, 0, 1);
    put_box(&w, 3, 0, 0, 4, resident_at(&w, 8), w.n_load);
    return finish(&w, n_thread);
}

static uint32_t *plan_mapped(const struct rt_model *m, uint32_t n_thread)
{
    struct writer w;
    start(&w, m, 0);
    for (uint32_t i = 0; i < RT_N_BUF; i++) {
        put_buf(&w, i, RT_ROWS);
    }
    static const uint8_t k_box[5][3] = {
        {0, 0, 0}, {0, 1, 2}, {1, 0, 4}, {2, 0, 0}, {3, 0, 8}};
    static const uint32_t k_edge[5] = {10, 110, 220, 330, 0};
    for (uint32_t i = 0; i < 5; i++) {
        const uint32_t layer = k_box[i][0];
        const bool mapped = layer != 2;
        put_box(&w, layer, k_box[i][1] | (mapped ? FLX_BOX_MAPPED : 0u) << 16,
                0, m->layer[layer].n_panel,
                mapped ? m->chunk[k_box[i][2]].blob_off : 0, 0);
        if (k_edge[i] != 0) {
            edge_here(&w, k_edge[i]);
        }
    }
    return finish(&w, n_thread);
}

void rt_model_build(struct rt_model *m, const struct rt_options *opt)
{
    memset(m, 0, sizeof *m);
    m->model = (struct flx_model){
        .version = FLX_FORMAT_VERSION,
        .align = opt->align == 0 ? 64 : opt->align,
        .name = "hand_made",
        .n_layer = RT_N_LAYER,
        .n_buf = RT_N_BUF,
        .n_kernel = RT_N_LAYER,
        .n_input = 1,
        .n_output = 1,
        .n_plan = opt->mapped ? RT_MAX_PLAN : RT_N_PLAN,
        .n_chunk = RT_N_CHUNK,
        .n_arg = sizeof m->arg / sizeof *m->arg,
        .layer = m->layer,
        .buf = m->buf,
        .arg = m->arg,
        .kernel = m->kernel,
        .chunk = m->chunk,
        .input = &m->input,
        .output = &m->output,
        .plan = (const uint32_t *const *)m->plan,
    };
    fill_layers(m);
    fill_chunks(m, opt);
    write_head(m);
    uint32_t end[RT_N_LAYER];
    const uint32_t all = place_residents(m, end);
    const uint32_t n = opt->n_thread == 0 ? 1 : opt->n_thread;
    m->plan[RT_RESIDENT] = plan_resident(m, all, false, n);
    m->plan[RT_STREAM] = plan_stream(m, n);
    m->plan[RT_CASCADE] = plan_cascade(m, end[1], n);
    m->plan[RT_STRIPES] = plan_stripes(m, end[3], n);
    m->plan[RT_REORDER] = plan_resident(m, all, true, n);
    if (opt->mapped) {
        m->plan[RT_MAPPED] = plan_mapped(m, n);
    }
}

void rt_model_free(struct rt_model *m)
{
    for (uint32_t i = 0; i < RT_MAX_PLAN; i++) {
        free(m->plan[i]);
    }
    free(m->blob);
    free(m->weights);
}

/* ---- what to expect ---- */

/* Chunks that a run brings, counted by hand from the plans above. */
static uint32_t times_loaded(uint32_t plan, uint32_t chunk, bool is_first)
{
    switch (plan) {
    case RT_RESIDENT:
    case RT_REORDER:
        return is_first;
    case RT_STREAM:
        return 1;
    case RT_CASCADE:
        return chunk < 4 || is_first;
    case RT_STRIPES:
        return chunk >= 4 && chunk < 8 ? 6 : chunk < 4 || is_first;
    default:
        return 0;
    }
}

uint32_t rt_plan_loads(const struct rt_model *m, uint32_t plan, bool is_first)
{
    (void)m;
    static const uint32_t k_loads[RT_MAX_PLAN][2] = {
        [RT_RESIDENT] = {0, 4},  [RT_STREAM] = {9, 9},  [RT_CASCADE] = {2, 4},
        [RT_STRIPES] = {16, 17}, [RT_REORDER] = {0, 4}, [RT_MAPPED] = {0, 0},
    };
    return k_loads[plan][is_first];
}

uint64_t rt_plan_bytes(const struct rt_model *m, uint32_t plan, bool is_first)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < RT_N_CHUNK; i++) {
        bytes += (uint64_t)times_loaded(plan, i, is_first) *
                 m->chunk[i].stored_bytes;
    }
    return bytes;
}

void rt_input(uint32_t seed, uint8_t input[RT_IO_BYTES])
{
    uint32_t random = seed * 2654435761u + 1;
    for (uint32_t i = 0; i < RT_IO_BYTES; i++) {
        random = random * 1664525u + 1013904223u;
        input[i] = (uint8_t)(random >> 24);
    }
}

void rt_expect(const struct rt_model *m, uint32_t seed,
               uint8_t output[RT_IO_BYTES])
{
    static const uint16_t k_operand[RT_N_LAYER][3] = {
        {1, 0, 0}, {2, 1, 0}, {3, 2, 0}, {4, 3, 1}};
    uint8_t buf[RT_N_BUF][RT_IO_BYTES];
    uint8_t scratch[64];
    rt_input(seed, buf[0]);
    for (uint32_t l = 0; l < RT_N_LAYER; l++) {
        struct flx_call call = {.r1 = RT_ROWS, .scratch = scratch};
        for (uint32_t i = 0; i < 3; i++) {
            call.arg[i] = (struct flx_ref){buf[k_operand[l][i]], RT_ROWS};
        }
        const uint32_t n_kb = l == 0 ? 2 : 1;
        call.p1 = l == 2 ? 1 : 4;
        for (call.kb = 0; call.kb < n_kb; call.kb++) {
            const uint32_t chunk = l == 0 ? 2 * call.kb : l == 1 ? 4 : 8;
            call.w = m->weights + m->weight_off[chunk];
            k_mix(&call, &m->kernel_arg[l], 0, 1);
        }
    }
    memcpy(output, buf[4], RT_IO_BYTES);
}
