/* fuzz.h - what the fuzz targets share. A target is one door that bytes from
 * outside come through: fuzz_DOOR.c defines LLVMFuzzerTestOneInput, says in its
 * first lines what must hold for every input, and breaks off when it does not.
 * libFuzzer and AFL++ call it (scripts/fuzz-run); as an ordinary test,
 * fuzz_files.c calls it for each file of corpus/DOOR. */
#ifndef FLEXC_TESTS_FUZZ_H
#define FLEXC_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/cx.h"
#include "base/diag.h"
#include "base/span.h"

/* Returns 0; the bytes are the caller's and exactly so long. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A stage's surroundings for one input: cx points to the rest. */
struct fuzz {
    struct arena keep;
    struct arena scratch;
    struct diag diag;
    struct cx cx;
};

/* Each arena may take cap_bytes: what asks for more is refused (E_MEMORY). */
void fuzz_start(struct fuzz *f, uint64_t cap_bytes);
void fuzz_end(struct fuzz *f);

/* Breaks off with the property as the reason when it does not hold. */
void fuzz_check(bool holds, const char *property);

/* What every stage of the compiler owes: true without an error, or false with
 * one that has an id and a text. */
void fuzz_check_diag(const struct fuzz *f, bool ok);

/* Takes a byte off the front of *in; 0 at its end. */
uint8_t fuzz_byte(struct span *in);

#endif
