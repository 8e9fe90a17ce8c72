/* numtext.h - numbers from text, strictly: the whole text or nothing. No
 * function changes *out when it returns false. */
#ifndef FLEXC_BASE_NUMTEXT_H
#define FLEXC_BASE_NUMTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attr.h"

/* Decimal digits only; no sign, space or prefix. */
NODISCARD bool parse_u64(const char *text, uint64_t *out);
NODISCARD bool parse_u32(const char *text, uint32_t *out);
/* As above with an optional '-'. */
NODISCARD bool parse_i64(const char *text, int64_t *out);
/* A finite decimal number, optionally with fraction and exponent. */
NODISCARD bool parse_f64(const char *text, double *out);

/* Bytes: digits, optionally a fraction, then a unit of K M G T (powers of 1000;
 * k too) or Ki Mi Gi Ti (powers of 1024), then optionally B. Exact: "1.5K" is
 * 1500, "1.5Ki" is 1536, "1.5" and "0.1Ki" are refused since they are no whole
 * number of bytes. */
NODISCARD bool parse_size(const char *text, uint64_t *out_bytes);

enum { SIZE_TEXT_CAP = 24 };

/* The shortest exact text that parse_size reads back: "50M", "96Ki", "1537". */
void size_text(char dst[SIZE_TEXT_CAP], uint64_t bytes);

#endif
