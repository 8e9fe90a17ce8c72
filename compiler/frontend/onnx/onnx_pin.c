#include "frontend/onnx/onnx_pin.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/size.h"
#include "frontend/onnx/onnx_data.h"
#include "ir/graph.h"
#include "ir/options.h"

/* Position among the inputs, or UINT32_MAX (reported with what there is). */
static uint32_t find_input(const struct graph *g, struct cx *cx,
                           const char *option, const char *name)
{
    for (uint32_t i = 0; i < g->n_input; i++) {
        if (strcmp(g->value[g->input[i]].name, name) == 0) {
            return i;
        }
    }
    struct buf names;
    buf_init(&names, cx->scratch);
    for (uint32_t i = 0; i < g->n_input; i++) {
        buf_printf(&names, " '%s'", g->value[g->input[i]].name);
    }
    if (buf_ok(&names)) {
        (void)diag_error(cx->diag, E_USAGE, at_option(option),
                         "the model has no input '%s'; it has:%s", name,
                         g->n_input ? buf_text(&names) : " none");
    }
    buf_free(&names);
    return UINT32_MAX;
}

static bool pin_shape(struct graph *g, struct cx *cx,
                      const struct shape_pin *pin)
{
    const struct diag_at at = at_option("--shape");
    const uint32_t ix = find_input(g, cx, at.name, pin->name);
    if (ix == UINT32_MAX) {
        return false;
    }
    struct value *const v = &g->value[g->input[ix]];
    if (v->shape_known && v->shape.rank != pin->shape.rank) {
        return diag_error(cx->diag, E_USAGE, at,
                          "input '%s' has %u dimensions, not %u", pin->name,
                          v->shape.rank, pin->shape.rank);
    }
    struct shape shape = pin->shape;
    for (uint32_t i = 0; i < shape.rank; i++) {
        if (shape.dim[i] >= 0) {
            continue;
        }
        if (!v->shape_known || v->shape.dim[i] < 0) {
            return diag_error(cx->diag, E_USAGE, at,
                              "%s, a dimension of input '%s', has no value "
                              "here and none in the model; give one: %s=...",
                              pin->size[i], pin->name, pin->size[i]);
        }
        shape.dim[i] = v->shape.dim[i];
    }
    for (uint32_t i = 0; v->shape_known && i < v->shape.rank; i++) {
        if (v->shape.dim[i] >= 0 && v->shape.dim[i] != shape.dim[i]) {
            return diag_error(cx->diag, E_USAGE, at,
                              "dimension %u of input '%s' is %" PRId64
                              " in the model, not %" PRId64,
                              i, pin->name, v->shape.dim[i], shape.dim[i]);
        }
    }
    uint64_t count;
    if (!shape_count(&shape, &count)) {
        return diag_error(cx->diag, E_USAGE, at,
                          "the shape of input '%s' is not a size", pin->name);
    }
    v->shape = shape;
    v->shape_known = true;
    return true;
}

/* The bits of one element of type t; false when it cannot hold the value. */
static bool element_bits(enum dtype t, double value, uint64_t *bits)
{
    if (t == DTYPE_F32) {
        const float f = (float)value;
        uint32_t word;
        memcpy(&word, &f, sizeof word);
        *bits = word;
        return true;
    }
    if (t == DTYPE_F64) {
        memcpy(bits, &value, sizeof *bits);
        return true;
    }
    if (dtype_is_float(t) || dtype_bytes(t) == 0 || value != floor(value)) {
        return false;
    }
    const bool is_signed =
        t == DTYPE_I8 || t == DTYPE_I16 || t == DTYPE_I32 || t == DTYPE_I64;
    const int n_bit = t == DTYPE_BOOL ? 1 : (int)dtype_bytes(t) * 8;
    const double end = ldexp(1.0, is_signed ? n_bit - 1 : n_bit);
    if (value >= end || value < (is_signed ? -end : 0)) {
        return false;
    }
    *bits = value < 0 ? (uint64_t)(int64_t)value : (uint64_t)value;
    return true;
}

/* The pin's numbers as elements of v; one stands for all. */
static bool pin_numbers(struct value *v, struct cx *cx,
                        const struct const_pin *pin)
{
    const struct diag_at at = at_option("--const");
    uint64_t count;
    if (!v->shape_known || !shape_count(&v->shape, &count)) {
        return diag_error(cx->diag, E_USAGE, at,
                          "input '%s' has no static shape; give --shape too",
                          pin->name);
    }
    if (pin->n_value != 1 && pin->n_value != count) {
        return diag_error(cx->diag, E_USAGE, at,
                          "input '%s' has %" PRIu64 " elements, not %" PRIu32,
                          pin->name, count, pin->n_value);
    }
    const uint32_t size = dtype_bytes(v->dtype);
    uint8_t *const data = arena_alloc_array(cx->keep, count, size, 8);
    if (!data) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        const double x = pin->value[pin->n_value == 1 ? 0 : i];
        uint64_t bits;
        if (!element_bits(v->dtype, x, &bits)) {
            return diag_error(
                cx->diag, E_USAGE, at,
                "input '%s' is of type %s, which does not hold %g", pin->name,
                dtype_name(v->dtype), x);
        }
        for (uint32_t k = 0; k < size; k++) {
            data[i * size + k] = (uint8_t)(bits >> 8 * k);
        }
    }
    v->data = (struct span){data, count * size};
    return true;
}

/* The tensor in the pin's file as v. */
static bool pin_file(struct value *v, struct cx *cx,
                     const struct const_pin *pin)
{
    const struct diag_at at = at_option("--const");
    struct value from;
    if (!onnx_tensor_read(pin->path, cx, &from)) {
        return false;
    }
    bool fits = from.dtype == v->dtype &&
                (!v->shape_known || v->shape.rank == from.shape.rank);
    for (uint32_t i = 0; fits && v->shape_known && i < v->shape.rank; i++) {
        fits = v->shape.dim[i] < 0 || v->shape.dim[i] == from.shape.dim[i];
    }
    if (!fits) {
        return diag_error(cx->diag, E_USAGE, at,
                          "the tensor in '%s' has not the type or shape of "
                          "input '%s'",
                          pin->path, pin->name);
    }
    v->shape = from.shape;
    v->shape_known = true;
    v->data = from.data;
    return true;
}

static bool pin_value(struct graph *g, struct cx *cx,
                      const struct const_pin *pin)
{
    const uint32_t ix = find_input(g, cx, "--const", pin->name);
    if (ix == UINT32_MAX) {
        return false;
    }
    struct value *const v = &g->value[g->input[ix]];
    if (!(pin->path ? pin_file(v, cx, pin) : pin_numbers(v, cx, pin))) {
        return false;
    }
    v->is_const = true;
    memmove(&g->input[ix], &g->input[ix + 1],
            (g->n_input - ix - 1) * sizeof g->input[0]);
    g->n_input--;
    return true;
}

static bool join_state(struct graph *g, struct cx *cx, uint32_t output,
                       const char *input)
{
    const struct diag_at at = at_option("--state");
    const uint32_t ix = find_input(g, cx, at.name, input);
    if (ix == UINT32_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < g->n_state; i++) {
        if (g->state[i].output == output || g->state[i].input == ix) {
            return diag_error(cx->diag, E_USAGE, at,
                              "output '%s' or input '%s' has one already",
                              g->value[g->output[output]].name, input);
        }
    }
    struct graph_state *const s =
        arena_push(cx->keep, g->state, &g->n_state, &g->cap_state);
    if (s) {
        *s = (struct graph_state){.output = output, .input = ix};
    }
    return s != NULL;
}

/* Every output of the name, or with what comes before its `*`. */
static bool pin_state(struct graph *g, struct cx *cx,
                      const struct state_pin *pin)
{
    const size_t n = strlen(pin->output);
    const bool is_any = pin->output[n - 1] == '*';
    const uint32_t n_before = g->n_state;
    for (uint32_t i = 0; i < g->n_output; i++) {
        const char *const name = g->value[g->output[i]].name;
        const char *input = pin->input;
        if (is_any ? strncmp(name, pin->output, n - 1) != 0
                   : strcmp(name, pin->output) != 0) {
            continue;
        }
        if (is_any) {
            input =
                arena_printf(cx->scratch, "%.*s%s", (int)strlen(pin->input) - 1,
                             pin->input, name + n - 1);
        }
        if (!input || !join_state(g, cx, i, input)) {
            return false;
        }
    }
    return g->n_state > n_before ||
           diag_error(cx->diag, E_USAGE, at_option("--state"),
                      "the model has no output '%s'; its first is '%s'",
                      pin->output,
                      g->n_output ? g->value[g->output[0]].name : "");
}

bool onnx_pin(struct graph *g, struct cx *cx)
{
    const struct options *const opt = cx->opt;
    for (uint32_t i = 0; opt && i < opt->n_shape; i++) {
        if (!pin_shape(g, cx, &opt->shape[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; opt && i < opt->n_pin; i++) {
        if (!pin_value(g, cx, &opt->pin[i])) {
            return false;
        }
    }
    for (uint32_t i = 0; opt && i < opt->n_state; i++) {
        if (!pin_state(g, cx, &opt->state[i])) {
            return false;
        }
    }
    return true;
}
