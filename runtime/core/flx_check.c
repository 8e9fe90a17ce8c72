#include "flx_core.h"

/* 1. the model's tables   2. a plan's header and sections   3. its buffers
 * 4. its instructions, one by one   5. the order of both streams
 * 6. its boundaries. Everything later trusts what is checked here. */

/* ---- 1. the model ---- */

static bool is_power_of_2(uint32_t x)
{
    return x != 0 && (x & (x - 1)) == 0;
}

/* [off, off + len) lies in [lo, hi). */
static bool inside(uint64_t off, uint64_t len, uint64_t lo, uint64_t hi)
{
    return off >= lo && off <= hi && len <= hi - off;
}

static bool check_head(const struct flx_model *m)
{
    return m->version == FLX_FORMAT_VERSION && is_power_of_2(m->align) &&
           m->align >= FLX_PANEL_ALIGN && m->align <= 1u << 24 &&
           m->blob_bytes >= FLX_BLOB_HEAD_BYTES &&
           m->blob_bytes <= UINT32_MAX - m->align &&
           m->decode_bytes <= 1u << 30 && m->n_chunk <= 1u << 24 &&
           m->n_layer > 0 && m->n_layer < UINT16_MAX && m->n_buf > 0 &&
           m->n_plan > 0 && m->entry_ix <= UINT16_MAX && m->layer && m->buf &&
           m->arg && m->kernel && m->plan && (m->n_chunk == 0 || m->chunk) &&
           (m->n_input == 0 || m->input) && (m->n_output == 0 || m->output);
}

static bool check_bufs(const struct flx_model *m)
{
    for (uint32_t i = 0; i < m->n_buf; i++) {
        const struct flx_buf *b = &m->buf[i];
        if (b->rows == 0 || b->row_bytes == 0 || b->first > b->last ||
            b->last > m->n_layer || b->whole > 1 ||
            (uint64_t)b->rows * b->row_bytes > UINT32_MAX) {
            return false;
        }
    }
    return true;
}

static bool check_io(const struct flx_model *m, const struct flx_io *io,
                     uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (io[i].buf >= m->n_buf || io[i].rank > 8) {
            return false;
        }
        const struct flx_buf *b = &m->buf[io[i].buf];
        if (io[i].bytes > b->rows * b->row_bytes) {
            return false;
        }
    }
    return true;
}

static bool check_chunk(const struct flx_model *m, const struct flx_chunk *c)
{
    const bool fits_codec =
        c->codec == FLX_CODEC_RAW
            ? c->stored_bytes == c->raw_bytes
            : c->codec == FLX_CODEC_ZSTD && m->decode_bytes != 0;
    return fits_codec && c->stored_bytes > 0 && c->raw_bytes > 0 &&
           c->raw_bytes % FLX_PANEL_ALIGN == 0 &&
           c->blob_off % FLX_PANEL_ALIGN == 0 &&
           c->res_off % FLX_PANEL_ALIGN == 0 &&
           inside(c->blob_off, c->stored_bytes, FLX_BLOB_HEAD_BYTES,
                  m->blob_bytes);
}

/* A table has raw chunks of one panel each, and an index for every row. */
static bool check_table(const struct flx_model *m, const struct flx_layer *l)
{
    const uint16_t ix = l->n_arg > 1 ? m->arg[l->arg0 + 1] : FLX_BUF_NONE;
    if (ix == FLX_BUF_NONE || (l->index_bytes != 4 && l->index_bytes != 8) ||
        l->n_kblock != 1 || l->n_panel != l->n_chunk || l->n_chunk == 0 ||
        l->entries == 0 || l->panel_entries == 0 ||
        (l->entries - 1) / l->panel_entries >= l->n_panel ||
        (uint64_t)l->rows * l->index_bytes >
            (uint64_t)m->buf[ix].rows * m->buf[ix].row_bytes) {
        return false;
    }
    for (uint32_t i = 0; i < l->n_chunk; i++) {
        if (m->chunk[l->chunk0 + i].codec != FLX_CODEC_RAW) {
            return false;
        }
    }
    return true;
}

/* Whether chunk0 is that of a convolution before or after, whose chunks the
 * table uses: as many panels, in one K block. */
static bool is_borrowed(const struct flx_model *m, uint32_t layer)
{
    const struct flx_layer *l = &m->layer[layer];
    const uint32_t owner = m->chunk[l->chunk0].layer;
    return owner != layer && owner < m->n_layer &&
           m->layer[owner].chunk0 == l->chunk0 &&
           m->layer[owner].n_chunk == l->n_chunk;
}

/* The chunks of a layer cover every K block and panel once, in order, with
 * panels of one size in a K block. */
static bool check_lattice(const struct flx_model *m, uint32_t layer)
{
    const struct flx_layer *l = &m->layer[layer];
    uint32_t kb = 0;
    uint32_t panel = 0;
    uint32_t panel_bytes = 0;
    if (!inside(l->chunk0, l->n_chunk, 0, m->n_chunk)) {
        return false;
    }
    const uint32_t owner = l->n_chunk > 0 && is_borrowed(m, layer)
                               ? m->chunk[l->chunk0].layer
                               : layer;
    for (uint32_t i = 0; i < l->n_chunk; i++) {
        const struct flx_chunk *c = &m->chunk[l->chunk0 + i];
        if (panel == l->n_panel) {
            panel = 0;
            kb++;
        }
        if (c->layer != owner || c->kblock != kb || kb >= l->n_kblock ||
            c->panel != panel || c->n_panel == 0 ||
            c->n_panel > l->n_panel - panel || c->raw_bytes % c->n_panel != 0 ||
            c->raw_bytes / c->n_panel % FLX_PANEL_ALIGN != 0 ||
            (panel > 0 && c->raw_bytes / c->n_panel != panel_bytes)) {
            return false;
        }
        panel_bytes = c->raw_bytes / c->n_panel;
        panel += c->n_panel;
    }
    return l->n_chunk == 0 || (kb + 1 == l->n_kblock && panel == l->n_panel);
}

static bool check_guard(const struct flx_model *m, const struct flx_layer *l)
{
    const uint16_t buf = m->arg[l->arg0 + l->n_arg - 1];
    return l->guard <= FLX_GUARD_UNLESS && l->n_arg > 1 &&
           buf != FLX_BUF_NONE && m->buf[buf].whole == 1;
}

static bool check_layer(const struct flx_model *m, uint32_t layer)
{
    const struct flx_layer *l = &m->layer[layer];
    if (l->kernel >= m->n_kernel || !m->kernel[l->kernel].fn || l->rows == 0 ||
        l->n_arg == 0 || l->n_arg > FLX_MAX_ARG ||
        !inside(l->arg0, l->n_arg, 0, m->n_arg) || l->n_panel == 0 ||
        l->n_kblock == 0 || l->scratch_bytes % 64 != 0 ||
        m->arg[l->arg0] == FLX_BUF_NONE) {
        return false;
    }
    for (uint32_t i = 0; i < l->n_arg; i++) {
        const uint16_t buf = m->arg[l->arg0 + i];
        if (buf != FLX_BUF_NONE && buf >= m->n_buf) {
            return false;
        }
    }
    return check_lattice(m, layer) &&
           (l->index_bytes == 0 || check_table(m, l)) &&
           (l->guard == FLX_GUARD_NONE || check_guard(m, l));
}

enum flx_err flx_check_model(const struct flx_model *m)
{
    if (!check_head(m) || !check_bufs(m) ||
        !check_io(m, m->input, m->n_input) ||
        !check_io(m, m->output, m->n_output)) {
        return FLX_E_MODEL;
    }
    /* A chunk is of the one layer that it names: when as many are layers' as
     * name one, each is of a layer or of none. */
    uint64_t n_named = 0;
    for (uint32_t i = 0; i < m->n_chunk; i++) {
        if (!check_chunk(m, &m->chunk[i])) {
            return FLX_E_MODEL;
        }
        n_named += m->chunk[i].layer != FLX_LAYER_NONE;
    }
    uint64_t n_chunk = 0;
    for (uint32_t i = 0; i < m->n_layer; i++) {
        const struct flx_layer *l = &m->layer[i];
        if (!check_layer(m, i)) {
            return FLX_E_MODEL;
        }
        n_chunk += l->n_chunk == 0 || is_borrowed(m, i) ? 0 : l->n_chunk;
    }
    return n_chunk == n_named && flx_stored_room(m) <= m->decode_bytes
               ? FLX_OK
               : FLX_E_MODEL;
}

/* ---- 2. header and sections ---- */

static uint32_t plan_crc(const uint32_t *plan, uint32_t n_words)
{
    const uint32_t first = offsetof(struct flx_plan_head, crc) / 4 + 1;
    uint32_t crc = 0;
    for (uint32_t i = first; i < n_words; i++) {
        const uint32_t w = plan[i];
        const uint8_t le[4] = {(uint8_t)w, (uint8_t)(w >> 8),
                               (uint8_t)(w >> 16), (uint8_t)(w >> 24)};
        crc = flx_crc32c(crc, le, sizeof le);
    }
    return crc;
}

static bool is_id(const struct flx_model *m, const uint32_t word[4])
{
    for (uint32_t i = 0; i < FLX_ID_BYTES; i++) {
        if ((uint8_t)(word[i / 4] >> 8 * (i % 4)) != m->id[i]) {
            return false;
        }
    }
    return true;
}

/* A whole plan, of this model's entry. */
static bool is_plan(const struct flx_model *m, const uint32_t *plan)
{
    const struct flx_plan_head *h = flx_plan_head(plan);
    return h->magic == FLX_PLAN_MAGIC &&
           h->version == FLX_PLAN_VERSION(m->entry_ix) &&
           h->n_words >= sizeof *h / sizeof *plan && h->n_words <= 1u << 26 &&
           h->crc == plan_crc(plan, h->n_words) && is_id(m, h->id);
}

static bool check_plan_head(const struct flx_model *m, const uint32_t *plan)
{
    const struct flx_plan_head *h = flx_plan_head(plan);
    const uint64_t head = sizeof *h / sizeof *plan;
    const uint32_t state = flx_state_bytes(m);
    const uint64_t n = h->n_words;
    return h->arena_bytes >= state && h->arena_bytes <= UINT32_MAX - m->align &&
           h->resident_bytes <= h->arena_bytes - state && h->n_thread >= 1 &&
           h->n_thread <= 1u << 10 && h->in_flight >= 1 &&
           h->in_flight <= FLX_MAX_IN_FLIGHT && h->n_compute >= 1 &&
           h->n_compute <= FLX_MAX_STEP && h->n_load <= FLX_MAX_STEP &&
           h->n_step == h->n_compute &&
           inside(h->buf_off, 2u * (uint64_t)m->n_buf, head, n) &&
           inside(h->scratch_off, 2u * (uint64_t)m->n_layer, head, n) &&
           inside(h->compute_off, h->n_compute_words, head, n) &&
           inside(h->load_off, h->n_load_words, head, n) &&
           inside(h->boundary_off, (uint64_t)h->n_boundary * FLX_BOUNDARY_WORDS,
                  head, n);
}

/* ---- 3. buffers ---- */

/* [addr, addr + len) is aligned and in the arena above the state. */
static bool in_arena(const struct flx_model *m, const uint32_t *plan,
                     uint32_t addr, uint64_t len)
{
    return addr % FLX_PANEL_ALIGN == 0 &&
           inside(addr, len, flx_state_bytes(m),
                  flx_plan_head(plan)->arena_bytes);
}

static bool is_full(const struct flx_model *m, const uint32_t *plan,
                    uint32_t buf)
{
    return flx_buf_ring(plan, buf) == m->buf[buf].rows;
}

static bool check_plan_bufs(const struct flx_model *m, const uint32_t *plan)
{
    for (uint32_t i = 0; i < m->n_buf; i++) {
        const uint32_t ring = flx_buf_ring(plan, i);
        const struct flx_buf *b = &m->buf[i];
        if (ring > b->rows || (b->whole && ring != 0 && ring != b->rows) ||
            (ring != 0 && !in_arena(m, plan, flx_buf_addr(plan, i),
                                    (uint64_t)ring * b->row_bytes))) {
            return false;
        }
    }
    for (uint32_t i = 0; i < m->n_input; i++) {
        if (!is_full(m, plan, m->input[i].buf)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < m->n_output; i++) {
        if (!is_full(m, plan, m->output[i].buf)) {
            return false;
        }
    }
    return true;
}

/* ---- 4. instructions ---- */

/* Weights in place: whole raw chunks that follow each other in the blob. */
static bool check_mapped(const struct flx_model *m, const struct flx_layer *l,
                         const struct flx_box *b, uint64_t bytes)
{
    const uint32_t panel_bytes = flx_panel_bytes(m, l, b->kb);
    uint64_t at = b->w;
    for (uint32_t i = 0; i < l->n_chunk; i++) {
        const struct flx_chunk *c = &m->chunk[l->chunk0 + i];
        if (c->kblock != b->kb || c->panel >= b->p1 ||
            c->panel + c->n_panel <= b->p0) {
            continue;
        }
        const uint32_t skip =
            b->p0 > c->panel ? (b->p0 - c->panel) * panel_bytes : 0;
        if (c->codec != FLX_CODEC_RAW || at != (uint64_t)c->blob_off + skip) {
            return false;
        }
        at += c->raw_bytes - skip;
    }
    return inside(b->w, bytes, FLX_BLOB_HEAD_BYTES, m->blob_bytes);
}

static bool check_box(const struct flx_model *m, const uint32_t *plan,
                      const uint32_t *in, uint32_t n_iter, bool in_loop)
{
    const struct flx_plan_head *h = flx_plan_head(plan);
    if (in[0] >> 4 >= m->n_layer || (in_loop && flx_op_of(in) == FLX_BOX)) {
        return false;
    }
    struct flx_box b;
    struct flx_box last;
    flx_box_decode(m, in, 0, &b);
    flx_box_decode(m, in, n_iter - 1, &last);
    const struct flx_layer *l = &m->layer[b.layer];
    if (b.p0 >= b.p1 || b.p1 > l->n_panel || b.kb >= l->n_kblock ||
        b.flags > FLX_BOX_MAPPED || last.wait < b.wait || b.wait < 0 ||
        last.wait > h->n_load ||
        (flx_op_of(in) == FLX_ROWS && in[5] > INT32_MAX)) {
        return false;
    }
    for (uint32_t i = 0; i < l->n_arg; i++) {
        const uint16_t buf = m->arg[l->arg0 + i];
        if (buf != FLX_BUF_NONE && flx_buf_ring(plan, buf) == 0) {
            return false;
        }
    }
    const struct flx_scratch at = flx_scratch_at(plan, b.layer);
    if (l->scratch_bytes > 0 &&
        (at.bytes < l->scratch_bytes || at.bytes % FLX_PANEL_ALIGN != 0 ||
         !in_arena(m, plan, at.addr, (uint64_t)h->n_thread * at.bytes))) {
        return false;
    }
    if (l->n_chunk == 0) {
        return b.flags == 0;
    }
    const uint64_t bytes =
        (uint64_t)(b.p1 - b.p0) * flx_panel_bytes(m, l, b.kb);
    return b.flags == FLX_BOX_MAPPED ? check_mapped(m, l, &b, bytes)
                                     : in_arena(m, plan, b.w, bytes);
}

static bool check_pick(const struct flx_model *m, const uint32_t *plan,
                       const uint32_t *in, uint32_t n_iter)
{
    const struct flx_plan_head *h = flx_plan_head(plan);
    if (in[1] >= m->n_layer || in[2] != 1) {
        return false;
    }
    const struct flx_layer *l = &m->layer[in[1]];
    if (l->index_bytes == 0 || n_iter > l->rows ||
        !is_full(m, plan, m->arg[l->arg0 + 1])) {
        return false;
    }
    const uint32_t align = m->decode_bytes == 0 ? m->align : FLX_PANEL_ALIGN;
    const int64_t wait0 = flx_load_wait(in, 0);
    const int64_t wait1 = flx_load_wait(in, n_iter - 1);
    return in[3] % align == 0 &&
           in_arena(m, plan, in[3],
                    flx_pick_room(m, m->chunk[l->chunk0].raw_bytes)) &&
           wait0 >= 0 && wait1 >= 0 && wait0 <= h->n_compute &&
           wait1 <= h->n_compute;
}

static bool check_load(const struct flx_model *m, const uint32_t *plan,
                       const uint32_t *in, uint32_t n_iter)
{
    const struct flx_plan_head *h = flx_plan_head(plan);
    const uint32_t flags = in[0] >> 4;
    if (flags == FLX_LOAD_PICKS) {
        return check_pick(m, plan, in, n_iter);
    }
    const uint32_t chunk0 = in[1];
    const uint32_t n_chunk = in[2];
    if (flags > FLX_LOAD_RESIDENT || n_chunk == 0 ||
        !inside(chunk0, n_chunk, 0, m->n_chunk)) {
        return false;
    }
    const struct flx_chunk *first = &m->chunk[chunk0];
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < n_chunk; i++) {
        const struct flx_chunk *c = first + i;
        if (c->layer != first->layer || c->kblock != first->kblock ||
            (flags == FLX_LOAD_RESIDENT &&
             (!flx_is_resident(h, c) ||
              c->res_off != first->res_off + bytes))) {
            return false;
        }
        bytes += c->raw_bytes;
    }
    uint64_t lo = in[3];
    uint64_t hi = lo + bytes;
    if (m->decode_bytes == 0) {
        /* Padded ends belong to the load, so that any read can be direct. */
        if ((in[3] ^ first->blob_off) % m->align != 0) {
            return false;
        }
        if (flags != FLX_LOAD_RESIDENT) {
            lo -= lo % m->align;
            hi = (hi + m->align - 1) / m->align * m->align;
        }
    }
    const int64_t low = -(int64_t)h->n_compute;
    const int64_t wait0 = flx_load_wait(in, 0);
    const int64_t wait1 = flx_load_wait(in, n_iter - 1);
    return in_arena(m, plan, in[3], bytes) &&
           inside(lo, hi - lo, flx_state_bytes(m), h->arena_bytes) &&
           (flags != FLX_LOAD_RESIDENT ||
            in[3] == flx_state_bytes(m) + first->res_off) &&
           wait0 >= low && wait1 >= low && wait0 <= h->n_compute &&
           wait1 <= h->n_compute;
}

/* Walks a section: every instruction is whole, of this stream and right; loops
 * are closed where they say; `count` instructions are executed. */
static bool check_section(const struct flx_model *m, const uint32_t *plan,
                          const struct flx_section *s, bool is_load,
                          uint32_t count)
{
    uint64_t executed = 0;
    uint32_t in_body = 0;
    uint32_t end = 0; /* of the loop's body; 0: in none */
    uint32_t n_iter = 1;
    for (uint32_t pc = 0; pc < s->n_words;) {
        const uint32_t *in = s->word + pc;
        const uint32_t op = flx_op_of(in);
        const uint32_t n = flx_op_words(op);
        if (n == 0 || n > s->n_words - pc) {
            return false;
        }
        pc += n;
        if (op == FLX_LOOP) {
            if (in[0] != FLX_LOOP || end != 0 || in[1] == 0 ||
                in[1] > FLX_MAX_STEP || in[2] == 0 ||
                in[2] >= s->n_words - pc) {
                return false;
            }
            n_iter = in[1];
            end = pc + in[2];
            in_body = 0;
        } else if (op == FLX_END) {
            if (in[0] != FLX_END || pc - n != end || end == 0) {
                return false;
            }
            executed += (uint64_t)n_iter * in_body;
            n_iter = 1;
            end = 0;
        } else if (is_load != (op == FLX_LOAD) ||
                   !(is_load ? check_load(m, plan, in, n_iter)
                             : check_box(m, plan, in, n_iter, end != 0))) {
            return false;
        } else if (end != 0) {
            in_body++;
        } else {
            executed++;
        }
        if (executed > FLX_MAX_STEP || (end != 0 && pc > end)) {
            return false;
        }
    }
    return end == 0 && executed == count;
}

/* ---- 5. the order of both streams ---- */

/* One run of both: waits never decrease, and no box waits for a load that
 * waits for a later box. Then a run from any boundary ends, too. */
static bool check_order(const struct flx_model *m, const uint32_t *plan)
{
    const struct flx_plan_head *h = flx_plan_head(plan);
    const struct flx_section compute = flx_compute_of(plan);
    const struct flx_section load = flx_load_of(plan);
    struct flx_cursor box_at;
    struct flx_cursor load_at;
    flx_cursor_start(&compute, &box_at);
    flx_cursor_start(&load, &load_at);
    uint32_t n_load = 0;
    for (uint32_t k = 0; k < h->n_compute; k++) {
        struct flx_box b;
        flx_box_decode(m, compute.word + box_at.pc, box_at.iter, &b);
        if (b.wait < n_load) {
            return false;
        }
        for (; n_load < b.wait; n_load++) {
            if (flx_load_wait(load.word + load_at.pc, load_at.iter) > k) {
                return false;
            }
            flx_cursor_next(&load, &load_at);
        }
        flx_cursor_next(&compute, &box_at);
    }
    return n_load == h->n_load;
}

/* ---- 6. boundaries ---- */

/* Iteration i of the boundary is where it says in both streams. */
static bool check_edge(const uint32_t *plan, const struct flx_boundary *b,
                       uint32_t i)
{
    const struct flx_section compute = flx_compute_of(plan);
    const struct flx_section load = flx_load_of(plan);
    const struct flx_plan_head *h = flx_plan_head(plan);
    struct flx_place box;
    struct flx_place next;
    return flx_seek(&compute, b->compute_pc, i, &box) &&
           flx_seek(&load, b->load_pc, i + b->load_iter, &next) &&
           box.number == b->compute + i * box.per_iter &&
           next.number == b->load + i * next.per_iter &&
           next.number <= h->n_load &&
           (box.number < h->n_compute || next.number == h->n_load);
}

static bool check_boundaries(const struct flx_model *m, const uint32_t *plan)
{
    const struct flx_plan_head *h = flx_plan_head(plan);
    const struct flx_section compute = flx_compute_of(plan);
    uint32_t before = 0;
    for (uint32_t k = 0; k < h->n_boundary; k++) {
        struct flx_boundary b;
        flx_boundary_get(plan, k, &b);
        if (b.lo > b.hi || b.hi > m->n_layer || b.compute < before ||
            b.n_iter == 0 || b.compute_pc > h->n_compute_words ||
            b.load_pc > h->n_load_words || b.n_iter > FLX_MAX_STEP) {
            return false;
        }
        before = b.compute;
        if (b.n_iter > 1) {
            /* The edges of a loop: all that it claims, linear between. */
            if (b.compute_pc >= compute.n_words ||
                flx_op_of(compute.word + b.compute_pc) != FLX_LOOP ||
                b.n_iter > compute.word[b.compute_pc + 1] ||
                !check_edge(plan, &b, 1)) {
                return false;
            }
        }
        if (!check_edge(plan, &b, b.n_iter - 1)) {
            return false;
        }
    }
    return true;
}

enum flx_err flx_check_plan(const struct flx_model *m, const uint32_t *plan)
{
    if (!plan || !is_plan(m, plan)) {
        return FLX_E_PLAN;
    }
    const struct flx_plan_head *h = flx_plan_head(plan);
    if (h->tables[0] != m->tables[0] || h->tables[1] != m->tables[1]) {
        return FLX_E_TABLES;
    }
    if (!check_plan_head(m, plan) || !check_plan_bufs(m, plan)) {
        return FLX_E_PLAN;
    }
    const struct flx_section compute = flx_compute_of(plan);
    const struct flx_section load = flx_load_of(plan);
    return check_section(m, plan, &compute, false, h->n_compute) &&
                   check_section(m, plan, &load, true, h->n_load) &&
                   check_order(m, plan) && check_boundaries(m, plan)
               ? FLX_OK
               : FLX_E_PLAN;
}

bool flx_plan_reads_map(const uint32_t *plan)
{
    const struct flx_section s = flx_compute_of(plan);
    for (uint32_t pc = 0; pc < s.n_words;) {
        const uint32_t *in = s.word + pc;
        const uint32_t op = flx_op_of(in);
        if ((op == FLX_BOX || op == FLX_ROWS) &&
            (in[2] >> 16 & FLX_BOX_MAPPED) != 0) {
            return true;
        }
        pc += flx_op_words(op);
    }
    return false;
}
