/* fuzz_net.h - a small network, compiled once in process by the real stages:
 * what plans, tables and blobs are held against. */
#ifndef FLEXC_TESTS_FUZZ_NET_H
#define FLEXC_TESTS_FUZZ_NET_H

#include "base/buf.h"
#include "codegen/cg_build.h"
#include "ir/options.h"
#include "ir/plan.h"
#include "run/run_model.h"
#include "run/run_table.h"
#include "support/fixture.h"

enum { FUZZ_NET_BUDGETS = 4 };

struct fuzz_net {
    struct fixture f; /* holds the rest */
    struct device device;
    struct budget budget[FUZZ_NET_BUDGETS];
    struct options opt;
    struct layers layers;
    struct chunks chunks;
    struct cands cands;
    struct plan_set plans; /* min, two between, max */
    struct buf blob;
    struct buf table;       /* its .flxt */
    struct run_model model; /* with real kernels */
    uint8_t *input;         /* of input 0: fixed floats */
    uint8_t *output;        /* of output 0 for it, under the last plan */
};

/* Convolutions, a depthwise one, pool, sum, concat, product: about 16 KB of
 * weights. `compress` stores chunks with zstd where that is shorter, for a
 * microcontroller's small chunks; else raw, for a host's aligned reads. The
 * net is built at the first call and kept. */
const struct fuzz_net *fuzz_net(bool compress);

/* The kernels of this machine, as flexrun finds them. */
struct run_kernel fuzz_net_kernel(const char *isa, uint32_t id);

/* Tables of one plan that plan_check has accepted, with real kernels; memory is
 * cx->keep's. */
const struct flx_model *fuzz_net_tables(const struct fuzz_net *n,
                                        const struct plan *plan, struct cx *cx);

/* Opens plan 0 .. of the tables in exactly its peak, with the blob read from
 * memory, runs twice and checks that both outputs are the net's. */
void fuzz_net_run(const struct fuzz_net *n, const struct flx_model *m,
                  uint32_t plan);

#endif
