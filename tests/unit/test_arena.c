#include "support/fixture.h"

#include <string.h>

static bool is_zero(const void *src, uint64_t len)
{
    const uint8_t *bytes = src;
    for (uint64_t i = 0; i < len; i++) {
        if (bytes[i] != 0) {
            return false;
        }
    }
    return true;
}

static void arena__gives_zeroed_aligned_memory(void **state)
{
    struct fixture *f = *state;
    static const uint64_t k_sizes[] = {0, 1, 7, 64, 5000, 70000, 3000000};
    for (uint64_t align = 1; align <= 4096; align *= 2) {
        for (size_t i = 0; i < ARRAY_LEN(k_sizes); i++) {
            uint8_t *ptr = arena_alloc(&f->keep, k_sizes[i], align);
            assert_non_null(ptr);
            assert_int_equal((uintptr_t)ptr % align, 0);
            assert_true(is_zero(ptr, k_sizes[i]));
            memset(ptr, 0xa5, (size_t)k_sizes[i]);
        }
    }
}

static void arena__zeroes_again_what_was_rewound(void **state)
{
    struct fixture *f = *state;
    struct arena *a = &f->scratch;
    assert_non_null(arena_alloc(a, 16, 16));
    const struct arena_mark mark = arena_mark(a);
    for (unsigned round = 0; round < 3; round++) {
        uint8_t *ptr = arena_alloc(a, 1000, 8);
        assert_non_null(ptr);
        assert_true(is_zero(ptr, 1000));
        memset(ptr, 0xff, 1000);
        arena_rewind(a, mark);
    }
}

static void arena__rewind_gives_blocks_back(void **state)
{
    struct fixture *f = *state;
    struct arena *a = &f->scratch;
    const struct arena_mark empty = arena_mark(a);
    uint32_t *kept = arena_new(a, uint32_t, 1);
    assert_non_null(kept);
    *kept = 42;
    const struct arena_mark mark = arena_mark(a);
    const uint64_t held = a->held_bytes;
    assert_non_null(arena_alloc(a, 1 << 20, 8));
    assert_true(a->held_bytes > held + (1 << 20));
    arena_rewind(a, mark);
    assert_true(a->held_bytes == held);
    assert_int_equal(*kept, 42);
    assert_true(a->peak_bytes > held + (1 << 20));
    arena_rewind(a, empty);
    assert_true(a->held_bytes == 0);
}

static void arena__never_holds_more_than_its_cap(void **state)
{
    struct fixture *f = *state;
    struct arena a;
    arena_init(&a, 20000, &f->diag);
    unsigned n = 0;
    while (arena_alloc(&a, 1000, 8)) {
        n++;
        assert_true(a.held_bytes <= 20000);
    }
    /* The cap is used up to headers and rounding, not to a block's edge. */
    assert_in_range(n, 16, 20);
    assert_diag(f, E_MEMORY, "");
    arena_free(&a);
    assert_true(a.held_bytes == 0);
}

static void arena__reports_exhaustion_once(void **state)
{
    struct fixture *f = *state;
    struct arena a;
    arena_init(&a, 1000, &f->diag);
    assert_null(arena_alloc(&a, 2000, 8));
    char first[DIAG_LINE_CAP];
    diag_format(&f->diag, first, sizeof first);
    assert_non_null(strstr(first, "the limit of 1000 bytes"));
    assert_null(arena_alloc(&a, 3000, 8));
    char again[DIAG_LINE_CAP];
    diag_format(&f->diag, again, sizeof again);
    assert_string_equal(first, again);
    /* Still usable for what fits. */
    assert_non_null(arena_alloc(&a, 100, 8));
    arena_free(&a);
}

static void arena__refuses_sizes_that_overflow(void **state)
{
    struct fixture *f = *state;
    assert_null(arena_new(&f->keep, uint64_t, UINT64_MAX / 4));
    assert_diag(f, E_MEMORY, "");
    fixture_restart(f, ARENA_NO_FAULT);
    assert_null(arena_alloc(&f->keep, UINT64_MAX, 4096));
    assert_diag(f, E_MEMORY, "");
    fixture_restart(f, ARENA_NO_FAULT);
    assert_null(arena_alloc(&f->keep, UINT64_MAX - 40, 8));
    assert_diag(f, E_MEMORY, "");
    assert_null(arena_heap_resize(&f->keep, NULL, UINT64_MAX - 8));
    assert_true(f->keep.held_bytes == 0);
}

struct item {
    uint32_t value;
    char name[60];
};

static void arena__push_keeps_elements_and_zeroes_new_ones(void **state)
{
    struct fixture *f = *state;
    struct item *items = NULL;
    uint32_t n = 0;
    uint32_t cap = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        struct item *item = arena_push(&f->keep, items, &n, &cap);
        assert_non_null(item);
        assert_true(is_zero(item, sizeof *item));
        memset(item, 0x5a, sizeof *item);
        item->value = i;
    }
    assert_int_equal(n, 1000);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(items[i].value, i);
    }
    /* A place that was in use before is zeroed too. */
    n = 10;
    struct item *reused = arena_push(&f->keep, items, &n, &cap);
    assert_ptr_equal(reused, &items[10]);
    assert_true(is_zero(reused, sizeof *reused));
}

/* Everything that takes memory, as one run that the k-th failure interrupts. */
static bool take_all_kinds(struct fixture *f)
{
    struct item *items = NULL;
    uint32_t n = 0;
    uint32_t cap = 0;
    for (uint32_t i = 0; i < 2000; i++) {
        const uint32_t n_before = n;
        if (!arena_push(&f->keep, items, &n, &cap)) {
            assert_int_equal(n, n_before);
            return false;
        }
    }
    uint8_t *block = arena_heap_resize(&f->scratch, NULL, 100);
    if (!block) {
        return false;
    }
    memset(block, 1, 100);
    uint8_t *grown = arena_heap_resize(&f->scratch, block, 100000);
    if (!grown) {
        assert_int_equal(block[99], 1); /* the old block is still there */
        return false;
    }
    assert_int_equal(grown[99], 1);
    return arena_strdup(&f->scratch, "text") != NULL;
}

static void arena__survives_failure_of_each_request(void **state)
{
    struct fixture *f = *state;
    uint64_t k = 0;
    for (;; k++) {
        fixture_restart(f, k);
        const bool ok = take_all_kinds(f);
        if (!fixture_failed(f)) {
            assert_true(ok);
            break;
        }
        assert_false(ok);
        assert_diag(f, E_MEMORY, "");
        arena_free(&f->keep);
        arena_free(&f->scratch);
        assert_true(f->keep.held_bytes == 0 && f->scratch.held_bytes == 0);
    }
    assert_true(k >= 5);
}

static void arena__heap_blocks_release_in_any_order(void **state)
{
    struct fixture *f = *state;
    struct arena *a = &f->keep;
    void *block[4];
    for (unsigned i = 0; i < 4; i++) {
        block[i] = arena_heap_resize(a, NULL, 1000 * (i + 1));
        assert_non_null(block[i]);
    }
    arena_heap_free(a, block[1]);
    arena_heap_free(a, block[3]);
    block[2] = arena_heap_resize(a, block[2], 10);
    assert_non_null(block[2]);
    arena_heap_free(a, block[0]);
    assert_true(a->held_bytes > 10 && a->held_bytes < 100);
    assert_null(arena_heap_resize(a, block[2], 0));
    assert_true(a->held_bytes == 0);
    assert_no_diag(f);
}

static void arena__copies_text(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(arena_strndup(&f->keep, "abcdef", 3), "abc");
    assert_string_equal(arena_strdup(&f->keep, ""), "");
    assert_string_equal(arena_printf(&f->keep, "%s-%d", "x", 12), "x-12");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(arena__gives_zeroed_aligned_memory),
        FIXTURE_TEST(arena__zeroes_again_what_was_rewound),
        FIXTURE_TEST(arena__rewind_gives_blocks_back),
        FIXTURE_TEST(arena__never_holds_more_than_its_cap),
        FIXTURE_TEST(arena__reports_exhaustion_once),
        FIXTURE_TEST(arena__refuses_sizes_that_overflow),
        FIXTURE_TEST(arena__push_keeps_elements_and_zeroes_new_ones),
        FIXTURE_TEST(arena__survives_failure_of_each_request),
        FIXTURE_TEST(arena__heap_blocks_release_in_any_order),
        FIXTURE_TEST(arena__copies_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
