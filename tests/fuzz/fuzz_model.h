/* fuzz_model.h - the models whose plans and blobs are fuzzed: those made by
 * hand for the runtime's tests, whose kernels mix every byte they may read into
 * the result, and compiled networks with real kernels. */
#ifndef FLEXC_TESTS_FUZZ_MODEL_H
#define FLEXC_TESTS_FUZZ_MODEL_H

#include <stdint.h>

#include "flexrt/flx_format.h"

enum { FUZZ_N_MODEL = 6 };

struct fuzz_model {
    const struct flx_model *tables;
    const uint8_t *blob; /* tables->blob_bytes */
    const uint8_t *input;
    const uint8_t *output; /* for it, under every plan */
};

/* Model ix % FUZZ_N_MODEL: by hand 0 raw, 1 raw and aligned to pages,
 * 2 compressed, 3 with a plan that reads weights in place; compiled 4 raw,
 * 5 compressed. Built at the first call and kept. */
const struct fuzz_model *fuzz_model(uint32_t ix);

#endif
