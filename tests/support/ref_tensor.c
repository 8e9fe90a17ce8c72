/* ref_tensor.c - tensors: files, seeded values, comparison. */
#include "ref_node.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool ref_fail(struct ref_error *err, bool is_unsupported, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, args);
    va_end(args);
    err->is_unsupported = is_unsupported;
    return false;
}

bool ref_is_float(enum ref_type type)
{
    return type == REF_F32 || type == REF_F64 || type == REF_F16 ||
           type == REF_BF16;
}

/* Bytes of an element in a file; 0 = a type not understood here. */
static size_t width_of(int64_t type)
{
    static const unsigned char width[] = {
        [REF_F32] = 4, [REF_U8] = 1,  [REF_I8] = 1,  [REF_U16] = 2,
        [REF_I16] = 2, [REF_I32] = 4, [REF_I64] = 8, [REF_BOOL] = 1,
        [REF_F16] = 2, [REF_F64] = 8, [REF_U32] = 4, [REF_U64] = 8,
        [REF_BF16] = 2};
    return type < 0 || type > REF_BF16 ? 0 : width[type];
}

int64_t ref_wrap(enum ref_type type, int64_t v)
{
    switch (type) {
    case REF_U8:
        return v & 0xFF;
    case REF_I8:
        return (v & 0x7F) - (v & 0x80);
    case REF_U16:
        return v & 0xFFFF;
    case REF_I16:
        return (v & 0x7FFF) - (v & 0x8000);
    case REF_U32:
        return v & 0xFFFFFFFF;
    case REF_I32:
        return (v & 0x7FFFFFFF) - (v & 0x80000000);
    case REF_BOOL:
        return v != 0;
    case REF_I64:
    case REF_U64:
    case REF_F16:
    case REF_BF16:
    case REF_F32:
    case REF_F64:
        break;
    }
    return v;
}

struct ref_tensor *ref_tensor_new(enum ref_type type,
                                  const struct ref_shape *shape)
{
    struct ref_tensor *t = ref_alloc(sizeof(*t) / 8 + 1);
    t->type = type;
    t->shape = *shape;
    t->data = ref_alloc(ref_count(shape));
    return t;
}

void ref_tensor_free(struct ref_tensor *t)
{
    if (t) {
        free(t->data);
        free(t);
    }
}

struct ref_tensor *ref_tensor_copy(const struct ref_tensor *t)
{
    struct ref_tensor *y = ref_tensor_new(t->type, &t->shape);
    memcpy(y->data, t->data, (size_t)ref_count(&t->shape) * 8);
    return y;
}

char *ref_read_file(const char *path, size_t *len)
{
    FILE *f = fopen(path, "rb");
    long size = -1;
    if (f && fseek(f, 0, SEEK_END) == 0) {
        size = ftell(f);
        rewind(f);
    }
    if (size < 0) {
        if (f) {
            fclose(f);
        }
        return NULL;
    }
    char *bytes = ref_alloc(size / 8 + 1);
    *len = fread(bytes, 1, (size_t)size, f);
    fclose(f);
    if (*len != (size_t)size) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

/* ---- element decoding ---- */

static double half_value(uint64_t bits)
{
    const int exponent = (int)(bits >> 10 & 31);
    const double fraction = (double)(bits & 1023);
    double v = exponent == 0 ? ldexp(fraction, -24)
                             : ldexp(fraction + 1024.0, exponent - 25);
    if (exponent == 31) {
        v = bits & 1023 ? NAN : INFINITY;
    }
    return bits >> 15 & 1 ? -v : v;
}

static double float_value(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof(f));
    return (double)f;
}

/* Stores the little-endian bit pattern of an element. */
static void set_bits(struct ref_tensor *t, int64_t ix, uint64_t bits)
{
    double v;
    switch (t->type) {
    case REF_F32:
        v = float_value((uint32_t)bits);
        break;
    case REF_BF16:
        v = float_value((uint32_t)bits << 16);
        break;
    case REF_F16:
        v = half_value(bits);
        break;
    case REF_F64:
        memcpy(&v, &bits, sizeof(v));
        break;
    default:
        ((int64_t *)t->data)[ix] = ref_wrap(t->type, (int64_t)bits);
        return;
    }
    ((double *)t->data)[ix] = v;
}

static void set_raw(struct ref_tensor *t, const unsigned char *raw)
{
    const size_t width = width_of(t->type);
    for (int64_t i = 0; i < ref_count(&t->shape); i++) {
        uint64_t bits = 0;
        for (size_t b = width; b-- > 0;) {
            bits = bits << 8 | raw[(size_t)i * width + b];
        }
        set_bits(t, i, bits);
    }
}

/* `key` of external_data, or NULL. */
static const char *external(const Onnx__TensorProto *p, const char *key)
{
    for (size_t i = 0; i < p->n_external_data; i++) {
        if (strcmp(p->external_data[i]->key, key) == 0) {
            return p->external_data[i]->value;
        }
    }
    return NULL;
}

static bool read_external(struct ref_tensor *t, const Onnx__TensorProto *p,
                          const char *folder)
{
    char path[4096];
    const char *offset = external(p, "offset");
    const char *location = external(p, "location");
    const size_t need = (size_t)ref_count(&t->shape) * width_of(t->type);
    snprintf(path, sizeof(path), "%s/%s", folder, location ? location : "");
    FILE *f = fopen(path, "rb");
    if (!f) {
        return false;
    }
    unsigned char *raw = ref_alloc((int64_t)need / 8 + 1);
    const bool is_ok =
        fseek(f, offset ? strtol(offset, NULL, 10) : 0, SEEK_SET) == 0 &&
        fread(raw, 1, need, f) == need;
    if (is_ok) {
        set_raw(t, raw);
    }
    fclose(f);
    free(raw);
    return is_ok;
}

static bool fill_from_proto(struct ref_tensor *t, const Onnx__TensorProto *p,
                            const char *folder)
{
    const size_t n = (size_t)ref_count(&t->shape);
    double *f = t->data;
    int64_t *v = t->data;
    if (p->has_data_location &&
        p->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
        return read_external(t, p, folder);
    }
    if (p->has_raw_data) {
        if (p->raw_data.len != n * width_of(t->type)) {
            return false;
        }
        set_raw(t, p->raw_data.data);
        return true;
    }
    if (p->n_float_data + p->n_double_data + p->n_int64_data + p->n_int32_data +
            p->n_uint64_data !=
        n) {
        return false;
    }
    for (size_t i = 0; i < p->n_float_data; i++) {
        f[i] = (double)p->float_data[i];
    }
    for (size_t i = 0; i < p->n_double_data; i++) {
        f[i] = p->double_data[i];
    }
    for (size_t i = 0; i < p->n_int64_data; i++) {
        v[i] = p->int64_data[i];
    }
    for (size_t i = 0; i < p->n_uint64_data; i++) {
        v[i] = (int64_t)p->uint64_data[i];
    }
    for (size_t i = 0; i < p->n_int32_data; i++) {
        set_bits(t, (int64_t)i, (uint64_t)p->int32_data[i]);
    }
    return true;
}

struct ref_tensor *ref_tensor_from_proto(const Onnx__TensorProto *p,
                                         const char *folder,
                                         struct ref_error *err)
{
    const char *name = p->name ? p->name : "";
    struct ref_shape shape = {(int)p->n_dims, {0}};
    if (width_of(p->data_type) == 0) {
        ref_fail(err, true, "tensor '%s': element type %d", name, p->data_type);
        return NULL;
    }
    if (p->n_dims > REF_MAX_RANK) {
        ref_fail(err, true, "tensor '%s': rank %zu", name, p->n_dims);
        return NULL;
    }
    int64_t n = 1;
    for (size_t i = 0; i < p->n_dims; i++) {
        shape.dim[i] = p->dims[i];
        if (p->dims[i] < 0 || (n > 0 && p->dims[i] > (INT64_MAX >> 8) / n)) {
            ref_fail(err, false, "tensor '%s': bad dimension", name);
            return NULL;
        }
        n *= p->dims[i];
    }
    struct ref_tensor *t = ref_tensor_new((enum ref_type)p->data_type, &shape);
    if (!fill_from_proto(t, p, folder)) {
        ref_fail(err, false, "tensor '%s': data does not fill its shape", name);
        ref_tensor_free(t);
        return NULL;
    }
    return t;
}

/* ---- .npy ---- */

static const struct {
    char descr[4];
    enum ref_type type;
} npy_types[] = {{"<f4", REF_F32}, {"<f8", REF_F64}, {"<f2", REF_F16},
                 {"|u1", REF_U8},  {"|i1", REF_I8},  {"<u2", REF_U16},
                 {"<i2", REF_I16}, {"<u4", REF_U32}, {"<i4", REF_I32},
                 {"<u8", REF_U64}, {"<i8", REF_I64}, {"|b1", REF_BOOL}};

static struct ref_tensor *parse_npy(const unsigned char *bytes, size_t len)
{
    const bool is_v1 = len > 10 && bytes[6] == 1;
    const size_t head = is_v1 ? 10 : 12;
    if (len < head) {
        return NULL;
    }
    size_t body = head + (size_t)bytes[8] + ((size_t)bytes[9] << 8);
    if (!is_v1) {
        body += ((size_t)bytes[10] << 16) + ((size_t)bytes[11] << 24);
    }
    const char *text = (const char *)bytes + head;
    const char *descr = strstr(text, "'descr': '");
    const char *dims = strstr(text, "'shape': (");
    if (body > len || !descr || !dims || strstr(text, "'fortran_order': T")) {
        return NULL;
    }
    unsigned type = 0;
    for (size_t i = 0; i < sizeof(npy_types) / sizeof(npy_types[0]); i++) {
        if (strncmp(descr + 10, npy_types[i].descr, 3) == 0) {
            type = npy_types[i].type;
        }
    }
    struct ref_shape shape = {0};
    char *end;
    for (dims += 10; shape.rank < REF_MAX_RANK; dims = end + (*end == ',')) {
        const long long d = strtoll(dims, &end, 10);
        if (end == dims) {
            break;
        }
        shape.dim[shape.rank++] = d;
    }
    const size_t width = width_of(type);
    if (width == 0 || (size_t)ref_count(&shape) > (len - body) / width) {
        return NULL;
    }
    struct ref_tensor *t = ref_tensor_new((enum ref_type)type, &shape);
    set_raw(t, bytes + body);
    return t;
}

struct ref_tensor *ref_tensor_read(const char *path, struct ref_error *err)
{
    size_t len;
    struct ref_tensor *t = NULL;
    char *bytes = ref_read_file(path, &len);
    if (!bytes) {
        ref_fail(err, false, "cannot read '%s'", path);
        return NULL;
    }
    if (len > 6 && memcmp(bytes, "\x93NUMPY", 6) == 0) {
        t = parse_npy((const unsigned char *)bytes, len);
        if (!t) {
            ref_fail(err, false, "'%s' is not a plain .npy array", path);
        }
    } else {
        Onnx__TensorProto *p =
            onnx__tensor_proto__unpack(NULL, len, (const uint8_t *)bytes);
        if (p) {
            t = ref_tensor_from_proto(p, ".", err);
            onnx__tensor_proto__free_unpacked(p, NULL);
        } else {
            ref_fail(err, false, "'%s' is not a TensorProto", path);
        }
    }
    free(bytes);
    return t;
}

bool ref_tensor_write_npy(const char *path, const struct ref_tensor *t)
{
    char dims[REF_MAX_RANK * 24] = "";
    char head[512];
    const bool is_float = ref_is_float(t->type);
    const char *descr = is_float ? "<f4" : t->type == REF_BOOL ? "|b1" : "<i8";
    size_t used = 0;
    for (int i = 0; i < t->shape.rank; i++) {
        used += (size_t)snprintf(dims + used, sizeof(dims) - used, "%lld,",
                                 (long long)t->shape.dim[i]);
    }
    /* magic, version and length take 10; the data starts at a multiple of 64 */
    int len = snprintf(head, sizeof(head),
                       "{'descr': '%s', 'fortran_order': False, "
                       "'shape': (%s), }",
                       descr, dims);
    while ((len + 11) % 64 != 0) {
        head[len++] = ' ';
    }
    head[len++] = '\n';
    FILE *f = fopen(path, "wb");
    if (!f) {
        return false;
    }
    fwrite("\x93NUMPY\x01", 1, 8, f); /* with the string's zero: 1.0 */
    fputc(len & 0xFF, f);
    fputc(len >> 8, f);
    fwrite(head, 1, (size_t)len, f);
    for (int64_t i = 0; i < ref_count(&t->shape); i++) {
        uint64_t bits = 0;
        int width = t->type == REF_BOOL ? 1 : 8;
        if (is_float) {
            const float v = (float)((const double *)t->data)[i];
            uint32_t word;
            memcpy(&word, &v, sizeof(word));
            bits = word;
            width = 4;
        } else {
            bits = (uint64_t)((const int64_t *)t->data)[i];
        }
        for (int b = 0; b < width; b++) {
            fputc((int)(bits >> 8 * b & 0xFF), f);
        }
    }
    const bool is_ok = !ferror(f);
    return fclose(f) == 0 && is_ok;
}

/* ---- seeded values, comparison ---- */

static uint64_t splitmix64(uint64_t x)
{
    x += 0x9E3779B97F4A7C15U;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9U;
    x = (x ^ x >> 27) * 0x94D049BB133111EBU;
    return x ^ x >> 31;
}

void ref_tensor_random(struct ref_tensor *t, uint64_t seed, uint64_t input_ix)
{
    for (int64_t i = 0; i < ref_count(&t->shape); i++) {
        const uint64_t z = splitmix64(seed * 0x9E3779B97F4A7C15U +
                                      (input_ix << 40) + (uint64_t)i);
        if (ref_is_float(t->type)) {
            ((double *)t->data)[i] = (double)(z >> 40) / 8388608.0 - 1.0;
        } else {
            ((int64_t *)t->data)[i] =
                (int64_t)(z >> 40) % (t->type == REF_BOOL ? 2 : 128);
        }
    }
}

static double element(const struct ref_tensor *t, int64_t i)
{
    return ref_is_float(t->type) ? ((const double *)t->data)[i]
                                 : (double)((const int64_t *)t->data)[i];
}

bool ref_tensor_match(const struct ref_tensor *got,
                      const struct ref_tensor *want,
                      const struct ref_tolerance *tol, double *worst)
{
    const bool is_float = ref_is_float(want->type);
    const int64_t n = ref_count(&want->shape);
    double top = 0.0;
    int64_t got_ix = 0;
    int64_t want_ix = 0;
    bool is_ok = true;
    *worst = 0.0;
    if (!ref_same_shape(&got->shape, &want->shape) ||
        ref_is_float(got->type) != is_float) {
        *worst = INFINITY;
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        const double w = fabs(element(want, i));
        top = isfinite(w) && w > top ? w : top;
        got_ix = element(got, i) > element(got, got_ix) ? i : got_ix;
        want_ix = element(want, i) > element(want, want_ix) ? i : want_ix;
    }
    for (int64_t i = 0; i < n; i++) {
        const double g = element(got, i);
        const double w = element(want, i);
        if (g == w || (isnan(g) && isnan(w))) {
            continue;
        }
        const double error = fabs(g - w);
        double bound = is_float ? 1e-7 + 1e-3 * fabs(w) : 0.0;
        if (tol->rule == REF_TOL_CLOSE) {
            bound = tol->a * fabs(w) + tol->b * top;
        } else if (tol->rule == REF_TOL_STEPS && !is_float) {
            bound = tol->a;
        }
        is_ok = is_ok && error <= bound;
        *worst = fmax(*worst, isnan(error) ? INFINITY
                                           : error / (top > 0.0 ? top : 1.0));
    }
    return tol->rule == REF_TOL_TOP1 ? got_ix == want_ix : is_ok;
}
