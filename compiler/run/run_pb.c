/* run_pb.c - a tensor from a serialized TensorProto. */
#include <inttypes.h>
#include <string.h>

#include <onnx.pb-c.h>

#include "base/arena.h"
#include "base/diag.h"
#include "run/run_tensor.h"

/* protobuf-c's memory comes from an arena and goes with its mark. */
static void *pb_alloc(void *arena, size_t size)
{
    return arena_alloc(arena, size, 16);
}

static void pb_free(void *arena, void *ptr)
{
    (void)arena;
    (void)ptr;
}

static bool refuse(struct cx *cx, const char *path, const char *why)
{
    return diag_error(cx->diag, E_INPUT, at_file(path),
                      "%s; expected is a .npy file or a serialized TensorProto "
                      "with its data inside",
                      why);
}

/* Element i of the typed field that holds this element type; false when the
 * field is too short. 32-bit fields hold the bits of narrower types. */
static bool field_bits(const Onnx__TensorProto *p, uint64_t i, uint64_t *bits)
{
    uint32_t word = 0;
    switch (p->data_type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
        if (i < p->n_float_data) {
            memcpy(&word, &p->float_data[i], sizeof word);
        }
        *bits = word;
        return i < p->n_float_data;
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
        if (i < p->n_double_data) {
            memcpy(bits, &p->double_data[i], sizeof *bits);
        }
        return i < p->n_double_data;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT64:
        *bits = i < p->n_int64_data ? (uint64_t)p->int64_data[i] : 0;
        return i < p->n_int64_data;
    case ONNX__TENSOR_PROTO__DATA_TYPE__UINT32:
    case ONNX__TENSOR_PROTO__DATA_TYPE__UINT64:
        *bits = i < p->n_uint64_data ? p->uint64_data[i] : 0;
        return i < p->n_uint64_data;
    default:
        *bits = i < p->n_int32_data ? (uint64_t)p->int32_data[i] : 0;
        return i < p->n_int32_data;
    }
}

/* Bits of an element of which a byte holds several, the first lowest; else 0.
 */
static uint32_t packed_bits(uint32_t dtype)
{
    switch (dtype) {
    case 21: /* uint4, int4, float4e2m1 */
    case 22:
    case 23:
        return 4;
    case 25: /* uint2, int2 */
    case 26:
        return 2;
    default:
        return 0;
    }
}

/* Each element into a byte of its own, signed ones extended. */
static bool unpack(const Onnx__TensorProto *p, const struct run_tensor *t,
                   uint32_t bits, uint8_t *dst)
{
    const uint32_t each = 8 / bits;
    const uint32_t sign =
        t->dtype == 22 || t->dtype == 26 ? 1U << (bits - 1) : 0;
    const uint64_t n_byte = t->n / each + (t->n % each != 0);
    if ((p->has_raw_data ? p->raw_data.len : p->n_int32_data) != n_byte) {
        return false;
    }
    for (uint64_t i = 0; i < t->n; i++) {
        const uint32_t byte = p->has_raw_data
                                  ? p->raw_data.data[i / each]
                                  : (uint32_t)p->int32_data[i / each];
        const uint32_t x = byte >> (i % each * bits) & ((1U << bits) - 1);
        dst[i] = (uint8_t)((x ^ sign) - sign);
    }
    return true;
}

static bool copy_data(const Onnx__TensorProto *p, const struct run_tensor *t,
                      uint8_t *dst)
{
    const uint32_t width = run_type_of(t->dtype)->bytes;
    const uint32_t narrow = packed_bits(t->dtype);
    if (narrow) {
        return unpack(p, t, narrow, dst);
    }
    if (p->has_raw_data) {
        if (p->raw_data.len != run_tensor_bytes(t)) {
            return false;
        }
        if (p->raw_data.len > 0) {
            memcpy(dst, p->raw_data.data, p->raw_data.len);
        }
        return true;
    }
    for (uint64_t i = 0; i < t->n; i++) {
        uint64_t bits = 0;
        if (!field_bits(p, i, &bits)) {
            return false;
        }
        for (uint32_t k = 0; k < width; k++) {
            dst[i * width + k] = (uint8_t)(bits >> 8 * k);
        }
    }
    return true;
}

static bool from_proto(const Onnx__TensorProto *p, const char *path,
                       struct cx *cx, struct run_tensor *out)
{
    struct run_tensor t = {.name = ""};
    t.dtype = p->has_data_type && p->data_type > 0 ? (uint32_t)p->data_type : 0;
    if (!run_type_of(t.dtype)) {
        return diag_error(cx->diag, E_UNSUPPORTED, at_file(path),
                          "element type %" PRIu32 " is not supported", t.dtype);
    }
    if (p->n_dims > RUN_MAX_RANK) {
        return refuse(cx, path, "has more than 8 dimensions");
    }
    t.rank = (uint32_t)p->n_dims;
    for (uint32_t i = 0; i < t.rank; i++) {
        if (p->dims[i] < 0) {
            return refuse(cx, path, "has a negative dimension");
        }
        t.dim[i] = (uint64_t)p->dims[i];
    }
    /* The data is in the file: larger dimensions are lies, refused before
     * memory is taken for them. */
    const uint64_t n_stored = p->raw_data.len + p->n_float_data +
                              p->n_double_data + p->n_int32_data +
                              p->n_int64_data + p->n_uint64_data;
    if (!run_tensor_count(&t) || t.n > n_stored * 4) {
        return refuse(cx, path, "holds less data than its shape says");
    }
    uint8_t *data = arena_alloc(cx->keep, run_tensor_bytes(&t), 64);
    char *name = arena_strdup(cx->keep, p->name ? p->name : "");
    if (!data || !name) {
        return false;
    }
    if (!copy_data(p, &t, data)) {
        return refuse(cx, path, "holds another amount of data than its shape");
    }
    t.name = name;
    t.data = data;
    *out = t;
    return true;
}

bool run_pb_parse(struct span file, const char *path, struct cx *cx,
                  struct run_tensor *out)
{
    ProtobufCAllocator alloc = {pb_alloc, pb_free, cx->scratch};
    const struct arena_mark mark = arena_mark(cx->scratch);
    const Onnx__TensorProto *p =
        onnx__tensor_proto__unpack(&alloc, file.len, file.data);
    const bool ok = p ? from_proto(p, path, cx, out)
                      : refuse(cx, path, "is no TensorProto");
    arena_rewind(cx->scratch, mark);
    return ok;
}
