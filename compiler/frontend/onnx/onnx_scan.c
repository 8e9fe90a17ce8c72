#include "frontend/onnx/onnx_scan.h"

#include <inttypes.h>
#include <onnx.pb-c.h>

#include "base/arena.h"
#include "base/cx.h"
#include "base/diag.h"
#include "base/le.h"

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* Field numbers of TensorProto. */
enum {
    TENSOR_DATA_TYPE = 2,
    TENSOR_FLOAT_DATA = 4,
    TENSOR_RAW_DATA = 9,
};

/* A length that is known only later takes this many bytes, padded. */
enum { LENGTH_BYTES = 5 };

struct scan {
    struct cx *cx;
    const uint8_t *start; /* of the file */
    struct onnx_scan *out;
};

/* One field: its key and value in the file. */
struct field {
    uint32_t number;
    enum wire wire;
    struct span all;  /* with its key */
    struct span body; /* of WIRE_BYTES */
    uint64_t value;   /* of WIRE_VARINT */
};

static bool bad(const struct scan *s, const struct reader *r, const char *what)
{
    const uint64_t off = (uint64_t)(r->in.data - s->start) + r->at;
    return diag_error(s->cx->diag, E_ONNX_PARSE, at_byte(off),
                      "%s: this is no ONNX model", what);
}

static bool read_varint(const struct scan *s, struct reader *r, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        uint8_t byte;
        if (!reader_u8(r, &byte)) {
            return bad(s, r, "a number is cut off");
        }
        if (shift == 63 && byte > 1) {
            break;
        }
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    return bad(s, r, "a number has more than 64 bits");
}

static bool read_field(const struct scan *s, struct reader *r, unsigned depth,
                       struct field *f)
{
    const uint64_t begin = r->at;
    uint64_t key = 0;
    if (!read_varint(s, r, &key)) {
        return false;
    }
    if (key >> 3 == 0 || key > UINT32_MAX) {
        return bad(s, r, "a field has an impossible number");
    }
    f->number = (uint32_t)(key >> 3);
    f->wire = (enum wire)(key & 7);
    bool is_inside = true;
    uint64_t len = 0;
    switch (f->wire) {
    case WIRE_VARINT:
        if (!read_varint(s, r, &f->value)) {
            return false;
        }
        break;
    case WIRE_64:
        len = 8;
        is_inside = reader_skip(r, len);
        break;
    case WIRE_32:
        len = 4;
        is_inside = reader_skip(r, len);
        break;
    case WIRE_BYTES:
        if (!read_varint(s, r, &len)) {
            return false;
        }
        is_inside = reader_take(r, len, &f->body);
        break;
    default:
        return bad(s, r, "a field has an unknown wire type");
    }
    if (!is_inside && depth == 0) {
        return diag_error(s->cx->diag, E_ONNX_TRUNCATED, at_byte(begin),
                          "a field of %" PRIu64
                          " bytes begins here, but the file has only %" PRIu64
                          " more: it was cut off; copy it again",
                          len, reader_left(r));
    }
    if (!is_inside) {
        return bad(s, r, "a field is longer than what it is part of");
    }
    return span_sub(r->in, begin, r->at - begin, &f->all);
}

/* float_data that lies in the file as raw_data would: one packed piece of f32,
 * and no raw_data. Also true only if the whole message is well formed. */
static bool has_plain_floats(const struct scan *s, struct span in,
                             unsigned depth, bool *is_plain)
{
    struct reader r = reader_of(in);
    unsigned n_float = 0;
    bool is_packed = false;
    bool is_f32 = false;
    bool has_raw = false;
    while (reader_left(&r) > 0) {
        struct field f = {0};
        if (!read_field(s, &r, depth, &f)) {
            return false;
        }
        if (f.number == TENSOR_FLOAT_DATA) {
            n_float++;
            is_packed = f.wire == WIRE_BYTES;
        } else if (f.number == TENSOR_DATA_TYPE && f.wire == WIRE_VARINT) {
            is_f32 = f.value == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
        } else if (f.number == TENSOR_RAW_DATA) {
            has_raw = true;
        }
    }
    *is_plain = n_float == 1 && is_packed && is_f32 && !has_raw;
    return true;
}

static bool put_token(struct scan *s, struct span data)
{
    struct onnx_scan *const out = s->out;
    struct span *const raw =
        arena_push(s->cx->scratch, out->raw, &out->n_raw, &out->cap_raw);
    if (!raw) {
        return false;
    }
    *raw = data;
    buf_u8(&out->bytes, TENSOR_RAW_DATA << 3 | WIRE_BYTES);
    buf_u8(&out->bytes, 4);
    buf_le32(&out->bytes, out->n_raw - 1);
    return buf_ok(&out->bytes);
}

/* Recursion ends at ONNX_MAX_DEPTH. NOLINTBEGIN(misc-no-recursion) */
static bool copy_message(struct scan *s, struct span in, unsigned depth,
                         const ProtobufCMessageDescriptor *type);

/* Key, length left open, content, then the length. */
static bool copy_nested(struct scan *s, const struct field *f, unsigned depth,
                        const ProtobufCMessageDescriptor *type)
{
    struct buf *const out = &s->out->bytes;
    uint64_t key = (uint64_t)f->number << 3 | WIRE_BYTES;
    while (key >= 0x80) {
        buf_u8(out, (uint8_t)(key | 0x80));
        key >>= 7;
    }
    buf_u8(out, (uint8_t)key);
    buf_zeros(out, LENGTH_BYTES);
    const uint64_t begin = out->len;
    if (!copy_message(s, f->body, depth + 1, type) || !buf_ok(out)) {
        return false;
    }
    uint64_t len = out->len - begin;
    if (len > INT32_MAX) {
        return diag_error(s->cx->diag, E_TOO_BIG, at_none(),
                          "a part of the model has %" PRIu64
                          " bytes beyond raw data; protobuf ends at 2 GiB",
                          len);
    }
    uint8_t *const dst = out->data + begin - LENGTH_BYTES;
    for (unsigned i = 0; i < LENGTH_BYTES; i++) {
        dst[i] = (uint8_t)((len & 0x7f) | (i + 1 < LENGTH_BYTES ? 0x80 : 0));
        len >>= 7;
    }
    return true;
}

static bool copy_message(struct scan *s, struct span in, unsigned depth,
                         const ProtobufCMessageDescriptor *type)
{
    if (depth > ONNX_MAX_DEPTH) {
        const uint64_t off = (uint64_t)(in.data - s->start);
        return diag_error(s->cx->diag, E_ONNX_DEPTH, at_byte(off),
                          "messages are nested deeper than %d", ONNX_MAX_DEPTH);
    }
    const bool is_tensor = type == &onnx__tensor_proto__descriptor;
    bool is_plain = false;
    if (is_tensor && !has_plain_floats(s, in, depth, &is_plain)) {
        return false;
    }
    struct reader r = reader_of(in);
    while (reader_left(&r) > 0) {
        struct field f = {0};
        if (!read_field(s, &r, depth, &f)) {
            return false;
        }
        const ProtobufCFieldDescriptor *const field =
            protobuf_c_message_descriptor_get_field(type, f.number);
        const bool is_message = field && field->type == PROTOBUF_C_TYPE_MESSAGE;
        const bool is_data =
            is_tensor && (f.number == TENSOR_RAW_DATA ||
                          (is_plain && f.number == TENSOR_FLOAT_DATA));
        if ((is_message || is_data) && f.wire != WIRE_BYTES) {
            return bad(s, &r, "a field has the wrong wire type");
        }
        if (is_data) {
            if (!put_token(s, f.body)) {
                return false;
            }
        } else if (is_message) {
            if (!copy_nested(s, &f, depth, field->descriptor)) {
                return false;
            }
        } else {
            buf_span(&s->out->bytes, f.all);
        }
    }
    return buf_ok(&s->out->bytes);
}
/* NOLINTEND(misc-no-recursion) */

bool onnx_scan(struct span in, const ProtobufCMessageDescriptor *type,
               struct cx *cx, struct onnx_scan *out)
{
    *out = (struct onnx_scan){0};
    buf_init(&out->bytes, cx->scratch);
    struct scan s = {cx, in.data, out};
    return copy_message(&s, in, 0, type);
}

static void *unpack_alloc(void *arena, size_t size)
{
    return arena_alloc(arena, size, 16);
}

/* The arena is rewound as a whole. */
static void unpack_free(void *arena UNUSED, void *ptr UNUSED)
{
}

ProtobufCMessage *onnx_unpack(struct span in,
                              const ProtobufCMessageDescriptor *type,
                              struct cx *cx, struct onnx_scan *out)
{
    if (!onnx_scan(in, type, cx, out)) {
        buf_free(&out->bytes);
        return NULL;
    }
    ProtobufCAllocator allocator = {unpack_alloc, unpack_free, cx->scratch};
    ProtobufCMessage *const message = protobuf_c_message_unpack(
        type, &allocator, out->bytes.len, out->bytes.data);
    buf_free(&out->bytes);
    if (!message) {
        (void)diag_error(cx->diag, E_ONNX_PARSE, at_none(),
                         "a field has another type than ONNX gives it: this "
                         "is no ONNX model");
    }
    return message;
}
