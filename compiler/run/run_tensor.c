#include "run/run_tensor.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/diag.h"
#include "base/fileio.h"
#include "base/le.h"
#include "base/size.h"

enum { F32 = 1, F16 = 10, F64 = 11, BF16 = 16 };

static const struct run_type types[] = {
    [1] = {"float", "<f4", 4, RUN_FLOAT},
    [2] = {"uint8", "|u1", 1, RUN_UNSIGNED},
    [3] = {"int8", "|i1", 1, RUN_SIGNED},
    [4] = {"uint16", "<u2", 2, RUN_UNSIGNED},
    [5] = {"int16", "<i2", 2, RUN_SIGNED},
    [6] = {"int32", "<i4", 4, RUN_SIGNED},
    [7] = {"int64", "<i8", 8, RUN_SIGNED},
    [9] = {"bool", "|b1", 1, RUN_BOOL},
    [10] = {"float16", "<f2", 2, RUN_FLOAT},
    [11] = {"double", "<f8", 8, RUN_FLOAT},
    [12] = {"uint32", "<u4", 4, RUN_UNSIGNED},
    [13] = {"uint64", "<u8", 8, RUN_UNSIGNED},
    [16] = {"bfloat16", NULL, 2, RUN_FLOAT},
    /* Compared by their bits. */
    [17] = {"float8e4m3fn", NULL, 1, RUN_UNSIGNED},
    [18] = {"float8e4m3fnuz", NULL, 1, RUN_UNSIGNED},
    [19] = {"float8e5m2", NULL, 1, RUN_UNSIGNED},
    [20] = {"float8e5m2fnuz", NULL, 1, RUN_UNSIGNED},
    [21] = {"uint4", NULL, 1, RUN_UNSIGNED},
    [22] = {"int4", NULL, 1, RUN_SIGNED},
    [23] = {"float4e2m1", NULL, 1, RUN_UNSIGNED},
    [24] = {"float8e8m0", NULL, 1, RUN_UNSIGNED},
    [25] = {"uint2", NULL, 1, RUN_UNSIGNED},
    [26] = {"int2", NULL, 1, RUN_SIGNED},
};

const struct run_type *run_type_of(uint32_t dtype)
{
    return dtype < ARRAY_LEN(types) && types[dtype].name ? &types[dtype] : NULL;
}

uint32_t run_type_of_npy(const char *descr, uint64_t len)
{
    for (uint32_t i = 0; i < ARRAY_LEN(types); i++) {
        const char *npy = types[i].npy;
        if (npy && strlen(npy) == len && memcmp(npy, descr, len) == 0) {
            return i;
        }
    }
    return 0;
}

uint64_t run_tensor_bytes(const struct run_tensor *t)
{
    return t->n * run_type_of(t->dtype)->bytes;
}

bool run_tensor_same_shape(const struct run_tensor *a,
                           const struct run_tensor *b)
{
    return a->rank == b->rank &&
           memcmp(a->dim, b->dim, a->rank * sizeof a->dim[0]) == 0;
}

bool run_tensor_count(struct run_tensor *t)
{
    uint64_t n = 1;
    bool is_empty = false;
    for (uint32_t i = 0; i < t->rank; i++) {
        is_empty = is_empty || t->dim[i] == 0;
    }
    for (uint32_t i = 0; i < t->rank && !is_empty; i++) {
        if (!size_mul(&n, n, t->dim[i]) || n > UINT64_MAX >> 6) {
            return false;
        }
    }
    t->n = is_empty ? 0 : n;
    return true;
}

void run_tensor_print(struct buf *b, const struct run_tensor *t)
{
    buf_char(b, '[');
    for (uint32_t i = 0; i < t->rank; i++) {
        buf_printf(b, "%s%" PRIu64, i ? "," : "", t->dim[i]);
    }
    buf_printf(b, "] %s", run_type_of(t->dtype)->name);
}

/* ---- elements ------------------------------------------------------------ */

static uint64_t bits_at(const struct run_tensor *t, uint64_t i)
{
    const uint32_t width = run_type_of(t->dtype)->bytes;
    const uint8_t *p = t->data + i * width;
    switch (width) {
    case 1:
        return p[0];
    case 2:
        return le16_get(p);
    case 4:
        return le32_get(p);
    default:
        return le64_get(p);
    }
}

static void put_bits(uint32_t width, uint8_t *dst, uint64_t i, uint64_t bits)
{
    uint8_t *p = dst + i * width;
    for (uint32_t k = 0; k < width; k++) {
        p[k] = (uint8_t)(bits >> 8 * k);
    }
}

static double half_value(uint32_t bits)
{
    const uint32_t exponent = bits >> 10 & 31u;
    const double fraction = (double)(bits & 1023u);
    double v = exponent == 0 ? ldexp(fraction, -24)
                             : ldexp(fraction + 1024, (int)exponent - 25);
    if (exponent == 31) {
        v = fraction == 0 ? (double)INFINITY : (double)NAN;
    }
    return bits >> 15 ? -v : v;
}

static double float_value(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

double run_float_at(const struct run_tensor *t, uint64_t i)
{
    const uint64_t bits = bits_at(t, i);
    double v;
    switch (t->dtype) {
    case F16:
        return half_value((uint32_t)bits);
    case BF16:
        return float_value((uint32_t)bits << 16);
    case F32:
        return float_value((uint32_t)bits);
    default:
        memcpy(&v, &bits, sizeof v);
        return v;
    }
}

int64_t run_signed_at(const struct run_tensor *t, uint64_t i)
{
    const struct run_type *type = run_type_of(t->dtype);
    const uint64_t bits = bits_at(t, i);
    if (type->cls != RUN_SIGNED || type->bytes == 8) {
        return (int64_t)bits;
    }
    const uint64_t sign = UINT64_C(1) << (type->bytes * 8 - 1);
    return (int64_t)(bits ^ sign) - (int64_t)sign;
}

uint64_t run_unsigned_at(const struct run_tensor *t, uint64_t i)
{
    return bits_at(t, i);
}

double run_value_at(const struct run_tensor *t, uint64_t i)
{
    switch (run_type_of(t->dtype)->cls) {
    case RUN_FLOAT:
        return run_float_at(t, i);
    case RUN_SIGNED:
        return (double)run_signed_at(t, i);
    case RUN_UNSIGNED:
    case RUN_BOOL:
        break;
    }
    return (double)run_unsigned_at(t, i);
}

/* To the nearest integer, ties to even. */
static double round_even(double v)
{
    const double low = floor(v);
    const double rest = v - low;
    const bool is_odd = fmod(low, 2) != 0;
    return rest > 0.5 || (rest == 0.5 && is_odd) ? low + 1 : low;
}

static uint32_t half_bits(double v)
{
    const uint32_t sign = signbit(v) ? 0x8000u : 0u;
    int exponent = 0;
    if (isnan(v)) {
        return sign | 0x7e00u;
    }
    v = fabs(v);
    if (v >= 65520) {
        return sign | 0x7c00u;
    }
    (void)frexp(v, &exponent);
    /* One unit is 2^(e - 11) for a value in [2^(e-1), 2^e). */
    const int unit = v == 0 || exponent < -13 ? -24 : exponent - 11;
    const uint32_t units = (uint32_t)round_even(ldexp(v, -unit));
    /* A mantissa that rounds up to 2048 carries into the exponent. */
    return sign | ((uint32_t)(unit + 24) * 1024u + units);
}

static uint64_t float_bits(uint32_t dtype, double v)
{
    const float f = (float)v;
    uint32_t word;
    uint64_t bits;
    memcpy(&word, &f, sizeof word);
    memcpy(&bits, &v, sizeof bits);
    switch (dtype) {
    case F16:
        return half_bits(v);
    case BF16:
        return isnan(v) ? word >> 16 | 0x40u
                        : (word + 0x7fffu + (word >> 16 & 1u)) >> 16;
    case F32:
        return word;
    default:
        return bits;
    }
}

void run_put(uint32_t dtype, uint8_t *dst, uint64_t i, double value)
{
    const struct run_type *type = run_type_of(dtype);
    uint64_t bits = 0;
    if (type->cls == RUN_FLOAT) {
        bits = float_bits(dtype, value);
    } else if (type->cls == RUN_BOOL) {
        bits = value != 0;
    } else {
        const bool is_signed = type->cls == RUN_SIGNED;
        const int n_bits = (int)type->bytes * 8 - (is_signed ? 1 : 0);
        const double top = ldexp(1, n_bits);
        const double v = round_even(value);
        if (!(v < top)) { /* NaN too */
            bits = is_signed ? (UINT64_C(1) << n_bits) - 1 : UINT64_MAX;
        } else if (v < 0) {
            bits = is_signed ? (uint64_t)(int64_t)fmax(v, -top) : 0;
        } else {
            bits = (uint64_t)v;
        }
    }
    put_bits(type->bytes, dst, i, bits);
}

/* ---- seeded values ------------------------------------------------------- */

uint64_t run_random_bits(uint64_t seed, uint64_t input_ix, uint64_t i)
{
    uint64_t z = seed * UINT64_C(0x9E3779B97F4A7C15) + (input_ix << 40) + i;
    z += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return (z ^ z >> 31) >> 40;
}

bool run_tensor_random(struct run_tensor *t, uint64_t seed, uint64_t input_ix,
                       struct cx *cx)
{
    const struct run_type *type = run_type_of(t->dtype);
    if (!run_tensor_count(t)) {
        return diag_error(cx->diag, E_TOO_BIG, at_tensor(t->name),
                          "its size overflows");
    }
    uint8_t *data = arena_alloc_array(cx->keep, t->n, type->bytes, 64);
    if (!data) {
        return false;
    }
    for (uint64_t i = 0; i < t->n; i++) {
        const uint64_t v = run_random_bits(seed, input_ix, i);
        if (type->cls == RUN_FLOAT) {
            run_put(t->dtype, data, i, (double)v / 8388608.0 - 1.0);
        } else {
            put_bits(type->bytes, data, i,
                     v % (type->cls == RUN_BOOL ? 2 : 128));
        }
    }
    t->data = data;
    return true;
}

/* ---- files --------------------------------------------------------------- */

bool run_tensor_read(const char *path, struct cx *cx, struct run_tensor *out)
{
    struct file_map map;
    if (!file_map(path, cx->diag, &map)) {
        return false;
    }
    const bool is_npy =
        map.bytes.len >= 6 && memcmp(map.bytes.data, "\x93NUMPY", 6) == 0;
    const bool ok = is_npy ? run_npy_parse(map.bytes, path, cx, out)
                           : run_pb_parse(map.bytes, path, cx, out);
    file_unmap(&map);
    return ok;
}
