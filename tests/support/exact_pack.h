/* exact_pack.h - whether rectangles of time x address fit below a limit, found
 * out by trying all ways that matter. Time is cyclic. */
#ifndef FLEXC_TESTS_EXACT_PACK_H
#define FLEXC_TESTS_EXACT_PACK_H

#include <stdbool.h>
#include <stdint.h>

enum { EXACT_MAX_ITEMS = 24 };

/* Bytes that live in slots [first, last], at most a period long; first may be
 * negative. */
struct exact_item {
    uint64_t bytes;
    int32_t first;
    int32_t last;
};
struct exact_items {
    struct exact_item x[EXACT_MAX_ITEMS];
    uint32_t n;
    int32_t period; /* slots */
    uint64_t cap;   /* bytes */
    /* Two items that meet; the second lies above the first. */
    uint32_t lower;
    uint32_t upper;
};

/* Whether every item finds an address. *steps counts up; once it is above
 * max_steps the search gives up and says no. */
bool exact_pack(const struct exact_items *items, uint64_t max_steps,
                uint64_t *steps);

#endif
