#include "base/strtab.h"

#include <string.h>

#include "base/arena.h"
#include "base/diag.h"

struct strtab_entry {
    const char *text; /* NULL: free */
    uint64_t len;
    uint32_t hash;
};

void strtab_init(struct strtab *t, struct arena *arena)
{
    *t = (struct strtab){.arena = arena};
}

/* FNV-1a. A hostile file can make chains long: quadratic in the number of
 * names, which the file's own size bounds. */
static uint32_t hash_of(const char *src, uint64_t len)
{
    uint32_t hash = 2166136261u;
    for (uint64_t i = 0; i < len; i++) {
        hash = (hash ^ (uint8_t)src[i]) * 16777619u;
    }
    return hash;
}

/* The slot that holds the string, or the free one where it belongs. */
static struct strtab_entry *seek(struct strtab_entry *slot, uint32_t cap,
                                 struct strtab_entry key)
{
    uint32_t ix = key.hash & (cap - 1);
    for (;;) {
        struct strtab_entry *e = &slot[ix];
        if (!e->text || (e->hash == key.hash && e->len == key.len &&
                         memcmp(e->text, key.text, (size_t)key.len) == 0)) {
            return e;
        }
        ix = (ix + 1) & (cap - 1);
    }
}

static bool widen(struct strtab *t)
{
    if (t->cap > UINT32_MAX / 2) {
        return diag_error(t->arena->diag, E_MEMORY, at_none(),
                          "more than %u names", t->n);
    }
    const uint32_t cap = t->cap ? 2 * t->cap : 64;
    struct strtab_entry *slot = arena_new(t->arena, struct strtab_entry, cap);
    if (!slot) {
        return false;
    }
    for (uint32_t i = 0; i < t->cap; i++) {
        if (t->slot[i].text) {
            *seek(slot, cap, t->slot[i]) = t->slot[i];
        }
    }
    t->slot = slot;
    t->cap = cap;
    return true;
}

const char *strtab_find(const struct strtab *t, const char *src, uint64_t len)
{
    if (t->cap == 0) {
        return NULL;
    }
    const struct strtab_entry key = {src, len, hash_of(src, len)};
    return seek(t->slot, t->cap, key)->text;
}

const char *strtab_find_str(const struct strtab *t, const char *src)
{
    return strtab_find(t, src, strlen(src));
}

const char *strtab_intern(struct strtab *t, const char *src, uint64_t len)
{
    const char *known = strtab_find(t, src, len);
    if (known) {
        return known;
    }
    /* At most 3/4 full. */
    if (t->n >= t->cap - t->cap / 4 && !widen(t)) {
        return NULL;
    }
    const char *text = arena_strndup(t->arena, src, len);
    if (!text) {
        return NULL;
    }
    const struct strtab_entry key = {text, len, hash_of(src, len)};
    *seek(t->slot, t->cap, key) = key;
    t->n++;
    return text;
}

const char *strtab_intern_str(struct strtab *t, const char *src)
{
    return strtab_intern(t, src, strlen(src));
}
