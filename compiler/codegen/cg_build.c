#include "codegen/cg_build.h"

#include <string.h>

#include "base/arena.h"
#include "base/crc32c.h"
#include "base/diag.h"
#include "base/le.h"
#include "base/sha256.h"
#include "base/size.h"

_Static_assert((int)PLAN_MAX_IN_FLIGHT == (int)FLX_MAX_IN_FLIGHT,
               "planner and runtime queue the same number of loads");

/* Numbers of the compiler are 64 bits wide, those of the device 32 or 16.
 * Conversions report once through `fit`; building goes on with zeros. */
struct fit {
    struct diag *diag;
    bool ok;
};

static uint32_t fit_u32(struct fit *f, uint64_t v, const char *what)
{
    uint32_t out = 0;
    if (!u32_from(&out, v) && f->ok) {
        f->ok =
            diag_error(f->diag, E_TOO_BIG, at_none(),
                       "%s is %llu, the device's tables hold %lu at most", what,
                       (unsigned long long)v, (unsigned long)UINT32_MAX);
    }
    return out;
}

static uint16_t fit_u16(struct fit *f, uint64_t v, const char *what)
{
    if (v > UINT16_MAX) {
        if (f->ok) {
            f->ok =
                diag_error(f->diag, E_TOO_BIG, at_none(),
                           "%s is %llu, the device's tables hold %u at "
                           "most",
                           what, (unsigned long long)v, (unsigned)UINT16_MAX);
        }
        return 0;
    }
    return (uint16_t)v;
}

static uint32_t fit_i32(struct fit *f, int64_t v, const char *what)
{
    if ((v < INT32_MIN || v > INT32_MAX) && f->ok) {
        f->ok = diag_error(f->diag, E_TOO_BIG, at_none(),
                           "%s is %lld, the device's tables hold 31 bits", what,
                           (long long)v);
    }
    return (uint32_t)v;
}

/* ---- model tables ---- */

static bool build_bufs(const struct layers *l, struct cx *cx, struct fit *f,
                       struct flx_model *m)
{
    struct flx_buf *buf = arena_new(cx->keep, struct flx_buf, l->n_buf);
    if (!buf) {
        return false;
    }
    for (uint32_t i = 0; i < l->n_buf; i++) {
        buf[i] = (struct flx_buf){
            .rows = fit_u32(f, l->buf[i].rows, "a tensor's row count"),
            .row_bytes = fit_u32(f, l->buf[i].row_bytes, "a tensor's row"),
            .first = fit_u16(f, l->buf[i].first, "the number of layers"),
            .last = fit_u16(f, l->buf[i].last, "the number of layers"),
            .whole = l->buf[i].whole ? 1 : 0,
        };
    }
    m->buf = buf;
    m->n_buf = fit_u16(f, l->n_buf, "the number of tensors");
    return true;
}

/* Kernels by what they are: open addressing, more slots than kernels. */
struct kernel_index {
    uint32_t *slot; /* number + 1 */
    uint32_t mask;
};

static bool start_index(uint64_t most, struct cx *cx, struct kernel_index *x)
{
    uint32_t n = 2;
    while (n < 2 * most) {
        n *= 2;
    }
    x->slot = arena_new(cx->scratch, uint32_t, n);
    x->mask = n - 1;
    return x->slot != NULL;
}

static bool is_same_kernel(const struct cg_kernel *a, const struct cg_kernel *b)
{
    return a->id == b->id && a->n_word == b->n_word &&
           memcmp(a->word, b->word, a->n_word * sizeof *a->word) == 0;
}

static uint16_t find_kernel(struct cg_model *out, const struct kernel_index *x,
                            const struct cg_kernel *k)
{
    uint32_t at = crc32c(k->id, k->word, k->n_word * sizeof *k->word);
    for (at &= x->mask; x->slot[at] > 0; at = (at + 1) & x->mask) {
        if (is_same_kernel(&out->kernel[x->slot[at] - 1], k)) {
            return (uint16_t)(x->slot[at] - 1);
        }
    }
    out->kernel[out->model.n_kernel++] = *k;
    x->slot[at] = out->model.n_kernel;
    return (uint16_t)(out->model.n_kernel - 1);
}

/* The device sees buffers only; which part of one an operand is, the kernel's
 * arguments say. Weights as operands come with the panel. */
static uint16_t arg_buf(const struct operand *o)
{
    return o->buf == BUF_WEIGHTS || o->buf == BUF_NONE ? (uint16_t)FLX_BUF_NONE
                                                       : (uint16_t)o->buf;
}

static const uint8_t guards[] = {
    [GUARD_NONE] = FLX_GUARD_NONE,
    [GUARD_IF] = FLX_GUARD_IF,
    [GUARD_UNLESS] = FLX_GUARD_UNLESS,
};

/* Chunk i in the device's table, which has those of all entries. */
static uint32_t number_of(const struct chunks *c, uint32_t i)
{
    return c->number && i < c->n_chunk ? c->number[i] : i;
}

static bool build_layers(const struct cg_input *in, struct cx *cx,
                         struct fit *f, struct cg_model *out)
{
    const struct layers *const l = in->layers;
    const struct chunks *const c = in->chunks;
    const struct cands *const k = in->cands;
    uint64_t n_arg = 0;
    for (uint32_t i = 0; i < l->n_layer; i++) {
        n_arg += 1u + layer_n_read(&l->layer[i]);
    }
    struct flx_layer *layer = arena_new(cx->keep, struct flx_layer, l->n_layer);
    uint16_t *arg = arena_new(cx->keep, uint16_t, n_arg);
    const char **name = arena_new(cx->keep, const char *, l->n_layer);
    const char **algorithm = arena_new(cx->keep, const char *, l->n_layer);
    uint64_t *macs = arena_new(cx->keep, uint64_t, l->n_layer);
    const uint16_t n_before = in->before ? in->before->model.n_kernel : 0;
    out->kernel =
        arena_new(cx->keep, struct cg_kernel, (uint64_t)n_before + l->n_layer);
    if (!layer || !arg || !name || !algorithm || !macs || !out->kernel) {
        return false;
    }
    struct kernel_index known;
    if (!start_index((uint64_t)n_before + l->n_layer, cx, &known)) {
        return false;
    }
    for (uint32_t i = 0; i < n_before; i++) {
        (void)find_kernel(out, &known, &in->before->kernel[i]);
    }
    uint32_t at = 0;
    for (uint32_t i = 0; i < l->n_layer; i++) {
        const struct layer *s = &l->layer[i];
        const struct lattice *t = &c->lattice[i];
        if (out->model.n_kernel == UINT16_MAX) {
            (void)fit_u16(f, UINT16_MAX + UINT64_C(1), "the number of kernels");
            return false;
        }
        layer[i] = (struct flx_layer){
            .kernel = find_kernel(out, &known,
                                  &(struct cg_kernel){k->cand[i].kernel,
                                                      k->cand[i].word,
                                                      k->cand[i].n_word}),
            .n_arg = (uint16_t)(1 + layer_n_read(s)),
            .guard = guards[s->guard],
            .arg0 = at,
            .rows = fit_u32(f, s->rows, "a layer's row count"),
            .n_panel = fit_u16(f, t->n_panel, "a layer's panel count"),
            .n_kblock = fit_u16(f, t->n_kblock, "a layer's K block count"),
            .chunk0 = t->n_chunk > 0 ? number_of(c, t->chunk0) : t->chunk0,
            .n_chunk = fit_u16(f, t->n_chunk, "a layer's chunk count"),
            .scratch_bytes =
                fit_u32(f, k->cand[i].scratch_bytes, "a layer's scratch"),
        };
        if (t->panel_entries > 0) {
            layer[i].index_bytes = (uint8_t)dtype_bytes(s->in[0].dtype);
            layer[i].entries =
                fit_u32(f, s->p.embed.n_entry, "a table's entries");
            layer[i].panel_entries = t->panel_entries;
        }
        arg[at++] = arg_buf(&s->out);
        for (uint32_t j = 0; j < layer_n_read(s); j++) {
            arg[at++] = arg_buf(&s->in[j]);
        }
        name[i] = s->name;
        algorithm[i] = k->cand[i].algorithm;
        macs[i] = s->macs;
    }
    out->model.layer = layer;
    out->model.n_layer = fit_u16(f, l->n_layer, "the number of layers");
    out->model.arg = arg;
    out->model.n_arg = at;
    out->layer_name = name;
    out->layer_algorithm = algorithm;
    out->layer_macs = macs;
    return true;
}

static bool build_chunks(const struct chunks *c, struct cx *cx, struct fit *f,
                         struct flx_model *m)
{
    const uint32_t n = c->stored ? c->n_stored : c->n_chunk;
    struct flx_chunk *chunk = arena_new(cx->keep, struct flx_chunk, n);
    if (!chunk) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct chunk *s = c->stored ? &c->stored[i] : &c->chunk[i];
        chunk[i] = (struct flx_chunk){
            .blob_off = fit_u32(f, s->blob_off, "the blob"),
            .stored_bytes = fit_u32(f, s->stored_bytes, "a chunk"),
            .raw_bytes = fit_u32(f, s->raw_bytes, "a chunk"),
            .crc = s->crc,
            .res_off = fit_u32(f, s->res_off, "the model's weights"),
            .layer = (uint16_t)FLX_LAYER_NONE,
            .codec = s->codec == CODEC_ZSTD ? FLX_CODEC_ZSTD : FLX_CODEC_RAW,
        };
    }
    for (uint32_t i = 0; i < c->n_chunk; i++) {
        const struct chunk *const s = &c->chunk[i];
        struct flx_chunk *const k = &chunk[number_of(c, i)];
        k->layer = (uint16_t)s->layer;
        k->kblock = (uint16_t)s->kblock;
        k->panel = (uint16_t)s->panel;
        k->n_panel = fit_u16(f, s->n_panel, "a chunk's panel count");
    }
    m->chunk = chunk;
    m->n_chunk = n;
    m->align = c->align;
    m->blob_bytes = fit_u32(f, c->blob_bytes, "the blob");
    m->decode_bytes = fit_u32(f, c->decode_bytes, "the decode workspace");
    memcpy(m->id, c->id, sizeof m->id);
    return true;
}

static struct flx_io *build_io(const struct layer_io *io, uint32_t n,
                               struct cx *cx, struct fit *f)
{
    struct flx_io *out = arena_new(cx->keep, struct flx_io, n);
    for (uint32_t i = 0; out && i < n; i++) {
        uint64_t count = 0;
        if (!shape_count(&io[i].shape, &count) ||
            !size_mul(&count, count, dtype_bytes(io[i].dtype))) {
            count = UINT64_MAX;
        }
        out[i] = (struct flx_io){
            .name = io[i].name,
            .dtype = (uint32_t)io[i].dtype,
            .buf = io[i].buf,
            .bytes = fit_u32(f, count, "an input or output"),
            .rank = io[i].shape.rank,
        };
        for (uint32_t d = 0; d < io[i].shape.rank; d++) {
            out[i].dim[d] = fit_u32(f, (uint64_t)io[i].shape.dim[d],
                                    "a dimension of an input or output");
        }
    }
    return out;
}

/* ---- their digest ---- */

static void add_word(struct sha256 *s, uint32_t w)
{
    uint8_t le[4];
    le32_put(le, w);
    sha256_add(s, le, sizeof le);
}

static void add_words(struct sha256 *s, const uint32_t *w, uint32_t n)
{
    add_word(s, n);
    for (uint32_t i = 0; i < n; i++) {
        add_word(s, w[i]);
    }
}

/* A kernel by what it is: its number depends on the entries before. */
static void add_layer(struct sha256 *s, const struct cg_model *g, uint32_t ix)
{
    const struct flx_layer *const l = &g->model.layer[ix];
    const struct cg_kernel *const k = &g->kernel[l->kernel];
    const uint32_t word[] = {
        k->id,      l->rows,          l->n_panel,       l->n_kblock,
        l->chunk0,  l->n_chunk,       l->index_bytes,   l->guard,
        l->entries, l->panel_entries, l->scratch_bytes,
    };
    add_words(s, word, ARRAY_LEN(word));
    add_words(s, k->word, k->n_word);
    add_word(s, l->n_arg);
    for (uint32_t i = 0; i < l->n_arg; i++) {
        add_word(s, g->model.arg[l->arg0 + i]);
    }
}

static void add_io(struct sha256 *s, const struct flx_io *io, uint32_t n)
{
    add_word(s, n);
    for (uint32_t i = 0; i < n; i++) {
        add_word(s, io[i].buf);
        add_word(s, io[i].bytes);
    }
}

/* All numbers of the tables that a plan relies on. */
static void digest_tables(struct cg_model *g)
{
    struct flx_model *const m = &g->model;
    struct sha256 s;
    uint8_t digest[SHA256_BYTES];
    sha256_init(&s);
    add_word(&s, m->align);
    add_word(&s, m->decode_bytes);
    add_word(&s, m->n_buf);
    for (uint32_t i = 0; i < m->n_buf; i++) {
        const struct flx_buf *const b = &m->buf[i];
        const uint32_t word[] = {b->rows, b->row_bytes, b->first, b->last,
                                 b->whole};
        add_words(&s, word, ARRAY_LEN(word));
    }
    add_word(&s, m->n_layer);
    for (uint32_t i = 0; i < m->n_layer; i++) {
        add_layer(&s, g, i);
    }
    add_word(&s, m->n_chunk);
    for (uint32_t i = 0; i < m->n_chunk; i++) {
        const struct flx_chunk *const c = &m->chunk[i];
        const uint32_t word[] = {c->blob_off, c->stored_bytes, c->raw_bytes,
                                 c->res_off,  c->layer,        c->kblock,
                                 c->panel,    c->n_panel,      c->codec};
        add_words(&s, word, ARRAY_LEN(word));
    }
    add_io(&s, m->input, m->n_input);
    add_io(&s, m->output, m->n_output);
    sha256_end(&s, digest);
    m->tables[0] = le32_get(digest);
    m->tables[1] = le32_get(digest + 4);
}

/* ---- plans ---- */

/* The words of a plan while they are written. */
struct words {
    uint32_t *w;
    uint32_t n;
};

static void put(struct words *w, uint32_t v)
{
    w->w[w->n++] = v;
}

static void encode_boxes(const struct plan *p, struct words *w, struct fit *f)
{
    uint32_t patch = 0; /* of the open loop's body length */
    for (uint32_t i = 0; i < p->n_box; i++) {
        const struct plan_box *b = &p->box[i];
        switch (b->op) {
        case PLAN_BOX:
            put(w, (uint32_t)(b->by_row ? FLX_ROWS : FLX_BOX) | b->layer << 4);
            put(w, b->p0 | b->p1 << 16);
            put(w, b->kblock | (b->mapped ? FLX_BOX_MAPPED << 16 : 0));
            put(w, fit_u32(f, b->w_addr, "an address"));
            put(w, fit_u32(f, (uint64_t)b->wait, "a load counter"));
            if (b->by_row) {
                put(w, fit_i32(f, b->row_a, "a row step"));
                put(w, fit_i32(f, b->row_b, "a row offset"));
                put(w, fit_i32(f, b->wait_step, "a wait step"));
            }
            break;
        case PLAN_LOOP:
            put(w, FLX_LOOP);
            put(w, b->n_iter);
            patch = w->n;
            put(w, 0);
            break;
        case PLAN_END:
            w->w[patch] = w->n - patch - 1;
            put(w, FLX_END);
            break;
        case PLAN_LOAD: /* never in this list: plan_check */
            break;
        }
    }
}

static void encode_loads(const struct chunks *c, const struct plan *p,
                         struct words *w, struct fit *f)
{
    uint32_t patch = 0;
    for (uint32_t i = 0; i < p->n_load; i++) {
        const struct plan_load *b = &p->load[i];
        switch (b->op) {
        case PLAN_LOAD:
            put(w, FLX_LOAD | (b->resident ? FLX_LOAD_RESIDENT << 4
                               : b->picks  ? FLX_LOAD_PICKS << 4
                                           : 0));
            put(w, b->picks ? b->layer : number_of(c, b->chunk0));
            put(w, b->n_chunk);
            put(w, fit_u32(f, b->addr, "an address"));
            put(w, fit_i32(f, b->wait, "a compute counter"));
            put(w, fit_i32(f, b->wait_step, "a wait step"));
            break;
        case PLAN_LOOP:
            put(w, FLX_LOOP);
            put(w, b->n_iter);
            patch = w->n;
            put(w, 0);
            break;
        case PLAN_END:
            w->w[patch] = w->n - patch - 1;
            put(w, FLX_END);
            break;
        case PLAN_BOX:
            break;
        }
    }
}

/* Word offset, inside its section, of each instruction; one more for the end.
 * Boundaries name instructions by index here and by offset on the device. */
static uint32_t box_words(const struct plan_box *b)
{
    switch (b->op) {
    case PLAN_BOX:
        return b->by_row ? FLX_ROWS_WORDS : FLX_BOX_WORDS;
    case PLAN_LOOP:
        return FLX_LOOP_WORDS;
    case PLAN_END:
        return FLX_END_WORDS;
    case PLAN_LOAD:
        break;
    }
    return 0;
}

static uint32_t load_words(const struct plan_load *b)
{
    switch (b->op) {
    case PLAN_LOAD:
        return FLX_LOAD_WORDS;
    case PLAN_LOOP:
        return FLX_LOOP_WORDS;
    case PLAN_END:
        return FLX_END_WORDS;
    case PLAN_BOX:
        break;
    }
    return 0;
}

static void encode_boundaries(const struct plan *p, struct words *w,
                              struct fit *f)
{
    uint32_t box_ix = 0;
    uint32_t box_pc = 0;
    uint32_t load_ix = 0;
    uint32_t load_pc = 0;
    for (uint32_t i = 0; i < p->n_boundary; i++) {
        const struct plan_boundary *b = &p->boundary[i];
        for (; box_ix < b->box_ix; box_ix++) {
            box_pc += box_words(&p->box[box_ix]);
        }
        for (; load_ix < b->load_ix; load_ix++) {
            load_pc += load_words(&p->load[load_ix]);
        }
        put(w, b->id);
        put(w, b->lo);
        put(w, b->hi);
        put(w, box_pc);
        put(w, fit_u32(f, b->box_count, "a compute counter"));
        put(w, load_pc);
        put(w, fit_u32(f, b->load_count, "a load counter"));
        put(w, b->n_iter);
        put(w, b->load_iter);
    }
}

static uint64_t us_from_ns(uint64_t ns)
{
    return size_div_up(ns, 1000);
}

/* Every field of the header is a word, so the header is copied as words. */
_Static_assert(sizeof(struct flx_plan_head) % 4 == 0, "plan head is words");
_Static_assert(sizeof(struct flx_boundary) == 4u * FLX_BOUNDARY_WORDS,
               "boundary is words");

static uint32_t plan_crc(const uint32_t *w, uint32_t n)
{
    const uint32_t first = offsetof(struct flx_plan_head, crc) / 4 + 1;
    uint32_t crc = 0;
    for (uint32_t i = first; i < n; i++) {
        uint8_t le[4];
        le32_put(le, w[i]);
        crc = crc32c(crc, le, sizeof le);
    }
    return crc;
}

static const uint32_t *build_plan(const struct cg_input *in,
                                  const struct flx_model *m,
                                  const struct plan *p, struct cx *cx,
                                  struct fit *f)
{
    const struct layers *const l = in->layers;
    const struct chunks *const c = in->chunks;
    const uint64_t head_words = sizeof(struct flx_plan_head) / 4;
    const uint64_t most = head_words + 2u * (uint64_t)l->n_buf + l->n_layer +
                          (uint64_t)FLX_ROWS_WORDS * p->n_box +
                          (uint64_t)FLX_LOAD_WORDS * p->n_load +
                          (uint64_t)FLX_BOUNDARY_WORDS * p->n_boundary;
    struct words w = {.w = arena_new(cx->keep, uint32_t, most)};
    if (!w.w) {
        return NULL;
    }
    struct flx_plan_head h = {
        .magic = FLX_PLAN_MAGIC,
        .version = FLX_PLAN_VERSION(m->entry_ix),
        .budget_lo = (uint32_t)p->budget,
        .budget_hi = (uint32_t)(p->budget >> 32),
        .arena_bytes = fit_u32(f, p->peak, "a plan's peak"),
        .resident_bytes = fit_u32(f, p->resident_bytes, "the residents"),
        .n_thread = p->n_thread,
        .in_flight = p->in_flight,
        .latency_us = fit_u32(f, us_from_ns(p->latency_ns), "a latency"),
        .bound_us = fit_u32(f, p->bound_ns / 1000, "a latency"),
        .longest_step_us =
            fit_u32(f, us_from_ns(p->longest_step_ns), "a step's time"),
        .n_step = fit_u32(f, p->n_step, "a plan's step count"),
        .n_compute = fit_u32(f, p->n_step, "a plan's step count"),
        .n_load = fit_u32(f, p->n_load_run, "a plan's load count"),
        .n_boundary = p->n_boundary,
    };
    for (uint32_t i = 0; i < 4; i++) {
        h.id[i] = le32_get(c->id + (size_t)4 * i);
    }
    memcpy(h.tables, m->tables, sizeof h.tables);
    w.n = (uint32_t)head_words;
    h.buf_off = w.n;
    for (uint32_t i = 0; i < l->n_buf; i++) {
        put(&w, fit_u32(f, p->buf[i].addr, "an address"));
        put(&w, fit_u32(f, p->buf[i].ring, "a ring"));
    }
    h.scratch_off = w.n;
    for (uint32_t i = 0; i < l->n_layer; i++) {
        put(&w, fit_u32(f, p->scratch[i].addr, "an address"));
        put(&w, fit_u32(f, p->scratch[i].bytes, "a layer's scratch"));
    }
    h.compute_off = w.n;
    encode_boxes(p, &w, f);
    h.n_compute_words = w.n - h.compute_off;
    h.load_off = w.n;
    encode_loads(c, p, &w, f);
    h.n_load_words = w.n - h.load_off;
    h.boundary_off = w.n;
    encode_boundaries(p, &w, f);
    h.n_words = w.n;
    memcpy(w.w, &h, sizeof h);
    w.w[offsetof(struct flx_plan_head, crc) / 4] = plan_crc(w.w, w.n);
    return w.w;
}

bool cg_build(const struct cg_input *in, struct cx *cx, struct cg_model *out)
{
    const struct layers *const l = in->layers;
    const struct plan_set *const plans = in->plans;
    struct fit f = {.diag = cx->diag, .ok = true};
    struct cg_model g = {.plans = plans};
    g.model.version = FLX_FORMAT_VERSION;
    g.model.name = l->name;
    g.model.entry = in->entry;
    g.model.entry_ix = in->before ? in->before->model.entry_ix + 1 : 0;
    if (!build_bufs(l, cx, &f, &g.model) || !build_layers(in, cx, &f, &g) ||
        !build_chunks(in->chunks, cx, &f, &g.model)) {
        return false;
    }
    g.model.input = build_io(l->input, l->n_input, cx, &f);
    g.model.output = build_io(l->output, l->n_output, cx, &f);
    g.model.n_input = fit_u16(&f, l->n_input, "the number of inputs");
    g.model.n_output = fit_u16(&f, l->n_output, "the number of outputs");
    g.model.n_plan = fit_u16(&f, plans->n_plan, "the number of plans");
    const uint32_t **plan =
        arena_new(cx->keep, const uint32_t *, plans->n_plan);
    if (!g.model.input || !g.model.output || !plan) {
        return false;
    }
    digest_tables(&g);
    for (uint32_t i = 0; i < plans->n_plan; i++) {
        plan[i] = build_plan(in, &g.model, &plans->plan[i], cx, &f);
        if (!plan[i]) {
            return false;
        }
    }
    g.model.plan = plan;
    if (!f.ok) {
        return false;
    }
    *out = g;
    return true;
}
