/* strtab.h - interned strings: equal text gives the same pointer, so that names
 * are compared by address. Order of entries is never visible. */
#ifndef FLEXC_BASE_STRTAB_H
#define FLEXC_BASE_STRTAB_H

#include <stdint.h>

#include "base/attr.h"

struct arena;
struct strtab_entry;

/* Fields are private. */
struct strtab {
    struct arena *arena;
    struct strtab_entry *slot; /* open addressing; cap is a power of two or 0 */
    uint32_t n;
    uint32_t cap;
};

/* An empty table; strings and slots come from arena and live as long. */
void strtab_init(struct strtab *t, struct arena *arena);

/* The table's own NUL-terminated copy of len bytes (a NUL among them is kept
 * and counts for equality), or NULL (E_MEMORY reported, table unchanged). */
NODISCARD const char *strtab_intern(struct strtab *t, const char *src,
                                    uint64_t len);
NODISCARD const char *strtab_intern_str(struct strtab *t, const char *src);

/* The copy if the string was interned before, else NULL. */
const char *strtab_find(const struct strtab *t, const char *src, uint64_t len);
const char *strtab_find_str(const struct strtab *t, const char *src);

#endif
