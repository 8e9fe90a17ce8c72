#include "support/layers_build.h"

#include <string.h>

#include "base/size.h"

enum { LANES = 16, BLOB_HEAD = 64, STATE_BASE = 2048 };

void net_start(struct net *n, struct fixture *f)
{
    memset(n, 0, sizeof *n);
    n->f = f;
    n->l.name = "net";
    n->l.buf = arena_new(&f->keep, struct buffer, NET_MAX);
    n->l.layer = arena_new(&f->keep, struct layer, NET_MAX);
    n->k.cand = arena_new(&f->keep, struct cand, NET_MAX);
    n->c.lattice = arena_new(&f->keep, struct lattice, NET_MAX);
    assert_non_null(n->l.buf);
    assert_non_null(n->l.layer);
    assert_non_null(n->k.cand);
    assert_non_null(n->c.lattice);
    n->k.n_thread = 1;
    n->d = (struct device){
        .name = "test",
        .storage = STORAGE_READ,
        .read_bytes_per_ms = 1000000,
        .read_latency_ns = 100000,
        .decode_bytes_per_ms = 1000000,
        .step_ns = 1000,
        .speed = {50000, 10000, 10000, 10000, 10000, 50000, 200, 2000},
        .cache_bytes = UINT64_MAX,
    };
    n->opt.n_thread = 1;
    n->opt.device = &n->d;
    n->opt.budget = n->budget;
    n->chunk_goal = 256 << 10;
    n->k_limit = 1 << 20;
    n->grid = 1;
    n->rows_cut = true;
    n->panels_cut = true;
}

static uint32_t add_buf(struct net *n, uint32_t h, uint32_t w, uint32_t c)
{
    const uint32_t ix = n->l.n_buf++;
    assert_true(ix < NET_MAX);
    n->shape[ix] = (struct net_buf){h, w, c};
    char *const name = arena_printf(&n->f->keep, "b%u", ix);
    assert_non_null(name);
    n->l.buf[ix] = (struct buffer){
        .name = name, .rows = h, .row_bytes = (uint64_t)w * c * 4};
    return ix;
}

uint32_t net_input(struct net *n, uint32_t h, uint32_t w, uint32_t c)
{
    const uint32_t ix = add_buf(n, h, w, c);
    n->l.buf[ix].is_input = true;
    return ix;
}

void net_output(struct net *n, uint32_t buf)
{
    n->l.buf[buf].is_output = true;
}

static struct operand whole_rows(uint32_t buf, struct row_map map)
{
    return (struct operand){
        .buf = buf, .dtype = DTYPE_F32, .by_row = !map.all, .map = map};
}

/* A layer that writes `out`; `weights` elements per output channel. */
static struct layer *add_layer(struct net *n, uint32_t out, uint64_t weights,
                               uint64_t macs)
{
    const uint32_t ix = n->l.n_layer++;
    assert_true(ix < NET_MAX);
    struct layer *const y = &n->l.layer[ix];
    char *const name = arena_printf(&n->f->keep, "y%u", ix);
    assert_non_null(name);
    const struct net_buf *const s = &n->shape[out];
    *y = (struct layer){
        .name = name,
        .op = "Test",
        .kind = LAYER_CONV,
        .rank = 1,
        .row_dims = 1,
        .dim = {s->h},
        .rows = s->h,
        .out = whole_rows(out, (struct row_map){.num = 1, .den = 1}),
        .macs = macs,
    };
    struct lattice *const t = &n->c.lattice[ix];
    t->n_panel = (uint32_t)size_div_up(s->c, LANES);
    t->n_kblock = 1;
    if (weights > 0) {
        t->n_kblock = (uint32_t)size_div_up(weights * LANES * 4, n->k_limit);
    }
    n->panel_bytes[ix] =
        weights == 0 ? 0 : size_div_up(weights, t->n_kblock) * LANES * 4 + 64;
    n->panels_per_chunk[ix] = (uint32_t)size_max(
        1, n->panel_bytes[ix] == 0 ? 1 : n->chunk_goal / n->panel_bytes[ix]);
    n->k.cand[ix] = (struct cand){
        .algorithm = "test",
        .row_grid = n->grid,
        .rows_cut = n->rows_cut,
        .panels_cut = n->panels_cut,
        .scratch_bytes = n->scratch,
        .box_ns = 2000,
        .all_ns = macs / 50 + 100,
    };
    return y;
}

static struct operand *add_in(struct layer *y, struct operand o)
{
    y->in[y->n_in] = o;
    return &y->in[y->n_in++];
}

static struct row_map window_map(const struct net *n, uint32_t in, uint32_t out,
                                 uint32_t k, uint32_t stride)
{
    const int32_t pad = k % 2 == 1 ? (int32_t)k / 2 : 0;
    return (struct row_map){
        .num = stride,
        .den = 1,
        .lo = pad,
        .hi = (int32_t)k - (int32_t)stride - pad,
        .out_rows = n->shape[out].h,
        .in_rows = n->shape[in].h,
    };
}

static void add_window(struct net *n, uint32_t in, uint32_t out,
                       uint32_t channels, uint32_t k, uint32_t stride,
                       uint32_t weight_c)
{
    const struct net_buf *const o = &n->shape[out];
    const uint64_t per_out = (uint64_t)k * k * size_max(weight_c, 1);
    struct layer *const y =
        add_layer(n, out, weight_c == 0 ? 0 : per_out,
                  (uint64_t)o->h * o->w * channels * per_out);
    n->c.lattice[n->l.n_layer - 1].n_panel =
        (uint32_t)size_div_up(channels, LANES);
    add_in(y, whole_rows(in, window_map(n, in, out, k, stride)));
}

static uint32_t window_out(struct net *n, uint32_t in, uint32_t channels,
                           uint32_t k, uint32_t stride)
{
    const struct net_buf s = n->shape[in];
    const uint32_t pad = k % 2 == 1 ? k / 2 : 0;
    return add_buf(n, (s.h + 2 * pad - k) / stride + 1,
                   (s.w + 2 * pad - k) / stride + 1, channels);
}

uint32_t net_window(struct net *n, uint32_t in, uint32_t channels, uint32_t k,
                    uint32_t stride, uint32_t weight_c)
{
    const uint32_t out = window_out(n, in, channels, k, stride);
    add_window(n, in, out, channels, k, stride, weight_c);
    return out;
}

uint32_t net_conv(struct net *n, uint32_t in, uint32_t channels, uint32_t k,
                  uint32_t stride)
{
    return net_window(n, in, channels, k, stride, n->shape[in].c);
}

uint32_t net_pool(struct net *n, uint32_t in, uint32_t k, uint32_t stride)
{
    return net_window(n, in, n->shape[in].c, k, stride, 0);
}

uint32_t net_add(struct net *n, uint32_t a, uint32_t b)
{
    const struct net_buf s = n->shape[a];
    const uint32_t out = add_buf(n, s.h, s.w, s.c);
    struct layer *const y = add_layer(n, out, 0, (uint64_t)s.h * s.w * s.c);
    add_in(y, whole_rows(a, window_map(n, a, out, 1, 1)));
    add_in(y, whole_rows(b, window_map(n, b, out, 1, 1)));
    return out;
}

uint32_t net_upsample(struct net *n, uint32_t in)
{
    const struct net_buf s = n->shape[in];
    const uint32_t out = add_buf(n, 2 * s.h, 2 * s.w, s.c);
    struct layer *const y = add_layer(n, out, 0, (uint64_t)s.h * s.w * s.c);
    add_in(y, whole_rows(in, (struct row_map){.num = 1,
                                              .den = 2,
                                              .lo = 1,
                                              .hi = 1,
                                              .out_rows = BYTES(2) * s.h,
                                              .in_rows = s.h}));
    return out;
}

uint32_t net_dense(struct net *n, uint32_t in, uint32_t channels)
{
    const struct net_buf s = n->shape[in];
    const uint32_t out = add_buf(n, 1, 1, channels);
    const uint64_t k = (uint64_t)s.h * s.w * s.c;
    struct layer *const y = add_layer(n, out, k, k * channels);
    add_in(y, whole_rows(in, (struct row_map){.all = true,
                                              .num = 1,
                                              .den = 1,
                                              .out_rows = 1,
                                              .in_rows = s.h}));
    return out;
}

uint32_t net_fork(struct net *n, uint32_t in, uint32_t channels)
{
    const uint32_t out = window_out(n, in, 2 * channels, 1, 1);
    add_window(n, in, out, channels, 1, 1, n->shape[in].c);
    add_window(n, in, out, channels, 3, 1, n->shape[in].c);
    n->l.layer[n->l.n_layer - 1].out.col0 = channels;
    return out;
}

uint32_t net_table(struct net *n, uint32_t index, uint32_t row, uint32_t panels)
{
    enum { ENTRIES = 16 };
    const struct net_buf s = n->shape[index];
    const uint32_t out = add_buf(n, s.h, 1, row);
    struct layer *const y = add_layer(n, out, 0, 0);
    const uint32_t ix = n->l.n_layer - 1;
    y->kind = LAYER_EMBED;
    add_in(y, whole_rows(index, (struct row_map){.all = true, .in_rows = s.h}));
    n->c.lattice[ix].n_panel = panels;
    n->c.lattice[ix].panel_entries = ENTRIES;
    n->c.lattice[ix].is_table = true;
    n->panel_bytes[ix] = size_div_up(BYTES(row) * ENTRIES * 4, 64) * 64;
    n->panels_per_chunk[ix] = 1;
    n->k.cand[ix].panels_cut = false;
    return out;
}

/* ---- chunks ---- */

static void cut_layer(struct net *n, uint32_t y, uint64_t *blob)
{
    struct lattice *const t = &n->c.lattice[y];
    t->chunk0 = n->c.n_chunk;
    t->panel_bytes = arena_new(&n->f->keep, uint64_t, t->n_kblock);
    assert_non_null(t->panel_bytes);
    for (uint32_t kb = 0; kb < t->n_kblock && n->panel_bytes[y] > 0; kb++) {
        t->panel_bytes[kb] = n->panel_bytes[y];
        const uint32_t step = n->panels_per_chunk[y];
        for (uint32_t p = 0; p < t->n_panel; p += step) {
            const uint32_t np = (uint32_t)size_min(step, t->n_panel - p);
            const uint64_t bytes = np * t->panel_bytes[kb];
            n->c.chunk[n->c.n_chunk++] = (struct chunk){
                .layer = y,
                .kblock = kb,
                .panel = p,
                .n_panel = np,
                .raw_bytes = bytes,
                .stored_bytes = bytes,
                .blob_off = *blob,
            };
            *blob += bytes;
        }
    }
    t->n_chunk = n->c.n_chunk - t->chunk0;
}

void net_finish(struct net *n, uint32_t align)
{
    uint64_t n_chunk = 0;
    for (uint32_t y = 0; y < n->l.n_layer; y++) {
        const struct lattice *const t = &n->c.lattice[y];
        n_chunk += (uint64_t)t->n_kblock *
                   (size_div_up(t->n_panel, n->panels_per_chunk[y]));
    }
    n->c.chunk = arena_new(&n->f->keep, struct chunk, n_chunk);
    assert_non_null(n->c.chunk);
    uint64_t blob = BLOB_HEAD;
    uint64_t place = 0;
    for (uint32_t y = 0; y < n->l.n_layer; y++) {
        cut_layer(n, y, &blob);
        struct lattice *const t = &n->c.lattice[y];
        if (t->n_chunk > 0) {
            place = size_div_up(place, align) * align +
                    n->c.chunk[t->chunk0].blob_off % align;
        }
        for (uint32_t i = t->chunk0; i < t->chunk0 + t->n_chunk; i++) {
            n->c.chunk[i].res_off = place;
            place += n->c.chunk[i].raw_bytes;
        }
    }
    n->c.n_layer = n->l.n_layer;
    n->c.align = align;
    n->c.resident_max = size_div_up(place, align) * align;
    n->c.state_bytes = size_div_up(STATE_BASE + n->c.n_chunk, align) * align;
    n->c.blob_bytes = blob;
    n->k.n_layer = n->l.n_layer;
    layers_finish(&n->l);
}

void net_budget(struct net *n, enum budget_kind kind, uint64_t bytes)
{
    assert_true(n->opt.n_budget < NET_MAX_BUDGET);
    char *const text =
        kind == BUDGET_MIN ? arena_strdup(&n->f->keep, "min")
        : kind == BUDGET_MAX
            ? arena_strdup(&n->f->keep, "max")
            : arena_printf(&n->f->keep, "%llu", (unsigned long long)bytes);
    assert_non_null(text);
    n->budget[n->opt.n_budget++] = (struct budget){kind, bytes, text};
}

/* ---- known shapes ---- */

void net_vgg19(struct net *n, uint32_t scale)
{
    static const uint32_t convs[5] = {2, 2, 4, 4, 4};
    static const uint32_t channels[5] = {64, 128, 256, 512, 512};
    uint32_t x = net_input(n, 224 / scale, 224 / scale, 3);
    for (uint32_t b = 0; b < 5; b++) {
        for (uint32_t i = 0; i < convs[b]; i++) {
            x = net_conv(n, x, channels[b], 3, 1);
        }
        x = net_pool(n, x, 2, 2);
    }
    x = net_dense(n, x, 4096 / scale);
    x = net_dense(n, x, 4096 / scale);
    x = net_dense(n, x, 1000 / scale);
    net_output(n, x);
}

static uint32_t bottleneck(struct net *n, uint32_t in, uint32_t c,
                           uint32_t stride, bool project)
{
    uint32_t x = net_conv(n, in, c, 1, 1);
    x = net_conv(n, x, c, 3, stride);
    const uint32_t skip = project ? net_conv(n, in, 4 * c, 1, stride) : in;
    x = net_conv(n, x, 4 * c, 1, 1);
    /* The residual is an operand of the last convolution, as fused. */
    struct layer *const y = &n->l.layer[n->l.n_layer - 1];
    add_in(y, whole_rows(skip, window_map(n, skip, x, 1, 1)));
    return x;
}

void net_resnet(struct net *n, uint32_t scale, const uint32_t blocks[4])
{
    uint32_t x = net_input(n, 224 / scale, 224 / scale, 3);
    x = net_conv(n, x, 64, 7, 2);
    x = net_pool(n, x, 3, 2);
    for (uint32_t s = 0; s < 4; s++) {
        for (uint32_t i = 0; i < blocks[s]; i++) {
            x = bottleneck(n, x, 64u << s, i == 0 && s > 0 ? 2 : 1, i == 0);
        }
    }
    const uint32_t pooled = net_dense(n, x, 2048);
    /* Global pooling has no weights. */
    n->panel_bytes[n->l.n_layer - 1] = 0;
    n->c.lattice[n->l.n_layer - 1].n_kblock = 1;
    net_output(n, net_dense(n, pooled, 1000));
}

void net_mobilenetv2(struct net *n, uint32_t scale)
{
    static const uint32_t rows[7][4] = {
        {1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2},  {6, 64, 4, 2},
        {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1},
    };
    uint32_t x = net_input(n, 224 / scale, 224 / scale, 3);
    x = net_conv(n, x, 32, 3, 2);
    for (uint32_t r = 0; r < 7; r++) {
        for (uint32_t i = 0; i < rows[r][2]; i++) {
            const uint32_t in = x;
            const uint32_t stride = i == 0 ? rows[r][3] : 1;
            const uint32_t c = n->shape[in].c * rows[r][0];
            x = rows[r][0] > 1 ? net_conv(n, x, c, 1, 1) : x;
            x = net_window(n, x, c, 3, stride, 1);
            x = net_conv(n, x, rows[r][1], 1, 1);
            if (stride == 1 && n->shape[in].c == rows[r][1]) {
                struct layer *const y = &n->l.layer[n->l.n_layer - 1];
                add_in(y, whole_rows(in, window_map(n, in, x, 1, 1)));
            }
        }
    }
    x = net_conv(n, x, 1280, 1, 1);
    const uint32_t pooled = net_dense(n, x, 1280);
    n->panel_bytes[n->l.n_layer - 1] = 0;
    n->c.lattice[n->l.n_layer - 1].n_kblock = 1;
    net_output(n, net_dense(n, pooled, 1000));
}
