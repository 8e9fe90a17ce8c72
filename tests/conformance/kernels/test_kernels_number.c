/* Numbers of every element type, and the functions of doubles, against the
 * library's: rounding exactly, functions within the stated error. */
#include <math.h>
#include <stdlib.h>

#include "flx_math64.h"
#include "support/fixture.h"

enum { ROUNDS = 20000 };

static double uniform(uint64_t *seed, double lo, double hi)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return lo + (hi - lo) * ((double)(*seed >> 11) * 0x1p-53);
}

static double sine(double x)
{
    return flx_dsin_quarter(x, 0);
}

static double cosine(double x)
{
    return flx_dsin_quarter(x, 1);
}

static double tangent(double x)
{
    return flx_dtan(x);
}

static double hyperbolic(double x)
{
    return flx_dtanh(x);
}

static double area_tangent(double x)
{
    return flx_datanh(x);
}

static void number__functions_of_doubles_are_within_their_error(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double (*got)(double);
        double (*want)(double);
        double lo;
        double hi;
    } rows[] = {
        {"sqrt", flx_dsqrt, sqrt, 0, 1e9},
        {"exp", flx_dexp, exp, -700, 700},
        {"log", flx_dlog, log, 1e-9, 9},
        {"log1p", flx_dlog1p, log1p, -0.9, 9},
        {"sin", sine, sin, -20, 20},
        {"cos", cosine, cos, -20, 20},
        {"tan", tangent, tan, -1.5, 1.5},
        {"asin", flx_dasin, asin, -1, 1},
        {"acos", flx_dacos, acos, -1, 1},
        {"atan", flx_datan, atan, -9, 9},
        {"sinh", flx_dsinh, sinh, -20, 20},
        {"cosh", flx_dcosh, cosh, -20, 20},
        {"tanh", hyperbolic, tanh, -5, 5},
        {"asinh", flx_dasinh, asinh, -9, 9},
        {"acosh", flx_dacosh, acosh, 1, 9},
        {"atanh", area_tangent, atanh, -1, 1},
        {"erf", flx_derf, erf, -7, 7},
    };
    uint64_t seed = 11;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int k = 0; k < ROUNDS; k++) {
            const double x = uniform(&seed, rows[i].lo, rows[i].hi);
            const double want = rows[i].want(x);
            const double got = rows[i].got(x);
            /* Near zeros of sin and cos the error is absolute. */
            if (!(fabs(got - want) <= 1e-14 * fabs(want) + 1e-15)) {
                fail_msg("%s(%.17g) is %.17g, not %.17g", rows[i].name, x, got,
                         want);
            }
        }
    }
    for (int k = 0; k < ROUNDS; k++) {
        const double x = uniform(&seed, 0, 9);
        const double y = uniform(&seed, -9, 9);
        assert_true(fabs(flx_dpow(x, y) - pow(x, y)) <= 1e-13 * pow(x, y));
        assert_true(flx_dfmod(100 * x, y) == fmod(100 * x, y));
        assert_true(flx_dfloor(y) == floor(y) && flx_dceil(y) == ceil(y));
        assert_true(flx_dround(y) == rint(y) && flx_dtrunc(y) == trunc(y));
    }
}

static void number__functions_keep_nan_and_the_infinities(void **state)
{
    (void)state;
    assert_true(isnan(flx_dexp(NAN)) && isnan(flx_dlog(-1)));
    assert_true(flx_dexp(INFINITY) == INFINITY && flx_dexp(-INFINITY) == 0);
    assert_true(flx_dlog(0) == -INFINITY && isnan(sine(INFINITY)));
    assert_true(flx_derf(INFINITY) == 1 && flx_dtanh(-INFINITY) == -1);
    assert_true(flx_dpow(-2, 3) == -8 && isnan(flx_dpow(-2, 0.5)));
    assert_true(flx_dpow(0, -1) == INFINITY && flx_dpow(NAN, 0) == 1);
    assert_true(isnan(flx_dfmod(1, 0)) && flx_dmod(-7, 3) == 2);
}

/* Every code of a 16-bit float, and what lies between two. */
static void halves(uint32_t n_frac)
{
    const uint32_t inf = 0x7fffu >> n_frac << n_frac;
    for (uint32_t code = 0; code < inf; code++) {
        const double a = flx_half_value(code, n_frac);
        const double b = flx_half_value(code + 1, n_frac);
        assert_int_equal(flx_half_bits(a, n_frac), code);
        assert_int_equal(flx_half_bits(-a, n_frac), code | 0x8000u);
        if (code + 1 < inf) {
            assert_true(b > a);
            const double middle = a + (b - a) / 2;
            assert_int_equal(flx_half_bits(middle, n_frac), code + (code & 1u));
            assert_int_equal(flx_half_bits(nextafter(middle, b), n_frac),
                             code + 1);
        }
    }
    assert_true(flx_half_value(inf, n_frac) == INFINITY);
    assert_true(isnan(flx_half_value(inf + 1, n_frac)));
    assert_int_equal(flx_half_bits(1e300, n_frac), inf);
}

static void number__rounds_16_bit_floats_to_even(void **state)
{
    (void)state;
    halves(FLX_F16_FRAC);
    halves(FLX_BF16_FRAC);
    assert_true(flx_half_value(0x3c00, FLX_F16_FRAC) == 1.0);
    assert_true(flx_half_value(0x7bff, FLX_F16_FRAC) == 65504.0);
    assert_true(flx_half_value(0x3f80, FLX_BF16_FRAC) == 1.0);
}

/* The largest value and the least above 0 of each type, from its definition. */
static void number__small_floats_come_back_and_saturate(void **state)
{
    (void)state;
    static const struct {
        uint32_t type;
        uint32_t codes; /* of one sign */
        double largest;
        double least;
        uint32_t over; /* code of what is too large, not saturated */
    } rows[] = {
        {FLX_F8E4M3FN, 0x80, 448, 0x1p-9, 0x7f},
        {FLX_F8E4M3FNUZ, 0x80, 240, 0x1p-10, 0x80},
        {FLX_F8E5M2, 0x80, 57344, 0x1p-16, 0x7c},
        {FLX_F8E5M2FNUZ, 0x80, 57344, 0x1p-17, 0x80},
        {FLX_F4E2M1, 0x08, 6, 0.5, 0x07},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint32_t t = rows[i].type;
        assert_true(flx_small_value(t, 1) == rows[i].least);
        for (uint32_t code = 0; code < rows[i].codes; code++) {
            const double x = flx_small_value(t, code);
            if (isfinite(x)) {
                assert_true(x <= rows[i].largest);
                assert_int_equal(flx_small_bits(t, x, 1, 0), code);
            }
        }
        const uint8_t top = flx_small_bits(t, rows[i].largest, 1, 0);
        assert_int_equal(flx_small_bits(t, 1e9, 1, 0), top);
        assert_int_equal(flx_small_bits(t, INFINITY, 1, 0), top);
        assert_int_equal(flx_small_bits(t, 1e9, 0, 0), rows[i].over);
    }
    assert_true(flx_small_value(FLX_F8E8M0, 127) == 1.0);
    assert_int_equal(flx_small_bits(FLX_F8E8M0, 1.1, 1, 0), 128);
    assert_int_equal(flx_small_bits(FLX_F8E8M0, 1.9, 1, 1), 127);
    assert_int_equal(flx_small_bits(FLX_F8E8M0, 1.4, 1, 2), 127);
    assert_int_equal(flx_small_bits(FLX_F8E8M0, 1.5, 1, 2), 128);
}

static void number__integers_wrap_at_their_width(void **state)
{
    (void)state;
    assert_true(flx_narrow(FLX_I8, 200) == -56);
    assert_true(flx_narrow(FLX_U8, -1) == 255);
    assert_true(flx_narrow(FLX_I32, INT64_C(1) << 31) == INT32_MIN);
    assert_true(flx_narrow(FLX_I4, 9) == -7 && flx_narrow(FLX_U4, -1) == 15);
    assert_true(flx_narrow(FLX_I2, 2) == -2 && flx_narrow(FLX_U2, -1) == 3);
    assert_true(flx_whole(FLX_I64, NAN) == INT64_MIN);
    assert_true((uint64_t)flx_whole(FLX_U64, 0x1p63) == UINT64_C(1) << 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(number__functions_of_doubles_are_within_their_error),
        cmocka_unit_test(number__functions_keep_nan_and_the_infinities),
        cmocka_unit_test(number__rounds_16_bit_floats_to_even),
        cmocka_unit_test(number__small_floats_come_back_and_saturate),
        cmocka_unit_test(number__integers_wrap_at_their_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
