/* onnx_text.h - ONNX models for tests, from a few lines of text. Writes
 * protobuf's wire format by hand: it shares nothing with the reader. */
#ifndef FLEXC_TESTS_ONNX_TEXT_H
#define FLEXC_TESTS_ONNX_TEXT_H

#include "base/buf.h"
#include "support/fixture.h"

struct graph;

/* The bytes of a model, in the fixture's keep arena. Lines, of words:
 *   opset 13                        first; of the default domain
 *   input NAME TYPE DIMS            DIMS like 1x3x8x8, "-" for a scalar, "?"
 * for output NAME                     none; a dimension that is no number is
 *                                   symbolic
 *   init NAME TYPE DIMS [N...]      zeros, or the numbers given, or "rand" for
 *                                   fixed ones in [-1, 1), "pos" in [0.5, 1.5);
 *                                   as raw_data
 *   typed NAME TYPE DIMS [N...]     the same in the typed field, packed
 *   OP NAME IN... -> OUT... [ATTR=K:VALUE...]
 * "_" is an omitted name. K is the kind: i, f, s, I and F (with commas), or
 * t:TYPE:DIMS:N,N..., or g:NAME, a graph that was given before:
 *   graph NAME                      what follows is in it,
 *   end                             as far as this line
 * Types: f32 f64 i64 i32 u8 bool f16. OP may be DOMAIN:OP.
 */
struct span onnx_text(struct fixture *f, const char *text);

/* Imports that under the name "test.onnx". */
bool onnx_text_import(struct fixture *f, const char *text, struct graph *g);

/* Imports and runs all passes; fails the test on any error. */
void onnx_text_passes(struct fixture *f, const char *text, struct graph *g);

/* The value of that name; fails the test when there is none. */
const struct value *onnx_text_value(const struct graph *g, const char *name);

/* Protobuf fields, for tests of broken files. */
void pb_varint(struct buf *b, uint64_t value);
void pb_int(struct buf *b, unsigned field, uint64_t value);
void pb_bytes(struct buf *b, unsigned field, struct span bytes);
void pb_str(struct buf *b, unsigned field, const char *text);
/* Adds the content of inner as a field, and empties it. */
void pb_message(struct buf *b, unsigned field, struct buf *inner);

#endif
