/* zoo.h - the networks that flexzoo can write, and how one is built. */
#ifndef FLEXC_MODELS_ZOO_H
#define FLEXC_MODELS_ZOO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"
#include "models/zoo_net.h"

struct arena;
struct diag;

/* Which options a network knows. */
enum {
    ZOO_WIDTH = 1,
    ZOO_RES = 2,
    ZOO_SEQ = 4,
    ZOO_PATCH = 8,
    ZOO_DYNAMIC = 16
};

enum {
    ZOO_LEAST_RES = 32,    /* of the image networks; tiny: 1 */
    ZOO_MOST_RES = 4096,   /* pixels */
    ZOO_MOST_SEQ = 1024,   /* tokens: GPT-2's context */
    ZOO_LEAST_WIDTH = 10,  /* thousandths */
    ZOO_MOST_WIDTH = 4000, /* thousandths */
};

struct zoo_model {
    const char *name;
    void (*build)(struct zoo_net *z);
    unsigned opset;
    unsigned options;
    uint32_t res_step;
    struct zoo_opts defaults; /* seed 1 */
    const char *summary;
};

/* The table, in the order of zoo.def. */
size_t zoo_n_models(void);
const struct zoo_model *zoo_model_at(size_t ix);
/* NULL when there is no network of that name. */
const struct zoo_model *zoo_find(const char *name);

/* Requested options: a 0 means the network's default (for has_seed: false). */
struct zoo_request {
    bool has_seed;
    uint64_t seed;
    uint32_t res;
    uint32_t width_milli;
    uint32_t seq;
    uint32_t patch;
    bool is_dynamic;
};

/* Defaults overridden by the request.
 *
 * false   E_USAGE: an option that this network does not know, or a value
 *         outside its range; *out unchanged */
NODISCARD bool zoo_resolve(const struct zoo_model *model,
                           const struct zoo_request *request, struct diag *d,
                           struct zoo_opts *out);

/* Builds a network; weights are recipes, so this takes about a megabyte and a
 * millisecond for any of them. The result's counters are filled.
 *
 *   opts   from zoo_resolve; outlives *out
 *   keep   holds the model
 *
 * false   out of memory, reported; E_USAGE, its weights exceed the 2 GiB of an
 *         ONNX file */
NODISCARD bool zoo_build(const struct zoo_model *model,
                         const struct zoo_opts *opts, struct arena *keep,
                         struct diag *d, struct zoo_net *out);

#endif
