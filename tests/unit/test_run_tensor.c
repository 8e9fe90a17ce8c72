#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/fileio.h"
#include "run/run_tensor.h"
#include "support/fixture.h"

static struct span bytes_of(const void *data, size_t len)
{
    return (struct span){data, len};
}

/* Values computed in Python from the published splitmix64. */
static void random__follows_the_documented_generator(void **state)
{
    struct fixture *f = *state;
    struct run_tensor t = {.name = "x", .dtype = 1, .rank = 1, .dim = {3}};
    assert_int_equal(run_random_bits(0, 0, 0), 0xE220A8);
    assert_true(run_tensor_random(&t, 0, 0, &f->cx));
    assert_int_equal(t.n, 3);
    assert_true(run_float_at(&t, 0) == 0xE220A8 / 8388608.0 - 1.0);
    for (uint64_t i = 0; i < 3; i++) {
        assert_true(run_float_at(&t, i) ==
                    (double)run_random_bits(0, 0, i) / 8388608.0 - 1.0);
    }
    struct run_tensor ints = {.name = "i", .dtype = 7, .rank = 1, .dim = {2}};
    assert_true(run_tensor_random(&ints, 5, 1, &f->cx));
    assert_int_equal(run_signed_at(&ints, 1),
                     (int64_t)(run_random_bits(5, 1, 1) % 128));
}

static void random__of_another_seed_or_input_differs(void **state)
{
    (void)state;
    assert_int_not_equal(run_random_bits(0, 0, 7), run_random_bits(1, 0, 7));
    assert_int_not_equal(run_random_bits(0, 0, 7), run_random_bits(0, 1, 7));
}

static void put__rounds_half_floats_to_even(void **state)
{
    static const struct {
        double value;
        uint32_t bits;
    } cases[] = {
        {0, 0},
        {-0.0, 0x8000},
        {1, 0x3c00},
        {-2, 0xc000},
        {65504, 0x7bff},
        {65519.99, 0x7bff},
        {65520, 0x7c00}, /* halfway to 2^16: to infinity */
        {1 + 1.0 / 2048, 0x3c00},
        {1 + 3.0 / 2048, 0x3c02},
        {2047.0 / 1024 + 1.0 / 2048, 0x4000}, /* carries to the exponent */
        {6.103515625e-05, 0x0400},            /* least normal */
        {5.9604644775390625e-08, 0x0001},
        {2.98023223876953125e-08, 0}, /* half of it, to even */
        {3.1e-08, 0x0001},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint8_t half[2];
        run_put(10, half, 0, cases[i].value);
        assert_int_equal(half[0] | half[1] << 8, cases[i].bits);
    }
    for (uint32_t bits = 0; bits < 0x7c00; bits++) {
        uint8_t half[2] = {(uint8_t)bits, (uint8_t)(bits >> 8)};
        const struct run_tensor t = {.dtype = 10, .data = half, .n = 1};
        const double v = run_float_at(&t, 0);
        run_put(10, half, 0, v);
        assert_int_equal(half[0] | half[1] << 8, bits);
    }
}

static void put__clamps_integers(void **state)
{
    uint8_t b[8];
    (void)state;
    run_put(3, b, 0, 1000);
    assert_int_equal((int8_t)b[0], 127);
    run_put(3, b, 0, -1000);
    assert_int_equal((int8_t)b[0], -128);
    run_put(2, b, 0, -1);
    assert_int_equal(b[0], 0);
    run_put(2, b, 0, 254.5);
    assert_int_equal(b[0], 254); /* to even */
    run_put(9, b, 0, 0.5);
    assert_int_equal(b[0], 1);
    const struct run_tensor t = {.dtype = 7, .data = b, .n = 1};
    run_put(7, b, 0, 1e30);
    assert_true(run_signed_at(&t, 0) == INT64_MAX);
    run_put(7, b, 0, -1e30);
    assert_true(run_signed_at(&t, 0) == INT64_MIN);
}

static const float six[6] = {1, -2, 3.5f, 0, -0.0f, 1e30f};

static void npy__reads_what_it_wrote(void **state)
{
    struct fixture *f = *state;
    static const uint64_t shapes[][4] = {
        {0, 0, 0, 0}, {1, 6, 0, 0}, {2, 2, 3, 0}, {3, 3, 1, 2}};
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        struct run_tensor t = {.name = "",
                               .dtype = 1,
                               .rank = (uint32_t)shapes[i][0],
                               .data = (const uint8_t *)six};
        memcpy(t.dim, &shapes[i][1], 3 * sizeof t.dim[0]);
        assert_true(run_tensor_count(&t));
        struct buf b;
        struct run_tensor back;
        buf_init(&b, &f->keep);
        run_npy_print(&b, &t);
        assert_int_equal((b.len - run_tensor_bytes(&t)) % 64, 0);
        assert_true(run_npy_parse(buf_bytes(&b), "x.npy", &f->cx, &back));
        assert_int_equal(back.dtype, 1);
        assert_true(run_tensor_same_shape(&t, &back));
        assert_memory_equal(t.data, back.data, run_tensor_bytes(&t));
    }
}

/* What numpy.save itself writes for np.array([[1,2,3]], dtype='<i2'). */
static void npy__reads_numpys_own_file(void **state)
{
    struct fixture *f = *state;
    static const char head[] =
        "\x93NUMPY\x01\0\x46\0{'descr': '<i2', 'fortran_order': False, "
        "'shape': (1, 3), }          \n";
    uint8_t file[sizeof head - 1 + 6];
    struct run_tensor t;
    memcpy(file, head, sizeof head - 1);
    memcpy(file + sizeof head - 1, "\1\0\2\0\xff\xff", 6);
    assert_true(
        run_npy_parse(bytes_of(file, sizeof file), "x.npy", &f->cx, &t));
    assert_int_equal(t.rank, 2);
    assert_int_equal(t.dim[1], 3);
    assert_int_equal(run_signed_at(&t, 2), -1);
}

static void npy__refuses_any_cut_file(void **state)
{
    struct fixture *f = *state;
    const struct run_tensor t = {.dtype = 1,
                                 .rank = 1,
                                 .dim = {6},
                                 .n = 6,
                                 .data = (const uint8_t *)six};
    struct buf b;
    buf_init(&b, &f->keep);
    run_npy_print(&b, &t);
    for (uint64_t len = 6; len < b.len; len++) {
        struct run_tensor back;
        diag_init(&f->diag);
        assert_false(
            run_npy_parse(bytes_of(b.data, len), "cut.npy", &f->cx, &back));
        assert_diag(f, E_INPUT, "cut.npy");
    }
}

static void npy__survives_any_flipped_byte(void **state)
{
    struct fixture *f = *state;
    const struct run_tensor t = {.dtype = 1,
                                 .rank = 1,
                                 .dim = {6},
                                 .n = 6,
                                 .data = (const uint8_t *)six};
    struct buf b;
    buf_init(&b, &f->keep);
    run_npy_print(&b, &t);
    for (uint64_t i = 6; i < b.len; i++) {
        for (uint32_t bit = 0; bit < 8; bit++) {
            struct run_tensor back;
            diag_init(&f->diag);
            b.data[i] ^= (uint8_t)(1u << bit);
            if (!run_npy_parse(buf_bytes(&b), "x.npy", &f->cx, &back)) {
                assert_diag(f, E_INPUT, "x.npy");
            } else {
                assert_true(run_tensor_bytes(&back) <= b.len);
            }
            b.data[i] ^= (uint8_t)(1u << bit);
        }
    }
}

static void npy__refuses_fortran_order(void **state)
{
    struct fixture *f = *state;
    static const char file[] =
        "\x93NUMPY\x01\0\x39\0{'descr': '<f4', 'fortran_order': True, "
        "'shape': (1,), }\nabcd";
    struct run_tensor t;
    assert_false(
        run_npy_parse(bytes_of(file, sizeof file - 1), "f.npy", &f->cx, &t));
    assert_diag(f, E_INPUT, "f.npy");
}

/* TensorProto: dims [2], data_type 1, float_data packed, name "ab". */
static const uint8_t packed[] = {0x08, 2, 0x10, 1, 0x22, 8,    0, 0,   0x80,
                                 0x3f, 0, 0,    0, 0x40, 0x42, 2, 'a', 'b'};

static void pb__reads_packed_floats(void **state)
{
    struct fixture *f = *state;
    struct run_tensor t;
    assert_true(
        run_pb_parse(bytes_of(packed, sizeof packed), "t.pb", &f->cx, &t));
    assert_int_equal(t.n, 2);
    assert_string_equal(t.name, "ab");
    assert_true(run_float_at(&t, 0) == 1 && run_float_at(&t, 1) == 2);
}

static void pb__reads_raw_and_narrow_data(void **state)
{
    struct fixture *f = *state;
    /* dims [2], int16, raw_data */
    static const uint8_t raw[] = {0x08, 2, 0x10, 5, 0x4a, 4, 1, 0, 0xfe, 0xff};
    /* dims [2], int8, int32_data 5, -1 */
    static const uint8_t narrow[] = {0x08, 2,    0x10, 3,    0x2a, 11,
                                     5,    0xff, 0xff, 0xff, 0xff, 0xff,
                                     0xff, 0xff, 0xff, 0xff, 1};
    struct run_tensor t;
    assert_true(run_pb_parse(bytes_of(raw, sizeof raw), "r.pb", &f->cx, &t));
    assert_int_equal(run_signed_at(&t, 1), -2);
    assert_true(
        run_pb_parse(bytes_of(narrow, sizeof narrow), "n.pb", &f->cx, &t));
    assert_int_equal(run_signed_at(&t, 0), 5);
    assert_int_equal(run_signed_at(&t, 1), -1);
}

static void pb__reads_scalars_and_empty_tensors(void **state)
{
    struct fixture *f = *state;
    static const uint8_t scalar[] = {0x10, 9, 0x2a, 1, 1}; /* bool true */
    static const uint8_t empty[] = {0x08, 0, 0x08, 3, 0x10, 1, 0x4a, 0};
    struct run_tensor t;
    assert_true(
        run_pb_parse(bytes_of(scalar, sizeof scalar), "s.pb", &f->cx, &t));
    assert_int_equal(t.rank, 0);
    assert_int_equal(run_unsigned_at(&t, 0), 1);
    assert_true(
        run_pb_parse(bytes_of(empty, sizeof empty), "e.pb", &f->cx, &t));
    assert_int_equal(t.n, 0);
    assert_int_equal(t.rank, 2);
}

/* Dimensions that lie about the data must not cost memory. */
static void pb__refuses_shapes_without_their_data(void **state)
{
    struct fixture *f = *state;
    static const uint8_t lie[] = {
        0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x10, 1, 0x22, 4, 0, 0, 0, 0};
    static const uint8_t negative[] = {0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 1,    0x10, 1};
    static const uint8_t string[] = {0x08, 1, 0x10, 8, 0x32, 1, 'x'};
    struct run_tensor t;
    assert_false(run_pb_parse(bytes_of(lie, sizeof lie), "l.pb", &f->cx, &t));
    assert_diag(f, E_INPUT, "l.pb");
    diag_init(&f->diag);
    assert_false(
        run_pb_parse(bytes_of(negative, sizeof negative), "n.pb", &f->cx, &t));
    assert_diag(f, E_INPUT, "n.pb");
    diag_init(&f->diag);
    assert_false(
        run_pb_parse(bytes_of(string, sizeof string), "s.pb", &f->cx, &t));
    assert_diag(f, E_UNSUPPORTED, "s.pb");
}

static void pb__survives_any_cut_or_flipped_byte(void **state)
{
    struct fixture *f = *state;
    for (size_t len = 0; len < sizeof packed; len++) {
        struct run_tensor t;
        diag_init(&f->diag);
        if (!run_pb_parse(bytes_of(packed, len), "c.pb", &f->cx, &t)) {
            assert_int_not_equal(f->diag.id, E_NONE);
        }
    }
    for (size_t i = 0; i < sizeof packed * 8; i++) {
        uint8_t copy[sizeof packed];
        struct run_tensor t;
        memcpy(copy, packed, sizeof packed);
        copy[i / 8] ^= (uint8_t)(1u << i % 8);
        diag_init(&f->diag);
        if (!run_pb_parse(bytes_of(copy, sizeof copy), "f.pb", &f->cx, &t)) {
            assert_int_not_equal(f->diag.id, E_NONE);
        }
    }
}

static void read__names_a_missing_file(void **state)
{
    struct fixture *f = *state;
    struct run_tensor t;
    const char *path = fixture_temp_path(f, "none.npy");
    assert_false(run_tensor_read(path, &f->cx, &t));
    assert_diag(f, E_NO_FILE, path);
}

static void read__fails_cleanly_without_memory(void **state)
{
    struct fixture *f = *state;
    const struct run_tensor t = {.dtype = 1,
                                 .rank = 1,
                                 .dim = {6},
                                 .n = 6,
                                 .data = (const uint8_t *)six};
    char path[512];
    (void)snprintf(path, sizeof path, "%s", fixture_temp_path(f, "x.npy"));
    assert_true(run_npy_write(path, &t, &f->cx));
    bool is_done = false;
    for (uint64_t k = 0; !is_done; k++) {
        struct run_tensor back;
        fixture_restart(f, k);
        is_done = run_tensor_read(path, &f->cx, &back);
        if (!is_done) {
            assert_int_equal(f->diag.id, E_MEMORY);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(random__follows_the_documented_generator),
        FIXTURE_TEST(random__of_another_seed_or_input_differs),
        FIXTURE_TEST(put__rounds_half_floats_to_even),
        FIXTURE_TEST(put__clamps_integers),
        FIXTURE_TEST(npy__reads_what_it_wrote),
        FIXTURE_TEST(npy__reads_numpys_own_file),
        FIXTURE_TEST(npy__refuses_any_cut_file),
        FIXTURE_TEST(npy__survives_any_flipped_byte),
        FIXTURE_TEST(npy__refuses_fortran_order),
        FIXTURE_TEST(pb__reads_packed_floats),
        FIXTURE_TEST(pb__reads_raw_and_narrow_data),
        FIXTURE_TEST(pb__reads_scalars_and_empty_tensors),
        FIXTURE_TEST(pb__refuses_shapes_without_their_data),
        FIXTURE_TEST(pb__survives_any_cut_or_flipped_byte),
        FIXTURE_TEST(read__names_a_missing_file),
        FIXTURE_TEST(read__fails_cleanly_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
