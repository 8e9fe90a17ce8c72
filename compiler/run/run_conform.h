/* run_conform.h - flexrun --conformance: folders in the layout of the ONNX
 * backend tests. */
#ifndef FLEXC_RUN_RUN_CONFORM_H
#define FLEXC_RUN_RUN_CONFORM_H

#include <stdio.h>

#include "base/attr.h"
#include "base/cx.h"
#include "run/run_args.h"

/* Runs every folder of a->path: model.onnx, test_data_set_N/input_I.pb and
 * output_I.pb, and maybe `tolerance`. Each is tried with its inputs as given
 * (compiled once per distinct set of their shapes) and, where operators have
 * weights, with these as initialisers; each time under every budget, with the
 * same output bits under all. Prints "NAME ok", "NAME FAIL reason" or "NAME
 * unsupported OP" a line, and "N passed, N failed, N skipped" last.
 *
 * false   E_MISMATCH when a test failed; E_CHILD without a flexc; E_IO */
NODISCARD bool run_conform(const struct run_args *a, struct cx *cx, FILE *out);

#endif
