#include "frontend/onnx/onnx_tensor.h"

#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/le.h"
#include "base/numtext.h"
#include "base/size.h"

/* The map of an external file; NULL: reported. */
static const struct file_map *map_file(struct onnx_source *src,
                                       const char *name, struct diag_at at)
{
    for (uint32_t i = 0; i < src->n_file; i++) {
        if (strcmp(src->file[i].name, name) == 0) {
            return &src->file[i].map;
        }
    }
    struct cx *const cx = src->cx;
    const char *const path = path_join(cx->scratch, src->dir, name);
    if (!path) {
        return NULL;
    }
    if (!file_exists(path)) {
        (void)diag_error(cx->diag, E_EXTERNAL_DATA, at,
                         "its data is in '%s', which is not there; external "
                         "data is looked for beside the model",
                         name);
        return NULL;
    }
    struct file_map map;
    if (!file_map(path, cx->diag, &map)) {
        return NULL;
    }
    struct onnx_file *const file =
        arena_push(cx->scratch, src->file, &src->n_file, &src->cap_file);
    if (!file) {
        file_unmap(&map);
        return NULL;
    }
    *file = (struct onnx_file){name, map};
    return &file->map;
}

/* A relative path that stays below the model's folder. */
static bool is_safe_path(const char *path)
{
    if (path[0] == '\0' || path[0] == '/' || strchr(path, '\\')) {
        return false;
    }
    for (const char *part = path; part;) {
        const char *const end = strchr(part, '/');
        const size_t len = end ? (size_t)(end - part) : strlen(part);
        if (len == 2 && part[0] == '.' && part[1] == '.') {
            return false;
        }
        part = end ? end + 1 : NULL;
    }
    return true;
}

static bool external_data(struct onnx_source *src, const Onnx__TensorProto *t,
                          struct diag_at at, uint64_t want, struct span *out)
{
    struct diag *const d = src->cx->diag;
    const char *location = NULL;
    uint64_t offset = 0;
    uint64_t len = want;
    for (size_t i = 0; i < t->n_external_data; i++) {
        const char *const key = t->external_data[i]->key;
        const char *const value = t->external_data[i]->value;
        if (!key || !value) {
            continue;
        }
        if (strcmp(key, "location") == 0) {
            location = value;
        } else if ((strcmp(key, "offset") == 0 && !parse_u64(value, &offset)) ||
                   (strcmp(key, "length") == 0 && !parse_u64(value, &len))) {
            return diag_error(d, E_EXTERNAL_DATA, at,
                              "the %s of its external data is '%s', no number",
                              key, value);
        }
    }
    if (!location || !is_safe_path(location)) {
        return diag_error(d, E_EXTERNAL_DATA, at,
                          "its data is at '%s'; only a relative path below the "
                          "model's folder is read",
                          location ? location : "");
    }
    if (len != want) {
        return diag_error(d, E_EXTERNAL_DATA, at,
                          "its external data has %" PRIu64
                          " bytes, but its shape needs %" PRIu64,
                          len, want);
    }
    const struct file_map *const map = map_file(src, location, at);
    if (!map) {
        return false;
    }
    if (!span_sub(map->bytes, offset, len, out)) {
        return diag_error(d, E_EXTERNAL_DATA, at,
                          "its data is bytes %" PRIu64 " to %" PRIu64
                          " of '%s', which has only %" PRIu64,
                          offset, offset + len, location, map->bytes.len);
    }
    return true;
}

/* Least and most value of the types that int32_data stands for. */
static void int32_range(enum dtype t, int64_t *lo, int64_t *hi)
{
    const unsigned bits = t == DTYPE_BOOL ? 1 : dtype_bytes(t) * 8;
    const bool is_signed = t == DTYPE_I8 || t == DTYPE_I16 || t == DTYPE_I32;
    *lo = is_signed ? -(INT64_C(1) << (bits - 1)) : 0;
    *hi = (INT64_C(1) << (is_signed ? bits - 1 : bits)) - 1;
}

/* The typed field that holds elements of type t. */
static size_t typed_count(const Onnx__TensorProto *t, enum dtype type)
{
    switch (type) {
    case DTYPE_F32:
        return t->n_float_data;
    case DTYPE_F64:
        return t->n_double_data;
    case DTYPE_I64:
        return t->n_int64_data;
    case DTYPE_U32:
    case DTYPE_U64:
        return t->n_uint64_data;
    case DTYPE_U8:
    case DTYPE_I8:
    case DTYPE_U16:
    case DTYPE_I16:
    case DTYPE_I32:
    case DTYPE_BOOL:
    case DTYPE_F16:
    case DTYPE_BF16:
    case DTYPE_F8E4M3FN:
    case DTYPE_F8E4M3FNUZ:
    case DTYPE_F8E5M2:
    case DTYPE_F8E5M2FNUZ:
    case DTYPE_F8E8M0:
    case DTYPE_U4:
    case DTYPE_I4:
    case DTYPE_F4E2M1:
    case DTYPE_U2:
    case DTYPE_I2:
        return t->n_int32_data;
    case DTYPE_NONE:
    case DTYPE_STRING:
    case DTYPE_C64:
    case DTYPE_C128:
        return 0;
    }
    return 0;
}

/* Element i of the typed field as the bits of the element. */
static bool typed_bits(struct cx *cx, const Onnx__TensorProto *t,
                       enum dtype type, size_t i, struct diag_at at,
                       uint64_t *bits)
{
    if (type == DTYPE_F32) {
        uint32_t word;
        memcpy(&word, &t->float_data[i], sizeof word);
        *bits = word;
    } else if (type == DTYPE_F64) {
        memcpy(bits, &t->double_data[i], sizeof *bits);
    } else if (type == DTYPE_I64) {
        *bits = (uint64_t)t->int64_data[i];
    } else if (type == DTYPE_U32 || type == DTYPE_U64) {
        *bits = t->uint64_data[i];
        if (type == DTYPE_U32 && *bits > UINT32_MAX) {
            return diag_error(cx->diag, E_CONST, at,
                              "element %zu is %" PRIu64 ", too big for u32", i,
                              *bits);
        }
    } else {
        const int64_t value = t->int32_data[i];
        int64_t lo;
        int64_t hi;
        int32_range(type, &lo, &hi);
        if (value < lo || value > hi) {
            return diag_error(cx->diag, E_CONST, at,
                              "element %zu is %" PRId64 ", outside %" PRId64
                              " to %" PRId64 " of %s",
                              i, value, lo, hi, dtype_name(type));
        }
        *bits = (uint64_t)value;
    }
    return true;
}

static bool typed_data(struct cx *cx, const Onnx__TensorProto *t,
                       enum dtype type, struct diag_at at, uint64_t count,
                       struct span *out)
{
    const size_t n = typed_count(t, type);
    if (n != count) {
        return diag_error(cx->diag, E_CONST, at,
                          "it has %zu elements of data, but its shape needs "
                          "%" PRIu64,
                          n, count);
    }
    const uint32_t size = dtype_bytes(type);
    uint8_t *const data = arena_alloc_array(cx->keep, n, size, 8);
    if (!data) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = 0;
        if (!typed_bits(cx, t, type, i, at, &bits)) {
            return false;
        }
        for (uint32_t k = 0; k < size; k++) {
            data[i * size + k] = (uint8_t)(bits >> 8 * k);
        }
    }
    *out = (struct span){data, n * size};
    return true;
}

/* Elements of less than a byte, each into a byte of its own. */
static bool unpack(struct cx *cx, enum dtype t, uint64_t count,
                   struct span *data)
{
    uint8_t *const bytes = arena_alloc_array(cx->keep, count, 1, 8);
    for (uint64_t i = 0; bytes && i < count; i++) {
        bytes[i] = dtype_unpacked(t, data->data, i);
    }
    *data = (struct span){bytes, count};
    return bytes != NULL;
}

bool onnx_tensor(struct onnx_source *src, const Onnx__TensorProto *t,
                 struct diag_at at, struct onnx_tensor *out)
{
    struct diag *const d = src->cx->diag;
    const enum dtype type = (enum dtype)t->data_type;
    const uint32_t size = dtype_bytes(type);
    if (!t->has_data_type || size == 0) {
        return diag_error(d, E_TYPE, at,
                          "elements of type %d (%s) are not supported",
                          t->data_type, dtype_name(type));
    }
    if (t->n_dims > TENSOR_MAX_RANK) {
        return diag_error(d, E_SHAPE, at,
                          "it has %zu dimensions; the most is %d", t->n_dims,
                          TENSOR_MAX_RANK);
    }
    *out = (struct onnx_tensor){.dtype = type};
    out->shape.rank = (uint32_t)t->n_dims;
    for (size_t i = 0; i < t->n_dims; i++) {
        if (t->dims[i] < 0) {
            return diag_error(d, E_SHAPE, at,
                              "dimension %zu is %" PRId64 "; it must not be "
                              "negative",
                              i, t->dims[i]);
        }
        out->shape.dim[i] = t->dims[i];
    }
    uint64_t count;
    uint64_t want;
    if (!shape_count(&out->shape, &count) || !size_mul(&want, count, size)) {
        return diag_error(d, E_TOO_BIG, at, "its size overflows 62 bits");
    }
    const uint32_t bits = dtype_packed_bits(type);
    want = bits ? count / (8 / bits) + (count % (8 / bits) != 0) : want;
    if (t->segment) {
        return diag_error(d, E_CONST, at, "segments are not supported");
    }
    if (t->has_data_location &&
        t->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
        return external_data(src, t, at, want, &out->data) &&
               (!bits || unpack(src->cx, type, count, &out->data));
    }
    if (!t->has_raw_data) {
        /* Each number of packed types is a byte of several elements. */
        return typed_data(src->cx, t, bits ? DTYPE_U8 : type, at,
                          bits ? want : count, &out->data) &&
               (!bits || unpack(src->cx, type, count, &out->data));
    }
    /* onnx_scan put a token there; a message merged out of several keeps the
     * last. */
    const uint32_t ix =
        t->raw_data.len == 4 ? le32_get(t->raw_data.data) : UINT32_MAX;
    if (ix >= src->scan->n_raw) {
        return diag_error(d, E_ONNX_PARSE, at, "its data is not in the file");
    }
    out->data = src->scan->raw[ix];
    if (out->data.len != want) {
        return diag_error(d, E_CONST, at,
                          "it has %" PRIu64
                          " bytes of data, but its shape needs %" PRIu64,
                          out->data.len, want);
    }
    return !bits || unpack(src->cx, type, count, &out->data);
}
