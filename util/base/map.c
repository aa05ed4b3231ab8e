#include "util/base/map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "util/base/memory.h"

/* Open addressing with linear probing; at most half full. */
struct slot {
    char *key; /* NULL: free */
    void *value;
    uint64_t hash;
};

struct map {
    struct slot *slots;
    size_t size; /* a power of two */
    size_t count;
    uint64_t secret[2];
};

enum { FIRST_SIZE = 16 };

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012). */
static uint64_t sip_hash(const uint64_t secret[2], const char *key)
{
    size_t length = strlen(key), left = length;
    uint64_t v[4] = {secret[0] ^ UINT64_C(0x736f6d6570736575), secret[1] ^ UINT64_C(0x646f72616e646f6d),
                     secret[0] ^ UINT64_C(0x6c7967656e657261), secret[1] ^ UINT64_C(0x7465646279746573)};
    uint64_t word;

    for (; left >= 8; left -= 8, key += 8) {
        memcpy(&word, key, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = (uint64_t)length << 56;
    memcpy(&word, key, left);
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct map *map_new(void)
{
    struct map *map = memory_new(sizeof *map);

    map->size = FIRST_SIZE;
    map->slots = memory_new(map->size * sizeof *map->slots);
    /* Random bytes that the kernel gives each program: no one outside can make keys that collide. */
    memcpy(map->secret, (const void *)getauxval(AT_RANDOM), sizeof map->secret);
    return map;
}

void map_free_with(struct map *map, void (*free_value)(void *))
{
    if (map == NULL)
        return;
    for (size_t i = 0; i < map->size; i++) {
        if (map->slots[i].key == NULL)
            continue;
        free(map->slots[i].key);
        if (free_value != NULL)
            free_value(map->slots[i].value);
    }
    free(map->slots);
    free(map);
}

void map_free(struct map *map)
{
    map_free_with(map, NULL);
}

/* The slot that holds key, or the free one where it belongs. */
static struct slot *map_find(const struct map *map, const char *key, uint64_t hash)
{
    size_t i = hash & (map->size - 1);

    while (map->slots[i].key != NULL && (map->slots[i].hash != hash || strcmp(map->slots[i].key, key) != 0))
        i = (i + 1) & (map->size - 1);
    return &map->slots[i];
}

static void map_grow(struct map *map)
{
    struct slot *old = map->slots;
    size_t old_size = map->size;

    map->size *= 2;
    map->slots = memory_new(map->size * sizeof *map->slots);
    for (size_t i = 0; i < old_size; i++)
        if (old[i].key != NULL)
            *map_find(map, old[i].key, old[i].hash) = old[i];
    free(old);
}

void *map_get(const struct map *map, const char *key)
{
    return map_find(map, key, sip_hash(map->secret, key))->value;
}

void *map_set(struct map *map, const char *key, void *value)
{
    uint64_t hash = sip_hash(map->secret, key);
    struct slot *slot = map_find(map, key, hash);
    void *before = slot->value;

    if (slot->key == NULL) {
        if ((map->count + 1) * 2 > map->size) {
            map_grow(map);
            slot = map_find(map, key, hash);
        }
        slot->key = memory_copy_string(key);
        slot->hash = hash;
        map->count++;
    }
    slot->value = value;
    return before;
}

void *map_remove(struct map *map, const char *key)
{
    struct slot *slot = map_find(map, key, sip_hash(map->secret, key));
    void *value = slot->value;
    size_t hole, i;

    if (slot->key == NULL)
        return NULL;
    free(slot->key);
    *slot = (struct slot){0};
    map->count--;
    /* Close the gap: what was pushed past it by probing moves back. */
    hole = (size_t)(slot - map->slots);
    for (i = (hole + 1) & (map->size - 1); map->slots[i].key != NULL; i = (i + 1) & (map->size - 1)) {
        size_t home = map->slots[i].hash & (map->size - 1);

        if (((i - home) & (map->size - 1)) < ((i - hole) & (map->size - 1)))
            continue;
        map->slots[hole] = map->slots[i];
        map->slots[i] = (struct slot){0};
        hole = i;
    }
    return value;
}

size_t map_count(const struct map *map)
{
    return map->count;
}

bool map_next(const struct map *map, size_t *position, const char **key, void **value)
{
    while (*position < map->size) {
        const struct slot *slot = &map->slots[(*position)++];

        if (slot->key == NULL)
            continue;
        *key = slot->key;
        if (value != NULL)
            *value = slot->value;
        return true;
    }
    return false;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char **map_sorted_keys(const struct map *map)
{
    const char **keys = memory_new((map->count + 1) * sizeof *keys);
    size_t position = 0, n = 0;

    while (map_next(map, &position, &keys[n], NULL))
        n++;
    qsort(keys, n, sizeof *keys, compare_keys);
    return keys;
}
