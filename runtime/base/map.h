/* base/map.h - a table from 64-bit keys to pointers, which grows and shrinks its search but not its
 * memory.
 *
 * Open addressing with linear probing and backward-shift deletion, so there are no tombstones and a
 * look-up ends at the first hole. A map of zero bytes is empty and valid.
 *
 * Threads: none of this is thread-safe.
 * Memory: one array from malloc, doubled at three quarters full.
 */
#ifndef TR_BASE_MAP_H
#define TR_BASE_MAP_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "troupe/status.h"

struct tr_map_entry {
    uint64_t key;
    void *value; /* NULL: the place is free */
};

struct tr_map {
    struct tr_map_entry *entries;
    uint32_t capacity; /* a power of two, or 0 */
    uint32_t count;
};

void tr_map_fini(struct tr_map *map);

/* Adds or replaces. value is not NULL. TROUPE_E_NO_MEMORY changes nothing. */
TROUPE_MUST_USE troupe_status tr_map_put(struct tr_map *map, uint64_t key, void *value);

/* Answers the value, or NULL. */
void *tr_map_get(const struct tr_map *map, uint64_t key);

/* Removes and answers the value, or NULL. */
void *tr_map_take(struct tr_map *map, uint64_t key);

/* Removes some entry and answers its value, or NULL when the map is empty; to drain a map. */
void *tr_map_take_any(struct tr_map *map);

/* Steps through: start with *position 0; answers NULL at the end. The map must not change
 * meanwhile. */
void *tr_map_next(const struct tr_map *map, uint32_t *position);

/* Mixes a key so that neighbours spread over the table. */
static inline uint64_t tr_hash_u64(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    return x;
}

/* A key for bytes, or for a text (FNV-1a). Different ones may share it: the value says which it is.
 */
static inline uint64_t tr_hash_bytes(const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t index = 0; index < size; index++) {
        hash = (hash ^ at[index]) * 0x100000001b3u;
    }
    return hash;
}

static inline uint64_t tr_hash_text(const char *text)
{
    return tr_hash_bytes(text, strlen(text));
}

#endif
