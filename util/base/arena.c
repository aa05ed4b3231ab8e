#include "util/base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/base/memory.h"

enum { FIRST_BLOCK = 1000, LARGEST_BLOCK = 16000 };

struct block {
    struct block *next;
    size_t size, used;
    alignas(max_align_t) char data[];
};

struct arena {
    struct block *blocks; /* the newest first */
    size_t total;
};

struct arena *arena_new(void)
{
    struct arena *arena = memory_resize(NULL, sizeof *arena);

    *arena = (struct arena){0};
    return arena;
}

void arena_clear(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct block *next = arena->blocks->next;

        free(arena->blocks);
        arena->blocks = next;
    }
    arena->total = 0;
}

void arena_free(struct arena *arena)
{
    if (arena == NULL)
        return;
    arena_clear(arena);
    free(arena);
}

static struct block *arena_grow(struct arena *arena, size_t need)
{
    size_t size = arena->blocks != NULL ? arena->blocks->size * 2 : FIRST_BLOCK;
    struct block *block;

    if (size > LARGEST_BLOCK)
        size = LARGEST_BLOCK;
    if (size < need)
        size = need;
    block = memory_resize(NULL, sizeof *block + size);
    block->next = arena->blocks;
    block->size = size;
    block->used = 0;
    arena->blocks = block;
    arena->total += sizeof *block + size;
    return block;
}

static size_t room_in(const struct block *block)
{
    return block != NULL ? block->size - block->used : 0;
}

static void *take(struct arena *arena, size_t size)
{
    const size_t unit = alignof(max_align_t);
    size_t rounded = (size + unit - 1) / unit * unit;
    struct block *block = room_in(arena->blocks) < rounded ? arena_grow(arena, rounded) : arena->blocks;
    void *memory = block->data + block->used;

    block->used += rounded;
    return memory;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    return memset(take(arena, size), 0, size);
}

char *arena_copy_bytes(struct arena *arena, const char *bytes, size_t length)
{
    char *copy = take(arena, length + 1);

    if (length > 0)
        memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

char *arena_copy(struct arena *arena, const char *string)
{
    return arena_copy_bytes(arena, string, strlen(string));
}

char *arena_join(struct arena *arena, const char *first, const char *second)
{
    size_t length = strlen(first), more = strlen(second);
    char *result = take(arena, length + more + 1);

    memcpy(result, first, length);
    memcpy(result + length, second, more + 1);
    return result;
}

/* Into what is left of the block, where it mostly fits. */
char *arena_format_list(struct arena *arena, const char *format, va_list arguments)
{
    struct block *block = arena->blocks;
    size_t room = room_in(block);
    char *guess = room > 0 ? block->data + block->used : NULL, *result;
    va_list again;
    int length;

    va_copy(again, arguments);
    length = vsnprintf(guess, room, format, again);
    va_end(again);
    assert(length >= 0);
    result = take(arena, (size_t)length + 1);
    if (result != guess)
        vsnprintf(result, (size_t)length + 1, format, arguments);
    return result;
}

char *arena_format(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    char *result;

    va_start(arguments, format);
    result = arena_format_list(arena, format, arguments);
    va_end(arguments);
    return result;
}

size_t arena_size(const struct arena *arena)
{
    return arena->total;
}
