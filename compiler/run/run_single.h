/* run_single.h - flexrun DIR and flexrun MODEL.onnx. */
#ifndef FLEXC_RUN_RUN_SINGLE_H
#define FLEXC_RUN_RUN_SINGLE_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/cx.h"
#include "flexrt/flx_format.h"
#include "run/run_args.h"
#include "run/run_model.h"

/* Runs one model under the plans that the arguments choose and appends what is
 * to be printed to `text`; writes the files asked for.
 *
 *   child_exit  flexc's code when it refused the model, having said why; then
 *               false is returned without an error in the diag
 *
 * false   reported; E_MISMATCH when an output differs from --check or between
 *         plans */
NODISCARD bool run_single(const struct run_args *a, struct cx *cx,
                          struct buf *text, int *child_exit);

/* Reads `path` as the input *t, whose name, type and shape are given: a picture
 * by opt, else a tensor of this type and shape. false: reported. */
NODISCARD bool run_read_input(const char *path, const struct run_image_opt *opt,
                              struct cx *cx, struct run_tensor *t);

/* All inputs of a model, in cx->keep: of the files that --input lists, random
 * by --seed for others; of a sequence those of all inferences, whose entries
 * `order` has (NULL: the one chosen). NULL: reported. */
NODISCARD struct run_tensor *run_inputs(const struct run_args *a,
                                        const struct run_model *model,
                                        const uint32_t *order, struct cx *cx);

#endif
