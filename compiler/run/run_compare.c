#include "run/run_compare.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/fileio.h"
#include "base/numtext.h"

/* ---- the file ------------------------------------------------------------ */

static bool parse_number(struct span *rest, struct arena *a, double *out)
{
    struct span word;
    if (!span_word(rest, &word)) {
        return false;
    }
    const char *text = arena_strndup(a, (const char *)word.data, word.len);
    return text && parse_f64(text, out) && *out >= 0;
}

static bool parse_rule(struct span line, struct arena *a,
                       struct run_tolerance *out)
{
    struct run_tolerance t = {.rule = RUN_ONNX};
    struct span word;
    if (!span_word(&line, &word)) {
        return false;
    }
    if (span_eq_str(word, "close")) {
        t.rule = RUN_CLOSE;
        if (!parse_number(&line, a, &t.rel) ||
            !parse_number(&line, a, &t.abs)) {
            return false;
        }
    } else if (span_eq_str(word, "steps")) {
        t.rule = RUN_STEPS;
        if (!parse_number(&line, a, &t.steps)) {
            return false;
        }
    } else if (span_eq_str(word, "top1")) {
        t.rule = RUN_TOP1;
    } else {
        return false;
    }
    *out = t;
    return !span_word(&line, &word);
}

bool run_tolerance_read(const char *dir, struct cx *cx,
                        struct run_tolerance *out)
{
    struct file_map map;
    const char *path = path_join(cx->scratch, dir, "tolerance");
    if (!path) {
        return false;
    }
    if (!file_exists(path)) {
        *out = (struct run_tolerance){.rule = RUN_ONNX};
        return true;
    }
    if (!file_map(path, cx->diag, &map)) {
        return false;
    }
    struct span rest = map.bytes;
    struct span line = {NULL, 0};
    const bool ok = span_line(&rest, &line) &&
                    parse_rule(line, cx->scratch, out) && rest.len == 0;
    file_unmap(&map);
    return ok || diag_error(cx->diag, E_INPUT, at_file(path),
                            "is not one line \"close R A\", \"steps N\" or "
                            "\"top1\"");
}

/* ---- elements ------------------------------------------------------------ */

static bool is_float(const struct run_tensor *t)
{
    return run_type_of(t->dtype)->cls == RUN_FLOAT;
}

/* |a - b|; exact below 2^53 also where the values are not. */
static double difference(const struct run_tensor *a, const struct run_tensor *b,
                         uint64_t i)
{
    if (is_float(a)) {
        const double x = run_float_at(a, i);
        const double y = run_float_at(b, i);
        if (x == y || (isnan(x) && isnan(y))) {
            return 0;
        }
        return isfinite(x) && isfinite(y) ? fabs(x - y) : (double)INFINITY;
    }
    uint64_t x = run_unsigned_at(a, i);
    uint64_t y = run_unsigned_at(b, i);
    bool is_less = x < y;
    if (run_type_of(a->dtype)->cls == RUN_SIGNED) {
        const int64_t signed_x = run_signed_at(a, i);
        const int64_t signed_y = run_signed_at(b, i);
        is_less = signed_x < signed_y;
        x = (uint64_t)signed_x;
        y = (uint64_t)signed_y;
    }
    return (double)(is_less ? y - x : x - y);
}

/* What the rule allows where `want` has this magnitude. */
static double allowed(const struct run_tolerance *tol, enum run_class cls,
                      double want, double top)
{
    if (cls == RUN_BOOL) {
        return 0;
    }
    const bool is_real = cls == RUN_FLOAT;
    switch (tol->rule) {
    case RUN_CLOSE:
        return tol->rel * want + tol->abs * top;
    case RUN_PLAIN:
        return tol->rel * want + tol->abs;
    case RUN_STEPS:
        return is_real ? 1e-7 + 1e-3 * want : tol->steps;
    case RUN_ONNX:
    case RUN_TOP1:
        break;
    }
    return is_real ? 1e-7 + 1e-3 * want : 0;
}

static uint64_t first_maximum(const struct run_tensor *t)
{
    uint64_t best = 0;
    for (uint64_t i = 1; i < t->n; i++) {
        if (run_value_at(t, i) > run_value_at(t, best)) {
            best = i;
        }
    }
    return best;
}

static void print_index(struct buf *b, const struct run_tensor *t, uint64_t i)
{
    uint64_t ix[RUN_MAX_RANK] = {0};
    for (uint32_t d = t->rank; d-- > 0;) {
        ix[d] = i % t->dim[d];
        i /= t->dim[d];
    }
    buf_char(b, '[');
    for (uint32_t d = 0; d < t->rank; d++) {
        buf_printf(b, "%s%" PRIu64, d ? "," : "", ix[d]);
    }
    buf_char(b, ']');
}

static void print_value(struct buf *b, const struct run_tensor *t, uint64_t i)
{
    switch (run_type_of(t->dtype)->cls) {
    case RUN_FLOAT:
        buf_printf(b, "%.9g", run_float_at(t, i));
        return;
    case RUN_SIGNED:
        buf_printf(b, "%" PRId64, run_signed_at(t, i));
        return;
    case RUN_UNSIGNED:
    case RUN_BOOL:
        buf_printf(b, "%" PRIu64, run_unsigned_at(t, i));
        return;
    }
}

static bool compare_top1(const struct run_tensor *got,
                         const struct run_tensor *want, struct buf *why)
{
    if (want->n == 0) {
        return true;
    }
    const uint64_t g = first_maximum(got);
    const uint64_t w = first_maximum(want);
    if (g == w) {
        return true;
    }
    buf_str(why, "the maximum is at ");
    print_index(why, got, g);
    buf_str(why, ", expected at ");
    print_index(why, want, w);
    return false;
}

/* The largest |want| that is finite. */
static double magnitude(const struct run_tensor *want)
{
    double top = 0;
    for (uint64_t i = 0; i < want->n; i++) {
        const double v = fabs(run_value_at(want, i));
        if (isfinite(v) && v > top) {
            top = v;
        }
    }
    return top;
}

bool run_compare(const struct run_tensor *got, const struct run_tensor *want,
                 const struct run_tolerance *tol, struct buf *why)
{
    if (got->dtype != want->dtype || !run_tensor_same_shape(got, want)) {
        buf_str(why, "it is ");
        run_tensor_print(why, got);
        buf_str(why, ", expected is ");
        run_tensor_print(why, want);
        return false;
    }
    if (tol->rule == RUN_TOP1) {
        return compare_top1(got, want, why);
    }
    const enum run_class cls = run_type_of(want->dtype)->cls;
    const double top = tol->rule == RUN_CLOSE ? magnitude(want) : 0;
    uint64_t n_bad = 0;
    uint64_t worst = 0;
    double worst_excess = 0;
    double worst_bound = 0;
    for (uint64_t i = 0; i < want->n; i++) {
        const double d = difference(got, want, i);
        if (d == 0) {
            continue;
        }
        const double w = fabs(run_value_at(want, i));
        const double bound = allowed(tol, cls, isfinite(w) ? w : 0, top);
        if (d <= bound) {
            continue;
        }
        if (n_bad++ == 0 || d - bound > worst_excess) {
            worst = i;
            worst_excess = d - bound;
            worst_bound = bound;
        }
    }
    if (n_bad == 0) {
        return true;
    }
    buf_printf(why, "%" PRIu64 " of %" PRIu64 " elements differ, worst ", n_bad,
               want->n);
    print_index(why, want, worst);
    buf_str(why, ": got ");
    print_value(why, got, worst);
    buf_str(why, ", expected ");
    print_value(why, want, worst);
    buf_printf(why, " within %.3g", worst_bound);
    return false;
}
