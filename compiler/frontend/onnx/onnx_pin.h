/* onnx_pin.h - --shape, --const and --state: what the user says about inputs
 * and outputs. */
#ifndef FLEXC_FRONTEND_ONNX_PIN_H
#define FLEXC_FRONTEND_ONNX_PIN_H

#include <stdbool.h>

#include "base/attr.h"

struct cx;
struct graph;

/* Applies the pins of cx->opt (may be NULL): an input's shape is set; an input
 * with a value becomes a constant and is no input any more; a state's output
 * and input are joined.
 *
 * E_USAGE   at the option: no input or output of that name, another rank or
 * dimension than the model fixes, or a value that its type cannot hold */
NODISCARD bool onnx_pin(struct graph *g, struct cx *cx);

#endif
