#include "models/zoo.h"

#include <inttypes.h>
#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "models/zoo_builders.h"

static const struct zoo_model k_table[] = {
#define ZOO(name_, build_, opset_, options_, res_, step_, width_, classes_,    \
            seq_, patch_, b0_, b1_, b2_, b3_, summary_)                        \
    {.name = (name_),                                                          \
     .build = (build_),                                                        \
     .opset = (opset_),                                                        \
     .options = (options_),                                                    \
     .res_step = (step_),                                                      \
     .defaults = {.seed = 1,                                                   \
                  .res = (res_),                                               \
                  .width_milli = (width_),                                     \
                  .seq = (seq_),                                               \
                  .patch = (patch_),                                           \
                  .classes = (classes_),                                       \
                  .blocks = {(b0_), (b1_), (b2_), (b3_)}},                     \
     .summary = (summary_)},
#include "models/zoo.def"
#undef ZOO
};

size_t zoo_n_models(void)
{
    return ARRAY_LEN(k_table);
}

const struct zoo_model *zoo_model_at(size_t ix)
{
    return &k_table[ix];
}

const struct zoo_model *zoo_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(k_table); i++) {
        if (strcmp(k_table[i].name, name) == 0) {
            return &k_table[i];
        }
    }
    return NULL;
}

/* Overrides *value when the option was given. */
static bool override(const struct zoo_model *model, struct diag *d,
                     unsigned option, const char *text, uint32_t wanted,
                     uint32_t *value)
{
    if (wanted == 0) {
        return true;
    }
    if (!(model->options & option)) {
        return diag_error(d, E_USAGE, at_option(text),
                          "does not apply to '%s'; leave it out", model->name);
    }
    *value = wanted;
    return true;
}

static bool check_range(struct diag *d, const char *text, uint32_t value,
                        uint32_t least, uint32_t most)
{
    if (value < least || value > most) {
        return diag_error(d, E_USAGE, at_option(text),
                          "%" PRIu32 " is outside %" PRIu32 " .. %" PRIu32,
                          value, least, most);
    }
    return true;
}

static bool check_res(const struct zoo_model *model, const struct zoo_opts *o,
                      struct diag *d)
{
    const uint32_t least =
        model->defaults.res < ZOO_LEAST_RES ? model->res_step : ZOO_LEAST_RES;
    const uint32_t step = model->res_step ? model->res_step : o->patch;
    if (!check_range(d, "--res", o->res, least, ZOO_MOST_RES)) {
        return false;
    }
    if (o->res % step != 0) {
        return diag_error(d, E_USAGE, at_option("--res"),
                          "%" PRIu32 " is not a multiple of %" PRIu32
                          "; try %" PRIu32,
                          o->res, step, o->res / step * step);
    }
    return true;
}

bool zoo_resolve(const struct zoo_model *model,
                 const struct zoo_request *request, struct diag *d,
                 struct zoo_opts *out)
{
    struct zoo_opts o = model->defaults;
    if (request->has_seed) {
        o.seed = request->seed;
    }
    if (!override(model, d, ZOO_RES, "--res", request->res, &o.res) ||
        !override(model, d, ZOO_WIDTH, "--width", request->width_milli,
                  &o.width_milli) ||
        !override(model, d, ZOO_SEQ, "--seq", request->seq, &o.seq) ||
        !override(model, d, ZOO_PATCH, "--patch", request->patch, &o.patch)) {
        return false;
    }
    if (request->is_dynamic && !(model->options & ZOO_DYNAMIC)) {
        return diag_error(d, E_USAGE, at_option("--dynamic"),
                          "does not apply to '%s'; leave it out", model->name);
    }
    o.is_dynamic = request->is_dynamic;
    if ((model->options & ZOO_SEQ) &&
        !check_range(d, "--seq", o.seq, 1, ZOO_MOST_SEQ)) {
        return false;
    }
    if ((model->options & ZOO_PATCH) &&
        !check_range(d, "--patch", o.patch, 4, o.res)) {
        return false;
    }
    if ((model->options & ZOO_RES) && !check_res(model, &o, d)) {
        return false;
    }
    if (o.width_milli < ZOO_LEAST_WIDTH || o.width_milli > ZOO_MOST_WIDTH) {
        return diag_error(d, E_USAGE, at_option("--width"),
                          "%" PRIu32 "/1000 is outside 0.01 .. 4",
                          o.width_milli);
    }
    *out = o;
    return true;
}

bool zoo_build(const struct zoo_model *model, const struct zoo_opts *opts,
               struct arena *keep, struct diag *d, struct zoo_net *out)
{
    const char *doc =
        arena_printf(keep, "%s; seeded weights (seed %" PRIu64 "), not trained",
                     model->summary, opts->seed);
    if (!doc) {
        return false;
    }
    struct zoo_net z = {.opts = opts};
    z.model = onnx_model_new(keep, d, model->name, doc, model->opset);
    if (!z.model) {
        return false;
    }
    model->build(&z);
    if (!onnx_model_ok(z.model)) {
        return false;
    }
    if (z.weight_bytes > INT32_MAX) {
        return diag_error(d, E_USAGE, at_none(),
                          "weights of %" PRIu64
                          " bytes exceed the 2 GiB that an ONNX file may "
                          "have; give a smaller --width, --res or --patch",
                          z.weight_bytes);
    }
    *out = z;
    return true;
}
