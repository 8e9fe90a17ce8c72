/* run_json.h - what a run found, as JSON and as text. */
#ifndef FLEXC_RUN_RUN_JSON_H
#define FLEXC_RUN_RUN_JSON_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/cx.h"
#include "run/run_exec.h"

/* A run and, with --profile-layers, its table of layers. */
struct run_report {
    const struct run_result *result;
    const struct run_profile *layer; /* NULL: none */
    uint32_t n_layer;
};

/* Appends one object for one run, an array of them for several:
 *   {"plan","budget","runs","latency_ms":{"median","min","max"},"arena_peak",
 *    "rss_over_idle","bytes_read","bytes_ahead","loads","steps",
 *    "switches":[{"run","step","from","to","us","released"}],
 *    "outputs":[{"name","shape","sha256"}]}
 * and with a profile
 * "layers":[{"name","algorithm","boxes","ms","gflops","peak",
 * "bytes","load_ms"}]. bytes_read ends with the last output; bytes_ahead came
 * for an inference that did not follow. false: E_MEMORY. */
NODISCARD bool run_json_print(const struct run_report *r, uint32_t n,
                              struct cx *cx, struct buf *out);

/* Appends a few lines about one run. */
void run_text_print(const struct run_report *r, struct buf *out);

#endif
