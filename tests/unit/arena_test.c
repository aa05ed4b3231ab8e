#include "util/base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Wherever in a block it begins, and whether or not the rest of the block holds it. */
static void test_format_at_every_place(void **state)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";

    (void)state;
    for (size_t filled = 0; filled < 1100; filled++)
        for (int length = 0; length < (int)sizeof letters; length += 5) {
            struct arena *arena = arena_new();
            char *text, *behind;

            if (filled > 0)
                memset(arena_alloc(arena, filled), '#', filled);
            text = arena_format(arena, "%.*s", length, letters);
            behind = arena_alloc(arena, 8);
            memset(behind, '#', 8);
            assert_int_equal(strlen(text), length);
            assert_memory_equal(text, letters, (size_t)length);
            arena_free(arena);
        }
}

static void test_join(void **state)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz";

    (void)state;
    for (size_t filled = 0; filled < 1100; filled++) {
        struct arena *arena = arena_new();
        char *joined, *behind;

        if (filled > 0)
            memset(arena_alloc(arena, filled), '#', filled);
        joined = arena_join(arena, "letters=", letters);
        behind = arena_join(arena, "", "");
        assert_string_equal(joined, "letters=abcdefghijklmnopqrstuvwxyz");
        assert_string_equal(behind, "");
        arena_free(arena);
    }
}

static void test_alloc_is_zeroed_and_aligned(void **state)
{
    struct arena *arena = arena_new();

    (void)state;
    for (size_t size = 1; size < 3000; size += 37) {
        const char zeros[3000] = {0};
        char *memory = arena_alloc(arena, size);

        assert_int_equal((uintptr_t)memory % _Alignof(max_align_t), 0);
        assert_memory_equal(memory, zeros, size);
        memset(memory, '#', size);
        arena_format(arena, "%zu", size); /* leaves something where the next one may begin */
    }
    arena_free(arena);
}

static void test_copies_end(void **state)
{
    struct arena *arena = arena_new();

    (void)state;
    arena_format(arena, "%0500d", 1);
    for (int i = 0; i < 200; i++)
        assert_string_equal(arena_copy_bytes(arena, "copied", 4), "copi");
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format_at_every_place),
        cmocka_unit_test(test_join),
        cmocka_unit_test(test_alloc_is_zeroed_and_aligned),
        cmocka_unit_test(test_copies_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
