#include "frontend/device/device_read.h"

#include <stddef.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/diag.h"
#include "base/fileio.h"
#include "base/numtext.h"
#include "base/size.h"

enum { MAX_WORD = 64, MAX_WORDS = 3 };

/* A unit and how many of the field's own unit it is. */
struct unit {
    const char *name;
    uint64_t factor;
};
static const struct unit per_ms[] = {
    {"kB/s", 1}, {"MB/s", 1000}, {"GB/s", 1000000}, {NULL, 0}};
static const struct unit per_us[] = {{"MB/s", 1}, {"GB/s", 1000}, {NULL, 0}};
static const struct unit macs[] = {{"MMAC/s", 1}, {"GMAC/s", 1000}, {NULL, 0}};
static const struct unit ops[] = {{"Mop/s", 1}, {"Gop/s", 1000}, {NULL, 0}};
static const struct unit bytes[] = {{"KiB", 1024}, {"MiB", 1048576}, {NULL, 0}};
static const struct unit percent[] = {{"%", 1}, {NULL, 0}};
static const struct unit ns[] = {
    {"ns", 1}, {"us", 1000}, {"ms", 1000000}, {NULL, 0}};

/* Choices of a word. */
static const char *const storages[] = {"read", "mapped", NULL};
static const char *const yes_no[] = {"no", "yes", NULL};

enum field_kind { FIELD_NAME, FIELD_CHOICE, FIELD_SPEED, FIELD_AMOUNT };
struct field {
    const char *key;
    enum field_kind kind;
    size_t off; /* of a uint64_t: FIELD_SPEED (not 0), FIELD_AMOUNT */
    const struct unit *unit;
    const char *const *choice;
    uint32_t part; /* not 0: may be missing, and is then so many tenths of a
                      time less than `gemm`; NEVER: then it is UINT64_MAX,
                      NOTHING: 0 */
};
#define NEVER UINT32_MAX
#define NOTHING (UINT32_MAX - 1)
enum { KEY_NAME, KEY_STORAGE, KEY_SHARES };
static const struct field fields[] = {
    [KEY_NAME] = {.key = "name", .kind = FIELD_NAME},
    [KEY_STORAGE] = {.key = "storage",
                     .kind = FIELD_CHOICE,
                     .choice = storages},
    [KEY_SHARES] = {.key = "loader-shares-core",
                    .kind = FIELD_CHOICE,
                    .choice = yes_no},
#define NUMBER(KEY, KIND, MEMBER, UNIT, PART)                                  \
    {                                                                          \
        .key = (KEY), .kind = FIELD_##KIND,                                    \
        .off = offsetof(struct device, MEMBER), .unit = (UNIT), .part = (PART) \
    }
    NUMBER("read", SPEED, read_bytes_per_ms, per_ms, 0),
    NUMBER("read-latency", AMOUNT, read_latency_ns, ns, 0),
    NUMBER("decode", SPEED, decode_bytes_per_ms, per_ms, 0),
    NUMBER("step", AMOUNT, step_ns, ns, 0),
    NUMBER("gemm", SPEED, speed[SPEED_GEMM], macs, 0),
    NUMBER("depthwise", SPEED, speed[SPEED_DEPTHWISE], macs, 0),
    NUMBER("weights", SPEED, speed[SPEED_WEIGHTS], per_us, 0),
    NUMBER("ewise", SPEED, speed[SPEED_EWISE], per_us, 0),
    NUMBER("pool", SPEED, speed[SPEED_POOL], ops, 0),
    NUMBER("winograd", SPEED, speed[SPEED_WINOGRAD], macs, 12),
    NUMBER("transform", SPEED, speed[SPEED_TRANSFORM], ops, 2500),
    NUMBER("exp", SPEED, speed[SPEED_EXP], ops, 240),
    NUMBER("cache", AMOUNT, cache_bytes, bytes, NEVER),
    NUMBER("margin", AMOUNT, margin_percent, percent, NOTHING),
#undef NUMBER
};

/* A line cut into words. */
struct line {
    uint64_t number;
    uint32_t n;
    char word[MAX_WORDS][MAX_WORD];
};

static bool bad(struct cx *cx, const struct line *x, const char *what)
{
    return diag_error(cx->diag, E_DEVICE, at_line(x->number),
                      "key '%s': %s expected", x->word[0], what);
}

static bool cut_line(struct span text, struct cx *cx, struct line *x)
{
    struct span w;
    x->n = 0;
    while (span_word(&text, &w) && w.data[0] != '#') {
        if (x->n == MAX_WORDS || w.len >= MAX_WORD ||
            memchr(w.data, 0, w.len)) {
            return diag_error(cx->diag, E_DEVICE, at_line(x->number),
                              "`key value unit` expected");
        }
        memcpy(x->word[x->n], w.data, w.len);
        x->word[x->n++][w.len] = '\0';
    }
    return true;
}

static const struct field *find_field(const char *key)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (strcmp(fields[i].key, key) == 0) {
            return &fields[i];
        }
    }
    return NULL;
}

static bool read_number(struct cx *cx, const struct line *x,
                        const struct field *f, struct device *d)
{
    uint64_t v = 0;
    if (x->n != 3 || !parse_u64(x->word[1], &v)) {
        return bad(cx, x, "a whole number and a unit");
    }
    const struct unit *u = f->unit;
    while (u->name && strcmp(u->name, x->word[2]) != 0) {
        u++;
    }
    if (!u->name) {
        return diag_error(
            cx->diag, E_DEVICE, at_line(x->number),
            "key '%s': unit '%s' is none of its units (%s%s%s...)", f->key,
            x->word[2], f->unit[0].name, f->unit[1].name ? ", " : "",
            f->unit[1].name ? f->unit[1].name : "");
    }
    if (!size_mul(&v, v, u->factor) || v > UINT64_MAX >> 24) {
        return bad(cx, x, "a smaller number");
    }
    if (v == 0 && f->kind == FIELD_SPEED) {
        return bad(cx, x, "a speed above 0");
    }
    memcpy((unsigned char *)d + f->off, &v, sizeof v);
    return true;
}

static bool read_choice(struct cx *cx, const struct line *x,
                        const struct field *f, struct device *d)
{
    uint32_t i = 0;
    while (f->choice[i] &&
           (x->n != 2 || strcmp(f->choice[i], x->word[1]) != 0)) {
        i++;
    }
    if (!f->choice[i]) {
        return diag_error(cx->diag, E_DEVICE, at_line(x->number),
                          "key '%s': '%s' or '%s' expected", f->key,
                          f->choice[0], f->choice[1]);
    }
    if (f == &fields[KEY_STORAGE]) {
        d->storage = i == 1 ? STORAGE_MAPPED : STORAGE_READ;
    } else {
        d->loader_shares_core = i == 1;
    }
    return true;
}

static bool read_field(struct cx *cx, const struct line *x,
                       const struct field *f, struct device *d)
{
    switch (f->kind) {
    case FIELD_NAME:
        if (x->n != 2) {
            return bad(cx, x, "a word");
        }
        d->name = arena_strdup(cx->keep, x->word[1]);
        return d->name != NULL;
    case FIELD_CHOICE:
        return read_choice(cx, x, f, d);
    case FIELD_SPEED:
    case FIELD_AMOUNT:
        return read_number(cx, x, f, d);
    }
    return false;
}

/* A key that came out with a later version. `gemm` is there. */
static void set_default(const struct field *f, struct device *d)
{
    const uint64_t v =
        f->part == NEVER ? UINT64_MAX
        : f->part == NOTHING
            ? 0
            : size_max(1, d->speed[SPEED_GEMM] / f->part * 10 +
                              d->speed[SPEED_GEMM] % f->part * 10 / f->part);
    memcpy((unsigned char *)d + f->off, &v, sizeof v);
}

bool device_parse(struct span text, struct cx *cx, struct device *d)
{
    struct device out = {0};
    bool seen[ARRAY_LEN(fields)] = {false};
    struct line x = {0};
    struct span rest = text;
    struct span line;
    while (span_line(&rest, &line)) {
        x.number++;
        if (!cut_line(line, cx, &x)) {
            return false;
        }
        if (x.n == 0) {
            continue;
        }
        const struct field *const f = find_field(x.word[0]);
        if (!f) {
            return diag_error(cx->diag, E_DEVICE, at_line(x.number),
                              "key '%s' is not known", x.word[0]);
        }
        if (seen[f - fields]) {
            return diag_error(cx->diag, E_DEVICE, at_line(x.number),
                              "key '%s' is there twice", x.word[0]);
        }
        seen[f - fields] = true;
        if (!read_field(cx, &x, f, &out)) {
            return false;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (!seen[i] && fields[i].part == 0) {
            return diag_error(cx->diag, E_DEVICE, at_line(x.number),
                              "key '%s' is missing", fields[i].key);
        }
        if (!seen[i]) {
            set_default(&fields[i], &out);
        }
    }
    *d = out;
    return true;
}

bool device_read(const char *path, struct cx *cx, struct device *d)
{
    struct file_map map;
    if (!file_map(path, cx->diag, &map)) {
        return false;
    }
    const char *const before = cx->diag->input;
    diag_set_input(cx->diag, path);
    const bool ok = device_parse(map.bytes, cx, d);
    diag_set_input(cx->diag, before);
    file_unmap(&map);
    return ok;
}

bool device_print(const struct device *d, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct field *const f = &fields[i];
        uint64_t v = 0;
        switch (f->kind) {
        case FIELD_NAME:
            buf_printf(out, "%s %s\n", f->key, d->name);
            break;
        case FIELD_CHOICE:
            buf_printf(out, "%s %s\n", f->key,
                       f == &fields[KEY_STORAGE]
                           ? storages[d->storage == STORAGE_MAPPED]
                           : yes_no[d->loader_shares_core]);
            break;
        case FIELD_SPEED:
        case FIELD_AMOUNT:
            memcpy(&v, (const unsigned char *)d + f->off, sizeof v);
            if (f->part != NEVER || v != UINT64_MAX) {
                buf_printf(out, "%s %llu %s\n", f->key,
                           (unsigned long long)(v / f->unit[0].factor),
                           f->unit[0].name);
            }
            break;
        }
    }
    return buf_ok(out);
}
