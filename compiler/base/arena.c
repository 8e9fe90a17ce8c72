#include "base/arena.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/diag.h"
#include "base/size.h"

/* Under AddressSanitizer unused bytes of a block are poisoned and allocations
 * are kept apart, so that overruns inside a block are seen. */
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_ASAN 1
#endif
#endif
#ifdef ARENA_ASAN
#include <sanitizer/asan_interface.h>
enum { RED_ZONE_BYTES = 16 };
static void poison(const void *ptr, uint64_t len)
{
    ASAN_POISON_MEMORY_REGION(ptr, len);
}
static void unpoison(const void *ptr, uint64_t len)
{
    ASAN_UNPOISON_MEMORY_REGION(ptr, len);
}
#else
enum { RED_ZONE_BYTES = 0 };
static void poison(const void *ptr UNUSED, uint64_t len UNUSED)
{
}
static void unpoison(const void *ptr UNUSED, uint64_t len UNUSED)
{
}
#endif

enum {
    BLOCK_MIN_BYTES = 16 * 1024,
    BLOCK_MAX_BYTES =
        1024 * 1024, /* larger requests get a block of their own */
    ALIGN_MAX_BYTES = 4096,
};

struct arena_block {
    struct arena_block *below;
    uint64_t size_bytes;  /* of data */
    uint64_t used_bytes;  /* of data */
    uint64_t dirty_bytes; /* data beyond this is still zero from the system */
    alignas(16) uint8_t data[];
};

struct arena_heap {
    struct arena_heap *newer;
    struct arena_heap *older;
    uint64_t size_bytes; /* of data */
    alignas(16) uint8_t data[];
};

static bool refuse(struct arena *a, uint64_t size_bytes)
{
    if (a->held_bytes <= a->cap_bytes &&
        size_bytes > a->cap_bytes - a->held_bytes) {
        return diag_error(a->diag, E_MEMORY, at_none(),
                          "%" PRIu64 " more bytes exceed the limit of %" PRIu64
                          " bytes, of which %" PRIu64 " are in use",
                          size_bytes, a->cap_bytes, a->held_bytes);
    }
    return diag_error(a->diag, E_MEMORY, at_none(),
                      "the system has no %" PRIu64 " more bytes; %" PRIu64
                      " are in use",
                      size_bytes, a->held_bytes);
}

/* True when the system may be asked for size_bytes more. */
static bool may_take(struct arena *a, uint64_t size_bytes)
{
    if (size_bytes > a->cap_bytes - a->held_bytes || size_bytes > SIZE_MAX) {
        return refuse(a, size_bytes);
    }
    if (a->fault && a->fault->n_requests++ >= a->fault->fail_at) {
        return refuse(a, size_bytes);
    }
    return true;
}

static void count_taken(struct arena *a, uint64_t size_bytes)
{
    a->held_bytes += size_bytes;
    a->peak_bytes = size_max(a->peak_bytes, a->held_bytes);
}

void arena_init(struct arena *a, uint64_t cap_bytes, struct diag *diag)
{
    *a = (struct arena){.cap_bytes = cap_bytes, .diag = diag};
}

static void pop_block(struct arena *a)
{
    struct arena_block *block = a->top;
    a->top = block->below;
    a->held_bytes -= sizeof *block + block->size_bytes;
    unpoison(block->data, block->size_bytes);
    free(block);
}

void arena_free(struct arena *a)
{
    while (a->top) {
        pop_block(a);
    }
    while (a->heap) {
        struct arena_heap *block = a->heap;
        a->heap = block->older;
        a->held_bytes -= sizeof *block + block->size_bytes;
        free(block);
    }
    assert(a->held_bytes == 0);
}

/* Puts a block with room for need_bytes on top; larger when the cap has room,
 * so that small allocations share it. */
static bool push_block(struct arena *a, uint64_t need_bytes)
{
    uint64_t wish = BLOCK_MIN_BYTES;
    if (a->top) {
        wish = size_min(2 * a->top->size_bytes, BLOCK_MAX_BYTES);
    }
    const uint64_t left = a->cap_bytes - a->held_bytes;
    const uint64_t room = left > sizeof(struct arena_block)
                              ? left - sizeof(struct arena_block)
                              : 0;
    const uint64_t size = size_max(need_bytes, size_min(wish, room));
    uint64_t total;
    if (!size_add(&total, size, sizeof(struct arena_block))) {
        return refuse(a, size);
    }
    if (!may_take(a, total)) {
        return false;
    }
    struct arena_block *block = calloc(1, (size_t)total);
    if (!block) {
        return refuse(a, total);
    }
    block->below = a->top;
    block->size_bytes = size;
    a->top = block;
    count_taken(a, total);
    poison(block->data, size);
    return true;
}

/* Offset of the next allocation in a block, or false when it does not fit. */
static bool fit(const struct arena_block *block, uint64_t size_bytes,
                uint64_t align_bytes, uint64_t *off)
{
    if (!block) {
        return false;
    }
    const uintptr_t at = (uintptr_t)block->data + (uintptr_t)block->used_bytes;
    const uint64_t skip = (uint64_t)(0 - at) & (align_bytes - 1);
    const uint64_t left = block->size_bytes - block->used_bytes;
    if (skip > left || size_bytes > left - skip) {
        return false;
    }
    *off = block->used_bytes + skip;
    return true;
}

void *arena_alloc(struct arena *a, uint64_t size_bytes, uint64_t align_bytes)
{
    assert(align_bytes != 0 && (align_bytes & (align_bytes - 1)) == 0);
    assert(align_bytes <= ALIGN_MAX_BYTES);
    uint64_t taken;
    /* At least a byte each, so that no two objects share an address. */
    if (!size_add(&taken, size_max(size_bytes, 1), RED_ZONE_BYTES)) {
        refuse(a, size_bytes);
        return NULL;
    }
    uint64_t off;
    if (!fit(a->top, taken, align_bytes, &off)) {
        /* Block data is 16-aligned. */
        const uint64_t slack = align_bytes > 16 ? align_bytes - 16 : 0;
        uint64_t need;
        if (!size_add(&need, taken, slack)) {
            refuse(a, size_bytes);
            return NULL;
        }
        if (!push_block(a, need)) {
            return NULL;
        }
        const bool fits = fit(a->top, taken, align_bytes, &off);
        assert(fits);
        (void)fits;
    }
    struct arena_block *block = a->top;
    uint8_t *ptr = block->data + off;
    unpoison(ptr, size_bytes);
    if (off < block->dirty_bytes) {
        memset(ptr, 0, (size_t)size_min(size_bytes, block->dirty_bytes - off));
    }
    block->used_bytes = off + taken;
    block->dirty_bytes = size_max(block->dirty_bytes, block->used_bytes);
    return ptr;
}

void *arena_alloc_array(struct arena *a, uint64_t n, uint64_t size_bytes,
                        uint64_t align_bytes)
{
    uint64_t total;
    if (!size_mul(&total, n, size_bytes)) {
        diag_error(a->diag, E_MEMORY, at_none(),
                   "%" PRIu64 " objects of %" PRIu64
                   " bytes exceed the address space",
                   n, size_bytes);
        return NULL;
    }
    return arena_alloc(a, total, align_bytes);
}

char *arena_strndup(struct arena *a, const char *src, uint64_t len)
{
    uint64_t total;
    if (!size_add(&total, len, 1)) {
        refuse(a, len);
        return NULL;
    }
    char *dst = arena_alloc(a, total, 1);
    if (dst && len > 0) {
        memcpy(dst, src, (size_t)len);
    }
    return dst;
}

char *arena_strdup(struct arena *a, const char *src)
{
    return arena_strndup(a, src, strlen(src));
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    assert(len >= 0);
    char *dst = arena_alloc(a, (uint64_t)len + 1, 1);
    if (dst) {
        va_start(args, fmt);
        (void)vsnprintf(dst, (size_t)len + 1, fmt, args);
        va_end(args);
    }
    return dst;
}

struct arena_mark arena_mark(const struct arena *a)
{
    return (struct arena_mark){a->top, a->top ? a->top->used_bytes : 0};
}

void arena_rewind(struct arena *a, struct arena_mark mark)
{
    while (a->top != mark.top) {
        assert(a->top); /* else the mark is of another arena */
        pop_block(a);
    }
    if (a->top) {
        assert(mark.used_bytes <= a->top->used_bytes);
        poison(a->top->data + mark.used_bytes,
               a->top->size_bytes - mark.used_bytes);
        a->top->used_bytes = mark.used_bytes;
    }
}

void *arena_append(struct arena *a, void *array_ptr, uint64_t size_bytes,
                   uint32_t *n, uint32_t *cap)
{
    /* The caller's pointer has a type we do not know; its bytes are copied so
     * that it is never accessed as a void pointer. */
    uint8_t *array;
    memcpy(&array, array_ptr, sizeof array);
    if (*n == *cap) {
        const uint64_t wish = size_max(8, 2 * (uint64_t)*cap);
        const uint32_t new_cap = (uint32_t)size_min(wish, UINT32_MAX);
        if (new_cap == *cap) {
            diag_error(a->diag, E_MEMORY, at_none(),
                       "a list has no room for more than %" PRIu32 " entries",
                       *cap);
            return NULL;
        }
        uint8_t *grown = arena_alloc_array(a, new_cap, size_bytes, 16);
        if (!grown) {
            return NULL;
        }
        if (*n > 0) {
            memcpy(grown, array, (size_t)(*n * size_bytes));
        }
        memcpy(array_ptr, &grown, sizeof grown);
        *cap = new_cap;
        array = grown;
    }
    uint8_t *element = array + *n * size_bytes;
    memset(element, 0, (size_t)size_bytes);
    (*n)++;
    return element;
}

static struct arena_heap *heap_of(void *ptr)
{
    return (struct arena_heap *)(void *)((uint8_t *)ptr -
                                         offsetof(struct arena_heap, data));
}

void *arena_heap_resize(struct arena *a, void *ptr, uint64_t size_bytes)
{
    if (size_bytes == 0) {
        arena_heap_free(a, ptr);
        return NULL;
    }
    struct arena_heap *old = ptr ? heap_of(ptr) : NULL;
    uint64_t total;
    if (!size_add(&total, size_bytes, sizeof(struct arena_heap))) {
        refuse(a, size_bytes);
        return NULL;
    }
    const uint64_t old_total = old ? sizeof *old + old->size_bytes : 0;
    /* realloc may hold both copies for a moment; the cap is on what stays. */
    const uint64_t more = total > old_total ? total - old_total : 0;
    if (!may_take(a, more)) {
        return NULL;
    }
    struct arena_heap *block =
        total > SIZE_MAX ? NULL : realloc(old, (size_t)total);
    if (!block) {
        refuse(a, more);
        return NULL;
    }
    if (!old) {
        block->newer = NULL;
        block->older = a->heap;
    }
    block->size_bytes = size_bytes;
    if (block->newer) {
        block->newer->older = block;
    } else {
        a->heap = block;
    }
    if (block->older) {
        block->older->newer = block;
    }
    a->held_bytes -= old_total;
    count_taken(a, total);
    return block->data;
}

void arena_heap_free(struct arena *a, void *ptr)
{
    if (!ptr) {
        return;
    }
    struct arena_heap *block = heap_of(ptr);
    if (block->newer) {
        block->newer->older = block->older;
    } else {
        a->heap = block->older;
    }
    if (block->older) {
        block->older->newer = block->newer;
    }
    a->held_bytes -= sizeof *block + block->size_bytes;
    free(block);
}
