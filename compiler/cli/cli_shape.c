#include "cli/cli_shape.h"

#include <string.h>

#include "base/arena.h"
#include "base/diag.h"
#include "base/numtext.h"

/* A DIM: a number, or the size of this name. */
struct shape_dim {
    uint32_t value;
    const char *size; /* NULL: a number */
};

struct shape_input {
    const char *name;
    uint32_t rank;
    struct shape_dim dim[TENSOR_MAX_RANK];
};

struct shape_size {
    const char *name;
    uint32_t *value;
    uint32_t n;
    uint32_t cap;
};

static bool wrong(struct cx *cx, const char *text, const char *want)
{
    return diag_error(cx->diag, E_USAGE, at_option("--shape"), "'%s' is not %s",
                      text, want);
}

/* ---- parsing ---- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Letters, digits and '_', a letter first, and no 'x', which is between the
 * dimensions. Bytes of `s` that are. */
static size_t name_len(const char *s)
{
    size_t n = 0;
    while (is_letter(s[0]) && s[n] != 'x' &&
           (is_letter(s[n]) || s[n] == '_' || (s[n] >= '0' && s[n] <= '9'))) {
        n++;
    }
    return n;
}

static bool parse_dims(struct shape_input *in, char *dims, const char *text,
                       struct cx *cx)
{
    static const char want[] =
        "NAME=DIMxDIMx... with numbers or names of sizes, at most 8 dimensions";
    while (dims && (*dims || in->rank > 0)) { /* nothing is a scalar */
        char *const x = strchr(dims, 'x');
        if (x) {
            *x = '\0';
        }
        if (in->rank == TENSOR_MAX_RANK) {
            return wrong(cx, text, want);
        }
        struct shape_dim *const d = &in->dim[in->rank++];
        if (!parse_u32(dims, &d->value)) {
            d->size = dims;
            if (!*dims || name_len(dims) != strlen(dims)) {
                return wrong(cx, text, want);
            }
        }
        dims = x ? x + 1 : NULL;
    }
    return true;
}

static bool add_value(struct shape_size *z, uint32_t value, const char *text,
                      struct cx *cx)
{
    for (uint32_t i = 0; i < z->n; i++) {
        if (z->value[i] == value) {
            return diag_error(cx->diag, E_USAGE, at_option("--shape"),
                              "'%s': %s is %u twice", text, z->name,
                              (unsigned)value);
        }
    }
    if (z->n == CLI_MAX_ENTRY) {
        return diag_error(cx->diag, E_USAGE, at_option("--shape"),
                          "'%s': %s has more than %d values", text, z->name,
                          CLI_MAX_ENTRY);
    }
    uint32_t *const v = arena_push(cx->keep, z->value, &z->n, &z->cap);
    if (v) {
        *v = value;
    }
    return v != NULL;
}

/* A number, LOW..HIGH:STEP or LOW..HIGH. */
static bool parse_values(struct shape_size *z, char *one, const char *text,
                         struct cx *cx)
{
    static const char want[] = "NAME=DIMS,SIZE=VALUES with values like 128/1, "
                               "160..640:160 (a step) or "
                               "160..640 (doubling)";
    char *const dots = strstr(one, "..");
    uint32_t low = 0;
    uint32_t high = 0;
    uint32_t step = 0;
    if (!dots) {
        return parse_u32(one, &low) ? add_value(z, low, text, cx)
                                    : wrong(cx, text, want);
    }
    *dots = '\0';
    char *const colon = strchr(dots + 2, ':');
    if (colon) {
        *colon = '\0';
    }
    if (!parse_u32(one, &low) || !parse_u32(dots + 2, &high) ||
        (colon && (!parse_u32(colon + 1, &step) || step == 0)) || low == 0 ||
        low > high) {
        return wrong(cx, text, want);
    }
    uint64_t v = low;
    for (; v < high; v = colon ? v + step : 2 * v) {
        if (!add_value(z, (uint32_t)v, text, cx)) {
            return false;
        }
    }
    /* With a step the high end is a value only when a step meets it. */
    return (colon && v != high) || add_value(z, high, text, cx);
}

static bool parse_size_of(struct cli_shapes *s, char *arg, const char *text,
                          struct cx *cx)
{
    char *const eq = strchr(arg, '=');
    *eq = '\0';
    for (uint32_t i = 0; i < s->n_size; i++) {
        if (strcmp(s->size[i].name, arg) == 0) {
            return diag_error(cx->diag, E_USAGE, at_option("--shape"),
                              "'%s': size %s has values already", text, arg);
        }
    }
    struct shape_size *const z =
        arena_push(cx->keep, s->size, &s->n_size, &s->cap_size);
    if (!z) {
        return false;
    }
    *z = (struct shape_size){.name = arg};
    for (char *one = eq + 1; one;) {
        char *const slash = strchr(one, '/');
        if (slash) {
            *slash = '\0';
        }
        if (!parse_values(z, one, text, cx)) {
            return false;
        }
        one = slash ? slash + 1 : NULL;
    }
    return true;
}

/* The ",SIZE=VALUES" that comes first after NAME=DIMS; names of inputs may hold
 * a ',' or a '=', too. */
static char *first_size(char *text)
{
    char *at = strchr(text, '=');
    while (at && (at = strchr(at, ',')) != NULL) {
        const size_t n = name_len(at + 1);
        if (n > 0 && at[1 + n] == '=') {
            return at;
        }
        at++;
    }
    return NULL;
}

bool cli_shape_add(struct cli_shapes *s, const char *text, struct cx *cx)
{
    char *const name = arena_strdup(cx->keep, text);
    struct shape_input *const in =
        arena_push(cx->keep, s->input, &s->n_input, &s->cap_input);
    if (!name || !in) {
        return false;
    }
    char *size = first_size(name);
    if (size) {
        *size++ = '\0';
    }
    char *const eq = strrchr(name, '=');
    if (!eq || eq == name) {
        return wrong(cx, text, "NAME=1x3x224x224");
    }
    *eq = '\0';
    *in = (struct shape_input){.name = name};
    if (!parse_dims(in, eq + 1, text, cx)) {
        return false;
    }
    while (size) {
        char *const comma = strchr(size, ',');
        if (comma) {
            *comma = '\0';
        }
        if (name_len(size) == 0 || size[name_len(size)] != '=') {
            return wrong(cx, text, "NAME=DIMS,SIZE=VALUES,SIZE=VALUES...");
        }
        if (!parse_size_of(s, size, text, cx)) {
            return false;
        }
        size = comma ? comma + 1 : NULL;
    }
    return true;
}

/* ---- entries ---- */

static const struct shape_size *find_size(const struct cli_shapes *s,
                                          const char *name)
{
    for (uint32_t i = 0; i < s->n_size; i++) {
        if (strcmp(s->size[i].name, name) == 0) {
            return &s->size[i];
        }
    }
    return NULL;
}

static bool check_used(const struct cli_shapes *s, struct cx *cx)
{
    for (uint32_t i = 0; i < s->n_size; i++) {
        bool is_used = false;
        for (uint32_t k = 0; k < s->n_input; k++) {
            const struct shape_input *const in = &s->input[k];
            for (uint32_t d = 0; d < in->rank; d++) {
                is_used =
                    is_used || (in->dim[d].size &&
                                strcmp(in->dim[d].size, s->size[i].name) == 0);
            }
        }
        if (!is_used) {
            return diag_error(cx->diag, E_USAGE, at_option("--shape"),
                              "no input has a dimension %s", s->size[i].name);
        }
    }
    return true;
}

/* The value of size z in entry ix; sizes change like digits. */
static uint32_t value_of(const struct cli_shapes *s, const struct shape_size *z,
                         uint32_t ix)
{
    for (const struct shape_size *k = s->size + s->n_size - 1; k > z; k--) {
        ix /= k->n;
    }
    return z->value[ix % z->n];
}

static bool make_entry(const struct cli_shapes *s, uint32_t ix, struct cx *cx,
                       struct cli_entry *out)
{
    struct shape_pin *const pin =
        arena_new(cx->keep, struct shape_pin, s->n_input);
    if (!pin) {
        return false;
    }
    for (uint32_t i = 0; i < s->n_input; i++) {
        const struct shape_input *const in = &s->input[i];
        pin[i].name = in->name;
        pin[i].shape.rank = in->rank;
        for (uint32_t d = 0; d < in->rank; d++) {
            const struct shape_size *const z =
                in->dim[d].size ? find_size(s, in->dim[d].size) : NULL;
            pin[i].size[d] = in->dim[d].size;
            pin[i].shape.dim[d] = z ? value_of(s, z, ix) : in->dim[d].value;
            if (!z && in->dim[d].size) {
                pin[i].shape.dim[d] = DIM_UNKNOWN;
            }
        }
    }
    const char *name = NULL;
    for (uint32_t i = 0; i < s->n_size; i++) {
        const struct shape_size *const z = &s->size[i];
        if (z->n > 1) {
            name = arena_printf(cx->keep, "%s%s%s%u", name ? name : "",
                                name ? "_" : "", z->name,
                                (unsigned)value_of(s, z, ix));
            if (!name) {
                return false;
            }
        }
    }
    *out =
        (struct cli_entry){.name = name, .shape = pin, .n_shape = s->n_input};
    return true;
}

bool cli_shape_entries(const struct cli_shapes *s, struct cx *cx,
                       struct cli_entry **out, uint32_t *n)
{
    if (!check_used(s, cx)) {
        return false;
    }
    uint32_t n_entry = 1;
    for (uint32_t i = 0; i < s->n_size && n_entry <= CLI_MAX_ENTRY; i++) {
        n_entry *= s->size[i].n;
    }
    if (n_entry > CLI_MAX_ENTRY) {
        return diag_error(cx->diag, E_USAGE, at_option("--shape"),
                          "the sizes have more than %d combinations",
                          CLI_MAX_ENTRY);
    }
    struct cli_entry *const entry =
        arena_new(cx->keep, struct cli_entry, n_entry);
    for (uint32_t i = 0; entry && i < n_entry; i++) {
        if (!make_entry(s, i, cx, &entry[i])) {
            return false;
        }
    }
    *out = entry;
    *n = n_entry;
    return entry != NULL;
}
