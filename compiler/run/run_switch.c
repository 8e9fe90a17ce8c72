#include "run/run_switch.h"

#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/numtext.h"
#include "run/run_tensor.h"

enum { RANDOM_REQUESTS = 8 };

static bool parse_request(const char *text, struct run_request *out)
{
    char copy[24];
    const char *colon = strchr(text, ':');
    const size_t len = colon ? (size_t)(colon - text) : sizeof copy;
    if (len >= sizeof copy) {
        return false;
    }
    memcpy(copy, text, len);
    copy[len] = '\0';
    return parse_u32(copy, &out->step) && parse_u32(colon + 1, &out->plan);
}

bool run_switch_parse(const char *text, uint32_t n_plan, struct cx *cx,
                      struct run_switches *out)
{
    struct run_switches s = {.n_plan = n_plan};
    static const char random[] = "random:";
    if (strcmp(text, "all") == 0) {
        s.is_all = true;
        *out = s;
        return true;
    }
    if (strncmp(text, random, sizeof random - 1) == 0) {
        s.is_random = true;
        if (!parse_u64(text + sizeof random - 1, &s.seed)) {
            return diag_error(cx->diag, E_USAGE, at_option("--switch"),
                              "'%s' has no whole number as seed", text);
        }
        *out = s;
        return true;
    }
    struct run_request *request = NULL;
    uint32_t cap = 0;
    for (const char *at = text; at;) {
        const char *end = strchr(at, ',');
        const char *one = arena_strndup(
            cx->scratch, at, end ? (uint64_t)(end - at) : strlen(at));
        struct run_request *r =
            one ? arena_push(cx->keep, request, &s.n, &cap) : NULL;
        if (!r) {
            return false;
        }
        if (!parse_request(one, r)) {
            return diag_error(cx->diag, E_USAGE, at_option("--switch"),
                              "'%s' is not STEP:PLAN", one);
        }
        if (r->plan >= n_plan) {
            return diag_error(cx->diag, E_USAGE, at_option("--switch"),
                              "there is no plan %" PRIu32
                              "; the model has %" PRIu32 ", from 0",
                              r->plan, n_plan);
        }
        at = end ? end + 1 : NULL;
    }
    s.request = request;
    *out = s;
    return true;
}

uint32_t run_switch_at(const struct run_switches *s, uint32_t run_ix,
                       uint32_t step, uint32_t n_step)
{
    uint32_t plan = RUN_NO_PLAN;
    if (s->is_random) {
        const uint64_t bits = run_random_bits(s->seed, run_ix, step);
        const bool is_due = step == 0 || n_step <= RANDOM_REQUESTS ||
                            bits % n_step < RANDOM_REQUESTS;
        return is_due ? (uint32_t)(run_random_bits(~s->seed, run_ix, step) %
                                   s->n_plan)
                      : RUN_NO_PLAN;
    }
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->request[i].step == step) {
            plan = s->request[i].plan;
        }
    }
    return plan;
}
