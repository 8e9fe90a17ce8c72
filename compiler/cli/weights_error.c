#include "cli/weights_error.h"

#include <math.h>

#include "base/arena.h"
#include "base/fileio.h"
#include "cli/cmd_compile.h"
#include "run/run_exec.h"
#include "run/run_model.h"
#include "run/run_single.h"

enum { SEED = 1 };

static struct weights_error compare(const struct run_tensor *got,
                                    const struct run_tensor *want)
{
    double largest = 0;
    double most = 0;
    double sum = 0;
    for (uint64_t i = 0; i < want->n; i++) {
        const double w = run_value_at(want, i);
        const double g = run_value_at(got, i);
        const bool is_same = g == w || (isnan(g) && isnan(w));
        const double d = is_same                      ? 0
                         : isfinite(g) && isfinite(w) ? fabs(g - w)
                                                      : (double)INFINITY;
        largest = isfinite(w) ? fmax(largest, fabs(w)) : largest;
        most = fmax(most, d);
        sum += d * d;
    }
    const double unit = largest > 0 ? largest : 1;
    return (struct weights_error){
        .name = want->name,
        .max = most / unit,
        .rms = want->n ? sqrt(sum / (double)want->n) / unit : 0,
    };
}

/* Outputs of the model with its weights stored so. */
static bool outputs_of(const struct cli_args *args, enum dtype weights,
                       const char *dir, struct cx *cx, struct run_result *out)
{
    const struct budget max = {.kind = BUDGET_MAX, .text = "max"};
    struct cli_args a = *args;
    a.out_dir = path_join(cx->keep, dir, dtype_name(weights));
    a.opt.weights = weights;
    a.opt.budget = &max;
    a.opt.n_budget = 1;
    a.opt.n_thread = 1;
    a.opt.max_step_us = 0;
    a.opt.compress = COMPRESS_NONE;
    a.plan_file = NULL;
    a.n_entry = a.n_entry > 1 ? 1 : a.n_entry;
    a.json = NULL;
    a.report = NULL;
    a.tables = true;
    a.inline_blob = false;
    a.quiet = true;
    a.no_error = true;
    struct buf text;
    buf_init(&text, cx->scratch);
    const struct run_model_opt opt = {0};
    struct run_model model;
    cx->opt = &a.opt;
    bool ok = a.out_dir && cmd_compile(&a, cx, &text) &&
              run_model_open(a.out_dir, &opt, cx, &model);
    cx->opt = &args->opt;
    buf_free(&text);
    if (!ok) {
        return false;
    }
    const struct run_args inputs = {.input = args->input, .seed = SEED};
    const struct run_setup s = {
        .model = &model,
        .n_thread = 1,
        .store = RUN_MEMORY,
        .n_run = 1,
        .input = run_inputs(&inputs, &model, NULL, cx),
    };
    ok = s.input && run_exec(&s, cx, out);
    run_model_close(&model);
    return ok;
}

static bool measure(const struct cli_args *args, const char *dir, struct cx *cx,
                    struct weights_errors *out)
{
    struct run_result want;
    struct run_result got;
    if (!outputs_of(args, DTYPE_F32, dir, cx, &want) ||
        !outputs_of(args, args->opt.weights, dir, cx, &got)) {
        return false;
    }
    out->output = arena_new(cx->keep, struct weights_error, want.n_output);
    out->n = want.n_output;
    for (uint32_t i = 0; out->output && i < out->n; i++) {
        out->output[i] = compare(&got.output[i], &want.output[i]);
    }
    return out->output != NULL;
}

bool weights_error(const struct cli_args *args, struct cx *cx,
                   struct weights_errors *out)
{
    const char *const dir = run_temp_make(cx);
    const bool ok = dir && measure(args, dir, cx, out);
    run_temp_remove(dir, cx);
    return ok;
}
