/* cg_table.h - the tables of a compiled model as a file, NAME.flxt: the same
 * values as in NAME.c, for programs that run a model without a C compiler
 * (flexrun --conformance). Layout: docs/FORMAT.md, "Table file". */
#ifndef FLEXC_CODEGEN_CG_TABLE_H
#define FLEXC_CODEGEN_CG_TABLE_H

#include "base/buf.h"
#include "codegen/cg_build.h"

/* g: the n >= 1 entries. */
NODISCARD bool cg_table(const struct cg_model *g, uint32_t n, struct buf *out);

#endif
