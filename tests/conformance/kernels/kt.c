#include "kt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"
#include "flx_find.h"
#include "kernels/catalogue.h"

static const struct device kt_device = {
    .name = "test",
    .read_bytes_per_ms = 1000000,
    .decode_bytes_per_ms = 1000000,
    .step_ns = 100,
    .speed = {10000, 5000, 10000, 10000, 5000, 10000, 40, 400},
    .cache_bytes = UINT64_MAX,
};

const char *kt_isa(uint32_t i)
{
    static const char *const names[] = {"generic", "x86-64-v3", "x86-64-v4"};
    uint32_t n = 0;
    for (uint32_t k = 0; k < ARRAY_LEN(names); k++) {
        /* A set that this processor lacks, or no set of its own, is left out.
         */
        const flx_kernel_fn fn = flx_kernel_find(names[k], 1);
        if (fn && (k == 0 || fn != flx_kernel_find(names[0], 1)) && n++ == i) {
            return names[k];
        }
    }
    return NULL;
}

float kt_float(struct kt *k)
{
    k->seed = k->seed * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(k->seed >> 40) / (double)(1 << 23) - 1.0);
}

uint32_t kt_below(struct kt *k, uint32_t n)
{
    k->seed = k->seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(k->seed >> 33) % n;
}

static void *alloc(struct kt *k, uint64_t bytes)
{
    void *p = arena_alloc(&k->f->keep, bytes, 64);
    assert_non_null(p);
    return p;
}

void kt_start(struct kt *k, struct fixture *f, enum layer_kind kind)
{
    arena_free(&f->keep);
    *k = (struct kt){.f = f, .seed = 1};
    k->l = alloc(k, sizeof *k->l);
    k->l->name = "layer";
    k->l->op = "Op";
    k->l->kind = kind;
    k->layers = (struct layers){
        .name = "kt", .buf = k->buf, .layer = k->l, .n_layer = 1};
    k->target = *target_find("x86-64-v3");
    k->opt = (struct options){
        .target = &k->target, .device = &kt_device, .n_thread = 3};
}

uint32_t kt_buffer(struct kt *k, uint64_t rows, uint64_t row_bytes)
{
    const uint32_t ix = k->layers.n_buf++;
    assert_true(ix < KT_MAX_BUF);
    k->buf[ix] = (struct buffer){.rows = rows, .row_bytes = row_bytes};
    uint8_t *m = alloc(k, rows * row_bytes + 2 * KT_GUARD);
    memset(m, 0xff, rows * row_bytes + 2 * KT_GUARD); /* NaN as floats */
    k->mem[ix] = m + KT_GUARD;
    return ix;
}

struct operand kt_image(struct kt *k, uint64_t n, uint64_t h, uint64_t w,
                        uint64_t c, uint32_t slack, bool by_row)
{
    return kt_image_of(k, DTYPE_F32, n, h, w, c, slack, by_row);
}

struct operand kt_image_of(struct kt *k, enum dtype t, uint64_t n, uint64_t h,
                           uint64_t w, uint64_t c, uint32_t slack, bool by_row)
{
    const uint64_t pix = c + slack;
    const uint64_t row = w * pix + slack;
    const uint64_t extra = slack > 0;
    struct operand o = {
        .buf = kt_buffer(k, n * h + 2 * extra, row * dtype_bytes(t)),
        .dtype = t,
        .by_row = by_row,
        .rank = 4,
        .dim = {n, h, w, c},
        .stride = {(int64_t)(h * row), (int64_t)row, (int64_t)pix, 1},
        .row0 = by_row ? extra : 0,
        .col0 = slack / 2 + (by_row ? 0 : extra * row),
    };
    o.map = (struct row_map){.all = !by_row,
                             .num = 1,
                             .den = 1,
                             .out_rows = n * h,
                             .in_rows = n * h};
    return o;
}

struct row_map kt_map(uint64_t in_rows, uint64_t out_rows, uint32_t stride,
                      int32_t pad, uint32_t reach)
{
    return (struct row_map){.num = stride,
                            .den = 1,
                            .lo = pad,
                            .hi = (int32_t)reach - (int32_t)stride - pad,
                            .out_rows = out_rows,
                            .in_rows = in_rows};
}

struct operand kt_dense(struct kt *k, enum dtype t, uint32_t rank,
                        const uint64_t *dim, uint32_t row_dims, bool by_row)
{
    struct operand o = {.dtype = t, .by_row = by_row, .rank = rank};
    uint64_t rows = 1;
    uint64_t cols = 1;
    for (uint32_t i = rank; i-- > 0;) {
        o.dim[i] = dim[i];
        o.stride[i] = (int64_t)(rows * cols);
        *(i < row_dims ? &rows : &cols) *= dim[i];
    }
    o.buf = kt_buffer(k, rows, cols * dtype_bytes(t));
    o.map = (struct row_map){
        .all = !by_row, .num = 1, .den = 1, .out_rows = rows, .in_rows = rows};
    return o;
}

uint8_t *kt_weight_of(struct kt *k, uint32_t ix, enum dtype t, uint32_t rank,
                      const uint64_t *dim)
{
    struct weight *w = &k->l->weight[ix];
    *w = (struct weight){.dtype = t, .rank = rank};
    uint64_t n = 1;
    for (uint32_t i = rank; i-- > 0;) {
        w->dim[i] = dim[i];
        w->stride[i] = (int64_t)n;
        n *= dim[i];
    }
    uint8_t *data = alloc(k, n * dtype_bytes(t));
    memset(data, 0, n * dtype_bytes(t));
    w->data = (struct span){data, n * dtype_bytes(t)};
    if (k->l->n_weight <= ix) {
        k->l->n_weight = ix + 1;
    }
    return data;
}

float *kt_weight(struct kt *k, uint32_t ix, uint32_t rank, const uint64_t *dim)
{
    float *data = (float *)(void *)kt_weight_of(k, ix, DTYPE_F32, rank, dim);
    for (uint64_t i = 0; i < k->l->weight[ix].data.len / sizeof *data; i++) {
        data[i] = kt_float(k);
    }
    return data;
}

float kt_stored_value(enum dtype stored, float x, float most)
{
    if (stored == DTYPE_I8) {
        const float scale = most / 127;
        return (float)(int)rint((double)x / (double)scale) * scale;
    }
    int e = 0;
    (void)frexp((double)x, &e);
    const int place = e < -13 ? -24 : e - 11;
    return (float)ldexp(rint(ldexp((double)x, -place)), place);
}

uint8_t *kt_at(struct kt *k, const struct operand *o)
{
    return k->mem[o->buf] +
           (o->by_row ? o->row0 * k->buf[o->buf].row_bytes : 0) +
           o->col0 * dtype_bytes(o->dtype);
}

static int64_t element_bytes(const struct kt *k, const struct operand *o,
                             uint32_t row_dims, const uint64_t *at)
{
    const int64_t size = dtype_bytes(o->dtype);
    int64_t off = 0;
    int64_t row = 0;
    for (uint32_t i = 0; i < o->rank; i++) {
        if (o->by_row && i < row_dims) {
            row = row * (int64_t)o->dim[i] + (int64_t)at[i];
        } else {
            off += (int64_t)at[i] * o->stride[i] * size;
        }
    }
    return off + row * (int64_t)k->buf[o->buf].row_bytes;
}

float *kt_element(struct kt *k, const struct operand *o, uint32_t row_dims,
                  const uint64_t *at)
{
    return (float *)(void *)(kt_at(k, o) + element_bytes(k, o, row_dims, at));
}

/* Next index in row-major order; false at the end. */
static bool step(uint32_t rank, const uint64_t *dim, uint64_t *at)
{
    for (uint32_t i = rank; i-- > 0;) {
        if (++at[i] < dim[i]) {
            return true;
        }
        at[i] = 0;
    }
    return false;
}

void kt_fill(struct kt *k, const struct operand *o, uint32_t row_dims)
{
    uint64_t at[TENSOR_MAX_RANK] = {0};
    do {
        *kt_element(k, o, row_dims, at) = kt_float(k);
    } while (step(o->rank, o->dim, at));
}

void kt_finish(struct kt *k, uint32_t chunk_limit)
{
    struct cx *cx = &k->f->cx;
    k->l->rows = 1;
    for (uint32_t i = 0; i < k->l->row_dims; i++) {
        k->l->rows *= k->l->dim[i];
    }
    k->target.chunk_limit = chunk_limit ? chunk_limit : k->target.chunk_limit;
    const bool ok = kern_lattice(k->l, &k->opt, cx, &k->lattice) &&
                    kern_cand(&k->layers, k->l, &k->opt, cx, &k->cand);
    assert_no_diag(k->f);
    assert_true(ok);
    k->weights = alloc(k, k->lattice.n_kblock * sizeof *k->weights);
    for (uint32_t b = 0; b < k->lattice.n_kblock; b++) {
        const uint64_t bytes = k->lattice.panel_bytes[b] * k->lattice.n_panel;
        uint8_t *w = alloc(k, bytes + 64);
        memset(w, 0xff, bytes + 64);
        assert_true(kern_pack(k->l, &k->opt, &k->lattice, b, 0,
                              k->lattice.n_panel, w, cx));
        for (uint32_t i = 0; i < 64; i++) {
            assert_int_equal(w[bytes + i], 0xff);
        }
        k->weights[b] = w;
    }
}

/* ---- runs ---- */

/* Operand i of the kernel: the output, then the inputs. */
static const struct operand *operand(const struct kt *k, uint32_t i)
{
    return i == 0 ? &k->l->out : &k->l->in[i - 1];
}

/* An operand in memory for one run. */
struct place {
    uint8_t *base;
    uint64_t guard; /* bytes on both sides */
    uint64_t bytes;
    uint32_t ring;
    bool is_ring;
};

/* Rows of a ring that hold any box of `rows` rows. */
static uint64_t ring_rows(const struct kt *k, const struct operand *o,
                          uint32_t rows)
{
    uint64_t most = 1;
    for (uint64_t r = 0; r < k->l->rows; r += rows) {
        uint64_t a = 0;
        uint64_t b = 0;
        row_map_need(&o->map, r, size_min(k->l->rows, r + rows), &a, &b);
        most = size_max(most, b - a);
    }
    return most;
}

static void place_operand(struct kt *k, uint32_t i, const struct kt_cut *cut,
                          uint32_t rows, struct place *p)
{
    const struct operand *o = operand(k, i);
    const struct buffer *b = &k->buf[o->buf];
    p->is_ring = cut->is_rolling && o->by_row;
    p->ring = (uint32_t)b->rows;
    if (p->is_ring) {
        p->ring = i == 0 ? rows : (uint32_t)ring_rows(k, o, rows);
    }
    p->bytes = p->ring * b->row_bytes;
    /* Without guards in some runs: a sanitizer then sees reads outside. */
    p->guard = cut->parts == 1 ? 0 : KT_GUARD;
    uint8_t *m = malloc(p->bytes + 2 * p->guard);
    assert_non_null(m);
    memset(m, 0xff, p->bytes + 2 * p->guard);
    p->base = m + p->guard;
    if (!p->is_ring && i > 0) {
        memcpy(p->base, k->mem[o->buf], p->bytes);
    }
}

/* Copies the rows that a box needs into a ring, or its rows out of it. */
static void roll(struct kt *k, uint32_t i, struct place *p, uint32_t r0,
                 uint32_t r1, uint8_t *full)
{
    const struct operand *o = operand(k, i);
    const uint64_t bytes = k->buf[o->buf].row_bytes;
    uint64_t a = r0;
    uint64_t b = r1;
    if (i > 0) {
        row_map_need(&o->map, r0, r1, &a, &b);
        memset(p->base, 0xff, p->bytes);
    }
    for (uint64_t r = a + o->row0; r < b + o->row0; r++) {
        uint8_t *slot = p->base + r % p->ring * bytes;
        if (i > 0) {
            memcpy(slot, full + r * bytes, bytes);
        } else {
            memcpy(full + r * bytes, slot, bytes);
        }
    }
}

/* Scratch, with guard bytes behind it; boxes of the same rows find it as the
 * one before left it. */
struct kt_scratch {
    uint8_t *x;
    uint32_t rows; /* of the last box */
    uint32_t kb;
    uint32_t panels; /* the most of the boxes since; 0: none */
};

static void run_box(struct kt *k, const struct kt_cut *cut, struct place *p,
                    struct flx_call *call, struct kt_scratch *s)
{
    const flx_kernel_fn fn = flx_kernel_find(cut->isa, k->cand.kernel);
    const uint32_t parts = cut->parts ? cut->parts : 1;
    const uint64_t most =
        cand_scratch(&k->cand, call->r1 - call->r0, UINT64_MAX);
    const uint64_t limit =
        most > cut->less_scratch ? most - cut->less_scratch : 0;
    const uint64_t part_bytes =
        size_max(k->cand.scratch_bytes, limit / 64 * 64);
    const uint64_t bytes = parts * part_bytes;
    if (s->panels == 0 || s->rows != call->r0 || s->kb != call->kb) {
        free(s->x);
        *s = (struct kt_scratch){.x = aligned_alloc(64, bytes + 64),
                                 .rows = call->r0,
                                 .kb = call->kb};
        assert_non_null(s->x);
        memset(s->x, 0xff, bytes + 64);
    }
    call->kept = s->panels;
    s->panels = (uint32_t)size_max(s->panels, call->p1 - call->p0);
    call->scratch = s->x;
    call->scratch_bytes = (uint32_t)part_bytes;
    for (uint32_t i = 0; i <= k->l->n_in; i++) {
        call->arg[i] = (struct flx_ref){p[i].base, p[i].ring};
    }
    for (uint32_t part = parts; part-- > 0;) {
        fn(call, k->cand.word, part, parts);
    }
    for (uint32_t i = 0; i < 64; i++) {
        assert_int_equal(s->x[bytes + i], 0xff);
    }
}

/* The output's elements: dim[0 .. *row_dims) are rows; gives the rank. */
static uint32_t out_space(const struct kt *k, uint32_t *row_dims,
                          const uint64_t **dim)
{
    const bool is_tensor = k->l->kind == LAYER_TENSOR;
    *row_dims = is_tensor ? 0 : k->l->row_dims;
    *dim = is_tensor ? k->l->out.dim : k->l->dim;
    return is_tensor ? k->l->out.rank : k->l->rank;
}

/* Everything but the output's elements must still be 0xff. */
static void check_untouched(struct kt *k, const uint8_t *copy)
{
    const struct operand *o = &k->l->out;
    uint32_t row_dims;
    const uint64_t *dim;
    const uint32_t rank = out_space(k, &row_dims, &dim);
    const uint64_t bytes = k->buf[o->buf].rows * k->buf[o->buf].row_bytes;
    uint8_t *seen = calloc(1, bytes);
    assert_non_null(seen);
    uint64_t at[TENSOR_MAX_RANK] = {0};
    const ptrdiff_t start = kt_at(k, o) - k->mem[o->buf];
    do {
        memset(seen + start + element_bytes(k, o, row_dims, at), 1,
               dtype_bytes(o->dtype));
    } while (step(rank, dim, at));
    for (uint64_t i = 0; i < bytes; i++) {
        if (!seen[i] && copy[i] != 0xff) {
            fail_msg("byte %llu of the output is not one of its elements",
                     (unsigned long long)i);
        }
    }
    free(seen);
}

uint8_t *kt_run(struct kt *k, const struct kt_cut *cut)
{
    const uint32_t n_row = (uint32_t)k->l->rows;
    const uint32_t grid = (uint32_t)k->cand.row_grid;
    const uint32_t on_grid = (cut->rows + grid - 1) / grid * grid;
    const uint32_t rows = cut->rows && on_grid < n_row ? on_grid : n_row;
    const uint32_t panels = cut->panels ? cut->panels : k->lattice.n_panel;
    const struct buffer *b = &k->buf[k->l->out.buf];
    uint8_t *copy = alloc(k, b->rows * b->row_bytes);
    memset(copy, 0xff, b->rows * b->row_bytes);
    struct place p[FLX_MAX_ARG] = {{0}};
    for (uint32_t i = 0; i <= k->l->n_in; i++) {
        if (operand(k, i)->buf < KT_MAX_BUF) {
            place_operand(k, i, cut, rows, &p[i]);
        }
    }
    struct kt_scratch scratch = {0};
    for (uint32_t r = 0; r < n_row; r += rows) {
        const uint32_t r1 = r + rows < n_row ? r + rows : n_row;
        for (uint32_t i = 1; i <= k->l->n_in; i++) {
            if (p[i].is_ring) {
                roll(k, i, &p[i], r, r1, k->mem[operand(k, i)->buf]);
            }
        }
        for (uint32_t kb = 0; kb < k->lattice.n_kblock; kb++) {
            for (uint32_t c = 0; c < k->lattice.n_panel; c += panels) {
                struct flx_call call = {
                    .w = k->weights[kb] + c * k->lattice.panel_bytes[kb],
                    .r0 = r,
                    .r1 = r1,
                    .p0 = c,
                    .p1 = (uint32_t)size_min(c + panels, k->lattice.n_panel),
                    .kb = kb};
                run_box(k, cut, p, &call, &scratch);
            }
        }
        if (p[0].is_ring) {
            roll(k, 0, &p[0], r, r1, copy);
        }
    }
    free(scratch.x);
    if (!p[0].is_ring) {
        memcpy(copy, p[0].base, p[0].bytes);
    }
    for (uint32_t i = 0; i <= k->l->n_in; i++) {
        for (uint32_t j = 0; p[i].base && j < p[i].guard; j++) {
            assert_int_equal(p[i].base[-1 - (int)j], 0xff);
            assert_int_equal(p[i].base[p[i].bytes + j], 0xff);
        }
        free(p[i].base ? p[i].base - p[i].guard : NULL);
    }
    check_untouched(k, copy);
    return copy;
}

static uint64_t product(uint32_t rank, const uint64_t *dim)
{
    uint64_t n = 1;
    for (uint32_t i = 0; i < rank; i++) {
        n *= dim[i];
    }
    return n;
}

void kt_put(struct kt *k, const struct operand *o, uint64_t i, double x)
{
    uint64_t at[TENSOR_MAX_RANK] = {0};
    for (uint32_t d = o->rank; d-- > 0;) {
        at[d] = i % o->dim[d];
        i /= o->dim[d];
    }
    uint8_t *p = kt_at(k, o) + element_bytes(k, o, 0, at);
    const float f = o->dtype == DTYPE_F32 ? (float)x : 0.0F;
    const int64_t n = o->dtype != DTYPE_F32 ? (int64_t)x : 0;
    if (o->dtype == DTYPE_F32) {
        memcpy(p, &f, sizeof f);
    } else if (o->dtype == DTYPE_F64) {
        memcpy(p, &x, sizeof x);
    } else {
        memcpy(p, &n, dtype_bytes(o->dtype));
    }
}

static double number_at(enum dtype t, const uint8_t *p)
{
    float f = 0;
    double d = 0;
    int32_t i32 = 0;
    int64_t i64 = 0;
    switch ((int)t) {
    case DTYPE_F32:
        memcpy(&f, p, sizeof f);
        return (double)f;
    case DTYPE_F64:
        memcpy(&d, p, sizeof d);
        return d;
    case DTYPE_I32:
        memcpy(&i32, p, sizeof i32);
        return (double)i32;
    case DTYPE_I64:
        memcpy(&i64, p, sizeof i64);
        return (double)i64;
    case DTYPE_I8:
        return p[0] > 127 ? p[0] - 256.0 : p[0];
    case DTYPE_U8:
    case DTYPE_BOOL:
        return (double)*p;
    default:
        fail_msg("no numbers of type %s here", dtype_name(t));
        return 0;
    }
}

double *kt_values(struct kt *k, const uint8_t *copy)
{
    const struct operand *o = &k->l->out;
    uint32_t row_dims;
    const uint64_t *dim;
    const uint32_t rank = out_space(k, &row_dims, &dim);
    const uint64_t n = product(rank, dim);
    double *v = alloc(k, n * sizeof *v);
    const ptrdiff_t start = kt_at(k, o) - k->mem[o->buf];
    uint64_t at[TENSOR_MAX_RANK] = {0};
    uint64_t i = 0;
    do {
        v[i++] = number_at(o->dtype,
                           copy + start + element_bytes(k, o, row_dims, at));
    } while (step(rank, dim, at));
    return v;
}

static void check_close(const struct kt *k, const double *got,
                        const double *want, double tol, const char *isa)
{
    uint32_t row_dims;
    const uint64_t *dim;
    const uint32_t rank = out_space(k, &row_dims, &dim);
    const uint64_t n = product(rank, dim);
    double scale = 0;
    for (uint64_t i = 0; i < n; i++) {
        scale = isfinite(want[i]) ? fmax(scale, fabs(want[i])) : scale;
    }
    for (uint64_t i = 0; i < n; i++) {
        const bool same =
            got[i] == want[i] || (isnan(got[i]) && isnan(want[i]));
        if (!same && !(fabs(got[i] - want[i]) <= tol * scale)) {
            fail_msg("%s, %s: element %llu is %.9g, should be %.9g", isa,
                     k->cand.algorithm, (unsigned long long)i, got[i], want[i]);
        }
    }
}

static void check_cut(struct kt *k, const struct kt_cut *cut,
                      const uint8_t *uncut)
{
    const struct buffer *b = &k->buf[k->l->out.buf];
    const uint8_t *copy = kt_run(k, cut);
    if (memcmp(copy, uncut, b->rows * b->row_bytes) != 0) {
        fail_msg("%s, %s: other bits with %u rows, %u panels, %u parts%s",
                 cut->isa, k->cand.algorithm, cut->rows, cut->panels,
                 cut->parts, cut->is_rolling ? ", rolling" : "");
    }
}

void kt_check(struct kt *k, const double *want, double tol)
{
    const uint8_t *fused = NULL; /* the bits of all sets with fused fma */
    for (uint32_t s = 0; kt_isa(s); s++) {
        const char *isa = kt_isa(s);
        const uint8_t *uncut = kt_run(k, &(struct kt_cut){.isa = isa});
        check_close(k, kt_values(k, uncut), want, tol, isa);
        if (s > 0) {
            const struct buffer *b = &k->buf[k->l->out.buf];
            if (fused && memcmp(fused, uncut, b->rows * b->row_bytes) != 0) {
                fail_msg("%s: other bits than the set before", isa);
            }
            fused = uncut;
        }
        const uint32_t n_row = (uint32_t)k->l->rows;
        const uint32_t rows[] = {1, 2, 3, 5, n_row};
        static const uint64_t less[] = {0, 64, UINT64_MAX, 300000};
        for (uint32_t i = 0; i < ARRAY_LEN(rows); i++) {
            for (uint32_t parts = 1; parts <= 3; parts++) {
                struct kt_cut cut = {.isa = isa,
                                     .rows = rows[i],
                                     .panels = 1 + (i + parts) % 3,
                                     .parts = parts,
                                     .less_scratch = less[(i + parts) % 4],
                                     .is_rolling = parts != 2};
                check_cut(k, &cut, uncut);
            }
        }
    }
}
