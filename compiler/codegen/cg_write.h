/* cg_write.h - C text in pieces: identifiers, literals, comments, wrapped
 * tables. Everything a model's names can contain is made harmless here. */
#ifndef FLEXC_CODEGEN_CG_WRITE_H
#define FLEXC_CODEGEN_CG_WRITE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

/* The name mapped to [A-Za-z0-9_], with "m_" before a leading digit, before
 * what begins like the runtime's own names (flx, in any case), and in place of
 * an empty name; NULL (E_MEMORY reported). */
NODISCARD const char *cg_ident(struct arena *a, const char *name);

/* As cg_ident, with a-z mapped to upper case: for macros and constants. */
NODISCARD const char *cg_ident_upper(struct arena *a, const char *name);

/* Text inside a comment: control characters as \xNN, comment marks and
 * backslashes broken up. */
void cg_comment_text(struct buf *b, const char *text);

/* A C string literal with its quotes; bytes outside printable ASCII as octal
 * escapes, '?' as \? so that no trigraph can arise. */
void cg_string(struct buf *b, const char *text);

/* A float as a C constant of type float that reads back to the same bits:
 * hexadecimal; infinities and NaN by FLX_INF and FLX_NAN of flx_kernel.h. */
void cg_float(struct buf *b, uint32_t bits);

/* The elements of an array of unsigned constants, wrapped and indented. */
void cg_words(struct buf *b, const uint32_t *w, uint64_t n);
void cg_bytes(struct buf *b, const uint8_t *p, uint64_t n);

#endif
