/* arena.h - the compiler's only source of memory: bump allocation from blocks,
 * under a cap, freed all at once or back to a mark. Not thread-safe; one arena
 * per thread. */
#ifndef FLEXC_BASE_ARENA_H
#define FLEXC_BASE_ARENA_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

struct diag;
struct arena_block;
struct arena_heap;

/* Tests' hook: the request for memory from the system numbered fail_at (from
 * 0) and all after it are refused, as if the system had none left. May be
 * shared by several arenas; the caller owns it. */
struct arena_fault {
    uint64_t n_requests; /* counted so far, refused ones too */
    uint64_t fail_at;    /* ARENA_NO_FAULT: only count */
};
#define ARENA_NO_FAULT UINT64_MAX

/* A cap that never binds. */
#define ARENA_NO_CAP UINT64_MAX

/* Fields are private but for the byte counts. */
struct arena {
    struct arena_block *top; /* newest block, or NULL */
    struct arena_heap *heap; /* resizable blocks, newest first */
    struct diag *diag;
    struct arena_fault *fault; /* NULL outside tests */
    uint64_t cap_bytes;
    uint64_t held_bytes; /* taken from the system now */
    uint64_t peak_bytes; /* the most held at any time */
};

/* A point in an arena's history. */
struct arena_mark {
    struct arena_block *top;
    uint64_t used_bytes;
};

/* Sets up an empty arena; takes no memory yet.
 *
 *   cap_bytes  the most it may hold from the system, block headers included
 *   diag       where exhaustion is reported (E_MEMORY), once, since a diag
 *              keeps its first error; outlives the arena */
void arena_init(struct arena *a, uint64_t cap_bytes, struct diag *diag);

/* Gives all memory back, arena_heap_resize's too; the arena is empty again and
 * usable. */
void arena_free(struct arena *a);

/* size_bytes of zeroed memory at a multiple of align_bytes (a power of two,
 * <= 4096), valid until the arena is freed or rewound past it. Size 0 gives a
 * pointer that is not NULL.
 *
 * NULL   cap or system exhausted: E_MEMORY is in the diag; the arena is as
 *        before */
NODISCARD void *arena_alloc(struct arena *a, uint64_t size_bytes,
                            uint64_t align_bytes);

/* arena_alloc of n elements; also NULL (E_MEMORY) when n * size overflows. */
NODISCARD void *arena_alloc_array(struct arena *a, uint64_t n,
                                  uint64_t size_bytes, uint64_t align_bytes);

/* n zeroed objects of type T, or NULL (already reported). */
#define arena_new(arena, T, n)                                                 \
    ((T *)arena_alloc_array((arena), (n), sizeof(T), alignof(T)))

/* A copy of len bytes plus a terminating NUL, or NULL (already reported). */
NODISCARD char *arena_strndup(struct arena *a, const char *src, uint64_t len);
NODISCARD char *arena_strdup(struct arena *a, const char *src);

/* The text of a printf format, or NULL (already reported). */
NODISCARD char *arena_printf(struct arena *a, const char *fmt, ...)
    PRINTF(2, 3);

/* Everything allocated after arena_mark is given back by arena_rewind; marks
 * nest. Resizable blocks are not affected. */
NODISCARD struct arena_mark arena_mark(const struct arena *a);
void arena_rewind(struct arena *a, struct arena_mark mark);

/* Appends a zeroed element to a growing array; use it through arena_push. The
 * array doubles; what it outgrows stays in the arena.
 *
 *   array_ptr   address of the array's pointer (T **), NULL at first
 *   n, cap      elements in use and in store, 0 at first
 *
 * The element's address, valid until the next append; or NULL (E_MEMORY
 * reported; array, n and cap unchanged). */
NODISCARD void *arena_append(struct arena *a, void *array_ptr,
                             uint64_t size_bytes, uint32_t *n, uint32_t *cap);

/* For `struct node *node; uint32_t n, cap;`, as in
 *   struct node *node = arena_push(a, g->node, &g->n_nodes, &g->cap_nodes); */
#define arena_push(arena, array, n, cap)                                       \
    arena_append((arena), &(array), sizeof *(array), (n), (cap))

/* A block that can be resized and released on its own, for growing bytes: it
 * counts against the arena's cap and goes with arena_free at the latest.
 * New bytes are not zeroed; aligned for any type up to 16 bytes.
 *
 *   ptr         NULL, or what this function gave for the same arena
 *   size_bytes  0 releases ptr and gives NULL
 *
 * NULL with size_bytes > 0   E_MEMORY reported; ptr is still valid */
NODISCARD void *arena_heap_resize(struct arena *a, void *ptr,
                                  uint64_t size_bytes);

/* Releases a block of arena_heap_resize; NULL is allowed. */
void arena_heap_free(struct arena *a, void *ptr);

#endif
