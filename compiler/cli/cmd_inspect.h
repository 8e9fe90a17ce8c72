/* cmd_inspect.h - flexc inspect FILE: any file of ours, or an ONNX model, as
 * text. */
#ifndef FLEXC_CLI_CMD_INSPECT_H
#define FLEXC_CLI_CMD_INSPECT_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/cx.h"

/* Appends to `text`: of a model the graph as it is in the file; of a blob its
 * header; of a table file header, inputs, outputs, plans and layers; of a plan
 * its header. Ours are told by their first bytes, a model by its name's end.
 *
 * false   E_INPUT for any other file; E_BLOB, E_TABLE, E_PLAN, E_TEXT or what
 *         the model's reader says for one that is damaged */
NODISCARD bool cmd_inspect(const char *path, struct cx *cx, struct buf *text);

#endif
