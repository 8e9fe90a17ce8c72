/* onnx_scan.h - a look at protobuf's wire format before the library sees it:
 * lengths and depth are checked, and large data stays in the file. */
#ifndef FLEXC_FRONTEND_ONNX_SCAN_H
#define FLEXC_FRONTEND_ONNX_SCAN_H

#include <protobuf-c/protobuf-c.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/span.h"

struct cx;

enum { ONNX_MAX_DEPTH = 32 }; /* nested messages */

/* bytes   the message with every raw_data of a TensorProto replaced by a
 *         token, le32 of an index into raw; a float_data in one packed piece
 *         is taken for raw_data, since it is stored the same way
 * raw     where the data lies in the scanned span */
struct onnx_scan {
    struct buf bytes;
    struct span *raw;
    uint32_t n_raw;
    uint32_t cap_raw;
};

/* Scans a message of the type described. Everything is in the scratch arena.
 *
 * E_ONNX_TRUNCATED   the last field is longer than the file
 * E_ONNX_PARSE       no protobuf
 * E_ONNX_DEPTH       deeper than ONNX_MAX_DEPTH */
NODISCARD bool onnx_scan(struct span in, const ProtobufCMessageDescriptor *type,
                         struct cx *cx, struct onnx_scan *out);

/* Scans, then unpacks into the scratch arena, where the message stays until
 * the caller rewinds it. NULL: reported. */
NODISCARD ProtobufCMessage *onnx_unpack(struct span in,
                                        const ProtobufCMessageDescriptor *type,
                                        struct cx *cx, struct onnx_scan *out);

#endif
