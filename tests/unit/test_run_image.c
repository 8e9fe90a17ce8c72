#include <string.h>

#include "base/fileio.h"
#include "run/run_image.h"
#include "support/fixture.h"

/* 3 x 2 pixels, RGB: 0 10 20, 30 40 50, 60 70 80 over 90 100 110, 120 130 140,
 * 255 254 253. Made with Python's zlib. */
static const uint8_t png[] = {
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00,
    0x0d, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00,
    0x00, 0x02, 0x08, 0x02, 0x00, 0x00, 0x00, 0x12, 0x16, 0xf1, 0x4d,
    0x00, 0x00, 0x00, 0x1c, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63,
    0x60, 0xe0, 0x12, 0x91, 0xd3, 0x30, 0xb2, 0x71, 0x0b, 0x60, 0x88,
    0x4a, 0xc9, 0xab, 0x68, 0xea, 0xf9, 0xff, 0xef, 0x2f, 0x00, 0x29,
    0xa0, 0x07, 0x15, 0xcc, 0x76, 0xd2, 0x22, 0x00, 0x00, 0x00, 0x00,
    0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};

static const char *put_png(struct fixture *f, size_t len)
{
    const char *path = fixture_temp_path(f, "p.png");
    const struct span bytes = {png, len};
    assert_true(file_write(path, bytes, &f->scratch, &f->diag));
    return path;
}

static struct run_tensor tensor(uint32_t dtype, uint32_t rank, uint64_t a,
                                uint64_t b, uint64_t c, uint64_t d)
{
    return (struct run_tensor){
        .name = "x", .dtype = dtype, .rank = rank, .dim = {a, b, c, d}};
}

static void nchw__is_plane_by_plane_and_scaled(void **state)
{
    struct fixture *f = *state;
    const struct run_image_opt opt = {0};
    struct run_tensor t = tensor(1, 4, 1, 3, 2, 3);
    assert_true(run_image_read(put_png(f, sizeof png), &opt, &f->cx, &t));
    static const uint8_t want[18] = {0,  30, 60, 90,  120, 255,
                                     10, 40, 70, 100, 130, 254,
                                     20, 50, 80, 110, 140, 253};
    for (uint64_t i = 0; i < 18; i++) {
        assert_true(run_float_at(&t, i) == (double)(float)(want[i] / 255.0));
    }
}

static void nhwc__is_pixel_by_pixel_with_mean_and_std(void **state)
{
    struct fixture *f = *state;
    const struct run_image_opt opt = {
        .mean = {0, 10, 20}, .n_mean = 3, .std = {2}, .n_std = 1};
    struct run_tensor t = tensor(1, 4, 1, 2, 3, 3);
    assert_true(run_image_read(put_png(f, sizeof png), &opt, &f->cx, &t));
    assert_true(run_float_at(&t, 2) == 0);
    assert_true(run_float_at(&t, 3) == 15 && run_float_at(&t, 4) == 15);
    assert_true(run_float_at(&t, 17) == 116.5);
}

/* Three rows of a three-channel picture could be either; --layout decides. */
static void layout__decides_where_shapes_do_not(void **state)
{
    struct fixture *f = *state;
    const struct run_image_opt opt = {.layout = RUN_NHWC, .is_resized = true};
    struct run_tensor t = tensor(2, 4, 1, 3, 3, 3);
    assert_true(run_image_read(put_png(f, sizeof png), &opt, &f->cx, &t));
    /* Scaled in height only, by a filter that overshoots a little: the first
     * three elements are about 0 10 20, the last about 253. */
    assert_in_range(run_unsigned_at(&t, 0), 0, 8);
    assert_in_range(run_unsigned_at(&t, 2), 12, 28);
    assert_in_range(run_unsigned_at(&t, 26), 245, 255);
}

static void integers__are_pixels_less_the_mean(void **state)
{
    struct fixture *f = *state;
    const struct run_image_opt opt = {.mean = {128}, .n_mean = 1};
    struct run_tensor t = tensor(3, 3, 2, 3, 3, 0);
    assert_true(run_image_read(put_png(f, sizeof png), &opt, &f->cx, &t));
    assert_int_equal(run_signed_at(&t, 0), -128);
    assert_int_equal(run_signed_at(&t, 15), 127);
}

static void size__must_match_without_resize(void **state)
{
    struct fixture *f = *state;
    const struct run_image_opt opt = {0};
    struct run_tensor t = tensor(1, 4, 1, 3, 4, 4);
    const char *path = put_png(f, sizeof png);
    assert_false(run_image_read(path, &opt, &f->cx, &t));
    assert_diag(f, E_INPUT, path);
}

static void shape__must_be_a_picture(void **state)
{
    struct fixture *f = *state;
    const struct run_image_opt opt = {0};
    struct run_tensor vector = tensor(1, 1, 10, 0, 0, 0);
    struct run_tensor batch = tensor(1, 4, 2, 3, 2, 3);
    const char *path = put_png(f, sizeof png);
    assert_false(run_image_read(path, &opt, &f->cx, &vector));
    assert_diag(f, E_INPUT, path);
    diag_init(&f->diag);
    assert_false(run_image_read(path, &opt, &f->cx, &batch));
    assert_diag(f, E_INPUT, path);
}

static void numbers__must_fit_the_channels(void **state)
{
    struct fixture *f = *state;
    const struct run_image_opt opt = {.mean = {1, 2}, .n_mean = 2};
    struct run_tensor t = tensor(1, 4, 1, 3, 2, 3);
    assert_false(run_image_read(put_png(f, sizeof png), &opt, &f->cx, &t));
    assert_diag(f, E_USAGE, "--mean, --std");
}

static void cut_files__are_refused(void **state)
{
    struct fixture *f = *state;
    const struct run_image_opt opt = {0};
    for (size_t len = 0; len < 60; len += 7) {
        struct run_tensor t = tensor(1, 4, 1, 3, 2, 3);
        diag_init(&f->diag);
        const char *path = put_png(f, len);
        assert_false(run_image_read(path, &opt, &f->cx, &t));
        assert_diag(f, E_INPUT, path);
    }
}

static void names__tell_pictures(void **state)
{
    (void)state;
    assert_true(run_image_is("a/b.PNG"));
    assert_true(run_image_is("x.jpeg"));
    assert_false(run_image_is("png"));
    assert_false(run_image_is("x.npy"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(nchw__is_plane_by_plane_and_scaled),
        FIXTURE_TEST(nhwc__is_pixel_by_pixel_with_mean_and_std),
        FIXTURE_TEST(layout__decides_where_shapes_do_not),
        FIXTURE_TEST(integers__are_pixels_less_the_mean),
        FIXTURE_TEST(size__must_match_without_resize),
        FIXTURE_TEST(shape__must_be_a_picture),
        FIXTURE_TEST(numbers__must_fit_the_channels),
        FIXTURE_TEST(cut_files__are_refused),
        FIXTURE_TEST(names__tell_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
