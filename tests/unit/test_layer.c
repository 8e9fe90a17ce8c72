#include "support/fixture.h"

#include <string.h>

#include "base/buf.h"
#include "ir/layer.h"

/* ---- row maps -------------------------------------------------------------
 */

/* Rows of one image that output row r of a window reads, unclamped. */
struct window {
    int64_t kernel;
    int64_t stride;
    int64_t dilation;
    int64_t pad;
    uint64_t out_rows;
    uint64_t in_rows;
};

static struct row_map map_of(const struct window *w)
{
    const int64_t span = (w->kernel - 1) * w->dilation + 1;
    return (struct row_map){
        .num = (uint32_t)w->stride,
        .den = 1,
        .lo = (int32_t)w->pad,
        .hi = (int32_t)(span - w->stride - w->pad),
        .out_rows = w->out_rows,
        .in_rows = w->in_rows,
    };
}

/* Every run of output rows gets the hull of what its rows read. */
static void row_map__gives_the_hull_of_windows_in_every_image(void **state)
{
    (void)state;
    static const struct window k_windows[] = {
        {1, 1, 1, 0, 5, 5}, {3, 1, 1, 1, 6, 6},  {3, 2, 1, 1, 4, 8},
        {3, 2, 1, 0, 3, 8}, {2, 3, 1, 0, 3, 8},  {5, 1, 2, 4, 7, 7},
        {3, 1, 1, 0, 4, 6}, {1, 4, 1, 0, 2, 6},  {7, 1, 1, 3, 2, 2},
        {1, 1, 1, 2, 9, 5}, {4, 2, 1, -1, 2, 8},
    };
    for (size_t i = 0; i < ARRAY_LEN(k_windows); i++) {
        const struct window *const w = &k_windows[i];
        const struct row_map m = map_of(w);
        const uint64_t rows = 3 * w->out_rows; /* three images */
        for (uint64_t r0 = 0; r0 < rows; r0++) {
            int64_t low = INT64_MAX;
            int64_t high = -1;
            for (uint64_t r1 = r0 + 1; r1 <= rows; r1++) {
                const int64_t image = (int64_t)((r1 - 1) / w->out_rows);
                const int64_t r = (int64_t)((r1 - 1) % w->out_rows);
                for (int64_t k = 0; k < w->kernel; k++) {
                    const int64_t in = r * w->stride - w->pad + k * w->dilation;
                    if (in >= 0 && in < (int64_t)w->in_rows) {
                        const int64_t at = image * (int64_t)w->in_rows + in;
                        low = at < low ? at : low;
                        high = at > high ? at : high;
                    }
                }
                uint64_t a;
                uint64_t b;
                row_map_need(&m, r0, r1, &a, &b);
                assert_true(a <= b && b <= 3 * w->in_rows);
                if (high >= 0) {
                    assert_true((int64_t)a <= low && (int64_t)b > high);
                }
                /* Exact for one image, but for holes of stride and pads. */
                if (high >= 0 && r1 <= w->out_rows && w->pad >= 0 &&
                    w->stride == 1 && w->dilation == 1) {
                    assert_int_equal(a, low);
                    assert_int_equal(b, high + 1);
                }
            }
        }
    }
}

static void row_map__halves_rows_for_an_upsampling(void **state)
{
    (void)state;
    const struct row_map m = {.num = 1, .den = 2, .out_rows = 10, .in_rows = 5};
    uint64_t a;
    uint64_t b;
    row_map_need(&m, 3, 4, &a, &b);
    assert_int_equal(a, 1);
    assert_int_equal(b, 2);
    row_map_need(&m, 3, 7, &a, &b);
    assert_int_equal(a, 1);
    assert_int_equal(b, 4);
    row_map_need(&m, 9, 13, &a, &b); /* over the edge of an image */
    assert_int_equal(a, 4);
    assert_int_equal(b, 7);
}

static void row_map__all_is_all(void **state)
{
    (void)state;
    const struct row_map m = {.all = true, .in_rows = 9};
    uint64_t a;
    uint64_t b;
    row_map_need(&m, 2, 3, &a, &b);
    assert_int_equal(a, 0);
    assert_int_equal(b, 9);
}

/* Least row that rows r.. of a copy read, one element after the other. */
static uint64_t first_row_by_elements(const struct layer *y,
                                      const struct operand *o,
                                      uint64_t row_bytes, uint64_t r)
{
    uint64_t least = UINT64_MAX;
    uint64_t of_row = 1;
    for (uint32_t k = y->row_dims; k < y->rank; k++) {
        of_row *= y->dim[k];
    }
    for (uint64_t e = r * of_row; e < y->rows * of_row; e++) {
        uint64_t left = e;
        uint64_t at = o->col0;
        for (uint32_t k = y->rank; k-- > 0; left /= y->dim[k]) {
            at += left % y->dim[k] * (uint64_t)o->stride[k];
        }
        at = at * 4 / row_bytes;
        least = at < least ? at : least;
    }
    return least;
}

/* Planar images as pixels, transposes, broadcasts, parts of a buffer. */
static void operand_first_row__is_the_least_that_is_read(void **state)
{
    (void)state;
    static const struct {
        uint32_t row_dims;
        uint64_t dim[4];
        int64_t stride[4];
        uint64_t col0;
    } k_cases[] = {
        {2, {1, 7, 5, 3}, {105, 5, 1, 35}, 0},
        {2, {3, 7, 5, 2}, {70, 5, 1, 35}, 0},
        {2, {3, 4, 5, 2}, {5, 30, 1, 15}, 0}, /* images inside rows */
        {1, {6, 2, 3, 4}, {1, 6, 12, 36}, 9},
        {3, {2, 3, 4, 5}, {1, 2, 6, 24}, 0},
        {2, {2, 5, 3, 2}, {0, 6, 2, 1}, 4},
        {2, {2, 5, 3, 2}, {6, 0, 2, 1}, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(k_cases); i++) {
        struct layer y = {.kind = LAYER_COPY, .rank = 4, .rows = 1};
        struct operand o = {.dtype = DTYPE_F32, .rank = 4};
        y.row_dims = k_cases[i].row_dims;
        o.col0 = k_cases[i].col0;
        o.map.all = true;
        memcpy(y.dim, k_cases[i].dim, sizeof k_cases[i].dim);
        memcpy(o.stride, k_cases[i].stride, sizeof k_cases[i].stride);
        for (uint32_t k = 0; k < y.row_dims; k++) {
            y.rows *= y.dim[k];
        }
        for (uint64_t r = 0; r < y.rows; r++) {
            const uint64_t got = operand_first_row(&y, &o, 20, r);
            assert_int_equal(got, first_row_by_elements(&y, &o, 20, r));
        }
        y.p.copy.pads = true;
        assert_int_equal(operand_first_row(&y, &o, 20, y.rows - 1), 0);
        y.p.copy.pads = false;
        o.stride[3] = -1;
        assert_int_equal(operand_first_row(&y, &o, 20, y.rows - 1), 0);
    }
}

/* ---- a line of layers -----------------------------------------------------
 */

#define ROWS UINT64_C(4)
#define COLS UINT64_C(6)
static const float two[] = {2.0F};

static struct operand by_row(uint32_t buf, uint64_t col0, uint64_t cols)
{
    return (struct operand){
        .buf = buf,
        .dtype = DTYPE_F32,
        .by_row = true,
        .rank = 2,
        .dim = {ROWS, cols},
        .stride = {0, 1},
        .col0 = col0,
        .map = {.num = 1, .den = 1, .out_rows = ROWS, .in_rows = ROWS},
    };
}

static struct layer ewise(const char *name, uint32_t in, uint32_t out,
                          uint64_t col0)
{
    struct layer y = {
        .name = name,
        .op = "Relu",
        .kind = LAYER_EWISE,
        .rank = 2,
        .row_dims = 1,
        .dim = {ROWS, COLS},
        .rows = ROWS,
        .out = by_row(out, col0, COLS),
        .n_in = 1,
        .in = {by_row(in, 0, COLS)},
    };
    y.p.ewise.n_step = 2;
    y.p.ewise.step[0].op = EXPR_IN;
    y.p.ewise.step[1].op = EXPR_RELU;
    return y;
}

/* in -> a; a -> left of both; a -> right of both; both * 2 -> out, from the
 * whole of `both` seen column by column. */
static void make(struct fixture *f, struct layers *l)
{
    *l = (struct layers){.name = "line", .n_buf = 4, .n_layer = 4};
    l->buf = arena_new(&f->keep, struct buffer, 4);
    l->layer = arena_new(&f->keep, struct layer, 4);
    l->input = arena_new(&f->keep, struct layer_io, 1);
    l->output = arena_new(&f->keep, struct layer_io, 1);
    assert_true(l->buf && l->layer && l->input && l->output);
    l->n_input = 1;
    l->n_output = 1;
    l->buf[0] =
        (struct buffer){.name = "in", .rows = ROWS, .row_bytes = 4 * COLS};
    l->buf[1] = l->buf[0];
    l->buf[1].name = "a";
    l->buf[2] =
        (struct buffer){.name = "both", .rows = ROWS, .row_bytes = 8 * COLS};
    l->buf[3] = l->buf[2];
    l->buf[3].name = "out";
    l->buf[0].is_input = true;
    l->buf[3].is_output = true;
    l->input[0] = (struct layer_io){"in", DTYPE_F32, {2, {ROWS, COLS}}, 0};
    l->output[0] =
        (struct layer_io){"out", DTYPE_F32, {2, {2 * COLS, ROWS}}, 3};
    l->layer[0] = ewise("first", 0, 1, 0);
    l->layer[1] = ewise("left", 1, 2, 0);
    l->layer[2] = ewise("right", 1, 2, COLS);
    struct layer *const y = &l->layer[3];
    *y = ewise("twice", 2, 3, 0);
    y->dim[0] = 2 * COLS; /* transposed */
    y->dim[1] = ROWS;
    y->rows = 2 * COLS;
    y->n_in = 2;
    y->n_weight = 1;
    y->weight[0] = (struct weight){
        .data = {(const uint8_t *)two, sizeof two},
        .dtype = DTYPE_F32,
        .rank = 1,
        .dim = {1},
        .stride = {1},
    };
    y->in[0] = (struct operand){
        .buf = 2,
        .dtype = DTYPE_F32,
        .rank = 2,
        .dim = {2 * COLS, ROWS},
        .stride = {1, 2 * COLS},
        .map = {.all = true, .in_rows = ROWS},
    };
    y->in[1] = y->in[0];
    y->in[1].buf = BUF_WEIGHTS;
    y->in[1].stride[0] = 0;
    y->in[1].stride[1] = 0;
    y->in[1].map.in_rows = 1;
    y->out = y->in[0];
    y->out.buf = 3;
    y->out.stride[0] = ROWS;
    y->out.stride[1] = 1;
    y->p.ewise.n_step = 3;
    y->p.ewise.step[1] = (struct expr_step){.op = EXPR_IN, .ix = 1};
    y->p.ewise.step[2].op = EXPR_MUL;
    layers_finish(l);
}

static void layers_finish__sets_lifetimes_and_what_never_rolls(void **state)
{
    struct fixture *f = *state;
    struct layers l;
    make(f, &l);
    static const struct {
        uint32_t first;
        uint32_t last;
        bool whole;
    } want[] = {{0, 0, true}, {0, 2, false}, {1, 3, true}, {3, 4, true}};
    for (uint32_t i = 0; i < l.n_buf; i++) {
        assert_int_equal(l.buf[i].first, want[i].first);
        assert_int_equal(l.buf[i].last, want[i].last);
        assert_int_equal(l.buf[i].whole, want[i].whole);
    }
    assert_int_equal(l.weight_bytes, 4);
}

static void layers_check__accepts_parts_of_one_buffer(void **state)
{
    struct fixture *f = *state;
    struct layers l;
    make(f, &l);
    assert_true(layers_check(&l, &f->cx));
    assert_no_diag(f);
}

static void operand_linear__counts_rows_from_the_buffer_s_start(void **state)
{
    struct fixture *f = *state;
    struct layers l;
    int64_t off;
    int64_t stride[TENSOR_MAX_RANK];
    make(f, &l);
    struct operand o = l.layer[2].out;
    o.row0 = 1;
    operand_linear(&l, &l.layer[2], &o, &off, stride);
    assert_int_equal(off, 2 * COLS + COLS);
    assert_int_equal(stride[0], 2 * COLS);
    assert_int_equal(stride[1], 1);
}

/* One change each that makes the line wrong, and the node it is found at. */
static void spoil(struct layers *l, unsigned i)
{
    struct layer *const y = l->layer;
    switch (i) {
    case 0: /* parts overlap */
        y[2].out.col0 = COLS - 1;
        break;
    case 1: /* read before it is written */
        y[0].in[0].buf = 2;
        break;
    case 2: /* beyond the row */
        y[2].out.col0 = COLS + 1;
        break;
    case 3: /* beyond the rows */
        y[1].in[0].row0 = 1;
        break;
    case 4:
        y[1].in[0].buf = 99;
        break;
    case 5: /* an element too far */
        y[3].in[0].col0 = 1;
        break;
    case 6: /* before the start */
        y[3].in[0].stride[0] = -1;
        break;
    case 7:
        y[1].rows = ROWS + 1;
        break;
    case 8: /* more results than one */
        y[1].p.ewise.step[1].op = EXPR_IN;
        break;
    case 9:
        y[3].p.ewise.step[1].ix = 2;
        break;
    case 10:
        y[3].weight[0].dim[0] = 2;
        break;
    case 11:
        y[1].in[0].map.in_rows = ROWS - 1;
        break;
    case 12: /* a row map that is no identity */
        y[1].out.map.lo = 1;
        break;
    case 13: /* writes an input */
        y[1].out.buf = 0;
        break;
    case 14:
        y[1].in[0].dim[1] = 0;
        break;
    case 15: /* elements of two sizes in one buffer */
        y[1].in[0].dtype = DTYPE_I8;
        break;
    case 16:
        y[1].kind = LAYER_KIND_COUNT;
        break;
    case 17: /* a copy that changes dimensions */
        y[1].kind = LAYER_COPY;
        y[1].p.copy.pads = false;
        y[1].in[0].dim[1] = COLS - 1;
        break;
    case 18:
        l->buf[1].last = 1;
        break;
    case 19:
        l->buf[1].whole = true;
        break;
    case 20: /* an output with holes */
        y[3].dim[0] = y[3].rows = COLS;
        y[3].in[0].dim[0] = y[3].in[1].dim[0] = y[3].out.dim[0] = COLS;
        break;
    case 21:
        l->output[0].shape.dim[0]++;
        break;
    default:
        fail();
    }
}

static void layers_check__finds_every_wrong_fact(void **state)
{
    static const char *const where[] = {
        "right", "first", "right", "left", "left", "twice", "twice", "left",
        "left",  "twice", "twice", "left", "left", "left",  "left",  "left",
        "left",  "left",  "",      "",     "",     "",
    };
    struct fixture *f = *state;
    for (unsigned i = 0; i < ARRAY_LEN(where); i++) {
        struct layers l;
        fixture_restart(f, ARENA_NO_FAULT);
        make(f, &l);
        spoil(&l, i);
        if (layers_check(&l, &f->cx)) {
            fail_msg("change %u was not found", i);
        }
        assert_diag(f, E_INTERNAL, where[i]);
    }
}

/* A window that reads row r + 1 needs it in its map. */
static void layers_check__compares_row_maps_with_windows(void **state)
{
    struct fixture *f = *state;
    struct layers l;
    make(f, &l);
    struct layer *const y = &l.layer[0];
    y->kind = LAYER_POOL;
    y->rank = 4;
    y->row_dims = 2;
    const uint64_t dim[4] = {1, ROWS, COLS, 1};
    memcpy(y->dim, dim, sizeof dim);
    y->out.rank = y->in[0].rank = 4;
    memcpy(y->out.dim, dim, sizeof dim);
    memcpy(y->in[0].dim, dim, sizeof dim);
    y->out.stride[2] = y->out.stride[3] = 1;
    y->in[0].stride[2] = y->in[0].stride[3] = 1;
    y->p.pool = (struct pool_param){
        .kernel = {3, 1},
        .stride = {1, 1},
        .dilation = {1, 1},
        .pad_begin = {1, 0},
        .pad_end = {1, 0},
    };
    y->in[0].map.lo = 1;
    y->in[0].map.hi = 1;
    assert_true(layers_check(&l, &f->cx));
    y->in[0].map.hi = 0;
    assert_false(layers_check(&l, &f->cx));
    assert_diag(f, E_INTERNAL, "first");
}

static void layers_print__is_equal_for_equal_layers_alone(void **state)
{
    struct fixture *f = *state;
    struct layers l;
    struct layers other;
    struct buf a;
    struct buf b;
    struct buf c;
    buf_init(&a, &f->keep);
    buf_init(&b, &f->keep);
    buf_init(&c, &f->keep);
    make(f, &l);
    make(f, &other);
    assert_true(layers_print(&l, &a) && layers_print(&other, &b));
    assert_true(span_eq(buf_bytes(&a), buf_bytes(&b)));
    other.layer[2].p.ewise.step[1].op = EXPR_TANH;
    assert_true(layers_print(&other, &c));
    assert_false(span_eq(buf_bytes(&a), buf_bytes(&c)));
    assert_non_null(strstr(buf_text(&a),
                           "buffer 2 \"both\" 4 rows of 48 bytes, "
                           "layers 1..3 whole\n"));
    assert_non_null(strstr(buf_text(&a), "  expr in0 in1 mul\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_map__gives_the_hull_of_windows_in_every_image),
        cmocka_unit_test(row_map__halves_rows_for_an_upsampling),
        cmocka_unit_test(row_map__all_is_all),
        cmocka_unit_test(operand_first_row__is_the_least_that_is_read),
        FIXTURE_TEST(layers_finish__sets_lifetimes_and_what_never_rolls),
        FIXTURE_TEST(layers_check__accepts_parts_of_one_buffer),
        FIXTURE_TEST(operand_linear__counts_rows_from_the_buffer_s_start),
        FIXTURE_TEST(layers_check__finds_every_wrong_fact),
        FIXTURE_TEST(layers_check__compares_row_maps_with_windows),
        FIXTURE_TEST(layers_print__is_equal_for_equal_layers_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
