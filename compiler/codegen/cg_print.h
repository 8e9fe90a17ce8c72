/* cg_print.h - the tables of a compiled model as C text. [output: STYLE of
 * generated C is documented in docs/FORMAT.md] */
#ifndef FLEXC_CODEGEN_CG_PRINT_H
#define FLEXC_CODEGEN_CG_PRINT_H

#include "base/buf.h"
#include "codegen/cg_build.h"
#include "ir/options.h"

struct cg_style {
    const char *name;    /* prefix of external symbols; an identifier */
    uint32_t n_entry;    /* cg_models that are given, all of one model */
    const char *version; /* of flexc */
    const struct options *opt;
    struct span blob;    /* non-empty: the weights as an array in the C */
    bool self_contained; /* kernel bodies and headers copied in */
};

/* NAME.h: sizes, plan numbers, the model's symbol, NAME_switch_plan(); with
 * several entries their numbers, and the symbol is an array. */
NODISCARD bool cg_print_header(const struct cg_model *g,
                               const struct cg_style *s, struct cx *cx,
                               struct buf *out);

/* NAME.c: kernel instances and tables; one exported symbol, NAME_model (and
 * NAME_blob with an inline blob). */
NODISCARD bool cg_print_source(const struct cg_model *g,
                               const struct cg_style *s, struct cx *cx,
                               struct buf *out);

/* Makefile and CMakeLists.txt that build NAME.c with the flags that matter. */
NODISCARD bool cg_print_makefile(const struct cg_model *g,
                                 const struct cg_style *s, struct cx *cx,
                                 struct buf *out);
NODISCARD bool cg_print_cmake(const struct cg_model *g,
                              const struct cg_style *s, struct cx *cx,
                              struct buf *out);

#endif
